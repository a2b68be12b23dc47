"""Results: frozen, picklable, readable as text and as HTML; the intervals of a bootstrap."""

import pickle
import re
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pandas as pd
import polars as pl
import pytest

import propensity as ps
from propensity.errors import IntervalWarning, InvalidInputError
from propensity.resampling.analytic import Analytic
from propensity.resampling.end_errors import too_few_replicates

pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # few rows, made up


def every_result(df):
    model = ps.fit_propensity(df, treatment="opted", covariates="tier * scale(tenure)")
    matches = ps.match_nn(df, treatment="opted", scores=model)
    return {
        "PropensityModel": model,
        "Effect": ps.ipw(df, outcome="done", treatment="opted", scores=model),
        "Effects": ps.aipw(df, outcome=["done", "tenure"], treatment="opted", covariates=["visits"]),
        "Matches": matches,
        "BootstrapResult": ps.bootstrap(
            df,
            outcome="done",
            treatment="opted",
            covariates=["tier"],
            estimators=[ps.IPW("ATE"), ps.NearestNeighbors("ATT")],
            n_reps=20,
            seed=1,
        ),
    }


@pytest.fixture
def results(users):
    return every_result(users)


NAMES = ["PropensityModel", "Effect", "Effects", "Matches", "BootstrapResult"]


@pytest.mark.parametrize("name", NAMES)
def test_results_pickle(results, users, name):
    result = results[name]
    again = pickle.loads(pickle.dumps(result))
    assert repr(again) == repr(result)
    if name == "PropensityModel":
        pd.testing.assert_series_equal(again.predict(users), result.predict(users))
    if name == "Matches":
        pd.testing.assert_frame_equal(again.pairs, result.pairs)


def test_results_of_polars_pickle(users):
    for result in every_result(pl.from_pandas(users)).values():
        assert repr(pickle.loads(pickle.dumps(result))) == repr(result)


@pytest.mark.parametrize("name", NAMES)
def test_results_are_frozen(results, name):
    with pytest.raises(FrozenInstanceError):
        results[name].anything = 1


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("PropensityModel", ["opted", "200 rows", "AUC", "Intercept", "tier[T.light]", "std_error"]),
        ("Effect", ["ATE", "mean_treated", "ess_control"]),
        ("Effects", ["ATE", "2 outcomes", "Standard errors: stacked", "tenure", "p_bh"]),
        ("Matches", ["1-NN ATT", "n_unmatched", "max_distance"]),
        ("BootstrapResult", ["20 replicates", "none failed", "seed 1", "1-NN ATT", "Abadie and Imbens 2008"]),
    ],
)
def test_results_show_what_matters(results, name, facts):
    text, page = repr(results[name]), results[name]._repr_html_()
    assert all(fact in text for fact in facts)
    assert all(fact in page for fact in facts)
    assert "<table" in page
    assert "..." not in page


def test_results_escape_names_in_html(users):
    users["<b>"] = users["opted"]
    assert "<b>" not in ps.fit_propensity(users, treatment="<b>", covariates=["visits"])._repr_html_()


def test_effect_to_frame_is_one_row(results):
    effect = results["Effect"]
    table = effect.to_frame()
    assert table.loc["ATE", "estimate"] == effect.estimate
    means_and_sizes = ["mean_treated", "mean_control", "ess_treated", "ess_control"]
    assert list(table) == [
        "estimate",
        "std_error",
        "df",
        "conf_low",
        "conf_high",
        "p_value",
        *means_and_sizes,
    ]


def test_effect_intervals_are_normal():
    effect = ps.Effect("ATT", 2.0, 5.0, 3.0, 10.0, 20.0, pd.Series([1.0]), std_error=0.5, se_method="known")
    low, high = effect.conf_int(level=0.9)
    assert (low, high) == pytest.approx((2 - 0.5 * 1.6448536269514722, 2 + 0.5 * 1.6448536269514722))
    assert effect.conf_int().conf_low == pytest.approx(2 - 0.5 * 1.959963984540054)
    assert effect.p_value == pytest.approx(6.334248366623996e-05, rel=1e-12)
    with pytest.raises(InvalidInputError, match="level"):
        effect.conf_int(level=95)


def with_replicates(replicates, estimators, acceleration=np.nan):
    labels = pd.Index([estimator.label for estimator in estimators], name="estimator")
    return ps.BootstrapResult(
        estimators=tuple(estimators),
        estimates=pd.Series(0.5, index=labels, name="estimate"),
        replicates=pd.DataFrame(replicates, columns=labels),
        analytic=Analytic.known(
            pd.Series(acceleration, index=labels, name="acceleration"),
            pd.Series(0.1, index=labels, name="analytic_std_error"),
        ),
        seed=0,
        penalty=0.0,
    )


def test_intervals_are_numpys_quantiles_without_the_failed():
    replicates = np.random.default_rng(0).normal(size=(100, 2))
    replicates[:3, 1] = np.nan
    boot = with_replicates(replicates, [ps.IPW("ATE"), ps.IPW("ATT")])
    expected = np.nanquantile(replicates, [0.05, 0.95], axis=0).T
    np.testing.assert_allclose(boot.conf_int(level=0.9), expected, rtol=1e-14)
    np.testing.assert_allclose(boot.std_errors, np.nanstd(replicates, axis=0, ddof=1), rtol=1e-12)
    assert list(boot.conf_int()) == ["conf_low", "conf_high"]
    assert "failed: 3 of IPW ATT" in repr(boot)


def test_summary_warns_of_nearest_neighbours_only():
    replicates = np.random.default_rng(0).normal(size=(10, 2))
    mixed = with_replicates(replicates, [ps.IPW("ATE"), ps.NearestNeighbors()]).summary()
    analytic = ["analytic_low", "analytic_high"]
    assert list(mixed) == ["estimate", "std_error", "conf_low", "conf_high", "end_error", *analytic, "note"]
    assert mixed["note"].str.contains("not valid").tolist() == [False, True]
    weighting = with_replicates(replicates, [ps.IPW("ATE"), ps.IPW("ATT")]).summary()
    assert "note" not in weighting


def test_more_replicates_are_not_advised_where_no_number_of_them_is_valid():
    replicates = np.random.default_rng(0).normal(size=(120, 2)) ** 3
    assert "Few replicates: an end of IPW ATE" in repr(with_replicates(replicates[:, :1], [ps.IPW("ATE")]))
    matched = repr(with_replicates(replicates[:, :1], [ps.NearestNeighbors()]))
    assert "Few replicates" not in matched
    assert "not valid for matching" in matched


@pytest.mark.parametrize("level", [0, 1, 95, -0.1, "0.95", True, None])
def test_levels_are_shares(level):
    boot = with_replicates(np.zeros((3, 1)), [ps.IPW()])
    with pytest.raises(InvalidInputError, match="level must lie between 0 and 1"):
        boot.conf_int(level=level)


def test_unknown_intervals_are_refused():
    boot = with_replicates(np.zeros((3, 1)), [ps.IPW()])
    with pytest.raises(
        InvalidInputError, match=r"kind must be one of 'percentile', .*'calibrated', not 'exact'"
    ):
        boot.conf_int(kind="exact")


@pytest.mark.filterwarnings("ignore:.*other draws would put:propensity.errors.IntervalWarning")
def test_summary_has_the_intervals_asked_for():
    boot = with_replicates(np.random.default_rng(0).normal(size=(50, 1)), [ps.IPW()], acceleration=0.01)
    for kind in ("percentile", "basic", "normal", "bca"):
        found = boot.summary(0.9, kind=kind)[["conf_low", "conf_high"]]
        pd.testing.assert_frame_equal(found, boot.conf_int(0.9, kind=kind))


def test_intervals_of_an_estimator_whose_replicates_all_failed_are_missing():
    replicates = np.random.default_rng(0).normal(size=(50, 2))
    replicates[:, 1] = np.nan
    boot = with_replicates(replicates, [ps.IPW("ATE"), ps.NearestNeighbors(caliper=0.1)])
    assert boot.conf_int().isna().to_numpy().tolist() == [[False, False], [True, True]]


@pytest.mark.filterwarnings("ignore:.*other draws would put:propensity.errors.IntervalWarning")
@pytest.mark.parametrize("kind", ["bca", "studentized", "calibrated"])
def test_intervals_that_an_estimator_has_none_of_are_told(kind):
    replicates = np.random.default_rng(0).normal(size=(50, 2))
    estimators = [ps.IPW("ATE"), ps.NearestNeighbors()]
    boot = with_replicates(replicates, estimators, acceleration=0.0)
    known = pd.Series([0.0, np.nan], index=boot.estimates.index)
    errors = boot.replicates * 0 + [0.1, np.nan]
    mixed = replace(boot, analytic=Analytic.known(known, known + 1.0), replicate_std_errors=errors)
    reason = {
        "bca": "its acceleration is not known",
        "studentized": "its replicates have no standard errors",
        "calibrated": "its replicates have no standard errors",
    }[kind]
    with pytest.warns(
        IntervalWarning, match=f"kind='{kind}': .* 1-NN ATT, for {reason}.*take kind='percentile'"
    ):
        table = mixed.conf_int(kind=kind)
    assert table.isna().to_numpy().tolist() == [[False, False], [True, True]]
    with pytest.warns(IntervalWarning):
        mixed.summary(kind=kind)
    alone = replace(
        mixed,
        estimators=(ps.NearestNeighbors(),),
        estimates=boot.estimates.iloc[1:],
        replicates=boot.replicates.iloc[:, 1:],
        replicate_std_errors=errors.iloc[:, 1:],
        analytic=Analytic.known(known.iloc[1:], known.iloc[1:]),
    )
    with pytest.raises(InvalidInputError, match=f"1-NN ATT, for {reason}"):
        alone.conf_int(kind=kind)


def test_bca_intervals_of_an_estimate_beyond_its_replicates_are_refused():
    replicates = np.random.default_rng(0).random(size=(50, 1))
    boot = replace(
        with_replicates(replicates, [ps.IPW()], acceleration=0.01),
        estimates=pd.Series([2.0], index=pd.Index(["IPW ATE"], name="estimator")),
    )
    with pytest.raises(
        InvalidInputError, match="IPW ATE, for the estimate lies beyond all of its replicates"
    ):
        boot.conf_int(kind="bca")


def test_headline_says_how_rows_were_resampled():
    plain = with_replicates(np.zeros((3, 1)), [ps.IPW()])
    assert repr(plain).startswith("Bootstrap: 3 replicates, none failed, seed 0; 95% percentile intervals")
    other = replace(plain, resampling="poisson", cluster="team", strata="country")
    assert "3 replicates, poisson weights, whole clusters by team, strata by country, none" in repr(other)


def test_labels_tell_estimators_apart():
    assert ps.IPW().label == "IPW ATE"
    assert ps.NearestNeighbors().label == "1-NN ATT"
    assert ps.NearestNeighbors("ATC", n_neighbors=4, caliper=0.25).label == "4-NN ATC (caliper 0.25)"
    assert ps.NearestNeighbors(on="logit").label == "1-NN ATT (logit)"


# Enough replicates


@pytest.mark.filterwarnings("ignore:.*other draws would put:propensity.errors.IntervalWarning")
@pytest.mark.parametrize("kind", ["percentile", "basic", "normal", "bca"])
def test_errors_of_ends_are_how_these_vary_over_bootstraps(kind):
    """Of 200 bootstraps of 500 replicates, of a skewed law and of a normal one."""
    found = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        replicates = np.column_stack([rng.exponential(size=500), rng.normal(1.0, size=500)])
        boot = with_replicates(replicates, [ps.IPW("ATE"), ps.IPW("ATT")], acceleration=0.05)
        found.append([boot.conf_int(kind=kind).to_numpy(), boot.end_errors(kind=kind).to_numpy()])
    ends, errors = np.array(found).transpose(1, 0, 2, 3)
    np.testing.assert_allclose(errors.mean(axis=0), ends.std(axis=0), rtol=0.2)


def test_few_replicates_are_told():
    replicates = np.random.default_rng(1).standard_t(2, size=(200, 1))
    few = with_replicates(replicates, [ps.IPW("ATE")])
    share = few.end_errors().max(axis=None) / np.ptp(few.conf_int().to_numpy())
    needed = int(np.ceil(200 * (share / 0.05) ** 2 / 100) * 100)
    assert f"uncertain by {share:.0%} of the width of its interval; take n_reps={needed}" in repr(few)
    many = with_replicates(np.random.default_rng(1).normal(size=(2_000, 1)), [ps.IPW("ATE")])
    assert "Few replicates" not in repr(many)
    assert many.summary()["end_error"].item() == many.end_errors().max(axis=None)
    assert with_replicates(replicates[:99], [ps.IPW("ATE")]).end_errors().isna().all(axis=None)


@pytest.mark.parametrize(("kind", "enough"), [("bca", 1_200), ("studentized", 1_200), ("calibrated", 2_000)])
def test_kinds_that_ask_for_more_replicates_than_there_are_say_so(kind, enough):
    df = ps.datasets.opt_in_logs(n_users=400)
    roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    options = {"covariates": ["query_confidence"], "estimators": [ps.IPW()], "studentized": True, "seed": 1}
    few = ps.bootstrap(df, **roles, **options, n_reps=900)
    with pytest.warns(IntervalWarning, match=f"with 900 replicates .* take n_reps={enough}, or kind='perc"):
        ends = few.conf_int(kind=kind)
    advised = int(re.search(r"n_reps=(\d+)", too_few_replicates(kind, 900))[1])
    many = ps.bootstrap(df, **roles, **options, n_reps=advised)
    found = many.conf_int(kind=kind)  # without a warning
    # What is said of the ends: both runs lie where so many replicates put them.
    far = np.abs(found - ends).to_numpy() / np.ptp(found.to_numpy())
    assert far.max() < 2 * 0.05 * np.sqrt(enough / 900)
    few.conf_int(kind="percentile")


def test_percentiles_are_advised_only_where_there_are_enough_for_them():
    assert "take n_reps=2000" in too_few_replicates("calibrated", 500)
    assert "10% of the interval's width" in too_few_replicates("calibrated", 500)
    assert "percentile" not in too_few_replicates("calibrated", 500)
    assert too_few_replicates("calibrated", 2_000) == too_few_replicates("percentile", 10) == ""
