"""Covariates to measure a hidden one by, or to leave out: groups of columns, as they are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from propensity.errors import InvalidInputError
from propensity.frames import checks

Benchmarks: TypeAlias = Sequence[str | Sequence[str]]
"""Columns, and lists of columns that make one benchmark together."""


def read_benchmarks(
    benchmarks: object, columns: Sequence[str], role: str = "benchmarks"
) -> Mapping[str, tuple[str, ...]]:
    """Read which of the covariates' columns are to be left out together, by a label.

    Raises
    ------
    InvalidInputError
        One is no covariate, or named twice.
    TypeError
        It is no list of names and of lists of names.
    """
    if isinstance(benchmarks, str):
        benchmarks = [benchmarks]
    if not isinstance(benchmarks, list | tuple):
        example = repr(columns[0]) if columns else "..."
        raise TypeError(f"{role}: a list of columns is needed, as in {role}=[{example}], not {benchmarks!r}")
    found: dict[str, tuple[str, ...]] = {}
    for one in benchmarks:
        names = (one,) if isinstance(one, str) else tuple(one) if isinstance(one, list | tuple) else (one,)
        for name in names:
            checks.column_name(role, name)
            if name not in columns:
                raise InvalidInputError(
                    f"{role}: '{name}' is not among the covariates, which are {checks.listed(columns)}"
                )
        label = " + ".join(names)
        if not names or len(set(names)) < len(names) or label in found:
            raise InvalidInputError(f"{role}: {one!r} is empty, or names a column twice; give each once")
        found[label] = names
    return found


def read_multiples(multiples: object) -> tuple[float, ...]:
    """Read how many times as strong as the benchmark a hidden confounder is to be."""
    if checks.is_real(multiples):
        multiples = [multiples]
    if not isinstance(multiples, list | tuple):
        raise TypeError(
            f"multiples: a list of numbers is needed, as in multiples=[1, 2, 3], not {multiples!r}"
        )
    for value in multiples:
        checks.number("multiples", value, above=0.0)
    if not multiples or len(set(multiples)) < len(multiples):
        raise InvalidInputError(f"multiples: {multiples!r} is empty, or has a number twice; give each once")
    return tuple(map(float, multiples))
