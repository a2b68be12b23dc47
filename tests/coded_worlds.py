"""Rows of numbers and factors, and the columns that factors stand for, spelled out level by level."""

import numpy as np


def dummies(x, factors, after):
    """A column for each level but the first, where the factor stands among the columns of x."""
    return spelled_out(x, factors, after, first=1)


def spelled_out(x, factors, after, *, first, n_levels=None):
    """A column for each level from `first` on, of ones, or of the number that stands beside the codes."""
    blocks = []
    for column in range(x.shape[1] + 1):
        for factor, place in zip(factors, after, strict=True):
            codes, values = factor if isinstance(factor, tuple) else (factor, np.ones(len(x)))
            if place == column:
                levels = np.arange(first, codes.max() + 1 if n_levels is None else n_levels)
                blocks.append((codes[:, None] == levels) * values[:, None])
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


def sample_with_slopes(seed, n_levels, n_numbers, *, kinds, weighted, n=400):
    """The same with factors of slopes at the end.

    They are of a number that is there, of one that is not, or of one that varies in some levels alone; with
    the levels' own terms before them, or for all levels without those of any number.
    """
    x, factors, after, treatment, weight = sample_of(
        seed, n_levels, n_numbers, repeated=False, weighted=weighted, n=n
    )
    rng = np.random.default_rng([seed, 2])
    after = after.tolist()
    for kind in kinds:
        codes = factors[rng.integers(0, len(n_levels))]
        own = x[:, rng.integers(0, n_numbers)] if kind in ("own", "far") else rng.normal(size=n)
        if kind == "own levels":
            factors.append((codes // 2 + 1, own))
        elif kind == "constant":
            still = np.isin(codes, rng.integers(0, 7, 2))
            x[:, 0] = np.where(still, codes / 2.0 - 1.0, x[:, 0])
            factors.append((codes, x[:, 0].copy()))
        else:
            factors.append((codes, own + 30.0 if kind == "far" else own))
        after.append(n_numbers)
    return x, factors, np.array(after), treatment, weight
