"""What a replicate draws as a whole: rows, or the clusters they are in, freely or within strata."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from propensity.errors import InvalidInputError
from propensity.frames.checks import Rows


@dataclass(frozen=True, eq=False)
class SamplingUnits:
    """What is drawn as a whole: rows, or the clusters they are in; freely, or within strata.

    Attributes
    ----------
    rows : ndarray (m,) of int
        Those that may be drawn, in an order that does not hang on how they came.
    places : ndarray (m,) of int
        Where they stand in it: those of the first unit, then those of the second, and so on.
    ends : ndarray (L + 1,) of int
        Unit l has `places[ends[l]:ends[l + 1]]`; units of a stratum stand together.
    strata : ndarray (S + 1,) of int
        Stratum s has the units `strata[s]` to `strata[s + 1]`, the latter left out.
    """

    rows: Rows
    places: Rows
    ends: Rows
    strata: Rows

    @classmethod
    def of(cls, rows: Rows, cluster: Rows | None, strata: Rows | None) -> SamplingUnits:
        """Sort rows (m,) by stratum and cluster, in the order of their first; labels are (n,), of all rows.

        Raises
        ------
        InvalidInputError
            There is a single cluster, or one lies in several strata.
        """
        unit = np.arange(len(rows)) if cluster is None else _numbered(cluster[rows])
        stratum = np.zeros(len(rows), dtype=np.int64) if strata is None else _numbered(strata[rows])
        n_units = int(unit.max()) + 1
        if n_units < 2:
            raise InvalidInputError("cluster: all rows are in one, which shows nothing of how clusters vary")
        of_unit = np.zeros(n_units, dtype=np.int64)
        of_unit[unit] = stratum
        if (of_unit[unit] != stratum).any():
            raise InvalidInputError(
                "cluster: some lie in several strata; a cluster is drawn whole, within one"
            )
        places = np.lexsort((unit, stratum))
        starts = np.flatnonzero(np.append(True, np.diff(unit[places]) != 0))
        sizes = np.bincount(of_unit)
        return cls(rows, places, np.append(starts, len(places)), np.append(0, np.cumsum(sizes)))

    def draw(self, rng: np.random.Generator) -> Rows:
        """Draw within each stratum as many units as it has, with replacement; give their rows, in order."""
        sizes = np.diff(self.strata)
        picks = np.repeat(self.strata[:-1], sizes) + rng.integers(np.repeat(sizes, sizes))
        length = self.ends[picks + 1] - self.ends[picks]
        before = np.cumsum(length) - length
        drawn = self.places[np.arange(length.sum()) + np.repeat(self.ends[picks] - before, length)]
        return np.asarray(self.rows[np.sort(drawn)])


def _numbered(labels: Rows) -> Rows:
    """Give each group a number, in the order of their first rows."""
    return np.asarray(pd.factorize(labels)[0], dtype=np.int64)
