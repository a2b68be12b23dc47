"""A frame and its columns in, arrays and names out: each column read, of a usable type, and complete."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from propensity.errors import InvalidInputError
from propensity.frames import (
    arms,
    checks,
    kinds,
    labels,
    native,
    rows,
    rowwise_checks,
)
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.counted_rows import FREQUENCY, CountedRows, frequency_of
from propensity.frames.fingerprint import Fingerprint, Print, prints_of
from propensity.frames.labels import read as label_reader
from propensity.frames.labels import read_amount_narrow
from propensity.frames.lines import Subject, drop_line, library_of
from propensity.frames.native import AnyFrame, AnySeries, Column
from propensity.frames.one_column import one_column
from propensity.frames.outcome_names import outcome_names
from propensity.frames.rowwise import Reader, floats, read_values

if TYPE_CHECKING:
    from propensity.frames.tidying import Tidied

_Value = TypeVar("_Value", bound=np.generic)

_LABELS = ("cluster", "second cluster", "strata", "ids")
"""What is given row by row and compared for equality alone."""

_PLAIN = (kinds.read, kinds.read_narrow)
"""What reads columns so that one may be taken for the other's."""


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
    labels : dict of str to Series
        Those columns that are compared for equality alone, as `propensity.frames.labels` reads them.
    given : dict of str to (str, Series)
        What was given row by row beside the frame's columns, or named among them, by role: what a message
        calls it, and the values, read and complete too.
    named : dict of str to str
        Of what was given the columns of the frame, by role.
    plain : dict of str to Series
        Columns as `labels.read_amount` reads them, which is how fingerprints are taken; more are read as they
        are asked for.
    treatment : str or None
        The column of who was treated, where one was asked for.
    tidied : Tidied or None
        How the covariates among the columns were tidied, which may have missing values in the caller's frame.
    """

    native: AnyFrame
    index: pd.Index[Any]
    columns: Mapping[str, Column]
    labels: Mapping[str, Column] = field(default_factory=dict)
    given: Mapping[str, tuple[str, Column]] = field(default_factory=dict)
    named: Mapping[str, str] = field(default_factory=dict)
    plain: dict[str, Column] = field(default_factory=dict)
    treatment: str | None = None
    tidied: Tidied | None = None
    _prints: dict[str, Print] = field(default_factory=dict)

    @property
    def tidied_words(self) -> str:
        """How covariates were tidied; empty where nothing was done."""
        return "" if self.tidied is None else self.tidied.words

    @property
    def frequency(self) -> Floats | None:
        """How many users each row stands for, (n,); None where each is one."""
        return frequency_of(self.native)

    @property
    def n_users(self) -> int:
        """How many users there are: rows, where each is one."""
        return len(self.index) if self.frequency is None else int(self.frequency.sum())

    @property
    def told_by(self) -> pd.Index[Any]:
        """What rows are told by: their labels, of counted users those of their cells, each once."""
        return self.native.cells.index if isinstance(self.native, CountedRows) else self.index

    def by_cell(self, values: NDArray[_Value]) -> NDArray[_Value]:
        """Give values (n,) row by row as results hold them: of counted users a value a cell."""
        return self.native.by_cell(values) if isinstance(self.native, CountedRows) else values

    @property
    def first_of_cells(self) -> Rows | None:
        """The first row of each cell, (n_cells,); None where each row is a user."""
        return self.by_cell(np.arange(len(self.index))) if isinstance(self.native, CountedRows) else None

    def by_row(self, values: NDArray[_Value]) -> NDArray[_Value]:
        """Give values that a result holds to the rows, (n,)."""
        return self.native.by_row(values) if isinstance(self.native, CountedRows) else values

    def ends(self, name: str) -> tuple[Floats, Floats]:
        """Give the least and the greatest outcome of each row's users, (n,) each."""
        ends = self.native.ends if isinstance(self.native, CountedRows) else {}
        return ends[name] if name in ends else (self.outcome(name), self.outcome(name))

    @property
    def _told(self) -> AnyFrame:
        """The frame whose columns tell rows: of counted users the keys and the counts, a row a cell."""
        return self.native.cells if isinstance(self.native, CountedRows) else self.native

    def has(self, name: str) -> bool:
        """Whether the caller's frame has a column of this name, once."""
        return native.column_names(self._told).count(name) == 1

    def prints(self, names: Iterable[str]) -> dict[str, Print]:
        """Say what columns of the caller's frame hold, also of those that were not asked for."""
        names = list(names)
        wanted = [name for name in names if name not in self._prints]
        plain = {} if isinstance(self.native, CountedRows) else self.plain
        for name in wanted:
            if name not in plain:
                plain[name] = _read_plain(self._told, name)
        self._prints.update(prints_of({name: plain[name] for name in wanted}))
        return {name: self._prints[name] for name in names}

    def fingerprint(
        self, treated: Bools | None, sample_weight: Floats | None, *, keep: bool = False
    ) -> Fingerprint:
        """Say which rows these are, by all columns that have been read; keep the frame if asked to."""
        made = () if self.tidied is None else self.tidied.indicators
        own = [name for name in self.columns if name not in made]
        names = dict.fromkeys([*own, *self.labels, *self.named.values(), *self.plain])
        frame = self.native if keep else None
        tidied = self.tidied_words
        if not isinstance(self.native, CountedRows):
            prints = self.prints(names)
            return Fingerprint(self.index, treated, sample_weight, prints, frame, self.treatment, tidied)
        prints = self.prints([*filter(self.has, names), FREQUENCY])
        treated = None if treated is None else self.by_cell(treated)
        weight = None if sample_weight is None else self.by_cell(sample_weight)
        users = self.native.cells[FREQUENCY].to_numpy(float)
        return Fingerprint(self.told_by, treated, weight, prints, frame, self.treatment, tidied, users)

    def treated(self, name: str) -> Bools:
        """Read the treatment as (n,) bool, not in the caller's memory."""
        checks.column_name("treatment", name)
        subject = Subject.column(name, self.native)
        return arms.treatment(self.columns[name], subject, self.frequency).copy()

    def outcome(self, name: str, role: str = "an outcome") -> Floats:
        """Read the outcome, or what messages call by another `role`, as (n,) float64."""
        return arms.outcome(self.columns[name], Subject.column(name, self.native), role)

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
        code = Subject.column(values, self.native) if isinstance(values, str) else Subject.given(role, values)
        return floats(column, code).copy(), subject

    def groups(self, values: object, role: str) -> Rows:
        """Read the group of each row from the name of a column, a series or an array.

        Returns
        -------
        ndarray (n,) of int
            0 to G - 1: the rank of the row's label.
        """
        return labels.ranks(self._complete(values, role)[1])

    def _complete(self, values: object, role: str) -> tuple[str, Column]:
        if role in self.given:
            return self.given[role]
        subject, column = _given(values, self.native, self.index, role)
        checks.complete({subject: column}, subject="{}")
        return subject, column

    def code_of(self, role: str) -> Subject:
        """Say how code writes what was given row by row: as a column where it was named."""
        if role in self.named:
            return Subject.column(self.named[role], self.native)
        return Subject(role, None, library_of(self.native))

    def is_category(self, name: str) -> bool:
        """Whether the caller's column is of a categorical type, and not text."""
        return native.is_category(self.native, name)

    def measured(self, name: str) -> Floats:
        """Read a numeric or bool column as (n,) float64."""
        return floats(self.columns[name], Subject.column(name, self.native))

    def agreement(self, names: Sequence[str]) -> Rows:
        """Read which rows agree in all of these columns, as (n,) codes 0 to G - 1."""
        codes = np.zeros(len(self.index), dtype=np.int64)
        for name in names:
            own = labels.ranks(self.labels[name])
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
            return rows.hashed(self.index)
        subject, column = self._complete(ids, "ids")
        values = labels.hashed(column)
        rowwise_checks.unlike(values, self.index, subject)
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
    reader: Reader = kinds.read,
    labels: Sequence[str] = (),
    also: Mapping[str, object] | None = None,
    read: Mapping[str, Column] | None = None,
    may_be_missing: Collection[str] = (),
) -> Frame:
    """Read the columns with a role, and require every one to be known, of a usable type, and complete.

    Parameters
    ----------
    data : DataFrame
    treatment, outcome, covariates
        Names of columns.
    reader : callable, default kinds.read
        What reads the covariates.
    labels : sequence of str
        Columns that are compared for equality alone.
    also : dict of str to object, optional
        By role ("scores", "cluster"), what is given row by row: the name of a column, a series or an array.
        Whatever is None is left out. Read here, they are told of together with the columns.
    read : dict of str to Series, optional
        Columns of this very frame that `kinds.read` has read already.
    may_be_missing : collection of str
        Covariates that may have missing values: numbers are then NaN, levels have the code -1.

    Raises
    ------
    InvalidInputError
        A column is unknown, has two roles, or holds missing or infinite values (all such columns are named).
    TypeError
        `data` is not a frame, or a column is of a type that its role has no use for.
    """
    outcomes = [] if outcome is None else outcome_names(outcome)
    checks.roles(treatment=treatment, outcomes=outcomes, covariates=covariates)
    checks.roles(treatment=treatment, outcomes=outcomes, covariates=labels, called="exact")
    readers = dict.fromkeys(outcomes, kinds.read) | dict.fromkeys(covariates, reader)
    if treatment is not None:
        readers = {treatment: arms.read_treatment} | readers
    beside = {role: values for role, values in (also or {}).items() if values is not None}
    named = {role: values for role, values in beside.items() if isinstance(values, str)}
    checks.known([*readers, *labels, *named.values()], native.column_names(data))
    checks.beside_outcomes(beside, outcomes)
    index = native.labels_of(data)
    known = read or {}
    columns = {
        name: _known(known[name], own) if name in known and own in _PLAIN else read_column(data, name, own)
        for name, own in readers.items()
    }
    given = {role: _given(values, data, index, role) for role, values in beside.items()}
    by_label = {name: read_column(data, name, label_reader) for name in labels}
    by_name = {name: given[role][1] for role, name in named.items()}
    plain = {name: columns[name] for name, own in readers.items() if own in (*_PLAIN, arms.read_treatment)}
    text = {name: column for name, column in (columns | by_label | by_name).items() if _is_text(column)}
    frame = Frame(data, index, columns, by_label, given, named, text | plain, treatment)
    _require_complete(frame, treatment, may_be_missing)
    return frame


def _known(column: Column, reader: Reader) -> Column:
    """Give a column that one of them has read as another would have."""
    return kinds.widened(column) if reader is kinds.read else column


def _is_text(column: Column) -> bool:
    """Whether a column was read as text, of which labels and amounts are the same."""
    return isinstance(column.dtype, pd.CategoricalDtype) and all(
        isinstance(level, str) for level in column.cat.categories
    )


def _read_plain(data: AnyFrame, name: str) -> Column:
    """Read a column that something was made from once, whatever it has become."""
    try:
        return read_column(data, name, read_amount_narrow)
    except (TypeError, InvalidInputError):
        return pd.Series(np.zeros(0))  # it has become what nothing is made from


def _require_complete(frame: Frame, treatment: str | None, may_be_missing: Collection[str]) -> None:
    """Require every column and all that is given to be complete; of a flag, say what may be meant."""
    columns = {**frame.columns, **frame.labels}
    by_subject = {
        f"column '{name}'": column.dropna() if name in may_be_missing else column
        for name, column in columns.items()
    }

    def means(subject: str) -> str:
        name = next((name for name in frame.columns if subject == f"column '{name}'"), None)
        if name is None:
            return ""
        bools, nullable = native.flag_type(frame.native, name)
        return arms.missing_means(
            columns[name],
            Subject.column(name, frame.native),
            bools=bools,
            nullable=nullable,
            role="treatment" if name == treatment else "other",
        )

    def drop(subjects: Collection[str], infinite: Collection[str]) -> str:
        named = {f"column '{name}'": name for name in (*columns, *frame.named.values())}
        if not named.keys() >= set(subjects):
            return ""  # what is given row by row has rows of its own
        return drop_line(frame.native, [named[one] for one in subjects], [named[one] for one in infinite])

    checks.complete(by_subject | dict(frame.given.values()), subject="{}", means=means, drop=drop)


def read_column(data: AnyFrame, name: str, reader: Reader = kinds.read) -> Column:
    """Read a column of a frame."""
    column = reader(native.column_as_given(data, name), Subject.column(name, data))
    if column.name != name:
        column.name = name
    return column


def _given(values: object, data: AnyFrame, index: pd.Index[Any], role: str) -> tuple[str, Column]:
    """Read what is given row by row, and say what a message calls it."""
    reader = label_reader if role in _LABELS else kinds.read
    if isinstance(data, CountedRows) and not isinstance(values, str):
        role, by_cell = _given(values, data.cells, data.cells.index, role)
        return role, by_cell.iloc[data.of_cell]
    one_column(role, values, len(index))
    if isinstance(values, str):
        return f"column '{values}'", read_column(data, values, reader)
    return role, read_values(values, index, role, reader)
