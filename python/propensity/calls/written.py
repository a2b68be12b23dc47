"""How calls are written in messages: arguments with what was given, functions as the caller calls them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any


def written(name: str, value: object) -> str:
    """Write an argument with its value, where that is short."""
    plain = value is None or isinstance(value, str | int | float)
    if isinstance(value, list | tuple):
        plain = len(value) <= 10 and all(isinstance(item, str | int | float) for item in value)
    return f"{name}={value!r}" if plain else f"{name}=..."


def slot(name: str, given: Mapping[str, Any]) -> str:
    """Write an argument as it was given, or leave it open: names of ours would look like the caller's."""
    return written(name, given[name]) if name in given else f"{name}=..."


def called(function: Callable[..., Any], holder: object = None) -> str:
    """Name a function as the caller does: a class by its name, a method with the name of what it is of.

    `holder` is what a method was called on, whose class may have the method from one that nobody sees.
    """
    name = function.__qualname__.removesuffix(".__init__")
    kind, _, method = name.rpartition(".")
    return f"{type(holder).__name__}.{method}" if kind and holder is not None else name


def call_of(function: Callable[..., Any], holder: object = None) -> str:
    """Write how a function is reached in code: `ps.ipw`, `ps.datasets.lalonde`, `matches.effect`."""
    name = called(function, holder)
    kind, _, method = name.rpartition(".")
    if kind:
        return f"{variable_of(kind)}.{method}"
    part = re.match(r"propensity\.(plots|datasets)\b", function.__module__)
    return f"ps.{part[1]}.{name}" if part else f"ps.{name}"


def variable_of(kind: str) -> str:
    """Call a result by the last word of its class, as code would: a PropensityModel `model`.

    What is by something is called by what it is: EstimatesByOutcome `estimates`.
    """
    kind = kind.partition("By")[0]
    words: list[str] = re.findall("[A-Z][^A-Z]*", kind)
    return words[-1].lower()
