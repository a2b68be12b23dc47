"""Confidence intervals from bootstrap replicates: each kind a function of one estimate's replicates."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Literal, TypeAlias, get_args

import numpy as np

from propensity.frames.checks import Floats

IntervalKind: TypeAlias = Literal["percentile", "basic", "normal", "bca", "studentized", "calibrated"]
Interval: TypeAlias = tuple[float, float]

KINDS: tuple[str, ...] = get_args(IntervalKind)

BY_ERRORS = "studentized", "calibrated"
"""Those that need a standard error for each replicate."""

_NORMAL = NormalDist()
_NONE = math.nan, math.nan


def bootstrap_interval(
    kind: str, estimate: float, replicates: Floats, *, level: float, acceleration: float
) -> Interval:
    """Give the interval of this kind, from replicates without NaN.

    Parameters
    ----------
    kind : {"percentile", "basic", "normal", "bca"}
        As described in `BootstrapResult.conf_int`.
    estimate : float
        On the data themselves.
    replicates : ndarray (n_reps,)
        With fewer than two there is no interval.
    level : float
        Coverage, strictly between 0 and 1.
    acceleration : float
        For "bca" alone; NaN where it is not known.

    Returns
    -------
    low, high : float
    """
    if len(replicates) < 2:
        return _NONE
    if kind == "percentile":
        return percentile(replicates, level)
    if kind == "basic":
        return basic(estimate, replicates, level)
    if kind == "normal":
        return normal(estimate, replicates, level)
    return bca(estimate, replicates, level, acceleration)


def percentile(replicates: Floats, level: float) -> Interval:
    """Give the quantiles of the replicates (Efron and Tibshirani 1993, section 13.3)."""
    return _quantiles(replicates, (1 - level) / 2, (1 + level) / 2)


def basic(estimate: float, replicates: Floats, level: float) -> Interval:
    """Mirror the percentile interval at the estimate (Davison and Hinkley 1997, section 5.2)."""
    low, high = percentile(replicates, level)
    return 2 * estimate - high, 2 * estimate - low


def normal(estimate: float, replicates: Floats, level: float) -> Interval:
    """Go as many standard deviations (n - 1) of the replicates to both sides as the normal law asks."""
    half_width = _NORMAL.inv_cdf((1 + level) / 2) * float(replicates.std(ddof=1))
    return estimate - half_width, estimate + half_width


def bca(estimate: float, replicates: Floats, level: float, acceleration: float) -> Interval:
    """Give the bias-corrected and accelerated interval (Efron 1987).

    With z0 the normal quantile of the share of replicates below the estimate, equal ones counting one half,
    and z the normal quantile of an end of the percentile interval, its place moves to
    Phi(z0 + (z0 + z) / (1 - a (z0 + z))). There is none where all replicates lie on one side.
    """
    share = float((np.mean(replicates < estimate) + np.mean(replicates <= estimate)) / 2)
    if not (0 < share < 1 and math.isfinite(acceleration)):
        return _NONE
    z0 = _NORMAL.inv_cdf(share)
    low, high = (
        _NORMAL.cdf(z0 + z / (1 - acceleration * z))
        for z in (z0 + _NORMAL.inv_cdf((1 - level) / 2), z0 + _NORMAL.inv_cdf((1 + level) / 2))
    )
    return _quantiles(replicates, low, high)


def by_errors(
    kind: str, estimate: float, std_error: float, replicates: Floats, std_errors: Floats, level: float
) -> Interval:
    """Give the interval of a kind that is made of the replicates' own t statistics.

    These are t = (replicate - estimate) / (standard error within the replicate). Replicates without either
    number are left out.
    """
    known = np.isfinite(replicates) & np.isfinite(std_errors) & (std_errors > 0)
    t = (replicates[known] - estimate) / std_errors[known]
    if len(t) < 2:
        return _NONE
    if kind == "calibrated":
        return calibrated(replicates[known], t, level)
    return studentized(estimate, std_error, t, level)


def studentized(estimate: float, std_error: float, t: Floats, level: float) -> Interval:
    """Give the interval from t statistics (Efron and Tibshirani 1993, section 12.5).

    With quantiles of t the ends are estimate - t std_error, the upper quantile for the lower end.
    """
    low, high = _quantiles(t, (1 - level) / 2, (1 + level) / 2)
    return estimate - high * std_error, estimate - low * std_error


def calibrated(replicates: Floats, t: Floats, level: float) -> Interval:
    """Give percentiles at the level at which those within replicates hold the estimate as often as asked.

    A bootstrap within replicate b, made of the influence values there, is normal about it with its own
    standard error; its percentiles at -z and z hold the estimate where abs(t_b) <= z. A share `level` of the
    replicates does so where z is that quantile of abs(t), and the ends are the replicates' own percentiles at
    Phi(-z) and Phi(z) (Loh 1987, Journal of the American Statistical Association 82, 155; Hall and Martin
    1988, Biometrika 75, 661).
    """
    z = float(np.quantile(np.abs(t), level))
    return _quantiles(replicates, _NORMAL.cdf(-z), _NORMAL.cdf(z))


def lacking(kind: str, std_error: float, acceleration: float) -> str:
    """Say what an interval of this kind would need that there is not, and which to take."""
    if kind in BY_ERRORS:
        return "its replicates have no standard errors; take kind='percentile'"
    if kind == "bca" and std_error == 0:
        return "its replicates are all the same; there is nothing to correct, take kind='percentile'"
    if kind == "bca" and math.isnan(acceleration):
        return (
            "its acceleration is not known (an estimate by nearest neighbours does not move smoothly "
            "with the rows' weights; cells of an outcome that is not 0/1 do not know its skewness); take "
            "kind='percentile'"
        )
    return (
        "the estimate lies beyond all of its replicates, so that their bias cannot be told; take "
        "kind='normal', and look at the replicates"
    )


def _quantiles(replicates: Floats, low: float, high: float) -> Interval:
    ends = np.quantile(replicates, [low, high])
    return float(ends[0]), float(ends[1])
