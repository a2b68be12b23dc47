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
    influence = effect.influence
    if effect.leverage is not None:
        influence = influence + np.where(rows["t"] == 1, 1, -1) * effect.leverage.added()
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


@pytest.mark.parametrize("method", ["regression", "aipw", "ipwra"])
@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
def test_residual_part_is_how_a_mean_moves_with_the_rows_outcome(rows, method, estimand):
    """Means are sums of outcomes, each times a number that hangs on scores and covariates alone."""
    x, t, y = rows[["a", "b"]].to_numpy(), rows["t"].to_numpy(), rows["y"].to_numpy()
    scores = ps.core.fit_propensity(x, t).scores
    options = {"method": method, "estimand": estimand, "scores": scores}
    found = ps.core.adjust(x, t, y, leverage=True, **options)
    for i in range(0, len(rows), 7):
        arm = "mean_treated" if t[i] else "mean_control"
        own = t == t[i]
        fitting = np.ones(len(rows)) if method != "ipwra" else _weights(t, scores, estimand)
        predicted = sm.WLS(y[own], sm.add_constant(x[own]), fitting[own]).fit().predict(sm.add_constant(x))
        moved = getattr(ps.core.adjust(x, t, y + (np.arange(len(y)) == i), **options), arm)
        slope = moved - getattr(found, arm)
        expected = len(rows) * slope * (y[i] - predicted[i])
        assert found.residual_influence[i] == pytest.approx(expected, rel=1e-7, abs=1e-9)


def _weights(t, e, estimand):
    tilt = {"ATE": np.ones_like(e), "ATT": e, "ATC": 1 - e}[estimand]
    return np.where(t == 1, tilt / e, tilt / (1 - e))


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
        own = (moved**2).sum() / len(rows) ** 2  # where predictions lie, which nothing holds back
        crossed = 2 * (_residual_part(fit, x, t, h, power) * moved).sum() / len(rows)
        assert found == pytest.approx(of_fit + own + crossed, rel=1e-8)


def _residual_part(fit, x, t, h, power):
    inverse = np.linalg.inv(np.hstack([x, x * t]).T @ np.hstack([x, x * t]))
    return (np.hstack([x, x * t]) @ inverse[3]) * fit.resid.to_numpy() * (1 - h) ** -power


@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATO"])
def test_leverage_in_a_weighted_mean_is_the_share_of_weight(rows, estimand):
    """A weighted mean is least squares of an intercept; what estimated scores add is not corrected."""
    model = _model(rows)
    effect = ps.ipw(rows, outcome="y", treatment="t", scores=model, estimand=estimand)
    known = ps.ipw(rows, outcome="y", treatment="t", scores=model.scores.to_numpy(), estimand=estimand)
    w, corrected = np.asarray(effect.weights), np.empty(len(rows))
    for arm in (0, 1):
        own = (rows["t"] == arm).to_numpy()
        root = np.sqrt(w[own])
        fit = sm.OLS(root * rows["y"][own], root).fit()
        hat = fit.get_influence().hat_matrix_diag
        np.testing.assert_allclose(effect.leverage.values[own], hat, rtol=1e-9)
        corrected[own] = (2 * arm - 1) * root / w[own].sum() * fit.resid / np.sqrt(1 - hat)
    assert known.interval_error == pytest.approx(math.sqrt((corrected**2).sum()), rel=1e-9)
    through_score = (effect.influence - known.influence) / len(rows)
    expected = math.sqrt(((corrected + through_score) ** 2).sum())
    assert effect.interval_error == pytest.approx(expected, rel=1e-9)


def test_errors_of_balancing_weights_are_their_own(rows):
    """They are corrected (HC3) where they are made."""
    effect = ESTIMATES["balancing"](rows)
    assert effect.leverage is None
    assert effect.interval_error == effect.std_error


def test_row_that_has_a_term_to_itself_is_not_made_up_for(rows):
    """Its prediction is its outcome, so that its leverage is 1 and its residual rounding."""
    df = rows.assign(level=np.where(np.arange(len(rows)) == rows.index[rows["t"] == 1][0], "lone", "other"))
    df.loc[df.index[df["t"] == 0][:20], "level"] = "lone"
    for make in (ps.aipw, ps.regression_adjustment):
        effect = make(df, outcome="y", treatment="t", covariates=["a", "level"])
        assert effect.leverage.values.max() > 1 - 1e-9
        assert 1 <= effect.interval_error / effect.std_error < 1.2


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
    effect = ESTIMATES["balancing"](rows)
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
