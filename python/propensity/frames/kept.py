"""What is read later of a frame that something was made from: the rows it keeps, an outcome, covariates."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from propensity.errors import InvalidInputError
from propensity.frames import native
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.columns import open_frame, read_column, read_values
from propensity.frames.fingerprint import Fingerprint, Made, prints_of
from propensity.frames.labels import read_amount
from propensity.frames.lines import Subject
from propensity.frames.native import AnyFrame, Column, column_names
from propensity.frames.terms import make_terms, parse_covariates

_OUTCOME = Made("outcome", "the rows were matched", "match the rows as they are now")
_ADJUSTMENT = Made("bias_adjust", "the rows were matched", "give columns of the frame that was matched")


def kept_rows(
    data: AnyFrame, fingerprint: Fingerprint, kept: Bools, columns: Mapping[str, Floats | Rows], made: Made
) -> AnyFrame:
    """Give the kept rows of a frame, with further columns of (n,) values.

    Raises
    ------
    InvalidInputError
        The rows are not those that something was made from, or the frame has a column of one of these names.
    """
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
    if isinstance(outcome, str):
        if fingerprint.frame is None:
            raise TypeError(f"outcome: the frame is not in a pickle; give the column itself, df[{outcome!r}]")
        column = read_column(fingerprint.frame, outcome)
        fingerprint.require_same(open_frame(fingerprint.frame), None, made)
        subject = Subject.column(outcome, fingerprint.frame)
    else:
        column = read_values(outcome, fingerprint.index, "outcome")
        require_own_column(outcome, getattr(outcome, "name", None), fingerprint, "outcome")
        subject = Subject.given("outcome", outcome)
    return pd.Series(column.array, index=fingerprint.index, copy=False), subject


def read_adjustment(given: object, fingerprint: Fingerprint) -> Floats:
    """Read covariates as (n, d) terms for the rows that were matched: a frame of them, or their names.

    Raises
    ------
    InvalidInputError, TypeError
        As for `open_frame`; the rows are others.
    """
    by_name = isinstance(given, list | tuple)
    if by_name and fingerprint.frame is None:
        raise TypeError("bias_adjust: the frame is not in a pickle; give the columns themselves, df[[...]]")
    data = fingerprint.frame if by_name else given
    names = list(given) if isinstance(given, list | tuple) else [str(name) for name in column_names(data)]
    terms = parse_covariates(names, data)
    frame = open_frame(data, covariates=names)
    fingerprint.require_same(frame, None, _ADJUSTMENT)
    if not by_name:
        for name in names:
            require_own_column(frame.columns[name], name, fingerprint, "bias_adjust")
    return make_terms(frame, terms, sample_weight=fingerprint.sample_weight)[0]


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
