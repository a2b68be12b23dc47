"""Tables and a picture from the results of the coverage study; nothing is estimated here."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from worlds import ALL_WORLDS, ESTIMANDS, WORLDS, World

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOW, HIGH = 0.935, 0.965  # the coverage a recommended interval should have

# The intervals that results carry by default; the others are there for contrast.
_RECOMMENDED = ["sandwich", "Abadie-Imbens 2016"]

# Parts whose tables have a row a method, and worlds across.
_FRAME_PARTS = ["matching", "again", "weights", "clusters", "cross-fitting"]

_INK, _GREY, _FAINT = "#222222", "#9A9A9A", "#E4E4E4"
_MARKERS = {250: ("o", "white", -0.24), 1000: ("D", _GREY, 0.0), 5000: ("o", _INK, 0.24)}
_LEFT_EDGE, _PANELS_A_ROW = 0.70, 4


def write(results: pd.DataFrame, folder: Path) -> None:
    """Keep the results: `coverage.csv`, `coverage.png`, and the tables between the marks of `validation.md`.

    Parameters
    ----------
    results : DataFrame
        One row a method, world and size, as `coverage_study.run` makes them.
    folder : Path
    """
    table = folder / "coverage.csv"
    results.to_csv(table, index=False, float_format="%.5g", lineterminator="\n")
    refresh(folder)


def refresh(folder: Path) -> None:
    """Make the page's tables and the picture again from `coverage.csv`."""
    results = pd.read_csv(folder / "coverage.csv")
    page = folder / "validation.md"
    page.write_text(fill(page.read_text(encoding="utf-8"), tables(results)), encoding="utf-8")
    dot_plot(results, folder / "coverage.png")


def fill(page: str, sections: Mapping[str, str]) -> str:
    """Put each section between its marks, `<!-- begin: name -->` and `<!-- end: name -->`."""
    for name, text in sections.items():
        begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
        if page.count(begin) != 1 or page.count(end) != 1:
            raise ValueError(f"the page must have the marks of {name!r} once")
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        page = f"{before}{begin}\n\n{text}\n\n{end}{after}"
    return page


def tables(results: pd.DataFrame) -> dict[str, str]:
    """Give the page's sections by name, in Markdown."""
    main = results[results["part"] == "main"]
    return {
        "worlds": _worlds_table([*ALL_WORLDS.values()]),
        "coverage": _coverage_by_size(main[main["interval"].isin(_RECOMMENDED)]),
        "warnings": _warnings(main[(main["estimator"] == "IPW") & (main["interval"] == "sandwich")]),
        "contrasts": _contrasts(main[main["n"] == 1000]),
        "bootstrap": _coverage_by_interval(results[results["part"] == "bootstrap"]),
        "small": _coverage_by_interval(results[results["part"] == "small"], with_size=True),
        "details": _details(main[main["n"] == 1000]),
    } | {part: _by_world(results[results["part"] == part]) for part in _FRAME_PARTS}


def _worlds_table(worlds: list[World]) -> str:
    rows = [[world.name, world.source, world.trait, _truth(world)] for world in worlds]
    return _markdown(["world", "source", "what holds there", "true effect"], rows)


def _truth(world: World) -> str:
    if len(set(world.truth.values())) > 1:
        return ", ".join(f"{estimand} {world.truth[estimand]:.4f}" for estimand in ESTIMANDS)
    precision = f" ± {world.precision:g}" if world.precision else ""
    return f"{world.truth['ATE']:g}{precision}"


def _coverage_by_size(rows: pd.DataFrame) -> str:
    """Give a table for each size, with brackets where what the estimator rests on does not hold."""
    found = []
    for n, own in rows.groupby("n"):
        cell = [_bracketed(row) for row in own.to_dict("records")]
        wide = own.assign(method=own["estimator"] + " " + own["estimand"], cell=cell)
        found.append(f"**n = {n:,}**\n\n" + _wide(wide, index=["world"], columns="method"))
    return "\n\n".join(found)


def _bracketed(row: Mapping[Hashable, Any]) -> str:
    shown = _percent(row["coverage"])
    return shown if _rests_on_truth(row["estimator"], WORLDS[row["world"]]) else f"({shown})"


def _rests_on_truth(estimator: str, world: World) -> bool:
    """Say whether a model that the estimator needs is the true one; with both, either is enough."""
    return {
        "RA": world.outcome_right,
        "AIPW": world.score_right or world.outcome_right,
        "IPWRA": world.score_right or world.outcome_right,
    }.get(estimator, world.score_right)


def _warnings(rows: pd.DataFrame) -> str:
    """Give coverage and, after a stroke, in how many percent of the data sets the package warns."""
    cell = [f"{_percent(row['coverage'])} / {100 * row['warned']:.0f}" for row in rows.to_dict("records")]
    method = rows["estimator"] + " " + rows["estimand"] + ", n = " + rows["n"].map("{:,}".format)
    return _wide(rows.assign(method=method, cell=cell), index=["world"], columns="method")


def _contrasts(rows: pd.DataFrame) -> str:
    """Give every interval of the estimators that have two, side by side."""
    several = rows.groupby(["estimator", "estimand"])["interval"].transform("nunique") > 1
    wide = rows[several]
    method = wide["estimator"] + " " + wide["estimand"] + ", " + wide["interval"]
    return _wide(wide.assign(method=method), index=["world"], columns="method")


def _coverage_by_interval(rows: pd.DataFrame, *, with_size: bool = False) -> str:
    method = (
        rows["estimator"] + " " + rows["estimand"] + ", " + rows["interval"].str.replace("bootstrap ", "")
    )
    index = ["world", "n"] if with_size else ["world"]
    return _wide(rows.assign(method=method), index=index, columns="method")


def _by_world(rows: pd.DataFrame) -> str:
    """Give for each size a row a method, a column a world: coverage, and SE / SD in brackets."""
    found = []
    for n, own in rows.groupby("n"):
        cell = [f"{_percent(row['coverage'])} ({row['se_ratio']:.2f})" for row in own.to_dict("records")]
        method = own["estimator"] + " " + own["estimand"]
        wide = own.assign(method=method, cell=cell)
        table = _wide(wide, index=["method", "interval"], columns="world")
        found.append(f"**n = {n:,}**, {own['n_data_sets'].max():,} data sets\n\n{table}")
    return "\n\n".join(found)


def _wide(rows: pd.DataFrame, *, index: list[str], columns: str) -> str:
    """Lay out coverage (or `cell`), worlds down and methods across, in the order in which they appear."""
    cells = {
        (*(row[name] for name in index), row[columns]): row.get("cell") or _percent(row["coverage"])
        for row in rows.to_dict("records")
    }
    across = list(dict.fromkeys(rows[columns]))
    down = list(dict.fromkeys(rows[index].itertuples(index=False, name=None)))
    body = [[*map(str, place), *(cells.get((*place, method), "") for method in across)] for place in down]
    return _markdown([*index, *across], body)


def _percent(coverage: float) -> str:
    """Write a coverage in percent: bold below the band, in italics above it."""
    mark = "**" if coverage < LOW else "*" if coverage > HIGH else ""
    return f"{mark}{100 * coverage:.1f}{mark}"


def _details(rows: pd.DataFrame) -> str:
    head = ["estimator", "interval", "bias", "SD", "mean SE", "SE / SD", "coverage, %", "failed, %"]
    return "\n\n".join(
        f"**{world}**\n\n" + _markdown(head, [_detail(row) for row in own.to_dict("records")])
        for world, own in rows.groupby("world", sort=False)
    )


def _detail(row: Mapping[Hashable, Any]) -> list[str]:
    return [
        f"{row['estimator']} {row['estimand']}",
        row["interval"],
        f"{row['bias']:+.3g}",
        f"{row['sd']:.3g}",
        f"{row['mean_se']:.3g}",
        f"{row['se_ratio']:.2f}",
        f"{_percent(row['coverage'])} ± {100 * row['coverage_error']:.1f}",
        f"{100 * row['failed']:.1f}",
    ]


def _markdown(head: list[str], body: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def dot_plot(results: pd.DataFrame, path: Path) -> None:
    """Draw the main part: a panel for each estimator, a row for each world, a dot for each size.

    Parameters
    ----------
    results : DataFrame
    path : Path
        The picture to write.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    rows = results[(results["part"] == "main") & results["interval"].isin(_RECOMMENDED)]
    panels = list(rows.groupby(["estimator", "estimand"], sort=False))
    n_rows = -(-len(panels) // _PANELS_A_ROW)
    figure = Figure(figsize=(11.0, 0.8 + 3.6 * n_rows), layout="constrained")
    axes = figure.subplots(n_rows, _PANELS_A_ROW, sharex=True, sharey=True, squeeze=False).ravel()
    for ax, ((estimator, estimand), own) in zip(axes, panels, strict=False):
        _draw_panel(ax, own)
        ax.set_title(f"{estimator} {estimand}", fontsize=10)
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    figure.supxlabel("coverage of nominal 95% intervals; shaded: 93.5% to 96.5%", fontsize=10)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _draw_panel(ax: Axes, rows: pd.DataFrame) -> None:
    worlds = list(dict.fromkeys(rows["world"]))
    coverage = {n: rows[rows["n"] == n].set_index("world")["coverage"] for n in sorted(set(rows["n"]))}
    ax.axvspan(LOW, HIGH, color=_FAINT, zorder=0)
    ax.axvline(0.95, color=_GREY, linewidth=0.8, zorder=1)
    for n, values in coverage.items():
        marker, filling, shift = _MARKERS.get(n, ("s", _GREY, 0.0))
        inside = values.reindex(worlds).clip(lower=_LEFT_EDGE + 0.01)
        style: dict[str, Any] = {"facecolors": filling, "edgecolors": _INK, "linewidths": 0.8, "zorder": 3}
        ax.scatter(inside, np.arange(len(worlds)) + shift, s=20, marker=marker, label=f"n = {n:,}", **style)
    for place, world in enumerate(worlds):
        off = [f"{100 * values[world]:.0f}" for values in coverage.values() if values[world] < _LEFT_EDGE]
        near = [v[world] for v in coverage.values() if _LEFT_EDGE <= v[world] < _LEFT_EDGE + 0.08]
        if off:
            ax.text(max([_LEFT_EDGE, *near]) + 0.02, place, f"{', '.join(off)}%", fontsize=6.5, va="center")
    ax.set_yticks(np.arange(len(worlds)), worlds, fontsize=8)
    ax.set_ylim(len(worlds) - 0.4, -0.6)
    ax.set_xlim(_LEFT_EDGE, 1.005)
    ax.set_xticks([0.7, 0.8, 0.9, 1.0], ["70%", "80%", "90%", "100%"], fontsize=8)
    ax.tick_params(labelbottom=True)
    ax.grid(axis="y", color=_FAINT, linewidth=0.6)
    ax.set_axisbelow(True)
