"""Whether few rows carry a variance for what their outcomes are, and not for what they weigh."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from propensity.effects.expected_weights import effective_number
from propensity.effects.sample import Sample
from propensity.frames.checks import Bools, Floats

_BOUNDS = {
    "winsorize=0.99": (0.0, 0.99),
    "winsorize=(0.01, 0.99)": (0.01, 0.99),
    "winsorize=0.95": (0.0, 0.95),
}
"""What is tried of the quantiles that a user may ask for, the least first."""

_BEFORE = "bound the column before, for with per= there is no winsorize="

_MENDED = 2.0
"""How many times as many rows have to carry the squares of an outcome once it is bounded."""


class Tails(NamedTuple):
    """Few rows that are far out.

    Attributes
    ----------
    n_rows : float
        How many carry the squares of an arm's outcomes about their mean, whatever they weigh.
    remedy : str
        What makes these many more.
    """

    n_rows: float
    remedy: str


def tails_of(sample: Sample, outcome: str, per: str | None) -> Tails | None:
    """Give the tails of an outcome that bounds would mend; None where there are none, or of cells.

    Events that are rare have none: bounds at a quantile would leave nothing of them.
    """
    if sample.frequency is not None:
        return None
    y, treated = sample.present(sample.frame.outcome(outcome)), sample.present(sample.treated)
    n_rows = _carrying(y, treated)
    for words, (low, high) in _BOUNDS.items():
        bounded = np.clip(y, *np.quantile(y, [low, high]))
        if len(np.unique(bounded)) > 2 and _carrying(bounded, treated) > _MENDED * n_rows:
            return Tails(n_rows, f"bound their values, {words}" if per is None else _BEFORE)
    return None


def _carrying(y: Floats, treated: Bools) -> float:
    """Count the rows that carry the squares about the mean of their arm, the fewer of both arms."""
    found = []
    for arm in (treated, ~treated):
        squares = (y[arm] - y[arm].mean()) ** 2
        unit = squares.max(initial=0.0) or 1.0  # squares of what is left are numbers
        found.append(effective_number(float((squares / unit).sum()), float(((squares / unit) ** 2).sum())))
    return min(found)
