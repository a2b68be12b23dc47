"""Models to predict with, all of one shape: scikit-learn's, which is not needed for it.

A learner has `fit(x, y)` and `predict(x)`, or `predict_proba(x)` for what is 0 or 1. `"linear"`,
`"logistic"`, `"poisson"` and `"gamma"` are our own. What is here asks for nothing but arrays and frames, so
that specifications of estimators may hold learners.
"""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Iterator
from typing import Any, ClassVar, Literal, Self, TypeAlias, cast

import numpy as np
import pandas as pd

from propensity import core
from propensity.errors import InvalidInputError
from propensity.frames.checks import Floats
from propensity.frames.design import Design

Learner: TypeAlias = Any
"""What has `fit`, and `predict` or `predict_proba`: any regressor or classifier of scikit-learn."""

ScoreWord: TypeAlias = Literal["logistic", "probit", "cloglog"]
"""Score models of our own: the link between a score and its linear predictor."""

LogLinkModel: TypeAlias = Literal["poisson", "gamma"]

Terms: TypeAlias = "Floats | Design"
"""What our own are given of rows: their terms, as a matrix or with levels as codes."""

Given: TypeAlias = "Floats | Design | pd.DataFrame"
"""What a learner is given of rows: their terms, or the columns under their names."""

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


def own_learner(model: Learner, penalty: float = 0.0) -> Learner:
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


OwnLearner: TypeAlias = Linear | Logistic | LogLink
"""What the words stand for: models that are given the terms, and are the same for any order of the rows."""


def require_classifier(role: str, learner: Learner) -> None:
    """Require an object that can be fitted and predicts probabilities.

    Raises
    ------
    InvalidInputError
        It is none; of a model that is fitted already it is said where that goes.
    """
    if hasattr(learner, "fingerprint"):
        raise InvalidInputError(
            f"{role}: a model that is to be fitted is needed, not {_named(learner)}, which is fitted; where "
            "a function takes scores it goes there, scores=model"
        )
    require(role, learner)
    if not (hasattr(learner, "predict_proba") or _shows_it_once_fitted(learner)):
        raise _without_chances(role, learner)


def is_classifier(learner: Learner) -> bool:
    """Whether a learner predicts chances, or says that it is to."""
    base = sys.modules.get("sklearn.base")
    says_so = base is not None and isinstance(learner, base.BaseEstimator) and base.is_classifier(learner)
    return bool(says_so) or hasattr(learner, "predict_proba")


def _shows_it_once_fitted(learner: Learner) -> bool:
    """Whether a classifier has predict_proba but may not show it yet, as one made of others has.

    What a stack of models has is what its last one has, which it makes only when it is fitted.
    """
    return hasattr(type(learner), "predict_proba") and is_classifier(learner)


def _without_chances(role: str, learner: Learner) -> InvalidInputError:
    return InvalidInputError(
        f"{role}: a classifier is needed, with predict_proba, and {_named(learner)} has none"
    )


def parts_of(learner: Learner) -> Iterator[Any]:
    """Give a learner and everything that it is made of, steps of pipelines and what these wrap."""
    yield learner
    if hasattr(learner, "get_params") and not isinstance(learner, type):
        for value in learner.get_params(deep=True).values():
            if hasattr(value, "fit") and not isinstance(value, type):
                yield value


def reads_levels(learner: Learner) -> bool:
    """Whether a learner takes text and categories as they are; the others get a term for each level.

    Those do that say so (`reads_levels`), that have an option for it, or something in them that chooses
    columns or encodes levels: a ColumnTransformer, an encoder, a step of the caller's own.
    """
    return any(_reads_levels_itself(part) for part in parts_of(learner))


def _reads_levels_itself(part: Any) -> bool:
    kind = type(part)
    whose = kind.__module__.partition(".")[0]
    if bool(getattr(part, "reads_levels", False)) or whose in ("lightgbm", "catboost"):
        return True
    if getattr(part, "enable_categorical", False) or getattr(part, "categorical_features", None) is not None:
        return True
    if hasattr(part, "transformers") or any(word in kind.__name__ for word in ("Encoder", "Vectorizer")):
        return True
    own_step = hasattr(part, "transform") and (whose != "sklearn" or kind.__name__ == "FunctionTransformer")
    return own_step and not hasattr(part, "steps")


def require(role: str, learner: Learner) -> None:
    """Require an object that can be fitted and predict."""
    if isinstance(learner, type):
        name = f"ps.{learner.__name__}" if learner.__module__.startswith("propensity.") else learner.__name__
        raise InvalidInputError(f"{role}: {learner.__name__} is a class; call it: {role}={name}()")
    own = (learner, type(learner))  # which may have what it does not show until it is fitted
    methods = [
        name
        for name in ("fit", "predict", "predict_proba")
        if any(callable(getattr(whose, name, None)) for whose in own)
    ]
    if "fit" not in methods or len(methods) < 2:
        raise InvalidInputError(
            f"{role}: a model with fit and predict is needed, as scikit-learn's have, not {learner!r}"
        )


def seeded(learner: Learner, seed: int | tuple[int, ...]) -> Learner:
    """Give a learner whose draws are settled: a `random_state` of None, its own or of a part, is set.

    Whatever else it draws with is its own affair.
    """
    if not (hasattr(learner, "get_params") and hasattr(learner, "set_params")):
        return learner
    unset = [
        name
        for name, value in sorted(learner.get_params(deep=True).items())
        if value is None and name.split("__")[-1] == "random_state"
    ]
    if not unset:
        return learner
    states = np.random.default_rng(seed).integers(2**31, size=len(unset)).tolist()
    return _copy(learner).set_params(**dict(zip(unset, states, strict=True)))


def fitted(role: str, learner: Learner, x: Given, y: Floats, sample_weight: Floats | None) -> Learner:
    """Fit a fresh copy of the learner.

    Raises
    ------
    InvalidInputError
        The learner, which a message calls by its `role`, takes no sample weights.
    """
    fresh = _copy(learner)
    if sample_weight is None:
        fresh.fit(x, y)
    else:
        _fit_weighted(role, fresh, x, y, sample_weight)
    return fresh


def predicted(role: str, fresh: Learner, new: Given) -> Floats:
    """Predict means (m,) by a learner that is fitted: of a classifier the probability of 1.

    Raises
    ------
    InvalidInputError
        It does not predict one number for each row; a model of the treatment predicts no probabilities.
    """
    n = new.n_rows if isinstance(new, Design) else len(new)
    if not hasattr(fresh, "predict_proba"):
        if role == "score_model" and not isinstance(fresh, Linear | Logistic):
            raise _without_chances(role, fresh)
        return _one_a_row(role, fresh, fresh.predict(new), n)
    classes = list(getattr(fresh, "classes_", (0, 1)))
    if 1 not in classes:  # no row that it was fitted to had a 1
        return np.zeros(n)
    shares = np.asarray(fresh.predict_proba(new))
    if shares.ndim != 2 or shares.shape[1] != len(classes):
        raise InvalidInputError(
            f"{role}: {_named(fresh)}.predict_proba gives an array of shape {shares.shape} for "
            f"{n:,} rows and the classes {classes}; a column for each class is needed"
        )
    return _one_a_row(role, fresh, shares[:, classes.index(1)], n)


def require_chances(role: str, learner: Learner, y: Floats, subject: str) -> None:
    """Require an outcome, which messages call `subject`, to be what the learner predicts the chances of."""
    outside = int(((y < 0) | (y > 1)).sum())
    if isinstance(learner, Logistic) and outside:
        raise InvalidInputError(
            f"{subject}: {outside:,} values below 0 or above 1, where a logistic model has nothing to say; "
            'take outcome_model="linear"'
        )
    if is_classifier(learner) and not np.isin(y, (0, 1)).all():
        raise InvalidInputError(
            f"{role}: {_named(learner)} is a classifier, and {subject} is not 0/1: take a regressor"
        )


def _fit_weighted(role: str, fresh: Learner, x: Given, y: Floats, sample_weight: Floats) -> None:
    """Fit with sample weights, of a pipeline those of its last step."""
    accepted = _arguments_of(fresh.fit)
    name = "sample_weight"
    steps = getattr(fresh, "steps", None)
    if steps and name not in accepted and not _routes_by_request():
        accepted = _arguments_of(getattr(steps[-1][1], "fit", None))
        name = f"{steps[-1][0]}__sample_weight"
    refused = f"{role}: {_named(fresh)} cannot be fitted with sample weights"
    remedy = "take a model whose fit has sample_weight, or leave the sample weights out"
    if "sample_weight" not in accepted and "**" not in accepted:
        raise InvalidInputError(f"{refused}, which its fit does not take; {remedy}")
    try:
        fresh.fit(x, y, **{name: sample_weight})
    except (TypeError, ValueError) as error:
        if "sample_weight" not in str(error):
            raise
        raise InvalidInputError(f"{refused} ({_first_line(error)}); {remedy}") from error


def _arguments_of(method: Any) -> frozenset[str]:
    """Name the arguments of a method, and "**" where it takes any."""
    try:
        found = inspect.signature(method).parameters.values()
    except (TypeError, ValueError):  # one that is compiled need not say
        return frozenset(["**"])
    return frozenset("**" if one.kind is one.VAR_KEYWORD else one.name for one in found)


def _routes_by_request() -> bool:
    """Whether scikit-learn sends weights to whatever step has asked for them."""
    sklearn = sys.modules.get("sklearn")
    return bool(sklearn and sklearn.get_config().get("enable_metadata_routing"))


def _one_a_row(role: str, learner: Learner, predicted: Any, n: int) -> Floats:
    """Read predictions (n,); a single column of them, which some regressors give, is as good."""
    try:
        values = np.asarray(predicted, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"{role}: {_named(learner)} predicts what is no number ({_first_line(error)}); a mean for each "
            "row is needed"
        ) from error
    if values.shape == (n, 1):
        return values[:, 0]
    if values.shape != (n,):
        raise InvalidInputError(
            f"{role}: {_named(learner)} predicts an array of shape {values.shape} for {n:,} rows; one number "
            "for each row is needed"
        )
    return values


def name_of(learner: Learner) -> str:
    """Call a learner in tables and messages: ours by their labels, a pipeline by its last step too."""
    if isinstance(learner, Linear | Logistic):
        return type(learner).__name__.lower()
    label = getattr(learner, "label", None)
    if isinstance(label, str):
        return label
    steps = getattr(learner, "steps", None)
    inside = f" of {type(steps[-1][1]).__name__}" if steps else ""
    return f"{_named(learner)}{inside}"


def _named(learner: Learner) -> str:
    return type(learner).__name__


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")


def _copy(learner: Learner) -> Learner:
    """Give an unfitted copy: whoever has a scikit-learn model has imported scikit-learn."""
    base = sys.modules.get("sklearn.base")
    return base.clone(learner, safe=False) if base else copy.deepcopy(learner)
