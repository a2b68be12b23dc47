"""How the pictures look: colours, markers and lines that a grey printer and colour-blind eyes tell apart."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from propensity.errors import InvalidInputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.lines import Line2D
    from matplotlib.text import Text

# Okabe and Ito's palette, told apart in every common form of colour blindness; from dark to light in grey.
BLUE, ORANGE, GREEN, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9"
INK, FAINT = "#333333", "#D9D9D9"

LINE_STYLES: list[Any] = [(0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2))]


class SampleStyle(NamedTuple):
    """How a sample is drawn among others: its marker alone tells it apart on a grey printer."""

    marker: str
    color: str
    filling: str

    def markers(self, size: float) -> dict[str, Any]:
        """Give what `Axes.plot` needs to draw markers and no line."""
        return {
            "linestyle": "none",
            "marker": self.marker,
            "markersize": size + 2 if self.marker == "*" else size,  # its points reach out, its body is small
            "color": self.color,
            "markerfacecolor": self.filling,
            "clip_on": False,
            "zorder": 3,
        }


# Shapes that an eye tells apart at five points, in the order in which samples get them.
_SHAPES = (
    ("o", BLUE),
    ("D", ORANGE),
    ("^", GREEN),
    ("s", PURPLE),
    ("v", SKY),
    ("P", INK),
    ("*", BLUE),
    ("<", ORANGE),
    ("X", GREEN),
    (">", PURPLE),
    ("d", SKY),
)
# The first sample is by custom the unadjusted one.
_SAMPLE_STYLES = [
    SampleStyle("o", INK, "white"),
    *(SampleStyle(marker, color, color) for marker, color in _SHAPES),
    *(SampleStyle(marker, color, "white") for marker, color in _SHAPES[1:]),
]


def sample_styles(n_samples: int) -> list[SampleStyle]:
    """Give each of so many samples a style of its own.

    Raises
    ------
    InvalidInputError
        There are more samples than styles.
    """
    if n_samples > len(_SAMPLE_STYLES):
        raise InvalidInputError(
            f"balance: {n_samples:,} samples, but an eye tells {len(_SAMPLE_STYLES)} markers apart at most; "
            "draw some of them"
        )
    return _SAMPLE_STYLES[:n_samples]


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


def as_written(*texts: Text) -> None:
    """Print texts as they are written: in names of columns, levels and samples a dollar begins no formula."""
    for text in texts:
        if "$" in text.get_text():  # others stay as matplotlib has them: axes may be the caller's
            text.set_parse_math(False)


_LETTER = 0.68  # of its size, the width of a bold letter
_MOST_LINES = 3


def head(ax: Axes, title: str) -> None:
    """Name a panel above its left corner, in lines no longer than it is wide: beside it is the next one's."""
    text = ax.set_title("", loc="left", fontsize="medium", fontweight="bold", color=INK)
    points = 72 * ax.bbox.width / ax.figure.dpi
    letters = max(10, int(points / (_LETTER * float(text.get_fontsize()))))
    lines = textwrap.wrap(title, letters, max_lines=_MOST_LINES, placeholder="…")
    text.set_text("\n".join(lines) if len(title) > letters else title)
    as_written(text)


def name_rows(ax: Axes, heights: Iterable[float], names: Iterable[str], **font: Any) -> None:
    """Name places on the vertical axis."""
    ax.set_yticks(list(heights), list(names), **font)
    for tick in ax.yaxis.get_major_ticks():
        as_written(tick.label1, tick.label2)


def name_axes(ax: Axes, *, x: str | None = None, y: str | None = None) -> None:
    """Say what the axes are of."""
    if x is not None:
        ax.set_xlabel(x)
        as_written(ax.xaxis.label)
    if y is not None:
        ax.set_ylabel(y)
        as_written(ax.yaxis.label)


def name_samples(ax: Axes, lines: Sequence[Line2D], names: Sequence[str], **where: Any) -> None:
    """Put up a legend of all samples; matplotlib's own leaves out names that begin with an underscore."""
    legend = ax.legend(lines, ["sample"] * len(lines), **where)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(name)
    as_written(*legend.get_texts())


def spaced_ticks(axis: Axis, n_intervals: int) -> None:
    """Set at most so many intervals between ticks, and commas in the thousands."""
    locator: Any = axis.get_major_locator()
    locator.set_params(nbins=n_intervals)
    axis.set_major_formatter(lambda value, _: f"{value:,.10g}".replace("-", "−"))


def amount(value: float) -> str:
    """Spell out a number of rows or a sum of weights: whole where it is large, three digits where not."""
    return f"{value:,.0f}" if value >= 100 or float(value).is_integer() else f"{value:.3g}"
