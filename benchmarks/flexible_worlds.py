"""Worlds in which models of plain columns fail: squares, products, steps and a sine, in both models."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from published_worlds import (
    SETOGUCHI_EFFECT,
    SETOGUCHI_TERMS,
    kang_schafer,
    setoguchi_columns,
    setoguchi_log_odds,
    setoguchi_outcome,
    setoguchi_terms,
)
from world_rows import Floats, Sample, expit, flip

FLEXIBLE_EFFECT = SETOGUCHI_EFFECT

_SHARED = 0.7  # how much of what bends the score bends the outcome


def bent(rng: np.random.Generator, n: int, *, scenario: str) -> Sample:
    """Draw Setoguchi's score of a scenario, with scenario G's squares and products in the outcome too.

    Setoguchi's own outcome is linear, so that any score, right or wrong, that balances the columns will do.
    """
    w = setoguchi_columns(rng, n)
    scores = expit(setoguchi_log_odds(w) + setoguchi_terms(w, SETOGUCHI_TERMS[scenario]))
    bends = _SHARED * setoguchi_terms(w, SETOGUCHI_TERMS["G"])
    return _drawn(rng, w, scores, bends)


def stepped(rng: np.random.Generator, n: int) -> Sample:
    """Draw a score and an outcome with steps in W2 and W7 and a sine in W4, which no square comes near."""
    w = setoguchi_columns(rng, n)
    falling = (w[:, 1] > 0.5) * 1.0 + (w[:, 1] > -0.5) - 1.0
    middle = (np.abs(w[:, 6]) < 0.6) - 0.45
    steps = -0.4 * falling + middle + 0.8 * np.sin(3 * w[:, 3])
    return _drawn(rng, w, expit(0.3 * setoguchi_log_odds(w) + steps), 0.8 * steps)


def _drawn(rng: np.random.Generator, w: Floats, scores: Floats, bends: Floats) -> Sample:
    """Draw treatment and outcome, with noise N(0, 1)."""
    treatment = flip(rng, scores)
    outcome = setoguchi_outcome(w) + bends + FLEXIBLE_EFFECT * treatment + rng.normal(size=len(w))
    return Sample(w, treatment, outcome, scores, np.full(len(w), FLEXIBLE_EFFECT))


def kang_schafer_effect(rng: np.random.Generator, n: int) -> Sample:
    """Draw Kang and Schafer's world by its transformed columns, in standard deviations, with an effect."""
    sample = kang_schafer(rng, n, correct=False)
    outcome = (sample.outcome - 210) / math.sqrt(27.4**2 + 3 * 13.7**2 + 1)
    return replace(
        sample,
        outcome=outcome + FLEXIBLE_EFFECT * sample.treatment,
        effects=np.full(n, FLEXIBLE_EFFECT),
    )
