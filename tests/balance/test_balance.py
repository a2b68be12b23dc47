"""Balance through the frame door."""

import sys

import numpy as np
import pandas as pd
import pytest

import propensity as ps
import reference
from conftest import COVARIATES, TREATMENT
from propensity.errors import InvalidInputError

pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # few rows, made up


def test_smd_is_the_tutorials(logs, tutorial):
    found = ps.smd(logs, treatment=TREATMENT, covariates=COVARIATES)
    expected = tutorial["smd"]["raw"]
    assert found[list(expected)].to_dict() == pytest.approx(expected, abs=1e-4)


def test_smd_after_weighting_is_the_tutorials(logs, tutorial):
    model = ps.fit_propensity(logs, treatment=TREATMENT, covariates=COVARIATES, penalty=1.0)
    weights = ps.balancing_weights(logs, treatment=TREATMENT, scores=model)
    found = ps.smd(logs, treatment=TREATMENT, covariates=COVARIATES, weights=weights)
    expected = tutorial["smd"]["ipw_ate_penalized"]
    assert found[list(expected)].to_dict() == pytest.approx(expected, abs=1e-4)


def test_smd_shows_every_level(users):
    found = ps.smd(users, treatment="opted", covariates=["tier", "visits", "premium"])
    assert list(found.index) == ["tier[heavy]", "tier[light]", "tier[medium]", "visits", "premium"]


@pytest.mark.parametrize("denominator", ["pooled", "treated", "control", "all"])
def test_smd_divides_by_the_denominator_and_names_it(users, denominator):
    found = ps.smd(users, treatment="opted", covariates=["visits", "premium"], denominator=denominator)
    for term, ddof in (("visits", 1), ("premium", 0)):
        x = users[term].astype(float)
        x1, x0 = x[users["opted"]], x[~users["opted"]]
        v1, v0 = x1.var(ddof=ddof), x0.var(ddof=ddof)
        variance = {"pooled": (v1 + v0) / 2, "treated": v1, "control": v0, "all": x.var(ddof=ddof)}[
            denominator
        ]
        assert found[term] == pytest.approx((x1.mean() - x0.mean()) / np.sqrt(variance), rel=1e-12)
    assert found.name == f"smd ({denominator})"
    assert found.attrs == {"denominator": denominator}


def test_smd_weights_move_the_numerator_alone(users):
    w = pd.Series(np.random.default_rng(1).uniform(1, 2, len(users)), index=users.index)
    found = ps.smd(users, treatment="opted", covariates=["visits"], weights=w)
    x, t = users["visits"], users["opted"]
    gap = np.average(x[t], weights=w[t]) - np.average(x[~t], weights=w[~t])
    assert found["visits"] == pytest.approx(gap / np.sqrt((x[t].var() + x[~t].var()) / 2), rel=1e-12)


def test_smd_takes_weights_as_column_series_array_or_matches(users):
    model = ps.fit_propensity(users, treatment="opted", covariates=["tier", "visits"])
    matches = ps.match_nn(users, treatment="opted", scores=model)
    users["w"] = matches.weights
    expected = ps.smd(users, treatment="opted", covariates=["tier"], weights=matches)
    for weights in ("w", users["w"], users["w"].to_numpy()):
        found = ps.smd(users, treatment="opted", covariates=["tier"], weights=weights)
        pd.testing.assert_series_equal(found, expected)


def test_smd_takes_a_formula(users):
    found = ps.smd(users, treatment="opted", covariates="log(tenure) + tier:visits")
    levels = ["tier[heavy]:visits", "tier[light]:visits", "tier[medium]:visits"]
    assert list(found.index) == ["log(tenure)", *levels]


# The table


DESIGN = {"treatment": "opted", "covariates": ["tier", "visits", "tenure", "premium"]}


@pytest.fixture
def weighed(users):
    """The users' scores, and weightings of every kind that a table takes."""
    model = ps.fit_propensity(users, **DESIGN)
    return model, {
        "IPW": ps.balancing_weights(users, treatment="opted", scores=model),
        "matched": ps.match_nn(users, treatment="opted", scores=model),
        "effect": ps.ipw(users, outcome="done", treatment="opted", scores=model, estimand="ATO"),
        "bounded": ps.truncate(ps.balancing_weights(users, treatment="opted", scores=model), upper=0.9),
        "strata": ps.subclassify(users, treatment="opted", scores=model, n_subclasses=3),
        "array": np.arange(1.0, len(users) + 1),
    }


def test_balance_is_a_table_of_terms_by_sample_and_measure(users, weighed):
    model, weights = weighed
    table = ps.balance(users, **DESIGN, weights=weights, scores=model, denominator="treated").table
    assert table.index.name == "term"
    tiers = ["tier[heavy]", "tier[light]", "tier[medium]"]
    assert list(table.index) == ["propensity", *tiers, "visits", "tenure", "premium"]
    assert table.columns.names == ["sample", "measure"]
    assert list(table.columns.unique("sample")) == ["unadjusted", *weights]
    assert list(table["IPW"]) == [
        "mean_treated",
        "mean_control",
        "smd",
        "variance_ratio",
        "ks",
        "ecdf_difference",
    ]
    assert table.attrs["denominator"] == "treated"
    assert table.attrs["propensity"] is True
    opted = users["opted"].to_numpy()
    w = weights["IPW"].to_numpy()
    for arm, members in {"ess_treated": opted, "ess_control": ~opted}.items():
        assert table.attrs[arm]["unadjusted"] == members.sum()
        assert table.attrs[arm]["IPW"] == pytest.approx(reference.ess(w[members]), rel=1e-12)


def test_balance_smd_is_that_of_smd_to_the_bit(users, weighed):
    _, weights = weighed
    for denominator in ("pooled", "treated", "control", "all"):
        table = ps.balance(users, **DESIGN, weights=weights, denominator=denominator).table
        for name, given in {"unadjusted": None, **weights}.items():
            alone = ps.smd(users, **DESIGN, weights=given, denominator=denominator)
            assert (table[name, "smd"] == alone).all()


def test_balance_measures_are_the_twins(users, weighed):
    model, weights = weighed
    table = ps.balance(users, **DESIGN, weights=weights["IPW"], scores=model).table
    assert list(table.columns.unique("sample")) == ["unadjusted", "adjusted"]
    opted, w = users["opted"].to_numpy(), weights["IPW"].to_numpy()
    columns = {
        "propensity": model.scores,
        "tier[light]": users["tier"] == "light",
        "visits": users["visits"],
        "tenure": users["tenure"],
    }
    for term, column in columns.items():
        x = column.to_numpy(dtype=float)
        gaps = reference.distribution_gaps(x, opted, w)
        found = table.loc[term, "adjusted"]
        assert found["ks"] == pytest.approx(gaps.max(), rel=1e-12)
        assert found["ecdf_difference"] == pytest.approx(gaps.mean(), rel=1e-12)
        assert found["mean_control"] == pytest.approx(np.average(x[~opted], weights=w[~opted]), rel=1e-12)
        ratio = reference.variance_ratio(x, opted, w)
        assert found["variance_ratio"] == pytest.approx(ratio, rel=1e-12, nan_ok=True)


def test_balance_with_sample_weights_is_that_of_copied_rows(users):
    times = np.random.default_rng(3).integers(1, 4, len(users))
    copied = users.loc[users.index.repeat(times)].reset_index(drop=True)
    found = ps.balance(users, **DESIGN, sample_weight=times).table["unadjusted"]
    expected = ps.balance(copied, **DESIGN).table["unadjusted"]
    # The variances of weighted and of copied rows differ in their divisors.
    for measure in ("mean_treated", "mean_control", "ks", "ecdf_difference"):
        assert found[measure].to_numpy() == pytest.approx(expected[measure].to_numpy(), rel=1e-12)


def test_balance_weights_have_sample_weights_in_them(users):
    users["survey"] = np.random.default_rng(3).uniform(1, 3, len(users))
    model = ps.fit_propensity(users, **DESIGN, sample_weight="survey")
    effect = ps.ipw(
        users, outcome="done", treatment="opted", scores=model, sample_weight="survey", estimand="ATO"
    )
    table = ps.balance(users, **DESIGN, weights={"ATO": effect}, sample_weight="survey").table
    # Overlap weights balance every term exactly (Li, Morgan and Zaslavsky 2018), here those of the survey.
    assert table["ATO", "smd"].abs().max() < 1e-9
    assert table["unadjusted", "smd"].abs().max() > 0.1
    plain = ps.smd(users, **DESIGN, sample_weight="survey")
    assert (table["unadjusted", "smd"] == plain).all()


def test_balance_adds_squares_and_interactions(users):
    design = {"treatment": "opted", "covariates": ["visits", "tier", "premium"]}
    plain = ps.balance(users, **design).table
    squares = ps.balance(users, **design, squares=True).table
    assert list(squares.index) == [*plain.index, "visits^2"]
    both = ps.balance(users, **design, squares=True, interactions=True).table
    levels = ["heavy", "light", "medium"]
    assert list(both.index) == [
        *squares.index,
        *(f"visits:tier[{level}]" for level in levels),
        "visits:premium",
        *(f"tier[{level}]:premium" for level in levels),
    ]
    visits, premium = users["visits"].astype(float), users["premium"].astype(float)
    users["product"] = (visits - visits.mean()) * (premium - premium.mean())
    alone = ps.balance(users, treatment="opted", covariates=["product"]).table
    np.testing.assert_allclose(both.loc["visits:premium"], alone.loc["product"], rtol=1e-9, atol=1e-12)


def test_balance_shows_a_product_that_the_formula_has_already_once(users):
    design = {"treatment": "opted", "covariates": "visits * premium"}
    found = ps.balance(users, **design, interactions=True).table
    assert found.index.is_unique
    assert list(found.index)[:3] == ["visits", "premium", "visits:premium"]


def test_balance_of_many_products_comes_in_batches(users, monkeypatch):
    design = {"treatment": "opted", "covariates": ["visits", "tier", "tenure", "premium"]}
    expected = ps.balance(users, **design, squares=True, interactions=True).table
    monkeypatch.setattr(sys.modules["propensity.balance.compared"], "_BATCH", 3 * len(users))
    found = ps.balance(users, **design, squares=True, interactions=True).table
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_balance_of_other_frames_is_the_same(users, library):
    polars = pytest.importorskip("polars")
    model = ps.fit_propensity(users, **DESIGN)
    users["w"] = ps.balancing_weights(users, treatment="opted", scores=model)
    other = polars.from_pandas(users) if library == "polars" else polars.from_pandas(users).to_arrow()
    found = ps.balance(other, **DESIGN, weights={"IPW": "w"}, squares=True).table
    pd.testing.assert_frame_equal(
        found, ps.balance(users, **DESIGN, weights={"IPW": "w"}, squares=True).table
    )


def test_balance_refuses_names_that_are_taken(users, weighed):
    model, weights = weighed
    with pytest.raises(InvalidInputError, match="'unadjusted' is the sample as it is"):
        ps.balance(users, **DESIGN, weights={"unadjusted": weights["IPW"]})
    with pytest.raises(TypeError, match="as text, not 3"):
        ps.balance(users, **DESIGN, weights={3: weights["IPW"]})
    users = users.rename(columns={"tenure": "propensity"})
    design = {"treatment": "opted", "covariates": ["visits", "propensity"]}
    assert "propensity" in ps.balance(users, **design).table.index
    with pytest.raises(InvalidInputError, match="column 'propensity'"):
        ps.balance(users, **design, scores=model)


def test_balance_names_the_weighting_that_does_not_fit(users, weighed):
    _, weights = weighed
    with pytest.raises(InvalidInputError, match=r"weights\['IPW'\]: the index is not the frame's"):
        ps.balance(users, **DESIGN, weights={"IPW": weights["IPW"].iloc[::-1]})
    with pytest.raises(InvalidInputError, match=r"weights\['IPW'\]: 1 negative value \(row u0\)"):
        ps.balance(users, **DESIGN, weights={"IPW": weights["IPW"].where(users.index != "u0", -1.0)})
    with pytest.raises(InvalidInputError, match=r"weights\['effect'\]"):
        ps.balance(users.iloc[1:], **DESIGN, weights={"effect": weights["effect"]})
    with pytest.raises(InvalidInputError, match=r"weights\['matched'\].*match these"):
        ps.balance(users.iloc[1:], **DESIGN, weights={"matched": weights["matched"]})


# The summary


def test_balance_summary_counts_what_is_past_the_thresholds(users, weighed):
    model, weights = weighed
    table = ps.balance(users, **DESIGN, weights={"array": weights["array"]}, scores=model).table
    found = ps.balance_summary(table, smd=0.05, variance_ratio=(0.9, 1.1))
    assert found.index.name == "sample"
    assert list(found.index) == ["unadjusted", "array"]
    terms = table.drop(index="propensity")
    for sample in found.index:
        size, ratio = terms[sample, "smd"].abs(), terms[sample, "variance_ratio"].dropna()
        row = found.loc[sample]
        assert row["worst_term"] == size.idxmax()
        assert abs(row["worst_smd"]) == size.max()
        assert row["n_terms"] == 6
        assert row["n_past_smd"] == sum(value >= 0.05 for value in size)
        assert row["n_past_variance_ratio"] == sum(not 0.9 <= value <= 1.1 for value in ratio)
        assert row["ess_treated"] == table.attrs["ess_treated"][sample]
        assert row["ess_control"] == table.attrs["ess_control"][sample]
        assert row["denominator"] == "pooled"


def test_balance_summary_passes_a_term_on_the_threshold_of_the_variances_alone(users):
    table = ps.balance(users, treatment="opted", covariates=["visits", "tenure"]).table
    size = table["unadjusted", "smd"].abs().max()
    ratio = table.loc["visits", ("unadjusted", "variance_ratio")]
    found = ps.balance_summary(table, smd=size, variance_ratio=(ratio, 1e3)).loc["unadjusted"]
    assert found["n_past_smd"] == 1
    tenure = table.loc["tenure", ("unadjusted", "variance_ratio")]
    assert found["n_past_variance_ratio"] == int(tenure < ratio)


def test_balance_summary_counts_an_arm_without_spread_as_past():
    frame = pd.DataFrame({"t": [1, 1, 1, 0, 0, 0], "x": [2.0, 2.0, 2.0, 1.0, 2.0, 4.0]})
    table = ps.balance(frame, treatment="t", covariates=["x"]).table
    assert table.loc["x", ("unadjusted", "variance_ratio")] == 0
    assert ps.balance_summary(table).loc["unadjusted", "n_past_variance_ratio"] == 1


def test_balance_summary_refuses_what_is_no_balance_table(users):
    table = ps.balance(users, **DESIGN).table
    with pytest.raises(InvalidInputError, match=r"what ps\.balance gave"):
        ps.balance_summary(table["unadjusted"])
    with pytest.raises(InvalidInputError, match=r"what ps\.balance gave"):
        ps.balance_summary(ps.smd(users, **DESIGN))
    with pytest.raises(InvalidInputError, match=r"'term' is none of its samples .* before reset_index"):
        ps.balance_summary(table.round(3).reset_index())
    with pytest.raises(InvalidInputError, match="two numbers"):
        ps.balance_summary(table, variance_ratio=2.0)
    with pytest.raises(InvalidInputError, match=r"variance_ratio\[1\]"):
        ps.balance_summary(table, variance_ratio=(2.0, 0.5))


# Missing values


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")
def test_balance_of_a_model_that_takes_missing_values_has_them(users):
    df = users.assign(
        visits=users["visits"].astype(float).mask(users["tenure"] > users["tenure"].median()),
        tier=users["tier"].mask(users["visits"] > 6),
    )
    columns = ["visits", "tier", "tenure"]
    boosted = ps.fit_propensity(
        df, treatment="opted", covariates=columns, score_model=ps.Boosting(max_trees=20)
    )
    table = ps.balance(df, treatment="opted", covariates=columns, scores=boosted).table
    plain = df.assign(
        visits=df["visits"].fillna(df["visits"].mean()),
        unknown=df["visits"].isna(),
        tier=df["tier"].astype(object).fillna("missing"),
    )
    listed = ["visits", "unknown", "tier", "tenure"]
    expected = ps.balance(plain, treatment="opted", covariates=listed, scores=boosted.scores.to_numpy())
    expected = expected.table.copy()
    assert "visits[missing]" in table.index
    assert "tier[missing]" in table.index
    expected.index = expected.index.str.replace("unknown", "visits[missing]")
    pd.testing.assert_frame_equal(table.loc[expected.index], expected, check_like=True)
    with pytest.raises(InvalidInputError, match=r"column 'visits': .* missing values"):
        ps.balance(df, treatment="opted", covariates=columns)
