"""Whom matching kept: the scores of matched and unmatched rows in each arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from propensity.calls.keywords import answered
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.checks import Bools, Floats
from propensity.frames.kept import require_unmoved
from propensity.frames.rowwise import rowwise
from propensity.matching.result import Matched
from propensity.plots._canvas import new_axes
from propensity.plots._look import CONTROL, FAINT, TREATED, ArmStyle, strip
from propensity.scores.logistic import require_rows
from propensity.scores.model import ModelScores

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_DOTS = 1_000  # in a line of the picture; more run into one another, and are drawn as bars
_HALF_HEIGHT = 0.36
_DOT_AREA = 16.0  # square points, of a row of its arm's mean weight
_GOLDEN = (5**0.5 - 1) / 2


@answered
def match_plot(
    matches: Matched,
    scores: ModelScores | ArrayLike | None = None,
    *,
    bins: int = 60,
    ax: Axes | None = None,
) -> Axes:
    """Draw the score of every row, matched and unmatched, treated and control.

    Unmatched treated rows at one end of the scale are those the answer is no longer about; matched controls
    that are few and large carry the comparison for many.

    Parameters
    ----------
    matches : Matched
        What a matching method gave; rows of weight 0 are unmatched.
    scores : PropensityModel, CrossFittedScores, Series or array (n,), or None, default None
        The propensity scores of the same rows; by default those the matches carry.
    bins : int, default 60
        Bars over the range of the scores, where there are bars.
    ax : Axes or None, default None
        Where to draw.

    Returns
    -------
    Axes
        Four lines, from the top: treated unmatched and matched, control matched and unmatched, with their
        numbers. Up to 1,000 units are a dot each, its area their weight; where there are more, bars show how
        they are spread, the tallest of each line as high as the line allows.

    Raises
    ------
    InvalidInputError
        There are no scores, or they are of other rows.

    Notes
    -----
    The dots' heights mean nothing, they keep dots apart: multiples of the golden section (a low-discrepancy
    sequence) in the order of the scores. The same matches give the same picture.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"treatment": "opt_in_agent_mode"}
    >>> model = ps.fit_propensity(users, **roles, covariates=["query_confidence"])
    >>> ax = ps.plots.match_plot(ps.match_nn(users, **roles, scores=model, caliper=0.1))
    >>> ax.get_xlabel().splitlines()[0]
    'propensity score'
    """
    checks.count("bins", bins)
    if not isinstance(matches, Matched):
        raise TypeError(f"matches: what a matching method gave is needed, not {type(matches).__name__}")
    e = _scores(matches, scores)
    weights = rowwise(matches.weights, matches.index, "weights")
    ax = new_axes(7.2, 4.2) if ax is None else ax
    bands = _bands(matches.treated, weights > 0)
    edges = np.histogram_bin_edges(e, bins=bins)
    counts = [np.histogram(e[band.among], edges)[0] for band in bands]
    for height, (band, count) in enumerate(zip(bands, counts, strict=True)):
        ax.axhline(height, color=FAINT, linewidth=0.7, zorder=0)
        if count.sum() > _MOST_DOTS:
            _draw_bars(ax, height, band, _HALF_HEIGHT * count / count.max(), edges)
        else:
            _draw_dots(ax, height, band, e[band.among], weights[band.among])
    ax.set_yticks(range(len(bands)), [f"{band.name}\n{band.among.sum():,}" for band in bands])
    ax.set_ylim(-0.5, len(bands) - 0.5)
    ax.set_xlabel(_axis_label([count.sum() for count in counts]))
    strip(ax, "left")
    return ax


@dataclass(frozen=True, eq=False)
class _Band:
    """A row of the picture: its name, which units are in it, and how they are drawn."""

    name: str
    among: Bools
    arm: ArmStyle
    matched: bool


def _bands(treated: Bools, matched: Bools) -> list[_Band]:
    """Give the four rows of the picture, from the bottom: the matched in the middle, face to face."""
    return [
        _Band("control, unmatched", ~treated & ~matched, CONTROL, False),
        _Band("control, matched", ~treated & matched, CONTROL, True),
        _Band("treated, matched", treated & matched, TREATED, True),
        _Band("treated, unmatched", treated & ~matched, TREATED, False),
    ]


def _scores(matches: Matched, scores: object) -> Floats:
    if isinstance(scores, ModelScores):
        require_rows(scores, matches.fingerprint, matches.treated)
        return rowwise(scores.scores, matches.index, "scores")
    if isinstance(scores, str):
        raise InvalidInputError(f"scores: matches keep no frame; give the column itself, df[{scores!r}]")
    if scores is None:
        scores = getattr(matches, "scores", None)
    else:
        require_unmoved(scores, matches.fingerprint, "scores")
    if scores is None:
        raise InvalidInputError("scores: these matches carry none; give a model, or the scores of their rows")
    return rowwise(scores, matches.index, "scores")


def _draw_dots(ax: Axes, height: int, band: _Band, e: Floats, weights: Floats) -> None:
    """Scatter the units about the line at `height`; the area of a dot is the weight of its unit."""
    order = np.argsort(e, kind="stable")
    jitter = (np.arange(1, len(e) + 1) * _GOLDEN) % 1.0 - 0.5
    size = weights[order] / weights.mean() if band.matched and len(e) else 1.0
    ax.scatter(
        e[order],
        height + 2 * _HALF_HEIGHT * jitter,
        s=_DOT_AREA * size,
        marker=band.arm.marker,
        facecolor=(band.arm.color, 0.5) if band.matched else "none",
        edgecolor=band.arm.color,
        linewidth=0.8,
    )


def _draw_bars(ax: Axes, height: int, band: _Band, half_heights: Floats, edges: Floats) -> None:
    """Draw bars that reach as far above the line as below it; those of the unmatched are hatched."""
    reach = np.where(half_heights > 0, half_heights, np.nan)  # no outline where nobody is
    ax.stairs(
        height + reach,
        edges,
        baseline=height - reach,
        fill=True,
        facecolor=band.arm.color if band.matched else "white",
        edgecolor=band.arm.color,
        hatch=None if band.matched else "//////",
        linewidth=0.8,
    )


def _axis_label(sizes: Sequence[int]) -> str:
    parts = []
    if max(sizes) > _MOST_DOTS:
        parts.append("height of a bar: number of rows, each line to its own scale")
    if any(0 < size <= _MOST_DOTS for size in sizes):
        parts.append("area of a dot: weight of the row")
    return "\n".join(["propensity score", *parts])
