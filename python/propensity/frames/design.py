"""The terms of rows: as a matrix, or where factors have many levels as numbers and codes beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from propensity.frames import lists
from propensity.frames.checks import Floats, Rows

if TYPE_CHECKING:
    from propensity.core import PropensityFit

# Terms of levels from which codes are faster than a matrix: below, the matrix is a few columns.
_MANY_TERMS = 32
_FLAG = 2  # levels of what is a column of zeros and ones


@dataclass(frozen=True, eq=False)
class Design:
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
    """

    numbers: Floats
    factors: tuple[Rows, ...] = ()
    after: tuple[int, ...] = ()
    n_levels: tuple[int, ...] = field(default=())

    @property
    def n_terms(self) -> int:
        """How many terms there are."""
        return int(self.numbers.shape[1]) + sum(self.n_levels) - len(self.n_levels)

    @property
    def coded(self) -> dict[str, Any]:
        """The factors as the core takes them, in its own words; nothing where there are none."""
        return {"factors": list(self.factors), "after": np.array(self.after)} if self.factors else {}

    @cached_property
    def places(self) -> list[int]:
        """Which of the terms the numbers are."""
        before = np.zeros(self.numbers.shape[1], dtype=np.int64)
        for after, n_levels in zip(self.after, self.n_levels, strict=True):
            before[after:] += n_levels - 1
        return [int(place) for place in np.arange(self.numbers.shape[1]) + before]

    @cached_property
    def x(self) -> Floats:
        """The terms as a matrix (n, d), column by column."""
        if not self.factors:
            return self.numbers
        x = np.empty((len(self.numbers), self.n_terms), order="F")
        x[:, self.places] = self.numbers
        levels = iter(np.setdiff1d(np.arange(self.n_terms), self.places))
        for codes, n_levels in zip(self.factors, self.n_levels, strict=True):
            for level in range(1, n_levels):
                np.equal(codes, level, out=x[:, next(levels)])
        return x

    def scores(self, fit: PropensityFit) -> Floats:
        """Give the scores (n,) by a model of these terms."""
        if len(fit.factors):
            return fit.predict(self.numbers, factors=list(self.factors))
        return fit.predict(self.x)


def of_list(columns: Mapping[str, pd.Series[Any]], n_rows: int) -> Design:
    """Lay out columns as they are: levels as codes where there are many, and otherwise as a matrix."""
    n_levels = {
        name: len(column.cat.categories)
        for name, column in columns.items()
        if isinstance(column.dtype, pd.CategoricalDtype)
    }
    if sum(n_levels.values()) - len(n_levels) < _MANY_TERMS:
        return Design(lists.matrix(columns, n_rows, all_levels=False))
    coded = [name for name, levels in n_levels.items() if levels > _FLAG]
    others = {name: column for name, column in columns.items() if name not in coded}
    return Design(
        lists.matrix(others, n_rows, all_levels=False),
        tuple(np.asarray(columns[name].cat.codes) for name in coded),
        tuple(_terms_before(name, list(columns), coded, n_levels) for name in coded),
        tuple(n_levels[name] for name in coded),
    )


def _terms_before(name: str, names: Sequence[str], coded: Sequence[str], n_levels: Mapping[str, int]) -> int:
    """Count the numbers before a factor: a category of one level is none."""
    earlier = names[: names.index(name)]
    return sum(n_levels.get(other, _FLAG) - 1 for other in earlier if other not in coded)
