"""core.fit_propensity against statsmodels, scikit-learn and the Newton twin, and what must always hold."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import designs
import reference
from propensity import core
from propensity.errors import InvalidInputError, SeparationError
from strategies import lattice_samples

REFERENCE = Path(__file__).parents[1] / "reference"
STATSMODELS = json.loads((REFERENCE / "logit_statsmodels.json").read_text())
SKLEARN = json.loads((REFERENCE / "logit_sklearn.json").read_text())
QUICK = settings(max_examples=60, deadline=None)


@pytest.fixture
def sample():
    """Four unlike columns, 600 rows: x, treatment."""
    rng = np.random.default_rng(0)
    x = np.column_stack(
        [rng.normal(size=600), rng.integers(0, 2, 600), rng.exponential(50, 600), rng.normal(1e4, 3.0, 600)]
    )
    eta = 0.5 * x[:, 0] - 0.8 * x[:, 1] + 0.01 * (x[:, 2] - 50) + 0.1 * (x[:, 3] - 1e4)
    return x, rng.random(600) < reference.expit(eta)


# Against other software


@pytest.mark.parametrize("data", designs.COVARIATES)
def test_fit_agrees_with_statsmodels(data):
    x, treatment, _ = designs.arrays(data)
    fit, expected = core.fit_propensity(x, treatment), STATSMODELS[data]
    assert_allclose(fit.coefficients, expected["coefficients"], rtol=1e-8)
    assert_allclose(fit.covariance, expected["covariance"], rtol=1e-8)
    assert fit.log_likelihood == pytest.approx(expected["log_likelihood"], rel=1e-8)


@pytest.mark.parametrize("penalty", ["0.1", "1.0", "10.0"])
@pytest.mark.parametrize("data", designs.COVARIATES)
def test_penalized_fit_agrees_with_scikit_learn(data, penalty):
    x, treatment, _ = designs.arrays(data)
    fit = core.fit_propensity(x, treatment, penalty=float(penalty))
    assert_allclose(fit.coefficients, SKLEARN[data][penalty], rtol=1e-8)


def test_fit_gives_the_tutorials_coefficients():
    x, treatment, _ = designs.arrays("opt_in_logs")
    fit = core.fit_propensity(x, treatment)
    expected = [0.747053864124, -2.598068683512, -1.210440360933, -0.198848532597]
    assert_allclose(fit.coefficients, expected, atol=1e-10)
    assert fit.log_likelihood == pytest.approx(-24724.99800742, rel=1e-8)
    penalized = core.fit_propensity(x, treatment, penalty=1.0)
    assert_allclose(penalized.coefficients, [0.74408189, -2.59492786, -1.20784897, -0.19782591], atol=1e-8)


@pytest.mark.parametrize(
    ("penalty", "treated", "control"),
    [
        (1.0, (0.1142347, 0.6742617), (0.1142307, 0.6716712)),
        (0.0, (0.1141144, 0.6748953), (0.1141104, 0.6722940)),
    ],
)
def test_fit_gives_the_tutorials_score_ranges(penalty, treated, control):
    x, treatment, _ = designs.arrays("opt_in_logs")
    scores = core.fit_propensity(x, treatment, penalty=penalty).scores
    for arm, expected in ((1, treated), (0, control)):
        own = scores[treatment == arm]
        assert_allclose([own.min(), own.max()], expected, atol=1e-7)


# Against the twin


@pytest.mark.parametrize("penalty", [0.0, 0.5, 20.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_fit_equals_the_newton_twin(sample, penalty, weighted):
    x, treatment = sample
    weight = np.random.default_rng(1).exponential(size=len(x)) if weighted else None
    fit = core.fit_propensity(x, treatment, penalty=penalty, sample_weight=weight)
    twin = reference.fit_logistic(x, treatment, penalty=penalty, sample_weight=weight)
    assert_allclose(fit.coefficients, twin.coefficients, rtol=1e-8)
    assert_allclose(fit.covariance, twin.covariance, rtol=1e-7)
    assert_allclose(fit.scores, twin.scores, rtol=1e-9)
    assert fit.log_likelihood == pytest.approx(twin.log_likelihood, rel=1e-11)


@QUICK
@given(lattice_samples(), st.sampled_from([0.0, 0.3, 1.0, 5.0]))
def test_fit_of_a_small_sample_equals_the_newton_twin(sample, penalty):
    fit = core.fit_propensity(sample.x, sample.treatment, penalty=penalty)
    twin = reference.fit_logistic(sample.x, sample.treatment, penalty=penalty)
    assert_allclose(fit.coefficients, twin.coefficients, rtol=1e-8, atol=1e-9)
    assert_allclose(fit.covariance, twin.covariance, rtol=1e-7, atol=1e-9)
    assert_allclose(fit.scores, twin.scores, rtol=1e-9)


def test_fit_converges_to_the_promised_gradient(sample):
    x, treatment = sample
    fit = core.fit_propensity(x, treatment)
    gradient = np.column_stack([np.ones(len(x)), (x - x.mean(0)) / x.std(0)]).T @ (treatment - fit.scores)
    assert np.abs(gradient / len(x)).max() <= 1.1e-10
    assert fit.gradient_norm <= 1e-10
    assert 1 <= fit.iterations <= 20


# What a fit holds together


def test_scores_are_what_predict_gives_for_the_same_rows(sample):
    x, treatment = sample
    fit = core.fit_propensity(x, treatment)
    assert_array_equal(fit.predict(x), fit.scores)
    assert_array_equal(fit.predict(x[::-7]), fit.scores[::-7])


def test_linear_predictor_is_measured_from_the_center(sample):
    x, treatment = sample
    fit = core.fit_propensity(x, treatment)
    by_center = fit.intercept_at_center + (x - fit.center) @ fit.coefficients[1:]
    by_origin = fit.coefficients[0] + x @ fit.coefficients[1:]
    assert_allclose(fit.linear_predictor(x), by_center, rtol=1e-12, atol=1e-12)
    assert_allclose(by_center, by_origin, atol=1e-8)
    assert_allclose(reference.expit(fit.linear_predictor(x)), fit.scores, rtol=1e-13)


def test_fit_shapes_and_types(sample):
    x, treatment = sample
    fit = core.fit_propensity(x, treatment, penalty=2.0)
    assert fit.coefficients.shape == (5,)
    assert fit.covariance.shape == (5, 5)
    assert fit.center.shape == (4,)
    assert fit.scores.shape == (600,)
    assert fit.aliased.shape == (0,)
    assert fit.aliased.dtype == np.int64
    assert fit.penalty == 2.0
    assert_allclose(fit.covariance, fit.covariance.T, rtol=1e-12)


def test_fit_pickles(sample):
    fit = core.fit_propensity(*sample)
    copy = pickle.loads(pickle.dumps(fit))
    for name in ("coefficients", "covariance", "center", "scores", "aliased"):
        assert_array_equal(getattr(copy, name), getattr(fit, name))
    assert copy.log_likelihood == fit.log_likelihood
    assert_array_equal(copy.predict(sample[0]), fit.scores)


def test_a_column_that_repeats_others_is_aliased(sample):
    x, treatment = sample
    repeated = np.column_stack([x[:, :2], 3 * x[:, 0] - x[:, 1] + 2, x[:, 2:]])
    fit, without = core.fit_propensity(repeated, treatment), core.fit_propensity(x, treatment)
    assert_array_equal(fit.aliased, [2])
    assert fit.coefficients[3] == 0
    assert_allclose(np.delete(fit.coefficients, 3), without.coefficients, rtol=1e-8)
    assert_allclose(fit.scores, without.scores, rtol=1e-9)


def test_a_constant_column_is_aliased(sample):
    x, treatment = sample
    fit = core.fit_propensity(np.column_stack([x, np.full(len(x), 7.0)]), treatment)
    assert_array_equal(fit.aliased, [4])
    assert fit.coefficients[5] == 0


@pytest.mark.parametrize("apart", [1e-2, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-10, 1e-13])
def test_columns_that_nearly_repeat_each_other_are_fitted_or_aliased(sample, apart):
    x, treatment = sample
    x = x[:, :1]
    near = x + apart * np.random.default_rng(1).normal(size=x.shape)
    fit = core.fit_propensity(np.column_stack([x, near]), treatment)
    if len(fit.aliased):
        assert_array_equal(fit.aliased, [1])
        assert_allclose(fit.scores, core.fit_propensity(x, treatment).scores, rtol=1e-9)
    else:
        difference = (near - x) / apart
        same_space = core.fit_propensity(np.column_stack([x, difference]), treatment)
        assert_allclose(fit.scores, same_space.scores, atol=1e-15 / apart)


# What must always hold


@QUICK
@given(lattice_samples(), st.randoms(use_true_random=False))
def test_fit_does_not_depend_on_the_order_of_rows(sample, random):
    order = random.sample(range(len(sample.x)), len(sample.x))
    fit = core.fit_propensity(sample.x, sample.treatment)
    shuffled = core.fit_propensity(sample.x[order], sample.treatment[order])
    assert_allclose(shuffled.coefficients, fit.coefficients, rtol=1e-9, atol=1e-10)
    assert_allclose(shuffled.scores, fit.scores[order], rtol=1e-10)


@QUICK
@given(lattice_samples(), st.sampled_from([0.0, 1.0]))
def test_swapping_the_arms_flips_the_coefficients(sample, penalty):
    fit = core.fit_propensity(sample.x, sample.treatment, penalty=penalty)
    swapped = core.fit_propensity(sample.x, ~sample.treatment, penalty=penalty)
    assert_allclose(swapped.coefficients, -fit.coefficients, rtol=1e-9, atol=1e-10)
    assert_allclose(swapped.scores, 1 - fit.scores, rtol=1e-10)


@QUICK
@given(lattice_samples(), st.sampled_from([0.0, 1.0]), st.data())
def test_weight_k_is_the_row_k_times(sample, penalty, data):
    n = len(sample.x)
    times = np.array(data.draw(st.lists(st.integers(1, 3), min_size=n, max_size=n)))
    weighted = core.fit_propensity(
        sample.x, sample.treatment, penalty=penalty, sample_weight=times.astype(float)
    )
    rows = np.repeat(np.arange(n), times)
    # A penalty is per unit of mean weight, so that weights have no scale.
    repeated = core.fit_propensity(sample.x[rows], sample.treatment[rows], penalty=penalty * times.mean())
    assert_allclose(weighted.coefficients, repeated.coefficients, rtol=1e-9, atol=1e-10)
    assert_allclose(weighted.covariance, repeated.covariance, rtol=1e-8, atol=1e-10)
    assert_allclose(weighted.scores[rows], repeated.scores, rtol=1e-10)
    assert weighted.log_likelihood == pytest.approx(repeated.log_likelihood, rel=1e-11)


@QUICK
@given(
    lattice_samples(),
    st.floats(0.001, 1000).map(lambda scale: round(scale, 3)),
    st.integers(-10_000, 10_000),
    st.booleans(),
)
def test_an_affine_change_of_the_covariates_leaves_the_scores(sample, scale, shift, negate):
    slope = -scale if negate else scale
    fit = core.fit_propensity(sample.x, sample.treatment)
    changed = core.fit_propensity(slope * sample.x + shift * scale, sample.treatment)
    assert_allclose(changed.scores, fit.scores, rtol=1e-8)
    assert_allclose(changed.coefficients[1:] * slope, fit.coefficients[1:], rtol=1e-7, atol=1e-8)


@QUICK
@given(lattice_samples(), st.sampled_from([1.0, 1 / 3, 1e3, np.pi]))
def test_rows_with_the_same_covariates_have_the_same_score_to_the_last_bit(sample, scale):
    x = sample.x * scale
    scores = core.fit_propensity(x, sample.treatment).scores
    _, point = np.unique(x, axis=0, return_inverse=True)
    for index in range(point.max() + 1):
        assert len(np.unique(scores[point == index])) == 1


@pytest.mark.parametrize("n_threads", [1, 2, 3, 7])
def test_same_covariates_same_score_anywhere_in_a_long_array(n_threads):
    rng = np.random.default_rng(2)
    few = rng.normal(size=(137, 5))
    which = rng.integers(0, 137, 30_011)
    treatment = rng.random(30_011) < reference.expit(few[which].sum(axis=1))
    for x in (few[which], np.asfortranarray(few[which])):
        scores = core.fit_propensity(x, treatment, n_threads=n_threads).scores
        first = np.full(137, np.nan)
        first[which] = scores
        assert_array_equal(first[which], scores)


def many_rows(n=300_000):
    """Enough rows for a fit to start from a sample of them; sorted, so that both ends differ."""
    rng = np.random.default_rng(11)
    x = np.column_stack([np.sort(rng.normal(size=n)), rng.normal(size=n)])
    treatment = rng.random(n) < 1 / (1 + np.exp(-(x @ [0.8, -0.5] - 1)))
    return np.asfortranarray(x), treatment, rng.uniform(0.5, 2, size=n)


@pytest.mark.parametrize("penalty", [0.0, 500.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_fit_of_many_rows_equals_the_newton_twin_in_fewer_steps(penalty, weighted):
    x, treatment, weight = many_rows()
    weight = weight if weighted else None
    fit = core.fit_propensity(x, treatment, penalty=penalty, sample_weight=weight)
    twin = reference.fit_logistic(x, treatment, penalty=penalty, sample_weight=weight)
    assert_allclose(fit.coefficients, twin.coefficients, rtol=1e-10)
    assert_allclose(fit.covariance, twin.covariance, rtol=1e-8)
    assert fit.log_likelihood == pytest.approx(twin.log_likelihood, rel=1e-12)
    few = core.fit_propensity(x[::100], treatment[::100], penalty=penalty / 100)
    assert fit.iterations == 3 < few.iterations
    assert fit.gradient_norm < 1e-11
    # Scores were kept on the way to these coefficients; they are not worked out again.
    assert_allclose(fit.predict(x), fit.scores, rtol=1e-13)


def test_fit_of_many_rows_copes_with_levels_that_a_sample_lacks_or_separates():
    x, treatment, _ = many_rows()
    rare = np.zeros(len(x))
    rare[[1_000, 1_001, 200_000]] = 1
    fit = core.fit_propensity(
        np.column_stack([x, rare]), treatment | (rare == 1) & (np.arange(len(x)) > 1_000)
    )
    assert fit.gradient_norm <= 1e-10
    everybody = core.fit_propensity(np.column_stack([x, rare]), treatment | (rare == 1))
    assert_array_equal(everybody.diverging, [2])


def test_fit_is_the_same_for_any_number_of_threads():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(50_003, 6))
    treatment = rng.random(50_003) < reference.expit(x[:, 0] - 0.5 * x[:, 1])
    one = core.fit_propensity(x, treatment, n_threads=1)
    for n_threads in (2, 3, 4, 7, None):
        other = core.fit_propensity(x, treatment, n_threads=n_threads)
        assert_array_equal(other.coefficients, one.coefficients)
        assert_array_equal(other.covariance, one.covariance)
        assert_array_equal(other.scores, one.scores)


# Errors


def test_fit_refuses_arrays_of_unequal_length(sample):
    x, treatment = sample
    with pytest.raises(InvalidInputError, match=r"600.*599|599.*600"):
        core.fit_propensity(x, treatment[:-1])
    with pytest.raises(InvalidInputError, match=r"600.*10|10.*600"):
        core.fit_propensity(x, treatment, sample_weight=np.ones(10))


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf])
def test_fit_names_the_column_and_the_rows_that_are_not_finite(sample, missing):
    x, treatment = sample
    x[[17, 230], 2] = missing
    with pytest.raises(InvalidInputError, match=r"column 2\b.*\b2\b.*17.*230"):
        core.fit_propensity(x, treatment)


@pytest.mark.parametrize("value", [2, -1, 0.5])
def test_fit_refuses_a_treatment_that_is_not_0_or_1_and_says_what_it_is(sample, value):
    x, treatment = sample
    wrong = treatment.astype(float)
    wrong[41] = value
    with pytest.raises(InvalidInputError, match=rf"treatment.* {value}\b"):
        core.fit_propensity(x, wrong)


def test_fit_names_the_rows_where_the_treatment_is_missing(sample):
    x, treatment = sample
    wrong = treatment.astype(float)
    wrong[[41, 300]] = np.nan
    with pytest.raises(InvalidInputError, match=r"treatment.*\b2\b.*41.*300"):
        core.fit_propensity(x, wrong)


@pytest.mark.parametrize("arm", [0, 1])
def test_fit_refuses_one_arm_alone(sample, arm):
    x, _ = sample
    with pytest.raises(InvalidInputError, match="treat"):
        core.fit_propensity(x, np.full(len(x), arm))


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_fit_refuses_a_sample_weight_that_weighs_nothing_sensible(sample, value):
    x, treatment = sample
    weight = np.ones(len(x))
    weight[5] = value
    with pytest.raises(InvalidInputError, match=r"sample_weight.*5"):
        core.fit_propensity(x, treatment, sample_weight=weight)


@pytest.mark.parametrize("penalty", [-0.1, np.nan, np.inf])
def test_fit_refuses_a_penalty_that_is_negative_or_not_finite(sample, penalty):
    with pytest.raises(InvalidInputError, match="penalty"):
        core.fit_propensity(*sample, penalty=penalty)


def test_fit_reports_separation(sample):
    x, _ = sample
    with pytest.raises(SeparationError):
        core.fit_propensity(x, x[:, 0] > 0.1)


def test_fit_keeps_a_finite_result_and_names_the_column_of_a_separated_level():
    x = np.repeat([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], 50, axis=0)
    treatment = np.tile([True, False], 100)
    assert len(core.fit_propensity(x, treatment).diverging) == 0
    fit = core.fit_propensity(x, treatment | (x[:, 1] == 1))
    assert fit.diverging.tolist() == [1]
    assert_allclose(fit.scores[x[:, 1] == 0], 0.5, atol=1e-8)
    assert_allclose(fit.scores[x[:, 1] == 1], 1.0, atol=1e-8)


def test_a_penalty_fits_separated_data(sample):
    x, _ = sample
    treatment = x[:, 0] > 0.1
    fit = core.fit_propensity(x, treatment, penalty=1.0)
    assert_allclose(
        fit.coefficients, reference.fit_logistic(x, treatment, penalty=1.0).coefficients, rtol=1e-8
    )


def test_predict_refuses_another_number_of_columns(sample):
    x, treatment = sample
    fit = core.fit_propensity(x, treatment)
    with pytest.raises(InvalidInputError, match=r"\b3 columns"):
        fit.predict(x[:, :3])


def test_a_row_of_weight_0_moves_nothing_wherever_it_lies(sample):
    x, treatment = sample
    weight = np.ones(len(x))
    weight[::7] = 0.0
    far = x.copy()
    far[::7] = 1e9
    there = weight > 0
    found, expected = (
        core.fit_propensity(far, treatment, sample_weight=weight),
        core.fit_propensity(x[there], treatment[there], sample_weight=weight[there]),
    )
    assert_allclose(found.coefficients, expected.coefficients, rtol=1e-9, atol=1e-12)
    assert len(found.aliased) == 0


def test_pivots_that_vanish_on_the_way_leave_no_column_out():
    # Weights over six orders of magnitude: in a late step the information of one column is all rounding.
    x = np.array([[1, 0], [1, 1], [-1, 1], [-2, 0], [0, 1], [2, 1]], dtype=float)
    treatment = np.array([1, 1, 1, 0, 0, 1], dtype=bool)
    weight = np.array([1.386e6, 1.712e11, 1.187e12, 1.14e11, 3.455e7, 7.375e11])
    fit = core.fit_propensity(x, treatment, sample_weight=weight)
    assert len(fit.aliased) == 0
    rest = weight * (treatment - fit.scores)
    gradient = np.r_[rest.sum(), x.T @ rest] / weight.sum()
    assert np.abs(gradient).max() < 1e-12
