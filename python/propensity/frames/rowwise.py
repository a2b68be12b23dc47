"""Values that are given row by row: of any library, as long as the frame, under its labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from propensity.frames import arms, checks, digits, kinds, relabelled, rowwise_checks, text
from propensity.frames.checks import Bools, Floats
from propensity.frames.labels import read as label_reader
from propensity.frames.lines import Subject
from propensity.frames.native import AnySeries, Column
from propensity.frames.one_column import rows_of_values

Reader: TypeAlias = Callable[[AnySeries, Subject], Column]
"""What reads a series of any library for a role."""


def read_values(
    values: object, index: pd.Index[Any], called: str | Subject, reader: Reader = kinds.read
) -> Column:
    """Read one value for each label of `index`, by what a message calls them: a role, or a column."""
    role = str(called)
    subject = _called(called, values)
    rows_of_values(role, values)
    if isinstance(values, pd.Series):
        if not values.index.equals(index):
            remedy = relabelled.remedy(role, values.index, index, values.name)
            rowwise_checks.same_index(role, values.index, index, remedy)
        return reader(values, subject)
    if isinstance(values, pd.Index):
        values = values.to_series()
    if isinstance(values, list | tuple) and reader is label_reader:
        values = np.fromiter(values, dtype=object, count=len(values))  # NumPy would make one type of them
    if isinstance(values, np.ndarray | list | tuple):
        array = kinds.unmasked(np.asanyarray(values), subject)
        if array.ndim != 1:
            raise TypeError(
                f"{role}: one value for each row is needed, not an array of shape {array.shape}"
                f"{_column_of(role, array)}"
            )
        rowwise_checks.same_length(role, len(array), len(index))
        return reader(pd.Series(array, index=index, copy=False), subject)
    if hasattr(values, "predict_proba"):
        raise TypeError(
            f"{role}: values of the rows are needed, not {type(values).__name__}, which is a model; "
            "where it is fitted, take what it predicts for these rows, model.predict_proba(x)[:, 1]"
        )
    column = reader(values, subject)
    rowwise_checks.same_length(role, len(column), len(index))
    return column


def _column_of(role: str, array: NDArray[Any]) -> str:
    """Say which column of a matrix is meant: of a classifier's probabilities the second, of the treated."""
    if array.ndim == 2 and array.shape[1] == 1:
        return f"; take its column, {role}[:, 0]"
    if role == "scores" and array.ndim == 2 and array.shape[1] == 2:
        return "; of what predict_proba gives take the probabilities of the treated, scores[:, 1]"
    return ""


def _called(called: str | Subject, values: object) -> Subject:
    """Give what a message calls values: a column of a frame, or values given in a role."""
    return called if isinstance(called, Subject) else Subject.given(called, values)


def rowwise(values: object, index: pd.Index[Any], called: str | Subject) -> Floats:
    """Read one finite number for each label of `index` from a series or an array, by a role, or of a column.

    Raises
    ------
    InvalidInputError
        The length is another, the index of a pandas Series is another, or values are missing or infinite.
    TypeError
        The values are not numbers in one dimension.
    """
    column = read_values(values, index, called)
    checks.complete({str(called): column}, subject="{}")
    return floats(column, _called(called, values))


def rowwise_treated(values: object, index: pd.Index[Any], called: str | Subject) -> Bools:
    """Read who was treated from a series or an array, bool or 0/1, categories of these included.

    Raises
    ------
    InvalidInputError, TypeError
        As for `rowwise`; the values are others, or an arm has fewer than two rows.
    """
    column = read_values(values, index, called, arms.read_treatment)
    checks.complete({str(called): column}, subject="{}")
    return arms.treatment(column, _called(called, values))


def floats(column: Column, subject: Subject) -> Floats:
    """Give what was read as (n,) float64; what is text is refused, with the line that mends it."""
    values = arms.numbers(column)
    if values is None:
        levels = column.cat.categories
        remedy = ""
        if text.are_numbers(levels):
            which = f"; {text.described(column)}" if text.not_numbers(column).any() else ""
            remedy = f"{which}; make it numbers: {text.number_line(levels, subject)}"
        raise TypeError(f"{subject}: numbers are needed, not text{remedy}")
    digits.require(values, subject)
    return values.astype(np.float64, copy=False)
