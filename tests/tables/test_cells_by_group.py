"""Effects of cells by group, within groups and of bounded outcomes: as of their users row by row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from counted_users import TREATMENT, cells_of, world
from same_as_users import KEYS, ROLES, compared, model_of, quietly, same

import propensity as ps
from propensity.errors import InvalidInputError

pytestmark = pytest.mark.filterwarnings("ignore")  # few users, made up


@pytest.fixture(scope="module")
def cells():
    return cells_of(world(2_500, 7), KEYS)


def weighted(table, outcome, **options):
    weight = options.get("sample_weight")
    return ps.ipw(table, outcome=outcome, treatment=TREATMENT, scores=model_of(table, weight), **options)


def by_given_weights(table, outcome, **options):
    scores = model_of(table, options.get("sample_weight"))
    roles = {"treatment": TREATMENT}
    shared = {name: options[name] for name in options if name == "sample_weight"}
    weights = ps.balancing_weights(table, **roles, scores=scores, **shared)
    return ps.weighted_effect(table, outcome=outcome, **roles, weights=weights, estimand="ATE", **options)


def adjusted(function):
    return lambda table, outcome, **options: function(table, outcome=outcome, **ROLES, **options)


def several(table, outcome, **options):
    estimators = [ps.IPW("ATT"), ps.AIPW("ATE"), ps.Balancing("ATT"), ps.Balancing("ATE", method="cbps")]
    found = ps.estimate(table, outcome=outcome, **ROLES, estimators=estimators, **options)
    return list(found.effects.values())


ESTIMATORS = {
    "ipw": weighted,
    "weighted_effect": by_given_weights,
    "aipw": adjusted(ps.aipw),
    "ipwra": adjusted(ps.ipwra),
    "regression_adjustment": adjusted(ps.regression_adjustment),
    "estimate": several,
}


OPTIONS = {
    "by": {"by": "region"},
    "by two": {"by": ["region", "pro"]},
    "by in clusters": {"by": "region", "cluster": "workspace"},
    "by in two ways": {"by": "region", "cluster": ["workspace", "tenure"]},
    "by with survey weights": {"by": "region", "sample_weight": "w"},
    "within": {"by": "region", "within": True},
    "within clusters": {"by": "region", "within": True, "cluster": "workspace"},
    "within with survey weights": {"by": "region", "within": True, "sample_weight": "w"},
}


@pytest.mark.parametrize("option", list(OPTIONS))
@pytest.mark.parametrize("name", list(ESTIMATORS))
@pytest.mark.parametrize("outcome", ["done", "minutes"])
def test_groups_of_cells_are_those_of_their_users(cells, name, option, outcome):
    options = OPTIONS[option]
    if "within" in options and name in ("weighted_effect", "estimate"):
        pytest.skip("there is no `within`")
    compared(ESTIMATORS[name], cells, outcome, 1e-10, **options)


def test_groups_of_cells_are_those_of_the_users_they_were_made_of():
    users = world(2_500, 7)
    for outcome in ("done", "clicks"):
        found, expected = (weighted(table, outcome, by="region").table for table in (cells_of(users), users))
        told_of = ["estimate", "std_error", "ess_treated", "ess_control", "n_treated", "n_control"]
        pd.testing.assert_frame_equal(found[told_of], expected[told_of], rtol=1e-10)


@pytest.mark.parametrize("name", ["ipw", "aipw", "regression_adjustment", "estimate"])
def test_winsorized_keys_are_those_of_the_users(name):
    users = world(1_500, 3)
    cells = cells_of(users, ("clicks",), outcomes=())
    for options in ({"winsorize": 0.95}, {"winsorize": 0.95, "by": "region"}):
        found, expected = (quietly(ESTIMATORS[name], table, "clicks", **options) for table in (cells, users))
        same(found, expected, 1e-9)
    with pytest.raises(InvalidInputError, match=r"winsorize: .*also=\['clicks'\]"):
        ESTIMATORS[name](cells_of(users), "clicks", winsorize=0.95)


def test_per_user_ratios_by_group_are_those_of_the_users():
    users = world(1_500, 3)
    cells = cells_of(users, ("clicks", "done"), outcomes=())
    for name in ("ipw", "aipw"):
        options = {"per": "clicks", "by": "region"}
        found, expected = (quietly(ESTIMATORS[name], table, "done", **options) for table in (cells, users))
        same(found, expected, 1e-9)


def test_scores_of_other_cells_are_predicted(cells):
    users = cells.expand("done")
    model = model_of(users)
    other = cells_of(world(500, 9))
    found = model.predict(other)
    rows = other.expand("done")
    by_row = rows.assign(score=model.predict(rows)).groupby(list(other.keys), observed=True)["score"]
    np.testing.assert_allclose(found, by_row.first(), rtol=1e-13)
    assert len(found) == other.n_cells
    learned = ps.fit_propensity(users, **ROLES, score_model=ps.Boosting(max_trees=5), n_folds=2)
    assert len(learned.predict(other)) == other.n_cells
