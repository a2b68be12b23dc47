"""Weighting through the frame door: the tutorial's effects, and every way of giving scores."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import propensity as ps
import reference
from conftest import COVARIATES, OUTCOME, TREATMENT
from propensity.errors import CollinearityWarning


def test_naive_gap_is_the_tutorials(logs, tutorial):
    completed = logs.groupby(TREATMENT)[OUTCOME].mean()
    assert completed[1] - completed[0] == pytest.approx(tutorial["naive"], abs=1e-9)


@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
def test_ipw_finds_the_tutorials_effect(logs, model, tutorial, estimand):
    effect = ps.ipw(logs, outcome=OUTCOME, treatment=TREATMENT, scores=model, estimand=estimand)
    assert effect.estimate == pytest.approx(tutorial["ipw"][estimand], abs=1e-8)
    assert effect.estimand == estimand


@pytest.mark.parametrize("estimand", ["ATE", "ATT"])
def test_ipw_finds_the_tutorials_effect_with_scikit_learns_penalty(logs, tutorial, estimand):
    model = ps.fit_propensity(logs, treatment=TREATMENT, covariates=COVARIATES, penalty=1.0)
    effect = ps.ipw(logs, outcome=OUTCOME, treatment=TREATMENT, scores=model, estimand=estimand)
    assert effect.estimate == pytest.approx(tutorial["ipw_penalized"][estimand], abs=1e-8)


@pytest.mark.parametrize("convert", [pl.from_pandas, pa.Table.from_pandas])
def test_ipw_gives_other_libraries_the_same_numbers(logs, tutorial, convert):
    other = convert(logs)
    model = ps.fit_propensity(other, treatment=TREATMENT, covariates=COVARIATES)
    effect = ps.ipw(other, outcome=OUTCOME, treatment=TREATMENT, scores=model)
    assert effect.estimate == pytest.approx(tutorial["ipw"]["ATE"], abs=1e-8)


@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC", "ATO", "ATM"])
def test_effect_is_made_of_its_weights(users, estimand):
    model = ps.fit_propensity(users, treatment="opted", covariates=["tier", "visits"])
    effect = ps.ipw(users, outcome="done", treatment="opted", scores=model, estimand=estimand)
    weights = ps.balancing_weights(users, treatment="opted", scores=model, estimand=estimand)
    pd.testing.assert_series_equal(effect.weights, weights)
    e, t = model.scores, users["opted"]
    tilt = reference.tilt(e, estimand)
    np.testing.assert_allclose(weights, tilt / np.where(t, e, 1 - e), rtol=1e-12)
    for arm, mean, ess in (
        (t, effect.mean_treated, effect.ess_treated),
        (~t, effect.mean_control, effect.ess_control),
    ):
        assert mean == pytest.approx(np.average(users["done"][arm], weights=weights[arm]))
        assert ess == pytest.approx(weights[arm].sum() ** 2 / (weights[arm] ** 2).sum())
    assert effect.estimate == pytest.approx(effect.mean_treated - effect.mean_control)


def test_scores_may_be_model_column_series_array_or_list(users):
    model = ps.fit_propensity(users, treatment="opted", covariates=["tier", "visits"])
    users["score"] = model.scores
    expected = ps.balancing_weights(users, treatment="opted", scores=model)
    for scores in (
        "score",
        model.scores,
        model.scores.to_numpy(),
        list(model.scores),
        model.scores.astype("Float64"),
    ):
        found = ps.balancing_weights(users, treatment="opted", scores=scores)
        pd.testing.assert_series_equal(found, expected)


def test_scores_of_another_library_go_by_position(users):
    model = ps.fit_propensity(users, treatment="opted", covariates=["visits"])
    expected = ps.balancing_weights(users, treatment="opted", scores=model)
    for series in (pl.Series(model.scores.to_numpy()), pa.chunked_array([model.scores.to_numpy()])):
        found = ps.balancing_weights(users, treatment="opted", scores=series)
        pd.testing.assert_series_equal(found, expected)


def test_outcome_may_be_bool(users):
    model = ps.fit_propensity(users, treatment="opted", covariates=["visits"])
    users["many"] = users["done"] > 5
    effect = ps.ipw(users, outcome="many", treatment="opted", scores=model)
    assert 0 < effect.mean_control < effect.mean_treated < 1


# What must always hold

ESTIMANDS = ["ATE", "ATT", "ATC", "ATO", "ATM"]
OTHER_SIDE = {"ATE": "ATE", "ATT": "ATC", "ATC": "ATT", "ATO": "ATO", "ATM": "ATM"}
COVARIATES_OF_USERS = ["tier", "visits", "tenure"]


def weighted_effect(users, estimand, **options):
    model = ps.fit_propensity(users, treatment="opted", covariates=COVARIATES_OF_USERS)
    return ps.ipw(users, outcome="done", treatment="opted", scores=model, estimand=estimand, **options)


@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_a_constant_added_to_the_outcome_changes_nothing(users, estimand):
    plain = weighted_effect(users, estimand)
    moved = weighted_effect(users.assign(done=users["done"] + 1000), estimand)
    assert moved.estimate == pytest.approx(plain.estimate, abs=1e-10)
    assert moved.std_error == pytest.approx(plain.std_error, rel=1e-9)
    assert moved.mean_treated == pytest.approx(plain.mean_treated + 1000, rel=1e-12)


@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_arms_swapped_flip_the_sign(users, estimand):
    plain = weighted_effect(users, estimand)
    swapped = weighted_effect(users.assign(opted=~users["opted"]), OTHER_SIDE[estimand])
    assert swapped.estimate == pytest.approx(-plain.estimate, rel=1e-9)
    assert swapped.std_error == pytest.approx(plain.std_error, rel=1e-9)


@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_arms_swapped_turn_a_ratio_upside_down(users, estimand):
    plain = weighted_effect(users, estimand, contrast="ratio")
    swapped = weighted_effect(users.assign(opted=~users["opted"]), OTHER_SIDE[estimand], contrast="ratio")
    assert swapped.estimate == pytest.approx(1 / plain.estimate, rel=1e-9)
    assert swapped.std_error == pytest.approx(plain.std_error, rel=1e-9)
    assert swapped.conf_int().conf_low == pytest.approx(1 / plain.conf_int().conf_high, rel=1e-9)


def test_overlap_weights_balance_every_mean_exactly(logs, model):
    weights = ps.balancing_weights(logs, treatment=TREATMENT, scores=model, estimand="ATO")
    left = ps.smd(logs, treatment=TREATMENT, covariates=COVARIATES, weights=weights)
    assert left.abs().max() < 1e-10


def test_collinear_terms_leave_the_standard_error_alone(users):
    plain = weighted_effect(users, "ATE")
    users["double"] = 2 * users["visits"]
    with pytest.warns(CollinearityWarning):
        model = ps.fit_propensity(users, treatment="opted", covariates=[*COVARIATES_OF_USERS, "double"])
    again = ps.ipw(users, outcome="done", treatment="opted", scores=model)
    assert again.estimate == pytest.approx(plain.estimate, rel=1e-9)
    assert again.std_error == pytest.approx(plain.std_error, rel=1e-7)
