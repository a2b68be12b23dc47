"""Formulas: numbers are numbers in them, columns what they are called, and nothing is left out in silence.

What a formula stands for is made by hand, in plain NumPy.
"""

import pickle

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from propensity.errors import InvalidInputError
from propensity.frames.columns import open_frame
from propensity.frames.terms import make_terms, parse_covariates

N = 150


@pytest.fixture
def df():
    rng = np.random.default_rng(6)
    columns = {
        "t": rng.integers(0, 2, N),
        "micros": rng.integers(1, 9 * 10**9, N),  # squares beyond int64
        "visits": rng.integers(0, 12, N),
        "small": rng.integers(-9, 9, N).astype("int8"),
        "age": rng.normal(40, 10, N),
        "b": rng.random(N) < 0.5,
        "c": rng.random(N) < 0.5,
        "zip": rng.integers(10, 14, N),
        "plan": rng.choice(["free", "pro", "team"], N),
    }
    return pd.DataFrame(columns)


def terms_of(df, formula):
    terms = parse_covariates(formula, df)
    x, recipe = make_terms(open_frame(df, covariates=terms.columns), terms)
    return pd.DataFrame(x, columns=recipe.names)


def numbers(df):
    return {name: df[name].to_numpy().astype(float) for name in df if name != "plan"}


# Numbers

BY_HAND = {
    "I(micros**2)": lambda v: v["micros"] ** 2,
    "I(micros * micros)": lambda v: v["micros"] ** 2,
    "np.square(micros)": lambda v: v["micros"] ** 2,
    "np.power(micros, 2)": lambda v: v["micros"] ** 2,
    "I(micros.pow(2))": lambda v: v["micros"] ** 2,
    "I(micros.mul(micros))": lambda v: v["micros"] ** 2,
    "I(micros**2 / 1e9 - micros)": lambda v: v["micros"] ** 2 / 1e9 - v["micros"],
    "I(micros + micros * visits**9)": lambda v: v["micros"] + v["micros"] * v["visits"] ** 9,
    "I(-micros**3)": lambda v: -(v["micros"] ** 3),
    "I(small * 100)": lambda v: v["small"] * 100,
    "I(small + 100)": lambda v: v["small"] + 100,
    "I(-small)": lambda v: -v["small"],
    "I(2**visits)": lambda v: 2.0 ** v["visits"],
    "I((visits - 20) ** 2)": lambda v: (v["visits"] - 20) ** 2,
    "I(visits // 5)": lambda v: v["visits"] // 5,
    "I(visits % 5)": lambda v: v["visits"] % 5,
    "I(b + c)": lambda v: v["b"] + v["c"],
    "I(b - c)": lambda v: v["b"] - v["c"],
    "I(-b)": lambda v: -v["b"],
    "I(b * c)": lambda v: v["b"] * v["c"],
    "I(b**2)": lambda v: v["b"],
    "I(b.add(c))": lambda v: v["b"] + v["c"],
    "np.add(b, c)": lambda v: v["b"] + v["c"],
    "np.maximum(b, c)": lambda v: np.maximum(v["b"], v["c"]),
    "I(b + c + (age > 40))": lambda v: v["b"] + v["c"] + (v["age"] > 40),
    "I((age > 40) + (visits > 3))": lambda v: (v["age"] > 40).astype(float) + (v["visits"] > 3),
    "I(sum([b, c, b]))": lambda v: 2 * v["b"] + v["c"],
    "I(b & c)": lambda v: v["b"] * v["c"],
    "I(b | c)": lambda v: np.maximum(v["b"], v["c"]),
    "I(b ^ c)": lambda v: v["b"] != v["c"],
    "I(~b)": lambda v: 1 - v["b"],
    "np.where(b, visits, 0)": lambda v: v["b"] * v["visits"],
    "np.logical_and(b, c)": lambda v: v["b"] * v["c"],
    "I((visits > 3) & (age > 40))": lambda v: (v["visits"] > 3) & (v["age"] > 40),
    "I(visits == 3)": lambda v: v["visits"] == 3,
    "I(zip.isin([10, 12]))": lambda v: np.isin(v["zip"], [10, 12]),
    "I(visits.clip(2, 5))": lambda v: v["visits"].clip(2, 5),
    "log(visits + 1)": lambda v: np.log(v["visits"] + 1),
    "np.log1p(micros)": lambda v: np.log1p(v["micros"]),
    "micros:visits": lambda v: v["micros"] * v["visits"],
    "micros:micros2": lambda v: v["micros"] ** 2,
    "b:c": lambda v: v["b"] * v["c"],
    "b:visits": lambda v: v["b"] * v["visits"],
    "I(visits > 3):micros": lambda v: (v["visits"] > 3) * v["micros"],
}


@pytest.mark.parametrize("formula", BY_HAND)
def test_formula_is_in_real_arithmetic(df, formula, library):
    given = library(df.assign(micros2=df["micros"]))
    found = terms_of(given, formula)
    assert found.shape == (N, 1)
    np.testing.assert_allclose(
        found.iloc[:, 0], np.asarray(BY_HAND[formula](numbers(df)), dtype=float), rtol=1e-12
    )


@pytest.mark.parametrize(
    "formula", ["poly(micros, 2, raw=True)", "micros * visits", "(micros + visits + zip)**2"]
)
def test_products_of_whole_numbers_are_those_of_floats(df, formula, library):
    floats = df.astype(dict.fromkeys(("micros", "visits", "zip"), float))
    found, expected = terms_of(library(df), formula), terms_of(floats, formula)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-12)
    assert (found.to_numpy() >= 0).all()


def test_levels_of_numbers_keep_their_names(df, library):
    assert list(terms_of(library(df), "C(zip) + C(b) + plan")) == [
        *("C(zip)[T.11]", "C(zip)[T.12]", "C(zip)[T.13]"),
        *("C(b)[T.True]", "plan[T.pro]", "plan[T.team]"),
    ]
    sums = terms_of(library(df), "C(b + c)")
    assert sums.to_numpy().sum(axis=0).tolist() == [(df["b"] ^ df["c"]).sum(), (df["b"] & df["c"]).sum()]


def test_effect_of_a_square_of_large_numbers_is_that_of_the_scaled_column(df):
    df = df.assign(millions=df["micros"] / 1e6, y=df["age"])
    effects = []
    for column in ("micros", "millions"):
        model = ps.fit_propensity(df, treatment="t", covariates=f"{column} + I({column}**2)")
        effects.append(ps.ipw(df, outcome="y", treatment="t", scores=model).estimate)
    assert effects[0] == pytest.approx(effects[1], rel=1e-6)


# Names


def test_column_called_one_is_not_the_intercept(df):
    wide = df.rename(columns={"visits": "1", "zip": "0", "small": "2"})
    for formula in ("`0` + `1` + `2`", "`1`", "`0` + `1`:`2`", "age + `1`"):
        with pytest.raises(InvalidInputError, match="the column '1' cannot be told from the intercept"):
            ps.fit_propensity(wide, treatment="t", covariates=formula)
    np.testing.assert_array_equal(terms_of(wide, "`0` + `2`"), wide[["0", "2"]].astype(float))
    np.testing.assert_array_equal(
        terms_of(wide, "I(`1` + `0`)")["I(`1` + `0`)"], (wide["1"] + wide["0"]).astype(float)
    )
    model = ps.fit_propensity(wide, treatment="t", covariates=["0", "1", "2"])
    assert model.terms == ("Intercept", "0", "1", "2")


def test_column_without_a_name_is_not_lost(df):
    nameless = df.rename(columns={"visits": ""})
    with pytest.raises(InvalidInputError, match="a column without a name cannot stand in a formula"):
        ps.fit_propensity(nameless, treatment="t", covariates="`` + age")
    assert ps.fit_propensity(nameless, treatment="t", covariates=["", "age"]).terms == (
        "Intercept",
        "",
        "age",
    )


def test_column_called_as_an_expression_is_not_taken_for_it(df):
    odd = df.assign(**{"log(age)": df["visits"]})
    with pytest.raises(InvalidInputError, match=r"'log\(age\)' cannot be told from an expression"):
        ps.fit_propensity(odd, treatment="t", covariates="`log(age)` + log(age)")
    np.testing.assert_array_equal(terms_of(odd, "`log(age)`")["log(age)"], df["visits"].astype(float))


@pytest.mark.parametrize(
    "name", ["log", "np", "center", "C", "I", "type", "max", "scores", "logit", "x y", "a:b", "Ä"]
)
def test_columns_are_what_they_are_called(df, name):
    named = df.rename(columns={"visits": name})
    found = terms_of(named, f"`{name}` + age")
    np.testing.assert_array_equal(found[name], df["visits"].astype(float))


# Squares, and what else is nothing

NOTHING = {
    "age + age**2": "I(age**2)",
    "age^2": "I(age**2)",
    "age ** 3 + visits": "I(age**3)",
    "age**0.5": "I(age**0.5)",
    "`my age`**2": "I(my age**2)",
    "log(age)**2": "I(log(age)**2)",
    "(age)**2": "I(age**2)",
    "(age:visits)**2": "I(age:visits**2)",
    "age*age": "I(age**2)",
    "age:age": "I(age**2)",
    "age*visits*age": "I(age**2)",
    "age - visits": "I(age - visits)",
    "age - age.mean()": "I(age - age.mean())",
    "age + visits - zip": "I(age - zip)",
    "-age + visits": "takes away a term that is not there",
    "age / visits": "I(age / visits)",
}


@pytest.mark.parametrize("formula", NOTHING)
@pytest.mark.parametrize("call", [ps.fit_propensity, ps.smd, ps.balance])
def test_operator_that_does_nothing_is_refused_with_what_was_meant(df, formula, call):
    df = df.assign(**{"my age": df["age"]})
    with pytest.raises(InvalidInputError) as caught:
        call(df, treatment="t", covariates=formula)
    assert NOTHING[formula] in str(caught.value)


def test_all_columns_are_a_list_without_the_treatment_and_the_outcome(df, library):
    held = library(df.assign(y=np.arange(len(df)) % 7))
    roles = {"outcome": "y", "treatment": "t"}
    with pytest.raises(InvalidInputError, match=r"; all but some are the list \[name for") as told:
        ps.aipw(held, **roles, covariates=".")
    names = {"df": held}
    exec("found = " + str(told.value).split("are the list ")[1], names)
    assert names["found"] == [name for name in df.columns if name not in ("t", "y")]
    with pytest.raises(InvalidInputError, match=r"if name not in \('t', '<the outcome>'\)\]$"):
        ps.fit_propensity(held, treatment="t", covariates=".")


@pytest.mark.parametrize(
    ("formula", "meant"),
    [
        ("-age", "- age takes away a term that is not there; leave it out"),
        ("zip + visits - age", "a difference of values is I(zip - age)"),
    ],
)
def test_term_that_is_not_there_is_not_taken_from_itself(df, formula, meant):
    with pytest.raises(InvalidInputError) as told:
        ps.fit_propensity(df, treatment="t", covariates=formula)
    assert str(told.value).endswith(meant)


def test_power_of_a_category_is_left_out(df):
    with pytest.raises(InvalidInputError, match=r"which is C\(zip\); leave it out"):
        ps.fit_propensity(df, treatment="t", covariates="C(zip)**2")


INTERACTIONS = {
    "(age + visits)**2": ["age", "visits", "age:visits"],
    "(age + visits + zip)^2": ["age", "visits", "zip", "age:visits", "age:zip", "visits:zip"],
    "age*visits": ["age", "visits", "age:visits"],
    "age*visits - age:visits": ["age", "visits"],
    "age + I(age**2)": ["age", "I(age ** 2)"],
    "age + visits - visits": ["age"],
    "(age + visits):(age + zip)": None,
    "age + age": ["age"],
}


@pytest.mark.parametrize("formula", INTERACTIONS)
def test_interactions_stay(df, formula):
    found = terms_of(df, formula)
    if INTERACTIONS[formula] is not None:
        assert list(found) == INTERACTIONS[formula]


@pytest.mark.parametrize("formula", ["I(age^2)", "I(visits^2)", "age + log(visits^3)", "I(age ^ visits)"])
def test_exclusive_or_is_no_power(df, formula):
    with pytest.raises(InvalidInputError, match=r"exclusive or; a power is written \*\*"):
        ps.fit_propensity(df, treatment="t", covariates=formula)


OTHER_NAMES = {
    "factor(zip)": "C(x)",
    "as.factor(zip)": "C(x)",
    "ns(age, 3)": "bs(x, df=4)",
    "s(age)": "bs(x, df=4)",
    "rcs(age, 4)": "bs(x, df=4)",
    "log1p(visits)": "np.log1p(x)",
    "sqrt(visits)": "np.sqrt(x)",
    "ifelse(b, 1, 0)": "np.where",
    "cut(age, 3)": "np.digitize",
    "pd.cut(age, 3)": "np.digitize",
    "zscore(age)": "scale(x)",
    "ln(visits)": "log(x)",
    "my_function(age)": "make a column",
    "math.log(age)": "NumPy's is np.log(x)",
}


@pytest.mark.parametrize("formula", OTHER_NAMES)
def test_functions_of_other_names_are_told_by_theirs(df, formula):
    with pytest.raises(InvalidInputError) as caught:
        ps.fit_propensity(df, treatment="t", covariates=f"visits + {formula}")
    assert OTHER_NAMES[formula] in str(caught.value)
    assert "NameError" not in str(caught.value)


@pytest.mark.parametrize(
    "formula", ["age > 40", "visits // 2", "visits % 2", "age * 2", "visits == 3", "(age + visits)**0.5"]
)
def test_arithmetic_outside_brackets_is_told_where_it_stands(df, formula):
    with pytest.raises(InvalidInputError, match=r"arithmetic and comparisons stand in I\(...\)"):
        ps.fit_propensity(df, treatment="t", covariates=formula)


WORKING = [
    *("log(age)", "log2(age)", "log10(age)", "exp(age / 50)", "np.log1p(visits)", "np.sqrt(visits)"),
    *("np.where(age > 40, 1, 0)", "I(age**2)", "I(age > 40)", "center(age)", "scale(age)", "poly(age, 2)"),
    *("bs(age, df=4)", "cr(age, df=4, constraints='center')", "C(zip)"),
    *("cc(age, df=4, constraints='center')", "C(plan, contr.sum)"),
    *("C(plan, contr.treatment(base='pro'))", "C(np.digitize(age, [30, 50]))"),
]


@pytest.mark.parametrize("formula", WORKING)
def test_documented_transforms_work_and_predict_row_by_row(df, formula):
    assert formula.split("(")[0] in ps.fit_propensity.__doc__
    model = ps.fit_propensity(df, treatment="t", covariates=formula)
    few = df.iloc[[3, 140, 7]]
    np.testing.assert_allclose(model.predict(few), model.scores.iloc[[3, 140, 7]], rtol=1e-12)


# New rows

MOVING = [
    "I(age - age.mean()) + I((age - age.mean())**2)",
    "age + I(age > age.median())",
    "I(age.rank())",
    "I(age - np.mean(age))",
    "I(visits - visits.min())",
    "I(b - b.min() + age)",
    "I(visits / visits.max())",
    "I(age.shift(-1).fillna(0))",
    "I(visits.cumsum())",
    "I(visits.groupby(plan, observed=True).transform('mean'))",
    "I(plan.map(plan.value_counts()).astype(float))",
    "I(age.quantile(0.9) - age)",
    "I(np.percentile(age, 50) - age)",
    "I((age - age.mean()) / age.std())",
    "center(age - age.mean()) + visits:I(age - age.max())",
    "I(len(age) * age)",
    "I(sum(age) - age)",
    "I(max(age) - age)",
    "I(sorted(age))",
    "I(age / age.size)",
    "I(age - age[0])",
    "I(age * (age @ age))",
    "C(age > age.mean())",
    "np.maximum.accumulate(age)",
]


@pytest.mark.parametrize("formula", MOVING)
def test_values_that_hang_on_other_rows_are_fitted_but_not_predicted(df, formula, library):
    df = df.assign(b=np.arange(N) % 50 > 0)
    model = ps.fit_propensity(library(df), treatment="t", covariates=formula)
    with pytest.raises(InvalidInputError, match=r"hang on the other rows .*center\(x\)"):
        model.predict(library(df.head(6)))
    with pytest.raises(InvalidInputError, match="hang on the other rows"):
        pickle.loads(pickle.dumps(model)).predict(library(df.head(6)))
    effect = ps.ipw(library(df.assign(y=df["age"] + df["visits"])), outcome="y", treatment="t", scores=model)
    assert np.isfinite(effect.std_error)


STEADY = [
    "center(age) + I(center(age)**2)",
    "scale(age)",
    "poly(age, 3)",
    "bs(age, df=5):b",
    "cr(age, df=4, constraints='center')",
    "I(age.clip(20, 60)) + I(visits.isin([1, 2]))",
    "I(plan.str.len()) + I(plan.map({'free': 0, 'pro': 1, 'team': 3}).astype(float))",
    "np.interp(age, [0, 40, 99], [0, 1, 5])",
    "np.round(age) + I(age.round(1))",
    "C(zip):age + np.maximum(age, 40)",
    "I((age > 40).astype(int)) + I(abs(age - 40))",
    "I(age.where(age < 60, 60))",
]


@pytest.mark.parametrize("formula", STEADY)
def test_values_of_their_own_row_are_predicted(df, formula):
    model = ps.fit_propensity(df, treatment="t", covariates=formula)
    for rows in ([5], [0, 149], list(range(60))):
        np.testing.assert_allclose(model.predict(df.iloc[rows]), model.scores.iloc[rows], rtol=1e-11)


def test_no_formula_is_made_twice_without_a_reason(df, monkeypatch):
    made = []
    from propensity.frames import formulas

    whole = formulas.materialize
    monkeypatch.setattr(formulas, "materialize", lambda *given: made.append(1) or whole(*given))
    ps.fit_propensity(
        df, treatment="t", covariates="bs(age, df=4) + C(zip) * plan + log(age) + np.log1p(visits) + I(b + c)"
    )
    assert len(made) == 1


def test_level_that_a_model_has_not_seen_names_its_column(df, library):
    model = ps.fit_propensity(library(df), treatment="t", covariates="C(zip) + age")
    with pytest.raises(
        InvalidInputError, match=r"column 'zip': 2 values \(rows 0, 1\) at levels .* 9; it knows 10, 11"
    ):
        model.predict(library(df.head(2).assign(zip=9)))
    odd = ps.fit_propensity(library(df), treatment="t", covariates="C(zip // 2) + age")
    with pytest.raises(InvalidInputError, match="levels that the model has not seen") as caught:
        odd.predict(library(df.head(2).assign(zip=99)))
    assert "nan" not in str(caught.value)
