"""One regression of the outcome on treatment and covariates, and all those that leave some of them out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from propensity.errors import InvalidInputError
from propensity.frames.checks import Bools, Floats

# What is left of a column that others explain, beside its length: rounding of so many digits.
_NOTHING_LEFT = 1e-10


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """The outcome regressed on an intercept, k terms and the treatment, rows weighed or not.

    Attributes
    ----------
    triangle : ndarray (k + 2, k + 2)
        R of the QR decomposition of the centred columns: terms, treatment, outcome. A regression among these
        columns of R is that among the columns of the data, of which it has all squares and products.
    n_rows : int
        Rows that are there.
    """

    triangle: Floats
    n_rows: int

    @classmethod
    def of(
        cls,
        x: Floats,
        treated: Bools,
        outcome: Floats,
        weight: Floats | None,
        n_users: int | None = None,
    ) -> LeastSquares:
        """Fit it to rows that are there: terms (n, k), none of which repeats others.

        `n_users` says how many users they stand for, whose weights together are theirs.

        Raises
        ------
        InvalidInputError
            There are too few rows for as many terms, or the terms tell who was treated.
        """
        k, n = x.shape[1], len(x) if n_users is None else n_users
        if n - k - 3 < 1:
            raise InvalidInputError(
                f"covariates: {k:,} terms, an intercept and the treatment for {n:,} rows leave no degrees of "
                "freedom; take fewer terms"
            )
        columns = np.empty((len(x), k + 2))
        columns[:, :k], columns[:, k], columns[:, k + 1] = x, treated, outcome
        columns -= np.average(columns, axis=0, weights=weight)
        if weight is not None:
            columns *= np.sqrt(weight)[:, None]
        length = np.sqrt((columns**2).sum(axis=0))
        scale = np.where(length > 0, length, 1.0)
        triangle = _triangle(columns / scale) * scale
        found = cls(triangle, n)
        if abs(triangle[k, k]) <= _NOTHING_LEFT * length[k]:
            raise InvalidInputError(
                "covariates: together they tell who was treated, so that nothing is left to compare; leave "
                "out what the treatment decides"
            )
        if abs(triangle[k + 1, k + 1]) <= _NOTHING_LEFT * length[k + 1]:
            triangle[k + 1, k + 1] = 0.0
        return found

    @property
    def n_terms(self) -> int:
        """The number k of terms."""
        return len(self.triangle) - 2

    @property
    def df(self) -> int:
        """Degrees of freedom that are left."""
        return self.n_rows - self.n_terms - 2

    @property
    def estimate(self) -> float:
        """The coefficient of the treatment."""
        k = self.n_terms
        return float(self.triangle[k, k + 1] / self.triangle[k, k])

    @property
    def std_error(self) -> float:
        """Its standard error, for errors of one variance (the classical one)."""
        k = self.n_terms
        return abs(float(self.triangle[k + 1, k + 1] / self.triangle[k, k])) / math.sqrt(self.df)

    def without(self, terms: list[int]) -> tuple[float, float]:
        """Give the partial R2 of some terms with the treatment and, given that, with the outcome.

        Returns
        -------
        with_treatment, with_outcome : float
            The share of what the other terms leave unexplained (and, for the outcome, the treatment too) that
            these terms explain.
        """
        k, r = self.n_terms, self.triangle
        others = [place for place in range(k) if place not in set(terms)]
        fewer = _triangle(r[:, [*others, k, k + 1]])
        left = [(r[place, place], fewer[place - len(terms), place - len(terms)]) for place in (k, k + 1)]
        with_treatment, with_outcome = (
            float(1 - (full / short) ** 2) if short != 0 else 0.0 for full, short in left
        )
        return max(with_treatment, 0.0), max(with_outcome, 0.0)


def _triangle(columns: Floats) -> Floats:
    """Give R of the QR decomposition."""
    return np.asarray(np.linalg.qr(columns, mode="r"))
