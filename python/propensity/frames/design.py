"""The terms of rows: as a matrix, or where factors have many levels as numbers and codes beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from propensity.frames import lists
from propensity.frames.checks import Floats, Rows
from propensity.results.read_only import ReadOnly

if TYPE_CHECKING:
    from propensity.core import PropensityFit

# Terms of levels from which codes are faster than a matrix: below, the matrix is a few columns.
_MANY_TERMS = 32
_FLAG = 2  # levels of what is a column of zeros and ones


@dataclass(frozen=True, eq=False)
class Design(ReadOnly):
    """The d terms of n rows.

    Attributes
    ----------
    numbers : ndarray (n, p)
        Terms as they are.
    factors : tuple of ndarray (n,) of int
        Levels counted from 0; each stands for a term of every level but the first.
    after : tuple of int
        How many of the numbers stand before each factor.
    n_levels : tuple of int
        How many levels each factor has, some of which no row may be of.
    all_levels : bool
        Whether the first level of a factor has a term too.
    """

    numbers: Floats
    factors: tuple[Rows, ...] = ()
    after: tuple[int, ...] = ()
    n_levels: tuple[int, ...] = ()
    all_levels: bool = False

    @property
    def n_terms(self) -> int:
        """How many terms there are."""
        return int(self.numbers.shape[1]) + sum(map(len, self.levels))

    @property
    def coded(self) -> dict[str, Any]:
        """The factors as the core takes them, in its own words; nothing where there are none."""
        return {"factors": list(self.factors), "after": np.array(self.after)} if self.factors else {}

    @property
    def all_coded(self) -> dict[str, Any]:
        """The same of rows that some levels may have none among."""
        return {**self.coded, "n_levels": np.array(self.n_levels)} if self.factors else {}

    @cached_property
    def places(self) -> list[int]:
        """Which of the terms the numbers are."""
        before = np.zeros(self.numbers.shape[1], dtype=np.int64)
        for after, own in zip(self.after, self.levels, strict=True):
            before[after:] += len(own)
        return [int(place) for place in np.arange(self.numbers.shape[1]) + before]

    @cached_property
    def levels(self) -> list[range]:
        """Which of the terms are the levels of each factor."""
        found: list[range] = []
        for after, n_levels in zip(self.after, self.n_levels, strict=True):
            first = after + sum(map(len, found))
            found.append(range(first, first + n_levels - (not self.all_levels)))
        return found

    @cached_property
    def x(self) -> Floats:
        """The terms as a matrix (n, d), column by column."""
        return self.columns(range(self.n_terms)) if self.factors else self.numbers

    def columns(self, terms: Sequence[int]) -> Floats:
        """Give some of the terms as a matrix, column by column."""
        x = np.empty((len(self.numbers), len(terms)), order="F")
        numbers = {term: k for k, term in enumerate(self.places)}
        for place, term in enumerate(terms):
            if term in numbers:
                x[:, place] = self.numbers[:, numbers[term]]
            else:
                factor = next(k for k, own in enumerate(self.levels) if term in own)
                level = term - self.levels[factor].start + (not self.all_levels)
                np.equal(self.factors[factor], level, out=x[:, place])
        return x

    def none_of(self, terms: Sequence[int]) -> Floats:
        """Give what these terms leave of 1: of all levels of a factor but its first, that one (n,)."""
        for codes, own in zip(self.factors, self.levels, strict=True):
            if list(terms) == list(own):
                return np.asarray(codes == 0, dtype=np.float64)
        return np.asarray(1 - self.columns(terms).sum(axis=1))

    def taken(self, rows: Rows) -> Design:
        """Take some of the rows."""
        factors = tuple(codes[rows] for codes in self.factors)
        return replace(self, numbers=np.asfortranarray(self.numbers[rows]), factors=factors)

    def narrow(self, most: int) -> tuple[Design, list[int]]:
        """Leave out the factors of more levels than that; give the terms that are left, too."""
        kept = [k for k, n_levels in enumerate(self.n_levels) if n_levels <= most]
        terms = sorted([*self.places, *(term for k in kept for term in self.levels[k])])
        narrow = replace(
            self,
            factors=tuple(self.factors[k] for k in kept),
            after=tuple(self.after[k] for k in kept),
            n_levels=tuple(self.n_levels[k] for k in kept),
        )
        return narrow, terms

    def scores(self, fit: PropensityFit) -> Floats:
        """Give the scores (n,) by a model of these terms."""
        if len(fit.factors):
            return fit.predict(self.numbers, factors=list(self.factors))
        return fit.predict(self.x)


def of_list(columns: Mapping[str, pd.Series[Any]], n_rows: int, *, all_levels: bool = False) -> Design:
    """Lay out columns as they are: levels as codes where there are many, and otherwise as a matrix."""
    n_levels = {
        name: len(column.cat.categories)
        for name, column in columns.items()
        if isinstance(column.dtype, pd.CategoricalDtype)
    }
    if sum(n_levels.values()) - len(n_levels) < _MANY_TERMS:
        return Design(lists.matrix(columns, n_rows, all_levels=all_levels))
    coded = [name for name, levels in n_levels.items() if levels > _FLAG]
    others = {name: column for name, column in columns.items() if name not in coded}
    widths = {name: n_levels[name] - (not all_levels) if name in n_levels else 1 for name in others}
    names = list(columns)
    return Design(
        lists.matrix(others, n_rows, all_levels=all_levels),
        tuple(np.asarray(columns[name].cat.codes) for name in coded),
        tuple(sum(widths.get(other, 0) for other in names[: names.index(name)]) for name in coded),
        tuple(n_levels[name] for name in coded),
        all_levels,
    )
