"""Several estimators in one table: each as its own function gives it, and where they contradict."""

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from conftest import COVARIATES, OUTCOME, TREATMENT
from propensity.errors import BalanceWarning, InvalidInputError, OverlapWarning

TUTORIAL = {"outcome": OUTCOME, "treatment": TREATMENT, "covariates": COVARIATES}
USERS = {"outcome": "done", "treatment": "opted", "covariates": ["tier", "visits"]}


def test_estimate_sets_the_tutorials_effects_beside_the_naive_gap(logs):
    table = ps.estimate(logs, **TUTORIAL).table
    labels = ["naive gap", "IPW ATE", "AIPW ATE", "EB ATE", "IPW ATT", "AIPW ATT", "EB ATT"]
    assert list(table.index) == labels
    # The published naive gap has the variances' divisor n - 1, ours n as every other row.
    naive = table.loc["naive gap", ["estimate", "std_error"]]
    assert tuple(naive) == pytest.approx((0.2106310297, 0.0045543481), rel=1e-4)
    arms = logs.groupby(TREATMENT)[OUTCOME]
    assert naive["std_error"] == pytest.approx(np.sqrt((arms.var(ddof=0) / arms.size()).sum()), rel=1e-12)
    expected = {
        "IPW ATE": (0.0847998203, 0.0057172053),
        "AIPW ATE": (0.0847131867, 0.0057174198),
        "IPW ATT": (0.0766657807, 0.0048881048),
        "AIPW ATT": (0.0767675175, 0.0048878961),
    }
    # By R's ebal, without the correction for leverage, which adds little to 50,000 rows of four terms.
    assert table.loc["EB ATT", "estimate"] == pytest.approx(0.0767525140, abs=1e-9)
    assert table.loc["EB ATT", "std_error"] == pytest.approx(0.0048878548, rel=1e-3)
    for estimand in ("ATE", "ATT"):
        weights = ps.fit_weights(logs, treatment=TREATMENT, covariates=COVARIATES, estimand=estimand)
        effect = weights.effect(OUTCOME)
        numbers = table.loc[f"EB {estimand}", ["estimate", "std_error"]]
        assert tuple(numbers) == (effect.estimate, effect.std_error)
    for label, numbers in expected.items():
        assert tuple(table.loc[label, ["estimate", "std_error"]]) == pytest.approx(numbers, abs=1e-10)
    assert (table["note"] == "").all()
    assert list(table)[2:] == ["df", "conf_low", "conf_high", "p_value", "ess_treated", "ess_control", "note"]


def test_estimate_gives_what_the_functions_give(users):
    users["count"], users["team"] = np.linspace(1, 2, 200), np.arange(200) % 50
    shared = {"sample_weight": "count", "cluster": "team", "contrast": "ratio"}
    specs = [ps.IPW("ATO"), ps.AIPW("ATC"), ps.IPWRA("ATT"), ps.RegressionAdjustment("ATT")]
    table = ps.estimate(users, **USERS, estimators=specs, penalty=0.5, level=0.9, **shared).table
    model = ps.fit_propensity(
        users, treatment="opted", covariates=USERS["covariates"], penalty=0.5, sample_weight="count"
    )
    effects = {
        "IPW ATO": ps.ipw(users, outcome="done", treatment="opted", scores=model, estimand="ATO", **shared),
        "AIPW ATC": ps.aipw(users, **USERS, penalty=0.5, estimand="ATC", **shared),
        "IPWRA ATT": ps.ipwra(users, **USERS, penalty=0.5, estimand="ATT", **shared),
        "Regression ATT": ps.regression_adjustment(users, **USERS, estimand="ATT", **shared),
    }
    for label, effect in effects.items():
        alone = effect.to_frame(level=0.9).iloc[0]
        pd.testing.assert_series_equal(
            table.loc[label].drop("note").astype(float),
            alone.drop(["mean_treated", "mean_control"]),
            check_names=False,
            rtol=1e-9,
        )


def test_estimate_takes_matching_too(logs):
    table = ps.estimate(logs, **TUTORIAL, estimators=[ps.IPW("ATT"), ps.NearestNeighbors("ATT")]).table
    assert table.loc["1-NN ATT", "estimate"] == pytest.approx(0.0797047097, abs=1e-9)


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # not the question here
def test_estimators_that_contradict_each_other_say_so():
    rng = np.random.default_rng(5)
    x = rng.normal(size=4000)
    treated = rng.random(4000) < 1 / (1 + np.exp(-(x**2 - 1)))  # the score model below is wrong
    df = pd.DataFrame({"x": x, "t": treated, "y": treated + 2 * x**2 + rng.normal(size=4000)})
    table = ps.estimate(
        df,
        outcome="y",
        treatment="t",
        covariates=["x"],
        outcome_covariates="x + I(x**2)",
        estimators=[ps.IPW("ATE"), ps.AIPW("ATE"), ps.IPW("ATT")],
    ).table
    assert "contradicts AIPW ATE" in table.loc["IPW ATE", "note"]
    assert "contradicts IPW ATE" in table.loc["AIPW ATE", "note"]
    assert "contradicts" not in table.loc["IPW ATT", "note"]
    assert table.loc["naive gap", "note"] == ""


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # not the question here
def test_contradiction_is_told_in_standard_errors_of_the_difference():
    rng = np.random.default_rng(5)
    x = rng.normal(size=4000)
    treated = rng.random(4000) < 1 / (1 + np.exp(-(x**2 - 1)))
    df = pd.DataFrame({"x": x, "t": treated, "y": treated + 2 * x**2 + rng.normal(size=4000)})
    roles = {"outcome": "y", "treatment": "t"}
    table = ps.estimate(
        df, **roles, covariates=["x"], outcome_covariates="x + I(x**2)", estimators=[ps.IPW(), ps.AIPW()]
    ).table
    model = ps.fit_propensity(df, treatment="t", covariates=["x"])
    one = ps.ipw(df, **roles, scores=model)
    other = ps.aipw(df, **roles, covariates=["x"], outcome_covariates="x + I(x**2)")
    gap, error = one.estimate - other.estimate, np.linalg.norm(one.influence - other.influence) / len(df)
    assert f"{abs(gap) / error:.1f} standard errors" in table.loc["IPW ATE", "note"]


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # not the question here
@pytest.mark.parametrize("flip", [False, True])
def test_contradiction_of_pairs_does_not_depend_on_the_order_of_the_list(logs, flip):
    df = logs.iloc[:6000]
    specs = [ps.IPW("ATT"), ps.NearestNeighbors("ATT", replace=False)]
    table = ps.estimate(df, **TUTORIAL, estimators=specs[::-1] if flip else specs).table
    model = ps.fit_propensity(df, treatment=TREATMENT, covariates=COVARIATES)
    weighted = ps.ipw(df, outcome=OUTCOME, treatment=TREATMENT, scores=model, estimand="ATT")
    with pytest.warns(BalanceWarning):
        matches = ps.match_nn(df, treatment=TREATMENT, scores=model, replace=False)
    paired = matches.effect(df[OUTCOME])
    assert paired.clusters is None  # rows of a pair are independent, given their scores
    gap = weighted.estimate - paired.estimate
    error = np.linalg.norm(weighted.influence - paired.influence) / len(df)
    assert f"contradicts {specs[1].label}: {abs(gap) / error:.1f} standard" in table.loc["IPW ATT", "note"]
    assert f"contradicts IPW ATT: {abs(gap) / error:.1f} standard" in table.loc[specs[1].label, "note"]


@pytest.mark.filterwarnings("ignore::propensity.errors.DegenerateWarning")
def test_estimates_without_any_error_do_not_contradict_each_other(logs):
    df = logs.assign(**{TUTORIAL["outcome"]: 0.1})
    estimators = [ps.IPW("ATE"), ps.AIPW("ATE"), ps.IPWRA("ATE")]
    table = ps.estimate(df, **TUTORIAL, estimators=estimators).table
    assert table["estimate"].to_numpy() == pytest.approx(0, abs=1e-12)
    assert not table["note"].str.contains("contradicts").any()


def test_cautions_stand_in_the_notes():
    rng = np.random.default_rng(3)
    x = rng.normal(size=1000)
    treated = rng.random(1000) < 1 / (1 + np.exp(-2.5 * x))
    df = pd.DataFrame({"x": x, "t": treated, "y": x + treated + rng.normal(size=1000)})
    specs = [ps.IPW("ATE"), ps.IPW("ATO")]
    with pytest.warns(OverlapWarning, match="little overlap") as caught:
        table = ps.estimate(df, outcome="y", treatment="t", covariates=["x"], estimators=specs).table
    assert caught[0].filename == __file__
    assert "little overlap" in table.loc["IPW ATE", "note"]
    assert table.loc["IPW ATO", "note"] == ""
    with pytest.warns(OverlapWarning):
        ps.ipw(df, outcome="y", treatment="t", scores=ps.fit_propensity(df, treatment="t", covariates=["x"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"estimators": []}, "estimators: at least one is needed"),
        ({"estimators": ["psm"]}, r"estimators: a specification such as IPW\(\) is needed, not 'psm'"),
        ({"estimators": ["IPW"]}, r"'IPW' is a word of tables; .* estimators=\[ps\.IPW\(\)\]"),
        ({"estimators": [ps.IPW(), ps.IPW("ATE")]}, "estimators: 'IPW ATE' occurs twice or more"),
        ({"level": 95}, "level must lie between 0 and 1"),
    ],
)
def test_unusable_options_are_explained(users, options, message):
    with pytest.raises(InvalidInputError, match=message):
        ps.estimate(users, **USERS, **options)


@pytest.mark.parametrize("spec", [ps.AIPW(), ps.IPWRA(), ps.RegressionAdjustment()])
def test_specifications_say_what_the_core_needs(spec):
    assert spec.method in {"aipw", "ipwra", "regression"}
    assert (spec.estimand, spec.outcome_model) == ("ATE", "linear")


def test_unknown_specifications_are_refused():
    with pytest.raises(InvalidInputError, match="estimand must be one of 'ATE', 'ATT', 'ATC', not 'ATO'"):
        ps.AIPW("ATO")
    with pytest.raises(InvalidInputError, match="outcome_model must be one of 'linear', 'logistic'"):
        ps.IPWRA(outcome_model="probit")


def test_penalty_without_a_score_model_is_refused(users):
    roles = {"outcome": "done", "treatment": "opted", "covariates": ["visits"]}
    with pytest.raises(InvalidInputError, match=r"^penalty: none of the estimators has a score model"):
        ps.estimate(users, **roles, estimators=[ps.RegressionAdjustment()], penalty=1.0)
