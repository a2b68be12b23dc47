"""What rows add to the equations of the model that gave their scores, by its link."""

from __future__ import annotations

import numpy as np

from propensity import core
from propensity.frames.checks import Bools, Floats
from propensity.scores.choice import LOGISTIC
from propensity.scores.own_models import ScoreWord


def equations_of_scores(
    treated: Bools, scores: Floats, score_model: ScoreWord
) -> tuple[Floats, Floats, Floats]:
    """Give what is left of the treatment, how fast that falls, and how fast log odds grow: (n,) each.

    The last two are derivatives in the linear predictor. With e the scores of a logistic model they are
    T - e, e (1 - e) and 1; with another link, f being the derivative of e, the first is T f / e - (1 - T) f /
    (1 - e), and the last f / (e (1 - e)).
    """
    if score_model == LOGISTIC:
        return treated - scores, scores * (1 - scores), np.ones(len(scores))
    found = core.score_terms(treated, scores, score_model=score_model)
    return found.residual, found.spread, found.log_odds_slope
