"""Who can be compared with whom: the scores of the two arms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from propensity.calls.keywords import answered
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.checks import Floats
from propensity.frames.columns import open_frame
from propensity.frames.native import AnyFrame
from propensity.plots._bars import draw_mirrored, hides_an_arm, name_arms
from propensity.plots._canvas import leads_row, new_axes, panels
from propensity.plots._look import amount, head
from propensity.plots._rows import Rows, Weights, take_frame
from propensity.scores.logistic import require_rows
from propensity.scores.model import ModelScores

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Kind: TypeAlias = Literal["histogram", "density"]

_MOST_PANELS = 30  # ten rows of three: a page


@answered
def overlap_plot(
    df: AnyFrame | ModelScores | ArrayLike | None = None,
    scores: str | ModelScores | ArrayLike | None = None,
    treatment: str | ArrayLike | None = None,
    *,
    by: str | ArrayLike | None = None,
    weights: Weights | None = None,
    sample_weight: object = None,
    kind: Kind = "histogram",
    log: bool | None = None,
    bins: int = 50,
    ax: Any = None,
) -> Any:
    """Draw how many rows of each arm have which score: treated above the line, controls below.

    Where only one side has bars, nobody is there to compare with.

    Parameters
    ----------
    df : DataFrame, or None, default None
        Where columns are named; without it the scores come first.
    scores : PropensityModel, CrossFittedScores, str, Series or array (n,)
        The propensity scores.
    treatment : str, Series or array (n,), or None
        True or 1 for treated rows; a model knows its own, and so do matches and effects among `weights`.
    by : str, Series or array (n,), or None, default None
        A group for each row: one panel a group, in sorted order (a categorical's own order). Each panel
        zooms in on the scores of its group.
    weights : str, Series, array (n,), Matched, Effect, or None, default None
        What each row counts for: bars are sums of weights, not scaled, so that weights that make the arms
        alike make the picture its own mirror image.
    sample_weight : None, str, Series or array (n,), default None
        How much of the population a row stands for; bars are then sums of it, times the weights. A model and
        results that were made with sample weights know theirs.
    kind : {"histogram", "density"}, default "histogram"
        What bars are: numbers of rows, which show how many there are to compare with; or densities, the bars
        of an arm having area 1, which show the shape of an arm that is much smaller than the other.
    log : bool or None, default None
        Draw the heights on a log scale, for tails that tall bars hide: one row remains visible beside a
        million. Below the height of the lowest bar the scale is linear, and an empty bin is empty. None takes
        it where the bars of one arm would be too low beside the other's to be seen; the axis says so.
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

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> model = ps.fit_propensity(users, treatment="opt_in_agent_mode", covariates=["query_confidence"])
    >>> ax = ps.plots.overlap_plot(model)
    >>> axes = ps.plots.overlap_plot(users, model, by="engagement_tier")
    >>> [panel.get_title(loc="left") for panel in axes]
    ['heavy', 'light', 'medium']
    """
    checks.choice("kind", kind, get_args(Kind))
    checks.count("bins", bins)
    rows = _rows((df, scores, treatment), by, weights, sample_weight)
    if by is not None:
        _require_few(rows["by"])
    groups = [("", rows)] if by is None else list(rows.groupby("by", observed=True))
    if by is None and ax is None:
        ax = new_axes(6.4, 3.8)
    axes = panels(len(groups), ax, what="'by' has {} groups" if by is not None else "there is {} panel")
    bars = [_bars(group, kind, bins) for _, group in groups]
    log = any(hides_an_arm(up, down) for _, up, down in bars) if log is None else log
    counted = "sum of weights" if rows.attrs["weighted"] else "number of rows"
    height = "density" if kind == "density" else counted
    for panel, (name, group), drawn in zip(axes, groups, bars, strict=True):
        _draw_group(panel, group, drawn, log)
        if by is not None:
            head(panel, str(name))
        if leads_row(panel):
            panel.set_ylabel(f"{height}, log scale" if log else height)
    return axes[0] if by is None else axes


def _rows(
    leading: tuple[object, object, object], by: object, weights: Weights | None, sample_weight: object
) -> pd.DataFrame:
    """Put score, treatment, group and weight side by side, row for row."""
    frame, (scores, treatment) = take_frame(*leading)
    if scores is None:
        raise InvalidInputError("scores: a model, the name of a column of the frame, or numbers are needed")
    score = scores.scores if isinstance(scores, ModelScores) else scores
    if isinstance(scores, ModelScores) and frame is not None:
        require_rows(scores, open_frame(frame), None)
    read = Rows.of(frame, score, treatment, weights)
    read.require_order("scores", score, treatment)
    rows = pd.DataFrame({"score": read.numbers(score, "scores")}, index=read.index)
    treated = read.treated(treatment, scores, weights, needed_with="scores that are no model's")
    rows["treated"] = treated
    base = read.sample_weight(sample_weight, scores, weights)
    given = np.ones(len(treated)) if weights is None else weights
    rows["weight"] = read.weights(given, treated, base)
    users = read.users(scores, weights)
    rows["users"] = np.ones(len(treated)) if users is None else users
    rows.attrs["weighted"] = weights is not None or (base is not None and base is not users)
    if by is not None:
        rows["by"] = read.groups(by)
    return rows


def _require_few(by: pd.Series[Any]) -> None:
    """Require groups few enough to look at, a panel for each."""
    n_groups = by.nunique()
    if n_groups > _MOST_PANELS:
        raise InvalidInputError(
            f"by: {n_groups:,} groups, and a panel for each; more than {_MOST_PANELS} are not drawn: draw "
            "some of them, or take ps.overlap(df, ..., by=...), whose table has them all"
        )


class _Bars(NamedTuple):
    """The edges of the bins, and how high the bars of the treated and of the controls are."""

    edges: Floats
    up: Floats
    down: Floats


def _bars(rows: pd.DataFrame, kind: Kind, bins: int) -> _Bars:
    counted = rows[rows["weight"] > 0]
    edges = np.histogram_bin_edges(counted["score"], bins=bins)
    up, down = (_heights(arm, edges, kind) for arm in _arms(counted))
    return _Bars(edges, up, down)


def _draw_group(ax: Axes, rows: pd.DataFrame, bars: _Bars, log: bool) -> None:
    draw_mirrored(ax, bars.edges, bars.up, bars.down, log=log)
    treated, control = (_size(arm) for arm in _arms(rows[rows["weight"] > 0]))
    name_arms(ax, f"treated: {treated}", f"control: {control}", bars.up, bars.down)
    ax.set_xlabel("propensity score")


def _arms(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    return rows[rows["treated"]], rows[~rows["treated"]]


def _heights(arm: pd.DataFrame, edges: Floats, kind: Kind) -> Floats:
    sums = np.histogram(arm["score"], edges, weights=arm["weight"])[0]
    if kind == "density" and len(arm):
        sums = sums / (sums.sum() * np.diff(edges))
    return np.asarray(sums, dtype=np.float64)


def _size(arm: pd.DataFrame) -> str:
    weighted = bool((arm["weight"] != arm["users"]).any())
    return f"{arm['users'].sum():,.0f}" + (f", weighing {amount(arm['weight'].sum())}" if weighted else "")
