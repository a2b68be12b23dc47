"""Covariates tidied on request: missing values a mean and an indicator, or a level; rare levels "other".

The missing-indicator method: whatever fixed value stands for a missing amount, a linear model with the
indicator beside it fits the same; the mean keeps splines and logarithms in range. What was learned of the
rows of a fit is remembered, so that new rows are tidied in the very same way.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.checks import Bools, Floats
from propensity.frames.counted_rows import mass_of, n_users_of
from propensity.frames.levels import is_categorical, written_number
from propensity.frames.native import Column

Missing: TypeAlias = Literal["indicator"]

MISSING = "missing"
"""What the level of those is called of whom no level is known, and an amount's indicator."""

OTHER = "other"
"""What levels of few rows are together."""


def indicator_of(name: str) -> str:
    """Name the indicator of a column's missing values."""
    return f"{name}[{MISSING}]"


def with_missing_level(column: Column) -> Column:
    """Make a level of what is missing, the last."""
    level = _unlike(MISSING, column.cat.categories)
    return column.cat.add_categories([level]).fillna(level)


def _unlike(level: str, others: Collection[object]) -> str:
    while level in others:
        level = f"({level})"
    return level


def with_indicator(said: str, covariates: object) -> str:
    """Say of a covariate that has missing values, and is refused, how it is taken."""
    first = re.match(r"column '(.+?)': [\d,]+ missing values? \(.*; drop or impute them first", said)
    listed = (
        covariates if isinstance(covariates, list | tuple) else re.findall(r"[^\W\d]\w*", str(covariates))
    )
    if first is None or first.group(1) not in listed:
        return said
    return f'{said}, or take missing="indicator"'


@dataclass(frozen=True)
class Tidying:
    """What is asked for.

    Attributes
    ----------
    missing : "indicator" or None
        None leaves missing values the error that they are.
    min_level_count : int or None
        Levels of fewer rows are together as one; None leaves them.
    """

    missing: Missing | None = None
    min_level_count: int | None = None

    def __post_init__(self) -> None:
        if self.missing is not None:
            checks.choice("missing", self.missing, get_args(Missing))
        if self.min_level_count is not None:
            checks.count("min_level_count", self.min_level_count)

    @classmethod
    def of(cls, missing: Missing | None, min_level_count: int | None) -> Tidying | None:
        """Ask for one or both, or for nothing.

        Raises
        ------
        InvalidInputError
            `missing` is another word, or `min_level_count` no whole number of at least 1.
        """
        if missing is None and min_level_count is None:
            return None
        return cls(missing, min_level_count)


@dataclass(frozen=True, eq=False)
class Levels:
    """The levels of a categorical, tidied.

    Attributes
    ----------
    kept : Index
        Those that stay as they are, in their order.
    other, missing : str or None
        What rare levels and missing values have become; None where there were none, and `missing` may be the
        level of the rare.
    n_rare, n_rare_rows, n_missing : int
        How many levels were rare, of how many rows; how many values were missing.
    """

    kept: pd.Index[Any]
    other: str | None = None
    missing: str | None = None
    n_rare: int = 0
    n_rare_rows: int = 0
    n_missing: int = 0

    @classmethod
    def learn(cls, column: Column, there: Bools, tidying: Tidying, frequency: Floats | None = None) -> Levels:
        """Look at the rows that are there, each as often as it stands for a user.

        Raises
        ------
        InvalidInputError
            Rare levels would join a level "other" that is there, and not rare.
        """
        codes = column.cat.codes.to_numpy()[there]
        users = None if frequency is None else frequency[there]
        # The first is that of missing values, whose code is -1.
        counts = np.bincount(codes + 1, weights=users, minlength=len(column.cat.categories) + 1)
        n_missing, counts, least = int(counts[0]), counts[1:], tidying.min_level_count or 0
        rare = (counts > 0) & (counts < least)
        kept = column.cat.categories[(counts > 0) & ~rare]
        joined = 0 < n_missing < least
        other = OTHER if rare.any() or joined else None
        if other is not None and other in kept:
            raise InvalidInputError(
                f"column '{column.name}': levels of fewer than {least:,} rows would join a level '{OTHER}' "
                "that is there already, and not rare; call that one something else first"
            )
        missing = None if not n_missing else OTHER if joined else _unlike(MISSING, column.cat.categories)
        return cls(kept, other, missing, int(rare.sum()), int(counts[rare].sum()), n_missing)

    def apply(self, column: Column) -> Column:
        """Give a categorical these levels; levels that were not seen stay, unless there is one of others."""
        names = column.cat.categories
        known = dict.fromkeys([*self.kept, *(own for own in (self.other, self.missing) if own is not None)])
        unseen = [] if self.other is not None else [name for name in names if name not in known]
        place = {level: k for k, level in enumerate([*known, *unseen])}
        # A code of -1, of a missing value, takes the last.
        into = np.array(
            [place.get(name, place.get(self.other)) for name in names] + [place.get(self.missing, -1)]
        )
        codes = into[column.cat.codes.to_numpy()]
        levels = pd.Categorical.from_codes(codes, categories=pd.Index([*known, *unseen]))
        return pd.Series(levels, index=column.index, name=column.name)

    def words(self, name: str, least: int | None) -> list[str]:
        """Say what was done."""
        said = []
        if self.n_rare:
            s = "s" if self.n_rare > 1 else ""
            said.append(
                f"'{name}': {self.n_rare:,} level{s} of fewer than {least:,} rows together as '{self.other}' "
                f"({self.n_rare_rows:,} rows)"
            )
        if self.missing is not None:
            what = f"a level '{self.missing}'" if self.missing != self.other else f"in '{self.other}' too"
            said.append(f"'{name}': {_values(self.n_missing)} {what}")
        return said


@dataclass(frozen=True, eq=False)
class Tidied:
    """What was learned of the covariates of a fit, and how others are tidied by it. It pickles.

    Attributes
    ----------
    tidying : Tidying
        What was asked for.
    columns : tuple of str
        The columns, as they were given.
    means : mapping of str to float
        What stands for a missing value of those amounts that had some.
    n_missing : mapping of str to int
        How many of them had none.
    levels : mapping of str to Levels
        Of every categorical.
    """

    tidying: Tidying
    columns: tuple[str, ...]
    means: Mapping[str, float] = field(default_factory=dict)
    n_missing: Mapping[str, int] = field(default_factory=dict)
    levels: Mapping[str, Levels] = field(default_factory=dict)

    @classmethod
    def learn(
        cls,
        columns: Mapping[str, Column],
        sample_weight: Floats | None,
        tidying: Tidying,
        frequency: Floats | None = None,
    ) -> Tidied:
        """Look at columns (n,), of the rows that weigh something and stand for so many users.

        Raises
        ------
        InvalidInputError
            A column has no value at all, or a name is taken.
        """
        n = len(next(iter(columns.values()))) if columns else 0
        there = np.ones(n, dtype=bool) if sample_weight is None else sample_weight > 0
        levels = {
            name: Levels.learn(column, there, tidying, frequency)
            for name, column in columns.items()
            if is_categorical(column)
        }
        means, n_missing = {}, {}
        for name, column in columns.items():
            gaps = column.isna().to_numpy() if name not in levels else np.zeros(0, dtype=bool)
            if gaps.any() and (gaps & there).any():
                means[name] = _mean(column, there & ~gaps, mass_of(sample_weight, frequency))
                n_missing[name] = n_users_of(gaps & there, frequency)
                if indicator_of(name) in columns:
                    raise InvalidInputError(
                        f"column '{indicator_of(name)}': the indicator of the missing values of '{name}' has "
                        "this name; rename the column"
                    )
        return cls(tidying, tuple(columns), means, n_missing, levels)

    @property
    def indicators(self) -> tuple[str, ...]:
        """The columns that were made."""
        return tuple(map(indicator_of, self.means))

    @property
    def may_be_missing(self) -> tuple[str, ...]:
        """The columns that may be read with missing values."""
        return self.columns if self.tidying.missing is not None else ()

    def expanded(self, columns: Sequence[str]) -> tuple[str, ...]:
        """Give some of the columns, each indicator after its own."""
        own = ((name, indicator_of(name)) if name in self.means else (name,) for name in columns)
        return tuple(name for names in own for name in names)

    def source(self, name: str) -> str:
        """Name the caller's column that a column is, or says of whether it is missing."""
        return next((column for column in self.means if indicator_of(column) == name), name)

    def apply(self, columns: Mapping[str, Column], sample_weight: Floats | None) -> dict[str, Column]:
        """Tidy columns (m,) of any rows, each indicator after its own; those that are not of these stay.

        Raises
        ------
        InvalidInputError
            A value is missing, in a row that weighs something, of a column that had them all.
        """
        found: dict[str, Column] = {}
        for name, column in columns.items():
            if name not in self.columns:
                found[name] = column
                continue
            gaps = column.isna()
            if gaps.any():
                self._require_known(name, column, gaps.to_numpy(), sample_weight)
            if name in self.levels:
                found[name] = self.levels[name].apply(column) if is_categorical(column) else column
            elif name in self.means and is_categorical(column) and not gaps.all():
                found[name] = column  # text, which the model refuses in its own words
            elif name in self.means:
                found[name] = column.astype(np.float64).fillna(self.means[name])
                found[indicator_of(name)] = gaps.rename(indicator_of(name))
            else:
                found[name] = column.fillna(0.0) if gaps.any() else column  # of rows that are not there
        return found

    def _require_known(self, name: str, column: Column, gaps: Bools, sample_weight: Floats | None) -> None:
        if name in self.means or (name in self.levels and self.levels[name].missing is not None):
            return
        gaps = gaps if sample_weight is None else gaps & (sample_weight > 0)
        if gaps.any():
            raise InvalidInputError(
                f"column '{name}': {checks.counted(gaps, 'missing value', column.index)}, and none was "
                "missing in the rows of the fit, which tell nothing of such rows; drop or impute them first, "
                "or fit to rows that have some"
            )

    @property
    def words(self) -> str:
        """Say what was done; empty where nothing was."""
        said = [
            f"'{name}': {_values(self.n_missing[name])} the mean, {written_number(round(mean, 4))}, beside "
            f"the indicator '{indicator_of(name)}'"
            for name, mean in self.means.items()
        ]
        for name, levels in self.levels.items():
            said += levels.words(name, self.tidying.min_level_count)
        return "; ".join(said)


def _values(count: int) -> str:
    return f"{count:,} missing value{'s' if count > 1 else ''}"


def _mean(column: Column, known: Bools, sample_weight: Floats | None) -> float:
    if not known.any():
        raise InvalidInputError(f"column '{column.name}': every value is missing; leave it out")
    if sample_weight is None:
        return float(column.mean())
    return float(np.average(column.to_numpy(np.float64)[known], weights=sample_weight[known]))
