"""What every estimator with an outcome model may be asked by name, for the types of its overloads."""

from __future__ import annotations

from typing import Required, TypedDict

from propensity.effects.contrasts import Contrast
from propensity.effects.estimators import AdjustmentEstimand, OutcomeModel
from propensity.effects.metrics import Winsorize
from propensity.frames.terms import Covariates


class SharedOptions(TypedDict, total=False):
    """Those that learners leave as they are."""

    treatment: Required[str]
    covariates: Required[Covariates]
    outcome_covariates: Covariates | None
    estimand: AdjustmentEstimand
    penalty: float
    contrast: Contrast
    per: str | None
    winsorize: Winsorize
    cluster: object
    sample_weight: object


class Options(SharedOptions, total=False):
    """Those of the estimators whose outcome models are words."""

    outcome_model: OutcomeModel
