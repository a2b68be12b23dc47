"""Our own models to predict with, learners like any other: linear, logistic, Poisson, gamma regressions."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self, TypeAlias, cast

import numpy as np

from propensity import core
from propensity.frames.checks import Floats
from propensity.frames.design import Design

ScoreWord: TypeAlias = Literal["logistic", "probit", "cloglog"]
"""Score models of our own: the link between a score and its linear predictor."""

LogLinkModel: TypeAlias = Literal["poisson", "gamma"]

Terms: TypeAlias = "Floats | Design"
"""What our own are given of rows: their terms, as a matrix or with levels as codes."""

_ROUNDING = 32 * 2.0**-53
"""How much of its size a column of equal values may seem to vary by: as in the core (src/design/rank.rs)."""


class Linear:
    """Least squares with an intercept; of several solutions the shortest."""

    model: ClassVar[str] = "linear"

    def fit(self, x: Terms, y: Floats, sample_weight: Floats | None = None) -> Self:
        """Find the coefficients."""
        self._by_codes = least_squares_of_codes(x, y, sample_weight) if isinstance(x, Design) else None
        return self if self._by_codes is not None else self._solve(matrix_of(x), y, sample_weight)

    def _solve(self, x: Floats, y: Floats, sample_weight: Floats | None) -> Self:
        root = np.ones(len(y)) if sample_weight is None else np.sqrt(sample_weight)
        # Centred and on one scale: columns far from zero or in small units cost others no digits.
        self._center = np.average(x, axis=0, weights=root**2)
        deviation = np.sqrt(np.average((x - self._center) ** 2, axis=0, weights=root**2))
        # What rounding leaves of a constant, of the values and of their mean, is no column.
        varies = deviation > _ROUNDING * np.abs(x).max(axis=0, initial=0.0)
        self._per_scale = np.where(varies, 1 / np.where(varies, deviation, 1.0), 0.0)
        design = np.column_stack([np.ones(len(x)), self._scaled(x)])
        self._coefficients = np.linalg.lstsq(design * root[:, None], y * root, rcond=None)[0]
        return self

    def predict(self, x: Terms) -> Floats:
        """Give the fitted means."""
        if self._by_codes is not None:
            return _by_codes(self._by_codes, x)
        x = matrix_of(x)
        return np.asarray(self._coefficients[0] + self._scaled(x) @ self._coefficients[1:])

    def _scaled(self, x: Floats) -> Floats:
        return (x - self._center) * self._per_scale


class LogLink:
    """Our Poisson or gamma regression: the logarithm of the mean is linear."""

    def __init__(self, model: str) -> None:
        self.model = model

    def fit(self, x: Terms, y: Floats, sample_weight: Floats | None = None) -> Self:
        """Find the coefficients."""
        model = cast("LogLinkModel", self.model)
        self._fit = core.fit_outcome(matrix_of(x), y, outcome_model=model, sample_weight=sample_weight)
        return self

    def predict(self, x: Terms) -> Floats:
        """Give the fitted means."""
        return self._fit.predict(matrix_of(x))


class Logistic:
    """Our logistic regression, for anything between 0 and 1; with other links where it is of a treatment."""

    model: ClassVar[str] = "logistic"

    def __init__(self, penalty: float = 0.0, score_model: ScoreWord = "logistic") -> None:
        self.penalty, self.score_model = penalty, score_model

    def fit(self, x: Terms, y: Floats, sample_weight: Floats | None = None) -> Self:
        """Find the coefficients."""
        w = np.ones(len(y)) if sample_weight is None else sample_weight
        # A share y has the log-loss of y rows of ones and 1 - y rows of zeros.
        label = np.repeat([1.0, 0.0], len(y))
        weight = np.concatenate([w * y, w * (1 - y)])
        used = weight > 0
        doubled = np.tile(np.arange(len(y)), 2)[used]
        rows = x.taken(doubled) if isinstance(x, Design) else Design(x[doubled])
        self._fit = core.fit_propensity(
            rows.numbers,
            label[used],
            penalty=self.penalty,
            score_model=self.score_model,
            sample_weight=weight[used],
            **rows.coded,
        )
        return self

    def predict(self, x: Terms) -> Floats:
        """Give the fitted probabilities."""
        coded = isinstance(x, Design) and len(self._fit.factors) > 0
        return _by_codes(self._fit, x) if coded else self._fit.predict(matrix_of(x))


OwnLearner: TypeAlias = Linear | Logistic | LogLink
"""What the words stand for: models that are given the terms, and are the same for any order of the rows."""


def matrix_of(x: Terms) -> Floats:
    """Give terms as a matrix (n, d)."""
    return x.x if isinstance(x, Design) else x


def _by_codes(fit: core.OutcomeFit | core.PropensityFit, x: Terms) -> Floats:
    """Predict rows whose levels are codes, as at the fit."""
    assert isinstance(x, Design)
    return fit.predict(x.numbers, factors=x.codes)


def least_squares_of_codes(x: Design, y: Floats, sample_weight: Floats | None) -> core.OutcomeFit | None:
    """Fit by codes; None where there are none, or where terms repeat others but for levels without rows.

    Of these the shortest solution gives them nothing too. Of others it is a choice that codes do not make.
    """
    if not x.factors:
        return None
    fit = core.fit_outcome(x.numbers, y, outcome_model="linear", sample_weight=sample_weight, **x.coded)
    there = None if sample_weight is None else sample_weight > 0
    counted = x if there is None or there.all() else x.taken(np.flatnonzero(there))
    return fit if set(map(int, fit.aliased)) <= set(counted.empty_levels) else None


def own_learner(model: Any, penalty: float = 0.0) -> Any:
    """Give the learner that a word stands for, "linear", "logistic" and so on; any other as it is."""
    if not isinstance(model, str):
        return model
    if model in ("poisson", "gamma"):
        return LogLink(model)
    return Linear() if model == "linear" else Logistic(penalty, cast("ScoreWord", model))


def slope_of(learner: OwnLearner, m: Floats) -> Floats:
    """Give how the means (n,) of one of our own move with their linear predictors."""
    if isinstance(learner, Linear):
        return np.ones(len(m))
    return m * (1 - m) if isinstance(learner, Logistic) else m


def score_of(learner: OwnLearner, y: Floats, m: Floats) -> tuple[Floats, Floats]:
    """Give what is left of outcomes (n,) in the equations of the coefficients, and how fast that falls."""
    if isinstance(learner, LogLink) and learner.model == "gamma":
        return y / m - 1, y / m
    return y - m, slope_of(learner, m)
