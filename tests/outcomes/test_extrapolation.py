"""Rows that an outcome model does not reach: refused, in words that do not hang on the alphabet."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from propensity.errors import OverlapError, SeparationWarning

ESTIMATORS: list[Callable[..., Any]] = [ps.regression_adjustment, ps.aipw, ps.ipwra]
UNHEARD = pytest.mark.filterwarnings("ignore::UserWarning")


def plans(name: str = "team") -> pd.DataFrame:
    """Three plans, one of which only the treated have; the effect is 1 wherever it can be seen."""
    rows = [("basic", 0, 0.0), ("basic", 1, 1.0), ("pro", 0, 10.0), ("pro", 1, 11.0), (name, 1, 21.0)]
    return pd.DataFrame(rows * 40, columns=["plan", "t", "y"])


@UNHEARD
@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("name", ["team", "all-in", "m"])
@pytest.mark.parametrize("estimand", ["ATE", "ATT"])
def test_level_that_only_the_treated_have_is_refused_by_name(
    estimator: Callable[..., Any], name: str, estimand: str
) -> None:
    with pytest.raises(OverlapError) as caught:
        estimator(plans(name), outcome="y", treatment="t", covariates=["plan"], estimand=estimand)
    message = str(caught.value)
    assert message.startswith("outcome model of the control rows")
    assert f"40 treated rows (rows 4, 9, 14, 19, 24, ...) with plan == '{name}'" in message
    assert "had they been not treated; drop these rows (the effect is then for the others)" in message
    assert "merge the level with another" in message


@UNHEARD
@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("name", ["team", "all-in"])
def test_level_that_the_estimand_does_not_ask_for_is_none_of_its_business(
    estimator: Callable[..., Any], name: str
) -> None:
    options = {"outcome": "y", "treatment": "t", "covariates": ["plan"]}
    assert estimator(plans(name), **options, estimand="ATC").estimate == pytest.approx(1.0, abs=1e-9)
    # The same the other way round: a level that only controls have.
    mirrored = plans(name).assign(t=lambda df: 1 - df["t"])
    assert estimator(mirrored, **options, estimand="ATT").estimate == pytest.approx(-1.0, abs=1e-9)


@UNHEARD
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_level_of_weightless_rows_is_not_there(estimator: Callable[..., Any]) -> None:
    df = plans()
    weights = {"basic": 1.0, "pro": 2.0, "team": 0.0}
    df["w"] = df["plan"].map(weights)
    options = {"outcome": "y", "treatment": "t", "covariates": ["plan"], "sample_weight": "w"}
    assert estimator(df, **options, estimand="ATT").estimate == pytest.approx(1.0, abs=1e-9)
    # Controls without weight show nothing of a level either.
    df = pd.concat([df, pd.DataFrame({"plan": ["team"] * 9, "t": 0, "y": 5.0})], ignore_index=True)
    df["w"] = np.where((df["plan"] == "team") & (df["t"] == 0), 0.0, 1.0)
    with pytest.raises(OverlapError, match="with plan == 'team'"):
        estimator(df, **options, estimand="ATT")


@UNHEARD
def test_number_that_an_arm_has_one_value_of_is_refused() -> None:
    rng = np.random.default_rng(2)
    df = pd.DataFrame({"t": [0, 1] * 100, "age": rng.normal(40, 9, 200), "y": rng.normal(size=200)})
    df["spent"] = np.where(df["t"] == 1, rng.gamma(2.0, size=200), 0.0)
    with pytest.raises(OverlapError, match=r"100 treated rows .* with spent other than 0 lie outside"):
        ps.regression_adjustment(df, outcome="y", treatment="t", covariates=["age", "spent"])
    df["vip"] = (df["spent"] > 3).astype(int)
    for estimator in ESTIMATORS:
        with pytest.raises(OverlapError, match=r"term 'vip': .* with vip == 1 lie outside"):
            estimator(df, outcome="y", treatment="t", covariates=["age", "vip"])


@UNHEARD
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_empty_cell_of_an_interaction_is_refused_and_without_it_is_not(estimator: Callable[..., Any]) -> None:
    rng = np.random.default_rng(3)
    df = pd.DataFrame({"a": rng.choice(["u", "v"], 400), "b": rng.choice(["p", "q", "r"], 400)})
    df["t"] = rng.integers(0, 2, 400)
    df.loc[(df["a"] == "v") & (df["b"] == "r"), "t"] = 1
    df["y"] = 1.0 * (df["a"] == "v") + 2.0 * (df["b"] == "r") + df["t"]
    options = {"outcome": "y", "treatment": "t", "estimand": "ATT"}
    assert estimator(df, **options, covariates=["a", "b"]).estimate == pytest.approx(1.0)
    n = ((df["a"] == "v") & (df["b"] == "r")).sum()
    with pytest.raises(OverlapError, match=rf"{n} treated rows .* with a == 'v' and b == 'r' lie outside"):
        estimator(df, **options, covariates="a * b")


@UNHEARD
def test_logistic_outcome_models_are_held_to_the_same() -> None:
    rng = np.random.default_rng(4)
    df = plans()
    df["y"] = rng.integers(0, 2, len(df))
    for estimator in ESTIMATORS:
        with pytest.raises(OverlapError, match=r"40 treated rows .* with plan == 'team'"):
            estimator(
                df, outcome="y", treatment="t", covariates=["plan"], estimand="ATT", outcome_model="logistic"
            )


@UNHEARD
def test_cross_fitted_models_of_our_own_are_held_to_the_same() -> None:
    options = {"outcome": "y", "treatment": "t", "covariates": ["plan"], "n_folds": 4, "penalty": 1.0}
    for name in ("team", "all-in"):
        with pytest.raises(OverlapError, match=f"40 treated rows .* with plan == '{name}'"):
            ps.aipw(plans(name), **options, estimand="ATT")
        effect = ps.aipw(plans(name), **options, estimand="ATC")
        assert effect.estimate == pytest.approx(1.0, abs=0.05)


@UNHEARD
def test_bootstrap_refuses_what_the_data_themselves_do_not_tell() -> None:
    options = {"outcome": "y", "treatment": "t", "covariates": ["plan"], "n_reps": 20, "seed": 1}
    for estimator in (ps.RegressionAdjustment("ATT"), ps.AIPW("ATE"), ps.IPWRA("ATT")):
        for name in ("team", "all-in"):
            with pytest.raises(OverlapError, match=f"40 treated rows .* with plan == '{name}'"):
                ps.bootstrap(plans(name), **options, estimators=[estimator])


def test_bootstrap_of_regression_adjustment_has_no_use_for_a_score() -> None:
    boot = ps.bootstrap(
        plans(),
        outcome="y",
        treatment="t",
        covariates=["plan"],
        estimators=[ps.RegressionAdjustment("ATC")],
        n_reps=20,
        seed=1,
    )
    assert boot.n_failed["Regression ATC"] == 0
    np.testing.assert_allclose(boot.replicates, 1.0, atol=1e-9)


def test_quasi_separation_is_a_warning_in_a_bootstrap_too() -> None:
    options = {"outcome": "y", "treatment": "t", "covariates": ["plan"]}
    with pytest.warns(SeparationWarning):
        boot = ps.bootstrap(plans(), **options, estimators=[ps.IPW("ATC"), ps.IPW("ATT")], n_reps=20, seed=1)
    with pytest.warns(SeparationWarning):
        model = ps.fit_propensity(plans(), treatment="t", covariates=["plan"])
    for estimand in ("ATC", "ATT"):
        with warnings.catch_warnings(action="ignore"):
            effect = ps.ipw(plans(), outcome="y", treatment="t", scores=model, estimand=estimand)
        assert boot.estimates[f"IPW {estimand}"] == pytest.approx(effect.estimate)
    assert (boot.n_failed == 0).all()
