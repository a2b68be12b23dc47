"""The bootstrap of balancing weights: every replicate makes them anew."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from propensity import core
from propensity.effects.arms import OutcomeFacts
from propensity.effects.sample import rows_there
from propensity.errors import InfeasibleError
from propensity.frames.checks import Floats, Rows
from propensity.frames.order import places_by_content
from propensity.resampling.options import Groups, ResamplingOptions
from propensity.resampling.replicated import result_of
from propensity.resampling.result import BootstrapResult

if TYPE_CHECKING:
    from propensity.weighting.balancing_weights import BalancingWeights


def bootstrap_weights(
    weights: BalancingWeights,
    outcome: Floats,
    groups: Groups,
    options: ResamplingOptions,
    *,
    studentized: bool,
) -> BootstrapResult:
    """Bootstrap the contrast of the means of an outcome (n,), as `BalancingWeights.bootstrap` says."""
    groups.require_drawable(options.resampling)
    s = weights.sample_weight
    there = rows_there(s)
    x, treated, y = weights.terms.x, weights.treated, outcome
    drawn = groups.numbered(partial(_places, weights, y), there)
    run = partial(
        core.bootstrap,
        x if isinstance(there, slice) else np.asfortranarray(x[there]),
        treated[there].copy(),
        y[there].copy(),
        estimators=[weights.spec],
        cluster=drawn.cluster,
        strata=drawn.strata,
        sample_weight=None if s is None else s[there],
        **options.core_options,
    )
    with options.bar() as report:
        try:
            found = run(n_reps=options.n_reps, studentized=studentized, progress=report)
        except InfeasibleError:  # which knows terms by number
            weights.terms.fit(treated, s, weights.spec)
            raise
    facts = OutcomeFacts.of(y[there])
    return result_of(run, found, [weights.spec], facts, groups, options, n_rows=len(y[there]), penalty=0.0)


def _places(weights: BalancingWeights, outcome: Floats) -> Rows:
    """Give rows their places by what they hold: terms, weight, outcome, then the treatment."""
    s = weights.sample_weight
    columns = [*weights.terms.x.T, *([] if s is None else [s]), outcome, weights.treated]
    return places_by_content(columns)
