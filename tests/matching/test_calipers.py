"""Calipers: what they count, what they are on, and whom rounding may not put beyond them."""

import re

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from propensity.errors import InvalidInputError

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def rated():
    """Ratings with one decimal, each 0.1 from its partner's and more from all others'."""
    values = np.round(np.arange(1.0, 5.0, 0.3), 1)
    rating = np.r_[values, np.round(values + 0.1, 1)]
    t = np.repeat([1, 0], len(values))
    return pd.DataFrame({"t": t, "rating": rating, "score": rating / 10, "one": 1})


@pytest.mark.parametrize("caliper", [0.1, 0.1 + 1e-9])
@pytest.mark.parametrize("replace", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {"on": "euclidean", "covariates": ["rating"]},
        {"on": "mahalanobis", "covariates": ["rating", "one"]},
        {"scores": "score"},
        {"scores": "score", "max_reuse": 2},
    ],
)
def test_a_pair_at_the_caliper_is_within_it_whatever_its_decimals_round_to(rated, caliper, replace, options):
    words = {"treatment": "t", "caliper": {"rating": caliper}, "caliper_unit": "raw"}
    if replace or "max_reuse" not in options:
        assert ps.match_nn(rated, replace=replace, **words, **options).n_matched == 14
    if not replace and "max_reuse" not in options:
        assert ps.match_nn(rated, replace=False, method="optimal", **words, **options).n_matched == 14
    found = ps.match_full(rated, **words, **{k: v for k, v in options.items() if k != "max_reuse"})
    assert (found.n_unmatched, found.n_subclasses) == (0, 14)


@pytest.mark.parametrize("on", ["score", "logit"])
@pytest.mark.parametrize(
    "options", [{"method": "optimal"}, {}, {"order": "closest"}, {"n_neighbors": 2, "method": "optimal"}]
)
def test_a_pair_at_the_caliper_of_the_score_is_within_it(rated, on, options):
    quantity = rated["score"] if on == "score" else np.log(rated["score"] / (1 - rated["score"]))
    width = quantity[rated["t"] == 0].iloc[0] - quantity[rated["t"] == 1].iloc[0]
    near = np.abs(np.subtract.outer(quantity[rated["t"] == 1].array, quantity[rated["t"] == 0].array))
    expected = (near <= width + 1e-9).any(axis=1).sum()
    words = {"treatment": "t", "scores": "score", "on": on, "caliper": width, "caliper_unit": "raw"}
    assert ps.match_nn(rated, replace=False, **words, **options).n_matched == expected
    assert ps.match_nn(rated, **words).n_matched == expected
    assert ps.match_full(rated, **words).n_matched == expected


def test_a_caliper_is_no_wider_than_rounding_makes_it(rated):
    for scale in (1.0, 1e6, 1e-6):
        df = rated.assign(rating=rated["rating"] * scale)
        words = {"treatment": "t", "on": "euclidean", "covariates": ["rating"], "caliper_unit": "raw"}
        for by, expected in {1.0: 14, 1 + 1e-9: 14, 1 + 1e-3: 14}.items():
            found = ps.match_nn(df, caliper={"rating": 0.1 * scale * by}, **words)
            assert found.n_matched == expected
            assert found.calipers["width"].item() == 0.1 * scale * by
        with pytest.raises(ps.errors.NoMatchesError):
            ps.match_nn(df, caliper={"rating": 0.1 * scale * (1 - 1e-5)}, **words)


def test_large_values_do_not_stretch_a_caliper():
    df = pd.DataFrame({"t": [1, 0, 1, 0], "x": [0.0, 0.2, 1e15, 1e15], "one": 1})
    words = {"treatment": "t", "on": "euclidean", "covariates": ["one"], "caliper_unit": "raw"}
    assert ps.match_nn(df, caliper={"x": 0.1}, **words).n_matched == 1


@pytest.mark.parametrize("caliper_sd", ["all", "pooled"])
@pytest.mark.parametrize("match", [ps.match_nn, ps.match_full])
def test_a_caliper_counts_the_standard_deviation_of_rows_not_discarded(users, caliper_sd, match):
    model = ps.fit_propensity(users, treatment="opted", covariates=["tier", "visits", "tenure"])
    e, t = model.scores, users["opted"]
    kept = e.between(max(e[t].min(), e[~t].min()), min(e[t].max(), e[~t].max()))
    assert not kept.all()
    words = {"treatment": "opted", "caliper": {"scores": 0.05, "tenure": 0.5}, "caliper_sd": caliper_sd}
    found = match(users, scores=model.scores, discard="both", **words)
    dropped = match(users[kept], scores=model.scores[kept], **words)
    pd.testing.assert_series_equal(found.weights[kept], dropped.weights)
    if match is ps.match_nn:
        pd.testing.assert_frame_equal(found.calipers, dropped.calipers)
        if caliper_sd == "all":
            assert found.calipers.loc["tenure", "std_dev"] == pytest.approx(users.loc[kept, "tenure"].std())


@pytest.mark.parametrize("name", ["scores", "logit"])
@pytest.mark.parametrize("match", [ps.match_nn, ps.match_full])
def test_a_word_that_may_be_a_column_or_the_score_is_refused(users, name, match):
    model = ps.fit_propensity(users, treatment="opted", covariates=["visits"])
    users[name] = users["tenure"]
    with pytest.raises(InvalidInputError, match=f"caliper: '{name}' means that of .* rename the column"):
        match(users, treatment="opted", scores=model, caliper={name: 0.2})
    # The way out, and what was never in doubt.
    renamed = users.rename(columns={name: "test_score"})
    match(renamed, treatment="opted", scores=model.scores, caliper={"test_score": 0.2, name: 0.2})
    scored = renamed.assign(scores=model.scores)
    match(scored, treatment="opted", scores="scores", caliper={"scores": 0.2, "logit": 0.2})
    match(users, treatment="opted", scores=model.scores, caliper=0.2)


@pytest.mark.parametrize("name", ["scores", "logit"])
def test_a_column_called_scores_is_a_column_where_there_are_no_scores(users, name):
    users[name] = users["tenure"]
    words = {"treatment": "opted", "on": "euclidean", "covariates": ["visits"], "caliper_unit": "raw"}
    matches = ps.match_nn(users, caliper={name: 0.5}, **words)
    pairs = matches.pairs
    gap = users.loc[pairs["treated"], "tenure"].to_numpy() - users.loc[pairs["control"], "tenure"].to_numpy()
    assert np.abs(gap).max() <= 0.5
    with pytest.raises(InvalidInputError, match="scores: caliper looks at the scores, and there are none"):
        ps.match_nn(users.drop(columns=name), caliper={name: 0.5}, **words)


@pytest.mark.parametrize("match", [ps.match_nn, ps.match_full])
def test_a_caliper_without_scores_is_answered_by_lines_that_work(match):
    df = ps.datasets.lalonde().astype({"treat": int})
    options = {"treatment": "treat", "covariates": ["race", "married", "age", "re75"], "on": "mahalanobis"}
    with pytest.raises(InvalidInputError) as caught:
        match(df, **options, caliper=0.2)
    given = re.search(r"give (scores=.*), or set it on a column, (caliper=.*)$", str(caught.value))
    assert given[2] == "caliper={'age': 0.2}"  # neither text nor a flag
    for line in (f"{given[1]}, caliper=0.2", given[2]):
        found = eval(
            f"match(df, **options, {line})", globals() | {"df": df, "match": match, "options": options}
        )
        assert not np.array_equal(found.weights, match(df, **options).weights)


def test_the_caliper_that_a_caution_asks_for_is_one_that_goes():
    df = ps.datasets.lalonde()
    covariates = ["married", "age", "re75"]
    options = {"treatment": "treat", "covariates": covariates, "on": "mahalanobis", "replace": False}
    words = " ".join(map(str, ps.match_nn(df, **options).cautions))
    first = re.search(
        r"a caliper on '\w+' \((caliper=\{'\w+': 0.2\})\), or on the scores \(scores=ps.fit_propensity", words
    )[1]
    assert ps.match_nn(df, **options, **eval(f"dict({first})")).caliper_width > 0
    scores = ps.fit_propensity(df, treatment="treat", covariates=covariates)
    near = ps.match_nn(df, **options, scores=scores, caliper=0.2)
    assert near.calipers.index.tolist() == ["scores"]
    assert "a caliper (" not in " ".join(map(str, near.cautions))


def test_what_differs_most_is_what_a_caution_asks_a_caliper_on():
    """Not the first of the numbers; and of what few values decide, matches within it."""
    rng = np.random.default_rng(4)
    n = 900
    tier, treated = rng.choice(["a", "b", "c"], n), np.arange(n) % 3 == 0
    df = pd.DataFrame({"calm": rng.normal(size=n), "far": rng.normal(size=n) + 1.5 * treated, "t": treated})
    df["tier"] = np.where(treated & (rng.random(n) < 0.7), "a", tier)
    options = {"treatment": "t", "on": "mahalanobis"}
    words = str(ps.match_nn(df, **options, covariates=["calm", "far"], replace=False).cautions[0])
    given = re.search(r"try a caliper on 'far' \((caliper=\{'far': 0.2\})\)", words)[1]
    assert "and then look at balance again" in words
    kept = ps.match_nn(df, **options, covariates=["calm", "far"], replace=False, **eval(f"dict({given})"))
    worst = [abs(ps.smd(df, treatment="t", covariates=["far"], weights=w)["far"]) for w in (None, kept)]
    assert worst[1] < worst[0] / 2
    model = ps.fit_propensity(df, treatment="t", covariates=["calm", "tier"], penalty=1e5)
    words = " ".join(map(str, ps.match_nn(df, treatment="t", scores=model, replace=False).cautions))
    assert "try matches within 'tier' (exact=['tier']), or a caliper" in words
