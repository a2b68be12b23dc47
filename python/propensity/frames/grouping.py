"""Groups of rows that effects are asked for one by one: the values of a column, or of several together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from propensity.calls.warned import warn
from propensity.errors import ArgumentWarning, InvalidInputError
from propensity.frames import checks
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.columns import open_frame
from propensity.frames.fingerprint import Fingerprint, Made
from propensity.frames.lines import Subject
from propensity.frames.native import AnyFrame
from propensity.results.read_only import ReadOnly

# Beyond it groups are few rows each, and nobody reads so long a table: customers or cities may be meant, and
# mostly it is an amount or an identifier.
_MANY_GROUPS = 200

# Numbers that are not whole are amounts: up to so many different ones they may be a scale, as 0.5, 1, 1.5.
_MOST_OF_A_SCALE = 50

# Beyond it a table is for nobody's eyes, and the covariance of all groups no size for a desk: 200 MB.
_MOST_GROUPS = 5_000


@dataclass(frozen=True, eq=False)
class Grouping(ReadOnly):
    """Which of G groups each of n rows is in.

    Attributes
    ----------
    by : tuple of str
        The columns whose values are the groups.
    codes : ndarray (n,) of int
        0 to G - 1; of rows that are not there 0 too, for what these add is nothing.
    index : Index (G,)
        What the groups are called: by one column its values, by several their combinations that there are.
    there : ndarray (n,) of bool, or None
        Which rows are there; None where all are.
    frequency : ndarray (n,) or None
        How many users each row stands for; None where each is one.
    """

    by: tuple[str, ...]
    codes: Rows
    index: pd.Index[Any]
    there: Bools | None
    frequency: Floats | None = None

    @property
    def n_groups(self) -> int:
        """The G."""
        return len(self.index)

    @property
    def n_users(self) -> float:
        """How many users the rows stand for: their number, where each is one."""
        return len(self.codes) if self.frequency is None else float(self.frequency.sum())

    def sum(self, values: Floats) -> Floats:
        """Sum (n,) values of users within groups: (G,)."""
        values = values if self.frequency is None else values * self.frequency
        return np.asarray(np.bincount(self.codes, weights=values, minlength=self.n_groups), dtype=np.float64)

    def count(self, rows: Bools) -> Rows:
        """Count the users of these of the rows (n,) that are there, group by group: (G,)."""
        rows = rows if self.there is None else rows & self.there
        users = None if self.frequency is None else self.frequency[rows]
        return np.bincount(self.codes[rows], weights=users, minlength=self.n_groups).astype(np.int64)

    def rows(self, place: int) -> Rows:
        """Give the rows that are there and in the group at a place, ascending."""
        end = self._starts[place + 1] if place + 1 < self.n_groups else len(self._order)
        return self._order[self._starts[place] : end]

    def largest(self, values: Floats) -> Floats:
        """Give the largest of (n,) values in each group: (G,); groups have rows."""
        return np.maximum.reduceat(values[self._order], self._starts)

    def smallest(self, values: Floats) -> Floats:
        """Give the smallest of (n,) values in each group: (G,)."""
        return np.minimum.reduceat(values[self._order], self._starts)

    @cached_property
    def _order(self) -> Rows:
        """The rows that are there, those of a group together."""
        codes = self.codes if self.there is None else self.codes[self.there]
        narrow = codes.astype(np.uint16)  # which NumPy sorts in one pass
        order = np.argsort(narrow, kind="stable")
        return order if self.there is None else np.flatnonzero(self.there)[order]

    @cached_property
    def _starts(self) -> Rows:
        return np.searchsorted(self.codes[self._order], np.arange(self.n_groups))

    def name(self, place: int) -> str:
        """Call the group at a place, as in "tier = heavy, country = NO"."""
        key = self.index[place]
        values = key if isinstance(self.index, pd.MultiIndex) else (key,)
        return ", ".join(f"{column} = {value}" for column, value in zip(self.by, values, strict=True))


def group_columns(by: str | Sequence[str], reserved: Iterable[str] = ()) -> tuple[str, ...]:
    """Read one column to group by, or a list of several; `reserved` are names that tables have themselves."""
    names = tuple(by) if isinstance(by, list | tuple | pd.Index) else (by,)
    for name in names:
        checks.column_name("by", name)
        if names.count(name) > 1:
            raise InvalidInputError(f"by: column '{name}' is listed {names.count(name)} times")
        if name in reserved:
            raise InvalidInputError(
                f"by: the table has a level called '{name}' of its own; rename the column"
            )
    if not names:
        raise InvalidInputError("by: no column is named; at least one is needed")
    return names


def require_groups(by: object, *, within: object) -> None:
    """Require groups for models to be fitted within."""
    checks.flag("within", within)
    if within and by is None:
        raise InvalidInputError("within: there are no groups to fit models in; name their column, by=...")


def read_groups(
    df: AnyFrame,
    by: str | Sequence[str],
    *,
    treatment: str,
    outcomes: Sequence[str] = (),
    there: Bools | None = None,
    reserved: Iterable[str] = (),
) -> Grouping:
    """Read which group each row is in.

    Parameters
    ----------
    df : DataFrame
    by : str, or sequence of str
    treatment, outcomes : str, and sequence of str
        Columns that rows cannot be grouped by.
    there : ndarray (n,) of bool, or None, default None
        Which rows are there; groups that have none are no groups.
    reserved : iterable of str, default ()
        Names that columns cannot have.

    Raises
    ------
    InvalidInputError
        A column is unknown, incomplete, the treatment, an outcome or an amount, or there are too many groups.

    Warns
    -----
    ArgumentWarning
        There are more than 200 groups.
    """
    names = group_columns(by, reserved)
    for name in names:
        if name == treatment:
            raise InvalidInputError(f"by: column '{name}' is the treatment, whose arms are compared anyway")
        if name in outcomes:
            raise InvalidInputError(
                f"by: column '{name}' is the outcome; group by what was known before the treatment"
            )
    frame = open_frame(df, labels=names)
    rows: Any = slice(None) if there is None else there
    columns = [pd.factorize(frame.labels[name][rows], sort=True) for name in names]
    _require_no_amounts(df, names, columns)
    codes, index = _combined(names, columns)
    if len(index) > _MANY_GROUPS:
        which = f"column '{names[0]}' has" if len(names) == 1 else f"columns {checks.listed(names)} have"
        largest = max(range(len(names)), key=lambda place: len(columns[place][1]))
        many = f"by: {which} {len(index):,} values, each a group of its own"
        line = Subject.column(names[largest], df).classes()
        if len(index) > _MOST_GROUPS:
            raise InvalidInputError(
                f"{many}; more than {_MOST_GROUPS:,} are no table for anybody: cut an amount into classes, "
                f"{line}"
            )
        warn(f"{many}: where that is an amount, cut it into classes, {line}", ArgumentWarning)
    if there is not None:
        found = np.zeros(len(there), dtype=np.int64)
        found[there] = codes
        codes = found
    return Grouping(names, codes, index, there, frame.frequency)


def _require_no_amounts(df: AnyFrame, names: Sequence[str], columns: Sequence[tuple[Any, Any]]) -> None:
    """Require columns of numbers that are not whole to have few different ones.

    Raises
    ------
    InvalidInputError
        One has many: it is an amount, of which rows make no groups.
    """
    for name, (_, values) in zip(names, columns, strict=True):
        found = pd.Index(values)
        if len(found) > _MOST_OF_A_SCALE and found.dtype.kind == "f" and (found % 1 != 0).any():
            raise InvalidInputError(
                f"by: column '{name}' has {len(found):,} different numbers, and a group each would be few "
                f"rows: cut it into classes, {Subject.column(name, df).classes()}"
            )


def read_groups_of(
    fingerprint: Fingerprint,
    by: str | Sequence[str],
    made: Made,
    outcomes: Sequence[str],
    there: Bools | None,
) -> Grouping:
    """Read which group each row is in of the frame that something was made from, as `read_groups`.

    Raises
    ------
    InvalidInputError
        Its rows have changed since.
    TypeError
        A pickle has left the frame behind.
    """
    if fingerprint.frame is None:
        raise TypeError("by: the frame is not in a pickle; make the result anew, from the frame itself")
    fingerprint.require_same(open_frame(fingerprint.frame), None, replace(made, subject="by"))
    treatment = fingerprint.treatment or ""
    return read_groups(fingerprint.frame, by, treatment=treatment, outcomes=outcomes, there=there)


def _combined(names: tuple[str, ...], columns: Sequence[tuple[Any, Any]]) -> tuple[Rows, pd.Index[Any]]:
    """Give the codes (m,) of all columns together, and what they stand for."""
    if len(names) == 1:
        codes, values = columns[0]
        return codes.astype(np.int64), _plain(values, names[0])
    sizes = [len(values) for _, values in columns]
    both = np.ravel_multi_index([codes for codes, _ in columns], sizes)
    found, codes = np.unique(both, return_inverse=True)
    places = np.unravel_index(found, sizes)
    levels = [
        _plain(values, name).take(place)
        for (_, values), name, place in zip(columns, names, places, strict=True)
    ]
    return codes.astype(np.int64), pd.MultiIndex.from_arrays(levels, names=names)


def _plain(values: Any, name: str) -> pd.Index[Any]:
    """Give distinct labels as an index; of a categorical its values, which compare with anything."""
    index = pd.Index(values)
    if isinstance(index, pd.CategoricalIndex):
        index = index.astype(index.categories.dtype)
    found: pd.Index[Any] = index.rename(name)
    return found
