"""A score model and outcome models on the same rows: their terms, and the effects that follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from propensity import _check, core
from propensity._check import Floats, Rows
from propensity._sample import Sample, read_sample
from propensity.arms import ArmMeans
from propensity.cautions import terms_cautions
from propensity.contrasts import Contrast
from propensity.crossfit import CrossFit, augmented_means, rows_by_content
from propensity.effects import Effect
from propensity.errors import SeparationError
from propensity.estimators import AIPW, IPWRA, AdjustmentEstimand, RegressionAdjustment
from propensity.frames.columns import outcome_names
from propensity.frames.native import AnyFrame
from propensity.frames.terms import Covariates, make_terms, parse_covariates
from propensity.imbalance import Judged
from propensity.learners import Linear
from propensity.scored import FittedScores, Scored, ScoreRows
from propensity.weighting import weighting_cautions

_STACKED = {
    "aipw": "stacked estimating equations of score, outcome models and means",
    "ipwra": "stacked estimating equations of score, weighted outcome models and means",
    "regression": "stacked estimating equations of outcome models and means",
}


@dataclass(frozen=True, eq=False)
class Study:
    """Rows, with the terms of the score model and those of the outcome models (n, k), and their names."""

    sample: Sample
    score: ScoreRows
    outcome_x: Floats
    outcome_terms: tuple[str, ...]


def read_study(
    df: AnyFrame,
    *,
    treatment: str,
    outcome: str | Sequence[str],
    covariates: Covariates,
    outcome_covariates: Covariates | None = None,
    cluster: object = None,
    sample_weight: object = None,
    also: Mapping[str, object] | None = None,
) -> Study:
    """Read the columns with a role, and make the terms of both models."""
    score_terms = outcome_terms = parse_covariates(covariates, df, may_be_none=True)
    if outcome_covariates is not None:
        outcome_terms = parse_covariates(outcome_covariates, df, may_be_none=True)
    sample = read_sample(
        df,
        treatment=treatment,
        outcome=outcome,
        covariates=tuple(dict.fromkeys([*score_terms.columns, *outcome_terms.columns])),
        cluster=cluster,
        sample_weight=sample_weight,
        also=also,
    )
    weight = sample.sample_weight
    score_x, recipe = make_terms(sample.frame, score_terms, sample_weight=weight)
    columns = {name: sample.frame.columns[name] for name in score_terms.columns}
    score = ScoreRows(columns, score_x, recipe, sample.treated, weight)
    if outcome_covariates is None:
        return Study(sample, score, score_x, recipe.names)
    outcome_x, other = make_terms(sample.frame, outcome_terms, sample_weight=weight)
    return Study(sample, score, outcome_x, other.names)


def adjusted_effects(
    study: Study,
    spec: AIPW | IPWRA | RegressionAdjustment,
    fitted: FittedScores | None,
    contrast: Contrast,
) -> Callable[[str], Effect]:
    """Give what estimates the effect on an outcome with parametric models, the score being fitted already."""
    sample = study.sample
    cautions: tuple[Warning, ...] = ()
    if fitted is None:
        weighting = sample.unweighted()
    else:
        weighting = sample.weighting(fitted.fit.scores, spec.estimand)
        cautions = weighting_cautions(sample, fitted.scored, weighting, estimand=spec.estimand, alone=False)
    rows = (weighting.ess_treated, weighting.ess_control) if spec.method == "ipwra" else sample.outcome_rows()
    few = terms_cautions(rows, study.outcome_x.shape[1] + 1, spec.estimand)

    def effect_on(outcome: str) -> Effect:
        return sample.effect(
            outcome,
            _adjusted_means(study, outcome, spec, fitted),
            weighting,
            estimand=spec.estimand,
            contrast=contrast,
            se_method=_STACKED[spec.method],
            cautions=(*cautions, *few),
        )

    return effect_on


def _adjusted_means(
    study: Study, outcome: str, spec: AIPW | IPWRA | RegressionAdjustment, fitted: FittedScores | None
) -> ArmMeans:
    sample = study.sample
    x, score_columns, outcome_columns = side_by_side(study)
    try:
        return core.adjust(
            x,
            sample.treated,
            sample.frame.outcome(outcome),
            method=spec.method,
            estimand=spec.estimand,
            outcome_model=spec.outcome_model,
            penalty=0.0 if fitted is None else fitted.fit.penalty,
            score_columns=score_columns,
            outcome_columns=outcome_columns,
            sample_weight=sample.sample_weight,
            scores=None if fitted is None else fitted.fit.scores,
        )
    except SeparationError as error:
        raise _separation_of_outcome(study, error) from None


def rows_in_order(study: Study, outcome: str | Sequence[str]) -> Rows:
    """Give the rows that weigh something by what they hold: terms, weights, outcomes, then clusters."""
    sample = study.sample
    matrices = [study.score.x] if study.score.x is study.outcome_x else [study.score.x, study.outcome_x]
    beside = [sample.sample_weight, *map(sample.frame.outcome, outcome_names(outcome)), sample.clusters]
    columns = (*(column for matrix in matrices for column in matrix.T), *beside)
    return rows_by_content([column for column in columns if column is not None], sample.sample_weight)


def cross_fitted_effects(
    study: Study,
    models: CrossFit,
    scores: Floats,
    estimand: AdjustmentEstimand,
    contrast: Contrast,
    se_method: str,
) -> Callable[[str], Effect]:
    """Give what estimates the effect on an outcome with models that have not seen the rows they predict."""
    sample = study.sample
    weighting = sample.weighting(scores, estimand)
    scored = Scored(scores, study.score.x, judged=Judged.of_terms(study.score.x, study.score.recipe))
    cautions = weighting_cautions(sample, scored, weighting, estimand=estimand, alone=False)

    def effect_on(outcome: str) -> Effect:
        y = sample.frame.outcome(outcome)
        # Least squares goes along with any shift; what somebody else's model does, nobody knows.
        origin = _middle(y) if isinstance(models.outcome_model, Linear) else 0.0
        y = y - origin
        with _naming_separation_of_outcome(study):
            fitted = {arm: models.outcomes(sample, study.outcome_x, y, treated=arm) for arm in (True, False)}
        return sample.effect(
            outcome,
            augmented_means(sample, y, weighting.weights, fitted, estimand, origin),
            weighting,
            estimand=estimand,
            contrast=contrast,
            se_method=se_method,
            cautions=cautions,
        )

    return effect_on


def _middle(y: Floats) -> float:
    """Give the middle of the range of values far from zero, as the core does (src/origin.rs); else zero."""
    low, high = float(y.min()), float(y.max())
    middle = low / 2 + high / 2
    return middle if abs(middle) > high - low else 0.0


def side_by_side(study: Study) -> tuple[Floats, list[int] | None, list[int] | None]:
    """Give the core one matrix, and which columns of it either model uses."""
    score_x = study.score.x
    if score_x is study.outcome_x:
        return score_x, None, None
    n_score, n_outcome = score_x.shape[1], study.outcome_x.shape[1]
    both = np.asfortranarray(np.hstack([score_x, study.outcome_x]))
    return both, list(range(n_score)), list(range(n_score, n_score + n_outcome))


@contextmanager
def naming_separated_model(
    study: Study, penalty: float, *, fits_score: bool, refuses_quasi: bool = False
) -> Iterator[None]:
    """Say which model a `SeparationError` is of; the core, which fits all in one go, does not.

    A bootstrap refuses quasi-separation too, which `fit_propensity` warns of.
    """
    try:
        yield
    except SeparationError as error:
        if not error.columns:
            raise
        separation = study.score.fit(penalty).separation if fits_score else None
        if refuses_quasi and separation is not None:
            raise SeparationError(str(separation), error.columns) from None
        raise _separation_of_outcome(study, error) from None


@contextmanager
def _naming_separation_of_outcome(study: Study) -> Iterator[None]:
    try:
        yield
    except SeparationError as error:
        raise _separation_of_outcome(study, error) from None


def _separation_of_outcome(study: Study, error: SeparationError) -> SeparationError:
    named = _check.listed(study.outcome_terms[column] for column in error.columns)
    return SeparationError(
        f"outcome model, term {named}: some of its rows have outcome 0 all, or 1 all, so its coefficient "
        'grows without bound (separation); leave the term out, or use outcome_model="linear"',
        error.columns,
    )
