"""What a check of a table found: findings, worst first, as a table and in words."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from typing import Literal, TypeAlias

import pandas as pd

from propensity.results.show import Shown

Severity: TypeAlias = Literal["error", "warning", "note"]

_RANKS: dict[str, int] = {"error": 0, "warning": 1, "note": 2}

_CONSEQUENCES = {
    "error": "refused by every function",
    "warning": "may mislead an analysis",
    "note": "worth a look",
}


@dataclass(frozen=True)
class Finding:
    """One thing about one column.

    Attributes
    ----------
    severity : {"error", "warning", "note"}
        Whether functions refuse the table, an analysis of it may mislead, or it is worth a look.
    column : str
        The column; several, or what is no column, in words.
    n_rows : int
        How many rows it is about.
    finding : str
        What was found, with the first rows by their labels.
    remedy : str
        What mends it, as code where a line does.
    """

    severity: Severity
    column: str
    n_rows: int
    finding: str
    remedy: str


@dataclass(frozen=True, eq=False, repr=False)
class Check(Shown):
    """What there is to say of a table before anything is estimated from it, worst first.

    Attributes
    ----------
    table : DataFrame
        A row a finding: `severity` ("error": functions refuse the table; "warning": an analysis may mislead;
        "note": worth a look), `column`, `n_rows`, `finding`, `remedy`.
    n_rows, n_treated : int
        Of the table; of its rows that are treated, -1 where that cannot be told.
    columns : tuple of str
        Which covariates were looked at.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> found = ps.check(users, treatment="opt_in_agent_mode", outcome="task_completed")
    >>> found.ok
    True
    >>> found.table[["severity", "column"]].head(3)
      severity          column
    0  warning        cost_usd
    1     note  treatment_week
    """

    table: pd.DataFrame
    n_rows: int
    n_treated: int
    columns: tuple[str, ...]

    @classmethod
    def of(cls, found: Iterable[Finding], n_rows: int, n_treated: int, columns: Iterable[str]) -> Check:
        """Put findings in order: the worst first, of those the ones about most rows."""
        ordered = sorted(found, key=lambda one: (_RANKS[one.severity], -one.n_rows, one.column))
        names = [field.name for field in fields(Finding)]
        table = pd.DataFrame([astuple(one) for one in ordered], columns=names)
        return cls(table, n_rows, n_treated, tuple(columns))

    @property
    def ok(self) -> bool:
        """Whether no function refuses the table: there is no error among the findings."""
        return not (self.table["severity"] == "error").any()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings, worst first."""
        rows = self.table.itertuples(index=False)
        return tuple(Finding(*row) for row in rows)

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __bool__(self) -> bool:
        return True

    def _headline(self) -> str:
        treated = "" if self.n_treated < 0 else f", {self.n_treated:,} of them treated"
        start = f"Check of {self.n_rows:,} rows{treated}, and {len(self.columns):,} covariates"
        counts = self.table["severity"].value_counts()
        parts = [f"{counts[kind]:,} {words}" for kind, words in _CONSEQUENCES.items() if kind in counts]
        return f"{start}: {'; '.join(parts) if parts else 'nothing to mend'}"

    def _table(self) -> pd.DataFrame:
        return self.table

    def __repr__(self) -> str:
        lines = [self._headline()]
        for one in self.findings:
            lines.append(f"{one.severity:<8} {one.column}: {one.finding}")
            if one.remedy:
                lines.append(f"{'':8} -> {one.remedy}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        headline = f"<p>{html.escape(self._headline())}</p>"
        if not len(self.table):
            return headline
        with pd.option_context("display.max_colwidth", None):
            return f"{headline}\n{self.table.to_html(border=0, index=False)}"
