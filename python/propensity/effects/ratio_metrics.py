"""Ratio metrics: clicks per view, revenue per order: a ratio of two weighted means in each arm.

The unit is the row, the user say, and not the view: with c and v the means of an arm the metric is R = c / v,
and what a row adds to it is what it adds to c, less R times what it adds to v, over v (the delta method).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from propensity.effects.arms import Means, OutcomeFacts, is_event
from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.effects.leverage import LeftOut, Leverage
from propensity.errors import DegenerateWarning, InvalidInputError
from propensity.frames.checks import Floats
from propensity.frames.grouping import Grouping

_ROUNDING = 1e-14  # of the ratio itself, of products with it, and of their differences

OF_A_RATIO = "; of a ratio of two means, by the delta method"
"""What is added to the words of a standard error."""


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
            leverage=_leverage(numerator, denominator, (treated[0], control[0])),
            left_out=_left_out(numerator, denominator),
        ),
        facts,
        estimand=numerator.estimand,
        treated=numerator.treated,
        weights=numerator.weights,
        fingerprint=numerator.fingerprint,
        ess=(numerator.ess_treated, numerator.ess_control),
        se_method=numerator.se_method + OF_A_RATIO,
        clusters=numerator.clusters,
        frequency=numerator.frequency,
        contrast=contrast,
        cautions=_still_said(numerator),
        whom=numerator.whom,
    )


def _leverage(numerator: Effect, denominator: Effect, ratios: tuple[float, float]) -> Leverage | None:
    """Give what leverage holds back of the ratios of the arms, the treated first."""
    above, below = numerator.leverage, denominator.leverage
    if above is None:
        return None
    assert numerator.treated is not None
    held_below = 0.0 if below is None else below.residual  # nothing is left of what is fitted exactly
    ratio = np.where(numerator.treated, *ratios)
    mean = np.where(numerator.treated, denominator.mean_treated, denominator.mean_control)
    return Leverage(above.values, (above.residual - ratio * held_below) / mean)


@dataclass(frozen=True, eq=False)
class RatioLeftOut:
    """What leaving each row out does to the ratios of two pairs of means, (2,) each, the treated's first."""

    above: LeftOut
    below: LeftOut
    means_above: tuple[float, float]
    means_below: tuple[float, float]

    def influence(self) -> Floats:
        """Give it as of means, (2, n): the ratios without each row, scaled so that squares make the error."""
        above, below = self.above.influence(), self.below.influence()
        there = ((above != 0) | (below != 0)).any(axis=0)
        n = int(there.sum())
        scale = -math.sqrt((n - 1) / n) * len(there)
        means = [np.array(own)[:, None] for own in (self.means_above, self.means_below)]
        ratios = (means[0] + above / scale) / (means[1] + below / scale)
        moved = ratios - ratios[:, there].mean(axis=1, keepdims=True)
        return np.asarray(np.where(there, moved, 0.0) * scale)


def _left_out(numerator: Effect, denominator: Effect) -> LeftOut | str | None:
    """Give what leaves each row out of both, or why that is not worked out."""
    above, below = numerator.left_out, denominator.left_out
    if isinstance(above, str | None) or isinstance(below, str | None):
        return above
    means = [(effect.mean_treated, effect.mean_control) for effect in (numerator, denominator)]
    return RatioLeftOut(above, below, *means)


def _still_said(numerator: Effect) -> tuple[Warning, ...]:
    """Give what was said of the numerator, but not that it is the same for all: its ratio need not be."""
    moved = numerator.influence
    if moved is None or moved.any() or numerator.estimate != 0:
        return numerator.cautions
    return tuple(caution for caution in numerator.cautions if not isinstance(caution, DegenerateWarning))


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


def facts_of_metric(numerator: Floats, denominator: Floats, sample_weight: Floats | None) -> OutcomeFacts:
    """Look at the values of a metric, those of the rows (m,) that are there.

    Its standard deviation is that of c over the mean of v. What a row stands for is R + (c - R v) / mean of
    v, whose mean is R and which is R in every row where c is R times v in all: a c that is the same for all
    is no metric that is. Both means are those of the population that sample weights stand for.
    """
    c, v = numerator, denominator
    mean = float(np.average(v, weights=sample_weight))
    if not mean > 0:
        return OutcomeFacts(math.nan, math.nan, bounded=False)
    ratio = float(np.average(c, weights=sample_weight)) / mean
    rest = c - ratio * v
    bounded = bool(((c >= 0) & (c <= v)).all())
    binary = bounded and bool((is_event(c) & is_event(v)).all())
    std_dev = OutcomeFacts.of(c / mean, sample_weight=sample_weight).std_dev
    largest = float(np.abs(c).max()) + abs(ratio) * float(v.max())
    if float(np.abs(rest).max()) <= _ROUNDING * largest:
        return OutcomeFacts(ratio, ratio, bounded, std_dev, binary)
    low, high = (ratio + float(end) / mean for end in (rest.min(), rest.max()))
    return OutcomeFacts(low, high, bounded, std_dev, binary)


def facts_of_metrics(
    groups: Grouping, numerator: Floats, denominator: Floats, sample_weight: Floats | None
) -> tuple[OutcomeFacts, ...]:
    """Look at the values of a metric in each group, of its own rows that are there."""
    found = []
    for place in range(groups.n_groups):
        rows = groups.rows(place)
        own = None if sample_weight is None else sample_weight[rows]
        found.append(facts_of_metric(numerator[rows], denominator[rows], own))
    return tuple(found)
