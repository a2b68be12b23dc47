"""Frames and series of any library, opened and given back.

Whatever the library a frame comes from, its columns are first read as pandas Series of a few kinds (`kinds`,
`labels`). What follows (the checks, the formulas) then has one path. These three modules alone know narwhals.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias, TypeGuard, TypeVar

import numpy as np
import pandas as pd

from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.counted_rows import CountedRows, CountedTable, refusal


class AnyFrame(Protocol):
    """A pandas, polars or pyarrow frame, or another that narwhals reads in memory."""

    @property
    def columns(self) -> Any:
        """What all of them have."""


SomeFrame = TypeVar("SomeFrame", bound=AnyFrame)
"""The type of the caller's frame, where one of the same library is given back."""


AnySeries: TypeAlias = Any
"""A series of the library that the caller's frame comes from.

Which library that is no annotation says: a result would have to be generic in it, and all that hold one.
"""

Column: TypeAlias = "pd.Series[Any]"


# Frames


def eager(data: Any) -> Any:
    """Give a frame that narwhals reads: a pyarrow batch of records is a table of one batch."""
    if type(data).__module__.startswith("pyarrow") and type(data).__name__ == "RecordBatch":
        import pyarrow as pa  # type: ignore[import-untyped] # noqa: PLC0415 - whoever has a batch has it

        return pa.Table.from_batches([data])
    return data


def column_names(data: object) -> list[object]:
    """Name the columns of a frame, and refuse what is none."""
    if isinstance(data, pd.DataFrame):
        return [*data.columns.tolist()]  # faster than list(), of Arrow's text
    if isinstance(data, CountedTable):
        raise InvalidInputError(refusal("this", data))
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    try:
        return list(nw.from_native(eager(data), eager_only=True).columns)
    except TypeError as error:
        lazy = "; collect it first" if hasattr(data, "collect") else _of_arrays(data)
        raise TypeError(
            f"a data frame is needed (pandas, polars or pyarrow), not {type(data).__name__}{lazy}"
        ) from error


def _of_arrays(data: object) -> str:
    """Say where arrays go, or what a table is made of them with."""
    if isinstance(data, np.ndarray | pd.Series):
        return "; the functions of propensity.core take arrays, or make a table of them, pd.DataFrame(...)"
    return "; make one of it, pd.DataFrame(...)" if isinstance(data, Mapping | list) else ""


def is_frame(data: object) -> TypeGuard[AnyFrame]:
    """Whether this is a frame of a library that is known here, lazy ones too."""
    if isinstance(data, pd.DataFrame):
        return True
    if data is None or isinstance(data, pd.Series | np.ndarray | list | tuple | str | Mapping):
        return False
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    return isinstance(nw.from_native(eager(data), pass_through=True), nw.DataFrame | nw.LazyFrame)


def row_labels(series: AnySeries) -> pd.Index[Any]:
    """Give what rows are called: a pandas Series' index, positions for other libraries."""
    return series.index if isinstance(series, pd.Series) else pd.RangeIndex(len(series))


def labels_of(data: Any) -> pd.Index[Any]:
    """Give what the rows of a frame are called: a pandas frame's index, positions for other libraries."""
    return data.index if isinstance(data, pd.DataFrame) else pd.RangeIndex(len(data))


def is_category(data: AnyFrame, name: str) -> bool:
    """Whether a column of a frame is of a categorical type, and not text."""
    if isinstance(data, pd.DataFrame):
        dtype = data[name].dtype
        return isinstance(dtype, pd.CategoricalDtype) or str(dtype).startswith("dictionary")
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    return nw.from_native(eager(data), eager_only=True)[name].dtype in (nw.Categorical, nw.Enum)


def flag_type(data: AnyFrame, name: str) -> tuple[bool, bool]:
    """Tell whether a column holds bools, some perhaps missing, and whether its type has missing values."""
    if isinstance(data, pd.DataFrame):
        column = data[name]
        content = pd.api.types.infer_dtype(column, skipna=True) if column.dtype.kind == "O" else ""
        return column.dtype.kind == "b" or content == "boolean", column.dtype.kind != "O" and bool(
            pd.api.types.is_extension_array_dtype(column.dtype)
        )
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    return nw.from_native(eager(data), eager_only=True)[name].dtype == nw.Boolean, True


def kept(data: SomeFrame, rows: Bools, columns: Mapping[str, Floats | Rows]) -> SomeFrame:
    """Give some rows of a frame, with further columns of (n,) values."""
    if isinstance(data, pd.DataFrame):
        own: Any = data[rows].assign(**{name: values[rows] for name, values in columns.items()})
        return own  # type: ignore[no-any-return] # of the same type as `data`
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    frame = nw.from_native(eager(data), eager_only=True)
    added = [nw.new_series(name, values, backend=frame.implementation) for name, values in columns.items()]
    found: SomeFrame = frame.with_columns(*added).filter(rows.tolist()).to_native()
    return found


def taken(data: SomeFrame, rows: Rows) -> SomeFrame:
    """Give some rows of a frame, by their places."""
    if isinstance(data, pd.DataFrame):
        own: Any = data.some(rows) if isinstance(data, CountedRows) else data.iloc[rows]
        return own  # type: ignore[no-any-return] # of the same type as `data`
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    found: SomeFrame = nw.from_native(eager(data), eager_only=True)[rows.tolist()].to_native()
    return found


def names_of(data: AnyFrame, values: object) -> pd.Index[Any]:
    """Give what rows are called, from the name of a column, a series or an array."""
    named = column_as_given(data, values) if isinstance(values, str) else values
    found: pd.Index[Any] = pd.Index(named if isinstance(named, pd.Series | pd.Index) else np.array(named))
    return found.copy(deep=True)


# Series given back


def series_for(data: AnyFrame, values: Floats | Bools, name: str) -> AnySeries:
    """Give (n,) values back as a series of the library of a frame, with the frame's index."""
    if isinstance(data, CountedRows):
        return pd.Series(data.by_cell(values), index=data.cells.index, name=name, copy=False)
    if isinstance(data, pd.DataFrame):
        return pd.Series(values, index=data.index, name=name, copy=False)
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    backend = nw.from_native(eager(data), eager_only=True).implementation
    return nw.new_series(name, values, backend=backend).to_native()


def whole_numbers_for(data: AnyFrame, values: Rows, name: str, *, missing: int) -> AnySeries:
    """Give (n,) whole numbers back as a series of the library of a frame, `missing` as a missing value."""
    if isinstance(data, CountedRows):
        return whole_numbers_for(data.cells, data.by_cell(values), name, missing=missing)
    if isinstance(data, pd.DataFrame):
        nullable = pd.arrays.IntegerArray(values, values == missing)
        return pd.Series(nullable, index=data.index, name=name, copy=False)
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    backend = nw.from_native(eager(data), eager_only=True).implementation
    content = [None if value == missing else value for value in values.tolist()]
    return nw.new_series(name, content, dtype=nw.Int64, backend=backend).to_native()


def series_like(given: AnySeries, values: Floats, name: str | None = None) -> AnySeries:
    """Give (n,) values as a series of the library of `given`, with its index; pandas' for an array.

    `name` is its own where none is given; pyarrow's have none.
    """
    if name is None:
        name = str(getattr(given, "name", ""))
    if isinstance(given, np.ndarray | list | tuple):
        return pd.Series(values, name=name, copy=False)
    if isinstance(given, pd.Series):
        return pd.Series(values, index=given.index, name=name, copy=False)
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    backend = nw.from_native(given, series_only=True).implementation
    return nw.new_series(name, values, backend=backend).to_native()


# Columns


def column_as_given(data: AnyFrame, name: str) -> AnySeries:
    """Give a column of a frame as its library has it, unread."""
    checks.known([name], column_names(data))
    if isinstance(data, pd.DataFrame):
        return data[name]
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - pandas frames do without it

    return nw.from_native(eager(data), eager_only=True)[name].to_native()
