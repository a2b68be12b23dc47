"""How the pictures look: colours, markers and lines that a grey printer and colour-blind eyes tell apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

# Okabe and Ito's palette, told apart in every common form of colour blindness; from dark to light in grey.
BLUE, ORANGE, GREEN, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9"
INK, FAINT = "#333333", "#D9D9D9"

LINE_STYLES: list[Any] = [(0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2))]

# Marker, colour, filling of the first sample (by custom the unadjusted one), the second, and so on.
SAMPLE_STYLES = [
    ("o", INK, "white"),
    ("o", BLUE, BLUE),
    ("D", ORANGE, ORANGE),
    ("^", GREEN, GREEN),
    ("s", PURPLE, PURPLE),
    ("v", SKY, SKY),
]


class ArmStyle(NamedTuple):
    """How an arm is drawn in every picture."""

    name: str
    color: str
    marker: str
    line: Any


TREATED = ArmStyle("treated", BLUE, "o", "-")
CONTROL = ArmStyle("control", ORANGE, "D", (0, (4, 1.5)))


def strip(ax: Axes, *more: str) -> None:
    """Take away the frame where it says nothing."""
    for side in ("top", "right", *more):
        ax.spines[side].set_visible(False)
    if "left" in more:
        ax.tick_params(axis="y", length=0, pad=8)


def head(ax: Axes, title: str) -> None:
    """Name a panel above its left corner."""
    ax.set_title(title, loc="left", fontsize="medium", fontweight="bold", color=INK)


def spaced_ticks(axis: Axis, n_intervals: int) -> None:
    """Set at most so many intervals between ticks, and commas in the thousands."""
    locator: Any = axis.get_major_locator()
    locator.set_params(nbins=n_intervals)
    axis.set_major_formatter(lambda value, _: f"{value:,.10g}".replace("-", "−"))


def amount(value: float) -> str:
    """Spell out a number of rows or a sum of weights: whole where it is large, three digits where not."""
    return f"{value:,.0f}" if value >= 100 or float(value).is_integer() else f"{value:.3g}"
