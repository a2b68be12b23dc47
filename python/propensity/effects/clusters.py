"""Rows that may vary together: clusters of one column, or of two that cross.

One column is an (n,) array of numbers 0 to G - 1, two are (n, 2): a user's rows and a day's. Rows that are
not there have -1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from propensity.errors import InvalidInputError
from propensity.frames import rowwise_checks
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.grouping import Grouping

FIRST, SECOND = "cluster", "second cluster"


def by_role(cluster: object) -> dict[str, object]:
    """Give what is to be read row by row: one column, or with a list of two both, by their roles."""
    if not _are_two(cluster):
        return {FIRST: cluster}
    assert isinstance(cluster, list | tuple)
    return dict(zip((FIRST, SECOND), cluster, strict=True))


def _are_two(cluster: object) -> bool:
    if not isinstance(cluster, list | tuple) or len(cluster) != 2:
        return False
    return all(isinstance(one, str) or np.ndim(one) == 1 for one in cluster)


def read_clusters(
    roles: Mapping[str, object],
    read: Callable[[object, str], Rows],
    treated: Bools,
    weight: Floats | None,
) -> Rows:
    """Read which clusters rows are in, by roles as `by_role` gives them; `read` gives the groups of one.

    Raises
    ------
    InvalidInputError
        All rows of an arm are in one cluster; both columns hold the same.
    """
    found = [clusters_there(read(values, role), weight) for role, values in roles.items()]
    for (role, values), clusters in zip(roles.items(), found, strict=True):
        named = isinstance(values, str) and len(roles) > 1
        rowwise_checks.clusters(clusters, treated, f"{FIRST}: column '{values}'" if named else role)
    if len(found) == 1:
        return found[0]
    if int(both(*found).max()) == max(int(own.max()) for own in found):
        raise InvalidInputError(
            "cluster: the clusters of one column are whole within those of the other, which says it all; "
            "name the coarser one alone"
        )
    return np.column_stack(found)


EACH = -2
"""In place of a cluster: the users that a row stands for vary by themselves, each a cluster of its own."""


def clusters_there(groups: Rows, sample_weight: Floats | None) -> Rows:
    """Give the cluster of each row (n,) that is there; -1 for those of sample weight 0, which are not."""
    if sample_weight is None or sample_weight.all():
        return groups
    there = sample_weight > 0
    clusters = np.full(len(groups), -1, dtype=np.int64)
    clusters[there] = np.unique(groups[there], return_inverse=True)[1]
    return clusters


def both(one: Rows, other: Rows) -> Rows:
    """Give the clusters (n,) of rows that share both; -1 for rows that are not there, `EACH` as it is."""
    there = one >= 0
    found = np.where(one == EACH, EACH, -1)
    pairs = one[there] * (int(other.max()) + 1) + other[there]
    found[there] = np.unique(pairs, return_inverse=True)[1]
    return found


def ways(clusters: Rows) -> list[Rows]:
    """Give the clusters (n,) of each way in which rows may vary together; of two columns also of both.

    What rows have in common by both is counted with either (Cameron, Gelbach and Miller 2011).
    """
    if clusters.ndim == 1:
        return [clusters]
    one, other = clusters.T
    return [one, other, both(one, other)]


def renumbered(clusters: Rows) -> Rows:
    """Give the clusters that some of the rows are in numbers from 0, column by column; -1 and `EACH` stay."""
    if clusters.ndim == 2:
        return np.column_stack([renumbered(column) for column in clusters.T])
    found = np.where(clusters == EACH, EACH, -1)
    there = clusters >= 0
    found[there] = np.unique(clusters[there], return_inverse=True)[1]
    return found


def require_both_arms(clusters: Rows, treated: Bools) -> None:
    """Require two clusters of each arm, in both columns where there are two."""
    columns = [clusters] if clusters.ndim == 1 else list(clusters.T)
    for role, own in zip((FIRST, SECOND), columns, strict=False):
        rowwise_checks.clusters(own, treated, role)


def count(clusters: Rows) -> int:
    """Give how many clusters there are; of two columns in the one that has fewer."""
    return int(clusters.max(axis=0).min()) + 1


def require_one_way(clusters: Rows | None, what: str) -> None:
    """Require clusters of one column.

    Raises
    ------
    InvalidInputError
        There are two; `what` says what cannot be done with them.
    """
    if clusters is not None and clusters.ndim == 2:
        raise InvalidInputError(f"cluster: {what}; name one column")


def of_lone_clusters(groups: Grouping, treated: Bools, clusters: Rows | None, weights: Floats) -> list[str]:
    """Say of each group (G,) with an arm in one cluster that no error tells; empty of the others.

    A group is asked what its rows would be asked alone: that both arms have clusters in the whole sample is
    nothing to it. Rows without weight (n,) have no part in a mean, nor in how it varies.
    """
    reasons = [""] * groups.n_groups
    if clusters is None:
        return reasons
    lone = np.zeros(groups.n_groups, dtype=bool)
    used = weights > 0
    for column in ways(clusters)[:2]:
        for arm in (treated & used, ~treated & used):
            first = groups.smallest(np.where(arm, column, np.inf))
            lone |= first == groups.largest(np.where(arm, column, -np.inf))
    for place in np.flatnonzero(lone).tolist():
        rows = groups.rows(place)
        rows = rows[used[rows]]
        try:
            require_both_arms(renumbered(clusters[rows]), treated[rows])
        except InvalidInputError as error:
            reasons[place] = str(error)
    return reasons


def summed_within(clusters: Rows | None, frequency: Floats | None = None) -> str:
    """Say of a standard error what clusters do to it; nothing where rows are independent.

    `frequency` (n,) says how many users a row stands for, each of whom may be a cluster.
    """
    if clusters is None:
        return ""
    if clusters.ndim == 1:
        return f"; summed within {count(clusters):,} clusters, factor G / (G - 1)"
    f = np.ones(len(clusters)) if frequency is None else frequency
    first, second = (int(own.max()) + 1 + int(f[own == EACH].sum()) for own in clusters.T)
    return (
        f"; summed within {first:,} and within {second:,} clusters, less what is within both (Cameron, "
        "Gelbach and Miller 2011), factors G / (G - 1)"
    )
