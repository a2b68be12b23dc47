"""Whether intervals of matches hold what they promise where rows vary together within teams.

python benchmarks/matched_clusters.py                      # the figures of docs/validation.md, printed
python benchmarks/matched_clusters.py --data-sets 30       # a taste of it

105 teams of 5 to 15 rows; `within` is the share of the outcome's noise that a team has in common. Rows opt in
one by one, or whole teams do. The effect is 1 for everybody.
"""

from __future__ import annotations

import argparse
import itertools
import warnings
from typing import Literal

import numpy as np
import pandas as pd

import propensity as ps

N_TEAMS = 105
EFFECT = 1.0


def world(rng: np.random.Generator, *, by_team: bool, within: float) -> pd.DataFrame:
    """Draw teams, whose members are alike in a covariate and in what is left of the outcome."""
    team = np.repeat(np.arange(N_TEAMS), rng.integers(5, 16, N_TEAMS))
    of_team, common = rng.normal(size=(2, N_TEAMS))
    x1, x2 = 0.7 * of_team[team] + rng.normal(size=len(team)), rng.normal(size=len(team))
    u = rng.random(N_TEAMS)[team] if by_team else rng.random(len(team))
    t = (u < 1 / (1 + np.exp(0.9 - 0.7 * (of_team[team] if by_team else x1)))).astype(int)
    noise = np.sqrt(within) * common[team] + np.sqrt(1 - within) * rng.normal(size=len(team))
    return pd.DataFrame({"x1": x1, "x2": x2, "t": t, "y": x1 + 0.5 * x2 + EFFECT * t + noise, "team": team})


def intervals(df: pd.DataFrame) -> dict[str, tuple[float, float, bool]]:
    """Match, and give estimate, standard error and whether the interval holds the truth, by what is asked."""
    model = ps.fit_propensity(df, treatment="t", covariates=["x1", "x2"])
    found = {}
    estimands: tuple[Literal["ATT", "ATE"], ...] = "ATT", "ATE"
    for estimand, n_neighbors in itertools.product(estimands, (1, 3)):
        matches = ps.match_nn(df, treatment="t", scores=model, estimand=estimand, n_neighbors=n_neighbors)
        for cluster in ("team", None):
            effect = matches.effect("y", cluster=cluster)
            low, high = effect.conf_int()
            held = low <= EFFECT <= high
            found[f"{n_neighbors}-NN {estimand} {cluster or 'rows'}"] = (
                effect.estimate,
                effect.std_error,
                held,
            )
    return found


def main() -> None:
    """Print coverage, and the standard errors as a multiple of the estimates' spread."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data-sets", type=int, default=300)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for by_team, within in itertools.product((False, True), (0.2, 0.5)):
        rng = np.random.default_rng(int(100 * within) + by_team)
        drawn = (world(rng, by_team=by_team, within=within) for _ in range(arguments.data_sets))
        found = pd.DataFrame([intervals(df) for df in drawn])
        lines = {}
        for name, column in found.items():
            estimates, errors, held = (np.array(values, dtype=float) for values in zip(*column, strict=True))
            spread = np.sqrt((errors**2).mean()) / estimates.std(ddof=1)
            lines[str(name)] = {"coverage": held.mean(), "error / spread": spread}
        table = pd.DataFrame.from_dict(lines, orient="index")
        print(f"{'teams' if by_team else 'rows'} opt in, {within:g} in common")
        print(table.to_string(float_format="{:.3f}".format), flush=True)


if __name__ == "__main__":
    main()
