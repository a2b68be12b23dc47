"""How many neighbours show how much outcomes vary: Stata's and R's numbers, specifications, mistakes."""

from pathlib import Path

import pandas as pd
import pytest

import propensity as ps
from propensity.errors import InvalidInputError

pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # not the question here

NNMATCH = {1: 27.83775, 2: 28.43006}
"""Standard errors of the first example of Stata's manual, [CAUSAL] teffects nnmatch, by two neighbours; and
of R's Matching 4.10-8 on the same data, `Match(Weight = 2, Var.calc = 1)`, which has Stata's with 2."""


@pytest.fixture(scope="module")
def births():
    return pd.read_csv(Path(__file__).parents[1] / "reference" / "cattaneo2.csv.gz")


@pytest.mark.parametrize("n_others", NNMATCH)
def test_nnmatch_is_statas_with_two_neighbours_and_rs_with_one(births, n_others):
    covariates = ["mmarried_", "mage", "prenatal1_", "fbaby_"]
    options = {"treatment": "mbsmoke_", "covariates": covariates, "on": "mahalanobis", "estimand": "ATE"}
    matches = ps.match_nn(births, **options)
    effect = matches.effect("bweight", variance_neighbors=n_others)
    assert effect.estimate == pytest.approx(-240.3306, abs=5e-5)
    assert effect.std_error == pytest.approx(NNMATCH[n_others], abs=6e-6)
    assert ("2 neighbours in" in effect.se_method) == (n_others == 2)
    assert matches.effect("bweight").std_error == matches.effect("bweight", variance_neighbors=1).std_error


def test_variance_neighbours_of_a_specification_are_those_of_its_effect(births):
    scores = ps.fit_propensity(births, treatment="mbsmoke_", covariates=["mmarried_", "mage", "medu"])
    spec = ps.NearestNeighbors("ATE", variance_neighbors=3)
    assert spec.label == "1-NN ATE (3 variance neighbours)"
    roles = {"outcome": "bweight", "treatment": "mbsmoke_"}
    found = ps.estimate(births, **roles, covariates=["mmarried_", "mage", "medu"], estimators=[spec])
    matches = ps.match_nn(births, treatment="mbsmoke_", scores=scores, estimand="ATE")
    expected = matches.effect("bweight", variance_neighbors=3)
    assert expected.std_error != pytest.approx(matches.effect("bweight").std_error, rel=1e-4)
    assert found.loc[spec.label, "std_error"] == pytest.approx(expected.std_error, rel=1e-10)


def test_variance_neighbours_are_refused_where_sets_are_compared(births):
    with pytest.raises(InvalidInputError, match="variance_neighbors: 2 is for matching with replacement"):
        ps.NearestNeighbors(replace=False, variance_neighbors=2)
    options = {"treatment": "mbsmoke_", "covariates": ["mage"], "on": "mahalanobis", "replace": False}
    matches = ps.match_nn(births, **options)
    with pytest.raises(InvalidInputError, match="variance_neighbors: 2 is for matching with replacement"):
        matches.effect("bweight", variance_neighbors=2)
