"""Rosenbaum's M-test of matched sets of any size, and the estimate that goes with it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from propensity.frames.checks import Bools, Floats, Rows
from propensity.sensitivity.hypergeometric import Urns
from propensity.sensitivity.roots import normal_tail, root
from propensity.sensitivity.sets import MatchedSets

# Differences beyond three times the usual one count as three times (Rosenbaum 2007, section 2; R's senmv).
_TRIM = 3.0

# Of what the scores of a set can come to: cuts whose means differ by less have the same.
_ROUNDING = 1e-10


@dataclass(frozen=True, eq=False)
class MTest:
    """Sets of rows with a number, which bias may have made larger among the treated.

    A row's score is the sum of psi((y - y') / h) over the other rows y' of its set, psi(d) = d / 3 cut off at
    -1 and 1, times what the set counts for over its numbers of treated and of controls; h is twice the median
    distance of a row from the median of its set (or where that is 0, of those that have one), which for pairs
    is the median size of their differences. T is the sum over the treated: a weighted mean of psi of all
    differences between the arms of a set (Rosenbaum 2007). Its largest mean under bias is had where, in each
    set, the rows above some score have the odds Gamma; the variance is that of the same rows, and where
    several such sets of rows have the same mean, that which makes the p-value the largest (Gastwirth, Krieger
    and Rosenbaum 2000).
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
        """Give how many standard deviations the sum is above its largest mean (its smallest, below 1).

        Where several confounders have that mean, it is that of the one which makes the p-value the largest
        (the smallest): the nearest to 0 of a sum that is above the largest mean.
        """
        treated, scores = self._scores()
        mean, least, most = extreme_moments(self.sets, scores, gamma)
        away = float(scores[treated].sum()) - mean
        spread = math.sqrt(most if (away > 0) == (gamma >= 1) else least)
        return away / spread if spread > 0 else 0.0

    def shift(self, gamma: float) -> float:
        """Give what taken off the outcomes of the treated leaves the sum as large as its extreme mean."""
        low, high = self._range_of_differences()
        if low == high:
            return low

        def above(shift: float) -> float:
            moved = self.sets.outcome - shift * self.sets.treated
            return MTest(replace(self.sets, outcome=moved)).deviate(gamma)

        reach = high - low
        low, high = self._around_the_middle(above, low - reach / 2, high + reach / 2)
        return root(above, low, high, tolerance=1e-12 * (high - low))

    def _around_the_middle(
        self, above: Callable[[float], float], lowest: float, highest: float
    ) -> tuple[float, float]:
        """Give a range that holds the shift, about as wide as sets differ: a row far out is not in it."""
        sets, y = self.sets, self.sets.outcome
        of_arms = [
            np.add.reduceat(np.where(arm, y, 0.0), sets.start) / size
            for arm, size in ((sets.treated, sets.n_treated), (~sets.treated, sets.size - sets.n_treated))
        ]
        gaps = of_arms[0] - of_arms[1]
        middle = min(max(float(np.median(gaps)), lowest), highest)
        apart = np.abs(gaps - middle)
        step = float(np.median(apart[apart > 0])) if apart.any() else highest - lowest
        low, high = middle - step, middle + step
        while low > lowest and above(low) <= 0:
            step *= 2
            low = middle - step
        while high < highest and above(high) >= 0:
            step *= 2
            high = middle + step
        return max(low, lowest), min(high, highest)

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
        sets = self.sets
        order = np.lexsort((sets.outcome, sets.set_of))
        treated, y = sets.treated[order], sets.outcome[order]
        width = _TRIM * _usual_difference(y - np.repeat(_medians(sets, y), sets.size))
        if width == 0:
            return treated, np.zeros(len(y))
        # Runs of rows that no gap of two widths parts lie apart on one line, so that one sort and one search
        # serve all of them, and none has its digits from a row far out. A row that rounding puts on the wrong
        # side of a width's end counts there the same.
        gap = np.diff(y, prepend=y[0])
        begins = gap > 2 * width
        begins[sets.start] = True
        first_of = np.flatnonzero(begins)
        run = np.cumsum(begins) - 1
        inside = (y - y[first_of][run]) / width
        length = np.maximum.reduceat(inside, first_of) + 2.0
        place = inside + (np.cumsum(length) - length)[run]
        first = np.searchsorted(place, place - 1.0)
        last = np.searchsorted(place, place + 1.0, side="right")
        inside -= (np.add.reduceat(inside, first_of) / np.diff(first_of, append=len(y)))[run]
        sums = np.concatenate([[0.0], np.cumsum(inside)])
        near = (last - first) * inside - (sums[last] - sums[first])
        start = np.repeat(sets.start, sets.size)
        end = start + np.repeat(sets.size, sets.size)
        scores = (first - start) - (end - last) + near
        pairs = sets.n_treated * (sets.size - sets.n_treated)
        return treated, scores * np.repeat(sets.counts / pairs, sets.size)


def _medians(sets: MatchedSets, y: Floats) -> Floats:
    """Give the median (s,) of each set, whose rows ascend."""
    return np.asarray((y[sets.start + (sets.size - 1) // 2] + y[sets.start + sets.size // 2]) / 2)


def _usual_difference(from_middle: Floats) -> float:
    """Give twice the median distance from the set's median; where that is 0, of those that have one."""
    away = np.abs(from_middle)
    usual = float(np.median(away))
    if usual == 0 and away.any():
        usual = float(np.median(away[away > 0]))
    return 2 * usual


def extreme_moments(sets: MatchedSets, scores: Floats, gamma: float) -> tuple[float, float, float]:
    """Give the largest mean (the smallest, below 1) of the sum of scores of the treated, and its variances.

    `scores` (n,) ascend within each set, and are those of its rows in this order. Several cuts of a set may
    have the extreme mean: the variances are the least and the largest that go with it.
    """
    sums, squares = (np.concatenate([[0.0], np.cumsum(values)]) for values in (scores, scores**2))
    # Every cut of every set: the rows up to this one, and at least one after it, which are marked.
    s = np.repeat(np.arange(len(sets.size)), sets.size - 1)
    first = np.cumsum(sets.size - 1) - (sets.size - 1)
    below = np.arange(len(s)) - first[s] + 1
    if gamma == 1.0:  # at which all cuts are the same
        s, below = s[first], below[first]
    else:
        means = _near_means(sets, s, below, sums, gamma)
        near = _largest(means if gamma > 1 else -means, first, s, _sizes(sets, scores))
        s, below = s[near], below[near]
    mean, variance = _moments_at(sets, s, below, sums, squares, gamma)
    runs = np.searchsorted(s, np.arange(len(sets.size)))
    ends = (np.minimum.reduceat(variance, runs), np.maximum.reduceat(variance, runs))
    extreme = np.maximum.reduceat(mean, runs) if gamma >= 1 else np.minimum.reduceat(mean, runs)
    return float(extreme.sum()), float(ends[0].sum()), float(ends[1].sum())


def _near_means(sets: MatchedSets, s: Rows, below: Rows, sums: Floats, gamma: float) -> Floats:
    """Give the means (c,) of the sums of scores of sets `s` with all but their lowest `below` rows marked."""
    start, n, m = sets.start[s], sets.size[s], sets.n_treated[s]
    rest = sums[start + below] - sums[start]
    top = sums[start + n] - sums[start + below]
    n_top = Urns(n, n - below, m).near_means(gamma)
    return np.asarray(n_top * top / (n - below) + (m - n_top) * rest / below)


def _sizes(sets: MatchedSets, scores: Floats) -> Floats:
    """Give what a sum of scores of the treated of each set (s,) can come to."""
    return np.asarray(sets.n_treated * np.maximum.reduceat(np.abs(scores), sets.start))


def _largest(values: Floats, first: Rows, s: Rows, sizes: Floats) -> Bools:
    """Say which of the values (c,) of sets `s` are the largest of their set, or that but for rounding."""
    found = np.asarray(values >= (np.maximum.reduceat(values, first) - _ROUNDING * sizes)[s])
    found &= sizes[s] > 0  # where all scores are 0, one cut is as good as another
    found[first[sizes == 0]] = True
    return found


def _moments_at(
    sets: MatchedSets, s: Rows, below: Rows, sums: Floats, squares: Floats, gamma: float
) -> tuple[Floats, Floats]:
    """Give means and variances (c,) of the sums of sets `s` with all but their lowest `below` rows marked."""
    start, n, m = sets.start[s], sets.size[s], sets.n_treated[s]
    cut, end = start + below, start + n
    n_top, spread = Urns(n, n - below, m).moments(gamma)
    mean, within, averages = np.zeros(len(s)), np.zeros(len(s)), []
    for first, last, size, drawn in ((start, cut, below, m - n_top), (cut, end, n - below, n_top)):
        average = (sums[last] - sums[first]) / size
        scatter = np.maximum(squares[last] - squares[first] - size * average**2, 0.0)
        averages.append(average)
        mean += drawn * average
        # The sum of b of `size` scores drawn without replacement varies by b (size - b) / size times their
        # variance, and b itself varies: E[b (size - b)] = drawn (size - drawn) - spread.
        pairs = drawn * (size - drawn) - spread
        within += pairs * scatter / (size * np.maximum(size - 1, 1))
    return mean, within + spread * (averages[1] - averages[0]) ** 2
