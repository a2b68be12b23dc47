"""Standardized mean differences through the frame door."""

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from conftest import COVARIATES, TREATMENT


def test_smd_is_the_tutorials(logs, tutorial):
    found = ps.smd(logs, treatment=TREATMENT, covariates=COVARIATES)
    expected = tutorial["smd"]["raw"]
    assert found[list(expected)].to_dict() == pytest.approx(expected, abs=1e-4)


def test_smd_after_weighting_is_the_tutorials(logs, tutorial):
    model = ps.fit_propensity(logs, treatment=TREATMENT, covariates=COVARIATES, penalty=1.0)
    weights = ps.balancing_weights(logs, treatment=TREATMENT, scores=model)
    found = ps.smd(logs, treatment=TREATMENT, covariates=COVARIATES, weights=weights)
    expected = tutorial["smd"]["ipw_ate_penalized"]
    assert found[list(expected)].to_dict() == pytest.approx(expected, abs=1e-4)


def test_smd_shows_every_level(users):
    found = ps.smd(users, treatment="opted", covariates=["tier", "visits", "premium"])
    assert list(found.index) == ["tier[heavy]", "tier[light]", "tier[medium]", "visits", "premium"]


@pytest.mark.parametrize("denominator", ["pooled", "treated", "control", "all"])
def test_smd_divides_by_the_denominator_and_names_it(users, denominator):
    found = ps.smd(users, treatment="opted", covariates=["visits", "premium"], denominator=denominator)
    for term, ddof in (("visits", 1), ("premium", 0)):
        x = users[term].astype(float)
        x1, x0 = x[users["opted"]], x[~users["opted"]]
        v1, v0 = x1.var(ddof=ddof), x0.var(ddof=ddof)
        variance = {"pooled": (v1 + v0) / 2, "treated": v1, "control": v0, "all": x.var(ddof=ddof)}[
            denominator
        ]
        assert found[term] == pytest.approx((x1.mean() - x0.mean()) / np.sqrt(variance), rel=1e-12)
    assert found.name == f"smd ({denominator})"
    assert found.attrs == {"denominator": denominator}


def test_smd_weights_move_the_numerator_alone(users):
    w = pd.Series(np.random.default_rng(1).uniform(1, 2, len(users)), index=users.index)
    found = ps.smd(users, treatment="opted", covariates=["visits"], weights=w)
    x, t = users["visits"], users["opted"]
    gap = np.average(x[t], weights=w[t]) - np.average(x[~t], weights=w[~t])
    assert found["visits"] == pytest.approx(gap / np.sqrt((x[t].var() + x[~t].var()) / 2), rel=1e-12)


def test_smd_takes_weights_as_column_series_array_or_matches(users):
    model = ps.fit_propensity(users, treatment="opted", covariates=["tier", "visits"])
    matches = ps.match_nn(users, treatment="opted", scores=model)
    users["w"] = matches.weights
    expected = ps.smd(users, treatment="opted", covariates=["tier"], weights=matches)
    for weights in ("w", users["w"], users["w"].to_numpy()):
        found = ps.smd(users, treatment="opted", covariates=["tier"], weights=weights)
        pd.testing.assert_series_equal(found, expected)


def test_smd_takes_a_formula(users):
    found = ps.smd(users, treatment="opted", covariates="log(tenure) + tier:visits")
    levels = ["tier[heavy]:visits", "tier[light]:visits", "tier[medium]:visits"]
    assert list(found.index) == ["log(tenure)", *levels]
