"""The bootstrap of columns that never repeat, from rows that the caches hold to rows that they do not."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import by_hand
import propensity as ps
from clock import Row, nanoseconds
from propensity import core

PART = "distinct"
N_COLUMNS = 8
REPLICATES = {200_000: (100, 500), 2_000_000: (32, 128), 10_000_000: (8, 40)}
"""Of how many replicates the longer call, less the shorter, tells what one takes."""

ESTIMATORS: dict[str, tuple[Any, float]] = {
    "IPW ATE": (ps.IPW("ATE"), 1.3),
    "1-NN ATT": (ps.NearestNeighbors("ATT"), 1.5),
}


def jobs(*, quick: bool) -> Iterator[Row]:
    """Time a replicate's row at each size; the bar is how many times as long as at the least it may take."""
    at_least: dict[str, float] = {}
    for n, (few, many) in REPLICATES.items():
        if quick and n > 200_000:
            return
        rows = distinct(n, N_COLUMNS)
        for label, (estimator, times) in ESTIMATORS.items():
            run = partial(_replicates, rows, estimator)
            own = nanoseconds(run, n, few, many)
            job = f"{label}, {n:,} rows of {N_COLUMNS} columns"
            if label not in at_least:
                at_least[label] = own
                yield Row(PART, job, "", float("nan"), own, unit="ns")
            else:
                other = f"{times:g} times what {min(REPLICATES):,} rows take"
                yield Row(PART, job, other, times * at_least[label], own, 1.0, unit="ns")


def distinct(n: int, n_columns: int) -> tuple[by_hand.Floats, by_hand.Bools, by_hand.Floats]:
    """Make numbers that never repeat, a treatment that hangs on them, and an outcome of 0 and 1."""
    rng = np.random.default_rng(3)
    x = np.empty((n, n_columns), order="F")
    eta = np.full(n, -0.7)
    for k, slope in enumerate(np.linspace(-1, 1, n_columns) / np.sqrt(n_columns)):
        x[:, k] = rng.standard_normal(n)
        eta += slope * x[:, k]
    treated = rng.random(n) < 1 / (1 + np.exp(-eta))
    return x, treated, (rng.random(n) < 0.3 + 0.1 * treated).astype(float)


def _replicates(
    rows: tuple[by_hand.Floats, by_hand.Bools, by_hand.Floats], estimator: Any, n_reps: int
) -> object:
    return core.bootstrap(*rows, estimators=[estimator], n_reps=n_reps, seed=7)
