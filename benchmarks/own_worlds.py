"""Worlds of our own: effects that differ, few treated rows, prognostic covariates, weights, clusters."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from propensity import datasets
from world_rows import Floats, Sample, expit, flip

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
