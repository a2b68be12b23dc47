"""AIPW with models that have not seen the rows: scores and outcomes cross-fitted, once or several times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from propensity import core
from propensity.effects.arms import Weighting, effective_sizes
from propensity.effects.balance_terms import BalanceTerms
from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.effects.estimators import AIPW
from propensity.effects.group_means import GroupMeans
from propensity.frames.checks import Floats
from propensity.frames.grouping import Grouping
from propensity.outcomes.augmented import (
    augmented_means,
    augmented_terms,
    averages_over,
    over_repeats,
    target_weights,
)
from propensity.outcomes.by_group import means_of_repeats
from propensity.outcomes.models import (
    Study,
    naming_rows_outside_models,
    naming_separation_of_outcome,
    warn_of_outcome_terms,
)
from propensity.outcomes.outcome_learners import ByArm, origin_for, outcome_learner, predicted_outcomes
from propensity.scores.cautions import score_cautions
from propensity.scores.folds import Folds, Splits
from propensity.scores.learners import Learner, seeded
from propensity.scores.own_models import Logistic, OwnLearner
from propensity.scores.scored import Scored, warn_of_left_out
from propensity.weighting.doubts import weighting_cautions

Predicted: TypeAlias = tuple[float, ByArm]
"""From where outcomes are measured, and what they would be in either arm, less that."""


@dataclass(frozen=True, eq=False)
class SplitScores:
    """Scores for AIPW, and the folds in which outcomes are to be predicted.

    Attributes
    ----------
    scores : ndarray (n_repeats, n), or (1, n) where they are the same for all
    folds : tuple of Folds
        One for each repeat.
    splits : Splits
    balance_terms : BalanceTerms
        What balance is asked of.
    known_as : str
        What scores are called that were not cross-fitted here, in these folds; else empty.
    """

    scores: Floats
    folds: tuple[Folds, ...]
    splits: Splits
    balance_terms: BalanceTerms
    known_as: str = ""

    @property
    def of_repeats(self) -> Floats:
        """The scores (n_repeats, n)."""
        return np.broadcast_to(self.scores, (len(self.folds), self.scores.shape[1]))

    @property
    def se_method(self) -> str:
        """How the standard error is made."""
        if not self.known_as:
            return f"influence function; {self.splits.words}"
        return f"influence function; takes the {self.known_as} as known; outcome models {self.splits.words}"


@dataclass(frozen=True, eq=False)
class CrossFittedEffects:
    """What estimates the effect on an outcome with models that have not seen the rows they predict.

    Attributes
    ----------
    study : Study
    split : SplitScores
    spec : AIPW
    contrast : Contrast
    weightings : tuple of Weighting
        Of each repeat; `weighting` is their mean.
    cautions : tuple of Warning
    predicted : mapping of str to sequence of Predicted, or None
        The predictions for each repeat, by outcome, where they were made already.
    """

    study: Study
    split: SplitScores
    spec: AIPW
    contrast: Contrast
    weightings: tuple[Weighting, ...]
    weighting: Weighting
    cautions: tuple[Warning, ...]
    predicted: Mapping[str, Sequence[Predicted]] | None = None

    @property
    def estimand(self) -> str:
        """Whose effect."""
        return self.spec.estimand

    @property
    def se_method(self) -> str:
        """How standard errors are made."""
        return self.split.se_method

    def __call__(self, outcome: str) -> Effect:
        """Estimate one effect."""
        sample, estimand = self.study.sample, self.spec.estimand
        y = sample.frame.outcome(outcome)
        found = [
            augmented_means(sample, y - origin, own.weights, fitted, estimand, origin)
            for (origin, fitted), own in zip(self._fits(outcome), self.weightings, strict=True)
        ]
        repeated = over_repeats(found, sample.clusters)
        return sample.effect(
            outcome,
            repeated.means,
            self.weighting,
            estimand=estimand,
            contrast=self.contrast,
            se_method=self.se_method + _told(repeated.spread),
            cautions=self.cautions,
            covariates=self.study.columns,
            scores=self.split.scores.mean(axis=0),
        )

    def group_means(self, groups: Grouping, outcome: str) -> GroupMeans:
        """Give the means of both arms in each group."""
        target = target_weights(self.study.sample, self.spec.estimand)
        origin, repeats = self.terms(outcome)
        return means_of_repeats(self.study.sample, groups, target, repeats, origin)

    def terms(self, outcome: str) -> tuple[float, list[ByArm]]:
        """Give the origin, and for each repeat what rows (n,) have in the sums of either arm."""
        sample = self.study.sample
        y, origin, repeats = sample.frame.outcome(outcome), 0.0, []
        target = target_weights(sample, self.spec.estimand)
        for (origin, fitted), own in zip(self._fits(outcome), self.weightings, strict=True):
            repeats.append(augmented_terms(sample, y - origin, own.weights, fitted, target))
        return origin, repeats

    def _fits(self, outcome: str) -> Iterable[Predicted]:
        if self.predicted is not None:
            return self.predicted[outcome]
        return outcomes_of_repeats(self.study, self.split, self.spec, outcome)


def cross_fitted_effects(
    study: Study,
    split: SplitScores,
    spec: AIPW,
    contrast: Contrast,
    predicted: Mapping[str, Sequence[Predicted]] | None = None,
) -> CrossFittedEffects:
    """Weigh the rows, as far as that needs no outcome."""
    sample = study.sample
    weightings = tuple(sample.weighting(scores, spec.estimand) for scores in split.of_repeats)
    weighting = _mean_of(weightings, sample.treated)
    scores = split.scores.mean(axis=0)
    unlikely = score_cautions(scores, sample.treated, sample.sample_weight)
    scored = Scored(scores, study.score.design, balance_terms=split.balance_terms, cautions=unlikely)
    doubts = weighting_cautions(sample, scored, weighting, estimand=spec.estimand, alone=False)
    cautions = (*study.cautions, *doubts)
    return CrossFittedEffects(study, split, spec, contrast, weightings, weighting, cautions, predicted)


def outcomes_of_repeats(study: Study, split: SplitScores, spec: AIPW, outcome: str) -> Iterator[Predicted]:
    """Give for each repeat what the outcome models predict."""
    y = study.sample.frame.outcome(outcome)
    learner = outcome_learner(spec.outcome_model, study.sample, outcome)
    origin = origin_for(learner, y)
    target = averages_over(study.sample.treated, spec.estimand)
    with naming_separation_of_outcome(study), naming_rows_outside_models(study):
        for repeat, folds in enumerate(split.folds):
            model = seeded(learner, replace(split.splits, seed=spec.seed).seed_of(repeat))
            fitted = predicted_outcomes(model, study, folds, y - origin, target, f"column '{outcome}'")
            yield origin, fitted


def _told(spread: float | None) -> str:
    """Say how far repeats are apart."""
    if spread is None:
        return ""
    return f"; the repeats' estimates have standard deviation {spread:.3g}, which is counted"


def _mean_of(weightings: Sequence[Weighting], treated: np.ndarray) -> Weighting:
    """Average what rows weigh over repeats."""
    if len(weightings) == 1:
        return weightings[0]
    weights = np.mean([one.weights for one in weightings], axis=0)
    return Weighting(weights, *effective_sizes(weights, treated))


def warn_of_cross_fitted_terms(study: Study, score_model: Learner | None, outcome_model: Learner) -> None:
    """Warn of terms that our own models leave out; what others' do with them is theirs.

    `score_model` is None where the scores were given.
    """
    there = study.sample.present_rows
    nobody = np.zeros_like(there)
    told = None
    if isinstance(score_model, Logistic):
        told = study.score.left_out(score_model.penalty)
        warn_of_left_out(told)
    if isinstance(outcome_model, OwnLearner):
        design = study.outcome.design
        columns = core.require_inside(design.terms, there, nobody, **design.coded)
        warn_of_outcome_terms(study, map(int, columns), told or ())
