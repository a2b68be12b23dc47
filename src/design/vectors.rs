//! Sums and linear predictors of several vectors over the same rows: a pass reads the columns once for all of them.

use rayon::prelude::*;

use crate::design::covariates::{CHUNK, Covariates};
use crate::kernels::{BLOCK, Lane, ScoreEquations, add_gradient, linear_predictor};
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

    /// The sums of x x' s over all rows, intercept first, for each of N vectors s that `fill` gives.
    #[must_use]
    pub fn informations<const N: usize>(&self, fill: &OnRows<'_>) -> [Vec<f64>; N] {
        let terms = self.n_columns() + 1;
        let sums = self.reduce(
            || [(); N].map(|()| ScoreEquations::new(terms)),
            |sums, columns, rows| {
                for (which, sums) in sums.iter_mut().enumerate() {
                    let mut lane = [0.0; BLOCK];
                    fill(which, rows.start, &mut lane[..rows.len()]);
                    sums.add_products(columns, &lane, &lane);
                }
            },
            |total, one| total.iter_mut().zip(one).for_each(|(total, one)| total.merge(one)),
        );
        sums.map(|sums| sums.information)
    }

    /// The sums of x r over all rows, block by block: `fill` gets the number of the vector, that of the first row, how
    /// many there are, their columns, and an empty lane.
    fn sums(
        &self,
        count: usize,
        fill: impl Fn(usize, usize, usize, &[Lane], &mut Lane) + Sync,
    ) -> Vec<Vec<f64>> {
        self.reduce(
            || vec![vec![0.0; self.n_columns() + 1]; count],
            |sums, columns, rows| {
                for (which, sums) in sums.iter_mut().enumerate() {
                    let mut lane = [0.0; BLOCK];
                    fill(which, rows.start, rows.len(), columns, &mut lane);
                    add_gradient(columns, &lane, sums);
                }
            },
            |total, one| {
                total.iter_mut().zip(one).for_each(|(total, one)| add(total, 1.0, one));
            },
        )
    }

    /// The linear predictors by each of several coefficients, intercept first: as [`Covariates::linear`] has them, once
    /// `finish` has worked on each block of them.
    #[must_use]
    pub fn linears(&self, coefficients: &[Vec<f64>], finish: &OnRows<'_>) -> Vec<Vec<f64>> {
        let n = self.n_rows();
        // One by one: a copy of zeros would be written by one thread, and its original be read before it is written.
        let mut found: Vec<Vec<f64>> = coefficients.iter().map(|_| vec![0.0; n]).collect();
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
