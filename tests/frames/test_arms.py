"""A treatment that is no two arms, an outcome that is no number: what is said, and that the line is right.

The lines are run as they stand, once what only the user knows has been filled in.
"""

import decimal
import re

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from mended_lines import TREATED, N, effect, frame, refused, run
from propensity import core, plots
from propensity.errors import InvalidInputError
from propensity.frames import arms

OR_AN_INDICATOR = ', or take missing="indicator"'

pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning")


def expected(arm=TREATED):
    return effect(frame(arm=arm))


PAIRS = [  # treated, control
    ("treated", "untreated"),
    ("exposed", "unexposed"),
    ("exposed", "not exposed"),
    ("user", "non-user"),
    ("member", "nonmember"),
    ("case", "control"),
    ("active", "placebo"),
    ("drug", "Placebo arm"),
    ("new", "old"),
    ("A: feature on", "B: feature off"),
    ("enabled", "disabled"),
    ("active", "inactive"),
    ("yes", "no"),
    ("Y", "N"),
    ("TRUE", "FALSE"),
    ("1", "0"),
    ("1.0", "0.0"),
    ("v1", "v0"),
    ("opt-in", "opt-out"),
    ("with email", "without email"),
    ("post-period", "pre-period"),
    ("new-school", "old-school"),
    ("opt_in", "opt_out"),
    ("treatment-arm", "control-arm"),
    ("test-2024", "control-2024"),
    ("campaign", "hold-out"),
    ("exposed", "not-exposed"),
    ("agent", "no_agent"),
    ("email", "no email"),
    ("email", "none"),
    ("after", "before"),
    ("campaign", "holdout"),
    (1, -1),
    (2, 1),
    (-3, 0),
    (7.5, 0.0),
]


@pytest.mark.parametrize(("treated", "control"), PAIRS)
def test_guess_never_takes_the_control_for_the_treated(treated, control, library):
    said = refused(library(frame(arm=np.where(TREATED, treated, control))))
    assert "column 'arm': the treatment must be bool or 0/1" in said
    line = said.split("say which one is treated: ")[1]
    df = run(line, library(frame(arm=np.where(TREATED, treated, control))))
    assert effect(df) == expected()


SLOTS = [
    ("red", "blue"),
    ("A", "B"),
    ("web", "mobile"),
    ("limited", "unlimited edition"),
    ("control 1", "control 2"),
    ("F", "M"),
    ("N", "S"),
    ("0.5mg", "1mg"),
    ("online", "offer"),
    ("notes", "mail"),
    ("no ads", "no mail"),
    ("no-code", "code"),
    ("pre-registered", "walk-in"),
    ("off-grid", "grid"),
    ("off-peak", "peak"),
    ("non-stop", "layover"),
    ("default-theme", "dark-theme"),
]


@pytest.mark.parametrize(("one", "other"), SLOTS)
def test_levels_that_do_not_tell_leave_a_slot(one, other, library):
    said = refused(library(frame(arm=np.where(TREATED, one, other))))
    assert said.endswith("== <the treated level>") or "<the treated level>)" in said
    line = said.split("say which one is treated: ")[1].replace("<the treated level>", repr(one))
    assert effect(run(line, library(frame(arm=np.where(TREATED, one, other))))) == expected()


def test_order_of_the_alphabet_decides_nothing():
    for control in ("control", "placebo", "untreated", "not treated", "old", "off"):
        for treated in ("a", "zz"):
            for levels in ([treated, control], [control, treated]):
                assert arms.treated_of(levels) == treated


@pytest.mark.parametrize(
    "levels", [["control", "mail a", "mail b"], [0, 1, 2], ["0", "1", "2"], [0.0, 0.5, 1.0]]
)
def test_three_arms_are_first_made_two(levels, library):
    arm = np.array(levels)[np.arange(N) % 3]
    said = refused(library(frame(arm=arm)))
    assert "a comparison is of two arms: keep two of them first" in said
    first, second = re.search(r"first, (.*), then say which one is treated: (.*)", said).groups()
    assert repr(levels[0]) in first  # it is called what controls are called
    treated = repr(levels[2])
    df = run(first.replace("<the treated level>", treated), library(frame(arm=arm)))
    df = run(second.replace("<the treated level>", treated), df)
    kept = frame(arm=arm)[np.isin(arm, [levels[0], levels[2]])]
    assert effect(df) == effect(kept.assign(arm=kept["arm"] == levels[2]))


def test_three_arms_of_unknown_names_leave_two_slots():
    said = refused(frame(arm=np.array(["red", "green", "blue"])[np.arange(N) % 3]))
    assert "isin([<the control level>, <the treated level>])" in said


def test_dose_is_not_supported(library):
    said = refused(library(frame(arm=np.arange(N) / 7)))
    assert "a dose is not supported" in said
    line = said.split("with the others, ")[1].replace("<the bound>", "4.0")
    df = run(line, library(frame(arm=np.arange(N) / 7)))
    assert effect(df) == expected(np.arange(N) / 7 > 4.0)


def test_one_level_is_no_comparison(library):
    assert "'b' in every row; both arms are needed" in refused(library(frame(arm=["b"] * N)))


# Flags after a join: where there was no row to join, a value is missing.

JOINED = {
    "bools": [True if treated else None for treated in TREATED],
    "ones": [1.0 if treated else None for treated in TREATED],
    "words": ["opted in" if treated else None for treated in TREATED],
}


@pytest.mark.parametrize("flag", JOINED)
def test_flag_after_a_join_counts_the_missing_and_gives_the_line(flag, library):
    df = library(frame(arm=pd.Series(JOINED[flag], dtype=object if flag != "ones" else float)))
    said = refused(df)
    assert "column 'arm': 40 missing values (rows 1, 2, 4, 5, 7, ...)" in said
    assert "drop these rows" not in said  # nobody else would be left
    line = said.split("where missing means not treated: ")[1]
    assert effect(run(line, df)) == expected()


def test_pandas_flag_of_objects_is_compared_with_true():
    df = frame(arm=pd.Series(JOINED["bools"], dtype=object))
    assert "df['arm'] = df['arm'].eq(True)" in refused(df)
    nullable = frame(arm=pd.array(JOINED["bools"], dtype="boolean"))
    line = refused(nullable).split("not treated: ")[1]
    assert effect(run(line, nullable)) == expected()


def test_flag_that_is_an_outcome_or_a_covariate_gives_the_line_too(library):
    values = pd.Series([True if k % 4 else None for k in range(N)], dtype=object)
    df = library(frame(arm=TREATED, churned=values))
    said = refused(df, outcome="churned")
    line = said.split("where missing means no: ")[1]
    assert effect(run(line, df), outcome="churned") == effect(
        frame(arm=TREATED, churned=np.arange(N) % 4 > 0), outcome="churned"
    )
    with pytest.raises(InvalidInputError, match="where missing means no"):
        ps.fit_propensity(df, treatment="arm", covariates=["churned"])


def test_two_incomplete_columns_each_have_their_remedy():
    df = frame(arm=pd.Series(JOINED["bools"], dtype=object)).assign(y=lambda d: d["y"].where(d.index > 2))
    said = refused(df)
    assert "drop or impute these first" in said
    assert "column 'arm': 40 missing values" in said
    assert ".eq(True)" in said
    assert "column 'y': 3 missing values (rows 0, 1, 2)" in said


def test_line_drops_the_rows_in_which_something_is_missing(library):
    y = np.where(np.arange(N) % 7, np.arange(N) * 1.0, np.nan)
    tier = np.where(np.arange(N) % 5, "a", None)
    spent = np.where(np.arange(N) % 11, np.arange(N) * 1.0, np.inf)
    whole = frame(arm=TREATED, y=y, tier=tier, spent=spent)
    for columns in (["y"], ["tier"], ["spent"], ["y", "tier"], ["spent", "tier", "y"]):
        df = library(whole)
        with pytest.raises(InvalidInputError, match=", df = df") as caught:
            ps.fit_propensity(df, treatment="arm", covariates=columns)
        said = str(caught.value)
        line = said.split("first, ")[1].splitlines()[0].removesuffix(":").removesuffix(OR_AN_INDICATOR)
        left = run(line, df)
        kept = np.isfinite(y) if "y" in columns else np.ones(N, dtype=bool)
        kept &= (np.arange(N) % 5 > 0) | ("tier" not in columns)
        kept &= np.isfinite(spent) | ("spent" not in columns)
        np.testing.assert_array_equal(np.asarray(left["x"]), whole["x"][kept])


def test_values_of_their_own_have_no_line_of_the_frame():
    values = np.where(np.arange(N) % 7, 0.4, np.nan)
    assert refused(frame(arm=TREATED), scores=values).endswith("drop or impute them first")
    named = refused(frame(arm=TREATED, score=values), scores="score")
    assert named.endswith("drop or impute them first, df = df.dropna(subset=['score'])")


@pytest.mark.parametrize(
    ("yes", "no", "treated"), [("yes", "no", "'yes'"), ("b", "a", "<the treated level>")]
)
def test_words_of_two_arms_and_missing_ones_are_not_imputed(yes, no, treated, library):
    words = np.array([yes if t else no for t in TREATED], dtype=object)
    words[4] = words[5] = None
    df = library(frame(arm=words))
    said = refused(df)
    assert "impute" not in said
    line = said.split("where missing means not treated: ")[1]
    assert treated in line
    found = run(line.replace("<the treated level>", repr(yes)), df)
    assert effect(found) == expected()
    dropped = run(re.search(r"drop these rows, (.*), or where", said).group(1), df)
    assert len(dropped) == N - 2


def test_dates_of_a_treatment_tell_who_is_treated_where_they_are_missing(library):
    when = pd.Series(pd.date_range("2026-01-01", periods=N)).where(TREATED)
    for made in (
        when,
        pd.Series([date.date() if treated else None for date, treated in zip(when, TREATED, strict=True)]),
    ):
        df = library(frame(arm=made))
        said = refused(df)
        assert "column 'arm': the treatment must be bool or 0/1, and these are dates" in said
        assert effect(run(said.split("not treated: ")[1], df)) == expected()


COMPLETE = {
    "objects of bools": TREATED.astype(object),
    "objects of whole numbers": TREATED.astype(int).astype(object),
    "objects of decimals": [decimal.Decimal(int(treated)) for treated in TREATED],
    "categories of whole numbers": pd.Categorical(TREATED.astype(int)),
    "categories of bools": pd.Categorical(TREATED),
    "bools": TREATED,
}


@pytest.mark.parametrize("kind", COMPLETE)
def test_zero_and_one_of_every_kind_are_a_treatment_and_an_outcome(kind):
    values = COMPLETE[kind]
    assert effect(frame(arm=values)) == expected()
    share = effect(frame(arm=np.arange(N) % 2, out=values), outcome="out")
    assert share == effect(frame(arm=np.arange(N) % 2, out=TREATED.astype(float)), outcome="out")


def test_categories_of_numbers_are_numbers_wherever_numbers_are_given():
    treatment = pd.Series(TREATED.astype(int)).astype("category")
    counts = ps.truncate(np.ones(N), upper=0.9, treatment=treatment).counts
    assert list(counts.index) == list(ps.truncate(np.ones(N), upper=0.9, treatment=TREATED).counts.index)
    plots.overlap_plot(np.linspace(0.1, 0.9, N), treatment)
    matches = ps.match_nn(frame(arm=TREATED), treatment="arm", scores="e")
    outcome = pd.Series(np.arange(N) % 5).astype("category")
    assert matches.effect(outcome).estimate == matches.effect(outcome.astype(float)).estimate


def test_outcome_of_two_levels_is_never_their_complement(library):
    for yes, no in (("churned", "not churned"), ("yes", "no"), ("TRUE", "FALSE")):
        df = library(frame(arm=np.arange(N) % 2, out=np.where(TREATED, yes, no)))
        said = refused(df, outcome="out")
        assert "column 'out': an outcome must be numeric or bool, not text" in said
        found = effect(run(said.split("for the share of one level: ")[1], df), outcome="out")
        assert found == effect(frame(arm=np.arange(N) % 2, out=TREATED), outcome="out")


def test_outcome_of_other_levels_leaves_a_slot(library):
    df = library(frame(arm=np.arange(N) % 2, out=np.where(TREATED, "gold", "basic")))
    said = refused(df, outcome="out")
    assert "== <the level>" in said or "<the level>)" in said
    assert "its levels are 'basic', 'gold'; for the share of one level: " in said


def test_outcome_of_levels_alike_but_for_capitals_is_made_plain_first(library):
    words = np.where(TREATED, np.where(np.arange(N) % 2, "Y", "y "), "N")
    df = library(frame(arm=np.arange(N) % 2, out=words))
    df = run(refused(df, outcome="out").split("capitals and spaces, ")[1], df)
    line = refused(df, outcome="out").split("for the share of one level: ")[1]
    found = effect(run(line, df), outcome="out")
    assert found == effect(frame(arm=np.arange(N) % 2, out=TREATED), outcome="out")


@pytest.mark.parametrize(
    ("write", "missing"),
    [
        (lambda v: f"{v}", False),
        (lambda v: f"{v}".replace(".", ","), False),
        (lambda v: f"{1000 * v:,}", False),
        (lambda v: f"${v}", False),
        (lambda v: f"{v} €", False),
        (lambda v: f"{1000 * v:,.2f}".replace(",", "_").replace(".", ",").replace("_", "."), False),
        (lambda v: f"{v}%", False),
        (lambda v: "N/A" if v == 1.5 else f"{v}", True),
        (lambda v: f"{v / 500:.3f}".replace(".", ","), False),
        (lambda v: f"{1_000_000 * v + 2_000_000:,.0f}".replace(",", "."), False),
    ],
)
def test_text_of_numbers_is_refused_with_the_line_that_reads_it(write, missing, library):
    numbers = np.arange(N) * 0.5
    df = library(frame(arm=TREATED, spent=[write(v) for v in numbers]))
    for call in (
        lambda: ps.fit_propensity(df, treatment="arm", covariates=["spent"]),
        lambda: ps.smd(df, treatment="arm", covariates="spent + x"),
        lambda: ps.ipw(df, outcome="spent", treatment="arm", scores="e"),
    ):
        with pytest.raises(TypeError, match="column 'spent'") as caught:
            call()
        said = str(caught.value)
        line = re.search(
            r"(?:if they are numbers: |these are numbers, |make them numbers: )([^;]*(?:;[^;]*regex[^;]*)?)",
            said,
        ).group(1)
        column = run(line, df)["spent"]
        values = np.array(pd.Series(column.to_numpy()), dtype=float)
        if (numbers > 0).all() or values[0] != 0:
            values = values - values[0]
        times = values[4] / numbers[4]
        np.testing.assert_allclose(values[~np.isnan(values)], times * numbers[~np.isnan(values)], rtol=1e-12)
        assert np.isnan(values).sum() == missing


def test_numbers_and_no_numbers_among_text_are_counted():
    values = pd.Series([str(k) for k in range(N)]).where(np.arange(N) > 1, "N/A")
    with pytest.raises(
        TypeError, match=r"58 of 60 values are numbers written as text, and 2 values \(rows 0, 1\) no"
    ):
        ps.fit_propensity(frame(arm=TREATED, age=values), treatment="arm", covariates=["age"])


@pytest.mark.parametrize(
    "levels", [["1", "2", "3+"], ["18-24", "25-34", "35+"], ["0", "1-5", "many"], ["$0-$10", "$10+"]]
)
def test_groups_with_digits_in_their_names_are_levels(levels):
    values = np.array(levels)[np.random.default_rng(1).integers(0, len(levels), N)]
    model = ps.fit_propensity(frame(arm=TREATED, seats=values), treatment="arm", covariates=["seats"])
    assert len(model.terms) == len(levels)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (TREATED + 1.0, "treatment == 2"),
        (-3.0 * TREATED, "treatment == -3"),
        (np.arange(N) % 3.0, "keep the rows of two arms first"),
        (np.arange(N) / 7, "keep the rows of two arms first"),
        (np.full(N, 5.0), "both arms are needed"),
    ],
)
def test_arrays_get_the_same_advice(values, words):
    with pytest.raises(ValueError, match=words):
        core.fit_propensity(np.ones((N, 1)), values)


def test_levels_that_differ_in_capitals_and_spaces_are_made_alike(library):
    words = np.where(TREATED, np.where(np.arange(N) % 2, "Yes", "yes "), "no")
    df = library(frame(arm=words))
    said = refused(df)
    df = run(said.split("capitals and spaces, ")[1], df)
    assert effect(run(refused(df).split("say which one is treated: ")[1], df)) == expected()


def test_weights_and_scores_of_text_get_the_line_too(library):
    df = library(frame(arm=TREATED, w=["1.5"] * N, score=["0.4"] * N))
    for options in ({"sample_weight": "w"}, {"scores": "score"}):
        said = refused(df, **options)
        assert "numbers are needed, not text; make it numbers: " in said
        repaired = run(said.split("make it numbers: ")[1], df)
        assert effect(repaired, **options) == pytest.approx(expected(), rel=1e-12)
    assert refused(df, scores=np.full(N, "0.4")).endswith("make it numbers: scores = pd.to_numeric(scores)")


@pytest.mark.parametrize("role", ["sample_weight", "cluster"])
def test_the_outcome_has_no_second_role(role):
    rows = pd.DataFrame({"t": [0, 1] * 6, "y": [1, 2, 3, 4] * 3})
    with pytest.raises(ps.errors.InvalidInputError, match=f"'y' is the outcome; it cannot be the {role} too"):
        ps.ipw(rows, outcome="y", treatment="t", scores=np.full(12, 0.5), **{role: "y"})
