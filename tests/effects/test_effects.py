"""Effects: contrasts, intervals, p-values, clusters, several outcomes, and what they caution against."""

import math

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import Table2x2
from statsmodels.stats.multitest import multipletests

import propensity as ps
from conftest import OUTCOME, TREATMENT
from propensity.effects import inference
from propensity.errors import BalanceWarning, InvalidInputError, OverlapWarning, SmallSampleWarning


@pytest.fixture
def table():
    """A trial of 300, whose scores are known and equal: its effects are those of a 2 x 2 table."""
    treated = np.repeat([1, 0], [120, 180])
    done = np.concatenate([np.repeat([1, 0], [80, 40]), np.repeat([1, 0], [70, 110])])
    return pd.DataFrame({"t": treated, "y": done, "e": 0.4})


# Contrasts


@pytest.mark.parametrize("contrast", ["ratio", "odds_ratio"])
def test_ratios_of_a_trial_are_those_of_its_table(table, contrast):
    effect = ps.ipw(table, outcome="y", treatment="t", scores="e", contrast=contrast)
    expected = Table2x2([[80, 40], [70, 110]])
    name = {"ratio": "riskratio", "odds_ratio": "oddsratio"}[contrast]
    assert effect.estimate == pytest.approx(getattr(expected, name), rel=1e-12)
    assert effect.std_error == pytest.approx(getattr(expected, f"log_{name}_se"), rel=1e-12)
    low, high = getattr(expected, f"{name}_confint")(alpha=0.1)
    assert effect.conf_int(level=0.9, df=math.inf) == pytest.approx((low, high), rel=1e-12)
    assert effect.p_value == pytest.approx(2 * stats.t.sf(abs(_distance(effect)), effect.df), rel=1e-9)


def _distance(effect):
    """How many standard errors a ratio is from none, by the sample variances, divisor n - 1, of the arms."""
    p, q = 80 / 120, 70 / 180
    if effect.contrast == "ratio":
        parts = (1 - p) / p / 119, (1 - q) / q / 179
    else:
        parts = 1 / (p * (1 - p) * 119), 1 / (q * (1 - q) * 179)
    return math.log(effect.estimate) / math.sqrt(sum(parts))


def test_difference_of_a_trial_is_that_of_its_shares(table):
    effect = ps.ipw(table, outcome="y", treatment="t", scores="e")
    p, q = 80 / 120, 70 / 180
    assert effect.estimate == pytest.approx(p - q)
    assert effect.std_error == pytest.approx(math.sqrt(p * (1 - p) / 120 + q * (1 - q) / 180), rel=1e-12)
    law, unbiased = stats.t(effect.df), math.sqrt(p * (1 - p) / 119 + q * (1 - q) / 179)
    assert effect.interval_error == pytest.approx(unbiased, rel=1e-12)
    assert effect.p_value == pytest.approx(2 * law.sf(effect.estimate / unbiased), rel=1e-9)
    half_width = law.ppf(0.975) * unbiased
    interval = effect.conf_int()
    assert interval.conf_low == pytest.approx(effect.estimate - half_width)
    assert interval.conf_high == pytest.approx(effect.estimate + half_width)


@pytest.mark.parametrize("contrast", ["difference", "ratio", "percent", "odds_ratio"])
def test_contrast_asked_for_and_made_later_are_the_same(table, contrast):
    asked = ps.ipw(table, outcome="y", treatment="t", scores="e", contrast=contrast)
    later = ps.ipw(table, outcome="y", treatment="t", scores="e", contrast="ratio").contrast_as(contrast)
    pd.testing.assert_frame_equal(asked.to_frame(), later.to_frame(), rtol=1e-14)
    assert asked.contrast == later.contrast == contrast


def test_table_of_a_ratio_says_that_its_error_is_of_the_logarithm(table):
    effect = ps.ipw(table, outcome="y", treatment="t", scores="e", contrast="ratio")
    assert "log_std_error" in effect.to_frame()
    assert "std_error" not in effect.to_frame()
    assert "ratio 1.71429" in repr(effect)


def test_ratio_needs_positive_means(users):
    users["loss"] = -users["done"].abs()
    with pytest.raises(InvalidInputError, match="'ratio': both means must be positive, but the means are -"):
        ps.regression_adjustment(
            users, outcome="loss", treatment="opted", covariates=["visits"], contrast="ratio"
        )


def test_odds_ratio_needs_outcomes_that_are_shares(users):
    users["hours"] = users["done"].rank(pct=True) + 0.001
    effect = ps.aipw(users, outcome="hours", treatment="opted", covariates=["visits"])
    assert 0 < effect.mean_control < 1
    with pytest.raises(InvalidInputError, match=r"'odds_ratio': some outcomes lie outside \[0, 1\]"):
        effect.contrast_as("odds_ratio")


@pytest.mark.parametrize(("shift", "instead"), [(50.0, "ratio"), (-50.0, "difference")])
def test_contrast_that_cannot_be_had_names_one_that_can(users, shift, instead):
    df = users.assign(done=users["done"] + shift)
    effect = ps.ipw(df, outcome="done", treatment="opted", scores=np.full(len(df), 0.5))
    for contrast in {"odds_ratio", "ratio"} - {instead}:
        with pytest.raises(InvalidInputError, match=f"take '{instead}'$"):
            effect.contrast_as(contrast)
    assert np.isfinite(effect.contrast_as(instead).estimate)


def test_odds_ratio_needs_both_outcomes(table):
    table["y"] = 1
    with pytest.raises(
        InvalidInputError, match="both means must be between 0 and 1, but the means are 1 and"
    ):
        ps.ipw(table, outcome="y", treatment="t", scores="e", contrast="odds_ratio")


def test_unknown_contrasts_are_refused(table):
    with pytest.raises(
        InvalidInputError, match="contrast must be one of 'difference', 'ratio', 'percent', 'odds_ratio'"
    ):
        ps.ipw(table, outcome="y", treatment="t", scores="e", contrast="rr")


@pytest.mark.filterwarnings("ignore::propensity.errors.DegenerateWarning")
def test_outcome_without_variation_has_no_error(table):
    table["y"] = 3.0
    effect = ps.ipw(table, outcome="y", treatment="t", scores="e")
    assert effect.std_error == pytest.approx(0, abs=1e-14)
    assert effect.estimate == pytest.approx(0, abs=1e-14)


def test_p_value_without_an_error():
    assert inference.two_sided_p(0.1, 0.0) == 0.0
    assert math.isnan(inference.two_sided_p(0.0, 0.0))


# Influence


@pytest.mark.parametrize("contrast", ["difference", "ratio", "percent", "odds_ratio"])
def test_standard_error_is_that_of_the_influence(table, contrast):
    effect = ps.ipw(table, outcome="y", treatment="t", scores="e", contrast=contrast)
    assert effect.influence.mean() == pytest.approx(0, abs=1e-14)
    assert math.sqrt((effect.influence**2).sum()) / len(table) == pytest.approx(effect.std_error, rel=1e-12)


def test_effects_vary_jointly_as_a_combined_outcome_does(users):
    users["sum"] = users["done"] + 2 * users["tenure"]
    both = ps.aipw(users, outcome=["done", "tenure"], treatment="opted", covariates=["tier", "visits"])
    combined = ps.aipw(users, outcome="sum", treatment="opted", covariates=["tier", "visits"])
    variance = [1, 2] @ both.covariance.to_numpy() @ [1, 2]
    assert math.sqrt(variance) == pytest.approx(combined.std_error, rel=1e-10)
    errors = both.to_frame()["std_error"]
    np.testing.assert_allclose(np.sqrt(np.diag(both.covariance)), errors, rtol=1e-12)


# Clusters and weights


def clusters_of(users):
    return pd.Series(np.arange(len(users)) % 60, index=users.index).map("team {}".format)


ESTIMATORS = {
    "ipw": lambda df, **options: ps.ipw(
        df,
        scores=ps.fit_propensity(
            df,
            treatment="opted",
            covariates=["tier", "visits"],
            sample_weight=options.get("sample_weight"),
        ),
        **options,
    ),
    "aipw": lambda df, **options: ps.aipw(df, covariates=["tier", "visits"], **options),
    "ipwra": lambda df, **options: ps.ipwra(df, covariates=["tier", "visits"], **options),
    "regression": lambda df, **options: ps.regression_adjustment(
        df, covariates=["tier", "visits"], **options
    ),
}


@pytest.mark.parametrize("method", ESTIMATORS)
def test_clusters_sum_the_influence(users, method):
    users["team"] = clusters_of(users)
    roles = {"outcome": "done", "treatment": "opted"}
    plain = ESTIMATORS[method](users, **roles)
    clustered = ESTIMATORS[method](users, **roles, cluster="team")
    sums = pd.Series(plain.influence, index=users.index).groupby(users["team"]).sum()
    assert clustered.estimate == plain.estimate
    expected = math.sqrt(60 / 59 * (sums**2).sum()) / len(users)
    assert clustered.std_error == pytest.approx(expected, rel=1e-12)


def test_clusters_may_be_column_series_array_or_categories(users):
    team = clusters_of(users)
    users["team"] = team
    given = ["team", team, team.to_numpy(), team.astype("category"), team.str[5:].astype(int)]
    errors = [
        ps.ipw(
            users, outcome="done", treatment="opted", scores=users["visits"] / 50 + 0.3, cluster=c
        ).std_error
        for c in given
    ]
    assert errors == pytest.approx([errors[0]] * len(given), rel=1e-14)
    polars = ps.aipw(
        pl.from_pandas(users), outcome="done", treatment="opted", covariates=["visits"], cluster="team"
    )
    pandas = ps.aipw(users, outcome="done", treatment="opted", covariates=["visits"], cluster="team")
    assert polars.std_error == pytest.approx(pandas.std_error, rel=1e-12)


def test_rows_of_their_own_cluster_are_independent_rows(users):
    effect = ps.aipw(users, outcome="done", treatment="opted", covariates=["visits"])
    alone = ps.aipw(
        users, outcome="done", treatment="opted", covariates=["visits"], cluster=np.arange(len(users))
    )
    assert alone.std_error == pytest.approx(effect.std_error * math.sqrt(200 / 199), rel=1e-12)


@pytest.mark.parametrize("method", ESTIMATORS)
def test_weight_two_is_the_row_twice(users, method):
    users["count"] = 1 + (np.arange(len(users)) % 3 == 0)
    twice = users.loc[users.index.repeat(users["count"])]
    twice = twice.assign(row=twice.index).reset_index(drop=True)
    roles = {"outcome": "done", "treatment": "opted"}
    weighted = ESTIMATORS[method](users, **roles, sample_weight="count")
    repeated = ESTIMATORS[method](twice, **roles, cluster="row")
    assert weighted.estimate == pytest.approx(repeated.estimate, rel=1e-10)
    # The copies of a row vary together: as clusters they have the standard error of the weighted rows.
    assert weighted.std_error * math.sqrt(200 / 199) == pytest.approx(repeated.std_error, rel=1e-8)


def test_sample_weights_are_part_of_the_weights(users):
    users["count"] = np.linspace(1, 3, len(users))
    effect = ps.aipw(
        users, outcome="done", treatment="opted", covariates=["visits"], sample_weight="count", estimand="ATT"
    )
    treated = users["opted"]
    np.testing.assert_allclose(effect.weights[treated], users["count"][treated], rtol=1e-12)
    plain = ps.regression_adjustment(
        users, outcome="done", treatment="opted", covariates=["visits"], sample_weight="count"
    )
    np.testing.assert_allclose(plain.weights, users["count"], rtol=1e-12)


def test_model_of_other_sample_weights_is_refused(users):
    users["count"] = np.linspace(1, 3, len(users))
    plain = ps.fit_propensity(users, treatment="opted", covariates=["visits"])
    weighted = ps.fit_propensity(users, treatment="opted", covariates=["visits"], sample_weight="count")
    for model, weight in ((plain, "count"), (weighted, None), (weighted, users["count"] * 2)):
        with pytest.raises(InvalidInputError, match="sample_weight: the model was fitted with"):
            ps.ipw(users, outcome="done", treatment="opted", scores=model, sample_weight=weight)
    ps.ipw(users, outcome="done", treatment="opted", scores=plain.scores, sample_weight="count")


def test_model_of_other_covariates_is_refused(users):
    model = ps.fit_propensity(users, treatment="opted", covariates=["visits"])
    changed = users.assign(visits=users["visits"] + (users.index == "u7"))
    with pytest.raises(InvalidInputError, match=r"column 'visits' has changed in 1 row \(row u7\)"):
        ps.ipw(changed, outcome="done", treatment="opted", scores=model)


def test_unusable_clusters_and_weights_are_explained(users):
    e = users["visits"] / 50 + 0.3
    users["gap"] = users["tenure"].mask(users.index == "u3")
    roles = {"outcome": "done", "treatment": "opted", "scores": e}
    with pytest.raises(InvalidInputError, match="cluster: all rows are in one cluster"):
        ps.ipw(users, **roles, cluster=np.zeros(200))
    with pytest.raises(InvalidInputError, match=r"column 'gap': 1 missing value \(row u3\)"):
        ps.ipw(users, **roles, cluster="gap")
    with pytest.raises(InvalidInputError, match="cluster: 10 values for a frame of 200 rows"):
        ps.ipw(users, **roles, cluster=np.arange(10))
    with pytest.raises(InvalidInputError, match=r"sample_weight: 1 negative value \(row u0\)"):
        ps.ipw(users, **roles, sample_weight=np.where(users.index == "u0", -1.0, 1.0))


# Several outcomes


def test_several_outcomes_are_each_their_own(users):
    names = ["done", "tenure", "premium"]
    for method, run in ESTIMATORS.items():
        together = run(users, outcome=names, treatment="opted")
        assert list(together) == names, method
        assert len(together) == 3
        for name in names:
            alone = run(users, outcome=name, treatment="opted")
            pd.testing.assert_frame_equal(together[name].to_frame(), alone.to_frame(), rtol=1e-13)
            assert together.to_frame().loc[name, "p_value"] == pytest.approx(alone.p_value)


@pytest.mark.parametrize("p", [[0.01, 0.04, 0.03, 0.005], [0.5, 0.5, 0.02], [0.9, 1.0, 0.99], [0.2]])
def test_adjusted_p_values_are_statsmodels(p):
    p = np.array(p)
    np.testing.assert_allclose(inference.holm(p), multipletests(p, method="holm")[1], rtol=1e-14)
    np.testing.assert_allclose(
        inference.benjamini_hochberg(p), multipletests(p, method="fdr_bh")[1], rtol=1e-14
    )


def test_effects_show_both_adjustments(users):
    effects = ps.ipw(
        users, outcome=["tenure", "premium"], treatment="opted", scores=users["visits"] / 50 + 0.3
    )
    table = effects.to_frame(level=0.9)
    p = table["p_value"].to_numpy()
    np.testing.assert_allclose(table["p_holm"], multipletests(p, method="holm")[1])
    np.testing.assert_allclose(table["p_bh"], multipletests(p, method="fdr_bh")[1])
    assert list(table.index) == ["tenure", "premium"]
    assert all(word in repr(effects) for word in ["2 outcomes", "p_holm", "premium"])


def test_unusable_lists_of_outcomes_are_explained(users):
    roles = {"treatment": "opted", "covariates": ["visits"]}
    with pytest.raises(InvalidInputError, match="outcome: column 'done' is listed 2 times"):
        ps.aipw(users, outcome=["done", "done"], **roles)
    with pytest.raises(InvalidInputError, match="outcome: no column is named"):
        ps.aipw(users, outcome=[], **roles)
    with pytest.raises(InvalidInputError, match="column 'visits' is the outcome"):
        ps.aipw(users, outcome=["done", "visits"], **roles)


# Cautions


def strongly_confounded(n=2000):
    """Few of the units likely to be treated are not, and the reverse."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=n)
    treated = rng.random(n) < 1 / (1 + np.exp(-2.5 * x))
    return pd.DataFrame({"x": x, "t": treated, "y": x + treated + rng.normal(size=n)})


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # of the same rows
@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
def test_ipw_warns_of_little_overlap(estimand):
    df = strongly_confounded()
    model = ps.fit_propensity(df, treatment="t", covariates=["x"])
    with pytest.warns(
        OverlapWarning, match=r"rows are worth \d+ \(ESS\), and one of them has .*% of the w"
    ) as caught:
        effect = ps.ipw(df, outcome="y", treatment="t", scores=model, estimand=estimand)
    assert caught[0].filename == __file__
    assert "Caution: little overlap" in repr(effect)
    assert "aipw" in str(effect.cautions[0])


@pytest.mark.parametrize("estimand", ["ATO", "ATM"])
def test_overlap_weights_need_no_warning(estimand):
    df = strongly_confounded()
    model = ps.fit_propensity(df, treatment="t", covariates=["x"])
    assert ps.ipw(df, outcome="y", treatment="t", scores=model, estimand=estimand).cautions == ()


def test_warning_of_several_outcomes_comes_once():
    df = strongly_confounded().assign(z=lambda d: d["y"] ** 2)
    with pytest.warns((OverlapWarning, BalanceWarning)) as caught:
        ps.ipw(df, outcome=["y", "z"], treatment="t", scores=1 / (1 + np.exp(-2.5 * df["x"])))
    assert [warning.category for warning in caught].count(OverlapWarning) == 1


def test_tutorials_data_need_no_warning(logs, model):
    for estimand in ("ATE", "ATT", "ATC", "ATO", "ATM"):
        effect = ps.ipw(logs, outcome=OUTCOME, treatment=TREATMENT, scores=model, estimand=estimand)
        assert effect.cautions == ()


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # few rows, made up
def test_small_arm_is_told(users):
    few = pd.concat([users[users["opted"]].head(13), users[~users["opted"]].head(87)])
    with pytest.warns(SmallSampleWarning, match=r"the treated arm is worth 1\d rows") as caught:
        effect = ps.aipw(few, outcome="done", treatment="opted", covariates=["visits"])
    assert caught[0].filename == __file__
    assert "Caution: the treated arm" in repr(effect)


def test_few_clusters_are_told(users):
    with pytest.warns(SmallSampleWarning, match="10 clusters; below 40"):
        ps.aipw(users, outcome="done", treatment="opted", covariates=["visits"], cluster=np.arange(200) % 10)
