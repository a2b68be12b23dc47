"""Estimators side by side in groups, on ratios of two outcomes, and on bounded ones."""

import numpy as np
import pandas as pd
import pytest

import propensity as ps
import reference
from propensity.errors import FailedEstimatorWarning, InvalidInputError

pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # not the question here

ROLES = {"outcome": "y", "treatment": "t", "covariates": ["a", "b"]}
SPECS = [
    ps.IPW("ATE"),
    ps.IPW("ATT", truncate=0.95),
    ps.AIPW("ATE"),
    ps.AIPW("ATT", n_folds=2),
    ps.IPWRA("ATT"),
    ps.RegressionAdjustment("ATC"),
    ps.Balancing("ATT"),
    ps.NearestNeighbors("ATT", exact=["g"]),
]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(51)
    n = 800
    df = pd.DataFrame({"a": rng.normal(size=n), "b": rng.uniform(-1, 1, n)})
    df["g"] = rng.choice(["north", "south"], n)
    df["t"] = rng.random(n) < reference.expit(0.6 * df["a"] - 0.5 * df["b"])
    df["y"] = 5 + df["t"] * (1 + (df["g"] == "south")) + df["a"] + rng.normal(size=n)
    df["v"] = rng.poisson(3 + df["a"].clip(0)) + 1.0
    df["team"] = np.arange(n) % 80
    return df


def one_by_one(rows, **options):
    """The same effects, each from the function that gives it."""
    roles = {"outcome": "y", "treatment": "t"} | options
    per = {"per": roles.pop("per")} if "per" in roles else {}
    covariates = {"covariates": ["a", "b"]}
    model = ps.fit_propensity(rows, treatment="t", **covariates)
    matching = ps.match_nn(rows, treatment="t", scores=model, exact=["g"])
    weights = ps.fit_weights(rows, treatment="t", **covariates)
    by = {"by": roles.pop("by")} if "by" in roles else {}
    adjusting = roles | covariates | per | by
    return {
        "naive gap": ps.ipw(rows, **roles, **per, **by, scores=np.full(len(rows), 0.5)),
        "IPW ATE": ps.ipw(rows, **roles, **per, **by, scores=model),
        "IPW ATT (truncated at 0.95)": ps.ipw(
            rows, **roles, **per, **by, scores=model, estimand="ATT", truncate=0.95
        ),
        "AIPW ATE": ps.aipw(rows, **adjusting),
        "AIPW ATT (2 folds)": ps.aipw(rows, **adjusting, estimand="ATT", n_folds=2),
        "IPWRA ATT": ps.ipwra(rows, **adjusting, estimand="ATT"),
        "Regression ATC": ps.regression_adjustment(rows, **adjusting, estimand="ATC"),
        "EB ATT": weights.effect("y", **per, **by),
        "1-NN ATT (exact g)": matching.effect("y", **per, **by),
    }


COLUMNS = ["estimate", "std_error", "conf_low", "conf_high", "p_value", "ess_treated", "ess_control"]


@pytest.mark.parametrize("options", [{}, {"per": "v"}])
def test_groups_of_a_table_are_those_of_each_function(rows, options):
    table = ps.estimate(rows, **ROLES, estimators=SPECS, by="g", **options).table
    expected = one_by_one(rows, by="g", **options)
    assert table.index.names == ["g", "estimator"]
    assert list(table.index.get_level_values("estimator")[:9]) == list(expected)
    for label, grouped in expected.items():
        found = table.xs(label, level="estimator")
        np.testing.assert_allclose(found[COLUMNS], grouped.table[COLUMNS], rtol=1e-8)
    assert table.attrs["by"] == ("g",)


def test_ratio_metric_of_a_table_is_that_of_each_function(rows):
    table = ps.estimate(rows, **ROLES, estimators=SPECS, per="v", contrast="percent").table
    for label, effect in one_by_one(rows, per="v").items():
        lift = effect.contrast_as("percent")
        assert table.loc[label, "estimate"] == pytest.approx(lift.estimate, rel=1e-9)
        assert table.loc[label, "log_std_error"] == pytest.approx(lift.std_error, rel=1e-8)


def test_bounded_outcome_of_a_table_is_the_column_bounded(rows):
    table = ps.estimate(rows, **ROLES, estimators=SPECS, winsorize=0.9).table
    df = rows.assign(y=rows["y"].clip(upper=np.quantile(rows["y"], 0.9, method="averaged_inverted_cdf")))
    expected = ps.estimate(df, **ROLES, estimators=SPECS).table
    np.testing.assert_allclose(table[COLUMNS], expected[COLUMNS], rtol=1e-9)


def test_several_columns_and_clusters_make_a_table(rows):
    df = rows.assign(h=rows["b"] > 0)
    table = ps.estimate(
        df, **ROLES, estimators=SPECS[:3], by=["g", "h"], cluster="team", contrast="percent"
    ).table
    assert table.index.names == ["g", "h", "estimator"]
    assert len(table) == 4 * 4
    assert "log_std_error" in table
    assert np.isfinite(table["estimate"]).all()


def test_estimator_that_cannot_be_had_has_a_line_in_each_group(rows):
    df = rows.assign(a=np.where(rows["t"], rows["a"].abs() + 1, -rows["a"].abs()))
    with pytest.warns(FailedEstimatorWarning, match="IPW ATE could not be had"):
        table = ps.estimate(
            df, **ROLES, estimators=[ps.IPW("ATE"), ps.RegressionAdjustment("ATE")], by="g"
        ).table
    failed = table.xs("IPW ATE", level="estimator")
    assert failed["estimate"].isna().all()
    assert (failed["note"] != "").all()
    assert np.isfinite(table.xs("Regression ATE", level="estimator")["estimate"]).all()


def test_matching_across_groups_is_refused(rows):
    with pytest.raises(InvalidInputError, match=r"match within groups: exact=\['g'\]"):
        ps.estimate(rows, **ROLES, estimators=[ps.NearestNeighbors("ATT")], by="g")
