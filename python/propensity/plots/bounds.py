"""Between what an effect lies, the stronger hidden confounding may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from propensity.calls.keywords import answered
from propensity.plots._canvas import new_axes
from propensity.plots._gamma import mark_critical, set_gammas
from propensity.plots._look import BLUE, FAINT, INK, SKY, strip
from propensity.sensitivity.bounds_result import SensitivityBounds

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@answered
def bounds_plot(found: SensitivityBounds, *, ax: Axes | None = None) -> Axes:
    """Draw the bounds of an effect, and the interval around them, against the strength of hidden confounding.

    The dark band is what the data allow at each gamma; the light one what is left open by chance too. Where a
    band reaches zero the effect may be none: dotted lines mark the gammas at which they do.

    Parameters
    ----------
    found : SensitivityBounds
        What `ps.sensitivity_bounds` gave.
    ax : Axes or None, default None
        Where to draw.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> covariates = ["engagement_tier", "query_confidence"]
    >>> found = ps.sensitivity_bounds(users, **roles, covariates=covariates, n_reps=50, progress=False)
    >>> ax = ps.plots.bounds_plot(found)
    >>> ax.get_xlabel()
    'Γ: by how much hidden confounders change the odds of treatment, at most'
    """
    if not isinstance(found, SensitivityBounds):
        raise TypeError(f"found: what ps.sensitivity_bounds gave is needed, not {type(found).__name__}")
    ax = new_axes(6.4, 4.0) if ax is None else ax
    table = found.table[found.table["gamma"] > 1]
    gamma = np.append(1.0, table["gamma"])
    low, high = found.interval
    ends = {
        "lower": found.estimate,
        "upper": found.estimate,
        "conf_low": low,
        "conf_high": high,
    }
    lines = {name: np.append(first, table[name]) for name, first in ends.items()}
    ax.fill_between(gamma, lines["conf_low"], lines["conf_high"], color=FAINT, linewidth=0)
    ax.fill_between(gamma, lines["lower"], lines["upper"], color=SKY, linewidth=0)
    for name, style in (("lower", "-"), ("upper", "-"), ("conf_low", "--"), ("conf_high", "--")):
        ax.plot(gamma, lines[name], color=BLUE if style == "-" else INK, linestyle=style, linewidth=1.4)
    ax.plot([1.0], [found.estimate], marker="o", markersize=6, color=BLUE, clip_on=False, zorder=4)
    ax.axhline(0, color=INK, linewidth=0.8)
    criticals = {"interval": found.critical_gamma, "bounds": found.critical_gamma_of_estimate}
    mark_critical(ax, criticals, float(gamma[-1]))
    set_gammas(ax, gamma)
    ax.set_xlabel("Γ: by how much hidden confounders change the odds of treatment, at most")
    ax.set_ylabel(f"effect: bounds (solid), {found.level:.0%} interval (dashed)")
    strip(ax)
    return ax
