"""Optimal pairs and full matching over arrays: the least sum of distances, by SciPy's solvers."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize, sparse

from propensity import core
from propensity.errors import InvalidInputError, NoMatchesError

QUICK = settings(max_examples=150, deadline=None)


@st.composite
def samples(draw, max_rows=14):
    """Scores, and perhaps covariates, that are few fractions, so that distances tie; calipers and labels."""
    n, d = draw(st.integers(3, max_rows)), draw(st.integers(0, 2))
    parts = draw(st.sampled_from([4, 7, 10, 30]))
    scores = np.array(draw(st.lists(st.integers(1, parts - 1), min_size=n, max_size=n))) / parts
    treatment = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    treatment[:3] = [True, False, False]
    # Between two multiples of 1 / parts: no difference of scores is on the edge.
    caliper = draw(st.none() | st.sampled_from([0.55, 1.55, 2.55, 4.55]).map(lambda width: width / parts))
    options = {"caliper": caliper, "caliper_unit": "raw"}
    if draw(st.booleans()):
        options["exact"] = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    if d > 0:
        lattice = st.lists(st.integers(0, 3), min_size=n * d, max_size=n * d)
        covariates = np.array(draw(lattice), dtype=float).reshape(n, d)
        covariates[:3, 0] = [0, 1, 2]  # something differs within an arm
        options |= {"covariates": covariates, "on": "euclidean"}
    return scores, treatment, options


def places(scores, treatment, options):
    """What distances are between: the scores, or covariates over their standard deviations in the arms."""
    if "covariates" not in options:
        return scores[:, None]
    x, arms = options["covariates"], (treatment, ~treatment)
    squares = sum(((x[arm] - x[arm].mean(axis=0)) ** 2).sum(axis=0) for arm in arms)
    deviations = np.sqrt(squares / (len(x) - 2))
    return x[:, deviations > 0] / deviations[deviations > 0]


def distances_between(scores, treatment, options):
    """Distances of treated rows and controls, infinite where they may not be matched."""
    points = places(scores, treatment, options)
    gaps = np.sqrt(((points[treatment][:, None] - points[~treatment]) ** 2).sum(axis=2))
    if options.get("caliper") is not None:
        gaps[np.abs(scores[treatment][:, None] - scores[~treatment]) > options["caliper"]] = np.inf
    if "exact" in options:
        gaps[options["exact"][treatment][:, None] != options["exact"][~treatment]] = np.inf
    return gaps


def pair_up(scores, treatment, options, **more):
    """Optimal pairs as (focal row, donor), and the sum of their distances."""
    found = core.match_nn(scores, treatment, method="optimal", replace=False, **options, **more)
    focal = np.repeat(found.focal, found.last - found.first)
    points = places(scores, treatment, options)
    apart = np.sqrt(((points[focal] - points[found.donors]) ** 2).sum(axis=1))
    assert found.max_distance == pytest.approx(apart.max(), rel=1e-12)
    return list(zip(focal.tolist(), found.donors.tolist(), strict=True)), apart.sum()


def best_pairs(gaps, n_neighbors=1):
    """How many rows can have a partner, how many pairs there can be then, and the least sum of so many.

    A dummy column each lets rows do without, at a price: above all for the first copy of a row.
    """
    gaps = np.repeat(gaps, n_neighbors, axis=0)
    first = np.arange(len(gaps)) % n_neighbors == 0
    without = np.where(np.eye(len(gaps), dtype=bool), np.where(first, 1e6, 1e3)[:, None], np.inf)
    costs = np.hstack([gaps, without])
    rows, columns = optimize.linear_sum_assignment(costs)
    paired = columns < gaps.shape[1]
    return (paired & first[rows]).sum(), paired.sum(), gaps[rows[paired], columns[paired]].sum()


def best_cover(gaps):
    """The least sum of edges that touch every row with one: a linear program, whole in bipartite graphs."""
    treated, control = np.nonzero(np.isfinite(gaps))
    edges = np.arange(len(treated))
    ones = np.ones(len(edges))
    touch = sparse.vstack(
        [
            sparse.csr_array((ones, (treated, edges)), shape=(gaps.shape[0], len(edges))),
            sparse.csr_array((ones, (control, edges)), shape=(gaps.shape[1], len(edges))),
        ]
    ).tocsr()
    touch = touch[np.asarray(touch.sum(axis=1)).ravel() > 0]
    found = optimize.linprog(gaps[treated, control], A_ub=-touch, b_ub=-np.ones(touch.shape[0]))
    return found.fun


# Pairs


@QUICK
@given(samples(), st.sampled_from(["ATT", "ATC"]), st.integers(1, 3))
def test_optimal_pairs_have_the_least_sum(sample, estimand, n_neighbors):
    scores, treatment, options = sample
    assume((treatment != (estimand == "ATT")).sum() >= n_neighbors)  # or it is refused
    gaps = distances_between(*sample)
    matched, size, total = best_pairs(gaps.T if estimand == "ATC" else gaps, n_neighbors)
    more = {"estimand": estimand, "n_neighbors": n_neighbors}
    if size == 0:
        with pytest.raises(NoMatchesError, match="no unit has"):
            pair_up(scores, treatment, options, **more)
        return
    pairs, found = pair_up(scores, treatment, options, **more)
    assert (len({focal for focal, _ in pairs}), len(pairs)) == (matched, size)
    assert found == pytest.approx(total, abs=1e-9)
    focal, donors = np.array(pairs).T
    assert (treatment[focal] == (estimand == "ATT")).all()
    assert (treatment[donors] != treatment[focal]).all()
    assert np.bincount(donors).max() == 1
    assert np.bincount(focal).max() <= n_neighbors
    if options["caliper"] is not None:
        assert np.abs(scores[focal] - scores[donors]).max() <= options["caliper"]
    if "exact" in options:
        np.testing.assert_array_equal(options["exact"][focal], options["exact"][donors])


def many(n_rows, n_treated, ties):
    rng = np.random.default_rng(8)
    treatment = np.arange(n_rows) < n_treated
    scores = np.where(treatment, rng.beta(3, 2, n_rows), rng.beta(2, 3, n_rows))
    return np.clip(np.round(scores, ties), 0.001, 0.999), treatment


@pytest.mark.parametrize("caliper", [None, 0.3, 0.02, 0.004])
@pytest.mark.parametrize("ties", [3, 12])
@pytest.mark.parametrize(("n_treated", "n_neighbors"), [(350, 1), (500, 1), (150, 2), (250, 3), (500, 2)])
def test_optimal_pairs_of_many_rows_have_the_least_sum(caliper, ties, n_treated, n_neighbors):
    scores, treatment = many(900 if n_neighbors == 1 else 600, n_treated, ties)
    options = {"caliper": caliper and caliper + 1e-9, "caliper_unit": "raw"}
    matched, size, total = best_pairs(distances_between(scores, treatment, options), n_neighbors)
    pairs, found = pair_up(scores, treatment, options, n_neighbors=n_neighbors)
    assert (len({focal for focal, _ in pairs}), len(pairs)) == (matched, size)
    assert found == pytest.approx(total, rel=1e-9)


def in_space(n_rows, n_treated):
    rng = np.random.default_rng(9)
    treatment = np.arange(n_rows) < n_treated
    x = rng.normal(size=(n_rows, 3)) + 0.4 * treatment[:, None]
    scores = 1 / (1 + np.exp(1 - x.sum(axis=1)))
    return scores, treatment, {"covariates": x, "on": "euclidean"}


@pytest.mark.parametrize("caliper", [None, 0.2, 0.01])
@pytest.mark.parametrize(("n_treated", "n_neighbors"), [(250, 1), (60, 2), (90, 3), (160, 2)])
def test_optimal_pairs_in_space_have_the_least_sum(caliper, n_treated, n_neighbors):
    scores, treatment, options = in_space(600 if n_neighbors == 1 else 240, n_treated)
    options |= {"caliper": caliper, "caliper_unit": "raw"}
    matched, size, total = best_pairs(distances_between(scores, treatment, options), n_neighbors)
    pairs, found = pair_up(scores, treatment, options, n_neighbors=n_neighbors)
    assert (len({focal for focal, _ in pairs}), len(pairs)) == (matched, size)
    assert found == pytest.approx(total, rel=1e-9)


def among_five(n_rows, shift, steps):
    """Five covariates, three on a lattice; a fifth of the rows is treated, far off where `shift` is large."""
    rng = np.random.default_rng(11)
    treatment = rng.permutation(n_rows) < n_rows // 5
    x = rng.normal(size=(n_rows, 5)) + shift * treatment[:, None]
    x[:, :3] = np.round(x[:, :3] * steps) / steps
    return 1 / (1 + np.exp(1.5 - 0.4 * x.sum(axis=1))), treatment, {"covariates": x, "on": "euclidean"}


WORLDS_OF_FIVE = [(0.0, 100), (0.4, 1), (1.5, 100), (1.5, 1)]


@pytest.mark.parametrize("caliper", [None, 0.1])
@pytest.mark.parametrize(("shift", "steps"), WORLDS_OF_FIVE)
@pytest.mark.parametrize(("estimand", "n_neighbors"), [("ATT", 1), ("ATT", 3), ("ATC", 2)])
def test_optimal_pairs_among_five_covariates_have_the_least_sum(estimand, n_neighbors, shift, steps, caliper):
    scores, treatment, options = among_five(1_500, shift, steps)
    options |= {"caliper": caliper, "caliper_unit": "raw"}
    gaps = distances_between(scores, treatment, options)
    matched, size, total = best_pairs(gaps.T if estimand == "ATC" else gaps, n_neighbors)
    pairs, found = pair_up(scores, treatment, options, n_neighbors=n_neighbors, estimand=estimand)
    assert (len({focal for focal, _ in pairs}), len(pairs)) == (matched, size)
    assert found == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("caliper", [None, 0.1])
@pytest.mark.parametrize(("shift", "steps"), WORLDS_OF_FIVE)
def test_full_matching_among_five_covariates_has_the_least_sum(shift, steps, caliper):
    scores, treatment, options = among_five(800, shift, steps)
    options |= {"caliper": caliper, "caliper_unit": "raw"}
    gaps = distances_between(scores, treatment, options)
    found = core.match_full(scores, treatment, **options)
    assert found.total_distance == pytest.approx(best_cover(gaps), rel=1e-9)
    assert_stars(found, gaps, treatment)


@pytest.mark.parametrize("method", ["nearest", "optimal"])
def test_everybody_gets_a_first_partner_before_anybody_gets_a_second(method):
    scores, treatment = np.array([0.50, 0.60, 0.50, 0.51]), np.array([True, True, False, False])
    found = core.match_nn(scores, treatment, n_neighbors=2, replace=False, method=method)
    assert (found.n_matched, found.n_unmatched, found.n_pairs) == (2, 0, 2)


def test_a_line_and_a_space_give_the_same_sums():
    scores, treatment = many(400, 150, 3)
    deviation = np.sqrt(
        sum(((scores[arm] - scores[arm].mean()) ** 2).sum() for arm in (treatment, ~treatment)) / 398
    )
    flat = {"covariates": np.column_stack([scores, np.zeros(400)]), "on": "euclidean"}
    for caliper in (None, 0.0105):
        limits = {"caliper": caliper, "caliper_unit": "raw"}
        line, space = (pair_up(scores, treatment, {**limits, **more}) for more in ({}, flat))
        assert len(line[0]) == len(space[0])
        assert line[1] == pytest.approx(space[1] * deviation, abs=1e-9)
        full = [core.match_full(scores, treatment, **limits, **more).total_distance for more in ({}, flat)]
        assert full[0] == pytest.approx(full[1] * deviation, abs=1e-9)


# Full matching


@QUICK
@given(samples())
def test_full_matching_has_the_least_sum(sample):
    scores, treatment, options = sample
    gaps = distances_between(*sample)
    if np.isinf(gaps).all():
        with pytest.raises(NoMatchesError, match="no unit has"):
            core.match_full(scores, treatment, **options)
        return
    found = core.match_full(scores, treatment, **options)
    assert found.total_distance == pytest.approx(best_cover(gaps), abs=1e-9)
    assert_stars(found, gaps, treatment)


def assert_stars(found, gaps, treatment):
    """Every subclass has one row of an arm, next to all its others; only rows without an edge are in none."""
    has_edge = np.empty(len(treatment), dtype=bool)
    has_edge[treatment], has_edge[~treatment] = np.isfinite(gaps).any(axis=1), np.isfinite(gaps).any(axis=0)
    np.testing.assert_array_equal(found.subclass > 0, has_edge)
    assert set(found.subclass[has_edge]) == set(range(1, found.n_subclasses + 1))
    total = 0.0
    for label in range(1, found.n_subclasses + 1):
        inside = found.subclass == label
        block = gaps[inside[treatment]][:, inside[~treatment]]
        assert min(block.shape) == 1
        total += block.sum()
    assert found.total_distance == pytest.approx(total, abs=1e-12)


@pytest.mark.parametrize("caliper", [None, 0.3, 0.02, 0.004])
@pytest.mark.parametrize("ties", [2, 12])
def test_full_matching_of_many_rows_has_the_least_sum(caliper, ties):
    scores, treatment = many(400, 150, ties)
    options = {"caliper": caliper and caliper + 1e-9, "caliper_unit": "raw"}
    gaps = distances_between(scores, treatment, options)
    found = core.match_full(scores, treatment, **options)
    assert found.total_distance == pytest.approx(best_cover(gaps), rel=1e-9)
    assert_stars(found, gaps, treatment)


@pytest.mark.parametrize("caliper", [None, 0.2, 0.01])
def test_full_matching_in_space_has_the_least_sum(caliper):
    scores, treatment, options = in_space(300, 120)
    options |= {"caliper": caliper, "caliper_unit": "raw"}
    gaps = distances_between(scores, treatment, options)
    found = core.match_full(scores, treatment, **options)
    assert found.total_distance == pytest.approx(best_cover(gaps), rel=1e-9)
    assert_stars(found, gaps, treatment)


@pytest.mark.parametrize("options", [{}, {"on": "euclidean", "covariates": np.arange(24.0)[:, None] // 12}])
def test_full_matching_shares_units_at_one_point_evenly(options):
    scores, treatment = np.repeat([0.4, 0.6], 12), np.tile(np.arange(12) < 3, 2)
    found = core.match_full(scores, treatment, **options)
    assert found.n_subclasses == 6
    np.testing.assert_array_equal(np.bincount(found.subclass)[1:], [4] * 6)


# What must always hold


@QUICK
@given(samples(), st.randoms(use_true_random=False))
def test_matches_do_not_depend_on_the_order_of_rows_with_ids(sample, random):
    scores, treatment, options = sample
    if np.isinf(distances_between(*sample)).all():
        return
    n = len(scores)
    ids, order = (np.array(random.sample(range(n), n)) for _ in range(2))
    moved = {name: v[order] if isinstance(v, np.ndarray) else v for name, v in options.items()}
    pairs, _ = pair_up(scores, treatment, options, ids=ids)
    again, _ = pair_up(scores[order], treatment[order], moved, ids=ids[order])
    assert sorted((int(order[a]), int(order[b])) for a, b in again) == sorted(pairs)
    full = core.match_full(scores, treatment, ids=ids, **options)
    again = core.match_full(scores[order], treatment[order], ids=ids[order], **moved)
    np.testing.assert_array_equal(again.subclass, full.subclass[order])


@pytest.mark.parametrize("n_threads", [2, None])
def test_matches_are_the_same_for_any_number_of_threads(n_threads):
    scores, treatment, options = in_space(300, 120)
    options["exact"] = np.arange(300) % 5
    one, other = (pair_up(scores, treatment, options, n_threads=n)[0] for n in (1, n_threads))
    assert one == other
    one, other = (core.match_full(scores, treatment, n_threads=n, **options) for n in (1, n_threads))
    np.testing.assert_array_equal(one.subclass, other.subclass)


def test_another_seed_settles_ties_otherwise():
    scores, treatment = many(200, 60, 1)
    pairs, total = pair_up(scores, treatment, {})
    others, other_total = pair_up(scores, treatment, {}, seed=1)
    assert pairs != others
    assert total == pytest.approx(other_total, abs=1e-12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores": np.array([0.1, np.nan, 0.2])}, "scores"),
        ({"scores": np.full(4, 0.5)}, "rows where"),
        ({"treatment": np.ones(3)}, "treatment"),
        ({"caliper": 0.0}, "caliper must be"),
        ({"exact": np.arange(2)}, "exact has 2 rows"),
        ({"ids": np.arange(2)}, "ids has 2 rows"),
        ({"on": "probit"}, "on must be"),
    ],
)
def test_full_matching_names_what_it_cannot_use(changes, message):
    arguments = {"scores": np.array([0.1, 0.2, 0.3]), "treatment": np.array([1, 0, 1]), **changes}
    with pytest.raises(InvalidInputError, match=message):
        core.match_full(**arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "optimal"}, "replace must be False for optimal pairs"),
        ({"method": "optimal", "replace": False, "order": "largest"}, "order must be left out"),
        ({"method": "best"}, "method must be"),
    ],
)
def test_optimal_pairs_refuse_what_contradicts_them(options, message):
    with pytest.raises(InvalidInputError, match=message):
        core.match_nn(np.array([0.1, 0.2, 0.3]), np.array([1, 0, 1]), **options)
