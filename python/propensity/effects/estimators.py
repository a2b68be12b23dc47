"""Estimator specifications: what to estimate and its options, nothing fitted.

The same specifications serve every function that runs several estimators side by side; those of matching are
in `matching_specification`. The compiled core reads their attributes by name: what has `n_neighbors` is
matching, what has a `method` uses an outcome model, the rest is weighting.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, get_args

from propensity.calls.keywords import answered_class
from propensity.effects.matching_specification import MatchingEstimand, NearestNeighbors
from propensity.errors import InvalidInputError
from propensity.frames import checks

WeightingEstimand: TypeAlias = Literal["ATE", "ATT", "ATC", "ATO", "ATM"]
AdjustmentEstimand: TypeAlias = Literal["ATE", "ATT", "ATC"]
OutcomeModel: TypeAlias = Literal["linear", "logistic"]
Method: TypeAlias = Literal["aipw", "ipwra", "regression"]


@answered_class
@dataclass(frozen=True)
class IPW:
    """Inverse probability weighting: the difference of two weighted (Hajek) means.

    Parameters
    ----------
    estimand : {"ATE", "ATT", "ATC", "ATO", "ATM"}, default "ATE"
        Whose effect: everyone's, the treated units', the control units', that of the units in the overlap of
        the arms (weights e (1 - e)), that of those whom pair matching would keep (min(e, 1 - e)). Everyone's
        is what weighting by the inverse probability gives without a further choice, hence the default.

    Examples
    --------
    >>> IPW("ATT").label
    'IPW ATT'
    """

    estimand: WeightingEstimand = "ATE"
    needs_score: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "estimand", checks.estimand(self.estimand, get_args(WeightingEstimand)))

    @property
    def label(self) -> str:
        """The name of this estimator in tables and plots."""
        return f"IPW {self.estimand}"


@answered_class
@dataclass(frozen=True)
class _Adjustment:
    """What the estimators with an outcome model share.

    Parameters
    ----------
    estimand : {"ATE", "ATT", "ATC"}, default "ATE"
        Whose effect: everyone's, the treated units', the control units'.
    outcome_model : {"linear", "logistic"}, default "linear"
        Fitted in each arm on its own. Linear suits any outcome, and a share as long as it is neither rare
        nor nearly certain; logistic suits outcomes in [0, 1].
    """

    estimand: AdjustmentEstimand = "ATE"
    outcome_model: OutcomeModel = "linear"
    method: ClassVar[Method]
    needs_score: ClassVar[bool] = True
    _name: ClassVar[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "estimand", checks.estimand(self.estimand, get_args(AdjustmentEstimand)))
        checks.choice("outcome_model", self.outcome_model, get_args(OutcomeModel))

    @property
    def label(self) -> str:
        """The name of this estimator in tables and plots; an outcome model not the default is in it."""
        options = "" if self.outcome_model == "linear" else f" ({self.outcome_model})"
        return f"{self._name} {self.estimand}{options}"


@answered_class
@dataclass(frozen=True)
class AIPW(_Adjustment):
    """Augmented inverse probability weighting: right if the score model or the outcome models are.

    Examples
    --------
    >>> AIPW("ATT", outcome_model="logistic").label
    'AIPW ATT (logistic)'
    """

    method: ClassVar[Method] = "aipw"
    _name: ClassVar[str] = "AIPW"


@answered_class
@dataclass(frozen=True)
class IPWRA(_Adjustment):
    """Regression adjustment whose outcome models are fitted with balancing weights: doubly robust too."""

    method: ClassVar[Method] = "ipwra"
    _name: ClassVar[str] = "IPWRA"


@answered_class
@dataclass(frozen=True)
class RegressionAdjustment(_Adjustment):
    """An outcome model in each arm, averaged over those the effect is for; no propensity score."""

    method: ClassVar[Method] = "regression"
    needs_score: ClassVar[bool] = False
    _name: ClassVar[str] = "Regression"


Estimator: TypeAlias = IPW | NearestNeighbors | AIPW | IPWRA | RegressionAdjustment
"""Any estimator specification."""


@dataclass(frozen=True)
class Regrouping:
    """Full matching, coarsened exact matching or subclassification: what a bootstrap of it is called.

    Parameters
    ----------
    method : str
        How groups are made.
    estimand : {"ATT", "ATC", "ATE"}
        Whose effect.

    Examples
    --------
    >>> Regrouping("full matching", "ATT").label
    'full matching ATT'
    """

    method: str
    estimand: MatchingEstimand

    @property
    def label(self) -> str:
        """The name of this estimator in tables and plots."""
        return f"{self.method} {self.estimand}"


def check_estimators(estimators: Sequence[Estimator], penalty: float) -> None:
    """Require specifications with different labels, and a score model for a penalty to act on."""
    if not isinstance(estimators, list | tuple):
        raise TypeError(f"estimators: a list of specifications such as IPW() is needed, not {estimators!r}")
    labels = []
    for estimator in estimators:
        if not isinstance(estimator, Estimator):
            raise InvalidInputError(f"estimators: a specification such as IPW() is needed, not {estimator!r}")
        labels.append(estimator.label)
    twice = [label for label in dict.fromkeys(labels) if labels.count(label) > 1]
    if twice or not labels:
        verb = "occurs" if len(twice) == 1 else "occur"
        more_than_once = f"{checks.listed(twice)} {verb} twice or more; give each once"
        problem = more_than_once if twice else "at least one is needed"
        raise InvalidInputError(f"estimators: {problem}")
    checks.number("penalty", penalty, minimum=0.0)
    if penalty and not any(spec.needs_score for spec in estimators):
        raise InvalidInputError(
            f"penalty: none of the estimators has a score model for {penalty!r} to act on; leave it out"
        )
