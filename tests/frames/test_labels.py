"""Columns that say which rows belong together: every digit counts, whatever the type that holds them."""

import datetime
import decimal
import uuid

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import propensity as ps
from propensity.errors import InvalidInputError

# Small samples, matched one way: what that leaves is told, and not what is looked at here.
pytestmark = [
    pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning"),
    pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning"),
    pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning"),
]

N = 240
FIRST = 2**60  # neighbours this large are one float64, in hundreds
DAY = datetime.date(2026, 3, 1)


@pytest.fixture(scope="module")
def plain():
    """Rows of 24 groups, which shift the outcome; the labels themselves are small whole numbers."""
    rng = np.random.default_rng(3)
    group = rng.permutation(np.arange(N) % 24)
    x = rng.normal(size=N)
    t = (rng.random(N) < 1 / (1 + np.exp(-x))).astype(int)
    y = t + x + rng.normal(size=24)[group] + rng.normal(size=N)
    return pd.DataFrame({"g": group, "x": x, "t": t, "y": y, "e": 1 / (1 + np.exp(-0.8 * x))})


def words(group):
    return np.array([f"team {k:02}" for k in group])


def dates(group):
    return [DAY + datetime.timedelta(days=int(k)) for k in group]


def instants(group):
    return pd.Timestamp("2026-03-01") + pd.to_timedelta(group, unit="h")


PANDAS = {
    "int64": lambda g: FIRST + g,
    "uint64": lambda g: (FIRST + g).astype("uint64"),
    "uint64 beyond int64": lambda g: np.uint64(2**63 + 5) + g.astype("uint64"),
    "nullable UInt64": lambda g: pd.array((FIRST + g).astype("uint64"), dtype="UInt64"),
    "uint64[pyarrow]": lambda g: pd.array((FIRST + g).tolist(), dtype=pd.ArrowDtype(pa.uint64())),
    "decimal[pyarrow]": lambda g: pd.array(
        [decimal.Decimal(int(FIRST + k)) for k in g], dtype=pd.ArrowDtype(pa.decimal128(38, 0))
    ),
    "objects of whole numbers": lambda g: (FIRST + g).astype(object),
    "objects beyond uint64": lambda g: [2**70 + int(k) for k in g],
    "objects of decimals": lambda g: [decimal.Decimal(int(FIRST + k)) for k in g],
    "objects of broken decimals": lambda g: [
        decimal.Decimal(FIRST + int(k)) + decimal.Decimal("0.25") for k in g
    ],
    "categories": lambda g: pd.Categorical(FIRST + g),
    "text": words,
    "bytes": lambda g: [word.encode() for word in words(g)],
    "datetimes": instants,
    "datetimes with a zone": lambda g: instants(g).tz_localize("Europe/Berlin"),
    "dates[pyarrow]": lambda g: pd.array(dates(g), dtype=pd.ArrowDtype(pa.date32())),
    "objects of dates": dates,
    "times": lambda g: [datetime.time(int(k)) for k in g],
    "durations": lambda g: pd.to_timedelta(g, unit="h"),
    "periods": lambda g: pd.PeriodIndex(pd.period_range("2026-01", periods=24, freq="M")[g]),
    "tuples": lambda g: [(int(k) // 2, "ab"[int(k) % 2]) for k in g],
    "tuples of several lengths": lambda g: [(0,) * (int(k) + 1) for k in g],
    "UUIDs": lambda g: [uuid.UUID(int=int(k)) for k in g],
    "intervals": lambda g: pd.IntervalIndex.from_breaks(np.arange(25.0))[g],
}
POLARS = {
    "UInt64": lambda g: pl.Series(FIRST + g).cast(pl.UInt64),
    "Int128": lambda g: pl.Series(FIRST + g).cast(pl.Int128),
    "Int128 beyond int64": lambda g: pl.Series([2**70 + int(k) for k in g], dtype=pl.Int128),
    "Decimal": lambda g: pl.Series(FIRST + g).cast(pl.Decimal(38, 0)),
    "broken Decimal": lambda g: pl.Series(FIRST + g).cast(pl.Decimal(38, 2)),
    "String": lambda g: pl.Series(words(g)),
    "Categorical": lambda g: pl.Series(words(g)).cast(pl.Categorical),
    "Date": lambda g: pl.Series(dates(g)),
    "Datetime": lambda g: pl.Series(instants(g).to_numpy()).dt.replace_time_zone("Europe/Berlin"),
    "Time": lambda g: pl.Series([datetime.time(int(k)) for k in g]),
    "Duration": lambda g: pl.Series([datetime.timedelta(hours=int(k)) for k in g]),
    "Binary": lambda g: pl.Series([word.encode() for word in words(g)]),
}
FRAMES = (
    [
        pytest.param(lambda df, f=f: df.assign(g=f(df["g"].to_numpy())), id=f"pandas {n}")
        for n, f in PANDAS.items()
    ]
    + [
        pytest.param(
            lambda df, f=f: pl.from_pandas(df).with_columns(g=f(df["g"].to_numpy())), id=f"polars {n}"
        )
        for n, f in POLARS.items()
    ]
    + [
        pytest.param(
            lambda df, f=f: pl.from_pandas(df).with_columns(g=f(df["g"].to_numpy())).to_arrow(),
            id=f"pyarrow {n}",
        )
        for n, f in POLARS.items()
        if "Int128" not in n  # which Arrow has not
    ]
)


def clustered(df):
    effect = ps.ipw(df, outcome="y", treatment="t", scores="e", cluster="g")
    return [effect.std_error, effect.clusters.max()]


def within(df):
    matches = ps.match_nn(df, treatment="t", scores="e", exact=["g"])
    return np.asarray(matches.weights)


def resampled(df):
    options = {"estimators": [ps.IPW()], "n_reps": 20, "seed": 1}
    boot = ps.bootstrap(df, outcome="y", treatment="t", covariates=["x"], cluster="g", **options)
    return boot.replicates.to_numpy().ravel()


def stratified(df):
    options = {"estimators": [ps.IPW()], "n_reps": 20, "seed": 1}
    boot = ps.bootstrap(df, outcome="y", treatment="t", covariates=["x"], strata="g", **options)
    return boot.replicates.to_numpy().ravel()


def by_group(df):
    return ps.overlap(df, treatment="t", scores="e", by="g").quantiles.to_numpy()


def coarsened(df):
    return np.asarray(ps.match_cem(df, treatment="t", covariates=["g"], cutpoints={}).weights)


@pytest.mark.parametrize("held", FRAMES)
@pytest.mark.parametrize("analysis", [clustered, within, resampled, stratified, by_group])
def test_labels_of_every_type_are_the_same_groups(plain, held, analysis):
    np.testing.assert_array_equal(analysis(held(plain)), analysis(plain))


@pytest.mark.parametrize("held", FRAMES)
def test_coarsened_matching_keeps_every_digit_where_it_is_asked_to(plain, held):
    few = plain.iloc[:60]  # in which some groups lack an arm
    expected = ps.match_cem(few, treatment="t", covariates=["g"], cutpoints="exact").weights
    assert 0 < (expected > 0).sum() < 60
    np.testing.assert_array_equal(
        np.asarray(ps.match_cem(held(few), treatment="t", covariates=["g"], cutpoints="exact").weights),
        np.asarray(expected),
    )


@pytest.mark.parametrize("held", FRAMES)
def test_identifiers_of_every_type_tell_rows_apart(plain, held):
    many = pd.DataFrame({"g": np.arange(24), "t": np.arange(24) % 2, "e": 0.5})
    df = held(many)
    matches = ps.match_nn(df, treatment="t", scores="e", replace=False, ids="g")
    assert matches.n_matched == 12
    doubled = held(many.assign(g=np.arange(24) // 2))
    with pytest.raises(
        InvalidInputError, match=r"column 'g': 12 repeated values \(rows 1, 3, 5, 7, 9, ...\)"
    ):
        ps.match_nn(doubled, treatment="t", scores="e", replace=False, ids="g")


def test_whole_numbers_are_the_same_identifiers_in_every_type(plain):
    numbers = FIRST + np.random.default_rng(8).permutation(N)
    forms = {
        "int64": numbers,
        "uint64": numbers.astype("uint64"),
        "objects": numbers.astype(object),
        "decimals": [decimal.Decimal(int(k)) for k in numbers],
    }
    rough = plain.assign(e=plain["e"].round(1))  # ties, which draws settle
    found = {
        name: ps.match_nn(rough.assign(g=ids), treatment="t", scores="e", replace=False, ids="g").pairs
        for name, ids in forms.items()
    }
    polars = pl.from_pandas(rough.assign(g=numbers)).with_columns(g=pl.col("g").cast(pl.Decimal(38, 0)))
    found["polars"] = ps.match_nn(polars, treatment="t", scores="e", replace=False, ids="g").pairs
    for pairs in found.values():
        pd.testing.assert_frame_equal(pairs, found["int64"])


@pytest.mark.parametrize("given", [list, tuple, np.array, pd.Index, pd.Series, pl.Series])
def test_labels_given_row_by_row_keep_their_digits(plain, given):
    expected = clustered(plain)
    ids = [2**63 + 7 * int(k) for k in plain["g"]]
    effect = ps.ipw(plain, outcome="y", treatment="t", scores="e", cluster=given(ids))
    np.testing.assert_array_equal([effect.std_error, effect.clusters.max()], expected)


def test_digits_lost_before_the_call_are_told(plain):
    lost = plain.assign(g=(FIRST + plain["g"]).astype(float))
    with pytest.raises(InvalidInputError, match=r"column 'g': 240 labels beyond 2\*\*53 in a float"):
        clustered(lost)
    fine = plain.assign(g=plain["g"] + 0.5)
    np.testing.assert_array_equal(clustered(fine), clustered(plain))


@pytest.mark.parametrize("held", ["tuples", "tuples of several lengths", "UUIDs"])
def test_coarsened_objects_are_called_by_themselves(plain, held):
    own = PANDAS[held](plain["g"])
    df = plain.assign(g=own)
    found = ps.match_cem(df, treatment="t", covariates=["g"])
    assert set(found.cells["g"]) == set(own)
    merged = ps.match_cem(df, treatment="t", covariates=["g"], grouping={"g": dict.fromkeys(own, "any")})
    assert merged.cells["g"].tolist() == ["any"]


@pytest.mark.parametrize(("held", "called"), [("tuples", "tuple"), ("UUIDs", "UUID")])
def test_covariate_of_objects_of_one_type_is_called_by_it(plain, held, called):
    df = plain.assign(g=PANDAS[held](plain["g"]))
    with pytest.raises(TypeError, match=f"column 'g': the type object holding {called} values is") as told:
        ps.smd(df, treatment="t", covariates=["g"])
    exec(str(told.value).split("as levels of text: ")[1], {"df": df})
    assert len(ps.smd(df, treatment="t", covariates=["g"])) == 24


HOLES = {
    "objects of dates": lambda g: [None, None, *dates(g)[2:]],
    "datetimes": lambda g: pd.Series(instants(g)).where(np.arange(N) > 1),
    "objects of whole numbers": lambda g: [None, np.nan, *(FIRST + g).tolist()[2:]],
    "objects of bools": lambda g: [None, np.nan, *(g > 4).tolist()[2:]],
    "nullable UInt64": lambda g: pd.array([pd.NA, pd.NA, *(FIRST + g).tolist()[2:]], dtype="UInt64"),
    "text": lambda g: [None, np.nan, *words(g)[2:]],
    "polars Decimal": lambda g: pl.Series([None, None, *(FIRST + g).tolist()[2:]]).cast(pl.Decimal(38, 0)),
    "polars Int128": lambda g: pl.Series([None, None, *(FIRST + g).tolist()[2:]], dtype=pl.Int128),
    "polars Date": lambda g: pl.Series([None, None, *dates(g)[2:]]),
    "polars Time": lambda g: pl.Series([None, None, *[datetime.time(int(k)) for k in g[2:]]]),
}


@pytest.mark.parametrize("held", HOLES)
@pytest.mark.parametrize("analysis", [clustered, within, resampled, stratified, by_group, coarsened])
def test_missing_labels_are_counted(plain, held, analysis):
    values = HOLES[held](plain["g"].to_numpy())
    polars = isinstance(values, pl.Series)
    df = pl.from_pandas(plain).with_columns(g=values) if polars else plain.assign(g=values)
    with pytest.raises(InvalidInputError, match=r"column 'g': 2 missing values \(rows 0, 1\)"):
        analysis(df)


def test_labels_of_several_types_are_refused(plain):
    mixed = plain.assign(g=plain["g"].astype(object).where(plain.index > 3, "none"))
    with pytest.raises(TypeError, match=r"column 'g'.*several of them.*df\['g'\] = df\['g'\].astype\(str\)"):
        clustered(mixed)
    lists = plain.assign(g=[[k] for k in plain["g"]])
    with pytest.raises(TypeError, match="column 'g'"):
        clustered(lists)


# Dates as distances


@pytest.fixture(scope="module")
def signed_up(plain):
    days = np.random.default_rng(4).integers(0, 60, N)
    return plain.assign(
        days=days.astype(float), day=pd.Timestamp("2025-12-20") + pd.to_timedelta(days, unit="D")
    )


DATES = {
    "datetimes": lambda df: df.copy(),
    "with a zone": lambda df: df.assign(
        day=df["day"].dt.tz_localize("UTC").dt.tz_convert("America/New_York")
    ),
    "nanoseconds": lambda df: df.assign(day=df["day"].astype("datetime64[ns]")),
    "objects": lambda df: df.assign(day=df["day"].dt.date),
    "periods": lambda df: df.assign(day=df["day"].dt.to_period("D")),
    "pyarrow dtype": lambda df: df.assign(day=df["day"].astype(pd.ArrowDtype(pa.timestamp("us")))),
    "durations": lambda df: df.assign(day=df["day"] - df["day"].min()),
    "polars": pl.from_pandas,
    "polars dates": lambda df: pl.from_pandas(df).with_columns(pl.col("day").cast(pl.Date)),
    "pyarrow": lambda df: pl.from_pandas(df).to_arrow(),
}


@pytest.mark.parametrize("held", DATES)
@pytest.mark.parametrize("width", [1, 3])
def test_caliper_on_a_date_is_in_days(signed_up, held, width):
    options = {"treatment": "t", "scores": "e", "caliper_unit": "raw"}
    by_day = ps.match_nn(DATES[held](signed_up), caliper={"day": width}, **options)
    by_number = ps.match_nn(signed_up, caliper={"days": width}, **options)
    np.testing.assert_array_equal(np.asarray(by_day.weights), np.asarray(by_number.weights))
    pairs = by_day.pairs
    apart = np.abs(
        signed_up["days"].to_numpy()[pairs["treated"]] - signed_up["days"].to_numpy()[pairs["control"]]
    )
    assert 0 < apart.max() <= width


@pytest.mark.parametrize("held", DATES)
@pytest.mark.parametrize("on", ["mahalanobis", "euclidean"])
def test_distances_between_dates_are_in_days(signed_up, held, on):
    by_day = ps.match_nn(DATES[held](signed_up), treatment="t", covariates=["x", "day"], on=on)
    by_number = ps.match_nn(signed_up, treatment="t", covariates=["x", "days"], on=on)
    np.testing.assert_array_equal(np.asarray(by_day.weights), np.asarray(by_number.weights))
    assert by_day.max_distance == pytest.approx(by_number.max_distance, rel=1e-9)


@pytest.mark.parametrize("held", DATES)
def test_full_matching_takes_a_caliper_in_days(signed_up, held):
    options = {"treatment": "t", "scores": "e", "caliper_unit": "raw"}
    by_day = ps.match_full(DATES[held](signed_up), caliper={"day": 4}, **options)
    by_number = ps.match_full(signed_up, caliper={"days": 4}, **options)
    np.testing.assert_array_equal(np.asarray(by_day.weights), np.asarray(by_number.weights))


@pytest.mark.parametrize("held", [held for held in DATES if held != "durations"])
def test_date_in_a_model_is_refused_with_the_line_that_converts_it(signed_up, held):
    df = DATES[held](signed_up)
    with pytest.raises(TypeError, match="column 'day'") as caught:
        ps.fit_propensity(df, treatment="t", covariates=["x", "day"])
    line = str(caught.value).split("first: ")[1]
    scope = {"df": df, "pd": pd, "pl": pl, "pc": pytest.importorskip("pyarrow.compute")}
    exec(line, scope)  # the line that the message gives
    found = ps.fit_propensity(scope["df"], treatment="t", covariates=["x", "day"])
    expected = ps.fit_propensity(signed_up, treatment="t", covariates=["x", "days"])
    np.testing.assert_allclose(np.asarray(found.scores), np.asarray(expected.scores), rtol=1e-9)


@pytest.mark.parametrize("held", ["pandas", "polars", "pyarrow"])
def test_duration_in_a_model_is_refused_with_the_line_that_converts_it(signed_up, held):
    df = signed_up.assign(day=signed_up["day"] - signed_up["day"].min())
    df = df if held == "pandas" else pl.from_pandas(df) if held == "polars" else pl.from_pandas(df).to_arrow()
    with pytest.raises(TypeError, match="column 'day'") as caught:
        ps.fit_propensity(df, treatment="t", covariates=["x", "day"])
    line = str(caught.value).split("seconds: ")[1]
    scope = {"df": df, "pl": pl, "pa": pa, "pc": pytest.importorskip("pyarrow.compute")}
    exec(line, scope)  # the line that the message gives
    found = ps.fit_propensity(scope["df"], treatment="t", covariates=["x", "day"])
    expected = ps.fit_propensity(signed_up, treatment="t", covariates=["x", "days"])
    np.testing.assert_allclose(np.asarray(found.scores), np.asarray(expected.scores), rtol=1e-9)


def test_dates_are_grouped_by_themselves_and_not_by_their_text(signed_up):
    first = signed_up["day"].min()
    merged = ps.match_cem(
        signed_up, treatment="t", covariates=["day"], grouping={"day": dict.fromkeys(signed_up["day"], "any")}
    )
    assert merged.n_subclasses == 1
    with pytest.raises(InvalidInputError, match="grouping: column 'day' has no level '2025-12-20'"):
        ps.match_cem(
            signed_up, treatment="t", covariates=["day"], grouping={"day": {str(first.date()): "any"}}
        )
