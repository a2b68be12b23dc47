"""Squares and products of terms: each against the product made by hand, and what is told of them."""

import itertools

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import propensity as ps
from propensity import core
from propensity.balance import products
from propensity.errors import BalanceWarning, InvalidInputError

pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning")

COVARIATES = ["year", "age", "flag", "sign", "tier"]
DESIGN = {"treatment": "t", "covariates": COVARIATES}


@pytest.fixture
def people():
    rng = np.random.default_rng(8)
    n = 900
    t = rng.random(n) < 0.4
    columns = {
        "t": t.astype(int),
        "year": 2000.0 + rng.integers(0, 20, n) + t,
        "age": rng.gamma(3, 10, n),
        "flag": (rng.random(n) < 0.3 + 0.2 * t).astype(int),
        "sign": rng.integers(-1, 2, n),
        "tier": rng.choice(["a", "b", "c"], n),
        "s": rng.integers(0, 4, n) / 2,
        "w": rng.lognormal(size=n),
    }
    return pd.DataFrame(columns)


def made_by_hand(df, weight=None):
    """Every square and product as a column, levels spelled out; none within one categorical.

    Of what terms have beyond their means over all rows, by sample weight.
    """
    terms = {name: df[name].astype(float) for name in COVARIATES[:-1]}
    terms |= {f"tier[{level}]": (df["tier"] == level).astype(float) for level in "abc"}
    origin = {name: name.partition("[")[0] for name in terms}
    binary = {name: values.isin([0, 1]).all() for name, values in terms.items()}
    weights = None if weight is None else df[weight]
    beyond = {name: values - np.average(values, weights=weights) for name, values in terms.items()}
    made = {}
    for one, other in itertools.combinations_with_replacement(terms, 2):
        if one == other and not binary[one]:
            made[f"{one}^2"] = beyond[one] ** 2
        elif origin[one] != origin[other]:
            made[f"{one}:{other}"] = beyond[one] * beyond[other]
    return pd.DataFrame(made)


@pytest.mark.parametrize("denominator", ["pooled", "treated", "control", "all"])
@pytest.mark.parametrize("weight", [None, "s"])
def test_products_have_the_smd_of_the_products_made_by_hand(people, denominator, weight):
    options = {"denominator": denominator, "sample_weight": weight}
    table = ps.balance(people, **DESIGN, weights={"weighted": "w"}, **options).table
    made = made_by_hand(people, weight)
    frame = people[["t", "s", "w"]].join(made)
    for sample, weights in (("unadjusted", None), ("weighted", "w")):
        found = pd.Series(table.attrs["products"][sample])
        call = {"treatment": "t", "covariates": list(made), "weights": weights, **options}
        expected = ps.smd(frame, **call)
        pd.testing.assert_series_equal(found[list(made)], expected, check_names=False, rtol=1e-9)
        assert set(found.index) == set(made)
    rows = ps.balance(people, **DESIGN, squares=True, interactions=True, **options).table["unadjusted", "smd"]
    found = table.attrs["products"]["unadjusted"]
    assert [found[name] for name in made] == pytest.approx(rows[list(made)].tolist(), rel=1e-9)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("tier*age", {"age^2", *(f"age:tier[{level}]:age" for level in "abc")}),
        ("tier:flag + tier + flag", set()),
        ("C(tier) + tier", set()),
        ("flag*age", {"age^2", "age:flag:age", "flag:age^2"}),
    ],
)
def test_levels_of_a_factor_are_not_multiplied_by_terms_that_hold_one(people, formula, expected):
    """Their product is 0, or the second of them."""
    table = ps.balance(people, treatment="t", covariates=formula).table
    expected = expected | ({f"tier[{level}]:age^2" for level in "abc"} if formula == "tier*age" else set())
    assert set(table.attrs["products"]["unadjusted"]) == expected
    assert ps.balance_summary(table)["n_products"].tolist() == [len(expected)]


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")
@pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning")
def test_caution_counts_products_of_no_levels_of_one_factor(people):
    people["age"] += 30 * people["t"]
    model = ps.fit_propensity(people, treatment="t", covariates="tier*age")
    effect = ps.ipw(people, outcome="sign", treatment="t", scores=model)

    told = " ".join(map(str, effect.cautions))
    assert "of 5 squares and products" in told  # of the levels that have terms of their own
    assert ":tier[b]:tier" not in told


def test_summary_tells_the_worst_and_how_many_are_past(people):
    table = ps.balance(people, **DESIGN, weights={"weighted": "w"}, scores=np.full(900, 0.4)).table
    found = ps.balance_summary(table, smd=0.03)
    made = made_by_hand(people)
    frame = people[["t", "w"]].join(made)
    for sample, weights in (("unadjusted", None), ("weighted", "w")):
        size = ps.smd(frame, treatment="t", covariates=list(made), weights=weights).abs()
        row = found.loc[sample]
        assert row["worst_product"] == size.idxmax()
        assert abs(row["worst_product_smd"]) == pytest.approx(size.max())
        assert row["n_products"] == made.shape[1]
        assert row["n_past_product"] == (size >= 0.03).sum() > 0
    again = ps.balance_summary(table, smd=1e-12).loc["unadjusted"]
    assert again["n_past_product"] > found.loc["unadjusted", "n_past_product"]


def test_a_single_binary_term_has_no_products(people):
    row = ps.balance_summary(ps.balance(people, treatment="t", covariates=["flag"]).table).loc["unadjusted"]
    assert row["worst_product"] is None
    assert np.isnan(row["worst_product_smd"])
    assert (row["n_products"], row["n_past_product"]) == (0, 0)


def test_what_a_formula_has_already_is_no_product(people):
    table = ps.balance(people, treatment="t", covariates="age*flag + I(age**2)").table
    assert list(table.attrs["products"]["unadjusted"]).count("age:flag") == 0
    assert "age^2" in table.attrs["products"]["unadjusted"]  # by another name than I(age**2)


def test_of_many_terms_those_are_multiplied_that_the_arms_differ_most_in(people, monkeypatch):
    monkeypatch.setattr(products, "MOST_TERMS", 3)
    table = ps.balance(people, **DESIGN).table
    most = table["unadjusted", "smd"].abs().nlargest(3).index
    names = table.attrs["products"]["unadjusted"]
    assert {part for name in names for part in name.removesuffix("^2").split(":")} <= set(most)
    whole = made_by_hand(people)
    kept = [n for n in whole if all(part in most for part in n.removesuffix("^2").split(":"))]
    assert sorted(names) == sorted(kept)


def test_tables_survive_a_file_and_another_library(people, tmp_path):
    table = ps.balance(pl.from_pandas(people), **DESIGN, weights={"weighted": "w"}).table
    expected = ps.balance_summary(ps.balance(people, **DESIGN, weights={"weighted": "w"}).table)
    pd.testing.assert_frame_equal(ps.balance_summary(table), expected)
    table.to_pickle(tmp_path / "table")
    pd.testing.assert_frame_equal(ps.balance_summary(pd.read_pickle(tmp_path / "table")), expected)
    pd.testing.assert_frame_equal(pd.concat([table, table]).iloc[: len(table)], table)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_products_of_any_columns_are_those_made_by_hand(data):
    n = data.draw(st.integers(4, 30))
    values = st.sampled_from([-1.0, 0.0, 1.0, 2.0, 7.5, 1e6, -3e-4])
    x = np.array(data.draw(st.lists(st.lists(values, min_size=3, max_size=3), min_size=n, max_size=n)))
    t = np.arange(n) % 2 == 0
    w = np.array(data.draw(st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=n, max_size=n)))
    pairs = list(itertools.combinations_with_replacement(range(3), 2))
    made = np.column_stack([x[:, one] * x[:, other] for one, other in pairs])
    found = core.product_smds(x, t, pairs, weights=[w])
    for sample, weights in enumerate((None, w)):
        expected = core.smd(made, t, weights=weights)
        spread = np.array([np.ptp(column) or 1.0 for column in made.T])
        rounding = 1e-13 * np.abs(made).max(axis=0) / spread
        infinite = np.isinf(expected)
        assert (np.isinf(found[:, sample]) == infinite).all()
        here, there = found[~infinite, sample], expected[~infinite]
        tolerance = (1e-8 + 1e3 * rounding[~infinite]) * (1 + np.abs(there))
        assert (np.abs(here - there) <= tolerance).all()


def test_products_are_those_of_columns_from_any_origin(people):
    weights = {"weighted": "w"}
    expected = ps.balance(people, **DESIGN, weights=weights, squares=True, interactions=True)
    moved = people.assign(age=40 * people["age"] - 3e5, year=people["year"] - 2015, flag=1 - people["flag"])
    found = ps.balance(moved, **DESIGN, weights=weights, squares=True, interactions=True)
    for sample in ("unadjusted", "weighted"):
        products = [name for name in expected.index if "^2" in name or ":" in name]
        sign = np.array([-1.0 if "flag" in name.split(":") else 1.0 for name in products])
        before, after = (table.loc[products, (sample, "smd")] for table in (expected, found))
        np.testing.assert_allclose(after, sign * before, rtol=1e-7, atol=1e-9)
        before, after = (pd.Series(table.attrs["products"][sample])[products] for table in (expected, found))
        np.testing.assert_allclose(after, sign * before, rtol=1e-7, atol=1e-9)


def test_the_smd_of_a_square_is_the_difference_of_the_arms_variances():
    rng = np.random.default_rng(3)
    age = 45 + 12 * rng.normal(size=2_000)
    t = np.arange(2_000) < 1_000
    age[t] = 2 * (age[t] - 45) + 45
    for arm in (t, ~t):  # the same mean, and twice the spread
        age[arm] += 45 - age[arm].mean()
    df = pd.DataFrame({"t": t.astype(int), "age": age})
    row = ps.balance(df, treatment="t", covariates=["age"], squares=True).loc["age^2", "unadjusted"]
    assert row["mean_treated"] == pytest.approx(age[t].var(), rel=1e-9)
    assert row["mean_control"] == pytest.approx(age[~t].var(), rel=1e-9)
    assert row["smd"] > 0.5
    assert abs(ps.smd(df, treatment="t", covariates=["age"])["age"]) < 1e-12


def test_products_of_copies_are_those_of_sample_weights(people):
    copies = people.loc[people.index.repeat((2 * people["s"]).astype(int))]
    table = ps.balance(people, **DESIGN, sample_weight="s", squares=True, interactions=True)
    spelled_out = ps.balance(copies, **DESIGN, squares=True, interactions=True)
    means = ["mean_treated", "mean_control"]
    found, expected = (one["unadjusted"][means].to_numpy() for one in (table, spelled_out))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    found, expected = (pd.Series(one.attrs["products"]["unadjusted"]) for one in (table, spelled_out))
    np.testing.assert_allclose(found, expected, rtol=5e-3, atol=5e-3)  # but for the divisor n - 1


def test_products_with_a_constant_are_zeros(people):
    columns = ["age", "same", "year"]
    df = people.assign(same=0.1)
    found = ps.balance(df, treatment="t", covariates=columns, interactions=True, squares=True)
    for name in ("same^2", "age:same", "same:year"):
        assert (found.loc[name, "unadjusted"][["mean_treated", "mean_control", "smd"]] == 0).all()
        assert found.attrs["products"]["unadjusted"][name] == 0


def test_core_refuses_pairs_of_columns_that_are_not_there():
    x, t = np.arange(12.0).reshape(6, 2), np.array([0, 1, 0, 1, 0, 1])
    with pytest.raises(InvalidInputError, match="pairs"):
        core.product_smds(x, t, [(0, 2)])
    for pairs in ([(0,)], [0, 1], [(0, -1)], "ab", None):
        with pytest.raises(InvalidInputError, match="pairs"):
            core.product_smds(x, t, pairs)
    for center in ([0.0], [0.0, np.nan], "ab"):
        with pytest.raises((InvalidInputError, TypeError), match="center"):
            core.product_smds(x, t, [(0, 1)], center=center)


# Cautions


def hidden(n=3_000, seed=2):
    """A world in which a product decides who is treated, and what comes of it."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=n), rng.normal(size=n)
    t = rng.random(n) < 1 / (1 + np.exp(-0.9 * a * b))
    return pd.DataFrame({"t": t.astype(int), "a": a, "b": b, "y": a * b + rng.normal(size=n)})


def test_weights_that_balance_terms_are_told_of_products_that_they_do_not():
    df = hidden()
    with pytest.warns(
        BalanceWarning, match=r"after balancing for the ATT .* in a:b .*moments=2, interact"
    ) as told:
        weights = ps.fit_weights(df, treatment="t", covariates=["a", "b"])
    assert weights.max_imbalance < 1e-9
    assert str(told[0].message) in weights.effect("y").se_method + repr(weights)
    both = ps.fit_weights(df, treatment="t", covariates=["a", "b"], moments=2, interactions=True)
    assert not both.cautions
    assert abs(both.effect("y").estimate) < 0.15 < abs(weights.effect("y").estimate)
    assert ps.balance_summary(both.balance()).loc["adjusted", "n_past_product"] == 0
    assert ps.balance_summary(weights.balance()).loc["adjusted", "worst_product"] == "a:b"


@pytest.mark.parametrize("origin", [(0.0, 1.0), (45.0, 12.0), (2015.0, 4.0), (98.6, 0.7)])
def test_spread_that_differs_is_told_of_from_any_origin(origin):
    mean, spread = origin
    rng = np.random.default_rng(0)
    z, b = rng.normal(size=4_000), rng.normal(size=4_000)
    t = rng.random(4_000) < 1 / (1 + np.exp(0.5 - 0.5 * z**2 - 0.5 * z * b))
    y = 2 * z**2 + 2 * z * b + t + rng.normal(size=4_000)
    df = pd.DataFrame({"age": mean + spread * z, "b": b, "t": t.astype(int), "y": y})
    options = {"treatment": "t", "covariates": ["age", "b"]}
    model = ps.fit_propensity(df, **options)
    with pytest.warns(BalanceWarning, match=r"age\^2 \+0\.49 .*age:b \+0\.44 .*2 of 3 squares"):
        effect = ps.ipw(df, outcome="y", treatment="t", scores=model)
    row = ps.balance_summary(ps.balance(df, **options, weights={"w": effect})).loc["w"]
    assert (row["worst_product"], row["n_past_product"]) == ("age^2", 2)
    with pytest.warns(BalanceWarning, match=r"age\^2"):
        ps.match_nn(df, treatment="t", scores=model)
    with pytest.warns(BalanceWarning, match=r"age\^2"):
        ps.fit_weights(df, **options, estimand="ATE")
    for penalty in (0.0, 1.0):
        richer = {"moments": 2, "interactions": True, "penalty": penalty}
        weights = ps.fit_weights(df, **options, estimand="ATE", **richer)
        assert not weights.cautions
        assert weights.effect("y").estimate == pytest.approx(1.0, abs=0.1)


def test_products_of_more_than_thirty_terms_are_looked_at_where_the_arms_differ_most():
    df = hidden()
    rng = np.random.default_rng(0)
    noise = {f"z{k}": rng.normal(size=len(df)) for k in range(40)}
    t = df["t"].to_numpy()
    df = df.assign(a=df["a"] + 0.5 * t, b=df["b"] + 0.5 * t, **noise)
    model = ps.fit_propensity(df, treatment="t", covariates=["a", "b", *noise])
    with pytest.warns(BalanceWarning, match=r"a:b .* 465|a:b .* of 4\d\d squares and products"):
        ps.ipw(df, outcome="y", treatment="t", scores=model)
