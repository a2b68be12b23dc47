"""Which intervals hold the truth as often as they say: every estimator in worlds with a known effect.

python benchmarks/coverage.py             # the whole study, into docs/: 40 minutes of processor time
python benchmarks/coverage.py --parts matching again      # some parts anew, the others as they are kept
python benchmarks/coverage.py --quick     # a taste of it, printed
python benchmarks/coverage.py --report    # the page's tables and the picture again, from docs/coverage.csv
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import get_args

import pandas as pd

import coverage_report
from coverage_study import Part, Study, default_processes, run
from worlds import SMALL_WORLDS, WORLDS

BOOTSTRAP_WORLDS = ["Opt-in", "LD moderate", "LD strong", "LTL 4", "HET", "KS right"]
SMALL_SIZES = [100, 200, 400]
MATCHING_WORLDS = ["Prognostic", "LD moderate", "LTL 1", "HET", "Cells", "Tiers", "Rounded"]
AGAIN_WORLDS = ["Prognostic", "HET", "Clusters"]
WEIGHT_WORLDS = ["Noisy weights", "Weights by arm", "Weighted tiers"]
GROUP_SIZES = [500, 1_000]
DOCS = Path(__file__).parents[1] / "docs"


def main() -> None:
    """Run what was asked for, and keep or print the results."""
    options = _options()
    if options.report:
        coverage_report.refresh(options.output)
        return
    started = time.perf_counter()
    planned = _quick_studies() if options.quick else _studies(options)
    if options.parts:
        planned = [study for study in planned if study.part in options.parts]
    found = []
    for table in run(planned, seed=options.seed, n_processes=options.processes):
        found.append(table)
        study = planned[len(found) - 1]
        elapsed = time.perf_counter() - started
        print(f"{elapsed:6.0f} s  {study.part}, {study.world}, n = {study.n:,}", flush=True)
    results = pd.concat(found, ignore_index=True)
    if options.quick:
        print(results.drop(columns="part").round(3).to_string(index=False))
    else:
        kept = _kept(options) if options.parts else None
        coverage_report.write(results if kept is None else pd.concat([kept, results]), options.output)


def _kept(options: argparse.Namespace) -> pd.DataFrame:
    """Read the results of the parts that were not run."""
    results = pd.read_csv(options.output / "coverage.csv")
    return results[~results["part"].isin(options.parts)]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-sets", type=int, default=2_000, help="of each world and size")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[250, 1_000, 5_000], help="rows in a data set"
    )
    parser.add_argument("--n-reps", type=int, default=400, help="bootstrap replicates")
    parser.add_argument("--processes", type=int, default=default_processes())
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--output", type=Path, default=DOCS, help="the folder of validation.md")
    parser.add_argument("--parts", nargs="+", choices=get_args(Part), help="run these alone")
    parser.add_argument("--quick", action="store_true", help="few data sets, printed and not kept")
    parser.add_argument("--report", action="store_true", help="render the results kept, run nothing")
    return parser.parse_args()


def _studies(options: argparse.Namespace) -> list[Study]:
    fewer = options.data_sets // 2  # a bootstrapped data set costs as much as several others
    main = [Study("main", world, n, options.data_sets) for world in WORLDS for n in options.sizes]
    bootstrap = [Study("bootstrap", world, 1_000, fewer, options.n_reps) for world in BOOTSTRAP_WORLDS]
    small = [Study("small", world, n, fewer, options.n_reps) for world in SMALL_WORLDS for n in SMALL_SIZES]
    return main + bootstrap + small + _group_studies(options)


def _group_studies(options: argparse.Namespace) -> list[Study]:
    """Plan what only frames do, on fewer data sets: a call of the frame functions takes some milliseconds."""
    few, reps = options.data_sets // 4, options.n_reps // 2
    return [
        *(Study("matching", world, n, few, 1_000) for world in MATCHING_WORLDS for n in GROUP_SIZES),
        *(Study("again", world, 500, few // 4, reps) for world in AGAIN_WORLDS),
        *(Study("weights", world, n, few) for world in WEIGHT_WORLDS for n in GROUP_SIZES),
        *(Study("clusters", "Clusters", n, few) for n in GROUP_SIZES),
        *(Study("cross-fitting", world, 500, few) for world in AGAIN_WORLDS[:2]),
    ]


def _quick_studies() -> list[Study]:
    return [
        *(Study("main", world, 250, 100) for world in WORLDS),
        Study("bootstrap", "LD strong", 1_000, 20, 100),
        Study("matching", "Prognostic", 500, 50, 200),
        Study("matching", "Cells", 500, 50, 200),
        Study("again", "Prognostic", 500, 20, 100),
        Study("weights", "Weights by arm", 500, 50),
        Study("clusters", "Clusters", 500, 50),
        Study("cross-fitting", "HET", 500, 50),
        *(Study("small", world, 100, 100, 100) for world in SMALL_WORLDS),
    ]


if __name__ == "__main__":
    main()
