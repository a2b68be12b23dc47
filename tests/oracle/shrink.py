"""A call whose answer is wrong, made as small as it can be, and written down so that it can be pasted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

import propensity as ps

Given = Mapping[str, Any]

_SECONDS = 10.0  # after which what is left is small enough


def smallest(given: Given, still_wrong: Callable[[Given], bool]) -> Given:
    """Leave out rows, then arguments, then columns, as long as the answer stays wrong."""
    end = time.monotonic() + _SECONDS
    given = _with_fewer_rows(given, still_wrong, end)
    for name in [name for name in given if name != "df"]:
        fewer = {other: value for other, value in given.items() if other != name}
        if time.monotonic() < end and still_wrong(fewer):
            given = fewer
    covariates = given.get("covariates")
    for name in list(covariates) if isinstance(covariates, list) else []:
        fewer = {**given, "covariates": [other for other in given["covariates"] if other != name]}
        if time.monotonic() < end and still_wrong(fewer):
            given = fewer
    return given


def _with_fewer_rows(given: Given, still_wrong: Callable[[Given], bool], end: float) -> Given:
    n = _n_rows(given)
    step = n // 2
    while step:
        start = 0
        while start < n and time.monotonic() < end:
            rows = np.r_[0:start, min(start + step, n) : n]
            fewer = {name: _taken(value, rows, n) for name, value in given.items()}
            if len(rows) and still_wrong(fewer):
                given, n = fewer, len(rows)
            else:
                start += step
        step //= 2
    return given


def _n_rows(given: Given) -> int:
    if "df" in given:
        return len(given["df"])
    return len(given["treatment"])


def _taken(value: Any, rows: np.ndarray, n: int) -> Any:
    """The same rows of anything that has rows; a model cannot be cut, and is taken as its scores."""
    if isinstance(value, ps.PropensityModel):
        value = value.scores
    if isinstance(value, pd.DataFrame | pd.Series) and len(value) == n:
        return value.iloc[rows]
    if isinstance(value, pl.DataFrame | pl.Series) and len(value) == n:
        return value[rows.tolist()]
    if isinstance(value, np.ndarray) and value.ndim and len(value) == n:
        return value[rows]
    return [_taken(own, rows, n) for own in value] if isinstance(value, list) else value


def written(door: str, name: str, given: Given) -> str:
    """The call as a line of code."""
    words = [f"{key}={_literal(value)}" for key, value in given.items() if key != "df"]
    if "df" in given:
        values = [v for value in given.values() for v in (value if isinstance(value, list) else [value])]
        used = {v for v in values if isinstance(v, str)}
        if name in {"match_nn", "subclassify"}:
            used.add("y")  # the effect on it may be what is wrong
        words.insert(0, _frame(given["df"], used))
    return f"{door}.{name}({', '.join(words)})"


def _frame(df: Any, used: set[str]) -> str:
    columns = {name: df[name].to_list() for name in df.columns if name in used}
    library = "pl" if isinstance(df, pl.DataFrame) else "pd"
    return f"{library}.DataFrame({columns!r})"


def _literal(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"np.array({value.tolist()!r}, dtype='{value.dtype}')"
    if isinstance(value, pd.Series | pl.Series):
        return f"np.array({value.to_list()!r})"
    return repr(value)
