"""Frames of any library and columns of any type become the same arrays, with formulaic's names."""

import pickle
import subprocess
import sys
import tracemalloc

import formulaic
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import propensity as ps
from propensity.frames.columns import open_frame
from propensity.frames.terms import make_terms, parse_covariates

NUMERIC_TYPES = ["int8", "uint16", "int64", "uint64", "float32", "Int64", "UInt8", "Float64", "Sparse[int64]"]
ARROW_TYPES = [pd.ArrowDtype(dtype) for dtype in (pa.int32(), pa.float64(), pa.decimal128(21, 2))]
LIBRARIES = {"polars": pl.from_pandas, "pyarrow": pa.Table.from_pandas}


def terms_of(df, covariates, **options):
    terms = parse_covariates(covariates, df)
    x, recipe = make_terms(open_frame(df, covariates=terms.columns), terms, **options)
    return pd.DataFrame(x, columns=recipe.names)


@pytest.mark.parametrize(
    "formula",
    [
        "tier + visits",
        "tier * tenure",
        "tier:visits + premium",
        "bs(tenure, df=4) + tier",
        "poly(tenure, 2) + log(tenure) + I(visits**2)",
        "C(visits > 3) + C(tier, contr.treatment('light'))",
        "center(tenure) + scale(visits)",
    ],
)
def test_terms_are_those_of_formulaic(users, formula):
    expected = formulaic.model_matrix(formula, users).drop(columns="Intercept")
    found = terms_of(users, formula)
    assert list(found) == list(expected)
    np.testing.assert_allclose(found, expected.astype(float), rtol=1e-13)


def test_terms_of_a_list_are_those_of_the_sum(users):
    columns = ["tier", "visits", "premium", "tenure"]
    pd.testing.assert_frame_equal(terms_of(users, columns), terms_of(users, " + ".join(columns)))
    assert list(terms_of(users, columns)) == [
        "tier[T.light]",
        "tier[T.medium]",
        "visits",
        "premium",
        "tenure",
    ]


def test_terms_keep_odd_column_names(users):
    odd = {"visits": "past score", "tenure": "a+b", "tier": "C(x)", "premium": "0"}
    found = terms_of(users.rename(columns=odd), list(odd.values()))
    assert list(found) == ["past score", "a+b", "C(x)[T.light]", "C(x)[T.medium]", "0"]


def test_terms_of_a_formula_quote_odd_column_names_in_backticks(users):
    found = terms_of(users.rename(columns={"tenure": "past score"}), "bs(`past score`, df=4) + `past score`")
    np.testing.assert_array_equal(found["past score"], users["tenure"])
    dotted = terms_of(users.rename(columns={"tenure": "user.tenure"}), "user.tenure + log(`user.tenure`)")
    np.testing.assert_array_equal(dotted["log(`user.tenure`)"], np.log(users["tenure"]))


def test_terms_of_a_formula_take_a_column_before_a_function_of_its_name(users):
    users = users.rename(columns={"tier": "type", "tenure": "log", "visits": "max"})
    assert list(terms_of(users, "C(type) + I(log + max) + exp(max)")) == [
        "C(type)[T.light]",
        "C(type)[T.medium]",
        "I(log + max)",
        "exp(max)",
    ]


def test_terms_with_all_levels_leave_out_none(users):
    assert list(terms_of(users, ["tier", "visits"], all_levels=True)) == [
        "tier[heavy]",
        "tier[light]",
        "tier[medium]",
        "visits",
    ]


def test_categorical_levels_keep_their_order_and_lose_the_unused(users):
    users["tier"] = pd.Categorical(users["tier"], ["absent", "light", "medium", "heavy"], ordered=True)
    assert list(terms_of(users, ["tier"])) == ["tier[T.medium]", "tier[T.heavy]"]


def test_intervals_are_levels(users):
    users["age"] = pd.cut(users["tenure"], [0, 9, 11, 30])
    assert list(terms_of(users, ["age"])) == ["age[T.(9, 11]]", "age[T.(11, 30]]"]


@pytest.mark.parametrize(
    "dtype",
    NUMERIC_TYPES + ARROW_TYPES,
    ids=str,
)
def test_numeric_types_give_the_same_terms(users, dtype):
    converted = users.assign(visits=users["visits"].astype(dtype))
    pd.testing.assert_frame_equal(terms_of(converted, ["visits"]), terms_of(users, ["visits"]))


@pytest.mark.parametrize("dtype", ["bool", "boolean", "bool[pyarrow]", "int64"])
def test_bool_types_give_one_term_named_after_the_column(users, dtype):
    found = terms_of(users.assign(premium=users["premium"].astype(dtype)), ["premium"])
    np.testing.assert_array_equal(found["premium"], users["premium"].to_numpy(dtype=float))


@pytest.mark.parametrize("dtype", ["object", "str", "string", "string[pyarrow]", "category", "dictionary"])
def test_text_types_give_the_same_terms(users, dtype):
    dtype = pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string())) if dtype == "dictionary" else dtype
    converted = users.assign(tier=users["tier"].astype(dtype))
    pd.testing.assert_frame_equal(terms_of(converted, ["tier"]), terms_of(users, ["tier"]))


@pytest.mark.parametrize("library", LIBRARIES)
def test_other_libraries_give_the_same_terms(users, library):
    users["visits"] = users["visits"].astype("int16")
    users["kind"] = users["tier"].astype("category")
    columns = ["tier", "kind", "visits", "tenure", "premium"]
    other = LIBRARIES[library](users.reset_index(drop=True))
    pd.testing.assert_frame_equal(terms_of(other, columns), terms_of(users, columns))


def test_polars_enum_keeps_the_order_of_its_levels(users):
    tiers = pl.Series(users["tier"].tolist(), dtype=pl.Enum(["absent", "medium", "light", "heavy"]))
    assert list(terms_of(pl.DataFrame({"tier": tiers}), ["tier"])) == ["tier[T.light]", "tier[T.heavy]"]


def test_terms_are_laid_out_column_by_column(users):
    terms = parse_covariates(["tier", "visits"], users)
    x, _ = make_terms(open_frame(users, covariates=terms.columns), terms)
    assert x.flags.f_contiguous
    assert x.dtype == np.float64


def test_columns_of_floats_are_not_copied(users):
    frame = open_frame(users, outcome="done", covariates=["tenure"])
    for name in ("done", "tenure"):
        assert np.shares_memory(frame.columns[name].to_numpy(), users[name].to_numpy())
    assert np.shares_memory(frame.outcome("done"), users["done"].to_numpy())


def test_terms_take_little_more_memory_than_themselves():
    n, d = 100_000, 10
    df = pd.DataFrame(np.random.default_rng(0).normal(size=(n, d)), columns=[f"x{k}" for k in range(d)])
    tracemalloc.start()
    terms = parse_covariates(list(df), df)
    x, _ = make_terms(open_frame(df, covariates=terms.columns), terms)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.2 * x.nbytes


def test_recipe_pickles_with_its_state(users):
    terms = parse_covariates("bs(tenure, df=4) + scale(visits) + tier", users)
    x, recipe = make_terms(open_frame(users, covariates=terms.columns), terms)
    again, _ = pickle.loads(pickle.dumps(recipe)).apply(users.iloc[50:60])
    np.testing.assert_array_equal(again, x[50:60])


def test_import_leaves_slow_packages_alone():
    slow = {"formulaic", "narwhals", "matplotlib", "tqdm", "scipy"}
    code = f"import sys, propensity; print({slow} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


@pytest.mark.parametrize("library", LIBRARIES)
def test_row_results_are_of_the_callers_library(users, library):
    other = LIBRARIES[library](users.reset_index(drop=True))
    model = ps.fit_propensity(other, treatment="opted", covariates=["tier", "visits"])
    weights = ps.balancing_weights(other, treatment="opted", scores=model)
    assert type(model.scores) is type(weights) is type(model.predict(other[:5])) is type(other["done"])


def test_row_results_carry_the_callers_index(users):
    model = ps.fit_propensity(users, treatment="opted", covariates=["tier", "visits"])
    matches = ps.match_nn(users, treatment="opted", scores=model)
    effect = ps.ipw(users, outcome="done", treatment="opted", scores=model)
    for series in (model.scores, effect.weights, matches.weights):
        pd.testing.assert_index_equal(series.index, users.index)
    assert model.scores.name == "propensity"
    assert effect.weights.name == matches.weights.name == "weights"
