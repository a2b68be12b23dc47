"""Columns that an engine holds, as terms: numbers as they are, of text a term a level but the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.checks import Bools, Floats
from propensity.tables import engine
from propensity.tables.engine import Source

_MOST_TERMS = 60
"""A query of d terms has (d + 1) (d + 2) / 2 sums: of 60 they are 1,891, and take 30 microseconds a row."""


@dataclass(frozen=True, eq=False)
class Terms:
    """The d terms of a table that an engine holds.

    Attributes
    ----------
    names : tuple of str
        As those of frames: a column's own name, or ``tier[T.light]``.
    columns : tuple of str
        Which column each is made of.
    levels : tuple
        Which level of it; None where it is the column's number.
    center, scale : ndarray (d,)
        Mean and standard deviation (divisor n): models are fitted to terms of mean 0 and deviation 1.
    empty : tuple of str
        Text of a single level, which the intercept already stands for.
    first : mapping of str to tuple of int
        First levels, ``tier[heavy]``, and the places of the terms of the others.
    """

    names: tuple[str, ...]
    columns: tuple[str, ...]
    levels: tuple[str | None, ...]
    center: Floats
    scale: Floats
    empty: tuple[str, ...] = ()
    first: Mapping[str, tuple[int, ...]] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def kept(self, which: Bools) -> Terms:
        """Leave out terms that earlier ones repeat."""
        places = np.flatnonzero(which)
        return replace(
            self,
            names=tuple(self.names[k] for k in places),
            columns=tuple(self.columns[k] for k in places),
            levels=tuple(self.levels[k] for k in places),
            center=self.center[places],
            scale=self.scale[places],
            first=None,
        )

    def expressions(self) -> list[Any]:
        """Write each as an expression of mean 0 and deviation 1, called z0, z1 and so on."""
        import narwhals.stable.v2 as nw  # noqa: PLC0415 - frames in memory do without it

        found = []
        for place, (column, level) in enumerate(zip(self.columns, self.levels, strict=True)):
            raw = nw.col(column)
            raw = raw.cast(nw.Float64) if level is None else (raw.cast(nw.String) == level).cast(nw.Float64)
            scaled = (raw - float(self.center[place])) / float(self.scale[place] or 1.0)
            found.append(scaled.alias(f"z{place}"))
        return found

    def matrix(self, rows: pd.DataFrame) -> Floats:
        """Lay the same out for rows that were fetched, (m, d)."""
        z = np.empty((len(rows), len(self)), order="F")
        for place, (column, level) in enumerate(zip(self.columns, self.levels, strict=True)):
            values = rows[column]
            raw = values.to_numpy(dtype=np.float64) if level is None else (values == level).to_numpy()
            z[:, place] = (raw - self.center[place]) / (self.scale[place] or 1.0)
        return z


def read_terms(
    source: Source, covariates: Sequence[str], moments: Mapping[str, float], n_rows: float
) -> Terms:
    """Make terms of columns; `moments` has the mean and the variance of each that is a number.

    Raises
    ------
    InvalidInputError
        A column of text has more levels than a query can have sums, or there are more terms than that.
    """
    found: list[_Term] = []
    empty: list[str] = []
    first: dict[str, tuple[int, ...]] = {}
    for column in covariates:
        if not engine.is_text(source, column):
            mean, variance = moments[f"{column}/mean"], moments[f"{column}/variance"]
            alike = moments[f"{column}/low"] == moments[f"{column}/high"]  # whose variance is but rounding
            found.append(_Term(column, column, None, mean, 0.0 if alike else max(variance, 0.0)))
            continue
        counts = engine.level_counts(source, column, checks.MOST_LEVELS + 1)
        if len(counts) > _MOST_TERMS:
            raise InvalidInputError(_too_many(f"column '{column}': {len(counts):,} levels or more"))
        least, *others = counts
        if not others:
            empty.append(column)
        first[f"{column}[{least}]"] = tuple(range(len(found), len(found) + len(others)))
        for level in others:
            share = counts[level] / n_rows
            found.append(_Term(f"{column}[T.{level}]", column, level, share, share * (1 - share)))
    if len(found) > _MOST_TERMS:
        raise InvalidInputError(_too_many(f"covariates: {len(found):,} terms"))
    checks.unlike_terms([one.name for one in found])
    return Terms(
        tuple(one.name for one in found),
        tuple(one.column for one in found),
        tuple(one.level for one in found),
        np.array([one.mean for one in found], dtype=np.float64),
        np.sqrt(np.array([one.variance for one in found], dtype=np.float64)),
        tuple(empty),
        first,
    )


class _Term(NamedTuple):
    name: str
    column: str
    level: str | None
    mean: float
    variance: float


def _too_many(what: str) -> str:
    return (
        f"{what}; more than {_MOST_TERMS} terms are too many sums for a query: group levels, count users "
        "with ps.collapse(table, ...), or fetch the columns, or a sample of 10,000,000 users, and take the "
        "functions for frames"
    )
