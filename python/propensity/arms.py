"""What an effect is made of: the means of both arms, what rows weigh, how far the outcome's digits reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from propensity._check import Floats, Rows

# A weighted mean, or a prediction of a model that fits exactly, is off by a few units in the last place of
# the largest outcome; what nearly collinear covariates add to that is in the rest of it.
_ROUNDING = 64 * float(np.finfo(np.float64).eps)


class ArmMeans(Protocol):
    """The means of both arms, and each row's influence (n,) on them, mean zero, where the method has any."""

    @property
    def mean_treated(self) -> float:
        """Of the treated."""

    @property
    def mean_control(self) -> float:
        """Of the controls."""

    @property
    def influence_treated(self) -> Floats | None:
        """On the mean of the treated."""

    @property
    def influence_control(self) -> Floats | None:
        """On the mean of the controls."""


@dataclass(frozen=True, eq=False)
class Means:
    """The means of both arms, where they are not the core's: as `ArmMeans`, and which rows vary together.

    `clusters` (n,) is None where each row varies by itself.
    """

    mean_treated: float
    mean_control: float
    influence_treated: Floats | None = None
    influence_control: Floats | None = None
    clusters: Rows | None = None


@dataclass(frozen=True, eq=False)
class Weighting:
    """The weights (n,) of the rows, sample weights included, and what each arm is worth (Kish)."""

    weights: Floats
    ess_treated: float
    ess_control: float


@dataclass(frozen=True)
class OutcomeFacts:
    """What has to be known of an outcome beside its means.

    Attributes
    ----------
    low, high : float
        The smallest and the largest value.
    bounded : bool
        Whether every value lies in [0, 1], so that its mean has odds.
    """

    low: float
    high: float
    bounded: bool

    @classmethod
    def of(cls, outcome: Floats, *, bounded: bool = True) -> OutcomeFacts:
        """Look at the values (n,) that means are made of; `bounded` is False where means may leave [0, 1]."""
        low, high = float(outcome.min()), float(outcome.max())
        return cls(low, high, bounded and low >= 0 and high <= 1)

    @property
    def rounding(self) -> float:
        """What cannot be told from 0 beside the largest value: a difference of means below it is rounding."""
        return _ROUNDING * max(-self.low, self.high)

    def within(self, mean: float) -> float:
        """Give the mean, which rounding may have put beside outcomes that are all the same."""
        return self.low if self.low == self.high else mean
