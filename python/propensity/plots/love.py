"""Whether the arms look alike, before and after: a row of markers for each term."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from propensity.balance.groups import groups_of_table, table_of_group
from propensity.calls.keywords import answered
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.checks import Floats
from propensity.frames.native import AnyFrame
from propensity.frames.terms import Covariates
from propensity.plots._balance import tabulated
from propensity.plots._canvas import leads_row, new_axes, panels
from propensity.plots._edges import Edge, add_edges, edges_of
from propensity.plots._look import (
    FAINT,
    INK,
    LINE_STYLES,
    SampleStyle,
    as_written,
    head,
    name_axes,
    name_rows,
    name_samples,
    sample_styles,
    strip,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

Measure: TypeAlias = Literal["smd", "variance_ratio", "ks", "ecdf_difference"]
Order: TypeAlias = Literal["size", "table"]

# Stuart (2010) and Rubin (2001); for distribution functions nothing is agreed on.
_USUAL_THRESHOLDS: dict[str, Any] = {
    "smd": 0.1,
    "variance_ratio": (0.5, 2.0),
    "ks": None,
    "ecdf_difference": None,
}
_NO_DIFFERENCE = {"smd": 0.0, "variance_ratio": 1.0, "ks": 0.0, "ecdf_difference": 0.0}
_DENOMINATORS = {
    "pooled": "pooled standard deviations",
    "treated": "standard deviations of the treated",
    "control": "standard deviations of the controls",
    "all": "standard deviations of all rows",
}
_EDGE_WORDS: dict[str, dict[Edge, str]] = {
    "smd": {"below": "minus infinite", "above": "infinite", "none": "no value"},
    "variance_ratio": {"below": "zero", "above": "infinite", "none": "no value"},
}
_REASONS: dict[str, str] = {
    "smd": "infinite: the standard deviation that the difference is divided by is 0",
    "variance_ratio": "zero or infinite: one of the arms does not vary",
    "ks": "infinite: as in the table",
    "ecdf_difference": "infinite: as in the table",
}
_FEW = 4  # samples; their markers find room in the lowest row
_MOST_PANELS = 30  # ten rows of three: a page
_CROWDED = 20  # terms; beyond it rows are lower and their text smaller


@answered
def love_plot(  # noqa: PLR0913 - each is a choice a user may have to make, by name
    balance: Any,
    *,
    df: AnyFrame | None = None,
    covariates: Covariates | None = None,
    treatment: str | None = None,
    by: str | Sequence[str] | None = None,
    measure: Measure = "smd",
    threshold: float | tuple[float, float] | Literal["usual"] | None = "usual",
    absolute: bool = True,
    order: Order = "size",
    top: int | None = 30,
    ax: Any = None,
) -> Any:
    """Draw a measure of balance of every term, in one or several samples.

    Parameters
    ----------
    balance : Balance, DataFrame, Series, mapping of str to Series, or results with weights
        What `ps.balance` or `ps.smd` gave; or one measure alone, terms in rows and samples in columns, or a
        Series for each sample: ``{"unadjusted": ps.smd(...), "IPW ATE": ps.smd(..., weights=w)}``. Matches,
        subclasses, effects and truncated weights, or a mapping of names to these, are tabulated here; they
        know no covariates, so that `df` and `covariates` are needed.
    df : DataFrame or None, default None
        The frame that results are of.
    covariates : list of str, str, or None, default None
        Which covariates of `df` to compare, as for `ps.balance`.
    treatment : str or None, default None
        The column of `df`; matches and effects know who was treated.
    by : None, str or list of str, default None
        A column of `df` whose values are groups, or several: a panel for each. So is a table drawn that
        ``ps.balance(..., by=)`` gave.
    measure : {"smd", "variance_ratio", "ks", "ecdf_difference"}, default "smd"
        Which one. Variance ratios are drawn on a log scale, 1 in the middle; terms that have none in any
        sample (binary ones) are left out, which is written under the axis. What has no place on the axis, an
        infinite or missing value, or a ratio of 0, has its marker in a strip at the edge.
    threshold : float, pair of floats, "usual" or None, default "usual"
        Where to draw the line between balanced and not; a single number stands for both signs, or for a ratio
        and its inverse. Usual are 0.1 for standardized mean differences and (0.5, 2) for variance ratios; for
        the others there is no custom, and no line. None for no line.
    absolute : bool, default True
        Of standardized mean differences draw sizes only, or keep the signs; other measures have no sign.
    order : {"size", "table"}, default "size"
        From the largest difference in the first sample, at the top, to the smallest; or as in the table.
    top : int or None, default 30
        How many terms to draw, those that differ most in the first sample: thirty fill a page. What is left
        out is counted under the axis. None draws all.
    ax : Axes, array of Axes, or None, default None
        Where to draw; with groups an array of axes, one a group. A new figure grows with the number of terms.

    Returns
    -------
    Axes, or ndarray of Axes with groups

    Raises
    ------
    InvalidInputError
        The table is empty, or does not have the measure; covariates are not known; there are more samples
        than markers.

    References
    ----------
    Stuart (2010), Statistical Science 25:1, for the thresholds; Rubin (2001), Health Services and Outcomes
    Research Methodology 2:169, for that of the variance ratio.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> treatment, covariates = "opt_in_agent_mode", ["query_confidence", "engagement_tier"]
    >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
    >>> matches = ps.match_nn(users, treatment=treatment, scores=model)
    >>> table = ps.balance(users, treatment=treatment, covariates=covariates, weights={"1-NN": matches})
    >>> ax = ps.plots.love_plot(table)
    >>> ax = ps.plots.love_plot(matches, df=users, covariates=covariates)  # the same
    >>> ax.get_xlabel()
    'size of the difference, in pooled standard deviations (dashed: 0.1)'
    """
    checks.choice("measure", measure, get_args(Measure))
    checks.choice("order", order, get_args(Order))
    if top is not None:
        checks.count("top", top)
    limits = _limits(threshold, measure)
    table = tabulated(balance, df, covariates, treatment, by)
    drawing = _Drawing(measure, limits, absolute and measure == "smd", _denominator(table))
    if isinstance(table, pd.DataFrame) and table.attrs.get("by"):
        return _draw_groups(drawing, table, order, top, ax)
    samples = _samples(table, measure)
    drawn, label = drawing.on(ax, _in_order(samples, measure, order, top))
    name_axes(drawn, x=label + _left_out(len(samples), top))
    return drawn


def _left_out(n_terms: int, top: int | None) -> str:
    """Say how many terms are not drawn."""
    if top is None or n_terms <= top:
        return ""
    return f"\n{top:,} of {n_terms:,} terms, the others differed less"


def _draw_groups(drawing: _Drawing, table: pd.DataFrame, order: Order, top: int | None, ax: Any) -> Any:
    """Draw a panel for each group, terms in the same order in all of them, on the same scale."""
    groups = groups_of_table(table)
    if len(groups) > _MOST_PANELS:
        raise InvalidInputError(
            f"by: {len(groups):,} groups, and a panel for each; more than {_MOST_PANELS} are not drawn: draw "
            "some of them, or take balance_summary(table), which has a line for each"
        )
    axes = panels(len(groups), ax, what="'by' has {} groups")
    labels = []
    samples = [_samples(table_of_group(table, group), drawing.measure) for group in groups]
    farthest = pd.concat(samples, keys=range(len(samples))).abs().groupby(level=1, sort=False).max()
    names = _in_order(farthest.loc[samples[0].index], drawing.measure, order, top).index
    for panel, group, own in zip(axes, groups, samples, strict=True):
        labels.append(drawing.on(panel, own.loc[names], has_legend=panel is axes[0])[1])
        head(panel, ", ".join(map(str, group)) if isinstance(group, tuple) else str(group))
        if not leads_row(panel):
            panel.set_yticklabels([])
    ends = np.array([panel.get_xlim() for panel in axes])
    for panel in axes:
        panel.set_xlim(ends[:, 0].min(), ends[:, 1].max())
    words = "\n".join(dict.fromkeys(line for label in labels for line in label.split("\n")))
    words += _left_out(len(samples[0]), top)
    if ax is None:
        as_written(axes[0].figure.supxlabel(words, fontsize="medium"))
    else:  # somebody else's figure
        name_axes(axes[-1], x=words)
    return axes


@dataclass(frozen=True)
class _Drawing:
    """How a measure is drawn: its thresholds, sizes or signs, and what differences are divided by."""

    measure: Measure
    limits: tuple[float, ...]
    absolute: bool
    denominator: str | None

    def on(self, ax: Axes | None, samples: pd.DataFrame, *, has_legend: bool = True) -> tuple[Axes, str]:
        """Draw terms, from the bottom to the top, in all samples; give the axes, and what the axis is of."""
        words, limits, measure = "", self.limits, self.measure
        if measure == "variance_ratio":
            samples, words = _with_ratio(samples)
        if self.absolute:
            samples, limits = samples.abs(), tuple({abs(limit): None for limit in limits})
        edges = edges_of(samples, logarithmic=measure == "variance_ratio")
        n_terms, n_samples = samples.shape
        styles = sample_styles(n_samples)
        crowded = n_terms > _CROWDED
        legend: dict[str, Any] = {"loc": "best", "edgecolor": FAINT}  # a frame: markers may stand close by
        if ax is None:
            ax = new_axes(7.2, 1.2 + _row_height(n_samples, crowded=crowded) * n_terms)
            legend = {"loc": "upper left", "bbox_to_anchor": (1, 1), "frameon": False}
        size = 5 if crowded else 7
        lines = _draw_samples(ax, samples.where(edges == ""), styles, size)
        _mark_balance(ax, _NO_DIFFERENCE[measure], limits)
        _scale(ax, samples.where(edges == ""), measure, self.absolute)
        words += _draw_edges(ax, edges, styles, size, measure)
        names = [str(term) for term in samples.index]
        name_rows(ax, range(n_terms), names, fontsize=7.5 if crowded else 9)
        ax.set_ylim(-0.6, n_terms - 0.4)
        if has_legend:
            name_samples(
                ax, lines, [str(name) for name in samples], **legend, handletextpad=0.3, labelspacing=0.8
            )
        strip(ax, "left")
        return ax, _axis_label(measure, self.absolute, self.denominator, limits) + words


def _limits(threshold: Any, measure: str) -> tuple[float, ...]:
    """Give the places of the lines, from left to right."""
    if isinstance(threshold, str):
        checks.choice("threshold", threshold, ["usual"])
        threshold = _USUAL_THRESHOLDS[measure]
    if threshold is None:
        return ()
    ends = threshold if isinstance(threshold, tuple) else (threshold,)
    for end in ends:
        checks.number("threshold", end, above=0 if measure == "variance_ratio" else -np.inf)
    if len(ends) > 1 or measure in ("ks", "ecdf_difference"):
        return tuple(sorted(ends))
    other = 1 / ends[0] if measure == "variance_ratio" else -ends[0]
    return tuple(sorted((other, ends[0])))


def _samples(balance: pd.DataFrame | Mapping[str, pd.Series[Any]], measure: str) -> pd.DataFrame:
    """Give the measure with terms in rows and samples in columns."""
    if len(balance) == 0 or (isinstance(balance, pd.DataFrame) and balance.columns.empty):
        raise InvalidInputError("balance: nothing to draw: the table is empty")
    if not isinstance(balance, pd.DataFrame):
        series: dict[str, pd.Series[Any]] = dict(balance.items())
        return pd.concat(series, axis="columns", sort=False)
    if not isinstance(balance.columns, pd.MultiIndex):
        return balance
    columns = balance.columns
    if "measure" not in columns.names:
        raise InvalidInputError(
            f"balance: the levels of the columns are {checks.listed(columns.names)}; a table of ps.balance "
            "is needed, whose levels are 'sample' and 'measure'"
        )
    measures = columns.unique("measure")
    if measure not in measures:
        raise InvalidInputError(f"measure: the table has no {measure!r}, only {checks.listed(measures)}")
    return pd.DataFrame(balance.xs(measure, axis=1, level="measure"))


def _denominator(balance: pd.DataFrame | Mapping[str, pd.Series[Any]]) -> str | None:
    """Say what differences are divided by, where all samples say the same."""
    tables = [balance] if isinstance(balance, pd.DataFrame) else list(balance.values())
    found = {table.attrs.get("denominator") for table in tables}
    return found.pop() if len(found) == 1 else None


def _with_ratio(samples: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Keep the terms that have a variance ratio, and say how many have none."""
    without = samples.isna().all(axis=1)
    n_without = int(without.sum())
    if n_without == len(samples):
        raise InvalidInputError("measure 'variance_ratio': no term has one; binary terms do not")
    have = "terms have" if n_without > 1 else "term has"
    words = f"\n{n_without:,} {have} no variance ratio, and no row here" if n_without else ""
    return samples[~without], words


def _in_order(samples: pd.DataFrame, measure: str, order: Order, top: int | None) -> pd.DataFrame:
    """Put the terms from the bottom to the top, no more than asked for."""
    first = samples.iloc[:, 0]
    with np.errstate(divide="ignore"):  # a ratio of 0 is as far from 1 as an infinite one
        size = np.log(first).abs() if measure == "variance_ratio" else first.abs()
    by_size = size.sort_values(na_position="first", kind="stable").index
    kept = by_size if top is None else by_size[-top:]
    return samples[samples.index.isin(kept)].iloc[::-1] if order == "table" else samples.loc[kept]


def _mark_balance(ax: Axes, no_difference: float, limits: tuple[float, ...]) -> None:
    """Draw the line of no difference and the thresholds."""
    ax.axvline(no_difference, color=INK, linewidth=0.8, zorder=1)
    for limit in limits:
        ax.axvline(limit, color=INK, linewidth=1, linestyle=LINE_STYLES[0], zorder=1)


def _reach(n_samples: int) -> float:
    """Give how far from the middle of its row the first sample is drawn, rows being 1 apart."""
    return 0.21 if n_samples <= _FEW else 0.36


def _row_height(n_samples: int, *, crowded: bool) -> float:
    """Give the height of a row in inches, so that markers of equal values stay apart."""
    least, apart = (0.2, 0.036) if crowded else (0.34, 0.06)
    room = apart * (n_samples - 1) / (2 * _reach(n_samples))
    return least if n_samples <= _FEW else max(least, room)


def _heights(n_terms: int, n_samples: int) -> Floats:
    """Give where the markers of each sample are, (n_samples, n_terms): each a little above the next one's."""
    reach = _reach(n_samples)
    offsets = np.linspace(reach, -reach, n_samples) if n_samples > 1 else np.zeros(1)
    return np.asarray(np.arange(n_terms) + offsets[:, np.newaxis])


def _draw_samples(ax: Axes, samples: pd.DataFrame, styles: Sequence[SampleStyle], size: int) -> list[Line2D]:
    """Draw each sample's markers; equal values must not hide one another."""
    n_terms, n_samples = samples.shape
    across = ax.get_yaxis_transform()
    ax.hlines(range(n_terms), 0, 1, transform=across, color=FAINT, linewidth=0.7, zorder=0)
    lines = []
    for name, style, heights in zip(samples, styles, _heights(n_terms, n_samples), strict=True):
        lines += ax.plot(samples[name], heights, **style.markers(size), label=str(name))
    return lines


def _draw_edges(
    ax: Axes, edges: pd.DataFrame, styles: Sequence[SampleStyle], size: int, measure: Measure
) -> str:
    """Draw what has no place on the axis in strips beside it, and say why it has none."""
    found = set(edges.to_numpy().ravel()) - {""}
    if not found:
        return ""
    middles = add_edges(ax, _EDGE_WORDS.get(measure, _EDGE_WORDS["smd"]), found)
    n_terms, n_samples = edges.shape
    for name, style, heights in zip(edges, styles, _heights(n_terms, n_samples), strict=True):
        for edge, middle in middles.items():
            here = (edges[name] == edge).to_numpy()
            ax.plot(np.full(here.sum(), middle), heights[here], **style.markers(size))
    reasons = [_REASONS[measure]] if found & {"below", "above"} else []
    reasons += ["no value: the sample has none for the term"] if "none" in found else []
    return "".join(f"\n{reason}" for reason in reasons)


def _scale(ax: Axes, samples: pd.DataFrame, measure: str, absolute: bool) -> None:
    if measure == "variance_ratio":
        # Wide enough for three ticks at least, 1/2, 1 and 2; the same distance is the same factor.
        ratios = samples.to_numpy(dtype=float)
        drawn = ratios[~np.isnan(ratios)]
        ax.set_xscale("log", base=2)
        ax.set_xlim(min(0.45, drawn.min(initial=1.0) / 1.1), max(2.2, drawn.max(initial=1.0) * 1.1))
        ax.xaxis.set_major_formatter(lambda ratio, _: f"{ratio:g}" if ratio >= 1 else f"1/{1 / ratio:g}")
    elif absolute or measure != "smd":
        ax.set_xlim(left=0)


def _axis_label(measure: str, absolute: bool, denominator: str | None, limits: tuple[float, ...]) -> str:
    unit = _DENOMINATORS.get(denominator or "", "standard deviations")
    words = {
        "smd": f"{'size of the difference' if absolute else 'difference, treated minus control'}, in {unit}",
        "variance_ratio": "variance ratio, treated over control",
        "ks": "largest gap between the arms' distribution functions",
        "ecdf_difference": "mean gap between the arms' distribution functions",
    }[measure]
    if not limits:
        return words
    shown = sorted({abs(limit) for limit in limits}) if measure == "smd" else limits
    return f"{words} (dashed: {' and '.join(f'{limit:g}' for limit in shown)})"
