"""core.balance against the twin, and what must always hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import reference
from propensity import core
from propensity.errors import InvalidInputError
from strategies import lattice_samples

QUICK = settings(max_examples=100, deadline=None)
MEASURES = ["mean_treated", "mean_control", "smd", "variance_ratio", "ks", "ecdf_difference"]


def twin(x, treatment, weights, *, denominator="pooled", sample_weight=None):
    """Give the measures (d,) in one sample."""
    t = np.asarray(treatment, dtype=bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        gaps = [reference.distribution_gaps(c, t, weights) for c in x.T]
        return {
            "mean_treated": np.average(x[t], axis=0, weights=weights[t]),
            "mean_control": np.average(x[~t], axis=0, weights=weights[~t]),
            "smd": reference.smd(x, t, weights=weights, denominator=denominator, sample_weight=sample_weight),
            "variance_ratio": [reference.variance_ratio(c, t, weights) for c in x.T],
            "ks": [gap.max() for gap in gaps],
            "ecdf_difference": [gap.mean() for gap in gaps],
        }


def assert_equals_twin(x, treatment, weightings, rtol=1e-11, **options):
    found = core.balance(x, treatment, weights=weightings, **options)
    base = options.get("sample_weight")
    base = np.ones(len(x)) if base is None else base
    options.pop("n_threads", None)
    there = base > 0  # a row of sample weight 0 is not there: the twin never sees it
    if options.get("sample_weight") is not None:
        options["sample_weight"] = base[there]
    samples = [base, *(base * weights for weights in weightings)]
    x, treatment = x[there], np.asarray(treatment)[there]
    for sample, weights in enumerate(weights[there] for weights in samples):
        expected = twin(x, treatment, weights, **options)
        for measure in MEASURES:
            column = getattr(found, measure)[:, sample]
            assert_allclose(column, expected[measure], rtol=rtol, atol=1e-12, err_msg=measure)
        t = np.asarray(treatment, dtype=bool)
        assert_allclose(found.ess_treated[sample], reference.ess(weights[t]), rtol=1e-12)
        assert_allclose(found.ess_control[sample], reference.ess(weights[~t]), rtol=1e-12)


@pytest.fixture
def sample():
    """Every kind of column, x (2,000, 7), its treatment, and two weightings, of which one leaves rows out."""
    rng = np.random.default_rng(4)
    n = 2_000
    columns = [
        rng.normal(size=n),
        rng.integers(0, 2, n),
        rng.poisson(4, n),
        rng.integers(-300, 300, n),
        np.where(rng.random(n) < 0.7, 0, rng.lognormal(8, 1, n)),
        rng.normal(1e4, 1e-3, n).round(4),
        np.round(rng.normal(size=n), 2) * rng.choice([1e-300, 1e-5, 1.0], n),
    ]
    x = np.column_stack(columns).astype(float)
    treatment = rng.random(n) < reference.expit(x[:, 0] - x[:, 1])
    weightings = [rng.exponential(size=n), np.where(rng.random(n) < 0.5, 0.0, rng.random(n))]
    return x, treatment, weightings


@pytest.mark.parametrize("denominator", ["pooled", "treated", "control", "all"])
def test_balance_equals_the_twin(sample, denominator):
    x, treatment, weightings = sample
    near = [0, 1, 2, 3, 4, 6]
    assert_equals_twin(x[:, near], treatment, weightings, denominator=denominator)
    # A mean of ten million standard deviations: both lose as many digits of the spread.
    assert_equals_twin(x[:, [5]], treatment, weightings, rtol=1e-7, denominator=denominator)


@pytest.mark.parametrize("denominator", ["pooled", "treated", "control", "all"])
def test_balance_with_sample_weights_equals_the_twin(sample, denominator):
    x, treatment, weightings = sample
    base = np.random.default_rng(5).integers(0, 4, len(x)).astype(float)
    x = x[:, [0, 1, 2, 3, 4]]
    assert_equals_twin(x, treatment, weightings, denominator=denominator, sample_weight=base)
    for weights in (None, weightings[0]):
        found = core.smd(x, treatment, weights=weights, sample_weight=base, denominator=denominator)
        total = base if weights is None else base * weights
        expected = reference.smd(x, treatment, weights=total, sample_weight=base, denominator=denominator)
        assert_allclose(found, expected, rtol=1e-11, atol=1e-13)


@QUICK
@given(lattice_samples(), st.data())
def test_balance_of_a_small_sample_with_ties_equals_the_twin(sample, data):
    n, t = len(sample.x), sample.treatment
    weights = np.array(data.draw(st.lists(st.integers(0, 4), min_size=n, max_size=n)), dtype=float)
    weights[[np.flatnonzero(t)[0], np.flatnonzero(~t)[0]]] = 1.0
    x = 3 * sample.x  # -6 to 6 by 3: none is binary
    found = core.balance(x, t, weights=[weights])
    for s, w in enumerate([np.ones(n), weights]):
        expected = twin(x, t, w)
        for measure in ("mean_treated", "mean_control", "ks", "ecdf_difference"):
            assert_allclose(getattr(found, measure)[:, s], expected[measure], rtol=1e-12, atol=1e-14)
        for k, column in enumerate(x.T):
            check_variance_ratio(found.variance_ratio[k, s], column, t, w)


def check_variance_ratio(found, column, treatment, weights):
    """Give 0, infinity and NaN exactly where an arm has a single value, or a single row."""
    arms = [(column[a & (weights > 0)], weights[a & (weights > 0)]) for a in (treatment, ~treatment)]
    if np.ptp(column) == 0 or any(len(values) < 2 for values, _ in arms):
        assert np.isnan(found)
        return
    varies = [np.ptp(values) > 0 for values, _ in arms]
    if all(varies):
        treated, control = (reference.weighted_variance(*arm) for arm in arms)
        assert_allclose(found, treated / control, rtol=1e-10)
    else:
        expected = {(False, True): 0.0, (True, False): np.inf, (False, False): np.nan}
        assert_array_equal(found, expected[tuple(varies)])


@QUICK
@given(
    st.lists(
        st.floats(allow_nan=False, allow_infinity=False, min_value=-1e150, max_value=1e150),
        min_size=4,
        max_size=40,
    ),
    st.integers(300, 400),
    st.randoms(use_true_random=False),
)
def test_balance_sorts_whatever_floats_there_are(values, n_more, random):
    # More than 256 distinct values, so that they are sorted; many ties, and neighbours that differ by a bit.
    values = np.array(values)
    x = np.concatenate([values, values, np.nextafter(values, np.inf), np.linspace(-1, 1, n_more)])
    treatment = np.array([random.random() < 0.5 for _ in x])
    treatment[:2] = [True, False]
    weights = np.array([random.choice([0.0, 1.0, 2.5]) for _ in x])
    weights[:2] = 1.0
    found = core.balance(x[:, None], treatment, weights=[weights])
    for sample, w in enumerate([np.ones(len(x)), weights]):
        gaps = reference.distribution_gaps(x, treatment, w)
        assert_allclose(found.ks[0, sample], gaps.max(), rtol=1e-12)
        assert_allclose(found.ecdf_difference[0, sample], gaps.mean(), rtol=1e-12)


def test_balance_measures_do_not_depend_on_the_order_of_rows(sample):
    x, treatment, weightings = sample
    order = np.random.default_rng(1).permutation(len(x))
    found = core.balance(x[order], treatment[order], weights=[w[order] for w in weightings])
    expected = core.balance(x, treatment, weights=weightings)
    for measure in MEASURES:
        # The sixth column lies ten million standard deviations off.
        found_, expected_ = (np.delete(getattr(b, measure), 5, axis=0) for b in (found, expected))
        assert_allclose(found_, expected_, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n_threads", [2, 3, 7, None])
def test_balance_is_the_same_for_any_number_of_threads(n_threads):
    rng = np.random.default_rng(9)
    x, treatment = rng.normal(size=(40_001, 5)), rng.random(40_001) < 0.3
    weights = rng.exponential(size=40_001)
    one = core.balance(x, treatment, weights=[weights], n_threads=1)
    found = core.balance(x, treatment, weights=[weights], n_threads=n_threads)
    for measure in MEASURES:
        assert_array_equal(getattr(found, measure), getattr(one, measure))


@pytest.mark.parametrize("n_weightings", [0, 1, 3, 4, 5, 9])
def test_balance_of_many_weightings_is_that_of_each(sample, n_weightings):
    x, treatment, _ = sample
    weightings = np.random.default_rng(2).exponential(size=(len(x), n_weightings))
    found = core.balance(x, treatment, weights=weightings)
    assert found.ks.shape == (7, n_weightings + 1)
    for k in range(n_weightings):
        alone = core.balance(x, treatment, weights=[weightings[:, k]])
        for measure in [*MEASURES, "ess_treated", "ess_control"]:
            assert_array_equal(getattr(found, measure)[..., k + 1], getattr(alone, measure)[..., 1])


def test_smd_and_balance_agree_to_the_bit(sample):
    x, treatment, weightings = sample
    found = core.balance(x, treatment, weights=weightings)
    assert_array_equal(core.smd(x, treatment), found.smd[:, 0])
    for k, weights in enumerate(weightings):
        assert_array_equal(core.smd(x, treatment, weights=weights), found.smd[:, k + 1])


def test_weights_of_one_are_no_weights(sample):
    x, treatment, _ = sample
    found = core.balance(x, treatment, weights=[np.ones(len(x))], sample_weight=np.ones(len(x)))
    plain = core.balance(x, treatment)
    for measure in MEASURES:
        assert_array_equal(getattr(found, measure)[:, 0], getattr(plain, measure)[:, 0])
        assert_array_equal(getattr(found, measure)[:, 1], getattr(plain, measure)[:, 0])


def test_balance_of_a_constant_column(sample):
    _, treatment, weightings = sample
    found = core.balance(np.full((len(treatment), 1), 0.1), treatment, weights=weightings)
    for measure in ("smd", "ks", "ecdf_difference"):
        assert_array_equal(getattr(found, measure), np.zeros((1, 3)))
    assert np.isnan(found.variance_ratio).all()


def test_balance_of_an_arm_without_spread():
    x = np.array([[0.1, 0.1, 0.1, 0.3, 0.2, 0.1]]).T
    treatment = np.array([True, True, True, False, False, False])
    assert core.balance(x, treatment).variance_ratio[0, 0] == 0
    assert np.isposinf(core.balance(x, ~treatment).variance_ratio[0, 0])
    assert np.isneginf(core.balance(x, treatment, denominator="treated").smd[0, 0])


def test_ks_equals_scipys(sample):
    from scipy.stats import ks_2samp

    x, treatment, _ = sample
    found = core.balance(x, treatment)
    for k in (0, 2, 3, 4):
        expected = ks_2samp(x[treatment, k], x[~treatment, k]).statistic
        assert found.ks[k, 0] == pytest.approx(expected, abs=1e-14)


# Errors


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_balance_refuses_a_weight_that_weighs_nothing_sensible(sample, value):
    x, treatment, weightings = sample
    weightings[1][5] = value
    with pytest.raises(InvalidInputError, match=r"weights.*5"):
        core.balance(x, treatment, weights=weightings)


def test_balance_refuses_an_arm_without_weight(sample):
    x, treatment, weightings = sample
    with pytest.raises(InvalidInputError, match="treated rows weigh nothing"):
        core.balance(x, treatment, weights=[weightings[0], np.where(treatment, 0.0, 1.0)])


def test_balance_names_the_column_and_the_rows_that_are_missing(sample):
    x, treatment, _ = sample
    x[[3, 44], 1] = np.nan
    with pytest.raises(InvalidInputError, match=r"column 1\b.*\b2\b.*3.*44"):
        core.balance(x, treatment)


def test_balance_names_a_column_whose_squares_overflow(sample):
    x, treatment, _ = sample
    x[0, 2] = 1e200
    with pytest.raises(InvalidInputError, match=r"column 2: values so large.* squares"):
        core.balance(x, treatment)


def test_balance_refuses_weights_in_one_dimension(sample):
    x, treatment, weightings = sample
    with pytest.raises(InvalidInputError, match="list of arrays"):
        core.balance(x, treatment, weights=weightings[0])


def gaps_by_sorting(column, treatment, weights):
    """|F1 - F0| at each distinct value, from running sums: for as many rows as the twin has no time for."""
    order = np.argsort(column, kind="stable")
    last = np.append(np.diff(column[order]) > 0, True)
    arms = (np.where(arm, weights, 0.0)[order] for arm in (treatment, ~treatment))
    treated, control = ((np.cumsum(own) / own.sum())[last] for own in arms)
    return np.abs(treated - control)


@pytest.mark.parametrize("n_weightings", [0, 1, 2, 4])
def test_rows_beyond_a_cache_are_compared_like_others(n_weightings):
    """They go into bands of near values: some continuous, some that tie, some that crowd into one band."""
    rng = np.random.default_rng(12)
    n = 140_000
    z = rng.normal(size=n)
    x = np.column_stack([z, z.round(3), np.exp(6 * z), np.where(z < 2, z * 1e-9, z)])
    treatment = rng.random(n) < reference.expit(0.3 * z)
    weightings = [rng.exponential(size=n) * (rng.random(n) < 0.9) for _ in range(n_weightings)]
    found = core.balance(x, treatment, weights=weightings)
    for sample, weights in enumerate([np.ones(n), *weightings]):
        gaps = [gaps_by_sorting(column, treatment, weights) for column in x.T]
        assert_allclose(found.ks[:, sample], [gap.max() for gap in gaps], rtol=1e-9)
        assert_allclose(found.ecdf_difference[:, sample], [gap.mean() for gap in gaps], rtol=1e-9)
    singles = x.astype(np.float32)
    of_singles = core.balance(list(singles.T), treatment, weights=weightings)
    of_doubles = core.balance(singles.astype(np.float64), treatment, weights=weightings)
    for measure in MEASURES:
        assert_array_equal(getattr(of_singles, measure), getattr(of_doubles, measure), err_msg=measure)
