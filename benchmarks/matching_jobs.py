"""Matching against scikit-learn, SciPy and R; matching without replacement and in groups as rows grow.

`matching.py` and `grouping.py` have the worlds and the calls, and larger sizes. R's packages Matching and
MatchIt are timed where `Rscript` finds them: within R, once the data are there.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

import grouping
import matching
from clock import Row, Sides, medians
from propensity import core

R_ROWS = 50_000
R_CALLS = {
    "Matching": 'Matching::Match(Tr = d$t, X = d$s, estimand = "ATT", M = 1, replace = TRUE, ties = TRUE)',
    "MatchIt": 'MatchIt::matchit(t ~ s, d, method = "nearest", distance = d$s, m.order = "largest")',
}


def jobs(*, quick: bool) -> Iterator[Row]:
    """Time them all, one after the other."""
    yield from _covariates(quick=quick)
    yield from _against_r(quick=quick)
    yield from _growth(quick=quick)
    yield from _groups(quick=quick)
    yield _assignment(quick=quick)


def _covariates(*, quick: bool) -> Iterator[Row]:
    """Compare distances among covariates; the other side gets them whitened."""
    x, treated = matching._covariates(100_000)
    own = partial(core.match_nn, None, treated, covariates=x, on="mahalanobis")
    places = own().coordinates
    assert places is not None
    sides: Sides = {"own": own, "other": partial(matching._neighbors, places, treated)}
    found = medians(sides, rounds=1 if quick else 5)
    job = "1-NN with replacement, Mahalanobis, 5 covariates, 100,000 rows"
    yield Row("matching", job, "NearestNeighbors, whitened", found["other"], found["own"], 3.0)


def _against_r(*, quick: bool) -> Iterator[Row]:
    n = R_ROWS // 10 if quick else R_ROWS
    scores, treated = matching._scored(n)
    own: dict[str, Callable[[], object]] = {
        "Matching": partial(core.match_nn, scores, treated),
        "MatchIt": partial(core.match_nn, scores, treated, replace=False, order="largest"),
    }
    jobs = {
        "Matching": (f"1-NN with replacement, all ties kept, {n:,} rows", 50.0),
        "MatchIt": (f"1-NN without replacement, largest first, {n:,} rows", math.nan),
    }
    for package, (job, bar) in jobs.items():
        other = _r_seconds(package, scores, treated)
        if other is not None:
            seconds = medians({"own": own[package]}, rounds=9)["own"]
            yield Row("matching", job, f"{package} (R)", other, seconds, bar)


def _r_seconds(package: str, scores: matching.Floats, treated: matching.Bools) -> float | None:
    """Time a call in R, once; None where R or the package is missing."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data.csv"
        pd.DataFrame({"t": treated.astype(int), "s": scores}).to_csv(data, index=False)
        code = (
            f'if (!requireNamespace("{package}", quietly = TRUE)) quit(status = 0); d <- read.csv("{data}"); '
            f"cat(system.time({R_CALLS[package]})[['elapsed']])"
        )
        told = subprocess.run([rscript, "-e", code], capture_output=True, text=True, check=True).stdout
    return float(told.split()[-1]) if told.strip() else None


def _growth(*, quick: bool) -> Iterator[Row]:
    """Match without replacement: n log n from 50,000 rows, and 2 seconds at 1,000,000."""
    first = float("nan")
    for n in [50_000, 200_000, *([] if quick else [1_000_000, 5_000_000])]:
        scores, treated = matching._scored(n)
        orders: list[Literal["largest", "closest"]] = ["largest", "closest"]
        for order in orders if n == 1_000_000 else orders[:1]:
            run = partial(core.match_nn, scores, treated, replace=False, order=order)
            own = medians({"own": run}, rounds=1 if n > 1_000_000 else 3)["own"]
            first = own if n == 50_000 else first
            job = f"1-NN without replacement, {order} first, {n:,} rows"
            if n == 1_000_000:
                yield Row("matching", job, "2 s", 2.0, own, 1.0)
            else:
                expected = first * n * np.log2(n) / (50_000 * np.log2(50_000))
                other = ("", float("nan")) if n == 50_000 else ("n log n from 50,000", float(expected))
                yield Row("matching", job, *other, own)


def _groups(*, quick: bool) -> Iterator[Row]:
    """Time subclasses and optimal matching; nothing to compare them with does a million rows."""
    n = 100_000 if quick else 1_000_000
    for name, call in grouping._calls(grouping._world(n)).items():
        own = medians({"own": call}, rounds=1 if quick else 3)["own"]
        yield Row("matching", f"{name}, {n:,} rows", "", float("nan"), own)


def _assignment(*, quick: bool) -> Row:
    own, other = grouping._against_scipy(1 if quick else 3)
    job = f"optimal pairs, {grouping.SCIPY_ROWS:,} rows"
    return Row("matching", job, "SciPy's linear_sum_assignment", other, own)
