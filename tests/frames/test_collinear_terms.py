"""Which terms are collinear: decided once for a design, and told by every model; powers of a year are not."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from propensity.errors import CollinearityWarning

ESTIMATORS: list[Callable[..., Any]] = [ps.regression_adjustment, ps.aipw, ps.ipwra]


def world(n: int = 800) -> pd.DataFrame:
    rng = np.random.default_rng(8)
    df = pd.DataFrame({"x": rng.normal(size=n), "z": rng.gamma(2.0, size=n)})
    df["sum"] = df["x"] + df["z"]
    df["inches"] = df["z"] / 2.54 + 100
    df["year"] = 2010 + rng.integers(0, 11, n)
    df["t"] = (rng.random(n) < 1 / (1 + np.exp(0.3 - 0.5 * df["x"]))).astype(int)
    since = df["year"] - 2015
    df["y"] = df["x"] + 0.2 * since**3 - since + df["t"] * (1 + 0.1 * since) + rng.normal(size=n)
    df["other"] = -df["y"]
    return df


def told(call: Callable[[], Any]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [str(w.message) for w in caught if issubclass(w.category, CollinearityWarning)]


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("outcome", ["y", ["y", "other"]])
def test_collinear_terms_are_told_once_whatever_the_number_of_outcomes(
    estimator: Callable[..., Any], outcome: str | list[str]
) -> None:
    covariates = ["x", "z", "sum", "inches"]
    found = told(lambda: estimator(world(), outcome=outcome, treatment="t", covariates=covariates))
    assert found == ["left out, because earlier terms already say the same: sum, inches"]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_collinear_terms_change_no_effect(estimator: Callable[..., Any]) -> None:
    df = world()
    with pytest.warns(CollinearityWarning):
        found = estimator(df, outcome="y", treatment="t", covariates=["x", "z", "sum", "inches"])
    expected = estimator(df, outcome="y", treatment="t", covariates=["x", "z"])
    assert found.estimate == pytest.approx(expected.estimate, rel=1e-11)
    assert found.std_error == pytest.approx(expected.std_error, rel=1e-11)


def test_collinear_terms_of_the_outcome_models_alone_are_told_as_theirs() -> None:
    found = told(
        lambda: ps.aipw(
            world(), outcome="y", treatment="t", covariates=["x"], outcome_covariates=["x", "z", "inches"]
        )
    )
    assert found == ["outcome models: left out, because earlier terms already say the same: inches"]


def test_cross_fitted_models_of_our_own_tell_of_collinear_terms_too() -> None:
    options = {"outcome": ["y", "other"], "treatment": "t", "n_folds": 3}
    found = told(lambda: ps.aipw(world(), covariates=["x", "z", "sum"], **options))
    assert found == ["left out, because earlier terms already say the same: sum"]
    found = told(lambda: ps.aipw(world(), covariates=["x", "z", "sum"], penalty=1.0, **options))
    assert found == ["outcome models: left out, because earlier terms already say the same: sum"]


def test_bootstrap_tells_of_collinear_terms_too() -> None:
    for estimators in ([ps.IPW()], [ps.RegressionAdjustment()], [ps.AIPW(), ps.RegressionAdjustment()]):
        found = told(
            lambda some=estimators: ps.bootstrap(
                world(),
                outcome="y",
                treatment="t",
                covariates=["x", "z", "sum"],
                estimators=some,
                n_reps=2,
                seed=1,
            )
        )
        assert found == ["left out, because earlier terms already say the same: sum"]


def least_squares_contrast(df: pd.DataFrame, degree: int) -> float:
    """Give the mean contrast of two cubics, on years from the middle, by a QR decomposition."""
    since = (df["year"] - 2015) / 5
    design = np.column_stack([df["x"], *(since**power for power in range(degree + 1))])
    fitted = []
    for arm in (1, 0):
        rows = df["t"].to_numpy() == arm
        q, r = np.linalg.qr(design[rows])
        fitted.append(design @ np.linalg.solve(r, q.T @ df["y"].to_numpy()[rows]))
    return float((fitted[0] - fitted[1]).mean())


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_powers_of_a_year_are_those_of_careful_least_squares(degree: int) -> None:
    df = world()
    powers = [f"year{power}" for power in range(1, degree + 1)]
    for power, name in enumerate(powers, start=1):
        df[name] = df["year"].astype(float) ** power
    options = {"outcome": "y", "treatment": "t", "covariates": ["x", *powers]}
    found = ps.regression_adjustment(df, **options)
    assert found.estimate == pytest.approx(least_squares_contrast(df, degree), rel=1e-8)
    boot = ps.bootstrap(df, **options, estimators=[ps.RegressionAdjustment()], n_reps=3, seed=1)
    assert boot.estimates.iloc[0] == pytest.approx(found.estimate, rel=1e-8)
    # The score is of the same terms, and its scores those of the years from their middle.
    since = {f"s{power}": ((df["year"] - 2015) / 5) ** power for power in range(1, degree + 1)}
    near = df.assign(**since)
    far_scores = ps.fit_propensity(df, treatment="t", covariates=["x", *powers]).scores
    near_scores = ps.fit_propensity(near, treatment="t", covariates=["x", *since]).scores
    np.testing.assert_allclose(far_scores, near_scores, atol=1e-6)


def test_effects_with_powers_of_a_year_have_the_errors_of_those_from_the_middle() -> None:
    df = world()
    for power in (1, 2, 3):
        df[f"year{power}"] = df["year"].astype(float) ** power
        df[f"s{power}"] = ((df["year"] - 2015) / 5) ** power
    for estimator in ESTIMATORS:
        far, near = (
            estimator(df, outcome="y", treatment="t", covariates=["x", *(f"{name}{k}" for k in (1, 2, 3))])
            for name in ("year", "s")
        )
        assert far.estimate == pytest.approx(near.estimate, rel=1e-7)
        assert far.std_error == pytest.approx(near.std_error, rel=1e-7)
