"""The steps of a weighted distribution function, and as few of them as an eye can tell from all."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from propensity.frames.checks import Floats

_LEVELS = 2_000
"""Steps lower than 1/2000 are left out: a quarter of a pixel in the tallest panel."""


class Distribution(NamedTuple):
    """F(value) = share of the weight at or below it; both (k,), values distinct and ascending."""

    values: Floats
    shares: Floats


def distribution(values: Floats, weights: Floats) -> Distribution:
    """Give all steps of F(x) = sum of w[values <= x] / sum of w; rows of weight 0 make none."""
    counted = weights > 0
    order = np.argsort(values[counted], kind="stable")
    x, total = values[counted][order], np.cumsum(weights[counted][order])
    last = np.append(x[1:] != x[:-1], True)  # of equal values the whole step
    return Distribution(x[last], total[last] / total[-1])


def thinned(full: Distribution) -> Distribution:
    """Leave out steps, none of those left being moved.

    Of each run of points within one of the bands ((j - 1) / 2000, j / 2000] of F the first and the last stay.
    Between points that stay, drawn as steps, the function is nowhere off by more than 1/2000; jumps higher
    than that, and the gaps between values, are all there. At most 2 * 2000 points.
    """
    if len(full.shares) <= 2 * _LEVELS:
        return full
    band = np.ceil(full.shares * _LEVELS)
    enters = np.append(True, band[1:] != band[:-1])
    leaves = np.append(band[1:] != band[:-1], True)
    return Distribution(full.values[enters | leaves], full.shares[enters | leaves])


def quantiles(full: Distribution, p: Floats) -> Floats:
    """Give the smallest value x with F(x) >= p, for each p; 1e-12 allows for the rounding of F's sum."""
    place = np.searchsorted(full.shares, p - 1e-12)
    return full.values[np.minimum(place, len(full.values) - 1)]
