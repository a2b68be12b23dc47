"""Groups, folds and matched sets whose covariates are codes: every number is that of their dummies."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import propensity as ps
from propensity.effects.coded_terms import CodedTerms, gram, standardized, sums_within
from propensity.errors import OverlapError
from propensity.frames import laid_out
from propensity.frames.design import Design
from propensity.scores.own_models import Linear

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
CLOSE = {"rtol": 1e-9, "atol": 1e-12}


@pytest.fixture(scope="module")
def users():
    """Users of 36 countries and 4 plans, in groups one of which has nobody of the last two countries."""
    rng = np.random.default_rng(4)
    n = 5_000
    country, group = rng.integers(0, 36, n), rng.integers(0, 3, n)
    country = np.where((group == 1) & (country > 33), 5, country)
    plan = rng.integers(0, 4, n)
    x = rng.normal(size=n)
    t = rng.random(n) < 1 / (1 + np.exp(-0.4 * np.sin(country) - x / 3))
    y = x + t * (1 + group / 4) + 0.1 * country + rng.normal(size=n)
    return pd.DataFrame(
        {
            "country": [f"c{k:02d}" for k in country],
            "x": x,
            "plan": pd.Categorical.from_codes(plan, list("pqrs")),
            "group": [f"g{k}" for k in group],
            "team": rng.integers(0, 300, n),
            "w": rng.uniform(0.5, 2.0, n) * (rng.random(n) > 0.03),
            "t": t,
            "y": y,
            "won": (rng.random(n) < 1 / (1 + np.exp(-y / 4))).astype(int),
        }
    )


ROLES = {"treatment": "t", "covariates": ["country", "x", "plan"]}


def both(call):
    """What a call gives by codes, and by the matrix; codes make no matrix of all rows."""
    with pytest.MonkeyPatch.context() as patch:
        coded = call()
        patch.setattr(laid_out, "_MANY_TERMS", 10**9)
        return coded, call()


def assert_same(one, other):
    """The numbers of two tables of groups."""
    one, other = (table.select_dtypes("number") for table in (one, other))
    assert list(one.index) == list(other.index)
    assert_allclose(one, other, **CLOSE)


@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("cluster", [None, "team"])
@pytest.mark.parametrize("contrast", ["difference", "ratio"])
def test_groups_of_models_of_all_rows(users, weight, cluster, contrast):
    options = {"sample_weight": weight, "cluster": cluster, "contrast": contrast, "by": "group"}
    outcome = {"outcome": "won" if contrast == "ratio" else "y"}
    fit = {"sample_weight": weight}
    for effect in (
        lambda: ps.ipw(
            users, treatment="t", scores=ps.fit_propensity(users, **ROLES, **fit), **outcome, **options
        ),
        lambda: ps.aipw(users, **ROLES, **outcome, **options),
        lambda: ps.ipwra(users, **ROLES, **outcome, **options),
        lambda: ps.regression_adjustment(users, **ROLES, **outcome, **options),
    ):
        one, other = both(effect)
        assert_same(one.table, other.table)
        assert_allclose(one.test_equal().statistic, other.test_equal().statistic, rtol=1e-6)
        first = one.table.index[0]
        assert_allclose(one[first].std_error, other[first].std_error, rtol=1e-9)


@pytest.mark.parametrize("weight", [None, "w"])
def test_groups_with_models_of_their_own(users, weight):
    options = {"sample_weight": weight, "by": "group", "within": True, "outcome": "y"}
    fit = {"sample_weight": weight}
    for effect in (
        lambda: ps.ipw(users, treatment="t", scores=ps.fit_propensity(users, **ROLES, **fit), **options),
        lambda: ps.aipw(users, **ROLES, **options),
        lambda: ps.ipwra(users, **ROLES, **options),
        lambda: ps.regression_adjustment(users, **ROLES, **options),
    ):
        one, other = both(effect)
        assert_same(one.table, other.table)


@pytest.mark.parametrize("spec", [{}, {"outcome_model": "logistic"}, {"n_repeats": 2, "penalty": 1.0}])
@pytest.mark.parametrize("weight", [None, "w"])
def test_folds(users, spec, weight):
    outcome = "won" if "outcome_model" in spec else "y"
    roles = {**ROLES, "outcome": outcome, "n_folds": 3, "sample_weight": weight}
    one, other = both(lambda: ps.aipw(users, **roles, **spec))
    assert_allclose([one.estimate, one.std_error], [other.estimate, other.std_error], **CLOSE)
    one, other = both(lambda: ps.aipw(users, **roles, **spec, by="group").table)
    assert_same(one, other)


def test_scores_out_of_fold_predict_rows_of_other_frames(users):
    options = {"n_folds": 3, "seed": 2}
    one, other = both(lambda: ps.fit_propensity(users, **ROLES, **options))
    assert_allclose(one.scores, other.scores, rtol=1e-12)
    new = users.iloc[10:40].reset_index(drop=True)
    assert_allclose(one.predict(new), other.predict(new), rtol=1e-12)


def test_a_level_that_no_other_fold_has_in_an_arm_is_told_in_the_same_words(users):
    rare = users.copy()
    rare.loc[rare.index[:3], "country"] = "zz"
    rare.loc[rare.index[:3], "t"] = [True, False, False]
    said = []

    def call():
        with pytest.raises(OverlapError) as error:
            ps.aipw(rare, **ROLES, outcome="y", n_folds=3)
        said.append(str(error.value))

    both(call)
    assert said[0] == said[1]


@pytest.mark.parametrize(
    "options", [{}, {"max_reuse": 1, "estimand": "ATT", "caliper": 0.2}, {"n_neighbors": 3}]
)
def test_bias_adjustment_of_matches(users, options):
    model = ps.fit_propensity(users, **ROLES)
    matches = ps.match_nn(users, treatment="t", scores=model, **options)
    for cluster in (None, "team"):
        one, other = both(lambda c=cluster: matches.effect("y", bias_adjust=ROLES["covariates"], cluster=c))
        assert_allclose([one.estimate, one.std_error], [other.estimate, other.std_error], **CLOSE)


def world(seed, *, absent=()):
    """A design of two factors between numbers, in whose second some levels have no row."""
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, 9, 300), rng.integers(0, 6, 300)
    second[np.isin(second, absent)] = 5
    return Design(np.asfortranarray(rng.normal(3, 2, (300, 3))), (first, second), (1, 3), (9, 6))


@pytest.mark.parametrize("absent", [(), (2, 4)])
def test_standardized_codes_do_what_their_matrix_does(absent):
    design, rng = world(1, absent=absent), np.random.default_rng(2)
    z, scale = standardized(design)
    matrix, same = standardized(Design(design.x))
    assert isinstance(z, CodedTerms)
    assert_allclose(scale, same)
    assert z.shape == matrix.shape
    assert_allclose(np.column_stack([*z.each_column()]), matrix, atol=1e-12)
    values, groups = rng.normal(size=300), rng.integers(0, 4, 300)
    assert_allclose(sums_within(z, groups, 4, values), sums_within(matrix, groups, 4, values), atol=1e-10)
    b = rng.normal(size=(matrix.shape[1], 5))
    assert_allclose(z @ b, matrix @ b, atol=1e-10)
    assert_allclose(z @ b[:, 0], matrix @ b[:, 0], atol=1e-10)
    assert_allclose(z.taken(slice(20, 50)) @ b, matrix[20:50] @ b, atol=1e-10)
    other, dense = standardized(world(3))[0], standardized(Design(world(3).x))[0]
    expected = (matrix * values[:, None]).T @ dense
    for one, two in ((z, other), (z, dense), (matrix, other), (matrix, dense)):
        assert_allclose(gram(one, values, two), expected, atol=1e-10)
    assert_allclose(gram(z, values**2), (matrix * values[:, None] ** 2).T @ matrix, atol=1e-10)


@pytest.mark.parametrize("absent", [(), (2, 4), (0,)])
@pytest.mark.parametrize("weighted", [False, True])
def test_least_squares_by_codes_are_those_of_the_matrix(absent, weighted):
    design, rng = world(5, absent=absent), np.random.default_rng(6)
    y = rng.normal(50.0, 3.0, 300)
    weight = rng.integers(0, 3, 300) * rng.uniform(0.5, 2.0, 300) if weighted else None
    every = world(7)
    coded, dense = Linear().fit(design, y, weight), Linear().fit(design.x, y, weight)
    assert_allclose(coded.predict(design), dense.predict(design.x), rtol=1e-12)
    assert_allclose(coded.predict(every), dense.predict(every.x), rtol=1e-10)


def test_nothing_of_the_size_of_the_matrix_is_made(users, monkeypatch):
    def matrix(self):
        assert self.n_rows < len(users), "a matrix of all rows was asked for"
        return self.columns(range(self.n_terms))

    model = ps.fit_propensity(users, **ROLES)
    matches = ps.match_nn(users, treatment="t", scores=model)
    monkeypatch.setattr(Design, "x", property(matrix))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for options in ({"by": "group"}, {"by": "group", "within": True}, {"n_folds": 3}):
            found = ps.aipw(users, **ROLES, outcome="y", **options)
            assert np.isfinite(found.table["std_error"]).all() if "by" in options else found.std_error > 0
        ps.ipw(users, outcome="y", treatment="t", scores=model, by="group").table  # noqa: B018
        assert matches.effect("y", bias_adjust=ROLES["covariates"]).std_error > 0
