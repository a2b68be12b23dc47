"""Values whose labels are not the frame's: the remedy is right for the case, and gives the right number."""

import re

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from propensity.errors import CalibrationWarning, InvalidInputError
from propensity.scores.cautions import score_cautions

N = 1_000
ROLES = {"outcome": "y", "treatment": "t"}

# Their scores are uneven: what is asked here is which rows values belong to.
pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning")


def people(index=None):
    rng = np.random.default_rng(0)
    x = rng.normal(size=N)
    t = rng.random(N) < 1 / (1 + np.exp(-x))
    df = pd.DataFrame({"x": x, "t": t, "y": 2 * x + t + rng.normal(size=N), "team": np.arange(N) % 60})
    return df if index is None else df.set_axis(index, axis=0)


def scored(df):
    return ps.fit_propensity(df, treatment="t", covariates=["x"])


CALLS = {
    "scores": lambda df, v: ps.ipw(df, scores=v, **ROLES),
    "weights": lambda df, v: ps.smd(df, treatment="t", covariates=["x"], weights=v),
    "sample_weight": lambda df, v: ps.aipw(df, covariates=["x"], sample_weight=v, **ROLES),
    "cluster": lambda df, v: ps.aipw(df, covariates=["x"], cluster=v, **ROLES),
    "outcome": lambda df, v: ps.match_cem(df, treatment="t", covariates=["x"]).effect(v),
}


def values_of(role, df):
    found = {"scores": lambda: scored(df).scores, "outcome": lambda: df["y"], "cluster": lambda: df["team"]}
    return found.get(role, lambda: pd.Series(np.linspace(1, 2, len(df)), index=df.index))().rename(None)


def said(role, df, values):
    with pytest.raises(InvalidInputError, match=re.escape(role)) as caught:
        CALLS[role](df, values)
    return str(caught.value)


def number(found):
    return found.to_numpy(float) if isinstance(found, pd.Series) else found.estimate


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("role", CALLS)
@pytest.mark.parametrize("labels", [None, [f"u{k}" for k in range(N)]])
def test_the_same_labels_in_another_order_are_put_in_order(role, labels):
    df = people(labels)
    values = values_of(role, df)
    shuffled = values.sample(frac=1, random_state=1)
    words = said(role, df, shuffled)
    assert f"the labels are the same in another order: take {role}.reindex(df.index)" in words
    assert "to_numpy" not in words
    np.testing.assert_array_equal(
        number(CALLS[role](df, shuffled.reindex(df.index))), number(CALLS[role](df, values))
    )


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("role", CALLS)
def test_values_of_more_rows_are_looked_up(role):
    df = people([f"u{k}" for k in range(N)])
    words = said(role, df.iloc[::2], values_of(role, df))
    assert f"the labels of these rows are among them: take {role}.reindex(df.index)" in words
    assert "to_numpy" not in words
    CALLS[role](df.iloc[::2], values_of(role, df).reindex(df.iloc[::2].index))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("role", CALLS)
def test_labels_that_only_count_do_not_tell_which_rows_were_left_out(role):
    df = people()
    words = said(role, df.iloc[::2].reset_index(drop=True), values_of(role, df))
    assert "labels that only count rows do not tell which of them were left out: make the values" in words
    assert "reindex" not in words
    assert "to_numpy" not in words


@pytest.mark.parametrize("role", CALLS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_values_of_other_rows_are_not_put_in_order(role):
    df = people()
    words = said(role, df.iloc[N // 2 :], values_of(role, df.iloc[: N // 2]))
    assert f"{role} of other rows, they have none for 500 rows (rows 500, 501," in words
    assert "reindex" not in words
    assert f"or where they are of these very rows, in their order, take {role}.to_numpy()" in words


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # few rows
def test_scores_of_another_frames_model_are_predicted():
    df = people()
    first, second = df.iloc[: N // 2], df.iloc[N // 2 :]
    model = scored(first)
    for other in (second, second.iloc[:10], df.iloc[N // 4 : 3 * N // 4]):
        words = said("scores", other, model.scores)
        assert "take scores=model.predict(df), of the model that gave them" in words
        assert "reindex" not in words
        assert "to_numpy" not in words
    ps.ipw(second, scores=model.predict(second), **ROLES)


def test_values_that_have_lost_their_labels_go_by_position_where_they_are_in_order():
    df = people([f"u{k}" for k in range(N)])
    plain = pd.Series(scored(df).scores.to_numpy())
    words = said("scores", df, plain)
    assert (
        "its own labels only count: where they are of these very rows, in their order, take scores.to"
        in words
    )
    assert ps.ipw(df, scores=plain.to_numpy(), **ROLES).estimate == pytest.approx(
        ps.ipw(df, scores=scored(df), **ROLES).estimate
    )


def test_labels_that_repeat_tell_nothing():
    df = people(np.arange(N) // 2)
    words = said("scores", df, pd.Series(0.5, index=np.arange(N)))
    assert (
        "labels repeat, and do not tell which value is of which row: where they are of these very rows"
        in words
    )
    assert "make the values a column of the frame before" in said("scores", df, pd.Series(0.5, index=[1, 1]))


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")
def test_scores_in_another_order_are_found_out():
    df = people()
    right = scored(df).scores
    said_of_right = ps.ipw(df, scores=right, **ROLES).cautions
    assert not [caution for caution in said_of_right if isinstance(caution, CalibrationWarning)]
    shuffled = right.sample(frac=1, random_state=1).to_numpy()
    for call in (ps.match_nn, ps.match_full, ps.subclassify):
        with pytest.warns(CalibrationWarning, match="probably in another order than the rows, or of other"):
            call(df, treatment="t", scores=shuffled)
    with pytest.warns(CalibrationWarning, match="probably in another order") as caught:
        effect = ps.ipw(df, scores=shuffled, **ROLES)
    assert [w.category for w in caught].count(CalibrationWarning) == 1
    assert "look at" not in str(effect.cautions)


@pytest.mark.parametrize("n", [20, 200, 2_000])
@pytest.mark.parametrize("law", [(1, 1), (0.2, 20), (0.5, 0.5), (200, 200), (20, 0.5)])
def test_honest_scores_tell_the_arms_apart_by_enough(n, law):
    rng = np.random.default_rng(n)
    for _ in range(300):
        e = np.clip(rng.beta(*law, size=n), 1e-6, 1 - 1e-6)
        t = rng.random(n) < e
        if 1 < t.sum() < n - 1:
            assert score_cautions(e, t) == ()


def test_scores_of_a_model_that_has_learnt_too_much_are_believed():
    # Overconfident by half: the log odds are one and a half times what they should be.
    rng = np.random.default_rng(0)
    for _ in range(50):
        log_odds = rng.normal(size=2_000)
        t = rng.random(2_000) < 1 / (1 + np.exp(-log_odds))
        assert score_cautions(1 / (1 + np.exp(-1.5 * log_odds)), t) == ()
