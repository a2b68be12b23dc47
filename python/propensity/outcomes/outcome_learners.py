"""Models of the outcome in each arm, of any kind, that predict rows which they have not seen."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from propensity import core
from propensity.effects.sample import Sample
from propensity.errors import OverlapError
from propensity.frames import checks, rowwise_checks
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.design import Design
from propensity.outcomes.models import Study
from propensity.scores.boosted import BoostedOutcomes
from propensity.scores.boosting import Boosting
from propensity.scores.crossfit import Target, cross_fit
from propensity.scores.folds import Folds
from propensity.scores.learners import Learner, require_chances
from propensity.scores.own_models import Linear, OwnLearner, own_learner

ByArm: TypeAlias = dict[bool, Floats]
"""What each row's outcome (n,) would be, treated and not."""


def predicted_outcomes(
    learner: Learner, study: Study, folds: Folds, y: Floats, target: Bools, subject: str
) -> ByArm:
    """Predict each row's outcome in either arm, by models fitted to the arm's rows outside of its fold.

    Parameters
    ----------
    learner : Learner
    study : Study
    folds : Folds
    y : ndarray (n,)
    target : ndarray (n,) of bool
        Whom the effect is for.
    subject : str
        What messages call the outcome.

    Raises
    ------
    OverlapError
        A row that the effect asks for lies outside what the rows fitted to span, and the model is our own.
    InvalidInputError
        The outcome is 0 or 1 in all rows that a classifier is fitted to.
    """
    sample = study.sample
    if isinstance(learner, BoostedOutcomes):
        _require_to_tell_apart(study, learner, y, subject)
        return learner.predict(study.outcome, y, sample.treated, folds)
    require_chances("outcome_model", learner, y[sample.present_rows], subject)
    return {arm: _of_arm(arm, learner, study, folds, y, target, subject) for arm in (True, False)}


def outcome_learner(model: Learner, sample: Sample, outcome: str) -> Learner:
    """Give the learner of an outcome that a specification asks for."""
    if not isinstance(model, Boosting):
        return own_learner(model)
    return BoostedOutcomes.of(model, sample.present(sample.frame.outcome(outcome)))


def origin_for(learner: Learner, y: Floats) -> float:
    """Give from where outcomes are measured: their middle where that is far from zero, else zero.

    As `src/outcome/origin.rs` does. Least squares goes along with any shift, of lines and of trees; what
    somebody else's model does, nobody knows.
    """
    squared = isinstance(learner, BoostedOutcomes) and learner.loss == "squared"
    if not (squared or isinstance(learner, Linear)):
        return 0.0
    low, high = float(y.min()), float(y.max())
    middle = low / 2 + high / 2
    return middle if abs(middle) > high - low else 0.0


def _require_to_tell_apart(study: Study, learner: BoostedOutcomes, y: Floats, subject: str) -> None:
    """Require an outcome that is boosted by its chances or rates not to be the same in all rows of an arm."""
    sample, there = study.sample, study.sample.present_rows
    if learner.loss != "squared":
        for arm, members in {"treated": sample.treated, "control": ~sample.treated}.items():
            rowwise_checks.events(y, members & there, subject, f"{arm} rows")


def _of_arm(
    treated: bool, learner: Learner, study: Study, folds: Folds, y: Floats, target: Bools, subject: str
) -> Floats:
    sample = study.sample
    own, there = sample.treated == treated, sample.present_rows
    arm = "treated" if treated else "control"
    if isinstance(learner, OwnLearner):
        rowwise_checks.modelled(learner.model, y, own & there, subject, f"{arm} rows", sample.frame.index)
        wanted, design = target | own, study.outcome.design
        require_inside(design, own & there, wanted & there, treated=treated)
        for fold, here, rows in folds.each(own):
            where = f"of fold {fold + 1}"
            _require_reached(design, rows, here[wanted[here]], sample.frame.index, where, arm)
    whose = Target("outcome_model", y, own, sample.frame.index, subject, arm)
    return cross_fit(learner, study.outcome, folds, whose).values


def _mask(rows: Rows, n: int) -> Bools:
    mask = np.zeros(n, dtype=bool)
    mask[rows] = True
    return mask


def _require_reached(
    design: Design, rows: Rows, asked: Rows, index: pd.Index[Any], where: str, arm: str
) -> None:
    n = design.n_rows
    try:
        core.require_inside(design.terms, _mask(rows, n), _mask(asked, n), **design.coded)
    except OverlapError as error:
        outside = _mask(np.array(error.rows, dtype=np.int64), n)
        raise OverlapError(
            f"n_folds: {checks.counted(outside, 'row', index)} {where} lie outside what the {arm} rows of "
            "other folds hold (none of their level, say), so that these models have no answer for them; "
            "take fewer folds, or merge small levels"
        ) from None


def require_inside(design: Design, fitted_to: Bools, wanted: Bools, *, treated: bool) -> None:
    """Require rows that are wanted not to lie outside what those fitted to span."""
    try:
        core.require_inside(design.terms, fitted_to, wanted, **design.coded)
    except OverlapError as error:
        raise OverlapError(str(error), error.columns, error.rows, treated) from None
