"""core.match_nn in every space, with every limit, against the twin that looks at every pair."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import reference_pairs as twin
from propensity import NearestNeighbors, core
from propensity.errors import InvalidInputError, NoMatchesError

ON = ["score", "logit", "mahalanobis", "robust_mahalanobis", "euclidean"]
ORDERS = ["largest", "smallest", "closest", "random", "data"]
QUICK = settings(max_examples=200, deadline=None)


@st.composite
def small_rows(draw):
    """Up to 20 rows on few places, so that nearly everything ties."""
    n = draw(st.integers(4, 20))
    parts = draw(st.sampled_from([6, 10, 16]))

    def column(low, high):
        return np.array(draw(st.lists(st.integers(low, high), min_size=n, max_size=n)))

    treated = column(0, 1).astype(bool)
    treated[:4] = [True, False, True, False]
    return twin.Rows(
        treated=treated,
        scores=column(1, parts - 1) / parts,
        x=np.column_stack([column(-2, 2), column(0, 3)]).astype(float),
        exact=column(0, 1),
        ids=np.array(draw(st.permutations(range(100, 100 + n)))),
    )


options = st.builds(
    twin.Options,
    estimand=st.sampled_from(["ATT", "ATC"]),
    n_neighbors=st.integers(1, 3),
    replace=st.booleans(),
    order=st.sampled_from(ORDERS),
    on=st.sampled_from(ON),
    caliper=st.sampled_from([None, 0.3, 1.0]),
    calipers=st.sampled_from([{}, {0: 0.7}, {0: 1.0, 1: 0.4}]),
    caliper_unit=st.sampled_from(["sd", "raw"]),
    caliper_sd=st.sampled_from(["all", "pooled"]),
    use_exact=st.booleans(),
    discard=st.sampled_from([None, "treated", "control", "both"]),
    seed=st.integers(0, 3),
)


def matched(rows, options, **more):
    words = asdict(options)
    use_exact, calipers = words.pop("use_exact"), words.pop("calipers")
    return core.match_nn(
        rows.scores,
        rows.treated,
        covariates=None if options.on in ("score", "logit") else rows.x,
        exact=rows.exact if use_exact else None,
        calipers=[(np.ascontiguousarray(rows.x[:, k]), width) for k, width in calipers.items()],
        ids=rows.ids,
        **words,
        **more,
    )


def enough_donors(rows, options):
    """Whether there are as many donors as neighbours asked for; fewer are refused."""
    focal = {"ATT": [True], "ATC": [False], "ATE": [True, False]}[options.estimand]
    return all((rows.treated != arm).sum() >= options.n_neighbors for arm in focal)


def has_deviations(rows, options):
    """Whether each arm has the two rows that a standard deviation within it takes, or none is needed."""
    if options.caliper_unit == "raw" or options.caliper_sd == "all":
        return True
    kept = rows.treated[twin.kept(rows, options.discard)]
    return not (options.calipers or options.caliper) or 1 not in (kept.sum(), (~kept).sum())


def donors_of(matches):
    ranges = zip(matches.focal.tolist(), matches.first, matches.last, strict=True)
    return {row: set(matches.donors[first:last].tolist()) for row, first, last in ranges}


def assert_equals_the_twin(rows, options):
    expected = twin.match(rows, options)
    if not expected:
        with pytest.raises(NoMatchesError):
            matched(rows, options)
        return
    matches = matched(rows, options)
    assert donors_of(matches) == expected
    assert_allclose(matches.weights, twin.weights(len(rows.scores), expected), rtol=1e-12)
    assert matches.n_pairs == sum(map(len, expected.values()))
    distance = twin.distances(rows, options.on)
    farthest = max(distance[row, list(donors)].max() for row, donors in expected.items())
    assert matches.max_distance == pytest.approx(farthest, rel=1e-9, abs=1e-9)
    allowed = twin.admissible(rows, options)
    assert all(allowed[row, list(donors)].all() for row, donors in donors_of(matches).items())


@QUICK
@given(small_rows(), options)
def test_match_nn_equals_the_twin_that_looks_at_every_pair(rows, options):
    donors = twin.kept(rows, options.discard) & (rows.treated != (options.estimand == "ATT"))
    assume(not options.replace or options.n_neighbors <= donors.sum())  # or it is refused
    assume(enough_donors(rows, options) and has_deviations(rows, options))
    assert_equals_the_twin(rows, options)


def test_a_standard_deviation_within_an_arm_of_one_row_is_refused():
    treated, scores = np.array([True, True, False, False]), np.array([0.5, 0.9, 0.4, 0.6])
    with pytest.raises(InvalidInputError, match="in raw units where a single row of an arm is left"):
        core.match_nn(scores, treated, caliper=0.2, caliper_sd="pooled", discard="treated")
    assert core.match_nn(scores, treated, caliper=2.0, discard="treated").n_matched == 1


@QUICK
@given(small_rows(), options, st.sampled_from(["ATT", "ATE"]), st.integers(2, 3))
def test_limited_reuse_equals_the_twin(rows, options, estimand, max_reuse):
    assume(enough_donors(rows, replace(options, estimand=estimand)) and has_deviations(rows, options))
    assert_equals_the_twin(rows, replace(options, replace=True, max_reuse=max_reuse, estimand=estimand))


@QUICK
@given(small_rows(), options, st.randoms(use_true_random=False))
def test_matches_belong_to_ids_whatever_the_order_of_the_rows(rows, options, random):
    order = list(range(len(rows.scores)))
    random.shuffle(order)
    shuffled = twin.Rows(*(getattr(rows, name)[order] for name in ("treated", "scores", "x", "exact", "ids")))
    options = replace(options, order="random" if options.order == "data" else options.order, replace=False)
    assume(enough_donors(rows, options) and has_deviations(rows, options))
    try:
        before, after = (
            {
                r.ids[row]: set(r.ids[list(donors)].tolist())
                for row, donors in donors_of(matched(r, options)).items()
            }
            for r in (rows, shuffled)
        )
    except NoMatchesError:
        return
    assert before == after


@pytest.mark.parametrize("on", ["score", "logit"])
def test_general_search_finds_what_the_sorted_walk_finds(on):
    rng = np.random.default_rng(8)
    scores = rng.beta(2, 3, 3000).round(3).clip(0.001, 0.999)
    treated = rng.random(3000) < scores
    for estimand in ("ATT", "ATC", "ATE"):
        quick = core.match_nn(scores, treated, on=on, estimand=estimand, n_neighbors=3, caliper=0.01)
        everybody = np.zeros(3000, dtype=int)
        slow = core.match_nn(
            scores, treated, on=on, estimand=estimand, n_neighbors=3, caliper=0.01, exact=everybody
        )
        assert donors_of(quick) == donors_of(slow)
        assert_allclose(quick.weights, slow.weights, rtol=1e-12)


@pytest.mark.parametrize("order", ORDERS)
def test_no_donor_serves_twice_without_replacement(order):
    rng = np.random.default_rng(1)
    scores = rng.beta(2, 3, 4000)
    treated = rng.random(4000) < scores
    matches = core.match_nn(scores, treated, replace=False, n_neighbors=2, order=order, estimand="ATC")
    assert len(np.unique(matches.donors)) == len(matches.donors)
    assert matches.n_matched + matches.n_unmatched == (~treated).sum()
    # Two rounds: nobody has a second donor unless all that are matched have a first.
    assert matches.n_matched == min((~treated).sum(), treated.sum())


def test_everybody_gets_a_first_before_anybody_gets_a_second():
    scores = np.array([0.9, 0.8, 0.79, 0.78, 0.1])
    treated = np.array([True, True, False, False, False])
    matches = core.match_nn(scores, treated, replace=False, n_neighbors=2)
    assert donors_of(matches) == {0: {2, 4}, 1: {3}}
    assert_allclose(matches.weights, [1, 1, 0.5, 1, 0.5])


def test_sample_weight_goes_from_focal_rows_to_their_donors_and_changes_no_pair():
    rng = np.random.default_rng(2)
    scores, weight = rng.beta(2, 3, 300), rng.random(300)
    treated = rng.random(300) < scores
    plain, weighed = (core.match_nn(scores, treated, sample_weight=w) for w in (None, weight))
    assert_array_equal(plain.donors, weighed.donors)
    expected = np.where(treated, weight, 0.0)
    for row, donors in donors_of(weighed).items():
        expected[list(donors)] += weight[row] / len(donors)  # scores are all different: one donor each
    assert_allclose(weighed.weights, expected)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"replace": False, "max_reuse": 2}, "max_reuse must be left out with replace=False"),
        ({"max_reuse": 0}, "max_reuse must be a whole number of at least 1"),
        ({"order": "first"}, "order must be"),
        ({"on": "cosine"}, "on must be"),
        ({"on": "mahalanobis"}, "covariates must be given"),
        ({"covariates": np.ones((6, 1))}, "covariates must be given for the distances"),
        ({"caliper_unit": "mm", "caliper": 1.0}, "caliper_unit must be"),
        ({"caliper_sd": "treated", "caliper": 1.0}, "caliper_sd must be"),
        ({"calipers": [(np.ones(6), -1.0)]}, "caliper must be a number > 0"),
        ({"calipers": [(np.ones(5), 1.0)]}, "calipers has 5 rows where 6 are expected"),
        ({"exact": np.ones(5, dtype=int)}, "exact has 5 rows where 6 are expected"),
        ({"discard": "all"}, "discard must be"),
        ({"estimand": "ATE", "replace": False}, "estimand must be"),
        ({"sample_weight": -np.ones(6)}, "sample_weight: 6 values outside"),
    ],
)
def test_match_nn_explains_what_it_cannot_use(words, message):
    scores, treated = np.linspace(0.2, 0.7, 6), np.array([True, False] * 3)
    with pytest.raises(InvalidInputError, match=message):
        core.match_nn(scores, treated, **words)


SPECIFICATIONS = [
    NearestNeighbors("ATC", n_neighbors=2, caliper=0.5),
    NearestNeighbors(replace=False, order="closest", on="logit", seed=3),
    NearestNeighbors(replace=False, method="optimal", discard="both", caliper=1.0, caliper_sd="pooled"),
    NearestNeighbors(max_reuse=2, order="random", caliper=0.1, caliper_unit="raw"),
]


@pytest.mark.parametrize("spec", SPECIFICATIONS, ids=lambda spec: spec.label)
def test_match_nn_takes_a_specification_for_its_options(spec):
    rng = np.random.default_rng(4)
    scores = rng.beta(2, 3, 300)
    treated = rng.random(300) < scores
    of_frames = ("covariates", "exact", "score_model", "n_folds", "n_repeats", "variance_neighbors")
    words = {name: value for name, value in asdict(spec).items() if name not in of_frames}
    exact = np.arange(300) % 2
    one = core.match_nn(scores, treated, exact=exact, **words)
    other = core.match_nn(scores, treated, exact=exact, spec=spec)
    for name in ("weights", "focal", "donors", "first", "last"):
        assert_array_equal(getattr(one, name), getattr(other, name))
    limits = {
        name: words[name] for name in ("on", "caliper", "caliper_unit", "caliper_sd", "discard", "seed")
    }
    one, other = core.match_full(scores, treated, **limits), core.match_full(scores, treated, spec=spec)
    assert_array_equal(one.subclass, other.subclass)


def test_match_nn_takes_options_from_a_specification_or_by_name_and_no_others():
    scores, treated = np.linspace(0.2, 0.7, 6), np.array([True, False] * 3)
    with pytest.raises(InvalidInputError, match="spec must be given without the options"):
        core.match_nn(scores, treated, spec=NearestNeighbors(), n_neighbors=2)
    with pytest.raises(TypeError, match="spec: 3 is no specification"):
        core.match_nn(scores, treated, spec=3)
    with pytest.raises(TypeError, match=r"match_nn\(\) got an unexpected keyword argument 'neighbors'"):
        core.match_nn(scores, treated, neighbors=2)
    with pytest.raises(TypeError, match="argument 'on'"):
        core.match_nn(scores, treated, on=3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'replace'"):
        core.match_full(scores, treated, replace=False)
    effect = core.matching_effect(scores, treated, scores, estimand="ATC", on="logit")
    again = core.matching_effect(scores, treated, scores, spec=NearestNeighbors("ATC", on="logit"))
    assert effect.estimate == again.estimate
    with pytest.raises(InvalidInputError, match="on must be"):
        core.matching_effect(scores, treated, scores, spec=NearestNeighbors(replace=False))


@QUICK
@given(small_rows(), st.booleans(), st.sampled_from(ON[2:]), st.integers(1, 3))
def test_outcome_variance_equals_the_twin(rows, use_exact, on, n_others):
    n_others = min(n_others, rows.treated.sum() - 1, (~rows.treated).sum() - 1)
    outcome = (rows.ids % 7).astype(float)
    places = core.match_nn(None, rows.treated, covariates=rows.x, on=on).coordinates
    exact = rows.exact if use_exact else None
    found = core.outcome_variance(
        outcome, rows.treated, places, exact=exact, variance_neighbors=int(n_others)
    )
    expected = twin.outcome_variance(outcome, rows.treated, twin.distances(rows, on), exact, n_others)
    assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
