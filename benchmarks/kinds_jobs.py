"""The ways of resampling and the estimators that are not the usual ones: what a row costs in a replicate."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

import propensity as ps
from clock import Row, nanoseconds
from distinct_jobs import distinct

PART = "kinds"
N_ROWS, N_COLUMNS = 50_000, 10
USUAL = "IPW ATE, rows drawn with replacement"
IPW = [ps.IPW("ATE")]
NEAREST = ps.NearestNeighbors("ATE", on="logit", caliper=0.2)

KINDS: dict[str, tuple[dict[str, Any], str]] = {
    USUAL: ({"estimators": IPW}, ""),
    "Poisson counts": ({"resampling": "poisson"}, "a count for every row"),
    "Bayesian weights": ({"resampling": "bayesian"}, "a logarithm and eight bytes for every row"),
    "clusters of about 50 rows": ({"cluster": "team"}, ""),
    "20 strata": ({"strata": "cohort"}, "each draws its own rows"),
    "sample weights": ({"sample_weight": "weight"}, ""),
    "a ratio of means": ({"contrast": "ratio", "outcome": "done"}, "the means of both arms"),
    "three outcomes": ({"outcome": ["y", "done", "spent"]}, "all three"),
    "IPW ATO": ({"estimators": [ps.IPW("ATO")]}, ""),
    "weights bounded at their 99th percentile": (
        {"estimators": [ps.IPW("ATE", truncate=0.99)]},
        "orders the weights",
    ),
    "AIPW": ({"estimators": [ps.AIPW("ATE")]}, "two models of the outcome"),
    "AIPW, logistic models": (
        {"estimators": [ps.AIPW("ATE", outcome_model="logistic")], "outcome": "done"},
        "the same, by Newton's steps",
    ),
    "IPWRA": ({"estimators": [ps.IPWRA("ATE")]}, "two models of the outcome"),
    "regression adjustment": (
        {"estimators": [ps.RegressionAdjustment("ATE")]},
        "two models of the outcome, no score",
    ),
    "1-NN ATT": ({"estimators": [ps.NearestNeighbors("ATT")]}, "sorts the donors"),
    "1-NN ATE on the logit, a caliper": ({"estimators": [NEAREST]}, "sorts both arms"),
    "weights that balance, ATT": ({"estimators": [ps.Balancing("ATT")]}, "Newton's steps to balance"),
    "IPW ATE, studentized": ({"studentized": True}, "influence of every row"),
    "AIPW ATE, studentized": (
        {"estimators": [ps.AIPW("ATE")], "studentized": True},
        "influence of every row, by three models",
    ),
}


def jobs(*, quick: bool) -> Iterator[Row]:
    """Time each, beside the usual."""
    users = frame(N_ROWS // 10 if quick else N_ROWS)
    usual = float("nan")
    for label, (options, note) in KINDS.items():
        run = partial(replicates, users, options)
        run(2)
        many = 40 if options.get("studentized") else 104
        own = nanoseconds(run, len(users), 8, many)
        if label == USUAL:
            usual = own
            yield Row(PART, label, "", float("nan"), own, unit="ns")
        else:
            yield Row(PART, label, "the usual", usual, own, unit="ns", note=note)
    yield _subclasses(users, usual)


def frame(n: int) -> pd.DataFrame:
    """Make users, with what is asked of them beside the usual."""
    x, treated, done = distinct(n, N_COLUMNS)
    rng = np.random.default_rng(4)
    users = pd.DataFrame(x, columns=[f"x{k}" for k in range(N_COLUMNS)])
    beside = {"t": treated, "done": done, "y": x[:, 0] + rng.normal(size=n), "spent": rng.exponential(size=n)}
    drawn = {"team": rng.integers(0, n // 50, n), "cohort": rng.integers(0, 20, n)}
    return users.assign(**beside, **drawn, weight=rng.uniform(0.5, 2.0, n))


def replicates(users: pd.DataFrame, options: dict[str, Any], n_reps: int) -> object:
    """Bootstrap the frame as the options say."""
    usual: dict[str, Any] = {"outcome": "y", "estimators": IPW}
    covariates = [f"x{k}" for k in range(N_COLUMNS)]
    run = partial(ps.bootstrap, users, treatment="t", covariates=covariates, progress=False)
    return run(n_reps=n_reps, **(usual | options))


def _subclasses(users: pd.DataFrame, usual: float) -> Row:
    model = ps.fit_propensity(users, treatment="t", covariates=[f"x{k}" for k in range(N_COLUMNS)])
    subclasses = ps.subclassify(users, treatment="t", scores=model, n_subclasses=20)
    run = partial(subclasses.bootstrap, "y", progress=False)
    own = nanoseconds(lambda n_reps: run(n_reps=n_reps), len(users), 8, 48)
    note = "rows copied, a fit from nothing, and the subclasses"
    return Row(PART, "20 subclasses, made again", "the usual", usual, own, unit="ns", note=note)
