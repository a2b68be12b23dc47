"""Scores of a forest, out of bag: `Forest` as a score model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from propensity.scores.forest import LESS_CERTAIN, Forest, forest_scores
from propensity.scores.score_learners import OutOfSample, Plan
from propensity.scores.scored import ScoreRows


@dataclass(frozen=True, eq=False)
class BaggedScores:
    """A forest as a score model: each row by the trees that have not seen it, so that there are no folds."""

    spec: Forest
    out_of_bag: ClassVar[bool] = True
    stops_by_balance: ClassVar[bool] = False

    @property
    def label(self) -> str:
        """What tables and messages call it."""
        return self.spec.label

    @property
    def remedy(self) -> str:
        """What to do where it is certain of rows that it has not seen."""
        return LESS_CERTAIN

    def scores(self, rows: ScoreRows, plan: Plan) -> OutOfSample:
        """Score each row out of bag. Trees get complete terms: a missing amount as the mean, and a flag."""
        found = forest_scores(
            self.spec,
            rows.x,
            rows.treated,
            plan.order,
            plan.index,
            sample_weight=rows.sample_weight,
            seed=plan.splits.seed,
            n_threads=plan.n_threads,
        )
        scores = np.where(rows.there, found, 0.5)
        return OutOfSample(scores[None], (), None, self.spec.n_trees)
