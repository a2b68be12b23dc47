"""Lists of outcomes where one is taken: answered with the line that asks for each, which runs."""

import re
import warnings

import pandas as pd
import pytest

import propensity as ps
from conftest import COVARIATES, OUTCOME, TREATMENT
from propensity.errors import InvalidInputError

OUTCOMES = [OUTCOME, "retained_7d"]
ROLES = {"treatment": TREATMENT, "covariates": COVARIATES}


@pytest.fixture(scope="module")
def users(logs):
    return logs.head(1_500)


@pytest.fixture(scope="module")
def matched(users):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = ps.fit_propensity(users, **ROLES)
        roles = {"treatment": TREATMENT}
        far = {"on": "mahalanobis", "covariates": COVARIATES, "replace": False}
        return {
            "plain": ps.match_nn(users, **roles, scores=model),
            "far": ps.match_nn(users, **roles, **far),
            "full": ps.match_full(users, **roles, scores=model),
        }


def said(call, *args, **options):
    with pytest.raises((InvalidInputError, TypeError)) as caught:
        call(*args, **options)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["plain", "far", "full"])
def test_bootstraps_of_matches_ask_for_each_outcome(users, matched, kind):
    found = matched[kind]
    known = {"matches": found, "subclasses": found}
    words = said(found.bootstrap, OUTCOMES)
    assert words.startswith("outcome: one is needed, by itself, and 2 are given; for each, {name: ")
    line = words.partition("for each, ")[2].replace("(name)", "(name, n_reps=5, refit=True)")
    if kind == "far":  # which has no other bootstrap
        assert set(eval(line, known)) == set(OUTCOMES)
    elif kind == "full":
        assert set(eval(line.replace(", refit=True", ""), known)) == set(OUTCOMES)
    several = [users[name] for name in OUTCOMES]
    words = said(found.bootstrap, several)
    assert re.search(r"for each, \[\w+.bootstrap\(values\) for values in several\]", words)
    assert "for name in several}" in said(found.bootstrap, users[OUTCOMES])


def test_a_refit_is_not_sent_to_a_bootstrap_without_a_theory(users):
    options = {"on": "mahalanobis", "covariates": ["query_confidence"], "n_neighbors": 2}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matches = ps.match_nn(users, treatment=TREATMENT, max_reuse=3, **options)
    words = said(matches.bootstrap, OUTCOME, refit=True)
    assert words.endswith("take matches.effect(outcome).conf_int()")
    assert "matches.bootstrap" not in words


@pytest.mark.parametrize("name", ["aipw", "ipwra", "regression_adjustment", "estimate"])
def test_groups_of_several_outcomes_name_the_function_that_was_called(users, name):
    words = said(getattr(ps, name), users, outcome=OUTCOMES, **ROLES, by="engagement_tier")
    assert f"as in {{y: ps.{name}(..., outcome=y, by=...) for y in {OUTCOMES!r}}}" in words


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("sensitivity_bounds", {"gamma": 1.2, "n_reps": 5}),
        ("robustness_value", {}),
        ("quantile_effect", {"q": 0.5, "n_reps": 20}),
        ("best_linear_projection", {"projection": ["query_confidence"]}),
        ("rank_effect", {"priority": "query_confidence"}),
    ],
)
def test_what_takes_one_outcome_asks_for_each(users, name, more):
    words = said(getattr(ps, name), users, outcome=OUTCOMES, **ROLES, **more)
    assert words.startswith(
        f"outcome: {name} takes one outcome; for several, with what else you gave added: "
    )
    line = words.partition("added: ")[2]
    assert f"for name in {OUTCOMES!r}" in line
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = "".join(f", {role}={value!r}" for role, value in more.items())
        found = eval(
            line.replace(") for name", f"{given}) for name"),
            {
                "ps": ps,
                "df": users.assign(
                    task_completed=users[OUTCOME] + (users.index % 7) / 10,
                    retained_7d=users["retained_7d"] * 1.5,
                ),
            },
        )
    assert list(found) == OUTCOMES


def test_methods_of_parts_are_named_as_lines_that_run(users):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        effects = ps.aipw(users, outcome=OUTCOMES, **ROLES)
        estimates = ps.estimate(users, outcome=OUTCOMES, **ROLES, estimators=[ps.AIPW("ATE")])
        groups = ps.aipw(users, outcome=OUTCOME, **ROLES, by="engagement_tier")
    for holder in (effects, estimates, groups):
        with pytest.raises(AttributeError) as caught:
            holder.e_value  # noqa: B018
        line = str(caught.value).partition("; take ")[2]
        assert line.endswith(".e_value()")
        every = "{name: effects[name].e_value() for name in effects}"
        assert (line if holder is estimates else every) in said(ps.e_value, holder)
        found = eval(line, {"effects": holder, "estimates": holder})
        assert isinstance(found, type(ps.e_value(2.0)))
    with pytest.raises(AttributeError, match=r"take effects\['task_completed'\].std_error$"):
        effects.std_error  # noqa: B018
    assert isinstance(effects["task_completed"].means, pd.DataFrame)
