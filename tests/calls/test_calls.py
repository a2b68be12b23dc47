"""Columns given by position, as other packages take them, are answered with the form of the call."""

import inspect
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import propensity as ps
from answers import N, opted_rows, said

# What is told of so few rows is not looked at here, but for where it points.
pytestmark = [
    pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning"),
    pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning"),
]


@pytest.fixture
def df():
    return opted_rows()


def follow(message, df):
    """Make the call that a message shows."""
    return eval(message.split("by name: ")[1].split("; all columns")[0], {"ps": ps, "df": df})


TAKING_A_TABLE = [
    *(ps.fit_propensity, ps.balancing_weights, ps.ipw, ps.aipw, ps.ipwra, ps.regression_adjustment),
    *(ps.fit_weights, ps.estimate, ps.bootstrap, ps.match_nn, ps.match_full, ps.match_cem, ps.subclassify),
    *(ps.smd, ps.balance, ps.overlap, ps.trim, ps.robustness_value, ps.placebo),
    ps.sensitivity_bounds,
]


@pytest.mark.parametrize("function", TAKING_A_TABLE, ids=lambda f: f.__name__)
def test_every_function_of_a_table_shows_its_form(df, function):
    answer = said(function, df, "t", "x")
    name = function.__name__
    assert f"{name} takes the table by position, and everything else by name: ps.{name}(df, " in answer
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
            assert f"{parameter.name}=" in answer
    assert "positional argument" not in answer


def test_treatment_and_list_are_recognised_in_any_order(df):
    expected = ps.fit_propensity(df, treatment="t", covariates=["x", "z"])
    for args in (("t", ["x", "z"]), (["x", "z"], "t"), ("t", pd.Index(["x", "z"]))):
        answer = said(ps.fit_propensity, df, *args)
        np.testing.assert_array_equal(follow(answer, df).scores, expected.scores)


def test_formula_of_two_sides_is_taken_apart(df):
    answer = said(ps.fit_propensity, df, "t ~ x + z")
    assert "treatment='t', covariates='x + z'" in answer
    np.testing.assert_array_equal(
        follow(answer, df).scores, ps.fit_propensity(df, treatment="t", covariates="x + z").scores
    )


def test_what_was_given_by_name_is_kept(df):
    answer = said(ps.ipw, df, "y", treatment="t", scores="e", estimand="ATT")
    found, expected = follow(answer, df), ps.ipw(df, outcome="y", treatment="t", scores="e", estimand="ATT")
    assert found.estimate == expected.estimate


def test_names_that_may_be_either_are_not_guessed(df):
    df["y"] = df["x"] > 0
    answer = said(ps.ipw, df, "t", "y")
    assert "ps.ipw(df, outcome=..., treatment=..., scores=model); say which of them are 't' and 'y'" in answer
    answer = said(ps.estimate, df, "y")
    assert "outcome=..., treatment=..., covariates=[...]); say which of them is 'y'" in answer
    assert "completed" not in answer
    assert "opted_in" not in answer


@pytest.mark.parametrize("library", [lambda df: df, pl.from_pandas, pa.Table.from_pandas])
def test_one_column_of_two_values_is_the_treatment(df, library):
    table = library(df)
    for names in (("t", "y"), ("y", "t")):
        answer = said(ps.bootstrap, table, *names, ["x"])
        assert "ps.bootstrap(df, outcome='y', treatment='t', covariates=['x'])" in answer


@pytest.mark.parametrize("values", [lambda df: df["t"], lambda df: df["t"].to_numpy()])
def test_matrix_and_response_are_told_to_be_one_table(df, values):
    answer = said(ps.fit_propensity, df[["x", "z"]], values(df))
    assert "all columns are in one table, as in df = X.assign(opted_in=y)" in answer
    answer = said(ps.fit_propensity, df[["x", "z"]].to_numpy(), values(df))
    assert "all columns are in one table" in answer


@pytest.mark.parametrize("function", TAKING_A_TABLE, ids=lambda f: f.__name__)
def test_functions_look_as_they_are_written(function):
    assert function.__doc__
    first, *others = inspect.signature(function).parameters.values()
    assert first.name == "df"
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in others)


def test_warnings_point_at_the_caller(df):
    rare = df.assign(again=df["x"], level=["rare"] * 2 + ["often"] * (N - 2)).assign(
        t=lambda d: d["t"].where(d["level"] == "often", 1)
    )
    calls = [
        lambda: ps.fit_propensity(rare, treatment="t", covariates=["x", "again"]),
        lambda: ps.fit_propensity(rare, treatment="t", covariates=["x", "level"]),
        lambda: ps.ipw(rare.head(40), outcome="y", treatment="t", scores="e"),
        lambda: ps.aipw(rare.head(60), outcome="y", treatment="t", covariates=["x", "again"]),
        lambda: ps.match_nn(rare, treatment="t", scores="e", replace=False),
        lambda: ps.balancing_weights(rare.assign(e=rare["e"] ** 9 / 2), treatment="t", scores="e"),
    ]
    for call in calls:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call()
        assert caught
        assert {warning.filename for warning in caught} == {__file__}


def test_estimand_by_position_is_no_treatment(df):
    model = ps.fit_propensity(df, treatment="t", covariates=["x"])
    answer = said(ps.balancing_weights, model.scores, "ATT")
    assert "ps.balancing_weights(df, treatment='opted_in', scores=model, estimand='ATT')" in answer
    answer = said(ps.balancing_weights, df, "att", "t", scores="e")
    found = follow(answer, df)
    expected = ps.balancing_weights(df, treatment="t", scores="e", estimand="ATT")
    np.testing.assert_array_equal(found, expected)


def test_arrays_are_told_of_the_functions_that_take_them(df):
    x, t = df[["x"]].to_numpy(), df["t"].to_numpy()
    assert said(ps.fit_propensity, x, t).endswith("for arrays there is propensity.core.fit_propensity")
    for values in (x, df["x"]):
        answer = said(ps.fit_propensity, values, treatment="t", covariates=["x"])
        assert "the functions of propensity.core take arrays" in answer
