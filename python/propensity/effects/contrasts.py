"""Contrasts of two means: each is a difference on a scale of its own, and that is all there is to know.

On the scale g a contrast is g(mean treated) - g(mean control), and what a row adds to it, by the delta
method, is g'(mean treated) times its influence on that mean, minus the same for the control arm. Ratios
work on the logarithm, where their sampling distribution is closer to normal and their interval cannot
reach below zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Contrast: TypeAlias = Literal["difference", "ratio", "odds_ratio"]


@dataclass(frozen=True)
class Scale:
    """The scale g of a contrast, its slope g', and the ways from there to what is reported and back."""

    link: Callable[[float], float]
    slope: Callable[[float], float]
    report: Callable[[float], float]
    read: Callable[[float], float]
    words: str
    logarithmic: bool = True


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


SCALES: dict[Contrast, Scale] = {
    "difference": Scale(_same, _one, _same, _same, "difference", logarithmic=False),
    "ratio": Scale(math.log, _inverse, math.exp, math.log, "ratio"),
    "odds_ratio": Scale(_log_odds, _log_odds_slope, math.exp, math.log, "odds ratio"),
}
