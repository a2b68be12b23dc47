"""Whether scores mean what they say: how many of those with a score of .3 were treated."""

from __future__ import annotations

import numpy as np
import pandas as pd

from propensity.effects import inference
from propensity.frames.checks import Bools, Floats


def calibration_table(
    scores: Floats, treated: Bools, sample_weight: Floats | None, n_bins: int, level: float
) -> pd.DataFrame:
    """Set the mean score beside the share of treated, in bins of like numbers of rows (or of their weight).

    Rows of the same score stay together, so that there may be fewer bins. The interval of a share is Wilson's
    (1927), for as many rows as these are worth (Kish): it stays inside 0 and 1, and is there where nobody or
    everybody was treated.

    Parameters
    ----------
    scores : ndarray (n,)
    treated : ndarray (n,) of bool
    sample_weight : ndarray (n,) or None
    n_bins : int
    level : float

    Returns
    -------
    DataFrame (b, 6)
        By bin: `score`, `share`, `conf_low`, `conf_high`, `n` rows, `n_treated`.
    """
    weight = np.ones(len(scores)) if sample_weight is None else sample_weight
    there = weight > 0
    e, t, w = scores[there], treated[there], weight[there]
    _, place = np.unique(e, return_inverse=True)
    of_value = np.bincount(place, weights=w)
    middle = np.cumsum(of_value) - of_value / 2
    bins = np.unique(np.floor(n_bins * middle / of_value.sum()), return_inverse=True)[1][place]

    def sums(of: Floats) -> Floats:
        return np.bincount(bins, weights=of).astype(np.float64)

    share, n_worth = sums(w * t) / sums(w), sums(w) ** 2 / sums(w**2)
    low, high = wilson(share, n_worth, level)
    return pd.DataFrame(
        {
            "score": sums(w * e) / sums(w),
            "share": share,
            "conf_low": low,
            "conf_high": high,
            "n": np.bincount(bins),
            "n_treated": np.bincount(bins[t], minlength=len(share)),
        },
        index=pd.RangeIndex(1, len(share) + 1, name="bin"),
    )


def wilson(share: Floats, n: Floats, level: float) -> tuple[Floats, Floats]:
    """Give the ends of Wilson's interval of a share of n: where |share - p| = z sqrt(p (1 - p) / n)."""
    z2 = inference.normal_quantile(level) ** 2
    center = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    return np.maximum(center - half, 0.0), np.minimum(center + half, 1.0)
