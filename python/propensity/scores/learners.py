"""Models to predict with, all of one shape: scikit-learn's, which is not needed for it.

A learner has `fit(x, y)` and `predict(x)`, or `predict_proba(x)` for what is 0 or 1. `"linear"`,
`"logistic"`, `"poisson"` and `"gamma"` are our own (`own_models`). What is here asks for nothing but arrays
and frames, so that specifications of estimators may hold learners.
"""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from propensity.errors import InvalidInputError
from propensity.frames.checks import Floats
from propensity.frames.design import Design
from propensity.scores.own_models import Linear, Logistic

Learner: TypeAlias = Any
"""What has `fit`, and `predict` or `predict_proba`: any regressor or classifier of scikit-learn."""

Given: TypeAlias = "Floats | Design | pd.DataFrame"
"""What a learner is given of rows: their terms, or the columns under their names."""


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
