"""Fits of hundreds of numbers a row, as embeddings are, against scikit-learn with its gradient as small."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from sklearn.linear_model import LogisticRegression

import by_hand
from clock import Row, Sides, medians
from propensity import core

PART = "wide"
SIZES = ((20_000, 500), (100_000, 300))


def jobs(*, quick: bool) -> Iterator[Row]:
    """Time each fit, its covariance included, against lbfgs and newton-cholesky without one."""
    for n, d in SIZES:
        x, treated = embedded(n // 10 if quick else n, d // 10 if quick else d)
        peers = {
            "scikit-learn lbfgs, tol 1e-8": LogisticRegression(C=np.inf, tol=1e-8, max_iter=10_000),
            "scikit-learn newton-cholesky": LogisticRegression(C=np.inf, solver="newton-cholesky"),
        }
        sides: Sides = {name: partial(peer.fit, x, treated) for name, peer in peers.items()}
        sides["own"] = partial(_with_covariance, x, treated)
        sides["own"]()
        found = medians(sides, rounds=3)
        for name, bar in zip(peers, (1.0, float("nan")), strict=True):
            job = f"one fit with its covariance, {x.shape[0]:,} × {x.shape[1]}"
            yield Row(PART, job, name, found[name], found["own"], bar)


def embedded(n: int, d: int) -> tuple[by_hand.Floats, by_hand.Bools]:
    """Make columns that share some of what they say, each with a small part in who is treated."""
    rng = np.random.default_rng(8)
    x = rng.standard_normal((n, d)) + 0.5 * rng.standard_normal((n, 1))
    eta = x @ (rng.standard_normal(d) / np.sqrt(d)) - 0.5
    return np.asfortranarray(x), rng.random(n) < 1 / (1 + np.exp(-eta))


def _with_covariance(x: by_hand.Floats, treated: by_hand.Bools) -> object:
    return core.fit_propensity(x, treated).covariance
