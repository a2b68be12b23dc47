"""Overlap: where the scores of both arms lie, and what weighting by them would rest on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args

import numpy as np
import pandas as pd

from propensity import core
from propensity.calls.warned import warn
from propensity.effects.estimators import WeightingEstimand
from propensity.effects.sample import Sample, read_sample
from propensity.errors import InvalidInputError, OverlapWarning
from propensity.frames import rowwise_checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.checks import Bools, Floats, Rows
from propensity.frames.counted_rows import mass_of
from propensity.frames.grouping import Grouping, read_groups
from propensity.frames.native import AnyFrame
from propensity.frames.takes_cells import takes_cells
from propensity.overlap.figures import Members, described, of_rows, quantiles_in, support_of, tallies
from propensity.results.show import Shown
from propensity.scores.logistic import given_scores, read_chances
from propensity.tables.asked import require_nothing_more
from propensity.tables.engine import is_lazy
from propensity.tables.overlapping import overlapping

_MOST_GROUPS = 1_000

# What the groups are called among a line's figures, which a column may be called like: "n", "ess".
_GROUP = "group of rows"


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
    InvalidInputError
        A column is unknown or incomplete, the treatment is not 0/1, or `scores` is of other rows than `df`.

    Warns
    -----
    OverlapWarning
        A score is 0 or 1, of which no weight can be made. It is shown as it is: a row of the other arm there
        has all the weight of its arm, ESS 1, and its weight is infinite.

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
    e, inside = _read_scores(sample, scores)
    s, f = sample.sample_weight, sample.frequency
    lines: dict[str, list[dict[str, Any]]] = {"quantiles": [], "support": [], "weights": []}
    groups = None if by is None else _read_groups(df, by, treatment, sample.there)
    members: list[tuple[dict[str, Any], dict[str, Members]]] = []
    for name, rows in _groups(groups, sample.there):
        group = {} if groups is None else {_GROUP: name}
        if s is None and f is None:
            found = core.overlap(inside[rows], treated[rows])
            for table, own_lines in described(found, name, group, has_certain=e is not inside).items():
                lines[table] += own_lines
            continue
        arms = _arms(rows, treated)
        present = {arm: own for arm, own in arms.items() if (own.any() if own.dtype == bool else len(own))}
        low, high, coefficient = support_of(e[rows], treated[rows], of_rows(mass_of(s, f), rows))
        lines["support"].append({"group": name, "low": low, "high": high, "overlap_coefficient": coefficient})
        for arm, own in present.items():
            figures = quantiles_in(e[own], of_rows(s, own), of_rows(f, own), (low, high))
            lines["quantiles"].append({**group, "arm": arm, **figures})
        members.append((group, present))
    lines["weights"] += tallies(sample, e, inside, members) if members else []
    keys = [] if groups is None else [_GROUP]
    quantiles = pd.DataFrame(lines["quantiles"]).set_index([*keys, "arm"])
    weighed = pd.DataFrame(lines["weights"]).set_index([*keys, "estimand", "arm"])
    support = pd.DataFrame(lines["support"]).set_index("group")
    if groups is None:
        return Overlap(by=None, support=support.rename_axis(None), quantiles=quantiles, weights=weighed)
    called = groups.by[0] if len(groups.by) == 1 else groups.by
    tables = (_by_columns(table, groups) for table in (quantiles, support, weighed))
    return Overlap(called, *tables)


def _read_scores(sample: Sample, scores: object) -> tuple[Floats, Floats]:
    """Read scores (n,), and give them beside it as weights can be made of them: neither 0 nor 1."""
    e, certain, subject = read_chances(sample.frame, scores, sample.treated, sample.sample_weight)
    if not certain.any():
        return e, e
    words = rowwise_checks.certain_words(e, certain, sample.frame.index, subject)
    warn(
        OverlapWarning(
            f"{words}: nobody is to be compared with these units, and no weight can be made of their scores; "
            "ps.trim leaves them out"
        )
    )
    return e, np.clip(e, rowwise_checks.SMALLEST, rowwise_checks.HIGHEST)


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


def _arms(rows: Rows | slice, treated: Bools) -> dict[str, Members]:
    """Give the rows of either arm: as flags where all rows are meant, else by their places."""
    if isinstance(rows, slice):
        return {"treated": treated, "control": ~treated}
    return {"treated": rows[treated[rows]], "control": rows[~treated[rows]]}
