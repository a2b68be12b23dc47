"""The propensity model of the frame door: the tutorial's numbers, names, prediction."""

import math

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

import propensity as ps
import reference
from conftest import COVARIATES, TREATMENT
from propensity import core
from propensity.errors import CollinearityWarning, InvalidInputError, SeparationError, SeparationWarning


@pytest.fixture(scope="module")
def penalized(logs):
    return ps.fit_propensity(logs, treatment=TREATMENT, covariates=COVARIATES, penalty=1.0)


def test_fit_propensity_finds_the_tutorials_coefficients(model, tutorial):
    expected = pd.Series(tutorial["coefficients"])
    pd.testing.assert_series_equal(model.coefficients, expected, check_names=False, rtol=1e-10)
    assert model.terms == tuple(tutorial["coefficients"])


def test_fit_propensity_finds_scikit_learns_coefficients_with_penalty_one(penalized, tutorial):
    expected = pd.Series(tutorial["coefficients_penalized"])
    pd.testing.assert_series_equal(penalized.coefficients, expected, check_names=False, rtol=1e-8)


def test_fit_propensity_finds_the_tutorials_scores(logs, model, penalized, tutorial):
    treated = logs[TREATMENT] == 1
    for fitted, name in ((model, "score_range"), (penalized, "score_range_penalized")):
        for arm, rows in (("treated", treated), ("control", ~treated)):
            scores = fitted.scores[rows]
            assert [scores.min(), scores.max()] == pytest.approx(tutorial[name][arm], abs=1e-7)
    means = penalized.scores.groupby(logs["engagement_tier"]).mean()
    assert means.to_dict() == pytest.approx(tutorial["mean_score_penalized"], abs=5e-5)


def test_fit_propensity_finds_the_tutorials_fit(model, tutorial):
    assert model.log_likelihood == pytest.approx(tutorial["log_likelihood"], rel=1e-8)
    assert model.auc == pytest.approx(tutorial["auc"], abs=1e-9)
    assert model.penalty == 0.0
    assert model.iterations < 20


def test_auc_counts_ties_as_one_half(logs, model):
    tied = ps.fit_propensity(logs, treatment=TREATMENT, covariates=["engagement_tier"])
    for fitted in (model, tied):
        assert fitted.auc == pytest.approx(roc_auc_score(logs[TREATMENT], fitted.scores), abs=1e-9)


def test_summary_holds_the_standard_errors_of_r(model, tutorial):
    summary = model.summary()
    expected = pd.Series(tutorial["std_errors"])
    pd.testing.assert_series_equal(summary["std_error"], expected, check_names=False, rtol=1e-8)
    np.testing.assert_allclose(summary["z"], summary["estimate"] / summary["std_error"])
    # A quarter of the normal law lies above 0.6745; 1.96 standard errors hold 95%.
    assert summary.loc["query_confidence", "p_value"] == pytest.approx(0.00451, abs=1e-5)
    width = (summary["conf_high"] - summary["conf_low"]) / summary["std_error"]
    np.testing.assert_allclose(width, 2 * 1.959963984540054)


def test_summary_level_widens_the_interval(model):
    wide, narrow = model.summary(level=0.99), model.summary(level=0.5)
    assert (wide["conf_low"] < narrow["conf_low"]).all()
    half_width = (narrow["conf_high"] - narrow["estimate"]) / narrow["std_error"]
    np.testing.assert_allclose(half_width, 0.6744897501960817)


def test_covariance_is_labelled_both_ways(model):
    assert list(model.covariance.index) == list(model.covariance.columns) == list(model.terms)
    np.testing.assert_array_equal(model.covariance, model.fit.covariance)


def test_frame_door_and_array_door_agree(users):
    model = ps.fit_propensity(users, treatment="opted", covariates=["visits", "tenure"])
    fit = core.fit_propensity(users[["visits", "tenure"]].to_numpy(dtype=float), users["opted"].to_numpy())
    np.testing.assert_allclose(model.coefficients, fit.coefficients, rtol=1e-12)
    np.testing.assert_allclose(model.scores, fit.scores, rtol=1e-12)


@pytest.mark.parametrize("coding", [bool, int, float, "Int64", "boolean"])
def test_treatment_may_be_bool_or_zero_one(users, coding):
    expected = ps.fit_propensity(users, treatment="opted", covariates=["visits"])
    found = ps.fit_propensity(users.astype({"opted": coding}), treatment="opted", covariates=["visits"])
    pd.testing.assert_series_equal(found.scores, expected.scores)


def test_collinear_terms_are_named_and_left_out(users):
    users["double"] = 2 * users["visits"]
    users["constant"], users["country"] = 3.0, "fr"
    with pytest.warns(CollinearityWarning, match="country, double, constant") as caught:
        model = ps.fit_propensity(
            users, treatment="opted", covariates=["visits", "country", "double", "constant", "tenure"]
        )
    assert caught[0].filename == __file__
    assert model.dropped == ("country", "double", "constant")
    assert model.terms == ("Intercept", "visits", "tenure")
    assert model.covariance.shape == (3, 3)
    reduced = ps.fit_propensity(users, treatment="opted", covariates=["visits", "tenure"])
    pd.testing.assert_series_equal(model.coefficients, reduced.coefficients, rtol=1e-8)
    pd.testing.assert_series_equal(model.predict(users), model.scores, rtol=1e-12)


@pytest.mark.parametrize(
    "covariates", [["tier", "visits", "premium"], "tier * bs(tenure, df=4) + scale(visits)"]
)
def test_predict_gives_the_fitted_scores_again(users, covariates):
    model = ps.fit_propensity(users, treatment="opted", covariates=covariates)
    pd.testing.assert_series_equal(model.predict(users), model.scores, rtol=1e-13)
    some = users.sample(20, random_state=1).drop(columns=["opted", "done"])
    pd.testing.assert_series_equal(model.predict(some), model.scores[some.index], rtol=1e-13)


def test_predict_knows_levels_that_the_new_rows_lack(users):
    model = ps.fit_propensity(users, treatment="opted", covariates=["tier", "visits"])
    light = users[users["tier"] == "light"]
    pd.testing.assert_series_equal(model.predict(light), model.scores[light.index])
    polars = pl.from_pandas(light.reset_index(drop=True))
    np.testing.assert_array_equal(model.predict(polars).to_numpy(), model.scores[light.index])


def test_predict_names_an_unseen_level(users):
    model = ps.fit_propensity(users, treatment="opted", covariates=["tier", "visits"])
    users.loc[["u3", "u7"], "tier"] = "huge"
    with pytest.raises(InvalidInputError, match=r"column 'tier': 2 values \(rows u3, u7\).*'huge'.*'heavy'"):
        model.predict(users)


def test_predict_names_an_unseen_level_of_a_transform(users):
    model = ps.fit_propensity(users, treatment="opted", covariates="C(visits > 0) + tenure")
    some = users[users["visits"] > 0]
    pd.testing.assert_series_equal(model.predict(some), model.scores[some.index], rtol=1e-13)
    coded = ps.fit_propensity(users, treatment="opted", covariates="C(premium) + tenure")
    with pytest.raises(InvalidInputError, match=r"column 'premium': 200 values .* has not seen, 2"):
        coded.predict(users.assign(premium=2))


def test_predict_refuses_values_beyond_the_knots(users):
    model = ps.fit_propensity(users, treatment="opted", covariates="bs(tenure, df=4)")
    with pytest.raises(InvalidInputError, match="bs"):
        model.predict(users.assign(tenure=1e6))


def test_predict_names_a_missing_column(users):
    model = ps.fit_propensity(users, treatment="opted", covariates=["tier", "visits"])
    with pytest.raises(InvalidInputError, match="column 'visits' is not in the frame"):
        model.predict(users.drop(columns="visits"))


@pytest.mark.parametrize(("column", "values"), [("tier", 1.0), ("visits", "many")])
def test_predict_refuses_another_kind_of_column(users, column, values):
    model = ps.fit_propensity(users, treatment="opted", covariates=["tier", "visits"])
    with pytest.raises(TypeError, match=f"column '{column}'.*when the model was fitted"):
        model.predict(users.assign(**{column: values}))


def test_p_values_reach_far_into_the_tail(model):
    p = model.summary().loc["engagement_tier[T.light]", "p_value"]
    assert p == pytest.approx(math.erfc(84.95 / math.sqrt(2)), abs=1e-300)


def test_fit_propensity_names_the_term_that_separates():
    df = pd.DataFrame(
        {"opt_in": [0, 0, 0, 1, 1, 1], "noise": [1, 3, 2, 2, 1, 3], "premium": [0, 0, 0, 1, 1, 1]}
    )
    with pytest.raises(
        SeparationError, match=r"3 rows with premium == 1 are all treated.*penalty=1\.0"
    ) as caught:
        ps.fit_propensity(df, treatment="opt_in", covariates=["noise", "premium"])
    assert 1 in caught.value.columns
    assert ps.fit_propensity(df, treatment="opt_in", covariates=["premium"], penalty=1.0).penalty == 1.0


def test_fit_propensity_warns_of_a_level_that_all_opt_into():
    tier = ["free"] * 20 + ["pro"] * 20 + ["staff"] * 5
    df = pd.DataFrame({"tier": tier, "opt_in": [0, 1] * 20 + [1] * 5})
    with pytest.warns(SeparationWarning, match="^5 rows with tier == 'staff' are all treated"):
        model = ps.fit_propensity(df, treatment="opt_in", covariates=["tier"])
    assert model.scores[:40].sub(0.5).abs().max() < 1e-8


def test_sample_weights_are_those_of_the_twin(users):
    users["count"] = np.linspace(0.2, 3, len(users))
    model = ps.fit_propensity(
        users, treatment="opted", covariates=["visits", "tenure"], penalty=2.0, sample_weight="count"
    )
    twin = reference.fit_logistic(
        users[["visits", "tenure"]].to_numpy(dtype=float),
        users["opted"],
        penalty=2.0,
        sample_weight=users["count"],
    )
    np.testing.assert_allclose(model.coefficients, twin.coefficients, rtol=1e-8)
    np.testing.assert_allclose(model.scores, twin.scores, rtol=1e-9)
    np.testing.assert_array_equal(model.sample_weight, users["count"])


def test_negative_sample_weights_are_refused(users):
    with pytest.raises(InvalidInputError, match=r"sample_weight: 1 negative value \(row u3\)"):
        ps.fit_propensity(
            users,
            treatment="opted",
            covariates=["visits"],
            sample_weight=np.where(users.index == "u3", -1, 1),
        )
