"""core.ipw against published estimates and the twin, and what must always hold."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import designs
import reference
from propensity import core
from propensity.errors import InvalidInputError
from strategies import scored_samples

PUBLISHED = json.loads((Path(__file__).parents[1] / "reference" / "published_estimates.json").read_text())[
    "values"
]
LETTER = {"opt_in_logs": "A", "cattaneo2": "C"}
ESTIMANDS = ["ATE", "ATT", "ATC"]
OTHER_SIDE = {"ATE": "ATE", "ATT": "ATC", "ATC": "ATT"}
QUICK = settings(max_examples=100, deadline=None)
estimands = st.sampled_from(ESTIMANDS)


@pytest.fixture
def sample():
    """Outcome, treatment, scores of 400 rows, the arms truly drawn by the scores."""
    rng = np.random.default_rng(4)
    scores = rng.uniform(0.02, 0.98, 400)
    return rng.normal(3, 2, 400), rng.random(400) < scores, scores


@pytest.mark.parametrize("estimand", ESTIMANDS)
@pytest.mark.parametrize("data", designs.COVARIATES)
def test_ipw_agrees_with_published_estimates(data, estimand):
    x, treatment, outcome = designs.arrays(data)
    scores = core.fit_propensity(x, treatment).scores
    published = PUBLISHED[f"{LETTER[data]}.ipw_hajek_{estimand}"]
    effect = core.ipw(outcome, treatment, scores, estimand=estimand)
    assert effect.estimate == pytest.approx(published["value"], rel=published["rtol"])


@pytest.mark.parametrize(
    ("penalty", "estimand", "expected"),
    [
        (1.0, "ATE", 0.0849287403),
        (0.0, "ATE", 0.0847998203),
        (1.0, "ATT", 0.0768377952),
        (0.0, "ATT", 0.0766657807),
    ],
)
def test_ipw_gives_the_tutorials_numbers(penalty, estimand, expected):
    x, treatment, outcome = designs.arrays("opt_in_logs")
    scores = core.fit_propensity(x, treatment, penalty=penalty).scores
    effect = core.ipw(outcome, treatment, scores, estimand=estimand)
    assert effect.estimate == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("estimand", ESTIMANDS)
def test_ipw_equals_the_twin(sample, estimand):
    effect = core.ipw(*sample, estimand=estimand)
    twin = reference.ipw(*sample, estimand)
    for name in ("estimate", "mean_treated", "mean_control", "ess_treated", "ess_control"):
        assert getattr(effect, name) == pytest.approx(getattr(twin, name), rel=1e-12), name
    assert_allclose(effect.weights, twin.weights, rtol=1e-14)


def test_ipw_estimates_the_ate_unless_told(sample):
    assert core.ipw(*sample).estimate == core.ipw(*sample, estimand="ATE").estimate


def test_ipw_weights_of_the_own_arm_are_one(sample):
    outcome, treatment, scores = sample
    assert_array_equal(core.ipw(outcome, treatment, scores, estimand="ATT").weights[treatment], 1.0)
    assert_array_equal(core.ipw(outcome, treatment, scores, estimand="ATC").weights[~treatment], 1.0)


@QUICK
@given(scored_samples(), estimands)
def test_ipw_of_a_small_sample_equals_the_twin(sample, estimand):
    scores = sample.x[:, 0]
    effect = core.ipw(sample.outcome, sample.treatment, scores, estimand=estimand)
    twin = reference.ipw(sample.outcome, sample.treatment, scores, estimand)
    assert effect.estimate == pytest.approx(twin.estimate, abs=1e-13)
    assert effect.ess_treated == pytest.approx(twin.ess_treated, rel=1e-13)
    assert effect.ess_control == pytest.approx(twin.ess_control, rel=1e-13)


@QUICK
@given(scored_samples(), estimands, st.randoms(use_true_random=False))
def test_ipw_does_not_depend_on_the_order_of_rows(sample, estimand, random):
    order = random.sample(range(len(sample.x)), len(sample.x))
    scores = sample.x[:, 0]
    effect = core.ipw(sample.outcome, sample.treatment, scores, estimand=estimand)
    shuffled = core.ipw(sample.outcome[order], sample.treatment[order], scores[order], estimand=estimand)
    assert shuffled.estimate == pytest.approx(effect.estimate, abs=1e-13)
    assert_array_equal(shuffled.weights, effect.weights[order])


@QUICK
@given(scored_samples(), estimands)
def test_ipw_with_the_arms_swapped_flips_the_sign(sample, estimand):
    scores = sample.x[:, 0]
    effect = core.ipw(sample.outcome, sample.treatment, scores, estimand=estimand)
    swapped = core.ipw(sample.outcome, ~sample.treatment, 1 - scores, estimand=OTHER_SIDE[estimand])
    assert swapped.estimate == pytest.approx(-effect.estimate, abs=1e-12)
    assert swapped.ess_treated == pytest.approx(effect.ess_control, rel=1e-12)


@QUICK
@given(scored_samples(), estimands, st.integers(-1000, 1000), st.sampled_from([-2.0, 0.5, 8.0]))
def test_ipw_follows_an_affine_change_of_the_outcome(sample, estimand, shift, scale):
    scores = sample.x[:, 0]
    effect = core.ipw(sample.outcome, sample.treatment, scores, estimand=estimand)
    changed = core.ipw(scale * sample.outcome + shift, sample.treatment, scores, estimand=estimand)
    assert changed.estimate == pytest.approx(scale * effect.estimate, abs=1e-10)


@QUICK
@given(scored_samples(), estimands)
def test_ipw_of_every_row_twice_is_the_same_effect_and_twice_the_ess(sample, estimand):
    scores = sample.x[:, 0]
    effect = core.ipw(sample.outcome, sample.treatment, scores, estimand=estimand)
    twice = core.ipw(
        *(np.repeat(a, 2) for a in (sample.outcome, sample.treatment, scores)), estimand=estimand
    )
    assert twice.estimate == pytest.approx(effect.estimate, abs=1e-12)
    assert twice.ess_treated == pytest.approx(2 * effect.ess_treated, rel=1e-12)


# Errors


def test_ipw_refuses_arrays_of_unequal_length(sample):
    for short in range(3):
        arrays = [a[:-1] if i == short else a for i, a in enumerate(sample)]
        with pytest.raises(InvalidInputError, match=r"400.*399|399.*400"):
            core.ipw(*arrays)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_ipw_refuses_a_score_of_0_or_1(sample, value):
    sample[2][[33, 120]] = value
    with pytest.raises(InvalidInputError, match=r"scores.*33.*120"):
        core.ipw(*sample)


@pytest.mark.parametrize("value", [-0.1, 1.2, np.nan, np.inf])
def test_ipw_refuses_a_score_that_is_no_probability(sample, value):
    sample[2][33] = value
    with pytest.raises(InvalidInputError, match=r"scores.*33"):
        core.ipw(*sample)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_ipw_refuses_an_outcome_that_is_not_finite(sample, value):
    sample[0][[7, 8]] = value
    with pytest.raises(InvalidInputError, match=r"outcome.*7.*8"):
        core.ipw(*sample)


def test_ipw_refuses_a_treatment_that_is_not_0_or_1(sample):
    outcome, treatment, scores = sample
    with pytest.raises(InvalidInputError, match=r"treatment"):
        core.ipw(outcome, treatment * 2, scores)


@pytest.mark.parametrize("arm", [0, 1])
def test_ipw_refuses_one_arm_alone(sample, arm):
    outcome, treatment, scores = sample
    with pytest.raises(InvalidInputError, match="treat"):
        core.ipw(outcome, np.full(len(treatment), arm), scores)


@pytest.mark.parametrize("estimand", ["average", "LATE", ""])
def test_ipw_refuses_an_unknown_estimand_and_lists_the_known(sample, estimand):
    with pytest.raises(InvalidInputError, match=r"ATE.*ATT.*ATC"):
        core.ipw(*sample, estimand=estimand)
