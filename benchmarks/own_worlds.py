"""Worlds of our own: effects that differ, few treated rows, prognostic covariates, weights, clusters."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from propensity import datasets
from world_rows import Floats, Rows, Sample, expit, flip

# E[h(e) (1 + X1)] / E[h(e)], by quadrature: 200 Gauss-Legendre nodes in X1, 100 Gauss-Hermite nodes in X2.
UNEVEN_EFFECTS = {"ATE": 1.0, "ATT": 1.5623852254, "ATO": 1.1934061359}


def uneven_effects(rng: np.random.Generator, n: int) -> Sample:
    """Draw effects that grow with what drives the treatment, and outcomes that are not linear in it."""
    x1, x2 = rng.uniform(-2, 2, n), rng.normal(size=n)
    scores = expit(0.8 * x1 + 0.3 * x2 - 0.5)
    treatment, effects = flip(rng, scores), 1 + x1
    outcome = x1 + 0.5 * x1**2 + 0.5 * x2 + effects * treatment + rng.normal(size=n)
    return Sample(np.column_stack([x1, x2]), treatment, outcome, scores, effects)


def opt_in(rng: np.random.Generator, n: int) -> Sample:
    """Draw the tutorial's log: opting in depends on three tiers, the outcome is 0 or 1.

    The effect is 0.08 for all but the few whose completion probability meets its bound of .99.
    """
    logs = datasets.opt_in_logs(n, seed=int(rng.integers(2**63)))
    tier = logs["engagement_tier"].to_numpy()
    medium, heavy = tier == "medium", tier == "heavy"
    return Sample(
        np.column_stack([medium, heavy, logs["query_confidence"]]).astype(np.float64),
        logs["opt_in_agent_mode"].to_numpy() == 1,
        logs["task_completed"].to_numpy(np.float64),
        np.select([medium, heavy], [0.35, 0.65], default=0.12),
        np.full(n, datasets.OPT_IN_EFFECT),
    )


# By slope: intercepts that make the treated 13 in a hundred.
_FEW_TREATED_INTERCEPTS = {0.4: -2.02, 0.7: -2.23}


def few_treated(rng: np.random.Generator, n: int, *, slope: float) -> Sample:
    """Draw 13 treated rows in a hundred, two confounders of a given strength, an effect of 1."""
    x = rng.normal(size=(n, 2))
    scores = expit(_FEW_TREATED_INTERCEPTS[slope] + slope * x.sum(axis=1))
    treatment = flip(rng, scores)
    outcome = x.sum(axis=1) + treatment + rng.normal(size=n)
    return Sample(x, treatment, outcome, scores, np.ones(n))


# What decides the treatment little, and the outcome much: where it matters most that scores are estimated.
_PROGNOSTIC_TREATMENT = np.array([0.35, -0.35, 0.35, 0.0])
_PROGNOSTIC_INTERCEPT = -1.2


def prognostic(rng: np.random.Generator, n: int) -> Sample:
    """Draw a quarter treated, and covariates that are most of what the outcome is; an effect of 1."""
    return _prognostic(rng.normal(size=(n, 4)), rng.normal(size=n), rng.random(n))


def _prognostic(x: Floats, noise: Floats, chance: Floats) -> Sample:
    scores = expit(_PROGNOSTIC_INTERCEPT + x @ _PROGNOSTIC_TREATMENT)
    treatment = chance < scores
    outcome = x.sum(axis=1) + treatment + noise
    return Sample(x, treatment, outcome, scores, np.ones(len(x)))


def cells(rng: np.random.Generator, n: int) -> Sample:
    """Draw eight cells, four of which share a score: what decides the outcome hardly moves the treatment."""
    x, z = rng.integers(0, 2, n), rng.integers(0, 4, n)
    return _linear(rng, np.column_stack([x, z]), [-1.2, 0.4, 0.0], [0.5, 3.0])


def tiers(rng: np.random.Generator, n: int) -> Sample:
    """Draw what a product's table holds: a tier, a number of seats, a flag."""
    tier, seats = rng.choice(4, n, p=[0.5, 0.3, 0.15, 0.05]), rng.poisson(3, n)
    flag = rng.random(n) < 0.3
    return _linear(rng, np.column_stack([tier, seats, flag]), [-1.5, 0.4, 0.1, 0.0], [0.8, 0.5, 1.0])


def rounded(rng: np.random.Generator, n: int) -> Sample:
    """Draw two normal covariates rounded to halves: some 150 places, of which most hold a few rows."""
    x = np.round(2 * rng.normal(size=(n, 2))) / 2
    return _linear(rng, x, [-1.0, 0.5, 0.0], [1.0, 2.0])


def _linear(rng: np.random.Generator, x: Floats | Rows, log_odds: list[float], slopes: list[float]) -> Sample:
    """Draw treatment and outcome of rows with these covariates; `log_odds` with an intercept before them."""
    scores = expit(log_odds[0] + x @ np.array(log_odds[1:]))
    treatment = flip(rng, scores)
    outcome = x @ np.array(slopes) + treatment + rng.normal(size=len(x))
    return Sample(x.astype(np.float64), treatment, outcome, scores, np.ones(len(x)))


def weighted_tiers(rng: np.random.Generator, n: int) -> Sample:
    """Draw the world of tiers with sample weights that are log-normal noise."""
    sample = tiers(rng, n)
    return replace(sample, sample_weight=np.exp(0.8 * rng.normal(size=n)))


def weighted(rng: np.random.Generator, n: int, *, by_arm: bool) -> Sample:
    """Draw the prognostic world with sample weights: log-normal noise; thrice as large in the treated arm.

    Weights that differ by arm move the score fitted with them, to its log-odds plus log 3, and no more.
    """
    sample = prognostic(rng, n)
    noise = np.exp(0.8 * rng.normal(size=n))
    s, e = noise, sample.scores
    if by_arm:
        s, e = np.where(sample.treatment, 3 * noise, noise), 3 * e / (1 + 2 * e)
    return replace(sample, sample_weight=s, scores=e)


CLUSTER_SIZE = 10


def clustered(rng: np.random.Generator, n: int) -> Sample:
    """Draw the prognostic world in clusters of ten, which share half of every variance.

    Also of who is treated, beyond what covariates say: without that rows of a cluster are as good as others.
    """
    cluster = np.arange(n) // CLUSTER_SIZE
    shared = rng.normal(size=(int(cluster[-1]) + 1, 6))[cluster]
    both = np.sqrt(0.5) * (shared + rng.normal(size=(n, 6)))
    # The normal law's integral, to make a uniform number of the last.
    chance = np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in both[:, 5]])
    return replace(_prognostic(both[:, :4], both[:, 4], chance), cluster=cluster)
