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

from flexible_worlds import FLEXIBLE_EFFECT, bent, kang_schafer_effect, stepped
from own_worlds import (
    UNEVEN_EFFECTS,
    cells,
    clustered,
    few_treated,
    opt_in,
    prognostic,
    rounded,
    tiers,
    uneven_effects,
    weighted,
    weighted_tiers,
)
from propensity import datasets
from published_worlds import (
    LI_THOMAS_LI_EFFECT,
    LUNCEFORD_DAVIDIAN_EFFECT,
    MODERATE,
    SETOGUCHI_EFFECT,
    STRONG,
    kang_schafer,
    li_thomas_li,
    lunceford_davidian,
    setoguchi,
)
from world_rows import Floats, Sample

ESTIMANDS = ("ATE", "ATT", "ATO")


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
        World(
            "Cells",
            "our own",
            "all models right; two values by four, and the four decide the outcome, not the treatment",
            cells,
            _same_for_all(1.0),
        ),
        World("Tiers", "our own", "all models right; a tier, a count and a flag", tiers, _same_for_all(1.0)),
        World(
            "Rounded",
            "our own",
            "all models right; two covariates rounded to halves, of which one decides the outcome alone",
            rounded,
            _same_for_all(1.0),
        ),
        World(
            "Weighted tiers",
            "our own",
            "Tiers with sample weights that are pure noise",
            weighted_tiers,
            _same_for_all(1.0),
        ),
    ]
}

FLEXIBLE_WORLDS = {
    world.name: replace(world, score_right=False, outcome_right=False)
    for world in [
        World(
            "E+",
            "after Setoguchi et al. 2008",
            "both models lack squares and products; Setoguchi E with G's terms in the outcome",
            partial(bent, scenario="E"),
            _same_for_all(FLEXIBLE_EFFECT),
        ),
        World(
            "G+",
            "after Setoguchi et al. 2008",
            "both models lack squares and products; Setoguchi G with its terms in the outcome",
            partial(bent, scenario="G"),
            _same_for_all(FLEXIBLE_EFFECT),
        ),
        World(
            "S+",
            "our own",
            "both models lack steps and a sine",
            stepped,
            _same_for_all(FLEXIBLE_EFFECT),
        ),
        World(
            "K",
            "after Kang and Schafer 2007",
            "all models wrong; the outcome in standard deviations, with an effect",
            kang_schafer_effect,
            _same_for_all(FLEXIBLE_EFFECT),
        ),
    ]
}

ALL_WORLDS = WORLDS | SMALL_WORLDS | GROUP_WORLDS | FLEXIBLE_WORLDS
