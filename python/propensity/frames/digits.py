"""Digits of amounts: numbers that a float64 would make one of, which nobody means to compare then."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from propensity.errors import InvalidInputError
from propensity.frames.lines import Subject

_EXACT = 2**53
"""Up to it a float64 has every whole number."""

_SHARE = 2.0**-30
"""Of the range of the values, what rounding may move one by. Instants in nanoseconds, rounded to 256 of them,
may be within minutes of each other; identifiers that differ in their last digits are beyond it."""


def require(values: NDArray[Any] | pd.Series[Any], subject: Subject) -> None:
    """Require whole numbers (n,) to be amounts that a float64 tells apart.

    Parameters
    ----------
    values : ndarray or Series (n,)
        Complete; of other types than whole numbers nothing is asked.
    subject : Subject
        What a message calls them.

    Raises
    ------
    InvalidInputError
        It does not.
    """
    if not are_kept(values):
        _refuse(int(values.min()), int(values.max()), subject)


def are_kept(values: NDArray[Any] | pd.Series[Any]) -> bool:
    """Whether a float64 tells whole numbers (n,) apart, as far as amounts go; true of other types."""
    if values.dtype.kind not in "iu" or not len(values):
        return True
    low, high = int(values.min()), int(values.max())
    return max(-low, high) <= _EXACT or not _are_merged(low, high)


def require_range(low: Any, high: Any, subject: Subject) -> None:
    """Require the same of exact numbers, whole or decimal, whose least and greatest are known."""
    if _are_merged(low, high):
        _refuse(low, high, subject)


def _are_merged(low: Any, high: Any) -> bool:
    try:
        rounding = float(np.spacing(float(max(-low, high)))) / 2
        return bool(high > low and rounding > _SHARE * float(high - low))
    except OverflowError:
        return False  # which is beyond a float64 altogether, as others say


def _refuse(low: Any, high: Any, subject: Subject) -> None:
    raise InvalidInputError(
        f"{subject}: numbers from {low} to {high}, of which a float64 has the leading 16 digits, so that "
        f"different ones become one; count from the least: {subject.from_least()}"
    )
