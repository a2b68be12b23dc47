"""What is said of an arm whose outcomes are all the same."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import propensity as ps
from propensity.errors import SmallSampleWarning

pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # few rows, made up

ROLES = {"outcome": "y", "treatment": "t"}


def without_events(n=2_000, n_treated=40, seed=1, end=0):
    """Of 2,000 rows 40 are treated, all of whom have the one outcome; of the others one in twenty has 1."""
    rng = np.random.default_rng(seed)
    t = np.zeros(n, dtype=int)
    t[rng.choice(n, n_treated, replace=False)] = 1
    y = np.where(t == 1, end, rng.random(n) < 0.05)
    return pd.DataFrame({"x": rng.normal(size=n), "t": t, "y": y.astype(float)})


def scores_of(df):
    return ps.fit_propensity(df, treatment="t", covariates=["x"])


def by_ipw(df):
    return ps.ipw(df, **ROLES, scores=scores_of(df))


@pytest.mark.parametrize(
    "estimate",
    [
        by_ipw,
        lambda df: ps.aipw(df, **ROLES, covariates=["x"]),
        lambda df: ps.fit_weights(df, treatment="t", covariates=["x"], estimand="ATE").effect("y"),
    ],
)
@pytest.mark.parametrize("end", [0, 1])
def test_an_arm_without_events_is_told(estimate, end):
    with pytest.warns(SmallSampleWarning) as caught:
        effect = estimate(without_events(end=end))
    (words,) = [str(one.message) for one in caught if "in every treated row" in str(one.message)]
    assert f"the outcome is {end} in every treated row" in words
    # The exact bound of Clopper and Pearson (1934) for no event, one-sided at 95%.
    bound = stats.beta.ppf(0.95, 1, effect.ess_treated)
    assert f"{effect.ess_treated:,.0f} such rows do not rule out a share of {abs(end - bound):.1%}" in words
    assert words in repr(effect)


def test_intervals_of_an_arm_without_events_miss():
    """Where 5% of either arm are to have events and no treated row has, no effect is hardly ever within."""
    held = []
    for seed in range(60):
        df = without_events(seed=seed)
        with pytest.warns(SmallSampleWarning, match="in every treated row"):
            effect = by_ipw(df)
        low, high = effect.conf_int()
        held.append(low <= 0 <= high)
    assert np.mean(held) < 0.05


def test_arms_with_events_and_outcomes_without_any_are_not_told_so():
    df = without_events()
    df.loc[df.index[df["t"] == 1][:1], "y"] = 1.0
    assert "in every" not in " ".join(map(str, by_ipw(df).cautions))


def test_matches_are_told_of_the_rows_that_are_matched():
    df = without_events()
    matched = np.asarray(ps.match_nn(df, treatment="t", scores=scores_of(df)).weights) > 0
    y = np.where(df["t"] == 1, np.arange(len(df)) % 2, ~matched)
    df = df.assign(y=y.astype(float))
    effect = ps.match_nn(df, treatment="t", scores=scores_of(df)).effect("y")
    assert effect.mean_control == 0
    assert df.loc[df["t"] == 0, "y"].sum() > 1_000
    assert "the outcome is 0 in every control row behind this effect" in " ".join(map(str, effect.cautions))


@pytest.mark.parametrize("within", [False, True])
def test_groups_are_told_by_themselves(within):
    df = without_events(n_treated=80)
    df["g"] = np.where(np.arange(len(df)) % 2, "odd", "even")
    odd = df.index[(df["t"] == 1) & (df["g"] == "odd")]
    df.loc[odd, "y"] = np.arange(len(odd)) % 2
    with pytest.warns(SmallSampleWarning, match="^g = even: the outcome is 0 in every treated row"):
        effects = ps.ipw(df, **ROLES, scores=scores_of(df), by="g", within=within)
    told = {key: "in every treated row" in " ".join(map(str, effects[key].cautions)) for key in effects}
    assert told == {"even": True, "odd": False}
