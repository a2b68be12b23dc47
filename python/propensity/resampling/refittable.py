"""Which estimators a replicate can make again, by which score model, and what to ask of others instead."""

from __future__ import annotations

from collections.abc import Sequence

from propensity.effects.estimators import AIPW, IPW, IPWRA, Estimator
from propensity.effects.matching_specification import FullMatching, NearestNeighbors
from propensity.effects.score_specification import ScoreSpecification
from propensity.effects.subclass_specification import CoarsenedMatching, Subclassification
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.scores.choice import LOGISTIC
from propensity.scores.own_models import ScoreWord


def require_refittable(estimators: Sequence[Estimator], resampling: str, *, weighted: bool) -> None:
    """Require what a replicate can make again from rows that are weighed so, or `weighted` beside.

    Raises
    ------
    InvalidInputError
        Naming the estimators that it cannot, and what can.
    """
    _require_no_groups(estimators)
    _require_fitted_to_all(estimators)
    score_model_of(estimators)
    matching = [spec.label for spec in estimators if isinstance(spec, NearestNeighbors)]
    if weighted and matching:
        others = ", ".join(f"ps.{spec!r}" for spec in estimators if not isinstance(spec, NearestNeighbors))
        line = f"leave it out, estimators=[{others}]" if others else "take match_nn(..., sample_weight=...)"
        raise InvalidInputError(
            f"sample_weight: {checks.listed(matching)} matches whole rows in every replicate, and has no "
            f"bootstrap with sample weights; {line}"
        )
    if resampling == "bayesian" and matching:
        raise InvalidInputError(
            "resampling='bayesian' counts every row in fractions, and a nearest neighbour is a whole row: "
            f"leave {checks.listed(matching)} out of the estimators, or take resampling='poisson'"
        )
    other = [s.label for s in estimators if isinstance(s, NearestNeighbors) and not s.is_plain]
    if other:
        raise InvalidInputError(
            "estimators: a replicate matches with replacement on the score or logit, with one caliper; leave "
            f"{checks.listed(other)} out, and take match_nn(...).effect(...), whose standard error needs no "
            "resampling"
        )


def score_model_of(estimators: Sequence[Estimator]) -> ScoreWord:
    """Give the word for the one score model that every replicate refits."""
    asked = [
        spec.score_model
        for spec in estimators
        if isinstance(spec, IPW | NearestNeighbors | AIPW | IPWRA) and spec.needs_score
    ]
    found: list[ScoreWord] = list(dict.fromkeys(asked))
    if len(found) > 1:
        raise InvalidInputError(
            f"estimators: every replicate refits one score model, and these have {checks.listed(found)}; run "
            "a bootstrap for each, whose draws are the same with the same seed"
        )
    return found[0] if found else LOGISTIC


def _require_no_groups(estimators: Sequence[Estimator]) -> None:
    """Require what the core makes again in a replicate; subclasses have a bootstrap of their own."""
    own = {
        FullMatching: "match_full(...)",
        CoarsenedMatching: "match_cem(...)",
        Subclassification: "subclassify(...)",
    }
    for spec in estimators:
        if type(spec) in own:
            raise InvalidInputError(
                f"estimators: {spec.label!r} is bootstrapped by what its own function gives: "
                f"ps.{own[type(spec)]}.bootstrap(outcome)"
            )


def _require_fitted_to_all(estimators: Sequence[Estimator]) -> None:
    """Require models that a replicate can fit again."""
    learning = [
        spec.label for spec in estimators if isinstance(spec, ScoreSpecification) and not spec.needs_score
    ]
    if learning:
        raise InvalidInputError(
            f"estimators: {checks.listed(learning)} has models that do not see the rows they predict, which "
            "a replicate does not fit again; take aipw(..., score_model=..., outcome_model=...): its "
            "standard error needs no resampling, and n_repeats=5 counts what hangs on the folds"
        )
