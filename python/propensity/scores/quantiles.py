"""Quantiles of values that count for more or less."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from propensity.frames.checks import Floats

_ROUNDING = 1e-9


def quantiles_of(values: Floats, which: Sequence[float], weights: Floats | None = None) -> Floats:
    """Give quantiles, linearly interpolated, of values that may have weights.

    With weights scaled to sum to the number n of values, each value takes as much room in a line as it
    weighs; the quantile q stands at 1 + (n - 1) q, between what stands at the whole numbers beside it. It is
    `wtd.quantile` of R's Hmisc with `normwt=TRUE`: weights that are all alike give definition 7 of Hyndman
    and Fan (1996), NumPy's, whatever their scale.

    Parameters
    ----------
    values : ndarray (n,)
    which : sequence of float
        From 0 to 1.
    weights : ndarray (n,) or None, default None
        Above 0.

    Returns
    -------
    ndarray
        One for each of `which`.
    """
    if weights is None or weights.min() == weights.max():
        return np.quantile(values, which)
    order = np.argsort(values, kind="stable")
    n = len(values)
    room = np.cumsum(weights[order])
    room *= n / room[-1]
    place = 1 + (n - 1) * np.asarray(which, dtype=np.float64)
    below = np.floor(place)

    def standing_at(whole: Floats) -> Floats:
        found = np.searchsorted(room, whole * (1 - _ROUNDING), side="left")
        return np.asarray(values[order][np.minimum(found, n - 1)])

    share = place - below
    return np.asarray((1 - share) * standing_at(below) + share * standing_at(np.minimum(below + 1, n)))
