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
from propensity.frames.columns import read_column
from propensity.frames.counted_rows import CountedRows, OfCountedRows, mass_of
from propensity.frames.fingerprint import Fingerprint
from propensity.frames.kept import outcome_rows, read_later
from propensity.frames.lines import Subject, drop_line


@dataclass(frozen=True, eq=False)
class MatchedOutcome(OfCountedRows):
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
    counted : CountedRows or None
        Where cells were matched the rows of one value each that these n are; None where each is a user.
    name : str
        Of cells what the outcome is called there.
    """

    values: Floats
    origin: float
    known: Bools
    facts: OutcomeFacts
    counted: CountedRows | None = None
    name: str = ""

    def facts_in(self, rows: Bools, sample_weight: Floats | None) -> OutcomeFacts:
        """Look at the outcome in some of the rows (n,) that are used; weights (n,) are those of one user."""
        mass = mass_of(sample_weight, self.frequency)
        ends = None if self.counted is None else self.counted.ends.get(self.name)
        y = self.values + self.origin
        return OutcomeFacts.among(rows, y, mass, ends, bounded=self.facts.bounded)

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
    if fingerprint.frequency is not None:
        return _outcome_of_cells(outcome, fingerprint, used, bounded=bounded)
    column, subject = read_later(outcome, fingerprint)
    again = partial(_drop_and_match_again, outcome, fingerprint)
    checks.complete({str(subject): column[used]}, subject="{}", drop=again)
    arms.outcome(column[used], subject)  # as it is, so that a message has what was given
    values = arms.numbers(column)
    assert values is not None
    y = values.astype(np.float64)
    known = np.isfinite(y)
    s = fingerprint.sample_weight
    facts = OutcomeFacts.among(used, y, s, bounded=bounded)
    return MatchedOutcome(np.where(known, y - facts.origin, 0.0), facts.origin, known, facts)


def _outcome_of_cells(
    outcome: object, fingerprint: Fingerprint, used: Bools, *, bounded: bool
) -> MatchedOutcome:
    """Read an outcome of cells that were matched: rows of one value each; `used` (n_cells,) are cells."""
    rows, name = outcome_rows(outcome, fingerprint)
    column = arms.numbers(read_column(rows, name))
    arms.outcome(rows[name], Subject.column(name, rows))
    assert column is not None
    y, used = column.astype(np.float64), rows.by_row(used)
    s = fingerprint.sample_weight
    mass = mass_of(None if s is None else rows.by_row(s), rows.frequency)
    facts = OutcomeFacts.among(used, y, mass, rows.ends.get(name), bounded=bounded)
    known = np.ones(len(y), dtype=bool)
    return MatchedOutcome(y - facts.origin, facts.origin, known, facts, rows, name)


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
