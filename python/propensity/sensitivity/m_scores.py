"""Rosenbaum's M-test of matched sets of any size, and the estimate that goes with it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from propensity.frames.checks import Bools, Floats, Rows
from propensity.sensitivity.hypergeometric import Urns
from propensity.sensitivity.roots import normal_tail, root
from propensity.sensitivity.sets import MatchedSets

# Differences beyond three times the usual one count as three times (Rosenbaum 2007, section 2; R's senmv).
_TRIM = 3.0


@dataclass(frozen=True, eq=False)
class MTest:
    """Sets of rows with a number, which bias may have made larger among the treated.

    A row's score is the sum of psi((y - y') / h) over the other rows y' of its set, psi(d) = d / 3 cut off at
    -1 and 1, times what the set counts for over its numbers of treated and of controls; h is twice the median
    distance of a row from the median of its set, which for pairs is the median size of their differences. T
    is the sum over the treated: a weighted mean of psi of all differences between the arms of a set
    (Rosenbaum 2007). Its largest mean under bias is had where, in each set, the rows above some score have
    the odds Gamma; the variance is that of the same rows (Gastwirth, Krieger and Rosenbaum 2000).
    """

    sets: MatchedSets

    @property
    def name(self) -> str:
        """What the test is called."""
        return "Rosenbaum's M-test of matched sets (2007; Huber's scores, trimmed at 3; normal approximation)"

    @property
    def n_informative(self) -> int:
        """Sets whose rows differ."""
        sets = self.sets
        high, low = (f.reduceat(sets.outcome, sets.start) for f in (np.maximum, np.minimum))
        return int((high > low).sum())

    def p_value(self, gamma: float) -> float:
        """Give the chance of as large a sum of scores, had rows above some score the odds `gamma`.

        Below 1 they are less likely to be treated, and the chance is the smallest.
        """
        return normal_tail(self.deviate(gamma)) if self.n_informative else 1.0

    def deviate(self, gamma: float) -> float:
        """Give how many standard deviations the sum is above its largest mean (its smallest, below 1)."""
        treated, scores = self._scores()
        mean, variance = extreme_moments(self.sets, scores, gamma)
        away, spread = float(scores[treated].sum()) - mean, math.sqrt(variance)
        return away / spread if spread > 0 else 0.0

    def shift(self, gamma: float) -> float:
        """Give what taken off the outcomes of the treated leaves the sum as large as its extreme mean."""
        low, high = self._range_of_differences()
        if low == high:
            return low
        reach = high - low
        low, high = low - reach / 2, high + reach / 2

        def above(shift: float) -> float:
            moved = self.sets.outcome - shift * self.sets.treated
            return MTest(replace(self.sets, outcome=moved)).deviate(gamma)

        return root(above, low, high, tolerance=1e-12 * reach)

    def _range_of_differences(self) -> tuple[float, float]:
        """Give the least and the largest difference between a treated and a control of the same set."""
        sets, y = self.sets, self.sets.outcome
        ends = []
        for arm in (sets.treated, ~sets.treated):
            most = np.maximum.reduceat(np.where(arm, y, -math.inf), sets.start)
            least = np.minimum.reduceat(np.where(arm, y, math.inf), sets.start)
            ends.append((least, most))
        (least_t, most_t), (least_c, most_c) = ends
        return float((least_t - most_c).min()), float((most_t - least_c).max())

    def _scores(self) -> tuple[Bools, Floats]:
        """Give who was treated and the scores, (n,) each, ascending within each set."""
        sets, y = self.sets, self.sets.outcome
        low, high = float(y.min()), float(y.max())
        if low == high:
            return sets.treated, np.zeros(len(y))
        # Sets lie apart on one line, half of its length between them, so that one sort and one search serve
        # all of them; a row that rounding puts on the wrong side of a width's end counts there the same.
        place = (y - low) / (2 * (high - low)) + sets.set_of
        order = np.argsort(place)
        place, y = place[order], y[order]
        middle = np.repeat(_medians(sets, y), sets.size)
        width = _TRIM * _usual_difference(y - middle)
        near = min(width / (2 * (high - low)), 0.5)
        start = np.repeat(sets.start, sets.size)
        end = start + np.repeat(sets.size, sets.size)
        first = np.maximum(np.searchsorted(place, place - near), start)
        last = np.minimum(np.searchsorted(place, place + near, side="right"), end)
        sums = np.concatenate([[0.0], np.cumsum(y - middle)])
        inside = (last - first) * (y - middle) - (sums[last] - sums[first])
        scores = (first - start) - (end - last) + inside / width
        pairs = sets.n_treated * (sets.size - sets.n_treated)
        return sets.treated[order], scores * np.repeat(sets.counts / pairs, sets.size)


def _medians(sets: MatchedSets, y: Floats) -> Floats:
    """Give the median (s,) of each set, whose rows ascend."""
    return np.asarray((y[sets.start + (sets.size - 1) // 2] + y[sets.start + sets.size // 2]) / 2)


def _usual_difference(from_middle: Floats) -> float:
    """Give twice the median distance from the set's median, or where that is 0 twice the mean distance."""
    away = np.abs(from_middle)
    usual = float(np.median(away))
    return 2 * usual if usual > 0 else 2 * float(away.mean())


def extreme_moments(sets: MatchedSets, scores: Floats, gamma: float) -> tuple[float, float]:
    """Give the largest mean (the smallest, below 1) of the sum of scores of the treated, and its variance.

    `scores` (n,) ascend within each set, and are those of its rows in this order.
    """
    sums = np.concatenate([[0.0], np.cumsum(scores)])
    # Every cut of every set: the rows up to this one, and at least one after it, which are marked.
    s = np.repeat(np.arange(len(sets.size)), sets.size - 1)
    first = np.repeat(np.cumsum(sets.size - 1) - (sets.size - 1), sets.size - 1)
    below = np.arange(len(s)) - first + 1
    start, n, m = sets.start[s], sets.size[s], sets.n_treated[s]
    rest = sums[start + below] - sums[start]
    top = sums[start + n] - sums[start + below]
    n_top = Urns(n, n - below, m).near_means(gamma)
    means = n_top * top / (n - below) + (m - n_top) * rest / below
    best = _first_largest(means if gamma >= 1 else -means, sets.size - 1)
    squares = np.concatenate([[0.0], np.cumsum(scores**2)])
    return _moments_at(sets, below[best], sums, squares, gamma)


def _first_largest(values: Floats, width: Rows) -> Rows:
    """Give the place of the largest value of each run of so many values."""
    first = np.cumsum(width) - width
    largest = np.repeat(np.maximum.reduceat(values, first), width)
    where = np.where(values == largest, np.arange(len(values)), len(values))
    return np.minimum.reduceat(where, first)


def _moments_at(
    sets: MatchedSets, below: Rows, sums: Floats, squares: Floats, gamma: float
) -> tuple[float, float]:
    """Give mean and variance of the sum with all but so many (s,) of the lowest rows of each set marked."""
    start, n, m = sets.start, sets.size, sets.n_treated
    cut, end = start + below, start + n
    n_top, spread = Urns(n, n - below, m).moments(gamma)
    mean, within, averages = 0.0, 0.0, []
    for first, last, size, drawn in ((start, cut, below, m - n_top), (cut, end, n - below, n_top)):
        average = (sums[last] - sums[first]) / size
        scatter = np.maximum(squares[last] - squares[first] - size * average**2, 0.0)
        averages.append(average)
        mean += float((drawn * average).sum())
        # The sum of b of `size` scores drawn without replacement varies by b (size - b) / size times their
        # variance, and b itself varies: E[b (size - b)] = drawn (size - drawn) - spread.
        pairs = drawn * (size - drawn) - spread
        within += float((pairs * scatter / (size * np.maximum(size - 1, 1))).sum())
    between = float((spread * (averages[1] - averages[0]) ** 2).sum())
    return mean, between + within
