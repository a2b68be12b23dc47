"""Calipers: the columns they are on, the one meaning each has, and how wide they came out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from propensity.effects.matching_specification import SCORES, Matching
from propensity.errors import InvalidInputError


def columns_with_calipers(spec: Matching, scores: object) -> list[str]:
    """Name the columns that calipers are on: where there are scores, their own two words are none."""
    if not isinstance(spec.caliper, Mapping):
        return []
    return [name for name in spec.caliper if name not in SCORES or scores is None]


def require_one_meaning(spec: Matching, scores: object, columns: Collection[object]) -> None:
    """Refuse a caliper on "scores" or "logit" where there are scores, and a column of that name too."""
    if scores is None or not isinstance(spec.caliper, Mapping):
        return
    for name in SCORES:
        if name in spec.caliper and name in columns and not (isinstance(scores, str) and scores == name):
            raise InvalidInputError(
                f"caliper: {name!r} means that of `scores`, and a column is called so too; rename the "
                "column, and the caliper with it where that is meant"
            )


def caliper_table(spec: Matching, widths: Sequence[float]) -> pd.DataFrame:
    """Give each caliper as asked for, the standard deviation it counts, and the width that comes of it."""
    asked = np.array(list(spec.calipers.values()), dtype=np.float64)
    width = np.array(widths, dtype=np.float64)
    deviation = np.full(len(width), np.nan) if spec.caliper_unit == "raw" else width / asked
    index = pd.Index(spec.calipers, name="on", dtype=object)
    return pd.DataFrame({"caliper": asked, "std_dev": deviation, "width": width}, index=index)
