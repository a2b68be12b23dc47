"""Estimator specifications: what to estimate and its options, nothing fitted.

The same specifications serve every function that runs several estimators side by side. The compiled
core reads their attributes by name: what has `n_neighbors` is matching, the rest is weighting.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from propensity import _check

WeightingEstimand: TypeAlias = Literal["ATE", "ATT", "ATC"]
MatchingEstimand: TypeAlias = Literal["ATT", "ATC", "ATE"]
Quantity: TypeAlias = Literal["score", "logit"]


@dataclass(frozen=True)
class IPW:
    """Inverse probability weighting: the difference of two weighted (Hajek) means.

    Parameters
    ----------
    estimand : {"ATE", "ATT", "ATC"}, default "ATE"
        Whose effect: everyone's, the treated units', the control units'. Everyone's is what weighting by the
        inverse probability gives without a further choice, hence the default.

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


Estimator: TypeAlias = IPW | NearestNeighbors
"""Any estimator specification."""
