"""What only frames do, in the coverage study: matched sets, subclasses, weights, clusters, cross-fitting.

Every method is a call of the public functions on one sample of a world. Where it takes the score as known it
is given the true one, as a column; where it should count that scores were estimated, the model.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd

import propensity as ps
from coverage_intervals import FAILED, Interval, Method, from_replicates, normal_interval
from propensity.effects.effect import Effect
from propensity.effects.estimators import AdjustmentEstimand, WeightingEstimand
from propensity.effects.matching_specification import MatchingEstimand
from propensity.errors import InvalidInputError
from propensity.matching.matches import Matches
from propensity.matching.subclasses import Subclasses
from propensity.resampling.result import BootstrapResult
from propensity.scores.model import PropensityModel
from world_rows import Sample

# How an interval is made, as the tables call it.
COUNTED, TRUE_SCORE, AS_KNOWN = "estimation counted", "true score", "estimated score taken as known"
BY_SET, BY_SET_TRUE = "by set", "by set, true score"
PERCENTILE, NORMAL = "bootstrap percentile", "bootstrap normal"


@dataclass(frozen=True)
class Case:
    """One sample as a frame, with what its rows have beside the covariates.

    Attributes
    ----------
    df : DataFrame
        The covariates, the treatment "t", the outcome "y", the true scores "e".
    covariates : list of str
    model : PropensityModel
        Fitted with the sample weights, where there are any.
    weight, cluster : dict of str to str
        Arguments for the functions, empty where there is nothing to give.
    """

    df: pd.DataFrame
    covariates: list[str]
    model: PropensityModel
    weight: dict[str, Any]
    cluster: dict[str, Any]

    @classmethod
    def of(cls, sample: Sample) -> Case:
        """Put a sample into a frame, and fit the score."""
        names = [f"x{k}" for k in range(sample.x.shape[1])]
        df = pd.DataFrame(sample.x, columns=names)
        df["t"], df["y"], df["e"] = sample.treatment, sample.outcome, sample.scores
        weight: dict[str, Any] = {}
        cluster: dict[str, Any] = {}
        if sample.sample_weight is not None:
            df["s"], weight["sample_weight"] = sample.sample_weight, "s"
        if sample.cluster is not None:
            df["g"], cluster["cluster"] = sample.cluster, "g"
        model = ps.fit_propensity(df, treatment="t", covariates=names, n_threads=1, **weight)
        return cls(df, names, model, weight, cluster)

    def scores(self, interval: str) -> Any:
        """Give the model, its scores as numbers, or the true scores."""
        if interval == AS_KNOWN:
            return np.asarray(self.model.scores)
        return "e" if interval in (TRUE_SCORE, BY_SET_TRUE) else self.model


Make = Callable[..., Matches | Subclasses]
Answer = Callable[[Case, int, int], Effect | BootstrapResult]
"""From a case, a number of replicates and a seed."""


def _neighbors(case: Case, scores: Any, estimand: MatchingEstimand, **options: Any) -> Matches:
    return ps.match_nn(
        case.df, treatment="t", scores=scores, estimand=estimand, n_threads=1, **options, **case.weight
    )


def _full(case: Case, scores: Any, estimand: MatchingEstimand) -> Subclasses:
    return ps.match_full(case.df, treatment="t", scores=scores, estimand=estimand, n_threads=1, **case.weight)


def _strata(case: Case, scores: Any, estimand: MatchingEstimand) -> Subclasses:
    return ps.subclassify(case.df, treatment="t", scores=scores, estimand=estimand, **case.weight)


def _cells(case: Case, _: Any, estimand: MatchingEstimand) -> Subclasses:
    # Coarse enough that few rows are left out: that would move the estimand.
    return ps.match_cem(
        case.df, treatment="t", covariates=case.covariates, cutpoints=3, estimand=estimand, **case.weight
    )


_MAKE: Mapping[str, Make] = {
    "pairs": partial(_neighbors, replace=False),
    "1-NN": _neighbors,
    "3-NN": partial(_neighbors, n_neighbors=3),
    "full": _full,
    "10 subclasses": _strata,
    "CEM": _cells,
}
_GROUPED = [("pairs", "ATT"), *((name, of) for name in ("full", "10 subclasses") for of in ("ATT", "ATE"))]


def _effect(method: Method) -> Answer:
    options: dict[str, Any] = {"inference": "cluster"} if method.interval in (BY_SET, BY_SET_TRUE) else {}

    def answer(case: Case, n_reps: int, seed: int) -> Effect:  # noqa: ARG001 - an `Answer`
        made = _MAKE[method.estimator](case, case.scores(method.interval), method.estimand)
        return made.effect(case.df["y"], **options)

    return answer


def _bootstrap(method: Method, *, known: bool = False, **options: Any) -> Answer:
    def answer(case: Case, n_reps: int, seed: int) -> BootstrapResult:
        scores = case.scores(TRUE_SCORE if known else COUNTED)
        made = _MAKE[method.estimator](case, scores, method.estimand)
        cluster: dict[str, Any] = {"cluster": case.df["g"]} if case.cluster else {}
        return made.bootstrap(
            case.df["y"], n_reps=n_reps, seed=seed, n_threads=1, progress=False, **cluster, **options
        )

    return answer


def _ipw(estimand: WeightingEstimand, *, clustered: bool = False) -> Answer:
    def answer(case: Case, n_reps: int, seed: int) -> Effect:  # noqa: ARG001 - an `Answer`
        own = case.weight | (case.cluster if clustered else {})
        effect: Effect = ps.ipw(
            case.df, outcome="y", treatment="t", scores=case.model, estimand=estimand, **own
        )
        return effect

    return answer


def _adjust(
    function: Callable[..., Effect], estimand: AdjustmentEstimand, *, clustered: bool = False, **options: Any
) -> Answer:
    def answer(case: Case, n_reps: int, seed: int) -> Effect:  # noqa: ARG001 - an `Answer`
        own = case.weight | (case.cluster if clustered else {})
        return function(
            case.df,
            outcome="y",
            treatment="t",
            covariates=case.covariates,
            estimand=estimand,
            **own,
            **options,
        )

    return answer


def _matching() -> dict[Method, Answer]:
    intervals = {"pairs": [BY_SET], "full": [BY_SET, BY_SET_TRUE], "10 subclasses": [AS_KNOWN]}
    methods = [
        Method(name, of, interval)
        for name, of in _GROUPED
        for interval in (COUNTED, TRUE_SCORE, *intervals[name])
    ]
    methods += [Method("1-NN", of, interval) for of in ("ATT", "ATE") for interval in (COUNTED, TRUE_SCORE)]
    answers = {method: _effect(method) for method in methods}
    for of in ("ATT", "ATE"):
        answers[Method("CEM", of, "stratified")] = _effect(Method("CEM", of, "stratified"))
        # The replicates' errors: a percentile interval of a thousand is no other than the normal one.
        for interval, known in ((NORMAL, False), (f"{NORMAL}, true score", True)):
            method = Method("3-NN", of, interval)
            answers[method] = _bootstrap(method, known=known)
    return answers


def _again() -> dict[Method, Answer]:
    found = {}
    for name, of in [*_GROUPED, ("CEM", "ATT"), ("CEM", "ATE")]:
        method = Method(name, of, PERCENTILE)
        found[method] = _bootstrap(method, **({"refit": True} if name == "pairs" else {}))
    return found


def _weights() -> dict[Method, Answer]:
    answers: dict[Method, Answer] = {}
    for of in ("ATE", "ATT"):
        answers[Method("IPW", of, "sandwich")] = _ipw(of)
        answers[Method("AIPW", of, "sandwich")] = _adjust(ps.aipw, of)
        answers[Method("IPWRA", of, "sandwich")] = _adjust(ps.ipwra, of)
        answers[Method("RA", of, "sandwich")] = _adjust(ps.regression_adjustment, of)
    for name, of in [("1-NN", "ATT"), ("1-NN", "ATE"), *_GROUPED]:
        for interval in (COUNTED, TRUE_SCORE):
            answers[Method(name, of, interval)] = _effect(Method(name, of, interval))
    return answers


def _clusters() -> dict[Method, Answer]:
    answers: dict[Method, Answer] = {}
    for of in ("ATE", "ATT"):
        for words, clustered in (("clustered sandwich", True), ("sandwich of independent rows", False)):
            answers[Method("IPW", of, words)] = _ipw(of, clustered=clustered)
            answers[Method("AIPW", of, words)] = _adjust(ps.aipw, of, clustered=clustered)
    return answers


def _cross_fitting() -> dict[Method, Answer]:
    from sklearn.linear_model import LinearRegression, LogisticRegression  # noqa: PLC0415 - slow to import

    models = {"score_model": LogisticRegression(C=1e6, max_iter=1000), "outcome_model": LinearRegression()}
    return {
        Method("AIPW", of, interval): _adjust(ps.aipw, of, **options)
        for of in ("ATE", "ATT")
        for interval, options in (("cross-fitted", models), ("sandwich", {}))
    }


_PARTS = {
    "matching": _matching,
    "again": _again,
    "weights": _weights,
    "clusters": _clusters,
    "cross-fitting": _cross_fitting,
}


@cache
def answers_of(part: str) -> Mapping[Method, Answer]:
    """Give the methods of a part of the study, with what answers."""
    return _PARTS[part]()


def frame_intervals(part: str, sample: Sample, *, n_reps: int, seed: int) -> dict[Method, Interval]:
    """Give the interval of every method of a part, or `FAILED` where it refuses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            case = Case.of(sample)
        except InvalidInputError:
            return dict.fromkeys(answers_of(part), FAILED)
        found: dict[Method, Interval] = {}
        for method, answer in answers_of(part).items():
            found |= _attempt(method, answer, case, n_reps, seed)
        return found


def _attempt(method: Method, answer: Answer, case: Case, n_reps: int, seed: int) -> dict[Method, Interval]:
    try:
        found = answer(case, n_reps, seed)
    except InvalidInputError:
        return {method: FAILED}
    if isinstance(found, Effect):
        return {method: normal_interval(found.estimate, found.std_error)}
    estimate, replicates = float(found.estimates.iloc[0]), found.replicates.iloc[:, 0].to_numpy()
    percentile, normal = from_replicates(estimate, replicates)
    if method.interval == PERCENTILE:
        return {method: percentile, method._replace(interval=NORMAL): normal}
    return {method: normal}
