//! The inner loops over a block of rows, in SIMD. Plain loops over fixed-size arrays, compiled by `pulp` for
//! the baseline processor, for AVX2 and for AVX-512; `instructions` picks at run time.
//!
//! A block is always full: rows past the end are padded with zeros and weight nothing, so that every
//! row goes through the same instructions and equal rows give equal bits. Fused multiply-add is used
//! where the processor has it: instruction sets agree to rounding, not to the last bit.

#![allow(clippy::inline_always)] // inlining carries the wider instruction set into the loops

mod arithmetic;
mod batched;
mod blocks;
mod contrast;
mod equations;
mod few_columns;
mod full_fit;
mod gains;
mod gradients;
mod instructions;
mod levels;
mod outcome;
mod pairs;
mod products;
mod remainder;
mod softplus;
mod step;
mod tallies;

pub use arithmetic::{add_gradient, exponential, linear_predictor, sigmoid, standardize};
pub use batched::{
    AtStart, InSingle, Member, ResampledRows, batch_at_full_fit, batch_at_step, batch_in_single,
};
pub use blocks::{Blocks, Buffers, Room, SingleLane, Source, round};
pub use contrast::contrast_sums;
pub use equations::ScoreEquations;
pub use few_columns::FEW_COLUMNS;
pub use full_fit::{AtFullFit, at_full_fit};
pub use gains::{Lefts, Part, Uncut, best_cut};
pub use gradients::{Predicted, Scales, Slopes, logistic_slopes, poisson_slopes, squared_slopes};
pub use instructions::instruction_set;
pub use levels::{
    LevelLane, Run, add_effects, add_levels, add_pairs, add_run_sums, add_runs, add_slopes,
    add_to_levels, logistic_residuals, side_by_side, weighted_residuals,
};
pub use outcome::{ArmProducts, Weighing, arm_counts, arm_products, fitted_sums};
pub use pairs::{Bits, Company, company, drawn, extremes, least_gap, positive};
pub use remainder::{Remainder, remainder};
pub use softplus::log_likelihood;
pub use step::{ArmSums, AtStep, FittedScores, LONGEST_MOVE, at_step};
pub use tallies::{Label, RowLanes, Tallies};

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
