"""Slow twins for the junk calls: each number from its definition in plain NumPy, with what it may be off by.

A twin gives a mapping from what it says to an `Expected`: the value, and the tolerance. The tolerance is that
of the data: a rounding of the inputs' size, times what the conditioning of the problem makes of it. Where the
problem is too ill conditioned for any digits, or a decision (a rank, a tie) hangs on the last digit, the twin
raises `UndecidedError`, and nothing is compared.

Means are taken in extended precision, measured from a value among the data, so that far-off data cost
nothing; least squares is `numpy.linalg.lstsq` on orthogonal columns, never normal equations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

EPS = float(np.finfo(float).eps)

RANK = 1e-11
"""Share of a column that earlier ones do not explain, squared, below which it says nothing of its own."""

UNCLEAR = 1e3
"""A decision within this factor of its bound is left alone."""


class UndecidedError(Exception):
    """The answer hangs on rounding, or there is none."""


class Expected(NamedTuple):
    """A value, and how far off an answer may be."""

    value: np.ndarray | float
    tolerance: np.ndarray | float


Answers = Mapping[str, Expected]


# Sums


def mean(values: np.ndarray, weights: np.ndarray) -> np.longdouble:
    """sum w v / sum w, measured from one of the values."""
    w = weights.astype(np.longdouble)
    origin = np.longdouble(values[np.argmax(w > 0)])
    return origin + (w * (values.astype(np.longdouble) - origin)).sum() / w.sum()


def variance(values: np.ndarray, weights: np.ndarray) -> np.longdouble:
    """sum w (v - m)^2 / (1 - sum w^2), w summing to 1; n - 1 where they are equal."""
    w = weights.astype(np.longdouble) / weights.astype(np.longdouble).sum()
    return (w * (values - mean(values, weights)) ** 2).sum() / (1 - (w**2).sum())


def ess(w: np.ndarray) -> float:
    """Kish's effective sample size."""
    w = w.astype(np.longdouble) / w.max()
    return float(w.sum() ** 2 / (w**2).sum())


def slack(values: np.ndarray) -> float:
    """What a mean may be off by: some roundings of the spread, and of the values themselves."""
    return 1e-11 * float(np.ptp(values)) + 8 * EPS * float(np.abs(values).max(initial=0))


# Score models


class Design(NamedTuple):
    """Columns standardized by weight, those that say something of their own, and an orthogonal basis."""

    z: np.ndarray
    kept: list[int]
    basis: np.ndarray


def design(x: np.ndarray, w: np.ndarray) -> Design:
    """Standardize, and leave out columns that the constant and earlier ones explain.

    Raises
    ------
    UndecidedError
        A column is explained but for about the share at which it is left out.
    """
    share = w.astype(np.longdouble) / w.sum()
    z, basis, kept = [], [], []
    for k, column in enumerate(x.T):
        centred = column.astype(np.longdouble) - mean(column, w)
        spread = np.sqrt((share * centred**2).sum())
        if spread <= 64 * EPS * np.abs(column).max(initial=0):
            if np.ptp(column) > 0:
                raise UndecidedError("a column varies in its last digits alone")
            continue
        rest = centred / spread
        for known in [*basis, *basis]:  # twice is enough
            rest = rest - (share * known * rest).sum() * known
        left = float((share * rest**2).sum())
        if RANK / UNCLEAR < left < RANK * UNCLEAR:
            raise UndecidedError("a column is nearly explained by others")
        if left > RANK:
            kept.append(k)
            z.append(centred / spread)
            basis.append(rest / np.sqrt(left))
    as_columns = [np.array(list(columns), dtype=float).reshape(len(kept), len(x)).T for columns in (z, basis)]
    return Design(as_columns[0], kept, as_columns[1])


def expit(eta: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-eta)), without overflow."""
    small = np.exp(-np.abs(eta))
    return np.where(eta >= 0, 1.0, small) / (1.0 + small)


def logistic(basis: np.ndarray, y: np.ndarray, w: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """The linear predictor that maximizes sum w (y eta - log(1 + exp eta)) - b' penalty b / 2.

    Raises
    ------
    UndecidedError
        There is no maximum, or it is beyond where scores are told apart.
    """
    columns, w = np.column_stack([np.ones(len(y)), basis]), w / w.sum()
    ridge = np.zeros((columns.shape[1],) * 2)
    ridge[1:, 1:] = penalty
    beta = np.zeros(columns.shape[1])

    def loss(b: np.ndarray) -> float:
        eta = columns @ b
        return float(w @ (np.logaddexp(0, eta) - y * eta) + b @ ridge @ b / 2)

    for _ in range(200):
        e = expit(columns @ beta)
        gradient = columns.T @ (w * (y - e)) - ridge @ beta
        hessian = columns.T @ ((w * e * (1 - e))[:, None] * columns) + ridge
        if not np.isfinite(hessian).all() or np.linalg.cond(hessian) > 1e12:
            break
        step = np.linalg.solve(hessian, gradient)
        while loss(beta + step) > loss(beta) + 1e-12 and np.abs(step).max() > 1e-14:
            step = step / 2
        beta = beta + step
        if gradient @ step < 1e-25:
            eta = columns @ beta
            if np.abs(eta).max() > 25:
                break
            return eta
    raise UndecidedError("the arms are separated, or nearly")


def score_model(x: np.ndarray, t: np.ndarray, w: np.ndarray, penalty: float = 0.0) -> Answers:
    """Fitted scores.

    They may be off by what a gradient of 1e-10 leaves, and by the rounding of the Gram matrix.
    """
    d = design(x, w)
    if penalty and len(d.kept) < x.shape[1]:
        raise UndecidedError("a penalty shares a slope among columns that say the same")
    if not np.isfinite(d.z).all():
        raise UndecidedError("numbers beyond a float64's range")
    move = np.linalg.lstsq(d.z, d.basis, rcond=None)[0] if d.kept else np.zeros((0, 0))
    spread = np.array([float(np.sqrt(variance_of(x[:, k], w))) for k in d.kept])
    scaled = move / spread[:, None]  # slopes on the scale of x from those on the basis
    ridge = penalty * (scaled.T @ scaled)  # per unit of mean weight, over n rows of it
    n = int((w > 0).sum())
    e = expit(logistic(d.basis, t.astype(float), w, ridge / n))
    z = np.column_stack([np.ones(len(x)), d.z])
    share = w / w.sum()
    hessian = z.T @ ((share * e * (1 - e))[:, None] * z)
    if not np.isfinite(hessian).all():
        raise UndecidedError("numbers beyond a float64's range")
    least, most = np.linalg.eigvalsh(hessian)[[0, -1]]
    moved = (1e-10 * np.sqrt(z.shape[1]) + 100 * EPS * most) / least
    reach = np.sqrt((z**2).sum(axis=1)) * moved
    if reach.max() > 1e-3:
        raise UndecidedError("the score model is ill conditioned")
    return {"scores": Expected(e, 1e-12 + e * (1 - e) * reach)}


def variance_of(column: np.ndarray, w: np.ndarray) -> np.longdouble:
    """sum w (v - m)^2 / sum w."""
    share = w.astype(np.longdouble) / w.sum()
    return (share * (column - mean(column, w)) ** 2).sum()


# Weighting


def balancing(e: np.ndarray, t: np.ndarray, estimand: str) -> np.ndarray:
    """h(e) over the probability of the own arm."""
    h = {"ATE": 1.0 + 0 * e, "ATT": e, "ATC": 1 - e, "ATO": e * (1 - e), "ATM": np.minimum(e, 1 - e)}[
        estimand
    ]
    return h / np.where(t, e, 1 - e)


def bounded(k: np.ndarray, t: np.ndarray, quantile: float) -> np.ndarray:
    """Weights, those above this quantile of their arm's weights above 0 set to it."""
    bounds = np.full(len(k), np.inf)
    for arm in (t, ~t):
        own = arm & (k > 0)
        if own.any():
            bounds[own] = np.quantile(k[own], quantile)
    return np.minimum(k, bounds)


def contrast(
    y: np.ndarray, t: np.ndarray, w: np.ndarray, cluster: np.ndarray | None = None, kind: str = "difference"
) -> dict[str, Expected]:
    """Weighted means of both arms, their contrast, its standard error with the weights as known.

    Of a ratio and an odds ratio the standard error is that of the logarithm.
    """
    off = slack(y)
    m1, m0 = mean(y[t], w[t]), mean(y[~t], w[~t])
    if kind != "difference" and min(m1, m0) < 1e-6 * np.ptp(y) + 1e6 * off:
        raise UndecidedError("a mean is too near to 0 for a ratio")
    link, slope = {
        "difference": (lambda m: m, lambda m: 1 + 0 * m),
        "ratio": (np.log, lambda m: 1 / m),
        "percent": (np.log, lambda m: 1 / m),
        "odds_ratio": (lambda m: np.log(m / (1 - m)), lambda m: 1 / (m * (1 - m))),
    }[kind]
    psi = np.zeros(len(y), dtype=np.longdouble)
    for arm, m, sign in ((t, m1, slope(m1)), (~t, m0, -slope(m0))):
        psi[arm] = sign * w[arm] * (y[arm] - m) / w[arm].astype(np.longdouble).sum()
    unit = float(max(abs(slope(m1)), abs(slope(m0))))
    gap = link(m1) - link(m0)
    estimate = float(gap if kind == "difference" else np.exp(gap))
    reported = 100 * (estimate - 1) if kind == "percent" else estimate
    factor = 1.0
    if cluster is not None:
        labels = np.unique(cluster, return_inverse=True)[1]
        psi = np.array([psi[labels == g].sum() for g in range(labels.max() + 1)])
        factor = len(psi) / (len(psi) - 1)
    return {
        "mean_treated": Expected(float(m1), off),
        "mean_control": Expected(float(m0), off),
        "estimate": Expected(
            reported,
            off if kind == "difference" else 10 * off * unit * estimate * (100 if kind == "percent" else 1),
        ),
        "std_error": Expected(
            float(np.sqrt(factor * (psi**2).sum())),
            unit * (1e-9 * np.ptp(y) + 64 * EPS * np.abs(y).max()),
        ),
        "ess_treated": Expected(ess(w[t]), 1e-9 * t.sum()),
        "ess_control": Expected(ess(w[~t]), 1e-9 * (~t).sum()),
    }
