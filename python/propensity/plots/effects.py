"""What the answers are, side by side: a row for each estimate, with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from propensity import _check
from propensity._check import Floats
from propensity.comparison import NAIVE
from propensity.errors import InvalidInputError
from propensity.plots._canvas import new_axes
from propensity.plots._look import BLUE, FAINT, INK, LINE_STYLES, strip
from propensity.plots._values import mark_values, spelled_out

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = ["estimate", "conf_low", "conf_high"]


def effects_plot(
    table: pd.DataFrame,
    *,
    reference: Mapping[str, float] | None = None,
    truth: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw estimates and their intervals one below the other (a forest plot).

    Parameters
    ----------
    table : DataFrame
        What `ps.estimate` gave, or the table of any effect or bootstrap: a row an estimate, in columns
        `estimate`, `conf_low` and `conf_high`. Ratios (with a `log_std_error`) are drawn on a log scale.
    reference : mapping of str to float, or None, default None
        Values to mark with a line, by their label: ``{"the trial's answer": 1794}``.
    truth : float or None, default None
        The true effect, where it is known: a line too.
    ax : Axes or None, default None
        Where to draw. A new figure grows with the number of rows.

    Returns
    -------
    Axes
        Rows in the order of the table, the first at the top; the naive gap is hollow and dashed, for it is no
        estimate of the effect. A solid line marks no effect. A dagger marks rows with a note in the table.

    Raises
    ------
    InvalidInputError
        A column is missing, or there are no rows.
    """
    _require_estimates(table)
    n_rows = len(table)
    ax = new_axes(7.2, 1.1 + 0.48 * n_rows) if ax is None else ax
    logarithmic = "log_std_error" in table.columns
    ax.axvline(1 if logarithmic else 0, color=INK, linewidth=0.8, zorder=1)
    heights = np.arange(n_rows)[::-1]
    for height, (label, row) in zip(heights, table[_COLUMNS].iterrows(), strict=True):
        _draw_interval(ax, float(height), row.to_numpy(dtype=float), naive=label == NAIVE)
    noted = table["note"].fillna("").ne("").to_numpy() if "note" in table.columns else np.zeros(n_rows, bool)
    labels = [
        spelled_out(f"{label} †" if mark else str(label), *row)
        for label, row, mark in zip(table.index, table[_COLUMNS].to_numpy(dtype=float), noted, strict=True)
    ]
    if logarithmic:
        _set_ratio_scale(ax)
    ax.set_yticks(heights, labels)
    ax.set_ylim(-0.6, n_rows - 0.4)
    mark_values(ax, ({"truth": truth} if truth is not None else {}) | dict(reference or {}))
    ax.set_xlabel(_axis_label(table, logarithmic) + ("\n† with a note in the table" if noted.any() else ""))
    strip(ax, "left")
    return ax


def _require_estimates(table: pd.DataFrame) -> None:
    if not isinstance(table, pd.DataFrame):
        raise TypeError(f"table: a data frame as ps.estimate gives it is needed, not {type(table).__name__}")
    missing = [column for column in _COLUMNS if column not in table.columns]
    if missing:
        raise InvalidInputError(
            f"table: no column {_check.listed(missing)}; a table of ps.estimate has, or effect.to_frame()"
        )
    if table.empty:
        raise InvalidInputError("table: nothing to draw: the table is empty")


def _draw_interval(ax: Axes, height: float, row: Floats, *, naive: bool) -> None:
    estimate, low, high = row
    color, line, marker = (INK, LINE_STYLES[1], "o") if naive else (BLUE, "-", "D")
    filling = "white" if naive else color
    ax.axhline(height, color=FAINT, linewidth=0.7, zorder=0)
    ax.plot([low, high], [height] * 2, color=color, linewidth=2, linestyle=line, zorder=2)
    ax.plot([estimate], [height], marker=marker, markersize=7, color=color, markerfacecolor=filling, zorder=3)


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
    contrast = {"ratio": "ratio", "odds_ratio": "odds ratio"}.get(
        table.attrs.get("contrast", ""), "ratio" if logarithmic else "effect"
    )
    return f"{contrast} and its {interval}"
