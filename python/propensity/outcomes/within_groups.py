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
from propensity.scores.inputs import Inputs
from propensity.scores.scored import ScoreRows
from propensity.weighting.by_group import groups_of
from propensity.weighting.within_groups import Hear, fitted_to, part_of


def adjusted_within(
    read: MeasuredStudy, asked: Question, spec: AIPW | IPWRA | RegressionAdjustment, penalty: float
) -> GroupedEffects:
    """Fit all models in each group, and estimate its effect from its own rows."""
    study, measured = read.study, read.measured
    assert asked.by is not None
    name = measured.only_outcome
    groups = groups_of(measured, asked.by)

    def effect_on(rows: Rows, hear: Hear) -> Effect:
        part = part_of_study(study, rows)
        own = replace(measured, sample=part.sample)
        return own.effect(
            name, _effects_of(part, study.score, rows, asked, spec, penalty, hear), "difference"
        )

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
    every: ScoreRows,
    rows: Rows,
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
        fitted = fitted_to(every, rows, penalty, hear, spec.score_model).usable(part.sample.frame.index)
    columns = outcome_names(asked.metrics.columns)
    adjusted = adjusted_effects(part, spec, fitted, "difference", columns)
    for name in columns:
        adjusted.means(name)
    told = () if fitted is None else fitted.fit.aliased
    others = [column for column in adjusted.left_out if column not in told]
    varies = part.outcome.design.varies(others)
    names = part.outcome_recipe.names
    left_out = [names[column] for column, is_news in zip(others, varies, strict=True) if is_news]
    if left_out:
        words = "outcome models: left out, because earlier terms already say the same"
        hear(CollinearityWarning(f"{words}: {', '.join(left_out)}"))
    return adjusted


def part_of_study(study: Study, rows: Rows) -> Study:
    """Take some of the rows that are there, with their covariates."""
    score = part_of(study.score, rows)
    outcome = score.inputs
    if not study.is_one_design:
        outcome = _taken(study.outcome, rows)
    return Study(taken(study.sample, rows), score, outcome)


def _taken(inputs: Inputs, rows: Rows) -> Inputs:
    weight = None if inputs.sample_weight is None else inputs.sample_weight[rows]
    columns = {name: column.iloc[rows] for name, column in inputs.columns.items()}
    return replace(inputs, columns=columns, design=inputs.design.taken(rows), sample_weight=weight)
