"""Estimator specifications: what to estimate and its options, nothing fitted.

The same specifications serve every function that runs several estimators side by side; those of matching are
in `matching_specification` and `subclass_specification`. The compiled core reads their attributes by name:
what has `n_neighbors` is matching, what has a `method` uses an outcome model or balances, the rest is
weighting; what puts rows into subclasses it does not know.
"""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Literal, TypeAlias, get_args

from propensity.calls.keywords import answered_class
from propensity.effects.matching_specification import MatchingEstimand
from propensity.effects.score_specification import ScoreSpecification, with_options
from propensity.effects.subclass_specification import AnyMatching
from propensity.errors import InvalidInputError
from propensity.frames import checks
from propensity.scores.choice import LOGISTIC, ScoreChoice, require_outcome_model, require_outcome_word
from propensity.scores.forest import Forest
from propensity.scores.learners import Learner, name_of
from propensity.scores.own_models import ScoreWord

WeightingEstimand: TypeAlias = Literal["ATE", "ATT", "ATC", "ATO", "ATM"]
AdjustmentEstimand: TypeAlias = Literal["ATE", "ATT", "ATC"]
OutcomeModel: TypeAlias = Literal["linear", "logistic", "poisson", "gamma"]
BalancingMethod: TypeAlias = Literal["entropy", "cbps", "ipt"]
Method: TypeAlias = Literal["aipw", "ipwra", "regression"]


@answered_class
@dataclass(frozen=True, repr=False)
class IPW(ScoreSpecification):
    """Inverse probability weighting: the difference of two weighted (Hajek) means.

    Parameters
    ----------
    estimand : {"ATE", "ATT", "ATC", "ATO", "ATM"}, default "ATE"
        Whose effect: everyone's, the treated units', the control units', that of the units in the overlap of
        the arms (weights e (1 - e)), that of those whom pair matching would keep (min(e, 1 - e)). Everyone's
        is what weighting by the inverse probability gives without a further choice, hence the default.
    score_model : "logistic", "probit", "cloglog", ps.Boosting(...), ps.Forest(...) or a classifier
        What gives the scores, as for `fit_propensity`, "logistic" by default: any but the words out of fold
        or out of bag.
    n_folds, n_repeats, seed : int, default None, 1 and 0
        As for `fit_propensity`; estimators that ask for the same share one cross-fitting.
    truncate : float or None, default None
        The quantile of their arm's weights, as 0.99, above which weights are set to it, as `truncate` does;
        found anew in every replicate of a bootstrap. None leaves weights as they are: a bound moves the
        estimate away from the estimand, and where the arms overlap little the ATO needs none.

    Examples
    --------
    >>> import propensity as ps
    >>> ps.IPW("ATT").label
    'IPW ATT'
    >>> ps.IPW("ATT", n_folds=5)
    IPW(estimand='ATT', n_folds=5)
    >>> ps.IPW("ATE", truncate=0.99).label
    'IPW ATE (truncated at 0.99)'
    """

    estimand: WeightingEstimand = "ATE"
    _: KW_ONLY
    score_model: Learner = LOGISTIC
    n_folds: int | None = None
    n_repeats: int = 1
    seed: int = 0
    truncate: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "estimand", checks.estimand(self.estimand, get_args(WeightingEstimand)))
        self.check_score_model()
        checks.upper_quantile("truncate", self.truncate)

    @property
    def label(self) -> str:
        """The name of this estimator in tables and plots, with a bound and a score model not the default."""
        bound = "" if self.truncate is None else f" (truncated at {self.truncate:g})"
        return with_options(f"IPW {self.estimand}{bound}", self.score_choice.label)


@answered_class
@dataclass(frozen=True)
class _Adjustment:
    """What the estimators with an outcome model share.

    Parameters
    ----------
    estimand : {"ATE", "ATT", "ATC"}, default "ATE"
        Whose effect: everyone's, the treated units', the control units'.
    outcome_model : {"linear", "logistic", "poisson", "gamma"}, default "linear"
        Fitted in each arm on its own. Linear suits any outcome, and a share as long as it is neither rare
        nor nearly certain; logistic suits outcomes in [0, 1], Poisson counts and amounts that are not
        negative, gamma positive amounts, as for `aipw`.
    """

    estimand: AdjustmentEstimand = "ATE"
    outcome_model: OutcomeModel = "linear"
    method: ClassVar[Method]
    _name: ClassVar[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "estimand", checks.estimand(self.estimand, get_args(AdjustmentEstimand)))
        self._check_outcome_model()

    def _check_outcome_model(self) -> None:
        require_outcome_word(self.outcome_model, get_args(OutcomeModel), learns=isinstance(self, AIPW))

    @property
    def label(self) -> str:
        """The name of this estimator in tables and plots; an outcome model not the default is in it."""
        options = "" if self.outcome_model == "linear" else f" ({self.outcome_model})"
        return f"{self._name} {self.estimand}{options}"


@answered_class
@dataclass(frozen=True, repr=False)
class AIPW(ScoreSpecification, _Adjustment):
    """Augmented inverse probability weighting: right if the score model or the outcome models are.

    Parameters
    ----------
    estimand : {"ATE", "ATT", "ATC"}, default "ATE"
        Whose effect: everyone's, the treated units', the control units'.
    outcome_model : {"linear", "logistic", "poisson", "gamma"}, ps.Boosting(...) or a model, default "linear"
        Fitted in each arm on its own, as for `aipw`; any but these words out of fold.
    score_model : "logistic", "probit", "cloglog", ps.Boosting(...), ps.Forest(...) or a classifier
        What gives the scores, as for `fit_propensity`, "logistic" by default.
    n_folds, n_repeats, seed : int, default None, 1 and 0
        As for `aipw`; estimators that ask for the same score model and folds share one cross-fitting.

    Examples
    --------
    >>> import propensity as ps
    >>> ps.AIPW("ATT", outcome_model="logistic").label
    'AIPW ATT (logistic)'
    >>> ps.AIPW("ATT", n_folds=5).label
    'AIPW ATT (5 folds)'
    """

    outcome_model: OutcomeModel | Learner = "linear"
    _: KW_ONLY
    score_model: Learner = LOGISTIC
    n_folds: int | None = None
    n_repeats: int = 1
    seed: int = 0
    method: ClassVar[Method] = "aipw"
    _name: ClassVar[str] = "AIPW"

    def _check_outcome_model(self) -> None:
        if isinstance(self.outcome_model, str):
            super()._check_outcome_model()
        else:
            require_outcome_model(self.outcome_model)
        self.check_score_model(split=self.learns_outcomes)

    @property
    def score_choice(self) -> ScoreChoice:
        """The choice of the score model; of one that is scored out of bag folds are those of the outcomes."""
        if isinstance(self.score_model, Forest):
            return ScoreChoice(self.score_model, seed=self.seed)
        return super().score_choice

    @property
    def learns_outcomes(self) -> bool:
        """Whether the outcome models are none that a word stands for."""
        return not isinstance(self.outcome_model, str)

    @property
    def is_cross_fitted(self) -> bool:
        """Whether rows are predicted by models that have not seen them."""
        return self.learns_outcomes or not self.score_choice.is_fitted_to_all

    @property
    def needs_score(self) -> bool:
        """Whether it needs a score model that is fitted to all rows."""
        return not self.is_cross_fitted

    @property
    def takes_missing(self) -> tuple[bool, bool]:
        """Whether the score model and the outcome models may be given missing values."""
        return not isinstance(self.score_model, str), self.learns_outcomes

    @property
    def label(self) -> str:
        """The name of this estimator in tables and plots; models not the default are in it."""
        outcome = self.outcome_model if isinstance(self.outcome_model, str) else name_of(self.outcome_model)
        models = [self.score_choice.label, "" if outcome == "linear" else outcome]
        return with_options(f"AIPW {self.estimand}", *models)


@answered_class
@dataclass(frozen=True, repr=False)
class IPWRA(_Adjustment):
    """Regression adjustment whose outcome models are fitted with balancing weights: doubly robust too.

    Parameters
    ----------
    estimand, outcome_model
        As for `ipwra`.
    score_model : {"logistic", "probit", "cloglog"}, default "logistic"
        What gives the scores, as for `fit_propensity`.

    Examples
    --------
    >>> import propensity as ps
    >>> ps.IPWRA("ATT", "logistic", score_model="probit").label
    'IPWRA ATT (probit, logistic)'
    """

    _: KW_ONLY
    score_model: ScoreWord = LOGISTIC
    __repr__ = ScoreSpecification.__repr__
    method: ClassVar[Method] = "ipwra"
    needs_score: ClassVar[bool] = True
    _name: ClassVar[str] = "IPWRA"

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.choice("score_model", self.score_model, get_args(ScoreWord))

    @property
    def label(self) -> str:
        """The name of this estimator in tables and plots; models not the default are in it."""
        models = [
            "" if self.score_model == LOGISTIC else self.score_model,
            "" if self.outcome_model == "linear" else self.outcome_model,
        ]
        return with_options(f"IPWRA {self.estimand}", *models)


@answered_class
@dataclass(frozen=True)
class RegressionAdjustment(_Adjustment):
    """An outcome model in each arm, averaged over those the effect is for; no propensity score.

    Examples
    --------
    >>> import propensity as ps
    >>> ps.RegressionAdjustment("ATE").label
    'Regression ATE'
    """

    method: ClassVar[Method] = "regression"
    needs_score: ClassVar[bool] = False
    _name: ClassVar[str] = "Regression"


@answered_class
@dataclass(frozen=True)
class Balancing:
    """Weights that balance the means of all terms exactly, and the contrast of the weighted means.

    Parameters
    ----------
    estimand : {"ATE", "ATT", "ATC"}, default "ATT"
        Whose effect: both arms get the means of everyone, of the treated units, of the control units. The
        treated units' needs no weights but for the controls, which there are such for more often, hence the
        default.
    method : {"entropy", "cbps", "ipt"}, default "entropy"
        How the weights for everyone's effect are made: each arm to everybody, as even as can be (entropy
        balancing); both arms to each other by one score (covariate balancing propensity score); each arm to
        everybody by a score of its own, so that no weight is below 1 (inverse probability tilting). For the
        others all three give the same weights. Entropy finds weights wherever some bring both arms to
        everybody, and they are the most even.
    penalty : float, default 0.0
        L2 strength on the coefficients, per standard deviation of a term, for rows that weigh one on average.
        Zero balances exactly; 1.0 nearly, and where nothing balances exactly as well as can be.
    moments : {1, 2}, default 1
        2 balances the squares of all terms that are not binary too.
    interactions : bool, default False
        Whether to balance the products of any two terms too, but for the levels of one categorical.

    Examples
    --------
    >>> import propensity as ps
    >>> ps.Balancing("ATE").label
    'EB ATE'
    >>> ps.Balancing("ATT", moments=2, penalty=1.0).label
    'EB ATT (2 moments, penalty 1)'
    """

    estimand: AdjustmentEstimand = "ATT"
    method: BalancingMethod = "entropy"
    penalty: float = 0.0
    moments: int = 1
    interactions: bool = False
    needs_score: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "estimand", _balanced_estimand(self.estimand))
        checks.choice("method", self.method, get_args(BalancingMethod))
        checks.number("penalty", self.penalty, minimum=0.0)
        checks.count("moments", self.moments)
        if self.moments > 2:
            raise InvalidInputError(
                f"moments must be 1 or 2, not {self.moments}; higher powers go into a formula, as I(age**3)"
            )
        checks.flag("interactions", self.interactions)

    @property
    def label(self) -> str:
        """The name of this estimator in tables and plots; options that are not the default are in it."""
        name = {"entropy": "EB", "cbps": "CBPS", "ipt": "IPT"}[self.method]
        options = [
            "2 moments" if self.moments == 2 else "",
            "interactions" if self.interactions else "",
            f"penalty {self.penalty:g}" if self.penalty else "",
        ]
        words = ", ".join(filter(None, options))
        return f"{name} {self.estimand}" + (f" ({words})" if words else "")


def _balanced_estimand(estimand: object) -> AdjustmentEstimand:
    """Require an estimand that terms can be balanced for, and say what does for the others."""
    found = checks.estimand(estimand, get_args(WeightingEstimand))
    if found == "ATO":
        raise InvalidInputError(
            "estimand: for the ATO the weights of a logistic score balance every term exactly already: "
            'fit_propensity(...), and ipw(..., estimand="ATO")'
        )
    if found == "ATM":
        raise InvalidInputError(
            "estimand: whom the ATM is for is known by a score alone, so that there are no means to be "
            'reached: fit_propensity(...), and ipw(..., estimand="ATM")'
        )
    return found  # type: ignore[no-any-return]


Estimator: TypeAlias = IPW | AnyMatching | AIPW | IPWRA | RegressionAdjustment | Balancing
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
