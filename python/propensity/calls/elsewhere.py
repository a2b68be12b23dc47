"""What a result has no name for, and a function of the package or a part of it gives: the line that asks."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from propensity.calls.written import variable_of, written

_BALANCE = "balance bal_tab check_balance balance_table love_plot smd"
_OVERLAP = "overlap overlap_plot support common_support"


def elsewhere(holder: object, name: str) -> str:
    """Write the line that gives what a result has no such name for; empty where none is known.

    Parameters
    ----------
    holder : object
        A result.
    name : str
        What was asked of it.
    """
    plain, variable = name.lower(), variable_of(type(holder).__name__)
    if plain in _BALANCE.split():
        return _of_weights(holder, variable)
    if plain in _OVERLAP.split() and hasattr(holder, "scores"):
        return f"ps.overlap(df, treatment={_treatment(holder)}, scores={_scores(holder, variable)})"
    return _of_parts(holder, name, variable)


def _of_weights(holder: Any, variable: str) -> str:
    """Write the balance of what has weights, or of a model of the scores."""
    roles = f"df, treatment={_treatment(holder)}, {_covariates(holder)}"
    if hasattr(holder, "weights"):
        return f"ps.balance({roles}, weights={variable})"
    if hasattr(holder, "predict") and hasattr(holder, "scores"):
        weights = f"ps.balancing_weights(df, treatment={_treatment(holder)}, scores={variable})"
        return f"ps.balance({roles}, weights={weights})"
    return ""


def _scores(holder: Any, variable: str) -> str:
    return variable if hasattr(holder, "predict") else f"{variable}.scores"


def _treatment(holder: Any) -> str:
    fingerprint = getattr(holder, "fingerprint", None)
    name = getattr(fingerprint, "treatment", None) or getattr(holder, "treatment", None)
    return repr(name) if isinstance(name, str) else "..."


def _covariates(holder: Any) -> str:
    names = getattr(holder, "known", None) or getattr(holder, "covariates", None)
    return written("covariates", list(names)) if names else "covariates=[...]"


def _of_parts(holder: Any, name: str, variable: str) -> str:
    """Write how a part of a result is asked for a name that the parts have: effects['clicks'].estimate."""
    kind = type(holder)
    if not (hasattr(kind, "__iter__") and hasattr(kind, "__getitem__")):
        return ""
    first = next((key for key in holder if key != "naive gap"), None)
    part = None if first is None else holder[first]
    if not type(part).__module__.startswith("propensity"):
        return ""
    key = first.item() if isinstance(first, np.generic) else first
    if not hasattr(part, name):
        return _of_parts(part, name, f"{variable}[{key!r}]")
    return f"{variable}[{key!r}].{name}{_asked_with(getattr(type(part), name, None))}"


def _asked_with(member: object) -> str:
    """Write what a method cannot be called without, in its parentheses; empty for what is no method."""
    if not inspect.isfunction(member):
        return ""
    _, *taken = inspect.signature(member).parameters.values()
    wanted = [one.name for one in taken if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD]
    return f"({', '.join(f'{name}=...' for name in wanted)})"
