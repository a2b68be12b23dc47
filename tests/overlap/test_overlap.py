"""Overlap of the arms' scores, trimming by them, and bounded weights."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.stats import ks_2samp, norm

import propensity as ps
import reference
from propensity.errors import InvalidInputError, OverlapError
from propensity.overlap.trimming import crump_bound

QUICK = settings(max_examples=100, deadline=None)
ESTIMANDS = ["ATE", "ATT", "ATC", "ATO", "ATM"]


@pytest.fixture
def scored(users):
    """The users with the scores of a model, and these by arm."""
    users["e"] = ps.fit_propensity(users, treatment="opted", covariates=["tier", "visits"]).scores
    return users


def by_arm(frame):
    opted = frame["opted"]
    return {"treated": frame.loc[opted, "e"].to_numpy(), "control": frame.loc[~opted, "e"].to_numpy()}


# Overlap


def test_overlap_tells_range_quantiles_and_support(scored):
    found = ps.overlap(scored, treatment="opted", scores="e")
    arms = by_arm(scored)
    low, high = max(e.min() for e in arms.values()), min(e.max() for e in arms.values())
    assert found.support.loc["all"].to_dict() == pytest.approx(
        {"low": low, "high": high, "overlap_coefficient": 1 - ks_2samp(*arms.values()).statistic}, rel=1e-12
    )
    for arm, e in arms.items():
        row = found.quantiles.loc[arm]
        assert row["n"] == len(e)
        assert (row["min"], row["max"]) == (e.min(), e.max())
        for name, share in {"1%": 0.01, "25%": 0.25, "50%": 0.5, "99%": 0.99}.items():
            assert row[name] == pytest.approx(pd.Series(e).quantile(share), rel=1e-14)
        assert row["outside"] == pytest.approx(np.mean((e < low) | (e > high)), abs=1e-15)


@pytest.mark.parametrize("by", [None, "tier", ["tier", "alone"]])
def test_overlap_of_rows_that_count_one_each_is_that_of_equal_weights(scored, by):
    # Without weights all comes from the arms in order; with weights from the rows as they are.
    scored["alone"] = np.where(scored["opted"] & (scored["tier"] == scored["tier"].iloc[0]), "a", "b")
    roles = {"treatment": "opted", "scores": "e", "by": by}
    found = ps.overlap(scored, **roles)
    weighed = ps.overlap(scored, **roles, sample_weight=[1.5] * len(scored))
    for name in ("quantiles", "support"):
        one, other = getattr(found, name), getattr(weighed, name)
        pd.testing.assert_frame_equal(one, other, check_dtype=False, rtol=1e-12, atol=1e-15)
    one, other = found.weights, weighed.weights.assign(largest=weighed.weights["largest"] / 1.5)
    pd.testing.assert_frame_equal(one, other, check_dtype=False, rtol=1e-12)
    assert by != ["tier", "alone"] or found.support["low"].isna().any()  # a group of one arm


def test_overlap_tells_what_the_weights_rest_on(scored):
    found = ps.overlap(scored, treatment="opted", scores="e").weights
    opted = scored["opted"].to_numpy()
    for estimand in ESTIMANDS:
        w = ps.balancing_weights(scored, treatment="opted", scores="e", estimand=estimand).to_numpy()
        for arm, own in {"treated": w[opted], "control": w[~opted]}.items():
            row = found.loc[(estimand, arm)]
            assert row["ess"] == pytest.approx(reference.ess(own), rel=1e-12)
            assert row["ess_share"] == pytest.approx(reference.ess(own) / len(own), rel=1e-12)
            assert row["largest"] == own.max()
            assert row["largest_share"] == pytest.approx(own.max() / own.sum(), rel=1e-12)
            heaviest = np.sort(own)[-int(np.ceil(len(own) / 100)) :]
            assert row["top_percent_share"] == pytest.approx(heaviest.sum() / own.sum(), rel=1e-12)


def test_overlap_by_group_is_that_of_each_group(scored):
    found = ps.overlap(scored, treatment="opted", scores="e", by="tier")
    assert list(found.support.index) == ["heavy", "light", "medium"]
    assert found.quantiles.index.names == ["tier", "arm"]
    assert found.weights.index.names == ["tier", "estimand", "arm"]
    for tier, rows in scored.groupby("tier"):
        alone = ps.overlap(rows, treatment="opted", scores="e")
        pd.testing.assert_frame_equal(found.quantiles.loc[tier], alone.quantiles)
        pd.testing.assert_frame_equal(found.weights.loc[tier], alone.weights)
        assert found.support.loc[tier].tolist() == alone.support.loc["all"].tolist()
        pd.testing.assert_frame_equal(found.to_frame().loc[tier], alone.to_frame())


def test_overlap_of_a_group_with_one_arm_has_no_support(scored):
    scored.loc[scored["tier"] == "light", "opted"] = False
    found = ps.overlap(scored, treatment="opted", scores="e", by="tier")
    light = found.support.loc["light"]
    assert np.isnan(light["low"])
    assert light["overlap_coefficient"] == 0
    assert found.quantiles.loc["light"]["outside"].to_dict() == {"control": 1.0}
    assert "tier" in repr(found)


def test_overlap_of_arms_apart_has_no_support():
    frame = pd.DataFrame({"t": [1, 1, 0, 0], "e": [0.8, 0.9, 0.1, 0.2]})
    found = ps.overlap(frame, treatment="t", scores="e")
    assert found.quantiles["outside"].tolist() == [1.0, 1.0]
    assert found.support["overlap_coefficient"].item() == 0
    assert "no common support" in repr(found)


def test_overlap_coefficient_is_the_integral_of_the_smaller_density():
    # One normal covariate, a logit in it: the densities of the score cross once, at P(treated).
    rng = np.random.default_rng(0)
    n = 400_000
    t = rng.random(n) < 0.5
    x = rng.normal(np.where(t, 0.6, -0.6), 1)
    e = reference.expit(1.2 * x)
    found = ps.overlap(pd.DataFrame({"t": t, "e": e}), treatment="t", scores="e")
    # Two normals 1.2 standard deviations apart share 2 Phi(-0.6) (Inman and Bradley 1989).
    assert found.support["overlap_coefficient"].item() == pytest.approx(2 * norm.cdf(-0.6), abs=0.004)


def test_overlap_shows_and_pickles(scored):
    found = ps.overlap(scored, treatment="opted", scores="e")
    assert repr(found).startswith("Overlap of the scores: common support from 0.")
    assert "ess_ATO" in repr(found)
    assert "<table" in found._repr_html_()
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(found)).to_frame(), found.to_frame())
    table = found.to_frame()
    assert table.loc["treated", "ess_ATT"] == pytest.approx(scored["opted"].sum())
    assert list(table)[-5:] == [f"ess_{estimand}" for estimand in ESTIMANDS]


def test_overlap_refuses_a_group_that_is_no_column(scored):
    with pytest.raises(InvalidInputError, match="column 'tiers' is not in the frame"):
        ps.overlap(scored, treatment="opted", scores="e", by="tiers")


@pytest.mark.filterwarnings("ignore::propensity.errors.ArgumentWarning")
def test_overlap_refuses_groups_that_are_none(scored):
    with pytest.raises(InvalidInputError, match="column 'tier' is listed 2 times"):
        ps.overlap(scored, treatment="opted", scores="e", by=["tier", "tier"])
    with pytest.raises(InvalidInputError, match="'opted' is the treatment"):
        ps.overlap(scored, treatment="opted", scores="e", by="opted")
    many = pd.concat([scored] * 6, ignore_index=True).assign(id=range(1_200))
    with pytest.raises(InvalidInputError, match="column 'id' has 1,200"):
        ps.overlap(many, treatment="opted", scores="e", by="id")


# Trimming


@QUICK
@given(st.lists(st.floats(0.001, 0.999), min_size=4, max_size=60))
def test_crump_bound_is_the_widest_that_solves_the_equation(values):
    e = np.array(values)
    g = 1 / (e * (1 - e))
    margins = {limit: 2 * g[g <= limit].mean() / limit - 1 for limit in np.unique(g)}
    assume(all(abs(margin) > 1e-9 for margin in margins.values()))
    widest = max(limit for limit, margin in margins.items() if margin >= 0)
    bound = crump_bound(e)
    assert_array_equal((e >= bound) & (e <= 1 - bound), g <= widest)
    if bound > 0:
        assert 1 / (bound * (1 - bound)) == pytest.approx(2 * g[g <= widest].mean(), rel=1e-9)
    else:
        assert widest == g.max()


@pytest.mark.parametrize("shape", [0.2, 0.5, 1.0])
def test_crump_bound_gives_the_least_variance(shape):
    # With outcomes that vary alike, the variance of the effect on rows S is sum(g over S) / |S|^2.
    e = np.random.default_rng(1).beta(shape, shape, 20_000).clip(1e-4, 1 - 1e-4)
    g = np.sort(1 / (e * (1 - e)))
    variances = np.cumsum(g) / np.arange(1, len(g) + 1) ** 2
    bound = crump_bound(e)
    kept = ((e >= bound) & (e <= 1 - bound)).sum()
    assert variances[kept - 1] == pytest.approx(variances.min(), rel=1e-6)
    assert variances[kept - 1] < variances[-1] or bound == 0


def test_trim_keeps_what_is_between_the_bounds_and_tells_who_is_lost(scored):
    found = ps.trim(scored, treatment="opted", scores="e", bounds=(0.25, 0.6))
    expected = (scored["e"] >= 0.25) & (scored["e"] <= 0.6)
    pd.testing.assert_series_equal(found.keep, expected.rename("keep"))
    assert found.keep.dtype == bool
    assert len(scored[found.keep]) == expected.sum()
    for arm, members in {"treated": scored["opted"], "control": ~scored["opted"]}.items():
        row = found.lost.loc[arm]
        n, n_kept = members.sum(), (members & expected).sum()
        assert (row["n"], row["n_kept"], row["n_dropped"]) == (n, n_kept, n - n_kept)
        assert row["share_dropped"] == pytest.approx(1 - n_kept / n)


def test_trim_to_the_common_support(scored):
    found = ps.trim(scored, treatment="opted", scores="e", bounds="common_support")
    arms = by_arm(scored)
    assert found.low == max(e.min() for e in arms.values())
    assert found.high == min(e.max() for e in arms.values())
    outside = ps.overlap(scored, treatment="opted", scores="e").quantiles["outside"]
    assert found.lost["share_dropped"].tolist() == pytest.approx(outside.tolist(), abs=1e-15)


@pytest.mark.parametrize("quantiles", [None, (0.01, 0.99), (0.1, 1.0)])
def test_trim_by_quantiles_of_the_treated_below_and_the_controls_above(scored, quantiles):
    found = ps.trim(scored, treatment="opted", scores="e", bounds="quantiles", quantiles=quantiles)
    arms = by_arm(scored)
    low, high = quantiles or (0.05, 0.95)
    assert found.low == np.quantile(arms["treated"], low)
    assert found.high == np.quantile(arms["control"], high)


def test_trim_says_that_the_effect_is_another(scored):
    assert "for such rows alone" in repr(ps.trim(scored, treatment="opted", scores="e", bounds=(0.3, 0.6)))
    assert "nothing is dropped" in repr(ps.trim(scored, treatment="opted", scores="e", bounds=(0, 1)))


def test_trim_gives_a_series_of_the_callers_library(scored):
    polars = pytest.importorskip("polars")
    frame = polars.from_pandas(scored)
    found = ps.trim(frame, treatment="opted", scores="e", bounds=(0.25, 0.6))
    assert isinstance(found.keep, polars.Series)
    kept = ps.trim(scored, treatment="opted", scores="e", bounds=(0.25, 0.6)).keep
    assert frame.filter(found.keep).height == kept.sum()


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ((0.9, 0.1), r"bounds\[1\]"),
        ((0.1, 1.1), "two numbers from 0 to 1"),
        (0.1, "two numbers from 0 to 1"),
        ("cramp", "crump"),
    ],
)
def test_trim_refuses_bounds_that_are_none(scored, bounds, message):
    with pytest.raises(InvalidInputError, match=message):
        ps.trim(scored, treatment="opted", scores="e", bounds=bounds)


def test_trim_refuses_quantiles_for_another_rule(scored):
    with pytest.raises(InvalidInputError, match="for bounds='quantiles' alone"):
        ps.trim(scored, treatment="opted", scores="e", quantiles=(0.05, 0.95))


def test_trim_refuses_to_leave_an_arm_without_rows(scored):
    with pytest.raises(OverlapError, match=r"0 treated rows have one from 0 to 0\.001"):
        ps.trim(scored, treatment="opted", scores="e", bounds=(0, 0.001))


# Truncation


def test_truncate_bounds_at_quantiles_of_all_rows(scored):
    w = ps.balancing_weights(scored, treatment="opted", scores="e")
    found = ps.truncate(w, lower=0.05, upper=0.95)
    low, high = w.quantile(0.05), w.quantile(0.95)
    pd.testing.assert_series_equal(found.weights, w.clip(low, high))
    row = found.counts.loc["all"]
    assert (row["n_raised"], row["n_lowered"]) == ((w < low).sum(), (w > high).sum())
    assert found.n_truncated == (w < low).sum() + (w > high).sum()
    assert row["largest"] == w.max()
    assert f"{found.n_truncated} of 200" in repr(found)


def test_truncate_within_arms_where_the_treatment_is_given(scored):
    w = ps.balancing_weights(scored, treatment="opted", scores="e")
    found = ps.truncate(w, upper=0.9, treatment=scored["opted"])
    assert list(found.counts.index) == ["treated", "control"]
    for arm, rows in {"treated": scored["opted"], "control": ~scored["opted"]}.items():
        own = w[rows]
        assert found.counts.loc[arm, "upper"] == own.quantile(0.9)
        pd.testing.assert_series_equal(found.weights[rows], own.clip(upper=own.quantile(0.9)))


def test_truncate_at_a_weight(scored):
    w = ps.balancing_weights(scored, treatment="opted", scores="e")
    found = ps.truncate(w.to_numpy(), upper=2, unit="raw")
    assert found.weights.tolist() == w.clip(upper=2).tolist()
    assert found.n_truncated == (w > 2).sum()


def test_truncate_leaves_out_what_was_left_out(scored):
    matches = ps.match_nn(scored, treatment="opted", scores="e")
    found = ps.truncate(matches, lower=0.5, upper=0.9)
    w = matches.weights
    assert (found.weights[w == 0] == 0).all()
    opted = scored["opted"]
    assert list(found.counts["n"]) == [(w[opted] > 0).sum(), (w[~opted] > 0).sum()]
    assert found.counts.loc["control", "upper"] == w[~opted & (w > 0)].quantile(0.9)


def test_truncate_takes_an_effect_and_gives_the_callers_series(scored):
    polars = pytest.importorskip("polars")
    frame = polars.from_pandas(scored)
    effect = ps.ipw(frame, outcome="done", treatment="opted", scores="e")
    found = ps.truncate(effect, upper=0.9)
    assert isinstance(found.weights, polars.Series)
    own = [effect.weights.filter(frame["opted"] == arm) for arm in (True, False)]
    bounds = [weights.quantile(0.9, interpolation="linear") for weights in own]
    assert list(found.counts["upper"]) == pytest.approx(bounds)
    assert found.weights.max() == pytest.approx(max(bounds))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "at least one is needed"),
        ({"upper": 10}, "must be a quantile, from 0 to 1, not 10"),
        ({"upper": 0.1, "lower": 0.9}, "lower must be less than upper"),
        ({"upper": -1, "unit": "raw"}, "upper must be a finite number"),
        ({"upper": 0.9, "unit": "percent"}, "unit must be one of"),
    ],
)
def test_truncate_refuses_bounds_that_are_none(options, message):
    with pytest.raises(InvalidInputError, match=message):
        ps.truncate(np.array([1.0, 2.0, 3.0]), **options)


@pytest.mark.parametrize("weights", [None, "w"])
def test_truncate_refuses_what_has_no_rows(weights):
    with pytest.raises(TypeError, match="weights: a series, an array or a result"):
        ps.truncate(weights, upper=0.9)


def test_truncate_refuses_negative_weights():
    with pytest.raises(InvalidInputError, match=r"weights: 1 negative value \(row 1\)"):
        ps.truncate(np.array([1.0, -2.0, 3.0]), upper=0.9)


def test_trimmed_rows_are_taken_by_the_result_itself(users):
    df = users.assign(e=ps.fit_propensity(users, treatment="opted", covariates=["visits"]).scores)
    trimmed = ps.trim(df, treatment="opted", scores="e", bounds=(0.3, 0.7))
    pd.testing.assert_frame_equal(df[trimmed], df[trimmed.keep])
    pd.testing.assert_frame_equal(df[trimmed], trimmed.frame(df))
    with pytest.raises(InvalidInputError, match="df: "):
        df.iloc[::-1].reset_index(drop=True)[trimmed]
