"""Frames and series of any library, read as columns of four kinds: the only module that knows narwhals.

Whatever the library a frame comes from, its columns are first read as one of four kinds of pandas Series:
bool, int64, float64, or categorical. What follows (the checks, the formulas) then has one path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from propensity import _check
from propensity._check import Bools, Floats, Rows

AnyFrame: TypeAlias = Any
"""A pandas, polars or pyarrow frame, or another that narwhals reads in memory."""

AnySeries: TypeAlias = Any
"""A series of the library that the caller's frame comes from."""

Column: TypeAlias = "pd.Series[Any]"


# Frames


def column_names(data: AnyFrame) -> list[object]:
    """Name the columns of a frame, and refuse what is none."""
    if isinstance(data, pd.DataFrame):
        return list(data.columns)
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    try:
        return list(nw.from_native(data, eager_only=True).columns)
    except TypeError as error:
        lazy = "; collect it first" if hasattr(data, "collect") else ""
        raise TypeError(
            f"a data frame is needed (pandas, polars or pyarrow), not {type(data).__name__}{lazy}"
        ) from error


def is_frame(data: object) -> bool:
    """Whether this is a frame of a library that is known here, lazy ones too."""
    if isinstance(data, pd.DataFrame):
        return True
    if data is None or isinstance(data, pd.Series | np.ndarray | list | tuple | str | Mapping):
        return False
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    return isinstance(nw.from_native(data, pass_through=True), nw.DataFrame | nw.LazyFrame)


def row_labels(series: AnySeries) -> pd.Index[Any]:
    """Give what rows are called: a pandas Series' index, positions for other libraries."""
    return series.index if isinstance(series, pd.Series) else pd.RangeIndex(len(series))


def labels_of(data: AnyFrame) -> pd.Index[Any]:
    """Give what the rows of a frame are called: a pandas frame's index, positions for other libraries."""
    return data.index if isinstance(data, pd.DataFrame) else pd.RangeIndex(len(data))


def is_category(data: AnyFrame, name: str) -> bool:
    """Whether a column of a frame is of a categorical type, and not text."""
    if isinstance(data, pd.DataFrame):
        dtype = data[name].dtype
        return isinstance(dtype, pd.CategoricalDtype) or str(dtype).startswith("dictionary")
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    return nw.from_native(data, eager_only=True)[name].dtype in (nw.Categorical, nw.Enum)


def kept(data: AnyFrame, rows: Bools, columns: Mapping[str, Floats | Rows]) -> AnyFrame:
    """Give some rows of a frame, with further columns of (n,) values."""
    if isinstance(data, pd.DataFrame):
        return data[rows].assign(**{name: values[rows] for name, values in columns.items()})
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    frame = nw.from_native(data, eager_only=True)
    added = [nw.new_series(name, values, backend=frame.implementation) for name, values in columns.items()]
    return frame.with_columns(*added).filter(rows.tolist()).to_native()


# Series given back


def series_for(data: AnyFrame, values: Floats | Bools, name: str) -> AnySeries:
    """Give (n,) values back as a series of the library of a frame, with the frame's index."""
    if isinstance(data, pd.DataFrame):
        return pd.Series(values, index=data.index, name=name, copy=False)
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    backend = nw.from_native(data, eager_only=True).implementation
    return nw.new_series(name, values, backend=backend).to_native()


def whole_numbers_for(data: AnyFrame, values: Rows, name: str, *, missing: int) -> AnySeries:
    """Give (n,) whole numbers back as a series of the library of a frame, `missing` as a missing value."""
    if isinstance(data, pd.DataFrame):
        nullable = pd.arrays.IntegerArray(values, values == missing)
        return pd.Series(nullable, index=data.index, name=name, copy=False)
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    backend = nw.from_native(data, eager_only=True).implementation
    content = [None if value == missing else value for value in values.tolist()]
    return nw.new_series(name, content, dtype=nw.Int64, backend=backend).to_native()


def series_like(given: AnySeries, values: Floats, name: str) -> AnySeries:
    """Give (n,) values as a series of the library of `given`, with its index; pandas' for an array."""
    if isinstance(given, np.ndarray | list | tuple):
        return pd.Series(values, name=name, copy=False)
    if isinstance(given, pd.Series):
        return pd.Series(values, index=given.index, name=name, copy=False)
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    backend = nw.from_native(given, series_only=True).implementation
    return nw.new_series(name, values, backend=backend).to_native()


# Columns


def read_column(data: AnyFrame, name: str) -> Column:
    """Read a column of a frame as one of the four kinds."""
    _check.known([name], column_names(data))
    if isinstance(data, pd.DataFrame):
        return _from_pandas(data[name], f"column '{name}'")
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    column = nw.from_native(data, eager_only=True)[name]
    return _from_other(column.to_native(), f"column '{name}'").rename(name)


def column_as_given(data: AnyFrame, name: str) -> AnySeries:
    """Give a column of a frame as its library has it, unread."""
    _check.known([name], column_names(data))
    if isinstance(data, pd.DataFrame):
        return data[name]
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    return nw.from_native(data, eager_only=True)[name].to_native()


def read_values(values: object, index: pd.Index[Any], role: str) -> Column:
    """Read one value for each label of `index` as one of the four kinds of column."""
    if isinstance(values, pd.Series):
        remedy = f"take {role}.reindex(df.index) to go by labels, {role}.to_numpy() to go by position"
        _check.same_index(role, values.index, index, remedy)
        return _from_pandas(values, role)
    if isinstance(values, np.ndarray | list | tuple):
        array = _unmasked(np.asanyarray(values), role)
        if array.ndim != 1:
            raise TypeError(f"{role}: one value for each row is needed, not an array of shape {array.shape}")
        _check.same_length(role, len(array), len(index))
        return _from_pandas(pd.Series(array, index=index, copy=False), role)
    column = _from_other(values, role)
    _check.same_length(role, len(column), len(index))
    return column


def _unmasked(array: NDArray[Any], role: str) -> NDArray[Any]:
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
    _require_float64(values.dtype, role)
    return np.where(mask, np.nan, values.astype(np.float64))


def _from_pandas(column: Column, subject: str) -> Column:
    """Read a pandas Series as bool, int64 or float64 (uncopied where it is that already), or categorical."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return column.cat.remove_unused_categories()
    if isinstance(dtype, pd.ArrowDtype):
        arrow: Any = column.array
        read = _from_other(arrow.__arrow_array__(), subject)
        return pd.Series(read.array, index=column.index, name=column.name, copy=False)
    if pd.api.types.is_numeric_dtype(dtype) and dtype.kind != "c":
        _require_float64(dtype, subject)
        return _from_numeric(column)
    if isinstance(dtype, pd.StringDtype):
        return column.astype("category")
    # A column of objects may hold anything: text is taken, the rest is not guessed at.
    content = pd.api.types.infer_dtype(column, skipna=True) if dtype.kind == "O" else ""
    if content in {"string", "empty"}:
        return column.astype("category")
    held = f" holding {content} values" if content else ""
    raise TypeError(
        f"{subject}: the type {dtype}{held} is none of numeric, bool, text and categorical; convert it first"
    )


def _require_float64(dtype: Any, subject: str) -> None:
    """Refuse numbers with more digits than a float64 has."""
    if dtype.kind == "f" and getattr(dtype, "itemsize", 8) > 8:
        raise TypeError(f"{subject}: the type {dtype} has more digits than float64; convert it first")


def _from_numeric(column: Column) -> Column:
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
    return pd.Series(values, index=column.index, name=column.name, copy=False)


def _from_other(values: AnySeries, subject: str) -> Column:
    """Read a series of another library: numbers through NumPy (without a copy where possible), text as codes.

    The text itself never crosses over: a polars or pyarrow column of a million words becomes a million codes
    and a few levels. A polars Enum keeps the order of its levels; others are sorted, as pandas would.
    """
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    try:
        series = nw.from_native(values, series_only=True)
    except TypeError as error:
        raise TypeError(f"{subject}: a series or an array is needed, not {type(values).__name__}") from error
    dtype = series.dtype
    if dtype.is_decimal() or (dtype == nw.Boolean and series.null_count() > 0):
        series = series.cast(nw.Float64)
    if dtype.is_numeric() or dtype == nw.Boolean:
        return _from_pandas(pd.Series(series.to_numpy(), copy=False), subject)
    if dtype not in (nw.String, nw.Categorical, nw.Enum):
        raise TypeError(
            f"{subject}: the type {dtype} is none of numeric, bool, text and categorical; convert it first"
        )
    text = series.cast(nw.String)
    levels = text.drop_nulls().unique().sort().to_list()
    if isinstance(dtype, nw.Enum):
        levels = [level for level in dtype.categories if level in set(levels)]
    codes = text.replace_strict([*levels, None], [*range(len(levels)), -1], return_dtype=nw.Int64)
    return pd.Series(pd.Categorical.from_codes(codes.to_numpy(), levels))
