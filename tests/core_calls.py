"""The functions of the array door that read a treatment, as calls over the same arrays, for tests of each."""

from dataclasses import dataclass

import numpy as np

from propensity import core
from propensity.effects.estimators import IPW, Balancing
from propensity.effects.matching_specification import NearestNeighbors


@dataclass(frozen=True)
class Arrays:
    """Covariates (n x d), treatment, outcome, scores and weights of n rows."""

    x: np.ndarray
    treatment: np.ndarray
    outcome: np.ndarray
    scores: np.ndarray
    weights: np.ndarray


def arrays(n_rows, n_columns=3, seed=0):
    """Continuous covariates, filled in place: nothing else of that size is allocated. The effect is 1."""
    rng = np.random.default_rng(seed)
    x = np.empty((n_rows, n_columns))
    rng.random(out=x)
    treatment = rng.random(n_rows) < 0.2 + 0.5 * x[:, 0]
    outcome = rng.random(n_rows)
    outcome += treatment
    return Arrays(
        x=x,
        treatment=treatment,
        outcome=outcome,
        scores=0.05 + 0.9 * rng.random(n_rows),
        weights=0.5 + rng.random(n_rows),
    )


def whole_numbers(n_rows, seed=0):
    """Values that float32 holds exactly, and all but the scores int8 too."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-5, 6, size=(n_rows, 4)).astype(float)
    return Arrays(
        x=x,
        treatment=(rng.random(n_rows) < 0.4 + 0.05 * x[:, 0]).astype(float),
        outcome=rng.integers(-9, 10, n_rows).astype(float),
        scores=rng.integers(1, 64, n_rows) / 64,
        weights=rng.integers(1, 4, n_rows).astype(float),
    )


def _folds(a):
    return np.arange(len(a.treatment)) % 3


CALLS = {
    "fit_propensity": lambda a, **options: core.fit_propensity(
        a.x, a.treatment, sample_weight=a.weights, **options
    ),
    "forest_scores": lambda a, **options: core.forest_scores(a.x, a.treatment, n_trees=40, **options),
    "fit_weights": lambda a, **options: core.fit_weights(
        a.x, a.treatment, sample_weight=a.weights, **options
    ),
    "boosted_scores": lambda a, max_trees=20, **options: core.boosted_scores(
        a.x, a.treatment, _folds(a), sample_weight=a.weights, max_trees=max_trees, **options
    ),
    "boosted_outcomes": lambda a, max_trees=20, **options: core.boosted_outcomes(
        a.x, a.outcome, a.treatment, _folds(a), sample_weight=a.weights, max_trees=max_trees, **options
    ),
    "balanced_effect": lambda a, **options: core.balanced_effect(
        a.outcome, a.treatment, a.weights, a.x, **options
    ),
    "ipw": lambda a, **options: core.ipw(a.outcome, a.treatment, a.scores, **options),
    "ipw truncated": lambda a, **options: core.ipw(
        a.outcome, a.treatment, a.scores, truncate=0.9, sample_weight=a.weights, **options
    ),
    "weighted_effect": lambda a, **options: core.weighted_effect(
        a.outcome, a.treatment, a.weights, **options
    ),
    "match_nn": lambda a, **options: core.match_nn(a.scores, a.treatment, **options),
    "match_optimal": lambda a, **options: core.match_nn(
        a.scores, a.treatment, method="optimal", replace=False, **options
    ),
    "match_full": lambda a, **options: core.match_full(a.scores, a.treatment, **options),
    "matching_effect": lambda a, **options: core.matching_effect(
        a.outcome, a.treatment, a.scores, estimand="ATE", x=a.x, **options
    ),
    "smd": lambda a, **options: core.smd(a.x, a.treatment, weights=a.weights, **options),
    "balance": lambda a, **options: core.balance(a.x, a.treatment, weights=[a.weights, a.scores], **options),
    "product_smds": lambda a, **options: core.product_smds(
        a.x, a.treatment, [(0, 0), (0, 1), (1, 2)], weights=[a.weights, a.scores], **options
    ),
    "bootstrap balancing": lambda a, n_reps=3, **options: core.bootstrap(
        a.x,
        a.treatment,
        a.outcome,
        estimators=[Balancing("ATE"), Balancing("ATT")],
        n_reps=n_reps,
        **options,
    ),
    "sensitivity_bounds": lambda a, n_reps=3, **options: core.sensitivity_bounds(
        a.x, a.treatment, a.outcome, gammas=np.array([1.5, 2.0]), n_reps=n_reps, **options
    ),
    "bootstrap": lambda a, n_reps=3, **options: core.bootstrap(
        a.x,
        a.treatment,
        a.outcome,
        estimators=[IPW("ATE"), NearestNeighbors("ATT")],
        n_reps=n_reps,
        **options,
    ),
}

# The arrays of float64 that each call reads.
READS = {
    "fit_propensity": ["x", "weights"],
    "forest_scores": ["x"],
    "fit_weights": ["x", "weights"],
    "boosted_scores": ["x", "weights"],
    "boosted_outcomes": ["x", "outcome", "weights"],
    "balanced_effect": ["outcome", "weights", "x"],
    "ipw": ["outcome", "scores"],
    "ipw truncated": ["outcome", "scores", "weights"],
    "weighted_effect": ["outcome", "weights"],
    "match_nn": ["scores"],
    "match_optimal": ["scores"],
    "match_full": ["scores"],
    "matching_effect": ["outcome", "scores", "x"],
    "smd": ["x", "weights"],
    "balance": ["x", "weights", "scores"],
    "product_smds": ["x", "weights", "scores"],
    "bootstrap balancing": ["x", "outcome"],
    "sensitivity_bounds": ["x", "outcome"],
    "bootstrap": ["x", "outcome"],
}

_NUMBERS = {
    "fit_propensity": ["coefficients", "covariance", "scores", "log_likelihood"],
    "fit_weights": ["weights", "ess_treated", "ess_control"],
    "boosted_scores": ["scores", "log_odds", "n_trees"],
    "boosted_outcomes": ["treated", "control", "n_trees_treated"],
    "balanced_effect": ["estimate", "std_error", "std_error_hc0", "influence_treated"],
    "ipw": ["estimate", "weights", "ess_treated", "ess_control"],
    "ipw truncated": ["estimate", "weights", "n_truncated_treated", "n_truncated_control"],
    "weighted_effect": ["estimate", "std_error", "influence_treated", "influence_control"],
    "match_nn": ["weights", "focal", "donors", "first", "last"],
    "match_optimal": ["weights", "focal", "donors", "first", "last"],
    "match_full": ["subclass", "n_subclasses", "total_distance"],
    "matching_effect": ["estimate", "std_error", "correction", "ess_treated", "ess_control"],
    "balance": ["mean_treated", "mean_control", "smd", "variance_ratio", "ks", "ecdf_difference"],
    "bootstrap balancing": ["estimates", "replicates"],
    "sensitivity_bounds": ["bounds", "critical", "replicates"],
    "bootstrap": ["estimates", "replicates"],
}

# Further ways through the core, for what every call must bear: forks, threads, no memory, overwritten arrays.
MORE_CALLS = {
    "adjust": lambda a, **options: core.adjust(a.x, a.treatment, a.outcome, method="aipw", **options),
    "match_nn, without replacement": lambda a, order="largest", **options: core.match_nn(
        a.scores, a.treatment, replace=False, order=order, caliper=0.5, **options
    ),
    "match_nn, mahalanobis": lambda a, **options: core.match_nn(
        None, a.treatment, covariates=a.x, on="mahalanobis", **options
    ),
}
_MORE_READS = {
    "adjust": ["x", "outcome"],
    "match_nn, without replacement": ["scores"],
    "match_nn, mahalanobis": ["x"],
}
_MORE_NUMBERS = {
    "adjust": ["estimate", "std_error", "influence_treated"],
    "match_nn, without replacement": ["weights", "focal", "donors"],
    "match_nn, mahalanobis": ["weights", "focal", "donors"],
}
ALL_CALLS, ALL_READS = CALLS | MORE_CALLS, READS | _MORE_READS


def quantities(name, result):
    """What a result says, quantity by quantity, each a flat array."""
    if name in ("smd", "product_smds", "forest_scores"):
        return {name: np.ravel(result)}
    return {field: np.ravel(getattr(result, field)) for field in (_NUMBERS | _MORE_NUMBERS)[name]}


def numbers(name, result):
    """All numbers of a result in one array, to be compared to the last bit."""
    return np.concatenate(list(quantities(name, result).values()))
