"""Scores for cross-fitted AIPW: fitted in the folds of the outcomes, or given."""

from __future__ import annotations

from collections.abc import Sequence

from propensity.effects.contrasts import Contrast
from propensity.effects.estimators import AIPW
from propensity.errors import InvalidInputError
from propensity.frames.checks import Rows
from propensity.outcomes.cross_fitted import CrossFittedEffects, SplitScores, cross_fitted_effects
from propensity.outcomes.models import Study, naming_separated_scores, places_of_rows
from propensity.scores.cross_fitted import CrossFittedScores
from propensity.scores.flexible import Asked, cross_fitted_scores
from propensity.scores.folds import USUAL_FOLDS, Folds, Lineup, Splits
from propensity.scores.scored import Scored


def fitted_scores(
    study: Study, outcome: str | Sequence[str], spec: AIPW, penalty: float, treatment: str
) -> CrossFittedScores:
    """Cross-fit the score model of a specification.

    Folds hang on what rows hold: of a learner on what `fit_propensity` knows of them too, so that its scores
    are these; of the logistic model on the outcomes beside the terms.
    """
    asked = Asked.by_estimator(spec.score_choice, spec.estimand, penalty)
    places = places_of_rows(study, outcome) if isinstance(spec.score_model, str) else None
    return scores_in_study(study, asked, treatment, penalty, places)


def cross_fitted(
    study: Study, outcome: str | Sequence[str], spec: AIPW, penalty: float, contrast: Contrast
) -> CrossFittedEffects:
    """Cross-fit the score model, and give what estimates effects in its folds."""
    treatment = study.sample.frame.treatment
    assert treatment is not None
    scores = fitted_scores(study, outcome, spec, penalty, treatment)
    split = split_of_fitted(study, outcome, spec, scores)
    return cross_fitted_effects(study, split, spec, contrast)


def scores_in_study(
    study: Study, asked: Asked, treatment: str, penalty: float, places: Rows | None = None
) -> CrossFittedScores:
    """Cross-fit a score model in a study, and say which rows it foretells where it is our own."""
    sample = study.sample
    own = penalty if isinstance(asked.model, str) else None
    with study.score.naming_separation(), naming_separated_scores(study, own):
        return cross_fitted_scores(sample.frame, study.score, sample.clusters, asked, treatment, places)


def split_of_fitted(
    study: Study, outcome: str | Sequence[str], spec: AIPW, scores: CrossFittedScores
) -> SplitScores:
    """Predict outcomes in the very folds of the scores; of scores out of bag in folds of their own."""
    if scores.n_folds is not None:
        splits = Splits(scores.n_folds, scores.n_repeats, scores.seed)
        return SplitScores(scores.of_those_there, scores.splits, splits, study.score.inputs.balance_terms)
    splits, folds = folds_of_outcomes(study, outcome, spec)
    return SplitScores(
        scores.of_those_there, folds, splits, study.score.inputs.balance_terms, scores.known_as
    )


def split_of_given(
    study: Study, outcome: str | Sequence[str], spec: AIPW, scores: object, scored: Scored
) -> SplitScores:
    """Predict outcomes beside scores that were given.

    Raises
    ------
    InvalidInputError
        The scores have folds, and others are asked for.
    """
    terms = scored.balance_terms
    assert terms is not None
    if isinstance(scores, CrossFittedScores) and scores.n_folds is not None:
        _require_their_folds(spec, scores)
        splits = Splits(scores.n_folds, scores.n_repeats, scores.seed)
        return SplitScores(scores.of_those_there, scores.splits, splits, terms)
    if not scored.columns:  # of numbers nothing is known: whether they balance the covariates is to be seen
        terms = study.score.inputs.balance_terms.beside(terms)
    splits, folds = folds_of_outcomes(study, outcome, spec)
    return SplitScores(scored.scores[None], folds, splits, terms, scored.known_as)


def folds_of_outcomes(
    study: Study, outcome: str | Sequence[str], spec: AIPW
) -> tuple[Splits, tuple[Folds, ...]]:
    """Deal out the folds in which outcomes are predicted, where the scores have none."""
    sample = study.sample
    splits = Splits(spec.n_folds or USUAL_FOLDS, spec.n_repeats, spec.seed)
    lineup = Lineup.of(places_of_rows(study, outcome), sample.clusters, sample.present_rows)
    return splits, splits.deal(sample.treated, lineup.clusters, lineup.order)


def _require_their_folds(spec: AIPW, scores: CrossFittedScores) -> None:
    """Require that no other folds are asked for than those of the scores."""
    others = {
        "n_folds": (spec.n_folds, scores.n_folds, spec.n_folds not in (None, scores.n_folds)),
        "n_repeats": (spec.n_repeats, scores.n_repeats, spec.n_repeats not in (1, scores.n_repeats)),
    }
    for name, (asked, theirs, differs) in others.items():
        if differs:
            raise InvalidInputError(
                f"{name}: outcomes are predicted in the folds of the scores, {name}={theirs}, and not "
                f"{asked}; leave it out, or fit the scores with {name}={asked}"
            )
