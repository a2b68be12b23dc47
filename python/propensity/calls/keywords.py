"""Calls that cannot be made are answered with those that are meant, in words of ours.

The field has other words for nearly everything (`random_state`, `n_jobs`, `distance`, `n_boot`), and so had
older versions of this package. Python's own error names none of ours, and shows no call.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from propensity.calls.places import too_few, too_many
from propensity.calls.signatures import needed, needs_scores
from propensity.calls.unknown import answer, without_scores

_P = ParamSpec("_P")
_R = TypeVar("_R")
_C = TypeVar("_C", bound=type)


def answered(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Answer an argument that a function does not have, one too many by position, and one that is wanting."""
    code = inspect.unwrap(function).__code__
    n_names = code.co_argcount + code.co_kwonlyargcount
    places = code.co_varnames[: code.co_argcount]
    known = frozenset(code.co_varnames[code.co_posonlyargcount : n_names])

    @functools.wraps(function)
    def call(*args: _P.args, **options: _P.kwargs) -> _R:
        if not known.issuperset(options):
            raise TypeError(answer(function, options, _holder(places, args)))
        if "scores" not in options and needs_scores(function):
            raise TypeError(without_scores(function, options))
        if len(args) > len(places):
            raise TypeError(too_many(function, args, options))
        given = {*places[: len(args)], *options}
        if not given.issuperset(needed(function)):
            raise TypeError(too_few(function, args, options))
        return function(*args, **options)

    return call


def _holder(places: tuple[str, ...], args: tuple[object, ...]) -> object:
    """Give what a method was called on; None of a function."""
    return args[0] if args and places[:1] == ("self",) else None


def answered_class(kind: _C) -> _C:
    """Answer an argument that a class does not have, when one of it is made."""
    kind.__init__ = answered(kind.__init__)  # type: ignore[misc]
    return kind


def answered_methods(kind: type) -> None:
    """Answer arguments that the public methods of a class do not have."""
    for name, member in list(vars(kind).items()):
        if isinstance(member, types.FunctionType) and not name.startswith("_"):
            setattr(kind, name, answered(member))
