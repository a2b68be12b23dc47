"""What rows are called, as numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from propensity.frames.checks import Rows


def hashed(labels: pd.Index[Any]) -> Rows:
    """Give a whole number for each label: whole numbers as they are, others hashed."""
    if labels.dtype.kind in "iu":
        return labels.to_numpy().astype(np.int64)
    return pd.util.hash_pandas_object(labels, index=False).to_numpy().view(np.int64)
