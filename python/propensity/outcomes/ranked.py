"""What treating first those who stand first would gain: areas under the curve, and their influence.

With n rows in descending order of priority and u the part of them that is treated, the curve is TOC(u), the
mean effect among these less the mean effect among all. The areas are the integral of TOC(u), and that of
u TOC(u). Rows of one priority are a block: those of them that are treated are drawn at random, so that the
sum of effects grows linearly within it. Weights are copies: a row of weight two counts as two.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from propensity.frames.checks import Floats, Rows


@dataclass(frozen=True)
class Ranked:
    """Rows in B blocks of one priority each, in descending order of it.

    Attributes
    ----------
    effects : ndarray (n,)
        Pseudo-outcomes of the rows.
    weights : ndarray (n,)
        What they count for; positive.
    block : ndarray (n,) of int
        Where each row is: 0 for those who come first.
    """

    effects: Floats
    weights: Floats
    block: Rows

    @classmethod
    def by(cls, priority: Floats, effects: Floats, weights: Floats) -> Ranked:
        """Put rows into order; effects are taken from their mean, which no area hangs on."""
        block = np.unique(-priority, return_inverse=True)[1].reshape(-1)
        return cls(effects - np.average(effects, weights=weights), weights, block)

    @cached_property
    def size(self) -> Floats:
        """The weight in each block (B,)."""
        return np.asarray(np.bincount(self.block, weights=self.weights), dtype=np.float64)

    @cached_property
    def mean(self) -> Floats:
        """The mean effect in each block (B,)."""
        return np.bincount(self.block, weights=self.weights * self.effects) / self.size

    @cached_property
    def through(self) -> Floats:
        """The weight of each block and those before it (B,)."""
        return np.cumsum(self.size)

    @cached_property
    def before(self) -> Floats:
        """The sum of effects in the blocks before each (B,)."""
        return np.append(0.0, np.cumsum(self.size * self.mean)[:-1])

    def curve(self, treated: Floats) -> Floats:
        """Give the curve at these parts of the rows, in (0, 1]."""
        total = self.through[-1]
        corners = np.append(0.0, self.through) / total
        sums = np.append(self.before, self.before[-1] + self.size[-1] * self.mean[-1])
        everyone = sums[-1] / total
        found = np.interp(treated, corners, sums / total) / treated - everyone
        return np.asarray(found, dtype=np.float64)

    def area(self) -> tuple[float, Floats]:
        """Give the area under the curve, and what a row (n,) of one more weight would add to it.

        In a block that c of the weight has come before, with sum S and mean effect g, the curve is g + (S -
        c g) / u: its integral is a logarithm.
        """
        earlier = self.through - self.size
        gap = self.before - earlier * self.mean
        gap[0] = 0.0
        # Of the first block no logarithm is taken: its gap is nothing.
        log = np.log(self.through / np.append(self.through[:1], earlier[1:]))
        total = self.through[-1]
        area = (gap @ log) / total
        inverse = np.append(0.0, gap[1:] * (1 / self.through[1:] - 1 / earlier[1:]))
        # What all rows of a block add to the blocks after it, and to their own beyond their own effects.
        per_effect = np.log(total / self.through) - earlier * log / self.size
        fixed = _after(inverse - self.mean * log) + earlier * log * self.mean / self.size
        fixed += gap / self.through
        slope = self.effects * per_effect[self.block] + fixed[self.block]
        return float(area), (slope - area) / total

    def weighted_area(self) -> tuple[float, Floats]:
        """Give the same of the integral of u times the curve, the Qini coefficient."""
        total = self.through[-1]
        sums = self.size * self.mean
        inner = float(self.before @ self.size + sums @ self.size / 2)
        area = inner / total**2 - sums.sum() / (2 * total)
        per_effect = total - self.through + self.size / 2
        fixed = self.before + sums / 2
        slope = self.effects * (per_effect[self.block] - total / 2) + fixed[self.block]
        return float(area), slope / total**2 - 2 * inner / total**3 + sums.sum() / (2 * total**2)


def _after(values: Floats) -> Floats:
    """Sum (B,) values of the blocks after each."""
    return np.append(np.cumsum(values[::-1])[::-1][1:], 0.0)
