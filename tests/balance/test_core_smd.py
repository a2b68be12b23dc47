"""core.smd against the twin, and what must always hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import designs
import reference
from propensity import core
from propensity.errors import InvalidInputError
from strategies import lattice_samples

DENOMINATORS = ["pooled", "treated", "control", "all"]
QUICK = settings(max_examples=100, deadline=None)


@pytest.fixture
def sample():
    """Continuous, binary, skewed and far-away columns: x, treatment, weights of 500 rows."""
    rng = np.random.default_rng(8)
    x = np.column_stack(
        [rng.normal(size=500), rng.integers(0, 2, 500), rng.exponential(9, 500), rng.normal(1e6, 1.0, 500)]
    )
    return x, rng.random(500) < reference.expit(x[:, 0] - x[:, 1]), rng.exponential(size=500)


@pytest.mark.parametrize("denominator", DENOMINATORS)
@pytest.mark.parametrize("weighted", [False, True])
def test_smd_equals_the_twin(sample, denominator, weighted):
    x, treatment, weights = sample
    weights = weights if weighted else None
    found = core.smd(x, treatment, weights=weights, denominator=denominator)
    twin = reference.smd(x, treatment, weights=weights, denominator=denominator)
    # The last column lies a million standard deviations off: 1e-9 there is its rounding.
    assert_allclose(found[:3], twin[:3], rtol=1e-12)
    assert_allclose(found[3], twin[3], atol=1e-9)


@QUICK
@given(lattice_samples(), st.sampled_from(DENOMINATORS), st.data())
def test_smd_of_a_small_sample_equals_the_twin(sample, denominator, data):
    n = len(sample.x)
    weights = np.array(data.draw(st.lists(st.integers(1, 4), min_size=n, max_size=n)), dtype=float)
    x = sample.x[:, (_spread(sample, denominator) > 0)]
    found = core.smd(x, sample.treatment, weights=weights, denominator=denominator)
    twin = reference.smd(x, sample.treatment, weights=weights, denominator=denominator)
    assert_allclose(found, twin, rtol=1e-11, atol=1e-13)


def _spread(sample, denominator):
    columns = sample.x.T
    return np.array([reference.standardizer(c, sample.treatment, denominator) for c in columns])


def test_smd_is_pooled_and_unweighted_unless_told(sample):
    x, treatment, _ = sample
    plain = core.smd(x, treatment)
    assert_array_equal(plain, core.smd(x, treatment, weights=np.ones(500), denominator="pooled"))


def test_smd_of_the_tutorials_users():
    x, treatment, _ = designs.arrays("opt_in_logs")
    heavy = 1 - x[:, 0] - x[:, 1]
    columns = np.column_stack([heavy, x[:, 2]])
    assert_allclose(core.smd(columns, treatment), [0.7416, -0.0317], atol=1e-4)
    scores = core.fit_propensity(x, treatment, penalty=1.0).scores
    weights = np.where(treatment == 1, 1 / scores, 1 / (1 - scores))
    assert_allclose(core.smd(columns, treatment, weights=weights), [0.0010, -0.0049], atol=1e-4)


@pytest.mark.parametrize("denominator", DENOMINATORS)
def test_smd_denominator_ignores_the_weights(sample, denominator):
    x, treatment, weights = sample
    found = core.smd(x, treatment, weights=weights, denominator=denominator)
    gap = np.average(x[treatment], axis=0, weights=weights[treatment]) - np.average(
        x[~treatment], axis=0, weights=weights[~treatment]
    )
    sd = [reference.standardizer(c, treatment, denominator) for c in x.T]
    assert_allclose(found[:3] * sd[:3], gap[:3], rtol=1e-11)


@QUICK
@given(lattice_samples(), st.sampled_from([0.5, 3.0, 1000.0]), st.integers(-50, 50))
def test_smd_does_not_depend_on_the_unit_of_a_column(sample, scale, shift):
    # Columns of three values or more, so that none turns from binary to not.
    x = sample.x + 3 * np.arange(len(sample.x))[:, None]
    assert_allclose(core.smd(scale * x + shift, sample.treatment), core.smd(x, sample.treatment), rtol=1e-9)


@QUICK
@given(lattice_samples(), st.sampled_from(["pooled", "all"]))
def test_smd_with_the_arms_swapped_flips_the_sign(sample, denominator):
    x = sample.x[:, (_spread(sample, denominator) > 0)]
    found = core.smd(x, sample.treatment, denominator=denominator)
    assert_allclose(core.smd(x, ~sample.treatment, denominator=denominator), -found, rtol=1e-11, atol=1e-13)


@QUICK
@given(lattice_samples(), st.randoms(use_true_random=False))
def test_smd_does_not_depend_on_the_order_of_rows(sample, random):
    order = random.sample(range(len(sample.x)), len(sample.x))
    x = sample.x[:, (_spread(sample, "pooled") > 0)]
    found = core.smd(x[order], sample.treatment[order])
    assert_allclose(found, core.smd(x, sample.treatment), rtol=1e-11, atol=1e-13)


def test_smd_does_not_depend_on_the_scale_of_the_weights(sample):
    x, treatment, weights = sample
    arm_by_arm = weights * np.where(treatment, 250.0, 0.004)
    found, expected = (core.smd(x[:, :3], treatment, weights=w) for w in (arm_by_arm, weights))
    assert_allclose(found, expected, rtol=1e-11)


def test_smd_leaves_rows_of_weight_0_out_of_the_means(sample):
    x, treatment, weights = sample
    weights[:200] = 0
    moved = x.copy()
    gap = [np.average(c[treatment], weights=weights[treatment]) for c in moved.T]
    found = core.smd(x, treatment, weights=weights, denominator="all")
    control = [np.average(c[~treatment], weights=weights[~treatment]) for c in x.T]
    sd = [reference.standardizer(c, treatment, "all") for c in x.T]
    assert_allclose(found[:3], ((np.array(gap) - control) / sd)[:3], rtol=1e-11)


@pytest.mark.parametrize("value", [0.0, 1.0, 7.0, 0.1, 1 / 3, 1e9 + 0.1])
@pytest.mark.parametrize("denominator", DENOMINATORS)
def test_smd_of_a_constant_column_is_zero(sample, value, denominator):
    _, treatment, weights = sample
    x = np.full((500, 1), value)
    assert_array_equal(core.smd(x, treatment, denominator=denominator), [0.0])
    assert_array_equal(core.smd(x, treatment, weights=weights, denominator=denominator), [0.0])


def test_smd_of_one_column_alone_is_the_same_as_among_others(sample):
    x, treatment, weights = sample
    together = core.smd(x, treatment, weights=weights)
    for j in range(4):
        assert_array_equal(core.smd(x[:, [j]], treatment, weights=weights), together[[j]])


@pytest.mark.parametrize("n_threads", [2, 3, 7, None])
def test_smd_is_the_same_for_any_number_of_threads(n_threads):
    rng = np.random.default_rng(9)
    x, treatment = rng.normal(size=(40_001, 5)), rng.random(40_001) < 0.3
    weights = rng.exponential(size=40_001)
    one = core.smd(x, treatment, weights=weights, n_threads=1)
    assert_array_equal(core.smd(x, treatment, weights=weights, n_threads=n_threads), one)


# Errors


def test_smd_refuses_arrays_of_unequal_length(sample):
    x, treatment, weights = sample
    with pytest.raises(InvalidInputError, match=r"500.*499|499.*500"):
        core.smd(x, treatment[:-1])
    with pytest.raises(InvalidInputError, match=r"500.*499|499.*500"):
        core.smd(x, treatment, weights=weights[:-1])


def test_smd_names_the_column_and_the_rows_that_are_missing(sample):
    x, treatment, _ = sample
    x[[3, 44], 1] = np.nan
    with pytest.raises(InvalidInputError, match=r"column 1\b.*\b2\b.*3.*44"):
        core.smd(x, treatment)


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_smd_refuses_a_weight_that_weighs_nothing_sensible(sample, value):
    x, treatment, weights = sample
    weights[5] = value
    with pytest.raises(InvalidInputError, match=r"weights.*5"):
        core.smd(x, treatment, weights=weights)


def test_smd_refuses_an_arm_without_weight(sample):
    x, treatment, weights = sample
    with pytest.raises(InvalidInputError, match="weight"):
        core.smd(x, treatment, weights=np.where(treatment, 0.0, weights))


def test_smd_refuses_a_treatment_that_is_not_0_or_1(sample):
    x, treatment, _ = sample
    with pytest.raises(InvalidInputError, match="treatment"):
        core.smd(x, treatment + 3)


@pytest.mark.parametrize("arm", [0, 1])
def test_smd_refuses_one_arm_alone(sample, arm):
    with pytest.raises(InvalidInputError, match="treat"):
        core.smd(sample[0], np.full(500, arm))


def test_smd_refuses_an_unknown_denominator_and_lists_the_known(sample):
    with pytest.raises(InvalidInputError, match=r"pooled.*treated.*control.*all"):
        core.smd(*sample[:2], denominator="sd")
