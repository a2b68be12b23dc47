"""Text that is numbers or dates: a term for each of its levels is not what anybody means."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

from propensity.frames.checks import counted, listed
from propensity.frames.lines import Subject
from propensity.frames.native import Column

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf|nan", re.IGNORECASE)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
_DECIMAL_COMMA = re.compile(r"[+-]?([1-9]\d{0,2}(\.\d{3})+|\d*),\d+([eE][+-]?\d+)?")
_POINTED = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+")
_BRACKETED = re.compile(r"\(\s*([\d.,]+)\s*\)")
"""Of bookkeepers, who write losses so."""
_SIGNS = "$€£¥%"

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?")

_NO_VALUE = frozenset(
    ["", "-", "--", ".", "?", "n/a", "#n/a", "na", "<na>", "nan", "null", "none", "missing", "unknown", "nil"]
)
"""What stands for a missing value in text, in small letters."""

_MOST_COHORTS = 20  # dates that may be groups of users; more are a line of time
_MANY = 20  # numbers among levels: with so many, what is no number is a slip, not a group


def is_no_value(level: object) -> bool:
    """Whether a level is a word for a missing value."""
    return isinstance(level, str) and level.strip().casefold() in _NO_VALUE


def is_number(level: object) -> bool:
    """Whether a level is text of a number, with or without a currency, thousands or a decimal comma."""
    return isinstance(level, str) and any(
        written.fullmatch(_bare(level)) for written in (_NUMBER, _THOUSANDS, _DECIMAL_COMMA, _POINTED)
    )


def are_numbers(levels: Iterable[object]) -> bool:
    """Whether levels are numbers written as text, some words for missing values aside."""
    found = list(levels)
    numbers = [level for level in found if is_number(level) and not is_no_value(level)]
    others = len(found) - len(numbers)
    if not numbers:
        return bool(found) and all(is_number(level) for level in found)
    if all(is_number(level) or is_no_value(level) for level in found):
        return True
    return len(numbers) >= _MANY and others <= len(numbers) / 10


def number_line(levels: Iterable[object], subject: Subject) -> str:
    """Write the line that makes such text numbers; two, where a point or comma may be two things."""
    found = [level for level in levels if isinstance(level, str)]
    bare = [_bare(level) for level in found if is_number(level)]
    signs = "".join(sign for sign in _SIGNS + " " if any(sign in level for level in found))
    brackets = any(_BRACKETED.search(level) for level in found)
    lenient = any(not is_number(level) or is_no_value(level) for level in found)

    def line(grouped: str, point: str) -> str:
        return subject.number(without=signs + grouped, point=point, brackets=brackets, lenient=lenient)

    with_comma = [level for level in bare if "," in level]
    with_point = [level for level in bare if "." in level]
    if not with_comma:
        if not with_point or not all(map(_POINTED.fullmatch, with_point)) or _goes_on(bare, "."):
            return line("", ".")
        if any(level.count(".") > 1 for level in with_point):
            return line(".", ".")
        return f"{line('', '.')}, or where the points separate thousands {line('.', '.')}"
    if not all(map(_THOUSANDS.fullmatch, with_comma)) or _goes_on(bare, ","):
        return line("." if any("." in level for level in with_comma) else "", ",")
    if with_point or any(level.count(",") > 1 for level in with_comma):
        return line(",", ".")
    return f"{line(',', '.')}, or where the commas are decimal ones {line('', ',')}"


def _goes_on(bare: Iterable[str], separator: str) -> bool:
    """Whether numbers without a separator are so long that they would have one, did it separate thousands."""
    return any(len(level.lstrip("+-")) > 3 for level in bare if separator not in level and level.isdecimal())


def described(column: pd.Series) -> str:
    """Say how many of a column's values are numbers, and what the others are."""
    found = column.cat.categories
    no_numbers = not_numbers(column).to_numpy()
    if not no_numbers.any():
        return f"text whose levels are all numbers, {listed(found[:3])}"
    others = [level for level in found if not is_number(level) or is_no_value(level)]
    return (
        f"{len(column) - no_numbers.sum():,} of {len(column):,} values are numbers written as text, and "
        f"{counted(no_numbers, 'value', column.index)} no number: {listed(others)}"
    )


def are_dates(levels: Iterable[object]) -> bool:
    """Whether levels are ISO dates written as text, some words for missing values aside."""
    dated = [level for level in levels if not is_no_value(level)]
    return bool(dated) and all(isinstance(level, str) and _DATE.fullmatch(level.strip()) for level in dated)


def days_line(levels: Iterable[object], subject: Subject) -> str:
    """Write the line that makes such text the days since the first."""
    matches = [_DATE.fullmatch(str(level).strip()) for level in levels]
    return subject.days_of_text(
        times=any(match is not None and match[1] for match in matches),
        zones=any(match is not None and match[4] for match in matches),
        lenient=None in matches,
    )


def not_numbers(column: pd.Series) -> pd.Series:
    """Find the rows whose level is no number, though others' are."""
    levels = column.cat.categories
    others = [level for level in levels if not is_number(level) or is_no_value(level)]
    return column.isin(others)


def _bare(level: str) -> str:
    plain = level.translate(dict.fromkeys(map(ord, _SIGNS))).strip()
    return _BRACKETED.sub(r"-\1", plain) if _BRACKETED.fullmatch(plain) else plain


def require_no_numbers(column: Column, subject: Subject) -> None:
    """Require text not to be numbers that were read as text: a term for each of them is not what is meant."""
    found = column.cat.categories
    if are_numbers(found):
        raise TypeError(
            f"{subject}: {described(column)}; if they are numbers: {number_line(found, subject)}; "
            f"if they are codes: {subject.code()}"
        )


def require_no_dates(column: Column, subject: Subject) -> None:
    """Require text not to be dates: a few may be cohorts, but many are a line of time."""
    found = column.cat.categories
    if len(found) > _MOST_COHORTS and are_dates(found):
        raise TypeError(
            f"{subject}: text of {len(found):,} dates, {listed(found[:3])}, and a term for each; for "
            f"days since the first: {days_line(found, subject)}; if they are cohorts: {subject.code()}"
        )
