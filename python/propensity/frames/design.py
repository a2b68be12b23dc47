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
from propensity.frames.narrow import Narrow
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
    given : ndarray (n, p), or Narrow
        Terms as they are, as a matrix or column by column.
    factors : tuple of ndarray (n,) of int
        Levels counted from 0; each stands for a term of every level but the first.
    after : tuple of int
        How many of the numbers stand before each factor.
    n_levels : tuple of int
        How many levels each factor has, some of which no row may be of.
    all_levels : bool
        Whether the first level of a factor has a term too.
    """

    given: Floats | Narrow
    factors: tuple[Rows, ...] = ()
    after: tuple[int, ...] = ()
    n_levels: tuple[int, ...] = ()
    all_levels: bool = False

    @property
    def n_terms(self) -> int:
        """How many terms there are."""
        return self.n_numbers + sum(map(len, self.levels))

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return len(self.given)

    @property
    def n_numbers(self) -> int:
        """How many of the terms are numbers."""
        return self.given.width if isinstance(self.given, Narrow) else int(self.given.shape[1])

    @cached_property
    def numbers(self) -> Floats:
        """The numbers as a matrix (n, p), column by column."""
        return self.given.matrix() if isinstance(self.given, Narrow) else self.given

    @property
    def terms(self) -> Any:
        """The numbers as the core reads them in place: a matrix, or columns that take less room."""
        return self.given.terms if isinstance(self.given, Narrow) else self.given

    @property
    def side_by_side(self) -> tuple[Any, ...]:
        """All terms, levels too, one by one, as the core reads them in place."""
        dense = self.dense
        return dense if isinstance(dense, tuple) else tuple(dense.T)

    @property
    def dense(self) -> Any:
        """All terms, levels too, as the core reads them in place."""
        return self.x if self.factors else self.terms

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
        before = np.zeros(self.n_numbers, dtype=np.int64)
        for after, own in zip(self.after, self.levels, strict=True):
            before[after:] += len(own)
        return [int(place) for place in np.arange(self.n_numbers) + before]

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
        if isinstance(self.given, Narrow) and not self.factors:
            return self.given.matrix(terms)
        x = np.empty((self.n_rows, len(terms)), order="F")
        numbers = {term: k for k, term in enumerate(self.places)}
        for place, term in enumerate(terms):
            if term in numbers:
                x[:, place] = self.numbers[:, numbers[term]]
            else:
                factor = next(k for k, own in enumerate(self.levels) if term in own)
                level = term - self.levels[factor].start + (not self.all_levels)
                np.equal(self.factors[factor], level, out=x[:, place])
        return x

    def column(self, term: int) -> Floats:
        """Give a term, (n,)."""
        if self.factors:
            return self.columns([term])[:, 0]
        return self.given.column(term) if isinstance(self.given, Narrow) else self.given[:, term]

    def none_of(self, terms: Sequence[int]) -> Floats:
        """Give what these terms leave of 1: of all levels of a factor but its first, that one (n,)."""
        for codes, own in zip(self.factors, self.levels, strict=True):
            if list(terms) == list(own):
                return np.asarray(codes == 0, dtype=np.float64)
        rest = np.ones(self.n_rows)
        for term in terms:
            rest -= self.column(term)
        return rest

    def taken(self, rows: Rows) -> Design:
        """Take some of the rows."""
        factors = tuple(codes[rows] for codes in self.factors)
        if isinstance(self.given, Narrow):
            return replace(self, given=self.given.taken(rows), factors=factors)
        return replace(self, given=np.asfortranarray(self.given[rows]), factors=factors)

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
        return fit.predict(self.dense)


def of_list(
    columns: Mapping[str, pd.Series[Any]], n_rows: int, *, all_levels: bool = False, own: bool = True
) -> Design:
    """Lay out columns as they are: levels as codes where there are many, and otherwise as numbers.

    `own` asks for memory that is not the caller's, who may write to it.
    """
    n_levels = {
        name: len(column.cat.categories)
        for name, column in columns.items()
        if isinstance(column.dtype, pd.CategoricalDtype)
    }
    if sum(n_levels.values()) - len(n_levels) < _MANY_TERMS:
        narrow = Narrow.of(columns, all_levels=all_levels, own=own)
        return Design(lists.matrix(columns, n_rows, all_levels=all_levels) if narrow is None else narrow)
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
