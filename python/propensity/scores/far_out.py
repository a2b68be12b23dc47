"""Why a fitted score is 0 or 1 exactly: the amount that carries its row there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from propensity.frames.checks import Bools, Floats
from propensity.frames.design import Design
from propensity.frames.levels import written
from propensity.frames.native import Column
from propensity.frames.recipe import Recipe

if TYPE_CHECKING:
    from propensity.core import PropensityFit

_FAR_OUT = 5.0  # in standard deviations: nearer values are as a model of amounts takes them


def far_out(
    design: Design,
    recipe: Recipe,
    fit: PropensityFit,
    columns: Mapping[str, Column],
    where: Bools,
    index: pd.Index[Any],
    frequency: Floats | None = None,
) -> str:
    """Name the column that moves the scores of some rows (n,) the most, if a value is far out there.

    Rows of sample weight 0 hold what another does, and move nothing; each stands for `frequency` (n,) users.
    """
    if not design.n_numbers:
        return ""
    x, rows = design.numbers, np.flatnonzero(where)
    slopes = np.nan_to_num(fit.coefficients[1:][list(design.places)])
    moved = np.abs(slopes * (x[rows] - np.average(x, axis=0, weights=frequency)))
    at, place = np.unravel_index(int(moved.argmax()), moved.shape)
    term, row = design.places[int(place)], int(rows[at])
    (name, *others) = sorted(recipe.sources[term])
    if others or name not in columns or columns[name].dtype.kind not in "if":
        return ""
    values = columns[name].to_numpy().astype(np.float64)
    center = float(np.average(values, weights=frequency))
    deviation = float(np.sqrt(np.average((values - center) ** 2, weights=frequency)))
    distance = abs(float(values[row]) - center)
    if not distance >= _FAR_OUT * deviation > 0:
        return ""
    remedy = "bound it"
    if values.min() >= 0 and recipe.names[term] == name:
        remedy = f"take log1p of it (in a formula np.log1p({name}))"
    return (
        f"column '{name}' is {written(values[row])} in row {index[row]}, {distance / deviation:,.0f} "
        f"standard deviations from its mean: look at it, or {remedy}, or "
    )
