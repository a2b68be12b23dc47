"""Matching from its definitions: a matrix of distances, every pair looked at, nothing of the package's used.

`distances` (n x n) and `allowed` (n x n, bool) are between all rows; entries across the arms serve for pairs,
those within an arm for the variance of outcomes. Notation: Y the outcome, K how often a row is used as a
donor, ties sharing.
"""

from dataclasses import dataclass

import numpy as np

TIE_TOLERANCE = 1e-12


def between(z):
    """Euclidean distances (n x n) between the rows of z, or the numbers in it."""
    z = np.asarray(z, dtype=float).reshape(len(z), -1)
    return np.sqrt(((z[:, None] - z[None]) ** 2).sum(axis=2))


def mahalanobis(x, covariance):
    """Distances (n x n) sqrt((a - b)' S^-1 (a - b))."""
    return between(x @ np.linalg.cholesky(np.linalg.inv(covariance)))


def covariance_within(x, treated):
    """Covariance of x within the arms, divisor n - 2."""
    arms = (x[treated], x[~treated])
    return sum(np.cov(arm.T).reshape(x.shape[1], -1) * (len(arm) - 1) for arm in arms) / (len(x) - 2)


def rank_covariance(x):
    """Ranks (n x d, ties at their mean) and their covariance, each variance made that of untied ranks.

    Rosenbaum (2010), Design of Observational Studies, section 8.3: an outlier is no longer far, and a rare
    0/1 column does not weigh more than a common one.
    """
    below = (x[None] < x[:, None]).sum(axis=1)
    equal = (x[None] == x[:, None]).sum(axis=1)
    ranks = below + (equal + 1) / 2
    covariance = np.cov(ranks.T).reshape(x.shape[1], -1)
    untied = np.arange(1, len(x) + 1).std(ddof=1)
    factor = untied / np.sqrt(np.diag(covariance))
    return ranks, covariance * np.outer(factor, factor)


@dataclass(frozen=True)
class Donors:
    """The donors of each matched focal row, and what follows: focal (n, 0/1), K and K' (n)."""

    of: dict[int, np.ndarray]
    focal: np.ndarray
    uses: np.ndarray
    squares: np.ndarray

    @property
    def weights(self):
        return self.focal + self.uses


def nearest(distances, treated, *, estimand="ATT", n_neighbors=1, allowed=None):
    """All within the k-th smallest distance, ties included; fewer than k where fewer are allowed."""
    across = treated[:, None] != treated[None]
    possible = across if allowed is None else across & allowed
    of = {}
    for row in np.flatnonzero({"ATT": treated, "ATC": ~treated, "ATE": np.ones_like(treated)}[estimand]):
        candidates = np.flatnonzero(possible[row])
        if len(candidates):
            d = distances[row, candidates]
            bound = np.sort(d)[min(n_neighbors, len(d)) - 1]
            of[int(row)] = candidates[d <= bound + TIE_TOLERANCE]
    focal, uses, squares = np.zeros((3, len(treated)))
    for row, donors in of.items():
        focal[row] = 1
        uses[donors] += 1 / len(donors)
        squares[donors] += 1 / len(donors) ** 2
    return Donors(of, focal, uses, squares)


def outcome_models(outcome, treated, x, uses):
    """Least squares of Y on x in each arm, weighted by K: fitted values (n) by arm (Abadie, Imbens 2011)."""
    design = np.column_stack([np.ones(len(x)), x])
    fitted = {}
    for arm in (False, True):
        rows = (treated == arm) & (uses > 0)
        root = np.sqrt(uses[rows])
        if rows.any():
            beta = np.linalg.lstsq(design[rows] * root[:, None], outcome[rows] * root, rcond=None)[0]
            fitted[arm] = design @ beta
    return fitted


def differences(outcome, treated, donors, x=None):
    """Treated minus control for each matched focal row; with x, adjusted for how its donors differ in x."""
    fitted = None if x is None else outcome_models(outcome, treated, x, donors.uses)
    found = []
    for row, own in donors.of.items():
        missing = outcome[own].mean()
        if fitted is not None:
            model = fitted[not treated[row]]
            missing += model[row] - model[own].mean()
        found.append((outcome[row] - missing) * (1 if treated[row] else -1))
    return np.array(found)


def variance(outcome, treated, donors, distances, *, x=None, allowed=None):
    """Abadie and Imbens (2006): mean of (tau_i - tau)^2 + s2_i (K^2 + 2 K focal - K'), over how many matched.

    s2_i is the variance of Y over row i and the nearest of its own arm, ties included, among those allowed.
    """
    tau = differences(outcome, treated, donors, x)
    s2 = np.zeros(len(treated))
    same = treated[:, None] == treated[None]
    same &= ~np.eye(len(treated), dtype=bool)
    if allowed is not None:
        same &= allowed
    for row in range(len(treated)):
        own = np.flatnonzero(same[row])
        if len(own):
            d = distances[row, own]
            s2[row] = outcome[np.append(own[d <= d.min() + TIE_TOLERANCE], row)].var(ddof=1)
    sampling = s2 * (donors.uses**2 + 2 * donors.focal * donors.uses - donors.squares)
    return (((tau - tau.mean()) ** 2).sum() + sampling.sum()) / len(tau) ** 2
