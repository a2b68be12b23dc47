"""An estimand is the same in any case, and by its other names, in every function and specification."""

import numpy as np
import pytest

import propensity as ps
from propensity import core

pytestmark = [
    pytest.mark.filterwarnings("ignore::propensity.errors.SmallSampleWarning"),
    pytest.mark.filterwarnings("ignore::propensity.errors.BalanceWarning"),
    pytest.mark.filterwarnings("ignore::propensity.errors.OverlapWarning"),
    pytest.mark.filterwarnings("ignore::propensity.errors.CalibrationWarning"),
]

NAMES = {
    "ate": "ATE",
    "Ate": "ATE",
    "att": "ATT",
    "atet": "ATT",
    "ATET": "ATT",
    "atc": "ATC",
    "atu": "ATC",
    "ATU": "ATC",
    "ato": "ATO",
    "atm": "ATM",
}
WEIGHTING, THREE = {"ATE", "ATT", "ATC", "ATO", "ATM"}, {"ATE", "ATT", "ATC"}
SPECIFICATIONS = {
    ps.IPW: WEIGHTING,
    ps.AIPW: THREE,
    ps.IPWRA: THREE,
    ps.RegressionAdjustment: THREE,
    ps.NearestNeighbors: THREE,
}


def estimate_of(function, **options):
    return lambda df, estimand: function(df, estimand=estimand, **{"treatment": "t"} | options)


@pytest.fixture(scope="module")
def df(logs):
    columns = {
        "opt_in_agent_mode": "t",
        "task_completed": "y",
        "query_confidence": "x",
        "engagement_tier": "tier",
    }
    few = logs.rename(columns=columns).head(400).reset_index(drop=True)
    return few.assign(e=np.clip(0.2 + 0.6 * few["x"], 0.1, 0.9))


X = {"covariates": ["x", "tier"], "outcome": "y"}
FUNCTIONS = {
    "weights": (estimate_of(ps.balancing_weights, scores="e"), WEIGHTING),
    "ipw": (estimate_of(ps.ipw, scores="e", outcome="y"), WEIGHTING),
    "aipw": (estimate_of(ps.aipw, **X), THREE),
    "aipw in folds": (estimate_of(ps.aipw, n_folds=2, seed=0, **X), THREE),
    "ipwra": (estimate_of(ps.ipwra, **X), THREE),
    "regression": (estimate_of(ps.regression_adjustment, **X), THREE),
    "match": (estimate_of(ps.match_nn, scores="e"), THREE),
    "full": (estimate_of(ps.match_full, scores="e"), THREE),
    "coarsened": (estimate_of(ps.match_cem, covariates=["tier"]), THREE),
    "subclasses": (estimate_of(ps.subclassify, scores="e"), THREE),
}


def weights_of(found):
    return np.asarray(getattr(found, "weights", found))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_take_every_spelling(df, function, name):
    call, allowed = FUNCTIONS[function]
    if NAMES[name] not in allowed:
        with pytest.raises(ps.errors.InvalidInputError, match="estimand must be one of"):
            call(df, name)
        return
    found, expected = call(df, name), call(df, NAMES[name])
    np.testing.assert_array_equal(weights_of(found), weights_of(expected))
    assert getattr(found, "estimand", NAMES[name]) == NAMES[name]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("make", SPECIFICATIONS)
def test_specifications_of_every_spelling_are_equal(make, name):
    if NAMES[name] in SPECIFICATIONS[make]:
        assert make(name) == make(NAMES[name])
        assert make(name).label == make(NAMES[name]).label
    else:
        with pytest.raises(ps.errors.InvalidInputError, match="estimand must be one of"):
            make(name)


@pytest.mark.parametrize("estimand", ["ATO", "atm"])
def test_effects_of_the_overlap_are_sent_to_weighting(df, estimand):
    for call in (estimate_of(ps.aipw, **X), lambda df, name: ps.Study(df, treatment="t", estimand=name, **X)):
        with pytest.raises(
            ps.errors.InvalidInputError, match=r"must be one of .*; weighting by scores has it: "
        ) as caught:
            call(df, estimand)
        asked = str(caught.value).partition("ps.ipw(..., ")[2]
        found = eval(f"ps.ipw(df, outcome='y', treatment='t', scores='e', {asked}", {"ps": ps, "df": df})
        assert found.estimand == estimand.upper()


def test_estimate_and_bootstrap_take_every_spelling(df):
    specs = [ps.IPW("atet"), ps.AIPW("atu")]
    table = ps.estimate(df, treatment="t", estimators=specs, **X)
    assert list(table.index)[1:] == ["IPW ATT", "AIPW ATC"]
    boot = ps.bootstrap(df, treatment="t", estimators=specs, n_reps=5, seed=1, **X)
    assert list(boot.estimates.index) == ["IPW ATT", "AIPW ATC"]
    np.testing.assert_allclose(boot.estimates, table["estimate"].iloc[1:], rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_arrays_take_every_spelling(df, name):
    y, t, e = (df[c].to_numpy(float) for c in ("y", "t", "e"))
    found, expected = (core.ipw(y, t, e, estimand=estimand) for estimand in (name, NAMES[name]))
    assert found.estimate == expected.estimate
    if NAMES[name] in THREE:
        matched = [core.match_nn(e, t, estimand=estimand).weights for estimand in (name, NAMES[name])]
        np.testing.assert_array_equal(*matched)


@pytest.mark.parametrize("name", ["", "treated", "ATT ", None, 3, ["ATT"]])
def test_other_words_are_refused(df, name):
    for call, _ in FUNCTIONS.values():
        with pytest.raises(ps.errors.InvalidInputError, match="estimand must be one of"):
            call(df, name)
