"""Missing values and rare levels, tidied on request: the bits of by hand, told, and kept for new rows."""

import pickle
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import propensity as ps
from propensity.errors import InvalidInputError

ROLES = {"outcome": "spend", "treatment": "opted"}
COVARIATES = ["age", "tenure", "tier", "country"]
LEAST = 40
TIDY = {"missing": "indicator", "min_level_count": LEAST}
RARE = ("nz", "fj", "is")


def users(n=700, seed=0):
    """Ages are complete, some tenures and tiers are missing, three countries are rare."""
    rng = np.random.default_rng(seed)
    df = pd.DataFrame(
        {
            "age": rng.normal(40, 9, n),
            "tenure": rng.gamma(2, 50, n),
            "tier": rng.choice(["pro", "free", "team"], n),
            "country": rng.choice(["de", "fr", "us", *RARE], n, p=[0.4, 0.3, 0.2, 0.04, 0.03, 0.03]),
            "group": rng.choice(["a", "b"], n),
            "w": rng.uniform(0.5, 2, n),
        }
    )
    lean = (df["age"] - 40) / 20 + (df["tier"] == "pro") - 0.5 * df["country"].isin(RARE)
    df["opted"] = rng.random(n) < 1 / (1 + np.exp(-lean))
    df["spend"] = 2.0 * df["opted"] + df["age"] / 10 + df["tenure"] / 100 + rng.normal(0, 1, n)
    df.loc[rng.random(n) < 0.2, "tenure"] = np.nan
    df.loc[rng.random(n) < 0.1, "tier"] = None
    return df


def by_hand(df):
    """What a user writes."""
    tidy = df.copy()
    tidy["tenure[missing]"] = df["tenure"].isna()
    tidy["tenure"] = df["tenure"].fillna(df["tenure"].mean())
    tiers = sorted(df["tier"].dropna().unique())
    tidy["tier"] = pd.Categorical(df["tier"].fillna("missing"), categories=[*tiers, "missing"])
    counts = df["country"].value_counts()
    kept = sorted(counts.index[counts >= LEAST])
    common = df["country"].where(df["country"].isin(kept), "other")
    tidy["country"] = pd.Categorical(common, categories=[*kept, "other"])
    return tidy


BY_HAND = ["age", "tenure", "tenure[missing]", "tier", "country"]

DOORS = {
    "fit_propensity": lambda df, **o: ps.fit_propensity(df, treatment="opted", **o).scores,
    "probit": lambda df, **o: ps.fit_propensity(df, treatment="opted", score_model="probit", **o).scores,
    "weighted": lambda df, **o: ps.fit_propensity(df, treatment="opted", penalty=1.0, **o).coefficients,
    "boosting": lambda df, **o: (
        ps.fit_propensity(df, treatment="opted", score_model=ps.Boosting(max_trees=20), **o).scores
    ),
    "aipw": lambda df, **o: ps.aipw(df, **ROLES, **o).to_series(),
    "aipw in groups": lambda df, **o: ps.aipw(df, **ROLES, by="group", **o).table["estimate"],
    "aipw within": lambda df, **o: ps.aipw(df, **ROLES, by="group", within=True, **o).table["estimate"],
    "ipwra": lambda df, **o: ps.ipwra(df, **ROLES, **o).to_series(),
    "regression": lambda df, **o: ps.regression_adjustment(df, **ROLES, **o).to_series(),
    "estimate": lambda df, **o: ps.estimate(df, **ROLES, **o).table["estimate"],
    "bootstrap": lambda df, **o: ps.bootstrap(df, **ROLES, n_reps=8, progress=False, **o).replicates,
    "fit_weights": lambda df, **o: ps.fit_weights(df, treatment="opted", **o).weights,
    "balance of weights": lambda df, **o: ps.fit_weights(df, treatment="opted", **o).balance().table,
    "match_nn": lambda df, **o: ps.match_nn(df, treatment="opted", on="mahalanobis", **o).weights,
    "match_full": lambda df, **o: ps.match_full(df, treatment="opted", on="mahalanobis", **o).weights,
    "smd": lambda df, **o: ps.smd(df, treatment="opted", **o),
    "balance": lambda df, **o: ps.balance(df, treatment="opted", **o).table,
    "quantile_effect": lambda df, **o: ps.quantile_effect(df, **ROLES, q=0.5, n_reps=20, **o).table,
    "projection": lambda df, **o: (
        ps.best_linear_projection(df, **ROLES, projection=["age"], **o).coefficients
    ),
    "rank_effect": lambda df, **o: ps.rank_effect(df, **ROLES, priority="age", **o).estimate,
    "robustness_value": lambda df, **o: ps.robustness_value(df, **ROLES, benchmarks=["tenure"], **o).table,
    "sensitivity_bounds": lambda df, **o: ps.sensitivity_bounds(df, **ROLES, gamma=[1.5], **o).table,
    "placebo": lambda df, **o: ps.placebo(df, **ROLES, leave_out=["age"], **o).table["estimate"],
    "select_covariates": lambda df, **o: len(ps.select_covariates(df, **ROLES, **o).table),
    "study": lambda df, **o: ps.Study(df, **ROLES, **o).effect.estimate,
}


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")
@pytest.mark.parametrize("door", DOORS)
def test_tidied_covariates_give_the_bits_of_those_tidied_by_hand(door):
    df = users()
    expected = DOORS[door](by_hand(df), covariates=BY_HAND)
    if door == "robustness_value":  # by hand the indicator is no part of the benchmark
        expected = ps.robustness_value(
            by_hand(df), **ROLES, covariates=BY_HAND, benchmarks=[["tenure", "tenure[missing]"]]
        ).table
    found = DOORS[door](df, covariates=COVARIATES, **TIDY)
    np.testing.assert_array_equal(numbers(found), numbers(expected))


def numbers(found):
    """Give the numbers of whatever is given back."""
    if isinstance(found, pd.DataFrame):
        found = found.select_dtypes("number")
    return np.asarray(found, dtype=np.float64)


def test_a_formula_of_tidied_columns_has_the_indicators_as_terms():
    df = users()
    formula = "age * tier + bs(tenure, df=4) + country"
    found = ps.aipw(df, **ROLES, covariates=formula, **TIDY)
    expected = ps.aipw(by_hand(df), **ROLES, covariates=f"{formula} + `tenure[missing]`")
    assert (found.estimate, found.std_error) == (expected.estimate, expected.std_error)


@pytest.mark.parametrize("library", [pl.from_pandas, pa.Table.from_pandas])
def test_every_library_is_tidied_alike(library):
    df = users()
    fit = partial(ps.fit_propensity, treatment="opted", covariates=COVARIATES, **TIDY)
    there, here = fit(library(df)), fit(df)
    np.testing.assert_allclose(np.asarray(there.scores), here.scores, rtol=1e-12)
    assert there.terms == here.terms


def test_a_model_goes_wherever_scores_go():
    df = users()
    model = ps.fit_propensity(df, treatment="opted", covariates=COVARIATES, **TIDY)
    hand = by_hand(df)
    other = ps.fit_propensity(hand, treatment="opted", covariates=BY_HAND)
    assert model.covariates == tuple(COVARIATES)
    assert ps.ipw(df, **ROLES, scores=model).std_error == ps.ipw(hand, **ROLES, scores=other).std_error
    assert ps.aipw(df, **ROLES, covariates=COVARIATES, scores=model, **TIDY).estimate == (
        ps.aipw(hand, **ROLES, covariates=BY_HAND, scores=other).estimate
    )
    matches, by_other = (
        ps.match_nn(data, treatment="opted", scores=own) for data, own in ((df, model), (hand, other))
    )
    assert matches.effect("spend").std_error == by_other.effect("spend").std_error
    with pytest.raises(InvalidInputError, match=r"column 'tenure' has changed in 1 row \(row 3\)"):
        ps.ipw(df.assign(tenure=df["tenure"].where(df.index != 3, 7.0)), **ROLES, scores=model)


def test_the_rows_of_weight_zero_teach_nothing():
    df = users()
    weight = np.where(np.arange(len(df)) % 3 == 0, 0.0, 1.0)
    options = {"treatment": "opted", "covariates": COVARIATES, **TIDY}
    whole = ps.fit_propensity(df, sample_weight=weight, **options)
    part = ps.fit_propensity(df[weight > 0], sample_weight=weight[weight > 0], **options)
    assert whole.terms == part.terms
    np.testing.assert_allclose(whole.scores[weight > 0], part.scores, rtol=1e-10)


def test_the_mean_counts_sample_weights_so_that_a_weight_of_two_is_the_row_twice():
    df = users()
    twice = np.arange(len(df)) % 2 == 0
    options = {"treatment": "opted", "covariates": "log(tenure) + age", "missing": "indicator"}
    weighted = ps.fit_propensity(df, sample_weight=np.where(twice, 2.0, 1.0), **options)
    spelled_out = ps.fit_propensity(pd.concat([df, df[twice]], ignore_index=True), **options)
    np.testing.assert_allclose(weighted.coefficients, spelled_out.coefficients, rtol=1e-8)


def test_what_was_done_is_told():
    df = users()
    df["tier_known"] = df["tier"].notna()
    n_tenure, n_tier = int(df["tenure"].isna().sum()), int(df["tier"].isna().sum())
    n_rare = int(df["country"].isin(RARE).sum())
    told = [
        f"'tenure': {n_tenure} missing values the mean, {df['tenure'].mean():.6g}"[:40],
        "beside the indicator 'tenure[missing]'",
        f"'tier': {n_tier} missing values a level 'missing'",
        f"'country': 3 levels of fewer than 40 rows together as 'other' ({n_rare} rows)",
    ]
    model = ps.fit_propensity(df, treatment="opted", covariates=COVARIATES, **TIDY)
    options = {"covariates": COVARIATES, **TIDY}
    results = {
        "model": model,
        "ipw": ps.ipw(df, **ROLES, scores=model),
        "aipw": ps.aipw(df, **ROLES, **options),
        "ipw in groups": ps.ipw(df, **ROLES, scores=model, by="tier_known"),
        "aipw in groups": ps.aipw(df, **ROLES, **options, by="tier_known"),
        "estimate": ps.estimate(df, **ROLES, **options),
        "bootstrap": ps.bootstrap(df, **ROLES, n_reps=4, progress=False, **options),
        "weights": ps.fit_weights(df, treatment="opted", **options),
        "matches": ps.match_nn(df, treatment="opted", on="mahalanobis", **options),
        "boosting": ps.fit_propensity(
            df, treatment="opted", score_model=ps.Boosting(max_trees=20), **options
        ),
    }
    for name, result in results.items():
        for words in told:
            assert words in str(result), (name, words)
    assert any("tenure[missing]" in left for left in ps.Study(df, **ROLES, **options).to_dict()["left_out"])


def test_nothing_is_told_where_nothing_was_done():
    df = by_hand(users())
    model = ps.fit_propensity(df, treatment="opted", covariates=["age"], **TIDY)
    assert "Tidied" not in str(model)
    assert model.terms == ("Intercept", "age")


def test_new_rows_are_tidied_as_those_of_the_fit():
    df = users()
    model = ps.fit_propensity(df, treatment="opted", covariates=COVARIATES, **TIDY)
    new = pd.DataFrame(
        {
            "age": [30.0, 50.0],
            "tenure": [np.nan, 10.0],
            "tier": [None, "pro"],
            "country": ["br", "nz"],  # never seen, and rare
        }
    )
    found = pickle.loads(pickle.dumps(model)).predict(new)
    hand = ps.fit_propensity(by_hand(df), treatment="opted", covariates=BY_HAND)
    filled = new.assign(
        tenure=new["tenure"].fillna(df["tenure"].mean()),
        tier=new["tier"].fillna("missing"),
        country="other",
        **{"tenure[missing]": new["tenure"].isna()},
    )
    np.testing.assert_array_equal(found, hand.predict(filled))


def test_new_rows_of_a_boosted_model_are_tidied_too():
    df = users()
    boosting = {"treatment": "opted", "score_model": ps.Boosting(max_trees=20)}
    model = ps.fit_propensity(df, covariates=COVARIATES, **boosting, **TIDY)
    new = df.head(5).assign(country="br", tenure=np.nan)
    alike = df.head(5).assign(country="nz", tenure=np.nan)
    np.testing.assert_array_equal(model.predict(new), model.predict(alike))


@pytest.mark.parametrize(
    ("changes", "options", "says"),
    [
        ({"age": np.nan}, TIDY, r"column 'age': 3 missing values \(rows 0, 1, 2\), and none was missing"),
        ({"country": "br"}, {"missing": "indicator"}, r"column 'country': 3 values .* has not seen, 'br'"),
        ({"tier": "gold"}, TIDY, r"column 'tier': 3 values .* has not seen, 'gold'"),
    ],
)
def test_new_rows_of_which_the_fit_tells_nothing_are_refused(changes, options, says):
    df = users()
    model = ps.fit_propensity(df, treatment="opted", covariates=COVARIATES, **options)
    with pytest.raises(InvalidInputError, match=says):
        model.predict(df.head(3).assign(**changes))


def test_missing_values_are_refused_where_nobody_asked():
    with pytest.raises(InvalidInputError, match="column 'tenure'"):
        ps.fit_propensity(users(), treatment="opted", covariates=COVARIATES, min_level_count=LEAST)


def test_a_rare_level_of_missing_values_joins_the_others():
    df = users()
    df["tier"] = df["tier"].fillna("pro").where(df.index > 9, None)
    model = ps.fit_propensity(df, treatment="opted", covariates=["tier"], **TIDY)
    assert model.terms == ("Intercept", "tier[T.pro]", "tier[T.team]", "tier[T.other]")
    assert "'tier': 10 missing values in 'other' too" in str(model)


@pytest.mark.parametrize(
    ("change", "options", "says"),
    [
        (
            lambda df: df.assign(country=df["country"].replace("de", "other")),
            TIDY,
            "column 'country': levels of fewer than 40 rows would join a level 'other'",
        ),
        (lambda df: df.assign(tenure=np.nan), TIDY, "column 'tenure': every value is missing"),
        (lambda df: df, {"missing": "mean"}, "missing must be one of 'indicator', not 'mean'"),
        (lambda df: df, {"min_level_count": 0}, "min_level_count must be a whole number of at least 1"),
    ],
)
def test_what_cannot_be_tidied_is_refused(change, options, says):
    with pytest.raises(InvalidInputError, match=says):
        ps.fit_propensity(change(users()), treatment="opted", covariates=COVARIATES, **options)


def test_a_rare_level_called_other_takes_the_rest_in():
    df = users()
    df["country"] = df["country"].replace("nz", "other")
    model = ps.fit_propensity(df, treatment="opted", covariates=COVARIATES, **TIDY)
    assert "3 levels of fewer than 40 rows together as 'other'" in str(model)


def test_an_indicator_whose_name_is_taken_is_refused():
    df = users().assign(**{"tenure[missing]": 1.0})
    with pytest.raises(InvalidInputError, match=r"column 'tenure\[missing\]': the indicator"):
        ps.fit_propensity(
            df, treatment="opted", covariates=["tenure", "tenure[missing]"], missing="indicator"
        )


def test_balance_tables_have_the_terms():
    df = users()
    table = ps.balance(df, treatment="opted", covariates=COVARIATES, **TIDY).table
    assert {"tenure[missing]", "tier[missing]", "country[other]"} <= set(table.index)


@pytest.mark.parametrize("covariates", [COVARIATES, "age + tenure + tier + country"])
def test_selected_covariates_are_the_callers_columns(covariates):
    df = users()
    df["opted"] = df["tenure"].isna() ^ (np.arange(len(df)) % 3 == 0)  # the indicator alone foretells
    selected = ps.select_covariates(df, **ROLES, covariates=covariates, always=["country"], **TIDY)
    names = selected.covariates if isinstance(covariates, list) else selected.covariates.split(" + ")
    assert {"tenure", "country"} <= set(names) <= set(COVARIATES)
    assert "tenure[missing]" in selected.table.index
    assert "tenure[missing]" in ps.fit_weights(df, treatment="opted", covariates=selected, **TIDY).imbalance


@pytest.mark.parametrize(("option", "says"), [("missing", "COALESCE"), ("min_level_count", "ELSE 'other'")])
def test_a_table_that_an_engine_holds_is_tidied_in_its_query(option, says):
    lazy = pl.from_pandas(users()).lazy()
    asked = {option: TIDY[option], "treatment": "opted", "covariates": ["age"]}
    for call in (ps.balance, partial(ps.estimate, outcome="spend")):
        with pytest.raises(InvalidInputError, match=f"{option}: not of a table that an engine holds.*{says}"):
            call(lazy, **asked)
