"""The names of outcomes, given by one name or a list of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np
import pandas as pd

from propensity.errors import InvalidInputError
from propensity.frames import checks


def are_names(outcome: object) -> TypeGuard[Sequence[str]]:
    """Tell several outcomes, by name, from the values of one."""
    return isinstance(outcome, list | tuple) and all(isinstance(name, str) for name in outcome)


def outcome_names(outcome: str | Sequence[str]) -> list[str]:
    """Read one outcome, or a list of several, as names of columns.

    Raises
    ------
    InvalidInputError
        The list is empty, or one is listed twice.
    TypeError
        One is not a name.
    """
    several = isinstance(outcome, list | tuple) or (
        isinstance(outcome, pd.Index | np.ndarray) and all(isinstance(name, str) for name in outcome)
    )
    names: list[Any] = list(outcome) if several else [outcome]
    listed_names("outcome", names)
    return names


def listed_names(role: str, names: Sequence[object]) -> None:
    """Require names of columns, each once, and one at least.

    Raises
    ------
    InvalidInputError
        There is none, or one is listed twice.
    TypeError
        One is not a name.
    """
    for name in names:
        checks.column_name(role, name)
        if names.count(name) > 1:
            raise InvalidInputError(f"{role}: column '{name}' is listed {names.count(name)} times")
    if not names:
        raise InvalidInputError(f"{role}: no column is named; at least one is needed")
