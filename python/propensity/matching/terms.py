"""What rows add to the effect of matches on the score alone, and what estimating the scores does to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from propensity.effects.arms import Means
from propensity.frames.checks import Rows
from propensity.matching.local_outcomes import tie_cells
from propensity.matching.outcome import MatchedOutcome
from propensity.matching.score_influence import score_influence, with_estimation

if TYPE_CHECKING:
    from propensity.matching.estimated_scores import EstimatedScores
    from propensity.matching.matches import Matches


def estimated_at_scores(matches: Matches) -> EstimatedScores | None:
    """Give the scores where they were fitted to these rows, and alone decided who is with whom."""
    again = matches.rematching
    return None if again is None or again.quantity is None else again.estimated


def terms_of(matches: Matches, outcome: MatchedOutcome, units: Rows | None = None) -> Means:
    """Give the terms of the bias-corrected estimate, and what estimating the scores adds.

    `units` (n,) are the clusters that rows are in, where they do not vary by themselves.
    """
    s = np.ones(len(matches.treated)) if matches.sample_weight is None else matches.sample_weight
    share = np.zeros(len(matches.treated))
    share[matches.focal] = s[matches.focal] / s[matches.focal].sum()
    weights, quantity = np.asarray(matches.weights), matches.quantity
    cells = tie_cells(quantity)
    means = score_influence(outcome.values, matches.treated, weights, quantity, share, cells, units)
    return means if estimated_at_scores(matches) is None else with_estimated_scores(matches, outcome, means)


def with_estimated_scores(matches: Matches, outcome: MatchedOutcome, means: Means) -> Means:
    """Add what estimating the scores does to each row's terms."""
    estimated, quantity = estimated_at_scores(matches), matches.quantity
    assert estimated is not None
    return with_estimation(
        means,
        estimated,
        outcome,
        matches.treated,
        quantity,
        estimand=matches.estimand,
        cells=tie_cells(quantity),
    )
