"""What a check of a table finds, in which rows, and that its lines mend it."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

import propensity as ps
from libraries import LIBRARIES
from mended_lines import run
from propensity.errors import InvalidInputError, OverlapWarning
from propensity.study.check_foretelling import area

N = 5_000


@pytest.fixture
def messy():
    rng = np.random.default_rng(0)
    t = (rng.random(N) < 0.3).astype(int)
    table = pd.DataFrame(
        {
            "user_id": np.r_[np.arange(N - 50), np.arange(50)],
            "t": t,
            "age": rng.normal(40, 9, N),
            "country": rng.choice(["us", "de", "is"], N, p=[0.7, 0.299, 0.001]),
            "seats": np.exp(rng.normal(size=N)),
            "days": np.where(rng.random(N) < 0.1, -1, rng.integers(0, 9, N)),
            "workspace": rng.integers(0, 30, N),
            "y": rng.integers(0, 2, N),
        }
    )
    table.loc[7, "seats"] = 708.0
    return table


def only(found, column, *words):
    """Give the one finding of a column whose words have these in them."""
    own = [one for one in found if one.column == column and all(word in one.finding for word in words)]
    assert len(own) == 1, found
    return own[0]


def test_tidy_table_has_nothing_to_mend():
    lalonde = ps.datasets.lalonde()
    found = ps.check(lalonde, treatment="treat", outcome="re78")
    assert found.ok
    assert len(found) == 0
    assert "nothing to mend" in repr(found)
    assert "nothing to mend" in found._repr_html_()
    assert found.columns == tuple(name for name in lalonde.columns if name not in ("treat", "re78"))


def test_column_known_only_afterwards_is_found_in_the_logs(logs):
    found = ps.check(logs, treatment="opt_in_agent_mode", outcome="task_completed")
    auc = roc_auc_score(logs["opt_in_agent_mode"], logs["cost_usd"])
    assert f"(AUC {auc:.3f})" in only(found, "cost_usd").finding
    assert "leave it out" in only(found, "cost_usd").remedy
    assert found.ok


@pytest.mark.parametrize("ties", [False, True])
def test_area_is_that_of_scikit_learn(ties):
    rng = np.random.default_rng(3)
    t = rng.random(900) < 0.3
    x = rng.normal(size=900) + t
    x = np.round(x) if ties else x
    assert area(x, t, ~t) == pytest.approx(roc_auc_score(t, x), abs=1e-12)
    assert area(-x, t, ~t) == pytest.approx(roc_auc_score(t, x), abs=1e-12)
    x[:40] = np.nan
    assert area(x, t, ~t) == pytest.approx(roc_auc_score(t[40:], x[40:]), abs=1e-12)


def test_area_of_a_large_table_is_that_of_all_its_rows():
    rng = np.random.default_rng(4)
    t = rng.random(120_000) < 0.4
    df = pd.DataFrame({"t": t, "late": rng.normal(size=len(t)) + 2.8 * t})
    auc = roc_auc_score(df["t"], df["late"])
    assert f"(AUC {auc:.3f})" in only(ps.check(df, treatment="t"), "late").finding


def test_level_that_tells_the_arms_apart_is_found():
    rng = np.random.default_rng(5)
    t = np.arange(2_000) % 2
    plan = np.where(rng.random(2_000) < 0.99, np.where(t, "agent", "chat"), "other")
    found = ps.check(pd.DataFrame({"t": t, "plan": plan}), treatment="t")
    assert "tells the arms apart" in only(found, "plan", "AUC").finding


def test_units_that_are_there_twice_are_counted_and_dropped(messy, library):
    df = library(messy)
    found = only(ps.check(df, treatment="t", covariates=["age"]), "user_id")
    assert found.n_rows == 50
    assert "rows 4950, 4951" in found.finding
    mended = run(found.remedy.split("; or")[0], df)
    assert len(mended) == N - 50
    assert not [one for one in ps.check(mended, treatment="t", covariates=["age"]) if one.column == "user_id"]


def test_ids_of_any_name_are_looked_at_when_named(messy):
    df = messy.rename(columns={"user_id": "who"})
    assert not [one for one in ps.check(df, treatment="t", covariates=["age"]) if one.column == "who"]
    assert only(ps.check(df, treatment="t", covariates=["age"], ids="who"), "who").n_rows == 50


def test_repeated_labels_of_rows_are_told(messy):
    twice = pd.concat([messy[:100], messy[:60]])
    assert only(ps.check(twice, treatment="t", covariates=["age"]), "(index)").n_rows == 60


def test_missing_values_are_told_by_arm(messy, library):
    messy.loc[messy["t"] == 1, "age"] = messy.loc[messy["t"] == 1, "age"].where(messy["days"] > 0)
    gone = messy["age"].isna()
    found = ps.check(library(messy), treatment="t", covariates=["age"])
    one = only(found, "age")
    assert one.severity == "error"
    assert not found.ok
    assert one.n_rows == gone.sum()
    assert f"of {gone[messy['t'] == 1].mean():.1%} of the treated and 0.0% of the controls" in one.finding
    assert len(run(one.remedy.split("rows: ")[1], library(messy))) == N - gone.sum()


def test_column_known_of_one_arm_alone_is_to_be_left_out(messy):
    messy["sessions"] = messy["age"].where(messy["t"] == 1)
    one = only(ps.check(messy, treatment="t", covariates=["sessions"]), "sessions", "missing")
    assert "known of the treated nearly alone" in one.finding
    assert one.remedy == "leave it out of the covariates"


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # of the same row
def test_row_far_out_is_named_with_what_it_would_weigh(messy, library):
    rng = np.random.default_rng(6)
    messy["seats"] = rng.gamma(2.0, 1.0, N)
    messy["t"] = (rng.random(N) < 1 / (1 + np.exp(1.0 - 0.4 * messy["seats"]))).astype(int)
    messy.loc[7, ["seats", "t"]] = 30.0, 0
    one = only(ps.check(library(messy), treatment="t", covariates=["seats", "age"]), "seats")
    assert one.finding.startswith("row 7: 30, ")
    model = ps.fit_propensity(messy, treatment="t", covariates=["seats"])
    with pytest.warns(OverlapWarning, match="one of them has"):
        effect = ps.ipw(messy, outcome="y", treatment="t", scores=model)
    share = effect.weights[7] / effect.weights[messy["t"] == 0].sum()
    assert f"this row has {share:.1%} of the weight of the controls" in one.finding
    line = one.remedy.split(": ")[1].split(";")[0]
    logged = np.asarray(run(line, library(messy))["seats"])
    np.testing.assert_allclose(logged, np.log1p(messy["seats"]), rtol=1e-12)


def test_row_far_out_among_values_of_both_signs_is_to_be_bounded(messy, library):
    messy["balance"] = np.random.default_rng(2).normal(size=N)
    messy.loc[11, "balance"] = -500.0
    one = only(ps.check(library(messy), treatment="t", covariates=["balance"]), "balance")
    mended = np.asarray(run(one.remedy.split("it: ")[1], library(messy))["balance"])
    assert -5 < mended.min() < mended.max() < 5


def test_levels_of_one_arm_and_of_few_rows_are_told(messy, library):
    messy.loc[messy["country"] == "is", "t"] = 0
    messy.loc[:9, "country"], messy.loc[:9, "t"] = "fr", [0, 1] * 5
    found = ps.check(library(messy), treatment="t", covariates=["country"])
    alone = only(found, "country", "'is'", "of one arm alone")
    assert alone.n_rows == (messy["country"] == "is").sum()
    few = only(found, "country", "'fr'", "fewer than 20 rows")
    assert few.n_rows == 10
    line = few.remedy.split("together: ")[1]
    merged = pd.Series(np.asarray(run(line, library(messy))["country"]))
    assert (merged == "other").sum() == 10
    assert not [
        one
        for one in ps.check(library(messy), treatment="t", covariates=["country"], min_level_count=10)
        if "fewer" in one.finding
    ]


def test_missing_values_that_are_taken_care_of_are_notes(messy, library):
    rng = np.random.default_rng(8)
    df = messy.assign(
        age=messy["age"].where(rng.random(N) > 0.1),
        country=messy["country"].where(rng.random(N) > 0.1, None),
        late=np.where(messy["t"] == 1, rng.normal(size=N), np.nan),
        gone=np.nan,
    )
    options = {"treatment": "t", "covariates": ["age", "country", "late", "gone"]}
    asked, given = ps.check(library(df), **options), ps.check(library(df), **options, missing="indicator")
    for name in ("age", "country"):
        one, other = only(asked, name, "missing in"), only(given, name, "missing in")
        assert (one.severity, other.severity) == ("error", "note")
        assert one.finding == other.finding
        assert other.remedy.startswith("nothing: ")
    assert (only(given, "late", "missing in").severity, only(given, "late", "missing in").remedy) == (
        "warning",
        "leave it out of the covariates",
    )
    assert only(given, "gone", "missing in every row").severity == "error"
    with pytest.raises(InvalidInputError, match="missing"):
        ps.check(df, treatment="t", missing="mean")


def test_study_says_what_becomes_of_missing_values(messy):
    df = messy.assign(age=messy["age"].where(messy.index % 9 > 0))
    roles = {"outcome": "y", "treatment": "t", "covariates": ["age", "workspace"]}
    assert not ps.Study(df, **roles).check().ok
    found = ps.Study(df, **roles, missing="indicator").check()
    assert found.ok
    assert only(found, "age").severity == "note"


def test_number_that_stands_for_a_missing_value_is_told(messy):
    one = only(ps.check(messy, treatment="t", covariates=["days"]), "days")
    assert one.severity == "note"
    assert one.n_rows == (messy["days"] == -1).sum()


def test_what_functions_refuse_is_an_error_with_their_line(messy, library):
    messy["spend"] = np.resize(["1,000.5", "200"], N)
    messy["since"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(N) % 90, unit="D")
    messy["name"] = [f"n{k}" for k in range(N)]
    df = library(messy)
    found = ps.check(df, treatment="t", covariates=["spend", "since", "name", "age"])
    assert [one.column for one in found if one.severity == "error"] == ["name", "since", "spend"]
    for name, start in (("since", "first: "), ("spend", "numbers: ")):
        line = only(found, name).remedy.split(start)[1].split("; if")[0]
        ps.fit_propensity(run(line, df), treatment="t", covariates=[name])


def test_sums_of_others_and_constants_are_told(messy):
    messy["total"] = 2 * messy["age"] - messy["seats"] + 5
    messy["country_again"] = "us"
    found = ps.check(messy, treatment="t", covariates=["age", "seats", "total", "country_again"])
    assert "a sum of what 'age', 'seats' say already" in only(found, "total", "sum").finding
    assert "the same in every row" in only(found, "country_again").finding
    messy.loc[4_999, "total"] += 0.001
    again = ps.check(messy, treatment="t", covariates=["age", "seats", "total"])
    assert not [one for one in again if "a sum" in one.finding]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_levels_of_a_type_that_fixes_them_are_put_together(messy, library):
    levels = ["de", "is", "us"]
    df = messy.astype({"country": pd.CategoricalDtype(levels)})
    if library == "polars":
        df = pl.from_pandas(messy).with_columns(pl.col("country").cast(pl.Enum(levels)))
    (told,) = (one for one in ps.check(df, treatment="t", covariates=["country"]) if one.column == "country")
    scope = {"df": df, "pl": pl}
    exec(told.remedy.split("put them together: ")[1].split(";")[0], scope)
    assert set(scope["df"]["country"]) == {"us", "de", "other"}


def test_outcome_out_of_its_range_and_rare_events_are_told(messy):
    messy.loc[9, "y"] = 7
    found = only(ps.check(messy, treatment="t", outcome="y", covariates=["age"]), "y")
    assert found.n_rows == 1
    assert "row 9" in found.finding
    assert len(run(found.remedy.removeprefix("if so: "), messy)) == N - 1
    messy["y"] = 0
    messy.loc[:30, "y"] = messy.loc[:30, "t"]
    rare = ps.check(messy, treatment="t", outcome="y", covariates=["age"])
    assert "0 events of the rarer kind among the controls" in only(rare, "y", "controls").finding
    several = ps.check(messy.assign(z="a"), treatment="t", outcome=["y", "z"], covariates=["age"])
    assert "an outcome must be numeric or bool" in only(several, "z").finding


def test_clusters_are_counted(messy):
    found = ps.check(messy, treatment="t", covariates=["age"], cluster="workspace")
    assert only(found, "workspace").finding.startswith("30 clusters")
    alone = ps.check(messy.assign(own=range(N)), treatment="t", covariates=["age"], cluster="own")
    assert only(alone, "own").finding == "every cluster is one row"


def test_dates_after_the_treatment_are_told(messy, library):
    began = pd.Series(pd.Timestamp("2026-03-01"), index=messy.index).where(messy["t"] == 1)
    seen = pd.Timestamp("2026-02-20") + pd.to_timedelta(np.arange(N) % 20, unit="D")
    messy = messy.assign(began=began, seen=seen)
    late = (messy["t"] == 1) & (messy["seen"] > "2026-03-01")
    found = ps.check(library(messy), treatment="t", covariates=["age"], treated_at="began")
    assert only(found, "seen").n_rows == late.sum()
    messy.loc[messy["t"] == 0, "began"] = messy["seen"]
    odd = ps.check(messy, treatment="t", covariates=["age"], treated_at="began")
    assert only(odd, "began").n_rows == (messy["t"] == 0).sum()


def test_treatment_that_is_none_is_the_first_finding(messy):
    found = ps.check(messy.assign(t=messy["t"].map({0: "no", 1: "yes"})), treatment="t", covariates=["age"])
    assert found.n_treated == -1
    assert only(found, "t").remedy == "say which one is treated: df['t'] = df['t'] == 'yes'"
    missing = messy.assign(t=messy["t"].astype(float).where(messy.index > 3))
    one = only(ps.check(missing, treatment="t", covariates=["age"]), "t")
    assert one.n_rows == 4
    assert "df['t'].eq(1)" in one.remedy


def test_worst_comes_first_and_libraries_agree(messy):
    messy["spend"] = np.resize(["1,000.5", "200"], N)
    tables = [
        ps.check(make(messy), treatment="t", outcome="y", cluster="workspace").table.drop(columns="remedy")
        for make in LIBRARIES.values()
    ]
    ranks = tables[0]["severity"].map({"error": 0, "warning": 1, "note": 2})
    assert ranks.is_monotonic_increasing
    for other in tables[1:]:
        pd.testing.assert_frame_equal(tables[0], other)


def test_names_and_levels_are_escaped_in_html(messy):
    df = messy.rename(columns={"country": "<b>country</b>"})
    df.loc[3, "<b>country</b>"] = "<script>alert(1)</script>"
    shown = ps.check(df, treatment="t", covariates=["<b>country</b>"])._repr_html_()
    assert "<script>" not in shown
    assert "<b>" not in shown
    assert "&lt;script&gt;" in shown


def test_columns_that_are_not_there_are_refused(messy):
    for options in ({"covariates": ["agee"]}, {"outcome": "z"}, {"cluster": "z"}, {"ids": "z"}):
        with pytest.raises(InvalidInputError, match="is not in the frame"):
            ps.check(messy, treatment="t", **options)
    with pytest.raises(InvalidInputError, match="'t'"):
        ps.check(messy, treatment="t", covariates=["t"])


def test_nothing_of_the_table_is_changed(messy):
    before = messy.copy()
    ps.check(messy, treatment="t", outcome="y", cluster="workspace")
    pd.testing.assert_frame_equal(messy, before)
