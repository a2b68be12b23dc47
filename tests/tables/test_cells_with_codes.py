"""Cells where categoricals stay codes, errors are corrected for leverage, and rare levels are joined."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from counted_users import OUTCOMES, TREATMENT, world
from test_cells_weighting import same_effect

import propensity as ps
from propensity.errors import InvalidInputError
from propensity.tables.cells import Cells

COVARIATES = ["code", "tier"]
ROLES = {"treatment": TREATMENT, "covariates": COVARIATES}


pytestmark = pytest.mark.filterwarnings("ignore")  # few users, made up


@pytest.fixture(scope="module")
def users():
    """Users of 40 codes, enough that these stay codes; some are rare."""
    rng = np.random.default_rng(5)
    users = world(4_000, 5)
    chances = np.arange(1, 41.0)
    code = rng.choice(40, len(users), p=chances / chances.sum())
    opt_in = rng.random(len(users)) < 0.3 + 0.4 * (code % 3 == 0)
    return users.assign(code=np.char.add("c", code.astype(str)), **{TREATMENT: opt_in})


def counted(users, also=()):
    grouped = users.groupby([*COVARIATES, *also, TREATMENT], observed=True)
    counts = grouped.size().rename("frequency").to_frame()
    for name in OUTCOMES:
        values = grouped[name]
        summed = {"mean": values.mean(), "variance": values.var(ddof=0)}
        summed |= {"low": values.min(), "high": values.max()}
        counts = counts.assign(**{f"{name}_{what}": column for what, column in summed.items()})
    roles = {"treatment": TREATMENT, "covariates": COVARIATES, "also": also}
    return Cells.from_counts(counts.reset_index(), outcome=OUTCOMES, **roles)


@pytest.fixture(scope="module")
def cells(users):
    return counted(users)


def weighted(table, outcome, estimand="ATE", **tidying):
    model = ps.fit_propensity(table, **ROLES, **tidying)
    return ps.ipw(table, outcome=outcome, treatment=TREATMENT, scores=model, estimand=estimand)


def adjusted(table, outcome, estimand="ATE", **tidying):
    return ps.aipw(table, outcome=outcome, **ROLES, estimand=estimand, **tidying)


def regressed(table, outcome, estimand="ATE", **tidying):
    return ps.regression_adjustment(table, outcome=outcome, **ROLES, estimand=estimand, **tidying)


METHODS = [weighted, adjusted, regressed]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("estimand", ["ATE", "ATT"])
def test_effects_over_codes_are_those_of_the_users(users, cells, method, outcome, estimand):
    found, expected = (method(table, outcome, estimand) for table in (cells, users))
    same_effect(found, expected)
    for kind in ("HC0", "HC2", "HC3"):
        assert found._error_by(kind) == pytest.approx(expected._error_by(kind), rel=1e-9)
    errors = [effect._errors_of_means()[0] for effect in (found, expected)]
    np.testing.assert_allclose(*errors, rtol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_rare_levels_are_those_of_few_users(users, cells, method):
    # By rows every level would be rare: a cell is one.
    found, expected = (method(table, "done", min_level_count=60) for table in (cells, users))
    same_effect(found, expected)
    assert found.tidied == expected.tidied


def test_clusters_of_two_ways(users):
    cells = counted(users, ("workspace", "region"))
    ways = {"cluster": ["workspace", "region"]}
    found, expected = (ps.aipw(table, outcome="clicks", **ROLES, **ways) for table in (cells, users))
    same_effect(found, expected)


def test_replicates_over_codes(users, cells):
    options = {"estimators": [ps.IPW("ATE"), ps.AIPW("ATT")], "n_reps": 400, "progress": False, "seed": 1}
    found, expected = (ps.bootstrap(table, outcome="done", **ROLES, **options) for table in (cells, users))
    pd.testing.assert_series_equal(found.estimates, expected.estimates, rtol=1e-10)
    pd.testing.assert_series_equal(found.analytic_std_errors, expected.analytic_std_errors, rtol=1e-9)
    assert (np.abs(found.std_errors / expected.std_errors - 1) < 5 / np.sqrt(400)).all()


def test_what_needs_single_users_is_refused(cells):
    with pytest.raises(InvalidInputError, match=r"cells\.expand\(\)"):
        weighted(cells, "done").conf_int(se="jackknife")
    options = {"estimators": [ps.IPW("ATE")], "n_reps": 10, "progress": False}
    with pytest.raises(InvalidInputError, match="cells sum up each outcome by itself"):
        ps.bootstrap(cells, outcome="clicks", per="minutes", **ROLES, **options)
    with pytest.raises(InvalidInputError, match=r"per: .*cells\.expand\(\)"):
        ps.bootstrap(cells, outcome="clicks", per="tier", **ROLES, **options)
