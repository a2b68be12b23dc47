"""Weights bounded at a quantile of their arm's: one definition, in every door and every replicate."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import propensity as ps
import reference
import stacked
from propensity import core
from propensity.errors import InvalidInputError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

CALL = {"outcome": "y", "treatment": "t"}
ESTIMANDS = ("ATE", "ATT", "ATC", "ATO", "ATM")


def people(n=800, seed=3):
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n), rng.integers(0, 4, n)
    t = rng.random(n) < reference.expit(1.3 * x - 0.3 * z)
    columns = {"t": t.astype(int), "y": t + x + z + rng.normal(size=n), "x": x, "z": z}
    return pd.DataFrame(columns | {"s": rng.integers(0, 4, n) * 0.7})


def model_of(df, **options):
    return ps.fit_propensity(df, treatment="t", covariates=["x", "z"], **options)


@pytest.mark.parametrize("estimand", ESTIMANDS)
@pytest.mark.parametrize("weight", [None, "s"])
def test_ipw_bounds_weights_as_truncate_does(estimand, weight):
    df = people()
    model = model_of(df, sample_weight=weight)
    options = {"estimand": estimand, "sample_weight": weight}
    effect = ps.ipw(df, **CALL, scores=model, truncate=0.9, **options)
    for bounded in (
        ps.truncate(ps.ipw(df, **CALL, scores=model, **options), upper=0.9),
        ps.truncate(model, estimand=estimand, upper=0.9),
    ):
        assert_allclose(effect.balancing_weights, np.asarray(bounded.weights), rtol=1e-12)
        assert bounded.estimand == estimand
        known = ps.weighted_effect(df, **CALL, weights=bounded, sample_weight=weight)
        assert known.estimate == pytest.approx(effect.estimate, rel=1e-10)
        assert (known.ess_treated, known.ess_control) == pytest.approx(
            (effect.ess_treated, effect.ess_control)
        )
    lowered = bounded.counts["n_lowered"]
    assert f"({lowered['treated']:,} treated and {lowered['control']:,} control rows" in effect.se_method


@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_bounds_are_quantiles_of_each_arms_weights(estimand):
    df = people()
    model = model_of(df)
    effect = ps.ipw(df, **CALL, scores=model, estimand=estimand, truncate=0.95)
    twin = reference.ipw(df["y"], df["t"] == 1, np.asarray(model.scores), estimand, truncate=0.95)
    assert effect.estimate == pytest.approx(twin.estimate, rel=1e-10)
    assert_allclose(effect.weights, twin.weights, rtol=1e-12)


@pytest.mark.parametrize("estimand", ESTIMANDS)
@pytest.mark.parametrize("known", [True, False])
def test_standard_error_is_that_of_stacked_equations_with_known_bounds(estimand, known):
    df = people(300)
    model = model_of(df)
    scores = model.scores.to_numpy() if known else model
    effect = ps.ipw(df, **CALL, scores=scores, estimand=estimand, truncate=0.9)
    t, w = df["t"] == 1, np.asarray(effect.weights)
    if known:
        total = 0.0
        for arm, mean in ((t, effect.mean_treated), (~t, effect.mean_control)):
            total += ((w * (df["y"] - mean))[arm] ** 2).sum() / w[arm].sum() ** 2
        assert effect.std_error == pytest.approx(np.sqrt(total), rel=1e-10)
        return
    bounds = w[t].max(), w[~t].max()
    x = df[["x", "z"]].to_numpy(float)
    design = stacked.Design(x, t.to_numpy(), df["y"].to_numpy(), "ipw", estimand, bounds=bounds)
    found = stacked.solve(design)
    assert effect.estimate == pytest.approx(found.estimate, rel=1e-7)
    assert effect.std_error == pytest.approx(found.std_error, rel=1e-4)


@pytest.mark.parametrize("n", [400, 2_500])
@pytest.mark.parametrize("rounded", [True, False])
def test_bounds_are_found_anew_in_every_replicate(n, rounded):
    df = people(n)
    if rounded:
        df["x"] = df["x"].round(1)
    arrays = df[["x", "z"]].to_numpy(float), df["t"].to_numpy() == 1, df["y"].to_numpy()
    estimators = [ps.IPW(estimand, truncate=0.93) for estimand in ESTIMANDS]
    boot = core.bootstrap(*arrays, estimators=estimators, n_reps=4, seed=2)
    for replicate in range(4):
        twin = reference.bootstrap_replicate(*arrays, estimators=estimators, seed=2, replicate=replicate)
        assert_allclose(boot.replicates[replicate], twin, rtol=0, atol=1e-9)


@pytest.mark.parametrize("rounded", [True, False])
def test_sample_weights_go_with_the_rows_that_are_drawn(rounded):
    df = people(500)
    if rounded:
        df["x"], df["y"] = df["x"].round(0), df["y"].round(0)
    arrays = df[["x", "z"]].to_numpy(float), df["t"].to_numpy() == 1, df["y"].to_numpy()
    df = df[df["s"] > 0]
    x, t, y = (array[df.index] for array in arrays)
    s = df["s"].to_numpy()
    estimators = [ps.IPW(estimand, truncate=0.9) for estimand in ESTIMANDS]
    boot = core.bootstrap(x, t, y, estimators=estimators, sample_weight=s, n_reps=3, seed=4)
    for replicate in range(3):
        counts = reference.replicate_counts(4, replicate, len(x), cells=reference.alike(x, t, y, s))
        rows = np.repeat(np.arange(len(x)), counts)
        e = core.fit_propensity(x[rows], t[rows], sample_weight=s[rows]).scores
        twin = [
            core.ipw(y[rows], t[rows], e, estimand=one, truncate=0.9, sample_weight=s[rows]).estimate
            for one in ESTIMANDS
        ]
        assert_allclose(boot.replicates[replicate], twin, rtol=0, atol=1e-9)


def test_bayesian_replicates_count_the_rows_of_the_data():
    df = people(600)
    boot = ps.bootstrap(
        df,
        **CALL,
        covariates=["x", "z"],
        estimators=[ps.IPW("ATE", truncate=0.9), ps.IPW("ATE")],
        resampling="bayesian",
        n_reps=200,
        progress=False,
    )
    spread = boot.std_errors
    assert 0.3 < spread.iloc[0] / spread.iloc[1] < 1.0
    assert boot.replicates.iloc[:, 0].mean() == pytest.approx(boot.estimates.iloc[0], abs=0.1)


def test_specification_and_function_agree_in_a_table():
    df = people()
    estimators = [ps.IPW("ATE", truncate=0.99), ps.IPW("ATE"), ps.IPW("ATO")]
    table = ps.estimate(df, **CALL, covariates=["x", "z"], estimators=estimators)
    assert list(table.index) == ["naive gap", "IPW ATE (truncated at 0.99)", "IPW ATE", "IPW ATO"]
    effect = ps.ipw(df, **CALL, scores=model_of(df), truncate=0.99)
    row = table.loc["IPW ATE (truncated at 0.99)"]
    assert (row["estimate"], row["std_error"]) == pytest.approx((effect.estimate, effect.std_error))
    assert row["ess_control"] > table.loc["IPW ATE", "ess_control"]


def test_standard_errors_are_those_of_samples_drawn_anew():
    estimates, errors, known = [], [], []
    for seed in range(400):
        df = people(500, seed=100 + seed)
        effect = ps.ipw(df, **CALL, scores=model_of(df), truncate=0.95)
        estimates.append(effect.estimate)
        errors.append(effect.std_error)
        known.append(ps.weighted_effect(df, **CALL, weights=effect).std_error)
    spread = np.std(estimates, ddof=1)
    # 400 samples tell a spread to 3.5%; the bounds, taken as known, add little to it.
    assert np.mean(errors) / spread == pytest.approx(1.0, abs=0.12)
    assert np.mean(known) / spread > 1.1


# Scores, and what is refused


def test_scores_that_are_given_are_made_weights_first():
    df = people()
    e = model_of(df).scores
    found = ps.truncate(scores=e, treatment=df["t"], estimand="ATT", upper=0.9)
    weights = ps.balancing_weights(df, treatment="t", scores=e, estimand="ATT")
    pd.testing.assert_series_equal(found.weights, ps.truncate(weights, treatment=df["t"], upper=0.9).weights)
    assert found.estimand == "ATT"
    assert found.fingerprint is None
    again = ps.truncate(found, upper=0.5)
    assert again.estimand == "ATT"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": np.ones(4), "scores": np.full(4, 0.5)}, "give one of the two"),
        ({"scores": np.full(4, 0.5)}, "who was treated"),
        ({"scores": "e"}, r"take the column, df\['...'\]"),
        ({"weights": np.ones(4), "estimand": "ATE"}, "weights that are made of scores"),
        ({"scores": np.full(4, 0.5), "treatment": [1, 1, 0, 0], "estimand": "all"}, "estimand must be one"),
    ],
)
def test_truncate_wants_weights_or_scores(options, message):
    with pytest.raises(InvalidInputError, match=message):
        ps.truncate(upper=0.9, **options)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0.01, r"to bound the largest 0\.01 of the weights take truncate=0\.99"),
        (1.0, "quantile from 0.5 to below 1, as 0.99"),
        (99, "quantile from 0.5 to below 1, as 0.99"),
        ("0.99", "quantile from 0.5 to below 1, as 0.99"),
        (True, "quantile from 0.5 to below 1, as 0.99"),
    ],
)
def test_bounds_that_are_no_upper_quantile_are_refused(value, message):
    with pytest.raises(InvalidInputError, match=message):
        ps.IPW("ATE", truncate=value)
    df = people(100)
    with pytest.raises(InvalidInputError, match=message):
        ps.ipw(df, **CALL, scores=np.full(100, 0.5), truncate=value)


def test_core_refuses_what_is_no_quantile():
    y, t = np.arange(4.0), np.array([1, 1, 0, 0])
    for value in (-0.1, 0.0, 1.5, np.nan):
        with pytest.raises(InvalidInputError, match="truncate"):
            core.ipw(y, t, np.full(4, 0.5), truncate=value)
