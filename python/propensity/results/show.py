"""How a result shows itself: a headline, a table and notes in full, as text, HTML, Markdown and LaTeX."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import pandas as pd

from propensity.calls.keywords import answered_methods
from propensity.results.gt import as_gt
from propensity.results.names import Named
from propensity.results.numbers import for_the_eye
from propensity.results.read_only import ReadOnly
from propensity.results.written_tables import as_html, as_latex, as_markdown, latex_text, markdown_text

if TYPE_CHECKING:
    from great_tables import GT

NOTE = "note"

# As pandas cuts tables: where they are longer than a screen, which a model of 200 levels is.
_MOST_ROWS, _SHOWN_ROWS = 60, 20


class Shown(Named, ReadOnly):
    """A headline and a table; methods answer arguments that they do not have.

    A column of the table that is called "note" stands in full below it, each note once, with its rows. In a
    terminal or a notebook a table of more than 60 rows is its first 20, and says where the others are; what
    is written by `to_html`, `to_markdown` and `to_latex` has all of them.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        answered_methods(cls)

    def _headline(self) -> str:
        raise NotImplementedError

    def _table(self) -> pd.DataFrame:
        raise NotImplementedError

    def _written(self) -> tuple[pd.DataFrame, list[str]]:
        """Give the table with its numbers written, and its notes."""
        table = self._table()
        if NOTE not in table.columns:
            return for_the_eye(table), []
        rows: dict[str, list[str]] = {}
        for key, note in zip(table.index, table[NOTE], strict=True):
            if isinstance(note, str) and note:
                name = ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)
                rows.setdefault(note, []).append(name)
        notes = [f"{'; '.join(keys)}: {note}" for note, keys in rows.items()]
        return for_the_eye(table.drop(columns=NOTE)), notes

    def _looked_at(self) -> tuple[pd.DataFrame, list[str]]:
        """Give the same for the eye: of a long table the first rows, and where the others are."""
        table, notes = self._written()
        if len(table) <= _MOST_ROWS:
            return table, notes
        return table.head(_SHOWN_ROWS), [f"{len(table) - _SHOWN_ROWS:,} more rows are in `table`", *notes]

    def __repr__(self) -> str:
        table, notes = self._looked_at()
        named = _unnamed(table)
        return "\n".join([self._headline(), named.to_string(), *(f"Note: {note}" for note in notes)])

    def _repr_html_(self) -> str:
        return self._as_html(*self._looked_at())

    def to_html(self) -> str:
        """Write it as a piece of HTML: headline, table, notes.

        Every result has this method; the example is that of an effect.

        Returns
        -------
        str
            Whatever the data contain is escaped.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
        >>> effect = ps.ipw(users, outcome="task_completed", treatment=treatment, scores=model)
        >>> effect.to_html().startswith("<p>Effect (ATE)")
        True
        """
        return self._as_html(*self._written())

    def _as_html(self, table: pd.DataFrame, notes: list[str]) -> str:
        headline = html.escape(self._headline()).replace("\n", "<br>")
        below = "".join(f"\n<p>Note: {html.escape(note)}</p>" for note in notes)
        return f"<p>{headline}</p>\n{as_html(table)}{below}"

    def to_markdown(self) -> str:
        """Write it in Markdown: headline, a table with pipes, notes.

        Every result has this method; the example is that of an effect.

        Returns
        -------
        str

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
        >>> effect = ps.ipw(users, outcome="task_completed", treatment=treatment, scores=model)
        >>> print(effect.to_markdown().splitlines()[0])
        Effect (ATE): difference +0.136913
        """
        table, notes = self._written()
        lines = [markdown_text(line) for line in self._headline().split("\n")]
        below = [f"Note: {markdown_text(note)}" for note in notes]
        return "\n\n".join([*lines, as_markdown(table), *below])

    def to_latex(self) -> str:
        r"""Write it in LaTeX: headline, a tabular with the rules of the package booktabs, notes.

        Returns
        -------
        str

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
        >>> effect = ps.ipw(users, outcome="task_completed", treatment=treatment, scores=model)
        >>> r"\toprule" in effect.to_latex()
        True
        """
        table, notes = self._written()
        lines = [latex_text(line) for line in self._headline().split("\n")]
        below = [f"Note: {latex_text(note)}" for note in notes]
        return "\n\n".join([*lines, as_latex(table), *below])

    def to_gt(self) -> GT:
        """Write it as a table of great_tables, to be styled further: headline, table, notes.

        It needs ``pip install "propensity[tables]"``.

        Returns
        -------
        great_tables.GT
            Whatever the data contain is escaped.

        Raises
        ------
        ImportError
            great_tables is not installed.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
        >>> effect = ps.aipw(users, **roles, covariates=["engagement_tier"])
        >>> effect.to_frame()["estimate"].round(2).tolist()
        [0.14]
        >>> table = effect.to_gt()  # doctest: +SKIP
        """
        table, notes = self._written()
        return as_gt(self._headline(), table, notes)


def _unnamed(table: pd.DataFrame) -> pd.DataFrame:
    """Take the names of the levels of the rows away: the headline has them, and they would take a line."""
    return table.set_axis(table.index.set_names([None] * table.index.nlevels), axis=0)


answered_methods(Shown)
