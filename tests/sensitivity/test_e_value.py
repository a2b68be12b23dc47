"""E-values: published ones, those of the tutorial, and what they mean."""

import math
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as laws

import propensity as ps
from conftest import OUTCOME, TREATMENT
from propensity.errors import ArgumentWarning, InvalidInputError, SmallSampleWarning

ROLES = {"outcome": OUTCOME, "treatment": TREATMENT}

# VanderWeele and Ding (2017), and R's EValue 4.1.4: what is given, and the two E-values, to the digits given.
PUBLISHED = {
    "ratio": ((3.9, 1.8, 8.7), {}, (7.263, 3.0), 5e-4),
    "ratio below 1": ((0.80, 0.71, 0.91), {}, (1.809, 1.4286), 5e-5),
    "difference": (
        (0.5,),
        {"contrast": "difference", "std_dev": 1.0, "std_error": 0.25},
        (2.5291, 1.1108),
        5e-5,
    ),
    "birth weights": (
        (-231.72,),
        {"contrast": "difference", "std_dev": 578.82, "std_error": 25.18},
        (2.2349, 1.9976),
        5e-5,
    ),
}


@pytest.mark.parametrize("case", PUBLISHED)
def test_e_value_of_published_numbers(case):
    numbers, options, expected, tolerance = PUBLISHED[case]
    found = ps.e_value(*numbers, **options)
    assert (found.point, found.limit) == pytest.approx(expected, abs=tolerance)
    np.testing.assert_array_equal(found.table["e_value"], [found.point, found.limit])


@pytest.fixture
def trial():
    """100 of 300 and 50 of 300: R's `evalues.RD(100, 200, 50, 250)` has 3.4142 and 2.3723."""
    treated = np.repeat([1, 0], 300)
    done = np.concatenate([np.repeat([1, 0], [100, 200]), np.repeat([1, 0], [50, 250])])
    return pd.DataFrame({"t": treated, "y": done, "e": 0.5})


def test_exact_search_finds_what_a_grid_finds(trial):
    effect = ps.ipw(trial, outcome="y", treatment="t", scores="e")
    found = effect.e_value(exact=True, df=math.inf)
    assert found.point == pytest.approx(2 + math.sqrt(2), rel=1e-12)
    assert found.limit == pytest.approx(2.3723, abs=1e-4)
    assert effect.e_value().point == pytest.approx(found.point, rel=1e-12)


@pytest.mark.parametrize("n_rows", [600, 400])
def test_exact_search_is_the_same_with_arms_swapped(trial, n_rows):
    trial = trial.iloc[:n_rows].assign(e=lambda df: df["t"].mean())
    swapped = trial.assign(t=1 - trial["t"], e=1 - trial["e"])
    for options in ({"exact": True}, {}):
        found, expected = (
            ps.ipw(df, outcome="y", treatment="t", scores="e").e_value(**options) for df in (swapped, trial)
        )
        assert (found.point, found.limit) == pytest.approx((expected.point, expected.limit), rel=1e-9)
        assert found.ratio == pytest.approx(1 / expected.ratio, rel=1e-9)


def test_exact_search_on_the_treated_is_that_of_the_ratio(trial):
    """Of the treated the difference left is p1 - p0 B; its end is that of p1 / p0 by Fieller's method."""
    effect = ps.ipw(trial, outcome="y", treatment="t", scores="e", estimand="ATT")
    p1, p0, z = 1 / 3, 1 / 6, laws.t.ppf(0.975, effect.df)
    v1, v0 = p1 * (1 - p1) / 299, p0 * (1 - p0) / 299  # of means of 300 rows, corrected for leverage
    a, b, c = p0**2 - z**2 * v0, -2 * p0 * p1, p1**2 - z**2 * v1
    factor = (-b - math.sqrt(b**2 - 4 * a * c)) / (2 * a)
    found = effect.e_value(exact=True)
    assert found.limit == pytest.approx(factor + math.sqrt(factor * (factor - 1)), rel=1e-9)


@pytest.mark.parametrize(
    ("estimand", "ratio", "low", "point", "limit"),
    [
        ("ATE", 1.147396, 1.127497, 1.55864, 1.50664),
        ("ATT", 1.113876, None, 1.47003, 1.42871),
    ],
)
def test_e_value_of_the_tutorial(logs, model, estimand, ratio, low, point, limit):
    found = ps.ipw(logs, **ROLES, scores=model, estimand=estimand).e_value(df=math.inf)
    assert found.ratio == pytest.approx(ratio, abs=1e-6)
    assert low is None or found.ratio_low == pytest.approx(low, abs=1e-6)
    assert (found.point, found.limit) == pytest.approx((point, limit), abs=5e-6)
    if estimand == "ATE":
        assert str(found) == (
            "to explain it away a confounder would need risk ratios of 1.56 with both opting in and the "
            "outcome, 1.51 for the interval"
        )


@given(st.floats(1.0, 50.0))
def test_confounder_of_that_strength_explains_it_away(ratio):
    """All treated have it, and so many controls that it is `strength` times as frequent among the treated."""
    strength = ps.e_value(ratio).point
    risk_without = 0.01
    share_of_controls = 1 / strength
    treated = risk_without * strength
    control = risk_without * (share_of_controls * strength + 1 - share_of_controls)
    assert treated / control == pytest.approx(ratio, rel=1e-9)


@pytest.mark.filterwarnings("ignore::propensity.errors.ArgumentWarning")
@given(st.floats(1e-3, 1e3), st.floats(1.0, 3.0))
def test_e_value_knows_no_direction(ratio, width):
    one = ps.e_value(ratio, ratio / width, ratio * width)
    other = ps.e_value(1 / ratio, 1 / ratio / width, width / ratio)
    assert one.point == pytest.approx(other.point, rel=1e-6)
    assert one.limit == pytest.approx(other.limit, rel=1e-4)
    assert 1 <= one.limit <= one.point


def test_interval_that_holds_no_effect_needs_no_confounder():
    found = ps.e_value(1.2, 0.9, 1.6)
    assert found.limit == 1.0
    assert "1 for the interval, which includes a ratio of 1 already" in str(found)
    assert ps.e_value(1.0).point == 1.0
    assert "no effect to explain away" in str(ps.e_value(1.0))
    assert math.isnan(ps.e_value(1.2).limit)


def test_ratios_of_common_outcomes_come_nearer_to_1():
    odds = ps.e_value(4.0, 1.44, contrast="odds_ratio")
    assert (odds.point, odds.limit) == (ps.e_value(2.0).point, ps.e_value(1.2).point)
    assert ps.e_value(4.0, contrast="odds_ratio", rare=True).point == ps.e_value(4.0).point
    hazard = (1 - 0.5 ** math.sqrt(1.8)) / (1 - 0.5 ** math.sqrt(1 / 1.8))
    assert ps.e_value(1.8, contrast="hazard_ratio").ratio == pytest.approx(hazard, rel=1e-12)
    assert ps.e_value(1.8, contrast="hazard_ratio", rare=True).ratio == 1.8


def test_error_of_a_ratio_is_of_its_logarithm():
    low, high = (math.exp(math.log(2) + z * 0.3) for z in (-1.959963984540054, 1.959963984540054))
    assert ps.e_value(2.0, std_error=0.3).limit == pytest.approx(ps.e_value(2.0, low, high).limit, rel=1e-12)


# Of effects


def test_effect_on_a_number_is_counted_in_standard_deviations(users):
    effect = ps.regression_adjustment(users, outcome="done", treatment="opted", covariates=["visits", "tier"])
    expected = ps.e_value(
        effect.estimate,
        std_error=effect.std_error,
        std_dev=float(users["done"].std(ddof=0)),
        contrast="difference",
    )
    found = effect.e_value(df=math.inf)
    assert found.how == expected.how
    np.testing.assert_allclose(found.table, expected.table, rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-9, 1e30, -1.0])
def test_units_of_an_outcome_do_not_matter(users, scale):
    given = {"outcome": "done", "treatment": "opted", "covariates": ["visits"]}
    expected = ps.aipw(users, **given).e_value()
    moved = users.assign(done=scale * users["done"])
    assert ps.aipw(moved, **given).e_value().point == pytest.approx(expected.point, rel=1e-9)


UNITS = (1e-9, 1e-3, 1.0, 1e3)  # the same amounts, all below 1 in some units


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("per", [None, "days"])
def test_amounts_in_other_units_have_the_same_e_value(users, per):
    df = users.assign(days=1.0 + users["visits"] ** 2, e=0.5, g=np.arange(len(users)) % 2)
    matches = ps.match_nn(df, treatment="opted", scores="e", exact=["visits"])
    weights = ps.fit_weights(df, treatment="opted", covariates=["visits"])
    given = {"outcome": "amount", "per": per, "treatment": "opted"}
    found = []
    for unit in UNITS:
        moved = df.assign(amount=unit * np.abs(df["done"]))
        amount = moved["amount"]
        effects = [
            ps.aipw(moved, **given, covariates=["visits"]),
            *ps.ipw(moved, **given, scores="e", by="g").values(),
            weights.effect(amount, per=per),
            matches.effect(amount, per=per),
        ]
        found.append([effect.e_value().point for effect in effects])
        assert all(effect.e_value().how.startswith("exp(0.91 d)") for effect in effects)
        with pytest.raises(InvalidInputError, match="of an outcome that is not 0/1"):
            effects[0].e_value(exact=True)
    np.testing.assert_allclose(found[1:], found[:1] * (len(UNITS) - 1), rtol=1e-6)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_risk_in_a_group_is_a_risk(trial):
    df = trial.assign(g=np.arange(len(trial)) % 2, one=1.0)
    for per in (None, "one"):
        for effect in ps.ipw(df, outcome="y", per=per, treatment="t", scores="e", by="g").values():
            found = effect.e_value()
            assert found.ratio == pytest.approx(effect.mean_treated / effect.mean_control, rel=1e-12)
            assert found.ratio_low == pytest.approx(effect.contrast_as("ratio").conf_int()[0], rel=1e-12)


def test_sample_weights_are_in_the_standard_deviation(users):
    counted = users.assign(w=np.arange(len(users)) % 3)
    spelled_out = users.loc[users.index.repeat(counted["w"])].reset_index(drop=True)
    given = {"outcome": "done", "treatment": "opted", "covariates": ["visits"]}
    one = ps.aipw(counted, **given, sample_weight="w")
    other = ps.aipw(spelled_out, **given)
    assert one.outcome_std_dev == pytest.approx(other.outcome_std_dev, rel=1e-12)
    assert one.e_value().point == pytest.approx(other.e_value().point, rel=1e-9)


@pytest.mark.parametrize("rare", [False, True])
def test_effect_as_an_odds_ratio(trial, rare):
    effect = ps.ipw(trial, outcome="y", treatment="t", scores="e", contrast="odds_ratio")
    expected = ps.e_value(effect.estimate, *effect.conf_int(), contrast="odds_ratio", rare=rare)
    np.testing.assert_array_equal(effect.e_value(rare=rare).table, expected.table)


def test_effect_in_percent_is_that_of_its_ratio(trial):
    percent = ps.ipw(trial, outcome="y", treatment="t", scores="e", contrast="percent")
    expected = percent.contrast_as("ratio").e_value()
    np.testing.assert_allclose(percent.e_value().table, expected.table, rtol=1e-12)


def test_matched_effect_without_influence_has_a_ratio(logs, model):
    few = logs.head(2_000)
    scores = np.asarray(model.scores)[:2_000]
    matches = ps.match_nn(few, treatment=TREATMENT, scores=scores)
    effect = matches.effect(OUTCOME)
    found = effect.e_value()
    assert found.ratio == pytest.approx(effect.mean_treated / effect.mean_control, rel=1e-12)
    assert found.ratio_low == pytest.approx(effect.contrast_as("ratio").conf_int().conf_low, rel=1e-12)


def test_effect_of_nothing_but_its_means_keeps_the_ends_of_its_difference():
    effect = ps.Effect("ATE", 0.1, 0.5, 0.4, 90.0, 90.0, pd.Series([1.0]), std_error=0.02, binary=True)
    found = effect.e_value()
    low, high = effect.conf_int()
    assert (found.ratio, found.ratio_low, found.ratio_high) == pytest.approx(
        (1.25, 1 + low / 0.4, 1 + high / 0.4)
    )


def test_outcome_that_is_the_same_for_all_has_nothing_to_explain(users):
    with pytest.warns(ps.errors.DegenerateWarning):
        effect = ps.aipw(users.assign(done=7.0), outcome="done", treatment="opted", covariates=["visits"])
    assert effect.e_value().point == effect.e_value().limit == 1.0


def test_e_value_is_a_result(trial):
    found = ps.ipw(trial, outcome="y", treatment="t", scores="e").e_value()
    assert "3.41" in repr(found)
    assert "<table" in found._repr_html_()
    assert pickle.loads(pickle.dumps(found)).point == found.point
    with pytest.raises(AttributeError):
        found.point = 1.0


# Refusals


@pytest.mark.parametrize(
    ("numbers", "options", "says"),
    [
        ((0.0,), {}, "estimate must be a finite number greater than 0"),
        ((-2.0, -3.0), {}, "estimate must be a finite number greater than 0"),
        ((2.0, 2.5), {}, "does not hold the estimate"),
        ((2.0, None, 1.5), {}, "does not hold the estimate"),
        ((2.0, 1.5), {"std_error": 0.1}, "the ends of the interval are given already"),
        ((2.0,), {"contrast": "difference"}, "std_dev: a difference is divided by"),
        ((2.0,), {"std_dev": 1.0}, "std_dev: a ratio has no units"),
        ((2.0,), {"rare": True}, "rare: it matters for odds and hazard ratios alone"),
        ((2.0,), {"contrast": "risk"}, "contrast must be one of"),
        ((2.0,), {"std_error": -1.0}, "std_error must be a finite number greater than 0"),
        (("2",), {}, "estimate must be a finite number"),
        ((math.nan,), {}, "estimate must be a finite number"),
        ((2.0,), {"level": 95}, "level must lie between 0 and 1"),
    ],
)
def test_numbers_that_are_no_estimate_are_refused(numbers, options, says):
    with pytest.raises(InvalidInputError, match=says):
        ps.e_value(*numbers, **options)


def test_argument_by_another_name_is_answered():
    with pytest.raises(TypeError, match=r"alpha= is called level= here: level=0.9"):
        ps.e_value(2.0, alpha=0.1)


def test_effects_without_a_ratio_are_refused(trial, users):
    none = trial.assign(y=trial["y"] * trial["t"])
    with pytest.warns(SmallSampleWarning, match="0 in every control row"):
        effect = ps.ipw(none, outcome="y", treatment="t", scores="e")
    with pytest.raises(InvalidInputError, match="a risk ratio needs two positive means"):
        effect.e_value()
    number = ps.aipw(users, outcome="done", treatment="opted", covariates=["visits"])
    with pytest.raises(InvalidInputError, match="the search is for a difference of two risks"):
        number.e_value(exact=True)
    with pytest.raises(InvalidInputError, match="rare: it matters for an odds ratio alone"):
        number.e_value(rare=True)
    overlap = ps.ipw(trial, outcome="y", treatment="t", scores="e", estimand="ATO")
    with pytest.raises(InvalidInputError, match="for the ATO"):
        overlap.e_value(exact=True)
    pairs = ps.match_nn(trial, treatment="t", scores="e", replace=True)
    with pytest.raises(InvalidInputError, match="no influence values"):
        pairs.effect("y").e_value(exact=True)


# What is no ratio


def test_a_difference_given_as_a_ratio_is_told():
    with pytest.warns(ArgumentWarning, match=r"0.08 as a ratio is a fall by 92%; if it is a difference"):
        ps.e_value(0.08)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ps.e_value(0.5)
        ps.e_value(0.08, contrast="difference", std_dev=0.5)
    with pytest.raises(InvalidInputError, match=r"a difference is e_value\(-0.03, contrast=\"difference\""):
        ps.e_value(-0.03)


def test_an_effect_is_told_that_it_knows_its_own():
    users = ps.datasets.opt_in_logs(n_users=2_000)
    roles = {"treatment": "opt_in_agent_mode", "covariates": ["engagement_tier"]}
    effect = ps.aipw(users, outcome="task_completed", **roles)
    with pytest.raises(TypeError, match=r"an effect knows its own: effect.e_value\(\)"):
        ps.e_value(effect)
    effects = ps.aipw(users, outcome=["task_completed", "thumbs_up"], **roles)
    with pytest.raises(TypeError, match="each of these effects knows its own: ") as caught:
        ps.e_value(effects)
    found = eval(str(caught.value).split("its own: ")[1], {"effects": effects})
    assert found["task_completed"].point == effect.e_value().point
