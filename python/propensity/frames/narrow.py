"""The terms of rows in the types of their columns: read where they lie, if nobody writes to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from propensity.frames.checks import Floats, Rows
from propensity.results.read_only import ReadOnly

Term: TypeAlias = "NDArray[Any] | tuple[NDArray[np.int8], int]"
"""Values (n,), or the codes of a factor and the level whose rows are 1."""


@dataclass(frozen=True, eq=False)
class Narrow(ReadOnly):
    """The d terms of n rows, column by column.

    Attributes
    ----------
    terms : tuple of d
        An array (n,) of float64, float32, int64 or bool; or codes (n,) of a factor, and a level of it.
    """

    terms: tuple[Term, ...]

    @classmethod
    def of(cls, columns: Mapping[str, pd.Series[Any]], *, all_levels: bool, own: bool) -> Narrow | None:
        """Take columns as they are; None where a matrix would be as small, or has to be made.

        `own` asks for memory that is not the caller's, who may write to it.
        """
        if own and all(column.dtype == np.float64 for column in columns.values()):
            return None  # before anything is copied
        terms: list[Term] = []
        for column in columns.values():
            if not isinstance(column.dtype, pd.CategoricalDtype):
                values = column.to_numpy()
                terms.append(values.copy() if own else np.ascontiguousarray(values))
                continue
            codes: Any = column.cat.codes.to_numpy()
            if codes.dtype != np.int8:
                return None
            codes = codes.copy() if own else codes
            first = 0 if all_levels else 1
            terms.extend((codes, level) for level in range(first, len(column.cat.categories)))
        return cls(tuple(terms)) if terms else None

    def __len__(self) -> int:
        first = self.terms[0]
        return len(first[0] if isinstance(first, tuple) else first)

    @property
    def width(self) -> int:
        """How many terms there are."""
        return len(self.terms)

    def column(self, place: int) -> Floats:
        """Give a term, (n,)."""
        term = self.terms[place]
        if isinstance(term, tuple):
            return np.asarray(term[0] == term[1], dtype=np.float64)
        return np.asarray(term, dtype=np.float64)

    def matrix(self, places: Sequence[int] | None = None) -> Floats:
        """Give some of the terms, or all, as a matrix, column by column."""
        places = range(self.width) if places is None else places
        x = np.empty((len(self), len(places)), order="F")
        for k, place in enumerate(places):
            term = self.terms[place]
            if isinstance(term, tuple):
                np.equal(*term, out=x[:, k])
            else:
                x[:, k] = term
        return x

    def taken(self, rows: Rows) -> Floats:
        """Give some of the rows as a matrix, column by column."""
        x = np.empty((len(rows), self.width), order="F")
        for k, term in enumerate(self.terms):
            if isinstance(term, tuple):
                np.equal(term[0].take(rows), term[1], out=x[:, k])
            else:
                x[:, k] = term.take(rows)
        return x
