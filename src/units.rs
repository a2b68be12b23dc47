//! What models are fitted to and sums are taken over: rows, or groups of rows that hold the same.

pub mod cells;
pub mod fingerprint;
pub mod frequency;
pub mod sorted_rows;
pub mod tally;
