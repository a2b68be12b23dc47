"""From influence values to standard errors and intervals, and from p-values to those of a whole family.

An estimate whose rows have influence values phi (mean zero) varies as their mean does, so that its variance
is sum(phi^2) / n^2, without a correction for degrees of freedom: what Stata's `teffects` and R's PSweight and
WeightIt give. Several estimates on the same rows vary together: products in place of squares.

Such a variance is itself estimated, from the rows that carry it. Where these are few an interval by the
normal law is too short; by Student's, with as many degrees of freedom as `degrees_of_freedom` counts, it
holds in the worlds of `benchmarks/small_samples.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np

from propensity.effects import student
from propensity.effects.clusters import EACH, ways
from propensity.frames.checks import Floats, Rows
from propensity.frames.pieces import pieces

_ROUNDING = 1e-12  # of a covariance's trace


def covariance(influence: Floats, clusters: Rows | None = None, frequency: Floats | None = None) -> Floats:
    """Give the joint covariance of k estimates.

    Parameters
    ----------
    influence : ndarray (n, k)
        Each row's influence on each estimate; columns have mean zero.
    clusters : ndarray (n,) of int, or (n, 2), or None
        Which of the clusters 0 to G - 1 a row is in; -1 for rows that are left out, whose influence is 0;
        `clusters.EACH` for rows whose users are a cluster each.
        Rows of a cluster may vary together in any way: their influence is summed first, and the factor
        G / (G - 1) makes up for the few (Liang and Zeger 1986). Of two columns either may hold rows together:
        the sum of both covariances, less that of the rows that share both (Cameron, Gelbach and Miller 2011);
        where that is no covariance, the sum alone, which is too large.
    frequency : ndarray (n,) or None
        How many users each row stands for, whose influence is that of one of them; None where each is one.
        Then n counts users.

    Returns
    -------
    ndarray (k, k)
    """
    n = len(influence) if frequency is None else float(frequency.sum())
    if clusters is None:
        return _products(influence, frequency) / n**2
    if clusters.ndim == 2:
        return two_ways([covariance(influence, own, frequency) for own in ways(clusters)])
    sums, alike = _sums(influence, clusters, frequency)
    n_clusters = _n_units(sums, alike)
    return n_clusters / (n_clusters - 1) * _products(sums, alike) / n**2


def _sums(influence: Floats, clusters: Rows, frequency: Floats | None) -> tuple[Floats, Floats | None]:
    """Add up the influence (n, k) of the users of each cluster: (G, k), and how many clusters have each sum.

    Users that are a cluster each have what is theirs, as often as the row stands for one.
    """
    of_rows = influence if frequency is None else influence * frequency[:, None]
    joint = np.maximum(clusters, -1) + 1
    sums = np.array([np.bincount(joint, weights=column)[1:] for column in of_rows.T], dtype=np.float64).T
    each = clusters == EACH
    if not each.any():
        return sums, None
    alone = np.ones(int(each.sum())) if frequency is None else frequency[each]
    return np.vstack([sums, influence[each]]), np.concatenate([np.ones(len(sums)), alone])


def _n_units(sums: Floats, alike: Floats | None) -> float:
    return float(len(sums)) if alike is None else float(alike.sum())


def two_ways(covariances: Sequence[Floats]) -> Floats:
    """Put the covariances (k, k) of clusters of one column, of the other and of both together.

    Their sum less the last; where that is no covariance, the sum alone. Those of one way are left alone.
    """
    if len(covariances) == 1:
        return covariances[0]
    one, other, of_both = covariances
    either = one + other
    found = np.asarray(either - of_both)
    least = float(np.linalg.eigvalsh(found)[0])
    return found if least >= -_ROUNDING * float(np.trace(either)) else np.asarray(either)


def two_ways_each(variances: Sequence[Floats]) -> Floats:
    """Put variances (k,) together that are not asked how they go with each other, each as `two_ways`."""
    if len(variances) == 1:
        return variances[0]
    one, other, of_both = variances
    found = one + other - of_both
    is_variance = found >= -_ROUNDING * (one + other)
    return np.asarray(np.where(is_variance, np.maximum(found, 0.0), one + other))


def _products(values: Floats, frequency: Floats | None = None) -> Floats:
    # Not by `@`: for so few columns waking the threads of a BLAS library costs many times the sums.
    counted = values if frequency is None else values * frequency[:, None]
    return np.array([[(one * other).sum() for other in values.T] for one in counted.T])


def std_error(influence: Floats, clusters: Rows | None = None, frequency: Floats | None = None) -> float:
    """Give the standard error of one estimate from its (n,) influence values."""
    return math.sqrt(covariance(influence[:, None], clusters, frequency)[0, 0])


def degrees_of_freedom(
    influence: Floats, clusters: Rows | None = None, frequency: Floats | None = None
) -> float:
    """Count the rows that carry the variance of one estimate: (sum v)^2 / sum v^2, v the squared influence.

    n of them where all carry alike, n / 3 where influence is normal, few where some rows weigh much. It is
    the size at which a mean of n squares has the coefficient of variation that these have, as Satterthwaite
    (1946, Biometrics Bulletin 2, 110) matches the moments of a sum of squares.

    Parameters
    ----------
    influence : ndarray (n,)
        Of each row on the estimate.
    clusters : ndarray (n,) of int, or (n, 2), or None
        As for `covariance`: influence is summed within clusters, and these are counted, one less than there
        are at most; of two columns the one with fewer decides.
    frequency : ndarray (n,) or None
        As for `covariance`.

    Returns
    -------
    float
        Infinity where no row moves the estimate.
    """
    if clusters is None:
        return kish(influence**2, frequency)
    if clusters.ndim == 2:
        return min(degrees_of_freedom(influence, column, frequency) for column in clusters.T)
    sums, alike = _sums(influence[:, None], clusters, frequency)
    return min(kish(sums[:, 0] ** 2, alike), _n_units(sums, alike) - 1.0)


def kish(weights: Floats, frequency: Floats | None = None) -> float:
    """Give how many equal weights are as even as these, (sum w)^2 / sum w^2; infinity of none.

    Where each is that of several users, `frequency` of them, it is as of all of these.
    """
    largest = float(weights.max(initial=0.0))
    if largest == 0.0:
        return math.inf
    total = squares = 0.0
    for rows in pieces(len(weights)):
        shares = weights[rows] / largest  # their squares neither vanish nor overflow
        counted = shares if frequency is None else shares * frequency[rows]
        total += float(counted.sum())
        squares += float((counted * shares).sum())
    return total**2 / squares


def joined(*partitions: Rows | None, counted: bool = False) -> Rows | None:
    """Give the finest clusters that hold those of every partition whole: for estimates on the same rows.

    What two estimates differ by varies together wherever either of them does. Rows that one leaves out stand
    for themselves there. The order of the partitions decides nothing, not even the numbers of the clusters.

    Parameters
    ----------
    *partitions : ndarray (n,) of int, or (n, 2), or None
        As for `covariance`; None where every row varies by itself.
    counted : bool, default False
        Whether rows stand for several users, who stand for themselves where a row does.

    Returns
    -------
    ndarray (n,) of int, or (n, 2), or None
        None where every row varies by itself. Where some cross, each of their columns is joined with the
        others' first, or second, and with all that have one.
    """
    if any(clusters is not None and clusters.ndim == 2 for clusters in partitions):
        columns = [
            _joined([_column(clusters, place) for clusters in partitions], counted) for place in (0, 1)
        ]
        return np.column_stack([column for column in columns if column is not None])
    return _joined(partitions, counted)


def _column(clusters: Rows | None, place: int) -> Rows | None:
    return clusters if clusters is None or clusters.ndim == 1 else clusters[:, place]


def _joined(partitions: Sequence[Rows | None], counted: bool) -> Rows | None:
    given = [clusters for clusters in partitions if clusters is not None]
    clustered = [_each_by_itself(clusters) for clusters in given]
    if not clustered:
        return None
    found = clustered[0]
    for other in clustered[1:]:
        found = _coarsened(found, other)
    alone = np.all([clusters < 0 for clusters in given], axis=0) & counted
    _, first, place = np.unique(found[~alone], return_index=True, return_inverse=True)
    numbers = np.full(len(found), EACH, dtype=np.int64)
    numbers[~alone] = np.argsort(np.argsort(first))[place]
    return numbers


def _each_by_itself(clusters: Rows) -> Rows:
    """Make each row that is left out a cluster of its own."""
    rows = np.arange(len(clusters))
    return np.unique(np.where(clusters < 0, clusters.max() + 1 + rows, clusters), return_inverse=True)[1]


def _coarsened(one: Rows, other: Rows) -> Rows:
    """Give each row the least of the clusters of `one` that it hangs together with, by either partition."""
    least = np.arange(one.max() + 1)
    while True:
        beside = np.full(other.max() + 1, len(least))
        np.minimum.at(beside, other, least[one])
        nearer = least.copy()
        np.minimum.at(nearer, one, beside[other])
        nearer = nearer[nearer]  # what the least one hangs together with, this one does
        if np.array_equal(nearer, least):
            return np.asarray(least[one])
        least = nearer


def acceleration(influence: Floats, clusters: Rows | None = None, frequency: Floats | None = None) -> float:
    """Give Efron's acceleration of one estimate, a sixth of its skewness, from its (n,) influence values.

    NaN where no row moves the estimate.
    """
    if clusters is not None:
        sums, frequency = _sums(influence[:, None], clusters, frequency)
        influence = sums[:, 0]
    f = 1.0 if frequency is None else frequency
    spread = float((f * influence**2).sum())
    return float((f * influence**3).sum()) / (6 * spread**1.5) if spread > 0 else math.nan


def two_sided_p(statistic: float, error: float, df: float = math.inf) -> float:
    """Give the chance of a deviate beyond statistic / error, of Student's law; the normal one without `df`.

    Without error all but 0 are certain; and 0 without error, as of an outcome that is the same for all, has
    no p-value: NaN.
    """
    if error == 0.0:
        return math.nan if statistic == 0.0 else 0.0
    return student.two_sided(statistic / error, df)


def upper_p(statistic: float, error: float, df: float = math.inf) -> float:
    """Give the chance of a deviate above statistic / error; without error as `two_sided_p`."""
    if error == 0.0:
        return math.nan if statistic == 0.0 else float(statistic < 0)
    return student.upper(statistic / error, df)


def half_width(error: float, level: float, df: float) -> float:
    """Give how far an interval of this coverage reaches to either side: every interval of an effect.

    By Student's law with `df` degrees of freedom; of infinitely many by the normal law.
    """
    return student.student_quantile(level, df) * error


def in_errors(statistic: float, error: float) -> float:
    """Give how many errors a statistic is: without error infinitely many, and NaN of 0."""
    if error == 0.0:
        return math.nan if statistic == 0.0 else math.copysign(math.inf, statistic)
    return statistic / error


def normal_quantile(level: float) -> float:
    """Give how many standard errors a two-sided interval of this coverage reaches: 1.96 at 0.95."""
    return NormalDist().inv_cdf((1 + level) / 2)


def holm(p: Floats) -> Floats:
    """Adjust p-values so that the chance of any false finding stays below the level (Holm 1979).

    Those that are NaN count as no test, as in R's `p.adjust`.
    """
    return _adjusted(p, lambda p: np.maximum.accumulate((len(p) - np.arange(len(p))) * p))


def benjamini_hochberg(p: Floats) -> Floats:
    """Adjust p-values so that the share of false findings stays below the level.

    Benjamini and Hochberg (1995), Journal of the Royal Statistical Society B 57, 289. Those that are NaN
    count as no test, as in R's `p.adjust`.
    """
    return _adjusted(p, lambda p: np.minimum.accumulate((len(p) / np.arange(1, len(p) + 1) * p)[::-1])[::-1])


def _adjusted(p: Floats, stepped: Callable[[Floats], Floats]) -> Floats:
    """Apply a rule for ascending p-values to those that there are, in whatever order."""
    adjusted = np.full(len(p), np.nan)
    order = np.argsort(p, kind="stable")[: np.isfinite(p).sum()]  # NaN sort last
    adjusted[order] = np.minimum(stepped(p[order]), 1.0)
    return adjusted
