"""Matched sets: rows of both arms that are alike but for who was treated, one set after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from propensity.effects.matching_specification import MatchingEstimand
from propensity.frames.checks import Bools, Floats, Rows


@dataclass(frozen=True, eq=False)
class MatchedSets:
    """The rows of s sets, ordered by set: n in all.

    Attributes
    ----------
    outcome : ndarray (n,)
    treated : ndarray (n,) of bool
    set_of : ndarray (n,) of int
        0 to s - 1, ascending.
    size, n_treated : ndarray (s,) of int
        Rows of each set, and those of them that were treated.
    estimand : {"ATT", "ATC", "ATE"}
        Whom the effect is for: what a set counts for is the number of its treated rows, controls or rows.
    rounding : ndarray (n,)
        By how much an outcome may be off: outcomes that differ by no more are the same.
    """

    outcome: Floats
    treated: Bools
    set_of: Rows
    size: Rows
    n_treated: Rows
    estimand: MatchingEstimand
    rounding: Floats

    @classmethod
    def of(
        cls,
        outcome: Floats,
        treated: Bools,
        labels: Rows,
        estimand: MatchingEstimand,
        rounding: Floats | None = None,
    ) -> MatchedSets:
        """Gather the rows by their labels (n,), 0 for those left out; without `rounding` (n,) it is none."""
        rows = np.flatnonzero(labels > 0)
        rows = rows[np.argsort(labels[rows], kind="stable")]
        set_of = np.unique(labels[rows], return_inverse=True)[1].astype(np.int64)
        size = np.bincount(set_of)
        n_treated = np.bincount(set_of[treated[rows]], minlength=len(size))
        rounding = np.zeros(len(rows)) if rounding is None else rounding[rows]
        return cls(outcome[rows], treated[rows], set_of, size, n_treated, estimand, rounding)

    @property
    def start(self) -> Rows:
        """Where each set begins, (s,)."""
        return np.cumsum(self.size) - self.size

    @property
    def are_pairs(self) -> bool:
        """Whether every set is of two."""
        return bool((self.size == 2).all())

    @property
    def differences(self) -> Floats:
        """Of pairs, treated minus control, (s,)."""
        signed = np.where(self.treated, self.outcome, -self.outcome)
        return np.add.reduceat(signed, self.start)

    @property
    def rounding_of_pairs(self) -> Floats:
        """Of pairs, by how much their difference may be off, (s,): by the larger of their own."""
        return np.maximum.reduceat(self.rounding, self.start)

    @property
    def is_binary(self) -> bool:
        """Whether the outcome is 0 or 1."""
        return bool(np.isin(self.outcome, (0.0, 1.0)).all())

    @property
    def counts(self) -> Floats:
        """What each set counts for, (s,)."""
        rows = {"ATT": self.n_treated, "ATC": self.size - self.n_treated, "ATE": self.size}
        return rows[self.estimand].astype(np.float64)

    @property
    def words(self) -> str:
        """Say what they are."""
        n_controls = self.size - self.n_treated
        if self.are_pairs:
            return f"{len(self.size):,} pairs"
        if (np.minimum(self.n_treated, n_controls) == 1).all():
            return f"{len(self.size):,} sets with a single row of an arm"
        return f"{len(self.size):,} sets"
