"""Several outcomes in one bootstrap: each as by itself, and all on the same draws."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import propensity as ps
import reference
from propensity import core

LINEAR = [
    ps.IPW("ATE"),
    ps.IPW("ATT"),
    ps.IPW("ATO"),
    ps.IPW("ATE", truncate=0.9),
    ps.AIPW("ATE"),
    ps.RegressionAdjustment("ATT"),
    ps.Balancing("ATT"),
]
"""Estimators that add up outcomes."""

MATCHING = [ps.NearestNeighbors("ATT"), ps.NearestNeighbors("ATE", caliper=0.5, on="logit")]


def rows(n, kind, seed=0):
    """Covariates, treatment and two outcomes; rounded covariates repeat, and are counted by cell."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    x = np.asfortranarray(np.round(x) if kind == "cells" else x)
    treatment = rng.random(n) < reference.expit(0.6 * x[:, 0] - 0.4 * x[:, 1] - 0.2)
    bought = (rng.random(n) < reference.expit(0.4 * x[:, 1] + 0.3 * treatment)).astype(float)
    stayed = rng.poisson(np.exp(0.3 * x[:, 0] + 0.2 * treatment)).astype(float)
    return x, treatment, bought, stayed


@pytest.mark.parametrize("kind", ["cells", "rows"])
@pytest.mark.parametrize("estimators", [LINEAR, LINEAR[:3], MATCHING], ids=["all", "ipw", "matching"])
def test_replicates_of_a_sum_are_the_sums_of_those_of_its_parts(kind, estimators):
    x, treatment, one, other = rows(400, kind)
    options = {"estimators": estimators, "n_reps": 12, "seed": 5}
    found = core.bootstrap(x, treatment, one, others=[other, one + other], **options)
    second, both = found.others
    assert_allclose(both.replicates, found.replicates + second.replicates, atol=1e-9)
    assert np.abs(np.corrcoef(found.replicates[:, 0], second.replicates[:, 0])[0, 1]) < 1


@pytest.mark.parametrize("kind", ["cells", "rows"])
def test_each_outcome_is_as_by_itself(kind):
    x, treatment, one, other = rows(400, kind)
    options = {"estimators": [*LINEAR, *MATCHING], "n_reps": 8, "seed": 5, "analytic": True}
    found = core.bootstrap(x, treatment, one, others=[other], **options)
    for own, outcome in ((found, one), (*found.others, other)):
        alone = core.bootstrap(x, treatment, outcome, **options)
        assert_allclose(own.estimates, alone.estimates, rtol=1e-10)
        assert_allclose(own.analytic_std_error, alone.analytic_std_error, rtol=1e-8)
        assert_allclose(own.acceleration, alone.acceleration, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("kind", ["cells", "rows"])
@pytest.mark.parametrize("studentized", [False, True])
def test_an_outcome_beside_itself_has_the_draws_that_it_has_alone(kind, studentized):
    x, treatment, one, _ = rows(300, kind)
    options = {"estimators": LINEAR[:5], "n_reps": 6, "seed": 2, "studentized": studentized}
    alone = core.bootstrap(x, treatment, one, **options)
    found = core.bootstrap(x, treatment, one, others=[one], **options)
    for own in (found, *found.others):
        assert_allclose(own.replicates, alone.replicates, rtol=1e-8)
        if studentized:
            assert_allclose(own.std_errors, alone.std_errors, rtol=1e-6)


def test_means_of_several_outcomes_make_their_differences():
    x, treatment, one, other = rows(300, "rows")
    found = core.bootstrap(x, treatment, one, others=[other], estimators=LINEAR[:2], n_reps=5, means=True)
    for own in (found, *found.others):
        assert_array_equal(np.diff(own.means.replicates, axis=-1)[..., 0], own.replicates)


@pytest.mark.parametrize("kind", ["cells", "rows"])
def test_ratios_of_several_outcomes_are_of_the_means_of_all_columns(kind):
    x, treatment, one, other = rows(400, kind)
    options = {"estimators": [*LINEAR, *MATCHING], "n_reps": 10, "seed": 4}
    found = core.bootstrap(x, treatment, one, others=[other], per=other + 1, **options)
    # The same columns as outcomes have the same draws, and their means the ratios.
    of_columns = core.bootstrap(x, treatment, one, others=[other, other + 1], means=True, **options)
    columns = [own.means for own in (of_columns, *of_columns.others)]
    for place, own in enumerate((found, *found.others)):
        ratio = columns[place].replicates / columns[-1].replicates
        assert_allclose(own.means.replicates, ratio, rtol=1e-12)
        assert_allclose(own.replicates, ratio[..., 1] - ratio[..., 0], atol=1e-12)
        assert_allclose(own.means.estimates, columns[place].estimates / columns[-1].estimates, rtol=1e-12)


@pytest.mark.parametrize("studentized", [False, True])
def test_each_ratio_has_the_errors_that_it_has_by_itself(studentized):
    x, treatment, one, other = rows(300, "rows")
    options = {"estimators": LINEAR[:5], "n_reps": 6, "seed": 4, "studentized": studentized}
    analytic = {**options, "analytic": True}
    found = core.bootstrap(x, treatment, one, others=[other], per=other + 1, **analytic)
    for own, outcome in ((found, one), (*found.others, other)):
        alone = core.bootstrap(x, treatment, outcome, per=other + 1, **analytic)
        assert_allclose(own.means.analytic_covariance, alone.means.analytic_covariance, rtol=1e-8)
        assert_allclose(own.means.products, alone.means.products, rtol=1e-6)
    twice = core.bootstrap(x, treatment, one, others=[one], per=other + 1, **options)
    alone = core.bootstrap(x, treatment, one, per=other + 1, **options)
    for own in (twice, *twice.others):
        assert_allclose(own.replicates, alone.replicates, rtol=1e-8)
        if studentized:
            assert_allclose(own.means.covariances, alone.means.covariances, rtol=1e-6)


@pytest.fixture
def df():
    x, treatment, bought, stayed = rows(500, "cells")
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "t": treatment, "bought": bought, "stayed": stayed})


ROLES = {"treatment": "t", "covariates": ["a", "b"]}


def test_frame_door_names_what_the_core_gives(df):
    options = {"n_reps": 40, "seed": 3, "estimators": [ps.IPW("ATE"), ps.AIPW("ATE")]}
    results = ps.bootstrap(df, outcome=["bought", "stayed"], **ROLES, **options)
    x = np.asfortranarray(df[["a", "b"]].to_numpy())
    columns = [df[name].to_numpy() for name in ("bought", "stayed")]
    found = core.bootstrap(x, df["t"].to_numpy(), columns[0], others=columns[1:], **options)
    assert list(results) == ["bought", "stayed"]
    assert len(results) == 2
    for (_, result), own in zip(results.items(), [found, *found.others], strict=True):
        assert_array_equal(result.replicates.to_numpy(), own.replicates)
        assert_array_equal(result.estimates.to_numpy(), own.estimates)
    assert results.replicates.shape == (40, 4)
    assert results.summary().loc[("stayed", "AIPW ATE"), "estimate"] == found.others[0].estimates[1]
    assert (results.conf_int().loc["bought"] == results["bought"].conf_int()).all(axis=None)
    assert "Outcomes: 2, all on the same draws" in str(results)


@pytest.mark.filterwarnings("ignore:.*other draws would put:propensity.errors.IntervalWarning")
def test_other_kinds_of_intervals_and_contrasts_are_of_each_outcome(df):
    weighting = {"contrast": "percent", "estimators": [ps.IPW("ATE"), ps.IPW("ATT")]}
    results = ps.bootstrap(df, outcome=["bought", "stayed"], **ROLES, n_reps=200, **weighting)
    for name, result in results.items():
        alone = ps.bootstrap(df, outcome=name, **ROLES, n_reps=2, **weighting)
        assert_allclose(result.estimates, alone.estimates, rtol=1e-10)
        assert_allclose(result.analytic_std_errors, alone.analytic_std_errors, rtol=1e-8)
    ends = results.conf_int(kind="bca")
    assert (ends["conf_low"] < ends["conf_high"]).all()


def test_cells_sum_up_each_outcome_by_itself(df):
    cells = ps.collapse(df, outcome=["bought", "stayed"], **ROLES)
    options = {"n_reps": 30, "estimators": [ps.IPW("ATE")]}
    results = ps.bootstrap(cells, outcome=["bought", "stayed"], **ROLES, **options)
    alone = ps.bootstrap(cells, outcome="stayed", **ROLES, **options)
    assert_array_equal(results["stayed"].replicates, alone.replicates)


@pytest.mark.parametrize("contrast", ["difference", "percent"])
def test_ratios_of_several_outcomes_are_those_of_ipw(df, contrast):
    df = df.assign(views=df["stayed"] + 1.0)
    options = {"contrast": contrast, "per": "views"}
    results = ps.bootstrap(
        df, outcome=["bought", "stayed"], **ROLES, **options, estimators=[ps.IPW("ATE")], n_reps=400
    )
    assert isinstance(results, ps.BootstrapResults)
    model = ps.fit_propensity(df, **ROLES)
    for name, result in results.items():
        effect = ps.ipw(df, outcome=name, treatment="t", scores=model, **options)
        assert result.measured == f"{name} per views"
        assert f"{name} per views" in str(results).splitlines()[1]
        assert_allclose(result.estimates.iloc[0], effect.estimate, rtol=1e-9)
        assert_allclose(result.analytic_std_errors.iloc[0], effect.std_error, rtol=1e-7)
        assert 0.8 < result.std_errors.iloc[0] / effect.std_error < 1.25  # percent: of the logarithm, both


def countries(n=1500, n_levels=40):
    """A frame with a category of many levels, and the same with a column for each but the first."""
    rng = np.random.default_rng(3)
    code = rng.integers(0, n_levels, n)
    names = [f"c{level:02}" for level in range(n_levels)]
    df = pd.DataFrame(
        {"visits": rng.normal(size=n), "team": rng.integers(0, 100, n), "plan": rng.integers(0, 3, n)}
    )
    df["t"] = rng.random(n) < reference.expit(0.5 * df["visits"] + 0.3 * np.sin(code))
    df["spend"] = df["visits"] + df["t"] + 0.2 * code + rng.normal(size=n)
    df["bought"] = (df["spend"] > 4).astype(float)
    df["sessions"] = 1.0 + rng.poisson(2, n)
    df["w"] = rng.uniform(0.5, 2, n)
    columns = {name: (code == level).astype(float) for level, name in enumerate(names)}
    dummies = df.assign(**{name: columns[name] for name in names[1:]})
    return df.assign(country=pd.Categorical.from_codes(code, names)), dummies, names[1:]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"per": "sessions"},
        {"contrast": "percent"},
        {"cluster": "team"},
        {"strata": "plan", "sample_weight": "w"},
        {"resampling": "bayesian"},
        {"resampling": "poisson", "per": "sessions"},
        {"studentized": True},
        {"studentized": True, "per": "sessions", "cluster": "team"},
        {"estimators": [ps.AIPW("ATE"), ps.IPWRA("ATT"), ps.IPW("ATE", truncate=0.95)]},
    ],
    ids=str,
)
def test_levels_as_codes_give_what_a_column_for_each_gives(options):
    coded, dummies, names = countries()
    roles = {
        "outcome": ["spend", "bought"],
        "treatment": "t",
        "n_reps": 8,
        "seed": 2,
        "progress": False,
    } | options
    found = ps.bootstrap(coded, covariates=["visits", "country"], **roles)
    expected = ps.bootstrap(dummies, covariates=["visits", *names], **roles)
    for outcome in roles["outcome"]:
        own, other = found[outcome], expected[outcome]
        assert_allclose(own.table["estimate"], other.table["estimate"], rtol=1e-10, atol=1e-10)
        assert_allclose(own.replicates, other.replicates, rtol=1e-8, atol=1e-8)
        pd.testing.assert_frame_equal(own.conf_int(), other.conf_int(), rtol=1e-7, atol=1e-7)
        if "studentized" in options:
            assert_allclose(own.replicate_std_errors, other.replicate_std_errors, rtol=1e-7)


@pytest.mark.parametrize("n_levels", [4, 40], ids=["dummies", "codes"])
@pytest.mark.parametrize(
    "options", [{"outcome": ["spend", "bought"]}, {"per": "sessions"}, {"contrast": "percent"}], ids=str
)
def test_treated_rows_that_no_control_is_like_are_told(options, n_levels):
    df, _, names = countries(n_levels=n_levels)
    df = df[df["t"] | (df["country"] != names[1])].reset_index(drop=True)
    roles = {"outcome": "spend", "treatment": "t", "covariates": ["visits", "country"]} | options
    with pytest.raises(ps.errors.OverlapError, match=f"with country == '{names[1]}' lie outside"):
        ps.bootstrap(df, **roles, estimators=[ps.AIPW("ATT")], n_reps=4, progress=False)


def test_rows_without_weight_are_left_out_of_slopes_of_levels():
    df, _, _ = countries()
    df["w"] = np.where(np.arange(len(df)) % 3, 1.0, 0.0)
    roles = {"outcome": "spend", "treatment": "t", "covariates": "country * visits"} | {
        "n_reps": 4,
        "progress": False,
    }
    found = ps.bootstrap(df, **roles, sample_weight="w")
    there = ps.bootstrap(df[df["w"] > 0].reset_index(drop=True), **roles, sample_weight="w")
    assert_allclose(found.replicates, there.replicates, rtol=1e-9)
