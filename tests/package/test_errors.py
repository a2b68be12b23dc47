"""Misuse: what each mistake answers. The message names the column, counts, shows rows, gives the remedy."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.tree import DecisionTreeClassifier

import propensity as ps
from propensity import errors
from propensity.errors import InvalidInputError, OverlapError

COLUMNS = {"treatment": "opted", "covariates": ["tier", "visits", "tenure"]}


def run_everything(df, **columns):
    """The functions of an analysis, one after the other."""
    columns = COLUMNS | {"outcome": "done"} | columns
    roles = {"treatment": columns["treatment"], "outcome": columns["outcome"]}
    model = ps.fit_propensity(df, treatment=columns["treatment"], covariates=columns["covariates"])
    return ps.ipw(df, scores=model, **roles)


def holes(df, column, rows, value):
    return df.astype({column: float}).assign(
        **{column: lambda d: d[column].where(~d.index.isin(rows), value)}
    )


FRAMES = {
    "one missing value": (
        lambda df: holes(df, "tenure", ["u5"], np.nan),
        {},
        ["column 'tenure': 1 missing value (row u5); drop or impute them first"],
    ),
    "three missing values": (
        lambda df: holes(df, "visits", ["u5", "u17", "u90"], np.nan),
        {},
        ["column 'visits': 3 missing values (rows u5, u17, u90); drop or impute them first"],
    ),
    "many missing values": (
        lambda df: df.assign(tenure=np.nan),
        {},
        ["200 missing values (rows u0, u1, u2, u3, u4, ...)"],
    ),
    "infinite values": (
        lambda df: holes(df, "tenure", ["u2"], -np.inf),
        {},
        ["column 'tenure': 1 infinite value (row u2)"],
    ),
    "several columns": (
        lambda df: holes(holes(df, "tenure", ["u2"], np.inf), "visits", ["u3"], np.nan),
        {},
        ["column 'tenure': 1 infinite value (row u2)", "column 'visits': 1 missing value (row u3)"],
    ),
    "missing text": (
        lambda df: df.assign(tier=df["tier"].mask(df.index == "u4")),
        {},
        ["column 'tier': 1 missing value (row u4)"],
    ),
    "missing category": (
        lambda df: df.assign(tier=df["tier"].mask(df.index == "u4").astype("category")),
        {},
        ["column 'tier': 1 missing value (row u4)"],
    ),
    "missing in a nullable column": (
        lambda df: df.assign(visits=df["visits"].astype("Int64").mask(df.index == "u4")),
        {},
        ["column 'visits': 1 missing value (row u4)"],
    ),
    "missing treatment": (
        lambda df: df.assign(opted=df["opted"].astype("boolean").mask(df.index == "u4")),
        {},
        ["column 'opted': 1 missing value (row u4)"],
    ),
    "missing outcome": (
        lambda df: holes(df, "done", ["u4"], np.nan),
        {},
        ["column 'done': 1 missing value (row u4)"],
    ),
    "missing in a column of a formula": (
        lambda df: holes(df, "tenure", ["u4"], np.nan),
        {"covariates": "bs(tenure, df=4)"},
        ["column 'tenure': 1 missing value (row u4)"],
    ),
    "treatment in words": (
        lambda df: df.assign(opted=np.where(df["opted"], "yes", "no")),
        {},
        ["column 'opted'", "'no', 'yes'", "df['opted'] = df['opted'] == 'yes'"],
    ),
    "treatment of 1 and 2": (
        lambda df: df.assign(opted=df["opted"] + 1),
        {},
        ["column 'opted'", "levels are 1, 2", "df['opted'] = df['opted'] == 2"],
    ),
    "treatment of many values": (
        lambda df: df,
        {"treatment": "tenure", "covariates": ["visits"]},
        ["column 'tenure'", "and 190 more"],
    ),
    "nobody treated": (
        lambda df: df.assign(opted=False),
        {},
        ["column 'opted': 0 treated and 200 control rows; at least 2 of each"],
    ),
    "one control": (
        lambda df: df.assign(opted=df.index != "u4"),
        {},
        ["199 treated and 1 control rows"],
    ),
    "no rows": (lambda df: df.head(0), {}, ["0 treated and 0 control rows"]),
    "unknown covariate": (
        lambda df: df,
        {"covariates": ["teir"]},
        ["column 'teir' is not in the frame; did you mean 'tier'?"],
    ),
    "unknown covariate in a formula": (
        lambda df: df,
        {"covariates": "log(tenur)"},
        ["column 'tenur' is not in the frame; did you mean 'tenure'?"],
    ),
    "unknown treatment": (
        lambda df: df,
        {"treatment": "zzz"},
        ["column 'zzz' is not in the frame; the columns are 'opted', 'done'"],
    ),
    "treatment among the covariates": (
        lambda df: df,
        {"covariates": ["tier", "opted"]},
        ["column 'opted' is the treatment; remove it from the covariates"],
    ),
    "treatment in the formula": (
        lambda df: df,
        {"covariates": "tier + I(opted * 2)"},
        ["column 'opted' is the treatment"],
    ),
    "the same covariate twice": (
        lambda df: df,
        {"covariates": ["tier", "tier"]},
        ["'tier' is listed 2 times"],
    ),
    "two columns of one name": (
        lambda df: df.rename(columns={"premium": "tier"}),
        {},
        ["column 'tier': 2 columns have this name"],
    ),
    "formula without intercept": (lambda df: df, {"covariates": "0 + tier"}, ["removes the intercept"]),
    "formula minus intercept": (lambda df: df, {"covariates": "tier - 1"}, ["removes the intercept"]),
    "formula with two sides": (lambda df: df, {"covariates": "opted ~ tier"}, ["only the right-hand side"]),
    "formula with a typo": (lambda df: df, {"covariates": "tier +"}, ["cannot read 'tier +'"]),
    "formula that is not Python": (lambda df: df, {"covariates": "`tier`.abs()"}, ["cannot read"]),
    "formula with a dot for all columns": (lambda df: df, {"covariates": "."}, ["The `.` operator requires"]),
    "the intercept among the covariates": (
        lambda df: df.assign(Intercept=1.0),
        {"covariates": ["tier", "Intercept"]},
        ["the model has its own 'Intercept'"],
    ),
    "an identifier among the covariates": (
        lambda df: df.assign(user=df.index),
        {"covariates": ["tier", "user"]},
        ["column 'user': 200 levels in 200 rows", "leave it out"],
    ),
    "formula with an unknown function": (
        lambda df: df,
        {"covariates": "wurzel(tenure)"},
        ["there is no function wurzel", "np.<function>"],
    ),
    "formula with the logarithm of zero": (
        lambda df: df.assign(
            visits=df["visits"].where(df.index != "u9", 0).clip(lower=1) - (df.index == "u9")
        ),
        {"covariates": "log(visits)"},
        ["term 'log(visits)': 1 missing or infinite value (row u9)"],
    ),
}


@pytest.mark.parametrize("case", FRAMES)
def test_invalid_input_is_explained(users, case):
    spoil, columns, fragments = FRAMES[case]
    with pytest.raises(InvalidInputError) as caught:
        run_everything(spoil(users), **columns)
    for fragment in fragments:
        assert fragment in str(caught.value)


OUTCOMES = {
    "outcome that is the treatment": (
        {"outcome": "opted"},
        "column 'opted' is both the treatment and the outcome",
    ),
    "unknown outcome": ({"outcome": "dne"}, "column 'dne' is not in the frame; did you mean 'done'?"),
}


@pytest.mark.parametrize("case", OUTCOMES)
def test_invalid_outcome_is_explained(users, case):
    columns, message = OUTCOMES[case]
    with pytest.raises(InvalidInputError) as caught:
        run_everything(users, **columns)
    assert message in str(caught.value)


def test_outcome_among_the_covariates_is_refused(users):
    with pytest.raises(
        InvalidInputError, match="column 'done' is the outcome; remove it from the covariates"
    ):
        ps.bootstrap(users, outcome="done", treatment="opted", covariates=["tier", "done"])


TYPES = {
    "text outcome": (
        lambda df: df,
        {"outcome": "tier"},
        "column 'tier': an outcome must be numeric or bool, not text",
    ),
    "mixed objects": (
        lambda df: df.assign(tier=df["tier"].astype(object).where(df.index != "u4", 7)),
        {},
        "column 'tier': the type object holding mixed-integer values",
    ),
    "dates": (
        lambda df: df.assign(tenure=pd.Timestamp("2026-01-01")),
        {},
        "column 'tenure': the type datetime64",
    ),
    "complex numbers": (lambda df: df.assign(tenure=1j), {}, "column 'tenure': the type complex128"),
    "lists": (lambda df: df.assign(tenure=[[1]] * 200), {}, "column 'tenure': the type object"),
    "polars dates": (
        lambda df: pl.from_pandas(df).with_columns(tenure=pl.lit(datetime.date(2026, 1, 1))),
        {},
        "column 'tenure': the type Date",
    ),
    "a number for a covariate": (
        lambda df: df,
        {"covariates": [3]},
        "covariates: a column is given by its name, as text, not by 3",
    ),
    "no covariates": (lambda df: df, {"covariates": None}, "covariates: a list of columns or a formula"),
    "a series for the treatment": (
        lambda df: df,
        {"treatment": pd.Series([1])},
        "treatment: a column is given by its name, as text, not by Series",
    ),
    "a dict for a frame": (
        lambda df: df.to_dict(),
        {},
        "a data frame is needed (pandas, polars or pyarrow), not dict",
    ),
    "a lazy frame": (lambda df: pl.from_pandas(df).lazy(), {}, "not LazyFrame; collect it first"),
}


@pytest.mark.parametrize("case", TYPES)
def test_wrong_type_is_explained(users, case):
    spoil, columns, message = TYPES[case]
    with pytest.raises(TypeError) as caught:
        run_everything(spoil(users), **columns)
    assert message in str(caught.value)


def test_polars_problems_are_told_by_position(users):
    spoilt = pl.from_pandas(users.assign(tenure=users["tenure"].where(users.index != "u4")))
    for frame in (spoilt, spoilt.fill_null(float("nan")), spoilt.to_arrow()):
        with pytest.raises(InvalidInputError, match=r"column 'tenure': 1 missing value \(row 4\)"):
            run_everything(frame)
    words = spoilt.with_columns(
        tenure=1.0 * pl.int_range(pl.len()),
        opted=pl.when(pl.int_range(pl.len()) < 9).then(pl.lit("yes")).otherwise(pl.lit("no")),
    )
    with pytest.raises(InvalidInputError, match=r"df.with_columns\(pl.col\('opted'\) == 'yes'\)"):
        run_everything(words)
    text = spoilt.with_columns(tier=pl.when(pl.int_range(pl.len()) == 3).then(None).otherwise("tier"))
    with pytest.raises(InvalidInputError, match=r"column 'tier': 1 missing value \(row 3\)"):
        ps.fit_propensity(text, treatment="opted", covariates=["tier"])


SCORES = {
    "another index": (
        lambda e: e.rename(lambda label: label + "x"),
        InvalidInputError,
        "'u0x' here, 'u0' there",
    ),
    "another order": (lambda e: e.sort_values(), InvalidInputError, "take scores.reindex(df.index)"),
    "another length": (lambda e: e.head(10), InvalidInputError, "scores: 10 values for a frame of 200 rows"),
    "a short array": (
        lambda e: e.to_numpy()[:10],
        InvalidInputError,
        "scores: 10 values for a frame of 200 rows",
    ),
    "a short polars series": (
        lambda e: pl.Series(e.head(10)),
        InvalidInputError,
        "scores: 10 values for a frame of",
    ),
    "a table": (lambda e: e.to_numpy()[:, None], TypeError, "not an array of shape (200, 1)"),
    "a table of one": (lambda e: e.to_numpy()[:, None], TypeError, "take its column, scores[:, 0]"),
    "both probabilities": (
        lambda e: np.column_stack([1 - e, e]),
        TypeError,
        "shape (200, 2); of what predict_proba gives take the probabilities of the treated, scores[:, 1]",
    ),
    "a classifier": (
        lambda _: DecisionTreeClassifier(),
        TypeError,
        "not DecisionTreeClassifier, which is a model; where it is fitted, take what it predicts for",
    ),
    "classes": (
        lambda e: (e > e.median()).astype(int),
        OverlapError,
        "scores: all 200 are 0 or 1 exactly (100 at 0, 100 at 1), as what a classifier predicts, or a tree",
    ),
    "bools": (lambda e: e > 0, OverlapError, "scores: all 200 are 0 or 1 exactly (0 at 0, 200 at 1)"),
    "a number": (lambda _: 0.5, TypeError, "scores: a series or an array is needed, not float"),
    "nothing": (lambda _: None, TypeError, "scores: a series or an array is needed, not NoneType"),
    "words": (lambda e: e.map(str), TypeError, "scores: numbers are needed, not text"),
    "an unknown column": (lambda _: "scroe", InvalidInputError, "column 'scroe' is not in the frame"),
    "a column of words": (lambda _: "tier", TypeError, "column 'tier': numbers are needed, not text"),
    "a missing one": (
        lambda e: e.where(e.index != "u3"),
        InvalidInputError,
        "scores: 1 missing value (row u3)",
    ),
    "a zero": (
        lambda e: e.where(e.index != "u3", 0.0),
        OverlapError,
        "scores: 1 score (row u3) at 0 or 1 exactly (1 at 0, 0 at 1)",
    ),
    "a percentage": (
        lambda e: 100 * e,
        InvalidInputError,
        "scores: 200 values (rows u0, u1, u2, u3, u4, ...) below 0 or above 1",
    ),
    "a column of percentages": (lambda _: "visits", InvalidInputError, "column 'visits'"),
}


@pytest.mark.parametrize("case", SCORES)
def test_unusable_scores_are_explained(users, case):
    spoil, error, message = SCORES[case]
    e = ps.fit_propensity(users, **COLUMNS).scores
    # Matching can do without scores: what it says of none is its own.
    for call in (ps.balancing_weights, ps.match_nn)[: 1 if case == "nothing" else 2]:
        with pytest.raises(error) as caught:
            call(users, treatment="opted", scores=spoil(e))
        assert message in str(caught.value)


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # few rows, made up
def test_model_of_other_rows_is_refused(users):
    model = ps.fit_propensity(users, **COLUMNS)
    remedies = {
        r"some of the rows that the model was fitted on, as after trimming: fit it again": users.head(150),
        r"its rows are in another order: put them in that of model\.scores": users[::-1],
        r"or, where they are new rows .*, take scores=model\.predict\(df\)": users.reset_index(drop=True),
    }
    for remedy, other in remedies.items():
        with pytest.raises(InvalidInputError, match=rf"scores: .*{remedy}"):
            ps.ipw(other, outcome="done", treatment="opted", scores=model)
        ps.ipw(other, outcome="done", treatment="opted", scores=model.predict(other))


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # few rows, made up
def test_model_of_reordered_rows_is_refused(users):
    model = ps.fit_propensity(pl.from_pandas(users), **COLUMNS)
    matches = ps.match_nn(pl.from_pandas(users), treatment="opted", scores=model)
    turned = pl.from_pandas(users[::-1])
    with pytest.raises(InvalidInputError, match=r"scores: the rows have been put in another order"):
        ps.ipw(turned, outcome="done", treatment="opted", scores=model)
    with pytest.raises(InvalidInputError, match=r"weights: the rows have been put in another order"):
        ps.smd(turned, **COLUMNS, weights=matches)


def test_series_with_labels_does_not_pass_for_positions(users):
    scores = ps.fit_propensity(users, **COLUMNS).scores
    with pytest.raises(InvalidInputError, match="scores: the index is not the frame's"):
        ps.balancing_weights(pl.from_pandas(users), treatment="opted", scores=scores)


WEIGHTS = {
    "another index": (
        lambda w: w.reset_index(drop=True),
        InvalidInputError,
        "weights: the index is not the frame's",
    ),
    "negative": (
        lambda w: w.where(w.index != "u3", -1.0),
        InvalidInputError,
        "weights: 1 negative value (row u3)",
    ),
    "infinite": (
        lambda w: w.where(w.index != "u3", np.inf),
        InvalidInputError,
        "weights: 1 infinite value (row u3)",
    ),
    "none in an arm": (lambda w: 0 * w, InvalidInputError, "weights: every treated row has weight 0"),
    "an unknown column": (lambda _: "w", InvalidInputError, "column 'w' is not in the frame"),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_unusable_weights_are_explained(users, case):
    spoil, error, message = WEIGHTS[case]
    with pytest.raises(error) as caught:
        ps.smd(users, **COLUMNS, weights=spoil(pd.Series(1.0, index=users.index)))
    assert message in str(caught.value)


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # few rows, made up
def test_matches_of_other_rows_are_refused(users):
    matches = ps.match_nn(users, treatment="opted", scores=ps.fit_propensity(users, **COLUMNS))
    with pytest.raises(
        InvalidInputError, match=r"weights: 200 values for a frame of 100 rows; these matches"
    ):
        ps.smd(users.head(100), **COLUMNS, weights=matches)
    with pytest.raises(InvalidInputError, match="outcome: the index is not the frame's"):
        matches.effect(users["done"].reset_index(drop=True))
    with pytest.raises(InvalidInputError, match="column 'dome' is not in the frame; did you mean 'done'"):
        matches.effect("dome")
    with pytest.raises(TypeError, match="outcome: an outcome must be numeric or bool, not text"):
        matches.effect(users["tier"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"estimators": [ps.IPW(), ps.IPW()]}, "estimators: 'IPW ATE' occurs twice or more; give each once"),
        ({"estimators": []}, "estimators: at least one is needed"),
        ({"estimators": ["psm"]}, "a specification such as IPW() is needed, not 'psm'"),
        (
            {"estimators": ["IPW"]},
            "'IPW' is a word of tables; give what it stands for: estimators=[ps.IPW()]",
        ),
        (
            {"estimators": ["IPW ATT", "naive gap", "1-nn ATT", ps.AIPW()]},
            'give what they stand for: estimators=[ps.IPW("ATT"), ps.NearestNeighbors("ATT"), ps.AIPW(',
        ),
        ({"estimators": ["naive gap"]}, "'naive gap' stands in every table of estimate by itself"),
        ({"estimators": [ps.IPW]}, "IPW is a class; call it: IPW()"),
        ({"n_reps": 0}, "n_reps must be a whole number of at least 2, not 0"),
        ({"n_reps": 2.5}, "n_reps must be a whole number"),
        (
            {"seed": -1},
            "seed must be a whole number of at least 0, a numpy.random.Generator, or None, not -1",
        ),
        ({"seed": 2**63}, "seed must be below 2**63"),
        ({"seed": "7"}, "seed must be a whole number"),
        ({"penalty": -1.0}, "penalty must be a finite number of at least 0, not -1.0"),
        ({"penalty": float("inf")}, "penalty must be a finite number"),
        ({"penalty": "1"}, "penalty must be a finite number"),
        ({"n_threads": 0}, "n_threads must be a whole number of at least 1, not 0"),
    ],
)
def test_bootstrap_options_are_checked(users, options, message):
    with pytest.raises(InvalidInputError) as caught:
        ps.bootstrap(users, **COLUMNS, outcome="done", **options)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ps.IPW("ATX"), "estimand must be one of 'ATE', 'ATT', 'ATC', 'ATO', 'ATM', not 'ATX'"),
        (lambda: ps.AIPW("ATX"), "estimand must be one of 'ATE', 'ATT', 'ATC', not 'ATX'"),
        (lambda: ps.NearestNeighbors("ATO"), "estimand must be one of 'ATT', 'ATC', 'ATE', not 'ATO'"),
        (lambda: ps.NearestNeighbors(n_neighbors=0), "n_neighbors must be a whole number of at least 1"),
        (lambda: ps.NearestNeighbors(n_neighbors=True), "n_neighbors must be a whole number of at least 1"),
        (lambda: ps.NearestNeighbors(caliper=0), "caliper must be a finite number greater than 0"),
        (lambda: ps.NearestNeighbors(caliper=float("nan")), "caliper must be a finite number greater than 0"),
        (lambda: ps.NearestNeighbors(on="probit"), "on must be one of 'score', 'logit', 'mahalanobis'"),
    ],
)
def test_estimator_options_are_checked(make, message):
    with pytest.raises(InvalidInputError) as caught:
        make()
    assert message in str(caught.value)


def test_function_options_are_checked(users):
    model = ps.fit_propensity(users, **COLUMNS)
    with pytest.raises(InvalidInputError, match="estimand must be one of"):
        ps.ipw(users, outcome="done", treatment="opted", scores=model, estimand="average")
    with pytest.raises(InvalidInputError, match="estimand must be one of"):
        ps.match_nn(users, treatment="opted", scores=model, estimand="ATO")
    with pytest.raises(InvalidInputError, match="denominator must be one of"):
        ps.smd(users, **COLUMNS, denominator="sd")
    with pytest.raises(InvalidInputError, match="penalty must be"):
        ps.fit_propensity(users, **COLUMNS, penalty=-1)


def test_separation_is_an_error_of_its_own(users):
    users["decides"] = users["opted"] + 0.1 * users["tenure"]
    with pytest.raises(errors.SeparationError, match="separation"):
        ps.fit_propensity(users, treatment="opted", covariates=["decides", "tenure"])


def test_errors_are_value_errors():
    for name in ("OverlapError", "SeparationError", "NoMatchesError", "ConvergenceError"):
        assert issubclass(getattr(errors, name), InvalidInputError)
    assert issubclass(InvalidInputError, ValueError)
