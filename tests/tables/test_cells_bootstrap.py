"""The bootstrap of cells: users are drawn, in the time and memory that cells take."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from counted_users import COVARIATES, TREATMENT, cells_of, world

import propensity as ps
from propensity import core
from propensity.errors import InvalidInputError
from propensity.tables.cells import Cells

ROLES = {"treatment": TREATMENT, "covariates": COVARIATES}
ESTIMATORS = [ps.IPW("ATE"), ps.IPW("ATO"), ps.AIPW("ATT"), ps.RegressionAdjustment("ATE")]
N_REPS = 1_500


pytestmark = pytest.mark.filterwarnings("ignore")  # few users, made up


@pytest.fixture(scope="module")
def users():
    return world(2_500, 3)


def both(users, also=(), **options):
    shared = {**ROLES, "estimators": ESTIMATORS, "n_reps": N_REPS, "progress": False, **options}
    return (ps.bootstrap(table, **shared) for table in (cells_of(users, also), users))


def same_law(found, expected, spread=5.0, on_scale=np.asarray):
    """Estimates are equal; deviations and quantiles are, but for the draws; errors are `on_scale`."""
    pd.testing.assert_series_equal(found.estimates, expected.estimates, rtol=1e-10, atol=1e-12)
    pd.testing.assert_series_equal(found.analytic_std_errors, expected.analytic_std_errors, rtol=1e-9)
    ratio = found.std_errors / expected.std_errors
    # Of two standard deviations of n draws each, 1 / sqrt(n) apart.
    assert (np.abs(ratio - 1) < spread / np.sqrt(N_REPS)).all(), ratio
    for level in (0.5, 0.95):
        one, other = (on_scale(boot.conf_int(level=level)) for boot in (found, expected))
        assert (np.abs(one - other).max(axis=1) < 0.4 * expected.std_errors).all()


@pytest.mark.parametrize("outcome", ["done", "clicks", "minutes"])
@pytest.mark.parametrize("resampling", ["multinomial", "poisson", "bayesian"])
def test_replicates_of_cells_have_the_law_of_those_of_users(users, outcome, resampling):
    same_law(*both(users, outcome=outcome, resampling=resampling))


@pytest.mark.parametrize("resampling", ["multinomial", "bayesian"])
def test_strata_that_are_keys(users, resampling):
    same_law(*both(users, outcome="done", resampling=resampling, strata=TREATMENT))
    same_law(*both(users, outcome="clicks", resampling=resampling, strata="region"))


def test_clusters_that_are_keys_are_drawn_whole(users):
    users = users.assign(workspace=np.random.default_rng(2).integers(0, 60, len(users)))
    same_law(*both(users, ("workspace",), outcome="minutes", cluster="workspace"))


def test_survey_weights_that_are_keys(users):
    same_law(*both(users, ("w",), outcome="minutes", sample_weight="w"))


def test_intervals_corrected_for_skewness_need_zeros_and_ones(users):
    found, expected = both(users, outcome="done")
    pd.testing.assert_series_equal(found.acceleration, expected.acceleration, rtol=1e-9, atol=1e-12)
    assert np.isfinite(found.conf_int(kind="bca").to_numpy()).all()
    found, _ = both(users, outcome="minutes", n_reps=50)
    with pytest.raises(InvalidInputError, match="not 0/1"):
        found.conf_int(kind="bca")


def test_studentized_intervals(users):
    found, expected = both(users, outcome="done", studentized=True)
    one, other = found.conf_int(kind="studentized"), expected.conf_int(kind="studentized")
    assert (np.abs(one - other).max(axis=1) < 0.5 * expected.std_errors).all()
    spread = found.replicate_std_errors.mean() / found.analytic_std_errors
    assert (np.abs(spread - 1) < 0.05).all()


@pytest.mark.parametrize("options", [{}, {"resampling": "poisson"}, {"strata": TREATMENT}])
def test_lifts_of_cells_have_the_law_of_those_of_users(users, options):
    found, expected = both(users, outcome="done", contrast="percent", **options)
    same_law(found, expected, on_scale=lambda percent: np.log1p(np.asarray(percent) / 100))
    pd.testing.assert_series_equal(found.acceleration, expected.acceleration, rtol=1e-9, atol=1e-12)


def test_lifts_of_clusters_that_are_keys(users):
    users = users.assign(workspace=np.random.default_rng(2).integers(0, 60, len(users)))
    same_law(*both(users, ("workspace",), outcome="minutes", contrast="ratio", cluster="workspace"))


def test_studentized_lifts(users):
    found, expected = both(users, outcome="done", contrast="percent", studentized=True)
    one, other = found.conf_int(kind="studentized"), expected.conf_int(kind="studentized")
    assert (np.abs(one - other).max(axis=1) < 0.1 * np.abs(other).max(axis=1)).all()


def test_ratios_of_two_keys(users):
    cells = cells_of(users, ("done", "clicks"), outcomes=())
    shared = {**ROLES, "estimators": ESTIMATORS, "n_reps": N_REPS, "progress": False}
    found, expected = (
        ps.bootstrap(table, outcome="done", per="clicks", **shared) for table in (cells, users)
    )
    same_law(found, expected)


def test_neighbours_are_matched_again_in_every_replicate(users):
    options = {"outcome": "done", "estimators": [ps.NearestNeighbors("ATT")]}
    found, expected = both(users, **options)
    pd.testing.assert_series_equal(found.estimates, expected.estimates, rtol=1e-10)
    ratio = found.std_errors / expected.std_errors
    assert (np.abs(ratio - 1) < 5 / np.sqrt(N_REPS)).all()


def test_what_a_replicate_cannot_count_is_refused(users):
    cells = cells_of(users)
    for estimator in (ps.IPW("ATE", truncate=0.9), ps.Balancing("ATT")):
        with pytest.raises(InvalidInputError, match="single users"):
            ps.bootstrap(cells, outcome="done", **ROLES, estimators=[estimator])


def many(n_users: float, n_cells: int = 1_000) -> Cells:
    """Cells of very many users, all told."""
    rng = np.random.default_rng(0)
    half = n_cells // 2
    keys = pd.DataFrame({"a": np.arange(half) % 25, "b": np.arange(half) // 25})
    table = pd.concat([keys.assign(opt_in=arm) for arm in (False, True)], ignore_index=True)
    shares = rng.dirichlet(np.full(len(table), 3.0))
    mean = 0.2 + 0.01 * table["a"] + 0.05 * table["opt_in"]
    table = table.assign(n=np.maximum(np.rint(shares * n_users), 2), y_mean=mean, y_low=0, y_high=1)
    table["y_mean"] = np.rint(table["n"] * table["y_mean"]) / table["n"]
    table["y_variance"] = table["y_mean"] * (1 - table["y_mean"])
    roles = {"treatment": "opt_in", "covariates": ["a", "b"], "outcome": "y"}
    return Cells.from_counts(table, **roles, frequency="n")


def test_ten_billion_users_are_drawn_as_one_million_are():
    roles = {"outcome": "y", "treatment": "opt_in", "covariates": ["a", "b"]}
    for n_users in (1e6, 1e10):
        cells = many(n_users)
        assert cells.n_users == pytest.approx(n_users, rel=1e-3)
        options = {"estimators": [ps.IPW("ATE")], "n_reps": 500, "progress": False}
        boot = ps.bootstrap(cells, **roles, **options)
        ratio = float((boot.std_errors / boot.analytic_std_errors).iloc[0])
        assert ratio == pytest.approx(1, abs=5 / np.sqrt(2 * 500))


def test_the_core_counts_users_and_refuses_what_are_no_counts():
    rng = np.random.default_rng(1)
    x, t, y = rng.normal(size=(40, 1)), rng.random(40) < 0.5, rng.random(40)
    for wrong in (np.zeros(40), np.full(40, 1.5), np.full(40, np.nan)):
        with pytest.raises(InvalidInputError, match="frequency"):
            core.fit_propensity(x, t, frequency=wrong)
        with pytest.raises(InvalidInputError, match="frequency"):
            core.bootstrap(x, t, y, estimators=[ps.IPW("ATE")], frequency=wrong, n_reps=5)
    with pytest.raises(InvalidInputError, match="frequency"):
        core.smd(x, t, frequency=np.ones(39))
    for wrong in (np.where(np.arange(40) == 3, 0.0, 1.0), np.full(40, 1.5)):
        for measure in (core.smd, core.balance):
            with pytest.raises(InvalidInputError, match=r"frequency: .*whole numbers from 1"):
                measure(x, t, frequency=wrong)
        with pytest.raises(InvalidInputError, match=r"frequency: .*whole numbers from 1"):
            core.product_smds(x, t, [(0, 0)], frequency=wrong)
