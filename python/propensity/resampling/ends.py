"""The ends of the intervals of all estimators of a bootstrap, on the scale that they are reported on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from propensity.effects.contrasts import Contrast
from propensity.frames.checks import Bools, Floats
from propensity.resampling.contrasted import on_scale, reported
from propensity.resampling.intervals import (
    BY_ERRORS,
    Interval,
    IntervalKind,
    bootstrap_interval,
    by_errors,
)

if TYPE_CHECKING:
    from propensity.resampling.result import BootstrapResult


def ends_of(
    boot: BootstrapResult, level: float, kind: IntervalKind, kept: Bools | slice = slice(None)
) -> list[Interval]:
    """Give the ends of the k intervals of this kind, from some of the replicates, `kept` (n_reps,)."""
    replicates = boot.replicates.to_numpy()[kept]
    if kind in BY_ERRORS:
        return _by_errors(boot, level, kind, replicates, kept)
    unknown = np.full(len(boot.estimates), math.nan)
    acceleration = boot.acceleration.to_numpy() if kind == "bca" else unknown
    of_scale = kind in ("basic", "normal")
    estimates = boot.estimates.to_numpy()
    if of_scale:
        estimates, replicates = (on_scale(values, boot.contrast) for values in (estimates, replicates))
    ends = [
        bootstrap_interval(
            kind,
            float(estimate),
            replicates[~np.isnan(replicates[:, k]), k],
            level=level,
            acceleration=float(acceleration[k]),
        )
        for k, estimate in enumerate(estimates)
    ]
    return [_reported(own, boot.contrast) for own in ends] if of_scale else ends


def _by_errors(
    boot: BootstrapResult, level: float, kind: IntervalKind, replicates: Floats, kept: Bools | slice
) -> list[Interval]:
    """Give those that are made of the replicates' own standard errors."""
    assert boot.replicate_std_errors is not None
    errors = boot.replicate_std_errors.to_numpy()[kept]
    own = boot.analytic_std_errors
    estimates = on_scale(boot.estimates.to_numpy(), boot.contrast)
    values = on_scale(replicates, boot.contrast)
    found = [
        by_errors(kind, estimates[k], own.iloc[k], values[:, k], errors[:, k], level)
        for k in range(len(boot.estimators))
    ]
    return [_reported(ends, boot.contrast) for ends in found]


def _reported(ends: Interval, contrast: Contrast) -> Interval:
    """Give the ends on the scale as they are reported."""
    low, high = (reported(end, contrast) for end in ends)
    return low, high
