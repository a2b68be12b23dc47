"""What is asked of cells and of their users, and that both say the same."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from counted_users import COVARIATES, TREATMENT

import propensity as ps
from propensity.effects.effect import Effect
from propensity.effects.grouped import GroupedEffects

ROLES = {"treatment": TREATMENT, "covariates": COVARIATES}
SOME = ["tier", "tenure"]  # few of them, so that many users share a score
KEYS = ("workspace", "w")


def of_effect(effect: Effect) -> dict[str, float]:
    """Give what an effect says, of its estimate and of how sure it is."""
    found = {"exact": np.array([effect.estimate, effect.mean_treated, effect.mean_control])}
    names = ("std_error", "df", "interval_error", "ess_treated", "ess_control", "outcome_std_dev")
    found["errors"] = np.array([getattr(effect, name) for name in names])
    percent = effect.contrast_as("percent") if min(effect.mean_treated, effect.mean_control) > 0 else effect
    found["as percent"] = np.array([percent.estimate, percent.std_error, percent.df])
    return found


def of_groups(effects: GroupedEffects) -> dict[str, np.ndarray]:
    """Give what effects by group say, together and one by one."""
    figures = effects.figures.select_dtypes("number")
    found = {
        "exact": figures[["estimate", "mean_treated", "mean_control"]].to_numpy(),
        "figures": figures.to_numpy(),
        "cov": effects.cov.to_numpy(),
        "equal": np.array([effects.test_equal().statistic]),
    }
    for name, effect in effects.items():
        found |= {f"{name} {what}": values for what, values in of_effect(effect).items()}
    return found


def model_of(table, weight=None, covariates=COVARIATES):
    options = {} if weight is None else {"sample_weight": weight}
    return ps.fit_propensity(table, treatment=TREATMENT, covariates=covariates, **options)


def told(result) -> dict[str, np.ndarray]:
    if isinstance(result, Effect):
        return of_effect(result)
    if isinstance(result, GroupedEffects):
        return of_groups(result)
    if isinstance(result, pd.DataFrame | pd.Series):
        return {"table": result.select_dtypes("number").to_numpy() if result.ndim == 2 else result.to_numpy()}
    if isinstance(result, dict):
        return result
    return {
        f"{place} {what}": values for place, one in enumerate(result) for what, values in told(one).items()
    }


def same(found, expected, tolerance=1e-10):
    """Require numbers to be the same: estimates to 1e-12, what is made of their squares to `tolerance`."""
    of_cells, of_rows = told(found), told(expected)
    assert of_cells.keys() == of_rows.keys()
    for what, values in of_rows.items():
        near = 1e-12 if what.endswith("exact") else tolerance
        np.testing.assert_allclose(of_cells[what], values, rtol=near, atol=1e-12, err_msg=what)


def quietly(function, table, outcome, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(table, outcome, **options)


def compared(function, cells, outcome, tolerance=1e-10, **options):
    found, expected = (
        quietly(function, table, outcome, **options) for table in (cells, cells.expand(outcome))
    )
    same(found, expected, tolerance)
    return found
