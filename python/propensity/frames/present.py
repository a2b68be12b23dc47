"""Rows of sample weight 0, which are not there: nothing is made of them; they get what another has."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from propensity.frames.checks import Floats
from propensity.frames.columns import Frame
from propensity.frames.design import Design

_Number = TypeVar("_Number", bound=np.generic)


def those_there(frame: Frame, sample_weight: Floats | None) -> Frame:
    """Leave the rows of sample weight 0 out of a frame's columns."""
    if sample_weight is None or sample_weight.all():
        return frame
    rows = np.flatnonzero(sample_weight)
    columns = {name: column.iloc[rows] for name, column in frame.columns.items()}
    for name, column in columns.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            columns[name] = column.cat.remove_unused_categories()
    return replace(frame, index=frame.index.take(rows), columns=columns)


def spread(values: NDArray[_Number], sample_weight: Floats | None) -> NDArray[_Number]:
    """Give values of the rows that are there to all rows; those of weight 0 get what the first has."""
    if sample_weight is None or sample_weight.all():
        return values
    place = np.where(sample_weight > 0, np.cumsum(sample_weight > 0) - 1, 0)
    return np.asarray(values[place], order="F")


def spread_design(design: Design, sample_weight: Floats | None) -> Design:
    """Give the terms of the rows that are there to all rows."""
    if sample_weight is None or sample_weight.all():
        return design
    return design.by_row(spread(design.numbers, sample_weight), lambda values: spread(values, sample_weight))
