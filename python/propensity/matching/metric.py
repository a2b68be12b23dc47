"""A ratio metric of matched rows: clicks per view, of the views of those who were matched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from propensity.effects.effect import Effect
from propensity.effects.ratio_metrics import OF_A_RATIO, facts_of_metric, metric_effect
from propensity.errors import InvalidInputError
from propensity.frames.checks import Floats
from propensity.matching.outcome import MatchedOutcome
from propensity.matching.result import Matched

EffectOn = Callable[[MatchedOutcome], Effect]
"""From an outcome to the effect on it."""


def metric_of_matches(
    matched: Matched, above: MatchedOutcome, below: MatchedOutcome, effect_on: EffectOn, words: str
) -> Effect:
    """Divide the means of one outcome by those of another, arm by arm.

    Where rows have influence values, those of the ratio follow. With replacement they have none, and the
    error is that of the matched difference of (c - R v) / v, with c and v the outcomes, and R and the mean of
    v those of a row's own arm: the ratio moves as this does (the delta method).
    """
    matched._require_users("per", "an outcome per another of matched rows")
    used = np.asarray(matched.weights) > 0
    c, v = (part.values + part.origin for part in (above, below))
    if (v[used] < 0).any() or not v[used].any():
        raise InvalidInputError(
            f"per: {int((v[used] < 0).sum()):,} of {int(used.sum()):,} matched rows have a negative value, "
            "or all have 0; what is divided by is an amount, as of views or orders"
        )
    s = matched.fingerprint.sample_weight
    facts = facts_of_metric(c[used], v[used], None if s is None else s[used])
    effects = effect_on(above), effect_on(below)
    if effects[0].influence_treated is not None:
        return replace(metric_effect(*effects, facts, "difference"), measured=words)
    ratios = [_ratio(effects, arm) for arm in ("mean_treated", "mean_control")]
    rest = np.where(matched.treated, *(_rest(c, v, *ratio) for ratio in ratios))
    linear = MatchedOutcome(rest, 0.0, above.known & below.known, facts)
    found = effect_on(linear)
    return replace(
        found,
        estimate=ratios[0][0] - ratios[1][0],
        mean_treated=ratios[0][0],
        mean_control=ratios[1][0],
        se_method=found.se_method + OF_A_RATIO,
        measured=words,
    )


def _ratio(effects: tuple[Effect, Effect], arm: str) -> tuple[float, float]:
    """Give the ratio of an arm's two means, and the mean that was divided by."""
    above, below = (float(getattr(effect, arm)) for effect in effects)
    if not below > 0:
        raise InvalidInputError(f"per: a mean to divide by is {below:.4g}; it has to be above 0")
    return above / below, below


def _rest(c: Floats, v: Floats, ratio: float, mean: float) -> Floats:
    return (c - ratio * v) / mean
