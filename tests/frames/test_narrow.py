"""Columns that are read where they lie: the numbers are those of the same values as a matrix of float64."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import propensity as ps
from propensity import core
from propensity.errors import InvalidInputError
from propensity.frames import kinds
from propensity.frames.lines import Subject

pytestmark = [
    pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning"),
    pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning"),
    pytest.mark.filterwarnings("ignore::propensity.errors.ColumnWarning"),
]

COVARIATES = ["single", "whole", "flag", "tier", "double"]
ROLES = {"treatment": "t"}


def drawn(n=3_000, seed=4):
    rng = np.random.default_rng(seed)
    single = rng.normal(size=n).astype(np.float32)
    tier = pd.Categorical.from_codes(rng.integers(0, 4, n), ["high", "low", "mid", "none"])
    t = rng.random(n) < 1 / (1 + np.exp(-0.5 * single + 0.4 * (tier == "mid")))
    return pd.DataFrame(
        {
            "single": single,
            "whole": rng.integers(-5, 30, n),
            "flag": rng.random(n) < 0.3,
            "tier": tier,
            "double": rng.normal(size=n),
            "t": t,
            "y": (single + t + rng.normal(size=n)).astype(np.float32),
            "z": rng.poisson(2.0, n),
        }
    )


def widened(df):
    """Give the same values, numbers as float64."""
    return df.assign(**{name: df[name].astype(float) for name in ("single", "whole", "flag", "y", "z")})


LIBRARIES = {
    "pandas": lambda df: df,
    "polars": pl.from_pandas,
    "polars of text": lambda df: pl.from_pandas(df.astype({"tier": str})),
    "pyarrow": pa.Table.from_pandas,
}


def answers(df):
    model = ps.fit_propensity(df, **ROLES, covariates=COVARIATES)
    matches = ps.match_nn(df, **ROLES, scores=model)
    weighted = ps.ipw(df, **ROLES, outcome=["y", "z"], scores=model)
    adjusted = ps.aipw(df, **ROLES, outcome="y", covariates=COVARIATES, scores=model)
    other = ps.aipw(df, **ROLES, outcome="y", covariates=COVARIATES, outcome_covariates=["single", "tier"])
    boot = ps.bootstrap(df, **ROLES, outcome="y", covariates=COVARIATES, n_reps=20)
    effects = [matches.effect("y"), weighted["y"], weighted["z"], adjusted, other]
    return {
        "coefficients": model.coefficients,
        "covariance": model.covariance,
        "scores": np.asarray(model.scores),
        "predicted": np.asarray(model.predict(df)),
        "effects": [number for effect in effects for number in (effect.estimate, effect.std_error)],
        "jackknife": weighted["y"].conf_int(se="jackknife"),
        "balance": ps.balance(df, **ROLES, covariates=COVARIATES, scores=model).table.to_numpy(float),
        "smd": ps.smd(df, **ROLES, covariates=COVARIATES),
        "overlap": ps.overlap(df, **ROLES, scores=model).to_frame().to_numpy(float),
        "replicates": boot.replicates,
    }


@pytest.mark.parametrize("library", LIBRARIES)
def test_numbers_do_not_hang_on_the_types_of_columns(library):
    df = drawn()
    found, expected = answers(LIBRARIES[library](df)), answers(widened(df))
    for name, numbers in expected.items():
        assert_allclose(np.asarray(found[name], float), np.asarray(numbers, float), rtol=1e-12, err_msg=name)


def test_columns_give_the_core_what_their_matrix_gives():
    df = drawn()
    codes = df["tier"].cat.codes.to_numpy()
    levels = [(codes, level) for level in (1, 2, 3)]
    numbers = [df[name].to_numpy() for name in ("single", "whole", "flag", "double")]
    x = np.column_stack([*(column.astype(float) for column in numbers), *(codes == k for _, k in levels)])
    x, columns, t = np.asfortranarray(x), [*numbers, *levels], df["t"].to_numpy()
    y = df["y"].to_numpy(float)
    fit = core.fit_propensity(x, t)
    again = core.fit_propensity(columns, t)
    assert_array_equal(again.scores, fit.scores)
    assert_array_equal(fit.predict(columns), fit.predict(x))
    for call in (
        lambda x: core.ipw(y, t, fit.scores, x=x).std_error,
        lambda x: core.adjust(x, t, y, method="aipw").std_error,
        lambda x: core.matching_effect(y, t, fit.scores, x=x).std_error,
        lambda x: core.balance(x, t, weights=[y**2]).ks,
        lambda x: core.balance(x, t).ecdf_difference,
        lambda x: core.smd(x, t),
        lambda x: core.product_smds(x, t, [(0, 0), (1, 4), (2, 3)]),
    ):
        assert_array_equal(call(columns), call(x))


def test_columns_that_are_no_matrix_are_refused():
    t = np.array([True, False] * 10)
    x = np.linspace(0, 1, 20)
    with pytest.raises(InvalidInputError, match="x: columns of 20 and of 19 rows are not a matrix"):
        core.fit_propensity([x, x[1:]], t)
    with pytest.raises(InvalidInputError, match=r"a list without columns; take an array of shape \(n, 0\)"):
        core.fit_propensity([], t)
    with pytest.raises(InvalidInputError, match="beside factors a matrix is needed, not a list of columns"):
        core.fit_propensity([x], t, factors=[np.arange(20) % 3])
    with pytest.raises(InvalidInputError, match="missing or infinite"):
        core.fit_propensity([np.where(x > 0.9, np.nan, x).astype(np.float32)], t)


def test_frame_that_was_written_to_is_refused_whatever_its_types():
    for library in (lambda df: df.copy(), pl.from_pandas):
        df = library(drawn())
        model = ps.fit_propensity(df, **ROLES, covariates=COVARIATES)
        before = np.asarray(model.scores).copy()
        if isinstance(df, pl.DataFrame):
            df[0, "single"] = 9.0
        else:
            df.loc[0, "single"] = np.float32(9.0)
        with pytest.raises(InvalidInputError, match="column 'single' has changed"):
            ps.ipw(df, **ROLES, outcome="y", scores=model)
        assert_array_equal(np.asarray(model.scores), before)


def test_effect_keeps_the_covariates_that_it_was_made_from():
    df = drawn()
    model = ps.fit_propensity(df, **ROLES, covariates=COVARIATES)
    effect = ps.ipw(df, **ROLES, outcome="y", scores=model)
    expected = effect.conf_int(se="jackknife")
    effect = ps.ipw(df, **ROLES, outcome="y", scores=model)
    df["single"] *= 2
    df.loc[:, "double"] = 0.0
    assert effect.conf_int(se="jackknife") == expected


WORDS = ["b", "a", None, "c", "b", "é", "", "a", None, "10"]


@pytest.mark.parametrize(
    "series",
    [
        pl.Series(WORDS),
        pl.Series(WORDS, dtype=pl.Categorical),
        pl.concat([pl.Series(WORDS[:4], dtype=pl.Categorical), pl.Series(WORDS[4:], dtype=pl.Categorical)]),
        pa.array(WORDS),
        pa.array(WORDS, pa.large_string()),
        pa.array(WORDS).dictionary_encode(),
        pa.chunked_array([pa.array(part).dictionary_encode() for part in (WORDS[:3], WORDS[3:])]),
        pa.chunked_array([WORDS[:3], WORDS[3:]]),
    ],
    ids=lambda series: str(getattr(series, "dtype", getattr(series, "type", ""))),
)
def test_words_of_other_libraries_are_the_levels_of_pandas(series):
    found = kinds.read(pa.chunked_array([series]) if isinstance(series, pa.Array) else series, Subject("x"))
    expected = pd.Series(pd.Categorical(WORDS))
    assert found.cat.categories.tolist() == expected.cat.categories.tolist()
    assert found.cat.codes.tolist() == expected.cat.codes.tolist()


def test_levels_of_an_enum_keep_their_order_and_those_without_rows_go():
    series = pl.Series(["x", "y", None, "x"], dtype=pl.Enum(["y", "q", "x"]))
    found = kinds.read(series, Subject("x"))
    assert found.cat.categories.tolist() == ["y", "x"]
    assert found.cat.codes.tolist() == [1, 0, -1, 1]
    nothing = kinds.read(pl.Series([None, None], dtype=pl.Enum(["y", "q"])), Subject("x"))
    assert nothing.isna().all()
    assert nothing.cat.categories.tolist() == []


def test_many_words_are_coded_as_one_by_one():
    words = np.random.default_rng(3).integers(0, 70_000, 200_000).astype(str)
    for series in (pl.Series(words), pl.Series(words, dtype=pl.Categorical)):
        found = kinds.read(series, Subject("x"))
        assert_array_equal(found.astype(str).to_numpy(), words)
        assert found.cat.categories.is_monotonic_increasing
