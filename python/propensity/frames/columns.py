"""A frame and its columns in, arrays and names out: each column read, of a usable type, and complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from propensity import _check
from propensity._check import Bools, Floats, Rows
from propensity.errors import InvalidInputError
from propensity.frames import native
from propensity.frames.native import AnyFrame, AnySeries, Column, column_names, read_column, read_values
from propensity.frames.rows import hashed


@dataclass(frozen=True, eq=False)
class Frame:
    """The columns of a caller's frame that an analysis needs, read and complete.

    Attributes
    ----------
    native : object
        The caller's frame.
    index : pandas.Index
        What rows are called: a pandas frame's own index, positions for other libraries.
    columns : dict of str to Series
        bool, int64, float64 or categorical; no missing and no infinite values.
    given : dict of str to (str, Series)
        What was given row by row beside the frame's columns, or named among them, by role: what a message
        calls it, and the values, read and complete too.
    """

    native: AnyFrame
    index: pd.Index[Any]
    columns: Mapping[str, Column]
    given: Mapping[str, tuple[str, Column]] = field(default_factory=dict)

    def treated(self, name: str) -> Bools:
        """Read the treatment as (n,) bool, not in the caller's memory."""
        _check.column_name("treatment", name)
        recode = "df[{0}] = df[{0}] == {1}"
        if not isinstance(self.native, pd.DataFrame):
            recode = "df = df.with_columns(pl.col({0}) == {1})"
        return _check.treatment(self.columns[name], recode=recode).copy()

    def outcome(self, name: str) -> Floats:
        """Read the outcome as (n,) float64."""
        return _check.outcome(self.columns[name])

    def rowwise(self, values: object, role: str) -> tuple[Floats, str]:
        """Read one number for each row from the name of a column, a series or an array.

        Returns
        -------
        values : ndarray (n,) of float64
            Finite; not the caller's memory.
        subject : str
            What to call the values in a message.
        """
        subject, column = self._complete(values, role)
        return _floats(column, subject).copy(), subject

    def groups(self, values: object, role: str) -> Rows:
        """Read the group of each row from the name of a column, a series or an array.

        Returns
        -------
        ndarray (n,) of int
            0 to G - 1: the rank of the row's label.
        """
        return _ranks(self._complete(values, role)[1])

    def _complete(self, values: object, role: str) -> tuple[str, Column]:
        if role in self.given:
            return self.given[role]
        subject, column = _given(values, self.native, self.index, role)
        _check.complete({subject: column}, subject="{}")
        return subject, column

    def is_category(self, name: str) -> bool:
        """Whether the caller's column is of a categorical type, and not text."""
        return native.is_category(self.native, name)

    @property
    def numeric_text_remedy(self) -> str:
        """Lines of code that turn text into numbers, or into codes, with braces for the column's name."""
        if isinstance(self.native, pd.DataFrame):
            number, code = "pd.to_numeric(df[{0}])", "df[{0}].astype('category')"
        else:
            number, code = "pl.col({0}).cast(pl.Float64)", "pl.col({0}).cast(pl.Categorical)"
        return f"if they are numbers, take {number}; if they are codes, {code}"

    def measured(self, name: str) -> Floats:
        """Read a numeric or bool column as (n,) float64."""
        return _floats(self.columns[name], f"column '{name}'")

    def agreement(self, names: Sequence[str]) -> Rows:
        """Read which rows agree in all of these columns, as (n,) codes 0 to G - 1."""
        codes = np.zeros(len(self.index), dtype=np.int64)
        for name in names:
            own = _ranks(self.columns[name])
            codes = np.unique(codes * (own.max() + 1) + own, return_inverse=True)[1].astype(np.int64)
        return codes

    def identities(self, ids: object) -> Rows:
        """Read a whole number for each row that its draws belong to, whatever its place.

        Parameters
        ----------
        ids : None, str, Series or array (n,)
            Different for each row; None takes the labels of the index: positions where there are none.

        Returns
        -------
        ndarray (n,) of int
            Whole numbers as they are, other labels hashed.
        """
        if ids is None:
            return hashed(self.index)
        role, column = self._complete(ids, "ids")
        text = isinstance(column.dtype, pd.CategoricalDtype)
        labels = column.cat.categories.take(column.cat.codes.to_numpy()) if text else pd.Index(column)
        values = hashed(labels)
        _check.unlike(values, self.index, role)
        return values

    def series(self, values: Floats | Bools, name: str) -> AnySeries:
        """Give (n,) values back as a series of the caller's library, with the caller's index."""
        return native.series_for(self.native, values, name)

    def numbers(self, values: Rows, name: str, *, missing: int) -> AnySeries:
        """Give (n,) whole numbers back as a series of the caller's library, `missing` as a missing value."""
        return native.whole_numbers_for(self.native, values, name, missing=missing)


def open_frame(
    data: AnyFrame,
    *,
    treatment: str | None = None,
    outcome: str | Sequence[str] | None = None,
    covariates: Sequence[str] = (),
    also: Mapping[str, object] | None = None,
) -> Frame:
    """Read the columns with a role, and require every one to be known, of a usable type, and complete.

    Parameters
    ----------
    data : DataFrame
    treatment, outcome, covariates
        Names of columns.
    also : dict of str to object, optional
        By role ("scores", "cluster"), what is given row by row: the name of a column, a series or an array.
        Whatever is None is left out. Read here, they are told of together with the columns.

    Raises
    ------
    InvalidInputError
        A column is unknown, has two roles, or holds missing or infinite values (all such columns are named).
    TypeError
        `data` is not a frame, or a column is neither numeric, bool, text nor categorical.
    """
    outcomes = [] if outcome is None else outcome_names(outcome)
    _check.roles(treatment=treatment, outcomes=outcomes, covariates=covariates)
    names = [name for name in (treatment, *outcomes, *covariates) if name is not None]
    beside = {role: values for role, values in (also or {}).items() if values is not None}
    named = [values for values in beside.values() if isinstance(values, str)]
    _check.known([*names, *named], column_names(data))
    columns = {name: read_column(data, name) for name in names}
    index = native.labels_of(data)
    given = {role: _given(values, data, index, role) for role, values in beside.items()}
    by_subject = {f"column '{name}'": column for name, column in columns.items()}
    _check.complete(by_subject | dict(given.values()), subject="{}")
    return Frame(data, index, columns, given)


def outcome_names(outcome: str | Sequence[str]) -> list[str]:
    """Read one outcome, or a list of several, as names of columns.

    Raises
    ------
    InvalidInputError
        The list is empty, or one is listed twice.
    TypeError
        One is not a name.
    """
    names: list[Any] = list(outcome) if isinstance(outcome, list | tuple) else [outcome]
    for name in names:
        _check.column_name("outcome", name)
        if names.count(name) > 1:
            raise InvalidInputError(f"outcome: column '{name}' is listed {names.count(name)} times")
    if not names:
        raise InvalidInputError("outcome: no column is named; at least one is needed")
    return names


def rowwise(values: object, index: pd.Index[Any], role: str) -> Floats:
    """Read one finite number for each label of `index` from a series or an array.

    Raises
    ------
    InvalidInputError
        The length is another, the index of a pandas Series is another, or values are missing or infinite.
    TypeError
        The values are not numbers in one dimension.
    """
    column = read_values(values, index, role)
    _check.complete({role: column}, subject="{}")
    return _floats(column, role)


def rowwise_treated(values: object, index: pd.Index[Any], role: str, name: str = "treatment") -> Bools:
    """Read who was treated from a series or an array, bool or 0/1, categories of these included.

    Messages call what was given `role` where rows or values are missing, and a column `name` of levels.

    Raises
    ------
    InvalidInputError, TypeError
        As for `rowwise`; the values are others, or an arm has fewer than two rows.
    """
    column = read_values(values, index, role)
    _check.complete({role: column}, subject="{}")
    return _check.treatment(column.rename(name), recode="treatment == {1}")


def rowwise_groups(values: object, index: pd.Index[Any], role: str) -> Rows:
    """Read the groups of a series or an array, one label for each of `index`, as the labels' ranks.

    Raises
    ------
    InvalidInputError, TypeError
        As for `rowwise`; text and categories are labels too.
    """
    column = read_values(values, index, role)
    _check.complete({role: column}, subject="{}")
    return _ranks(column)


def _given(values: object, data: AnyFrame, index: pd.Index[Any], role: str) -> tuple[str, Column]:
    """Read what is given row by row, and say what a message calls it."""
    if isinstance(values, str):
        return f"column '{values}'", read_column(data, values)
    return role, read_values(values, index, role)


def _ranks(column: Column) -> Rows:
    return pd.factorize(column, sort=True)[0].astype(np.int64)


def _floats(column: Column, subject: str) -> Floats:
    if column.dtype.kind not in "bif":
        raise TypeError(f"{subject}: numbers are needed, not text")
    return column.to_numpy(dtype=np.float64)
