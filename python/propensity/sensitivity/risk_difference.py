"""The bias that takes a risk difference to none, without a risk ratio in between."""

from __future__ import annotations

import math
from dataclasses import dataclass

from propensity.frames.checks import Floats
from propensity.sensitivity.roots import crossing


@dataclass(frozen=True, eq=False)
class RiskDifference:
    """Two risks, the share of those who are treated, and how the three vary together.

    The difference that is left when confounding has moved the risk ratio by the factor B is at the least
    (p1 - p0 B) (f + (1 - f) / B), with f the share of the treated (Ding and VanderWeele 2016, page 376): its
    first part for those who are treated, 1 / B of it for those who are not.

    Attributes
    ----------
    treated, control : float
        The risks p1 and p0.
    share : float
        f: 1 for the effect on the treated, 0 for that on the controls.
    covariance : ndarray (3, 3)
        Of the three.
    """

    treated: float
    control: float
    share: float
    covariance: Floats

    def turned(self) -> RiskDifference:
        """Let the arms change places, so that a difference below 0 is one above it."""
        a = self.covariance
        order, signs = [1, 0, 2], [1.0, 1.0, -1.0]
        covariance = a[order][:, order] * [[one * other for other in signs] for one in signs]
        return RiskDifference(self.control, self.treated, 1 - self.share, covariance)

    def least(self, factor: float, z: float) -> float:
        """Give what is left after a bias by `factor`, less z of its standard errors, by the delta method."""
        left, reach = self.treated - self.control * factor, self.share + (1 - self.share) / factor
        slopes = (reach, -factor * reach, left * (1 - 1 / factor))
        variance = sum(
            one * other * float(self.covariance[i, j])
            for i, one in enumerate(slopes)
            for j, other in enumerate(slopes)
        )
        return left * reach - z * math.sqrt(max(variance, 0.0))

    def factor_to_none(self, z: float) -> float:
        """Give the least factor after which nothing is left; 1 where nothing is to begin with."""
        if self.treated < self.control:
            return self.turned().factor_to_none(z)
        if self.least(1.0, z) <= 0:
            return 1.0
        if self.control <= 0:
            return math.inf
        return crossing(lambda factor: self.least(factor, z) > 0, 1.0, self.treated / self.control)
