"""Columns that are read as they stand and hardly mean that: levels spelled in several ways, identifiers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

import pandas as pd

from propensity.calls.warned import warn
from propensity.errors import ColumnWarning
from propensity.frames.checks import listed
from propensity.frames.lines import Subject
from propensity.frames.native import AnyFrame, Column

_BLANK = ("", "nan", "<na>", "null", "n/a", "#n/a")
"""What stands for no value at all, in small letters; words such as "unknown" may be answers."""

_IDENTIFIER = re.compile(r"(?i:(^|_|\W)(id|uuid|guid|key))$|[a-z]I[dD]$")

_FEWEST_ROWS = 20  # numbers of few rows may all differ by chance

_MOST_SHOWN = 3  # groups of spellings in a message


def warn_of_columns(columns: Mapping[str, Column], data: AnyFrame, categories: Collection[str]) -> None:
    """Warn of covariates whose values hardly mean what they are read as.

    Parameters
    ----------
    columns : mapping of str to Series
        As they were read.
    data : DataFrame
        The caller's.
    categories : collection of str
        Those that are of a categorical type there: their levels somebody has chosen.
    """
    for name, column in columns.items():
        if name in categories:
            continue
        for said in doubts(column, name, Subject.column(name, data)):
            warn(f"column '{name}': {said}", ColumnWarning)


def doubts(column: Column, name: str, subject: Subject) -> Iterator[str]:
    """Say of a covariate, as it was read, what its values hardly mean, and what mends them."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        if _looks_like_identifier(column, name):
            yield (
                f"a different whole number in each of {len(column):,} rows, under the name of an identifier; "
                "as a covariate it is an amount, like an age: leave it out"
            )
        return
    levels = [level for level in column.cat.categories if isinstance(level, str)]
    blank = [level for level in levels if level.strip().casefold() in _BLANK]
    spelled: dict[str, list[str]] = {}
    for level in levels:
        spelled.setdefault(level.strip().lower(), []).append(level)
    several = [group for key, group in spelled.items() if len(group) > 1 and key not in _BLANK]
    if several:
        groups = "; ".join(listed(group) for group in several[:_MOST_SHOWN])
        more = f"; and {len(several) - _MOST_SHOWN:,} more" if len(several) > _MOST_SHOWN else ""
        yield (
            f"levels that are the same but for capitals and spaces are fitted apart, {groups}{more}; to make "
            f"one of each: {subject.plain_words()}"
        )
    if len(blank) > 1:
        line = subject.merged(blank, "missing")
        yield f"{len(blank)} levels stand for no value, {listed(blank)}; to make one of them: {line}"


def _looks_like_identifier(column: Column, name: str) -> bool:
    return (
        column.dtype.kind in "iu"
        and len(column) >= _FEWEST_ROWS
        and _IDENTIFIER.search(name) is not None
        and column.is_unique
    )
