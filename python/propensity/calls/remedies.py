"""What else does what an argument asks for that a function does not have, in code where that is short."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from propensity.calls import intervals
from propensity.calls.written import slot, written

MATCHING = ("match_nn", "match_full", "match_cem", "subclassify")
WEIGHTS = ("weights", "weight", "w")
"""What may be balancing weights, or sample weights: the two are told apart by what is to be done."""

_ROLES = ("outcome", "treatment", "covariates")


@dataclass(frozen=True)
class _Call:
    """A call with an argument that there is not: of which function, which argument, what else is given.

    Attributes
    ----------
    function, argument : str
    options : mapping of str to anything
    parameters : collection of str
        The arguments that the function has.
    """

    function: str
    argument: str
    options: Mapping[str, Any]
    parameters: Collection[str]

    @property
    def value(self) -> Any:
        return self.options[self.argument]

    @property
    def text(self) -> str:
        """The value as code, where it is short."""
        return repr(self.value) if isinstance(self.value, str | int | float) else "..."

    def roles(self, *names: str) -> str:
        """Write the table, and roles as they were given."""
        return ", ".join(["df", *(slot(name, self.options) for name in names)])


def remedy(function: str, argument: str, options: Mapping[str, Any], parameters: Collection[str]) -> str:
    """Say what does what is asked for; empty where nothing is known to."""
    call = _Call(function, argument, options, parameters)
    for words, found in _REMEDIES.items():
        if argument.lower() in words.split():
            said = found(call)
            if said:
                return said
    return ""


def _weights(call: _Call) -> str:
    if "sample_weight" not in call.parameters:
        return ""
    survey = f"survey weights are {written('sample_weight', call.value)}"
    roles, whose = (
        call.roles("outcome", "treatment"),
        slot("estimand", {"estimand": "ATE"} | dict(call.options)),
    )
    own = f"ps.weighted_effect({roles}, {written('weights', call.value)}, {whose})"
    return f"balancing weights of your own go to {own}; {survey}, which are another thing"


def _estimand(call: _Call) -> str:
    whose = call.value.upper() if isinstance(call.value, str) else "ATT"
    if "estimators" in call.parameters:
        return f'each estimator has its own: estimators=[ps.IPW("{whose}"), ps.AIPW("{whose}")]'
    if "estimator" in call.parameters:
        kind = "AIPW" if call.function == "robustness_value" else "IPW"
        return f'the estimator has it: estimator=ps.{kind}("{whose}")'
    if call.function.startswith("effect"):
        return "it is that of the matches or weights: make these for it"
    return ""


def _models(call: _Call) -> str:
    if call.argument == "scores" and "covariates" in call.parameters:
        anew = ", anew in every replicate" if call.function == "bootstrap" else ""
        given = f"ps.ipw({call.roles('outcome', 'treatment')}, scores=...)"
        return (
            f"scores are fitted here, from covariates={anew}; an effect by scores that are given is {given}"
        )
    if call.argument == "outcome_model" and "estimators" in call.parameters:
        return f'an estimator says which: estimators=[ps.AIPW("ATE", {written("outcome_model", call.value)})]'
    if "estimators" in call.parameters:
        return f'an estimator says which: estimators=[ps.IPW("ATE", {written(call.argument, call.value)})]'
    return ""


def _by(call: _Call) -> str:
    if call.function == "bootstrap" and "estimators" in call.parameters:
        one = ", ".join(["rows", *(slot(name, call.options) for name in _ROLES)])
        return (
            f"a bootstrap of each group is one of its rows: {{group: ps.bootstrap({one}) for group, rows in "
            f"df.groupby({call.text})}}; ps.ipw and ps.aipw take by=, and need none for their errors"
        )
    return ""


def _stabilized(call: _Call) -> str:
    if "outcome" not in call.parameters and call.function not in ("IPW", "AIPW", "IPWRA"):
        return ""
    return (
        "means are weighted sums over the sum of the weights, which no factor of an arm moves: with "
        "stabilized weights the estimate and its error would be the same; leave it out"
    )


def _contrast(call: _Call) -> str:
    if call.function in (*MATCHING, "fit_weights"):
        after = f"effect('outcome', {written('contrast', call.value)})"
        return f"effects come after: ps.{call.function}(...).{after}"
    if call.function == "bootstrap":
        ratio = f"effect('outcome', {written('contrast', call.value)})"
        return f"what is matched is resampled for differences alone; others come without: {ratio}"
    return ""


def _cluster(call: _Call) -> str:
    if call.function in (*MATCHING, "fit_weights"):
        return f"effects take it: ps.{call.function}(...).effect('outcome', {written('cluster', call.value)})"
    return ""


def _truncate(call: _Call) -> str:
    if call.argument == "trim" and "truncate" in call.parameters:
        return "truncate=0.99 bounds weights, and ps.trim(...) drops rows, before scores are fitted anew"
    return ""


def _bounds(call: _Call) -> str:
    if call.function == "trim":
        return f"where to trim is {written('bounds', call.value)}"
    return ""


def _outcome(call: _Call) -> str:
    if call.function in MATCHING:
        given = repr(call.value) if isinstance(call.value, str) else "outcome"
        return f"an outcome comes after the matching: ps.{call.function}(...).effect({given})"
    return ""


def _interval(call: _Call) -> str:
    """Tell the errors of an effect's interval from the kinds of a bootstrap's."""
    if call.function != "conf_int":
        return ""
    if "se" in call.parameters:
        if intervals.is_error(call.value):
            return f"it is called se= here: {written('se', call.value)}"
        kind = call.value if intervals.is_kind(call.value) else "percentile"
        errors = ", ".join(map(repr, intervals.ERRORS))
        return f"se= is one of {errors}; other kinds are of a bootstrap: {intervals.from_bootstrap(kind)}"
    if "kind" not in call.parameters:
        return ""
    if intervals.is_kind(call.value):
        return f"it is called kind= here: {written('kind', call.value)}"
    se = call.value if intervals.is_error(call.value) else intervals.ERRORS[-1]
    return f"errors are those of an effect: {intervals.from_effect(se)}"


_REMEDIES: dict[str, Callable[[_Call], str]] = {
    "outcome y response dependent endog outcomes outcome_name metric": _outcome,
    " ".join(WEIGHTS): _weights,
    "estimand effect target_estimand": _estimand,
    "scores score_model outcome_model n_folds n_repeats": _models,
    "by groups group hue": _by,
    "stabilized stabilize stabilised normalize normalized normalise hajek": _stabilized,
    "contrast effect_measure measure": _contrast,
    "cluster clusters cluster_id cluster_by groups": _cluster,
    "trim trimming": _truncate,
    "kind method interval se std_error": _interval,
    "method": _bounds,
}
"""By what an argument may be called."""
