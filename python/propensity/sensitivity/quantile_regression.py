"""Quantile regression: the linear function of some terms that has the least check loss."""

from __future__ import annotations

import numpy as np

from propensity.frames.checks import Floats

# Where the duality gap is this small beside the loss, so is what the loss is above its least.
_GAP = 1e-10
_MOST_STEPS = 100
_LOOKED_AT = 400
# Of the way to the nearest bound, so that all stays inside.
_OF_THE_WAY = 0.9995


def check_loss(residual: Floats, tau: float) -> Floats:
    """Give the check loss of residuals: tau times those above 0, 1 - tau times the size of those below."""
    return np.where(residual > 0, tau * residual, (tau - 1) * residual)


def quantile_coefficients(x: Floats, y: Floats, weight: Floats, tau: float) -> Floats:
    """Minimize the weighted sum of the check loss of y - x b, over b.

    Parameters
    ----------
    x : ndarray (n, k)
        With a column of ones, where there is to be an intercept.
    y : ndarray (n,)
    weight : ndarray (n,)
        None negative.
    tau : float
        The quantile, between 0 and 1.

    Returns
    -------
    ndarray (k,)

    Notes
    -----
    The dual is a linear program with bounds: max y'd over 0 <= d <= 1 with x'd = (1 - tau) x'1, rows times
    their weights (Koenker and Bassett 1978). Mehrotra's (1992) primal-dual method with a predictor and a
    corrector, as Portnoy and Koenker (1997, Statistical Science 12:279) have it for this problem: about 15
    steps, each a weighted least squares fit.
    """
    x, y, weight = _collapsed(x, y, weight)
    there = weight > 0
    scale = np.where(
        np.abs(x[there]).max(axis=0, initial=0.0) > 0, np.abs(x[there]).max(axis=0, initial=0.0), 1.0
    )
    spread = float(np.abs(y[there]).max(initial=0.0)) or 1.0
    mean = weight[there].mean() if there.any() else 1.0
    w = weight[there] / mean
    rows = x[there] / scale * w[:, None]
    return np.asarray(_solve(rows, y[there] / spread * w, tau) * spread / scale)


def _collapsed(x: Floats, y: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Let rows that are alike be one, with the sum of their weights, where a few hold most of them."""
    rows = np.column_stack([x, y])
    if len(np.unique(rows[:_LOOKED_AT], axis=0)) > _LOOKED_AT / 4:
        return x, y, weight
    found, place = np.unique(rows, axis=0, return_inverse=True)
    total = np.bincount(place.ravel(), weights=weight).astype(np.float64)
    return found[:, :-1], found[:, -1], total


def _solve(x: Floats, y: Floats, tau: float) -> Floats:
    """Solve the problem of rows that weigh one each."""
    n = len(y)
    # 1. A start inside all bounds, for which both sets of equations hold.
    d, slack = np.full(n, 1 - tau), np.full(n, tau)
    b = np.linalg.lstsq(x, y, rcond=None)[0]
    residual = y - x @ b
    apart = max(float(np.abs(residual).mean()), 1e-8)
    below, above = np.maximum(-residual, 0) + apart, np.maximum(residual, 0) + apart
    for _ in range(_MOST_STEPS):
        gap = float(below @ d + above @ slack)
        if gap <= _GAP * (1 + abs(float(y @ d))):
            break
        # 2. The step to the optimum, were it not for the bounds.
        theta = 1 / (below / d + above / slack)
        step = _Step(x, theta)
        away = above - below
        predicted = step.of(away, d, slack, below, above)
        ahead = _reach(d, slack, below, above, predicted)
        after = float(
            (below + ahead[1] * predicted[2]) @ (d + ahead[0] * predicted[0])
            + (above + ahead[1] * predicted[3]) @ (slack + ahead[0] * predicted[1])
        )
        # 3. The step that keeps to the middle as far as that one allows, and corrects its second order.
        center = gap / (2 * n) * (after / gap) ** 3
        push_below = (center - predicted[0] * predicted[2]) / d
        push_above = (center - predicted[1] * predicted[3]) / slack
        found = step.of(away + push_below - push_above, d, slack, below, above, push_below, push_above)
        primal, dual = _reach(d, slack, below, above, found)
        d, slack = d + primal * found[0], slack + primal * found[1]
        below, above = below + dual * found[2], above + dual * found[3]
        b = b + dual * found[4]
    return np.asarray(b)


class _Step:
    """The Newton step at one point: a least squares fit with the weights `theta`."""

    def __init__(self, x: Floats, theta: Floats) -> None:
        self._x, self._theta = x, theta
        self._gram = (x * theta[:, None]).T @ x

    def of(
        self,
        away: Floats,
        d: Floats,
        slack: Floats,
        below: Floats,
        above: Floats,
        push_below: Floats | float = 0.0,
        push_above: Floats | float = 0.0,
    ) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """Give the steps of d, its slack, what holds either from its bound, and the coefficients."""
        right = (self._x * self._theta[:, None]).T @ away
        by = np.asarray(np.linalg.lstsq(self._gram, right, rcond=None)[0], dtype=np.float64)
        moved = self._theta * (away - self._x @ by)
        of_below = push_below - below - below / d * moved
        of_above = push_above - above + above / slack * moved
        return moved, -moved, of_below, of_above, by


def _reach(
    d: Floats, slack: Floats, below: Floats, above: Floats, step: tuple[Floats, ...]
) -> tuple[float, float]:
    """Give how far the step may go before a bound, of d and of what holds it."""
    return _until(d, step[0], slack, step[1]), _until(below, step[2], above, step[3])


def _until(one: Floats, of_one: Floats, other: Floats, of_other: Floats) -> float:
    longest = 1.0 / _OF_THE_WAY
    for values, steps in ((one, of_one), (other, of_other)):
        falls = steps < 0
        if falls.any():
            longest = min(longest, float((-values[falls] / steps[falls]).min()))
    return min(1.0, _OF_THE_WAY * longest)
