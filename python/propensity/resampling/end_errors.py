"""How far the ends of an interval would be elsewhere with other replicates: whether there are enough."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from propensity.frames.checks import Bools, Floats

# Parts that replicates are dealt to; of each some are needed, for a quantile moves by steps where one is left
# out at a time (Shao and Wu 1989, Annals of Statistics 17, 1176).
PARTS, _FEWEST = 10, 10

# The share of an interval's width by which an end may be elsewhere before the result says so: with 500
# replicates of a normal law percentiles are uncertain by 3%, with 200 by 5%.
TOLERATED = 0.05


def end_errors(ends_of: Callable[[Bools], Floats], n_reps: int) -> Floats:
    """Give the errors (k, 2) of the ends of k intervals, by the jackknife over parts of the replicates.

    Parameters
    ----------
    ends_of : callable
        From which replicates (n_reps,) are kept to the ends (k, 2).
    n_reps : int
        With fewer than 100 the errors are NaN.

    Returns
    -------
    ndarray (k, 2)
        What a bootstrap with other draws would move the ends by: not how these vary with the rows.
    """
    dealt = np.arange(n_reps) % PARTS
    if n_reps < PARTS * _FEWEST:
        return np.full_like(ends_of(dealt >= 0), math.nan)
    ends = np.array([ends_of(dealt != part) for part in range(PARTS)])
    squares = ((ends - ends.mean(axis=0)) ** 2).sum(axis=0)
    return np.asarray(np.sqrt((PARTS - 1) / PARTS * squares))


def replicates_needed(share: float, n_reps: int) -> int:
    """Give how many replicates bring the error of an end from a share of the width to what is tolerated."""
    needed = n_reps * (share / TOLERATED) ** 2
    return math.ceil(needed / 100) * 100
