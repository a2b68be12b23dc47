"""Standardized terms whose levels stay codes: what a matrix of them would give, without making it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from propensity.frames.checks import Floats, Rows
from propensity.frames.design import Design
from propensity.results.read_only import ReadOnly


@dataclass(frozen=True, eq=False)
class Levels(ReadOnly):
    """A factor: the level of each of n rows, and of its terms the columns and the levels they are of.

    With slopes (n,) a term is a row's number where the row has its level, and otherwise 1.
    """

    codes: Rows
    n_levels: int
    columns: Rows
    levels: Rows
    slopes: Floats | None = None

    def times(self, values: Floats) -> Floats:
        """Multiply values (n,) or (n, m) by the numbers of the rows."""
        if self.slopes is None:
            return values
        return values * (self.slopes if values.ndim == 1 else self.slopes[:, None])

    def table(self, values: Floats) -> Floats:
        """Lay values of the terms (t,) or (t, m) out by level, 0 where one has no term."""
        found = np.zeros((self.n_levels, *values.shape[1:]))
        found[self.levels] = values
        return found

    def taken(self, rows: slice) -> Levels:
        """Take some of the rows."""
        slopes = None if self.slopes is None else self.slopes[rows]
        return replace(self, codes=self.codes[rows], slopes=slopes)


@dataclass(frozen=True, eq=False)
class CodedTerms(ReadOnly):
    """An intercept and terms (n, k), each in standard deviations from its mean.

    Attributes
    ----------
    numbers : ndarray (n, q)
        The intercept and the terms that are numbers.
    columns : ndarray (q,) of int
        Which of the k columns they are.
    factors : tuple of Levels
    per_scale, center : ndarray (k,)
        A level's column is `per_scale` where a row has it, times its number where it has one, less `center`.
    """

    numbers: Floats
    columns: Rows
    factors: tuple[Levels, ...]
    per_scale: Floats
    center: Floats

    @classmethod
    def of(cls, design: Design) -> tuple[CodedTerms, Floats]:
        """Standardize a design, and give what its terms (d,) were divided by."""
        k = design.n_terms + 1
        numbers, scale = standardized_matrix(design.numbers)
        scales, center = np.ones(k), np.zeros(k)
        places = np.array(design.places, dtype=np.int64) + 1
        scales[places] = scale
        factors = []
        for codes, terms, n_levels, slopes in design.each_factor:
            levels, columns = np.arange(n_levels - len(terms), n_levels), np.array(terms) + 1
            factor = Levels(codes.astype(np.int64), n_levels, columns, levels, slopes)
            mean, spread = _moments(factor)
            scales[columns] = np.where(spread > 0, spread, 1.0)
            center[columns] = mean / scales[columns]
            factors.append(factor)
        found = cls(numbers, np.append(0, places), tuple(factors), 1 / scales, center)
        return found, scales[1:]

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns there are."""
        return len(self.numbers), len(self.center)

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.numbers)

    def __matmul__(self, coefficients: Floats) -> Floats:
        """Multiply by coefficients (k,) or (k, m)."""
        per_scale, center = self.per_scale, self.center
        if coefficients.ndim == 2:
            per_scale, center = per_scale[:, None], center[:, None]
        near, away = per_scale * coefficients, center * coefficients
        found = self.numbers @ coefficients[self.columns]
        for factor in self.factors:
            table = factor.table(near[factor.columns])
            if factor.slopes is None:
                found += (table - away[factor.columns].sum(axis=0))[factor.codes]
            else:
                found += factor.times(table[factor.codes]) - away[factor.columns].sum(axis=0)
        return np.asarray(found)

    def sums(self, codes: Rows, n_groups: int, values: Floats) -> Floats:
        """Sum values (n,) times each column within groups: (G, k)."""
        found = np.empty((n_groups, len(self.center)))
        for column, own in zip(self.columns, self.numbers.T, strict=True):
            found[:, column] = np.bincount(codes, weights=values * own, minlength=n_groups)
        total = np.bincount(codes, weights=values, minlength=n_groups)
        for factor in self.factors:
            cells = codes * factor.n_levels + factor.codes
            size = n_groups * factor.n_levels
            by_cell = np.bincount(cells, weights=factor.times(values), minlength=size).reshape(n_groups, -1)
            own = by_cell[:, factor.levels] * self.per_scale[factor.columns]
            found[:, factor.columns] = own - total[:, None] * self.center[factor.columns]
        return found

    def totals(self, values: Floats) -> Floats:
        """Sum values (n,) times each column over all rows: (k,)."""
        return np.asarray(self.sums(np.zeros(len(values), dtype=np.int64), 1, values)[0])

    def quadratic(self, form: Floats) -> Floats:
        """Give z' form z of each row z (n,), of a symmetric form (k, k)."""
        # Of what rows hold, the 1 of the intercept first, in place of what is centred and scaled.
        scales = np.ones(len(self.center))
        for factor in self.factors:
            scales[factor.columns] = self.per_scale[factor.columns]
        away = np.where(np.isin(np.arange(len(scales)), self.columns), 0.0, self.center)
        scaled = form * scales
        scaled[:, 0] -= form @ away
        form = scaled * scales[:, None]
        form[0] -= away @ scaled
        found = ((self.numbers @ form[np.ix_(self.columns, self.columns)]) * self.numbers).sum(axis=1)
        for k, factor in enumerate(self.factors):
            own = factor.table(np.diagonal(form)[factor.columns])
            found += factor.times(factor.times(own[factor.codes]))
            beside = factor.table(form[np.ix_(factor.columns, self.columns)])
            found += 2 * factor.times((beside[factor.codes] * self.numbers).sum(axis=1))
            for other in self.factors[:k]:
                pairs = factor.table(form[np.ix_(factor.columns, other.columns)])
                pairs = other.table(pairs.T)
                found += 2 * other.times(factor.times(pairs[other.codes, factor.codes]))
        return np.asarray(found)

    def taken(self, rows: slice) -> CodedTerms:
        """Take some of the rows."""
        factors = tuple(factor.taken(rows) for factor in self.factors)
        return replace(self, numbers=self.numbers[rows], factors=factors)

    def each_column(self) -> Iterator[Floats]:
        """Go through the columns (n,)."""
        numbers = dict(zip(self.columns.tolist(), self.numbers.T, strict=True))
        levels = {
            column: (factor, level)
            for factor in self.factors
            for column, level in zip(factor.columns.tolist(), factor.levels.tolist(), strict=True)
        }
        for k in range(len(self.center)):
            if k in numbers:
                yield numbers[k]
            else:
                factor, level = levels[k]
                yield factor.times((factor.codes == level) * self.per_scale[k]) - self.center[k]


def _moments(factor: Levels) -> tuple[Floats, Floats]:
    """Give the mean and the standard deviation of each of a factor's terms over all rows."""
    n = len(factor.codes)
    count = np.bincount(factor.codes, minlength=factor.n_levels)
    if factor.slopes is None:
        share = count[factor.levels] / n
        return share, np.sqrt(share * (1 - share))
    mean = np.bincount(factor.codes, weights=factor.slopes, minlength=factor.n_levels) / n
    squares = (factor.slopes - mean[factor.codes]) ** 2
    total = np.bincount(factor.codes, weights=squares, minlength=factor.n_levels) + (n - count) * mean**2
    return mean[factor.levels], np.sqrt(total[factor.levels] / n)


Standardized: TypeAlias = "Floats | CodedTerms"
"""An intercept and terms (n, k), each in standard deviations from its mean."""


def standardized(x: Floats | Design) -> tuple[Standardized, Floats]:
    """Put an intercept before terms (n, d), centred and in standard deviations; give these (d,), too."""
    if isinstance(x, Design) and x.factors:
        return CodedTerms.of(x)
    return standardized_matrix(x.x if isinstance(x, Design) else x)


def standardized_matrix(x: Floats) -> tuple[Floats, Floats]:
    """Standardize a matrix (n, d)."""
    z = np.empty((len(x), x.shape[1] + 1), order="F")
    z[:, 0] = 1.0
    scale = np.ones(x.shape[1])
    for j, column in enumerate(x.T):
        own = z[:, j + 1]
        np.subtract(column, column.mean(), out=own)
        spread = math.sqrt(float(own @ own) / len(own))
        if spread > 0:
            scale[j] = spread
            own /= spread
    return z, scale


def each_column(z: Standardized) -> Iterator[Floats]:
    """Go through the columns (n,)."""
    return z.each_column() if isinstance(z, CodedTerms) else iter(z.T)


def sums_within(z: Standardized, codes: Rows, n_groups: int, values: Floats) -> Floats:
    """Sum values (n,) times each column within groups: (G, k)."""
    if isinstance(z, CodedTerms):
        return z.sums(codes, n_groups, values)
    sums = [np.bincount(codes, weights=values * column, minlength=n_groups) for column in z.T]
    return np.asarray(np.column_stack(sums), dtype=np.float64)


def column_sums(z: Standardized, values: Floats) -> Floats:
    """Sum values (n,) times each column over rows: (k,)."""
    return z.totals(values) if isinstance(z, CodedTerms) else np.asarray(values @ z)


def quadratic(z: Standardized, form: Floats) -> Floats:
    """Give z' form z of each row z (n,), of a symmetric form (k, k)."""
    return z.quadratic(form) if isinstance(z, CodedTerms) else np.asarray(((z @ form) * z).sum(axis=1))


def gram(z: Standardized, weights: Floats, other: Standardized | None = None) -> Floats:
    """Sum weights (n,) times the products of columns over rows: (k, l)."""
    other = z if other is None else other
    if isinstance(z, CodedTerms) and isinstance(other, CodedTerms):
        return _gram_of_codes(z, weights, other)
    if isinstance(z, CodedTerms):
        return np.column_stack([z.totals(weights * column) for column in each_column(other)])
    if isinstance(other, CodedTerms):
        return gram(other, weights, z).T
    return np.asarray((z * weights[:, None]).T @ other)


def _gram_of_codes(z: CodedTerms, weights: Floats, other: CodedTerms) -> Floats:
    found = np.empty((len(z.center), len(other.center)))
    for column, own in zip(other.columns, other.numbers.T, strict=True):
        found[:, column] = z.totals(weights * own)
    total = z.totals(weights)
    for factor in other.factors:
        columns = factor.columns
        sums = z.sums(factor.codes, factor.n_levels, factor.times(weights))
        own = sums[factor.levels].T * other.per_scale[columns]
        found[:, columns] = own - np.outer(total, other.center[columns])
    return found
