"""What every matching method gives: a weight for each row, and who was treated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from propensity._check import Bools
from propensity._show import Shown
from propensity.estimators import MatchingEstimand
from propensity.frames.native import AnySeries


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Matched(Shown):
    """Rows weighed so that the arms are alike, whatever the method: balance, effects and plots take any.

    Attributes
    ----------
    estimand : {"ATT", "ATC", "ATE"}
        Whose effect the weights are for.
    weights : Series (n,)
        For every row, 0 where it is left out; with the caller's index.
    treated : ndarray (n,) of bool
        Who was treated, in row order.
    index : Index
        What rows are called.
    """

    estimand: MatchingEstimand
    weights: AnySeries
    treated: Bools
    index: pd.Index[Any]
