"""The outcome of an arm at a value of the score: its mean, and how it goes together with covariates there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from propensity.frames.checks import Bools, Floats, Rows

# As for the distances of matching: values that differ by rounding alone are the same.
_TIE = 1e-12

# Neighbours on either side: a covariance of five rows is three times as precise as one of two, and as local.
_BESIDE = 2

# Of the largest eigenvalue: below, a polynomial vanishes at all of the places.
_SINGULAR = 1e-12

# The most that one row may decide its own fit; with more the curve passes through it and leaves no residual.
_MOST_LEVERAGE = 0.5


@dataclass(frozen=True, eq=False)
class Curve:
    """A fitted mean (n,) at every row's value, and the leverage (n,) of the rows it was fitted to, else 0."""

    mean: Floats
    leverage: Floats


def mean_curve(outcome: Floats, weights: Floats, quantity: Floats) -> Curve:
    """Fit the outcomes of rows with a weight by a polynomial in the quantity.

    Its degree is the fifth root of their number: it grows, as the theory of series asks (Newey 1997), so that
    no shape has to be guessed; but no row may decide its own fit by more than a half, which few rows of much
    weight would with every degree. Weighting fits where the comparison is made (Abadie and Imbens 2011); an
    unweighted line can be far off there.

    Parameters
    ----------
    outcome, quantity : ndarray (n,)
    weights : ndarray (n,)
        Zero for rows that it is not fitted to.
    """
    used = weights > 0
    low, high = quantity[used].min(), quantity[used].max()
    # Beyond the rows it was fitted to it stays level: a polynomial would run away.
    place = np.clip(2 * (quantity - low) / (high - low or 1.0) - 1, -1, 1)
    w, center = weights[used], outcome[used].mean()
    leverage = np.zeros(len(outcome))
    for degree in range(int(used.sum() ** 0.2), -1, -1):
        basis = np.polynomial.legendre.legvander(place, degree)
        own = basis[used]
        sizes, directions = np.linalg.eigh((own * w[:, None]).T @ own)
        # Fewer places than coefficients leave some of them free; what they predict there is the same.
        kept = sizes > _SINGULAR * sizes[-1]
        slopes = directions[:, kept] / np.sqrt(sizes[kept])
        leverage[used] = w * ((own @ slopes) ** 2).sum(axis=1)
        if leverage.max() <= _MOST_LEVERAGE:
            break
    fitted = basis @ (slopes @ (slopes.T @ (own.T @ (w * (outcome[used] - center)))))
    return Curve(center + fitted, leverage)


def covariance_direction(outcome: Floats, arm: Bools, quantity: Floats, multiples: Floats) -> Floats:
    """Give r with X'r = the sum over rows j of `multiples[j]` times the covariance of X and outcome at j.

    The covariance is that within an arm, among a row and the two above and below it in the order of the arm's
    quantities, ties included; for rows of the other arm among those around the nearest row of the arm. It is
    a sum over rows of x times a factor that does not involve x, so that none is ever spelled out.

    Parameters
    ----------
    outcome, quantity : ndarray (n,)
    arm : ndarray (n,) of bool
        Whose covariance: rows of one arm that have an outcome.
    multiples : ndarray (n,)
        Zero for rows that do not count.
    """
    members = np.flatnonzero(arm)
    order = members[np.argsort(quantity[members], kind="stable")]
    group = np.append(0, np.cumsum(np.diff(quantity[order]) > _TIE))
    size = np.bincount(group)
    value = quantity[order[np.cumsum(size) - size]]
    low, high = _neighborhoods(size)
    y = outcome[order] - outcome[order].mean()
    n_in = _range_sums(size.astype(np.float64), low, high)
    sum_in = _range_sums(np.bincount(group, y).astype(np.float64), low, high)
    at = _nearest(value, quantity)
    share = np.bincount(at, multiples, len(size)) / np.maximum(n_in - 1, 1)
    # Of a neighbourhood each row gets its share times (y - mean there): two sums over those it is in.
    slope, level = (_spread(part, low, high) for part in (share, share * sum_in / n_in))
    direction = np.zeros(len(outcome))
    direction[order] = slope[group] * y - level[group]
    return direction


def _neighborhoods(size: Rows) -> tuple[Rows, Rows]:
    """Give for each group of equal rows the range of groups with it and `_BESIDE` rows on either side."""
    ends = np.cumsum(size)
    group = np.repeat(np.arange(len(size)), size)
    first = np.maximum(ends - size - _BESIDE, 0)
    last = np.minimum(ends - 1 + _BESIDE, len(group) - 1)
    return group[first], group[last] + 1


def _nearest(value: Floats, places: Floats) -> Rows:
    """Give the number of the ascending value nearest to each place, the lower of two."""
    above = np.clip(np.searchsorted(value, places), 1, max(len(value) - 1, 1))
    above = np.minimum(above, len(value) - 1)
    below = np.maximum(above - 1, 0)
    return np.where(places - value[below] <= value[above] - places, below, above)


def _range_sums(values: Floats, low: Rows, high: Rows) -> Floats:
    sums = np.append(0.0, np.cumsum(values))
    return np.asarray(sums[high] - sums[low])


def _spread(values: Floats, low: Rows, high: Rows) -> Floats:
    """Add each value to all places of its range."""
    size = len(values) + 1
    steps = np.bincount(low, values, size) - np.bincount(high, values, size)
    return np.asarray(np.cumsum(steps[:-1]))
