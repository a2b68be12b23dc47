"""Effects by weighting in groups of rows, with scores that are fitted anew in each group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.effects.estimators import WeightingEstimand
from propensity.effects.grouped import GroupedEffects
from propensity.effects.metrics import Measured
from propensity.effects.part_of_sample import taken
from propensity.effects.sample import Sample
from propensity.effects.separate_groups import effects_within
from propensity.errors import CollinearityWarning, InvalidInputError, SeparationWarning
from propensity.frames.checks import Rows
from propensity.scores.choice import LOGISTIC
from propensity.scores.model import PropensityModel
from propensity.scores.own_models import ScoreWord
from propensity.scores.scored import FittedScores, Scored, ScoreRows
from propensity.weighting.by_group import groups_of

Hear: TypeAlias = Callable[[Warning], None]
EffectOfScored: TypeAlias = Callable[[Sample, str, Scored], Effect]


def weighted_within(
    measured: Measured,
    by: str | Sequence[str],
    scores: object,
    effect_of: EffectOfScored,
    estimand: WeightingEstimand,
    contrast: Contrast,
) -> GroupedEffects:
    """Fit the model of the scores in each group, and compare the weighted means of its arms.

    Parameters
    ----------
    scores : PropensityModel
    effect_of : callable
        From a sample, the name of an outcome and scores to the effect, a difference.

    Raises
    ------
    InvalidInputError
        The scores are numbers, so that there is nothing to fit.
    """
    if not isinstance(scores, PropensityModel):
        raise InvalidInputError(
            "within: scores that are given are what they are, with nothing to fit in a group; leave it out, "
            "or take scores=model of fit_propensity"
        )
    sample, name = measured.sample, measured.only_outcome
    groups = groups_of(measured, by)
    own = None if scores.sample_weight is None else sample.frame.by_row(scores.sample_weight)
    design, frame = scores.recipe.design(sample.frame.native, sample.frame.plain, own)
    every = ScoreRows(
        frame.columns,
        design,
        scores.recipe,
        sample.treated,
        sample.sample_weight,
        frequency=sample.frequency,
    )

    def effect_on(rows: Rows, hear: Hear) -> Effect:
        part = replace(measured, sample=taken(sample, rows))
        fitted = fitted_to(every.in_group(rows), scores.penalty, hear, scores.score_model)
        fitted = fitted.usable(part.sample.frame.index)
        return part.effect(name, lambda column: effect_of(part.sample, column, fitted.scored), "difference")

    return effects_within(
        groups,
        sample.treated,
        sample.clusters,
        effect_on,
        contrast=contrast,
        estimand=estimand,
        measured=measured.words(name),
    )


def fitted_to(part: ScoreRows, penalty: float, hear: Hear, score_model: ScoreWord = LOGISTIC) -> FittedScores:
    """Fit the score model to the rows of a group, and say what it leaves out, or is separated by."""
    fitted = part.fit(penalty, score_model)
    left_out = [part.recipe.names[column] for column in fitted.fit.aliased]
    if left_out:
        words = "left out, because earlier terms already say the same"
        hear(CollinearityWarning(f"{words}: {', '.join(left_out)}"))
    if fitted.separation is not None:
        hear(SeparationWarning(str(fitted.separation)))
    return fitted
