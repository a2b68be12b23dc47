"""Simulated worlds with a known effect, most of them from the literature.

A world draws rows: what an estimator may see (covariates, treatment, outcome) and what it may not (the true
score and the effect to expect in each row, from which the truth follows). `WORLDS` holds them by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from propensity import datasets

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

ESTIMANDS = ("ATE", "ATT", "ATO")


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


@dataclass(frozen=True)
class World:
    """Where samples come from, and what is true there.

    Attributes
    ----------
    name : str
    source : str
        Who devised it.
    trait : str
        What it tests, in a few words.
    draw : callable
        From a generator and a number of rows to a `Sample`.
    truth : mapping
        The effect by estimand.
    precision : float
        How far the truth may be off; 0 where it is exact.
    score_right, outcome_right : bool
        Whether the models that estimators fit, linear in the covariates they are given, are the true ones.
    """

    name: str
    source: str
    trait: str
    draw: Callable[[np.random.Generator, int], Sample]
    truth: MappingProxyType[str, float]
    precision: float = 0.0
    score_right: bool = True
    outcome_right: bool = True


def true_effects(
    world: World, *, n_blocks: int = 10, block: int = 1_000_000, seed: int = 1
) -> dict[str, tuple[float, float]]:
    """Reckon a world's effects by one very large sample.

    The effect for an estimand is the mean of the rows' effects weighted by its tilting function h(e) of the
    true score: 1 (ATE), e (ATT), e (1 - e) (ATO). No treatment or outcome enters, hence little noise.

    Parameters
    ----------
    world : World
    n_blocks, block : int
        The sample has n_blocks * block rows, drawn block by block.
    seed : int

    Returns
    -------
    dict
        Of each estimand, the effect and its standard error.
    """
    rng = np.random.default_rng(seed)
    sums = {estimand: np.zeros(5) for estimand in ESTIMANDS}
    for _ in range(n_blocks):
        sample = world.draw(rng, block)
        for estimand, h in _tilting(sample.scores).items():
            weighted = h * sample.effects
            sums[estimand] += [h.sum(), weighted.sum(), h @ h, h @ weighted, weighted @ weighted]
    return {estimand: _ratio(*moments) for estimand, moments in sums.items()}


def _tilting(scores: Floats) -> dict[str, Floats]:
    return {"ATE": np.ones_like(scores), "ATT": scores, "ATO": scores * (1 - scores)}


def _ratio(h: float, ht: float, hh: float, hht: float, htht: float) -> tuple[float, float]:
    """Give sum(h t) / sum(h) and its standard error, from sums of h, h t and their products."""
    ratio = ht / h
    squares = htht - 2 * ratio * hht + ratio**2 * hh
    return ratio, math.sqrt(max(squares, 0.0)) / h


def _expit(logit: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-logit)))


def _flip(rng: np.random.Generator, probability: Floats) -> Bools:
    return np.asarray(rng.random(len(probability)) < probability)


# Kang and Schafer (2007), Statistical Science 22, 523: section 1.4


def kang_schafer(rng: np.random.Generator, n: int, *, correct: bool) -> Sample:
    """Draw four covariates, or four transforms of them that make every model a little wrong.

    Theirs is a population mean with outcomes missing for some; here both arms share their outcome, so that
    the effect is zero for everybody.
    """
    z = rng.normal(size=(n, 4))
    scores = _expit(z @ [-1.0, 0.5, -0.25, -0.1])
    outcome = 210 + z @ [27.4, 13.7, 13.7, 13.7] + rng.normal(size=n)
    seen = z if correct else _kang_schafer_transforms(z)
    return Sample(seen, _flip(rng, scores), outcome, scores, np.zeros(n))


def _kang_schafer_transforms(z: Floats) -> Floats:
    z1, z2, z3, z4 = z.T
    return np.column_stack(
        [np.exp(z1 / 2), z2 / (1 + np.exp(z1)) + 10, (z1 * z3 / 25 + 0.6) ** 3, (z2 + z4 + 20) ** 2]
    )


# Lunceford and Davidian (2004), Statistics in Medicine 23, 2937: section 4


@dataclass(frozen=True)
class Strength:
    """How much the confounders X decide the treatment, and the covariates V the outcome."""

    treatment: tuple[float, float, float]
    outcome: tuple[float, float, float]


MODERATE = Strength(treatment=(0.3, -0.3, 0.3), outcome=(-0.5, 0.5, 0.5))
STRONG = Strength(treatment=(0.6, -0.6, 0.6), outcome=(-1.0, 1.0, 1.0))

LUNCEFORD_DAVIDIAN_EFFECT = 2.0

# Of (X1, V1, X2, V2), whose means are plus (X3 = 1) or minus (X3 = 0) these.
_LD_MEANS = np.array([1.0, 1.0, -1.0, -1.0])
_LD_CHOLESKY = np.linalg.cholesky(
    np.array([[1.0, 0.5, -0.5, -0.5], [0.5, 1.0, -0.5, -0.5], [-0.5, -0.5, 1.0, 0.5], [-0.5, -0.5, 0.5, 1.0]])
)


def lunceford_davidian(rng: np.random.Generator, n: int, *, strength: Strength) -> Sample:
    """Draw confounders X1 to X3 and V1 to V3, which go with the outcome alone; estimators see all six."""
    x3 = rng.random(n) < 0.2
    v3 = rng.random(n) < np.where(x3, 0.75, 0.25)
    normals = np.where(x3, 1.0, -1.0)[:, None] * _LD_MEANS + rng.normal(size=(n, 4)) @ _LD_CHOLESKY.T
    x = np.column_stack([normals[:, 0], normals[:, 2], x3])
    v = np.column_stack([normals[:, 1], normals[:, 3], v3])
    scores = _expit(x @ strength.treatment)
    treatment = _flip(rng, scores)
    outcome = x @ [-1.0, 1.0, -1.0] + LUNCEFORD_DAVIDIAN_EFFECT * treatment + v @ strength.outcome
    effects = np.full(n, LUNCEFORD_DAVIDIAN_EFFECT)
    return Sample(np.column_stack([x, v]), treatment, outcome + rng.normal(size=n), scores, effects)


# Setoguchi et al. (2008), Pharmacoepidemiology and Drug Safety 17, 546; with the continuous outcome of
# Lee, Lessler and Stuart (2010), Statistics in Medicine 29, 337

SETOGUCHI_EFFECT = -0.4

_SETOGUCHI_TREATMENT = np.array([0.8, -0.25, 0.6, -0.4, -0.8, -0.5, 0.7])
_SETOGUCHI_OUTCOME = np.array([0.3, -0.36, -0.73, -0.2, 0.0, 0.0, 0.0, 0.71, -0.19, 0.26])
_SETOGUCHI_CORRELATIONS = {(1, 5): 0.2, (2, 6): 0.9, (3, 8): 0.2, (4, 9): 0.9}
_SETOGUCHI_BINARY = np.array([1, 3, 5, 6, 8, 9]) - 1

# Terms (factor, i, j) add factor * b_i * W_i * W_j to the log-odds that are linear in W1 to W7.
_ONE_SQUARE = [(1.0, 2, 2)]
_SQUARES = [(1.0, 2, 2), (1.0, 4, 4), (1.0, 7, 7)]
_FEW_PRODUCTS = [(0.5, 1, 3), (0.7, 2, 4), (0.5, 4, 5), (0.5, 5, 6)]
_MANY_PRODUCTS = [
    (0.5, 1, 3),
    (0.7, 2, 4),
    (0.5, 3, 5),
    (0.7, 4, 6),
    (0.5, 5, 7),
    (0.5, 1, 6),
    (0.7, 2, 3),
    (0.5, 3, 4),
    (0.5, 4, 5),
    (0.5, 5, 6),
]
SETOGUCHI_TERMS = {
    "A": [],
    "B": _ONE_SQUARE,
    "C": _SQUARES,
    "D": _FEW_PRODUCTS,
    "E": _ONE_SQUARE + _FEW_PRODUCTS,
    "F": _MANY_PRODUCTS,
    "G": _SQUARES + _MANY_PRODUCTS,
}


def _setoguchi_cholesky() -> Floats:
    correlation = np.eye(10)
    for (i, j), value in _SETOGUCHI_CORRELATIONS.items():
        correlation[i - 1, j - 1] = correlation[j - 1, i - 1] = value
    return np.asarray(np.linalg.cholesky(correlation), dtype=np.float64)


_SETOGUCHI_CHOLESKY = _setoguchi_cholesky()


def setoguchi(rng: np.random.Generator, n: int, *, scenario: str) -> Sample:
    """Draw ten covariates, six of them binary; estimators see all ten, but neither squares nor products.

    W1 to W4 confound, W5 to W7 decide the treatment alone, W8 to W10 the outcome alone. From A to G the
    treatment depends on them in less and less linear ways; the outcome is linear, with noise N(0, 1).
    """
    w = rng.normal(size=(n, 10)) @ _SETOGUCHI_CHOLESKY.T
    w[:, _SETOGUCHI_BINARY] = w[:, _SETOGUCHI_BINARY] > 0
    logit = w[:, :7] @ _SETOGUCHI_TREATMENT
    for factor, i, j in SETOGUCHI_TERMS[scenario]:
        logit += factor * _SETOGUCHI_TREATMENT[i - 1] * w[:, i - 1] * w[:, j - 1]
    scores = _expit(logit)
    treatment = _flip(rng, scores)
    outcome = -3.85 + w @ _SETOGUCHI_OUTCOME + SETOGUCHI_EFFECT * treatment + rng.normal(size=n)
    return Sample(w, treatment, outcome, scores, np.full(n, SETOGUCHI_EFFECT))


# Li, Thomas and Li (2019), American Journal of Epidemiology 188, 250

LI_THOMAS_LI_EFFECT = 0.75

_LTL_SLOPES = np.array([0.15, 0.3, 0.3, -0.2, -0.25, -0.25])
_LTL_CHOLESKY = np.linalg.cholesky(np.full((3, 3), 0.5) + 0.5 * np.eye(3))

# By gamma: intercepts that make the treated two in five.
_LTL_INTERCEPTS = {1: -0.0946, 4: 0.6055}


def li_thomas_li(rng: np.random.Generator, n: int, *, gamma: int) -> Sample:
    """Draw six covariates; the larger gamma (1 to 4), the more scores near 0 and 1."""
    normals = rng.normal(size=(n, 3)) @ _LTL_CHOLESKY.T
    x = np.column_stack([normals, rng.random((n, 3)) < 0.5])
    scores = _expit(_LTL_INTERCEPTS[gamma] + gamma * (x @ _LTL_SLOPES))
    treatment = _flip(rng, scores)
    outcome = x @ [-0.5, -0.5, -1.5, 0.8, 0.8, 1.0] + LI_THOMAS_LI_EFFECT * treatment
    effects = np.full(n, LI_THOMAS_LI_EFFECT)
    return Sample(x, treatment, outcome + 1.5 * rng.normal(size=n), scores, effects)


# Our own

# E[h(e) (1 + X1)] / E[h(e)], by quadrature: 200 Gauss-Legendre nodes in X1, 100 Gauss-Hermite nodes in X2.
UNEVEN_EFFECTS = {"ATE": 1.0, "ATT": 1.5623852254, "ATO": 1.1934061359}


def uneven_effects(rng: np.random.Generator, n: int) -> Sample:
    """Draw effects that grow with what drives the treatment, and outcomes that are not linear in it."""
    x1, x2 = rng.uniform(-2, 2, n), rng.normal(size=n)
    scores = _expit(0.8 * x1 + 0.3 * x2 - 0.5)
    treatment, effects = _flip(rng, scores), 1 + x1
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
    scores = _expit(_FEW_TREATED_INTERCEPTS[slope] + slope * x.sum(axis=1))
    treatment = _flip(rng, scores)
    outcome = x.sum(axis=1) + treatment + rng.normal(size=n)
    return Sample(x, treatment, outcome, scores, np.ones(n))


# What decides the treatment little, and the outcome much: where it matters most that scores are estimated.
_PROGNOSTIC_TREATMENT = np.array([0.35, -0.35, 0.35, 0.0])
_PROGNOSTIC_INTERCEPT = -1.2


def prognostic(rng: np.random.Generator, n: int) -> Sample:
    """Draw a quarter treated, and covariates that are most of what the outcome is; an effect of 1."""
    return _prognostic(rng.normal(size=(n, 4)), rng.normal(size=n), rng.random(n))


def _prognostic(x: Floats, noise: Floats, chance: Floats) -> Sample:
    scores = _expit(_PROGNOSTIC_INTERCEPT + x @ _PROGNOSTIC_TREATMENT)
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


def _same_for_all(effect: float) -> MappingProxyType[str, float]:
    return MappingProxyType(dict.fromkeys(ESTIMANDS, effect))


_LD, _SETOGUCHI = "Lunceford and Davidian 2004", "Setoguchi et al. 2008, Lee et al. 2010"
_SETOGUCHI_TRAITS = {
    "A": "all models right",
    "B": "outcome models right, the score model lacks a square",
    "C": "outcome models right, the score model lacks three squares",
    "D": "outcome models right, the score model lacks four products",
    "E": "outcome models right, the score model lacks a square and four products",
    "F": "outcome models right, the score model lacks ten products",
    "G": "outcome models right, the score model lacks three squares and ten products",
}

WORLDS = {
    world.name: world
    for world in [
        World(
            "Opt-in",
            "the tutorial's generator",
            "score model right; 0/1 outcome, whose linear model errs alike in both arms",
            opt_in,
            _same_for_all(datasets.OPT_IN_EFFECT),
            precision=1e-4,
        ),
        World(
            "LD moderate",
            _LD,
            "all models right",
            partial(lunceford_davidian, strength=MODERATE),
            _same_for_all(LUNCEFORD_DAVIDIAN_EFFECT),
        ),
        World(
            "LD strong",
            _LD,
            "all models right; strong confounding, uneven weights",
            partial(lunceford_davidian, strength=STRONG),
            _same_for_all(LUNCEFORD_DAVIDIAN_EFFECT),
        ),
        World(
            "LTL 1",
            "after Li, Thomas and Li 2019",
            "all models right; good overlap",
            partial(li_thomas_li, gamma=1),
            _same_for_all(LI_THOMAS_LI_EFFECT),
        ),
        World(
            "LTL 4",
            "after Li, Thomas and Li 2019",
            "all models right; very poor overlap",
            partial(li_thomas_li, gamma=4),
            _same_for_all(LI_THOMAS_LI_EFFECT),
        ),
        World(
            "HET",
            "our own",
            "score model right, outcome models wrong, effects differ",
            uneven_effects,
            MappingProxyType(UNEVEN_EFFECTS),
            outcome_right=False,
        ),
        World(
            "KS right",
            "Kang and Schafer 2007",
            "all models right",
            partial(kang_schafer, correct=True),
            _same_for_all(0.0),
        ),
        World(
            "KS wrong",
            "Kang and Schafer 2007",
            "all models wrong",
            partial(kang_schafer, correct=False),
            _same_for_all(0.0),
            score_right=False,
            outcome_right=False,
        ),
        *[
            World(
                f"Setoguchi {scenario}",
                _SETOGUCHI,
                trait,
                partial(setoguchi, scenario=scenario),
                _same_for_all(SETOGUCHI_EFFECT),
                score_right=scenario == "A",
            )
            for scenario, trait in _SETOGUCHI_TRAITS.items()
        ],
    ]
}

SMALL_WORLDS = {
    world.name: world
    for world in [
        World(
            f"Few treated, {confounding} confounding",
            "our own",
            f"all models right; 13 in a hundred treated, log-odds {slope} (x1 + x2)",
            partial(few_treated, slope=slope),
            _same_for_all(1.0),
        )
        for confounding, slope in [("mild", 0.4), ("strong", 0.7)]
    ]
}

_PROGNOSTIC_TRAIT = "all models right; covariates decide most of the outcome and little of the treatment"

GROUP_WORLDS = {
    world.name: world
    for world in [
        World(
            "Prognostic", "our own", f"{_PROGNOSTIC_TRAIT}, a quarter treated", prognostic, _same_for_all(1.0)
        ),
        World(
            "Noisy weights",
            "our own",
            "Prognostic with sample weights that are pure noise, of which n are worth half",
            partial(weighted, by_arm=False),
            _same_for_all(1.0),
        ),
        World(
            "Weights by arm",
            "our own",
            "Prognostic with such weights, thrice as large for the treated",
            partial(weighted, by_arm=True),
            _same_for_all(1.0),
        ),
        World(
            "Clusters",
            "our own",
            "Prognostic in clusters of ten, which share half of every variance, of the treatment too",
            clustered,
            _same_for_all(1.0),
        ),
    ]
}

ALL_WORLDS = WORLDS | SMALL_WORLDS | GROUP_WORLDS
