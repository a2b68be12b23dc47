"""An outcome as matched rows have it: by name or by value, known where it counts, measured from near by."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from propensity.effects.arms import Means, OutcomeFacts
from propensity.errors import InvalidInputError
from propensity.frames import arms, checks
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.fingerprint import Fingerprint
from propensity.frames.kept import read_later
from propensity.frames.lines import drop_line


@dataclass(frozen=True, eq=False)
class MatchedOutcome:
    """An outcome of n rows, some of which may not need one.

    Attributes
    ----------
    values : ndarray (n,)
        Less `origin`; 0 where it is not known.
    origin : float
        The middle of the range, where that is far from zero: what all outcomes have in common cancels in
        every difference, and would cost as many digits first.
    known : ndarray (n,) of bool
    facts : OutcomeFacts
        Of the rows that are used, as they are.
    """

    values: Floats
    origin: float
    known: Bools
    facts: OutcomeFacts

    def where(self, rows: Bools) -> MatchedOutcome:
        """Give the same outcome where it is of these rows (n,), and 0 elsewhere."""
        return replace(self, values=np.where(rows, self.values, 0.0))

    def means(self, means: Means) -> Means:
        """Give means of `values` back as those of the outcome, and their difference with all its digits."""
        return Means(
            means.mean_treated + self.origin,
            means.mean_control + self.origin,
            means.influence_treated,
            means.influence_control,
            means.clusters,
            difference=means.estimate,
        )

    def is_held_by(self, values: Floats) -> bool:
        """Whether these values (n,) are those of the outcome, as far as it is known."""
        return np.array_equal((values - self.origin)[self.known], self.values[self.known])

    def of_every_row(self, index: pd.Index[Any]) -> Floats:
        """Give the values (n,), all of which are needed.

        Raises
        ------
        InvalidInputError
            Some rows have none.
        """
        if not self.known.all():
            where = checks.counted(~self.known, "missing value", index)
            raise InvalidInputError(
                f"outcome: {where}; this bootstrap looks at the rows beside the matched, too"
            )
        return self.values


def read_matched_outcome(
    outcome: object, fingerprint: Fingerprint, used: Bools, *, bounded: bool = True
) -> MatchedOutcome:
    """Read an outcome, by its name in the frame that was matched, or as values; unused rows need none.

    Raises
    ------
    InvalidInputError
        A row that is used has none; the values are of other rows.
    """
    column, subject = read_later(outcome, fingerprint)
    again = partial(_drop_and_match_again, outcome, fingerprint)
    checks.complete({str(subject): column[used]}, subject="{}", drop=again)
    arms.outcome(column[used], subject)  # as it is, so that a message has what was given
    values = arms.numbers(column)
    assert values is not None
    y = values.astype(np.float64)
    known = np.isfinite(y)
    s = fingerprint.sample_weight
    facts = OutcomeFacts.of(y[used], bounded=bounded, sample_weight=None if s is None else s[used])
    middle = facts.low / 2 + facts.high / 2
    origin = middle if abs(middle) > facts.high - facts.low else 0.0
    return MatchedOutcome(np.where(known, y - origin, 0.0), origin, known, facts)


def _drop_and_match_again(
    outcome: object, fingerprint: Fingerprint, _: Collection[str], infinite: Collection[str]
) -> str:
    """Write the line that drops rows without an outcome, and say what comes after it: other matches."""
    again = "then match again, for the partners of others may have been among these"
    if not isinstance(outcome, str):
        return again
    return f"{drop_line(fingerprint.frame, [outcome], [outcome] if infinite else [])}; {again}"


def require_told_apart(values: Floats, alike: Rows | None, used: Bools, index: pd.Index[Any]) -> None:
    """Refuse an outcome that differs among rows of which a draw chose by their place in the frame.

    Parameters
    ----------
    alike : ndarray (n,) of int, or None
        Rows of one number are alike in all that the frame held, and have no labels; -1 for rows that are not
        there. None where a draw decided nothing, or where labels decided.

    Raises
    ------
    InvalidInputError
        Another order of the rows would give another estimate.
    """
    if alike is None:
        return
    asked = used & (alike >= 0)
    groups = np.unique(alike[asked])
    order = np.lexsort((values, alike))
    same = alike[order][1:] == alike[order][:-1]
    differs = np.zeros(len(values), dtype=bool)
    apart = same & (values[order][1:] != values[order][:-1])
    differs[order[1:][apart]] = differs[order[:-1][apart]] = True
    differs &= np.isin(alike, groups)
    if differs.any():
        where = checks.counted(differs, "row", index)
        raise InvalidInputError(
            f"outcome: {where} hold what others do in all columns of the frame that was matched, but not in "
            "the outcome, and which of them is matched with whom would hang on the order of the rows; match "
            "a frame that has the outcome, or say what rows are called (ids=)"
        )
