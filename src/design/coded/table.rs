//! Numbers and factors as they are given, and the order of their terms.

use ndarray::{Array2, ArrayView2, ShapeBuilder};
use rayon::prelude::*;

use crate::checks;
use crate::design::chunks::CHUNK;
use crate::design::covariates::Covariates;
use crate::design::factors::Factor;
use crate::error::{Error, Result};

/// Columns of n rows: numbers, and factors that stand for a dummy for each of their levels but the first.
#[derive(Debug, Clone, Copy)]
pub struct NumbersAndFactors<'a> {
    pub x: ArrayView2<'a, f64>,
    pub factors: &'a [Factor],
    /// How many columns of `x` stand before each factor, in ascending order.
    pub after: &'a [usize],
}

/// Require factors of so many rows, each of which stands among so many columns.
///
/// # Errors
/// [`Error::Length`], [`Error::Argument`].
pub fn check_places(
    (n_rows, n_columns): (usize, usize),
    factors: &[Factor],
    after: &[usize],
) -> Result<()> {
    checks::same_length("after", after.len(), factors.len())?;
    for factor in factors {
        checks::same_length("factors", factor.n_rows(), n_rows)?;
    }
    if after.iter().all(|place| *place <= n_columns) && after.is_sorted() {
        return Ok(());
    }
    let found = format!("{after:?}");
    let allowed = "numbers of columns of x, ascending";
    Err(Error::Argument { name: "after", found, allowed })
}

impl NumbersAndFactors<'_> {
    /// # Errors
    /// [`Error::Length`], [`Error::Argument`].
    pub fn check(&self) -> Result<()> {
        check_places(self.x.dim(), self.factors, self.after)
    }

    /// How many terms there are, the intercept aside.
    #[must_use]
    pub fn n_terms(&self) -> usize {
        let of_factors: usize = self.factors.iter().map(|factor| factor.n_levels() - 1).sum();
        self.x.ncols() + of_factors
    }

    /// The terms of the numbers, and those of each factor's levels from the second on.
    #[must_use]
    pub fn terms(&self) -> (Vec<usize>, Vec<Vec<usize>>) {
        let (mut numbers, mut levels) = (Vec::new(), Vec::new());
        let mut next = 0;
        for column in 0..=self.x.ncols() {
            let own = self.factors.iter().zip(self.after).filter(|(_, after)| **after == column);
            for (factor, _) in own {
                levels.push((next..next + factor.n_levels() - 1).collect());
                next += factor.n_levels() - 1;
            }
            if column < self.x.ncols() {
                numbers.push(next);
                next += 1;
            }
        }
        (numbers, levels)
    }

    /// The linear predictor of every row, with slopes and centers by term and the intercept at these.
    #[must_use]
    pub fn linear(&self, center: &[f64], intercept: f64, slopes: &[f64]) -> Vec<f64> {
        let (numbers, levels) = self.terms();
        let own = |values: &[f64]| numbers.iter().map(|term| values[*term]).collect::<Vec<_>>();
        // A row of no level beyond the first is as far below the center of each of the others.
        let away: f64 = levels.iter().flatten().map(|term| slopes[*term] * center[*term]).sum();
        let mut beta = own(slopes);
        beta.insert(0, intercept - away);
        let mut values = Covariates::centered(self.x, own(center)).linear(&beta);
        values.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, values)| {
            for (factor, terms) in self.factors.iter().zip(&levels) {
                for (row, value) in (chunk * CHUNK..).zip(&mut *values) {
                    if let Some(level) = factor.level(row).checked_sub(1) {
                        *value += factor.value(row) * slopes[terms[level]];
                    }
                }
            }
        });
        values
    }

    /// The terms as a matrix, column by column.
    #[must_use]
    pub fn matrix(&self) -> Array2<f64> {
        let n = self.x.nrows();
        let mut matrix = Array2::zeros((n, self.n_terms()).f());
        let (numbers, levels) = self.terms();
        for (column, term) in self.x.columns().into_iter().zip(numbers) {
            matrix.column_mut(term).assign(&column);
        }
        for (factor, terms) in self.factors.iter().zip(levels) {
            for row in 0..n {
                if let Some(level) = factor.level(row).checked_sub(1) {
                    matrix[(row, terms[level])] = factor.value(row);
                }
            }
        }
        matrix
    }
}
