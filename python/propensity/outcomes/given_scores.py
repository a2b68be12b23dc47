"""AIPW with scores that were given: of a model, of other rows' models, or numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from propensity.effects.effect import Effect
from propensity.effects.estimators import AIPW
from propensity.effects.group_means import GroupMeans
from propensity.effects.grouped import GroupedEffects
from propensity.effects.several import Effects
from propensity.errors import InvalidInputError
from propensity.frames.grouping import Grouping
from propensity.frames.native import AnyFrame
from propensity.frames.outcome_names import outcome_names
from propensity.outcomes.adjusted import AdjustedEffects, adjusted_effects
from propensity.outcomes.by_group import means_by_group
from propensity.outcomes.cross_fitted import (
    CrossFittedEffects,
    cross_fitted_effects,
    warn_of_cross_fitted_terms,
)
from propensity.outcomes.known_scores import KnownScoreEffects, known_score_effects
from propensity.outcomes.models import Roles, Study
from propensity.outcomes.questions import Question
from propensity.outcomes.split_scores import split_of_given
from propensity.scores.cross_fitted import CrossFittedScores
from propensity.scores.logistic import given_scores, require_other_columns, told_by_fit
from propensity.scores.model import PropensityModel
from propensity.scores.own_models import own_learner
from propensity.scores.scored import FittedScores, Scored, ScoreRows
from propensity.weighting.by_score import read_scored


def effects_of_given_scores(
    df: AnyFrame, roles: Roles, spec: AIPW, scores: object, penalty: float, asked: Question
) -> Effect | Effects | GroupedEffects:
    """Estimate effects with scores that somebody has fitted already, of a model with all that is known of it.

    Raises
    ------
    InvalidInputError
        There is something left to fit; the scores are of other rows, or of a model of the outcome.
    """
    _require_nothing_to_fit(spec, penalty, asked)
    outcome, contrast = asked.metrics.columns, asked.of_parts
    read = asked.read(df, roles, given_scores(scores), (True, spec.learns_outcomes))
    study, sample = read.study, read.study.sample
    require_other_columns(sample.frame, scores, outcome_names(outcome))
    scored = read_scored(sample, scores)
    effect_on: CrossFittedEffects | AdjustedEffects | KnownScoreEffects
    group_means: Callable[[Grouping, str], GroupMeans]
    split_up = spec.is_cross_fitted or isinstance(scores, CrossFittedScores)
    if split_up:
        study = asked.told_apart(read)
        split = split_of_given(study, outcome, spec, scores, scored)
        effect_on = cross_fitted_effects(study, split, spec, contrast)
        group_means = effect_on.group_means
    elif isinstance(scores, PropensityModel):
        fitted = _as_fitted_here(study, scores, scored)
        study = replace(study, score=fitted.rows)
        effect_on = adjusted_effects(study, spec, fitted, contrast, outcome_names(outcome))
        group_means = partial(means_by_group, effect_on)
    else:
        effect_on = known_score_effects(study, scored, spec, contrast)
        group_means = effect_on.group_means
    effects = asked.answer(read.measured, effect_on, group_means, told_by_fit(scores))
    warn_of_cross_fitted_terms(study, None, own_learner(spec.outcome_model))
    return effects


def _require_nothing_to_fit(spec: AIPW, penalty: float, asked: Question) -> None:
    """Require no score model, nor a penalty for it, beside scores, nor to fit them in groups."""
    if asked.within:
        raise InvalidInputError(
            "within: the scores are given, and all models of a group are fitted in it; leave scores= out"
        )
    if not isinstance(spec.score_model, str):
        raise InvalidInputError(
            "score_model: the scores are given, so that none is fitted; leave one of the two out"
        )
    if penalty:
        raise InvalidInputError(
            f"penalty: the scores are given, with no score model for {penalty!r} to act on; leave it out"
        )


def _as_fitted_here(study: Study, model: PropensityModel, scored: Scored) -> FittedScores:
    """Take a logistic model as if it had been fitted in this analysis: errors count that it was."""
    assert scored.design is not None
    sample, outcome = study.sample, study.outcome
    columns, design = outcome.columns, outcome.design  # one, where the models have the same terms
    if not model.recipe.makes_the_same(outcome.recipe):
        design = scored.design
        columns = model.recipe.design(sample.frame.native, sample_weight=sample.sample_weight)[1].columns
    known = sample.treated, sample.sample_weight
    rows = ScoreRows(columns, design, model.recipe, *known, frequency=sample.frequency)
    return FittedScores(rows, model.fit, model.separation, scored.scores)
