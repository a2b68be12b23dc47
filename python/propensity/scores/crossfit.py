"""Cross-fitting: every row is predicted by models that have not seen it.

A flexible model follows the noise of the rows it is fitted to, which biases what is made of its predictions
there; on other rows it does not (Chernozhukov et al. 2018, Econometrics Journal 21, C1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from propensity.errors import InvalidInputError
from propensity.frames import checks, rowwise_checks
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.design import Design
from propensity.scores.folds import Folds
from propensity.scores.inputs import Inputs
from propensity.scores.learners import Given, Learner, fitted, is_classifier, name_of, predicted
from propensity.scores.own_models import OwnLearner


@dataclass(frozen=True, eq=False)
class Target:
    """What is to be predicted of n rows.

    Attributes
    ----------
    role : {"score_model", "outcome_model"}
        What a message calls the learner.
    y : ndarray (n,)
    fitted_to : ndarray (n,) of bool
        The rows that models are fitted to, but for those of the fold.
    index : Index (n,)
        What rows are called.
    subject, arm : str
        What to call an outcome, and the arm of those that its model is fitted to; empty of the treatment.
    """

    role: str
    y: Floats
    fitted_to: Bools
    index: pd.Index[Any]
    subject: str = ""
    arm: str = ""

    @property
    def whose(self) -> str:
        """Say of what predictions are."""
        return f" of {self.subject}, fitted to {self.arm} rows" if self.subject else ""


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """The prediction (n,) of each row by a model that has not seen it, and the models of the folds."""

    values: Floats
    models: tuple[Learner, ...]


def cross_fit(learner: Learner, inputs: Inputs, folds: Folds, target: Target) -> OutOfFold:
    """Fit a copy of the learner outside of each fold, and predict the rows of the fold.

    Raises
    ------
    InvalidInputError
        The learner cannot be fitted to what it is given, or does not predict one finite number for each row.
    """
    # Whoever weighs nothing is not there: what is said of them goes into nothing, and may be anything.
    values = np.full(len(target.y), 0.5)
    given, models = inputs.given_to(learner), []
    if not isinstance(given, Design) and given.shape[1] == 0 and not isinstance(learner, OwnLearner):
        raise InvalidInputError(
            f"covariates: no column has a term, and {name_of(learner)}, the {target.role}, needs one"
        )
    for fold, here, rows in folds.each(target.fitted_to):
        try:
            models.append(_fitted_to(rows, learner, given, inputs, target))
        except ValueError:
            if target.subject and (isinstance(learner, OwnLearner) or is_classifier(learner)):
                whose = f"{target.arm} rows outside fold {fold + 1} of {folds.n_folds}"
                model = learner.model if isinstance(learner, OwnLearner) else "logistic"
                everybody = np.ones(len(rows), dtype=bool)
                rowwise_checks.modelled(model, target.y[rows], everybody, target.subject, whose)
            raise
        values[here] = predicted(target.role, models[-1], taken(given, here))
    _require_finite(learner, values, target)
    return OutOfFold(values, tuple(models))


def taken(given: Given, rows: Rows) -> Given:
    """Take some rows of what a learner is given."""
    if isinstance(given, Design):
        return given.taken(rows)
    return given.take(rows) if isinstance(given, pd.DataFrame) else given[rows]


def _fitted_to(rows: Rows, learner: Learner, given: Given, inputs: Inputs, target: Target) -> Learner:
    weight = None if inputs.sample_weight is None else inputs.sample_weight[rows]
    try:
        return fitted(target.role, learner, taken(given, rows), target.y[rows], weight)
    except (ValueError, TypeError) as error:
        gaps = inputs.missing_in(rows, target.index, learner)
        if not gaps or not any(word in str(error) for word in ("NaN", "nan", "missing")):
            raise
        raise InvalidInputError(
            f"{gaps}, and {name_of(learner)}, the {target.role}, takes none; take a model that does "
            "(ps.Boosting, HistGradientBoostingClassifier), put an imputer before it in a pipeline, or drop "
            "or impute them first"
        ) from error


def _require_finite(learner: Learner, values: Floats, target: Target) -> None:
    """Require of every prediction that it is a number: one alone would make the estimate none."""
    bad = ~np.isfinite(values)
    if bad.any():
        raise InvalidInputError(
            f"{target.role}: {name_of(learner)} predicts "
            f"{checks.counted(bad, 'missing or infinite value', target.index)}{target.whose}; every row "
            "needs a finite prediction: look at what the model makes of these rows"
        )
