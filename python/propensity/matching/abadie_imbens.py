"""Abadie and Imbens's variance and bias adjustment, for matches whose error the core does not make.

Notation: s the sample weight of a row, p that of a matched focal row (else 0), Omega(i) the donors of i, who
share what it weighs in proportion to their own weights: K_j the sum over focal i of p_i s_j / sum of s over
Omega(i) where j is one of them, W = p + K the matching weight. Without sample weights s is 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.design import Design
from propensity.matching.runs import Runs, distinct, spelled_out
from propensity.scores.own_models import least_squares_of_codes

_PAIRS_AT_ONCE = 4_000_000  # some 100 MB


@dataclass(frozen=True, eq=False)
class Pairing(Runs):
    """Who is matched with whom, by rows, and what these weigh (n,)."""

    weights: Floats

    @property
    def uses(self) -> Floats:
        """The K (n,) of every row."""
        return np.maximum(self.weights - self.focal_weights, 0.0)

    @cached_property
    def _runs(self) -> tuple[Rows, Rows, Rows]:
        """The distinct runs of donors, `first` and `last`, and which of them each focal row has."""
        return distinct(self.first, self.last)

    def donor_sums(self, values: Floats) -> Floats:
        """Sum (n,) values over the donors: (m,), one for each focal row."""
        first, last, number = self._runs
        # Sums of every other slice are those between the runs, which nobody asks for.
        ends = np.column_stack([first, last]).ravel()
        own = np.append(values[self.donors], 0.0)
        return np.asarray(np.add.reduceat(own, ends)[::2][number])

    def donor_means(self, values: Floats) -> Floats:
        """Average (n,) values over the donors, by their sample weights: (m,), one for each focal row."""
        s = self.sample_weight
        return self.donor_sums(s * values) / self.donor_sums(s)

    def shares(self, focal: Rows, donors: Rows, place: Rows) -> Floats:
        """Give p_i s_j / sum of s over Omega(i) of pairs; `place` says which of `self.focal` i is."""
        s = self.sample_weight
        return np.asarray(s[focal] * s[donors] / self.donor_sums(s)[place])

    def squared_shares(self) -> Floats:
        """Give the sum (n,) over focal i of (p_i s_j / sum of s over Omega(i))^2 where j is in Omega(i)."""
        first, last, number = self._runs
        p = self.focal_weights[self.focal]
        per_run = np.bincount(number, (p / self.donor_sums(self.sample_weight)) ** 2, len(first))
        total = np.zeros(len(self.treated))
        for runs in _in_blocks(last - first):
            run, place = spelled_out(first[runs], last[runs])
            total += np.bincount(self.donors[place], per_run[runs][run], len(total))
        return np.asarray(total * self.sample_weight**2)


def _in_blocks(lengths: Rows) -> Iterator[slice]:
    """Cut runs of these lengths into blocks of as many pairs as are worked on at once, or of one run."""
    ends = np.cumsum(lengths)
    start = 0
    while start < len(ends):
        before = ends[start] - lengths[start]
        stop = max(start + 1, int(np.searchsorted(ends, before + _PAIRS_AT_ONCE, side="right")))
        yield slice(start, stop)
        start = stop


def adjustments(pairing: Pairing, outcome: Floats, x: Design) -> tuple[Floats, dict[bool, float]]:
    """Regress the outcome on covariates among donors, and correct for what sets these apart from focal rows.

    For each arm whose rows are donors, mu is the least-squares fit to its outcomes with the weights K
    (Abadie and Imbens 2011, section 3; the weights as in Matching's `BiasAdjust` and Stata's `biasadj`).

    Parameters
    ----------
    x : Design
        The terms (n, d), without a constant.

    Returns
    -------
    fitted : ndarray (2, n)
        The mu of either arm, control first, for every row; zero for an arm without donors.
    moved : dict of bool to float
        By arm (True the treated) what its mean gains: the p-weighted mean of mu over the focal rows less that
        over the donors, times the share of the focal weight that these rows have.
    """
    p, t, uses = pairing.focal_weights, pairing.treated, pairing.uses
    fitted, moved = np.zeros((2, len(t))), {True: 0.0, False: 0.0}
    for arm in (False, True):
        donors, focal = (t == arm) & (uses > 0), (t != arm) & (p > 0)
        if not focal.any():
            continue
        mu = _least_squares(x, outcome, donors, uses)
        gap = np.average(mu[focal], weights=p[focal]) - np.average(mu[donors], weights=uses[donors])
        moved[arm] = float(gap * p[focal].sum() / p.sum())
        fitted[int(arm)] = mu
    return fitted, moved


def _least_squares(terms: Design, outcome: Floats, rows: Bools, weights: Floats) -> Floats:
    """Fit by weighted least squares among `rows`, and predict for all."""
    by_codes = least_squares_of_codes(terms.taken(np.flatnonzero(rows)), outcome[rows], weights[rows])
    if by_codes is not None:
        return by_codes.predict(terms.numbers, factors=terms.codes)
    x = terms.x
    center = x[rows].mean(axis=0)
    spread = x[rows].std(axis=0)
    design = np.column_stack([np.ones(len(x)), (x - center) / np.where(spread > 0, spread, 1.0)])
    root = np.sqrt(weights[rows])
    # Collinear columns share the slope: what is predicted does not depend on how.
    slopes, *_ = np.linalg.lstsq(design[rows] * root[:, None], outcome[rows] * root, rcond=1e-10)
    return np.asarray(design @ slopes)


def neighbor_variance(pairing: Pairing, outcome: Floats, fitted: Floats, outcome_variance: Floats) -> float:
    """Give Abadie and Imbens's variance of a matched effect (2006, section 4), rows weighing differently.

    The estimate is the mean of tau_i, the difference between focal row i and its donors (adjusted where the
    estimate is), weighted by p. Given who is where and weighs what, its variance is that of the outcomes,
    each with the coefficient W / P, where P is the sum of p; over who is there, that of the expectations of
    tau_i comes to it. The squares of tau_i - tau hold both the latter and the outcomes' variance within a
    set, p^2 and p_i^2 s_j^2 / (sum of s over Omega(i))^2 times s2, which is therefore not counted twice:

        P^2 V = sum p_i^2 (tau_i - tau)^2 + sum s2_j (W_j^2 - p_j^2 - Q_j),

    with Q the sum of these squared shares. As K is the sum of the shares, W^2 - p^2 - Q = K^2 - Q + 2 p K is
    never negative, and neither is V. Weights that are all multiplied by a number leave V as it is; where
    every row counts one it is theirs.

    Parameters
    ----------
    fitted : ndarray (2, n)
        The mu of either arm's donors, control first; zero without an adjustment.
    outcome_variance : ndarray (n,)
        s2, the variance of the outcome among rows of the same arm in the same place.
    """
    t, p, uses = pairing.treated, pairing.focal_weights, pairing.uses
    sign = np.where(t, 1.0, -1.0)[pairing.focal]
    donor_arm = ~t[pairing.focal]
    own, donors = np.empty((2, len(pairing.focal)))
    for arm in (False, True):
        rest = outcome - fitted[int(arm)]
        here = donor_arm == arm
        if here.any():
            # Sums keep their digits near zero.
            center = rest[t == arm].mean()
            own[here] = rest[pairing.focal[here]]
            donors[here] = center + pairing.donor_means(rest - center)[here]
    tau = sign * (own - donors)
    weight = p[pairing.focal]
    spread = weight**2 @ (tau - np.average(tau, weights=weight)) ** 2
    # Rounding alone can make a coefficient negative, of a row used once.
    coefficient = np.maximum(uses**2 - pairing.squared_shares(), 0.0) + 2 * p * uses
    return float((spread + outcome_variance @ coefficient) / weight.sum() ** 2)
