"""Intervals of few rows: Student's law, its degrees of freedom, and the correction for leverage."""

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

import propensity as ps
from propensity.effects import student
from propensity.effects.inference import degrees_of_freedom
from propensity.errors import InvalidInputError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

ROLES = {"treatment": "t", "covariates": ["a", "b"]}


def drawn(n, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=n), rng.exponential(size=n)
    t = (rng.random(n) < 1 / (1 + np.exp(0.6 - 0.5 * a))).astype(int)
    y = a + b + t + rng.normal(size=n)
    return pd.DataFrame({"t": t, "a": a, "b": b, "y": y, "g": rng.integers(0, 3, n), "c": np.arange(n) // 4})


@pytest.fixture(scope="module")
def rows():
    return drawn(80, 1)


ESTIMATES = {
    "ipw": lambda df: ps.ipw(df, outcome="y", treatment="t", scores=ps.fit_propensity(df, **ROLES)),
    "aipw": lambda df: ps.aipw(df, outcome="y", **ROLES),
    "aipw by clusters": lambda df: ps.aipw(df, outcome="y", cluster="c", **ROLES),
    "ipwra": lambda df: ps.ipwra(df, outcome="y", **ROLES, estimand="ATT"),
    "regression": lambda df: ps.regression_adjustment(df, outcome="y", **ROLES),
    "balancing": lambda df: ps.fit_weights(df, **ROLES, estimand="ATE").effect("y"),
    "pairs": lambda df: ps.match_nn(df, treatment="t", scores=_model(df), replace=False).effect("y"),
    "1-NN": lambda df: ps.match_nn(df, treatment="t", scores=_model(df)).effect("y"),
    "full": lambda df: ps.match_full(df, treatment="t", scores=_model(df)).effect("y"),
}


def _model(df):
    return ps.fit_propensity(df, **ROLES)


# Laws


@pytest.mark.parametrize("df", [1, 1.7, 4.2, 30, 99.9, 1e3, 9_999, 1e4, 1e6, 1e9, math.inf])
def test_students_quantiles_and_tails(df):
    law = stats.norm if math.isinf(df) else stats.t(df)
    for level in (0.5, 0.9, 0.95, 0.999):
        assert student.student_quantile(level, df) == pytest.approx(law.isf((1 - level) / 2), rel=1e-9)
    for t in (-3.0, 0.0, 0.4, 2.0, 9.0):
        assert student.two_sided(t, df) == pytest.approx(2 * law.sf(abs(t)), rel=1e-8)
        assert student.upper(t, df) == pytest.approx(law.sf(t), rel=1e-8)
    assert student.two_sided(math.inf, df) == student.upper(math.inf, df) == 0.0


@pytest.mark.parametrize("df", [1, 2, 5, 40])
@pytest.mark.parametrize("rest", [1.0, 7.3, 80.0, 5e4])
def test_tails_of_f(df, rest):
    for f in (0.0, 0.01, 0.7, 1.0, 3.0, 20.0):
        assert student.fisher_upper(f, df, rest) == pytest.approx(stats.f.sf(f, df, rest), rel=1e-8)


# Degrees of freedom


@pytest.mark.parametrize("name", ["ipw", "regression", "full"])
def test_degrees_of_freedom_are_rows_over_the_kurtosis_of_influence(rows, name):
    effect = ESTIMATES[name](rows)
    influence = effect.influence if effect.leverage is None else effect.influence * effect.leverage.scale()
    expected = 1 / (np.mean(influence**4) / np.mean(influence**2) ** 2) * len(rows)
    assert effect.df == pytest.approx(expected, rel=1e-12)
    for contrast in ("ratio", "percent"):
        assert ESTIMATES[name](rows.assign(y=rows["y"] + 30)).contrast_as(contrast).df < len(rows)


def test_degrees_of_freedom_of_equal_parts_are_their_number():
    signs = np.array([1.0, -1.0] * 20)
    assert degrees_of_freedom(signs) == 40
    assert degrees_of_freedom(1e120 * signs) == 40
    assert degrees_of_freedom(signs * (np.arange(40) < 10)) == 10
    assert degrees_of_freedom(0 * signs) == math.inf
    assert degrees_of_freedom(np.repeat(signs, 3), np.repeat(np.arange(40), 3)) == 39  # clusters, less one
    crossed = np.column_stack([np.arange(40), np.arange(40) // 8])
    assert degrees_of_freedom(np.ones(40) * (1 + np.arange(40) // 8), crossed) <= 4


def test_weights_of_a_matching_are_counted_where_it_has_no_influence(rows):
    effect = ESTIMATES["1-NN"](rows)
    share = np.where(rows["t"] == 1, 1 / rows["t"].sum(), 0.0) + np.where(
        rows["t"] == 0, effect.weights / effect.weights[rows["t"] == 0].sum(), 0.0
    )
    assert effect.influence is None
    assert effect.df == pytest.approx((share**2).sum() ** 2 / (share**4).sum(), rel=1e-12)


def test_outcome_that_is_the_same_for_all_leaves_nothing_to_count(rows):
    effect = ESTIMATES["aipw"](rows.assign(y=3.0))
    assert effect.df == math.inf
    assert effect.conf_int() == (0.0, 0.0)
    assert math.isnan(effect.p_value)


# Leverage


@pytest.mark.parametrize("method", ["regression", "ipwra"])
def test_leverage_is_that_of_the_arms_least_squares(rows, method):
    effect = ESTIMATES[method](rows)
    weights = np.ones(len(rows)) if method == "regression" else np.asarray(effect.weights)
    for arm in (0, 1):
        own = rows["t"] == arm
        root = np.sqrt(weights[own])[:, None]
        z = root * sm.add_constant(rows.loc[own, ["a", "b"]]).to_numpy()
        hat = sm.OLS(root[:, 0] * rows.loc[own, "y"], z).fit().get_influence().hat_matrix_diag
        np.testing.assert_allclose(effect.leverage.values[own], hat, rtol=1e-8)


@pytest.mark.filterwarnings("ignore::propensity.errors.DegenerateWarning")
def test_error_without_covariates_is_neymans(rows):
    effect = ps.regression_adjustment(rows, outcome="y", treatment="t", covariates="1")
    treated, control = (rows.loc[rows["t"] == arm, "y"] for arm in (1, 0))
    neyman = math.sqrt(treated.var(ddof=1) / len(treated) + control.var(ddof=1) / len(control))
    assert effect.interval_error == pytest.approx(neyman, rel=1e-12)
    assert effect.std_error < neyman
    t = effect.estimate / neyman
    assert effect.p_value == pytest.approx(2 * stats.t.sf(abs(t), effect.df), rel=1e-9)
    assert effect.means.loc["treated", "std_error"] == pytest.approx(treated.sem(ddof=0), rel=1e-12)


def test_corrections_are_those_of_a_regression_that_has_them(rows):
    """Of centred covariates: the arms' regressions, whose intercepts differ by the effect."""
    centred = rows.assign(a=rows["a"] - rows["a"].mean(), b=rows["b"] - rows["b"].mean())
    effect = ps.regression_adjustment(centred, outcome="y", **ROLES)
    x = np.column_stack([np.ones(len(rows)), centred[["a", "b"]]])
    t = centred["t"].to_numpy()[:, None]
    fit = sm.OLS(centred["y"], np.hstack([x, x * t])).fit()
    # What estimating the covariates' means adds is the variance of the differences of the predictions.
    slopes = fit.params.to_numpy()[4:]
    moved = centred[["a", "b"]].to_numpy() @ slopes
    h = effect.leverage.values
    for kind, power in (("HC0", 0.0), ("HC2", 0.5), ("HC3", 1.0)):
        of_fit = getattr(fit, "HC0_se" if kind == "HC0" else f"{kind}_se").iloc[3] ** 2
        low, high = effect.conf_int(se=kind)
        found = ((high - low) / 2 / stats.t.ppf(0.975, effect.df)) ** 2
        own = ((moved * (1 - h) ** -power) ** 2).sum() / len(rows) ** 2
        crossed = 2 * (_residual_part(fit, x, t, h, power) * moved * (1 - h) ** -power).sum() / len(rows)
        assert found == pytest.approx(of_fit + own + crossed, rel=1e-8)


def _residual_part(fit, x, t, h, power):
    inverse = np.linalg.inv(np.hstack([x, x * t]).T @ np.hstack([x, x * t]))
    return (np.hstack([x, x * t]) @ inverse[3]) * fit.resid.to_numpy() * (1 - h) ** -power


def test_balancing_weights_come_corrected_and_can_be_had_without(rows):
    effect = ESTIMATES["balancing"](rows)
    h = effect.leverage.values
    assert effect.leverage.corrected == "HC3"
    for kind, power in (("HC0", 1.0), ("HC2", 0.5), ("HC3", 0.0)):
        influence = effect.influence * (1 - h) ** power
        low, high = effect.conf_int(se=kind)
        error = (high - low) / 2 / stats.t.ppf(0.975, effect.df)
        assert error == pytest.approx(math.sqrt((influence**2).sum()) / len(h), rel=1e-10)
    assert effect.conf_int(se="HC2") == effect.conf_int()


# Intervals


@pytest.mark.parametrize("name", ESTIMATES)
def test_all_that_is_said_of_an_effect_is_by_one_law(rows, name):
    effect = ESTIMATES[name](rows)
    law, error = stats.t(effect.df), effect.interval_error
    half_width = law.ppf(0.95) * error
    expected = effect.estimate - half_width, effect.estimate + half_width
    assert effect.conf_int(0.9) == pytest.approx(expected, rel=1e-9)
    table = effect.to_frame(0.9)
    assert table[["conf_low", "conf_high"]].to_numpy()[0] == pytest.approx(expected, rel=1e-9)
    assert table["df"].item() == effect.df
    assert effect.p_value == pytest.approx(2 * law.sf(abs(effect.estimate) / error), rel=1e-8)
    assert effect.test(0.5, "greater").p_value == pytest.approx(
        law.sf((effect.estimate - 0.5) / error), rel=1e-8
    )
    assert "Intervals: Student's t" in repr(effect)


@pytest.mark.parametrize("name", ESTIMATES)
def test_normal_law_is_estimate_and_standard_error_alone(rows, name):
    effect = ESTIMATES[name](rows)
    z = stats.norm.ppf(0.975) * effect.std_error
    assert effect.conf_int(df=math.inf) == pytest.approx(
        (effect.estimate - z, effect.estimate + z), rel=1e-12
    )
    wide, narrow = effect.conf_int(), effect.conf_int(df=math.inf)
    assert wide.conf_low < narrow.conf_low < narrow.conf_high < wide.conf_high or name == "balancing"


@pytest.mark.parametrize("options", [{}, {"cluster": "c"}, {"within": True}])
def test_table_of_groups_is_that_of_their_effects(rows, options):
    grouped = ps.aipw(rows, outcome="y", **ROLES, by="g", **options)
    for group, effect in grouped.items():
        line = grouped.to_frame(0.9).loc[group]
        assert line["df"] == pytest.approx(effect.df, rel=1e-6)
        assert line[["conf_low", "conf_high"]].to_numpy(float) == pytest.approx(
            effect.conf_int(0.9), rel=1e-6
        )
        assert line["p_value"] == pytest.approx(effect.p_value, rel=1e-6)


def test_ratio_metrics_are_corrected_as_their_columns_are(rows):
    df = rows.assign(y=rows["y"] + 20, v=2.0)
    whole, halved = (ps.aipw(df, outcome="y", per=per, **ROLES) for per in (None, "v"))
    assert halved.interval_error == pytest.approx(whole.interval_error / 2, rel=1e-9)
    assert halved.df == pytest.approx(whole.df, rel=1e-9)


@pytest.mark.parametrize("df", [0, -1.0, math.nan, "many", True])
def test_degrees_of_freedom_must_be_some(rows, df):
    with pytest.raises(InvalidInputError, match=r"df: degrees of freedom are a number above 0, or math\.inf"):
        ESTIMATES["ipw"](rows).conf_int(df=df)


def test_correction_must_be_one_that_there_is(rows):
    effect = ESTIMATES["ipw"](rows)
    assert effect.conf_int(se="HC0") == effect.conf_int()
    with pytest.raises(InvalidInputError, match=r"se: 'HC3' corrects for the leverage.*this effect has none"):
        effect.conf_int(se="HC3")
    with pytest.raises(InvalidInputError, match="se"):
        effect.conf_int(se="HC1")


def many_terms(seed):
    """150 rows, a third of them treated, and eight covariates."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(150, 8))
    common = x.sum(axis=1) / np.sqrt(8)
    t = (rng.random(150) < 1 / (1 + np.exp(0.7 - common / 2))).astype(int)
    df = pd.DataFrame(x, columns=[f"x{k}" for k in range(8)])
    return df.assign(t=t, y=common + t + rng.normal(size=150))


def test_intervals_of_few_rows_hold_where_the_normal_law_is_too_short():
    """Within the error of the count of 250 samples, and the old intervals below it."""
    roles = {"outcome": "y", "treatment": "t", "covariates": [f"x{k}" for k in range(8)]}
    effects = [ps.ipwra(many_terms(seed), **roles) for seed in range(250)]
    laws = {"t": {}, "normal": {"df": math.inf}}
    held = {
        law: sum(low <= 1 <= high for low, high in (effect.conf_int(**options) for effect in effects))
        for law, options in laws.items()
    }
    low, high = stats.binom.interval(0.99, 250, 0.95)
    assert low <= held["t"] <= high
    assert held["normal"] < low
