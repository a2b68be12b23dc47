"""Quantile effects by weighting: medians and tails, which latency and revenue are about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import pandas as pd

from propensity.effects.estimators import WeightingEstimand
from propensity.effects.sample import warn_once
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.native import AnyFrame
from propensity.frames.one_column import one_outcome
from propensity.frames.terms import Covariates
from propensity.frames.tidying import Missing, Tidying
from propensity.outcomes.models import Roles, read_study
from propensity.resampling.options import Groups, ResamplingOptions
from propensity.weighting.quantile_result import QuantileContrast, QuantileEffects
from propensity.weighting.quantile_rows import QuantileRows, require_positive


@columns_by_name
def quantile_effect(  # noqa: PLR0913 - each is a choice a user may have to make, by name
    df: AnyFrame,
    *,
    outcome: str,
    treatment: str,
    covariates: Covariates,
    missing: Missing | None = None,
    min_level_count: int | None = None,
    q: float | Sequence[float] = (0.5, 0.9, 0.99),
    estimand: WeightingEstimand = "ATE",
    contrast: QuantileContrast = "difference",
    penalty: float = 0.0,
    cluster: object = None,
    strata: object = None,
    sample_weight: object = None,
    n_reps: int = 500,
    seed: int | np.random.Generator | None = 0,
    n_threads: int | None = None,
    progress: bool | None = None,
) -> QuantileEffects:
    """Estimate what the treatment does to quantiles of the outcome, by inverse probability weighting.

    The difference of the two medians, say, had everyone been treated and had nobody: not the median of what
    it does to each, which nobody can see.

    Parameters
    ----------
    df, outcome, treatment : DataFrame, str and str
        As for `ipw`.
    covariates : list of str, or str
        Of the score model, as for `fit_propensity`, which is fitted here, and again in every replicate.
    missing, min_level_count
        As for `fit_propensity`: what to do with missing values and rare levels.
    q : float, or sequence of float, default (0.5, 0.9, 0.99)
        Which quantiles, strictly between 0 and 1.
    estimand : {"ATE", "ATT", "ATC", "ATO", "ATM"}, default "ATE"
        Whose outcomes, as for `ipw`.
    contrast : {"difference", "ratio", "percent"}, default "difference"
        What the two quantiles are made into.
    penalty : float, default 0.0
        L2 strength of the score model, as for `fit_propensity`.
    cluster, strata, sample_weight : None, str, Series or array (n,), default None
        As for `bootstrap`.
    n_reps : int, default 500
        Replicates; 2,000 for an interval to publish.
    seed, n_threads, progress
        As for `bootstrap`.

    Returns
    -------
    QuantileEffects
        With a `table` by q.

    Raises
    ------
    InvalidInputError
        As for `fit_propensity`; a quantile is none; a ratio of quantiles that are not positive; no replicate
        could be estimated.
    OverlapError, SeparationError
        As for `fit_propensity` and `ipw`.

    Warns
    -----
    SmallSampleWarning
        An arm is worth fewer than 10 rows beyond a quantile, or more than 2% of it hold the very value.
    OverlapWarning, BalanceWarning
        As for `ipw`; more than 5% of the replicates could not be estimated, among them those that have no
        ratio, as a quantile of theirs is not positive.

    Notes
    -----
    Each quantile minimizes the weighted check function (Firpo 2007, Econometrica 75, 259, equation 4.1).
    Intervals are percentiles of a bootstrap that draws rows, or clusters, and fits the score anew. Beside it
    stands the error by influence, that of the weighted contrast of -(1{Y <= quantile} - q) / density (section
    4.2 there), counting that the score was estimated; where the two are far apart the density at the quantile
    is hard to tell.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"treatment": "opt_in_agent_mode", "covariates": ["engagement_tier"]}
    >>> found = ps.quantile_effect(users, outcome="session_minutes", q=[0.5, 0.9], **roles, n_reps=100)
    >>> found.table["estimate"].round(1)
    q
    0.5    2.0
    0.9    2.0
    Name: estimate, dtype: float64
    """
    one_outcome("quantile_effect", outcome, treatment, covariates)
    asked = _quantiles(q)
    contrast = checks.word("contrast", contrast, get_args(QuantileContrast))
    checks.number("penalty", penalty, minimum=0.0)
    estimand = checks.estimand(estimand, get_args(WeightingEstimand))
    options = ResamplingOptions("multinomial", n_reps, seed, n_threads, progress)
    tidying = Tidying.of(missing, min_level_count)
    roles = Roles(
        treatment, outcome, covariates, cluster=cluster, sample_weight=sample_weight, tidying=tidying
    )
    study = read_study(df, roles, also={"strata": strata})
    sample = study.sample
    fitted = study.score.fit(penalty).usable(sample.frame.index)
    fitted.warn_of_terms()
    fitted.warn_of_separation()
    stratum = None if strata is None else sample.frame.groups(strata, "strata")
    groups = Groups(sample.clusters, stratum)
    groups.require_drawable("multinomial")
    work = QuantileRows.of(sample, fitted, outcome, asked, estimand)
    quantiles = work.quantiles
    require_positive(quantiles, contrast)
    replicates, failures = work.replicated(groups, options, contrast)
    cautions = work.cautions()
    warn_once(cautions, [str(fitted.separation)])
    return QuantileEffects(
        q=asked,
        estimand=estimand,
        contrast=contrast,
        quantiles=pd.DataFrame(
            quantiles.T, index=pd.Index(asked, name="q"), columns=pd.Index(["treated", "control"], name="arm")
        ),
        replicates=replicates,
        analytic_std_errors=pd.Series(
            work.std_errors(contrast), index=pd.Index(asked, name="q"), name="analytic_std_error"
        ),
        seed=options.seed,
        cautions=cautions,
        first_failure=str(failures[0][1]) if failures else "",
    )


def _quantiles(q: object) -> tuple[float, ...]:
    """Read which quantiles are asked for."""
    given: list[Any] = list(q) if isinstance(q, list | tuple | np.ndarray | pd.Index) else [q]
    for one in given:
        checks.number("q", one)
        if not 0 < one < 1:
            raise InvalidInputError(f"q: {one!r} is no quantile strictly between 0 and 1, as 0.9")
    if not given or len(set(given)) < len(given):
        raise InvalidInputError("q: different quantiles are needed, at least one, as [0.5, 0.9]")
    return tuple(float(one) for one in given)
