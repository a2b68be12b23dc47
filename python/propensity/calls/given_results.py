"""A result given where a table goes: what it is asked itself, or the call with it in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from propensity.calls.signatures import needed, parameters_of
from propensity.calls.written import call_of, slot, variable_of


def of_result(function: Callable[..., Any], result: object, options: Mapping[str, Any]) -> str:
    """Say of a result, a model or a specification what takes it, and how the table is given.

    Its own method of that name does, where it has one; else the function takes the table, and the result by
    the name of the argument that is for such.
    """
    kind, name = type(result).__name__, function.__name__
    own = variable_of(kind)
    begins = f"{name} takes the table by position, and here is {_article(kind)} {kind}"
    if callable(getattr(type(result), name, None)):
        return f"{begins}, which knows its own: {own}.{name}(...)"
    parameters, given = parameters_of(function), dict(options)
    treatment = getattr(result, "treatment", None)
    if isinstance(treatment, str):
        given.setdefault("treatment", treatment)
    placed = {}
    if hasattr(result, "scores") and hasattr(result, "predict") and "scores" in parameters:
        placed["scores"] = own
    elif hasattr(result, "balancing_weights") and "weights" in parameters:
        placed["weights"] = own
    estimand = getattr(result, "estimand", None)
    if isinstance(estimand, str) and "estimator" in parameters:
        placed["estimator"] = f'ps.{"AIPW" if name == "robustness_value" else "IPW"}("{estimand}")'
    elif isinstance(estimand, str) and "estimators" in parameters:
        placed["estimators"] = f'[ps.IPW("{estimand}")]'
    shown = [slot(role, given) for role in needed(function) if role not in ("df", *placed)]
    shown += [f"{role}={code}" for role, code in placed.items()]
    return f"{begins}: {call_of(function)}({', '.join(['df', *shown])})"


def _article(word: str) -> str:
    return "an" if word[0] in "AEIOU" else "a"
