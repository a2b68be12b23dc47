"""Estimates under the names that other packages have for them, as broom, marginaleffects and pyfixest do."""

from __future__ import annotations

import numpy as np
import pandas as pd

from propensity.effects.contrasts import SCALES, Contrast

_SHARED = ["p_value", "conf_low", "conf_high"]


def tidied(table: pd.DataFrame, contrast: Contrast) -> pd.DataFrame:
    """Give a row an estimate.

    Parameters
    ----------
    table : DataFrame
        With `estimate`, `std_error` or `log_std_error`, `conf_low`, `conf_high`, `p_value`, by what the terms
        are called.
    contrast : {"difference", "ratio", "percent", "odds_ratio"}
        What the estimates are: the error and statistic of a ratio are those of its logarithm.

    Returns
    -------
    DataFrame
        `term`, or the levels of the index where there are several, `estimate`, `std_error`, `statistic`,
        `p_value`, `conf_low`, `conf_high`.
    """
    scale = SCALES[contrast]
    errors = table["log_std_error" if scale.logarithmic else "std_error"].to_numpy(dtype=float)
    estimates = table["estimate"].to_numpy(dtype=float)
    read = np.array([np.nan if np.isnan(value) else scale.read(value) for value in estimates])
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = read / errors
    if table.index.nlevels == 1:
        names = pd.DataFrame({"term": list(table.index)})
    else:
        names = table.index.to_frame(index=False).rename(columns={"estimator": "term"})
    numbers = table.reset_index(drop=True)
    figures = pd.DataFrame({"estimate": numbers["estimate"], "std_error": errors, "statistic": statistic})
    return pd.concat([names, figures, numbers[_SHARED]], axis=1)
