"""Groups by their names: what is said of a name that no group has."""

from __future__ import annotations

from typing import Any

import pandas as pd

from propensity.frames.grouping import Grouping

_NAMED = 5


class NoGroupError(KeyError):
    """No group has this name; `str()` of it is the sentence, which a KeyError would put in quotes."""

    def __str__(self) -> str:
        return str(self.args[0])


def no_group(groups: Grouping, name: object) -> str:
    """Say that no group is called so, how one is named, and which there are."""
    said = f"{name!r} is no group by {', '.join(groups.by)}"
    keys: list[Any] = list(groups.index)
    if isinstance(groups.index, pd.MultiIndex):
        own = [key for key in keys if name in key]
        keys = own or keys
        example = ", ".join(map(repr, map(_plain, keys[0])))
        said += f": a group has a value of each, as in effects[{example}]"
    shown = ", ".join(repr(_plain(key)) for key in keys[:_NAMED])
    more = f" and {len(keys) - _NAMED:,} more" if len(keys) > _NAMED else ""
    return f"{said}; there are {shown}{more}"


def _plain(value: Any) -> Any:
    """Write NumPy's numbers as Python's own, which are read more easily."""
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    return value.item() if hasattr(value, "item") else value
