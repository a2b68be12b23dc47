//! How much memory the calls need, at most: bytes a row but where the name says otherwise, results
//! included. Measured (tests/faults/memory.py), with a margin of a half or more; what they ask for first.

use crate::score::boosting::Table;

pub const FIT: usize = 64;
/// A value of the matrix, like what a thread needs: the matrix in the order of columns, and a forest's columns in order
/// of their values, for all rows and for those of a tree.
pub const FOREST: usize = 32;
pub const FOREST_A_THREAD: usize = 24;
/// A pair of columns: their sums of products in all, standardized, and in each chunk of rows.
pub const LASSO_A_PAIR: usize = 32;
pub const LASSO_A_PAIR_AND_CHUNK: usize = 8;
pub const PREDICT: usize = 16;
pub const IPW: usize = 64;
/// Its values from their origin, and influence on two means.
pub const IPW_AN_OUTCOME: usize = 36;
/// Residuals and spreads of two fits, leverage, and influence on two means.
pub const BALANCED_EFFECT: usize = 128;
pub const ADJUST: usize = 256;
/// Its values from their origin, influence on two means and of residuals, leverage.
pub const ADJUST_AN_OUTCOME: usize = 60;
/// Of one neighbour; what is kept of more does not grow with them.
pub const MATCHES: usize = 256;
pub const MATCHES_A_COLUMN: usize = 48;
pub const MATCHED_EFFECT: usize = 512;
pub const OPTIMAL: usize = 512;
/// The scores once more, in order, and what it takes to sort them.
pub const OVERLAP: usize = 24;
pub const BALANCE_A_THREAD: usize = 64;
/// A column, whatever the number of rows.
pub const MOMENTS_A_COLUMN: usize = 4096;
/// What the threads share: rows collapsed into cells, the fit.
pub const BOOTSTRAP: usize = 160;
pub const BOOTSTRAP_A_THREAD: usize = 96;
/// Rows of both arms in the order of their outcomes; and those of a replicate, with sums over the first of them.
pub const BOUNDS: usize = 48;
pub const BOUNDS_A_THREAD: usize = BOOTSTRAP_A_THREAD + 32;
/// An estimate of a replicate.
pub const REPLICATE: usize = 64;
pub const INFLUENCE: usize = 48;
pub const INFLUENCE_A_THREAD: usize = 16;

/// Codes, predictors of each fold, a tree in growth on a thread.
pub fn boosting(table: &Table<'_>, n_folds: usize) -> usize {
    let columns = table.numbers.ncols() + 2 * table.factors.ncols();
    2 * columns + 4 * n_folds + 24 * rayon::current_num_threads().min(n_folds) + 80
}
