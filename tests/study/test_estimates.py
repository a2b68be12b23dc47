"""Estimates as a result: read by label and like a table, in other contrasts, of several outcomes, shown."""

import warnings

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from conftest import COVARIATES, OUTCOME, TREATMENT
from propensity.errors import InvalidInputError, OverlapWarning, SeparationWarning

ROLES = {"treatment": TREATMENT, "covariates": COVARIATES}
SPECS = [ps.IPW("ATE"), ps.AIPW("ATT"), ps.NearestNeighbors("ATT"), ps.Balancing("ATT")]


@pytest.fixture(scope="module")
def found(logs):
    return ps.estimate(logs, outcome=OUTCOME, **ROLES, estimators=SPECS)


def test_estimates_are_read_by_label_and_like_a_table(logs, found, model):
    effect = found["IPW ATE"]
    alone = ps.ipw(logs, outcome=OUTCOME, treatment=TREATMENT, scores=model)
    assert (effect.estimate, effect.std_error) == (alone.estimate, alone.std_error)
    assert list(found) == ["naive gap", *(spec.label for spec in SPECS)]
    pd.testing.assert_series_equal(found["estimate"], found.table["estimate"])
    assert found.loc["IPW ATE", "std_error"] == effect.std_error
    assert found.contrast == "difference"
    with pytest.raises(KeyError, match="'IPW ATX' is no estimator and no column; there are naive gap"):
        found["IPW ATX"]


def test_table_lent_to_a_reader_is_a_copy(found):
    table = found.table
    table["estimate"] = 0.0
    assert found.loc["IPW ATE", "estimate"] != 0


def test_other_contrast_is_that_of_the_same_call(logs, found):
    percent = ps.estimate(logs, outcome=OUTCOME, **ROLES, estimators=SPECS, contrast="percent")
    pd.testing.assert_frame_equal(found.contrast_as("percent").table, percent.table, rtol=1e-12)
    assert found.contrast_as("percent").contrast == "percent"


def test_other_level_is_that_of_the_same_call(logs, found):
    wide = ps.estimate(logs, outcome=OUTCOME, **ROLES, estimators=SPECS, level=0.99)
    pd.testing.assert_frame_equal(found.to_frame(0.99), wide.table, rtol=1e-12)


def test_several_outcomes_are_each_as_alone(logs):
    outcomes = [OUTCOME, "retained_7d", "cost_usd"]
    several = ps.estimate(logs, outcome=outcomes, **ROLES, estimators=SPECS)
    assert list(several) == outcomes
    for outcome in outcomes:
        alone = ps.estimate(logs, outcome=outcome, **ROLES, estimators=SPECS)
        pd.testing.assert_frame_equal(several[outcome].table, alone.table, rtol=1e-12)
    effects = ps.aipw(logs, outcome=outcomes, **ROLES, estimand="ATT").to_frame()
    own = several.table.xs("AIPW ATT", level="estimator")
    for name in ("p_value", "p_holm", "p_bh"):
        np.testing.assert_allclose(own[name], effects[name], rtol=1e-9, atol=1e-300)
    moved = several.contrast_as("ratio")
    assert moved["retained_7d"]["IPW ATE"].contrast == "ratio"
    assert list(several.tidy()["outcome"].unique()) == outcomes
    assert "3 outcomes" in repr(several)


def test_score_is_fitted_once_for_several_outcomes(logs, monkeypatch):
    fits = []
    own = ps.core.fit_propensity
    monkeypatch.setattr(ps.core, "fit_propensity", lambda *a, **o: fits.append(1) or own(*a, **o))
    ps.estimate(logs, outcome=[OUTCOME, "retained_7d"], **ROLES, estimators=[ps.IPW(), ps.IPW("ATT")])
    assert len(fits) == 1


def test_groups_of_several_outcomes_are_refused(logs):
    with pytest.raises(InvalidInputError, match="effects by group are of one outcome"):
        ps.estimate(logs, outcome=[OUTCOME, "retained_7d"], **ROLES, by="engagement_tier")


def test_groups_are_read_by_label_too(logs):
    grouped = ps.estimate(logs, outcome=OUTCOME, **ROLES, estimators=SPECS[:1], by="engagement_tier")
    assert isinstance(grouped["IPW ATE"], ps.GroupedEffects)
    assert grouped["IPW ATE"]["heavy"].estimate == grouped.loc[("heavy", "IPW ATE"), "estimate"]
    percent = grouped.contrast_as("percent")
    assert percent.loc[("heavy", "IPW ATE"), "estimate"] == pytest.approx(
        grouped["IPW ATE"]["heavy"].contrast_as("percent").estimate, rel=1e-12
    )
    assert list(grouped.tidy())[:2] == ["engagement_tier", "term"]


def test_each_warning_is_given_once_and_stands_in_full_below_the_table():
    rng = np.random.default_rng(3)
    x = rng.normal(size=1000)
    treated = rng.random(1000) < 1 / (1 + np.exp(-2.5 * x))
    df = pd.DataFrame({"x": x, "t": treated, "y": x + treated + rng.normal(size=1000)})
    df["level"] = np.where((df["x"] > 2) & treated, "rare", "usual")
    roles = {"outcome": "y", "treatment": "t", "covariates": ["x", "level"]}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = ps.estimate(df, **roles, estimators=[ps.IPW("ATE"), ps.IPW("ATT"), ps.AIPW("ATE")])
    messages = [str(one.message) for one in caught]
    assert len(messages) == len(set(messages))
    assert sum(one.category is SeparationWarning for one in caught) == 1
    assert any(one.category is OverlapWarning for one in caught)
    for note in found.notes.values():
        for part in note.split("; intervals"):
            assert part in repr(found)
    assert "..." not in repr(found).split("Note:")[1].split(" (row")[0]


def test_what_data_contain_is_escaped(logs):
    df = logs.rename(columns={OUTCOME: "<b>done</b>"})
    found = ps.estimate(df, outcome="<b>done</b>", **ROLES, estimators=SPECS[:1])
    assert "<b>" not in found._repr_html_()
    assert "&lt;b&gt;done" in found._repr_html_()
    assert r"\<b\>done" in found.to_markdown()
    assert r"\textless{}b\textgreater{}done" in found.to_latex()


def test_other_frames_give_the_same(logs, library):
    few = logs[:4000]
    found = ps.estimate(library(few), outcome=[OUTCOME, "retained_7d"], **ROLES, estimators=SPECS[:2])
    expected = ps.estimate(few, outcome=[OUTCOME, "retained_7d"], **ROLES, estimators=SPECS[:2])
    pd.testing.assert_frame_equal(found.table, expected.table, rtol=1e-9)


def test_tidy_has_the_names_and_numbers_of_others(found):
    tidy = found.tidy()
    names = ["term", "estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"]
    assert list(tidy) == names
    row = tidy.set_index("term").loc["IPW ATE"]
    effect = found["IPW ATE"]
    assert row["statistic"] == pytest.approx(effect.estimate / effect.std_error)
    ratio = found["IPW ATE"].contrast_as("ratio")
    own = ratio.tidy().iloc[0]
    assert own["term"] == "ATE"
    assert own["statistic"] == pytest.approx(np.log(ratio.estimate) / ratio.std_error)
    assert ratio.to_series()["estimate"] == ratio.estimate
    assert ratio.to_series().name == "ATE"


def test_forest_plot_takes_estimates(found):
    ax = ps.plots.effects_plot(found)
    assert len(ax.get_yticklabels()) == len(found)


def test_balance_is_shown_before_after_and_with_a_verdict(logs, model):
    weights = ps.balancing_weights(logs, treatment=TREATMENT, scores=model)
    found = ps.balance(logs, **ROLES, weights={"IPW": weights}, scores=model)
    lines = repr(found).split("\n")
    assert "unadjusted: 3 past 0.1, the worst engagement_tier[light] -0.918" in lines
    assert "IPW: 0 past 0.1, the worst query_confidence -0.005" in lines
    header = next(line for line in lines if "verdict" in line)
    assert header.split() == ["unadjusted", "IPW", "verdict"]
    assert sum("balanced, <0.1" in line for line in lines) == len(found)
    smds = ps.smd(logs, **ROLES, weights=weights)
    np.testing.assert_array_equal(found.smd["IPW"].drop("propensity"), smds)
    assert found.worst.loc["IPW", "term"] == smds.abs().idxmax()
    assert found.worst.loc["IPW", "smd"] == smds[smds.abs().idxmax()]
    assert found.past()["unadjusted"] == 3
    assert found.samples == ("unadjusted", "IPW")
    several = ps.balance(logs, **ROLES, weights={"IPW": weights, "none": np.ones(len(logs))})
    assert "past 0.1: none" in repr(several)
    pd.testing.assert_frame_equal(ps.balance_summary(found), ps.balance_summary(found.table))
