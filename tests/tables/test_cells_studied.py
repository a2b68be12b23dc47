"""Cells balanced, checked and studied as their users are, and what looks at single users."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from counted_users import TREATMENT, cells_of, world
from same_as_users import KEYS, ROLES, SOME, compared, model_of, same, told

import propensity as ps
from propensity.errors import InvalidInputError

pytestmark = pytest.mark.filterwarnings("ignore")  # few users, made up


@pytest.fixture(scope="module")
def cells():
    return cells_of(world(2_500, 7), KEYS)


WEIGHTS = {
    "entropy": {},
    "entropy ATE": {"estimand": "ATE"},
    "cbps": {"method": "cbps", "estimand": "ATE"},
    "ipt": {"method": "ipt", "estimand": "ATE"},
    "squares": {"moments": 2, "estimand": "ATC"},
    "products": {"interactions": True},
    "survey weights": {"sample_weight": "w"},
}


@pytest.mark.parametrize("asked_of_effect", [{}, {"by": "region"}, {"cluster": "workspace"}])
@pytest.mark.parametrize("name", list(WEIGHTS))
@pytest.mark.parametrize("outcome", ["done", "minutes"])
def test_balancing_weights_of_cells_are_those_of_their_users(cells, name, outcome, asked_of_effect):
    def effect(table, outcome):
        made = ps.fit_weights(table, treatment=TREATMENT, covariates=["tier", "tenure"], **WEIGHTS[name])
        said = made.summary().drop(columns="imbalance")
        sizes = np.array([made.ess_treated, made.ess_control])
        found = {**told(made.effect(outcome, **asked_of_effect)), "sizes": sizes, "summary": said.to_numpy()}
        return found | {"balance": made.balance().table.select_dtypes("number").to_numpy()}

    compared(effect, cells, outcome, 1e-10)


@pytest.mark.parametrize("outcome", ["done", "clicks", "minutes"])
def test_robustness_of_cells_is_that_of_their_users(cells, outcome):
    def least_squares(table, outcome, **options):
        found = ps.robustness_value(table, outcome=outcome, **ROLES, **options)
        return {"values": np.array([found.value, found.value_at_alpha]), **told(found.table)}

    compared(least_squares, cells, outcome, 1e-10)
    compared(least_squares, cells, outcome, 1e-10, sample_weight="w")
    options = {"estimator": ps.AIPW("ATT"), "benchmarks": ["tier"], "cluster": "workspace"}
    if outcome == "done":
        compared(least_squares, cells, outcome, 1e-10, **options)
    else:
        with pytest.raises(InvalidInputError, match=r"which is not 0/1, .*cells\.expand"):
            least_squares(cells, outcome, **options)


def test_checks_of_cells_count_users():
    users = world(2_000, 4)
    users["rare"] = np.where(np.arange(len(users)) < 7, "few", "many")
    users["far"] = np.where(np.arange(len(users)) == 0, 900, users["tenure"])
    users["told"] = users[TREATMENT] ^ (np.arange(len(users)) < 40)
    users["code"] = np.where(np.arange(len(users)) < 30, -99, users["tenure"])
    users["twice"] = 2 * users["tenure"] + 1
    columns = ["tier", "tenure", "rare", "far", "told", "code", "twice"]
    counted = ps.collapse(
        users, outcome=["done", "clicks"], treatment=TREATMENT, covariates=columns, also=["workspace"]
    )
    for outcome in ("done", "clicks"):
        options = {"treatment": TREATMENT, "covariates": columns, "outcome": outcome, "cluster": "workspace"}
        found, expected = (ps.check(table, **options) for table in (counted, counted.expand(outcome)))
        assert (found.n_rows, found.n_treated) == (expected.n_rows, expected.n_treated)
        names = ["severity", "column", "n_rows"]
        pd.testing.assert_frame_equal(found.table[names], expected.table[names])
    found = ps.check(counted, treatment=TREATMENT, covariates=columns, outcome=["done", "clicks"])
    assert {"rare", "far", "told", "code", "twice"} <= set(found.table["column"])
    with pytest.raises(InvalidInputError, match=r"ids: check with ids= .*cells\.expand"):
        ps.check(counted, treatment=TREATMENT, ids="tier")


def test_designs_of_cells_count_users(cells):
    def planned(table, _, weight=None, **options):
        shared = {} if weight is None else {"sample_weight": weight}
        roles = {"treatment": TREATMENT, "scores": model_of(table, weight)}
        return ps.design(table, **roles, effect=0.05, **options, **shared).table

    for outcome in ("done", "minutes"):
        compared(planned, cells, outcome, std_dev=0.5)
        compared(planned, cells, outcome, std_dev=0.5, weight="w")
        compared(lambda table, name: planned(table, None, outcome=name), cells, outcome)


@pytest.mark.parametrize("outcome", ["done", "minutes"])
def test_studies_of_cells_say_what_studies_of_their_users_do(cells, outcome):
    found, expected = (ps.Study(table, outcome=outcome, **ROLES) for table in (cells, cells.expand(outcome)))
    assert found.summary() == expected.summary()
    same(found.effect, expected.effect, 1e-9)
    same(found.by("region"), expected.by("region"), 1e-9)
    same(found.balance().table, expected.balance().table, 1e-9)
    assert str(found.robustness()) == str(expected.robustness())
    assert str(found.sensitivity()) == str(expected.sensitivity())
    facts, of_users = found.to_dict(), expected.to_dict()
    assert facts["question"] == of_users["question"]
    assert facts["summary"] == of_users["summary"]
    for part in ("overlap", "estimates"):
        close(facts[part], of_users[part])
    assert found.to_markdown().splitlines()[0] == expected.to_markdown().splitlines()[0]


def close(found, expected):
    """Require the same lists and dicts, and numbers that are the same but for rounding."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            close(found[key], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            close(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-8, abs=1e-10)
    else:
        assert found == expected


def test_a_study_of_several_outcomes(cells):
    study = ps.Study(cells, outcome=["done", "minutes"], **ROLES)
    assert "done" in study.summary()
    assert study.check().ok
    assert study.bootstrap(n_reps=20).replicates.shape == (20, 2)


REFUSED = {
    "pairs": lambda table, scores: ps.match_nn(table, treatment=TREATMENT, scores=scores, replace=False),
    "a cap": lambda table, scores: ps.match_nn(table, treatment=TREATMENT, scores=scores, max_reuse=2),
    "covariates": lambda table, _: ps.match_nn(
        table, treatment=TREATMENT, covariates=["tenure"], on="mahalanobis"
    ),
    "discarded": lambda table, scores: ps.match_nn(table, treatment=TREATMENT, scores=scores, discard="both"),
    "full": lambda table, scores: ps.match_full(table, treatment=TREATMENT, scores=scores),
    "who with whom": lambda table, scores: ps.match_nn(table, treatment=TREATMENT, scores=scores).pairs,
    "adjusted": lambda table, scores: ps.match_nn(table, treatment=TREATMENT, scores=scores).effect(
        "done", bias_adjust=["tenure"]
    ),
    "clustered": lambda table, scores: ps.match_nn(table, treatment=TREATMENT, scores=scores).effect(
        "done", cluster="workspace"
    ),
    "drawn": lambda table, scores: ps.match_nn(table, treatment=TREATMENT, scores=scores).bootstrap("done"),
    "strata drawn": lambda table, scores: ps.subclassify(table, treatment=TREATMENT, scores=scores).bootstrap(
        "done"
    ),
    "on a curve": lambda table, scores: ps.subclassify(table, treatment=TREATMENT, scores=scores).effect(
        "done", inference="score"
    ),
    "per another": lambda table, scores: ps.subclassify(table, treatment=TREATMENT, scores=scores).effect(
        "done", per="clicks"
    ),
    "rosenbaum": lambda table, _: ps.match_cem(table, treatment=TREATMENT, covariates=SOME).rosenbaum("done"),
    "a penalty": lambda table, _: ps.fit_weights(table, **ROLES, penalty=1.0),
    "weights drawn": lambda table, _: ps.fit_weights(table, **ROLES).bootstrap("done"),
    "quantiles": lambda table, scores: ps.quantile_effect(
        table, outcome="done", treatment=TREATMENT, scores=scores
    ),
    "placebo": lambda table, _: ps.placebo(table, outcome="done", **ROLES),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_looks_at_single_users_says_what_helps(cells, name):
    with pytest.raises(
        InvalidInputError, match=r"single users.*cells\.expand\(\), a row for each of the 2,500"
    ):
        REFUSED[name](cells, model_of(cells))
