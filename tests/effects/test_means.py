"""The means of both arms, changes in percent, and tests against a value or a margin."""

import json
import math
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import Table2x2

import designs
import propensity as ps
import reference
import stacked
from conftest import COVARIATES, OUTCOME, TREATMENT
from propensity.errors import InvalidInputError

pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # not the question here

FOLDER = Path(__file__).parents[1] / "reference"
STATA = json.loads((FOLDER / "stata_pomeans.json").read_text())
STATA_OUTCOME_COVARIATES = ["prenatal1_", "mmarried_", "mage", "fbaby_"]


@pytest.fixture(scope="module")
def births():
    return pd.read_csv(FOLDER / "cattaneo2.csv.gz")


@pytest.fixture(scope="module")
def trial():
    """A trial of 300, whose scores are known and equal."""
    treated = np.repeat([1, 0], [120, 180])
    done = np.concatenate([np.repeat([1, 0], [80, 40]), np.repeat([1, 0], [70, 110])])
    return ps.ipw(pd.DataFrame({"t": treated, "y": done, "e": 0.4}), outcome="y", treatment="t", scores="e")


# Means


@pytest.mark.parametrize("estimand", ["ATE", "ATT"])
def test_mean_of_the_controls_by_regression_is_statas(births, estimand):
    effect = ps.regression_adjustment(
        births,
        outcome="bweight",
        treatment="mbsmoke_",
        covariates=STATA_OUTCOME_COVARIATES,
        estimand=estimand,
    )
    published = STATA[f"ra.{estimand}"]
    control = effect.means.loc["control"]
    assert control["estimate"] == pytest.approx(published["mean_control"], rel=1e-11)
    assert control["std_error"] == pytest.approx(published["std_error"], rel=1e-10)
    # Stata's is by the normal law and without a correction: with 3,778 controls shorter, by little.
    ends = control[["conf_low", "conf_high"]].to_numpy()
    assert ends == pytest.approx([published["conf_low"], published["conf_high"]], rel=1e-3)
    assert ends[0] < published["conf_low"] < published["conf_high"] < ends[1]


@pytest.mark.parametrize(
    ("function", "name"), [(ps.aipw, "aipw.ATE"), (ps.ipwra, "ipwra.ATE"), (ps.ipwra, "ipwra.ATT")]
)
def test_mean_of_the_controls_by_a_logit_is_near_statas_by_a_probit(births, function, name):
    control = function(
        births,
        outcome="bweight",
        treatment="mbsmoke_",
        covariates=designs.COVARIATES["cattaneo2"],
        outcome_covariates=STATA_OUTCOME_COVARIATES,
        estimand=name[-3:],
    ).means.loc["control"]
    published = STATA[name]
    assert abs(control["estimate"] - published["mean_control"]) < 0.08 * published["std_error"]
    assert control["std_error"] == pytest.approx(published["std_error"], rel=0.03)


@pytest.mark.parametrize("method", ["ipw", "aipw"])
def test_errors_of_means_are_those_of_the_stacked_twin(method):
    rng = np.random.default_rng(4)
    df = pd.DataFrame({"a": rng.normal(size=400), "b": rng.uniform(-1, 1, 400)})
    df["t"] = rng.random(400) < reference.expit(0.6 * df["a"] - 0.5 * df["b"])
    df["y"] = 3 + df["t"] + df["a"] ** 2 + rng.normal(size=400)
    design = stacked.Design(df[["a", "b"]].to_numpy(), df["t"].to_numpy(), df["y"].to_numpy(), method)
    roles = {"outcome": "y", "treatment": "t"}
    if method == "ipw":
        scores = ps.fit_propensity(df, treatment="t", covariates=["a", "b"])
        effect = ps.ipw(df, **roles, scores=scores)
    else:
        effect = ps.aipw(df, **roles, covariates=["a", "b"])
    solution = stacked.solve(design)
    np.testing.assert_allclose(effect.means["estimate"], solution.means, rtol=1e-8)
    np.testing.assert_allclose(effect.means["std_error"], np.sqrt(np.diag(solution.covariance)), rtol=1e-6)


def test_means_of_a_trial_are_its_shares(trial):
    table = trial.means
    assert list(table.index) == ["treated", "control"]
    for arm, p, n in (("treated", 80 / 120, 120), ("control", 70 / 180, 180)):
        assert table.loc[arm, "estimate"] == pytest.approx(p)
        assert table.loc[arm, "std_error"] == pytest.approx(math.sqrt(p * (1 - p) / n), rel=1e-12)
        # A share p of n has the kurtosis 1 / (p (1 - p)) - 3; the rows of the other arm add nothing.
        df = n / (1 / (p * (1 - p)) - 3)
        low, high = stats.t.interval(0.95, df, p, math.sqrt(p * (1 - p) / (n - 1)))
        assert table.loc[arm, ["conf_low", "conf_high"]].tolist() == pytest.approx([low, high], rel=1e-12)


def test_mean_of_a_clustered_trial_varies_as_the_effect_does(users):
    team = pd.Series(np.arange(200) % 50, index=users.index)
    effect = ps.ipw(users, outcome="done", treatment="opted", scores=np.full(200, 0.4), cluster=team)
    variance = effect.means["std_error"] ** 2
    share = effect.influence_treated + effect.influence_control
    both = pd.Series(share).groupby(np.arange(200) % 50).sum()
    expected = 50 / 49 * (both**2).sum() / 200**2
    assert 2 * variance.sum() - effect.std_error**2 == pytest.approx(expected, rel=1e-10)


# Percent


def test_lift_of_a_trial_is_that_of_its_table(trial):
    lift = trial.contrast_as("percent")
    expected = Table2x2([[80, 40], [70, 110]])
    assert lift.estimate == pytest.approx(100 * (expected.riskratio - 1), rel=1e-12)
    assert lift.std_error == pytest.approx(expected.log_riskratio_se, rel=1e-12)
    low, high = expected.riskratio_confint(alpha=0.05)
    assert lift.conf_int(df=math.inf) == pytest.approx((100 * (low - 1), 100 * (high - 1)), rel=1e-11)
    assert lift.p_value == pytest.approx(trial.contrast_as("ratio").p_value, rel=1e-12)
    assert "change +71.4286%" in repr(lift)


def test_lift_on_the_tutorials_data_is_the_published(logs, model):
    lift = ps.ipw(logs, outcome=OUTCOME, treatment=TREATMENT, scores=model, contrast="percent")
    # By R and independent NumPy: a ratio of 1.147396, its interval from 1.127497 on.
    assert lift.estimate == pytest.approx(14.7396, abs=5e-5)
    assert lift.conf_int(df=math.inf).conf_low == pytest.approx(12.7497, abs=5e-5)


def test_percent_is_asked_for_of_every_estimator_at_once(logs):
    specs = [ps.IPW("ATT"), ps.AIPW("ATT"), ps.NearestNeighbors("ATT"), ps.Balancing("ATT")]
    roles = {"outcome": OUTCOME, "treatment": TREATMENT, "covariates": COVARIATES}
    table = ps.estimate(logs, **roles, estimators=specs, contrast="percent")
    ratios = ps.estimate(logs, **roles, estimators=specs, contrast="ratio")
    for column in ("estimate", "conf_low", "conf_high"):
        np.testing.assert_allclose(table[column], 100 * (ratios[column] - 1), rtol=1e-10)
    np.testing.assert_allclose(table["p_value"], ratios["p_value"], rtol=1e-10)
    assert table.attrs["contrast"] == "percent"


def test_percent_needs_positive_means(users):
    users["loss"] = -users["done"].abs()
    effect = ps.ipw(users, outcome="loss", treatment="opted", scores=np.full(200, 0.4))
    with pytest.raises(InvalidInputError, match=r"'percent': both means must be positive.*take 'difference'"):
        effect.contrast_as("percent")


# Tests


def test_test_of_no_effect_is_that_of_the_table(trial):
    for contrast in ("difference", "ratio", "percent", "odds_ratio"):
        effect = trial.contrast_as(contrast)
        assert effect.test().p_value == effect.p_value


@pytest.mark.parametrize("value", [-0.1, 0.2, 0.3])
def test_one_sided_tests_are_those_of_students_law(trial, value):
    unbiased = math.sqrt(2 / 9 / 119 + 70 * 110 / 180**2 / 179)
    z, law = (trial.estimate - value) / unbiased, stats.t(trial.df)
    assert trial.test(value, "greater").p_value == pytest.approx(law.sf(z), rel=1e-10)
    assert trial.test(value, "less").p_value == pytest.approx(law.cdf(z), rel=1e-10)
    assert trial.test(value).p_value == pytest.approx(2 * law.sf(abs(z)), rel=1e-10)
    assert trial.test(value).statistic == pytest.approx(z, rel=1e-12)


@pytest.mark.parametrize("margin", [0.1, 0.35, 0.4, 0.45])
@pytest.mark.parametrize("contrast", ["difference", "ratio"])
def test_equivalence_is_where_the_90_percent_interval_lies_within(trial, contrast, margin):
    effect = trial.contrast_as(contrast)
    value = 0.0 if contrast == "difference" else 1.5
    low, high = effect.conf_int(level=0.9)
    within = value - margin < low and high < value + margin
    assert (effect.test(value, margin=margin).p_value < 0.05) == within


def test_margin_moves_a_one_sided_test(trial):
    worse = trial.test(0.0, "greater", margin=0.05)
    assert worse.p_value == trial.test(-0.05, "greater").p_value
    assert trial.test(0.0, "less", margin=0.3).p_value == trial.test(0.3, "less").p_value
    assert str(worse) == worse.sentence
    assert "one of -0.05 at most, 0 less a margin of 0.05" in worse.sentence
    assert "non-inferiority" in worse.sentence


def test_sentences_name_the_test(trial):
    lift = trial.contrast_as("percent")
    assert str(lift.test(10, "greater")).startswith("The change (ATE) of +71.4286%, against one of +10% at")
    assert "one of exactly 1: p = " in str(trial.contrast_as("ratio").test())
    assert "-5% at most or +5% at least" in str(lift.test(margin=5))


def test_ratios_have_no_bound_below_zero(trial):
    with pytest.raises(InvalidInputError, match=r"no ratio is -0\.5 or less"):
        trial.contrast_as("ratio").test(margin=1.5)
    with pytest.raises(InvalidInputError, match="no change in percent is -100 or less"):
        trial.contrast_as("percent").test(margin=100)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alternative": "larger"}, "alternative must be one of"),
        ({"margin": 0.0}, "margin must be"),
        ({"value": float("nan")}, "value must be"),
    ],
)
def test_unusable_tests_are_explained(trial, options, message):
    with pytest.raises(InvalidInputError, match=message):
        trial.test(**options)


@pytest.mark.filterwarnings("ignore::propensity.errors.DegenerateWarning")
def test_nothing_to_test_without_an_error():
    df = pd.DataFrame({"t": [0, 1] * 40, "y": 3.0})
    effect = ps.ipw(df, outcome="y", treatment="t", scores=np.full(80, 0.5))
    assert math.isnan(effect.test().p_value)
    assert effect.test(1.0, "less").p_value == 0.0
    assert effect.test(1.0, "greater").p_value == 1.0
    assert (effect.means["std_error"] == 0).all()


# Matching with replacement


def scaled(df, effect, treated, control):
    """The outcome with a slope of its own in each arm, less its mean there."""
    centred = df["y"] - np.where(df["t"], effect.mean_treated, effect.mean_control)
    return centred * np.where(df["t"], treated, control)


@pytest.fixture(scope="module")
def matched():
    rng = np.random.default_rng(8)
    df = pd.DataFrame({"a": rng.normal(size=600), "g": rng.integers(0, 3, 600)})
    df["t"] = rng.random(600) < reference.expit(0.5 * df["a"] - 0.2 * df["g"])
    df["y"] = 5 + df["a"] + df["t"] + rng.normal(size=600)
    return df


@pytest.mark.parametrize("estimand", ["ATT", "ATC", "ATE"])
@pytest.mark.parametrize(
    ("matching", "adjusting"),
    [
        ({}, {}),
        ({"exact": ["g"]}, {}),
        ({"max_reuse": 4}, {}),
        ({"on": "mahalanobis", "covariates": ["a", "g"]}, {"bias_adjust": ["a"]}),
    ],
)
def test_ratio_of_matches_varies_as_the_outcome_scaled_by_the_means(matched, estimand, matching, adjusting):
    model = ps.fit_propensity(matched, treatment="t", covariates=["a", "g"])
    on_scores = {} if "on" in matching else {"scores": model}
    matches = ps.match_nn(matched, treatment="t", estimand=estimand, **on_scores, **matching)
    effect = matches.effect("y", **adjusting)
    ratio = effect.contrast_as("ratio")
    assert ratio.estimate == pytest.approx(effect.mean_treated / effect.mean_control, rel=1e-12)
    # The delta method by hand: the log ratio moves as the difference of outcomes over their arm's mean.
    linear = scaled(matched, effect, 1 / effect.mean_treated, 1 / effect.mean_control)
    expected = matches.effect(linear.rename("linear"), **adjusting)
    assert ratio.std_error == pytest.approx(expected.std_error, rel=1e-9)
    for arm, factors in (("treated", (1, 0)), ("control", (0, 1))):
        alone = matches.effect(scaled(matched, effect, *factors).rename("alone"), **adjusting)
        assert effect.means.loc[arm, "std_error"] == pytest.approx(alone.std_error, rel=1e-9)


def test_interval_of_a_ratio_of_matches_holds_what_it_promises():
    held = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        x = rng.uniform(-1, 1, 400)
        t = rng.random(400) < reference.expit(0.8 * x)
        df = pd.DataFrame({"x": x, "t": t, "y": np.exp(0.5 * x) * (2 + t) + rng.normal(size=400)})
        matches = ps.match_nn(df, treatment="t", scores=reference.expit(0.8 * x), estimand="ATE")
        low, high = matches.effect("y").contrast_as("percent").conf_int()
        held.append(low < 50 < high)
    # Of 300 intervals that hold in 95% of cases, fewer than 272 or more than 296 do in one case of 300.
    assert 272 <= sum(held) <= 296


def test_means_of_matches_come_out_of_a_pickle(matched):
    model = ps.fit_propensity(matched, treatment="t", covariates=["a", "g"])
    effect = ps.match_nn(matched, treatment="t", scores=model).effect("y")
    again = pickle.loads(pickle.dumps(effect))
    pd.testing.assert_frame_equal(again.means, effect.means)
    assert again.contrast_as("percent").std_error == effect.contrast_as("percent").std_error


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("noninferior", 'alternative="greater" with a margin='),
        ("non-inferiority", 'alternative="greater" with a margin='),
        ("equivalence", 'alternative="two-sided" with a margin='),
        ("superior", 'that is alternative="greater"'),
        ("smaller", 'that is alternative="less"'),
        ("two_sided", 'that is alternative="two-sided"'),
        ("sideways", "not 'sideways'"),
    ],
)
def test_other_words_of_tests_are_known(trial, given, meant):
    with pytest.raises(InvalidInputError, match="alternative must be one of") as caught:
        trial.test(alternative=given, margin=0.1)
    assert meant in str(caught.value)
