"""Intervals from replicates: against their formulas and against SciPy."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import propensity as ps
from conftest import COVARIATES, OUTCOME, TREATMENT
from propensity.resampling.intervals import KINDS, bootstrap_interval, by_errors

SKEWED = np.random.default_rng(0).gamma(3.0, size=999)


def interval(kind, estimate=2.7, replicates=SKEWED, level=0.9, acceleration=0.04):
    return bootstrap_interval(kind, estimate, replicates, level=level, acceleration=acceleration)


def test_percentile_interval_is_two_quantiles():
    assert interval("percentile") == pytest.approx(np.quantile(SKEWED, [0.05, 0.95]), rel=1e-14)


def test_basic_interval_is_the_percentile_interval_mirrored():
    low, high = interval("percentile")
    assert interval("basic") == pytest.approx((2 * 2.7 - high, 2 * 2.7 - low), rel=1e-14)


def test_normal_interval_is_as_many_standard_deviations():
    half_width = stats.norm.ppf(0.95) * SKEWED.std(ddof=1)
    assert interval("normal") == pytest.approx((2.7 - half_width, 2.7 + half_width), rel=1e-12)


def test_bca_interval_is_efrons_formula():
    z0 = stats.norm.ppf(np.mean(SKEWED < 2.7))
    z = z0 + stats.norm.ppf([0.05, 0.95])
    expected = np.quantile(SKEWED, stats.norm.cdf(z0 + z / (1 - 0.04 * z)))
    assert interval("bca") == pytest.approx(expected, rel=1e-12)


def test_bca_interval_without_bias_and_skewness_is_the_percentile_interval():
    median = float(np.median(SKEWED))
    found = interval("bca", estimate=median, acceleration=0.0)
    assert found == pytest.approx(interval("percentile"), rel=1e-12)


@pytest.mark.parametrize(("estimate", "acceleration"), [(-1.0, 0.0), (99.0, 0.0), (2.7, np.nan)])
def test_bca_interval_is_missing_where_there_is_none(estimate, acceleration):
    assert np.isnan(interval("bca", estimate=estimate, acceleration=acceleration)).all()


def test_calibrated_percentiles_would_hold_the_estimate_as_often_as_asked():
    """By bisection: the percentiles of normal laws about the replicates, at one level for all."""
    errors = 0.3 * SKEWED**0.5 * np.random.default_rng(2).uniform(0.8, 1.2, len(SKEWED))
    low, high = 1e-12, 0.5
    for _ in range(80):
        tail = (low + high) / 2
        law = stats.norm(SKEWED, errors)
        held = ((law.ppf(tail) <= 2.7) & (law.ppf(1 - tail) >= 2.7)).mean()
        low, high = (low, tail) if held < 0.9 else (tail, high)
    found = by_errors("calibrated", 2.7, 1.0, SKEWED, errors, 0.9)
    # Between two replicates' t the share steps over what was asked for.
    np.testing.assert_allclose(found, np.quantile(SKEWED, [low, 1 - low]), rtol=0.03)


def test_calibrated_interval_of_normal_replicates_is_the_percentile_interval():
    replicates = stats.norm.ppf((np.arange(2_000) + 0.5) / 2_000)
    found = by_errors("calibrated", 0.0, 1.0, replicates, np.ones(2_000), 0.95)
    # Between the most extreme replicates percentiles are interpolated.
    np.testing.assert_allclose(found, np.quantile(replicates, [0.025, 0.975]), rtol=0.005)
    wider = by_errors("calibrated", 0.0, 1.0, replicates, np.full(2_000, 0.8), 0.95)
    np.testing.assert_allclose(wider, np.array(found) / 0.8, rtol=0.02)


@pytest.mark.parametrize("kind", ["studentized", "calibrated"])
def test_intervals_by_errors_need_some(kind):
    assert np.isnan(by_errors(kind, 1.0, 1.0, np.ones(9), np.full(9, np.nan), 0.9)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_of_one_replicate_are_missing(kind):
    assert np.isnan(interval(kind, replicates=np.array([1.0]))).all()


# Against SciPy's bootstrap, where it can do the same: with one constant covariate the effect for everybody
# is the difference of the arms' means.


def difference_of_means(outcome, treated, axis=-1):
    treated = treated.astype(float)
    return (outcome * treated).sum(axis) / treated.sum(axis) - (outcome * (1 - treated)).sum(axis) / (
        1 - treated
    ).sum(axis)


@pytest.fixture(scope="module")
def skewed_arms():
    rng = np.random.default_rng(3)
    treated = rng.random(120) < 0.3
    return pd.DataFrame({"done": rng.gamma(0.5, 1 + 4 * treated), "opted": treated, "one": 1.0})


@pytest.fixture(scope="module")
def boot(skewed_arms):
    design = {"outcome": "done", "treatment": "opted", "covariates": ["one"], "penalty": 1.0}
    return ps.bootstrap(skewed_arms, **design, estimators=[ps.IPW()], n_reps=5_000, seed=1)


def scipy_interval(data, method, replicates):
    """SciPy's interval from our replicates."""
    return stats.bootstrap(
        (data["done"].to_numpy(), data["opted"].to_numpy()),
        difference_of_means,
        paired=True,
        method=method,
        n_resamples=0,
        bootstrap_result=SimpleNamespace(bootstrap_distribution=replicates),
    ).confidence_interval


def test_estimate_is_the_difference_of_means(skewed_arms, boot):
    expected = difference_of_means(skewed_arms["done"].to_numpy(), skewed_arms["opted"].to_numpy())
    assert boot.estimates["IPW ATE"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("kind", ["percentile", "basic"])
def test_intervals_are_scipys(skewed_arms, boot, kind):
    expected = scipy_interval(skewed_arms, kind, boot.replicates["IPW ATE"].to_numpy())
    assert boot.conf_int(kind=kind).loc["IPW ATE"].tolist() == pytest.approx(list(expected), rel=1e-12)


def jackknife_acceleration(data):
    arrays = data["done"].to_numpy(), data["opted"].to_numpy()
    leave_one_out = np.array(
        [difference_of_means(*(np.delete(array, row) for array in arrays)) for row in range(len(data))]
    )
    gap = leave_one_out.mean() - leave_one_out
    return (gap**3).sum() / (6 * (gap**2).sum() ** 1.5)


def test_bca_interval_is_scipys_with_the_jackknifes_acceleration(skewed_arms, boot):
    replicates = boot.replicates["IPW ATE"].to_numpy()
    expected = scipy_interval(skewed_arms, "BCa", replicates)
    found = bootstrap_interval(
        "bca",
        boot.estimates["IPW ATE"],
        replicates,
        level=0.95,
        acceleration=jackknife_acceleration(skewed_arms),
    )
    assert found == pytest.approx(list(expected), rel=1e-10)


def test_acceleration_is_the_jackknifes_but_for_one_in_n(skewed_arms, boot):
    jackknife = jackknife_acceleration(skewed_arms)
    assert jackknife > 0.02
    assert boot.acceleration["IPW ATE"] == pytest.approx(jackknife, rel=0.1)
    low, high = scipy_interval(skewed_arms, "BCa", boot.replicates["IPW ATE"].to_numpy())
    found = boot.conf_int(kind="bca").loc["IPW ATE"].tolist()
    assert found == pytest.approx([low, high], abs=0.02 * (high - low))
    assert found != pytest.approx(boot.conf_int().loc["IPW ATE"].tolist(), abs=0.02 * (high - low))


# On the tutorial's users, where everything is near normal, all kinds agree.


def test_intervals_of_the_tutorial_agree(logs):
    boot = ps.bootstrap(
        logs,
        outcome=OUTCOME,
        treatment=TREATMENT,
        covariates=COVARIATES,
        estimators=[ps.IPW("ATE"), ps.IPW("ATT")],
        n_reps=2_000,
        seed=7,
    )
    for kind in ("percentile", "basic", "normal", "bca"):
        ends = boot.conf_int(kind=kind)
        # An end of 2,000 replicates has a Monte Carlo error of 0.06 standard errors.
        np.testing.assert_allclose(
            ends.sub(boot.conf_int(kind="normal")).div(boot.std_errors, axis="index"), 0, atol=0.25
        )


@pytest.mark.filterwarnings("ignore:.*other draws would put:propensity.errors.IntervalWarning")
def test_studentized_interval_of_the_tutorial_agrees(logs):
    boot = ps.bootstrap(
        logs.iloc[:10_000],
        outcome=OUTCOME,
        treatment=TREATMENT,
        covariates=COVARIATES,
        estimators=[ps.IPW("ATE"), ps.AIPW("ATT")],
        n_reps=500,
        seed=7,
        studentized=True,
    )
    for kind in ("studentized", "calibrated"):
        gap = boot.conf_int(kind=kind).sub(boot.conf_int(kind="normal"))
        # An end of 500 replicates has a Monte Carlo error of 0.12 standard errors.
        np.testing.assert_allclose(gap.div(boot.std_errors, axis="index"), 0, atol=0.5)
