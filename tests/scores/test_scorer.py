"""The score as a scikit-learn estimator: what scikit-learn asks of one, and the numbers of fit_propensity."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import check_estimator

import propensity as ps
from propensity.errors import InvalidInputError, SeparationError


def test_scikit_learn_finds_nothing_to_object_to():
    """With a penalty, for some checks fit classes that a line tells apart: nothing else is finite there."""
    check_estimator(ps.sklearn.PropensityScorer(penalty=1.0), on_skip=None)


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.normal(size=(400, 3)), columns=["age", "tenure", "seats"])
    return x, rng.random(400) < 1 / (1 + np.exp(-x["age"] - 0.5 * x["seats"]))


def test_scores_are_those_of_fit_propensity(rows):
    x, opted = rows
    weight = np.linspace(0.5, 2, len(x))
    scorer = ps.sklearn.PropensityScorer(score_model="probit").fit(x, opted, sample_weight=weight)
    model = ps.fit_propensity(
        x.assign(opted=opted),
        treatment="opted",
        covariates=list(x),
        score_model="probit",
        sample_weight=weight,
    )
    np.testing.assert_array_equal(scorer.predict_proba(x)[:, 1], model.fit.predict(np.asfortranarray(x)))
    np.testing.assert_array_equal(scorer.coef_[0], model.coefficients.to_numpy()[1:])
    assert list(scorer.feature_names_in_) == list(x)


def test_a_penalty_is_scikit_learns(rows):
    x, opted = rows
    scorer = ps.sklearn.PropensityScorer(penalty=4.0).fit(x, opted)
    theirs = LogisticRegression(C=0.25, tol=1e-10, max_iter=1_000).fit(x, opted)
    np.testing.assert_allclose(scorer.predict_proba(x), theirs.predict_proba(x), atol=1e-7)


def test_labels_of_any_kind_come_back(rows):
    x, opted = rows
    labels = np.where(opted, "yes", "no")
    scorer = ps.sklearn.PropensityScorer().fit(x, labels)
    assert list(scorer.classes_) == ["no", "yes"]
    assert set(scorer.predict(x)) == {"no", "yes"}


def test_it_is_cloned_and_searched(rows):
    x, opted = rows
    scorer = clone(ps.sklearn.PropensityScorer(penalty=2.0).set_params(score_model="cloglog"))
    assert scorer.get_params() == {"penalty": 2.0, "score_model": "cloglog"}
    found = GridSearchCV(scorer, {"penalty": [0.0, 1.0]}, scoring="neg_log_loss").fit(x, opted)
    assert found.best_estimator_.predict_proba(x).shape == (len(x), 2)


def test_it_is_a_score_model_as_any_other(rows):
    x, opted = rows
    df = x.assign(opted=opted)
    scores = ps.fit_propensity(
        df, treatment="opted", covariates=list(x), score_model=ps.sklearn.PropensityScorer()
    )
    built_in = ps.fit_propensity(df, treatment="opted", covariates=list(x), n_folds=5)
    np.testing.assert_allclose(scores.scores, built_in.scores, rtol=1e-9)


def test_what_cannot_be_fitted_is_refused(rows):
    x, opted = rows
    with pytest.raises(InvalidInputError, match="score_model must be one of"):
        ps.sklearn.PropensityScorer(score_model="forest").fit(x, opted)
    with pytest.raises(SeparationError):
        ps.sklearn.PropensityScorer().fit(x.assign(told=opted), opted)
    with pytest.raises(ValueError, match="Only binary classification is supported"):
        ps.sklearn.PropensityScorer().fit(x, np.arange(len(x)) % 3)


def test_the_package_does_without_scikit_learn():
    code = (
        "import sys, propensity as ps; assert 'sklearn' not in sys.modules; "
        "ps.sklearn; assert 'sklearn' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
