"""Strengths of hidden bias to look at, as they are given."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np

from propensity.errors import InvalidInputError
from propensity.frames import checks


def read_gammas(role: str, values: object) -> tuple[float, ...]:
    """Read factors of odds: a list of finite numbers of at least 1, each once and ascending.

    Raises
    ------
    InvalidInputError
        One is not such a number, or they are not in this order.
    TypeError
        It is no list.
    """
    if checks.is_real(values):
        values = [values]
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"{role}: a list of numbers is needed, as in {role}=[1.25, 1.5, 2], not {values!r}")
    listed = values.tolist() if isinstance(values, np.ndarray) else list(values)
    for value in listed:
        checks.number(role, value, minimum=1.0)
    gammas = tuple(map(float, listed))
    if not gammas:
        raise InvalidInputError(f"{role}: the list is empty; take some numbers of at least 1")
    if any(one >= other for one, other in itertools.pairwise(gammas)):
        raise InvalidInputError(f"{role}: {listed!r} are not ascending, each once; sort them")
    return gammas
