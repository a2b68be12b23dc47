"""Rows of numbers and factors, and the dummies that factors stand for, spelled out level by level."""

import numpy as np


def dummies(x, factors, after):
    """A column for each level but the first, where the factor stands among the columns of x."""
    blocks = []
    for column in range(x.shape[1] + 1):
        for codes, place in zip(factors, after, strict=True):
            if place == column:
                blocks.append((codes[:, None] == np.arange(1, codes.max() + 1)).astype(float))
        blocks.append(x[:, column : column + 1])
    return np.asfortranarray(np.hstack(blocks))


def treated_by(rng, x, factors):
    """Draw who is treated, of rows that their numbers and levels make more or less likely to be."""
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    eta = z.sum(axis=1) / 4 + sum((0.4 * np.sin(1.0 + codes) for codes in factors), 0.0)
    return rng.random(len(x)) < 1 / (1 + np.exp(-eta))


def sample_of(seed, n_levels, n_numbers, *, repeated, weighted, n=400):
    """Rows of numbers and factors, some levels of which are empty, or those of another factor."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, n_numbers)) * 10.0 ** rng.integers(-3, 4, n_numbers) + rng.normal(size=n_numbers)
    factors = []
    for levels in n_levels:
        there = rng.permutation(levels)[: rng.integers(1, levels + 1)]
        factors.append(there[rng.integers(0, len(there), n)])
    if repeated:
        factors.append(factors[0] // 2)
    after = np.sort(rng.integers(0, n_numbers + 1, len(factors)))
    weight = rng.integers(0, 3, n) * rng.uniform(0.5, 2.0, n) if weighted else None
    return x, factors, after, treated_by(rng, x, factors), weight
