"""Treatments and outcomes: two arms, numbers to compare; where a column is neither, the line that mends it.

Which level is the treated one is the user's to say. A guess that puts the arms the wrong way round turns the
sign of every effect, so that one is made only where the other level is called what controls are called.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from propensity.errors import InvalidInputError
from propensity.frames import digits, kinds, text
from propensity.frames.checks import Bools, Floats, listed
from propensity.frames.lines import THE_TREATED, Subject
from propensity.frames.native import AnySeries, Column
from propensity.frames.rowwise_checks import LARGEST, SMALLEST

# fmt: off
_CONTROL_WORDS = frozenset((
    "false", "no", "not", "non", "never", "none", "nothing", "without", "neither", "off", "out",
    "control", "controls", "ctrl", "ctl", "placebo", "sham", "untreated", "unexposed", "holdout", "old",
    "before", "pre", "baseline", "default", "standard", "usual", "disabled", "inactive",
))
"""What controls are called, word by word, in small letters."""

_EVEN_IN_COMPOUNDS = frozenset((
    "false", "control", "controls", "ctrl", "ctl", "placebo", "sham", "untreated", "unexposed", "holdout",
    "disabled", "inactive",
))
"""Those of them that a hyphen makes nothing else of, as it does of "no" and "off" in no-code and off-grid."""

_OPPOSITES = {
    "off": "on", "out": "in", "no": "yes", "without": "with", "pre": "post", "before": "after",
    "old": "new", "never": "always", "none": "all",
}
# fmt: on
"""A compound is a control beside its opposite: opt-out and opt-in."""

_COMPOUND = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)+")

_NEGATIONS = ("un", "non", "not", "no", "dis", "in", "de")
"""What makes the name of a control of that of the treated: unexposed, non-user."""

_LETTERS = ((("n",), ("y",)), (("f",), ("t",)))
"""No and yes, false and true, as letters: alone they may be anything."""

_MOST_ARMS = 10
"""More numbers than these are amounts, not arms."""


def read_treatment(values: AnySeries, subject: Subject) -> Column:
    """Read the column of a treatment as one of the four kinds.

    Raises
    ------
    TypeError
        It holds dates, as of an opt-in, or what is neither numbers nor text.
    """
    try:
        return kinds.read(values, subject)
    except TypeError:
        if not holds_dates(values):
            raise
        raise TypeError(
            f"{subject}: the treatment must be bool or 0/1, and these are dates; where a missing date means "
            f"not treated: {subject.is_known()}"
        ) from None


def treatment(column: Column, subject: Subject, frequency: Floats | None = None) -> Bools:
    """Read a complete treatment, bool or 0/1, as (n,) bool: True for the treated.

    `frequency` says how many users each row stands for, where that is not one.

    Raises
    ------
    InvalidInputError
        It has other levels, or an arm has fewer than 2 rows, or users.
    """
    values = numbers(column)
    if values is not None and values.dtype == bool:
        treated = values
    elif values is not None and ((values == 0) | (values == 1)).all():
        treated = values == 1
    else:
        raise InvalidInputError(_not_two_arms(column, subject))
    n_treated = int(treated.sum() if frequency is None else frequency[treated].sum())
    n_control = int(len(treated) if frequency is None else frequency.sum()) - n_treated
    if min(n_treated, n_control) < 2:
        raise InvalidInputError(
            f"{subject}: {n_treated:,} treated and {n_control:,} control rows; at least 2 of each are needed"
        )
    return treated


def outcome(column: Column, subject: Subject, role: str = "an outcome") -> Floats:
    """Read a complete outcome, numeric or bool, or categories of these, as (n,) float64.

    Raises
    ------
    InvalidInputError
        Its squares are out of range.
    TypeError
        It is text.
    """
    values = numbers(column)
    if values is not None:
        digits.require(values, subject)
    if values is None:
        raise TypeError(
            f"{subject}: {role} must be numeric or bool, not text; {_numbers_of(column, subject)}"
        )
    y = values.astype(np.float64, copy=False)
    largest = max(abs(y.min()), abs(y.max())) if len(y) else 0.0
    if largest and not SMALLEST <= largest <= LARGEST:
        raise InvalidInputError(
            f"{subject}: values up to {largest:g}, whose squares are out of a float64's range; "
            "take other units"
        )
    return y


def numbers(column: Column) -> NDArray[Any] | None:
    """Give the numbers of a column, or of the categories of one; None for text."""
    if isinstance(column.dtype, pd.CategoricalDtype) and column.cat.categories.dtype.kind in "bif":
        return column.to_numpy()
    return column.to_numpy() if column.dtype.kind in "bif" else None


def control_among(levels: Sequence[object]) -> object | None:
    """Find the level that is called what a control is called; None where none is, or more than one."""
    found = [
        level for level in levels if _is_control(level, [other for other in levels if other is not level])
    ]
    return found[0] if len(found) == 1 else None


def treated_of(levels: Sequence[object]) -> object:
    """Guess the treated one of two levels, or leave a slot."""
    if len(levels) == 2:
        control = control_among(levels)
        if control is not None:
            return next(level for level in levels if level is not control)
        if all(_is_number(level) for level in levels):
            return max(levels)  # type: ignore[type-var]
    return THE_TREATED


def _is_control(level: object, others: Sequence[object]) -> bool:
    if _is_number(level):
        return bool(level == 0)
    words, compounds = _words(level), _COMPOUND.findall(str(level).casefold())
    alone = _words(_COMPOUND.sub(" ", str(level).casefold()))
    if any(word in _CONTROL_WORDS or (word[0].isdecimal() and float(word) == 0) for word in alone):
        return True
    for compound in compounds:
        parts = compound.split("-")
        if "".join(parts) in _CONTROL_WORDS or not _EVEN_IN_COMPOUNDS.isdisjoint(parts):
            return True
    if any(_are_opposite(words, _words(other)) for other in others):
        return True
    if len(others) == 1 and (tuple(words), tuple(_words(others[0]))) in _LETTERS:
        return True
    joined = "".join(words)
    negations = [negation for negation in _NEGATIONS if negation != "no" or "no" in alone or not compounds]
    return any(joined == negation + "".join(_words(other)) for other in others for negation in negations)


def _are_opposite(words: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two names are the same but for a word of a control and its opposite in the other."""
    differ = [pair for pair in zip(words, others, strict=False) if pair[0] != pair[1]]
    return len(words) == len(others) and len(differ) == 1 and _OPPOSITES.get(differ[0][0]) == differ[0][1]


def _words(level: object) -> list[str]:
    return re.findall(r"\d+(?:\.\d+)?|[^\W\d_]+", str(level).casefold())


def _is_number(level: object) -> bool:
    return isinstance(level, int | float | np.number) and not isinstance(level, bool | np.bool_)


def holds_dates(values: AnySeries) -> bool:
    """Whether a series of any library holds dates or times."""
    dtype = str(getattr(values, "dtype", getattr(values, "type", "")))
    if dtype == "object":
        return pd.api.types.infer_dtype(values, skipna=True).startswith("date")
    return dtype.startswith(("datetime64", "Datetime", "Date", "timestamp", "date"))


def _not_two_arms(column: Column, subject: Subject) -> str:
    """Say what the levels are, and the line that makes two arms of them."""
    levels = in_order(column.unique())
    if not levels:
        return f"{subject}: 0 treated and 0 control rows; at least 2 of each are needed"
    start = f"{subject}: the treatment must be bool or 0/1"
    if len(levels) == 1:
        return f"{start}, but it is {listed(levels)} in every row; both arms are needed"
    if len(levels) > _MOST_ARMS and all(_is_number(level) for level in levels):
        return (
            f"{start}, but its levels are {listed(levels)}; a dose is not supported: compare those above a "
            f"bound with the others, {subject.exceeds('<the bound>')}"
        )
    its = f"{start}, but its levels are {listed(levels)}"
    if len(levels) == 2:
        return f"{its}; say which one is treated: {subject.equals(treated_of(levels))}"
    alike = {" ".join(str(level).casefold().split()) for level in levels if isinstance(level, str)}
    if len(alike) == 2 and all(isinstance(level, str) for level in levels):
        return f"{its}; some are the same but for capitals and spaces, {subject.plain_words()}"
    control = control_among(levels)
    two = ["<the control level>" if control is None else control, THE_TREATED]
    return (
        f"{its}; a comparison is of two arms: keep two of them first, {subject.keep(two)}, then say which "
        f"one is treated: {subject.equals(THE_TREATED)}"
    )


def _numbers_of(column: Column, subject: Subject) -> str:
    """Say how text becomes an outcome."""
    levels = list(column.cat.categories)
    if text.are_numbers(levels):
        line = text.number_line(levels, subject)
        if text.not_numbers(column).any():
            return f"{text.described(column)}; make them numbers: {line}"
        return f"these are numbers, {line}"
    if text.are_dates(levels):
        return f"these are dates; for days since the first: {text.days_line(levels, subject)}"
    level = treated_of(levels)
    slot = "<the level>" if level == THE_TREATED else level
    its = f"its levels are {listed(levels)}"
    if len({" ".join(str(level).casefold().split()) for level in levels}) < len(levels):
        return f"{its}; some are the same but for capitals and spaces, {subject.plain_words()}"
    return f"{its}; for the share of one level: {subject.equals(slot)}"


def missing_means(column: Column, subject: Subject, *, bools: bool, nullable: bool, role: str) -> str:
    """Say what to do about missing values of a flag: a join leaves them where there was no row to join.

    Returns
    -------
    str
        Empty, where the column is no flag.
    """
    known = column[column.notna()]
    values = numbers(known)
    if values is not None and len(values) and ((values == 0) | (values == 1)).all():
        level: object = True if bools else 1
    elif values is None and role == "treatment" and len(known.cat.categories) == 1:
        level = known.cat.categories[0]
    elif values is None and role == "treatment" and text.are_dates(known.cat.categories):
        return f"these are dates; where a missing date means not treated: {subject.is_known()}"
    elif values is None and role == "treatment" and len(known.cat.categories) == 2:
        level = treated_of(list(known.cat.categories))
    else:
        return ""
    line = subject.equals_though_missing(level, nullable=nullable)
    if role != "treatment":
        return f"drop these rows, or where missing means no: {line}"
    # Of a join with those who were treated nobody else is left when the rest is dropped.
    alone = known.nunique() == 1 if values is None else bool(values.all())
    return f"{'' if alone else 'drop these rows, or '}where missing means not treated: {line}"


def in_order(levels: Iterable[object]) -> list[Any]:
    """Sort levels; those of several types, which have no order, by how they are written."""
    found = list(levels)
    try:
        return sorted(found)
    except TypeError:
        return sorted(found, key=str)
