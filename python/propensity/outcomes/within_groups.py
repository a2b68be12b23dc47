"""Effects by outcome models in groups of rows, with all models fitted anew in each group."""

from __future__ import annotations

from dataclasses import replace

from propensity.effects.effect import Effect
from propensity.effects.estimators import AIPW, IPWRA, RegressionAdjustment
from propensity.effects.grouped import GroupedEffects
from propensity.effects.part_of_sample import taken
from propensity.effects.separate_groups import effects_within
from propensity.errors import CollinearityWarning
from propensity.frames.checks import Rows
from propensity.frames.outcome_names import outcome_names
from propensity.outcomes.adjusted import AdjustedEffects, adjusted_effects
from propensity.outcomes.cross_fitted import CrossFittedEffects
from propensity.outcomes.models import Study
from propensity.outcomes.questions import MeasuredStudy, Question
from propensity.outcomes.split_scores import cross_fitted
from propensity.weighting.by_group import groups_of
from propensity.weighting.within_groups import Hear, fitted_to


def adjusted_within(
    read: MeasuredStudy, asked: Question, spec: AIPW | IPWRA | RegressionAdjustment, penalty: float
) -> GroupedEffects:
    """Fit all models in each group, and estimate its effect from its own rows."""
    study, measured = read.study, read.measured
    assert asked.by is not None
    name = measured.only_outcome
    groups = groups_of(measured, asked.by)

    def effect_on(rows: Rows, hear: Hear) -> Effect:
        part = study_in_group(study, rows)
        own = replace(measured, sample=part.sample)
        return own.effect(name, _effects_of(part, asked, spec, penalty, hear), "difference")

    return effects_within(
        groups,
        study.sample.treated,
        study.sample.clusters,
        effect_on,
        contrast=asked.contrast,
        estimand=spec.estimand,
        measured=measured.words(name),
    )


def _effects_of(
    part: Study,
    asked: Question,
    spec: AIPW | IPWRA | RegressionAdjustment,
    penalty: float,
    hear: Hear,
) -> AdjustedEffects | CrossFittedEffects:
    """Fit what a group's effects take."""
    if isinstance(spec, AIPW) and spec.is_cross_fitted:
        return cross_fitted(part, asked.metrics.columns, spec, penalty, "difference")
    fitted = None
    if not isinstance(spec, RegressionAdjustment):
        fitted = fitted_to(part.score, penalty, hear, spec.score_model).usable(part.sample.frame.index)
    columns = outcome_names(asked.metrics.columns)
    adjusted = adjusted_effects(part, spec, fitted, "difference", columns)
    for name in columns:
        adjusted.means(name)
    told = () if fitted is None else fitted.dropped
    names = (part.outcome_recipe.names[column] for column in adjusted.left_out)
    left_out = [name for name in names if name not in told]
    if left_out:
        words = "outcome models: left out, because earlier terms already say the same"
        hear(CollinearityWarning(f"{words}: {', '.join(left_out)}"))
    return adjusted


def study_in_group(study: Study, rows: Rows) -> Study:
    """Take some rows with their covariates, as if there were no others."""
    score = study.score.in_group(rows)
    outcome = score.inputs if study.is_one_design else study.outcome.in_group(rows)
    return Study(taken(study.sample, rows), score, outcome)
