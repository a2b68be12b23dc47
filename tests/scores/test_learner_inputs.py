"""What learners are given: the columns under their names, levels and missing values, and sample weights."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import propensity as ps
from propensity.errors import InvalidInputError
from propensity.scores.learners import name_of, reads_levels
from score_data import ROLES, augmented_by_hand, people

LIBRARIES = {
    "pandas": lambda df: df,
    "polars": pl.from_pandas,
    "pyarrow": lambda df: pa.Table.from_pandas(df, preserve_index=False),
}
COLUMNS = ["x", "z", "plan"]


@pytest.fixture(scope="module")
def df() -> pd.DataFrame:
    return people().assign(flag=lambda f: f["x"] > 1.0)


class Listener(ClassifierMixin, BaseEstimator):
    """The share of the treated, and what it was given."""

    heard: list[object] = []  # noqa: RUF012 - of all copies

    def __init__(self, reads_levels: bool = False) -> None:
        self.reads_levels = reads_levels

    def fit(self, x, y, sample_weight=None):
        self.classes_ = np.unique(y)
        self.share = np.average(y, weights=sample_weight)
        Listener.heard.append((x, y, sample_weight))
        return self

    def predict_proba(self, x):
        return np.tile([1 - self.share, self.share], (len(x), 1))


def heard(frame: object, *, learner: object = None, **options: object) -> list[tuple]:
    """Fit scores with a listener, and give what its copies were given."""
    Listener.heard.clear()
    learner = Listener() if learner is None else learner
    ps.fit_propensity(frame, treatment="t", score_model=learner, **options)
    return list(Listener.heard)


@pytest.mark.parametrize("library", LIBRARIES)
def test_learner_gets_the_columns_under_their_names(df, library):
    given = heard(
        LIBRARIES[library](df), learner=Listener(reads_levels=True), covariates=["z", "plan", "flag"]
    )
    assert len(given) == 5
    for x, y, _ in given:
        assert list(x.columns) == ["z", "plan", "flag"]
        assert [x[name].dtype.kind for name in ("z", "flag")] == ["i", "b"]
        assert isinstance(x["plan"].dtype, pd.CategoricalDtype)
        assert set(x["plan"]) == {"basic", "pro", "team"}
        assert len(x) == len(y)
        assert abs(len(x) - 480) <= 2
    rows = pd.concat([x for x, *_ in given])
    for name in ("z", "plan", "flag"):  # each row is fitted to in all folds but its own
        counts = rows[name].astype(str).value_counts()
        pd.testing.assert_series_equal(counts, 4 * df[name].astype(str).value_counts(), check_names=False)


def test_learner_that_reads_no_levels_gets_a_term_for_each(df):
    for x, *_ in heard(df, covariates=COLUMNS):
        assert list(x.columns) == ["x", "z", "plan[T.pro]", "plan[T.team]"]
        assert set(np.unique(x["plan[T.pro]"])) == {0.0, 1.0}


def test_learner_gets_the_terms_of_a_formula(df):
    for x, *_ in heard(df, covariates="x + I(x**2) + plan"):
        assert list(x.columns) == ["x", "I(x ** 2)", "plan[T.pro]", "plan[T.team]"]
        np.testing.assert_allclose(x["I(x ** 2)"], x["x"] ** 2)


@pytest.mark.parametrize(
    ("learner", "reads"),
    [
        (LogisticRegression(), False),
        (make_pipeline(StandardScaler(), KNeighborsClassifier()), False),
        (HistGradientBoostingClassifier(), True),
        (HistGradientBoostingClassifier(categorical_features=None), False),
        (make_pipeline(OrdinalEncoder(), KNeighborsClassifier()), True),
        (make_pipeline(ColumnTransformer([]), KNeighborsClassifier()), True),
        (Listener(), False),
        (Listener(reads_levels=True), True),
    ],
)
def test_learners_that_read_levels_are_known(learner, reads):
    assert reads_levels(learner) == reads


def test_levels_of_numbers_are_no_amounts(df):
    # As amounts, 1 would lie between 0 and 4; as levels, it is itself.
    zones = df.assign(zone=pd.Categorical(np.where(df["plan"] == "pro", 1, df["z"] % 2 * 4)))
    x = heard(zones, covariates=["zone"])[0][0]
    assert list(x.columns) == ["zone[T.1]", "zone[T.4]"]


def test_columns_are_transformed_by_name_as_by_hand(df):
    by_name = make_pipeline(
        ColumnTransformer([("levels", OneHotEncoder(drop="first"), ["plan"])], remainder="passthrough"),
        LogisticRegression(tol=1e-10, max_iter=1000),
    )
    plain = LogisticRegression(tol=1e-10, max_iter=1000)
    found, expected = (ps.fit_propensity(df, **ROLES, score_model=one) for one in (by_name, plain))
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)
    effect = ps.aipw(df, outcome="y", **ROLES, score_model=by_name)
    assert effect.estimate == pytest.approx(ps.aipw(df, outcome="y", **ROLES, score_model=plain).estimate)


# Missing values


@pytest.fixture(scope="module")
def gaps(df) -> pd.DataFrame:
    x = df["x"].mask(np.arange(len(df)) % 10 == 0)
    return df.assign(x=x, plan=df["plan"].mask(np.arange(len(df)) % 13 == 0))


@pytest.mark.parametrize("library", LIBRARIES)
def test_missing_values_are_left_to_the_learner(gaps, library):
    for x, *_ in heard(LIBRARIES[library](gaps), learner=Listener(reads_levels=True), covariates=COLUMNS):
        assert x["x"].isna().sum() > 30
        assert x["plan"].isna().sum() > 20
        assert set(x["plan"].dropna()) == {"basic", "pro", "team"}
    for x, *_ in heard(LIBRARIES[library](gaps), covariates=COLUMNS):
        assert x["x"].isna().sum() > 30
        assert list(x.columns) == ["x", "z", "plan[T.pro]", "plan[T.team]", "plan[T.missing]"]
        assert x["plan[T.missing]"].sum() > 20


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # few trees
def test_scores_with_missing_values_are_those_of_the_learner_by_hand(gaps):
    trees = HistGradientBoostingClassifier(max_iter=5)
    found = ps.fit_propensity(gaps, **ROLES, score_model=trees, n_folds=2)
    table = gaps[COLUMNS].assign(plan=gaps["plan"].astype("category"))
    for fold in range(2):
        rows = found.order[found.folds[0][found.order] != fold]
        here = np.flatnonzero(found.folds[0] == fold)
        fitted = HistGradientBoostingClassifier(max_iter=5, random_state=0).fit(
            table.iloc[rows], gaps["t"].iloc[rows]
        )
        expected = fitted.predict_proba(table.iloc[here])[:, 1]
        np.testing.assert_allclose(found.scores.iloc[here], expected, rtol=1e-12)
    effect = ps.ipw(gaps, outcome="y", treatment="t", scores=found)
    assert effect.estimate == ps.ipw(gaps, outcome="y", treatment="t", scores=found.scores).estimate
    assert np.isfinite(found.predict(gaps.head(40))).all()


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # a small tree
def test_outcomes_are_predicted_from_missing_values_too(gaps):
    leaves = {"max_depth": 2, "min_samples_leaf": 60, "random_state": 0}
    models = {
        "score_model": DecisionTreeClassifier(**leaves),
        "outcome_model": DecisionTreeRegressor(**leaves),
    }
    effect = ps.aipw(gaps, outcome="y", **ROLES, **models)
    scores = ps.fit_propensity(gaps, **ROLES, score_model=models["score_model"])
    # Trees of scikit-learn take missing amounts as they are, and levels as terms.
    terms = gaps[["x", "z"]].assign(**{plan: gaps["plan"] == plan for plan in ("pro", "team")})
    terms["missing"] = gaps["plan"].isna()
    estimate, error = augmented_by_hand(scores, gaps, terms, models["outcome_model"])
    assert effect.estimate == pytest.approx(estimate, rel=1e-10)
    assert effect.std_error == pytest.approx(error, rel=1e-10)
    table = ps.estimate(gaps, outcome="y", **ROLES, estimators=[ps.AIPW(**models)])
    assert table["estimate"].iloc[1] == effect.estimate


def test_balance_is_asked_of_what_is_missing(gaps):
    df = gaps.assign(x=gaps["x"].where((gaps["t"] == 0) | (gaps.reset_index().index % 2 == 0)))
    scores = ps.fit_propensity(df, **ROLES, score_model=Listener())
    with pytest.warns(ps.errors.BalanceWarning, match=r"x\[missing\] \+\d"):
        ps.ipw(df, outcome="y", treatment="t", scores=scores)


def test_missing_values_that_the_learner_refuses_are_named(gaps):
    with pytest.raises(InvalidInputError) as told:
        ps.fit_propensity(gaps, **ROLES, score_model=LogisticRegression())
    for words in [
        "column 'x': ",
        "missing values (rows user",
        "LogisticRegression, the score_model, takes none",
    ]:
        assert words in str(told.value)
    assert "column 'plan'" not in str(told.value)  # which has a term for missing levels
    imputed = make_pipeline(SimpleImputer(), LogisticRegression())
    assert np.isfinite(ps.fit_propensity(gaps, **ROLES, score_model=imputed).scores).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda df: ps.fit_propensity(df, **ROLES),
        lambda df: ps.fit_propensity(df, **ROLES, n_folds=3),
        lambda df: ps.aipw(df, outcome="y", **ROLES, outcome_model=HistGradientBoostingRegressor()),
        lambda df: ps.aipw(df, outcome="y", **ROLES, score_model=HistGradientBoostingClassifier()),
        lambda df: ps.estimate(
            df,
            outcome="y",
            **ROLES,
            estimators=[ps.IPW("ATT"), ps.IPW(score_model=HistGradientBoostingClassifier())],
        ),
    ],
)
def test_missing_values_are_refused_where_one_model_takes_none(gaps, call):
    with pytest.raises(InvalidInputError, match=r"drop or impute these first"):
        call(gaps)


def test_formula_makes_no_terms_of_missing_values(gaps):
    with pytest.raises(InvalidInputError, match=r"column 'x': 60 missing values .* give a list of columns"):
        ps.fit_propensity(gaps, treatment="t", covariates="x + z", score_model=Listener())


def test_infinite_values_are_refused_whatever_the_learner(df):
    infinite = df.assign(x=df["x"].where(df["x"] < 2, np.inf))
    with pytest.raises(InvalidInputError, match=r"column 'x': \d+ infinite values"):
        ps.fit_propensity(infinite, **ROLES, score_model=Listener())


def test_new_levels_are_refused_and_known_ones_read_alike(df):
    levels = ColumnTransformer([("levels", OrdinalEncoder(), ["plan"])], remainder="passthrough")
    scores = ps.fit_propensity(df, **ROLES, score_model=make_pipeline(levels, KNeighborsClassifier(50)))
    new = df.head(20).assign(plan="pro")
    assert np.isfinite(scores.predict(new)).all()
    with pytest.raises(InvalidInputError, match=r"column 'plan': 20 values .* has not seen, 'gold'"):
        scores.predict(new.assign(plan="gold"))
    with pytest.raises(TypeError, match="it was text when the model was fitted and is numeric here"):
        scores.predict(new.assign(plan=1))


# Sample weights


def test_sample_weights_go_to_the_last_step_of_a_pipeline(df):
    given = heard(
        df, learner=make_pipeline(StandardScaler(), Listener()), covariates=["x"], sample_weight="w"
    )
    weights = np.concatenate([w for *_, w in given])
    np.testing.assert_allclose(np.sort(weights), np.sort(np.repeat(df["w"], 4)))


def test_sample_weights_go_where_they_are_asked_for(df):
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        asking = make_pipeline(scaler, LogisticRegression().set_fit_request(sample_weight=True))
        found = ps.fit_propensity(df, **ROLES, score_model=asking, sample_weight="w")
    plain = make_pipeline(StandardScaler(), LogisticRegression())
    expected = ps.fit_propensity(df, **ROLES, score_model=plain, sample_weight="w")
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-12)


def test_model_without_sample_weights_is_refused_where_there_are_some(df):
    with pytest.raises(
        InvalidInputError, match="score_model: KNeighborsClassifier cannot be fitted with sample"
    ):
        ps.fit_propensity(df, **ROLES, score_model=KNeighborsClassifier(), sample_weight="w")


def test_names_of_learners_say_what_is_inside():
    assert name_of(make_pipeline(StandardScaler(), Ridge())) == "Pipeline of Ridge"
    assert name_of(Ridge()) == "Ridge"
