"""Arguments that a function does not have are answered with those that are meant."""

import inspect
import re

import pytest

import propensity as ps
from answers import opted_rows, said
from propensity.calls.other_words import OTHER_WORDS

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture
def df():
    return opted_rows()


PUBLIC = {name: getattr(ps, name) for name in ps.__all__ if callable(getattr(ps, name))}
PUBLIC |= {f"plots.{name}": getattr(ps.plots, name) for name in ps.plots.__all__}
PUBLIC |= {f"datasets.{name}": getattr(ps.datasets, name) for name in ("opt_in_logs", "lalonde")}
RESULTS = [
    ps.Balance,
    ps.BalancingWeights,
    ps.BootstrapResult,
    ps.BootstrapResults,
    ps.Cells,
    ps.Check,
    ps.CrossFittedScores,
    ps.Design,
    ps.Effect,
    ps.EffectTest,
    ps.Effects,
    ps.EqualityTest,
    ps.EValue,
    ps.Estimates,
    ps.EstimatesByOutcome,
    ps.GroupedEffects,
    ps.LinearProjection,
    ps.Matches,
    ps.Overlap,
    ps.PropensityModel,
    ps.QuantileEffects,
    ps.RankEffect,
    ps.Placebo,
    ps.RobustnessValue,
    ps.SensitivityBounds,
    ps.RosenbaumBounds,
    ps.SelectedCovariates,
    ps.Subclasses,
    ps.Trimmed,
    ps.TruncatedWeights,
]
METHODS = {
    f"{kind.__name__}.{name}": member
    for kind in RESULTS
    for name, member in inspect.getmembers(kind, inspect.isfunction)
    if not name.startswith("_")
    and not member.__qualname__.startswith(("Mapping.", "Sequence."))  # Python's own
}
MADE_BY_THE_PACKAGE = {kind.__name__ for kind in RESULTS} | {"Estimator"}


@pytest.mark.parametrize("name", sorted((PUBLIC.keys() - MADE_BY_THE_PACKAGE) | METHODS.keys()))
def test_every_public_function_names_its_own_arguments(name):
    function = (PUBLIC | METHODS)[name]
    answer = said(function, zorp=1)
    assert "there is no zorp=; it takes " in answer
    assert "unexpected keyword" not in answer
    for argument in inspect.signature(function).parameters:
        assert argument in ("self", "df") or re.search(rf"\b{argument}\b", answer.split("takes")[-1])


def test_near_miss_is_told():
    assert said(ps.truncate, uper=3) == "truncate: there is no uper=; did you mean upper=?"
    assert "did you mean treatment=?" in said(ps.smd, None, treatement="t", covariates=["x"])


@pytest.mark.parametrize(
    ("function", "options", "meant"),
    [
        (ps.aipw, {"y": "y"}, "outcome='y'"),
        (ps.aipw, {"random_state": 3}, "seed=3"),
        (ps.aipw, {"confounders": ["x"]}, "covariates=['x']"),
        (ps.bootstrap, {"n_boot": 99}, "n_reps=99"),
        (ps.bootstrap, {"n_jobs": 4}, "n_threads=4"),
        (ps.bootstrap, {"n_jobs": -1}, "n_threads=None, its default, takes one a core"),
        (ps.match_nn, {"ratio": 2}, "n_neighbors=2"),
        (ps.match_nn, {"n_neighbours": 2}, "n_neighbors=2"),
        (ps.match_nn, {"distance": "mahalanobis"}, "on='mahalanobis'"),
        (ps.match_nn, {"distance": "glm"}, "on= is one of 'score', 'logit', 'mahalanobis'"),
        (ps.match_nn, {"search": "kd"}, "method= is one of 'nearest', 'optimal'"),
        (ps.NearestNeighbors, {"search": "kd"}, "method= is one of 'nearest', 'optimal'"),
        (ps.NearestNeighbors, {"search": "optimal"}, "method='optimal'"),
        (ps.NearestNeighbors, {"m_order": "smallest"}, "order='smallest'"),
        (ps.NearestNeighbors, {"m_order": "up"}, "order= is one of 'largest', 'smallest'"),
        (ps.NearestNeighbors, {"k": 3}, "n_neighbors=3"),
        (ps.fit_propensity, {"C": 4.0}, "penalty=0.25, which is 1 / C"),
        (ps.Effect.conf_int, {"alpha": 0.1}, "level=0.9"),
        (ps.ipw, {"weights": "w", "scores": "e"}, "sample_weight='w'"),
        (ps.match_nn, {"outcome": "y"}, "ps.match_nn(...).effect('y')"),
        (ps.plots.overlap_plot, {"groups": "tier"}, "by='tier'"),
    ],
)
def test_other_words_of_the_field_are_known(function, options, meant):
    assert meant in said(function, **options)


def test_law_of_a_bootstrap_is_told_from_weights_of_rows():
    answer = said(ps.bootstrap, weights="poisson")
    assert answer == "bootstrap: weights= is called resampling= now: resampling='poisson'"
    for function in (ps.bootstrap, ps.Matches.bootstrap):
        answer = said(function, weights="survey_w")
        assert "resampling= is one of 'multinomial', 'poisson', 'bayesian'" in answer
        assert "resampling='survey_w'" not in answer
    assert "sample_weight='survey_w'" in said(ps.bootstrap, weights="survey_w")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ipw", {"outcome": "y", "covariates": ["x", "z"]}),
        ("ipw", {"y": "y", "formula": "x + z"}),
        ("subclassify", {"covariates": ["x", "z"]}),
        ("overlap", {"covariates": ["x", "z"]}),
        ("trim", {"covariates": ["x", "z"]}),
        ("balancing_weights", {"covariates": ["x", "z"]}),
    ],
)
def test_scores_are_told_to_be_fitted_first_in_lines_that_run(df, name, options):
    function = getattr(ps, name)
    answer = said(function, df, treatment="t", **options)
    start = f"{name} takes scores, which are fitted first: model = "
    assert answer.startswith(start)
    fit, call = answer.removeprefix(start).split("; ")[:2]
    names = {"ps": ps, "df": df}
    names["model"] = eval(fit, names)
    assert names["model"].terms == ("Intercept", "x", "z")
    assert eval(call, names) is not None


def test_scores_that_are_left_out_are_asked_for(df):
    answer = said(ps.ipw, df, outcome="y", treatment="t")
    assert "model = ps.fit_propensity(df, treatment='t', covariates=...)" in answer
    assert "ps.ipw(df, outcome='y', treatment='t', scores=model)" in answer


def test_other_words_are_of_arguments_that_there_are():
    signatures = [inspect.signature(function) for function in (PUBLIC | METHODS).values()]
    names = {name for signature in signatures for name in signature.parameters}
    assert OTHER_WORDS.keys() <= names


# Arguments that no function of the name has: what else does it


def test_balancing_weights_are_told_from_survey_weights(df):
    for function in (ps.ipw, ps.aipw, ps.ipwra, ps.regression_adjustment, ps.estimate):
        for name in ("weights", "weight", "w"):
            more = {"scores": "e"} if function is ps.ipw else {"covariates": ["x"]}
            answer = said(function, df, outcome="y", treatment="t", **more, **{name: "e"})
            assert f"there is no {name}=; balancing weights of your own go to ps.weighted_effect(" in answer
            assert "survey weights are sample_weight='e', which are another thing" in answer
            line = answer.split("go to ")[1].split("; survey")[0]
            assert eval(line, {"ps": ps, "df": df}).estimand == "ATE"


REMEDIES = [
    (ps.estimate, {"estimand": "att"}, 'estimators=[ps.IPW("ATT"), ps.AIPW("ATT")]'),
    (ps.bootstrap, {"estimand": "ATT"}, 'estimators=[ps.IPW("ATT"), ps.AIPW("ATT")]'),
    (ps.sensitivity_bounds, {"estimand": "ATT"}, 'estimator=ps.IPW("ATT")'),
    (ps.robustness_value, {"estimand": "ATT"}, 'estimator=ps.AIPW("ATT")'),
    (ps.placebo, {"estimand": "ATT"}, 'estimator=ps.IPW("ATT")'),
    (ps.bootstrap, {"scores": "e"}, "scores are fitted here, from covariates=, anew in every replicate"),
    (ps.estimate, {"score_model": "logistic"}, "estimators=[ps.IPW(\"ATE\", score_model='logistic')]"),
    (ps.estimate, {"outcome_model": "linear"}, "estimators=[ps.AIPW(\"ATE\", outcome_model='linear')]"),
    (ps.bootstrap, {"by": "z"}, "{group: ps.bootstrap(rows, outcome='y', treatment='t', covariates=['x'])"),
    (ps.ipw, {"stabilized": True, "scores": "e"}, "which no factor of an arm moves"),
    (ps.IPW, {"stabilized": True}, "which no factor of an arm moves"),
    (ps.match_nn, {"contrast": "percent"}, "ps.match_nn(...).effect('outcome', contrast='percent')"),
    (ps.match_nn, {"cluster": "z"}, "effects take it: ps.match_nn(...).effect('outcome', cluster='z')"),
    (ps.ipw, {"denominator": "v", "scores": "e"}, "denominator= is called per= here: per='v'"),
    (ps.ipw, {"trim": 0.1, "scores": "e"}, "truncate=0.99 bounds weights, and ps.trim(...) drops rows"),
]


@pytest.mark.parametrize(("function", "options", "meant"), REMEDIES)
def test_what_is_asked_for_by_another_way_is_shown(df, function, options, meant):
    parameters = inspect.signature(function).parameters
    roles = {"outcome": "y", "treatment": "t", "covariates": ["x"]}
    taken = {name: value for name, value in roles.items() if name in parameters}
    args = [df] if "df" in parameters else []
    assert meant in said(function, *args, **taken | options)


def test_lines_of_remedies_run(df):
    roles = {"outcome": "y", "treatment": "t", "covariates": ["x"]}
    for function, options in ((ps.estimate, {}), (ps.bootstrap, {"n_reps": 3, "progress": False})):
        line = said(function, df, estimand="ATT", **roles).split("estimators=")[1]
        assert function(df, estimators=eval(line, {"ps": ps}), **roles, **options) is not None
    for function in (ps.sensitivity_bounds, ps.robustness_value, ps.placebo):
        line = said(function, df, estimand="ATT", **roles).split("estimator=")[1]
        more = {"n_reps": 3, "progress": False} if function is ps.sensitivity_bounds else {}
        more |= {"leave_out": ["x"]} if function is ps.placebo else {}
        assert function(df, estimator=eval(line, {"ps": ps}), **roles | {"covariates": ["x", "z"]}, **more)


def test_methods_are_called_by_the_results_that_have_them(df):
    model = ps.fit_propensity(df, treatment="t", covariates=["x"])
    matches = ps.match_nn(df, treatment="t", scores=model)
    effect = ps.ipw(df, outcome="y", treatment="t", scores=model)
    for answer in (said(effect.conf_int, levl=0.9), said(effect.e_value, levl=0.9)):
        assert answer.startswith("Effect.")
    assert said(matches.effect, "y", foo=1).startswith("Matches.effect: there is no foo=")
    assert said(matches.rosenbaum, "y", foo=1).startswith("Matches.rosenbaum: ")
    subclasses = ps.subclassify(df, treatment="t", scores=model)
    assert said(subclasses.effect, "y", foo=1).startswith("Subclasses.effect: ")
    weights = ps.fit_weights(df, treatment="t", covariates=["x"])
    assert said(weights.effect, "y", foo=1).startswith("BalancingWeights.effect: ")


# Too much by position, and too little


def test_what_is_wanting_is_named_in_a_call(df):
    model = ps.fit_propensity(df, treatment="t", covariates=["x"])
    matches = ps.match_nn(df, treatment="t", scores=model)
    answer = said(ps.fit_propensity, df, treatment="t")
    assert answer == "fit_propensity needs covariates: ps.fit_propensity(df, treatment='t', covariates=...)"
    assert said(ps.trim, df, scores=model) == "trim needs treatment: ps.trim(df, treatment='t', scores=...)"
    assert said(matches.frame) == "Matches.frame needs df: matches.frame(df)"
    assert said(matches.effect) == "Matches.effect needs outcome: matches.effect(outcome)"
    assert said(ps.e_value) == "e_value needs estimate: ps.e_value(estimate=...)"


def test_what_is_too_much_by_position_is_named(df):
    matches = ps.match_nn(df, treatment="t", scores="e")
    answer = said(ps.truncate, df["e"], 0.99)
    assert answer.startswith("truncate takes weights by position, and by name scores, ")
    assert answer.endswith(": ps.truncate(..., upper=0.99)")
    assert said(ps.datasets.lalonde, "nsw") == "lalonde takes nothing by position: ps.datasets.lalonde()"
    answer = said(matches.effect, df, "y")
    assert answer == "Matches.effect: it knows its table; give the rest, matches.effect('y')"
    assert eval(answer.split("rest, ")[1], {"matches": matches}).estimate == matches.effect("y").estimate


def test_result_in_the_place_of_the_table_is_told_where_it_goes(df):
    model = ps.fit_propensity(df, treatment="t", covariates=["x"])
    effect = ps.ipw(df, outcome="y", treatment="t", scores=model)
    matches = ps.match_nn(df, treatment="t", scores=model)
    answer = said(ps.overlap, model)
    assert answer.startswith("overlap takes the table by position, and here is a PropensityModel: ")
    assert str(eval(answer.split(": ")[1], {"ps": ps, "df": df, "model": model}))
    assert "ps.balance(df, treatment=..., covariates=..., weights=matches)" in said(ps.balance, matches)
    assert 'covariates=..., estimator=ps.IPW("ATE"))' in said(ps.sensitivity_bounds, effect)
    assert 'covariates=..., estimator=ps.AIPW("ATE"))' in said(ps.robustness_value, effect)
    assert said(ps.bootstrap, matches).endswith("which knows its own: matches.bootstrap(...)")
