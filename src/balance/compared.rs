//! What balance is asked of.

use ndarray::{Array2, ShapeBuilder};

use super::columns::{Column, columns};
use super::factors::levels_of;
use super::samples::Sample;
use crate::design::coded::check_places;
use crate::design::factors::Factor;
use crate::error::Result;
use crate::matrix::Matrix;

/// Columns of a factor with slopes that are numbers at a time.
const AT_A_TIME: usize = 16;

/// What is compared: columns of numbers, and factors, of which each level is a column of zeros and ones, or of these times
/// the numbers of a factor with slopes, the first too.
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

    /// What those of factors with slopes take, a few at a time.
    pub(super) fn bytes_a_row(&self) -> usize {
        let has_slopes = self.factors.iter().any(|factor| factor.values().is_some());
        if has_slopes { AT_A_TIME * size_of::<f64>() } else { 0 }
    }

    /// The columns of factors with slopes, a few at a time, as numbers: how many of the others stand before each of
    /// these matrices.
    pub(super) fn products(&self) -> impl Iterator<Item = (usize, Array2<f64>)> {
        let mut before = 0;
        let (mut place, n_rows) = (0, self.x.nrows());
        let own = self.factors.iter().zip(self.after).filter_map(move |(factor, after)| {
            before += *after - place;
            place = *after;
            if factor.values().is_none() {
                before += factor.n_levels();
                return None;
            }
            Some((before, factor))
        });
        own.flat_map(move |(before, factor)| {
            let firsts = (0..factor.n_levels()).step_by(AT_A_TIME);
            firsts.map(move |first| {
                let n_levels = AT_A_TIME.min(factor.n_levels() - first);
                let mut x = Array2::zeros((n_rows, n_levels).f());
                for row in 0..n_rows {
                    if let Some(level) = factor.level(row).checked_sub(first)
                        && level < n_levels
                    {
                        x[(row, level)] = factor.value(row);
                    }
                }
                (before, x)
            })
        })
    }

    /// The other columns in their order, each with its place in x, if it is there.
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
                if factor.values().is_some() {
                    continue;
                }
                let levels = levels_of(factor, treatment, samples);
                all.extend(levels.into_iter().map(|column| (None, column)));
            }
            all.extend(numbers.next().map(|(k, column)| (Some(k), column)));
        }
        Ok(all)
    }
}
