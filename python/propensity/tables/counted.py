"""A table of counts, however it was made, as the frame of cells: every column read, every sum possible."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.checks import Bools, Floats, Rows
from propensity.tables.points import Summed

FREQUENCY = "frequency"
"""The column of cells that says how many users a row stands for."""

SUMS = ("mean", "variance", "low", "high")

_ROUNDING = 1e-9
"""How far a mean or a variance may lie beyond what is possible, of the size of what was observed."""


def named(role: str, values: str | Iterable[str]) -> tuple[str, ...]:
    """Give names of columns as a tuple: one name is a list of one."""
    names = (values,) if isinstance(values, str) else tuple(values)
    for name in names:
        checks.column_name(role, name)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInputError(f"{role}: '{twice}' is named twice")
    return names


def keys_of(covariates: Iterable[str], also: str | Iterable[str], treatment: str) -> tuple[str, ...]:
    """Give the keys, each once, the treatment last: the arms of a pattern stand next to each other."""
    checks.column_name("treatment", treatment)
    keys = dict.fromkeys((*named("covariates", covariates), *named("also", also)))
    keys.pop(treatment, None)
    return (*keys, treatment)


def columns_of(outcome: str) -> dict[str, str]:
    """Name the columns in which an outcome is summed up, by what they hold."""
    return {what: f"{outcome}_{what}" for what in SUMS}


def summed_of(frame: pd.DataFrame, outcome: str) -> Summed:
    """Give an outcome as the frame of cells sums it up."""
    return Summed(*(frame[name].to_numpy(dtype=np.float64) for name in columns_of(outcome).values()))


def own_names(keys: Sequence[str], outcomes: Sequence[str]) -> None:
    """Require no key to be called as a column that the cells add."""
    added = {FREQUENCY} | {name for outcome in outcomes for name in columns_of(outcome).values()}
    for name in (*keys, *outcomes):
        if name in added:
            raise InvalidInputError(
                f"column '{name}': the table of cells has a column of this name of its own; rename yours"
            )


def read(table: Any, keys: Sequence[str], outcomes: Sequence[str], frequency: str) -> pd.DataFrame:
    """Read a table of one row a cell, and sort it by its keys.

    Raises
    ------
    InvalidInputError
        A column is not there, something is missing, keys are repeated, or sums are no sums of anything.
    TypeError
        It is no table, or a column is none of numeric, bool, text and categorical.
    """
    given = _pandas(table)
    summed = [name for outcome in outcomes for name in columns_of(outcome).values()]
    checks.known([*keys, frequency, *summed], list(given.columns))
    if not len(given):
        raise InvalidInputError("the table has no rows")
    own_names(keys, outcomes)
    count = _counts(given[frequency], frequency)
    columns: dict[str, Any] = {name: _key(given[name], count) for name in keys}
    columns[FREQUENCY] = count
    for outcome in outcomes:
        columns |= _sums(given, outcome, count)
    frame = pd.DataFrame(columns)
    _each_once(frame, keys)
    return frame.sort_values(list(keys), ignore_index=True)


def _pandas(table: Any) -> pd.DataFrame:
    if isinstance(table, pd.DataFrame):
        return table.reset_index(drop=True)
    if not hasattr(table, "to_pandas"):
        raise TypeError(f"a data frame is needed (pandas, polars or pyarrow), not {type(table).__name__}")
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _counts(column: pd.Series[Any], name: str) -> Rows:
    """Read how many users each row stands for: whole numbers above 0."""
    values = _numbers(column)
    # A float64 tells whole numbers apart up to 2^53, which no count of users comes near.
    wrong = ~((values > 0) & (values == np.floor(values)) & (values < 2.0**53))
    if wrong.any():
        found = checks.counted(wrong, "value", column.index)
        raise InvalidInputError(
            f"column '{name}': {found} that are no whole number of users above 0; a row that stands for "
            "nobody is to be dropped, and weights that are no counts are a key, named in also="
        )
    return values.astype(np.int64)


def _numbers(column: pd.Series[Any]) -> Floats:
    try:
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise TypeError(f"column '{column.name}': numbers are needed, not the type {column.dtype}") from error


def _key(column: pd.Series[Any], count: Rows) -> Any:
    """Read a key as bool, int64, float64 or categorical: text of few levels, many times."""
    missing = column.isna().to_numpy()
    if missing.any():
        raise InvalidInputError(missing_in(str(column.name), count[missing]))
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.remove_unused_categories().array
    content = pd.api.types.infer_dtype(column) if column.dtype.kind == "O" else ""
    if isinstance(column.dtype, pd.StringDtype) or content == "string":
        return column.astype("category").array
    if pd.api.types.is_bool_dtype(column.dtype) or content == "boolean":
        return column.to_numpy(dtype=bool)
    if (pd.api.types.is_integer_dtype(column.dtype) and column.max() <= 2**63 - 1) or content == "integer":
        return column.to_numpy(dtype=np.int64)
    if pd.api.types.is_float_dtype(column.dtype) or content in ("decimal", "floating"):
        values = _numbers(column)
        if not np.isfinite(values).all():
            raise InvalidInputError(f"column '{column.name}': infinite values; drop or impute them first")
        return values
    raise TypeError(
        f"column '{column.name}': the type {column.dtype} is none of numeric, bool, text and categorical; "
        "convert it first"
    )


def missing_in(name: str, count: Rows) -> str:
    """Say how many users of how many cells have no value in a key."""
    cells = f"in {len(count):,} cell{'s' if len(count) > 1 else ''}"
    values = f"{count.sum():,} missing value{'s' if count.sum() > 1 else ''}"
    return f"column '{name}': {values} ({cells}); drop or impute them first"


def require_complete(frame: pd.DataFrame, names: Sequence[str]) -> None:
    """Require columns of counted rows to have a value in every one."""
    for name in names:
        missing = frame[name].isna().to_numpy()
        if missing.any():
            raise InvalidInputError(missing_in(name, frame[FREQUENCY].to_numpy()[missing].astype(np.int64)))


def _sums(given: pd.DataFrame, outcome: str, count: Rows) -> dict[str, Floats]:
    """Read the sums of an outcome; in a cell of one value they are that value, without its rounding."""
    names = columns_of(outcome)
    found = Summed(*(_numbers(given[name]) for name in names.values()))
    for what, values in zip(names.values(), found, strict=True):
        lost = ~np.isfinite(values)
        if lost.any():
            of_one = "; VAR_POP is 0 where there is one user" if what == names["variance"] else ""
            where = checks.counted(lost, "missing or infinite value", given.index)
            raise InvalidInputError(f"column '{what}': {where}; drop or impute them first{of_one}")
    size = np.maximum(np.abs(found.low), np.abs(found.high))
    _require((found.low > found.high), names["low"], f"above '{names['high']}'", given.index)
    outside = (found.mean < found.low - _ROUNDING * size) | (found.mean > found.high + _ROUNDING * size)
    _require(outside, names["mean"], f"outside of '{names['low']}' to '{names['high']}'", given.index)
    _require(found.variance < -_ROUNDING * size**2, names["variance"], "below 0", given.index)
    most = (found.high - found.mean) * (found.mean - found.low)
    _require(
        found.variance > most + _ROUNDING * size**2,
        names["variance"],
        f"more than values of that mean from '{names['low']}' to '{names['high']}' can have; it is that of "
        "all users of a cell, divided by their number (VAR_POP), not by one less (VAR_SAMP)",
        given.index,
    )
    alike = (found.low == found.high) | (count == 1)
    variance = np.where(alike, 0.0, np.maximum(found.variance, 0.0))
    mean = np.where(alike, found.low, found.mean)
    return dict(zip(names.values(), (mean, variance, found.low, found.high), strict=True))


def _require(wrong: Bools, name: str, what: str, index: pd.Index[Any]) -> None:
    if wrong.any():
        raise InvalidInputError(f"column '{name}': {checks.counted(wrong, 'value', index)} {what}")


def _each_once(frame: pd.DataFrame, keys: Sequence[str]) -> None:
    repeated = frame.duplicated(list(keys), keep=False).to_numpy()
    if repeated.any():
        found = checks.counted(repeated, "row", frame.index)
        raise InvalidInputError(
            f"{found} have the same {checks.listed(keys)} as another; cells are one row each: group by all "
            "of these, or collapse the table with ps.collapse(..., frequency=)"
        )
