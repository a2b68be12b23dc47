"""The slow twins of matching against Matching and MatchIt, so that what is held against them rests on R."""

import json
from pathlib import Path

import numpy as np
import pytest

import reference
import slow_matching
from propensity import datasets

FOLDER = Path(__file__).parents[1] / "reference"
MATCHED = json.loads((FOLDER / "lalonde_match.json").read_text())["values"]
DISTANCES = json.loads((FOLDER / "lalonde_distance.json").read_text())["values"]


class Lalonde:
    """The arrays, and the score to the same last bit for rows with the same covariates."""

    def __init__(self):
        df = datasets.lalonde()
        race = df["race"]
        x = df[["age", "educ"]].assign(black=race == "black", hispan=race == "hispan")
        self.x = x.join(df[["married", "nodegree", "re74", "re75"]]).to_numpy(dtype=float)
        self.treated = df["treat"].to_numpy() == 1
        self.outcome = df["re78"].to_numpy()
        _, first, pattern = np.unique(self.x, axis=0, return_index=True, return_inverse=True)
        e = reference.fit_logistic(self.x, self.treated).scores[first][pattern.ravel()]
        self.quantity = {"score": e, "logit": np.log(e / (1 - e))}
        groups = race.factorize()[0] * 2 + df["married"].to_numpy()
        self.same = groups[:, None] == groups[None]

    def within(self, on, caliper):
        q = self.quantity[on]
        return slow_matching.between(q) <= caliper * q.std(ddof=1)

    def metric(self, name):
        if name in self.quantity:
            return slow_matching.between(self.quantity[name])
        covariance = {
            "mahalanobis_all": np.cov(self.x.T),
            "mahalanobis_within": slow_matching.covariance_within(self.x, self.treated),
            "euclidean_all": np.diag(self.x.var(axis=0, ddof=1)),
        }[name]
        return slow_matching.mahalanobis(self.x, covariance)


@pytest.fixture(scope="module")
def lalonde():
    return Lalonde()


def assert_matched(lalonde, donors, distances, name, *, adjusted=False, allowed=None):
    expected = MATCHED[name]
    x = lalonde.x if adjusted else None
    data = lalonde.outcome, lalonde.treated, donors
    assert slow_matching.differences(*data, x).mean() == pytest.approx(expected["estimate"], rel=1e-9)
    assert len(donors.of) == expected["n_matched"]
    assert sum(map(len, donors.of.values())) == expected["n_pairs"]
    w = donors.weights
    assert (w**2).sum() == pytest.approx(expected["weights"]["squares"], rel=1e-9)
    assert w @ np.arange(1, len(w) + 1) == pytest.approx(expected["weights"]["moment"], rel=1e-9)
    if expected["errors"]:
        found = slow_matching.variance(*data, distances, x=x, allowed=allowed)
        assert np.sqrt(found) == pytest.approx(expected["errors"]["std_error"], rel=1e-9)


@pytest.mark.parametrize("name", [name for name in MATCHED if name.startswith("nn.")])
def test_nearest_on_a_score_is_matchings(lalonde, name):
    _, on, estimand, k, *adjusted = name.split(".")
    distances = lalonde.metric(on)
    donors = slow_matching.nearest(distances, lalonde.treated, estimand=estimand, n_neighbors=int(k))
    assert_matched(lalonde, donors, distances, name, adjusted=bool(adjusted))


@pytest.mark.parametrize("name", [name for name in MATCHED if "_all." in name or "_within." in name])
def test_nearest_on_covariates_is_matchings(lalonde, name):
    metric, kind, *rest = name.split(".")
    distances = lalonde.metric(metric)
    if kind == "caliper":
        options = {"estimand": rest[0], "allowed": lalonde.within("logit", 0.25)}
    else:
        options = {"estimand": kind, "n_neighbors": int(rest[0])}
    donors = slow_matching.nearest(distances, lalonde.treated, **options)
    assert_matched(lalonde, donors, distances, name, adjusted="adjusted" in rest)


@pytest.mark.parametrize("name", [name for name in MATCHED if name.startswith("caliper.")])
def test_nearest_within_a_caliper_is_matchings(lalonde, name):
    _, on, estimand = name.split(".")
    distances, allowed = lalonde.metric(on), lalonde.within(on, 0.25)
    donors = slow_matching.nearest(distances, lalonde.treated, estimand=estimand, allowed=allowed)
    assert_matched(lalonde, donors, distances, name)


@pytest.mark.parametrize("name", [name for name in MATCHED if name.startswith("exact.")])
def test_nearest_within_exact_columns_is_matchings(lalonde, name):
    distances, allowed = lalonde.metric("logit"), lalonde.same
    if "caliper" in name:
        allowed = allowed & lalonde.within("logit", 0.25)
    donors = slow_matching.nearest(distances, lalonde.treated, estimand=name[-3:], allowed=allowed)
    assert_matched(lalonde, donors, distances, name, allowed=allowed)


@pytest.mark.parametrize("columns", ["covariates", "numeric"])
def test_mahalanobis_distances_are_matchits(lalonde, columns):
    x = lalonde.x if columns == "covariates" else np.delete(lalonde.x, (2, 3), axis=1)
    covariance = slow_matching.covariance_within(x, lalonde.treated)
    distances = slow_matching.mahalanobis(x, covariance)[lalonde.treated][:, ~lalonde.treated]
    expected = DISTANCES[f"mahalanobis.{columns}"]
    np.testing.assert_allclose(distances.min(axis=1), expected["nearest"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(distances[0, :5], expected["first"], rtol=1e-9)
    assert distances.sum() == pytest.approx(expected["sum"], rel=1e-9)
