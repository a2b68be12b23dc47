"""Axes of strengths of hidden confounding: factors of odds, from 1."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from propensity.frames.checks import Floats
from propensity.plots._look import INK, LINE_STYLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def set_gammas(ax: Axes, gammas: Floats) -> None:
    """Lay the factors out by their logarithms, with a tick at each of those that have room."""
    low, high = float(gammas[0]), float(gammas[-1])
    if high > low:
        ax.set_xscale("log")
        ax.set_xlim(low, high)
    apart = 0.06 * math.log(high / low) if high > low else 0.0
    ticks: list[float] = []
    for gamma in map(float, gammas):
        if not ticks or math.log(gamma / ticks[-1]) > apart:
            ticks.append(gamma)
    ax.set_xticks(ticks, [f"{gamma:.4g}" for gamma in ticks])
    ax.set_xticks([], minor=True)


def mark_critical(ax: Axes, gammas: Mapping[str, float], largest: float) -> None:
    """Mark where something is no more certain, by a line with its name and number above."""
    step, last = 0, -math.inf
    named = sorted(gammas.items(), key=lambda item: item[1])
    for place, (name, gamma) in enumerate(named):
        if not (np.isfinite(gamma) and gamma <= largest):
            continue
        ax.axvline(gamma, color=INK, linewidth=1.2, linestyle=LINE_STYLES[1 + place % 2])
        step = step + 1 if math.log(gamma) - last < 0.3 * math.log(largest) else 0
        ax.annotate(
            f"{name} {gamma:.4g}",
            xy=(gamma, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3 + 13 * step),
            textcoords="offset points",
            ha="center",
            color=INK,
        )
        last = math.log(gamma)
