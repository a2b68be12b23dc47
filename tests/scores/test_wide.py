"""Fits of many columns, whose information is made but twice: against statsmodels and their equations."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

from propensity import core
from propensity.errors import SeparationError

D = 90


def _columns(n, *, correlated, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, D))
    if correlated:  # as what a model makes of texts: a few directions hold nearly all
        x = x @ (rng.normal(size=(D, D)) * np.geomspace(1, 1e-3, D))
    index = x[:, :6] @ rng.normal(size=6)
    return np.asfortranarray(x), rng.random(n) < 1 / (1 + np.exp(-index / index.std()))


@pytest.mark.parametrize("correlated", [False, True])
def test_a_wide_fit_is_statsmodels(correlated):
    x, treated = _columns(3000, correlated=correlated)
    found = core.fit_propensity(x, treated)
    expected = sm.Logit(treated.astype(float), sm.add_constant(x)).fit(disp=0, method="newton", tol=1e-7)
    errors = np.sqrt(np.diag(expected.cov_params()))
    assert np.abs((found.coefficients - expected.params) / errors).max() < 1e-7
    assert_allclose(np.sqrt(np.diag(found.covariance)), errors, rtol=1e-7)
    assert found.log_likelihood == pytest.approx(expected.llf, rel=1e-12)


def test_weights_and_a_penalty_solve_their_equations():
    x, treated = _columns(2000, correlated=True)
    weight, penalty = np.random.default_rng(1).exponential(size=2000), 3.0
    found = core.fit_propensity(x, treated, sample_weight=weight, penalty=penalty)
    p = 1 / (1 + np.exp(-(found.coefficients[0] + x @ found.coefficients[1:])))
    gradient = x.T @ (weight * (treated - p)) - penalty * weight.mean() * found.coefficients[1:]
    assert np.abs(gradient / (x.std(axis=0) * weight.sum())).max() < 1e-10


def test_a_collinear_column_is_left_out():
    x, treated = _columns(2000, correlated=False)
    x[:, 40] = x[:, 3] - 2 * x[:, 7]
    found = core.fit_propensity(x, treated)
    plain = core.fit_propensity(np.asfortranarray(np.delete(x, 40, axis=1)), treated)
    assert list(found.aliased) == [40]
    assert_allclose(np.delete(found.coefficients, 41), plain.coefficients, atol=1e-9)


def test_separated_arms_are_told():
    x, _ = _columns(2000, correlated=False)
    with pytest.raises(SeparationError):
        core.fit_propensity(x, x[:, 5] > 0)


def test_threads_change_nothing():
    x, treated = _columns(5000, correlated=True)
    one, many = (core.fit_propensity(x, treated, n_threads=n) for n in (1, 3))
    assert (one.coefficients == many.coefficients).all()
    assert (one.covariance == many.covariance).all()
