"""What is read later of a frame that something was made from: kept rows, an outcome, groups, covariates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from propensity.errors import InvalidInputError
from propensity.frames import arms, checks, kinds, labels, native
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.columns import Frame, open_frame, read_column
from propensity.frames.counted_rows import CountedOutcome, CountedRows, CountedTable
from propensity.frames.design import Design
from propensity.frames.fingerprint import Fingerprint, Made, holding_elsewhere, prints_of
from propensity.frames.labels import read_amount
from propensity.frames.lines import Subject
from propensity.frames.native import Column, SomeFrame, column_names
from propensity.frames.one_column import one_column
from propensity.frames.rowwise import Reader, read_values
from propensity.frames.terms import make_design, parse_covariates

_OUTCOME = Made("outcome", "the rows were matched", "match the rows as they are now")
_ADJUSTMENT = Made("bias_adjust", "the rows were matched", "give columns of the frame that was matched")

_NAMED = 10


def kept_rows(
    data: SomeFrame, fingerprint: Fingerprint, kept: Bools, columns: Mapping[str, Floats | Rows], made: Made
) -> SomeFrame:
    """Give the kept rows of a frame, with further columns of (n,) values.

    Raises
    ------
    InvalidInputError
        The rows are not those that something was made from, or the frame has a column of one of these names.
    """
    if isinstance(data, CountedTable):
        rows = CountedRows.of(data)
        fingerprint.require_same(open_frame(rows), None, made)
        cells: Any = rows.cells[kept].assign(**{name: values[kept] for name, values in columns.items()})
        return cells
    taken = [name for name in columns if name in column_names(data)]
    if taken:
        raise InvalidInputError(f"column '{taken[0]}' is in the frame already; rename it first")
    fingerprint.require_same(open_frame(data), None, made)
    return native.kept(data, kept, columns)


def read_later(outcome: object, fingerprint: Fingerprint, made: Made = _OUTCOME) -> tuple[Column, Subject]:
    """Read an outcome (n,), by its name in the frame that something was made from, or as values.

    Rows may have none: whether that matters is for others to say; `made` says what was made from them.

    Returns
    -------
    column : Series (n,)
        With the index of the rows.
    subject : Subject
        What a message calls it.

    Raises
    ------
    InvalidInputError
        There is no such column, or values are of other rows.
    TypeError
        There are no numbers, or a pickle has left the frame behind.
    """
    _require_other_than_treatment(outcome, fingerprint)
    if isinstance(outcome, str):
        column = _read_named(outcome, fingerprint, "outcome", kinds.read, made)
        subject = Subject.column(outcome, fingerprint.frame)
    else:
        column = read_values(outcome, fingerprint.index, "outcome")
        require_unmoved(outcome, fingerprint, "outcome")
        require_own_column(outcome, getattr(outcome, "name", None), fingerprint, "outcome")
        subject = Subject.given("outcome", outcome)
    return pd.Series(column.array, index=fingerprint.index, copy=False), subject


def outcome_rows(outcome: object, fingerprint: Fingerprint, made: Made = _OUTCOME) -> tuple[CountedRows, str]:
    """Read an outcome of cells that something was made from: rows of one value each, and its name.

    Parameters
    ----------
    outcome : str or CountedOutcome
        A name, or what `cells[name]` gives.

    Raises
    ------
    InvalidInputError
        There is no such column, or it is of other cells.
    TypeError
        It is neither, or a pickle has left the cells behind.
    """
    _require_other_than_treatment(outcome, fingerprint)
    if isinstance(outcome, CountedOutcome):
        rows = CountedRows.of(outcome.table, [outcome.name])
        fingerprint.require_same(open_frame(rows), None, replace(made, subject="outcome"))
        return rows, outcome.name
    if not isinstance(outcome, str):
        raise TypeError(
            "outcome: of cells an outcome is named, as in effect('completed'), or taken from them, "
            f"cells['completed'], not {type(outcome).__name__}"
        )
    if not isinstance(fingerprint.frame, CountedRows):
        raise TypeError(
            f"outcome: the cells are not in a pickle; give the outcome itself, cells[{outcome!r}]"
        )
    table = fingerprint.frame.table
    checks.known([outcome], [*table.keys, *table.outcomes])
    return CountedRows.of(table, [outcome]), outcome


def read_groups_later(groups: object, fingerprint: Fingerprint, role: str) -> Rows | None:
    """Read the group of each row (n,), by its name in the frame that something was made from, or as values.

    Raises
    ------
    InvalidInputError, TypeError
        As for `read_later`; a label is missing.
    """
    if groups is None:
        return None
    one_column(role, groups, len(fingerprint.index))
    if isinstance(groups, str):
        column, subject = _read_named(groups, fingerprint, role, labels.read), f"column '{groups}'"
    else:
        column, subject = read_values(groups, fingerprint.index, role, labels.read), role
        require_unmoved(groups, fingerprint, role)
    checks.complete({subject: column}, subject="{}")
    return labels.ranks(column)


def _read_named(
    name: str, fingerprint: Fingerprint, role: str, reader: Reader, made: Made = _OUTCOME
) -> Column:
    """Read a column of the frame that something was made from, whose rows have to be what they were."""
    if fingerprint.frame is None:
        raise TypeError(f"{role}: the frame is not in a pickle; give the column itself, df[{name!r}]")
    column = read_column(fingerprint.frame, name, reader)
    fingerprint.require_same(open_frame(fingerprint.frame), None, replace(made, subject=role))
    return column


def _require_other_than_treatment(outcome: object, fingerprint: Fingerprint) -> None:
    """Require an outcome that is not called what the treatment is."""
    name = outcome if isinstance(outcome, str) else getattr(outcome, "name", None)
    if isinstance(name, str) and name == fingerprint.treatment:
        checks.roles(treatment=name, outcomes=[name], covariates=())


def require_unmoved(
    values: object, fingerprint: Fingerprint, role: str, *, labelled: bool | None = None
) -> None:
    """Require the frame that was matched to have its rows where they were, as far as `values` hang on it.

    A frame that is sorted in place, with labels that start anew, gives its columns the labels of other rows.
    Labels that have gone along with the rows tell which row is which; values without any go by place. Values
    that the frame held before are known by what it holds now.

    Raises
    ------
    InvalidInputError
        They stand elsewhere, and nothing tells that the values are from before.
    """
    if fingerprint.frame is None:
        return
    frame = open_frame(fingerprint.frame)
    labelled = isinstance(values, pd.Series) if labelled is None else labelled
    if labelled and not fingerprint.index.equals(frame.index):
        return
    moved = fingerprint.changed(frame)[1]
    if moved and not _are_from_before(values, fingerprint, frame, role):
        raise InvalidInputError(
            f"{role}: the rows of the frame that was matched have been put in another order since "
            f"({holding_elsewhere(moved)}){', under the same labels' if labelled else ''}, so that nothing "
            "tells which rows these values are of; match the rows as they are now"
        )


def _are_from_before(values: object, fingerprint: Fingerprint, frame: Frame, role: str) -> bool:
    """Whether values are a column in the order that it had before the rows of its frame were moved."""
    given = prints_of({role: read_values(values, fingerprint.index, role, read_amount)})[role]
    names = [name for name in column_names(frame.native) if isinstance(name, str) and frame.has(name)]
    now = frame.prints(names)
    if given in now.values():
        return False
    name = getattr(values, "name", None) or None
    if isinstance(name, str) and name in fingerprint.columns:
        return given == fingerprint.columns[name]
    return any(own[1] == given[1] for other, own in now.items() if name is None or other == name)


def read_adjustment(
    given: object,
    fingerprint: Fingerprint,
    is_outcome: Callable[[Floats], bool],
    known: Sequence[str] = (),
) -> Design:
    """Read covariates as terms for the rows that were matched: a frame of them, or their names.

    Parameters
    ----------
    given : DataFrame or list of str
    fingerprint : Fingerprint
        Which rows these are.
    is_outcome : function of an ndarray (n,)
        Whether these are the values of the outcome.
    known : sequence of str
        What the rows were matched by, to be named where nothing is.

    Raises
    ------
    InvalidInputError, TypeError
        As for `open_frame`; the rows are others; one holds what the outcome or the treatment does.
    """
    if not isinstance(given, list | tuple) and not native.is_frame(given):
        raise TypeError(_without_names(given, known))
    by_name = isinstance(given, list | tuple)
    if by_name and fingerprint.frame is None:
        raise TypeError("bias_adjust: the frame is not in a pickle; give the columns themselves, df[[...]]")
    data: Any = fingerprint.frame if by_name else given
    names = list(given) if isinstance(given, list | tuple) else [str(name) for name in column_names(data)]
    terms = parse_covariates(names, data)
    frame = open_frame(data, covariates=names)
    fingerprint.require_same(frame, None, _ADJUSTMENT)
    if not by_name:
        for name in names:
            labelled = isinstance(given, pd.DataFrame)
            require_unmoved(frame.columns[name], fingerprint, "bias_adjust", labelled=labelled)
            require_own_column(frame.columns[name], name, fingerprint, "bias_adjust")
    _require_known_before(frame, fingerprint.treated, is_outcome)
    return make_design(frame, terms, sample_weight=fingerprint.sample_weight)[0]


def _without_names(given: object, known: Sequence[str]) -> str:
    """Say that an adjustment is for columns: for those matched by, where these are known and few."""
    names = [given] if isinstance(given, str) else list(known)
    example = repr(names) if 0 < len(names) <= _NAMED else "[...]"
    shown = repr(given) if isinstance(given, str | int | float) else type(given).__name__
    return (
        f"bias_adjust: the covariates to adjust for are needed, not {shown}: bias_adjust={example}, or "
        f"columns themselves, bias_adjust=df[{example}]"
    )


def _require_known_before(frame: Frame, treated: Bools | None, is_outcome: Callable[[Floats], bool]) -> None:
    """Require no covariate to be the outcome or the treatment, by whatever name: its effect would be 0."""
    for name, column in frame.columns.items():
        values = arms.numbers(column)
        if values is None:
            continue
        role = ""
        if treated is not None and np.array_equal(values, treated):
            role = "treatment"
        elif is_outcome(values.astype(np.float64)):
            role = "outcome"
        if role:
            raise InvalidInputError(f"column '{name}' is the {role}; remove it from bias_adjust")


def require_own_column(values: object, name: object, fingerprint: Fingerprint, role: str) -> None:
    """Require values that have the name of a column of the frame to be its values, in its order.

    Where rows have labels these say which row is which, and only a mere change of order is refused: a column
    that something was done to keeps its name.
    """
    data = fingerprint.frame
    if data is None or not isinstance(name, str) or column_names(data).count(name) != 1:
        return
    frame = open_frame(data)
    if any(fingerprint.changed(frame)):
        return  # it has been edited since, and says nothing of the rows that were matched
    given = prints_of({name: read_values(values, fingerprint.index, role, read_amount)})[name]
    own = frame.prints([name])[name]
    if given[1] == own[1] and given != own:
        raise InvalidInputError(
            f"{role}: these are the values of column '{name}' in another order than in the frame that was "
            "matched; put the rows back in its order"
        )
    if given != own and not isinstance(data, pd.DataFrame):
        raise InvalidInputError(
            f"{role}: these are not the values of column '{name}' of the frame that was matched, and rows "
            "have no labels to tell them by; give values of these very rows, under another name where they "
            "were made from the column"
        )
