"""Cells matched and put into subclasses: weights, effects, errors and balance as of their users."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from counted_users import COVARIATES, TREATMENT, cells_of, world
from hypothesis import given, settings
from hypothesis import strategies as st
from same_as_users import KEYS, ROLES, SOME, compared, model_of, quietly, told

import propensity as ps
from propensity.errors import InvalidInputError

pytestmark = pytest.mark.filterwarnings("ignore")  # few users, made up


@pytest.fixture(scope="module")
def cells():
    return cells_of(world(2_500, 7), KEYS)


def in_subclasses(estimand="ATT", **options):
    def effect(table, outcome, by=None, cluster=None, inference=None, weight=None):
        shared = {} if weight is None else {"sample_weight": weight}
        scores = model_of(table, weight, SOME)
        made = ps.subclassify(
            table, treatment=TREATMENT, scores=scores, estimand=estimand, **options, **shared
        )
        return asked(made, outcome, by, cluster, inference)

    return effect


def coarsened(estimand="ATT", covariates=("tier", "tenure", "pro"), **options):
    def effect(table, outcome, by=None, cluster=None, inference=None, weight=None):
        shared = {} if weight is None else {"sample_weight": weight}
        made = ps.match_cem(
            table, treatment=TREATMENT, covariates=list(covariates), estimand=estimand, **options, **shared
        )
        return asked(made, outcome, by, cluster, inference)

    return effect


def nearest(estimand="ATT", covariates=("tier", "tenure", "pro"), **options):
    def effect(table, outcome, by=None, weight=None):
        shared = {} if weight is None else {"sample_weight": weight}
        scores = model_of(table, weight, list(covariates))
        made = ps.match_nn(table, treatment=TREATMENT, scores=scores, estimand=estimand, **options, **shared)
        counts = made.to_frame().drop(columns="max_distance")
        effect = made.effect(outcome, by=by)
        return {**told(effect), "counts": counts.to_numpy(dtype=float)}

    return effect


def asked(made, outcome, by, cluster, inference):
    effect = made.effect(outcome, by=by, cluster=cluster, inference=inference)
    counts = made.to_frame().select_dtypes("number")
    return {**told(effect), "arms": made.arms.to_numpy(), "subclasses": counts.to_numpy()}


MATCHED = {
    "5 subclasses": (in_subclasses(n_subclasses=5), {}),
    "subclasses ATE": (in_subclasses("ATE"), {}),
    "subclasses ATC": (in_subclasses("ATC", min_per_arm=9), {}),
    "subclasses, weighted": (in_subclasses(), {"weight": "w"}),
    "subclasses as clusters": (in_subclasses(), {"inference": "cluster"}),
    "subclasses in clusters": (in_subclasses(), {"cluster": "workspace"}),
    "cem": (coarsened(), {}),
    "cem ATE": (coarsened("ATE", cutpoints=2), {}),
    "cem scott": (coarsened("ATC", cutpoints="scott"), {}),
    "cem fd, weighted": (coarsened(cutpoints="fd"), {"weight": "w"}),
    "cem exactly, grouped": (
        coarsened(cutpoints="exact", grouping={"tier": {"light": "rest", "medium": "rest"}}),
        {},
    ),
    "cem by group": (coarsened(covariates=("tier", "region")), {"by": "region"}),
    "cem in clusters": (coarsened(), {"cluster": "workspace"}),
    "1-NN": (nearest(), {}),
    "1-NN ATC": (nearest("ATC"), {}),
    "1-NN ATE on all": (nearest("ATE", COVARIATES), {}),
    "3-NN on the logit": (nearest("ATE", n_neighbors=3, on="logit"), {}),
    "1-NN in a caliper": (nearest("ATT", caliper=0.05, on="logit"), {}),
    "1-NN in a raw caliper": (nearest("ATE", caliper=0.02, caliper_unit="raw"), {}),
    "1-NN, pooled deviations": (nearest("ATE", caliper=0.1, caliper_sd="pooled"), {}),
    "1-NN in calipers": (nearest("ATE", caliper={"tenure": 0.5, "scores": 0.4}), {}),
    "1-NN within": (nearest("ATE", exact=["region"]), {}),
    "1-NN within, by group": (nearest("ATT", exact=["region"]), {"by": "region"}),
    "5-NN within": (nearest("ATE", n_neighbors=5, exact=["region"]), {}),
    "5-NN in a caliper": (nearest("ATT", n_neighbors=5, caliper=0.2), {}),
    "1-NN, weighted": (nearest(), {"weight": "w"}),
    "2-NN ATE, weighted": (nearest("ATE", COVARIATES, n_neighbors=2), {"weight": "w"}),
}


@pytest.mark.parametrize("name", list(MATCHED))
@pytest.mark.parametrize("outcome", ["done", "minutes"])
def test_matches_of_cells_are_those_of_their_users(cells, name, outcome):
    function, options = MATCHED[name]
    compared(function, cells, outcome, 1e-10, **options)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(150, 700),
    outcome=st.sampled_from(["done", "clicks", "minutes"]),
    name=st.sampled_from(
        ["5 subclasses", "cem", "cem in clusters", "1-NN", "1-NN ATE on all", "2-NN ATE, weighted"]
    ),
)
def test_matches_in_any_world(seed, n, outcome, name):
    function, options = MATCHED[name]
    try:
        compared(function, cells_of(world(n, seed), KEYS), outcome, 1e-10, **options)
    except InvalidInputError as error:  # few users: what cannot be compared cannot be so of either
        with pytest.raises(type(error)):
            quietly(function, cells_of(world(n, seed), KEYS).expand(outcome), outcome, **options)


def test_matches_of_cells_are_those_of_the_users_they_were_made_of():
    users = world(2_500, 7)
    for name in ("5 subclasses", "cem", "1-NN", "1-NN ATE on all"):
        function, options = MATCHED[name]
        for outcome in ("clicks", "minutes"):
            found, expected = (
                quietly(function, table, outcome, **options) for table in (cells_of(users), users)
            )
            for what in ("exact", "as percent"):
                np.testing.assert_allclose(found[what][:2], expected[what][:2], rtol=1e-9)
            np.testing.assert_allclose(found["errors"][0], expected["errors"][0], rtol=1e-10)


def test_balance_of_matched_cells(cells):
    tables = []
    for table in (cells, cells.expand("done")):
        scores = model_of(table, None, SOME)
        made = {
            "strata": ps.subclassify(table, treatment=TREATMENT, scores=scores),
            "cells": ps.match_cem(table, treatment=TREATMENT, covariates=SOME),
            "1-NN": ps.match_nn(table, treatment=TREATMENT, scores=scores),
        }
        tables.append(ps.balance(table, **ROLES, weights=made).table)
    pd.testing.assert_frame_equal(*tables, rtol=1e-9, atol=1e-12)


def test_matching_beside_others(cells):
    estimators = [
        ps.NearestNeighbors("ATT"),
        ps.Subclassification("ATT"),
        ps.CoarsenedMatching("ATT"),
        ps.IPW("ATT"),
    ]

    def effects(table, outcome, **options):
        found = ps.estimate(table, outcome=outcome, **ROLES, estimators=estimators, **options)
        return list(found.effects.values())

    for outcome in ("done", "minutes"):
        compared(effects, cells, outcome, 1e-10)
        compared(effects, cells, outcome, 1e-10, sample_weight="w")
    notes = [
        ps.estimate(table, outcome="done", **ROLES, estimators=estimators).notes
        for table in (cells, cells.expand("done"))
    ]
    assert notes[0] == notes[1]


def test_matched_outcomes_are_named_or_taken_from_the_cells(cells):
    made = ps.match_cem(cells, treatment=TREATMENT, covariates=SOME)
    found = made.effect("clicks")
    assert made.effect(cells["clicks"]).estimate == found.estimate
    with pytest.raises(TypeError, match=r"cells\['completed'\]"):
        made.effect(np.zeros(cells.n_cells))
    with pytest.raises(InvalidInputError, match="outcome: "):
        made.effect(cells_of(world(300, 1))["clicks"])
    kept = made.frame(cells)
    assert {"weights", "subclass", "frequency"} <= set(kept.columns)
    assert len(kept) == int((made.labels > 0).sum())


def test_errors_of_matched_cells_are_said_to_be_made_as_those_of_users():
    cells = cells_of(world(400, 2), KEYS)
    said = []
    for table in (cells, cells.expand("minutes")):
        coarse = ps.match_cem(table, treatment=TREATMENT, covariates=["tier", "tenure", "pro"])
        scores = model_of(table)
        near = [
            ps.match_nn(table, treatment=TREATMENT, scores=scores, **options)
            for options in ({}, {"caliper": 0.01}, {"exact": ["region"]})
        ]
        effects = [coarse.effect("minutes", cluster="workspace"), *(made.effect("minutes") for made in near)]
        said.append([(effect.se_method, effect.whom, list(map(str, effect.cautions))) for effect in effects])
    assert said[0] == said[1]


@pytest.mark.parametrize(
    "options", [{}, {"caliper": 0.2}, {"exact": ["g"]}, {"caliper": 0.3, "exact": ["g"]}]
)
@pytest.mark.parametrize("n_neighbors", [1, 2, 12])
@pytest.mark.parametrize("estimand", ["ATT", "ATE"])
def test_many_cells_of_one_score_are_each_matched_once(estimand, n_neighbors, options):
    rng = np.random.default_rng(5)
    users = pd.DataFrame(
        {
            "p": rng.choice([0.2, 0.3, 0.35, 0.6], 300),
            "g": rng.choice(["a", "b"], 300),
            "v": rng.integers(0, 4, 300),
            "t": rng.integers(0, 2, 300),
            "w": rng.choice([1.0, 2.0], 300),
        }
    )
    users["y"] = users["v"] + rng.integers(0, 3, 300)
    cells = ps.collapse(users, outcome="y", treatment="t", covariates=["p"], also=["v", "g", "w"])
    roles = {"treatment": "t", "scores": "p", "sample_weight": "w"}
    given = roles | {"n_neighbors": n_neighbors, "estimand": estimand, **options}
    found, expected = (ps.match_nn(table, **given) for table in (cells, cells.expand("y")))
    assert found.n_pairs == expected.n_pairs
    for name in ("estimate", "std_error", "ess_treated", "ess_control"):
        values = [getattr(matches.effect("y"), name) for matches in (found, expected)]
        assert values[0] == pytest.approx(values[1], rel=1e-10), name
