//! A matrix of covariates, read in place, block by block, centred and scaled on the way: the fit is
//! then indifferent to units (1e9 beside 1e-6) and to far-off means.

use std::ops::Range;

use ndarray::{ArrayView1, ArrayView2, Axis, Slice};
use rayon::prelude::*;

use crate::checks;
use crate::error::{Error, Result};
use crate::kernels::{
    BLOCK, Lane, ScoreEquations, add_gradient, linear_predictor, sigmoid, standardize,
};
use crate::linalg::add;
use crate::moments::Moments;

/// Rows a thread takes at a time when it passes over the data; a fixed number, so that sums do not
/// depend on how many threads there are.
pub const CHUNK: usize = 64 * BLOCK;

#[derive(Debug, Clone)]
pub struct Covariates<'a> {
    x: ArrayView2<'a, f64>,
    /// Which columns of x these are.
    columns: Vec<usize>,
    pub center: Vec<f64>,
    pub scale: Vec<f64>,
}

impl<'a> Covariates<'a> {
    /// Centre at the mean and scale by the standard deviation; a constant column keeps scale 1 and is
    /// found collinear with the intercept later on.
    ///
    /// # Errors
    /// [`Error::NotFinite`], [`Error::NotFiniteColumns`], [`Error::Extreme`].
    pub fn standardized(x: ArrayView2<'a, f64>) -> Result<Self> {
        let moments = column_moments(x)?;
        let center = moments.iter().map(|m| m.mean).collect();
        let scale = moments
            .iter()
            .map(|m| (m.deviation / m.weight).sqrt())
            .map(|deviation| if deviation > 0.0 { deviation } else { 1.0 })
            .collect();
        Ok(Self { x, columns: (0..x.ncols()).collect(), center, scale })
    }

    /// The same centre and scale over other rows.
    #[must_use]
    pub fn with_rows<'b>(&self, x: ArrayView2<'b, f64>) -> Covariates<'b> {
        let Self { columns, center, scale, .. } = self.clone();
        Covariates { x, columns, center, scale }
    }

    /// Measured from `center`, left on the caller's scale.
    #[must_use]
    pub fn centered(x: ArrayView2<'a, f64>, center: Vec<f64>) -> Self {
        let scale = vec![1.0; center.len()];
        Self { x, columns: (0..x.ncols()).collect(), center, scale }
    }

    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.x.nrows()
    }

    #[must_use]
    pub fn n_columns(&self) -> usize {
        self.columns.len()
    }

    /// Some of these columns, in the order given.
    #[must_use]
    pub fn subset(&self, columns: &[usize]) -> Self {
        Self {
            x: self.x,
            columns: columns.iter().map(|k| self.columns[*k]).collect(),
            center: columns.iter().map(|k| self.center[*k]).collect(),
            scale: columns.iter().map(|k| self.scale[*k]).collect(),
        }
    }

    /// The linear predictor of every row, intercept first.
    #[must_use]
    pub fn linear(&self, beta: &[f64]) -> Vec<f64> {
        let mut values = vec![0.0; self.n_rows()];
        values.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, values)| {
            self.linear_into(beta, chunk * CHUNK, values);
        });
        values
    }

    /// The logistic function of every row's linear predictor; equal rows get equal bits.
    #[must_use]
    pub fn probabilities(&self, beta: &[f64]) -> Vec<f64> {
        let mut values = self.linear(beta);
        values.par_chunks_mut(CHUNK).for_each(sigmoid);
        values
    }

    /// Fill `values` with the linear predictors of the rows from `start` on.
    pub fn linear_into(&self, beta: &[f64], start: usize, values: &mut [f64]) {
        let mut columns = vec![[0.0; BLOCK]; self.n_columns()];
        let mut eta = [0.0; BLOCK];
        for (block, values) in values.chunks_mut(BLOCK).enumerate() {
            self.load(start + block * BLOCK, &mut columns);
            linear_predictor(beta, &columns, &mut eta);
            values.copy_from_slice(&eta[..values.len()]);
        }
    }

    /// The sums of x r over all rows, intercept first.
    #[must_use]
    pub fn gradient(&self, residual: &[f64]) -> Vec<f64> {
        let n = self.n_rows();
        let chunk = |first: usize| {
            let mut sums = vec![0.0; self.n_columns() + 1];
            let mut columns = vec![[0.0; BLOCK]; self.n_columns()];
            let mut r = [0.0; BLOCK];
            for start in (first..n.min(first + CHUNK)).step_by(BLOCK) {
                let rows = start..n.min(start + BLOCK);
                self.load(start, &mut columns);
                r[..rows.len()].copy_from_slice(&residual[rows.clone()]);
                r[rows.len()..].fill(0.0);
                add_gradient(&columns, &r, &mut sums);
            }
            sums
        };
        let chunks: Vec<Vec<f64>> =
            (0..n.div_ceil(CHUNK)).into_par_iter().map(|index| chunk(index * CHUNK)).collect();
        let mut total = vec![0.0; self.n_columns() + 1];
        for one in &chunks {
            add(&mut total, 1.0, one);
        }
        total
    }

    /// The sums of x r and of x x' s over all rows, intercept first.
    #[must_use]
    pub fn products(&self, residual: &[f64], spread: &[f64]) -> ScoreEquations {
        let n = self.n_rows();
        let chunk = |first: usize| {
            let mut equations = ScoreEquations::new(self.n_columns() + 1);
            let mut columns = vec![[0.0; BLOCK]; self.n_columns()];
            let (mut r, mut s) = ([0.0; BLOCK], [0.0; BLOCK]);
            for start in (first..n.min(first + CHUNK)).step_by(BLOCK) {
                let rows = start..n.min(start + BLOCK);
                self.load(start, &mut columns);
                for (lane, values) in [(&mut r, residual), (&mut s, spread)] {
                    lane[..rows.len()].copy_from_slice(&values[rows.clone()]);
                    lane[rows.len()..].fill(0.0);
                }
                equations.add_products(&columns, &r, &s);
            }
            equations
        };
        let chunks: Vec<ScoreEquations> =
            (0..n.div_ceil(CHUNK)).into_par_iter().map(|index| chunk(index * CHUNK)).collect();
        let mut total = ScoreEquations::new(self.n_columns() + 1);
        for one in &chunks {
            total.merge(one);
        }
        total
    }

    /// The block that starts at row `start`, column by column, padded with zeros.
    pub fn load(&self, start: usize, columns: &mut [Lane]) {
        let end = self.x.nrows().min(start + BLOCK);
        for (k, lane) in columns.iter_mut().enumerate() {
            let (center, per_scale) = (self.center[k], 1.0 / self.scale[k]);
            let (filled, padding) = lane.split_at_mut(end - start);
            let column = stretch(self.x, self.columns[k], start..end);
            if let Some(values) = column.as_slice() {
                standardize(values, center, per_scale, filled);
            } else {
                filled.iter_mut().zip(column).for_each(|(z, x)| *z = (x - center) * per_scale);
            }
            padding.fill(0.0);
        }
    }
}

/// Mean and spread of each column, in one pass over fixed chunks.
fn column_moments(x: ArrayView2<'_, f64>) -> Result<Vec<Moments>> {
    let chunks: Vec<Vec<Moments>> = (0..x.nrows().div_ceil(CHUNK))
        .into_par_iter()
        .map(|chunk| chunk_moments(x, chunk * CHUNK))
        .collect();
    let mut moments = vec![Moments::default(); x.ncols()];
    for chunk in &chunks {
        moments.iter_mut().zip(chunk).for_each(|(all, one)| all.merge(one));
    }
    for (k, column) in moments.iter().enumerate() {
        let vanishes = column.deviation < f64::MIN_POSITIVE && !is_constant(x.column(k));
        if vanishes || !column.deviation.is_finite() {
            return Err(not_measurable(x, k));
        }
    }
    Ok(moments)
}

/// Why column `k` has no spread that is a number.
#[must_use]
pub fn not_measurable(x: ArrayView2<'_, f64>, k: usize) -> Error {
    let extreme = Error::Extreme { name: "x", column: Some(k) };
    checks::finite_columns("x", x).err().unwrap_or(extreme)
}

#[allow(clippy::float_cmp)] // exact on purpose: one number all the way down
fn is_constant(column: ArrayView1<'_, f64>) -> bool {
    column.iter().all(|value| Some(value) == column.first())
}

fn chunk_moments(x: ArrayView2<'_, f64>, start: usize) -> Vec<Moments> {
    let mut moments = vec![Moments::default(); x.ncols()];
    let mut lane = [0.0; BLOCK];
    let end = x.nrows().min(start + CHUNK);
    for start in (start..end).step_by(BLOCK) {
        let length = BLOCK.min(end - start);
        for (k, moments) in moments.iter_mut().enumerate() {
            let column = stretch(x, k, start..start + length);
            let values = if let Some(values) = column.to_slice() {
                values
            } else {
                lane.iter_mut().zip(column).for_each(|(slot, x)| *slot = *x);
                &lane[..length]
            };
            moments.add_weighing(values, &[1.0; BLOCK][..length], length as f64);
        }
    }
    moments
}

/// Some rows of one column.
#[must_use]
pub fn stretch(x: ArrayView2<'_, f64>, column: usize, rows: Range<usize>) -> ArrayView1<'_, f64> {
    let mut column = x.index_axis_move(Axis(1), column);
    column.slice_axis_inplace(Axis(0), Slice::from(rows));
    column
}
