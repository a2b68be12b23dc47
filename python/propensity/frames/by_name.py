"""Calls in the way of other packages, or of older versions of this one, get an answer in words."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pandas as pd

from propensity import core
from propensity.calls.given_results import of_result
from propensity.calls.keywords import answered
from propensity.frames import native
from propensity.frames.counted_rows import CountedTable
from propensity.frames.handed_on import as_covariates
from propensity.frames.takes_cells import called_with_cells

_P = ParamSpec("_P")
_R = TypeVar("_R")

_ARMS = 2
_ESTIMANDS = ("ATE", "ATT", "ATC", "ATO", "ATM")
_OWN = "propensity."
"""How the modules begin that results are of, none of which is a table."""

_EXAMPLES = {
    "treatment": "'opted_in'",
    "outcome": "'completed'",
    "covariates": "['tier', 'tenure']",
    "scores": "model",
}
"""What stands in the form of a call, where what was given does not tell."""


def columns_by_name(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Answer a call that gives more than the table by position, or an argument that there is not."""
    by_keyword = answered(function)

    @functools.wraps(function)
    def call(*args: _P.args, **options: _P.kwargs) -> _R:
        counted = args[0] if args and isinstance(args[0], CountedTable) else None
        if args and counted is None and type(args[0]).__module__.startswith(_OWN):
            raise TypeError(of_result(function, args[0], options))
        if len(args) > 1:
            raise TypeError(_form(function, args, options))
        handed_on: dict[str, Any] = {name: as_covariates(value) for name, value in options.items()}
        if counted is not None:
            found: _R = called_with_cells(function, by_keyword, counted, handed_on)
            return found
        return by_keyword(*args, **handed_on)

    return call


def _form(function: Callable[..., Any], args: Sequence[Any], options: dict[str, Any]) -> str:
    """Show the call with what was given by name, as far as it tells what it is."""
    table, *rest = args
    needed = [
        parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty
    ]
    given = {name: repr(value) for name, value in options.items() if isinstance(value, str | int | float)}
    open_roles = [name for name in needed if name not in options]
    recognised = _recognised(open_roles, table, rest)
    whose = [value for value in rest if isinstance(value, str) and value.upper() in _ESTIMANDS]
    if len(whose) == 1 and "estimand" in inspect.signature(function).parameters:
        rest = [value for value in rest if value is not whose[0]]
        recognised = _recognised(open_roles, table, rest) | {"estimand": repr(whose[0].upper())}
    unplaced = _unplaced(rest, recognised, given)
    # Names of ours beside those of the caller would look like columns of theirs.
    examples = {"covariates": "[...]", "scores": "model"} if unplaced else _EXAMPLES
    shown = {name: given.get(name, examples.get(name, "...")) for name in needed} | given
    call = ", ".join(["df", *(f"{name}={value}" for name, value in (shown | recognised).items())])
    name = getattr(function, "__name__", "this")
    words = f"{name} takes the table by position, and everything else by name: ps.{name}({call})"
    if unplaced:
        verb = "is" if len(unplaced) == 1 else "are"
        words += f"; say which of them {verb} {' and '.join(map(repr, unplaced))}"
    if any(isinstance(value, pd.Series | np.ndarray) for value in rest) or not native.is_frame(table):
        words += "; all columns are in one table, as in df = X.assign(opted_in=y)"
        words += f"; for arrays there is propensity.core.{name}" if hasattr(core, name) else ""
    return words


def _recognised(roles: Sequence[str], table: Any, values: Sequence[Any]) -> dict[str, str]:
    """Tell which columns are meant: a formula's sides, the one name, the one list, the one 0/1 column."""
    words = [value for value in values if isinstance(value, str)]
    lists = [list(value) for value in values if isinstance(value, list | tuple | pd.Index)]
    if len(words) == 1 and "~" in words[0]:
        left, right = (side.strip() for side in words[0].split("~", 1))
        sides = {"treatment": left, "covariates": right} if "outcome" not in roles else {"covariates": right}
        return {name: repr(side) for name, side in sides.items() if side and name in roles}
    arms = [name for name in ("treatment", "outcome") if name in roles]
    found: dict[str, str] = {}
    if len(words) == len(arms) == 1:
        found[arms[0]] = repr(words[0])
    elif len(words) == len(arms) == 2:
        flags = [word for word in words if _is_flag(table, word)]
        if len(flags) == 1:
            other = next(word for word in words if word != flags[0])
            found |= {"treatment": repr(flags[0]), "outcome": repr(other)}
    if len(lists) == 1 and "covariates" in roles:
        found["covariates"] = repr(lists[0])
    return found


def _is_flag(table: Any, name: str) -> bool:
    """Whether a column holds two values, as a treatment does."""
    if not native.is_frame(table) or name not in native.column_names(table):
        return False
    return len(set(np.asarray(table[name]).tolist())) == _ARMS


def _unplaced(values: Sequence[Any], recognised: Mapping[str, str], given: Mapping[str, str]) -> list[str]:
    """Name what was given by position and may be one thing or another."""
    placed = {*recognised.values(), *given.values()}
    words = [value for value in values if isinstance(value, str) and "~" not in value]
    return [word for word in words if repr(word) not in placed]
