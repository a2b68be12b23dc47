"""An argument that a function does not have: what it is called here, or what else does what it asks for."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from propensity.calls.other_words import is_called
from propensity.calls.remedies import WEIGHTS, remedy
from propensity.calls.signatures import choices_of, needs_scores, parameters_of
from propensity.calls.written import called, slot, written


def answer(function: Callable[..., Any], options: Mapping[str, Any], holder: object = None) -> str:
    """Answer the arguments of a call that there are not; `holder` is what a method was called on."""
    parameters = parameters_of(function)
    unknown = [name for name in options if name not in parameters]
    first = ""
    if needs_scores(function) and any(is_called(name, "covariates") for name in unknown):
        unknown = [name for name in unknown if not is_called(name, "covariates")]
        first = without_scores(function, options)
        if not unknown:
            return first
    answers = [_one(function, name, options, holder) for name in unknown]
    words = "; ".join(filter(None, [first, *(found for found, _ in answers)]))
    if not all(settled for _, settled in answers):
        words += f"; it takes {', '.join(name for name in parameters if name != 'df')}"
    return words if first else f"{called(function, holder)}: {words}"


def _one(
    function: Callable[..., Any], name: str, options: Mapping[str, Any], holder: object
) -> tuple[str, bool]:
    """Say what an argument is called here, with its value where that may stand; and whether that is known."""
    parameters, value = parameters_of(function), options[name]
    meant = [other for other in parameters if is_called(name, other)]
    if name == "weights" and "resampling" in meant:
        return _weights_of_a_bootstrap(function, value, meant), True
    of_sample = meant[:1] == ["sample_weight"] and name.lower() in WEIGHTS
    if meant and not of_sample:
        return f"{name}= is called {meant[0]}= here: {_given(function, name, value, meant[0])}", True
    found = remedy(called(function, holder).rpartition(".")[2], name, options, parameters)
    if found:
        return f"there is no {name}=; {found}", True
    near = difflib.get_close_matches(name.lower(), parameters, n=1, cutoff=0.7)
    if near:
        return f"there is no {name}=; did you mean {near[0]}=?", True
    return f"there is no {name}=", False


def _weights_of_a_bootstrap(function: Callable[..., Any], value: object, meant: list[str]) -> str:
    """Tell the law of a bootstrap, which was once called so, from weights of rows."""
    law = _given(function, "weights", value, "resampling")
    named = isinstance(value, str) and value in choices_of(function, "resampling")
    if "sample_weight" not in meant or named:
        return f"weights= is called resampling= now: {law}"
    rows = written("sample_weight", value)
    return f"there is no weights=; weights of the rows are {rows}, and how a replicate weighs them: {law}"


def _given(function: Callable[..., Any], name: str, value: object, meant: str) -> str:
    """Write the argument with its value; with what it may be, where it may not be that."""
    choices = choices_of(function, meant)
    if choices and (not isinstance(value, str) or value not in choices):
        return f"{meant}= is one of {', '.join(map(repr, choices))}"
    if name.lower() == "alpha" and meant == "level" and isinstance(value, float):
        return f"level={1 - value:g}"
    if name == "C" and meant == "penalty" and isinstance(value, int | float) and value:
        return f"penalty={1 / value:g}, which is 1 / C"
    if meant == "n_threads" and isinstance(value, int) and value < 1:
        return "n_threads=None, its default, takes one a core"
    return written(meant, value)


def without_scores(function: Callable[..., Any], options: Mapping[str, Any]) -> str:
    """Show the two lines that fit a score and take it."""
    name, parameters = function.__name__, parameters_of(function)
    roles = ["covariates", *parameters]
    given = {next((r for r in roles if is_called(word, r)), word): options[word] for word in options}
    fit = ", ".join(slot(role, given) for role in ("treatment", "covariates"))
    needed = [
        slot(other, given)
        for other, parameter in parameters.items()
        if other not in ("df", "scores") and (other in given or parameter.default is parameter.empty)
    ]
    call = ", ".join(["df", *needed, "scores=model"])
    line = f"model = ps.fit_propensity(df, {fit}); ps.{name}({call})"
    return f"{name} takes scores, which are fitted first: {line}"
