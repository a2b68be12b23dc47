"""Balancing weights in numbers: held against R's, a twin of their dual by SciPy, and simulations."""

import numpy as np
import pytest
from scipy.optimize import minimize

import propensity as ps
from balancing_data import BIRTHS, FITS, LALONDE, births, world
from propensity import core
from propensity.errors import InfeasibleError

pytestmark = [
    pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning"),
    pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning"),  # of squares that R balances not
]


@pytest.fixture(scope="module")
def lalonde():
    return ps.datasets.lalonde()


def hc0(weights, y):
    spec = weights.spec
    return core.balanced_effect(
        np.asarray(y, dtype=float),
        weights.treated,
        np.asarray(weights.weights),
        weights.terms.x,
        estimand=spec.estimand,
        method=spec.method,
        penalty=spec.penalty,
    ).std_error_hc0


# Numbers of others: R's ebal, WeightIt 1.3.2 (ipt, cbps) and CBPS on the three data sets, HC0


@pytest.mark.parametrize(
    ("estimand", "method", "estimate", "std_error"),
    [
        ("ATT", "entropy", 1273.2618139119, 789.7448001),
        ("ATT", "cbps", 1273.2618139119, 789.7448001),
        ("ATT", "ipt", 1273.2618139119, 789.7448001),
        ("ATE", "ipt", 532.110484955, 1255.69048),
        ("ATE", "cbps", 618.91576667, None),
        # WeightIt's own entropy balancing stops early, at 951.6812.
        ("ATE", "entropy", 951.6713, None),
    ],
)
def test_effect_agrees_with_r_on_lalonde(lalonde, estimand, method, estimate, std_error):
    options = {"treatment": "treat", "covariates": LALONDE}
    weights = ps.fit_weights(lalonde, estimand=estimand, method=method, **options)
    effect = weights.effect("re78")
    assert effect.estimate == pytest.approx(
        estimate, rel=5e-8 if (estimand, method) == ("ATE", "entropy") else 1e-8
    )
    if std_error is not None:
        assert hc0(weights, lalonde["re78"]) == pytest.approx(std_error, rel=1e-8)
    assert effect.std_error > hc0(weights, lalonde["re78"])


def test_effect_agrees_with_r_on_the_tutorial(logs):
    options = {"treatment": "opt_in_agent_mode", "covariates": ["engagement_tier", "query_confidence"]}
    weights = ps.fit_weights(logs, **options)
    effect = weights.effect("task_completed")
    assert effect.estimate == pytest.approx(0.07675251399866645, rel=1e-11)
    assert hc0(weights, logs["task_completed"]) == pytest.approx(0.00488785476696337, rel=1e-8)
    assert effect.std_error == pytest.approx(0.0048878548, rel=1e-3)


def test_effect_agrees_with_r_on_births():
    table = births()
    options = {"treatment": "mbsmoke_", "covariates": BIRTHS}
    one_score = ps.fit_weights(table, estimand="ATE", method="cbps", **options)
    assert one_score.effect("bweight").estimate == pytest.approx(-229.47016742, rel=1e-9)
    # By WeightIt's ipt; its cbps for the ATC is off.
    controls = ps.fit_weights(table, estimand="ATC", **options)
    assert controls.effect("bweight").estimate == pytest.approx(-225.486, abs=5e-4)


# A slow twin: the dual as it is written, minimised by SciPy, and its stacked equations by differences


def loss(b, z, t, s, estimand, method):
    """Give minus the dual of one fit for the weights of arm `arm`, summed over fits."""
    eta = z @ b
    if estimand == "ATT":
        return np.sum(s * (~t * np.exp(eta) - t * eta))
    if estimand == "ATC":
        return np.sum(s * (t * np.exp(eta) - ~t * eta))
    assert method == "cbps"
    return np.sum(s * np.where(t, np.exp(-eta) - eta, np.exp(eta) + eta))


def arm_loss(b, z, own, s, method):
    eta = z @ b
    if method == "entropy":
        return np.sum(s * (own * np.exp(eta) - eta))
    return np.sum(s * (own * np.exp(eta) - ~own * eta))


def minimised(function, z, *args):
    start = np.zeros(z.shape[1])
    return minimize(function, start, args=(z, *args), method="BFGS", options={"gtol": 1e-8}).x


def twin_weights(x, t, s, estimand, method):
    """Give the weights, by coefficients on standardized columns that SciPy finds."""
    z = np.column_stack([np.ones(len(x)), (x - x.mean(0)) / x.std(0)])
    if estimand != "ATE" or method == "cbps":
        eta = z @ minimised(loss, z, t, s, estimand, method)
        if estimand == "ATT":
            return s * np.where(t, 1.0, np.exp(eta))
        if estimand == "ATC":
            return s * np.where(t, np.exp(eta), 1.0)
        return s * np.where(t, 1 + np.exp(-eta), 1 + np.exp(eta))
    weights = np.zeros(len(x))
    for own in (t, ~t):
        eta = z @ minimised(arm_loss, z, own, s, method)
        weights[own] = (s * (np.exp(eta) + (method == "ipt")))[own]
    return weights


@pytest.mark.parametrize(("estimand", "method"), FITS)
@pytest.mark.parametrize("weighted", [False, True])
def test_weights_are_those_of_a_slow_twin(estimand, method, weighted):
    x, t, _, w = world()
    s = w if weighted else None
    found = core.fit_weights(x, t, estimand=estimand, method=method, sample_weight=s)
    twin = twin_weights(x, t, w if weighted else np.ones(len(x)), estimand, method)
    np.testing.assert_allclose(found.weights, twin, rtol=1e-5)
    assert found.imbalance.max() < 1e-12


def equations(theta, x, t, y, s, estimand, method, penalty):
    """Stack all equations of a row: those of the weights, fit by fit, and of the two means."""
    ridge = penalty * s.mean() / len(x)  # columns have a standard deviation of 1
    z = np.column_stack([np.ones(len(x)), x])
    d = z.shape[1]
    if estimand in ("ATT", "ATC"):
        own = ~t if estimand == "ATT" else t
        w = np.where(own, np.exp(z @ theta[:d]), 1.0)
        parts = [(s * np.where(own, -w, 1.0))[:, None] * z]
    elif method == "cbps":
        eta = z @ theta[:d]
        w = np.where(t, 1 + np.exp(-eta), 1 + np.exp(eta))
        parts = [(s * np.where(t, w, -w))[:, None] * z]
    else:
        w, parts = np.zeros(len(x)), []
        for place, own in enumerate((t, ~t)):
            raised = np.exp(z @ theta[place * d : (place + 1) * d]) + (method == "ipt")
            w = np.where(own, raised, w)
            parts.append((s * (1 - own * raised))[:, None] * z)
    for place, part in enumerate(parts):
        part[:, 1:] -= ridge * theta[place * d + 1 : (place + 1) * d]
    treated, control = theta[-2:]
    return np.column_stack([*parts, s * w * t * (y - treated), s * w * ~t * (y - control)])


@pytest.mark.parametrize(("estimand", "method"), FITS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("penalty", [0.0, 5.0])
def test_std_error_is_that_of_stacked_equations(estimand, method, weighted, penalty):
    x, t, y, w = world(seed=3)
    x = (x - x.mean(0)) / x.std(0)
    s = w if weighted else np.ones(len(x))
    options = {"estimand": estimand, "method": method, "sample_weight": s, "penalty": penalty}
    found = core.fit_weights(x, t, **options)
    assert (found.imbalance.max() > 1e-4) == (penalty > 0)
    effect = core.balanced_effect(y, t, found.weights, x, **options)
    by_arm = dict(zip(found.arms, found.coefficients, strict=True))
    fits = [by_arm[arm] for arm in ("treated", "control", "both") if arm in by_arm]
    theta = np.concatenate([*fits, [effect.mean_treated, effect.mean_control]])
    psi = equations(theta, x, t, y, s, estimand, method, penalty)
    np.testing.assert_allclose(psi.sum(axis=0), 0, atol=1e-8 * len(x))
    jacobian = np.empty((len(theta), len(theta)))
    for k in range(len(theta)):
        step = np.zeros(len(theta))
        step[k] = 1e-5
        up, down = (equations(theta + sign * step, x, t, y, s, estimand, method, penalty) for sign in (1, -1))
        jacobian[:, k] = (up - down).sum(axis=0) / 2e-5
    influence = -len(x) * psi @ np.linalg.inv(jacobian).T[:, -2:]
    moved = influence[:, 0] - influence[:, 1]
    assert effect.std_error_hc0 == pytest.approx(np.sqrt((moved**2).sum()) / len(x), rel=1e-6)


@pytest.mark.parametrize("estimand", ["ATT", "ATC", "ATE"])
def test_std_error_is_the_hc3_of_the_weighted_regression(estimand):
    """With balancing weights, the regression on the terms in each arm has the same contrast.

    HC3 takes the residual that a row would have if it were not fitted to. The row is not among those whose
    mean is to be reached either then: what it says of that mean is foretold by the others' slopes.
    """
    x, t, y, _ = world(seed=4)
    found = core.fit_weights(x, t, estimand=estimand)
    effect = core.balanced_effect(y, t, found.weights, x, estimand=estimand)
    target = {"ATT": t, "ATC": ~t, "ATE": np.ones(len(t), bool)}[estimand]
    z = np.column_stack([np.ones(len(x)), x - x[target].mean(axis=0)])
    w = found.weights
    means, rows = {}, np.zeros(len(x))
    for arm, sign in ((t, 1.0), (~t, -1.0)):
        weighed = {"ATT": not arm[t][0], "ATC": arm[t][0], "ATE": True}[estimand]
        if not weighed:  # a plain mean, of nothing but itself
            means[sign] = y[arm].mean()
            rows[arm] += sign * (y[arm] - means[sign]) / arm.sum()
            continue
        inverse = np.linalg.inv((z[arm] * w[arm, None]).T @ z[arm])
        slopes = inverse @ (z[arm] * w[arm, None]).T @ y[arm]
        means[sign] = slopes[0]
        leverage = np.where(arm, w * np.einsum("ij,jk,ik->i", z, inverse, z), 0.0)
        residual = np.where(arm, y - z @ slopes, 0.0) / (1 - leverage)
        rows += sign * (z @ inverse)[:, 0] * w * residual
        # What the mean of the terms to be reached itself varies by.
        foretold = np.where(arm, y - residual, z @ slopes)
        rows[target] += sign * (foretold - means[sign])[target] / target.sum()
    rows -= rows.mean()
    assert effect.estimate == pytest.approx(means[1.0] - means[-1.0], rel=1e-10)
    assert effect.std_error == pytest.approx(np.sqrt((rows**2).sum()), rel=1e-8)


def effect_of(x, t, y, s, options):
    found = core.fit_weights(x, t, sample_weight=s, **options)
    return core.balanced_effect(y, t, found.weights, x, sample_weight=s, **options)


@pytest.mark.parametrize(("estimand", "method"), FITS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("penalty", [0.0, 5.0])
def test_std_error_is_that_of_leaving_each_row_out(estimand, method, weighted, penalty):
    """The jackknife, from its definition: weights fitted anew without each of the rows."""
    x, t, y, w = (rows[:250] for rows in world(seed=5))
    s = w if weighted else np.ones(len(x))
    options = {"estimand": estimand, "method": method, "penalty": penalty}
    whole = effect_of(x, t, y, s, options)
    moved = np.empty(len(x))
    for row in range(len(x)):
        rest = np.arange(len(x)) != row
        moved[row] = whole.estimate - effect_of(x[rest], t[rest], y[rest], s[rest], options).estimate
    jackknife = np.sqrt(((moved - moved.mean()) ** 2).sum())
    assert whole.std_error == pytest.approx(jackknife, rel=0.02)
    assert whole.std_error_hc0 < 0.99 * jackknife


# Whether intervals hold what they promise; larger counts stand in docs/validation.md


@pytest.mark.parametrize(("estimand", "method"), FITS)
def test_intervals_hold_the_truth_as_often_as_they_say(estimand, method):
    rng = np.random.default_rng(18)
    inside, moved, errors = [], [], []
    for _ in range(400):
        x = rng.normal(size=(300, 4))
        t = rng.random(300) < 1 / (1 + np.exp(-x @ [0.5, -0.4, 0.3, 0.0]))
        y = x.sum(axis=1) + (1 + 0.5 * x[:, 0]) * t + rng.normal(size=300)
        found = core.fit_weights(x, t, estimand=estimand, method=method)
        effect = core.balanced_effect(y, t, found.weights, x, estimand=estimand, method=method)
        moved.append(effect.estimate)
        errors.append(effect.std_error)
    moved, errors = np.array(moved), np.array(errors)
    inside = np.abs(moved - moved.mean()) < 1.96 * errors
    assert 0.92 < inside.mean() < 0.98
    assert np.median(errors) == pytest.approx(moved.std(), rel=0.1)


def lonely_rows():
    """Levels of which some have one row in an arm; and the effect is 1."""
    rng = np.random.default_rng(1)
    share = 1 / np.arange(1, 31) ** 1.1
    while True:
        level = rng.choice(30, size=300, p=share / share.sum())
        x = rng.normal(size=300)
        t = rng.random(300) < 1 / (1 + np.exp(1 - 0.5 * x))
        counts = np.array([np.bincount(level[arm], minlength=30) for arm in (t, ~t)])
        kept = (counts > 0).all(axis=0)[level]
        there = np.unique(level[kept])
        assert (counts[:, there] == 1).any()
        dummies = (level[kept][:, None] == there[1:]).astype(float)
        columns = np.column_stack([dummies, x[kept]])
        yield columns, t[kept], (x + t + 0.3 * np.sin(level))[kept] + rng.normal(size=int(kept.sum())), None


def far_rows():
    """A column in which one row is a hundred standard deviations away."""
    rng = np.random.default_rng(2)
    while True:
        x = rng.normal(size=(400, 2))
        t = rng.random(400) < 1 / (1 + np.exp(-0.5 * x[:, 0]))
        x[0, 1] = 100.0
        yield x, t, x[:, 0] + t + rng.normal(size=400), None


def skewed_rows():
    """Amounts spent, of which few have most."""
    rng = np.random.default_rng(3)
    while True:
        spent, x = np.exp(2.5 * rng.normal(size=1000)), rng.normal(size=1000)
        t = rng.random(1000) < 1 / (1 + np.exp(-0.5 * x))
        yield np.column_stack([spent, x]), t, x + np.log(spent) + t + rng.normal(size=1000), None


def heavy_rows():
    """Sample weights of which one is as much as twelve others."""
    rng = np.random.default_rng(4)
    while True:
        x = rng.normal(size=(400, 2))
        t = rng.random(400) < 1 / (1 + np.exp(-0.5 * x[:, 0]))
        s = np.where(np.arange(400) == 0, 12.0, 1.0)
        yield x, t, x[:, 0] + t + rng.normal(size=400), s


@pytest.mark.parametrize("method", ["entropy", "ipt"])
@pytest.mark.parametrize("worlds", [lonely_rows, far_rows, skewed_rows, heavy_rows])
def test_a_row_that_a_term_is_fitted_to_alone_does_not_blow_the_std_error_up(worlds, method):
    found = []
    for _, (x, t, y, s) in zip(range(300), worlds(), strict=False):
        try:
            effect = effect_of(x, t, y, s, {"estimand": "ATE", "method": method})
        except InfeasibleError:
            continue
        found.append((effect.estimate, effect.std_error))
    moved, errors = np.array(found).T
    assert len(moved) > 250
    assert 0.8 < np.median(errors) / moved.std() < 1.25
    assert np.sqrt((errors**2).mean()) < 1.5 * moved.std()
    assert 0.92 < (np.abs(moved - moved.mean()) < 1.96 * errors).mean() < 0.985


def test_many_terms_need_the_correction():
    """40 terms on 150 rows an arm: without it errors are too small; with it they are on the safe side."""
    rng = np.random.default_rng(19)
    rows = []
    for _ in range(200):
        x = rng.normal(size=(300, 40))
        t = rng.random(300) < 1 / (1 + np.exp(-0.15 * x.sum(axis=1)))
        y = x[:, 0] + t + rng.normal(size=300)
        try:
            found = core.fit_weights(x, t, estimand="ATE")
        except InfeasibleError:
            continue
        effect = core.balanced_effect(y, t, found.weights, x, estimand="ATE")
        rows.append((effect.estimate - 1.0, effect.std_error, effect.std_error_hc0))
    gap, hc3, hc0 = np.array(rows).T
    assert (np.abs(gap) < 1.96 * hc0).mean() < 0.92
    assert (np.abs(gap) < 1.96 * hc3).mean() > 0.93
