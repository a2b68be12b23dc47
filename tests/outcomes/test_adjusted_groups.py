"""Effects by group with outcome models: the stacked twin, cross-fitting, models within groups."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

import propensity as ps
import reference
import stacked
from conftest import COVARIATES, OUTCOME, TREATMENT
from propensity.errors import CollinearityWarning, InvalidInputError

pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # not the question here

ADJUSTMENTS = {"aipw": ps.aipw, "ipwra": ps.ipwra, "regression": ps.regression_adjustment}
ROLES = {"treatment": "t", "covariates": ["a", "b"]}


@pytest.fixture(scope="module")
def rows():
    """600 rows in three groups whose effects differ, with weights and clusters across groups."""
    rng = np.random.default_rng(22)
    n = 600
    df = pd.DataFrame({"a": rng.normal(size=n), "b": rng.uniform(-1, 1, n)})
    df["g"] = rng.choice(["north", "south", "west"], n, p=[0.5, 0.3, 0.2])
    df["t"] = rng.random(n) < reference.expit(0.2 + 0.6 * df["a"] - 0.5 * df["b"])
    df["y"] = 4 + df["t"] * (1 + (df["g"] == "west")) + df["a"] ** 2 + df["b"] + rng.normal(size=n)
    df["z"] = (rng.random(n) < reference.expit(df["t"] * 0.7 + df["a"] - df["b"])).astype(int)
    df["v"] = rng.poisson(3 + df["a"].clip(0)) + 1
    df["w"] = rng.uniform(0.5, 2.0, n)
    df["team"] = rng.integers(0, 60, n)
    return df


def twin(rows, method, *, outcome="y", weighted=False, clusters=None, **options):
    design = stacked.Design(
        rows[["a", "b"]].to_numpy(),
        rows["t"].to_numpy(),
        rows[outcome].to_numpy(dtype=float),
        method,
        sample_weight=rows["w"].to_numpy() if weighted else None,
        **options,
    )
    return stacked.solve_groups(design, pd.factorize(rows["g"], sort=True)[0], clusters)


def assert_is_the_twin(grouped, solution):
    gaps, covariance = solution.contrast()
    np.testing.assert_allclose(grouped.table["estimate"], gaps, rtol=1e-7)
    np.testing.assert_allclose(grouped.table["std_error"], np.sqrt(np.diag(covariance)), rtol=1e-6)
    np.testing.assert_allclose(grouped.cov, covariance, rtol=1e-5, atol=1e-7 * np.abs(covariance).max())
    np.testing.assert_allclose(grouped.table[["mean_treated", "mean_control"]], solution.means, rtol=1e-7)


@pytest.mark.parametrize(("penalty", "weighted"), [(0.0, False), (7.0, True)])
@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
@pytest.mark.parametrize(("outcome", "outcome_model"), [("y", "linear"), ("z", "logistic")])
@pytest.mark.parametrize("method", ["aipw", "ipwra"])
def test_doubly_robust_by_group_is_the_stacked_twin(
    rows, method, outcome, outcome_model, estimand, penalty, weighted
):
    options = {"estimand": estimand, "outcome_model": outcome_model, "penalty": penalty}
    weight = {"sample_weight": "w"} if weighted else {}
    grouped = ADJUSTMENTS[method](rows, outcome=outcome, **ROLES, by="g", **weight, **options)
    assert_is_the_twin(grouped, twin(rows, method, outcome=outcome, weighted=weighted, **options))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("estimand", ["ATE", "ATT", "ATC"])
@pytest.mark.parametrize(("outcome", "outcome_model"), [("y", "linear"), ("z", "logistic")])
def test_regression_by_group_is_the_stacked_twin(rows, outcome, outcome_model, estimand, weighted):
    options = {"estimand": estimand, "outcome_model": outcome_model}
    weight = {"sample_weight": "w"} if weighted else {}
    grouped = ps.regression_adjustment(rows, outcome=outcome, **ROLES, by="g", **weight, **options)
    assert_is_the_twin(grouped, twin(rows, "regression", outcome=outcome, weighted=weighted, **options))


@pytest.mark.parametrize("method", ADJUSTMENTS)
def test_clusters_across_groups_are_the_twins(rows, method):
    grouped = ADJUSTMENTS[method](rows, outcome="y", **ROLES, by="g", cluster="team")
    assert_is_the_twin(grouped, twin(rows, method, clusters=rows["team"].to_numpy()))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"outcome_covariates": ["a"]},
        {"scores": "e"},
        {"n_folds": 3},
        {"score_model": LogisticRegression(), "outcome_model": LinearRegression(), "n_folds": 2},
        {"n_folds": 3, "n_repeats": 3},
        {"n_folds": 3, "n_repeats": 2, "cluster": "team"},
    ],
)
def test_one_group_is_everybody(rows, options):
    df = rows.assign(g="all", e=reference.expit(0.2 + 0.6 * rows["a"] - 0.5 * rows["b"]))
    alone = ps.aipw(df, outcome="y", **ROLES, **options)
    grouped = ps.aipw(df, outcome="y", **ROLES, by="g", **options)
    effect = grouped["all"]
    np.testing.assert_allclose(effect.influence, alone.influence, rtol=1e-7, atol=1e-8)
    for name in ("estimate", "std_error", "mean_treated", "ess_treated", "ess_control", "p_value"):
        assert getattr(effect, name) == pytest.approx(getattr(alone, name), rel=1e-9)
        assert grouped.table[name].iloc[0] == pytest.approx(getattr(alone, name), rel=1e-9)


@pytest.mark.parametrize("method", ADJUSTMENTS)
def test_groups_add_up_to_everybody(rows, method):
    # What everybody's effect is: the groups', weighted by their sizes, with all of their covariance.
    alone = ADJUSTMENTS[method](rows, outcome="y", **ROLES)
    grouped = ADJUSTMENTS[method](rows, outcome="y", **ROLES, by="g")
    share = rows["g"].value_counts(normalize=True).loc[grouped.table.index].to_numpy()
    assert share @ grouped.table["estimate"] == pytest.approx(alone.estimate, rel=1e-10)
    influence = sum(own * effect.influence for own, effect in zip(share, grouped.values(), strict=True))
    np.testing.assert_allclose(share @ grouped.cov @ share, (influence**2).sum() / 600**2, rtol=1e-9)


def test_metric_by_group_is_the_delta_method_on_both(rows):
    grouped = ps.aipw(rows, outcome="y", per="v", **ROLES, by="g", contrast="percent")
    above = ps.aipw(rows, outcome="y", **ROLES, by="g")
    below = ps.aipw(rows, outcome="v", **ROLES, by="g")
    for group, effect in grouped.items():
        parts = {}
        for arm in ("treated", "control"):
            c, v = (getattr(one[group], f"mean_{arm}") for one in (above, below))
            moved = [getattr(one[group], f"influence_{arm}") for one in (above, below)]
            parts[arm] = c / v, moved[0] / c - moved[1] / v
        ratio = parts["treated"][0] / parts["control"][0]
        influence = parts["treated"][1] - parts["control"][1]
        assert effect.estimate == pytest.approx(100 * (ratio - 1), rel=1e-9)
        assert effect.std_error == pytest.approx(np.sqrt((influence**2).sum()) / 600, rel=1e-9)


def test_metrics_and_bounds_of_everybody(rows):
    metric = ps.ipwra(rows, outcome="y", per="v", **ROLES)
    both = ps.ipwra(rows, outcome=["y", "v"], **ROLES)
    assert metric.mean_treated == pytest.approx(both["y"].mean_treated / both["v"].mean_treated, rel=1e-12)
    bounded = ps.regression_adjustment(rows, outcome="y", **ROLES, winsorize=0.9)
    expected = ps.regression_adjustment(
        rows.assign(y=rows["y"].clip(upper=np.quantile(rows["y"], 0.9, method="averaged_inverted_cdf"))),
        outcome="y",
        **ROLES,
    )
    assert bounded.estimate == pytest.approx(expected.estimate, rel=1e-12)
    assert "winsorized" in bounded.measured


# Within groups


@pytest.mark.parametrize("method", ADJUSTMENTS)
def test_models_within_groups_are_those_of_their_rows(rows, method):
    grouped = ADJUSTMENTS[method](rows, outcome="y", **ROLES, by="g", within=True, sample_weight="w")
    for group, effect in grouped.items():
        part = rows[rows["g"] == group]
        alone = ADJUSTMENTS[method](part, outcome="y", **ROLES, sample_weight="w")
        pd.testing.assert_frame_equal(effect.to_frame(), alone.to_frame(), rtol=1e-9)
    assert grouped.how == "models of their own"
    assert (grouped.cov.to_numpy()[~np.eye(3, dtype=bool)] == 0).all()


@pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning")
def test_cross_fitting_within_groups_is_that_of_their_rows(rows):
    options = ROLES | {"n_folds": 2, "per": "v"}
    grouped = ps.aipw(rows, outcome="y", **options, by="g", within=True)
    part = rows[rows["g"] == "south"]
    alone = ps.aipw(part, outcome="y", **options)
    assert grouped["south"].estimate == pytest.approx(alone.estimate, rel=1e-9)
    assert grouped["south"].std_error == pytest.approx(alone.std_error, rel=1e-9)


def test_groups_of_the_tutorial(logs):
    roles = {"outcome": OUTCOME, "treatment": TREATMENT, "covariates": COVARIATES}
    grouped = ps.aipw(logs, **roles, by="engagement_tier", within=True)  # warns of no term of a tier
    np.testing.assert_allclose(grouped.table["estimate"], [0.0668, 0.0953, 0.0745], atol=2e-4)
    np.testing.assert_allclose(grouped.table["std_error"], [0.0087, 0.0093, 0.0076], atol=5e-5)


def test_term_that_repeats_others_in_a_group_is_told(rows):
    df = rows.assign(c=np.where(rows["g"] == "west", 2 * rows["a"], rows["v"]))
    with pytest.warns(CollinearityWarning, match="g = west: left out, because earlier terms already say the"):
        ps.aipw(df, outcome="y", treatment="t", covariates=["a", "b", "c"], by="g", within=True)


def test_group_whose_models_cannot_be_fitted_has_the_reason(rows):
    df = rows.assign(c=np.where(rows["g"] == "west", rows["t"], rows["b"] > 0).astype(float))
    grouped = ps.aipw(df, outcome="y", treatment="t", covariates=["a", "c"], by="g", within=True)
    assert list(grouped) == ["north", "south"]
    assert "leave 'c' out" in grouped.table.loc["west", "note"]
    assert np.isnan(grouped.table.loc["west", "estimate"])


def test_given_scores_have_nothing_to_fit_within_a_group(rows):
    scores = ps.fit_propensity(rows, **ROLES)
    with pytest.raises(InvalidInputError, match="within: the scores are given"):
        ps.aipw(rows, outcome="y", **ROLES, scores=scores, by="g", within=True)


def test_copy_of_the_outcome_is_told_by_group(rows):
    df = rows.assign(copy=2 * rows["y"] + 1)
    with pytest.warns(ps.errors.DegenerateWarning, match="'copy' is the outcome itself"):
        ps.regression_adjustment(df, outcome="y", treatment="t", covariates=["a", "copy"], by="g")
