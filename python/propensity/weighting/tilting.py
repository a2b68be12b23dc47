"""How balancing weights move with the linear predictor of a logistic score, its log odds.

With e the score and h the tilting function of an estimand (Li, Morgan and Zaslavsky 2018), treated rows weigh
h / e and controls h / (1 - e); and de = e (1 - e) d eta.
"""

from __future__ import annotations

import numpy as np

from propensity.effects.estimators import WeightingEstimand
from propensity.frames.checks import Bools, Floats

_CORNER = 1e-12  # scores this close to 1/2 are 1/2, to rounding


def weight_slopes(scores: Floats, treated: Bools, estimand: WeightingEstimand) -> Floats:
    """Give the derivative (n,) of each row's balancing weight in its linear predictor.

    At e = 1/2, where the ATM's min(e, 1 - e) has a corner, h moves as the mean of both sides: not at all.
    """
    e = scores
    odds, spread = e / (1 - e), e * (1 - e)
    none = np.zeros_like(e)
    if estimand == "ATM":
        tilt = np.where(np.abs(e - 0.5) <= _CORNER, 0.0, np.copysign(spread, 0.5 - e))
        h = np.minimum(e, 1 - e)
        return np.where(treated, tilt / e - h / odds, tilt / (1 - e) + h * odds)
    slopes = {
        "ATE": (-1 / odds, odds),
        "ATT": (none, odds),
        "ATC": (-1 / odds, none),
        "ATO": (-spread, spread),
    }[estimand]
    return np.where(treated, *slopes)
