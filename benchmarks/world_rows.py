"""Rows of a simulated world: what an estimator may see, and what it may not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sample:
    """Rows of a world.

    Attributes
    ----------
    x : ndarray (n, d)
        The covariates that estimators are given.
    treatment : ndarray (n,) of bool
    outcome : ndarray (n,)
    scores : ndarray (n,)
        True propensity scores.
    effects : ndarray (n,)
        The effect to expect in a row of these covariates.
    sample_weight : ndarray (n,) or None
        What each row counts for.
    cluster : ndarray (n,) of int, or None
        Which rows share what befalls them.
    """

    x: Floats
    treatment: Bools
    outcome: Floats
    scores: Floats
    effects: Floats
    sample_weight: Floats | None = None
    cluster: Rows | None = None


def expit(logit: Floats) -> Floats:
    """Give the probability of these log-odds."""
    return np.asarray(1 / (1 + np.exp(-logit)))


def flip(rng: np.random.Generator, probability: Floats) -> Bools:
    """Draw 0 or 1 for each row."""
    return np.asarray(rng.random(len(probability)) < probability)
