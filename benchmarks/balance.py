"""The balance table of many columns and weightings, by a NumPy loop and by ``ps.balance``, in one run.

A quarter of the columns each is binary, a count, a price with many ties, and continuous. The loop is the
usual one: column by column, each sorted once for all weightings. The two alternate, so that a busy machine
slows both, and their numbers are compared. Processor seconds are those of all threads together.

    python benchmarks/balance.py                   # 1,000,000 rows, 60 columns, two weightings: minutes
    python benchmarks/balance.py --loop-columns 8  # the loop on 8 of them, scaled up
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

import propensity as ps
from propensity import core

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def main() -> None:
    """Time the array door, the frame door and the loop, and print medians and ratios."""
    options = _options()
    frame, weightings = _world(options.rows, options.columns)
    covariates = [str(name) for name in frame if name != "treated"]
    some = covariates[: options.loop_columns or options.columns]
    scale = len(covariates) / len(some)
    treated = frame["treated"].to_numpy()
    x = np.asfortranarray(frame[covariates].to_numpy(dtype=np.float64))

    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{options.rows:,} rows, {options.columns} columns, {len(weightings)} weightings")
    if scale > 1:
        print(f"loop: {len(some)} columns timed, times {scale:g}")

    kinds: dict[str, Callable[[], object]] = {
        "core.balance": lambda: core.balance(x, treated, weights=list(weightings.values())),
        "ps.balance": lambda: ps.balance(
            frame, treatment="treated", covariates=covariates, weights=weightings
        ),
        "loop": lambda: _loop(frame[some], treated, weightings),
    }
    _compare(frame, some[:8], weightings)
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    processor: dict[str, list[float]] = {kind: [] for kind in kinds}
    for i in range(options.rounds):
        for kind, work in kinds.items():
            factor = scale if kind == "loop" else 1
            start, spent = time.perf_counter(), time.process_time()
            work()
            times[kind].append((time.perf_counter() - start) * factor)
            processor[kind].append((time.process_time() - spent) * factor)
        found = "   ".join(f"{kind} {seconds[-1]:.2f} s" for kind, seconds in times.items())
        print(f"  round {i + 1}: {found}", flush=True)
    medians = {kind: statistics.median(seconds) for kind, seconds in times.items()}
    for kind, seconds in medians.items():
        cpu = statistics.median(processor[kind])
        ratio = medians["loop"] / seconds
        print(f"{kind:>14}: median {seconds:7.2f} s ({cpu:.2f} of processors); loop / this {ratio:.1f}")


def _world(n: int, n_columns: int) -> tuple[pd.DataFrame, dict[str, Floats]]:
    """Give covariates that differ between the arms, and two weightings."""
    rng = np.random.default_rng(7)
    treated = rng.random(n) < 0.4
    shift = 0.3 * treated
    columns: dict[str, npt.NDArray[np.generic]] = {"treated": treated}
    for k in range(n_columns):
        columns[f"x{k}"] = (
            rng.random(n) < 0.3 + 0.2 * shift,
            rng.poisson(4 + shift),
            np.round(rng.lognormal(3 + shift), 2),
            rng.normal(shift),
        )[k % 4]
    return pd.DataFrame(columns), {"one": rng.exponential(size=n), "other": rng.random(n)}


def _loop(frame: pd.DataFrame, treated: Bools, weightings: Mapping[str, Floats]) -> pd.DataFrame:
    """Measure balance column by column, as one would by hand."""
    samples = {"unadjusted": np.ones(len(frame)), **weightings}
    rows = {}
    for name in frame:
        x = frame[name].to_numpy(dtype=np.float64)
        binary = bool(np.isin(x, (0.0, 1.0)).all())
        order = np.argsort(x)
        last = np.append(np.diff(x[order]) > 0, True)
        spreads = [x[arm].var(ddof=0 if binary else 1) for arm in (treated, ~treated)]
        row: dict[tuple[str, str], float] = {}
        for sample, w in samples.items():
            means, variances, shares = [], [], []
            for arm in (treated, ~treated):
                share = np.where(arm, w, 0) / w[arm].sum()
                mean = share @ x
                means.append(mean)
                variances.append(share @ (x - mean) ** 2 / (1 - share @ share))
                shares.append(np.cumsum(share[order])[last])
            gap = np.abs(shares[0] - shares[1])
            row[sample, "smd"] = (means[0] - means[1]) / np.sqrt(sum(spreads) / 2)
            row[sample, "variance_ratio"] = np.nan if binary else variances[0] / variances[1]
            row[sample, "ks"] = gap.max()
            row[sample, "ecdf_difference"] = gap.max() if binary else gap.mean()
        rows[name] = row
    return pd.DataFrame(rows).T


def _compare(frame: pd.DataFrame, covariates: list[str], weightings: Mapping[str, Floats]) -> None:
    """Require both to give the same numbers."""
    slow = _loop(frame[covariates], frame["treated"].to_numpy(), weightings)
    fast = ps.balance(frame, treatment="treated", covariates=covariates, weights=dict(weightings))
    np.testing.assert_allclose(slow, fast[list(slow.columns)], rtol=1e-9, atol=1e-12)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The balance table, against a NumPy and pandas loop.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--loop-columns", type=int, help="time the loop on so many columns, and scale up")
    return parser.parse_args()


if __name__ == "__main__":
    main()
