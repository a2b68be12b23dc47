"""What is read later of a frame that something was made from: the rows it keeps, an outcome, covariates."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from propensity._check import Bools, Floats, Rows
from propensity.errors import InvalidInputError
from propensity.frames import native
from propensity.frames.columns import open_frame, read_values, rowwise
from propensity.frames.fingerprint import Fingerprint, Made, prints_of
from propensity.frames.labels import read_amount
from propensity.frames.native import AnyFrame, column_names
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


def read_outcome(outcome: object, fingerprint: Fingerprint) -> Floats:
    """Read an outcome (n,), by its name in the frame that something was made from, or as values.

    Raises
    ------
    InvalidInputError
        There is no such column, values are missing or infinite, or they are of other rows.
    TypeError
        There are no numbers, or a pickle has left the frame behind.
    """
    if not isinstance(outcome, str):
        values = rowwise(outcome, fingerprint.index, "outcome")
        require_own_column(outcome, getattr(outcome, "name", None), fingerprint, "outcome")
        return values
    if fingerprint.frame is None:
        raise TypeError(f"outcome: the frame is not in a pickle; give the column itself, df[{outcome!r}]")
    frame = open_frame(fingerprint.frame, outcome=outcome)
    fingerprint.require_same(frame, None, _OUTCOME)
    return frame.outcome(outcome)


def read_adjustment(data: AnyFrame, fingerprint: Fingerprint) -> Floats:
    """Read every column of a frame of covariates as (n, d) terms, for the rows that were matched.

    Raises
    ------
    InvalidInputError, TypeError
        As for `open_frame`; the rows are others.
    """
    names = [str(name) for name in column_names(data)]
    terms = parse_covariates(names, data)
    frame = open_frame(data, covariates=names)
    fingerprint.require_same(frame, None, _ADJUSTMENT)
    for name in names:
        require_own_column(frame.columns[name], name, fingerprint, "bias_adjust")
    return make_terms(frame, terms)[0]


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
