"""Every engine gives the same cells, and says the same of bad input."""

import decimal

import engines
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from engines import ENGINES, LAZY

import propensity as ps
from propensity.errors import InvalidInputError
from propensity.tables.engine import is_lazy

ROLES = {"treatment": "t", "covariates": ["tier", "pro", "price", "day"], "outcome": ["done", "minutes"]}


@pytest.fixture(params=ENGINES)
def engine(request):
    return ENGINES[request.param]


@pytest.fixture(params=LAZY)
def lazy(request):
    return LAZY[request.param]


def users(n=3_000, seed=4):
    rng = np.random.default_rng(seed)
    prices = [decimal.Decimal("9.99"), decimal.Decimal("19.90"), decimal.Decimal("0.00")]
    return pd.DataFrame(
        {
            "tier": rng.choice(["light", "heavy", "Heavy"], n),
            "pro": rng.random(n) < 0.5,
            "price": [prices[k] for k in rng.integers(0, 3, n)],
            "day": rng.integers(1, 4, n),
            "t": rng.integers(0, 2, n),
            "done": rng.random(n) < 0.4,
            "minutes": rng.lognormal(size=n),
            "f x": rng.integers(0, 2, n),
            "team": rng.integers(0, 60, n),
        }
    )


def test_cells_are_the_same_on_every_engine(engine):
    df = users()
    found = ps.collapse(engine(df), **ROLES)
    expected = ps.collapse(df, **ROLES)
    assert found.keys == expected.keys == ("tier", "pro", "price", "day", "t")
    assert found.n_users == len(df)
    for name in ("tier", "pro", "day", "t", "frequency", "done_low", "minutes_high"):
        np.testing.assert_array_equal(found.frame[name].astype(object), expected.frame[name].astype(object))
    np.testing.assert_allclose(
        found.frame["price"], expected.frame["price"], rtol=1e-15
    )  # a cast of decimals
    sums = [name for name in found.frame if name not in found.keys]
    np.testing.assert_allclose(found.frame[sums], expected.frame[sums], rtol=1e-11, atol=1e-14)
    kinds = {"tier": "category", "pro": "bool", "price": "float64", "day": "int64", "frequency": "int64"}
    assert {name: str(found.frame[name].dtype) for name in kinds} == kinds


def test_zeros_and_ones_are_the_users_on_every_engine(engine):
    df = users()
    rows = ps.collapse(engine(df), **ROLES).rows("done")
    found = rows.groupby("done")["frequency"].sum()
    assert found.to_dict() == {0.0: int((~df["done"]).sum()), 1.0: int(df["done"].sum())}


def test_formula_names_its_columns_and_others_may_be_kept(engine):
    df = users()
    cells = ps.collapse(
        engine(df),
        treatment="t",
        covariates="tier + I(day**2) + tier:day",
        outcome="done",
        also=["team", "tier"],
    )
    assert cells.keys == ("tier", "day", "team", "t")
    assert cells.n_users == len(df)


def test_names_with_spaces_are_columns(engine):
    df = users()
    cells = ps.collapse(engine(df), treatment="t", covariates=["f x"], outcome="minutes")
    expected = df.groupby(["f x", "t"])["minutes"].mean()
    np.testing.assert_allclose(cells.frame["minutes_mean"], expected, rtol=1e-12)


def test_counted_table_stands_for_its_users(engine):
    df = users().astype({"price": float})
    counts = df.groupby([*ROLES["covariates"], "t", "done"]).size().rename("n").reset_index()
    found = ps.collapse(engine(counts), **(ROLES | {"outcome": "done"}), frequency="n")
    pd.testing.assert_frame_equal(
        found.frame, ps.collapse(df, **(ROLES | {"outcome": "done"})).frame, rtol=1e-12
    )
    for wrong, how in ((0, 1), (-1, 1), (None, 1), (1.5, 1)):
        bad = counts.astype({"n": float}).assign(n=lambda d, wrong=wrong: d["n"].where(d.index > 0, wrong))
        with pytest.raises(InvalidInputError, match="column 'n': 1 "):
            ps.collapse(engine(bad), **(ROLES | {"outcome": "done"}), frequency="n")
        assert how == 1


def test_effects_of_no_outcome_are_counts_alone(engine):
    cells = ps.collapse(engine(users()), treatment="t", covariates=["tier"])
    assert list(cells.frame) == ["tier", "t", "frequency"]


# Bad input


def with_missing(name, n, value=None):
    df = users()
    df[name] = df[name].astype(object if name in ("tier", "pro") else float)
    df.loc[: n - 1, name] = value
    return df


@pytest.mark.parametrize("name", ["tier", "pro", "day"])
def test_missing_keys_are_told(engine, name):
    with pytest.raises(InvalidInputError, match=f"column '{name}': 3 missing values .*drop"):
        ps.collapse(engine(with_missing(name, 3)), **ROLES)


def test_nan_keys_are_told(lazy):
    table = engines.arrow(users().drop(columns="day"))
    day = pa.array([float("nan"), float("nan"), *([1.0] * (len(table) - 2))])
    df = table.append_column("day", day)
    with pytest.raises(InvalidInputError, match="column 'day': 2 missing values"):
        ps.collapse(lazy(Arrow(df)), **ROLES)


class Arrow:
    """A table of Arrow that goes to an engine as it is, NaN beside null."""

    def __init__(self, table):
        self.arrow = table


def test_missing_outcomes_are_told_all_at_once(lazy):
    table = engines.arrow(users().drop(columns=["minutes", "done"]))
    n = len(table)
    minutes = pa.array([None, float("nan"), float("inf"), float("-inf"), *([1.0] * (n - 4))])
    done = pa.array([None, None, *([True] * (n - 2))])
    bad = table.append_column("minutes", minutes).append_column("done", done)
    with pytest.raises(InvalidInputError) as caught:
        ps.collapse(lazy(Arrow(bad)), **ROLES)
    said = str(caught.value)
    assert said.startswith("drop or impute these first")
    for words in ("'done': 2 missing values", "'minutes': 2 missing values", "'minutes': 2 infinite values"):
        assert words in said


@pytest.mark.parametrize(("value", "what"), [(np.nan, "missing"), (np.inf, "infinite")])
def test_one_bad_outcome_is_told(engine, value, what):
    with pytest.raises(InvalidInputError, match=f"column 'minutes': 2 {what} values.*; drop or impute"):
        ps.collapse(engine(with_missing("minutes", 2, value)), **ROLES)


@pytest.mark.parametrize("role", ["covariates", "treatment", "outcome", "also"])
def test_wrong_case_is_told(engine, role):
    given = ROLES | {"also": ["team"]}
    name = given[role] if isinstance(given[role], str) else given[role][0]
    wrong = name.upper() if isinstance(given[role], str) else [name.upper(), *given[role][1:]]
    with pytest.raises(
        InvalidInputError, match=f"column '{name.upper()}' is not in .*; did you mean '{name}'"
    ):
        ps.collapse(engine(users()), **(given | {role: wrong}))


def test_dates_are_told(engine):
    df = users().assign(since=pd.Timestamp("2026-01-01").as_unit("us"))
    with pytest.raises(
        TypeError, match=r"column 'since': the type .* is none of numeric, bool, text and categ"
    ):
        ps.collapse(engine(df), treatment="t", covariates=["since"])


def test_text_is_no_outcome(engine):
    with pytest.raises(TypeError, match="column 'tier': an outcome must be numeric or bool, not"):
        ps.collapse(engine(users()), treatment="t", covariates=["day"], outcome="tier")


def test_empty_tables_are_told(lazy):
    with pytest.raises(InvalidInputError, match="the table has no rows"):
        ps.collapse(lazy(users().head(0).astype({"price": float, "pro": bool, "tier": "string"})), **ROLES)


def test_too_many_cells_say_which_column_has_many_values(engine):
    df = users().assign(user=np.arange(3_000))
    with pytest.raises(InvalidInputError, match=r"more than 500 cells; .*'user' 501, .*ps.estimate\(table"):
        ps.collapse(engine(df), treatment="t", covariates=["user", "tier"], max_cells=500)
    assert ps.collapse(engine(df), treatment="t", covariates=["tier"], max_cells=6).n_cells == 6
    with pytest.raises(InvalidInputError, match="max_cells must be a whole number of at least 1"):
        ps.collapse(engine(df), treatment="t", covariates=["tier"], max_cells=0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"outcome": "tier"}, "column 'tier' is the outcome; remove it from the covariates"),
        ({"outcome": "t"}, "column 't' is both the treatment and the outcome"),
        ({"also": "done", "outcome": "done"}, "column 'done' is the outcome; remove it from also"),
        ({"covariates": ["t"]}, "column 't' is the treatment; remove it from the covariates"),
        ({"frequency": "day"}, "column 'day' is the frequency; it cannot be a key or an outcome too"),
        ({"also": ["team", "team"]}, "also: 'team' is named twice"),
    ],
)
def test_columns_of_two_roles_are_told(engine, given, said):
    with pytest.raises(InvalidInputError, match=said):
        ps.collapse(engine(users()), **(ROLES | given))


def test_columns_that_cells_add_are_not_keys(engine):
    df = users().rename(columns={"tier": "frequency", "day": "done_mean"})
    for covariates in (["frequency"], ["done_mean"]):
        with pytest.raises(
            InvalidInputError, match="the table of cells has a column of this name of its own"
        ):
            ps.collapse(engine(df), treatment="t", covariates=covariates, outcome="done")


def test_names_with_dots_are_columns_or_are_told(lazy):
    table = lazy(users().rename(columns={"team": "user.team"}))
    if any(library in type(table).__module__ for library in ("sqlframe", "spark", "duckdb")):
        with pytest.raises(
            InvalidInputError, match=r"column 'user.team': a dot .* rename it first: .*user_team"
        ):
            ps.collapse(table, treatment="t", covariates=["user.team"])
    else:
        assert ps.collapse(table, treatment="t", covariates=["user.team"]).n_cells == 120


@pytest.mark.parametrize("name", ["polars-lazy", *engines.SPARK])
def test_names_that_differ_in_capitals_alone(name):
    df = users().assign(Tier=1)
    table = ENGINES[name](df)
    if name in engines.SPARK:
        with pytest.raises(InvalidInputError, match="columns 'tier', 'Tier': Spark does not tell them apart"):
            ps.collapse(table, treatment="t", covariates=["tier"])
    else:
        assert ps.collapse(table, treatment="t", covariates=["tier", "Tier"]).n_cells == 6


@pytest.mark.parametrize("given", ["users.parquet", 3, None, [1, 2], {"t": [0, 1]}, np.zeros((2, 2))])
def test_what_is_no_table_is_told(given):
    with pytest.raises(TypeError, match="a data frame, a table or a query is needed"):
        ps.collapse(given, **ROLES)


def test_connections_and_folders_are_told_how_to_become_a_table(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    with pytest.raises(TypeError, match=r"not DuckDBPyConnection; connection.table\('users'\)"):
        ps.collapse(duckdb.connect(), **ROLES)
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(engines.arrow(users()), tmp_path / "a.parquet")
    ds = pytest.importorskip("pyarrow.dataset").dataset(tmp_path)
    with pytest.raises(TypeError, match=r"not FileSystemDataset; duckdb.from_arrow"):
        ps.collapse(ds, **ROLES)
    with pytest.raises(TypeError, match=r"not PosixPath; pl.scan_parquet\(path\)"):
        ps.collapse(tmp_path / "a.parquet", **ROLES)
    with pytest.raises(TypeError, match=r"not str; pl.scan_parquet"):
        ps.collapse("a.parquet", **ROLES)
    with (tmp_path / "a.parquet").open("rb") as file, pytest.raises(TypeError, match="not BufferedReader"):
        ps.collapse(file, **ROLES)


def test_batch_of_records_is_a_table():
    batch = engines.arrow(users()).to_batches()[0]
    assert ps.collapse(batch, **ROLES).n_users == len(batch)


def test_order_of_an_enum_is_kept():
    pl = pytest.importorskip("polars")
    levels = ["light", "Heavy", "heavy"]
    frame = pl.from_arrow(engines.arrow(users())).with_columns(pl.col("tier").cast(pl.Enum(levels)))
    for table in (frame, frame.lazy()):
        cells = ps.collapse(table, treatment="t", covariates=["tier"])
        assert cells.frame["tier"].drop_duplicates().tolist() == levels


def test_lazy_tables_are_told_from_frames():
    df = users()
    assert not is_lazy(df)
    assert not is_lazy(None)
    assert not is_lazy(engines.arrow(df))
    assert is_lazy(LAZY["polars-lazy"](df))


def test_whole_numbers_beyond_the_digits_of_a_float_are_told(lazy):
    df = users().assign(bytes=2**53 + np.arange(3_000))
    with pytest.raises(
        InvalidInputError, match=r"column 'bytes': values up to 9.0072e\+15, of which a float64"
    ):
        ps.collapse(lazy(df), treatment="t", covariates=["tier"], outcome="bytes")


# Cells of every engine go where a table goes


def test_effects_of_cells_are_those_of_the_rows(engine):
    df = users().assign(tier=lambda d: d["tier"].str.lower())
    roles = {"treatment": "t", "covariates": ["tier", "pro", "day"]}
    cells = ps.collapse(engine(df), **roles, outcome=["done", "minutes"], also="team")
    for outcome in ("done", "minutes"):
        found, expected = (
            ps.ipw(
                table,
                outcome=outcome,
                treatment="t",
                scores=ps.fit_propensity(table, **roles),
                cluster="team",
            )
            for table in (cells, df)
        )
        assert found.estimate == pytest.approx(expected.estimate, abs=1e-12)
        assert found.std_error == pytest.approx(expected.std_error, rel=1e-10)
        found, expected = (ps.aipw(table, outcome=outcome, **roles) for table in (cells, df))
        assert found.estimate == pytest.approx(expected.estimate, abs=1e-12)
        assert found.std_error == pytest.approx(expected.std_error, rel=1e-10)


def test_clusters_that_are_no_key_are_told_to_be_kept():
    cells = ps.collapse(users(), treatment="t", covariates=["tier"], outcome="done")
    with pytest.raises(InvalidInputError, match=r"cluster: column 'team' is no key .*also=\['team'\]"):
        ps.aipw(cells, outcome="done", treatment="t", covariates=["tier"], cluster="team")
