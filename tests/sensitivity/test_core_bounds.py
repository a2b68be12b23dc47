"""core.sensitivity_bounds against linear programs, and replicates against cold fits on copied rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from slow_bounds import by_cuts, by_program

import designs
import reference
from propensity import core
from propensity.effects.estimators import IPW
from propensity.errors import InvalidInputError

GAMMAS = np.array([1.0, 1.2, 2.0, 5.0])


def sample(n=70, seed=0, *, ties=False):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    if ties:
        x = np.round(x)
    t = rng.random(n) < 1 / (1 + np.exp(-0.5 * x[:, 0]))
    y = x[:, 1] + t + rng.normal(size=n)
    return x, t, np.round(y) if ties else y


@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_bounds_are_those_of_a_linear_program(estimand, ties, weighted):
    x, t, y = sample(ties=ties)
    s = np.random.default_rng(1).uniform(0.2, 3, len(t)) if weighted else None
    e = core.fit_propensity(x, t, sample_weight=s).scores
    found = core.sensitivity_bounds(x, t, y, gammas=GAMMAS, estimand=estimand, sample_weight=s, n_reps=0)
    for gamma, bounds in zip(GAMMAS, found.bounds, strict=True):
        assert_allclose(bounds, by_program(y, t, e, gamma, estimand, s), rtol=0, atol=1e-9)
    assert found.replicates.shape == (0, 4, 2)


@pytest.mark.parametrize("estimand", ["ATE", "ATT"])
def test_bounds_of_many_cells_are_those_of_the_best_cut(estimand):
    x, t, y = (array[:4_000] for array in designs.arrays("opt_in_logs"))
    x = np.round(x, 2)
    e = core.fit_propensity(x, t).scores
    found = core.sensitivity_bounds(x, t, y, gammas=GAMMAS[:2], estimand=estimand, n_reps=0)
    for gamma, bounds in zip(GAMMAS, found.bounds, strict=False):
        assert_allclose(bounds, by_cuts(y.astype(float), t, e, gamma, estimand), rtol=0, atol=1e-9)


def many(seed=3, n=1_500):
    return sample(n, seed)


@pytest.mark.parametrize("draw", [sample, many, lambda: sample(400, 2, ties=True)])
@pytest.mark.parametrize("estimand", ["ATE", "ATC"])
def test_replicates_equal_cold_fits_on_copied_rows(draw, estimand):
    x, t, y = draw()
    found = core.sensitivity_bounds(x, t, y, gammas=GAMMAS, estimand=estimand, n_reps=3, seed=4)
    cells = reference.alike(x, t, y)
    for replicate in range(3):
        rows = np.repeat(
            np.arange(len(t)),
            reference.replicate_counts(4, replicate, len(t), resampling="multinomial", cells=cells),
        )
        e = reference.fit_logistic(x[rows], t[rows]).scores
        for k in (1, 3):
            twin = by_cuts(y[rows], t[rows], e, GAMMAS[k], estimand)
            assert_allclose(found.replicates[replicate, k], twin, rtol=0, atol=1e-8)


@pytest.mark.parametrize("scheme", ["poisson", "bayesian", "cluster", "strata"])
def test_replicates_without_confounding_are_those_of_the_bootstrap(scheme):
    x, t, y = sample(300)
    groups = np.arange(300) // 6
    options = {
        "cluster": {"cluster": groups},
        "strata": {"strata": t.astype(int)},
    }.get(scheme, {"resampling": scheme})
    found = core.sensitivity_bounds(x, t, y, gammas=GAMMAS[:2], n_reps=8, seed=9, **options)
    expected = core.bootstrap(x, t, y, estimators=[IPW("ATE")], n_reps=8, seed=9, **options)
    for end in (0, 1):
        assert_allclose(found.replicates[:, 0, end], expected.replicates[:, 0], rtol=0, atol=1e-9)
    assert (found.replicates[:, 1, 0] < found.replicates[:, 0, 0]).all()


def test_critical_gammas_are_where_the_ends_are_none():
    x, t, y = sample(300)
    found = core.sensitivity_bounds(x, t, y, gammas=GAMMAS, n_reps=4)
    again = core.sensitivity_bounds(x, t, y, gammas=found.critical[:1], n_reps=0)
    assert again.bounds[0, 0] == pytest.approx(0, abs=1e-9)
    assert found.critical[1] == 1.0
    for replicate, critical in enumerate(found.critical_replicates[:, 0]):
        at = core.sensitivity_bounds(x, t, y, gammas=np.array([critical]), n_reps=4)
        assert at.replicates[replicate, 0, 0] == pytest.approx(0, abs=1e-9)
    turned = core.sensitivity_bounds(x, t, -y, gammas=GAMMAS, n_reps=0)
    assert_allclose(turned.critical, found.critical[::-1], rtol=1e-9)
    assert_allclose(turned.bounds, -found.bounds[:, ::-1], atol=1e-12)


def test_no_confounder_is_strong_enough_where_outcomes_do_not_overlap():
    x, t, _ = sample()
    y = np.where(t, 2.0, -1.0) + 0.1 * x[:, 0]
    assert np.isinf(core.sensitivity_bounds(x, t, y, gammas=GAMMAS, n_reps=0).critical[0])


def test_fitted_values_are_taken_off_and_change_no_draw():
    x, t, y = sample()
    fitted = x @ [0.5, 1.0]
    found = core.sensitivity_bounds(x, t, y, gammas=GAMMAS, n_reps=3, fitted=fitted)
    expected = core.sensitivity_bounds(x, t, y - fitted, gammas=GAMMAS, n_reps=0)
    assert_allclose(found.bounds, expected.bounds, atol=1e-12)
    assert found.replicates[0, 0, 0] != found.replicates[1, 0, 0]


def test_offset_is_averaged_over_those_the_effect_is_for():
    x, t, y = sample()
    offset = x @ [1.0, -2.0]
    for estimand, target in {"ATE": t | ~t, "ATT": t, "ATC": ~t}.items():
        plain, moved = (
            core.sensitivity_bounds(x, t, y, gammas=GAMMAS, estimand=estimand, n_reps=2, offset=own)
            for own in (None, offset)
        )
        assert_allclose(moved.bounds - plain.bounds, offset[target].mean(), rtol=1e-10)
        assert np.ptp(moved.replicates - plain.replicates) > 0.05


def test_losses_make_the_sharp_bounds():
    """The weighted mean, and (gamma - 1 / gamma) times the mean loss by odds, of either arm."""
    x, t, y = sample()
    e = core.fit_propensity(x, t).scores
    losses = np.random.default_rng(0).uniform(0, 1, (len(t), 2))
    found = core.sensitivity_bounds(x, t, y, gammas=np.array([2.0]), losses=losses, n_reps=0)
    odds = np.where(t, (1 - e) / e, e / (1 - e))
    means = {arm: np.average(y[own], weights=1 + odds[own]) for arm, own in ((1, t), (0, ~t))}
    reach = {
        (arm, k): 1.5 * (odds * losses[:, k])[own].sum() / (1 + odds[own]).sum()
        for arm, own in ((1, t), (0, ~t))
        for k in (0, 1)
    }
    expected = [
        means[1] - reach[1, 1] - means[0] - reach[0, 0],
        means[1] + reach[1, 0] - means[0] + reach[0, 1],
    ]
    assert_allclose(found.bounds[0], expected, rtol=1e-10)
    assert np.isnan(found.critical).all()


@pytest.mark.parametrize("draw", [lambda: sample(300), lambda: sample(3_000, ties=True)])
def test_numbers_do_not_hang_on_threads_or_rows(draw):
    x, t, y = draw()
    one, other = (
        core.sensitivity_bounds(x, t, y, gammas=GAMMAS, n_reps=12, seed=5, n_threads=n) for n in (1, 3)
    )
    np.testing.assert_array_equal(one.replicates, other.replicates)
    few = core.sensitivity_bounds(x, t, y, gammas=GAMMAS, n_reps=5, seed=5)
    np.testing.assert_array_equal(few.replicates, one.replicates[:5])
    order = np.random.default_rng(8).permutation(len(t))
    moved = core.sensitivity_bounds(x[order], t[order], y[order], gammas=GAMMAS, n_reps=12, seed=5)
    assert_allclose(moved.replicates, one.replicates, rtol=0, atol=1e-10)
    assert_allclose(moved.bounds, one.bounds, rtol=0, atol=1e-10)


def test_rows_of_weight_0_are_not_there():
    x, t, y = sample(120)
    s = (np.arange(120) % 4 > 0).astype(float)
    there = s > 0
    found = core.sensitivity_bounds(x, t, np.where(there, y, 1e6), gammas=GAMMAS, sample_weight=s, n_reps=0)
    expected = core.sensitivity_bounds(x[there], t[there], y[there], gammas=GAMMAS, n_reps=0)
    assert_allclose(found.bounds, expected.bounds, atol=1e-8)


def test_replicates_that_cannot_be_had_are_counted():
    x = np.zeros((8, 1))
    t = np.array([1, 1, 0, 0, 0, 0, 0, 0], dtype=bool)
    found = core.sensitivity_bounds(x, t, np.arange(8.0), gammas=GAMMAS, n_reps=60)
    assert 0 < found.n_failed < 60
    assert np.isnan(found.replicates[:, 0, 0]).sum() == found.n_failed


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"gammas": np.array([0.5])}, "gammas must be finite numbers of at least 1"),
        ({"gammas": np.array([np.inf])}, "gammas must be finite"),
        ({"estimand": "ATO"}, "estimand must be"),
        ({"offset": np.zeros(3)}, "offset"),
        ({"offset": np.full(70, np.nan)}, "offset"),
        ({"losses": np.zeros((70, 3))}, "losses"),
        ({"losses": np.full((70, 8), np.inf)}, "losses"),
        ({"n_reps": 1}, "n_reps must be"),
    ],
)
def test_what_bounds_nothing_is_refused(options, says):
    x, t, y = sample()
    with pytest.raises(InvalidInputError, match=says):
        core.sensitivity_bounds(x, t, y, **({"gammas": GAMMAS, "n_reps": 2} | options))


def test_offsets_of_rows_that_are_alike_are_alike():
    x, t, y = sample(400, 2, ties=True)
    with pytest.raises(InvalidInputError, match="the same for rows of equal x, treatment and outcome"):
        core.sensitivity_bounds(x, t, y, gammas=GAMMAS, offset=np.arange(400.0), n_reps=0)
