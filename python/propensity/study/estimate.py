"""Several estimators side by side, and where they contradict each other."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar, get_args

import pandas as pd

from propensity.effects.contrasts import Contrast
from propensity.effects.effect import Effect
from propensity.effects.estimators import AIPW, IPW, Balancing, Estimator, check_estimators
from propensity.effects.grouped import GroupedEffects
from propensity.effects.matching_specification import NearestNeighbors
from propensity.effects.metrics import Metrics, Winsorize
from propensity.effects.sample import warn_once
from propensity.effects.score_specification import ScoreSpecification
from propensity.errors import FailedEstimatorWarning, InvalidInputError
from propensity.frames import checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.checks import Floats
from propensity.frames.native import AnyFrame
from propensity.frames.terms import Covariates
from propensity.outcomes.models import Roles, Study, read_study
from propensity.study.by_group import effects_in_groups, table_of_groups
from propensity.study.comparison import NOT_TO_BE_HAD, Comparison
from propensity.study.contradictions import contradictions
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

NAIVE = "naive gap"


@columns_by_name
def estimate(  # noqa: PLR0913 - each is a choice a user may have to make, by name
    df: AnyFrame,
    *,
    outcome: str,
    treatment: str,
    covariates: Covariates,
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
) -> pd.DataFrame:
    """Estimate an effect in several ways, and set the answers beside the naive gap.

    Parameters
    ----------
    df : DataFrame
    outcome, treatment : str
    covariates : list of str, or str
        As for `bootstrap`.
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
        As for `ipw`; matching has no clusters.
    level : float, default 0.95
        Coverage of the intervals.

    Returns
    -------
    DataFrame (1 + k, 8), or with `by` (G * (1 + k), 8)
        By label, with `by` by group and label, the naive gap (the difference of the raw means) first:
        `estimate`, `std_error` (`log_std_error` for ratios), `conf_low`, `conf_high`, `p_value`,
        `ess_treated`, `ess_control`, and `note`: cautions about the row, and which other estimators of the
        same estimand contradict it, which in groups is not looked at. `attrs` has the `level` and the
        `contrast`.

    Raises
    ------
    InvalidInputError
        As for the functions of the estimators; two of these have the same label; matching is asked for
        clusters.
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
    """
    checks.one_outcome("estimate", outcome, treatment, covariates)
    check_estimators(estimators, penalty)
    checks.confidence_level(level)
    checks.choice("contrast", contrast, get_args(Contrast))
    for estimator in estimators:
        if isinstance(estimator, NearestNeighbors):
            _require_supported(estimator, cluster)
    metrics = Metrics(outcome, per, winsorize)
    roles = Roles(treatment, metrics.columns, covariates, outcome_covariates, cluster, sample_weight)
    study = read_study(df, roles, takes_missing=_takes_missing(estimators), two_ways=True)
    comparison = _compared(df, study, roles, metrics, penalty, contrast, by)
    order = [NAIVE, *(estimator.label for estimator in estimators)]
    if by is not None:
        grouped, failures = _estimated(
            estimators,
            effects_in_groups(comparison, None, by),
            lambda estimator: effects_in_groups(comparison, estimator, by),
        )
        _tell(comparison, [found.cautions for found in grouped.values()], failures)
        return table_of_groups(grouped, failures, order, level)
    effects, failures = _estimated(estimators, comparison.naive(), comparison.effect)
    _tell(comparison, [effect.cautions for effect in effects.values()], failures)
    return _table(effects, failures, order, level)


_Found = TypeVar("_Found", Effect, GroupedEffects)


def _estimated(
    estimators: Sequence[Estimator], naive: _Found, estimated: Callable[[Estimator], _Found]
) -> tuple[dict[str, _Found], dict[str, InvalidInputError]]:
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
    return found, failures


def _tell(
    comparison: Comparison,
    said: Sequence[tuple[Warning, ...]],
    failures: Mapping[str, InvalidInputError],
) -> None:
    """Warn of models, of what there is to say of estimates, and of those that cannot be had, each once."""
    comparison.warn_of_models()
    cautions: dict[str, Warning] = {}
    for caution in itertools.chain.from_iterable(said):
        cautions.setdefault(without_remedy(caution), caution)
    warn_once(cautions.values(), [str(comparison.separation)])
    warn_once(map(FailedEstimatorWarning, _by_reason(failures)))


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
        warn_once(effect.cautions, [str(comparison.separation)])
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


def _by_reason(failures: Mapping[str, InvalidInputError]) -> list[str]:
    """Say of each reason for which estimators it is one."""
    labels: dict[str, list[str]] = {}
    for label, error in failures.items():
        labels.setdefault(str(error), []).append(label)
    return [f"{', '.join(names)} could not be had: {reason}" for reason, names in labels.items()]


def _require_supported(spec: NearestNeighbors, cluster: object) -> None:
    if cluster is not None:
        raise InvalidInputError(f"estimators: matching has no cluster; leave {spec.label!r} out")


def _table(
    effects: Mapping[str, Effect],
    failures: Mapping[str, InvalidInputError],
    order: Sequence[str],
    level: float,
) -> pd.DataFrame:
    rows = [
        effect.to_frame(level).drop(columns=["mean_treated", "mean_control"]) for effect in effects.values()
    ]
    table = pd.concat(rows).set_axis(pd.Index(effects, name="estimator"))
    found = contradictions({label: e for label, e in effects.items() if label != NAIVE})
    notes = {label: [*map(str, effect.cautions), *found.get(label, [])] for label, effect in effects.items()}
    notes |= {label: [str(error)] for label, error in failures.items()}
    table = table.reindex(pd.Index(order, name="estimator"))
    table["note"] = ["; ".join(notes[label]) for label in order]
    table.attrs = {"level": level, "contrast": effects[NAIVE].contrast}
    return table
