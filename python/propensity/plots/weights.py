"""What rows count for: the distribution of weights in each arm, and who carries most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from propensity import _check
from propensity._check import Bools, Floats
from propensity.effects import Effect
from propensity.errors import InvalidInputError
from propensity.matched import Matched
from propensity.plots._bars import draw_mirrored, name_arms
from propensity.plots._canvas import new_axes
from propensity.plots._look import INK, amount
from propensity.plots._rows import labels_of, read_treated, read_weights

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def weight_plot(
    weights: Matched | Effect | ArrayLike,
    treatment: ArrayLike | None = None,
    *,
    log: bool = False,
    bins: int = 50,
    ax: Axes | None = None,
) -> Axes:
    """Draw how many rows of each arm have which weight: treated above the line, controls below.

    The triangle marks the largest weight of each arm; its share of the arm's weight is written beside the
    bars. A row with a large share decides the estimate nearly alone.

    Parameters
    ----------
    weights : Matched, Effect, Series or array (n,)
        A matching result, an effect, or the weights themselves. Rows of weight 0 are counted in words, not
        drawn. An effect also tells the effective sample size of each arm.
    treatment : Series or array (n,), or None, default None
        True or 1 for treated rows; an effect and a matching result know their own.
    log : bool, default False
        Draw the numbers of rows on a log scale, for large weights that few rows have.
    bins : int, default 50
        Bars, however many rows there are.
    ax : Axes or None, default None
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InvalidInputError
        `treatment` is missing, or of other rows than the weights.
    """
    _check.count("bins", bins)
    ax = new_axes(6.4, 3.8) if ax is None else ax
    w, treated = _read(weights, treatment)
    edges = np.histogram_bin_edges(w[w > 0], bins=bins)
    up, down = (np.histogram(w[arm & (w > 0)], edges)[0].astype(float) for arm in (treated, ~treated))
    draw_mirrored(ax, edges, up, down, log=log)
    known = (weights.ess_treated, weights.ess_control) if isinstance(weights, Effect) else (None, None)
    above = _described("treated", w[treated], known[0])
    below = _described("control", w[~treated], known[1])
    name_arms(ax, above, below, up, down)
    _mark_largest(ax, w[treated].max(), up[np.flatnonzero(up)[-1]], upwards=True)
    _mark_largest(ax, w[~treated].max(), down[np.flatnonzero(down)[-1]], upwards=False)
    ax.set_xlabel("weight (triangle: the largest of the arm)")
    ax.set_ylabel("number of rows")
    return ax


def _read(weights: Any, treatment: object) -> tuple[Floats, Bools]:
    if treatment is None:
        treatment = weights.treated if isinstance(weights, Matched | Effect) else None
        if treatment is None:
            raise InvalidInputError(
                "treatment: who was treated is needed with weights that are no effect's and no matches'"
            )
    index = labels_of(weights, treatment, n=len(np.asarray(treatment)))
    treated = read_treated(treatment, index)
    return read_weights(weights, treated, index), treated


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
