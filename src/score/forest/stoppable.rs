//! A matrix that smartcore reads, and that can end its work: whoever reads a value after the caller has asked
//! to stop is unwound to the place where the forest was begun.
//!
//! smartcore has no way to be stopped, and one tree over 200,000 rows of 20 columns takes half a second, its
//! sorting as long again; what it cannot do without are the values. All else is left to its own `DenseMatrix`.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use smartcore::linalg::basic::arrays::{
    Array, Array2, ArrayView1, ArrayView2, MutArray, MutArrayView2,
};
use smartcore::linalg::basic::matrix::DenseMatrix;

use crate::error::{Error, Result};
use crate::monitor::Monitor;

/// What unwinds, so that it can be told from a panic.
struct Stop;

/// The work, or [`Error::Stopped`] where a [`Stoppable`] ended it.
pub fn stoppable<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // What was under way is dropped, and nobody looks at it again.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        match payload.downcast::<Stop>() {
            Ok(_) => Err(Error::Stopped),
            Err(panic) => resume_unwind(panic),
        }
    })
}

#[derive(Debug, Clone)]
pub struct Stoppable<'a> {
    x: DenseMatrix<f64>,
    /// `None` of a matrix that smartcore made itself.
    monitor: Option<&'a Monitor>,
}

impl<'a> Stoppable<'a> {
    pub fn new(x: DenseMatrix<f64>, monitor: &'a Monitor) -> Self {
        Self { x, monitor: Some(monitor) }
    }

    #[inline]
    fn attend(&self) {
        if self.monitor.is_some_and(Monitor::is_stopped) {
            resume_unwind(Box::new(Stop)); // unlike a panic it says nothing on its way
        }
    }
}

impl Array<f64, (usize, usize)> for Stoppable<'_> {
    #[inline]
    fn get(&self, at: (usize, usize)) -> &f64 {
        self.attend();
        self.x.get(at)
    }

    fn shape(&self) -> (usize, usize) {
        self.x.shape()
    }

    fn is_empty(&self) -> bool {
        self.x.is_empty()
    }

    fn iterator<'b>(&'b self, axis: u8) -> Box<dyn Iterator<Item = &'b f64> + 'b> {
        self.x.iterator(axis)
    }
}

impl MutArray<f64, (usize, usize)> for Stoppable<'_> {
    fn set(&mut self, at: (usize, usize), value: f64) {
        self.x.set(at, value);
    }

    fn iterator_mut<'b>(&'b mut self, axis: u8) -> Box<dyn Iterator<Item = &'b mut f64> + 'b> {
        self.x.iterator_mut(axis)
    }
}

impl ArrayView2<f64> for Stoppable<'_> {}

impl MutArrayView2<f64> for Stoppable<'_> {}

impl Array2<f64> for Stoppable<'_> {
    fn fill(n_rows: usize, n_columns: usize, value: f64) -> Self {
        Self { x: DenseMatrix::fill(n_rows, n_columns, value), monitor: None }
    }

    fn slice<'b>(
        &'b self,
        rows: Range<usize>,
        columns: Range<usize>,
    ) -> Box<dyn ArrayView2<f64> + 'b> {
        self.x.slice(rows, columns)
    }

    fn slice_mut<'b>(
        &'b mut self,
        rows: Range<usize>,
        columns: Range<usize>,
    ) -> Box<dyn MutArrayView2<f64> + 'b> {
        self.x.slice_mut(rows, columns)
    }

    fn from_iterator<I: Iterator<Item = f64>>(
        values: I,
        n_rows: usize,
        n_columns: usize,
        axis: u8,
    ) -> Self {
        Self { x: DenseMatrix::from_iterator(values, n_rows, n_columns, axis), monitor: None }
    }

    fn get_row<'b>(&'b self, row: usize) -> Box<dyn ArrayView1<f64> + 'b> {
        self.x.get_row(row)
    }

    /// Each column is sorted once a forest.
    fn get_col<'b>(&'b self, column: usize) -> Box<dyn ArrayView1<f64> + 'b> {
        self.attend();
        self.x.get_col(column)
    }
}
