"""Estimates of a table that an engine holds, against those of the same rows in a frame."""

import pickle
import warnings
from dataclasses import replace

import engines
import numpy as np
import pandas as pd
import pytest
from engines import LAZY

import propensity as ps
from propensity.errors import (
    CollinearityWarning,
    InvalidInputError,
    OverlapError,
    SeparationError,
    SmallSampleWarning,
)
from propensity.tables import models
from propensity.tables.newton import Equations, maximize

SPECS = [
    *(ps.IPW(estimand) for estimand in ("ATE", "ATT", "ATC", "ATO", "ATM")),
    *(kind(estimand) for kind in (ps.AIPW, ps.RegressionAdjustment) for estimand in ("ATE", "ATT", "ATC")),
]
COVARIATES = ["tenure", "score", "tier", "pro", "visits"]
ROLES = {"treatment": "t", "covariates": COVARIATES, "outcome": ["done", "minutes"], "estimators": SPECS}
QUIET = pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")
pytestmark = QUIET


@pytest.fixture(params=LAZY)
def lazy(request):
    return LAZY[request.param]


def users(n=4_000, seed=3):
    rng = np.random.default_rng(seed)
    tenure, score = 3 * rng.normal(size=n) + 10, rng.normal(size=n)
    tier, pro = rng.choice(["light", "heavy", "new"], n), rng.random(n) < 0.4
    log_odds = 0.15 * (tenure - 10) - 0.4 * score + 0.4 * pro + 0.5 * (tier == "heavy") - 0.3
    t = (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(int)
    done = rng.random(n) < 1 / (1 + np.exp(-(0.3 * t + 0.5 * score + 0.1 * (tenure - 10))))
    return pd.DataFrame(
        {
            "tenure": tenure,
            "score": score,
            "tier": tier,
            "pro": pro,
            "visits": rng.poisson(3, n),
            "t": t,
            "done": done,
            "minutes": 1_000 + np.exp(0.2 * score + 0.3 * t + 0.5 * rng.normal(size=n)),
            "team": rng.integers(0, 60, n),
        }
    )


def error_of(table):
    return table["log_std_error"] if "log_std_error" in table else table["std_error"]


OPTIONS = {
    "plain": {},
    "clusters": {"cluster": "team"},
    "penalty": {"penalty": 5.0},
    "percent": {"contrast": "percent"},
}


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", ["duckdb", "polars-lazy"])
def test_estimates_and_errors_are_those_of_the_rows(name, options):
    compare(LAZY[name], ROLES | OPTIONS[options])


@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
def test_caution_of_few_rows_that_carry_is_that_of_the_rows(estimand):
    """Strong confounding of 400 rows; the words have the numbers."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=400)
    t = (rng.random(400) < 1 / (1 + np.exp(-1.3 * x))).astype(int)
    df = pd.DataFrame({"t": t, "x": x, "y": 3 * x + t + rng.normal(size=400)})
    options = {"treatment": "t", "covariates": ["x"], "outcome": "y", "estimators": [ps.IPW(estimand)]}
    words = []
    for table in (df, LAZY["duckdb"](df)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            effect = ps.estimate(table, **options)[f"IPW {estimand}"]
        told = [str(caution) for caution in effect.cautions if "carry the variance" in str(caution)]
        words.append([one.replace(', or take the wider conf_int(se="jackknife")', "") for one in told])
    assert words[0] == words[1]
    assert len(words[0]) == 1


def test_every_engine_gives_estimates_and_errors_of_the_rows(lazy):
    # sqlframe and Spark read a query for seconds, however few the rows: once, with every kind of estimator.
    specs = [ps.IPW("ATM"), ps.AIPW("ATE"), ps.RegressionAdjustment("ATT")]
    some = {"covariates": ["score", "tier", "pro"], "outcome": "minutes", "estimators": specs}
    compare(lazy, ROLES | some | {"cluster": "team", "penalty": 2.0})


def compare(engine, asked):
    df = users()
    estimates, of_rows = (ps.estimate(table, **asked) for table in (engine(df), df))
    found, expected = estimates.table, of_rows.table
    assert list(found.index) == list(expected.index)
    scale = 1e-9 * expected["estimate"].abs().clip(lower=1)
    assert ((found["estimate"] - expected["estimate"]).abs() < scale).all()
    np.testing.assert_allclose(error_of(found), error_of(expected), rtol=1e-9)
    np.testing.assert_allclose(found["ess_treated"], expected["ess_treated"], rtol=1e-9)
    np.testing.assert_allclose(found["ess_control"], expected["ess_control"], rtol=1e-9)
    # Frames correct intervals for leverage, of some d / n; without that they are the same.
    np.testing.assert_allclose(found["conf_low"], expected["conf_low"], rtol=5e-3, atol=1e-4)
    for label in found.index:
        own, rows = (effect_of(one, label) for one in (estimates, of_rows))
        rows = replace(rows, leverage=None)
        np.testing.assert_allclose(own.df, rows.df, rtol=1e-8)
        np.testing.assert_allclose(own.conf_int(), rows.conf_int(), rtol=1e-8)


def effect_of(estimates, label):
    return estimates[label[0]][label[1]] if isinstance(label, tuple) else estimates[label]


def test_means_contrasts_and_tests_are_those_of_the_rows():
    df = users()
    options = {**ROLES, "outcome": "done", "estimators": [ps.IPW("ATE")]}
    found = ps.estimate(LAZY["polars-lazy"](df), **options)["IPW ATE"]
    expected = replace(ps.estimate(df, **options)["IPW ATE"], leverage=None)
    pd.testing.assert_frame_equal(found.means, expected.means, rtol=1e-8)
    for contrast in ("ratio", "odds_ratio"):
        np.testing.assert_allclose(
            found.contrast_as(contrast).to_frame().to_numpy(),
            expected.contrast_as(contrast).to_frame().to_numpy(),
            rtol=1e-8,
        )
    np.testing.assert_allclose(found.test(0.01).p_value, expected.test(0.01).p_value, rtol=1e-7)
    assert found.binary
    assert found.e_value().point == pytest.approx(expected.e_value().point, rel=1e-9)
    again = pickle.loads(pickle.dumps(found))
    assert again.contrast_as("ratio").std_error == found.contrast_as("ratio").std_error
    assert again.df == found.df
    assert found.influence is None
    assert found.weights is None


def test_by_default_there_are_weighting_and_adjusted_weighting():
    estimates = ps.estimate(
        LAZY["polars-lazy"](users()), treatment="t", covariates=COVARIATES, outcome="done"
    )
    assert estimates.labels == ("naive gap", "IPW ATE", "AIPW ATE", "IPW ATT", "AIPW ATT")
    assert "Estimates of the effect on done" in repr(estimates)


def test_fit_starts_from_some_rows_of_a_large_table(monkeypatch):
    df = users(30_000)
    roles = {"treatment": "t", "covariates": COVARIATES, "outcome": "done", "estimators": [ps.IPW("ATE")]}
    expected = ps.estimate(df, **roles).table
    counts = []
    fit = models.maximize
    monkeypatch.setattr(models, "maximize", lambda *given: counts.append(fit(*given)) or counts[-1])
    for sample in (100_000, 5_000):
        monkeypatch.setattr(models, "_SAMPLE", sample)
        for frame in (df, df.sort_values("t")):  # of which the first rows are of one arm
            found = ps.estimate(LAZY["polars-lazy"](frame), **roles).table
            np.testing.assert_allclose(found["estimate"], expected["estimate"], rtol=0, atol=1e-11)
    passes = [found.n_queries for found in counts]
    assert passes[2] < passes[0] == passes[1] == passes[3]


def test_repeated_terms_are_left_out_and_told():
    df = users().assign(twice=lambda d: 2 * d["score"] - d["tenure"], one=1.0, only="all")
    covariates = ["score", "twice", "tenure", "one", "only"]
    roles = ROLES | {"covariates": covariates, "outcome": "done", "estimators": [ps.IPW(), ps.AIPW()]}
    with pytest.warns(CollinearityWarning, match=r"left out, .*: only, tenure, one$"):
        found = ps.estimate(LAZY["polars-lazy"](df), **roles).table
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollinearityWarning)
        expected = ps.estimate(df, **roles).table
    np.testing.assert_allclose(found["estimate"], expected["estimate"], rtol=1e-9)
    np.testing.assert_allclose(found["std_error"], expected["std_error"], rtol=1e-9)


# What cannot be


def test_separated_levels_and_flags_are_told(lazy):
    df = users()
    roles = ROLES | {"estimators": [ps.IPW("ATE")]}
    level = df.assign(
        tier=np.where(np.arange(len(df)) < 40, "team", df["tier"]),
        t=lambda d: np.where(d["tier"] == "team", 1, d["t"]),
    )
    with pytest.raises(
        SeparationError, match=r"40 rows with tier == 'team' are all treated: the score model for"
    ):
        ps.estimate(lazy(level), **roles)
    flag = df.assign(pro=np.where(df["t"] == 1, False, df["pro"]))
    with pytest.raises(
        SeparationError, match=r"rows with pro == True are all controls: the score model foretell"
    ):
        ps.estimate(lazy(flag), **roles)


def test_separated_numbers_are_told():
    df = users().assign(score=lambda d: d["score"].abs() * (2 * d["t"] - 1))
    roles = ROLES | {"estimators": [ps.IPW("ATE")], "outcome": "done"}
    with pytest.raises(SeparationError, match=r"told apart by .*'score'.*without error .separation."):
        ps.estimate(LAZY["polars-lazy"](df), **roles)
    found = ps.estimate(LAZY["polars-lazy"](df), **roles, penalty=200.0).table
    np.testing.assert_allclose(
        found["estimate"], ps.estimate(df, **roles, penalty=200.0).table["estimate"], rtol=1e-9
    )


def test_outcome_models_say_what_an_arm_does_not_tell(lazy):
    df = users()
    df["tier"] = np.where((df["t"] == 1) & (df["tier"] == "new"), "light", df["tier"])
    with pytest.raises(OverlapError, match=r"outcome model of the treated rows, term 'tier\[T.new\]'"):
        ps.estimate(lazy(df), **(ROLES | {"estimators": [ps.RegressionAdjustment()]}))


def test_table_that_changes_between_queries_is_told():
    pl = pytest.importorskip("polars")
    table, calls = LAZY["polars-lazy"](users()), []

    def other_rows(frame):
        calls.append(len(frame))
        return frame.head(len(frame) - len(calls))

    changing = table.map_batches(other_rows)
    assert isinstance(changing, pl.LazyFrame)
    with pytest.raises(InvalidInputError, match=r"another one at a later query: .* write it down first"):
        ps.estimate(changing, **ROLES)


def test_random_rows_of_a_warehouse_are_told():
    table = LAZY["duckdb"](users()).filter("random() < 0.5")
    with pytest.raises(InvalidInputError, match="another one at a later query"):
        ps.estimate(table, **ROLES)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"by": "tier"}, "by: not of a table that an engine holds, .*; filter the table to one group"),
        ({"per": "visits"}, "per: not of a table that an engine holds"),
        ({"winsorize": 0.99}, "winsorize: not of a table that an engine holds"),
        ({"sample_weight": "visits"}, "sample_weight: not of a table that an engine holds"),
        ({"outcome_covariates": ["score"]}, "outcome_covariates: not of a table that an engine holds"),
        (
            {"covariates": "score + tenure"},
            "covariates: .*a list of columns is needed, and here is the formula",
        ),
        ({"covariates": []}, "covariates: no column is named"),
        ({"covariates": ["score", "score"]}, "covariates: column 'score' is listed 2 times"),
        ({"covariates": ["Score"]}, "column 'Score' is not in the frame; did you mean 'score'"),
        ({"covariates": ["done"]}, "column 'done' is the outcome; remove it from the covariates"),
        (
            {"treatment": "visits", "covariates": ["score"]},
            "column 'visits': the treatment must be bool or 0/1, but its levels are 0, 1, 2",
        ),
        ({"treatment": "tier", "covariates": ["score"]}, "column 'tier': the treatment must be bool or 0/1"),
        (
            {"estimators": [ps.NearestNeighbors("ATT")]},
            "is not to be had of a table .*needs rows beside each other",
        ),
        ({"estimators": [ps.IPW(truncate=0.99)]}, "a quantile of weights is no sum"),
        ({"estimators": [ps.IPW(score_model="probit")]}, "scores are logistic there"),
        ({"estimators": [ps.AIPW(n_folds=3)]}, "models of folds need rows"),
        ({"estimators": [ps.AIPW(outcome_model="logistic")]}, "outcome models are linear there"),
        ({"covariates": ["code"]}, "column 'code': 200 levels or more; more than 60 terms are too many sums"),
        ({"cluster": ["team"]}, "cluster: of a table that an engine holds one column is needed, by its name"),
    ],
)
def test_what_sums_do_not_answer_is_told(given, said):
    df = users().assign(code=lambda d: [f"c{k % 200}" for k in range(len(d))])
    with pytest.raises((InvalidInputError, TypeError), match=said):
        ps.estimate(LAZY["polars-lazy"](df), **(ROLES | given))


@pytest.mark.parametrize("name", ["tier", "score", "visits", "t", "done", "team"])
def test_missing_values_are_told(lazy, name):
    df = users()
    df[name] = df[name].astype(object if name in ("tier", "done") else float)
    df.loc[:2, name] = None
    with pytest.raises(InvalidInputError, match=f"column '{name}': 3 missing values; drop"):
        ps.estimate(lazy(df), **ROLES, cluster="team")


def test_nan_and_infinite_values_are_told_all_at_once(lazy):
    table = engines.arrow(users())
    pa = pytest.importorskip("pyarrow")
    for name, value in (("score", float("nan")), ("minutes", float("inf"))):
        place = table.column_names.index(name)
        values = pa.array([value, *table[name].to_pylist()[1:]])
        table = table.set_column(place, name, values)
    with pytest.raises(InvalidInputError, match="drop or impute these first") as caught:
        ps.estimate(lazy(Held(table)), **ROLES)
    assert "column 'score': 1 missing value" in str(caught.value)
    assert "column 'minutes': infinite values" in str(caught.value)


class Held:
    def __init__(self, table):
        self.arrow = table


def test_few_rows_and_one_arm_are_told(lazy):
    with pytest.raises(InvalidInputError, match=r"0 treated and .* control rows; at least 2 of each"):
        ps.estimate(lazy(users().assign(t=0)), **ROLES)
    with pytest.raises(InvalidInputError, match="the table has no rows"):
        ps.estimate(lazy(users().head(0).astype({"pro": bool, "tier": "string"})), **ROLES)


def test_few_clusters_are_told():
    lazy, roles = LAZY["polars-lazy"], ROLES | {"estimators": [ps.IPW("ATE")]}
    with pytest.raises(InvalidInputError, match="column 'team': there is 1 cluster"):
        ps.estimate(lazy(users().assign(team=1)), **roles, cluster="team")
    with pytest.warns(SmallSampleWarning, match="12 clusters; below 40"):
        ps.estimate(lazy(users().assign(team=lambda d: d["team"] % 12)), **roles, cluster="team")


# Newton's method


def test_steps_that_go_too_far_are_halved():
    # From far away a full step of a logistic model overshoots; the maximum is log(3) of 3 successes in 4.
    def equations(beta):
        p = np.exp(-np.logaddexp(0.0, -beta[0]))
        likelihood = 3 * beta[0] - 4 * np.logaddexp(0.0, beta[0])
        return Equations(np.array([3 - 4 * p]), np.array([[4 * p * (1 - p)]]), likelihood)

    found = maximize(equations, np.array([-6.0]), 4.0)
    assert found.beta[0] == pytest.approx(np.log(3), abs=1e-12)


def test_what_is_collinear_is_what_the_core_leaves_out():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(500, 4))
    x = np.column_stack([np.ones(500), x[:, 0], x[:, 1], x[:, 0] - x[:, 1], x[:, 2], np.ones(500)])
    assert models.aliased(x.T @ x).tolist() == [False, False, False, True, False, True]
