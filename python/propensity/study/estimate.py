"""Several estimators side by side, and where they contradict each other."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import get_args

import numpy as np
import pandas as pd

from propensity.effects import inference
from propensity.effects.contrasts import SCALES, Contrast
from propensity.effects.effect import Effect
from propensity.effects.estimators import (
    AIPW,
    IPW,
    IPWRA,
    Balancing,
    Estimator,
    RegressionAdjustment,
    check_estimators,
)
from propensity.effects.matching_specification import NearestNeighbors
from propensity.effects.sample import Sample, warn_once
from propensity.effects.score_specification import ScoreSpecification
from propensity.errors import (
    ConvergenceError,
    FailedEstimatorWarning,
    InfeasibleError,
    InvalidInputError,
    NoMatchesError,
    OverlapError,
    SeparationError,
)
from propensity.frames import checks
from propensity.frames.by_name import columns_by_name
from propensity.frames.native import AnyFrame
from propensity.frames.terms import Covariates
from propensity.matching.nearest import find_neighbors
from propensity.matching.rows_to_match import read_rows_to_match
from propensity.outcomes.cross_fitted import cross_fitted_effects
from propensity.outcomes.models import (
    AdjustedEffects,
    Roles,
    Study,
    adjusted_effects,
    places_of_rows,
    read_study,
    warn_of_outcome_terms,
)
from propensity.outcomes.split_scores import scores_in_study, split_of_fitted
from propensity.scores.choice import ScoreChoice
from propensity.scores.cross_fitted import CrossFittedScores
from propensity.scores.flexible import Asked
from propensity.scores.logistic import named_model
from propensity.scores.model import ModelScores
from propensity.scores.scored import FittedScores, Scored, warn_of_left_out
from propensity.scores.separation import Separation
from propensity.weighting.balancing import BalancedSample
from propensity.weighting.doubts import ipw_doubts, without_remedy
from propensity.weighting.ipw import scored_effect, scored_out_of_sample

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

# What one estimator cannot do and another may.
_NOT_TO_BE_HAD = (SeparationError, OverlapError, ConvergenceError, NoMatchesError, InfeasibleError)

# Estimators of one thing on the same rows differ by little, and their difference has a standard error far
# below their own: it may be certain and not matter. A bias of half a standard error lowers the coverage of a
# 95% interval to 92%; below that a difference is not worth a note.
_WORTH_A_NOTE = 0.5


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
    cluster, sample_weight : None, str, Series or array (n,), default None
        As for `ipw`; matching has no clusters.
    level : float, default 0.95
        Coverage of the intervals.

    Returns
    -------
    DataFrame (1 + k, 8)
        By label, the naive gap (the difference of the raw means) first: `estimate`, `std_error`
        (`log_std_error` for ratios), `conf_low`, `conf_high`, `p_value`, `ess_treated`, `ess_control`, and
        `note`: cautions about the row, and which other estimators of the same estimand contradict it. `attrs`
        has the `level` and the `contrast`.

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
    roles = Roles(treatment, outcome, covariates, outcome_covariates, cluster, sample_weight)
    study = read_study(df, roles, takes_missing=_takes_missing(estimators))
    comparison = _Comparison(df, study, outcome, roles, penalty, contrast)
    effects: dict[str, Effect] = {NAIVE: _naive(study.sample, outcome, contrast)}
    failures: dict[str, InvalidInputError] = {}
    for estimator in estimators:
        try:
            effects[estimator.label] = comparison.effect(estimator)
        except _NOT_TO_BE_HAD as error:
            failures[estimator.label] = error
    if len(failures) == len(estimators):
        raise next(iter(failures.values()))
    comparison.warn_of_models()
    told = [str(comparison.separation)]
    cautions: dict[str, Warning] = {}
    for caution in (caution for effect in effects.values() for caution in effect.cautions):
        cautions.setdefault(without_remedy(caution), caution)
    warn_once(cautions.values(), told)
    warn_once(map(FailedEstimatorWarning, _by_reason(failures)))
    return _table(effects, failures, [NAIVE, *(estimator.label for estimator in estimators)], level)


def effect_by(
    estimator: Estimator, df: AnyFrame, roles: Roles, outcome: str, penalty: float, *, silent: bool = False
) -> Effect:
    """Estimate an effect in one way, as `estimate` does; `silent` where others have told of the models."""
    study = read_study(df, roles, takes_missing=_takes_missing([estimator]))
    comparison = _Comparison(df, study, outcome, roles, penalty, "difference")
    effect = comparison.effect(estimator)
    if not silent:
        comparison.warn_of_models()
        warn_once(effect.cautions, [str(comparison.separation)])
    return effect


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


def _naive(sample: Sample, outcome: str, contrast: Contrast) -> Effect:
    """Compare the arms as they are: weighting by scores that are equal for all."""
    nothing_known = Scored(np.full(len(sample.treated), 0.5))
    found = scored_effect(sample, outcome, nothing_known, IPW("ATE"), contrast, lambda _: ())
    return replace(found, scores=None)


@dataclass(frozen=True, eq=False)
class _Comparison:
    """Estimators on the same rows, for which the score model is fitted once, and not if none needs it."""

    df: AnyFrame
    study: Study
    outcome: str
    roles: Roles
    penalty: float
    contrast: Contrast
    _adjusted: list[AdjustedEffects] = field(default_factory=list)
    _balanced: list[BalancedSample] = field(default_factory=list)
    _cross_fitted: dict[tuple[ScoreChoice, str, bool], CrossFittedScores] = field(default_factory=dict)

    @cached_property
    def _fit(self) -> FittedScores | InvalidInputError:
        try:
            return self.study.score.fit(self.penalty).usable(self.study.sample.frame.index)
        except _NOT_TO_BE_HAD as error:
            return error

    @property
    def fitted(self) -> FittedScores:
        """The score model.

        Raises
        ------
        SeparationError, ConvergenceError
            It cannot be fitted.
        """
        if isinstance(self._fit, InvalidInputError):
            raise self._fit
        return self._fit

    @property
    def separation(self) -> Separation | None:
        """Where the score model is separated, if it was asked for."""
        found = self.__dict__.get("_fit")
        return found.separation if isinstance(found, FittedScores) else None

    def warn_of_models(self) -> None:
        """Warn of what the score model has to say, if it was asked for, and of terms of outcome models."""
        found = self.__dict__.get("_fit")
        if isinstance(found, FittedScores):
            found.warn_of_terms()
            found.warn_of_separation()
        told = found.dropped if isinstance(found, FittedScores) else None
        columns = dict.fromkeys(column for adjusted in self._adjusted for column in adjusted.left_out)
        if self._adjusted:
            warn_of_outcome_terms(self.study, columns, told)
        known = {name.replace("[T.", "[") for name in told or ()}
        left_out = dict.fromkeys(name for balanced in self._balanced for name in balanced.dropped)
        warn_of_left_out([name for name in left_out if name not in known])

    def cross_fitted(self, spec: ScoreSpecification) -> CrossFittedScores:
        """Give the scores of models that have not seen the rows, the same to all who ask for the same."""
        asked = Asked.by_estimator(spec.score_choice, spec.estimand, self.penalty)
        by_outcome = isinstance(spec, AIPW) and isinstance(spec.score_model, str)
        key = spec.score_choice, asked.estimand, by_outcome
        if key not in self._cross_fitted:
            places = places_of_rows(self.study, self.outcome) if by_outcome else None
            found = scores_in_study(self.study, asked, self.roles.treatment, self.penalty, places)
            self._cross_fitted[key] = found
        return self._cross_fitted[key]

    def effect(self, estimator: Estimator) -> Effect:
        """Estimate one of them."""
        outcome, study = self.outcome, self.study
        match estimator:
            case NearestNeighbors():
                return self._matched_effect(estimator).contrast_as(self.contrast)
            case IPW():
                scored = self._scored(estimator)
                doubts = ipw_doubts(study.sample, scored, estimator)
                return scored_effect(study.sample, outcome, scored, estimator, self.contrast, doubts)
            case Balancing():
                balanced = BalancedSample.of(study.sample, study.score, estimator)
                self._balanced.append(balanced)
                return balanced.effect(outcome, self.contrast)
            case AIPW() if estimator.is_cross_fitted:
                split = split_of_fitted(study, outcome, estimator, self.cross_fitted(estimator))
                return cross_fitted_effects(study, split, estimator, self.contrast)(outcome)
            case AIPW() | IPWRA() | RegressionAdjustment():
                fitted = self.fitted if estimator.needs_score else None
                adjusted = adjusted_effects(study, estimator, fitted, self.contrast)
                self._adjusted.append(adjusted)
                return adjusted(outcome)

    def _scored(self, spec: IPW) -> Scored:
        """Give the scores that rows are weighted by, with what is known of them."""
        if spec.needs_score:
            return self.fitted.scored
        scores = self.cross_fitted(spec)
        return scored_out_of_sample(self.study.sample, scores, scores.of_those_there.mean(axis=0))

    def _matched_effect(self, spec: NearestNeighbors) -> Effect:
        if not spec.on_scores and spec.covariates is None:
            spec = replace(spec, covariates=self.roles.covariates)
        sample, treatment = self.study.sample, self.roles.treatment
        # Distances between covariates do without scores, which say who chooses first if they can be had.
        model: ModelScores | None
        if not spec.needs_score:
            model = self.cross_fitted(spec)
        else:
            can_do_without = not spec.wanting_scores() and not isinstance(self._fit, FittedScores)
            model = None if can_do_without else named_model(self.fitted, treatment, sample.frame)
        weight = self.roles.sample_weight
        rows = read_rows_to_match(self.df, spec, treatment=treatment, scores=model, sample_weight=weight)
        return find_neighbors(rows, spec).effect(sample.frame.outcome(self.outcome))


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
    contradictions = _contradictions({label: e for label, e in effects.items() if label != NAIVE})
    notes = {
        label: [*map(str, effect.cautions), *contradictions.get(label, [])]
        for label, effect in effects.items()
    }
    notes |= {label: [str(error)] for label, error in failures.items()}
    table = table.reindex(pd.Index(order, name="estimator"))
    table["note"] = ["; ".join(notes[label]) for label in order]
    table.attrs = {"level": level, "contrast": effects[NAIVE].contrast}
    return table


def _contradictions(effects: Mapping[str, Effect]) -> dict[str, list[str]]:
    """Say of each label which others of the same estimand it contradicts."""
    influence = {label: effect.influence for label, effect in effects.items()}
    pairs = [
        (one, other, phi - psi)
        for (one, phi), (other, psi) in itertools.combinations(influence.items(), 2)
        if phi is not None and psi is not None and effects[one].estimand == effects[other].estimand
    ]
    notes: dict[str, list[str]] = {}
    for one, other, influence_on_gap in pairs:
        gap = _comparable(effects[one]) - _comparable(effects[other])
        clusters = inference.joined(effects[one].clusters, effects[other].clusters)
        error = inference.std_error(influence_on_gap, clusters)
        # Without any error the gap is rounding, as of outcomes that are all the same.
        certain = abs(gap) > inference.normal_quantile(1 - 0.05 / len(pairs)) * error > 0
        if certain and abs(gap) > _WORTH_A_NOTE * min(effects[one].std_error, effects[other].std_error):
            for here, there in ((one, other), (other, one)):
                words = (
                    f"contradicts {there}: {abs(gap) / error:.1f} standard errors of their difference apart"
                )
                notes.setdefault(here, []).append(words)
    return notes


def _comparable(effect: Effect) -> float:
    """Give the estimate on the scale of its influence values: the logarithm of a ratio."""
    return SCALES[effect.contrast].read(effect.estimate)
