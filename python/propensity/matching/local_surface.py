"""The mean outcome of an arm in the places that rows were matched in, whichever they are."""

from __future__ import annotations

import numpy as np

from propensity.frames.checks import Bools, Floats, Rows
from propensity.matching.local_outcomes import Curve, fitted_curve, polynomials

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
    beside = np.column_stack(
        [*_levels(exact, weights), *_standardized(x, used)] or [np.zeros((len(used), 0))]
    )

    def basis_of(degree: int) -> Floats:
        return np.column_stack([_polynomials(places, used, degree), beside])

    return fitted_curve(outcome, weights, basis_of)


def _polynomials(places: Floats, used: Bools, degree: int) -> Floats:
    """Give Legendre's polynomials of every coordinate; beyond the rows used they stay level."""
    columns = [np.ones(len(places))]
    for column in places.T:
        columns.extend(polynomials(column, used, degree).T[1:])
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
