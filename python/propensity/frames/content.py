"""What rows hold, as numbers that draws can belong to: the same from every library, in any order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.columns import read_column
from propensity.frames.kinds import read_distance
from propensity.frames.labels import read as read_label
from propensity.frames.native import AnyFrame, Column, column_names
from propensity.frames.rows import hashed

_Words = NDArray[np.uint64]

_MISSING, _FRACTION = np.uint64(0xA5A5A5A5A5A5A5A5), np.uint64(0x5C5C5C5C5C5C5C5C)
_MOST_KEPT = 2**24  # words of two kinds: 256 MB
_WHOLE = 2.0**53  # below it whole numbers have all their digits in a float64


@dataclass(frozen=True, eq=False)
class Identities:
    """A number for each of n rows that its draws belong to.

    Attributes
    ----------
    ids : ndarray (n,) of int
    alike : ndarray (n,) of int
        Rows of an arm that hold the same in all columns have the same number, others different ones; -1 for
        rows that are not there.
    """

    ids: Rows
    alike: Rows


def identify(
    data: AnyFrame, treatment: str, treated: Bools, rows: Bools, labels: pd.Index[Any]
) -> Identities:
    """Give each row a number that hangs on what it holds, and on its label where others hold the same.

    Columns that cannot be read, or that hold the same in all rows, do not count, nor do columns' names, and
    the treatment only tells arms apart: rows are drawn from among their own. All other columns count, for
    any may be the outcome, of which nothing is known yet: rows that differ in it are not to be told apart by
    their place. Of a fraction first the digits count that a float32 has,
    and only then the others: scores that were fitted to the same rows in another order differ in the last
    digit, and should not change what is drawn.

    Parameters
    ----------
    treated, rows : ndarray (n,) of bool
        Who was treated, and which rows are there; the others get the number 0.
    labels : Index (n,)
        What rows are called.
    """
    held = _Held(data, rows)
    there = treated[rows]
    names = [name for name in column_names(data) if isinstance(name, str) and name != treatment]
    rough, exact = np.zeros((2, len(there)), dtype=np.uint64)
    for salt, name in enumerate(_by_content(held, names, there), start=1):
        words, salted = held.words(name), mix(np.array([salt], dtype=np.uint64))
        rough += mix(words[0] ^ salted)
        exact += mix(words[1] ^ salted)
    ids, alike = np.zeros((2, len(rows)), dtype=np.int64)
    ids[rows], alike[rows] = _told_apart(rough, exact, treated[rows], hashed(labels)[rows])
    alike[~rows] = -1
    return Identities(ids, alike)


class _Held:
    """What the rows that are there hold, read column by column; kept as far as there is room for it."""

    def __init__(self, data: AnyFrame, rows: Bools) -> None:
        self._data, self._rows = data, rows
        self._kept: dict[str, tuple[_Words, _Words]] = {}

    def words(self, name: str) -> tuple[_Words, _Words]:
        """Read a column, roughly and exactly: nothing where it cannot be read, or is the same in all rows."""
        if name in self._kept:
            return self._kept[name]
        found = self._read(name)
        if sum(len(rough) for rough, _ in self._kept.values()) + len(found[0]) <= _MOST_KEPT:
            self._kept[name] = found
        return found

    def _read(self, name: str) -> tuple[_Words, _Words]:
        column = _read(self._data, name)
        found = None if column is None else _words(column, self._rows)
        return (np.zeros(0, dtype=np.uint64),) * 2 if found is None else found


def _by_content(held: _Held, names: Sequence[str], treated: Bools) -> list[str]:
    """Put the columns that tell rows apart in an order that hangs on what they hold, not on their names.

    First of their values in either arm, whichever that is; where that is the same, of how they stand beside
    the others' values; and of columns that could change places without a trace, of their names after all.
    """
    keys = {}
    for name in names:
        rough = held.words(name)[0]
        if len(rough):
            of_arms = [float(_uniform(rough[treated == arm]).sum()) for arm in (True, False)]
            keys[name] = (_rounded(sum(of_arms)), _rounded(abs(of_arms[0] - of_arms[1])))
    level = {key: rank for rank, key in enumerate(sorted(set(keys.values())), start=1)}
    beside = dict.fromkeys(keys, 0.0)
    if len(level) < len(keys):
        together = np.zeros(len(treated), dtype=np.uint64)
        for name, key in keys.items():
            together += mix(held.words(name)[0] ^ mix(np.array([level[key]], dtype=np.uint64)))
        for name in keys:
            beside[name] = _rounded(float(_uniform(held.words(name)[0] ^ mix(together)).sum()))
    return sorted(keys, key=lambda name: (level[keys[name]], beside[name], name))


def _uniform(words: _Words) -> Floats:
    """Give numbers from 0 to 1 whose sums tell columns apart; one row rounded otherwise hardly moves them."""
    return (mix(words) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _rounded(total: float) -> float:
    return round(total, 4)  # sums of a million rows in another order differ by 1e-10


def _read(data: AnyFrame, name: str) -> Column | None:
    """Read what a column holds, however it is held; None where it cannot be told."""
    for reader in (read_distance, read_label):
        try:
            return read_column(data, name, reader)
        except (TypeError, ValueError):
            continue
    return None


def _told_apart(rough: _Words, exact: _Words, treated: Bools, labels: Rows) -> tuple[Rows, Rows]:
    """Tell rows apart by `rough`; those of an arm that share it by their place in order of the rest."""
    order = _in_order(rough, treated, exact, labels)
    new = np.ones((3, len(order)), dtype=bool)
    for level, words in enumerate((rough, treated, exact)):
        own = words[order]
        new[level, 1:] = own[1:] != own[:-1]
    new = np.logical_or.accumulate(new, axis=0)
    first = np.maximum.accumulate(np.where(new[1], np.arange(len(order)), 0))
    place, alike = np.empty((2, len(order)), dtype=np.int64)
    place[order] = np.arange(len(order)) - first
    alike[order] = np.cumsum(new[2])
    return mix(rough + mix(place.astype(np.uint64))).view(np.int64), alike


def _in_order(rough: _Words, treated: Bools, exact: _Words, labels: Rows) -> Rows:
    """Put rows in the order of all of these, of which the first tells nearly all of them apart."""
    order = np.argsort(rough)
    own = rough[order]
    same = own[1:] == own[:-1]
    if not same.any():
        return order
    tied = np.append(same, False)
    tied[1:] |= same
    places = np.flatnonzero(tied)
    rows = order[places]
    order[places] = rows[np.lexsort((labels[rows], exact[rows], treated[rows], rough[rows]))]
    return order


def _words(column: Column, rows: Bools) -> tuple[_Words, _Words] | None:
    """Read what a column holds, roughly and exactly; None where that is the same in all rows."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        levels = column.cat.categories
        codes = column.cat.codes.to_numpy()[rows]
        if len(codes) == 0 or codes.min() == codes.max():
            return None
        if levels.dtype.kind in "biuf":
            found = _of_numbers(np.append(levels.to_numpy(), np.nan if levels.dtype.kind == "f" else 0))
        else:
            words = pd.util.hash_array(np.array([str(level) for level in levels], dtype=object))
            found = (np.append(words, np.uint64(0)),) * 2
        for words in found[:1] if found[0] is found[1] else found:
            words[-1] = _MISSING  # the code of a missing value is -1
        return found[0][codes], found[1][codes]
    values = column.to_numpy()[rows]
    if values.dtype.kind in "mM":
        unit = "datetime64[ns]" if values.dtype.kind == "M" else "timedelta64[ns]"
        values = values.astype(unit).view(np.int64)
    if len(values) == 0 or values.min() == values.max() or values.dtype.kind not in "biuf":
        return None
    return _of_numbers(values)


def _of_numbers(values: NDArray[np.generic]) -> tuple[_Words, _Words]:
    if values.dtype.kind in "biu":
        words = values.astype(np.int64).view(np.uint64)
        return words, words
    numbers: Floats = values.astype(np.float64)
    whole = (np.abs(numbers) < _WHOLE) & (numbers == np.rint(numbers))
    words = np.where(whole, numbers, 0.0).astype(np.int64).view(np.uint64)
    if whole.all():
        return words, words
    missing = np.isnan(numbers)
    found = []
    with np.errstate(over="ignore"):
        for rounded in (numbers.astype(np.float32).astype(np.float64), numbers):
            fractions = np.where(missing, _MISSING, (rounded + 0.0).view(np.uint64) ^ _FRACTION)
            found.append(np.where(whole, words, fractions))
    return found[0], found[1]


def mix(words: _Words) -> _Words:
    """Mix bits by the finalizer of SplitMix64 (Steele, Lea and Flood 2014)."""
    z = words + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
