"""Rows of one value each that say what cells say: zeros and ones as they are, else two points a cell."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from propensity.frames.checks import Bools, Floats, Rows


class Summed(NamedTuple):
    """An outcome of (n_cells,) cells: mean, variance (divided by the count), least and greatest."""

    mean: Floats
    variance: Floats
    low: Floats
    high: Floats


def spread(count: Rows, summed: Summed) -> tuple[Rows, Floats, Rows]:
    """Give the rows: of which cell each is, its value, and how many users have it."""
    if is_binary(count, summed):
        above = np.rint(count * summed.mean).astype(np.int64)
        high, low = np.ones(len(count)), np.zeros(len(count))
    else:
        above, high, low = _two_points(count, summed)
    # The two rows of a cell stand next to each other; one that stands for nobody is left out.
    frequency = np.column_stack([above, count - above]).ravel()
    values = np.column_stack([high, low]).ravel()
    which = np.repeat(np.arange(len(count)), 2)
    kept = frequency > 0
    return which[kept], values[kept], frequency[kept]


def is_binary(count: Rows, summed: Summed) -> bool:
    """Tell whether every user has 0 or 1.

    The variance of values in [0, 1] of mean m is at most m (1 - m), and that only of zeros and ones (Bhatia
    and Davis 2000, "A better bound on the variance"): what is missing, times the count, is the sum of
    y (1 - y).
    """
    if not len(count) or not (_is_0_or_1(summed.low) & _is_0_or_1(summed.high)).all():
        return False
    between = count * (summed.mean * (1 - summed.mean) - summed.variance)
    return bool((np.abs(between) <= np.maximum(1e-6, 1e-12 * count)).all())


def _is_0_or_1(values: Floats) -> Bools:
    found: Bools = (values == 0) | (values == 1)
    return found


def _two_points(count: Rows, summed: Summed) -> tuple[Rows, Floats, Floats]:
    """Put a cell's users at two values of their variance, one about as far from the mean as anybody is.

    What is asked of fourth powers, degrees of freedom, is then on the safe side: no values of this mean,
    variance and range have much larger ones.
    """
    up, down = summed.high - summed.mean, summed.mean - summed.low
    farthest = np.maximum(np.maximum(up, down), np.sqrt(summed.variance))
    share = np.divide(
        summed.variance, farthest**2 + summed.variance, out=np.full(len(count), 0.5), where=farthest > 0
    )
    few = np.clip(np.floor(count * share), 1, count // 2).astype(np.int64)
    above = np.where(up >= down, few, count - few)
    below = count - above
    deviation = np.sqrt(summed.variance)
    ratio = np.sqrt(below / np.maximum(above, 1))
    high = summed.mean + deviation * ratio
    low = summed.mean - np.divide(deviation, ratio, out=np.zeros_like(deviation), where=below > 0)
    both = count == 2  # the two users themselves
    high, low = np.where(both, summed.high, high), np.where(both, summed.low, low)
    alike = summed.low == summed.high
    return np.where(alike, count, above), np.where(alike, summed.low, high), low
