"""Columns of the table of cells that sum an outcome up, which are no columns of users."""

from __future__ import annotations

from collections.abc import Sequence

_SUMS = ("_mean", "_variance", "_low", "_high")
"""What the columns of cells are called that sum up an outcome."""


def without_sums(columns: Sequence[object]) -> Sequence[object]:
    """Leave out the columns that sum up an outcome of cells, which are no columns of users."""
    names = [column for column in columns if isinstance(column, str)]
    stems = {name.removesuffix("_mean") for name in names if name.endswith("_mean")}
    summed = {stem for stem in stems if {stem + end for end in _SUMS} <= set(names)}
    sums = {stem + end for stem in summed for end in _SUMS}
    return [column for column in columns if column not in sums]


def table_of_cells(name: str, columns: Sequence[object]) -> str:
    """Say that a frame is the table of cells, which sums up the column that is asked for; or nothing."""
    if not {name + end for end in _SUMS} <= {column for column in columns if isinstance(column, str)}:
        return ""
    return (
        f"this is the table of cells, which sums '{name}' up, and its rows would count as one user each: "
        f"give the cells themselves, or some of them, as cells[cells.frame[{columns[0]!r}] == ...]"
    )
