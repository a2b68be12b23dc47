//! The inner loops over a block of rows, in SIMD. Plain loops over fixed-size arrays, compiled by `pulp` for
//! the baseline processor, for AVX2 and for AVX-512; `instructions` picks at run time.
//!
//! A block is always full: rows past the end are padded with zeros and weight nothing, so that every
//! row goes through the same instructions and equal rows give equal bits. Fused multiply-add is used
//! where the processor has it: instruction sets agree to rounding, not to the last bit.

mod anchored;
mod arithmetic;
mod bend;
mod contrast;
mod equations;
mod gains;
mod gradients;
mod instructions;
mod outcome;
mod pairs;
mod softplus;
mod source;
mod tallies;
mod together;

pub use anchored::{
    ArmSums, AtAnchor, Blocks, Buffers, NearAnchor, REACH, Whereabouts, at_anchor, near_anchor,
};
pub use arithmetic::{add_gradient, exponential, linear_predictor, sigmoid, standardize};
pub use bend::{Bend, bend};
pub use contrast::contrast_sums;
pub use equations::ScoreEquations;
pub use gains::{Lefts, Part, best_cut};
pub use gradients::{Predicted, Scales, Slopes, logistic_slopes, poisson_slopes, squared_slopes};
pub use instructions::instruction_set;
pub use outcome::{ArmProducts, Weighing, arm_counts, arm_products, fitted_sums};
pub use pairs::{Bits, Company, company, drawn, extremes, least_gap, positive};
pub use softplus::log_likelihood;
pub use source::{Room, RoughLane, Source, round};
pub use tallies::{Label, RowLanes, Tallies};
pub use together::{
    Beginning, Member, ResampledRows, Rough, begin_together, near_together, rough_together,
};

/// Rows in a block: one column of it is 2 KiB, so a dozen columns stay in the first-level cache.
pub const BLOCK: usize = 256;

/// One value for each row of a block.
pub type Lane = [f64; BLOCK];

/// Values in blocks, padded with zeros.
#[must_use]
pub fn padded(values: impl ExactSizeIterator<Item = f64>) -> Vec<Lane> {
    let mut lanes = vec![[0.0; BLOCK]; values.len().div_ceil(BLOCK)];
    lanes.as_flattened_mut().iter_mut().zip(values).for_each(|(slot, value)| *slot = value);
    lanes
}
