"""Estimator specifications: what to estimate and its options, nothing fitted.

The same specifications serve every function that runs several estimators side by side. The compiled
core reads their attributes by name: what has `n_neighbors` is matching, what has a `method` uses an outcome
model, the rest is weighting.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, get_args

from propensity import _check
from propensity.errors import InvalidInputError

WeightingEstimand: TypeAlias = Literal["ATE", "ATT", "ATC", "ATO", "ATM"]
AdjustmentEstimand: TypeAlias = Literal["ATE", "ATT", "ATC"]
MatchingEstimand: TypeAlias = Literal["ATT", "ATC", "ATE"]
Quantity: TypeAlias = Literal["score", "logit"]
OutcomeModel: TypeAlias = Literal["linear", "logistic"]
Method: TypeAlias = Literal["aipw", "ipwra", "regression"]


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

    def __post_init__(self) -> None:
        _check.choice("estimand", self.estimand, get_args(WeightingEstimand))

    @property
    def label(self) -> str:
        """The name of this estimator in tables and plots."""
        return f"IPW {self.estimand}"


@dataclass(frozen=True)
class NearestNeighbors:
    """Matching on the propensity score, with replacement, tied neighbours sharing the weight.

    Parameters
    ----------
    estimand : {"ATT", "ATC", "ATE"}, default "ATT"
        Whose effect: each treated unit is compared with its nearest controls (ATT), each control with its
        nearest treated units (ATC), or both (ATE).
    n_neighbors : int, default 1
        Neighbours per unit. One has the least bias; more have less variance.
    caliper : float or None, default None
        Largest distance allowed, in standard deviations (over all rows, divisor n - 1) of the quantity
        matched on. None allows any, so that no unit is left out and the estimand stays what it says.
    on : {"score", "logit"}, default "score"
        The quantity whose distance counts. The logit spreads out the scores near 0 and 1.

    Examples
    --------
    >>> NearestNeighbors().label
    '1-NN ATT'
    >>> NearestNeighbors("ATC", n_neighbors=3, caliper=0.2, on="logit").label
    '3-NN ATC (logit, caliper 0.2)'
    """

    estimand: MatchingEstimand = "ATT"
    n_neighbors: int = 1
    caliper: float | None = None
    on: Quantity = "score"

    def __post_init__(self) -> None:
        _check.choice("estimand", self.estimand, get_args(MatchingEstimand))
        _check.count("n_neighbors", self.n_neighbors)
        if self.caliper is not None:
            _check.number("caliper", self.caliper, above=0.0)
        _check.choice("on", self.on, get_args(Quantity))

    @property
    def label(self) -> str:
        """The name of this estimator in tables and plots; options that are not the default are in it."""
        logit = "logit" if self.on == "logit" else ""
        caliper = f"caliper {self.caliper:g}" if self.caliper is not None else ""
        options = ", ".join(filter(None, [logit, caliper]))
        return f"{self.n_neighbors}-NN {self.estimand}" + (f" ({options})" if options else "")


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
    _name: ClassVar[str]

    def __post_init__(self) -> None:
        _check.choice("estimand", self.estimand, get_args(AdjustmentEstimand))
        _check.choice("outcome_model", self.outcome_model, get_args(OutcomeModel))

    @property
    def label(self) -> str:
        """The name of this estimator in tables and plots; an outcome model not the default is in it."""
        options = "" if self.outcome_model == "linear" else f" ({self.outcome_model})"
        return f"{self._name} {self.estimand}{options}"


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


@dataclass(frozen=True)
class IPWRA(_Adjustment):
    """Regression adjustment whose outcome models are fitted with balancing weights: doubly robust too.

    Examples
    --------
    >>> IPWRA().label
    'IPWRA ATE'
    """

    method: ClassVar[Method] = "ipwra"
    _name: ClassVar[str] = "IPWRA"


@dataclass(frozen=True)
class RegressionAdjustment(_Adjustment):
    """An outcome model in each arm, averaged over those the effect is for; no propensity score.

    Examples
    --------
    >>> RegressionAdjustment("ATC").label
    'Regression ATC'
    """

    method: ClassVar[Method] = "regression"
    _name: ClassVar[str] = "Regression"


Estimator: TypeAlias = IPW | NearestNeighbors | AIPW | IPWRA | RegressionAdjustment
"""Any estimator specification."""


def check_estimators(estimators: Sequence[Estimator]) -> None:
    """Require specifications with different labels."""
    if not isinstance(estimators, list | tuple):
        raise TypeError(f"estimators: a list of specifications such as IPW() is needed, not {estimators!r}")
    labels = []
    for estimator in estimators:
        if not isinstance(estimator, Estimator):
            raise InvalidInputError(f"estimators: a specification such as IPW() is needed, not {estimator!r}")
        labels.append(estimator.label)
    twice = [label for label in dict.fromkeys(labels) if labels.count(label) > 1]
    if twice or not labels:
        problem = f"{_check.listed(twice)} occur twice" if twice else "at least one is needed"
        raise InvalidInputError(f"estimators: {problem}")
