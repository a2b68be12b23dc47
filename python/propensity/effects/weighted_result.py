"""What weighs rows, and knows which: an effect, matches, subclasses, truncated weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from propensity.effects.arms import balancing_part
from propensity.frames.checks import Floats
from propensity.frames.fingerprint import Fingerprint, Made
from propensity.frames.native import AnySeries
from propensity.results.show import Shown


class WeightedResult(Shown):
    """A result with a weight for each of its rows; `made` says how it was made, in the words of a message."""

    made: ClassVar[Made]

    if TYPE_CHECKING:  # fields of each result

        @property
        def weights(self) -> AnySeries:
            """Of the rows, (n,)."""

        @property
        def fingerprint(self) -> Fingerprint | None:
            """Which rows they are of."""

    @property
    def balancing_weights(self) -> Floats:
        """Without the sample weights, (n,): what `smd` and `balance` multiply by them."""
        sample_weight = None if self.fingerprint is None else self.fingerprint.sample_weight
        return balancing_part(np.asarray(self.weights), sample_weight)
