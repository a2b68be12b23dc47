"""What is advised where squares and products are off: lines that run, and none that few rows cannot bear."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from propensity.errors import BalanceWarning, InfeasibleError, OverlapError

ROLES = {"outcome": "y", "treatment": "t"}
COVARIATES = ["age", "spend", "plan"]
ALL = "(age + spend + plan) ** 2 + I(age ** 2) + I(spend ** 2)"


def experiment(n_treated=60, n=3_000, seed=3):
    """A few early users, older and spending more, of 3,000; five in a hundred are on the rarest plan."""
    rng = np.random.default_rng(seed)
    age, spend = rng.normal(40, 12, n).round(), np.exp(rng.normal(3, 1, n)).round(2)
    plan = rng.choice(["free", "pro", "team"], n, p=[0.75, 0.2, 0.05])
    chance = np.exp(0.02 * (age - 40) + 0.3 * np.log(spend))
    t = np.zeros(n, dtype=int)
    t[rng.choice(n, n_treated, replace=False, p=chance / chance.sum())] = 1
    y = (rng.random(n) < 0.25 + 0.1 * t).astype(int)
    return pd.DataFrame({"age": age, "spend": spend, "plan": plan, "t": t, "y": y})


def balance_words(effect):
    return [str(one) for one in effect.cautions if isinstance(one, BalanceWarning)]


def scores(df, covariates, treatment="t"):
    return ps.fit_propensity(df, treatment=treatment, covariates=covariates)


def quietly(function, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **options)


def by_ipw(df, estimand="ATE", covariates=COVARIATES):
    return ps.ipw(df, **ROLES, scores=scores(df, covariates), estimand=estimand)


def by_aipw(df, estimand="ATE", covariates=COVARIATES):
    return ps.aipw(df, **ROLES, covariates=covariates, estimand=estimand)


@pytest.mark.parametrize("estimate", [by_ipw, by_aipw])
def test_few_treated_rows_are_sent_to_the_att_which_balances(estimate):
    df = experiment()
    with pytest.warns(BalanceWarning) as caught:
        found = estimate(df)
    (words,) = balance_words(found)
    assert str(caught[0].message) == words
    assert "the 60 treated rows are too few for squares and products as well (11 terms)" in words
    assert 'take estimand="ATT", which weighs the 2,940 control rows alone, or fewer covariates' in words
    assert "balance more" not in words
    # What would have been advised fails, and what is advised has nothing to be said of it.
    assert quietly(by_ipw, df, covariates=ALL).cautions
    assert estimate(df, "ATT").cautions == ()


def test_few_controls_are_sent_to_the_atc():
    df = experiment().assign(t=lambda df: 1 - df["t"])
    (words,) = balance_words(quietly(by_ipw, df))
    assert "the 60 control rows are too few" in words
    assert 'take estimand="ATC", which weighs the 2,940 treated rows alone' in words
    assert by_ipw(df, "ATC").cautions == ()


def test_errors_of_few_treated_rows_name_the_att_which_works():
    df = experiment()
    with pytest.raises(OverlapError, match='estimand="ATT" needs no outcome model of the treated rows'):
        by_aipw(df, covariates=ALL)
    assert by_aipw(df, "ATT", covariates=ALL).cautions == ()
    options = {"treatment": "t", "covariates": COVARIATES, "moments": 2, "interactions": True}
    with pytest.raises(InfeasibleError, match="take estimand='ATT', which weighs the controls alone"):
        ps.fit_weights(df, **options, estimand="ATE")
    assert ps.fit_weights(df, **options, estimand="ATT").effect("y").cautions == ()
    penalized = quietly(ps.fit_weights, df, **options, estimand="ATE", penalty=1.0)
    (words,) = [str(one) for one in penalized.cautions if "are balanced on the worth of" in str(one)]
    assert 'take estimand="ATT", which weighs the controls alone, or a larger penalty' in words
    assert "penalty=1.0" not in words


def curved(n=6_000, names=("x", "the z", "kind"), rare=0.3, seed=5):
    """Scores that hang on a square and a product of columns, one of which is no Python name."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, n))
    kind = rng.random(n) < rare
    t = rng.random(n) < 1 / (1 + np.exp(0.5 - 0.7 * x**2 - 0.5 * x * z - 0.3 * kind))
    columns = {names[0]: x, names[1]: z, names[2]: np.where(kind, "b", "a")}
    return pd.DataFrame(columns | {"t": t, "y": rng.normal(size=n)})


def test_with_rows_enough_the_formula_is_printed_and_balances():
    df = curved()
    with pytest.warns(BalanceWarning) as caught:
        by_ipw(df, "ATO", covariates=["x", "the z", "kind"])
    words = str(caught[0].message)
    formula = re.search(r"balance more: covariates='(.*)'$", words)[1]
    assert formula == "(x + `the z` + kind) ** 2 + I(x ** 2) + I(`the z` ** 2)"
    assert by_ipw(df, "ATO", covariates=formula).cautions == ()


def test_one_column_is_squared():
    df = curved()
    with pytest.warns(BalanceWarning, match=r"covariates='x \+ I\(x \*\* 2\)'"):
        by_ipw(df, "ATO", covariates=["x"])
    assert by_ipw(df, "ATO", covariates="x + I(x ** 2)").cautions == ()


def test_terms_of_a_formula_are_not_squared_by_name():
    with pytest.warns(BalanceWarning, match=r"of terms in the score model balance more$"):
        by_ipw(curved(), "ATO", covariates="x + I(`the z` + 1)")


def test_a_level_that_few_of_an_arm_hold_bears_no_product():
    df = curved(rare=0.0006)
    (words,) = balance_words(quietly(by_ipw, df, "ATO", covariates=["x", "the z", "kind"]))
    assert "too few for squares and products as well" in words


def test_the_att_of_few_treated_is_sent_to_weights_that_balance_products():
    rng = np.random.default_rng(8)
    n = 4_000
    x = rng.normal(size=n)
    t = np.zeros(n, dtype=int)
    chance = np.exp(1.5 * np.abs(x))
    t[rng.choice(n, 80, replace=False, p=chance / chance.sum())] = 1
    df = pd.DataFrame({"x": x, "z": rng.normal(size=n), "w": rng.normal(size=n), "t": t, "y": x})
    (words,) = balance_words(quietly(by_ipw, df, "ATT", covariates=["x", "z", "w"]))
    line = re.search(r"in a model: (ps\.fit_weights\(.*\)) balances them", words)[1]
    weights = eval(line, {"ps": ps, "df": df})
    assert weights.max_imbalance < 1e-8
    assert abs(weights.balance().smd.loc["x", "adjusted"]) < 1e-8
