"""Which bootstrap intervals hold: all kinds that `ps.bootstrap` has, beside that of the effect itself.

python benchmarks/bootstrap_kinds.py            # the whole count, into docs/: some minutes on one core
python benchmarks/bootstrap_kinds.py --quick    # a taste of it, printed

Data set i of a world and size has random numbers of its own, whatever else is run.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

import propensity as ps
from coverage_report import fill
from propensity.resampling.intervals import KINDS, IntervalKind
from world_rows import Sample
from worlds import ALL_WORLDS

DOCS = Path(__file__).parents[1] / "docs"
WORLDS = ("LD moderate", "HET", "Setoguchi A", "KS right")
SIZES, N_REPS = (100, 250), 400
ESTIMATORS: tuple[Any, ...] = (ps.IPW("ATE"), ps.AIPW("ATE"))
ANALYTIC = "t"
_WIDTHS = ("percentile", "studentized", "calibrated")


def intervals_of(sample: Sample, n_reps: int) -> dict[tuple[str, str], tuple[float, float]]:
    """Give every interval by estimator and kind; none of data that have none."""
    covariates = [f"x{k}" for k in range(sample.x.shape[1])]
    df = pd.DataFrame(sample.x, columns=covariates)
    df = df.assign(t=sample.treatment.astype(int), y=sample.outcome)
    roles: dict[str, Any] = {"outcome": "y", "treatment": "t"}
    boot = ps.bootstrap(
        df,
        **roles,
        covariates=covariates,
        estimators=ESTIMATORS,
        n_reps=n_reps,
        studentized=True,
        n_threads=1,
        progress=False,
    )
    model = ps.fit_propensity(df, treatment="t", covariates=covariates)
    effects = ps.ipw(df, **roles, scores=model), ps.aipw(df, **roles, covariates=covariates)
    found: dict[tuple[str, str], tuple[float, float]] = {}
    for estimator, effect in zip(ESTIMATORS, effects, strict=True):
        found[estimator.label, ANALYTIC] = effect.conf_int()
        for kind in get_args(IntervalKind):
            low, high = boot.conf_int(kind=kind).loc[estimator.label]
            found[estimator.label, kind] = float(low), float(high)
    return found


def count(world: str, n: int, n_data_sets: int, n_reps: int, seed: int = 18) -> pd.DataFrame:
    """Count over data sets of one world and size: coverage and the median width, by estimator and kind."""
    truth = ALL_WORLDS[world].truth["ATE"]
    held: dict[tuple[str, str], list[bool]] = {}
    widths: dict[tuple[str, str], list[float]] = {}
    for i in range(n_data_sets):
        numbers = np.random.SeedSequence([seed, int.from_bytes(world.encode()), n], spawn_key=(i,))
        sample = ALL_WORLDS[world].draw(np.random.default_rng(numbers), n)
        try:
            found = intervals_of(sample, n_reps)
        except (ps.errors.InvalidInputError, ps.errors.OverlapError, ps.errors.SeparationError):
            continue
        for key, (low, high) in found.items():
            if np.isfinite(high - low):
                held.setdefault(key, []).append(low <= truth <= high)
                widths.setdefault(key, []).append(high - low)
    lines = [
        {"world": world, "n": n, "estimator": key[0], "kind": key[1], "n_data_sets": len(own)}
        | {"coverage": np.mean(own), "width": np.median(widths[key])}
        for key, own in held.items()
    ]
    return pd.DataFrame(lines)


def table(results: pd.DataFrame) -> str:
    """Give the page's table in Markdown: a row a size and estimator, coverage of each kind in percent.

    The mean over worlds, in brackets the least; a width is that over the interval by t, the mean likewise.
    """
    kinds = [ANALYTIC, *KINDS]
    lines = [["rows", "estimator", *kinds, *(f"width of {kind}" for kind in _WIDTHS)]]
    lines.append(["---"] * len(lines[0]))
    for (n, estimator), own in results.groupby(["n", "estimator"]):
        by_kind = {kind: part.set_index("world") for kind, part in own.groupby("kind")}
        cells = [
            f"{100 * by_kind[kind]['coverage'].mean():.1f} ({100 * by_kind[kind]['coverage'].min():.1f})"
            for kind in kinds
        ]
        widths = [f"{(by_kind[kind]['width'] / by_kind[ANALYTIC]['width']).mean():.2f}" for kind in _WIDTHS]
        lines.append([f"{n:,}", str(estimator), *cells, *widths])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Run what was asked for, and keep or print the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-sets", type=int, default=60, help="of each world and size")
    parser.add_argument("--quick", action="store_true", help="few data sets, printed and not kept")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    sizes, n_data_sets = ((250,), 20) if options.quick else (SIZES, options.data_sets)
    found, started = [], time.perf_counter()
    for world in WORLDS:
        for n in sizes:
            found.append(count(world, n, n_data_sets, N_REPS))
            print(f"{time.perf_counter() - started:6.0f} s  {world}, n = {n:,}", flush=True)
    results = pd.concat(found, ignore_index=True)
    if options.quick:
        print(table(results))
        return
    path = DOCS / "bootstrap_kinds.csv"
    results.to_csv(path, index=False, float_format="%.4g", lineterminator="\n")
    page = DOCS / "validation.md"
    sections = {"bootstrap-kinds": table(pd.read_csv(path))}
    page.write_text(fill(page.read_text(encoding="utf-8"), sections), encoding="utf-8")


if __name__ == "__main__":
    main()
