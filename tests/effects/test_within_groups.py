"""Models of their own in each group: fitted as to its rows alone, without columns of one value there."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

import propensity as ps
from propensity.errors import InvalidInputError
from propensity.frames import laid_out

pytestmark = [
    pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning"),
    pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning"),
    pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning"),
]

ADJUSTMENTS = {"aipw": ps.aipw, "ipwra": ps.ipwra, "regression": ps.regression_adjustment}
GROUPS = {
    "text": lambda k: np.array([f"c{level:02d}" for level in k]),
    "categorical": lambda k: pd.Categorical(
        [f"c{level:02d}" for level in k], [f"c{n:02d}" for n in range(60)]
    ),
    "bool": lambda k: k % 2 == 1,
    "number": lambda k: k * 7,
    "decimal": lambda k: np.float32(0.5) * k.astype(np.float32),
}
FRAMES = {"pandas": lambda df: df, "polars": pl.from_pandas, "arrow": pa.Table.from_pandas}


def rows_of(n, n_groups, seed=5):
    """Rows of many small groups; cities lie in a country each, so that no group has those of others."""
    rng = np.random.default_rng(seed)
    k = rng.integers(0, n_groups, n)
    df = pd.DataFrame({"k": k, "a": rng.normal(size=n), "b": rng.uniform(-1, 1, n).astype(np.float32)})
    df["city"] = [f"{country:02d}-{city}" for country, city in zip(k, rng.integers(0, 3, n), strict=True)]
    df["plan"] = rng.choice(["free", "pro", "team"], n)
    df["t"] = rng.random(n) < 1 / (1 + np.exp(-0.5 * df["a"] - (df["plan"] == "pro") / 2))
    df["y"] = df["a"] + df["t"] * (1 + k % 3) + rng.normal(size=n)
    df["w"] = rng.uniform(0.5, 2.0, n) * (rng.random(n) > 0.1)
    return df


def within(df, method, covariates, by="g", **options):
    """The effects within groups, by weighting or by outcome models."""
    roles = {"outcome": "y", "treatment": "t", "by": by, "within": True}
    if method == "ipw":
        fitted = {name: value for name, value in options.items() if name != "n_folds"}
        model = ps.fit_propensity(df, treatment="t", covariates=covariates, **fitted)
        given = {name: value for name, value in fitted.items() if name == "sample_weight"}
        return ps.ipw(df, scores=model, **roles, **given)
    name, _, folds = method.partition(" ")
    return ADJUSTMENTS[name](
        df, covariates=covariates, **roles, **options, **({"n_folds": 3} if folds else {})
    )


def assert_same(one, other, rtol=1e-12, *, words=True):
    one, other = (found.table.reset_index(drop=True) for found in (one, other))
    if not words:
        one, other = (table.select_dtypes("number") for table in (one, other))
    pd.testing.assert_frame_equal(one, other, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("kind", GROUPS)
@pytest.mark.parametrize(
    ("method", "frame"),
    [(method, "pandas") for method in ("ipw", "aipw", "ipwra", "regression", "aipw folds")]
    + [("ipw", "polars"), ("aipw", "polars"), ("ipwra", "arrow")],
)
def test_groups_column_among_the_covariates_changes_nothing(method, kind, frame):
    df = rows_of(n=900, n_groups=3)
    df["g"] = GROUPS[kind](df["k"].to_numpy())
    df = FRAMES[frame](df.drop(columns=["w", "city"]))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ps.errors.CollinearityWarning)
        beside = within(df, method, ["a", "g", "b", "plan"])
    assert not beside.table["estimate"].isna().any()
    assert_same(beside, within(df, method, ["a", "b", "plan"]))


@pytest.mark.parametrize("many", [0, 10**9])
@pytest.mark.parametrize(
    "formula", ["a + g + b", "a * g + b", "C(plan) * g + a", "g:plan + a", "a:g + b", "g * b * plan"]
)
def test_terms_of_the_groups_column_say_nothing_within_a_group(formula, many, monkeypatch):
    monkeypatch.setattr(laid_out, "_MANY_TERMS", many)
    df = rows_of(n=1_200, n_groups=4)
    df["g"] = GROUPS["text"](df["k"].to_numpy())
    alone = {
        "a + g + b": "a + b",
        "a * g + b": "a + b",
        "C(plan) * g + a": "plan + a",
        "g:plan + a": "plan + a",
        "a:g + b": "a + b",
        "g * b * plan": "b * plan",
    }[formula]
    for method in ("ipw", "regression"):
        with warnings.catch_warnings():
            warnings.simplefilter("error", ps.errors.CollinearityWarning)
            found = within(df, method, formula)
        assert_same(found, within(df, method, alone), rtol=1e-8, words=False)


@pytest.mark.parametrize("many", [0, 10**9])
@pytest.mark.parametrize("method", ["ipw", "aipw", "ipwra"])
@pytest.mark.parametrize("covariates", [["a", "city", "g", "plan"], "a + city + C(plan)"])
def test_models_of_a_group_are_those_of_its_rows_alone(covariates, method, many, monkeypatch):
    """Levels of other groups have no term, the first there is the first, rows of weight 0 are away."""
    monkeypatch.setattr(laid_out, "_MANY_TERMS", many)
    df = rows_of(n=1_200, n_groups=4)
    df["g"] = GROUPS["text"](df["k"].to_numpy())
    options = {"penalty": 2.0, "sample_weight": "w"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ps.errors.CollinearityWarning)  # of a city's country, over all rows
        grouped = within(df, method, covariates, **options)
    for name, effect in grouped.items():
        part = df[df["g"] == name]
        own = covariates if isinstance(covariates, str) else [c for c in covariates if c != "g"]
        roles = {"outcome": "y", "treatment": "t", "sample_weight": "w"}
        if method == "ipw":
            model = ps.fit_propensity(part, treatment="t", covariates=own, **options)
            alone = ps.ipw(part, scores=model, **roles)
        else:
            alone = ADJUSTMENTS[method](part, covariates=own, penalty=2.0, **roles)
        pd.testing.assert_frame_equal(effect.to_frame(), alone.to_frame(), rtol=1e-9)


def test_groups_have_rows_enough_for_the_terms_they_use():
    df = rows_of(n=2_000, n_groups=20)
    df["g"] = GROUPS["text"](df["k"].to_numpy())
    grouped = within(df, "regression", ["a", "b", "city", "g"])
    table = grouped.table
    assert not table["estimate"].isna().any()
    assert not table["note"].str.contains("terms").any()


def test_forest_within_a_group_draws_from_the_columns_that_differ():
    df = rows_of(n=600, n_groups=2)
    df["g"] = GROUPS["text"](df["k"].to_numpy())
    models = {
        "score_model": RandomForestClassifier(20, min_samples_leaf=20, max_features=2, random_state=0),
        "outcome_model": RandomForestRegressor(20, min_samples_leaf=20, max_features=2, random_state=0),
        "n_folds": 2,
    }
    beside = within(df, "aipw", ["a", "g", "b", "plan"], **models)
    assert_same(beside, within(df, "aipw", ["a", "b", "plan"], **models))


def test_models_of_different_terms_name_their_own():
    df = rows_of(n=1_200, n_groups=3)
    df["g"] = GROUPS["text"](df["k"].to_numpy())
    df["same"] = np.where(df["g"] == "c01", 2 * df["a"], df["w"])
    df["like"] = np.where(df["g"] == "c01", 3 * df["b"], df["w"])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        within(df, "aipw", ["g", "a", "same"], outcome_covariates=["b", "like"])
    told = [str(one.message) for one in caught if one.category is ps.errors.CollinearityWarning]
    assert [words.rpartition(": ")[2] for words in told] == ["same", "like"], told
    assert "outcome models: left out" in told[1]


def test_group_of_nothing_but_its_own_column_is_not_adjusted():
    df = rows_of(n=600, n_groups=2)
    df["g"] = GROUPS["text"](df["k"].to_numpy())
    with pytest.warns(ps.errors.DegenerateWarning, match="nothing is adjusted for"):
        grouped = within(df, "aipw", ["g"])
    for name, effect in grouped.items():
        part = df[df["g"] == name]
        gap = part["y"][part["t"]].mean() - part["y"][~part["t"]].mean()
        assert effect.estimate == pytest.approx(gap, rel=1e-12)
    with pytest.raises(InvalidInputError, match="no group has an effect"):
        within(df, "aipw", ["g"], score_model=RandomForestClassifier(5, min_samples_leaf=20), n_folds=2)
