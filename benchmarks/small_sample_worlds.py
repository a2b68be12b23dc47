"""The worlds of the study of few rows: those whose models are right, with ratios where these are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from propensity.effects.contrasts import Contrast
from world_rows import Floats, Sample, expit, flip
from worlds import ALL_WORLDS


@dataclass(frozen=True)
class SmallWorld:
    """Where samples come from, and which contrasts of it have a known truth.

    Attributes
    ----------
    name : str
    draw : callable
        From a generator and a number of rows to a `Sample`.
    contrasts : tuple of {"difference", "ratio"}
    """

    name: str
    draw: Callable[[np.random.Generator, int], Sample]
    contrasts: tuple[Contrast, ...] = ("difference",)


EVENTS = "Events"
"""0/1 outcomes whose effects differ, with a known difference and a known ratio."""


def _chances(x1: Floats, x2: Floats, x3: Floats) -> tuple[Floats, Floats, Floats]:
    """Give the score, and the chances of an event without and with the treatment."""
    score = expit(-0.5 + 0.5 * x1 - 0.5 * x2 + 0.25 * x3)
    return score, expit(-1.0 + 0.7 * x1 + 0.5 * x2), expit(-0.5 + 0.7 * x1 + 0.5 * x2)


def events(rng: np.random.Generator, n: int) -> Sample:
    """Draw events in a third of the rows, logistic in three normal covariates; the score is, too."""
    x = rng.normal(size=(n, 3))
    scores, control, treated = _chances(*x.T)
    treatment = flip(rng, scores)
    outcome = flip(rng, np.where(treatment, treated, control)).astype(np.float64)
    return Sample(x, treatment, outcome, scores, treated - control)


@cache
def _true_chances(estimand: str) -> tuple[float, float]:
    """Give the mean chances, treated and control, by 40 Gauss-Hermite nodes in each covariate."""
    node, weight = np.polynomial.hermite_e.hermegauss(40)
    axes = np.meshgrid(node, node, node, indexing="ij")
    weights = np.einsum("i,j,k->ijk", weight, weight, weight)
    scores, control, treated = _chances(*axes)
    tilting = {"ATE": np.ones_like(scores), "ATT": scores, "ATO": scores * (1 - scores)}[estimand]
    h = weights * tilting
    return float((h * treated).sum() / h.sum()), float((h * control).sum() / h.sum())


def truth_of(world: SmallWorld, estimand: str, contrast: Contrast) -> float:
    """Give the truth on the scale of the errors: of a ratio its logarithm."""
    if world.name == EVENTS:
        treated, control = _true_chances(estimand)
        return math.log(treated / control) if contrast == "ratio" else treated - control
    # Kang and Schafer's outcomes are positive, and no treatment moves them.
    return 0.0 if contrast == "ratio" else ALL_WORLDS[world.name].truth[estimand]


_RATIO: tuple[Contrast, ...] = ("difference", "ratio")
_NAMES = [
    *("Opt-in", "LD moderate", "LD strong", "LTL 1", "LTL 4", "HET", "KS right", "Setoguchi A"),
    *("Prognostic", "Few treated, mild confounding", "Few treated, strong confounding", "Clusters"),
]

SMALL_SAMPLE_WORLDS = {
    world.name: world
    for world in [
        SmallWorld(EVENTS, events, _RATIO),
        *[
            SmallWorld(name, ALL_WORLDS[name].draw, _RATIO if name == "KS right" else ("difference",))
            for name in _NAMES
        ],
    ]
}

# Where the models that an estimator rests on are not the true ones.
WRONG = {("HET", "RA")}
