"""How columns are called and given: names, lists of names, numbers for names, and tables of every kind."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import propensity as ps
from propensity.errors import InvalidInputError, NoMatchesError

pytestmark = [
    pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning"),
    pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning"),
    pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning"),
]

N = 200


@pytest.fixture
def df():
    rng = np.random.default_rng(9)
    x = rng.normal(size=N)
    t = (rng.random(N) < 1 / (1 + np.exp(-x))).astype(int)
    columns = {"t": t, "x": x, "y": t + x + rng.normal(size=N), "y2": rng.normal(size=N)}
    more = {"ws": rng.integers(0, 50, N), "w": rng.uniform(1, 2, N), "e": 1 / (1 + np.exp(-x))}
    return pd.DataFrame(columns | more)


def called(function, **options):
    return lambda df, **given: function(df, **{"treatment": "t"} | options | given)


IPW = called(ps.ipw, outcome="y", scores="e")
MATCH = called(ps.match_nn, scores="e")
BOOTSTRAP = called(ps.bootstrap, outcome="y", covariates=["x"], n_reps=3, seed=1, estimators=[ps.IPW()])

ONE_NAME = {
    "cluster of ipw": (IPW, "cluster", "ws"),
    "sample_weight of ipw": (IPW, "sample_weight", "w"),
    "scores of ipw": (IPW, "scores", "e"),
    "weights of an effect": (called(ps.weighted_effect, outcome="y", estimand="ATE"), "weights", "w"),
    "cluster of aipw": (called(ps.aipw, outcome="y", covariates=["x"]), "cluster", "ws"),
    "sample_weight of a fit": (called(ps.fit_propensity, covariates=["x"]), "sample_weight", "w"),
    "scores of matching": (MATCH, "scores", "e"),
    "ids of matching": (called(ps.match_nn, scores="e", replace=False), "ids", "ws"),
    "scores of trimming": (called(ps.trim), "scores", "e"),
    "scores of subclasses": (called(ps.subclassify), "scores", "e"),
    "scores of balancing weights": (called(ps.balancing_weights), "scores", "e"),
    "scores of overlap": (called(ps.overlap), "scores", "e"),
    "weights of smd": (called(ps.smd, covariates=["x"]), "weights", "w"),
    "weights of balance": (called(ps.balance, covariates=["x"]), "weights", "w"),
    "cluster of the bootstrap": (BOOTSTRAP, "cluster", "ws"),
    "strata of the bootstrap": (BOOTSTRAP, "strata", "ws"),
    "treatment": (IPW, "treatment", "t"),
}


@pytest.mark.parametrize("case", ONE_NAME)
def test_list_of_one_name_is_told_to_be_a_name(df, case):
    call, argument, name = ONE_NAME[case]
    for library in (lambda d: d, pl.from_pandas):
        with pytest.raises(
            TypeError, match=f"{argument}: one column is given by its name alone, {argument}='{name}'"
        ):
            call(library(df), **{argument: [name]})


def test_clusters_of_more_columns_than_can_be_are_told_where_they_can(df):
    crossing = df.assign(day=np.arange(len(df)) % 7)
    with pytest.raises(InvalidInputError, match="clusters of two columns are for ipw, weighted_effect"):
        BOOTSTRAP(crossing, cluster=["ws", "day"])
    with pytest.raises(
        TypeError, match="one column is needed, and 3 are named, 'ws', 'day', 'x'; clusters of"
    ):
        IPW(crossing, cluster=["ws", "day", "x"])


def test_list_of_words_for_each_row_is_a_column(df):
    words = [f"team {k}" for k in df["ws"]]
    assert IPW(df, cluster=words).std_error == IPW(df, cluster="ws").std_error


@pytest.mark.parametrize("several", [list, tuple, pd.Index, np.array])
@pytest.mark.parametrize(
    "function", [IPW, called(ps.aipw, covariates=["x"]), called(ps.ipwra, covariates=["x"])]
)
def test_outcomes_are_taken_from_every_list_of_names(df, several, function):
    found = function(df, outcome=several(["y", "y2"]))
    assert isinstance(found, ps.Effects)
    assert list(found.to_frame().index) == ["y", "y2"]


def test_outcome_given_as_values_is_told_to_be_a_name(df):
    for values in (df["y"], df["y"].to_numpy(), 3):
        with pytest.raises(TypeError, match="outcome: a column is given by its name, as text, not by"):
            IPW(df, outcome=values)


@pytest.mark.parametrize("several", [list, tuple, pd.Index, np.array])
def test_outcomes_of_a_bootstrap_are_taken_from_every_list_of_names(df, several):
    found = BOOTSTRAP(df, outcome=several(["y", "y2"]))
    assert isinstance(found, ps.BootstrapResults)
    assert list(found) == ["y", "y2"]
    assert list(BOOTSTRAP(df, outcome=several(["y"]))) == ["y"]


# Lists of what is no name


def test_text_of_several_columns_is_told_to_be_a_list_or_a_formula(df):
    with pytest.raises(InvalidInputError, match=r"'x, y2' is one text for 2 columns; take \['x', 'y2'\]"):
        ps.fit_propensity(df, treatment="t", covariates=["x, y2"])
    with pytest.raises(InvalidInputError, match=r"terms are joined by \+, 'x \+ y2', or .* \['x', 'y2'\]"):
        ps.fit_propensity(df, treatment="t", covariates="x, y2")


@pytest.mark.parametrize("listed", [["log(w)"], ["x", "x:y2"], ["x + y2"], ["x * y2", "ws"]])
def test_formula_in_a_list_is_told_to_stand_by_itself(df, listed):
    with pytest.raises(InvalidInputError, match="is a formula, which stands by itself") as caught:
        ps.fit_propensity(df, treatment="t", covariates=listed)
    formula = str(caught.value).split("covariates=")[1]
    assert len(ps.fit_propensity(df, treatment="t", covariates=formula.strip("'")).terms) >= 2
    named = df.rename(columns={"w": "log(x)"})
    assert ps.fit_propensity(named, treatment="t", covariates=["log(x)"]).terms == ("Intercept", "log(x)")


def test_list_of_results_is_told_to_be_given_by_itself(df):
    matches = MATCH(df)
    for call in (
        lambda w: ps.smd(df, treatment="t", covariates=["x"], weights=w),
        lambda w: ps.balance(df, treatment="t", covariates=["x"], weights=w),
        lambda w: ps.plots.ecdf_plot(df, "x", treatment="t", weights=w),
        lambda w: ps.plots.overlap_plot(df, "e", "t", weights=w),
    ):
        with pytest.raises(TypeError, match="a list of 1, the first a Matches; give it by itself"):
            call([matches])
        with pytest.raises(TypeError, match=r"a list of 2, the first a Matches; .* a dict with"):
            call([matches, matches.weights])


@pytest.mark.parametrize(("given", "shown"), [(True, "True"), ("x", "'x'"), (2.5, "2.5"), (None, "")])
def test_covariates_of_an_adjustment_are_asked_for(df, given, shown):
    if given is None:
        assert MATCH(df).effect("y", bias_adjust=given).estimate == MATCH(df).effect("y").estimate
        return
    with pytest.raises(
        TypeError, match=f"bias_adjust: the covariates to adjust for are needed, not {shown}:"
    ):
        MATCH(df).effect("y", bias_adjust=given)


def test_an_adjustment_for_nothing_named_is_answered_with_what_was_matched_by(df):
    matches = ps.match_nn(df, treatment="t", covariates=["x", "e"], on="mahalanobis")
    with pytest.raises(TypeError) as caught:
        matches.effect("y", bias_adjust=True)
    by_name, by_value = re.search(r"True: (.*), or columns themselves, (.*)$", str(caught.value)).groups()
    assert by_name == "bias_adjust=['x', 'e']"
    found = [
        eval(f"matches.effect('y', {line})", {"matches": matches, "df": df}) for line in (by_name, by_value)
    ]
    assert found[0].estimate == found[1].estimate != matches.effect("y").estimate


def test_exact_columns_that_no_two_rows_share_are_told(df):
    said = r"agrees with it in 'x', for each of the 200 groups .* caliper=\{'x': 0.2\}"
    for call in (MATCH, called(ps.match_full, scores="e")):
        with pytest.raises(NoMatchesError, match=said):
            call(df, exact=["x"])
    MATCH(df, caliper={"x": 0.2})
    text = df.assign(name=[f"n{k}" for k in range(N)])
    with pytest.raises(NoMatchesError, match=r"columns of few levels$"):
        MATCH(text, exact=["name"])


# Names that are no text


def test_columns_called_by_numbers_are_told_to_be_made_text(df):
    numbered = df.assign(dummy=df["x"]).rename(columns={"dummy": 0})
    for covariates in ([0], ["0"], "`0`"):
        with pytest.raises((TypeError, InvalidInputError), match=r"df.columns = df.columns.map\(str\)"):
            ps.fit_propensity(numbered, treatment="t", covariates=covariates)
    numbered.columns = numbered.columns.map(str)
    found = ps.fit_propensity(numbered, treatment="t", covariates=["0"])
    np.testing.assert_array_equal(found.scores, ps.fit_propensity(df, treatment="t", covariates=["x"]).scores)


def test_columns_of_several_levels_are_told_to_be_made_flat(df):
    nested = pd.concat({"a": df}, axis=1)
    line = r"df.columns = \['_'.join\(map\(str, name\)\) for name in df.columns\]"
    with pytest.raises(TypeError, match=line):
        ps.fit_propensity(nested, treatment=("a", "t"), covariates=[("a", "x")])
    with pytest.raises(InvalidInputError, match=line):
        ps.fit_propensity(nested, treatment="t", covariates=["x"])
    nested.columns = ["_".join(map(str, name)) for name in nested.columns]
    assert ps.fit_propensity(nested, treatment="a_t", covariates=["a_x"]).terms == ("Intercept", "a_x")


# Names that tables use themselves


@pytest.mark.parametrize("name", ["n", "min", "5%", "outside", "ess", "group", "largest"])
def test_groups_may_be_called_like_a_figure_of_the_table(df, name):
    by = df["ws"] % 3
    named = ps.overlap(df.assign(**{name: by}), treatment="t", scores="e", by=name)
    plain = ps.overlap(df.assign(tier=by), treatment="t", scores="e", by="tier")
    for table in ("quantiles", "support", "weights"):
        found, expected = getattr(named, table), getattr(plain, table)
        assert found.index.names[0] == name
        np.testing.assert_array_equal(found.to_numpy(), expected.to_numpy())
        assert [*found.index] == [*expected.index]
    np.testing.assert_array_equal(named.to_frame().to_numpy(), plain.to_frame().to_numpy())


@pytest.mark.parametrize("name", ["arm", "estimand"])
def test_groups_are_not_called_like_a_level_of_the_table(df, name):
    with pytest.raises(InvalidInputError, match=f"a level called '{name}' of its own; rename"):
        ps.overlap(df.assign(**{name: df["ws"] % 3}), treatment="t", scores="e", by=name)


def test_term_is_not_called_like_the_row_of_the_scores(df):
    named = df.rename(columns={"x": "propensity"})
    with pytest.raises(InvalidInputError, match="column 'propensity': the row of the scores has this name"):
        ps.balance(named, treatment="t", covariates=["propensity"], scores="e")
    assert list(ps.balance(named, treatment="t", covariates=["propensity"]).index) == ["propensity"]


def test_caliper_on_the_scores_is_not_one_on_a_column_of_that_name(df):
    for name in ("scores", "logit"):
        named = df.rename(columns={"x": name})
        with pytest.raises(
            InvalidInputError, match=f"caliper: '{name}' means that of `scores`, and a column"
        ):
            MATCH(named, caliper={name: 0.2})
        assert MATCH(named, caliper=0.2).n_matched == MATCH(df, caliper=0.2).n_matched
    own = df.rename(columns={"e": "scores"})
    by_column = MATCH(own, scores="scores", caliper={"scores": 0.2})
    np.testing.assert_array_equal(by_column.weights, MATCH(df, caliper={"scores": 0.2}).weights)


def test_coarsened_covariates_may_be_called_like_a_count(df):
    found = ps.match_cem(df.rename(columns={"x": "n_treated"}), treatment="t", covariates=["n_treated"])
    expected = ps.match_cem(df, treatment="t", covariates=["x"])
    np.testing.assert_array_equal(found.weights, expected.weights)
    np.testing.assert_array_equal(found.to_frame().to_numpy(str), expected.to_frame().to_numpy(str))


# Tables


def test_batch_of_records_is_a_table(df):
    batch = pa.RecordBatch.from_pandas(df, preserve_index=False)
    table = pa.Table.from_pandas(df, preserve_index=False)
    for call in (
        called(ps.fit_propensity, covariates="x + I(ws**2)"),
        called(ps.balancing_weights, scores="e"),
        IPW,
        MATCH,
        called(ps.match_cem, covariates=["x"]),
    ):
        found, expected = call(batch), call(table)
        for name in ("scores", "weights", "std_error"):
            if hasattr(expected, name):
                np.testing.assert_array_equal(
                    np.asarray(getattr(found, name)), np.asarray(getattr(expected, name))
                )
    model = ps.fit_propensity(batch, treatment="t", covariates=["x"])
    np.testing.assert_array_equal(model.predict(batch.slice(0, 5)), np.asarray(model.scores)[:5])
    assert MATCH(batch).frame(batch).num_rows == MATCH(table).frame(table).num_rows


def test_polars_integers_of_128_bits_are_numbers(df):
    wide = pl.from_pandas(df).with_columns(pl.col("ws").cast(pl.Int128), pl.col("t").cast(pl.Int128))
    for covariates in (["ws"], "ws + I(ws**2)"):
        found = ps.fit_propensity(wide, treatment="t", covariates=covariates)
        expected = ps.fit_propensity(df, treatment="t", covariates=covariates)
        np.testing.assert_array_equal(np.asarray(found.scores), np.asarray(expected.scores))
    missing = wide.with_columns(pl.when(pl.int_range(pl.len()) > 2).then("ws"))
    with pytest.raises(InvalidInputError, match=r"column 'ws': 3 missing values \(rows 0, 1, 2\)"):
        ps.fit_propensity(missing, treatment="t", covariates=["ws"])


# Nearly the right name


def test_name_that_begins_or_ends_a_column_is_that_column(df):
    wide = df.assign(opt_in_agent_mode=df["t"], prompt_variant=0, engagement_tier="a", plan_tier_new="b")
    for given, meant in {
        "opt_in": "opt_in_agent_mode",
        "OPT_IN": "opt_in_agent_mode",
        "engagement": "engagement_tier",
        "agent_mode": "opt_in_agent_mode",
        "tier": "plan_tier_new",  # of several the shortest
        "promt_variant": "prompt_variant",
    }.items():
        with pytest.raises(InvalidInputError, match=f"'{given}' is not in the frame; did you mean '{meant}'"):
            ps.fit_propensity(wide, treatment=given, covariates=["x"])


# One where several may stand


def test_one_name_or_number_is_a_list_of_one(df):
    tiers = df.assign(tier=np.where(df["w"] > df["w"].median(), "a", "b"))
    one, listed = (MATCH(tiers, exact=exact) for exact in ("tier", ["tier"]))
    assert one.spec == listed.spec
    np.testing.assert_array_equal(one.weights, listed.weights)
    assert ps.NearestNeighbors(exact="tier") == ps.NearestNeighbors(exact=["tier"])
    call = called(ps.robustness_value, outcome="y", covariates=["x", "w"])
    assert call(df, benchmarks="w", multiples=2).table.equals(call(df, benchmarks=["w"], multiples=[2]).table)
    bounds = called(ps.sensitivity_bounds, outcome="y", covariates=["x"], n_reps=3, progress=False)
    assert bounds(df, gamma=1.5).table.equals(bounds(df, gamma=[1.5]).table)
    sets = ps.match_full(df, treatment="t", scores="e")
    assert sets.rosenbaum("y", gammas=2).table.equals(sets.rosenbaum("y", gammas=[2]).table)


def test_contrasts_are_words_in_any_case(df):
    shifted = df.assign(y=df["y"] + 10)
    for given in ("Percent", "PERCENT"):
        found = IPW(shifted, contrast=given)
        assert found.contrast == "percent"
        assert found.estimate == IPW(shifted).contrast_as(given).estimate
        assert MATCH(shifted).effect("y", contrast=given).contrast == "percent"
        assert ps.estimate(shifted, outcome="y", treatment="t", covariates=["x"], contrast=given) is not None
    assert ps.e_value(2.0, contrast="Odds_Ratio").point == ps.e_value(2.0, contrast="odds_ratio").point
