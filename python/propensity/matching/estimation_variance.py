"""What estimating the scores does to the variance of a matched effect (Abadie and Imbens 2016), with weights.

Notation: A the treatment, Y the outcome, x the terms of the logistic model, its intercept among them, e the
score, s the sample weights (1 without), V_b the inverse of the sum of s e (1 - e) x x', h the estimand's
tilting function (ATE 1, ATT e, ATC 1 - e), h' its derivative in the log odds, P the sum of s over those the
effect tau is for. At a score m_a and C_a are the mean of the outcome and its covariance with x in arm a.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from propensity.effects.matching_specification import MatchingEstimand
from propensity.frames.checks import Bools, Floats, Rows
from propensity.matching.estimated_scores import EstimatedScores
from propensity.matching.local_outcomes import TIE, range_sums, spread_over

_MOST = 10  # rows around a place, however little most of them weigh: farther ones are elsewhere


def estimation_variance(
    estimated: EstimatedScores,
    outcome: Floats,
    treated: Bools,
    quantity: Floats,
    *,
    estimand: MatchingEstimand,
    tau: float,
    weights: Floats,
    known: Bools,
    n_near: int | None = None,
) -> float:
    """Give what estimating the scores adds to the variance of a matched effect: mostly something negative.

    At the estimated coefficients the effect moves with them by -(c - d) (see `estimation_influence`), where

        c  =  sum of s (h' x (m_1 - m_0 - tau) + h ((1 - e) C_1 + e C_0)),
        d  =  sum of s h' (x (m_1 - m_0 - tau) + C_1 - C_0).

    Where every row counts the same, P^2 times what is added is (c - d)' V_b (c - d) - 2 (c - d)' V_b c, which
    is d' V_b d - c' V_b c, that of Abadie and Imbens as `core.matching_effect` works it out: m and C among a
    place's two nearest rows of the arm, more where they tie; in its own arm a row's m_a leaves out the row
    itself, whose outcome goes with its x.

    That is with a logistic model; with another link each row counts in c and d times how fast its log odds
    grow with the linear predictor, and M is the variance of what that model's equations sum.

    With weights the coefficients solve sum of s (A - e) x = 0 and vary with V_b M V_b, and c is no longer how
    they go together with the effect: rows count s W there, with W what matching made of them, and s^2 among
    those the effect is for. By themselves these products would let few rows decide; in each arm they are
    taken for k_a W and q_a s, with k_a the mean of s by W |A - e|, and q_a that by s:

        M  =  sum of s e (1 - e) (q_1 (1 - e) + q_0 e) x x',

    and in the second product above C_a counts k_a times, and what has h' before it q_a times, with the arm
    that the effect is for. As many rows are a place's nearest as are worth two (Kish).

    Parameters
    ----------
    outcome, quantity : ndarray (n,)
        The quantity is what was matched on, the score or its logit.
    tau : float
        The effect.
    weights : ndarray (n,)
        The W: of every row, sample weights included.
    known : ndarray (n,) of bool
        Which rows have an outcome.
    n_near : int or None, default None
        How many rows are around a place; None takes as many as are worth two.
    """
    e, n = estimated.scores, len(outcome)
    s = np.ones(n) if estimated.sample_weight is None else estimated.sample_weight
    f = np.ones(n) if estimated.frequency is None else estimated.frequency
    there = s > 0
    arms = (~treated & there, treated & there)
    h = {"ATE": np.ones(n), "ATT": e, "ATC": 1 - e}[estimand]
    kappa = estimated.per_log_odds(treated)
    slope = s * kappa * e * (1 - e) * {"ATE": 0.0, "ATT": 1.0, "ATC": -1.0}[estimand]
    away = np.abs(treated - e)
    k = [float(np.average(s, weights=f * weights * away * arm)) for arm in arms]
    q = [float(np.average(s, weights=f * s * arm)) for arm in arms]
    near = [_Near.of(quantity, outcome, arm & known, s, f, n_near) for arm in arms]
    moved = np.zeros(n)
    gaps = slope * (near[1].mean - near[0].mean - tau) - near[1].own(slope) + near[0].own(slope)
    together = q[int(estimand == "ATT")] * gaps
    for arm, chance, left_alone in ((0, e, "ATC"), (1, 1 - e, "ATT")):
        if estimand != left_alone:
            moved += near[arm].direction(f * s * kappa * chance)
        together += k[arm] * near[arm].direction(f * s * kappa * h * chance)
    focal = {"ATE": there, "ATT": arms[1], "ATC": arms[0]}[estimand]
    factor = q[1] * (1 - e) + q[0] * e
    return estimated.added_variance(treated, moved, together, factor) / float((f * s)[focal].sum()) ** 2


@dataclass(frozen=True, eq=False)
class _Near:
    """The rows of one arm nearest to every row's value.

    Attributes
    ----------
    order : ndarray (m,) of int
        The arm's rows, by value.
    low, high : ndarray (n,) of int
        The range of them around each row.
    outcome, weight, users : ndarray (m,)
        In that order; outcomes less `center`, and how many users each row stands for.
    total, level : ndarray (n,)
        The sum of weights and the mean outcome around each row.
    """

    order: Rows
    low: Rows
    high: Rows
    outcome: Floats
    weight: Floats
    users: Floats
    total: Floats
    level: Floats
    center: float

    @classmethod
    def of(
        cls,
        quantity: Floats,
        outcome: Floats,
        arm: Bools,
        weight: Floats,
        users: Floats,
        n_near: int | None = None,
    ) -> _Near:
        """Look around every value, among the rows of `arm`: at `n_near`, or as many as are worth two."""
        members = np.flatnonzero(arm)
        order = members[np.argsort(quantity[members], kind="stable")]
        s, f = weight[order], users[order]
        center, n = float(np.average(outcome[order], weights=f)), float(f.sum())
        worth_two = round(2 * n * float(f @ s**2) / float(f @ s) ** 2)
        asked = min(worth_two, int(n), _MOST) if n_near is None else n_near
        low, high = nearest_ranges(quantity[order], f, quantity, asked)
        y = outcome[order] - center
        total = range_sums(f * s, low, high)
        return cls(order, low, high, y, s, f, total, range_sums(f * s * y, low, high) / total, center)

    @property
    def mean(self) -> Floats:
        """The m (n,) of every row."""
        return self.center + self.level

    def direction(self, multiples: Floats) -> Floats:
        """Give r with X'r = the sum over rows of `multiples` times C, r being that of one user of a row.

        C is the sum of s x (Y - m) over the sum of s less that of s^2 / (sum of s), which without weights is
        the number of rows less one.
        """
        s, low, high = self.weight, self.low, self.high
        freedom = self.total - range_sums(self.users * s**2, low, high) / self.total
        share = np.divide(multiples, freedom, out=np.zeros(len(multiples)), where=multiples != 0)
        slopes, levels = (spread_over(part, low, high, len(s)) for part in (share, share * self.level))
        found = np.zeros(len(multiples))
        found[self.order] = s * (slopes * self.outcome - levels)
        return found

    def own(self, multiples: Floats) -> Floats:
        """Give r with X'r = the sum over the arm's rows of `multiples` times what they add to their own m."""
        found = np.zeros(len(multiples))
        rest = self.outcome - self.level[self.order]
        found[self.order] = (
            multiples[self.order] * self.weight * rest / (self.total[self.order] - self.weight)
        )
        return found


def nearest_ranges(values: Floats, users: Floats, places: Floats, n_near: int) -> tuple[Rows, Rows]:
    """Give the range of the ascending values around each place: so many nearest users, more where they tie.

    `users` (n,) say how many have each value.
    """
    # Where a value has all that are looked for, it ends the search: more copies of it would change nothing.
    copies = np.repeat(values, np.minimum(users, n_near).astype(np.int64))
    above = np.searchsorted(copies, places)
    beside = above[:, None] + np.arange(-n_near, n_near)
    inside = (beside >= 0) & (beside < len(copies))
    away = np.abs(copies[np.clip(beside, 0, len(copies) - 1)] - places[:, None])
    reach = np.sort(np.where(inside, away, np.inf), axis=1)[:, n_near - 1] + TIE
    return np.searchsorted(values, places - reach), np.searchsorted(values, places + reach, side="right")
