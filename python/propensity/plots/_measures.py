"""The measures of balance in a Love plot: their words, their scale, and where the arms are alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from propensity.errors import InvalidInputError
from propensity.frames import checks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Measure: TypeAlias = Literal["smd", "variance_ratio", "ks", "ecdf_difference"]

# Stuart (2010) and Rubin (2001); for distribution functions nothing is agreed on.
_USUAL_THRESHOLDS: dict[str, Any] = {
    "smd": 0.1,
    "variance_ratio": (0.5, 2.0),
    "ks": None,
    "ecdf_difference": None,
}
NO_DIFFERENCE = {"smd": 0.0, "variance_ratio": 1.0, "ks": 0.0, "ecdf_difference": 0.0}
_DENOMINATORS = {
    "pooled": "pooled standard deviations",
    "treated": "standard deviations of the treated",
    "control": "standard deviations of the controls",
    "all": "standard deviations of all rows",
}


def thresholds_of(threshold: Any, measure: str) -> tuple[float, ...]:
    """Give the places of the lines, from left to right."""
    if isinstance(threshold, str):
        checks.choice("threshold", threshold, ["usual"])
        threshold = _USUAL_THRESHOLDS[measure]
    if threshold is None:
        return ()
    ends = threshold if isinstance(threshold, tuple) else (threshold,)
    for end in ends:
        checks.number("threshold", end, above=0 if measure == "variance_ratio" else -np.inf)
    if len(ends) > 1 or measure in ("ks", "ecdf_difference"):
        return tuple(sorted(ends))
    other = 1 / ends[0] if measure == "variance_ratio" else -ends[0]
    return tuple(sorted((other, ends[0])))


def with_ratio(samples: pd.DataFrame, *, aligned: bool) -> tuple[pd.DataFrame, str]:
    """Keep the terms that have a variance ratio, or all where rows are `aligned`; say how many have none."""
    without = samples.isna().all(axis=1)
    n_without = int(without.sum())
    if n_without == len(samples):
        raise InvalidInputError("measure 'variance_ratio': no term has one; binary terms do not")
    have = "terms have" if n_without > 1 else "term has"
    more = "" if aligned else ", and no row here"
    words = f"\n{n_without:,} {have} no variance ratio{more}" if n_without else ""
    return samples if aligned else samples[~without], words


def set_scale(ax: Axes, samples: pd.DataFrame, measure: str, absolute: bool) -> None:
    """Set the scale of the axis, and where it begins and ends."""
    if measure == "variance_ratio":
        # Wide enough for three ticks at least, 1/2, 1 and 2; the same distance is the same factor.
        ratios = samples.to_numpy(dtype=float)
        drawn = ratios[~np.isnan(ratios)]
        ax.set_xscale("log", base=2)
        ax.set_xlim(min(0.45, drawn.min(initial=1.0) / 1.1), max(2.2, drawn.max(initial=1.0) * 1.1))
        ax.xaxis.set_major_formatter(lambda ratio, _: f"{ratio:g}" if ratio >= 1 else f"1/{1 / ratio:g}")
    elif absolute or measure != "smd":
        ax.set_xlim(left=0)


def axis_label(measure: str, absolute: bool, denominator: str | None, limits: tuple[float, ...]) -> str:
    """Say what the axis is of, and where its lines are."""
    unit = _DENOMINATORS.get(denominator or "", "standard deviations")
    words = {
        "smd": f"{'size of the difference' if absolute else 'difference, treated minus control'}, in {unit}",
        "variance_ratio": "variance ratio, treated over control",
        "ks": "largest gap between the arms' distribution functions",
        "ecdf_difference": "mean gap between the arms' distribution functions",
    }[measure]
    if not limits:
        return words
    shown = sorted({abs(limit) for limit in limits}) if measure == "smd" else limits
    return f"{words} (dashed: {' and '.join(f'{limit:g}' for limit in shown)})"
