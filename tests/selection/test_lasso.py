"""The lasso of the core: beside scikit-learn's, by the conditions of an optimum, loadings by a slow twin."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.linear_model import Lasso

from propensity import core
from propensity.errors import InvalidInputError
from propensity.selection.select import plug_in_penalty


def world(n=200, d=60, seed=0):
    """Columns that go together, on scales from 0.1 to 10, of which five matter; noise that grows with one."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, d))
    for k in range(1, d):
        z[:, k] = 0.6 * z[:, k - 1] + 0.8 * z[:, k]
    y = (
        3.0
        + z[:, [0, 1, 7, 20, 41]] @ [1.0, -0.8, 0.5, 0.4, -0.3]
        + (0.5 + np.abs(z[:, 3])) * rng.normal(size=n)
    )
    return z * np.geomspace(0.1, 10, d) + np.linspace(-5, 50, d), y


def standardized(x, w=None):
    center = np.average(x, axis=0, weights=w)
    return (x - center) / np.sqrt(np.average((x - center) ** 2, axis=0, weights=w))


def scikit_learn_s(z, y, penalty, w=None):
    """Slopes on standardized columns, as exactly as it can."""
    model = Lasso(alpha=penalty, tol=1e-14, max_iter=1_000_000)
    return model.fit(z, y, sample_weight=w).coef_


@pytest.mark.parametrize("penalty", [0.4, 0.1, 0.02, 0.002])
@pytest.mark.parametrize("weighted", [False, True])
def test_lasso_is_scikit_learn_s(penalty, weighted):
    x, y = world()
    w = np.random.default_rng(1).integers(1, 5, len(y)) * 1.0 if weighted else None
    (fit,) = core.lasso(x, [y], penalty=penalty, loadings="unit", sample_weight=w)
    expected = scikit_learn_s(standardized(x, w), y, penalty, w)
    deviation = np.sqrt(np.average((x - np.average(x, axis=0, weights=w)) ** 2, axis=0, weights=w))
    assert fit.coefficients * deviation == pytest.approx(expected, abs=1e-8)
    assert ((fit.coefficients != 0) == (expected != 0)).all()
    assert fit.intercept == pytest.approx(np.average(y - x @ fit.coefficients, weights=w), abs=1e-8)
    assert (fit.loadings == 1).all()


def test_lasso_of_more_columns_than_rows_is_scikit_learn_s():
    x, y = world(n=80, d=300, seed=3)
    (fit,) = core.lasso(standardized(x), [y], penalty=0.15, loadings="unit")
    assert fit.coefficients == pytest.approx(scikit_learn_s(standardized(x), y, 0.15), abs=1e-8)
    assert 5 < np.count_nonzero(fit.coefficients) < 80


def test_lasso_meets_the_conditions_of_an_optimum_at_its_loadings():
    x, y = world(n=800, seed=4)
    penalty = plug_in_penalty(*x.shape)
    (fit,) = core.lasso(x, [y], penalty=penalty)
    z = standardized(x)
    gradient = z.T @ (y - fit.intercept - x @ fit.coefficients) / len(y)
    charged, chosen = penalty * fit.loadings, fit.coefficients != 0
    assert gradient[chosen] == pytest.approx((charged * np.sign(fit.coefficients))[chosen], abs=1e-10)
    assert (np.abs(gradient[~chosen]) < charged[~chosen]).all()
    assert 2 <= chosen.sum() < 12


def slow_loadings(z, y, penalty, w):
    """The columns chosen and their loadings, from the definition, with scikit-learn's lasso."""
    n = len(y)
    e = y - np.average(y, weights=w)
    for _ in range(15):
        loadings = np.sqrt(np.mean((w[:, None] * z * e[:, None]) ** 2, axis=0))
        # Penalties of columns are scales of columns.
        chosen = np.flatnonzero(scikit_learn_s(z / loadings, y, penalty, w))
        design = np.column_stack([np.ones(n), z[:, chosen]]) * np.sqrt(w)[:, None]
        slopes = np.linalg.lstsq(design, y * np.sqrt(w), rcond=None)[0]
        e = y - np.column_stack([np.ones(n), z[:, chosen]]) @ slopes
    return chosen, loadings


@pytest.mark.parametrize("weighted", [False, True])
def test_robust_loadings_are_those_of_a_slow_twin(weighted):
    x, y = world(seed=5)
    w = np.random.default_rng(2).uniform(0.5, 2.0, len(y)) if weighted else np.ones(len(y))
    (fit,) = core.lasso(x, [y], penalty=0.2, sample_weight=w if weighted else None)
    chosen, loadings = slow_loadings(standardized(x, w), y, 0.2, w / w.mean())
    assert (np.flatnonzero(fit.coefficients) == chosen).all()
    assert fit.loadings == pytest.approx(loadings, rel=1e-8)
    assert 2 <= fit.rounds < 15


def test_plug_in_penalty_is_that_of_belloni_chernozhukov_and_hansen():
    # 2 c sqrt(n) times the quantile, over 2 n for half the mean of squares.
    quantile = norm.ppf(1 - 0.1 / np.log(1_000) / (2 * 500))
    assert plug_in_penalty(1_000, 500) == pytest.approx(1.1 * quantile / np.sqrt(1_000), rel=1e-12)


def test_columns_of_noise_are_left_at_zero_as_often_as_promised():
    rng = np.random.default_rng(6)
    n, d, tries = 200, 100, 200
    penalty = plug_in_penalty(n, d)
    found = 0
    for _ in range(tries):
        x = rng.normal(size=(n, d))
        y = rng.normal(size=n) * (1 + np.abs(x[:, 0]))
        (fit,) = core.lasso(x, [y], penalty=penalty, n_threads=1)
        found += bool(fit.coefficients.any())
    assert found / tries < 0.05  # gamma is .019


def test_rows_of_weight_zero_are_not_there_and_scales_of_weights_say_nothing():
    x, y = world(seed=7)
    w = np.random.default_rng(3).integers(0, 3, len(y)) * 1.0
    (all_rows,) = core.lasso(x, [y], penalty=0.15, sample_weight=w)
    (there,) = core.lasso(x[w > 0], [y[w > 0]], penalty=0.15, sample_weight=w[w > 0] * 7)
    assert all_rows.coefficients == pytest.approx(there.coefficients, abs=1e-10)
    assert all_rows.loadings == pytest.approx(there.loadings, rel=1e-10)
    (twice,) = core.lasso(x, [y], penalty=0.15, loadings="unit", sample_weight=w)
    rows = np.repeat(np.arange(len(y)), w.astype(int))
    (spelled_out,) = core.lasso(x[rows], [y[rows]], penalty=0.15, loadings="unit")
    assert twice.coefficients == pytest.approx(spelled_out.coefficients, abs=1e-10)


def test_lasso_is_the_same_in_any_units_order_and_on_any_number_of_threads():
    x, y = world(seed=8)
    (fit,) = core.lasso(x, [y], penalty=0.15)
    scale = np.geomspace(1e6, 1e-6, x.shape[1])
    (scaled,) = core.lasso(x * scale + 1e3, [5 * y - 70], penalty=0.15)
    assert scaled.coefficients * scale == pytest.approx(5 * fit.coefficients, abs=1e-8)
    order = np.random.default_rng(4).permutation(len(y))
    (shuffled,) = core.lasso(x[order], [y[order]], penalty=0.15)
    assert shuffled.coefficients == pytest.approx(fit.coefficients, abs=1e-10)
    (one,) = core.lasso(np.asfortranarray(x), [y], penalty=0.15, n_threads=1)
    (three,) = core.lasso(x, [y], penalty=0.15, n_threads=3)
    assert (one.coefficients == three.coefficients).all()


def test_columns_that_do_not_vary_or_repeat_others_do_no_harm():
    x, y = world(seed=9)
    more = np.column_stack([np.full(len(y), 3.0), x, x[:, 0], 2 * x[:, 1] - x[:, 0]])
    (fit,) = core.lasso(more, [y], penalty=0.15)
    assert fit.coefficients[0] == 0
    assert np.isfinite(fit.coefficients).all()
    gap = more @ fit.coefficients - x @ core.lasso(x, [y], penalty=0.15)[0].coefficients
    assert np.std(gap) < 0.15 * np.std(y)


def test_several_responses_are_each_their_own_lasso():
    x, y = world(seed=10)
    t = (y > y.mean()).astype(float)
    both = core.lasso(x, [y, t], penalty=0.15)
    alone = [core.lasso(x, [y], penalty=0.15)[0], core.lasso(x, [t], penalty=0.15)[0]]
    for one, other in zip(both, alone, strict=True):
        assert (one.coefficients == other.coefficients).all()
    assert [fit.rounds for fit in core.lasso(x, np.column_stack([y, t]), penalty=0.15)] == [
        fit.rounds for fit in both
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"penalty": -1.0}, "penalty must be a finite number >= 0, not -1.0"),
        ({"penalty": np.nan}, "penalty must be a finite number"),
        ({"loadings": "none"}, 'loadings must be "robust" or "unit", not "none"'),
        ({"sample_weight": np.full(200, -1.0)}, "sample_weight: 200 values outside the numbers >= 0"),
        ({"responses": [np.ones(199)]}, "outcome has 199 rows where 200 are expected"),
        ({"responses": [np.full(200, np.nan)]}, "missing or infinite"),
    ],
)
def test_lasso_refuses_what_it_cannot_be_fitted_to(change, message):
    x, y = world()
    options = {"responses": [y], "penalty": 0.1} | change
    with pytest.raises(InvalidInputError, match=message):
        core.lasso(x, **options)
