"""How boosted scores grew: what they predict and balance, tree by tree, and where it was stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from propensity.calls.keywords import answered
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.plots._canvas import Panels, Place, panels
from propensity.plots._look import BLUE, INK, LINE_STYLES, ORANGE, head, name_axes, spaced_ticks, strip
from propensity.scores.boosting import Boosting
from propensity.scores.cross_fitted import CrossFittedScores

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = ("trees", "log_loss", "mean_smd", "max_smd")

_BALANCED = 0.1  # the |SMD| that is small enough by custom (Austin 2009, Statistics in Medicine 28:3083)


@answered
def path_plot(
    path: CrossFittedScores | pd.DataFrame,
    *,
    n_trees: int | None = None,
    ax: Place = None,
) -> Panels:
    """Draw the log-loss and the balance of boosted scores, out of fold, by the number of trees.

    Parameters
    ----------
    path : CrossFittedScores, or DataFrame
        Boosted scores, or their `path`.
    n_trees : int or None, default None
        The number of trees to mark; scores know theirs, for each repeat where they have several.
    ax : sequence of 2 Axes, or None, default None
        Where to draw.

    Returns
    -------
    ndarray (2,) of Axes
        The log-loss on the left; on the right the mean |SMD| of the terms, solid, and the largest, dashed,
        with a dotted line at 0.1. Diamonds mark how many trees were taken. Of several repeats each is drawn.

    Raises
    ------
    InvalidInputError
        The scores have no path, or the table lacks a column.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> scores = ps.fit_propensity(
    ...     users,
    ...     treatment="opt_in_agent_mode",
    ...     covariates=["engagement_tier", "query_confidence"],
    ...     score_model=ps.Boosting(max_trees=50),
    ... )
    >>> loss, balance = ps.plots.path_plot(scores)
    >>> loss.get_xlabel()
    'trees'
    """
    table = _path_of(path)
    if n_trees is not None:
        checks.count("n_trees", n_trees, minimum=0)
    loss, balance = axes = panels(2, ax, what="a path has {} panels,")
    repeats = [own for _, own in table.groupby("repeat")] if "repeat" in table else [table]
    for number, own in enumerate(repeats):
        first = number == 0
        marked = _chosen(path, own) if n_trees is None else n_trees
        _draw(loss, own, {"log_loss": (BLUE, "-", "")}, marked, first=first)
        lines = {"mean_smd": (BLUE, "-", "mean"), "max_smd": (ORANGE, LINE_STYLES[0], "largest")}
        _draw(balance, own, lines, marked, first=first)
    balance.axhline(_BALANCED, color=INK, linewidth=0.8, linestyle=LINE_STYLES[1], zorder=1)
    for panel, title in {loss: "log-loss", balance: "|SMD|"}.items():
        head(panel, f"{title}, out of fold")
        name_axes(panel, x="trees")
        spaced_ticks(panel.xaxis, 5)
        strip(panel)
    balance.set_ylim(bottom=0)
    balance.legend(frameon=False)
    return axes


def _path_of(path: CrossFittedScores | pd.DataFrame) -> pd.DataFrame:
    table = path.path if isinstance(path, CrossFittedScores) else path
    if table is None:
        raise InvalidInputError(
            "path: these scores have none; those of ps.fit_propensity(..., score_model=ps.Boosting()) do"
        )
    if not isinstance(table, pd.DataFrame):
        raise TypeError(
            f"path: boosted scores are needed, or their path, a DataFrame, not {type(table).__name__}"
        )
    missing = [name for name in _COLUMNS if name not in table.columns]
    if missing:
        raise InvalidInputError(
            f"path: a table with the columns {checks.listed(_COLUMNS)} is needed; {checks.listed(missing)} "
            "is not there"
        )
    return table


def _chosen(path: CrossFittedScores | pd.DataFrame, own: pd.DataFrame) -> int | None:
    """Tell how many trees a repeat stopped at, where the path belongs to scores."""
    spec = getattr(path, "score_model", None)
    if not isinstance(spec, Boosting):
        return None
    if spec.stop is None:
        return int(own["trees"].iloc[-1])
    column = {"balance": "mean_smd", "log_loss": "log_loss"}[spec.stop]
    return int(own["trees"].iloc[int(np.argmin(own[column].to_numpy()))])


def _draw(
    ax: Axes,
    own: pd.DataFrame,
    lines: dict[str, tuple[str, Any, str]],
    marked: int | None,
    *,
    first: bool,
) -> None:
    """Draw columns of one repeat, each in its colour and line, and a diamond where it was stopped."""
    trees = own["trees"].to_numpy()
    for column, (color, line, label) in lines.items():
        values = own[column].to_numpy()
        name = label if first and label else None
        ax.plot(trees, values, color=color, linestyle=line, linewidth=1.8 if first else 1.0, label=name)
        if marked is not None:
            at = np.interp(marked, trees, values)
            ax.plot([marked], [at], marker="D", markersize=7, color=color, linestyle="none", zorder=3)
