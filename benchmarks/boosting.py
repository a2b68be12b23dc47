"""Boosted scores of five folds against five fits of scikit-learn's and LightGBM's; AIPW with boosted models.

Run by hand: ``python benchmarks/boosting.py``, or with numbers of rows; it prints medians. LightGBM takes
part where it is installed. All grow the same number of trees of the same shape, and predict the fold that
they have not seen.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

import clock
import propensity as ps
from clock import Row, Sides
from propensity import core

N_FOLDS, N_COLUMNS = 5, 10
TREES, DEPTH, RATE, MIN_LEAF = 100, 4, 0.1, 20
ROWS = (50_000, 1_000_000)
ROUNDS = {50_000: 9, 1_000_000: 3}

BAR_OTHERS = 4.0
"""How many times as long the others are to take."""


@dataclass(frozen=True, eq=False)
class Users:
    """Ten columns of which five matter, by steps, a bend and a product; who opted in; and folds."""

    x: NDArray[np.float64]
    treated: NDArray[np.bool_]
    folds: NDArray[np.int64]


@functools.cache
def users(n: int, seed: int = 0) -> Users:
    """Draw them."""
    rng = np.random.default_rng(seed)
    x = np.asfortranarray(rng.normal(size=(n, N_COLUMNS)))
    log_odds = np.sin(2 * x[:, 0]) + 0.5 * x[:, 1] * x[:, 2] - 0.5 * (x[:, 3] > 0) + 0.3 * x[:, 4]
    treated = rng.random(n) < 1 / (1 + np.exp(-log_odds))
    return Users(x, treated, rng.permutation(np.arange(n) % N_FOLDS))


def own(n: int) -> NDArray[np.float64]:
    """Give scores out of fold by the core."""
    data = users(n)
    found = core.boosted_scores(
        data.x,
        data.treated,
        data.folds,
        depth=DEPTH,
        learning_rate=RATE,
        max_trees=TREES,
        min_leaf=MIN_LEAF,
        stop=None,
    )
    return found.scores


def scikit_learns() -> Any:
    """Give scikit-learn's model."""
    return HistGradientBoostingClassifier(
        max_iter=TREES,
        max_depth=DEPTH,
        max_leaf_nodes=None,
        learning_rate=RATE,
        min_samples_leaf=MIN_LEAF,
        early_stopping=False,
    )


def lightgbms() -> Any:
    """Give LightGBM's model."""
    return importlib.import_module("lightgbm").LGBMClassifier(
        n_estimators=TREES,
        max_depth=DEPTH,
        num_leaves=2**DEPTH,
        learning_rate=RATE,
        min_child_samples=MIN_LEAF,
        verbose=-1,
    )


def out_of_fold(make: Callable[[], Any], n: int) -> NDArray[np.float64]:
    """Give scores out of fold by another model, fold by fold."""
    data = users(n)
    scores = np.empty(n)
    for fold in range(N_FOLDS):
        there = data.folds != fold
        model = make().fit(data.x[there], data.treated[there])
        scores[~there] = model.predict_proba(data.x[~there])[:, 1]
    return scores


def others() -> dict[str, Callable[[], Any]]:
    """Give the models to compare with, by name."""
    found = {"scikit-learn HistGradientBoosting": scikit_learns}
    if importlib.util.find_spec("lightgbm") is not None:
        found["LightGBM"] = lightgbms
    return found


def five_folds(n: int) -> Iterator[Row]:
    """Compare times of scores out of fold; how well they predict is in the note."""
    data, makes = users(n), others()
    sides: Sides = {name: functools.partial(out_of_fold, make, n) for name, make in makes.items()}
    sides["own"] = functools.partial(own, n)
    found = clock.medians(sides, ROUNDS.get(n, 3))
    auc = roc_auc_score(data.treated, own(n))
    for name, make in makes.items():
        other = roc_auc_score(data.treated, out_of_fold(make, n))
        job = f"{N_FOLDS} folds x {TREES} trees of depth {DEPTH}, {n:,} x {N_COLUMNS}"
        yield Row(
            "boosting", job, name, found[name], found["own"], BAR_OTHERS, note=f"AUC {auc:.4f} v {other:.4f}"
        )


def _prepared(n: int) -> Callable[[], object]:
    users(n)
    own(2_000)
    return functools.partial(own, n)


def memory(n: int) -> float:
    """Measure the megabytes that scores take beyond the covariates."""
    return clock.peak_megabytes(functools.partial(_prepared, n))


def both_models_boosted() -> float:
    """Time AIPW on the tutorial's users, scores and outcomes boosted, 200 trees, 5 folds."""
    frame = ps.datasets.opt_in_logs()
    model = ps.Boosting(max_trees=200)
    run = functools.partial(
        ps.aipw,
        frame,
        outcome="task_completed",
        treatment="opt_in_agent_mode",
        covariates=["engagement_tier", "query_confidence"],
        score_model=model,
        outcome_model=model,
        n_folds=N_FOLDS,
    )
    return clock.medians({"own": run}, 9)["own"]


def main() -> None:
    """Print all of it."""
    print(clock.machine(["propensity", "numpy", "scikit-learn"]))
    for n in [int(size) for size in sys.argv[1:]] or ROWS:
        for row in five_folds(n):
            print(
                f"{row.job}: own {row.own_value:.3f} s, {row.other} {row.other_value:.3f} s, "
                f"{row.ratio:.1f} times (bar {row.bar:g}); {row.note}",
                flush=True,
            )
        print(f"  memory beyond the covariates: {memory(n):.0f} MB", flush=True)
    print(f"AIPW, both boosted, tutorial, 200 trees: {both_models_boosted():.3f} s (bar 0.6)")


if __name__ == "__main__":
    main()
