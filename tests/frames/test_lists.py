"""Lists of columns become the terms that formulaic makes of their sum, without it."""

import subprocess
import sys
from dataclasses import replace

import formulaic
import numpy as np
import pandas as pd
import pytest
from formulaic.parser.types import Factor, Term
from hypothesis import given
from hypothesis import strategies as st

from propensity.errors import InvalidInputError
from propensity.frames.columns import open_frame
from propensity.frames.terms import make_terms, parse_covariates


def sum_of(columns):
    """Put a formula together, not parsed: a column may be called 'a+b'."""
    factors = [Factor("1", eval_method="literal"), *(Factor(name, eval_method="lookup") for name in columns)]
    return formulaic.SimpleFormula([Term([factor]) for factor in factors], _ordering="none")


def both_ways(df, columns, **options):
    """Frame and recipe, as columns are and by formulaic."""
    terms = parse_covariates(columns, df)
    frame = open_frame(df, covariates=terms.columns)
    ways = [terms, replace(terms, formula=sum_of(columns))]
    made = [make_terms(frame, way, **options) for way in ways]
    return [(pd.DataFrame(x, columns=recipe.names), recipe) for x, recipe in made]


def assert_same(df, columns, **options):
    (found, recipe), (expected, other) = both_ways(df, columns, **options)
    pd.testing.assert_frame_equal(found, expected)
    assert recipe.empty == other.empty
    assert recipe.levels.keys() == other.levels.keys()
    one, two = (pd.factorize(np.array(r.origins, dtype=int))[0] for r in (recipe, other))
    np.testing.assert_array_equal(one, two)
    return recipe, other


COLUMNS = {
    "number": st.floats(-1e9, 1e9).map(lambda value: value if abs(value) > 1e-100 else 0.0),
    "whole": st.integers(-(2**62), 2**62),
    "flag": st.booleans(),
    "text": st.sampled_from(["a", "b", "T.c", "é {0}", ""]),
    "level": st.sampled_from([2, 1, 3]).map(float),
    "same": st.just("only"),
}


@given(st.data(), st.booleans())
def test_terms_as_they_are_equal_those_of_formulaic(data, all_levels):
    n = data.draw(st.integers(1, 12))
    df = pd.DataFrame(
        {name: data.draw(st.lists(own, min_size=n, max_size=n)) for name, own in COLUMNS.items()}
    )
    df["level"] = df["level"].astype("category")
    df["ordered"] = pd.Categorical(df["text"], ["b", "", "never", "a", "T.c", "é {0}"], ordered=True)
    df["interval"] = pd.cut(df["number"], [-np.inf, -1.0, 0.5, np.inf])
    columns = data.draw(st.lists(st.sampled_from(list(df)), unique=True, min_size=1))
    assert_same(df, columns, all_levels=all_levels)


@pytest.mark.parametrize("odd", ["past score", "a+b", "x:y", "0", "{field}"])
def test_terms_of_odd_names_equal_those_of_formulaic(odd):
    df = pd.DataFrame({"a": list("abcab"), odd: [0.5, 1.5, 2.0, 0.0, 1.0]})
    assert_same(df, ["a", odd])
    assert_same(df, [odd, "a"], all_levels=True)


def test_terms_are_there_where_formulaic_has_none():
    df = pd.DataFrame({"1": ["a", "__b", "__c", "a"], "x": [1.0, 2.0, 0.0, 1.0]})
    terms = parse_covariates(["1", "x"], df)
    x, recipe = make_terms(open_frame(df, covariates=terms.columns), terms, all_levels=True)
    assert recipe.names == ("1[__b]", "1[__c]", "1[a]", "x")
    np.testing.assert_array_equal(x[:, :3], [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]])


@pytest.mark.parametrize("covariates", [["a", "a[T.b]"], "a + `a[T.b]`"])
def test_terms_of_one_name_are_refused(covariates):
    df = pd.DataFrame({"a": list("abcab"), "a[T.b]": [0.5, 1.5, 2.0, 0.0, 1.0]})
    terms = parse_covariates(covariates, df)
    with pytest.raises(InvalidInputError, match=r"2 terms are called 'a\[T.b\]'"):
        make_terms(open_frame(df, covariates=terms.columns), terms)


def test_recipe_of_columns_gives_new_rows_the_terms_of_formulaic():
    df = pd.DataFrame({"a": list("abcab"), "x": [0.5, 1.5, 2.0, 0.0, 1.0], "f": [True, False] * 2 + [True]})
    for all_levels in (False, True):
        recipe, other = assert_same(df, ["a", "x", "f"], all_levels=all_levels)
        new = df.iloc[[1, 3, 4]]
        np.testing.assert_array_equal(recipe.apply(new)[0], other.apply(new)[0])
        with pytest.raises(InvalidInputError, match="levels that the model has not seen, 'z'"):
            recipe.apply(new.assign(a=["a", "z", "b"]))


def test_lists_of_columns_do_without_formulaic():
    code = (
        "import sys, propensity as ps; users = ps.datasets.opt_in_logs(n_users=500, seed=1); "
        "ps.fit_propensity(users, treatment='opt_in_agent_mode', "
        "covariates=['engagement_tier', 'query_confidence']); sys.exit('formulaic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
