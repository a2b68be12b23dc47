"""Worlds of the literature: Kang and Schafer, Lunceford and Davidian, Setoguchi, and Li, Thomas and Li."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from world_rows import Floats, Sample, expit, flip

# Kang and Schafer (2007), Statistical Science 22, 523: section 1.4


def kang_schafer(rng: np.random.Generator, n: int, *, correct: bool) -> Sample:
    """Draw four covariates, or four transforms of them that make every model a little wrong.

    Theirs is a population mean with outcomes missing for some; here both arms share their outcome, so that
    the effect is zero for everybody.
    """
    z = rng.normal(size=(n, 4))
    scores = expit(z @ [-1.0, 0.5, -0.25, -0.1])
    outcome = 210 + z @ [27.4, 13.7, 13.7, 13.7] + rng.normal(size=n)
    seen = z if correct else _kang_schafer_transforms(z)
    return Sample(seen, flip(rng, scores), outcome, scores, np.zeros(n))


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
    scores = expit(x @ strength.treatment)
    treatment = flip(rng, scores)
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
    w = setoguchi_columns(rng, n)
    scores = expit(setoguchi_log_odds(w) + setoguchi_terms(w, SETOGUCHI_TERMS[scenario]))
    treatment = flip(rng, scores)
    outcome = setoguchi_outcome(w) + SETOGUCHI_EFFECT * treatment + rng.normal(size=n)
    return Sample(w, treatment, outcome, scores, np.full(n, SETOGUCHI_EFFECT))


def setoguchi_columns(rng: np.random.Generator, n: int) -> Floats:
    """Draw the ten covariates (n, 10)."""
    w = rng.normal(size=(n, 10)) @ _SETOGUCHI_CHOLESKY.T
    w[:, _SETOGUCHI_BINARY] = w[:, _SETOGUCHI_BINARY] > 0
    return np.asarray(w)


def setoguchi_log_odds(w: Floats) -> Floats:
    """Give the linear part of the log-odds (n,)."""
    return np.asarray(w[:, :7] @ _SETOGUCHI_TREATMENT)


def setoguchi_terms(w: Floats, terms: list[tuple[float, int, int]]) -> Floats:
    """Give the sum of some squares and products (n,), as they stand in the log-odds."""
    total = np.zeros(len(w))
    for factor, i, j in terms:
        total += factor * _SETOGUCHI_TREATMENT[i - 1] * w[:, i - 1] * w[:, j - 1]
    return total


def setoguchi_outcome(w: Floats) -> Floats:
    """Give the outcome's mean (n,) without treatment."""
    return np.asarray(-3.85 + w @ _SETOGUCHI_OUTCOME)


# Li, Thomas and Li (2019), American Journal of Epidemiology 188, 250

LI_THOMAS_LI_EFFECT = 0.75

_LTL_SLOPES = np.array([0.15, 0.3, 0.3, -0.2, -0.25, -0.25])
_LTL_CHOLESKY = np.linalg.cholesky(np.full((3, 3), 0.5) + 0.5 * np.eye(3))

# By gamma: intercepts that make the treated two in five.
_LTL_INTERCEPTS = {1: -0.0946, 2: 0.139, 3: 0.372, 4: 0.6055}


def li_thomas_li(rng: np.random.Generator, n: int, *, gamma: int) -> Sample:
    """Draw six covariates; the larger gamma (1 to 4), the more scores near 0 and 1."""
    normals = rng.normal(size=(n, 3)) @ _LTL_CHOLESKY.T
    x = np.column_stack([normals, rng.random((n, 3)) < 0.5])
    scores = expit(_LTL_INTERCEPTS[gamma] + gamma * (x @ _LTL_SLOPES))
    treatment = flip(rng, scores)
    outcome = x @ [-0.5, -0.5, -1.5, 0.8, 0.8, 1.0] + LI_THOMAS_LI_EFFECT * treatment
    effects = np.full(n, LI_THOMAS_LI_EFFECT)
    return Sample(x, treatment, outcome + 1.5 * rng.normal(size=n), scores, effects)
