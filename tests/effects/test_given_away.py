"""Outcomes that a column gives away, or that are constant: an error of 0 does not pass for certainty."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import propensity as ps
from propensity.errors import DegenerateWarning

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # few rows, made up

ROLES = {"treatment": "t"}


@pytest.fixture(scope="module")
def df():
    rng = np.random.default_rng(0)
    x = rng.normal(size=600)
    t = rng.random(600) < 1 / (1 + np.exp(-x))
    visits = rng.poisson(3, 600)
    y = x + t + rng.normal(size=600)
    tier = rng.choice(["light", "heavy"], 600)
    return pd.DataFrame({"x": x, "t": t, "visits": visits, "y": y, "tier": tier})


def model(df, covariates):
    return ps.fit_propensity(df, covariates=covariates, **ROLES)


EFFECTS = {
    "ipw": lambda df, c: ps.ipw(df, outcome="y", scores=model(df, c), **ROLES),
    "aipw": lambda df, c: ps.aipw(df, outcome="y", covariates=c, **ROLES),
    "cross-fitted": lambda df, c: ps.aipw(df, outcome="y", covariates=c, n_folds=2, **ROLES),
    "ipwra": lambda df, c: ps.ipwra(df, outcome="y", covariates=c, **ROLES),
    "regression": lambda df, c: ps.regression_adjustment(df, outcome="y", covariates=c, **ROLES),
}
MATCHED = {
    "nearest": lambda df, c: ps.match_nn(df, scores=model(df, c), **ROLES).effect(df["y"]),
    "pairs": lambda df, c: ps.match_nn(df, scores=model(df, c), replace=False, **ROLES).effect(df["y"]),
    "full": lambda df, c: ps.match_full(df, scores=model(df, c), **ROLES).effect(df["y"]),
    "subclasses": lambda df, c: ps.subclassify(df, scores=model(df, c), **ROLES).effect(df["y"]),
}


def degenerate(effect):
    return [str(caution) for caution in effect.cautions if isinstance(caution, DegenerateWarning)]


@pytest.mark.parametrize("function", [*EFFECTS, *MATCHED])
def test_plain_outcome_is_not_given_away(df, function):
    assert degenerate((EFFECTS | MATCHED)[function](df, ["x", "visits", "tier"])) == []


@pytest.mark.parametrize("function", [*EFFECTS, *MATCHED])
def test_constant_outcome_is_told(df, function):
    effect = (EFFECTS | MATCHED)[function](df.assign(y=0.1), ["x"])
    assert effect.std_error == effect.estimate == 0
    assert degenerate(effect) == ["the outcome is 0.1 in every row: there is nothing to estimate"]


@pytest.mark.parametrize("function", [*EFFECTS, *MATCHED])
@pytest.mark.parametrize(("one", "other"), [(1, 0), (0, 1), (-2.5, 7)])
def test_outcome_that_is_the_treatment_is_told(df, function, one, other):
    effect = (EFFECTS | MATCHED)[function](df.assign(y=np.where(df["t"], one, other)), ["x"])
    assert effect.estimate == pytest.approx(one - other)
    (words,) = degenerate(effect)
    assert words.startswith(
        f"the outcome is {one:g} in every treated row and {other:g} in every control row:"
    )
    assert words.endswith("it is the treatment, or made of it")


@pytest.mark.parametrize("function", EFFECTS)
@pytest.mark.parametrize("library", [lambda df: df, pl.from_pandas])
def test_covariates_that_are_the_outcome_are_named(df, function, library):
    both = df.assign(o2=1.1 * df["y"] - 3, half=(df["y"] > 0).astype(int))
    effect = EFFECTS[function](library(both), ["x", "o2", "visits", "half", "tier"])
    assert degenerate(effect)[0].startswith("column 'o2' is the outcome itself, perhaps in other units")
    assert len(degenerate(effect)) == 1
    binary = EFFECTS[function](library(both.assign(y=both["half"] == 0)), ["x", "half"])
    assert degenerate(binary)[0].startswith("column 'half' is the outcome itself")


def test_tables_of_estimates_say_so(df):
    with pytest.warns(DegenerateWarning, match="column 'o2' is the outcome itself"):
        table = ps.estimate(df.assign(o2=2 * df["y"]), outcome="y", covariates=["x", "o2"], **ROLES)
    assert table.loc[["IPW ATE", "AIPW ATE"], "note"].str.contains("'o2' is the outcome itself").all()
    with pytest.warns(DegenerateWarning, match="the outcome is 2") as caught:
        table = ps.estimate(df.assign(y=2), outcome="y", covariates=["x"], **ROLES)
    assert table["note"].str.contains("the outcome is 2 in every row").all()
    assert [warning.category for warning in caught].count(DegenerateWarning) == 1
    for y, words in ((2.0, "the outcome is 2 in every row"), (df["x"] * 3, "column 'x' is the outcome")):
        with pytest.warns(DegenerateWarning, match=words):
            ps.bootstrap(df.assign(y=y), outcome="y", covariates=["x"], n_reps=3, **ROLES)


def test_outcome_made_of_several_covariates_has_no_error(df):
    made = df.assign(y=df["x"] + df["visits"] + df["t"])
    with pytest.warns(DegenerateWarning, match="what is adjusted for foretells the outcome without error"):
        assert ps.aipw(made, outcome="y", covariates=["x", "visits"], **ROLES).std_error == 0


def test_values_that_agree_in_a_few_rows_may_do_so_by_chance():
    few = pd.DataFrame({"t": [0, 0, 1, 1] * 3, "y": [0, 1, 0, 1] * 3, "z": [0, 1, 0, 1] * 3})
    assert not any("itself" in words for words in degenerate(EFFECTS["regression"](few, ["z"])))
