"""Text and categories of other libraries as codes and levels, by what these libraries keep of them already.

Polars and pyarrow hold a category as a number a row: neither a word crosses over, nor is one looked up row by
row. Text is made a category where it lies.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from propensity.frames.checks import Rows

_PIECE = 2**20  # rows at a time, which keeps what is made on the way small


def encoded(native: Any, *, ordered: bool) -> tuple[NDArray[Any], list[str]] | None:
    """Give the codes (n,) of a polars series or a pyarrow array, -1 for missing values, and their levels.

    Levels are those that a row has, sorted; where they are `ordered`, in the order of their numbers. None
    where the library keeps no such numbers.
    """
    library = type(native).__module__.partition(".")[0]
    found = {"polars": _of_polars, "pyarrow": _of_arrow}.get(library, _of_none)(native)
    if found is None:
        return None
    numbers, missing, names = found
    if len(set(names.values())) < len(names):
        return None  # a dictionary that says something twice
    there = sorted(names) if ordered else sorted(names, key=names.__getitem__)
    place = np.full(max(names, default=0) + 1, -1, dtype=np.min_scalar_type(-len(names) - 1))
    place[there] = np.arange(len(there))
    codes = np.empty(len(numbers), dtype=place.dtype)
    for start in range(0, len(numbers), _PIECE):
        rows = slice(start, start + _PIECE)
        np.take(place, numbers[rows], out=codes[rows], mode="clip")
        if missing is not None:
            codes[rows][missing[rows]] = -1
    return codes, [names[number] for number in there]


_Found = tuple[NDArray[Any], "NDArray[np.bool_] | None", dict[int, str]]
"""Numbers (n,), which of them stand for no value, and the level of each number that a row has."""


def _of_none(_: Any) -> None:
    return None


def _of_polars(series: Any) -> _Found | None:
    import polars as pl  # noqa: PLC0415 - whoever has a series has it

    if series.dtype == pl.String:
        if not hasattr(pl, "Categories"):
            return None
        # Words of its own: those of all categories are kept as long as the process runs.
        series = series.cast(pl.Categorical(pl.Categories.random()))
    numbers, missing = series.to_physical(), None
    if numbers.null_count():
        missing = numbers.is_null().to_numpy()
        numbers = numbers.fill_null(0)
    values = numbers.to_numpy()
    where = _one_row_of_each(values, missing)
    if where is None:
        return None
    present = np.flatnonzero(where >= 0)
    names = series.gather(where[present]).to_list()
    return values, missing, dict(zip(present.tolist(), names, strict=True))


def _of_arrow(array: Any) -> _Found | None:
    import pyarrow as pa  # type: ignore[import-untyped] # noqa: PLC0415 - whoever has an array has it

    if isinstance(array, pa.ChunkedArray):
        array = array.unify_dictionaries().combine_chunks()
        if isinstance(array, pa.ChunkedArray):  # of no chunk, or of more than fit into one
            return None
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    numbers, missing = array.indices, None
    if numbers.null_count:
        missing = numbers.is_null().to_numpy(zero_copy_only=False)
        numbers = numbers.fill_null(0)
    values = numbers.to_numpy(zero_copy_only=False)
    where = _one_row_of_each(values, missing)
    if where is None:
        return None
    words = array.dictionary.to_pylist()
    names = {number: words[number] for number in np.flatnonzero(where >= 0).tolist()}
    return None if any(not isinstance(name, str) for name in names.values()) else (values, missing, names)


def _one_row_of_each(numbers: NDArray[Any], missing: NDArray[np.bool_] | None) -> Rows | None:
    """Give a row that has each number up to the highest, -1 where none has; None where they are too many."""
    highest = int(numbers.max()) if len(numbers) else -1
    if highest > max(2 * len(numbers), 2**16):
        return None
    where = np.full(highest + 1, -1, dtype=np.int64)
    for start in range(0, len(numbers), _PIECE):
        own = numbers[start : start + _PIECE]
        rows = np.arange(start, start + len(own))
        if missing is not None:
            there = ~missing[start : start + _PIECE]
            own, rows = own[there], rows[there]
        where[own] = rows
    return where
