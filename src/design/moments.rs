//! Means and spreads of the columns of a matrix, by which a design is standardized.

use rayon::prelude::*;

use crate::checks;
use crate::design::chunks::CHUNK;
use crate::error::{Error, Result};
use crate::kernels::BLOCK;
use crate::matrix::Matrix;
use crate::moments::Moments;

/// Mean and spread of each column, in one pass over fixed chunks.
///
/// # Errors
/// Those of [`not_measurable`].
pub fn column_moments(x: &Matrix<'_>, sample_weight: Option<&[f64]>) -> Result<Vec<Moments>> {
    let chunks: Vec<Vec<Moments>> = (0..x.nrows().div_ceil(CHUNK))
        .into_par_iter()
        .map(|chunk| chunk_moments(x, sample_weight, chunk * CHUNK))
        .collect();
    let mut moments = vec![Moments::default(); x.ncols()];
    for chunk in &chunks {
        moments.iter_mut().zip(chunk).for_each(|(all, one)| all.merge(one));
    }
    for (k, column) in moments.iter().enumerate() {
        let vanishes =
            column.deviation < f64::MIN_POSITIVE && !is_constant(&x.column(k), sample_weight);
        if vanishes || !column.deviation.is_finite() {
            return Err(not_measurable(x, k));
        }
    }
    Ok(moments)
}

/// Why column `k` has no spread that is a number.
#[must_use]
pub fn not_measurable(x: &Matrix<'_>, k: usize) -> Error {
    let extreme = Error::Extreme { name: "x", column: Some(k) };
    checks::finite_columns("x", x.clone()).err().unwrap_or(extreme)
}

#[allow(clippy::float_cmp)] // exact on purpose: one number all the way down
fn is_constant(column: &[f64], sample_weight: Option<&[f64]>) -> bool {
    let is_there = |row: &usize| sample_weight.is_none_or(|weight| weight[*row] > 0.0);
    let mut there = (0..column.len()).filter(is_there).map(|row| column[row]);
    let first = there.next();
    there.all(|value| Some(value) == first)
}

fn chunk_moments(x: &Matrix<'_>, sample_weight: Option<&[f64]>, start: usize) -> Vec<Moments> {
    let mut moments = vec![Moments::default(); x.ncols()];
    let mut lane = [0.0; BLOCK];
    let mut present = [1.0; BLOCK];
    let end = x.nrows().min(start + CHUNK);
    for start in (start..end).step_by(BLOCK) {
        let length = BLOCK.min(end - start);
        let mut n_present = length as f64;
        if let Some(weight) = sample_weight {
            let weight = &weight[start..start + length];
            present.iter_mut().zip(weight).for_each(|(slot, w)| *slot = f64::from(*w > 0.0));
            n_present = present[..length].iter().sum();
        }
        for (k, moments) in moments.iter_mut().enumerate() {
            let values = x.some(k, start..start + length, &mut lane);
            moments.add_weighing(values, &present[..length], n_present);
        }
    }
    moments
}
