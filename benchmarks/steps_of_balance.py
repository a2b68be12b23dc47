"""The steps of docs/when-balance-fails.md in simulated worlds: bias, spread and coverage of the ATE.

python benchmarks/steps_of_balance.py                 # 60 data sets of 1,000 rows from each world
python benchmarks/steps_of_balance.py 100 2000 S+ K   # how many, of how many rows, from which worlds

It prints the rows of the table in docs/validation.md as each world is done. `flexible_scores.py` compares
more models of the score, and has the ATT.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

import propensity as ps
from propensity.errors import InfeasibleError, InvalidInputError
from worlds import ALL_WORLDS, World

NAMES = ("Setoguchi A", "E+", "G+", "S+", "K")
SEED = 20
ROLES: dict[str, Any] = {"outcome": "y", "treatment": "t"}


def _scores(df: pd.DataFrame, model: Any) -> Any:
    return ps.fit_propensity(df, treatment="t", covariates=_covariates(df), score_model=model)


def _covariates(df: pd.DataFrame) -> list[str]:
    return [name for name in map(str, df.columns) if name.startswith("x")]


def _balanced(df: pd.DataFrame, *, everything: bool) -> ps.Effect:
    """Balance the covariates, or their squares and products too; nearly, where nothing does exactly."""
    terms: dict[str, Any] = {"moments": 2, "interactions": True} if everything else {}
    design: dict[str, Any] = {"treatment": "t", "covariates": _covariates(df), "estimand": "ATE", **terms}
    try:
        weights = ps.fit_weights(df, **design)
    except InfeasibleError:
        weights = ps.fit_weights(df, **design, penalty=1.0)
    return weights.effect("y")


def _with_log_odds(df: pd.DataFrame) -> ps.Effect:
    """Balance squares and products, and the boosted log-odds as it is."""
    names = _covariates(df)
    bends = [f"{{{name}**2}}" for name in names if df[name].nunique() > 2]
    formula = " + ".join([f"({' + '.join(names)})**2", *bends, "boosted"])
    with_boosted = df.assign(boosted=_scores(df, ps.Boosting()).log_odds)
    weights = ps.fit_weights(with_boosted, treatment="t", covariates=formula, estimand="ATE", penalty=1.0)
    return weights.effect("y")


METHODS: dict[str, Callable[[pd.DataFrame], ps.Effect]] = {
    "IPW, logistic": lambda df: ps.ipw(df, **ROLES, scores=_scores(df, "logistic")),
    "AIPW, logistic and linear": lambda df: ps.aipw(df, **ROLES, covariates=_covariates(df)),
    "EB, as they are": lambda df: _balanced(df, everything=False),
    "EB, squares and products": lambda df: _balanced(df, everything=True),
    "IPW, forest": lambda df: ps.ipw(df, **ROLES, scores=_scores(df, ps.Forest())),
    "IPW, boosting": lambda df: ps.ipw(df, **ROLES, scores=_scores(df, ps.Boosting())),
    "AIPW, forest and boosting": lambda df: ps.aipw(
        df, **ROLES, covariates=_covariates(df), score_model=ps.Forest(), outcome_model=ps.Boosting()
    ),
    "AIPW, boosting for both": lambda df: ps.aipw(
        df, **ROLES, covariates=_covariates(df), score_model=ps.Boosting(), outcome_model=ps.Boosting()
    ),
    "EB, and boosted log-odds": _with_log_odds,
}


def frame(world: World, n: int, data_set: int) -> pd.DataFrame:
    """Draw a data set, its random numbers its own."""
    sample = world.draw(np.random.default_rng([SEED, data_set]), n)
    df = pd.DataFrame(sample.x, columns=[f"x{k}" for k in range(sample.x.shape[1])])
    return df.assign(t=sample.treatment, y=sample.outcome)


def found(world: World, n: int, n_data_sets: int) -> dict[str, list[tuple[float, bool]]]:
    """Give, by method, of each data set how far the estimate is off, and whether the interval holds."""
    results: dict[str, list[tuple[float, bool]]] = {name: [] for name in METHODS}
    truth = world.truth["ATE"]
    for data_set in range(n_data_sets):
        df = frame(world, n, data_set)
        for name, method in METHODS.items():
            try:
                effect = method(df)
            except InvalidInputError:
                continue
            low, high = effect.conf_int()
            results[name].append((effect.estimate - truth, low < truth < high))
    return results


def cell(results: list[tuple[float, bool]], n_data_sets: int) -> str:
    """Say bias, standard deviation and coverage in percent, and how many data sets gave nothing."""
    off, held = np.array([one for one, _ in results]), [inside for _, inside in results]
    lost = n_data_sets - len(results)
    missing = f" ({lost} without)" if lost else ""
    return f"{off.mean():+.3f}, {off.std(ddof=1):.3f}, {np.mean(held):.0%}{missing}"


def main() -> None:
    """Print the table: a row a world, a column a method."""
    n_data_sets, n = (int(given) for given in sys.argv[1:3] or ("60", "1000"))
    warnings.simplefilter("ignore")
    print(f"| world | {' | '.join(METHODS)} |", flush=True)
    for name in sys.argv[3:] or NAMES:
        results = found(ALL_WORLDS[name], n, n_data_sets)
        print(f"| {name} | {' | '.join(cell(one, n_data_sets) for one in results.values())} |", flush=True)


if __name__ == "__main__":
    main()
