"""From influence values to errors: clusters of several estimates on the same rows."""

import numpy as np
import pytest

from propensity.effects import inference


def hang_together(*partitions):
    """Say of every two rows whether a chain of shared clusters leads from one to the other (n, n)."""
    n = len(partitions[0])
    linked = np.eye(n, dtype=bool)
    for clusters in partitions:
        linked |= (clusters[:, None] == clusters[None, :]) & (clusters[:, None] >= 0)
    for _ in range(n):
        linked = linked @ linked
    return linked


@pytest.mark.parametrize("seed", range(40))
def test_joined_clusters_are_chains_of_shared_clusters(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 30))
    parts = [rng.integers(-1, rng.integers(1, n + 1), n) for _ in range(1 + seed % 3)]
    found = inference.joined(*parts)
    np.testing.assert_array_equal(found[:, None] == found[None, :], hang_together(*parts))
    assert sorted(set(found)) == list(range(found.max() + 1))
    np.testing.assert_array_equal(found, inference.joined(*parts[::-1]))


def test_long_chains_are_followed_to_their_end():
    pairs = np.arange(2000) // 2
    shifted = (np.arange(2000) + 1) // 2
    assert inference.joined(pairs, shifted).max() == 0


def test_rows_that_vary_by_themselves_join_nothing():
    pairs = np.array([0, 0, 1, 1, -1])
    assert inference.joined(None, None) is None
    np.testing.assert_array_equal(inference.joined(None, pairs), [0, 0, 1, 1, 2])


def test_rows_that_are_left_out_count_in_no_cluster():
    influence = np.array([1.0, -2.0, 3.0, 0.0, 0.0])
    with_others = inference.std_error(influence, np.array([0, 0, 1, -1, -1]))
    sums = np.array([-1.0, 3.0])
    assert with_others == pytest.approx(np.sqrt(2 / 1 * (sums**2).sum()) / 5)
