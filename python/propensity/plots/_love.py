"""How terms are drawn in a Love plot: a row each, a marker for each sample, what has no place at the edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from propensity.frames.checks import Floats
from propensity.plots._canvas import new_axes
from propensity.plots._edges import Edge, add_edges, edges_of
from propensity.plots._look import (
    FAINT,
    INK,
    LINE_STYLES,
    SampleStyle,
    name_rows,
    name_samples,
    sample_styles,
    strip,
)
from propensity.plots._measures import NO_DIFFERENCE, Measure, axis_label, set_scale, with_ratio

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

_EDGE_WORDS: dict[str, dict[Edge, str]] = {
    "smd": {"below": "minus infinite", "above": "infinite", "none": "no value"},
    "variance_ratio": {"below": "zero", "above": "infinite", "none": "no value"},
}
_REASONS: dict[str, str] = {
    "smd": "infinite: the standard deviation that the difference is divided by is 0",
    "variance_ratio": "zero or infinite: one of the arms does not vary",
    "ks": "infinite: as in the table",
    "ecdf_difference": "infinite: as in the table",
}
_FEW = 4  # samples; their markers find room in the lowest row
CROWDED = 20  # terms; beyond it rows are lower and their text smaller


@dataclass(frozen=True)
class Drawing:
    """How a measure is drawn: its thresholds, sizes or signs, and what differences are divided by."""

    measure: Measure
    limits: tuple[float, ...]
    absolute: bool
    denominator: str | None
    labels: Mapping[str, str]

    def on(
        self,
        ax: Axes | None,
        samples: pd.DataFrame,
        *,
        has_legend: bool = True,
        legend: dict[str, Any] | None = None,
        aligned: bool = False,
    ) -> tuple[Axes, str]:
        """Draw terms, from the bottom to the top, in all samples; give the axes, and what the axis is of.

        `legend` says where it stands; rows `aligned` with those of another panel stay where they are.
        """
        words, limits, measure = "", self.limits, self.measure
        absolute = self.absolute and measure == "smd"
        if measure == "variance_ratio":
            samples, words = with_ratio(samples, aligned=aligned)
        if absolute:
            samples, limits = samples.abs(), tuple({abs(limit): None for limit in limits})
        edges = edges_of(samples, logarithmic=measure == "variance_ratio")
        if aligned and measure == "variance_ratio":
            edges = edges.mask(samples.isna().all(axis=1), "")  # it is said below that they have none
        n_terms, n_samples = samples.shape
        styles = sample_styles(n_samples)
        crowded = n_terms > CROWDED
        legend = legend or {"loc": "best", "edgecolor": FAINT}  # a frame: markers may stand close by
        if ax is None:
            ax = new_axes(7.2, 1.2 + row_height(n_samples, crowded=crowded) * n_terms)
            legend = {"loc": "upper left", "bbox_to_anchor": (1, 1), "frameon": False}
        size = 5 if crowded else 7
        lines = _draw_samples(ax, samples.where(edges == ""), styles, size)
        _mark_balance(ax, NO_DIFFERENCE[measure], limits)
        set_scale(ax, samples.where(edges == ""), measure, absolute)
        words += _draw_edges(ax, edges, styles, size, measure)
        names = [self.labels.get(str(term), str(term)) for term in samples.index]
        name_rows(ax, range(n_terms), names, fontsize=7.5 if crowded else 9)
        ax.set_ylim(-0.6, n_terms - 0.4)
        if has_legend:
            name_samples(
                ax, lines, [str(name) for name in samples], **legend, handletextpad=0.3, labelspacing=0.8
            )
        strip(ax, "left")
        return ax, axis_label(measure, absolute, self.denominator, limits) + words


def _mark_balance(ax: Axes, no_difference: float, limits: tuple[float, ...]) -> None:
    """Draw the line of no difference and the thresholds."""
    ax.axvline(no_difference, color=INK, linewidth=0.8, zorder=1)
    for limit in limits:
        ax.axvline(limit, color=INK, linewidth=1, linestyle=LINE_STYLES[0], zorder=1)


def _reach(n_samples: int) -> float:
    """Give how far from the middle of its row the first sample is drawn, rows being 1 apart."""
    return 0.21 if n_samples <= _FEW else 0.36


def row_height(n_samples: int, *, crowded: bool) -> float:
    """Give the height of a row in inches, so that markers of equal values stay apart."""
    least, apart = (0.2, 0.036) if crowded else (0.34, 0.06)
    room = apart * (n_samples - 1) / (2 * _reach(n_samples))
    return least if n_samples <= _FEW else max(least, room)


def _heights(n_terms: int, n_samples: int) -> Floats:
    """Give where the markers of each sample are, (n_samples, n_terms): each a little above the next one's."""
    reach = _reach(n_samples)
    offsets = np.linspace(reach, -reach, n_samples) if n_samples > 1 else np.zeros(1)
    return np.asarray(np.arange(n_terms) + offsets[:, np.newaxis])


def _draw_samples(ax: Axes, samples: pd.DataFrame, styles: Sequence[SampleStyle], size: int) -> list[Line2D]:
    """Draw each sample's markers; equal values must not hide one another."""
    n_terms, n_samples = samples.shape
    across = ax.get_yaxis_transform()
    ax.hlines(range(n_terms), 0, 1, transform=across, color=FAINT, linewidth=0.7, zorder=0)
    lines = []
    for name, style, heights in zip(samples, styles, _heights(n_terms, n_samples), strict=True):
        lines += ax.plot(samples[name], heights, **style.markers(size), label=str(name))
    return lines


def _draw_edges(
    ax: Axes, edges: pd.DataFrame, styles: Sequence[SampleStyle], size: int, measure: Measure
) -> str:
    """Draw what has no place on the axis in strips beside it, and say why it has none."""
    found = set(edges.to_numpy().ravel()) - {""}
    if not found:
        return ""
    middles = add_edges(ax, _EDGE_WORDS.get(measure, _EDGE_WORDS["smd"]), found)
    n_terms, n_samples = edges.shape
    for name, style, heights in zip(edges, styles, _heights(n_terms, n_samples), strict=True):
        for edge, middle in middles.items():
            here = (edges[name] == edge).to_numpy()
            ax.plot(np.full(here.sum(), middle), heights[here], **style.markers(size))
    reasons = [_REASONS[measure]] if found & {"below", "above"} else []
    reasons += ["no value: the sample has none for the term"] if "none" in found else []
    return "".join(f"\n{reason}" for reason in reasons)
