"""How a result shows itself: a headline and a table, as text and as HTML."""

from __future__ import annotations

import html

import numpy as np
import pandas as pd

from propensity.calls.keywords import answered_methods
from propensity.results.names import Named
from propensity.results.read_only import ReadOnly


class Shown(Named, ReadOnly):
    """A headline and a table; methods answer arguments that they do not have."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        answered_methods(cls)

    def _headline(self) -> str:
        raise NotImplementedError

    def _table(self) -> pd.DataFrame:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{self._headline()}\n{_unnamed(self._table()).to_string()}"

    def _repr_html_(self) -> str:
        with pd.option_context("display.max_colwidth", None):
            table = _unnamed(self._table()).to_html(border=0)
        headline = html.escape(self._headline()).replace("\n", "<br>")
        return f"<p>{headline}</p>\n{table}"


def _unnamed(table: pd.DataFrame) -> pd.DataFrame:
    """Take the names of the levels of the rows away: the headline has them, and they would take a line."""
    return table.set_axis(table.index.set_names([None] * table.index.nlevels), axis=0)


def in_few_digits(table: pd.DataFrame) -> pd.DataFrame:
    """Write the numbers of a table for the eye: counts in full, others with four digits."""
    return table.map(_written)


def _written(value: object) -> object:
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        return value
    number = float(value)
    whole = number.is_integer() or abs(number) >= 1e4
    return f"{number:,.0f}" if whole and abs(number) < 1e15 else f"{number:.4g}"
