"""Rows are known by label and by what they hold: what was made of other rows is refused everywhere."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import propensity as ps
from propensity import core
from propensity.errors import InvalidInputError

CALL = {"treatment": "t"}

pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning")  # not the question here


def people(n=600, seed=0):
    """Sorted by treatment, as a concatenation of controls and treated is; x moves treatment and outcome."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    t = (rng.random(n) < 1 / (1 + np.exp(-x))).astype(int)
    region = rng.choice(["north", "south", "west"], n)
    df = pd.DataFrame({"x": x, "t": t, "y": t + 2 * x + rng.normal(size=n), "region": region})
    return df.sort_values("t", kind="stable").reset_index(drop=True)


def moved(df):
    """The same rows in another order, which the treatment's column does not show."""
    return df.sort_values(["t", "y"]).reset_index(drop=True)


LIBRARIES = {"pandas": lambda df: df, "polars": pl.from_pandas, "pyarrow": pa.Table.from_pandas}

TAKING_SCORES = {
    "ipw": lambda df, s: ps.ipw(df, outcome="y", scores=s, **CALL),
    "balancing_weights": lambda df, s: ps.balancing_weights(df, scores=s, **CALL),
    "match_nn": lambda df, s: ps.match_nn(df, scores=s, **CALL),
    "match_full": lambda df, s: ps.match_full(df, scores=s, **CALL),
    "subclassify": lambda df, s: ps.subclassify(df, scores=s, **CALL),
    "trim": lambda df, s: ps.trim(df, scores=s, **CALL),
    "overlap": lambda df, s: ps.overlap(df, scores=s, **CALL),
    "balance": lambda df, s: ps.balance(df, scores=s, covariates=["region"], **CALL),
}

WITH_WEIGHTS = {
    "ipw": lambda df, s: ps.ipw(df, outcome="y", scores=s, **CALL),
    "aipw": lambda df, s: ps.aipw(df, outcome="y", covariates=["x"], **CALL),
    "match_nn": lambda df, s: ps.match_nn(df, scores=s, **CALL),
    "matched effect": lambda df, s: ps.match_nn(df, scores=s, **CALL).effect(df["y"]),
    "match_full": lambda df, s: ps.match_full(df, scores=s, **CALL),
    "subclassify": lambda df, s: ps.subclassify(df, scores=s, **CALL),
    "match_cem": lambda df, s: ps.match_cem(df, covariates=["x"], **CALL),
    "truncate": lambda df, s: ps.truncate(ps.ipw(df, outcome="y", scores=s, **CALL), upper=0.99),
    "truncate of a model": lambda df, s: ps.truncate(s, upper=0.99),
}

TAKING_WEIGHTS = {
    "smd": lambda df, w: ps.smd(df, covariates=["region"], weights=w, **CALL),
    "balance": lambda df, w: ps.balance(df, covariates=["region"], weights={"after": w}, **CALL),
    "weighted_effect": lambda df, w: ps.weighted_effect(df, outcome="y", weights=w, **CALL),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("function", TAKING_SCORES)
def test_a_model_of_rows_in_another_order_is_refused(function, library):
    df = people()
    model = ps.fit_propensity(LIBRARIES[library](df), covariates=["x", "region"], **CALL)
    TAKING_SCORES[function](LIBRARIES[library](df), model)
    with pytest.raises(
        InvalidInputError, match=r"put in another order \(columns 'x', 'region' hold the same"
    ):
        TAKING_SCORES[function](LIBRARIES[library](moved(df)), model)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("function", TAKING_SCORES)
def test_a_model_of_a_covariate_that_has_changed_is_refused(function):
    df = people()
    model = ps.fit_propensity(df, covariates=["x", "region"], **CALL)
    changed = df.copy()
    changed.loc[[3, 17], "x"] += 0.5
    with pytest.raises(InvalidInputError, match=r"column 'x' has changed in 2 rows \(rows 3, 17\) since"):
        TAKING_SCORES[function](changed, model)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("made", WITH_WEIGHTS)
def test_weights_of_rows_in_another_order_are_refused(made, library):
    df = people()
    frame = LIBRARIES[library](df)
    model = ps.fit_propensity(frame, covariates=["x", "region"], **CALL)
    result = WITH_WEIGHTS[made](frame, model)
    for function in TAKING_WEIGHTS.values():
        function(frame, result)
        with pytest.raises(InvalidInputError, match="put in another order"):
            function(LIBRARIES[library](moved(df)), result)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("made", ["match_nn", "match_full", "subclassify", "match_cem"])
def test_frame_of_matches_wants_the_rows_that_were_matched(made):
    df = people()
    result = WITH_WEIGHTS[made](df, ps.fit_propensity(df, covariates=["x"], **CALL))
    assert len(result.frame(df)) > 0
    with pytest.raises(InvalidInputError, match="df: the rows have been put in another order"):
        result.frame(moved(df))


def test_frame_of_trimmed_rows():
    df = people()
    trimmed = ps.trim(df, scores=ps.fit_propensity(df, covariates=["x"], **CALL), **CALL)
    pd.testing.assert_frame_equal(trimmed.frame(df), df[trimmed.keep])
    with pytest.raises(InvalidInputError, match="df: the rows have been put in another order"):
        trimmed.frame(moved(df))


def test_a_model_is_fitted_again_on_the_rows_that_trimming_keeps():
    df = people()
    model = ps.fit_propensity(df, covariates=["x"], **CALL)
    kept = df[ps.trim(df, scores=model, **CALL).keep]
    with pytest.raises(
        InvalidInputError, match=r"some of the rows .* fit it again, to the rows kept"
    ) as error:
        ps.ipw(kept, outcome="y", scores=model, **CALL)
    assert "predict" not in str(error.value)
    for kept in (pl.from_pandas(df)[:500], df[:500].set_axis(pd.RangeIndex(500))):
        unlabelled = ps.fit_propensity(LIBRARIES["polars"](df), covariates=["x"], **CALL)
        with pytest.raises(
            InvalidInputError, match=r"fit it again to the rows kept; where they are new rows"
        ):
            ps.ipw(kept, outcome="y", scores=unlabelled, **CALL)
    others = people(seed=1).set_index(np.arange(600) + 1_000)
    with pytest.raises(InvalidInputError, match=r"new rows .* take scores=model.predict\(df\)"):
        ps.ipw(others, outcome="y", scores=model, **CALL)


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # few rows, made up
def test_a_model_knows_its_rows_in_another_library_and_type():
    df = people()
    model = ps.fit_propensity(df, covariates=["x", "region"], **CALL)
    expected = ps.ipw(df, outcome="y", scores=model, **CALL).estimate
    other = [
        pl.from_pandas(df),
        pa.Table.from_pandas(df),
        df.astype({"region": "category", "t": bool}),
        df.astype({"region": pd.CategoricalDtype(["west", "south", "north"], ordered=True)}),
        df.assign(z=1.0)[["z", "y", "region", "t", "x"]],
    ]
    for frame in other:
        assert ps.ipw(frame, outcome="y", scores=model, **CALL).estimate == pytest.approx(expected, rel=1e-12)
    # Without the columns of the model its rows are known by label and treatment.
    ps.balancing_weights(df[["t"]], scores=model, **CALL)


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # few rows, made up
def test_a_model_from_a_pickle_knows_its_rows():
    df = people()
    model = pickle.loads(pickle.dumps(ps.fit_propensity(df, covariates=["x", "region"], **CALL)))
    ps.ipw(df, outcome="y", scores=model, **CALL)
    with pytest.raises(InvalidInputError, match="put in another order"):
        ps.ipw(moved(df), outcome="y", scores=model, **CALL)


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # few rows, made up
def test_plots_compare_rows():
    plots = pytest.importorskip("propensity.plots")
    df = people()
    effect = ps.ipw(df, outcome="y", scores=ps.fit_propensity(df, covariates=["x"], **CALL), **CALL)
    model = ps.fit_propensity(df, covariates=["x"], **CALL)
    with pytest.raises(InvalidInputError, match="put in another order"):
        plots.ecdf_plot(moved(df), "x", treatment="t", weights=effect)
    with pytest.raises(InvalidInputError, match="put in another order"):
        plots.overlap_plot(moved(df), model)
    with pytest.raises(InvalidInputError, match="put in another order"):
        plots.match_plot(ps.match_cem(moved(df), covariates=["x"], **CALL), model)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("call", [*TAKING_SCORES, *(f"{name}, weights" for name in TAKING_WEIGHTS)])
@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # few rows, made up
def test_rows_sorted_otherwise_are_told_to_be_in_another_order_not_to_be_treated_otherwise(library, call):
    df = people()
    model = ps.fit_propensity(LIBRARIES[library](df), covariates=["x"], **CALL)
    made = model if call in TAKING_SCORES else ps.match_nn(LIBRARIES[library](df), scores=model, **CALL)
    take = TAKING_SCORES.get(call) or TAKING_WEIGHTS[call.partition(",")[0]]
    for rows in (df.sort_values("y", ignore_index=True), df.iloc[::-1].reset_index(drop=True)):
        with pytest.raises(InvalidInputError, match=r"rows have been put in another order .*; put them back"):
            take(LIBRARIES[library](rows), made)
    swapped = pd.concat([df[df.t == 1].head(250), df[df.t == 0].head(250)], ignore_index=True)
    model = ps.fit_propensity(LIBRARIES[library](swapped), covariates=["x"], **CALL)
    with pytest.raises(InvalidInputError, match="the treatment differs in 500 rows"):
        TAKING_SCORES["ipw"](LIBRARIES[library](swapped.assign(t=1 - swapped.t)), model)


def test_overlap_is_drawn_of_the_treatment_that_the_model_knows():
    plots = pytest.importorskip("propensity.plots")
    df = people()
    model = ps.fit_propensity(df, covariates=["x"], **CALL)
    plots.overlap_plot(model, df["t"])
    with pytest.raises(InvalidInputError, match=r"the treatment differs in \d+ rows .* leave it out"):
        plots.overlap_plot(model, df["t"].sample(frac=1, random_state=1).reset_index(drop=True))


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # few rows, made up
def test_truncation_within_arms_wants_the_arms_of_the_weights():
    df = people()
    effect = ps.ipw(df, outcome="y", scores=ps.fit_propensity(df, covariates=["x"], **CALL), **CALL)
    assert ps.truncate(effect, upper=0.9, treatment=df["t"]).n_truncated
    with pytest.raises(InvalidInputError, match="treatment: the treatment differs in 600 rows"):
        ps.truncate(effect, upper=0.9, treatment=1 - df["t"])


@pytest.mark.parametrize("dtype", ["float64", "int64", "bool", "uint64"])
def test_fingerprints_are_of_values_in_their_order(dtype):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2, 50_000).astype(dtype)
    plain, shuffled = values, rng.permutation(values)
    changed = values.copy()
    changed[777] = 1 - changed[777] if dtype != "bool" else not changed[777]
    found = core.fingerprints([plain, shuffled, changed, values.astype(float), np.repeat(values, 2)[::2]])
    assert found.dtype == np.uint64
    assert tuple(found[0]) == tuple(found[3]) == tuple(found[4])  # whatever the type and the strides
    assert found[0, 0] != found[1, 0]
    assert found[0, 1] == found[1, 1]
    assert found[0, 1] != found[2, 1]


def test_fingerprints_do_not_depend_on_threads():
    values = np.random.default_rng(1).normal(size=200_001)
    found = [core.fingerprints([values], n_threads=k) for k in (1, 2, 5)]
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()
    with pytest.raises(TypeError, match="float64, float32, int64, uint64 or bool"):
        core.fingerprints([np.array(["a"])])


MATCHED = {
    "match_nn": lambda df: ps.match_nn(df, scores="s", **CALL),
    "pairs": lambda df: ps.match_nn(df, scores="s", replace=False, **CALL),
    "match_full": lambda df: ps.match_full(df, scores="s", **CALL),
    "subclassify": lambda df: ps.subclassify(df, scores="s", **CALL),
    "match_cem": lambda df: ps.match_cem(df, covariates=["x"], **CALL),
}


def scored(seed=0):
    df = people(seed=seed)
    return df.assign(s=1 / (1 + np.exp(-df.x)), uid=np.arange(len(df)))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("method", MATCHED)
def test_outcome_of_matches_is_a_column_of_the_rows_that_were_matched(method, library):
    df = scored()
    frame, other = LIBRARIES[library](df), LIBRARIES[library](moved(df))
    matches = MATCHED[method](frame)
    effect = matches.effect("y")
    assert (
        effect.estimate == matches.effect(df["y"].to_numpy()).estimate == matches.effect(frame["y"]).estimate
    )
    if library != "pyarrow":  # whose columns do not know what they are called
        with pytest.raises(
            InvalidInputError, match="values of column 'y' in another order than in the frame"
        ):
            matches.effect(other["y"])
    if library == "polars":
        with pytest.raises(InvalidInputError, match=r"not the values of column 'y' .* under another name"):
            matches.effect(frame["y"] * 2)
        doubled = matches.effect((frame["y"] * 2).alias("doubled"))
        assert doubled.estimate == pytest.approx(2 * effect.estimate)
    with pytest.raises(InvalidInputError, match="column 'Y' is not in the frame; did you mean 'y'"):
        matches.effect("Y")
    again = pickle.loads(pickle.dumps(matches))
    assert again.effect(frame["y"]).estimate == effect.estimate
    with pytest.raises(TypeError, match=r"the frame is not in a pickle; give the column itself, df\['y'\]"):
        again.effect("y")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_outcome_by_name_is_of_a_frame_that_has_not_been_edited():
    df = scored()
    matches = MATCHED["match_nn"](df)
    df["later"] = df["y"] * 2
    assert matches.effect("later").estimate == pytest.approx(2 * matches.effect("y").estimate)
    df.loc[:, "s"] = df["s"].to_numpy()[::-1].copy()
    with pytest.raises(
        InvalidInputError, match=r"outcome: the rows have been put in another order \(column 's'"
    ):
        matches.effect("y")
    with pytest.raises(InvalidInputError, match=r"outcome: the rows .* another order since \(column 's'"):
        matches.effect(df["y"])
    df["s"] *= 0.5
    matches.effect(df["y"])  # a column that was changed moves no label


def sort_in_place(df, *, with_labels=False):
    """What `df.sort_values("y", inplace=True)` does, which pandas 4 warns of."""
    ordered = df.sort_values("y")
    for name in df:
        df[name] = ordered[name].to_numpy()
    if with_labels:
        df.index = ordered.index


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("method", MATCHED)
def test_what_is_given_after_the_frame_was_sorted_in_place_is_refused(method):
    df = scored()
    matches, before = MATCHED[method](df), df["y"].copy()
    expected = matches.effect(df["y"]).estimate
    sort_in_place(df)
    assert matches.effect(before).estimate == matches.effect(before.to_numpy()).estimate == expected
    unknown = before.to_numpy() ** 2
    for values in (df["y"], df["y"] * 2, df["y"].to_numpy(), pl.Series(df["y"].to_numpy()), unknown):
        with pytest.raises(InvalidInputError, match=r"another order since .* match the rows as they are now"):
            matches.effect(values)
    for values in (df["y"], df["y"].to_numpy()):
        if method == "pairs":  # for which there is no bootstrap that leaves them alone
            break
        with pytest.raises(InvalidInputError, match="outcome: the rows of the frame that was matched have"):
            matches.bootstrap(values, n_reps=2)
    again = MATCHED[method](df)
    assert again.effect(df["y"]).estimate == pytest.approx(expected)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_scores_of_a_picture_are_of_the_rows_that_were_matched():
    plots = pytest.importorskip("propensity.plots")
    df = scored()
    matches = MATCHED["match_cem"](df)
    plots.match_plot(matches, df["s"])
    sort_in_place(df)
    for scores in (df["s"], df["s"].to_numpy()):
        with pytest.raises(
            InvalidInputError, match="scores: the rows of the frame that was matched have been"
        ):
            plots.match_plot(matches, scores)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_labels_that_go_along_when_a_frame_is_sorted_in_place_tell_its_rows():
    df = scored()
    matches, before = MATCHED["match_nn"](df), df["y"].copy()
    expected = matches.effect("y").estimate
    sort_in_place(df, with_labels=True)
    assert (
        matches.effect(before).estimate == matches.effect(df["y"].reindex(before.index)).estimate == expected
    )
    with pytest.raises(InvalidInputError, match=r"outcome: the index is not the frame's"):
        matches.effect(df["y"])
    with pytest.raises(InvalidInputError, match=r"outcome: the rows .* another order since \(column"):
        matches.effect(df["y"].to_numpy())
    with pytest.raises(InvalidInputError, match=r"bias_adjust: .*another order"):
        matches.effect(before, bias_adjust=pl.DataFrame({"uid": df["uid"].to_numpy()}))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("library", LIBRARIES)
def test_rows_in_another_order_are_told_of_and_not_their_treatment(library):
    df = scored()
    model = ps.fit_propensity(LIBRARIES[library](df), covariates=["x", "region"], **CALL)
    matches = MATCHED["match_nn"](df)
    sorted_rows = LIBRARIES[library](df.sort_values("y").reset_index(drop=True))
    shuffled_treatment = LIBRARIES[library](df.assign(t=df["t"].to_numpy()[::-1]))
    calls = {
        "scores": lambda frame: ps.ipw(frame, outcome="y", scores=model, **CALL),
        "weights": lambda frame: ps.smd(frame, covariates=["region"], weights=matches, **CALL),
    }
    for role, call in calls.items():
        with pytest.raises(InvalidInputError, match=f"{role}: the rows have been put in another order"):
            call(sorted_rows)
        with pytest.raises(InvalidInputError, match=f"{role}: the treatment differs in"):
            call(shuffled_treatment)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("method", MATCHED)
def test_treatment_is_no_outcome_of_matches(method, library):
    df = scored()
    matches = MATCHED[method](LIBRARIES[library](df))
    for outcome in ("t", ["y", "t"], df["t"]):
        with pytest.raises(InvalidInputError, match="column 't' is both the treatment and the outcome"):
            matches.effect(outcome)
    if method != "pairs":  # for which there is no bootstrap that leaves them alone
        with pytest.raises(InvalidInputError, match="column 't' is both the treatment and the outcome"):
            matches.bootstrap("t", n_reps=2)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("method", ["match_nn", "subclassify"])
def test_groups_of_a_bootstrap_are_columns_too(method):
    df = scored().assign(team=lambda d: d["uid"] % 50, half=lambda d: d["uid"] % 2)
    matches = MATCHED[method](df)
    by_name = matches.bootstrap("y", cluster="team", strata="half", n_reps=20)
    by_value = matches.bootstrap("y", cluster=df["team"], strata=df["half"].to_numpy(), n_reps=20)
    pd.testing.assert_frame_equal(by_name.replicates, by_value.replicates)
    assert "whole clusters by team, strata by half" in repr(by_name)
    assert "whole clusters by team, strata by given" in repr(by_value)
    with pytest.raises(InvalidInputError, match="column 'teem' is not in the frame; did you mean 'team'"):
        matches.bootstrap("y", cluster="teem", n_reps=2)
    with pytest.raises(TypeError, match=r"cluster: one column is needed, and 2 are named"):
        matches.bootstrap("y", cluster=["team", "half"], n_reps=2)
    with pytest.raises(TypeError, match=r"cluster: the frame is not in a pickle"):
        pickle.loads(pickle.dumps(matches)).bootstrap(df["y"], cluster="team", n_reps=2)
    sort_in_place(df)
    with pytest.raises(InvalidInputError, match="cluster: the rows of the frame that was matched have been"):
        matches.bootstrap("y", cluster=df["team"], n_reps=2)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_covariates_of_the_bias_adjustment_are_of_the_rows_that_were_matched():
    df = scored()
    matches = MATCHED["match_nn"](df)
    matches.effect("y", bias_adjust=df[["x", "uid"]])
    with pytest.raises(InvalidInputError, match="bias_adjust: these are the values of column 'x' in another"):
        matches.effect("y", bias_adjust=moved(df)[["x"]])
