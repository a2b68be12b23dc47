"""Who can be compared with whom: the scores of the two arms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from propensity import _check
from propensity._check import Floats
from propensity.errors import InvalidInputError
from propensity.frames.columns import rowwise
from propensity.plots._bars import draw_mirrored, name_arms
from propensity.plots._canvas import leads_row, new_axes, panels
from propensity.plots._look import amount, head
from propensity.plots._rows import Weights, labels_of, read_groups, read_treated, read_weights
from propensity.results import PropensityModel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Kind: TypeAlias = Literal["histogram", "density"]


def overlap_plot(
    scores: PropensityModel | ArrayLike,
    treatment: ArrayLike | None = None,
    *,
    by: ArrayLike | None = None,
    weights: Weights | None = None,
    kind: Kind = "histogram",
    log: bool = False,
    bins: int = 50,
    ax: Any = None,
) -> Any:
    """Draw how many rows of each arm have which score: treated above the line, controls below.

    Where only one side has bars, nobody is there to compare with.

    Parameters
    ----------
    scores : PropensityModel, Series or array (n,)
        The propensity scores.
    treatment : Series or array (n,), or None
        True or 1 for treated rows; a model knows its own.
    by : Series or array (n,), or None, default None
        A group for each row: one panel a group, in sorted order (a categorical's own order). Each panel
        zooms in on the scores of its group.
    weights : Matched, Effect, Series or array (n,), or None, default None
        What each row counts for: bars are sums of weights, not scaled, so that weights that make the arms
        alike make the picture its own mirror image.
    kind : {"histogram", "density"}, default "histogram"
        What bars are: numbers of rows, which show how many there are to compare with; or densities, the bars
        of an arm having area 1, which show the shape of an arm that is much smaller than the other.
    log : bool, default False
        Draw the heights on a log scale, for tails that tall bars hide: one row remains visible beside a
        million. Below the height of the lowest bar the scale is linear, and an empty bin is empty.
    bins : int, default 50
        Bars in a panel, however many rows there are.
    ax : Axes, or array of Axes, or None, default None
        Where to draw; with `by`, an array of axes, one a group.

    Returns
    -------
    Axes or ndarray of Axes
        One, or with `by` one for each group.

    Raises
    ------
    InvalidInputError
        The arguments are not of the same rows, or incomplete, or `ax` has not an axes for each group.
    """
    _check.choice("kind", kind, get_args(Kind))
    _check.count("bins", bins)
    rows = _rows(scores, treatment, by, weights)
    heights = {"density": "density", "histogram": "number of rows" if weights is None else "sum of weights"}
    groups = [("", rows)] if by is None else list(rows.groupby("by", observed=True))
    if by is None and ax is None:
        ax = new_axes(6.4, 3.8)
    axes = panels(len(groups), ax, what="'by' has {} groups" if by is not None else "there is {} panel")
    for panel, (name, group) in zip(axes, groups, strict=True):
        _draw_group(panel, group, kind, log, bins)
        if by is not None:
            head(panel, str(name))
        if leads_row(panel):
            panel.set_ylabel(heights[kind])
    return axes[0] if by is None else axes


def _rows(
    scores: PropensityModel | ArrayLike, treatment: object, by: object, weights: Weights | None
) -> pd.DataFrame:
    """Put score, treatment, group and weight side by side, row for row."""
    model = scores if isinstance(scores, PropensityModel) else None
    score = scores if model is None else model.scores
    if treatment is None:
        if model is None:
            raise InvalidInputError("treatment: who was treated is needed with scores that are no model's")
        treatment = model.treated
    index = labels_of(score, treatment, weights, n=len(np.asarray(score)))
    rows = pd.DataFrame({"score": rowwise(score, index, "scores")}, index=index)
    rows["treated"] = read_treated(treatment, index)
    rows["weight"] = 1.0 if weights is None else read_weights(weights, rows["treated"].to_numpy(), index)
    if by is not None:
        rows["by"] = read_groups(by, index)
    return rows


def _draw_group(ax: Axes, rows: pd.DataFrame, kind: Kind, log: bool, bins: int) -> None:
    counted = rows[rows["weight"] > 0]
    edges = np.histogram_bin_edges(counted["score"], bins=bins)
    arms = [counted[counted["treated"]], counted[~counted["treated"]]]
    up, down = (_heights(arm, edges, kind) for arm in arms)
    draw_mirrored(ax, edges, up, down, log=log)
    treated, control = (_size(arm) for arm in arms)
    name_arms(ax, f"treated: {treated}", f"control: {control}", up, down)
    ax.set_xlabel("propensity score")


def _heights(arm: pd.DataFrame, edges: Floats, kind: Kind) -> Floats:
    sums = np.histogram(arm["score"], edges, weights=arm["weight"])[0]
    if kind == "density" and len(arm):
        sums = sums / (sums.sum() * np.diff(edges))
    return np.asarray(sums, dtype=np.float64)


def _size(arm: pd.DataFrame) -> str:
    weighted = bool((arm["weight"] != 1).any())
    return f"{len(arm):,}" + (f", weighing {amount(arm['weight'].sum())}" if weighted else "")
