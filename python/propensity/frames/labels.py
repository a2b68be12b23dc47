"""Labels: a column that says which rows belong together, each digit of it kept.

Clusters, exact columns, strata, groups and identifiers are compared for equality alone. Whatever has that is
taken: text, whole numbers of any width, decimals, dates, times. Nothing passes through a float64 on the way,
where identifiers beyond 2**53 would be merged.
"""

from __future__ import annotations

import decimal
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from propensity.errors import InvalidInputError
from propensity.frames import kinds, rows
from propensity.frames.checks import Rows
from propensity.frames.lines import Subject
from propensity.frames.native import AnySeries, Column

_EXACT = 2.0**53
"""Beyond it a float64 has not every whole number."""


def read(values: AnySeries, subject: Subject) -> Column:
    """Read a series of any library as labels: a pandas Series in which only equal labels are equal.

    Returns
    -------
    Series
        bool, int64, uint64, float64, dates or durations; or categorical, its levels in their natural order.

    Raises
    ------
    InvalidInputError
        The labels are whole numbers that have lost digits in a float.
    TypeError
        Some are numbers and some are text, or they cannot be compared.
    """
    column = _from_pandas(values, subject) if isinstance(values, pd.Series) else _from_other(values, subject)
    _require_digits(column, subject)
    return column


def read_amount(values: AnySeries, subject: Subject) -> Column:
    """Read numbers and text as amounts and levels, and whatever is neither, or loses its digits, as labels.

    Raises
    ------
    InvalidInputError, TypeError
        As for `read`.
    """
    return kinds.widened(read_amount_narrow(values, subject))


def read_amount_narrow(values: AnySeries, subject: Subject) -> Column:
    """Read as `read_amount`, but for float32, which stays what it is: for what is only compared."""
    try:
        return kinds.read_narrow(values, subject)
    except (TypeError, InvalidInputError):
        return read(values, subject)


def ranks(column: Column) -> Rows:
    """Give the rank (n,) of each row's label among the labels, none missing; of levels in natural order.

    The order that somebody has given to the levels of a category is not what rows hold.
    """
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return pd.factorize(column, sort=True)[0].astype(np.int64)
    levels = column.cat.categories.tolist()
    try:
        order = sorted(range(len(levels)), key=lambda place: levels[place])
    except TypeError:
        order = sorted(range(len(levels)), key=lambda place: str(levels[place]))
    rank = np.empty(len(levels), dtype=np.int64)
    rank[order] = np.arange(len(levels))
    return pd.factorize(rank[column.cat.codes.to_numpy()], sort=True)[0].astype(np.int64)


def hashed(column: Column) -> Rows:
    """Give a whole number (n,) for each row's label: whole numbers as they are, others hashed."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return rows.hashed(column.cat.categories.take(column.cat.codes.to_numpy()))
    return rows.hashed(pd.Index(column))


def _from_pandas(column: Column, subject: Subject) -> Column:
    dtype = column.dtype
    if isinstance(dtype, pd.ArrowDtype):
        arrow: Any = column.array
        read = _from_other(arrow.__arrow_array__(), subject)
        return pd.Series(read.array, index=column.index, name=column.name, copy=False)
    if isinstance(dtype, pd.PeriodDtype | pd.IntervalDtype) or dtype.kind in "mM":
        return column
    if dtype.name.lower() == "uint64" and not column.isna().any():
        return pd.Series(column.to_numpy(dtype=np.uint64), index=column.index, name=column.name, copy=False)
    if dtype.kind == "O" and not isinstance(dtype, pd.StringDtype | pd.CategoricalDtype):
        return _from_objects(column, subject)
    return kinds.read(column, subject)


def _from_objects(column: Column, subject: Subject) -> Column:
    """Read Python's own values: their content decides, missing ones aside."""
    content = pd.api.types.infer_dtype(column, skipna=True)
    if content in ("string", "empty"):
        return column.astype("category")
    try:
        codes, found = pd.factorize(column)
    except TypeError:
        raise kinds.refusal(subject, "object", "list") from None
    return _in_order(codes.astype(np.int64), list(found), subject, column)


def _in_order(codes: Rows, found: Sequence[Any], subject: Subject, like: Column) -> Column:
    """Put labels into their natural order; whole numbers become int64 or uint64 where all of them fit."""
    numbers = all(isinstance(label, int | float | decimal.Decimal | np.number | np.bool_) for label in found)
    if not numbers and len({type(label) for label in found}) > 1:
        raise kinds.refusal(subject, "object", "mixed")
    try:
        order = sorted(range(len(found)), key=lambda place: found[place])
    except TypeError:
        order = sorted(range(len(found)), key=lambda place: str(found[place]))
    rank = np.empty(len(found) + 1, dtype=np.int64)
    rank[order], rank[-1] = np.arange(len(found)), -1  # a missing value's code is -1
    levels = [found[place] for place in order]
    if (
        numbers
        and codes.min(initial=0) >= 0
        and not all(isinstance(level, bool | np.bool_) for level in levels)
    ):
        whole = _whole_numbers(levels)
        if whole is not None:
            return pd.Series(whole[rank[codes]], index=like.index, name=like.name, copy=False)
    labels = pd.Categorical.from_codes(
        rank[codes], categories=pd.Index(levels, dtype=object, tupleize_cols=False)
    )
    return pd.Series(labels, index=like.index, name=like.name, copy=False)


def _whole_numbers(levels: Sequence[Any]) -> Any:
    """Give ascending levels as int64 or uint64; None where they do not fit."""
    if not levels or any(level != int(level) for level in (levels[0], levels[-1])):
        return None
    if any(level != int(level) for level in levels):
        return None
    for dtype in (np.int64, np.uint64):
        bounds = np.iinfo(dtype)
        if bounds.min <= int(levels[0]) and int(levels[-1]) <= bounds.max:
            return np.array([int(level) for level in levels], dtype=dtype)
    return None


def _from_other(values: AnySeries, subject: Subject) -> Column:
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    series = kinds.opened(values, subject)
    dtype = series.dtype
    if dtype in (nw.Date, nw.Datetime, nw.Duration):
        instants = pd.Series(series.to_numpy(), copy=False)
        zone = getattr(dtype, "time_zone", None)
        return instants if zone is None else instants.dt.tz_localize("UTC").dt.tz_convert(zone)
    if dtype in (nw.Int64, nw.UInt64) and not series.null_count():
        return pd.Series(series.to_numpy(), copy=False)
    if dtype == nw.Decimal and dtype.scale == 0 and not series.null_count() and len(series):
        low, high = int(series.min()), int(series.max())
        if np.iinfo(np.int64).min <= low and high <= np.iinfo(np.int64).max:
            return pd.Series(series.cast(nw.Int64).to_numpy(), copy=False)
    if dtype.is_decimal() or dtype in (nw.Int128, nw.UInt128, nw.Time, nw.Binary):
        return _from_levels(series, subject)
    if dtype == nw.Unknown:
        return _from_objects(pd.Series(series.to_list(), dtype=object), subject)
    return kinds.read(values, subject)


def _from_levels(series: Any, subject: Subject) -> Column:
    """Read values that NumPy has no type for: ranked where they are, and only the levels cross over."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    levels = series.drop_nulls().unique().sort().to_list()
    codes = series.rank("dense").fill_null(0).cast(nw.Int64).to_numpy() - 1
    return _in_order(codes, levels, subject, pd.Series(codes, copy=False))


def _require_digits(column: Column, subject: Subject) -> None:
    """Refuse whole numbers that a float64 cannot tell apart: the digits went before they came here."""
    if column.dtype.kind != "f" or column.isna().any():
        return
    values = column.to_numpy()
    large = np.isfinite(values) & (np.abs(values) >= _EXACT)
    if large.any():
        raise InvalidInputError(
            f"{subject}: {large.sum():,} labels beyond 2**53 in a float, which has not all of their digits, "
            "so that several may have become one; read them as whole numbers or as text"
        )
