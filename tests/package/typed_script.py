"""What a user writes, for type checkers: it is checked, in strict mode, and run by `test_types.py`."""

from __future__ import annotations

import pandas as pd
import polars as pl
from matplotlib.axes import Axes

import propensity as ps


def analysis(users: pd.DataFrame) -> str:
    """Go through a study in pandas."""
    covariates = ["engagement_tier", "query_confidence"]
    model = ps.fit_propensity(
        users,
        treatment="opt_in_agent_mode",
        covariates=covariates,
        missing="indicator",
        min_level_count=10,
    )
    scored: pd.DataFrame = users.assign(score=model.scores)
    effect: ps.Effect = ps.ipw(scored, outcome="task_completed", treatment="opt_in_agent_mode", scores=model)
    low, high = effect.conf_int()
    estimates = ps.estimate(
        users, outcome="task_completed", treatment="opt_in_agent_mode", covariates=covariates
    )
    best: pd.Series[float] = estimates.table["estimate"]
    several = ps.estimate(
        users,
        outcome=["task_completed", "retained_7d"],
        treatment="opt_in_agent_mode",
        covariates=covariates,
        estimators=[ps.AIPW("ATE")],
    )
    names: list[str] = list(several)
    table: pd.DataFrame = ps.balance(
        users, treatment="opt_in_agent_mode", covariates=covariates, weights={"IPW": effect}
    ).table
    calibration: pd.DataFrame = model.calibration()
    return f"{low:.2f} {high:.2f} {best.max():.2f} {names} {len(table)} {len(calibration)}"


def matched(users: pl.DataFrame) -> pl.DataFrame:
    """Match in polars, and get polars back."""
    model = ps.fit_propensity(users, treatment="opt_in_agent_mode", covariates=["query_confidence"])
    matches = ps.match_nn(users, treatment="opt_in_agent_mode", scores=model, replace=False, caliper=0.2)
    kept: pl.DataFrame = ps.trim(users, treatment="opt_in_agent_mode", scores=model).frame(users)
    return pl.concat([matches.frame(users).select(kept.columns), kept])


def pictures(users: pd.DataFrame) -> list[Axes]:
    """Draw one axes, and several."""
    model = ps.fit_propensity(users, treatment="opt_in_agent_mode", covariates=["query_confidence"])
    one = ps.plots.overlap_plot(model)
    one.set_xlim(0, 1)
    several = ps.plots.overlap_plot(users, model, by="engagement_tier")
    bars = ps.plots.distribution_plot(users, "engagement_tier", "opt_in_agent_mode")
    return [one, bars, ps.plots.calibration_plot(model), *several]
