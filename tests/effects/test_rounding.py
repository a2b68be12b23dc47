"""What is rounding beside the outcome: no effect, no error, no p-value, whatever the estimator."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from statsmodels.stats.multitest import multipletests

import propensity as ps

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # what balance and sizes say is not asked here

ROLES = {"outcome": "y", "treatment": "t"}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(5)
    x = rng.normal(size=2000)
    treated = (rng.random(2000) < 1 / (1 + np.exp(0.4 - 0.8 * x))).astype(int)
    return pd.DataFrame({"x": x, "t": treated, "team": np.arange(2000) % 50, "w": 1 + np.arange(2000) % 3})


@pytest.fixture(scope="module")
def model(rows):
    return ps.fit_propensity(rows, treatment="t", covariates=["x"])


def _matched(**options):
    return lambda df, model: ps.match_nn(df, treatment="t", scores=model, **options).effect(df["y"])


ESTIMATORS = {
    "IPW ATE": lambda df, model: ps.ipw(df, **ROLES, scores=model),
    "IPW ATT": lambda df, model: ps.ipw(df, **ROLES, scores=model, estimand="ATT"),
    "IPW ATO": lambda df, model: ps.ipw(df, **ROLES, scores=model, estimand="ATO"),
    "IPW, clusters": lambda df, model: ps.ipw(df, **ROLES, scores=model, cluster="team"),
    "IPW, known scores": lambda df, model: ps.ipw(df, **ROLES, scores=np.asarray(model.scores)),
    "AIPW": lambda df, _: ps.aipw(df, **ROLES, covariates=["x"]),
    "AIPW, weights": lambda df, _: ps.aipw(df, **ROLES, covariates=["x"], sample_weight="w"),
    "AIPW, folds": lambda df, _: ps.aipw(df, **ROLES, covariates=["x"], n_folds=3),
    "AIPW, learner": lambda df, _: ps.aipw(
        df, **ROLES, covariates=["x"], outcome_model=LinearRegression(), cluster="team"
    ),
    "IPWRA": lambda df, _: ps.ipwra(df, **ROLES, covariates=["x"]),
    "Regression": lambda df, _: ps.regression_adjustment(df, **ROLES, covariates=["x"]),
    "1-NN": _matched(),
    "3-NN ATE": _matched(n_neighbors=3, estimand="ATE"),
    "pairs": _matched(replace=False),
    "exact": _matched(exact=["team"]),
    "full": lambda df, model: ps.match_full(df, treatment="t", scores=model).effect(df["y"]),
    "subclasses": lambda df, model: ps.subclassify(df, treatment="t", scores=model).effect(df["y"]),
    "CEM": lambda df, _: ps.match_cem(df, treatment="t", covariates=["x"]).effect(df["y"]),
}


@pytest.mark.parametrize("value", [3.7, 0.1, -1e9 / 3, 0.0])
@pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)
def test_outcome_that_is_the_same_for_all_has_no_effect_and_no_p_value(rows, model, estimator, value):
    effect = estimator(rows.assign(y=value), model)
    assert (effect.estimate, effect.std_error) == (0.0, 0.0)
    assert effect.mean_treated == effect.mean_control == value
    assert effect.conf_int() == (0.0, 0.0)
    assert np.isnan(effect.p_value)


def test_ratio_of_an_outcome_that_is_the_same_for_all_is_one(rows, model):
    effect = ps.ipw(rows.assign(y=3.7), **ROLES, scores=model, contrast="ratio")
    assert (effect.estimate, effect.std_error) == (1.0, 0.0)
    assert np.isnan(effect.p_value)


@pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)
def test_outcome_that_differs_by_rounding_alone_has_no_effect(rows, model, estimator):
    rng = np.random.default_rng(0)
    effect = estimator(rows.assign(y=np.where(rng.random(len(rows)) < 0.5, 0.1 + 0.2, 0.3)), model)
    assert (effect.estimate, effect.std_error) == (0.0, 0.0)


@pytest.mark.parametrize("estimate", [ps.aipw, ps.ipwra, ps.regression_adjustment])
def test_outcome_that_the_covariates_foretell_without_error_has_no_effect(rows, estimate):
    effect = estimate(rows.assign(y=2 * rows["x"] + 1), **ROLES, covariates=["x"])
    assert (effect.estimate, effect.std_error) == (0.0, 0.0)
    assert np.isnan(effect.p_value)
    assert effect.influence_treated.std() == pytest.approx(2 * rows["x"].std(ddof=0), rel=1e-9)


def test_effect_without_any_error_is_certain(rows, model):
    effect = ps.ipw(rows.assign(y=1.0 * rows["t"]), **ROLES, scores=model)
    assert (effect.estimate, effect.std_error, effect.p_value) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize("shift", [0.0, 1.7e9, 1e12])
def test_real_noise_far_from_zero_is_no_rounding(rows, model, shift):
    rng = np.random.default_rng(1)
    noise = rng.normal(size=len(rows))
    effect = ps.ipw(rows.assign(y=shift + noise), **ROLES, scores=model)
    near = ps.ipw(rows.assign(y=noise), **ROLES, scores=model)
    assert effect.std_error == pytest.approx(near.std_error, rel=1e-3)
    assert effect.p_value == pytest.approx(near.p_value, abs=1e-2)


def test_adjusted_p_values_pass_over_what_has_none(rows, model):
    rng = np.random.default_rng(2)
    df = rows.assign(y=rows["t"] * 0.2 + rng.normal(size=len(rows)), y2=rng.normal(size=len(rows)), dead=3.7)
    names = ["y", "dead", "y2"]
    table = ps.ipw(df, outcome=names, treatment="t", scores=model).to_frame()
    assert table.loc["dead", ["p_value", "p_holm", "p_bh"]].isna().all()
    alive = table.drop(index="dead")
    for column, method in {"p_holm": "holm", "p_bh": "fdr_bh"}.items():
        expected = multipletests(alive["p_value"], method=method)[1]
        assert alive[column].to_numpy() == pytest.approx(expected, rel=1e-12)


def test_covariance_of_an_outcome_that_is_the_same_for_all_is_zero(rows, model):
    df = rows.assign(y=rows["x"], dead=3.7)
    covariance = ps.ipw(df, outcome=["y", "dead"], treatment="t", scores=model).covariance
    assert covariance.loc["y", "y"] > 0
    assert (covariance["dead"] == 0).all()


def test_bootstrap_of_an_outcome_that_is_the_same_for_all_does_not_vary(rows):
    specs = [ps.IPW(), ps.AIPW("ATT"), ps.NearestNeighbors()]
    df = rows.assign(y=0.1)
    result = ps.bootstrap(df, **ROLES, covariates=["x"], estimators=specs, n_reps=30, seed=1)
    assert (result.estimates == 0).all()
    assert (result.replicates == 0).all(axis=None)
    assert (result.std_errors == 0).all()
    df = rows.assign(y=rows["x"] ** 3)
    real = ps.bootstrap(df, **ROLES, covariates=["x"], estimators=specs, n_reps=30, seed=1)
    assert (real.std_errors > 0).all()


def test_bootstrap_of_matches_does_not_vary_either(rows, model):
    matches = ps.match_nn(rows, treatment="t", scores=model)
    result = matches.bootstrap(np.full(len(rows), 0.1), n_reps=30, seed=1)
    assert (result.replicates == 0).all(axis=None)
