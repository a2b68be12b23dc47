"""Full matching through the frame door."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from test_core_optimal import best_cover

import propensity as ps
from conftest import OUTCOME, TREATMENT
from propensity import core
from propensity.errors import InvalidInputError, NoMatchesError


@pytest.fixture
def scored(users):
    return users.assign(
        score=ps.fit_propensity(users, treatment="opted", covariates=["tier", "tenure"]).scores
    )


@pytest.mark.parametrize("estimand", ["ATT", "ATC", "ATE"])
def test_match_full_weighs_by_subclass(scored, estimand):
    found = ps.match_full(scored, treatment="opted", scores="score", estimand=estimand)
    table = found.to_frame()
    assert table[["n_treated", "n_control"]].min(axis=1).eq(1).all()
    assert found.n_unmatched == 0
    rows = {"ATT": scored["opted"].sum(), "ATC": (~scored["opted"]).sum(), "ATE": len(scored)}[estimand]
    for arm in (scored["opted"], ~scored["opted"]):
        assert found.weights[arm].sum() == pytest.approx(rows)
    expected = core.match_full(scored["score"].to_numpy(), scored["opted"].to_numpy())
    assert found.total_distance == pytest.approx(expected.total_distance, rel=1e-12)


def test_match_full_balances_the_tutorials_tiers(logs, model):
    found = ps.match_full(logs, treatment=TREATMENT, scores=model)
    smd = ps.smd(logs, treatment=TREATMENT, covariates=["engagement_tier"], weights=found)
    assert smd.abs().max() < 0.01
    effect = found.effect(logs[OUTCOME])
    assert "counts that the scores were estimated" in effect.se_method
    clustered = found.effect(logs[OUTCOME], inference="cluster")
    assert clustered.se_method.startswith(f"summed within {found.n_subclasses:,} subclasses")
    # The truth is 0.0799; matching with replacement has a standard error of 0.006.
    assert effect.conf_int().conf_low < 0.0799 < effect.conf_int().conf_high


def test_match_full_does_not_see_the_order_of_rows(logs, model):
    found = ps.match_full(logs, treatment=TREATMENT, scores=model, caliper=0.1)
    shuffled = logs.sample(frac=1, random_state=1)
    again = ps.match_full(shuffled, treatment=TREATMENT, scores=model.scores.loc[shuffled.index], caliper=0.1)
    pd.testing.assert_series_equal(again.subclass.sort_index(), found.subclass)
    pd.testing.assert_series_equal(again.weights.sort_index(), found.weights)


def test_match_full_keeps_to_exact_columns(scored):
    found = ps.match_full(scored, treatment="opted", scores="score", exact=["tier", "premium"])
    for column in ("tier", "premium"):
        assert (scored[column].groupby(found.labels).nunique() == 1).all()


@pytest.mark.parametrize("on", ["score", "logit"])
@pytest.mark.parametrize(("unit", "over"), [("sd", "all"), ("sd", "pooled"), ("raw", "all")])
def test_match_full_leaves_out_whom_the_caliper_leaves_alone(scored, on, unit, over):
    e = scored["score"].to_numpy()
    q = e if on == "score" else np.log(e / (1 - e))
    t = scored["opted"].to_numpy()
    deviation = {"all": q.std(ddof=1), "pooled": np.sqrt((q[t].var(ddof=1) + q[~t].var(ddof=1)) / 2)}[over]
    width = 0.02 * (deviation if unit == "sd" else 1.0)
    found = ps.match_full(
        scored, treatment="opted", scores="score", on=on, caliper=0.02, caliper_unit=unit, caliper_sd=over
    )
    near = np.abs(q[t][:, None] - q[~t]) <= width
    assert found.n_unmatched == (~near.any(axis=1)).sum()
    assert found.arms.loc["control", "n_unmatched"] == (~near.any(axis=0)).sum()
    assert (found.subclass.isna() == (found.weights == 0)).all()
    spread = pd.Series(q).groupby(found.labels).agg(np.ptp).drop(0, errors="ignore")
    assert spread.max() <= 2 * width


@pytest.mark.parametrize("on", ["mahalanobis", "robust_mahalanobis", "euclidean"])
def test_match_full_among_covariates_is_that_of_the_places(scored, on):
    covariates, options = ["tenure", "visits", "premium"], {"treatment": "opted", "estimand": "ATT"}
    found = ps.match_full(scored, covariates=covariates, on=on, **options)
    z = ps.match_nn(scored, covariates=covariates, on=on, **options).places
    t = scored["opted"].to_numpy()
    gaps = np.sqrt(((z[t][:, None] - z[~t]) ** 2).sum(axis=2))
    assert found.total_distance == pytest.approx(best_cover(gaps), rel=1e-9)


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # few rows, made up
def test_match_full_takes_calipers_on_named_columns(scored):
    found = ps.match_full(
        scored,
        treatment="opted",
        scores="score",
        covariates=["tenure", "visits"],
        on="mahalanobis",
        caliper={"scores": 0.1, "tenure": 1.0},
        caliper_unit="raw",
    )
    for column, width in {"score": 0.1, "tenure": 1.0}.items():
        for _, rows in scored.groupby(found.labels):
            one, other = rows.loc[rows["opted"], column], rows.loc[~rows["opted"], column]
            if (found.labels[scored.index.isin(rows.index)] > 0).all():
                assert np.abs(np.subtract.outer(one.to_numpy(), other.to_numpy())).max() <= width + 1e-12
    assert found.n_matched > 0


def test_match_full_discards_whom_nobody_resembles(scored):
    e, t = scored["score"], scored["opted"]
    found = ps.match_full(scored, treatment="opted", scores="score", discard="both")
    inside = e.between(max(e[t].min(), e[~t].min()), min(e[t].max(), e[~t].max()))
    np.testing.assert_array_equal(found.labels > 0, inside)


def test_match_nn_optimal_pairs_are_those_of_the_array_door(scored):
    matches = ps.match_nn(
        scored, treatment="opted", scores="score", replace=False, method="optimal", caliper=0.1
    )
    e, t = scored["score"].to_numpy(), scored["opted"].to_numpy()
    expected = core.match_nn(e, t, replace=False, method="optimal", caliper=0.1)
    assert matches.pairs["distance"].sum() == pytest.approx(
        np.abs(e[expected.focal] - e[expected.donors]).sum()
    )
    assert matches.spec.label == "1-NN ATT (without replacement, caliper 0.1, optimal)"
    assert matches.effect(scored["done"]).std_error > 0
    nearest = ps.match_nn(scored, treatment="opted", scores="score", replace=False, caliper=0.1)
    assert matches.n_matched >= nearest.n_matched


def test_match_nn_optimal_does_not_see_the_order_of_rows(logs, model):
    def matched(df):
        return ps.match_nn(
            df,
            treatment=TREATMENT,
            scores=model.scores.loc[df.index],
            replace=False,
            method="optimal",
            caliper=0.2,
        )

    found, again = matched(logs), matched(logs.sample(frac=1, random_state=1))
    pd.testing.assert_series_equal(again.weights.sort_index(), found.weights)


def test_match_full_reads_polars(scored):
    expected = ps.match_full(scored.reset_index(drop=True), treatment="opted", scores="score")
    found = ps.match_full(pl.from_pandas(scored), treatment="opted", scores="score")
    assert found.subclass.to_list() == expected.subclass.to_list()


def test_match_full_names_what_it_cannot_use(scored):
    options = {"treatment": "opted", "scores": "score"}
    with pytest.raises(NoMatchesError, match="caliper"):
        ps.match_full(scored, **options, caliper=1e-9)
    with pytest.raises(InvalidInputError, match="caliper must be a finite number greater than 0"):
        ps.match_full(scored, **options, caliper=-1)
    with pytest.raises(InvalidInputError, match="column 'tiers' is not in the frame"):
        ps.match_full(scored, **options, exact=["tiers"])
