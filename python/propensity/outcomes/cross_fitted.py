"""AIPW with models that have not seen the rows: scores and outcomes cross-fitted, once or several times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from propensity import core
from propensity.effects.arms import Weighting, effective_sizes
from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.effects.estimators import AIPW
from propensity.effects.group_means import GroupMeans
from propensity.effects.imbalance import BalanceTerms
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
from propensity.outcomes.outcome_learners import ByArm, predicted_outcomes
from propensity.scores.folds import Folds, Splits
from propensity.scores.learners import Learner, Linear, Logistic, own_learner, seeded
from propensity.scores.scored import Scored, warn_of_left_out
from propensity.weighting.doubts import weighting_cautions


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
    """

    study: Study
    split: SplitScores
    spec: AIPW
    contrast: Contrast
    weightings: tuple[Weighting, ...]
    weighting: Weighting
    cautions: tuple[Warning, ...]

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
        y, origin = self._from_origin(outcome)
        found = [
            augmented_means(sample, y, own.weights, fitted, estimand, origin)
            for own, fitted in zip(self.weightings, self.predictions(outcome), strict=True)
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

    def predictions(self, outcome: str) -> list[ByArm]:
        """Predict the outcome, from its origin, of each row in either arm, once for each repeat."""
        study, learner = self.study, own_learner(self.spec.outcome_model)
        y, _ = self._from_origin(outcome)
        target = averages_over(study.sample.treated, self.spec.estimand)
        splits = replace(self.split.splits, seed=self.spec.seed)
        with naming_separation_of_outcome(study), naming_rows_outside_models(study):
            return [
                predicted_outcomes(
                    seeded(learner, splits.seed_of(repeat)), study, folds, y, target, f"column '{outcome}'"
                )
                for repeat, folds in enumerate(self.split.folds)
            ]

    def group_means(self, groups: Grouping, outcome: str) -> GroupMeans:
        """Give the means of both arms in each group."""
        sample = self.study.sample
        y, origin = self._from_origin(outcome)
        target = target_weights(sample, self.spec.estimand)
        repeats = [
            augmented_terms(sample, y, own.weights, fitted, target)
            for own, fitted in zip(self.weightings, self.predictions(outcome), strict=True)
        ]
        return means_of_repeats(sample, groups, target, repeats, origin)

    def _from_origin(self, outcome: str) -> tuple[Floats, float]:
        """Give the outcome (n,) from its origin, and that."""
        y = self.study.sample.frame.outcome(outcome)
        # Least squares goes along with any shift; what somebody else's model does, nobody knows.
        origin = _middle(y) if isinstance(own_learner(self.spec.outcome_model), Linear) else 0.0
        return y - origin, origin


def cross_fitted_effects(
    study: Study, split: SplitScores, spec: AIPW, contrast: Contrast
) -> CrossFittedEffects:
    """Weigh the rows, as far as that needs no outcome."""
    sample = study.sample
    weightings = tuple(sample.weighting(scores, spec.estimand) for scores in split.of_repeats)
    weighting = _mean_of(weightings, sample.treated)
    scored = Scored(split.scores.mean(axis=0), study.score.x, balance_terms=split.balance_terms)
    doubts = weighting_cautions(sample, scored, weighting, estimand=spec.estimand, alone=False)
    cautions = (*study.cautions, *doubts)
    return CrossFittedEffects(study, split, spec, contrast, weightings, weighting, cautions)


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


def _middle(y: Floats) -> float:
    """Give the middle of values far from zero, as `src/outcome/origin.rs` does; else zero."""
    low, high = float(y.min()), float(y.max())
    middle = low / 2 + high / 2
    return middle if abs(middle) > high - low else 0.0


def warn_of_cross_fitted_terms(study: Study, score_model: Learner | None, outcome_model: Learner) -> None:
    """Warn of terms that our own models leave out; what others' do with them is theirs.

    `score_model` is None where the scores were given.
    """
    there = study.sample.present_rows
    nobody = np.zeros_like(there)
    told = None
    if isinstance(score_model, Logistic):
        is_penalized = score_model.penalty > 0
        told = study.score.dropped([] if is_penalized else core.require_inside(study.score.x, there, nobody))
        warn_of_left_out(told)
    if isinstance(outcome_model, Linear | Logistic):
        columns = core.require_inside(study.outcome_x, there, nobody)
        warn_of_outcome_terms(study, map(int, columns), told or ())
