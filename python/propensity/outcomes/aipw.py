"""Augmented inverse probability weighting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack, get_args, overload

import numpy as np

from propensity.calls.seeds import settle_seed
from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.effects.estimators import AIPW, AdjustmentEstimand, OutcomeModel
from propensity.effects.grouped import GroupedEffects
from propensity.effects.metrics import Metrics, Winsorize
from propensity.effects.several import Effects
from propensity.frames import checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.counted_rows import require_users
from propensity.frames.native import AnyFrame
from propensity.frames.takes_cells import takes_cells
from propensity.frames.terms import Covariates
from propensity.frames.tidying import Missing, Tidying
from propensity.outcomes.cross_fitted import warn_of_cross_fitted_terms
from propensity.outcomes.fitted import with_fitted_scores
from propensity.outcomes.given_scores import effects_of_given_scores
from propensity.outcomes.models import Roles
from propensity.outcomes.options import SharedOptions
from propensity.outcomes.questions import Question
from propensity.outcomes.split_scores import cross_fitted
from propensity.outcomes.within_groups import adjusted_within
from propensity.scores.choice import LOGISTIC
from propensity.scores.flexible import require_no_penalty
from propensity.scores.learners import Learner
from propensity.scores.own_models import own_learner


class _AipwOptions(SharedOptions, total=False):
    outcome_model: OutcomeModel | Learner
    score_model: Learner
    scores: object
    n_folds: int | None
    n_repeats: int
    seed: int | np.random.Generator | None


@overload
def aipw(
    df: AnyFrame,
    *,
    outcome: str,
    by: str | Sequence[str],
    within: bool = False,
    **options: Unpack[_AipwOptions],
) -> GroupedEffects: ...
@overload
def aipw(df: AnyFrame, *, outcome: str, by: None = None, **options: Unpack[_AipwOptions]) -> Effect: ...
@overload
def aipw(
    df: AnyFrame, *, outcome: list[str] | tuple[str, ...], by: None = None, **options: Unpack[_AipwOptions]
) -> Effects: ...
@columns_by_name
@takes_cells(values=("winsorize",), several=Effects)
def aipw(  # noqa: PLR0913 - each is a choice a user may have to make, by name
    df: AnyFrame,
    *,
    outcome: str | Sequence[str],
    treatment: str,
    covariates: Covariates,
    missing: Missing | None = None,
    min_level_count: int | None = None,
    outcome_covariates: Covariates | None = None,
    estimand: AdjustmentEstimand = "ATE",
    outcome_model: OutcomeModel | Learner = "linear",
    penalty: float = 0.0,
    score_model: Learner = LOGISTIC,
    scores: object = None,
    n_folds: int | None = None,
    n_repeats: int = 1,
    seed: int | np.random.Generator | None = 0,
    contrast: Contrast = "difference",
    by: str | Sequence[str] | None = None,
    within: bool = False,
    per: str | None = None,
    winsorize: Winsorize = None,
    cluster: object = None,
    sample_weight: object = None,
) -> Effect | Effects | GroupedEffects:
    """Estimate the effect by augmented inverse probability weighting, right if either model is.

    It weighs the residuals of outcome models as `ipw` weighs outcomes, and adds the means that they predict.

    Parameters
    ----------
    df, outcome, treatment
        As for `ipw`: one row a unit; a column, numeric or bool, or a list of them; a column, bool or 0/1.
    covariates : list of str, or str
        As for `fit_propensity`: of the score model, and of the outcome models unless these have others.
    missing, min_level_count
        As for `fit_propensity`: what to do with missing values and rare levels.
    outcome_covariates : list of str, str, or None, default None
        Of the outcome models. None takes `covariates`, which confound through both.
    estimand : {"ATE", "ATT", "ATC"}, default "ATE"
        Whose effect: everyone's, the treated units', the control units'.
    outcome_model : {"linear", "logistic", "poisson", "gamma"}, ps.Boosting(...) or a model, default "linear"
        Fitted in each arm on its own. Linear suits any outcome, logistic those in [0, 1]. Poisson and gamma
        have a logarithm of the mean that is linear, so that covariates multiply: Poisson for counts and
        amounts that are not negative, whatever their distribution; gamma for positive amounts whose spread
        grows with their mean. Or a regressor or classifier with the methods of scikit-learn's, of which
        copies are cross-fitted. What learners are given is said at `fit_propensity`: the columns under their
        names, missing values too where neither model is one of the words.
    penalty : float, default 0.0
        L2 strength of a score model that is a word, as for `fit_propensity`; not with others.
    score_model : "logistic", "probit", "cloglog", ps.Boosting(...), ps.Forest(...) or a classifier
        As for `fit_propensity`, "logistic" by default: any but the words is cross-fitted, or scores out of
        bag.
    scores : PropensityModel, CrossFittedScores, str, Series, array (n,) or None, default None
        Scores to take in place of a `score_model`. A `PropensityModel` counts as one fitted here; outcomes
        are predicted in the folds of cross-fitted scores. Others are taken as known: those of a flexible
        model must be of rows that it has not seen.
    n_folds : int or None, default None
        Folds of the cross-fitting, at least 2: every row is predicted by models that have not seen it. None
        fits the models to all rows, which is right for linear and logistic ones with few terms; with a
        learner it means 5.
    n_repeats : int, default 1
        How often rows are split anew where they are split. The effect is the mean over the repeats, and what
        these differ by is added to its variance. One costs least, and its number hangs on the seed by a
        quarter to a half of its standard error; five make that small, and are worth it for a number to
        publish. They cost five times as much, which is why one is the default: with both models boosted on
        50,000 users each takes half a second of processor time.
    seed : int, Generator or None, default 0
        Of the folds, and of what learners draw whose `random_state` is None, which it settles: the same seed
        gives the same number. What a learner draws in another way is its own. A Generator gives one number,
        None takes a fresh one; `se_method` tells which it was.
    contrast : {"difference", "ratio", "percent", "odds_ratio"}, default "difference"
        What the two means are made into.
    by, per, winsorize
        As for `ipw`: groups, each with an effect of its own; a column to divide by; a quantile to bound at.
    within : bool, default False
        With `by`: fit all models anew in each group. By default they are fitted once, to all rows, so that
        groups share what moves the outcome, and small ones have an effect too.
    cluster, sample_weight : None, str, Series or array (n,), default None
        As for `ipw`; folds keep clusters whole, and those of two columns at once they cannot.

    Returns
    -------
    Effect, Effects for a list of outcomes, or GroupedEffects with `by`

    Raises
    ------
    OverlapError
        A cross-fitted score is 0 or 1; or the effect asks an arm's outcome model for rows that it does not
        reach: the arm has none of their level, or one value of a column in which they have another.
    InvalidInputError, SeparationError, ConvergenceError
        As for `fit_propensity`; also a logistic model of an outcome outside [0, 1], or that is 0 (or 1) in
        all rows of an arm; a Poisson model of a negative outcome, or that is 0 in all rows of an arm; a gamma
        model of one that is not positive; an arm with fewer rows than folds, or means without such a
        contrast; a learner that predicts what is no number for each row, or takes no sample weights where
        there are some.
    TypeError
        The outcome is text.

    Warns
    -----
    SmallSampleWarning
        An arm is worth fewer than 20 rows, or fewer than 3 for each term of its outcome model where that
        predicts for the other arm; or there are fewer than 40 clusters.
    BalanceWarning
        After weighting the arms differ, as for `ipw`: the outcome models have to adjust for it.
    SeparationWarning, OverlapWarning
        The covariates foretell the treatment of some rows without error; nobody stands for rows that the
        effect is for.

    Notes
    -----
    ATE: the mean of m1 - m0 + T (Y - m1) / e - (1 - T) (Y - m0) / (1 - e) (Robins, Rotnitzky and Zhao 1994).
    Without folds the standard error stacks the equations of the score, of both outcome models and of the two
    means, and so holds where one of the models is wrong. With folds it is that of the influence function
    (Chernozhukov et al. 2018), which asks for both models to be near the truth; with repeats its square is
    the mean of theirs, plus their squared distance from the mean estimate (section 3.4 there). Scores that
    are taken as known add nothing to it, and outcome models that are fitted to all rows their own equations.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> covariates = ["engagement_tier", "query_confidence"]
    >>> both = {"score_model": ps.Boosting(max_trees=50), "outcome_model": ps.Boosting(max_trees=50)}
    >>> ps.aipw(users, **roles, covariates=covariates, **both).se_method
    'influence function; cross-fitted in 5 folds, seed 0'
    """
    spec = AIPW(
        checks.estimand(estimand, get_args(AdjustmentEstimand)),
        outcome_model,
        score_model=score_model,
        n_folds=n_folds,
        n_repeats=n_repeats,
        seed=settle_seed(seed),
    )
    checks.number("penalty", penalty, minimum=0.0)
    require_no_penalty(score_model, penalty)
    if spec.is_cross_fitted:
        require_users(df, "score_model, outcome_model", "a model that is fitted in folds")
    asked = Question(Metrics(outcome, per, winsorize, "aipw"), contrast, by, within)
    tidying = Tidying.of(missing, min_level_count)
    roles = Roles(treatment, outcome, covariates, outcome_covariates, cluster, sample_weight, tidying)
    if scores is not None:
        return effects_of_given_scores(df, roles, spec, scores, penalty, asked)
    read = asked.read(df, roles, takes_missing=spec.takes_missing)
    if within:
        return adjusted_within(read, asked, spec, penalty)
    if not spec.is_cross_fitted:
        return with_fitted_scores(read, asked, spec, penalty)
    found = cross_fitted(asked.told_apart(read), asked.metrics.columns, spec, penalty, asked.of_parts)
    effects = asked.answer(read.measured, found, found.group_means)
    warn_of_cross_fitted_terms(read.study, own_learner(score_model, penalty), own_learner(outcome_model))
    return effects
