"""AIPW with scores that are taken as known, and parametric outcome models fitted to all rows of an arm."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from propensity.effects.arms import Means, Weighting
from propensity.effects.cautions import terms_cautions
from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.effects.estimators import AIPW
from propensity.effects.group_means import GroupMeans
from propensity.effects.leverage import Leverage
from propensity.effects.sample import Sample
from propensity.frames.checks import Bools, Floats
from propensity.frames.grouping import Grouping
from propensity.outcomes.augmented import augmented_means, averages_over, target_weights
from propensity.outcomes.by_group import adjusted_means
from propensity.outcomes.models import (
    Study,
    naming_rows_outside_models,
    naming_separation_of_outcome,
    require_modelled,
)
from propensity.outcomes.outcome_learners import require_inside
from propensity.scores.learners import require_chances
from propensity.scores.own_models import OwnLearner, own_learner, score_of, slope_of
from propensity.scores.scored import Scored
from propensity.weighting.doubts import weighting_cautions


@dataclass(frozen=True, eq=False)
class KnownScoreEffects:
    """What estimates the effect on an outcome; errors count that the outcome models were estimated."""

    study: Study
    spec: AIPW
    scored: Scored
    contrast: Contrast
    weighting: Weighting
    cautions: tuple[Warning, ...]

    @property
    def estimand(self) -> str:
        """Whose effect."""
        return self.spec.estimand

    @property
    def se_method(self) -> str:
        """How standard errors are made."""
        return f"stacked equations of outcome models and means; takes the {self.scored.known_as} as known"

    def __call__(self, outcome: str) -> Effect:
        """Estimate one effect."""
        return self.study.sample.effect(
            outcome,
            self.means(outcome),
            self.weighting,
            estimand=self.estimand,
            contrast=self.contrast,
            se_method=self.se_method,
            cautions=self.cautions,
            covariates=self.study.columns,
            scores=self.scored.scores,
        )

    def means(self, outcome: str) -> Means:
        """Estimate the means of both arms."""
        study, y = self.study, self.study.sample.frame.outcome(outcome)
        require_modelled(study, outcome, [self.spec])
        with naming_separation_of_outcome(study), naming_rows_outside_models(study):
            return _means(study, y, self.weighting.weights, self.spec, f"column '{outcome}'")

    def group_means(self, groups: Grouping, outcome: str) -> GroupMeans:
        """Give the means of both arms in each group."""
        leverage = self.means(outcome).leverage  # which looks at what the models are asked for
        assert leverage is not None
        known = replace(self.scored, design=None)
        found = adjusted_means(self.study, self.spec, known, self.weighting.weights, groups, outcome)
        return replace(found, leverage=leverage.values)


def known_score_effects(study: Study, scored: Scored, spec: AIPW, contrast: Contrast) -> KnownScoreEffects:
    """Weigh the rows, as far as that needs no outcome."""
    sample = study.sample
    weighting = sample.weighting(scored.scores, spec.estimand)
    doubts = weighting_cautions(sample, scored, weighting, estimand=spec.estimand, alone=False)
    few = terms_cautions(sample.outcome_rows(), study.outcome_x.shape[1] + 1, spec.estimand)
    return KnownScoreEffects(study, spec, scored, contrast, weighting, (*study.cautions, *doubts, *few))


def _means(study: Study, y: Floats, weights: Floats, spec: AIPW, subject: str) -> Means:
    sample, x = study.sample, study.outcome_x
    there, target = sample.present_rows, averages_over(sample.treated, spec.estimand)
    # Least squares goes along with any shift, and has no digits to lose where values are near zero.
    origin = float(y[there].mean()) if spec.outcome_model == "linear" else 0.0
    fitted, moves, leverage, residual = {}, {}, np.zeros(len(y)), np.zeros(len(y))
    size = np.average(target_weights(sample, spec.estimand), weights=sample.frequency)
    for arm in (True, False):
        own = (sample.treated == arm) & there
        require_inside(study.outcome.design, own, (target | own) & there, treated=arm)
        fitted[arm], moves[arm], held = _fitted(sample, x, y - origin, own, weights, spec, subject)
        leverage += held
        residual += np.where(own, weights * (y - origin - fitted[arm]) / size, 0.0) + moves[arm]
    means = augmented_means(sample, y - origin, weights, fitted, spec.estimand, origin)
    assert means.influence_treated is not None
    assert means.influence_control is not None
    return Means(
        means.mean_treated,
        means.mean_control,
        means.influence_treated + moves[True],
        means.influence_control + moves[False],
        difference=means.difference,
        leverage=Leverage(leverage, residual),
    )


def _fitted(
    sample: Sample, x: Floats, y: Floats, own: Bools, weights: Floats, spec: AIPW, subject: str
) -> tuple[Floats, Floats, Floats]:
    """Predict all rows by the model of an arm (n,), with what its estimation adds to influence, and leverage.

    The mean of the arm moves with a coefficient by c = sum((s g - 1{T = a} w) m' z) / sum(s g), z being the
    terms and m' the slope of the mean in z'b; the coefficients have the influence n H^-1 z s r on the arm's
    rows, with H = sum s r' z z', where r is y - m (y / m - 1 of a gamma model) and -r' its slope (Stefanski
    and Boos 2002).
    """
    learner = own_learner(spec.outcome_model)
    assert isinstance(learner, OwnLearner)
    require_chances("outcome_model", learner, y[sample.present_rows], subject)
    s = np.ones(len(y)) if sample.sample_weight is None else sample.sample_weight
    f = np.ones(len(y)) if sample.frequency is None else sample.frequency
    m = learner.fit(x[own], y[own], None if sample.mass is None else sample.mass[own]).predict(x)
    (rest, spread), slope = score_of(learner, y, m), slope_of(learner, m)
    z = _standardized(x, own)
    target = target_weights(sample, spec.estimand)
    c = (f * (target - np.where(own, weights, 0.0)) * slope) @ z / (f @ target)
    bread = np.linalg.pinv((z[own] * (f * s * spread)[own, None]).T @ z[own], hermitian=True)
    held = np.where(own, s * spread * np.einsum("ij,jk,ik->i", z, bread, z), 0.0)
    return m, np.where(own, f.sum() * s * rest * (z @ (bread @ c)), 0.0), held


def _standardized(x: Floats, own: Bools) -> Floats:
    """Put an intercept beside the terms, which are centred and scaled by the rows fitted to."""
    center, scale = x[own].mean(axis=0), x[own].std(axis=0)
    return np.column_stack([np.ones(len(x)), (x - center) / np.where(scale > 0, scale, 1.0)])
