"""Matching through the frame door: the tutorial's effects, pairs, and indifference to row order."""

from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import propensity as ps
from conftest import COVARIATES, OUTCOME, TREATMENT
from propensity import core
from propensity.errors import BalanceWarning, InvalidInputError, NoMatchesError


@pytest.fixture
def scored(users):
    return users.assign(
        score=ps.fit_propensity(users, treatment="opted", covariates=["tier", "visits"]).scores
    )


@pytest.mark.parametrize("on", ["score", "logit"])
@pytest.mark.parametrize("n_neighbors", [1, 3, 5])
def test_match_nn_finds_the_tutorials_effect(logs, model, tutorial, on, n_neighbors):
    matches = ps.match_nn(logs, treatment=TREATMENT, scores=model, n_neighbors=n_neighbors, on=on)
    expected = tutorial["nn_att"][on][str(n_neighbors)]
    assert matches.effect(logs[OUTCOME]).estimate == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("convert", [pl.from_pandas, pa.Table.from_pandas])
def test_match_nn_gives_other_libraries_the_same_numbers(logs, tutorial, convert):
    other = convert(logs)
    model = ps.fit_propensity(other, treatment=TREATMENT, covariates=COVARIATES)
    matches = ps.match_nn(other, treatment=TREATMENT, scores=model)
    effect = matches.effect(other[OUTCOME])
    assert effect.estimate == pytest.approx(tutorial["nn_att"]["score"]["1"], abs=1e-8)
    assert matches.pairs["treated"].iloc[0] == logs[TREATMENT].argmax()


def test_match_nn_does_not_see_the_order_of_rows(logs, model):
    matches = ps.match_nn(logs, treatment=TREATMENT, scores=model)
    expected = matches.effect(logs[OUTCOME]).estimate
    for seed in range(3):
        shuffled = logs.sample(frac=1, random_state=seed)
        refitted = ps.fit_propensity(shuffled, treatment=TREATMENT, covariates=COVARIATES)
        again = ps.match_nn(shuffled, treatment=TREATMENT, scores=refitted)
        assert again.effect(shuffled[OUTCOME]).estimate == pytest.approx(expected, abs=1e-12)
        pd.testing.assert_series_equal(again.weights.sort_index(), matches.weights)


@pytest.mark.parametrize("estimand", ["ATT", "ATC"])
@pytest.mark.parametrize("n_neighbors", [1, 4])
def test_effect_is_the_mean_over_focal_units_of_their_pairs(scored, estimand, n_neighbors):
    matches = ps.match_nn(
        scored, treatment="opted", scores="score", estimand=estimand, n_neighbors=n_neighbors, caliper=0.5
    )
    effect = matches.effect(scored["done"])
    pairs = matches.pairs
    focal, donor = ("treated", "control") if estimand == "ATT" else ("control", "treated")
    donors = pairs["weight"] * scored["done"].loc[pairs[donor]].to_numpy()
    gaps = scored["done"] - donors.groupby(pairs[focal]).sum()
    sign = 1 if estimand == "ATT" else -1
    assert effect.estimate == pytest.approx(sign * gaps.dropna().mean(), rel=1e-12)
    assert effect.estimate == pytest.approx(effect.mean_treated - effect.mean_control)
    assert effect.estimand == estimand


def test_effect_has_the_standard_error_of_the_array_door(logs, model):
    matches = ps.match_nn(logs, treatment=TREATMENT, scores=model, estimand="ATE")
    effect = matches.effect(logs[OUTCOME])
    treated, y = logs[TREATMENT].to_numpy(), logs[OUTCOME].to_numpy()
    x, _ = model.recipe.apply(logs)
    expected = core.matching_effect(y, treated, model.fit.scores, estimand="ATE", x=x)
    assert effect.std_error == expected.std_error
    assert effect.estimate == expected.estimate
    assert (effect.ess_treated, effect.ess_control) == (expected.ess_treated, expected.ess_control)


def test_effect_says_how_its_standard_error_was_made(scored):
    model = ps.fit_propensity(scored, treatment="opted", covariates=["tier", "tenure"])
    estimated = ps.match_nn(scored, treatment="opted", scores=model).effect(scored["done"])
    assert estimated.se_method == "Abadie and Imbens (2006); counts that the scores were estimated (2016)"
    known = ps.match_nn(scored, treatment="opted", scores=model.scores).effect(scored["done"])
    assert known.se_method == "Abadie and Imbens (2006); takes the scores as known"
    assert known.estimate == estimated.estimate
    assert known.std_error != estimated.std_error
    tight = ps.match_nn(scored, treatment="opted", scores=model, caliper=0.001)
    assert tight.effect(scored["done"]).se_method.endswith("known, for some units are unmatched")


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # few rows, made up
def test_effect_counts_the_models_penalty(scored):
    model = ps.fit_propensity(scored, treatment="opted", covariates=["tier", "tenure"], penalty=20.0)
    found = ps.match_nn(scored, treatment="opted", scores=model).effect(scored["done"])
    x, _ = model.recipe.apply(scored)
    y, treated = scored["done"].to_numpy(), scored["opted"].to_numpy()
    expected = core.matching_effect(y, treated, model.fit.scores, x=x, penalty=20.0)
    assert found.std_error == expected.std_error


def test_effect_counts_that_the_scores_of_a_weighted_model_were_estimated(scored):
    weights = np.linspace(0.5, 2.0, len(scored))
    model = ps.fit_propensity(scored, treatment="opted", covariates=["visits"], sample_weight=weights)
    call = {"treatment": "opted", "scores": model}
    effect = ps.match_nn(scored, **call, sample_weight=weights).effect(scored["done"])
    assert "counts that the scores were estimated" in effect.se_method
    with pytest.raises(
        InvalidInputError, match=r"with sample weights, and none are given here.*model\.scores"
    ):
        ps.match_nn(scored, **call)


def test_match_nn_refuses_covariates_that_have_changed_since_the_fit(scored):
    model = ps.fit_propensity(scored, treatment="opted", covariates=["visits"])
    scored.loc["u7", "visits"] += 1
    with pytest.raises(InvalidInputError, match=r"column 'visits' has changed in 1 row \(row u7\)"):
        ps.match_nn(scored, treatment="opted", scores=model)


def test_pairs_for_everyone_are_those_of_either_arm(scored):
    def matched(estimand):
        return ps.match_nn(scored, treatment="opted", scores="score", estimand=estimand, caliper=0.3)

    both = matched("ATE").pairs
    for estimand, focal in {"ATT": "treated", "ATC": "control"}.items():
        one = both[both["focal"] == focal].drop(columns="focal").reset_index(drop=True)
        pd.testing.assert_frame_equal(one, matched(estimand).pairs)


@pytest.mark.parametrize("estimand", ["ATT", "ATC"])
def test_pairs_agree_with_the_weights(scored, estimand):
    matches = ps.match_nn(scored, treatment="opted", scores="score", estimand=estimand, caliper=0.2)
    pairs = matches.pairs
    assert list(pairs) == ["treated", "control", "distance", "weight"]
    assert scored["opted"].loc[pairs["treated"]].all()
    assert not scored["opted"].loc[pairs["control"]].any()
    focal, donor = ("treated", "control") if estimand == "ATT" else ("control", "treated")
    uses = pairs.groupby(donor)["weight"].sum().reindex(scored.index, fill_value=0.0)
    uses[pairs[focal].unique()] = 1.0
    pd.testing.assert_series_equal(uses, matches.weights, check_names=False)
    assert len(pairs) == matches.n_pairs
    assert pairs[focal].nunique() == matches.n_matched
    assert matches.n_matched + matches.n_unmatched == (scored["opted"] == (estimand == "ATT")).sum()


@pytest.mark.parametrize("on", ["score", "logit"])
def test_pairs_are_the_nearest(scored, on):
    matches = ps.match_nn(scored, treatment="opted", scores="score", on=on)
    e = scored["score"]
    quantity = e if on == "score" else np.log(e / (1 - e))
    pairs = matches.pairs
    controls = quantity[~scored["opted"]].to_numpy()
    nearest = [np.abs(controls - quantity[label]).min() for label in pairs["treated"]]
    np.testing.assert_allclose(pairs["distance"], nearest, atol=2e-12)
    assert pairs["distance"].max() == pytest.approx(matches.max_distance, abs=1e-12)


def test_tied_neighbours_share_the_weight():
    df = pd.DataFrame(
        {"t": [1, 1, 0, 0, 0, 0], "e": [0.3, 0.6, 0.2, 0.4, 0.4, 0.9], "y": [5.0, 7, 1, 2, 3, 9]}
    )
    with pytest.warns(BalanceWarning):  # six rows cannot be balanced
        matches = ps.match_nn(df, treatment="t", scores="e")
    assert matches.weights.tolist() == pytest.approx([1, 1, 1 / 3, 1 / 3 + 1 / 2, 1 / 3 + 1 / 2, 0])
    assert matches.effect(df["y"]).estimate == pytest.approx(((5 - 2) + (7 - 2.5)) / 2)


def test_caliper_leaves_units_unmatched(scored):
    model = ps.fit_propensity(scored, treatment="opted", covariates=["tier", "tenure"])
    tight = ps.match_nn(scored, treatment="opted", scores=model, caliper=0.001)
    assert tight.n_unmatched > 0
    assert tight.caliper_width == pytest.approx(0.001 * model.scores.std())
    assert tight.max_distance <= tight.caliper_width
    assert (tight.weights[scored["opted"]] == 0).sum() == tight.n_unmatched


def test_caliper_without_any_match_is_an_error():
    df = pd.DataFrame({"t": [1, 1, 0, 0], "e": [0.8, 0.9, 0.1, 0.2]})
    with pytest.raises(NoMatchesError, match="caliper"):
        ps.match_nn(df, treatment="t", scores="e", caliper=0.1)


def test_pairs_keep_labels_of_several_levels(scored):
    scored.index = pd.MultiIndex.from_arrays([["eu"] * len(scored), range(len(scored))])
    pairs = ps.match_nn(scored, treatment="opted", scores="score").pairs
    assert pairs["treated"].iloc[0] == scored.index[scored["opted"].argmax()]


def test_pairs_refuse_to_fill_the_memory(scored):
    matches = ps.match_nn(scored, treatment="opted", scores="score")
    with pytest.raises(MemoryError, match=r"60,000,000 pairs would take 2 GB.*weights"):
        _ = replace(matches, n_pairs=60_000_000).pairs


def test_effect_takes_arrays_and_bools(scored):
    matches = ps.match_nn(scored, treatment="opted", scores="score")
    expected = matches.effect(scored["done"]).estimate
    assert matches.effect(scored["done"].to_numpy()).estimate == expected
    assert 0 <= matches.effect(scored["done"] > 5).mean_control <= 1


@pytest.mark.parametrize("estimand", ["ATT", "ATC", "ATE"])
def test_cap_that_no_unit_can_reach_is_none(users, estimand):
    df = users.assign(w=1.0 * (np.arange(len(users)) >= 10))
    model = ps.fit_propensity(df, treatment="opted", covariates=["visits"], sample_weight="w")
    options = {"treatment": "opted", "scores": model, "estimand": estimand, "sample_weight": "w"}
    there = df.loc[df["w"] > 0, "opted"]
    n_focal = {"ATT": there.sum(), "ATC": (~there).sum()}
    plain = ps.match_nn(df, **options)
    capped = ps.match_nn(df, **options, max_reuse=int(n_focal.get(estimand, max(n_focal.values()))))
    pd.testing.assert_series_equal(capped.weights, plain.weights)
    assert not capped.drawn
    found, expected = capped.effect("done"), plain.effect("done")
    assert (found.estimate, found.std_error) == (expected.estimate, expected.std_error)
    assert str(capped) == str(plain)
