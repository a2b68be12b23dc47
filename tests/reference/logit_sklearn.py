"""Penalized logits of the two data sets by scikit-learn at tol=1e-12, written to logit_sklearn.json.

The penalty lambda of  sum(log-loss) + lambda/2 * ||beta without intercept||^2  is scikit-learn's 1/C.
The covariates are centred first: it changes no slope, and brings the solver to its last digits.
"""

import json
import warnings
from pathlib import Path

import numpy as np
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

import designs

PENALTIES = [0.1, 1.0, 10.0]


def fit(data, penalty):
    x, treatment, _ = designs.arrays(data)
    center = x.mean(axis=0)
    model = LogisticRegression(C=1 / penalty, solver="newton-cholesky", tol=1e-12, max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model.fit(x - center, treatment)
    slopes = model.coef_[0]
    return [model.intercept_[0] - center @ slopes, *slopes]


def main():
    versions = {"scikit-learn": sklearn.__version__, "numpy": np.__version__}
    fits = {data: {str(p): fit(data, p) for p in PENALTIES} for data in designs.COVARIATES}
    content = {"software": versions, **fits}
    Path(__file__).with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
