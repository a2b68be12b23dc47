"""Several estimators side by side, and where they contradict each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Required, TypedDict, TypeVar, Unpack, get_args, overload

from propensity.effects.asked_estimators import check_estimators
from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.effects.estimators import AIPW, IPW, Balancing, Estimator
from propensity.effects.grouped import GroupedEffects
from propensity.effects.matching_specification import FullMatching, NearestNeighbors
from propensity.effects.metrics import Metrics, Winsorize
from propensity.effects.sample import warn_once
from propensity.effects.score_specification import ScoreSpecification
from propensity.effects.subclass_specification import AnyMatching
from propensity.errors import FailedEstimatorWarning, InvalidInputError
from propensity.frames import checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.checks import Floats
from propensity.frames.counted_rows import require_users
from propensity.frames.native import AnyFrame
from propensity.frames.outcome_names import outcome_names
from propensity.frames.takes_cells import takes_cells
from propensity.frames.terms import Covariates
from propensity.frames.tidying import Missing, Tidying
from propensity.matching.counted_neighbors import require_countable
from propensity.outcomes.models import Roles, Study, read_study
from propensity.study.by_group import effects_in_groups
from propensity.study.comparison import NOT_TO_BE_HAD, Comparison
from propensity.study.estimates import NAIVE, Estimates, EstimatesByOutcome
from propensity.study.where_it_lies import Lazy
from propensity.tables.asked import require_nothing_more
from propensity.tables.engine import is_lazy
from propensity.weighting.by_group import groups_of
from propensity.weighting.doubts import without_remedy

# The two questions most asked, each answered by weighting, by an estimator that does not hang on the score
# alone, and by weights that balance whatever the score: where they part, one of the models is wrong. All of
# them have every contrast and clusters.
DEFAULT_ESTIMATORS: tuple[Estimator, ...] = (
    IPW("ATE"),
    AIPW("ATE"),
    Balancing("ATE"),
    IPW("ATT"),
    AIPW("ATT"),
    Balancing("ATT"),
)


class _Options(TypedDict, total=False):
    treatment: Required[str]
    covariates: Required[Covariates]
    missing: Missing | None
    min_level_count: int | None
    estimators: Sequence[Estimator]
    outcome_covariates: Covariates | None
    penalty: float
    contrast: Contrast
    by: str | Sequence[str] | None
    per: str | None
    winsorize: Winsorize
    cluster: object
    sample_weight: object
    level: float


@overload
def estimate(df: AnyFrame, *, outcome: str, **options: Unpack[_Options]) -> Estimates: ...
@overload
def estimate(
    df: AnyFrame, *, outcome: list[str] | tuple[str, ...], **options: Unpack[_Options]
) -> EstimatesByOutcome: ...
@columns_by_name
@takes_cells(values=("winsorize",), several=EstimatesByOutcome)
def estimate(  # noqa: PLR0913 - each is a choice a user may have to make, by name
    df: AnyFrame,
    *,
    outcome: str | Sequence[str],
    treatment: str,
    covariates: Covariates,
    missing: Missing | None = None,
    min_level_count: int | None = None,
    estimators: Sequence[Estimator] = DEFAULT_ESTIMATORS,
    outcome_covariates: Covariates | None = None,
    penalty: float = 0.0,
    contrast: Contrast = "difference",
    by: str | Sequence[str] | None = None,
    per: str | None = None,
    winsorize: Winsorize = None,
    cluster: object = None,
    sample_weight: object = None,
    level: float = 0.95,
) -> Estimates | EstimatesByOutcome:
    """Estimate an effect in several ways, and set the answers beside the naive gap.

    Parameters
    ----------
    df : DataFrame, or a table of DuckDB, polars, ibis, Spark or sqlframe
        A row a user. Of a table that an engine holds nothing is fetched: each pass of a fit is one query of
        sums. See the notes.
    outcome : str, or list of str
        A column, or several, whose models of the treatment are fitted once.
    treatment : str
    covariates : list of str, or str
        As for `bootstrap`.
    missing, min_level_count
        As for `fit_propensity`: what to do with missing values and rare levels.
    estimators : sequence of Estimator, default IPW, AIPW and Balancing, for "ATE" and for "ATT"
        With different labels.
    outcome_covariates : list of str, str, or None, default None
        Of the outcome models, where they are others.
    penalty : float, default 0.0
        L2 strength of the score model, as for `fit_propensity`.
    contrast : {"difference", "ratio", "percent", "odds_ratio"}, default "difference"
        What the two means are made into; "percent" is the lift, 100 (ratio - 1).
    by : None, str or list of str, default None
        A column whose values are groups, or several: all estimates in each, models being fitted once to all
        rows. Matching takes groups that it matches within (``NearestNeighbors("ATT", exact=["tier"])``).
    per, winsorize
        As for `ipw`: a column that the outcome is divided by; a quantile at which it is bounded.
    cluster, sample_weight : None, str, Series or array (n,), default None
        As for `ipw`.
    level : float, default 0.95
        Coverage of the intervals.

    Returns
    -------
    Estimates, or EstimatesByOutcome for a list of outcomes
        Read by label, ``estimates["IPW ATE"]``, which is an `Effect`, with `by` a `GroupedEffects`; its
        `table` has a row for each, the naive gap (the difference of the raw means) first, and a `note` of
        cautions, and of which other estimators of the same estimand contradict it. Of several outcomes it is
        a mapping from each to its `Estimates`, p-values adjusted in its `table`.

    Raises
    ------
    InvalidInputError
        As for the functions of the estimators; two of these have the same label.
    SeparationError, OverlapError, ConvergenceError, NoMatchesError, InfeasibleError
        None of the estimators can be had.

    Warns
    -----
    FailedEstimatorWarning
        Some of the estimators cannot be had; their rows are NaN, with the reason in the note.
    BalanceWarning, OverlapWarning, SeparationWarning, SmallSampleWarning, CollinearityWarning
        As for the functions of the estimators, each once.

    Notes
    -----
    The score model is fitted once, and not where no estimator needs it; scores of other models, which
    specifications name (``IPW("ATE", score_model=...)``), once for all estimators that ask for the same.

    Two estimators contradict each other when they differ by more than their joint influence values allow (at
    5%, Bonferroni over the pairs), and by more than half the smaller standard error. Rows that vary together
    in either of the two do so in their difference.

    Of a table that an engine holds (a DuckDB relation, a polars LazyFrame, an ibis table, Spark's) there are
    `IPW`, `AIPW` and `RegressionAdjustment` with logistic scores and linear outcome models, by default the
    first two for the ATE and the ATT; `covariates` is a list of columns, of up to 60 terms; `cluster` is a
    column. Means and standard errors are those of a frame of the same rows; effects have no `weights` and no
    `influence`, intervals no correction for leverage, and contradictions are not looked for. Where covariates
    repeat, `collapse` is quicker and gives all else.

    Examples
    --------
    >>> import propensity as ps
    >>> users = ps.datasets.opt_in_logs(n_users=2_000)
    >>> roles = {"outcome": "task_completed", "treatment": "opt_in_agent_mode"}
    >>> covariates = ["engagement_tier", "query_confidence"]
    >>> table = ps.estimate(users, **roles, covariates=covariates)
    >>> table["estimate"].round(3)
    estimator
    naive gap    0.232
    IPW ATE      0.137
    AIPW ATE     0.137
    EB ATE       0.137
    IPW ATT      0.107
    AIPW ATT     0.107
    EB ATT       0.108
    Name: estimate, dtype: float64
    """
    check_estimators(estimators, penalty)
    checks.confidence_level(level)
    contrast = checks.word("contrast", contrast, get_args(Contrast))
    if is_lazy(df):
        asked = None if estimators is DEFAULT_ESTIMATORS else tuple(estimators)
        beside = {"by": by, "per": per, "winsorize": winsorize, "sample_weight": sample_weight}
        tidied = {"missing": missing, "min_level_count": min_level_count}
        require_nothing_more({**beside, **tidied, "outcome_covariates": outcome_covariates})
        table = Lazy(df, treatment, covariates, cluster)
        return table.estimates(outcome, asked, penalty=penalty, contrast=contrast, level=level)
    _require_countable(df, estimators, Metrics(outcome, per, winsorize))
    metrics = Metrics(outcome, per, winsorize)
    tidying = Tidying.of(missing, min_level_count)
    roles = Roles(treatment, metrics.columns, covariates, outcome_covariates, cluster, sample_weight, tidying)
    study = read_study(df, roles, takes_missing=_takes_missing(estimators), two_ways=True)
    comparison = _compared(df, study, roles, metrics, penalty, contrast, by)
    if isinstance(outcome, str):
        found = _on_outcome(comparison, estimators, outcome, by, level)
        _tell(comparison, [found])
        return found
    names = outcome_names(outcome)
    several = {name: _on_outcome(comparison, estimators, name, by, level) for name in names}
    _tell(comparison, list(several.values()))
    return EstimatesByOutcome(several)


_Found = TypeVar("_Found", Effect, GroupedEffects)


def _on_outcome(
    comparison: Comparison,
    estimators: Sequence[Estimator],
    outcome: str,
    by: str | Sequence[str] | None,
    level: float,
) -> Estimates:
    """Set the estimators side by side for one outcome."""
    labels = [NAIVE, *(estimator.label for estimator in estimators)]
    if by is None:
        effects, failures = _estimated(
            estimators, comparison.naive(outcome), partial(comparison.effect, outcome=outcome)
        )
        return Estimates.of(effects, failures, labels, outcome, level)
    grouped, failures = _estimated(
        estimators,
        effects_in_groups(comparison, None, by),
        lambda estimator: effects_in_groups(comparison, estimator, by),
    )
    return Estimates.of(grouped, failures, labels, outcome, level)


def _estimated(
    estimators: Sequence[Estimator], naive: _Found, estimated: Callable[[Estimator], _Found]
) -> tuple[dict[str, _Found], dict[str, str]]:
    """Give what can be had by label, the naive gap first, and why the others cannot.

    Raises
    ------
    InvalidInputError
        None can.
    """
    found: dict[str, _Found] = {NAIVE: naive}
    failures: dict[str, InvalidInputError] = {}
    for estimator in estimators:
        try:
            found[estimator.label] = estimated(estimator)
        except NOT_TO_BE_HAD as error:
            failures[estimator.label] = error
    if len(failures) == len(estimators):
        raise next(iter(failures.values()))
    return found, {label: str(error) for label, error in failures.items()}


def _tell(comparison: Comparison, found: Sequence[Estimates]) -> None:
    """Warn of models, of what there is to say of estimates, and of those that cannot be had, each once."""
    comparison.warn_of_models()
    cautions: dict[str, Warning] = {}
    for estimates in found:
        for effect in estimates.effects.values():
            for caution in effect.cautions:
                cautions.setdefault(without_remedy(caution), caution)
    warn_once(cautions.values(), comparison.separations)
    reasons = [reason for estimates in found for reason in _by_reason(estimates.failures)]
    warn_once(map(FailedEstimatorWarning, reasons))


def _compared(
    df: AnyFrame,
    study: Study,
    roles: Roles,
    metrics: Metrics,
    penalty: float,
    contrast: Contrast,
    by: str | Sequence[str] | None = None,
) -> Comparison:
    """Look at what is to be measured and in which groups, and put estimators on these rows."""
    measured = metrics.measured(study.sample)
    beside = () if by is None else (groups_of(measured, by).codes,)
    study = replace(study, sample=measured.sample, beside=(*study.beside, *beside))
    return Comparison(df, study, roles, penalty, contrast, measured)


def effect_by(
    estimator: Estimator,
    df: AnyFrame,
    roles: Roles,
    outcome: str,
    penalty: float,
    *,
    silent: bool = False,
    beside: Sequence[Floats] = (),
) -> Effect:
    """Estimate an effect in one way, as `estimate` does.

    Parameters
    ----------
    silent : bool, default False
        Whether others have told of the models.
    beside : sequence of ndarray (n,)
        What rows hold that its models do not see, and tells them apart where they are dealt to folds.
    """
    study = replace(read_study(df, roles, takes_missing=_takes_missing([estimator])), beside=tuple(beside))
    comparison = _compared(df, study, roles, Metrics(outcome), penalty, "difference")
    effect = comparison.effect(estimator)
    if not silent:
        comparison.warn_of_models()
        warn_once(effect.cautions, comparison.separations)
    return effect


def terms_of(estimator: Estimator, df: AnyFrame, roles: Roles) -> tuple[Floats, ...]:
    """Give the terms (n,) that the models of an estimator see."""
    study = read_study(df, roles, takes_missing=_takes_missing([estimator]))
    return (*study.score.x.T, *study.outcome_x.T)


def _takes_missing(estimators: Sequence[Estimator]) -> tuple[bool, bool]:
    """Whether all score models, and all outcome models, may be given missing values."""
    specs = [spec for spec in estimators if isinstance(spec, ScoreSpecification)]
    if len(specs) < len(estimators):
        return False, False
    score = all(not isinstance(spec.score_model, str) for spec in specs)
    return score, all(not isinstance(spec, AIPW) or spec.learns_outcomes for spec in specs)


def _by_reason(failures: Mapping[str, str]) -> list[str]:
    """Say of each reason for which estimators it is one."""
    labels: dict[str, list[str]] = {}
    for label, reason in failures.items():
        labels.setdefault(reason, []).append(label)
    return [f"{', '.join(names)} could not be had: {reason}" for reason, names in labels.items()]


def _require_countable(df: AnyFrame, estimators: Sequence[Estimator], metrics: Metrics) -> None:
    """Require of cells that no estimator looks at single users."""
    for spec in estimators:
        if isinstance(spec, FullMatching):
            require_users(df, "estimators", f"matching ({spec.label})")
        if isinstance(spec, NearestNeighbors):
            require_countable(df, spec, "estimators")
        if isinstance(spec, AnyMatching) and (metrics.per is not None or metrics.winsorize is not None):
            role = "per" if metrics.per is not None else "winsorize"
            require_users(df, role, f"matching on what is made of outcomes ({spec.label})")
        if isinstance(spec, Balancing) and spec.penalty > 0:
            require_users(df, "estimators", f"a penalty by how rows are spread ({spec.label})")
        if isinstance(spec, ScoreSpecification) and not spec.needs_score:
            require_users(df, "estimators", f"a model that is fitted in folds ({spec.label})")
