"""The effect with weights that are given: own, imported, truncated, combined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Required, TypedDict, Unpack, get_args, overload

import numpy as np

from propensity import core
from propensity.effects.arms import Weighting
from propensity.effects.cautions import overlap_cautions
from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.effects.estimators import WeightingEstimand
from propensity.effects.group_means import GroupMeans
from propensity.effects.grouped import GroupedEffects
from propensity.effects.metrics import Measured, Metrics, Winsorize
from propensity.effects.sample import Sample, read_sample, warn_once
from propensity.effects.several import Effects
from propensity.effects.weighted_result import WeightedResult
from propensity.errors import InvalidInputError
from propensity.frames import checks, rowwise_checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.checks import Floats
from propensity.frames.native import AnyFrame
from propensity.frames.outcome_names import outcome_names
from propensity.frames.takes_cells import takes_cells
from propensity.weighting.by_group import (
    group_rows,
    grouped_effects,
    groups_of,
    said_of_rows,
    weighted_arms,
    weighted_means,
)
from propensity.weighting.given import given_weights, read_weights
from propensity.weighting.mistaken import refuse_model, uneven_arm_cautions

_KNOWN = "estimating equations of the two means; takes the weights as known"


class _Options(TypedDict, total=False):
    treatment: Required[str]
    weights: Required[object]
    estimand: WeightingEstimand | None
    contrast: Contrast
    per: str | None
    winsorize: Winsorize
    cluster: object
    sample_weight: object


@overload
def weighted_effect(
    df: AnyFrame, *, outcome: str, by: str | list[str], **options: Unpack[_Options]
) -> GroupedEffects: ...
@overload
def weighted_effect(
    df: AnyFrame, *, outcome: str, by: None = None, **options: Unpack[_Options]
) -> Effect: ...
@overload
def weighted_effect(
    df: AnyFrame, *, outcome: list[str] | tuple[str, ...], by: None = None, **options: Unpack[_Options]
) -> Effects: ...
@columns_by_name
@takes_cells(values=("winsorize",), several=Effects)
def weighted_effect(  # noqa: PLR0913 - each is a choice a user may have to make, by name
    df: AnyFrame,
    *,
    outcome: str | Sequence[str],
    treatment: str,
    weights: object,
    estimand: WeightingEstimand | None = None,
    contrast: Contrast = "difference",
    by: str | Sequence[str] | None = None,
    per: str | None = None,
    winsorize: Winsorize = None,
    cluster: object = None,
    sample_weight: object = None,
) -> Effect | Effects | GroupedEffects:
    """Estimate the effect of the treatment with weights that are given, whatever made them.

    For weights from elsewhere, of one's own, truncated, or combined. Where `ipw`, `fit_weights` or a matching
    makes the weights, their own effects are to be preferred: they know how the weights were made, and count
    it in the standard error.

    Parameters
    ----------
    df, treatment : DataFrame, and str
        One row a unit, and a column of it, bool or 0/1, as for `fit_propensity`.
    outcome : str, or list of str
        A column, numeric or bool; or several.
    weights : str, Series, array (n,), TruncatedWeights, BalancingWeights, Effect or Matched
        A column, weights, or a result that has some, of these very rows. None negative, some above 0 in each
        arm; their scale does not matter. Sample weights are not in them, but multiplied to them; those of a
        result are.
    estimand : {"ATE", "ATT", "ATC", "ATO", "ATM"} or None, default None
        Whose effect the weights are for, which they do not tell by themselves. A result knows it.
    contrast : {"difference", "ratio", "percent", "odds_ratio"}, default "difference"
        What the two means are made into. A difference is in units of the outcome; "percent" is the lift,
        100 (ratio - 1).
    by : None, str or list of str, default None
        A column whose values are groups, or several whose combinations are: the effect in each of them.
    per, winsorize : default None
        What the outcome is divided by, arm by arm, and the quantile that it is bounded at, as for `ipw`.
    cluster : None, str, Series or array (n,), or a list of two of these, default None
        Groups whose rows may vary together (workspaces, households); None for independent rows. Two where
        they cross, as in ``["user", "day"]``: rows of a user may vary together, and so may those of a day.
    sample_weight : None, str, Series or array (n,), default None
        How much of the population a row stands for (a survey weight); that with which a result was made.

    Returns
    -------
    Effect, Effects for a list of outcomes, or GroupedEffects with `by`
        Weighted mean of the treated against weighted mean of the controls.

    Raises
    ------
    InvalidInputError
        A column is unknown or incomplete, the treatment is not 0/1, a weight is negative, the weights are of
        other rows than `df`, nobody says whose effect they are for, or the means have no such contrast.
    TypeError
        The outcome is text.

    Warns
    -----
    OverlapWarning
        An arm's weight lies on few rows, so that the interval tends to be too narrow.
    SmallSampleWarning
        An arm is worth fewer than 20 rows, or there are fewer than 40 clusters.
    SampleWeightWarning
        Sample weights look like counts.
    BalanceWarning
        Weights for the ATT are uneven among the treated, or those for the ATC among the controls.

    See Also
    --------
    truncate : Weights bounded.
    balance : Whether the weights make the arms alike, which nothing here looks at.

    Notes
    -----
    The standard error is that of two weighted means, by the influence w (y - m) of each row: as a weighted
    regression on the treatment with robust errors (HC0) gives it, and any software that is handed weights
    alone. It does not count that weights were estimated, which may be worth much in either direction: for
    weights by estimated scores for the ATE it is mostly too wide (Lunceford and Davidian 2004). A bootstrap
    that makes the weights anew in every replicate counts it, as with ``IPW("ATE", truncate=0.99)`` among its
    estimators.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> users["w"] = 1.0  # what somebody else computed
    >>> effect = ps.weighted_effect(
    ...     users, outcome="task_completed", treatment="opt_in_agent_mode", weights="w", estimand="ATE"
    ... )
    >>> print(f"{effect.estimate:+.2f}, standard error {effect.std_error:.2f}")
    +0.23, standard error 0.02
    """
    contrast = checks.word("contrast", contrast, get_args(Contrast))
    whose, metrics = _estimand(weights, estimand), Metrics(outcome, per, winsorize, "weighted_effect")
    measured = metrics.measured(
        read_sample(
            df,
            treatment=treatment,
            outcome=metrics.columns,
            cluster=cluster,
            sample_weight=sample_weight,
            also=given_weights(weights),
        )
    )
    sample = measured.sample
    values = read_weights(sample.frame, weights, sample.treated, sample.sample_weight)
    _require_other_columns(weights, outcome_names(metrics.columns))
    _require_clusters(sample, values)
    known = tuple(getattr(weights, "cautions", ())) if hasattr(weights, "known") else ()
    mistaken: tuple[Warning, ...] = ()
    if not isinstance(weights, WeightedResult):
        mistaken = uneven_arm_cautions(values, sample.treated, sample.present_rows, whose)
    cautions = (*known, *mistaken, *_uneven(sample, values, whose, known))
    told = [str(caution) for caution in known]
    if by is not None:
        grouped = _by_group(measured, by, values, whose, contrast, cautions)
        warn_once(grouped.cautions, told)
        return grouped
    return measured.effects(
        lambda name: _effect(sample, name, values, whose, metrics.of_parts(contrast), cautions),
        contrast,
        told=told,
    )


def _estimand(weights: object, given: object) -> Any:
    """Give whose effect weights are for, as a result or the caller says."""
    refuse_model(weights, "weights")
    allowed = get_args(WeightingEstimand)
    known = getattr(weights, "estimand", None) if isinstance(weights, WeightedResult) else None
    if given is not None:
        given = checks.estimand(given, allowed)
    if known is None and given is None:
        raise InvalidInputError(
            "estimand: whose effect they are for cannot be told from weights; say which of "
            f"{checks.listed(allowed)}"
        )
    if known is not None and given is not None and known != given:
        raise InvalidInputError(f"estimand: these weights are for the {known}, not for the {given}")
    return known if given is None else given


def _require_other_columns(weights: object, outcomes: Sequence[str]) -> None:
    """Require that no outcome is among the columns that weights were made of."""
    for name in outcomes:
        if name in getattr(weights, "known", ()):
            raise InvalidInputError(
                f"column '{name}' is the outcome, and one of the columns that the weights were made of, "
                "which takes its effect away: make them of what was known before the treatment"
            )


def _require_clusters(sample: Sample, values: Floats) -> None:
    """Require two clusters of each arm among the rows that have a weight, as of the sample before."""
    if sample.clusters is None:
        return
    for own in np.atleast_2d(sample.clusters.T):
        rowwise_checks.clusters(np.where(values > 0, own, -1), sample.treated, "cluster")


def _uneven(sample: Sample, values: Floats, estimand: str, told: tuple[Warning, ...]) -> tuple[Warning, ...]:
    """Say which arm's mean leans on few of the rows that have a weight."""
    used = np.asarray(values > 0) & sample.present_rows
    own = values if sample.sample_weight is None else values * sample.sample_weight
    frequency = None if sample.frequency is None else sample.frequency[used]
    found = overlap_cautions(estimand, own[used], sample.treated[used], frequency)
    kinds = {type(caution) for caution in told}
    return tuple(caution for caution in found if type(caution) not in kinds)


def _effect(
    sample: Sample,
    outcome: str,
    values: Floats,
    estimand: WeightingEstimand,
    contrast: Contrast,
    cautions: tuple[Warning, ...],
) -> Effect:
    found = _weighed(sample, outcome, values)
    return sample.effect(
        outcome,
        weighted_arms(sample, outcome, found),
        Weighting(found.weights, found.ess_treated, found.ess_control),
        estimand=estimand,
        contrast=contrast,
        se_method=_KNOWN,
        cautions=cautions,
    )


def _by_group(
    measured: Measured,
    by: str | Sequence[str],
    values: Floats,
    estimand: WeightingEstimand,
    contrast: Contrast,
    cautions: tuple[Warning, ...],
) -> GroupedEffects:
    """Compare the weighted means of both arms in each group, the weights as known."""
    sample = measured.sample
    groups = groups_of(measured, by)
    found = _weighed(sample, measured.only_outcome, values)
    still = np.zeros(len(values))

    def means_of(column: str) -> GroupMeans:
        return weighted_means(sample, groups, column, found.weights, still, None)

    weighting = Weighting(found.weights, found.ess_treated, found.ess_control)
    rows = group_rows(measured, groups, weighting, estimand=estimand, se_method=_KNOWN, weighs_alone=True)
    said = (*said_of_rows(measured, ()), *cautions)
    return grouped_effects(rows, measured.of_columns(means_of), contrast, said)


def _weighed(sample: Sample, outcome: str, values: Floats) -> core.WeightedEstimate:
    y = sample.frame.outcome(outcome)
    return core.weighted_effect(y, sample.treated, values, **sample.row_weights)
