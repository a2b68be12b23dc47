"""Boosting and forests as models of scores and of outcomes, held against their array doors."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest

import propensity as ps
from propensity import core
from propensity.errors import InvalidInputError
from score_data import ROLES, people

BOOSTING = ps.Boosting(max_trees=60)
FOREST = ps.Forest(n_trees=60, min_leaf=20)

pytestmark = [  # few trees, few rows
    pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning"),
    pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning"),
]


@pytest.fixture(scope="module")
def df() -> pd.DataFrame:
    return people()


def inputs(df: pd.DataFrame) -> dict[str, np.ndarray]:
    """Amounts, codes of levels in sorted order, and the terms that balance is asked of."""
    plan = df["plan"].astype("category")
    levels = np.column_stack([plan == level for level in plan.cat.categories])
    amounts = df[["x", "z"]].to_numpy(float)
    return {
        "covariates": np.asfortranarray(amounts),
        "factors": plan.cat.codes.to_numpy(np.int64)[:, None],
        "balance": np.asfortranarray(np.column_stack([amounts, levels])),
    }


@pytest.mark.parametrize("estimand", [None, "ATT"])
@pytest.mark.parametrize("weight", [None, "w"])
def test_boosted_scores_are_those_of_the_array_door(df, weight, estimand):
    found = ps.fit_propensity(df, **ROLES, score_model=BOOSTING, sample_weight=weight, estimand=estimand)
    given = {name: values[found.order] for name, values in inputs(df).items()}
    expected = core.boosted_scores(
        given.pop("covariates"),
        df["t"].to_numpy()[found.order] == 1,
        found.folds[0][found.order],
        **given,
        sample_weight=None if weight is None else df[weight].to_numpy()[found.order],
        estimand=estimand or "ATE",
        max_trees=60,
    )
    np.testing.assert_array_equal(found.scores.iloc[found.order], expected.scores)
    assert found.n_trees == expected.n_trees
    np.testing.assert_allclose(found.path["mean_smd"], expected.path.mean_smd, rtol=1e-12)
    assert found.path["mean_smd"].idxmin() == found.path.index[found.path["trees"] == found.n_trees][0]
    new = people(50, seed=9)
    columns = inputs(new)
    expected_new = expected.model.predict(columns["covariates"], columns["factors"])
    for again in (found, pickle.loads(pickle.dumps(found))):
        np.testing.assert_array_equal(again.predict(new), expected_new)


def test_path_tells_the_balance_of_the_scores(df):
    found = ps.fit_propensity(df, **ROLES, score_model=BOOSTING)
    weights = ps.balancing_weights(df, treatment="t", scores=found)
    smd = ps.smd(df, treatment="t", covariates=ROLES["covariates"], weights=weights).abs()
    last = found.path[found.path["trees"] == found.n_trees].iloc[0]
    # The path's denominators may be of other conventions than those of `smd`, by a few hundredths.
    assert last["mean_smd"] == pytest.approx(smd.mean(), rel=1e-6)
    assert last["max_smd"] == pytest.approx(smd.max(), rel=1e-6)


def test_forest_scores_are_those_of_the_array_door(df):
    found = ps.fit_propensity(df, **ROLES, score_model=FOREST, seed=3)
    x = np.column_stack([df[["x", "z"]], df["plan"] == "pro", df["plan"] == "team"]).astype(float)
    treated = df["t"].to_numpy() == 1
    expected = core.forest_scores(
        np.asfortranarray(x[found.order]), treated[found.order], n_trees=60, min_leaf=20, seed=3
    )
    np.testing.assert_array_equal(found.scores.iloc[found.order], expected)
    assert (found.n_folds, found.n_trees, found.path) == (None, 60, None)
    assert "out of bag" in repr(found)
    with pytest.raises(InvalidInputError, match="gives scores of its own rows alone, out of bag"):
        found.predict(df)
    effect = ps.ipw(df, outcome="y", treatment="t", scores=found)
    assert effect.se_method.endswith("takes the out-of-bag scores as known")


@pytest.mark.parametrize("model", [BOOSTING, FOREST])
def test_order_of_rows_and_library_do_not_matter(df, model):
    tied = df.assign(x=df["x"].round())
    expected = ps.fit_propensity(tied, **ROLES, score_model=model).scores
    shuffled = ps.fit_propensity(tied.sample(frac=1, random_state=2), **ROLES, score_model=model).scores
    pd.testing.assert_series_equal(shuffled.loc[df.index], expected)
    other = ps.fit_propensity(pl.from_pandas(df), **ROLES, score_model=model)
    plain = ps.fit_propensity(df, **ROLES, score_model=model)
    np.testing.assert_array_equal(other.scores.to_numpy(), plain.scores)


@pytest.mark.parametrize("model", [BOOSTING, FOREST])
def test_number_of_threads_does_not_matter(df, model):
    one, two = (ps.fit_propensity(df, **ROLES, score_model=model, n_threads=n).scores for n in (1, 2))
    pd.testing.assert_series_equal(one, two)


def test_missing_values_are_a_side_of_their_own(df):
    gaps = df.assign(x=df["x"].mask(np.arange(600) % 7 == 0), plan=df["plan"].mask(np.arange(600) % 11 == 0))
    found = ps.fit_propensity(gaps, **ROLES, score_model=BOOSTING)
    assert np.isfinite(found.scores).all()
    assert np.isfinite(found.predict(gaps.head(30))).all()
    assert np.isfinite(ps.fit_propensity(gaps, **ROLES, score_model=FOREST).scores).all()
    both = {"score_model": BOOSTING, "outcome_model": BOOSTING}
    assert np.isfinite(ps.aipw(gaps, outcome="y", **ROLES, **both).std_error)


@pytest.mark.parametrize(("outcome", "loss"), [("y", "squared"), ("yes", "logistic"), ("count", "poisson")])
def test_boosted_outcomes_make_aipw_by_hand(df, outcome, loss):
    rng = np.random.default_rng(0)
    users = df.assign(yes=(df["y"] > 1).astype(int), count=rng.poisson(np.exp(0.3 * df["x"])))
    effect = ps.aipw(users, outcome=outcome, **ROLES, score_model=BOOSTING, outcome_model=BOOSTING)
    scores = ps.fit_propensity(users, **ROLES, score_model=BOOSTING)
    own, t, y = scores.order, users["t"].to_numpy() == 1, users[outcome].to_numpy(float)
    columns = inputs(users)
    found = core.boosted_outcomes(
        columns["covariates"][own],
        y[own],
        t[own],
        scores.folds[0][own],
        factors=columns["factors"][own],
        loss=loss,
        max_trees=60,
    )
    e = scores.scores.to_numpy()[own]
    m1, m0, t, y = found.treated, found.control, t[own], y[own]
    effects = m1 - m0 + t * (y - m1) / e - (1 - t) * (y - m0) / (1 - e)
    assert effect.estimate == pytest.approx(effects.mean(), rel=1e-10)
    assert effect.std_error == pytest.approx(effects.std() / np.sqrt(600), rel=1e-10)


def test_outcome_that_is_the_same_in_an_arm_is_told(df):
    never = df.assign(yes=df["t"] * (df["y"] > 1))
    with pytest.raises(InvalidInputError, match=r"column 'yes': 0 in all \d+ control rows"):
        ps.aipw(never, outcome="yes", **ROLES, score_model=BOOSTING, outcome_model=BOOSTING)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"score_model": FOREST, "n_folds": 3}, "n_folds=3: the forest .* out of bag, and has no folds"),
        ({"score_model": FOREST, "n_repeats": 2}, "n_repeats=2: the forest"),
        (
            {"score_model": FOREST, "cluster": "team"},
            "cluster: the forest .* folds keep clusters",
        ),
        ({"score_model": FOREST, "estimand": "ATT"}, "estimand: 'ATT' is for a model that is grown until"),
        ({"score_model": ps.Boosting(stop="log_loss"), "estimand": "ATT"}, "estimand: 'ATT' is for a model"),
        ({"score_model": BOOSTING, "penalty": 1.0}, "penalty: 1.0 is for the logistic score model"),
        ({"score_model": ps.Boosting}, "score_model: Boosting is a class; call it: score_model=ps.Boosting"),
    ],
)
def test_what_has_nothing_to_act_on_is_refused(df, options, message):
    with pytest.raises(InvalidInputError, match=message):
        ps.fit_propensity(df, **ROLES, **options)


def test_forest_is_no_outcome_model(df):
    with pytest.raises(InvalidInputError, match="outcome_model: Forest gives scores, out of bag"):
        ps.aipw(df, outcome="y", **ROLES, outcome_model=FOREST)


def test_folds_beside_a_forest_are_those_of_the_outcomes(df):
    options = {"score_model": FOREST, "outcome_model": BOOSTING, "n_folds": 3, "n_repeats": 2}
    effect = ps.aipw(df, outcome="y", **ROLES, **options)
    assert (
        "takes the out-of-bag scores as known; outcome models cross-fitted in 3 folds, 2 rep"
        in effect.se_method
    )
    table = ps.estimate(df, outcome="y", **ROLES, estimators=[ps.AIPW(**options)])
    assert table["estimate"].iloc[1] == effect.estimate


def test_scores_out_of_bag_go_with_outcomes_in_folds(df):
    effect = ps.aipw(df, outcome="y", **ROLES, score_model=FOREST, outcome_model=BOOSTING, n_repeats=1)
    scores = ps.fit_propensity(df, **ROLES, score_model=FOREST)
    given = ps.aipw(df, outcome="y", **ROLES, scores=scores, outcome_model=BOOSTING)
    assert (effect.estimate, effect.std_error) == (given.estimate, given.std_error)
    assert "takes the out-of-bag scores as known; outcome models cross-fitted in 5 folds" in effect.se_method
