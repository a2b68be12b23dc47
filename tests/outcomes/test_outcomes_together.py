"""Effects on several outcomes at once: each as the call for it alone gives it, what they share made once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import propensity as ps
from propensity import core
from propensity.errors import FailedEstimatorWarning, InvalidInputError, SeparationError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

ARRAYS = (
    "estimate",
    "mean_treated",
    "mean_control",
    "std_error",
    "influence_treated",
    "influence_control",
    "leverage",
    "residual_influence",
)


def world(n: int = 900, n_levels: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(8)
    df = pd.DataFrame({"x": rng.normal(size=n), "z": rng.exponential(size=n)})
    df["plan"] = pd.Categorical([f"p{k}" for k in rng.integers(0, n_levels, n)])
    df["t"] = rng.random(n) < 1 / (1 + np.exp(-0.6 * df["x"] + 0.3 * df["z"]))
    df["far"] = 1e6 + df["x"] + 0.5 * df["t"] + rng.normal(size=n)
    df["amount"] = rng.gamma(2.0, np.exp(0.2 * df["x"]))
    df["count"] = rng.poisson(np.exp(0.3 * df["z"] + 0.2 * df["t"])).astype(float)
    df["yes"] = (rng.random(n) < 0.3 + 0.2 * df["t"]).astype(float)
    df["share"] = rng.random(n) ** 2
    df["w"] = np.where(rng.random(n) < 0.05, 0.0, rng.exponential(size=n))
    df["team"] = rng.integers(0, 60, n)
    return df


OUTCOMES = {
    "linear": ["far", "amount", "count", "yes", "share"],
    "logistic": ["yes", "share"],
    "poisson": ["count", "amount", "share"],
    "gamma": ["amount", "share"],
}
"""By a model, the outcomes that there may be such a model of; more than go through the passes together."""

WEIGHTS = {"none": {}, "survey": {"sample_weight": "w"}, "clusters": {"cluster": "team"}}


def same(one: ps.Effect, other: ps.Effect) -> None:
    """Hold an effect against the one by itself: to 12 digits of the outcome's spread, and in words."""
    spread = one.outcome_std_dev
    for name in ("estimate", "mean_treated", "mean_control", "std_error"):
        assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-12, atol=1e-12 * spread)
    for name in ("influence_treated", "influence_control"):
        assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-12, atol=1e-12 * spread)
    assert one.leverage is not None
    assert other.leverage is not None
    assert_allclose(one.leverage.values, other.leverage.values, rtol=1e-12)
    assert_allclose(one.leverage.residual, other.leverage.residual, rtol=1e-12, atol=1e-12 * spread)
    assert_allclose(one.df, other.df, rtol=1e-10)
    assert one.conf_int() == pytest.approx(other.conf_int(), rel=1e-12, abs=1e-12 * spread)
    assert (one.se_method, one.measured, one.ess_treated) == (
        other.se_method,
        other.measured,
        other.ess_treated,
    )
    assert list(map(str, one.cautions)) == list(map(str, other.cautions))


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("options", [{}, {"estimand": "ATT", "truncate": 0.9}, {"winsorize": 0.95}], ids=str)
def test_weighting_gives_each_what_it_has_by_itself(weights: str, options: dict[str, object]) -> None:
    df, outcomes = world(), ["far", "amount", "count", "share"]
    roles = {"treatment": "t", **WEIGHTS[weights], **options}
    model = ps.fit_propensity(
        df, treatment="t", covariates=["x", "z"], sample_weight="w" if weights == "survey" else None
    )
    for scores in (model, 1 / (1 + np.exp(-0.6 * df["x"] + 0.3 * df["z"]))):
        found = ps.ipw(df, outcome=outcomes, scores=scores, **roles)
        for name in outcomes:
            same(found[name], ps.ipw(df, outcome=name, scores=scores, **roles))


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("outcome_model", OUTCOMES)
@pytest.mark.parametrize(
    "estimator", [ps.aipw, ps.ipwra, ps.regression_adjustment], ids=lambda one: one.__name__
)
def test_outcome_models_give_each_what_it_has_by_itself(estimator, outcome_model: str, weights: str) -> None:
    df, names = world(), OUTCOMES[outcome_model]
    roles = {"treatment": "t", "covariates": ["x", "z", "plan"], "outcome_model": outcome_model}
    for estimand in ("ATE", "ATT"):
        options = {**roles, **WEIGHTS[weights], "estimand": estimand}
        found = estimator(df, outcome=names, **options)
        for name in names:
            same(found[name], estimator(df, outcome=name, **options))


def test_models_of_other_terms_and_links_give_each_what_it_has_by_itself() -> None:
    df, names = world(), OUTCOMES["linear"]
    options = {"treatment": "t", "covariates": ["x"], "outcome_covariates": ["z", "plan"]}
    found = ps.aipw(df, outcome=names, **options, score_model="probit")
    for name in names:
        same(found[name], ps.aipw(df, outcome=name, **options, score_model="probit"))


def test_levels_that_stay_codes_give_each_what_it_has_by_itself() -> None:
    df, names = world(6_000, n_levels=150), ["far", "yes", "share"]
    options = {"treatment": "t", "covariates": ["x", "plan"]}
    model = ps.fit_propensity(df, **options)
    found = ps.ipw(df, outcome=names, treatment="t", scores=model)
    adjusted = ps.aipw(df, outcome=names, **options)
    for name in names:
        same(found[name], ps.ipw(df, outcome=name, treatment="t", scores=model))
        same(adjusted[name], ps.aipw(df, outcome=name, **options))


def test_ratios_of_several_outcomes_divide_by_one_that_is_worked_out_once(monkeypatch) -> None:
    df, calls = world(), []
    ipw = core.ipw
    monkeypatch.setattr(core, "ipw", lambda *args, **kw: calls.append(len(kw["others"])) or ipw(*args, **kw))
    model = ps.fit_propensity(df, treatment="t", covariates=["x"])
    found = ps.ipw(df, outcome=["amount", "yes"], per="share", treatment="t", scores=model)
    assert calls == [2]
    for name in ("amount", "yes"):
        same(found[name], ps.ipw(df, outcome=name, per="share", treatment="t", scores=model))


def test_all_outcomes_go_to_the_core_in_one_call(monkeypatch) -> None:
    df, calls = world(), []
    for name in ("ipw", "adjust"):
        own = getattr(core, name)
        monkeypatch.setattr(
            core, name, lambda *args, own=own, **kw: calls.append(len(kw["others"]) + 1) or own(*args, **kw)
        )
    names = OUTCOMES["linear"]
    specs = [ps.IPW("ATE"), ps.AIPW("ATE"), ps.RegressionAdjustment("ATE")]
    table = ps.estimate(df, outcome=names, treatment="t", covariates=["x", "z"], estimators=specs).table
    assert calls == [5, 5, 5, 5]  # the naive gap is weighting too
    monkeypatch.undo()
    for name in names:
        alone = ps.estimate(df, outcome=name, treatment="t", covariates=["x", "z"], estimators=specs).table
        columns = ["estimate", "std_error", "conf_low", "conf_high", "p_value"]
        assert_allclose(table.loc[name][columns], alone[columns], rtol=1e-10, atol=1e-12)
        assert (table.loc[name]["note"] == alone["note"]).all()


def test_an_outcome_without_such_a_model_keeps_the_others_from_nothing() -> None:
    df = world()
    df["split"] = (df["x"] > 0).astype(float)  # which x foretells without error
    roles = {"treatment": "t", "covariates": ["z", "x"]}
    specs = [ps.AIPW("ATE", "logistic"), ps.IPW("ATE")]
    with pytest.warns(FailedEstimatorWarning):
        found = ps.estimate(df, outcome=["split", "yes"], **roles, estimators=specs)
    assert list(found["split"].failures) == [specs[0].label]
    alone = ps.estimate(df, outcome="yes", **roles, estimators=specs)
    assert_allclose(found["yes"].table["estimate"], alone.table["estimate"], rtol=1e-12)
    with pytest.raises(SeparationError, match="outcome model, term 'x'"):
        ps.aipw(df, outcome=["yes", "split"], **roles, outcome_model="logistic")


@pytest.mark.parametrize("score_model", ["logistic", "cloglog"])
def test_arrays_share_what_is_the_same_for_all_outcomes(score_model) -> None:
    df = world()
    x, t = df[["x", "z"]].to_numpy(), df["t"].to_numpy()
    columns = [df[name].to_numpy() for name in OUTCOMES["linear"]]
    scores = core.fit_propensity(x, t, score_model=score_model).scores
    options = {"scores": scores, "x": x, "score_model": score_model}
    found = core.ipw(columns[0], t, others=columns[1:], **options)
    for own, y in zip([found, *found.others], columns, strict=True):
        alone = core.ipw(y, t, **options)
        for name in ARRAYS[:6]:
            assert_array_equal(getattr(own, name), getattr(alone, name))
        assert own.weights is found.weights
        assert not alone.others
    for method in ("aipw", "ipwra", "regression"):
        options = {"method": method, "scores": scores, "score_model": score_model, "leverage": True}
        adjusted = core.adjust(x, t, columns[0], others=columns[1:], **options)
        for own, y in zip([adjusted, *adjusted.others], columns, strict=True):
            alone = core.adjust(x, t, y, **options)
            for name in ARRAYS:
                assert_array_equal(getattr(own, name), getattr(alone, name))
            assert own.leverage is adjusted.leverage


def test_further_outcomes_are_checked_as_the_first() -> None:
    df = world()
    x, t, y = df[["x", "z"]].to_numpy(), df["t"].to_numpy(), df["amount"].to_numpy()
    scores = core.fit_propensity(x, t).scores
    gap = np.where(np.arange(len(y)) == 7, np.nan, y)
    for others, words in (([y, y[:-1]], "outcome"), ([y, gap], "outcome")):
        with pytest.raises(InvalidInputError, match=words):
            core.ipw(y, t, scores, others=others)
        with pytest.raises(InvalidInputError, match=words):
            core.adjust(x, t, y, method="aipw", others=others)
