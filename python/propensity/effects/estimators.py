"""Estimator specifications: what to estimate and its options, nothing fitted.

The same specifications serve every function that runs several estimators side by side. The compiled
core reads their attributes by name: what has `n_neighbors` is matching, what has a `method` uses an outcome
model, the rest is weighting.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, get_args

from propensity.calls.by_name import renamed
from propensity.errors import InvalidInputError
from propensity.frames import checks

WeightingEstimand: TypeAlias = Literal["ATE", "ATT", "ATC", "ATO", "ATM"]
AdjustmentEstimand: TypeAlias = Literal["ATE", "ATT", "ATC"]
MatchingEstimand: TypeAlias = Literal["ATT", "ATC", "ATE"]
Quantity: TypeAlias = Literal["score", "logit"]
Space: TypeAlias = Literal["score", "logit", "mahalanobis", "robust_mahalanobis", "euclidean"]
Ties: TypeAlias = Literal["average"]
MatchingMethod: TypeAlias = Literal["nearest", "optimal"]
Order: TypeAlias = Literal["largest", "smallest", "closest", "random", "data"]
Discard: TypeAlias = Literal["treated", "control", "both"]
CaliperUnit: TypeAlias = Literal["sd", "raw"]
CaliperSd: TypeAlias = Literal["all", "pooled"]
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
    needs_score: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "estimand", checks.estimand(self.estimand, get_args(WeightingEstimand)))

    @property
    def label(self) -> str:
        """The name of this estimator in tables and plots."""
        return f"IPW {self.estimand}"


@dataclass(frozen=True)
class NearestNeighbors:
    """Matching with the nearest units of the other arm.

    Parameters
    ----------
    estimand : {"ATT", "ATC", "ATE"}, default "ATT"
        Whose effect: each treated unit is compared with its nearest controls (ATT), each control with its
        nearest treated units (ATC), or both (ATE).
    n_neighbors : int, default 1
        Neighbours per unit. One has the least bias; more have less variance.
    caliper : float, dict, or None, default None
        Largest difference allowed: a number for the score or logit matched on (the score, where distances
        are between covariates); a dict for named columns, among them "scores" and "logit". None allows any,
        so that no unit is left out and the estimand stays what it says.
    on : {"score", "logit", "mahalanobis", "robust_mahalanobis", "euclidean"}, default "score"
        What distances are measured on. The logit spreads out the scores near 0 and 1. The others are
        distances between covariates: by their covariance within the arms, by that of their ranks (for
        skewed and rare ones), each on its standard deviation within the arms.
    replace : bool, default True
        Whether a unit may be a neighbour more than once. Without, comparisons get worse where one arm runs
        short, but each unit counts once.
    max_reuse : int or None, default None
        The most units that one may be a neighbour of; None for any number, which is also what a number says
        that no unit can reach, for there are no more to be a neighbour of.
    method : {"nearest", "optimal"}, default "nearest"
        What `match_nn` calls `method`. "optimal", without replacement only: nobody chooses first; of all
        sets of as many pairs as there can be, that with the least sum of distances.
    order : {"largest", "smallest", "closest", "random", "data"} or None, default None
        Who chooses first, where neighbours are taken from each other: by the score, the closest pair of all,
        by a draw, as the rows come (the one that depends on their order). None lets those with the fewest
        neighbours choose first: "largest" for treated units, "smallest" for controls, and "random" where
        there are no scores.
    covariates : list of str, str, or None, default None
        Of the distances between covariates, as for `fit_propensity`; None takes those of the analysis.
    exact : sequence of str, default ()
        Columns in which a unit and its neighbours must agree.
    discard : {"treated", "control", "both"} or None, default None
        Leave out the units of this arm (or both) whose score lies outside the range of the other arm's. (The
        convex hull of one score is its range.)
    caliper_unit : {"sd", "raw"}, default "sd"
        Whether calipers are in standard deviations, or in units of the column.
    caliper_sd : {"all", "pooled"}, default "all"
        Which standard deviation: over all units (divisor n - 1), as in MatchIt, or
        sqrt((s1^2 + s0^2) / 2) within the arms, as in Austin (2011), which is smaller.
    seed : int, default 0
        Of the draws that settle ties where a unit may not be used freely.

    Examples
    --------
    >>> NearestNeighbors().label
    '1-NN ATT'
    >>> NearestNeighbors("ATC", n_neighbors=3, caliper=0.2, on="logit").label
    '3-NN ATC (logit, caliper 0.2)'
    >>> NearestNeighbors(replace=False, exact=["tier"]).label
    '1-NN ATT (without replacement, exact tier)'
    """

    estimand: MatchingEstimand = "ATT"
    n_neighbors: int = 1
    caliper: float | Mapping[str, float] | None = None
    on: Space = "score"
    replace: bool = True
    max_reuse: int | None = None
    method: MatchingMethod = "nearest"
    order: Order | None = None
    covariates: Sequence[str] | str | None = None
    exact: Sequence[str] = ()
    discard: Discard | None = None
    caliper_unit: CaliperUnit = "sd"
    caliper_sd: CaliperSd = "all"
    seed: int = 0
    needs_score: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "estimand", checks.estimand(self.estimand, get_args(MatchingEstimand)))
        checks.count("n_neighbors", self.n_neighbors)
        checks.choice("on", self.on, get_args(Space))
        checks.choice("caliper_unit", self.caliper_unit, get_args(CaliperUnit))
        checks.choice("caliper_sd", self.caliper_sd, get_args(CaliperSd))
        checks.count("seed", self.seed, minimum=0)
        checks.choice("method", self.method, get_args(MatchingMethod))
        checks.flag("replace", self.replace)
        if self.order is not None:
            checks.choice("order", self.order, get_args(Order))
        if self.discard is not None:
            checks.choice("discard", self.discard, get_args(Discard))
        # Lists and dicts of the caller would change under a frozen specification.
        for name, names in {"exact": self.exact, "covariates": self.covariates}.items():
            object.__setattr__(self, name, _frozen_names(name, names))
        self._check_calipers()
        self._check_reuse()

    def _check_calipers(self) -> None:
        if isinstance(self.caliper, Mapping):
            object.__setattr__(self, "caliper", dict(self.caliper))
            for name, width in self.caliper.items():
                checks.column_name("caliper", name)
                checks.number(f"caliper[{name!r}]", width, above=0.0)
        elif self.caliper is not None:
            checks.number("caliper", self.caliper, above=0.0)

    def _check_reuse(self) -> None:
        if self.max_reuse is not None:
            checks.count("max_reuse", self.max_reuse)
            if not self.replace and self.max_reuse > 1:
                raise InvalidInputError(
                    "max_reuse: with replace=False a unit serves once, "
                    f"not {self.max_reuse} times; leave one of the two out"
                )
        if self.method == "optimal":
            self._check_optimal()
        if self.estimand == "ATE" and self.max_uses == 1:
            raise InvalidInputError(
                "estimand: there is no ATE without replacement, for the larger arm finds no partners; take "
                '"ATT" or "ATC", replace=True, or match_full'
            )

    def _check_optimal(self) -> None:
        if self.max_uses != 1:
            raise InvalidInputError(
                "replace: with method='optimal' a unit serves once (with replacement nobody can do better "
                "than the nearest); take replace=False"
            )
        if self.order is not None:
            raise InvalidInputError(
                f"order: with method='optimal' nobody chooses first; leave order={self.order!r} out"
            )

    @property
    def max_uses(self) -> int | None:
        """For how many units one may be a neighbour; None for any number."""
        return self.max_reuse if self.replace else 1

    @property
    def on_scores(self) -> bool:
        """Whether distances are between scores or their logits, not between covariates."""
        return self.on in ("score", "logit")

    @property
    def is_plain(self) -> bool:
        """Whether it is with replacement on the score or logit, with at most a caliper on that.

        Such matching has the standard error that counts that scores were estimated, and can be repeated in a
        bootstrap.
        """
        usual_caliper = not isinstance(self.caliper, dict) and (
            self.caliper is None or (self.caliper_unit == "sd" and self.caliper_sd == "all")
        )
        others = self.exact or self.discard or self.max_uses is not None
        return self.on_scores and usual_caliper and not others

    @property
    def label(self) -> str:
        """The name of this estimator in tables and plots; options that are not the default are in it."""
        options = [
            self.on.replace("_", " ") if self.on != "score" else "",
            "without replacement" if self.max_uses == 1 else "",
            f"reused at most {self.max_uses} times" if (self.max_uses or 1) > 1 else "",
            self._caliper_words(),
            f"exact {', '.join(self.exact)}" if self.exact else "",
            f"{self.discard} discarded" if self.discard else "",
            f"{self.order} first" if self.order else "",
            "optimal" if self.method == "optimal" else "",
        ]
        words = ", ".join(filter(None, options))
        return f"{self.n_neighbors}-NN {self.estimand}" + (f" ({words})" if words else "")

    def _caliper_words(self) -> str:
        if self.caliper is None:
            return ""
        calipers = self.caliper if isinstance(self.caliper, Mapping) else {"": self.caliper}
        words = ", ".join(f"{width:g} {name}".strip() for name, width in calipers.items())
        unit = " raw" if self.caliper_unit == "raw" else " pooled sd" if self.caliper_sd == "pooled" else ""
        return f"caliper {words}{unit}"


NearestNeighbors.__init__ = renamed(search="method")(NearestNeighbors.__init__)  # type: ignore[method-assign]


def _frozen_names(role: str, names: Sequence[str] | str | None) -> Sequence[str] | str | None:
    if role == "exact" and isinstance(names, str):
        raise TypeError(f"exact: a list of columns is needed, as exact=[{names!r}]")
    return names if names is None or isinstance(names, str) else tuple(names)


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


def check_penalty(estimators: Sequence[Estimator], penalty: float) -> None:
    """Require a penalty to have a score model to act on."""
    checks.number("penalty", penalty, minimum=0.0)
    if penalty and not any(spec.needs_score for spec in estimators):
        raise InvalidInputError(
            f"penalty: none of the estimators has a score model for {penalty!r} to act on; leave it out"
        )


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
        problem = f"{checks.listed(twice)} occur twice" if twice else "at least one is needed"
        raise InvalidInputError(f"estimators: {problem}")
