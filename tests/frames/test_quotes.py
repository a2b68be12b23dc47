"""Quotes in a formula: a column in quotes is a constant, and refused; a level in quotes is a level."""

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from propensity.errors import InvalidInputError

N = 150


@pytest.fixture
def df():
    rng = np.random.default_rng(6)
    columns = {
        "t": rng.integers(0, 2, N),
        "visits": rng.integers(0, 12, N),
        "age": rng.normal(40, 10, N),
        "zip": rng.integers(10, 14, N),
        "plan": rng.choice(["free", "pro", "team"], N),
    }
    return pd.DataFrame(columns)


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ('C("plan")', r"\"C\('plan'\)\" has no column in it, .* without quotes, take C\(plan\)$"),
        ("age + C('zip code')", r"columns stand without quotes, take C\(`zip code`\)$"),
        ('age:bs("visits", df=4)', r"take bs\(visits, df=4\)$"),
        ("age + log(3)", r"'log\(3\)' has no column in it, and is the same in every row; leave it out"),
        ("I(1 + 2)", "no column in it"),
        ('age + "plan"', "String literals are not valid in formulae; columns stand without quotes"),
    ],
)
@pytest.mark.parametrize("call", [ps.fit_propensity, ps.smd])
def test_column_in_quotes_is_no_column(df, library, formula, words, call):
    with pytest.raises(InvalidInputError, match=words):
        call(library(df.assign(**{"zip code": df["zip"]})), treatment="t", covariates=formula)


def test_levels_in_quotes_stay(df):
    model = ps.fit_propensity(
        df, treatment="t", covariates="I(plan == 'pro') + C(zip, contr.treatment(base=10))"
    )
    assert len(model.terms) == 5
