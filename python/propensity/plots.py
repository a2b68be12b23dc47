"""Pictures of results: overlap, balance, bootstrap.

Each function takes a result or a table, computes nothing statistical, draws on ``ax`` (or on a new
figure) and returns the matplotlib axes. Arms and samples differ by place, marker and shade as well as
by colour, so the pictures survive a grey printer and colour-blind eyes.

matplotlib is an extra: ``pip install "propensity[plots]"``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from propensity import _check
from propensity._frame import rowwise
from propensity.errors import InvalidInputError
from propensity.results import BootstrapResult, PropensityModel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["bootstrap_plot", "love_plot", "overlap_plot"]

# Okabe and Ito's palette, told apart in every common form of colour blindness; from dark to light in grey.
_BLUE, _ORANGE, _GREEN, _PURPLE, _SKY = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9"
_INK, _FAINT = "#333333", "#D9D9D9"

# Marker, colour, filling of the first sample (by custom the unadjusted one), the second, and so on.
_SAMPLE_STYLES = [
    ("o", _INK, "white"),
    ("o", _BLUE, _BLUE),
    ("D", _ORANGE, _ORANGE),
    ("^", _GREEN, _GREEN),
    ("s", _PURPLE, _PURPLE),
    ("v", _SKY, _SKY),
]
_LINE_STYLES = [(0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2))]


def overlap_plot(
    scores: PropensityModel | ArrayLike,
    treatment: ArrayLike,
    *,
    by: ArrayLike | None = None,
    bins: int = 50,
    ax: Any = None,
) -> Any:
    """Draw how many rows of each arm have which score: treated above the line, controls below.

    Where only one side has bars, nobody is there to compare with.

    Parameters
    ----------
    scores : PropensityModel, Series or array
        The propensity scores.
    treatment : Series or array
        True or 1 for treated rows.
    by : Series or array, optional
        A group for each row: one panel a group, in sorted order (a categorical's own order). Each panel
        zooms in on the scores of its group.
    bins : int
        Bars in a panel.
    ax : Axes, optional
        Where to draw; with `by`, an array of axes, one a group.

    Returns
    -------
    Axes or ndarray of Axes
        One, or with `by` one for each group.
    """
    rows = _rows(scores, treatment, by)
    if by is None:
        ax = _axes(6.4, 3.8) if ax is None else ax
        _draw_mirrored(ax, rows, bins)
        ax.set_ylabel("number of rows")
        return ax
    groups = list(rows.groupby("by", observed=True))
    axes = _grid(len(groups)) if ax is None else np.atleast_1d(ax).ravel()
    if len(axes) != len(groups):
        raise InvalidInputError(f"'by' has {len(groups)} groups but 'ax' has {len(axes)} axes")
    for panel, (name, group) in zip(axes, groups, strict=True):
        _draw_mirrored(panel, group, bins)
        panel.set_title(str(name), loc="left", fontsize="medium", fontweight="bold", color=_INK)
        place = panel.get_subplotspec()
        if place is None or place.is_first_col():
            panel.set_ylabel("number of rows")
    return axes


def love_plot(
    table: pd.DataFrame | Mapping[str, pd.Series],
    *,
    threshold: float | None = 0.1,
    absolute: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw the standardized mean difference of every term, in one or several samples.

    Parameters
    ----------
    table : DataFrame or mapping of str to Series
        Terms in rows, samples in columns, or a Series as `ps.smd` gives it for each sample:
        ``{"unadjusted": ps.smd(...), "IPW ATE": ps.smd(..., weights=w)}``.
    threshold : float, optional
        Where to draw the line between balanced and not; None for no line.
    absolute : bool
        Draw sizes only (default), or keep the signs.
    ax : Axes, optional
        Where to draw. A new figure grows with the number of terms.

    Returns
    -------
    Axes
        Terms from the largest difference in the first sample, at the top, to the smallest.
    """
    if len(table) == 0:
        raise InvalidInputError("nothing to draw: the table is empty")
    samples = pd.concat(dict(table.items()), axis=1, sort=False)
    order = samples.iloc[:, 0].abs().sort_values(na_position="first", kind="stable").index
    samples = (samples.abs() if absolute else samples).loc[order]

    n_terms = len(samples)
    crowded = n_terms > 20
    legend: dict[str, Any] = {"loc": "best"}
    if ax is None:
        ax = _axes(7.2, 1.2 + (0.2 if crowded else 0.34) * n_terms)
        legend = {"loc": "upper left", "bbox_to_anchor": (1, 1)}
    _mark_balance(ax, threshold, absolute)
    _draw_samples(ax, samples, size=5 if crowded else 7)
    ax.set_yticks(range(n_terms), [str(term) for term in samples.index], fontsize=7.5 if crowded else 9)
    ax.set_ylim(-0.6, n_terms - 0.4)
    if absolute:
        ax.set_xlim(left=0)
    what = "size of the difference" if absolute else "difference, treated minus control"
    dashed = "" if threshold is None else f" (dashed: {threshold:g})"
    ax.set_xlabel(f"{what}, in standard deviations{dashed}")
    ax.legend(**legend, frameon=False, handletextpad=0.3, labelspacing=0.8)
    _strip(ax, "left")
    return ax


def bootstrap_plot(
    boot: BootstrapResult,
    *,
    reference: Mapping[str, float] | None = None,
    truth: float | None = None,
    level: float = 0.95,
    bins: int = 25,
    ax: Axes | None = None,
) -> Axes:
    """Draw the bootstrap distribution of each estimator, with its interval.

    Parameters
    ----------
    boot : BootstrapResult
        What `ps.bootstrap` gave.
    reference : mapping of str to float, optional
        Values to mark with a line, by their label: ``{"naive gap": 0.21}``.
    truth : float, optional
        The true effect, where it is known.
    level : float
        Of the interval drawn under each distribution.
    bins : int
        Bars over the widest distribution; the others have bars of about the same width.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
        One row for each estimator, the first at the top.
    """
    labels = [str(label) for label in boot.replicates]
    ax = _axes(7.2, 1.3 + 0.95 * len(labels)) if ax is None else ax
    intervals = boot.conf_int(level=level)
    width = float((boot.replicates.max() - boot.replicates.min()).max()) / bins
    for height, label in zip(reversed(range(len(labels))), labels, strict=True):
        _draw_distribution(ax, height, boot.replicates[label].dropna(), width)
        ends = intervals.loc[label].to_numpy(dtype=float)
        ax.plot(ends, [height - 0.1] * 2, color=_INK, linewidth=2, solid_capstyle="butt")
        ax.plot([float(boot.estimates[label])], [height - 0.1], marker="o", color=_INK, markersize=6)
    ax.set_yticks(
        np.arange(len(labels)) + 0.25,
        [_spelled_out(name, boot.estimates[name], *intervals.loc[name]) for name in reversed(labels)],
    )
    ax.set_ylim(-0.35, len(labels) - 0.05)
    ax.set_xlabel(f"effect (bars: replicates; dot and line: estimate and {level:.0%} interval)")
    _mark_values(ax, ({"truth": truth} if truth is not None else {}) | dict(reference or {}))
    _strip(ax, "left")
    return ax


def _axes(width: float, height: float) -> Axes:
    """Axes of a new figure."""
    ax: Axes = _pyplot().subplots(figsize=(width, height), layout="constrained")[1]
    return ax


def _grid(n_panels: int) -> NDArray[Any]:
    """Axes for `n_panels` panels, three in a row."""
    n_columns = min(3, n_panels)
    n_rows = math.ceil(n_panels / n_columns)
    size = (3.2 * n_columns, 2.9 * n_rows)
    figure, axes = _pyplot().subplots(n_rows, n_columns, figsize=size, layout="constrained", squeeze=False)
    for unused in axes.ravel()[n_panels:]:
        figure.delaxes(unused)
    panels: NDArray[Any] = axes.ravel()[:n_panels]
    return panels


def _pyplot() -> Any:
    try:
        from matplotlib import pyplot  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "propensity[plots]"') from error
    return pyplot


def _rows(scores: PropensityModel | ArrayLike, treatment: ArrayLike, by: ArrayLike | None) -> pd.DataFrame:
    """Put score, treatment and group side by side, row for row."""
    score = scores.scores if isinstance(scores, PropensityModel) else scores
    labelled = [column.index for column in (score, treatment) if isinstance(column, pd.Series)]
    index = labelled[0] if labelled else pd.RangeIndex(len(np.asarray(score)))
    rows = pd.DataFrame({"score": rowwise(score, index, "scores")}, index=index)
    treated = pd.Series(rowwise(treatment, index, "treatment"), index=index, name="treatment")
    rows["treated"] = _check.treatment(treated, recode="treatment == {1}")
    if by is not None:
        rows["by"] = _groups(by, index)
    return rows


def _groups(by: ArrayLike, index: pd.Index) -> pd.Series:
    """Read a group for each row."""
    if isinstance(by, pd.Series):
        _check.same_index("by", by.index, index, "use by.reindex(scores.index)")
        group = by
    else:
        group = pd.Series(by)
        _check.same_length("by", len(group), len(index))
        group.index = index
    _check.complete({"by": group}, subject="{}")
    return group


def _draw_mirrored(ax: Axes, rows: pd.DataFrame, bins: int) -> None:
    """Histogram of the treated upwards, of the controls downwards, over the same bins."""
    edges = np.histogram_bin_edges(rows["score"], bins=bins)
    treated, controls = rows.loc[rows["treated"], "score"], rows.loc[~rows["treated"], "score"]
    up, down = np.histogram(treated, edges)[0], np.histogram(controls, edges)[0]
    ax.stairs(up, edges, fill=True, color=_BLUE)
    ax.stairs(-down, edges, fill=True, color=_ORANGE)
    ax.axhline(0, color=_INK, linewidth=0.8)

    # Room for the two lines of text, whatever the bars.
    highest, lowest = max(up.max(initial=0), 1), max(down.max(initial=0), 1)
    room = 0.16 * (highest + lowest)
    ax.set_ylim(-lowest - room, highest + room)
    for y, side, text in (
        (0.98, "top", f"treated: {len(treated):,}"),
        (0.02, "bottom", f"control: {len(controls):,}"),
    ):
        ax.text(0.99, y, text, ha="right", va=side, transform=ax.transAxes, color=_INK)
    ax.set_xlabel("propensity score")
    ax.yaxis.set_major_formatter(lambda count, _: f"{abs(count):,.0f}")
    _strip(ax)


def _mark_balance(ax: Axes, threshold: float | None, absolute: bool) -> None:
    """Draw the line of no difference and the threshold."""
    ax.axvline(0, color=_INK, linewidth=0.8, zorder=1)
    if threshold is None:
        return
    for side in (threshold,) if absolute else (-threshold, threshold):
        ax.axvline(side, color=_INK, linewidth=1, linestyle=_LINE_STYLES[0], zorder=1)


def _draw_samples(ax: Axes, samples: pd.DataFrame, size: int) -> None:
    """Draw each sample's markers, a little above the next one's: equal values must not hide one another."""
    n_terms, n_samples = samples.shape
    across = ax.get_yaxis_transform()
    ax.hlines(range(n_terms), 0, 1, transform=across, color=_FAINT, linewidth=0.7, zorder=0)
    offsets = np.linspace(0.21, -0.21, n_samples) if n_samples > 1 else [0.0]
    for i, (name, offset) in enumerate(zip(samples, offsets, strict=True)):
        marker, color, filling = _SAMPLE_STYLES[i % len(_SAMPLE_STYLES)]
        ax.plot(
            samples[name],
            np.arange(n_terms) + offset,
            linestyle="none",
            marker=marker,
            markersize=size,
            color=color,
            markerfacecolor=filling,
            clip_on=False,
            zorder=3,
            label=str(name),
        )


def _draw_distribution(ax: Axes, height: int, replicates: pd.Series, width: float) -> None:
    """Histogram standing on the line at `height`."""
    n_bins = max(1, math.ceil((replicates.max() - replicates.min()) / width)) if width > 0 else 1
    counts, edges = np.histogram(replicates, bins=n_bins)
    tops = height + 0.75 * counts / counts.max()
    ax.stairs(tops, edges, baseline=height, fill=True, color=_SKY)
    ax.axhline(height, color=_FAINT, linewidth=0.8, zorder=0)


def _spelled_out(label: str, estimate: float, low: float, high: float) -> str:
    """Spell out an estimate and its interval, to two digits of the interval's width."""
    width = high - low
    digits = max(0, 1 - math.floor(math.log10(width))) if width > 0 else 3
    return f"{label}\n{estimate:.{digits}f}  [{low:.{digits}f}, {high:.{digits}f}]"


def _mark_values(ax: Axes, values: Mapping[str, float]) -> None:
    """Mark each value by a line, its label above; a label close to the one before stands higher."""
    for i, value in enumerate(values.values()):
        ax.axvline(value, color=_INK, linewidth=1.4, linestyle=_LINE_STYLES[i % len(_LINE_STYLES)])
    left, right = ax.get_xlim()
    step, previous = 0, -math.inf
    for label, value in sorted(values.items(), key=lambda item: item[1]):
        step = step + 1 if value - previous < 0.25 * (right - left) else 0
        ax.annotate(
            f"{label}: {value:.4g}",
            xy=(value, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3 + 13 * step),
            textcoords="offset points",
            ha="center",
            color=_INK,
        )
        previous = value


def _strip(ax: Axes, *more: str) -> None:
    """Take away the frame where it says nothing."""
    for side in ("top", "right", *more):
        ax.spines[side].set_visible(False)
    if "left" in more:
        ax.tick_params(axis="y", length=0, pad=8)
