"""Robustness values: published ones, statsmodels' regressions, confounders that were left out on purpose."""

import math
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from scipy import stats

import propensity as ps
from conftest import COVARIATES, OUTCOME, TREATMENT
from propensity.effects.student import student_quantile, two_sided
from propensity.errors import CollinearityWarning, InvalidInputError
from propensity.sensitivity.bias import LinearBias, robustness
from propensity.sensitivity.robustness import with_outcome

TUTORIAL = {"outcome": OUTCOME, "treatment": TREATMENT, "covariates": COVARIATES}
ROLES = {"outcome": "y", "treatment": "t", "covariates": ["a", "b", "tier"]}

pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")


# Student's law


@pytest.mark.parametrize("df", [1, 2, 7, 150, 783, 1e5, 1e7])
@pytest.mark.parametrize("level", [0.1, 0.5, 0.9, 0.95, 0.999, 1 - 1e-9])
def test_students_quantile_is_scipys(df, level):
    assert student_quantile(level, df) == pytest.approx(stats.t.isf((1 - level) / 2, df), rel=1e-9)


@pytest.mark.parametrize("t", [0.0, 1e-8, 0.3, 2.0, 40.0, math.inf])
def test_students_tail_is_scipys(t):
    for df in (1, 5, 99, 1e6):
        assert two_sided(t, df) == pytest.approx(2 * stats.t.sf(t, df), rel=1e-8, abs=1e-300)


# Published


def of_t_and_df(t, df):
    """A frame whose regression has this very t statistic and these degrees of freedom."""
    rng = np.random.default_rng(2)
    n = df + 4
    x = rng.normal(size=(n, 2))
    d = rng.random(n) < 0.5
    design = np.column_stack([np.ones(n), x, d])
    residual = rng.normal(size=n)
    residual -= design @ np.linalg.lstsq(design, residual, rcond=None)[0]
    others = np.column_stack([np.ones(n), x])
    left = d - others @ np.linalg.lstsq(others, d.astype(float), rcond=None)[0]
    error = math.sqrt(residual @ residual / df / (left @ left))
    return pd.DataFrame({"y": t * error * d + x @ [1.0, -2.0] + residual, "d": d, "x": x[:, 0], "z": x[:, 1]})


def test_darfur():
    """Cinelli and Hazlett (2020), table 1: t 4.18445 with 783 degrees of freedom; 13.9%, 7.6% and 2.2%."""
    df = of_t_and_df(4.18445, 783)
    found = ps.robustness_value(df, outcome="y", treatment="d", covariates=["x", "z"])
    assert found.estimate / found.std_error == pytest.approx(4.18445, rel=1e-10)
    assert found.value == pytest.approx(0.1387764, abs=5e-8)
    assert found.value_at_alpha == pytest.approx(0.0762580, abs=5e-8)
    assert found.partial_r2 == pytest.approx(0.0218731, abs=5e-8)


def test_tutorial_by_least_squares(logs):
    found = ps.robustness_value(logs, **TUTORIAL, benchmarks=["engagement_tier"])
    assert found.estimate == pytest.approx(0.0802341, abs=1e-6)
    assert found.std_error == pytest.approx(0.0051809, abs=1e-6)
    assert found.value == pytest.approx(0.0669039, abs=1e-6)
    assert found.value_at_alpha == pytest.approx(0.0586928, abs=1e-6)
    assert "explain 6.7% of what the covariates leave unexplained" in str(found)
    assert "one as strong as engagement_tier explains 22.0% and 11.3%" in str(found)


# Against regressions by statsmodels, with the confounder and without


def world(n=400, seed=3):
    rng = np.random.default_rng(seed)
    a, b, hidden = rng.normal(size=(3, n))
    tier = rng.choice(["light", "medium", "heavy"], n)
    heavy = tier == "heavy"
    t = rng.random(n) < 1 / (1 + np.exp(-0.8 * a - 0.7 * hidden - heavy + 0.3))
    y = 0.5 * t + a - 0.5 * b + 0.8 * hidden + heavy + rng.normal(size=n)
    return pd.DataFrame({"y": y, "t": t, "a": a, "b": b, "tier": tier, "hidden": hidden})


def fit(df, left, right, weights=None):
    x = pd.get_dummies(df[right], drop_first=True).astype(float)
    w = np.ones(len(df)) if weights is None else weights
    return sm.WLS(df[left].astype(float), sm.add_constant(x), weights=w).fit()


def partial_r2(df, left, right, own, weights=None):
    whole = fit(df, left, [*right, *own], weights).ssr
    return 1 - whole / fit(df, left, right, weights).ssr


@pytest.mark.parametrize("weights", [None, "w"])
def test_least_squares_are_statsmodels(weights):
    df = world().assign(w=lambda d: np.random.default_rng(0).uniform(0.5, 3, len(d)))
    w = None if weights is None else df[weights]
    found = ps.robustness_value(df, **ROLES, sample_weight=weights)
    expected = fit(df, "y", ["t", "a", "b", "tier"], w)
    assert found.estimate == pytest.approx(expected.params["t"], rel=1e-10)
    assert found.std_error == pytest.approx(expected.bse["t"], rel=1e-10)
    assert found.bias.df == expected.df_resid
    assert found.partial_r2 == pytest.approx(partial_r2(df, "y", ["a", "b", "tier"], ["t"], w), rel=1e-9)


def test_confounder_of_known_strength_leaves_what_a_regression_with_it_finds():
    df = world()
    others = ["a", "b", "tier"]
    found = ps.robustness_value(df, **ROLES)
    r2_treatment = partial_r2(df, "t", others, ["hidden"])
    r2_outcome = partial_r2(df, "y", ["t", *others], ["hidden"])
    long = fit(df, "y", ["t", *others, "hidden"])
    assert found.adjusted(r2_treatment, r2_outcome) == pytest.approx(long.params["t"], rel=1e-9)
    low, high = long.conf_int(0.05).loc["t"]
    assert found.adjusted_interval(r2_treatment, r2_outcome) == pytest.approx((low, high), rel=1e-9)


def test_value_is_what_takes_everything_away():
    found = ps.robustness_value(world(), **ROLES)
    assert found.adjusted(found.value, found.value) == pytest.approx(0, abs=1e-12)
    low, _ = found.adjusted_interval(found.value_at_alpha, found.value_at_alpha)
    assert low == pytest.approx(0, abs=1e-10)
    assert found.adjusted(found.partial_r2, 1.0) == pytest.approx(0, abs=1e-12)
    half = ps.robustness_value(world(), **ROLES, share=0.5)
    assert half.adjusted(half.value, half.value) == pytest.approx(half.estimate / 2, rel=1e-9)


def test_interval_of_few_rows_needs_less_of_the_outcome():
    """With so few rows the worst confounder is not the strongest: it is looked for on a grid."""
    bias = LinearBias(30.0, 1.0, 4)
    value = bias.value_at(1.0, 0.95)
    r = np.linspace(0, value, 2_001)
    left = 30 - bias.scale * np.sqrt(r * value / (1 - value))
    reach = stats.t.isf(0.025, 3) * np.sqrt((1 - r) / (1 - value) * 4 / 3)
    assert (left - reach).min() == pytest.approx(0, abs=1e-4)
    assert value < robustness(30 / 2 - stats.t.isf(0.025, 3) / math.sqrt(3)) or value > 0.9


def test_benchmark_bounds_are_those_of_their_equations():
    """Cinelli and Hazlett (2020), equations 13 to 15, from regressions with and without the columns."""
    df = world()
    found = ps.robustness_value(df, **ROLES, benchmarks=["tier", ["a", "b"]], multiples=[1, 2])
    groups = {"tier": (["a", "b"], ["tier"]), "a + b": (["tier"], ["a", "b"])}
    for _, row in found.table.iterrows():
        others, own = groups[row["benchmark"]]
        k, r_d = row["multiple"], partial_r2(df, "t", others, own)
        r_y = partial_r2(df, "y", ["t", *others], own)
        between = k * r_d**2 / ((1 - k * r_d) * (1 - r_d))
        eta = (math.sqrt(k) + math.sqrt(between)) / math.sqrt(1 - between)
        assert row["r2_treatment"] == pytest.approx(k * r_d / (1 - r_d), rel=1e-8)
        assert row["r2_outcome"] == pytest.approx(min(eta**2 * r_y / (1 - r_y), 1), rel=1e-8)
        assert row["estimate"] == pytest.approx(found.adjusted(row["r2_treatment"], row["r2_outcome"]))
        ends = found.adjusted_interval(row["r2_treatment"], row["r2_outcome"])
        assert (row["conf_low"], row["conf_high"]) == pytest.approx(ends)
    assert found.table["benchmark"].unique().tolist() == ["tier", "a + b"]


def test_twin_of_a_benchmark_is_as_strong_as_it_says():
    """A hidden copy of a covariate, independent of it and with the same coefficients."""
    rng = np.random.default_rng(1)
    n = 500
    base = np.linalg.qr(rng.normal(size=(n, 5)) - rng.normal(size=(n, 5)).mean(axis=0))[0]
    base -= base.mean(axis=0)
    base = np.linalg.qr(base)[0] * math.sqrt(n)
    x, z, e, v, _ = base.T
    t = 0.6 * x + 0.6 * z + e
    y = t + 0.7 * x + 0.7 * z + v
    columns = pd.DataFrame({"y": y, "t": t, "x": x, "z": z})
    r_d = 1 - fit(columns, "t", ["x"]).ssr / (t @ t)
    r_y = partial_r2(columns, "y", ["t"], ["x"])
    true_d = partial_r2(columns, "t", ["x"], ["z"])
    true_y = partial_r2(columns, "y", ["t", "x"], ["z"])
    assert r_d / (1 - r_d) == pytest.approx(true_d, rel=1e-9)
    assert true_y <= with_outcome(1.0, r_d, r_y) * (1 + 1e-9)


def test_every_covariate_is_a_benchmark_unless_others_are_asked_for():
    found = ps.robustness_value(world(), **ROLES, multiples=[1])
    assert found.table["benchmark"].tolist() == ["a", "b", "tier"]
    assert ps.robustness_value(world(), **ROLES, benchmarks=[]).table.empty


def test_benchmark_of_a_formula_has_all_terms_that_are_made_of_it():
    df = world()
    roles = {"outcome": "y", "treatment": "t"}
    found = ps.robustness_value(
        df, **roles, covariates="a + I(a**2) + b + tier:a", benchmarks=["a"], multiples=[1]
    )
    x = df.assign(a2=df["a"] ** 2, m=df["a"] * (df["tier"] == "light"), n=df["a"] * (df["tier"] == "medium"))
    r_d = partial_r2(x, "t", ["b"], ["a", "a2", "m", "n"])
    assert found.table["r2_treatment"].iloc[0] == pytest.approx(r_d / (1 - r_d), rel=1e-8)


def test_nothing_is_left_of_confounders_that_are_too_strong():
    rng = np.random.default_rng(4)
    a = rng.normal(size=300)
    df = pd.DataFrame({"t": a + 0.6 * rng.normal(size=300) > 0, "a": a, "b": rng.normal(size=300)})
    df["y"] = df["t"] + df["a"] + rng.normal(size=300)
    found = ps.robustness_value(
        df, outcome="y", treatment="t", covariates=["a", "b"], benchmarks=["a"], multiples=[1, 3]
    )
    last = found.table.iloc[-1]
    assert last["r2_treatment"] > 1
    assert last[["estimate", "std_error", "conf_low", "conf_high"]].isna().all()


# The general form


def saturated():
    """A population in which the covariate and the hidden confounder are of two values each, row by row."""
    counts = {  # (x, u): treated and controls, and the share of events among them
        (0, 0): (60, 140, 0.30, 0.20),
        (0, 1): (90, 60, 0.55, 0.40),
        (1, 0): (80, 70, 0.50, 0.45),
        (1, 1): (150, 40, 0.80, 0.60),
    }
    rows = []
    for (x, u), (n1, n0, p1, p0) in counts.items():
        for t, n, p in ((1, n1, p1), (0, n0, p0)):
            events = round(n * p)
            rows += [(x, u, t, 1)] * events + [(x, u, t, 0)] * (n - events)
    return pd.DataFrame(rows, columns=["x", "u", "t", "y"])


def pieces(df, by, estimand):
    """Outcome model, weights and effect of a population, cell by cell, from their definitions."""
    cells = df.groupby(by)
    e = cells["t"].transform("mean")
    g = df.groupby([*by, "t"])["y"].transform("mean")
    m1, m0 = (
        df.assign(own=df["y"].where(df["t"] == arm)).groupby(by)["own"].transform("mean") for arm in (1, 0)
    )
    p = df["t"].mean()
    if estimand == "ATE":
        alpha = df["t"] / e - (1 - df["t"]) / (1 - e)
        theta = (m1 - m0).mean()
    else:
        alpha = (df["t"] - (1 - df["t"]) * e / (1 - e)) / p
        theta = (m1 - m0)[df["t"] == 1].mean()
    return g, alpha, theta


@pytest.mark.parametrize("estimand", ["ATE", "ATT"])
def test_bias_of_the_general_form_is_that_of_its_theorem(estimand):
    """theta - theta_s = E[(g - g_s)(alpha - alpha_s)], so that the bound is that over their correlation."""
    df = saturated()
    roles = {"outcome": "y", "treatment": "t", "estimator": ps.AIPW(estimand)}
    short = ps.robustness_value(df, covariates=["x"], **roles)
    g_s, alpha_s, theta_s = pieces(df, ["x"], estimand)
    g, alpha, theta = pieces(df, ["x", "u"], estimand)
    assert short.estimate == pytest.approx(theta_s, rel=1e-9)
    assert short.bias.outcome_variance == pytest.approx(((df["y"] - g_s) ** 2).mean(), rel=1e-9)
    assert short.bias.weight_square == pytest.approx((alpha_s**2).mean(), rel=1e-9)
    r2_outcome = 1 - ((df["y"] - g) ** 2).mean() / ((df["y"] - g_s) ** 2).mean()
    r2_treatment = 1 - (alpha_s**2).mean() / (alpha**2).mean()
    rho = np.corrcoef(g - g_s, alpha - alpha_s)[0, 1]
    bias = abs(short.adjusted(r2_treatment, r2_outcome) - short.estimate)
    assert bias * abs(rho) == pytest.approx(abs(theta - theta_s), rel=1e-8)
    assert 0.3 < abs(rho) < 1


def test_benchmarks_of_the_general_form_are_gains():
    df = saturated()
    found = ps.robustness_value(
        df,
        outcome="y",
        treatment="t",
        covariates="x * u",
        estimator=ps.AIPW(),
        benchmarks=["u"],
        multiples=[1],
    )
    g_s, alpha_s, _ = pieces(df, ["x"], "ATE")
    g, alpha, _ = pieces(df, ["x", "u"], "ATE")
    row = found.table.iloc[0]
    assert row["r2_treatment"] == pytest.approx((alpha**2).mean() / (alpha_s**2).mean() - 1, rel=1e-7)
    gain = ((df["y"] - g_s) ** 2).mean() / ((df["y"] - g) ** 2).mean() - 1
    assert row["r2_outcome"] == pytest.approx(gain, rel=1e-7)


@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
def test_errors_of_bounds_are_the_spread_of_bounds(estimand):
    rng = np.random.default_rng(9)
    bounds, errors = [], []
    for _ in range(250):
        n = 600
        x = rng.normal(size=n)
        t = rng.random(n) < 1 / (1 + np.exp(-0.7 * x))
        y = 2.0 * t + x + rng.normal(size=n)
        found = ps.robustness_value(
            pd.DataFrame({"y": y, "t": t, "x": x}),
            outcome="y",
            treatment="t",
            covariates=["x"],
            estimator=ps.AIPW(estimand),
        )
        bounds.append(found.adjusted(0.3, 0.3))
        errors.append(found.bias.error(0.3, 0.3))
    assert np.mean(errors) == pytest.approx(np.std(bounds), rel=0.12)  # 4.5% by chance, twice and a half


def test_tutorial_by_aipw(logs):
    expected = ps.aipw(logs, **TUTORIAL)
    found = ps.robustness_value(logs, **TUTORIAL, estimator=ps.AIPW())
    assert (found.estimate, found.std_error) == pytest.approx(
        (expected.estimate, expected.std_error), rel=1e-12
    )
    f = abs(found.estimate) / math.sqrt(found.bias.outcome_variance * found.bias.weight_square)
    assert found.value == pytest.approx((math.sqrt(f**4 + 4 * f**2) - f**2) / 2, rel=1e-9)
    left = found.bias.reach(0.95) * found.bias.error(found.value_at_alpha, found.value_at_alpha)
    assert found.adjusted(found.value_at_alpha, found.value_at_alpha) == pytest.approx(left, rel=1e-9)
    assert abs(found.value - ps.robustness_value(logs, **TUTORIAL).value) < 0.002


@pytest.mark.parametrize(
    "options", [{"n_folds": 3}, {"n_folds": 2, "n_repeats": 2, "outcome_model": "logistic"}]
)
def test_cross_fitted_models_are_those_of_aipw(options):
    df = world(600).assign(y=lambda d: (d["y"] > 0).astype(int))
    expected = ps.aipw(df, **ROLES, **options)
    found = ps.robustness_value(df, **ROLES, estimator=ps.AIPW(**options))
    assert (found.estimate, found.std_error) == pytest.approx(
        (expected.estimate, expected.std_error), rel=1e-12
    )
    plain = ps.robustness_value(df, **ROLES, estimator=ps.AIPW())
    assert found.bias.outcome_variance == pytest.approx(plain.bias.outcome_variance, rel=0.06)
    assert found.bias.weight_square == pytest.approx(plain.bias.weight_square, rel=0.2)


def test_learners_of_scikit_learn_are_taken():
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import LogisticRegression

    forest = RandomForestRegressor(n_estimators=20, min_samples_leaf=20, random_state=0)
    estimator = ps.AIPW(outcome_model=forest, score_model=LogisticRegression(), n_folds=2)
    found = ps.robustness_value(world(), **ROLES, estimator=estimator, benchmarks=["tier"], multiples=[1])
    assert 0 < found.value < 1
    assert len(found.table) == 1


def test_clusters_are_in_the_error_of_the_general_form():
    df = world().assign(team=np.arange(400) // 4)
    found = ps.robustness_value(df, **ROLES, estimator=ps.AIPW(), cluster="team")
    assert found.std_error == pytest.approx(ps.aipw(df, **ROLES, cluster="team").std_error, rel=1e-12)


def test_sample_weights_are_rows_that_are_there_more_often():
    df = world().assign(w=lambda d: np.arange(len(d)) % 3)
    spelled_out = df.loc[df.index.repeat(df["w"])].reset_index(drop=True)
    for estimator in (None, ps.AIPW()):
        one = ps.robustness_value(df, **ROLES, sample_weight="w", estimator=estimator)
        other = ps.robustness_value(spelled_out, **ROLES, estimator=estimator)
        assert one.estimate == pytest.approx(other.estimate, rel=1e-8)
        if estimator:
            assert one.value == pytest.approx(other.value, rel=1e-7)
        assert_allclose(one.table["r2_treatment"], other.table["r2_treatment"], rtol=1e-7)


# As a result


def test_polars_gives_the_same_as_pandas():
    df = world()
    one, other = (ps.robustness_value(table, **ROLES) for table in (df, pl.from_pandas(df)))
    pd.testing.assert_frame_equal(one.table, other.table)


def test_value_is_a_result():
    for estimator in (None, ps.AIPW()):
        found = ps.robustness_value(world(), **ROLES, estimator=estimator)
        again = pickle.loads(pickle.dumps(found))
        assert again.adjusted(0.1, 0.2) == found.adjusted(0.1, 0.2)
        assert "Robustness value" in repr(found)
        grid = np.linspace(0, 0.5, 5)
        assert_allclose(found.adjusted(grid, 0.2), [found.adjusted(r, 0.2) for r in grid])


def test_outcome_without_an_effect_has_nothing_to_take_away():
    df = world().assign(y=3.0)
    with pytest.warns(ps.errors.DegenerateWarning):
        found = ps.robustness_value(df, **ROLES)
    assert (found.estimate, found.value, found.value_at_alpha) == (0, 0, 0)
    assert str(found) == "there is no effect to explain away"


def test_outcome_that_is_given_by_treatment_and_covariates_cannot_be_taken_away():
    df = world().assign(y=lambda d: 2.0 * d["t"] + d["a"])
    found = ps.robustness_value(df, **ROLES)
    assert (found.value, found.value_at_alpha, found.partial_r2) == (1, 1, 1)


def test_repeated_terms_are_left_out_and_told():
    df = world().assign(again=lambda d: d["a"])
    roles = ROLES | {"covariates": ["a", "b", "tier", "again"]}
    with pytest.warns(CollinearityWarning, match="again"):
        found = ps.robustness_value(df, **roles, benchmarks=["tier"])
    expected = ps.robustness_value(df, **ROLES, benchmarks=["tier"])
    pd.testing.assert_frame_equal(found.table, expected.table, rtol=1e-9)
    with pytest.warns(CollinearityWarning, match="again"):
        assert list(ps.robustness_value(df, **roles, multiples=[1]).table["benchmark"]) == ["a", "b", "tier"]
    with (
        pytest.warns(CollinearityWarning, match="again"),
        pytest.raises(InvalidInputError, match="'again' adds nothing to the other covariates"),
    ):
        ps.robustness_value(df, **roles, benchmarks=["again"])


# Refusals


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        (
            {"benchmarks": {"a": 1}},
            TypeError,
            r"a list of columns is needed, as in benchmarks=\['a'\], not {'a': 1}",
        ),
        (
            {"benchmarks": ["plan"]},
            InvalidInputError,
            "'plan' is not among the covariates, which are 'a', 'b'",
        ),
        ({"benchmarks": ["a", "a"]}, InvalidInputError, "names a column twice"),
        ({"benchmarks": [["a", "a"]]}, InvalidInputError, "names a column twice"),
        ({"benchmarks": [[]]}, InvalidInputError, "is empty"),
        ({"benchmarks": [1]}, TypeError, "benchmarks: a column is given by its name"),
        ({"multiples": [0]}, InvalidInputError, "multiples must be a finite number greater than 0"),
        ({"multiples": "2"}, TypeError, "multiples: a list of numbers is needed"),
        ({"multiples": []}, InvalidInputError, "is empty"),
        ({"share": 0}, InvalidInputError, "share must be a finite number greater than 0"),
        ({"cluster": "tier"}, InvalidInputError, "take estimator=ps.AIPW()"),
        ({"estimator": "aipw"}, InvalidInputError, r"ps.AIPW\(...\) is needed"),
        ({"outcome": ["y", "a"]}, TypeError, "outcome: robustness_value takes one outcome; for several"),
        ({"level": 2}, InvalidInputError, "level must lie between"),
        ({"alpha": 0.1}, TypeError, "alpha= is called level= here: level=0.9"),
    ],
)
def test_what_is_no_question_is_refused(options, error, says):
    with pytest.raises(error, match=says):
        ps.robustness_value(world(), **(ROLES | options))


def test_covariates_that_tell_the_treatment_are_refused():
    df = world().assign(same=lambda d: d["t"].astype(float))
    with pytest.raises(InvalidInputError, match="together they tell who was treated"):
        ps.robustness_value(df, **(ROLES | {"covariates": ["a", "same"]}))


def test_more_terms_than_rows_are_refused():
    with pytest.raises(InvalidInputError, match="leave no degrees of freedom"):
        ps.robustness_value(world(6), **ROLES)


@pytest.mark.parametrize("strength", [-0.1, math.nan, "0.1"])
def test_strengths_are_numbers(strength):
    found = ps.robustness_value(world(), **ROLES)
    with pytest.raises(InvalidInputError, match="r2_outcome must be a finite number"):
        found.adjusted_interval(0.1, strength)
