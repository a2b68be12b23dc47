"""What each row adds to weighted means of subclassified rows: for standard errors within or by subclass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from propensity.effects.arms import Means
from propensity.effects.clusters import EACH, renumbered
from propensity.errors import InvalidInputError
from propensity.frames.checks import Bools, Floats, Rows
from propensity.matching.local_outcomes import by_unit

ONE_SUBCLASS = (
    "inference: all matched rows are in one subclass, which shows nothing of how estimates vary between "
    "subclasses"
)
"""Why there is no error where rows have to be summed by subclass."""


def clustered_influence(
    outcome: Floats, treated: Bools, labels: Rows, weights: Floats, users: Floats | None = None
) -> Means:
    """Give n w (Y - mean) / sum of w, the rows of a subclass being a cluster.

    Parameters
    ----------
    labels : ndarray (n,) of int
        Subclasses 1 to S; 0 for rows left out, of weight 0.
    weights : ndarray (n,)
        Summing to the same in both arms.
    users : ndarray (n,) or None, default None
        How many users each row stands for, whose weights and influence are those of one.
    """
    f = np.ones(len(outcome)) if users is None else users
    n = f.sum()
    means, influence = [], []
    for arm in (treated, ~treated):
        share = np.where(arm, weights, 0.0) / (weights[arm] @ f[arm])
        means.append(float((f * share) @ outcome))
        influence.append(n * share * (outcome - means[-1]))
    return Means(means[0], means[1], influence[0], influence[1], labels - 1)


def stratified_influence(
    outcome: Floats,
    treated: Bools,
    labels: Rows,
    weights: Floats,
    focal_share: Floats,
    units: Rows | None = None,
    users: Floats | None = None,
) -> Means:
    """Give what a row adds within its subclass, and as one of those that the effect is for.

    With m_s the mean of an arm in subclass s, m that of the arm, w a row's share of the arm's weight, f its
    share of those the effect is for, and c_s a factor, the influence on m is n times

        w (Y - m_s) sqrt(c_s) in the arm,  plus  f (m_s - m) in either.

    Its squares sum to the variance of a stratified experiment plus that of the composition. The factor makes
    up for m_s being nearer to its own rows than the truth is: with u the shares within the subclass, the sum
    of u^2 (Y - m_s)^2 has the expectation v (sum u^2 - 2 sum u^3 + (sum u^2)^2), where v sum u^2 is meant;
    for n_s rows that weigh the same it is n_s / (n_s - 1). In subclasses with a lone row in an arm, or one
    with all of its weight, which have no v, the influence is w (Y - m), summed by subclass: its square has
    both parts in it.

    Parameters
    ----------
    focal_share : ndarray (n,)
        Summing to 1; within a subclass to what the shares of either arm do.
    units : ndarray (n,) of int, or None, default None
        The clusters that rows are in, which are then what there is one of, or several; None where each row
        varies by itself.
    users : ndarray (n,) or None, default None
        How many users each row stands for, of whom weights, shares and influence are those of one.

    Raises
    ------
    InvalidInputError
        There is one subclass alone, and a row in it has all that its arm weighs.
    """
    f = np.ones(len(outcome)) if users is None else users
    n, size = f.sum(), int(labels.max()) + 1
    factors = [_factors(np.where(arm, weights, 0.0), labels, units, users) for arm in (treated, ~treated)]
    lone = ~(np.isfinite(factors[0]) & np.isfinite(factors[1]))
    lone[0] = False
    if size == 2 and lone[1]:
        raise InvalidInputError(ONE_SUBCLASS)
    means, influence = [], []
    for arm, factor in zip((treated, ~treated), factors, strict=True):
        share = np.where(arm, weights, 0.0) / (weights[arm] @ f[arm])
        mean = float((f * share) @ outcome)
        by_subclass = np.bincount(labels, weights=f * share, minlength=size)
        own = np.bincount(labels, weights=f * share * outcome, minlength=size)
        own = np.divide(own, by_subclass, out=np.full(size, mean), where=by_subclass > 0)
        own[lone] = mean
        spread = np.where(lone | ~np.isfinite(factor), 1.0, np.sqrt(factor))
        within = share * (outcome - own[labels]) * spread[labels]
        between = np.where(lone, 0.0, own - mean)[labels] * focal_share
        means.append(mean)
        influence.append(n * (within + between))
    if not lone.any():
        return Means(means[0], means[1], influence[0], influence[1])
    if users is None:
        clusters = np.where(lone[labels], labels, size + np.arange(len(labels)))
        clusters = np.unique(clusters, return_inverse=True)[1].astype(np.int64)
    else:
        clusters = np.where(lone[labels], renumbered(np.where(lone[labels], labels, -1)), EACH)
    return Means(means[0], means[1], influence[0], influence[1], clusters)


def as_single_rows(means: Means, users: Floats | None = None) -> Means:
    """Take out the factor G / (G - 1) of few clusters, for most of these clusters are single rows."""
    if means.clusters is None:
        return means
    assert means.influence_treated is not None
    assert means.influence_control is not None
    n_clusters = float(means.clusters.max()) + 1
    if users is not None:
        n_clusters += float(users[means.clusters == EACH].sum())
    scale = np.sqrt((n_clusters - 1) / n_clusters)
    return replace(
        means,
        influence_treated=scale * means.influence_treated,
        influence_control=scale * means.influence_control,
    )


def _factors(weights: Floats, labels: Rows, units: Rows | None, users: Floats | None) -> Floats:
    """Give the c_s (S + 1,) of an arm's weights; infinite where one row has all that a subclass weighs."""
    total = np.bincount(labels, weights=weights if users is None else weights * users)
    u = np.divide(weights, total[labels], out=np.zeros(len(weights)), where=weights > 0)
    sums = by_unit(labels, units, u, users)
    squares, seen = sums.squares, sums.squares - 2 * sums.cubes + sums.squares**2
    infinite = np.full(len(squares), np.inf)
    return np.asarray(np.divide(squares, seen, out=infinite, where=seen > 1e-9 * squares))
