"""Squares and products of terms, each term measured from its mean over all rows.

The square of a column far from zero, an age or a year, says next to nothing that the column does not: their
correlation is all but 1, and arms that agree in the one agree in the other however differently they are
spread. That of its distance from the mean says how far rows are spread, and is the same from any origin.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from propensity.frames.checks import Floats
from propensity.frames.design import Design
from propensity.frames.pieces import pieces

_SMALL_PRODUCT = 200_000


def center(parts: Callable[[slice], Floats], n_rows: int, sample_weight: Floats | None) -> float:
    """Give the mean of a column over all n rows by sample weight, read part by part.

    It is summed from a value that is there, so that the mean of a constant is that very constant, and its
    products are zeros.
    """
    at = 0 if sample_weight is None else int(np.argmax(sample_weight > 0))
    first = parts(slice(at, at + 1))[0]
    total, mass = 0.0, 0.0
    with np.errstate(all="ignore"):  # of columns whose products are out of range anyway
        for rows in pieces(n_rows):
            away = parts(rows) - first
            weight = None if sample_weight is None else sample_weight[rows]
            total += away.sum() if weight is None else (away * weight).sum()
            mass += len(away) if weight is None else weight.sum()
        return float(first + total / mass)


def centers(design: Design, sample_weight: Floats | None) -> Floats:
    """Give that of each term: (d,)."""
    return np.array([center(design.parts(k), design.n_rows, sample_weight) for k in range(design.n_terms)])


def product(one: Floats, other: Floats, center_one: float, center_other: float) -> Floats:
    """Multiply two columns (n,), or one by itself, each measured from its center."""
    return np.asarray((one - center_one) * (other - center_other))


def sums_of_products(a: Floats, b: Floats) -> Floats:
    """Give a @ b.T in pieces so small that a BLAS library wakes no threads, which costs many times these."""
    width = max(64, _SMALL_PRODUCT // max(1, len(a)) ** 2)
    pieces = range(0, a.shape[1], width)
    return np.asarray(sum(a[:, start : start + width] @ b[:, start : start + width].T for start in pieces))
