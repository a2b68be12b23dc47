"""Numbers and levels: a column of any library as one of four kinds, without loss of information.

The four kinds are bool, int64, float64 and categorical. Here values are amounts: whole numbers beyond int64
and decimals become the nearest float64, unless that makes one of different ones. Where they are labels, and
each digit counts, `labels` reads them.
"""

from __future__ import annotations

import decimal
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from propensity.frames import digits, text
from propensity.frames.checks import Bools
from propensity.frames.encoded import encoded
from propensity.frames.lines import Subject
from propensity.frames.native import AnySeries, Column

_DAY = 86_400
_OF_A_FLAG = 2

# Contents of a column of objects, as pandas calls them, for which no message suggests to make them text.
_OTHERS = ("", "bytes", "complex", "categorical", "interval", "period", "unknown-array")

# Contents that are numbers.
_NUMBERS = ("boolean", "integer", "floating", "mixed-integer-float", "decimal")


def read(values: AnySeries, subject: Subject) -> Column:
    """Read a series of any library as bool, int64 or float64 (uncopied where it is that), or categorical.

    Raises
    ------
    InvalidInputError
        It holds numbers that are no int64, and of which a float64 would make one.
    TypeError
        It holds dates, or what is neither numbers nor text.
    """
    return _from_pandas(values, subject) if isinstance(values, pd.Series) else _from_other(values, subject)


def read_narrow(values: AnySeries, subject: Subject) -> Column:
    """Read as `read` does, but for float32, which stays what it is where no value is missing.

    For columns that are only handed on, or widened before anything is worked out of them.
    """
    if isinstance(values, pd.Series):
        is_narrow = values.dtype == np.float32 and not values.hasnans
        return values if is_narrow else read(values, subject)
    series = opened(values, subject)
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    if series.dtype == nw.Float32 and not series.null_count():
        return pd.Series(series.to_numpy(), copy=False)
    return _from_other(values, subject)


def widened(column: Column) -> Column:
    """Give a column that `read_narrow` read as `read` would have."""
    return column.astype(np.float64) if column.dtype == np.float32 else column


def read_distance(values: AnySeries, subject: Subject) -> Column:
    """Read what distances are measured in: as `read`, but dates and durations as days of 24 hours."""
    if not isinstance(values, pd.Series):
        import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

        series = opened(values, subject)
        if series.dtype not in (nw.Date, nw.Datetime, nw.Duration):
            return _from_other(values, subject)
        # NumPy has no time zones: these are instants, in UTC.
        return _days(pd.Series(series.to_numpy(), copy=False))
    if isinstance(values.dtype, pd.ArrowDtype) and values.dtype.kind in "mM":
        arrow: Any = values.array
        return read_distance(arrow.__arrow_array__(), subject).set_axis(values.index)
    if isinstance(values.dtype, pd.PeriodDtype):
        values = values.dt.to_timestamp()
    if values.dtype.kind == "O":
        content = pd.api.types.infer_dtype(values, skipna=True)
        if content in ("date", "datetime", "datetime64"):
            values = pd.to_datetime(values, utc=True)
        elif content == "timedelta":
            values = pd.to_timedelta(values)
    return _days(values) if values.dtype.kind in "mM" else _from_pandas(values, subject)


def first_amount(columns: Mapping[str, Column]) -> str | None:
    """Name the first column of numbers of more than two values; None where there is none."""
    for name, column in columns.items():
        if not isinstance(column.dtype, pd.CategoricalDtype) and column.nunique() > _OF_A_FLAG:
            return name
    return None


def unmasked(array: NDArray[Any], subject: Subject) -> NDArray[Any]:
    """Make what is masked missing."""
    if not isinstance(array, np.ma.MaskedArray):
        return np.asarray(array)
    mask: Bools = np.ma.getmaskarray(array)
    values = np.asarray(array.data)
    if not mask.any():
        return values
    if values.dtype.kind not in "biuf":
        values = values.astype(object)
        values[mask] = None
        return values
    require_float64(values.dtype, subject)
    return np.where(mask, np.nan, values.astype(np.float64))


def require_float64(dtype: Any, subject: Subject) -> None:
    """Refuse numbers with more digits than a float64 has."""
    if dtype.kind == "f" and getattr(dtype, "itemsize", 8) > 8:
        raise TypeError(f"{subject}: the type {dtype} has more digits than float64; convert it first")


def levels_of_text(series: Any) -> Column:
    """Read text or categories of a narwhals series as categorical.

    The text itself never crosses over: a polars or pyarrow column of a million words becomes a million codes
    and a few levels. A polars Enum keeps the order of its levels; others are sorted, as pandas would.
    """
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    known = encoded(series.to_native(), ordered=isinstance(series.dtype, nw.Enum))
    if known is not None:
        numbers, names = known
        return pd.Series(pd.Categorical.from_codes(numbers, pd.Index(names), validate=False), copy=False)
    words = series.cast(nw.String)
    levels = words.drop_nulls().unique().sort().to_list()
    if isinstance(series.dtype, nw.Enum):
        levels = [level for level in series.dtype.categories if level in set(levels)]
    codes = words.replace_strict([*levels, None], [*range(len(levels)), -1], return_dtype=nw.Int64)
    return pd.Series(pd.Categorical.from_codes(codes.to_numpy(), levels))


def _from_pandas(column: Column, subject: Subject) -> Column:
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _without_unused(column)
    if isinstance(dtype, pd.ArrowDtype):
        arrow: Any = column.array
        read = _from_other(arrow.__arrow_array__(), subject)
        return pd.Series(read.array, index=column.index, name=column.name, copy=False)
    if pd.api.types.is_numeric_dtype(dtype) and dtype.kind != "c":
        require_float64(dtype, subject)
        return _from_numeric(column, subject)
    if isinstance(dtype, pd.StringDtype):
        return column.astype("category")
    # A column of objects may hold anything: text and numbers are taken, the rest is not guessed at.
    content = pd.api.types.infer_dtype(column, skipna=True) if dtype.kind == "O" else ""
    if content in {"string", "empty"}:
        return column.astype("category")
    if content in _NUMBERS:
        return _from_objects(column, subject)
    own = {type(value).__name__ for value in column[column.notna()]} if content == "mixed" else set()
    raise refusal(subject, str(dtype), own.pop() if len(own) == 1 else content, column)


def _without_unused(column: Column) -> Column:
    """Leave out the levels that no row has; to look for them takes less than to sort the codes."""
    held = np.zeros(len(column.cat.categories) + 1, dtype=bool)
    held[column.cat.codes.to_numpy()] = True  # what is missing has the code -1, the last place
    return column.copy(deep=False) if held[:-1].all() else column.cat.remove_unused_categories()


def _from_objects(column: Column, subject: Subject) -> Column:
    """Read Python's own numbers: what a join leaves of flags and counts that some rows have not."""
    missing = column.isna().to_numpy()
    if not missing.any():
        kept = {type(value) for value in column}
        if kept <= {bool, np.bool_}:
            return column.astype(bool)
        if not any(issubclass(kind, float | np.floating | decimal.Decimal) for kind in kept):
            try:
                return column.astype(np.int64)
            except OverflowError:
                pass
        if not any(issubclass(kind, float | np.floating) for kind in kept):
            digits.require_range(min(column), max(column), subject)
    values = np.full(len(column), np.nan)
    values[~missing] = column.to_numpy()[~missing].astype(np.float64)
    return pd.Series(values, index=column.index, name=column.name, copy=False)


def _from_numeric(column: Column, subject: Subject) -> Column:
    # What has no room in bool or int64 becomes float64: missing values of nullable columns, and uint64.
    nullable = pd.api.types.is_extension_array_dtype(column.dtype)
    kind = column.dtype.kind
    fits = kind in "biu" and column.dtype.name.lower() != "uint64"
    if fits and not (nullable and column.isna().any()):
        values = column.to_numpy(dtype=bool if kind == "b" else np.int64)
    elif nullable:
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        values = column.to_numpy(dtype=np.float64)
    if column.dtype.kind == "u" and not fits and not column.isna().any():
        digits.require(column.to_numpy(dtype=np.uint64), subject)
    return pd.Series(values, index=column.index, name=column.name, copy=False)


def _from_other(values: AnySeries, subject: Subject) -> Column:
    """Read a series of another library: numbers through NumPy (uncopied where possible), text as codes."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    series = opened(values, subject)
    dtype = series.dtype
    wide = dtype.is_decimal() or dtype in (nw.Int128, nw.UInt128)  # NumPy has no such types
    if wide and len(series) and not series.null_count():
        digits.require_range(series.min(), series.max(), subject)
    if wide or (dtype == nw.Boolean and series.null_count() > 0):
        series = series.cast(nw.Float64)
    if dtype.is_numeric() or dtype == nw.Boolean:
        return _from_pandas(pd.Series(series.to_numpy(), copy=False), subject)
    if dtype in (nw.String, nw.Categorical, nw.Enum):
        return levels_of_text(series)
    content = {nw.Date: "date", nw.Datetime: "datetime", nw.Duration: "timedelta", nw.Time: "time"}
    raise refusal(subject, str(dtype), next((word for kind, word in content.items() if dtype == kind), ""))


def opened(values: AnySeries, subject: Subject) -> Any:
    """Open a series by narwhals."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    try:
        return nw.from_native(values, series_only=True)
    except TypeError as error:
        raise TypeError(f"{subject}: a series or an array is needed, not {type(values).__name__}") from error


def refusal(subject: Subject, dtype: str, content: str, column: Column | None = None) -> TypeError:
    """Say that a type is neither numbers nor text, and what makes it numbers; `column` are the values."""
    objects = dtype == "object"
    held = f" holding {content} values" if objects and content else ""
    kinds = f"{subject}: the type {dtype}{held} is none of numeric, bool, text and categorical"
    if content.startswith("date") or dtype.startswith(("datetime64", "Datetime")):
        return TypeError(f"{kinds}; for days since the first: {subject.days(objects=objects)}")
    if dtype.startswith("period"):
        return TypeError(f"{kinds}; for days since the first: {subject.days(periods=True)}")
    if content == "timedelta" or dtype.startswith("timedelta64"):
        return TypeError(f"{kinds}; for seconds: {subject.seconds(objects=objects)}")
    if content == "time":
        return TypeError(f"{kinds}; for hours: {subject.hours()}")
    if content.startswith("mixed"):
        how = f", but several of them; {_of_one_type(subject, column)}"
    elif objects and content not in _OTHERS:
        how = f"; as levels of text: {subject.text()}"
    else:
        how = "; convert it first"
    return TypeError(f"{kinds}{how}")


def _of_one_type(subject: Subject, column: Column | None) -> str:
    """Say how values of several types become of one: numbers, where all of them are, some written as text."""
    levels = set() if column is None else _as_text(column)
    if text.are_numbers(levels):
        return f"they are numbers, {text.number_line(levels, replace(subject, mixed=True))}"
    return f"make it one, as text: {subject.text()}"


def _as_text(column: Column) -> set[str]:
    """Write numbers and text as `astype(str)` does; nothing, where there is anything else."""
    held = column[column.notna()]
    if not all(isinstance(value, str | int | float | decimal.Decimal | np.number) for value in held):
        return set()
    return {str(value) for value in held} | ({"nan"} if len(held) < len(column) else set())


def _days(dates: Column) -> Column:
    """Count days of 24 hours since 1970, whole ones exactly, up to the tick of the clock."""
    ticks = dates.dt.tz_convert("UTC").dt.tz_localize(None) if hasattr(dates.dtype, "tz") else dates
    values = ticks.to_numpy()
    unit = np.datetime_data(values.dtype)[0]
    per_day = _DAY * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    whole, rest = np.divmod(values.view(np.int64), per_day)
    days = np.where(dates.isna().to_numpy(), np.nan, whole + rest / per_day)
    return pd.Series(days, index=dates.index, name=dates.name, copy=False)
