"""The two data sets the reference numbers are about, as arrays: covariates, treatment, outcome."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from propensity import datasets

COVARIATES = {
    "opt_in_logs": ["engagement_tier[T.light]", "engagement_tier[T.medium]", "query_confidence"],
    "cattaneo2": ["mmarried_", "mage", "mage2", "fbaby_", "medu"],
}


@cache
def arrays(data, *covariates):
    """Give x (n x d), the 0/1 treatment and the outcome, all float64, read-only; columns as in COVARIATES."""
    frame = {"opt_in_logs": _opt_in_logs, "cattaneo2": _cattaneo2}[data]()
    x = np.column_stack([frame[name].astype(float) for name in covariates or COVARIATES[data]])
    found = x, np.array(frame["treatment"], dtype=float), np.array(frame["outcome"], dtype=float)
    for array in found:
        array.flags.writeable = False
    return found


@cache
def workspaces():
    """Give the workspace of each of the tutorial's users, (n,) integers."""
    return np.array(datasets.opt_in_logs()["workspace_id"], dtype=np.int64)


def _opt_in_logs():
    logs = datasets.opt_in_logs()
    for tier in ("light", "medium"):
        logs[f"engagement_tier[T.{tier}]"] = logs["engagement_tier"] == tier
    return logs.rename(columns={"opt_in_agent_mode": "treatment", "task_completed": "outcome"})


def _cattaneo2():
    births = pd.read_csv(Path(__file__).parent / "reference" / "cattaneo2.csv.gz")
    return births.rename(columns={"mbsmoke_": "treatment", "bweight": "outcome"})
