"""The arguments of a call, read anew: what takes more than a line or two is not read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

import propensity as ps
from oracle.twins import Answers, Expected

MOST_ROWS = 400  # twins look at every pair of rows

Pair = tuple[str, Any, Expected]
"""What an answer says, the answer, and what it is by definition."""


class NotReadError(Exception):
    """A call whose arguments are not read here."""


def of(result: Any, answers: Answers, names: Sequence[str] | None = None) -> list[Pair]:
    return [(name, getattr(result, name), answers[name]) for name in names or answers]


def numbers(values: Any) -> np.ndarray:
    """A column of numbers, as float64."""
    if isinstance(values, np.ma.MaskedArray):
        raise NotReadError
    if isinstance(values, pl.Series):
        values = values.to_numpy()
    if isinstance(values, pd.Series) and isinstance(values.dtype, pd.CategoricalDtype):
        values = np.asarray(values.tolist())
    array = np.asarray(values)
    if array.dtype.kind == "O":
        array = np.array([math.nan if v is None or v is pd.NA else v for v in array])
    if array.dtype.kind not in "biuf" or array.ndim != 1 or len(array) > MOST_ROWS:
        raise NotReadError
    column = array.astype(float)
    if not np.isfinite(column).all() or np.abs(column).max(initial=0) > 1e100:
        raise NotReadError
    return column


def matrix(x: Any) -> np.ndarray:
    """Terms (n, d), as float64."""
    array = np.asarray(x)
    if isinstance(x, np.ma.MaskedArray) or array.ndim != 2 or array.dtype.kind not in "biuf":
        raise NotReadError
    if not array.shape[1]:
        return array.astype(float)
    return np.column_stack([numbers(column) for column in array.T])


@dataclass(frozen=True)
class Call:
    """A call of the frame door, its rows of weight 0 left out."""

    given: Mapping[str, Any]
    there: np.ndarray  # which rows are

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Call:
        if not isinstance(given.get("df"), pd.DataFrame | pl.DataFrame):
            raise NotReadError
        call = cls(given, np.ones(len(given["df"]), dtype=bool))
        w = call.beside("sample_weight")
        return cls(given, w > 0) if w is not None else call

    def column(self, name: object) -> Any:
        df = self.given["df"]
        if not isinstance(name, str) or list(df.columns).count(name) != 1:
            raise NotReadError
        return df[name]

    def beside(self, role: str) -> np.ndarray | None:
        """What is given row by row, or named."""
        values = self.given.get(role)
        if values is None:
            return None
        if isinstance(values, ps.PropensityModel):
            values = values.scores
        found = numbers(self.column(values) if isinstance(values, str) else values)
        return found[self.there]

    @property
    def weight(self) -> np.ndarray:
        w = self.beside("sample_weight")
        return np.ones(int(self.there.sum())) if w is None else w

    @property
    def treated(self) -> np.ndarray:
        return numbers(self.column(self.given["treatment"]))[self.there] == 1

    @property
    def outcome(self) -> np.ndarray:
        return self.outcome_at(self.given["outcome"])

    def outcome_at(self, name: object) -> np.ndarray:
        return numbers(self.column(name))[self.there]

    @property
    def scores(self) -> np.ndarray:
        e = self.beside("scores")
        if e is None:
            raise NotReadError
        return e

    @property
    def clusters(self) -> np.ndarray | None:
        values = self.given.get("cluster")
        if values is None:
            return None
        if isinstance(values, str):
            values = self.column(values)
        labels = np.asarray([str(value) for value in values])
        return labels[self.there]

    def terms(self, role: str = "covariates", *, all_levels: bool = False) -> np.ndarray:
        """The columns (n, d) of a list of covariates: numbers as they are, a column a level of text."""
        covariates = self.given.get(role)
        if not isinstance(covariates, list):
            raise NotReadError
        columns: list[np.ndarray] = []
        for name in covariates:
            column = self.column(name)
            if not _numeric(column):
                text = np.asarray([str(value) for value in column])
                levels = sorted(set(text))
                columns += [(text == level).astype(float) for level in levels[0 if all_levels else 1 :]]
            else:
                columns.append(numbers(column))
        n = len(self.there)
        return np.array(columns, dtype=float).reshape(len(columns), n).T[self.there]

    def word(self, role: str, default: Any) -> Any:
        return self.given.get(role, default)


def _numeric(column: Any) -> bool:
    if isinstance(column, pl.Series):
        return bool(column.dtype.is_numeric() or column.dtype == pl.Boolean)
    if isinstance(column.dtype, pd.CategoricalDtype):
        return False
    if column.dtype.kind == "O" and not all(isinstance(value, str) for value in column):
        raise NotReadError
    return column.dtype.kind in "biuf"


def arrays(given: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Terms, treatment, sample weights, and which rows are there."""
    x, t = matrix(given["x"]), numbers(given["treatment"]) == 1
    w = given.get("sample_weight")
    w = np.ones(len(t)) if w is None else numbers(w)
    return x[w > 0], t[w > 0], w[w > 0], w > 0
