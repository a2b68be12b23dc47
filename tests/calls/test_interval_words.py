"""Errors of an effect's interval and kinds of a bootstrap's, where the one is asked for the other."""

import re
from typing import get_args

import pytest

import propensity as ps
from answers import opted_rows, said
from propensity.calls.intervals import ERRORS, OF_BOOTSTRAPS
from propensity.effects.leverage import ErrorKind
from propensity.errors import InvalidInputError
from propensity.resampling.end_errors import ENOUGH
from propensity.resampling.intervals import BY_ERRORS, KINDS

pytestmark = pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning")  # few rows, made up

ROLES = {"outcome": "y", "treatment": "t", "covariates": ["x"], "estimators": [ps.IPW()]}


@pytest.fixture(scope="module")
def df():
    return opted_rows()


@pytest.fixture(scope="module")
def effect(df):
    return ps.ipw(
        df, outcome="y", treatment="t", scores=ps.fit_propensity(df, treatment="t", covariates=["x"])
    )


@pytest.fixture(scope="module")
def boot(df):
    return ps.bootstrap(df, **ROLES, n_reps=20, studentized=True, progress=False)


def refused(call, *args, **options):
    with pytest.raises(InvalidInputError) as caught:
        call(*args, **options)
    return str(caught.value)


def test_names_are_those_of_effects_and_bootstraps():
    assert get_args(ErrorKind) == ERRORS
    assert tuple(OF_BOOTSTRAPS) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_bootstraps_are_answered_with_the_bootstrap_that_has_them(df, effect, kind):
    answers = refused(effect.conf_int, se=kind), said(effect.conf_int, kind=kind)
    for answer in answers:
        line = re.search(
            r"ps\.bootstrap\(df, \.\.\., estimators=\[\.\.\.\](.*?\))(\.conf_int\(.*?\))", answer
        )
        asked = eval(f"dict({line[1][:-1].removeprefix(', ')})")
        assert asked.get("n_reps", 0) == ENOUGH.get(kind, 0)
        assert asked.get("studentized", False) == (kind in BY_ERRORS)
        found = eval(f"ps.bootstrap(df, **roles{line[1]}{line[2]}", {"ps": ps, "df": df, "roles": ROLES})
        assert found.notna().all(axis=None)  # and no warning of too few replicates


@pytest.mark.parametrize("se", ERRORS)
def test_errors_of_effects_are_answered_with_the_effect_that_has_them(effect, boot, se):
    for answer in (refused(boot.conf_int, kind=se), said(boot.conf_int, se=se)):
        line = re.search(r"ps\.ipw\(\.\.\.\)\.(conf_int\(se=.*?\))", answer)[1]
        low, high = eval(f"effect.{line}", {"effect": effect})
        assert low < high


def test_right_words_under_the_wrong_name_are_given_the_name(effect, boot):
    assert "it is called se= here: se='HC3'" in said(effect.conf_int, kind="HC3")
    assert "it is called kind= here: kind='basic'" in said(boot.conf_int, se="basic")


def test_other_words_name_what_there_is(effect, boot):
    answer = said(effect.conf_int, method="bootstrap")
    assert "se= is one of 'HC0', 'HC2', 'HC3', 'jackknife'" in answer
    assert "estimators=[...]).conf_int(kind='percentile')" in answer
    assert "ps.ipw(...).conf_int(se='jackknife')" in said(boot.conf_int, std_error=0.1)
