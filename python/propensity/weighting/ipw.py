"""Weighting: from scores to balancing weights, and the contrast of the weighted means."""

from collections.abc import Sequence
from functools import partial
from typing import Required, TypedDict, Unpack, get_args, overload

import numpy as np

from propensity import core
from propensity.effects.arms import Weighting, balancing_part
from propensity.effects.cautions import (
    carried_cautions,
)
from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.effects.estimators import IPW, WeightingEstimand
from propensity.effects.grouped import GroupedEffects
from propensity.effects.imbalance import BalanceTerms
from propensity.effects.inference import degrees_of_freedom
from propensity.effects.metrics import Metrics, Winsorize
from propensity.effects.sample import Sample, read_sample, warn_once
from propensity.effects.several import Effects
from propensity.errors import InvalidInputError
from propensity.frames import checks, rowwise_checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.checks import Floats
from propensity.frames.columns import outcome_names
from propensity.frames.grouping import require_groups
from propensity.frames.native import AnyFrame, AnySeries
from propensity.frames.takes_cells import takes_cells
from propensity.scores.cautions import score_cautions
from propensity.scores.cross_fitted import CrossFittedScores
from propensity.scores.logistic import (
    AS_KNOWN,
    balance_terms_of,
    given_scores,
    read_scores,
    read_terms,
    require_other_columns,
    told_by_fit,
)
from propensity.scores.model import PropensityModel
from propensity.scores.own_weights import estimand_of, own_weights_warning
from propensity.scores.scored import Scored
from propensity.weighting.by_group import Weighed, groups_of, se_method_of, weighted_in_groups
from propensity.weighting.doubts import Doubts, ipw_doubts, once
from propensity.weighting.within_groups import weighted_within


@columns_by_name
@takes_cells()
def balancing_weights(
    df: AnyFrame,
    *,
    treatment: str,
    scores: object,
    estimand: WeightingEstimand = "ATE",
    stabilized: bool = False,
    sample_weight: object = None,
) -> AnySeries:
    """Weigh each row so that both groups look like the units the effect is for.

    Parameters
    ----------
    df, treatment, scores : DataFrame, str, and PropensityModel, CrossFittedScores, str, Series or array
        As for `ipw`.
    estimand : {"ATE", "ATT", "ATC", "ATO", "ATM"}, default "ATE"
        Whose effect the weights are for, as for `ipw`.
    stabilized : bool, default False
        Multiply them by the share of the row's own arm, for the ATE: p / e and (1 - p) / (1 - e), of mean 1
        in either arm, to be looked at or handed to software that takes weights for counts (`WeightIt`'s
        ``stabilize``). Effects by weighting divide by the sum of an arm's weights, and are the same.
    sample_weight : None, str, Series or array (n,), default None
        How much of the population a row stands for; that with which the model was fitted. It is not in the
        weights given: whoever takes them multiplies them by it, as `smd` and `balance` do where they are told
        of it too. A row of weight 0 is not there, and gets none.

    Returns
    -------
    Series (n,)
        Called "weights", with the index of `df`. Not scaled: ATE 1 / P(own arm), ATT 1 and e / (1 - e), ATC
        (1 - e) / e and 1, ATO P(other arm), ATM min(e, 1 - e) / P(own arm).

    Raises
    ------
    OverlapError, InvalidInputError
        As for `ipw`; weights for another estimand than the ATE are to be stabilized.

    Warns
    -----
    OverlapWarning
        An arm's weight lies on few rows.

    Notes
    -----
    w = h(e) / P(own arm), with h = 1, e, 1 - e, e (1 - e) (Li, Morgan and Zaslavsky 2018, equation 4) and
    min(e, 1 - e) (Li and Greene 2013). With the scores of an unpenalized logistic model ATO weights balance
    the mean of every term exactly.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
    >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
    >>> weights = ps.balancing_weights(users, treatment=treatment, scores=model, estimand="ATT")
    >>> weights.groupby(users[treatment]).max().round(2)
    opt_in_agent_mode
    0    2.17
    1    1.00
    Name: weights, dtype: float64
    """
    estimand = checks.estimand(estimand, get_args(WeightingEstimand))
    checks.flag("stabilized", stabilized)
    if stabilized and estimand != "ATE":
        raise InvalidInputError(
            f"stabilized: weights for the {estimand} are on the scale of its rows already; it is for "
            "estimand='ATE'"
        )
    sample = read_sample(df, treatment=treatment, sample_weight=sample_weight, also=given_scores(scores))
    e = read_scores(sample.frame, scores, sample.treated, sample.sample_weight)
    total = sample.weighting(e, estimand).weights
    is_model = isinstance(scores, PropensityModel)
    impossible = () if is_model else score_cautions(e, sample.treated, **sample.row_weights)
    uneven = sample.overlap_cautions(estimand, total)
    warn_once((*impossible, *uneven, *sample.count_cautions))
    weights = balancing_part(total, sample.sample_weight)
    if stabilized:
        share = float(np.average(sample.treated, weights=sample.mass))
        weights = weights * np.where(sample.treated, share, 1 - share)
    return sample.frame.series(weights, "weights")


class _Options(TypedDict, total=False):
    treatment: Required[str]
    scores: Required[object]
    estimand: WeightingEstimand
    truncate: float | None
    contrast: Contrast
    per: str | None
    winsorize: Winsorize
    cluster: object
    sample_weight: object


@overload
def ipw(
    df: AnyFrame, *, outcome: str, by: str | Sequence[str], within: bool = False, **options: Unpack[_Options]
) -> GroupedEffects: ...
@overload
def ipw(df: AnyFrame, *, outcome: str, by: None = None, **options: Unpack[_Options]) -> Effect: ...
@overload
def ipw(
    df: AnyFrame, *, outcome: list[str] | tuple[str, ...], by: None = None, **options: Unpack[_Options]
) -> Effects: ...
@columns_by_name
@takes_cells(without=("by", "winsorize"), several=Effects)
def ipw(  # noqa: PLR0913 - each is a choice a user may have to make, by name
    df: AnyFrame,
    *,
    outcome: str | Sequence[str],
    treatment: str,
    scores: object,
    estimand: WeightingEstimand = "ATE",
    truncate: float | None = None,
    contrast: Contrast = "difference",
    by: str | Sequence[str] | None = None,
    within: bool = False,
    per: str | None = None,
    winsorize: Winsorize = None,
    cluster: object = None,
    sample_weight: object = None,
) -> Effect | Effects | GroupedEffects:
    """Estimate the effect of the treatment by inverse probability weighting.

    Parameters
    ----------
    df, treatment : DataFrame, and str
        One row a unit, and a column of it, bool or 0/1, as for `fit_propensity`.
    outcome : str, or list of str
        A column, numeric or bool; or several.
    scores : PropensityModel, CrossFittedScores, str, Series or array (n,)
        A logistic model fitted on these very rows, whose standard error then counts that the score was
        estimated; scores of any other model, out of fold or out of bag; or a column or numbers strictly
        between 0 and 1. All but the first are taken as known. Numbers that come of a flexible model (trees,
        forests, boosting, neural networks) must be of rows that it has not seen: of those it was fitted to
        its scores are far too sure, and the interval misses the effect.
    estimand : {"ATE", "ATT", "ATC", "ATO", "ATM"}, default "ATE"
        Whose effect: everyone's, the treated units', the control units', that of the units in the overlap of
        the arms, that of those whom pair matching would keep.
    truncate : float or None, default None
        The quantile of their arm's weights, as 0.99, above which weights are set to it, as `truncate` does
        with the scores: less variance for some bias. None leaves weights as they are; where the arms overlap
        little, estimand="ATO" needs no bound.
    contrast : {"difference", "ratio", "percent", "odds_ratio"}, default "difference"
        What the two means are made into. A difference is in units of the outcome; "percent" is the lift,
        100 (ratio - 1).
    by : None, str or list of str, default None
        A column whose values are groups, or several whose combinations are: the effect in each of them, with
        scores that are those of all rows. `balance(..., by=)` shows whether they make the arms of each group
        alike, too.
    within : bool, default False
        With `by`: fit the model of the scores anew in each group.
    per : str or None, default None
        A column that the outcome is divided by, arm by arm: clicks per view, of the views of all users of an
        arm. The unit stays the row.
    winsorize : float, (float, float) or None, default None
        The quantile of the outcome, as 0.99, above which values are set to it, before anything else; two, as
        (0.01, 0.99), bound both ends. The result says how many were moved; the bounds are taken as known. As
        in `quantile_effect` it is the smallest value with that share of the weight up to it (definition 2 of
        Hyndman and Fan 1996), so that a row of weight 2 is the row twice.
    cluster : None, str, Series or array (n,), or a list of two of these, default None
        Groups whose rows may vary together (workspaces, households); None for independent rows. Two where
        they cross, as in ``["user", "day"]``: rows of a user may vary together, and so may those of a day.
        Folds of cross-fitted scores have to keep them whole: fit these with the same `cluster`.
    sample_weight : None, str, Series or array (n,), default None
        How much of the population a row stands for (a survey weight); that with which the model was fitted.
        Standard errors are of the rows that there are, whatever the weights' scale: counts of identical users
        are no weights, and are given as `ps.Cells`.

    Returns
    -------
    Effect, Effects for a list of outcomes, or GroupedEffects with `by`
        Weighted mean of the treated against weighted mean of the controls.

    Raises
    ------
    OverlapError
        A score is 0 or 1.
    InvalidInputError
        A column is unknown or incomplete, the treatment is not 0/1, `scores` is of other rows than `df` or
        of a model with other sample weights, its folds cut clusters, or the means have no such contrast.
    TypeError
        The outcome is text.

    Warns
    -----
    OverlapWarning
        An arm's weight lies on few rows, so that the interval tends to be too narrow; or nobody in the other
        arm stands for rows that the effect is for (of which a separated model has warned at its fit: that is
        a caution of the effect, and not said again).
    BalanceWarning
        After weighting the arms differ by more than 0.1 standard deviations in a term of the score model, or
        in a square or product of up to 30 of them, if beyond what chance does to these; of scores that are
        given, in these.
    CalibrationWarning
        Given scores cannot be the probabilities of this treatment: their mean is far from the share of the
        treated, or they are lower among the treated.
    SmallSampleWarning
        An arm is worth fewer than 20 rows, or there are fewer than 40 clusters.
    SampleWeightWarning
        Sample weights look like counts.

    Notes
    -----
    Each mean is a ratio, sum w Y / sum w (Hajek 1971), never a sum over n (Horvitz and Thompson 1952), which
    moves when a constant is added to the outcome. The standard error stacks the score equations of the
    logistic model and those of the two means (Lunceford and Davidian 2004, section 3), with divisor n. It
    takes bounds by `truncate` as known: a row beyond them weighs the same whatever its score; `bootstrap`
    finds them anew in every replicate.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> treatment, covariates = "opt_in_agent_mode", ["engagement_tier", "query_confidence"]
    >>> model = ps.fit_propensity(users, treatment=treatment, covariates=covariates)
    >>> effect = ps.ipw(users, outcome="task_completed", treatment=treatment, scores=model)
    >>> print(f"{effect.estimate:.3f} ± {effect.std_error:.3f}")
    0.137 ± 0.028

    The lift in percent, of the treated users:

    >>> roles = {"outcome": "task_completed", "treatment": treatment}
    >>> lift = ps.ipw(users, **roles, scores=model, estimand="ATT", contrast="percent")
    >>> print(f"{lift.estimate:.1f}%")
    16.1%
    """
    spec = IPW(estimand, truncate=truncate)
    contrast = checks.word("contrast", contrast, get_args(Contrast))
    require_groups(by, within=within)
    metrics = Metrics(outcome, per, winsorize)
    measured = metrics.measured(
        read_sample(
            df,
            treatment=treatment,
            outcome=metrics.columns,
            cluster=cluster,
            sample_weight=sample_weight,
            also=given_scores(scores),
        )
    )
    sample = measured.sample
    require_other_columns(sample.frame, scores, outcome_names(metrics.columns))
    scored = read_scored(sample, scores)
    doubts = once(ipw_doubts(sample, scored, spec))
    if by is not None and within:
        return weighted_within(measured, by, scores, partial(_difference, spec), estimand, contrast)
    if by is not None:
        weighed = weighed_by(sample, measured.only_outcome, scored, spec)
        groups = groups_of(measured, by)
        grouped = weighted_in_groups(measured, groups, scored, weighed, contrast, doubts)
        warn_once(grouped.cautions, told_by_fit(scores))
        return grouped
    return measured.effects(
        lambda name: scored_effect(sample, name, scored, spec, metrics.of_parts(contrast), doubts),
        contrast,
        told=told_by_fit(scores),
    )


def _difference(spec: IPW, sample: Sample, name: str, scored: Scored) -> Effect:
    """Estimate the effect on a sample whose score was fitted to it alone."""
    return scored_effect(sample, name, scored, spec, "difference", ipw_doubts(sample, scored, spec))


def weighed_by(sample: Sample, outcome: str, scored: Scored, spec: IPW) -> Weighed:
    """Give what rows weigh, bounded where that is asked for, whatever the outcome."""
    found = _weighed(sample, outcome, scored, spec)
    return Weighed(
        Weighting(found.weights, found.ess_treated, found.ess_control),
        spec.estimand,
        se_method_of(scored) + _bounds_of(spec, found),
    )


def read_scored(sample: Sample, scores: object) -> Scored:
    """Read scores, and where they are a model's, what their standard errors need.

    Raises
    ------
    InvalidInputError
        As for `read_scores`; the model was fitted with other sample weights or other covariates; models of
        folds have seen others of a row's cluster.
    """
    e = read_scores(sample.frame, scores, sample.treated, sample.sample_weight)
    if isinstance(scores, CrossFittedScores):
        scores.require_whole_clusters(sample.clusters)
        return scored_out_of_sample(sample, scores, e)
    if not isinstance(scores, PropensityModel):
        whose = _balanced_for(sample, e)
        own = () if whose is None else (own_weights_warning(whose),)
        doubts = () if own else score_cautions(e, sample.treated, **sample.row_weights)
        return Scored(e, balance_terms=BalanceTerms.of_scores(e), cautions=(*own, *doubts))
    whose = None if scores.sample_weight is not None else _balanced_for(sample, e)
    if whose is not None:
        raise InvalidInputError(f"sample_weight: {own_weights_warning(whose)}")
    then = None if scores.sample_weight is None else sample.frame.by_row(scores.sample_weight)
    rowwise_checks.same_weights(then, sample.sample_weight, "the model was fitted", AS_KNOWN)
    x = read_terms(sample.frame, scores)
    return Scored(
        e,
        x,
        scores.penalty,
        BalanceTerms.of_terms(x, scores.recipe),
        scores.separation,
        columns=scores.recipe.columns,
        score_model=scores.score_model,
    )


def _balanced_for(sample: Sample, scores: Floats) -> str | None:
    """Tell whose balancing weights by these scores (n,) the sample weights are; None where nobody's."""
    if sample.sample_weight is None:
        return None
    treated = sample.present(sample.treated)
    return estimand_of(sample.present(sample.sample_weight), sample.present(scores), treated)


def scored_out_of_sample(sample: Sample, scores: CrossFittedScores, e: Floats) -> Scored:
    """Take scores (n,) as known that a model of other rows has given."""
    return Scored(
        e,
        balance_terms=balance_terms_of(sample.frame, scores),
        cautions=score_cautions(e, sample.treated, **sample.row_weights),
        columns=scores.covariates,
        known_as=scores.known_as,
    )


def _weighed(sample: Sample, outcome: str, scored: Scored, spec: IPW) -> core.WeightedEstimate:
    return core.ipw(
        sample.frame.outcome(outcome),
        sample.treated,
        scored.scores,
        estimand=spec.estimand,
        truncate=spec.truncate,
        x=scored.x,
        penalty=scored.penalty,
        score_model=scored.score_model,
        **sample.row_weights,
    )


def scored_effect(
    sample: Sample,
    outcome: str,
    scored: Scored,
    spec: IPW,
    contrast: Contrast,
    doubts: Doubts,
) -> Effect:
    """Estimate one effect by weighting."""
    found = _weighed(sample, outcome, scored, spec)
    weighting = Weighting(found.weights, found.ess_treated, found.ess_control)
    said = doubts(weighting)
    return sample.effect(
        outcome,
        found,
        weighting,
        estimand=spec.estimand,
        contrast=contrast,
        se_method=se_method_of(scored) + _bounds_of(spec, found),
        cautions=(*said, *_few_carry(sample, spec, found, said)),
        covariates=scored.columns,
        scores=scored.scores,
    )


def _few_carry(
    sample: Sample, spec: IPW, found: core.WeightedEstimate, told: Sequence[Warning]
) -> tuple[Warning, ...]:
    """Say where few rows carry the variance; of clusters it is not known what that does."""
    influence = found.influence_treated - found.influence_control
    if sample.clusters is not None or not influence.any():
        return ()
    ess, there = (found.ess_treated, found.ess_control), sample.present_rows
    n_rows = sample.n_users(sample.treated & there), sample.n_users(~sample.treated & there)
    df = degrees_of_freedom(influence, frequency=sample.frequency)
    return carried_cautions(spec.estimand, ess, n_rows, df, told)


def _bounds_of(spec: IPW, found: core.WeightedEstimate) -> str:
    """Say of a standard error what bounds on weights are to it; nothing where there are none."""
    if spec.truncate is None:
        return ""
    return (
        f"; takes the bounds on the weights as known ({found.n_truncated_treated:,} treated and "
        f"{found.n_truncated_control:,} control rows are above their arm's quantile {spec.truncate:g})"
    )
