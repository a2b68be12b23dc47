"""Whether flexible models reach what linear ones miss: IPW and AIPW by score model, in simulated worlds.

python benchmarks/flexible_scores.py                       # all worlds and models at n = 1,000, 200 sets each
python benchmarks/flexible_scores.py --data-sets 20 --worlds G+ S+ --models boosting logistic
python benchmarks/flexible_scores.py --n 2000 --estimand ATT --n-repeats 5 --output flexible.csv

Scores are out of fold (of the forest out of bag), outcomes boosted out of fold in each arm. Data set i of a
world has random numbers of its own, whatever else is run. A cell is bias, standard deviation of the
estimates, and how many in a hundred 95% intervals hold the truth.
"""

from __future__ import annotations

import argparse
import multiprocessing
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

import propensity as ps
from propensity.errors import InvalidInputError
from world_rows import Sample
from worlds import ALL_WORLDS

WORLDS = ["Setoguchi A", "Setoguchi E", "Setoguchi G", "E+", "G+", "S+", "K"]
MODELS: dict[str, Any] = {
    "true score": None,
    "logistic": "logistic",
    "boosting": ps.Boosting(),
    "boosting, log-loss": ps.Boosting(stop="log_loss"),
    "forest": ps.Forest(),
}
SEED = 20

Estimand = Literal["ATE", "ATT"]


@dataclass(frozen=True)
class Study:
    """What is run on each data set: its size, whose effect, which score models, how many repeats."""

    n: int
    estimand: Estimand
    models: tuple[str, ...]
    n_repeats: int


def estimates(study: Study, world: str, number: int) -> list[tuple[str, str, float, float]]:
    """Give model, estimator, the estimate's error and the standard error on one data set; NaN: it failed."""
    rng = np.random.default_rng([SEED, [*ALL_WORLDS].index(world), study.n, number])
    sample = ALL_WORLDS[world].draw(rng, study.n)
    truth = ALL_WORLDS[world].truth[study.estimand]
    found = []
    for name in study.models:
        for estimator, run in {"IPW": _weighted, "AIPW": _augmented}.items():
            try:
                effect = run(sample, name, study)
                found.append((name, estimator, effect.estimate - truth, effect.std_error))
            except InvalidInputError:
                found.append((name, estimator, np.nan, np.nan))
    return found


def _frame(sample: Sample) -> tuple[pd.DataFrame, list[str]]:
    columns = [f"x{k + 1}" for k in range(sample.x.shape[1])]
    frame = pd.DataFrame(sample.x, columns=columns)
    return frame.assign(t=sample.treatment, y=sample.outcome, e=sample.scores), columns


def _weighted(sample: Sample, name: str, study: Study) -> ps.Effect:
    df, columns = _frame(sample)
    scores: Any = "e"
    if name != "true score":
        options: dict[str, Any] = {"score_model": MODELS[name]}
        if name == "boosting":
            options["estimand"] = study.estimand
        scores = ps.fit_propensity(df, treatment="t", covariates=columns, **options)
    effect: ps.Effect = ps.ipw(df, outcome="y", treatment="t", scores=scores, estimand=study.estimand)
    return effect


def _augmented(sample: Sample, name: str, study: Study) -> ps.Effect:
    df, columns = _frame(sample)
    scores = {"scores": "e"} if name == "true score" else {"score_model": MODELS[name]}
    effect: ps.Effect = ps.aipw(
        df,
        outcome="y",
        treatment="t",
        covariates=columns,
        estimand=study.estimand,
        outcome_model=ps.Boosting(),
        n_repeats=study.n_repeats,
        **scores,
    )
    return effect


def run(study: Study, world: str, n_data_sets: int, n_processes: int) -> pd.DataFrame:
    """Summarise a world: a row for each model and estimator."""
    task = partial(_quietly, study, world)
    if n_processes == 1:
        found = [row for rows in map(task, range(n_data_sets)) for row in rows]
    else:
        with multiprocessing.get_context("spawn").Pool(n_processes) as pool:
            found = [row for rows in pool.imap(task, range(n_data_sets), chunksize=5) for row in rows]
    return pd.DataFrame(list(_summaries(found, world)))


def _quietly(study: Study, world: str, number: int) -> list[tuple[str, str, float, float]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimates(study, world, number)


def _summaries(found: Sequence[tuple[str, str, float, float]], world: str) -> Iterator[dict[str, Any]]:
    table = pd.DataFrame(found, columns=["model", "estimator", "error", "std_error"])
    for (model, estimator), rows in table.groupby(["model", "estimator"], sort=False):
        done = rows.dropna()
        yield {
            "world": world,
            "model": model,
            "estimator": estimator,
            "bias": done["error"].mean(),
            "sd": done["error"].std(),
            "mean_std_error": done["std_error"].mean(),
            "coverage": (done["error"].abs() < 1.959964 * done["std_error"]).mean(),
            "n": len(done),
            "failed": len(rows) - len(done),
        }


def in_cells(results: pd.DataFrame) -> pd.DataFrame:
    """Put bias, standard deviation and coverage into a cell, a row for each estimator and model."""
    cells = []
    for row in results.to_dict("records"):
        failed = f" ({row['failed']} failed)" if row["failed"] else ""
        cells.append(f"{row['bias']:+.3f} {row['sd']:.3f} {100 * row['coverage']:.0f}{failed}")
    wide = results.assign(cell=cells).pivot_table(
        index=["estimator", "model"], columns="world", values="cell", aggfunc="first", sort=False
    )
    return wide.rename_axis(columns=None)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-sets", type=int, default=200, help="of each world")
    parser.add_argument("--n", type=int, default=1_000, help="rows of a data set")
    parser.add_argument("--worlds", nargs="+", default=WORLDS, choices=[*ALL_WORLDS])
    parser.add_argument("--models", nargs="+", default=[*MODELS], choices=[*MODELS])
    parser.add_argument("--estimand", default="ATE", choices=["ATE", "ATT"])
    parser.add_argument("--n-repeats", type=int, default=1, help="of the folds, of AIPW")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--output", type=Path, help="a CSV file for the figures")
    return parser.parse_args()


def main() -> None:
    """Run the worlds one by one, and print the table."""
    options = _options()
    study = Study(options.n, options.estimand, tuple(options.models), options.n_repeats)
    found = []
    for world in options.worlds:
        found.append(run(study, world, options.data_sets, options.processes))
        print(in_cells(found[-1]).to_string(), flush=True)
    results = pd.concat(found, ignore_index=True)
    print(in_cells(results).to_string())
    if options.output is not None:
        results.to_csv(options.output, index=False, float_format="%.5g")


if __name__ == "__main__":
    main()
