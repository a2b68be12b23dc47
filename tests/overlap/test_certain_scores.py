"""Scores of 0 and 1 exactly: shown, trimmed, and where weights are made of them refused with the cause."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest

import propensity as ps
from propensity.errors import InvalidInputError, OverlapError, OverlapWarning
from propensity.overlap.trimming import crump_bound

ROLES = {"treatment": "t", "covariates": ["x", "amount", "plan"]}
CAUSE = "column 'amount' is 1000000 in row 7, 32 standard deviations from its mean: look at it, or take log1p"


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    n = 1_000
    df = pd.DataFrame({"x": rng.normal(size=n), "amount": rng.exponential(size=n) * 100})
    df["plan"] = rng.choice(list("abc"), n)
    df["t"] = rng.random(n) < 1 / (1 + np.exp(-df["x"] * 0.5 - (df["amount"] - 100) / 100))
    df["y"] = df["x"] + df["t"] + rng.normal(size=n)
    df["w"] = rng.uniform(0.5, 2.0, n)
    df.loc[7, ["amount", "t"]] = 1e6, True
    return df.astype({"t": bool})


@pytest.fixture(scope="module")
def model(rows):
    found = ps.fit_propensity(rows, **ROLES)
    assert found.scores[7] == 1
    return found


@pytest.mark.parametrize("bounds", [(0.05, 0.95), "crump", "common_support", "quantiles"])
def test_trimming_drops_scores_of_one_first(rows, model, bounds):
    trimmed = ps.trim(rows, treatment="t", scores=model, bounds=bounds)
    assert not trimmed.keep[7]
    kept = rows[trimmed]
    again = ps.fit_propensity(kept, **ROLES)
    assert ps.ipw(kept, outcome="y", treatment="t", scores=again).estimate == pytest.approx(1, abs=0.5)
    others = rows.drop(index=7).reset_index(drop=True)
    e = model.scores.drop(index=7).reset_index(drop=True)
    alone = ps.trim(others, treatment="t", scores=e, bounds=bounds)
    if bounds != "quantiles":
        assert (trimmed.low, trimmed.high) == pytest.approx((alone.low, alone.high), rel=1e-12)


def test_bounds_of_crump_leave_out_what_has_no_variance():
    e = np.array([0.5] * 50 + [0.4] * 49 + [1.0])
    df = pd.DataFrame({"t": [True, False] * 50, "e": e})
    assert crump_bound(e[:-1]) == 0
    trimmed = ps.trim(df, treatment="t", scores="e", bounds="crump")
    assert trimmed.keep.tolist() == [True] * 99 + [False]
    everybody = ps.trim(df, treatment="t", scores="e", bounds=(0, 1))
    assert everybody.keep.all()


@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("end", [0.0, 1.0])
def test_overlap_shows_scores_at_the_ends(rows, model, weight, end):
    e = model.scores.where(model.scores < 1, 0.5).to_numpy(copy=True)
    at = int(np.flatnonzero(rows["t"] if end == 0 else ~rows["t"])[3])
    e[at] = end
    with pytest.warns(
        OverlapWarning, match=rf"1 score \(row {at}\) at 0 or 1 exactly .*ps.trim leaves them out"
    ):
        found = ps.overlap(rows, treatment="t", scores=e, sample_weight=weight)
    arm, others = ("treated", "ATC") if end == 0 else ("control", "ATT")
    assert found.quantiles.loc[arm, "min" if end == 0 else "max"] == end
    for estimand in ("ATE", others):
        line = found.weights.loc[estimand, arm]
        assert line["largest"] == np.inf
        assert line[["ess", "largest_share", "top_percent_share"]].tolist() == pytest.approx(
            [1, 1, 1], rel=1e-9
        )
    focal = found.weights.xs("ATT" if end == 0 else "ATC", level="estimand")
    assert focal.loc[arm, "ess_share"] > 0.8
    near = np.where(e == end, abs(end - 1e-9), e)  # the limit of what is as good as certain
    there = ps.overlap(rows, treatment="t", scores=near, sample_weight=weight)
    columns = ["ess", "largest_share", "top_percent_share"]
    np.testing.assert_allclose(found.weights[columns], there.weights[columns], rtol=1e-3)
    assert found.support.iloc[0].tolist() == pytest.approx(there.support.iloc[0].tolist(), rel=1e-12)


def test_overlap_in_groups_shows_them_in_theirs(rows, model):
    with pytest.warns(OverlapWarning, match=r"1 score \(row 7\)"):
        found = ps.overlap(rows, treatment="t", scores=model, by="plan")
    own = rows.loc[7, "plan"]
    assert found.quantiles["max"].xs("treated", level="arm").idxmax() == own
    assert np.isfinite(found.weights["largest"]).all()  # a treated row of score 1 weighs one


def test_balance_looks_at_scores_of_one(rows, model):
    table = ps.balance(rows, **ROLES, scores=model).table
    own = model.scores
    gap = own[rows["t"]].mean() - own[~rows["t"]].mean()
    deviation = np.sqrt((own[rows["t"]].var() + own[~rows["t"]].var()) / 2)
    assert table.loc["propensity", ("unadjusted", "smd")] == pytest.approx(gap / deviation, rel=1e-12)


REFUSED = {
    "ipw": lambda df, model: ps.ipw(df, outcome="y", treatment="t", scores=model),
    "aipw": lambda df, model: ps.aipw(df, outcome="y", **ROLES),
    "match": lambda df, model: ps.match_nn(df, treatment="t", scores=model),
    "discarding others": lambda df, model: ps.match_nn(df, treatment="t", scores=model, discard="control"),
    "bootstrap": lambda df, model: ps.bootstrap(df, outcome="y", **ROLES, n_reps=5),
    "summary": lambda df, model: ps.Study(df, outcome="y", **ROLES).summary(),
    "report": lambda df, model: ps.Study(df, outcome="y", **ROLES).to_dict(),
}


@pytest.mark.parametrize("call", REFUSED)
def test_what_makes_weights_of_them_names_the_amount_and_the_remedy(rows, model, call):
    with pytest.raises(OverlapError) as caught:
        REFUSED[call](rows, model)
    said = str(caught.value)
    assert said.startswith(
        "scores: 1 score (row 7) at 0 or 1 exactly (0 at 0, 1 at 1): these units have nobody"
    )
    assert CAUSE in said
    assert said.endswith(
        "drop them, as ps.trim and discard= of matchings do, and say that the effect is for the others"
    )


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")
def test_amounts_below_zero_and_formulas_get_their_own_advice(rows):
    shifted = rows.assign(amount=rows["amount"] - 100)
    for df, covariates in ((shifted, ["x", "amount"]), (rows, "x + center(amount)")):
        with pytest.raises(
            OverlapError, match=r"column 'amount' is \d+ in row 7, 32 .*look at it, or bound it, or"
        ):
            ps.aipw(df, outcome="y", treatment="t", covariates=covariates)
    logged = ps.aipw(rows, outcome="y", treatment="t", covariates="x + np.log1p(amount) + plan")
    assert np.isfinite(logged.estimate)


def test_rows_of_polars_and_numbers_alone(rows, model):
    frame = pl.from_pandas(rows)
    own = ps.fit_propensity(frame, **ROLES)
    with pytest.raises(OverlapError, match=re.escape(CAUSE)):
        ps.ipw(frame, outcome="y", treatment="t", scores=own)
    assert not ps.trim(frame, treatment="t", scores=own).keep[7]
    with pytest.raises(OverlapError, match=r"nobody to be compared with; drop them, as ps.trim"):
        ps.ipw(rows, outcome="y", treatment="t", scores=model.scores)
    with pytest.raises(InvalidInputError, match="below 0 or above 1"):
        ps.trim(rows, treatment="t", scores=model.scores + 0.1)


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")
def test_matching_discards_scores_of_one(rows, model):
    matches = ps.match_nn(rows, treatment="t", scores=model, discard="treated")
    others = rows.drop(index=7).reset_index(drop=True)
    e = model.scores.drop(index=7).reset_index(drop=True)
    alone = ps.match_nn(others, treatment="t", scores=e, discard="treated")
    assert matches.weights[7] == 0
    np.testing.assert_array_equal(matches.weights.drop(index=7), alone.weights)
    assert matches.table["n_discarded"].item() == alone.table["n_discarded"].item() + 1
    assert not any("scores of 1" in str(caution) for caution in matches.cautions)


def test_check_foresees_a_score_of_one(rows):
    (finding,) = [one for one in ps.check(rows, outcome="y", **ROLES) if one.column == "amount"]
    assert "a score that is linear in it is 1 exactly there, as if the row were sure to be treated" in str(
        finding
    )
    assert "np.log1p" in str(finding)


def test_study_is_refused_before_it_estimates(rows, monkeypatch):
    study = ps.Study(rows, outcome="y", **ROLES)
    monkeypatch.setattr(type(study), "estimate", lambda *_: pytest.fail("it went on"))
    with pytest.raises(OverlapError, match="column 'amount'"):
        study.summary()


def test_users_of_cells_are_counted(rows):
    df = rows.assign(x=rows["x"].round(), amount=rows["amount"].round(-2))
    cells = ps.collapse(df, treatment="t", outcome="y", covariates=ROLES["covariates"])
    assert len(cells.frame) < len(df) / 2
    said = []
    for table in (df, cells):
        with pytest.raises(OverlapError) as caught:
            ps.aipw(table, outcome="y", **ROLES)
        said.append(re.sub(r"\brow \d+", "row", str(caught.value)))
    assert said[0] == said[1]
    model = ps.fit_propensity(cells, **ROLES)
    assert ps.trim(cells, treatment="t", scores=model).lost["n_dropped"].sum() >= 1
