"""Effects by weighting in groups of rows, with scores that were fitted once on all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from propensity import core
from propensity.effects.arms import Means, Weighting, weights_name
from propensity.effects.clusters import summed_within
from propensity.effects.coded_terms import standardized
from propensity.effects.coefficients import FittedTerms
from propensity.effects.contrasts import Contrast
from propensity.effects.estimators import WeightingEstimand
from propensity.effects.group_means import GroupMeans, hajek_arm, origin_of
from propensity.effects.grouped import GroupedEffects
from propensity.effects.leverage import LeftOut, SharesOfWeight
from propensity.effects.metrics import Measured
from propensity.effects.modelled_groups import GroupRows, ModelledGroups
from propensity.effects.sample import Sample
from propensity.frames.checks import Bools, Floats
from propensity.frames.grouping import Grouping, read_groups
from propensity.frames.outcome_names import outcome_names
from propensity.scores.choice import LOGISTIC
from propensity.scores.equations import equations_of_scores
from propensity.scores.scored import Scored
from propensity.weighting.tilting import weight_slopes

ESTIMATED = "stacked estimating equations; counts that the scores were estimated"
KNOWN = "estimating equations of the two means; takes the {} as known"


@dataclass(frozen=True, eq=False)
class Weighed:
    """What rows weigh by their scores, for whose effect, and how its error is made."""

    weighting: Weighting
    estimand: WeightingEstimand
    se_method: str


def weighted_in_groups(
    measured: Measured,
    groups: Grouping,
    scored: Scored,
    weighed: Weighed,
    contrast: Contrast,
    doubts: Callable[[Weighting], tuple[Warning, ...]],
) -> GroupedEffects:
    """Compare the weighted means of both arms in each group.

    Parameters
    ----------
    doubts : callable
        What there is to say of the weights of all rows.
    """
    sample, weights = measured.sample, weighed.weighting.weights
    slopes, model = slopes_of(sample, scored, weighed.estimand), score_terms(sample, scored)
    free = sample.weighting(scored.scores, weighed.estimand).weights
    slopes = np.where(np.isclose(weights, free, rtol=1e-9, atol=0.0), slopes, 0.0)  # bounded ones stay

    def means_of(column: str) -> GroupMeans:
        return weighted_means(sample, groups, column, weights, slopes, model)

    rows = group_rows(
        measured,
        groups,
        weighed.weighting,
        estimand=weighed.estimand,
        se_method=weighed.se_method,
        weighs_alone=True,
        tidied=scored.tidied,
    )
    cautions = (*said_of_rows(measured, scored.columns), *doubts(weighed.weighting))
    return grouped_effects(rows, measured.of_columns(means_of), contrast, cautions)


def said_of_rows(measured: Measured, covariates: Iterable[str]) -> tuple[Warning, ...]:
    """Say of the rows themselves what is said of them with any effect: copies of outcomes, counts."""
    sample = measured.sample
    names = outcome_names(measured.metrics.columns)
    copies = [caution for name in names for caution in sample.copies(name, covariates)]
    return (*copies, *sample.count_cautions)


def se_method_of(scored: Scored) -> str:
    """Say how the error of a weighted contrast is made."""
    return KNOWN.format(scored.known_as) if scored.design is None else ESTIMATED


def groups_of(measured: Measured, by: str | Sequence[str]) -> Grouping:
    """Read which group each row of a sample is in."""
    sample, outcomes = measured.sample, outcome_names(measured.metrics.columns)
    treatment = sample.frame.treatment
    assert treatment is not None
    return read_groups(sample.frame.native, by, treatment=treatment, outcomes=outcomes, there=sample.there)


def score_terms(sample: Sample, scored: Scored) -> FittedTerms | None:
    """Give what rows add to the score model; None where scores are known."""
    if scored.design is None:
        return None
    z, scale = standardized(scored.design)
    s = np.ones(len(z)) if sample.sample_weight is None else sample.sample_weight
    e = np.where(sample.present_rows, scored.scores, 0.5)
    users = np.ones(len(z)) if sample.frequency is None else sample.frequency
    penalty = scored.penalty * float(np.average(sample.present(s), weights=sample.present(users)))
    residual, spread, _ = equations_of_scores(sample.treated, e, scored.score_model)
    return FittedTerms.of(z, scale, s * residual, s * users * spread, penalty)


def slopes_of(sample: Sample, scored: Scored, estimand: WeightingEstimand) -> Floats:
    """Give how the weight of each row (n,), sample weight included, moves with its linear predictor."""
    e = np.where(sample.present_rows, scored.scores, 0.5)
    slopes = weight_slopes(e, sample.treated, estimand)
    if scored.design is not None and scored.score_model != LOGISTIC:
        slopes = slopes * equations_of_scores(sample.treated, e, scored.score_model)[2]
    return slopes if sample.sample_weight is None else slopes * sample.sample_weight


def weighted_means(
    sample: Sample,
    groups: Grouping,
    outcome: str,
    weights: Floats,
    slopes: Floats,
    model: FittedTerms | None,
) -> GroupMeans:
    """Give the weighted means of both arms in each group.

    Parameters
    ----------
    weights, slopes : ndarray (n,)
        Sample weights included.
    model : FittedTerms or None
        Of the scores; None where they are known.
    """
    y = sample.frame.outcome(outcome)
    origin = origin_of(y, sample.present_rows)
    z = None if model is None else model.z
    arms = [
        hajek_arm(groups, y - origin, np.where(arm, weights, 0.0), np.where(arm, slopes, 0.0), z)
        for arm in (sample.treated, ~sample.treated)
    ]
    models = () if model is None else (model,)
    leverage = _shares(groups, sample.treated, weights)
    return GroupMeans(groups, origin, arms[0], arms[1], models, sample.clusters, leverage)


def _shares(groups: Grouping, treated: Bools, weights: Floats) -> Floats:
    """Give each row's share (n,) of the weight of its arm in its group: its leverage in the mean."""
    of_arms = [groups.sum(np.where(arm, weights, 0.0))[groups.codes] for arm in (treated, ~treated)]
    total = np.where(treated, *of_arms)
    return np.divide(weights, total, out=np.zeros(len(weights)), where=total > 0)


def weighted_arms(
    sample: Sample, outcome: str, found: core.WeightedEstimate, left_out: LeftOut | str | None = None
) -> Means:
    """Give the weighted means of both arms as an effect is made of them, with the leverage of rows."""
    means = found.mean_treated, found.mean_control
    # Of its own: leverage is worked out when it is asked for, when the caller's column may hold other values.
    y = sample.frame.outcome(outcome).copy()
    return Means(
        *means,
        found.influence_treated,
        found.influence_control,
        difference=found.estimate,
        leverage=SharesOfWeight(found.weights, sample.treated, y, means, sample.frequency),
        left_out=left_out,
    )


def group_rows(
    measured: Measured,
    groups: Grouping,
    weighting: Weighting,
    *,
    estimand: str,
    se_method: str,
    weighs_alone: bool,
    tidied: str = "",
) -> GroupRows:
    """Put together what is known of the rows of groups; as for `GroupRows`."""
    sample = measured.sample
    return GroupRows(
        groups=groups,
        treated=sample.treated,
        w=weighting.weights,
        weights=sample.frame.series(weighting.weights, weights_name(sample.sample_weight)),
        first=sample.frame.first_of_cells,
        facts=measured.facts_by_group(groups),
        fingerprint=sample.fingerprint,
        clusters=sample.clusters,
        estimand=estimand,
        se_method=se_method + summed_within(sample.clusters),
        measured=measured.words(measured.only_outcome),
        weighs_alone=weighs_alone,
        tidied=tidied or sample.frame.tidied_words,
    )


def grouped_effects(
    rows: GroupRows,
    means: GroupMeans,
    contrast: Contrast,
    cautions: tuple[Warning, ...],
) -> GroupedEffects:
    """Put the effects of groups together, with what there is to say of all of them, and of some."""
    return GroupedEffects.of(
        ModelledGroups(rows, means),
        rows.groups,
        estimand=rows.estimand,
        contrast=contrast,
        se_method=rows.se_method,
        measured=rows.measured,
        cautions=cautions,
    )
