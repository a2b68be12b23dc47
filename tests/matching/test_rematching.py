"""The bootstrap that fits the score and matches again: what a replicate is, whom it is for, how it ends."""

import pickle
import time
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest

import propensity as ps
from propensity.errors import InvalidInputError, OverlapWarning
from propensity.resampling.replicates import run_replicates
from propensity.resampling.sampling_units import SamplingUnits

COVARIATES = ["tier", "visits", "tenure"]

pytestmark = [
    pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning"),
    pytest.mark.filterwarnings("ignore:.*nobody:propensity.errors.OverlapWarning"),
]


@pytest.fixture
def quarter(users):
    """As many controls as pairs need."""
    rng = np.random.default_rng(1)
    opted = rng.random(len(users)) < 0.15 + 0.02 * users["visits"]
    return users.assign(opted=opted, size=rng.uniform(0.5, 2, len(users)), team=np.arange(len(users)) // 5)


def score_of(df, **options):
    return ps.fit_propensity(df, treatment="opted", covariates=COVARIATES, **options)


def make(kind, df, scores, **options):
    common = {"treatment": "opted", **options}
    if kind == "pairs":
        return ps.match_nn(df, scores=scores, replace=False, **common)
    if kind == "pairs by tier":
        limits = {"exact": ["tier"], "caliper": {"visits": 2.0}}
        return ps.match_nn(df, scores=scores, replace=False, **limits, **common)
    if kind == "mahalanobis":
        # The closest first: by default a draw decides who chooses, and belongs to the replicate.
        apart = {"covariates": COVARIATES, "on": "mahalanobis", "order": "closest"}
        return ps.match_nn(df, **apart, replace=False, **common)
    if kind == "full":
        return ps.match_full(df, scores=scores, estimand="ATE", **common)
    if kind == "subclasses":
        return ps.subclassify(df, scores=scores, n_subclasses=4, estimand="ATE", **common)
    return ps.match_cem(df, covariates=["tier", "visits"], cutpoints=[3, 6], estimand="ATE", **common)


def drawn_rows(made, df, replicate, seed=3):
    """Draw rows from those in the order of their scores, or of their outcomes; no two are alike here."""
    again = made.rematching
    scores = again.scores if again.estimated is None else again.estimated.scores
    order = np.argsort(df["done"].to_numpy() if scores is None else np.abs(scores - 0.5))
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(replicate,)))
    return order[np.sort(rng.integers(len(df), size=len(df)))]


KINDS = ["pairs", "pairs by tier", "mahalanobis", "full", "subclasses", "cells"]


def boot(made, df, **options):
    refit = {"refit": True} if isinstance(made, ps.Matches) else {}
    options = {"n_reps": 8, "seed": 3, "progress": False} | refit | options
    return made.bootstrap(df["done"], **options)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_replicate_is_the_whole_analysis_of_the_rows_drawn(quarter, kind, weighted):
    weight = {"sample_weight": "size"} if weighted else {}
    made = make(kind, quarter, score_of(quarter, **weight), **weight)
    found = boot(made, quarter).replicates.iloc[:, 0].to_numpy()
    for replicate in (0, 5):
        rows = drawn_rows(made, quarter, replicate)
        drawn = quarter.iloc[rows].reset_index(drop=True)
        again = make(kind, drawn, score_of(drawn, **weight), **weight)
        expected = again.effect(drawn["done"]).estimate
        assert found[replicate] == pytest.approx(expected, rel=1e-9)


@pytest.mark.filterwarnings("ignore:.*other draws would put:propensity.errors.IntervalWarning")
def test_result_is_that_of_one_estimator(quarter):
    made = make("full", quarter, score_of(quarter, penalty=0.5))
    found = boot(made, quarter, n_reps=30)
    effect = made.effect(quarter["done"])
    label = "full matching ATE"
    assert found.estimates.to_dict() == {label: effect.estimate}
    assert found.analytic_std_errors.to_dict() == {label: effect.std_error}
    assert (found.seed, found.penalty, found.n_failed.sum(), found.refitted) == (3, 0.5, 0, True)
    assert list(found.summary()) == ["estimate", "std_error", "conf_low", "conf_high", "end_error"]
    assert "full matching ATE" in repr(found)
    # Efron's acceleration: a sixth of the skewness of the influence.
    influence = effect.influence
    acceleration = (influence**3).sum() / (6 * (influence**2).sum() ** 1.5)
    assert found.acceleration.to_dict() == {label: pytest.approx(acceleration)}
    assert found.conf_int(kind="bca").notna().to_numpy().all()
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(found)).replicates, found.replicates)
    again = boot(pickle.loads(pickle.dumps(made)), quarter, n_reps=30)
    pd.testing.assert_frame_equal(again.replicates, found.replicates)


@pytest.mark.parametrize("kind", ["pairs", "full"])
def test_numbers_do_not_depend_on_threads_or_on_how_many_there_are(quarter, kind):
    made = make(kind, quarter, score_of(quarter))
    one = boot(made, quarter, n_threads=1).replicates
    pd.testing.assert_frame_equal(boot(made, quarter, n_threads=3).replicates, one, check_exact=True)
    pd.testing.assert_frame_equal(boot(made, quarter, n_reps=5).replicates, one.iloc[:5], check_exact=True)
    assert not np.array_equal(boot(made, quarter, seed=4).replicates, one)


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_do_not_depend_on_the_order_of_rows(quarter, kind):
    shuffled = quarter.iloc[np.random.default_rng(2).permutation(len(quarter))]
    found = [boot(make(kind, df, score_of(df)), df, cluster=df["team"]) for df in (quarter, shuffled)]
    np.testing.assert_allclose(found[1].replicates, found[0].replicates, rtol=1e-9)


def test_rows_as_they_come_are_matched_as_they_come(quarter):
    options = {"treatment": "opted", "replace": False, "order": "data"}
    made = ps.match_nn(quarter, scores=score_of(quarter), **options)
    found = boot(made, quarter).replicates.iloc[0, 0]
    drawn = quarter.iloc[np.sort(drawn_rows(made, quarter, 0))].reset_index(drop=True)
    again = ps.match_nn(drawn, scores=score_of(drawn), **options)
    assert found == pytest.approx(again.effect(drawn["done"], inference="cluster").estimate, rel=1e-9)


def test_polars_has_the_same_numbers(quarter):
    made = make("subclasses", quarter, score_of(quarter))
    other = pl.from_pandas(quarter)
    again = make("subclasses", other, score_of(other))
    np.testing.assert_array_equal(boot(again, other).replicates, boot(made, quarter).replicates)


def test_known_scores_stay_as_they_are(quarter):
    scores = np.asarray(score_of(quarter).scores)
    made = make("subclasses", quarter, scores)
    found = boot(made, quarter)
    rows = drawn_rows(made, quarter, 0)
    drawn = quarter.iloc[rows].reset_index(drop=True)
    expected = make("subclasses", drawn, scores[rows]).effect(drawn["done"]).estimate
    assert found.replicates.iloc[0, 0] == pytest.approx(expected, rel=1e-12)
    assert found.penalty == 0.0


def test_a_constant_added_to_the_outcome_changes_the_last_digits_at_most(quarter):
    made = make("full", quarter, score_of(quarter))
    far = quarter.assign(done=quarter["done"] + 1e8)
    np.testing.assert_allclose(boot(made, far).replicates, boot(made, quarter).replicates, rtol=1e-6)


# Who is drawn


def lots(n, *, cluster=None, strata=None, there=None):
    return SamplingUnits.of(np.arange(n) if there is None else there, cluster, strata)


def test_rows_are_drawn_evenly_and_with_replacement():
    found = lots(6)
    counts = [np.bincount(found.draw(np.random.default_rng(seed)), minlength=6) for seed in range(4000)]
    assert (np.sum(counts, axis=1) == 6).all()
    # Multinomial: mean 1, variance 1 - 1/6.
    np.testing.assert_allclose(np.mean(counts, axis=0), 1, atol=5 / np.sqrt(4000))
    np.testing.assert_allclose(np.var(counts, axis=0), 5 / 6, rtol=0.15)


def test_clusters_are_drawn_whole():
    cluster = np.array([7, 3, 7, 5, 3, 7])
    found = lots(6, cluster=cluster)
    for seed in range(50):
        rows = found.draw(np.random.default_rng(seed))
        counts = np.bincount(rows, minlength=6)
        assert all(len(set(counts[cluster == label])) == 1 for label in (3, 5, 7))
        assert sum(counts[first] for first in (0, 1, 3)) == 3
        assert (np.diff(rows) >= 0).all()


def test_strata_keep_their_sizes():
    strata = np.array([2, 1, 2, 2, 1, 1, 2])
    for seed in range(50):
        rows = lots(7, strata=strata).draw(np.random.default_rng(seed))
        assert np.bincount(strata[rows], minlength=3).tolist() == [0, 3, 4]
    cluster = np.array([0, 1, 0, 2, 1, 3, 2])
    rows = lots(7, strata=strata, cluster=cluster).draw(np.random.default_rng(0))
    counts = np.bincount(rows, minlength=7)
    # Stratum 2 has the clusters of rows 0 and 2, of 3 and 6; stratum 1 one of rows 1 and 4, and row 5.
    assert (counts[0], counts[3], counts[1]) == (counts[2], counts[6], counts[4])
    assert counts[0] + counts[3] == counts[1] + counts[5] == 2


def test_clusters_lie_in_one_stratum_and_are_several():
    with pytest.raises(InvalidInputError, match="cluster: some lie in several strata"):
        lots(4, cluster=np.array([0, 0, 1, 1]), strata=np.array([0, 1, 1, 1]))
    with pytest.raises(InvalidInputError, match="cluster: all rows are in one"):
        lots(4, cluster=np.zeros(4, dtype=int))


def test_labels_reach_the_draws(quarter):
    made = make("subclasses", quarter, score_of(quarter))
    plain = boot(made, quarter)
    clustered = boot(made, quarter, cluster=quarter["team"])
    stratified = boot(made, quarter, strata=quarter["opted"])
    assert not np.allclose(clustered.replicates, plain.replicates)
    assert not np.allclose(stratified.replicates, plain.replicates)
    assert "whole clusters by team" in repr(clustered)
    assert "strata by opted" in repr(stratified)
    with pytest.raises(InvalidInputError, match="cluster: the index is not the frame's"):
        boot(made, quarter, cluster=quarter["team"].iloc[::-1])


def test_rows_of_no_weight_are_never_drawn(quarter):
    df = quarter.assign(size=np.where(np.arange(len(quarter)) < 20, 0.0, 1.0))
    wild = df.assign(done=np.where(df["size"] == 0, 1e9, df["done"]))
    made = make("full", df, score_of(df, sample_weight="size"), sample_weight="size")
    np.testing.assert_array_equal(boot(made, wild).replicates, boot(made, df).replicates)


# How it ends


def test_failed_replicates_are_counted_and_told(quarter):
    # Five treated rows, and now and then none of them: no effect there.
    df = quarter.assign(opted=np.isin(np.arange(len(quarter)), [3, 60, 100]))
    model = ps.fit_propensity(df, treatment="opted", covariates=["tenure"])
    made = ps.subclassify(df, treatment="opted", scores=model, n_subclasses=1)
    with pytest.warns(OverlapWarning, match=r"of 200 replicates \(\d+%\) could not be.*the first of"):
        found = made.bootstrap(df["done"], n_reps=200, seed=1, progress=False)
    assert 0 < found.n_failed.item() < 100
    assert f"failed: {found.n_failed.item()} of {found.estimators[0].label}" in repr(found)


class Refuses:
    """A regrouping that nothing satisfies."""

    columns = ()

    def weights(self, rows, scores):  # noqa: ARG002 - a `MatchAgain`
        raise InvalidInputError(f"{len(rows)} rows are not enough")


def test_when_all_replicates_fail_the_first_says_why(quarter):
    made = make("full", quarter, score_of(quarter))
    made = replace(made, rematching=replace(made.rematching, match_again=Refuses()))
    with pytest.raises(InvalidInputError, match=r"none of the 8 replicates .*: 200 rows are not enough"):
        boot(made, quarter)


def test_other_errors_are_not_swallowed():
    def breaks(replicate):
        raise ZeroDivisionError(replicate)

    with pytest.raises(ZeroDivisionError):
        run_replicates(breaks, 4, n_threads=2, progress=None)


def test_an_interrupt_ends_it_soon():
    # As Ctrl-C arrives in the main thread, which waits for replicates or shows how many there are.
    begun = []

    def estimate(replicate):
        begun.append(replicate)
        time.sleep(0.01)
        return 0.0

    def interrupt(done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_replicates(estimate, 5_000, n_threads=2, progress=interrupt)
    assert len(begun) < 1_000


def test_progress_counts_replicates():
    seen = []
    replicates, failures = run_replicates(float, 25, n_threads=3, progress=seen.append)
    assert seen == list(range(1, 26))
    assert (replicates == np.arange(25.0)).all()
    assert not failures


# What it is not for


@pytest.mark.parametrize("options", [{}, {"n_neighbors": 3}, {"max_reuse": 2}, {"estimand": "ATE"}])
def test_matching_with_replacement_is_not_matched_again(quarter, options):
    made = ps.match_nn(quarter, treatment="opted", scores=score_of(quarter), **options)
    with pytest.raises(InvalidInputError, match=r"refit: .*Imbens 2008.*take matches.effect\(outcome\)"):
        made.bootstrap(quarter["done"], refit=True)


def test_pairs_point_to_the_refit(quarter):
    made = make("pairs", quarter, score_of(quarter))
    with pytest.raises(InvalidInputError, match=r"take matches.bootstrap\(outcome, refit=True\)"):
        made.bootstrap(quarter["done"])
    with pytest.raises(InvalidInputError, match="no whole number of rows to match again"):
        made.bootstrap(quarter["done"], refit=True, resampling="bayesian")
    with pytest.raises(InvalidInputError, match="refit"):
        made.bootstrap(quarter["done"], refit="yes")


@pytest.mark.parametrize("method", ["pairs", "full"])
def test_intervals_are_normal_unless_asked_for_otherwise(quarter, method):
    found = boot(make(method, quarter, score_of(quarter)), quarter, n_reps=40)
    pd.testing.assert_frame_equal(found.conf_int(), found.conf_int(kind="normal"))
    low, high = found.summary()[["conf_low", "conf_high"]].iloc[0]
    middle, half_width = float(found.estimates.iloc[0]), 1.959964 * float(found.std_errors.iloc[0])
    assert (low, high) == pytest.approx((middle - half_width, middle + half_width), rel=1e-5)
    assert "95% normal intervals" in repr(found)
    assert found.conf_int(kind="percentile").iloc[0, 0] == pytest.approx(
        np.quantile(found.replicates.iloc[:, 0], 0.025)
    )


def test_nothing_is_warned_of_that_is_not_so(quarter):
    made = make("pairs", quarter, score_of(quarter))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        summary = boot(made, quarter).summary()
    assert "note" not in summary
