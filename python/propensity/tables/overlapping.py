"""Overlap of the scores of a table that an engine holds, from a histogram: a query of a few hundred rows."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pandas as pd

from propensity.effects.estimators import WeightingEstimand
from propensity.errors import InvalidInputError, OverlapError
from propensity.frames import checks
from propensity.frames.checks import Floats
from propensity.tables import engine
from propensity.tables.facts import count_arms
from propensity.tables.passes import col

_BINS = 1_000
"""Of equal width from 0 to 1: quantiles are known to half of a thousandth."""

_QUANTILES = {"1%": 0.01, "5%": 0.05, "25%": 0.25, "50%": 0.5, "75%": 0.75, "95%": 0.95, "99%": 0.99}

_ESTIMANDS: tuple[str, ...] = get_args(WeightingEstimand)


def overlapping(table: Any, *, treatment: str, scores: object) -> dict[str, pd.DataFrame]:
    """Tabulate overlap as `overlap` does, of scores that are a column of the table.

    Least and greatest scores, the common support, shares outside of it and all that weighting rests on are
    those of the rows; quantiles are interpolated within bins of a thousandth, and the overlap coefficient is
    the largest difference of the distribution functions at their edges.

    Raises
    ------
    OverlapError
        A score is 0 or 1, or beyond.
    InvalidInputError
        As `estimate` does of such a table.
    TypeError
        The scores are no name of a column.
    """
    if not isinstance(scores, str):
        raise TypeError(
            "scores: of a table that an engine holds the name of a column is needed, not "
            f"{type(scores).__name__}; make one in the query, 1 / (1 + EXP(-(b0 + b1 * x1 + ...))), or count "
            "users with ps.collapse(table, ...)"
        )
    source = engine.opened(table)
    engine.require_columns(source, [treatment, scores])
    engine.require_kinds(source, [treatment], [scores])
    checks.roles(treatment=treatment, outcomes=[scores], covariates=())
    count_arms(source, treatment)
    _require_inside(source, scores)
    found = _histogram(source, treatment, scores)
    arms = {"treated": found[found["t"] > 0.5], "control": found[found["t"] < 0.5]}
    low = max(float(arm["low"].min()) for arm in arms.values())
    high = min(float(arm["high"].max()) for arm in arms.values())
    outside = _outside(source, treatment, scores, (low, high))
    tables = {
        "quantiles": pd.DataFrame(
            {name: _quantiles(arm, outside[name]) for name, arm in arms.items()}
        ).T.rename_axis("arm"),
        "support": _support(arms, low, high),
        "weights": _weights(arms),
    }
    tables["quantiles"]["n"] = tables["quantiles"]["n"].astype(np.int64)
    return tables


def _require_inside(source: engine.Source, name: str) -> None:
    """Require scores inside (0, 1), all of them there."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - frames in memory do without it

    e = engine.amount(source, name)
    missing = e.is_null().cast(nw.Int64).sum()
    if source.dtypes[name].is_float():
        missing = missing + e.is_nan().cast(nw.Int64).sum()
    wrong = ((e <= 0.0) | (e >= 1.0)).cast(nw.Int64).sum()
    found = engine.row_of(source, [missing.alias("a0"), wrong.alias("a1")])
    if found["a0"] > 0:
        values = f"missing value{'s' if found['a0'] > 1 else ''}"
        raise InvalidInputError(f"column '{name}': {found['a0']:,.0f} {values}; drop or impute them first")
    if found["a1"] > 0:
        raise OverlapError(
            f"column '{name}': {found['a1']:,.0f} scores at 0 or 1, or beyond; these rows could not have "
            "been in the other arm: drop them in the query, or leave out what foretells the treatment"
        )


def _histogram(source: engine.Source, treatment: str, name: str) -> pd.DataFrame:
    """Count scores by arm and bin, with what weights of each estimand add up to there."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - frames in memory do without it

    query = source.query.select(
        engine.amount(source, treatment).alias("t"), engine.amount(source, name).alias("e"), one=nw.lit(1.0)
    )
    own = nw.when(col("t") > 0.5).then(col("e")).otherwise(1.0 - col("e"))
    query = query.with_columns(bin=(col("e") * float(_BINS)).cast(nw.Int64), own=own)
    query = query.with_columns(odds=(1.0 - col("own")) / col("own"))
    of_treated, of_control = nw.when(col("t") > 0.5), nw.when(col("t") < 0.5)
    query = query.with_columns(
        w0=1.0 / col("own"),
        w1=of_treated.then(nw.lit(1.0)).otherwise(col("odds")),
        w2=of_control.then(nw.lit(1.0)).otherwise(col("odds")),
        w3=1.0 - col("own"),
        w4=nw.when(col("odds") < 1.0).then(col("odds")).otherwise(nw.lit(1.0)),
    )
    query = query.with_columns(*((col(f"w{k}") * col(f"w{k}")).alias(f"s{k}") for k in range(5)))
    sums = [col(f"{letter}{k}").sum().alias(f"{letter}{k}") for letter in "ws" for k in range(5)]
    most = [col(f"w{k}").max().alias(f"m{k}") for k in range(5)]
    ends = col("one").sum().alias("n"), col("e").min().alias("low"), col("e").max().alias("high")
    found = engine.collected(source.where(query.group_by("t", "bin").agg(*ends, *sums, *most)))
    return found.sort_values(["t", "bin"], ignore_index=True)


def _outside(
    source: engine.Source, treatment: str, name: str, support: tuple[float, float]
) -> dict[str, float]:
    """Give the share of either arm outside of the common support."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415 - frames in memory do without it

    e = engine.amount(source, name)
    query = source.query.select(
        engine.amount(source, treatment).alias("t"),
        ((e < support[0]) | (e > support[1])).cast(nw.Float64).alias("outside"),
    )
    found = engine.rows_by(source.where(query), "t", [col("outside").mean().alias("share")])
    return {"control": float(found["share"].iloc[0]), "treated": float(found["share"].iloc[1])}


def _quantiles(arm: pd.DataFrame, outside: float) -> dict[str, float]:
    """Interpolate within bins, between the least and the greatest score of each."""
    n = arm["n"].to_numpy()
    upto = np.cumsum(n)
    places = np.column_stack([upto - n, upto - 1]).ravel()
    values = np.column_stack([arm["low"], arm["high"]]).ravel()
    inner = {name: float(np.interp(q * (upto[-1] - 1), places, values)) for name, q in _QUANTILES.items()}
    ends = {"min": float(arm["low"].min()), **inner, "max": float(arm["high"].max())}
    return {"n": float(upto[-1]), **ends, "outside": outside}


def _support(arms: dict[str, pd.DataFrame], low: float, high: float) -> pd.DataFrame:
    cumulated: list[Floats] = []
    for arm in arms.values():
        counts = np.bincount(arm["bin"].to_numpy(), weights=arm["n"].to_numpy(), minlength=_BINS)
        cumulated.append(np.cumsum(counts) / counts.sum())
    coefficient = 1 - float(np.abs(cumulated[0] - cumulated[1]).max())
    there = low <= high
    ends = {"low": low if there else np.nan, "high": high if there else np.nan}
    return pd.DataFrame({**ends, "overlap_coefficient": coefficient}, index=pd.Index(["all"]))


def _weights(arms: dict[str, pd.DataFrame]) -> pd.DataFrame:
    lines = []
    for k, estimand in enumerate(_ESTIMANDS):
        for name, arm in arms.items():
            total, squares = float(arm[f"w{k}"].sum()), float(arm[f"s{k}"].sum())
            most, ess = float(arm[f"m{k}"].max()), total**2 / squares
            figures = {
                "ess": ess,
                "ess_share": ess / float(arm["n"].sum()),
                "largest": most,
                "largest_share": most / total,
                "top_percent_share": np.nan,
            }
            lines.append({"estimand": estimand, "arm": name, **figures})
    return pd.DataFrame(lines).set_index(["estimand", "arm"])
