//! The array door: the module `propensity.core`. Each function makes four moves: view the arrays, let go
//! of the interpreter, call the core, convert what comes back.

mod adjustment;
mod arrays;
mod balance;
mod balancing;
mod boosting;
mod bootstrap;
mod call;
mod candidates;
mod codes;
mod errors;
mod estimators;
mod fingerprint;
mod forest;
mod full_matching;
mod influence;
mod instructions;
mod ipw;
mod lasso;
mod match_spec;
mod matching;
mod matching_effect;
mod needs;
mod options;
mod outcome_fit;
mod overlap;
mod replicated_means;
mod replicates;
mod row_weights;
mod score;
mod sensitivity;
mod threads;
mod words;

use pyo3::prelude::*;

/// The compiled core: functions over NumPy arrays.
///
/// An aligned float64 array, C- or Fortran-ordered, is read in place; other real arrays are converted
/// to float64 first. The interpreter is let go during the work, and Ctrl-C stops it.
// Not tried on a free-threaded interpreter yet, so it asks such a one to keep its lock.
#[pymodule(name = "core", gil_used = true)]
mod core {
    #[pymodule_export]
    use super::adjustment::{AdjustedEstimate, adjust};
    #[pymodule_export]
    use super::balance::{Balance, balance, product_smds, smd};
    #[pymodule_export]
    use super::balancing::{BalancedEffect, BalancingWeights, balanced_effect, fit_weights};
    #[pymodule_export]
    use super::boosting::{
        BoostedOutcomes, BoostedScores, BoostedTrees, BoostingPath, LossPath, boosted_outcomes,
        boosted_scores,
    };
    #[pymodule_export]
    use super::bootstrap::bootstrap;
    #[pymodule_export]
    use super::fingerprint::fingerprints;
    #[pymodule_export]
    use super::forest::forest_scores;
    #[pymodule_export]
    use super::full_matching::{FullMatch, match_full};
    #[pymodule_export]
    use super::influence::bootstrap_influence;
    #[pymodule_export]
    use super::instructions::instruction_set;
    #[pymodule_export]
    use super::ipw::{WeightedEstimate, Weighting, balancing_weights, ipw, weighted_effect};
    #[pymodule_export]
    use super::lasso::{LassoFit, lasso};
    #[pymodule_export]
    use super::matching::{Matches, match_nn};
    #[pymodule_export]
    use super::matching_effect::{MatchedEffect, matching_effect, outcome_variance};
    #[pymodule_export]
    use super::outcome_fit::{OutcomeFit, fit_outcome, require_inside};
    #[pymodule_export]
    use super::overlap::{Overlap, overlap};
    #[pymodule_export]
    use super::replicated_means::ReplicatedMeans;
    #[pymodule_export]
    use super::replicates::Replicates;
    #[pymodule_export]
    use super::score::{PropensityFit, ScoreTerms, fit_propensity, score_terms};

    #[pymodule_export]
    use super::sensitivity::{SensitivityBounds, sensitivity_bounds};

    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
