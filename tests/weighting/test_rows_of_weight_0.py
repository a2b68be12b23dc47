"""A row of sample weight 0 is not there: whatever it holds, nothing is made of it."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import propensity as ps
from propensity.errors import CollinearityWarning

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", f"error::{CollinearityWarning.__module__}.{CollinearityWarning.__name__}"
)
ROLES = {"treatment": "opted", "sample_weight": "w"}


@pytest.fixture
def rows(users):
    """Users of whom a fifth weigh nothing, and hold a level of their own and numbers far from all others."""
    users["w"] = 1.0 + users["visits"] % 3
    gone = users.index[::5]
    users.loc[gone, ["w", "tenure", "visits", "done"]] = [0.0, 1e9, 400, -1e6]
    users.loc[gone, "tier"] = "gone"
    return users


FORMULAS = [
    ["tier", "tenure", "visits"],
    "tier + scale(tenure) + poly(visits, 2)",
    "bs(tenure, df=4) + tier",
    "I(tenure - tenure.mean()) + C(visits > 4)",
]


@pytest.mark.parametrize("covariates", FORMULAS, ids=str)
def test_model_is_that_of_the_others(rows, covariates):
    there = rows["w"] > 0
    model = ps.fit_propensity(rows, covariates=covariates, **ROLES)
    expected = ps.fit_propensity(rows[there], covariates=covariates, **ROLES)
    assert model.terms == expected.terms
    assert model.dropped == ()
    assert_allclose(model.scores[there], expected.scores, rtol=1e-9)
    assert_allclose(model.summary(), expected.summary(), rtol=1e-6)
    if "tier" in covariates:
        assert model.scores[~there].isna().all()  # of a level that the model does not know


def test_model_scores_them_where_it_can(rows):
    model = ps.fit_propensity(rows, covariates=["visits"], **ROLES)
    assert_allclose(model.scores, model.predict(rows), rtol=1e-12)


@pytest.mark.parametrize("covariates", FORMULAS, ids=str)
@pytest.mark.parametrize("function", [ps.aipw, ps.ipwra, ps.regression_adjustment])
def test_effect_with_an_outcome_model_is_that_of_the_others(rows, function, covariates):
    options = {"outcome": "done", "covariates": covariates, **ROLES}
    found, expected = function(rows, **options), function(rows[rows["w"] > 0], **options)
    assert_allclose(found.estimate, expected.estimate, rtol=1e-9)
    assert_allclose(found.std_error, expected.std_error, rtol=1e-9)


@pytest.mark.parametrize("estimand", ["ATE", "ATO"])
def test_weighted_effect_is_that_of_the_others(rows, estimand):
    there = rows["w"] > 0
    effects = []
    for frame in (rows, rows[there]):
        model = ps.fit_propensity(frame, covariates=FORMULAS[1], **ROLES)
        effects.append(ps.ipw(frame, outcome="done", scores=model, estimand=estimand, **ROLES))
    assert_allclose(effects[0].estimate, effects[1].estimate, rtol=1e-9)
    assert_allclose(effects[0].std_error, effects[1].std_error, rtol=1e-9)
    assert (effects[0].weights[~there] == 0).all()


def test_score_of_0_or_1_does_not_matter(rows):
    there = rows["w"] > 0
    rows["e"] = np.where(there, 0.3 + 0.05 * (rows["visits"] % 7), 1.0)
    for options in ({}, {"estimand": "ATM"}):
        effects = [
            ps.ipw(frame, outcome="done", scores="e", **options, **ROLES) for frame in (rows, rows[there])
        ]
        assert_allclose(effects[0].estimate, effects[1].estimate, rtol=1e-12)
    overlap = [ps.overlap(frame, scores="e", **ROLES).to_frame() for frame in (rows, rows[there])]
    pd.testing.assert_frame_equal(*overlap)


def test_balance_is_that_of_the_others(rows):
    options = {"covariates": ["tier", "tenure", "visits"], **ROLES}
    for function in (ps.smd, ps.balance):
        found, expected = function(rows, **options), function(rows[rows["w"] > 0], **options)
        assert list(found.index) == list(expected.index)
        assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_replicates_are_those_of_the_others(rows):
    options = {"outcome": "done", "covariates": FORMULAS[2], "n_reps": 5, "seed": 1, **ROLES}
    options["estimators"] = [ps.IPW(), ps.AIPW()]
    found, expected = ps.bootstrap(rows, **options), ps.bootstrap(rows[rows["w"] > 0], **options)
    assert_allclose(found.replicates, expected.replicates, rtol=1e-9)


@pytest.mark.parametrize("estimator", [ps.IPW, ps.AIPW, ps.IPWRA])
def test_standard_error_under_a_penalty_is_that_of_the_others(estimator):
    rng = np.random.default_rng(0)
    there = pd.DataFrame({"x": rng.normal(size=40), "w": 1.0})
    there["t"] = rng.random(40) < 0.5
    there["y"] = there["x"] + there["t"] + rng.normal(size=40)
    rows = pd.concat([there] + [there.assign(w=0.0)] * 9, ignore_index=True)
    roles = {"outcome": "y", "treatment": "t", "covariates": ["x"], "sample_weight": "w", "penalty": 20.0}
    found = ps.estimate(rows, estimators=[estimator()], **roles)
    expected = ps.estimate(there, estimators=[estimator()], **roles)
    columns = ["estimate", "std_error"]
    assert_allclose(found[columns].to_numpy(dtype=float), expected[columns].to_numpy(dtype=float), rtol=1e-9)
