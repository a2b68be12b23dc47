"""The estimators with an outcome model: what must always hold, cross-fitting, learners, mistakes."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import propensity as ps
import reference
from propensity.errors import (
    CollinearityWarning,
    InvalidInputError,
    OverlapError,
    SeparationError,
    SeparationWarning,
)
from propensity.scores.folds import assign_folds

METHODS = {"aipw": ps.aipw, "ipwra": ps.ipwra, "regression": ps.regression_adjustment}
DESIGN = {"outcome": "done", "treatment": "opted", "covariates": ["tier", "visits"]}
OTHER_SIDE = {"ATE": "ATE", "ATT": "ATC", "ATC": "ATT"}


@pytest.fixture
def members():
    """800 rows for cross-fitting: numeric covariates, an outcome, a 0/1 outcome, weights, 60 teams."""
    rng = np.random.default_rng(21)
    n = 800
    df = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n)})
    df["t"] = rng.random(n) < reference.expit(0.7 * df["a"] - 0.3)
    df["y"] = df["t"] * 1.5 + np.sin(2 * df["a"]) + df["b"] + rng.normal(size=n)
    df["z"] = (df["y"] > 1).astype(int)
    df["w"] = rng.uniform(0.5, 2, n)
    df["team"] = rng.integers(60, size=n)
    return df


# What must always hold


@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
@pytest.mark.parametrize("method", METHODS)
def test_a_constant_added_to_the_outcome_changes_nothing(users, method, estimand):
    plain = METHODS[method](users, **DESIGN, estimand=estimand)
    moved = METHODS[method](users.assign(done=users["done"] + 1000), **DESIGN, estimand=estimand)
    assert moved.estimate == pytest.approx(plain.estimate, abs=1e-9)
    assert moved.std_error == pytest.approx(plain.std_error, rel=1e-8)
    assert moved.mean_control == pytest.approx(plain.mean_control + 1000, rel=1e-12)


@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
@pytest.mark.parametrize("method", METHODS)
def test_arms_swapped_flip_the_sign(users, method, estimand):
    plain = METHODS[method](users, **DESIGN, estimand=estimand)
    swapped = METHODS[method](users.assign(opted=~users["opted"]), **DESIGN, estimand=OTHER_SIDE[estimand])
    assert swapped.estimate == pytest.approx(-plain.estimate, rel=1e-9)
    assert swapped.std_error == pytest.approx(plain.std_error, rel=1e-8)
    assert swapped.ess_treated == pytest.approx(plain.ess_control, rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_order_of_the_rows_and_library_do_not_matter(users, method):
    plain = METHODS[method](users, **DESIGN)
    for other in (users[::-1], pl.from_pandas(users)):
        assert METHODS[method](other, **DESIGN).estimate == pytest.approx(plain.estimate, rel=1e-10)


@pytest.mark.filterwarnings("ignore::propensity.errors.DegenerateWarning")
@pytest.mark.parametrize("method", METHODS)
def test_outcome_that_the_model_explains_is_told_exactly(users, method):
    effect = METHODS[method](users.assign(done=3.0 * users["opted"] + 2.0 * users["visits"]), **DESIGN)
    assert effect.estimate == pytest.approx(3.0, rel=1e-10)
    assert effect.std_error == pytest.approx(0, abs=1e-9)


def test_regression_adjustment_takes_the_outcome_models_covariates(users):
    plain = ps.regression_adjustment(users, **DESIGN | {"covariates": ["tenure"]})
    other = ps.regression_adjustment(users, **DESIGN, outcome_covariates=["tenure"])
    assert plain.estimate == other.estimate
    assert plain.std_error == other.std_error


def test_weights_are_those_of_the_scores(users):
    model = ps.fit_propensity(users, treatment="opted", covariates=DESIGN["covariates"])
    weights = ps.balancing_weights(users, treatment="opted", scores=model, estimand="ATC")
    for method in (ps.aipw, ps.ipwra):
        effect = method(users, **DESIGN, estimand="ATC")
        pd.testing.assert_series_equal(effect.weights, weights, rtol=1e-10)


# Cross-fitting


def by_content(members, *columns):
    """The rows by what they hold, the first of the columns first: folds are dealt in this order."""
    return np.lexsort([members[name] for name in reversed(columns)])


def slow_cross_fitting(df, *, estimand, folds, score, outcome, weight=None, y="y"):
    """Loop over the folds: fit to the others, predict here; then AIPW's terms, row by row."""
    x, t, y = df[["a", "b"]].to_numpy(), df["t"].to_numpy(), df[y].to_numpy(dtype=float)
    s = np.ones(len(df)) if weight is None else df[weight].to_numpy()
    e, m1, m0 = np.empty(len(df)), np.empty(len(df)), np.empty(len(df))
    for fold in np.unique(folds):
        here, there = folds == fold, folds != fold
        e[here] = score(x[there], t[there], s[there], x[here])
        m1[here] = outcome(x[there & t], y[there & t], s[there & t], x[here])
        m0[here] = outcome(x[there & ~t], y[there & ~t], s[there & ~t], x[here])
    g = {"ATE": np.ones(len(df)), "ATT": 1.0 * t, "ATC": 1.0 - t}[estimand]
    h = reference.tilt(e, estimand)
    effects, total = np.empty(len(df)), (s * g).sum()
    for i in range(len(df)):
        residual = h[i] / e[i] * (y[i] - m1[i]) if t[i] else -h[i] / (1 - e[i]) * (y[i] - m0[i])
        effects[i] = s[i] * (g[i] * (m1[i] - m0[i]) + residual)
    estimate = effects.sum() / total
    influence = len(df) * (effects - s * g * estimate) / total
    return estimate, np.sqrt((influence**2).sum()) / len(df)


def by_logit(x, t, s, new):
    fit = reference.fit_logistic(x, t, sample_weight=s)
    return reference.expit(fit.coefficients[0] + new @ fit.coefficients[1:])


def by_least_squares(x, y, s, new):
    return LinearRegression().fit(x, y, sample_weight=s).predict(new)


def assert_is(effect, twin):
    assert (effect.estimate, effect.std_error) == pytest.approx(twin, rel=1e-8)


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # not the question here
@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
def test_cross_fitted_aipw_is_the_slow_twin(members, estimand, weight):
    effect = ps.aipw(
        members,
        outcome="y",
        treatment="t",
        covariates=["a", "b"],
        estimand=estimand,
        n_folds=4,
        seed=9,
        sample_weight=weight,
    )
    folds = assign_folds(members["t"].to_numpy(), None, 4, 9, by_content(members, "a", "b", "w", "y"))
    twin = slow_cross_fitting(
        members, estimand=estimand, folds=folds, score=by_logit, outcome=by_least_squares, weight=weight
    )
    assert_is(effect, twin)
    assert "cross-fitted in 4 folds, seed 9" in effect.se_method


def test_cross_fitting_with_learners_is_the_slow_twin(members):
    tree, forest = DecisionTreeRegressor(max_depth=3, random_state=0), LogisticRegression(C=0.1)
    effect = ps.aipw(
        members, outcome="y", treatment="t", covariates=["a", "b"], outcome_model=tree, score_model=forest
    )
    twin = slow_cross_fitting(
        members,
        estimand="ATE",
        folds=assign_folds(members["t"].to_numpy(), None, 5, 0, by_content(members, "a", "b", "y")),
        score=lambda x, t, _, new: LogisticRegression(C=0.1).fit(x, t).predict_proba(new)[:, 1],
        outcome=lambda x, y, _, new: (
            DecisionTreeRegressor(max_depth=3, random_state=0).fit(x, y).predict(new)
        ),
    )
    assert_is(effect, twin)
    assert not hasattr(tree, "tree_")  # the caller's own model stays unfitted


def test_classifier_predicts_the_probability_of_an_outcome(members):
    classifier = DecisionTreeClassifier(max_depth=2, random_state=0)
    effect = ps.aipw(
        members, outcome="z", treatment="t", covariates=["a", "b"], outcome_model=classifier, n_folds=3
    )
    twin = slow_cross_fitting(
        members,
        estimand="ATE",
        folds=assign_folds(members["t"].to_numpy(), None, 3, 0, by_content(members, "a", "b", "z")),
        score=by_logit,
        outcome=lambda x, y, _, new: (
            DecisionTreeClassifier(max_depth=2, random_state=0).fit(x, y).predict_proba(new)[:, 1]
        ),
        y="z",
    )
    assert_is(effect, twin)


@pytest.mark.filterwarnings("ignore::propensity.errors.DegenerateWarning")
def test_classifier_that_saw_no_one_predicts_zero(members):
    members["never"] = 0
    effect = ps.aipw(
        members,
        outcome="never",
        treatment="t",
        covariates=["a"],
        outcome_model=DecisionTreeClassifier(),
    )
    assert effect.estimate == effect.std_error == 0


@pytest.mark.parametrize("weight", [None, "w"])
def test_logistic_outcome_models_are_cross_fitted_too(members, weight):
    effect = ps.aipw(
        members,
        outcome="z",
        treatment="t",
        covariates=["a", "b"],
        outcome_model="logistic",
        n_folds=3,
        sample_weight=weight,
    )
    beside = ("z",) if weight is None else ("w", "z")
    order = by_content(members, "a", "b", *beside)
    folds = assign_folds(members["t"].to_numpy(), None, 3, 0, order)
    twin = slow_cross_fitting(
        members, estimand="ATE", folds=folds, score=by_logit, outcome=by_logit, weight=weight, y="z"
    )
    assert_is(effect, twin)


class Mean:
    """A model that is not scikit-learn's: predicts the mean."""

    def fit(self, _, y):
        self.mean = y.mean()

    def predict(self, x):
        return np.full(len(x), self.mean)


def test_any_object_with_fit_and_predict_will_do(members):
    effect = ps.aipw(members, outcome="y", treatment="t", covariates=["a", "b"], outcome_model=Mean())
    dummy = ps.aipw(
        members, outcome="y", treatment="t", covariates=["a", "b"], outcome_model=Ridge(alpha=1e12)
    )
    assert effect.estimate == pytest.approx(dummy.estimate, rel=1e-6)


def test_cross_fitted_effect_is_near_the_stacked_one(logs):
    roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    covariates = ["engagement_tier", "query_confidence"]
    stacked = ps.aipw(logs, **roles, covariates=covariates)
    crossed = ps.aipw(logs, **roles, covariates=covariates, n_folds=5)
    assert abs(crossed.estimate - stacked.estimate) < 0.02 * stacked.std_error
    assert crossed.std_error == pytest.approx(stacked.std_error, rel=1e-3)


def test_seed_settles_the_folds(members):
    def run(seed):
        return ps.aipw(members, outcome="y", treatment="t", covariates=["a"], n_folds=2, seed=seed).estimate

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_folds_belong_to_what_rows_hold(members):
    forest = RandomForestRegressor(n_estimators=5, random_state=0)

    def run(frame, **options):
        return ps.aipw(frame, outcome="y", treatment="t", covariates=["a", "b"], n_folds=3, **options)

    for options in ({}, {"outcome_model": forest}, {"sample_weight": "w"}):
        moved = members.sample(frac=1, random_state=4).reset_index(drop=True)
        assert run(moved, **options).estimate == pytest.approx(run(members, **options).estimate, rel=1e-10)


def test_rows_of_weight_0_are_in_no_fold(members):
    forest = RandomForestRegressor(n_estimators=5, random_state=0)
    members["w"] = members["w"].mask(members.index % 4 == 0, 0.0)
    wild = members.assign(a=members["a"].mask(members["w"] == 0, 99.0))
    design = {"outcome": "y", "treatment": "t", "covariates": ["a", "b"], "sample_weight": "w"}
    for model in ("linear", forest):
        effects = [
            ps.aipw(frame, **design, outcome_model=model, n_folds=3) for frame in (wild, wild[wild["w"] > 0])
        ]
        assert effects[0].estimate == pytest.approx(effects[1].estimate, rel=1e-10)
        assert effects[0].std_error == pytest.approx(effects[1].std_error, rel=1e-10)


def test_folds_hang_on_the_rows_of_clusters_and_not_on_what_these_are_called(members):
    rng = np.random.default_rng(3)
    called = rng.permutation(60)[members["team"]]
    levels = pd.Categorical.from_codes(called, [f"team {k}" for k in rng.permutation(60)])
    design = {"outcome": "y", "treatment": "t", "covariates": ["a"], "n_folds": 5, "cluster": "team"}
    expected = ps.aipw(members, **design).estimate
    for team in (called, levels):
        other = members.assign(team=team).sample(frac=1, random_state=0)
        assert ps.aipw(other, **design).estimate == pytest.approx(expected, rel=1e-10)
    # Rows of weight 0 are not there, whatever cluster they are in.
    gone = members.iloc[:50].assign(w=0.0, team=np.arange(50))
    both = pd.concat([gone, members.assign(w=1.0)], ignore_index=True)
    found = ps.aipw(both, **design, sample_weight="w").estimate
    assert found == pytest.approx(ps.aipw(members.assign(w=1.0), **design, sample_weight="w").estimate)


def test_folds_hold_like_shares_of_each_arm(members):
    treated = members["t"].to_numpy()
    folds = assign_folds(treated, None, 7, 0, np.arange(len(treated)))
    for arm in (treated, ~treated):
        sizes = np.bincount(folds[arm], minlength=7)
        assert sizes.max() - sizes.min() <= 1


def test_folds_keep_clusters_whole(members):
    clusters = members["team"].to_numpy()
    folds = assign_folds(members["t"].to_numpy(), clusters, 5, 0, np.arange(len(members)))
    assert members.groupby(clusters).size().gt(1).any()
    assert pd.Series(folds).groupby(clusters).nunique().max() == 1
    effect = ps.aipw(members, outcome="y", treatment="t", covariates=["a"], n_folds=5, cluster="team")
    assert "60 clusters" in effect.se_method


def test_arm_within_one_cluster_is_refused(members):
    # The sums within clusters are then zero for its mean, and its standard error with them.
    for arm, own in {"treated": members["t"], "control": ~members["t"]}.items():
        members["team"] = np.where(own, 0, np.arange(len(members)) % 60 + 1)
        for options in ({}, {"n_folds": 3}):
            with pytest.raises(InvalidInputError, match=f"every {arm} row is in one cluster"):
                ps.aipw(members, outcome="y", treatment="t", covariates=["a"], cluster="team", **options)


def test_arm_within_one_fold_cannot_be_cross_fitted(members):
    members["team"] = np.where(members["t"], members.index % 2, members["team"] + 2)
    options = {"outcome": "y", "treatment": "t", "covariates": ["a"], "n_folds": 2, "cluster": "team"}

    def run():
        return [ps.aipw(members, **options, seed=seed) for seed in range(20)]

    # In half of the seeds the two clusters of the treated share a fold.
    with pytest.raises(InvalidInputError, match="one fold holds every treated row"):
        run()


# Mistakes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_folds": 1}, "n_folds must be a whole number of at least 2"),
        ({"n_folds": 100}, r"n_folds: 100 folds of \d+ treated rows; take at most"),
        ({"n_folds": 5, "seed": -1}, "seed must be a whole number of at least 0"),
        ({"outcome_model": "probit"}, "outcome_model must be one of .*, not .probit."),
        ({"outcome_model": LinearRegression}, "outcome_model: LinearRegression is a class; call it"),
        ({"outcome_model": 3}, "outcome_model: a model with fit and predict is needed"),
        ({"score_model": LinearRegression()}, "score_model: a classifier is needed"),
        ({"outcome_model": DecisionTreeClassifier()}, "is a classifier, and column 'done' is not 0/1"),
        ({"outcome_model": "logistic", "n_folds": 2}, "values below 0 or above 1, where a logistic model"),
        ({"estimand": "ATO"}, "estimand must be one of 'ATE', 'ATT', 'ATC'"),
        ({"penalty": -1}, "penalty must be a finite number"),
        ({"contrast": "log"}, "contrast must be one of"),
    ],
)
def test_unusable_options_are_explained(users, options, message):
    with pytest.raises(InvalidInputError, match=message):
        ps.aipw(users, **DESIGN, **options)


def test_logistic_model_of_a_count_is_refused(users):
    with pytest.raises(InvalidInputError, match="outcome"):
        ps.aipw(users, **DESIGN, outcome_model="logistic")


def test_scores_of_zero_or_one_are_refused(members):
    certain = DummyClassifier(strategy="constant", constant=True)
    with pytest.raises(OverlapError, match="cross-fitted scores: 800 scores"):
        ps.aipw(members, outcome="y", treatment="t", covariates=["a"], score_model=certain)


def test_regression_adjustment_refuses_a_penalty(users):
    with pytest.raises(InvalidInputError, match="penalty: regression adjustment has no score model"):
        ps.regression_adjustment(users, **DESIGN, penalty=1.0)


def test_separation_names_the_model_and_the_term(users):
    users["keen"] = users["opted"].astype(int)
    for n_folds in (None, 3):
        with pytest.raises(SeparationError, match=r"rows with keen == [01] are all"):
            ps.aipw(users, **DESIGN | {"covariates": ["visits", "keen"]}, n_folds=n_folds)
    users["often"] = (users["visits"] > 3).astype(int)
    for method in (ps.aipw, ps.regression_adjustment):
        with pytest.raises(
            SeparationError, match=r"outcome model, term .*'visits'.*outcome_model=\"linear\""
        ):
            method(users, outcome="often", treatment="opted", covariates=["visits"], outcome_model="logistic")
    with pytest.raises(SeparationError, match=r"outcome model, term .*'visits'"):
        ps.aipw(users, **DESIGN | {"outcome": "often"}, outcome_model="logistic", n_folds=3)


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # few rows, made up
@pytest.mark.parametrize("estimator", [ps.aipw, ps.ipwra])
def test_terms_that_the_score_model_cannot_use_are_named(estimator):
    rng = np.random.default_rng(0)
    df = pd.DataFrame({"opted": np.arange(200) % 2 == 0, "visits": rng.normal(size=200)})
    df["twice"], df["done"] = 2 * df["visits"], rng.normal(size=200)
    roles = {"outcome": "done", "treatment": "opted"}
    with pytest.warns(CollinearityWarning, match="twice"):
        estimator(df, **roles, covariates=["visits", "twice"])
    df["staff"] = np.arange(200) < 10
    df.loc[df["staff"], "opted"] = True
    with pytest.warns(SeparationWarning, match="^10 rows with staff == True are all treated"):
        estimator(df, **roles, covariates=["visits", "staff"], estimand="ATC")  # of nobody among the staff
