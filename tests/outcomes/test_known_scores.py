"""AIPW with scores that are given, and over repeats of cross-fitting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import propensity as ps
import reference
import stacked
from propensity.effects.arms import Means
from propensity.errors import InvalidInputError
from propensity.outcomes.augmented import over_repeats
from score_data import ROLES, augmented_by_hand, people

TREE = DecisionTreeClassifier(max_depth=3, min_samples_leaf=40, random_state=0)
OUTCOME = DecisionTreeRegressor(max_depth=3, min_samples_leaf=20, random_state=0)
NUMBERS = {"treatment": "t", "covariates": ["x", "z"]}

pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # trees of few leaves


@pytest.fixture(scope="module")
def df() -> pd.DataFrame:
    frame = people()
    logit = 0.8 * frame["x"] - 0.2 * frame["z"]
    return frame.assign(e=reference.expit(logit), yes=(frame["y"] > 1).astype(int))


# Scores that are known


def known_equations(design: stacked.Design, e: np.ndarray):
    """The equations of both outcome models and of the two means, the scores being known."""

    def psi(theta: np.ndarray) -> np.ndarray:
        d = design.columns.shape[1]
        h = reference.tilt(e, design.estimand)
        equations, moments = [], []
        for place, (arm, k) in enumerate({True: h / e, False: h / (1 - e)}.items()):
            in_arm, eta = design.treatment == arm, design.columns @ theta[place * d : (place + 1) * d]
            m = reference.expit(eta) if design.outcome_model == "logistic" else eta
            residual = in_arm * (design.outcome - m)
            equations.append((design.weight * residual)[:, None] * design.columns)
            mean = theta[2 * d + place]
            moments.append(design.weight * (design.target * (m - mean) + k * residual))
        return np.column_stack([*equations, *moments])

    return psi


@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("outcome_model", ["linear", "logistic"])
@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
def test_known_scores_give_the_stacked_equations_of_the_rest(df, estimand, outcome_model, weight):
    y = "y" if outcome_model == "linear" else "yes"
    effect = ps.aipw(
        df,
        outcome=y,
        **NUMBERS,
        scores="e",
        estimand=estimand,
        outcome_model=outcome_model,
        sample_weight=weight,
    )
    design = stacked.Design(
        df[["x", "z"]].to_numpy(float),
        df["t"].to_numpy() == 1,
        df[y].to_numpy(float),
        "aipw",
        estimand,
        outcome_model,
        sample_weight=None if weight is None else df[weight].to_numpy(),
    )
    solution = stacked.solve_equations(known_equations(design, df["e"].to_numpy()), 2 * 3 + 2)
    assert effect.estimate == pytest.approx(solution.estimate, rel=1e-8)
    assert effect.std_error == pytest.approx(solution.std_error, rel=1e-6)
    assert effect.se_method == "stacked equations of outcome models and means; takes the scores as known"


def test_known_scores_have_the_error_that_samples_show(df):
    rng = np.random.default_rng(4)
    found = []
    for _ in range(250):
        x = rng.normal(size=300)
        e = reference.expit(0.7 * x)
        t = (rng.random(300) < e).astype(int)
        sample = pd.DataFrame({"x": x, "t": t, "e": e, "y": t + x + 0.5 * x**2 + rng.normal(size=300)})
        effect = ps.aipw(sample, outcome="y", treatment="t", covariates=["x"], scores="e")
        found.append((effect.estimate, effect.std_error))
    estimates, errors = np.array(found).T
    assert abs(estimates.mean() - 1) < 4 * estimates.std() / np.sqrt(len(found))
    assert errors.mean() == pytest.approx(estimates.std(), rel=0.15)  # which has an error of 4.5%
    assert 0.91 < (abs(estimates - 1) < 1.96 * errors).mean() < 0.985


@pytest.mark.parametrize("outcome_model", ["linear", "logistic"])
@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
def test_scores_of_a_logistic_model_count_as_fitted(df, estimand, outcome_model):
    options = {"outcome": "yes", "estimand": estimand, "outcome_model": outcome_model}
    model = ps.fit_propensity(df, **ROLES)
    given = ps.aipw(df, **options, **ROLES, scores=model)
    fitted = ps.aipw(df, **options, **ROLES)
    assert (given.estimate, given.std_error) == pytest.approx((fitted.estimate, fitted.std_error), rel=1e-12)
    assert given.se_method == fitted.se_method
    known = ps.aipw(df, **options, **ROLES, scores=model.scores)
    assert known.estimate == pytest.approx(fitted.estimate, rel=1e-10)


def test_score_model_may_have_other_covariates_than_the_outcomes(df):
    model = ps.fit_propensity(df, treatment="t", covariates="x + plan")
    given = ps.aipw(df, outcome="y", **NUMBERS, scores=model)
    fitted = ps.aipw(df, outcome="y", treatment="t", covariates="x + plan", outcome_covariates=["x", "z"])
    assert (given.estimate, given.std_error) == pytest.approx((fitted.estimate, fitted.std_error), rel=1e-12)


@pytest.mark.parametrize("how", [lambda df: df["e"], lambda df: df["e"].to_numpy(), lambda _: "e"])
def test_known_scores_may_come_in_any_way(df, how):
    expected = ps.aipw(df, outcome="y", **NUMBERS, scores="e")
    effect = ps.aipw(df, outcome="y", **NUMBERS, scores=how(df))
    assert (effect.estimate, effect.std_error) == (expected.estimate, expected.std_error)
    other = ps.aipw(pl.from_pandas(df), outcome="y", **NUMBERS, scores="e")
    assert other.estimate == pytest.approx(expected.estimate, rel=1e-12)
    pd.testing.assert_series_equal(effect.scores, df["e"], check_names=False)


def test_known_scores_and_a_learner_are_aipw_by_hand(df):
    effect = ps.aipw(df, outcome="y", **NUMBERS, scores="e", outcome_model=OUTCOME, n_folds=4, seed=2)
    folds = ps.fit_propensity(df, **NUMBERS, score_model=TREE, n_folds=4, seed=2)
    known = replace(folds, repeats=df["e"].to_numpy()[None])  # no two rows hold the same: the folds are those
    estimate, error = augmented_by_hand(known, df, df[["x", "z"]], OUTCOME)
    assert (effect.estimate, effect.std_error) == pytest.approx((estimate, error), rel=1e-10)
    assert effect.se_method == (
        "influence function; takes the scores as known; outcome models cross-fitted in 4 folds, seed 2"
    )


@pytest.mark.parametrize("n_repeats", [1, 3])
def test_scores_fitted_before_are_those_fitted_within(df, n_repeats):
    plans = df.assign(x=df["x"].round())  # rows that the models cannot tell apart
    options = {"n_repeats": n_repeats, "seed": 5}
    scores = ps.fit_propensity(plans, **ROLES, score_model=TREE, **options)
    given = ps.aipw(plans, outcome="y", **ROLES, scores=scores, outcome_model=OUTCOME, seed=5)
    fitted = ps.aipw(plans, outcome="y", **ROLES, score_model=TREE, outcome_model=OUTCOME, **options)
    assert (given.estimate, given.std_error) == (fitted.estimate, fitted.std_error)
    assert given.se_method == fitted.se_method
    pd.testing.assert_series_equal(given.scores, scores.scores)


def test_folds_of_scores_are_kept(df):
    scores = ps.fit_propensity(df, **NUMBERS, score_model=TREE, n_folds=3, n_repeats=2)
    effect = ps.aipw(df, outcome="y", **NUMBERS, scores=scores, outcome_model=LinearRegression())
    by_hand = [augmented_by_hand(scores, df, df[["x", "z"]], LinearRegression(), r) for r in range(2)]
    assert effect.estimate == pytest.approx(np.mean(by_hand, axis=0)[0], rel=1e-10)
    assert "cross-fitted in 3 folds, 2 repeats, seed 0" in effect.se_method
    with pytest.raises(InvalidInputError, match="n_folds: outcomes are predicted in the folds of the scores"):
        ps.aipw(df, outcome="y", **NUMBERS, scores=scores, n_folds=5)
    with pytest.raises(InvalidInputError, match="n_repeats: outcomes are predicted in the folds"):
        ps.aipw(df, outcome="y", **NUMBERS, scores=scores, outcome_model=OUTCOME, n_repeats=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"score_model": TREE}, "score_model: the scores are given, so that none is fitted"),
        ({"penalty": 1.0}, "penalty: the scores are given, with no score model for 1.0"),
        ({"outcome": "e"}, "column 'e' is the outcome; it cannot be the scores too"),
        ({"scores": "none"}, "column"),
        ({"scores": np.full(600, 1.0)}, "0 or 1 exactly"),
        ({"n_repeats": 2}, "n_repeats=2: models that are fitted to all rows are not repeated"),
    ],
)
def test_given_scores_leave_nothing_to_fit(df, options, message):
    with pytest.raises(ValueError, match=message):
        ps.aipw(df, **{"outcome": "y", "scores": "e"} | NUMBERS | options)


def test_scores_that_cannot_be_right_are_told(df):
    with pytest.warns(ps.errors.CalibrationWarning, match="take 1 - scores"):
        ps.aipw(df, outcome="y", **NUMBERS, scores=1 - df["e"])


# Repeats


def test_repeats_are_averaged_and_what_they_differ_by_is_added(df):
    scores = ps.fit_propensity(df, **NUMBERS, score_model=TREE, n_repeats=4)
    by_hand = [augmented_by_hand(scores, df, df[["x", "z"]], OUTCOME, r) for r in range(4)]
    # Trees draw nothing here, so that seeds of repeats are those of the folds alone.
    estimates, errors = np.array(by_hand).T
    effect = ps.aipw(df, outcome="y", **NUMBERS, score_model=TREE, outcome_model=OUTCOME, n_repeats=4)
    assert effect.estimate == pytest.approx(estimates.mean(), rel=1e-10)
    variance = np.mean(errors**2 + (estimates - estimates.mean()) ** 2)
    assert effect.std_error == pytest.approx(np.sqrt(variance), rel=1e-9)
    spread = f"the repeats' estimates have standard deviation {estimates.std():.3g}, which is counted"
    assert spread in effect.se_method


def test_errors_of_every_contrast_count_the_repeats(df):
    options = {"score_model": TREE, "outcome_model": OUTCOME, "n_repeats": 3}
    effect = ps.aipw(df.assign(y=df["y"] + 10), outcome="y", **NUMBERS, **options)
    ratio = effect.contrast_as("ratio")
    # The joint covariance of the means, from three contrasts of them that are known.
    phi = np.column_stack([effect.influence_treated, effect.influence_control])
    joint = phi.T @ phi / len(df) ** 2
    slope = np.array([1 / effect.mean_treated, -1 / effect.mean_control])
    assert ratio.std_error == pytest.approx(np.sqrt(slope @ joint @ slope), rel=1e-9)
    assert phi.mean(axis=0) == pytest.approx([0, 0], abs=1e-9)


def test_covariance_over_repeats_is_that_of_the_definition():
    rng = np.random.default_rng(0)
    shared, clusters = rng.normal(size=(50, 2)), np.repeat(np.arange(10), 5)
    found = []
    for _ in range(5):
        own = shared + 0.2 * rng.normal(size=(50, 2))
        own -= own.mean(axis=0)
        found.append(Means(*(3 + 0.1 * rng.normal(size=2)), own[:, 0], own[:, 1]))
    for groups in (None, clusters):
        joined = over_repeats(found, groups).means
        mean = np.array([joined.mean_treated, joined.mean_control])
        sums = np.arange(50) if groups is None else groups
        factor = 1.0 if groups is None else 10 / 9

        def covariance(means: Means, sums=sums, factor=factor) -> np.ndarray:
            phi = pd.DataFrame({"t": means.influence_treated, "c": means.influence_control})
            total = phi.groupby(sums).sum().to_numpy()
            return factor * total.T @ total / 50**2

        gaps = [np.array([one.mean_treated, one.mean_control]) - mean for one in found]
        expected = np.mean(
            [covariance(one) + np.outer(gap, gap) for one, gap in zip(found, gaps, strict=True)], axis=0
        )
        np.testing.assert_allclose(covariance(joined), expected, rtol=1e-9)


def test_repeats_of_an_outcome_that_never_varies_are_nothing(df):
    with pytest.warns(ps.errors.DegenerateWarning):
        effect = ps.aipw(
            df.assign(y=7.0), outcome="y", **NUMBERS, score_model=TREE, outcome_model=OUTCOME, n_repeats=3
        )
    assert effect.estimate == effect.std_error == 0


class Bins:
    """The mean outcome in twelve bins of the first column: a flexible model in no time."""

    def fit(self, x, y):
        self.edges = np.quantile(x.iloc[:, 0], np.linspace(0, 1, 13)[1:-1])
        place = np.searchsorted(self.edges, x.iloc[:, 0])
        self.means = np.bincount(place, y, minlength=12) / np.maximum(np.bincount(place, minlength=12), 1)
        return self

    def predict(self, x):
        return self.means[np.searchsorted(self.edges, x.iloc[:, 0])]


def test_error_over_repeats_is_that_which_samples_show():
    rng = np.random.default_rng(11)
    found = []
    for number in range(120):
        x = rng.normal(size=250)
        t = (rng.random(250) < reference.expit(0.6 * x)).astype(int)
        sample = pd.DataFrame({"x": x, "t": t, "y": t + np.sin(2 * x) + rng.normal(size=250)})
        effect = ps.aipw(
            sample,
            outcome="y",
            treatment="t",
            covariates=["x"],
            outcome_model=Bins(),
            n_repeats=3,
            seed=number,
        )
        found.append((effect.estimate, effect.std_error))
    estimates, errors = np.array(found).T
    assert abs(estimates.mean() - 1) < 4 * estimates.std() / np.sqrt(len(found))
    assert 0.85 < errors.mean() / estimates.std() < 1.3  # counts the spread as if there were one repeat
    assert (abs(estimates - 1) < 1.96 * errors).mean() > 0.9


def test_one_repeat_is_what_it_was(df):
    plain = ps.aipw(df, outcome="y", **NUMBERS, n_folds=5)
    again = ps.aipw(df, outcome="y", **NUMBERS, n_folds=5, n_repeats=1)
    assert (plain.estimate, plain.std_error) == (again.estimate, again.std_error)
    several = ps.aipw(df, outcome="y", **NUMBERS, n_folds=5, n_repeats=5)
    assert several.estimate == pytest.approx(plain.estimate, abs=plain.std_error / 2)
