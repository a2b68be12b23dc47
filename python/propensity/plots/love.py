"""Whether the arms look alike, before and after: a row of markers for each term."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, get_args, overload

import numpy as np
import pandas as pd

from propensity.balance.groups import groups_of_table, table_of_group
from propensity.calls.keywords import answered
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.native import AnyFrame
from propensity.frames.terms import Covariates
from propensity.plots._balance import tabulated
from propensity.plots._canvas import Panels, Place, leads_row, panels, side_by_side
from propensity.plots._look import (
    as_written,
    head,
    name_axes,
)
from propensity.plots._love import CROWDED, Drawing, row_height
from propensity.plots._measures import (
    Measure,
    thresholds_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Order: TypeAlias = Literal["size", "table"]

_MOST_PANELS = 30  # ten rows of three: a page


@overload
def love_plot(
    balance: object,
    *,
    df: AnyFrame | None = ...,
    covariates: Covariates | None = ...,
    treatment: str | None = ...,
    by: None = ...,
    measure: Measure = ...,
    threshold: float | tuple[float, float] | Literal["usual"] | None = ...,
    absolute: bool = ...,
    order: Order = ...,
    top: int | None = ...,
    labels: Mapping[str, str] | None = ...,
    ax: Place = ...,
) -> Axes: ...
@overload
def love_plot(
    balance: object,
    *,
    df: AnyFrame | None = ...,
    covariates: Covariates | None = ...,
    treatment: str | None = ...,
    by: str | Sequence[str],
    measure: Measure = ...,
    threshold: float | tuple[float, float] | Literal["usual"] | None = ...,
    absolute: bool = ...,
    order: Order = ...,
    top: int | None = ...,
    labels: Mapping[str, str] | None = ...,
    ax: Place = ...,
) -> Panels: ...
@overload
def love_plot(
    balance: object,
    *,
    df: AnyFrame | None = ...,
    covariates: Covariates | None = ...,
    treatment: str | None = ...,
    by: None = ...,
    measure: list[Measure] | tuple[Measure, ...],
    threshold: float | tuple[float, float] | Literal["usual"] | None = ...,
    absolute: bool = ...,
    order: Order = ...,
    top: int | None = ...,
    labels: Mapping[str, str] | None = ...,
    ax: Place = ...,
) -> Panels: ...
@answered
def love_plot(  # noqa: PLR0913 - each is a choice a user may have to make, by name
    balance: object,
    *,
    df: AnyFrame | None = None,
    covariates: Covariates | None = None,
    treatment: str | None = None,
    by: str | Sequence[str] | None = None,
    measure: Measure | list[Measure] | tuple[Measure, ...] = "smd",
    threshold: float | tuple[float, float] | Literal["usual"] | None = "usual",
    absolute: bool = True,
    order: Order = "size",
    top: int | None = 30,
    labels: Mapping[str, str] | None = None,
    ax: Place = None,
) -> Axes | Panels:
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
    measure : {"smd", "variance_ratio", "ks", "ecdf_difference"}, or a list of these, default "smd"
        Which one; of several there is a panel each, terms in the same rows, ordered by the first. Variance
        ratios are drawn on a log scale, 1 in the middle; terms that have none in any sample (binary ones) are
        left out, which is written under the axis. What has no place on the axis, an infinite or missing
        value, or a ratio of 0, has its marker in a strip at the edge.
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
    labels : mapping of str to str, or None, default None
        What to call terms, by their names in the table: ``{"tier[heavy]": "heavy users"}``. No two
        terms may be called the same.
    ax : Axes, array of Axes, or None, default None
        Where to draw; with groups, or several measures, an array of axes, one each. A new figure grows with
        the number of terms.

    Returns
    -------
    Axes, or ndarray of Axes with groups, or with a list of measures

    Raises
    ------
    InvalidInputError
        The table is empty, or does not have a measure; covariates are not known; there are more samples
        than markers; several measures are asked for by group; `labels` names a term that is not in the table,
        or gives two terms one name.

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
    checks.choice("order", order, get_args(Order))
    if top is not None:
        checks.count("top", top)
    measures = _measures(measure)
    table = tabulated(balance, df, covariates, treatment, by)
    own_names = _checked_labels(labels or {}, table)
    drawings = [
        Drawing(one, thresholds_of(threshold, one), absolute, _denominator(table), own_names)
        for one in measures
    ]
    if isinstance(table, pd.DataFrame) and table.attrs.get("by"):
        if len(drawings) > 1:
            raise InvalidInputError("measure: one alone is drawn by groups, a panel for each of these")
        return _draw_groups(drawings[0], table, order, top, ax)
    samples = [_samples(table, one) for one in measures]
    kept = _in_order(samples[0], measures[0], order, top)
    left_out = _left_out(len(samples[0]), top)
    if not isinstance(measure, str):
        return _draw_measures(drawings, [own.loc[kept.index] for own in samples], left_out, ax)
    drawn, label = drawings[0].on(cast("Axes | None", ax), kept)
    name_axes(drawn, x=label + left_out)
    return drawn


def _measures(measure: Any) -> list[Measure]:
    """Read one measure, or several, each once."""
    several = isinstance(measure, Sequence) and not isinstance(measure, str)
    found: list[Any] = list(measure) if several else [measure]
    for one in found:
        checks.choice("measure", one, get_args(Measure))
    if not found or len(set(found)) < len(found):
        raise InvalidInputError(f"measure: {measure!r} is empty, or names one twice; give each once")
    return found


def _checked_labels(
    labels: Mapping[str, str], balance: pd.DataFrame | Mapping[str, pd.Series[Any]]
) -> Mapping[str, str]:
    """Require names of terms in the table, and that no two terms are then called the same."""
    tables = [balance] if isinstance(balance, pd.DataFrame) else list(balance.values())
    terms = list(dict.fromkeys(str(term) for table in tables for term in table.index.unique(level=-1)))
    unknown = [name for name in labels if name not in terms]
    if unknown:
        raise InvalidInputError(
            f"labels: {checks.listed(unknown)} not in the table, whose terms are {checks.listed(terms)}"
        )
    by_label: dict[str, str] = {}
    for term in terms:
        other = by_label.setdefault(labels.get(term, term), term)
        if other != term:
            raise InvalidInputError(
                f"labels: {other!r} and {term!r} would both be called {labels.get(term, term)!r}; "
                "give each a name of its own"
            )
    return labels


def _draw_measures(
    drawings: Sequence[Drawing], samples: Sequence[pd.DataFrame], left_out: str, ax: Place
) -> Panels:
    """Draw a panel for each measure, the terms in the same rows of all."""
    n_terms, n_samples = samples[0].shape
    height = 1.8 + row_height(n_samples, crowded=n_terms > CROWDED) * n_terms
    axes = side_by_side(len(drawings), ax, (3.3, height), what="there are {} measures")
    for place, (drawing, panel, own) in enumerate(zip(drawings, axes, samples, strict=True)):
        last = ax is None and place == len(axes) - 1
        beside = {"loc": "upper left", "bbox_to_anchor": (1, 1), "frameon": False} if last else None
        shown = last if ax is None else place == 0
        label = drawing.on(panel, own, has_legend=shown, legend=beside, aligned=True)[1]
        if place:
            panel.set_yticklabels([])
        name_axes(panel, x=_in_lines(label) + (left_out if place == 0 else ""))
    return axes


def _in_lines(label: str) -> str:
    """Break what an axis is of into lines that fit under a panel."""
    for before in (", in ", ", treated ", " distribution functions", " (dashed"):
        label = label.replace(before, before.replace(" ", "\n", 1))
    return label


def _left_out(n_terms: int, top: int | None) -> str:
    """Say how many terms are not drawn."""
    if top is None or n_terms <= top:
        return ""
    return f"\n{top:,} of {n_terms:,} terms, the others differed less"


def _draw_groups(drawing: Drawing, table: pd.DataFrame, order: Order, top: int | None, ax: Place) -> Panels:
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


def _in_order(samples: pd.DataFrame, measure: str, order: Order, top: int | None) -> pd.DataFrame:
    """Put the terms from the bottom to the top, no more than asked for."""
    first = samples.iloc[:, 0]
    with np.errstate(divide="ignore"):  # a ratio of 0 is as far from 1 as an infinite one
        size = np.log(first).abs() if measure == "variance_ratio" else first.abs()
    by_size = size.sort_values(na_position="first", kind="stable").index
    kept = by_size if top is None else by_size[-top:]
    return samples[samples.index.isin(kept)].iloc[::-1] if order == "table" else samples.loc[kept]
