"""What there is to say of weights by scores: rows that nobody stands for, uneven weights, arms not alike."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from propensity.effects.arms import Weighting
from propensity.effects.cautions import adjustment_cautions, balance_cautions
from propensity.effects.estimators import IPW
from propensity.effects.imbalance import Imbalance, find_imbalance
from propensity.effects.sample import Sample
from propensity.frames.checks import Floats
from propensity.scores.cautions import lone_cautions, weights_of_stood_for
from propensity.scores.scored import Scored
from propensity.weighting.richer import Asked, richer_remedy

_REMEDY = "weighting alone is biased by it, and outcome models (aipw, ipwra) have to adjust for it"
_REMEDY_OF_ADJUSTED = "the outcome models have to adjust for it, which they do as far as their terms reach"
_REMEDY_OF_TRUNCATED = (
    'a bound on the weights leaves it: raise it (truncate=), take estimand="ATO", which needs none, or '
    "adjust (aipw)"
)
_REMEDY_OF_KNOWN = "weights of right scores make the scores alike: look at overlap, and at how they were made"

Doubts: TypeAlias = Callable[[Weighting], tuple[Warning, ...]]
"""What there is to say of a weighting."""


def once(doubts: Doubts) -> Doubts:
    """Have it said once, for the weights are those of all outcomes."""
    said: list[tuple[Warning, ...]] = []

    def remember(weighting: Weighting) -> tuple[Warning, ...]:
        if not said:
            said.append(doubts(weighting))
        return said[0]

    return remember


def ipw_doubts(sample: Sample, scored: Scored, spec: IPW) -> Doubts:
    """Say of the weights of a specification what there is to say."""
    truncated = spec.truncate is not None
    return partial(weighting_cautions, sample, scored, estimand=spec.estimand, truncated=truncated)


def weighting_cautions(
    sample: Sample,
    scored: Scored,
    weighting: Weighting,
    *,
    estimand: str,
    alone: bool = True,
    truncated: bool = False,
) -> tuple[Warning, ...]:
    """Say of weights whether scores, overlap and balance allow an effect; `alone` without outcome models."""
    weights, treated = weighting.weights, sample.present(sample.treated)
    frequency = None if sample.frequency is None else sample.present(sample.frequency)
    lone = lone_cautions(sample.present(scored.scores), treated, estimand, scored.separation, frequency)
    ess = weighting.ess_treated, weighting.ess_control
    uneven = sample.overlap_cautions(estimand, weights, ess)
    found = _imbalance(sample, scored, weighting, among_others=bool(lone))
    left: tuple[Warning, ...] = ()
    if found is not None:
        richer = not (lone or uneven or truncated)
        advice = _advice(sample, scored, estimand, alone=alone, truncated=truncated, richer=richer)
        left = balance_cautions(found, f"weighting for the {estimand}", advice)
    none = adjustment_cautions(scored.design.n_terms) if alone and scored.design is not None else ()
    return (*none, *scored.cautions, *lone, *(uneven if alone else ()), *left)


def _advice(
    sample: Sample, scored: Scored, estimand: str, *, alone: bool, truncated: bool, richer: bool
) -> str:
    """Say what to do about imbalance; `richer` where more terms in the score model may help."""
    if truncated:
        return _REMEDY_OF_TRUNCATED
    if scored.design is None and not scored.columns:
        return _REMEDY_OF_KNOWN
    advice = _REMEDY if alone else _REMEDY_OF_ADJUSTED
    if scored.design is None or scored.balance_terms is None or not richer:
        return advice
    there = sample.present_rows
    arms = sample.treated & there, ~sample.treated & there
    sizes = sample.n_users(arms[0]), sample.n_users(arms[1])
    treatment = sample.frame.treatment
    asked = Asked(scored.balance_terms, arms, scored.columns, treatment, estimand, sizes)
    return advice + richer_remedy(asked)


def without_remedy(caution: Warning) -> str:
    """Give a caution but for its remedy, which hangs on the estimator, where what is wrong does not."""
    words = str(caution)
    for remedy in (_REMEDY, _REMEDY_OF_ADJUSTED, _REMEDY_OF_TRUNCATED):
        words = words.partition(remedy)[0]
    return words


def _imbalance(
    sample: Sample, scored: Scored, weighting: Weighting, *, among_others: bool
) -> Imbalance | None:
    """Look for what the arms still differ in; or the others do, where it is told for whom nobody stands."""
    if scored.balance_terms is None or scored.cautions:  # of scores that cannot be right that is enough
        return None
    weights: Floats | None = weighting.weights
    if among_others:
        weights = weights_of_stood_for(weighting.weights, scored.scores, sample.treated)
    if weights is None:
        return None
    ess = (weighting.ess_treated, weighting.ess_control)
    return find_imbalance(scored.balance_terms, sample.treated, weights, ess=ess, **sample.row_weights)
