"""Bounds under the marginal sensitivity model as linear programs, and by trying every cut."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog


def parts(treatment, scores, estimand):
    """What rows weigh whatever hidden confounders do, and the odds that they multiply."""
    t = np.asarray(treatment, dtype=bool)
    odds = np.where(t, (1 - scores) / scores, scores / (1 - scores))
    focal = {"ATE": np.zeros(len(t), dtype=bool), "ATT": t, "ATC": ~t}[estimand]
    base = np.ones(len(t)) if estimand == "ATE" else focal.astype(float)
    return base, np.where(focal, 0.0, odds)


def end_of_arm(y, base, odds, gamma, sign, balanced=None):
    """The largest mean (the least for -1), by Charnes and Cooper's program: z s and s are the unknowns.

    `balanced` (n, k) are columns whose sums, by odds, are to stay what they are.
    """
    n = len(y)
    bounds_of_z = np.vstack([np.c_[np.eye(n), -gamma * np.ones(n)], np.c_[-np.eye(n), np.ones(n) / gamma]])
    equations, right = [np.append(odds, base.sum())], [1.0]
    for column in [] if balanced is None else balanced.T:
        equations.append(np.append(odds * column, -(odds * column).sum()))
        right.append(0.0)
    found = linprog(
        -sign * np.append(odds * y, (base * y).sum()),
        A_ub=bounds_of_z,
        b_ub=np.zeros(2 * n),
        A_eq=np.array(equations),
        b_eq=right,
        bounds=[(0, None)] * (n + 1),
        method="highs",
    )
    return -sign * found.fun


def by_program(y, treatment, scores, gamma, estimand="ATE", sample_weight=None, balanced=None):
    """The least and the largest effect."""
    t = np.asarray(treatment, dtype=bool)
    base, odds = parts(t, scores, estimand)
    s = np.ones(len(t)) if sample_weight is None else sample_weight
    ends = {
        arm: [
            end_of_arm(
                y[own],
                (s * base)[own],
                (s * odds)[own],
                gamma,
                sign,
                None if balanced is None else balanced[own],
            )
            for sign in (-1, 1)
        ]
        for arm, own in ((1, t), (0, ~t))
    }
    return np.array([ends[1][0] - ends[0][1], ends[1][1] - ends[0][0]])


def by_cuts(y, treatment, scores, gamma, estimand="ATE", sample_weight=None):
    """The same by every cut of either arm, for more rows than a program takes."""
    t = np.asarray(treatment, dtype=bool)
    base, odds = parts(t, scores, estimand)
    s = np.ones(len(t)) if sample_weight is None else sample_weight
    ends = {}
    for arm, own in ((1, t), (0, ~t)):
        order = np.argsort(y[own])
        v, b, a = (values[own][order] for values in (y, s * base, s * odds))
        for sign, (low, high) in ((1, (1 / gamma, gamma)), (-1, (gamma, 1 / gamma))):
            means = []
            for cut in range(len(v) + 1):
                w = b + a * np.where(np.arange(len(v)) < cut, low, high)
                means.append(w @ v / w.sum())
            ends[arm, sign] = sign * max(sign * np.array(means))
    return np.array([ends[1, -1] - ends[0, 1], ends[1, 1] - ends[0, -1]])
