"""Estimators on the same rows, each as its function would give it, models shared where they are the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from propensity.effects.arms import Weighting
from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.effects.estimators import AIPW, IPW, IPWRA, Balancing, Estimator, RegressionAdjustment
from propensity.effects.matching_specification import FullMatching, NearestNeighbors
from propensity.effects.metrics import Measured
from propensity.effects.part_of_sample import cells_of
from propensity.effects.score_specification import ScoreSpecification
from propensity.effects.subclass_specification import AnyMatching, CoarsenedMatching, Subclassification
from propensity.errors import (
    ConvergenceError,
    InfeasibleError,
    InvalidInputError,
    NoMatchesError,
    OverlapError,
    SeparationError,
)
from propensity.frames.counted_rows import as_cells
from propensity.frames.native import AnyFrame
from propensity.frames.outcome_names import outcome_names
from propensity.frames.terms import parse_covariates
from propensity.matching.coarsened import coarsened
from propensity.matching.full import find_subclasses
from propensity.matching.matches import Matches
from propensity.matching.nearest import find_neighbors
from propensity.matching.rows_to_match import read_rows_to_match
from propensity.matching.subclasses import Subclasses
from propensity.matching.subclassify import subclassified
from propensity.outcomes.adjusted import AdjustedEffects, adjusted_effects
from propensity.outcomes.cross_fitted import (
    CrossFittedEffects,
    cross_fitted_effects,
    warn_of_cross_fitted_terms,
)
from propensity.outcomes.models import (
    Roles,
    Study,
    places_of_rows,
    warn_of_outcome_terms,
)
from propensity.outcomes.split_scores import scores_in_study, split_of_fitted
from propensity.scores.choice import LOGISTIC, ScoreChoice
from propensity.scores.cross_fitted import CrossFittedScores
from propensity.scores.flexible import Asked
from propensity.scores.logistic import named_model
from propensity.scores.model import ModelScores
from propensity.scores.own_models import ScoreWord, own_learner
from propensity.scores.scored import FittedScores, Scored, warn_of_left_out
from propensity.weighting.balancing import BalancedSample
from propensity.weighting.by_score import ScoredEffects, scored_out_of_sample
from propensity.weighting.doubts import ipw_doubts, once

NOT_TO_BE_HAD = (SeparationError, OverlapError, ConvergenceError, NoMatchesError, InfeasibleError)
"""What one estimator cannot do and another may."""

NAIVELY = IPW("ATE")
"""How arms are compared as they are: weighted by scores that are equal for all."""

EffectOn: TypeAlias = Callable[[str], Effect] | AdjustedEffects | CrossFittedEffects
"""What estimates the effect on a column; of outcome models with all that groups need."""


def nothing_to_say(_: Weighting) -> tuple[Warning, ...]:
    """Say nothing of weights that are no answer to anything."""
    return ()


@dataclass(frozen=True, eq=False)
class Comparison:
    """Estimators on the same rows, for which the score model is fitted once, and not if none needs it."""

    df: AnyFrame
    study: Study
    roles: Roles
    penalty: float
    contrast: Contrast
    measured: Measured
    _fits: dict[str, FittedScores | InvalidInputError] = field(default_factory=dict)
    _adjusted: list[AdjustedEffects] = field(default_factory=list)
    _balanced: list[BalancedSample] = field(default_factory=list)
    _matched: dict[str, Matches | Subclasses] = field(default_factory=dict)
    _effects_on: dict[str, EffectOn] = field(default_factory=dict)
    _split: list[AIPW] = field(default_factory=list)
    _cross_fitted: dict[tuple[ScoreChoice, str, bool], CrossFittedScores] = field(default_factory=dict)

    def _fit(self, score_model: ScoreWord) -> FittedScores | InvalidInputError:
        if score_model not in self._fits:
            try:
                fitted = self.study.score.fit(self.penalty, score_model)
                self._fits[score_model] = fitted.usable(self.study.sample.frame.index)
            except NOT_TO_BE_HAD as error:
                self._fits[score_model] = error
        return self._fits[score_model]

    def fitted(self, score_model: ScoreWord) -> FittedScores:
        """Give a score model that is fitted to all rows, the same to all who ask for it.

        Raises
        ------
        SeparationError, ConvergenceError
            It cannot be fitted.
        """
        found = self._fit(score_model)
        if isinstance(found, InvalidInputError):
            raise found
        return found

    @property
    def _asked_for(self) -> list[FittedScores]:
        return [found for found in self._fits.values() if isinstance(found, FittedScores)]

    @property
    def separations(self) -> list[str]:
        """Say where the score models that were asked for are separated."""
        return [str(found.separation) for found in self._asked_for]

    def warn_of_models(self) -> None:
        """Warn of what the score models that were asked for have to say, and of terms of outcome models."""
        told = None
        for found in self._asked_for:
            if found.dropped != told:
                found.warn_of_terms()
            found.warn_of_separation()
            found.warn_of_weights()
            told = found.dropped
        columns = dict.fromkeys(column for adjusted in self._adjusted for column in adjusted.left_out)
        if self._adjusted:
            warn_of_outcome_terms(self.study, columns, told)
        elif told is None and not self._balanced:
            for spec in self._split[:1]:  # of the same terms, which are told once
                models = own_learner(spec.score_model, self.penalty), own_learner(spec.outcome_model)
                warn_of_cross_fitted_terms(self.study, *models)
        known = {name.replace("[T.", "[") for name in told or ()}
        left_out = dict.fromkeys(name for balanced in self._balanced for name in balanced.dropped)
        warn_of_left_out([name for name in left_out if name not in known])

    def cross_fitted(self, spec: ScoreSpecification) -> CrossFittedScores:
        """Give the scores of models that have not seen the rows, the same to all who ask for the same."""
        asked = Asked.by_estimator(spec.score_choice, spec.estimand, self.penalty)
        by_outcome = isinstance(spec, AIPW) and isinstance(spec.score_model, str)
        key = spec.score_choice, asked.estimand, by_outcome
        if key not in self._cross_fitted:
            places = places_of_rows(self.study, self.measured.metrics.columns) if by_outcome else None
            found = scores_in_study(self.study, asked, self.roles.treatment, self.penalty, places)
            self._cross_fitted[key] = found
        return self._cross_fitted[key]

    def effect(self, estimator: Estimator, outcome: str | None = None) -> Effect:
        """Estimate one of them, on one of several outcomes; what is fitted serves all of these."""
        outcome = self.measured.only_outcome if outcome is None else outcome
        if isinstance(estimator, AnyMatching):
            if estimator.label not in self._matched:
                self._matched[estimator.label] = self.matches(estimator)
            effect: Effect = self._matched[estimator.label].effect(**self.columns_of_matches(outcome))
            return self._named(effect, outcome).contrast_as(self.contrast)
        if estimator.label not in self._effects_on:
            self._effects_on[estimator.label] = self.effects_of(estimator)
        return self.measured.effect(outcome, self._effects_on[estimator.label], self.contrast)

    def naive(self, outcome: str | None = None) -> Effect:
        """Compare the arms as they are."""
        outcome = self.measured.only_outcome if outcome is None else outcome
        found = self.measured.effect(outcome, self._naively, self.contrast)
        return replace(found, scores=None, tidied="")

    @cached_property
    def _naively(self) -> EffectOn:
        return self._weighting(NAIVELY, self.nothing_known)

    def _named(self, effect: Effect, outcome: str) -> Effect:
        """Say of a matched effect what was measured."""
        words = self.measured.words(outcome)
        return replace(effect, measured=words) if words else effect

    @property
    def nothing_known(self) -> Scored:
        """Scores that are equal for all."""
        return Scored(np.full(len(self.study.sample.treated), 0.5))

    def effects_of(self, estimator: Estimator) -> EffectOn:
        """Give what estimates the effect on a column, models being fitted; not by matching."""
        study, contrast = self.study, self.measured.metrics.of_parts(self.contrast)
        match estimator:
            case IPW():
                return self._weighting(estimator, self.scored(estimator))
            case Balancing():
                balanced = BalancedSample.of(study.sample, study.score, estimator)
                self._balanced.append(balanced)
                return partial(balanced.effect, contrast=contrast)
            case AIPW() if estimator.is_cross_fitted:
                columns = self.measured.metrics.columns
                self._split.append(estimator)
                split = split_of_fitted(study, columns, estimator, self.cross_fitted(estimator))
                return cross_fitted_effects(study, split, estimator, contrast)
            case AIPW() | IPWRA() | RegressionAdjustment():
                fitted = (
                    None
                    if isinstance(estimator, RegressionAdjustment)
                    else self.fitted(estimator.score_model)
                )
                adjusted = adjusted_effects(study, estimator, fitted, contrast, self._columns)
                self._adjusted.append(adjusted)
                return adjusted
        raise TypeError(f"estimators: {estimator!r} is none")

    @property
    def _columns(self) -> Sequence[str]:
        """All columns that effects are asked for on."""
        return outcome_names(self.measured.metrics.columns)

    def _weighting(self, spec: IPW, scored: Scored) -> Callable[[str], Effect]:
        sample, contrast = self.study.sample, self.measured.metrics.of_parts(self.contrast)
        doubts = nothing_to_say if spec is NAIVELY else ipw_doubts(sample, scored, spec)
        per = self.measured.metrics.per
        return ScoredEffects(sample, self._columns, scored, spec, contrast, once(doubts), per)

    def scored(self, spec: IPW) -> Scored:
        """Give the scores that rows are weighted by, with what is known of them."""
        if spec.needs_score:
            return self.fitted(spec.score_model).scored
        scores = self.cross_fitted(spec)
        return scored_out_of_sample(self.study.sample, scores, scores.of_those_there.mean(axis=0))

    def matches(self, spec: AnyMatching) -> Matches | Subclasses:
        """Match the rows."""
        roles, df = self.roles, as_cells(self.df)
        given: dict[str, Any] = {"treatment": roles.treatment, "sample_weight": roles.sample_weight}
        if isinstance(spec, CoarsenedMatching):
            return coarsened(df, replace(spec, covariates=self._columns_of(spec)), **given)
        if isinstance(spec, Subclassification):
            return subclassified(df, spec, scores=self._named_model(LOGISTIC), **given)
        if not spec.on_scores and spec.covariates is None:
            spec = replace(spec, covariates=roles.covariates)
        scores = self._scores_to_match(spec)
        rows = read_rows_to_match(df, spec, scores=scores, tidying=roles.tidying, **given)
        return find_subclasses(rows, spec) if isinstance(spec, FullMatching) else find_neighbors(rows, spec)

    def _columns_of(self, spec: CoarsenedMatching) -> Sequence[str]:
        """Name the columns to coarsen: of a formula all that are in it."""
        if spec.covariates is not None:
            return spec.covariates
        return parse_covariates(self.roles.covariates, self.df, treatment=self.roles.treatment).columns

    def _named_model(self, word: ScoreWord) -> ModelScores:
        frame = self.study.sample.frame
        first = frame.first_of_cells
        if first is None:
            return named_model(self.fitted(word), self.roles.treatment, frame)
        cells = cells_of(self.study.sample)
        score = replace(self.study.score.taken(first), frequency=cells.frame.frequency)
        return named_model(score.fit(self.penalty, word), self.roles.treatment, cells.frame)

    def _scores_to_match(self, spec: NearestNeighbors | FullMatching) -> ModelScores | None:
        """Give the scores of a matching; those of covariates do without, if none can be had.

        Distances between covariates need no scores, which say who chooses first if they are there.
        """
        word: ScoreWord = LOGISTIC
        if isinstance(spec, NearestNeighbors):
            if not spec.needs_score:
                return self.cross_fitted(spec)
            word = spec.score_model
        can_do_without = not spec.wanting_scores() and not isinstance(self._fit(word), FittedScores)
        return None if can_do_without else self._named_model(word)

    def columns_of_matches(self, outcome: str) -> dict[str, Any]:
        """Say what matches are asked about: values as they are measured, under their names."""
        metrics, frame = self.measured.metrics, self.measured.sample.frame
        if frame.frequency is not None:
            return {"outcome": outcome, "per": metrics.per, "cluster": self.roles.cluster}
        names = {"outcome": outcome, "per": metrics.per}
        columns: dict[str, Any] = {
            role: None if name is None else pd.Series(frame.outcome(name), index=frame.index, name=name)
            for role, name in names.items()
        }
        return columns | {"cluster": self.roles.cluster}
