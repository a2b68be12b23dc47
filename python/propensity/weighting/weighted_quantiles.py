"""Quantiles of weighted outcomes, arm by arm, and how much of the weight lies near them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from propensity.frames.checks import Bools, Floats, Rows
from propensity.weighting.distribution import Distribution


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
        """Give the quantiles of both arms, (2, k), the treated first."""
        return np.array([self.of_arm(arm).at(q) for arm in self._arms(weights)])

    def densities(self, weights: Floats, q: Sequence[float]) -> Floats:
        """Give the density of either arm's outcome at its quantiles, (2, k)."""
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

    def of_arm(self, laid: Floats) -> Distribution:
        """Leave the rows that weigh something."""
        there = laid > 0
        return Distribution(self.values[there], laid[there])
