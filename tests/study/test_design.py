"""How small an effect can be found, against textbooks, statsmodels and a simulation."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower

import propensity as ps
from propensity.errors import InvalidInputError, OverlapWarning
from propensity.study.design_result import Precision

TRIAL = {"treatment": "t", "scores": "e"}


def trial(n, share=0.5):
    return pd.DataFrame({"t": np.arange(n) < share * n, "e": share})


def users(n, rng, effect=0.0):
    x = rng.normal(size=n)
    t = rng.random(n) < 1 / (1 + np.exp(0.4 - 0.7 * x))
    return pd.DataFrame({"x": x, "t": t.astype(int), "y": effect * t + rng.normal(size=n)})


def test_64_in_each_group_find_half_a_standard_deviation():
    """Cohen (1988), Statistical power analysis for the behavioral sciences, table 2.4.1."""
    found = ps.design(trial(128), **TRIAL, std_dev=1.0, effect=0.5, estimands=["ATE"]).table.loc["ATE"]
    assert found["smallest_effect"] == pytest.approx(0.5, abs=0.002)
    assert found["power"] == pytest.approx(0.80, abs=0.003)
    assert found["users_needed"] == pytest.approx(128, abs=1)


@pytest.mark.parametrize(("n", "power", "level"), [(400, 0.8, 0.95), (1_000, 0.9, 0.99), (2_000, 0.6, 0.9)])
def test_smallest_effect_of_a_trial_is_statsmodels(n, power, level):
    found = ps.design(
        trial(n, 0.25), **TRIAL, std_dev=3.0, power=power, level=level, estimands="ATT"
    ).table.loc["ATT"]
    expected = TTestIndPower().solve_power(nobs1=n // 4, ratio=3, alpha=1 - level, power=power)
    assert found["smallest_effect"] == pytest.approx(3 * expected, rel=4e-3)


def test_uneven_weights_cost_users():
    rng = np.random.default_rng(2)
    df = users(2_000, rng)
    model = ps.fit_propensity(df, treatment="t", covariates=["x"])
    table = ps.design(df, treatment="t", scores=model, std_dev=2.0).table
    for estimand in ("ATE", "ATT", "ATO"):
        effect = ps.ipw(df, outcome="y", treatment="t", scores=model, estimand=estimand)
        assert table.loc[estimand, "ess_control"] == pytest.approx(effect.ess_control)
        error = 2 * math.sqrt(1 / effect.ess_treated + 1 / effect.ess_control)
        assert table.loc[estimand, "std_error"] == pytest.approx(error, rel=1e-12)
    assert table["smallest_effect"].idxmin() == "ATO"


def test_pilot_says_what_its_effect_does():
    df = users(600, np.random.default_rng(3))
    model = ps.fit_propensity(df, treatment="t", covariates=["x"])
    found = ps.design(df, treatment="t", scores=model, outcome="y", estimands=["ATT"]).table.loc["ATT"]
    effect = ps.ipw(df, outcome="y", treatment="t", scores=model, estimand="ATT")
    assert (found["std_error"], found["df"]) == (effect.std_error, effect.df)
    law = stats.t(effect.df)
    expected = effect.std_error * (law.ppf(0.975) + law.ppf(0.8))
    assert found["smallest_effect"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_smallest_effect_is_found_in_eight_of_ten():
    """300 samples of 400 users with that very effect: three errors of the count around 240."""
    rng = np.random.default_rng(5)
    df = users(20_000, rng)
    model = ps.fit_propensity(df, treatment="t", covariates=["x"])
    plan = ps.design(df, treatment="t", scores=model, std_dev=1.0, estimands=["ATO"]).table.loc["ATO"]
    own = Precision(20_000, plan["ess_treated"], plan["ess_control"], plan["std_error"], plan["df"])
    smallest = own.with_users(400).smallest_effect(0.8, 0.95)
    n_found = 0
    for _ in range(300):
        sample = users(400, rng, smallest)
        scores = ps.fit_propensity(sample, treatment="t", covariates=["x"])
        n_found += ps.ipw(sample, outcome="y", treatment="t", scores=scores, estimand="ATO").p_value < 0.05
    assert n_found == pytest.approx(240, abs=3 * math.sqrt(300 * 0.8 * 0.2))


def test_users_needed_find_it_with_the_power_asked_for():
    found = ps.design(trial(200), **TRIAL, std_dev=1.0, effect=-0.2, power=0.9, estimands=["ATE"])
    needed = found.table.loc["ATE", "users_needed"]
    own = Precision(200, 100, 100, math.sqrt(2 / 100), 200)
    assert own.with_users(needed).power(0.2, 0.95) >= 0.9 > own.with_users(needed - 2).power(0.2, 0.95)
    assert found.table.loc["ATE", "more_users"] == needed - 200
    sentence = f"200 users are worth 100 treated and 100 controls.*among {needed:,.0f} users"
    assert pd.Series([str(found)]).str.contains(sentence).all()
    assert "Design: effects found at 95% with 90% power" in repr(found)


def test_enough_users_need_no_more():
    found = ps.design(trial(5_000), **TRIAL, std_dev=1.0, effect=0.5).table
    assert (found["more_users"] == 0).all()
    assert (found["power"] > 0.999).all()


def test_weights_on_few_rows_are_warned_of():
    df = users(300, np.random.default_rng(1)).assign(e=lambda df: 1 / (1 + np.exp(-4 * df["x"])))
    with pytest.warns(OverlapWarning, match="little overlap"):
        ps.design(df, treatment="t", scores="e", std_dev=1.0, estimands=["ATE"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "outcome, std_dev: neither is given"),
        ({"std_dev": 1.0, "outcome": "y"}, "outcome, std_dev: both are given"),
        ({"std_dev": 0.0}, "std_dev"),
        ({"std_dev": 1.0, "effect": 0}, "effect: no number of users finds an effect of 0"),
        ({"std_dev": 1.0, "power": 0.3}, "power must be from 0.5 to below 1, as 0.8 is, not 0.3"),
        ({"std_dev": 1.0, "level": 95}, "level must lie between 0 and 1"),
        ({"std_dev": 1.0, "estimands": []}, "estimands: one or several are needed"),
        ({"std_dev": 1.0, "estimands": ["ATX"]}, "ATX"),
    ],
)
def test_what_cannot_be_is_answered(options, message):
    with pytest.raises(InvalidInputError, match=message):
        ps.design(trial(40).assign(y=1.0), **TRIAL, **options)
