"""What outcome models share: a score that is fitted once, options that act, scores at the edge."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import propensity as ps
import reference
from propensity import core
from propensity.errors import InvalidInputError, OverlapError, OverlapWarning, SeparationError


def world(n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(6)
    df = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n)})
    df["t"] = (rng.random(n) < 1 / (1 + np.exp(-0.6 * df["x"]))).astype(int)
    for k in range(10):
        df[f"y{k}"] = df["x"] + k * df["t"] + rng.normal(size=n)
    return df


def test_ten_outcomes_take_one_fit_of_the_score(monkeypatch: pytest.MonkeyPatch) -> None:
    df, fits = world(), []
    fit = core.fit_propensity
    monkeypatch.setattr(core, "fit_propensity", lambda *args, **kw: fits.append(1) or fit(*args, **kw))
    outcomes = [f"y{k}" for k in range(10)]
    for estimator in (ps.aipw, ps.ipwra):
        fits.clear()
        found = estimator(df, outcome=outcomes, treatment="t", covariates=["x", "z"])
        assert len(fits) == 1
        for name in outcomes:
            one = estimator(df, outcome=name, treatment="t", covariates=["x", "z"])
            assert found[name].estimate == one.estimate
            assert found[name].std_error == one.std_error


def test_regression_adjustment_and_its_bootstrap_fit_no_score(monkeypatch: pytest.MonkeyPatch) -> None:
    df = world()
    df["t"] = (df["x"] > 0).astype(int)  # which no score model can be fitted to
    options = {"outcome": "y3", "treatment": "t", "covariates": ["x"]}
    effect = ps.regression_adjustment(df, **options)
    monkeypatch.setattr(core, "fit_propensity", None)
    boot = ps.bootstrap(df, **options, estimators=[ps.RegressionAdjustment()], n_reps=200, seed=1)
    assert boot.estimates.iloc[0] == pytest.approx(effect.estimate)
    assert boot.analytic_std_errors.iloc[0] == pytest.approx(effect.std_error)
    assert boot.std_errors.iloc[0] == pytest.approx(effect.std_error, rel=0.2)
    table = ps.estimate(df, **options, estimators=[ps.RegressionAdjustment()])
    assert table.loc["Regression ATE", "estimate"] == pytest.approx(effect.estimate)
    monkeypatch.undo()
    with pytest.raises(SeparationError):
        ps.bootstrap(df, **options, estimators=[ps.RegressionAdjustment(), ps.IPW()], n_reps=2)


def test_a_replicate_that_fails_is_lost_to_the_estimator_that_failed() -> None:
    # Few rows, of which a replicate often takes those that x tells apart.
    rng = np.random.default_rng(1)
    df = pd.DataFrame({"x": rng.normal(size=24), "y": rng.normal(size=24)})
    df["t"] = (df["x"] + 0.4 * rng.normal(size=24) > 0).astype(int)
    with pytest.warns(OverlapWarning, match="of 300 replicates"):
        boot = ps.bootstrap(
            df,
            outcome="y",
            treatment="t",
            covariates=["x"],
            estimators=[ps.IPW(), ps.RegressionAdjustment()],
            n_reps=300,
            seed=1,
        )
    assert boot.n_failed["IPW ATE"] > 10
    assert boot.n_failed["Regression ATE"] == 0
    pd.testing.assert_series_equal(boot.n_failed, boot.replicates.isna().sum(), check_names=False)
    alone = ps.bootstrap(
        df,
        outcome="y",
        treatment="t",
        covariates=["x"],
        estimators=[ps.RegressionAdjustment()],
        n_reps=300,
        seed=1,
    )
    np.testing.assert_allclose(
        boot.replicates["Regression ATE"], alone.replicates["Regression ATE"], rtol=1e-12
    )


def test_penalties_that_nothing_takes_are_refused() -> None:
    options = {"outcome": "y1", "treatment": "t", "covariates": ["x"]}
    with pytest.raises(InvalidInputError, match=r"penalty: .* score_model is another"):
        ps.aipw(world(), **options, score_model=LogisticRegression(), penalty=1.0)
    with pytest.raises(InvalidInputError, match="penalty: none of the estimators has a score model"):
        ps.bootstrap(world(), **options, estimators=[ps.RegressionAdjustment()], penalty=1.0)
    with pytest.raises(InvalidInputError, match="penalty: regression adjustment has no score model"):
        ps.regression_adjustment(world(), **options, penalty=1.0)


def test_covariates_that_outcome_covariates_take_the_place_of_are_columns_all_the_same() -> None:
    options = {"outcome": "y1", "treatment": "t", "outcome_covariates": ["x"]}
    with pytest.raises(InvalidInputError, match="'nope'"):
        ps.regression_adjustment(world(), **options, covariates=["nope"])
    with pytest.raises(InvalidInputError, match="'y1' is the outcome"):
        ps.regression_adjustment(world(), **options, covariates="x + y1")
    found = ps.regression_adjustment(world(), **options, covariates=["z"])
    expected = ps.regression_adjustment(world(), outcome="y1", treatment="t", covariates=["x"])
    assert found.estimate == expected.estimate


def certain_world(n: int = 2000) -> pd.DataFrame:
    """Spending with a long tail, by which one treated row's score is 1 to rounding."""
    rng = np.random.default_rng(9)
    df = pd.DataFrame({"spend": rng.lognormal(size=n)})
    df["t"] = (rng.random(n) < 1 / (1 + np.exp(0.8 - 0.5 * df["spend"]))).astype(int)
    df.loc[0, ["spend", "t"]] = [400.0, 1]
    df["y"] = (rng.random(n) < 1 / (1 + np.exp(1.0 - 0.3 * np.minimum(df["spend"], 5) - df["t"]))).astype(int)
    return df


def test_a_score_of_1_is_refused_by_a_bootstrap_as_it_is_by_the_estimators() -> None:
    df, options = certain_world(), {"outcome": "y", "treatment": "t", "covariates": ["spend"]}
    model = ps.fit_propensity(df, treatment="t", covariates=["spend"])
    assert model.scores[0] == 1.0
    with pytest.raises(OverlapError, match="at 0 or 1 exactly"):
        ps.bootstrap(df, **options, estimators=[ps.IPW("ATT")], n_reps=5, seed=1)
    for spec in (ps.AIPW(), ps.IPWRA(outcome_model="logistic"), ps.NearestNeighbors()):
        with pytest.raises(OverlapError, match=r"row 0"):
            ps.bootstrap(df, **options, estimators=[spec], n_reps=5, seed=1)
    boot = ps.bootstrap(df, **options, estimators=[ps.RegressionAdjustment()], n_reps=5, seed=1)
    assert boot.estimates.iloc[0] == pytest.approx(ps.regression_adjustment(df, **options).estimate)


@pytest.mark.parametrize("spend", [64.0, 72.0, 78.0])
def test_replicates_beside_a_score_of_nearly_1_are_fitted_anew(spend: float) -> None:
    df = certain_world()
    df.loc[0, "spend"] = spend
    estimators = [ps.IPWRA("ATE", "logistic"), ps.IPWRA("ATT", "logistic"), ps.AIPW("ATE", "logistic")]
    x, t, y = df[["spend"]].to_numpy(), df["t"].to_numpy() == 1, df["y"].to_numpy(dtype=float)
    assert 1 - 1e-12 < core.fit_propensity(x, t).scores[0] < 1
    boot = core.bootstrap(x, t, y, estimators=estimators, n_reps=20, seed=3)

    alike = reference.alike(x, t, y)
    for replicate in range(20):
        rows = np.repeat(np.arange(len(x)), reference.replicate_counts(3, replicate, len(x), cells=alike))
        scores = core.fit_propensity(x[rows], t[rows]).scores
        if scores.max() == 1.0:
            continue
        for k, spec in enumerate(estimators):
            cold = core.adjust(
                x[rows],
                t[rows],
                y[rows],
                method=spec.method,
                estimand=spec.estimand,
                outcome_model="logistic",
                scores=scores,
            )
            assert boot.replicates[replicate, k] == pytest.approx(cold.estimate, abs=1e-8)
