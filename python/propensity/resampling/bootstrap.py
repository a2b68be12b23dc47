"""The bootstrap: the whole pipeline, propensity model included, on resampled rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Required, TypedDict, Unpack, get_args, overload

import numpy as np

from propensity import core
from propensity.effects.asked_estimators import check_estimators
from propensity.effects.contrasts import Contrast
from propensity.effects.estimators import (
    AIPW,
    IPW,
    IPWRA,
    Balancing,
    Estimator,
    RegressionAdjustment,
)
from propensity.effects.given_away import constant_cautions
from propensity.effects.metrics import Metrics
from propensity.effects.sample import warn_once
from propensity.frames import checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.counted_rows import require_users
from propensity.frames.native import AnyFrame
from propensity.frames.outcome_names import outcome_names
from propensity.frames.takes_cells import takes_cells
from propensity.frames.terms import Covariates
from propensity.frames.tidying import Missing, Tidying
from propensity.outcomes.models import (
    Roles,
    Study,
    naming_rows_outside_models,
    naming_separated_model,
    naming_separated_scores,
    read_study,
    require_modelled,
    warn_of_outcome_terms,
)
from propensity.resampling.balanced import Balanced
from propensity.resampling.core_call import run_on
from propensity.resampling.options import Groups, Resampling, ResamplingOptions, group_name
from propensity.resampling.refittable import require_refittable, score_model_of
from propensity.resampling.replicated import result_of
from propensity.resampling.result import BootstrapResult
from propensity.resampling.several import BootstrapResults, runs_of_outcomes
from propensity.scores.own_models import ScoreWord
from propensity.scores.scored import warn_of_left_out

DEFAULT_ESTIMATORS: tuple[Estimator, ...] = (IPW("ATE"), IPW("ATT"))


class _Options(TypedDict, total=False):
    treatment: Required[str]
    covariates: Required[Covariates]
    missing: Missing | None
    min_level_count: int | None
    outcome_covariates: Covariates | None
    per: str | None
    contrast: Contrast
    penalty: float
    estimators: Sequence[Estimator]
    resampling: Resampling
    cluster: object
    strata: object
    sample_weight: object
    n_reps: int
    seed: int | np.random.Generator | None
    studentized: bool
    n_threads: int | None
    progress: bool | None


@overload
def bootstrap(df: AnyFrame, *, outcome: str, **options: Unpack[_Options]) -> BootstrapResult: ...
@overload
def bootstrap(
    df: AnyFrame, *, outcome: list[str] | tuple[str, ...], **options: Unpack[_Options]
) -> BootstrapResults: ...
@columns_by_name
@takes_cells(several=BootstrapResults)
def bootstrap(  # noqa: PLR0913 - keywords, nearly all with a default
    df: AnyFrame,
    *,
    outcome: str | Sequence[str],
    treatment: str,
    covariates: Covariates,
    missing: Missing | None = None,
    min_level_count: int | None = None,
    outcome_covariates: Covariates | None = None,
    per: str | None = None,
    contrast: Contrast = "difference",
    penalty: float = 0.0,
    estimators: Sequence[Estimator] = DEFAULT_ESTIMATORS,
    resampling: Resampling = "multinomial",
    cluster: object = None,
    strata: object = None,
    sample_weight: object = None,
    n_reps: int = 500,
    seed: int | np.random.Generator | None = 0,
    studentized: bool = False,
    n_threads: int | None = None,
    progress: bool | None = None,
) -> BootstrapResult | BootstrapResults:
    """Estimate effects, and how much they vary from sample to sample.

    Each replicate weighs the rows anew, by drawing n of them with replacement unless told otherwise, refits
    the models to full convergence, and estimates everything again.

    Parameters
    ----------
    df : DataFrame
    outcome : str, or list of str
        One row a unit, and a column of it, numeric or bool; or several, which share the draws and the
        refitted scores of each replicate, so that a further outcome costs a pass over the rows.
    treatment : str
        A column, bool or 0/1.
    covariates : list of str, or str
        As for `fit_propensity`.
    missing, min_level_count
        As for `fit_propensity`. Means and levels are those of the data, in every replicate: any other value
        beside an indicator gives the same model, and which levels are rare is a choice and no estimate.
    outcome_covariates : list of str, or str, or None, default None
        Of the outcome models, where they differ from those of the score.
    per : str or None, default None
        What the outcome is divided by, arm by arm, as for `ipw`: clicks per view; of several outcomes each.
        All columns share the draws and the refitted scores of a replicate.
    contrast : {"difference", "ratio", "percent", "odds_ratio"}, default "difference"
        What the two means are made into, as for `ipw`; "percent" is the lift.
    penalty : float, default 0.0
        As for `fit_propensity`, in every replicate; only where some estimator has a score.
    estimators : sequence of Estimator, default IPW("ATE"), IPW("ATT")
        With different labels. All of them see the same resamples. Weighting by default, for which a bootstrap
        is valid. Nearest neighbours, for which it is not, are with replacement on the score or logit, with at
        most a caliper on that.
    resampling : {"multinomial", "poisson", "bayesian"}, default "multinomial"
        How a replicate weighs the rows: by how often each is drawn in n draws with replacement; by
        independent Poisson counts; or by independent exponential numbers (Rubin 1981), which leave nobody
        out, so that no arm is ever empty and no level separated. These are no counts, which nearest
        neighbours need.
    cluster : str, Series, array or None, default None
        A column, or its values, whose groups (workspaces, teams) are drawn, or weighted, as wholes: for units
        that share what befalls them. 40 clusters or more make a trustworthy standard error.
    strata : str, Series, array or None, default None
        A column, or its values, within whose groups rows (or clusters) are drawn, as many as there are;
        exponential weights are scaled to the same end. For sizes that were fixed when the data were gathered;
        the treatment's own column fixes those of the arms. Not with Poisson weights.
    sample_weight : str, Series, array or None, default None
        How much of the population a row stands for (a survey weight), in every estimate, on top of how often
        it is drawn: no count of identical users, each of whom is drawn by themselves from `ps.Cells`. Not
        with nearest neighbours, which are whole rows.
    n_reps : int, default 500
        Replicates. 500 settle a standard error to 3%; take 2,000 for an interval to publish.
    seed : int, Generator or None, default 0
        Replicate r of seed s is the same, bit for bit, for any `n_reps` and `n_threads`. A Generator gives
        one number; None takes a fresh one. The result tells which it was.
    studentized : bool, default False
        Keep a standard error for each replicate, which `conf_int` of the kinds "studentized" and "calibrated"
        needs. Each takes a few passes over the rows, so that the bootstrap takes many times as long.
    n_threads : int or None, default None
        Threads; None takes one a core.
    progress : bool or None, default None
        None shows a bar in a terminal or notebook once a second has passed; True from the start; False never.

    Returns
    -------
    BootstrapResult, or BootstrapResults for a list of outcomes
        With `estimates`, `replicates`, `std_errors`, `conf_int()` and `summary()`; of several outcomes a
        mapping from each to its own, and one `summary()` of all. Rows are drawn by all that they hold, the
        outcomes asked for included, so that an outcome by itself has other draws of the same seed.

    Raises
    ------
    InvalidInputError
        As for `fit_propensity` and `ipw`; the means have no such contrast; two estimators have the same
        label; a cluster lies in several strata; every replicate failed; a penalty for estimators without a
        score.
    OverlapError
        A score is 0 or 1, or the data ask an outcome model for rows that it does not reach, as for `aipw`.

    Warns
    -----
    CollinearityWarning, SeparationWarning
        As for `fit_propensity`, of the data themselves.
    OverlapWarning
        An estimator could not be had in more than 5% of the replicates.

    Notes
    -----
    A replicate that some estimator fails in (no treated unit was drawn, the treatment of all is foretold) is
    lost to that estimator alone. Quasi-separation is no failure: where none of a level's rows that were drawn
    are treated, scores run to 0 there, and the weights follow, as those of `ipw` do. A level that an arm has,
    but did not draw, has no coefficient in that replicate's outcome model. Its rows are then predicted from
    the full sample's: of all fits to the rows drawn, which differ there alone, the one is taken that is
    nearest to the full sample's fit. To leave such replicates out would leave a selected sample of them.

    The plain bootstrap is not valid for nearest-neighbour matching (Abadie and Imbens 2008): its intervals
    may be too wide or too narrow. It is offered because people ask for it, and `summary()` says so;
    `Matches.bootstrap` is valid, and needs no refit.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> covariates = ["engagement_tier", "query_confidence"]
    >>> boot = ps.bootstrap(users, **roles, covariates=covariates, n_reps=200, seed=7)
    >>> boot.summary()["estimate"].round(3)
    estimator
    IPW ATE    0.137
    IPW ATT    0.107
    Name: estimate, dtype: float64
    >>> low, high = boot.conf_int().loc["IPW ATE"]
    >>> bool(low < 0.137 < high)
    True
    """
    contrast = checks.word("contrast", contrast, get_args(Contrast))
    metrics = Metrics(outcome, per)
    options = ResamplingOptions(resampling, n_reps, seed, n_threads, progress)
    check_estimators(estimators, penalty)
    require_refittable(estimators, resampling, weighted=sample_weight is not None)
    _require_countable(df, estimators, metrics)
    tidying = Tidying.of(missing, min_level_count)
    roles = Roles(treatment, metrics.columns, covariates, outcome_covariates, cluster, sample_weight, tidying)
    study = read_study(df, roles, also={"strata": strata})
    names = outcome_names(outcome)
    for column in outcome_names(metrics.columns):
        require_modelled(study, column, estimators)
    measured = metrics.measured(study.sample)
    facts = {name: measured.facts(name) for name in names}
    constant = (caution for own in facts.values() for caution in constant_cautions(own))
    copies = (caution for name in names for caution in study.sample.copies(name, study.columns))
    warn_once((*study.cautions, *constant, *copies))
    warn_once(study.sample.count_cautions)
    groups = Groups(
        study.sample.clusters, None if strata is None else study.sample.frame.groups(strata, "strata")
    )
    groups.require_drawable(resampling)
    balanced = Balanced.of(study, estimators)
    word = score_model_of(estimators)
    models = {
        "estimators": list(estimators),
        "penalty": penalty,
        "score_model": word,
        "means": contrast != "difference",
    }
    run = run_on(study, (names, per), groups, options, balanced, **models)
    found = _replicates(run, study, estimators, (penalty, word), balanced, options, studentized=studentized)
    each = zip(names, runs_of_outcomes(run, len(names)), [found, *found.others], strict=True)
    results = {
        name: result_of(
            of_outcome,
            own,
            estimators,
            facts[name],
            replace(groups, cluster_name=group_name(cluster), strata_name=group_name(strata)),
            options,
            n_rows=study.sample.frame.n_users,
            knows_skewness=study.sample.frequency is None or facts[name].binary,
            penalty=float(penalty),
            contrast=contrast,
            measured=measured.words(name),
            per=metrics.per,
            tidied=study.sample.frame.tidied_words,
        )
        for name, of_outcome, own in each
    }
    return results[outcome] if isinstance(outcome, str) else BootstrapResults(results)


def _replicates(
    run: Callable[..., core.Replicates],
    study: Study,
    estimators: Sequence[Estimator],
    score: tuple[float, ScoreWord],
    balanced: Balanced,
    options: ResamplingOptions,
    *,
    studentized: bool,
) -> core.Replicates:
    """Resample, name columns where that fails, and warn of what the models leave out."""
    (penalty, word), fits_score = score, _fit_scores(estimators)
    with (
        balanced.naming_infeasible(),
        naming_separated_model(study, penalty, fits_score=fits_score, score_model=word),
        naming_separated_scores(study, penalty if fits_score else None, word),
        naming_rows_outside_models(study),
        options.bar() as report,
    ):
        found = run(n_reps=options.n_reps, studentized=studentized, progress=report)
    _warn_of_models(study, estimators, penalty, found)
    balanced.warn_of_dropped(found, told=study.score.dropped(found.aliased))
    return found


def _fit_scores(estimators: Sequence[Estimator]) -> bool:
    return any(spec.needs_score for spec in estimators)


def _warn_of_models(
    study: Study, estimators: Sequence[Estimator], penalty: float, found: core.Replicates
) -> None:
    """Warn of the terms that the models of the data themselves leave out, and of a separated score model."""
    told = None
    if _fit_scores(estimators):
        told = study.score.dropped(found.aliased)
        warn_of_left_out(told)
        if len(found.diverging):
            study.score.fit(penalty, score_model_of(estimators)).warn_of_separation()
    if any(isinstance(spec, AIPW | IPWRA | RegressionAdjustment) for spec in estimators):
        warn_of_outcome_terms(study, found.outcome_aliased, told)


def _require_countable(df: AnyFrame, estimators: Sequence[Estimator], metrics: Metrics) -> None:
    """Require of cells that nothing asked for needs more than sums over users."""
    names = outcome_names(metrics.outcome)
    if len(names) > 1:
        require_users(df, "outcome", "a bootstrap of several outcomes that tell cells apart")
    for spec in estimators:
        if isinstance(spec, IPW) and spec.truncate is not None:
            require_users(
                df, "estimators", f"a bound on weights at a quantile of each replicate ({spec.label})"
            )
        if isinstance(spec, Balancing):
            require_users(df, "estimators", f"a bootstrap of weights that balance ({spec.label})")
