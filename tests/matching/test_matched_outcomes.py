"""Outcomes of matches and subclasses: by name, where they are known, far from zero, and for whom."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import propensity as ps
import reference_pairs as twin
from propensity.errors import InvalidInputError, OverlapWarning

pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")


@pytest.fixture
def df(users):
    score = ps.fit_propensity(users, treatment="opted", covariates=["tier", "visits"]).scores
    return users.assign(score=score, other=users["done"] ** 2, share=users["done"] > 5, mood="x")


MATCHED = {
    "nearest": lambda df, **o: ps.match_nn(df, treatment="opted", scores="score", **o),
    "pairs": lambda df, **o: ps.match_nn(
        df, treatment="opted", scores="score", replace=False, caliper=0.2, **o
    ),
    "covariates": lambda df, **o: ps.match_nn(
        df, treatment="opted", on="mahalanobis", covariates=["visits", "tenure"], n_neighbors=2, **o
    ),
    "everybody's": lambda df, **o: ps.match_nn(df, treatment="opted", scores="score", estimand="ATE", **o),
    "full": lambda df, **o: ps.match_full(df, treatment="opted", scores="score", **o),
    "coarsened": lambda df, **o: ps.match_cem(df, treatment="opted", covariates=["visits", "tier"], **o),
    "subclasses": lambda df, **o: ps.subclassify(df, treatment="opted", scores="score", **o),
}


def figures(effect):
    return effect.estimate, effect.std_error, effect.mean_treated, effect.mean_control


@pytest.mark.parametrize("name", MATCHED)
def test_an_outcome_is_given_by_name(df, name):
    matched = MATCHED[name](df)
    expected = figures(matched.effect(df["done"]))
    assert figures(matched.effect("done")) == expected
    both = matched.effect(["done", "other"])
    assert isinstance(both, ps.Effects)
    assert list(both) == ["done", "other"]
    assert figures(both["done"]) == expected
    assert figures(both["other"]) == figures(matched.effect(df["other"]))
    assert figures(matched.effect("share")) == figures(matched.effect(df["share"]))
    with pytest.raises(InvalidInputError, match="column 'dome' is not in the frame; did you mean 'done'"):
        matched.effect("dome")
    with pytest.raises(TypeError, match="column 'mood': an outcome must be numeric or bool"):
        matched.effect("mood")


@pytest.mark.parametrize("convert", [pl.from_pandas, pa.Table.from_pandas])
def test_an_outcome_is_given_by_name_in_every_library(df, convert):
    other = convert(df.reset_index(drop=True))
    for name in ("nearest", "full"):
        assert figures(MATCHED[name](other).effect("done")) == pytest.approx(
            figures(MATCHED[name](df).effect("done")), rel=1e-10
        )


def test_matches_out_of_a_pickle_take_the_column_itself(df):
    for match in MATCHED.values():
        matched = pickle.loads(pickle.dumps(match(df)))
        assert figures(matched.effect(df["done"])) == figures(match(df).effect("done"))
        with pytest.raises(TypeError, match=r"not in a pickle; give the column itself, df\['done'\]"):
            matched.effect("done")


def test_an_adjustment_is_given_by_name(df):
    matched = MATCHED["covariates"](df)
    assert figures(matched.effect("done", bias_adjust=["visits", "tier"])) == figures(
        matched.effect("done", bias_adjust=df[["visits", "tier"]])
    )


def test_a_bootstrap_takes_a_name(df):
    matched = MATCHED["nearest"](df)
    one, other = (matched.bootstrap(y, n_reps=50, seed=1, progress=False) for y in ("done", df["done"]))
    pd.testing.assert_frame_equal(one.replicates, other.replicates)


# Known where it counts


@pytest.mark.parametrize("name", ["pairs", "full", "coarsened"])
def test_rows_that_are_not_matched_need_no_outcome(df, name):
    options = {"caliper": 0.02} if name == "full" else {}
    matched = MATCHED[name](df[df["opted"] | (df["visits"] > 3)], **options)
    frame = df.loc[matched.index]
    left_out = matched.weights == 0
    assert left_out.any()
    expected = figures(matched.effect(frame["done"]))
    assert figures(matched.effect(frame["done"].mask(left_out))) == expected
    assert figures(matched.effect(frame["done"].mask(left_out, np.inf))) == expected
    with pytest.raises(InvalidInputError, match="outcome: 1 missing value"):
        matched.effect(frame["done"].mask(frame.index == frame.index[~left_out][0]))


@pytest.mark.parametrize("name", ["nearest", "covariates"])
def test_the_error_is_made_of_the_outcomes_that_are_known(df, name):
    matched = MATCHED[name](df)
    unused = matched.weights == 0
    found, expected = matched.effect(df["done"].mask(unused)), matched.effect(df["done"])
    assert found.estimate == pytest.approx(expected.estimate, rel=1e-12)
    # Neighbours of the own arm are those with an outcome: as if the others were not there.
    assert found.std_error == pytest.approx(expected.std_error, rel=0.2)
    if name == "covariates":
        used = ~unused.to_numpy()
        y, t, z = df["done"].to_numpy()[used], df["opted"].to_numpy()[used], matched.places[used]
        distance = np.sqrt(((z[:, None] - z[None]) ** 2).sum(axis=2))
        s2 = twin.outcome_variance(y, t, distance)
        place = np.cumsum(used) - 1
        ranges = zip(matched.focal.tolist(), matched.first, matched.last, strict=True)
        sets = {int(place[row]): set(place[matched.donors[a:b]].tolist()) for row, a, b in ranges}
        variance = twin.neighbor_variance(y, t, sets, s2, np.ones(len(y)))
        assert found.std_error == pytest.approx(np.sqrt(variance), rel=1e-9)
    else:
        with pytest.raises(InvalidInputError, match="missing value"):
            matched.bootstrap(df["done"].mask(unused), progress=False)


# Far from zero


@pytest.mark.parametrize("name", MATCHED)
@pytest.mark.parametrize("shift", [1e9, -1.7e12])
def test_what_outcomes_have_in_common_costs_no_digits(df, name, shift):
    matched = MATCHED[name](df)
    y = np.round(64 * df["done"]) / 64
    plain, far = matched.effect(y), matched.effect(y + shift)
    assert far.estimate == pytest.approx(plain.estimate, rel=1e-10)
    assert far.std_error == pytest.approx(plain.std_error, rel=1e-10)
    assert far.mean_treated == pytest.approx(plain.mean_treated + shift, rel=1e-14)


# For whom


@pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning")
def test_an_effect_says_whom_it_is_still_for(df):
    df["score"] = ps.fit_propensity(df, treatment="opted", covariates=["tier", "visits", "tenure"]).scores
    for estimand, rows in {"ATT": "treated rows", "ATC": "control rows"}.items():
        options = {"treatment": "opted", "scores": "score", "estimand": estimand, "caliper": 0.001}
        n_told = 0
        for matched in (
            ps.match_nn(df, **options),
            ps.match_nn(df, replace=False, **options),
            ps.match_nn(df, discard="both", **options),
            ps.match_full(df, **options),
            ps.match_cem(df, treatment="opted", covariates=["visits", "tenure"], estimand=estimand),
        ):
            lost, kept = matched.n_unmatched, matched.n_matched
            if lost == 0:  # as where nobody is discarded
                continue
            effect = matched.effect("done")
            words = f"{lost} of {lost + kept} {rows} are left out: the effect is for the others"
            assert words in [str(caution) for caution in effect.cautions]
            assert any(isinstance(caution, OverlapWarning) for caution in effect.cautions)
            assert f", for {kept} of {lost + kept} {rows}" in repr(effect).splitlines()[0]
            assert f", for {kept} of {lost + kept} {rows}" in repr(matched.effect(["done", "other"]))
            n_told += 1
        assert n_told >= 4
    with pytest.warns(OverlapWarning, match="are left out: the effect is for the others"):
        table = ps.estimate(
            df,
            outcome="done",
            treatment="opted",
            covariates=["tier", "visits", "tenure"],
            estimators=[ps.NearestNeighbors(caliper=0.001)],
        )
    assert "are left out: the effect is for the others" in table["note"].iloc[-1]


def test_an_effect_for_all_says_nothing(df):
    for name in ("nearest", "everybody's", "full", "subclasses"):
        effect = MATCHED[name](df).effect("done")
        assert effect.whom == ""
        assert "left out" not in repr(effect)


# Weights that are all alike


@pytest.mark.filterwarnings("ignore::propensity.errors.SampleWeightWarning")  # no counts these
@pytest.mark.parametrize("name", MATCHED)
def test_rows_that_all_count_seven_give_the_errors_of_rows_that_count_one(df, name):
    model = {
        w: ps.fit_propensity(df, treatment="opted", covariates=["tier", "visits"], sample_weight=s)
        for w, s in {"plain": None, "sevens": np.full(len(df), 7.0)}.items()
    }
    if name in ("nearest", "everybody's"):
        estimand = "ATT" if name == "nearest" else "ATE"
        call = {"treatment": "opted", "estimand": estimand}
        plain = ps.match_nn(df, scores=model["plain"], **call)
        sevens = ps.match_nn(df, scores=model["sevens"], sample_weight=np.full(len(df), 7.0), **call)
        assert "counts that the scores were estimated" in sevens.effect("done").se_method
        replicates = [
            m.bootstrap("done", n_reps=50, seed=1, progress=False).replicates for m in (plain, sevens)
        ]
        np.testing.assert_allclose(*replicates, rtol=1e-9)
    else:
        plain, sevens = (MATCHED[name](df, sample_weight=w) for w in (None, np.full(len(df), 7.0)))
    one, other = plain.effect("done"), sevens.effect("done")
    assert other.estimate == pytest.approx(one.estimate, rel=1e-10)
    assert other.std_error == pytest.approx(one.std_error, rel=1e-8)


@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize(("column", "role"), [("done", "outcome"), ("opted", "treatment")])
def test_outcomes_are_not_adjusted_for_themselves_nor_for_the_treatment(users, by_name, column, role):
    matches = ps.match_nn(users, treatment="opted", covariates=["visits"], on="euclidean")
    given = ["visits", column] if by_name else users[["visits", column]]
    with pytest.raises(InvalidInputError, match=f"^column '{column}' is the {role}; remove it from bias_adj"):
        matches.effect("done", bias_adjust=given)
    renamed = users[[column]].rename(columns={column: "z"}).astype(float)
    with pytest.raises(InvalidInputError, match=f"^column 'z' is the {role}"):
        matches.effect(users["done"], bias_adjust=renamed)


@pytest.mark.parametrize(
    ("options", "argument"),
    [({"exact": ["opted"]}, "exact"), ({"caliper": {"opted": 0.2}}, "caliper")],
)
def test_treatment_among_what_is_matched_by_is_told_by_the_argument_it_stands_in(users, options, argument):
    with pytest.raises(
        InvalidInputError, match=f"^column 'opted' is the treatment; remove it from {argument}$"
    ):
        ps.match_nn(users, treatment="opted", covariates=["visits"], on="euclidean", **options)


# Contrasts


@pytest.mark.parametrize("contrast", ["difference", "ratio", "percent"])
def test_contrasts_of_matches_are_those_asked_for_later(df, contrast):
    df = df.assign(done=df["done"] + 20, half=df["tenure"] + 1)
    for matches in (
        ps.match_nn(df, treatment="opted", scores="score", exact=["tier"]),
        ps.match_nn(df, treatment="opted", scores="score", replace=False, exact=["tier"]),
        ps.match_full(df, treatment="opted", scores="score", exact=["tier"]),
    ):
        plain = matches.effect("done")
        found, later = matches.effect("done", contrast=contrast), plain.contrast_as(contrast)
        assert (found.estimate, found.std_error) == (later.estimate, later.std_error)
        if contrast == "percent":
            expected = 100 * (plain.mean_treated / plain.mean_control - 1)
            assert found.estimate == pytest.approx(expected, rel=1e-12)
        several = matches.effect(["done", "half"], contrast=contrast)
        assert several["done"].estimate == found.estimate
        grouped = matches.effect("done", by="tier", contrast=contrast)
        assert grouped.contrast == contrast
        later = matches.effect("done", by="tier").contrast_as(contrast)
        pd.testing.assert_frame_equal(grouped.table, later.table)


def test_matched_rows_without_an_outcome_are_to_be_matched_again(df):
    df = df.assign(done=df["done"].mask(df["opted"] & (df["visits"] > 6)))
    matches = ps.match_nn(df, treatment="opted", scores="score")
    with pytest.raises(InvalidInputError, match=r"column 'done': .* then match again") as caught:
        matches.effect("done")
    line = str(caught.value).split("first, ")[1].split("; then")[0]
    scope = {"df": df}
    exec(line, scope)
    again = ps.match_nn(scope["df"], treatment="opted", scores="score").effect("done")
    assert np.isfinite(again.estimate)
    with pytest.raises(InvalidInputError, match="drop or impute them first, then match again"):
        matches.effect(df["done"])
