"""Numbers beside a picture: an estimate spelled out with its interval, values marked by a line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from propensity.plots._look import INK, LINE_STYLES, as_written

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def spelled_out(label: str, estimate: float, low: float, high: float, *, between: str = "\n") -> str:
    """Spell out an estimate and its interval, to two digits of its width, below a label or after it."""
    if math.isnan(estimate):
        return f"{label}{between}no estimate"
    if math.isnan(low) or math.isnan(high):
        return f"{label}{between}{_in_words(estimate, '.4g')}, no interval"
    width = high - low
    digits = max(0, 1 - math.floor(math.log10(width))) if math.isfinite(width) and width > 0 else 3
    form = f",.{digits}f" if math.isfinite(width) else ".4g"
    return f"{label}{between}{_in_words(estimate, form)}  [{_in_words(low, form)}, {_in_words(high, form)}]"


def _in_words(value: float, form: str) -> str:
    if math.isinf(value):
        return "infinite" if value > 0 else "minus infinite"
    return f"{value:{form}}"


def mark_values(ax: Axes, values: Mapping[str, float]) -> None:
    """Mark each value by a line, its label above; a label close to the one before stands higher."""
    for i, value in enumerate(values.values()):
        ax.axvline(value, color=INK, linewidth=1.4, linestyle=LINE_STYLES[i % len(LINE_STYLES)])
    left, right = ax.get_xlim()
    step, previous = 0, -math.inf
    for label, value in sorted(values.items(), key=lambda item: item[1]):
        step = step + 1 if value - previous < 0.25 * (right - left) else 0
        text = ax.annotate(
            f"{label}: {value:,.0f}" if abs(value) >= 1000 else f"{label}: {value:.4g}",
            xy=(value, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3 + 13 * step),
            textcoords="offset points",
            ha="center",
            color=INK,
        )
        as_written(text)
        previous = value
