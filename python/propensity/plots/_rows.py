"""What a picture of rows is drawn from: values, arms, weights and groups, row for row and complete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from propensity import _check
from propensity._check import Bools, Floats
from propensity.effects import Effect
from propensity.frames.columns import rowwise
from propensity.frames.native import AnySeries, row_labels
from propensity.matched import Matched
from propensity.truncation import TruncatedWeights

Weights: TypeAlias = Any
"""A series or array, or what has them: an effect, truncated weights, or what a matching method gave."""


def labels_of(*given: object, n: int) -> pd.Index[Any]:
    """Give what rows are called: the index of the first pandas Series or matching result, or positions."""
    for values in given:
        if isinstance(values, Effect | TruncatedWeights):
            return row_labels(values.weights)
        if isinstance(values, pd.Series | Matched):
            return values.index
    return pd.RangeIndex(n)


def read_treated(treatment: object, index: pd.Index[Any]) -> Bools:
    """Read a treatment, bool or 0/1, as (n,) bool."""
    column = pd.Series(rowwise(treatment, index, "treatment"), index=index, name="treatment")
    return _check.treatment(column, recode="treatment == {1}")


def read_weights(weights: Weights, treated: Bools, index: pd.Index[Any], role: str = "weights") -> Floats:
    """Read weights as (n,) float64, none negative and some in each arm; a result's must be of these rows."""
    if isinstance(weights, Matched):
        remedy = "these matches are of other rows"
        _check.same_index(role, weights.index, index, remedy)
        _check.same_treated(role, weights.treated, treated, index, remedy)
    if isinstance(weights, Matched | Effect | TruncatedWeights):
        weights = weights.weights
    values = rowwise(weights, index, role)
    _check.weights(values, treated, index, role)
    return values


def read_groups(by: object, index: pd.Index[Any]) -> AnySeries:
    """Read a group for each row."""
    if isinstance(by, pd.Series):
        _check.same_index("by", by.index, index, "use by.reindex(scores.index)")
        group = by
    else:
        group = pd.Series(by)
        _check.same_length("by", len(group), len(index))
        group.index = index
    _check.complete({"by": group}, subject="{}")
    return group


def read_samples(
    weights: Weights | Mapping[str, Weights] | None, treated: Bools, index: pd.Index[Any]
) -> dict[str, Floats]:
    """Read the samples to set side by side: the rows as they are, then each weighting by its name."""
    samples = {"unadjusted": np.ones(len(index))}
    if weights is None:
        return samples
    if not isinstance(weights, Mapping):
        weights = {"matched" if isinstance(weights, Matched) else "weighted": weights}
    for name, given in weights.items():
        samples[str(name)] = read_weights(given, treated, index, f"weights[{name!r}]")
    return samples
