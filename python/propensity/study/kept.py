"""Answers that are worked out once and kept, with what they warned of."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from propensity.calls.warned import warn

if TYPE_CHECKING:
    pass

_T = TypeVar("_T")


class Kept:
    """Each answer by its name, and what there was to warn of, each once."""

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}
        self._told: dict[str, Warning] = {}
        self._quiet = False

    @property
    def cautions(self) -> tuple[str, ...]:
        """What there was to warn of so far, each once."""
        return tuple(self._told)

    def _once(self, name: str, make: Callable[[], _T]) -> _T:
        """Give what was made before, or make it, and remember what it warned of."""
        if name not in self._kept:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                made = make()
            for one in caught:
                caution = one.message if isinstance(one.message, Warning) else UserWarning(one.message)
                self._told.setdefault(str(caution), caution)
                if not self._quiet:
                    warn(caution)
            self._kept[name] = made
        found: _T = self._kept[name]
        return found

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """Leave out the warnings of what is worked out for words that say the same."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before
