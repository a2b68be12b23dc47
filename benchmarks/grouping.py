"""Subclasses and optimal matching by the number of rows, in one run: seconds of every method, scores given.

Beside them SciPy's assignment on the same pairs, where that is still possible: it needs every distance in
memory. Each figure is the median of some runs that take turns.

    python benchmarks/grouping.py                           # 50,000 to 5,000,000 rows: some minutes
    python benchmarks/grouping.py --rows 100000 --repeats 1
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import optimize

import propensity as ps
from propensity import core

SCIPY_ROWS = 4_000  # 1,200 x 2,800 distances


def main() -> None:
    """Time every method at every size, and print a line each."""
    options = _options()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for rows in options.rows:
        print(f"\n{rows:,} rows")
        calls = _calls(_world(rows))
        spent: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(options.repeats):
            for name, call in calls.items():
                spent[name].append(_seconds(call))
        for name, seconds in spent.items():
            print(f"  {name:<44} {statistics.median(seconds):8.3f} s")
    mine, other = _against_scipy(options.repeats)
    print(f"\n{SCIPY_ROWS:,} rows: {mine:.4f} s; scipy.optimize.linear_sum_assignment {other:.3f} s")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[50_000, 200_000, 1_000_000, 5_000_000])
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args()


def _world(rows: int) -> pd.DataFrame:
    """Five covariates, a score that depends on four of them, and the treatment, 30% of the rows."""
    rng = np.random.default_rng(4)
    df = pd.DataFrame(rng.normal(size=(rows, 4)), columns=["age", "income", "tenure", "visits"])
    df["score"] = 1 / (1 + np.exp(1 - 0.5 * df.sum(axis=1)))
    df["tier"] = rng.choice(["light", "medium", "heavy"], rows)
    df["treated"] = rng.random(rows) < df["score"]
    return df


def _calls(df: pd.DataFrame) -> dict[str, Callable[[], object]]:
    covariates = ["age", "income", "tenure", "visits", "tier"]
    scores, treated = df["score"].to_numpy(), df["treated"].to_numpy()
    return {
        "subclassify, 20 subclasses": lambda: ps.subclassify(
            df, treatment="treated", scores="score", n_subclasses=20
        ),
        "match_cem, 5 covariates": lambda: ps.match_cem(df, treatment="treated", covariates=covariates),
        "match_full": lambda: ps.match_full(df, treatment="treated", scores="score"),
        "match_full, caliper": lambda: ps.match_full(df, treatment="treated", scores="score", caliper=0.2),
        "match_full, exact tier": lambda: ps.match_full(
            df, treatment="treated", scores="score", exact=["tier"]
        ),
        "core.match_full": lambda: core.match_full(scores, treated),
        "core.match_nn, optimal": lambda: core.match_nn(scores, treated, method="optimal", replace=False),
        "core.match_nn, optimal, 2 neighbours": lambda: core.match_nn(
            scores, treated, method="optimal", replace=False, n_neighbors=2
        ),
        "core.match_nn, optimal, caliper": lambda: core.match_nn(
            scores, treated, method="optimal", replace=False, caliper=0.2
        ),
    }


def _against_scipy(repeats: int) -> tuple[float, float]:
    """Compare with an assignment of all distances: median seconds of ours and of SciPy's."""
    rng = np.random.default_rng(4)
    treated = np.arange(SCIPY_ROWS) < 0.3 * SCIPY_ROWS
    scores = np.where(treated, rng.beta(2, 3, SCIPY_ROWS), rng.beta(2, 4, SCIPY_ROWS))
    ours, theirs = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        found = core.match_nn(scores, treated, method="optimal", replace=False)
        middle = time.perf_counter()
        gaps = np.abs(scores[treated][:, None] - scores[~treated])
        expected = gaps[optimize.linear_sum_assignment(gaps)].sum()
        theirs.append(time.perf_counter() - middle)
        ours.append(middle - start)
        total = np.abs(scores[found.focal] - scores[found.donors]).sum()
        assert abs(total - expected) < 1e-9 * expected
    return statistics.median(ours), statistics.median(theirs)


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
