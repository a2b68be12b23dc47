"""What is told of optimal pairs that may take long, before they are made."""

import warnings

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from propensity.errors import SlowWarning
from propensity.matching import slow

pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")


@pytest.fixture
def long_from_20_units(monkeypatch):
    monkeypatch.setattr(slow, "_PAIRS", 400)
    monkeypatch.setattr(slow, "_SECONDS", 600.0)


def arms(n_treated, n_control):
    """Two arms that lie apart, in halves."""
    rng = np.random.default_rng(5)
    opted = np.arange(n_treated + n_control) < n_treated
    x = rng.normal(size=(len(opted), 2)) + 2.0 * opted[:, None]
    return pd.DataFrame(x, columns=["visits", "tenure"]).assign(opted=opted, half=np.arange(len(opted)) % 2)


def pairs(df, **options):
    asked = {"method": "optimal", "replace": False, "on": "mahalanobis", "covariates": ["visits", "tenure"]}
    return ps.match_nn(df, treatment="opted", **(asked | options))


def test_pairs_of_large_arms_of_one_size_tell_how_long_they_may_take(long_from_20_units):
    with pytest.warns(SlowWarning, match="pairs of so many units take about 10 minutes"):
        pairs(arms(20, 20))
    with pytest.warns(SlowWarning, match="take about 10 minutes"):
        pairs(arms(10, 20), n_neighbors=2)


@pytest.mark.parametrize(
    ("sizes", "options"),
    [
        ((20, 51), {}),  # partners enough near by
        ((3, 4), {}),
        ((20, 20), {"method": "nearest"}),
        ((6, 6), {"exact": ["half"]}),
    ],
)
def test_pairs_that_are_quick_tell_nothing(long_from_20_units, sizes, options):
    with warnings.catch_warnings():
        warnings.simplefilter("error", SlowWarning)
        pairs(arms(*sizes), **options)


def test_full_matching_tells_nothing(long_from_20_units):
    with warnings.catch_warnings():
        warnings.simplefilter("error", SlowWarning)
        ps.match_full(arms(20, 20), treatment="opted", on="mahalanobis", covariates=["visits", "tenure"])
