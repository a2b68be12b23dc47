"""Arguments that a function does not have are answered with those that are meant."""

import inspect
import re

import pytest

import propensity as ps
from answers import opted_rows, said
from propensity.calls.keywords import _OTHER_WORDS

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
    ps.Check,
    ps.CrossFittedScores,
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
    assert _OTHER_WORDS.keys() <= names
