"""Cross-fitting: every row is predicted by models that have not seen it.

A flexible model follows the noise of the rows it is fitted to, which biases what is made of its predictions
there; on other rows it does not (Chernozhukov et al. 2018, Econometrics Journal 21, C1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from propensity import core
from propensity.effects.arms import Means
from propensity.effects.estimators import AdjustmentEstimand
from propensity.effects.sample import Sample
from propensity.errors import InvalidInputError, OverlapError
from propensity.frames import checks, rowwise_checks
from propensity.frames.checks import Bools, Floats, Rows
from propensity.scores.learners import Learner, Linear, Logistic, fit_predict, require_chances

_LESS_CERTAIN = (
    "a model that is certain of rows it has not seen has followed the noise of those it has; keep it from "
    "that (larger leaves of trees, min_samples_leaf=50, or more regularization), or calibrate it, as "
    "sklearn.calibration.CalibratedClassifierCV does"
)


@dataclass(frozen=True, eq=False)
class CrossFit:
    """The models to fit, and the fold (n,) of each row, in which it is predicted and not fitted to.

    `order` are the rows that weigh something, as `rows_by_content` has them: what learners are given, some of
    which draw among their rows by place.
    """

    score_model: Learner
    outcome_model: Learner
    folds: Rows
    order: Rows

    def scores(self, sample: Sample, x: Floats) -> Floats:
        """Predict the treatment of each row (n,), strictly between 0 and 1."""
        everyone = np.ones(len(x), dtype=bool)
        e = self._predict(self.score_model, x, sample.treated.astype(np.float64), everyone, sample)
        own = isinstance(self.score_model, Logistic)
        rowwise_checks.scores(e, sample.frame.index, "cross-fitted scores", "" if own else _LESS_CERTAIN)
        return e

    def outcomes(
        self, sample: Sample, x: Floats, y: Floats, *, treated: bool, wanted: Bools, subject: str
    ) -> Floats:
        """Predict each row's outcome (n,) had it been in this arm.

        Raises
        ------
        OverlapError
            A row among the `wanted` (n,) lies outside what the rows fitted to span, and the model is our own.
        InvalidInputError
            The outcome, called `subject`, is 0 or 1 in all rows that a classifier is fitted to.
        """
        own = sample.treated == treated
        outcome = _Outcome(subject, "treated" if treated else "control")
        require_chances("outcome_model", self.outcome_model, y[sample.present_rows], subject)
        if isinstance(self.outcome_model, Logistic):
            rowwise_checks.events(y, own & sample.present_rows, subject, f"{outcome.arm} rows")
        if isinstance(self.outcome_model, Linear | Logistic):
            there = sample.present_rows
            _require_inside(x, own & there, wanted & there, treated=treated)
            for fold, here, rows in self._folds(own):
                asked = here[wanted[here]]
                _require_reached(x, rows, asked, sample.frame.index, f"of fold {fold + 1}", outcome.arm)
        return self._predict(self.outcome_model, x, y, own, sample, outcome)

    def _folds(self, fitted_to: Bools) -> Iterator[tuple[int, Rows, Rows]]:
        """Give the number of each fold, its rows, and those that its models are fitted to."""
        folds = self.folds[self.order]
        for fold in range(folds.max() + 1):
            yield fold, self.order[folds == fold], self.order[(folds != fold) & fitted_to[self.order]]

    def _predict(
        self,
        learner: Learner,
        x: Floats,
        y: Floats,
        fitted_to: Bools,
        sample: Sample,
        outcome: _Outcome | None = None,
    ) -> Floats:
        # Whoever weighs nothing is not there: what is said of them goes into nothing, and may be anything.
        predicted = np.full(len(x), 0.5)
        role = "score_model" if outcome is None else "outcome_model"
        for fold, here, rows in self._folds(fitted_to):
            w = None if sample.sample_weight is None else sample.sample_weight[rows]
            try:
                predicted[here] = fit_predict(role, learner, x[rows], y[rows], w, x[here])
            except ValueError:
                if outcome is not None and (
                    isinstance(learner, Logistic) or hasattr(learner, "predict_proba")
                ):
                    whose = f"{outcome.arm} rows outside fold {fold + 1} of {self.folds.max() + 1}"
                    rowwise_checks.events(y[rows], np.ones(len(rows), dtype=bool), outcome.subject, whose)
                raise
        _require_finite(role, learner, predicted, sample.frame.index, outcome)
        return predicted


@dataclass(frozen=True)
class _Outcome:
    """What to call an outcome, and the arm of those that a model is fitted to."""

    subject: str
    arm: str


def _require_finite(
    role: str, learner: Learner, predicted: Floats, index: pd.Index[Any], outcome: _Outcome | None
) -> None:
    """Require of every prediction that it is a number: one alone would make the estimate none."""
    bad = ~np.isfinite(predicted)
    if bad.any():
        whose = "" if outcome is None else f" of {outcome.subject}, fitted to {outcome.arm} rows"
        raise InvalidInputError(
            f"{role}: {type(learner).__name__} predicts "
            f"{checks.counted(bad, 'missing or infinite value', index)}{whose}; every row needs a finite "
            "prediction: look at what the model makes of these rows"
        )


def _mask(rows: Rows, n: int) -> Bools:
    mask = np.zeros(n, dtype=bool)
    mask[rows] = True
    return mask


def _require_reached(x: Floats, rows: Rows, asked: Rows, index: pd.Index[Any], where: str, arm: str) -> None:
    try:
        core.require_inside(x, _mask(rows, len(x)), _mask(asked, len(x)))
    except OverlapError as error:
        outside = _mask(np.array(error.rows, dtype=np.int64), len(x))
        raise OverlapError(
            f"n_folds: {checks.counted(outside, 'row', index)} {where} lie outside what the {arm} rows of "
            "other folds hold (none of their level, say), so that these models have no answer for them; "
            "take fewer folds, or merge small levels"
        ) from None


def _require_inside(x: Floats, fitted_to: Bools, wanted: Bools, *, treated: bool) -> None:
    try:
        core.require_inside(x, fitted_to, wanted)
    except OverlapError as error:
        raise OverlapError(str(error), error.columns, error.rows, treated) from None


def augmented_means(
    sample: Sample,
    y: Floats,
    weights: Floats,
    fitted: dict[bool, Floats],
    estimand: AdjustmentEstimand,
    origin: float = 0.0,
) -> Means:
    """Augment the predicted outcomes by weighted residuals, as AIPW does.

    Parameters
    ----------
    sample : Sample
    y : ndarray (n,)
    weights : ndarray (n,)
        Balancing weights times sample weights.
    fitted : dict of bool to ndarray (n,)
        What each row's outcome would be, treated and not.
    estimand : {"ATE", "ATT", "ATC"}
    origin : float, default 0.0
        From where `y` and `fitted` are measured; the means are not.

    Notes
    -----
    With g = 1, T, 1 - T for ATE, ATT, ATC, s the sample weight and w the weight of the row's own arm,
    mu_a = sum(s g m_a + 1{T = a} w (Y - m_a)) / sum(s g). The influence of a row is its term less s g mu_a,
    over mean(s g): with models that have not seen the row, what they add to it is of second order.
    """
    t = sample.treated
    target = averages_over(t, estimand).astype(float)
    if sample.sample_weight is not None:
        target = target * sample.sample_weight
    means, influences = {}, {}
    for arm, m in fitted.items():
        terms = target * m + np.where(t == arm, weights * (y - m), 0.0)
        means[arm] = float(terms.sum() / target.sum())
        influences[arm] = (terms - target * means[arm]) / target.mean()
    return Means(
        origin + means[True],
        origin + means[False],
        influences[True],
        influences[False],
        difference=means[True] - means[False],
    )


def averages_over(treated: Bools, estimand: AdjustmentEstimand) -> Bools:
    """Which rows (n,) an effect averages over."""
    return {"ATE": np.ones_like(treated), "ATT": treated, "ATC": ~treated}[estimand]


def assign_folds(treated: Bools, clusters: Rows | None, n_folds: int, seed: int, order: Rows) -> Rows:
    """Deal the rows of each arm out to folds at random, as evenly as can be; or whole clusters.

    `order` are the rows that count; others are in a fold like any, and nobody is fitted to them.

    Raises
    ------
    InvalidInputError
        An arm has fewer rows than there are folds, or there are fewer clusters; a fold has all of an arm.
    """
    folds = np.zeros(len(treated), dtype=np.int64)
    if clusters is not None:
        there, cluster = np.unique(clusters[order], return_inverse=True)
        _require_enough(n_folds, len(there), "clusters")
        folds[order] = _deal(len(there), n_folds, seed)[cluster]
        _require_spread(folds[order], treated[order])
        return folds
    for arm, members in {"treated": treated, "control": ~treated}.items():
        rows = order[members[order]]
        _require_enough(n_folds, len(rows), f"{arm} rows")
        folds[rows] = _deal(len(rows), n_folds, seed)
    return folds


def _deal(n: int, n_folds: int, seed: int) -> Rows:
    return np.random.default_rng(seed).permutation(np.arange(n) % n_folds)


def _require_enough(n_folds: int, n: int, what: str) -> None:
    if n < n_folds:
        raise InvalidInputError(f"n_folds: {n_folds} folds of {n} {what}; take at most {n}")


def _require_spread(folds: Rows, treated: Bools) -> None:
    for arm, members in {"treated": treated, "control": ~treated}.items():
        if len(np.unique(folds[members])) < 2:
            raise InvalidInputError(
                f"n_folds: one fold holds every {arm} row and leaves none to fit to; that arm is in too few "
                "clusters to cross-fit"
            )
