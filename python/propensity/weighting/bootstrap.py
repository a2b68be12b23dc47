"""The bootstrap of balancing weights: every replicate makes them anew."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from propensity import core
from propensity.effects.arms import OutcomeFacts
from propensity.effects.contrasts import Contrast
from propensity.effects.ratio_metrics import facts_of_metric
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
    per: Floats | None = None,
    measured: str = "",
    contrast: Contrast = "difference",
    studentized: bool,
) -> BootstrapResult:
    """Bootstrap the contrast of the means of an outcome (n,), as `BalancingWeights.bootstrap` says.

    `per` (n,) is what it is divided by, arm by arm.
    """
    groups.require_drawable(options.resampling)
    s = weights.sample_weight
    there = rows_there(s)
    x, treated, y = weights.terms.x, weights.treated, outcome
    drawn = groups.numbered(partial(_places, weights, [y] if per is None else [y, per]), there)
    run = partial(
        core.bootstrap,
        x if isinstance(there, slice) else np.asfortranarray(x[there]),
        treated[there].copy(),
        y[there].copy(),
        estimators=[weights.spec],
        per=None if per is None else per[there].copy(),
        means=contrast != "difference",
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
    own = None if s is None else s[there]
    facts = OutcomeFacts.of(y[there]) if per is None else facts_of_metric(y[there], per[there], own)
    return result_of(
        run,
        found,
        [weights.spec],
        facts,
        groups,
        options,
        n_rows=len(y[there]),
        penalty=0.0,
        contrast=contrast,
        measured=measured,
    )


def _places(weights: BalancingWeights, outcomes: Sequence[Floats]) -> Rows:
    """Give rows their places by what they hold: terms, weight, outcomes, then the treatment."""
    s = weights.sample_weight
    columns = [*weights.terms.x.T, *([] if s is None else [s]), *outcomes, weights.treated]
    return places_by_content(columns)
