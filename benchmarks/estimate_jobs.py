"""Single estimates: a fit, neighbours, an effect with its standard error; reading a frame; the import."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

import by_hand
import propensity as ps
from clock import Row, Sides, medians, peak_megabytes, seconds
from propensity import core
from propensity.frames.columns import open_frame
from propensity.frames.terms import make_terms, parse_covariates

D = 10
NAMES = [f"x{k}" for k in range(D)]


def jobs(*, quick: bool) -> Iterator[Row]:
    """Time them all, one after the other."""
    yield _import(quick=quick)
    yield from _fits(quick=quick)
    yield from _neighbours(quick=quick)
    yield from _weighting(quick=quick)
    yield from _reading(quick=quick)


def _import(*, quick: bool) -> Row:
    """Take the seconds inside a fresh interpreter, from before the import to after it."""
    code = "import time; t = time.perf_counter(); import {0}; print(time.perf_counter() - t)"

    # With compiled files, as everybody has them from the second time on.
    settings = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def fresh(module: str) -> float:
        command = [sys.executable, "-c", code.format(module)]
        run = subprocess.run(command, capture_output=True, text=True, check=True, env=settings)
        return float(run.stdout)

    fresh("propensity")

    own = float(np.median([fresh("propensity") for _ in range(3 if quick else 5)]))
    pandas = float(np.median([fresh("pandas") for _ in range(3 if quick else 5)]))
    return Row("estimates", "import propensity", "0.4 s", 0.4, own, 1.0, note=f"pandas alone {pandas:.2f} s")


def rows(n: int, *, seed: int = 1) -> tuple[by_hand.Floats, by_hand.Bools, by_hand.Floats]:
    """Make n rows of D covariates as logs have them: counts, shares and flags, some correlated."""
    rng = np.random.default_rng(seed)
    x = np.empty((n, D), order="F")
    activity = rng.normal(size=n)
    for k in range(D):
        own = rng.normal(size=n) + 0.5 * activity
        x[:, k] = (own > 0.5) if k % 5 == 4 else np.expm1(own).clip(max=20) if k % 5 == 3 else own
    eta = x @ np.tile([0.3, -0.2, 0.1, 0.05, 0.4], D // 5) - 0.9
    treated = rng.random(n) < 1 / (1 + np.exp(-eta))
    return x, treated, x[:, 0] + 0.5 * treated + rng.normal(size=n)


def frame(n: int) -> pd.DataFrame:
    """Give the same rows as a frame with columns t and y."""
    x, treated, y = rows(n)
    return pd.DataFrame(x, columns=NAMES).assign(t=treated.astype(int), y=y)


def _fits(*, quick: bool) -> Iterator[Row]:
    for n in [1_000_000] if quick else [1_000_000, 10_000_000]:
        x, treated, _ = rows(n)
        own = partial(core.fit_propensity, x, treated)
        model = LogisticRegression(max_iter=1_000)
        other = partial(model.fit, x, treated)
        own(), own()
        found = medians({"own": own, "other": other}, rounds=3 if n > 1_000_000 or quick else 5)
        job = f"one fit, {n:,} × {D}, gradient / n ≤ 1e-10"
        note = f"{int(model.n_iter_[0])} steps to its tolerance of 1e-4"
        yield Row("estimates", job, "scikit-learn lbfgs", found["other"], found["own"], 8.0, note=note)
        taken = peak_megabytes(partial(_fit_alone, n))
        job = f"its peak memory beyond the input, {n:,} × {D}"
        yield Row("estimates", job, "the input again", x.nbytes / 1e6, taken, 1.0, unit="MB")


def _fit_alone(n: int) -> Callable[[], object]:
    x, treated, _ = rows(n)
    core.fit_propensity(x[:1_000], treated[:1_000])
    return partial(core.fit_propensity, x, treated)


def _neighbours(*, quick: bool) -> Iterator[Row]:
    x, treated, _ = rows(1_000_000)
    scores = core.fit_propensity(x, treated).scores
    own = partial(core.match_nn, scores, treated)
    own()
    sides: Sides = {
        "own": own,
        "NearestNeighbors": partial(by_hand.nearest_by_trees, scores, treated),
        "argsort and searchsorted": partial(by_hand.nearest_by_sorting, scores, treated),
    }
    found = medians(sides, rounds=3 if quick else 5)
    for other, bar in {"NearestNeighbors": 15.0, "argsort and searchsorted": 2.0}.items():
        job = "1-NN with replacement, all ties kept, 1,000,000 rows"
        yield Row("estimates", job, other, found[other], found["own"], bar)


def _weighting(*, quick: bool) -> Iterator[Row]:
    n = 100_000 if quick else 1_000_000
    df = frame(n)
    own = partial(_weighted_effect, df)
    own()
    other = seconds(
        partial(by_hand.ipw_effect, df, outcome="y", treatment="t", covariates=NAMES)
    )  # once: it takes long, and the ratio is far from the bar
    found = min(seconds(own) for _ in range(5))
    job = f"IPW ATE with standard error, fit included, frame of {n:,} × {D}"
    yield Row("estimates", job, "statsmodels Logit and TreatmentEffect.ipw", other, found, 5.0)


def _weighted_effect(df: pd.DataFrame) -> ps.Effect:
    model = ps.fit_propensity(df, treatment="t", covariates=NAMES)
    return ps.ipw(df, outcome="y", treatment="t", scores=model)


def _reading(*, quick: bool) -> Iterator[Row]:
    """Compare reading the columns, checks and dummies included, with the fit that they feed."""
    df = frame(1_000_000)
    tiers = np.array(["heavy", "light", "mid"])
    df["x9"] = tiers[np.random.default_rng(2).integers(3, size=len(df))]

    def read() -> tuple[by_hand.Floats, by_hand.Bools]:
        opened = open_frame(df, treatment="t", covariates=NAMES)
        return make_terms(opened, parse_covariates(NAMES, df))[0], opened.treated("t")

    x, treated = read()
    sides: Sides = {"read": read, "fit": partial(core.fit_propensity, x, treated)}
    found = medians(sides, rounds=3 if quick else 5)
    job = "arrays from the frame, dummies and checks included, 1,000,000 × 10"
    yield Row("estimates", job, "the fit they feed", found["fit"], found["read"], 1.0)
