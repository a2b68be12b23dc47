"""Bounds of frames: what they are made of, what they hold, and that the sharp ones are the sharpest."""

import math
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import linprog
from slow_bounds import by_program, end_of_arm, parts

import propensity as ps
from conftest import COVARIATES, OUTCOME, TREATMENT
from propensity.errors import InvalidInputError, OverlapWarning
from propensity.sensitivity.quantile_regression import check_loss, quantile_coefficients

TUTORIAL = {"outcome": OUTCOME, "treatment": TREATMENT, "covariates": COVARIATES, "progress": False}
ROLES = {"outcome": "y", "treatment": "t", "covariates": ["x", "tier"], "n_reps": 20, "progress": False}

pytestmark = [
    pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning"),
    pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning"),
    pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning"),
]


def world(n=80, seed=0, *, binary=False):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    tier = rng.choice(["light", "heavy"], n)
    heavy = tier == "heavy"
    t = rng.random(n) < 1 / (1 + np.exp(-0.5 * x - 0.5 * heavy + 0.3))
    y = 0.6 * t + x + heavy + rng.normal(size=n)
    return pd.DataFrame({"y": (y > 0.8) * 1 if binary else y, "t": t, "x": x, "tier": tier})


def scores(df, **options):
    model = ps.fit_propensity(df, treatment="t", covariates=["x", "tier"], **options)
    return np.asarray(model.scores)


# What they are made of


@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
@pytest.mark.parametrize("binary", [False, True])
def test_bounds_of_weighting_are_those_of_a_linear_program(estimand, binary):
    df = world(binary=binary)
    found = ps.sensitivity_bounds(df, **ROLES, estimator=ps.IPW(estimand), gamma=[1.3, 2.5])
    y = df["y"].to_numpy(float)
    for row in found.table.itertuples():
        expected = by_program(y, df["t"], scores(df), row.gamma, estimand)
        assert_allclose([row.lower, row.upper], expected, rtol=0, atol=1e-8)
    model = ps.fit_propensity(df, treatment="t", covariates=["x", "tier"])
    effect = ps.ipw(df, outcome="y", treatment="t", scores=model, estimand=estimand)
    assert found.estimate == pytest.approx(effect.estimate, rel=1e-9)


@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
@pytest.mark.parametrize("model", ["linear", "logistic"])
def test_bounds_of_aipw_are_those_of_what_its_models_leave(estimand, model):
    df = world(binary=model == "logistic", n=120)
    found = ps.sensitivity_bounds(df, **ROLES, estimator=ps.AIPW(estimand, model), gamma=[1.5])
    from sklearn.linear_model import LinearRegression, LogisticRegression

    x = np.column_stack([df["x"], df["tier"] == "light"]).astype(float)
    y, t = df["y"].to_numpy(float), df["t"].to_numpy()
    predicted = {}
    for arm, own in ((1, t), (0, ~t)):
        if model == "linear":
            predicted[arm] = LinearRegression().fit(x[own], y[own]).predict(x)
        else:
            fit = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000).fit(x[own], y[own])
            predicted[arm] = fit.predict_proba(x)[:, 1]
    residual = y - np.where(t, predicted[1], predicted[0])
    target = {"ATE": t | ~t, "ATT": t, "ATC": ~t}[estimand]
    offset = (predicted[1] - predicted[0])[target].mean()
    expected = offset + by_program(residual, t, scores(df), 1.5, estimand)
    assert_allclose(found.table[["lower", "upper"]].to_numpy()[0], expected, rtol=0, atol=2e-5)


def test_learners_of_outcomes_are_taken():
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(n_estimators=20, min_samples_leaf=10, random_state=0)
    found = ps.sensitivity_bounds(world(200), **ROLES, estimator=ps.AIPW(outcome_model=forest), gamma=[1.5])
    plain = ps.sensitivity_bounds(world(200), **ROLES, gamma=[1.5])
    width = (found.table["upper"] - found.table["lower"]).iloc[0]
    assert 0 < width < (plain.table["upper"] - plain.table["lower"]).iloc[0]


def test_sample_weights_are_rows_that_are_there_more_often():
    df = world().assign(w=lambda d: np.arange(len(d)) % 3)
    spelled_out = df.loc[df.index.repeat(df["w"])].reset_index(drop=True)
    for options in ({}, {"estimator": ps.AIPW()}, {"sharp": True}):
        one = ps.sensitivity_bounds(df, **ROLES, sample_weight="w", gamma=[1.5], **options)
        other = ps.sensitivity_bounds(spelled_out, **ROLES, gamma=[1.5], **options)
        assert_allclose(one.table[["lower", "upper"]], other.table[["lower", "upper"]], rtol=1e-7)


def test_intervals_are_percentiles_of_replicates_of_the_core():
    from propensity import core

    df = world(150)
    found = ps.sensitivity_bounds(df, **(ROLES | {"n_reps": 60}), gamma=[1.2, 2.0], seed=3, level=0.9)
    x = np.column_stack([df["x"], df["tier"] == "light"]).astype(float)
    made = core.sensitivity_bounds(
        x, df["t"].to_numpy(), df["y"].to_numpy(), gammas=np.array([1.2, 2.0]), n_reps=60, seed=3
    )
    expected = [np.quantile(made.replicates[:, k, 0], 0.05) for k in (0, 1)]
    assert_allclose(found.table["conf_low"], expected, rtol=0, atol=1e-9)
    expected = [np.quantile(made.replicates[:, k, 1], 0.95) for k in (0, 1)]
    assert_allclose(found.table["conf_high"], expected, rtol=0, atol=1e-9)


# How strong a confounder would have to be


@pytest.mark.parametrize("sharp", [False, True])
@pytest.mark.parametrize("sign", [1, -1])
def test_critical_gammas_are_where_bounds_and_intervals_hold_no_effect(sharp, sign):
    df = world(400).assign(y=lambda d: sign * (d["y"] + d["t"]))
    options = ROLES | {"n_reps": 40, "sharp": sharp}
    found = ps.sensitivity_bounds(df, **options)
    name, conf = ("lower", "conf_low") if sign > 0 else ("upper", "conf_high")
    gammas = [found.critical_gamma, found.critical_gamma_of_estimate]
    assert 1 < gammas[0] < gammas[1]
    at = ps.sensitivity_bounds(df, **options, gamma=gammas).table
    assert at[name].iloc[1] == pytest.approx(0, abs=1e-4)
    assert at[conf].iloc[0] == pytest.approx(0, abs=0.02)  # between two of 40 replicates
    assert found.critical_gamma_of_estimate == pytest.approx(
        ps.sensitivity_bounds(df, **options, gamma=[1.01]).critical_gamma_of_estimate, rel=1e-4
    )


def test_effect_that_is_none_needs_no_confounder():
    df = world(200).assign(y=lambda d: d["x"])
    with pytest.warns(ps.errors.DegenerateWarning):
        found = ps.sensitivity_bounds(df, **ROLES)
    assert math.isnan(found.critical_gamma)


def test_interval_that_holds_no_effect_has_no_critical_gamma():
    df = world(60, 5)
    y = np.where(np.arange(60) % 2, 1.0, -1.0)
    found = ps.sensitivity_bounds(df.assign(y=y), **ROLES)
    assert math.isnan(found.critical_gamma)
    assert "its 95% interval includes zero already" in str(found)


def test_tutorial(logs):
    found = ps.sensitivity_bounds(logs, **TUTORIAL, n_reps=200)
    assert found.estimate == pytest.approx(0.08479982, abs=1e-7)
    assert 1.1 < found.critical_gamma < found.critical_gamma_of_estimate < 1.25
    assert f"by a factor of {found.critical_gamma_of_estimate:.4g}" in str(found)
    effect = ps.ipw(
        logs,
        outcome=OUTCOME,
        treatment=TREATMENT,
        scores=ps.fit_propensity(logs, treatment=TREATMENT, covariates=COVARIATES),
    )
    row = ps.sensitivity_bounds(logs, **TUTORIAL, n_reps=400, gamma=[1.0]).table.iloc[0]
    assert (row["lower"], row["upper"]) == pytest.approx((effect.estimate, effect.estimate), rel=1e-9)
    assert row["conf_high"] - row["conf_low"] == pytest.approx(3.92 * effect.std_error, rel=0.12)


# The sharp bounds


@pytest.mark.parametrize(("tau", "k"), [(0.3, 2), (0.55, 4), (0.9, 3)])
@pytest.mark.parametrize("ties", [False, True])
def test_quantile_regression_is_that_of_a_linear_program(tau, k, ties):
    rng = np.random.default_rng(k)
    n = 90
    x = np.column_stack([np.ones(n), rng.normal(size=(n, k - 1))])
    y, w = x @ rng.normal(size=k) + rng.standard_t(3, n), rng.uniform(0, 2, n)
    if ties:
        x, y = np.round(x), np.round(y)
    program = linprog(
        np.concatenate([np.zeros(k), tau * w, (1 - tau) * w]),
        A_eq=np.hstack([x, np.eye(n), -np.eye(n)]),
        b_eq=y,
        bounds=[(None, None)] * k + [(0, None)] * (2 * n),
        method="highs",
    )
    loss = w @ check_loss(y - x @ quantile_coefficients(x, y, w, tau), tau)
    assert loss == pytest.approx(program.fun, rel=1e-8)


def test_quantile_regression_is_that_of_statsmodels():
    import statsmodels.api as sm

    rng = np.random.default_rng(1)
    x = sm.add_constant(rng.normal(size=(500, 2)))
    y = x @ [1.0, 2.0, -1.0] + rng.normal(size=500)
    expected = sm.QuantReg(y, x).fit(q=0.7, p_tol=1e-10, max_iter=5_000).params
    assert_allclose(quantile_coefficients(x, y, np.ones(500), 0.7), expected, atol=1e-4)


@pytest.mark.parametrize("estimand", ["ATE", "ATT"])
def test_sharp_bounds_are_those_of_weights_that_balance_the_terms(estimand):
    """The same program, with as many equations more as there are terms, and the total weight as it is."""
    df = world(60)
    found = ps.sensitivity_bounds(
        df, **ROLES, estimator=ps.IPW(estimand), gamma=[1.7], sharp=True
    ).table.iloc[0]
    y, t, e = df["y"].to_numpy(), df["t"].to_numpy(), scores(df)
    base, odds = parts(t, e, estimand)
    terms = np.column_stack([np.ones(len(t)), df["x"], df["tier"] == "heavy"]).astype(float)
    ends = {}
    for arm, own in ((1, t), (0, ~t)):
        balanced = terms[own] if odds[own].any() else None
        for sign in (-1, 1):
            ends[arm, sign] = end_of_arm(y[own], base[own], odds[own], 1.7, sign, balanced)
    assert found["lower"] == pytest.approx(ends[1, -1] - ends[0, 1], abs=1e-7)
    assert found["upper"] == pytest.approx(ends[1, 1] - ends[0, -1], abs=1e-7)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("estimator", [ps.IPW(), ps.IPW("ATT"), ps.AIPW(), ps.AIPW("ATC")])
def test_sharp_bounds_lie_within_the_others(binary, estimator):
    df = world(400, binary=binary)
    wide, sharp = (
        ps.sensitivity_bounds(df, **ROLES, estimator=estimator, gamma=[1.2, 2.0], sharp=one).table
        for one in (False, True)
    )
    assert (sharp["lower"] >= wide["lower"] - 1e-9).all()
    assert (sharp["upper"] <= wide["upper"] + 1e-9).all()
    if isinstance(estimator, ps.IPW):
        gain = 1 - (sharp["upper"] - sharp["lower"]) / (wide["upper"] - wide["lower"])
        assert (gain > 0.05).all()


# What they hold


def hidden(n, gamma, seed):
    """A confounder that moves the odds of treatment by gamma up or down, and the outcome too: effect 0.5."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    e = 1 / (1 + np.exp(-0.5 * x))
    odds = e / (1 - e)
    high, low = (factor * odds / (1 + factor * odds) for factor in (gamma, 1 / gamma))
    u = rng.random(n) < (e - low) / (high - low)
    t = rng.random(n) < np.where(u, high, low)
    y = 0.5 * t + x + 1.5 * u + rng.normal(size=n)
    return pd.DataFrame({"y": y, "t": t, "x": x})


@pytest.mark.parametrize("options", [{}, {"sharp": True}, {"estimator": ps.AIPW()}])
def test_intervals_hold_the_effect_under_a_confounder_of_that_strength(options):
    roles = {"outcome": "y", "treatment": "t", "covariates": ["x"], "progress": False, "n_reps": 80}
    held = {1.0: 0, 2.0: 0}
    reps = 60
    for seed in range(reps):
        df = hidden(400, 2.0, seed)
        table = ps.sensitivity_bounds(df, **roles, gamma=[1.0, 2.0], **options).table
        for row in table.itertuples():
            held[row.gamma] += row.conf_low <= 0.5 <= row.conf_high
    assert held[1.0] / reps < 0.6
    assert held[2.0] / reps > 0.93


# As a result


def test_polars_and_shuffled_rows_give_the_same():
    df = world(150)
    expected = ps.sensitivity_bounds(df, **ROLES).table
    pd.testing.assert_frame_equal(ps.sensitivity_bounds(pl.from_pandas(df), **ROLES).table, expected)
    pd.testing.assert_frame_equal(
        ps.sensitivity_bounds(df.sample(frac=1, random_state=1), **ROLES).table, expected
    )


def test_clusters_are_drawn_whole():
    df = world(160).assign(team=lambda d: np.arange(len(d)) // 4)
    alone, together = (ps.sensitivity_bounds(df, **ROLES, cluster=c).table for c in (None, "team"))
    assert_allclose(alone["lower"], together["lower"])
    assert (alone["conf_low"] != together["conf_low"]).all()


def test_bounds_are_a_result():
    found = ps.sensitivity_bounds(world(), **ROLES)
    again = pickle.loads(pickle.dumps(found))
    pd.testing.assert_frame_equal(again.table, found.table)
    assert "bounds of the marginal sensitivity model; 20 replicates, seed 0" in repr(found)


@pytest.mark.filterwarnings("ignore::propensity.errors.DegenerateWarning")
def test_failed_replicates_are_told():
    few = world(200).assign(t=np.arange(200) < 2)
    with pytest.warns(OverlapWarning, match="could not be estimated"):
        ps.sensitivity_bounds(few, **(ROLES | {"covariates": "1", "n_reps": 100}))


# Refusals


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"gamma": [0.9]}, InvalidInputError, "gamma must be a finite number of at least 1"),
        ({"gamma": [2, 1.5]}, InvalidInputError, "are not ascending"),
        ({"gamma": "2"}, TypeError, r"a list of numbers is needed, as in gamma=\[1.25, 1.5, 2\]"),
        ({"estimator": ps.IPW("ATO")}, InvalidInputError, "bounds are for the ATE, the ATT and the ATC"),
        ({"estimator": ps.IPW(n_folds=3)}, InvalidInputError, "every replicate refits the score"),
        ({"estimator": ps.AIPW(n_folds=3)}, InvalidInputError, "every replicate refits the score"),
        ({"estimator": ps.IPW(truncate=0.99)}, InvalidInputError, "leave truncate out"),
        ({"estimator": ps.RegressionAdjustment()}, InvalidInputError, r"ps.IPW\(...\) or ps.AIPW"),
        ({"sharp": "yes"}, InvalidInputError, "sharp must be True or False"),
        ({"n_reps": 1}, InvalidInputError, "n_reps must be"),
        ({"penalty": -1.0}, InvalidInputError, "penalty must be"),
        ({"outcome": ["y", "x"]}, TypeError, "outcome: sensitivity_bounds takes one outcome; for several"),
        ({"n_boot": 10}, TypeError, "n_boot= is called n_reps= here"),
    ],
)
def test_what_bounds_nothing_is_refused(options, error, says):
    with pytest.raises(error, match=says):
        ps.sensitivity_bounds(world(), **(ROLES | options))
