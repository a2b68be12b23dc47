"""Outcome models and sample weights inside the bootstrap, against cold fits on copied rows."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

import propensity as ps
import reference
from conftest import COVARIATES, OUTCOME, TREATMENT
from propensity import core
from propensity.effects.estimators import AIPW, IPW, IPWRA, RegressionAdjustment
from propensity.effects.matching_specification import NearestNeighbors
from propensity.errors import IntervalWarning, InvalidInputError

ADJUSTMENTS = [
    kind(estimand, model)
    for kind in (AIPW, IPWRA, RegressionAdjustment)
    for estimand in ("ATE", "ATT", "ATC")
    for model in ("linear", "logistic")
]


def sample(n_rows, rounded):
    """Three covariates, the last of them for the outcome alone; rounded ones repeat and are collapsed."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n_rows, 3))
    x = np.round(x) if rounded else x
    treatment = rng.random(n_rows) < 1 / (1 + np.exp(-0.5 * x[:, 0] + 0.3 * x[:, 1]))
    outcome = (rng.random(n_rows) < 1 / (1 + np.exp(-0.4 * x[:, 0] - 0.5 * x[:, 2] - treatment))).astype(
        float
    )
    return x, treatment, outcome


def cold(spec, x, treatment, outcome, rows, **options):
    return cold_effect(spec, x, treatment, outcome, rows, **options).estimate


def cold_effect(spec, x, treatment, outcome, rows, **options):
    if isinstance(spec, IPW):
        scores = core.fit_propensity(x[rows][:, :2], treatment[rows], **options).scores
        options["x"] = x[rows][:, :2]
        return core.ipw(outcome[rows], treatment[rows], scores, estimand=spec.estimand, **options)
    return core.adjust(
        x[rows],
        treatment[rows],
        outcome[rows],
        method=spec.method,
        estimand=spec.estimand,
        outcome_model=spec.outcome_model,
        score_columns=[0, 1],
        outcome_columns=[0, 2],
        **options,
    )


@pytest.mark.parametrize("rounded", [True, False], ids=["cells", "rows"])
def test_replicates_of_outcome_models_are_cold_fits_on_copied_rows(rounded):
    x, treatment, outcome = sample(600, rounded)
    boot = core.bootstrap(
        x,
        treatment,
        outcome,
        estimators=ADJUSTMENTS,
        score_columns=[0, 1],
        outcome_columns=[0, 2],
        n_reps=4,
        seed=11,
    )
    cells = reference.alike(x, treatment, outcome)
    for replicate in range(4):
        rows = np.repeat(np.arange(600), reference.replicate_counts(11, replicate, 600, cells=cells))
        expected = [cold(spec, x, treatment, outcome, rows) for spec in ADJUSTMENTS]
        assert_allclose(boot.replicates[replicate], expected, rtol=0, atol=1e-9)


def many_units(kind):
    """More than the thousand patterns, or rows, that are refitted from the full sample's fit.

    Nine columns of rows are refitted together. The second is a level that one in 50 has.
    """
    rng = np.random.default_rng(12)
    x = rng.normal(size=(3_000, 9 if kind == "together" else 3))
    if kind == "cells":
        x = np.round(x * 10) / 10
        x[:, 0] = np.round(x[:, 0] * 8) / 8
    x[:, 1] = rng.random(3_000) < 1 / 50
    assert (len(np.unique(x, axis=0)) in range(1_000, 1_500)) == (kind == "cells")
    treatment = rng.random(3_000) < 1 / (1 + np.exp(0.6 - 0.5 * x[:, 0]))
    outcome = rng.random(3_000) < 1 / (1 + np.exp(-0.4 * x[:, 0] - 0.5 * x[:, 2] - treatment))
    return x, treatment, outcome.astype(float)


def assert_cold(x, treatment, outcome, estimators, *, weight=None, n_reps=3, **columns):
    """Every replicate is what rows that are copied as often as they were drawn give."""
    n = len(x)
    options = {"sample_weight": weight, **columns}
    boot = core.bootstrap(
        x, treatment, outcome, estimators=estimators, n_reps=n_reps, seed=4, analytic=False, **options
    )
    cells = reference.alike(x, treatment, outcome, weight)
    for replicate in range(n_reps):
        rows = np.repeat(np.arange(n), reference.replicate_counts(4, replicate, n, cells=cells))
        if weight is not None:
            options["sample_weight"] = weight[rows]
        copied = (x[rows], treatment[rows], outcome[rows])
        expected = [
            core.adjust(
                *copied,
                method=spec.method,
                estimand=spec.estimand,
                outcome_model=spec.outcome_model,
                **options,
            ).estimate
            for spec in estimators
        ]
        assert_allclose(boot.replicates[replicate], expected, rtol=0, atol=1e-9)
    assert not boot.n_failed.any()


@pytest.mark.parametrize("outcome_columns", [[0, 1, 2], [2, 0]], ids=["same", "other"])
@pytest.mark.parametrize("kind", ["cells", "rows", "together"])
def test_replicates_of_many_units_are_cold_fits_on_copied_rows(kind, outcome_columns):
    x, treatment, outcome = many_units(kind)
    score_columns = list(range(x.shape[1]))
    if kind == "together" and outcome_columns == [0, 1, 2]:
        outcome_columns = score_columns
    columns = {"score_columns": score_columns, "outcome_columns": outcome_columns}
    assert_cold(x, treatment, outcome, ADJUSTMENTS, **columns)


@pytest.mark.parametrize("kind", ["cells", "rows", "together"])
def test_sample_weights_of_many_units_go_with_the_rows_that_are_drawn(kind):
    x, treatment, outcome = many_units(kind)
    weight = np.random.default_rng(8).integers(1, 3, len(x)) / 2
    assert_cold(x, treatment, outcome, ADJUSTMENTS, weight=weight)


def nearest_fit(x, outcome, arm, drawn):
    """Predict all rows by the fit to those drawn that is nearest to the fit to all: of the rows of an arm.

    Of all least-squares fits to the rows drawn, that with the least sum of squared differences from the full
    sample's predictions of the arm's rows.
    """
    design = np.column_stack([np.ones(len(x)), x])
    full = np.linalg.lstsq(design[arm], outcome[arm], rcond=None)[0]
    # On axes in which the sum of squares of the arm's predictions is that of the coefficients.
    axes = np.linalg.qr(design[arm])[1]
    rows = drawn[arm[drawn]]
    onto = np.linalg.solve(axes.T, design[rows].T).T
    moved = np.linalg.lstsq(onto, outcome[rows] - design[rows] @ full, rcond=1e-10)[0]
    return design @ (full + np.linalg.solve(axes, moved))


@pytest.mark.parametrize("is_reference", [False, True])
@pytest.mark.parametrize("kind", ["cells", "rows", "together"])
def test_a_level_that_an_arm_did_not_draw_is_predicted_as_the_full_sample_does(kind, is_reference):
    x, treatment, outcome = many_units(kind)
    # Of the treated, one row has the level: every third replicate is without it, whichever is the reference.
    x[np.flatnonzero((x[:, 1] == 1) & treatment)[1:], 1] = 0
    outcome = outcome + 3 * x[:, 1] + x[:, 2]
    if is_reference:
        x[:, 1] = 1 - x[:, 1]
    columns = [1, 2, 0]
    estimators = [RegressionAdjustment("ATE"), RegressionAdjustment("ATC"), RegressionAdjustment("ATT")]
    boot = core.bootstrap(
        x, treatment, outcome, estimators=estimators, n_reps=8, seed=4, outcome_columns=columns
    )
    cells = reference.alike(x, treatment, outcome, None)
    n_without = 0
    for replicate in range(8):
        counts = reference.replicate_counts(4, replicate, len(x), cells=cells)
        drawn = np.repeat(np.arange(len(x)), counts)
        rare = x[:, 1] == (0 if is_reference else 1)
        n_without += not (rare & treatment)[drawn].any()
        gap = np.subtract(
            *(nearest_fit(x[:, columns], outcome, treatment == arm, drawn) for arm in (True, False))
        )[drawn]
        expected = [gap.mean(), gap[~treatment[drawn]].mean(), gap[treatment[drawn]].mean()]
        assert_allclose(boot.replicates[replicate], expected, rtol=0, atol=1e-9)
    assert n_without > 0
    assert not boot.n_failed.any()


@pytest.mark.parametrize("rounded", [True, False], ids=["cells", "rows"])
def test_sample_weights_go_with_the_rows_that_are_drawn(rounded):
    x, treatment, outcome = sample(500, rounded)
    weight = np.random.default_rng(8).integers(1, 5, 500) / 2
    estimators = [IPW("ATE"), IPW("ATO"), AIPW("ATT"), IPWRA("ATE")]
    columns = {"score_columns": [0, 1], "outcome_columns": [0, 2]}
    boot = core.bootstrap(
        x, treatment, outcome, estimators=estimators, sample_weight=weight, n_reps=3, seed=2, **columns
    )
    draws = [np.arange(500)]
    cells = reference.alike(x, treatment, outcome, weight)
    draws += [np.repeat(np.arange(500), reference.replicate_counts(2, r, 500, cells=cells)) for r in range(3)]
    for rows, found in zip(draws, [boot.estimates, *boot.replicates], strict=True):
        expected = [
            cold(spec, x, treatment, outcome, rows, sample_weight=weight[rows]) for spec in estimators
        ]
        assert_allclose(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("rounded", [True, False], ids=["cells", "rows"])
def test_standard_errors_within_replicates_are_those_of_copied_rows(rounded):
    x, treatment, outcome = sample(500, rounded)
    estimators = [IPW("ATE"), IPW("ATM"), AIPW("ATT", "logistic"), IPWRA("ATC"), NearestNeighbors()]
    columns = {"score_columns": [0, 1], "outcome_columns": [0, 2]}
    options = {"estimators": estimators, "n_reps": 3, "seed": 6, **columns}
    boot = core.bootstrap(x, treatment, outcome, studentized=True, **options)
    cells = reference.alike(x, treatment, outcome)
    for replicate in range(3):
        rows = np.repeat(np.arange(500), reference.replicate_counts(6, replicate, 500, cells=cells))
        errors = [cold_effect(spec, x, treatment, outcome, rows).std_error for spec in estimators[:-1]]
        assert_allclose(boot.std_errors[replicate, :-1], errors, rtol=1e-8)
    assert np.isnan(boot.std_errors[:, -1]).all()
    plain = core.bootstrap(x, treatment, outcome, **options)
    assert_allclose(boot.replicates, plain.replicates, rtol=0, atol=1e-12)
    assert plain.std_errors is None


def test_standard_errors_within_clustered_replicates_sum_over_the_copies_of_a_cluster():
    x, treatment, outcome = sample(300, rounded=True)
    cluster = np.arange(300) // 6
    boot = core.bootstrap(
        x, treatment, outcome, estimators=[IPW("ATE")], cluster=cluster, n_reps=2, seed=3, studentized=True
    )
    for replicate in range(2):
        counts = reference.replicate_counts(3, replicate, 50)
        copies = [np.flatnonzero(cluster == drawn) for drawn in np.repeat(np.arange(50), counts)]
        rows, labels = np.concatenate(copies), np.repeat(np.arange(50), 6)
        found = core.ipw(
            outcome[rows],
            treatment[rows],
            core.fit_propensity(x[rows], treatment[rows]).scores,
            x=x[rows],
        )
        sums = np.bincount(labels, weights=found.influence_treated - found.influence_control)
        expected = np.sqrt(50 / 49 * (sums**2).sum()) / 300
        assert boot.std_errors[replicate, 0] == pytest.approx(expected, rel=1e-8)


@pytest.mark.filterwarnings("ignore:.*other draws would put:propensity.errors.IntervalWarning")
def test_studentized_intervals_follow_the_t_statistics(logs):
    users = logs.iloc[:3_000]
    roles = {"outcome": OUTCOME, "treatment": TREATMENT, "covariates": COVARIATES}
    specs = [IPW("ATE"), NearestNeighbors("ATT")]
    boot = ps.bootstrap(users, **roles, estimators=specs, n_reps=60, seed=1, studentized=True)
    t = (boot.replicates["IPW ATE"] - boot.estimates["IPW ATE"]) / boot.replicate_std_errors["IPW ATE"]
    ends = boot.estimates["IPW ATE"] - t.quantile([0.95, 0.05]) * boot.analytic_std_errors["IPW ATE"]
    with pytest.warns(IntervalWarning, match="no such interval of 1-NN ATT"):
        found = boot.conf_int(0.9, kind="studentized")
    assert_allclose(found.loc["IPW ATE"], ends, rtol=1e-12)
    assert found.loc["1-NN ATT"].isna().all()
    with pytest.raises(InvalidInputError, match="studentized=True"):
        ps.bootstrap(users, **roles, n_reps=5, seed=1).conf_int(kind="studentized")


def test_sample_weights_are_refused_with_nearest_neighbours():
    x, treatment, outcome = sample(100, rounded=True)
    with pytest.raises(InvalidInputError, match="sample_weight"):
        core.bootstrap(
            x, treatment, outcome, estimators=[NearestNeighbors()], sample_weight=np.ones(100), n_reps=2
        )


@pytest.mark.filterwarnings("ignore:.*other draws would put:propensity.errors.IntervalWarning")
def test_bootstrap_and_analytic_standard_errors_agree(logs):
    estimators = [IPW("ATE"), IPW("ATO"), IPW("ATM"), AIPW("ATE"), AIPW("ATT"), IPWRA("ATE")]
    estimators.append(RegressionAdjustment("ATE"))
    roles = {"outcome": OUTCOME, "treatment": TREATMENT, "covariates": COVARIATES}
    boot = ps.bootstrap(logs, **roles, estimators=estimators, n_reps=1_000, seed=5)
    table = ps.estimate(logs, **roles, estimators=estimators)
    ratio = boot.std_errors / table.loc[boot.std_errors.index, "std_error"]
    # The Monte Carlo error of a standard deviation of 1,000 replicates is 1 / sqrt(2,000) = 2.2%.
    assert np.abs(ratio - 1).max() < 4 * 0.0224
    assert_allclose(boot.analytic_std_errors, table.loc[boot.std_errors.index, "std_error"], rtol=1e-9)
    assert boot.conf_int(kind="bca").notna().all(axis=None)


def test_summary_shows_the_interval_of_matching_that_is_valid(logs, model):
    roles = {"outcome": OUTCOME, "treatment": TREATMENT}
    specs = [IPW("ATE"), NearestNeighbors("ATT")]
    boot = ps.bootstrap(logs, **roles, covariates=COVARIATES, estimators=specs, n_reps=20, seed=5)
    table = boot.summary()
    matched = ps.match_nn(logs, treatment=TREATMENT, scores=model).effect(logs[OUTCOME])
    ends = table[["analytic_low", "analytic_high"]]
    assert_allclose(ends.loc["1-NN ATT"], matched.conf_int(df=math.inf), rtol=1e-8)
    # That of weighting is its own bootstrap's, and ps.ipw's by Student's t: a third would only confuse.
    assert ends.loc["IPW ATE"].isna().all()
    assert "take analytic_low to analytic_high (normal law)" in table.loc["1-NN ATT", "note"]
    assert table.loc["IPW ATE", "note"] == ""


def test_clustered_standard_errors_stand_beside_a_clustered_bootstrap(logs, model):
    roles = {"outcome": OUTCOME, "treatment": TREATMENT}
    options = {"cluster": "workspace_id", "estimators": [IPW("ATT"), NearestNeighbors("ATT")]}
    boot = ps.bootstrap(logs, **roles, covariates=COVARIATES, **options, n_reps=2, seed=1)
    effect = ps.ipw(logs, **roles, scores=model, estimand="ATT", cluster="workspace_id")
    assert boot.analytic_std_errors["IPW ATT"] == pytest.approx(effect.std_error, rel=1e-9)
    assert np.isnan(boot.analytic_std_errors["1-NN ATT"])
    note = boot.summary().loc["1-NN ATT", "note"]
    assert "take matches.effect after ps.match_nn, whose error is not worked out here where users are" in note
    matches = ps.match_nn(logs, treatment=TREATMENT, scores=model)  # which has one
    assert np.isfinite(matches.effect(OUTCOME, cluster="workspace_id").std_error)


def test_bootstrap_takes_other_covariates_for_the_outcome(logs):
    users = logs.iloc[:4_000]
    boot = ps.bootstrap(
        users,
        outcome=OUTCOME,
        treatment=TREATMENT,
        covariates=["engagement_tier"],
        outcome_covariates=["query_confidence", "engagement_tier"],
        estimators=[AIPW("ATE")],
        n_reps=2,
        seed=1,
    )
    effect = ps.aipw(
        users,
        outcome=OUTCOME,
        treatment=TREATMENT,
        covariates=["engagement_tier"],
        outcome_covariates=["query_confidence", "engagement_tier"],
    )
    assert boot.estimates["AIPW ATE"] == pytest.approx(effect.estimate, abs=1e-10)
