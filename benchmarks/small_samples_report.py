"""Tables of the study of few rows, for the first page of `docs/validation.md`; nothing is estimated here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from coverage_report import HIGH, LOW, fill
from small_sample_worlds import WRONG

_KEYS = ["world", "n", "estimator", "estimand", "contrast"]
_NORMAL_QUANTILE = 1.959963984540054

# A cell in which more than half of the data sets are warned of is one that the tool warns of.
_WARNED = 0.5


def summarise(lines: list[dict[str, Any]], intervals: Mapping[str, Any]) -> pd.DataFrame:
    """Count over the data sets of one world and size.

    Parameters
    ----------
    lines : list of dict
        One a data set and estimate, as `small_samples.lines_of` makes them.
    intervals : mapping
        Whose keys are the names of intervals.

    Returns
    -------
    DataFrame
        One row an estimator, estimand and contrast: `n_data_sets` (that were not refused), `bias` in standard
        deviations of the estimates, median `df`, the share `warned` of; of each interval the coverage, the
        coverage where nothing was warned of, and the median width over that of the oracle, the normal
        interval with the true standard deviation.
    """
    return pd.DataFrame(
        _counted(dict(zip(_KEYS, key, strict=True)), own, intervals)
        for key, own in pd.DataFrame(lines).groupby(_KEYS, sort=False)
    )


def _counted(key: dict[str, Any], own: pd.DataFrame, intervals: Mapping[str, Any]) -> dict[str, Any]:
    sd, warned = float(own["gap"].std(ddof=1)), own["warned"].astype(bool)
    found = key | {
        "n_data_sets": len(own),
        "bias": own["gap"].mean() / sd,
        "df": own["df"].median(),
        "warned": warned.mean(),
    }
    for name in intervals:
        if name not in own or own[name].isna().any():
            continue
        held = own[name].astype(bool)
        found[name] = held.mean()
        found[f"{name}, unwarned"] = held[~warned].mean() if (~warned).any() else np.nan
        found[f"{name}, width"] = own[f"{name}, half width"].median() / (_NORMAL_QUANTILE * sd)
    return found


def write(results: pd.DataFrame, folder: Path) -> None:
    """Keep the results: `small_samples.csv`, and the tables between the marks of `validation.md`."""
    path = folder / "small_samples.csv"
    results.to_csv(path, index=False, float_format="%.4g", lineterminator="\n")
    refresh(folder)


def refresh(folder: Path) -> None:
    """Make the page's tables again from `small_samples.csv`."""
    results = pd.read_csv(folder / "small_samples.csv")
    page = folder / "validation.md"
    page.write_text(fill(page.read_text(encoding="utf-8"), tables(results)), encoding="utf-8")


def tables(results: pd.DataFrame) -> dict[str, str]:
    """Give the page's sections by name, in Markdown."""
    right = results[[key not in WRONG for key in zip(results["world"], results["estimator"], strict=True)]]
    return {"first-page": _first(right), "few-rows": _summary(right), "few-rows-cells": _cells(right)}


def in_bar(coverage: pd.Series[float], n_data_sets: pd.Series[int] | int = 0) -> pd.Series[bool]:
    """Whether coverages are between 93.5% and 96.5%, give or take two errors of a count of so many."""
    slack = 2 * np.sqrt(0.95 * 0.05 / n_data_sets) if np.any(n_data_sets) else 0.0
    return (coverage >= LOW - slack) & (coverage <= HIGH + slack)


def _first(results: pd.DataFrame) -> str:
    """Give a row an estimator: mean coverage where nothing is warned of, and how many cells hold."""
    calm = results[results["warned"] <= _WARNED]
    inside = in_bar(calm["t"], calm["n_data_sets"])
    sizes = sorted(int(n) for n in calm["n"].unique())
    body = []
    for estimator, own in calm.groupby("estimator", sort=True):
        cells = []
        for n in sizes:
            at = own[own["n"] == n]
            told = f"{100 * at['t'].mean():.1f} ({int(inside[at.index].sum())} of {len(at)})"
            cells.append(told if len(at) else "")
        body.append([str(estimator), *cells])
    return _markdown(["estimator", *(f"{n:,} rows" for n in sizes)], body)


def _summary(results: pd.DataFrame) -> str:
    """Give a row an estimator and size: how the old and the new intervals hold where nothing is warned of."""
    calm = results[results["warned"] <= _WARNED]
    head = ["rows", "estimator", "cells", "normal law", "in the bar", "t", "in the bar", "width of t"]
    body = []
    for (n, estimator), own in calm.groupby(["n", "estimator"], sort=True):
        body.append([f"{n:,}", str(estimator), str(len(own)), *_of_law(own, "normal"), *_of_law(own, "t")])
        body[-1].append(f"{own['t, width'].min():.2f} to {own['t, width'].max():.2f}")
    return _markdown(head, body)


def _of_law(own: pd.DataFrame, law: str) -> list[str]:
    coverage, inside = 100 * own[law], int(in_bar(own[law], own["n_data_sets"]).sum())
    return [f"{coverage.mean():.1f} ({coverage.min():.1f} to {coverage.max():.1f})", f"{inside}"]


def _cells(results: pd.DataFrame) -> str:
    """Give a table a size: worlds down, estimators across, coverage of t and in brackets where warned of."""
    found = []
    for n, own in results[results["contrast"] == "difference"].groupby("n"):
        wide = own.assign(
            method=own["estimator"] + " " + own["estimand"],
            cell=[
                f"({100 * t:.1f})" if warned > _WARNED else f"{100 * t:.1f}"
                for t, warned in zip(own["t"], own["warned"], strict=True)
            ],
        )
        methods = list(dict.fromkeys(wide["method"]))
        table = wide.pivot_table(index="world", columns="method", values="cell", aggfunc="first", sort=False)
        table = table.reindex(columns=methods).fillna("")
        body = [
            [str(world), *map(str, line)] for world, line in zip(table.index, table.to_numpy(), strict=True)
        ]
        found.append(f"**n = {n:,}**\n\n" + _markdown(["world", *methods], body))
    return "\n\n".join(found)


def _markdown(head: list[str], body: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
