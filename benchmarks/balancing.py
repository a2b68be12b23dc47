"""Coverage of 95% intervals by balancing weights, with standard errors by HC3 and by HC0.

Run by hand: ``python benchmarks/balancing.py``; it prints the rows of the table in docs/validation.md.
"""

from __future__ import annotations

import sys

import numpy as np

from propensity import core
from propensity.effects.estimators import AdjustmentEstimand, BalancingMethod
from propensity.effects.inference import normal_quantile
from propensity.errors import InfeasibleError
from worlds import WORLDS, World

NAMES = ("LD moderate", "LD strong", "LTL 1", "LTL 4", "HET", "KS right", "Setoguchi A")
FITS: tuple[tuple[AdjustmentEstimand, BalancingMethod], ...] = (
    ("ATE", "entropy"),
    ("ATE", "cbps"),
    ("ATE", "ipt"),
    ("ATT", "entropy"),
)
DATA_SETS, SEED = 2_000, 11


def estimates(
    world: World, n: int, estimand: AdjustmentEstimand, method: BalancingMethod
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Give (m, 3): the estimate and both standard errors in each data set that can be balanced."""
    rng = np.random.default_rng(SEED)
    rows = []
    for _ in range(DATA_SETS):
        sample = world.draw(rng, n)
        x, treatment = np.asfortranarray(sample.x), sample.treatment
        try:
            weights = core.fit_weights(x, treatment, estimand=estimand, method=method).weights
        except InfeasibleError:
            continue
        found = core.balanced_effect(sample.outcome, treatment, weights, x, estimand=estimand, method=method)
        rows.append((found.estimate, found.std_error, found.std_error_hc0))
    return np.array(rows)


def row(world: World, n: int) -> str:
    """Give a row of the table: by fit, coverage by HC3 and HC0, data sets not balanced, and the spread."""
    cells = []
    for estimand, method in FITS:
        found = estimates(world, n, estimand, method)
        gap, reach = np.abs(found[:, 0] - world.truth[estimand]), normal_quantile(0.95)
        hc3, hc0 = (float((gap < reach * found[:, k]).mean()) for k in (1, 2))
        missing = DATA_SETS - len(found)
        lost = f", {missing / DATA_SETS:.1%} infeasible" if missing else ""
        cells.append(f"{hc3:.1%} ({hc0:.1%}){lost}; {found[:, 0].std():.3f}")
    return f"| {world.name} | {n:,} | {' | '.join(cells)} |"


def main() -> None:
    """Print the rows, for the numbers of data rows that are given (250, 1,000 and 5,000 by default)."""
    for n in [int(size) for size in sys.argv[1:]] or [250, 1_000, 5_000]:
        for name in NAMES:
            print(row(WORLDS[name], n), flush=True)


if __name__ == "__main__":
    main()
