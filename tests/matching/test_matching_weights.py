"""Sample weights in matching: a focal row's goes to its donors, and rows of weight 0 are not there."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import propensity as ps
import reference_pairs as twin
from propensity import core
from propensity.errors import InvalidInputError

pytestmark = pytest.mark.filterwarnings("ignore")

ESTIMANDS = ["ATT", "ATC", "ATE"]


def made_up(n=160, seed=0, levels=12):
    """Rows whose scores tie, with weights that differ by arm and by x."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, levels, n) / levels
    t = rng.random(n) < 0.25 + 0.3 * x
    return pd.DataFrame(
        {
            "t": t.astype(int),
            "score": 0.25 + 0.3 * x,
            "x": x,
            "z": rng.normal(size=n),
            "group": rng.choice(["a", "b"], n),
            "w": rng.gamma(2, size=n) * np.where(t, 3 * x + 0.5, 1.0),
            "y": x + t * (1 + x) + rng.normal(size=n),
        },
        index=[f"r{row}" for row in range(n)],
    )


NEIGHBORS = {
    "with replacement": {},
    "three": {"n_neighbors": 3},
    "everybody's": {"estimand": "ATE", "n_neighbors": 2},
    "the controls', within a caliper": {"estimand": "ATC", "caliper": 0.2},
    "exact": {"exact": ["group"], "on": "logit"},
    "among covariates": {"on": "mahalanobis", "covariates": ["x", "z"], "n_neighbors": 2},
    "pairs": {"replace": False},
    "two each, within a caliper": {"replace": False, "n_neighbors": 2, "caliper": 0.2},
    "optimal": {"replace": False, "method": "optimal"},
    "used twice at most": {"max_reuse": 2},
    "everybody's, used three times at most": {"estimand": "ATE", "max_reuse": 3, "discard": "both"},
}
SUBCLASSES = {
    "full": (ps.match_full, {"scores": "score"}),
    "full, within a caliper": (ps.match_full, {"scores": "score", "caliper": 0.15, "exact": ["group"]}),
    "full, among covariates": (
        ps.match_full,
        {"scores": "score", "on": "euclidean", "covariates": ["x", "z"], "caliper": {"z": 0.5}},
    ),
    "coarsened": (ps.match_cem, {"covariates": ["x", "group"]}),
    "by Scott's rule": (ps.match_cem, {"covariates": ["z"], "cutpoints": "scott"}),
    "by score": (ps.subclassify, {"scores": "score", "n_subclasses": 5}),
}


def neighbors(df, name, **options):
    return ps.match_nn(df, treatment="t", scores="score", **NEIGHBORS[name], **options)


def subclasses(df, name, **options):
    method, words = SUBCLASSES[name]
    return method(df, treatment="t", **words, **options)


def sets_of(matches):
    ranges = zip(matches.focal.tolist(), matches.first, matches.last, strict=True)
    return {row: set(matches.donors[first:last].tolist()) for row, first, last in ranges}


@pytest.mark.parametrize("name", NEIGHBORS)
def test_a_focal_rows_weight_goes_to_its_donors(name):
    df = made_up()
    matches = neighbors(df, name, sample_weight="w")
    w, total = df["w"].to_numpy(), np.zeros(len(df))
    for row, donors in sets_of(matches).items():
        there = sorted(donors)
        total[row] += w[row]
        total[there] += w[row] * w[there] / w[there].sum()
    assert_allclose(matches.weights, total, rtol=1e-12)
    y, t = df["y"].to_numpy(), df["t"].to_numpy() == 1
    expected = twin.matched_estimate(y, t, sets_of(matches), w)
    assert matches.effect(df["y"]).estimate == pytest.approx(expected, rel=1e-10)
    # Who is matched with whom does not depend on the weights.
    assert sets_of(matches) == sets_of(neighbors(df, name))


@pytest.mark.parametrize("name", SUBCLASSES)
@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_both_arms_of_a_subclass_weigh_what_its_focal_rows_count(name, estimand):
    df = made_up()
    found = subclasses(df, name, sample_weight="w", estimand=estimand)
    focal = {"ATT": df["t"] == 1, "ATC": df["t"] == 0, "ATE": df["t"] >= 0}[estimand]
    for label in range(1, found.n_subclasses + 1):
        rows = df[found.labels == label]
        for arm in (0, 1):
            own = rows[rows["t"] == arm]
            share = own["w"] / own["w"].sum()
            assert_allclose(found.weights[own.index], share * rows["w"][focal[rows.index]].sum(), rtol=1e-12)


@pytest.mark.parametrize("estimand", ESTIMANDS)
@pytest.mark.parametrize("options", [{}, {"exact": ["group"]}, {"caliper": 0.3}])
def test_a_weight_of_2_is_the_row_twice(estimand, options):
    df = made_up()
    df["w"] = np.random.default_rng(1).integers(0, 4, len(df))
    copied = df.loc[df.index.repeat(df["w"])].reset_index(drop=True)
    # A caliper counts standard deviations of the rows that there are, however much they weigh.
    options = options | {"caliper_unit": "raw"}
    weighted = ps.match_nn(
        df, treatment="t", scores="score", estimand=estimand, sample_weight="w", **options
    ).effect(df["y"])
    expected = ps.match_nn(copied, treatment="t", scores="score", estimand=estimand, **options).effect(
        copied["y"]
    )
    assert weighted.estimate == pytest.approx(expected.estimate, rel=1e-12)
    assert weighted.mean_control == pytest.approx(expected.mean_control, rel=1e-12)


def test_perfect_pairs_have_no_effect_whatever_they_weigh():
    df = pd.DataFrame(
        {
            "t": [1, 0, 1, 0] * 20,
            "region": ["A", "A", "B", "B"] * 20,
            "w": [1.0, 10, 1, 1] * 20,
            "y": [0.0, 0, 10, 10] * 20,
            "s": 0.5,
        }
    )
    options = {"treatment": "t", "scores": "s", "exact": ["region"], "sample_weight": "w"}
    for found in (
        ps.match_nn(df, **options),
        ps.match_nn(df, replace=False, **options),
        ps.match_nn(df, max_reuse=2, **options),
        ps.match_nn(df, estimand="ATE", **options),
        ps.match_full(df, **options),
        ps.match_cem(df, treatment="t", covariates=["region"], sample_weight="w"),
    ):
        assert found.effect(df["y"]).estimate == pytest.approx(0, abs=1e-12)


def test_a_heavy_treated_row_counts_by_its_weight_in_both_arms():
    df = pd.DataFrame(
        {"t": [1, 1, 0, 0], "s": [0.3, 0.7, 0.3, 0.7], "y": [1.0, 1, 0, 1], "w": [1.0, 9, 1, 1]}
    )
    for match in (ps.match_nn, ps.match_full):
        effect = match(df, treatment="t", scores="s", sample_weight="w").effect(df["y"])
        assert effect.estimate == pytest.approx(0.1, abs=1e-12)
        assert effect.std_error > 0


# Standard errors


@pytest.mark.parametrize("name", [name for name, words in NEIGHBORS.items() if words.get("replace", True)])
def test_the_variance_is_what_the_estimate_is_made_of(name):
    df = made_up(n=90)
    matches = neighbors(df, name, sample_weight="w")
    y, t = df["y"].to_numpy(), df["t"].to_numpy() == 1
    exact = None if matches.exact is None else matches.exact
    distance = np.sqrt(((matches.places[:, None] - matches.places[None]) ** 2).sum(axis=2))
    s2 = twin.outcome_variance(y, t, distance, exact)
    expected = twin.neighbor_variance(y, t, sets_of(matches), s2, df["w"].to_numpy())
    assert matches.effect(df["y"]).std_error ** 2 == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", NEIGHBORS)
def test_weights_that_are_all_one_number_change_nothing(name):
    df = made_up()
    plain, even = (neighbors(df, name, sample_weight=w).effect(df["y"]) for w in (None, np.full(160, 7.0)))
    assert even.estimate == pytest.approx(plain.estimate, rel=1e-12)
    assert even.std_error == pytest.approx(plain.std_error, rel=1e-9)


@pytest.mark.parametrize("name", [*NEIGHBORS, *SUBCLASSES])
def test_standard_errors_do_not_know_in_what_unit_rows_are_weighed(name):
    df = made_up()
    match = neighbors if name in NEIGHBORS else subclasses
    one, other = (match(df, name, sample_weight=df["w"] * by).effect(df["y"]) for by in (1.0, 1e-7))
    assert other.estimate == pytest.approx(one.estimate, rel=1e-10)
    assert other.std_error == pytest.approx(one.std_error, rel=1e-10)


def test_weights_of_very_different_sizes_leave_no_rounding_behind():
    df = made_up(n=400)
    df["w"] = 10.0 ** np.random.default_rng(2).integers(-9, 9, len(df))
    matches = ps.match_nn(df, treatment="t", scores="score", sample_weight="w", n_neighbors=2)
    y, t = df["y"].to_numpy(), df["t"].to_numpy() == 1
    expected = twin.matched_estimate(y, t, sets_of(matches), df["w"].to_numpy())
    assert matches.effect(df["y"]).estimate == pytest.approx(expected, rel=1e-9)
    served = sorted(set(matches.donors.tolist()))
    used = np.isin(np.arange(len(df)), [*served, *matches.focal])
    assert ((matches.weights > 0) == used).all() or matches.spec.is_plain


@pytest.mark.parametrize("law", ["noise", "by arm and by x"])
@pytest.mark.parametrize("options", [{}, {"replace": False}, {"estimand": "ATE", "n_neighbors": 2}])
def test_intervals_hold_the_effect_whatever_rows_weigh(law, options):
    """A small version of the coverage study: an error of its size, in a world whose effect is 1 for all."""
    rng, found = np.random.default_rng(11), []
    for _ in range(150):
        n = 300
        x = rng.normal(size=n)
        t = rng.random(n) < 1 / (1 + np.exp(1 - 0.5 * x))
        noise = rng.gamma(1, size=n)
        w = noise if law == "noise" else noise * np.exp(np.where(t, 0.5 * x, -0.3 * x)) + 0.1
        df = pd.DataFrame({"t": t, "s": 1 / (1 + np.exp(1 - 0.5 * x)), "w": w})
        y = x / 2 + t + rng.normal(size=n)
        effect = ps.match_nn(df, treatment="t", scores="s", sample_weight="w", **options).effect(y)
        found.append((effect.estimate, effect.std_error))
    estimates, errors = np.array(found).T
    assert np.mean(errors) == pytest.approx(np.std(estimates), rel=0.15)
    assert np.mean(np.abs(estimates - 1) < 1.96 * errors) > 0.9


# Rows of weight 0


@pytest.mark.parametrize("name", [*NEIGHBORS, *SUBCLASSES])
def test_a_row_of_weight_0_is_not_there(name):
    df = made_up()
    there = np.random.default_rng(3).random(len(df)) > 0.3
    # What is gone is extreme: it would widen calipers, move quantiles, cuts, ranks and ranges.
    df.loc[~there, "score"] = np.linspace(0.01, 0.99, (~there).sum())
    df.loc[~there, ["x", "z"]] *= 100
    df["w"] = np.where(there, df["w"], 0.0)
    match = neighbors if name in NEIGHBORS else subclasses
    found, dropped = match(df, name, sample_weight="w"), match(df[there], name, sample_weight="w")
    assert_allclose(found.weights[there], dropped.weights, rtol=1e-12)
    assert (found.weights[~there] == 0).all()
    assert (found.n_matched, found.n_unmatched) == (dropped.n_matched, dropped.n_unmatched)
    effect, expected = found.effect(df["y"]), dropped.effect(df.loc[there, "y"])
    assert effect.estimate == pytest.approx(expected.estimate, rel=1e-12)
    assert effect.std_error == pytest.approx(expected.std_error, rel=1e-9)
    assert [str(c) for c in effect.cautions] == [str(c) for c in expected.cautions]
    if name in NEIGHBORS:
        assert found.n_discarded == dropped.n_discarded
        pd.testing.assert_frame_equal(found.calipers, dropped.calipers)
        pd.testing.assert_frame_equal(found.pairs, dropped.pairs)
    else:
        pd.testing.assert_frame_equal(found.arms, dropped.arms)
        pd.testing.assert_frame_equal(found.to_frame(), dropped.to_frame())
        assert found.subclass[~there].isna().all()


def test_the_nearest_row_of_weight_0_is_nobodys_partner():
    df = pd.DataFrame(
        {
            "t": [1, 1, 1, 0, 0, 0, 0],
            "s": [0.30, 0.50, 0.70, 0.31, 0.52, 0.71, 0.40],
            "y": [10.0, 20, 30, 1, 2, 3, 4],
            "w": [1.0, 1, 1, 0, 1, 1, 1],
        }
    )
    for match in (ps.match_nn, ps.match_full):
        found = match(df, treatment="t", scores="s", sample_weight="w")
        assert (found.n_matched, found.n_unmatched) == (3, 0)
        assert found.effect(df["y"]).estimate == pytest.approx(17)


def test_the_array_door_leaves_out_rows_of_weight_0():
    df = made_up()
    there = np.random.default_rng(4).random(len(df)) > 0.3
    w = np.where(there, df["w"], 0.0)
    scores, t, x = df["score"].to_numpy(), df["t"].to_numpy(), df[["x", "z"]].to_numpy()
    words = {"on": "mahalanobis", "n_neighbors": 2}
    found = core.match_nn(scores, t, covariates=x, sample_weight=w, **words)
    dropped = core.match_nn(scores[there], t[there], covariates=x[there], sample_weight=w[there], **words)
    assert_allclose(found.weights[there], dropped.weights, rtol=1e-14)
    rows = np.flatnonzero(there)
    assert (rows[dropped.focal] == found.focal).all()
    assert (rows[dropped.donors] == found.donors).all()
    assert_allclose(found.coordinates[there], dropped.coordinates)
    assert np.isnan(found.coordinates[~there]).all()
    full = core.match_full(scores, t, sample_weight=w)
    assert (full.subclass[there] == core.match_full(scores[there], t[there]).subclass).all()
    assert (full.subclass[~there] == 0).all()


# Models


def test_a_model_is_matched_with_the_weights_it_was_fitted_with():
    df = made_up()
    weighted = ps.fit_propensity(df, treatment="t", covariates=["x", "z"], sample_weight="w")
    for match in (ps.match_nn, ps.match_full, ps.subclassify):
        match(df, treatment="t", scores=weighted, sample_weight="w").effect(df["y"])
        match(df, treatment="t", scores=weighted.scores).effect(df["y"])
        for weight, words in {None: "fitted with sample weights, and none are given", "e": "differ"}.items():
            with pytest.raises(InvalidInputError, match=words):
                match(df.assign(e=df["w"] * 2 + 1), treatment="t", scores=weighted, sample_weight=weight)
