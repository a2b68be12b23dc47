//! What balance is asked of.

use super::columns::{Column, columns};
use super::factors::levels_of;
use super::samples::Sample;
use crate::design::coded::check_places;
use crate::design::factors::Factor;
use crate::error::Result;
use crate::matrix::Matrix;

/// What is compared: columns of numbers, and factors, of which each level is a column of zeros and ones, the first too.
#[derive(Debug, Clone)]
pub struct Compared<'a> {
    pub x: Matrix<'a>,
    pub factors: &'a [Factor],
    /// How many columns of `x` stand before each factor, in ascending order.
    pub after: &'a [usize],
}

impl<'a> Compared<'a> {
    /// Numbers alone.
    #[must_use]
    pub fn numbers(x: impl Into<Matrix<'a>>) -> Self {
        Self { x: x.into(), factors: &[], after: &[] }
    }

    /// # Errors
    /// Those of [`check_places`].
    pub(super) fn check(&self) -> Result<()> {
        check_places((self.x.nrows(), self.x.ncols()), self.factors, self.after)
    }

    /// The columns in their order, each with its place in x, if it is there.
    pub(super) fn columns(
        &self,
        treatment: &[bool],
        samples: &[Sample<'_>],
    ) -> Result<Vec<(Option<usize>, Column)>> {
        let numbers = columns(&self.x, treatment, samples)?;
        let mut all: Vec<(Option<usize>, Column)> = Vec::new();
        let mut factors = self.factors.iter().zip(self.after).peekable();
        let mut numbers = numbers.into_iter().enumerate();
        for place in 0..=self.x.ncols() {
            while let Some((factor, _)) = factors.next_if(|(_, after)| **after == place) {
                let levels = levels_of(factor, treatment, samples);
                all.extend(levels.into_iter().map(|column| (None, column)));
            }
            all.extend(numbers.next().map(|(k, column)| (Some(k), column)));
        }
        Ok(all)
    }
}
