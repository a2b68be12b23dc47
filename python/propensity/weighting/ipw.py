"""Inverse probability weighting: the contrast of the weighted means, of outcomes and of groups."""

from collections.abc import Sequence
from functools import partial
from typing import Required, TypedDict, Unpack, get_args, overload

from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.effects.estimators import IPW, WeightingEstimand
from propensity.effects.grouped import GroupedEffects
from propensity.effects.metrics import Metrics, Winsorize
from propensity.effects.sample import Sample, read_sample, warn_once
from propensity.effects.several import Effects
from propensity.frames import checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.grouping import require_groups
from propensity.frames.native import AnyFrame
from propensity.frames.outcome_names import outcome_names
from propensity.frames.takes_cells import takes_cells
from propensity.scores.logistic import (
    given_scores,
    require_other_columns,
    told_by_fit,
)
from propensity.scores.scored import Scored
from propensity.weighting.by_group import groups_of, weighted_in_groups
from propensity.weighting.by_score import ScoredEffects, read_scored, weighed_by
from propensity.weighting.doubts import ipw_doubts, once
from propensity.weighting.within_groups import weighted_within


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
@takes_cells(values=("winsorize",), several=Effects)
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
    metrics = Metrics(outcome, per, winsorize, "ipw")
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
        return weighted_within(
            measured, by, scores, partial(_difference, spec, metrics.per), estimand, contrast
        )
    if by is not None:
        weighed = weighed_by(sample, measured.only_outcome, scored, spec)
        groups = groups_of(measured, by)
        grouped = weighted_in_groups(measured, groups, scored, weighed, contrast, doubts)
        warn_once(grouped.cautions, told_by_fit(scores))
        return grouped
    columns = outcome_names(metrics.columns)
    effect_on = ScoredEffects(sample, columns, scored, spec, metrics.of_parts(contrast), doubts, metrics.per)
    return measured.effects(effect_on, contrast, told=told_by_fit(scores))


def _difference(spec: IPW, per: str | None, sample: Sample, name: str, scored: Scored) -> Effect:
    """Estimate the effect on a sample whose score was fitted to it alone."""
    doubts = ipw_doubts(sample, scored, spec)
    return ScoredEffects(sample, [name], scored, spec, "difference", doubts, per)(name)
