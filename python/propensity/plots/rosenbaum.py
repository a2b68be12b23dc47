"""Between what a p-value lies, the stronger hidden bias within matched sets may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from propensity.calls.keywords import answered
from propensity.plots._canvas import new_axes
from propensity.plots._gamma import mark_critical, set_gammas
from propensity.plots._look import BLUE, INK, SKY, strip
from propensity.sensitivity.rosenbaum import RosenbaumBounds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEAST = 1e-6  # on a log axis smaller ones would press all others together


@answered
def rosenbaum_plot(found: RosenbaumBounds, *, ax: Axes | None = None) -> Axes:
    """Draw the least and the largest p-value that hidden bias allows, against its strength.

    The solid line is the largest p-value: where it crosses the level, which is marked, a hidden confounder of
    that strength could have made the finding. P-values below a millionth are drawn there.

    Parameters
    ----------
    found : RosenbaumBounds
        What `matches.rosenbaum(...)` gave.
    ax : Axes or None, default None
        Where to draw.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import propensity as ps
    >>> trained = ps.datasets.lalonde()
    >>> sets = ps.match_cem(trained, treatment="treat", covariates=["educ", "race", "married"])
    >>> ax = ps.plots.rosenbaum_plot(sets.rosenbaum("re78"))
    >>> ax.get_xlabel()
    'Γ: by how much hidden bias changes the odds of treatment within a set, at most'
    """
    if not isinstance(found, RosenbaumBounds):
        raise TypeError(f"found: what matches.rosenbaum gave is needed, not {type(found).__name__}")
    ax = new_axes(6.4, 4.0) if ax is None else ax
    table = found.table
    gamma = table["gamma"].to_numpy(dtype=np.float64)
    low, high = (
        np.maximum(table[name].to_numpy(dtype=np.float64), _LEAST) for name in ("p_lower", "p_upper")
    )
    ax.set_yscale("log")
    ax.fill_between(gamma, low, high, color=SKY, alpha=0.5, linewidth=0)
    ax.plot(gamma, high, color=BLUE, marker="o", markersize=5, linewidth=1.8, clip_on=False, zorder=3)
    ax.plot(gamma, low, color=INK, marker="s", markersize=4, linewidth=1.2, linestyle="--", clip_on=False)
    alpha = 1 - found.level
    ax.axhline(alpha, color=INK, linewidth=0.8)
    ax.annotate(
        f"p = {alpha:.2g}",
        xy=(1, alpha),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        color=INK,
    )
    ax.set_ylim(_LEAST / 2, 1.2)
    mark_critical(ax, {"Γ": found.critical_gamma}, float(gamma[-1]))
    set_gammas(ax, gamma)
    ax.set_xlabel("Γ: by how much hidden bias changes the odds of treatment within a set, at most")
    ax.set_ylabel("one-sided p: largest (solid), least (dashed)")
    strip(ax)
    return ax
