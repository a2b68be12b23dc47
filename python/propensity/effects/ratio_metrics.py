"""Ratio metrics: clicks per view, revenue per order: a ratio of two weighted means in each arm.

The unit is the row, the user say, and not the view: with c and v the means of an arm the metric is R = c / v,
and what a row adds to it is what it adds to c, less R times what it adds to v, over v (the delta method).
"""

from __future__ import annotations

from dataclasses import replace

from propensity.effects.arms import Means, OutcomeFacts
from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.errors import InvalidInputError
from propensity.frames.checks import Bools, Floats

OF_A_RATIO = "; of a ratio of two means, by the delta method"
"""What is added to the words of a standard error."""


def metric_values(numerator: Floats, denominator: Floats) -> tuple[Floats, Bools]:
    """Give values (n,) on the scale of the ratio, and of which rows (n,) it lies in [0, 1]."""
    return numerator / denominator.mean(), (numerator >= 0) & (numerator <= denominator)


def metric_effect(numerator: Effect, denominator: Effect, facts: OutcomeFacts, contrast: Contrast) -> Effect:
    """Divide the means of one effect by those of another on the same rows, by the same method.

    Raises
    ------
    InvalidInputError
        A mean to be divided by is 0 or below, or the metrics have no such contrast.
    """
    treated = _divided(
        numerator.mean_treated,
        denominator.mean_treated,
        numerator.influence_treated,
        denominator.influence_treated,
        "treated",
    )
    control = _divided(
        numerator.mean_control,
        denominator.mean_control,
        numerator.influence_control,
        denominator.influence_control,
        "control",
    )
    assert numerator.treated is not None
    assert numerator.fingerprint is not None
    return Effect.of(
        Means(
            treated[0],
            control[0],
            treated[1],
            control[1],
            numerator.clusters,
            leverage=numerator.leverage,
        ),
        facts,
        estimand=numerator.estimand,
        treated=numerator.treated,
        weights=numerator.weights,
        fingerprint=numerator.fingerprint,
        ess=(numerator.ess_treated, numerator.ess_control),
        se_method=numerator.se_method + OF_A_RATIO,
        clusters=numerator.clusters,
        contrast=contrast,
        cautions=numerator.cautions,
        whom=numerator.whom,
    )


def _divided(
    above: float, below: float, moved_above: Floats | None, moved_below: Floats | None, arm: str
) -> tuple[float, Floats]:
    """Give the ratio of two means and its influence (n,)."""
    if not below > 0:
        raise InvalidInputError(
            f"per: its mean is {below:.4g} in the {arm} arm, and nothing is divided by that"
        )
    assert moved_above is not None
    assert moved_below is not None
    ratio = above / below
    return ratio, (moved_above - ratio * moved_below) / below


def facts_of_metric(numerator: Floats, denominator: Floats) -> OutcomeFacts:
    """Look at the values of a metric, those of the rows that are there."""
    values, bounded = metric_values(numerator, denominator)
    return replace(OutcomeFacts.of(values), bounded=bool(bounded.all()))
