"""Wilcoxon's signed rank test of pairs, one of whom may have been likelier to be treated than the other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from propensity.frames.checks import Floats
from propensity.sensitivity.roots import crossing, normal_tail

# Up to here the distribution is written out, as R's wilcox.test does below 50 pairs.
_FEW_PAIRS = 50


@dataclass(frozen=True, eq=False)
class SignedRank:
    """The differences (s,) of s pairs, treated minus control, that bias may have moved upwards.

    With q the mid-ranks of the sizes of the differences that are not 0, and T the sum of those of positive
    ones, T is at most, in distribution, a sum of q B with B independent and 1 with probability p =
    Gamma / (1 + Gamma) (Rosenbaum 2002, section 4.3.3): of mean p sum(q) and variance p (1 - p) sum(q^2).
    What differs by no more than the `rounding` (s,) of its own pair is the same: 0.3 - 0.1 is 0.2, though not
    to the last digit.
    """

    differences: Floats
    rounding: Floats | None = None

    def __post_init__(self) -> None:
        if self.rounding is not None:
            d = self.differences
            object.__setattr__(self, "differences", np.where(np.abs(d) <= self.rounding, 0.0, d))

    @property
    def name(self) -> str:
        """What the test is called."""
        law = "exact" if self.n_informative <= _FEW_PAIRS else "normal approximation"
        return f"Wilcoxon's signed rank test of pairs ({law}), zeros dropped"

    @property
    def n_informative(self) -> int:
        """Pairs that differ."""
        return int((self.differences != 0).sum())

    def p_value(self, gamma: float) -> float:
        """Give the chance of as large a sum of ranks, were gamma the odds that the treated is the larger."""
        differ = self.differences != 0
        d = self.differences[differ]
        if not len(d):
            return 1.0
        rounding = np.zeros(len(d)) if self.rounding is None else self.rounding[differ]
        ranks, p = _mid_ranks(np.abs(d), rounding), gamma / (1 + gamma)
        observed = float(ranks[d > 0].sum())
        if len(d) <= _FEW_PAIRS:
            return _exact_tail(ranks, observed, p)
        away = observed - p * float(ranks.sum())
        return normal_tail(away / math.sqrt(p * (1 - p) * float((ranks**2).sum())))

    def shift(self, gamma: float) -> float:
        """Give Hodges and Lehmann's estimate: what taken off all differences leaves the sum as expected.

        The sum of ranks is the number of means of two differences (or one twice) above 0, so that it is a
        quantile of these means; where a range of shifts serves, its middle (Rosenbaum 2002, section 4.3.5).
        """
        d = np.sort(self.differences)
        n = len(d)
        expected = gamma / (1 + gamma) * n * (n + 1) / 2

        def above(shift: float) -> float:
            ordered = n * n - int(np.searchsorted(d, 2 * shift - d, side="right").sum())
            return (ordered + int((d > shift).sum())) / 2

        reach = max(abs(float(d[0])), abs(float(d[-1])))
        if reach == 0:
            return 0.0
        usual = float(np.median(np.abs(d[d != 0])))  # which one pair far out does not move
        ends = {"low": -2 * reach, "high": 2 * reach, "tolerance": 1e-13 * usual}
        slack = 1e-9 * n  # the expected sum, a product, is off by its rounding
        first = crossing(lambda shift: above(shift) >= expected - slack, **ends)
        last = crossing(lambda shift: above(shift) > expected + slack, **ends)
        return (_nearest_mean(d, first) + _nearest_mean(d, last)) / 2


def _nearest_mean(d: Floats, value: float) -> float:
    """Give the mean of two of the ascending differences (or of one twice) that is nearest to a value."""
    after = (
        np.clip(np.searchsorted(d, 2 * value - d), 1, len(d) - 1) if len(d) > 1 else np.zeros(1, dtype=int)
    )
    means = np.concatenate([(d + d[after]) / 2, (d + d[after - 1]) / 2])
    return float(means[np.abs(means - value).argmin()])


def _mid_ranks(values: Floats, rounding: Floats) -> Floats:
    """Rank values (n,) from 1, equal ones alike: by the mean of their places; each may be off by so much."""
    order = np.argsort(values)
    off = rounding[order]
    starts = np.concatenate([[True], np.diff(values[order]) > np.maximum(off[1:], off[:-1])])
    count = np.diff(np.append(np.flatnonzero(starts), len(values)))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat(np.cumsum(count) - (count - 1) / 2, count)
    return ranks


def _exact_tail(ranks: Floats, observed: float, p: float) -> float:
    """Give the chance that ranks, each in with probability p, have a sum of at least that observed."""
    halves = np.round(2 * ranks).astype(np.int64)  # mid-ranks are whole or half
    law = np.zeros(int(halves.sum()) + 1)
    law[0] = 1.0
    for half in halves:
        law[half:] = (1 - p) * law[half:] + p * law[: len(law) - half]
        law[:half] *= 1 - p
    return float(min(1.0, law[round(2 * observed) :].sum()))
