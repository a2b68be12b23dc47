"""Outcome models averaged over those the effect is for: with balancing weights, and alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Unpack, overload

from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.effects.estimators import IPWRA, AdjustmentEstimand, OutcomeModel, RegressionAdjustment
from propensity.effects.grouped import GroupedEffects
from propensity.effects.metrics import Metrics, Winsorize
from propensity.effects.several import Effects
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.native import AnyFrame
from propensity.frames.outcome_names import outcome_names
from propensity.frames.takes_cells import takes_cells
from propensity.frames.terms import Covariates, parse_covariates
from propensity.frames.tidying import Missing, Tidying
from propensity.outcomes.adjusted import adjusted_effects
from propensity.outcomes.by_group import means_by_group
from propensity.outcomes.fitted import with_fitted_scores
from propensity.outcomes.models import Roles, require_known
from propensity.outcomes.options import Options
from propensity.outcomes.questions import Question
from propensity.outcomes.within_groups import adjusted_within
from propensity.scores.own_models import ScoreWord


class _IpwraOptions(Options, total=False):
    score_model: ScoreWord


@overload
def ipwra(
    df: AnyFrame,
    *,
    outcome: str,
    by: str | Sequence[str],
    within: bool = False,
    **options: Unpack[_IpwraOptions],
) -> GroupedEffects: ...
@overload
def ipwra(df: AnyFrame, *, outcome: str, by: None = None, **options: Unpack[_IpwraOptions]) -> Effect: ...
@overload
def ipwra(
    df: AnyFrame, *, outcome: list[str] | tuple[str, ...], by: None = None, **options: Unpack[_IpwraOptions]
) -> Effects: ...
@columns_by_name
@takes_cells(values=("winsorize",), several=Effects)
def ipwra(  # noqa: PLR0913 - as for `aipw`
    df: AnyFrame,
    *,
    outcome: str | Sequence[str],
    treatment: str,
    covariates: Covariates,
    missing: Missing | None = None,
    min_level_count: int | None = None,
    outcome_covariates: Covariates | None = None,
    estimand: AdjustmentEstimand = "ATE",
    outcome_model: OutcomeModel = "linear",
    penalty: float = 0.0,
    score_model: ScoreWord = "logistic",
    contrast: Contrast = "difference",
    by: str | Sequence[str] | None = None,
    within: bool = False,
    per: str | None = None,
    winsorize: Winsorize = None,
    cluster: object = None,
    sample_weight: object = None,
) -> Effect | Effects | GroupedEffects:
    """Estimate the effect by outcome models that are fitted with balancing weights: doubly robust too.

    Its means are averages of predictions, so that with a logistic outcome model they cannot leave [0, 1], and
    with a Poisson or gamma model not fall below 0.

    Parameters
    ----------
    df, outcome, treatment, covariates, missing, min_level_count, outcome_covariates, estimand, penalty
        As for `aipw`.
    contrast, by, within, per, winsorize, cluster, sample_weight
        As for `aipw`.
    outcome_model : {"linear", "logistic", "poisson", "gamma"}, default "linear"
        Fitted in each arm on its own, as for `aipw`. There is no cross-fitting: what makes this estimator
        doubly robust is that the weighted residuals of the very rows fitted to sum to zero. With a gamma
        model their shares of the mean do, which is not the same: it then hangs on the outcome models alone,
        and `aipw` is doubly robust with them too.
    score_model : {"logistic", "probit", "cloglog"}, default "logistic"
        As for `fit_propensity`.

    Returns
    -------
    Effect, Effects for a list of outcomes, or GroupedEffects with `by`

    Raises
    ------
    InvalidInputError, OverlapError, SeparationError, ConvergenceError, TypeError
        As for `aipw`.

    Warns
    -----
    SmallSampleWarning
        As for `aipw`.

    Notes
    -----
    Wooldridge (2007), Journal of Econometrics 141, 1281; Stata's `teffects ipwra`. The standard error stacks
    the equations of the score, of both weighted outcome models and of the two means, with divisor n.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> covariates = ["engagement_tier", "query_confidence"]
    >>> effect = ps.ipwra(users, **roles, covariates=covariates, outcome_model="logistic")
    >>> print(f"{effect.estimate:.3f} ± {effect.std_error:.3f}")
    0.136 ± 0.028
    """
    spec = IPWRA(estimand, outcome_model, score_model=score_model)
    checks.number("penalty", penalty, minimum=0.0)
    asked = Question(Metrics(outcome, per, winsorize, "ipwra"), contrast, by, within)
    tidying = Tidying.of(missing, min_level_count)
    roles = Roles(treatment, outcome, covariates, outcome_covariates, cluster, sample_weight, tidying)
    read = asked.read(df, roles)
    if within:
        return adjusted_within(read, asked, spec, penalty)
    return with_fitted_scores(read, asked, spec, penalty)


@overload
def regression_adjustment(
    df: AnyFrame, *, outcome: str, by: str | Sequence[str], within: bool = False, **options: Unpack[Options]
) -> GroupedEffects: ...
@overload
def regression_adjustment(
    df: AnyFrame, *, outcome: str, by: None = None, **options: Unpack[Options]
) -> Effect: ...
@overload
def regression_adjustment(
    df: AnyFrame, *, outcome: list[str] | tuple[str, ...], by: None = None, **options: Unpack[Options]
) -> Effects: ...
@columns_by_name
@takes_cells(values=("winsorize",), several=Effects)
def regression_adjustment(  # noqa: PLR0913 - as for `aipw`
    df: AnyFrame,
    *,
    outcome: str | Sequence[str],
    treatment: str,
    covariates: Covariates,
    missing: Missing | None = None,
    min_level_count: int | None = None,
    outcome_covariates: Covariates | None = None,
    estimand: AdjustmentEstimand = "ATE",
    outcome_model: OutcomeModel = "linear",
    penalty: float = 0.0,
    contrast: Contrast = "difference",
    by: str | Sequence[str] | None = None,
    within: bool = False,
    per: str | None = None,
    winsorize: Winsorize = None,
    cluster: object = None,
    sample_weight: object = None,
) -> Effect | Effects | GroupedEffects:
    """Estimate the effect by an outcome model in each arm, averaged over those the effect is for.

    It needs little overlap to run, and where there is little it extrapolates in silence: look at the scores
    first. For rows of a level that the other arm has none of there is no answer, and an error.

    Parameters
    ----------
    df, outcome, treatment, estimand, outcome_model, contrast, by, within, per, winsorize
        As for `ipwra`.
    cluster, sample_weight
        As for `ipwra`.
    covariates : list of str, or str
        Of the outcome models, unless `outcome_covariates` are given.
    missing, min_level_count
        As for `fit_propensity`: what to do with missing values and rare levels.
    outcome_covariates : list of str, str, or None, default None
        As for `aipw`, so that one call serves for both; they take the place of `covariates`.
    penalty : float, default 0.0
        As for `aipw`, so that one call serves for both; here there is no score model that another could act
        on.

    Returns
    -------
    Effect, Effects for a list of outcomes, or GroupedEffects with `by`
        Its weights are the sample weights: no row is weighed otherwise.

    Raises
    ------
    InvalidInputError, OverlapError, SeparationError, ConvergenceError, TypeError
        As for `aipw`; also a penalty other than 0.

    Warns
    -----
    SmallSampleWarning
        As for `aipw`.

    Notes
    -----
    Stata's `teffects ra`. The standard error stacks the equations of both outcome models and of the two
    means, with divisor n.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> covariates = ["engagement_tier", "query_confidence"]
    >>> effect = ps.regression_adjustment(users, **roles, covariates=covariates, estimand="ATT")
    >>> print(f"{effect.estimate:.3f} ± {effect.std_error:.3f}")
    0.108 ± 0.024
    """
    spec = RegressionAdjustment(estimand, outcome_model)
    checks.number("penalty", penalty, minimum=0.0)
    asked = Question(Metrics(outcome, per, winsorize, "regression_adjustment"), contrast, by, within)
    if penalty:
        raise InvalidInputError(
            f"penalty: regression adjustment has no score model for {penalty!r} to act on; leave it out"
        )
    tidying = Tidying.of(missing, min_level_count)
    roles = Roles(
        treatment, outcome, covariates, cluster=cluster, sample_weight=sample_weight, tidying=tidying
    )
    if outcome_covariates is not None:
        require_known(df, roles)
        parse_covariates(outcome_covariates, df, may_be_none=True, role="outcome_covariates")
        roles = replace(roles, covariates=outcome_covariates)
    read = asked.read(df, roles)
    if within:
        return adjusted_within(read, asked, spec, 0.0)
    columns = outcome_names(asked.metrics.columns)
    adjusted = adjusted_effects(read.study, spec, None, asked.of_parts, columns)
    effects = asked.answer(read.measured, adjusted, partial(means_by_group, adjusted))
    adjusted.warn_of_terms()
    return effects
