"""Scores of any classifier: each row's by models that have not seen it, and what goes in their place."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

import propensity as ps
import reference
from propensity.errors import InvalidInputError, OverlapError
from score_data import ROLES, people

CALM = GradientBoostingClassifier(max_depth=2, n_estimators=30, min_samples_leaf=20, random_state=0)


@pytest.fixture(scope="module")
def df() -> pd.DataFrame:
    return people()


def encoded() -> object:
    """A pipeline that names its columns."""
    columns = ColumnTransformer(
        [("levels", OneHotEncoder(drop="first"), ["plan"]), ("amounts", StandardScaler(), ["x", "z"])]
    )
    return make_pipeline(columns, LogisticRegression(C=0.5, tol=1e-12, max_iter=1000))


def by_hand(scores: ps.CrossFittedScores, df: pd.DataFrame, learner: object, weight: str | None = None):
    """Loop over the folds with scikit-learn alone: fit outside, predict inside."""
    found = np.full(scores.folds.shape, np.nan)
    for repeat, folds in enumerate(scores.folds):
        for fold in range(scores.n_folds):
            rows = scores.order[folds[scores.order] != fold]
            here = np.flatnonzero(folds == fold)
            options = {} if weight is None else {"logisticregression__sample_weight": df[weight].iloc[rows]}
            fitted = learner().fit(df[["x", "z", "plan"]].iloc[rows], df["t"].iloc[rows], **options)
            found[repeat, here] = fitted.predict_proba(df[["x", "z", "plan"]].iloc[here])[:, 1]
    return found


# What they are


@pytest.mark.parametrize("weight", [None, "w"])
def test_scores_are_those_of_a_loop_over_folds_by_hand(df, weight):
    found = ps.fit_propensity(df, **ROLES, score_model=encoded(), sample_weight=weight, n_repeats=2)
    expected = by_hand(found, df, encoded, weight)
    np.testing.assert_allclose(found.repeats, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.scores, expected.mean(axis=0), rtol=0, atol=1e-12)


def test_logistic_scores_out_of_fold_are_those_of_fits_by_hand(df):
    numbers = {"treatment": "t", "covariates": ["x", "z"]}
    found = ps.fit_propensity(df, **numbers, n_folds=4, seed=3)
    assert isinstance(found, ps.CrossFittedScores)
    x, t = df[["x", "z"]].to_numpy(float), df["t"].to_numpy()
    for fold in range(4):
        here = found.folds[0] == fold
        fit = reference.fit_logistic(x[~here], t[~here])
        expected = reference.expit(fit.coefficients[0] + x[here] @ fit.coefficients[1:])
        np.testing.assert_allclose(found.scores[here], expected, rtol=1e-9)


def test_log_odds_and_auc_are_those_of_the_scores(df):
    found = ps.fit_propensity(df, **ROLES, score_model=CALM)
    np.testing.assert_allclose(reference.expit(found.log_odds), found.scores, rtol=1e-12)
    assert found.log_odds.index.equals(df.index)
    assert found.auc == pytest.approx(roc_auc_score(df["t"], found.scores), rel=1e-12)
    weighted = ps.fit_propensity(df, **ROLES, score_model=CALM, sample_weight="w")
    expected = roc_auc_score(df["t"], weighted.scores, sample_weight=df["w"])
    assert weighted.auc == pytest.approx(expected, rel=1e-12)


def test_result_says_what_was_done(df):
    learner = make_pipeline(StandardScaler(), KNeighborsClassifier(50))
    found = ps.fit_propensity(df, **ROLES, score_model=learner, n_folds=3, n_repeats=2, seed=4)
    assert (found.treatment, found.covariates) == ("t", ("x", "z", "plan"))
    assert (found.n_folds, found.n_repeats, found.seed) == (3, 2, 4)
    assert found.path is None
    assert found.n_trees is None
    assert found.scores.name == "propensity"
    for word in ["Pipeline of KNeighborsClassifier", "out of fold, 3 folds, 2 repeats, seed 4", "600 rows"]:
        assert word in repr(found)
    table, own = found.summary(), found.scores[df["t"] == 1]
    assert table.loc["treated", "n"] == df["t"].sum()
    expected = [own.mean(), own.min(), *np.quantile(own, [0.05, 0.5, 0.95]), own.max()]
    np.testing.assert_allclose(table.loc["treated"].to_numpy(float)[1:], expected, rtol=1e-12)


def test_new_rows_get_the_mean_of_all_models(df):
    found = ps.fit_propensity(df, **ROLES, score_model=encoded(), n_folds=3)
    new = people(50, seed=9)
    columns = ["x", "z", "plan"]
    models = []
    for fold in range(3):
        rows = found.order[found.folds[0][found.order] != fold]
        models.append(encoded().fit(df[columns].iloc[rows], df["t"].iloc[rows]))
    expected = np.mean([model.predict_proba(new[columns])[:, 1] for model in models], axis=0)
    for again in (found, pickle.loads(pickle.dumps(found))):
        np.testing.assert_allclose(again.predict(new), expected, rtol=0, atol=1e-12)
    assert found.predict(new).index.equals(new.index)
    assert isinstance(found.predict(pl.from_pandas(new)), pl.Series)


def test_learner_stays_as_it_was(df):
    forest = RandomForestClassifier(20, min_samples_leaf=20)
    ps.fit_propensity(df, **ROLES, score_model=forest)
    assert not hasattr(forest, "estimators_")
    assert forest.random_state is None


# Folds


def test_folds_hold_like_shares_of_both_arms_and_others_in_each_repeat(df):
    found = ps.fit_propensity(df, **ROLES, score_model=CALM, n_repeats=3)
    for folds in found.folds:
        for arm in (0, 1):
            sizes = np.bincount(folds[df["t"] == arm])
            assert sizes.max() - sizes.min() <= 1
    assert not np.array_equal(found.folds[0], found.folds[1])
    alone = ps.fit_propensity(df, **ROLES, score_model=CALM)
    np.testing.assert_array_equal(found.folds[0], alone.folds[0])


def test_folds_keep_clusters_whole(df):
    found = ps.fit_propensity(df, **ROLES, score_model=CALM, cluster="team", n_repeats=2)
    for folds in found.folds:
        assert pd.Series(folds).groupby(df["team"].to_numpy()).nunique().max() == 1


@pytest.mark.parametrize("learner", [CALM, encoded(), RandomForestClassifier(20, min_samples_leaf=20)])
def test_order_of_rows_and_library_do_not_matter(df, learner):
    roles = ROLES | {"score_model": learner}
    expected = ps.fit_propensity(df, **roles).scores
    shuffled = ps.fit_propensity(df.sample(frac=1, random_state=2), **roles).scores
    np.testing.assert_allclose(shuffled.loc[df.index], expected, rtol=1e-12)
    for other in (pl.from_pandas(df), pa.Table.from_pandas(df, preserve_index=False)):
        np.testing.assert_allclose(np.asarray(ps.fit_propensity(other, **roles).scores), expected, rtol=1e-12)


def test_rows_that_the_model_cannot_tell_apart_are_told_apart_by_what_else_they_hold(df):
    roles = {"treatment": "t", "covariates": ["z", "plan"], "score_model": CALM}
    expected = ps.fit_propensity(df, **roles)
    assert df.duplicated(["z", "plan", "t"]).any()
    bare = df.sample(frac=1, random_state=5).reset_index(names="user")
    again = ps.fit_propensity(bare.drop(columns="user"), **roles)
    folds = pd.Series(again.folds[0], index=bare["user"]).loc[df.index]
    np.testing.assert_array_equal(folds, expected.folds[0])


@pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning")
def test_rows_of_weight_0_are_not_there(df):
    gone = np.arange(len(df)) % 4 == 0
    wild = df.assign(
        x=df["x"].mask(gone, 99.0), plan=df["plan"].mask(gone, "gone"), w=df["w"].mask(gone, 0.0)
    )
    roles = ROLES | {"score_model": encoded(), "sample_weight": "w"}
    found, expected = ps.fit_propensity(wild, **roles), ps.fit_propensity(wild[~gone], **roles)
    np.testing.assert_allclose(found.scores[~gone], expected.scores, rtol=1e-12)
    assert found.scores[gone].isna().all()  # of a level that no model has seen nothing is said
    assert (found.folds[0][gone] == -1).all()
    effects = [
        ps.ipw(frame, outcome="y", treatment="t", scores=scores, sample_weight="w")
        for frame, scores in ((wild, found), (wild[~gone], expected))
    ]
    assert effects[0].estimate == pytest.approx(effects[1].estimate, rel=1e-12)
    known = df.assign(w=wild["w"])
    scored = ps.fit_propensity(known, **roles)
    np.testing.assert_allclose(scored.scores[gone], scored.predict(known[gone]), rtol=1e-12)


def test_seed_settles_what_is_drawn(df):
    forest = RandomForestClassifier(20, min_samples_leaf=20)

    def scores(seed: object) -> pd.Series:
        return ps.fit_propensity(df, **ROLES, score_model=forest, seed=seed).scores

    assert scores(1).equals(scores(1))
    assert not scores(1).equals(scores(2))
    assert scores(np.random.default_rng(5)).equals(scores(np.random.default_rng(5)))


# What is asked for


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"score_model": "scobit"},
            "score_model must be one of 'logistic', 'probit', 'cloglog', not 'scobit'",
        ),
        ({"score_model": KNeighborsClassifier}, "score_model: KNeighborsClassifier is a class; call it"),
        ({"score_model": 3}, "score_model: a model with fit and predict is needed"),
        ({"score_model": StandardScaler()}, "score_model: a model with fit and predict is needed"),
        ({"score_model": CALM, "penalty": 1.0}, r"penalty: 1.0 is for the logistic score model"),
        ({"score_model": CALM, "n_folds": 1}, "n_folds must be a whole number of at least 2"),
        ({"score_model": CALM, "n_folds": 500}, r"n_folds: 500 folds of \d+ treated rows; take at most"),
        ({"score_model": CALM, "n_repeats": 0}, "n_repeats must be a whole number of at least 1"),
        ({"score_model": CALM, "seed": -1}, "seed must be a whole number of at least 0"),
        ({"score_model": CALM, "estimand": "ATT"}, "estimand: 'ATT' is for a model that is grown until"),
        ({"score_model": CALM, "estimand": "all"}, "estimand must be one of"),
        ({"n_repeats": 2}, "n_repeats=2: the logistic model is fitted to all rows"),
        ({"cluster": "team"}, "cluster: the logistic model is fitted to all rows"),
        ({"estimand": "ATT"}, "estimand='ATT': the logistic model is fitted to all rows"),
    ],
)
def test_what_has_nothing_to_act_on_is_refused(df, options, message):
    with pytest.raises(InvalidInputError, match=message):
        ps.fit_propensity(df, **ROLES, **options)


def test_fitted_model_is_sent_where_it_belongs(df):
    model = ps.fit_propensity(df, **ROLES)
    with pytest.raises(InvalidInputError, match=r"not PropensityModel, which is fitted; .* scores=model"):
        ps.fit_propensity(df, **ROLES, score_model=model)


@pytest.mark.parametrize(
    ("learner", "remedy"),
    [
        (RandomForestClassifier(20), "min_samples_leaf=50"),
        (make_pipeline(OneHotEncoder(handle_unknown="ignore"), DecisionTreeClassifier()), "min_samples_leaf"),
        (GradientBoostingClassifier(n_estimators=300, learning_rate=1.0), "max_depth=3, learning_rate=0.05"),
        (KNeighborsClassifier(2), "n_neighbors=100"),
        (GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1, 2]}), "n_neighbors=100"),
    ],
)
def test_model_that_is_certain_is_told_what_keeps_it_from_it(df, learner, remedy):
    sure = df.assign(x=df["x"] * 30, t=(df["x"] > 0).astype(int))
    sure.iloc[::25, sure.columns.get_loc("t")] ^= 1
    with pytest.raises(OverlapError, match=r"cross-fitted scores: \d+ scores \(rows user \d+") as told:
        ps.fit_propensity(sure, **ROLES, score_model=learner)
    assert remedy in str(told.value)
    assert "CalibratedClassifierCV" in str(told.value)
    assert "drop" not in str(told.value)


def test_foretold_rows_of_the_logistic_model_are_named(df):
    df = df.assign(keen=df["t"])
    with pytest.raises(ps.errors.SeparationError, match="rows with keen == "):
        ps.fit_propensity(df, treatment="t", covariates=["x", "keen"], n_folds=3)


def test_model_needs_a_column(df):
    with pytest.raises(InvalidInputError, match=r"covariates: no column has a term, and .*, needs one"):
        ps.fit_propensity(df, treatment="t", covariates="1", score_model=CALM)


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")
@pytest.mark.parametrize(
    "call",
    [
        lambda df, model, scores: ps.ipw(df, outcome="y", treatment="t", scores=scores),
        lambda df, model, scores: ps.balancing_weights(df, treatment="t", scores=scores),
        lambda df, model, scores: ps.match_nn(df, treatment="t", scores=scores),
        lambda df, model, scores: ps.aipw(df, outcome="y", **ROLES, score_model=model),
        lambda df, model, scores: ps.estimate(
            df, outcome="y", **ROLES, estimators=[ps.IPW(score_model=model)]
        ),
    ],
)
def test_scores_of_class_weights_cannot_be_probabilities(df, call):
    few = pd.concat([df[df["t"] == 0], df[df["t"] == 1].head(60)])
    balanced = DecisionTreeClassifier(
        max_depth=2, min_samples_leaf=100, class_weight="balanced", random_state=0
    )
    scores = ps.fit_propensity(few, **ROLES, score_model=balanced)
    with pytest.warns(ps.errors.CalibrationWarning, match="without class weights"):
        call(few, balanced, scores)


# Where they go


@pytest.fixture(scope="module")
def scored(df):
    return ps.fit_propensity(df, **ROLES, score_model=CALM)


GOES = {
    "ipw": lambda df, scores: ps.ipw(df, outcome="y", treatment="t", scores=scores),
    "balancing_weights": lambda df, scores: ps.balancing_weights(df, treatment="t", scores=scores),
    "match_nn": lambda df, scores: ps.match_nn(df, treatment="t", scores=scores),
    "match_full": lambda df, scores: ps.match_full(df, treatment="t", scores=scores),
    "subclassify": lambda df, scores: ps.subclassify(df, treatment="t", scores=scores),
    "trim": lambda df, scores: ps.trim(df, treatment="t", scores=scores, bounds="crump"),
    "overlap": lambda df, scores: ps.overlap(df, treatment="t", scores=scores),
    "balance": lambda df, scores: ps.balance(df, treatment="t", covariates=["x"], scores=scores),
    "overlap_plot": lambda df, scores: ps.plots.overlap_plot(df, scores, "t"),
    "aipw": lambda df, scores: ps.aipw(
        df, outcome="y", treatment="t", covariates=["x"], scores=scores, outcome_model=Ridge()
    ),
}


def numbers(result: object) -> np.ndarray:
    """What a result holds, in numbers."""
    if isinstance(result, ps.Effect):
        return np.array([result.estimate, result.std_error])
    held = getattr(result, "weights", getattr(result, "keep", result))
    if isinstance(result, ps.Overlap):
        held = result.to_frame().to_numpy(float)
    return np.asarray(held, dtype=float)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["ipw", "balancing_weights", "trim", "overlap", "balance"])
def test_scores_weigh_as_the_numbers_do(df, scored, name):
    given, plain = (GOES[name](df, scores) for scores in (scored, scored.scores))
    np.testing.assert_allclose(numbers(given), numbers(plain), rtol=1e-12)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["match_nn", "match_full", "subclassify"])
def test_scores_match_as_the_numbers_do(df, scored, name):
    effects = [GOES[name](df, scores).effect(df["y"]) for scores in (scored, scored.scores)]
    assert effects[0].estimate == pytest.approx(effects[1].estimate, rel=1e-12)
    assert effects[0].std_error == pytest.approx(effects[1].std_error, rel=1e-12)
    assert "known" in effects[0].se_method or "given" in effects[0].se_method


@pytest.mark.filterwarnings("ignore::UserWarning")  # few trees
def test_error_says_that_it_takes_them_as_known(df, scored):
    effect = GOES["ipw"](df, scored)
    assert effect.se_method == "estimating equations of the two means; takes the out-of-fold scores as known"


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", GOES)
def test_rows_are_compared_wherever_they_go(df, scored, name):
    GOES[name](df, scored)
    others = df.assign(x=df["x"] + 1.0)
    with pytest.raises(InvalidInputError, match="column 'x' has changed since the model was fitted"):
        GOES[name](others, scored)
    with pytest.raises(InvalidInputError, match="fit it again, to the rows kept"):
        GOES[name](df[df["x"] > 0], scored)


def test_outcome_among_the_covariates_is_refused(df):
    scores = ps.fit_propensity(df, treatment="t", covariates=["x", "y"], score_model=CALM)
    with pytest.raises(InvalidInputError, match="'y' is the outcome, and a covariate of the model"):
        ps.ipw(df, outcome="y", treatment="t", scores=scores)


def test_sample_weights_have_to_be_the_same(df):
    scores = ps.fit_propensity(df, **ROLES, score_model=CALM, sample_weight="w")
    with pytest.raises(
        InvalidInputError, match="the model was fitted with sample weights, and none are given"
    ):
        ps.ipw(df, outcome="y", treatment="t", scores=scores)


def test_imbalance_is_looked_for_in_the_covariates(df):
    blind = ps.fit_propensity(df, treatment="t", covariates=["x", "z"], score_model=KNeighborsClassifier(200))
    with pytest.warns(ps.errors.BalanceWarning, match=r"still differ .* in .*x"):
        ps.ipw(df, outcome="y", treatment="t", scores=blind)


@pytest.mark.filterwarnings("ignore::UserWarning")  # few trees
def test_effect_gives_back_the_scores(df, scored):
    effect = GOES["ipw"](df, scored)
    pd.testing.assert_series_equal(effect.scores, scored.scores)
    model = ps.fit_propensity(df, **ROLES)
    pd.testing.assert_series_equal(
        ps.ipw(df, outcome="y", treatment="t", scores=model).scores, model.scores, rtol=1e-12
    )
    pd.testing.assert_series_equal(ps.aipw(df, outcome="y", **ROLES).scores, model.scores, rtol=1e-12)
    assert ps.regression_adjustment(df, outcome="y", **ROLES).scores is None
    matched = ps.match_nn(df, treatment="t", scores=scored, caliper=0.2, order="largest").effect("y")
    pd.testing.assert_series_equal(matched.scores, scored.scores)
