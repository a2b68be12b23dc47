"""Factors with slopes: every number is that of the products of dummies and a number that they stand for."""

import pickle

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import propensity as ps
from coded_worlds import dummies, sample_with_slopes, spelled_out, treated_by
from propensity import core
from propensity.errors import InvalidInputError, OverlapError

CLOSE = {"rtol": 1e-12, "atol": 1e-12}
QUICK = settings(max_examples=40, deadline=None)
KINDS = ["own", "other", "far", "constant", "own levels"]
WORLDS = given(
    seed=st.integers(0, 2**32 - 1),
    n_levels=st.lists(st.integers(1, 7), min_size=1, max_size=2),
    n_numbers=st.integers(1, 3),
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=2),
    weighted=st.booleans(),
)


@pytest.fixture
def rng():
    return np.random.default_rng(24)


def fitted(call):
    """What a model gives that is neither refused nor all but separated."""
    try:
        found = call()
    except (InvalidInputError, OverlapError):
        assume(False)
    assume(not len(found.diverging))
    return found


def condition(columns, fit, weight):
    """The condition of the information of standardized terms."""
    spread = fit.scores * (1 - fit.scores) * (1.0 if weight is None else weight)
    kept = np.delete(columns, fit.aliased, axis=1)
    z = kept - kept[spread > 0].mean(axis=0)
    scale = z[spread > 0].std(axis=0)
    z = np.column_stack([np.ones(len(z)), z / np.where(scale > 0, scale, 1.0)])
    return np.linalg.cond(z.T @ (z * spread[:, None]))


@WORLDS
@QUICK
@pytest.mark.parametrize("penalty", [0.0, 0.7])
def test_slopes_by_codes_are_those_of_products(seed, n_levels, n_numbers, kinds, weighted, penalty):
    x, factors, after, treatment, weight = sample_with_slopes(
        seed, n_levels, n_numbers, kinds=kinds, weighted=weighted
    )
    options = {"penalty": penalty, "sample_weight": weight, "n_threads": 1}
    columns = dummies(x, factors, after)
    dense = fitted(lambda: core.fit_propensity(columns, treatment, **options))
    coded = core.fit_propensity(x, treatment, factors=factors, after=after, **options)
    assert_array_equal(coded.aliased, dense.aliased)
    assert_array_equal(coded.diverging, dense.diverging)
    assert_allclose(coded.scores, dense.scores, **CLOSE)
    for name in ("log_likelihood", "center"):
        assert_allclose(getattr(coded, name), getattr(dense, name), **CLOSE, err_msg=name)
    spread = np.sqrt(np.diag(dense.covariance)) + (np.diag(dense.covariance) == 0)
    tells = condition(columns, dense, weight) < 1e6  # terms that are but held by a penalty have few digits
    close = 1e-12 if tells else 1e-9
    assert_allclose(coded.coefficients, dense.coefficients, rtol=close, atol=close * spread.max())
    for name in ("covariance", "sandwich") if tells else ():
        if getattr(dense, name) is not None:
            scale = np.outer(spread, spread)
            found, expected = getattr(coded, name) / scale, getattr(dense, name) / scale
            assert_allclose(found, expected, rtol=1e-10, atol=1e-10, err_msg=name)
    again = pickle.loads(pickle.dumps(coded))
    assert_allclose(again.predict(x, factors=factors), dense.scores, **CLOSE)


@WORLDS
@QUICK
def test_weighting_with_slopes_is_that_by_products(seed, n_levels, n_numbers, kinds, weighted):
    x, factors, after, treatment, weight = sample_with_slopes(
        seed, n_levels, n_numbers, kinds=kinds, weighted=weighted
    )
    columns = dummies(x, factors, after)
    scores = fitted(lambda: core.fit_propensity(columns, treatment, sample_weight=weight)).scores
    outcome = np.random.default_rng([seed, 1]).normal(5.0, 1.0, len(x)) + treatment
    for options in ({}, {"estimand": "ATT"}, {"penalty": 0.7}):
        options |= {"sample_weight": weight}
        dense = core.ipw(outcome, treatment, scores, x=columns, **options)
        coded = core.ipw(outcome, treatment, scores, x=x, factors=factors, after=after, **options)
        assert_array_equal(coded.estimate, dense.estimate)
        for name in ("influence_treated", "influence_control"):
            expected = getattr(dense, name)
            scale = np.sqrt((expected**2).mean())
            assert_allclose(getattr(coded, name) / scale, expected / scale, rtol=1e-10, atol=1e-10)


@WORLDS
@QUICK
def test_balance_of_slopes_is_that_of_all_products(seed, n_levels, n_numbers, kinds, weighted):
    x, factors, after, treatment, weight = sample_with_slopes(
        seed, n_levels, n_numbers, kinds=kinds, weighted=weighted
    )
    weights = list(np.random.default_rng([seed, 1]).uniform(0.1, 3.0, (2, len(x))))
    columns = spelled_out(x, factors, after, first=0, n_levels=19)
    for denominator in ("pooled", "treated"):
        options = {"weights": weights, "sample_weight": weight, "denominator": denominator}
        dense = core.balance(columns, treatment, **options)
        n_each = np.full(len(factors), 19)
        coded = core.balance(x, treatment, factors=factors, after=after, n_levels=n_each, **options)
        for name in ("mean_treated", "mean_control", "smd", "variance_ratio", "ks", "ecdf_difference"):
            assert_allclose(getattr(coded, name), getattr(dense, name), **CLOSE, err_msg=name)


@pytest.mark.parametrize("method", ["aipw", "ipwra", "regression"])
@pytest.mark.parametrize("outcome_model", ["linear", "logistic"])
@WORLDS
@settings(max_examples=15, deadline=None)
def test_outcome_models_with_slopes_are_those_of_products(
    method, outcome_model, seed, n_levels, n_numbers, kinds, weighted
):
    x, factors, after, treatment, weight = sample_with_slopes(
        seed, n_levels, n_numbers, kinds=kinds, weighted=weighted
    )
    columns = dummies(x, factors, after)
    scores = fitted(lambda: core.fit_propensity(columns, treatment, sample_weight=weight)).scores
    rng = np.random.default_rng([seed, 1])  # not the numbers of the covariates
    outcome = rng.normal(3.0, 1.0, len(x)) + treatment
    if outcome_model == "logistic":
        outcome = (outcome > np.median(outcome)).astype(float)
    options = {
        "method": method,
        "estimand": ("ATE", "ATT", "ATC")[seed % 3],
        "outcome_model": outcome_model,
        "sample_weight": weight,
        "scores": scores,
        "leverage": True,
    }
    try:
        dense = core.adjust(columns, treatment, outcome, **options)
    except (InvalidInputError, OverlapError) as error:
        with pytest.raises(type(error)):
            core.adjust(x, treatment, outcome, factors=factors, after=after, **options)
        return
    coded = core.adjust(x, treatment, outcome, factors=factors, after=after, **options)
    loose = {"rtol": 1e-8, "atol": 1e-8} if outcome_model == "logistic" else {"rtol": 1e-9, "atol": 1e-9}
    for name in ("estimate", "mean_treated", "mean_control", "std_error", "leverage"):
        assert_allclose(getattr(coded, name), getattr(dense, name), **loose, err_msg=name)
    assert_array_equal(coded.outcome_aliased, dense.outcome_aliased)


def many(rng, n=2_500):
    """Rows of 20 levels and 5: slopes of the one in a number that is there, of the other in another."""
    x, a, b = rng.normal(size=(n, 2)), rng.integers(0, 20, n), rng.integers(0, 5, n)
    factors = [a, b, (a, x[:, 1].copy()), (b + 1, rng.normal(size=n) - 3.0)]
    treatment = treated_by(rng, x, factors[:2])
    return x, factors, np.array([0, 1, 2, 2]), treatment


@pytest.mark.parametrize("resampling", ["multinomial", "bayesian"])
@pytest.mark.parametrize("weighted", [False, True])
def test_replicates_with_slopes_are_those_of_products(rng, resampling, weighted):
    x, factors, after, treatment = many(rng)
    options = {
        "estimators": [ps.IPW("ATE"), ps.IPW("ATT", truncate=0.9)],
        "resampling": resampling,
        "sample_weight": rng.uniform(0.5, 2.0, len(x)) if weighted else None,
        "n_reps": 20,
        "analytic": True,
    }
    outcome = rng.normal(size=len(x))
    dense = core.bootstrap(dummies(x, factors, after), treatment, outcome, **options)
    coded = core.bootstrap(x, treatment, outcome, factors=factors, after=after, **options)
    assert_allclose(coded.estimates, dense.estimates, **CLOSE)
    assert_allclose(coded.replicates, dense.replicates, rtol=1e-9, atol=1e-9)  # a gradient of 1e-10 is let be
    assert_allclose(coded.analytic_std_error, dense.analytic_std_error, rtol=1e-11)


@pytest.mark.parametrize("outcome_model", ["linear", "logistic"])
def test_adjusted_replicates_with_slopes_are_those_of_products(rng, outcome_model):
    x, factors, after, treatment = many(rng)
    outcome = rng.normal(size=len(x)) + 0.2 * factors[1]
    if outcome_model == "logistic":
        outcome = (outcome > 0.3).astype(float)
    specs = (ps.AIPW, ps.IPWRA, ps.RegressionAdjustment)
    options = {
        "estimators": [spec("ATE", outcome_model=outcome_model) for spec in specs],
        "n_reps": 10,
        "analytic": True,
    }
    dense = core.bootstrap(dummies(x, factors, after), treatment, outcome, **options)
    coded = core.bootstrap(x, treatment, outcome, factors=factors, after=after, **options)
    assert_allclose(coded.estimates, dense.estimates, rtol=1e-10)
    assert_allclose(coded.replicates, dense.replicates, rtol=1e-8, atol=1e-9)
    assert_allclose(coded.analytic_std_error, dense.analytic_std_error, rtol=1e-10)


def test_slopes_that_are_no_numbers_or_of_other_rows_are_refused(rng):
    x, a = rng.normal(size=(60, 1)), rng.integers(0, 3, 60)
    treatment, values = np.arange(60) % 2 == 0, rng.normal(size=60)
    with pytest.raises(InvalidInputError, match="factors"):
        core.fit_propensity(x, treatment, factors=[a, (a, values[:50])])
    values[7] = np.nan
    with pytest.raises(InvalidInputError, match="factors"):
        core.fit_propensity(x, treatment, factors=[a, (a, values)])


def test_a_model_with_slopes_asks_for_their_numbers(rng):
    x, factors, after, treatment = many(rng)
    fit = core.fit_propensity(x, treatment, factors=factors, after=after)
    with pytest.raises(InvalidInputError, match="levels alone"):
        fit.predict(x, factors=[a if not isinstance(a, tuple) else a[0] for a in factors])
