"""Worlds of users, and the cells that count them, made here without `ps.collapse`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from propensity.tables.cells import Cells

OUTCOMES = ("done", "clicks", "minutes")
TREATMENT = "opt_in"
COVARIATES = ["tier", "region", "tenure", "pro"]


def world(n: int, seed: int, *, keys: int = 0) -> pd.DataFrame:
    """Draw users with four discrete covariates, a workspace, a survey weight and three outcomes."""
    rng = np.random.default_rng(seed)
    tier = rng.choice(["light", "medium", "heavy"], n, p=[0.5, 0.3, 0.2])
    region = rng.choice(["eu", "na"], n)
    tenure, pro = rng.integers(0, 3, n), rng.random(n) < 0.4
    eta = -0.8 + 0.9 * (tier == "heavy") - 0.4 * (region == "na") + 0.3 * tenure + 0.5 * pro
    opt_in = rng.random(n) < 1 / (1 + np.exp(-eta))
    mean = 0.3 + 0.1 * tenure + 0.15 * pro + 0.1 * opt_in
    return pd.DataFrame(
        {
            "tier": tier,
            "region": region,
            "tenure": tenure,
            "pro": pro,
            "workspace": rng.integers(0, 12, n),
            "w": rng.choice([0.5, 1.0, 2.25], n),
            TREATMENT: opt_in,
            "done": (rng.random(n) < mean / 1.2).astype(int),
            "clicks": rng.poisson(3 * mean),
            "minutes": np.exp(rng.normal(mean, 0.7)) + opt_in,
        }
    )


def cells_of(users: pd.DataFrame, also: tuple[str, ...] = (), outcomes: tuple[str, ...] = OUTCOMES) -> Cells:
    """Count users by their covariates and arm, and by what else is named."""
    grouped = users.groupby([*COVARIATES, *also, TREATMENT], observed=True)
    counts = grouped.size().rename("frequency").to_frame()
    for name in outcomes:
        values = grouped[name]
        summed = {"mean": values.mean(), "variance": values.var(ddof=0)}
        summed |= {"low": values.min(), "high": values.max()}
        counts = counts.assign(**{f"{name}_{what}": column for what, column in summed.items()})
    return Cells.from_counts(
        counts.reset_index(), treatment=TREATMENT, covariates=COVARIATES, also=also, outcome=outcomes
    )
