"""What one method says about one data set: an estimate and its interval."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from propensity.effects.inference import normal_quantile
from world_rows import Floats

LEVEL = 0.95


class Method(NamedTuple):
    """An estimator, whom its effect is for, and how its interval is made."""

    estimator: str
    estimand: str
    interval: str


class Interval(NamedTuple):
    """What one method says about one data set.

    Attributes
    ----------
    estimate, std_error, low, high : float
    failed_replicates : float
        The share of bootstrap replicates that could not be estimated.
    warned : float
        1 where `propensity.ipw` warns of these data that intervals tend to be too narrow, 0 where it does
        not; NaN for other estimators.
    """

    estimate: float
    std_error: float
    low: float
    high: float
    failed_replicates: float = 0.0
    warned: float = math.nan


FAILED = Interval(math.nan, math.nan, math.nan, math.nan)


def normal_interval(estimate: float, std_error: float) -> Interval:
    """Give the interval of the normal law; `FAILED` without an estimate or an error."""
    if not (math.isfinite(estimate) and math.isfinite(std_error)):
        return FAILED
    half_width = normal_quantile(LEVEL) * std_error
    return Interval(estimate, std_error, estimate - half_width, estimate + half_width)


def from_replicates(estimate: float, replicates: Floats) -> tuple[Interval, Interval]:
    """Give the percentile and the normal interval; as `BootstrapResult` does, quantiles are interpolated."""
    usable = replicates[np.isfinite(replicates)]
    if len(usable) < 2:
        return FAILED, FAILED
    unusable = 1 - len(usable) / len(replicates)
    std_error = float(usable.std(ddof=1))
    low, high = np.quantile(usable, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    percentile = Interval(estimate, std_error, float(low), float(high), unusable)
    return percentile, normal_interval(estimate, std_error)._replace(failed_replicates=unusable)
