"""Calls of the frame door, compared: a function a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import propensity as ps
from oracle import balance, outcomes, twins
from oracle.matching import matched_weights, matching_error
from oracle.reading import Call, NotReadError, Pair, numbers, of
from oracle.twins import Answers, Expected, UndecidedError


def compare_scores(given: Mapping[str, Any], result: Any) -> list[Pair]:
    call = Call.of(given)
    if not isinstance(result, ps.PropensityModel):
        raise NotReadError
    answers = twins.score_model(call.terms(), call.treated, call.weight, call.word("penalty", 0.0))
    return [("scores", numbers(result.scores)[call.there], answers["scores"])]


def compare_weights(given: Mapping[str, Any], result: Any) -> list[Pair]:
    call = Call.of(given)
    if call.word("stabilized", False):
        raise NotReadError
    w = twins.balancing(call.scores, call.treated, call.word("estimand", "ATE"))
    return [("weights", numbers(result)[call.there], Expected(w, 1e-12 * w))]


def compare_ipw(given: Mapping[str, Any], result: Any) -> list[Pair]:
    call = Call.of(given)
    if not isinstance(result, ps.Effect):
        raise NotReadError
    estimand, e, t, y = call.word("estimand", "ATE"), call.scores, call.treated, call.outcome
    kind = call.word("contrast", "difference")
    k, truncate = twins.balancing(e, t, estimand), given.get("truncate")
    if truncate is not None:
        if not (call.weight == 1).all():
            raise NotReadError
        k = twins.bounded(k, t, truncate)
    answers = twins.contrast(y, t, call.weight * k, call.clusters, kind)
    model = given["scores"]
    if not isinstance(model, ps.PropensityModel):
        return of(result, answers)
    pairs = of(result, answers, [name for name in answers if name != "std_error"])
    if kind != "difference" or call.clusters is not None or model.penalty or truncate is not None:
        return pairs
    x = Call({**given, "covariates": list(model.recipe.columns)}, call.there).terms()
    return pairs + _error(result, x, t, y, method="ipw", estimand=estimand, e=e, w=call.weight)


def compare_weighted(given: Mapping[str, Any], result: Any) -> list[Pair]:
    call = Call.of(given)
    w = call.beside("weights")
    if w is None or not isinstance(result, ps.Effect):
        raise NotReadError
    kind = call.word("contrast", "difference")
    return of(result, twins.contrast(call.outcome, call.treated, call.weight * w, call.clusters, kind))


def _error(result: Any, x: np.ndarray, t: np.ndarray, y: np.ndarray, **words: Any) -> list[Pair]:
    """Compare a standard error, where the stacked equations have one to compare it with."""
    try:
        return [("std_error", result.std_error, outcomes.stacked_error(x, t, y, **words))]
    except (UndecidedError, np.linalg.LinAlgError):
        return []


def compare_adjusted(method: str) -> Callable[[Mapping[str, Any], Any], list[Pair]]:
    def compare(given: Mapping[str, Any], result: Any) -> list[Pair]:
        beyond = ("n_folds", "score_model", "outcome_covariates", "scores")
        plain = given.get("outcome_model", "linear") in ("linear", "logistic")
        if any(given.get(name) is not None for name in beyond) or not plain:
            raise NotReadError
        if given.get("contrast", "difference") != "difference" or not isinstance(result, ps.Effect):
            raise NotReadError
        words = {name: given[name] for name in ("estimand", "outcome_model") if name in given}
        call = Call.of(given)
        pairs = of(result, _adjusted(call, method, **words))
        if call.clusters is not None or call.word("penalty", 0.0):
            return pairs
        x, t, w = call.terms(), call.treated, call.weight
        e = None if method == "regression" else twins.score_model(x, t, w)["scores"].value
        words = {"estimand": "ATE", **words}
        return pairs + _error(result, x, t, call.outcome, method=method, e=e, w=w, **words)

    return compare


def _adjusted(call: Call, method: str, *, estimand: str = "ATE", outcome_model: str = "linear") -> Answers:
    x, t, w = call.terms(), call.treated, call.weight
    e, off = None, 0.0
    if method != "regression":
        e, off = twins.score_model(x, t, w, call.word("penalty", 0.0))["scores"]
    words = {"estimand": estimand, "outcome_model": outcome_model}
    return outcomes.adjusted(x, t, call.outcome, method=method, e=e, w=w, e_off=off, **words)


def compare_smd(given: Mapping[str, Any], result: Any) -> list[Pair]:
    call, w = _weighed(given)
    x = call.terms(all_levels=True)
    answers = balance.balance(x, call.treated, call.weight, w, call.word("denominator", "pooled"))
    return [("smd", np.asarray(result, dtype=float), answers["smd"])]


def compare_balance(given: Mapping[str, Any], result: Any) -> list[Pair]:
    call, w = _weighed(given)
    if call.word("squares", False) or call.word("interactions", False) or given.get("scores") is not None:
        raise NotReadError
    x = call.terms(all_levels=True)
    pairs: list[Pair] = []
    for sample in result.columns.unique("sample"):
        own = call.weight if sample == "unadjusted" else w
        answers = balance.balance(x, call.treated, call.weight, own, call.word("denominator", "pooled"))
        pairs += [
            (f"{sample} {measure}", result[sample, measure].to_numpy(), expected)
            for measure, expected in answers.items()
        ]
    return pairs


def _weighed(given: Mapping[str, Any]) -> tuple[Call, np.ndarray]:
    """The call, and its weights times its sample weights, as cobalt has it."""
    call, weights = Call.of(given), given.get("weights")
    if isinstance(weights, Mapping):
        if len(weights) != 1:
            raise NotReadError
        given = {**given, "weights": next(iter(weights.values()))}
        call = Call(given, call.there)
    w = call.beside("weights")
    return call, call.weight if w is None else w * call.weight


def compare_overlap(given: Mapping[str, Any], result: Any) -> list[Pair]:
    call = Call.of(given)
    if given.get("by") is not None or given.get("sample_weight") is not None:
        raise NotReadError
    answers = balance.overlap(call.scores, call.treated)
    pairs: list[Pair] = []
    for name, expected in answers.items():
        words = name.split()
        if words[0] in ("outside", "50%"):
            got = result.quantiles.loc[words[1], words[0]]
        elif len(words) == 3:
            got = result.weights.loc[(words[1], words[2]), words[0]]
        else:
            got = result.support.iloc[0][name]
        pairs.append((name, got, expected))
    return pairs


def compare_trim(given: Mapping[str, Any], result: Any) -> list[Pair]:
    call, bounds = Call.of(given), given.get("bounds", (0.05, 0.95))
    e, t = call.scores, call.treated
    if bounds == "crump":
        low = balance.crump(e)
        high = 1 - low
    elif bounds == "common_support":
        low, high = max(e[t].min(), e[~t].min()), min(e[t].max(), e[~t].max())
    elif isinstance(bounds, tuple) and given.get("quantiles") is None:
        low, high = bounds
    else:
        raise NotReadError
    if (np.abs(e - low) + np.abs(e - high)).min() == 0 or min(
        np.abs(e - low).min(), np.abs(e - high).min()
    ) > 1e-9:
        keep = (e >= low) & (e <= high)
        kept = [("keep", numbers(result.keep)[call.there], Expected(keep.astype(float), 0.0))]
    else:
        kept = []
    return [("low", result.low, Expected(low, 1e-9)), ("high", result.high, Expected(high, 1e-9)), *kept]


def compare_truncate(given: Mapping[str, Any], result: Any) -> list[Pair]:
    if any(given.get(name) is not None for name in ("treatment", "sample_weight", "scores")):
        raise NotReadError
    w = numbers(given["weights"])
    used, unit = w > 0, given.get("unit", "quantile")
    ends = []
    for bound, default in ((given.get("lower"), 0.0), (given.get("upper"), np.inf)):
        ends.append(default if bound is None else bound if unit == "raw" else np.quantile(w[used], bound))
    bounded = np.where(used, np.minimum(np.maximum(w, ends[0]), ends[1]), 0.0)
    return [("weights", numbers(result.weights), Expected(bounded, 1e-14 * bounded))]


def compare_subclasses(given: Mapping[str, Any], result: Any) -> list[Pair]:
    call = Call.of(given)
    e, t = call.scores, call.treated
    focal = {"ATT": t, "ATC": ~t, "ATE": np.ones(len(t), dtype=bool)}[call.word("estimand", "ATT")]
    asked = (call.word("n_subclasses", 10), call.word("min_per_arm", 1))
    labels = balance.subclasses(e, t, focal, call.weight, *asked)
    pairs: list[Pair] = [("labels", result.labels[call.there], Expected(labels.astype(float), 0.0))]
    w = balance.subclass_weights(labels, t, focal, call.weight)
    if given.get("sample_weight") is None:
        pairs.append(("weights", numbers(result.weights), Expected(w, 1e-11 * w)))
    return pairs + _effect_of(result, call, w)[0]


def _effect_of(result: Any, call: Call, w: np.ndarray) -> tuple[list[Pair], Any]:
    """Compare the effect on the column "y" with the contrast of its means under these weights."""
    outcome = call.column("y")
    effect = result.effect(outcome)
    answers = twins.contrast(numbers(outcome)[call.there], call.treated, w)
    names = ["mean_treated", "mean_control", "estimate", "ess_treated", "ess_control"]
    return [(f"effect: {what}", got, expected) for what, got, expected in of(effect, answers, names)], effect


def compare_matches(given: Mapping[str, Any], result: Any) -> list[Pair]:
    call = Call.of(given)
    allowed = {
        "df",
        "treatment",
        "scores",
        "estimand",
        "n_neighbors",
        "on",
        "caliper",
        "replace",
        "order",
        "sample_weight",
    }
    if {name for name, value in given.items() if value is not None} - allowed:
        raise NotReadError
    if call.word("on", "score") not in ("score", "logit"):
        raise NotReadError
    options = {
        name: given[name] for name in allowed & set(given) - {"df", "treatment", "scores", "sample_weight"}
    }
    got = numbers(result.weights)[call.there]
    pairs = matched_weights(call.scores, call.treated, call.weight, options, got)
    if result.n_matched < 2:
        return pairs
    of_means, effect = _effect_of(result, call, pairs[0][2].value)
    if call.word("replace", True) and not isinstance(given["scores"], ps.PropensityModel):
        of_means.append(("effect: std_error", effect.std_error, matching_error(call, options)))
    return pairs + of_means


def compare_estimates(given: Mapping[str, Any], result: Any) -> list[Pair]:
    if not isinstance(given.get("estimators"), list) or not isinstance(result, ps.Estimates):
        raise NotReadError
    if given.get("contrast", "difference") != "difference" or given.get("outcome_covariates") is not None:
        raise NotReadError
    pairs: list[Pair] = []
    for spec in given["estimators"]:
        method = {ps.AIPW: "aipw", ps.IPWRA: "ipwra", ps.RegressionAdjustment: "regression"}.get(type(spec))
        call = Call.of(given)
        if method is not None:
            answers = _adjusted(call, method, estimand=spec.estimand, outcome_model=spec.outcome_model)
        elif isinstance(spec, ps.IPW):
            answers = _weighted_by_a_model(call, spec.estimand)
        else:
            continue
        pairs.append((spec.label, result.loc[spec.label, "estimate"], answers["estimate"]))
    return pairs


def _weighted_by_a_model(call: Call, estimand: str) -> Answers:
    """The contrast under the twin's own scores, which may be off a little."""
    t = call.treated
    e, off = twins.score_model(call.terms(), t, call.weight, call.word("penalty", 0.0))["scores"]
    answers = twins.contrast(call.outcome, t, call.weight * twins.balancing(e, t, estimand))
    moved = 10 * float(np.max(off / np.minimum(e, 1 - e))) * float(np.ptp(call.outcome))
    return {"estimate": Expected(answers["estimate"].value, answers["estimate"].tolerance + moved)}


FRAMES: Mapping[str, Callable[[Mapping[str, Any], Any], list[Pair]]] = {
    "fit_propensity": compare_scores,
    "balancing_weights": compare_weights,
    "ipw": compare_ipw,
    "weighted_effect": compare_weighted,
    "aipw": compare_adjusted("aipw"),
    "ipwra": compare_adjusted("ipwra"),
    "regression_adjustment": compare_adjusted("regression"),
    "smd": compare_smd,
    "balance": compare_balance,
    "overlap": compare_overlap,
    "trim": compare_trim,
    "truncate": compare_truncate,
    "subclassify": compare_subclasses,
    "match_nn": compare_matches,
    "estimate": compare_estimates,
}
