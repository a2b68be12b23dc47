"""The balance table against the usual loop over columns; `balance.py` has the loop, and larger sizes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import balance
import propensity as ps
from clock import Row, medians

LOOP_COLUMNS = 4


def jobs(*, quick: bool) -> Iterator[Row]:
    """Time both, the loop on some of the columns, scaled up."""
    n, n_columns = (100_000, 8) if quick else (1_000_000, 20)
    frame, weightings = balance._world(n, n_columns)
    covariates = [str(name) for name in frame if name != "treated"]
    own = partial(ps.balance, frame, treatment="treated", covariates=covariates, weights=dict(weightings))
    treated = frame["treated"].to_numpy()
    other = partial(balance._loop, frame[covariates[:LOOP_COLUMNS]], treated, weightings)
    found = medians({"own": own, "other": other}, rounds=3)
    job = f"balance table, {n:,} rows, {n_columns} columns, 2 weightings, every measure"
    scale = n_columns / LOOP_COLUMNS
    yield Row("estimates", job, "a loop over columns in NumPy", scale * found["other"], found["own"])
