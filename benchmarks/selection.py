"""What estimates are worth after covariates were selected, of 500, by `select_covariates` and otherwise.

Run by hand: ``python benchmarks/selection.py [data sets]``; it prints rows of a table in docs/validation.md.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LassoCV

import propensity as ps
from propensity.effects.inference import normal_quantile
from world_rows import Bools, Floats, expit, flip

N, D, EFFECT, SEED = 1_000, 500, 1.0, 21
ROLES: Mapping[str, Any] = {"outcome": "y", "treatment": "t"}


@dataclass(frozen=True)
class Wide:
    """A world of 500 columns: how much each moves the treatment's log-odds, and the outcome."""

    treatment: Floats
    outcome: Floats

    def draw(self, rng: np.random.Generator) -> pd.DataFrame:
        """Draw rows: normal columns, neighbours correlated by .5, an effect of 1 for everybody."""
        noise = rng.normal(size=(N, D))
        x = noise.copy()
        for k in range(1, D):
            x[:, k] = 0.5 * x[:, k - 1] + np.sqrt(0.75) * noise[:, k]
        treated: Bools = flip(rng, expit(x @ self.treatment))
        outcome = EFFECT * treated + x @ self.outcome + rng.normal(size=N)
        df = pd.DataFrame(x, columns=[f"x{k}" for k in range(D)])
        return df.assign(t=treated, y=outcome)


def _at(**sizes: float) -> Floats:
    """Give sizes to stretches of columns: `_at(c0_10=.25)`."""
    found = np.zeros(D)
    for stretch, size in sizes.items():
        first, last = map(int, stretch[1:].split("_"))
        found[first:last] = size
    return found


_EVERY_OTHER = np.where((np.arange(D) < 40) & (np.arange(D) % 2 == 0), 0.18, 0.0)

WORLDS: Mapping[str, Wide] = {
    "ten confounders": Wide(_at(c0_10=0.25), _at(c0_10=0.25)),
    "instruments, predictors": Wide(_at(c0_8=0.3), _at(c0_4=0.3, c4_8=0.05, c8_12=0.5)),
    "ever smaller": Wide(0.96 / np.arange(1, D + 1) ** 2, 1 / np.arange(1, D + 1) ** 2),
    "twenty weak ones": Wide(_EVERY_OTHER, _EVERY_OTHER),
}


def double_selection(df: pd.DataFrame, columns: list[str]) -> list[str]:
    """Select as the package does."""
    return list(ps.select_covariates(df, **ROLES, covariates=columns))


def outcome_alone(df: pd.DataFrame, columns: list[str]) -> list[str]:
    """Select by the outcome's lasso alone."""
    return ps.select_covariates(df, **ROLES, covariates=columns).chosen_for("y")


def cross_validated(df: pd.DataFrame, columns: list[str]) -> list[str]:
    """Select by two lassos whose penalties foretell best, in five folds."""
    x = df[columns].to_numpy()
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    chosen = [
        LassoCV(cv=5, alphas=60, eps=1e-2, tol=1e-3).fit(z, df[role].to_numpy(float)).coef_ != 0
        for role in ("t", "y")
    ]
    return [name for name, one in zip(columns, np.logical_or(*chosen), strict=True) if one]


METHODS: Mapping[str, Callable[[pd.DataFrame, list[str]], list[str]]] = {
    "double selection": double_selection,
    "outcome alone": outcome_alone,
    "cross-validated": cross_validated,
}


def row(name: str, method: str, data_sets: int) -> str:
    """Give a row: covariates selected, seconds, and bias, spread and coverage of two estimators."""
    rng = np.random.default_rng(SEED)
    sizes, seconds = [], []
    found: dict[str, list[tuple[float, float]]] = {"aipw": [], "regression_adjustment": []}
    for _ in range(data_sets):
        df = WORLDS[name].draw(rng)
        start = time.process_time()
        chosen = METHODS[method](df, [column for column in df.columns if column.startswith("x")])
        seconds.append(time.process_time() - start)
        sizes.append(len(chosen))
        for function, effects in found.items():
            effect = getattr(ps, function)(df, **ROLES, covariates=chosen or "1")
            effects.append((effect.estimate - EFFECT, effect.std_error))
    cells = [f"{np.mean(sizes):.1f}", f"{np.mean(seconds):.2f} s"]
    for effects in found.values():
        gap, error = np.array(effects).T
        held = np.mean(np.abs(gap) < normal_quantile(0.95) * error)
        cells.append(f"{gap.mean():+.3f}, {gap.std():.3f}, {held:.0%}")
    return f"| {name} | {method} | {' | '.join(cells)} |"


def main() -> None:
    """Print the rows, of so many data sets (200 by default)."""
    warnings.simplefilter("ignore")  # of estimators, about many terms
    data_sets = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    for name in WORLDS:
        for method in METHODS:
            print(row(name, method, data_sets), flush=True)


if __name__ == "__main__":
    main()
