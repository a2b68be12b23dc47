"""What rows are called, and which of a frame's are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from propensity import _check
from propensity._check import Bools, Floats, Rows
from propensity.errors import InvalidInputError
from propensity.frames import native
from propensity.frames.native import AnyFrame


def kept_rows(
    data: AnyFrame, index: pd.Index[Any], kept: Bools, columns: Mapping[str, Floats | Rows]
) -> AnyFrame:
    """Give the kept rows of a frame, with further columns of (n,) values.

    Raises
    ------
    InvalidInputError
        The rows are not those of `index`, or the frame has a column of one of these names.
    """
    taken = [name for name in columns if name in native.column_names(data)]
    if taken:
        raise InvalidInputError(f"column '{taken[0]}' is in the frame already; rename it first")
    _check.same_index("df", native.labels_of(data), index, "give the frame that was matched")
    return native.kept(data, kept, columns)


def hashed(labels: pd.Index[Any]) -> Rows:
    """Give a whole number for each label: whole numbers as they are, others hashed."""
    if labels.dtype.kind in "iu":
        return labels.to_numpy().astype(np.int64)
    return pd.util.hash_pandas_object(labels, index=False).to_numpy().view(np.int64)
