"""Estimators whose bootstrap is not valid: which they are, and the interval that stands beside theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from propensity.effects import inference
from propensity.effects.matching_specification import NearestNeighbors
from propensity.resampling.contrasted import on_scale, reported

if TYPE_CHECKING:
    from propensity.resampling.result import BootstrapResult

_NOT_VALID = "bootstrap not valid for matching (Abadie and Imbens 2008); take "
_WITH_ENDS = "analytic_low to analytic_high (normal law), or matches.effect after ps.match_nn (Student's t)"
_WITHOUT_ENDS = (
    "matches.effect after ps.match_nn, whose error is not worked out here where users are counted or in "
    "clusters"
)


def doubtful(boot: BootstrapResult) -> pd.Series[bool]:
    """Say of which estimators the bootstrap is not valid, by label: of neighbours matched again."""
    flags = [
        boot.refitted and isinstance(estimator, NearestNeighbors) and estimator.max_uses != 1
        for estimator in boot.estimators
    ]
    return pd.Series(flags, index=boot.estimates.index, dtype=bool)


def beside_doubtful(boot: BootstrapResult, table: pd.DataFrame, level: float) -> pd.DataFrame:
    """Add intervals without resampling, where the bootstrap is not valid, and a note that says so.

    Where no such error is worked out they are NaN, and the note says what has one.
    """
    of_these = doubtful(boot)
    half_width = inference.normal_quantile(level) * boot.analytic_std_errors.where(of_these)
    centre = on_scale(boot.estimates.to_numpy(), boot.contrast)
    ends = {"analytic_low": centre - half_width, "analytic_high": centre + half_width}
    found = table.assign(
        **{name: [reported(end, boot.contrast) for end in own] for name, own in ends.items()}
    )
    words = (
        found["analytic_low"].notna().map({True: _NOT_VALID + _WITH_ENDS, False: _NOT_VALID + _WITHOUT_ENDS})
    )
    return found.assign(note=words.where(of_these, ""))
