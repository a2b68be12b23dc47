"""How core.bootstrap weighs rows: each scheme against its twin, and what must hold of any."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from test_core_bootstrap import SAMPLES, WEIGHTING, continuous_sample

import designs
import reference
from propensity import core
from propensity.effects.estimators import IPW
from propensity.effects.matching_specification import NearestNeighbors
from propensity.errors import InvalidInputError

ESTIMANDS = [spec.estimand for spec in WEIGHTING]
N_ROWS = 401

LABELS = {
    "rows": {},
    "clusters": {"cluster": np.random.default_rng(1).integers(-20, 60, N_ROWS)},
    "strata": {"strata": np.random.default_rng(2).integers(0, 4, N_ROWS)},
    "clusters in strata": {"cluster": np.arange(N_ROWS) * 7 % 90, "strata": np.arange(N_ROWS) * 7 % 90 % 3},
}
SCHEMES = [
    (weights, labels)
    for weights in ("multinomial", "poisson", "bayesian")
    for labels in LABELS
    if not (weights == "poisson" and "strata" in labels)
]


def drawn_totals(values, cluster=None, strata=0):
    """The sums of what is drawn together, measured from the mean of their stratum."""
    lot = np.unique(np.arange(len(values)) if cluster is None else cluster, return_inverse=True)[1]
    total = np.bincount(lot, weights=values)
    stratum = np.zeros(len(total), dtype=int)
    stratum[lot] = strata
    return total - (np.bincount(stratum, weights=total) / np.bincount(stratum))[stratum]


@pytest.mark.parametrize(("weights", "labels"), SCHEMES)
@pytest.mark.parametrize("name", SAMPLES)
def test_replicates_of_every_scheme_equal_the_twin(name, weights, labels):
    scheme = {"resampling": weights, **LABELS[labels]}
    x, treatment, outcome = SAMPLES[name]
    boot = core.bootstrap(x, treatment, outcome, estimators=WEIGHTING, n_reps=6, seed=11, **scheme)
    cells = reference.alike(x, treatment, outcome)
    for replicate in range(6):
        drawn = reference.replicate_weights(11, replicate, N_ROWS, cells=cells, **scheme)
        rows = drawn > 0
        twin = reference.weighted_replicate(
            x[rows], treatment[rows], outcome[rows], estimands=ESTIMANDS, sample_weight=drawn[rows]
        )
        assert_allclose(boot.replicates[replicate], twin, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("weights", "labels"), [s for s in SCHEMES if s[0] != "bayesian"])
@pytest.mark.parametrize("name", SAMPLES)
def test_matching_on_counted_rows_equals_matching_on_copied_rows(name, weights, labels):
    scheme = {"resampling": weights, **LABELS[labels]}
    estimators = [NearestNeighbors("ATT"), NearestNeighbors("ATC", n_neighbors=3, on="logit")]
    boot = core.bootstrap(*SAMPLES[name], estimators=estimators, n_reps=3, seed=4, **scheme)
    for replicate in range(3):
        twin = reference.bootstrap_replicate(
            *SAMPLES[name], estimators=estimators, seed=4, replicate=replicate, **scheme
        )
        assert_allclose(boot.replicates[replicate], twin, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("weights", "labels"), SCHEMES)
def test_replicates_of_every_scheme_are_the_same_for_any_number_of_threads(weights, labels):
    options = {"estimators": WEIGHTING, "n_reps": 40, "seed": 3, "resampling": weights, **LABELS[labels]}
    one = core.bootstrap(*SAMPLES["tied"], n_threads=1, analytic=True, **options)
    for n_threads in (2, 5):
        other = core.bootstrap(*SAMPLES["tied"], n_threads=n_threads, analytic=True, **options)
        assert_array_equal(other.replicates, one.replicates)
        assert_array_equal(other.acceleration, one.acceleration)


def test_clusters_of_one_row_are_rows():
    # Clusters take their random numbers in the order of their labels, rows in that of what they hold.
    sample = SAMPLES["continuous"]
    plain, clustered = (
        core.bootstrap(*sample, estimators=WEIGHTING, n_reps=10, cluster=cluster, analytic=True)
        for cluster in (None, reference.alike(*sample))
    )
    assert_array_equal(clustered.replicates, plain.replicates)
    assert_allclose(clustered.acceleration, plain.acceleration, rtol=1e-12)


def test_one_stratum_is_none():
    plain, stratified = (
        core.bootstrap(*SAMPLES["tied"], estimators=WEIGHTING, n_reps=10, strata=strata)
        for strata in (None, np.full(N_ROWS, 7))
    )
    assert_array_equal(stratified.replicates, plain.replicates)


def test_labels_of_any_integer_type_serve():
    cluster = np.arange(N_ROWS) // 5
    expected = core.bootstrap(*SAMPLES["tied"], estimators=WEIGHTING, n_reps=5, cluster=cluster).replicates
    for dtype in ("int8", "uint16", "int32", "uint64"):
        found = core.bootstrap(
            *SAMPLES["tied"], estimators=WEIGHTING, n_reps=5, cluster=cluster.astype(dtype)
        )
        assert_array_equal(found.replicates, expected)


def test_bayesian_weights_leave_no_arm_empty():
    # Two treated among 60, one in each half: n draws with replacement lose both of them once in seven times.
    x = np.repeat([0.0, 1.0], 30)[:, None]
    treatment = np.zeros(60, dtype=bool)
    treatment[[0, 30]] = True
    sample = (x, treatment, np.arange(60.0))
    counted, weighted = (
        core.bootstrap(*sample, estimators=[IPW("ATE")], n_reps=300, resampling=weights)
        for weights in ("multinomial", "bayesian")
    )
    assert counted.n_failed[0] > 20
    assert weighted.n_failed[0] == 0


# On the tutorial's users, against the analytic standard errors


ANALYTIC = {"IPW ATE": 0.0057172053, "IPW ATT": 0.0048881048, "IPW ATC": 0.0064671447}
CLUSTERED = {"IPW ATE": 0.005473648455073569, "IPW ATT": 0.005504757358653778}


def assert_within_monte_carlo_error(replicates, std_error):
    """A standard deviation of B replicates has a relative error of 1 / sqrt(2 B): within four of them."""
    tolerance = 4 / np.sqrt(2 * len(replicates))
    assert_allclose(replicates.std(axis=0, ddof=1), std_error, rtol=tolerance)


@pytest.mark.parametrize("weights", ["multinomial", "poisson", "bayesian"])
def test_tutorial_standard_errors_are_the_analytic_ones(weights):
    boot = core.bootstrap(
        *designs.arrays("opt_in_logs"), estimators=WEIGHTING, n_reps=2_000, seed=1, resampling=weights
    )
    assert_within_monte_carlo_error(boot.replicates, [ANALYTIC[spec.label] for spec in WEIGHTING])


@pytest.mark.parametrize("weights", ["multinomial", "poisson", "bayesian"])
def test_tutorial_standard_errors_by_workspace_are_the_cluster_robust_ones(weights, workspaces):
    boot = core.bootstrap(
        *designs.arrays("opt_in_logs"),
        estimators=[IPW("ATE"), IPW("ATT")],
        n_reps=2_000,
        seed=1,
        resampling=weights,
        cluster=workspaces,
    )
    # The sandwich itself is off by the order of 1 / G with G = 50 workspaces, half of that in its root.
    tolerance = 4 / np.sqrt(2 * 2_000) + 1 / 50
    assert_allclose(boot.replicates.std(axis=0, ddof=1), list(CLUSTERED.values()), rtol=tolerance)


@pytest.fixture(scope="module")
def workspaces():
    return designs.workspaces()


# The acceleration


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("name", SAMPLES)
def test_acceleration_is_that_of_numerical_influence_values(name, labels):
    sample = [array[:120] for array in SAMPLES[name]]
    scheme = {kind: values[:120] for kind, values in LABELS[labels].items()}
    boot = core.bootstrap(*sample, estimators=WEIGHTING, n_reps=2, analytic=True, **scheme)
    for k, estimand in enumerate(ESTIMANDS):
        total = drawn_totals(reference.weighted_influence(*sample, estimand), **scheme)
        expected = (total**3).sum() / (6 * (total**2).sum() ** 1.5)
        assert boot.acceleration[k] == pytest.approx(expected, abs=1e-6)


def test_acceleration_of_nearest_neighbours_is_missing():
    estimators = [IPW("ATE"), NearestNeighbors("ATT")]
    boot = core.bootstrap(*SAMPLES["tied"], estimators=estimators, n_reps=2, analytic=True)
    assert np.isnan(boot.acceleration).tolist() == [False, True]


# What is refused


@pytest.mark.parametrize(
    ("scheme", "message"),
    [
        ({"resampling": "jackknife"}, "resampling .*bayesian.*jackknife"),
        ({"cluster": np.zeros(5, dtype=int)}, "cluster has 5 rows where 401"),
        ({"strata": np.zeros(5, dtype=int)}, "strata has 5 rows where 401"),
        ({"cluster": np.zeros(N_ROWS, dtype=int)}, "2 clusters or more, not 1"),
        ({"cluster": np.zeros((N_ROWS, 1), dtype=int)}, "cluster must have 1 dimension"),
        ({"resampling": "poisson", "strata": np.arange(N_ROWS) % 2}, "strata must be left out"),
        (
            {"cluster": np.arange(N_ROWS) // 2, "strata": np.arange(N_ROWS) % 2},
            "strata must be the same within a cluster, not different within 200 of 201",
        ),
    ],
)
def test_bootstrap_refuses_what_cannot_be_drawn(scheme, message):
    with pytest.raises(InvalidInputError, match=message):
        core.bootstrap(*SAMPLES["tied"], estimators=WEIGHTING, n_reps=2, **scheme)


@pytest.mark.parametrize("labels", [np.zeros(N_ROWS), np.array(["a"] * N_ROWS), [1] * N_ROWS])
def test_bootstrap_refuses_labels_that_are_no_integers(labels):
    with pytest.raises(TypeError, match="cluster must"):
        core.bootstrap(*SAMPLES["tied"], estimators=WEIGHTING, n_reps=2, cluster=labels)


def test_bootstrap_refuses_nearest_neighbours_of_fractions_of_rows():
    with pytest.raises(InvalidInputError, match="nearest neighbours"):
        core.bootstrap(
            *SAMPLES["tied"], estimators=[NearestNeighbors("ATT")], n_reps=2, resampling="bayesian"
        )


# Influence values in place of rows


@pytest.mark.parametrize(("weights", "labels"), SCHEMES)
def test_influence_replicates_follow_the_weights_of_the_bootstrap(weights, labels):
    scheme = {"resampling": weights, **LABELS[labels]}
    influence = np.random.default_rng(0).normal(size=N_ROWS)
    total = drawn_totals(influence, **LABELS[labels])
    first_row = np.unique(scheme.get("cluster", np.arange(N_ROWS)), return_index=True)[1]
    found = core.bootstrap_influence(influence, n_reps=4, seed=9, **scheme)
    # Rows take their random numbers in the order of their sizes, clusters in that of their labels.
    cells = None if "cluster" in scheme else np.argsort(np.argsort(np.abs(total)))
    for replicate in range(4):
        drawn = reference.replicate_weights(9, replicate, N_ROWS, cells=cells, **scheme)[first_row]
        assert found[replicate] == pytest.approx((drawn * total).sum() / N_ROWS, abs=1e-12)


def test_influence_replicates_follow_the_refitted_ones():
    # The influence values are the derivative: what refits add is of second order. Clusters of a row each take
    # their random numbers by their labels, so that the same rows are drawn.
    sample = continuous_sample(200)
    influence = reference.weighted_influence(*sample, "ATT")
    options = {"n_reps": 500, "seed": 2, "cluster": np.arange(200)}
    refitted = core.bootstrap(*sample, estimators=[IPW("ATT")], **options)
    changes = core.bootstrap_influence(influence, **options)
    assert np.corrcoef(refitted.replicates[:, 0], changes)[0, 1] > 0.95


def test_influence_replicates_are_the_same_for_any_number_of_threads():
    influence = np.random.default_rng(0).normal(size=N_ROWS)
    one, four = (core.bootstrap_influence(influence, seed=9, n_threads=n) for n in (1, 4))
    assert_array_equal(one, four)
    assert one.shape == (2_000,)
    assert_within_monte_carlo_error(one, np.sqrt(((influence - influence.mean()) ** 2).sum()) / N_ROWS)


def test_influence_that_is_missing_is_refused():
    influence = np.zeros(10)
    influence[3] = np.nan
    with pytest.raises(InvalidInputError, match=r"influence.*row 3"):
        core.bootstrap_influence(influence)
