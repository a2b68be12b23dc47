"""Effects by outcome models in groups of rows, with models that were fitted once on all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from propensity.effects.arms import Means
from propensity.effects.clusters import renumbered
from propensity.effects.coded_terms import Standardized, gram, standardized
from propensity.effects.coefficients import FittedTerms
from propensity.effects.estimators import AIPW, IPWRA, RegressionAdjustment
from propensity.effects.group_means import ArmOfGroups, GroupMeans, gradient, origin_of
from propensity.effects.sample import Sample
from propensity.frames.checks import Bools, Floats
from propensity.frames.grouping import Grouping
from propensity.outcomes.adjusted import AdjustedEffects
from propensity.outcomes.augmented import over_repeats, target_weights
from propensity.outcomes.models import Study
from propensity.scores.own_models import OwnLearner, own_learner, score_of, slope_of
from propensity.scores.scored import Scored
from propensity.weighting.by_group import score_terms, slopes_of

Spec: TypeAlias = AIPW | IPWRA | RegressionAdjustment


def means_by_group(adjusted: AdjustedEffects, groups: Grouping, outcome: str) -> GroupMeans:
    """Give the means of both arms in each group; the core looks at what models are asked for first."""
    leverage = adjusted.means(outcome).leverage
    assert leverage is not None
    scored = None if adjusted.fitted is None else adjusted.fitted.scored
    weights = adjusted.weighting.weights
    found = adjusted_means(adjusted.study, adjusted.spec, scored, weights, groups, outcome)
    return replace(found, leverage=leverage.values)


def adjusted_means(
    study: Study,
    spec: Spec,
    scored: Scored | None,
    weights: Floats,
    groups: Grouping,
    outcome: str,
) -> GroupMeans:
    """Give the means of both arms in each group, by models whose estimation is counted.

    Parameters
    ----------
    scored : Scored or None
        The scores; None where there is no score model.
    weights : ndarray (n,)
        What the rows weigh in their own arm, sample weights included; without scores these alone.

    Notes
    -----
    With g whom the effect is for, s the sample weights, m the predictions of an arm's model and w the weights
    of its rows, the mean in a group is sum(s g m + 1{T = a} w (Y - m)) / sum(s g) over the group for AIPW,
    and the first part of it for the others. It moves with the coefficients c of the outcome model by the
    group's sum of (s g - 1{T = a} w) m' z, and of s g m' z, over sum(s g); with those of the scores by that
    of 1{T = a} w' (Y - m) z, or, where c was fitted with w, through c and what is left of Y in its equations
    (Stefanski and Boos 2002).
    """
    sample = study.sample
    y = sample.frame.outcome(outcome)
    origin = origin_of(y, sample.present_rows) if spec.outcome_model == "linear" else 0.0
    score = None if scored is None else score_terms(sample, scored)
    slopes = np.zeros(len(y)) if scored is None else slopes_of(sample, scored, spec.estimand)
    z, scale = standardized(study.outcome.design)
    if score is not None and study.is_one_design:
        z = score.z  # the same, and held once
    fits = [_fitted(study, spec, y - origin, (z, scale), weights, arm) for arm in (True, False)]
    arms = [_arm_of_groups(sample, spec, fit, slopes, score, groups) for fit in fits]
    none = np.zeros((groups.n_groups, z.shape[1]))
    (treated, of_treated), (control, of_control) = arms
    return GroupMeans(
        groups,
        origin,
        replace(treated, gradients=(*treated.gradients, of_treated, none)),
        replace(control, gradients=(*control.gradients, none, of_control)),
        (*(() if score is None else (score,)), *(fit.terms for fit in fits)),
        sample.clusters,
    )


@dataclass(frozen=True, eq=False)
class _ArmFit:
    """The model of an arm.

    Attributes
    ----------
    own : ndarray (n,) of bool
        The rows that it was fitted to.
    weights : ndarray (n,)
        What these weigh; 0 for others.
    m, slope, rest, left : ndarray (n,)
        What it predicts of all rows, how that moves with their linear predictor, what is left of y, and what
        is left of it in the equations of the coefficients.
    terms : FittedTerms
    """

    own: Bools
    weights: Floats
    m: Floats
    slope: Floats
    rest: Floats
    left: Floats
    terms: FittedTerms


def _fitted(
    study: Study, spec: Spec, y: Floats, standard: tuple[Standardized, Floats], weights: Floats, arm: bool
) -> _ArmFit:
    """Fit the model of an arm, as the core has done before, with weights in the case of IPWRA."""
    sample, x = study.sample, study.outcome.design
    own = (sample.treated == arm) & sample.present_rows
    s = np.ones(len(y)) if sample.sample_weight is None else sample.sample_weight
    fitting = weights if spec.method == "ipwra" else s
    even = sample.mass is None and spec.method != "ipwra"
    learner = own_learner(spec.outcome_model)
    assert isinstance(learner, OwnLearner)
    rows = np.flatnonzero(own)
    users = np.ones(len(y)) if sample.frequency is None else sample.frequency
    m = learner.fit(x.taken(rows), y[own], None if even else (fitting * users)[own]).predict(x)
    left, fall = score_of(learner, y, m)
    residual, spread = (np.where(own, fitting * part, 0.0) for part in (left, fall * users))
    terms = FittedTerms.of(*standard, residual, spread, of_outcome=True)
    return _ArmFit(own, np.where(own, weights, 0.0), m, slope_of(learner, m), y - m, left, terms)


def _arm_of_groups(
    sample: Sample,
    spec: Spec,
    fit: _ArmFit,
    slopes: Floats,
    score: FittedTerms | None,
    groups: Grouping,
) -> tuple[ArmOfGroups, Floats]:
    """Give an arm's means by group, with their gradient in the score model; and that in its own model."""
    target = target_weights(sample, spec.estimand)
    total = groups.sum(target)
    augmented = fit.weights if spec.method == "aipw" else np.zeros(len(target))
    residual = augmented * fit.rest
    found = mean_of_terms(groups, target, target * fit.m + residual, residual)
    of_outcome = gradient(groups, (target - augmented) * fit.slope, fit.terms.z, total)
    if score is None:
        return found, of_outcome
    moved = np.where(fit.own, slopes, 0.0)
    if spec.method == "aipw":
        of_score = gradient(groups, moved * fit.rest, score.z, total)
    else:
        moved = moved * fit.left
        counted = moved if sample.frequency is None else moved * sample.frequency
        of_score = fit.terms.loadings(of_outcome) @ gram(fit.terms.z, counted, score.z)
    return replace(found, gradients=(of_score,)), of_outcome


def mean_of_terms(
    groups: Grouping, target: Floats, terms: Floats, residual: Floats | None = None
) -> ArmOfGroups:
    """Average (n,) terms within groups by how much rows count in the average, with what each row adds.

    `residual` (n,) is the part of the terms that residuals make, where leverage holds these back.
    """
    total, size = groups.sum(target), groups.n_users
    above = np.divide(groups.sum(terms), total, out=np.full(len(total), np.nan), where=total > 0)
    share = size / np.where(total > 0, total, np.inf)
    own = (terms - target * np.nan_to_num(above)[groups.codes]) * share[groups.codes]
    moved = None if residual is None else residual * share[groups.codes]
    return ArmOfGroups(above, own, (), moved)


def means_of_repeats(
    sample: Sample,
    groups: Grouping,
    target: Floats,
    repeats: Sequence[Mapping[bool, Floats]],
    origin: float,
) -> GroupMeans:
    """Average the terms (n,) of either arm within groups and over repeats of cross-fitting.

    No model's estimation is counted; what the repeats differ by is, group by group, as in `over_repeats`.
    """
    arms = [[mean_of_terms(groups, target, terms[arm]) for terms in repeats] for arm in (True, False)]
    if len(repeats) == 1:
        return GroupMeans(groups, origin, arms[0][0], arms[1][0], (), sample.clusters)
    above = np.array([np.mean([one.above for one in arm], axis=0) for arm in arms])
    own = np.array([np.mean([one.own for one in arm], axis=0) for arm in arms])
    for place in np.flatnonzero(np.isfinite(above).all(axis=0)):
        rows = groups.rows(int(place))
        clusters = None
        if sample.clusters is not None:
            clusters = renumbered(sample.clusters[rows])
        share = len(rows) / len(target)  # influence on a group's mean, of its rows among themselves
        parts = [
            Means(float(t.above[place]), float(c.above[place]), share * t.own[rows], share * c.own[rows])
            for t, c in zip(*arms, strict=True)
        ]
        found = over_repeats(parts, clusters).means
        assert found.influence_treated is not None
        assert found.influence_control is not None
        own[0, rows], own[1, rows] = found.influence_treated / share, found.influence_control / share
    treated, control = (ArmOfGroups(above[arm], own[arm], ()) for arm in (0, 1))
    return GroupMeans(groups, origin, treated, control, (), sample.clusters)
