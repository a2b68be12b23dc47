"""Boosted scores and outcomes of rows: `Boosting` as a score model and as an outcome model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from propensity import core
from propensity.frames.checks import Bools, Floats, Rows
from propensity.scores.boosting import Boosting, Loss, fit_outcomes, fit_scores, loss_of, path_table
from propensity.scores.folds import Folds
from propensity.scores.inputs import Inputs
from propensity.scores.score_learners import OutOfSample, Plan
from propensity.scores.scored import ScoreRows


@dataclass(frozen=True, eq=False)
class BoostedScores:
    """Boosting as a score model: trees added as long as that balances the terms, out of fold."""

    spec: Boosting
    out_of_bag: ClassVar[bool] = False

    @property
    def label(self) -> str:
        """What tables and messages call it."""
        return self.spec.label

    @property
    def stops_by_balance(self) -> bool:
        """Whether it is grown until the arms are balanced for an estimand."""
        return self.spec.stop == "balance"

    @property
    def remedy(self) -> str:
        """What to do where it is certain of rows that it has not seen."""
        return (
            "trees that are certain of rows they have not seen have followed the noise of those they have; "
            f"take fewer (max_trees, now {self.spec.max_trees}) or larger leaves (min_leaf, now "
            f"{self.spec.min_leaf}), or leave out a column that foretells the treatment"
        )

    def scores(self, rows: ScoreRows, plan: Plan) -> OutOfSample:
        """Score each row by the trees that were grown outside of its fold, once for each repeat."""
        own = plan.order  # sums of rows in an order that hangs on what they hold are the same, bit for bit
        amounts, codes = tree_inputs(rows.inputs)
        terms = rows.inputs.balance_terms
        found = [
            fit_scores(
                self.spec,
                amounts[own],
                rows.treated[own],
                folds.folds[own],
                factors=codes[own],
                balance=terms.some(own).T,
                sample_weight=None if rows.sample_weight is None else rows.sample_weight[own],
                estimand=plan.estimand,  # type: ignore[arg-type]
                n_threads=plan.n_threads,
            )
            for folds in plan.folds
        ]
        scores = np.full((len(found), len(rows.treated)), 0.5)
        for repeat, one in enumerate(found):
            scores[repeat, own] = one.scores
        return OutOfSample(
            scores,
            tuple(BoostedModels(one.model) for one in found),
            _side_by_side([path_table(one.path) for one in found]),
            int(np.median([one.n_trees for one in found])),
        )


def _side_by_side(paths: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Give the path; of several repeats all of them, with their number."""
    if len(paths) == 1:
        return paths[0]
    return pd.concat([path.assign(repeat=repeat) for repeat, path in enumerate(paths)], ignore_index=True)


@dataclass(frozen=True, eq=False)
class BoostedModels:
    """The trees of all folds."""

    trees: core.BoostedTrees

    def predict(self, inputs: Inputs) -> Floats:
        """Give the mean (m,) of what they say."""
        amounts, codes = tree_inputs(inputs)
        return self.trees.predict(amounts, codes)


@dataclass(frozen=True, eq=False)
class BoostedOutcomes:
    """Boosting as a model of outcomes of one kind."""

    spec: Boosting
    loss: Loss

    @classmethod
    def of(cls, spec: Boosting, outcome: Floats) -> BoostedOutcomes:
        """Take the loss that these values (m,) ask for: of 0 and 1, of counts, of amounts."""
        return cls(spec, loss_of(outcome))

    def predict(self, inputs: Inputs, y: Floats, treated: Bools, folds: Folds) -> dict[bool, Floats]:
        """Predict each row's outcome (n,) in either arm, by trees of the arm's rows outside its fold."""
        own = folds.order
        amounts, codes = tree_inputs(inputs)
        found = fit_outcomes(
            self.spec,
            amounts[own],
            y[own],
            treated[own],
            folds.folds[own],
            factors=codes[own],
            sample_weight=None if inputs.sample_weight is None else inputs.sample_weight[own],
            loss=self.loss,
        )
        fitted = {True: np.zeros(len(y)), False: np.zeros(len(y))}  # whoever weighs nothing is not there
        fitted[True][own], fitted[False][own] = found.treated, found.control
        return fitted


def tree_inputs(inputs: Inputs) -> tuple[Floats, Rows]:
    """Give amounts apart from codes of levels: of a list of columns these, of a formula its terms."""
    if inputs.is_list:
        return inputs.codes
    return inputs.x, np.empty((len(inputs.x), 0), dtype=np.int64)
