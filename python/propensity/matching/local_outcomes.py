"""The outcome of an arm at a value of the score: its mean, and how it goes together with covariates there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from propensity.frames.checks import Bools, Floats, Rows

TIE = 1e-12
"""As for the distances of matching: values that differ by rounding alone are the same."""

# Neighbours on either side: a covariance of five rows is three times as precise as one of two, and as local.
_BESIDE = 2

# Of the largest eigenvalue: below, a polynomial vanishes at all of the places.
_SINGULAR = 1e-12

# The most that one row may decide its own fit; with more the curve passes through it and leaves no residual.
_MOST_LEVERAGE = 0.5


# Fewer rows than this, by their weights (Kish), tell too little of how their outcomes vary about a mean of
# their own; two that weigh much the same do.
_LEAST_ROWS = 1.5


def tie_cells(quantity: Floats) -> Rows:
    """Give values (n,) numbers, ascending from 0; those that differ by rounding alone share theirs."""
    order = np.argsort(quantity, kind="stable")
    cells = np.empty(len(order), dtype=np.int64)
    cells[order] = np.append(0, np.cumsum(np.diff(quantity[order]) > TIE))
    return cells


@dataclass(frozen=True, eq=False)
class CellMeans:
    """The mean outcome of an arm's rows within each of G cells, and how much they say of it.

    Attributes
    ----------
    mean, total : ndarray (G,)
        The weighted mean, and the sum of the weights; 0 without rows.
    squares : ndarray (G,)
        The sum of u^2, with u the shares of the units (rows, or clusters of them) within their cell.
    seen : ndarray (G,)
        What the sum of u^2 (Y - mean)^2 is to expect, in variances of Y: the sum of u^2 - 2 u^3, and the
        square of that of u^2. For n rows that weigh the same that is (n - 1) / n^2.
    told : ndarray (G,) of bool
        Whether the cell's units are enough for a mean of their own.
    """

    mean: Floats
    total: Floats
    squares: Floats
    seen: Floats
    told: Bools

    @classmethod
    def of(cls, outcome: Floats, weights: Floats, cells: Rows, units: Rows | None = None) -> CellMeans:
        """Sum by cell; rows without a weight count for nothing, those of a unit (n,) vary together."""
        total = _by_cell(cells, weights)
        u = np.divide(weights, total[cells], out=np.zeros(len(weights)), where=weights > 0)
        center = outcome[weights > 0].mean()
        mean = np.where(total > 0, center + _by_cell(cells, u * (outcome - center)), 0.0)
        sums = by_unit(cells, units, u)
        squares = sums.squares
        seen = squares - 2 * sums.cubes + squares**2
        return cls(mean, total, squares, seen, (total > 0) & (squares * _LEAST_ROWS <= 1))


def _by_cell(cells: Rows, values: Floats) -> Floats:
    return np.bincount(cells, values).astype(np.float64, copy=False)


@dataclass(frozen=True, eq=False)
class PowerSums:
    """Sums (G,) of squares and of cubes by cell."""

    squares: Floats
    cubes: Floats


def by_unit(cells: Rows, units: Rows | None, values: Floats, users: Floats | None = None) -> PowerSums:
    """Sum (n,) values of the rows of a cell that are of one unit, and the powers of these sums by cell.

    Where rows stand for several `users` (n,), the values are those of one of them.
    """
    f = np.ones(len(values)) if users is None else users
    if units is None:
        return PowerSums(_by_cell(cells, f * values**2), _by_cell(cells, f * values**3))
    pairs, number = np.unique(cells * (int(units.max()) + 1) + units, return_inverse=True)
    sums, size = _by_cell(number, f * values), int(cells.max()) + 1
    cell = pairs // (int(units.max()) + 1)
    squares, cubes = (np.bincount(cell, sums**power, size).astype(np.float64) for power in (2, 3))
    return PowerSums(squares, cubes)


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
    return fitted_curve(outcome, weights, partial(polynomials, quantity, used))


def polynomials(quantity: Floats, used: Bools, degree: int) -> Floats:
    """Give Legendre's polynomials (n, degree + 1) of a quantity; beyond the rows used they stay level.

    A polynomial would run away there.
    """
    low, high = quantity[used].min(), quantity[used].max()
    place = np.clip(2 * (quantity - low) / (high - low or 1.0) - 1, -1, 1)
    return np.asarray(np.polynomial.legendre.legvander(place, degree))


def fitted_curve(outcome: Floats, weights: Floats, basis_of: Callable[[int], Floats]) -> Curve:
    """Fit the outcomes of rows with a weight by the columns of the largest degree that leaves no row alone.

    Parameters
    ----------
    outcome, weights : ndarray (n,)
    basis_of : callable
        Takes a degree to the columns (n, k).
    """
    used = weights > 0
    w, center = weights[used], float(outcome[used].mean())
    leverage = np.zeros(len(outcome))
    for degree in range(int(used.sum() ** 0.2), -1, -1):
        basis = basis_of(degree)
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


def covariance_direction(
    outcome: Floats,
    arm: Bools,
    quantity: Floats,
    multiples: Floats,
    within: Rows | None = None,
    users: Floats | None = None,
) -> Floats:
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
    within : ndarray (n,) of int, or None, default None
        Ranges of the quantity, numbered upwards: rows look no farther than their own, but where it holds a
        lone row of the arm.
    users : ndarray (n,) or None, default None
        How many users each row stands for: sums are over these, and r is of one of them.
    """
    f = np.ones(len(outcome)) if users is None else users
    members = np.flatnonzero(arm)
    order = members[np.argsort(quantity[members], kind="stable")]
    label = np.zeros(len(outcome), dtype=np.int64) if within is None else within
    own = label[order]
    group = np.append(0, np.cumsum((np.diff(quantity[order]) > TIE) | (np.diff(own) != 0)))
    size = np.bincount(group, f[order]).astype(np.int64)
    first = np.searchsorted(group, np.arange(len(size)))
    fences = _Fences.of(own[first], size)
    low, high = fences.clipped(*_neighborhoods(size))
    y = outcome[order] - np.average(outcome[order], weights=f[order])
    n_in = range_sums(size.astype(np.float64), low, high)
    sum_in = range_sums(np.bincount(group, f[order] * y).astype(np.float64), low, high)
    at = fences.inside(_nearest(quantity[order[first]], quantity), label)
    share = np.bincount(at, f * multiples, len(size)) / np.maximum(n_in - 1, 1)
    # Of a neighbourhood each row gets its share times (y - mean there): two sums over those it is in.
    slope, level = (spread_over(part, low, high, len(size)) for part in (share, share * sum_in / n_in))
    direction = np.zeros(len(outcome))
    direction[order] = slope[group] * y - level[group]
    return direction


@dataclass(frozen=True, eq=False)
class _Fences:
    """Which groups of equal rows, ascending, are in the same range as each of them.

    Attributes
    ----------
    label : ndarray (g,) of int
        Their ranges, ascending.
    low, high : ndarray (g,) of int
        The groups of the range; all of them where it holds a lone row.
    """

    label: Rows
    low: Rows
    high: Rows

    @classmethod
    def of(cls, label: Rows, size: Rows) -> _Fences:
        """Put them up around groups of so many rows."""
        low, high = np.searchsorted(label, label), np.searchsorted(label, label, side="right")
        rows = np.append(0, np.cumsum(size))
        lone = rows[high] - rows[low] < 2  # one has no covariance
        return cls(label, np.where(lone, 0, low), np.where(lone, len(label), high))

    def clipped(self, low: Rows, high: Rows) -> tuple[Rows, Rows]:
        """Cut what each group looks at to its own range."""
        return np.maximum(low, self.low), np.minimum(high, self.high)

    def inside(self, group: Rows, label: Rows) -> Rows:
        """Move the group that a row in a range looks at into that; where it has none, leave it."""
        first, last = np.searchsorted(self.label, label), np.searchsorted(self.label, label, side="right") - 1
        return np.where(first <= last, np.clip(group, first, last), group)


def _neighborhoods(size: Rows) -> tuple[Rows, Rows]:
    """Give for each group of equal rows the range of groups with it and `_BESIDE` rows on either side."""
    ends = np.cumsum(size)
    first = np.maximum(ends - size - _BESIDE, 0)
    last = np.minimum(ends - 1 + _BESIDE, ends[-1] - 1)
    return np.searchsorted(ends, first, side="right"), np.searchsorted(ends, last, side="right") + 1


def _nearest(value: Floats, places: Floats) -> Rows:
    """Give the number of the ascending value nearest to each place, the lower of two but for rounding."""
    above = np.clip(np.searchsorted(value, places), 1, max(len(value) - 1, 1))
    above = np.minimum(above, len(value) - 1)
    below = np.maximum(above - 1, 0)
    return np.where(places - value[below] <= value[above] - places + TIE, below, above)


def range_sums(values: Floats, low: Rows, high: Rows) -> Floats:
    """Sum the values of each range `low` to `high`, its end left out."""
    sums = np.append(0.0, np.cumsum(values))
    return np.asarray(sums[high] - sums[low])


def spread_over(values: Floats, low: Rows, high: Rows, size: int) -> Floats:
    """Add each value to all of so many places that its range holds."""
    steps = np.bincount(low, values, size + 1) - np.bincount(high, values, size + 1)
    return np.asarray(np.cumsum(steps[:-1]))
