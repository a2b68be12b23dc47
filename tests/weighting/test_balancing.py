"""Balancing weights in frames: what must hold of them, what cannot be balanced, and what a result does."""

import doctest
import pickle

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from balancing_data import FITS, LALONDE, frame_of, world
from propensity import core
from propensity.effects import estimators
from propensity.errors import (
    BalanceWarning,
    CollinearityWarning,
    InfeasibleError,
    InvalidInputError,
    OverlapWarning,
    SmallSampleWarning,
)
from propensity.weighting import balancing

pytestmark = [
    pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning"),
    # The trained of lalonde are of an age, and weights that balance means leave them so.
    pytest.mark.filterwarnings("ignore:.*arms still differ .* in age.2:propensity.errors.BalanceWarning"),
]


@pytest.fixture(scope="module")
def lalonde():
    return ps.datasets.lalonde()


def test_means_wanted_are_reached(lalonde):
    for estimand, method in FITS:
        options = {"treatment": "treat", "covariates": LALONDE, "estimand": estimand, "method": method}
        weights = ps.fit_weights(lalonde, **options)
        table = weights.summary()
        scale = weights.terms.x.std(axis=0)
        gap = (table["mean_treated"] - table["mean_control"]) / scale
        assert np.abs(gap).max() < 1e-9
        assert weights.max_imbalance < 1e-9
        if method != "cbps":
            assert (np.abs(table["mean_treated"] - table["target"]) / scale).max() < 1e-9
        assert weights.balance()["adjusted"]["smd"].abs().max() < 1e-9


def test_squares_and_products_are_balanced_and_named_as_balance_names_them(lalonde):
    weights = ps.fit_weights(
        lalonde, treatment="treat", covariates=["age", "educ", "race"], moments=2, interactions=True
    )
    table = weights.balance(squares=True, interactions=True)["adjusted"]
    assert set(weights.terms.names) <= set(table.index)
    assert {"age^2", "age:educ", "age:race[hispan]", "race[white]"} <= set(weights.terms.names)
    assert table["smd"].abs().max() < 1e-9
    plain = ps.fit_weights(lalonde, treatment="treat", covariates=["age", "educ", "race"])
    assert plain.balance(squares=True)["adjusted"]["smd"].abs().max() > 0.05


# What must not matter


def weights_of(frame, **options):
    given = {"treatment": "t", "covariates": ["x0", "x1", "x2"], **options}
    return np.asarray(ps.fit_weights(frame, **given).weights)


@pytest.mark.parametrize(("estimand", "method"), FITS)
def test_a_sample_weight_of_2_is_the_row_twice_and_of_0_no_row(estimand, method):
    x, t, y, _ = world(200, seed=5)
    frame = frame_of(x, t, y, 1.0 + np.arange(200) % 3 - (np.arange(200) % 3 == 2) * 3.0)
    options = {"estimand": estimand, "method": method}
    weighted = ps.fit_weights(
        frame, treatment="t", covariates=["x0", "x1", "x2"], sample_weight="w", **options
    )
    rows = frame.loc[frame.index.repeat(frame["w"].astype(int))].reset_index(drop=True)
    spelled = ps.fit_weights(rows, treatment="t", covariates=["x0", "x1", "x2"], **options)
    assert weighted.effect("y").estimate == pytest.approx(spelled.effect("y").estimate, rel=1e-10)
    assert (np.asarray(weighted.weights)[frame["w"] == 0] == 0).all()
    kept = frame[frame["w"] > 0]
    without = ps.fit_weights(kept, treatment="t", covariates=["x0", "x1", "x2"], sample_weight="w", **options)
    assert weighted.effect("y").estimate == pytest.approx(without.effect("y").estimate, rel=1e-12)
    # n is that of all rows in both, so that the error of a mean is the same.
    assert weighted.effect("y").std_error == pytest.approx(without.effect("y").std_error, rel=1e-9)


@pytest.mark.parametrize(("estimand", "method"), FITS)
def test_swapped_arms_swap_att_and_atc(estimand, method):
    x, t, y, w = world(seed=6)
    other = {"ATT": "ATC", "ATC": "ATT", "ATE": "ATE"}[estimand]
    found = core.fit_weights(x, t, estimand=estimand, method=method, sample_weight=w)
    swapped = core.fit_weights(x, ~t, estimand=other, method=method, sample_weight=w)
    np.testing.assert_allclose(found.weights, swapped.weights, rtol=1e-10)
    effects = [
        core.balanced_effect(y, arm, found.weights, x, estimand=one, method=method, sample_weight=w)
        for arm, one in ((t, estimand), (~t, other))
    ]
    assert effects[0].estimate == pytest.approx(-effects[1].estimate, rel=1e-10)
    assert effects[0].std_error == pytest.approx(effects[1].std_error, rel=1e-10)


@pytest.mark.parametrize(("estimand", "method"), FITS)
@pytest.mark.parametrize("penalty", [0.0, 2.0])
def test_order_units_and_threads_do_not_matter(estimand, method, penalty):
    x, t, _, w = world(seed=7)
    options = {"estimand": estimand, "method": method, "penalty": penalty}
    found = core.fit_weights(x, t, sample_weight=w, **options).weights
    order = np.random.default_rng(0).permutation(len(x))
    shuffled = core.fit_weights(x[order], t[order], sample_weight=w[order], **options).weights
    np.testing.assert_allclose(shuffled, found[order], rtol=1e-9)
    scaled = core.fit_weights(x * [1e6, 1e-6, -3.0] + [1e6, 0, 5], t, sample_weight=w * 8, **options).weights
    np.testing.assert_allclose(scaled, 8 * found, rtol=1e-8)
    one = core.fit_weights(x, t, sample_weight=w, n_threads=1, **options).weights
    assert (one == core.fit_weights(x, t, sample_weight=w, n_threads=3, **options).weights).all()


def test_a_collinear_dummy_is_left_out_and_balanced():
    x, t, y, w = world(seed=8)
    frame = frame_of(x, t, y, w).assign(on=lambda f: f["x0"] > 0, off=lambda f: f["x0"] <= 0)
    options = {"treatment": "t", "covariates": ["x0", "on", "off"]}
    with pytest.warns(CollinearityWarning, match="off"):
        found = ps.fit_weights(frame, **options)
    assert found.dropped == ("off",)
    assert "off" not in found.coefficients.index
    assert found.imbalance["off"] < 1e-12
    plain = weights_of(frame, covariates=["x0", "on"])
    np.testing.assert_allclose(np.asarray(found.weights), plain, rtol=1e-10)


def test_many_rows_start_from_a_sample_and_end_where_all_do():
    x, t, y, _ = world(300_000, seed=9)
    for estimand, method in FITS:
        found = core.fit_weights(x, t, estimand=estimand, method=method)
        assert found.imbalance.max() < 1e-12
        assert found.iterations <= 4
        rescaled = core.balanced_effect(y, t, found.weights, x, estimand=estimand, method=method)
        assert rescaled.estimate == pytest.approx(2.0, abs=0.3)


# What cannot be balanced


def test_terms_out_of_reach_are_named_with_remedies():
    x, t, y, w = world(seed=10)
    frame = frame_of(x, t, y, w).assign(x1=lambda f: f["x1"] + 100 * f["t"], tier="a")
    frame.loc[frame["t"] == 1, "tier"] = np.where(np.arange((frame["t"] == 1).sum()) % 2, "a", "only treated")
    with pytest.raises(InfeasibleError, match="of the control rows reach the treated's mean of x1:") as error:
        ps.fit_weights(frame, treatment="t", covariates=["x0", "x1", "x2"])
    assert "penalty=1.0" in str(error.value)
    assert "estimand='ATO'" in str(error.value)
    assert (error.value.columns, error.value.treated) == ((1,), False)
    with pytest.raises(InfeasibleError, match=r"mean of tier\[only treated\]"):
        ps.fit_weights(frame, treatment="t", covariates=["x0", "tier"])
    with pytest.raises(InfeasibleError, match="let the arms meet in x1: take method='entropy'"):
        ps.fit_weights(frame, treatment="t", covariates=["x0", "x1"], estimand="ATE", method="cbps")
    with pytest.warns(BalanceWarning, match=r"in x1 \+18.* a smaller penalty leaves less"):
        near = ps.fit_weights(frame, treatment="t", covariates=["x0", "x1", "x2"], penalty=1.0)
    assert near.max_imbalance > 0.1
    assert np.isfinite(near.effect("y").std_error)


def test_more_terms_than_rows_to_weigh_are_out_of_reach():
    rng = np.random.default_rng(11)
    x, t = rng.normal(size=(60, 20)), np.arange(60) >= 15
    with pytest.raises(InfeasibleError):
        core.fit_weights(x, t)
    assert np.isfinite(core.fit_weights(x, t, penalty=1.0).weights).all()


def test_feasibility_is_that_of_a_linear_program():
    from scipy.optimize import linprog

    outcomes = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(60, 5))
        t = rng.random(60) < 1 / (1 + np.exp(-1.5 * x[:, 0] - x[:, 1]))
        rows = np.vstack([np.ones((~t).sum()), x[~t].T])
        possible = linprog(np.zeros((~t).sum()), A_eq=rows, b_eq=[1, *x[t].mean(axis=0)]).status == 0
        try:
            core.fit_weights(x, t)
            found = True
        except InfeasibleError:
            found = False
        assert found == possible, seed
        outcomes.append(found)
    assert 5 < sum(outcomes) < 35


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"estimand": "ATO"}, "balance every term exactly already"),
        ({"estimand": "ATM"}, "known by a score alone"),
        ({"estimand": "everyone"}, "estimand"),
        ({"method": "energy"}, "method"),
        ({"penalty": -1.0}, "penalty"),
        ({"moments": 3}, "moments must be 1 or 2"),
        ({"moments": 0}, "moments"),
        ({"covariates": []}, "covariates"),
        ({"covariates": ["x0", "t"]}, "column 't'"),
    ],
)
def test_bad_options_are_told_of(options, message):
    frame = frame_of(*world(seed=12))
    with pytest.raises(InvalidInputError, match=message):
        ps.fit_weights(frame, **{"treatment": "t", "covariates": ["x0"], **options})


# What a result does


@pytest.fixture(scope="module")
def made():
    frame = frame_of(*world(seed=13)).set_axis([f"u{row}" for row in range(400)])
    frame["team"] = np.arange(400) // 8
    return frame, ps.fit_weights(frame, treatment="t", covariates=["x0", "x1", "x2"], sample_weight="w")


def test_effect_reads_outcomes_by_name_and_by_value(made):
    frame, weights = made
    effect = weights.effect("y")
    assert weights.effect(frame["y"]).estimate == effect.estimate
    several = weights.effect(["y", "team"])
    assert several["y"].std_error == effect.std_error
    assert weights.effect("team", contrast="ratio").contrast == "ratio"
    clustered = weights.effect("y", cluster="team")
    assert clustered.std_error == weights.effect("y", cluster=frame["team"]).std_error
    assert "50 clusters" in clustered.se_method
    with pytest.raises(InvalidInputError, match="takes its effect away"):
        weights.effect("x0")
    with pytest.raises(InvalidInputError, match="index"):
        weights.effect(frame["y"].iloc[::-1])


def test_rows_that_have_changed_are_refused(made):
    frame, weights = made
    with pytest.raises(InvalidInputError, match="since the weights were made"):
        ps.smd(frame.assign(x0=0.0), treatment="t", covariates=["x1"], weights=weights, sample_weight="w")
    own = frame.copy()
    again = ps.fit_weights(own, treatment="t", covariates=["x0"])
    own["x0"] = own["x0"].to_numpy()[::-1]  # the same values elsewhere
    with pytest.raises(InvalidInputError, match=r"put in another order .* since the weights were made"):
        again.effect("y")


def test_balance_truncate_and_plots_take_the_weights(made):
    frame, weights = made
    options = {"treatment": "t", "covariates": ["x0", "x1", "x2"], "sample_weight": "w"}
    assert ps.smd(frame, weights=weights, **options).abs().max() < 1e-9
    assert ps.balance(frame, weights=weights, **options)["adjusted"]["smd"].abs().max() < 1e-9
    bounded = ps.truncate(weights, upper=0.9)
    assert bounded.n_truncated > 0
    np.testing.assert_allclose(
        weights.balancing_weights * frame["w"].to_numpy(), np.asarray(weights.weights), rtol=1e-12
    )
    assert weights.weights.name == "total_weights"


def test_pictures_take_the_weights(made):
    from matplotlib import pyplot as plt

    plt.switch_backend("Agg")
    frame, weights = made
    drawn = ps.plots.love_plot(weights)
    assert "x0" in [label.get_text() for label in drawn.get_yticklabels()]
    ps.plots.love_plot(weights, df=frame, covariates=["x0", "x1"])
    ps.plots.love_plot({"balanced": weights}, df=frame, covariates=["x0", "x1"])
    above = ps.plots.weight_plot(weights)
    assert any("effective sample" in text.get_text() for text in above.texts)
    ps.plots.ecdf_plot(frame, "x0", "t", weights=weights)
    with pytest.raises(InvalidInputError, match="these weights are of other rows: make them of these"):
        ps.plots.weight_plot(frame.iloc[::-1], weights)
    plt.close("all")


def test_weights_pickle_without_the_frame(made):
    frame, weights = made
    again = pickle.loads(pickle.dumps(weights))
    assert again.effect(frame["y"]).std_error == weights.effect("y").std_error
    with pytest.raises(TypeError, match="the frame is not in a pickle"):
        again.effect("y")
    with pytest.raises(TypeError, match="the frame is not in a pickle"):
        again.balance()


def test_weights_read_polars_and_missing_outcomes_of_absent_rows():
    pl = pytest.importorskip("polars")
    frame = frame_of(*world(seed=14))
    found = ps.fit_weights(pl.from_pandas(frame), treatment="t", covariates=["x0", "x1"])
    expected = weights_of(frame, covariates=["x0", "x1"])
    np.testing.assert_allclose(found.weights.to_numpy(), expected, rtol=1e-12)
    frame.loc[:9, "w"] = 0.0
    frame.loc[:9, "y"] = np.nan
    weights = ps.fit_weights(frame, treatment="t", covariates=["x0"], sample_weight="w")
    assert np.isfinite(weights.effect("y").std_error)
    frame.loc[20, "y"] = np.nan
    with pytest.raises(InvalidInputError, match="1 missing value"):
        ps.fit_weights(frame, treatment="t", covariates=["x0"], sample_weight="w").effect("y")


def test_a_result_shows_what_was_reached(made):
    _, weights = made
    assert "Balancing weights for the ATT by entropy balancing: 3 terms" in repr(weights)
    assert list(weights.summary()) == [
        "target",
        "raw_treated",
        "raw_control",
        "mean_treated",
        "mean_control",
        "imbalance",
    ]
    assert list(weights.coefficients) == ["control"]
    eta = weights.coefficients["control"]
    x = np.column_stack([np.ones(400), weights.terms.x])
    expected = np.exp(x @ eta.to_numpy())[~weights.treated]
    np.testing.assert_allclose(weights.balancing_weights[~weights.treated], expected, rtol=1e-9)


@pytest.mark.filterwarnings("default::propensity.errors.SmallSampleWarning")
def test_few_rows_for_the_terms_are_warned_of():
    x, t, y, w = world(120, seed=15)
    frame = frame_of(x, t, y, w)
    with pytest.warns(SmallSampleWarning, match="10 terms are balanced on the worth of"):
        weights = ps.fit_weights(
            frame, treatment="t", covariates=["x0", "x1", "x2"], moments=2, interactions=True
        )
    assert any("10 terms" in str(caution) for caution in weights.effect("y").cautions)


def test_an_arm_worth_a_tenth_of_its_rows_is_warned_of():
    rng = np.random.default_rng(16)
    n = 20_000
    x = rng.normal(size=n)
    t = rng.random(n) < 1 / (1 + np.exp(7 - 3 * x))
    with pytest.warns(OverlapWarning, match="control rows are worth"):
        ps.fit_weights(pd.DataFrame({"t": t, "x": x}), treatment="t", covariates=["x"])


def test_estimate_takes_the_specification(lalonde):
    table = ps.estimate(
        lalonde,
        outcome="re78",
        treatment="treat",
        covariates=LALONDE,
        estimators=[ps.RegressionAdjustment("ATT"), ps.Balancing("ATT"), ps.Balancing("ATE", method="ipt")],
    )
    assert table.loc["EB ATT", "estimate"] == pytest.approx(1273.2618139119, rel=1e-10)
    assert table.loc["IPT ATE", "estimate"] == pytest.approx(532.110484955, rel=1e-9)


def test_estimate_says_what_cannot_be_balanced():
    frame = frame_of(*world(seed=17)).assign(x1=lambda f: f["x1"] + 60 * f["t"])
    with pytest.warns(ps.errors.FailedEstimatorWarning, match="EB ATT could not be had: no weights"):
        table = ps.estimate(
            frame,
            outcome="y",
            treatment="t",
            covariates=["x0", "x1"],
            estimators=[ps.RegressionAdjustment("ATT"), ps.Balancing("ATT")],
        )
    assert np.isnan(table.loc["EB ATT", "estimate"])


def test_examples_in_docstrings_run():
    for module in (balancing, estimators):
        found = doctest.testmod(module)
        assert found.attempted > 0
        assert found.failed == 0
