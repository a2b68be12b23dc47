"""What a bootstrap cannot do is told in words of the call, with a call that it can do."""

import re

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from propensity.errors import InvalidInputError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

N = 200


@pytest.fixture(scope="module")
def df():
    rng = np.random.default_rng(3)
    x = rng.normal(size=N)
    t = (rng.random(N) < 1 / (1 + np.exp(-x))).astype(int)
    columns = {"t": t, "x": x, "y": t + x + rng.normal(size=N), "w": rng.uniform(1, 2, N)}
    return pd.DataFrame(columns | {"team": np.arange(N) // 10, "half": np.arange(N) // 100})


def bootstrap(df, **options):
    return ps.bootstrap(df, outcome="y", treatment="t", covariates=["x"], n_reps=5, **options)


def test_sample_weights_and_matching_are_answered_with_the_estimators_that_can(df):
    with pytest.raises(InvalidInputError, match="sample_weight: '1-NN ATT' matches whole rows") as caught:
        bootstrap(df, sample_weight="w", estimators=[ps.IPW("ATE"), ps.IPW("ATT"), ps.NearestNeighbors()])
    line = re.search(r"estimators=(\[.*\])$", str(caught.value)).group(1)
    assert eval(line) == [ps.IPW("ATE"), ps.IPW("ATT")]
    assert len(bootstrap(df, sample_weight="w", estimators=eval(line)).estimates) == 2
    with pytest.raises(InvalidInputError, match=r"take match_nn\(..., sample_weight=...\)"):
        bootstrap(df, sample_weight="w", estimators=[ps.NearestNeighbors()])


def test_strata_that_split_clusters_are_counted(df):
    model = ps.fit_propensity(df, treatment="t", covariates=["x"])
    matches = ps.match_nn(df, treatment="t", scores=model)
    pairs = ps.match_nn(df, treatment="t", scores=model, replace=False)
    groups = {"cluster": df["team"], "strata": df["t"]}
    split = int((df.groupby("team")["t"].nunique() > 1).sum())
    for call in (
        lambda: bootstrap(df, cluster="team", strata="t"),
        lambda: matches.bootstrap("y", **groups, n_reps=5),
        lambda: pairs.bootstrap("y", refit=True, **groups, n_reps=5),
        lambda: ps.match_full(df, treatment="t", scores=model).bootstrap("y", **groups, n_reps=5),
    ):
        with pytest.raises(InvalidInputError, match=f"strata: {split} of 20 clusters have rows in"):
            call()
    bootstrap(df, cluster="team", strata="half")
    alone = df.assign(w=np.where(df["team"] < 5, df["w"], 0.0), stratum=np.where(df["team"] < 5, 0, df["t"]))
    specs = [ps.IPW()]  # rows of weight 0 are in no cluster
    bootstrap(alone, cluster="team", strata="stratum", sample_weight="w", estimators=specs)


def test_poisson_counts_have_no_strata(df):
    with pytest.raises(InvalidInputError, match="strata: resampling='poisson' draws each row for itself"):
        bootstrap(df, resampling="poisson", strata="half")


def test_whole_float_is_answered_with_the_whole_number(df):
    with pytest.raises(InvalidInputError, match=r"n_reps must .* not 500.0, a float; take n_reps=500$"):
        ps.bootstrap(df, outcome="y", treatment="t", covariates=["x"], n_reps=500.0)
    with pytest.raises(InvalidInputError, match=r"n_neighbors must .* not 0.5$"):
        ps.NearestNeighbors(n_neighbors=0.5)
