"""Effects on several outcomes: read like a dict, as other contrasts, with their intervals."""

import math

import numpy as np
import pytest

import propensity as ps
from propensity.errors import InvalidInputError

OUTCOMES = ["task_completed", "retained_7d"]


@pytest.fixture(scope="module")
def effects():
    users = ps.datasets.opt_in_logs(n_users=2_000)
    roles = {"treatment": "opt_in_agent_mode", "covariates": ["engagement_tier", "query_confidence"]}
    return ps.aipw(users, outcome=OUTCOMES, **roles)


def test_each_is_what_it_is_by_itself(effects):
    assert [name for name, _ in effects.items()] == OUTCOMES
    lifts = effects.contrast_as("percent")
    for name in OUTCOMES:
        own = effects[name].contrast_as("percent")
        assert lifts[name].estimate == own.estimate
        np.testing.assert_array_equal(lifts.conf_int(0.9).loc[name], own.conf_int(0.9))


@pytest.mark.parametrize("options", [{"df": math.inf}, {"se": "HC0"}, {"df": 7.0, "se": "HC3"}])
def test_intervals_take_what_those_of_one_effect_take(effects, options):
    found = effects.conf_int(0.9, **options)
    for name in OUTCOMES:
        np.testing.assert_array_equal(found.loc[name], effects[name].conf_int(0.9, **options))
    with pytest.raises(InvalidInputError, match="se: there is no 'jackknife' here"):
        effects.conf_int(se="jackknife")


def test_other_words_for_a_contrast_are_answered(effects):
    with pytest.raises(InvalidInputError, match=r"contrast must be one of .* not 'lift'; that is 'percent'"):
        effects.contrast_as("lift")


def test_where_to_trim_is_answered():
    with pytest.raises(TypeError, match="where to trim is bounds='crump'"):
        ps.trim(None, treatment="t", scores="e", method="crump")
