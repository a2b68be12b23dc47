"""Optimal pairs and full matching over arrays: the least sum of distances, by SciPy's solvers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, sparse

from propensity import core
from propensity.errors import InvalidInputError, NoMatchesError

QUICK = settings(max_examples=150, deadline=None)


@st.composite
def point_samples(draw, max_rows=14, max_columns=3):
    """Points on a small lattice, so that distances tie; both arms; perhaps a caliper, perhaps labels."""
    n, d = draw(st.integers(2, max_rows)), draw(st.integers(1, max_columns))
    parts = draw(st.sampled_from([3, 7, 10, 30]))
    lattice = st.lists(st.integers(0, parts), min_size=n * d, max_size=n * d)
    points = np.array(draw(lattice)).reshape(n, d) / parts
    treatment = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    treatment[:2] = [True, False]
    # Between two multiples of 1 / parts: no distance on a line is on the edge.
    caliper = draw(st.none() | st.sampled_from([0.55, 1.55, 2.55, 4.55]).map(lambda width: width / parts))
    exact = draw(st.none() | st.lists(st.integers(0, 1), min_size=n, max_size=n))
    return points, treatment, {"caliper": caliper, "exact": None if exact is None else np.array(exact)}


def distances_between(points, treatment, *, caliper=None, exact=None):
    """Distances of treated rows and controls, infinite where they may not be matched."""
    points = points.reshape(len(points), -1)
    gaps = np.sqrt(((points[treatment][:, None] - points[~treatment]) ** 2).sum(axis=2))
    if caliper is not None:
        gaps[gaps > caliper] = np.inf
    if exact is not None:
        gaps[exact[treatment][:, None] != exact[~treatment]] = np.inf
    return gaps


def best_pairs(gaps, n_neighbors=1):
    """How many pairs there can be, and the least sum of so many."""
    gaps = np.repeat(gaps, n_neighbors, axis=0)
    beyond = 1e4
    rows, columns = optimize.linear_sum_assignment(np.where(np.isinf(gaps), beyond, gaps))
    chosen = gaps[rows, columns]
    return np.isfinite(chosen).sum(), chosen[np.isfinite(chosen)].sum()


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
@given(point_samples(), st.sampled_from(["ATT", "ATC", "ATE"]), st.integers(1, 3))
def test_optimal_pairs_have_the_least_sum(sample, estimand, n_neighbors):
    points, treatment, options = sample
    n_neighbors = 1 if estimand == "ATE" else n_neighbors
    gaps = distances_between(points, treatment, **options)
    size, total = best_pairs(gaps.T if estimand == "ATC" else gaps, n_neighbors)
    if size == 0:
        with pytest.raises(NoMatchesError, match="caliper"):
            core.match_optimal(points, treatment, estimand=estimand, n_neighbors=n_neighbors, **options)
        return
    found = core.match_optimal(points, treatment, estimand=estimand, n_neighbors=n_neighbors, **options)
    assert len(found.treated) == size
    assert found.distance.sum() == pytest.approx(total, abs=1e-9)
    assert_pairs_may_be(found, points, treatment, estimand, n_neighbors, options)


def assert_pairs_may_be(found, points, treatment, estimand, n_neighbors, options):
    assert treatment[found.treated].all()
    assert not treatment[found.control].any()
    uses = {True: np.bincount(found.treated).max(), False: np.bincount(found.control).max()}
    several = estimand != "ATC"
    assert uses[not several] == 1
    assert uses[several] <= n_neighbors
    assert len(set(zip(found.treated.tolist(), found.control.tolist(), strict=True))) == len(found.treated)
    apart = np.sqrt(((points[found.treated] - points[found.control]) ** 2).sum(axis=1))
    np.testing.assert_allclose(found.distance, apart, rtol=1e-12, atol=1e-15)
    if options["caliper"] is not None:
        assert found.distance.max() <= options["caliper"]
    if options["exact"] is not None:
        np.testing.assert_array_equal(options["exact"][found.treated], options["exact"][found.control])


@pytest.mark.parametrize("caliper", [None, 0.3, 0.02, 0.004])
@pytest.mark.parametrize("ties", [3, 12])
def test_optimal_pairs_of_many_rows_have_the_least_sum(caliper, ties):
    rng = np.random.default_rng(8)
    treatment = np.arange(900) < 350
    points = np.round(np.where(treatment, rng.beta(3, 2, 900), rng.beta(2, 3, 900)), ties)
    size, total = best_pairs(distances_between(points, treatment, caliper=caliper))
    found = core.match_optimal(points, treatment, caliper=caliper)
    assert len(found.treated) == size
    assert found.distance.sum() == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("caliper", [None, 0.8, 0.25])
def test_optimal_pairs_in_space_have_the_least_sum(caliper):
    rng = np.random.default_rng(9)
    treatment = np.arange(600) < 250
    points = rng.normal(size=(600, 3)) + 0.4 * treatment[:, None]
    size, total = best_pairs(distances_between(points, treatment, caliper=caliper))
    found = core.match_optimal(points, treatment, caliper=caliper)
    assert len(found.treated) == size
    assert found.distance.sum() == pytest.approx(total, rel=1e-9)


def test_a_line_and_a_space_give_the_same_sum():
    rng = np.random.default_rng(2)
    treatment = np.arange(400) < 150
    points = np.round(rng.random(400) ** 2, 3)
    flat = np.column_stack([points, np.zeros(400)])
    for caliper in (None, 0.01):
        line, space = (core.match_optimal(p, treatment, caliper=caliper) for p in (points, flat))
        assert len(line.treated) == len(space.treated)
        assert line.distance.sum() == pytest.approx(space.distance.sum(), abs=1e-9)
        full = [core.match_full(p, treatment, caliper=caliper) for p in (points, flat)]
        assert full[0].total_distance == pytest.approx(full[1].total_distance, abs=1e-9)


# Full matching


@QUICK
@given(point_samples())
def test_full_matching_has_the_least_sum(sample):
    points, treatment, options = sample
    gaps = distances_between(points, treatment, **options)
    if np.isinf(gaps).all():
        with pytest.raises(NoMatchesError, match="caliper"):
            core.match_full(points, treatment, **options)
        return
    found = core.match_full(points, treatment, **options)
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
    rng = np.random.default_rng(8)
    treatment = np.arange(400) < 150
    points = np.round(np.where(treatment, rng.beta(3, 2, 400), rng.beta(2, 3, 400)), ties)
    gaps = distances_between(points, treatment, caliper=caliper)
    found = core.match_full(points, treatment, caliper=caliper)
    assert found.total_distance == pytest.approx(best_cover(gaps), rel=1e-9)
    assert_stars(found, gaps, treatment)


@pytest.mark.parametrize("caliper", [None, 0.8, 0.25])
def test_full_matching_in_space_has_the_least_sum(caliper):
    rng = np.random.default_rng(9)
    treatment = np.arange(300) < 120
    points = rng.normal(size=(300, 3)) + 0.4 * treatment[:, None]
    gaps = distances_between(points, treatment, caliper=caliper)
    found = core.match_full(points, treatment, caliper=caliper)
    assert found.total_distance == pytest.approx(best_cover(gaps), rel=1e-9)
    assert_stars(found, gaps, treatment)


@pytest.mark.parametrize("d", [1, 2])
def test_full_matching_shares_units_at_one_point_evenly(d):
    points = np.zeros((12, d))
    treatment = np.arange(12) < 3
    found = core.match_full(points, treatment)
    assert found.n_subclasses == 3
    np.testing.assert_array_equal(np.bincount(found.subclass)[1:], [4, 4, 4])


# What must always hold


@QUICK
@given(point_samples(), st.randoms(use_true_random=False))
def test_matches_do_not_depend_on_the_order_of_ranked_rows(sample, random):
    points, treatment, options = sample
    if np.isinf(distances_between(points, treatment, **options)).all():
        return
    n = len(points)
    rank, order = (np.array(random.sample(range(n), n)) for _ in range(2))
    moved = {**options, "exact": None if options["exact"] is None else options["exact"][order]}
    pairs = core.match_optimal(points, treatment, rank=rank, **options)
    again = core.match_optimal(points[order], treatment[order], rank=rank[order], **moved)
    named = set(zip(order[again.treated].tolist(), order[again.control].tolist(), strict=True))
    assert named == set(zip(pairs.treated.tolist(), pairs.control.tolist(), strict=True))
    full = core.match_full(points, treatment, rank=rank, **options)
    again = core.match_full(points[order], treatment[order], rank=rank[order], **moved)
    np.testing.assert_array_equal(again.subclass, full.subclass[order])


@pytest.mark.parametrize("n_threads", [2, None])
def test_matches_are_the_same_for_any_number_of_threads(n_threads):
    rng = np.random.default_rng(6)
    points, treatment = rng.normal(size=(300, 2)), rng.random(300) < 0.4
    exact = rng.integers(0, 5, 300)
    one = core.match_optimal(points, treatment, exact=exact, n_threads=1)
    other = core.match_optimal(points, treatment, exact=exact, n_threads=n_threads)
    np.testing.assert_array_equal(one.control, other.control)
    one = core.match_full(points, treatment, exact=exact, n_threads=1)
    np.testing.assert_array_equal(
        core.match_full(points, treatment, exact=exact, n_threads=n_threads).subclass, one.subclass
    )


@pytest.mark.parametrize("call", [core.match_optimal, core.match_full])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"points": np.array([0.1, np.nan, 0.2])}, "points, column 0: 1 missing"),
        ({"points": np.zeros((3, 2, 2))}, "points must be"),
        ({"points": np.zeros((3, 0))}, "points must be"),
        ({"points": np.zeros(4)}, "points has 4 rows where 3"),
        ({"treatment": np.ones(3)}, "at least 1 of each needed"),
        ({"caliper": 0.0}, "caliper must be"),
        ({"caliper": np.nan}, "caliper must be"),
        ({"exact": np.arange(2)}, "exact has 2 rows"),
        ({"rank": np.arange(2)}, "rank has 2 rows"),
    ],
)
def test_matching_names_what_it_cannot_use(call, changes, message):
    arguments = {"points": np.array([0.1, 0.2, 0.3]), "treatment": np.array([1, 0, 1]), **changes}
    with pytest.raises(InvalidInputError, match=message):
        call(**arguments)


def test_optimal_pairs_refuse_several_neighbors_for_an_ate():
    with pytest.raises(InvalidInputError, match="n_neighbors must be 1 for optimal pairs for an ATE"):
        core.match_optimal(np.zeros(4), np.array([1, 0, 0, 0]), estimand="ATE", n_neighbors=2)
