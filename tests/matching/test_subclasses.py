"""Subclassification, and what every kind of subclass gives: weights, effects, tables, rows."""

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import propensity as ps
from conftest import OUTCOME, TREATMENT
from propensity.errors import InvalidInputError, NoMatchesError
from strategies import scored_samples

PUBLISHED = json.loads((Path(__file__).parents[1] / "reference" / "published_estimates.json").read_text())[
    "values"
]
QUICK = settings(max_examples=60, deadline=None)
ESTIMANDS = ["ATT", "ATC", "ATE"]


@pytest.fixture
def scored(users):
    return users.assign(
        score=ps.fit_propensity(users, treatment="opted", covariates=["tier", "visits"]).scores
    )


def strata_of(treated, labels, *, of="ATT"):
    """By subclass: rows of either arm, and the share of those the effect is for."""
    table = pd.DataFrame({"treated": treated, "s": labels})[labels > 0]
    counts = table.groupby("s")["treated"].agg(["sum", "size"])
    n1, n0 = counts["sum"], counts["size"] - counts["sum"]
    focal = {"ATT": n1, "ATC": n0, "ATE": n1 + n0}[of]
    return n1, n0, focal / focal.sum()


# Agreement with MatchIt 4.7.1


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # not the question here
@pytest.mark.parametrize("estimand", ["ATT", "ATE"])
@pytest.mark.parametrize("n_subclasses", [5, 10])
def test_subclassify_is_matchits(logs, model, n_subclasses, estimand):
    published = PUBLISHED[f"A.matchit471.subclass{n_subclasses}_{estimand}"]
    found = ps.subclassify(
        logs, treatment=TREATMENT, scores=model, n_subclasses=n_subclasses, estimand=estimand
    )
    effect = found.effect(logs[OUTCOME], inference="cluster")
    assert effect.estimate == pytest.approx(published["value"], abs=1e-12)
    # R's vcovCL, as MatchIt's manual calls it, has a factor for two coefficients besides that for clusters.
    n = len(logs)
    assert effect.std_error * np.sqrt((n - 1) / (n - 2)) == pytest.approx(published["se"], rel=1e-9)


# Subclasses


@pytest.mark.filterwarnings("ignore::propensity.errors.CalibrationWarning")  # rightly: the scores are made up
@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # not the question here
@QUICK
@given(scored_samples(), st.integers(1, 8), st.sampled_from(ESTIMANDS), st.integers(1, 2))
def test_subclassify_cuts_at_quantiles_and_merges_what_is_too_small(sample, n_subclasses, estimand, least):
    treated, e = sample.treatment, sample.x[:, 0]
    assume(min(treated.sum(), (~treated).sum()) >= 2)
    df = pd.DataFrame({"t": treated, "e": e})
    options = {"n_subclasses": n_subclasses, "estimand": estimand, "min_per_arm": least}
    found = ps.subclassify(df, treatment="t", scores="e", **options)
    table = found.to_frame()
    assert table[["n_treated", "n_control"]].to_numpy().min() >= least
    assert table[["n_treated", "n_control"]].to_numpy().sum() == len(df)
    assert len(table) <= n_subclasses
    # Intervals of the score, in its order: equal scores stay together.
    assert (table["score_low"] <= table["score_high"]).all()
    assert (table["score_low"].to_numpy()[1:] > table["score_high"].to_numpy()[:-1]).all()
    of = {"ATT": treated, "ATC": ~treated, "ATE": np.ones(len(e), dtype=bool)}[estimand]
    cuts = np.quantile(e[of], np.arange(1, n_subclasses) / n_subclasses)
    plain = (e[:, None] >= cuts - 1e-12).sum(axis=1)
    # Merging only puts whole intervals together.
    assert pd.Series(found.labels).groupby(plain).nunique().max() == 1
    whole = pd.crosstab(plain, treated).reindex(columns=[False, True], fill_value=0)
    if len(whole) == n_subclasses and whole.to_numpy().min() >= least:
        assert len(table) == n_subclasses


def test_subclassify_never_splits_scores_that_differ_by_rounding():
    e = np.repeat([0.2, 0.4, 0.6], 8)
    e[8:16:2] += 5e-14
    df = pd.DataFrame({"t": [0, 1, 1, 0] * 6, "e": e})
    found = ps.subclassify(df, treatment="t", scores="e", n_subclasses=2)
    assert pd.Series(found.labels).groupby(np.round(e, 6)).nunique().max() == 1


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # not the question here
def test_subclassify_does_not_see_the_order_of_rows(logs, model):
    found = ps.subclassify(logs, treatment=TREATMENT, scores=model)
    shuffled = logs.sample(frac=1, random_state=4)
    again = ps.subclassify(shuffled, treatment=TREATMENT, scores=model.scores.loc[shuffled.index])
    pd.testing.assert_series_equal(again.subclass.sort_index(), found.subclass)
    pd.testing.assert_series_equal(again.weights.sort_index(), found.weights)


def test_subclassify_says_how_many_subclasses_were_asked_for(scored):
    df = scored.assign(coarse=scored["score"].round(1).clip(0.1, 0.9))
    found = ps.subclassify(df, treatment="opted", scores="coarse", n_subclasses=40)
    assert found.n_subclasses < 40
    assert f"{found.n_subclasses} subclasses of 40 asked for" in repr(found)


def test_subclassify_refuses_more_rows_of_an_arm_than_there_are(scored):
    with pytest.raises(InvalidInputError, match=r"min_per_arm: \d+ treated and \d+ control rows in all"):
        ps.subclassify(scored, treatment="opted", scores="score", min_per_arm=150)


@pytest.mark.parametrize("option", ["n_subclasses", "min_per_arm"])
def test_subclassify_refuses_no_count(scored, option):
    with pytest.raises(InvalidInputError, match=f"{option} must be a whole number"):
        ps.subclassify(scored, treatment="opted", scores="score", **{option: 0})


# Weights


@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_weights_give_both_arms_of_a_subclass_the_weight_of_those_the_effect_is_for(scored, estimand):
    found = ps.subclassify(scored, treatment="opted", scores="score", n_subclasses=4, estimand=estimand)
    n1, n0, _ = strata_of(scored["opted"], found.labels)
    focal = {"ATT": n1, "ATC": n0, "ATE": n1 + n0}[estimand]
    expected = np.where(scored["opted"], (focal / n1)[found.labels], (focal / n0)[found.labels])
    np.testing.assert_allclose(found.weights, expected, rtol=1e-14)
    assert found.weights.index.equals(scored.index)


@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_a_sample_weight_of_2_is_the_row_twice(scored, estimand):
    times = np.random.default_rng(3).integers(1, 4, len(scored))
    labels = pd.cut(scored["score"], [0, 0.35, 0.45, 0.6, 1]).astype(str)
    df = scored.assign(stratum=labels.to_numpy())
    options = {"treatment": "opted", "covariates": ["stratum"], "estimand": estimand}
    weighted = ps.match_cem(df, sample_weight=times, **options)
    copied = ps.match_cem(df.loc[df.index.repeat(times)].reset_index(drop=True), **options)
    found = weighted.effect(df["done"])
    expected = copied.effect(df.loc[df.index.repeat(times), "done"].to_numpy())
    assert found.estimate == pytest.approx(expected.estimate, rel=1e-12)
    total = np.bincount(np.repeat(np.arange(len(df)), times), weights=copied.weights)
    np.testing.assert_allclose(weighted.weights, total, rtol=1e-12)


def test_a_subclass_whose_arm_weighs_nothing_is_left_out(scored):
    weight = np.where(scored["opted"] & (scored["tier"] == "heavy"), 0.0, 1.0)
    found = ps.match_cem(scored, treatment="opted", covariates=["tier"], sample_weight=weight)
    assert set(found.cells["tier"]) == {"light", "medium"}
    assert (found.weights[scored["tier"] == "heavy"] == 0).all()


def test_balance_takes_subclasses_and_finds_the_arms_alike(logs):
    found = ps.match_cem(logs, treatment=TREATMENT, covariates=["engagement_tier"], estimand="ATE")
    smd = ps.smd(logs, treatment=TREATMENT, covariates=["engagement_tier"], weights=found)
    assert smd.abs().max() < 1e-12


# Effects


@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_effect_is_the_mean_of_the_subclasses_differences(scored, estimand):
    found = ps.subclassify(scored, treatment="opted", scores="score", n_subclasses=6, estimand=estimand)
    n1, n0, share = strata_of(scored["opted"], found.labels, of=estimand)
    y = scored["done"].groupby([found.labels, scored["opted"]]).agg(["mean", "var"]).unstack()
    effect = found.effect(scored["done"])
    tau = y["mean"][True] - y["mean"][False]
    assert effect.estimate == pytest.approx((share * tau).sum(), rel=1e-12)
    neyman = (share**2 * (y["var"][True] / n1 + y["var"][False] / n0)).sum()
    n_focal = {"ATT": n1, "ATC": n0, "ATE": n1 + n0}[estimand].sum()
    between = (share * (tau - effect.estimate) ** 2).sum() / n_focal
    assert effect.std_error**2 == pytest.approx(neyman + between, rel=1e-12)
    assert "Neyman" in effect.se_method


@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_stratified_errors_are_those_of_weighting_by_the_strata(logs, estimand):
    # A saturated score model is the subclassification: the same weights, and the same error up to n - 1.
    model = ps.fit_propensity(logs, treatment=TREATMENT, covariates=["engagement_tier"])
    weighted = ps.ipw(logs, outcome=OUTCOME, treatment=TREATMENT, scores=model, estimand=estimand)
    found = ps.match_cem(logs, treatment=TREATMENT, covariates=["engagement_tier"], estimand=estimand)
    effect = found.effect(logs[OUTCOME])
    assert effect.estimate == pytest.approx(weighted.estimate, rel=1e-9)
    assert effect.std_error == pytest.approx(weighted.std_error, rel=1e-3)
    assert effect.std_error > weighted.std_error


def test_clustered_errors_are_those_of_a_weighted_regression(scored):
    import statsmodels.api as sm

    found = ps.subclassify(scored, treatment="opted", scores="score", n_subclasses=12)
    design = sm.add_constant(scored["opted"].astype(float))
    fit = sm.WLS(scored["done"], design, weights=found.weights).fit(
        cov_type="cluster", cov_kwds={"groups": found.labels, "use_correction": True}
    )
    n = len(scored)  # statsmodels has the factor for coefficients too
    effect = found.effect(scored["done"], inference="cluster")
    assert effect.estimate == pytest.approx(fit.params["opted"], rel=1e-11)
    assert effect.std_error * np.sqrt((n - 1) / (n - 2)) == pytest.approx(fit.bse["opted"], rel=1e-11)
    assert "summed within 12 subclasses" in effect.se_method


def test_a_subclass_with_a_lone_row_counts_as_a_cluster(scored):
    labels = np.repeat(["a", "b", "c"], [100, 97, 3])
    df = scored.assign(stratum=labels)
    df.iloc[197:, df.columns.get_loc("opted")] = [True, False, False]
    found = ps.match_cem(df, treatment="opted", covariates=["stratum"], estimand="ATE")
    effect = found.effect(df["done"])
    tau, errors = {}, 0.0
    for name, rows in df.groupby("stratum"):
        y1, y0 = rows.loc[rows["opted"], "done"], rows.loc[~rows["opted"], "done"]
        tau[name], share = y1.mean() - y0.mean(), len(rows) / len(df)
        if name == "c":
            errors += share**2 * (tau[name] - effect.estimate) ** 2
        else:
            errors += share**2 * (y1.var() / len(y1) + y0.var() / len(y0))
            errors += share * (tau[name] - effect.estimate) ** 2 / len(df)
    assert effect.std_error == pytest.approx(np.sqrt(errors), rel=1e-12)
    ratio = effect.contrast_as("ratio")
    assert ratio.std_error > 0


def test_effects_of_lone_rows_throughout_are_clustered(scored):
    df = scored.assign(pair=np.arange(len(scored)) // 2, opted=np.arange(len(scored)) % 2 == 0)
    found = ps.match_cem(df, treatment="opted", covariates=["pair"], cutpoints="exact")
    effect = found.effect(df["done"])
    assert effect.se_method.startswith("summed within 100 subclasses")
    gaps = df["done"].to_numpy()[::2] - df["done"].to_numpy()[1::2]
    assert effect.std_error == pytest.approx(gaps.std(ddof=1) / 10, rel=1e-12)


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # not the question here
def test_effect_refuses_clusters_where_there_is_one(scored):
    found = ps.subclassify(scored, treatment="opted", scores="score", n_subclasses=1)
    with pytest.raises(InvalidInputError, match="all matched rows are in one subclass"):
        found.effect(scored["done"], inference="cluster")
    with pytest.raises(InvalidInputError, match=r"inference must be one of 'score', 'stratified', 'cluster'"):
        found.effect(scored["done"], inference="hc3")
    assert found.effect("done").estimate == found.effect(scored["done"]).estimate


def test_rows_without_weight_are_no_company(scored):
    treated = np.arange(len(scored)) > 1  # two controls, of which one weighs nothing
    df = scored.assign(opted=treated, w=np.where(np.arange(len(scored)) == 0, 0.0, 1.0))
    with pytest.raises(InvalidInputError, match="column 'w': 198 treated and 1 control rows have a weight"):
        ps.subclassify(
            df, treatment="opted", scores="score", n_subclasses=1, min_per_arm=1, sample_weight="w"
        )


def test_effect_cautions_where_an_arm_is_worth_few_rows(users):
    found = ps.match_cem(users.head(30), treatment="opted", covariates=["premium"])
    assert found.effect(users.head(30)["done"]).cautions


# What comes back


def test_subclasses_count_what_is_left_of_each_arm(scored):
    df = scored.assign(tier=np.where(scored["opted"] & (scored["visits"] > 6), "rare", scored["tier"]))
    found = ps.match_cem(df, treatment="opted", covariates=["tier"])
    lost = int((df["tier"] == "rare").sum())
    assert lost > 0
    assert found.n_unmatched == lost == found.arms.loc["treated", "n_unmatched"]
    assert found.n_matched == df["opted"].sum() - lost
    assert found.subclass.isna().sum() == lost
    assert found.subclass.dtype == "Int64"
    assert f"{lost} of {df['opted'].sum()} rows" in repr(found)
    w = found.weights[~df["opted"]]
    assert found.arms.loc["control", "ess"] == pytest.approx(w.sum() ** 2 / (w**2).sum())


@pytest.mark.parametrize("convert", [lambda df: df, pl.from_pandas, pa.Table.from_pandas])
def test_frame_gives_the_matched_rows_in_the_callers_library(scored, convert):
    df = scored.reset_index(names="user")
    df.loc[3, "tier"], df.loc[3, "opted"] = "rare", True
    data = convert(df)
    found = ps.match_cem(data, treatment="opted", covariates=["tier"])
    rows = found.frame(data)
    assert type(rows) is type(data)
    assert len(rows) == len(df) - 1
    assert list(rows["user"]) == list(df["user"].drop(3)) or rows["user"].to_pylist() == list(
        df["user"].drop(3)
    )
    np.testing.assert_array_equal(np.asarray(rows["subclass"]), np.delete(found.labels, 3))
    np.testing.assert_array_equal(np.asarray(rows["weights"]), np.delete(np.asarray(found.weights), 3))


def test_frame_refuses_other_rows_and_taken_names(scored):
    found = ps.match_cem(scored, treatment="opted", covariates=["tier"])
    with pytest.raises(InvalidInputError, match="give the frame that was matched"):
        found.frame(scored.iloc[::-1])
    with pytest.raises(InvalidInputError, match="column 'weights' is in the frame already"):
        found.frame(scored.assign(weights=1.0))


def test_subclasses_pickle(scored):
    found = ps.subclassify(scored, treatment="opted", scores="score")
    again = pickle.loads(pickle.dumps(found))
    pd.testing.assert_series_equal(again.subclass, found.subclass)
    assert repr(again) == repr(found)


def test_groups_without_both_arms_are_an_error(scored):
    df = scored.assign(arm=scored["opted"].astype(str))
    with pytest.raises(NoMatchesError, match="none of the 2 groups has rows of both arms"):
        ps.match_cem(df, treatment="opted", covariates=["arm"])


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("how", [None, "stratified", "cluster"])
def test_one_subclass_with_a_row_of_all_its_weight_has_no_error(how):
    # Of two treated rows one weighs nothing to speak of; with rows beside that are left out, and without.
    weighs = [1.0, 1e-12, 1.0, 1.0, 1.0, 1.0]
    df = pd.DataFrame({"t": [1, 1, 0, 0, 0, 0], "y": [1.0, 2, 3, 5, 2, 7], "w": weighs, "g": "in", "e": 0.5})
    more = pd.DataFrame({"t": [0, 0], "y": [3.0, 4.0], "w": 1.0, "g": ["out", "out"], "e": 0.5})
    for found in (
        ps.subclassify(df, treatment="t", scores="e", n_subclasses=1, sample_weight="w"),
        ps.match_cem(pd.concat([df, more]), treatment="t", covariates=["g"], sample_weight="w"),
    ):
        with pytest.raises(InvalidInputError, match="all matched rows are in one subclass"):
            found.effect("y", inference=how)
