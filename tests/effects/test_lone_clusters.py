"""Groups with an arm whose rows are all in one cluster: no error tells, as none does of their rows alone."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import propensity as ps
from propensity.errors import InvalidInputError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # small samples are not the question here

ROLES = {"outcome": "y", "treatment": "t", "cluster": "team"}
X = ["x"]


def weighed_by_model(df, **options):
    return ps.ipw(df, scores=ps.fit_propensity(df, treatment="t", covariates=X), **ROLES, **options)


def balanced(df, **options):
    return ps.fit_weights(df, treatment="t", covariates=X).effect("y", cluster="team", **options)


BY_GROUP = {
    "ipw": weighed_by_model,
    "ipw of known scores": lambda df, **options: ps.ipw(df, scores="e", **ROLES, **options),
    "weighted_effect": lambda df, **options: ps.weighted_effect(
        df, weights="one", estimand="ATE", **ROLES, **options
    ),
    "aipw": lambda df, **options: ps.aipw(df, covariates=X, **ROLES, **options),
    "aipw cross-fitted": lambda df, **options: ps.aipw(df, covariates=X, n_folds=3, **ROLES, **options),
    "ipwra": lambda df, **options: ps.ipwra(df, covariates=X, **ROLES, **options),
    "regression": lambda df, **options: ps.regression_adjustment(df, covariates=X, **ROLES, **options),
    "fit_weights": balanced,
}


@pytest.fixture(scope="module")
def rows():
    """Five groups: of many clusters, two of them; of one; with one for the treated; with one for controls."""
    rng = np.random.default_rng(8)
    n = 600
    df = pd.DataFrame({"x": rng.normal(size=n), "g": np.arange(n) % 5, "one": 1.0, "e": 0.4})
    df["t"] = (rng.random(n) < 1 / (1 + np.exp(-0.5 * df["x"]))).astype(int)
    df["y"] = df["x"] + df["t"] + rng.normal(size=n)
    df["v"] = 2.0 + rng.poisson(2, n)
    df["team"] = rng.integers(0, 45, n)
    df["team"] = df["team"].mask(df["g"] == 2, 77)
    df["team"] = df["team"].mask((df["g"] == 3) & (df["t"] == 1), 7)
    df["team"] = df["team"].mask((df["g"] == 4) & (df["t"] == 0), 7)
    return df


def lone(rows):
    """Say of which groups an arm has a single cluster, by counting."""
    counts = rows.groupby(["g", "t"])["team"].nunique().unstack()
    return counts.index[(counts < 2).any(axis=1)].tolist()


@pytest.mark.parametrize("per", [None, "v"])
@pytest.mark.parametrize("name", BY_GROUP)
def test_group_with_an_arm_in_one_cluster_has_no_effect_and_the_reason(rows, name, per):
    grouped = BY_GROUP[name](rows, by="g", per=per)
    table = grouped.table
    assert lone(rows) == [2, 3, 4]
    assert table.index[table["std_error"].isna()].tolist() == lone(rows)
    assert table.loc[lone(rows), ["estimate", "conf_low", "conf_high", "p_value"]].isna().all(axis=None)
    assert list(grouped) == [0, 1]
    for group in lone(rows):
        with pytest.raises(InvalidInputError) as alone:
            BY_GROUP[name](rows[rows["g"] == group], per=per)
        assert table.loc[group, "note"] == str(alone.value)


@pytest.mark.parametrize("name", BY_GROUP)
def test_equality_is_of_the_groups_that_have_errors(rows, name):
    grouped = BY_GROUP[name](rows, by="g")
    gap = grouped[0].estimate - grouped[1].estimate
    in_intervals, errors = (grouped.figures[name].iloc[:2] for name in ("interval_error", "std_error"))
    sides = np.array([1, -1]) * (in_intervals / errors).to_numpy()  # corrected for leverage, as intervals are
    variance = grouped.cov.loc[[0, 1], [0, 1]].to_numpy() @ sides @ sides
    found = grouped.test_equal()
    assert found.df == 1
    assert_allclose(found.statistic, gap**2 / variance, rtol=1e-9)
    assert grouped.cov.loc[lone(rows)].isna().all(axis=None)


def test_all_groups_of_one_cluster_are_refused(rows):
    df = rows.assign(team=rows["g"])
    with pytest.raises(InvalidInputError, match="no group has an effect; the first: cluster: all rows are"):
        weighed_by_model(df, by="g")


def test_rows_without_weight_are_no_cluster_of_an_arm(rows):
    # The treated who weigh something are all in one cluster, which is all that their mean knows of.
    df = rows[rows["g"] < 2]
    shared = pd.crosstab(df["team"], [df["g"], df["t"]]).min(axis=1).idxmax()
    df = df.assign(one=((df["t"] == 0) | (df["team"] == shared)).astype(float))
    assert (df.loc[(df["t"] == 1) & (df["one"] > 0)].groupby("g")["team"].nunique() == 1).all()
    for options in ({}, {"by": "g"}):
        with pytest.raises(InvalidInputError, match="cluster: every treated row is in one cluster"):
            BY_GROUP["weighted_effect"](df, **options)
    half = df.assign(one=df["one"].where(df["g"] == 0, 1.0))
    table = BY_GROUP["weighted_effect"](half, by="g").table
    assert table["std_error"].isna().tolist() == [True, False]
