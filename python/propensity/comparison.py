"""Several estimators side by side, and where they contradict each other."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypedDict, get_args

import numpy as np
import pandas as pd

from propensity import _check, inference
from propensity._sample import Sample
from propensity._study import Study, adjusted_effect, read_study
from propensity.contrasts import SCALES, Contrast
from propensity.effects import Effect
from propensity.errors import InvalidInputError
from propensity.estimators import (
    AIPW,
    IPW,
    IPWRA,
    Estimator,
    NearestNeighbors,
    RegressionAdjustment,
    check_estimators,
)
from propensity.frames.native import AnyFrame
from propensity.frames.terms import Covariates
from propensity.matching import read_cast
from propensity.results import PropensityModel
from propensity.scores import fit_propensity
from propensity.weighting import Scored, weighted_effect

# The two questions most asked, each answered by weighting and by an estimator that does not hang on the
# score alone: where they part, one of the models is wrong. All of them have every contrast and clusters.
DEFAULT_ESTIMATORS: tuple[Estimator, ...] = (IPW("ATE"), AIPW("ATE"), IPW("ATT"), AIPW("ATT"))

NAIVE = "naive gap"

# Estimators of one thing on the same rows differ by little, and their difference has a standard error far
# below their own: it may be certain and not matter. A bias of half a standard error lowers the coverage of a
# 95% interval to 92%; below that a difference is not worth a note.
_WORTH_A_NOTE = 0.5


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
        pandas, polars or pyarrow; one row a unit.
    outcome : str
        A column, numeric or bool.
    treatment : str
        A column, bool or 0/1.
    covariates : list of str, or str
        As for `fit_propensity`.
    estimators : sequence of Estimator, default IPW("ATE"), AIPW("ATE"), IPW("ATT"), AIPW("ATT")
        With different labels.
    outcome_covariates : list of str, str, or None, default None
        Of the outcome models, where they are others.
    penalty : float, default 0.0
        L2 strength of the score model, as for `fit_propensity`.
    contrast : {"difference", "ratio", "odds_ratio"}, default "difference"
        What the two means are made into; matching with replacement has differences only.
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
        clusters, or with replacement for a ratio.

    Notes
    -----
    Two estimators contradict each other when they differ by more than their joint influence values allow (at
    5%, Bonferroni over the pairs), and by more than half the smaller standard error. Rows that vary together
    in either of the two do so in their difference.
    """
    _check.one_outcome("estimate", outcome)
    check_estimators(estimators)
    _check.confidence_level(level)
    _check.choice("contrast", contrast, get_args(Contrast))
    for estimator in estimators:
        if isinstance(estimator, NearestNeighbors):
            _require_supported(estimator, contrast, cluster)
    roles = _Roles(treatment=treatment, outcome=outcome, covariates=covariates)
    study = read_study(
        df, **roles, outcome_covariates=outcome_covariates, cluster=cluster, sample_weight=sample_weight
    )
    model = fit_propensity(
        df, treatment=treatment, covariates=covariates, penalty=penalty, sample_weight=sample_weight
    )
    effects = {NAIVE: _naive(study.sample, outcome, contrast)}
    for estimator in estimators:
        if isinstance(estimator, NearestNeighbors):
            effect = _matched_effect(estimator, df, study, model, roles).contrast_as(contrast)
        else:
            effect = _effect(estimator, study, model, outcome, contrast)
        effects[estimator.label] = effect
    return _table(effects, level)


class _Roles(TypedDict):
    treatment: str
    outcome: str
    covariates: Covariates


def _require_supported(spec: NearestNeighbors, contrast: Contrast, cluster: object) -> None:
    asked = {
        f"contrast={contrast!r} with replacement": contrast != "difference" and spec.max_uses != 1,
        "cluster": cluster is not None,
    }
    wanted = [name for name, flag in asked.items() if flag]
    if wanted:
        raise InvalidInputError(
            f"estimators: matching has no {' and no '.join(wanted)}; leave {spec.label!r} out"
        )


def _naive(sample: Sample, outcome: str, contrast: Contrast) -> Effect:
    """Compare the arms as they are: weighting by scores that are equal for all."""
    nothing_known = Scored(np.full(len(sample.treated), 0.5))
    return weighted_effect(sample, outcome, nothing_known, "ATE", contrast)


def _effect(
    estimator: IPW | AIPW | IPWRA | RegressionAdjustment,
    study: Study,
    model: PropensityModel,
    outcome: str,
    contrast: Contrast,
) -> Effect:
    match estimator:
        case IPW(estimand):
            scored = Scored(model.fit.scores, study.score_x, model.penalty)
            return weighted_effect(study.sample, outcome, scored, estimand, contrast)
        case AIPW() | IPWRA() | RegressionAdjustment():
            return adjusted_effect(study, outcome, estimator, model.penalty, contrast)


def _matched_effect(
    spec: NearestNeighbors, df: AnyFrame, study: Study, model: PropensityModel, roles: _Roles
) -> Effect:
    if not spec.on_scores and spec.covariates is None:
        spec = replace(spec, covariates=roles["covariates"])
    weight = study.sample.sample_weight
    cast = read_cast(df, spec, treatment=roles["treatment"], scores=model, sample_weight=weight)
    return cast.match(spec).effect(study.sample.frame.outcome(roles["outcome"]))


def _table(effects: Mapping[str, Effect], level: float) -> pd.DataFrame:
    rows = [
        effect.to_frame(level).drop(columns=["mean_treated", "mean_control"]) for effect in effects.values()
    ]
    table = pd.concat(rows).set_axis(pd.Index(effects, name="estimator"))
    contradictions = _contradictions({label: e for label, e in effects.items() if label != NAIVE})
    notes = {
        label: [*map(str, effect.cautions), *contradictions.get(label, [])]
        for label, effect in effects.items()
    }
    table["note"] = ["; ".join(notes[label]) for label in effects]
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
