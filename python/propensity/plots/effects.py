"""What the answers are, side by side: a row for each estimate, with its interval."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from propensity.calls.keywords import answered
from propensity.effects.effect import Effect
from propensity.effects.grouped import GroupedEffects
from propensity.effects.several import Effects
from propensity.frames import checks
from propensity.frames.checks import Floats
from propensity.plots._canvas import new_axes
from propensity.plots._edges import Edge, add_edges, edges_of
from propensity.plots._effects import COLUMNS, NOTE, effects_table
from propensity.plots._look import BLUE, FAINT, INK, LINE_STYLES, name_rows, strip
from propensity.plots._love import CROWDED
from propensity.plots._values import mark_values, spelled_out
from propensity.resampling.result import BootstrapResult
from propensity.study.estimates import NAIVE, Estimates, EstimatesByOutcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@answered
def effects_plot(
    table: pd.DataFrame
    | Estimates
    | EstimatesByOutcome
    | Effect
    | Effects
    | GroupedEffects
    | BootstrapResult
    | Mapping[str, object]
    | Iterable[object],
    *,
    reference: Mapping[str, float] | None = None,
    truth: float | None = None,
    level: float = 0.95,
    ax: Axes | None = None,
) -> Axes:
    """Draw estimates and their intervals one below the other (a forest plot).

    Parameters
    ----------
    table : Estimates, Effect, Effects, GroupedEffects, BootstrapResult, DataFrame, or several of these
        What `ps.estimate` gave, an effect, or any table with a row an estimate, in columns `estimate`,
        `conf_low` and `conf_high`; or effects themselves, by name or in a list. Ratios (with a
        `log_std_error`) are drawn on a log scale, changes in percent on an even one.
    reference : mapping of str to float, or None, default None
        Values to mark with a line, by their label: ``{"the trial's answer": 1794}``.
    truth : float or None, default None
        The true effect, where it is known: a line too.
    level : float, default 0.95
        Coverage of the intervals; tables have theirs.
    ax : Axes or None, default None
        Where to draw. A new figure grows with the number of rows, which stand closer where there are many.

    Returns
    -------
    Axes
        Rows in the order of the table, the first at the top; the naive gap is hollow and dashed, for it is no
        estimate of the effect. A solid line marks no effect. A dagger marks rows with a note in the table, or
        a caution of the effect.

    Raises
    ------
    InvalidInputError
        A column is missing, there are no rows, or differences and ratios are given together.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> covariates = ["query_confidence", "engagement_tier"]
    >>> by_aipw = ps.aipw(users, **roles, covariates=covariates)
    >>> by_regression = ps.regression_adjustment(users, **roles, covariates=covariates)
    >>> ax = ps.plots.effects_plot({"AIPW": by_aipw, "regression": by_regression})
    >>> ax.get_xlabel()
    'effect and its 95% interval'
    """
    checks.confidence_level(level)
    noted_where = (
        "with a note in the table"
        if isinstance(table, pd.DataFrame | Estimates | EstimatesByOutcome)
        else "with a caution"
    )
    table = effects_table(table, level)
    n_rows = len(table)
    crowded = n_rows > CROWDED
    ax = new_axes(7.2, 1.1 + (0.2 if crowded else 0.48) * n_rows) if ax is None else ax
    logarithmic = "log_std_error" in table.columns and table.attrs.get("contrast") != "percent"
    ax.axvline(1 if logarithmic else 0, color=INK, linewidth=0.8, zorder=1)
    heights = np.arange(n_rows)[::-1]
    values = table[COLUMNS].to_numpy(dtype=float)
    marked = ({"truth": truth} if truth is not None else {}) | dict(reference or {})
    places = _places(ax, values, list(marked.values()), logarithmic=logarithmic)
    for height, label, row in zip(heights, table.index, places, strict=True):
        _draw_interval(ax, float(height), row, naive=label == NAIVE, crowded=crowded)
    noted = table[NOTE].fillna("").ne("").to_numpy() if NOTE in table.columns else np.zeros(n_rows, bool)
    labels = [
        spelled_out(f"{label} †" if mark else str(label), *row, between="   " if crowded else "\n")
        for label, row, mark in zip(table.index, values, noted, strict=True)
    ]
    name_rows(ax, heights, labels, fontsize=7.5 if crowded else None)
    ax.set_ylim(-0.6, n_rows - 0.4)
    mark_values(ax, marked)
    ax.set_xlabel(_axis_label(table, logarithmic) + (f"\n† {noted_where}" if noted.any() else ""))
    strip(ax, "left")
    return ax


def _places(ax: Axes, values: Floats, also: Sequence[float], *, logarithmic: bool) -> Floats:
    """Set the scale, and give the places of estimates and ends (n, 3): infinite ones at the edge."""
    edges = edges_of(pd.DataFrame(values), logarithmic=logarithmic).to_numpy()
    places = np.where(edges == "", values, np.nan)
    finite = np.append(places[~np.isnan(places)], also)
    ax.update_datalim(np.column_stack([finite, np.zeros(len(finite))]), updatey=False)
    ax.autoscale_view(scaley=False)
    if logarithmic:
        _set_ratio_scale(ax)
    wanted = set(edges.ravel()) - {"", "none"}
    if wanted:
        words: dict[Edge, str] = {"below": "zero" if logarithmic else "minus infinite", "above": "infinite"}
        for edge, middle in add_edges(ax, words, wanted).items():
            places[edges == edge] = middle
    return places


def _draw_interval(ax: Axes, height: float, row: Floats, *, naive: bool, crowded: bool) -> None:
    estimate, low, high = row
    width, size = (1.2, 4) if crowded else (2, 7)
    color, line, marker = (INK, LINE_STYLES[1], "o") if naive else (BLUE, "-", "D")
    filling = "white" if naive else color
    ax.axhline(height, color=FAINT, linewidth=0.7, zorder=0)
    ax.plot([low, high], [height] * 2, color=color, linewidth=width, linestyle=line, zorder=2)
    style: dict[str, Any] = {"marker": marker, "markersize": size, "color": color, "markerfacecolor": filling}
    ax.plot([estimate], [height], **style, zorder=3)


def _set_ratio_scale(ax: Axes) -> None:
    """Set a log scale, its ticks round numbers: even steps within a factor of 6, else 1, 2, 5, 10, ..."""
    ax.set_xscale("log")
    low, high = ax.get_xlim()
    if high / low < 6:
        size = 10.0 ** math.floor(math.log10((high - low) / 4))
        step = next(size * factor for factor in (1, 2, 5, 10) if (high - low) / (size * factor) <= 8)
        ticks = step * np.arange(math.ceil(low / step), math.floor(high / step) + 1)
    else:
        decades = 10.0 ** np.arange(math.floor(math.log10(low)), math.ceil(math.log10(high)))
        ticks = np.outer(decades, [1, 2, 5] if len(decades) < 5 else [1]).ravel()
        ticks = ticks[(low <= ticks) & (ticks <= high)]
    ax.set_xticks(ticks, [f"{ratio:.6g}" for ratio in ticks])
    ax.set_xticks([], minor=True)


def _axis_label(table: pd.DataFrame, logarithmic: bool) -> str:
    level = table.attrs.get("level")
    interval = "interval" if level is None else f"{level:.0%} interval"
    contrast = {"ratio": "ratio", "percent": "change in percent", "odds_ratio": "odds ratio"}.get(
        table.attrs.get("contrast", ""), "ratio" if logarithmic else "effect"
    )
    return f"{contrast} and its {interval}"
