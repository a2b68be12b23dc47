"""Sixty rows with an arm and an outcome, what is said of them, and the line of a message run on them."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import propensity as ps
from propensity.errors import InvalidInputError

N = 60
TREATED = np.arange(N) % 3 == 0


def frame(**columns):
    x = np.random.default_rng(2).normal(size=N)
    return pd.DataFrame({"x": x, "y": x + 3.0 * TREATED, "e": np.full(N, 0.4)} | columns)


def refused(df, **options):
    with pytest.raises((InvalidInputError, TypeError)) as caught:
        ps.ipw(df, **{"outcome": "y", "treatment": "arm", "scores": "e"} | options)
    return str(caught.value)


def run(line, df):
    scope = {"pd": pd, "pl": pl, "pa": pa, "pc": pc, "np": np}
    scope["df"] = df.copy() if isinstance(df, pd.DataFrame) else df
    exec(line, scope)
    return scope["df"]


def effect(df, **options):
    return ps.ipw(df, **{"outcome": "y", "treatment": "arm", "scores": "e"} | options).estimate
