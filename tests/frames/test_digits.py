"""Amounts of which a float64 would make one: refused in every role, with a line that keeps them apart."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import propensity as ps
from propensity.errors import InvalidInputError

pytestmark = [
    pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning"),
    pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning"),
    pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning"),
]

N = 120


@pytest.fixture(scope="module")
def plain() -> pd.DataFrame:
    """Rows whose column `c` is 0 to 3."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=N)
    df = pd.DataFrame({"x": x, "t": (rng.random(N) < 1 / (1 + np.exp(-x))).astype(int)})
    df["c"] = rng.integers(0, 4, N)
    return df.assign(y=df["x"] + df["t"] + df["c"] + rng.normal(size=N))


def _in_polars(df: pd.DataFrame, column: pl.Series) -> pl.DataFrame:
    return pl.from_pandas(df).with_columns(c=column)


HELD: dict[str, Callable[[pd.DataFrame], Any]] = {
    "int64": lambda df: df.assign(c=df["c"] + 2**60),
    "int64 below zero": lambda df: df.assign(c=df["c"] - 2**60),
    "uint64": lambda df: df.assign(c=df["c"].astype("uint64") + np.uint64(2**63)),
    "nullable UInt64": lambda df: df.assign(c=(df["c"].astype("uint64") + np.uint64(2**63)).astype("UInt64")),
    "objects of whole numbers": lambda df: df.assign(c=[2**70 + int(k) for k in df["c"]]),
    "objects of decimals": lambda df: df.assign(c=[decimal.Decimal(10**25 + int(k)) for k in df["c"]]),
    "polars UInt64": lambda df: _in_polars(df, pl.Series([2**63 + int(k) for k in df["c"]], dtype=pl.UInt64)),
    "polars Decimal": lambda df: _in_polars(
        df, pl.Series([10**25 + int(k) for k in df["c"]], dtype=pl.Decimal(38, 0))
    ),
    "polars Int128": lambda df: _in_polars(df, pl.Series([2**70 + int(k) for k in df["c"]], dtype=pl.Int128)),
    "pyarrow uint64": lambda df: _in_polars(
        df, pl.Series([2**63 + int(k) for k in df["c"]], dtype=pl.UInt64)
    ).to_arrow(),
}

ROLES: dict[str, Callable[[Any], Any]] = {
    "covariate": lambda df: ps.smd(df, treatment="t", covariates=["c"]).to_numpy(),
    "in a formula": lambda df: ps.aipw(df, outcome="y", treatment="t", covariates="x + I(c * 2)").estimate,
    "outcome": lambda df: ps.ipw(df, outcome="c", treatment="t", scores=np.full(N, 0.5)).estimate,
    "matched outcome": lambda df: (
        ps.match_nn(df, treatment="t", covariates=["x"], on="euclidean").effect("c").estimate
    ),
    "distance": lambda df: (
        ps.match_nn(df, treatment="t", covariates=["c"], on="euclidean").effect("y").estimate
    ),
    "caliper": lambda df: np.asarray(
        ps.match_nn(
            df, treatment="t", covariates=["x"], on="euclidean", caliper={"c": 1.0}, caliper_unit="raw"
        ).weights
    ),
    "cut points": lambda df: np.asarray(ps.match_cem(df, treatment="t", covariates=["c"]).weights),
}


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("role", ROLES)
def test_amounts_that_a_float_cannot_tell_apart_are_refused_with_the_line_that_can(plain, held, role):
    df = HELD[held](plain)
    with pytest.raises(InvalidInputError, match=r"^column 'c': numbers from \S+ to \S+, of which") as told:
        ROLES[role](df)
    names = {"df": df, "pl": pl, "pa": pa, "pc": pc, "pd": pd}
    exec(str(told.value).split("count from the least: ")[1], names)
    np.testing.assert_allclose(ROLES[role](names["df"]), ROLES[role](plain), rtol=1e-12)


def test_categories_of_long_numbers_keep_every_digit(plain):
    far = plain.assign(c=plain["c"] + 2**60)
    roles = {"outcome": "y", "treatment": "t", "covariates": "x + C(c)"}
    assert ps.aipw(far, **roles).estimate == pytest.approx(ps.aipw(plain, **roles).estimate, rel=1e-12)


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("cutpoints", ["exact", {"c": "exact"}])
def test_coarsening_keeps_every_digit_where_it_is_asked_to(plain, held, cutpoints):
    found, expected = (
        np.asarray(ps.match_cem(df, treatment="t", covariates=["c"], cutpoints=cutpoints).weights)
        for df in (HELD[held](plain), plain)
    )
    np.testing.assert_array_equal(found, expected)


def test_instants_in_nanoseconds_are_amounts(plain):
    """A float64 rounds them to 256 ns, of days that are 1e14 apart: nothing that anybody means."""
    instants = plain.assign(c=1_700_000_000_000_000_001 + plain["c"] * 86_400_000_000_000)
    found, expected = (ps.smd(df, treatment="t", covariates=["c"]).iloc[0] for df in (instants, plain))
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.filterwarnings("ignore::propensity.errors.DegenerateWarning")
def test_a_constant_has_no_digits_to_lose(plain):
    same = plain.assign(c=2**60 + 1)
    assert ps.ipw(same, outcome="c", treatment="t", scores=np.full(N, 0.5)).estimate == 0
