"""Cells through estimators with outcome models, several estimators at once, and the weights that balance."""

from __future__ import annotations

import warnings

import pytest
from counted_users import COVARIATES, OUTCOMES, TREATMENT, cells_of, world
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cells_weighting import same_effect

import propensity as ps
from propensity.errors import InvalidInputError

ROLES = {"treatment": TREATMENT, "covariates": COVARIATES}
ADJUSTED = {
    "aipw": ps.aipw,
    "ipwra": ps.ipwra,
    "regression_adjustment": ps.regression_adjustment,
}


pytestmark = pytest.mark.filterwarnings("ignore")  # few users, made up


@pytest.fixture(scope="module")
def users():
    return world(3_000, 1)


@pytest.fixture(scope="module")
def cells(users):
    return cells_of(users)


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
@pytest.mark.parametrize("name", list(ADJUSTED))
def test_outcome_models_of_cells_are_those_of_their_users(users, cells, name, outcome, estimand):
    found, expected = (
        ADJUSTED[name](table, outcome=outcome, **ROLES, estimand=estimand) for table in (cells, users)
    )
    same_effect(found, expected)
    for kind in ("HC0", "HC2", "HC3"):
        assert found._error_by(kind) == pytest.approx(expected._error_by(kind), rel=1e-9)


@pytest.mark.parametrize(
    ("model", "outcome"),
    [
        ("logistic", "done"),
        ("poisson", "done"),
        ("poisson", "clicks"),
        ("poisson", "minutes"),
        ("gamma", "minutes"),
    ],
)
@pytest.mark.parametrize("name", list(ADJUSTED))
def test_other_outcome_models_of_cells(users, cells, name, model, outcome):
    found, expected = (
        ADJUSTED[name](table, outcome=outcome, **ROLES, outcome_model=model) for table in (cells, users)
    )
    same_effect(found, expected, 1e-9)


@pytest.mark.parametrize("name", list(ADJUSTED))
def test_clusters_and_survey_weights_are_keys(users, name):
    cells = cells_of(users, ("workspace", "w"))
    options = {"cluster": "workspace", "sample_weight": "w"}
    found, expected = (
        ADJUSTED[name](table, outcome="minutes", **ROLES, **options) for table in (cells, users)
    )
    same_effect(found, expected)


def test_given_scores_of_cells(users, cells):
    tables = (cells, users)
    models = [ps.fit_propensity(table, **ROLES) for table in tables]
    for scores in (models, [model.scores for model in models]):
        found, expected = (
            ps.aipw(table, outcome="minutes", **ROLES, scores=own)
            for table, own in zip(tables, scores, strict=True)
        )
        same_effect(found, expected, 1e-9)


def test_outcomes_beyond_a_model_are_refused_by_what_users_had(users, cells):
    # Two points of counts may lie below 0, the counts themselves do not.
    assert (cells.rows("clicks")["clicks"] < 0).any()
    with pytest.raises(InvalidInputError, match="below 0 or above 1"):
        ps.aipw(cells, outcome="clicks", **ROLES, outcome_model="logistic")
    shifted = cells_of(users.assign(clicks=users["clicks"] - 1))
    with pytest.raises(InvalidInputError, match="no Poisson"):
        ps.aipw(shifted, outcome="clicks", **ROLES, outcome_model="poisson")


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(200, 900),
    outcome=st.sampled_from(OUTCOMES),
    name=st.sampled_from(list(ADJUSTED)),
    penalty=st.sampled_from([0.0, 1.0]),
)
def test_outcome_models_in_any_world(seed, n, outcome, name, penalty):
    users = world(n, seed)
    options = {} if name == "regression_adjustment" else {"penalty": penalty}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, expected = (
            ADJUSTED[name](table, outcome=outcome, **ROLES, **options) for table in (cells_of(users), users)
        )
    same_effect(found, expected, 1e-9, more_df=1.5)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_estimates_of_cells_are_those_of_their_users(users, cells, outcome):
    estimators = [
        ps.IPW("ATE", truncate=0.95),
        ps.IPW("ATO"),
        ps.AIPW("ATE"),
        ps.IPWRA("ATT"),
        ps.RegressionAdjustment("ATC"),
        ps.Balancing("ATT"),
        ps.Balancing("ATE", method="ipt"),
        ps.Balancing("ATE", method="cbps"),
    ]
    found, expected = (
        ps.estimate(table, outcome=outcome, **ROLES, estimators=estimators) for table in (cells, users)
    )
    for label, effect in expected.effects.items():
        same_effect(found.effects[label], effect, 1e-9)
    assert found.table.index.equals(expected.table.index)


def test_usual_estimates_of_several_outcomes(users, cells):
    found, expected = (ps.estimate(table, outcome=list(OUTCOMES), **ROLES) for table in (cells, users))
    for name in OUTCOMES:
        for label, effect in expected[name].effects.items():
            same_effect(found[name].effects[label], effect, 1e-9)


def test_e_values_of_cells(users, cells):
    for outcome in OUTCOMES:
        found, expected = (ps.aipw(table, outcome=outcome, **ROLES).e_value() for table in (cells, users))
        assert found.point == pytest.approx(expected.point, rel=1e-9)
        # Limits hang on degrees of freedom, and these on fourth moments.
        assert found.limit == pytest.approx(expected.limit, rel=1e-9 if outcome == "done" else 1e-2)


@pytest.mark.parametrize(
    "estimator",
    [
        ps.FullMatching("ATT"),
        ps.NearestNeighbors("ATT", replace=False),
        ps.AIPW(score_model=ps.Boosting()),
        ps.Balancing("ATT", penalty=1.0),
    ],
)
def test_estimators_of_single_users_are_refused(cells, estimator):
    with pytest.raises(InvalidInputError, match=r"cells\.expand\(\), a row for each of the 3,000"):
        ps.estimate(cells, outcome="done", **ROLES, estimators=[estimator])


def test_learners_are_refused(cells):
    with pytest.raises(InvalidInputError, match="fitted in folds"):
        ps.aipw(cells, outcome="done", **ROLES, outcome_model=ps.Boosting())
