"""No matching hangs on the order of the rows: a draw hangs on what a row holds, and then on its label."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import propensity as ps
from propensity.errors import InvalidInputError
from propensity.frames.content import identify

pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")

MATCHINGS = {
    "pairs": lambda df, **o: ps.match_nn(df, replace=False, **o),
    "two each": lambda df, **o: ps.match_nn(df, replace=False, n_neighbors=2, **o),
    "closest first": lambda df, **o: ps.match_nn(df, replace=False, order="closest", **o),
    "random": lambda df, **o: ps.match_nn(df, replace=False, order="random", **o),
    "optimal": lambda df, **o: ps.match_nn(df, replace=False, method="optimal", **o),
    "reused": lambda df, **o: ps.match_nn(df, max_reuse=2, **o),
    "everybody's, reused": lambda df, **o: ps.match_nn(df, max_reuse=3, estimand="ATE", **o),
    "exact": lambda df, **o: ps.match_nn(df, replace=False, exact=["plan"], **o),
    "full": ps.match_full,
    "full, the controls'": lambda df, **o: ps.match_full(df, estimand="ATC", **o),
    "shared": ps.match_nn,
}


def users(n=300, seed=0):
    """Rows of ten scores, of whom some are alike in everything."""
    rng = np.random.default_rng(seed)
    tier, plan = rng.integers(0, 5, n), rng.choice(["free", "pro"], n)
    t = rng.random(n) < 0.2 + 0.1 * tier
    y = t + tier + rng.integers(0, 3, n)
    return pd.DataFrame({"t": t.astype(int), "tier": tier, "plan": plan, "y": y, "e": 0.2 + 0.1 * tier})


def answer(name, df, y="y", **options):
    effect = MATCHINGS[name](df, treatment="t", scores="e", **options).effect(y)
    return pytest.approx((effect.estimate, effect.std_error), rel=1e-10, abs=1e-12)


def shuffled(df, times=4):
    return [df.sample(frac=1, random_state=seed) for seed in range(times)]


@pytest.mark.parametrize("name", MATCHINGS)
def test_shuffled_rows_give_the_same_answer_from_every_library(name):
    df = users()
    expected = answer(name, df).expected
    for frame in shuffled(df):
        anew = frame.reset_index(drop=True)
        for other in (frame, anew, pl.from_pandas(anew), pa.Table.from_pandas(anew, preserve_index=False)):
            assert expected == answer(name, other)


@pytest.mark.parametrize("name", MATCHINGS)
def test_a_model_fitted_to_shuffled_rows_changes_no_draw(name):
    df = users().drop(columns="e")
    found = []
    for frame in (other.reset_index(drop=True) for other in [df, *shuffled(df)]):
        model = ps.fit_propensity(frame, treatment="t", covariates=["tier", "plan"])
        scored = frame.assign(e=model.scores, logit=np.log(model.scores / (1 - model.scores)))
        for scores in (model, "e"):
            effect = MATCHINGS[name](scored, treatment="t", scores=scores).effect("y")
            found.append(effect.estimate)
    assert np.ptp(found) < 1e-9


@pytest.mark.parametrize("name", ["pairs", "optimal", "full", "reused"])
def test_labels_tell_apart_who_holds_the_same(name):
    """The outcome is not in the frame, so that rows of the frame are alike which are not."""
    df = users().set_axis([f"user {row}" for row in range(300)])
    y = df.pop("y") + np.random.default_rng(1).normal(size=300)
    expected = answer(name, df, y).expected
    assert all(expected == answer(name, frame, y[frame.index]) for frame in shuffled(df))


@pytest.mark.parametrize("name", ["pairs", "optimal", "full", "reused", "closest first"])
def test_without_labels_an_outcome_that_hangs_on_the_order_asks_for_ids(name):
    df = users()
    y = df.pop("y") + np.random.default_rng(1).normal(size=300)
    numbered = df.assign(who=np.random.default_rng(2).permutation(300))
    expected = answer(name, numbered, y, ids="who").expected
    for frame in shuffled(numbered):
        values = y[frame.index].to_numpy()
        anew = frame.drop(columns="who").reset_index(drop=True)
        for other in (anew, pl.from_pandas(anew)):
            with pytest.raises(InvalidInputError, match=r"outcome: .* rows .*order of the rows; .*ids="):
                answer(name, other, values)
            assert expected == answer(name, other, values, ids=frame["who"].to_numpy())
    # What rows that hold the same also have in common is no such outcome.
    tier = df["tier"] > 2
    assert answer(name, df, tier).expected == answer(name, pl.from_pandas(df), tier.to_numpy())


@pytest.mark.parametrize("name", ["pairs", "full", "reused"])
def test_repeated_labels_are_refused_where_a_draw_decides(name):
    df = pd.DataFrame(
        {
            "t": [1, 1, 0, 0, 0, 0, 1, 0],
            "e": [0.4, 0.7, 0.4, 0.4, 0.7, 0.7, 0.9, 0.9],
            "y": [5.0, 5, 1, 2, 3, 4, 6, 3.5],
        }
    )
    twice = df.set_axis([0, 1, 2, 2, 1, 1, 6, 7])
    with pytest.raises(InvalidInputError, match=r"3 repeated labels .*reset_index\(drop=True\).*ids="):
        answer(name, twice)
    assert answer(name, twice.reset_index(drop=True)).expected == answer(name, df)
    assert answer(name, twice, ids=np.arange(8)).expected == answer(name, df, ids=df.index)
    # No draw decides where ties share, or where there are none.
    assert ps.match_nn(twice, treatment="t", scores="e").effect("y").estimate == pytest.approx(2.5)
    answer(name, twice.assign(e=[0.4, 0.7, 0.41, 0.43, 0.72, 0.76, 0.9, 0.91]))


def test_pairs_name_somebody():
    df = users()
    parts = pd.concat([df.iloc[:150], df.iloc[150:].reset_index(drop=True)])
    matches = ps.match_nn(parts, treatment="t", scores="e")
    with pytest.raises(InvalidInputError, match=r"pairs: the index has 150 repeated labels"):
        _ = matches.pairs
    names = [f"u{row}" for row in range(300)]
    pairs = ps.match_nn(parts, treatment="t", scores="e", replace=False, ids=names).pairs
    for arm, expected in {"treated": 1, "control": 0}.items():
        rows = pairs[arm].str[1:].astype(int)
        assert rows.is_unique
        assert (df["t"].to_numpy()[rows] == expected).all()
    other = ps.match_nn(pl.from_pandas(df), treatment="t", scores="e", replace=False, ids=names).pairs
    assert (other["treated"].to_numpy() == pairs["treated"].str[1:].astype(int).to_numpy()).all()


def test_an_index_is_taken_for_ids():
    df = users().set_axis([f"user {row}" for row in range(300)])
    by_index = ps.match_nn(df, treatment="t", scores="e", replace=False, ids=df.index)
    by_column = ps.match_nn(df.reset_index(names="who"), treatment="t", scores="e", replace=False, ids="who")
    assert (by_index.weights.to_numpy() == by_column.weights.to_numpy()).all()


def test_draws_do_not_hang_on_types_columns_and_their_order():
    df = users(120)
    expected = answer("pairs", df).expected
    changed = [
        df.astype({"t": bool, "plan": "category", "tier": "int8"}),
        df.astype({"tier": "float32", "y": "Float64", "plan": "object"}),
        df[df.columns[::-1]].assign(nothing=None, now=pd.Timestamp("2026-11-30"), same="x"),
        df.astype({"tier": "category"}),
        pl.from_pandas(df).with_columns(pl.col("plan").cast(pl.Categorical), pl.col("t").cast(pl.Boolean)),
    ]
    assert all(expected == answer("pairs", other) for other in changed)


def test_whether_a_draw_decided_is_told():
    df = pd.DataFrame({"t": [1, 1, 0, 0, 0], "e": [0.5, 0.3, 0.41, 0.59, 0.1], "y": range(5)})
    drawn = {
        "equidistant": (ps.match_nn(df, treatment="t", scores="e", replace=False).drawn, True),
        "none": (
            ps.match_nn(
                df.assign(e=[0.5, 0.3, 0.41, 0.6, 0.1]), treatment="t", scores="e", replace=False
            ).drawn,
            False,
        ),
        "one place": (
            ps.match_nn(
                df.assign(e=[0.5, 0.3, 0.4, 0.4, 0.1]), treatment="t", scores="e", replace=False
            ).drawn,
            True,
        ),
        "shared": (ps.match_nn(df, treatment="t", scores="e").drawn, False),
    }
    assert all(found == expected for found, expected in drawn.values()), drawn


# The numbers themselves


def told(df, labels=None, there=None):
    n = len(df)
    return identify(
        df,
        "t",
        np.asarray(df["t"]) == 1,
        np.ones(n, dtype=bool) if there is None else there,
        pd.RangeIndex(n) if labels is None else labels,
    )


def test_rows_that_hold_the_same_are_alike_and_all_numbers_differ():
    df = users()
    found = told(df)
    expected = df.groupby(list(df.columns)).ngroup().to_numpy()
    pairs = set(zip(found.alike.tolist(), expected.tolist(), strict=True))
    assert len(pairs) == len(set(found.alike)) == len(set(expected))
    for arm in (0, 1):
        assert len(set(found.ids[df["t"] == arm])) == (df["t"] == arm).sum()


def test_numbers_go_with_rows_whatever_their_order_and_whoever_else_is_there():
    df = users().assign(x=np.random.default_rng(3).normal(size=300))
    found = pd.Series(told(df).ids)
    for frame in shuffled(df):
        assert (told(frame, frame.index).ids == found[frame.index]).all()
    there = np.arange(300) % 3 > 0
    some = told(df, there=there)
    assert (some.ids[there] == found[there]).all()
    assert (some.ids[~there] == 0).all()
    assert (some.alike[~there] == -1).all()


def test_the_last_digits_of_a_fraction_count_last():
    x = np.random.default_rng(4).normal(size=300)
    df = users().assign(x=x)
    assert (told(df).ids == told(df.assign(x=x * (1 + 4e-16))).ids).mean() > 0.99
    apart = pd.DataFrame({"t": 0, "x": [0.1, 0.1 + 1e-12, 0.7]})
    assert len(set(told(apart).ids)) == len(set(told(apart).alike)) == 3
    back = apart.iloc[::-1]
    assert (told(back).ids[::-1] == told(apart).ids).all()


def flags(seed):
    """Rows of few different scores, two flags of which are equally frequent in either arm."""
    rng = np.random.default_rng(seed)
    df = pd.DataFrame({"t": np.repeat([1, 0], [30, 70]), "e": rng.integers(3, 6, 100) / 10})
    for name in ("a", "b"):
        df[name] = np.r_[rng.permutation(np.arange(30) < 12), rng.permutation(np.arange(70) < 40)].astype(int)
    return df.assign(plan=rng.choice(["basic", "pro", "team"], 100), y=rng.normal(size=100).round(2))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("match", [ps.match_full, MATCHINGS["pairs"], MATCHINGS["random"]])
def test_draws_hang_on_what_columns_hold_and_not_on_their_names(match, seed):
    def estimate(df):
        return match(df, treatment="t", scores="e").effect("y").estimate

    df = flags(seed)
    expected = estimate(df)
    assert estimate(df.rename(columns={"a": "zebra", "plan": "b", "b": "c"})) == expected
    assert estimate(df.rename(columns={"a": "b", "b": "a"})) == expected
    assert estimate(df[["y", "plan", "b", "e", "t", "a"]]) == expected
    levels = pd.Categorical(df["plan"], ["team", "basic", "pro"])
    for other in (df.assign(plan=levels), df.assign(plan=levels).sample(frac=1, random_state=1)):
        assert estimate(other) == pytest.approx(expected, rel=1e-12)
