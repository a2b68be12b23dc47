"""Replicates of the means of both arms made into those of a contrast: ratio, percent, odds ratio.

On the scale g a contrast is g(mean treated) - g(mean control), and what a row adds to it, by the delta
method, is g' times its influence on either mean (see `effects/contrasts.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from propensity import core
from propensity.effects.contrasts import SCALES, Contrast
from propensity.frames.checks import Bools, Floats


@dataclass(frozen=True, eq=False)
class Numbers:
    """Of k estimators, as they are reported.

    Attributes
    ----------
    estimates : ndarray (k,)
    replicates : ndarray (n_reps, k)
        NaN where a replicate could not be estimated, or its means have no such contrast.
    std_errors : ndarray (n_reps, k), or None
        Of each replicate by itself, on the scale of the contrast.
    """

    estimates: Floats
    replicates: Floats
    std_errors: Floats | None


def contrasted(means: core.ReplicatedMeans, equal: tuple[Bools, Bools], contrast: Contrast) -> Numbers:
    """Make the core's means into a contrast.

    Parameters
    ----------
    equal : ndarray (k,) of bool, and (n_reps, k)
        Where the two means differ by rounding alone, of the data and of the replicates.
    """
    errors = None
    if means.covariances is not None:
        errors = _std_errors(means.replicates, means.covariances, contrast)
    return Numbers(
        _of_means(_levelled(means.estimates, equal[0]), contrast),
        _of_means(_levelled(means.replicates, equal[1]), contrast),
        errors,
    )


def analytic_figures(means: core.ReplicatedMeans, contrast: Contrast) -> tuple[Floats, Floats]:
    """Give Efron's accelerations (k,), and the standard errors (k,) on the scale of the contrast."""
    control, treated = _slopes(means.estimates, contrast)
    cc, ct, tt, ccc, cct, ctt, ttt = means.products.T
    second = control**2 * cc - 2 * control * treated * ct + treated**2 * tt
    third = treated**3 * ttt - 3 * treated**2 * control * ctt + 3 * treated * control**2 * cct
    with np.errstate(divide="ignore", invalid="ignore"):
        acceleration = (third - control**3 * ccc) / (6 * second**1.5)
    return acceleration, _std_errors(means.estimates, means.analytic_covariance, contrast)


def on_scale(values: NDArray[Any], contrast: Contrast) -> Floats:
    """Give reported contrasts on the scale that their errors are on: ratios as logarithms."""
    scale = SCALES[contrast]
    return _each(scale.read, values) if scale.logarithmic else np.asarray(values, dtype=np.float64)


def reported(value: float, contrast: Contrast) -> float:
    """Report a difference on the scale."""
    return SCALES[contrast].report(value) if np.isfinite(value) else value


def _of_means(means: Floats, contrast: Contrast) -> Floats:
    """Give the contrasts (...) of means (..., 2), the control's first; NaN where there are none."""
    scale = SCALES[contrast]
    control, treated = _each(scale.link, _allowed(means, contrast)).transpose(-1, *range(means.ndim - 1))
    return _each(scale.report, treated - control)


def _std_errors(means: Floats, covariances: Floats, contrast: Contrast) -> Floats:
    """Give the standard errors (...), on the scale, from covariances (..., 3) of the means (..., 2)."""
    control, treated = _slopes(means, contrast)
    of_control, both, of_treated = np.moveaxis(covariances, -1, 0)
    variance = control**2 * of_control - 2 * control * treated * both + treated**2 * of_treated
    return np.sqrt(np.where(variance >= 0, variance, np.nan))


def _slopes(means: Floats, contrast: Contrast) -> Floats:
    return np.moveaxis(_each(SCALES[contrast].slope, _allowed(means, contrast)), -1, 0)


def _allowed(means: Floats, contrast: Contrast) -> Floats:
    """Leave out means that the scale does not know: the logarithm is of positive ones."""
    low, high = {"difference": (-np.inf, np.inf), "odds_ratio": (0.0, 1.0)}.get(contrast, (0.0, np.inf))
    both = ((means > low) & (means < high)).all(axis=-1, keepdims=True)
    return np.where(both, means, np.nan)


def _levelled(means: Floats, equal: Bools) -> Floats:
    """Let the means be one where they differ by rounding alone."""
    return np.where(equal[..., None], means.mean(axis=-1, keepdims=True), means)


def _each(function: Callable[[float], float], values: Floats) -> Floats:
    """Apply a function to the numbers among the values."""
    found = np.full(values.shape, np.nan)
    known = ~np.isnan(values)
    found[known] = [function(value) for value in values[known].tolist()]
    return found
