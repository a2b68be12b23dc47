"""A score model and outcome models on the same rows: their terms, and the effects that follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from propensity import _check, core
from propensity._check import Floats
from propensity._sample import Sample, read_sample
from propensity.contrasts import Contrast
from propensity.crossfit import CrossFit, augmented_means
from propensity.effects import Effect
from propensity.errors import SeparationError
from propensity.estimators import AIPW, IPWRA, AdjustmentEstimand, RegressionAdjustment
from propensity.frames.native import AnyFrame
from propensity.frames.terms import Covariates, make_terms, parse_covariates
from propensity.learners import Linear
from propensity.scores import naming_separation, warn_of_terms

_STACKED = {
    "aipw": "stacked estimating equations of score, outcome models and means",
    "ipwra": "stacked estimating equations of score, weighted outcome models and means",
    "regression": "stacked estimating equations of outcome models and means",
}


@dataclass(frozen=True, eq=False)
class Study:
    """Rows, with the terms of the score model (n, d) and of the outcome models (n, k), and their names.

    `empty_terms` are those of the score without a column: text with a single level.
    """

    sample: Sample
    score_x: Floats
    outcome_x: Floats
    score_terms: tuple[str, ...]
    outcome_terms: tuple[str, ...]
    empty_terms: tuple[str, ...]


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
    score_x, recipe = make_terms(sample.frame, score_terms)
    if outcome_covariates is None:
        return Study(sample, score_x, score_x, recipe.names, recipe.names, recipe.empty)
    outcome_x, other = make_terms(sample.frame, outcome_terms)
    return Study(sample, score_x, outcome_x, recipe.names, other.names, recipe.empty)


def adjusted_effect(
    study: Study,
    outcome: str,
    spec: AIPW | IPWRA | RegressionAdjustment,
    penalty: float,
    contrast: Contrast,
) -> Effect:
    """Estimate one effect with parametric models."""
    sample = study.sample
    x, score_columns, outcome_columns = side_by_side(study)
    with naming_separated_model(study, penalty, fits_score=spec.method != "regression"):
        found = core.adjust(
            x,
            sample.treated,
            sample.frame.outcome(outcome),
            method=spec.method,
            estimand=spec.estimand,
            outcome_model=spec.outcome_model,
            penalty=penalty,
            score_columns=score_columns,
            outcome_columns=outcome_columns,
            sample_weight=sample.sample_weight,
        )
    left_out = (*study.empty_terms, *(study.score_terms[column] for column in found.aliased))
    warn_of_terms(left_out, study.score_terms, found.diverging, study.score_x, stacklevel=4)
    weighting = sample.unweighted() if found.scores is None else sample.weighting(found.scores, spec.estimand)
    return sample.effect(
        outcome,
        found,
        weighting,
        estimand=spec.estimand,
        contrast=contrast,
        se_method=_STACKED[spec.method],
    )


def cross_fitted_effect(
    study: Study,
    outcome: str,
    models: CrossFit,
    scores: Floats,
    estimand: AdjustmentEstimand,
    contrast: Contrast,
    se_method: str,
) -> Effect:
    """Estimate one effect with models that have not seen the rows they predict."""
    sample = study.sample
    y = sample.frame.outcome(outcome)
    # Least squares goes along with any shift; what somebody else's model does, nobody knows.
    origin = _middle(y) if isinstance(models.outcome_model, Linear) else 0.0
    y = y - origin
    with _naming_separation_of_outcome(study):
        fitted = {arm: models.outcomes(sample, study.outcome_x, y, treated=arm) for arm in (True, False)}
    weighting = sample.weighting(scores, estimand)
    means = augmented_means(sample, y, weighting.weights, fitted, estimand, origin)
    return sample.effect(outcome, means, weighting, estimand=estimand, contrast=contrast, se_method=se_method)


def _middle(y: Floats) -> float:
    """Give the middle of the range of values far from zero, as the core does (src/origin.rs); else zero."""
    low, high = float(y.min()), float(y.max())
    middle = low / 2 + high / 2
    return middle if abs(middle) > high - low else 0.0


def side_by_side(study: Study) -> tuple[Floats, list[int] | None, list[int] | None]:
    """Give the core one matrix, and which columns of it either model uses."""
    if study.score_x is study.outcome_x:
        return study.score_x, None, None
    n_score, n_outcome = study.score_x.shape[1], study.outcome_x.shape[1]
    both = np.asfortranarray(np.hstack([study.score_x, study.outcome_x]))
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
        if fits_score:
            with naming_separation(study.score_terms, study.score_x):
                fit = core.fit_propensity(
                    study.score_x,
                    study.sample.treated,
                    penalty=penalty,
                    sample_weight=study.sample.sample_weight,
                )
                if refuses_quasi and len(fit.diverging):
                    raise SeparationError(str(error), map(int, fit.diverging)) from error
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
