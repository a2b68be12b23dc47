"""What a hidden confounder would leave of an effect, by what it explains of treatment and outcome."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from propensity.calls.keywords import answered
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.plots._canvas import new_axes
from propensity.plots._look import BLUE, INK, ORANGE, as_written, strip
from propensity.sensitivity.robustness_result import RobustnessValue

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STEPS = 120
_LINES = 8
_ROOM = 1.25  # beside what is to be seen
_NEAR = 0.04  # of an axis
_STRENGTHS = ["r2_treatment", "r2_outcome"]


@answered
def robustness_plot(found: RobustnessValue, *, limit: float | None = None, ax: Axes | None = None) -> Axes:
    """Draw the contours of what a hidden confounder would leave of the effect, at the worst.

    Along a contour confounders leave the same. The heavy one is no effect, or what is left where another
    share of it than all was asked for: whatever lies beyond would take more away. The cross is the robustness
    value, where a confounder explains as much of the one as of the other; diamonds are confounders as strong
    as covariates that were observed, or several times as strong.

    Parameters
    ----------
    found : RobustnessValue
        What `ps.robustness_value` gave.
    limit : float or None, default None
        How far both axes reach, up to 1. None shows the robustness value, and of each benchmark the weakest
        confounder that is measured by it.
    ax : Axes or None, default None
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InvalidInputError
        The limit is no share, or there is no effect to explain away.

    References
    ----------
    Cinelli and Hazlett (2020), figure 2.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> found = ps.robustness_value(users, **roles, covariates=["engagement_tier", "query_confidence"])
    >>> ax = ps.plots.robustness_plot(found)
    >>> ax.get_xlabel()
    'partial R² of a hidden confounder with opt_in_agent_mode'
    """
    if not isinstance(found, RobustnessValue):
        raise TypeError(f"found: what ps.robustness_value gave is needed, not {type(found).__name__}")
    if found.estimate == 0:
        raise InvalidInputError("found: there is no effect to explain away, and nothing to draw")
    points = found.table[found.table["estimate"].notna()]
    reach = _usual_limit(found, points) if limit is None else _limit(limit)
    ax = new_axes(5.6, 5.0) if ax is None else ax
    _draw_contours(ax, found, reach)
    if found.value <= reach:
        ax.plot(
            [found.value], [found.value], marker="X", markersize=9, color=BLUE, linestyle="none", zorder=4
        )
    named = [(found.value, found.value, f"robustness value {found.value:.3g}")]
    style: dict[str, Any] = {
        "marker": "D",
        "markersize": 7,
        "color": ORANGE,
        "markeredgecolor": INK,
        "linestyle": "none",
    }
    for benchmark, multiple, x, y in points[["benchmark", "multiple", *_STRENGTHS]].itertuples(index=False):
        named.append((x, y, benchmark if multiple == 1 else f"{multiple:g} × {benchmark}"))
        if max(x, y) <= reach:
            ax.plot([x], [y], **style, zorder=4, clip_on=False)
    _name_points(ax, named, reach)
    ax.set_xlim(0, reach)
    ax.set_ylim(0, reach)
    ax.set_xlabel(f"partial R² of a hidden confounder with {found.treatment}")
    ax.set_ylabel(f"partial R² with {found.outcome}")
    as_written(ax.xaxis.label, ax.yaxis.label)
    strip(ax)
    return ax


def _limit(limit: object) -> float:
    """Read how far the axes reach."""
    checks.number("limit", limit, above=0.0)
    assert checks.is_real(limit)
    if limit > 1:
        raise InvalidInputError(f"limit must be a share of at most 1, not {limit!r}")
    return float(limit)


def _usual_limit(found: RobustnessValue, points: pd.DataFrame) -> float:
    """Show the robustness value, and of each benchmark the weakest confounder that is measured by it."""
    weakest = points.groupby("benchmark", sort=False)[_STRENGTHS].min().to_numpy(dtype=float)
    return min(_ROOM * max(found.value, float(weakest.max(initial=0.0))), 1.0)


def _draw_contours(ax: Axes, found: RobustnessValue, reach: float) -> None:
    """Draw lines of what is left, that of the robustness value heavier than the others."""
    across, up = np.linspace(0, min(reach, 0.999), _STEPS), np.linspace(0, reach, _STEPS)
    left = found.adjusted(*np.meshgrid(across, up))
    lines = ax.contour(across, up, left, levels=_LINES, colors="#9A9A9A", linewidths=0.8)
    asked = (1 - found.share) * found.estimate
    levels = [
        level for level in lines.levels if not math.isclose(level, asked, abs_tol=1e-9 * abs(found.estimate))
    ]
    ax.clabel(lines, levels, fmt=lambda value: f"{value:.3g}", fontsize="small", colors=INK)
    heavy = ax.contour(across, up, left, levels=[asked], colors=INK, linewidths=2.2, linestyles="-")
    if found.share != 1:  # else it is 0, which the other lines' labels tell
        ax.clabel(heavy, fmt=lambda value: f"{value:.3g}", fontsize="small", colors=INK)


def _name_points(ax: Axes, named: list[tuple[float, float, str]], reach: float) -> None:
    """Name points where there is room, on the side where there is; those that lie together by the first."""
    done: list[tuple[float, float]] = []
    for x, y, words in named:
        near = any(abs(x - a) < _NEAR * reach and abs(y - b) < _NEAR * reach for a, b in done)
        if max(x, y) > reach or near:
            continue
        done.append((x, y))
        beyond = x > 0.6 * reach
        text = ax.annotate(
            words,
            xy=(x, y),
            xytext=(-8 if beyond else 8, 5),
            textcoords="offset points",
            ha="right" if beyond else "left",
            color=INK,
            zorder=5,
        )
        as_written(text)
