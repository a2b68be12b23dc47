"""Calls in the way of other packages, or of older versions of this one, get an answer in words."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pandas as pd

from propensity.frames import native

_P = ParamSpec("_P")
_R = TypeVar("_R")

_EXAMPLES = {
    "treatment": "'opted_in'",
    "outcome": "'completed'",
    "covariates": "['tier', 'tenure']",
    "scores": "model",
}
"""What stands in the form of a call, where what was given does not tell."""


def columns_by_name(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Answer a call that gives more than the table by position with the form of the call."""

    @functools.wraps(function)
    def call(*args: _P.args, **options: _P.kwargs) -> _R:
        if len(args) > 1:
            raise TypeError(_form(function, args, options))
        return function(*args, **options)

    return call


def renamed(**names: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Answer an argument under the name it once had, ``old="new"``, with the one it has now."""

    def wrap(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @functools.wraps(function)
        def call(*args: _P.args, **options: _P.kwargs) -> _R:
            for old in names.keys() & options.keys():
                raise TypeError(f"{old}= is called {names[old]}= now: {names[old]}={options[old]!r}")
            return function(*args, **options)

        return call

    return wrap


def _form(function: Callable[..., Any], args: Sequence[Any], options: dict[str, Any]) -> str:
    """Show the call with what was given by name, as far as it tells what it is."""
    table, *rest = args
    needed = [
        parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty
    ]
    given = {name: repr(value) for name, value in options.items() if isinstance(value, str | int | float)}
    shown = {name: given.get(name, _EXAMPLES.get(name, "...")) for name in needed} | given
    shown |= _recognised([name for name in needed if name not in options], rest)
    call = ", ".join(["df", *(f"{name}={value}" for name, value in shown.items())])
    name = getattr(function, "__name__", "this")
    words = f"{name} takes the table by position, and everything else by name: ps.{name}({call})"
    if any(isinstance(value, pd.Series | np.ndarray) for value in rest) or not native.is_frame(table):
        words += "; all columns are in one table, as in df = X.assign(opted_in=y)"
    return words


def _recognised(names: Sequence[str], values: Sequence[Any]) -> dict[str, str]:
    """Tell which columns are meant: a formula's sides, the one name, the one list."""
    found: dict[str, str] = {}
    words = [value for value in values if isinstance(value, str)]
    lists = [list(value) for value in values if isinstance(value, list | tuple | pd.Index)]
    if len(words) == 1 and "~" in words[0]:
        left, right = (side.strip() for side in words[0].split("~", 1))
        sides = {"treatment": left, "covariates": right} if "outcome" not in names else {"covariates": right}
        return {name: repr(side) for name, side in sides.items() if side and name in names}
    if len(words) == 1 and len([name for name in ("treatment", "outcome") if name in names]) == 1:
        found["treatment" if "treatment" in names else "outcome"] = repr(words[0])
    if len(lists) == 1 and "covariates" in names:
        found["covariates"] = repr(lists[0])
    return found
