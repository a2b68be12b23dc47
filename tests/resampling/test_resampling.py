"""The bootstrap through the frame door: labels, seeds, intervals, the bar."""

import io
import pickle
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest

import propensity as ps
from conftest import COVARIATES, OUTCOME, TREATMENT
from propensity import core
from propensity.errors import InvalidInputError, OverlapWarning
from propensity.frames.order import groups_by_content, places_by_content

SMALL = {"outcome": "done", "treatment": "opted", "covariates": ["tier", "visits"]}


ROLES = {"outcome": OUTCOME, "treatment": TREATMENT, "covariates": COVARIATES}
TUTORIAL = [ps.IPW("ATE"), ps.IPW("ATT"), ps.NearestNeighbors("ATT")]


def test_what_is_bootstrapped_without_asking_has_a_valid_bootstrap(users):
    boot = ps.bootstrap(users, **SMALL, n_reps=20)
    assert boot.estimators == (ps.IPW("ATE"), ps.IPW("ATT"))
    assert "not valid" not in repr(boot)
    assert "note" not in boot.summary()


@pytest.fixture(scope="module")
def boot(logs):
    return ps.bootstrap(logs, **ROLES, estimators=TUTORIAL, n_reps=500, seed=7)


def test_bootstrap_estimates_are_those_of_the_functions(logs, model, boot, tutorial):
    assert list(boot.estimates.index) == list(boot.replicates.columns) == ["IPW ATE", "IPW ATT", "1-NN ATT"]
    expected = [tutorial["ipw"]["ATE"], tutorial["ipw"]["ATT"], tutorial["nn_att"]["score"]["1"]]
    np.testing.assert_allclose(boot.estimates, expected, atol=1e-8)


def test_bootstrap_intervals_are_the_tutorials(boot, tutorial):
    found = boot.conf_int()
    for label, tolerance in (("IPW ATE", 0.0015), ("IPW ATT", 0.0015), ("1-NN ATT", 0.002)):
        assert found.loc[label].tolist() == pytest.approx(tutorial["bootstrap_95"][label], abs=tolerance)
    assert not boot.n_failed.any()


def test_bootstrap_spread_is_the_tutorials(logs, tutorial):
    boot = ps.bootstrap(logs, **ROLES, estimators=TUTORIAL, n_reps=5_000, seed=1)
    assert boot.std_errors.to_dict() == pytest.approx(tutorial["bootstrap_sd"], rel=0.06)


def test_bootstrap_repeats_with_its_seed(users):
    first = ps.bootstrap(users, **SMALL, n_reps=30, seed=None)
    again = ps.bootstrap(users, **SMALL, n_reps=30, seed=first.seed, n_threads=1)
    pd.testing.assert_frame_equal(again.replicates, first.replicates, check_exact=True)
    other = ps.bootstrap(users, **SMALL, n_reps=30, seed=None)
    assert other.seed != first.seed


def test_bootstrap_begins_alike_however_long(users):
    long, short = (ps.bootstrap(users, **SMALL, n_reps=n, seed=3).replicates for n in (40, 15))
    pd.testing.assert_frame_equal(long.head(15), short, check_exact=True)


def test_bootstrap_takes_a_generator(users):
    seeds = [ps.bootstrap(users, **SMALL, n_reps=2, seed=np.random.default_rng(11)).seed for _ in range(2)]
    assert seeds[0] == seeds[1]
    rng = np.random.default_rng(11)
    assert (
        ps.bootstrap(users, **SMALL, n_reps=2, seed=rng).seed
        != ps.bootstrap(users, **SMALL, n_reps=2, seed=rng).seed
    )


def test_bootstrap_gives_other_libraries_the_same_numbers(users):
    expected = ps.bootstrap(users, **SMALL, n_reps=10, seed=5)
    found = ps.bootstrap(pl.from_pandas(users), **SMALL, n_reps=10, seed=5)
    pd.testing.assert_frame_equal(found.replicates, expected.replicates)


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # few rows, made up
def test_bootstrap_takes_any_set_of_estimators(users):
    estimators = [ps.NearestNeighbors("ATC", n_neighbors=3, caliper=1.0, on="logit"), ps.IPW("ATC")]
    boot = ps.bootstrap(users, **SMALL, estimators=estimators, n_reps=5, seed=1)
    model = ps.fit_propensity(users, treatment="opted", covariates=["tier", "visits"])
    matches = ps.match_nn(
        users, treatment="opted", scores=model, estimand="ATC", n_neighbors=3, caliper=1.0, on="logit"
    )
    weighted = ps.ipw(users, outcome="done", treatment="opted", scores=model, estimand="ATC")
    assert boot.estimates.to_dict() == pytest.approx(
        {"3-NN ATC (logit, caliper 1)": matches.effect(users["done"]).estimate, "IPW ATC": weighted.estimate}
    )


def test_penalty_reaches_the_estimates(logs, tutorial):
    boot = ps.bootstrap(
        logs,
        outcome=OUTCOME,
        treatment=TREATMENT,
        covariates=COVARIATES,
        penalty=1.0,
        estimators=[ps.IPW("ATE")],
        n_reps=2,
    )
    assert boot.estimates["IPW ATE"] == pytest.approx(tutorial["ipw_penalized"]["ATE"], abs=1e-8)
    assert boot.penalty == 1.0


# Schemes


def test_labels_of_a_frame_are_those_of_the_array_door(users):
    x = np.column_stack([users["tier"] == tier for tier in ("light", "medium")] + [users["visits"]])
    users["team"] = [f"team {row % 23}" for row in range(len(users))]
    # Teams are numbered by what their rows hold, whatever they are called.
    places = places_by_content([*x.T, users["done"].to_numpy(), users["opted"].to_numpy()])
    teams = groups_by_content(np.unique(users["team"], return_inverse=True)[1], places)
    found = ps.bootstrap(
        users, **SMALL, estimators=[ps.IPW()], n_reps=10, seed=3, resampling="poisson", cluster="team"
    )
    expected = core.bootstrap(
        x.astype(float),
        users["opted"].to_numpy(),
        users["done"].to_numpy(),
        estimators=[ps.IPW()],
        analytic=True,
        n_reps=10,
        seed=3,
        resampling="poisson",
        cluster=teams,
    )
    np.testing.assert_allclose(found.replicates, expected.replicates, rtol=1e-9)
    np.testing.assert_allclose(found.acceleration, expected.acceleration, rtol=1e-6)
    assert (found.resampling, found.cluster, found.strata) == ("poisson", "team", None)


def test_labels_of_other_libraries_are_the_same(users):
    users["team"] = [f"team {row % 23}" for row in range(len(users))]
    expected, found = (
        ps.bootstrap(frame, **SMALL, n_reps=5, seed=3, cluster="team").replicates
        for frame in (users, pl.from_pandas(users))
    )
    pd.testing.assert_frame_equal(found, expected)


def test_strata_by_treatment_keep_the_sizes_of_the_arms(users):
    # With one constant covariate the effect for everybody is the difference of the arms' means.
    users["one"] = 1.0
    users["done"] = np.where(users["opted"], 3.0, 1.0)
    design = {"outcome": "done", "treatment": "opted", "covariates": ["one"], "penalty": 1.0}
    boot = ps.bootstrap(users, **design, estimators=[ps.IPW()], n_reps=20, seed=1, strata="opted")
    np.testing.assert_allclose(boot.replicates, 2.0, rtol=1e-12)


@pytest.mark.parametrize("option", ["cluster", "strata"])
def test_labels_must_be_complete_columns_of_the_frame(users, option):
    with pytest.raises(InvalidInputError, match="column 'team' is not in the frame"):
        ps.bootstrap(users, **SMALL, n_reps=2, **{option: "team"})
    users["team"] = pd.Series(1, index=users.index[3:])
    with pytest.raises(InvalidInputError, match="column 'team': 3 missing values"):
        ps.bootstrap(users, **SMALL, n_reps=2, **{option: "team"})


def test_unknown_weights_are_refused(users):
    with pytest.raises(
        InvalidInputError, match="resampling must be one of 'multinomial', 'poisson', 'bayesian'"
    ):
        ps.bootstrap(users, **SMALL, n_reps=2, resampling="exponential")


def test_fractions_of_rows_are_refused_for_nearest_neighbours(users):
    with pytest.raises(InvalidInputError, match="leave '1-NN ATT' out"):
        ps.bootstrap(users, **SMALL, n_reps=2, resampling="bayesian", estimators=TUTORIAL)


# Replicates that fail


def scarce(n_treated):
    """60 users, the first few of each half treated."""
    return pd.DataFrame(
        {
            "late": np.repeat([False, True], 30),
            "opted": np.tile(np.arange(30) < n_treated, 2),
            "done": np.arange(60.0),
        }
    )


def test_many_failed_replicates_are_warned_of():
    design = {"outcome": "done", "treatment": "opted", "covariates": ["late"], "estimators": [ps.IPW()]}
    with pytest.warns(OverlapWarning, match=r"^of 200 replicates .*: IPW ATE in \d\d \(\d\d%\), for want"):
        boot = ps.bootstrap(scarce(1), **design, n_reps=200, seed=1)
    assert boot.n_failed["IPW ATE"] > 10
    assert not ps.bootstrap(scarce(1), **design, n_reps=200, seed=1, resampling="bayesian").n_failed.any()


def test_few_failed_replicates_are_counted_alone():
    design = {"outcome": "done", "treatment": "opted", "covariates": ["late"], "estimators": [ps.IPW()]}
    boot = ps.bootstrap(scarce(2), **design, n_reps=200, seed=2)
    assert 0 < boot.n_failed["IPW ATE"] <= 10


def test_analytic_figures_are_of_the_data_as_they_were(users):
    users = users.copy()
    users["done"] = users["done"].astype(float)
    expected = ps.bootstrap(users, **SMALL, n_reps=2, seed=1).analytic_std_errors
    boot = ps.bootstrap(users, **SMALL, n_reps=2, seed=1)
    users.loc[:, "done"] = 0.5
    users.loc[:, "visits"] = 1
    pd.testing.assert_series_equal(boot.analytic_std_errors, expected)
    again = pickle.loads(pickle.dumps(boot))
    pd.testing.assert_series_equal(again.analytic_std_errors, expected)
    pd.testing.assert_series_equal(again.acceleration, boot.acceleration)


def test_analytic_figures_need_no_replicate_that_succeeds():
    design = {"outcome": "done", "treatment": "opted", "covariates": ["late"], "estimators": [ps.IPW()]}
    with pytest.warns(OverlapWarning):
        boot = ps.bootstrap(scarce(1), **design, n_reps=200, seed=1)
    assert np.isfinite(boot.analytic_std_errors).all()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_bar_ends_complete(users, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    ps.bootstrap(users, **SMALL, n_reps=50, progress=True)
    assert "50/50" in sys.stderr.getvalue()


@pytest.mark.parametrize("progress", [None, False])
def test_progress_bar_stays_away_from_short_jobs(users, monkeypatch, progress):
    monkeypatch.setattr(sys, "stderr", Terminal())
    ps.bootstrap(users, **SMALL, n_reps=5, progress=progress)
    assert sys.stderr.getvalue() == ""


def test_progress_bar_stays_away_from_pipes(users, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    ps.bootstrap(users, **SMALL, n_reps=5)
    assert sys.stderr.getvalue() == ""


def test_progress_bar_closes_on_interruption(users, monkeypatch):
    def interrupted(*arrays, progress, n_reps, **options):
        progress(n_reps // 2)
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(core, "bootstrap", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ps.bootstrap(users, **SMALL, n_reps=50, progress=True)
    assert "25/50" in sys.stderr.getvalue()
    assert sys.stderr.getvalue().endswith("\n")


def test_rows_of_weight_0_are_not_drawn(users):
    users["w"] = 1.0 + (users["visits"] % 3)
    users.loc[users.index[::5], ["w", "done", "visits"]] = [0, 1e9, 1_000]
    users["team"] = np.arange(len(users)) // 4
    there = users[users["w"] > 0]
    options = {
        **SMALL,
        "estimators": [ps.IPW(), ps.AIPW("ATT")],
        "sample_weight": "w",
        "n_reps": 10,
        "seed": 3,
    }
    for resampling in ({}, {"strata": "tier"}, {"cluster": "team"}, {"resampling": "bayesian"}):
        found = [ps.bootstrap(frame, **options, **resampling) for frame in (users, there)]
        np.testing.assert_array_equal(*[boot.replicates for boot in found])
        np.testing.assert_array_equal(*[boot.analytic_std_errors for boot in found])


@pytest.mark.parametrize(
    "resampling", [{}, {"resampling": "poisson"}, {"resampling": "bayesian"}, {"strata": "tier"}]
)
@pytest.mark.parametrize("covariates", [["tier"], ["tenure", "visits"]])
def test_replicates_do_not_depend_on_the_order_of_the_rows(users, covariates, resampling):
    options = {**SMALL, "covariates": covariates, "estimators": [ps.IPW(), ps.RegressionAdjustment()]}
    options |= {"n_reps": 10, "seed": 3, **resampling}
    expected = ps.bootstrap(users, **options).replicates
    moved = users.sample(frac=1, random_state=1)
    for frame in (moved, moved.reset_index(drop=True), pl.from_pandas(moved)):
        np.testing.assert_allclose(ps.bootstrap(frame, **options).replicates, expected, rtol=1e-9)


@pytest.mark.parametrize("role", ["cluster", "strata"])
def test_replicates_hang_on_the_rows_of_groups_and_not_on_what_these_are_called(users, role):
    group = np.arange(len(users)) * 7 % 10
    rng = np.random.default_rng(2)
    called = rng.permutation(10)[group]
    words = np.array(list("qwertyuiop"))[group]
    moved = rng.permutation(len(users))

    def replicates(groups, df=users):
        options = {"treatment": "opted", "covariates": ["visits"], "estimators": [ps.IPW()], "n_reps": 6}
        boot = ps.bootstrap(df.assign(g=groups), outcome="done", **options, **{role: "g"})
        return boot.replicates.to_numpy()

    expected = replicates(group)
    levels = pd.Categorical(words, list("wqertyuiop"))
    for other in (called, words, levels):
        np.testing.assert_allclose(replicates(other), expected, rtol=1e-9)
    np.testing.assert_allclose(replicates(called[moved], users.iloc[moved]), expected, rtol=1e-9)


@pytest.mark.parametrize("role", ["cluster", "strata"])
def test_replicates_of_matches_hang_on_the_rows_of_groups_too(users, role):
    model = ps.fit_propensity(users, treatment="opted", covariates=["visits", "tenure"])
    matches = ps.match_nn(users, treatment="opted", scores=model)
    group = np.arange(len(users)) * 7 % 10
    called = np.random.default_rng(2).permutation(10)[group]
    found, expected = (
        matches.bootstrap("done", n_reps=6, **{role: groups}).replicates.to_numpy()
        for groups in (called, group)
    )
    np.testing.assert_array_equal(found, expected)
