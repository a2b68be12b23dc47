//! How passes over a matrix take its rows: a fixed number at a time.

use std::ops::Range;

use ndarray::{ArrayView1, ArrayView2, Axis, Slice};
use rayon::prelude::*;

use crate::kernels::BLOCK;

/// Rows a thread takes at a time when it passes over the data; a fixed number, so that sums do not
/// depend on how many threads there are.
pub const CHUNK: usize = 64 * BLOCK;

/// What is worked out of n rows chunk by chunk, in their order: on all threads of the pool that a call has. Outside of one
/// it is done on this thread alone, for rayon would start its global pool, which in a process forked later is dead and
/// hangs its users.
pub fn by_chunk<T: Send>(n: usize, of_rows: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
    let of_chunk = |index: usize| of_rows(index * CHUNK..n.min((index + 1) * CHUNK));
    let chunks = 0..n.div_ceil(CHUNK);
    match rayon::current_thread_index() {
        Some(_) => chunks.into_par_iter().map(of_chunk).collect(),
        None => chunks.map(of_chunk).collect(),
    }
}

/// Some rows of one column.
#[must_use]
pub fn stretch<T>(x: ArrayView2<'_, T>, column: usize, rows: Range<usize>) -> ArrayView1<'_, T> {
    let mut column = x.index_axis_move(Axis(1), column);
    column.slice_axis_inplace(Axis(0), Slice::from(rows));
    column
}
