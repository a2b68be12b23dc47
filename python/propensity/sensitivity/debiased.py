"""AIPW's estimate, what its outcome models leave, and how large its weights are: with the rows' influence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from propensity.calls.warned import warn
from propensity.effects import inference
from propensity.effects.effect import Effect
from propensity.effects.estimators import AIPW
from propensity.effects.sample import Sample
from propensity.errors import OverlapWarning
from propensity.frames.checks import Floats
from propensity.outcomes.adjusted import adjusted_effects
from propensity.outcomes.augmented import averages_over
from propensity.outcomes.cross_fitted import Predicted, cross_fitted_effects, outcomes_of_repeats
from propensity.outcomes.models import Study
from propensity.outcomes.outcome_learners import ByArm, origin_for
from propensity.outcomes.split_scores import fitted_scores, split_of_fitted
from propensity.scores.own_models import own_learner
from propensity.sensitivity.bias import DebiasedBias


@dataclass(frozen=True, eq=False)
class Debiased:
    """An effect by AIPW, and what a bias of it is made of."""

    effect: Effect
    bias: DebiasedBias


def debiased(study: Study, outcome: str, spec: AIPW, treatment: str) -> Debiased:
    """Estimate the effect, with all models as the specification has them."""
    if spec.is_cross_fitted:
        effect, moments = _cross_fitted(study, outcome, spec, treatment)
    else:
        effect, moments = _fitted_to_all(study, outcome, spec)
    phi = effect.influence
    assert phi is not None
    (variance, square), influence = moments
    if square <= 0:
        # The estimate of nu^2 that is right to first order has no sign; the plain mean square has.
        warn(
            "the weights are so uneven that their mean square is not known: bounds by it are rough; trim the "
            "rows of extreme scores",
            OverlapWarning,
        )
        square = 0.0
    both = np.column_stack([phi, influence])
    covariance = inference.covariance(both, effect.clusters, effect.frequency)
    return Debiased(effect, DebiasedBias(effect.estimate, variance, square, covariance, effect.df))


def _fitted_to_all(study: Study, outcome: str, spec: AIPW) -> tuple[Effect, tuple[Floats, Floats]]:
    fitted = study.score.fit(0.0).usable(study.sample.frame.index)
    effect = adjusted_effects(study, spec, fitted, "difference")(outcome)
    sample, y = study.sample, study.sample.frame.outcome(outcome)
    origin, by_arm = fitted_outcomes(study, outcome, spec)
    return effect, moments(sample, y - origin, fitted.fit.scores, by_arm, spec)


def fitted_outcomes(study: Study, outcome: str, spec: AIPW) -> Predicted:
    """Predict outcomes by linear or logistic models that are fitted to all rows of either arm."""
    sample, x = study.sample, study.outcome_x
    y, learner = sample.frame.outcome(outcome), own_learner(spec.outcome_model)
    origin = origin_for(learner, y)
    by_arm: ByArm = {}
    for arm in (True, False):
        rows = np.flatnonzero((sample.treated == arm) & sample.present_rows)
        weight = None if sample.mass is None else sample.mass[rows]
        by_arm[arm] = learner.fit(x[rows], y[rows] - origin, weight).predict(x)
    return origin, by_arm


def _cross_fitted(
    study: Study, outcome: str, spec: AIPW, treatment: str
) -> tuple[Effect, tuple[Floats, Floats]]:
    scores = fitted_scores(study, outcome, spec, 0.0, treatment)
    split = split_of_fitted(study, outcome, spec, scores)
    predicted = list(outcomes_of_repeats(study, split, spec, outcome))
    effect = cross_fitted_effects(study, split, spec, "difference", {outcome: predicted})(outcome)
    y = study.sample.frame.outcome(outcome)
    found = [
        moments(study.sample, y - origin, e, by_arm, spec)
        for e, (origin, by_arm) in zip(split.of_repeats, predicted, strict=True)
    ]
    return effect, (
        np.mean([values for values, _ in found], axis=0),
        np.mean([influence for _, influence in found], axis=0),
    )


def moments(sample: Sample, y: Floats, e: Floats, fitted: ByArm, spec: AIPW) -> tuple[Floats, Floats]:
    """Give the mean squares (2,) of the residuals and of the weights, and the rows' influence (n, 2).

    With alpha the Riesz representer of the effect, whose mean product with any outcome model is the mean
    contrast m of that, nu^2 = 2 E[m(alpha)] - E[alpha^2], and sigma^2 = E[(Y - g)^2] (Chernozhukov et al.
    2022, section 4). For the ATE alpha = T / e - (1 - T) / (1 - e); for the ATT it is (T - (1 - T) e /
    (1 - e)) / P(T = 1), and m the contrast of the treated over that share; mirrored for the ATC.
    """
    t = sample.treated
    s = np.ones(len(y)) if sample.sample_weight is None else sample.sample_weight
    there = s > 0
    e = np.where(there, e, 0.5)
    f = np.ones(len(y)) if sample.frequency is None else sample.frequency
    share = float(np.average(averages_over(t, spec.estimand), weights=f * s))
    tilt = {"ATE": np.ones(len(y)), "ATT": e, "ATC": 1 - e}[spec.estimand] / share
    target = averages_over(t, spec.estimand) / share
    alpha = np.where(t, tilt / e, -tilt / (1 - e))
    contrast = target * (tilt / e + tilt / (1 - e))
    residual = np.where(there, y - np.where(t, fitted[True], fitted[False]), 0.0)
    terms = np.column_stack([residual**2, 2 * contrast - alpha**2])
    values = np.average(terms, axis=0, weights=f * s)
    return values, (s / np.average(s, weights=f))[:, None] * (terms - values)
