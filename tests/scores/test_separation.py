"""Separation: the rows whose treatment is foretold are named by what they have in common, and remembered."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from propensity.errors import (
    BalanceWarning,
    DegenerateWarning,
    OverlapError,
    OverlapWarning,
    SeparationError,
    SeparationWarning,
)
from propensity.frames import laid_out


def told(call):
    """Give the warnings of a call, or its error, by their words."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            call()
        except SeparationError as error:
            return [str(error)]
    return [str(warning.message) for warning in caught if warning.category is SeparationWarning]


def countries(lone):
    """2,000 users in four countries, of one of which the four users are all controls."""
    rng = np.random.default_rng(0)
    df = pd.DataFrame({"country": rng.choice(["DE", "FR", "US"], 2000), "x": rng.normal(size=2000)})
    df["t"] = rng.random(2000) < df["country"].map({"DE": 0.3, "FR": 0.4, "US": 0.5})
    df["y"] = df["t"] + rng.normal(size=2000)
    df.loc[:3, ["country", "t"]] = [lone, False]
    return df


@pytest.mark.parametrize("covariates", [["country", "x"], "country + x", "x + C(country)"])
@pytest.mark.parametrize("lone", ["AD", "HR", "ZW"])  # first of all, in the middle, last
def test_a_level_is_named_wherever_it_stands_in_the_alphabet(lone, covariates):
    df = countries(lone)
    (words,) = told(lambda: ps.fit_propensity(df, treatment="t", covariates=covariates))
    assert words.startswith(f"4 rows with country == '{lone}' are all controls: ")
    assert not any(f"'{level}'" in words for level in ("DE", "FR", "US"))
    assert "merge the level with another" in words


@pytest.mark.parametrize("lone", ["AD", "ZW"])
def test_separation_is_told_once_and_in_the_same_words_by_all(lone):
    df = countries(lone)
    roles = {"treatment": "t", "covariates": ["country", "x"]}
    (words,) = told(lambda: ps.fit_propensity(df, **roles))
    # Nobody in that country is treated, so that the effect on the treated asks nothing about it.
    for call in (
        lambda: ps.aipw(df, outcome="y", estimand="ATT", **roles),
        lambda: ps.ipwra(df, outcome="y", estimand="ATT", **roles),
        lambda: ps.estimate(df, outcome="y", estimators=[ps.IPW("ATT"), ps.AIPW("ATT")], **roles),
        lambda: ps.bootstrap(df, outcome="y", estimators=[ps.IPW("ATT")], n_reps=2, seed=1, **roles),
    ):
        assert told(call) == [words]


@pytest.mark.parametrize("lone", ["AD", "Côte d'Ivoire", 'the "rest"'])
def test_line_of_the_warning_drops_the_rows_that_it_names(lone):
    df = countries(lone)
    df.loc[4:6, ["country", "t"]] = ["XX", True]
    (words,) = told(lambda: ps.fit_propensity(df, treatment="t", covariates=["country", "x"]))
    scope = {"df": df}
    exec(re.search(r"drop these rows, in pandas (df = .*), \(the effect", words).group(1), scope)
    assert len(scope["df"]) == 2000 - 7
    assert not told(lambda: ps.fit_propensity(scope["df"], treatment="t", covariates=["country", "x"]))
    odd = df.rename(columns={"country": "the country"})
    (words,) = told(lambda: ps.fit_propensity(odd, treatment="t", covariates=["the country", "x"]))
    assert "drop these rows (the effect is then for the others)" in words


def test_cells_of_an_interaction_are_named_together():
    rng = np.random.default_rng(3)
    df = pd.DataFrame({"a": rng.choice(list("pqr"), 1500), "b": rng.choice(list("uvw"), 1500)})
    lone = (df["a"] == "p") & (df["b"] == "u")  # the reference cell
    df["t"] = (rng.random(1500) < 0.4) & ~lone
    (words,) = told(lambda: ps.fit_propensity(df, treatment="t", covariates="a * b"))
    assert words.startswith(f"{lone.sum()} rows with a == 'p' and b == 'u' are all controls: ")


def numbers(n=1500):
    rng = np.random.default_rng(4)
    df = pd.DataFrame({"spend": rng.exponential(size=n), "age": rng.normal(40, 9, n)})
    df["t"] = rng.random(n) < 1 / (1 + np.exp(0.5 - df["spend"]))
    return df


def test_sides_of_a_number_are_named_only_where_it_separates():
    df = numbers()
    df["sessions"] = np.where(df["t"] & (np.arange(1500) % 2 == 0), 1 + np.arange(1500) % 40, 0)
    (words,) = told(lambda: ps.fit_propensity(df, treatment="t", covariates=["spend", "age", "sessions"]))
    n = (df["sessions"] > 0).sum()
    assert words.startswith(f"{n} rows with sessions > 0 are all treated: ")
    # Some rows lie beyond all of the other arm by chance; no coefficient grows for their sake.
    assert df.loc[df["age"] > df.loc[~df["t"], "age"].max(), "t"].all()
    assert "age" not in words
    assert "spend" not in words


def test_a_column_that_foretells_everything_is_asked_whether_it_came_later():
    df = numbers()
    df["sessions"] = np.where(df["t"], 1 + np.arange(1500) % 40, 0)
    (words,) = told(lambda: ps.fit_propensity(df, treatment="t", covariates=["spend", "sessions"]))
    assert "leave 'sessions' out (if it is known only after the treatment)" in words
    assert "drop these rows" not in words  # all of them


def test_terms_are_named_where_only_several_together_separate():
    df = numbers()
    df["t"] = df["spend"] + df["age"] / 9 > 5.5
    (words,) = told(lambda: ps.fit_propensity(df, treatment="t", covariates=["spend", "age"]))
    assert "told apart by terms 'spend', 'age' together" in words


def test_flags_and_sample_weights_of_zero():
    df = numbers()
    df["staff"] = (np.arange(1500) % 10 == 0).astype(int)
    df.loc[df["staff"] == 1, "t"] = True
    df.loc[5, ["staff", "t"]] = [1, False]
    df["w"] = np.where(np.arange(1500) == 5, 0.0, 1.0)  # the only control of the staff is not there
    (words,) = told(
        lambda: ps.fit_propensity(df, treatment="t", covariates=["spend", "staff"], sample_weight="w")
    )
    assert words.startswith("150 rows with staff == 1 are all treated: ")
    assert "merge" not in words


@pytest.mark.parametrize("of", [int, float, bool])
def test_categories_of_numbers_are_named_by_their_values(of):
    rng = np.random.default_rng(2)
    df = pd.DataFrame({"zone": rng.choice([0, 1] if of is bool else [10, 20, 30], 600)})
    df["t"] = rng.random(600) < 0.5
    df.loc[df["zone"] == df["zone"].min(), "t"] = True
    df["zone"] = df["zone"].astype(of).astype("category")
    (words,) = told(lambda: ps.fit_propensity(df, treatment="t", covariates=["zone"]))
    least = {int: "10", float: "10", bool: "False"}[of]
    assert f" rows with zone == {least} are all treated: " in words
    assert "merge the level with another" in words


def many_countries(n_lone):
    """6,000 users, and beside them four in each of some countries where all are treated, or none."""
    rng = np.random.default_rng(6)
    df = pd.DataFrame(
        {"country": rng.choice([f"c{k:02d}" for k in range(45)], 6_000), "x": rng.normal(size=6_000)}
    )
    df["t"] = rng.random(6_000) < 0.4
    rare = pd.DataFrame({"country": np.repeat([f"r{k:02d}" for k in range(n_lone)], 4)}, dtype="str")
    rare["x"] = rng.normal(size=len(rare))
    rare["t"] = rare["country"] >= "r05"
    return pd.concat([df, rare], ignore_index=True)


@pytest.mark.parametrize("many", [32, 10**9])  # by codes, and by dummies
def test_many_levels_are_told_in_one_go_by_their_counts(monkeypatch, many):
    monkeypatch.setattr(laid_out, "_MANY_TERMS", many)
    df, roles = many_countries(14), {"treatment": "t", "covariates": ["country", "x"]}
    (words,) = told(lambda: ps.fit_propensity(df, **roles))
    assert words.startswith(
        "36 rows of 9 levels of country ('r05', 'r06', 'r07' and 6 more) are all treated and 20 rows of 5 "
        "levels of country ('r00', 'r01', 'r02' and 2 more) are all controls: the score model foretells"
    )
    assert "merge the level with another (min_level_count=5 does so with rare ones)" in words
    assert not told(lambda: ps.fit_propensity(df, **roles, min_level_count=5))
    assert not told(lambda: ps.fit_propensity(df, **roles, penalty=1.0))
    df["w"] = np.where(df["country"] > "r01", 0.0, 1.0)  # nobody of the others is there
    (words,) = told(lambda: ps.fit_propensity(df, **roles, sample_weight="w"))
    assert words.startswith(
        "4 rows with country == 'r00' are all controls and 4 rows with country == 'r01' are"
    )


@pytest.mark.parametrize("many", [32, 10**9])
def test_a_column_all_of_whose_levels_foretell_is_refused_in_the_same_words(monkeypatch, many):
    monkeypatch.setattr(laid_out, "_MANY_TERMS", many)
    df = many_countries(0)
    df["t"] = df["country"] < "c20"
    (words,) = told(lambda: ps.fit_propensity(df, treatment="t", covariates=["country", "x"]))
    arms = [(int((~df["t"]).sum()), 25, "controls"), (int(df["t"].sum()), 20, "treated")]
    for n, levels, arm in arms:
        named = rf"\('c\d\d', 'c\d\d', 'c\d\d' and {levels - 3} more\)"
        assert re.search(rf"{n:,} rows of {levels} levels of country {named} are all {arm}", words)
    assert "leave 'country' out (if it is known only after the treatment)" in words
    assert "min_level_count" not in words  # they are not rare


def crossed():
    """5,000 users of 12 countries and 4 plans."""
    rng = np.random.default_rng(7)
    df = pd.DataFrame(
        {
            "country": rng.choice([f"c{k:02d}" for k in range(12)], 5_000),
            "plan": rng.choice(["free", "home", "pro", "team"], 5_000),
            "x": rng.normal(size=5_000),
        }
    )
    df["t"] = rng.random(5_000) < 1 / (1 + np.exp(-df["x"] / 3))
    return df


@pytest.mark.parametrize("many", [10, 10**9])  # by codes, and by dummies
@pytest.mark.parametrize(
    ("formula", "lone"),
    [
        ("country * x", "country == 'c07'"),
        ("country * x", "country == 'c00'"),  # the first, whose slope is that of x
        ("country * x + plan:x", "country == 'c07'"),
        ("country + country:x", "country == 'c11'"),
        ("country * plan", "country == 'c07' and plan == 'pro'"),
        ("country * plan + x", "country == 'c00' and plan == 'free'"),
        ("country:plan + x", "country == 'c03' and plan == 'team'"),
        ("country * plan * x", "country == 'c03' and plan == 'team'"),
    ],
)
def test_what_separates_in_an_interaction_is_named_by_codes_as_by_dummies(monkeypatch, many, formula, lone):
    monkeypatch.setattr(laid_out, "_MANY_TERMS", many)
    df = crossed()
    rows = df.eval(lone)
    df["t"] |= rows
    (words,) = told(lambda: ps.fit_propensity(df, treatment="t", covariates=formula))
    assert words.startswith(f"{rows.sum()} rows with {lone} are all treated: ")
    assert not told(lambda: ps.fit_propensity(df, treatment="t", covariates=formula, penalty=1.0))


@pytest.mark.parametrize("many", [10, 10**9])
@pytest.mark.parametrize("formula", ["country * x", "country * plan + x", "country:plan + x"])
def test_an_interaction_that_foretells_everything_is_refused(monkeypatch, many, formula):
    monkeypatch.setattr(laid_out, "_MANY_TERMS", many)
    df = crossed()
    df["t"] = df["country"] < "c05"
    with pytest.raises(SeparationError, match="leave 'country' out"):
        ps.fit_propensity(df, treatment="t", covariates=formula)


# The effect remembers


@pytest.fixture(scope="module")
def team():
    """Everybody of a plan opted in: their score is 1, and nobody stands for them."""
    rng = np.random.default_rng(1)
    df = pd.DataFrame({"plan": rng.choice(["free", "pro"], 400)})
    df["t"] = rng.random(400) < 0.5
    df.loc[:39, ["plan", "t"]] = ["team", True]
    df["y"] = 1.0 * df["t"] + 5.0 * (df["plan"] == "team") + 2.0 * (df["plan"] == "pro")
    return df


@pytest.fixture(scope="module")
def of_plan(team):
    with pytest.warns(SeparationWarning):
        return ps.fit_propensity(team, treatment="t", covariates=["plan"])


@pytest.mark.filterwarnings("ignore::propensity.errors.DegenerateWarning")
@pytest.mark.parametrize("estimand", ["ATE", "ATT"])
def test_effect_says_for_whom_nobody_stands(team, of_plan, estimand):
    effect = ps.ipw(team, outcome="y", treatment="t", scores=of_plan, estimand=estimand)
    (caution,) = effect.cautions
    assert isinstance(caution, SeparationWarning)
    assert str(caution).startswith("40 rows with plan == 'team' are all treated")
    with pytest.warns(OverlapWarning, match="^40 treated rows with scores of 1, for which no control stands"):
        ps.ipw(team, outcome="y", treatment="t", scores=of_plan.scores.to_numpy(), estimand=estimand)
    kept = team.iloc[40:]
    model = ps.fit_propensity(kept, treatment="t", covariates=["plan"])
    dropped = ps.ipw(kept, outcome="y", treatment="t", scores=model, estimand=estimand)
    assert dropped.estimate == pytest.approx(1.0)
    # The outcome is made of treatment and plan, and nothing else is to be said.
    assert all(isinstance(caution, DegenerateWarning) for caution in dropped.cautions)


@pytest.mark.parametrize("estimand", ["ATC", "ATO", "ATM"])
def test_effect_for_others_says_nothing_of_them(team, of_plan, estimand):
    effect = ps.ipw(team, outcome="y", treatment="t", scores=of_plan, estimand=estimand)
    assert not any(isinstance(caution, OverlapWarning) for caution in effect.cautions)
    assert effect.estimate == pytest.approx(1.0)


def test_balance_is_asked_of_those_for_whom_somebody_stands(team, of_plan):
    effect = ps.ipw(team, outcome="y", treatment="t", scores=of_plan)
    assert len(effect.cautions) == 1  # without the rows that are told of, the arms are balanced


@pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning")  # a caliper would leave them out
def test_matches_say_so_too(team, of_plan):
    for match in (ps.match_nn, ps.match_full, ps.subclassify):
        matched = match(team, treatment="t", scores=of_plan)
        assert any("plan == 'team'" in str(caution) for caution in matched.effect(team["y"]).cautions)


def test_a_model_warns_of_its_separation_once_at_its_fit(team):
    def everyday():
        model = ps.fit_propensity(team, treatment="t", covariates=["plan"])
        ps.ipw(team, outcome="y", treatment="t", scores=model)
        ps.ipw(team, outcome=["y", "y"][:1], treatment="t", scores=model)
        ps.match_nn(team, treatment="t", scores=model)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BalanceWarning)
        assert len(told(everyday)) == 1


@pytest.fixture(scope="module")
def far():
    """300 rows of whom the 106 on one plan are all treated, and a number that moves scores so near to 1."""
    rng = np.random.default_rng(0)
    df = pd.DataFrame({"x": rng.normal(size=300), "plan": rng.choice(["basic", "pro", "team"], 300)})
    df["t"] = (rng.random(300) < 1 / (1 + np.exp(-2.5 * df["x"]))).astype(int)
    df["y"] = df["x"] + df["t"] + rng.normal(size=300)
    df.loc[df["plan"] == "team", "t"] = 1
    return df.set_axis([f"user {k}" for k in range(300)])


USES = {
    "ipw": lambda df, roles: ps.ipw(df, outcome="y", treatment="t", scores=_fit(df)),
    "balancing_weights": lambda df, roles: ps.balancing_weights(df, treatment="t", scores=_fit(df)),
    "match_nn": lambda df, roles: ps.match_nn(df, treatment="t", scores=_fit(df)),
    "subclassify": lambda df, roles: ps.subclassify(df, treatment="t", scores=_fit(df)),
    "aipw": lambda df, roles: ps.aipw(df, **roles),
    "aipw, cross-fitted": lambda df, roles: ps.aipw(df, **roles, n_folds=3),
    "ipwra": lambda df, roles: ps.ipwra(df, **roles),
    "estimate": lambda df, roles: ps.estimate(df, **roles),
    "bootstrap": lambda df, roles: ps.bootstrap(df, **roles, n_reps=4),
}


def _fit(df):
    with pytest.warns(SeparationWarning):
        return ps.fit_propensity(df, treatment="t", covariates=["plan", "x"])


@pytest.mark.parametrize("use", USES)
def test_scores_of_1_name_the_rows_that_are_foretold(far, use):
    roles = {"outcome": "y", "treatment": "t", "covariates": ["plan", "x"]}
    with pytest.raises(OverlapError, match=r"^scores: 2 scores \(rows user \d+, user \d+\)") as found:
        USES[use](far, roles)
    assert "106 rows with plan == 'team' are all treated" in str(found.value)


def test_scores_of_1_are_shown_and_trimmed(far):
    model = _fit(far)
    with pytest.warns(
        OverlapWarning, match=r"^scores: 2 scores \(rows user \d+, user \d+\) at 0 or 1 exactly"
    ):
        found = ps.overlap(far, treatment="t", scores=model)
    assert found.quantiles.loc["treated", "max"] == 1
    trimmed = ps.trim(far, treatment="t", scores=model)
    assert not trimmed.keep[model.scores == 1].any()


def test_what_is_said_of_a_number_is_true_of_all_rows():
    # Where x is in between, a level tells the arms apart: no bound of x may leave these rows out of account.
    df = pd.DataFrame({"x": np.r_[0:1:50j, 1.76:1.8:10j, 2:3:50j], "plan": "a"})
    df["t"] = np.r_[[False] * 50, [True, False] * 5, [True] * 50]
    df.loc[50:59, "plan"] = np.where(df["t"][50:60], "b", "c")
    (words,) = told(lambda: ps.fit_propensity(df, treatment="t", covariates=["plan", "x"]))
    for arm, bound in re.findall(r"x ([<>]) ([\d.]+)", words):
        rows = df[df["x"] < float(bound)] if arm == "<" else df[df["x"] > float(bound)]
        assert rows["t"].nunique() == 1, words
