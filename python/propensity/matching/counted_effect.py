"""The effect of matched cells: what Abadie and Imbens give of the users, from counts, means and variances.

The variance of outcomes in a place is that among a user and his nearest of the same arm. Those of his own
cell are nearest of all, so that where a cell has users enough it is the cell's; where it has not, the nearest
cells of its arm are taken in, ties included, as of rows. All of it are sums of outcomes and of their squares
within cells: nothing is approximated.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from propensity.effects.arms import Means, effective_sizes
from propensity.effects.effect import Effect
from propensity.frames.checks import Floats, Rows
from propensity.matching.counted_neighbors import CountedPairing
from propensity.matching.estimation_variance import estimation_variance, nearest_ranges
from propensity.matching.found import Found, effect_of_found, words_in_space
from propensity.matching.outcome import MatchedOutcome
from propensity.matching.runs import distinct, spelled_out
from propensity.matching.se_words import se_method_on_scores
from propensity.matching.terms import estimated_at_scores

if TYPE_CHECKING:
    from propensity.matching.matches import Matches


class CellOutcomes:
    """The outcome of the users of each cell: their number, its mean, the sum of squared deviations."""

    def __init__(self, y: MatchedOutcome) -> None:
        assert y.counted is not None
        cell, users = y.counted.of_cell, y.counted.frequency
        size = len(y.counted.cells)
        self.users: Floats = np.bincount(cell, users, size).astype(np.float64)
        self.mean: Floats = np.bincount(cell, users * y.values, size) / self.users
        rest = y.values - self.mean[cell]
        self.deviation: Floats = np.bincount(cell, users * rest**2, size).astype(np.float64)


def effect_of_cells(
    matches: Matches,
    y: MatchedOutcome,
    clusters: Rows | None,
    *,
    is_part: bool,
) -> Effect:
    """Take the variance of the users' outcomes, in the words that are said of theirs."""
    if clusters is not None:
        matches._require_users("cluster", "the standard error of matches within clusters")
    plain = is_plain(matches, is_part=is_part)
    again = partial(_found_among_cells, matches, plain=plain)
    found = again(y)
    if plain:
        method, cautions = se_method_on_scores(matches, corrected=found.counted is not None)
    else:
        method, cautions = words_in_space(matches, None, found)
    return effect_of_found(matches, y, found, again, method, cautions)


def _found_among_cells(matches: Matches, y: MatchedOutcome, *, plain: bool) -> Found:
    means, variance = known_variance(matches, y)
    added = added_variance(matches, y, means.estimate, plain=plain)
    counted = None if added is None or variance + added <= 0 else variance + added
    return Found(means, variance, counted, sizes_of(matches))


def known_variance(matches: Matches, y: MatchedOutcome) -> tuple[Means, float]:
    """Give the means of both arms, and the variance of their difference where the scores are known.

    With the symbols of `neighbor_variance`, f the users of a cell, and cells in the place of rows:

        P^2 V = sum f p^2 ((tau - mean)^2 + v) + sum f s2 (W^2 - p^2 - Q),

    v being the variance of the outcome in the focal cell, which the differences of its users vary by.
    """
    pairing, outcomes = pairing_of(matches), CellOutcomes(y)
    w, t, f = np.asarray(matches.weights), matches.treated, pairing.frequency
    means = [float(np.average(outcomes.mean[arm], weights=(f * w)[arm])) for arm in (t, ~t)]
    p, uses, focal = pairing.focal_weights, pairing.uses, pairing.focal
    tau = np.where(t, 1.0, -1.0)[focal] * (outcomes.mean[focal] - pairing.donor_means(outcomes.mean))
    weight = (f * p)[focal]
    rest = f[focal] * (tau - np.average(tau, weights=weight)) ** 2 + outcomes.deviation[focal]
    spread = p[focal] ** 2 @ rest
    # Rounding alone can make a coefficient negative, of a row used once.
    coefficient = np.maximum(uses**2 - pairing.squared_shares, 0.0) + 2 * p * uses
    sampling = (f * outcome_variance(matches, outcomes)) @ coefficient
    return Means(means[0], means[1]), float(spread + sampling) / weight.sum() ** 2


def added_variance(matches: Matches, y: MatchedOutcome, tau: float, *, plain: bool) -> float | None:
    """Give what estimating the scores adds to the variance; None where they did not decide alone."""
    estimated = estimated_at_scores(matches)
    if estimated is None:
        return None
    return estimation_variance(
        estimated.of_rows(y.counted),
        y.values,
        y.by_row(matches.treated),
        y.by_row(matches.quantity),
        estimand=matches.estimand,
        tau=tau,
        weights=y.by_row(np.asarray(matches.weights)),
        known=y.known,
        n_near=matches.spec.variance_neighbors + 1 if plain else None,
    )


def pairing_of(matches: Matches) -> CountedPairing:
    """Give who is matched with whom, by cells."""
    users, s = matches.fingerprint.frequency, matches.sample_weight
    assert users is not None
    return CountedPairing(
        treated=matches.treated,
        sample_weight=np.ones(len(users)) if s is None else s,
        focal=matches.focal,
        donors=matches.donors,
        first=matches.first,
        last=matches.last,
        frequency=users,
    )


def outcome_variance(matches: Matches, outcomes: CellOutcomes) -> Floats:
    """Give the variance of outcomes (n,) among a user of each cell and his nearest of the same arm.

    Within the same `exact` group, but for a user who is alone of his arm there.
    """
    places, s = matches.quantity, matches.sample_weight
    there = np.ones(len(places), dtype=bool) if s is None else s > 0
    group = np.zeros(len(places), dtype=np.int64)
    if matches.exact is not None:
        group = np.unique(matches.exact, return_inverse=True)[1].reshape(-1)
    found, n_near = np.zeros(len(places)), matches.spec.variance_neighbors + 1
    near = partial(_variance_near, places, outcomes, n_near)
    for arm in (True, False):
        members = np.flatnonzero(there & (matches.treated == arm))
        together = np.bincount(group[members], outcomes.users[members])[group[members]] > 1
        found[members[~together]] = near(members[~together], members)
        members = members[together]
        order = np.argsort(group[members], kind="stable")
        for own in np.split(members[order], np.flatnonzero(np.diff(group[members][order])) + 1):
            found[own] = near(own, own)
    return found


def _variance_near(
    places: Floats, outcomes: CellOutcomes, n_near: int, seekers: Rows, members: Rows
) -> Floats:
    """Give the sample variance among so many users of `members` nearest to each of the `seekers`."""
    if not len(seekers):
        return np.zeros(0)
    order = members[np.argsort(places[members], kind="stable")]
    low, high = nearest_ranges(places[order], outcomes.users[order], places[seekers], n_near)
    low, high, number = distinct(low, high)
    run, place = spelled_out(low, high)
    cell, size = order[place], len(low)
    users = outcomes.users[cell]
    total = np.bincount(run, users, size)
    mean = np.bincount(run, users * outcomes.mean[cell], size) / total
    squares = outcomes.deviation[cell] + users * (outcomes.mean[cell] - mean[run]) ** 2
    return np.asarray((np.bincount(run, squares, size) / np.maximum(total - 1, 1))[number])


def sizes_of(matches: Matches) -> tuple[float, float]:
    """Give the effective sample size of either arm, treated and controls."""
    return effective_sizes(np.asarray(matches.weights), matches.treated, matches.fingerprint.frequency)


def is_plain(matches: Matches, *, is_part: bool) -> bool:
    """Whether all users count the same and are matched on the scores alone, as the core's own error asks."""
    s = matches.sample_weight
    everybody = not is_part and (s is None or bool(s.min() > 0))
    return bool(matches.spec.is_plain and matches.weighs_evenly and everybody)
