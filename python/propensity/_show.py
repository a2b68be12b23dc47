"""How a result shows itself: a headline and a table, as text and as HTML."""

from __future__ import annotations

import html

import pandas as pd


class Shown:
    """A headline and a table."""

    def _headline(self) -> str:
        raise NotImplementedError

    def _table(self) -> pd.DataFrame:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{self._headline()}\n{self._table().rename_axis(None).to_string()}"

    def _repr_html_(self) -> str:
        with pd.option_context("display.max_colwidth", None):
            table = self._table().rename_axis(None).to_html(border=0)
        headline = html.escape(self._headline()).replace("\n", "<br>")
        return f"<p>{headline}</p>\n{table}"
