"""A study: each answer is that of the function of its name, and its words are no stronger than these."""

import warnings

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from conftest import COVARIATES, OUTCOME, TREATMENT
from propensity.errors import InvalidInputError

ROLES = {"treatment": TREATMENT, "covariates": COVARIATES}


@pytest.fixture(scope="module")
def study(logs):
    return ps.Study(logs, outcome=OUTCOME, **ROLES, cluster="workspace_id", seed=3)


def test_each_answer_is_that_of_the_function(logs, study):
    cluster = {"cluster": "workspace_id"}
    estimates = ps.estimate(logs, outcome=OUTCOME, **ROLES, **cluster)
    pd.testing.assert_frame_equal(study.estimate().table, estimates.table)
    model = ps.fit_propensity(logs, **ROLES)
    np.testing.assert_array_equal(study.model.scores, model.scores)
    overlap = ps.overlap(logs, treatment=TREATMENT, scores=model)
    pd.testing.assert_frame_equal(study.overlap().to_frame(), overlap.to_frame())
    by_tier = ps.overlap(logs, treatment=TREATMENT, scores=model, by="engagement_tier")
    pd.testing.assert_frame_equal(study.overlap("engagement_tier").to_frame(), by_tier.to_frame())
    weights = {label: estimates[label] for label in ("IPW ATE", "EB ATE")}
    balance = ps.balance(logs, **ROLES, weights=weights)
    pd.testing.assert_frame_equal(study.balance().table, balance.table)
    grouped = ps.aipw(logs, outcome=OUTCOME, **ROLES, **cluster, by="engagement_tier")
    pd.testing.assert_frame_equal(study.by("engagement_tier").table, grouped.table)
    within = ps.aipw(logs, outcome=OUTCOME, **ROLES, **cluster, by="engagement_tier", within=True)
    pd.testing.assert_frame_equal(study.by("engagement_tier", within=True).table, within.table)
    effect = ps.aipw(logs, outcome=OUTCOME, **ROLES, **cluster)
    assert (study.effect.estimate, study.effect.std_error) == (effect.estimate, effect.std_error)
    assert study.sensitivity().point == effect.e_value().point
    robustness = ps.robustness_value(logs, outcome=OUTCOME, **ROLES, **cluster, estimator=ps.AIPW("ATE"))
    assert study.robustness().value == robustness.value
    checked = ps.check(logs, **ROLES, outcome=OUTCOME, cluster="workspace_id")
    pd.testing.assert_frame_equal(study.check().table, checked.table)
    specs = [ps.IPW("ATE"), ps.AIPW("ATE")]
    boot = ps.bootstrap(logs, outcome=OUTCOME, **ROLES, **cluster, estimators=specs, n_reps=20, seed=3)
    pd.testing.assert_frame_equal(study.bootstrap(n_reps=20).replicates, boot.replicates)


def test_it_says_what_comes_next(study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = repr(study).partition("Next: ")[2].split(", ")
    assert lines == ["study.check()", "study.summary()", "study.estimate()", "study.report('study.html')"]
    for line in lines:
        eval(line, {"study": study})
    assert (tmp_path / "study.html").exists()


def test_answers_are_kept(study):
    assert study.estimate() is study.estimate()
    assert study.estimate([ps.IPW()]) is study.estimate([ps.IPW()])
    assert study.estimate([ps.IPW()]) is not study.estimate([ps.AIPW()])
    assert study.balance() is study.balance()
    assert study.model is study.model


def test_summary_says_the_numbers_of_the_functions(study):
    first, second, third, fourth = study.sentences()
    effect, percent = study.effect, study.effect.contrast_as("percent")
    (low, high), (less, more) = effect.conf_int(), percent.conf_int()
    naive = study.estimates["naive gap"].estimate
    assert first == (
        f"opt_in_agent_mode raised task_completed by {100 * effect.estimate:.1f} points (95% CI "
        f"{100 * low:.1f} to {100 * high:.1f}), {percent.estimate:+.1f}% ({less:.1f} to {more:.1f}), on "
        f"average over everybody; the raw gap is +{100 * naive:.1f} points."
    )
    assert "8.5 points (95% CI 7.3 to 9.6), +14.7%" in first
    assert "4 of 4 terms are within 0.1" in second
    assert second.startswith("Overlap holds")
    assert "3 estimators of the ATE" in third
    evalue = effect.e_value()
    assert f"risk ratios of {evalue.point:.2f}" in fourth
    assert f"of {evalue.limit:.2f} for the end of the interval" in fourth
    assert study.summary() == " ".join(study.sentences())


def test_nothing_hidden_is_never_said_to_hold(study):
    verdicts = study.verdicts()
    assert list(verdicts.index) == ["overlap", "balance", "agreement of estimators", "nothing hidden"]
    assert list(verdicts["verdict"]) == ["holds", "holds", "holds", "cannot be tested"]


def test_chance_is_not_called_an_effect():
    lalonde = ps.datasets.lalonde()
    covariates = [name for name in lalonde.columns if name not in ("treat", "re78")]
    study = ps.Study(lalonde, outcome="re78", treatment="treat", covariates=covariates, estimand="ATT")
    first, second, _, fourth = study.sentences()
    assert "raised" not in first
    assert "which may be chance" in first
    assert "over those who were treated" in first
    assert second.startswith("Overlap is doubtful")
    assert "the interval includes zero, so that there may be no effect to explain away" in fourth


def test_intervals_that_disagree_about_zero_are_told_and_nothing_is_claimed():
    rng = np.random.default_rng(0)
    x, treated = rng.normal(size=200), rng.random(200) < 0.5
    y = (rng.random(200) < np.where(treated, 0.16, 0.07)).astype(int)
    df = pd.DataFrame({"x": x, "t": treated, "y": y, "z": 1 - y})
    study = ps.Study(df, outcome="y", treatment="t", covariates=["x"])
    assert study.effect.conf_int().conf_low > 0 > study.effect.contrast_as("percent").conf_int().conf_low
    first, *_, fourth = study.sentences()
    told = "the intervals disagree: that of the percent includes zero, that of the difference does not"
    assert f"{told} (p = {study.effect.p_value:.4f}): it may be chance" in first
    assert first.startswith("t moved y by +")
    assert "the interval of the percent includes zero, so that there may be no effect" in fourth
    others = ps.Study(df, outcome=["z", "y"], treatment="t", covariates=["x"]).sentences()[-1]
    assert told in others


def test_effect_that_rests_on_broken_balance_is_not_relied_on():
    rng = np.random.default_rng(5)
    x = rng.normal(size=4000)
    treated = rng.random(4000) < 1 / (1 + np.exp(-(x**2 - 1)))
    df = pd.DataFrame({"x": x, "t": treated, "y": treated + 2 * x**2 + rng.normal(size=4000)})
    study = ps.Study(df, outcome="y", treatment="t", covariates=["x"])
    verdicts = study.verdicts()["verdict"]
    assert "fails" in set(verdicts) or "doubtful" in set(verdicts)
    if "fails" in set(verdicts):
        assert "This is no effect to rely on" in study.summary()
    assert verdicts["balance"] != "holds"


def test_words_come_without_warnings_and_answers_with_them():
    lalonde = ps.datasets.lalonde()
    covariates = [name for name in lalonde.columns if name not in ("treat", "re78")]
    roles = {"outcome": "re78", "treatment": "treat", "covariates": covariates}
    ps.Study(lalonde, **roles).summary()  # a warning would be an error here
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ps.Study(lalonde, **roles).estimate()
    assert any(one.category is ps.errors.OverlapWarning for one in caught)


def test_several_outcomes_are_estimated_and_the_first_is_spoken_of(logs):
    study = ps.Study(logs, outcome=["retained_7d", OUTCOME], **ROLES)
    found = study.estimate()
    assert isinstance(found, ps.EstimatesByOutcome)
    assert study.estimates is found["retained_7d"]
    assert "retained_7d" in study.summary()
    first, *_, last = study.sentences()
    assert OUTCOME not in first
    effect = found[OUTCOME].effects[study.effect_label]
    assert last.startswith(f"By {study.effect_label}, {OUTCOME} moved by {100 * effect.estimate:+.1f} points")
    assert f'study.on("{OUTCOME}")' in last
    assert study.to_dict()["title"] == f"{TREATMENT} and retained_7d, {OUTCOME}"


def test_study_on_another_outcome_is_the_study_of_it_alone(logs):
    several = ps.Study(logs, outcome=["retained_7d", OUTCOME], **ROLES, estimand="ATT", seed=3)
    model, own = several.model, several.on(OUTCOME)
    alone = ps.Study(logs, outcome=OUTCOME, **ROLES, estimand="ATT", seed=3)
    assert own.model is model
    assert several.on(OUTCOME) is own
    assert own.on(OUTCOME) is own
    pd.testing.assert_frame_equal(own.estimate().table, alone.estimate().table)
    assert own.sentences() == alone.sentences()
    with pytest.raises(InvalidInputError, match=r"outcome must be one of 'retained_7d'.*not 'cost_usd'"):
        several.on("cost_usd")


def test_other_estimands_are_spoken_of(logs):
    few = logs[:6000]
    for estimand in ("ATT", "ATC"):
        study = ps.Study(few, outcome=OUTCOME, **ROLES, estimand=estimand)
        assert study.effect.estimate == ps.aipw(few, outcome=OUTCOME, **ROLES, estimand=estimand).estimate
        assert study.balance().samples == ("unadjusted", f"IPW {estimand}", f"EB {estimand}")


def test_other_frames_say_the_same(logs, library):
    few = logs[:6000]
    expected = ps.Study(few, outcome=OUTCOME, **ROLES).sentences()
    assert ps.Study(library(few), outcome=OUTCOME, **ROLES).sentences() == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"outcome": "taskcompleted"}, "did you mean 'task_completed'"),
        ({"treatment": "nobody"}, "column 'nobody' is not in the frame"),
        ({"covariates": [TREATMENT]}, TREATMENT),
        ({"covariates": [OUTCOME]}, OUTCOME),
        ({"seed": -1}, "seed"),
        ({"estimand": "ATX"}, "estimand"),
    ],
)
def test_unusable_roles_are_explained_at_once(logs, options, message):
    with pytest.raises(InvalidInputError, match=message):
        ps.Study(logs, **{"outcome": OUTCOME, **ROLES} | options)
