"""The mean outcome of an arm in the places that rows were matched in, whichever they are."""

from __future__ import annotations

import numpy as np

from propensity.frames.checks import Bools, Floats, Rows
from propensity.matching.local_outcomes import Curve

# Of the largest eigenvalue: below, a combination of terms vanishes at all of the places.
_SINGULAR = 1e-12

# The most that one row may decide its own fit, as for a curve in the score.
_MOST_LEVERAGE = 0.5

# Rows of an arm, by their weights (Kish), that an `exact` group has to have for a level of its own.
_LEAST_ROWS = 5.0


def mean_surface(
    outcome: Floats, weights: Floats, places: Floats, exact: Rows | None, x: Floats | None
) -> Curve:
    """Fit the outcomes of rows with a weight by polynomials in the coordinates, with a level for each group.

    On one coordinate without groups it is `mean_curve`, with its degree; on several the polynomials are added
    up. Fits are weighted, as the comparison is (Abadie and Imbens 2011). What such a surface misses stays in
    the residuals, and an error that is made of them is too large rather than too small.

    Parameters
    ----------
    outcome, weights : ndarray (n,)
        Weights are zero for rows that it is not fitted to.
    places : ndarray (n, d)
        What distances were measured between.
    exact : ndarray (n,) of int, or None
        Groups that rows were matched within; few rows share a level with other such groups.
    x : ndarray (n, k) or None
        Covariates that the estimate is adjusted for, linearly.
    """
    used = weights > 0
    w, center = weights[used], float(outcome[used].mean())
    beside = np.column_stack(
        [*_levels(exact, weights), *_standardized(x, used)] or [np.zeros((len(used), 0))]
    )
    leverage = np.zeros(len(outcome))
    for degree in range(int(used.sum() ** 0.2), -1, -1):
        basis = np.column_stack([_polynomials(places, used, degree), beside])
        own = basis[used]
        sizes, directions = np.linalg.eigh((own * w[:, None]).T @ own)
        kept = sizes > _SINGULAR * sizes[-1]
        slopes = directions[:, kept] / np.sqrt(sizes[kept])
        leverage[used] = w * ((own @ slopes) ** 2).sum(axis=1)
        if leverage.max() <= _MOST_LEVERAGE:
            break
    fitted = basis @ (slopes @ (slopes.T @ (own.T @ (w * (outcome[used] - center)))))
    return Curve(center + fitted, leverage)


def _polynomials(places: Floats, used: Bools, degree: int) -> Floats:
    """Give Legendre's polynomials of every coordinate; beyond the rows used they stay level."""
    columns = [np.ones(len(places))]
    for column in places.T:
        low, high = column[used].min(), column[used].max()
        place = np.clip(2 * (column - low) / (high - low or 1.0) - 1, -1, 1)
        columns.extend(np.polynomial.legendre.legvander(place, degree).T[1:])
    return np.column_stack(columns)


def _levels(exact: Rows | None, weights: Floats) -> list[Floats]:
    """Give an indicator for each group that has rows enough."""
    if exact is None:
        return []
    codes = np.unique(exact, return_inverse=True)[1]
    total, squares = np.bincount(codes, weights), np.bincount(codes, weights**2)
    large = np.flatnonzero(total**2 >= _LEAST_ROWS * squares)
    return [(codes == code).astype(np.float64) for code in large.tolist()]


def _standardized(x: Floats | None, used: Bools) -> list[Floats]:
    if x is None:
        return []
    spread = x[used].std(axis=0)
    return list(((x - x[used].mean(axis=0)) / np.where(spread > 0, spread, 1.0)).T)
