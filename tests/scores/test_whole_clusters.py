"""Scores whose folds cut clusters: their models have seen others of a row's cluster, and are refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from propensity.errors import InvalidInputError
from propensity.scores.folds import n_cut

pytestmark = [
    pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning"),
    pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning"),
    pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning"),
]

ROLES = {"treatment": "t", "covariates": ["z", "x"]}
BOOSTING = ps.Boosting(max_trees=30)
FOREST = ps.Forest(n_trees=40, min_leaf=25)


def offices(n_offices: int = 60, n: int = 900, seed: int = 0) -> pd.DataFrame:
    """Users of offices, which share a column and what moves the outcome besides, on days that cross them."""
    rng = np.random.default_rng(seed)
    office, day = np.arange(n) % n_offices, rng.integers(0, 30, n)
    z, shared = rng.normal(size=(2, n_offices))
    x = rng.normal(size=n)
    t = rng.random(n) < 1 / (1 + np.exp(-z[office]))
    y = z[office] + x + t * (1 + shared[office]) + rng.normal(size=n)
    columns = {"z": z[office], "x": x, "t": t.astype(int), "y": y, "office": office, "day": day}
    return pd.DataFrame(columns).assign(region=office // 10, w=np.arange(n) % 3)


@pytest.fixture(scope="module")
def df() -> pd.DataFrame:
    return offices()


@pytest.fixture(scope="module")
def scores(df: pd.DataFrame) -> ps.CrossFittedScores:
    found = ps.fit_propensity(df, **ROLES, score_model=BOOSTING, n_repeats=2)
    assert isinstance(found, ps.CrossFittedScores)
    return found


@pytest.fixture(scope="module")
def whole(df: pd.DataFrame) -> ps.CrossFittedScores:
    found = ps.fit_propensity(df, **ROLES, score_model=BOOSTING, cluster="office", n_repeats=2)
    assert isinstance(found, ps.CrossFittedScores)
    return found


def asked(df: pd.DataFrame, which: str, scores: object, **options: object) -> object:
    if which == "ipw":
        return ps.ipw(df, outcome="y", treatment="t", scores=scores, **options)
    return ps.aipw(df, outcome="y", **ROLES, scores=scores, **options)


def cut_by_hand(scores: ps.CrossFittedScores, clusters: pd.Series) -> int:
    tables = [pd.crosstab(clusters.to_numpy(), folds) for folds in scores.folds]
    return max(int(((table > 0).sum(axis=1) > 1).sum()) for table in tables)


@pytest.mark.parametrize("which", ["ipw", "aipw"])
@pytest.mark.parametrize("options", [{}, {"by": "region"}, {"contrast": "percent"}])
def test_scores_whose_folds_cut_clusters_are_refused(df, scores, which, options):
    n = cut_by_hand(scores, df["office"])
    assert n > 50
    with pytest.raises(
        InvalidInputError, match=rf"cluster: {n} of 60 clusters .* the same clusters, fit_prop"
    ):
        asked(df, which, scores, cluster="office", **options)
    with pytest.raises(InvalidInputError, match=f"cluster: {n} of 60 clusters"):
        asked(df, which, scores, cluster=df["office"].map("office {}".format), **options)


@pytest.mark.parametrize("which", ["ipw", "aipw"])
def test_scores_whose_folds_keep_clusters_whole_are_taken(df, scores, whole, which):
    found = asked(df, which, whole, cluster="office")
    assert "60 clusters" in found.se_method
    finer = asked(df.assign(pair=df.index // 1), which, scores, cluster="pair")  # each row its own
    plain = asked(df, which, scores)
    assert finer.estimate == plain.estimate
    with pytest.raises(
        InvalidInputError, match=r"cluster: 6 of 6 clusters"
    ):  # of which the offices are parts
        asked(df, which, whole, cluster="region")


@pytest.mark.parametrize("which", ["ipw", "aipw"])
def test_clusters_of_two_columns_are_refused_as_they_are_at_the_fit(df, whole, which):
    with pytest.raises(InvalidInputError, match=r"cluster: 30 of 30 clusters .* name the column .* logistic"):
        asked(df, which, whole, cluster=["office", "day"])
    logistic = ps.fit_propensity(df, **ROLES)
    assert "60 and within 30 clusters" in asked(df, which, logistic, cluster=["office", "day"]).se_method


@pytest.mark.parametrize("which", ["ipw", "aipw"])
def test_scores_out_of_bag_are_refused_with_clusters_as_they_are_at_the_fit(df, which):
    scores = ps.fit_propensity(df, **ROLES, score_model=FOREST)
    with pytest.raises(
        InvalidInputError, match=r"cluster: the scores of the .*orest .*ps.Boosting\(\), cluster="
    ):
        asked(df, which, scores, cluster="office")
    asked(df, which, scores)


def test_rows_of_weight_0_cut_no_cluster(df):
    weighted = {"sample_weight": "w", **ROLES}
    scores = ps.fit_propensity(df, **weighted, score_model=BOOSTING, cluster="office")
    ps.ipw(df, outcome="y", treatment="t", scores=scores, sample_weight="w", cluster="office")
    lone = df["office"].where(df["w"] > 0, 0)
    ps.ipw(df, outcome="y", treatment="t", scores=scores, sample_weight="w", cluster=lone)


def test_n_cut_counts_clusters_in_several_folds():
    rng = np.random.default_rng(0)
    for _ in range(20):
        clusters, folds = rng.integers(-1, 6, 40), rng.integers(-1, 3, 40)
        expected = sum(
            len({fold for own, fold in zip(clusters, folds, strict=True) if own == cluster and fold >= 0}) > 1
            for cluster in range(6)
        )
        assert n_cut(folds, clusters) == expected


def test_models_that_have_seen_the_cluster_are_too_sure_of_its_rows():
    """Why: where the column that rows share tells the office, a flexible model knows its treatments."""
    rng = np.random.default_rng(4)
    gaps: dict[str, list[float]] = {"cut": [], "whole": []}
    for seed in range(12):
        df = offices(seed=10 + seed)
        luck = 1.5 * rng.normal(size=60)[df["office"]]
        df["t"] = (rng.random(len(df)) < 1 / (1 + np.exp(-luck))).astype(int)
        for name, cluster in (("cut", None), ("whole", "office")):
            found = ps.fit_propensity(
                df, treatment="t", covariates=["z"], score_model=ps.Boosting(max_trees=60), cluster=cluster
            )
            e = np.asarray(found.scores)
            gaps[name].append(float(np.corrcoef(e, luck)[0, 1]))
    assert np.mean(gaps["cut"]) > 0.4  # luck of the office, which no column knows
    assert abs(np.mean(gaps["whole"])) < 0.15
