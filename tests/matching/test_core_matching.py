"""core.match_nn against Stata, published estimates and the twin that looks at every pair."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import designs
import reference
from propensity import core
from propensity.errors import InvalidInputError, NoMatchesError
from strategies import scored_samples

PUBLISHED = json.loads((Path(__file__).parents[1] / "reference" / "published_estimates.json").read_text())[
    "values"
]
OTHER_SIDE = {"ATT": "ATC", "ATC": "ATT", "ATE": "ATE"}
QUICK = settings(max_examples=150, deadline=None)
options = st.fixed_dictionaries(
    {
        "estimand": st.sampled_from(["ATT", "ATC", "ATE"]),
        "n_neighbors": st.integers(1, 6),
        "caliper": st.sampled_from([None, 0.01, 0.13, 0.37, 1.03, 10.0]),
        "on": st.sampled_from(["score", "logit"]),
    }
)


@pytest.fixture
def sample():
    """Scores and treatment of 500 rows, continuous, the arms truly drawn by the scores."""
    rng = np.random.default_rng(5)
    scores = rng.beta(2, 3, 500)
    return scores, rng.random(500) < scores


def effect_of(matches, outcome, treatment):
    """Mean over the matched focal rows of treated minus control, by the weights alone."""
    t = np.asarray(treatment, dtype=bool)
    return np.average(outcome[t], weights=matches.weights[t]) - np.average(
        outcome[~t], weights=matches.weights[~t]
    )


def donors_of(matches):
    """Give each matched focal row its set of donors."""
    ranges = zip(matches.first, matches.last, strict=True)
    sets = [frozenset(matches.donors[first:last].tolist()) for first, last in ranges]
    return dict(zip(matches.focal.tolist(), sets, strict=True))


def assert_equals_the_twin(scores, treatment, options):
    twin = reference.nearest_neighbors(scores, treatment, **options)
    matched = {row: (donors, distances) for row, donors, distances in twin if len(donors)}
    if not matched:
        with pytest.raises(NoMatchesError):
            core.match_nn(scores, treatment, **options)
        return
    matches = core.match_nn(scores, treatment, **options)
    assert donors_of(matches) == {row: frozenset(donors.tolist()) for row, (donors, _) in matched.items()}
    assert_array_equal(matches.focal, sorted(matched))
    assert_allclose(matches.weights, reference.matching_weights(len(scores), twin), rtol=1e-12)
    assert matches.n_matched == len(matched)
    assert matches.n_unmatched == len(twin) - len(matched)
    assert matches.n_pairs == sum(len(donors) for donors, _ in matched.values())
    largest = max(distances.max() for _, distances in matched.values())
    assert matches.max_distance == pytest.approx(largest, rel=1e-12, abs=1e-14)


# Against other software


@pytest.mark.parametrize("on", ["score", "logit"])
@pytest.mark.parametrize("n_neighbors", [1, 3, 5])
def test_matching_agrees_with_published_estimates(n_neighbors, on):
    x, treatment, outcome = designs.arrays("opt_in_logs")
    scores = core.fit_propensity(x, treatment).scores
    name = {"score": "ps.tie_tol_0", "logit": "logit.tie_tol_1e-10"}[on]
    published = PUBLISHED[f"A.nn_ATT_M{n_neighbors}.{name}"]
    matches = core.match_nn(scores, treatment, n_neighbors=n_neighbors, on=on)
    # The published numbers are sums over 50,000 scores fitted elsewhere: 1e-8 is what those digits carry.
    assert effect_of(matches, outcome, treatment) == pytest.approx(published["value"], abs=1e-8)


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_matching_gives_the_tutorials_number_whatever_the_penalty(penalty):
    x, treatment, outcome = designs.arrays("opt_in_logs")
    scores = core.fit_propensity(x, treatment, penalty=penalty).scores
    matches = core.match_nn(scores, treatment)
    assert effect_of(matches, outcome, treatment) == pytest.approx(0.0797047097, abs=1e-8)


def test_matching_of_the_tutorials_users_does_not_move_when_they_are_shuffled():
    x, treatment, outcome = designs.arrays("opt_in_logs")
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(x))
        scores = core.fit_propensity(x[order], treatment[order]).scores
        matches = core.match_nn(scores, treatment[order])
        effect = effect_of(matches, outcome[order], treatment[order])
        assert effect == pytest.approx(0.0797047097, abs=1e-8)


@pytest.mark.parametrize("n_neighbors", [1, 4])
def test_matching_both_ways_agrees_with_stata(n_neighbors):
    x, treatment, outcome = designs.arrays("cattaneo2")
    scores = core.fit_propensity(x, treatment).scores
    matches = core.match_nn(scores, treatment, estimand="ATE", n_neighbors=n_neighbors)
    ate = effect_of(matches, outcome, treatment)
    assert ate == pytest.approx(PUBLISHED[f"C.stata.psmatch.c2_ATE_M{n_neighbors}"]["value"], abs=1e-4)


def test_matching_within_a_caliper_agrees_with_stata():
    x, treatment, outcome = designs.arrays("cattaneo2")
    scores = core.fit_propensity(x, treatment).scores
    matches = core.match_nn(scores, treatment, caliper=0.03 / scores.std(ddof=1))
    assert matches.caliper_width == pytest.approx(0.03, rel=1e-12)
    published = PUBLISHED["C.stata.psmatch.c2_ATT_M1_iid_cal.03"]["value"]
    assert effect_of(matches, outcome, treatment) == pytest.approx(published, abs=1e-4)


# Against the twin


@pytest.mark.parametrize("on", ["score", "logit"])
@pytest.mark.parametrize("caliper", [None, 0.02, 0.2])
@pytest.mark.parametrize("n_neighbors", [1, 2, 5])
@pytest.mark.parametrize("estimand", ["ATT", "ATC", "ATE"])
def test_matching_equals_the_twin(sample, estimand, n_neighbors, caliper, on):
    options = {"estimand": estimand, "n_neighbors": n_neighbors, "caliper": caliper, "on": on}
    assert_equals_the_twin(*sample, options)


def enough_donors(sample, options):
    """The options with no more neighbors asked for than the other arm has."""
    treated = int(sample.treatment.sum())
    control = len(sample.treatment) - treated
    donors = {"ATT": control, "ATC": treated, "ATE": min(treated, control)}[options["estimand"]]
    return {**options, "n_neighbors": min(options["n_neighbors"], donors)}


@QUICK
@given(scored_samples(), options)
def test_matching_of_tied_scores_equals_the_twin(sample, options):
    scores, options = sample.x[:, 0], enough_donors(sample, options)
    assume(not _on_the_edge(scores, sample.treatment, options))
    assert_equals_the_twin(scores, sample.treatment, options)


def _on_the_edge(scores, treatment, options):
    """Whether a distance equals the caliper up to rounding, where either answer is right."""
    if options["caliper"] is None:
        return False
    quantity = reference.matched_quantity(scores, options["on"])
    width = reference.caliper_width(scores, caliper=options["caliper"], on=options["on"])
    distances = np.abs(np.subtract.outer(quantity[treatment], quantity[~treatment]))
    return bool((np.abs(distances - width) < 1e-9).any())


def test_matching_takes_distances_within_the_tolerance_as_tied():
    scores = np.array([0.5, 0.4, 0.6 + 4e-13, 0.6 + 3e-12])
    matches = core.match_nn(scores, np.array([1, 0, 0, 0]))
    assert donors_of(matches) == {0: {1, 2}}
    assert_allclose(matches.weights, [1.0, 0.5, 0.5, 0.0])


def test_matching_shares_the_weight_of_the_kth_neighbor_among_the_tied():
    scores = np.array([0.5, 0.45, 0.4, 0.6, 0.6])
    matches = core.match_nn(scores, np.array([1, 0, 0, 0, 0]), n_neighbors=2)
    assert donors_of(matches) == {0: {1, 2, 3, 4}}
    assert_allclose(matches.weights, [1.0, 0.25, 0.25, 0.25, 0.25])


def test_matching_uses_those_there_are_when_the_caliper_leaves_fewer_than_k():
    scores = np.array([0.5, 0.45, 0.3, 0.1, 0.9])
    matches = core.match_nn(scores, np.array([1, 0, 0, 0, 0]), n_neighbors=3, caliper=0.7)
    assert donors_of(matches) == {0: {1, 2}}
    assert_allclose(matches.weights, [1.0, 0.5, 0.5, 0.0, 0.0])


def test_matching_of_both_arms_is_that_of_either_together(sample):
    both, treated, control = (core.match_nn(*sample, estimand=e) for e in ("ATE", "ATT", "ATC"))
    assert donors_of(both) == donors_of(treated) | donors_of(control)
    assert_allclose(both.weights, treated.weights + control.weights, rtol=1e-14)
    n_controls = len(treated.donors)
    assert_array_equal(both.donors[:n_controls], treated.donors)
    assert_array_equal(both.donors[n_controls:], control.donors)


def test_matching_leaves_out_whom_the_caliper_leaves_alone():
    scores = np.array([0.5, 0.9, 0.49, 0.3])
    matches = core.match_nn(scores, np.array([1, 1, 0, 0]), caliper=0.1)
    assert_array_equal(matches.focal, [0])
    assert (matches.n_matched, matches.n_unmatched) == (1, 1)
    assert_allclose(matches.weights, [1, 0, 1, 0])
    assert matches.max_distance == pytest.approx(0.01)
    assert matches.caliper_width == pytest.approx(0.1 * scores.std(ddof=1), rel=1e-14)


def test_matching_without_a_caliper_says_infinity(sample):
    assert core.match_nn(*sample).caliper_width == np.inf


# What must always hold


@QUICK
@given(scored_samples(), options, st.randoms(use_true_random=False))
def test_matching_does_not_depend_on_the_order_of_rows(sample, options, random):
    options = {**enough_donors(sample, options), "caliper": None}
    scores, treatment = sample.x[:, 0], sample.treatment
    order = np.array(random.sample(range(len(scores)), len(scores)))
    matches = core.match_nn(scores, treatment, **options)
    shuffled = core.match_nn(scores[order], treatment[order], **options)
    named = {int(order[row]): frozenset(order[list(d)].tolist()) for row, d in donors_of(shuffled).items()}
    assert named == donors_of(matches)
    assert_allclose(shuffled.weights, matches.weights[order], rtol=1e-13)


@QUICK
@given(scored_samples(), options)
def test_matching_with_the_arms_swapped_is_the_other_estimand(sample, options):
    options = {**enough_donors(sample, options), "caliper": None}
    scores, treatment = sample.x[:, 0], sample.treatment
    matches = core.match_nn(scores, treatment, **options)
    swapped = core.match_nn(scores, ~treatment, **{**options, "estimand": OTHER_SIDE[options["estimand"]]})
    assert donors_of(swapped) == donors_of(matches)
    assert_allclose(swapped.weights, matches.weights, rtol=1e-14)
    effect = effect_of(matches, sample.outcome, treatment)
    assert effect_of(swapped, sample.outcome, ~treatment) == pytest.approx(-effect, abs=1e-12)


@QUICK
@given(scored_samples(), options)
def test_matching_weights_of_both_arms_add_up_to_the_matched(sample, options):
    options = {**enough_donors(sample, options), "caliper": None}
    matches = core.match_nn(sample.x[:, 0], sample.treatment, **options)
    assert matches.weights[sample.treatment].sum() == pytest.approx(matches.n_matched, rel=1e-12)
    assert matches.weights[~sample.treatment].sum() == pytest.approx(matches.n_matched, rel=1e-12)


def test_a_wider_caliper_never_unmatches_and_more_neighbors_never_drop_one(sample):
    n_matched = [core.match_nn(*sample, caliper=c).n_matched for c in (0.01, 0.05, 0.5, 3.0)]
    assert n_matched == sorted(n_matched)
    assert n_matched[0] < n_matched[-1]
    one, three = (donors_of(core.match_nn(*sample, n_neighbors=k)) for k in (1, 3))
    assert all(one[row] <= three[row] for row in one)


@pytest.mark.parametrize("n_threads", [2, 3, 7, None])
def test_matching_is_the_same_for_any_number_of_threads(n_threads):
    rng = np.random.default_rng(6)
    scores = np.round(rng.uniform(0.01, 0.99, 60_000), 4)
    treatment = rng.random(60_000) < scores
    one = core.match_nn(scores, treatment, n_neighbors=3, caliper=0.05, n_threads=1)
    other = core.match_nn(scores, treatment, n_neighbors=3, caliper=0.05, n_threads=n_threads)
    for name in ("weights", "focal", "donors", "first", "last"):
        assert_array_equal(getattr(other, name), getattr(one, name))


def test_matches_are_arrays_of_the_stated_types(sample):
    matches = core.match_nn(*sample)
    assert matches.weights.dtype == np.float64
    assert {matches.focal.dtype, matches.donors.dtype, matches.first.dtype, matches.last.dtype} == {
        np.dtype(np.int64)
    }
    assert (np.diff(matches.focal) > 0).all()
    assert (np.diff(sample[0][matches.donors]) >= 0).all()
    assert not sample[1][matches.donors].any()


# Errors


def test_matching_refuses_arrays_of_unequal_length(sample):
    scores, treatment = sample
    with pytest.raises(InvalidInputError, match=r"500.*499|499.*500"):
        core.match_nn(scores, treatment[:-1])


@pytest.mark.parametrize("value", [-0.1, 1.2, np.nan, np.inf])
def test_matching_refuses_a_score_that_is_no_probability(sample, value):
    sample[0][33] = value
    with pytest.raises(InvalidInputError, match=r"scores.*33"):
        core.match_nn(*sample)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_matching_on_the_logit_refuses_a_score_of_0_or_1(sample, value):
    sample[0][33] = value
    with pytest.raises(InvalidInputError, match=r"scores.*33"):
        core.match_nn(*sample, on="logit")


def test_matching_refuses_a_treatment_that_is_not_0_or_1(sample):
    scores, treatment = sample
    with pytest.raises(InvalidInputError, match="treatment"):
        core.match_nn(scores, treatment + 1)


@pytest.mark.parametrize("arm", [0, 1])
def test_matching_refuses_one_arm_alone(sample, arm):
    with pytest.raises(InvalidInputError, match="treat"):
        core.match_nn(sample[0], np.full(500, arm))


@pytest.mark.parametrize("n_neighbors", [0, -1])
def test_matching_refuses_no_neighbors(sample, n_neighbors):
    with pytest.raises(InvalidInputError, match="n_neighbors"):
        core.match_nn(*sample, n_neighbors=n_neighbors)


def test_matching_refuses_more_neighbors_than_there_are():
    with pytest.raises(InvalidInputError, match=r"n_neighbors.*3.*\b2\b"):
        core.match_nn(np.array([0.5, 0.45, 0.2]), np.array([1, 0, 0]), n_neighbors=3)


@pytest.mark.parametrize("caliper", [0.0, -0.2, np.nan])
def test_matching_refuses_a_caliper_that_is_not_positive(sample, caliper):
    with pytest.raises(InvalidInputError, match="caliper"):
        core.match_nn(*sample, caliper=caliper)


def test_matching_refuses_unknown_words_and_lists_the_known(sample):
    with pytest.raises(InvalidInputError, match=r"ATT.*ATC"):
        core.match_nn(*sample, estimand="ATX")
    with pytest.raises(InvalidInputError, match=r"score.*logit"):
        core.match_nn(*sample, on="probit")


def test_matching_reports_a_caliper_that_leaves_nobody():
    scores = np.array([0.2, 0.3, 0.7, 0.8])
    with pytest.raises(NoMatchesError, match="caliper"):
        core.match_nn(scores, np.array([0, 0, 1, 1]), caliper=0.01)
