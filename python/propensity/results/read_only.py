"""What results hold: arrays that nobody can write to, and series and tables of which each reader gets a copy.

A result says what was found in the data as they were. A reader who changes what was read from it, or who puts
`effect.weights` into a frame and goes on to edit the frame, changes a copy.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pandas as pd

_LENT = ("AnySeries", "pd.Series", "pd.DataFrame", "Mapping[")
_NONE = object()


class ReadOnly:
    """A frozen dataclass that nobody's edit changes, also when it comes out of a pickle.

    Its arrays are read-only. Of a field that is annotated as a series, a table or a mapping of results each
    reader gets a copy: a pandas Series over memory that cannot be written to would be no gift, for put into a
    frame it makes a column that fails when somebody edits the frame.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name, kind in inspect.get_annotations(cls).items():
            if str(kind).startswith(_LENT):
                setattr(cls, name, _Lent(name, vars(cls).get(name, _NONE)))

    def __post_init__(self) -> None:
        """Lock the arrays."""
        _lock(vars(self))

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        _lock(vars(self))


class _Lent:
    """A field of which each reader gets a copy."""

    def __init__(self, name: str, default: object) -> None:
        self._name, self._default = name, default

    def __get__(self, holder: object | None, owner: type | None = None) -> Any:
        if holder is not None:
            return _copied(vars(holder)[self._name])
        if self._default is _NONE:  # what `dataclass` takes for a field without a default
            raise AttributeError(self._name)
        return self._default

    def __set__(self, holder: object, value: object) -> None:
        vars(holder)[self._name] = value


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, pd.Series | pd.DataFrame):
        return value.copy()
    return value.clone() if hasattr(value, "clone") else value  # polars has cheap ones, pyarrow needs none


def _lock(fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        if isinstance(value, np.ndarray):
            fields[name] = _locked(value)
        elif isinstance(value, tuple) and any(isinstance(one, np.ndarray) for one in value):
            fields[name] = tuple(_locked(one) if isinstance(one, np.ndarray) else one for one in value)


def _locked(array: np.ndarray) -> np.ndarray:
    """Lock a view, and not the array: should that be somebody else's, it stays theirs to write to."""
    view = array.view()
    view.setflags(write=False)
    return view
