"""What rows count for: the distribution of weights in each arm, and who carries most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from propensity.calls.keywords import answered
from propensity.effects.effect import Effect
from propensity.effects.weighted_result import WeightedResult
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.checks import Bools, Floats
from propensity.frames.native import AnyFrame
from propensity.matching.result import Matched
from propensity.plots._bars import draw_mirrored, hides_an_arm, name_arms
from propensity.plots._canvas import new_axes
from propensity.plots._look import INK, amount
from propensity.plots._rows import Rows, require_no_result, take_frame
from propensity.weighting.balancing_weights import BalancingWeights

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@answered
def weight_plot(
    df: AnyFrame | Matched | Effect | ArrayLike | None = None,
    weights: str | Matched | Effect | ArrayLike | None = None,
    treatment: str | ArrayLike | None = None,
    *,
    log: bool | None = None,
    bins: int = 50,
    ax: Axes | None = None,
) -> Axes:
    """Draw how many rows of each arm have which weight: treated above the line, controls below.

    The triangle marks the largest weight of each arm; its share of the arm's weight is written beside the
    bars. A row with a large share decides the estimate nearly alone.

    Parameters
    ----------
    df : DataFrame, or None, default None
        Where columns are named; without it the weights come first.
    weights : BalancingWeights, Matched, Effect, str, Series or array (n,)
        Balancing weights, a matching result, an effect, or the weights themselves. Rows of weight 0 are
        counted in words, not drawn. An effect and balancing weights also tell the effective sample size of
        each arm.
    treatment : str, Series or array (n,), or None, default None
        True or 1 for treated rows; an effect and a matching result know their own.
    log : bool or None, default None
        Draw the numbers of rows on a log scale, for large weights that few rows have. None takes it where the
        bars of one arm would be too low beside the other's to be seen; the axis says so.
    bins : int, default 50
        Bars, however many rows there are.
    ax : Axes or None, default None
        Where to draw.

    Returns
    -------
    Axes
        One, both arms in it.

    Raises
    ------
    InvalidInputError
        `treatment` is missing, or of other rows than the weights.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> effect = ps.ipw(users, **roles, scores=users["query_confidence"] * 0.8 + 0.1)
    >>> ax = ps.plots.weight_plot(effect)
    >>> ax = ps.plots.weight_plot(users.assign(w=effect.weights), "w", "opt_in_agent_mode")
    >>> ax.get_xlabel()
    'weight (triangle: the largest of the arm)'
    """
    checks.count("bins", bins)
    given, w, treated = _read((df, weights, treatment))
    edges = np.histogram_bin_edges(w[w > 0], bins=bins)
    up, down = (np.histogram(w[arm & (w > 0)], edges)[0].astype(float) for arm in (treated, ~treated))
    log = hides_an_arm(up, down) if log is None else log
    ax = new_axes(6.4, 3.8) if ax is None else ax
    draw_mirrored(ax, edges, up, down, log=log)
    known = (
        (given.ess_treated, given.ess_control)
        if isinstance(given, Effect | BalancingWeights)
        else (None, None)
    )
    above = _described("treated", w[treated], known[0])
    below = _described("control", w[~treated], known[1])
    name_arms(ax, above, below, up, down)
    _mark_largest(ax, w[treated].max(), up[np.flatnonzero(up)[-1]], upwards=True)
    _mark_largest(ax, w[~treated].max(), down[np.flatnonzero(down)[-1]], upwards=False)
    ax.set_xlabel("weight (triangle: the largest of the arm)")
    ax.set_ylabel("number of rows, log scale" if log else "number of rows")
    return ax


def _read(leading: tuple[object, object, object]) -> tuple[Any, Floats, Bools]:
    """Give the weights as they came and as numbers, and who was treated."""
    frame, (weights, treatment) = take_frame(*leading)
    if weights is None:
        raise InvalidInputError("weights: a result, the name of a column of the frame, or numbers are needed")
    is_result = isinstance(weights, WeightedResult)
    if not is_result:
        require_no_result(weights, "weights")
    rows = Rows.of(frame, weights, treatment)
    if not is_result:
        rows.require_order("weights", weights, treatment)
    if rows.users(weights) is not None:
        raise InvalidInputError(
            "weights: the picture counts single users by their weights, and a row of these cells stands for "
            "many; ps.overlap(cells, ...).weights has what weighting rests on"
        )
    treated = rows.treated(treatment, weights, needed_with="weights that are no effect's and no matches'")
    return weights, rows.weights(weights, treated, rows.sample_weight(None, weights)), treated


def _described(name: str, w: Floats, ess: float | None) -> str:
    """Say how many rows there are, how many they are worth, and what the largest weight is."""
    used = int((w > 0).sum())
    unused = len(w) - used
    words = f"{name}: {used:,}"
    if ess is not None:
        words += f", effective sample {ess:,.0f}"
    if unused:
        words += f" ({unused:,} more of weight 0)"
    return f"{words}\nlargest weight {amount(w.max())}, {100 * w.max() / w.sum():.2g}% of the arm's"


def _mark_largest(ax: Axes, weight: float, bar: float, *, upwards: bool) -> None:
    """Point at the largest weight from beyond its bar, which may be too low to be seen."""
    ax.annotate(
        "▼" if upwards else "▲",
        xy=(weight, bar if upwards else -bar),
        xytext=(0, 2 if upwards else -2),
        textcoords="offset points",
        ha="center",
        va="bottom" if upwards else "top",
        color=INK,
    )
