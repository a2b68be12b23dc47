"""Forests: their scores beside scikit-learn's and the truth, who may score a row, what cannot be grown."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

import propensity as ps
from propensity import core
from propensity.errors import InvalidInputError, OutOfBagError, SlowWarning
from propensity.frames.order import rows_by_content
from propensity.scores.forest import forest_scores


def world(n, seed=0):
    """Steps and a product in the score, which no logistic model in the columns has."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    eta = np.where(x[:, 0] > 0, 0.8, -0.8) + 0.7 * x[:, 1] * x[:, 2]
    truth = 1 / (1 + np.exp(-eta))
    return x, rng.random(n) < truth, truth


def apart(one, other):
    """Root mean square of the difference."""
    return np.sqrt(np.mean((one - other) ** 2))


def scikit_learn_s(x, t, seed):
    forest = RandomForestClassifier(
        n_estimators=300, min_samples_leaf=20, oob_score=True, random_state=seed, n_jobs=1
    )
    return forest.fit(x, t).oob_decision_function_[:, 1]


def test_forest_scores_differ_from_scikit_learn_s_no_more_than_these_from_seed_to_seed():
    x, t, truth = world(1_000)
    # Its leaves count different rows, of which 63 in 100 are among as many draws.
    own = core.forest_scores(x, t, min_leaf=32)
    one, other = (scikit_learn_s(x, t, seed) for seed in (1, 2))
    # A row's trees weigh alike there, and forest by forest here, which leaves ours some more noise.
    assert apart(own, one) < 1.25 * apart(one, other) < 0.05
    assert abs(np.mean(own - one)) < 0.004
    assert apart(own, truth) == pytest.approx(apart(one, truth), abs=0.005)


def test_forest_scores_come_near_the_truth_where_logistic_ones_cannot():
    x, t, truth = world(8_000, seed=3)
    logistic = core.fit_propensity(x, t).scores
    assert apart(core.forest_scores(x, t), truth) < 0.6 * apart(logistic, truth)


def test_forest_scores_are_calibrated_out_of_bag():
    x, t, _ = world(8_000, seed=4)
    scores = core.forest_scores(x, t)
    logit = np.log(scores / (1 - scores))
    slope = core.fit_propensity(logit[:, None], t).coefficients[1]
    assert slope == pytest.approx(1.0, abs=0.12)


def test_forest_scores_do_not_depend_on_the_order_of_the_rows():
    x, t, _ = world(500)
    w = np.random.default_rng(1).integers(0, 3, 500).astype(float)

    def scores(rows):
        columns = [*x[rows].T, t[rows].astype(float)]
        return forest_scores(
            ps.Forest(60),
            x[rows],
            t[rows],
            rows_by_content(columns, w[rows]),
            pd.RangeIndex(500),
            sample_weight=w[rows],
            seed=3,
        )

    rows = np.random.default_rng(2).permutation(500)
    assert (scores(np.arange(500))[rows] == scores(rows))[w[rows] > 0].all()


def test_forest_scores_of_a_seed_are_the_same_on_any_number_of_threads():
    x, t, _ = world(600)
    one = core.forest_scores(x, t, n_trees=64, seed=5, n_threads=1)
    assert (core.forest_scores(x, t, n_trees=64, seed=5, n_threads=3) == one).all()
    assert (core.forest_scores(x, t, n_trees=64, seed=6) != one).any()


def test_larger_leaves_keep_scores_from_zero_and_one():
    x, t, _ = world(1_000)
    least = [core.forest_scores(x, t, n_trees=50, min_leaf=leaf).min() for leaf in (1, 10, 100)]
    assert 0 == least[0] < least[1] < least[2]


def test_progress_counts_the_trees():
    x, t, _ = world(3_000)
    told = []
    core.forest_scores(x, t, n_trees=203, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 203


def test_rows_in_every_bag_are_named_by_label_with_the_trees_that_would_do():
    x, t, _ = world(300)
    labels = pd.Index([f"u{row}" for row in range(300)])
    order = np.arange(300)[::-1]
    message = r"rows u\d+, u.*drawn for all 4 trees.*take n_trees=\d+"
    with pytest.raises(OutOfBagError, match=message) as found:
        forest_scores(ps.Forest(4, 10), x, t, order, labels)
    enough = ps.Forest(found.value.n_trees, 10)
    assert np.isfinite(forest_scores(enough, x, t, order, labels)).all()
    w = np.ones(300)
    w[7] = 40.0
    message = r"1 row \(row u7\) was drawn for all 300 trees.*hardly any tree is grown without it: take a"
    with pytest.raises(OutOfBagError, match=message) as found:
        forest_scores(ps.Forest(), x, t, order, labels, sample_weight=w)
    assert found.value.rows == (7,)
    assert found.value.n_trees is None


def test_a_forest_over_many_rows_tells_how_long_it_takes():
    n = 100_001
    x = np.arange(float(n))[:, None] % 97
    t = np.arange(n) % 3 == 0
    with pytest.warns(SlowWarning, match=r"40 trees over 100,001 rows of 1 terms take about 1 seconds"):
        forest_scores(ps.Forest(40), x, t, np.arange(n), pd.RangeIndex(n))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_trees": 0}, "n_trees must be a whole number of at least 1, not 0"),
        ({"n_trees": 2.0}, "n_trees must be a whole number"),
        ({"n_trees": 200_000}, "n_trees must be at most 100,000, not 200,000"),
        ({"min_leaf": 0}, "min_leaf must be a whole number of at least 1, not 0"),
        ({"min_leaf": True}, "min_leaf must be a whole number"),
    ],
)
def test_forest_refuses_numbers_of_trees_and_rows_that_make_no_forest(options, message):
    with pytest.raises(InvalidInputError, match=message):
        ps.Forest(**options)


def test_forest_is_frozen_and_says_what_is_not_the_default():
    assert ps.Forest().label == "forest"
    assert ps.Forest(50).label == "forest (50 trees)"
    assert ps.Forest(min_leaf=7) == ps.Forest(300, 7)
    with pytest.raises(dataclasses.FrozenInstanceError):
        ps.Forest().n_trees = 5
    with pytest.raises(TypeError, match="n_trees"):
        ps.Forest(n_estimators=100)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, t: (np.where(x > 2, np.nan, x), t), "missing or infinite values.*drop or impute"),
        (lambda x, t: (np.where(x > 2, np.inf, x), t), "missing or infinite values"),
        (lambda x, t: (np.full_like(x, np.nan), t), "missing or infinite values"),
        (lambda x, t: (x[:, :0], t), "x must be at least one column, not no columns"),
        (lambda x, t: (x[:0], t[:0]), "0 treated and 0 control rows"),
        (lambda x, t: (x, np.ones_like(t)), "400 treated and 0 control rows"),
        (lambda x, t: (x[:19], t[:19]), "min_leaf must be at least 1 and at most half of the rows.*10 of 19"),
        (lambda x, t: (x, t[:-1]), "treatment has 399 rows where 400 are expected"),
    ],
)
def test_core_forest_refuses_what_trees_cannot_be_grown_on(change, message):
    x, t, _ = world(400)
    with pytest.raises(InvalidInputError, match=message):
        core.forest_scores(*change(x, t))
