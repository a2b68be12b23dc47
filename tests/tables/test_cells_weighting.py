"""Cells through the functions that fit scores and weigh: what the users' own rows give."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from counted_users import COVARIATES, OUTCOMES, TREATMENT, cells_of, world
from hypothesis import given, settings
from hypothesis import strategies as st

import propensity as ps
from propensity.errors import InvalidInputError

ESTIMANDS = ("ATE", "ATT", "ATC", "ATO", "ATM")
ROLES = {"treatment": TREATMENT, "covariates": COVARIATES}


pytestmark = pytest.mark.filterwarnings("ignore")  # few users, made up


@pytest.fixture(scope="module")
def users():
    return world(3_000, 1)


@pytest.fixture(scope="module")
def cells(users):
    return cells_of(users)


def same_effect(found, expected, tolerance=1e-10, more_df=1.1):
    """Compare all numbers of effects; degrees of freedom may be `more_df` times those of the users."""
    for name in ("estimate", "mean_treated", "mean_control"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-12, abs=1e-12)
    for name in ("std_error", "ess_treated", "ess_control", "interval_error", "outcome_std_dev"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=tolerance), name
    # Degrees of freedom hang on third and fourth moments, of which cells know the range of the values: mostly
    # fewer, but more where the far point of a cell lies on the side on which its influence is smaller.
    told = ["estimate", "std_error"]
    assert found.df <= more_df * expected.df
    if expected.binary or expected.clusters is not None:
        told = list(expected.means)
        assert found.df == pytest.approx(expected.df, rel=tolerance)
        assert found.p_value == pytest.approx(expected.p_value, rel=1e-7, abs=1e-300)
    pd.testing.assert_frame_equal(found.means[told], expected.means[told], rtol=tolerance)
    assert (found.bounded, found.binary) == (expected.bounded, expected.binary)
    assert [type(one) for one in found.cautions] == [type(one) for one in expected.cautions]


def test_model_of_cells_is_that_of_their_users(users, cells):
    found, expected = ps.fit_propensity(cells, **ROLES), ps.fit_propensity(users, **ROLES)
    pd.testing.assert_series_equal(found.coefficients, expected.coefficients, rtol=1e-12, atol=1e-12)
    pd.testing.assert_frame_equal(found.covariance, expected.covariance, rtol=1e-10)
    assert found.log_likelihood == pytest.approx(expected.log_likelihood, rel=1e-12)
    assert found.auc == pytest.approx(expected.auc, rel=1e-12)
    assert found._headline() == expected._headline()
    assert len(found.scores) == cells.n_cells
    merged = users.merge(cells.frame.assign(score=found.scores), on=[*COVARIATES, TREATMENT])
    own = users.assign(score=expected.scores).groupby([*COVARIATES, TREATMENT])["score"].first()
    counted = merged.groupby([*COVARIATES, TREATMENT])["score"].first()
    np.testing.assert_allclose(counted, own, rtol=1e-12)


@pytest.mark.parametrize("score_model", ["logistic", "probit", "cloglog"])
@pytest.mark.parametrize("penalty", [0.0, 2.0])
def test_model_with_survey_weights_as_a_key(users, score_model, penalty):
    options = {**ROLES, "score_model": score_model, "penalty": penalty, "sample_weight": "w"}
    found = ps.fit_propensity(cells_of(users, ("w",)), **options)
    expected = ps.fit_propensity(users, **options)
    pd.testing.assert_series_equal(found.coefficients, expected.coefficients, rtol=1e-11, atol=1e-11)
    pd.testing.assert_frame_equal(found.covariance, expected.covariance, rtol=1e-9)
    assert found.auc == pytest.approx(expected.auc, rel=1e-12)


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_weighting_of_cells_is_that_of_their_users(users, cells, outcome, estimand):
    found, expected = (
        ps.ipw(
            table,
            outcome=outcome,
            treatment=TREATMENT,
            scores=ps.fit_propensity(table, **ROLES),
            estimand=estimand,
        )
        for table in (cells, users)
    )
    same_effect(found, expected)
    assert len(found.weights) == cells.n_cells
    for contrast in ("ratio", "percent", *(["odds_ratio"] if outcome == "done" else [])):
        same_effect(found.contrast_as(contrast), expected.contrast_as(contrast))


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_weighting_with_clusters_and_survey_weights_as_keys(users, outcome):
    cells = cells_of(users, ("workspace", "w"))
    for options in (
        {"cluster": "workspace"},
        {"sample_weight": "w"},
        {"cluster": "workspace", "sample_weight": "w"},
        {"cluster": ["workspace", "region"]},
    ):
        weight = {name: options[name] for name in options if name == "sample_weight"}
        found, expected = (
            ps.ipw(
                table,
                outcome=outcome,
                treatment=TREATMENT,
                scores=ps.fit_propensity(table, **ROLES, **weight),
                **options,
            )
            for table in (cells, users)
        )
        same_effect(found, expected)


def test_scores_taken_as_known_and_bounded_weights(users, cells):
    model = ps.fit_propensity(users, **ROLES)
    by_cell = ps.fit_propensity(cells, **ROLES).scores
    for truncate in (None, 0.9):
        found = ps.ipw(cells, outcome="minutes", treatment=TREATMENT, scores=by_cell, truncate=truncate)
        expected = ps.ipw(
            users, outcome="minutes", treatment=TREATMENT, scores=model.scores, truncate=truncate
        )
        same_effect(found, expected)
        assert found.se_method == expected.se_method


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(150, 900), outcome=st.sampled_from(OUTCOMES))
def test_weighting_in_any_world(seed, n, outcome):
    users = world(n, seed)
    roles = {"outcome": outcome, "treatment": TREATMENT}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, expected = (
            ps.ipw(table, **roles, scores=ps.fit_propensity(table, **ROLES), estimand="ATO")
            for table in (cells_of(users), users)
        )
    same_effect(found, expected, more_df=1.5)


def test_expanded_cells_are_what_the_cells_say(cells):
    found = ps.ipw(cells, outcome="clicks", treatment=TREATMENT, scores=ps.fit_propensity(cells, **ROLES))
    rows = cells.expand("clicks")
    expected = ps.ipw(rows, outcome="clicks", treatment=TREATMENT, scores=ps.fit_propensity(rows, **ROLES))
    same_effect(found, expected)
    assert found.df == pytest.approx(expected.df, rel=1e-10)
    assert found.conf_int() == pytest.approx(expected.conf_int(), rel=1e-10)


def test_given_weights_of_cells(users, cells):
    of_cells, of_users = (
        ps.balancing_weights(table, treatment=TREATMENT, scores=ps.fit_propensity(table, **ROLES))
        for table in (cells, users)
    )
    roles = {"outcome": "minutes", "treatment": TREATMENT, "estimand": "ATE"}
    found = ps.weighted_effect(cells, **roles, weights=of_cells)
    same_effect(found, ps.weighted_effect(users, **roles, weights=of_users))


@pytest.mark.parametrize("denominator", ["pooled", "treated", "control", "all"])
def test_balance_of_cells_is_that_of_their_users(users, cells, denominator):
    tables = []
    for table in (cells, users):
        model = ps.fit_propensity(table, **ROLES)
        effect = ps.ipw(table, outcome="done", treatment=TREATMENT, scores=model)
        found = ps.balance(
            table,
            **ROLES,
            scores=model,
            weights={"IPW": effect, "same": ps.balancing_weights(table, treatment=TREATMENT, scores=model)},
            denominator=denominator,
            squares=True,
            interactions=True,
        )
        tables.append((found, ps.smd(table, **ROLES, weights=effect, denominator=denominator)))
    (found, smd), (expected, smd_expected) = tables
    pd.testing.assert_frame_equal(found.table, expected.table, rtol=1e-10, atol=1e-12)
    pd.testing.assert_series_equal(smd, smd_expected, rtol=1e-10, atol=1e-12)
    for name in ("ess_treated", "ess_control"):
        assert found.attrs[name] == pytest.approx(expected.attrs[name], rel=1e-10)
    pd.testing.assert_frame_equal(
        ps.balance_summary(found), ps.balance_summary(expected), rtol=1e-9, atol=1e-11
    )


def test_balance_by_group_and_with_survey_weights(users):
    cells = cells_of(users, ("w",))
    found, expected = (
        ps.balance(table, **ROLES, sample_weight="w", by="region").table for table in (cells, users)
    )
    pd.testing.assert_frame_equal(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("by", [None, "tier"])
def test_overlap_of_cells_is_that_of_their_users(users, weight, by):
    options = {"sample_weight": weight} if weight else {}
    found, expected = (
        ps.overlap(
            table,
            treatment=TREATMENT,
            scores=ps.fit_propensity(table, **ROLES, **options),
            by=by,
            **options,
        )
        for table in (cells_of(users, ("w",)), users)
    )
    for name in ("quantiles", "support", "weights"):
        one, other = getattr(found, name), getattr(expected, name)
        pd.testing.assert_frame_equal(one, other, rtol=1e-10, atol=1e-12, check_dtype=False)


def test_several_outcomes_are_estimated_each_by_itself(users, cells):
    found, expected = (
        ps.ipw(table, outcome=list(OUTCOMES), treatment=TREATMENT, scores=ps.fit_propensity(table, **ROLES))
        for table in (cells, users)
    )
    for name in OUTCOMES:
        same_effect(found[name], expected[name])
    told = ["estimate", "std_error", "ess_treated", "ess_control"]
    pd.testing.assert_frame_equal(found.to_frame()[told], expected.to_frame()[told], rtol=1e-10)
    with pytest.raises(InvalidInputError, match="how outcomes vary together"):
        _ = found.covariance


def test_outcomes_that_are_keys_vary_together(users):
    cells = cells_of(users, ("done", "clicks"), outcomes=())
    found, expected = (
        ps.ipw(
            table, outcome=["done", "clicks"], treatment=TREATMENT, scores=ps.fit_propensity(table, **ROLES)
        )
        for table in (cells, users)
    )
    pd.testing.assert_frame_equal(found.covariance, expected.covariance, rtol=1e-10)
    metric, own = (
        ps.ipw(
            table,
            outcome="done",
            per="clicks",
            treatment=TREATMENT,
            scores=ps.fit_propensity(table, **ROLES),
        )
        for table in (cells, users)
    )
    same_effect(metric, own)
    with pytest.raises(InvalidInputError, match="each outcome by itself"):
        ps.ipw(
            cells_of(users),
            outcome="done",
            per="clicks",
            treatment=TREATMENT,
            scores=ps.fit_propensity(cells_of(users), **ROLES),
        )


def test_few_cells_of_many_users_are_no_small_sample():
    counts = pd.DataFrame({"tier": ["a", "a", "b", "b"], "opt_in": [0, 1, 0, 1], "n": [900, 100, 500, 500]})
    counts = counts.assign(y_mean=[0.5, 0.6, 0.2, 0.3], y_low=0, y_high=1)
    counts["y_variance"] = counts["y_mean"] * (1 - counts["y_mean"])
    roles = {"treatment": "opt_in", "covariates": ["tier"]}
    cells = type(cells_of(world(200, 0))).from_counts(counts, **roles, outcome="y", frequency="n")
    model = ps.fit_propensity(cells, **roles)
    effect = ps.ipw(cells, outcome="y", treatment="opt_in", scores=model)
    assert effect.cautions == ()
    assert effect.estimate == pytest.approx(0.1, abs=1e-12)


def test_scores_of_other_cells_are_refused(users, cells):
    model = ps.fit_propensity(cells_of(world(3_000, 2)), **ROLES)
    with pytest.raises(InvalidInputError, match="scores: "):
        ps.ipw(cells, outcome="done", treatment=TREATMENT, scores=model)
    with pytest.raises(InvalidInputError, match="scores: "):
        ps.ipw(cells, outcome="done", treatment=TREATMENT, scores=ps.fit_propensity(users, **ROLES))


@pytest.mark.parametrize("formula", ["bs(tenure, df=4) + tier", "scale(tenure)", "I(tenure - tenure.mean())"])
def test_a_formula_that_counts_rows_is_refused(cells, formula):
    with pytest.raises(InvalidInputError, match="how many users have each value"):
        ps.fit_propensity(cells, treatment=TREATMENT, covariates=formula)


def test_a_formula_of_values_is_that_of_the_users(users, cells):
    formula = "tier * pro + np.log1p(tenure) + C(tenure) + bs(tenure, knots=[1.0], degree=1)"
    options = {"treatment": TREATMENT, "covariates": formula, "penalty": 1.0}
    found, expected = ps.fit_propensity(cells, **options), ps.fit_propensity(users, **options)
    pd.testing.assert_series_equal(found.coefficients, expected.coefficients, rtol=1e-9, atol=1e-9)


def test_what_needs_single_users_says_so(cells):
    roles = {"treatment": TREATMENT, "scores": ps.fit_propensity(cells, **ROLES)}
    with pytest.raises(
        InvalidInputError, match=r"match_full .*cells\.expand\(\), a row for each of the 3,000 users"
    ):
        ps.match_full(cells, **roles)
    with pytest.raises(InvalidInputError, match="fitted in folds"):
        ps.fit_propensity(cells, **ROLES, score_model=ps.Boosting())


@pytest.mark.parametrize("options", [{}, {"by": "g", "within": True}])
def test_users_who_weigh_nothing_are_not_there(options):
    rng = np.random.default_rng(0)
    users = pd.DataFrame(
        {
            "b": rng.integers(0, 4, 300),
            "g": rng.choice(["p", "q"], 300),
            "w": rng.choice([0.0, 1.0], 300),
            "t": rng.integers(0, 2, 300),
            "y": rng.normal(size=300),
        }
    )
    cells = ps.collapse(users, outcome="y", treatment="t", covariates=["b"], also=["g", "w"])
    told = []
    for table in (cells, cells.expand("y")):
        model = ps.fit_propensity(table, treatment="t", covariates=["b"], sample_weight="w")
        roles = {"outcome": "y", "treatment": "t", "scores": model, "sample_weight": "w"}
        told.append(ps.ipw(table, **roles, **options).to_frame()[["estimate", "std_error"]].to_numpy())
    np.testing.assert_allclose(*told, rtol=1e-10)
