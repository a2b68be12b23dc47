"""Outcomes that a logistic model has nothing to tell apart in: said of the outcome, the arm, the count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

import propensity as ps
from propensity.errors import InvalidInputError, SmallSampleWarning

ESTIMATORS: dict[str, Callable[..., Any]] = {
    "aipw": ps.aipw,
    "aipw, cross-fitted": lambda df, **options: ps.aipw(df, n_folds=4, **options),
    "ipwra": ps.ipwra,
    "regression_adjustment": ps.regression_adjustment,
    "bootstrap": lambda df, outcome_model, **options: ps.bootstrap(
        df, estimators=[ps.RegressionAdjustment(outcome_model=outcome_model)], n_reps=2, seed=1, **options
    ),
}


def world() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    df = pd.DataFrame({"x": rng.normal(size=800), "t": rng.integers(0, 2, 800), "churn": 0})
    df.loc[df.index[df["t"] == 0][:40:3], "churn"] = 1
    return df


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_an_arm_without_events_is_told_with_its_count_and_what_to_take(estimator: str) -> None:
    df, options = world(), {"treatment": "t", "covariates": ["x"], "outcome_model": "logistic"}
    n = (df["t"] == 1).sum()
    message = f"^column 'churn': 0 in all {n} treated rows, .* take outcome_model='linear'"
    with pytest.raises(InvalidInputError, match=message):
        ESTIMATORS[estimator](df, outcome="churn", **options)
    df["kept"] = 1 - df["churn"]
    with pytest.raises(InvalidInputError, match=f"^column 'kept': 1 in all {n} treated rows"):
        ESTIMATORS[estimator](df, outcome="kept", **options)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_an_outcome_that_never_or_always_happens_is_told_as_such(estimator: str) -> None:
    df, options = world().assign(no=False, yes=True), {"treatment": "t", "covariates": ["x"]}
    for outcome, value in {"no": 0, "yes": 1}.items():
        if estimator == "aipw, cross-fitted":
            message = f"^column '{outcome}': {value} in all .* treated rows"
        else:
            message = f"^column '{outcome}': {value} in all 800 rows, treated and control alike"
        with pytest.raises(InvalidInputError, match=message):
            ESTIMATORS[estimator](df, outcome=outcome, outcome_model="logistic", **options)


def test_weightless_events_are_none() -> None:
    df = world()
    df["churn"] = (df.index % 5 == 0).astype(int)
    df["w"] = np.where((df["t"] == 1) & (df["churn"] == 1), 0.0, 1.0)
    with pytest.raises(InvalidInputError, match=r"^column 'churn': 0 in all .* treated rows"):
        ps.aipw(
            df, outcome="churn", treatment="t", covariates=["x"], outcome_model="logistic", sample_weight="w"
        )


def test_classifiers_that_need_two_classes_are_told_of_and_others_answer() -> None:
    df = world()
    options = {"outcome": "churn", "treatment": "t", "covariates": ["x"], "n_folds": 4}
    message = r"^column 'churn': 0 in all \d+ treated rows outside fold 1 of 4, .* outcome_model='linear'"
    with pytest.raises(InvalidInputError, match=message):
        ps.aipw(df, outcome_model=LogisticRegression(), **options)
    with pytest.warns(SmallSampleWarning, match="0 in every treated row"):
        forest = ps.aipw(df, outcome_model=RandomForestClassifier(20, random_state=0), **options)
    assert forest.mean_treated == 0.0


def test_linear_models_take_what_the_message_sends_to_them() -> None:
    df = world()
    with pytest.warns(SmallSampleWarning, match="0 in every treated row"):
        effect = ps.regression_adjustment(df, outcome="churn", treatment="t", covariates=["x"])
    assert effect.mean_treated == 0.0
    assert effect.estimate == pytest.approx(-df.loc[df["t"] == 0, "churn"].mean(), abs=0.01)
