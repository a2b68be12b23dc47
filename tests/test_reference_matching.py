"""Nearest neighbours against Matching, on lalonde and the first of the tutorial's users."""

import json
from pathlib import Path

import numpy as np
import pytest

import propensity as ps
from conftest import COVARIATES, OUTCOME, TREATMENT

FOLDER = Path(__file__).parent / "reference"
LALONDE = json.loads((FOLDER / "lalonde_match.json").read_text())["values"]
TUTORIAL = json.loads((FOLDER / "tutorial_match.json").read_text())["values"]
LALONDE_COVARIATES = ["age", "educ", "race", "married", "nodegree", "re74", "re75"]


@pytest.fixture(scope="module")
def trained():
    df = ps.datasets.lalonde()
    return df.assign(score=ps.fit_propensity(df, treatment="treat", covariates=LALONDE_COVARIATES).scores)


@pytest.fixture(scope="module")
def first_users(logs):
    df = logs.head(5000)
    return df.assign(score=ps.fit_propensity(df, treatment=TREATMENT, covariates=COVARIATES).scores)


def match_lalonde(trained, **options):
    """With the scores as numbers: Matching takes them as known."""
    return ps.match_nn(trained, treatment="treat", scores="score", **options)


def match_users(first_users, **options):
    return ps.match_nn(first_users, treatment=TREATMENT, scores="score", **options)


def assert_matched(matches, expected, weights):
    assert matches.n_matched == expected["n_matched"]
    assert matches.n_pairs == expected["n_pairs"]
    w = np.asarray(matches.weights)
    assert (w**2).sum() == pytest.approx(weights["squares"], rel=1e-9)
    assert w @ np.arange(1, len(w) + 1) == pytest.approx(weights["moment"], rel=1e-9)


@pytest.mark.parametrize("estimand", ["ATT", "ATC", "ATE"])
@pytest.mark.parametrize("on", ["score", "logit"])
@pytest.mark.parametrize("n_neighbors", [1, 3, 5])
def test_match_nn_is_matchings_on_lalonde(trained, n_neighbors, on, estimand):
    matches = match_lalonde(trained, on=on, estimand=estimand, n_neighbors=n_neighbors)
    expected = LALONDE[f"nn.{on}.{estimand}.{n_neighbors}"]
    assert_matched(matches, expected, expected["weights"])
    effect = matches.effect(trained["re78"])
    assert effect.estimate == pytest.approx(expected["estimate"], rel=1e-8)
    assert effect.std_error == pytest.approx(expected["errors"]["std_error"], rel=1e-8)


@pytest.mark.parametrize("estimand", ["ATT", "ATC", "ATE"])
@pytest.mark.parametrize("on", ["score", "logit"])
def test_match_nn_within_a_caliper_is_matchings_on_lalonde(trained, on, estimand):
    matches = match_lalonde(trained, on=on, estimand=estimand, caliper=0.25)
    expected = LALONDE[f"caliper.{on}.{estimand}"]
    assert_matched(matches, expected, expected["weights"])
    assert matches.effect(trained["re78"]).estimate == pytest.approx(expected["estimate"], rel=1e-8)


@pytest.mark.parametrize("estimand", ["ATT", "ATC", "ATE"])
@pytest.mark.parametrize("on", ["score", "logit"])
@pytest.mark.parametrize("n_neighbors", [1, 4])
def test_match_nn_is_matchings_on_the_tutorials_users(first_users, n_neighbors, on, estimand):
    matches = match_users(first_users, on=on, estimand=estimand, n_neighbors=n_neighbors)
    expected = TUTORIAL[f"nn.{on}.{estimand}.{n_neighbors}"]
    assert_matched(matches, expected, expected)
    effect = matches.effect(first_users[OUTCOME])
    assert effect.estimate == pytest.approx(expected["estimate"], rel=1e-8)
    assert effect.std_error == pytest.approx(expected["std_error"], rel=1e-8)


@pytest.mark.parametrize("estimand", ["ATT", "ATC", "ATE"])
def test_match_nn_within_a_caliper_is_matchings_on_the_tutorials_users(first_users, estimand):
    matches = match_users(first_users, on="logit", estimand=estimand, caliper=0.001)
    expected = TUTORIAL[f"caliper.{estimand}"]
    assert_matched(matches, expected, expected)
    assert matches.effect(first_users[OUTCOME]).estimate == pytest.approx(expected["estimate"], rel=1e-8)
