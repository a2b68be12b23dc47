"""Names that nobody has are answered with those that are meant; completion lists what there is to use."""

import copy
import inspect
import pickle

import pandas as pd
import pytest
from test_keywords import RESULTS

import propensity as ps
from answers import opted_rows

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def found():
    df = opted_rows()
    roles = {"outcome": "y", "treatment": "t"}
    model = ps.fit_propensity(df, treatment="t", covariates=["x"])
    matches = ps.match_nn(df, treatment="t", scores=model)
    effect = ps.ipw(df, **roles, scores=model)
    more = {"covariates": ["x", "z"]}
    few = {"n_reps": 5, "progress": False}
    return {
        "Effect": effect,
        "Effects": ps.ipw(df, outcome=["y", "z"], treatment="t", scores=model),
        "GroupedEffects": ps.ipw(df.assign(g=df["z"] > 0), **roles, scores=model, by="g"),
        "PropensityModel": model,
        "CrossFittedScores": ps.fit_propensity(df, treatment="t", covariates=["x"], n_folds=2),
        "Matches": matches,
        "Subclasses": ps.subclassify(df, treatment="t", scores=model),
        "BalancingWeights": ps.fit_weights(df, treatment="t", covariates=["x"]),
        "TruncatedWeights": ps.truncate(model, upper=0.99),
        "Overlap": ps.overlap(df, treatment="t", scores=model),
        "Trimmed": ps.trim(df, treatment="t", scores=model),
        "BootstrapResult": ps.bootstrap(df, **roles, covariates=["x"], **few),
        "BootstrapResults": ps.bootstrap(
            df, outcome=["y", "z"], treatment="t", covariates=["x"], estimators=[ps.IPW()], **few
        ),
        "QuantileEffects": ps.quantile_effect(df, **roles, covariates=["x"], **few),
        "LinearProjection": ps.best_linear_projection(df, **roles, **more, projection=["z"]),
        "RankEffect": ps.rank_effect(df, **roles, **more, priority="z"),
        "EValue": ps.e_value(2.0),
        "RobustnessValue": ps.robustness_value(df, **roles, **more),
        "SensitivityBounds": ps.sensitivity_bounds(df, **roles, covariates=["x"], **few),
        "Placebo": ps.placebo(df, **roles, **more, leave_out=["z"]),
        "RosenbaumBounds": ps.match_full(df, treatment="t", scores=model).rosenbaum("y"),
        "SelectedCovariates": ps.select_covariates(df, **roles, **more),
        "Balance": ps.balance(df, treatment="t", covariates=["x"], scores=model),
        "Check": ps.check(df.assign(k=1.0), treatment="t", covariates=["x", "k"]),
        "Design": ps.design(df, treatment="t", scores=model, std_dev=1.0),
        "Estimates": ps.estimate(df, **roles, covariates=["x"]),
        "Cells": ps.collapse(df, outcome="y", treatment="t", covariates=["x"]),
        "EstimatesByOutcome": ps.estimate(df, outcome=["y", "z"], treatment="t", covariates=["x"]),
    }


def unsaid(holder, name):
    with pytest.raises(AttributeError) as caught:
        getattr(holder, name)
    return str(caught.value)


def test_every_shown_result_is_asked(found):
    shown = {kind.__name__ for kind in RESULTS if hasattr(kind, "_repr_html_")}
    assert found.keys() == shown


@pytest.mark.parametrize(
    ("result", "name", "meant"),
    [
        ("Effect", "pvalue", "p_value"),
        ("Effect", "ci", "conf_int"),
        ("Effect", "se", "std_error"),
        ("Effect", "summary", "table"),
        ("Effect", "ate", "estimate"),
        ("Effect", "std_eror", "std_error"),
        ("Matches", "ate", "effect"),
        ("Matches", "estimate", "effect"),
        ("PropensityModel", "pscore", "scores"),
        ("PropensityModel", "predict_proba", "scores"),
        ("Trimmed", "mask", "keep"),
    ],
)
def test_other_names_are_known(found, result, name, meant):
    assert unsaid(found[result], name) == f"{result} has no attribute {name!r}; it is called {meant}"
    assert not hasattr(found[result], name)
    assert getattr(found[result], name, 3) == 3


def test_names_that_others_have_are_no_slips(found):
    assert unsaid(found["PropensityModel"], "p_value") == "PropensityModel has no attribute 'p_value'"


@pytest.mark.parametrize(
    ("result", "name", "takes"),
    [
        ("Matches", "balance", "weights=matches"),
        ("Subclasses", "balance", "weights=subclasses"),
        ("PropensityModel", "balance", "weights=ps.balancing_weights(df, treatment='t', scores=model)"),
        ("PropensityModel", "overlap", "scores=model"),
        ("CrossFittedScores", "overlap", "scores=scores"),
        ("Effect", "overlap", "scores=effect.scores"),
    ],
)
def test_what_a_function_gives_is_answered_with_its_call(found, result, name, takes):
    line = unsaid(found[result], name).partition("; take ")[2]
    assert line.startswith(f"ps.{name}(df, treatment='t', ")
    assert line.endswith(f"{takes})")
    called = dict.fromkeys(["matches", "subclasses", "model", "scores", "effect"], found[result])
    assert eval(line, {"ps": ps, "df": opted_rows()} | called).table.size
    assert not hasattr(found[result], name)


def test_covariates_that_are_not_known_are_left_open(found):
    said = unsaid(found["Effect"], "balance")
    assert said.endswith("take ps.balance(df, treatment='t', covariates=[...], weights=effect)")


@pytest.mark.parametrize(
    ("result", "line"),
    [
        ("Effects", "effects['y'].p_value"),
        ("GroupedEffects", "effects[False].p_value"),
        ("Estimates", "estimates['IPW ATE'].p_value"),
    ],
)
def test_what_each_part_has_is_asked_of_a_part(found, result, line):
    assert unsaid(found[result], "p_value").endswith(f"has no attribute 'p_value'; take {line}")
    assert 0 <= eval(line, {line.partition("[")[0]: found[result]}) <= 1


def test_names_like_none_are_only_said_not_to_be_there(found):
    assert unsaid(found["Effect"], "zorp") == "Effect has no attribute 'zorp'"


def test_what_is_wrong_inside_a_property_is_said(found):
    class Broken(type(found["EValue"])):
        @property
        def broken(self):
            return [].nothing

    broken = Broken(**vars(found["EValue"]))
    assert unsaid(broken, "broken") == "'list' object has no attribute 'nothing'"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("match", "ps.match_nn"),
        ("psm", "ps.match_nn"),
        ("iptw", "ps.ipw"),
        ("doubly_robust", "ps.aipw"),
        ("love_plot", "ps.plots.love_plot"),
        ("load_lalonde", "ps.datasets.lalonde"),
        ("rosenbaum", "matches.rosenbaum"),
        ("fit_propensty", "ps.fit_propensity"),
    ],
)
def test_the_package_knows_what_is_meant(name, meant):
    assert unsaid(ps, name) == f"module 'propensity' has no attribute {name!r}; it is called {meant}"
    holder = {"ps": ps, "matches": ps.Matches}
    assert callable(eval(meant, holder))


def test_data_sets_are_loaded_by_their_names():
    assert unsaid(ps.datasets, "load_lalonde").endswith("; it is called lalonde")
    assert unsaid(ps.datasets, "opt_in").endswith("; it is called opt_in_logs")
    assert dir(ps.datasets) == sorted(ps.datasets.__all__)


def test_every_result_has_a_table_and_gives_it(found):
    for name, result in found.items():
        table, frame = result.table, result.to_frame()
        assert isinstance(table, pd.DataFrame), name
        pd.testing.assert_frame_equal(table, frame)
        assert table.size, name


def test_completion_lists_what_there_is_to_use(found):
    listed = dir(found["Effect"])
    assert {"estimate", "std_error", "p_value", "conf_int", "means", "table", "weights"} <= set(listed)
    assert not {"of", "made"} & set(listed)
    for name, result in found.items():
        assert not [attribute for attribute in dir(result) if attribute.startswith("_")], name
        methods = {
            m for m, _ in inspect.getmembers(type(result), inspect.isfunction) if not m.startswith("_")
        }
        assert methods <= set(dir(result)), name


def test_results_are_copied_and_pickled_as_before(found):
    for result in (found["Effect"], found["EValue"], found["Trimmed"]):
        for again in (copy.copy(result), copy.deepcopy(result), pickle.loads(pickle.dumps(result))):
            pd.testing.assert_frame_equal(again.table, result.table)
