"""Subclasses and coarsened exact matching against MatchIt, on lalonde and the tutorial's users."""

import json
from pathlib import Path

import numpy as np
import pytest

import propensity as ps
from conftest import OUTCOME, TREATMENT

pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # not the question here

FOLDER = Path(__file__).parents[1] / "reference"
LALONDE = json.loads((FOLDER / "lalonde_groups.json").read_text())["values"]
OPTIMAL = json.loads((FOLDER / "lalonde_optimal.json").read_text())["values"]
TUTORIAL = json.loads((FOLDER / "tutorial_match.json").read_text())["values"]
COVARIATES = ["age", "educ", "race", "married", "nodegree", "re74", "re75"]
CUTS = {"age": [20.5, 25.5, 30.5, 40.5], "educ": [8.5, 11.5, 12.5], "re74": [1, 5000, 10000], "re75": 4}


@pytest.fixture(scope="module")
def trained():
    return ps.datasets.lalonde()


@pytest.fixture(scope="module")
def lalonde_model(trained):
    return ps.fit_propensity(trained, treatment="treat", covariates=COVARIATES)


def match_by(method, trained, model, estimand):
    if method.startswith("subclass"):
        n = int(method.split(".")[1])
        return ps.subclassify(trained, treatment="treat", scores=model, n_subclasses=n, estimand=estimand)
    covariates, cuts = {
        "cem": (COVARIATES, "sturges"),
        "cem.cutpoints": (COVARIATES, CUTS),
        "exact": (["race", "married", "nodegree", "educ"], "exact"),
    }[method]
    return ps.match_cem(trained, treatment="treat", covariates=covariates, cutpoints=cuts, estimand=estimand)


def mean_one(matched):
    """Weights with mean 1 over an arm's matched rows, as MatchIt's are."""
    w, treated = np.array(matched.weights), matched.treated
    for arm in (treated, ~treated):
        w[arm] *= (w[arm] > 0).sum() / w[arm].sum()
    return w


def assert_weights(matched, expected):
    w = mean_one(matched)
    assert (w**2).sum() == pytest.approx(expected["squares"], rel=1e-9)
    assert w @ np.arange(1, len(w) + 1) == pytest.approx(expected["moment"], rel=1e-9)


def assert_effect(effect, expected, n_rows):
    assert effect.estimate == pytest.approx(expected["estimate"], rel=1e-8)
    # HC1 counts the two means that were fitted, too.
    factor = np.sqrt((n_rows - 1) / (n_rows - 2))
    assert effect.std_error * factor == pytest.approx(expected["std_error"], rel=1e-8)


@pytest.mark.parametrize("estimand", ["ATT", "ATC", "ATE"])
@pytest.mark.parametrize("method", ["cem", "cem.cutpoints", "exact"])
def test_match_cem_is_matchits_on_lalonde(trained, method, estimand):
    matched = match_by(method, trained, None, estimand)
    expected = LALONDE[f"{method}.{estimand}"]
    table = matched.to_frame()
    assert matched.n_subclasses == expected["n_subclasses"]
    sizes = sorted(zip(expected["sizes_treated"], expected["sizes_control"], strict=True))
    assert sorted(zip(table["n_treated"], table["n_control"], strict=True)) == sizes
    assert matched.arms["n_matched"].tolist() == [expected["n_treated"], expected["n_control"]]
    assert_weights(matched, expected["weights"])
    n_rows = expected["n_treated"] + expected["n_control"]
    assert_effect(matched.effect(trained["re78"], inference="cluster"), expected, n_rows)


@pytest.mark.parametrize(
    "method",
    ["subclass.10.ATT", *(f"subclass.{n}.{of}" for of in ("ATT", "ATC", "ATE") for n in (5, 6))],
)
def test_subclassify_is_matchits_on_lalonde(trained, lalonde_model, method):
    matched = match_by(method, trained, lalonde_model, method[-3:])
    expected = LALONDE[method]
    table = matched.to_frame()
    assert table["n_treated"].tolist() == expected["sizes_treated"]
    assert table["n_control"].tolist() == expected["sizes_control"]
    assert_weights(matched, expected["weights"])
    assert_effect(matched.effect(trained["re78"], inference="cluster"), expected, len(trained))


@pytest.mark.parametrize("method", ["subclass.10.ATC", "subclass.10.ATE"])
def test_subclassify_merges_where_matchit_leaves_out(trained, lalonde_model, method):
    matched = match_by(method, trained, lalonde_model, method[-3:])
    expected = LALONDE[method]
    # Here two of ten, or one, lack treated units; MatchIt drops their rows, we merge them and keep every row.
    assert expected["n_subclasses"] < 10
    assert expected["n_treated"] + expected["n_control"] < len(trained)
    assert (matched.weights > 0).all()
    assert matched.to_frame()["n_treated"].min() >= 1


@pytest.mark.parametrize(
    ("n", "estimand"),
    [(n, of) for n in (5, 10, 50) for of in ("ATT", "ATC", "ATE") if (n, of) != (50, "ATT")],
)
def test_subclassify_is_matchits_on_the_tutorials_users(logs, model, n, estimand):
    matched = ps.subclassify(logs, treatment=TREATMENT, scores=model, n_subclasses=n, estimand=estimand)
    expected = TUTORIAL[f"subclass.{n}.{estimand}"]
    assert matched.n_subclasses == expected["n_subclasses"]
    assert_weights(matched, expected)
    assert_effect(matched.effect(logs[OUTCOME], inference="cluster"), expected, len(logs))


def test_subclassify_cuts_at_a_score_where_rs_quantile_is_beside_it_by_rounding(logs, model):
    # 13,450 / 50 is whole, so that every cut is a treated user's score, which belongs above it. In R the
    # place 13450 * 0.14, and four others, are not whole by rounding: a cut may be a last bit beside it.
    matched = ps.subclassify(logs, treatment=TREATMENT, scores=model, n_subclasses=50)
    treated = logs[TREATMENT].to_numpy() == 1
    ordered = np.sort(model.scores.to_numpy()[treated])
    cuts = ordered[(len(ordered) - 1) // 50 * np.arange(1, 50)]
    lowest = matched.to_frame()["score_low"].iloc[1:]
    np.testing.assert_allclose(lowest, cuts, rtol=0, atol=1e-12)
    expected = TUTORIAL["subclass.50.ATT"]
    effect = matched.effect(logs[OUTCOME], inference="cluster")
    assert effect.estimate == pytest.approx(expected["estimate"], abs=1e-5)
    assert (mean_one(matched) ** 2).sum() == pytest.approx(expected["squares"], rel=1e-5)


def test_match_cem_is_matchits_on_the_tutorials_users(logs):
    covariates = ["engagement_tier", "query_confidence"]
    matched = ps.match_cem(logs, treatment=TREATMENT, covariates=covariates)
    expected = TUTORIAL["cem.ATT"]
    assert matched.n_subclasses == expected["n_subclasses"]
    assert (matched.weights > 0).sum() == expected["n_matched"]
    assert_weights(matched, expected)
    assert matched.effect(logs[OUTCOME]).estimate == pytest.approx(expected["estimate"], rel=1e-8)


def space_of(on, model):
    return {"covariates": COVARIATES} if on == "mahalanobis" else {"scores": model}


@pytest.mark.parametrize("on", ["score", "logit", "mahalanobis"])
@pytest.mark.parametrize("exact", [[], ["race"]])
def test_match_full_has_the_least_total_distance(trained, lalonde_model, on, exact):
    space = space_of(on, lalonde_model)
    matched = ps.match_full(trained, treatment="treat", **space, on=on, exact=exact)
    expected = OPTIMAL[f"full.{on}" + ".exact_race" * bool(exact)]
    assert matched.total_distance == pytest.approx(expected["total"], rel=1e-9)
    assert (matched.weights > 0).all()


def test_match_full_within_a_caliper_has_the_least_total_distance(trained, lalonde_model):
    matched = ps.match_full(trained, treatment="treat", scores=lalonde_model, on="logit", caliper=0.2)
    expected = OPTIMAL["full.logit.caliper_0.2_all"]
    assert matched.total_distance == pytest.approx(expected["total"], rel=1e-9)
    unmatched = [expected["n_unmatched_treated"], expected["n_unmatched_control"]]
    assert matched.arms["n_unmatched"].tolist() == unmatched


def test_match_full_among_covariates_within_a_caliper_has_the_least_total(trained, lalonde_model):
    e = lalonde_model.scores
    matched = ps.match_full(
        trained.assign(log_odds=np.log(e / (1 - e))),
        treatment="treat",
        covariates=COVARIATES,
        on="mahalanobis",
        caliper={"log_odds": 0.2},
        caliper_sd="all",
    )
    expected = OPTIMAL["full.mahalanobis.caliper_0.2_all"]
    assert matched.total_distance == pytest.approx(expected["total"], rel=1e-9)
    unmatched = [expected["n_unmatched_treated"], expected["n_unmatched_control"]]
    assert matched.arms["n_unmatched"].tolist() == unmatched


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # not the question here
@pytest.mark.parametrize("on", ["score", "logit", "mahalanobis"])
@pytest.mark.parametrize("n_neighbors", [1, 2])
def test_match_nn_optimal_pairs_have_the_least_total_distance(trained, lalonde_model, on, n_neighbors):
    matched = ps.match_nn(
        trained,
        treatment="treat",
        **space_of(on, lalonde_model),
        on=on,
        n_neighbors=n_neighbors,
        replace=False,
        method="optimal",
    )
    expected = OPTIMAL[f"pairs.{on}.{n_neighbors}"]
    assert matched.pairs["distance"].sum() == pytest.approx(expected["total"], rel=1e-9)
    assert matched.labels.max() == (trained["treat"] == 1).sum()
