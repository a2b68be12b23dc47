"""Matched effects by group, and of ratios of two outcomes."""

import numpy as np
import pandas as pd
import pytest

import propensity as ps
import reference
from propensity.errors import InvalidInputError

pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # not the question here

KINDS = {
    "1-NN": lambda df, **options: ps.match_nn(df, scores="e", exact=["g"], **options),
    "3-NN ATE": lambda df, **options: ps.match_nn(
        df, scores="e", exact=["g"], n_neighbors=3, estimand="ATE", **options
    ),
    "mahalanobis": lambda df, **options: ps.match_nn(
        df, on="mahalanobis", covariates=["a", "b"], exact=["g"], **options
    ),
    "pairs": lambda df, **options: ps.match_nn(df, scores="e", exact=["g"], replace=False, **options),
    "full": lambda df, **options: ps.match_full(df, scores="e", exact=["g"], **options),
    "cem": lambda df, **options: ps.match_cem(df, covariates=["g", "a"], cutpoints=5, **options),
}


@pytest.fixture(scope="module")
def rows():
    """900 rows in three groups, with scores that are known, and fewer treated rows than controls."""
    rng = np.random.default_rng(31)
    n = 900
    df = pd.DataFrame({"a": rng.normal(size=n), "b": rng.uniform(-1, 1, n)})
    df["g"] = rng.choice(["north", "south", "west"], n)
    df["e"] = reference.expit(-0.7 + 0.6 * df["a"] - 0.5 * df["b"])
    df["t"] = rng.random(n) < df["e"]
    df["y"] = 5 + df["t"] * (1 + (df["g"] == "west")) + df["a"] + rng.normal(size=n)
    df["v"] = rng.poisson(3 + df["a"].clip(0)) + 1.0
    df["w"] = rng.uniform(0.5, 2.0, n)
    return df


@pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning")
@pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["1-NN", "3-NN ATE", "pairs", "full"])
def test_groups_are_those_matched_by_themselves(rows, kind, weighted):
    # Rows matched within their group on scores are matched as if there were no others.
    options = {"treatment": "t"} | ({"sample_weight": "w"} if weighted else {})
    how = {"inference": "cluster"} if kind in ("pairs", "full") else {}
    grouped = KINDS[kind](rows, **options).effect("y", by="g", **how)
    for group, effect in grouped.items():
        alone = KINDS[kind](rows[rows["g"] == group], **options).effect("y", **how)
        pd.testing.assert_frame_equal(effect.to_frame(), alone.to_frame(), rtol=1e-7)
        assert effect.whom.startswith(f"g = {group}")
        assert effect.outcome_std_dev == pytest.approx(alone.outcome_std_dev)
    assert (grouped.cov.to_numpy()[~np.eye(3, dtype=bool)] == 0).all()
    assert np.isfinite(grouped.test_equal().p_value)
    assert "sets within groups" in repr(grouped)


@pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_groups_share_out_the_effect_of_everybody(rows, kind):
    matched = KINDS[kind](rows, treatment="t")
    grouped, alone = matched.effect("y", by="g"), matched.effect("y")
    w = np.asarray(matched.weights)
    share = np.array([w[(rows["g"] == group) & rows["t"]].sum() for group in grouped]) / w[rows["t"]].sum()
    assert share @ grouped.table["estimate"] == pytest.approx(alone.estimate, rel=1e-9)
    for group, effect in grouped.items():
        own = (rows["g"] == group) & ~rows["t"]
        assert effect.mean_control == pytest.approx(np.average(rows["y"][own], weights=w[own]), rel=1e-9)
        assert 0.6 < effect.std_error / alone.std_error < 4


@pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_ratio_of_two_outcomes_moves_as_its_linear_part(rows, kind):
    matched = KINDS[kind](rows, treatment="t")
    metric = matched.effect("y", per="v")
    above, below = (matched.effect(name) for name in ("y", "v"))
    ratios = {
        arm: getattr(above, f"mean_{arm}") / getattr(below, f"mean_{arm}") for arm in ("treated", "control")
    }
    assert metric.mean_treated == pytest.approx(ratios["treated"], rel=1e-12)
    assert metric.estimate == pytest.approx(ratios["treated"] - ratios["control"], rel=1e-9)
    rest = {arm: (rows["y"] - ratios[arm] * rows["v"]) / getattr(below, f"mean_{arm}") for arm in ratios}
    linear = pd.Series(np.where(rows["t"], rest["treated"], rest["control"]), index=rows.index, name="rest")
    assert metric.std_error == pytest.approx(matched.effect(linear).std_error, rel=1e-8)
    assert metric.measured == "y per v"
    percent = metric.contrast_as("percent")
    assert percent.estimate == pytest.approx(100 * (ratios["treated"] / ratios["control"] - 1), rel=1e-9)
    of_log = {arm: rest[arm] / ratios[arm] for arm in rest}
    logs = pd.Series(np.where(rows["t"], of_log["treated"], of_log["control"]), index=rows.index)
    assert percent.std_error == pytest.approx(matched.effect(logs).std_error, rel=1e-8)


@pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning")
@pytest.mark.parametrize("kind", ["1-NN", "pairs", "full"])
def test_ratio_by_group_is_that_of_its_rows(rows, kind):
    how = {"per": "v"} | ({} if kind == "1-NN" else {"inference": "cluster"})
    grouped = KINDS[kind](rows, treatment="t").effect("y", by="g", **how).contrast_as("percent")
    part = rows[rows["g"] == "west"]
    alone = KINDS[kind](part, treatment="t").effect("y", **how).contrast_as("percent")
    assert grouped["west"].estimate == pytest.approx(alone.estimate, rel=1e-9)
    assert grouped["west"].std_error == pytest.approx(alone.std_error, rel=1e-8)
    assert "y per v" in repr(grouped)


def test_metric_per_one_is_the_outcome(rows):
    df = rows.assign(one=1.0)
    for kind in ("1-NN", "pairs"):
        matched = KINDS[kind](df, treatment="t")
        pd.testing.assert_frame_equal(
            matched.effect("y", per="one").to_frame(), matched.effect("y").to_frame(), rtol=1e-9
        )
    several = KINDS["1-NN"](df, treatment="t").effect(["y", "v"], per="one")
    assert several["v"].estimate == pytest.approx(KINDS["1-NN"](df, treatment="t").effect("v").estimate)


def test_bias_adjusted_ratio_moves_as_its_adjusted_linear_part(rows):
    matched = KINDS["mahalanobis"](rows, treatment="t")
    metric = matched.effect("y", per="v", bias_adjust=["a", "b"])
    parts = {name: matched.effect(name, bias_adjust=["a", "b"]) for name in ("y", "v")}
    assert metric.mean_control == pytest.approx(parts["y"].mean_control / parts["v"].mean_control, rel=1e-12)
    by_group = KINDS["1-NN"](rows, treatment="t").effect("y", by="g", bias_adjust=["a", "b"])
    alone = KINDS["1-NN"](rows[rows["g"] == "west"], treatment="t").effect("y", bias_adjust=["a", "b"])
    assert by_group["west"].estimate == pytest.approx(alone.estimate, rel=1e-9)
    assert by_group["west"].std_error == pytest.approx(alone.std_error, rel=1e-9)


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (lambda df: ps.match_nn(df, treatment="t", scores="e"), r"exact=\['g'\]"),
        (lambda df: ps.match_nn(df, treatment="t", scores="e", replace=False), r"exact=\['g'\]"),
        (lambda df: ps.match_full(df, treatment="t", scores="e"), r"exact=\['g'\]"),
        (lambda df: ps.match_cem(df, treatment="t", covariates=["a"]), "'g' among the covariates"),
        (lambda df: ps.subclassify(df, treatment="t", scores="e"), r"ipw\(..., by=\['g'\]\)"),
    ],
)
@pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning")
def test_sets_across_groups_are_refused_with_the_remedy(rows, make, remedy):
    with pytest.raises(InvalidInputError, match=rf"sets have rows of several groups by g.*{remedy}"):
        make(rows).effect("y", by="g")


def test_group_of_which_nobody_is_matched_has_the_reason(rows):
    df = rows.assign(e=np.where((rows["g"] == "west") & rows["t"], 0.99, rows["e"].clip(upper=0.9)))
    matches = ps.match_nn(df, treatment="t", scores="e", exact=["g"], caliper=0.2)
    grouped = matches.effect("y", by="g")
    assert list(grouped) == ["north", "south"]
    assert grouped.table.loc["west", "note"] == "no effect: nobody in it is matched"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "t"}, "by: column 't' is the treatment"),
        ({"by": "y"}, "by: column 'y' is the outcome"),
        ({"per": "zero"}, "per: 0 of .* or all have 0"),
        ({"per": "minus"}, "matched rows have a negative value"),
    ],
)
def test_unusable_groups_and_ratios_are_explained(rows, options, message):
    df = rows.assign(zero=0.0, minus=-1.0)
    with pytest.raises(InvalidInputError, match=message):
        KINDS["1-NN"](df, treatment="t").effect("y", **options)
    with pytest.raises(InvalidInputError, match="effects by group are of one outcome"):
        KINDS["1-NN"](df, treatment="t").effect(["y", "v"], by="g")


# Weights that balance


def test_balanced_one_group_is_everybody(rows):
    df = rows.assign(all="all", team=np.arange(900) % 90)
    weights = ps.fit_weights(df, treatment="t", covariates=["a", "b"], estimand="ATE", sample_weight="w")
    for options in ({}, {"cluster": "team"}, {"per": "v"}, {"contrast": "ratio"}):
        alone = weights.effect("y", **options)
        everybody = weights.effect("y", by="all", **options)["all"]
        pd.testing.assert_frame_equal(everybody.to_frame(), alone.to_frame(), rtol=1e-9)
        np.testing.assert_allclose(everybody.influence, alone.influence, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("method", ["entropy", "cbps", "ipt"])
@pytest.mark.parametrize("estimand", ["ATE", "ATT"])
def test_balanced_groups_are_the_weighted_means_and_vary_jointly(rows, method, estimand):
    df = rows.assign(
        y_north=rows["y"].where(rows["g"] == "north", 0.0), north=(rows["g"] == "north").astype(float)
    )
    weights = ps.fit_weights(df, treatment="t", covariates=["a", "b"], estimand=estimand, method=method)
    grouped = weights.effect("y", by="g")
    # By another road: the mean of a group is a ratio of two means over all rows.
    metric = weights.effect("y_north", per="north")
    north = grouped["north"]
    assert north.estimate == pytest.approx(metric.estimate, rel=1e-9)
    assert north.std_error == pytest.approx(metric.std_error, rel=1e-7)
    influence = np.array([effect.influence for effect in grouped.values()])
    np.testing.assert_allclose(grouped.cov, influence @ influence.T / 900**2, rtol=1e-9)
    assert (north.weights > 0).sum() == (rows["g"] == "north").sum()
    assert np.isfinite(grouped.test_equal().p_value)
