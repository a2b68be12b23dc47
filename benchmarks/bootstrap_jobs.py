"""Whole bootstraps: against the scikit-learn loop, against other Rust cores, and as data grow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

import by_hand
import propensity as ps
from clock import Row, Sides, medians, peak_megabytes, seconds
from propensity import core
from propensity.resampling.bootstrap import DEFAULT_ESTIMATORS

N_REPS = 500
ROLES: dict[str, Any] = {
    "outcome": "task_completed",
    "treatment": "opt_in_agent_mode",
    "covariates": ["engagement_tier", "query_confidence"],
}
LOOP = "scikit-learn loop"


def jobs(*, quick: bool) -> Iterator[Row]:
    """Time them all, one after the other."""
    yield from _tutorial(quick=quick)
    yield from _never_repeating(quick=quick)
    yield from _other_cores(quick=quick)
    yield from _rows_grow(quick=quick)
    yield from _columns_grow(quick=quick)
    yield from _threads(quick=quick)


def _tutorial(*, quick: bool) -> Iterator[Row]:
    users = ps.datasets.opt_in_logs(n_users=50_000, seed=42)
    columns = [*ROLES["covariates"], ROLES["treatment"], ROLES["outcome"]]
    sides: Sides = {
        "loop": _loop(users, quick=quick),
        "frame": partial(_frame_door, users),
        "array": _array_door(users[columns]),
    }
    found, scale = _timed(sides, quick=quick)
    for door, bar in {"frame": 600.0, "array": 1_000.0}.items():
        job = f"tutorial bootstrap, {N_REPS} replicates of 50,000 rows, {door} door"
        yield Row("bootstrap", job, LOOP, scale * found["loop"], found[door], bar)


def _never_repeating(*, quick: bool) -> Iterator[Row]:
    users = ps.datasets.opt_in_logs(n_users=50_000, seed=42)
    noise = np.random.default_rng(5).normal(scale=1e-3, size=len(users))
    users["query_confidence"] += noise
    sides: Sides = {"loop": _loop(users, quick=quick), "frame": partial(_frame_door, users)}
    found, scale = _timed(sides, quick=quick)
    job = f"the same with a covariate that never repeats, {N_REPS} replicates, frame door"
    yield Row("bootstrap", job, LOOP, scale * found["loop"], found["frame"], 150.0)


def _loop(users: pd.DataFrame, *, quick: bool) -> Callable[[], object]:
    return partial(by_hand.bootstrap, users, n_reps=_loop_reps(quick=quick), **ROLES)


def _loop_reps(*, quick: bool) -> int:
    return 3 if quick else 25


def _timed(sides: Sides, *, quick: bool) -> tuple[dict[str, float], float]:
    """Give medians, and by how much the loop's has to be scaled up: few replicates are timed."""
    for name, run in sides.items():
        if name != "loop":
            run()  # what is imported or paged in at a first call is on nobody's account
    return medians(sides, rounds=2 if quick else 5), N_REPS / _loop_reps(quick=quick)


def _frame_door(users: pd.DataFrame, n_threads: int | None = None, **options: Any) -> pd.DataFrame:
    run = partial(ps.bootstrap, users, **ROLES, n_reps=N_REPS, seed=7, n_threads=n_threads, progress=False)
    return run(**options).conf_int()


def _array_door(users: pd.DataFrame, n_threads: int | None = None) -> Callable[[], object]:
    tiers = pd.get_dummies(users["engagement_tier"], drop_first=True, dtype=float)
    x = np.column_stack([tiers, users["query_confidence"]])
    treated = users[ROLES["treatment"]].to_numpy() == 1
    outcome = users[ROLES["outcome"]].to_numpy(dtype=float)
    return partial(_bootstrap_of_arrays, x, treated, outcome, n_threads)


def _other_cores(*, quick: bool) -> Iterator[Row]:
    """Compare with other packages with a compiled core, where they are installed."""
    import other_cores  # noqa: PLC0415

    users = ps.datasets.opt_in_logs(n_users=50_000, seed=42)
    for core_ in other_cores.found(users, **ROLES):
        reps = core_.quick_reps if quick else core_.reps
        own = partial(_frame_door, users, estimators=[core_.estimator])
        own()
        found = medians({"other": partial(core_.run, reps), "own": own}, rounds=1 if quick else 3)
        job = f"{core_.estimator.label}, {N_REPS} replicates of 50,000 rows, frame door"
        other = found["other"] * N_REPS / reps
        yield Row("bootstrap", job, core_.name, other, found["own"], core_.bar, note=core_.note)


def _rows_grow(*, quick: bool) -> Iterator[Row]:
    sizes = [10_000, 50_000, 200_000, *([] if quick else [1_000_000, 10_000_000])]
    at_50k = float("nan")
    for n in sizes:
        run = partial(_frame_door, ps.datasets.opt_in_logs(n_users=n, seed=42)[_columns()])
        run() if n < 10_000_000 else None
        own = min(seconds(run) for _ in range(1 if n > 1_000_000 else 3))
        at_50k = own if n == 50_000 else at_50k
        job = f"{N_REPS} replicates, n = {n:,}"
        if n <= 50_000:
            yield Row("rows", job, "", float("nan"), own)
        else:
            # In proportion to the rows, from what 50,000 take.
            yield Row("rows", job, "n / 50,000 times as long", at_50k * n / 50_000, own, 1.0)
    if not quick:
        taken = peak_megabytes(_large_bootstrap)
        job = "peak memory beyond the input, n = 10,000,000"
        yield Row("rows", job, "1 GB", 1_000.0, taken, 1.0, unit="MB")


def _columns() -> list[str]:
    return [*ROLES["covariates"], ROLES["treatment"], ROLES["outcome"]]


def _large_bootstrap() -> Callable[[], object]:
    _frame_door(ps.datasets.opt_in_logs(n_users=1_000, seed=42))
    users = ps.datasets.opt_in_logs(n_users=10_000_000, seed=42)[_columns()]
    return partial(_frame_door, users)


def _columns_grow(*, quick: bool) -> Iterator[Row]:
    at_4 = float("nan")
    for d, wanted in {4: 0.3, 10: 0.4, 30: 0.7, **({} if quick else {100: 1.6})}.items():
        run = partial(_bootstrap_of_arrays, *_continuous(50_000, d))
        run()
        own = min(seconds(run) for _ in range(3))
        at_4 = own if d == 4 else at_4
        job = f"{N_REPS} replicates of 50,000 rows, d = {d} continuous covariates"
        other, times = (
            ("", float("nan")) if d == 4 else (f"{wanted / 0.3:.2f} times d = 4", at_4 * wanted / 0.3)
        )
        yield Row("columns", job, other, times, own, float("nan") if d == 4 else 1.0)


def _continuous(n: int, d: int) -> tuple[by_hand.Floats, by_hand.Bools, by_hand.Floats]:
    rng = np.random.default_rng(3)
    x = np.asfortranarray(rng.normal(size=(n, d)))
    eta = x @ np.linspace(-1, 1, d) / np.sqrt(d) - 0.7
    treated = rng.random(n) < 1 / (1 + np.exp(-eta))
    return x, treated, (rng.random(n) < 0.3 + 0.1 * treated).astype(float)


def _bootstrap_of_arrays(
    x: by_hand.Floats, treated: by_hand.Bools, y: by_hand.Floats, n_threads: int | None = None
) -> object:
    estimators = list(DEFAULT_ESTIMATORS)
    return core.bootstrap(
        x, treated, y, estimators=estimators, n_reps=N_REPS, seed=7, analytic=False, n_threads=n_threads
    )


def _threads(*, quick: bool) -> Iterator[Row]:
    users = ps.datasets.opt_in_logs(n_users=50_000, seed=42)[_columns()]
    sides: Sides = {"one": _array_door(users, 1), "two": _array_door(users, 2)}
    found = medians(sides, rounds=5 if quick else 9)
    job = f"tutorial bootstrap, {N_REPS} replicates, 2 threads, array door"
    yield Row("bootstrap", job, "1 thread", found["one"], found["two"], 1.8)
