"""Covariates that a result hands on: wherever columns or a formula may stand, the result itself may."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload


class HandedOn(Sequence[str]):
    """A result that stands for its `covariates`, a list of columns or the right-hand side of a formula."""

    covariates: list[str] | str

    @property
    def _names(self) -> list[str]:
        return [self.covariates] if isinstance(self.covariates, str) else self.covariates

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        return self._names[place]

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)


def as_covariates(value: Any) -> Any:
    """Give what a result stands for; anything else as it is."""
    return value.covariates if isinstance(value, HandedOn) else value
