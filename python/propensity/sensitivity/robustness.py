"""Robustness values: how much of treatment and outcome a hidden confounder would have to explain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from propensity import core
from propensity.effects.estimators import AIPW
from propensity.effects.given_away import constant_cautions
from propensity.effects.sample import warn_once
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.counted_rows import CountedRows, require_users
from propensity.frames.native import AnyFrame
from propensity.frames.one_column import one_outcome
from propensity.frames.takes_cells import takes_cells
from propensity.frames.terms import Covariates, without_columns
from propensity.frames.tidying import Missing, Tidying
from propensity.outcomes.cross_fitted import warn_of_cross_fitted_terms
from propensity.outcomes.models import Roles, Study, read_study
from propensity.scores.own_models import own_learner
from propensity.scores.scored import warn_of_left_out
from propensity.sensitivity.benchmarks import Benchmarks, read_benchmarks, read_multiples
from propensity.sensitivity.bias import LinearBias
from propensity.sensitivity.debiased import Debiased, debiased
from propensity.sensitivity.least_squares import LeastSquares
from propensity.sensitivity.robustness_result import RobustnessValue

Strength = tuple[str, float, float, float]
"""A benchmark, how many times as strong, and partial R2 with treatment and outcome."""


@columns_by_name
@takes_cells()
def robustness_value(  # noqa: PLR0913 - each is a choice a user may have to make, by name
    df: AnyFrame,
    *,
    outcome: str,
    treatment: str,
    covariates: Covariates,
    missing: Missing | None = None,
    min_level_count: int | None = None,
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
    df, outcome, treatment, covariates, missing, min_level_count
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
    >>> print(found)
    to take it away (+0.1279) a hidden confounder would have to explain 10.4% of what the covariates leave
    unexplained, of 'opt_in_agent_mode' and of 'task_completed' alike; 6.4% would do for the 95% interval; one
    as strong as engagement_tier explains 21.9% and 7.4%, and would leave -0.04037
    """
    checks.confidence_level(level)
    checks.number("share", share, above=0.0)
    times = read_multiples(multiples)
    tidying = Tidying.of(missing, min_level_count)
    roles = Roles(
        treatment, outcome, covariates, cluster=cluster, sample_weight=sample_weight, tidying=tidying
    )
    one_outcome("robustness_value", outcome, treatment, covariates)
    make = partial(RobustnessValue.of, share=float(share), treatment=treatment, outcome=outcome, level=level)
    if estimator is not None and not isinstance(estimator, AIPW):
        raise InvalidInputError(
            f"estimator: ps.AIPW(...) is needed, or None for least squares, not {estimator!r}"
        )
    if estimator is None and cluster is not None:
        raise InvalidInputError(
            "cluster: partial R2 of least squares are made of its classical standard error, which has no "
            "clusters; take estimator=ps.AIPW()"
        )
    _require_countable(df, outcome, estimator)
    study = read_study(
        df, roles, takes_missing=(False, False) if estimator is None else estimator.takes_missing
    )
    terms = _Terms.of(study)
    usual = [] if estimator is not None else terms.telling
    groups = read_benchmarks(usual if benchmarks is None else benchmarks, study.columns)
    if estimator is None:
        found = _least_squares(study, terms, outcome)
        bias = LinearBias(found.estimate, found.std_error, found.df)
        strengths = [one for label, own in groups.items() for one in _linear(found, terms, label, own, times)]
        return make(bias, strengths, method="least squares with the treatment and all terms")
    whole = debiased(study, outcome, estimator, treatment)
    terms.warn_as_of(estimator)
    warn_once(whole.effect.cautions)
    strengths = []
    for label, own in groups.items():
        terms.require(label, own)
        fewer = without_columns(covariates, df, [*own, *terms.redundant])
        short = read_study(df, replace(roles, covariates=fewer), takes_missing=estimator.takes_missing)
        strengths += _gains(whole, debiased(short, outcome, estimator, treatment), label, times)
    return make(whole.bias, strengths, method=f"{estimator.label}: {whole.effect.se_method}")


def _require_countable(df: AnyFrame, outcome: str, estimator: AIPW | None) -> None:
    """Require of cells that bounds ask for no more than sums of outcomes and of their squares."""
    if estimator is None or not isinstance(df, CountedRows):
        return
    if estimator.is_cross_fitted:
        require_users(df, "estimator", f"a model that is fitted in folds ({estimator.label})")
    if outcome in df.ends:  # errors of the residual variance are made of fourth powers
        require_users(df, "estimator", f"the error of a variance of '{outcome}', which is not 0/1,")


@dataclass(frozen=True, eq=False)
class _Terms:
    """The terms of a study, by place, and those of them that repeat earlier ones and are left out."""

    study: Study
    repeated: frozenset[int]

    @classmethod
    def of(cls, study: Study) -> _Terms:
        there = study.sample.present_rows
        found = core.require_inside(study.outcome_x, there, np.zeros_like(there))
        return cls(study, frozenset(map(int, found)))

    @property
    def kept(self) -> list[int]:
        """The places of the others."""
        return [place for place in range(self.study.outcome_x.shape[1]) if place not in self.repeated]

    @property
    def redundant(self) -> list[str]:
        """The columns none of whose terms is kept."""
        recipe = self.study.outcome_recipe
        own = {name: recipe.made_of([name]) for name in recipe.columns if name in self.study.columns}
        return [name for name, places in own.items() if places and self.repeated.issuperset(places)]

    @property
    def telling(self) -> list[str]:
        """The columns of which some terms are kept."""
        made_of, kept = self.study.outcome_recipe.made_of, set(self.kept)
        return [name for name in self.study.columns if kept.intersection(made_of([name]))]

    def require(self, label: str, columns: Sequence[str]) -> list[int]:
        """Give the places, among those kept, of the terms made of some columns: there have to be some."""
        own = set(self.study.outcome_recipe.made_of(columns))
        places = [place for place, term in enumerate(self.kept) if term in own]
        if not places:
            raise InvalidInputError(
                f"benchmarks: '{label}' adds nothing to the other covariates, whose terms repeat its own; "
                "leave it out, or give them together as one list"
            )
        return places

    def warn_as_of(self, estimator: AIPW | None) -> None:
        """Warn of terms that our own models leave out."""
        if estimator is not None and estimator.is_cross_fitted:
            models = own_learner(estimator.score_model), own_learner(estimator.outcome_model)
            warn_of_cross_fitted_terms(self.study, *models)
        else:
            warn_of_left_out(self.study.score.dropped(sorted(self.repeated)))


def _least_squares(study: Study, terms: _Terms, outcome: str) -> LeastSquares:
    """Fit the regression."""
    sample = study.sample
    facts = sample.facts(outcome)
    warn_once((*study.cautions, *constant_cautions(facts), *sample.copies(outcome, study.columns)))
    terms.warn_as_of(None)
    there = sample.present_rows
    weight = None if sample.mass is None else sample.mass[there]
    x, y = study.outcome_x[there][:, terms.kept], sample.frame.outcome(outcome)[there]
    return LeastSquares.of(x, sample.treated[there], y, weight, sample.n_users(there))


def _linear(
    found: LeastSquares, terms: _Terms, label: str, columns: Sequence[str], times: Sequence[float]
) -> list[Strength]:
    """Give the strengths of a confounder so many times as strong as some columns."""
    r_treatment, r_outcome = found.without(terms.require(label, columns))
    odds = r_treatment / (1 - r_treatment) if r_treatment < 1 else np.inf
    return [(label, k, k * odds, with_outcome(k, r_treatment, r_outcome)) for k in times]


def with_outcome(k: float, r_treatment: float, r_outcome: float) -> float:
    """Give the partial R2 with the outcome, given treatment and covariates (their equation 15)."""
    if k * r_treatment >= 1 or r_treatment >= 1 or r_outcome >= 1:
        return 1.0
    # Of confounder and benchmark, given the treatment, of which both are causes.
    between = k * r_treatment**2 / ((1 - k * r_treatment) * (1 - r_treatment))
    if between >= 1:
        return 1.0
    eta = (np.sqrt(k) + np.sqrt(between)) / np.sqrt(1 - between)
    return min(float(eta**2 * r_outcome / (1 - r_outcome)), 1.0)


def _gains(whole: Debiased, short: Debiased, label: str, times: Sequence[float]) -> list[Strength]:
    """Give the strengths of a confounder so many times as strong as what was left out."""
    r2_treatment = _gain(whole.bias.weight_square, short.bias.weight_square)
    r2_outcome = _gain(short.bias.outcome_variance, whole.bias.outcome_variance)
    return [(label, k, k * r2_treatment, min(k * r2_outcome, 1.0)) for k in times]


def _gain(larger: float, smaller: float) -> float:
    """Give by how much more the one is than the other; nothing where chance turned them around."""
    return max(larger / smaller - 1, 0.0) if smaller > 0 else np.nan
