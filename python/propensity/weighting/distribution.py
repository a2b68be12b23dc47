"""Values in ascending order and what they weigh: quantiles, and how densely values lie there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from propensity.frames.checks import Floats
from propensity.scores.quantiles import quantiles_of_sorted

_NORMAL = NormalDist()
_BAND = 0.95  # the coverage for whose intervals the width of Hall and Sheather is best


@dataclass(frozen=True, eq=False)
class Distribution:
    """Values (n,) in ascending order, and what they weigh, more than nothing."""

    values: Floats
    weights: Floats

    @property
    def total(self) -> float:
        """What all weigh."""
        return float(self.weights.sum())

    def at(self, q: Sequence[float]) -> Floats:
        """Give the quantiles (k,), as `quantiles_by_share`."""
        return quantiles_of_sorted(self.values, self.weights, q)

    def densities(self, q: Sequence[float]) -> Floats:
        """Give the density at the quantiles (k,); infinite where values tie.

        By the difference of two quantiles over that of their shares (Siddiqui 1960), as far apart as Hall and
        Sheather (1988) say, for as many rows as the weights are worth (Kish).
        """
        size = self.total**2 / float((self.weights**2).sum())
        half = np.array([_half_width(one, size) for one in q])
        asked = np.asarray(q, dtype=np.float64)
        rise = self.at(asked + half) - self.at(asked - half)
        return np.asarray(np.divide(2 * half, rise, out=np.full(len(asked), np.inf), where=rise > 0))


def _half_width(q: float, size: float) -> float:
    """Give how far from a quantile to look (Hall and Sheather 1988), not beyond the middle of its tail."""
    z = _NORMAL.inv_cdf(q)
    density = _NORMAL.pdf(z)
    reach = _NORMAL.inv_cdf((1 + _BAND) / 2) ** (2 / 3) * (1.5 * density**2 / (2 * z**2 + 1)) ** (1 / 3)
    return float(min(reach * size ** (-1 / 3), q / 2, (1 - q) / 2))
