"""Text that is numbers: a term for each of its levels is not what anybody means."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

from propensity.frames.lines import Subject

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf|nan", re.IGNORECASE)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
_DECIMAL_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d*),\d+([eE][+-]?\d+)?")
_SIGNS = "$€£¥%"

_NO_VALUE = frozenset(
    ["", "-", "--", ".", "?", "n/a", "#n/a", "na", "<na>", "nan", "null", "none", "missing", "unknown", "nil"]
)
"""What stands for a missing value in text, in small letters."""

_MANY = 20  # numbers among levels: with so many, what is no number is a slip, not a group


def is_no_value(level: object) -> bool:
    """Whether a level is a word for a missing value."""
    return isinstance(level, str) and level.strip().casefold() in _NO_VALUE


def is_number(level: object) -> bool:
    """Whether a level is text of a number, with or without a currency, thousands or a decimal comma."""
    return isinstance(level, str) and bool(
        _NUMBER.fullmatch(_bare(level))
        or _THOUSANDS.fullmatch(_bare(level))
        or _DECIMAL_COMMA.fullmatch(_bare(level))
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
    """Write the line that makes such text numbers."""
    found = [level for level in levels if isinstance(level, str)]
    bare = [_bare(level) for level in found if is_number(level)]
    signs = "".join(sign for sign in _SIGNS + " " if any(sign in level for level in found))
    with_comma = [level for level in bare if "," in level]
    thousands = bool(with_comma) and all(_THOUSANDS.fullmatch(level) for level in with_comma)
    commas = bool(with_comma) and not thousands
    grouped = "." if commas and any("." in level for level in with_comma) else ""
    return subject.number(
        without=signs + grouped + ("," if thousands else ""),
        point="," if commas else ".",
        lenient=any(not is_number(level) or level.strip().casefold() in _NO_VALUE for level in found),
    )


def not_numbers(column: pd.Series) -> pd.Series:
    """Find the rows whose level is no number, though others' are."""
    levels = column.cat.categories
    others = [level for level in levels if not is_number(level) or is_no_value(level)]
    return column.isin(others)


def _bare(level: str) -> str:
    return level.translate(dict.fromkeys(map(ord, _SIGNS))).strip()
