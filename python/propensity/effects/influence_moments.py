"""What sums of influence values say of two means, where the values themselves are nowhere together.

With u a row's influence on the difference of the means and v that on the controls' mean, the influence on
any contrast of the two is a u + b v: sums of their products give every variance, and sums of products of four
every count of the rows that carry it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from propensity.effects.means_covariance import MeansCovariance

if TYPE_CHECKING:
    from propensity.frames.checks import Floats

SQUARES = ("uu", "uv", "vv")
FOURTHS = ("uuuu", "uuuv", "uuvv", "uvvv", "vvvv")


class InfluenceMoments(MeansCovariance):
    """The covariance (2, 2) of the means of the treated and of the controls, from sums over rows or clusters.

    Parameters
    ----------
    squares : ndarray (3,)
        Sums of u u, u v and v v; over clusters, of the sums within them.
    fourths : ndarray (5,)
        Sums of u u u u, u u u v, u u v v, u v v v and v v v v.
    n_rows : float
        How many rows the means are of.
    n_clusters : int or None
        How many clusters; None where rows vary by themselves.
    """

    def __init__(self, squares: Floats, fourths: Floats, n_rows: float, n_clusters: int | None) -> None:
        super().__init__(self._of_means)
        self._squares, self._fourths = squares, fourths
        self._n_rows, self._n_clusters = n_rows, n_clusters

    def variance(self, slopes: Floats) -> float:
        """Give the variance of a contrast with these slopes in the two means, the treated's first."""
        a, b = float(slopes[0]), float(slopes[0] + slopes[1])
        uu, uv, vv = (float(value) for value in self._squares)
        return self._scale * max(a * a * uu + 2 * a * b * uv + b * b * vv, 0.0)

    def degrees_of_freedom(self, slopes: Floats) -> float:
        """Count what carries it: (sum x^2)^2 / sum x^4, of clusters one less than there are at most."""
        a, b = float(slopes[0]), float(slopes[0] + slopes[1])
        uu, uv, vv = (float(value) for value in self._squares)
        square = a * a * uu + 2 * a * b * uv + b * b * vv
        weights = (a**4, 4 * a**3 * b, 6 * a**2 * b**2, 4 * a * b**3, b**4)
        fourth = float(np.dot(weights, self._fourths))
        found = square**2 / fourth if fourth > 0 else math.inf
        return found if self._n_clusters is None else min(found, self._n_clusters - 1.0)

    @property
    def _scale(self) -> float:
        few = 1.0 if self._n_clusters is None else self._n_clusters / (self._n_clusters - 1)
        return few / self._n_rows**2

    def _of_means(self) -> Floats:
        uu, uv, vv = (float(value) for value in self._squares)
        both = uv + vv
        return self._scale * np.array([[uu + 2 * uv + vv, both], [both, vv]])

    def __reduce__(self) -> tuple[Callable[..., MeansCovariance], tuple[object, ...]]:  # type: ignore[override]
        return InfluenceMoments, (self._squares, self._fourths, self._n_rows, self._n_clusters)
