"""Whether the arms look alike, before and after: a row of markers for each term."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from propensity import _check
from propensity.errors import InvalidInputError
from propensity.plots._canvas import new_axes
from propensity.plots._look import FAINT, INK, LINE_STYLES, SAMPLE_STYLES, strip

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
_CROWDED = 20  # terms; beyond it rows are lower and their text smaller


def love_plot(
    balance: pd.DataFrame | Mapping[str, pd.Series],
    *,
    measure: Measure = "smd",
    threshold: float | tuple[float, float] | Literal["usual"] | None = "usual",
    absolute: bool = True,
    order: Order = "size",
    ax: Axes | None = None,
) -> Axes:
    """Draw a measure of balance of every term, in one or several samples.

    Parameters
    ----------
    balance : DataFrame or mapping of str to Series
        What `ps.balance` gave; or one measure alone, terms in rows and samples in columns, or a Series for
        each sample: ``{"unadjusted": ps.smd(...), "IPW ATE": ps.smd(..., weights=w)}``.
    measure : {"smd", "variance_ratio", "ks", "ecdf_difference"}, default "smd"
        Which one. Variance ratios are drawn on a log scale, 1 in the middle; terms that have none (binary
        ones) are left out, those of 0 or infinity have no marker, and both is written under the axis.
    threshold : float, pair of floats, "usual" or None, default "usual"
        Where to draw the line between balanced and not; a single number stands for both signs, or for a ratio
        and its inverse. Usual are 0.1 for standardized mean differences and (0.5, 2) for variance ratios; for
        the others there is no custom, and no line. None for no line.
    absolute : bool, default True
        Of standardized mean differences draw sizes only, or keep the signs; other measures have no sign.
    order : {"size", "table"}, default "size"
        From the largest difference in the first sample, at the top, to the smallest; or as in the table.
    ax : Axes or None, default None
        Where to draw. A new figure grows with the number of terms.

    Returns
    -------
    Axes

    Raises
    ------
    InvalidInputError
        The table is empty, or does not have the measure.

    References
    ----------
    Stuart (2010), Statistical Science 25:1, for the thresholds; Rubin (2001), Health Services and Outcomes
    Research Methodology 2:169, for that of the variance ratio.
    """
    _check.choice("measure", measure, get_args(Measure))
    _check.choice("order", order, get_args(Order))
    limits = _limits(threshold, measure)
    samples, words = _samples(balance, measure), ""
    if measure == "variance_ratio":
        samples, words = _with_logarithm(samples)
    samples = _in_order(samples, measure, order)
    if measure == "smd" and absolute:
        samples, limits = samples.abs(), tuple({abs(limit): None for limit in limits})

    n_terms = len(samples)
    crowded = n_terms > _CROWDED
    legend: dict[str, Any] = {"loc": "best", "edgecolor": FAINT}  # a frame: markers may stand close by
    if ax is None:
        ax = new_axes(7.2, 1.2 + (0.2 if crowded else 0.34) * n_terms)
        legend = {"loc": "upper left", "bbox_to_anchor": (1, 1), "frameon": False}
    _draw_samples(ax, samples, size=5 if crowded else 7)
    _mark_balance(ax, _NO_DIFFERENCE[measure], limits)
    _scale(ax, samples, measure, absolute)
    ax.set_yticks(range(n_terms), [str(term) for term in samples.index], fontsize=7.5 if crowded else 9)
    ax.set_ylim(-0.6, n_terms - 0.4)
    denominator = balance.attrs.get("denominator") if isinstance(balance, pd.DataFrame) else None
    ax.set_xlabel(_axis_label(measure, absolute, denominator, limits) + words)
    ax.legend(**legend, handletextpad=0.3, labelspacing=0.8)
    strip(ax, "left")
    return ax


def _limits(threshold: Any, measure: str) -> tuple[float, ...]:
    """Give the places of the lines, from left to right."""
    if isinstance(threshold, str):
        _check.choice("threshold", threshold, ["usual"])
        threshold = _USUAL_THRESHOLDS[measure]
    if threshold is None:
        return ()
    ends = threshold if isinstance(threshold, tuple) else (threshold,)
    for end in ends:
        _check.number("threshold", end, above=0 if measure == "variance_ratio" else -np.inf)
    if len(ends) > 1 or measure in ("ks", "ecdf_difference"):
        return tuple(sorted(ends))
    other = 1 / ends[0] if measure == "variance_ratio" else -ends[0]
    return tuple(sorted((other, ends[0])))


def _samples(balance: pd.DataFrame | Mapping[str, pd.Series], measure: str) -> pd.DataFrame:
    """Give the measure with terms in rows and samples in columns."""
    if len(balance) == 0:
        raise InvalidInputError("balance: nothing to draw: the table is empty")
    if not (isinstance(balance, pd.DataFrame) and isinstance(balance.columns, pd.MultiIndex)):
        return pd.concat(dict(balance.items()), axis=1, sort=False)
    columns = balance.columns
    if "measure" not in columns.names:
        raise InvalidInputError(
            f"balance: the levels of the columns are {_check.listed(columns.names)}; a table of ps.balance "
            "is needed, whose levels are 'sample' and 'measure'"
        )
    measures = columns.unique("measure")
    if measure not in measures:
        raise InvalidInputError(f"measure: the table has no {measure!r}, only {_check.listed(measures)}")
    return pd.DataFrame(balance.xs(measure, axis=1, level="measure"))


def _with_logarithm(samples: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Keep the variance ratios that have a place on a log scale, and say which have none."""
    without = samples.isna().all(axis=1)
    usable = samples[~without]
    if usable.empty:
        raise InvalidInputError("measure 'variance_ratio': no term has one; binary terms do not")
    words = ""
    if n_without := int(without.sum()):
        words += (
            f"\n{n_without:,} term{'s have' if n_without > 1 else ' has'} no variance ratio, and no row here"
        )
    constant = (usable <= 0) | np.isinf(usable)
    if constant.any(axis=None):
        names = ", ".join(map(str, usable.index[constant.any(axis=1)]))
        words += f"\nwithout a marker where one of the arms does not vary: {names}"
    return usable.mask(constant), words


def _in_order(samples: pd.DataFrame, measure: str, order: Order) -> pd.DataFrame:
    """Put the terms from the bottom to the top."""
    if order == "table":
        return samples.iloc[::-1]
    first = samples.iloc[:, 0]
    size = np.log(first).abs() if measure == "variance_ratio" else first.abs()
    return samples.loc[size.sort_values(na_position="first", kind="stable").index]


def _mark_balance(ax: Axes, no_difference: float, limits: tuple[float, ...]) -> None:
    """Draw the line of no difference and the thresholds."""
    ax.axvline(no_difference, color=INK, linewidth=0.8, zorder=1)
    for limit in limits:
        ax.axvline(limit, color=INK, linewidth=1, linestyle=LINE_STYLES[0], zorder=1)


def _draw_samples(ax: Axes, samples: pd.DataFrame, size: int) -> None:
    """Draw each sample's markers, a little above the next one's: equal values must not hide one another."""
    n_terms, n_samples = samples.shape
    across = ax.get_yaxis_transform()
    ax.hlines(range(n_terms), 0, 1, transform=across, color=FAINT, linewidth=0.7, zorder=0)
    offsets = np.linspace(0.21, -0.21, n_samples) if n_samples > 1 else [0.0]
    for i, (name, offset) in enumerate(zip(samples, offsets, strict=True)):
        marker, color, filling = SAMPLE_STYLES[i % len(SAMPLE_STYLES)]
        ax.plot(
            samples[name],
            np.arange(n_terms) + offset,
            linestyle="none",
            marker=marker,
            markersize=size,
            color=color,
            markerfacecolor=filling,
            clip_on=False,
            zorder=3,
            label=str(name),
        )


def _scale(ax: Axes, samples: pd.DataFrame, measure: str, absolute: bool) -> None:
    if measure == "variance_ratio":
        # Wide enough for three ticks at least, 1/2, 1 and 2; the same distance is the same factor.
        ratios = samples.to_numpy(dtype=float)
        ax.set_xscale("log", base=2)
        ax.set_xlim(min(0.45, np.nanmin(ratios) / 1.1), max(2.2, np.nanmax(ratios) * 1.1))
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
