"""Formulas over categories of many levels: codes that stand for the very columns that formulaic makes."""

import re

import numpy as np
import pandas as pd
import pytest
from formulaic import model_matrix
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import propensity as ps
from propensity.errors import CollinearityWarning, InvalidInputError
from propensity.frames import laid_out
from propensity.frames.columns import open_frame
from propensity.frames.terms import make_design, parse_covariates

QUICK = settings(max_examples=40, deadline=None)
FORMULAS = [
    "a * b + x",
    "a:b + x",
    "x + a + a:b + k",
    "b * C(k)",
    "C(a):C(b) + x:z",
    "a * x + b",
    "a * b * C(k) + x",
    "a:x + b:C(k) + z",
    "a * x + a:z + b * z",
    "x * a * b",
    "x:z:a + C(k):z",
    "C(k):x + a + x:b",
    "poly(x, degree=2):a + a:poly(z, degree=2)",
    "C(a, contr.sum):x + b",
    "C(a, contr.sum) * b + x",
    "C(a, levels=['l0', 'l1', 'l2', 'l3', 'l4', 'l5', 'l6', 'l7', 'l8']) + C(k):b",
    "np.log1p(z) + center(x) + a:b:C(k)",
]


def rows(seed, n_a, n_b, n_k, n=150):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, n_a, n), rng.integers(0, n_b, n)
    return pd.DataFrame(
        {
            "a": [f"l{level}" for level in a],
            "b": pd.Categorical.from_codes(b, [f"m{level}" for level in range(n_b)]),
            "k": rng.integers(0, n_k, n) * 3,
            "x": rng.normal(size=n),
            "z": rng.exponential(size=n),
            "t": rng.random(n) < 0.5,
        }
    )


def design_of(df, formula, *, all_levels=False, many=0):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(laid_out, "_MANY_TERMS", many)
        terms = parse_covariates(formula, df)
        return make_design(open_frame(df, covariates=terms.columns), terms, all_levels=all_levels)


@given(
    seed=st.integers(0, 2**32 - 1),
    n_a=st.integers(1, 9),
    n_b=st.integers(1, 6),
    n_k=st.integers(1, 4),
    formula=st.sampled_from(FORMULAS),
)
@QUICK
def test_codes_stand_for_the_columns_of_formulaic(seed, n_a, n_b, n_k, formula):
    df = rows(seed, n_a, n_b, n_k)
    df["b"] = df["b"].cat.remove_unused_categories()
    expected = model_matrix(formula, df.assign(k=df["k"].astype(float) if "C(k)" not in formula else df["k"]))
    expected = expected.drop(columns="Intercept").astype(float)
    coded, recipe = design_of(df, formula)
    dense, same = design_of(df, formula, many=10**9)
    assert recipe.names == same.names == tuple(expected.columns)
    assert_array_equal(dense.x, expected)
    assert_array_equal(coded.x, expected)
    assert not dense.factors
    assert sum(n_levels - 1 for n_levels in coded.n_levels) + coded.numbers.shape[1] == coded.n_terms
    order = np.lexsort(expected.to_numpy().T[::-1]) if expected.shape[1] else np.arange(len(df))
    if expected.shape[1]:
        assert_array_equal(np.lexsort([*coded.by_content][::-1]), order)  # rows go by what they hold
    varies = (expected.nunique() > 1).tolist()
    assert coded.varies(range(coded.n_terms)) == dense.varies(range(coded.n_terms)) == varies
    some = [term for term in range(coded.n_terms) if (seed + term) % 3]
    assert_array_equal(coded.only(some).x, expected.iloc[:, some])  # one of its factors may go as a whole
    assert_array_equal(dense.only(some).x, expected.iloc[:, some])
    new = df.iloc[:20].sample(frac=1.0, random_state=seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(laid_out, "_MANY_TERMS", 0)
        again = recipe.design(new)[0]
    assert_allclose(again.x, expected.loc[new.index], rtol=1e-12, atol=1e-12)
    assert again.n_levels == coded.n_levels


@given(seed=st.integers(0, 2**32 - 1), n_a=st.integers(1, 9), n_b=st.integers(1, 6))
@QUICK
def test_all_levels_are_coded_too(seed, n_a, n_b):
    df = rows(seed, n_a, n_b, 3)
    for formula in ("a + b + x", "a:b + x", "a * b", "a * x + z:b", "a:b:x"):
        coded, recipe = design_of(df, formula, all_levels=True)
        dense, same = design_of(df, formula, all_levels=True, many=10**9)
        assert recipe.names == same.names
        assert_array_equal(coded.x, dense.x)
        assert_array_equal(np.lexsort([*coded.by_content][::-1]), np.lexsort(dense.x.T[::-1]))


@pytest.fixture(scope="module")
def users():
    """Users of 12 countries and 5 plans, of which one country has no user on two of them."""
    rng = np.random.default_rng(8)
    n = 6_000
    country, plan = rng.integers(0, 12, n), rng.integers(0, 5, n)
    plan = np.where((country == 3) & (plan > 2), 0, plan)
    eta = 0.3 * np.sin(country) + 0.2 * np.cos(3 * country + plan)
    x = rng.normal(size=n)
    t = rng.random(n) < 1 / (1 + np.exp(-eta - x / 3))
    return pd.DataFrame(
        {
            "country": [f"c{k:02d}" for k in country],
            "plan": [f"p{k}" for k in plan],
            "x": x,
            "t": t,
            "y": x + t + 0.2 * country + rng.normal(size=n),
        }
    )


def both(call):
    """What a call gives by codes, and by the matrix."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(laid_out, "_MANY_TERMS", 10)
        coded = call()
        patch.setattr(laid_out, "_MANY_TERMS", 10**9)
        return coded, call()


@pytest.mark.filterwarnings("ignore::propensity.errors.CollinearityWarning")
@pytest.mark.parametrize("formula", ["country * plan + x", "C(country):C(plan) + x", "country * x + plan"])
def test_every_number_is_that_of_the_matrix(users, formula):
    close = {"rtol": 1e-10, "atol": 1e-12}
    roles = {"treatment": "t", "covariates": formula}
    coded, dense = both(lambda: ps.fit_propensity(users, **roles))
    assert len(coded.fit.factors)
    assert not len(dense.fit.factors)
    assert (coded.terms, coded.dropped) == (dense.terms, dense.dropped)
    assert_allclose(coded.coefficients, dense.coefficients, **close)
    assert_allclose(coded.scores, dense.scores, rtol=1e-12)
    assert_allclose(coded.covariance, dense.covariance, rtol=1e-8, atol=1e-12)
    new = users.iloc[100:140].reset_index(drop=True)
    assert_allclose(*both(lambda: ps.fit_propensity(users, **roles).predict(new)), rtol=1e-12)
    for effect in (
        lambda: ps.ipw(users, outcome="y", treatment="t", scores=ps.fit_propensity(users, **roles)),
        lambda: ps.aipw(users, outcome="y", **roles),
        lambda: ps.regression_adjustment(users, outcome="y", **roles),
    ):
        one, other = both(effect)
        assert_allclose([one.estimate, one.std_error], [other.estimate, other.std_error], rtol=1e-10)
    one, other = both(lambda: ps.balance(users, **roles).table)
    assert list(one.index) == list(other.index)
    assert_allclose(one.to_numpy(float), other.to_numpy(float), **close)
    spec = {"estimators": [ps.IPW("ATE")], "n_reps": 20, "seed": 1, "progress": False}
    one, other = both(lambda: ps.bootstrap(users, outcome="y", **roles, **spec))
    assert_allclose(one.replicates, other.replicates, rtol=1e-9)


WORLDS = [
    "a * x + b",
    "x * b + a:z",
    "a * b + x:C(k)",
    "a:x + b:C(k) + z",
    "C(k) * a + b * x + z",
    "x:z:a + b",
]


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(
    seed=st.integers(0, 2**32 - 1),
    n_a=st.integers(1, 7),
    n_b=st.integers(1, 4),
    n_k=st.integers(1, 3),
    formula=st.sampled_from(WORLDS),
    penalty=st.sampled_from([0.0, 0.7]),
)
@settings(max_examples=15, deadline=None)
def test_every_number_is_that_of_the_matrix_in_any_world(seed, n_a, n_b, n_k, formula, penalty):
    df = rows(seed, n_a, n_b, n_k, n=500)  # of b a level may have no row
    df["y"] = df["x"] + df["t"] + 0.3 * df["a"].str[1:].astype(int) + 0.1 * df["z"] ** 2
    roles = {"treatment": "t", "covariates": formula}
    asks = {
        "fit": lambda: ps.fit_propensity(df, **roles, penalty=penalty),
        "predict": lambda: ps.fit_propensity(df, **roles, penalty=penalty).predict(df[:50]),
        "ipw": lambda: ps.ipw(
            df, outcome="y", treatment="t", scores=ps.fit_propensity(df, **roles, penalty=penalty)
        ),
        "aipw": lambda: ps.aipw(df, outcome="y", **roles, penalty=penalty),
        "regression": lambda: ps.regression_adjustment(df, outcome="y", **roles),
        "balance": lambda: ps.balance(df, **roles).table,
        "bootstrap": lambda: (
            ps.bootstrap(
                df,
                outcome="y",
                **roles,
                penalty=penalty,
                estimators=[ps.IPW("ATT")],
                n_reps=5,
                seed=1,
                progress=False,
            ).replicates
        ),
    }
    found = {}
    for name, ask in asks.items():
        try:
            found[name] = both(ask)
        except InvalidInputError as error:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(laid_out, "_MANY_TERMS", 10**9)
                with pytest.raises(type(error), match=re.escape(str(error))):
                    ask()
    assume("fit" in found and not len(found["fit"][1].fit.diverging))
    coded, dense = found["fit"]
    assert (coded.terms, coded.dropped) == (dense.terms, dense.dropped)
    assert_allclose(coded.scores, dense.scores, rtol=1e-12, atol=1e-12)
    assert_allclose(*found["predict"], rtol=1e-12, atol=1e-12)
    spread = np.sqrt(np.diag(dense.covariance))
    assert_allclose(coded.coefficients / spread, dense.coefficients / spread, rtol=1e-12, atol=1e-12)
    assert_allclose(
        coded.covariance / np.outer(spread, spread), dense.covariance / np.outer(spread, spread), atol=1e-10
    )
    for name in {"ipw", "aipw", "regression"} & set(found):
        one, other = found[name]
        assert one.estimate == pytest.approx(other.estimate, rel=1e-12, abs=1e-12)
        assert one.std_error == pytest.approx(other.std_error, rel=1e-11)
    one, other = found["balance"]
    assert list(one.index) == list(other.index)
    assert_allclose(one.to_numpy(float), other.to_numpy(float), rtol=1e-12, atol=1e-12)
    if "bootstrap" in found:
        one, other = found["bootstrap"]
        assert_allclose(one, other, rtol=1e-9, atol=1e-10)


def test_pairs_that_nobody_has_are_left_out_by_name(users):
    with pytest.warns(CollinearityWarning, match=r"country\[T\.c03\]:plan\[T\.p3\], country\[T\.c03\]:plan"):
        model = ps.fit_propensity(users, treatment="t", covariates="country * plan")
    assert model.dropped == ("country[T.c03]:plan[T.p3]", "country[T.c03]:plan[T.p4]")


def test_levels_that_a_formula_has_not_seen_are_named(users):
    model = ps.fit_propensity(users, treatment="t", covariates="country * x + plan")
    with pytest.raises(InvalidInputError, match="'c99'"):
        model.predict(users.assign(country="c99"))
