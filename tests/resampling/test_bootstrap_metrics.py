"""Ratio metrics and lifts in the bootstrap: against cold fits on copied rows in a slow loop, and by hand."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose

import propensity as ps
import reference
from propensity import core
from propensity.effects import inference
from propensity.errors import IntervalWarning, InvalidInputError, OverlapError, OverlapWarning

WEIGHTING = [ps.IPW("ATE"), ps.IPW("ATT"), ps.IPW("ATO"), ps.IPW("ATE", truncate=0.9)]
MODELLED = [
    ps.AIPW("ATE"),
    ps.AIPW("ATT", "poisson"),
    ps.IPWRA("ATC"),
    ps.RegressionAdjustment("ATE"),
    ps.Balancing("ATT"),
]
MATCHING = [
    ps.NearestNeighbors("ATT"),
    ps.NearestNeighbors("ATC", n_neighbors=3),
    ps.NearestNeighbors("ATE", caliper=0.5, on="logit"),
]
EVERY_KIND = [*WEIGHTING, *MODELLED, *MATCHING]


def rows(n, kind, seed=0):
    """Covariates, treatment, clicks and views; rounded covariates repeat, and are counted by cell."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    x = np.round(x, 0 if kind == "cells" else 1) if kind != "rows" else x
    treatment = rng.random(n) < reference.expit(0.6 * x[:, 0] - 0.4 * x[:, 1] - 0.2)
    views = 1.0 + rng.poisson(np.exp(0.3 * x[:, 0] + 0.2 * treatment))
    clicks = rng.binomial(views.astype(int), reference.expit(0.4 * x[:, 1] + 0.3 * treatment - 0.5))
    return x, treatment, clicks.astype(float), views


def cold_means(spec, x, t, y, sample_weight=None):
    """The means of both arms on rows as they are, control first, with everything fitted from zero."""
    if isinstance(spec, ps.NearestNeighbors | ps.IPW):
        e = reference.fit_logistic(x, t, sample_weight=sample_weight).scores
    if isinstance(spec, ps.NearestNeighbors):
        options = {"n_neighbors": spec.n_neighbors, "caliper": spec.caliper, "on": spec.on}
        matches = reference.nearest_neighbors(e, t, estimand=spec.estimand, **options)
        weights = reference.matching_weights(len(t), matches)
    elif isinstance(spec, ps.IPW):
        weights = reference.balancing_weights(e, t, spec.estimand)
        if spec.truncate is not None:
            weights = reference.truncated(weights, t, spec.truncate)
    elif isinstance(spec, ps.Balancing):
        weights = core.fit_weights(
            x, t, estimand=spec.estimand, method=spec.method, sample_weight=sample_weight
        ).weights
        return [np.average(y[arm], weights=weights[arm]) for arm in (~t, t)]
    else:
        found = core.adjust(
            x,
            t,
            y,
            method=spec.method,
            estimand=spec.estimand,
            outcome_model=spec.outcome_model,
            sample_weight=sample_weight,
        )
        return [found.mean_control, found.mean_treated]
    weights = weights if sample_weight is None else weights * sample_weight
    return [np.average(y[arm], weights=weights[arm]) for arm in (~t, t)]


def cold_metrics(spec, x, t, clicks, views, sample_weight=None):
    above, below = (cold_means(spec, x, t, y, sample_weight) for y in (clicks, views))
    return np.divide(above, below)


def pairs(clicks, views):
    """What rows hold of both outcomes, numbered in their order."""
    return np.unique(np.column_stack([clicks, views]), axis=0, return_inverse=True)[1].ravel().astype(float)


def groups(n, kind):
    rng = np.random.default_rng(4)
    return {"cluster": rng.integers(0, 60, n)} if kind == "cluster" else {"strata": rng.integers(0, 3, n)}


SCHEMES = {
    "rows": {},
    "poisson": {"resampling": "poisson"},
    "cluster": groups(400, "cluster"),
    "poisson clusters": {"resampling": "poisson", **groups(400, "cluster")},
    "strata": groups(400, "strata"),
}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", ["cells", "rows"])
def test_replicates_are_those_of_a_slow_loop_over_the_same_rows(kind, scheme):
    x, t, clicks, views = rows(400, kind)
    options = SCHEMES[scheme]
    found = core.bootstrap(x, t, clicks, per=views, estimators=EVERY_KIND, n_reps=4, seed=5, **options)
    cells = reference.alike(x, t, pairs(clicks, views))
    for replicate in range(4):
        counts = reference.replicate_counts(5, replicate, 400, cells=cells, **options)
        own = np.repeat(np.arange(400), counts)
        expected = [cold_metrics(spec, x[own], t[own], clicks[own], views[own]) for spec in EVERY_KIND]
        assert_allclose(found.means.replicates[replicate], expected, rtol=0, atol=1e-9)
    assert_allclose(found.replicates, np.diff(found.means.replicates)[..., 0], atol=1e-15)
    expected = [cold_metrics(spec, x, t, clicks, views) for spec in EVERY_KIND]
    assert_allclose(found.means.estimates, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("options", [{}, groups(400, "cluster"), groups(400, "strata")], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_bayesian_replicates_are_those_of_weighted_fits(options, weighted):
    x, t, clicks, views = rows(400, "cells")
    own = np.random.default_rng(6).uniform(0.5, 2, 400) if weighted else np.ones(400)
    given = {"sample_weight": own} if weighted else {}
    estimators = [spec for spec in [*WEIGHTING, *MODELLED] if getattr(spec, "truncate", None) is None]
    asked = {"estimators": estimators, "n_reps": 3, "seed": 2, "resampling": "bayesian"}
    found = core.bootstrap(x, t, clicks, per=views, **asked, **options, **given)
    cells = reference.alike(x, t, pairs(clicks, views), own)
    for replicate in range(3):
        drawn = reference.replicate_weights(2, replicate, 400, resampling="bayesian", cells=cells, **options)
        expected = [cold_metrics(spec, x, t, clicks, views, drawn * own) for spec in estimators]
        assert_allclose(found.means.replicates[replicate], expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize(("n", "kind"), [(6_000, "tenths"), (2_500, "rows")])
def test_replicates_of_many_units_are_those_of_a_slow_loop(n, kind):
    x, t, clicks, views = rows(n, kind)
    found = core.bootstrap(x, t, clicks, per=views, estimators=EVERY_KIND, n_reps=2, seed=3)
    cells = reference.alike(x, t, pairs(clicks, views))
    for replicate in range(2):
        own = np.repeat(np.arange(n), reference.replicate_counts(3, replicate, n, cells=cells))
        expected = [cold_metrics(spec, x[own], t[own], clicks[own], views[own]) for spec in EVERY_KIND]
        assert_allclose(found.means.replicates[replicate], expected, rtol=0, atol=1e-9)


def test_means_of_one_outcome_are_of_the_draws_that_its_differences_are():
    x, t, clicks, _ = rows(400, "cells")
    asked = {"estimators": EVERY_KIND, "n_reps": 20, "seed": 8}
    plain, means = (core.bootstrap(x, t, clicks, means=which, **asked) for which in (False, True))
    assert plain.means is None
    assert_allclose(np.diff(means.means.replicates)[..., 0], plain.replicates, rtol=0, atol=1e-10)
    assert_allclose(means.estimates, plain.estimates, rtol=0, atol=1e-12)


def test_threads_and_the_order_of_rows_decide_nothing():
    x, t, clicks, views = rows(500, "rows")
    asked = {"estimators": EVERY_KIND, "n_reps": 6, "seed": 9}
    one = core.bootstrap(x, t, clicks, per=views, n_threads=1, **asked).means.replicates
    two = core.bootstrap(x, t, clicks, per=views, n_threads=2, **asked).means.replicates
    np.testing.assert_array_equal(one, two)
    order = np.random.default_rng(1).permutation(500)
    moved = core.bootstrap(x[order], t[order], clicks[order], per=views[order], **asked).means.replicates
    assert_allclose(moved, one, rtol=0, atol=1e-10)


# Through frames

ROLES = {"treatment": "t", "covariates": ["x0", "x1"]}


def frame(n=800, kind="rows", seed=0):
    x, t, clicks, views = rows(n, kind, seed)
    team = np.random.default_rng(7).integers(0, 80, n)
    columns = {"x0": x[:, 0], "x1": x[:, 1], "t": t, "clicks": clicks, "views": views, "team": team}
    return pd.DataFrame(columns)


ASKED = {"outcome": "clicks", "per": "views", **ROLES}


@pytest.mark.parametrize("cluster", [None, "team"])
@pytest.mark.parametrize("contrast", ["difference", "ratio", "percent", "odds_ratio"])
def test_figures_without_resampling_are_those_of_the_functions(contrast, cluster):
    df = frame()
    estimators = [ps.IPW("ATE"), ps.AIPW("ATT"), ps.Balancing("ATE"), ps.NearestNeighbors("ATT")]
    boot = ps.bootstrap(
        df, **ASKED, contrast=contrast, estimators=estimators, n_reps=3, cluster=cluster, progress=False
    )
    table = ps.estimate(df, **ASKED, contrast=contrast, estimators=estimators, cluster=cluster)
    for spec in estimators:
        effect = table[spec.label]
        assert boot.estimates[spec.label] == pytest.approx(effect.estimate, rel=1e-9)
        if cluster is None:
            found = boot.analytic_std_errors[spec.label]
        if isinstance(spec, ps.NearestNeighbors):
            assert np.isnan(boot.acceleration[spec.label])
            continue
        found = boot.analytic_std_errors[spec.label]
        # Those of balancing weights are corrected for leverage by their own function.
        assert found == pytest.approx(effect.std_error, rel=0.02 if "EB" in spec.label else 1e-8)
        acceleration = inference.acceleration(effect.influence, effect.clusters)
        assert boot.acceleration[spec.label] == pytest.approx(acceleration, rel=0.1, abs=1e-4)


@pytest.mark.parametrize("contrast", ["difference", "percent"])
def test_error_of_matches_without_resampling_is_theirs(contrast):
    df = frame()
    boot = ps.bootstrap(
        df, **ASKED, contrast=contrast, estimators=[ps.NearestNeighbors("ATT")], n_reps=3, progress=False
    )
    model = ps.fit_propensity(df, **ROLES)
    effect = ps.match_nn(df, treatment="t", scores=model).effect("clicks", per="views", contrast=contrast)
    assert boot.analytic_std_errors["1-NN ATT"] == pytest.approx(effect.std_error, rel=1e-8)


@pytest.mark.parametrize("contrast", ["difference", "ratio", "percent"])
def test_replicates_have_the_errors_of_their_own_rows(contrast):
    df = frame(400, "cells")
    estimators = [ps.IPW("ATE"), ps.AIPW("ATT")]
    boot = ps.bootstrap(
        df, **ASKED, contrast=contrast, estimators=estimators, n_reps=2, seed=4, studentized=True
    )
    cells = reference.alike(df[["x0", "x1"]].to_numpy(), df["t"], pairs(df["clicks"], df["views"]))
    for replicate in range(2):
        drawn = df.iloc[np.repeat(np.arange(400), reference.replicate_counts(4, replicate, 400, cells=cells))]
        table = ps.estimate(drawn.reset_index(drop=True), **ASKED, contrast=contrast, estimators=estimators)
        for spec in estimators:
            effect = table[spec.label]
            assert boot.replicates[spec.label][replicate] == pytest.approx(effect.estimate, rel=1e-8)
            found = boot.replicate_std_errors[spec.label][replicate]
            assert found == pytest.approx(effect.std_error, rel=1e-8)


@pytest.mark.filterwarnings("ignore:.*other draws would put:propensity.errors.IntervalWarning")
def test_intervals_of_ratios_are_made_of_logarithms():
    df = frame()
    boots = {
        contrast: ps.bootstrap(
            df, **ASKED, contrast=contrast, estimators=[ps.IPW("ATE")], n_reps=200, seed=1, studentized=True
        )
        for contrast in ("ratio", "percent")
    }
    ratio, percent = (boots[contrast].replicates["IPW ATE"] for contrast in boots)
    assert_allclose(percent, 100 * (ratio - 1), atol=1e-9)
    logs, center = np.log(ratio), np.log(boots["ratio"].estimates["IPW ATE"])
    assert boots["ratio"].std_errors["IPW ATE"] == pytest.approx(logs.std(ddof=1))
    low, high = np.quantile(logs, [0.025, 0.975])
    t = (logs - center) / boots["ratio"].replicate_std_errors["IPW ATE"]
    t_low, t_high = np.quantile(t, [0.025, 0.975])
    error = boots["ratio"].analytic_std_errors["IPW ATE"]
    expected = {
        "percentile": np.log(np.quantile(ratio, [0.025, 0.975])),
        "basic": [2 * center - high, 2 * center - low],
        "normal": center + 1.959964 * logs.std(ddof=1) * np.array([-1, 1]),
        "studentized": [center - t_high * error, center - t_low * error],
    }
    for kind, ends in expected.items():
        assert_allclose(boots["ratio"].conf_int(kind=kind).loc["IPW ATE"], np.exp(ends), rtol=1e-6)
        found = boots["percent"].conf_int(kind=kind).loc["IPW ATE"]
        assert_allclose(found, 100 * np.expm1(ends), rtol=1e-5, atol=1e-6)
    assert_allclose(
        boots["percent"].conf_int(kind="bca"), 100 * (boots["ratio"].conf_int(kind="bca") - 1), atol=1e-8
    )
    assert "change in percent of clicks per views" in str(boots["percent"])


@pytest.mark.filterwarnings("ignore:.*other draws would put:propensity.errors.IntervalWarning")
def test_nearest_neighbours_have_no_studentized_interval():
    boot = ps.bootstrap(
        frame(),
        **ASKED,
        estimators=[ps.IPW("ATE"), ps.NearestNeighbors("ATT")],
        n_reps=20,
        studentized=True,
        progress=False,
    )
    with pytest.warns(IntervalWarning, match="1-NN ATT, for its replicates have no standard errors"):
        assert boot.conf_int(kind="studentized").loc["1-NN ATT"].isna().all()


def test_failed_replicates_are_told_by_their_reasons():
    """Of two treated rows with views a seventh of the samples has neither."""
    df = frame(300)
    seen = (df["t"] == 0) | (df.index.isin(df.index[df["t"] == 1][:2]))
    df = df.assign(views=df["views"].where(seen, 0.0))
    options = {"estimators": [ps.IPW("ATE")], "n_reps": 300, "seed": 1, "progress": False}
    with pytest.warns(OverlapWarning) as caught:
        boot = ps.bootstrap(df, **ASKED, **options)
    share = boot.n_failed["IPW ATE"] / 300
    assert abs(share - np.exp(-2)) < 4 * np.sqrt(0.135 * 0.865 / 300)
    (words,) = [str(one.message) for one in caught if "replicates" in str(one.message)]
    assert "because the mean of 'views' (per=) is not above 0 in an arm of those drawn, for want of" in words
    assert "intervals are those of the others alone" in words


def test_replicates_whose_means_have_no_ratio_are_told_by_that_alone():
    df = frame(300)
    df = df.assign(gain=df["clicks"] - df["clicks"].mean() + 0.1)
    options = {"estimators": [ps.IPW("ATE")], "n_reps": 300, "seed": 1, "progress": False}
    with pytest.warns(OverlapWarning) as caught:
        boot = ps.bootstrap(df, outcome="gain", **ROLES, contrast="ratio", **options)
    assert boot.n_failed["IPW ATE"] > 15
    (words,) = [str(one.message) for one in caught if "replicates" in str(one.message)]
    assert "because a mean is not positive, as contrast='ratio' needs it; the intervals" in words
    assert "for want of" not in words


def test_lift_of_a_plain_outcome_is_that_of_the_same_draws():
    df = frame()
    roles = {"outcome": "clicks", **ROLES, "n_reps": 30, "seed": 6, "progress": False}
    plain, lift = (ps.bootstrap(df, contrast=contrast, **roles) for contrast in ("difference", "percent"))
    effect = ps.ipw(
        df, outcome="clicks", treatment="t", scores=ps.fit_propensity(df, **ROLES), contrast="percent"
    )
    assert lift.estimates["IPW ATE"] == pytest.approx(effect.estimate)
    assert (np.sign(plain.replicates) == np.sign(lift.replicates)).all(axis=None)


def test_weights_that_balance_have_it_too():
    df = frame()
    weights = ps.fit_weights(df, treatment="t", covariates=["x0", "x1"], estimand="ATE")
    own = weights.bootstrap("clicks", per="views", contrast="percent", n_reps=20, seed=3)
    by_values = weights.bootstrap(df["clicks"], per=df["views"], contrast="percent", n_reps=20, seed=3)
    pd.testing.assert_frame_equal(own.replicates, by_values.replicates)
    together = ps.bootstrap(
        df, **ASKED, contrast="percent", estimators=[ps.Balancing("ATE")], n_reps=20, seed=3, progress=False
    )
    assert_allclose(own.replicates, together.replicates, rtol=1e-9)
    assert own.measured == "clicks per views"
    effect = weights.effect("clicks", per="views", contrast="percent")
    assert own.estimates.iloc[0] == pytest.approx(effect.estimate)


def test_other_libraries_and_pickles_have_the_same(tmp_path):
    df = frame()
    options = {"contrast": "percent", "n_reps": 10, "seed": 5, "progress": False}
    expected = ps.bootstrap(df, **ASKED, **options)
    found = ps.bootstrap(pl.from_pandas(df), **ASKED, **options)
    pd.testing.assert_frame_equal(found.replicates, expected.replicates)
    expected_errors = expected.analytic_std_errors
    again = pd.read_pickle(_pickled(expected, tmp_path))
    pd.testing.assert_series_equal(again.analytic_std_errors, expected_errors)
    pd.testing.assert_frame_equal(again.conf_int(), expected.conf_int())


def _pickled(result, tmp_path):
    pd.to_pickle(result, tmp_path / "boot.pkl")
    return tmp_path / "boot.pkl"


@pytest.mark.filterwarnings("ignore::propensity.errors.DegenerateWarning")
def test_a_metric_that_is_the_same_for_all_has_no_effect():
    df = frame().assign(clicks=lambda rows: 0.3 * rows["views"])
    for contrast, none in (("difference", 0.0), ("ratio", 1.0), ("percent", 0.0)):
        boot = ps.bootstrap(df, **ASKED, contrast=contrast, estimators=[ps.IPW("ATE")], n_reps=10)
        assert boot.estimates["IPW ATE"] == none
        assert (boot.replicates["IPW ATE"] == none).all()


@pytest.mark.filterwarnings("ignore::propensity.errors.DegenerateWarning")
@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ({"views": -1.0}, {}, "column 'views'"),
        ({"views": 0.0}, {}, "per: column 'views' is 0 in every row"),
        ({"views": lambda rows: rows["views"].where(rows.index != 4)}, {}, "column 'views': 1 missing"),
        ({}, {"per": "clicks"}, "per: column 'clicks' is the outcome"),
        ({}, {"per": "nope"}, "'nope' is not in the frame"),
        ({}, {"contrast": "lift"}, "contrast"),
        ({"clicks": 0.0}, {"contrast": "ratio"}, "both means must be positive"),
        ({"clicks": lambda rows: 2 * rows["views"]}, {"contrast": "odds_ratio"}, r"lie outside \[0, 1\]"),
        ({"views": lambda rows: rows["views"] * rows["t"]}, {}, "a mean of 0"),
    ],
)
def test_what_is_no_metric_is_said(change, options, said):
    with pytest.raises((InvalidInputError, OverlapError), match=said):
        ps.bootstrap(frame().assign(**change), **{**ASKED, **options}, n_reps=5, progress=False)


@pytest.mark.parametrize("spec", [ps.IPW("ATE"), ps.AIPW("ATE")], ids=lambda spec: spec.label)
def test_intervals_hold_what_they_promise(spec):
    """Of 150 samples between 131 and 149 at 95%, as 998 in 1,000 times."""
    held = 0
    for seed in range(150):
        rng = np.random.default_rng(1000 + seed)
        x = rng.normal(size=500)
        t = rng.random(500) < reference.expit(0.7 * x)
        views = rng.poisson(np.exp(1 + 0.5 * x + 0.2 * t)).astype(float)
        clicks = rng.binomial(views.astype(int), 0.3).astype(float)
        df = pd.DataFrame({"x": x, "t": t, "clicks": clicks, "views": views})
        boot = ps.bootstrap(
            df,
            outcome="clicks",
            per="views",
            treatment="t",
            covariates=["x"],
            contrast="percent",
            estimators=[spec],
            n_reps=300,
            seed=seed,
            n_threads=1,
            progress=False,
        )
        low, high = boot.conf_int().iloc[0]
        held += low <= 0 <= high
    assert 131 <= held <= 149
