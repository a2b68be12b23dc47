"""The rows a check looks at: who is treated, and a few rows of either arm to look at first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from propensity.errors import InvalidInputError
from propensity.frames import arms, native
from propensity.frames.checks import Bools, Floats, Rows, counted
from propensity.frames.columns import read_column
from propensity.frames.counted_rows import frequency_of
from propensity.frames.levels import is_categorical
from propensity.frames.lines import Subject
from propensity.frames.native import AnyFrame, Column
from propensity.study.check_result import Finding, Severity

_LOOKED_AT = (
    20_000  # rows of an arm that tell an AUC to 0.003; what they make suspicious is looked at in full
)

BY_ARM = "of {treated:.1%} of the treated and {control:.1%} of the controls"


@dataclass(frozen=True, eq=False)
class CheckedRows:
    """A table, who is treated where that is known, and its covariates as they were read.

    Attributes
    ----------
    df : DataFrame
    index : Index (n,)
        What rows are called.
    treatment : str
    treated, control : ndarray (n,) of bool, or None
        None where the column is no treatment; where it is missing a row is in neither arm.
    columns : dict of str to Series
        Those that could be read, with missing values.
    users : ndarray (n,) or None
        How many users each row stands for; None where each is one.
    """

    df: AnyFrame
    index: pd.Index[Any]
    treatment: str
    treated: Bools | None
    control: Bools | None
    columns: dict[str, Column] = field(default_factory=dict)
    users: Floats | None = None

    @property
    def n_users(self) -> int:
        """How many users there are: rows, where each is one."""
        return len(self.index) if self.users is None else int(self.users.sum())

    def of(self, rows: Bools | Rows) -> Floats | None:
        """Give how many users some rows stand for; None where each is one."""
        return None if self.users is None else self.users[rows]

    def n_of(self, where: Bools) -> int:
        """Count the users of some rows (n,)."""
        return int(where.sum() if self.users is None else self.users[where].sum())

    def subject(self, name: str) -> Subject:
        """Say how code writes a column."""
        return Subject.column(name, self.df)

    def finding(self, severity: Severity, name: str, where: Bools | int, said: str, remedy: str) -> Finding:
        """Make a finding of rows, or of how many they are."""
        n_rows = int(where) if isinstance(where, int) else self.n_of(where)
        return Finding(severity, name, n_rows, said, remedy)

    def counted(self, where: Bools, noun: str = "row") -> str:
        """Count rows and name the first; of cells count users and name the first cells."""
        if self.users is None:
            return counted(where, noun, self.index)
        n, cells = self.n_of(where), self.index[where].unique()
        return f"{n:,} {noun}{'' if n == 1 else 's'} ({counted(np.ones(len(cells), bool), 'cell', cells)})"

    def shares(self, where: Bools) -> dict[str, float]:
        """Give the share of either arm in which something holds."""
        assert self.treated is not None
        assert self.control is not None
        return {
            name: float(np.average(where[arm], weights=self.of(arm)))
            for name, arm in {"treated": self.treated, "control": self.control}.items()
        }

    @cached_property
    def some(self) -> Rows:
        """Rows to look at first: of either arm all, or as many evenly spread ones as tell enough."""
        assert self.treated is not None
        assert self.control is not None
        if self.users is not None:
            return np.arange(len(self.index))
        places = [np.flatnonzero(arm) for arm in (self.treated, self.control)]
        return np.sort(np.concatenate([own[:: -(-len(own) // _LOOKED_AT)] for own in places]))


def read_rows(df: AnyFrame, treatment: str) -> tuple[CheckedRows, list[Finding]]:
    """Read who is treated, and say what is amiss with it."""
    index, users = native.labels_of(df), frequency_of(df)
    subject = Subject.column(treatment, df)
    try:
        column = read_column(df, treatment, arms.read_treatment)
        known = column.notna().to_numpy()
        treated = np.zeros(len(column), dtype=bool)
        own = None if users is None else users[known]
        treated[known] = arms.treatment(_without_unused(column[known]), subject, own)
    except (InvalidInputError, TypeError) as error:
        said, remedy = said_and_remedy(error, subject)
        rows = CheckedRows(df, index, treatment, None, None, users=users)
        return rows, [Finding("error", treatment, rows.n_users, said, remedy)]
    rows = CheckedRows(df, index, treatment, treated, known & ~treated, users=users)
    return rows, list(_missing_treatment(rows, column, subject, ~known))


def said_and_remedy(error: Exception, subject: Subject) -> tuple[str, str]:
    """Take an error apart: what is amiss, without the column's name, and what mends it."""
    said, _, remedy = str(error).removeprefix(f"{subject}: ").partition("; ")
    return said, remedy


def _without_unused(column: Column) -> Column:
    return column.cat.remove_unused_categories() if is_categorical(column) else column


def _missing_treatment(
    rows: CheckedRows, column: Column, subject: Subject, missing: Bools
) -> Iterator[Finding]:
    if not missing.any():
        return
    bools, nullable = native.flag_type(rows.df, rows.treatment)
    remedy = arms.missing_means(column, subject, bools=bools, nullable=nullable, role="treatment")
    said = f"missing in {rows.counted(missing)}"
    yield rows.finding("error", rows.treatment, missing, said, remedy or "drop these rows")
