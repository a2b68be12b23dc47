"""Ten outcomes against one: what they share is paid once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

import propensity as ps
from clock import Row, Sides, medians
from distinct_jobs import distinct

PART = "outcomes"
N_OUTCOMES, N_COLUMNS = 10, 6
OUTCOMES = [f"y{k}" for k in range(N_OUTCOMES)]
COVARIATES = [f"x{k}" for k in range(N_COLUMNS)]


def jobs(*, quick: bool) -> Iterator[Row]:
    """Time ten outcomes, beside ten times one."""
    n = 20_000 if quick else 200_000
    x, treated, _ = distinct(n, N_COLUMNS)
    users = pd.DataFrame(x, columns=COVARIATES).assign(t=treated)
    noise = np.random.default_rng(10).normal(size=(n, N_OUTCOMES))
    users = users.join(pd.DataFrame(noise + treated[:, None] * 0.1, columns=OUTCOMES))
    for name, call in _calls(users).items():
        sides: Sides = {"one": partial(call, OUTCOMES[0]), "ten": partial(call, OUTCOMES)}
        sides["one"]()
        found = medians(sides, rounds=1 if quick else 3)
        job = f"{name}, {N_OUTCOMES} outcomes, {n:,} × {N_COLUMNS}"
        yield Row(PART, job, f"{N_OUTCOMES} times one outcome", N_OUTCOMES * found["one"], found["ten"])


def _calls(users: pd.DataFrame) -> dict[str, Callable[[str | list[str]], object]]:
    roles: dict[str, Any] = {"treatment": "t", "covariates": COVARIATES}
    model = ps.fit_propensity(users, **roles)
    options: dict[str, Any] = {"n_reps": 50, "estimators": [ps.IPW("ATE")], "progress": False}
    return {
        "ipw": lambda outcome: ps.ipw(users, outcome=outcome, treatment="t", scores=model),
        "aipw": lambda outcome: ps.aipw(users, outcome=outcome, **roles),
        "estimate": lambda outcome: ps.estimate(users, outcome=outcome, **roles),
        "bootstrap of IPW, 50 replicates": lambda outcome: ps.bootstrap(
            users, outcome=outcome, **roles, **options
        ),
    }
