"""Outcomes far from zero, or of another size: the effect keeps the digits that the outcome itself has."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import propensity as ps

SECONDS = 1.7e9  # about now, since 1970


def world() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    x = rng.normal(size=1500)
    t = rng.random(1500) < 1 / (1 + np.exp(0.4 - 0.8 * x))
    y = x + t + rng.normal(size=1500)
    return pd.DataFrame({"x": x, "t": t, "y": y, "w": rng.uniform(0.5, 3, 1500)})


METHODS: dict[str, Callable[..., ps.Effect]] = {
    "aipw": ps.aipw,
    "aipw, cross-fitted": lambda df, **options: ps.aipw(df, n_folds=3, **options),
    "ipwra": ps.ipwra,
    "regression_adjustment": ps.regression_adjustment,
}


@pytest.mark.parametrize("sample_weight", [None, "w"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("shift", "factor"), [(SECONDS, 1.0), (-1e12, 1.0), (0.0, 1e15), (0.0, 1e-20)])
def test_effect_of_a_shifted_or_rescaled_outcome_keeps_its_digits(
    method: str, sample_weight: str | None, shift: float, factor: float
) -> None:
    df = world()
    df["far"] = factor * (df["y"] + shift)
    df["near"] = df["far"] - shift if shift else df["y"]
    for estimand in ("ATE", "ATT", "ATC"):
        far, near = (
            METHODS[method](
                df,
                outcome=outcome,
                treatment="t",
                covariates=["x"],
                estimand=estimand,
                sample_weight=sample_weight,
            )
            for outcome in ("far", "near")
        )
        assert far.estimate == pytest.approx(factor * near.estimate, rel=1e-9)
        assert far.std_error == pytest.approx(factor * near.std_error, rel=1e-9)
        assert far.mean_treated == pytest.approx(factor * (shift + near.mean_treated), rel=1e-12)


@pytest.mark.parametrize("sample_weight", [None, "w"])
@pytest.mark.parametrize(("shift", "factor"), [(SECONDS, 1.0), (0.0, 1e15)])
def test_bootstrap_of_a_shifted_or_rescaled_outcome_keeps_its_digits(
    sample_weight: str | None, shift: float, factor: float
) -> None:
    df = world()
    df["far"] = factor * (df["y"] + shift)
    df["near"] = df["far"] - shift if shift else df["y"]
    estimators = [ps.IPW(), ps.AIPW(), ps.IPWRA("ATT"), ps.RegressionAdjustment()]
    far, near = (
        ps.bootstrap(
            df,
            outcome=outcome,
            treatment="t",
            covariates=["x"],
            estimators=estimators,
            sample_weight=sample_weight,
            n_reps=20,
            seed=1,
        )
        for outcome in ("far", "near")
    )
    for name in ("estimates", "replicates", "analytic_std_errors"):
        np.testing.assert_allclose(getattr(far, name), factor * getattr(near, name), rtol=1e-9)


def test_means_of_times_are_those_of_least_squares_in_each_arm() -> None:
    df = world()
    df["at"] = SECONDS + 3600 * df["y"]
    predicted = {}
    for arm in (False, True):
        rows = df[df["t"] == arm]
        # Slopes by covariances, in hours since a moment between the times.
        hours = (rows["at"] - SECONDS) / 3600
        slope = np.cov(rows["x"], hours)[0, 1] / rows["x"].var()
        predicted[arm] = hours.mean() + slope * (df["x"].mean() - rows["x"].mean())
    effect = ps.regression_adjustment(df, outcome="at", treatment="t", covariates=["x"])
    assert effect.estimate == pytest.approx(3600 * (predicted[True] - predicted[False]), rel=1e-9)
    assert effect.mean_control == pytest.approx(SECONDS + 3600 * predicted[False], abs=1e-3)
