//! How passes over a matrix take its rows: a fixed number at a time.

use std::ops::Range;

use ndarray::{ArrayView1, ArrayView2, Axis, Slice};

use crate::kernels::BLOCK;

/// Rows a thread takes at a time when it passes over the data; a fixed number, so that sums do not
/// depend on how many threads there are.
pub const CHUNK: usize = 64 * BLOCK;

/// Some rows of one column.
#[must_use]
pub fn stretch<T>(x: ArrayView2<'_, T>, column: usize, rows: Range<usize>) -> ArrayView1<'_, T> {
    let mut column = x.index_axis_move(Axis(1), column);
    column.slice_axis_inplace(Axis(0), Slice::from(rows));
    column
}
