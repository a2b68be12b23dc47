"""Newton's method on sums that somebody else adds up: the slow twin of the core's, a query a step.

The same rules as `src/score/newton.rs`, in the same order: when a step went too far, when all is done, what
runs off to infinity. What is collinear is known before it begins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from propensity.errors import ConvergenceError
from propensity.frames.checks import Floats, Rows

TOLERANCE = 1e-10
"""Largest entry of the gradient, on standardized terms, a row: a step from there leaves only rounding."""

_MOST_STEPS = 100

_LONG_STEP = 1e-3
"""A last step that moves a coefficient by more is looked at: next to an optimum it is under 1e-8."""


@dataclass(frozen=True, eq=False)
class Equations:
    """The score equations at some coefficients, intercept first, penalty included.

    Attributes
    ----------
    gradient : ndarray (d + 1,)
    information : ndarray (d + 1, d + 1)
    log_likelihood : float
        Less the penalty.
    """

    gradient: Floats
    information: Floats
    log_likelihood: float


@dataclass(frozen=True, eq=False)
class Optimum:
    """Where it ended.

    Attributes
    ----------
    beta : ndarray (d + 1,)
    equations : Equations
        Of the point before the last step, which is shorter than anybody can tell.
    step : ndarray (d + 1,)
        The last one.
    n_queries : int
    """

    beta: Floats
    equations: Equations
    step: Floats
    n_queries: int

    @property
    def running(self) -> Rows:
        """Slopes, by their places without the intercept, that a last step still moves far, the most."""
        sizes = np.abs(self.step[1:])
        if not len(sizes) or sizes.max() <= _LONG_STEP:
            return np.zeros(0, dtype=np.int64)
        return np.flatnonzero(sizes > sizes.max() / 2)


def maximize(equations: Callable[[Floats], Equations], beta: Floats, n_rows: float) -> Optimum:
    """Maximize from `beta`.

    Raises
    ------
    ConvergenceError
        The gradient did not become small enough.
    """
    previous: tuple[Floats, Equations, float] | None = None
    norm = np.inf
    for n_queries in range(1, _MOST_STEPS + 1):
        # 1. Gradient and information. Where they are no numbers, or the information has lost a rank, the step
        #    here overshot, unless all is done there.
        found = equations(beta)
        norm = float(np.abs(found.gradient).max()) / n_rows
        step = _solved(found)
        lost = step is None and not norm <= TOLERANCE

        # 2. A step that made the gradient larger may have gone too far: half the way back.
        if previous is not None:
            from_, before, least = previous
            if lost or (not norm < least and _fell(before, found)):
                beta = (beta + from_) / 2
                continue
        if step is None:
            break

        # 3. The step; and done, where it comes on top of a gradient that was small enough.
        if norm <= TOLERANCE:
            return Optimum(beta + step, found, step, n_queries)
        previous = beta, found, norm
        beta = beta + step
    raise ConvergenceError(
        f"the fit did not converge in {_MOST_STEPS} iterations: gradient norm {norm:.1e}, tolerance "
        f"{TOLERANCE:.1e}; a penalty (1.0, say) helps"
    )


def _solved(found: Equations) -> Floats | None:
    """Give the step; None where the information is that of no maximum."""
    if not (np.isfinite(found.information).all() and np.isfinite(found.gradient).all()):
        return None
    scale = np.sqrt(np.diag(found.information))
    if not (scale > 0).all():
        return None
    try:
        factor = np.linalg.cholesky(found.information / np.outer(scale, scale))
    except np.linalg.LinAlgError:
        return None
    half = np.linalg.solve(factor, found.gradient / scale)
    return np.asarray(np.linalg.solve(factor.T, half) / scale, dtype=np.float64)


def _fell(before: Equations, after: Equations) -> bool:
    """Whether the likelihood is lower, beyond rounding."""
    one, other = before.log_likelihood, after.log_likelihood
    return not other >= one - 1e-12 * abs(one)
