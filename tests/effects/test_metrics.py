"""Ratio metrics and winsorized outcomes."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mstats

import propensity as ps
import reference
from propensity.errors import InvalidInputError

# Neither is the question here.
pytestmark = pytest.mark.filterwarnings(
    "ignore::propensity.errors.BalanceWarning", "ignore::propensity.errors.OverlapWarning"
)

METRIC = {"outcome": "clicks", "per": "views"}


@pytest.fixture(scope="module")
def views():
    """2,000 users with views and clicks, of whom the more active are treated more often."""
    rng = np.random.default_rng(3)
    n = 2000
    x = rng.normal(size=n)
    t = (rng.random(n) < 1 / (1 + np.exp(-0.8 * x))).astype(int)
    seen = rng.integers(0, 30, n) + 5 * (x > 0)
    clicks = rng.poisson(np.exp(-2 + 0.5 * x + 0.3 * t) * seen)
    return pd.DataFrame({"x": x, "t": t, "views": seen, "clicks": clicks, "team": np.arange(n) % 80})


@pytest.fixture(scope="module")
def scores(views):
    return ps.fit_propensity(views, treatment="t", covariates=["x"])


# Ratios


def test_ratio_metric_is_the_published(views, scores):
    # By hand from two effects and their influence values, before there was a door.
    effect = ps.ipw(views, **METRIC, treatment="t", scores=scores, contrast="ratio")
    assert effect.estimate == pytest.approx(1.2806, abs=5e-5)
    assert effect.std_error == pytest.approx(0.06064, abs=5e-6)
    assert "of clicks per views" in repr(effect)
    assert "of a ratio of two means" in effect.se_method


def linearized(views, arms):
    """The metric in each arm, and clicks less it times views, over the mean of views: by hand."""
    found = {}
    for arm, own in arms.items():
        w, part = own["w"], views[own["rows"]]
        ratio = np.average(part["clicks"], weights=w) / np.average(part["views"], weights=w)
        rest = (part["clicks"] - ratio * part["views"]) / np.average(part["views"], weights=w)
        found[arm] = ratio, rest
    return found


@pytest.mark.parametrize("cluster", [None, "team"])
def test_ratio_metric_varies_as_its_linear_part_does(views, scores, cluster):
    effect = ps.ipw(views, **METRIC, treatment="t", scores=scores, cluster=cluster)
    w = effect.weights.to_numpy()
    treated = views["t"].to_numpy() == 1
    arms = {arm: {"w": w[rows], "rows": rows} for arm, rows in (("t", treated), ("c", ~treated))}
    parts = linearized(views, arms)
    assert effect.mean_treated == pytest.approx(parts["t"][0], rel=1e-12)
    assert effect.mean_control == pytest.approx(parts["c"][0], rel=1e-12)
    df = views.assign(rest=pd.concat([parts["t"][1], parts["c"][1]]))
    expected = ps.ipw(df, outcome="rest", treatment="t", scores=scores, cluster=cluster)
    assert effect.std_error == pytest.approx(expected.std_error, rel=1e-9)


def test_metric_per_one_is_the_outcome(views, scores):
    df = views.assign(one=1.0)
    metric = ps.ipw(df, outcome="clicks", per="one", treatment="t", scores=scores)
    plain = ps.ipw(df, outcome="clicks", treatment="t", scores=scores)
    pd.testing.assert_frame_equal(metric.to_frame(), plain.to_frame(), rtol=1e-12)


def test_several_outcomes_share_what_they_are_divided_by(views, scores):
    df = views.assign(double=2 * views["clicks"])
    both = ps.ipw(df, outcome=["clicks", "double"], per="views", treatment="t", scores=scores)
    assert "\nOutcomes: clicks per views, double per views\n" in repr(both)
    assert both["double"].estimate == pytest.approx(2 * both["clicks"].estimate, rel=1e-12)
    ratios = [effect.contrast_as("percent").estimate for effect in both.by_outcome.values()]
    assert ratios[0] == pytest.approx(ratios[1], rel=1e-12)


def test_share_has_odds(views, scores):
    df = views.assign(clicks=np.minimum(views["clicks"], views["views"]))
    effect = ps.ipw(df, **METRIC, treatment="t", scores=scores, contrast="odds_ratio")
    p, q = effect.mean_treated, effect.mean_control
    assert effect.estimate == pytest.approx(p / (1 - p) / (q / (1 - q)), rel=1e-12)
    with pytest.raises(InvalidInputError, match="some outcomes lie outside"):
        ps.ipw(
            views.assign(clicks=views["clicks"] + 30),
            **METRIC,
            treatment="t",
            scores=scores.scores,
            contrast="odds_ratio",
        )


@pytest.mark.filterwarnings("ignore::propensity.errors.DegenerateWarning")
def test_constant_metric_has_no_error(views, scores):
    df = views.assign(clicks=0.25 * views["views"])
    effect = ps.ipw(df, **METRIC, treatment="t", scores=scores)
    assert (effect.estimate, effect.std_error) == (0.0, 0.0)
    assert effect.mean_treated == pytest.approx(0.25)


def test_metric_by_group_is_that_of_its_rows(views):
    df = views.assign(g=np.arange(2000) % 3)
    e = reference.expit(0.8 * df["x"])
    grouped = ps.ipw(df, **METRIC, treatment="t", scores=e, by="g", contrast="percent")
    for group, effect in grouped.items():
        part = df["g"] == group
        alone = ps.ipw(df[part], **METRIC, treatment="t", scores=e[part], contrast="percent")
        assert effect.estimate == pytest.approx(alone.estimate, rel=1e-11)
        assert effect.std_error == pytest.approx(alone.std_error, rel=1e-10)
        assert effect.measured == "clicks per views"
    everybody = ps.ipw(df.assign(g=0), **METRIC, treatment="t", scores=e, by="g")[0]
    assert everybody.std_error == pytest.approx(
        ps.ipw(df, **METRIC, treatment="t", scores=e).std_error, rel=1e-10
    )


def spread_of(rows):
    """The standard deviation of clicks over the mean of views, of rows as often as they weigh."""
    copies = rows.loc[rows.index.repeat(rows["w"])]
    return np.std(copies["clicks"] / copies["views"].mean())


def of_each_kind(df):
    roles = {"treatment": "t", "sample_weight": "w"}
    known = {**METRIC, **roles, "scores": "e"}
    weights = ps.fit_weights(df, covariates=["x"], **roles)
    matches = ps.match_nn(df, scores="e", exact=["g"], estimand="ATE", **roles)
    yield ps.ipw(df, **known), ps.ipw(df, by="g", **known)
    yield tuple(ps.aipw(df, **METRIC, covariates=["x"], by=by, **roles) for by in (None, "g"))
    yield tuple(ps.aipw(df, **METRIC, covariates=["x"], by=by, n_folds=2, **roles) for by in (None, "g"))
    yield tuple(weights.effect("clicks", per="views", by=by) for by in (None, "g"))
    yield tuple(matches.effect("clicks", per="views", by=by) for by in (None, "g"))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_group_whose_mean_to_divide_by_is_not_above_0_has_the_reason():
    # A line through views that rise as exp(x) is below 0 where x is small.
    rng = np.random.default_rng(1)
    n = 600
    df = pd.DataFrame({"g": np.arange(n) % 3})
    df["x"] = rng.normal(size=n) * 0.5 + np.array([-1.5, 0.0, 2.0])[df["g"]]
    df["t"] = rng.random(n) < 0.5
    df["views"], df["clicks"] = np.exp(1.5 * df["x"]), 1.0 + (rng.random(n) < 0.5)
    spec = {"treatment": "t", "covariates": ["x"], "by": "g"}
    below = ps.regression_adjustment(df, outcome="views", **spec).table[["mean_treated", "mean_control"]]
    refused = (below <= 0).any(axis=1)
    assert refused.any()
    assert not refused.all()
    table = ps.regression_adjustment(df, **METRIC, **spec).table
    assert table["estimate"].isna().tolist() == refused.tolist()
    assert table.loc[refused, "note"].str.contains("its mean to divide by is not above 0").all()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_spread_of_a_metric_is_of_the_rows_it_is_for_as_often_as_they_weigh(views):
    rng = np.random.default_rng(4)
    df = views.assign(g=np.arange(2000) % 2, w=rng.integers(0, 4, 2000), e=reference.expit(0.8 * views["x"]))
    df["views"] *= 1 + 9 * df["g"]  # of the groups each has its own size
    df.loc[df["w"] == 0, ["clicks", "views"]] = 10**6
    for effect, grouped in of_each_kind(df):
        assert effect.outcome_std_dev == pytest.approx(spread_of(df), rel=1e-9)
        for group, found in grouped.items():
            assert found.outcome_std_dev == pytest.approx(spread_of(df[df["g"] == group]), rel=1e-9)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_numerator_that_is_the_same_for_all_has_a_ratio_that_is_not(views, scores):
    df = views.assign(views=views["views"] + 1, one=1.0, tenth=0.1, g=np.arange(2000) % 2, e=scores.scores)
    known = {"outcome": "one", "per": "views", "treatment": "t", "scores": "e"}
    found = ps.ipw(df, **known)
    means = [1 / mean for mean in ps.ipw(df, **known | {"outcome": "views", "per": None}).means["estimate"]]
    assert found.estimate == pytest.approx(means[0] - means[1], rel=1e-12)
    assert found.std_error > 0
    assert not any("nothing to estimate" in str(caution) for caution in found.cautions)
    by_group = ps.ipw(df, by="g", **known)
    weights = ps.fit_weights(df, treatment="t", covariates=["x"])
    matches = ps.match_nn(df, treatment="t", scores="e")
    others = [
        by_group[0],
        by_group[1],
        weights.effect("one", per="views"),
        matches.effect("one", per="views"),
    ]
    assert all(effect.std_error > 0 and effect.p_value < 1 for effect in others)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_numerator_that_is_a_share_of_the_denominator_in_every_row_leaves_nothing(views, scores):
    df = views.assign(tenth=0.1 * views["views"], g=np.arange(2000) % 2)
    known = {"outcome": "tenth", "per": "views", "treatment": "t", "scores": scores}
    for found in (ps.ipw(df, **known), *ps.ipw(df, by="g", **known).values()):
        assert (found.estimate, found.std_error) == (0.0, 0.0)
        assert found.mean_treated == pytest.approx(0.1, rel=1e-12)
    with pytest.warns(ps.errors.DegenerateWarning, match="the outcome is 0.1 in every row"):
        ps.ipw(df, **known)


def test_estimated_scores_of_a_metric_by_group_are_counted(views, scores):
    whole = ps.ipw(views, **METRIC, treatment="t", scores=scores)
    grouped = ps.ipw(views.assign(g="all"), **METRIC, treatment="t", scores=scores, by="g")
    np.testing.assert_allclose(grouped["all"].influence, whole.influence, rtol=1e-8, atol=1e-9)


def test_interval_of_a_metric_holds_what_it_promises():
    held = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=800)
        t = rng.random(800) < reference.expit(0.5 * x)
        seen = rng.poisson(np.exp(1 + 0.3 * x + 0.2 * t))
        clicks = rng.binomial(seen, 0.2 + 0.1 * t)
        df = pd.DataFrame({"x": x, "t": t, "views": seen, "clicks": clicks})
        model = ps.fit_propensity(df, treatment="t", covariates=["x"])
        low, high = ps.ipw(df, **METRIC, treatment="t", scores=model).conf_int()
        held.append(low < 0.1 < high)
    # Of 300 intervals that hold in 95% of cases, fewer than 272 or more than 296 do in one case of 300.
    assert 272 <= sum(held) <= 296


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"per": "clicks"}, "per: column 'clicks' is the outcome"),
        ({"views": -1.0}, {}, "column 'views': 2,000 negative values"),
        ({"views": 0.0}, {}, "per: column 'views' is 0 in every row"),
        ({}, {"per": "t"}, "'t' is both the treatment and the outcome"),
        ({}, {"winsorize": 0.99}, "winsorize: a ratio has two columns"),
    ],
)
def test_unusable_metrics_are_explained(views, change, options, message):
    given = METRIC | {"treatment": "t", "scores": np.full(2000, 0.5)} | options
    with pytest.raises(InvalidInputError, match=message):
        ps.ipw(views.assign(**change), **given)


def test_arm_without_anything_to_divide_by_is_explained(views):
    df = views.assign(views=views["views"].where(views["t"] == 1, 0))
    with pytest.raises(InvalidInputError, match="per: its mean is 0 in the control arm"):
        ps.ipw(df, **METRIC, treatment="t", scores=np.full(2000, 0.5))


# Winsorized


@pytest.fixture(scope="module")
def spend():
    rng = np.random.default_rng(7)
    n = 1000
    df = pd.DataFrame({"x": rng.normal(size=n), "w": rng.uniform(0.5, 2, n)})
    df["t"] = rng.random(n) < reference.expit(df["x"])
    df["spend"] = np.exp(2 + df["x"] + 0.3 * df["t"] + 1.5 * rng.normal(size=n))
    return df


def numpys(values, q):
    return np.quantile(values, q, method="averaged_inverted_cdf")


@pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning")  # few large outcomes
def test_winsorized_outcome_is_the_column_bounded(spend):
    e = reference.expit(spend["x"])
    found = ps.ipw(spend, outcome="spend", treatment="t", scores=e, winsorize=0.99)
    bounded = spend.assign(spend=spend["spend"].clip(upper=numpys(spend["spend"], 0.99)))
    expected = ps.ipw(bounded, outcome="spend", treatment="t", scores=e)
    pd.testing.assert_frame_equal(found.to_frame(), expected.to_frame(), rtol=1e-12)
    assert "spend winsorized at" in found.measured
    assert "quantile 0.99; 10 of 1,000 rows lowered" in repr(found)


@pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning")  # few large outcomes
def test_both_ends_are_bounded_as_scipy_does(spend):
    # SciPy sets the 10 lowest and the 10 highest values to their neighbours; the quantiles lie between.
    e = reference.expit(spend["x"])
    found = ps.ipw(spend, outcome="spend", treatment="t", scores=e, winsorize=(0.01, 0.99))
    other = spend.assign(spend=np.asarray(mstats.winsorize(spend["spend"], (0.01, 0.01))))
    expected = ps.ipw(other, outcome="spend", treatment="t", scores=e)
    assert found.estimate == pytest.approx(expected.estimate, abs=0.1 * expected.std_error)
    assert "rows raised) and" in found.measured


def test_rows_are_known_by_what_they_hold_and_not_by_what_is_measured(spend):
    model = ps.fit_propensity(spend, treatment="t", covariates=["x"])
    found = ps.ipw(spend, outcome="spend", treatment="t", scores=model, winsorize=0.95)
    table = ps.balance(spend, treatment="t", covariates=["x"], weights=found)
    assert abs(table["adjusted", "smd"].iloc[0]) < 0.1


@pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning")
def test_bounds_count_sample_weights(spend):
    e = reference.expit(spend["x"])
    df = spend.assign(w=np.where(np.arange(1000) < 300, 0.0, spend["w"]))
    found = ps.ipw(df, outcome="spend", treatment="t", scores=e, sample_weight="w", winsorize=0.9)
    part = df[df["w"] > 0]
    alone = ps.ipw(
        part, outcome="spend", treatment="t", scores=e[df["w"] > 0], sample_weight="w", winsorize=0.9
    )
    assert found.estimate == pytest.approx(alone.estimate, rel=1e-11)
    assert found.measured == alone.measured


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("winsorize", [0.9, 0.95, 0.99, (0.03, 0.97), (0.25, 0.6)])
def test_winsorized_row_of_weight_2_is_the_row_twice(spend, winsorize):
    df = spend.assign(w=np.random.default_rng(2).integers(0, 4, 1000), e=reference.expit(spend["x"]))
    copies = df.loc[df.index.repeat(df["w"])]
    given = {"outcome": "spend", "treatment": "t", "scores": "e", "winsorize": winsorize}
    written = ps.ipw(copies, **given)
    bounded = copies.assign(spend=copies["spend"].clip(*numpys(copies["spend"], _ends(winsorize))))
    assert written.estimate == pytest.approx(
        ps.ipw(bounded, **given | {"winsorize": None}).estimate, rel=1e-12
    )
    for unit in (1, 1e6, 0.1):
        found = ps.ipw(df.assign(w=unit * df["w"]), **given, sample_weight="w")
        assert found.estimate == pytest.approx(written.estimate, rel=1e-11)
    alike = ps.ipw(df.assign(w=7.0), **given, sample_weight="w")
    assert alike.estimate == pytest.approx(ps.ipw(df, **given).estimate, rel=1e-11)
    turned = ps.ipw(
        df.assign(spend=-df["spend"]),
        **given | {"winsorize": tuple(1 - q for q in _ends(winsorize)[::-1])},
        sample_weight="w",
    )
    assert turned.estimate == pytest.approx(-written.estimate, rel=1e-11)


def _ends(winsorize):
    return winsorize if isinstance(winsorize, tuple) else (0.0, winsorize)


def test_groups_share_the_bounds(spend):
    df = spend.assign(g=spend["x"] > 0)
    grouped = ps.ipw(df, outcome="spend", treatment="t", scores=np.full(1000, 0.5), by="g", winsorize=0.9)
    bounded = df.assign(spend=df["spend"].clip(upper=numpys(df["spend"], 0.9)))
    expected = ps.ipw(bounded, outcome="spend", treatment="t", scores=np.full(1000, 0.5), by="g")
    np.testing.assert_allclose(grouped.table["estimate"], expected.table["estimate"], rtol=1e-12)
    assert "of spend winsorized at" in repr(grouped)


@pytest.mark.parametrize(
    ("winsorize", "message"),
    [
        (0.01, "winsorize: 0.01 is no quantile of the upper end, as 0.99"),
        ((0.99, 0.01), "is no quantile of the upper end, as 0.99, nor one of each end"),
        ((0.1, 0.5, 0.9), "one quantile or two are needed, not 3"),
        (1.5, "is no quantile"),
        ("99%", "winsorize"),
    ],
)
def test_unusable_bounds_are_explained(spend, winsorize, message):
    with pytest.raises(InvalidInputError, match=message):
        ps.ipw(spend, outcome="spend", treatment="t", scores=np.full(1000, 0.5), winsorize=winsorize)


def test_two_values_have_no_tails(spend):
    df = spend.assign(bought=spend["spend"] > 100)
    with pytest.raises(InvalidInputError, match="column 'bought' has no more than two values"):
        ps.ipw(df, outcome="bought", treatment="t", scores=np.full(1000, 0.5), winsorize=0.99)
