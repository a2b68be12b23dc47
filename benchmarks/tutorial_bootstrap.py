"""The tutorial's bootstrap, by a scikit-learn loop and by ``ps.bootstrap``: same data, same machine, one run.

Both start from the DataFrame and estimate IPW ATE, IPW ATT and 1-NN ATT in every replicate, the
propensity model refitted each time. The two alternate, so that a busy machine slows both.

    python benchmarks/tutorial_bootstrap.py            # every replicate of both, several minutes
    python benchmarks/tutorial_bootstrap.py --quick    # a few scikit-learn replicates, scaled up
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import statistics
import threading
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
import psutil
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors

import propensity as ps

OUTCOME = "task_completed"
TREATMENT = "opt_in_agent_mode"
COVARIATES = ["engagement_tier", "query_confidence"]
QUICK_REPS = 10

Floats = npt.NDArray[np.float64]


def main() -> None:
    """Time both, alternating, and print medians, their ratio and the memory taken."""
    options = _options()
    users = ps.datasets.opt_in_logs(n_users=options.n_users, seed=42)
    timed_reps = min(QUICK_REPS, options.n_reps) if options.quick else options.n_reps
    scale = options.n_reps / timed_reps

    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{options.n_users:,} users, {options.n_reps} replicates, {options.rounds} rounds")
    if scale > 1:
        print(f"scikit-learn: {timed_reps} replicates timed, times {scale:g}")

    _package_bootstrap(users.head(1_000), 2)  # imports and first-call costs, on nobody's account
    loop, package = [], []
    for i in range(options.rounds):
        loop.append(scale * _seconds(lambda: _scikit_learn_bootstrap(users, timed_reps)))
        package.append(_seconds(lambda: _package_bootstrap(users, options.n_reps)))
        print(
            f"  round {i + 1}: scikit-learn {loop[-1]:8.2f} s   propensity {package[-1]:8.3f} s", flush=True
        )

    slow, fast = statistics.median(loop), statistics.median(package)
    print(f"medians:   scikit-learn {slow:8.2f} s   propensity {fast:8.3f} s   ratio {slow / fast:,.0f}")
    print(f"peak extra memory of ps.bootstrap: {_peak_extra_megabytes(users, options.n_reps):.0f} MB")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--n-users", type=int, default=50_000)
    parser.add_argument("--n-reps", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--quick", action="store_true", help=f"time {QUICK_REPS} scikit-learn replicates and scale"
    )
    return parser.parse_args()


def _package_bootstrap(users: pd.DataFrame, n_reps: int) -> ps.BootstrapResult:
    return ps.bootstrap(
        users,
        outcome=OUTCOME,
        treatment=TREATMENT,
        covariates=COVARIATES,
        n_reps=n_reps,
        seed=7,
        progress=False,
    )


def _scikit_learn_bootstrap(users: pd.DataFrame, n_reps: int) -> Floats:
    """Resample, refit and re-estimate, as one does with pandas and scikit-learn."""
    rng = np.random.default_rng(7)
    return np.array(
        [
            _scikit_learn_estimates(users.iloc[rng.integers(len(users), size=len(users))])
            for _ in range(n_reps)
        ]
    )


def _scikit_learn_estimates(users: pd.DataFrame) -> tuple[float, float, float]:
    design = pd.get_dummies(users[COVARIATES], columns=["engagement_tier"], drop_first=True, dtype=float)
    treated = users[TREATMENT].to_numpy() == 1
    outcome = users[OUTCOME].to_numpy(dtype=float)
    scores = LogisticRegression(max_iter=1_000).fit(design, treated).predict_proba(design)[:, 1]

    ate = np.average(outcome[treated], weights=1 / scores[treated]) - np.average(
        outcome[~treated], weights=1 / (1 - scores[~treated])
    )
    att = outcome[treated].mean() - np.average(
        outcome[~treated], weights=scores[~treated] / (1 - scores[~treated])
    )
    neighbours = NearestNeighbors(n_neighbors=1).fit(scores[~treated, None])
    nearest = neighbours.kneighbors(scores[treated, None], return_distance=False)[:, 0]
    matched = outcome[treated].mean() - outcome[~treated][nearest].mean()
    return float(ate), float(att), float(matched)


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _peak_extra_megabytes(users: pd.DataFrame, n_reps: int) -> float:
    """Measure in a process of its own, where no earlier run has left memory to reuse."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure_peak, (users, n_reps))


def _measure_peak(users: pd.DataFrame, n_reps: int) -> float:
    process, done = psutil.Process(), threading.Event()
    _package_bootstrap(users.head(1_000), 2)
    samples: list[int] = [process.memory_info().rss]

    def watch() -> None:
        while not done.wait(0.001):
            samples.append(process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    _package_bootstrap(users, n_reps)
    done.set()
    watcher.join()
    return (max(samples) - samples[0]) / 1e6


if __name__ == "__main__":
    main()
