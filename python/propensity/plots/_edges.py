"""Values that have no place on an axis, infinite ones and missing ones: shown at its edge, under a word."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import pandas as pd

from propensity.plots._look import FAINT, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Edge: TypeAlias = Literal["below", "above", "none"]

_GAP, _WIDTH = 0.03, 0.13  # of the axis that numbers have: a word of eight letters in the smallest figure


def edges_of(values: pd.DataFrame, *, logarithmic: bool) -> pd.DataFrame:
    """Say where each value belongs: "" for the axis, or the edge beside it."""
    numbers = values.to_numpy(dtype=np.float64)
    below = numbers <= 0 if logarithmic else np.isneginf(numbers)
    edges = np.select([np.isnan(numbers), np.isposinf(numbers), below], ["none", "above", "below"], "")
    return pd.DataFrame(edges, index=values.index, columns=values.columns)


def add_edges(ax: Axes, words: dict[Edge, str], wanted: Iterable[Edge]) -> dict[Edge, float]:
    """Widen a horizontal axis by a strip for each edge that is wanted, and give the middle of each.

    Parameters
    ----------
    ax : Axes
        With its limits as the numbers want them; a logarithmic axis stays one.
    words : dict of Edge to str
        What to write above a strip.
    wanted : iterable of Edge
        "below" is at the left, "above" and then "none" at the right.
    """
    scale = ax.xaxis.get_transform()
    ticks, limits = ax.get_xticks(), np.array(ax.get_xlim())
    low, high = scale.transform(limits)
    step = (_GAP + _WIDTH) * (high - low)
    inner = _WIDTH * (high - low)
    starts: dict[Edge, float] = {}
    for edge in (edge for edge in ("below", "above", "none") if edge in set(wanted)):
        starts[edge] = low - step if edge == "below" else high + step - inner
        low, high = (low - step, high) if edge == "below" else (low, high + step)
    ax.set_xlim(*scale.inverted().transform(np.array([low, high])))
    ax.set_xticks(ticks[(limits[0] <= ticks) & (ticks <= limits[1])])
    ax.set_xticks([], minor=True)
    middles = {}
    for edge, start in starts.items():
        left, middle, right = scale.inverted().transform(start + inner * np.array([0.0, 0.5, 1.0]))
        ax.axvspan(left, right, color=FAINT, alpha=0.5, linewidth=0, zorder=0)
        ax.annotate(
            words[edge],
            xy=(middle, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize="small",
            color=INK,
        )
        middles[edge] = float(middle)
    return middles
