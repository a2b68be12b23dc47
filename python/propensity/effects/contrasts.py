"""Contrasts of two means: each is a difference on a scale of its own, and that is all there is to know.

On the scale g a contrast is g(mean treated) - g(mean control), and what a row adds to it, by the delta
method, is g'(mean treated) times its influence on that mean, minus the same for the control arm. Ratios
work on the logarithm, where their sampling distribution is closer to normal and their interval cannot
reach below zero; a change in percent is a ratio, told otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from propensity.errors import InvalidInputError

Contrast: TypeAlias = Literal["difference", "ratio", "percent", "odds_ratio"]


@dataclass(frozen=True)
class Scale:
    """The scale g of a contrast, its slope g', and the ways from there to what is reported and back.

    Attributes
    ----------
    link, slope : callable
        From a mean to g(mean) and g'(mean).
    report, read : callable
        From a difference on the scale to what it is reported as, and back.
    words : str
        What the contrast is called in a headline.
    logarithmic : bool, default True
        Whether standard errors are those of a logarithm.
    none : float, default 0.0
        What no effect is reported as.
    unit : str, default ""
        What stands behind a reported number.
    """

    link: Callable[[float], float]
    slope: Callable[[float], float]
    report: Callable[[float], float]
    read: Callable[[float], float]
    words: str
    logarithmic: bool = True
    none: float = 0.0
    unit: str = ""

    def written(self, value: float) -> str:
        """Write a reported number: with its sign where 0 is no effect, with its unit."""
        sign = "+" if self.none == 0.0 else ""
        return f"{value:{sign}.6g}{self.unit}"


_LARGEST = 700.0  # whose exponential, a hundred times, is a number still


def _same(value: float) -> float:
    return value


def _one(_: float) -> float:
    return 1.0


def _inverse(mean: float) -> float:
    return 1.0 / mean


def _log_odds(mean: float) -> float:
    return math.log(mean) - math.log1p(-mean)


def _log_odds_slope(mean: float) -> float:
    return 1.0 / (mean * (1.0 - mean))


def _ratio(log_ratio: float) -> float:
    """Give the ratio; infinite where it is beyond numbers, as the end of a wide interval may be."""
    return math.exp(log_ratio) if log_ratio < _LARGEST else math.inf


def _percent(log_ratio: float) -> float:
    return 100.0 * math.expm1(log_ratio) if log_ratio < _LARGEST else math.inf


def _log_ratio(percent: float) -> float:
    return math.log1p(percent / 100.0)


SCALES: dict[Contrast, Scale] = {
    "difference": Scale(_same, _one, _same, _same, "difference", logarithmic=False),
    "ratio": Scale(math.log, _inverse, _ratio, math.log, "ratio", none=1.0),
    "percent": Scale(math.log, _inverse, _percent, _log_ratio, "change", unit="%"),
    "odds_ratio": Scale(_log_odds, _log_odds_slope, _ratio, math.log, "odds ratio", none=1.0),
}


def require_means(contrast: Contrast, treated: float, control: float, *, bounded: bool) -> None:
    """Require two means that a contrast can be made of; `bounded` says of outcomes that all are in [0, 1].

    Raises
    ------
    InvalidInputError
        A mean is not positive, as a ratio needs it, or not strictly between 0 and 1, as odds do.
    """
    means = f"the means are {treated:.4g} and {control:.4g}"
    low, high = min(treated, control), max(treated, control)
    instead = f"take {'ratio' if low > 0 else 'difference'!r}"
    if contrast in ("ratio", "percent") and low <= 0:
        raise InvalidInputError(f"contrast {contrast!r}: both means must be positive, but {means}; {instead}")
    if contrast == "odds_ratio" and not bounded:
        raise InvalidInputError(f"contrast 'odds_ratio': some outcomes lie outside [0, 1]; {instead}")
    if contrast == "odds_ratio" and not 0 < low <= high < 1:
        raise InvalidInputError(
            f"contrast 'odds_ratio': both means must be between 0 and 1, but {means}; {instead}"
        )
