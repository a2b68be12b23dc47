"""Whether a covariate is spread alike in both arms: its distribution functions, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast, overload

import numpy as np
from numpy.typing import ArrayLike

from propensity.calls.keywords import answered
from propensity.frames.checks import Floats
from propensity.frames.native import AnyFrame
from propensity.plots._canvas import Panels, Place, leads_row
from propensity.plots._covariate import named_panels, read_covariate, sample_axes
from propensity.plots._distribution import Distribution, thinned
from propensity.plots._look import CONTROL, TREATED, ArmStyle, name_axes, spaced_ticks, strip
from propensity.plots._rows import Weights

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@overload
def ecdf_plot(
    df: AnyFrame | ArrayLike | None = ...,
    covariate: str | ArrayLike | None = ...,
    treatment: str | ArrayLike | None = ...,
    *,
    weights: None = ...,
    sample_weight: object = ...,
    ax: Place = ...,
) -> Axes: ...
@overload
def ecdf_plot(
    df: AnyFrame | ArrayLike | None = ...,
    covariate: str | ArrayLike | None = ...,
    treatment: str | ArrayLike | None = ...,
    *,
    weights: Weights | Mapping[str, Weights],
    sample_weight: object = ...,
    ax: Place = ...,
) -> Panels: ...
@answered
def ecdf_plot(
    df: AnyFrame | ArrayLike | None = None,
    covariate: str | ArrayLike | None = None,
    treatment: str | ArrayLike | None = None,
    *,
    weights: Weights | Mapping[str, Weights] | None = None,
    sample_weight: object = None,
    ax: Place = None,
) -> Axes | Panels:
    """Draw which share of each arm has at most which value of a covariate, before and after adjustment.

    Where balance is perfect the two lines are one. The largest distance between them, measured upwards, is
    the `ks` of `ps.balance`.

    Parameters
    ----------
    df : DataFrame, or None, default None
        Where columns are named; without it the covariate comes first.
    covariate : str, Series or array (n,)
        Numeric or bool; its name is the axis label. For a level of a category: ``df["tier"] == "heavy"``.
    treatment : str, Series or array (n,), or None
        True or 1 for treated rows; may be left out where `weights` are matches or an effect, which know.
    weights : str, Series, array (n,), Matched, Effect, mapping of str to these, or None, default None
        One weighting or matching, or several by name as for `ps.balance`: a panel each, after the panel of
        the rows as they are.
    sample_weight : None, str, Series or array (n,), default None
        How much of the population a row stands for, in every panel; weights are multiplied by it. Results
        that were made with sample weights know theirs.
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
    A line of more than 4,000 steps leaves out steps, each lower than 1/2000, which is less than a pixel; the
    points that stay are where they were.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> ax = ps.plots.ecdf_plot(users, "query_confidence", treatment="opt_in_agent_mode")
    >>> ax.get_xlabel()
    'query_confidence'
    """
    read = read_covariate((df, covariate, treatment), weights, sample_weight)
    axes = sample_axes(read, ax, side=5.6)
    span = float(np.ptp(read.values)) or 1.0
    ends = np.array([read.values.min() - 0.03 * span, read.values.max() + 0.03 * span])
    for sample, panel in named_panels(read, axes):
        for arm, steps in zip((TREATED, CONTROL), read.arms(sample), strict=True):
            _draw_steps(panel, thinned(steps), arm, ends)
        panel.set(xlim=ends, ylim=(0, 1.02))
        name_axes(panel, x=read.name)
        spaced_ticks(panel.xaxis, 5)
        panel.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        strip(panel)
        if leads_row(panel):
            panel.set_ylabel("share at or below")
    axes[0].legend(loc="best", frameon=False, handlelength=2.6)
    return cast("Axes", axes[0]) if weights is None else axes


def _draw_steps(ax: Axes, steps: Distribution, arm: ArmStyle, ends: Floats) -> None:
    """Draw F from 0 at the left end of the axis to 1 at its right end."""
    values = np.concatenate([ends[:1], steps.values, ends[1:]])
    shares = np.concatenate([[0.0], steps.shares, [1.0]])
    ax.plot(
        values,
        shares,
        drawstyle="steps-post",
        color=arm.color,
        linestyle=arm.line,
        linewidth=1.8,
        label=arm.name,
    )
