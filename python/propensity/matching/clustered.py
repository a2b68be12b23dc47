"""Effects of matches whose rows vary together within clusters: teams, workspaces, days.

With replacement a set's difference has the outcomes of donors in it that other sets have too. Put as a
martingale (Abadie and Imbens 2012) the estimate is a sum over rows, each of which adds n times

    f (m_1 - m_0 - tau)  +  A w_1 (Y - m_1)  -  (1 - A) w_0 (Y - m_0),

the first for where it is among those whom the effect is for, the others for its outcome there, as often as it
was used (Otsu and Rai 2017). What rows add is summed within clusters.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from propensity.effects.arms import Means
from propensity.effects.clusters import (
    EACH,
    both,
    by_role,
    count,
    read_clusters,
    renumbered,
    require_both_arms,
    summed_within,
    ways,
)
from propensity.effects.inference import std_error
from propensity.errors import InvalidInputError
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.kept import read_groups_later
from propensity.matching.local_outcomes import tie_cells
from propensity.matching.local_surface import mean_surface
from propensity.matching.outcome import MatchedOutcome
from propensity.matching.result import Matched
from propensity.matching.score_influence import influence_about

if TYPE_CHECKING:
    from propensity.matching.matches import Matches


def read_matched_clusters(matched: Matched, cluster: object) -> Rows | None:
    """Read which cluster a row is in, -1 for rows that are not there; None where nothing is given."""
    if cluster is None:
        return None

    def read(values: object, role: str) -> Rows:
        groups = read_groups_later(values, matched.fingerprint, role)
        assert groups is not None
        return groups

    return read_clusters(by_role(cluster), read, matched.treated, matched.fingerprint.sample_weight)


def influence_in_clusters(
    matches: Matches, outcome: MatchedOutcome, x: Floats | None, clusters: Rows
) -> Means:
    """Give the terms of the estimate with replacement, scores and distances being known.

    An outcome's mean in a place is that of the rows which hold the same, where they are of clusters enough: a
    cluster's own mean would take away what its rows have in common. Elsewhere it is a surface.
    """
    places, s = matches.places, matches.sample_weight
    share = np.zeros(len(places))
    share[matches.focal] = 1.0 if s is None else s[matches.focal]
    cells = _cells(places, matches.exact) if x is None else np.arange(len(places))
    return influence_about(
        outcome.values,
        matches.treated,
        np.asarray(matches.weights),
        share / share.sum(),
        (cells, units_of(clusters)),
        lambda own: mean_surface(outcome.values, own, places, matches.exact, x),
    )


def _cells(places: Floats, exact: Rows | None) -> Rows:
    """Give the places (n, d) of rows numbers from 0, other ones in each group that was matched within."""
    if places.shape[1] == 1:
        cells = tie_cells(places[:, 0])
    else:
        cells = np.unique(places, axis=0, return_inverse=True)[1].reshape(-1)
    if exact is None:
        return cells
    return both(cells, np.unique(exact, return_inverse=True)[1])


def units_of(clusters: Rows) -> Rows:
    """Give what rows vary together by (n,), from 0; of two columns that of fewer clusters."""
    columns = ways(clusters)[:2]
    coarsest = min(columns, key=lambda column: int(column.max()))
    return np.where(coarsest < 0, coarsest.max() + 1, coarsest)


def summed_by_clusters(means: Means, weights: Floats, treated: Bools, clusters: Rows) -> Means:
    """Let rows vary together within clusters, beside the sets that they vary together within, if they do.

    Raises
    ------
    InvalidInputError
        All rows of an arm that are used are in one cluster; sets cross clusters of two columns.
    """
    assert means.influence_treated is not None
    assert means.influence_control is not None
    used = (weights > 0) | (means.influence_treated != 0) | (means.influence_control != 0)
    matched = weights > 0
    require_both_arms(renumbered(clusters[matched]), treated[matched])
    among = partial(_among, used)
    if means.clusters is None:
        return replace(means, clusters=renumbered(among(clusters)))
    sets = among(means.clusters)
    if all(_within(sets, column) for column in ways(clusters)[:2]):
        return replace(means, clusters=renumbered(among(clusters)))
    if (means.clusters == EACH).any():
        raise InvalidInputError(
            "cluster: subclasses with a lone user of an arm have users of several clusters, and vary "
            "together too; match cells.expand(), or take the clusters among the covariates"
        )
    if clusters.ndim == 2:
        raise InvalidInputError(
            "cluster: matched sets have rows of several clusters, and vary together too, which makes three "
            "ways; name one column, or match with replacement"
        )
    together = renumbered(np.column_stack([sets, among(clusters)]))
    return _wider(means, renumbered(sets), together)


def _wider(means: Means, sets: Rows, together: Rows) -> Means:
    """Let rows vary together in sets and clusters, unless that leaves a smaller error than sets alone.

    An error of two ways is a difference of variances. What the rows of a set add nearly cancels, so that it
    is one of large numbers that are nearly the same, and may come out far too small by chance.
    """
    influence = np.asarray(means.influence_treated) - np.asarray(means.influence_control)
    wider = max((together, sets), key=lambda clusters: std_error(influence, clusters))
    return replace(means, clusters=wider)


def counted_clusters(asked: Rows, summed: Rows) -> int:
    """Count the clusters that the caller asked for among those that are summed within; sets are none."""
    if summed.ndim > asked.ndim:
        return count(summed[:, 1])
    if asked.ndim == 2:
        return count(summed)
    return count(renumbered(np.where(summed >= 0, asked, -1)))


def words_of_clusters(asked: Rows, summed: Rows | None) -> str:
    """Say what is summed within, where clusters were asked for."""
    if summed is not None and summed.ndim == asked.ndim == 1:
        n_clusters = counted_clusters(asked, summed)
        if count(summed) != n_clusters:
            beside = f"with {n_clusters:,} clusters beside them the error would be less"
            return f"; summed within sets alone: {beside}"
    return summed_within(summed)


def _among(used: Bools, clusters: Rows) -> Rows:
    return np.where(used if clusters.ndim == 1 else used[:, None], clusters, -1)


def _within(sets: Rows, clusters: Rows) -> bool:
    """Whether each set has rows of one cluster alone."""
    there = sets >= 0
    pairs = both(sets[there], clusters[there])
    return int(pairs.max()) == int(renumbered(sets[there]).max())
