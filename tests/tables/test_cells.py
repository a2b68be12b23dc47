"""Cells: counted users, against the users themselves, counted in plain Python."""

import math
import pickle
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import propensity as ps
from propensity.errors import InvalidInputError
from propensity.tables.points import Summed, is_binary, spread


def users(n=400, seed=1):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "tier": rng.choice(["b", "a", "c"], n),
            "day": rng.integers(0, 3, n),
            "t": rng.integers(0, 2, n),
            "done": rng.random(n) < 0.4,
            "minutes": np.round(rng.lognormal(size=n), 3),
        }
    )


def by_hand(df, keys, outcome):
    """Count by a dict, mean and variance by `math.fsum`: key to (n, mean, variance, low, high)."""
    cells = defaultdict(list)
    for key, y in zip(zip(*(df[name].tolist() for name in keys), strict=True), df[outcome], strict=True):
        cells[key].append(float(y))
    found = {}
    for key, values in cells.items():
        mean = math.fsum(values) / len(values)
        variance = math.fsum((y - mean) ** 2 for y in values) / len(values)
        found[key] = len(values), mean, variance, min(values), max(values)
    return found


KEYS = ("tier", "day", "t")


def cells_of(df, **options):
    return ps.collapse(df, treatment="t", covariates=["tier", "day"], outcome=["done", "minutes"], **options)


def test_cells_are_what_counting_by_hand_gives():
    df = users()
    cells = cells_of(df)
    assert cells.keys == KEYS
    assert cells.outcomes == ("done", "minutes")
    assert cells.n_users == len(df)
    for outcome in cells.outcomes:
        expected = by_hand(df, KEYS, outcome)
        assert len(cells) == cells.n_cells == len(expected)
        columns = ["frequency", *(f"{outcome}_{what}" for what in ("mean", "variance", "low", "high"))]
        for key, row in zip(
            cells.frame[[*KEYS]].itertuples(index=False), cells.frame[columns].to_numpy(), strict=True
        ):
            np.testing.assert_allclose(row, expected[tuple(key)], rtol=1e-13, atol=1e-16)


def test_cells_are_sorted_by_their_keys():
    frame = cells_of(users()).frame
    assert [*map(tuple, frame[[*KEYS]].to_numpy())] == sorted(map(tuple, frame[[*KEYS]].to_numpy()))


def test_rows_of_zeros_and_ones_are_the_users():
    df = users()
    rows = cells_of(df).rows("done")
    found = rows.groupby([*KEYS, "done"], observed=True)["frequency"].sum()
    expected = df.assign(done=df["done"].astype(float)).groupby([*KEYS, "done"]).size()
    assert found.to_dict() == expected.to_dict()
    assert rows["frequency"].dtype == np.int64
    expanded = cells_of(df).expand("done").sort_values([*KEYS, "done"], ignore_index=True)
    assert len(expanded) == len(df)
    sorted_users = df[[*KEYS, "done"]].sort_values([*KEYS, "done"], ignore_index=True)
    np.testing.assert_array_equal(expanded["done"], sorted_users["done"])


def test_rows_of_amounts_have_count_mean_and_variance_of_the_users():
    df = users()
    rows = cells_of(df).expand("minutes")
    found, expected = (table.groupby([*KEYS], observed=True)["minutes"] for table in (rows, df))
    assert found.size().to_list() == expected.size().to_list()
    np.testing.assert_allclose(found.mean(), expected.mean(), rtol=1e-13)
    np.testing.assert_allclose(found.var(ddof=0), expected.var(ddof=0), rtol=1e-12, atol=1e-15)


@given(st.lists(st.floats(-1e6, 1e6).map(lambda y: round(y, 3)), min_size=1, max_size=30))
@settings(max_examples=100, deadline=None)
def test_two_points_have_the_moments_of_any_values(values):
    y = np.array(values)
    summed = Summed(*(np.array([v]) for v in (y.mean(), y.var(), y.min(), y.max())))
    which, points, frequency = spread(np.array([len(y)]), summed)
    assert (which == 0).all()
    assert frequency.sum() == len(y)
    size = np.abs(y).max()
    assert abs(np.average(points, weights=frequency) - y.mean()) <= 1e-12 * size
    spread_of_points = np.average((points - y.mean()) ** 2, weights=frequency)
    assert abs(spread_of_points - y.var()) <= 1e-12 * size**2


def test_users_of_a_half_are_not_taken_for_zeros_and_ones():
    for values, expected in (
        ([0, 1, 1, 0], True),
        ([0, 1, 0.5, 0.5], False),
        ([0, 1, 1e-5], False),
        ([0, 2], False),
    ):
        y = np.array(values, dtype=float)
        summed = Summed(*(np.array([v]) for v in (y.mean(), y.var(), y.min(), y.max())))
        assert is_binary(np.array([len(y)]), summed) is expected


def test_two_users_are_themselves():
    df = pd.DataFrame({"x": [0, 0, 0, 0], "t": [0, 0, 1, 1], "y": [0.1, 0.7, 3.0, 3.0]})
    cells = ps.collapse(df, treatment="t", covariates=["x"], outcome="y")
    assert sorted(cells.expand()["y"]) == [0.1, 0.7, 3.0, 3.0]


def test_counts_beyond_32_bits_are_kept():
    df = pd.DataFrame({"x": [0, 0, 1, 1], "t": [0, 1, 0, 1], "y": [0, 1, 1, 0], "n": [6_000_000_000] * 4})
    cells = ps.collapse(df, treatment="t", covariates=["x"], outcome="y", frequency="n")
    assert cells.n_users == 24_000_000_000
    assert cells.rows("y")["frequency"].tolist() == [6_000_000_000] * 4
    with pytest.raises(InvalidInputError, match="a row for each of 24,000,000,000 users does not fit"):
        cells.expand()


def test_table_counted_by_values_gives_the_cells_of_its_users():
    df = users()
    counts = df.groupby([*KEYS, "done", "minutes"]).size().rename("n").reset_index()
    for found, expected in zip(
        (cells_of(counts, frequency="n").frame, cells_of(df).frame), (cells_of(df).frame,) * 2, strict=True
    ):
        pd.testing.assert_frame_equal(found, expected, rtol=1e-12)


def test_table_summed_up_in_a_query_is_taken_as_it_stands():
    df = users()
    cells = cells_of(df)
    again = ps.Cells.from_counts(
        cells.frame.sample(frac=1, random_state=3),
        treatment="t",
        covariates=["tier", "day"],
        outcome=["done", "minutes"],
    )
    pd.testing.assert_frame_equal(again.frame, cells.frame)
    pl = pytest.importorskip("polars")
    of_polars = ps.Cells.from_counts(
        pl.from_pandas(cells.frame), treatment="t", covariates=["tier", "day"], outcome=["done", "minutes"]
    )
    pd.testing.assert_frame_equal(of_polars.frame, cells.frame)


SUMMED = pd.DataFrame(
    {
        "tier": ["a", "a", "b", "b"],
        "t": [0, 1, 0, 1],
        "frequency": [3, 4, 5, 6],
        "y_mean": [1.0, 2.0, 2.0, 1.0],
        "y_variance": [0.5, 0.5, 0.5, 0.5],
        "y_low": [0.0, 0.0, 0.0, 0.0],
        "y_high": [4.0, 4.0, 4.0, 4.0],
    }
)


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        (
            "frequency",
            [3, 0, 5, 6],
            r"column 'frequency': 1 value \(row 1\) that are no whole number of users",
        ),
        (
            "frequency",
            [3, 4.5, 5, -6],
            r"column 'frequency': 2 values \(rows 1, 3\) that are no whole number",
        ),
        ("frequency", [3, None, 5, 6], r"column 'frequency': 1 value \(row 1\)"),
        (
            "t",
            [0, 1, 1, 1],
            r"2 rows \(rows .*\) have the same 'tier', 't' as another; cells are one row each",
        ),
        ("tier", ["a", "a", None, "b"], r"column 'tier': 5 missing values \(in 1 cell\); drop or impute"),
        ("y_mean", [1.0, None, 2.0, 1.0], r"column 'y_mean': 1 missing or infinite value \(row 1\)"),
        (
            "y_mean",
            [1.0, 5.0, 2.0, 1.0],
            r"column 'y_mean': 1 value \(row 1\) outside of 'y_low' to 'y_high'",
        ),
        ("y_variance", [0.5, -1.0, 0.5, 0.5], r"column 'y_variance': 1 value \(row 1\) below 0"),
        ("y_variance", [0.5, 9.0, 0.5, 0.5], r"column 'y_variance': 1 value .* \(VAR_POP\), not by one less"),
        ("y_low", [5.0, 0.0, 0.0, 0.0], r"column 'y_low': 1 value \(row 0\) above 'y_high'"),
    ],
)
def test_sums_of_nothing_are_told(column, values, said):
    with pytest.raises(InvalidInputError, match=said):
        ps.Cells.from_counts(
            SUMMED.assign(**{column: values}), treatment="t", covariates=["tier"], outcome="y"
        )


def test_roles_of_counts_are_told():
    roles = {"treatment": "t", "covariates": ["tier"], "outcome": "y"}
    with pytest.raises(TypeError, match="a data frame is needed"):
        ps.Cells.from_counts({"t": [0, 1]}, **roles)
    with pytest.raises(InvalidInputError, match="column 'n' is not in the frame"):
        ps.Cells.from_counts(SUMMED, **roles, frequency="n")
    with pytest.raises(InvalidInputError, match="the table has no rows"):
        ps.Cells.from_counts(SUMMED.head(0), **roles)
    with pytest.raises(InvalidInputError, match="covariates: 'tier' is named twice"):
        ps.Cells.from_counts(SUMMED, **(roles | {"covariates": ["tier", "tier"]}))
    dated = SUMMED.assign(tier=pd.to_datetime("2026-01-01"))
    with pytest.raises(
        TypeError, match=r"column 'tier': the type datetime64.* is none of numeric, bool, text"
    ):
        ps.Cells.from_counts(dated, **roles)


def test_several_outcomes_are_expanded_one_by_one():
    cells = cells_of(users())
    with pytest.raises(InvalidInputError, match=r"each by itself.*name one, cells.expand\('done'\)"):
        cells.expand()
    with pytest.raises(
        InvalidInputError, match="column 'tier' is not an outcome of these cells; they have 'done'"
    ):
        cells.rows("tier")
    with pytest.raises(InvalidInputError, match="column 'price' is not a column of these cells"):
        cells["price"]
    assert cells["minutes"].name == "minutes"
    assert cells["frequency"].sum() == cells.n_users
    assert list(cells.rows().columns) == [*KEYS, "frequency"]


def test_cells_are_frozen_pickle_and_show_themselves():
    cells = cells_of(users())
    lent = cells.frame
    lent["frequency"] = 0
    assert cells.n_users == 400
    with pytest.raises(AttributeError):
        cells.treatment = "other"
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(cells)).frame, cells.frame)
    pd.testing.assert_frame_equal(cells.table, cells.frame)
    first = "Cells: 400 users in 18 cells by 'tier', 'day', 't', with 'done', 'minutes' summed up"
    assert repr(cells).splitlines()[0] == first
    assert repr(cells).splitlines()[-1] == "Note: 8 more cells are in `frame`"
    assert "<table>" in cells._repr_html_()


def test_column_called_note_is_a_key():
    df = users().rename(columns={"tier": "note"})
    assert "note" in repr(ps.collapse(df, treatment="t", covariates=["note"]))
