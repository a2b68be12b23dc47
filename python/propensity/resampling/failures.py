"""Replicates that could not be estimated: how many of them the others can stand for."""

from __future__ import annotations

from collections.abc import Sequence

from propensity.calls.warned import warn
from propensity.errors import InvalidInputError, OverlapWarning

TOLERATED = 0.05
"""Of the replicates; beyond, those that are left no longer speak for all."""


def tell_of_failures(failures: Sequence[tuple[int, InvalidInputError]], n_reps: int) -> None:
    """Raise where no replicate could be estimated; warn where more failed than the others can stand for."""
    if not failures:
        return
    _, first = min(failures, key=lambda failure: failure[0])
    if len(failures) == n_reps:
        raise InvalidInputError(f"none of the {n_reps:,} replicates could be estimated; the first: {first}")
    if len(failures) > TOLERATED * n_reps:
        warn(
            f"{len(failures):,} of {n_reps:,} replicates ({len(failures) / n_reps:.0%}) could not be "
            f"estimated, and the intervals are those of the others alone; the first of them: {first}",
            OverlapWarning,
        )
