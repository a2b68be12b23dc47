"""How far the ends of an interval would be elsewhere with other replicates: whether there are enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

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


# From so many replicates on an end lies within 5% of the width of where any number would put it, in 19 of 20
# runs (`benchmarks/enough_replicates.py`, 95% intervals; percentiles do from 800 on). Ends of calibrated
# intervals need most: quantiles further out than those of percentiles, at a place that is drawn itself.
ENOUGH: Mapping[str, int] = {"bca": 1_200, "studentized": 1_200, "calibrated": 2_000}
_ENOUGH_PERCENTILES = 800


def too_few_replicates(kind: str, n_reps: int) -> str:
    """Say where a kind of interval asks for more replicates than there are; empty where it does not."""
    enough = ENOUGH.get(kind, 0)
    if not 0 < n_reps < enough:
        return ""
    share = TOLERATED * math.sqrt(enough / n_reps)
    steadier = ", or kind='percentile', which asks for fewer" if n_reps >= _ENOUGH_PERCENTILES else ""
    return (
        f"kind={kind!r}: with {n_reps:,} replicates other draws would put an end up to {share:.0%} of the "
        f"interval's width elsewhere; take n_reps={enough}{steadier}"
    )
