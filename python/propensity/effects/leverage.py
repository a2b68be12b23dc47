"""How much rows hold their own predictions, and what intervals make up for it.

A model follows the rows it was fitted to: what is left of row i is too small by 1 - h_i, h_i its leverage.
Influence as it stands is HC0; divided by sqrt(1 - h) it is HC2, whose squares are right on average where
outcomes vary alike, and by 1 - h HC3, near to leaving each row out (MacKinnon and White 1985, Journal of
Econometrics 29, 305).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from propensity.frames.checks import Bools, Floats
from propensity.results.read_only import ReadOnly

Correction: TypeAlias = Literal["HC0", "HC2", "HC3"]

_POWERS: dict[Correction, float] = {"HC0": 0.0, "HC2": 0.5, "HC3": 1.0}

USUAL: Correction = "HC2"
"""That of intervals and p-values: with Student's law it held where HC0 was too short and HC3 too wide."""

# A row with more has a term to itself: it is its own prediction, and nothing is left of it to divide.
_ALONE = 1 - 1e-6

# Leverage above this one is taken for it: the part of the influence that is no residual (how far the row's
# prediction is from the mean) is divided too, and is all that is left where leverage is large.
_MOST = 0.9


@dataclass(frozen=True, eq=False)
class Leverage(ReadOnly):
    """The leverage of n rows in the outcome models of their arms.

    Attributes
    ----------
    values : ndarray (n,)
        From 0 to 1.
    """

    values: Floats

    def scale(self, kind: Correction = USUAL) -> Floats:
        """Give what influence is to be multiplied by, (n,), to be corrected as `kind` says."""
        held = np.where(self.values < _ALONE, np.minimum(self.values, _MOST), 0.0)
        return np.asarray((1 - held) ** -_POWERS[kind])

    def among(self, rows: Bools | slice) -> Leverage:
        """Leave those of some rows."""
        return Leverage(self.values[rows])


def words_of_intervals(leverage: Leverage | None) -> str:
    """Say how intervals and p-values are made."""
    law = "Student's t, df degrees of freedom"
    return law if leverage is None else f"{law}; their errors corrected for leverage ({USUAL})"
