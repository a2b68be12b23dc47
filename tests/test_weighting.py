"""Weighting through the frame door: the tutorial's effects, and every way of giving scores."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import propensity as ps
from conftest import COVARIATES, OUTCOME, TREATMENT


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
    assert effect.estimate == pytest.approx(tutorial["ipw_penalised"][estimand], abs=1e-8)


@pytest.mark.parametrize("convert", [pl.from_pandas, pa.Table.from_pandas])
def test_ipw_gives_other_libraries_the_same_numbers(logs, tutorial, convert):
    other = convert(logs)
    model = ps.fit_propensity(other, treatment=TREATMENT, covariates=COVARIATES)
    effect = ps.ipw(other, outcome=OUTCOME, treatment=TREATMENT, scores=model)
    assert effect.estimate == pytest.approx(tutorial["ipw"]["ATE"], abs=1e-8)


@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
def test_effect_is_made_of_its_weights(users, estimand):
    model = ps.fit_propensity(users, treatment="opted", covariates=["tier", "visits"])
    effect = ps.ipw(users, outcome="done", treatment="opted", scores=model, estimand=estimand)
    weights = ps.balancing_weights(users, treatment="opted", scores=model, estimand=estimand)
    pd.testing.assert_series_equal(effect.weights, weights)
    e, t = model.scores, users["opted"]
    tilt = {"ATE": 1.0, "ATT": e, "ATC": 1 - e}[estimand]
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
