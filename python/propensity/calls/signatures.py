"""What a signature says: which arguments there are, which of them are needed, what words one may be."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal


@functools.cache
def parameters_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Give the parameters of a function, or of a method but for what it is of."""
    found = inspect.signature(function).parameters
    return {name: parameter for name, parameter in found.items() if name != "self"}


@functools.cache
def needed(function: Callable[..., Any]) -> tuple[str, ...]:
    """Name the parameters without a default."""
    parameters = parameters_of(function).values()
    return tuple(
        p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    )


@functools.cache
def by_position(function: Callable[..., Any]) -> tuple[str, ...]:
    """Name the parameters that may be given by position."""
    parameters = parameters_of(function).values()
    return tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))


def needs_scores(function: Callable[..., Any]) -> bool:
    """Whether scores have to be given, by name."""
    scores = parameters_of(function).get("scores")
    return scores is not None and scores.kind is scores.KEYWORD_ONLY and scores.default is scores.empty


def choices_of(function: Callable[..., Any], name: str) -> tuple[str, ...]:
    """Give the words that an argument may be; none where it may be anything else."""
    plain = inspect.unwrap(function)
    annotation = plain.__annotations__.get(name)
    if isinstance(annotation, str):
        alone = types.SimpleNamespace(__annotations__={name: annotation})
        try:
            annotation = typing.get_type_hints(alone, plain.__globals__)[name]
        except NameError:  # imported for type checkers alone
            return ()
    kinds = [annotation, *typing.get_args(annotation)]  # a choice, or one beside None
    choices = next((kind for kind in kinds if typing.get_origin(kind) is Literal), None)
    return tuple(map(str, typing.get_args(choices)))
