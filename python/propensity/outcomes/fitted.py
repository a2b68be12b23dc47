"""Effects by outcome models beside a score model that is fitted here."""

from __future__ import annotations

from functools import partial

from propensity.effects.effect import Effect
from propensity.effects.estimators import AIPW, IPWRA
from propensity.effects.grouped import GroupedEffects
from propensity.effects.several import Effects
from propensity.frames.outcome_names import outcome_names
from propensity.outcomes.adjusted import adjusted_effects
from propensity.outcomes.by_group import means_by_group
from propensity.outcomes.questions import MeasuredStudy, Question


def with_fitted_scores(
    read: MeasuredStudy, asked: Question, spec: AIPW | IPWRA, penalty: float
) -> Effect | Effects | GroupedEffects:
    """Fit the score model, once for all outcomes, and say what it has to say."""
    fitted = read.study.score.fit(penalty, spec.score_model).usable(read.study.sample.frame.index)
    fitted.warn_of_terms()
    fitted.warn_of_separation()
    fitted.warn_of_weights()
    columns = outcome_names(asked.metrics.columns)
    adjusted = adjusted_effects(read.study, spec, fitted, asked.of_parts, columns)
    effects = asked.answer(
        read.measured, adjusted, partial(means_by_group, adjusted), [str(fitted.separation)]
    )
    adjusted.warn_of_terms()
    return effects
