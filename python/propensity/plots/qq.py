"""Whether a covariate is spread alike in both arms: its quantiles against each other, before and after."""

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
from propensity.plots._distribution import Distribution, quantiles
from propensity.plots._look import BLUE, INK, name_axes, spaced_ticks, strip
from propensity.plots._rows import Weights

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_N_QUANTILES = 200  # more run into one another at default size


@overload
def qq_plot(
    df: AnyFrame | ArrayLike | None = ...,
    covariate: str | ArrayLike | None = ...,
    treatment: str | ArrayLike | None = ...,
    *,
    weights: None = ...,
    sample_weight: object = ...,
    ax: Place = ...,
) -> Axes: ...
@overload
def qq_plot(
    df: AnyFrame | ArrayLike | None = ...,
    covariate: str | ArrayLike | None = ...,
    treatment: str | ArrayLike | None = ...,
    *,
    weights: Weights | Mapping[str, Weights],
    sample_weight: object = ...,
    ax: Place = ...,
) -> Panels: ...
@answered
def qq_plot(
    df: AnyFrame | ArrayLike | None = None,
    covariate: str | ArrayLike | None = None,
    treatment: str | ArrayLike | None = None,
    *,
    weights: Weights | Mapping[str, Weights] | None = None,
    sample_weight: object = None,
    ax: Place = None,
) -> Axes | Panels:
    """Draw the quantiles of a covariate among the treated against those among the controls, before and after.

    Where balance is perfect all points are on the line. Points above it: the treated have larger values.

    Parameters
    ----------
    df : DataFrame, or None, default None
    covariate, treatment : str, Series or array (n,)
    weights : str, Series, array (n,), Matched, Effect, mapping of str to these, or None, default None
    sample_weight : None, str, Series or array (n,), default None
    ax : Axes, or array of Axes, or None, default None
        As for `ecdf_plot`; the covariate's name is in the labels of both axes.

    Returns
    -------
    Axes or ndarray of Axes
        As of `ecdf_plot`, which raises the same errors.

    Notes
    -----
    A quantile is the smallest value at which the weighted distribution function reaches p; nothing is
    interpolated. There are 200, at p = (i - 1/2) / 200 for i = 1, ..., 200, however many rows; points at the
    same place are drawn once.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.assistant_usage(n_users=2_000)
    >>> ps.plots.qq_plot(users, "account_age_months", treatment="opt_in").get_ylabel()
    'account_age_months, treated'
    """
    read = read_covariate((df, covariate, treatment), weights, sample_weight)
    axes = sample_axes(read, ax, side=4.2)
    ends = np.array([read.values.min(), read.values.max()])
    margin = 0.04 * (float(np.ptp(ends)) or 1.0)
    limits = ends + np.array([-margin, margin])
    n_intervals = 5 if len(axes) == 1 else 3  # numbers of six digits find room
    for sample, panel in named_panels(read, axes):
        points = _points(*read.arms(sample))
        panel.plot(limits, limits, color=INK, linewidth=1, zorder=1)
        panel.plot(
            *points.T,
            linestyle="none",
            marker="o",
            markersize=4.5,
            markeredgecolor=BLUE,
            markerfacecolor="none",
            clip_on=False,
        )
        panel.set(xlim=limits, ylim=limits, aspect="equal")
        name_axes(panel, x=f"{read.name}, controls")
        spaced_ticks(panel.xaxis, n_intervals)
        spaced_ticks(panel.yaxis, n_intervals)
        strip(panel)
        if leads_row(panel):
            name_axes(panel, y=f"{read.name}, treated")
    return cast("Axes", axes[0]) if weights is None else axes


def _points(treated: Distribution, control: Distribution) -> Floats:
    """Pair the quantiles, (at most 200, 2): control, treated."""
    p = (np.arange(_N_QUANTILES) + 0.5) / _N_QUANTILES
    pairs = np.column_stack([quantiles(control, p), quantiles(treated, p)])
    return np.asarray(np.unique(pairs, axis=0))
