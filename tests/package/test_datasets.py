"""The data sets: value for value the originals, and true to what their docstrings say."""

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import reference
from propensity import datasets

ORIGINAL = json.loads((Path(__file__).parents[1] / "reference" / "opt_in_columns.json").read_text())
USAGE_COVARIATES = ["past_engagement_score", "account_age_months", "feature_usage_count"]


@pytest.fixture(scope="module")
def opt_in_logs():
    return datasets.opt_in_logs()


@pytest.fixture(scope="module")
def usage():
    return datasets.assistant_usage(n_users=400_000, seed=11)


@pytest.fixture(scope="module")
def usage_fit(usage):
    return reference.fit_logistic(usage[USAGE_COVARIATES].to_numpy(float), usage["opt_in"].to_numpy())


def checksum(column):
    """SHA-256 of the values: numbers as little-endian 8 bytes, text one a line."""
    if column.dtype.kind in "iuf":
        content = column.to_numpy().astype("<" + column.dtype.kind + "8").tobytes()
    else:
        content = "\n".join(column).encode()
    return hashlib.sha256(content).hexdigest()


def test_opt_in_logs_columns_are_the_originals_in_order(opt_in_logs):
    assert list(opt_in_logs) == list(ORIGINAL["columns"])
    assert len(opt_in_logs) == ORIGINAL["n_users"]


@pytest.mark.parametrize("name", ORIGINAL["columns"])
def test_opt_in_logs_column_equals_the_original(opt_in_logs, name):
    column, original = opt_in_logs[name], ORIGINAL["columns"][name]
    assert column.iloc[ORIGINAL["sample_rows"]].tolist() == original["sample"]
    assert checksum(column) == original["sha256"]


@pytest.mark.parametrize("name", ORIGINAL["columns"])
def test_opt_in_logs_column_has_the_type_a_reader_of_the_file_gets(opt_in_logs, name):
    kind = ORIGINAL["columns"][name]["kind"]
    text = pd.Series(["light"]).dtype
    assert opt_in_logs[name].dtype == (text if kind == "text" else kind)


def test_opt_in_logs_state_the_true_effect(opt_in_logs):
    assert opt_in_logs.attrs["true_effect"] == 0.08


def test_opt_in_logs_mislead_by_the_tutorials_gap(opt_in_logs):
    opted_in = opt_in_logs["opt_in_agent_mode"] == 1
    completed = opt_in_logs["task_completed"]
    assert completed[opted_in].mean() - completed[~opted_in].mean() == pytest.approx(0.2106310297, abs=1e-9)


def test_opt_in_logs_of_another_seed_differ_and_of_the_same_do_not():
    first, again = datasets.opt_in_logs(500, seed=3), datasets.opt_in_logs(500, seed=3)
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    assert not first.equals(datasets.opt_in_logs(500, seed=4))


def test_opt_in_logs_rules_hold_in_every_row(opt_in_logs):
    logs = opt_in_logs
    assert (logs["user_id"] == np.arange(50_000)).all()
    assert ((logs["workspace_id"] < 25) == (logs["wave"] == 1)).all()
    assert (logs["treatment_week"] == logs["wave"].map({1: 20, 2: 30})).all()
    assert (logs["treated_post"] == (logs["signup_week"] >= logs["treatment_week"])).all()
    assert (logs["prompt_variant"] == logs["user_id"] % 2).all()


def test_assistant_usage_columns_have_the_stated_types():
    types = datasets.assistant_usage(n_users=50).dtypes.astype(str).to_dict()
    assert types == {
        "past_engagement_score": "float64",
        "account_age_months": "int64",
        "feature_usage_count": "int64",
        "opt_in": "bool",
        "tasks_completed": "int64",
    }


def test_assistant_usage_columns_stay_in_the_stated_ranges(usage):
    assert usage["past_engagement_score"].between(0, 1, inclusive="neither").all()
    assert usage["past_engagement_score"].between(0.15, 0.65).mean() > 0.85
    assert usage["account_age_months"].min() == 1
    assert usage["account_age_months"].max() == 60
    assert usage["feature_usage_count"].min() == 0
    assert usage["feature_usage_count"].mean() == pytest.approx(4, abs=0.2)
    assert usage["feature_usage_count"].skew() > 1
    assert usage["tasks_completed"].min() >= 0


def test_assistant_usage_opt_in_follows_the_stated_log_odds(usage_fit):
    fit, std_errors = usage_fit, np.sqrt(np.diag(usage_fit.covariance))
    assert (np.abs(fit.coefficients - [-2.8, 3.0, 0.02, 0.11]) < 4 * std_errors).all()
    assert (fit.coefficients[1:] > 20 * std_errors[1:]).all()


def test_assistant_usage_outcome_follows_the_stated_mean_and_is_poisson(usage):
    columns = usage[[*USAGE_COVARIATES, "opt_in"]].to_numpy(float)
    mean = 1 + columns @ [12, 0.06, 0.6, datasets.assistant_usage(1).attrs["true_effect"]]
    error = usage["tasks_completed"].to_numpy() - mean
    # In all and in each arm: mean 0, variance equal to the mean, within four standard errors.
    for rows in (slice(None), columns[:, 3] == 1, columns[:, 3] == 0):
        spread = error[rows] / np.sqrt(mean[rows])
        assert abs(spread.mean()) < 4 / np.sqrt(len(spread))
        assert abs(spread.var() - 1) < 4 * np.sqrt(2.2 / len(spread))


@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
def test_assistant_usage_effect_is_recovered_by_weighting(usage, usage_fit, estimand):
    completed, opt_in = usage["tasks_completed"].to_numpy(float), usage["opt_in"].to_numpy()
    effect = reference.ipw(completed, opt_in, usage_fit.scores, estimand).estimate
    assert effect == pytest.approx(usage.attrs["true_effect"], abs=0.08)


def test_assistant_usage_naive_gap_is_twice_the_truth(usage):
    gap = usage.groupby("opt_in")["tasks_completed"].mean().diff().iloc[-1]
    assert gap > 2 * usage.attrs["true_effect"]
    assert gap == pytest.approx(4.3, abs=0.1)


def test_assistant_usage_overlaps(usage):
    log_odds = usage[USAGE_COVARIATES].to_numpy(float) @ [3.0, 0.02, 0.11] - 2.8
    scores = reference.expit(log_odds)
    assert ((scores > 0.1) & (scores < 0.9)).mean() > 0.99
    by_arm = [usage["opt_in"][scores > s].mean() for s in (0.1, 0.9)]
    assert all(0 < share < 1 for share in by_arm)


def test_assistant_usage_of_the_same_seed_is_the_same():
    first, again = datasets.assistant_usage(500, seed=3), datasets.assistant_usage(500, seed=3)
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    assert not first.equals(datasets.assistant_usage(500, seed=4))


@pytest.mark.parametrize("make", [datasets.opt_in_logs, datasets.assistant_usage])
@pytest.mark.parametrize("n_users", [0, -1, 2.5, "100", True, None])
def test_datasets_refuse_a_row_count_that_is_none(make, n_users):
    with pytest.raises(ValueError, match="n_users"):
        make(n_users)


@pytest.mark.parametrize("make", [datasets.opt_in_logs, datasets.assistant_usage])
def test_datasets_take_any_positive_integer(make):
    assert len(make(1)) == 1
    assert len(make(np.int64(7))) == 7


def test_lalonde_has_the_rows_and_columns_of_matchit():
    trained = datasets.lalonde()
    assert list(trained) == ["treat", "age", "educ", "race", "married", "nodegree", "re74", "re75", "re78"]
    assert trained.index.name == "unit"
    assert trained.index.is_unique
    assert trained["treat"].groupby(trained.index.str.strip("0123456789")).agg(["size", "sum"]).to_dict() == {
        "size": {"NSW": 185, "PSID": 429},
        "sum": {"NSW": 185, "PSID": 0},
    }
    assert trained.dtypes.drop("race").astype(str).tolist() == ["int64"] * 5 + ["float64"] * 3
    assert trained["race"].dtype == pd.Series(["black"]).dtype
    assert not trained.isna().any(axis=None)


def test_lalonde_is_the_file_to_the_last_digit():
    trained = datasets.lalonde()
    path = Path(datasets.__file__).parent / "data" / "lalonde.csv"
    with path.open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    assert trained.index.tolist() == [row["unit"] for row in rows]
    for name in ("re74", "re75", "re78"):
        assert trained[name].tolist() == [float(row[name]) for row in rows]


def test_lalonde_treated_have_the_published_means():
    treated = datasets.lalonde().query("treat == 1")
    means = {
        **treated.drop(columns="race").mean(),
        **treated["race"].value_counts(normalize=True),
    }
    # Dehejia and Wahba (1999), table 1, first row.
    published = {
        "age": 25.81,
        "educ": 10.35,
        "black": 0.84,
        "hispan": 0.059,
        "nodegree": 0.71,
        "married": 0.19,
    }
    for name, mean in published.items():
        assert means[name] == pytest.approx(mean, abs=0.01 if name == "age" else 0.005), name
    assert means["re74"] == pytest.approx(2096, abs=1)
    assert means["re75"] == pytest.approx(1532, abs=1)


def test_lalonde_raw_gap_is_far_from_the_trials():
    trained = datasets.lalonde()
    gap = trained.groupby("treat")["re78"].mean().diff().iloc[-1]
    assert gap == pytest.approx(-635.0262120, abs=1e-6)
    assert trained.attrs["experimental_effect"] == 1794.34
