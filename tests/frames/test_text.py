"""Text that is numbers or dates: what is said, and that the line reads all of it."""

import re

import numpy as np
import pandas as pd
import pytest

import propensity as ps
from mended_lines import TREATED, N, frame, refused, run
from propensity.errors import InvalidInputError

pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning")


BRACKETED = [f"({-v:.2f})" if v < 0 else f"${v:,.2f}" for v in np.arange(N) * 60.0 - 1_500]


def test_numbers_in_brackets_are_negative(library):
    df = library(frame(arm=TREATED, revenue=BRACKETED))
    said = refused(df, outcome="revenue")
    assert "these are numbers, " in said
    found = run(said.split("these are numbers, ")[1], df)["revenue"].to_numpy()
    np.testing.assert_allclose(np.array(found, dtype=float), np.arange(N) * 60.0 - 1_500)
    some = library(frame(arm=TREATED, revenue=["oops", *BRACKETED[1:]]))
    said = refused(some, outcome="revenue")
    assert "59 of 60 values are numbers written as text, and 1 value (row 0) no number: 'oops'; make" in said
    found = run(said.split("make them numbers: ")[1], some)["revenue"].to_numpy()
    np.testing.assert_allclose(np.array(found, dtype=float)[1:], np.arange(N)[1:] * 60.0 - 1_500)


@pytest.mark.parametrize(
    ("text", "first", "second", "words"),
    [
        ("1.234", 1.234, 1234.0, "or where the points separate thousands "),
        ("1,234", 1234.0, 1.234, "or where the commas are decimal ones "),
        ("$1,234", 1234.0, 1.234, "or where the commas are decimal ones "),
    ],
)
def test_point_or_comma_that_may_be_two_things_gets_two_lines(library, text, first, second, words):
    df = library(frame(arm=TREATED, revenue=[text] * N))
    lines = refused(df, outcome="revenue").split("these are numbers, ")[1].split(f", {words}")
    for line, value in zip(lines, (first, second), strict=True):
        assert run(line, df)["revenue"].to_numpy()[0] == value


@pytest.mark.parametrize("text", ["1.2345", "0.512", "0,512", "12.5", "1.234.567", "1,234,567", "1.234,50"])
def test_other_numbers_get_one_line(library, text):
    df = library(frame(arm=TREATED, revenue=[text] * N))
    assert "or where" not in refused(df, outcome="revenue")


DATES = pd.date_range("2024-01-30", periods=N, freq="36h")


@pytest.mark.parametrize(
    "write",
    [
        lambda d: f"{d:%Y-%m-%d}",
        lambda d: f"{d:%Y-%m-%d %H:%M:%S}",
        lambda d: f"{d:%Y-%m-%dT%H:%M}",
        lambda d: f"{d:%Y-%m-%dT%H:%M:%S}Z",
    ],
)
def test_dates_as_text_get_the_line_that_counts_days(write, library):
    df = library(frame(arm=TREATED, day=[write(d) for d in DATES]))
    calls = {
        "covariates": lambda: ps.fit_propensity(df, treatment="arm", covariates=["day"]),
        "formula": lambda: ps.smd(df, treatment="arm", covariates="day + x"),
        "outcome": lambda: ps.ipw(df, outcome="day", treatment="arm", scores="e"),
    }
    whole = write(DATES[0]) == "2024-01-30"
    expected = ((DATES.normalize() if whole else DATES) - DATES[0]).days.to_numpy()
    for call in calls.values():
        with pytest.raises(TypeError, match=r"column 'day'.* dates.*for days since the first") as caught:
            call()
        line = re.search(r"since the first: ([^;]*)", str(caught.value)).group(1)
        np.testing.assert_array_equal(np.array(run(line, df)["day"].to_numpy(), dtype=float), expected)


def test_words_for_missing_dates_become_missing(library):
    df = library(frame(arm=TREATED, day=["n/a", *(f"{d:%Y-%m-%d}" for d in DATES[1:])]))
    with pytest.raises(TypeError, match=r"text of 60 dates, '2024-01-31', '2024-02-02', ") as caught:
        ps.fit_propensity(df, treatment="arm", covariates=["day"])
    line = re.search(r"since the first: ([^;]*)", str(caught.value)).group(1)
    found = np.array(pd.Series(run(line, df)["day"].to_numpy()), dtype=float)
    assert np.isnan(found[0])
    np.testing.assert_array_equal(found[1:], (DATES[1:].normalize() - DATES[1].normalize()).days)


def test_a_few_dates_are_cohorts(library):
    months = np.array(["2024-01-01", "2024-02-01", "2024-03-01"])[np.arange(N) % 3]
    df = library(frame(arm=np.arange(N) % 2 == 0, month=months))
    assert len(ps.fit_propensity(df, treatment="arm", covariates=["month"]).terms) == 3


def test_dates_of_the_treated_as_text_get_the_line_too(library):
    df = library(frame(arm=[f"{d:%Y-%m-%d}" if t else None for d, t in zip(DATES, TREATED, strict=True)]))
    with pytest.raises(InvalidInputError, match="these are dates; where a missing date means not") as caught:
        ps.balancing_weights(df, treatment="arm", scores="e")
    line = str(caught.value).split("means not treated: ")[1]
    np.testing.assert_array_equal(np.array(run(line, df)["arm"].to_numpy()), TREATED)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, "2", 3.5] * 20, [1, 2, 3.5]),
        ([1, "1,200", 3.5] * 20, [1, 1200, 3.5]),
        ([1, "2", None] * 20, [1, 2, np.nan]),
        ([1, "$2", None] * 20, [1, 2, np.nan]),
    ],
)
def test_numbers_of_which_some_are_text_get_the_line_at_once(values, expected):
    df = frame(arm=TREATED, spent=pd.Series(values, dtype=object))
    with pytest.raises(TypeError, match="but several of them; they are numbers, ") as caught:
        ps.fit_propensity(df, treatment="arm", covariates=["spent"])
    found = run(str(caught.value).split("they are numbers, ")[1], df)["spent"]
    np.testing.assert_array_equal(found.to_numpy(float)[:3], expected)


def test_numbers_and_words_become_text():
    df = frame(arm=TREATED, spent=pd.Series([1, "many", 3.5] * 20, dtype=object))
    with pytest.raises(TypeError, match=r"make it one, as text: df\['spent'\] = df\['spent'\].astype\(str\)"):
        ps.fit_propensity(df, treatment="arm", covariates=["spent"])
