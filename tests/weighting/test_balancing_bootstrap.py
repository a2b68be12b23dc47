"""Replicates of balancing weights: each against weights made from nothing on the rows drawn."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import designs
import propensity as ps
import reference
from balancing_data import FITS, LALONDE, frame_of, world
from propensity import core
from propensity.errors import CollinearityWarning, InfeasibleError, InvalidInputError, OverlapWarning

pytestmark = [
    pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning"),
    pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning"),
]

SPECS = [ps.Balancing(estimand, method) for estimand, method in FITS]


def anew(spec, x, t, y, sample_weight=None):
    """The effect by weights made from nothing; NaN where there are none."""
    words = {"estimand": spec.estimand, "method": spec.method, "penalty": spec.penalty}
    try:
        w = core.fit_weights(x, t, sample_weight=sample_weight, **words).weights
    except (InfeasibleError, InvalidInputError):
        return np.nan
    return np.average(y[t], weights=w[t]) - np.average(y[~t], weights=w[~t])


def rounded(n, seed=0):
    """Rows over few patterns, as product data are."""
    x, t, y, w = world(n, seed)
    return np.column_stack([x[:, 0].round(), x[:, 1].round(-1), x[:, 2] > -1]), t, y.round(), w


def assert_replicates_are_made_anew(arrays, specs, *, n_reps=4, seed=3, rtol=1e-9, sample_weight=None):
    x, t, y = arrays
    boot = core.bootstrap(x, t, y, estimators=specs, n_reps=n_reps, seed=seed, sample_weight=sample_weight)
    whole = [anew(spec, x, t, y, sample_weight) for spec in specs]
    assert_allclose(boot.estimates, whole, rtol=rtol, atol=1e-10)
    for replicate in range(n_reps):
        cells = reference.alike(x, t, y, sample_weight)
        counts = reference.replicate_counts(seed, replicate, len(x), cells=cells)
        rows = np.repeat(np.arange(len(x)), counts)
        own = None if sample_weight is None else sample_weight[rows]
        twin = [anew(spec, x[rows], t[rows], y[rows], own) for spec in specs]
        assert_allclose(boot.replicates[replicate], twin, rtol=rtol, atol=1e-10)
    return boot


@pytest.mark.parametrize("n", [300, 3_000])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("make", [world, rounded])
def test_replicates_are_weights_made_anew_on_the_rows_drawn(make, n, weighted):
    x, t, y, w = make(n)
    weight = w.round(1) if weighted else None
    assert_replicates_are_made_anew((x, t, y), SPECS, sample_weight=weight)


def test_replicates_of_the_tutorials_users_are_weights_made_anew():
    x, t, y = designs.arrays("opt_in_logs")
    arrays = x, t == 1, y
    assert_replicates_are_made_anew(arrays, SPECS[:3], n_reps=2)


def test_rows_read_where_they_lie_give_the_same():
    n = 280_000  # more than are copied
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, 2))
    t = rng.random(n) < 1 / (1 + np.exp(-x[:, 0]))
    y = x.sum(axis=1) + t + rng.normal(size=n)
    specs = [ps.Balancing("ATT"), ps.Balancing("ATE", "cbps")]
    assert_replicates_are_made_anew((x, t, y), specs, n_reps=2)


@pytest.mark.parametrize("resampling", ["poisson", "bayesian"])
def test_other_ways_of_drawing_weigh_the_rows_in_the_fit(resampling):
    x, t, y, _ = world(1_500, seed=2)
    boot = core.bootstrap(x, t, y, estimators=SPECS, n_reps=3, seed=1, resampling=resampling)
    cells = reference.alike(x, t, y)
    for replicate in range(3):
        weight = reference.replicate_weights(1, replicate, len(x), resampling=resampling, cells=cells)
        twin = [anew(spec, x, t, y, weight) for spec in SPECS]
        assert_allclose(boot.replicates[replicate], twin, rtol=1e-8, atol=1e-9)


def test_penalized_replicates_have_the_full_samples_units():
    x, t, y, _ = world(2_000, seed=3)
    z = (x - x.mean(0)) / x.std(0)
    for method in ("entropy", "cbps"):
        spec = ps.Balancing("ATE", method, penalty=5.0)
        boot = core.bootstrap(x, t, y, estimators=[spec], n_reps=2, seed=1)
        for replicate in range(2):
            counts = reference.replicate_counts(1, replicate, len(x), cells=reference.alike(x, t, y))
            expected = penalized(z, t, y, counts, method)
            assert boot.replicates[replicate, 0] == pytest.approx(expected, rel=1e-6)


def penalized(z, t, y, counts, method):
    """By a general optimizer, from the dual written down: a sum of c eta - r exp(g eta), less the ridge."""
    from scipy.optimize import minimize

    columns = np.column_stack([np.ones(len(z)), z])

    def solve(value):
        found = minimize(lambda b: -value(b) + 2.5 * (b[1:] ** 2).sum(), np.zeros(4), tol=1e-14)
        for _ in range(20):  # and Newton's steps by differences for the last digits
            found = minimize(
                lambda b: -value(b) + 2.5 * (b[1:] ** 2).sum(), found.x, method="BFGS", options={"gtol": 1e-9}
            )
        return found.x

    n = counts.astype(float)
    if method == "cbps":
        b = solve(
            lambda b: n @ np.where(t, columns @ b - np.exp(-columns @ b), -columns @ b - np.exp(columns @ b))
        )
        w = n * (1 + np.exp(np.where(t, -1, 1) * (columns @ b)))
    else:
        w = np.zeros(len(z))
        for arm in (True, False):
            b = solve(lambda b, arm=arm: n @ (columns @ b - (t == arm) * np.exp(columns @ b)))
            w += n * (t == arm) * np.exp(columns @ b)
    return np.average(y[t], weights=w[t]) - np.average(y[~t], weights=w[~t])


def test_replicates_without_weights_are_counted_and_told():
    x, t, y, _ = world(120, seed=4)
    frame = frame_of(x, t, y, np.ones(120)).assign(rare=0)
    frame.loc[frame.index[~t][:2], "rare"] = 1
    frame.loc[frame.index[t][:6], "rare"] = 1
    weights = ps.fit_weights(frame, treatment="t", covariates=["x0", "rare"])
    with pytest.warns(OverlapWarning, match=r"EB ATT in \d+ \(\d+%\).*or because no weights balance them"):
        boot = weights.bootstrap("y", n_reps=200, progress=False)
    failed = boot.replicates["EB ATT"].isna()
    cells = reference.alike(weights.terms.x, t, y)
    for replicate in range(200):
        counts = reference.replicate_counts(0, replicate, 120, cells=cells)
        rare = frame["rare"].to_numpy() == 1
        gone = not counts[rare & ~t].sum() and counts[rare & t].sum() > 0
        assert failed[replicate] >= gone
    assert boot.n_failed.iloc[0] == failed.sum() > 10
    assert boot.std_errors.notna().all()
    fine = weights.bootstrap("y", n_reps=50, resampling="bayesian", progress=False)
    assert fine.n_failed.iloc[0] == 0


def test_weights_and_specification_give_the_same_replicates():
    x, t, y, w = world(500, seed=5)
    frame = frame_of(x, t, y, w.round(1)).assign(team=np.arange(500) % 50, half=np.arange(500) % 2)
    options = {"moments": 2, "interactions": True, "sample_weight": "w"}
    covariates = ["x0", "x1", "x2"]
    weights = ps.fit_weights(frame, treatment="t", covariates=covariates, estimand="ATE", **options)
    spec = ps.Balancing("ATE", moments=2, interactions=True)
    given = {"n_reps": 20, "seed": 3, "cluster": "team", "progress": False}
    own = weights.bootstrap("y", **given)
    table = ps.bootstrap(
        frame,
        outcome="y",
        treatment="t",
        covariates=covariates,
        estimators=[ps.IPW("ATE"), spec, ps.Balancing("ATT"), ps.AIPW("ATE")],
        sample_weight="w",
        **given,
    )
    assert_allclose(own.replicates[spec.label], table.replicates[spec.label], rtol=1e-9)
    assert own.estimates[spec.label] == pytest.approx(weights.effect("y").estimate, rel=1e-10)
    assert own.analytic_std_errors.iloc[0] == pytest.approx(
        weights.effect("y", cluster="team").std_error, rel=1e-9
    )
    assert own.cluster == "team"
    plain = ps.fit_weights(frame, treatment="t", covariates=covariates, sample_weight="w")
    att = plain.bootstrap("y", **given).replicates["EB ATT"]
    assert_allclose(table.replicates["EB ATT"], att, rtol=1e-9)
    strata = weights.bootstrap("y", n_reps=5, strata="half", progress=False)
    assert strata.strata == "half"


@pytest.mark.filterwarnings("ignore:.*other draws would put:propensity.errors.IntervalWarning")
def test_replicates_have_their_own_errors():
    x, t, y, _ = world(400, seed=6)
    weights = ps.fit_weights(frame_of(x, t, y, y), treatment="t", covariates=["x0", "x1", "x2"])
    boot = weights.bootstrap("y", n_reps=60, studentized=True, progress=False)
    errors = boot.replicate_std_errors["EB ATT"]
    assert errors.notna().all()
    assert errors.mean() == pytest.approx(weights.effect("y").std_error, rel=0.1)
    low, high = boot.conf_int(kind="studentized").loc["EB ATT"]
    assert low < weights.effect("y").estimate < high


def test_bootstrap_agrees_with_the_standard_error_where_terms_are_few():
    x, t, y, _ = world(3_000, seed=7)
    for estimand, method in FITS:
        weights = ps.fit_weights(
            frame_of(x, t, y, y),
            treatment="t",
            covariates=["x0", "x1", "x2"],
            estimand=estimand,
            method=method,
        )
        boot = weights.bootstrap("y", n_reps=600, progress=False)
        # 600 replicates tell a spread to 3%.
        assert boot.std_errors.iloc[0] == pytest.approx(weights.effect("y").std_error, rel=0.1)


def test_what_cannot_be_balanced_is_named():
    x, t, y, w = world(seed=8)
    frame = frame_of(x, t, y, w).assign(x1=lambda f: f["x1"] + 100 * f["t"])
    call = {"outcome": "y", "treatment": "t", "covariates": ["x0", "x1"], "n_reps": 5, "progress": False}
    with pytest.raises(InfeasibleError, match="of the control rows reach the treated's mean of x1"):
        ps.bootstrap(frame, estimators=[ps.Balancing("ATE", penalty=1.0), ps.Balancing("ATT")], **call)


def test_collinear_terms_are_told_once():
    x, t, y, w = world(seed=9)
    frame = frame_of(x, t, y, w).assign(on=lambda f: f["x0"] > 0, off=lambda f: f["x0"] <= 0)
    call = {
        "outcome": "y",
        "treatment": "t",
        "covariates": ["on", "off", "x1"],
        "n_reps": 5,
        "progress": False,
    }
    with pytest.warns(CollinearityWarning, match="off") as told:
        boot = ps.bootstrap(frame, estimators=[ps.IPW(), ps.Balancing("ATT"), ps.Balancing("ATE")], **call)
    assert len(told) == 1
    plain = ps.bootstrap(frame, estimators=[ps.Balancing("ATT")], **call | {"covariates": ["on", "x1"]})
    assert boot.estimates["EB ATT"] == pytest.approx(plain.estimates["EB ATT"], rel=1e-9)


def test_a_pickle_keeps_numbers_and_wants_the_outcome_by_value(tmp_path):
    lalonde = ps.datasets.lalonde()
    weights = ps.fit_weights(lalonde, treatment="treat", covariates=LALONDE)
    expected = weights.bootstrap("re78", n_reps=10, progress=False)
    pd.to_pickle(weights, tmp_path / "weights")
    again = pd.read_pickle(tmp_path / "weights")
    found = again.bootstrap(lalonde["re78"], n_reps=10, progress=False)
    pd.testing.assert_frame_equal(found.replicates, expected.replicates)


def test_core_wants_a_list_of_columns_for_each_estimator_that_balances():
    x, t, y, _ = world(200, seed=1)
    with pytest.raises(InvalidInputError, match=r"balanced_columns must be one list .* not 2 lists for 1"):
        core.bootstrap(x, t, y, estimators=[ps.Balancing()], balanced_columns=[[0], [1]], n_reps=2)
    for columns in ([[0, 3]], [0], "a"):
        with pytest.raises(InvalidInputError, match="balanced_columns"):
            core.bootstrap(x, t, y, estimators=[ps.Balancing()], balanced_columns=columns, n_reps=2)
    some = core.bootstrap(x, t, y, estimators=[ps.Balancing()], balanced_columns=[[0, 2]], n_reps=2)
    assert some.estimates[0] == pytest.approx(anew(ps.Balancing(), x[:, [0, 2]], t, y), rel=1e-10)
