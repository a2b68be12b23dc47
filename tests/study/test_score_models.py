"""Specifications with score models of their own: as each function gives it, and cross-fitted once for all."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import propensity as ps
from propensity.errors import InvalidInputError
from score_data import ROLES, people

pytestmark = [  # few rows, few leaves
    pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning"),
    pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning"),
]

LEAVES = {"max_depth": 3, "min_samples_leaf": 40, "random_state": 0}
MODELS = {
    "tree": DecisionTreeClassifier(**LEAVES),
    "boosting": ps.Boosting(max_trees=40),
    "forest": ps.Forest(n_trees=40, min_leaf=25),
}
OUTCOME = DecisionTreeRegressor(**LEAVES)


@pytest.fixture(scope="module")
def df() -> pd.DataFrame:
    frame = people()
    return frame.assign(x=frame["x"].round(1))  # rows that score models cannot tell apart


class Counted(ClassifierMixin, BaseEstimator):
    """The share of the treated, and how often it was fitted."""

    fits = 0

    def fit(self, _, y):
        Counted.fits += 1
        self.classes_, self.share = np.unique(y), y.mean()
        return self

    def predict_proba(self, x):
        return np.tile([1 - self.share, self.share], (len(x), 1))


@pytest.mark.parametrize("name", MODELS)
def test_estimate_gives_what_the_functions_give(df, name):
    model = MODELS[name]
    specs = [
        ps.IPW("ATE", score_model=model),
        ps.IPW("ATO", score_model=model, seed=3),
        ps.AIPW("ATT", OUTCOME, score_model=model),
        ps.NearestNeighbors("ATT", n_neighbors=2, score_model=model),
    ]
    table = ps.estimate(df, outcome="y", **ROLES, estimators=specs).table

    def scores(estimand: str, seed: int = 0) -> ps.CrossFittedScores:
        own = estimand if name == "boosting" else None
        return ps.fit_propensity(df, **ROLES, score_model=model, seed=seed, estimand=own)

    given = {"outcome": "y", "treatment": "t"}
    expected = [
        ps.ipw(df, **given, scores=scores("ATE")),
        ps.ipw(df, **given, scores=scores("ATO", seed=3), estimand="ATO"),
        ps.aipw(df, outcome="y", **ROLES, estimand="ATT", score_model=model, outcome_model=OUTCOME),
        ps.match_nn(df, treatment="t", scores=scores("ATT"), n_neighbors=2).effect("y"),
    ]
    for (label, row), effect in zip(list(table.iterrows())[1:], expected, strict=True):
        assert (row["estimate"], row["std_error"]) == (effect.estimate, effect.std_error), label


def test_one_cross_fitting_serves_all_who_ask_for_the_same(df):
    Counted.fits = 0
    learner = Counted()
    specs = [
        ps.IPW("ATE", score_model=learner),
        ps.IPW("ATT", score_model=learner),
        ps.AIPW("ATE", OUTCOME, score_model=learner),
        ps.AIPW("ATT", score_model=learner),
    ]
    ps.estimate(df, outcome="y", **ROLES, estimators=specs)
    assert Counted.fits == 5
    ps.estimate(df, outcome="y", **ROLES, estimators=[*specs[:2], ps.AIPW(score_model=learner, seed=1)])
    assert Counted.fits == 15


def test_logistic_models_are_cross_fitted_too(df):
    table = ps.estimate(
        df, outcome="y", **ROLES, estimators=[ps.AIPW(n_folds=4), ps.IPW(n_folds=4)], penalty=2.0
    ).table
    effect = ps.aipw(df, outcome="y", **ROLES, n_folds=4, penalty=2.0)
    assert table.loc["AIPW ATE (4 folds)", "estimate"] == pytest.approx(effect.estimate, rel=1e-12)
    scores = ps.fit_propensity(df, **ROLES, n_folds=4, penalty=2.0)
    weighted = ps.ipw(df, outcome="y", treatment="t", scores=scores)
    assert table.loc["IPW ATE (4 folds)", "estimate"] == pytest.approx(weighted.estimate, rel=1e-12)


def test_repeats_and_clusters_are_those_of_the_functions(df):
    spec = ps.AIPW("ATE", OUTCOME, score_model=MODELS["boosting"], n_folds=3, n_repeats=2)
    table = ps.estimate(df, outcome="y", **ROLES, estimators=[spec], cluster="team", sample_weight="w").table
    effect = ps.aipw(
        df,
        outcome="y",
        **ROLES,
        score_model=MODELS["boosting"],
        outcome_model=OUTCOME,
        n_folds=3,
        n_repeats=2,
        cluster="team",
        sample_weight="w",
    )
    assert (table["estimate"].iloc[1], table["std_error"].iloc[1]) == (effect.estimate, effect.std_error)


def test_labels_say_what_is_fitted():
    tree = DecisionTreeClassifier()
    assert ps.IPW(score_model=tree).label == "IPW ATE (DecisionTreeClassifier)"
    assert ps.IPW(score_model=ps.Forest(n_trees=50)).label == "IPW ATE (forest, 50 trees)"
    both = ps.AIPW("ATT", ps.Boosting(), score_model=tree, n_folds=10, n_repeats=2)
    assert both.label == "AIPW ATT (DecisionTreeClassifier, 10 folds, 2 repeats, boosting)"
    assert ps.NearestNeighbors(score_model=tree).label == "1-NN ATT (DecisionTreeClassifier)"
    assert repr(ps.IPW("ATT")) == "IPW(estimand='ATT')"
    words = "outcome_model=Boosting(depth=3, learning_rate=0.05, max_trees=500, min_leaf=10, stop='balance')"
    assert repr(both) == (
        f"AIPW(estimand='ATT', {words}, score_model=DecisionTreeClassifier(), n_folds=10, n_repeats=2)"
    )
    assert ps.IPW() == ps.IPW(score_model="logistic") != ps.IPW(score_model=tree)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ps.IPW(score_model="scobit"), "score_model must be one of 'logistic'"),
        (lambda: ps.IPW(score_model=OUTCOME), "score_model: a classifier is needed, with predict_proba"),
        (lambda: ps.AIPW(outcome_model=ps.Forest()), "outcome_model: Forest gives scores"),
        (lambda: ps.AIPW(outcome_model=3), "outcome_model: a model with fit and predict is needed"),
        (lambda: ps.AIPW(n_folds=1), "n_folds must be a whole number of at least 2"),
        (lambda: ps.IPW(n_repeats=3), "n_repeats=3: models that are fitted to all rows are not repeated"),
        (
            lambda: ps.NearestNeighbors(score_model=DecisionTreeClassifier),
            "DecisionTreeClassifier is a class; call it",
        ),
    ],
)
def test_specifications_refuse_what_cannot_be_fitted(make, message):
    with pytest.raises(InvalidInputError, match=message):
        make()


@pytest.mark.parametrize(
    "spec",
    [
        ps.IPW(score_model=MODELS["tree"]),
        ps.AIPW(outcome_model=OUTCOME),
        ps.AIPW(n_folds=5),
        ps.NearestNeighbors(score_model=MODELS["boosting"]),
    ],
)
def test_bootstrap_says_that_the_error_of_aipw_needs_none(df, spec):
    with pytest.raises(InvalidInputError, match=r"take aipw\(..., .*error needs no resampling") as told:
        ps.bootstrap(df, outcome="y", **ROLES, estimators=[spec, ps.IPW("ATC")])
    assert spec.label in str(told.value)
    assert "IPW ATC" not in str(told.value)


def test_penalty_has_nothing_to_act_on_among_learners_alone(df):
    specs = [ps.IPW(score_model=MODELS["tree"])]
    with pytest.raises(InvalidInputError, match="penalty: none of the estimators has a score model"):
        ps.estimate(df, outcome="y", **ROLES, estimators=specs, penalty=1.0)
    both = ps.estimate(df, outcome="y", **ROLES, estimators=[*specs, ps.IPW("ATT")], penalty=1.0).table
    alone = ps.estimate(df, outcome="y", **ROLES, estimators=[ps.IPW("ATT")], penalty=1.0).table
    assert both.loc["IPW ATT", "estimate"] == alone.loc["IPW ATT", "estimate"]


def test_model_that_is_certain_fails_alone(df):
    sure = ps.IPW(score_model=DecisionTreeClassifier())
    with pytest.warns(ps.errors.FailedEstimatorWarning, match="min_samples_leaf"):
        table = ps.estimate(df, outcome="y", **ROLES, estimators=[sure, ps.IPW("ATT")]).table
    assert np.isnan(table.loc[sure.label, "estimate"])
    assert np.isfinite(table.loc["IPW ATT", "estimate"])
