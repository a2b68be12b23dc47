"""What is made of factors as codes: numbers are those of the dummies they stand for, by both doors."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import propensity as ps
from coded_worlds import dummies, sample_of, treated_by
from propensity import core
from propensity.errors import BalanceWarning, InvalidInputError, OverlapError, SmallSampleWarning
from propensity.frames import laid_out

CLOSE = {"rtol": 1e-12, "atol": 1e-12}
QUICK = settings(max_examples=40, deadline=None)
WORLDS = given(
    seed=st.integers(0, 2**32 - 1),
    n_levels=st.lists(st.integers(1, 7), min_size=1, max_size=3),
    n_numbers=st.integers(1, 3),
    repeated=st.booleans(),
    weighted=st.booleans(),
)


@pytest.fixture
def rng():
    return np.random.default_rng(22)


def scored(x, factors, after, treatment, weight, penalty):
    """The scores of a model that is fitted, and not all but separated."""
    try:
        fit = core.fit_propensity(
            x, treatment, factors=factors, after=after, penalty=penalty, sample_weight=weight
        )
    except InvalidInputError:
        assume(False)
    assume(not len(fit.diverging))
    return fit.scores


# The array door


@WORLDS
@QUICK
def test_weighting_by_codes_is_that_by_dummies(seed, n_levels, n_numbers, repeated, weighted):
    world = sample_of(seed, n_levels, n_numbers, repeated=repeated, weighted=weighted)
    x, factors, after, treatment, weight = world
    penalty = 0.7 * (seed % 2)
    scores = scored(*world, penalty)
    outcome = np.random.default_rng([seed, 1]).normal(5.0, 1.0, len(x)) + treatment
    for options in ({}, {"estimand": "ATT"}, {"estimand": "ATO"}, {"truncate": 0.95}):
        options |= {"penalty": penalty, "sample_weight": weight}
        dense = core.ipw(outcome, treatment, scores, x=dummies(x, factors, after), **options)
        coded = core.ipw(outcome, treatment, scores, x=x, factors=factors, after=after, **options)
        assert_array_equal(coded.estimate, dense.estimate)
        for name in ("influence_treated", "influence_control"):
            expected = getattr(dense, name)
            scale = np.sqrt((expected**2).mean())
            assert_allclose(getattr(coded, name) / scale, expected / scale, rtol=1e-11, atol=1e-11)
        assert_allclose(coded.std_error, dense.std_error, **CLOSE)


@pytest.mark.parametrize("score_model", ["probit", "cloglog"])
def test_errors_by_codes_know_other_links(rng, score_model):
    x, factors = rng.normal(size=(900, 2)), [rng.integers(0, 9, 900), rng.integers(0, 4, 900)]
    treatment, outcome = treated_by(rng, x, factors), rng.normal(size=900)
    columns = dummies(x, factors, [2, 2])
    scores = core.fit_propensity(columns, treatment, score_model=score_model).scores
    dense = core.ipw(outcome, treatment, scores, x=columns, score_model=score_model)
    coded = core.ipw(outcome, treatment, scores, x=x, factors=factors, score_model=score_model)
    assert_allclose(coded.std_error, dense.std_error, **CLOSE)
    assert abs(coded.std_error / core.ipw(outcome, treatment, scores, x=columns).std_error - 1) > 1e-6


MEASURES = ("mean_treated", "mean_control", "smd", "variance_ratio", "ks", "ecdf_difference")


@WORLDS
@QUICK
def test_balance_by_codes_is_that_by_all_dummies(seed, n_levels, n_numbers, repeated, weighted):
    x, factors, after, treatment, weight = sample_of(
        seed, n_levels, n_numbers, repeated=repeated, weighted=weighted
    )
    weights = list(np.random.default_rng([seed, 1]).uniform(0.1, 3.0, (2, len(x))))
    blocks = []
    for column in range(x.shape[1] + 1):
        for codes, place in zip(factors, after, strict=True):
            if place == column:
                blocks.append((codes[:, None] == np.arange(9)).astype(float))
        blocks.append(x[:, column : column + 1])
    for denominator in ("pooled", "treated", "all"):
        options = {"weights": weights, "sample_weight": weight, "denominator": denominator}
        dense = core.balance(np.asfortranarray(np.hstack(blocks)), treatment, **options)
        n_each = np.full(len(factors), 9)
        coded = core.balance(x, treatment, factors=factors, after=after, n_levels=n_each, **options)
        for name in MEASURES:
            assert_allclose(getattr(coded, name), getattr(dense, name), **CLOSE, err_msg=name)
        assert_array_equal(coded.ess_treated, dense.ess_treated)


def test_numbers_of_levels_that_do_not_fit_are_refused(rng):
    x, codes = rng.normal(size=(60, 1)), rng.integers(0, 3, 60)
    treatment = np.arange(60) % 2 == 0
    with pytest.raises(InvalidInputError, match="a level of 2"):
        core.balance(x, treatment, factors=[codes], n_levels=np.array([2]))
    with pytest.raises(InvalidInputError, match="n_levels has 2 rows where 1 are expected"):
        core.balance(x, treatment, factors=[codes], n_levels=np.array([3, 3]))


@pytest.mark.parametrize("resampling", ["multinomial", "poisson", "bayesian"])
@pytest.mark.parametrize("weighted", [False, True])
def test_replicates_by_codes_are_those_by_dummies(rng, resampling, weighted):
    n = 2_500
    x, factors = rng.normal(size=(n, 2)), [rng.integers(0, 30, n), rng.integers(0, 5, n)]
    factors.append(factors[0] // 10)
    treatment, outcome = treated_by(rng, x, factors), rng.normal(size=n)
    options = {
        "estimators": [ps.IPW("ATE"), ps.IPW("ATO"), ps.IPW("ATT", truncate=0.9)],
        "resampling": resampling,
        "sample_weight": rng.uniform(0.5, 2.0, n) if weighted else None,
        "n_reps": 30,
        "analytic": True,
    }
    after = np.array([0, 1, 2])
    dense = core.bootstrap(dummies(x, factors, after), treatment, outcome, **options)
    coded = core.bootstrap(x, treatment, outcome, factors=factors, after=after, **options)
    assert_allclose(coded.estimates, dense.estimates, **CLOSE)
    assert_allclose(coded.replicates, dense.replicates, rtol=1e-9, atol=1e-10)
    assert_allclose(coded.analytic_std_error, dense.analytic_std_error, rtol=1e-11)
    assert_allclose(coded.acceleration, dense.acceleration, rtol=1e-7)
    assert_array_equal(coded.aliased, dense.aliased)
    alone = core.bootstrap(x, treatment, outcome, factors=factors, after=after, n_threads=1, **options)
    assert_array_equal(alone.replicates, coded.replicates)


@pytest.mark.parametrize("outcome_model", ["linear", "logistic"])
@pytest.mark.parametrize("weighted", [False, True])
def test_adjusted_replicates_by_codes_are_those_by_dummies(rng, outcome_model, weighted):
    n = 2_500
    x, factors = rng.normal(size=(n, 2)), [rng.integers(0, 30, n), rng.integers(0, 5, n)]
    treatment = treated_by(rng, x, factors)
    outcome = rng.normal(size=n) + 0.2 * factors[1]
    if outcome_model == "logistic":
        outcome = (outcome > 0.3).astype(float)
    specs = (ps.AIPW, ps.IPWRA, ps.RegressionAdjustment)
    options = {
        "estimators": [
            spec(which, outcome_model=outcome_model) for spec in specs for which in ("ATE", "ATT")
        ],
        "sample_weight": rng.uniform(0.5, 2.0, n) if weighted else None,
        "n_reps": 20,
        "analytic": True,
    }
    dense = core.bootstrap(dummies(x, factors, [1, 2]), treatment, outcome, **options)
    coded = core.bootstrap(x, treatment, outcome, factors=factors, after=np.array([1, 2]), **options)
    assert_allclose(coded.estimates, dense.estimates, rtol=1e-10)
    assert_allclose(coded.replicates, dense.replicates, rtol=1e-9, atol=1e-9)
    assert_allclose(coded.analytic_std_error, dense.analytic_std_error, rtol=1e-10)


@pytest.mark.parametrize("outcome_model", ["linear", "logistic"])
def test_levels_that_an_arm_did_not_draw_are_predicted_from_the_full_sample(rng, outcome_model):
    n = 1_200  # of 60 levels, ten rows of either arm
    x, codes = rng.normal(size=(n, 1)), np.arange(n) % 60
    few = rng.integers(0, 3, n)
    treatment, outcome = np.arange(n) // 60 % 2 == 0, rng.normal(size=n)
    if outcome_model == "logistic":
        outcome = ((outcome + np.arange(n) // 120 % 2) > 0.5).astype(float)
    rare = np.isin(codes, (3, 4)) & (np.arange(n) // 60 >= 4)
    codes[rare] = 5  # so that two levels have two rows of either arm
    options = {"estimators": [ps.RegressionAdjustment("ATE", outcome_model=outcome_model)], "n_reps": 60}
    dense = core.bootstrap(dummies(x, [codes, few], [1, 1]), treatment, outcome, **options)
    coded = core.bootstrap(x, treatment, outcome, factors=[codes, few], **options)
    assert_array_equal(coded.n_failed, dense.n_failed)
    there = np.isfinite(dense.replicates)
    assert_allclose(coded.replicates[there], dense.replicates[there], rtol=1e-7, atol=1e-8)


def test_replicates_by_codes_take_clusters_and_strata(rng):
    n = 1_500
    x, codes = rng.normal(size=(n, 1)), rng.integers(0, 40, n)
    treatment, outcome = treated_by(rng, x, [codes]), rng.normal(size=n)
    options = {"estimators": [ps.IPW("ATE")], "n_reps": 20}
    for groups in ({"cluster": rng.integers(0, 300, n)}, {"strata": rng.integers(0, 3, n)}):
        columns = dummies(x, [codes], [1])
        dense = core.bootstrap(columns, treatment, outcome, **groups, **options)
        coded = core.bootstrap(x, treatment, outcome, factors=[codes], **groups, **options)
        assert_allclose(coded.replicates, dense.replicates, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("method", ["aipw", "ipwra", "regression"])
@pytest.mark.parametrize("outcome_model", ["linear", "logistic"])
@WORLDS
@settings(max_examples=15, deadline=None)
def test_outcome_models_by_codes_are_those_by_dummies(
    method, outcome_model, seed, n_levels, n_numbers, repeated, weighted
):
    world = sample_of(seed, n_levels, n_numbers, repeated=repeated, weighted=weighted)
    x, factors, after, treatment, weight = world
    scores = scored(*world, 0.0)
    rng = np.random.default_rng([seed, 1])  # not the numbers of the covariates
    outcome = rng.normal(3.0, 1.0, len(x)) + treatment + 0.3 * factors[0]
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
        dense = core.adjust(dummies(x, factors, after), treatment, outcome, **options)
    except (InvalidInputError, OverlapError) as error:
        with pytest.raises(type(error)):
            core.adjust(x, treatment, outcome, factors=factors, after=after, **options)
        return
    coded = core.adjust(x, treatment, outcome, factors=factors, after=after, **options)
    loose = {"rtol": 1e-9, "atol": 1e-9} if outcome_model == "logistic" else {"rtol": 1e-11, "atol": 1e-11}
    for name in ("estimate", "mean_treated", "mean_control", "std_error", "leverage"):
        assert_allclose(getattr(coded, name), getattr(dense, name), **loose, err_msg=name)
    scale = dense.std_error * np.sqrt(len(x))
    assert_allclose(coded.influence_treated / scale, dense.influence_treated / scale, **loose)
    assert_array_equal(coded.outcome_aliased, dense.outcome_aliased)


# The frame door


ROLES = {"treatment": "t", "covariates": ["visits", "country", "spend", "beta", "plan", "pair"]}


@pytest.fixture
def users(rng):
    """Users of 40 countries and 5 plans; the country stands between numbers."""
    n = 3_000
    df = pd.DataFrame(
        {
            "visits": rng.poisson(3, n),
            "country": [f"c{k:02d}" for k in rng.integers(0, 40, n)],
            "spend": rng.exponential(20, n),
            "beta": rng.random(n) < 0.3,
            "plan": pd.Categorical.from_codes(rng.integers(0, 5, n), list("abcde")),
            "pair": np.where(rng.random(n) < 0.5, "left", "right"),
            "y": rng.normal(size=n),
            "w": rng.uniform(0.5, 2.0, n) * (rng.random(n) > 0.05),
        }
    )
    codes = df["country"].astype("category").cat.codes.to_numpy()
    df["t"] = treated_by(rng, df[["spend"]].to_numpy() / 20, [codes, df["plan"].cat.codes.to_numpy()])
    return df


def by_codes_and_matrix(monkeypatch, work):
    """What `work` gives with levels as codes, and as the matrix."""
    coded = work()
    with monkeypatch.context() as patch:
        patch.setattr(laid_out, "_MANY_TERMS", 10**9)
        return coded, work()


@pytest.mark.parametrize("options", [{}, {"sample_weight": "w"}])
@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATO"])
def test_effects_by_codes_are_those_by_the_matrix(monkeypatch, users, estimand, options):
    def work():
        model = ps.fit_propensity(users, **ROLES, penalty=0.5, **options)
        return ps.ipw(users, treatment="t", outcome="y", scores=model, estimand=estimand, **options)

    one, other = by_codes_and_matrix(monkeypatch, work)
    assert_allclose(one.estimate, other.estimate, **CLOSE)
    assert_allclose(one.std_error, other.std_error, **CLOSE)
    assert_allclose(one.means, other.means, **CLOSE)
    assert [str(caution) for caution in one.cautions] == [str(caution) for caution in other.cautions]


@pytest.mark.parametrize("options", [{}, {"sample_weight": "w"}, {"denominator": "treated"}, {"by": "pair"}])
def test_balance_by_codes_is_that_by_the_matrix(monkeypatch, users, rng, options):
    weights = {"one": rng.uniform(0.5, 2.0, len(users)), "other": rng.uniform(0.1, 3.0, len(users))}
    roles = ROLES | {"covariates": ROLES["covariates"][:-1]}
    coded, dense = by_codes_and_matrix(
        monkeypatch, lambda: ps.balance(users, **roles, weights=weights, **options)
    )
    pd.testing.assert_frame_equal(coded.table, dense.table, rtol=1e-12, atol=1e-12)
    if "by" not in options:
        for sample, products in dense.table.attrs["products"].items():
            assert coded.table.attrs["products"][sample] == pytest.approx(products, rel=1e-9, abs=1e-12)
        one, other = by_codes_and_matrix(
            monkeypatch, lambda: ps.smd(users, **roles, weights=weights["one"], **options)
        )
        pd.testing.assert_series_equal(one, other, rtol=1e-12, atol=1e-12)


def test_groups_without_a_level_have_it_in_their_tables(users):
    users = users[(users["pair"] == "left") | (users["country"] < "c35")]
    table = ps.balance(users, treatment="t", covariates=["country", "visits"], by="pair").table
    assert table.loc[("right", "country[c39]"), ("unadjusted", "smd")] == 0.0
    few = users[users["pair"] == "right"]
    alone = ps.balance(few, treatment="t", covariates=["country", "visits"]).table
    found = table.loc["right"].loc[alone.index]
    assert_allclose(found, alone, **CLOSE)


@pytest.mark.parametrize("function", [ps.aipw, ps.ipwra, ps.regression_adjustment])
@pytest.mark.parametrize("options", [{}, {"sample_weight": "w"}])
def test_adjusted_effects_by_codes_are_those_by_the_matrix(monkeypatch, users, function, options):
    one, other = by_codes_and_matrix(monkeypatch, lambda: function(users, **ROLES, outcome="y", **options))
    assert_allclose(one.estimate, other.estimate, rtol=1e-11)
    assert_allclose(one.std_error, other.std_error, rtol=1e-11)
    assert [str(caution) for caution in one.cautions] == [str(caution) for caution in other.cautions]


@pytest.mark.parametrize("options", [{}, {"sample_weight": "w"}])
def test_bootstraps_by_codes_are_those_by_the_matrix(monkeypatch, users, options):
    estimators = [ps.IPW("ATE"), ps.IPW("ATT"), ps.AIPW("ATT"), ps.RegressionAdjustment("ATE")]

    def work():
        return ps.bootstrap(users, **ROLES, outcome="y", estimators=estimators, n_reps=20, **options)

    one, other = by_codes_and_matrix(monkeypatch, work)
    assert_allclose(one.estimates, other.estimates, rtol=1e-11)
    assert_allclose(one.replicates, other.replicates, rtol=1e-9, atol=1e-10)
    shuffled = users.sample(frac=1.0, random_state=1)
    again = ps.bootstrap(shuffled, **ROLES, outcome="y", estimators=estimators, n_reps=20, **options)
    assert_allclose(again.replicates, one.replicates, rtol=1e-9, atol=1e-10)


def test_a_model_of_thousands_of_levels_goes_where_scores_go(rng):
    n = 6_000
    df = pd.DataFrame({"x": rng.normal(size=n), "zip": [f"z{k:04d}" for k in rng.integers(0, 1_500, n)]})
    df["t"] = treated_by(rng, df[["x"]].to_numpy(), [])
    df["y"] = df["t"] + rng.normal(size=n)
    with pytest.warns(SmallSampleWarning, match="levels, of"):
        model = ps.fit_propensity(df, treatment="t", covariates=["x", "zip"], penalty=1.0)
    effect = ps.ipw(df, treatment="t", outcome="y", scores=model)
    with pytest.warns(BalanceWarning, match="in the score"):  # which a penalized model leaves
        known = ps.ipw(df, treatment="t", outcome="y", scores=model.scores)
    assert effect.estimate == known.estimate
    assert 0 < effect.std_error < known.std_error
