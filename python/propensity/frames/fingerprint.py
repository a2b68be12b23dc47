"""The rows that something was made from, and whether a frame still has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from propensity import core
from propensity.errors import InvalidInputError
from propensity.frames import checks, rowwise_checks
from propensity.frames.checks import Bools, Floats
from propensity.frames.native import AnyFrame, Column
from propensity.results.read_only import ReadOnly

if TYPE_CHECKING:
    from propensity.frames.columns import Frame

Print: TypeAlias = tuple[int, int]
"""What a column holds: a number of its values in their order, and one of its values in any order."""


@dataclass(frozen=True, eq=False)
class Fingerprint(ReadOnly):
    """What n rows are called, and what they held when something was made from them.

    Labels alone do not make rows the same: polars and pyarrow have none, and an index that was reset says
    where a row stands. So the columns that were read are compared too, all that a frame still has.

    Attributes
    ----------
    index : Index
        What rows are called; positions where the frame's library has no labels.
    treated : ndarray (n,) of bool, or None
        Who was treated.
    sample_weight : ndarray (n,) or None
        What each row counted for; None where every row counted one.
    columns : mapping of str to (int, int)
        What each column held that was read.
    frame : object or None
        The caller's frame, where more of it may be read later; a pickle leaves it behind.
    treatment : str or None
        The column of who was treated, where there is one.
    tidied : str
        What stood for missing values and rare levels; empty where nothing was tidied.
    frequency : ndarray (n,) or None
        How many users each stands for; None where each is one.
    """

    index: pd.Index[Any]
    treated: Bools | None
    sample_weight: Floats | None
    columns: Mapping[str, Print]
    frame: AnyFrame | None = None
    treatment: str | None = None
    tidied: str = ""
    frequency: Floats | None = None

    @property
    def told_by(self) -> pd.Index[Any]:
        """What rows are told by: their labels."""
        return self.index

    def by_cell(self, values: Bools) -> Bools:
        """Give values (n,) as they are: they are those of what the fingerprint is of."""
        return values

    def n_users(self, members: Bools) -> int:
        """Count the users that some rows (n,) stand for."""
        return int(members.sum() if self.frequency is None else self.frequency[members].sum())

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "frame": None}

    def changed(self, rows: Frame | Fingerprint) -> tuple[list[str], list[str]]:
        """Name the columns that hold other values now, and those with the same in another order."""
        if isinstance(rows, Fingerprint):
            names, found = [name for name in self.columns if name in rows.columns], rows.columns
        else:
            names = [name for name in self.columns if rows.has(name)]
            found = rows.prints(names)
        other = [name for name in names if found[name][1] != self.columns[name][1]]
        moved = [name for name in names if found[name] != self.columns[name] and name not in other]
        return other, moved

    def require_same(self, rows: Frame | Fingerprint, treated: Bools | None, made: Made) -> None:
        """Require a frame, or what else was made, to have the very rows.

        Raises
        ------
        InvalidInputError
            The labels, the treatment or a column are others.
        """
        if not self.index.equals(rows.told_by):
            remedy = made.remedy_for(self.index, rows.told_by)  # a look through all labels
            rowwise_checks.same_index(made.subject, self.index, rows.told_by, remedy)
        other, moved = self.changed(rows)
        # Of rows in another order the treatment differs too, and that is not what has happened to it.
        reordered = not other and any(name != self.treatment for name in moved)
        if treated is not None and self.treated is not None and not reordered:
            now = rows.by_cell(treated)
            rowwise_checks.same_treated(made.subject, self.treated, now, rows.told_by, made.again)
        if other or moved:
            counted = None if made.count is None or isinstance(rows, Fingerprint) else made.count(rows)
            difference = _difference(other, moved, counted)
            remedy = made.again if other else "put them back in the order that they had then"
            raise InvalidInputError(f"{made.subject}: {difference} since {made.when}; {remedy}")


@dataclass(frozen=True, eq=False)
class Made:
    """What was made from rows, in the words of a message.

    Attributes
    ----------
    subject : str
        What it is called: "scores", "weights".
    when : str
        As in "the model was fitted".
    again : str
        What to do where the rows have changed.
    fewer, reordered, new, unsure : str
        What to do with some of its rows, with all of them in another order, with others, and with fewer rows
        that have no labels to tell; as `again` where nothing else is to be done.
    count : function of a frame, or None
        Counts the rows that have changed, where that can be known; None where it cannot.
    """

    subject: str
    when: str
    again: str
    fewer: str = ""
    reordered: str = ""
    new: str = ""
    unsure: str = ""
    count: Callable[[Frame], str | None] | None = None

    def remedy_for(self, then: pd.Index[Any], now: pd.Index[Any]) -> str:
        """Say what to do with rows of other labels."""
        if len(now) < len(then) and isinstance(now, pd.RangeIndex) and isinstance(then, pd.RangeIndex):
            return self.unsure or self.again
        known = len(now) <= len(then) and bool(now.isin(then).all())
        what = self.new if not known else self.fewer if len(now) < len(then) else self.reordered
        return what or self.again


def _difference(other: Sequence[str], moved: Sequence[str], rows: str | None) -> str:
    if not other:
        return f"the rows have been put in another order ({holding_elsewhere(moved)})"
    if rows is None:
        return f"{_named([*other, *moved], 'has')} changed"
    return f"{_named([*other, *moved], 'has')} changed in {rows}"


def holding_elsewhere(moved: Sequence[str]) -> str:
    """Say in which columns an order shows."""
    return f"{_named(moved, 'holds')} the same values elsewhere"


def _named(names: Sequence[str], verb: str) -> str:
    if len(names) == 1:
        return f"column {checks.listed(names)} {verb}"
    return f"columns {checks.listed(names)} {'have' if verb == 'has' else 'hold'}"


def prints_of(columns: Mapping[str, Column]) -> dict[str, Print]:
    """Give what each column holds, in two numbers; they do not depend on the library it came from."""
    found = core.fingerprints([_words(column) for column in columns.values()])
    return dict(zip(columns, map(tuple, found.tolist()), strict=True))


def _words(column: Column) -> NDArray[Any] | tuple[NDArray[Any], NDArray[Any]]:
    """Give numbers as they are; levels as codes and what their names hash to, whatever their order."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return _numbers(column)
    names = np.array([str(level) for level in column.cat.categories] + [""], dtype=object)
    # A missing value is the last, code -1.
    return column.cat.codes.to_numpy(), pd.util.hash_array(names, categorize=False)


def _numbers(column: Column) -> NDArray[Any]:
    """Give numbers as they are, dates in UTC and durations in microseconds, and what the rest hashes to."""
    if column.dtype.kind in "bf" or column.dtype in (np.int64, np.uint64):
        return column.to_numpy()
    if column.dtype.kind in "mM":
        instants = column.to_numpy(dtype="timedelta64[us]" if column.dtype.kind == "m" else "datetime64[us]")
        return instants.view(np.int64)
    return np.asarray(pd.util.hash_pandas_object(column, index=False))
