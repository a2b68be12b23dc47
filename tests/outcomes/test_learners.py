"""Learners: what they may be like, what they are told, and what is said of those that cannot be used."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import (
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import propensity as ps
import reference
from propensity.errors import InvalidInputError, OverlapError

ROLES = {"outcome": "y", "treatment": "t", "covariates": ["a", "day"]}

Floats = NDArray[np.float64]


@pytest.fixture
def visits() -> pd.DataFrame:
    """400 rows with a day of sixty, weights, and an outcome that `a` moves strongly."""
    rng = np.random.default_rng(0)
    df = pd.DataFrame({"a": rng.normal(size=400), "day": rng.integers(0, 60, 400)})
    df["t"] = (rng.random(400) < reference.expit(0.8 * df["a"])).astype(int)
    df["y"] = 5 * df["a"] + df["t"] + rng.normal(size=400)
    df["z"] = (df["y"] > 0).astype(int)
    df["w"] = rng.uniform(0.5, 2, 400)
    return df


class Mean:
    """The mean of what it was fitted to, in a shape or with values that a test asks for."""

    def __init__(self, shape: Callable[[Floats], object]) -> None:
        self.shape = shape

    def fit(self, x: Floats, y: Floats) -> Mean:
        self.mean = y.mean() if len(x) else np.nan
        return self

    def predict(self, x: Floats) -> object:
        return self.shape(np.full(len(x), self.mean))


@pytest.mark.parametrize("sample_weight", [None, "w"])
@pytest.mark.parametrize("unit", [1.0, 86_400e9])
@pytest.mark.parametrize("origin", [0.0, 1.7e18])
def test_cross_fitted_linear_models_do_not_see_the_units_of_a_column(visits, unit, origin, sample_weight):
    there = visits.assign(day=visits["day"] * unit + origin * (unit > 1))
    found = ps.aipw(there, **ROLES, n_folds=5, sample_weight=sample_weight)
    fitted = LinearRegression()
    expected = ps.aipw(visits, **ROLES, n_folds=5, outcome_model=fitted, sample_weight=sample_weight)
    assert found.estimate == pytest.approx(expected.estimate, rel=1e-9)
    assert found.std_error == pytest.approx(expected.std_error, rel=1e-9)


def test_predictions_in_a_single_column_are_as_good(visits):
    flat, column = (
        ps.aipw(visits, **ROLES, outcome_model=Mean(shape))
        for shape in (lambda mean: mean, lambda mean: mean[:, None])
    )
    assert column.estimate == flat.estimate
    assert column.std_error == flat.std_error


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            lambda mean: np.column_stack([mean, mean]),
            r"Mean predicts an array of shape \(\d+, 2\) for \d+ rows",
        ),
        (lambda mean: mean[:3], r"Mean predicts an array of shape \(3,\) for \d+ rows; one number"),
        (lambda mean: np.where(mean, np.nan, 0), r"400 missing or infinite values \(rows 0, .*column 'y'"),
        (lambda mean: np.where(mean, np.inf, 0), r"fitted to treated rows; every row needs a finite"),
        (lambda mean: np.full(len(mean), "high"), r"Mean predicts what is no number"),
    ],
)
def test_predictions_that_are_not_a_number_a_row_are_refused(visits, shape, message):
    with pytest.raises(InvalidInputError, match=f"^outcome_model: .*{message}"):
        ps.aipw(visits, **ROLES, outcome_model=Mean(shape))


def test_classes_without_a_column_each_are_refused(visits):
    class Shares(Mean):
        def predict_proba(self, x: Floats) -> object:
            return self.predict(x)

    with pytest.raises(
        InvalidInputError, match=r"^score_model: Shares.predict_proba gives an array of shape"
    ):
        ps.aipw(visits, **ROLES, score_model=Shares(lambda mean: mean))


def test_pipeline_gives_the_sample_weights_to_its_last_step(visits):
    scaled = make_pipeline(StandardScaler(), LinearRegression())
    found = ps.aipw(visits, **ROLES, outcome_model=scaled, sample_weight="w")
    plain = ps.aipw(visits, **ROLES, outcome_model=LinearRegression(), sample_weight="w")
    assert found.estimate == pytest.approx(plain.estimate, rel=1e-9)


def test_search_passes_the_sample_weights_on(visits):
    search = GridSearchCV(Ridge(), {"alpha": [1.0]})
    found = ps.aipw(visits, **ROLES, outcome_model=search, sample_weight="w")
    plain = ps.aipw(visits, **ROLES, outcome_model=Ridge(alpha=1.0), sample_weight="w")
    assert found.estimate == pytest.approx(plain.estimate, rel=1e-9)


@pytest.mark.parametrize(
    "learner",
    [
        KNeighborsRegressor(),
        make_pipeline(StandardScaler(), KNeighborsRegressor()),
        Mean(lambda mean: mean),
    ],
)
def test_learner_without_sample_weights_is_refused_where_there_are_some(visits, learner):
    with pytest.raises(InvalidInputError, match=r"^outcome_model: \w+ cannot be fitted with sample weights"):
        ps.aipw(visits, **ROLES, outcome_model=learner, sample_weight="w")
    assert np.isfinite(ps.aipw(visits, **ROLES, outcome_model=learner).estimate)


def test_classifier_names_the_outcome_that_is_not_0_or_1(visits):
    classifier = DecisionTreeClassifier(max_depth=2)
    with pytest.raises(InvalidInputError, match=r"^outcome_model: DecisionTree.* and column 'y' is not 0/1"):
        ps.aipw(visits, **ROLES | {"outcome": ["z", "y"]}, outcome_model=classifier)


def test_scores_of_a_model_that_is_certain_are_not_blamed_on_the_rows(visits):
    with pytest.raises(OverlapError, match=r"400 scores .*min_samples_leaf.*CalibratedClassifierCV") as told:
        ps.aipw(visits, **ROLES, score_model=DecisionTreeClassifier())
    assert "drop" not in str(told.value)


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # forests of few trees
def test_seed_settles_what_learners_draw(visits):
    def estimate(seed: int, **models: object) -> float:
        return ps.aipw(visits, **ROLES, seed=seed, **models).estimate

    forest = RandomForestRegressor(n_estimators=5)
    for models in (
        {"outcome_model": forest},
        {"outcome_model": make_pipeline(StandardScaler(), forest)},
        {"score_model": RandomForestClassifier(n_estimators=20, min_samples_leaf=20)},
    ):
        assert estimate(0, **models) == estimate(0, **models)
        assert estimate(0, **models) != estimate(1, **models)
    assert forest.random_state is None


def test_random_state_of_a_learner_stays_its_own(visits):
    own = RandomForestRegressor(n_estimators=5, random_state=7)
    again = RandomForestRegressor(n_estimators=5, random_state=8)
    found = [ps.aipw(visits, **ROLES, outcome_model=model).estimate for model in (own, own, again)]
    assert found[0] == found[1] != found[2]


# Models made of others, which show what they can predict only once they are fitted

STACKED = [("logistic", LogisticRegression())]


@pytest.mark.parametrize(
    "make",
    [
        lambda: StackingClassifier(STACKED),
        lambda: make_pipeline(StandardScaler(), StackingClassifier(STACKED)),
    ],
)
def test_a_stack_with_the_usual_last_model_gives_scores(make: Callable[[], StackingClassifier]) -> None:
    df = small_world()
    scores = ps.fit_propensity(df, treatment="t", covariates=["a", "b"], score_model=make(), n_folds=2)
    expected = np.empty(len(df))
    for fold in (0, 1):
        here = scores.folds[0] == fold
        others = scores.order[~here[scores.order]]
        own = make().fit(df.loc[others, ["a", "b"]], df["t"][others])
        expected[here] = own.predict_proba(df.loc[here, ["a", "b"]])[:, 1]
    np.testing.assert_allclose(scores.scores, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "model",
    [
        SVC(),
        Ridge(),
        GridSearchCV(Ridge(), {"alpha": [1.0]}),
        VotingClassifier(STACKED),
        StackingClassifier(STACKED, final_estimator=SVC()),
    ],
    ids=lambda model: type(model).__name__,
)
def test_scores_are_never_of_a_model_without_probabilities(model: object) -> None:
    name = type(model).__name__
    with pytest.raises(InvalidInputError, match=f"score_model: a classifier .* and {name} has none"):
        ps.fit_propensity(small_world(), treatment="t", covariates=["a", "b"], score_model=model)


def test_stacks_are_outcome_models_too() -> None:
    df, covariates = small_world(), ["a", "b"]
    linear = ps.aipw(df, outcome="y", treatment="t", covariates=covariates, outcome_model=Ridge(1e-9))
    stacked = StackingRegressor([("ridge", Ridge(1e-9))])
    found = ps.aipw(df, outcome="y", treatment="t", covariates=covariates, outcome_model=stacked)
    assert found.estimate == pytest.approx(linear.estimate, abs=0.05)
    stack = StackingClassifier(STACKED)
    chances = ps.aipw(df, outcome="bought", treatment="t", covariates=covariates, outcome_model=stack)
    assert 0 < chances.mean_control < 1
    with pytest.raises(InvalidInputError, match="StackingClassifier is a classifier, and column 'y'"):
        ps.aipw(df, outcome="y", treatment="t", covariates=covariates, outcome_model=stack)


def small_world() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 300))
    t = (rng.random(300) < 1 / (1 + np.exp(-a))).astype(int)
    y = a + t + rng.normal(size=300)
    return pd.DataFrame({"a": a, "b": b, "t": t, "y": y, "bought": (y > 0.5).astype(int)})
