"""Every job against what people use today, into a table and a picture.

python benchmarks/report.py                  # all, into docs/performance.md; 18 minutes on two slow cores
python benchmarks/report.py --quick          # a taste of it, printed
python benchmarks/report.py --only estimates # one part, printed
python benchmarks/report.py --refresh        # the page and the picture again, from docs/performance.csv
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import balance_jobs
import bootstrap_jobs
import clock
import covariate_matching_jobs
import distinct_jobs
import estimate_jobs
import factors
import grid_jobs
import kinds_jobs
import matching_jobs
import outcomes_jobs
import polars_jobs
import wide_jobs
from clock import Row
from coverage_report import fill

DOCS = Path(__file__).parents[1] / "docs"
PARTS = {
    "bootstrap": bootstrap_jobs.jobs,
    "estimates": estimate_jobs.jobs,
    "balance": balance_jobs.jobs,
    "matching": matching_jobs.jobs,
    "factors": factors.jobs,
    "wide": wide_jobs.jobs,
    "distinct": distinct_jobs.jobs,
    "polars": polars_jobs.jobs,
    "least distance": covariate_matching_jobs.jobs,
    "outcomes": outcomes_jobs.jobs,
    "kinds": kinds_jobs.jobs,
    "grid": grid_jobs.jobs,
}
_BESIDE = ("rows", "columns")
"""Tables that the part `bootstrap` fills beside its own."""
_IN_OTHERS = ("balance",)
"""Parts whose rows are in another's table."""
VERSIONS = ["propensity", "numpy", "pandas", "scikit-learn", "statsmodels"]

_DRAWN = {"bootstrap", "estimates", "matching"}
_INK, _GREY, _FAINT = "#222222", "#9A9A9A", "#E4E4E4"


def main() -> None:
    """Run what was asked for, and keep or print the results."""
    options = _options()
    if options.refresh:
        refresh(options.output)
        return
    found = []
    for row in _run(options.only or list(PARTS), quick=options.quick):
        print(_line(row), flush=True)
        found.append(vars(row))
    if not (options.quick or options.only):
        write(pd.DataFrame(found), clock.machine(VERSIONS), options.output)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds and rows, printed only")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), help="these parts, printed only")
    parser.add_argument("--refresh", action="store_true", help="page and picture from performance.csv")
    parser.add_argument("--output", type=Path, default=DOCS, metavar="FOLDER")
    return parser.parse_args()


def _run(parts: Iterable[str], *, quick: bool) -> Iterator[Row]:
    started = time.perf_counter()
    for part in parts:
        yield from PARTS[part](quick=quick)
        print(f"-- {part}: {time.perf_counter() - started:.0f} s since the start")


def _line(row: Row) -> str:
    other = f"{row.other} {_shown(row.other_value, row.unit)}" if row.other else ""
    ratio = f"{row.ratio:,.1f} times" if row.other else ""
    bar = "" if math.isnan(row.bar) else f"(bar {row.bar:,g}) {_verdict(row)}"
    return f"{row.job}: {_shown(row.own_value, row.unit)}  {other}  {ratio} {bar} {row.note}".rstrip()


def write(results: pd.DataFrame, machine: str, folder: Path) -> None:
    """Keep the results in `performance.csv`, the machine in its first line, and make the page from it.

    Parameters
    ----------
    results : DataFrame
        One row a `clock.Row`.
    machine : str
        What it was measured on.
    folder : Path
    """
    table = results.to_csv(index=False, float_format="%.4g", lineterminator="\n")
    (folder / "performance.csv").write_text(f"# {machine}\n{table}", encoding="utf-8")
    refresh(folder)


def refresh(folder: Path) -> None:
    """Make the page's tables and the picture again from `performance.csv`."""
    machine, rows = read(folder)
    page = folder / "performance.md"
    page.write_text(fill(page.read_text(encoding="utf-8"), sections(machine, rows)), encoding="utf-8")
    draw(rows, folder / "performance.png")


def read(folder: Path) -> tuple[str, list[Row]]:
    """Read the machine and the rows back."""
    path = folder / "performance.csv"
    with path.open(encoding="utf-8") as lines:
        machine = lines.readline().removeprefix("# ").strip()
        table = pd.read_csv(lines, keep_default_na=False, na_values={"other_value": "", "bar": ""})
    return machine, [
        Row(**{str(name): value for name, value in row.items()}) for row in table.to_dict("records")
    ]


def sections(machine: str, rows: list[Row]) -> dict[str, str]:
    """Give the page's sections by name, in Markdown."""
    parts = {part: [row for row in rows if row.part == part] for part in (*PARTS, *_BESIDE)}
    tables = {part: table(own) for part, own in parts.items() if part not in _IN_OTHERS}
    tables["grid"] = grid_jobs.table(parts["grid"])
    return {"machine": f"Measured on: {machine}."} | tables


def table(rows: list[Row]) -> str:
    """Lay rows out in Markdown."""
    head = ["job", "propensity", "compared with", "it takes", "ratio", "bar", "note"]
    body = [
        [
            row.job,
            _shown(row.own_value, row.unit),
            row.other,
            _shown(row.other_value, row.unit),
            "" if math.isnan(row.ratio) else f"{row.ratio:,.3g}",
            "" if math.isnan(row.bar) else f"{row.bar:,g} {_verdict(row)}",
            row.note,
        ]
        for row in rows
    ]
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _verdict(row: Row) -> str:
    return "met" if row.ratio >= row.bar else "missed"


def _shown(value: float, unit: str) -> str:
    if math.isnan(value):
        return ""
    if unit == "MB":
        return f"{value:,.0f} MB"
    if unit == "ns":
        return f"{value:,.3g} ns"
    return f"{1e3 * value:,.3g} ms" if value < 1 else f"{value:,.3g} s"


def draw(rows: list[Row], path: Path) -> None:
    """Draw the ratios on a logarithmic scale, the bars as marks.

    Parameters
    ----------
    rows : list of Row
        Those with a ratio in time and a package to compare with are drawn.
    path : Path
        The picture to write.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import

    shown = [row for row in rows if row.unit == "s" and row.part in _DRAWN and row.bar > 1]
    places = np.arange(len(shown))[::-1]
    figure = Figure(figsize=(9, 0.34 * len(shown) + 0.9), layout="constrained")
    axes = figure.subplots()
    axes.barh(places, [row.ratio for row in shown], height=0.5, color=_GREY)
    for place, row in zip(places, shown, strict=True):
        axes.plot([row.bar, row.bar], [place - 0.4, place + 0.4], color=_INK, linewidth=2)
        # Beyond the stroke where that would run through the number.
        end = row.bar if row.ratio < row.bar < 1.8 * row.ratio else row.ratio
        ratio = f"{row.ratio:,.0f} ×" if row.ratio >= 10 else f"{row.ratio:.1f} ×"
        axes.text(1.08 * end, place, ratio, va="center", color=_INK, fontsize=8)
    axes.set_yticks(places, [f"{row.job}\nagainst {row.other}" for row in shown], fontsize=7)
    axes.set_xscale("log")
    axes.set_xlim(1, 3 * max(row.ratio for row in shown))
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("times as fast, on a logarithmic scale; the stroke is what was promised", fontsize=8)
    axes.grid(axis="x", color=_FAINT)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(which="both", length=0, labelsize=7)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
