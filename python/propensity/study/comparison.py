"""Estimators on the same rows, each as its function would give it, models shared where they are the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from propensity.effects.arms import Weighting
from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.effects.estimators import AIPW, IPW, IPWRA, Balancing, Estimator, RegressionAdjustment
from propensity.effects.matching_specification import NearestNeighbors
from propensity.effects.metrics import Measured
from propensity.effects.score_specification import ScoreSpecification
from propensity.errors import (
    ConvergenceError,
    InfeasibleError,
    InvalidInputError,
    NoMatchesError,
    OverlapError,
    SeparationError,
)
from propensity.frames.native import AnyFrame
from propensity.matching.matches import Matches
from propensity.matching.nearest import find_neighbors
from propensity.matching.rows_to_match import read_rows_to_match
from propensity.outcomes.cross_fitted import (
    CrossFittedEffects,
    cross_fitted_effects,
    warn_of_cross_fitted_terms,
)
from propensity.outcomes.models import (
    AdjustedEffects,
    Roles,
    Study,
    adjusted_effects,
    places_of_rows,
    warn_of_outcome_terms,
)
from propensity.outcomes.split_scores import scores_in_study, split_of_fitted
from propensity.scores.choice import ScoreChoice
from propensity.scores.cross_fitted import CrossFittedScores
from propensity.scores.flexible import Asked
from propensity.scores.learners import own_learner
from propensity.scores.logistic import named_model
from propensity.scores.model import ModelScores
from propensity.scores.scored import FittedScores, Scored, warn_of_left_out
from propensity.scores.separation import Separation
from propensity.weighting.balancing import BalancedSample
from propensity.weighting.doubts import ipw_doubts
from propensity.weighting.ipw import scored_effect, scored_out_of_sample

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
    _adjusted: list[AdjustedEffects] = field(default_factory=list)
    _balanced: list[BalancedSample] = field(default_factory=list)
    _split: list[AIPW] = field(default_factory=list)
    _cross_fitted: dict[tuple[ScoreChoice, str, bool], CrossFittedScores] = field(default_factory=dict)

    @cached_property
    def _fit(self) -> FittedScores | InvalidInputError:
        try:
            return self.study.score.fit(self.penalty).usable(self.study.sample.frame.index)
        except NOT_TO_BE_HAD as error:
            return error

    @property
    def fitted(self) -> FittedScores:
        """The score model.

        Raises
        ------
        SeparationError, ConvergenceError
            It cannot be fitted.
        """
        if isinstance(self._fit, InvalidInputError):
            raise self._fit
        return self._fit

    @property
    def separation(self) -> Separation | None:
        """Where the score model is separated, if it was asked for."""
        found = self.__dict__.get("_fit")
        return found.separation if isinstance(found, FittedScores) else None

    def warn_of_models(self) -> None:
        """Warn of what the score model has to say, if it was asked for, and of terms of outcome models."""
        found = self.__dict__.get("_fit")
        if isinstance(found, FittedScores):
            found.warn_of_terms()
            found.warn_of_separation()
        told = found.dropped if isinstance(found, FittedScores) else None
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

    def effect(self, estimator: Estimator) -> Effect:
        """Estimate one of them."""
        if isinstance(estimator, NearestNeighbors):
            effect: Effect = self.matches(estimator).effect(**self.columns_of_matches)
            return self._named(effect).contrast_as(self.contrast)
        return self._measured(self.effects_of(estimator))

    def naive(self) -> Effect:
        """Compare the arms as they are."""
        return replace(self._measured(self._weighting(NAIVELY, self.nothing_known)), scores=None)

    def _measured(self, effect_on: Callable[[str], Effect]) -> Effect:
        return self.measured.effect(self.measured.only_outcome, effect_on, self.contrast)

    def _named(self, effect: Effect) -> Effect:
        """Say of a matched effect what was measured."""
        words = self.measured.words(self.measured.only_outcome)
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
                fitted = self.fitted if estimator.needs_score else None
                adjusted = adjusted_effects(study, estimator, fitted, contrast)
                self._adjusted.append(adjusted)
                return adjusted
        raise TypeError(f"estimators: {estimator!r} is none")

    def _weighting(self, spec: IPW, scored: Scored) -> Callable[[str], Effect]:
        sample, contrast = self.study.sample, self.measured.metrics.of_parts(self.contrast)
        doubts = nothing_to_say if spec is NAIVELY else ipw_doubts(sample, scored, spec)
        return lambda column: scored_effect(sample, column, scored, spec, contrast, doubts)

    def scored(self, spec: IPW) -> Scored:
        """Give the scores that rows are weighted by, with what is known of them."""
        if spec.needs_score:
            return self.fitted.scored
        scores = self.cross_fitted(spec)
        return scored_out_of_sample(self.study.sample, scores, scores.of_those_there.mean(axis=0))

    def matches(self, spec: NearestNeighbors) -> Matches:
        """Match the rows."""
        if not spec.on_scores and spec.covariates is None:
            spec = replace(spec, covariates=self.roles.covariates)
        sample, treatment = self.study.sample, self.roles.treatment
        # Distances between covariates do without scores, which say who chooses first if they can be had.
        model: ModelScores | None
        if not spec.needs_score:
            model = self.cross_fitted(spec)
        else:
            can_do_without = not spec.wanting_scores() and not isinstance(self._fit, FittedScores)
            model = None if can_do_without else named_model(self.fitted, treatment, sample.frame)
        weight = self.roles.sample_weight
        rows = read_rows_to_match(self.df, spec, treatment=treatment, scores=model, sample_weight=weight)
        return find_neighbors(rows, spec)

    @property
    def columns_of_matches(self) -> dict[str, Any]:
        """What matches are asked about: values as they are measured, under their names."""
        metrics, frame = self.measured.metrics, self.measured.sample.frame
        names = {"outcome": self.measured.only_outcome, "per": metrics.per}
        return {
            role: None if name is None else pd.Series(frame.outcome(name), index=frame.index, name=name)
            for role, name in names.items()
        }
