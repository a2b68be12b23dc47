"""Double selection: what is selected, how it is handed on, what the estimates after it are worth."""

import dataclasses

import numpy as np
import pandas as pd
import polars as pl
import pytest

import propensity as ps
from propensity import core
from propensity.errors import InvalidInputError
from propensity.selection.select import plug_in_penalty

ROLES = {"outcome": "spend", "treatment": "opted"}


def frame(n=1_000, d=80, seed=0):
    """Two confounders (x0, x1), what moves the treatment alone (x2), the outcome alone (x3); effect 1."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    opted = 0.6 * x[:, 0] + 0.5 * x[:, 1] + 0.6 * x[:, 2] + rng.logistic(size=n) > 0
    spend = opted + x[:, 0] + x[:, 1] + x[:, 3] + rng.normal(size=n)
    df = pd.DataFrame(x, columns=[f"x{k}" for k in range(d)], index=[f"u{row}" for row in range(n)])
    return df.assign(opted=opted, spend=spend)


def columns(df):
    return [name for name in df.columns if name.startswith("x")]


@pytest.fixture(scope="module")
def df():
    return frame()


@pytest.fixture(scope="module")
def selected(df):
    return ps.select_covariates(df, **ROLES, covariates=columns(df))


def test_selected_are_those_that_move_the_treatment_or_the_outcome(selected):
    assert selected.covariates == ["x0", "x1", "x2", "x3"]
    assert {"x0", "x1", "x2"} == set(selected.chosen_for("opted"))
    assert {"x0", "x1", "x3"} <= set(selected.chosen_for("spend"))
    assert selected.n_candidates == 80


def test_selected_terms_are_the_union_of_the_core_s_two_lassos(df, selected):
    x = df[columns(df)].to_numpy()
    responses = [df["opted"].to_numpy(float), df["spend"].to_numpy()]
    fits = core.lasso(x, responses, penalty=plug_in_penalty(*x.shape))
    chosen = np.any([fit.coefficients != 0 for fit in fits], axis=0)
    assert list(selected.table.index) == [name for name, one in zip(columns(df), chosen, strict=True) if one]
    for name, fit in zip(("opted", "spend"), fits, strict=True):
        assert (selected.table[f"coefficient of {name}"] == fit.coefficients[chosen]).all()
        assert selected.penalties[name].to_numpy() == pytest.approx(
            plug_in_penalty(*x.shape) * fit.loadings, rel=1e-12
        )
    assert selected.penalties.shape == (80, 2)


def test_selected_covariates_take_the_place_of_their_list_everywhere(df, selected):
    listed = selected.covariates
    assert list(selected) == listed
    assert len(selected) == 4
    assert selected[1] == "x1"
    by_list = ps.aipw(df, **ROLES, covariates=listed)
    assert ps.aipw(df, **ROLES, covariates=selected).estimate == by_list.estimate
    assert (
        ps.regression_adjustment(df, **ROLES, covariates=selected).estimate
        == ps.regression_adjustment(df, **ROLES, covariates=listed).estimate
    )
    model = ps.fit_propensity(df, treatment="opted", covariates=selected)
    assert model.terms == ("Intercept", *listed)
    assert ps.fit_weights(df, treatment="opted", covariates=selected).max_imbalance < 1e-9
    assert list(ps.smd(df, treatment="opted", covariates=selected).index) == listed
    tables = [ps.estimate(df, **ROLES, covariates=which).table for which in (selected, listed)]
    assert np.array_equal(*(table.to_numpy() for table in tables))


def test_selected_of_a_formula_are_terms_of_it_as_a_formula(df):
    rng = np.random.default_rng(3)
    plan = rng.choice(["free", "plus", "team"], len(df))
    with_plan = df.assign(plan=plan, spend=df["spend"] + 2 * (plan == "team") + 1.5 * df["x4"] ** 2)
    formula = "plan + I(x4**2) + bs(x5, df=4) + x0:x7 + " + " + ".join(f"x{k}" for k in range(40))
    found = ps.select_covariates(with_plan, **ROLES, covariates=formula)
    assert found.covariates == "plan + I(x4 ** 2) + x0 + x1 + x2 + x3"
    assert list(found) == [found.covariates]
    assert "plan[team]" in found.table.index
    assert (found.table.loc[["plan[team]"], "covariate"] == "plan").all()
    effect = ps.aipw(with_plan, **ROLES, covariates=found)
    assert effect.estimate == ps.aipw(with_plan, **ROLES, covariates=found.covariates).estimate
    assert effect.estimate == pytest.approx(1.0, abs=4 * effect.std_error)


def test_selected_keep_what_is_always_to_be_kept(df):
    found = ps.select_covariates(df, **ROLES, covariates=columns(df), always=["x60"])
    assert found.covariates == ["x0", "x1", "x2", "x3", "x60"]
    assert not found.table.loc["x60", "opted"]
    assert found.table.loc["x60", "coefficient of spend"] == 0
    with pytest.raises(InvalidInputError, match=r"always: 'age' not among the covariates"):
        ps.select_covariates(df, **ROLES, covariates=columns(df), always=["age"])
    with pytest.raises(TypeError, match=r"always: a list of covariates is needed, not 'x60'; take \['x60'\]"):
        ps.select_covariates(df, **ROLES, covariates=columns(df), always="x60")


def test_nothing_selected_is_a_model_of_none(df):
    rng = np.random.default_rng(1)
    noise = df.assign(opted=rng.random(len(df)) < 0.5, spend=rng.normal(size=len(df)))
    found = ps.select_covariates(noise, **ROLES, covariates=columns(df)[:40])
    assert found.covariates == "1"
    assert len(found.table) == 0
    assert str(found).startswith("0 of 40 terms selected")


def test_several_outcomes_select_for_all_of_them(df):
    two = df.assign(visits=df["x9"] + np.random.default_rng(2).normal(size=len(df)))
    found = ps.select_covariates(two, outcome=["spend", "visits"], treatment="opted", covariates=columns(df))
    assert found.covariates == ["x0", "x1", "x2", "x3", "x9"]
    assert found.chosen_for("visits") == ["x9"]
    assert found.outcomes == ("spend", "visits")
    with pytest.raises(KeyError):
        found.chosen_for("x9")


def test_selection_does_not_depend_on_the_order_or_library_of_the_rows(df, selected):
    shuffled = df.sample(frac=1, random_state=0)
    from_polars = pl.from_pandas(df.reset_index(drop=True))
    for other in (shuffled, from_polars):
        found = ps.select_covariates(other, **ROLES, covariates=columns(df))
        assert found.covariates == selected.covariates
        assert found.table["coefficient of spend"].to_numpy() == pytest.approx(
            selected.table["coefficient of spend"].to_numpy(), abs=1e-10
        )


def test_rows_of_sample_weight_zero_are_not_there(df):
    w = pd.Series(np.random.default_rng(5).integers(0, 3, len(df)) * 1.0, index=df.index)
    whole = ps.select_covariates(df, **ROLES, covariates=columns(df), sample_weight=w)
    some = ps.select_covariates(df[w > 0], **ROLES, covariates=columns(df), sample_weight=w[w > 0])
    assert whole.covariates == some.covariates
    assert whole.penalties.to_numpy() == pytest.approx(some.penalties.to_numpy(), rel=1e-9)


def test_selected_covariates_are_frozen_and_speak_in_a_sentence(selected):
    with pytest.raises(dataclasses.FrozenInstanceError):
        selected.covariates = []
    assert str(selected) == (
        "4 of 80 terms selected: 3 foretell opted, 4 foretell spend, 3 the treatment and an outcome"
    )
    assert "x0" in repr(selected)
    assert selected._repr_html_().startswith("<p>4 of 80 terms")


def test_estimates_after_double_selection_have_the_errors_that_they_claim():
    """And after one lasso alone, of the outcome, they have not: the reason for two."""
    estimates, errors, single = [], [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        n, d = 300, 60
        x = rng.normal(size=(n, d))
        # What x0 takes off the outcome it gives back by way of the treatment: its lasso sees nothing.
        opted = 1.2 * x[:, 0] + rng.logistic(size=n) > 0
        spend = opted - 0.25 * x[:, 0] + x[:, 1] + 1.5 * rng.normal(size=n)
        df = pd.DataFrame(x, columns=[f"x{k}" for k in range(d)]).assign(opted=opted, spend=spend)
        found = ps.select_covariates(df, **ROLES, covariates=columns(df), n_threads=1)
        effect = ps.regression_adjustment(df, **ROLES, covariates=found)
        estimates.append(effect.estimate)
        errors.append(effect.std_error)
        alone = ps.regression_adjustment(df, **ROLES, covariates=found.chosen_for("spend") or "1")
        single.append(alone.estimate)
    estimates, errors = np.array(estimates), np.array(errors)
    assert abs(estimates.mean() - 1) < 3 * estimates.std() / np.sqrt(60)
    assert estimates.std() == pytest.approx(errors.mean(), rel=0.25)
    assert np.mean(np.abs(estimates - 1) < 1.96 * errors) > 0.88
    assert np.mean(single) < 0.85
