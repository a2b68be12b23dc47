"""Nearest neighbours found again, among some of the rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from propensity import core
from propensity.effects.matching_specification import NearestNeighbors
from propensity.frames.checks import Floats, Rows
from propensity.matching.inputs import MatchingInputs

# What calipers on columns may move of the donors' weight, for the score to have decided alone. Errors that
# count its estimation are then as wide as without calipers; with half of it moved (one standard deviation of
# a covariate that decides most of the outcome) a fifth too narrow for the ATT.
FEW_MOVED = 0.1


@dataclass(frozen=True, eq=False)
class NeighborsAgain:
    """Nearest neighbours, to be found again among some of the rows."""

    inputs: MatchingInputs
    spec: NearestNeighbors

    @property
    def columns(self) -> list[Floats]:
        """What rows hold that matching looks at, but for the scores."""
        return self.inputs.columns

    def weights(self, rows: Rows, scores: Floats | None) -> Floats:
        """Match these rows, and give their weights (m,)."""
        if self.spec.order != "data":
            return self._matched(scores, rows)
        came = np.argsort(rows, kind="stable")
        weights = np.empty(len(rows))
        own = None if scores is None else scores[came]
        weights[came] = self._matched(own, rows[came])
        return weights

    def _matched(self, scores: Floats | None, rows: Rows) -> Floats:
        found = core.match_nn(
            **self.inputs.core_arguments(scores, rows), ids=np.arange(len(rows)), n_threads=1
        )
        return found.weights
