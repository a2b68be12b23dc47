"""Effects of matched rows by group: each set, a unit and those that stand for it, in one of the groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from propensity.effects.effect import Effect
from propensity.effects.grouped import GroupedEffects
from propensity.effects.separate_groups import effects_within
from propensity.errors import InvalidInputError
from propensity.frames.checks import Bools, Rows
from propensity.frames.fingerprint import Fingerprint
from propensity.frames.grouping import Grouping, read_groups_of
from propensity.frames.lines import library_of, shown
from propensity.frames.native import AnySeries, series_like
from propensity.matching.outcome import MatchedOutcome
from propensity.matching.result import FRAME, Matched

if TYPE_CHECKING:
    from propensity.matching.matches import Matches
    from propensity.matching.subclasses import Subclasses

M = TypeVar("M", bound=Matched)

OutcomeIn = Callable[[MatchedOutcome], MatchedOutcome]
"""Gives an outcome of all rows as a group has it."""


def effects_by_group(
    matched: M,
    by: str | Sequence[str],
    outcomes: Sequence[str],
    effect_on: Callable[[M, OutcomeIn], Effect],
    measured: str,
    clusters: Rows | None = None,
) -> GroupedEffects:
    """Estimate the effect in each group.

    Parameters
    ----------
    outcomes : sequence of str
        Columns that rows cannot be grouped by.
    effect_on : callable
        From the matches of a group to the effect there.
    measured : str
        What is measured, where that is no column.
    clusters : ndarray (n,) of int, or (n, 2), or None, default None
        Which rows vary together, whatever sets do.

    Raises
    ------
    InvalidInputError
        A set has rows of several groups: a score makes rows alike on the whole, and not within groups, so
        that those of one would stand for those of another.
    """
    s = matched.fingerprint.sample_weight
    there = None if s is None or s.all() else s > 0
    groups = read_groups_of(matched.fingerprint, by, FRAME, outcomes, there)
    n_split, n_sets = matched._split_sets(groups.codes)
    if n_split:
        raise InvalidInputError(
            f"by: {n_split:,} of {n_sets:,} sets have rows of several groups by {', '.join(groups.by)}, so "
            "that some would stand for others whom they are like on the whole alone, and not within a "
            f"group; {matched._remedy_within(groups)}"
        )
    used = np.asarray(matched.weights) > 0

    def effect_in(rows: Rows, _: object) -> Effect:
        inside = np.zeros(len(used), dtype=bool)
        inside[rows] = used[rows]
        if not inside.any():
            raise InvalidInputError("no effect: nobody in it is matched")

        def outcome_in(y: MatchedOutcome) -> MatchedOutcome:
            return replace(y, facts=y.facts_in(y.by_row(inside), None if s is None else y.by_row(s)))

        everybody = np.zeros(len(used), dtype=bool)
        everybody[rows] = True
        return effect_on(matched._in_group(everybody), outcome_in)

    return effects_within(
        groups,
        matched.treated,
        clusters,
        effect_in,
        contrast="difference",
        estimand=matched.estimand,
        measured=measured,
        how="sets within groups",
        warns=False,  # as the effect of all of them
        whole=clusters is not None,
    )


def weights_in(matched: Matched, inside: Bools) -> AnySeries:
    """Give what rows of a group weigh; others nothing."""
    weights = np.where(inside, np.asarray(matched.weights), 0.0)
    return series_like(matched.weights, weights)


def matches_in(matches: Matches, inside: Bools) -> Matches:
    """Leave the focal units of one group, and where each serves once their donors."""
    own = inside[matches.focal]
    focal, first, last = matches.focal[own], matches.first[own], matches.last[own]
    donors = matches.donors
    if matches.spec.max_uses == 1:
        length = last - first
        start = np.cumsum(length) - length
        donors = donors[np.arange(length.sum()) + np.repeat(first - start, length)]
        first, last = start, start + length
    arm = {"ATE": np.ones_like(inside), "ATT": matches.treated, "ATC": ~matches.treated}[matches.estimand]
    s, count = matches.sample_weight, matches.fingerprint.n_users
    n_wanted = count(arm & inside if s is None else arm & inside & (s > 0))
    served = np.zeros_like(inside)
    served[focal] = True
    n_matched = count(served)
    return replace(
        matches,
        weights=weights_in(matches, inside),
        focal=focal,
        donors=donors,
        first=first,
        last=last,
        n_matched=n_matched,
        n_unmatched=n_wanted - n_matched,
        rematching=None,
        cautions=(),
    )


def n_split_focal(matches: Matches, codes: Rows) -> int:
    """Count the focal units that have a donor of another group.

    The codes of a run are all c where they sum to c times its length, and their squares to c^2 times it.
    """
    sums, squares = (np.append(0, np.cumsum(values[matches.donors])) for values in (codes, codes**2))
    own, length = codes[matches.focal], matches.last - matches.first
    alike = sums[matches.last] - sums[matches.first] == own * length
    alike &= squares[matches.last] - squares[matches.first] == own**2 * length
    return int((~alike).sum())


def subclasses_in(subclasses: Subclasses, inside: Bools) -> Subclasses:
    """Leave the subclasses of one group; rows of others are not there."""
    labels = np.where(inside, subclasses.labels, 0)
    kept = np.unique(labels[labels > 0])
    numbered = np.where(labels > 0, np.searchsorted(kept, labels) + 1, 0)
    s = np.ones(len(inside)) if subclasses.sample_weight is None else subclasses.sample_weight
    return replace(
        subclasses,
        weights=weights_in(subclasses, inside),
        labels=numbered.astype(np.int64),
        cells=subclasses.cells.iloc[kept - 1],
        sample_weight=np.where(inside, s, 0.0),
        rematching=None,
        cautions=(),
    )


def n_split_subclasses(labels: Rows, codes: Rows) -> int:
    """Count the subclasses that have rows of several groups."""
    rows = labels > 0
    pairs = np.unique(labels[rows] * (int(codes.max()) + 1) + codes[rows]) // (int(codes.max()) + 1)
    return int((np.unique(pairs, return_counts=True)[1] > 1).sum())


def some_of(groups: Grouping, fingerprint: Fingerprint) -> str:
    """Write the line that takes the rows of the first group, of cells their cells of it."""
    key = groups.index[0]
    values = dict(zip(groups.by, key if isinstance(key, tuple) else (key,), strict=True))
    if fingerprint.frequency is not None:
        return f"some = cells[{_conditions(values, 'cells.frame[{0!r}] == {1}')}]"
    library = library_of(fingerprint.frame)
    if library == "pandas":
        return f"some = df[{_conditions(values, 'df[{0!r}] == {1}')}]"
    column = "pl.col" if library == "polars" else "pc.field"
    return f"some = df.filter({_conditions(values, column + '({0!r}) == {1}')})"


def _conditions(values: Mapping[str, object], pattern: str) -> str:
    each = [pattern.format(name, shown(value)) for name, value in values.items()]
    return each[0] if len(each) == 1 else " & ".join(f"({one})" for one in each)
