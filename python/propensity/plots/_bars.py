"""Mirrored bars: the treated above the line, the controls below it, over the same bins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from propensity.frames.checks import Floats
from propensity.plots._look import CONTROL, INK, TREATED, strip

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROOM_PER_LINE = 0.16  # of the height of the bars: a line of text in a panel of the smallest size

_SEEN = 0.03  # of the tallest bar: three points in a panel of the smallest size


def hides_an_arm(up: Floats, down: Floats) -> bool:
    """Whether even the tallest bar of one arm is too low to be seen beside those of the other."""
    low, high = sorted((up.max(initial=0), down.max(initial=0)))
    return bool(0 < low < _SEEN * high)


def draw_mirrored(ax: Axes, edges: Floats, up: Floats, down: Floats, *, log: bool) -> None:
    """Draw the bars; on a log scale everything below the lowest bar is linear, so that no bar is at zero."""
    ax.stairs(up, edges, fill=True, color=TREATED.color)
    ax.stairs(-down, edges, fill=True, color=CONTROL.color)
    ax.axhline(0, color=INK, linewidth=0.8)
    if log:
        _set_log(ax, np.concatenate([up, down]))
    ax.yaxis.set_major_formatter(lambda height, _: _plain(abs(height)))
    strip(ax)


def name_arms(ax: Axes, treated: str, control: str, up: Floats, down: Floats) -> None:
    """Write what is known of each arm at the right, beyond its bars, and make room for it."""
    n_lines = 1 + max(treated.count("\n"), control.count("\n"))
    scale = ax.yaxis.get_transform()
    ends = scale.transform(np.array([-(down.max(initial=0) or 1), up.max(initial=0) or 1], dtype=float))
    room = _ROOM_PER_LINE * n_lines * (ends[1] - ends[0])
    ax.set_ylim(*scale.inverted().transform(ends + np.array([-room, room])))
    for y, side, text in ((0.98, "top", treated), (0.02, "bottom", control)):
        ax.text(0.99, y, text, ha="right", va=side, transform=ax.transAxes, color=INK)


def _plain(height: float) -> str:
    return f"{height:,.0f}" if float(height).is_integer() else f"{height:.4g}"


def _set_log(ax: Axes, heights: Floats) -> None:
    bars = heights[heights > 0]
    ax.set_yscale("symlog", linthresh=bars.min(), linscale=0.4)
    first, last = np.ceil(np.log10(bars.min())), np.floor(np.log10(bars.max()))
    decades = 10.0 ** np.arange(first, last + 1, max(1, (last - first) // 3))
    ax.set_yticks([*-decades[::-1], 0, *decades], minor=False)
    ax.set_yticks([], minor=True)
