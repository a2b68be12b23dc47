"""How many bootstrap replicates each kind of interval needs for ends that other draws put in the same place.

python benchmarks/enough_replicates.py    # about a minute of one core, printed

64,000 replicates of two data sets are cut into runs of n. The table has the 95% quantile over runs of how
far an end lies from that of all replicates, as a share of the interval's width: the worst of both ends, of
the ATE and the ATT by weighting. `ENOUGH` in `resampling/end_errors.py` is where it falls to 5%.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

import propensity as ps

N_REPS, RUNS_OF = 64_000, (250, 500, 1_000, 2_000, 4_000)
KINDS = ("percentile", "studentized", "bca", "calibrated")


def few_treated() -> pd.DataFrame:
    """Draw 3,000 users of whom 60 were treated."""
    rng = np.random.default_rng(3)
    n = 3_000
    age, spend = rng.normal(40, 12, n), rng.normal(3, 1, n)
    chance = np.exp(0.02 * (age - 40) + 0.3 * spend)
    t = np.zeros(n, dtype=int)
    t[rng.choice(n, 60, replace=False, p=chance / chance.sum())] = 1
    y = rng.random(n) < np.clip(0.25 + 0.1 * t + 0.03 * (spend - 3), 0, 1)
    return pd.DataFrame({"age": age, "spend": spend, "t": t, "y": y})


def spread_of_ends(boot: Any, kind: str, n: int) -> float:
    """Give how far runs of n replicates put an end from where all put it, in widths: the 95% quantile."""
    full = boot.conf_int(kind=kind).to_numpy()
    far = []
    for start in range(0, N_REPS, n):
        rows = slice(start, start + n)
        tables = {
            name: getattr(boot, name).iloc[rows].reset_index(drop=True)
            for name in ("replicates", "replicate_std_errors")
        }
        far.append(np.abs(replace(boot, **tables).conf_int(kind=kind).to_numpy() - full))
    return float((np.quantile(far, 0.95, axis=0) / np.ptp(full, axis=1)[:, None]).max())


def main() -> None:
    """Print a line for each data set and kind, a column for each number of replicates."""
    warnings.simplefilter("ignore")
    worlds: dict[str, tuple[pd.DataFrame, dict[str, Any]]] = {
        "60 of 3,000 treated": (
            few_treated(),
            {"outcome": "y", "treatment": "t", "covariates": ["age", "spend"]},
        ),
        "1,000 users of the logs": (
            ps.datasets.opt_in_logs(n_users=1_000),
            {
                "outcome": "task_completed",
                "treatment": "opt_in_agent_mode",
                "covariates": ["engagement_tier", "query_confidence"],
            },
        ),
    }
    for name, (df, roles) in worlds.items():
        boot = ps.bootstrap(
            df,
            **roles,
            estimators=[ps.IPW("ATE"), ps.IPW("ATT")],
            n_reps=N_REPS,
            seed=1,
            studentized=True,
            n_threads=1,
            progress=False,
        )
        for kind in KINDS:
            shares = [f"{spread_of_ends(boot, kind, n):.1%}" for n in RUNS_OF]
            print(f"{name:24} {kind:12}", *(f"{share:>6}" for share in shares))


if __name__ == "__main__":
    main()
