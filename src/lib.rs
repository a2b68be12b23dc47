//! What an opt-in feature really did, from logs in which nobody flipped a coin.
//!
//! The problem in symbols. A user has covariates X, a treatment T (1 = opted in), an outcome Y.
//! The score is e(X) = P(T = 1 | X). With h an estimand's tilting function, the weights are
//! w = h(e) / P(own arm), and the effect is the difference of the two weighted means of Y.
//! Matching instead compares each focal unit with the units of the other arm whose scores are
//! nearest. The bootstrap repeats all of it, score model included, on resampled rows.
//!
//! The modules, in the order in which they build on each other (imports run downwards only):
//!
//! | module | what it knows |
//! |---|---|
//! | [`error`] | the one error type |
//! | [`checks`] | what must hold of the arrays |
//! | [`reserve`] | room for what a call needs, asked for before it begins |
//! | [`estimand`] | whom the effect is for, and the tilting function h |
//! | [`monitor`] | how far a long run is, and whether to stop it |
//! | [`kernels`] | the inner loops over a block of rows, in SIMD |
//! | [`linalg`] | Cholesky that sets collinear columns aside |
//! | [`moments`] | weighted means and variances: the only place |
//! | [`covariates`] | a matrix of covariates, read in place, block by block, standardized |
//! | [`design`] | which of its columns are collinear, decided once |
//! | [`tally`] | how many rows, treated rows and outcomes a unit stands for |
//! | [`logistic`] | the score model, by Newton's method |
//! | [`weights`] | effective sample sizes |
//! | [`ipw`] | the weighted contrast |
//! | [`influence`] | what each row contributes to an estimate's error |
//! | [`origin`] | outcomes measured from a value among them |
//! | [`outcome`] | the outcome model of one arm |
//! | [`adjustment`] | estimators with an outcome model, on any units |
//! | [`doubly_robust`] | the same on rows, with influences |
//! | [`optimal`] | pairs and stars whose distances have the least sum |
//! | [`matching`] | nearest neighbours on a score |
//! | [`fingerprint`] | whether two columns hold the same |
//! | [`balance`] | how far apart the arms are, column by column |
//! | [`cells`] | identical rows collapsed to one, with counts |
//! | [`sorted_rows`] | rows in the order of their scores |
//! | [`stream`] | the random numbers of a replicate |
//! | [`urn`] | how often each of many cells is drawn |
//! | [`resample`] | how a replicate weighs rows, clusters and strata |
//! | [`bootstrap`] | the parallel run over replicates; knows no estimator |
//! | [`weighted_bootstrap`] | influence values resampled in place of rows |
//! | [`pipeline`] | score, weights and matches in one go, on any resample |

pub mod adjustment;
pub mod balance;
pub mod bootstrap;
pub mod cells;
pub mod checks;
pub mod covariates;
pub mod design;
pub mod doubly_robust;
pub mod error;
pub mod estimand;
pub mod fingerprint;
pub mod influence;
pub mod ipw;
pub mod kernels;
pub mod linalg;
pub mod logistic;
pub mod matching;
pub mod moments;
pub mod monitor;
pub mod optimal;
pub mod origin;
pub mod outcome;
pub mod pipeline;
pub mod resample;
pub mod reserve;
pub mod sorted_rows;
pub mod stream;
pub mod tally;
pub mod urn;
pub mod weighted_bootstrap;
pub mod weights;

#[cfg(feature = "python")]
mod python;
