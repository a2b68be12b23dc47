"""Overlap: where the scores of both arms lie, and what weighting by them would rest on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import pandas as pd

from propensity import core
from propensity.effects.estimators import WeightingEstimand
from propensity.effects.sample import read_sample
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.checks import Bools, Floats
from propensity.frames.columns import Frame
from propensity.frames.native import AnyFrame
from propensity.overlap.trimming import common_support
from propensity.results.show import Shown, in_few_digits
from propensity.scores.logistic import given_scores, read_scores
from propensity.scores.quantiles import quantiles_of

_QUANTILES = {"1%": 0.01, "5%": 0.05, "25%": 0.25, "50%": 0.5, "75%": 0.75, "95%": 0.95, "99%": 0.99}

_MOST_GROUPS = 1_000

# What the groups are called among a line's figures, which a column may be called like: "n", "ess".
_GROUP = "group of rows"


@dataclass(frozen=True, eq=False, repr=False)
class Overlap(Shown):
    """Where the scores of both arms lie, in all rows or group by group.

    An arm without rows in a group has no line there.

    Attributes
    ----------
    by : str or None
        The column whose values are the groups. All tables then have them as the first level of their index.
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
    """

    by: str | None
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
        """
        table = self.quantiles.copy()
        coefficient = self.support["overlap_coefficient"]
        groups = ["all"] * len(table) if self.by is None else table.index.get_level_values(self.by)
        table["overlap_coefficient"] = coefficient.loc[groups].to_numpy()
        for estimand in get_args(WeightingEstimand):
            table[f"ess_{estimand}"] = self.weights["ess"].xs(estimand, level="estimand")
        return table

    def _headline(self) -> str:
        if self.by is not None:
            return f"Overlap of the scores by {self.by}"
        low, high, coefficient = self.support.iloc[0]
        outside = self.quantiles["outside"]
        where = f"common support from {low:.4g} to {high:.4g}" if low <= high else "no common support"
        return (
            f"Overlap of the scores: {where}, outside it {outside['treated']:.2%} of the treated and "
            f"{outside['control']:.2%} of the control rows; overlap coefficient {coefficient:.3f}"
        )

    def _table(self) -> pd.DataFrame:
        return in_few_digits(self.to_frame()).T


@columns_by_name
def overlap(
    df: AnyFrame, *, treatment: str, scores: object, by: str | None = None, sample_weight: object = None
) -> Overlap:
    """Describe where the scores of both arms lie, and what weighting by them would rest on.

    Parameters
    ----------
    df, treatment, scores : DataFrame, str, and PropensityModel, CrossFittedScores, str, Series or array
        As for `ipw`; the scores are what is described.
    by : None or str, default None
        A column whose values are groups, each described by itself: overlap may be fine in all rows and
        missing in a group.
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

    References
    ----------
    Inman and Bradley (1989), Communications in Statistics, Theory and Methods 18:3851; Li, Morgan and
    Zaslavsky (2018), Journal of the American Statistical Association 113:390; Rosenbaum and Rubin (1983),
    Biometrika 70:41.
    """
    groups = _group_columns(by, treatment)
    sample = read_sample(
        df, treatment=treatment, labels=groups, sample_weight=sample_weight, also=given_scores(scores)
    )
    treated = sample.treated
    e = read_scores(sample.frame, scores, treated, sample.sample_weight)
    s = np.ones(len(e)) if sample.sample_weight is None else sample.sample_weight
    weights = {estimand: sample.weighting(e, estimand).weights for estimand in get_args(WeightingEstimand)}
    lines: dict[str, list[dict[str, Any]]] = {"quantiles": [], "support": [], "weights": []}
    for name, group_rows in _groups(sample.frame, by):
        rows = group_rows if sample.there is None else group_rows & sample.there
        group = {} if by is None else {_GROUP: name}
        arms = {"treated": rows & treated, "control": rows & ~treated}
        present = {arm: members for arm, members in arms.items() if members.any()}
        low, high, coefficient = _support(e[rows], treated[rows], s[rows])
        lines["support"].append({"group": name, "low": low, "high": high, "overlap_coefficient": coefficient})
        for arm, members in present.items():
            lines["quantiles"].append({**group, "arm": arm, **_quantiles(e[members], s[members], low, high)})
        lines["weights"] += [
            {**group, "estimand": estimand, "arm": arm, **_tally(w[members])}
            for estimand, w in weights.items()
            for arm, members in present.items()
        ]
    keys = [] if by is None else [_GROUP]
    tables = {
        "quantiles": pd.DataFrame(lines["quantiles"]).set_index([*keys, "arm"]),
        "weights": pd.DataFrame(lines["weights"]).set_index([*keys, "estimand", "arm"]),
    }
    called: dict[str | int, str] = {} if by is None else {_GROUP: by}
    named = {name: table.rename_axis(index=called) for name, table in tables.items()}
    return Overlap(by=by, support=pd.DataFrame(lines["support"]).set_index("group").rename_axis(by), **named)


def _group_columns(by: str | None, treatment: str) -> list[str]:
    if by is None:
        return []
    checks.column_name("by", by)
    if by in ("arm", "estimand"):
        raise InvalidInputError(f"by: the tables have a level called '{by}' of their own; rename the column")
    if by == treatment:
        raise InvalidInputError(f"by: column '{by}' is the treatment, whose arms are told apart anyway")
    return [by]


def _groups(frame: Frame, by: str | None) -> Iterator[tuple[Any, Bools]]:
    """Give what each group is called, and which rows it has."""
    if by is None:
        yield "all", np.ones(len(frame.index), dtype=bool)
        return
    codes, names = pd.factorize(frame.labels[by], sort=True)
    if len(names) > _MOST_GROUPS:
        raise InvalidInputError(
            f"by: column '{by}' has {len(names):,} values; more than {_MOST_GROUPS:,} groups are no table "
            "for anybody: cut it into classes"
        )
    for code, name in enumerate(names):
        yield name, codes == code


def _support(e: Floats, treated: Bools, sample_weight: Floats) -> tuple[float, float, float]:
    """Give the ends of the common support, and the overlap coefficient."""
    if treated.all() or not treated.any():
        return np.nan, np.nan, 0.0
    distance = core.balance(e[:, np.newaxis], treated, sample_weight=sample_weight).ks[0, 0]
    low, high = common_support(e[treated], e[~treated])
    return (low, high, 1 - distance) if low <= high else (np.nan, np.nan, 1 - distance)


def _quantiles(e: Floats, sample_weight: Floats, low: float, high: float) -> dict[str, float]:
    inner = quantiles_of(e, list(_QUANTILES.values()), sample_weight)
    return {
        "n": len(e),
        "min": e.min(),
        **dict(zip(_QUANTILES, inner, strict=True)),
        "max": e.max(),
        "outside": 1 - float(np.average((e >= low) & (e <= high), weights=sample_weight)),
    }


def _tally(w: Floats) -> dict[str, float]:
    """Sum up the weights of an arm."""
    ess = w.sum() ** 2 / (w**2).sum()
    hundredth = -(-len(w) // 100)
    heaviest = np.partition(w, len(w) - hundredth)[-hundredth:]
    return {
        "ess": ess,
        "ess_share": ess / len(w),
        "largest": w.max(),
        "largest_share": w.max() / w.sum(),
        "top_percent_share": heaviest.sum() / w.sum(),
    }
