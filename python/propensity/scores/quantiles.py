"""Quantiles of values that count for more or less."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from propensity.frames.checks import Floats

_ROUNDING = 1e-9

_ROUNDING_OF_SHARES = 1e-12  # of the weight: shares this close to a quantile's are it


def quantiles_of(
    values: Floats,
    which: Sequence[float],
    weights: Floats | None = None,
    frequency: Floats | None = None,
) -> Floats:
    """Give quantiles, linearly interpolated, of values that may have weights.

    With weights scaled to sum to the number n of values, each value takes as much room in a line as it
    weighs; the quantile q stands at 1 + (n - 1) q, between what stands at the whole numbers beside it. It is
    `wtd.quantile` of R's Hmisc with `normwt=TRUE`: weights that are all alike give definition 7 of Hyndman
    and Fan (1996), NumPy's, whatever their scale. Between rows it interpolates as many as there are, so that
    a row of weight 2 is not quite the row twice: what has to be that takes `quantiles_by_share`.

    Parameters
    ----------
    values : ndarray (n,)
    which : sequence of float
        From 0 to 1.
    weights : ndarray (n,) or None, default None
        Above 0.
    frequency : ndarray (n,) or None, default None
        How many users have each value, and each of them its weight; n then counts users.

    Returns
    -------
    ndarray
        One for each of `which`.
    """
    alike = weights is None or weights.min() == weights.max()
    if alike and frequency is None:
        return np.quantile(values, which)
    order = np.argsort(values, kind="stable")
    f = np.ones(len(values)) if frequency is None else frequency
    n = float(f.sum())
    room = np.cumsum((f if weights is None or alike else f * weights)[order])
    if not alike:
        room *= n / room[-1]
    place = 1 + (n - 1) * np.asarray(which, dtype=np.float64)
    below = np.floor(place)
    rounding = 0.0 if alike else _ROUNDING

    def standing_at(whole: Floats) -> Floats:
        found = np.searchsorted(room, whole * (1 - rounding), side="left")
        return np.asarray(values[order][np.minimum(found, len(values) - 1)])

    share = place - below
    return np.asarray((1 - share) * standing_at(below) + share * standing_at(np.minimum(below + 1, n)))


def quantiles_by_share(values: Floats, which: Sequence[float], weights: Floats | None = None) -> Floats:
    """Give quantiles of values (n,), where the check function is least; a weight of 2 is the value twice.

    As `quantiles_of`, and each is the smallest value with at least a share q of the weight up to it; where
    the share is q exactly any value up to the next one does, and the middle is taken (definition 2 of Hyndman
    and Fan 1996), so that values turned round have their quantiles turned round.
    """
    order = np.argsort(values, kind="stable")
    return quantiles_of_sorted(
        values[order], np.ones(len(values)) if weights is None else weights[order], which
    )


def quantiles_of_sorted(values: Floats, weights: Floats, which: Sequence[float]) -> Floats:
    """Give quantiles of values (n,) in ascending order, as `quantiles_by_share`."""
    share = np.cumsum(weights)
    share /= share[-1]
    asked = np.asarray(which, dtype=np.float64)
    place = np.minimum(np.searchsorted(share, asked - _ROUNDING_OF_SHARES), len(share) - 1)
    beside = np.minimum(place + 1, len(share) - 1)
    exact = share[place] <= asked + _ROUNDING_OF_SHARES
    middle = values[place] / 2 + values[beside] / 2
    return np.where(exact, middle, values[place])
