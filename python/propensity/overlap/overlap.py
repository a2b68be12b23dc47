"""Overlap: where the scores of both arms lie, and what weighting by them would rest on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast, get_args

import numpy as np
import pandas as pd

from propensity import core
from propensity.effects.estimators import WeightingEstimand
from propensity.effects.sample import Sample, read_sample
from propensity.errors import InvalidInputError
from propensity.frames.by_name import columns_by_name
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.counted_rows import mass_of
from propensity.frames.grouping import Grouping, read_groups
from propensity.frames.native import AnyFrame
from propensity.frames.takes_cells import takes_cells
from propensity.overlap.trimming import common_support
from propensity.results.show import Shown
from propensity.scores.logistic import given_scores, read_scores
from propensity.scores.quantiles import quantiles_of
from propensity.tables.asked import require_nothing_more
from propensity.tables.engine import is_lazy
from propensity.tables.overlapping import overlapping

_QUANTILES = {"1%": 0.01, "5%": 0.05, "25%": 0.25, "50%": 0.5, "75%": 0.75, "95%": 0.95, "99%": 0.99}

_MOST_GROUPS = 1_000

# What the groups are called among a line's figures, which a column may be called like: "n", "ess".
_GROUP = "group of rows"

_Members: TypeAlias = Bools | Rows


@dataclass(frozen=True, eq=False, repr=False)
class Overlap(Shown):
    """Where the scores of both arms lie, in all rows or group by group.

    An arm without rows in a group has no line there.

    Attributes
    ----------
    by : str, tuple of str, or None
        The column whose values are the groups, or several. All tables then have them as the first levels of
        their index.
    quantiles : DataFrame
        By "arm": `n` rows, `min`, `max` and quantiles of their scores, as ``5%`` (linearly interpolated), and
        the share `outside` the common support; quantiles and shares count sample weights.
    support : DataFrame
        One line ("all"), or one a group: the common support of the arms from `low` to `high`, missing where
        there is none, and the `overlap_coefficient`, from 0 (apart) to 1 (alike).
    weights : DataFrame
        By "estimand" and "arm", of the balancing weights times the sample weights: the effective sample size
        `ess`, its share of the rows `ess_share`, the `largest` weight, its share of the arm's weight
        `largest_share`, and that of the heaviest hundredth of the arm's rows, `top_percent_share`.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
    >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
    >>> found = ps.overlap(users, treatment=treatment, scores=model)
    >>> found.to_frame()[["n", "min", "max"]].round(3)
                n    min    max
    arm
    treated   538  0.102  0.684
    control  1462  0.092  0.684
    """

    by: str | tuple[str, ...] | None
    quantiles: pd.DataFrame
    support: pd.DataFrame
    weights: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """Put the tables into one.

        Returns
        -------
        DataFrame
            By "arm", or group and arm: the columns of `quantiles`, the `overlap_coefficient` of the two arms,
            and `ess_ATE`, `ess_ATT`, `ess_ATC`, `ess_ATO`, `ess_ATM`.

        Examples
        --------
        >>> import propensity as ps
        >>> users = ps.datasets.opt_in_logs(n_users=2_000)
        >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
        >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
        >>> ps.overlap(users, treatment=treatment, scores=model).to_frame()["ess_ATT"].round(1)
        arm
        treated    538.0
        control    577.7
        Name: ess_ATT, dtype: float64
        """
        table = self.quantiles.copy()
        coefficient = self.support["overlap_coefficient"]
        index = cast("pd.MultiIndex", table.index)
        groups = ["all"] * len(table) if self.by is None else index.droplevel("arm")
        table["overlap_coefficient"] = coefficient.loc[groups].to_numpy()
        for estimand in get_args(WeightingEstimand):
            table[f"ess_{estimand}"] = self.weights["ess"].xs(estimand, level="estimand")
        return table

    def _headline(self) -> str:
        if self.by is not None:
            by = self.by if isinstance(self.by, str) else ", ".join(self.by)
            return f"Overlap of the scores by {by}"
        low, high, coefficient = self.support.iloc[0]
        outside = self.quantiles["outside"]
        where = f"common support from {low:.4g} to {high:.4g}" if low <= high else "no common support"
        return (
            f"Overlap of the scores: {where}, outside it {outside['treated']:.2%} of the treated and "
            f"{outside['control']:.2%} of the control rows; overlap coefficient {coefficient:.3f}"
        )

    def _table(self) -> pd.DataFrame:
        return self.to_frame().T


@columns_by_name
@takes_cells()
def overlap(
    df: AnyFrame,
    *,
    treatment: str,
    scores: object,
    by: str | Sequence[str] | None = None,
    sample_weight: object = None,
) -> Overlap:
    """Describe where the scores of both arms lie, and what weighting by them would rest on.

    Parameters
    ----------
    df, treatment, scores : DataFrame, str, and PropensityModel, CrossFittedScores, str, Series or array
        As for `ipw`; the scores are what is described.
    by : None, str or list of str, default None
        A column whose values are groups, each described by itself, or several whose combinations are: overlap
        may be fine in all rows and missing in a group.
    sample_weight : None, str, Series or array (n,), default None
        How much of the population a row stands for; that with which the model was fitted. Quantiles, shares,
        the overlap coefficient and what weighting rests on count it. A row of weight 0 is not there.

    Returns
    -------
    Overlap
        With the tables `quantiles`, `support` and `weights`; `to_frame()` puts them into one.

    Raises
    ------
    OverlapError
        A score is 0 or 1.
    InvalidInputError
        A column is unknown or incomplete, the treatment is not 0/1, or `scores` is of other rows than `df`.

    Notes
    -----
    The common support is from the larger of the arms' least scores to the smaller of their largest. A group
    with one arm alone has none: all of it is outside.

    The overlap coefficient is the integral of the smaller of the arms' two densities of the score (Inman and
    Bradley 1989). Their ratio is e / (1 - e) times a constant (Rosenbaum and Rubin 1983), so they cross once,
    and the coefficient is 1 - max |F1 - F0|: estimated so, from the distribution functions, it needs neither
    bins nor a bandwidth. For scores that are not well calibrated it is an upper bound.

    Of a table that an engine holds (DuckDB, polars, ibis, Spark) the scores are a column of it, and all is
    told from a histogram of a thousand bins: quantiles to half of a thousandth, and the overlap coefficient
    from the edges of the bins; what the heaviest hundredth of an arm weighs is not known.

    References
    ----------
    Inman and Bradley (1989), Communications in Statistics, Theory and Methods 18:3851; Li, Morgan and
    Zaslavsky (2018), Journal of the American Statistical Association 113:390; Rosenbaum and Rubin (1983),
    Biometrika 70:41.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
    >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
    >>> found = ps.overlap(users, treatment=treatment, scores=model, by="engagement_tier")
    >>> found.to_frame()["overlap_coefficient"].xs("treated", level="arm").round(2)
    engagement_tier
    heavy     0.90
    light     0.89
    medium    0.94
    Name: overlap_coefficient, dtype: float64
    """
    if is_lazy(df):
        require_nothing_more({"by": by, "sample_weight": sample_weight})
        return Overlap(by=None, **overlapping(df, treatment=treatment, scores=scores))
    sample = read_sample(df, treatment=treatment, sample_weight=sample_weight, also=given_scores(scores))
    treated = sample.treated
    e = read_scores(sample.frame, scores, treated, sample.sample_weight)
    s, f = sample.sample_weight, sample.frequency
    lines: dict[str, list[dict[str, Any]]] = {"quantiles": [], "support": [], "weights": []}
    groups = None if by is None else _read_groups(df, by, treatment, sample.there)
    members: list[tuple[dict[str, Any], dict[str, _Members]]] = []
    for name, rows in _groups(groups, sample.there):
        group = {} if groups is None else {_GROUP: name}
        if s is None and f is None:
            for table, own_lines in _described(core.overlap(e[rows], treated[rows]), name, group).items():
                lines[table] += own_lines
            continue
        arms = _arms(rows, treated)
        present = {arm: own for arm, own in arms.items() if (own.any() if own.dtype == bool else len(own))}
        low, high, coefficient = _support(e[rows], treated[rows], _of_rows(mass_of(s, f), rows))
        lines["support"].append({"group": name, "low": low, "high": high, "overlap_coefficient": coefficient})
        for arm, own in present.items():
            found = _quantiles(e[own], _of_rows(s, own), _of_rows(f, own), (low, high))
            lines["quantiles"].append({**group, "arm": arm, **found})
        members.append((group, present))
    if members:
        lines["weights"] += _tallies(sample, e, members)
    keys = [] if groups is None else [_GROUP]
    quantiles = pd.DataFrame(lines["quantiles"]).set_index([*keys, "arm"])
    weighed = pd.DataFrame(lines["weights"]).set_index([*keys, "estimand", "arm"])
    support = pd.DataFrame(lines["support"]).set_index("group")
    if groups is None:
        return Overlap(by=None, support=support.rename_axis(None), quantiles=quantiles, weights=weighed)
    called = groups.by[0] if len(groups.by) == 1 else groups.by
    tables = (_by_columns(table, groups) for table in (quantiles, support, weighed))
    return Overlap(called, *tables)


def _read_groups(df: AnyFrame, by: str | Sequence[str], treatment: str, there: Bools | None) -> Grouping:
    groups = read_groups(df, by, treatment=treatment, there=there, reserved=("arm", "estimand"))
    if groups.n_groups > _MOST_GROUPS:
        which = f"column '{groups.by[0]}' has" if len(groups.by) == 1 else "they have"
        raise InvalidInputError(
            f"by: {which} {groups.n_groups:,} values; more than {_MOST_GROUPS:,} groups are no table for "
            "anybody: cut it into classes"
        )
    return groups


def _groups(groups: Grouping | None, there: Bools | None) -> Iterator[tuple[Any, Rows | slice]]:
    """Give what each group is called, and its rows that are there."""
    if groups is None:
        yield "all", slice(None) if there is None else np.flatnonzero(there)
        return
    for place, name in enumerate(groups.index):
        yield name, groups.rows(place)


def _by_columns(table: pd.DataFrame, groups: Grouping) -> pd.DataFrame:
    """Put the columns of the groups in place of the one level that they were gathered in."""
    if len(groups.by) == 1:
        level = _GROUP if _GROUP in table.index.names else "group"
        return table.rename_axis(index={level: groups.by[0]})
    others = [name for name in table.index.names if name not in (_GROUP, "group")]
    keys = [key if isinstance(key[0], tuple) else (key,) for key in table.index]
    flat = [(*key[0], *key[1:]) for key in keys]
    return table.set_axis(pd.MultiIndex.from_tuples(flat, names=[*groups.by, *others]))


def _arms(rows: Rows | slice, treated: Bools) -> dict[str, _Members]:
    """Give the rows of either arm: as flags where all rows are meant, else by their places."""
    if isinstance(rows, slice):
        return {"treated": treated, "control": ~treated}
    return {"treated": rows[treated[rows]], "control": rows[~treated[rows]]}


def _of_rows(values: Floats | None, rows: _Members | slice) -> Floats | None:
    return None if values is None else values[rows]


def _described(found: core.Overlap, name: object, group: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Give the lines of each table for rows that count one each, of which either arm may have none."""
    arms = {arm: own for arm, own in (("treated", found.treated), ("control", found.control)) if len(own)}
    low, high, coefficient = np.nan, np.nan, 0.0
    if len(arms) == 2:
        (low, high), coefficient = common_support(*(own[[0, -1]] for own in arms.values())), 1 - found.ks
        low, high = (low, high) if low <= high else (np.nan, np.nan)
    sums = dict(zip(get_args(WeightingEstimand), found.weights.tolist(), strict=True))
    return {
        "support": [{"group": name, "low": low, "high": high, "overlap_coefficient": coefficient}],
        "quantiles": [
            {**group, "arm": arm, **_quantiles_in_order(own, (low, high))} for arm, own in arms.items()
        ],
        "weights": [
            {**group, "estimand": estimand, "arm": arm, **_shares(len(own), *of_arms[arm == "treated"])}
            for estimand, of_arms in sums.items()
            for arm, own in arms.items()
        ],
    }


def _quantiles_in_order(e: Floats, support: tuple[float, float]) -> dict[str, float]:
    """Give the line of an arm whose scores (n,) ascend."""
    low, high = support
    inside = 0 if np.isnan(low) else np.searchsorted(e, high, "right") - np.searchsorted(e, low)
    return {
        "n": len(e),
        "min": e[0],
        **dict(zip(_QUANTILES, quantiles_of(e, list(_QUANTILES.values())), strict=True)),
        "max": e[-1],
        "outside": 1 - float(inside / len(e)),
    }


def _shares(n: int, total: float, squares: float, largest: float, heaviest: float) -> dict[str, float]:
    """Give the line of the weights of an arm of n users."""
    ess = total**2 / squares
    return {
        "ess": ess,
        "ess_share": ess / n,
        "largest": largest,
        "largest_share": largest / total,
        "top_percent_share": heaviest / total,
    }


def _tallies(
    sample: Sample, e: Floats, members: list[tuple[dict[str, Any], dict[str, _Members]]]
) -> list[dict[str, Any]]:
    """Sum up the weights by each estimand, one after the other, in each arm of each group."""
    of_estimand: dict[str, list[list[dict[str, Any]]]] = {}
    for estimand in get_args(WeightingEstimand):
        w = sample.weighting(e, estimand).weights
        of_estimand[estimand] = [
            [
                {**group, "estimand": estimand, "arm": arm, **_tally(w[own], _of_rows(sample.frequency, own))}
                for arm, own in present.items()
            ]
            for group, present in members
        ]
    return [line for place in range(len(members)) for found in of_estimand.values() for line in found[place]]


def _support(e: Floats, treated: Bools, sample_weight: Floats | None) -> tuple[float, float, float]:
    """Give the ends of the common support, and the overlap coefficient."""
    if treated.all() or not treated.any():
        return np.nan, np.nan, 0.0
    distance = core.balance(e[:, np.newaxis], treated, sample_weight=sample_weight).ks[0, 0]
    low, high = common_support(e[treated], e[~treated])
    return (low, high, 1 - distance) if low <= high else (np.nan, np.nan, 1 - distance)


def _quantiles(
    e: Floats, sample_weight: Floats | None, users: Floats | None, support: tuple[float, float]
) -> dict[str, float]:
    inner = quantiles_of(e, list(_QUANTILES.values()), sample_weight, users)
    inside = (e >= support[0]) & (e <= support[1])
    return {
        "n": int(len(e) if users is None else users.sum()),
        "min": e.min(),
        **dict(zip(_QUANTILES, inner, strict=True)),
        "max": e.max(),
        "outside": 1 - float(np.average(inside, weights=mass_of(sample_weight, users))),
    }


def _tally(w: Floats, users: Floats | None) -> dict[str, float]:
    """Sum up the weights of an arm, each that of so many users."""
    total, n = (w.sum(), len(w)) if users is None else (w @ users, int(users.sum()))
    squares = w @ w if users is None else w**2 @ users
    return _shares(n, float(total), float(squares), w.max(), _heaviest(w, users, -(-n // 100)))


def _heaviest(w: Floats, users: Floats | None, count: int) -> float:
    """Give what so many users weigh together, of the rows that weigh the most."""
    if users is None:
        return float(np.partition(w, len(w) - count)[len(w) - count :].sum())
    heaviest_first = np.argsort(-w, kind="stable")
    upto = np.cumsum(users[heaviest_first])
    of_row = np.diff(np.minimum(upto, count), prepend=0.0)  # how many of each row's are among them
    return float(w[heaviest_first] @ of_row)
