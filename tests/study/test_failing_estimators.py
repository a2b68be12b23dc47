"""Several estimators in one table: each needs what it needs, and one that fails does not stop the others."""

import warnings

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from propensity import core
from propensity.errors import (
    CollinearityWarning,
    FailedEstimatorWarning,
    NoMatchesError,
    SeparationError,
)

ROLES = {"outcome": "y", "treatment": "t"}


@pytest.fixture(scope="module")
def separated():
    rng = np.random.default_rng(1)
    df = pd.DataFrame({"t": np.arange(400) % 2 == 0, "x": rng.normal(size=400)})
    df["y"] = df["t"] + df["x"] + rng.normal(size=400)
    return df.assign(keen=df["t"].astype(int))


def test_regression_needs_no_score(separated):
    table = ps.estimate(
        separated,
        **ROLES,
        covariates=["x", "keen"],
        outcome_covariates=["x"],
        estimators=[ps.RegressionAdjustment()],
    )
    alone = ps.regression_adjustment(separated, **ROLES, covariates=["x"])
    assert table.loc["Regression ATE", "estimate"] == pytest.approx(alone.estimate, rel=1e-12)


def test_what_cannot_be_had_is_missing_and_the_others_stand(separated):
    specs = [ps.IPW(), ps.RegressionAdjustment(), ps.AIPW("ATT")]
    with pytest.warns(FailedEstimatorWarning, match="^IPW ATE, AIPW ATT could not be had: .*keen") as caught:
        table = ps.estimate(
            separated, **ROLES, covariates=["x", "keen"], outcome_covariates=["x"], estimators=specs
        )
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert list(table.index) == ["naive gap", *(spec.label for spec in specs)]
    assert table.loc[["IPW ATE", "AIPW ATT"]].drop(columns="note").isna().all(axis=None)
    assert table.loc["IPW ATE", "note"].startswith("200 rows with keen == 0 are all controls")
    assert np.isfinite(table.loc["Regression ATE", "estimate"])
    assert table.attrs == {"level": 0.95, "contrast": "difference"}


def test_matching_without_matches_does_not_stop_weighting(users):
    specs = [ps.NearestNeighbors(caliper=1e-12, caliper_unit="raw"), ps.IPW("ATT")]
    roles = {"outcome": "done", "treatment": "opted", "covariates": ["tenure"]}
    with pytest.warns(FailedEstimatorWarning, match="1-NN ATT"):
        table = ps.estimate(users, **roles, estimators=specs)
    assert np.isnan(table.loc[specs[0].label, "estimate"])
    assert np.isfinite(table.loc["IPW ATT", "estimate"])
    with pytest.raises(NoMatchesError):
        ps.estimate(users, **roles, estimators=specs[:1])


def test_reason_is_raised_where_nothing_can_be_had(separated):
    with pytest.raises(SeparationError, match="keen"):
        ps.estimate(separated, **ROLES, covariates=["x", "keen"], estimators=[ps.IPW(), ps.AIPW("ATT")])


def count_fits(monkeypatch):
    fits = []
    fit = core.fit_propensity
    adjust = core.adjust

    def counted_fit(*rows, **options):
        fits.append(1)
        return fit(*rows, **options)

    monkeypatch.setattr(core, "fit_propensity", counted_fit)

    def counted(*rows, **options):
        if options["method"] != "regression" and options.get("scores") is None:
            fits.append(1)
        return adjust(*rows, **options)

    monkeypatch.setattr(core, "adjust", counted)
    return fits


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")
def test_score_is_fitted_once_for_all_estimators(users, monkeypatch):
    fits = count_fits(monkeypatch)
    specs = [ps.IPW(), ps.AIPW(), ps.IPWRA("ATT"), ps.NearestNeighbors(), ps.RegressionAdjustment()]
    ps.estimate(users, outcome="done", treatment="opted", covariates=["tier", "visits"], estimators=specs)
    assert len(fits) == 1


@pytest.mark.parametrize("estimate", [ps.aipw, ps.ipwra])
def test_score_is_fitted_once_for_all_outcomes_and_told_of_once(users, monkeypatch, estimate):
    fits = count_fits(monkeypatch)
    users["twice"] = 2 * users["visits"]
    outcomes = ["done", "tenure", "premium"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        effects = estimate(users, outcome=outcomes, treatment="opted", covariates=["visits", "twice"])
    assert len(fits) == 1
    assert [warning.category for warning in caught].count(CollinearityWarning) == 1
    one = estimate(users, outcome="tenure", treatment="opted", covariates=["visits"])
    assert effects["tenure"].estimate == pytest.approx(one.estimate, rel=1e-9)
    assert effects["tenure"].std_error == pytest.approx(one.std_error, rel=1e-9)


def test_each_warning_comes_once(separated):
    df = separated.assign(twice=2 * separated["x"], staff=(np.arange(400) < 20).astype(int))
    df.loc[df["staff"] == 1, "t"] = True
    specs = [ps.IPW(), ps.AIPW(), ps.IPWRA(), ps.IPW("ATT"), ps.NearestNeighbors()]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # The outcome models do without "staff", of which the controls tell them nothing.
        table = ps.estimate(
            df, **ROLES, covariates=["x", "twice", "staff"], outcome_covariates=["x"], estimators=specs
        )
    words = [str(warning.message) for warning in caught]
    assert len(words) == len(set(words))
    assert sum("20 rows with staff == 1 are all treated" in said for said in words) == 1
    assert sum("left out" in said for said in words) == 1
    for label in ("IPW ATE", "AIPW ATE", "IPWRA ATE", "IPW ATT", "1-NN ATT"):
        assert "20 rows with staff == 1 are all treated" in table.loc[label, "note"]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_weights_that_there_are_none_of_do_not_stop_the_table():
    rng = np.random.default_rng(3)
    x, t = rng.normal(size=600), np.arange(600) % 3 == 0
    df = pd.DataFrame({"t": t, "x": x + 6 * t, "z": rng.normal(size=600), "y": x + rng.normal(size=600)})
    df.loc[[0, 3, 6, 9], "x"], df.loc[[1, 2, 4, 5], "x"] = 0.0, 3.0  # so that scores have an optimum
    with pytest.warns(
        FailedEstimatorWarning, match="EB ATT could not be had: no weights of the control rows"
    ):
        table = ps.estimate(df, **ROLES, covariates=["x", "z"])
    labels = ["naive gap", "IPW ATE", "AIPW ATE", "EB ATE", "IPW ATT", "AIPW ATT", "EB ATT"]
    assert list(table.index) == labels
    assert np.isnan(table.loc["EB ATT", "estimate"])
    assert "reach the treated's mean of x" in table.loc["EB ATT", "note"]
    assert table.loc[["naive gap", "IPW ATE", "AIPW ATE"], "estimate"].notna().all()
