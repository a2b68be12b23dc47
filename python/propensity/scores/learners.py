"""Models to predict with, all of one shape: scikit-learn's, which is not needed for it.

A learner has `fit(x, y)` and `predict(x)`, or `predict_proba(x)` for what is 0 or 1. `"linear"` and
`"logistic"` are two of our own.
"""

from __future__ import annotations

import copy
import sys
from typing import Any, Self, TypeAlias

import numpy as np

from propensity import core
from propensity.effects.estimators import OutcomeModel
from propensity.errors import InvalidInputError
from propensity.frames.checks import Floats

Learner: TypeAlias = Any
"""What has `fit`, and `predict` or `predict_proba`: any regressor or classifier of scikit-learn."""


class Linear:
    """Least squares with an intercept; of several solutions the shortest."""

    def fit(self, x: Floats, y: Floats, sample_weight: Floats | None = None) -> Self:
        """Find the coefficients."""
        root = np.ones(len(y)) if sample_weight is None else np.sqrt(sample_weight)
        # Centred, so that large columns far from zero cost no digits.
        self._center = np.average(x, axis=0, weights=root**2)
        design = np.column_stack([np.ones(len(x)), x - self._center])
        self._coefficients = np.linalg.lstsq(design * root[:, None], y * root)[0]
        return self

    def predict(self, x: Floats) -> Floats:
        """Give the fitted means."""
        return np.asarray(self._coefficients[0] + (x - self._center) @ self._coefficients[1:])


class Logistic:
    """Our logistic regression, for anything between 0 and 1."""

    def __init__(self, penalty: float = 0.0) -> None:
        self.penalty = penalty

    def fit(self, x: Floats, y: Floats, sample_weight: Floats | None = None) -> Self:
        """Find the coefficients."""
        w = np.ones(len(y)) if sample_weight is None else sample_weight
        outside = int(((y < 0) | (y > 1)).sum())
        if outside:
            raise InvalidInputError(
                f"outcome: {outside:,} values below 0 or above 1, where a logistic model has nothing to say; "
                'take outcome_model="linear"'
            )
        # A share y has the log-loss of y rows of ones and 1 - y rows of zeros.
        label = np.repeat([1.0, 0.0], len(y))
        weight = np.concatenate([w * y, w * (1 - y)])
        used = weight > 0
        self._fit = core.fit_propensity(
            np.concatenate([x, x])[used], label[used], penalty=self.penalty, sample_weight=weight[used]
        )
        return self

    def predict(self, x: Floats) -> Floats:
        """Give the fitted probabilities."""
        return self._fit.predict(x)


def outcome_learner(model: OutcomeModel | Learner) -> Learner:
    """Give the learner that an outcome model stands for."""
    if isinstance(model, str):
        return {"linear": Linear, "logistic": Logistic}[model]()
    return model


def require(role: str, learner: Learner) -> None:
    """Require an object that can be fitted and predict."""
    methods = [name for name in ("fit", "predict", "predict_proba") if callable(getattr(learner, name, None))]
    if isinstance(learner, type) or "fit" not in methods or len(methods) < 2:
        raise InvalidInputError(
            f"{role}: a model with fit and predict is needed, as scikit-learn's have, not {learner!r}"
        )


def fit_predict(learner: Learner, x: Floats, y: Floats, sample_weight: Floats | None, new: Floats) -> Floats:
    """Fit a fresh copy of the learner, and predict means: of a classifier the probability of 1."""
    fresh = _copy(learner)
    classifies = hasattr(fresh, "predict_proba")
    if classifies and not np.isin(y, (0, 1)).all():
        raise InvalidInputError(
            f"{type(learner).__name__} is a classifier, and the outcome is not 0/1: take a regressor"
        )
    if sample_weight is None:
        fresh.fit(x, y)
    else:
        fresh.fit(x, y, sample_weight=sample_weight)
    if not classifies:
        return np.asarray(fresh.predict(new), dtype=np.float64)
    classes = list(getattr(fresh, "classes_", (0, 1)))
    if 1 not in classes:  # no row that it was fitted to had a 1
        return np.zeros(len(new))
    return np.asarray(fresh.predict_proba(new), dtype=np.float64)[:, classes.index(1)]


def _copy(learner: Learner) -> Learner:
    """Give an unfitted copy: whoever has a scikit-learn model has imported scikit-learn."""
    base = sys.modules.get("sklearn.base")
    return base.clone(learner, safe=False) if base else copy.deepcopy(learner)
