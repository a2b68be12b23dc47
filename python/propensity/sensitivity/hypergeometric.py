"""How many of an urn's marked units are drawn, where each is more likely to be: sums over many urns at once.

Of n units a are marked, and m are drawn without replacement with the chance of a draw in proportion to the
product of Gamma over the marked units in it. The number of these is extended hypergeometric: P(b) goes as
C(a, b) C(n - a, m - b) Gamma^b.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from propensity.frames.checks import Floats, Rows

_FEW_UNITS = 20
"""Of urns up to this size all numbers are weighed one by one."""


@dataclass(frozen=True, eq=False)
class Urns:
    """Sizes of u urns: units n, marked ones a, drawn ones m, each (u,)."""

    n: Rows
    marked: Rows
    drawn: Rows

    @property
    def least(self) -> Rows:
        """The least number of marked units that can be drawn, (u,)."""
        return np.maximum(0, self.drawn - (self.n - self.marked))

    @property
    def most(self) -> Rows:
        """The largest number, (u,)."""
        return np.minimum(self.marked, self.drawn)

    def distributions(self, gamma: float) -> tuple[Floats, Floats, Rows]:
        """Give what can be drawn of each urn and its probability, urn after urn, and where each starts.

        Returns
        -------
        drawn, probability : ndarray (sum of most - least + 1,)
        start : ndarray (u,) of int
        """
        width = self.most - self.least + 1
        start = np.cumsum(width) - width
        urn = np.repeat(np.arange(len(width)), width)
        b = np.arange(width.sum()) - start[urn] + self.least[urn]
        n, a, m = self.n[urn], self.marked[urn], self.drawn[urn]
        # log k! up to the largest n: no number of these is too large for a float64.
        log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, int(self.n.max()) + 1)))])
        among, others = m - b, n - a
        log_weight = (
            b * np.log(gamma)
            - (log_factorial[b] + log_factorial[a - b])
            - (log_factorial[among] + log_factorial[others - among])
        )
        weight = np.exp(log_weight - np.maximum.reduceat(log_weight, start)[urn])
        return b.astype(np.float64), weight / np.add.reduceat(weight, start)[urn], start

    def moments(self, gamma: float) -> tuple[Floats, Floats]:
        """Give the mean and the variance of the number of marked units drawn, (u,) each."""
        b, probability, start = self.distributions(gamma)
        width = np.diff(np.append(start, len(b)))
        mean = np.add.reduceat(b * probability, start)
        away = b - np.repeat(mean, width)
        return mean, np.add.reduceat(away**2 * probability, start)

    def near_means(self, gamma: float) -> Floats:
        """Give the means (u,); of large urns about the mode, which is within one of it.

        The mode is where neighbouring numbers are as likely: b (n - a - m + b) = Gamma (a - b) (m - b), a
        quadratic equation (Rosenbaum and Krieger 1990).
        """
        n, a, m = (sizes.astype(np.float64) for sizes in (self.n, self.marked, self.drawn))
        if gamma == 1.0:
            return a * m / n
        b = (gamma - 1) * (a + m) + n
        root = np.sqrt(np.maximum(b**2 - 4 * (gamma - 1) * gamma * a * m, 0.0))
        found = 2 * gamma * a * m / (b + root)
        one = gamma * a / (gamma * a + n - a)
        all_but_one = a - a / (a + gamma * (n - a))
        found = np.where(m == 1, one, np.where(m == n - 1, all_but_one, found))
        small = (n <= _FEW_UNITS) & (m > 1) & (m < n - 1)
        if small.any():
            found[small] = Urns(self.n[small], self.marked[small], self.drawn[small]).moments(gamma)[0]
        return found
