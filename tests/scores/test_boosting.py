"""Boosted scores and outcomes against scikit-learn's, and what must always hold."""

import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss, mean_poisson_deviance, roc_auc_score
from threadpoolctl import threadpool_limits

import propensity as ps
from propensity import core
from propensity.errors import InvalidInputError
from propensity.scores import boosting
from propensity.scores.boosting import Boosting, fit_outcomes, fit_scores, loss_of, path_table

N = 4_000
SMALL = {"depth": 3, "learning_rate": 0.1, "max_trees": 30, "min_leaf": 60}


def _sample(n=N, seed=0, *, missing=False):
    """Whole numbers, no two in a bin, all in every node: amounts (n, 3), treatment, folds, a count."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.integers(0, 20, n), rng.integers(-8, 9, n), rng.integers(0, 5, n)])
    x = x.astype(float)
    eta = np.sin(x[:, 0] / 3) + 0.04 * x[:, 1] * (x[:, 2] > 2) - 0.3
    if missing:
        gone = rng.random(n) < 0.2
        eta[gone] += 0.8
        x[gone, 1] = np.nan
    treated = rng.random(n) < 1 / (1 + np.exp(-eta))
    count = rng.poisson(np.exp(0.3 * eta + 0.4 * treated)).astype(float)
    return x, treated, rng.permutation(np.arange(n) % 3), count


def _options(spec):
    return {
        "max_depth": spec["depth"],
        "learning_rate": spec["learning_rate"],
        "max_iter": spec["max_trees"],
        "min_samples_leaf": spec["min_leaf"],
        "max_leaf_nodes": None,
        "early_stopping": False,
    }


def _out_of_fold(model, x, y, folds, fitted_to=None, weight=None):
    """The same by scikit-learn, fold by fold."""
    found = np.empty(len(x))
    everyone = np.ones(len(x), dtype=bool) if fitted_to is None else fitted_to
    with threadpool_limits(1):
        for fold in np.unique(folds):
            rows = (folds != fold) & everyone
            model.fit(x[rows], y[rows], sample_weight=None if weight is None else weight[rows])
            here = x[folds == fold]
            is_classifier = hasattr(model, "predict_proba")
            found[folds == fold] = model.predict_proba(here)[:, 1] if is_classifier else model.predict(here)
    return found


# Against scikit-learn


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("depth", [1, 3])
def test_scores_are_those_of_scikit_learn_where_bins_lose_nothing(missing, weighted, depth):
    x, treated, folds, _ = _sample(missing=missing)
    weight = np.random.default_rng(1).integers(1, 4, N).astype(float) if weighted else None
    spec = SMALL | {"depth": depth}
    found = core.boosted_scores(x, treated, folds, sample_weight=weight, stop=None, **spec)
    sklearns = HistGradientBoostingClassifier(**_options(spec))
    assert_allclose(found.scores, _out_of_fold(sklearns, x, treated, folds, weight=weight), atol=2e-5)


@pytest.mark.parametrize("loss", ["squared", "poisson"])
def test_outcomes_are_those_of_scikit_learn_in_each_arm(loss):
    x, treated, folds, count = _sample(missing=True)
    found = core.boosted_outcomes(x, count, treated, folds, loss=loss, stop=False, **SMALL)
    name = "squared_error" if loss == "squared" else loss
    sklearns = HistGradientBoostingRegressor(loss=name, **_options(SMALL))
    for arm, own in {"treated": treated, "control": ~treated}.items():
        expected = _out_of_fold(sklearns, x, count, folds, own)
        assert_allclose(getattr(found, arm), expected, rtol=2e-5, atol=2e-5, err_msg=arm)


def test_outcomes_of_0_and_1_are_those_of_scikit_learn_in_each_arm():
    x, treated, folds, count = _sample()
    liked = np.minimum(count, 1.0)
    found = core.boosted_outcomes(x, liked, treated, folds, loss="logistic", stop=False, **SMALL)
    sklearns = HistGradientBoostingClassifier(**_options(SMALL))
    assert_allclose(found.treated, _out_of_fold(sklearns, x, liked, folds, treated), atol=2e-5)
    assert_allclose(found.control, _out_of_fold(sklearns, x, liked, folds, ~treated), atol=2e-5)


def test_scores_predict_as_well_as_scikit_learns_where_bins_do_lose():
    rng = np.random.default_rng(2)
    n = 20_000
    x = rng.normal(size=(n, 5))
    eta = np.sin(2 * x[:, 0]) + 0.5 * x[:, 1] * x[:, 2] - 0.5 * (x[:, 3] > 0)
    treated = rng.random(n) < 1 / (1 + np.exp(-eta))
    folds = rng.permutation(np.arange(n) % 3)
    spec = SMALL | {"max_trees": 80}
    found = core.boosted_scores(x, treated, folds, stop=None, **spec)
    expected = _out_of_fold(HistGradientBoostingClassifier(**_options(spec)), x, treated, folds)
    assert abs(roc_auc_score(treated, found.scores) - roc_auc_score(treated, expected)) < 0.002


def test_new_rows_get_the_mean_of_the_folds_models():
    x, treated, folds, _ = _sample(missing=True)
    new, *_ = _sample(300, seed=9, missing=True)
    found = core.boosted_scores(x, treated, folds, stop=None, **SMALL)
    sklearns = HistGradientBoostingClassifier(**_options(SMALL))
    said = []
    with threadpool_limits(1):
        for fold in range(3):
            sklearns.fit(x[folds != fold], treated[folds != fold])
            said.append(sklearns.predict_proba(new)[:, 1])
    assert_allclose(found.model.predict(new), np.mean(said, axis=0), atol=2e-5)


# What rows stand for


def test_a_weight_is_a_row_so_many_times():
    x, treated, folds, count = _sample(missing=True)
    weight = np.random.default_rng(3).integers(0, 4, N)
    options = SMALL | {"min_leaf": 1, "max_trees": 20}
    again = np.repeat(np.arange(N), weight)
    weighed = core.boosted_scores(x, treated, folds, sample_weight=weight.astype(float), **options)
    repeated = core.boosted_scores(x[again], treated[again], folds[again], **options)
    assert weighed.n_trees == repeated.n_trees
    assert_allclose(weighed.scores[again], repeated.scores, atol=1e-5)
    assert_allclose(weighed.path.log_loss, repeated.path.log_loss, rtol=1e-5)
    assert_allclose(weighed.path.mean_smd, repeated.path.mean_smd, rtol=1e-3, atol=1e-5)
    weighed = core.boosted_outcomes(x, count, treated, folds, sample_weight=weight.astype(float), **options)
    repeated = core.boosted_outcomes(x[again], count[again], treated[again], folds[again], **options)
    assert_allclose(weighed.treated[again], repeated.treated, rtol=1e-4)


def test_rows_of_weight_0_are_not_there_and_are_predicted():
    x, treated, folds, count = _sample()
    weight = np.random.default_rng(4).uniform(0.5, 2.0, N)
    weight[::5] = 0.0
    there = weight > 0
    wild = count.copy()
    wild[::5] = -1e9
    mended = np.where(there, wild, 0.0)
    kept = (x[there], treated[there], folds[there])
    found = core.boosted_scores(x, treated, folds, sample_weight=weight, **SMALL)
    alone = core.boosted_scores(*kept, sample_weight=weight[there], **SMALL)
    assert_allclose(found.scores[there], alone.scores, atol=1e-6)
    assert found.n_trees == alone.n_trees
    assert ((found.scores > 0) & (found.scores < 1)).all()
    found = core.boosted_outcomes(x, wild, treated, folds, sample_weight=weight, **SMALL)
    again = core.boosted_outcomes(x, mended, treated, folds, sample_weight=weight, **SMALL)
    assert_array_equal(found.treated, again.treated)


def test_the_scale_of_weights_says_nothing():
    x, treated, folds, _ = _sample()
    weight = np.random.default_rng(4).uniform(0.5, 2.0, N)
    found = core.boosted_scores(x, treated, folds, sample_weight=weight, **SMALL)
    again = core.boosted_scores(x, treated, folds, sample_weight=1e6 * weight, **SMALL)
    assert_allclose(found.scores, again.scores, atol=1e-6)
    assert_allclose(found.path.ess, again.path.ess)


def test_a_fold_says_nothing_of_its_own_rows():
    x, treated, folds, _ = _sample()
    turned = np.where(folds == 1, ~treated, treated)
    found = core.boosted_scores(x, treated, folds, stop=None, **SMALL)
    again = core.boosted_scores(x, turned, folds, stop=None, **SMALL)
    assert_array_equal(found.scores[folds == 1], again.scores[folds == 1])
    assert (found.scores[folds == 0] != again.scores[folds == 0]).any()


def test_numbers_do_not_hang_on_threads_or_on_the_order_of_rows():
    x, treated, folds, count = _sample(20_000, missing=True)
    x[:, 0] += np.random.default_rng(5).random(len(x))  # rows that are all different
    one = core.boosted_scores(x, treated, folds, n_threads=1, **SMALL)
    for n_threads in (2, 3, 7):
        again = core.boosted_scores(x, treated, folds, n_threads=n_threads, **SMALL)
        assert_array_equal(one.scores, again.scores)
        assert_array_equal(one.path.mean_smd, again.path.mean_smd)
    order = np.random.default_rng(6).permutation(len(x))
    shuffled = core.boosted_scores(x[order], treated[order], folds[order], **SMALL)
    assert_array_equal(one.scores[order], shuffled.scores)
    outcomes = [core.boosted_outcomes(x, count, treated, folds, n_threads=k, **SMALL).control for k in (1, 2)]
    assert_array_equal(*outcomes)


def test_a_monotone_change_of_a_column_changes_nothing():
    x, treated, folds, _ = _sample()
    changed = x.copy()
    changed[:, 1] = np.exp(x[:, 1] / 10)
    assert_array_equal(
        core.boosted_scores(x, treated, folds, stop=None, **SMALL).scores,
        core.boosted_scores(changed, treated, folds, stop=None, **SMALL).scores,
    )


# Levels


def _levels(n_levels, n=6_000, seed=7):
    rng = np.random.default_rng(seed)
    level = rng.integers(0, n_levels, n)
    effect = rng.normal(0, 1.2, n_levels)
    x = rng.normal(size=(n, 2))
    treated = rng.random(n) < 1 / (1 + np.exp(-(effect[level] + 0.5 * x[:, 0])))
    return x, level[:, None], effect, treated, rng.permutation(np.arange(n) % 5)


@pytest.mark.parametrize("n_levels", [8, 300])
def test_levels_are_found_to_matter(n_levels):
    x, level, effect, treated, folds = _levels(n_levels)
    without = core.boosted_scores(x, treated, folds, stop="log_loss")
    found = core.boosted_scores(x, treated, folds, factors=level, stop="log_loss")
    gained = roc_auc_score(treated, found.scores) - roc_auc_score(treated, without.scores)
    assert gained > 0.1
    assert np.corrcoef(found.log_odds, effect[level[:, 0]])[0, 1] > 0.8


def test_what_levels_are_called_says_nothing():
    x, level, _, treated, folds = _levels(40)
    names = np.random.default_rng(8).permutation(40)
    found = core.boosted_scores(x, treated, folds, factors=level, stop=None, **SMALL)
    again = core.boosted_scores(x, treated, folds, factors=names[level], stop=None, **SMALL)
    assert_array_equal(found.scores, again.scores)


def test_many_levels_of_noise_cost_next_to_nothing():
    x, _, _, treated, folds = _levels(300)
    noise = np.random.default_rng(9).integers(0, 300, (len(x), 1))
    without = core.boosted_scores(x, treated, folds, stop="log_loss")
    found = core.boosted_scores(x, treated, folds, factors=noise, stop="log_loss")
    assert roc_auc_score(treated, found.scores) > roc_auc_score(treated, without.scores) - 0.004


def test_a_level_never_seen_goes_where_missing_ones_go():
    x, level, _, treated, folds = _levels(300)
    level[::50] = -1
    found = core.boosted_scores(x, treated, folds, factors=level, stop=None, **SMALL)
    said = [found.model.predict(x[:100], np.full((100, 1), code)) for code in (-1, 300, 65_534)]
    assert_array_equal(said[0], said[1])
    assert_array_equal(said[0], said[2])
    assert (said[0] != found.model.predict(x[:100], level[:100])).any()


# How many trees


def _imbalance(x, treated, scores, estimand):
    weights = np.asarray(core.balancing_weights(treated, scores, estimand=estimand).weights)
    return np.abs(core.smd(x, treated, weights=weights)), weights


@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC", "ATO", "ATM"])
def test_the_path_ends_at_what_the_scores_give(estimand):
    x, treated, folds, _ = _sample()
    found = core.boosted_scores(x, treated, folds, estimand=estimand, stop=None, **SMALL)
    smd, weights = _imbalance(x, treated, found.scores, estimand)
    ess = [weights[own].sum() ** 2 / (weights[own] ** 2).sum() for own in (treated, ~treated)]
    assert_array_equal(found.path.trees, [0, 10, 20, 30])
    assert found.path.log_loss[-1] == pytest.approx(log_loss(treated, found.scores), rel=1e-6)
    assert found.path.mean_smd[-1] == pytest.approx(smd.mean(), rel=1e-5)
    assert found.path.max_smd[-1] == pytest.approx(smd.max(), rel=1e-5)
    assert found.path.ess[-1] == pytest.approx(sum(ess), rel=1e-6)


def test_stops_where_the_path_is_lowest():
    x, treated, folds, _ = _sample()
    options = SMALL | {"max_trees": 195, "learning_rate": 0.3}
    everything = core.boosted_scores(x, treated, folds, stop=None, **options)
    assert everything.n_trees == 195
    for stop, column in {"balance": "mean_smd", "log_loss": "log_loss"}.items():
        found = core.boosted_scores(x, treated, folds, stop=stop, **options)
        path = path_table(found.path)
        assert list(path.columns) == ["trees", "log_loss", "mean_smd", "max_smd", "ess"]
        assert path["trees"].tolist() == [*range(0, 195, 10), 195]
        assert found.n_trees == path["trees"][path[column].idxmin()] < 195
        fixed = core.boosted_scores(x, treated, folds, stop=None, **options | {"max_trees": found.n_trees})
        assert_array_equal(found.scores, fixed.scores)
        assert_array_equal(found.model.predict(x), fixed.model.predict(x))


def test_terms_that_are_given_are_the_ones_looked_at():
    x, treated, folds, _ = _sample()
    terms = np.column_stack([x[:, 0] ** 2, x[:, 1] * x[:, 2], np.full(N, 3.0)])
    weight = np.random.default_rng(1).uniform(0.5, 2.0, N)
    options = SMALL | {"stop": None, "sample_weight": weight}
    found = core.boosted_scores(x, treated, folds, balance=terms, **options)
    balancing = core.balancing_weights(treated, found.scores)
    smd = core.smd(terms, treated, weights=np.asarray(balancing.weights), sample_weight=weight)
    assert found.path.mean_smd[-1] == pytest.approx(np.abs(smd).mean(), rel=1e-5)
    assert found.path.max_smd[-1] == pytest.approx(np.abs(smd).max(), rel=1e-5)


def test_by_default_a_level_is_a_term_and_missing_amounts_are_none():
    x, treated, folds, _ = _sample(missing=True)
    level = (x[:, [0]] % 4).astype(int) - 1
    found = core.boosted_scores(x, treated, folds, factors=level, stop=None, **SMALL)
    weights = np.asarray(core.balancing_weights(treated, found.scores).weights)
    columns = [*x.T, *(np.where(level[:, 0] == k, 1.0, 0.0) for k in range(3))]
    smd = []
    for column in columns:
        there = ~np.isnan(column)
        smd.append(core.smd(column[there, None], treated[there], weights=weights[there])[0])
    assert found.path.mean_smd[-1] == pytest.approx(np.abs(smd).mean(), rel=1e-5)
    assert found.path.max_smd[-1] == pytest.approx(np.abs(smd).max(), rel=1e-5)


@pytest.mark.parametrize(("loss", "deviance"), [("squared", None), ("poisson", mean_poisson_deviance)])
def test_paths_of_outcomes_end_at_the_loss_of_the_arms_own_rows(loss, deviance):
    x, treated, folds, count = _sample()
    weight = np.random.default_rng(1).uniform(0.5, 2.0, N)
    options = SMALL | {"sample_weight": weight, "loss": loss}
    found = core.boosted_outcomes(x, count, treated, folds, stop=False, **options)
    for arm, own in {"treated": treated, "control": ~treated}.items():
        said, path = getattr(found, arm)[own], getattr(found, f"path_{arm}")
        expected = (
            deviance(count[own], said, sample_weight=weight[own])
            if deviance
            else np.average((count[own] - said) ** 2, weights=weight[own])
        )
        assert path.loss[-1] == pytest.approx(expected, rel=1e-5)
    stopped = core.boosted_outcomes(x, count, treated, folds, **options)
    assert stopped.n_trees_treated == stopped.path_treated.trees[np.argmin(stopped.path_treated.loss)]
    assert_allclose(stopped.path_control.loss, found.path_control.loss)


# The specification and its calls


def test_specifications_are_frozen_and_say_what_they_are():
    spec = Boosting(depth=2, stop=None)
    assert spec == Boosting(2, stop=None)
    assert hash(spec) == hash(Boosting(2, stop=None))
    assert spec.label == "boosting"
    assert ps.Boosting is Boosting
    with pytest.raises(FrozenInstanceError):
        spec.depth = 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"depth": 0}, "depth must be a whole number of at least 1, not 0"),
        ({"depth": 9}, "depth must be a whole number from 1 to 8, not 9"),
        ({"depth": 2.5}, "depth must be a whole number"),
        ({"learning_rate": 0.0}, "learning_rate must be a finite number greater than 0"),
        ({"learning_rate": 1.5}, "learning_rate must be more than 0 and at most 1, not 1.5"),
        ({"learning_rate": True}, "learning_rate must be a finite number"),
        ({"max_trees": 0}, "max_trees must be a whole number of at least 1"),
        ({"min_leaf": -1}, "min_leaf must be a whole number of at least 1"),
        ({"stop": "smd"}, "stop must be one of 'balance', 'log_loss'"),
    ],
)
def test_specifications_refuse_what_they_cannot_do(options, words):
    with pytest.raises(InvalidInputError, match=words):
        Boosting(**options)


def test_other_words_of_the_field_are_answered():
    with pytest.raises(TypeError, match="max_trees"):
        Boosting(n_estimators=100)


def test_functions_hand_the_specification_on():
    x, treated, folds, count = _sample()
    spec = Boosting(depth=2, learning_rate=0.2, max_trees=40, min_leaf=5, stop="log_loss")
    options = {"depth": 2, "learning_rate": 0.2, "max_trees": 40, "min_leaf": 5}
    level = (x[:, [2]]).astype(int)
    found = fit_scores(spec, x, treated, folds, factors=level, balance=x[:, :1], estimand="ATT")
    direct = core.boosted_scores(
        x, treated, folds, factors=level, balance=x[:, :1], estimand="ATT", stop="log_loss", **options
    )
    assert_array_equal(found.scores, direct.scores)
    assert_array_equal(found.path.mean_smd, direct.path.mean_smd)
    outcomes = fit_outcomes(spec, x, count, treated, folds, factors=level)
    direct = core.boosted_outcomes(x, count, treated, folds, factors=level, loss="poisson", **options)
    assert_array_equal(outcomes.treated, direct.treated)


def test_kinds_of_outcomes_are_told_by_their_values():
    assert loss_of(np.array([0.0, 1.0, 1.0])) == "logistic"
    assert loss_of(np.array([0.0, 3.0, 1.0])) == "poisson"
    assert loss_of(np.array([1.0, 5.0, 3.0])) == "squared"
    assert loss_of(np.array([0.0, 0.5])) == "squared"
    assert loss_of(np.array([-1.0, 0.0])) == "squared"


def test_models_come_out_of_a_pickle_as_they_went_in():
    x, level, _, treated, folds = _levels(300, n=2_000)
    x[::9, 0] = np.nan
    found = core.boosted_scores(x, treated, folds, factors=level, stop=None, **SMALL)
    again = pickle.loads(pickle.dumps(found.model))
    assert (again.n_trees, again.n_folds) == (30, 5)
    assert_array_equal(again.predict(x, level), found.model.predict(x, level))
    with pytest.raises(InvalidInputError, match="not the state of pickled trees"):
        core.BoostedTrees(("logistic", 0.0, 1.0, [], []))
    assert repr(again) == "BoostedTrees(30 trees in each of 5 folds)"


# Worlds with nothing in them, and bad input


def test_where_nothing_predicts_scores_are_shares():
    rng = np.random.default_rng(0)
    x, treated = np.ones((300, 2)), rng.random(300) < 0.3
    folds = np.arange(300) % 3
    found = core.boosted_scores(x, treated, folds, max_trees=20)
    shares = [treated[folds != fold].mean() for fold in folds]
    assert_allclose(found.scores, shares, rtol=1e-6)
    assert found.n_trees == 0


def test_a_constant_outcome_is_predicted_exactly():
    x, treated, folds, _ = _sample()
    found = core.boosted_outcomes(x, np.full(N, 1e9 + 0.25), treated, folds, **SMALL)
    assert_array_equal(found.treated, np.full(N, 1e9 + 0.25))


def test_units_of_an_outcome_are_its_own_affair():
    x, treated, folds, count = _sample()
    found = core.boosted_outcomes(x, count, treated, folds, **SMALL)
    far = core.boosted_outcomes(x, 1e6 + 1e-3 * count, treated, folds, **SMALL)
    assert_allclose((far.treated - 1e6) * 1e3, found.treated, atol=1e-4)


def _full(shape, value):
    return lambda _: np.full(shape, value)


def _with(at, value):
    def changed(array):
        array = array.copy()
        array[at] = value
        return array

    return changed


@pytest.mark.parametrize(
    ("argument", "change", "words"),
    [
        ("covariates", _with(([3, 7], 1), np.inf), r"covariates, column 1: 2 infinite values \(rows 3, 7\)"),
        ("covariates", lambda x: x[:, :0], "covariates must be at least one column"),
        ("folds", lambda folds: folds[:-1], "folds has 59 rows where 60 are expected"),
        ("folds", _with(4, -2), "folds must be numbers of folds, from 0, not -2"),
        ("folds", np.zeros_like, "folds must be two folds at least"),
        ("folds", _with(4, 10**6), "numbers of folds, from 0, fewer than rows, not 1000000"),
        ("folds", lambda folds: (folds == 0) + 0, "not fold 0, outside of which there is no control row"),
        ("treatment", np.ones_like, "60 treated and 0 control"),
        ("sample_weight", lambda _: np.where(np.arange(60) % 2, 0.0, 1.0), "the treated rows weigh nothing"),
        ("factors", _full((60, 1), -2), "factors must be levels from 0 to 65534, or -1.* not -2 in column 0"),
        ("factors", _full((60, 2), 70_000), "factors must be levels from 0 to 65534.* not 70000 in column 0"),
        ("factors", _full((59, 1), 0), "factors has 59 rows where 60 are expected"),
        ("balance", _full((60, 1), -np.inf), "balance, column 0: 60 infinite values"),
        ("balance", _full((59, 1), 0.0), "balance has 59 rows where 60 are expected"),
        ("depth", lambda _: 9, "depth must be a whole number from 1 to 8, not 9"),
        ("learning_rate", lambda _: np.nan, "learning_rate must be more than 0, at most 1, not NaN"),
        ("stop", lambda _: "smd", 'stop must be "balance", "log_loss" or none'),
    ],
)
def test_bad_input_is_told(argument, change, words):
    x, _, folds, _ = _sample(60)
    treated = np.arange(60) % 2 == 1
    if "no control row" in words:
        treated = folds == 0
    arguments = {"covariates": x, "treatment": treated, "folds": folds}
    arguments[argument] = change(arguments.get(argument))
    with pytest.raises(InvalidInputError, match=words):
        core.boosted_scores(**arguments)


@pytest.mark.parametrize(
    ("loss", "change", "words"),
    [
        ("logistic", lambda y: 2 * y, r"outcome: .* outside \[0, 1\]"),
        ("poisson", lambda y: -y, "outcome: .* outside the numbers >= 0"),
        ("logistic", np.zeros_like, "not 0 in all control rows outside of fold 0"),
        ("logistic", np.ones_like, "not 1 in all control rows outside of fold 0"),
        ("poisson", np.zeros_like, 'or of loss="squared", not 0 in all control rows'),
        ("hinge", lambda y: y, 'loss must be "squared", "logistic" or "poisson"'),
        ("squared", lambda y: y / np.where(y > 0, 0.0, 1.0), "outcome: .* missing or infinite"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_outcomes_that_a_loss_has_no_meaning_for_are_told(loss, change, words):
    x, treated, folds, count = _sample(200)
    with pytest.raises(InvalidInputError, match=words):
        core.boosted_outcomes(x, change(np.minimum(count, 1.0)), treated, folds, loss=loss)


def test_new_rows_need_the_columns_of_the_fit():
    x, treated, folds, _ = _sample()
    found = core.boosted_scores(x, treated, folds, max_trees=1)
    with pytest.raises(InvalidInputError, match="2 columns where the model has 3"):
        found.model.predict(x[:, :2])
    with pytest.raises(InvalidInputError, match="factors must be the columns fitted to"):
        found.model.predict(x, np.zeros((N, 1), dtype=int))


def test_the_table_of_a_path_is_a_frame():
    x, treated, folds, _ = _sample()
    table = boosting.path_table(core.boosted_scores(x, treated, folds, max_trees=10).path)
    assert isinstance(table, pd.DataFrame)
    assert table.shape == (2, 5)
