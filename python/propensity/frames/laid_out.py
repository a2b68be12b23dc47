"""Columns laid out as a design: levels as codes where there are many, and otherwise as a matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from propensity.frames import lists
from propensity.frames.checks import Floats, Rows
from propensity.frames.design import Design
from propensity.frames.narrow import Narrow

# Terms of levels from which codes are faster than a matrix: below, the matrix is a few columns.
_MANY_TERMS = 32
_LARGEST = 1e150  # of a number: its square is one too
_FLAG = 2  # levels of what is a column of zeros and ones


@dataclass(frozen=True, eq=False)
class OneOf:
    """Columns of which a row is in one at most: which, (n,), or -1 for none; its value there, (n,), or 1."""

    codes: Rows
    slopes: Floats | None = None

    @cached_property
    def are_plain(self) -> bool:
        """Whether all values are within what squares can be made of."""
        if self.slopes is None or not len(self.slopes):
            return True
        low, high = float(self.slopes.min()), float(self.slopes.max())  # NaN where there is one
        return max(-low, high) <= _LARGEST and not 0 < high - low < 1 / _LARGEST


@dataclass(frozen=True, eq=False)
class Level:
    """One of such columns, by its number among them."""

    of: OneOf
    place: int

    @property
    def values(self) -> Floats:
        """The column, (n,)."""
        is_there = np.asarray(self.of.codes == self.place, dtype=np.float64)
        return is_there if self.of.slopes is None else is_there * self.of.slopes


Columns: TypeAlias = Sequence["Floats | Level"]


def of_columns(columns: Columns, n_rows: int, *, all_levels: bool = False) -> Design:
    """Lay out columns, which may be levels: as codes where there are many, and otherwise as a matrix."""
    blocks = [list(own) for _, own in groupby(columns, _whose)]
    coded = [_are_coded(own, all_levels=all_levels) for own in blocks]
    many = sum(len(own) for own, are_coded in zip(blocks, coded, strict=True) if are_coded) >= _MANY_TERMS
    numbers: list[Floats | Level] = []
    factors, after, n_levels, slopes = [], [], [], []
    for own, are_coded in zip(blocks, coded, strict=True):
        if not (many and are_coded and isinstance(own[0], Level)):
            numbers += own
            continue
        factors.append(own[0].of.codes if all_levels else own[0].of.codes + 1)
        after.append(len(numbers))
        n_levels.append(len(own) + (not all_levels))
        slopes.append(own[0].of.slopes)
    x = np.empty((n_rows, len(numbers)), order="F")
    for k, column in enumerate(numbers):
        x[:, k] = column.values if isinstance(column, Level) else column
    given = () if all(own is None for own in slopes) else tuple(slopes)
    return Design(x, tuple(factors), tuple(after), tuple(n_levels), all_levels, given)


def _whose(column: Floats | Level) -> int:
    """Tell the levels of one category from those of another, and from other columns."""
    return id(column.of) if isinstance(column, Level) else 0


def _are_coded(block: Columns, *, all_levels: bool) -> bool:
    """Whether neighbouring columns are levels that codes may stand for: all of a category, and several."""
    if not isinstance(block[0], Level) or len(block) < _FLAG + all_levels or not block[0].of.are_plain:
        return False
    codes = block[0].of.codes
    in_order = [column.place for column in block if isinstance(column, Level)] == list(range(len(block)))
    return in_order and not (all_levels and len(codes) and codes.min() < 0) and codes.max() < len(block)


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
