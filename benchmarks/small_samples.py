"""Which intervals hold where rows are few: Student's t, the normal law, and corrections for leverage.

python benchmarks/small_samples.py                 # the whole study, into docs/: 20 minutes on two cores
python benchmarks/small_samples.py --quick         # a taste of it, printed
python benchmarks/small_samples.py --report        # the page's tables again, from docs/small_samples.csv

Every interval is that of the effect that the public functions give; ratios are the very same estimates on the
scale of the logarithm. Data set i of a world and size has random numbers of its own, whatever else is run.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import propensity as ps
import small_samples_report
from coverage_study import default_processes
from propensity.effects.contrasts import SCALES
from propensity.effects.effect import Effect
from propensity.errors import InvalidInputError
from small_sample_worlds import SMALL_SAMPLE_WORLDS, SmallWorld, truth_of
from world_rows import Sample

DOCS = Path(__file__).parents[1] / "docs"
SIZES = (100, 250, 1_000)
BLOCK = 25

# How an interval is made, as the table calls it: what `conf_int` is given.
INTERVALS: dict[str, dict[str, Any]] = {
    "t": {},
    "normal": {"df": math.inf},
    "t, HC0": {"se": "HC0"},
    "t, HC3": {"se": "HC3"},
    "normal, HC3": {"se": "HC3", "df": math.inf},
}


def effects_of(sample: Sample) -> Iterator[tuple[str, Effect]]:
    """Estimate every effect of a sample; those that are refused are left out."""
    df = pd.DataFrame({f"x{k}": column for k, column in enumerate(sample.x.T)})
    covariates = list(df)
    df["t"], df["y"] = sample.treatment.astype(int), sample.outcome
    roles: dict[str, Any] = {"treatment": "t", "covariates": covariates}
    more: dict[str, Any] = {}
    if sample.cluster is not None:
        df["g"], more["cluster"] = sample.cluster, "g"
    try:
        model = ps.fit_propensity(df, **roles)
    except InvalidInputError:
        return
    asked: list[tuple[str, Callable[[], Any]]] = []
    for estimand in ("ATE", "ATT", "ATO"):
        own = {"outcome": "y", "estimand": estimand, **more}
        asked.append(("IPW", partial(ps.ipw, df, treatment="t", scores=model, **own)))
    for estimand in ("ATE", "ATT"):
        own = {"outcome": "y", "estimand": estimand, **roles, **more}
        asked.append(("AIPW", partial(ps.aipw, df, **own)))
        asked.append(("IPWRA", partial(ps.ipwra, df, **own)))
        asked.append(("RA", partial(ps.regression_adjustment, df, **own)))
        asked.append(("entropy", partial(_balanced, df, roles, estimand, more)))
        if sample.cluster is None:
            asked.append(("1-NN", partial(_matched, ps.match_nn, df, model, estimand)))
            subclasses = partial(ps.subclassify, n_subclasses=20)
            asked.append(("subclasses", partial(_matched, subclasses, df, model, estimand)))
    for name, estimate in asked:
        try:
            yield name, estimate()
        except InvalidInputError:
            continue


def _balanced(df: pd.DataFrame, roles: dict[str, Any], estimand: Any, more: dict[str, Any]) -> Effect:
    found: Effect = ps.fit_weights(df, **roles, estimand=estimand).effect("y", **more)
    return found


def _matched(make: Callable[..., Any], df: pd.DataFrame, model: Any, estimand: Any) -> Effect:
    found: Effect = make(df, treatment="t", scores=model, estimand=estimand).effect("y")
    return found


def lines_of(world: SmallWorld, n: int, seed: int, data_set: int) -> list[dict[str, Any]]:
    """Draw one data set, and tell of each effect, interval and contrast whether it holds the truth."""
    name = int.from_bytes(world.name.encode())
    numbers = np.random.SeedSequence([seed, name, n], spawn_key=(data_set,))
    sample = world.draw(np.random.default_rng(numbers), n)
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for estimator, difference in effects_of(sample):
            for contrast in world.contrasts:
                try:
                    effect = difference.contrast_as(contrast)
                except InvalidInputError:
                    continue
                known = {"world": world.name, "n": n, "estimator": estimator, "contrast": contrast}
                found.append(known | {"estimand": effect.estimand} | _told(world, effect))
    return found


def _told(world: SmallWorld, effect: Effect) -> dict[str, Any]:
    read = SCALES[effect.contrast].read
    truth = truth_of(world, effect.estimand, effect.contrast)
    told: dict[str, Any] = {"gap": read(effect.estimate) - truth, "df": effect.df}
    told["warned"] = bool(small_samples_report.warns(effect.cautions))
    for name, options in INTERVALS.items():
        if options.get("se") == "HC3" and effect.leverage is None:
            continue
        low, high = map(read, effect.conf_int(**options))
        told[name] = bool(low <= truth <= high)
        told[f"width {name}"] = (high - low) / 2
    return told


def _block(task: tuple[str, int, int, int, int]) -> list[dict[str, Any]]:
    world, n, seed, start, stop = task
    return [line for i in range(start, stop) for line in lines_of(SMALL_SAMPLE_WORLDS[world], n, seed, i)]


def run(n_data_sets: int, sizes: list[int], *, seed: int, n_processes: int) -> pd.DataFrame:
    """Run the study.

    Returns
    -------
    DataFrame
        As `small_samples_report.summarise` makes it, all worlds and sizes under each other.
    """
    found, started = [], time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(n_processes) as pool:
        for world in SMALL_SAMPLE_WORLDS:
            for n in sizes:
                starts = range(0, n_data_sets, BLOCK)
                tasks = [(world, n, seed, i, min(i + BLOCK, n_data_sets)) for i in starts]
                lines = [line for block in pool.imap(_block, tasks) for line in block]
                found.append(small_samples_report.summarise(lines, INTERVALS))
                print(f"{time.perf_counter() - started:6.0f} s  {world}, n = {n:,}", flush=True)
    results: pd.DataFrame = pd.concat(found, ignore_index=True)
    return results


def main() -> None:
    """Run what was asked for, and keep or print the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-sets", type=int, default=600, help="of each world and size")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--processes", type=int, default=default_processes())
    parser.add_argument("--seed", type=int, default=18)
    parser.add_argument("--output", type=Path, default=DOCS, help="the folder of validation.md")
    parser.add_argument("--quick", action="store_true", help="few data sets, printed and not kept")
    parser.add_argument("--report", action="store_true", help="render the results kept, run nothing")
    options = parser.parse_args()
    if options.report:
        small_samples_report.refresh(options.output)
        return
    n_data_sets, sizes = (50, [250]) if options.quick else (options.data_sets, options.sizes)
    results = run(n_data_sets, sizes, seed=options.seed, n_processes=options.processes)
    if options.quick:
        print(results.round(3).to_string(index=False))
    else:
        small_samples_report.write(results, options.output)


if __name__ == "__main__":
    main()
