"""Folds: which rows are predicted together, by models that have seen none of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from propensity.errors import InvalidInputError
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.columns import Frame
from propensity.frames.content import identify
from propensity.frames.order import groups_by_content, places_by_content

USUAL_FOLDS = 5
"""4 of 5 rows are fitted to, which is nearly all there is to learn from, at five times the time of one fit
(Chernozhukov et al. 2018 use 4 or 5)."""


@dataclass(frozen=True)
class Splits:
    """How often rows are split into how many folds, and where the draws start.

    Attributes
    ----------
    n_folds : int
    n_repeats : int
    seed : int
    """

    n_folds: int
    n_repeats: int = 1
    seed: int = 0

    @property
    def words(self) -> str:
        """Say it."""
        repeats = "" if self.n_repeats == 1 else f", {self.n_repeats:,} repeats"
        return f"cross-fitted in {self.n_folds:,} folds{repeats}, seed {self.seed}"

    def seed_of(self, repeat: int) -> int | tuple[int, int]:
        """Give where the draws of a repeat start; those of the first do where they do without repeats."""
        return self.seed if repeat == 0 else (self.seed, repeat)

    def deal(self, treated: Bools, clusters: Rows | None, order: Rows) -> tuple[Folds, ...]:
        """Deal the rows out to folds anew for each repeat."""
        return tuple(
            Folds(assign_folds(treated, clusters, self.n_folds, self.seed_of(repeat), order), order)
            for repeat in range(self.n_repeats)
        )


@dataclass(frozen=True, eq=False)
class Folds:
    """The fold (n,) of each row, in which it is predicted and not fitted to.

    `order` are the rows that weigh something, in an order that hangs on what they hold: what learners are
    given, some of which draw among their rows by place.
    """

    folds: Rows
    order: Rows

    @property
    def n_folds(self) -> int:
        """How many there are."""
        return int(self.folds[self.order].max()) + 1

    def each(self, fitted_to: Bools) -> Iterator[tuple[int, Rows, Rows]]:
        """Give the number of each fold, its rows, and those that its models are fitted to."""
        folds = self.folds[self.order]
        for fold in range(self.n_folds):
            yield fold, self.order[folds == fold], self.order[(folds != fold) & fitted_to[self.order]]


def n_cut(folds: Rows, clusters: Rows) -> int:
    """Count the clusters (n,) that lie in several folds (n,); rows that are not there have -1 in either."""
    there = (clusters >= 0) & (folds >= 0)
    pairs = np.unique(np.column_stack([clusters[there], folds[there]]), axis=0)
    _, n_folds = np.unique(pairs[:, 0], return_counts=True)
    return int((n_folds > 1).sum())


def rows_by_place(places: Rows, clusters: Rows | None, there: Bools) -> Rows:
    """Give the rows that are there by their places, and where these are the same by their clusters."""
    order = np.argsort(places, kind="stable") if clusters is None else np.lexsort((clusters, places))
    return np.asarray(order[there[order]])


@dataclass(frozen=True, eq=False)
class Lineup:
    """The rows in an order that hangs on what they hold, and their clusters numbered in it.

    Attributes
    ----------
    order : ndarray (m,) of int
        The rows that weigh something.
    clusters : ndarray (n,) of int, or None
    """

    order: Rows
    clusters: Rows | None

    @classmethod
    def of(cls, places: Rows, clusters: Rows | None, there: Bools) -> Lineup:
        """Line rows up by their places (n,)."""
        if clusters is not None and clusters.ndim == 2:
            raise InvalidInputError(
                "cluster: folds keep clusters whole, and those of two columns hang together; name one "
                "column, or take models of all rows, without folds"
            )
        own = None if clusters is None else groups_by_content(clusters, places)
        return cls(rows_by_place(places, own, there), own)


def places_of_scored(
    frame: Frame,
    columns: Iterable[Floats | Rows],
    treated: Bools,
    sample_weight: Floats | None,
    treatment: str,
) -> Rows:
    """Give each row its place (n,) by what a model of the treatment sees of it, and then by all it holds.

    No outcome is known yet, and any column may become one: rows that a score model cannot tell apart are
    told apart by the rest of the frame, and last by their labels. Rows of weight 0 are not there, and stand
    before all others.
    """
    there = np.ones(len(treated), dtype=bool) if sample_weight is None else sample_weight > 0
    beside = (treated,) if sample_weight is None else (sample_weight, treated)
    found = places_by_content(column[there] for column in (*columns, *beside))
    if found.max() + 1 < len(found):
        ids = identify(frame.native, treatment, treated, there, frame.index).ids[there]
        found = places_by_content((found, ids))
    places = np.full(len(treated), -1, dtype=np.int64)
    places[there] = found
    return places


def assign_folds(
    treated: Bools, clusters: Rows | None, n_folds: int, seed: int | tuple[int, ...], order: Rows
) -> Rows:
    """Deal the rows of each arm out to folds at random, as evenly as can be; or whole clusters.

    `order` are the rows that count; others are in a fold like any, and nobody is fitted to them.

    Raises
    ------
    InvalidInputError
        An arm has fewer rows than there are folds, or there are fewer clusters; a fold has all of an arm.
    """
    folds = np.zeros(len(treated), dtype=np.int64)
    if clusters is not None:
        there, cluster = np.unique(clusters[order], return_inverse=True)
        _require_enough(n_folds, len(there), "clusters")
        folds[order] = _deal(len(there), n_folds, seed)[cluster]
        _require_spread(folds[order], treated[order])
        return folds
    for arm, members in {"treated": treated, "control": ~treated}.items():
        rows = order[members[order]]
        _require_enough(n_folds, len(rows), f"{arm} rows")
        folds[rows] = _deal(len(rows), n_folds, seed)
    return folds


def _deal(n: int, n_folds: int, seed: int | tuple[int, ...]) -> Rows:
    return np.random.default_rng(seed).permutation(np.arange(n) % n_folds)


def _require_enough(n_folds: int, n: int, what: str) -> None:
    if n < n_folds:
        raise InvalidInputError(f"n_folds: {n_folds} folds of {n} {what}; take at most {n}")


def _require_spread(folds: Rows, treated: Bools) -> None:
    for arm, members in {"treated": treated, "control": ~treated}.items():
        if len(np.unique(folds[members])) < 2:
            raise InvalidInputError(
                f"n_folds: one fold holds every {arm} row and leaves none to fit to; that arm is in too few "
                "clusters to cross-fit"
            )
