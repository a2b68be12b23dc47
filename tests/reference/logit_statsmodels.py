"""Maximum likelihood logits of the two data sets by statsmodels, written to logit_statsmodels.json.

statsmodels fits the standardized covariates, so that its own rounding stays far below 1e-8 (mage and
mage squared are nearly collinear); coefficients and covariance are then put on the users' scale by
the linear map between the two parametrisations.
"""

import json
from pathlib import Path

import numpy as np
import statsmodels
import statsmodels.api as sm

import designs


def standardization(x):
    """The matrix that takes coefficients of standardized columns to those of the columns as they are."""
    center, scale = x.mean(axis=0), x.std(axis=0)
    move = np.diag(np.concatenate([[1.0], 1 / scale]))
    move[0, 1:] = -center / scale
    return (x - center) / scale, move


def fit(data):
    x, treatment, _ = designs.arrays(data)
    standardized, move = standardization(x)
    result = sm.Logit(treatment, sm.add_constant(standardized)).fit(tol=1e-14, maxiter=100, disp=False)
    return {
        "terms": ["Intercept", *designs.COVARIATES[data]],
        "coefficients": (move @ result.params).tolist(),
        "covariance": (move @ result.cov_params() @ move.T).tolist(),
        "log_likelihood": result.llf,
    }


def main():
    versions = {"statsmodels": statsmodels.__version__, "numpy": np.__version__}
    content = {"software": versions, **{data: fit(data) for data in designs.COVARIATES}}
    Path(__file__).with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
