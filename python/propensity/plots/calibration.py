"""Whether scores mean what they say: the share of treated among rows of like scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from propensity.calls.keywords import answered
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.columns import open_frame
from propensity.frames.native import AnyFrame
from propensity.plots._canvas import new_axes
from propensity.plots._look import BLUE, FAINT, INK, LINE_STYLES, strip
from propensity.plots._rows import Rows, take_frame
from propensity.scores.calibration import calibration_table
from propensity.scores.logistic import require_rows
from propensity.scores.model import ModelScores

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROWS_HIGH = 0.14  # of the height: how many rows there are, below the points


@answered
def calibration_plot(
    df: AnyFrame | ModelScores | ArrayLike | None = None,
    scores: str | ModelScores | ArrayLike | None = None,
    treatment: str | ArrayLike | None = None,
    *,
    sample_weight: object = None,
    bins: int = 10,
    level: float = 0.95,
    ax: Axes | None = None,
) -> Axes:
    """Draw which share of rows with like scores was treated, against their mean score.

    Scores that mean what they say lie on the line. Points above it at the right and below it at the left:
    the scores are too timid; the other way round, too sure, as of a flexible model that has seen its rows.
    Weights made of scores too sure are too large. Grey bars say where rows are.

    Parameters
    ----------
    df : DataFrame, or None, default None
        Where columns are named; without it the scores come first.
    scores : PropensityModel, CrossFittedScores, str, Series or array (n,)
        The propensity scores.
    treatment : str, Series or array (n,), or None
        True or 1 for treated rows; a model knows its own.
    sample_weight : None, str, Series or array (n,), default None
        How much of the population a row stands for; a model that was fitted with some knows them.
    bins : int, default 10
        Points, each of like numbers of rows; rows of the same score stay together.
    level : float, default 0.95
        Coverage of the intervals of the shares (Wilson's).
    ax : Axes or None, default None
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InvalidInputError
        The arguments are not of the same rows, or incomplete.

    See Also
    --------
    PropensityModel.calibration : The numbers.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> model = ps.fit_propensity(users, treatment="opt_in_agent_mode", covariates=["query_confidence"])
    >>> ax = ps.plots.calibration_plot(model)
    >>> ax.get_xlabel()
    'propensity score (mean of the bin)'
    """
    checks.count("bins", bins)
    checks.confidence_level(level)
    e, treated, weight = _read((df, scores, treatment), sample_weight)
    table = calibration_table(e, treated, weight, bins, level)
    ax = new_axes(5.0, 4.6) if ax is None else ax
    ax.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=LINE_STYLES[0], zorder=1)
    _draw_rows(ax, e, weight)
    at, share = table["score"].to_numpy(), table["share"].to_numpy()
    ends = np.abs(table[["conf_low", "conf_high"]].to_numpy().T - share)
    ax.errorbar(
        at, share, yerr=ends, color=BLUE, marker="o", markersize=6, linewidth=1.6, capsize=0, zorder=3
    )
    top = min(1.0, 1.08 * max(float(e.max()), float(table["conf_high"].max())))
    ax.set(xlim=(0, top), ylim=(0, top))
    ax.set_aspect("equal")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:.10g}")
    ax.set_xlabel("propensity score (mean of the bin)")
    ax.set_ylabel(f"share treated, {level:.0%} interval")
    strip(ax)
    return ax


def _read(leading: tuple[object, object, object], sample_weight: object) -> tuple[Any, Any, Any]:
    """Read scores, who was treated, and sample weights, row for row."""
    frame, (scores, treatment) = take_frame(*leading)
    if scores is None:
        raise InvalidInputError("scores: a model, the name of a column of the frame, or numbers are needed")
    score = scores.scores if isinstance(scores, ModelScores) else scores
    if isinstance(scores, ModelScores) and frame is not None:
        require_rows(scores, open_frame(frame), None)
    read = Rows.of(frame, score, treatment)
    read.require_order("scores", score, treatment)
    e = read.numbers(score, "scores")
    treated = read.treated(treatment, scores, needed_with="scores that are no model's")
    return e, treated, read.sample_weight(sample_weight, scores)


def _draw_rows(ax: Axes, e: Any, weight: Any) -> None:
    """Draw how many rows have which score, low at the bottom."""
    heights, edges = np.histogram(e, bins=40, weights=weight)
    across = ax.get_xaxis_transform()
    ax.stairs(_ROWS_HIGH * heights / heights.max(), edges, fill=True, color=FAINT, transform=across, zorder=0)
