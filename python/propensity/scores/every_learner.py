"""Every kind of score model, read from what the caller gives."""

from __future__ import annotations

from propensity.scores.bagged import BaggedScores
from propensity.scores.boosted import BoostedScores
from propensity.scores.boosting import Boosting
from propensity.scores.choice import require_score_model
from propensity.scores.forest import Forest
from propensity.scores.learners import Learner
from propensity.scores.own_models import own_learner
from propensity.scores.score_learners import Classifier, ScoreLearner


def score_learner(model: Learner, penalty: float = 0.0) -> ScoreLearner:
    """Read what is to be fitted: a word, a specification of ours, or any classifier.

    Raises
    ------
    InvalidInputError
        It is none of these.
    """
    require_score_model(model)
    if isinstance(model, Boosting):
        return BoostedScores(model)
    if isinstance(model, Forest):
        return BaggedScores(model)
    return Classifier(own_learner(model, penalty))
