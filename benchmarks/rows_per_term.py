"""How many rows a term an outcome model needs: coverage of 95% intervals where every model is right.

Run by hand: ``python benchmarks/rows_per_term.py``; it prints a line for each number of terms, and of rows of
the smaller arm for each term. `propensity.effects.cautions` warns below the number from which coverage holds.
"""

from __future__ import annotations

import itertools

import numpy as np

from propensity import core
from propensity.effects.estimators import AdjustmentEstimand, Method
from propensity.effects.inference import normal_quantile
from propensity.errors import InvalidInputError

TERMS = (10, 20, 40)
ROWS_PER_TERM = (1.5, 2, 3, 5, 7, 10, 15, 20)
METHODS: tuple[Method, ...] = ("regression", "aipw", "ipwra")
ESTIMANDS: tuple[AdjustmentEstimand, ...] = ("ATE", "ATT")
DATA_SETS, EFFECT, SEED = 400, 1.0, 3


def coverage(n_terms: int, rows_per_term: float, rng: np.random.Generator) -> dict[str, float]:
    """Count the intervals that hold the effect, by method and estimand; a fifth to a quarter is treated."""
    n = 4 * int(n_terms * rows_per_term)
    held: dict[str, list[bool]] = {}
    for _ in range(DATA_SETS):
        x = np.asfortranarray(rng.normal(size=(n, n_terms)))
        common = x.sum(axis=1) / np.sqrt(n_terms)
        treated = rng.random(n) < 1 / (1 + np.exp(1.25 - common / 2))
        outcome = common + EFFECT * treated + rng.normal(size=n)
        for method, estimand in itertools.product(METHODS, ESTIMANDS):
            try:
                found = core.adjust(x, treated, outcome, method=method, estimand=estimand)
            except InvalidInputError:  # separation, or fewer rows than terms
                continue
            reach = normal_quantile(0.95) * found.std_error
            held.setdefault(f"{method} {estimand}", []).append(abs(found.estimate - EFFECT) < reach)
    return {name: float(np.mean(inside)) for name, inside in held.items()}


def main() -> None:
    """Print the table."""
    rng = np.random.default_rng(SEED)
    for n_terms, rows_per_term in itertools.product(TERMS, ROWS_PER_TERM):
        found = coverage(n_terms, rows_per_term, rng)
        shares = ", ".join(f"{name} {share:.1%}" for name, share in found.items())
        print(f"{n_terms} terms, {rows_per_term} rows a term: {shares}", flush=True)


if __name__ == "__main__":
    main()
