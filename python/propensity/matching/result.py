"""What every matching method gives: a weight for each row, and who was treated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd

from propensity.effects.matching_specification import MatchingEstimand
from propensity.effects.weighted_result import WeightedResult
from propensity.errors import InvalidInputError, OverlapWarning
from propensity.frames.checks import Bools, Rows
from propensity.frames.counted_rows import spelled_out
from propensity.frames.fingerprint import Fingerprint, Made
from propensity.frames.grouping import Grouping
from propensity.frames.native import AnySeries
from propensity.matching.outcome import MatchedOutcome, read_matched_outcome, require_told_apart
from propensity.matching.rematching import Rematching

FRAME = Made("df", "the rows were matched", "give the frame that was matched")
"""What `frame` is asked of, in the words of a message."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Matched(WeightedResult):
    """Rows weighed so that the arms are alike, whatever the method: balance, effects and plots take any.

    Attributes
    ----------
    estimand : {"ATT", "ATC", "ATE"}
        Whose effect the weights are for.
    weights : Series (n,)
        For every row, 0 where it is left out; with the caller's index. Sample weights are in them (the series
        is then called "total_weights", and `balancing_weights` are those without).
    treated : ndarray (n,) of bool
        Who was treated, in row order.
    index : Index
        What rows are called.
    fingerprint : Fingerprint
        Which rows were matched, and what each counts for: functions that take the matches compare.
    known : tuple of str
        The columns that the matches, and the model of their scores, are made of.
    cautions : tuple of Warning
        Why an estimate may be biased; empty where there is no known reason.
    alike : ndarray (n,) of int, or None
        Rows of one number hold the same in all columns, and a draw told them apart by their place in the
        frame; None where no draw did.
    rematching : Rematching or None
        How to match again, and what errors need to know of it.
    """

    made: ClassVar[Made] = Made(
        "weights", "the rows were matched", "these matches are of other rows: match these"
    )

    estimand: MatchingEstimand
    weights: AnySeries
    treated: Bools
    index: pd.Index[Any]
    fingerprint: Fingerprint
    known: tuple[str, ...] = ()
    cautions: tuple[Warning, ...] = ()
    alike: Rows | None = None
    rematching: Rematching | None = None

    def _require_users(self, subject: str, what: str) -> None:
        """Require matched users, not cells of them, for what looks at them one by one."""
        users = self.fingerprint.frequency
        if users is not None:
            raise InvalidInputError(
                f"{subject}: {what} looks at single users, and a row of these cells stands for many; "
                f"{spelled_out(int(users.sum()))}"
            )

    if TYPE_CHECKING:  # of each result

        def _in_group(self, inside: Bools) -> Self:
            """Leave the sets of some rows (n,)."""

        def _split_sets(self, codes: Rows) -> tuple[int, int]:
            """Count the sets that have rows of several groups (n,), and all."""

        def _remedy_within(self, groups: Grouping) -> str:
            """Say how rows are matched within groups."""


def require_unknown(matched: Matched, outcome: object) -> None:
    """Require that what the matches are made of is not what they are to explain."""
    name = outcome if isinstance(outcome, str) else getattr(outcome, "name", None)
    if isinstance(name, str) and name in matched.known:
        raise InvalidInputError(
            f"column '{name}' is the outcome, and rows were matched by it or by scores made of it, which "
            "takes its effect away: match by what was known before the treatment"
        )


def outcome_of(matched: Matched, outcome: object, *, bounded: bool = True) -> MatchedOutcome:
    """Read an outcome, by name or by value, that the rows which are used have."""
    used = np.asarray(matched.weights) > 0
    found = read_matched_outcome(outcome, matched.fingerprint, used, bounded=bounded)
    if matched.fingerprint.frequency is not None:
        return found
    require_told_apart(found.values, matched.alike, used, matched.index)
    return found


@dataclass(frozen=True)
class Whom:
    """Whom an effect is for: the words of a headline, and a caution where some are left out."""

    words: str = ""
    cautions: tuple[Warning, ...] = ()

    @classmethod
    def of(cls, estimand: MatchingEstimand, n_matched: int, n_unmatched: int) -> Whom:
        """Count those that the estimand names, with and without a partner."""
        if n_unmatched == 0:
            return cls()
        rows = {"ATT": "treated rows", "ATC": "control rows", "ATE": "rows"}[estimand]
        n_rows = n_matched + n_unmatched
        caution = f"{n_unmatched:,} of {n_rows:,} {rows} are left out: the effect is for the others"
        return cls(f"{n_matched:,} of {n_rows:,} {rows}", (OverlapWarning(caution),))
