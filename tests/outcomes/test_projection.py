"""The best linear projection of the effect: statsmodels' least squares on pseudo-outcomes, and intervals."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from scipy import stats

import propensity as ps
from propensity.errors import CollinearityWarning, InvalidInputError

pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # not the question here

ROLES = {"outcome": "y", "treatment": "t", "covariates": ["x", "tier"]}


def drawn(rng, n, slope=0.5):
    """Rows on whom the treatment does 1 + slope x; those of large x are treated more often."""
    x = rng.normal(size=n)
    t = (rng.random(n) < 1 / (1 + np.exp(-0.5 * x))).astype(int)
    y = x + t * (1 + slope * x) + rng.normal(size=n)
    tier = rng.choice(["light", "medium", "heavy"], n)
    return pd.DataFrame({"x": x, "t": t, "y": y, "tier": tier, "team": np.arange(n) % 70})


@pytest.fixture(scope="module")
def rows():
    frame = drawn(np.random.default_rng(3), 1500)
    frame.index = pd.Index(np.arange(1500) * 7)
    return frame.assign(s=np.random.default_rng(4).integers(0, 3, 1500))


@pytest.mark.parametrize("options", [{}, {"n_repeats": 3}, {"cluster": "team"}, {"sample_weight": "s"}])
def test_projection_on_nothing_is_the_effect(rows, options):
    whole = ps.aipw(rows, **ROLES, n_folds=5, **options)
    row = ps.best_linear_projection(rows, **ROLES, **options, projection="1").table.loc["Intercept"]
    assert row["estimate"] == pytest.approx(whole.estimate, rel=1e-12)
    # HC3 divides by 1 - h, with h of 1 / n or, with weights, as large as a row's share.
    assert row["std_error"] == pytest.approx(whole.std_error, rel=5e-3)


@pytest.mark.parametrize("weights", [None, "s"])
@pytest.mark.parametrize("projection", ["x + tier", "x * tier", "np.exp(x)"])
def test_projection_is_least_squares_on_pseudo_outcomes(rows, projection, weights):
    found = ps.best_linear_projection(rows, **ROLES, projection=projection, sample_weight=weights)
    effects = found.pseudo_outcomes
    assert effects.index.equals(rows.index)
    there = effects.notna()
    if weights is None:
        assert there.all()
    s = np.ones(len(rows)) if weights is None else rows["s"]
    assert (there == (s > 0)).all()
    frame = rows.assign(effect=effects)[there]
    fit = sm.WLS.from_formula(f"effect ~ {projection}", frame, weights=s[there]).fit(cov_type="HC3")
    # Formulaic and patsy may order levels otherwise; names say which is which.
    assert_allclose(found.coefficients.sort_index(), fit.params.sort_index(), rtol=1e-9)
    # statsmodels' leverage is that of weighted rows, as here.
    assert_allclose(found.table["std_error"].sort_index(), fit.bse.sort_index(), rtol=1e-9)


def test_clusters_are_those_of_statsmodels(rows):
    found = ps.best_linear_projection(rows, **ROLES, projection=["x"], cluster="team")
    fit = sm.OLS(found.pseudo_outcomes, sm.add_constant(rows[["x"]]))
    plain = fit.fit(cov_type="cluster", cov_kwds={"groups": rows["team"], "use_correction": False})
    # The residual over 1 - h in place of the residual, and G / (G - 1).
    assert_allclose(found.table["std_error"], plain.bse * np.sqrt(70 / 69), rtol=5e-3)
    assert "summed within 70 clusters" in repr(found)


def test_degrees_of_freedom_are_rows_over_the_kurtosis_of_what_they_add(rows):
    found = ps.best_linear_projection(rows, **ROLES, projection=["x"])
    fit = sm.OLS(found.pseudo_outcomes, sm.add_constant(rows[["x"]])).fit()
    z = fit.model.exog
    held = fit.get_influence().hat_matrix_diag
    moved = (fit.resid.to_numpy() / (1 - held))[:, None] * (z @ np.linalg.inv(z.T @ z))
    expected = (moved**2).sum(axis=0) ** 2 / (moved**4).sum(axis=0)
    assert_allclose(found.table["df"], expected, rtol=1e-6)
    law = stats.t(expected[1])
    line = found.table.loc["x"]
    assert line["p_value"] == pytest.approx(2 * law.sf(abs(line["estimate"]) / line["std_error"]), rel=1e-5)


def test_prediction_is_the_line_and_its_error(rows):
    found = ps.best_linear_projection(rows, **ROLES, projection=["x"])
    new = pd.DataFrame({"x": [0.0, 2.0]}, index=["a", "b"])
    said = found.predict(new, level=0.9)
    assert list(said.index) == ["a", "b"]
    assert said.loc["a", "estimate"] == pytest.approx(found.coefficients["Intercept"])
    assert said.loc["a", "std_error"] == pytest.approx(found.table.loc["Intercept", "std_error"])
    b = np.array([1.0, 2.0])
    assert said.loc["b", "estimate"] == pytest.approx(b @ found.coefficients)
    assert said.loc["b", "std_error"] == pytest.approx(np.sqrt(b @ found.covariance.to_numpy() @ b))
    assert said.loc["b", "conf_high"] - said.loc["b", "conf_low"] == pytest.approx(
        2 * stats.t.ppf(0.95, found.df.min()) * said.loc["b", "std_error"]
    )


def test_units_of_a_term_do_not_matter(rows):
    far = rows.assign(tenure=1e6 + 1e-3 * rows["x"])
    plain = ps.best_linear_projection(rows, **ROLES, projection=["x"]).table.loc["x"]
    moved = ps.best_linear_projection(far, **ROLES, projection=["tenure"]).table.loc["tenure"]
    assert_allclose(moved["estimate"] / 1e3, plain["estimate"], rtol=1e-5)
    assert_allclose(moved["p_value"], plain["p_value"], rtol=1e-4)


def test_term_that_repeats_others_is_left_out(rows):
    twice = rows.assign(again=3 * rows["x"] - 2)
    with pytest.warns(CollinearityWarning, match="projection: left out"):
        found = ps.best_linear_projection(twice, **ROLES, projection=["x", "again"])
    assert found.dropped == ("again",)
    assert list(found.table.index) == ["Intercept", "x"]
    alone = ps.best_linear_projection(twice, **ROLES, projection=["x"])
    pd.testing.assert_frame_equal(found.table, alone.table)
    assert len(found.predict(twice[["x", "again"]])) == len(rows)


def test_rows_of_a_frame_of_polars_are_the_same(rows):
    one = ps.best_linear_projection(rows, **ROLES, projection="x + tier")
    other = ps.best_linear_projection(pl.from_pandas(rows), **ROLES, projection="x + tier")
    pd.testing.assert_frame_equal(one.table, other.table)
    assert isinstance(other.pseudo_outcomes, pl.Series)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"projection": ["y"]}, "projection: column 'y' is "),
        ({"projection": "x + t"}, "projection: column 't' is "),
        ({"projection": ["nope"]}, "nope"),
        ({"projection": "x", "n_folds": 1}, "n_folds"),
        ({"projection": ["gap"]}, "gap"),
    ],
)
def test_projections_that_cannot_be_are_answered(rows, options, said):
    gaps = rows.assign(gap=rows["x"].where(rows["x"] > 0))
    with pytest.raises(InvalidInputError, match=said):
        ps.best_linear_projection(gaps, **ROLES, **options)


def test_interval_of_a_slope_holds_what_it_promises():
    """Of 300 samples of 400 rows, 95% of the intervals: between 272 and 297, as 999 in 1,000 times."""
    rng = np.random.default_rng(8)
    held = 0
    for _ in range(300):
        found = ps.best_linear_projection(drawn(rng, 400), **ROLES, projection=["x"], score_model="logistic")
        row = found.table.loc["x"]
        held += row["conf_low"] <= 0.5 <= row["conf_high"]
    assert 272 <= held <= 297
