"""What of an effect is only rounding: the means of outcomes that are all the same, or fitted exactly."""

from __future__ import annotations

import math

import numpy as np

from propensity.effects.arms import ArmMeans, Means, OutcomeFacts
from propensity.effects.clusters import count
from propensity.frames.checks import Rows


def without_rounding(
    means: ArmMeans,
    facts: OutcomeFacts,
    ess: tuple[float, float],
    std_error: float,
    clusters: Rows | None,
) -> tuple[ArmMeans, float]:
    """Take a difference and its standard error for 0 where they are nothing but rounding.

    What rows are away from their mean is rounding where the standard error is below that of rows which are
    `rounding` away from it each: with equal signs within clusters, hence the count of these.
    """
    treated, control = means.influence_treated, means.influence_control
    size = ess if clusters is None else (count(clusters),) * 2
    exact = facts.constant or std_error <= facts.rounding() * math.sqrt(1 / size[0] + 1 / size[1])
    if not exact:
        return means, std_error
    mean_treated, mean_control = means.mean_treated, means.mean_control
    if facts.constant:
        mean_treated = mean_control = facts.low
    elif abs(mean_treated - mean_control) <= facts.rounding(sum(ess)):
        mean_treated = mean_control = mean_treated / 2 + mean_control / 2
    if treated is not None and control is not None:
        # What moves both means alike, as covariates do that foretell the outcome, is no rounding.
        treated = control = np.zeros_like(treated) if facts.constant else (treated + control) / 2
    return Means(mean_treated, mean_control, treated, control), 0.0
