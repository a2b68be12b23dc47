"""Weights that are given as what they are not: scores, a model, another estimand's, sample weights."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

import propensity as ps
from propensity.errors import BalanceWarning, InvalidInputError, SampleWeightWarning

ROLES = {"outcome": "y", "treatment": "t"}
ESTIMANDS = ["ATE", "ATT", "ATC", "ATO", "ATM"]


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(8)
    n = 2_000
    x, tier = rng.normal(size=n), rng.choice(["light", "heavy"], n)
    t = rng.random(n) < 1 / (1 + np.exp(-0.7 * x - 0.5 * (tier == "heavy")))
    y = x + t + rng.normal(size=n)
    return pd.DataFrame({"t": t.astype(int), "y": y, "x": x, "tier": tier, "s": rng.uniform(0.5, 3, n)})


@pytest.fixture(scope="module")
def model(people):
    return ps.fit_propensity(people, treatment="t", covariates=["x", "tier"])


def silent(call):
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        call()
    return [str(warning.message) for warning in heard]


# Scores


def test_a_model_is_no_weights_and_the_line_makes_them(people, model):
    calls = [
        lambda **w: ps.balance(people, treatment="t", covariates=["x"], **w),
        lambda **w: ps.smd(people, treatment="t", covariates=["x"], **w),
        lambda **w: ps.weighted_effect(people, **ROLES, **w),
    ]
    for call in calls:
        with pytest.raises(TypeError, match="a model has scores, and weights are made of them") as caught:
            call(weights=model)
        line = str(caught.value).split("weights=", 1)[1].replace("treatment=...", "treatment='t'")
        weights = eval(line, {"ps": ps, "df": people, "model": model})
        pd.testing.assert_series_equal(weights, ps.balancing_weights(people, treatment="t", scores=model))


def test_scores_are_no_weights(people, model):
    named = people.assign(propensity=model.scores)
    frame = pl.from_pandas(named)
    of_polars = ps.fit_propensity(frame, treatment="t", covariates=["x", "tier"]).scores
    refused = pytest.raises(InvalidInputError, match="these are propensity scores, and weights are made of")
    for df, scores in ((people, model.scores), (named, "propensity"), (frame, of_polars)):
        with refused:
            ps.balance(df, treatment="t", covariates=["x"], weights=scores)
        with refused:
            ps.smd(df, treatment="t", covariates=["x"], weights=scores)
        with refused:
            ps.weighted_effect(df, **ROLES, weights=scores, estimand="ATE")
    with refused:
        ps.balance(people, treatment="t", covariates=["x"], scores=model, weights=model.scores.to_numpy())
    with refused:
        ps.balance(people, treatment="t", covariates=["x"], weights={"raw": model.scores})


def test_weights_below_one_are_weights(people, model):
    overlap = ps.balancing_weights(people, treatment="t", scores=model, estimand="ATO")
    assert overlap.between(0, 1).all()
    ps.balance(people, treatment="t", covariates=["x"], scores=model, weights=overlap)
    ps.weighted_effect(people, **ROLES, weights=overlap, estimand="ATO")


# Another estimand


@pytest.mark.parametrize(("given", "said"), [("ATT", "all treated rows"), ("ATC", "all control rows")])
def test_weights_of_everybody_are_none_of_an_arm(people, model, given, said):
    for_all = ps.balancing_weights(people, treatment="t", scores=model)
    with pytest.warns(BalanceWarning, match=f"weights for the {given} are the same for {said}") as caught:
        effect = ps.weighted_effect(people, **ROLES, weights=for_all, estimand=given)
    assert caught[0].filename == __file__
    assert any("are the same for" in str(caution) for caution in effect.cautions)


@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_weights_of_the_estimand_are_believed(people, model, estimand):
    own = ps.balancing_weights(people, treatment="t", scores=model, estimand=estimand)
    for weights in (own, own.astype(np.float32), own / 3, own.where(people["x"] > -2, 0.0)):
        assert not silent(lambda w=weights: ps.weighted_effect(people, **ROLES, weights=w, estimand=estimand))
    fitted = ps.ipw(people, **ROLES, scores=model, estimand=estimand)
    assert not silent(lambda: ps.weighted_effect(people, **ROLES, weights=fitted))


# Sample weights


@pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning")
@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")
@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_balancing_weights_given_as_sample_weights_are_told(people, model, estimand):
    weights = ps.balancing_weights(people, treatment="t", scores=model, estimand=estimand)
    scaled = weights * np.where(people["t"] == 1, 4.0, 0.3)
    for given in (weights, scaled):
        with pytest.raises(InvalidInputError, match=f"balancing weights of these scores for the {estimand}"):
            ps.ipw(people, **ROLES, scores=model, sample_weight=given)
        with pytest.warns(SampleWeightWarning, match=f"of these scores for the {estimand}, which are made"):
            ps.ipw(people, **ROLES, scores=model.scores, sample_weight=given)


@pytest.mark.filterwarnings("ignore::propensity.errors.FailedEstimatorWarning")
def test_models_fitted_with_their_own_weights_say_so(people, model):
    weights = ps.balancing_weights(people, treatment="t", scores=model)
    roles = {"covariates": ["x", "tier"], "sample_weight": weights}
    for call in (
        lambda: ps.aipw(people, **ROLES, **roles),
        lambda: ps.ipwra(people, **ROLES, **roles),
        lambda: ps.estimate(people, **ROLES, **roles),
        lambda: ps.fit_propensity(people, treatment="t", **roles),
    ):
        told = [words for words in silent(call) if "balancing weights of these scores for the ATE" in words]
        assert len(told) == 1


def test_survey_weights_are_believed(people, model):
    e = model.scores
    for given in (
        people["s"],
        np.where(people["tier"] == "heavy", 1.0, 7.0),  # of the covariates alone
        np.where(people["t"] == 1, 1.0, 9.0),  # controls are sampled, and stand for nine
        1 / e,  # of the covariates alone, though by way of the score
    ):
        weights = pd.Series(np.asarray(given), index=people.index)
        for call in (
            lambda w=weights: ps.ipw(people, **ROLES, scores=e, sample_weight=w),
            lambda w=weights: ps.aipw(people, **ROLES, covariates=["x", "tier"], sample_weight=w),
        ):
            assert not any("balancing weights of these scores" in words for words in silent(call))
