"""What else an effect is asked, as lines of the table: how much in other terms, and for whom.

Groups are called by their place, for their labels are what some transformations change.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

import invariance_estimators
import propensity as ps
from invariance_estimators import (
    ADJUSTING,
    ALL,
    WEIGHTING,
    Answer,
    Estimator,
    bootstrapped,
    model,
    of_bootstrap,
    of_effect,
)
from invariance_worlds import World


def of_groups(found: ps.GroupedEffects, world: World) -> Answer:
    equal = found.test_equal()
    answer: Answer = {("test", "equal"): equal.p_value}
    for place, (_, effect) in enumerate(found.items()):
        answer |= {
            (kind, f"{place} {name}"): value for (kind, name), value in of_effect(effect, world).items()
        }
    return answer


def _of_separate_groups(found: ps.GroupedEffects, world: World) -> Answer:
    """Of effects that know their own rows alone."""
    whole = {"weight": pd.Series(0.0, index=world.id)}
    answer: Answer = {("test", "equal"): found.test_equal().p_value}
    for place, (group, effect) in enumerate(found.items()):
        own = (world.frame["z"] == group).to_numpy() & (world.frame["w"] > 0).to_numpy()
        whole["weight"].iloc[own] = np.asarray(effect.weights)
        rows = of_effect(effect, world.of(world.frame[own]))
        answer |= {
            (kind, f"{place} {name}"): value for (kind, name), value in rows.items() if kind != "weight"
        }
    return answer | {("weight", "weights"): whole["weight"]}


def asked(
    name: str,
    function: Any,
    estimands: tuple[str, ...],
    *,
    read: Any = of_groups,
    **options: Any,
) -> Estimator:
    """An estimator that is a function of a frame; `scores="model"` fits one first."""

    def make(world: World, estimand: str) -> Any:
        given = {"outcome": "y"} | world.roles(function) | options
        if estimand:
            given["estimand"] = estimand
        if given.get("scores") == "model":
            given["scores"] = model(world)
        return function(world.df, **given)

    return Estimator(name, make, read, estimands)


def _nearest(world: World, estimand: str) -> ps.Matches:
    roles = world.roles(ps.match_nn, "covariates")
    return ps.match_nn(world.df, scores=model(world), estimand=estimand, exact=["z"], **roles)


def _of_matches(matches: ps.Matches, world: World) -> Answer:
    return of_groups(matches.effect("y", by="z"), world)


def _weights(world: World, estimand: str) -> ps.BalancingWeights:
    return ps.fit_weights(world.df, estimand=estimand, **world.roles(ps.fit_weights))


def _lift(effect: ps.Effect, world: World) -> Answer:
    """Of a contrast that has no unit."""
    kinds = dict.fromkeys(("estimate", "error", "ends", "mean", "spread"), "share")
    return {(kinds.get(kind, kind), name): value for (kind, name), value in of_effect(effect, world).items()}


def _amounts(world: World, estimand: str) -> ps.GroupedEffects:
    """Of an outcome that is never negative, and below 1 in some units."""
    amounts = world.but(y=world.frame["y"].abs())
    return ps.aipw(amounts.df, outcome="y", by="z", estimand=estimand, **world.roles(ps.aipw))


def _of_e_values(grouped: ps.GroupedEffects, world: World) -> Answer:
    return {("share", f"{place}"): one.e_value().point for place, one in enumerate(grouped.values())}


def _of_quantiles(found: ps.QuantileEffects, world: World) -> Answer:
    row = found.table.iloc[0]
    return {
        ("estimate", "median"): row["estimate"],
        ("mean", "treated"): row["quantile_treated"],
        ("mean", "control"): row["quantile_control"],
        ("drawn error", "median"): row["std_error"],
        ("drawn ends", "median"): row[["conf_low", "conf_high"]].to_numpy(dtype=float),
        ("error", "analytic"): row["analytic_std_error"],
    }


def _of_table(found: ps.LinearProjection | ps.RankEffect, world: World) -> Answer:
    answer: Answer = {}
    for place, (_, row) in enumerate(found.table.iterrows()):
        answer |= {
            ("estimate", f"{place}"): row["estimate"],
            ("error", f"{place}"): row["std_error"],
            ("ends", f"{place}"): row[["conf_low", "conf_high"]].to_numpy(dtype=float),
            ("test", f"{place} p_value"): row["p_value"],
        }
    effects = pd.Series(found.pseudo_outcomes.to_numpy(), index=world.id)
    return answer | {("estimate", "of all"): effects.mean()}


ASKED = {
    estimator.name: estimator
    for estimator in (
        asked("ipw by", ps.ipw, WEIGHTING, scores="model", by="z"),
        asked(
            "ipw by, within",
            ps.ipw,
            ("ATE",),
            read=_of_separate_groups,
            scores="model",
            by="z",
            within=True,
        ),
        asked("aipw by", ps.aipw, ADJUSTING, by="z"),
        asked("ipwra by", ps.ipwra, ADJUSTING, by="z"),
        asked("regression_adjustment by", ps.regression_adjustment, ADJUSTING, by="z"),
        Estimator("1-NN by", _nearest, _of_matches, ALL),
        Estimator(
            "fit_weights by",
            _weights,
            lambda weights, world: of_groups(weights.effect("y", by="z"), world),
            ("ATE",),
        ),
        Estimator(
            "1-NN clustered",
            _nearest,
            lambda matches, world: of_effect(matches.effect("y", cluster="team"), world),
            ALL,
        ),
        bootstrapped("bootstrap per", [ps.AIPW(estimand) for estimand in ADJUSTING], per="yes"),
        replace(
            bootstrapped(
                "bootstrap of outcomes", [ps.AIPW(estimand) for estimand in ADJUSTING], outcome=["y", "yes"]
            ),
            read=lambda results, world: of_bootstrap(results["y"], world),
        ),
        asked("ipw per", ps.ipw, WEIGHTING, read=of_effect, scores="model", per="yes"),
        asked("aipw per", ps.aipw, ADJUSTING, read=of_effect, per="yes"),
        asked("ipw per by", ps.ipw, ("ATE",), scores="model", per="yes", by="z"),
        Estimator("e_value by", _amounts, _of_e_values, ADJUSTING),
        asked(
            "ipw percent", ps.ipw, WEIGHTING, read=_lift, scores="model", outcome="yes", contrast="percent"
        ),
        asked("ipw two ways", ps.ipw, WEIGHTING, read=of_effect, scores="model", cluster=["team", "plan"]),
        asked("ipw two ways by", ps.ipw, ("ATE",), scores="model", by="z", cluster=["team", "plan"]),
        asked("ipwra two ways", ps.ipwra, ADJUSTING, read=of_effect, cluster=["team", "plan"]),
        asked("ipw winsorized", ps.ipw, WEIGHTING, read=of_effect, scores="model", winsorize=(0.1, 0.9)),
        asked("quantile_effect", ps.quantile_effect, WEIGHTING, read=_of_quantiles, q=0.5, n_reps=20),
        asked("best_linear_projection", ps.best_linear_projection, ("",), read=_of_table, projection=["yes"]),
        asked("rank_effect", ps.rank_effect, ("",), read=_of_table, priority="e"),
    )
}
ESTIMATORS = invariance_estimators.ESTIMATORS | ASKED
