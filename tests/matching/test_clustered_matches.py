"""Clusters of matched rows: sums by hand, a slow twin of what rows add, and what intervals hold."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose

import propensity as ps
from propensity.errors import InvalidInputError
from propensity.matching.local_outcomes import mean_curve
from propensity.matching.local_surface import mean_surface

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # balance and sizes are not the question here

X = ["x1", "x2"]


def drawn(rng, n_teams=100, by_team=False, within=0.4, effect=1.0):
    """Teams of 5 to 15 rows whose outcomes go together; rows opt in one by one, or whole teams do."""
    team = np.repeat(np.arange(n_teams), rng.integers(5, 16, n_teams))
    n = len(team)
    own = rng.normal(size=(2, n_teams))
    x1, x2 = 0.7 * own[0][team] + rng.normal(size=n), rng.normal(size=n)
    z = own[0][team] if by_team else x1
    u = rng.random(n_teams)[team] if by_team else rng.random(n)
    t = (u < 1 / (1 + np.exp(0.9 - 0.7 * z))).astype(int)
    noise = np.sqrt(within) * own[1][team] + np.sqrt(1 - within) * rng.normal(size=n)
    y = 9 + x1 + 0.5 * x2 + effect * t + noise
    return pd.DataFrame({"x1": x1, "x2": x2, "t": t, "y": y, "team": team})


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(3)
    df = drawn(rng)
    return df.assign(
        day=rng.integers(0, 30, len(df)),
        s=rng.integers(0, 3, len(df)),
        tier=rng.integers(0, 3, len(df)),
        views=2 + rng.poisson(3, len(df)),
        z=df["y"] ** 2,
    )


def model(df, **options):
    return ps.fit_propensity(df, treatment="t", covariates=X, **options)


def matched(df, **options):
    weight = {"sample_weight": options["sample_weight"]} if "sample_weight" in options else {}
    return ps.match_nn(df, treatment="t", scores=model(df, **weight), **options)


MATCHES = {
    "score": matched,
    "logit, 3 neighbours, ATE": lambda df: matched(df, on="logit", n_neighbors=3, estimand="ATE"),
    "sample weights": lambda df: matched(df, sample_weight="s"),
    "within tiers": lambda df: matched(df, exact=["tier"]),
    "covariates": lambda df: ps.match_nn(df, treatment="t", covariates=X, on="mahalanobis"),
    "without replacement": lambda df: matched(df, replace=False, caliper=0.5),
    "full": lambda df: ps.match_full(df, treatment="t", scores=model(df)),
    "subclasses": lambda df: ps.subclassify(df, treatment="t", scores=model(df)),
}
WITH_REPLACEMENT = list(MATCHES)[:5]


def summed(influence, *codes):
    """Sum within clusters, square, with G / (G - 1), by a loop."""
    key = list(zip(*codes, strict=True))
    sums = {}
    for value, own in zip(influence, key, strict=True):
        sums[own] = sums.get(own, 0.0) + value / len(influence)
    return len(sums) / (len(sums) - 1) * sum(value**2 for value in sums.values())


@pytest.mark.parametrize("name", [*WITH_REPLACEMENT, "without replacement", "subclasses"])
@pytest.mark.parametrize("options", [{}, {"contrast": "percent"}, {"per": "views"}], ids=str)
def test_error_is_of_sums_within_clusters(rows, name, options):
    matches = MATCHES[name](rows)
    plain = matches.effect("y", **options)
    effect = matches.effect("y", cluster="team", **options)
    assert effect.estimate == pytest.approx(plain.estimate, rel=1e-10)
    assert effect.mean_control == pytest.approx(plain.mean_control, rel=1e-10)
    phi, there = effect.influence, effect.clusters >= 0
    assert not phi[~there].any()
    n = len(phi)
    expected = summed(phi[there], rows["team"][there]) * (there.sum() / n) ** 2
    assert effect.std_error == pytest.approx(np.sqrt(expected), rel=1e-9)
    assert "clusters, factor G / (G - 1)" in effect.se_method
    assert effect.df < rows["team"].nunique()
    assert pickle.loads(pickle.dumps(effect)).std_error == effect.std_error


@pytest.mark.parametrize("name", WITH_REPLACEMENT)
def test_two_columns_that_cross_are_both_counted(rows, name):
    effect = MATCHES[name](rows).effect("y", cluster=["team", "day"])
    there = (effect.clusters >= 0).all(axis=1)
    share = there.mean() ** 2
    own = [rows[column][there] for column in ("team", "day")]
    phi = effect.influence[there]
    expected = share * (summed(phi, own[0]) + summed(phi, own[1]) - summed(phi, *own))
    assert effect.std_error == pytest.approx(np.sqrt(expected), rel=1e-9)


@pytest.mark.parametrize("name", WITH_REPLACEMENT)
def test_clusters_of_one_row_each_are_rows(name):
    """The same variance, otherwise estimated: about fitted means in place of a nearest other."""
    ratios = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        df = drawn(rng)
        n = len(df)
        df = df.assign(s=rng.integers(0, 3, n), tier=rng.integers(0, 3, n), row=np.arange(n))
        matches = MATCHES[name](df)
        ratios.append(matches.effect("y", cluster="row").std_error / matches.effect("y").std_error)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.1)


def test_what_rows_add_at_known_scores_is_that_of_the_definition(rows):
    """With fitted means by NumPy's polynomials, their hat matrix spelled out, scores being numbers."""
    scores = model(rows).scores
    df = rows.assign(e=scores)
    matches = ps.match_nn(df, treatment="t", scores="e", estimand="ATE")
    effect = matches.effect("y", cluster="team")
    y, t, e = rows["y"].to_numpy(), rows["t"].to_numpy() == 1, np.asarray(scores)
    w, n = np.asarray(matches.weights), len(rows)
    for arm, found in ((t, effect.influence_treated), (~t, effect.influence_control)):
        used = arm & (w > 0)
        design = np.vander(e, int(used.sum() ** 0.2) + 1)
        root = np.sqrt(w[used])[:, None]
        q, r = np.linalg.qr(root * design[used])
        leverage = (q**2).sum(axis=1)
        inside = np.clip(e, e[used].min(), e[used].max())
        beta = np.linalg.solve(r, q.T @ (root[:, 0] * y[used]))
        m = np.vander(inside, design.shape[1]) @ beta
        share = np.where(arm, w, 0) / w[arm].sum()
        within = np.zeros(n)
        within[used] = (share[used] * (y - m)[used]) / (1 - leverage)
        within -= share * within.sum()
        expected = n * (within + (m - m.mean()) / n)
        assert_allclose(found, expected, rtol=0, atol=1e-7 * np.abs(expected).max())


def test_surface_on_a_line_is_the_curve(rows):
    quantity = np.asarray(model(rows).scores)
    weights = np.where(rows["t"] == 0, rows["s"], 0).astype(float)
    curve = mean_curve(rows["y"].to_numpy(), weights, quantity)
    surface = mean_surface(rows["y"].to_numpy(), weights, quantity[:, None], None, None)
    assert_allclose(surface.mean, curve.mean, rtol=0, atol=1e-9)
    assert_allclose(surface.leverage, curve.leverage, rtol=0, atol=1e-12)


def test_surface_reaches_what_lies_on_it(rows):
    places = rows[X].to_numpy()
    outcome = 3 + 2 * places[:, 0] - places[:, 1] + 5.0 * rows["tier"].to_numpy() + 0.3 * rows["views"]
    weights = np.where(rows["t"] == 1, 1.0, 0.0)
    used = weights > 0
    inside = np.all((places >= places[used].min(axis=0)) & (places <= places[used].max(axis=0)), axis=1)
    found = mean_surface(
        outcome.to_numpy(), weights, places, rows["tier"].to_numpy(), rows[["views"]].to_numpy(float)
    )
    assert_allclose(found.mean[inside], outcome[inside], rtol=0, atol=1e-8)


def test_a_cluster_has_no_mean_of_its_own():
    """Where covariates are those of whole teams, what a team has in common stays in its rows."""
    rng = np.random.default_rng(2)
    ratios = []
    for _ in range(30):
        df = drawn(rng, by_team=True)
        df[X] = df.groupby("team")[X].transform("mean")
        effect = matched(df).effect("y", cluster="team")
        ratios.append((effect.estimate - 1.0) / effect.std_error)
    assert np.std(ratios) < 1.35


def test_counting_that_scores_were_estimated_is_kept(rows):
    matches = matched(rows, estimand="ATE")
    known = ps.match_nn(rows.assign(e=model(rows).scores), treatment="t", scores="e", estimand="ATE")
    counted, taken = matches.effect("y", cluster="team"), known.effect("y", cluster="team")
    assert "counts that the scores were estimated" in counted.se_method
    assert "known" in taken.se_method
    assert counted.estimate == pytest.approx(taken.estimate)
    assert counted.std_error != pytest.approx(taken.std_error, rel=1e-3)


@pytest.mark.parametrize("name", ["within tiers", "without replacement"])
def test_groups_have_their_own_clusters_and_vary_together(rows, name):
    matches = matched(rows, exact=["tier"], replace=name != "without replacement", caliper=None)
    grouped = matches.effect("y", by="tier", cluster="team")
    for tier, effect in grouped.items():
        inside = (effect.clusters >= 0) if effect.clusters.ndim == 1 else (effect.clusters >= 0).all(axis=1)
        assert (rows["tier"][inside] == tier).all()
        assert grouped.cov.loc[tier, tier] == pytest.approx(effect.std_error**2)
    assert abs(grouped.cov.loc[0, 1]) > 0
    assert matches.effect("y", by="tier").cov.loc[0, 1] == 0
    assert 0 <= grouped.test_equal().p_value <= 1


def test_several_outcomes_are_summed_alike(rows):
    matches = matched(rows)
    effects = matches.effect(["y", "z"], cluster="team")
    alone = [matches.effect(name, cluster="team").std_error for name in ("y", "z")]
    assert_allclose(np.sqrt(np.diag(effects.covariance)), alone)
    assert effects.covariance.iloc[0, 1] != 0


def test_sets_across_clusters_are_a_second_way(rows):
    matches = MATCHES["without replacement"](rows)
    effect = matches.effect("y", cluster="team", inference="cluster")
    assert effect.clusters.shape == (len(rows), 2)
    within_team = ps.match_nn(
        rows, treatment="t", scores=model(rows), replace=False, exact=["team"], caliper=None
    )
    whole = within_team.effect("y", cluster="team", inference="cluster")
    assert whole.clusters.ndim == 1
    with pytest.raises(InvalidInputError, match="three ways"):
        matches.effect("y", cluster=["team", "day"], inference="cluster")


@pytest.mark.parametrize("name", MATCHES)
def test_values_other_libraries_and_the_order_of_rows_say_the_same(rows, name):
    expected = MATCHES[name](rows).effect("y", cluster="team").std_error
    values = MATCHES[name](rows).effect("y", cluster=rows["team"].map("team {}".format))
    assert values.std_error == pytest.approx(expected, rel=1e-10)
    assert MATCHES[name](pl.from_pandas(rows)).effect("y", cluster="team").std_error == pytest.approx(
        expected, rel=1e-9
    )
    if name in WITH_REPLACEMENT:
        moved = MATCHES[name](rows.sample(frac=1, random_state=1)).effect("y", cluster="team")
        assert moved.std_error == pytest.approx(expected, rel=1e-8)


def test_estimate_and_study_take_matching_with_clusters(rows):
    spec = ps.NearestNeighbors("ATT")
    table = ps.estimate(
        rows, outcome="y", treatment="t", covariates=X, cluster="team", estimators=[spec, ps.IPW("ATT")]
    )
    own = matched(rows).effect("y", cluster="team")
    assert table["1-NN ATT"].std_error == pytest.approx(own.std_error, rel=1e-9)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cluster": "nope"}, "'nope' is not in the frame"),
        ({"cluster": "t"}, "every treated row is in one cluster"),
        ({"cluster": "gap"}, "column 'gap': 1 missing"),
        ({"cluster": ["team", "team"]}, "the coarser one alone"),
        ({"cluster": "one"}, "all rows are in one cluster"),
        ({"cluster": "team", "variance_neighbors": 2}, "variance_neighbors: the variance of single rows"),
    ],
)
def test_where_clusters_cannot_be_is_said(rows, options, said):
    gap = rows["day"].astype(float).where(rows.index != 3)
    matches = matched(rows.assign(one=1, gap=gap))
    with pytest.raises(InvalidInputError, match=said):
        matches.effect("y", **options)


@pytest.mark.parametrize("by_team", [False, True])
@pytest.mark.parametrize("estimand", ["ATT", "ATE"])
def test_intervals_hold_what_they_promise(by_team, estimand):
    """Of 150 samples between 130 and 149 at 95%; far fewer as if rows were independent."""
    rng = np.random.default_rng(11)
    held = np.zeros(2, dtype=int)
    for _ in range(150):
        df = drawn(rng, by_team=by_team)
        matches = matched(df, estimand=estimand, n_neighbors=3)
        for place, options in enumerate(({"cluster": "team"}, {})):
            low, high = matches.effect("y", **options).conf_int()
            held[place] += low <= 1.0 <= high
    assert 130 <= held[0] <= 149
    assert not by_team or held[1] < 130


def test_clusters_beside_sets_never_leave_less_than_sets_alone():
    # Rows of a set are alike in what moves the outcome, so that what they add nearly cancels.
    for seed in range(12, 18):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=300)
        t = (rng.random(300) < 1 / (1 + np.exp(0.9 - 0.6 * x))).astype(int)
        df = pd.DataFrame({"x": x, "t": t, "y": 3 * x + t + rng.normal(size=300)})
        df["team"] = rng.integers(0, 40, 300)
        matches = ps.match_nn(df, treatment="t", covariates=["x"], on="mahalanobis", replace=False)
        assert matches.effect("y", cluster="team").std_error >= (1 - 1e-12) * matches.effect("y").std_error
