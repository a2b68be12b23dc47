"""Effects by group: the stacked twin, what groups add up to, tables, and groups that have no effect."""

import pickle
import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.oneway import anova_oneway

import propensity as ps
import reference
import stacked
from conftest import COVARIATES, OUTCOME, TREATMENT
from propensity.effects import equality
from propensity.effects.cautions import size_cautions
from propensity.effects.group_cautions import told_of_groups
from propensity.errors import BalanceWarning, InvalidInputError, OverlapWarning, SmallSampleWarning
from propensity.frames.grouping import Grouping

pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # not the question here

TUTORIAL = {"outcome": OUTCOME, "treatment": TREATMENT}
ESTIMANDS = ["ATE", "ATT", "ATC", "ATO", "ATM"]


@pytest.fixture(scope="module")
def rows():
    """600 rows in three groups whose effects differ, with weights and clusters across groups."""
    rng = np.random.default_rng(21)
    n = 600
    df = pd.DataFrame({"a": rng.normal(size=n), "b": rng.uniform(-1, 1, n)})
    df["g"] = rng.choice(["north", "south", "west"], n, p=[0.5, 0.3, 0.2])
    df["t"] = rng.random(n) < reference.expit(0.2 + 0.6 * df["a"] - 0.5 * df["b"])
    df["y"] = 4 + df["t"] * (1 + (df["g"] == "west")) + df["a"] + df["b"] + rng.normal(size=n)
    df["z"] = (rng.random(n) < reference.expit(df["t"] * 0.7 + df["a"] - df["b"])).astype(int)
    df["v"] = rng.poisson(3 + df["a"].clip(0)) + 1
    df["w"] = rng.uniform(0.5, 2.0, n)
    df["team"] = rng.integers(0, 60, n)
    return df


def codes_of(rows):
    return pd.factorize(rows["g"], sort=True)[0]


def by_weighting(rows, *, outcome="y", weighted=False, penalty=0.0, **options):
    weight = {"sample_weight": "w"} if weighted else {}
    scores = ps.fit_propensity(rows, treatment="t", covariates=["a", "b"], penalty=penalty, **weight)
    return ps.ipw(rows, outcome=outcome, treatment="t", scores=scores, by="g", **weight, **options)


def twin(rows, method, *, outcome="y", weighted=False, clusters=None, **options):
    design = stacked.Design(
        rows[["a", "b"]].to_numpy(),
        rows["t"].to_numpy(),
        rows[outcome].to_numpy(dtype=float),
        method,
        sample_weight=rows["w"].to_numpy() if weighted else None,
        **options,
    )
    return stacked.solve_groups(design, codes_of(rows), clusters)


def assert_is_the_twin(grouped, solution, link=lambda mean: mean, report=lambda gap: gap):
    gaps, covariance = solution.contrast(link)
    np.testing.assert_allclose(grouped.table["estimate"], report(gaps), rtol=1e-8)
    np.testing.assert_allclose(grouped.figures["std_error"], np.sqrt(np.diag(covariance)), rtol=1e-6)
    np.testing.assert_allclose(grouped.cov, covariance, rtol=1e-5, atol=1e-7 * np.abs(covariance).max())
    np.testing.assert_allclose(grouped.table[["mean_treated", "mean_control"]], solution.means, rtol=1e-8)


# The twin


@pytest.mark.parametrize(("penalty", "weighted"), [(0.0, False), (0.0, True), (7.0, True)])
@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_weighting_by_group_is_the_stacked_twin(rows, estimand, penalty, weighted):
    grouped = by_weighting(rows, estimand=estimand, penalty=penalty, weighted=weighted)
    assert_is_the_twin(grouped, twin(rows, "ipw", estimand=estimand, penalty=penalty, weighted=weighted))


def test_ratios_by_group_are_the_twin_differentiated(rows):
    solution = twin(rows, "ipw", outcome="z")
    for contrast, report in (("ratio", np.exp), ("percent", lambda gap: 100 * np.expm1(gap))):
        grouped = by_weighting(rows, outcome="z", contrast=contrast)
        assert_is_the_twin(grouped, solution, np.log, report)
        later = by_weighting(rows, outcome="z").contrast_as(contrast)
        pd.testing.assert_frame_equal(later.table, grouped.table)


def test_clusters_across_groups_are_the_twins(rows):
    grouped = by_weighting(rows, cluster="team")
    assert_is_the_twin(grouped, twin(rows, "ipw", clusters=rows["team"].to_numpy()))
    assert "60 clusters" in grouped.se_method


def test_known_scores_leave_groups_independent(rows):
    e = reference.expit(0.2 + 0.6 * rows["a"] - 0.5 * rows["b"])
    grouped = ps.ipw(rows, outcome="y", treatment="t", scores=e, by="g")
    for group, effect in grouped.items():
        part = rows["g"] == group
        alone = ps.ipw(rows[part], outcome="y", treatment="t", scores=e[part])
        assert effect.estimate == pytest.approx(alone.estimate, rel=1e-12)
        assert effect.std_error == pytest.approx(alone.std_error, rel=1e-10)
    assert (grouped.cov.to_numpy()[~np.eye(3, dtype=bool)] == 0).all()


def test_sandwich_of_the_scores_is_too_wide_without_them(rows):
    # What a loop over groups with weights taken as known gives: another error than that of the twin.
    counted = by_weighting(rows)
    known = ps.ipw(
        rows,
        outcome="y",
        treatment="t",
        by="g",
        scores=ps.fit_propensity(rows, treatment="t", covariates=["a", "b"]).scores,
    )
    np.testing.assert_allclose(known.table["estimate"], counted.table["estimate"], rtol=1e-12)
    assert (known.table["std_error"] > 1.05 * counted.table["std_error"]).all()


# Identities


@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_one_group_is_everybody(rows, estimand):
    df = rows.assign(g="all")
    grouped = by_weighting(df, estimand=estimand, cluster="team")
    scores = ps.fit_propensity(df, treatment="t", covariates=["a", "b"])
    alone = ps.ipw(df, outcome="y", treatment="t", scores=scores, estimand=estimand, cluster="team")
    effect = grouped["all"]
    np.testing.assert_allclose(effect.influence, alone.influence, rtol=1e-9, atol=1e-9)
    for name in ("estimate", "std_error", "mean_treated", "ess_treated", "ess_control", "p_value"):
        assert getattr(effect, name) == pytest.approx(getattr(alone, name), rel=1e-10)
        assert grouped.table[name].iloc[0] == pytest.approx(getattr(alone, name), rel=1e-10)


def test_bounded_weights_do_not_move_with_the_scores(rows):
    whole = {"outcome": "y", "treatment": "t", "truncate": 0.9}
    scores = ps.fit_propensity(rows, treatment="t", covariates=["a", "b"])
    alone = ps.ipw(rows, **whole, scores=scores)
    everybody = ps.ipw(rows.assign(g="all"), **whole, scores=scores, by="g")
    np.testing.assert_allclose(everybody["all"].influence, alone.influence, rtol=1e-8, atol=1e-9)
    grouped = ps.ipw(rows, **whole, scores=scores, by="g")
    assert "0.9" in grouped.se_method
    south = (rows["g"] == "south").to_numpy()
    np.testing.assert_allclose(grouped["south"].weights[south], alone.weights[south], rtol=1e-12)


def test_table_has_the_numbers_of_the_effects(rows):
    grouped = by_weighting(rows, cluster="team")
    assert list(grouped) == ["north", "south", "west"]
    assert len(grouped) == 3
    for group, effect in grouped.items():
        line = grouped.table.loc[group]
        for name in ("estimate", "std_error", "mean_treated", "mean_control", "ess_treated", "p_value"):
            assert line[name] == pytest.approx(getattr(effect, name), rel=1e-10)
        assert line[["conf_low", "conf_high"]].tolist() == pytest.approx(list(effect.conf_int()))
        assert effect.whom == f"g = {group}"
        assert line["n_treated"] == (rows["t"] & (rows["g"] == group)).sum()
        assert effect.influence.mean() == pytest.approx(0, abs=1e-12)


def test_covariance_is_that_of_the_influence(rows):
    grouped = by_weighting(rows, weighted=True)
    influence = np.array([effect.influence for effect in grouped.values()])
    np.testing.assert_allclose(grouped.cov, influence @ influence.T / len(rows) ** 2, rtol=1e-10)


def test_weights_of_a_group_balance_it_alone(rows):
    effect = by_weighting(rows)["south"]
    w = effect.weights.to_numpy()
    assert ((w > 0) == (rows["g"] == "south")).all()
    assert np.average(rows["y"][rows["t"]], weights=w[rows["t"]]) == pytest.approx(effect.mean_treated)


def test_groups_of_the_tutorial(logs, model):
    grouped = ps.ipw(logs, **TUTORIAL, scores=model, by="engagement_tier", within=True)
    np.testing.assert_allclose(grouped.table["estimate"], [0.0668, 0.0953, 0.0745], atol=2e-4)
    np.testing.assert_allclose(grouped.table["std_error"], [0.0087, 0.0093, 0.0076], atol=6e-5)
    once = ps.ipw(logs, **TUTORIAL, scores=model, by="engagement_tier")
    np.testing.assert_allclose(once.table["std_error"], [0.0087, 0.0093, 0.0076], atol=6e-5)


# Within groups


@pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning")  # of groups this small
def test_models_within_groups_are_those_of_their_rows(rows):
    grouped = by_weighting(rows, within=True, weighted=True)
    for group, effect in grouped.items():
        part = rows[rows["g"] == group]
        scores = ps.fit_propensity(part, treatment="t", covariates=["a", "b"], sample_weight="w")
        alone = ps.ipw(part, outcome="y", treatment="t", scores=scores, sample_weight="w")
        pd.testing.assert_frame_equal(effect.to_frame(), alone.to_frame(), rtol=1e-9)
        assert effect.weights.index.equals(part.index)
    assert (grouped.cov.to_numpy()[~np.eye(3, dtype=bool)] == 0).all()
    assert "models of their own" in repr(grouped)


def test_clusters_across_groups_join_models_within_groups(rows):
    grouped = by_weighting(rows, within=True, cluster="team")
    np.testing.assert_allclose(np.sqrt(np.diag(grouped.cov)), grouped.table["std_error"], rtol=1e-10)
    north, south = (grouped[group] for group in ("north", "south"))
    sums = {}
    for group, effect in (("north", north), ("south", south)):
        part = rows["g"] == group
        own = pd.Series(effect.influence / part.sum(), index=rows.index[part]).groupby(rows["team"]).sum()
        sums[group] = own * np.sqrt(len(own) / (len(own) - 1))
    expected = (sums["north"] * sums["south"]).sum()
    assert grouped.cov.loc["north", "south"] == pytest.approx(expected, rel=1e-10)


def test_terms_of_one_value_in_a_group_are_no_news_there(logs):
    model = ps.fit_propensity(logs, treatment=TREATMENT, covariates=COVARIATES)
    grouped = ps.ipw(logs, **TUTORIAL, scores=model, by="engagement_tier", within=True)  # warns of nothing
    assert grouped.cautions == ()


def test_numbers_have_nothing_to_fit_within_a_group(rows):
    with pytest.raises(InvalidInputError, match="within: scores that are given are what they are"):
        ps.ipw(rows, outcome="y", treatment="t", scores=np.full(len(rows), 0.5), by="g", within=True)
    with pytest.raises(InvalidInputError, match="within: there are no groups"):
        ps.ipw(rows, outcome="y", treatment="t", scores=np.full(len(rows), 0.5), within=True)


# Equality and many tests


def test_equality_of_two_groups_is_the_test_of_their_difference(rows):
    df = rows.assign(g=rows["g"] == "west")
    grouped = by_weighting(df)
    gap = grouped[True].estimate - grouped[False].estimate
    # The covariance of the plain errors, with those of intervals in the place of these.
    own, errors = (
        [effect.std_error for effect in (grouped[True], grouped[False])],
        np.array([effect.interval_error for effect in (grouped[True], grouped[False])]),
    )
    shared = (grouped[True].influence * grouped[False].influence).sum() / len(df) ** 2
    z = gap / np.sqrt((errors**2).sum() - 2 * shared * errors.prod() / np.prod(own))
    found = grouped.test_equal()
    assert found.df == 1
    assert found.statistic == pytest.approx(z**2, rel=1e-9)
    # Satterthwaite's degrees of freedom of a sum of two variances.
    v, own = errors**2, np.array([grouped[True].df, grouped[False].df])
    df_rest = v.sum() ** 2 / (v**2 / own).sum()
    assert found.df_rest == pytest.approx(df_rest, rel=1e-9)
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(z), df_rest), rel=1e-9)
    assert str(found).startswith("The differences (ATE) by g against one and the same in all 2 groups: p = ")


def test_equality_is_wald_by_any_contrasts(rows):
    grouped = by_weighting(rows, cluster="team")
    estimates = grouped.table["estimate"].to_numpy()
    wider = np.array([effect.interval_error / effect.std_error for effect in grouped.values()])
    covariance = grouped.cov.to_numpy() * np.outer(wider, wider)
    contrasts = np.array([[1, -0.5, -0.5], [0, 1, -1]])
    gaps = contrasts @ estimates
    statistic = gaps @ np.linalg.inv(contrasts @ covariance @ contrasts.T) @ gaps
    found = grouped.test_equal()
    unsure = (1 - (w := 1 / np.diag(covariance)) / w.sum()) ** 2 / grouped.table["df"].to_numpy()
    assert found.statistic * 2 * (1 + 2 / 8 * unsure.sum()) == pytest.approx(statistic, rel=1e-9)
    assert found.p_value == pytest.approx(stats.f.sf(found.statistic, 2, found.df_rest), rel=1e-9)


def test_equality_of_means_of_independent_groups_is_welchs():
    rng = np.random.default_rng(4)
    groups = [rng.normal(size, 1 + size, 5 + 4 * size) for size in range(4)]
    expected = anova_oneway(groups, use_var="unequal")
    means, sizes = np.array([group.mean() for group in groups]), np.array([len(group) for group in groups])
    variances = np.array([group.var(ddof=1) for group in groups]) / sizes
    found = equality.tested_for_equality(means, np.diag(variances), sizes - 1.0, "means")
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-10)
    assert (found.df, found.df_rest) == pytest.approx(expected.df, rel=1e-10)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-10)


@pytest.mark.parametrize("df", [1, 2, 3, 7, 50, 999])
def test_tail_of_chi_squared(df):
    for statistic in (0.0, 0.1, 1.0, df, 1.3 * df, 3 * df):
        assert equality.chi_squared_p(statistic, df) == pytest.approx(stats.chi2.sf(statistic, df), rel=1e-11)


@pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning")
def test_equality_holds_its_level():
    p = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=2000)
        t = rng.random(2000) < reference.expit(0.6 * x)
        df = pd.DataFrame({"x": x, "t": t, "g": rng.integers(0, 4, 2000)})
        df["y"] = x * (1 + df["g"]) + t + rng.normal(size=2000)
        model = ps.fit_propensity(df, treatment="t", covariates=["x"])
        p.append(ps.ipw(df, outcome="y", treatment="t", scores=model, by="g").test_equal().p_value)
    # Of 300 tests at 5% from 6 to 25 reject in 99% of cases.
    assert 6 <= sum(np.array(p) < 0.05) <= 25


def test_p_values_are_adjusted_as_statsmodels_does(rows):
    df = rows.assign(g=np.arange(len(rows)) % 6)
    table = by_weighting(df).table
    for column, method in (("p_holm", "holm"), ("p_bh", "fdr_bh")):
        np.testing.assert_allclose(table[column], multipletests(table["p_value"], method=method)[1])


def test_more_groups_than_clusters_cannot_be_told_apart(rows):
    df = rows.assign(g=np.arange(len(rows)) % 6, team=np.arange(len(rows)) // 120)
    with pytest.warns(SmallSampleWarning, match="5 clusters"):
        grouped = by_weighting(df, cluster="team")
    with pytest.raises(InvalidInputError, match="more groups than there are clusters"):
        grouped.test_equal()


# Groups as they come


@pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning")
def test_several_columns_make_groups_of_their_combinations(rows):
    df = rows.assign(h=rows["b"] > 0, g=rows["g"].replace("south", "north"))
    scores = ps.fit_propensity(df, treatment="t", covariates=["a", "b"])
    grouped = ps.ipw(df, outcome="y", treatment="t", scores=scores, by=["g", "h"])
    assert grouped.table.index.names == ["g", "h"]
    one = by_weighting(df.assign(g=df["g"] + df["h"].astype(str)))
    np.testing.assert_allclose(grouped.table["estimate"], one.table["estimate"], rtol=1e-12)
    assert grouped["west", True].estimate == one["westTrue"].estimate
    assert grouped["west", True].whom == "g = west, h = True"


def test_group_without_an_arm_has_a_line_with_the_reason(rows):
    df = rows.copy()
    df.loc[df["g"] == "south", "t"] = False
    df.loc[df.index[df["g"] == "south"][:1], "t"] = True
    grouped = by_weighting(df)
    assert list(grouped) == ["north", "west"]
    assert "south" not in grouped
    line = grouped.table.loc["south"]
    assert line["note"] == "no effect of 1 treated row; it takes 2 of each arm"
    assert line[["estimate", "std_error", "p_value", "p_holm"]].isna().all()
    assert grouped.table["p_holm"].max() <= 2 * grouped.table["p_value"].max()
    assert grouped.cov.loc["south"].isna().all()
    assert grouped.test_equal().df == 1
    with pytest.raises(InvalidInputError, match="g = south: no effect of 1 treated row"):
        grouped["south"]
    with pytest.raises(KeyError, match="'east' is no group by g; there are 'north', 'south', 'west'"):
        grouped["east"]


def test_group_whose_means_have_no_ratio_has_the_reason(rows):
    df = rows.copy()
    df.loc[(df["g"] == "west") & ~df["t"], "z"] = 0
    grouped = by_weighting(df, outcome="z", contrast="ratio")
    assert "both means must be positive" in grouped.table.loc["west", "note"]
    assert np.isfinite(grouped.table.loc["north", "estimate"])


def test_no_group_with_an_effect_is_an_error(rows):
    df = rows.assign(g=rows["t"].astype(int))
    with pytest.raises(InvalidInputError, match="no group has an effect; the first: no effect of 0 treated"):
        by_weighting(df)


@pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning")
def test_small_and_uneven_groups_are_told_of_once(rows):
    df = rows.assign(g=np.where(np.arange(600) < 40, "tiny", rows["g"]))
    with pytest.warns(SmallSampleWarning, match="g = tiny: the control arm is worth") as caught:
        grouped = by_weighting(df)
    assert sum("control arm" in str(warning.message) for warning in caught) == 1
    assert "worth" in grouped.table.loc["tiny", "note"]
    assert grouped.table.loc["north", "note"] == ""
    assert any("worth" in str(caution) for caution in grouped["tiny"].cautions)


@pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning")
def test_little_overlap_in_a_group_is_told(rows):
    rng = np.random.default_rng(0)
    x = rng.normal(size=3000)
    t = rng.random(3000) < reference.expit(3.5 * x)
    df = pd.DataFrame({"x": x, "t": t, "y": x + t, "g": np.where(np.abs(x) < 0.3, "inner", "outer")})
    scores = ps.fit_propensity(df, treatment="t", covariates=["x"])
    grouped = ps.ipw(df, outcome="y", treatment="t", scores=scores, by="g")
    assert "little overlap" in grouped.table.loc["outer", "note"]
    assert "little overlap" not in grouped.table.loc["inner", "note"]
    assert any(isinstance(caution, OverlapWarning) for caution in grouped.cautions)


def test_rows_of_weight_0_are_not_there(rows):
    df = rows.assign(w=np.where(rows["g"] == "west", 0.0, rows["w"]))
    df.loc[df.index[:50], "w"] = 0.0
    weighted, there = by_weighting(df, weighted=True), df[df["w"] > 0].reset_index(drop=True)
    alone = by_weighting(there, weighted=True)
    assert list(weighted) == ["north", "south"]
    np.testing.assert_allclose(weighted.table.iloc[:, :-1], alone.table.iloc[:, :-1], rtol=1e-9)
    np.testing.assert_allclose(weighted.cov, alone.cov, rtol=1e-8)


def test_order_of_rows_decides_nothing(rows):
    shuffled = rows.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(by_weighting(shuffled).table, by_weighting(rows).table, rtol=1e-9)


def test_frames_of_other_libraries_give_the_same(rows):
    scores = ps.fit_propensity(pl.from_pandas(rows), treatment="t", covariates=["a", "b"])
    grouped = ps.ipw(pl.from_pandas(rows), outcome="y", treatment="t", scores=scores, by="g")
    pd.testing.assert_frame_equal(grouped.table, by_weighting(rows).table, rtol=1e-12)
    assert isinstance(grouped["north"].weights, pl.Series)
    within = ps.ipw(pl.from_pandas(rows), outcome="y", treatment="t", scores=scores, by="g", within=True)
    pd.testing.assert_frame_equal(within.table, by_weighting(rows, within=True).table, rtol=1e-9)


def test_order_of_levels_is_that_of_a_category(rows):
    df = rows.assign(g=pd.Categorical(rows["g"], ["west", "north", "south"], ordered=True))
    assert list(by_weighting(df)) == ["west", "north", "south"]


@pytest.mark.parametrize("within", [False, True])
def test_groups_come_out_of_a_pickle(rows, within):
    grouped = by_weighting(rows, within=within)
    again = pickle.loads(pickle.dumps(grouped))
    pd.testing.assert_frame_equal(again.table, grouped.table)
    pd.testing.assert_frame_equal(again.cov, grouped.cov)
    assert again["west"].estimate == grouped["west"].estimate
    assert again.test_equal() == grouped.test_equal()


@pytest.mark.filterwarnings("ignore::propensity.errors.DegenerateWarning")
def test_constant_outcome_of_a_group_has_no_error(rows):
    df = rows.copy()
    df.loc[df["g"] == "west", "y"] = 7.0
    grouped = by_weighting(df)
    line = grouped.table.loc["west"]
    assert (line["estimate"], line["std_error"]) == (0.0, 0.0)
    assert np.isnan(line["p_value"])
    assert grouped["west"].std_error == 0.0
    assert grouped.test_equal().df == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "t"}, "by: column 't' is the treatment"),
        ({"by": "y"}, "by: column 'y' is the outcome"),
        ({"by": []}, "by: no column is named"),
        ({"by": ["g", "g"]}, "by: column 'g' is listed 2 times"),
        ({"by": "nowhere"}, "nowhere"),
        ({"by": "gaps"}, "column 'gaps'.*missing"),
        ({"by": "g", "outcome": ["y", "z"]}, "effects by group are of one outcome, and 2 are named"),
        ({"by": "g", "within": 1}, "within"),
    ],
)
def test_unusable_groups_are_explained(rows, options, message):
    df = rows.assign(gaps=rows["g"].where(rows["a"] > 0))
    given = {"outcome": "y", "treatment": "t", "scores": np.full(len(rows), 0.5)} | options
    with pytest.raises(InvalidInputError, match=message):
        ps.ipw(df, **given)


def test_numbers_that_are_no_groups_are_refused():
    rng = np.random.default_rng(1)
    df = pd.DataFrame({"t": [0, 1] * 4000, "y": rng.normal(size=8000), "x": rng.normal(size=8000)})
    with pytest.raises(InvalidInputError, match=r"'x' has 8,000 different numbers.*pd.qcut\(df\['x'\], 5"):
        ps.ipw(df, outcome="y", treatment="t", scores=np.full(8000, 0.5), by="x")


# Two columns


@pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning")
def test_effects_by_two_columns_show_themselves(rows):
    df = rows.assign(side=np.where(rows["b"] > 0, "right", "left"))
    model = ps.fit_propensity(df, treatment="t", covariates=["a", "b"])
    roles = {"treatment": "t", "by": ["g", "side"]}
    grouped = [
        ps.ipw(df, outcome="y", scores=model, **roles),
        ps.aipw(df, outcome="y", covariates=["a", "b"], **roles),
        ps.weighted_effect(df, outcome="y", weights="w", estimand="ATE", **roles),
        ps.fit_weights(df, treatment="t", covariates=["a", "b"]).effect("y", by=["g", "side"]),
        ps.match_nn(df, treatment="t", scores=model, exact=["g", "side"]).effect("y", by=["g", "side"]),
        ps.overlap(df, scores=model, **roles),
    ]
    for found in grouped:
        for words in (repr(found), str(found), found._repr_html_()):
            for level in ("north", "south", "west", "left", "right"):
                assert level in words
        assert "None" not in found._repr_html_()


# Cautions of groups


def test_each_group_is_told_its_own_number():
    sizes = {"a": 4.4, "b": 12.0, "c": 19.96, "d": 7.0, "e": 400.0}
    groups = Grouping(("g",), np.arange(5), pd.Index(sizes, name="g"), None)
    told = told_of_groups([size_cautions((size, 500.0), (600, 600)) for size in sizes.values()], groups)
    (caution,) = map(str, told)
    assert caution.startswith(
        "g = a (4); g = b (12); g = c (19.9) and 1 other: the treated arm is worth 4 to 19.9 rows; below 20"
    )


def test_what_groups_have_in_common_is_said_once():
    groups = Grouping(("g",), np.arange(2), pd.Index(["x1", "x2"], name="g"), None)
    same = BalanceWarning("the arms differ by 0.1 in x1")
    (caution,) = told_of_groups([(same,), (same,)], groups)
    assert str(caution) == "g = x1; g = x2: the arms differ by 0.1 in x1"
    several = told_of_groups([(same,), (BalanceWarning("the arms differ by 0.1 in x2"),)], groups)
    assert list(map(str, several)) == [
        "g = x1: the arms differ by 0.1 in x1",
        "g = x2: the arms differ by 0.1 in x2",
    ]


def test_many_groups_with_words_of_their_own_are_told_once_for_each_kind():
    rng = np.random.default_rng(2)
    n = 4_000
    columns = {name: rng.normal(size=n) for name in ("a", "b", "c")}
    country = np.char.add("c", (60 * rng.random(n) ** 2).astype(int).astype(str))
    treated = rng.random(n) < 1 / (1 + np.exp(-columns["a"]))
    df = pd.DataFrame({**columns, "t": treated, "country": country, "y": rng.normal(size=n)})
    df["same"] = df["a"] * df["b"]
    model = ps.fit_propensity(df, treatment="t", covariates=["a", "b", "c", "same"])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        effects = ps.ipw(df, outcome="y", treatment="t", scores=model, by="country", within=True)
    told = [f"{one.category.__name__} {str(one.message).partition(': ')[2][:40]}" for one in caught]
    assert len(told) <= 8, told
    (words,) = [str(one.message) for one in caught if "the arms still differ" in str(one.message)]
    assert re.match(r"country = \w+; country = \w+; country = \w+ and \d+ others: as of country = ", words)
    assert words.endswith("; the table has the note of each group")
    notes = effects.to_frame()["note"]
    n_differing = notes.str.contains("the arms still differ").sum()
    assert f" and {n_differing - 3} others: as of" in words


@pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning")
def test_name_of_no_group_is_answered_in_a_sentence(rows):
    df = rows.assign(k=np.where(rows["b"] > 0, 1, 0))
    grouped = ps.aipw(df, outcome="y", treatment="t", covariates=["a", "b"], by=["g", "k"])
    with pytest.raises(KeyError) as caught:
        grouped["north"]
    assert str(caught.value) == (
        "'north' is no group by g, k: a group has a value of each, as in effects['north', 0]; there are "
        "('north', 0), ('north', 1)"
    )
    with pytest.raises(KeyError) as caught:
        grouped["east", 0]
    assert "there are ('north', 0), ('north', 1), ('south', 0), ('south', 1), ('west', 0) and 1 more" in str(
        caught.value
    )
