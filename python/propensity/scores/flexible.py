"""Scores of any model for the rows of a frame: lined up, split into folds, scored, checked, named."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import numpy as np

from propensity.errors import InvalidInputError
from propensity.frames import native, rowwise_checks
from propensity.frames.checks import Rows
from propensity.frames.columns import Frame
from propensity.scores.choice import ScoreChoice
from propensity.scores.cross_fitted import CrossFittedScores
from propensity.scores.every_learner import score_learner
from propensity.scores.folds import USUAL_FOLDS, Lineup, Splits, places_of_scored
from propensity.scores.inputs import Intake
from propensity.scores.learners import Learner
from propensity.scores.score_learners import OutOfSample, Plan, ScoreLearner
from propensity.scores.scored import ScoreRows


@dataclass(frozen=True, eq=False)
class Asked:
    """What is asked of a score model beside the rows.

    Attributes
    ----------
    learner : ScoreLearner
    model : object
        As the caller gave it.
    splits : Splits
    estimand : str
        Whose balance stops what is stopped by balance.
    n_threads : int or None
    """

    learner: ScoreLearner
    model: object
    splits: Splits
    estimand: str = "ATE"
    n_threads: int | None = None

    @classmethod
    def by_estimator(cls, choice: ScoreChoice, estimand: str, penalty: float) -> Asked:
        """Read what an estimator asks for, whose estimand matters where balance is looked at."""
        own = estimand if score_learner(choice.score_model).stops_by_balance else None
        return cls.of(choice, penalty if isinstance(choice.score_model, str) else 0.0, own)

    @classmethod
    def of(cls, choice: ScoreChoice, penalty: float = 0.0, estimand: str | None = None) -> Asked:
        """Read what is to be fitted, and how often, and to what.

        Raises
        ------
        InvalidInputError
            The model is none; folds, repeats, an estimand or a penalty have nothing to act on.
        """
        require_no_penalty(choice.score_model, penalty)
        learner = score_learner(choice.score_model, penalty)
        if learner.out_of_bag and (choice.n_folds is not None or choice.n_repeats > 1):
            given = (
                f"n_folds={choice.n_folds}" if choice.n_folds is not None else f"n_repeats={choice.n_repeats}"
            )
            raise InvalidInputError(
                f"{given}: the {learner.label} scores each row by the trees that have not seen it, out of "
                "bag, and has no folds; leave it out"
            )
        if estimand is not None and not learner.stops_by_balance:
            raise InvalidInputError(
                f"estimand: {estimand!r} is for a model that is grown until the arms are balanced for it, as "
                f"ps.Boosting(stop='balance') is, and {learner.label} is not; leave it out"
            )
        folds = USUAL_FOLDS if choice.n_folds is None else choice.n_folds
        splits = Splits(folds, choice.n_repeats, choice.seed)
        return cls(learner, choice.score_model, splits, estimand or "ATE")


def require_no_penalty(score_model: Learner, penalty: float) -> None:
    """Require a penalty to have the logistic model to act on."""
    if penalty and not isinstance(score_model, str):
        raise InvalidInputError(
            f"penalty: {penalty!r} is for the logistic score model, and score_model is another; set the "
            "strength of that model itself, and leave the penalty out"
        )


def cross_fitted_scores(
    frame: Frame,
    rows: ScoreRows,
    clusters: Rows | None,
    asked: Asked,
    treatment: str,
    places: Rows | None = None,
) -> CrossFittedScores:
    """Score each row by models that have not seen it.

    `places` (n,) are those of the rows by what they hold; None looks at what the score model sees, and then
    at the rest of the frame.

    Raises
    ------
    OverlapError
        A score is 0 or 1; how the model is kept from it.
    InvalidInputError
        Folds cannot be dealt, or the model cannot be fitted to what it is given.
    """
    treated, there = rows.treated, rows.there
    if asked.learner.out_of_bag and clusters is not None:
        raise InvalidInputError(
            f"cluster: the {asked.learner.label} scores each row by the trees that have not seen it, and "
            "these may have seen the others of its cluster; take a model whose folds keep clusters whole, as "
            "ps.Boosting()"
        )
    if places is None:
        places = places_of_scored(frame, rows.design.by_content, treated, rows.sample_weight, treatment)
    lineup = Lineup.of(places, clusters, there)
    folds = () if asked.learner.out_of_bag else asked.splits.deal(treated, lineup.clusters, lineup.order)
    plan = Plan(asked.splits, folds, lineup.order, frame.index, asked.estimand, asked.n_threads)
    found = asked.learner.scores(rows, plan)
    require_chances(found, asked.learner, rows, frame)
    of_folds = np.array([one.folds for one in folds], dtype=np.int64).reshape(len(folds), len(treated))
    of_folds[:, ~there] = -1
    made = CrossFittedScores(
        treatment=treatment,
        scores=frame.series(found.scores.mean(axis=0), "propensity"),
        score_model=copy.deepcopy(asked.model),
        label=asked.learner.label,
        covariates=tuple(rows.columns) if rows.recipe.tidied is None else rows.recipe.columns,
        n_folds=asked.splits.n_folds if folds else None,
        n_repeats=len(found.scores),
        seed=asked.splits.seed,
        path=found.path,
        n_trees=found.n_trees,
        repeats=found.scores,
        folds=of_folds,
        order=lineup.order,
        models=found.models,
        intake=Intake.of(rows.inputs),
        fingerprint=frame.fingerprint(treated, rows.sample_weight),
    )
    return made if there.all() else _with_absent_rows(made, frame)


def require_chances(found: OutOfSample, learner: ScoreLearner, rows: ScoreRows, frame: Frame) -> None:
    """Require every score of a row that is there to lie strictly between 0 and 1.

    Raises
    ------
    OverlapError
        One does not.
    """
    subject = "out-of-bag scores" if learner.out_of_bag else "cross-fitted scores"
    for scores in found.scores:
        inside = np.where(rows.there, scores, 0.5)
        rowwise_checks.scores(inside, frame.index, subject, learner.remedy)


def _with_absent_rows(made: CrossFittedScores, frame: Frame) -> CrossFittedScores:
    """Give rows of weight 0, which no model has seen, what the models say of them; NaN where they do not."""
    absent = ~made.there
    try:
        said = np.asarray(made.predict(native.kept(frame.native, absent, {})), dtype=np.float64)
    except (InvalidInputError, TypeError, ValueError):  # a level that none of the others has
        said = np.full(int(absent.sum()), np.nan)
    repeats = made.repeats.copy()
    repeats[:, absent] = said
    return replace(made, repeats=repeats, scores=frame.series(repeats.mean(axis=0), "propensity"))
