"""Numbers beside a picture: an estimate spelled out with its interval, values marked by a line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from propensity.plots._look import INK, LINE_STYLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def spelled_out(label: str, estimate: float, low: float, high: float) -> str:
    """Spell out an estimate and its interval, to two digits of the interval's width."""
    width = high - low
    if not math.isfinite(width):
        return f"{label}\n{estimate:.4g}, no interval"
    digits = max(0, 1 - math.floor(math.log10(width))) if width > 0 else 3
    return f"{label}\n{estimate:,.{digits}f}  [{low:,.{digits}f}, {high:,.{digits}f}]"


def mark_values(ax: Axes, values: Mapping[str, float]) -> None:
    """Mark each value by a line, its label above; a label close to the one before stands higher."""
    for i, value in enumerate(values.values()):
        ax.axvline(value, color=INK, linewidth=1.4, linestyle=LINE_STYLES[i % len(LINE_STYLES)])
    left, right = ax.get_xlim()
    step, previous = 0, -math.inf
    for label, value in sorted(values.items(), key=lambda item: item[1]):
        step = step + 1 if value - previous < 0.25 * (right - left) else 0
        ax.annotate(
            f"{label}: {value:,.0f}" if abs(value) >= 1000 else f"{label}: {value:.4g}",
            xy=(value, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3 + 13 * step),
            textcoords="offset points",
            ha="center",
            color=INK,
        )
        previous = value
