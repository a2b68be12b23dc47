"""The study of few rows: its truths, its counting, and that the page shows what was counted."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bootstrap_kinds
import cautions
import propensity as ps
import small_samples
import small_samples_report
from propensity.effects import cautions as package
from small_sample_worlds import EVENTS, SMALL_SAMPLE_WORLDS, truth_of

DOCS = Path(__file__).parents[2] / "docs"
RESULTS = pd.read_csv(DOCS / "small_samples.csv")


@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATO"])
def test_truth_of_events_is_what_a_large_sample_says(estimand):
    world = SMALL_SAMPLE_WORLDS[EVENTS]
    sample = world.draw(np.random.default_rng(1), 400_000)
    e = sample.scores
    h = {"ATE": np.ones_like(e), "ATT": e, "ATO": e * (1 - e)}[estimand]
    assert truth_of(world, estimand, "difference") == pytest.approx(
        np.average(sample.effects, weights=h), abs=1e-3
    )
    arms = [np.where(arm, h / (e if treated else 1 - e), 0.0) for treated, arm in _arms(sample)]
    treated, control = (np.average(sample.outcome, weights=weights) for weights in arms)
    assert truth_of(world, estimand, "ratio") == pytest.approx(np.log(treated / control), abs=0.02)


def _arms(sample):
    return (True, sample.treatment), (False, ~sample.treatment)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_intervals_are_those_of_effects():
    world = SMALL_SAMPLE_WORLDS["LD moderate"]
    numbers = np.random.SeedSequence([3, int.from_bytes(b"LD moderate"), 200], spawn_key=(0,))
    sample = world.draw(np.random.default_rng(numbers), 200)
    df = pd.DataFrame({f"x{k}": column for k, column in enumerate(sample.x.T)})
    names = list(df)
    df = df.assign(t=sample.treatment, y=sample.outcome)
    roles = {"treatment": "t", "covariates": names}
    model = ps.fit_propensity(df, **roles)
    effects = {
        "IPW": ps.ipw(df, outcome="y", treatment="t", scores=model),
        "AIPW": ps.aipw(df, outcome="y", **roles),
        "IPWRA": ps.ipwra(df, outcome="y", **roles),
        "RA": ps.regression_adjustment(df, outcome="y", **roles),
        "entropy": ps.fit_weights(df, **roles, estimand="ATE").effect("y"),
        "1-NN": ps.match_nn(df, treatment="t", scores=model, estimand="ATE").effect("y"),
    }
    lines = small_samples.lines_of(world, 200, seed=3, data_set=0)
    found = {line["estimator"]: line for line in lines if line["estimand"] == "ATE"}
    for name, effect in effects.items():
        low, high = effect.conf_int()
        assert found[name]["t, half width"] == pytest.approx((high - low) / 2, rel=1e-6)
        assert found[name]["t"] == (low <= 2 <= high)
        assert found[name]["df"] == pytest.approx(effect.df, rel=1e-6)
        low, high = effect.conf_int(df=np.inf)
        assert found[name]["normal, half width"] == pytest.approx((high - low) / 2, rel=1e-6)


def test_coverage_is_counted():
    key = {"world": "LTL 1", "n": 100, "estimator": "IPW", "estimand": "ATE", "contrast": "difference"}
    told = [(1.0, True, True), (-1.0, False, True), (3.0, False, False), (1.0, False, True)]
    lines = [
        key | {"gap": gap, "df": 9.0, "warned": warned, "t": held, "t, half width": 1.5}
        for gap, warned, held in told
    ]
    found = small_samples_report.summarise(lines, {"t": ("usual", "t")}).iloc[0]
    assert found["t"] == 0.75
    assert found["t, unwarned"] == pytest.approx(2 / 3)
    sd = np.std([1.0, -1.0, 3.0, 1.0], ddof=1)
    assert found["t, width"] == pytest.approx(1.5 / 1.959964 / sd, rel=1e-6)
    assert found["bias"] == pytest.approx(1 / sd)


def test_page_shows_what_was_counted():
    page = (DOCS / "validation.md").read_text(encoding="utf-8")
    for text in small_samples_report.tables(RESULTS).values():
        assert text in page


def test_intervals_by_t_hold_where_those_by_the_normal_law_did_not():
    calm = RESULTS[(RESULTS["warned"] <= 0.5) & (RESULTS["n"] == 100)]
    calm = calm[~((calm["world"] == "HET") & (calm["estimator"] == "RA"))]
    inside = {
        law: small_samples_report.in_bar(calm[law], calm["n_data_sets"]).mean() for law in ("t", "normal")
    }
    assert inside["t"] > 0.9
    assert inside["t"] > inside["normal"] + 0.1


def test_rule_in_bold_is_the_packages():
    (name,) = [name for name in cautions.RULES if name.startswith("**")]
    rests_on = package._RESTS_ON
    limits = {"rests_on": (rests_on["ATE"], rests_on["ATT"]), "df": package._FEW_CARRY}
    assert cautions.RULES[name] == limits
    assert name in (DOCS / "validation.md").read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("estimand", ["ATE", "ATT"])
def test_signs_and_warnings_are_those_of_effects(estimand):
    (limits,) = [rule for name, rule in cautions.RULES.items() if name.startswith("**")]
    for seed in range(6):
        sample = SMALL_SAMPLE_WORLDS["LD moderate"].draw(np.random.default_rng(seed), 250)
        df = pd.DataFrame({f"x{k}": column for k, column in enumerate(sample.x.T)})
        model = ps.fit_propensity(df.assign(t=sample.treatment), treatment="t", covariates=list(df))
        df = df.assign(t=sample.treatment, y=sample.outcome)
        effect = ps.ipw(df, outcome="y", treatment="t", scores=model, estimand=estimand)
        signs = cautions.signs_of(sample, estimand, 2.0)
        assert signs["held"] == (effect.conf_int().conf_low <= 2 <= effect.conf_int().conf_high)
        kinds = (ps.errors.OverlapWarning, ps.errors.SmallSampleWarning)
        told = any(isinstance(caution, kinds) for caution in effect.cautions)
        line = pd.DataFrame([{"estimand": estimand} | signs])
        assert cautions.warned(line, **limits)[0] == told


def test_page_shows_the_kinds_that_were_counted():
    page = (DOCS / "validation.md").read_text(encoding="utf-8")
    assert bootstrap_kinds.table(pd.read_csv(DOCS / "bootstrap_kinds.csv")) in page
