"""Effects with weights that are given: against weighted regressions, and what is asked of the weights."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm

import propensity as ps
from propensity import core
from propensity.errors import InvalidInputError, OverlapWarning

pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")

CALL = {"outcome": "y", "treatment": "t"}


@pytest.fixture
def people():
    rng = np.random.default_rng(5)
    n = 600
    x = rng.normal(size=n)
    t = rng.random(n) < 1 / (1 + np.exp(-0.6 * x))
    columns = {
        "t": t.astype(int),
        "y": 2 * t + x + rng.normal(size=n),
        "x": x,
        "team": rng.integers(0, 60, n),
    }
    columns |= {"w": rng.lognormal(0, 0.3, n), "s": rng.uniform(0.5, 3, n)}
    return pd.DataFrame(columns)


def regression(df, weights, **fit):
    """The weighted regression of the outcome on the treatment: its slope is the contrast of the means."""
    return sm.WLS(df["y"], sm.add_constant(df["t"]), weights=weights).fit(**fit)


@pytest.mark.parametrize("sample_weight", [None, "s"])
def test_estimate_and_error_are_those_of_a_weighted_regression(people, sample_weight):
    found = ps.weighted_effect(people, **CALL, weights="w", estimand="ATE", sample_weight=sample_weight)
    total = people["w"] * (1 if sample_weight is None else people["s"])
    expected = regression(people, total, cov_type="HC0")
    assert found.estimate == pytest.approx(expected.params["t"], rel=1e-12)
    assert found.std_error == pytest.approx(expected.bse["t"], rel=1e-10)
    assert found.se_method == "estimating equations of the two means; takes the weights as known"
    np.testing.assert_allclose(found.weights, total)
    for arm, ess in ((1, found.ess_treated), (0, found.ess_control)):
        own = total[people["t"] == arm]
        assert ess == pytest.approx(own.sum() ** 2 / (own**2).sum(), rel=1e-12)


def test_clusters_are_those_of_a_weighted_regression(people):
    found = ps.weighted_effect(people, **CALL, weights="w", estimand="ATE", cluster="team")
    expected = regression(people, people["w"], cov_type="cluster", cov_kwds={"groups": people["team"]})
    n = len(people)  # statsmodels has (n - 1) / (n - 2) on top of G / (G - 1)
    assert found.std_error == pytest.approx(expected.bse["t"] * np.sqrt((n - 2) / (n - 1)), rel=1e-10)
    assert "summed within 60 clusters" in found.se_method


def test_weights_of_known_scores_give_the_effect_of_ipw(people):
    e = 1 / (1 + np.exp(-0.6 * people["x"]))
    for estimand in ("ATE", "ATT", "ATC", "ATO", "ATM"):
        expected = ps.ipw(people, **CALL, scores=e, estimand=estimand)
        w = ps.balancing_weights(people, treatment="t", scores=e, estimand=estimand)
        found = ps.weighted_effect(people, **CALL, weights=7 * w, estimand=estimand)
        assert found.estimate == pytest.approx(expected.estimate, rel=1e-12)
        assert found.std_error == pytest.approx(expected.std_error, rel=1e-12)


def test_results_are_taken_with_their_estimand_and_their_sample_weights(people):
    model = ps.fit_propensity(people, treatment="t", covariates=["x"], sample_weight="s")
    effect = ps.ipw(people, **CALL, scores=model, estimand="ATT", sample_weight="s")
    balanced = ps.fit_weights(people, treatment="t", covariates=["x"], sample_weight="s")
    matches = ps.match_nn(people, treatment="t", scores=model, estimand="ATC", sample_weight="s")
    for result, estimate in (
        (effect, effect.estimate),
        (balanced, balanced.effect("y").estimate),
        (matches, matches.effect("y").estimate),
    ):
        found = ps.weighted_effect(people, **CALL, weights=result, sample_weight="s")
        assert found.estimand == result.estimand
        assert found.estimate == pytest.approx(estimate, rel=1e-10)
        with pytest.raises(InvalidInputError, match="with sample weights, and none are given"):
            ps.weighted_effect(people, **CALL, weights=result)
        with pytest.raises(InvalidInputError, match=f"are for the {result.estimand}, not for the ATO"):
            ps.weighted_effect(people, **CALL, weights=result, sample_weight="s", estimand="ATO")
        bare = {"weights": result.weights, "sample_weight": "s", "estimand": "ATE"}
        with pytest.raises(InvalidInputError, match="give the result itself"):
            ps.weighted_effect(people, **CALL, **bare)


def test_several_outcomes_contrasts_and_libraries(people):
    frame = people.assign(z=people["y"] > 1)
    both = ps.weighted_effect(frame, outcome=["y", "z"], treatment="t", weights="w", estimand="ATE")
    assert list(both) == ["y", "z"]
    ratio = ps.weighted_effect(
        frame, **{**CALL, "outcome": "z"}, weights="w", estimand="ATE", contrast="ratio"
    )
    assert ratio.estimate == pytest.approx(both["z"].mean_treated / both["z"].mean_control)
    polars = ps.weighted_effect(pl.from_pandas(frame), **CALL, weights="w", estimand="ATE")
    assert polars.estimate == pytest.approx(both["y"].estimate, rel=1e-12)
    assert isinstance(polars.weights, pl.Series)


def test_whose_effect_bare_weights_are_for_has_to_be_said(people):
    with pytest.raises(InvalidInputError, match="cannot be told from weights; say which of 'ATE', 'ATT'"):
        ps.weighted_effect(people, **CALL, weights="w")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"w": lambda df: -df["w"]}, "column 'w': 600 negative values"),
        ({"w": lambda df: df["w"].where(df["t"] == 1, 0.0)}, "column 'w': every control row has weight 0"),
        ({"w": lambda df: df["w"].where(df["x"] < 1)}, "column 'w': 88 missing values"),
        ({"w": lambda df: df["w"].where(df["x"] < 1, np.inf)}, "column 'w': 88 infinite values"),
    ],
)
def test_bad_weights_are_named_with_their_rows(people, change, message):
    with pytest.raises(InvalidInputError, match=message):
        ps.weighted_effect(people.assign(**change), **CALL, weights="w", estimand="ATE")


def test_outcome_is_none_of_the_columns_the_weights_are_made_of(people):
    balanced = ps.fit_weights(people, treatment="t", covariates=["x"])
    with pytest.raises(InvalidInputError, match="column 'x' is the outcome, and one of the columns"):
        ps.weighted_effect(people, outcome="x", treatment="t", weights=balanced)
    with pytest.raises(InvalidInputError, match="column 'w' is the outcome; it cannot be the weights too"):
        ps.weighted_effect(people, outcome="w", treatment="t", weights="w", estimand="ATE")


def test_rows_left_out_are_not_few_rows_that_the_weight_lies_on(people):
    kept = people["x"].abs() < 0.2
    ps.weighted_effect(people, **CALL, weights=kept.astype(float), estimand="ATE")  # without a warning
    heavy = people["w"].where(np.arange(600) != np.flatnonzero(people["t"])[0], 1_000.0)
    with pytest.warns(OverlapWarning, match=r'treated rows are worth 2 .*; take estimand="ATO"'):
        ps.weighted_effect(people, **CALL, weights=heavy, estimand="ATE")


def test_core_refuses_what_are_no_weights():
    y, t = np.arange(6.0), np.array([1, 1, 1, 0, 0, 0])
    with pytest.raises(InvalidInputError, match="weights"):
        core.weighted_effect(y, t, np.ones(5))
    with pytest.raises(InvalidInputError, match="weights"):
        core.weighted_effect(y, t, np.array([1.0, -1, 1, 1, 1, 1]))
    with pytest.raises(InvalidInputError, match="control"):
        core.weighted_effect(y, t, np.array([1.0, 1, 1, 0, 0, 0]))


def test_groups_have_the_weighted_regressions_of_their_rows(people):
    frame = people.assign(group=np.where(people["x"] > 0, "high", "low"), views=1.0 + people["team"])
    found = ps.weighted_effect(frame, **CALL, weights="w", estimand="ATE", by="group", sample_weight="s")
    for name, rows in frame.groupby("group"):
        expected = regression(rows, rows["w"] * rows["s"], cov_type="HC0")
        row = found.table.loc[name]
        assert row["estimate"] == pytest.approx(expected.params["t"], rel=1e-10)
        assert row["std_error"] == pytest.approx(expected.bse["t"], rel=1e-9)
        assert found[name].se_method.startswith("estimating equations of the two means; takes the weights")


@pytest.mark.parametrize(
    "options",
    [{"per": "views"}, {"winsorize": 0.95}, {"by": "group", "per": "views"}, {"contrast": "percent"}],
)
def test_ratio_metrics_and_winsorized_outcomes_are_those_of_ipw(people, options):
    columns = {
        "y": people["y"] - people["y"].min(),
        "views": 1.0 + people["team"],
        "group": people["team"] > 30,
    }
    frame = people.assign(**columns)
    e = 1 / (1 + np.exp(-0.6 * frame["x"]))
    weights = ps.balancing_weights(frame, treatment="t", scores=e)
    expected = ps.ipw(frame, **CALL, scores=e, **options)
    found = ps.weighted_effect(frame, **CALL, weights=weights, estimand="ATE", **options)
    one, other = (r.table if "by" in options else r.to_frame() for r in (found, expected))
    pd.testing.assert_frame_equal(one, other, rtol=1e-9)


# Stabilized weights


def test_stabilized_weights_have_mean_1_and_give_the_same_effect(people):
    e = ps.fit_propensity(people, treatment="t", covariates=["x"], sample_weight="s")
    options = {"treatment": "t", "scores": e, "sample_weight": "s"}
    plain = ps.balancing_weights(people, **options)
    found = ps.balancing_weights(people, **options, stabilized=True)
    share = np.average(people["t"], weights=people["s"])
    np.testing.assert_allclose(found, plain * np.where(people["t"] == 1, share, 1 - share), rtol=1e-12)
    for arm in (0, 1):
        own = people["t"] == arm
        assert np.average(found[own], weights=people["s"][own]) == pytest.approx(1.0, abs=0.02)
    effects = [
        ps.weighted_effect(people, **CALL, weights=w, estimand="ATE", sample_weight="s").estimate
        for w in (plain, found)
    ]
    assert effects[0] == pytest.approx(effects[1], rel=1e-12)


def test_only_weights_for_everyone_are_stabilized(people):
    with pytest.raises(
        InvalidInputError, match="stabilized: weights for the ATT are on the scale of its rows"
    ):
        ps.balancing_weights(people, treatment="t", scores=np.full(600, 0.5), estimand="ATT", stabilized=True)
