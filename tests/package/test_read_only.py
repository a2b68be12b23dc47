"""Results say what was found in the data as they were: nobody's edit changes them."""

import dataclasses
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest

import propensity as ps
from propensity.errors import InvalidInputError


def people(n=300, seed=5):
    """Bool treatment, float weights: the types whose columns could be shared with a result."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    treated = rng.random(n) < 1 / (1 + np.exp(-x))
    return pd.DataFrame(
        {
            "x": x,
            "t": treated,
            "y": treated + 2 * x + rng.normal(size=n),
            "w": rng.uniform(0.2, 3, n),
            "s": 1 / (1 + np.exp(-x)),
            "g": rng.integers(0, 30, n).astype(float),
        }
    )


def results(df):
    model = ps.fit_propensity(df, treatment="t", covariates=["x"], sample_weight="w")
    call = {"treatment": "t", "sample_weight": "w"}
    effect = ps.ipw(df, outcome="y", scores=model, **call)
    return {
        "model": model,
        "ipw": effect,
        "ipw of a column": ps.ipw(df, outcome="y", scores="s", cluster="g", treatment="t"),
        "aipw": ps.aipw(df, outcome="y", covariates=["x"], **call),
        "boosted": ps.fit_propensity(
            df, covariates=["x"], score_model=ps.Boosting(max_trees=20), n_repeats=2, **call
        ),
        "nearest": ps.match_nn(df, scores="s", exact=["g"], **call),
        "pairs": ps.match_nn(df, scores="s", replace=False, **call),
        "full": ps.match_full(df, scores="s", **call),
        "subclasses": ps.subclassify(df, scores="s", **call),
        "coarsened": ps.match_cem(df, covariates=["x"], **call),
        "trimmed": ps.trim(df, treatment="t", scores="s"),
        "truncated": ps.truncate(effect, upper=0.9),
        "overlap": ps.overlap(df, treatment="t", scores="s"),
    }


def held(result):
    """What a result holds, read and copied."""
    fields = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    return {
        name: np.array(value)
        for name, value in fields.items()
        if isinstance(value, np.ndarray | pd.Series | pd.DataFrame | float)
    }


def assert_same(before, after):
    assert before.keys() == after.keys()
    for name, values in before.items():
        np.testing.assert_array_equal(values, after[name], err_msg=name)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_edit_of_the_frame_changes_no_result():
    df = people()
    found = results(df)
    before = {name: held(result) for name, result in found.items()}
    effects = {name: found[name].effect(df["y"].copy()).estimate for name in ("nearest", "pairs", "full")}
    y = df["y"].copy()
    for name in df:
        df[name].to_numpy()  # a view of it is around, as notebooks have them
        df.loc[:, name] = df[name].to_numpy()[::-1].copy()
    for name, result in found.items():
        assert_same(before[name], held(result))
    for name, estimate in effects.items():
        assert found[name].effect(y).estimate == estimate


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_edit_of_an_array_changes_no_result():
    df = people()
    arrays = {name: df[name].to_numpy().copy() for name in ("w", "s")}
    found = ps.match_nn(df, treatment="t", scores=arrays["s"], sample_weight=arrays["w"])
    before = held(found)
    for values in arrays.values():
        values[:] = values[::-1].copy()  # it stays the caller's, to write to
    assert_same(before, held(found))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_placebo_made_in_place_is_another_treatment():
    df = people()
    model = ps.fit_propensity(df, treatment="t", covariates=["x"])
    df.loc[:, "t"] = np.random.default_rng(0).permutation(df["t"].to_numpy())
    with pytest.raises(InvalidInputError, match="the treatment differs in"):
        ps.ipw(df, outcome="y", treatment="t", scores=model)


def test_weights_overwritten_after_the_fit_are_other_weights():
    df = people()
    model = ps.fit_propensity(df, treatment="t", covariates=["x"], sample_weight="w")
    df.loc[:, "w"] = 1.0
    with pytest.raises(InvalidInputError, match="column 'w' has changed"):
        ps.ipw(df, outcome="y", treatment="t", scores=model, sample_weight="w")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_arrays_of_results_are_read_only():
    found = results(people())
    for name, result in found.items():
        for again in (result, pickle.loads(pickle.dumps(result))):
            for field, value in vars(again).items():
                if isinstance(value, np.ndarray):
                    assert not value.flags.writeable, f"{name}.{field}"
    with pytest.raises(ValueError, match="read-only"):
        found["model"].fit.scores[:] = 0.5


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_read_of_a_result_is_the_readers_own():
    for result in results(people()).values():
        before = held(result)
        for value in (getattr(result, field.name) for field in dataclasses.fields(result)):
            if isinstance(value, pd.Series | pd.DataFrame) and value.size:
                value[:] = value.iloc[::-1].to_numpy()
        assert_same(before, held(result))


@pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning")
def test_weights_put_into_a_frame_can_be_edited_there():
    df = people()
    model = ps.fit_propensity(df, treatment="t", covariates=["x"])
    effect = ps.ipw(df, outcome="y", treatment="t", scores=model)
    largest = effect.weights.max()
    df["weights"], df["scores"] = effect.weights, model.scores
    del effect, model  # pandas copies on write only while somebody else looks
    df.loc[df["weights"] > 2, "weights"] = 2.0
    df.loc[df["scores"] > 0.5, "scores"] = 0.5
    assert df["weights"].max() == 2 < largest


@pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning")
def test_weights_of_a_polars_frame_can_be_edited():
    df = pl.from_pandas(people())
    effect = ps.ipw(df, outcome="y", treatment="t", scores="s")
    before = effect.weights.to_numpy().copy()
    weights = effect.weights
    weights[0] = 99.0
    np.testing.assert_array_equal(effect.weights.to_numpy(), before)
