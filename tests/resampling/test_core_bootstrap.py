"""core.bootstrap against the twin that copies rows and refits from zero, and what must always hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import designs
import reference
from propensity import core
from propensity.effects.estimators import IPW
from propensity.effects.matching_specification import NearestNeighbors
from propensity.errors import InvalidInputError, NoMatchesError, SeparationError
from strategies import lattice_samples

WEIGHTING = [IPW("ATE"), IPW("ATT"), IPW("ATC")]
EVERY_KIND = [
    *WEIGHTING,
    NearestNeighbors("ATT"),
    NearestNeighbors("ATC", n_neighbors=3),
    NearestNeighbors("ATT", n_neighbors=2, caliper=0.05),
    NearestNeighbors("ATC", caliper=0.02, on="logit"),
    NearestNeighbors("ATT", n_neighbors=5, on="logit"),
]
TUTORIAL = [IPW("ATE"), IPW("ATT"), NearestNeighbors("ATT")]


def continuous_sample(n, seed=0):
    """No two rows alike: x, treatment, outcome."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.normal(size=n), rng.normal(20, 5, size=n), rng.integers(0, 2, n)])
    treatment = rng.random(n) < reference.expit(0.8 * x[:, 0] + 0.05 * (x[:, 1] - 20) - 0.5 * x[:, 2] - 0.3)
    return x, treatment, x[:, 0] + treatment + rng.normal(size=n)


def tied_sample(n, seed=0):
    """Few distinct rows, many users at each: x, treatment, a 0/1 outcome."""
    rng = np.random.default_rng(seed)
    tier = rng.choice(3, size=n, p=[0.55, 0.3, 0.15])
    x = np.column_stack([tier == 1, tier == 2, rng.integers(0, 5, n) / 4]).astype(float)
    treatment = rng.random(n) < np.array([0.2, 0.35, 0.6])[tier]
    return x, treatment, (rng.random(n) < 0.3 + 0.2 * (tier == 2) + 0.1 * treatment).astype(float)


SAMPLES = {"continuous": continuous_sample(401), "tied": tied_sample(401)}


def assert_replicates_equal_the_twin(sample, estimators, *, n_reps, seed, penalty=0.0):
    """Both reckon the same: each replicate is a cold fit on copied rows, to 1e-9."""
    boot = core.bootstrap(*sample, estimators=estimators, n_reps=n_reps, seed=seed, penalty=penalty)
    for replicate in range(n_reps):
        twin = reference.bootstrap_replicate(
            *sample, estimators=estimators, seed=seed, replicate=replicate, penalty=penalty
        )
        assert_allclose(boot.replicates[replicate], twin, rtol=0, atol=1e-9, err_msg=f"replicate {replicate}")


# The twin's random numbers


def test_twin_generator_gives_the_published_numbers():
    # O'Neill's pcg-cpp, cm_setseq_dxsm_128_64(42, 54).
    published = [
        17331114245835578256,
        10267467544499227306,
        9726600296081716989,
        10165951391103677450,
        12131334649314727261,
        10134094537930450875,
    ]
    assert reference.pcg64_dxsm(42, 54, 6) == published
    assert_array_equal(reference.replicate_draws(42, 54, 6), np.array(published, dtype=np.uint64))


def test_twin_counts_add_up_to_the_rows():
    counts = reference.replicate_counts(seed=7, replicate=3, n_rows=1000)
    assert counts.shape == (1000,)
    assert counts.sum() == 1000
    assert 0.33 < (counts == 0).mean() < 0.41


# Against the twin


@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("name", SAMPLES)
def test_replicates_equal_cold_fits_on_copied_rows(name, penalty):
    assert_replicates_equal_the_twin(SAMPLES[name], EVERY_KIND, n_reps=8, seed=11, penalty=penalty)


def test_replicates_of_the_tutorials_users_equal_cold_fits_on_copied_rows():
    sample = [array[:3_000] for array in designs.arrays("opt_in_logs")]
    assert_replicates_equal_the_twin(
        sample, [*TUTORIAL, NearestNeighbors("ATT", n_neighbors=3)], n_reps=4, seed=7
    )


@pytest.mark.parametrize("penalty", [0.0, 2.0])
def test_replicates_of_many_cells_equal_cold_fits_on_copied_rows(penalty):
    x, treatment, outcome = (array[:6_000] for array in designs.arrays("opt_in_logs"))
    x = np.round(x, 3)
    assert 1_000 < len(np.unique(x, axis=0)) < 3_000
    estimators = [*EVERY_KIND, IPW("ATO"), IPW("ATM")]
    assert_replicates_equal_the_twin((x, treatment, outcome), estimators, n_reps=2, seed=8, penalty=penalty)


@pytest.mark.parametrize("penalty", [0.0, 2.0])
def test_replicates_of_many_rows_equal_cold_fits_on_copied_rows(penalty):
    estimators = [*EVERY_KIND, IPW("ATO"), IPW("ATM")]
    sample = continuous_sample(2_500)
    assert_replicates_equal_the_twin(sample, estimators, n_reps=2, seed=8, penalty=penalty)


def test_replicates_of_births_equal_cold_fits_on_copied_rows():
    sample = [array[::2] for array in designs.arrays("cattaneo2")]
    estimators = [*WEIGHTING, NearestNeighbors("ATT"), NearestNeighbors("ATT", n_neighbors=4, on="logit")]
    boot = core.bootstrap(*sample, estimators=estimators, n_reps=3, seed=1)
    for replicate in range(3):
        twin = reference.bootstrap_replicate(*sample, estimators=estimators, seed=1, replicate=replicate)
        # The outcome is in grams, thousands of them: 1e-9 of its size.
        assert_allclose(boot.replicates[replicate], twin, rtol=0, atol=1e-9 * 3400)


@settings(max_examples=40, deadline=None)
@given(lattice_samples(max_columns=2), st.integers(0, 2**64 - 1))
def test_penalized_replicates_of_a_small_sample_equal_the_twin(sample, seed):
    arrays = (sample.x, sample.treatment, sample.outcome)
    estimators = [IPW("ATE"), IPW("ATC"), NearestNeighbors("ATT", n_neighbors=2)]
    boot = core.bootstrap(*arrays, estimators=estimators, n_reps=3, seed=seed, penalty=1.0)
    for replicate in range(3):
        drawn = reference.replicate_counts(seed, replicate, len(sample.x), cells=reference.alike(*arrays)) > 0
        if len(set(sample.treatment[drawn])) < 2:
            assert np.isnan(boot.replicates[replicate]).all()
            continue
        twin = reference.bootstrap_replicate(
            *arrays, estimators=estimators, seed=seed, replicate=replicate, penalty=1.0
        )
        assert_allclose(boot.replicates[replicate], twin, rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", [0, 1, 2**32, 2**64 - 1])
def test_seeds_of_any_size_give_the_twins_replicates(seed):
    assert_replicates_equal_the_twin(SAMPLES["tied"], [IPW("ATE")], n_reps=3, seed=seed)


def test_estimates_are_those_of_the_functions_on_the_full_sample():
    x, treatment, outcome = SAMPLES["continuous"]
    boot = core.bootstrap(x, treatment, outcome, estimators=EVERY_KIND, n_reps=2, penalty=0.5)
    expected = [reference.estimate(spec, x, treatment, outcome, penalty=0.5) for spec in EVERY_KIND]
    assert_allclose(boot.estimates, expected, rtol=0, atol=1e-10)
    scores = core.fit_propensity(x, treatment, penalty=0.5).scores
    for k, spec in enumerate(WEIGHTING):
        effect = core.ipw(outcome, treatment, scores, estimand=spec.estimand)
        assert boot.estimates[k] == pytest.approx(effect.estimate, abs=1e-13)


# The tutorial's intervals


@pytest.fixture(scope="module")
def tutorial_boot():
    return core.bootstrap(*designs.arrays("opt_in_logs"), estimators=TUTORIAL, n_reps=1_000, seed=7)


def test_tutorial_estimates(tutorial_boot):
    assert_allclose(tutorial_boot.estimates, [0.0847998203, 0.0766657807, 0.0797047097], atol=1e-8)
    assert not tutorial_boot.n_failed.any()


@pytest.mark.parametrize(
    ("label", "interval", "tolerance"),
    [
        ("IPW ATE", [0.0745, 0.0954], 0.0015),
        ("IPW ATT", [0.0687, 0.0865], 0.0015),
        ("1-NN ATT", [0.066, 0.0925], 0.002),
    ],
)
def test_tutorial_percentile_intervals(tutorial_boot, label, interval, tolerance):
    column = [spec.label for spec in TUTORIAL].index(label)
    found = np.percentile(tutorial_boot.replicates[:500, column], [2.5, 97.5])
    assert_allclose(found, interval, atol=tolerance)


def test_tutorial_standard_deviations(tutorial_boot):
    assert_allclose(tutorial_boot.replicates.std(axis=0, ddof=1), [0.0056, 0.0048, 0.0063], rtol=0.06)


# Streams


@pytest.mark.parametrize("name", SAMPLES)
def test_replicates_are_the_same_to_the_last_bit_for_any_number_of_threads(name):
    one = core.bootstrap(*SAMPLES[name], estimators=EVERY_KIND, n_reps=60, seed=3, n_threads=1)
    for n_threads in (2, 3, 4, 7, None):
        other = core.bootstrap(*SAMPLES[name], estimators=EVERY_KIND, n_reps=60, seed=3, n_threads=n_threads)
        assert_array_equal(other.replicates, one.replicates)
        assert_array_equal(other.estimates, one.estimates)


def test_tutorial_replicates_are_the_same_to_the_last_bit_for_any_number_of_threads(tutorial_boot):
    for n_threads in (1, 2, 3, 4, 7):
        few = core.bootstrap(
            *designs.arrays("opt_in_logs"), estimators=TUTORIAL, n_reps=23, seed=7, n_threads=n_threads
        )
        assert_array_equal(few.replicates, tutorial_boot.replicates[:23])


@pytest.mark.parametrize("name", SAMPLES)
def test_the_first_replicates_do_not_depend_on_how_many_follow(name):
    few, many = (
        core.bootstrap(*SAMPLES[name], estimators=EVERY_KIND, n_reps=n_reps, seed=5) for n_reps in (100, 500)
    )
    assert_array_equal(many.replicates[:100], few.replicates)


def test_replicates_do_not_depend_on_which_estimators_stand_beside():
    together = core.bootstrap(*SAMPLES["tied"], estimators=EVERY_KIND, n_reps=20, seed=5)
    for k, spec in enumerate(EVERY_KIND):
        alone = core.bootstrap(*SAMPLES["tied"], estimators=[spec], n_reps=20, seed=5)
        assert_allclose(alone.replicates[:, 0], together.replicates[:, k], rtol=0, atol=1e-12)


def test_replicates_of_another_seed_are_other_draws():
    first, again, other = (
        core.bootstrap(*SAMPLES["continuous"], estimators=[IPW("ATE")], n_reps=50, seed=s) for s in (5, 5, 6)
    )
    assert_array_equal(first.replicates, again.replicates)
    assert len(np.intersect1d(first.replicates, other.replicates)) == 0
    assert len(np.unique(first.replicates)) == 50


def test_replicates_have_a_row_a_replicate_and_a_column_an_estimator():
    boot = core.bootstrap(*SAMPLES["continuous"], estimators=EVERY_KIND, n_reps=5)
    assert boot.replicates.shape == (5, len(EVERY_KIND))
    assert boot.replicates.dtype == np.float64
    assert boot.estimates.shape == (len(EVERY_KIND),)
    assert not boot.n_failed.any()


def test_replicates_of_swapped_arms_flip_the_sign():
    # A draw hangs on what a row holds. Where rows of both arms are alike in all else, arms that are swapped
    # may leave the very same table, and no draw could tell.
    x, treatment, outcome = SAMPLES["continuous"]
    boot = core.bootstrap(x, treatment, outcome, estimators=[IPW("ATT"), NearestNeighbors("ATC")], n_reps=20)
    mirrored = [IPW("ATC"), NearestNeighbors("ATT")]
    swapped = core.bootstrap(x, ~treatment, outcome, estimators=mirrored, n_reps=20)
    assert_allclose(swapped.replicates, -boot.replicates, rtol=0, atol=1e-9)


# Replicates that cannot be estimated


def rare_sample():
    """Six treated among 30, one 0/1 covariate: in many replicates some value of it has no treated."""
    x = np.tile([0.0, 1.0], 15)[:, None]
    treatment = np.zeros(30, dtype=bool)
    treatment[[0, 2, 4, 1, 3, 5]] = True
    return x, treatment, np.arange(30, dtype=float)


def estimable(x, treatment, outcome, seed, n_reps):
    """Per replicate: do both arms occur at some value of x that is drawn? Else x foretells all treatments."""
    cells = 2 * x[:, 0].astype(int) + treatment
    alike = reference.alike(x, treatment, outcome)
    drawn = [set(cells[reference.replicate_counts(seed, r, len(x), cells=alike) > 0]) for r in range(n_reps)]
    return np.array([{0, 1} <= cells or {2, 3} <= cells for cells in drawn])


def saturated_ate(x, treatment, outcome, rows):
    """Weigh rows by the share of the treated at their value of x; where it is 0 or 1, by 1."""
    x, treatment, outcome = x[rows, 0], treatment[rows], outcome[rows]
    share = np.array([treatment[x == value].mean() for value in x])
    weight = 1 / np.where(treatment, share, 1 - share)
    treated, control = (
        np.average(outcome[treatment == arm], weights=weight[treatment == arm]) for arm in (1, 0)
    )
    return treated - control


def test_failed_replicates_are_exactly_those_whose_treatment_is_foretold_and_are_counted():
    x = np.array([0.0, 0, 0, 0, 1, 1, 1, 1])[:, None]
    sample = (x, np.array([1, 0, 0, 0, 1, 1, 1, 0]) == 1, np.arange(8.0))
    boot = core.bootstrap(*sample, estimators=[IPW("ATE"), NearestNeighbors("ATT")], n_reps=300, seed=2)
    possible = estimable(*sample, seed=2, n_reps=300)
    assert 10 < (~possible).sum() < 100
    assert_array_equal(np.isnan(boot.replicates), np.column_stack([~possible, ~possible]))
    assert_array_equal(boot.n_failed, 2 * [(~possible).sum()])


def test_replicates_with_a_value_of_one_arm_alone_weigh_its_rows_by_1():
    sample = rare_sample()
    boot = core.bootstrap(*sample, estimators=[IPW("ATE")], n_reps=60, seed=2)
    alike = reference.alike(*sample)
    for replicate in np.flatnonzero(estimable(*sample, seed=2, n_reps=60)):
        rows = np.repeat(np.arange(30), reference.replicate_counts(2, replicate, 30, cells=alike))
        # Newton's method stops where the gradient is small: scores are then some 1e-10 away from 0.
        assert boot.replicates[replicate, 0] == pytest.approx(saturated_ate(*sample, rows), abs=1e-6)


def test_a_penalty_estimates_separated_replicates_all_the_same():
    x, treatment, outcome = rare_sample()
    boot = core.bootstrap(x, treatment, outcome, estimators=[IPW("ATE")], n_reps=300, seed=2, penalty=1.0)
    alike = reference.alike(x, treatment, outcome)
    both_arms = [
        len(set(treatment[reference.replicate_counts(2, r, 30, cells=alike) > 0])) == 2 for r in range(300)
    ]
    assert_array_equal(~np.isnan(boot.replicates[:, 0]), both_arms)


def test_a_replicate_without_matches_fails_for_that_estimator_alone():
    rng = np.random.default_rng(12)
    x = rng.normal(size=(12, 1))
    treatment = np.arange(12) % 2 == 0
    estimators = [IPW("ATE"), NearestNeighbors("ATT", caliper=0.02)]
    sample = (x, treatment, x[:, 0])
    boot = core.bootstrap(*sample, estimators=estimators, n_reps=200, seed=4, penalty=1.0)
    missing = np.isnan(boot.replicates)
    assert missing[:, 1].sum() > missing[:, 0].sum()
    assert_array_equal(boot.n_failed, missing.sum(axis=0))
    for replicate in np.flatnonzero(~missing[:, 0])[:40]:
        twin = reference.bootstrap_replicate(
            *sample, estimators=estimators, seed=4, replicate=replicate, penalty=1.0
        )
        assert (twin[1] is None) == missing[replicate, 1]


def test_bootstrap_of_separated_data_is_an_error():
    x, _, outcome = SAMPLES["continuous"]
    with pytest.raises(SeparationError):
        core.bootstrap(x, x[:, 0] > 0, outcome, estimators=[IPW("ATE")], n_reps=5)


def test_bootstrap_of_which_every_replicate_failed_is_an_error():
    x, treatment = np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([0, 1, 0, 1])
    seed = next(s for s in range(1000) if not estimable(x, treatment, np.arange(4.0), seed=s, n_reps=2).any())
    with pytest.raises(InvalidInputError, match="2 replicates"):
        core.bootstrap(x, treatment, np.arange(4.0), estimators=[IPW("ATE")], n_reps=2, seed=seed)


def test_bootstrap_without_any_match_on_the_full_sample_is_an_error():
    x = np.array([[0.0], [0.1], [5.0], [5.1], [0.2], [4.9]])
    treatment = np.array([0, 0, 1, 1, 0, 1])
    with pytest.raises(NoMatchesError):
        core.bootstrap(
            x,
            treatment,
            np.arange(6.0),
            estimators=[NearestNeighbors("ATT", caliper=0.001)],
            n_reps=5,
            penalty=1.0,
        )


# Progress


@pytest.mark.parametrize("n_threads", [1, 3])
def test_progress_rises_to_the_number_of_replicates(n_threads):
    done = []
    core.bootstrap(
        *SAMPLES["tied"], estimators=TUTORIAL, n_reps=800, n_threads=n_threads, progress=done.append
    )
    assert done == sorted(done)
    assert done[-1] == 800


def test_progress_changes_no_number():
    watched, plain = (
        core.bootstrap(*SAMPLES["tied"], estimators=TUTORIAL, n_reps=50, progress=progress)
        for progress in ([].append, None)
    )
    assert_array_equal(watched.replicates, plain.replicates)


def test_an_exception_in_progress_ends_the_bootstrap():
    def fail(done):
        raise RuntimeError("the bar broke")

    with pytest.raises(RuntimeError, match="the bar broke"):
        core.bootstrap(*SAMPLES["tied"], estimators=TUTORIAL, n_reps=500, progress=fail)


# Errors


def test_bootstrap_refuses_arrays_of_unequal_length():
    sample = SAMPLES["continuous"]
    for short in range(3):
        arrays = [a[:-1] if i == short else a for i, a in enumerate(sample)]
        with pytest.raises(InvalidInputError, match=r"401.*400|400.*401"):
            core.bootstrap(*arrays, estimators=WEIGHTING, n_reps=2)


def test_bootstrap_names_the_column_and_the_rows_that_are_missing():
    x, treatment, outcome = SAMPLES["continuous"]
    x = x.copy()
    x[[3, 44], 1] = np.nan
    with pytest.raises(InvalidInputError, match=r"column 1\b.*\b2\b.*3.*44"):
        core.bootstrap(x, treatment, outcome, estimators=WEIGHTING, n_reps=2)


def test_bootstrap_refuses_an_outcome_that_is_missing():
    x, treatment, outcome = SAMPLES["continuous"]
    outcome = outcome.copy()
    outcome[[3, 44]] = np.nan
    with pytest.raises(InvalidInputError, match=r"outcome.*3.*44"):
        core.bootstrap(x, treatment, outcome, estimators=WEIGHTING, n_reps=2)


def test_bootstrap_refuses_a_treatment_that_is_not_0_or_1():
    x, treatment, outcome = SAMPLES["continuous"]
    with pytest.raises(InvalidInputError, match="treatment"):
        core.bootstrap(x, treatment + 1, outcome, estimators=WEIGHTING, n_reps=2)


@pytest.mark.parametrize("arm", [0, 1])
def test_bootstrap_refuses_one_arm_alone(arm):
    x, treatment, outcome = SAMPLES["continuous"]
    with pytest.raises(InvalidInputError, match="treat"):
        core.bootstrap(x, np.full(len(treatment), arm), outcome, estimators=WEIGHTING, n_reps=2)


@pytest.mark.parametrize("n_reps", [0, -1])
def test_bootstrap_refuses_no_replicates(n_reps):
    with pytest.raises(InvalidInputError, match="n_reps"):
        core.bootstrap(*SAMPLES["continuous"], estimators=WEIGHTING, n_reps=n_reps)


@pytest.mark.parametrize("n_threads", [0, -2])
def test_bootstrap_refuses_no_threads(n_threads):
    with pytest.raises(InvalidInputError, match="n_threads"):
        core.bootstrap(*SAMPLES["continuous"], estimators=WEIGHTING, n_reps=2, n_threads=n_threads)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_bootstrap_refuses_a_seed_out_of_range(seed):
    with pytest.raises((InvalidInputError, OverflowError)):
        core.bootstrap(*SAMPLES["continuous"], estimators=WEIGHTING, n_reps=2, seed=seed)


def test_bootstrap_refuses_no_estimators():
    with pytest.raises(InvalidInputError, match="estimators"):
        core.bootstrap(*SAMPLES["continuous"], estimators=[], n_reps=2)


@pytest.mark.parametrize("wrong", ["IPW ATE", 3, None])
def test_bootstrap_refuses_what_is_no_estimator(wrong):
    with pytest.raises((TypeError, InvalidInputError)):
        core.bootstrap(*SAMPLES["continuous"], estimators=[wrong], n_reps=2)
