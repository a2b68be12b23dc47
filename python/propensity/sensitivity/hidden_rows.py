"""Rows as bounds take them: what outcome models leave of outcomes, and losses of quantile regressions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from propensity.effects.estimators import AIPW, IPW
from propensity.frames.checks import Floats, Rows
from propensity.outcomes.augmented import averages_over
from propensity.outcomes.models import Study, require_modelled
from propensity.outcomes.outcome_learners import origin_for, predicted_outcomes
from propensity.outcomes.split_scores import folds_of_outcomes
from propensity.scores.learners import seeded
from propensity.scores.own_models import Linear, Logistic, own_learner
from propensity.sensitivity.debiased import fitted_outcomes
from propensity.sensitivity.quantile_regression import check_loss, quantile_coefficients


@dataclass(frozen=True, eq=False)
class HiddenRows:
    """The rows of an analysis whose effect is to be bounded.

    Attributes
    ----------
    study : Study
    outcome : ndarray (n,)
        Measured from somewhere among the values.
    fitted, offset : ndarray (n,) or None
        For AIPW what the outcome model of a row's own arm predicts, measured likewise, and the effect that
        both models predict.
    odds : ndarray (n,)
        What hidden confounding multiplies: of a row's weight the part that is the odds against its own arm,
        sample weight included; 0 for rows that weigh the same whatever there is.
    events : ndarray (n,) or None
        The outcome itself where it is 0/1.
    """

    study: Study
    outcome: Floats
    fitted: Floats | None
    offset: Floats | None
    odds: Floats
    events: Floats | None

    @classmethod
    def of(cls, study: Study, outcome: str, spec: IPW | AIPW, scores: Floats) -> HiddenRows:
        """Fit outcome models, where there are some, once for all replicates; for ATE, ATT or ATC."""
        sample = study.sample
        y, t, there = sample.frame.outcome(outcome), sample.treated, sample.present_rows
        origin, fitted, offset = origin_for(Linear(), y), None, None
        if isinstance(spec, AIPW):
            require_modelled(study, outcome, [spec])
            origin, by_arm = _predicted(study, outcome, spec)
            fitted = np.where(there, np.where(t, by_arm[True], by_arm[False]), 0.0)
            offset = np.where(there, by_arm[True] - by_arm[False], 0.0)
        s = np.ones(len(y)) if sample.sample_weight is None else sample.sample_weight
        e = np.where(there, scores, 0.5)
        odds = s * np.where(t, (1 - e) / e, e / (1 - e))
        if spec.estimand in ("ATT", "ATC"):  # whoever the effect is for weighs one
            odds = np.where(t == (spec.estimand == "ATT"), 0.0, odds)
        events = y if np.isin(y[there], (0.0, 1.0)).all() else None
        return cls(study, y - origin, fitted, offset, odds, events)

    @property
    def values(self) -> Floats:
        """What hidden confounding may be behind, (n,): the outcome, or what is left of it."""
        return self.outcome if self.fitted is None else self.outcome - self.fitted

    def losses(self, gammas: tuple[float, ...], ends: tuple[int, ...] = (0, 1)) -> Floats:
        """Give the check losses (n, 2 g): by gamma at its upper quantile, and at its lower one.

        Those that no bound hangs on may be left at 0: the least effect (end 0) hangs on the lower quantiles
        of the treated and the upper ones of the controls, the largest (end 1) on the others.

        What is balanced is the quantile of each row's outcome in its arm, by a linear quantile regression on
        the terms of the outcome model; of a 0/1 outcome whether a logistic model has it above the threshold
        (Dorn and Guo 2023, sections 3 and 4). Whatever the quantiles are, the bounds hold; with the right
        ones they are the sharpest that there are.
        """
        found, values = np.zeros((len(self.odds), 2 * len(gammas))), self.values
        for arm in (True, False):
            rows = np.flatnonzero((self.study.sample.treated == arm) & (self.odds > 0))
            if not len(rows):
                continue
            weight, y = self.odds[rows], values[rows]
            chances = self._chances(arm, rows)
            for k, gamma in enumerate(gammas):
                taus = (gamma / (1 + gamma), 1 / (1 + gamma))
                for place in {1 - end if arm else end for end in ends}:
                    tau = taus[place]
                    x = self._terms(rows, tau, chances)
                    residual = y - x @ quantile_coefficients(x, y, weight, tau)
                    found[rows, 2 * k + place] = check_loss(residual, tau)
        return found

    def _chances(self, arm: bool, rows: Rows) -> Floats | None:
        """Give the chances of an event of the arm's rows (m,), where the outcome is 0/1."""
        if self.events is None:
            return None
        sample = self.study.sample
        own = np.flatnonzero((sample.treated == arm) & sample.present_rows)
        y, x = self.events[own], self.study.outcome_x
        if y.min() == y.max():
            return np.full(len(rows), y[0])
        weight = None if sample.sample_weight is None else sample.sample_weight[own]
        # A penalty that moves nothing, but keeps coefficients finite where a level has no events.
        return Logistic(1e-3).fit(x[own], y, weight).predict(x[rows])

    def _terms(self, rows: Rows, tau: float, chances: Floats | None) -> Floats:
        """Give what is balanced beside the number of rows: the quantile, or terms that it is linear in."""
        ones = np.ones(len(rows))
        if chances is None or self.events is None:
            return np.column_stack([ones, self.study.outcome_x[rows]])
        # The quantile of what the outcome model leaves is that of the outcome, less what it predicts.
        predicted = 0.0 if self.fitted is None else self.fitted[rows]
        return np.column_stack([ones, (chances > 1 - tau) - predicted])


def _predicted(study: Study, outcome: str, spec: AIPW) -> tuple[float, dict[bool, Floats]]:
    """Predict outcomes, by learners in folds and by our own models fitted to all rows."""
    if not spec.learns_outcomes:
        return fitted_outcomes(study, outcome, spec)
    splits, folds = folds_of_outcomes(study, outcome, spec)
    y, learner = study.sample.frame.outcome(outcome), own_learner(spec.outcome_model)
    origin, target = origin_for(learner, y), averages_over(study.sample.treated, spec.estimand)
    every = [
        predicted_outcomes(
            seeded(learner, splits.seed_of(repeat)), study, own, y - origin, target, f"column '{outcome}'"
        )
        for repeat, own in enumerate(folds)
    ]
    return origin, {arm: np.mean([one[arm] for one in every], axis=0) for arm in (True, False)}
