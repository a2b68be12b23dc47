"""The function that asks how strong a hidden confounder would have to be, by what it would explain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from propensity import core
from propensity.effects.estimators import AIPW
from propensity.effects.given_away import constant_cautions
from propensity.effects.sample import warn_once
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.native import AnyFrame
from propensity.frames.terms import Covariates, without_columns
from propensity.outcomes.models import Roles, Study, read_study
from propensity.scores.scored import warn_of_left_out
from propensity.sensitivity.benchmarks import Benchmarks, read_benchmarks, read_multiples
from propensity.sensitivity.bias import LinearBias
from propensity.sensitivity.debiased import Debiased, debiased
from propensity.sensitivity.least_squares import LeastSquares
from propensity.sensitivity.robustness import RobustnessValue

Strength = tuple[str, float, float, float]
"""A benchmark, how many times as strong, and partial R2 with treatment and outcome."""


@columns_by_name
def robustness_value(  # noqa: PLR0913 - each is a choice a user may have to make, by name
    df: AnyFrame,
    *,
    outcome: str,
    treatment: str,
    covariates: Covariates,
    benchmarks: Benchmarks | None = None,
    estimator: AIPW | None = None,
    multiples: Sequence[float] = (1, 2, 3),
    share: float = 1.0,
    cluster: object = None,
    sample_weight: object = None,
    level: float = 0.95,
) -> RobustnessValue:
    """Say how much a hidden confounder would have to explain to take the effect away.

    Strength is measured by partial R2: the share of what the covariates leave unexplained of the treatment,
    and of the outcome, that the confounder would explain. Covariates that were observed are the measure: what
    would one do that is as strong as they are, or twice as strong?

    Parameters
    ----------
    df, outcome, treatment, covariates
        As for `aipw`: one row a unit; columns, or the right-hand side of a formula.
    benchmarks : list of str and of lists of str, or None, default None
        Columns among the covariates to measure by; a categorical is one benchmark with all of its levels, and
        a list of columns is one together. None takes each column by itself for least squares, and none with
        an `estimator`, all of whose models are fitted again for each.
    estimator : AIPW or None, default None
        None regresses the outcome on treatment and covariates by least squares, which is exact for any
        confounder of such a regression (Cinelli and Hazlett 2020). An `AIPW` specification, of any models and
        cross-fitted or not, has the general form (Chernozhukov et al. 2022).
    multiples : list of float, default (1, 2, 3)
        How many times as strong as a benchmark the confounder is to be.
    share : float, default 1.0
        How much of the estimate is to be taken away.
    cluster : None, str, Series or array (n,), default None
        As for `aipw`; only with an `estimator`.
    sample_weight : None, str, Series or array (n,), default None
        How much of the population a row stands for.
    level : float, default 0.95
        Coverage of the intervals.

    Returns
    -------
    RobustnessValue
        With `value`, `value_at_alpha`, `partial_r2` and the `table` of benchmarks; `str()` is a sentence, and
        `plots.robustness_plot` draws the contours.

    Raises
    ------
    InvalidInputError
        As for `aipw`; a benchmark is no covariate, or adds nothing to the others; the covariates tell who was
        treated; clusters for least squares, whose partial R2 are made of the classical standard error.

    Warns
    -----
    CollinearityWarning
        A term repeats what earlier ones say, and is left out.
    OverlapWarning, BalanceWarning, SmallSampleWarning, DegenerateWarning
        As for `aipw`, with an `estimator`.

    Notes
    -----
    Least squares: with f = t / sqrt(df), the robustness value is (sqrt(f^4 + 4 f^2) - f^2) / 2, that of the
    interval the same of f less the quantile of Student's law with df - 1 over sqrt(df - 1), and the bias at
    most the standard error times sqrt(df R2_Y R2_D / (1 - R2_D)). A confounder k times as strong as a
    benchmark has R2_D = k r / (1 - r), r the benchmark's partial R2 with the treatment, and R2_Y as in
    equation 15 there.

    AIPW: the bias is at most S C_Y C_D, with S^2 = E[(Y - g)^2] E[alpha^2], g the outcome model and alpha the
    weights by which the effect is a mean of outcomes (1 / e of the treated and -1 / (1 - e) of the controls,
    for the ATE), C_Y^2 = `r2_outcome` the share of the residual variance that the confounder explains, and
    C_D^2 = `r2_treatment` / (1 - `r2_treatment`), where `r2_treatment` is the share of the mean square of the
    weights with the confounder that is not there without. Standard errors of the bounds are by influence
    values of the effect, of E[(Y - g)^2] and of E[alpha^2] together. A benchmark's strengths are what these
    two gain by it, over what they are: with it for the first, without it for the second.

    References
    ----------
    Cinelli and Hazlett (2020), Journal of the Royal Statistical Society B 82:39. Chernozhukov, Cinelli,
    Newey, Sharma and Syrgkanis (2022), Long story short: omitted variable bias in causal machine learning,
    NBER working paper 30302.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> covariates = ["engagement_tier", "query_confidence"]
    >>> found = ps.robustness_value(users, **roles, covariates=covariates, benchmarks=["engagement_tier"])
    >>> bool(0 <= found.value_at_alpha <= found.value <= 1)
    True
    """
    checks.confidence_level(level)
    checks.number("share", share, above=0.0)
    times = read_multiples(multiples)
    roles = Roles(treatment, outcome, covariates, cluster=cluster, sample_weight=sample_weight)
    checks.column_name("outcome", outcome)
    make = partial(RobustnessValue.of, share=float(share), treatment=treatment, outcome=outcome, level=level)
    if estimator is None:
        if cluster is not None:
            raise InvalidInputError(
                "cluster: partial R2 of least squares are made of its classical standard error, which has no "
                "clusters; take estimator=ps.AIPW()"
            )
        study = read_study(df, roles)
        fitted, kept = _least_squares(study, outcome)
        groups = read_benchmarks(list(study.columns) if benchmarks is None else benchmarks, study.columns)
        bias = LinearBias(fitted.estimate, fitted.std_error, fitted.df)
        strengths = [one for group in groups.items() for one in _linear(study, fitted, kept, group, times)]
        return make(bias, strengths, method="least squares with the treatment and all terms")
    if not isinstance(estimator, AIPW):
        raise InvalidInputError(
            f"estimator: ps.AIPW(...) is needed, or None for least squares, not {estimator!r}"
        )
    study = read_study(df, roles, takes_missing=estimator.takes_missing)
    found = debiased(study, outcome, estimator, treatment)
    warn_once(found.effect.cautions)
    groups = read_benchmarks(benchmarks or [], study.columns)
    general = partial(_general, df, roles, found, estimator)
    strengths = [one for group in groups.items() for one in general(group, times)]
    return make(found.bias, strengths, method=f"{estimator.label}: {found.effect.se_method}")


def _least_squares(study: Study, outcome: str) -> tuple[LeastSquares, list[int]]:
    """Fit the regression, and say which terms are in it."""
    sample = study.sample
    facts = sample.facts(outcome)
    warn_once((*study.cautions, *constant_cautions(facts), *sample.copies(outcome, study.columns)))
    there = sample.present_rows
    repeated = set(map(int, core.require_inside(study.outcome_x, there, np.zeros_like(there))))
    warn_of_left_out(study.score.dropped(sorted(repeated)))
    kept = [place for place in range(study.outcome_x.shape[1]) if place not in repeated]
    weight = None if sample.sample_weight is None else sample.sample_weight[there]
    x, y = study.outcome_x[there][:, kept], sample.frame.outcome(outcome)[there]
    return LeastSquares.of(x, sample.treated[there], y, weight), kept


def _linear(
    study: Study,
    fitted: LeastSquares,
    kept: list[int],
    group: tuple[str, tuple[str, ...]],
    times: Sequence[float],
) -> list[Strength]:
    """Give the strengths of a confounder so many times as strong as some columns."""
    label, columns = group
    own = set(study.outcome_recipe.made_of(columns))
    places = [place for place, term in enumerate(kept) if term in own]
    if not places:
        raise InvalidInputError(
            f"benchmarks: '{label}' adds nothing to the other covariates, whose terms repeat its own; leave "
            "it out, or give them together as one list"
        )
    r_treatment, r_outcome = fitted.without(places)
    odds = r_treatment / (1 - r_treatment) if r_treatment < 1 else np.inf
    strengths: list[Strength] = []
    for k in times:
        with_treatment = k * odds
        with_outcome = _linear_outcome(k, r_treatment, r_outcome)
        strengths.append((label, k, with_treatment, with_outcome))
    return strengths


def _linear_outcome(k: float, r_treatment: float, r_outcome: float) -> float:
    """Give the partial R2 with the outcome, given treatment and covariates (their equation 15)."""
    if k * r_treatment >= 1 or r_treatment >= 1 or r_outcome >= 1:
        return np.nan
    # Of confounder and benchmark, given the treatment, of which both are causes.
    between = k * r_treatment**2 / ((1 - k * r_treatment) * (1 - r_treatment))
    if between >= 1:
        return np.nan
    eta = (np.sqrt(k) + np.sqrt(between)) / np.sqrt(1 - between)
    return float(eta**2 * r_outcome / (1 - r_outcome))


def _general(
    df: AnyFrame,
    roles: Roles,
    found: Debiased,
    estimator: AIPW,
    group: tuple[str, tuple[str, ...]],
    times: Sequence[float],
) -> list[Strength]:
    """Give the strengths of a confounder so many times as strong as some columns, by leaving these out."""
    label, columns = group
    fewer = replace(roles, covariates=without_columns(roles.covariates, df, columns))
    study = read_study(df, fewer, takes_missing=estimator.takes_missing)
    assert isinstance(roles.outcome, str)
    short = debiased(study, roles.outcome, estimator, roles.treatment).bias
    long = found.bias
    r2_treatment = _gain(long.weight_square, short.weight_square)
    r2_outcome = _gain(short.outcome_variance, long.outcome_variance)
    return [(label, k, k * r2_treatment, k * r2_outcome) for k in times]


def _gain(larger: float, smaller: float) -> float:
    """Give by how much more the one is than the other; nothing where chance turned them around."""
    return max(larger / smaller - 1, 0.0) if smaller > 0 else np.nan
