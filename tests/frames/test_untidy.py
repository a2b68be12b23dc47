"""Covariates that hardly mean what they are read as are told of; the line that is given mends them."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import propensity as ps
from propensity.errors import ColumnWarning

N = 240
ROLES = {"treatment": "t"}

pytestmark = [
    pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning"),  # few rows, made up
    pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning"),
]


def frame(**columns):
    rng = np.random.default_rng(3)
    x = rng.normal(size=N)
    return pd.DataFrame({"x": x, "t": np.arange(N) % 7 < 3, "y": x + rng.normal(size=N)} | columns)


def levels(*names):
    return np.array(names)[np.arange(N) % len(names)]


def run(line, df):
    names = {"df": df, "pl": pl, "pa": pa, "pc": pc, "pd": pd}
    exec(line, names)
    return names["df"]


CALLS = {
    "fit": lambda df, c: ps.fit_propensity(df, covariates=c, **ROLES),
    "aipw": lambda df, c: ps.aipw(df, outcome="y", covariates=c, **ROLES),
    "smd": lambda df, c: ps.smd(df, covariates=c, **ROLES),
    "match_cem": lambda df, c: ps.match_cem(df, covariates=c, **ROLES),
    "match_nn": lambda df, c: ps.match_nn(df, covariates=c, on="mahalanobis", **ROLES),
    "bootstrap": lambda df, c: ps.bootstrap(df, outcome="y", covariates=c, n_reps=2, **ROLES),
}


@pytest.mark.parametrize("call", CALLS)
def test_levels_that_differ_by_capitals_and_spaces_are_named(call, library):
    df = library(frame(plan=levels("pro", "PRO", "Pro ", "free")))
    with pytest.warns(ColumnWarning, match="column 'plan': levels that are the same but for cap") as caught:
        CALLS[call](df, ["plan", "x"])
    said = [str(w.message) for w in caught if w.category is ColumnWarning]
    assert len(said) == 1
    assert all(spelling in said[0] for spelling in ("'pro'", "'PRO'", "'Pro '"))
    assert "free" not in said[0]
    assert caught[0].filename == __file__
    mended = run(said[0].split("to make one of each: ")[1], df)
    CALLS[call](mended, ["plan", "x"])  # without a warning
    assert ps.fit_propensity(mended, covariates=["plan"], **ROLES).terms == ("Intercept", "plan[T.pro]")


def test_words_for_no_value_are_merged(library):
    df = library(frame(plan=levels("pro", "", "NaN", "n/a", "free")))
    with pytest.warns(ColumnWarning, match="column 'plan': 3 levels stand for no value, ") as caught:
        ps.fit_propensity(df, covariates="plan + x", **ROLES)
    mended = run(str(caught[0].message).split("to make one of them: ")[1], df)
    terms = ps.fit_propensity(mended, covariates=["plan"], **ROLES).terms
    assert terms == ("Intercept", "plan[T.missing]", "plan[T.pro]")


@pytest.mark.parametrize("names", [("pro", "free"), ("", "pro"), ("unknown", "none", "pro"), ("a b", "ab")])
def test_tidy_levels_are_left_alone(names, library):
    ps.fit_propensity(library(frame(plan=levels(*names))), covariates=["plan"], **ROLES)


def test_levels_that_somebody_has_chosen_are_left_alone():
    df = frame(plan=levels("pro", "PRO", "free"))
    ps.fit_propensity(df.astype({"plan": "category"}), covariates=["plan"], **ROLES)
    ps.match_cem(df, covariates=["plan"], grouping={"plan": {"PRO": "pro"}}, **ROLES)


@pytest.mark.parametrize("name", ["user_id", "id", "userId", "UUID", "account key"])
def test_whole_numbers_that_all_differ_under_an_identifiers_name_are_told(name, library):
    df = library(frame(**{name: np.random.default_rng(0).permutation(N)}))
    with pytest.warns(ColumnWarning, match=f"column '{name}': a different whole number in each of 240 rows"):
        ps.fit_propensity(df, covariates=[name, "x"], **ROLES)


@pytest.mark.parametrize("name", ["paid", "valid", "monkey", "days", "id_length"])
def test_whole_numbers_of_other_names_are_amounts(name):
    values = np.random.default_rng(0).permutation(N)
    ps.fit_propensity(frame(**{name: values}), covariates=[name], **ROLES)
    ps.fit_propensity(frame(store_id=values // 2), covariates=["store_id"], **ROLES)
