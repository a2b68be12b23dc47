"""Rows that stand for several users each: cells as analyses of rows read them.

A function that takes cells is given a frame of rows, one value of the outcome each, which knows how many
users each row stands for and which cell it is of. What is given or given back row by row is by cell: a value
for each cell, under its label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from propensity.errors import InvalidInputError
from propensity.frames.checks import Bools, Floats, Rows, listed

FREQUENCY = "frequency"

_Value = TypeVar("_Value", bound=np.generic)


class CountedTable:
    """What holds users counted: `Cells`, which frames know by this alone."""

    keys: tuple[str, ...]
    outcomes: tuple[str, ...]
    frame: pd.DataFrame

    @property
    def n_users(self) -> int:
        """How many users there are."""
        raise NotImplementedError

    def rows(self, outcome: str | None = None) -> pd.DataFrame:
        """Give rows of one value each with their counts, under the labels of the cells."""
        raise NotImplementedError

    def __getitem__(self, name: Any) -> Any:
        """Give a column by its name, or some of the cells, by a bool each."""
        raise NotImplementedError


class CountedRows(pd.DataFrame):
    """A frame of rows, and how many users each stands for.

    Attributes
    ----------
    cells : DataFrame
        The cells that the rows are of: keys and counts, each once.
    frequency : ndarray (n,) of float64
        How many users a row stands for.
    of_cell : ndarray (n,) of int
        The place of its cell.
    ends : dict of str to (ndarray (n,), ndarray (n,))
        Of an outcome that is summed up the least and the greatest value of the users of each row's cell,
        beyond which its two values may lie.
    table : CountedTable
        The cells themselves, of which other outcomes may be read later.
    """

    _metadata = ["cells", "frequency", "of_cell", "ends", "table"]  # noqa: RUF012 - how pandas is told of attributes

    cells: pd.DataFrame
    frequency: Floats
    of_cell: Rows
    ends: dict[str, tuple[Floats, Floats]]
    table: CountedTable

    @classmethod
    def of(cls, table: CountedTable, outcomes: Sequence[str] = ()) -> CountedRows:
        """Read cells with these outcomes, of which one may be summed up; others are keys.

        Raises
        ------
        InvalidInputError
            Several are summed up, each by itself.
        """
        summed = [name for name in outcomes if name in table.outcomes]
        if len(summed) > 1:
            raise InvalidInputError(
                f"columns {listed(summed)}: cells sum up each outcome by itself, and do not say which values "
                "belong to one user; collapse with all of them but one as keys, also=[...]"
            )
        given = table.rows(summed[0] if summed else None)
        found = cls(given.drop(columns=FREQUENCY))
        found.cells = table.rows()
        found.table = table
        found.frequency = given[FREQUENCY].to_numpy(dtype=np.float64)
        found.of_cell = found.cells.index.get_indexer(given.index).astype(np.int64)
        found.ends = {}
        for name in summed:
            if found[name].isin((0, 1)).all():
                continue  # the values themselves
            low, high = (table.frame[f"{name}_{end}"].to_numpy(np.float64) for end in ("low", "high"))
            found.ends[name] = low[found.of_cell], high[found.of_cell]
        return found

    def some(self, rows: Rows) -> CountedRows:
        """Give the rows at ascending places, which are those of whole cells."""
        found = CountedRows(self.iloc[rows])
        kept, of_cell = np.unique(self.of_cell[rows], return_inverse=True)
        found.cells, found.of_cell = self.cells.iloc[kept], of_cell.astype(np.int64)
        found.frequency = self.frequency[rows]
        found.table = self.table
        found.ends = {name: (low[rows], high[rows]) for name, (low, high) in self.ends.items()}
        return found

    def by_cell(self, values: NDArray[_Value]) -> NDArray[_Value]:
        """Give values (n,) that are the same in all rows of a cell once for each cell."""
        first = np.searchsorted(self.of_cell, np.arange(len(self.cells)))
        return values[first]

    def by_row(self, values: NDArray[_Value]) -> NDArray[_Value]:
        """Give values of the cells to their rows, (n,)."""
        return values[self.of_cell]


class OfCountedRows:
    """What is of `counted` rows of cells, one value each; None where each row is a user."""

    counted: CountedRows | None

    @property
    def frequency(self) -> Floats | None:
        """How many users each row stands for, (n,); None where each is one."""
        return frequency_of(self.counted)

    def by_row(self, values: NDArray[_Value]) -> NDArray[_Value]:
        """Give what a result holds to the rows (n,): of cells to those of each."""
        return values if self.counted is None else self.counted.by_row(values)


class OfCells:
    """What gives results by cell: `first` (n_cells,) is the first row of each; None where each is a user."""

    first: Rows | None

    def by_cell(self, values: NDArray[_Value]) -> NDArray[_Value]:
        """Give values (n,) of rows as results hold them: of cells a value each."""
        return values if self.first is None else values[self.first]


@dataclass(frozen=True, eq=False)
class CountedOutcome:
    """An outcome of cells: its name, its rows of one value each with their counts, and the cells."""

    name: str
    rows: pd.DataFrame
    table: CountedTable


def as_rows(data: Any) -> Any:
    """Give cells as rows that know how many users they stand for; anything else as it is."""
    return CountedRows.of(data) if isinstance(data, CountedTable) else data


def as_cells(data: Any) -> Any:
    """Give rows of cells as a row a cell, without an outcome; any other frame as it is."""
    return CountedRows.of(data.table) if isinstance(data, CountedRows) else data


def source_of(data: Any) -> Any:
    """Give the cells that rows are of, as functions take them; any other frame as it is."""
    return data.table if isinstance(data, CountedRows) else data


def frequency_of(data: Any) -> Floats | None:
    """Give how many users each row of a frame stands for (n,); None where each is one."""
    return data.frequency if isinstance(data, CountedRows) else None


def mass_of(sample_weight: Floats | None, frequency: Floats | None) -> Floats | None:
    """Give what the users of each row count for together, (n,); None where every row counts one."""
    if sample_weight is None or frequency is None:
        return sample_weight if frequency is None else frequency
    return sample_weight * frequency


def n_users_of(rows: Bools, frequency: Floats | None) -> int:
    """Count the users that some rows (n,) stand for."""
    return int(rows.sum() if frequency is None else frequency[rows].sum())


def require_users(data: Any, subject: str, what: str) -> None:
    """Require a frame of single users, for what looks at them one by one.

    Raises
    ------
    InvalidInputError
        Its rows stand for several.
    """
    if isinstance(data, CountedRows):
        raise InvalidInputError(
            f"{subject}: {what} looks at single users, and a row of these cells stands for many; "
            f"cells.expand() gives {int(data.frequency.sum()):,} rows back"
        )


def refusal(name: str, table: CountedTable, what: str = "looks at") -> str:
    """Say that a function needs users one by one."""
    return (
        f"{name} {what} single users, and a row of these cells stands for many; cells.expand() gives "
        f"{table.n_users:,} rows back"
    )
