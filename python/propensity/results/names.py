"""The names that a result shows, and what is said of those that it has not."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from propensity.calls.attributes import no_attribute
from propensity.calls.elsewhere import elsewhere
from propensity.calls.keywords import answered_methods


class Named:
    """What completion lists are the fields that the docstring names, methods and properties.

    Every result has its numbers as `table`, and gives them by `to_frame()`.
    """

    if TYPE_CHECKING:  # of each result

        def _table(self) -> pd.DataFrame: ...

    @property
    def table(self) -> pd.DataFrame:
        """The numbers, as `to_frame` gives them."""
        return self.to_frame() if type(self).to_frame is not Named.to_frame else self._numbers()

    def to_frame(self) -> pd.DataFrame:
        """Give the numbers as a table.

        Returns
        -------
        DataFrame

        Examples
        --------
        >>> import propensity as ps
        >>> found = ps.e_value(2.0)
        >>> found.to_frame().equals(found.table)
        True
        """
        own = next(vars(kind)["table"] for kind in type(self).__mro__ if "table" in vars(kind))
        return self._numbers() if own is vars(Named)["table"] else self.table

    def _numbers(self) -> pd.DataFrame:
        """Give the table of a result that has a `summary`, or what it shows."""
        summary = getattr(type(self), "summary", None)
        return self._table() if summary is None else summary(self)

    def __dir__(self) -> list[str]:
        documented = set(re.findall(r"\w+", _before_colons(type(self))))
        fields = getattr(type(self), "__dataclass_fields__", {})
        names = [name for name in object.__dir__(self) if not name.startswith("_")]
        hidden = {name for name in fields if name not in documented} | _made_by(type(self))
        return sorted(set(names) - hidden)

    if not TYPE_CHECKING:  # a checker would take every name for one that there is

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_") or hasattr(type(self), name):
                return object.__getattribute__(self, name)  # which says what is wrong inside it
            line = partial(elsewhere, self, name)
            raise AttributeError(no_attribute(type(self).__name__, name, dir(self), line=line))


answered_methods(Named)


def _before_colons(kind: type) -> str:
    """Give the names of a class's docstrings that stand before a colon: `low, high : float`."""
    docs = [own.__doc__ or "" for own in kind.__mro__ if "__dataclass_fields__" in vars(own)]
    return " ".join(re.findall(r"^ *([\w, ]+) :", "\n".join(docs), re.MULTILINE))


def _made_by(kind: type) -> set[str]:
    """Name the ways to make one, which are no questions to it."""
    return {
        name
        for own in kind.__mro__
        for name, member in vars(own).items()
        if isinstance(member, classmethod | staticmethod)
    }
