"""The compiled module: functions over NumPy arrays, read in place."""

from collections.abc import Callable, Sequence
from typing import Literal, Self, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from propensity.effects.estimators import Estimator
from propensity.resampling.options import Resampling as _Resampling

_Floats: TypeAlias = NDArray[np.float64]
_Treatment: TypeAlias = NDArray[np.bool_] | NDArray[np.integer] | NDArray[np.floating]
_Labels: TypeAlias = NDArray[np.bool_] | NDArray[np.integer]
_Factors: TypeAlias = Sequence[_Labels | tuple[_Labels, _Floats]] | _Labels  # with numbers, those of slopes
_Terms: TypeAlias = (  # a matrix, or its columns; (codes, level) is 1 where the code is that level
    _Floats | Sequence[_Floats | NDArray[np.float32] | _Labels | tuple[NDArray[np.int8], int]]
)
_Held: TypeAlias = (  # what a column holds, or codes of levels and what each is
    NDArray[np.float64 | np.float32 | np.int64 | np.uint64 | np.bool_] | tuple[_Labels, NDArray[np.uint64]]
)
_WeightingEstimand: TypeAlias = Literal["ATE", "ATT", "ATC", "ATO", "ATM"]
_AdjustmentEstimand: TypeAlias = Literal["ATE", "ATT", "ATC"]
_OutcomeModel: TypeAlias = Literal["linear", "logistic", "poisson", "gamma"]
_ScoreModel: TypeAlias = Literal["logistic", "probit", "cloglog"]
_BalancingMethod: TypeAlias = Literal["entropy", "cbps", "ipt"]
_MatchingEstimand: TypeAlias = Literal["ATT", "ATC", "ATE"]
_Quantity: TypeAlias = Literal["score", "logit"]
_Denominator: TypeAlias = Literal["pooled", "treated", "control", "all"]

__all__ = [
    "AdjustedEstimate",
    "Balance",
    "BalancedEffect",
    "BalancingWeights",
    "BoostedOutcomes",
    "BoostedScores",
    "BoostedTrees",
    "BoostingPath",
    "FullMatch",
    "LassoFit",
    "LossPath",
    "MatchedEffect",
    "Matches",
    "OutcomeFit",
    "Overlap",
    "PropensityFit",
    "ReplicatedMeans",
    "Replicates",
    "ScoreTerms",
    "SensitivityBounds",
    "WeightedEstimate",
    "Weighting",
    "__version__",
    "adjust",
    "balance",
    "balanced_effect",
    "balancing_weights",
    "boosted_outcomes",
    "boosted_scores",
    "bootstrap",
    "bootstrap_influence",
    "fingerprints",
    "fit_outcome",
    "fit_propensity",
    "fit_weights",
    "forest_scores",
    "instruction_set",
    "ipw",
    "lasso",
    "match_full",
    "match_nn",
    "matching_effect",
    "outcome_variance",
    "overlap",
    "product_smds",
    "require_inside",
    "score_terms",
    "sensitivity_bounds",
    "smd",
    "weighted_effect",
]

__version__: str

@final
class PropensityFit:
    """A fitted propensity score: arrays in, arrays out; it pickles."""

    def __new__(cls, state: tuple[object, ...]) -> Self: ...  # what unpickling calls
    @property
    def coefficients(self) -> _Floats: ...  # (d + 1,), intercept first, on the scale of x
    @property
    def covariance(self) -> _Floats: ...  # (d + 1, d + 1)
    @property
    def sandwich(self) -> _Floats | None: ...  # (d + 1, d + 1), where there are sample weights
    @property
    def score_model(self) -> _ScoreModel: ...
    @property
    def center(self) -> _Floats: ...  # (d,), the point the linear predictor is measured from
    @property
    def intercept_at_center(self) -> float: ...
    @property
    def scores(self) -> _Floats: ...  # (n,)
    @property
    def aliased(self) -> NDArray[np.int64]: ...  # columns of x that repeat earlier ones; coefficient 0
    @property
    def diverging(self) -> NDArray[np.int64]: ...  # columns with quasi-complete separation
    @property
    def log_likelihood(self) -> float: ...
    @property
    def iterations(self) -> int: ...
    @property
    def gradient_norm(self) -> float: ...  # largest |gradient| / n on standardized columns
    @property
    def penalty(self) -> float: ...
    @property
    def variances(self) -> _Floats: ...  # (d + 1,), the diagonal of sandwich, or of covariance
    @property
    def factors(self) -> NDArray[np.int64]: ...  # (k,), the number of levels of each factor
    def predict(
        self, x: _Terms, n_threads: int | None = None, *, factors: _Factors | None = None
    ) -> _Floats: ...
    def linear_predictor(
        self, x: _Terms, n_threads: int | None = None, *, factors: _Factors | None = None
    ) -> _Floats: ...

@final
class BoostedTrees:
    """Boosted models, one a fold: arrays in, arrays out; it pickles."""

    def __new__(cls, state: tuple[object, ...]) -> Self: ...  # what unpickling calls
    @property
    def n_trees(self) -> int: ...  # of each fold's model
    @property
    def n_folds(self) -> int: ...
    def predict(
        self, covariates: _Floats, factors: _Labels | None = None, n_threads: int | None = None
    ) -> _Floats: ...

@final
class BoostingPath:
    """Scores and balance out of fold, by the number of trees."""

    @property
    def trees(self) -> NDArray[np.int64]: ...  # (p,)
    @property
    def log_loss(self) -> _Floats: ...  # (p,)
    @property
    def mean_smd(self) -> _Floats: ...  # (p,), of the |SMD| under the weights of the estimand
    @property
    def max_smd(self) -> _Floats: ...  # (p,)
    @property
    def ess(self) -> _Floats: ...  # (p,), of both arms together

@final
class BoostedScores:
    """Boosted propensity scores, each by a model that was not fitted to its row."""

    @property
    def scores(self) -> _Floats: ...  # (n,)
    @property
    def log_odds(self) -> _Floats: ...  # (n,)
    @property
    def n_trees(self) -> int: ...
    @property
    def path(self) -> BoostingPath: ...
    @property
    def model(self) -> BoostedTrees: ...

@final
class LossPath:
    """The loss out of fold, by the number of trees."""

    @property
    def trees(self) -> NDArray[np.int64]: ...  # (p,)
    @property
    def loss(self) -> _Floats: ...  # (p,)

@final
class BoostedOutcomes:
    """Boosted outcomes in both arms, each by a model that was not fitted to its row."""

    @property
    def treated(self) -> _Floats: ...  # (n,)
    @property
    def control(self) -> _Floats: ...  # (n,)
    @property
    def n_trees_treated(self) -> int: ...
    @property
    def n_trees_control(self) -> int: ...
    @property
    def path_treated(self) -> LossPath: ...
    @property
    def path_control(self) -> LossPath: ...
    @property
    def model_treated(self) -> BoostedTrees: ...
    @property
    def model_control(self) -> BoostedTrees: ...

@final
class ScoreTerms:
    """What n rows add to the equations of the model that gave their scores."""

    @property
    def residual(self) -> _Floats: ...  # (n,), the derivative of the log-likelihood
    @property
    def spread(self) -> _Floats: ...  # (n,), how fast it falls with the linear predictor
    @property
    def log_odds_slope(self) -> _Floats: ...  # (n,), how fast log odds grow with it

@final
class WeightedEstimate:
    """A weighted contrast of two means."""

    @property
    def estimate(self) -> float: ...
    @property
    def mean_treated(self) -> float: ...
    @property
    def mean_control(self) -> float: ...
    @property
    def std_error(self) -> float: ...
    @property
    def ess_treated(self) -> float: ...
    @property
    def ess_control(self) -> float: ...
    @property
    def weights(self) -> _Floats: ...  # (n,)
    @property
    def influence_treated(self) -> _Floats: ...  # (n,), mean zero
    @property
    def influence_control(self) -> _Floats: ...  # (n,), mean zero
    @property
    def n_truncated_treated(self) -> int: ...  # rows whose weights were bounded
    @property
    def n_truncated_control(self) -> int: ...
    @property
    def others(self) -> list[WeightedEstimate]: ...  # of the further outcomes

@final
class AdjustedEstimate:
    """The means of both arms, by an outcome model."""

    @property
    def estimate(self) -> float: ...
    @property
    def mean_treated(self) -> float: ...
    @property
    def mean_control(self) -> float: ...
    @property
    def std_error(self) -> float: ...
    @property
    def influence_treated(self) -> _Floats: ...  # (n,), mean zero
    @property
    def influence_control(self) -> _Floats: ...  # (n,), mean zero
    @property
    def scores(self) -> _Floats | None: ...  # (n,); None for regression adjustment
    @property
    def aliased(self) -> NDArray[np.int64]: ...  # of the score model fitted here, among its columns
    @property
    def diverging(self) -> NDArray[np.int64]: ...
    @property
    def outcome_aliased(self) -> NDArray[np.int64]: ...  # of the outcome models, among theirs
    @property
    def leverage(self) -> _Floats | None: ...  # (n,), in the outcome model of its arm; None unless asked for
    @property
    def residual_influence(self) -> _Floats | None: ...  # (n,), on the mean of its own arm; None likewise
    @property
    def others(self) -> list[AdjustedEstimate]: ...  # of the further outcomes

@final
class OutcomeFit:
    """The coefficients of an outcome model, and what it predicts."""

    @property
    def coefficients(self) -> _Floats: ...  # (d + 1,), intercept first, on the scale of x
    @property
    def aliased(self) -> NDArray[np.int64]: ...  # (a,), columns that earlier ones explain
    def predict(
        self,
        x: _Floats,
        n_threads: int | None = None,
        *,
        factors: _Factors | None = None,
    ) -> _Floats: ...  # (n, d) to (n,)

@final
class Weighting:
    """What rows weigh."""

    @property
    def weights(self) -> _Floats: ...  # (n,), balancing weight times sample weight
    @property
    def ess_treated(self) -> float: ...
    @property
    def ess_control(self) -> float: ...

@final
class BalancingWeights:
    """Weights that balance the means of d columns, by k fits."""

    @property
    def weights(self) -> _Floats: ...  # (n,), balancing weight times sample weight
    @property
    def coefficients(self) -> list[_Floats]: ...  # k of (d + 1,), intercept first; 0 for dropped columns
    @property
    def arms(self) -> list[Literal["treated", "control", "both"]]: ...  # (k,), whose weights each fit makes
    @property
    def imbalance(self) -> _Floats: ...  # (d,), what is left, in standard deviations
    @property
    def dropped(self) -> NDArray[np.int64]: ...  # columns of x that repeat earlier ones
    @property
    def iterations(self) -> int: ...
    @property
    def ess_treated(self) -> float: ...
    @property
    def ess_control(self) -> float: ...

@final
class BalancedEffect:
    """A contrast of means under balancing weights."""

    @property
    def estimate(self) -> float: ...
    @property
    def mean_treated(self) -> float: ...
    @property
    def mean_control(self) -> float: ...
    @property
    def std_error(self) -> float: ...  # corrected for leverage (HC3)
    @property
    def std_error_hc0(self) -> float: ...
    @property
    def influence_treated(self) -> _Floats: ...  # (n,), mean zero, corrected likewise
    @property
    def influence_control(self) -> _Floats: ...  # (n,), mean zero, corrected likewise

@final
class Matches:
    """Which rows of one arm stand for each focal row of the other, kept as ranges of the donors."""

    @property
    def weights(self) -> _Floats: ...  # (n,): what a focal row counts for, plus what it stands for as a donor
    @property
    def focal(self) -> NDArray[np.int64]: ...  # (m,) rows of the matched focal units, ascending
    @property
    def donors(self) -> NDArray[np.int64]: ...  # rows that serve; one may stand here several times
    @property
    def first(self) -> NDArray[np.int64]: ...  # (m,) each focal unit's donors are donors[first:last]
    @property
    def last(self) -> NDArray[np.int64]: ...  # (m,)
    @property
    def n_matched(self) -> int: ...  # focal units with at least one donor
    @property
    def n_unmatched(self) -> int: ...
    @property
    def n_discarded(self) -> int: ...  # of either arm
    @property
    def n_pairs(self) -> int: ...
    @property
    def drawn(self) -> bool: ...  # whether a draw decided who is matched with whom
    @property
    def max_distance(self) -> float: ...
    @property
    def caliper_width(self) -> float: ...  # in units of the quantity matched on; inf without a caliper
    @property
    def caliper_widths(self) -> list[float]: ...  # of all calipers
    @property
    def coordinates(self) -> _Floats | None: ...  # (n, d), where distances are between covariates

@final
class FullMatch:
    """Stars of one row of an arm and some of the other whose distances have the least sum."""

    @property
    def subclass(self) -> NDArray[np.int64]: ...  # (n,), 1 to n_subclasses; 0 for rows left out
    @property
    def n_subclasses(self) -> int: ...
    @property
    def drawn(self) -> bool: ...  # whether a draw decided between rows of an arm in one place
    @property
    def total_distance(self) -> float: ...  # from the middle of each star to its rays

@final
class MatchedEffect:
    """The effect on matched rows, and its standard error."""

    @property
    def estimate(self) -> float: ...
    @property
    def mean_treated(self) -> float: ...
    @property
    def mean_control(self) -> float: ...
    @property
    def ess_treated(self) -> float: ...
    @property
    def ess_control(self) -> float: ...
    @property
    def std_error(self) -> float: ...
    @property
    def correction(self) -> float | None: ...  # to std_error ** 2, for estimated scores; None: taken as known

@final
class Balance:
    """Balance of d columns in k + 1 samples: the rows as they are, then as each of k weightings has them."""

    @property
    def mean_treated(self) -> _Floats: ...  # (d, k + 1), and so on
    @property
    def mean_control(self) -> _Floats: ...
    @property
    def smd(self) -> _Floats: ...
    @property
    def variance_ratio(self) -> _Floats: ...  # NaN for binary and constant columns
    @property
    def ks(self) -> _Floats: ...
    @property
    def ecdf_difference(self) -> _Floats: ...
    @property
    def ess_treated(self) -> _Floats: ...  # (k + 1,)
    @property
    def ess_control(self) -> _Floats: ...

@final
class Overlap:
    """Where the scores of both arms lie, and what weighting by them would rest on."""

    @property
    def treated(self) -> _Floats: ...  # (n1,), ascending
    @property
    def control(self) -> _Floats: ...  # (n0,), ascending
    @property
    def ks(self) -> float: ...
    @property
    def weights(self) -> _Floats: ...  # (5, 2, 4): by estimand and arm; sum, squares, largest, heaviest

@final
class Replicates:
    """Bootstrap replicates of one or more estimators."""

    @property
    def estimates(self) -> _Floats: ...  # (k,), on the full sample
    @property
    def replicates(self) -> _Floats: ...  # (n_reps, k); NaN where a replicate could not be estimated
    @property
    def std_errors(self) -> _Floats | None: ...  # (n_reps, k), of each replicate by itself; None unless asked
    @property
    def analytic_std_error(self) -> _Floats: ...  # (k,), without resampling; NaN where there is none
    @property
    def acceleration(self) -> _Floats: ...  # (k,), of BCa intervals; NaN for nearest neighbours
    @property
    def n_failed(self) -> NDArray[np.int64]: ...  # (k,), replicates in which it could not be estimated
    @property
    def aliased(self) -> NDArray[np.int64]: ...  # of the score model, among its columns
    @property
    def diverging(self) -> NDArray[np.int64]: ...
    @property
    def outcome_aliased(self) -> NDArray[np.int64]: ...  # of the outcome models, among theirs
    @property
    def balanced_aliased(self) -> list[NDArray[np.int64]]: ...  # of each estimator that balances
    @property
    def means(self) -> ReplicatedMeans | None: ...  # of both arms; None unless asked for
    @property
    def others(self) -> list[Replicates]: ...  # of the further outcomes

@final
class ReplicatedMeans:
    """Bootstrap replicates of the means of both arms, control first."""

    @property
    def estimates(self) -> _Floats: ...  # (k, 2), on the full sample
    @property
    def replicates(self) -> _Floats: ...  # (n_reps, k, 2); NaN where a replicate could not be estimated
    @property
    def covariances(self) -> _Floats | None: ...  # (n_reps, k, 3): control's variance, covariance, treated's
    @property
    def analytic_covariance(self) -> _Floats: ...  # (k, 3), without resampling
    @property
    def products(self) -> _Floats: ...  # (k, 7), sums of products of influence on both: second and third

@final
class SensitivityBounds:
    """Bounds on an effect under hidden confounding of g strengths."""

    @property
    def bounds(self) -> _Floats: ...  # (g, 2), the least and the largest effect
    @property
    def critical(self) -> _Floats: ...  # (2,), the gammas at which these are none; NaN with losses
    @property
    def replicates(self) -> _Floats: ...  # (n_reps, g, 2); NaN where a replicate could not be estimated
    @property
    def critical_replicates(self) -> _Floats: ...  # (n_reps, 2)
    @property
    def n_failed(self) -> int: ...  # replicates that could not be estimated

def fit_propensity(
    x: _Terms,
    treatment: _Treatment,
    *,
    penalty: float = 0.0,
    score_model: _ScoreModel = "logistic",
    sample_weight: _Floats | None = None,
    frequency: _Floats | _Labels | None = None,
    factors: _Factors | None = None,
    after: _Labels | None = None,
    n_levels: _Labels | None = None,
    n_threads: int | None = None,
) -> PropensityFit: ...

@final
class LassoFit:
    """A lasso of one response on d columns."""

    @property
    def coefficients(self) -> _Floats: ...  # (d,), on the scale of x; 0 for columns that are not chosen
    @property
    def intercept(self) -> float: ...
    @property
    def loadings(self) -> _Floats: ...  # (d,), for a standard deviation of the column
    @property
    def rounds(self) -> int: ...  # how often the loadings were made

def lasso(
    x: _Floats,
    responses: Sequence[_Floats] | _Floats,
    *,
    penalty: float,
    loadings: Literal["robust", "unit"] = "robust",
    sample_weight: _Floats | None = None,
    n_threads: int | None = None,
) -> list[LassoFit]: ...
def forest_scores(
    x: _Floats,
    treatment: _Treatment,
    *,
    n_trees: int = 300,
    min_leaf: int | None = None,
    sample_weight: _Floats | None = None,
    seed: int = 0,
    n_threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> _Floats: ...  # (n,), each row's by trees that have not seen it
def fingerprints(columns: Sequence[_Held], n_threads: int | None = None) -> NDArray[np.uint64]: ...
def instruction_set() -> Literal["baseline", "avx2", "avx512", "widest"]: ...
def balancing_weights(
    treatment: _Treatment,
    scores: _Floats | None = None,
    *,
    estimand: _WeightingEstimand = "ATE",
    sample_weight: _Floats | None = None,
    frequency: _Floats | _Labels | None = None,
    n_threads: int | None = None,
) -> Weighting: ...
def score_terms(
    treatment: _Treatment,
    scores: _Floats,
    *,
    score_model: _ScoreModel,
    n_threads: int | None = None,
) -> ScoreTerms: ...
def ipw(
    outcome: _Floats,
    treatment: _Treatment,
    scores: _Floats,
    *,
    estimand: _WeightingEstimand = "ATE",
    truncate: float | None = None,
    x: _Terms | None = None,
    penalty: float = 0.0,
    score_model: _ScoreModel = "logistic",
    sample_weight: _Floats | None = None,
    frequency: _Floats | _Labels | None = None,
    factors: _Factors | None = None,
    after: _Labels | None = None,
    n_levels: _Labels | None = None,
    n_threads: int | None = None,
    others: Sequence[_Floats] | None = None,
) -> WeightedEstimate: ...
def weighted_effect(
    outcome: _Floats,
    treatment: _Treatment,
    weights: _Floats,
    *,
    sample_weight: _Floats | None = None,
    frequency: _Floats | _Labels | None = None,
    n_threads: int | None = None,
) -> WeightedEstimate: ...
def fit_weights(
    x: _Floats,
    treatment: _Treatment,
    *,
    estimand: _WeightingEstimand = "ATT",
    method: _BalancingMethod = "entropy",
    penalty: float = 0.0,
    sample_weight: _Floats | None = None,
    frequency: _Floats | _Labels | None = None,
    n_threads: int | None = None,
) -> BalancingWeights: ...
def balanced_effect(
    outcome: _Floats,
    treatment: _Treatment,
    weights: _Floats,
    x: _Floats,
    *,
    estimand: _WeightingEstimand = "ATT",
    method: _BalancingMethod = "entropy",
    penalty: float = 0.0,
    sample_weight: _Floats | None = None,
    frequency: _Floats | _Labels | None = None,
    n_threads: int | None = None,
) -> BalancedEffect: ...
def adjust(
    x: _Terms,
    treatment: _Treatment,
    outcome: _Floats,
    *,
    method: Literal["aipw", "ipwra", "regression"],
    estimand: _AdjustmentEstimand = "ATE",
    outcome_model: _OutcomeModel = "linear",
    penalty: float = 0.0,
    score_model: _ScoreModel = "logistic",
    score_columns: Sequence[int] | None = None,
    outcome_columns: Sequence[int] | None = None,
    sample_weight: _Floats | None = None,
    frequency: _Floats | _Labels | None = None,
    scores: _Floats | None = None,
    factors: _Factors | None = None,
    after: _Labels | None = None,
    n_levels: _Labels | None = None,
    leverage: bool = False,
    n_threads: int | None = None,
    others: Sequence[_Floats] | None = None,
) -> AdjustedEstimate: ...
def fit_outcome(
    x: _Floats,
    outcome: _Floats,
    *,
    outcome_model: _OutcomeModel,
    sample_weight: _Floats | None = None,
    factors: _Factors | None = None,
    after: _Labels | None = None,
    n_levels: _Labels | None = None,
    n_threads: int | None = None,
) -> OutcomeFit: ...
def require_inside(
    x: _Terms,
    fitted_to: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    *,
    factors: _Factors | None = None,
    after: _Labels | None = None,
    n_levels: _Labels | None = None,
    n_threads: int | None = None,
) -> NDArray[np.int64]: ...
def boosted_scores(
    covariates: _Floats,
    treatment: _Treatment,
    folds: _Labels,
    *,
    factors: _Labels | None = None,  # (n, k), levels from 0, -1 where they are missing
    balance: _Floats | None = None,  # (n, m), the terms that stopping looks at
    sample_weight: _Floats | None = None,
    estimand: _WeightingEstimand = "ATE",
    depth: int = 3,
    learning_rate: float = 0.05,
    max_trees: int = 500,
    min_leaf: int = 10,
    stop: Literal["balance", "log_loss"] | None = ...,  # "balance"
    n_threads: int | None = None,
) -> BoostedScores: ...
def boosted_outcomes(
    covariates: _Floats,
    outcome: _Floats,
    treatment: _Treatment,
    folds: _Labels,
    *,
    factors: _Labels | None = None,
    sample_weight: _Floats | None = None,
    loss: Literal["squared", "logistic", "poisson"] = "squared",
    depth: int = 3,
    learning_rate: float = 0.05,
    max_trees: int = 500,
    min_leaf: int = 10,
    stop: bool = True,
    n_threads: int | None = None,
) -> BoostedOutcomes: ...
def match_nn(
    scores: _Floats | None,
    treatment: _Treatment,
    *,
    covariates: _Floats | None = None,
    estimand: _MatchingEstimand = "ATT",
    n_neighbors: int = 1,
    replace: bool = True,
    max_reuse: int | None = None,
    method: Literal["nearest", "optimal"] = "nearest",
    order: Literal["largest", "smallest", "closest", "random", "data"] | None = None,
    on: Literal["score", "logit", "mahalanobis", "robust_mahalanobis", "euclidean"] = "score",
    caliper: float | None = None,
    calipers: Sequence[tuple[_Floats, float]] | None = None,
    caliper_unit: Literal["sd", "raw"] = "sd",
    caliper_sd: Literal["all", "pooled"] = "all",
    exact: _Labels | None = None,
    discard: Literal["treated", "control", "both"] | None = None,
    sample_weight: _Floats | None = None,
    ids: _Labels | None = None,
    seed: int = 0,
    spec: object = None,  # these options as its attributes, as of propensity.NearestNeighbors
    n_threads: int | None = None,
) -> Matches: ...
def match_full(
    scores: _Floats | None,
    treatment: _Treatment,
    *,
    covariates: _Floats | None = None,
    on: Literal["score", "logit", "mahalanobis", "robust_mahalanobis", "euclidean"] = "score",
    caliper: float | None = None,
    calipers: Sequence[tuple[_Floats, float]] | None = None,
    caliper_unit: Literal["sd", "raw"] = "sd",
    caliper_sd: Literal["all", "pooled"] = "all",
    exact: _Labels | None = None,
    discard: Literal["treated", "control", "both"] | None = None,
    sample_weight: _Floats | None = None,
    ids: _Labels | None = None,
    seed: int = 0,
    spec: object = None,  # these options as its attributes, as of propensity.NearestNeighbors
    n_threads: int | None = None,
) -> FullMatch: ...
def outcome_variance(
    outcome: _Floats,
    treatment: _Treatment,
    coordinates: _Floats,
    *,
    exact: _Labels | None = None,
    variance_neighbors: int = 1,
    n_threads: int | None = None,
) -> _Floats: ...
def matching_effect(
    outcome: _Floats,
    treatment: _Treatment,
    scores: _Floats,
    *,
    estimand: _MatchingEstimand = "ATT",
    n_neighbors: int = 1,
    caliper: float | None = None,
    on: _Quantity = "score",
    variance_neighbors: int = 1,
    x: _Terms | None = None,
    penalty: float = 0.0,
    score_model: _ScoreModel = "logistic",
    spec: object = None,  # as for match_nn
    n_threads: int | None = None,
) -> MatchedEffect: ...
def balance(
    x: _Terms,
    treatment: _Treatment,
    *,
    weights: Sequence[_Floats] | _Floats | None = None,
    sample_weight: _Floats | None = None,
    frequency: _Floats | _Labels | None = None,
    denominator: _Denominator = "pooled",
    factors: _Factors | None = None,
    after: _Labels | None = None,
    n_levels: _Labels | None = None,
    n_threads: int | None = None,
) -> Balance: ...
def smd(
    x: _Terms,
    treatment: _Treatment,
    *,
    weights: _Floats | None = None,
    sample_weight: _Floats | None = None,
    frequency: _Floats | _Labels | None = None,
    denominator: _Denominator = "pooled",
    n_threads: int | None = None,
) -> _Floats: ...
def overlap(scores: _Floats, treatment: _Treatment, *, n_threads: int | None = None) -> Overlap: ...
def product_smds(
    x: _Terms,
    treatment: _Treatment,
    pairs: Sequence[tuple[int, int]],
    *,
    center: _Floats | None = None,
    weights: Sequence[_Floats] | _Floats | None = None,
    sample_weight: _Floats | None = None,
    frequency: _Floats | _Labels | None = None,
    denominator: _Denominator = "pooled",
    n_threads: int | None = None,
) -> _Floats: ...  # (m, k + 1)
def bootstrap(
    x: _Floats,
    treatment: _Treatment,
    outcome: _Floats,
    *,
    estimators: Sequence[Estimator],
    per: _Floats | None = None,
    others: Sequence[_Floats] | _Floats | None = None,
    means: bool = False,
    penalty: float = 0.0,
    score_model: _ScoreModel = "logistic",
    resampling: _Resampling = "multinomial",
    cluster: _Labels | None = None,
    strata: _Labels | None = None,
    sample_weight: _Floats | None = None,
    frequency: _Floats | _Labels | None = None,
    score_columns: Sequence[int] | None = None,
    outcome_columns: Sequence[int] | None = None,
    balanced_columns: Sequence[Sequence[int]] | None = None,
    factors: _Factors | None = None,
    after: _Labels | None = None,
    n_levels: _Labels | None = None,
    n_reps: int = 500,
    seed: int = 0,
    analytic: bool = False,
    studentized: bool = False,
    n_threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> Replicates: ...
def bootstrap_influence(
    influence: _Floats,
    *,
    resampling: _Resampling = "multinomial",
    cluster: _Labels | None = None,
    strata: _Labels | None = None,
    n_reps: int = 2000,
    seed: int = 0,
    n_threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> _Floats: ...
def sensitivity_bounds(
    x: _Floats,
    treatment: _Treatment,
    outcome: _Floats,
    *,
    gammas: _Floats,
    estimand: _WeightingEstimand = "ATE",
    penalty: float = 0.0,
    score_model: _ScoreModel = "logistic",
    fitted: _Floats | None = None,
    offset: _Floats | None = None,
    losses: _Floats | None = None,
    sample_weight: _Floats | None = None,
    resampling: _Resampling = "multinomial",
    cluster: _Labels | None = None,
    strata: _Labels | None = None,
    score_columns: Sequence[int] | None = None,
    n_reps: int = 500,
    seed: int = 0,
    n_threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> SensitivityBounds: ...
