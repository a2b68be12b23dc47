"""Terms of a list of columns, taken as they are: those that formulaic makes of their sum, at once.

formulaic takes 3 ms whatever it is given, and a second to be imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from propensity.frames.checks import Floats

Columns = Mapping[str, "pd.Series[Any]"]


def names(columns: Columns, *, all_levels: bool) -> dict[str, tuple[str, ...]]:
    """Name the terms of each column, as formulaic does: its own name, or one for each level but the first."""
    return {name: _of_column(name, column, all_levels=all_levels) for name, column in columns.items()}


def matrix(columns: Columns, n_rows: int, *, all_levels: bool) -> Floats:
    """Lay the terms out as (n, d) float64, column by column."""
    first = 0 if all_levels else 1
    widths = [len(c.cat.categories[first:]) if _is_categorical(c) else 1 for c in columns.values()]
    x = np.empty((n_rows, sum(widths)), order="F")
    place = 0
    for column, width in zip(columns.values(), widths, strict=True):
        if _is_categorical(column):
            codes = column.cat.codes.to_numpy()
            for k in range(width):
                np.equal(codes, first + k, out=x[:, place + k])
        else:
            x[:, place] = column.to_numpy()
        place += width
    return x


def _of_column(name: str, column: pd.Series[Any], *, all_levels: bool) -> tuple[str, ...]:
    if not _is_categorical(column):
        return (name,)
    levels = column.cat.categories.tolist()
    if all_levels:
        return tuple(f"{name}[{level}]" for level in levels)
    return tuple(f"{name}[T.{level}]" for level in levels[1:])


def _is_categorical(column: pd.Series[Any]) -> bool:
    return isinstance(column.dtype, pd.CategoricalDtype)
