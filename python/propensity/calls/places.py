"""Calls with too much by position, or without what is needed, are answered with the form of the call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from propensity.calls.signatures import by_position, needed, parameters_of
from propensity.calls.written import call_of, called, slot, written

_MEANT = {"truncate": "upper", "e_value": "std_dev"}
"""What a value is that is given by position where names are needed, if it is a number."""


def too_many(function: Callable[..., Any], args: Sequence[Any], options: Mapping[str, Any]) -> str:
    """Say of a call with too much by position what goes there, and what is given by name."""
    holder, own = _parted(function, args)
    names, call = by_position(function), call_of(function, holder)
    if holder is not None and own and hasattr(own[0], "columns"):
        shown = ", ".join([*map(_value, own[1 : len(names) + 1]), *_by_name(options)])
        return f"{called(function, holder)}: it knows its table; give the rest, {call}({shown})"
    surplus = own[len(names) :]
    by_name = [*_by_name(options)]
    meant = _MEANT.get(function.__name__)
    if meant and len(surplus) == 1 and isinstance(surplus[0], int | float):
        by_name.append(written(meant, surplus[0]))
    shown = ", ".join([*map(_value, own[: len(names)]), *by_name])
    where = f"{' and '.join(names)} by position" if names else "nothing by position"
    others = [name for name in parameters_of(function) if name not in names]
    rest = f", and by name {', '.join(others)}" if others else ""
    return f"{called(function, holder)} takes {where}{rest}: {call}({shown})"


def too_few(function: Callable[..., Any], args: Sequence[Any], options: Mapping[str, Any]) -> str:
    """Say what is wanting in a call, and show it whole."""
    holder, own = _parted(function, args)
    names = by_position(function)
    placed = dict(zip(names, own, strict=False)) | dict(options)
    model: Any = options.get("scores")
    if "treatment" not in placed and isinstance(getattr(model, "treatment", None), str):
        placed["treatment"] = model.treatment
    absent = [name for name in needed(function) if name not in {*names[: len(own)], *options}]
    first = [name for name in names if name in needed(function) or name in placed]
    plain = [name for name in ("df", "outcome") if name in first and name not in options]
    shown = [name if name in plain else slot(name, placed) for name in first]
    shown += [slot(name, placed) for name in (*needed(function), *options) if name not in first]
    line = f"{call_of(function, holder)}({', '.join(dict.fromkeys(shown))})"
    return f"{called(function, holder)} needs {' and '.join(absent)}: {line}"


def _parted(function: Callable[..., Any], args: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
    """Give what a method was called on, None of a function, and what was given by position."""
    method = "." in function.__qualname__.removesuffix(".__init__")
    return (args[0], args[1:]) if method and args else (None, args)


def _by_name(options: Mapping[str, Any]) -> list[str]:
    return [written(name, value) for name, value in options.items()]


def _value(value: object) -> str:
    return repr(value) if value is None or isinstance(value, str | int | float) else "..."
