//! What an opt-in feature really did, from logs in which nobody flipped a coin.
//!
//! The problem in symbols. A user has covariates X, a treatment T (1 = opted in), an outcome Y.
//! The score is e(X) = P(T = 1 | X). With h an estimand's tilting function, the weights are
//! w = h(e) / P(own arm), and the effect is the difference of the two weighted means of Y.
//! Matching instead compares each focal unit with the units of the other arm whose scores are
//! nearest. The bootstrap repeats all of it, score model included, on resampled rows.
//!
//! The wings, in the order in which they build on each other (imports run downwards only):
//!
//! | wing | what it knows |
//! |---|---|
//! | [`error`], [`checks`], [`reserve`], [`monitor`] | what can go wrong, what must hold of arrays, room asked for first, progress and Ctrl-C |
//! | [`matrix`] | the columns of a matrix, each in the type that it is held in |
//! | [`linalg`], [`moments`] | Cholesky that sets collinear columns aside; weighted means and variances |
//! | [`kernels`] | the inner loops over a block of rows, in SIMD |
//! | [`design`] | covariates read in place, standardized; which are collinear, decided once |
//! | [`units`] | rows, or groups of rows that hold the same, and what each stands for |
//! | [`score`] | models of the propensity score |
//! | [`selection`] | which of many columns matter: the lasso |
//! | [`weighting`] | whom an effect is for, balancing weights, the weighted contrast and its error |
//! | [`outcome`] | outcome models, and the estimators made with them |
//! | [`optimal`], [`matching`] | matching with the least sum of distances, and with the nearest |
//! | [`balance`] | how far apart the arms are, column by column |
//! | [`resampling`] | how a replicate weighs the rows, and the parallel run over replicates |
//! | [`sensitivity`] | how far a hidden confounder could move a weighted mean |
//! | [`pipeline`] | score, weights and matches in one go, on any resample |
//!
//! The Python module is the wing above them, behind the feature `python`.

pub mod balance;
pub mod bands;
pub mod checks;
pub mod design;
pub mod error;
pub mod kernels;
pub mod linalg;
pub mod matching;
pub mod matrix;
pub mod moments;
pub mod monitor;
pub mod optimal;
pub mod outcome;
pub mod pipeline;
pub mod resampling;
pub mod reserve;
pub mod score;
pub mod selection;
pub mod sensitivity;
pub mod units;
pub mod weighting;

#[cfg(feature = "python")]
mod python;
