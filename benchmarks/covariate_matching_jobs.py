"""Pairs and full matching of least distance among covariates: arms that overlap, and arms that lie apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import by_hand
from clock import Row, peak_megabytes, seconds
from propensity import core

PART = "least distance"
N_COVARIATES = 5
OPTIONS: dict[str, Any] = {"on": "mahalanobis"}
PAIRS: dict[str, Any] = OPTIONS | {"method": "optimal", "replace": False}
MOST_SECONDS, MOST_MEGABYTES = 60.0, 2_000.0


def jobs(*, quick: bool) -> Iterator[Row]:
    """Time each once: they take seconds."""
    n = 10_000 if quick else 200_000
    x, treated = overlapping(n)
    size = f"{n:,} rows, a fifth treated, Mahalanobis, {N_COVARIATES} covariates"
    calls: dict[str, Callable[[], object]] = {
        "optimal pairs": partial(core.match_nn, None, treated, covariates=x, **PAIRS),
        "full matching": partial(core.match_full, None, treated, covariates=x, **OPTIONS),
    }
    for name, call in calls.items():
        yield Row(PART, f"{name}, {size}", "60 s", MOST_SECONDS, seconds(call), 1.0)
    taken = peak_megabytes(partial(_alone, n))
    yield Row(PART, f"memory of optimal pairs, {n:,} rows", "2 GB", MOST_MEGABYTES, taken, 1.0, unit="MB")
    n = 2_000 if quick else 20_000
    x, treated = apart(n)
    name = f"optimal pairs, {n:,} rows, half treated, 2 standard deviations apart"
    own = seconds(partial(core.match_nn, None, treated, covariates=x, **PAIRS))
    yield Row(PART, name, "", float("nan"), own)


def overlapping(n: int) -> tuple[by_hand.Floats, by_hand.Bools]:
    """Make covariates, a fifth of whose rows are treated, more of them where the first is large."""
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, N_COVARIATES))
    return x, rng.random(n) < 1 / (1 + np.exp(1.55 - 0.5 * x[:, 0]))


def apart(n: int) -> tuple[by_hand.Floats, by_hand.Bools]:
    """Make arms of nearly one size whose first covariates are two standard deviations apart."""
    x = np.random.default_rng(n).standard_normal((n, N_COVARIATES))
    treated = np.arange(n) < n // 2 - 1
    x[treated, 0] += 2.0
    return x, treated


def _alone(n: int) -> Callable[[], object]:
    x, treated = overlapping(n)
    core.match_nn(None, treated[:1_000], covariates=x[:1_000], **PAIRS)
    return partial(core.match_nn, None, treated, covariates=x, **PAIRS)
