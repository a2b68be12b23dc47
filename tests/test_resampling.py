"""The bootstrap through the frame door: labels, seeds, intervals, the bar."""

import io
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest

import propensity as ps
from conftest import COVARIATES, OUTCOME, TREATMENT
from propensity import core

SMALL = {"outcome": "done", "treatment": "opted", "covariates": ["tier", "visits"]}


@pytest.fixture(scope="module")
def boot(logs):
    return ps.bootstrap(logs, outcome=OUTCOME, treatment=TREATMENT, covariates=COVARIATES, n_reps=500, seed=7)


def test_bootstrap_estimates_are_those_of_the_functions(logs, model, boot, tutorial):
    assert list(boot.estimates.index) == list(boot.replicates.columns) == ["IPW ATE", "IPW ATT", "1-NN ATT"]
    expected = [tutorial["ipw"]["ATE"], tutorial["ipw"]["ATT"], tutorial["nn_att"]["score"]["1"]]
    np.testing.assert_allclose(boot.estimates, expected, atol=1e-8)


def test_bootstrap_intervals_are_the_tutorials(boot, tutorial):
    found = boot.conf_int()
    for label, tolerance in (("IPW ATE", 0.0015), ("IPW ATT", 0.0015), ("1-NN ATT", 0.002)):
        assert found.loc[label].tolist() == pytest.approx(tutorial["bootstrap_95"][label], abs=tolerance)
    assert boot.n_failed == 0


def test_bootstrap_spread_is_the_tutorials(logs, tutorial):
    boot = ps.bootstrap(
        logs, outcome=OUTCOME, treatment=TREATMENT, covariates=COVARIATES, n_reps=5_000, seed=1
    )
    assert boot.std_errors.to_dict() == pytest.approx(tutorial["bootstrap_sd"], rel=0.06)


def test_bootstrap_repeats_with_its_seed(users):
    first = ps.bootstrap(users, **SMALL, n_reps=30)
    again = ps.bootstrap(users, **SMALL, n_reps=30, seed=first.seed, n_threads=1)
    pd.testing.assert_frame_equal(again.replicates, first.replicates, check_exact=True)
    other = ps.bootstrap(users, **SMALL, n_reps=30)
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
    assert boot.estimates["IPW ATE"] == pytest.approx(tutorial["ipw_penalised"]["ATE"], abs=1e-8)
    assert boot.penalty == 1.0


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
