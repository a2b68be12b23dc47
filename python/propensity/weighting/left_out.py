"""Leaving each row out of an effect by weighting: scores fitted again, weights and means made anew.

Without row i a logistic score's coefficients are b + d_i, d_i = -V x_i r_i / (1 - h_i): one Newton step from
b, with r_i = s_i (t_i - e_i), h_i = s_i e_i (1 - e_i) x_i' V x_i the row's leverage and V the inverse of the
information (Pregibon 1981, Annals of Statistics 9, 705). The sums that the means are made of move by their
first and second derivatives in b, which is near to making every weight anew and takes one pass over the rows;
the row's own part is taken out as it is. What the estimates without each row differ by is the jackknife's
error (Efron and Stein 1981, Annals of Statistics 9, 586).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from propensity.effects.coded_terms import Standardized, column_sums, gram, quadratic, standardized
from propensity.effects.coefficients import FittedTerms
from propensity.effects.estimators import WeightingEstimand
from propensity.frames.checks import Bools, Floats
from propensity.frames.design import Design

# A row with more has a term to itself, which without it nobody asks for.
_ALONE = 1 - 1e-6


@dataclass(frozen=True, eq=False)
class WeightedRows:
    """The n rows of an effect by weighting.

    Attributes
    ----------
    x : Design, ndarray (n, d) or None
        The terms of the score model, which is logistic; None where scores are known.
    penalty : float
        Its L2 strength, times the mean sample weight.
    treated : ndarray (n,) of bool
    outcome, scores : ndarray (n,)
    sample_weight : ndarray (n,)
        1 where there are none; rows of weight 0 are not there.
    estimand : {"ATE", "ATT", "ATC", "ATO", "ATM"}
    """

    x: Design | Floats | None
    penalty: float
    treated: Bools
    outcome: Floats
    scores: Floats
    sample_weight: Floats
    estimand: WeightingEstimand

    def influence(self) -> Floats:
        """Give what each row does to the means of the treated and of the controls, (2, n), by leaving it out.

        Scaled so that the root of its sum of squares over n is the jackknife's error, as of influence.
        """
        s, there = self.sample_weight, self.sample_weight > 0
        e, y = np.where(there, self.scores, 0.5), np.where(there, self.outcome, 0.0)
        eta = np.log(e / (1 - e))
        steps = self._steps(e)
        own = weights_at(eta + steps.own, self.treated, self.estimand)
        weights = derivatives_of_weights(eta, self.treated, self.estimand)
        found = np.empty((2, len(s)))
        for place, arm in enumerate((self.treated, ~self.treated)):
            of_arm = [s * arm * one for one in weights]
            rest = y - np.average(y, weights=of_arm[0])
            above, below = (
                steps.moved_sums(of_arm, factor) - s * arm * own * factor
                for factor in (rest, np.ones(len(s)))
            )
            found[place] = above / below
        n = int(there.sum())
        found -= found[:, there].mean(axis=1, keepdims=True)
        return np.asarray(-np.where(there, found, 0.0) * math.sqrt((n - 1) / n) * len(s))

    def _steps(self, e: Floats) -> _Steps:
        """Give how the coefficients of the score move without each row."""
        if self.x is None:
            return _Steps(np.ones((len(e), 1)), np.zeros((1, 1)), np.zeros(len(e)))
        z, scale = standardized(self.x)
        spread = self.sample_weight * e * (1 - e)
        terms = FittedTerms.of(z, scale, self.sample_weight * (self.treated - e), spread, self.penalty)
        leverage = spread * quadratic(z, terms.inverse)
        held = np.where(leverage < _ALONE, 1 - leverage, np.inf)
        return _Steps(z, terms.inverse, terms.residual / held)


@dataclass(frozen=True, eq=False)
class _Steps:
    """How the coefficients move without each of n rows, -V z f: the z, V, and the f (n,)."""

    z: Standardized
    inverse: Floats
    factor: Floats

    @property
    def own(self) -> Floats:
        """How each row's log odds move (n,)."""
        return -self.factor * quadratic(self.z, self.inverse)

    def moved_sums(self, weights: list[Floats], values: Floats) -> Floats:
        """Give sum w values (n,) with coefficients moved as without each row: to the second order."""
        w, slope, bend = weights
        gradient = column_sums(self.z, slope * values)
        curve = self.inverse @ gram(self.z, bend * values) @ self.inverse
        return np.asarray(
            (w * values).sum()
            - self.factor * (self.z @ (self.inverse @ gradient))
            + 0.5 * self.factor**2 * quadratic(self.z, curve)
        )


def weights_at(eta: Floats, treated: Bools, estimand: WeightingEstimand) -> Floats:
    """Give the balancing weights (n,) of rows in their own arms, by the log odds of their scores."""
    return derivatives_of_weights(eta, treated, estimand)[0]


def derivatives_of_weights(
    eta: Floats, treated: Bools, estimand: WeightingEstimand
) -> tuple[Floats, Floats, Floats]:
    """Give balancing weights (n,) by the log odds of scores, with their first and second derivatives.

    At e = 1/2, where the ATM's min(e, 1 - e) has a corner, those of the side where weights stay.
    """
    side = np.where(treated, -1.0, 1.0)
    against = np.exp(side * eta)  # the odds against a row's own arm
    still, none = np.ones_like(eta), np.zeros_like(eta)
    if estimand == "ATE":
        return 1 + against, side * against, against
    if estimand == "ATO":
        other = against / (1 + against)  # the chance of the other arm
        spread = other * (1 - other)
        return other, side * spread, spread * (1 - 2 * other)
    focal = {"ATT": treated, "ATC": ~treated}.get(estimand, against >= 1)
    slope = np.where(focal, none, side * against)
    return np.where(focal, still, against), slope, np.where(focal, none, against)
