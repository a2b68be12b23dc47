"""The weighted bootstrap of a matching estimate: its variance, and where the plain one goes wrong."""

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from conftest import OUTCOME, TREATMENT
from propensity.errors import InvalidInputError
from propensity.matching.local_outcomes import tie_cells
from propensity.matching.score_influence import score_influence

# Scores by the number of the row are made up, and nobody's.
pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.CalibrationWarning")


@pytest.fixture(scope="module")
def matches(logs, model):
    return ps.match_nn(logs, treatment=TREATMENT, scores=model)


def influence_of(matches, outcome):
    """Give the terms of the estimate, scores being known."""
    share = np.zeros(len(outcome))
    share[matches.focal] = 1 / len(matches.focal)
    weights = np.asarray(matches.weights)
    quantity = matches.quantity
    found = score_influence(outcome, matches.treated, weights, quantity, share, tie_cells(quantity))
    return found.influence_treated - found.influence_control


def test_replicates_are_centred_at_the_effect(logs, matches):
    boot = matches.bootstrap(logs[OUTCOME], n_reps=4_000, seed=1)
    effect = matches.effect(logs[OUTCOME]).estimate
    assert boot.estimates.to_dict() == {"1-NN ATT": effect}
    error = boot.std_errors["1-NN ATT"] / np.sqrt(4_000)
    assert boot.replicates["1-NN ATT"].mean() == pytest.approx(effect, abs=4 * error)


@pytest.mark.parametrize("weights", ["multinomial", "poisson", "bayesian"])
def test_variance_is_the_sum_of_squared_influence(logs, matches, weights):
    influence = influence_of(matches, logs[OUTCOME].to_numpy(dtype=float))
    boot = matches.bootstrap(logs[OUTCOME], n_reps=4_000, seed=1, resampling=weights)
    closed_form = np.sqrt((influence**2).sum()) / len(influence)
    assert influence.mean() == pytest.approx(0, abs=1e-14)
    assert boot.std_errors["1-NN ATT"] == pytest.approx(closed_form, rel=4 / np.sqrt(2 * 4_000))


@pytest.mark.parametrize(("n_neighbors", "std_error"), [(1, 0.00614), (3, 0.00543), (5, 0.00526)])
def test_variance_is_that_of_abadie_and_imbens(logs, model, n_neighbors, std_error):
    # Abadie and Imbens' (2006) standard errors of the tutorial's data, by an independent NumPy version.
    matches = ps.match_nn(logs, treatment=TREATMENT, scores=model, n_neighbors=n_neighbors)
    influence = influence_of(matches, logs[OUTCOME].to_numpy(dtype=float))
    assert np.sqrt((influence**2).sum()) / len(influence) == pytest.approx(std_error, rel=0.02)


@pytest.mark.filterwarnings("ignore::propensity.errors.CalibrationWarning")  # scores of nobody's treatment
@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")
@pytest.mark.parametrize(("n_treated", "n_control"), [(1_000, 100), (100, 1_000), (400, 400)])
def test_variance_is_the_true_one_where_it_is_known(n_treated, n_control):
    # Abadie and Imbens (2008): X uniform, no effect, a standard normal outcome for controls and none for the
    # treated; the plain bootstrap expects 12.6 in place of 15.9 in the first, 1.59 in place of 1.15 in the
    # second of these designs.
    true = 1 + 1.5 * (n_treated - 1) * (n_control + 8 / 3) / ((n_control + 1) * (n_control + 2))
    rng = np.random.default_rng(0)
    treated = np.arange(n_treated + n_control) < n_treated
    variances = []
    for _ in range(100):
        scores = 0.01 + 0.98 * rng.random(len(treated))
        outcome = np.where(treated, 0.0, rng.normal(size=len(treated)))
        df = pd.DataFrame({"opted": treated, "done": outcome})
        influence = influence_of(ps.match_nn(df, treatment="opted", scores=scores), outcome)
        variances.append(n_treated * (influence**2).sum() / len(treated) ** 2)
    # The polynomial takes 3 or 4 degrees of freedom from 100 to 1,000 controls.
    assert np.mean(variances) == pytest.approx(true, rel=0.1)


def test_swapped_arms_flip_the_sign(users):
    design = {"treatment": "opted", "scores": np.linspace(0.1, 0.9, len(users))}
    treated = ps.match_nn(users, **design, estimand="ATT").bootstrap(users["done"], seed=1, n_reps=50)
    users["opted"] = ~users["opted"]
    control = ps.match_nn(users, **design, estimand="ATC").bootstrap(users["done"], seed=1, n_reps=50)
    np.testing.assert_allclose(control.replicates["1-NN ATC"], -treated.replicates["1-NN ATT"])


def test_a_constant_added_to_the_outcome_changes_nothing(users):
    matches = ps.match_nn(users, treatment="opted", scores=np.linspace(0.1, 0.9, len(users)), caliper=0.02)
    first, other = (matches.bootstrap(users["done"] + constant, seed=1, n_reps=50) for constant in (0.0, 1e4))
    np.testing.assert_allclose(other.replicates, first.replicates, rtol=1e-7)


def test_clusters_and_strata_reach_the_draws(users):
    matches = ps.match_nn(users, treatment="opted", scores=np.linspace(0.1, 0.9, len(users)))
    team = pd.Series([f"team {row % 40}" for row in range(len(users))], index=users.index)
    plain, clustered, stratified = (
        matches.bootstrap(users["done"], seed=1, n_reps=50, **labels)
        for labels in ({}, {"cluster": team}, {"strata": users["opted"]})
    )
    assert not np.allclose(clustered.replicates, plain.replicates)
    assert not np.allclose(stratified.replicates, plain.replicates)
    assert "whole clusters by given" in repr(clustered)
    assert "strata by opted" in repr(stratified)


def test_summary_has_nothing_to_warn_of(users):
    matches = ps.match_nn(users, treatment="opted", scores=np.linspace(0.1, 0.9, len(users)))
    boot = matches.bootstrap(users["done"], seed=1, n_reps=50)
    assert list(boot.summary()) == ["estimate", "std_error", "conf_low", "conf_high", "end_error"]
    assert "Otsu and Rai 2017" in repr(boot)


def test_labels_go_by_the_index(users):
    matches = ps.match_nn(users, treatment="opted", scores=np.linspace(0.1, 0.9, len(users)))
    with pytest.raises(InvalidInputError, match="cluster: the index is not the frame's"):
        matches.bootstrap(users["done"], cluster=users["tier"].iloc[::-1])


def test_variance_of_the_effect_on_everybody_is_that_of_abadie_and_imbens(logs, model):
    # Known scores on both sides: the weighted bootstrap does not count that they were estimated.
    matches = ps.match_nn(logs, treatment=TREATMENT, scores=np.asarray(model.scores), estimand="ATE")
    effect = matches.effect(logs[OUTCOME])
    outcome = logs[OUTCOME].to_numpy(dtype=float)
    influence = influence_of(matches, outcome)
    closed_form = np.sqrt((influence**2).sum()) / len(influence)
    assert influence.mean() == pytest.approx(0, abs=1e-14)
    assert closed_form == pytest.approx(effect.std_error, rel=0.02)
    boot = matches.bootstrap(logs[OUTCOME], n_reps=2_000, seed=1)
    assert boot.std_errors["1-NN ATE"] == pytest.approx(closed_form, rel=4 / np.sqrt(2 * 2_000))


def test_the_effect_on_everybody_needs_everybody_matched(logs, model):
    matches = ps.match_nn(logs, treatment=TREATMENT, scores=model, estimand="ATE", caliper=1e-7)
    assert matches.n_unmatched > 0
    with pytest.raises(InvalidInputError, match="unmatched"):
        matches.bootstrap(logs[OUTCOME])


@pytest.mark.filterwarnings("ignore:.*other draws would put:propensity.errors.IntervalWarning")
def test_bca_intervals_have_the_acceleration_of_the_terms(logs, model):
    # Efron's: a sixth of the skewness of what is resampled.
    matches = ps.match_nn(logs, treatment=TREATMENT, scores=np.asarray(model.scores))
    influence = influence_of(matches, logs[OUTCOME].to_numpy(dtype=float))
    boot = matches.bootstrap(logs[OUTCOME], n_reps=500, seed=1)
    acceleration = (influence**3).sum() / (6 * (influence**2).sum() ** 1.5)
    assert boot.acceleration["1-NN ATT"] == pytest.approx(acceleration, rel=1e-9)
    assert boot.conf_int(kind="bca").notna().to_numpy().all()


def test_terms_count_that_scores_were_estimated():
    # Covariates that are most of the outcome: the error of Abadie and Imbens (2016), far from that of 2006.
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 3))
    opted = rng.random(4000) < 1 / (1 + np.exp(1.2 - 0.35 * x.sum(axis=1)))
    df = pd.DataFrame(x, columns=list("abc")).assign(opted=opted)
    df["done"] = x @ [2.0, -1.0, 2.0] + opted + rng.normal(size=4000)
    fitted = ps.fit_propensity(df, treatment="opted", covariates=list("abc"))
    for estimand in ("ATE", "ATT"):
        found = [
            ps.match_nn(df, treatment="opted", scores=scores, estimand=estimand)
            for scores in (fitted, np.asarray(fitted.scores))
        ]
        counted, known = (matches.bootstrap(df["done"], n_reps=2_000, seed=1) for matches in found)
        assert counted.std_errors.iloc[0] < 0.85 * known.std_errors.iloc[0]
        expected = found[0].effect(df["done"]).std_error
        assert counted.std_errors.iloc[0] == pytest.approx(expected, rel=0.12)
