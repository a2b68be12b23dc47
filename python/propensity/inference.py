"""From influence values to standard errors, and from p-values to those of a whole family.

An estimate whose rows have influence values phi (mean zero) varies as their mean does, so that its variance
is sum(phi^2) / n^2, without a correction for degrees of freedom: what Stata's `teffects` and R's PSweight and
WeightIt give. Several estimates on the same rows vary together: products in place of squares.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from propensity._check import Floats, Rows


def covariance(influence: Floats, clusters: Rows | None = None) -> Floats:
    """Give the joint covariance of k estimates.

    Parameters
    ----------
    influence : ndarray (n, k)
        Each row's influence on each estimate; columns have mean zero.
    clusters : ndarray (n,) of int, or None
        Which of the clusters 0 to G - 1 a row is in. Rows of a cluster may vary together in any way: their
        influence is summed first, and the factor G / (G - 1) makes up for the few (Liang and Zeger 1986).

    Returns
    -------
    ndarray (k, k)
    """
    n = len(influence)
    if clusters is None:
        return _products(influence) / n**2
    sums = np.array([np.bincount(clusters, weights=column) for column in influence.T], dtype=np.float64).T
    n_clusters = len(sums)
    return n_clusters / (n_clusters - 1) * _products(sums) / n**2


def _products(values: Floats) -> Floats:
    # Not by `@`: for so few columns waking the threads of a BLAS library costs many times the sums.
    return np.array([[(one * other).sum() for other in values.T] for one in values.T])


def std_error(influence: Floats, clusters: Rows | None = None) -> float:
    """Give the standard error of one estimate from its (n,) influence values."""
    return math.sqrt(covariance(influence[:, None], clusters)[0, 0])


def two_sided_p(statistic: float, error: float) -> float:
    """Give the chance of a normal deviate beyond statistic / error; without error, all but 0 are certain."""
    if error == 0.0:
        return math.nan if statistic == 0.0 else 0.0
    return math.erfc(abs(statistic / error) / math.sqrt(2))


def normal_quantile(level: float) -> float:
    """Give how many standard errors a two-sided interval of this coverage reaches: 1.96 at 0.95."""
    return NormalDist().inv_cdf((1 + level) / 2)


def holm(p: Floats) -> Floats:
    """Adjust p-values so that the chance of any false finding stays below the level (Holm 1979)."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    return _in_the_order_of(order, stepped)


def benjamini_hochberg(p: Floats) -> Floats:
    """Adjust p-values so that the share of false findings stays below the level.

    Benjamini and Hochberg (1995), Journal of the Royal Statistical Society B 57, 289.
    """
    order = np.argsort(p, kind="stable")
    scaled = len(p) / np.arange(1, len(p) + 1) * p[order]
    stepped = np.minimum.accumulate(scaled[::-1])[::-1]
    return _in_the_order_of(order, stepped)


def _in_the_order_of(order: Rows, stepped: Floats) -> Floats:
    adjusted = np.empty(len(stepped))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
