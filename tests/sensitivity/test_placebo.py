"""Placebos: the numbers of the very same analyses, and what they give away."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from statsmodels.stats.multitest import multipletests

import propensity as ps
from conftest import COVARIATES, OUTCOME, TREATMENT
from propensity.errors import InvalidInputError

ROLES = {"outcome": "y", "treatment": "t", "covariates": ["x", "tier"]}

pytestmark = [
    pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning"),
    pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning"),
]


def world(n=500, seed=0, hidden=0.0):
    """Two outcomes from before the treatment, which share its confounders, and maybe a hidden one."""
    rng = np.random.default_rng(seed)
    x, u = rng.normal(size=(2, n))
    tier = rng.choice(["light", "heavy"], n)
    heavy = tier == "heavy"
    t = rng.random(n) < 1 / (1 + np.exp(-0.6 * x - heavy + 0.5 - hidden * u))
    before, earlier, y = (x + heavy + hidden * u + rng.normal(size=n) for _ in range(3))
    return pd.DataFrame(
        {"y": y + 0.5 * t, "t": t, "x": x, "tier": tier, "before": before, "earlier": earlier}
    )


SPECS = {
    "AIPW ATE": (ps.AIPW(), ps.aipw),
    "AIPW ATT logistic": (
        ps.AIPW("ATT", "logistic"),
        lambda df, **o: ps.aipw(df, estimand="ATT", outcome_model="logistic", **o),
    ),
    "IPW ATO": (
        ps.IPW("ATO"),
        lambda df, covariates, **o: ps.ipw(
            df,
            scores=ps.fit_propensity(df, treatment=o["treatment"], covariates=covariates),
            estimand="ATO",
            **o,
        ),
    ),
    "IPWRA ATC": (ps.IPWRA("ATC"), lambda df, **o: ps.ipwra(df, estimand="ATC", **o)),
    "regression": (ps.RegressionAdjustment(), ps.regression_adjustment),
    "balancing": (
        ps.Balancing("ATT"),
        lambda df, outcome, **o: ps.fit_weights(df, estimand="ATT", **o).effect(outcome),
    ),
    "cross-fitted": (ps.AIPW(n_folds=2), lambda df, **o: ps.aipw(df, n_folds=2, **o)),
}


@pytest.mark.parametrize("name", SPECS)
def test_every_row_is_the_same_analysis(name):
    spec, alone = SPECS[name]
    df = world()
    if "logistic" in name:
        df[["y", "before"]] = (df[["y", "before"]] > 0.5).astype(int)
    found = ps.placebo(df, **ROLES, placebo_outcomes="before", leave_out=["tier"], estimator=spec)
    effect = alone(df, **ROLES)
    placebo = alone(df, **(ROLES | {"outcome": "before"}))
    without = alone(df, **(ROLES | {"covariates": ["x"]}))
    for row, expected in zip(("y", "before", "tier"), (effect, placebo, without), strict=True):
        for column in ("estimate", "std_error", "p_value"):
            assert found.table.loc[row, column] == pytest.approx(getattr(expected, column), rel=1e-8), row
        ends = found.table.loc[row, ["conf_low", "conf_high"]].to_list()
        assert ends == pytest.approx(expected.conf_int(), rel=1e-8)
    assert found.table["role"].to_list() == ["effect", "placebo", "left out"]
    assert found.table.loc["tier", "shift"] == pytest.approx(without.estimate - effect.estimate, rel=1e-8)
    assert found.estimator == spec.label


def test_matching_is_an_analysis_too():
    df = world()
    spec = ps.NearestNeighbors("ATT")
    found = ps.placebo(df, **ROLES, placebo_outcomes="before", leave_out=["tier"], estimator=spec)
    model = ps.fit_propensity(df, treatment="t", covariates=["x", "tier"])
    expected = ps.match_nn(df, treatment="t", scores=model).effect("before")
    assert found.table.loc["before", "estimate"] == pytest.approx(expected.estimate, rel=1e-9)
    assert found.table.loc["before", "std_error"] == pytest.approx(expected.std_error, rel=1e-9)


def test_placebos_are_counted_together():
    df = world(hidden=0.4)
    found = ps.placebo(df, **ROLES, placebo_outcomes=["before", "earlier"]).table
    expected = multipletests(found.loc[["before", "earlier"], "p_value"], method="holm")[1]
    assert found.loc[["before", "earlier"], "p_holm"].to_list() == pytest.approx(list(expected))
    assert np.isnan(found.loc["y", "p_holm"])
    spread = df["before"].std(ddof=0)
    assert found.loc["before", "in_std_dev"] == pytest.approx(found.loc["before", "estimate"] / spread)


def test_tutorial_without_its_confounder(logs):
    found = ps.placebo(
        logs,
        outcome=OUTCOME,
        treatment=TREATMENT,
        covariates=COVARIATES,
        placebo_outcomes="signup_week",
        leave_out=["engagement_tier"],
    )
    assert "leaving out engagement_tier moves the effect from +0.08471 to +0.2101" in str(found)
    assert "a hidden confounder would have to be 0.68 times as strong to make all of it" in str(found)
    assert "signup_week, which cannot have moved, did not" in str(found)
    row = found.table.loc["engagement_tier"]
    assert row["times"] == pytest.approx(found.table["estimate"].iloc[0] / row["shift"])


def test_placebos_hold_their_level_and_find_a_hidden_confounder():
    def moved(hidden, reps):
        p = [
            ps.placebo(world(400, seed, hidden), **ROLES, placebo_outcomes="before").table.loc[
                "before", "p_holm"
            ]
            for seed in range(reps)
        ]
        return np.mean(np.array(p) < 0.05)

    assert 0.01 <= moved(0.0, 200) <= 0.10  # 5% with 3 standard errors
    assert moved(0.8, 40) > 0.9


def test_error_of_a_shift_is_its_spread():
    found = [
        ps.placebo(world(400, seed), **ROLES, leave_out=["tier"]).table.loc["tier"] for seed in range(250)
    ]
    shifts = np.array([row["shift"] for row in found])
    errors = np.array([row["shift_std_error"] for row in found])
    assert errors.mean() == pytest.approx(shifts.std(), rel=0.12)  # 4.5% by chance


def test_what_hides_an_effect_could_not_make_it():
    df = world().assign(y=lambda d: d["y"] - 3 * (d["tier"] == "heavy"))
    found = ps.placebo(df, **ROLES, leave_out=["tier"])
    assert np.isnan(found.table.loc["tier", "times"])
    assert "would hide some of the effect, and not make it" in str(found)


def test_several_columns_are_left_out_together():
    df = world()
    found = ps.placebo(df, **ROLES, leave_out=[["x", "tier"], "x"])
    assert found.table.index.to_list() == ["y", "x + tier", "x"]
    with pytest.warns(ps.errors.DegenerateWarning):
        expected = ps.aipw(df, **(ROLES | {"covariates": "1"}))
    assert found.table.loc["x + tier", "estimate"] == pytest.approx(expected.estimate, rel=1e-9)


def test_formula_loses_the_terms_of_a_column():
    df = world()
    roles = ROLES | {"covariates": "x + I(x**2) + tier"}
    found = ps.placebo(df, **roles, leave_out=["x"], outcome_covariates=["x", "tier"])
    expected = ps.aipw(df, **(ROLES | {"covariates": ["tier"]}))
    assert found.table.loc["x", "estimate"] == pytest.approx(expected.estimate, rel=1e-9)


def test_clusters_and_weights_are_those_of_every_row():
    df = world().assign(team=np.arange(500) // 5, w=np.linspace(0.5, 2, 500))
    given = {"cluster": "team", "sample_weight": "w"}
    found = ps.placebo(df, **ROLES, placebo_outcomes="before", **given)
    expected = ps.aipw(df, **(ROLES | {"outcome": "before"}), **given)
    assert found.table.loc["before", "std_error"] == pytest.approx(expected.std_error, rel=1e-12)


def test_placebo_that_moved_is_said_as_loud_as_the_effect():
    found = ps.placebo(world(hidden=1.0), **ROLES, placebo_outcomes="before")
    assert "before, which cannot have moved, moved by" in str(found)
    assert "something is left that the covariates do not account for" in str(found)
    assert repr(found).startswith("Placebo (AIPW ATE): the effect on y is")


def test_polars_gives_the_same_as_pandas():
    df = world()
    tables = [
        ps.placebo(table, **ROLES, placebo_outcomes="before", leave_out=["tier"]).table
        for table in (df, pl.from_pandas(df))
    ]
    pd.testing.assert_frame_equal(*tables)


def test_placebo_is_a_result():
    found = ps.placebo(world(), **ROLES, placebo_outcomes="before")
    again = pickle.loads(pickle.dumps(found))
    pd.testing.assert_frame_equal(again.table, found.table)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({}, InvalidInputError, "nothing to look at; name outcomes that cannot have moved"),
        ({"placebo_outcomes": "y"}, InvalidInputError, "'y' is the outcome itself"),
        (
            {"placebo_outcomes": "x"},
            InvalidInputError,
            "column 'x' is the outcome; remove it from the covariates",
        ),
        ({"placebo_outcomes": "befor"}, InvalidInputError, "did you mean 'before'"),
        ({"placebo_outcomes": 3}, TypeError, "outcome: a column is given by its name"),
        ({"leave_out": ["before"]}, InvalidInputError, "leave_out: 'before' is not among the covariates"),
        ({"leave_out": ["tier"], "estimator": "aipw"}, InvalidInputError, r"estimator=ps.AIPW\(\)"),
        ({"leave_out": ["tier"], "estimator": 3}, InvalidInputError, "a specification such as"),
        ({"leave_out": ["tier"], "level": 95}, InvalidInputError, "level must lie between"),
        (
            {"leave_out": ["tier"], "outcome": ["y", "before"]},
            TypeError,
            "placebo takes one outcome",
        ),
    ],
)
def test_what_is_no_placebo_is_refused(options, error, says):
    with pytest.raises(error, match=says):
        ps.placebo(world(60), **(ROLES | options))


@pytest.mark.parametrize("seed", range(3))
def test_shift_of_cross_fitted_effects_hangs_on_no_order_of_rows(seed):
    # Of few values: rows that are alike without the tier differ in it, and are not dealt to folds by place.
    rng = np.random.default_rng(7)
    n = 400
    df = pd.DataFrame({"x": rng.integers(0, 3, n), "tier": rng.choice(["light", "heavy"], n)})
    df["t"] = rng.random(n) < 0.3 + 0.1 * df["x"] + 0.1 * (df["tier"] == "heavy")
    df["y"] = (rng.random(n) < 0.2 + 0.1 * df["x"] + 0.2 * (df["tier"] == "heavy")).astype(int)
    spec = ps.AIPW(n_folds=3)
    expected, found = (
        ps.placebo(frame, **ROLES, leave_out=["tier"], estimator=spec).table.loc["tier"]
        for frame in (df, df.sample(frac=1, random_state=seed))
    )
    for column in ("estimate", "std_error", "shift", "shift_std_error"):
        assert found[column] == pytest.approx(expected[column], rel=1e-9), column


def test_term_that_repeats_others_is_told_of_cross_fitted_effects():
    df = world().assign(again=lambda df: 2 * df["x"])
    roles = ROLES | {"covariates": ["x", "tier", "again"]}
    with pytest.warns(ps.errors.CollinearityWarning, match="again") as told:
        ps.placebo(df, **roles, leave_out=["tier"], estimator=ps.AIPW(n_folds=2))
    assert len([one for one in told if one.category is ps.errors.CollinearityWarning]) == 1
    with pytest.warns(ps.errors.CollinearityWarning, match="again"):
        ps.estimate(df, **roles, estimators=[ps.AIPW(n_folds=2)])
