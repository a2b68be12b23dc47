"""How a covariate of any kind is spread in both arms: bars of levels, densities of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast, overload

import numpy as np
from numpy.typing import ArrayLike

from propensity.calls.keywords import answered
from propensity.frames import checks
from propensity.frames.checks import Floats
from propensity.frames.native import AnyFrame
from propensity.plots._canvas import Panels, Place, leads_row, new_axes, panels
from propensity.plots._covariate import Covariate, named_panels, read_covariate
from propensity.plots._look import CONTROL, FAINT, TREATED, name_axes, name_rows, spaced_ticks, strip
from propensity.plots._rows import Weights

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_LEVELS = 20  # in a panel: more are words on top of each other
_BAR = 0.38  # of the room of a level: two bars and air
_SHADE = 0.22


@overload
def distribution_plot(
    df: AnyFrame | ArrayLike | None = ...,
    covariate: str | ArrayLike | None = ...,
    treatment: str | ArrayLike | None = ...,
    *,
    weights: None = ...,
    sample_weight: object = ...,
    bins: int = ...,
    ax: Place = ...,
) -> Axes: ...
@overload
def distribution_plot(
    df: AnyFrame | ArrayLike | None = ...,
    covariate: str | ArrayLike | None = ...,
    treatment: str | ArrayLike | None = ...,
    *,
    weights: Weights | Mapping[str, Weights],
    sample_weight: object = ...,
    bins: int = ...,
    ax: Place = ...,
) -> Panels: ...
@answered
def distribution_plot(
    df: AnyFrame | ArrayLike | None = None,
    covariate: str | ArrayLike | None = None,
    treatment: str | ArrayLike | None = None,
    *,
    weights: Weights | Mapping[str, Weights] | None = None,
    sample_weight: object = None,
    bins: int = 30,
    ax: Place = None,
) -> Axes | Panels:
    """Draw how a covariate is spread in both arms, before and after adjustment.

    Text, categories and bools have two bars for each level, numbers a density of each arm. Each arm is
    compared by its shares, so that one of a few rows is seen beside one of many.

    Parameters
    ----------
    df : DataFrame, or None, default None
        Where columns are named; without it the covariate comes first.
    covariate : str, Series or array (n,)
        Of any kind; its name is the axis label.
    treatment : str, Series or array (n,), or None
        True or 1 for treated rows; may be left out where `weights` are matches or an effect, which know.
    weights, sample_weight
        As for `ecdf_plot`: a panel for each sample.
    bins : int, default 30
        Steps of a density at most, the same in both arms and all samples; those of whole numbers hold like
        numbers of them.
    ax : Axes, or array of Axes, or None, default None
        Where to draw; with `weights`, an axes for each panel.

    Returns
    -------
    Axes or ndarray of Axes
        One, or with `weights` one for each sample, "unadjusted" first.

    Raises
    ------
    InvalidInputError
        The arguments are not of the same rows, or incomplete, or `ax` has not an axes for each sample.

    Notes
    -----
    Levels stand in the order of a categorical, or of the alphabet. Of more than 20 the 19 that most rows have
    are drawn, and the rest together.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> ax = ps.plots.distribution_plot(users, "engagement_tier", treatment="opt_in_agent_mode")
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['medium', 'light', 'heavy']
    """
    checks.count("bins", bins)
    read = read_covariate((df, covariate, treatment), weights, sample_weight, by_level=True)
    read = _of_few_levels(read)
    axes = _axes(read, ax)
    edges = _edges(read.values, bins)
    for sample, panel in named_panels(read, axes):
        if read.levels:
            _draw_bars(panel, read, sample)
        else:
            _draw_densities(panel, read, sample, edges)
        strip(panel)
    _share_ends(axes, "x" if read.levels else "y")
    axes[0].legend(loc="best", frameon=False, handlelength=2.0)
    return cast("Axes", axes[0]) if weights is None else axes


def _of_few_levels(read: Covariate) -> Covariate:
    """Put the levels that fewest rows have together, where there are many."""
    if len(read.levels) <= _MOST_LEVELS:
        return read
    places = read.values.astype(np.int64)
    common = np.sort(np.argsort(-np.bincount(places), kind="stable")[: _MOST_LEVELS - 1])
    into = np.full(len(read.levels), len(common))
    into[common] = np.arange(len(common))
    levels = (*(read.levels[k] for k in common), f"{len(read.levels) - len(common):,} others")
    return Covariate(read.name, into[places].astype(np.float64), read.treated, read.samples, levels)


def _edges(values: Floats, bins: int) -> Floats:
    """Give the ends of steps of the same width; those of whole numbers hold like numbers of them."""
    low, high = float(values.min()), float(values.max())
    if not np.array_equal(values, np.round(values)) or high - low > 1e9:
        return np.asarray(np.histogram_bin_edges(values, bins=bins))
    width = max(1.0, np.ceil((high - low + 1) / bins))
    return np.arange(low - 0.5, high + 0.5 + width, width)


def _axes(read: Covariate, ax: Place) -> Panels:
    """Give each sample its panel, higher where there are many levels."""
    n_samples = len(read.samples)
    if n_samples == 1 and ax is None:
        ax = new_axes(5.6, max(2.4, 1.1 + 0.42 * len(read.levels)) if read.levels else 3.8)
    return panels(n_samples, ax, what="there are {} samples")


def _draw_bars(ax: Axes, read: Covariate, sample: str) -> None:
    """Draw the share of each level in both arms, the treated above the controls, the first at the top."""
    w, n_levels = read.samples[sample], len(read.levels)
    heights = np.arange(n_levels)[::-1]
    for arm, rows, side in ((TREATED, read.treated, 0.5), (CONTROL, ~read.treated, -0.5)):
        sums = np.bincount(read.values[rows].astype(np.int64), weights=w[rows], minlength=n_levels)
        shares = sums / sums.sum()
        ax.barh(heights + side * _BAR, shares, height=_BAR, color=arm.color, label=arm.name)
    if leads_row(ax):
        name_rows(ax, heights[::-1], read.levels[::-1])
        name_axes(ax, y=read.name)
    else:
        ax.set_yticks(heights[::-1], [""] * n_levels)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(-0.6, n_levels - 0.4)
    ax.xaxis.grid(visible=True, color=FAINT, linewidth=0.7)
    ax.set_axisbelow(True)
    ax.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    ax.set_xlabel("share of the arm")


def _draw_densities(ax: Axes, read: Covariate, sample: str, edges: Floats) -> None:
    """Draw the outline of each arm's density, of area 1, the treated's filled."""
    w = read.samples[sample]
    for arm, rows in ((TREATED, read.treated), (CONTROL, ~read.treated)):
        sums = np.histogram(read.values[rows], edges, weights=w[rows])[0]
        density = sums / (sums.sum() * np.diff(edges))
        if arm is TREATED:
            ax.stairs(density, edges, fill=True, color=arm.color, alpha=_SHADE)
        ax.stairs(density, edges, color=arm.color, linestyle=arm.line, linewidth=1.8, label=arm.name)
    ax.set_ylim(bottom=0)
    ax.set_yticks([])
    name_axes(ax, x=read.name)
    spaced_ticks(ax.xaxis, 5)
    if leads_row(ax):
        ax.set_ylabel("density")


def _share_ends(axes: Panels, direction: str) -> None:
    """Let all panels end where the longest does."""
    ends = [getattr(panel, f"get_{direction}lim")()[1] for panel in axes]
    for panel in axes:
        getattr(panel, f"set_{direction}lim")(0, max(ends))
