"""Clusters of two columns that cross: sums over pairs of rows that share either, statsmodels, coverage."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

import propensity as ps
from propensity.effects import inference
from propensity.errors import InvalidInputError

pytestmark = [
    pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning"),  # not the question here
    pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning"),
]

ROLES = {"outcome": "y", "treatment": "t"}
TWO = ["user", "day"]


def drawn(rng, n_users=50, n_days=45, n=1200, effect=1.0):
    """Rows of users on days, both of whom have a say in the outcome, and in how the treatment does."""
    user, day = rng.integers(0, n_users, n), rng.integers(0, n_days, n)
    x = rng.normal(size=n)
    t = (rng.random(n) < 1 / (1 + np.exp(-0.5 * x))).astype(int)
    of_users, of_days = rng.normal(size=(2, n_users)), rng.normal(size=(2, n_days))
    noise = of_users[t, user] + of_days[t, day] + rng.normal(size=n)
    return pd.DataFrame({"x": x, "t": t, "y": 9 + effect * t + x + noise, "user": user, "day": day})


@pytest.fixture(scope="module")
def rows():
    frame = drawn(np.random.default_rng(1))
    return frame.assign(
        s=np.random.default_rng(2).integers(0, 3, len(frame)),
        views=2.0 + frame["x"] ** 2,
        x2=frame["x"] ** 2 + 1,
    )


KINDS = {
    "ipw": lambda df, **o: ps.ipw(
        df, **ROLES, scores=ps.fit_propensity(df, treatment="t", covariates=["x"], **_weight(o)), **o
    ),
    "aipw": lambda df, **o: ps.aipw(df, **ROLES, covariates=["x"], **o),
    "ipwra": lambda df, **o: ps.ipwra(df, **ROLES, covariates=["x"], **o),
    "regression_adjustment": lambda df, **o: ps.regression_adjustment(df, **ROLES, covariates=["x"], **o),
    "fit_weights": lambda df, **o: ps.fit_weights(df, treatment="t", covariates=["x"], **_weight(o)).effect(
        "y", **{name: value for name, value in o.items() if name != "sample_weight"}
    ),
    "weighted_effect": lambda df, **o: ps.weighted_effect(df, **ROLES, weights="x2", estimand="ATE", **o),
}


def _weight(options):
    return {"sample_weight": options["sample_weight"]} if "sample_weight" in options else {}


@pytest.mark.parametrize("options", [{}, {"sample_weight": "s"}, {"contrast": "percent"}, {"per": "views"}])
@pytest.mark.parametrize("kind", KINDS)
def test_variance_is_that_of_all_pairs_that_share_either(rows, kind, options):
    effect = KINDS[kind](rows, cluster=TWO, **options)
    phi = effect.influence
    there = np.ones(len(rows), bool) if "sample_weight" not in options else (rows["s"] > 0).to_numpy()
    user, day = rows["user"].to_numpy(), rows["day"].to_numpy()

    def variance(alike):
        kept = phi[there] / len(rows)
        return kept @ alike[np.ix_(there, there)] @ kept

    users, days = user[:, None] == user, day[:, None] == day
    n_pairs = len(np.unique(np.column_stack([user, day])[there], axis=0))
    n_users, n_days = len(np.unique(user[there])), len(np.unique(day[there]))
    expected = sum(
        sign * n / (n - 1) * variance(alike)
        for sign, n, alike in ((1, n_users, users), (1, n_days, days), (-1, n_pairs, users & days))
    )
    assert effect.std_error == pytest.approx(np.sqrt(expected), rel=1e-9)
    assert f"within {n_users} and within {n_days} clusters" in effect.se_method
    assert pickle.loads(pickle.dumps(effect)).std_error == effect.std_error


def test_error_of_a_difference_of_means_is_that_of_statsmodels(rows):
    effect = ps.ipw(rows, **ROLES, scores=np.full(len(rows), 0.5), cluster=TWO)
    fit = sm.OLS(rows["y"], sm.add_constant(rows["t"]))
    pairs = rows.groupby(TWO).ngroup()
    of_each = [
        fit.fit(cov_type="cluster", cov_kwds={"groups": own, "use_correction": False}).bse["t"] ** 2
        for own in (rows["user"], rows["day"], pairs)
    ]
    g = [own.nunique() for own in (rows["user"], rows["day"], pairs)]
    factors = np.array([1, 1, -1]) * np.array(g) / (np.array(g) - 1)
    assert effect.std_error == pytest.approx(np.sqrt(factors @ of_each), rel=1e-9)
    two_ways = fit.fit(cov_type="cluster", cov_kwds={"groups": rows[TWO].to_numpy(), "use_correction": False})
    assert effect.std_error == pytest.approx(two_ways.bse["t"], rel=0.02)  # without the factors


def expected_variance(phi, there, *codes):
    """Sum products over all pairs of rows that share either cluster, with the factor of each way."""
    kept, n = phi[there] / len(phi), []
    total = 0.0
    for sign, own in ((1, codes[:1]), (1, codes[1:]), (-1, codes)):
        labels = pd.DataFrame({str(place): code[there] for place, code in enumerate(own)})
        sums = pd.Series(kept).groupby(labels.apply(tuple, axis=1).to_numpy()).sum()
        n.append(len(sums))
        total += sign * n[-1] / (n[-1] - 1) * (sums**2).sum()
    return total


@pytest.mark.parametrize("options", [{}, {"contrast": "percent"}, {"per": "views"}, {"within": True}])
@pytest.mark.parametrize("kind", KINDS)
def test_groups_know_clusters_that_cross(rows, kind, options):
    if kind == "fit_weights" and "within" in options:
        pytest.skip("weights are made once")
    if kind == "weighted_effect" and "within" in options:
        pytest.skip("weights are given")
    df = rows.assign(g=np.where(rows["x"] > 0, "high", "low"))
    grouped = KINDS[kind](df, by="g", cluster=TWO, **options)
    user, day = rows["user"].to_numpy(), rows["day"].to_numpy()
    of_rows = [rows.index[df["g"] == g] for g in ("high", "low")]
    for (group, effect), own in zip(grouped.items(), of_rows, strict=True):
        phi = effect.influence
        codes = (user, day) if len(phi) == len(rows) else (user[own], day[own])
        expected = expected_variance(phi, np.ones(len(phi), bool), *codes)
        assert effect.std_error == pytest.approx(np.sqrt(expected), rel=1e-8)
        column = "std_error" if "contrast" not in options else "log_std_error"
        assert grouped.table.loc[group, column] == pytest.approx(effect.std_error, rel=1e-8)
        assert grouped.table.loc[group, "df"] == pytest.approx(effect.df, rel=1e-8)
        assert grouped.cov.loc[group, group] == pytest.approx(effect.std_error**2, rel=1e-8)
    first, second = grouped["high"], grouped["low"]
    if len(first.influence) == len(rows):
        both = expected_variance(first.influence + second.influence, np.ones(len(rows), bool), user, day)
        between = (both - first.std_error**2 - second.std_error**2) / 2
        assert grouped.cov.loc["high", "low"] == pytest.approx(between, rel=1e-6, abs=1e-12)
    assert abs(grouped.cov.loc["high", "low"]) > 0
    assert 0 <= grouped.test_equal().p_value <= 1
    moved = KINDS[kind](df.sample(frac=1, random_state=3), by="g", cluster=TWO[::-1], **options)
    assert_allclose(moved.cov, grouped.cov, rtol=1e-7)


def test_a_group_with_an_arm_in_one_cluster_of_either_column_has_no_effect(rows):
    df = rows.assign(g=np.where(rows["x"] > 0, "high", "low"))
    df["day"] = df["day"].mask((df["g"] == "high") & (df["t"] == 1), 0)
    grouped = KINDS["ipw"](df, by="g", cluster=TWO)
    assert list(grouped) == ["low"]
    assert "every treated row is in one cluster" in grouped.table.loc["high", "note"]


def test_order_of_columns_and_rows_and_who_reads_them_decide_nothing(rows):
    expected = KINDS["aipw"](rows, cluster=TWO).std_error
    values = rows["user"].to_numpy(), rows["day"].map("day {}".format)
    for cluster in (TWO[::-1], tuple(TWO), values, list(values), ["user", rows["day"]]):
        assert KINDS["aipw"](rows, cluster=cluster).std_error == pytest.approx(expected, rel=1e-12)
    shuffled = rows.sample(frac=1, random_state=1)
    assert KINDS["aipw"](shuffled, cluster=TWO).std_error == pytest.approx(expected, rel=1e-9)
    assert KINDS["aipw"](pl.from_pandas(rows), cluster=TWO).std_error == pytest.approx(expected, rel=1e-12)


def test_several_outcomes_and_estimators_vary_together_both_ways(rows):
    both = rows.assign(z=rows["y"] + rows["x"])
    effects = ps.aipw(both, outcome=["y", "z"], treatment="t", covariates=["x"], cluster=TWO)
    assert_allclose(
        np.sqrt(np.diag(effects.covariance)),
        [e.std_error for e in map(effects.__getitem__, effects)],
        rtol=1e-12,
    )
    table = ps.estimate(rows, **ROLES, covariates=["x"], cluster=TWO)
    assert table.loc["AIPW ATE", "std_error"] == pytest.approx(KINDS["aipw"](rows, cluster=TWO).std_error)


def test_joined_clusters_that_cross_hold_all_that_vary_together():
    one = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    assert_allclose(inference.joined(one, one), one)
    assert_allclose(inference.joined(one, None), one)
    assert_allclose(inference.joined(one, np.array([0, 1, 2, 0])), [[0, 0], [0, 0], [0, 0], [0, 0]])


def test_covariance_that_is_none_gives_way_to_the_sum(rows):
    # Influence that cancels within users and within days, but not in what they share.
    signs = np.array([1.0, -1.0, -1.0, 1.0])
    clusters = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    assert inference.std_error(signs, clusters) == 0.0
    mixed = signs + np.array([0.1, 0, 0, 0])
    one, other = clusters.T
    expected = inference.std_error(mixed, one) ** 2 + inference.std_error(mixed, other) ** 2
    assert inference.std_error(mixed, clusters) == pytest.approx(np.sqrt(expected))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda df: ps.ipw(df, **ROLES, scores="e", cluster=["user", "nope"]), "'nope' is not in the frame"),
        (lambda df: ps.ipw(df, **ROLES, scores="e", cluster=["user", "user"]), "the coarser one alone"),
        (lambda df: ps.ipw(df, **ROLES, scores="e", cluster=["user", "team"]), "the coarser one alone"),
        (lambda df: ps.ipw(df, **ROLES, scores="e", cluster=["user", "gap"]), "column 'gap': 1 missing"),
        (lambda df: ps.ipw(df, **ROLES, scores="e", cluster=["user", "t"]), "column 't'"),
        (
            lambda df: ps.aipw(df, **ROLES, covariates=["x"], cluster=TWO, n_folds=5),
            "folds keep clusters whole",
        ),
        (
            lambda df: ps.rank_effect(df, **ROLES, covariates=["x"], priority="x", cluster=TWO),
            "name one column",
        ),
        (lambda df: ps.quantile_effect(df, **ROLES, covariates=["x"], cluster=TWO), "name one column"),
    ],
)
def test_where_two_columns_cannot_be_is_said(rows, call, said):
    gap = rows["day"].astype(float).where(rows.index != 3)
    with pytest.raises(InvalidInputError, match=said):
        call(rows.assign(e=0.5, team=rows["user"] // 10, gap=gap))


def test_intervals_hold_what_they_promise_where_both_vary():
    """Of 200 samples between 178 and 199 at 95%, as 999 in 1,000 times, and far fewer by users alone."""
    rng = np.random.default_rng(5)
    held = {"two": 0, "user": 0}
    for _ in range(200):
        df = drawn(rng)
        for name, cluster in (("two", TWO), ("user", "user")):
            low, high = KINDS["regression_adjustment"](df, cluster=cluster).conf_int()
            held[name] += low <= 1.0 <= high
    assert 178 <= held["two"] <= 199
    assert held["user"] < 178
