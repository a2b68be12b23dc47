"""Coarsened exact matching: cells, cut points, groupings, and who is left out."""

import itertools

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import propensity as ps
from propensity.errors import InvalidInputError
from propensity.matching import coarsened

QUICK = settings(max_examples=60, deadline=None)


@st.composite
def coarse_samples(draw):
    """A frame with a number, a whole number and a text, both arms in it, and some cut points."""
    size = draw(st.integers(4, 25))
    column = st.lists(st.integers(0, 6), min_size=size, max_size=size)
    treated = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    df = pd.DataFrame(
        {
            "t": [True, True, False, False, *treated[4:]],
            "a": np.array(draw(column)) / 2,
            "b": draw(column),
            "c": np.array(list("uvwxyzu"))[np.array(draw(column))],
        }
    )
    cuts = sorted(draw(st.sets(st.sampled_from([0.5, 1.0, 1.3, 2.0, 2.9]))))
    return df, cuts


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # few rows, made up
@QUICK
@given(coarse_samples(), st.integers(1, 4), st.sampled_from(["ATT", "ATC", "ATE"]))
def test_match_cem_compares_within_cells_and_nowhere_else(sample, n_bins, estimand):
    df, cuts = sample
    df = df.copy()
    df.loc[[0, 2], ["a", "b", "c"]] = [1.0, 1, "u"]  # at least one cell with both arms
    found = ps.match_cem(
        df,
        treatment="t",
        covariates=["a", "b", "c"],
        cutpoints={"a": cuts, "b": n_bins},
        grouping={"c": {"x": "y"} if (df["c"] == "x").any() else {}},
        estimand=estimand,
    )
    width = (df["b"].max() - df["b"].min()) / n_bins
    bins = [sum(b >= df["b"].min() + k * width - 1e-9 for k in range(1, n_bins)) for b in df["b"]]
    keys = [
        (sum(a >= cut for cut in cuts), b, "y" if c == "x" else c)
        for a, b, c in zip(df["a"], bins, df["c"], strict=True)
    ]
    for i, j in itertools.combinations(range(len(df)), 2):
        same = found.labels[i] == found.labels[j] > 0
        both = {bool(df["t"][k]) for k in range(len(df)) if keys[k] == keys[i]} == {True, False}
        assert same == (keys[i] == keys[j] and both)
    for row, key in enumerate(keys):
        arms = [
            sum(k == key and t == arm for k, t in zip(keys, df["t"], strict=True)) for arm in (False, True)
        ]
        focal = {"ATT": arms[1], "ATC": arms[0], "ATE": sum(arms)}[estimand]
        expected = focal / arms[int(df["t"][row])] if min(arms) else 0.0
        assert found.weights[row] == pytest.approx(expected, rel=1e-14)


def test_match_cem_numbers_subclasses_in_the_order_of_their_cells(users):
    found = ps.match_cem(users, treatment="opted", covariates=["premium", "visits"], cutpoints=[3, 6])
    cells = found.to_frame()
    assert list(cells["premium"]) == sorted(cells["premium"])
    assert [str(cell) for cell in cells["visits"][:3]] == ["[-inf, 3.0)", "[3.0, 6.0)", "[6.0, inf)"]
    by_hand = (
        users.assign(bin=np.digitize(users["visits"], [3, 6])).groupby(["premium", "bin"])["opted"].sum()
    )
    np.testing.assert_array_equal(cells["n_treated"], by_hand)


def test_match_cem_does_not_see_the_order_of_rows(users):
    def matched(df):
        return ps.match_cem(df, treatment="opted", covariates=["tier", "visits", "tenure"])

    found, again = matched(users), matched(users.sample(frac=1, random_state=2))
    pd.testing.assert_series_equal(again.subclass.loc[users.index], found.subclass)
    pd.testing.assert_series_equal(again.weights.loc[users.index], found.weights)


def test_match_cem_reads_polars(users):
    expected = ps.match_cem(users, treatment="opted", covariates=["tier", "visits"])
    found = ps.match_cem(pl.from_pandas(users), treatment="opted", covariates=["tier", "visits"])
    assert found.subclass.dtype == pl.Int64
    assert found.subclass.to_list() == [None if v is pd.NA else v for v in expected.subclass]


@pytest.mark.parametrize(("rule", "n_bins"), [("sturges", 9), ("scott", 10), ("fd", 13)])
def test_bins_are_counted_as_r_does(rule, n_bins):
    # By nclass.Sturges, nclass.scott and nclass.FD of R 4.2.2,
    # of x <- qnorm((1:200 - .5) / 200) * 3 + 1:200 %% 7 / 10.
    from scipy import stats

    row = np.arange(1, 201)
    assert coarsened._n_bins(stats.norm.ppf((row - 0.5) / 200) * 3 + row % 7 / 10, rule) == n_bins


def test_bins_too_many_to_hold_anybody_are_refused(users):
    users.loc["u0", "tenure"] = 1e12
    for cutpoints in ("fd", 10**9):
        with pytest.raises(
            InvalidInputError, match=r"of 'tenure': .* bins from .* to 1e\+12.*the cut points"
        ):
            ps.match_cem(users, treatment="opted", covariates=["tenure"], cutpoints=cutpoints)


@pytest.mark.parametrize("rule", ["sturges", "scott", "fd", 1, 7])
def test_a_constant_covariate_is_one_bin(users, rule):
    df = users.assign(same=4.0)
    alone = ps.match_cem(df, treatment="opted", covariates=["tier"])
    both = ps.match_cem(df, treatment="opted", covariates=["tier", "same"], cutpoints=rule)
    np.testing.assert_array_equal(both.labels, alone.labels)


def test_exact_keeps_every_value_apart(users):
    found = ps.match_cem(users, treatment="opted", covariates=["visits"], cutpoints="exact")
    assert (users["visits"].groupby(found.labels).nunique().drop(0, errors="ignore") == 1).all()


def test_many_covariates_do_not_overflow_the_number_of_a_cell():
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.integers(0, 100, (300, 12)), columns=list("abcdefghijkl"))
    df = pd.concat([x, x], ignore_index=True).assign(t=[True] * 300 + [False] * 300)
    found = ps.match_cem(df, treatment="t", covariates=list(x), cutpoints=100)
    np.testing.assert_array_equal(found.labels[:300], found.labels[300:])
    assert found.n_subclasses == 300


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cutpoints": {"visit": 3}}, r"cutpoints: 'visit' is none of the covariates, 'tier', 'visits'"),
        (
            {"cutpoints": {"tier": 3}},
            "cutpoints: column 'tier' is no number, and cutpoints are; grouping",
        ),
        ({"cutpoints": {"nope": "exact"}}, r"cutpoints: 'nope' is none of the covariates"),
        ({"cutpoints": {"visits": [3, 3]}}, "cutpoints of 'visits': finite numbers, ascending"),
        ({"cutpoints": {"visits": [np.nan]}}, "finite numbers, ascending"),
        ({"cutpoints": {"visits": 0}}, "cutpoints of 'visits' must be a whole number of at least 1"),
        ({"cutpoints": "stata"}, "cutpoints of 'visits' must be one of 'sturges'"),
        (
            {"grouping": {"visits": {1: 2}}},
            "grouping: column 'visits' is numeric, and grouping merges levels; cutpoints coarsen",
        ),
        ({"grouping": {"tier": {"low": "l"}}}, "grouping: column 'tier' has no level 'low'"),
        ({"covariates": "tier"}, "covariates: a list of columns is needed"),
        ({"covariates": ["tier", "tier"]}, "column 'tier' is listed 2 times"),
    ],
)
def test_match_cem_names_what_it_cannot_use(users, options, message):
    with pytest.raises(InvalidInputError, match=message):
        ps.match_cem(users, **{"treatment": "opted", "covariates": ["tier", "visits"], **options})


@pytest.mark.parametrize("objects", [False, True])
def test_cut_points_of_a_date_get_the_line_that_makes_days_of_it(users, objects):
    day = pd.Timestamp("2026-03-01") + pd.to_timedelta(np.arange(len(users)) % 20, unit="D")
    df = users.assign(day=day.date if objects else day)
    options = {"treatment": "opted", "covariates": ["day"]}
    with pytest.raises(InvalidInputError, match=r"^cutpoints: column 'day' holds dates") as told:
        ps.match_cem(df, **options, cutpoints={"day": [pd.Timestamp("2026-03-10")]})
    line = str(told.value).split("since the first: ")[1]
    exec(line, {"df": df, "pd": pd})
    assert len(ps.match_cem(df, **options, cutpoints={"day": [10]}).cells) == 2
