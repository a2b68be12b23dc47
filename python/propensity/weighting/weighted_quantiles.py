"""Quantiles of weighted outcomes, arm by arm, and how much of the weight lies near them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from propensity.frames.checks import Bools, Floats, Rows

_ROUNDING = 1e-12  # of the weight: shares this close to a quantile's are it

_NORMAL = NormalDist()
_BAND = 0.95  # the coverage for whose intervals the width of Hall and Sheather is best


@dataclass(frozen=True, eq=False)
class SortedOutcome:
    """An outcome of n rows in ascending order, which weights of any replicate are laid along.

    Attributes
    ----------
    order : ndarray (n,) of int
        The rows, from the smallest outcome on.
    values : ndarray (n,)
        The outcome in that order.
    treated : ndarray (n,) of bool
        Who was treated, in that order.
    """

    order: Rows
    values: Floats
    treated: Bools

    @classmethod
    def of(cls, outcome: Floats, treated: Bools) -> SortedOutcome:
        """Sort the rows."""
        order = np.argsort(outcome, kind="stable")
        return cls(order, outcome[order], treated[order])

    def quantiles(self, weights: Floats, q: Sequence[float]) -> Floats:
        """Give the quantiles of both arms, (2, k), the treated first: where the check function is least.

        That is the smallest value with at least a share q of the arm's weight up to it; where the share is q
        exactly any value up to the next one does, and the middle is taken (definition 2 of Hyndman and Fan
        1996), so that an outcome turned round has its quantiles turned round.
        """
        return np.array([self.of_arm(arm).at(q) for arm in self._arms(weights)])

    def densities(self, weights: Floats, q: Sequence[float]) -> Floats:
        """Give the density of either arm's outcome at its quantiles, (2, k).

        By the difference of two quantiles over that of their shares (Siddiqui 1960), as far apart as Hall and
        Sheather (1988) say, for as many rows as the arm is worth (Kish).
        """
        return np.array([self.of_arm(arm).densities(q) for arm in self._arms(weights)])

    def ties(self, weights: Floats, q: Sequence[float]) -> Floats:
        """Give how much of either arm's weight lies at each of its quantiles, (2, k)."""
        found = []
        for arm in self._arms(weights):
            laid = self.of_arm(arm)
            found.append(
                [float(laid.weights[laid.values == value].sum() / laid.total) for value in laid.at(q)]
            )
        return np.array(found)

    def _arms(self, weights: Floats) -> tuple[Floats, Floats]:
        laid = weights[self.order]
        return np.where(self.treated, laid, 0.0), np.where(self.treated, 0.0, laid)

    def of_arm(self, laid: Floats) -> _Laid:
        """Leave the rows that weigh something."""
        there = laid > 0
        return _Laid(self.values[there], laid[there])


@dataclass(frozen=True, eq=False)
class _Laid:
    """Values in ascending order, and what they weigh."""

    values: Floats
    weights: Floats

    @property
    def total(self) -> float:
        """What all weigh."""
        return float(self.weights.sum())

    def at(self, q: Sequence[float]) -> Floats:
        """Give the quantiles (k,)."""
        share = np.cumsum(self.weights)
        share /= share[-1]
        asked = np.asarray(q, dtype=np.float64)
        place = np.minimum(np.searchsorted(share, asked - _ROUNDING), len(share) - 1)
        beside = np.minimum(place + 1, len(share) - 1)
        exact = share[place] <= asked + _ROUNDING
        return np.where(exact, (self.values[place] + self.values[beside]) / 2, self.values[place])

    def densities(self, q: Sequence[float]) -> Floats:
        """Give the density at the quantiles (k,); infinite where values tie."""
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
