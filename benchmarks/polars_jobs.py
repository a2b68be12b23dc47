"""A study of 10,000,000 rows of polars, call by call, and the memory that it takes."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import polars as pl

import propensity as ps
from clock import Row, watched

PART = "polars"
BARS = {
    "fit": 1.0,
    "ipw": 1.0,
    "aipw": 2.0,
    "match_nn": 2.0,
    "its effect": 2.0,
    "balance": 1.5,
    "overlap": 1.0,
}
"""Seconds that are wanted."""

MOST_MEGABYTES = 2_000.0
NUMBERS = [f"x{k}" for k in range(6)]
COVARIATES = [*NUMBERS, "plan"]


def jobs(*, quick: bool) -> Iterator[Row]:
    """Time each call once, one after the other, as a study makes them."""
    n = 100_000 if quick else 10_000_000
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        seconds, peak = pool.apply(_study, (n,))
    for job, wanted in BARS.items():
        name = f"{job}, {n:,} rows, 6 float32 and a categorical"
        yield Row(PART, name, f"{wanted:g} s", wanted, seconds[job], 1.0)
    name = f"the most memory beyond the frame, {n:,} rows"
    yield Row(PART, name, "2 GB", MOST_MEGABYTES, peak, 1.0, unit="MB")


def users(n: int) -> pl.DataFrame:
    """Make the frame."""
    rng = np.random.default_rng(11)
    columns: dict[str, Any] = {name: rng.standard_normal(n, dtype=np.float32) for name in NUMBERS}
    codes = rng.integers(0, 5, n, dtype=np.uint8)
    eta = 0.3 * sum(columns.values()) + 0.2 * codes - 1.0
    treated = rng.random(n, dtype=np.float32) < 1 / (1 + np.exp(-eta))
    columns["t"], columns["y"] = treated, columns["x0"] + 0.5 * treated
    columns["y"] += rng.standard_normal(n, dtype=np.float32)
    plans = pl.Series("plan", ["free", "basic", "team", "pro", "max"]).gather(codes)
    return pl.DataFrame(columns).with_columns(plans.cast(pl.Categorical))


def _study(n: int) -> tuple[dict[str, float], float]:
    _calls(users(10_000), {})  # what is imported at a first call is on nobody's account
    frame, seconds = users(n), dict[str, float]()
    peak = watched(lambda: _calls(frame, seconds))
    return seconds, peak


def _calls(frame: pl.DataFrame, seconds: dict[str, float]) -> None:
    """Make the calls of a study, and note how long each took."""
    roles: dict[str, Any] = {"outcome": "y", "treatment": "t"}

    def timed(name: str, call: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        found = call()
        seconds[name] = time.perf_counter() - started
        return found

    model = timed("fit", lambda: ps.fit_propensity(frame, treatment="t", covariates=COVARIATES))
    effect = timed("ipw", lambda: ps.ipw(frame, **roles, scores=model))
    timed("aipw", lambda: ps.aipw(frame, **roles, covariates=COVARIATES))
    matches = timed("match_nn", lambda: ps.match_nn(frame, treatment="t", scores=model))
    timed("its effect", lambda: matches.effect("y"))
    weights = {"ATE": effect.weights}
    timed("balance", lambda: ps.balance(frame, treatment="t", covariates=COVARIATES, weights=weights))
    timed("overlap", lambda: ps.overlap(frame, treatment="t", scores=model))
