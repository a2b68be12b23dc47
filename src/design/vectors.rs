//! Sums and linear predictors of several vectors over the same rows: a pass reads the columns once for all of them.

use rayon::prelude::*;

use crate::design::covariates::{CHUNK, Covariates};
use crate::kernels::{BLOCK, Lane, add_gradient, linear_predictor};
use crate::linalg::add;

/// What works on the values of one of several vectors, from a row on: the number of the vector, that of the row, and
/// the values, of up to [`CHUNK`] rows.
pub type OnRows<'f> = dyn Fn(usize, usize, &mut [f64]) + Sync + 'f;

/// Fill a vector of n values in, on all threads.
#[must_use]
pub fn filled(n: usize, which: usize, fill: &OnRows<'_>) -> Vec<f64> {
    let mut values = vec![0.0; n];
    on_rows(&mut values, which, fill);
    values
}

/// Work on a whole vector, on all threads.
pub fn on_rows(values: &mut [f64], which: usize, work: &OnRows<'_>) {
    let chunks = values.par_chunks_mut(CHUNK).enumerate();
    chunks.for_each(|(chunk, values)| work(which, chunk * CHUNK, values));
}

impl Covariates<'_> {
    /// The sums of x r over all rows, intercept first, for each of `count` vectors r that `fill` gives: as
    /// [`Covariates::gradient`] has them.
    #[must_use]
    pub fn gradients(&self, count: usize, fill: &OnRows<'_>) -> Vec<Vec<f64>> {
        self.sums(count, |which, first, rows, _, lane| fill(which, first, &mut lane[..rows]))
    }

    /// The same of vectors that `residual` makes of the linear predictors by each of several coefficients.
    #[must_use]
    pub fn gradients_at(&self, coefficients: &[Vec<f64>], residual: &OnRows<'_>) -> Vec<Vec<f64>> {
        self.sums(coefficients.len(), |which, first, rows, columns, lane| {
            linear_predictor(&coefficients[which], columns, lane);
            residual(which, first, &mut lane[..rows]);
            lane[rows..].fill(0.0);
        })
    }

    /// The sums of x r over all rows, block by block: `fill` gets the number of the vector, that of the first row, how
    /// many there are, their columns, and an empty lane.
    fn sums(
        &self,
        count: usize,
        fill: impl Fn(usize, usize, usize, &[Lane], &mut Lane) + Sync,
    ) -> Vec<Vec<f64>> {
        let (n, terms) = (self.n_rows(), self.n_columns() + 1);
        let chunk = |index: usize| {
            let mut sums = vec![vec![0.0; terms]; count];
            let mut columns = vec![[0.0; BLOCK]; terms - 1];
            let last = n.min((index + 1) * CHUNK);
            for first in (index * CHUNK..last).step_by(BLOCK) {
                self.load(first, &mut columns);
                for (which, sums) in sums.iter_mut().enumerate() {
                    let mut lane = [0.0; BLOCK];
                    fill(which, first, BLOCK.min(last - first), &columns, &mut lane);
                    add_gradient(&columns, &lane, sums);
                }
            }
            sums
        };
        let chunks: Vec<_> = (0..n.div_ceil(CHUNK)).into_par_iter().map(chunk).collect();
        let mut total = vec![vec![0.0; terms]; count];
        for sums in &chunks {
            total.iter_mut().zip(sums).for_each(|(total, one)| add(total, 1.0, one));
        }
        total
    }

    /// The linear predictors by each of several coefficients, intercept first: as [`Covariates::linear`] has them, once
    /// `finish` has worked on each block of them.
    #[must_use]
    pub fn linears(&self, coefficients: &[Vec<f64>], finish: &OnRows<'_>) -> Vec<Vec<f64>> {
        let n = self.n_rows();
        let mut found = vec![vec![0.0; n]; coefficients.len()];
        let mut chunks: Vec<Vec<&mut [f64]>> = (0..n.div_ceil(CHUNK)).map(|_| vec![]).collect();
        for vector in &mut found {
            let own = vector.chunks_mut(CHUNK);
            chunks.iter_mut().zip(own).for_each(|(chunk, values)| chunk.push(values));
        }
        chunks.into_par_iter().enumerate().for_each(|(index, mut vectors)| {
            let mut columns = vec![[0.0; BLOCK]; self.n_columns()];
            let mut eta = [0.0; BLOCK];
            let rows = vectors.first().map_or(0, |values| values.len());
            for start in (0..rows).step_by(BLOCK) {
                let first = index * CHUNK + start;
                self.load(first, &mut columns);
                for (which, (values, beta)) in vectors.iter_mut().zip(coefficients).enumerate() {
                    linear_predictor(beta, &columns, &mut eta);
                    let own = &mut values[start..rows.min(start + BLOCK)];
                    own.copy_from_slice(&eta[..own.len()]);
                    finish(which, first, own);
                }
            }
        });
        found
    }
}
