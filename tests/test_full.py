"""Full matching through the frame door."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

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
    assert found.n_subclasses == expected.n_subclasses


def test_match_full_balances_the_tutorials_tiers(logs, model):
    found = ps.match_full(logs, treatment=TREATMENT, scores=model)
    smd = ps.smd(logs, treatment=TREATMENT, covariates=["engagement_tier"], weights=found)
    assert smd.abs().max() < 0.01
    effect = found.effect(logs[OUTCOME])
    assert effect.se_method.startswith(f"summed within {found.n_subclasses:,} subclasses")
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
