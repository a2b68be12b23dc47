"""How far an estimate could have been elsewhere: the replicates of each estimator."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from propensity.calls.keywords import answered
from propensity.plots._canvas import new_axes
from propensity.plots._look import FAINT, INK, SKY, name_rows, strip
from propensity.plots._values import mark_values, spelled_out
from propensity.resampling.result import BootstrapResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@answered
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

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> boot = ps.bootstrap(
    ...     users, **roles, covariates=["query_confidence"], n_reps=50, seed=1, progress=False
    ... )
    >>> ax = ps.plots.bootstrap_plot(boot, truth=0.08)
    >>> ax.get_xlabel()
    'effect (bars: replicates; dot and line: estimate and 95% interval)'
    """
    if not isinstance(boot, BootstrapResult):
        raise TypeError(f"boot: what ps.bootstrap gave is needed, not {type(boot).__name__}")
    labels = [str(label) for label in boot.replicates]
    ax = new_axes(7.2, 1.3 + 0.95 * len(labels)) if ax is None else ax
    intervals = boot.conf_int(level=level)
    width = float((boot.replicates.max() - boot.replicates.min()).max()) / bins
    for height, label in zip(reversed(range(len(labels))), labels, strict=True):
        _draw_distribution(ax, height, boot.replicates[label].dropna(), width)
        ends = intervals.loc[label].to_numpy(dtype=float)
        ax.plot(ends, [height - 0.1] * 2, color=INK, linewidth=2, solid_capstyle="butt")
        ax.plot([float(boot.estimates[label])], [height - 0.1], marker="o", color=INK, markersize=6)
    name_rows(
        ax,
        np.arange(len(labels)) + 0.25,
        [spelled_out(name, boot.estimates[name], *intervals.loc[name]) for name in reversed(labels)],
    )
    ax.set_ylim(-0.35, len(labels) - 0.05)
    ax.set_xlabel(f"effect (bars: replicates; dot and line: estimate and {level:.0%} interval)")
    mark_values(ax, ({"truth": truth} if truth is not None else {}) | dict(reference or {}))
    strip(ax, "left")
    return ax


def _draw_distribution(ax: Axes, height: int, replicates: pd.Series, width: float) -> None:
    """Histogram standing on the line at `height`; none where every replicate failed."""
    ax.axhline(height, color=FAINT, linewidth=0.8, zorder=0)
    if replicates.empty:
        return
    n_bins = max(1, math.ceil((replicates.max() - replicates.min()) / width)) if width > 0 else 1
    counts, edges = np.histogram(replicates, bins=n_bins)
    tops = height + 0.75 * counts / counts.max()
    ax.stairs(tops, edges, baseline=height, fill=True, color=SKY)
