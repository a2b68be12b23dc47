"""Calls of the array door, compared: a function a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from oracle import balance, outcomes, twins
from oracle.matching import matched_weights
from oracle.reading import NotReadError, Pair, arrays, numbers, of


def compare_scores(given: Mapping[str, Any], result: Any) -> list[Pair]:
    x, t, w, there = arrays(given)
    answers = twins.score_model(x, t, w, given.get("penalty", 0.0))
    return [("scores", np.asarray(result.scores)[there], answers["scores"])]


def compare_ipw(given: Mapping[str, Any], result: Any) -> list[Pair]:
    _, t, s, there = arrays({**given, "x": np.zeros((len(np.asarray(given["outcome"])), 0))})
    e, y = numbers(given["scores"])[there], numbers(given["outcome"])[there]
    k = twins.balancing(e, t, given.get("estimand", "ATE"))
    if given.get("truncate") is not None:
        if not (s == 1).all():
            raise NotReadError
        k = twins.bounded(k, t, float(given["truncate"]))
    answers = twins.contrast(y, t, s * k)
    names = [name for name in answers if name != "std_error" or given.get("x") is None]
    return of(result, answers, names)


def compare_weighted(given: Mapping[str, Any], result: Any) -> list[Pair]:
    _, t, s, there = arrays({**given, "x": np.zeros((len(np.asarray(given["outcome"])), 0))})
    w, y = numbers(given["weights"])[there], numbers(given["outcome"])[there]
    return of(result, twins.contrast(y, t, s * w))


def compare_adjusted(given: Mapping[str, Any], result: Any) -> list[Pair]:
    x, t, w, there = arrays(given)
    if given.get("score_columns") is not None or given.get("outcome_columns") is not None:
        raise NotReadError
    e, off, method = None, 0.0, given["method"]
    if given.get("scores") is not None and method != "regression":
        e = numbers(given["scores"])[there]
    elif method != "regression":
        e, off = twins.score_model(x, t, w, given.get("penalty", 0.0))["scores"]
    words = {"estimand": given.get("estimand", "ATE"), "outcome_model": given.get("outcome_model", "linear")}
    y = numbers(given["outcome"])[there]
    return of(result, outcomes.adjusted(x, t, y, method=method, e=e, w=w, e_off=off, **words))


def compare_smd(given: Mapping[str, Any], result: Any) -> list[Pair]:
    x, t, base, there = arrays(given)
    w = base if given.get("weights") is None else base * numbers(given["weights"])[there]
    answers = balance.balance(x, t, base, w, given.get("denominator", "pooled"))
    return [("smd", np.asarray(result), answers["smd"])] if answers else []


def compare_balance(given: Mapping[str, Any], result: Any) -> list[Pair]:
    x, t, base, there = arrays(given)
    weights = given.get("weights")
    weights = [] if weights is None else weights if isinstance(weights, list) else [weights]
    pairs: list[Pair] = []
    for place, w in enumerate([base, *(base * numbers(own)[there] for own in weights)]):
        answers = balance.balance(x, t, base, w, given.get("denominator", "pooled"))
        pairs += [
            (f"{measure} of sample {place}", np.asarray(getattr(result, measure))[:, place], expected)
            for measure, expected in answers.items()
        ]
    return pairs


def compare_matches(given: Mapping[str, Any], result: Any) -> list[Pair]:
    allowed = {
        "scores",
        "treatment",
        "estimand",
        "n_neighbors",
        "on",
        "caliper",
        "replace",
        "order",
        "n_threads",
        "sample_weight",
    }
    if {name for name, value in given.items() if value is not None} - allowed:
        raise NotReadError
    if given.get("on", "score") not in ("score", "logit"):
        raise NotReadError
    options = {
        name: given[name]
        for name in ("estimand", "n_neighbors", "on", "caliper", "replace", "order")
        if given.get(name) is not None
    }
    e, t = numbers(given["scores"]), numbers(given["treatment"]) == 1
    s = given.get("sample_weight")
    s = np.ones(len(e)) if s is None else numbers(s)
    there = s > 0
    return matched_weights(e[there], t[there], s[there], options, np.asarray(result.weights)[there])


ARRAYS: Mapping[str, Callable[[Mapping[str, Any], Any], list[Pair]]] = {
    "fit_propensity": compare_scores,
    "ipw": compare_ipw,
    "weighted_effect": compare_weighted,
    "adjust": compare_adjusted,
    "smd": compare_smd,
    "balance": compare_balance,
    "match_nn": compare_matches,
}
