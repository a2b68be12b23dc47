"""Levels of a column that is read: whether it has any, which row has which, and how they are written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from propensity.frames.checks import Rows

_FEW_NUMBERS = 30  # so few different ones are looked at one by one too


def is_categorical(column: pd.Series[Any]) -> bool:
    """Whether a column is one of categories."""
    return isinstance(column.dtype, pd.CategoricalDtype)


def has_levels(column: pd.Series[Any]) -> bool:
    """Whether rows can be told apart by its values: categories, or a few numbers."""
    return is_categorical(column) or column.nunique() <= _FEW_NUMBERS


def coded(column: pd.Series[Any]) -> tuple[Rows, list[Any] | pd.Index[Any]]:
    """Give the level of each row, and the levels: an Index of those of a category."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy().astype(np.int64), column.cat.categories
    values, codes = np.unique(column.to_numpy(), return_inverse=True)
    return codes.astype(np.int64), values.tolist()


def written(value: Any) -> str:
    """Write a level, text in quotes."""
    value = value.item() if isinstance(value, np.generic) else value
    return written_number(value) if isinstance(value, float) else repr(value)


def written_number(value: float) -> str:
    """Write a number in six digits at most, or whole."""
    return repr(int(value)) if float(value).is_integer() else f"{value:.6g}"
