"""What gives rows scores that no model which has seen them has a hand in: any classifier, out of fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import pandas as pd

from propensity.frames.checks import Floats, Rows
from propensity.scores.crossfit import OutOfFold, Target, cross_fit
from propensity.scores.folds import Folds, Splits
from propensity.scores.inputs import Inputs
from propensity.scores.learners import Learner, name_of, parts_of, predicted, seeded
from propensity.scores.own_models import Logistic
from propensity.scores.scored import ScoreRows


@dataclass(frozen=True, eq=False)
class Plan:
    """How scores are to be made.

    Attributes
    ----------
    splits : Splits
    folds : tuple of Folds
        One for each repeat; empty where scores are out of bag.
    order : ndarray (m,) of int
        The rows that weigh something, in an order that hangs on what they hold.
    index : Index (n,)
        What rows are called.
    estimand : str
        Whose balance stops what is stopped by balance.
    n_threads : int or None
    """

    splits: Splits
    folds: tuple[Folds, ...]
    order: Rows
    index: pd.Index[Any]
    estimand: str = "ATE"
    n_threads: int | None = None


class FoldModels(Protocol):
    """The models of all folds, which together score rows that none of them has seen."""

    def predict(self, inputs: Inputs) -> Floats:
        """Give the mean (m,) of what they say."""


@dataclass(frozen=True, eq=False)
class OutOfSample:
    """Scores of rows by models that have not seen them.

    Attributes
    ----------
    scores : ndarray (n_repeats, n)
    models : tuple of FoldModels
        One for each repeat; empty where they cannot be applied to other rows.
    path : DataFrame or None
        How the model grew, where it grows.
    n_trees : int or None
        How many trees it has, where it has trees.
    """

    scores: Floats
    models: tuple[FoldModels, ...]
    path: pd.DataFrame | None = None
    n_trees: int | None = None


class ScoreLearner(Protocol):
    """A model of the treatment of any kind, unfitted."""

    @property
    def label(self) -> str:
        """What tables and messages call it."""

    @property
    def out_of_bag(self) -> bool:
        """Whether its scores are out of bag, so that there are no folds."""

    @property
    def stops_by_balance(self) -> bool:
        """Whether it is grown until the arms are balanced for an estimand."""

    @property
    def remedy(self) -> str:
        """What to do where it is certain of rows that it has not seen."""

    def scores(self, rows: ScoreRows, plan: Plan) -> OutOfSample:
        """Score the rows."""


@dataclass(frozen=True, eq=False)
class Classifier:
    """Any classifier with the methods of scikit-learn's, or our logistic regression."""

    learner: Learner
    out_of_bag: ClassVar[bool] = False
    stops_by_balance: ClassVar[bool] = False

    @property
    def label(self) -> str:
        """What tables and messages call it."""
        return name_of(self.learner)

    @property
    def remedy(self) -> str:
        """What to do where it is certain of rows that it has not seen."""
        return "" if isinstance(self.learner, Logistic) else certain(self.learner)

    def scores(self, rows: ScoreRows, plan: Plan) -> OutOfSample:
        """Score each row by a copy that was fitted outside of its fold, once for each repeat."""
        y, everyone = rows.treated.astype(np.float64), np.ones_like(rows.treated)
        target = Target("score_model", y, everyone, plan.index)
        found: list[OutOfFold] = []
        learners = [seeded(self.learner, plan.splits.seed_of(repeat)) for repeat in range(len(plan.folds))]
        for learner, folds in zip(learners, plan.folds, strict=True):
            found.append(cross_fit(learner, rows.inputs, folds, target))
        return OutOfSample(
            np.array([one.values for one in found]),
            tuple(Classifiers(self.learner, one.models) for one in found),
        )


@dataclass(frozen=True, eq=False)
class Classifiers:
    """Copies of a classifier, each fitted outside of one fold."""

    learner: Learner
    fitted: Sequence[Learner]

    def predict(self, inputs: Inputs) -> Floats:
        """Give the mean (m,) of their probabilities."""
        given = inputs.given_to(self.learner)
        said = [predicted("score_model", model, given) for model in self.fitted]
        return np.asarray(np.mean(said, axis=0))


# By the option that keeps a model from certainty, what to set it to; the first that it has.
_CALMER = {
    "l2_regularization": "max_depth=3, learning_rate=0.05 and max_iter=100",
    "min_child_samples": "max_depth=3, learning_rate=0.05, n_estimators=100 and min_child_samples=50",
    "min_child_weight": "max_depth=3, learning_rate=0.05, n_estimators=100 and min_child_weight=10",
    "subsample": "max_depth=3, learning_rate=0.05, n_estimators=100 and min_samples_leaf=50",
    "min_samples_leaf": "larger leaves, as min_samples_leaf=50",
    "n_neighbors": "more neighbours, as n_neighbors=100",
    "C": "more regularization, a smaller C",
}
_ANY = "larger leaves of trees, min_samples_leaf=50, or more regularization"


def certain(learner: Learner) -> str:
    """Say what keeps a classifier from being certain of rows that it has not seen."""
    options = [part.get_params(deep=False) for part in parts_of(learner) if hasattr(part, "get_params")]
    known = [words for option, words in _CALMER.items() if any(option in own for own in options)]
    return (
        "a model that is certain of rows it has not seen has followed the noise of those it has; keep it "
        f"from that ({known[0] if known else _ANY}), or calibrate it, as "
        "sklearn.calibration.CalibratedClassifierCV does"
    )
