"""Slow twins of the estimators with an outcome model, and of every standard error that counts a model."""

from __future__ import annotations

import numpy as np

import stacked
from oracle.twins import EPS, Expected, UndecidedError, balancing, design, expit, logistic


def adjusted(
    x: np.ndarray,
    t: np.ndarray,
    y: np.ndarray,
    *,
    method: str,
    estimand: str,
    e: np.ndarray | None,
    w: np.ndarray,
    e_off: np.ndarray | float = 0.0,
    outcome_model: str = "linear",
) -> dict[str, Expected]:
    """Regression adjustment, AIPW and IPWRA: mu_a = sum w {g m_a + 1[T = a] k (Y - m_a)} / sum w g.

    Raises
    ------
    UndecidedError
        The rows of an arm do not tell what is predicted of the other's, or hardly.
    """
    g = w * {"ATE": np.ones(len(t)), "ATT": t.astype(float), "ATC": (~t).astype(float)}[estimand]
    k = np.ones(len(t)) if e is None else balancing(e, t, estimand)
    origin, size = y[0], float(np.ptp(y)) or 1.0
    rest = ((y.astype(np.longdouble) - origin) / size).astype(float)
    if outcome_model == "logistic":
        rest, origin, size = y.astype(float), 0.0, 1.0
    basis = np.column_stack([np.ones(len(x)), design(x, w).basis])
    means, worst = {}, 1.0
    for arm in (True, False):
        rows = (t == arm) & (w > 0)
        fitting = (w * k if method == "ipwra" else w)[rows]
        fitted, condition = arm_model(basis, rows, fitting, rest, g, outcome_model)
        augmentation = w * k * (rest - fitted) * (t == arm) if method == "aipw" else 0.0
        means[arm] = float((g * fitted + augmentation).sum() / g.sum())
        worst = max(worst, condition * (1 + np.abs(augmentation).sum() / g.sum()))
    moved = float(np.max(e_off / np.minimum(e, 1 - e))) if e is not None else 0.0
    off = (1e-10 + 1e3 * EPS * worst**2 + 10 * moved * worst) * size + 16 * EPS * np.abs(y).max()
    if off > 1e-2 * size + 16 * EPS * np.abs(y).max():
        raise UndecidedError("the outcome model is ill conditioned")
    mean_of = {arm: float(origin) + size * value for arm, value in means.items()}
    return {
        "mean_treated": Expected(mean_of[True], off),
        "mean_control": Expected(mean_of[False], off),
        "estimate": Expected(size * (means[True] - means[False]), off),
    }


def arm_model(
    basis: np.ndarray, rows: np.ndarray, fitting: np.ndarray, y: np.ndarray, g: np.ndarray, outcome_model: str
) -> tuple[np.ndarray, float]:
    """Predictions (n) of an arm's model, and the condition number of its columns."""
    root = np.sqrt(fitting / fitting.sum())
    own = basis[rows] * root[:, None]
    if not (np.isfinite(own).all() and np.isfinite(y).all()):
        raise UndecidedError("numbers beyond a float64's range")
    singular = np.linalg.svd(own, compute_uv=False)
    shares = singular / singular[0]
    if ((shares > 1e-9) & (shares < 1e-4)).any() or len(singular) < basis.shape[1]:
        raise UndecidedError("the columns of an arm are nearly collinear, or it has too few rows")
    if (shares <= 1e-9).any():
        raise UndecidedError("a column says something in one arm only")
    if outcome_model == "logistic":
        return expit(_fractional(basis, rows, fitting, y)), 10.0 / shares[-1]
    beta = np.linalg.lstsq(own, y[rows] * root, rcond=None)[0]
    return basis @ beta, 1.0 / shares[-1]


def _fractional(basis: np.ndarray, rows: np.ndarray, fitting: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The linear predictor (n) of a logistic outcome model, fitted to the rows of an arm."""
    eta = logistic(basis[rows][:, 1:], y[rows], fitting, np.zeros((basis.shape[1] - 1,) * 2))
    beta = np.linalg.lstsq(basis[rows], eta, rcond=None)[0]
    return basis @ beta


# Standard errors that count what was estimated


def stacked_error(
    x: np.ndarray,
    t: np.ndarray,
    y: np.ndarray,
    *,
    method: str,
    estimand: str,
    e: np.ndarray | None,
    w: np.ndarray,
    outcome_model: str = "linear",
) -> Expected:
    """The sandwich of all equations stacked (tests/stacked.py), differentiated by differences.

    Raises
    ------
    UndecidedError
        Differences say little: scores at their ends, or equations that are not solved from zero.
    """
    if e is not None and (min(e.min(), 1 - e.max()) < 1e-3 or np.abs(e - 0.5).min() < 1e-3):
        raise UndecidedError("differences say little of weights that bend")
    size = float(np.ptp(y)) or 1.0
    rest = ((y.astype(np.longdouble) - y[0]) / size).astype(float)
    if outcome_model == "logistic":
        rest, size = y.astype(float), 1.0
    known = {"method": method, "estimand": estimand, "outcome_model": outcome_model}
    design_of = stacked.Design(design(x, w).basis, t, rest, sample_weight=w / w.mean(), **known)
    found = stacked.solve(design_of)
    error = found.std_error
    if not found.left < 1e-10 or not np.isfinite(error):
        raise UndecidedError("the equations are not solved from zero")
    return Expected(size * error, 1e-4 * size * error + 1e-8 * size + 64 * EPS * np.abs(y).max())
