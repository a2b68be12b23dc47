"""Nearest neighbours against Matching, on lalonde and the first of the tutorial's users."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from conftest import COVARIATES, OUTCOME, TREATMENT
from propensity.matching.abadie_imbens import adjustments, neighbor_variance
from propensity.matching.effect import read_matched

FOLDER = Path(__file__).parents[1] / "reference"
LALONDE = json.loads((FOLDER / "lalonde_match.json").read_text())["values"]
PUBLISHED = json.loads((FOLDER / "lalonde_published.json").read_text())["values"]
MATCHIT_471 = json.loads((FOLDER / "published_estimates.json").read_text())["values"]
TUTORIAL = json.loads((FOLDER / "tutorial_match.json").read_text())["values"]
LALONDE_COVARIATES = ["age", "educ", "race", "married", "nodegree", "re74", "re75"]

NUMERIC = ["age", "educ", "black", "hispan", "married", "nodegree", "re74", "re75"]
# What these options do to balance is not the question here.
pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")


@pytest.fixture(scope="module")
def trained():
    df = ps.datasets.lalonde()
    df = df.assign(black=df["race"] == "black", hispan=df["race"] == "hispan")
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


# Exact columns, covariates, bias adjustment


@pytest.mark.parametrize("estimand", ["ATT", "ATC", "ATE"])
def test_match_nn_within_exact_columns_is_matchings_on_lalonde(trained, estimand):
    options = {"on": "logit", "estimand": estimand, "exact": ["race", "married"]}
    matches = match_lalonde(trained, **options)
    expected = LALONDE[f"exact.{estimand}"]
    assert_matched(matches, expected, expected["weights"])
    effect = matches.effect(trained["re78"])
    assert effect.estimate == pytest.approx(expected["estimate"], rel=1e-8)
    assert effect.std_error == pytest.approx(expected["errors"]["std_error"], rel=1e-8)
    matches = match_lalonde(trained, **options, caliper=0.25)
    expected = LALONDE[f"exact.caliper.{estimand}"]
    assert_matched(matches, expected, expected["weights"])
    assert matches.effect(trained["re78"]).estimate == pytest.approx(expected["estimate"], rel=1e-8)


@pytest.mark.parametrize("estimand", ["ATT", "ATC", "ATE"])
def test_match_nn_within_exact_columns_is_matchings_on_the_tutorials_users(first_users, estimand):
    matches = match_users(first_users, on="logit", estimand=estimand, exact=["engagement_tier"])
    expected = TUTORIAL[f"exact.{estimand}"]
    assert_matched(matches, expected, expected)
    effect = matches.effect(first_users[OUTCOME])
    assert effect.estimate == pytest.approx(expected["estimate"], rel=1e-8)
    assert effect.std_error == pytest.approx(expected["std_error"], rel=1e-8)


@pytest.mark.parametrize("estimand", ["ATT", "ATC", "ATE"])
@pytest.mark.parametrize("n_neighbors", [1, 4])
@pytest.mark.parametrize("covariates", [NUMERIC, LALONDE_COVARIATES])
def test_match_nn_on_covariates_is_matchings_on_lalonde(trained, covariates, n_neighbors, estimand):
    # Every level of race counts, or two of three: the Mahalanobis distance is the same.
    matches = ps.match_nn(
        trained,
        treatment="treat",
        covariates=covariates,
        on="mahalanobis",
        estimand=estimand,
        n_neighbors=n_neighbors,
    )
    name = f"mahalanobis_within.{estimand}.{n_neighbors}"
    expected, adjusted = LALONDE[name], LALONDE[f"{name}.adjusted"]
    assert_matched(matches, expected, expected["weights"])
    effect = matches.effect(trained["re78"])
    assert effect.estimate == pytest.approx(expected["estimate"], rel=1e-8)
    assert effect.std_error == pytest.approx(expected["errors"]["std_error"], rel=1e-8)
    estimate = matches.effect(trained["re78"], bias_adjust=trained[NUMERIC]).estimate
    assert estimate == pytest.approx(adjusted["estimate"], rel=1e-8)
    found = matchings_error(matches, trained["re78"], trained[NUMERIC])
    assert found == pytest.approx(adjusted["errors"]["std_error"], rel=1e-8)


def matchings_error(matches, outcome, bias_adjust):
    """Matching's: the variance of outcomes as they are in a place, whatever the adjustment takes off them."""
    y, x = read_matched(matches, outcome, bias_adjust)
    fitted, _ = adjustments(matches.pairing, y.values, x)
    s2 = ps.core.outcome_variance(y.values, matches.treated, matches.places, variance_neighbors=1)
    return np.sqrt(neighbor_variance(matches.pairing, y.values, fitted, s2))


@pytest.mark.parametrize("estimand", ["ATT", "ATC", "ATE"])
def test_match_nn_on_covariates_within_a_caliper_on_the_logit_is_matchings(trained, estimand):
    matches = match_lalonde(
        trained, covariates=NUMERIC, on="mahalanobis", estimand=estimand, caliper={"logit": 0.25}
    )
    expected = LALONDE[f"mahalanobis_within.caliper.{estimand}"]
    assert_matched(matches, expected, expected["weights"])
    assert matches.effect(trained["re78"]).estimate == pytest.approx(expected["estimate"], rel=1e-8)


@pytest.mark.parametrize("estimand", ["ATT", "ATC", "ATE"])
def test_match_nn_on_covariates_is_matchings_on_the_tutorials_users(first_users, estimand):
    matches = ps.match_nn(
        first_users, treatment=TREATMENT, covariates=COVARIATES, on="mahalanobis", estimand=estimand
    )
    expected = TUTORIAL[f"mahalanobis_within.{estimand}"]
    assert_matched(matches, expected, expected)
    effect = matches.effect(first_users[OUTCOME])
    assert effect.estimate == pytest.approx(expected["estimate"], rel=1e-8)
    assert effect.std_error == pytest.approx(expected["std_error"], rel=1e-8)


@pytest.mark.parametrize("estimand", ["ATT", "ATC", "ATE"])
@pytest.mark.parametrize("on", ["score", "logit"])
@pytest.mark.parametrize("n_neighbors", [1, 3, 5])
def test_bias_adjustment_is_matchings_on_lalonde(trained, n_neighbors, on, estimand):
    matches = match_lalonde(trained, on=on, estimand=estimand, n_neighbors=n_neighbors)
    expected = LALONDE[f"nn.{on}.{estimand}.{n_neighbors}.adjusted"]
    effect = matches.effect(trained["re78"], bias_adjust=trained[LALONDE_COVARIATES])
    assert effect.estimate == pytest.approx(expected["estimate"], rel=1e-8)
    found = matchings_error(matches, trained["re78"], trained[LALONDE_COVARIATES])
    assert found == pytest.approx(expected["errors"]["std_error"], rel=1e-8)


# Without replacement


def first_free(logits, treated, width):
    """MatchIt's pairs: the largest score first, of the free controls the nearest, of tied ones the first."""
    free, pairs = ~treated, []
    for row in np.flatnonzero(treated)[np.argsort(-logits[treated], kind="stable")]:
        candidates = np.flatnonzero(free & (np.abs(logits - logits[row]) <= width))
        if len(candidates):
            donor = candidates[np.argmin(np.abs(logits[candidates] - logits[row]))]
            free[donor] = False
            pairs.append((row, donor))
    return np.array(pairs)


@pytest.mark.parametrize("caliper_sd", ["all", "pooled"])
def test_match_nn_without_replacement_is_matchits_but_for_a_draw_among_equals(trained, caliper_sd):
    e, outcome = trained["score"].to_numpy(), trained["re78"].to_numpy()
    logits, treated = np.log(e / (1 - e)), trained["treat"].to_numpy() == 1
    expected = PUBLISHED[f"nn_norep_largest.caliper_0.2_{caliper_sd}"]
    options = {"on": "logit", "replace": False, "order": "largest", "caliper": 0.2, "caliper_sd": caliper_sd}
    drawn = [match_lalonde(trained, **options, seed=seed) for seed in range(5)]
    assert drawn[0].caliper_width == pytest.approx(0.2 * expected["standard_deviation"], abs=1e-5)
    treated_rows, donors = first_free(logits, treated, drawn[0].caliper_width).T
    theirs = (outcome[treated_rows] - outcome[donors]).mean()
    assert theirs == pytest.approx(expected["estimate"], abs=0.05)
    # Units with the same covariates earned differently in 1978: MatchIt takes the first in the file, we draw.
    logit_of = pd.Series(logits, index=trained.index)
    for matches in drawn:
        assert matches.n_pairs == expected["n_pairs"]
        for arm, rows in (("treated", treated_rows), ("control", donors)):
            found = np.sort(logit_of[matches.pairs[arm]])
            np.testing.assert_allclose(found, np.sort(logits[rows]), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("nn_norep_largest", {"order": "largest"}),
        ("nn_norep_smallest", {"order": "smallest"}),
        ("nn_norep_data", {"order": "data"}),
        ("nn_norep_exact_tier_largest", {"order": "largest", "exact": ["engagement_tier"]}),
        ("nn_norep_largest_cal0.2logit", {"order": "largest", "on": "logit", "caliper": 0.2}),
        ("nn_norep_r2", {"order": "largest", "n_neighbors": 2}),
    ],
)
def test_match_nn_without_replacement_is_matchits_but_for_ties(logs, model, name, options):
    matches = ps.match_nn(logs, treatment=TREATMENT, scores=model, replace=False, **options)
    expected = MATCHIT_471[f"A.matchit471.{name}"]
    effect = matches.effect(logs[OUTCOME])
    # MatchIt takes the first of tied users in the file, we draw among them.
    assert effect.estimate == pytest.approx(expected["value"], abs=0.006)
    assert effect.std_error == pytest.approx(expected["se"], rel=0.05)
