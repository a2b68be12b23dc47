"""The ways in: every public function, called on the same columns through pandas, polars and NumPy.

A call takes columns by name and gives the numbers that matter, so that what goes in by one way can be held
against what goes in by another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

import propensity as ps
from propensity import core

Columns = dict[str, Any]

N = 120
COVARIATES = ["visits", "tenure"]


def columns() -> Columns:
    """120 rows of whole numbers and 64ths, which float16 holds exactly, and all but the scores int8 too."""
    rng = np.random.default_rng(11)
    visits = rng.integers(-5, 6, N).astype(float)
    return {
        "opted": (rng.random(N) < 0.45 + 0.04 * visits).astype(float),
        "done": rng.integers(-9, 10, N) + visits,
        "visits": visits,
        "tenure": rng.integers(0, 9, N).astype(float),
        "tier": rng.choice(["light", "medium", "heavy"], N),
        "e": rng.integers(16, 48, N) / 64,
        "w": rng.integers(1, 4, N).astype(float),
        "team": rng.integers(0, 50, N),
    }


# Frames


def _model(df, **options):
    return ps.fit_propensity(df, **{"treatment": "opted", "covariates": COVARIATES} | options)


def _with_roles(function: Callable[..., Any], **roles: Any) -> Callable[..., Any]:
    return lambda df, **options: function(df, **{"treatment": "opted"} | roles | options)


def _effect(function: Callable[..., Any], **roles: Any) -> Callable[..., Any]:
    def call(df, **options):
        effect = _with_roles(function, outcome="done", **roles)(df, **options)
        return np.array([effect.estimate, effect.std_error, effect.ess_treated])

    return call


def _table(function: Callable[..., Any], **roles: Any) -> Callable[..., Any]:
    def call(df, **options):
        table = _with_roles(function, outcome="done", **roles)(df, **options).table
        return table[["estimate", "std_error"]].to_numpy().ravel()

    return call


def _matched_effect(df, **options):
    outcome = options.pop("outcome", df["done"])
    of_effect = {name: options.pop(name) for name in ("variance_neighbors",) if name in options}
    matches = _with_roles(ps.match_nn, scores="e")(df, **options)
    effect = matches.effect(outcome, **of_effect)
    return np.array([effect.estimate, effect.std_error, effect.ess_treated])


def _predict(df, new=None, **options):
    model = _model(df, **options)
    return np.asarray(model.predict(df if new is None else new))


FRAME_CALLS: Mapping[str, Callable[..., Any]] = {
    "fit": lambda df, **o: np.asarray(_model(df, **o).scores),
    "boosted": lambda df, **o: np.asarray(
        _model(df, **{"score_model": ps.Boosting(max_trees=10)} | o).scores
    ),
    "aipw of scores": _effect(ps.aipw, covariates=COVARIATES, scores="e"),
    "predict": _predict,
    "weights": lambda df, **o: np.asarray(_with_roles(ps.balancing_weights, scores="e")(df, **o)),
    "balancing": lambda df, **o: np.asarray(
        _with_roles(ps.fit_weights, covariates=COVARIATES)(df, **o).weights
    ),
    "ipw": _effect(ps.ipw, scores="e"),
    "by": _table(ps.ipw, scores="e", by="tier"),
    "per": _effect(ps.ipw, scores="e", per="w"),
    "winsorized": _effect(ps.ipw, scores="e", winsorize=0.9),
    "quantiles": _table(ps.quantile_effect, covariates=COVARIATES, n_reps=20, progress=False),
    "projection": _table(ps.best_linear_projection, covariates=COVARIATES, projection=["w"]),
    "rank": _table(ps.rank_effect, covariates=COVARIATES, priority="w"),
    "weighted": _effect(ps.weighted_effect, weights="e", estimand="ATO"),
    "aipw": _effect(ps.aipw, covariates=COVARIATES),
    "ipwra": _effect(ps.ipwra, covariates=COVARIATES),
    "regression": _effect(ps.regression_adjustment, covariates=COVARIATES),
    "match": lambda df, **o: np.asarray(_with_roles(ps.match_nn, scores="e")(df, **o).weights),
    "matched effect": _matched_effect,
    "smd": lambda df, **o: _with_roles(ps.smd, covariates=COVARIATES)(df, **o).to_numpy(),
    "balance": lambda df, **o: (
        _with_roles(ps.balance, covariates=COVARIATES)(df, **o)
        .xs("smd", axis=1, level="measure")
        .to_numpy()
        .T.ravel()
    ),
    "overlap": lambda df, **o: (
        _with_roles(ps.overlap, scores="e")(df, **o).to_frame().to_numpy(float).ravel()
    ),
    "trim": lambda df, **o: np.asarray(
        _with_roles(ps.trim, scores="e", bounds=(0.3, 0.7))(df, **o).keep, dtype=float
    ),
    "full": lambda df, **o: np.asarray(_with_roles(ps.match_full, scores="e")(df, **o).weights),
    "coarsened": lambda df, **o: np.asarray(
        _with_roles(ps.match_cem, covariates=COVARIATES)(df, **o).weights
    ),
    "subclasses": lambda df, **o: np.asarray(
        _with_roles(ps.subclassify, scores="e", n_subclasses=3)(df, **o).weights
    ),
    "robustness": lambda df, **o: (
        _with_roles(ps.robustness_value, outcome="done", covariates=COVARIATES)(df, **o)
        .table.drop(columns="benchmark")
        .to_numpy(float)
        .ravel()
    ),
    "bounds": lambda df, **o: (
        _with_roles(ps.sensitivity_bounds, outcome="done", covariates=COVARIATES)(
            df, **{"n_reps": 4, "progress": False} | o
        )
        .table.to_numpy(float)
        .ravel()
    ),
    "placebo": lambda df, **o: (
        _with_roles(ps.placebo, outcome="done", covariates=COVARIATES)(df, **{"leave_out": ["visits"]} | o)
        .table["estimate"]
        .to_numpy()
    ),
    "bootstrap": lambda df, **o: (
        _with_roles(ps.bootstrap, outcome="done", covariates=COVARIATES)(
            df, **{"n_reps": 4, "seed": 1, "progress": False} | o
        )
        .replicates.to_numpy()
        .ravel()
    ),
    "estimate": lambda df, **o: _with_roles(ps.estimate, outcome="done", covariates=COVARIATES)(df, **o)[
        "estimate"
    ].to_numpy(),
}


# Arrays


def matrix(c: Columns) -> Any:
    """The covariates side by side, with a mask where one has a mask."""
    parts = [np.ma.asarray(c[name]) if np.ma.isMA(c[name]) else np.asarray(c[name]) for name in COVARIATES]
    return np.ma.column_stack(parts) if any(map(np.ma.isMA, parts)) else np.column_stack(parts)


def _x(c: Columns) -> Any:
    return c["x"] if "x" in c else matrix(c)


def _estimate(found: Any) -> Any:
    return np.array([found.estimate, found.std_error])


def _adjust(method: str) -> Callable[..., Any]:
    return lambda c, **o: _estimate(core.adjust(_x(c), c["opted"], c["done"], method=method, **o))


ARRAY_CALLS: Mapping[str, Callable[..., Any]] = {
    "fit": lambda c, **o: core.fit_propensity(_x(c), c["opted"], **o).scores,
    "predict": lambda c, new=None, **o: core.fit_propensity(_x(c), c["opted"], **o).predict(
        _x(c) if new is None else new
    ),
    "weights": lambda c, **o: core.ipw(np.zeros(len(c["e"])), c["opted"], c["e"], **o).weights,
    "balancing": lambda c, **o: core.fit_weights(_x(c), c["opted"], **o).weights,
    "ipw": lambda c, **o: _estimate(core.ipw(c["done"], c["opted"], c["e"], **o)),
    "aipw": _adjust("aipw"),
    "ipwra": _adjust("ipwra"),
    "regression": _adjust("regression"),
    "match": lambda c, **o: core.match_nn(c["e"], c["opted"], **o).weights,
    "matched effect": lambda c, **o: _estimate(core.matching_effect(c["done"], c["opted"], c["e"], **o)),
    "smd": lambda c, **o: core.smd(_x(c), c["opted"], **o),
    "balance": lambda c, **o: core.balance(_x(c), c["opted"], **o).smd.T.ravel(),
    "full": lambda c, **o: core.match_full(c["e"], c["opted"], **o).subclass.astype(float),
    "influence": lambda c, **o: core.bootstrap_influence(c["done"], **{"n_reps": 4} | o),
    "bounds": lambda c, **o: core.sensitivity_bounds(
        _x(c), c["opted"], c["done"], **{"gammas": np.array([1.5]), "n_reps": 4, "seed": 0} | o
    ).bounds.ravel(),
    "bootstrap": lambda c, **o: (
        core.bootstrap(
            _x(c),
            c["opted"],
            c["done"],
            **{"estimators": [ps.IPW("ATE"), ps.IPW("ATT"), ps.NearestNeighbors("ATT")]}
            | {"n_reps": 4, "seed": 1}
            | o,
        )
    ).replicates.ravel(),
}

DOORS: Mapping[str, tuple[Callable[[Columns], Any], Mapping[str, Callable[..., Any]]]] = {
    "pandas": (lambda c: pd.DataFrame({name: c[name] for name in c if name != "x"}), FRAME_CALLS),
    "polars": (lambda c: pl.DataFrame({name: c[name] for name in c if name != "x"}), FRAME_CALLS),
    "numpy": (lambda c: c, ARRAY_CALLS),
}
