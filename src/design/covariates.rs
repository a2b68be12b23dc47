//! A matrix of covariates, read in place, block by block, centred and scaled on the way: the fit is
//! then indifferent to units (1e9 beside 1e-6) and to far-off means.

use std::ops::Range;

use rayon::prelude::*;

use crate::checks;
use crate::design::moments::column_moments;
use crate::error::{Error, Result};
use crate::kernels::{
    BLOCK, Lane, ScoreEquations, add_gradient, linear_predictor, sigmoid, standardize,
};
use crate::linalg::add;
use crate::matrix::Matrix;

pub use crate::design::chunks::{CHUNK, stretch};

#[derive(Debug, Clone)]
pub struct Covariates<'a> {
    x: Matrix<'a>,
    /// Which columns of x these are.
    columns: Vec<usize>,
    pub center: Vec<f64>,
    pub scale: Vec<f64>,
    /// Where these columns stood among those that were asked for, and which of these were left out.
    places: Vec<usize>,
    dropped: Vec<usize>,
    /// In the order of their columns.
    rests: Vec<Rest>,
    /// Whether it was decided which of them are collinear.
    is_settled: bool,
}

/// What takes the place of a column that the earlier ones nearly explain: itself less its regression on them, on a
/// scale of its own; see [`crate::design::rank`].
#[derive(Debug, Clone)]
pub struct Rest {
    pub column: usize,
    /// On the earlier columns as they stand in the design, intercept first.
    pub beta: Vec<f64>,
    pub per_scale: f64,
}

impl<'a> Covariates<'a> {
    /// Centre at the mean and scale by the standard deviation; a constant column keeps scale 1 and is
    /// found collinear with the intercept later on.
    ///
    /// # Errors
    /// [`Error::NotFinite`], [`Error::NotFiniteColumns`], [`Error::Extreme`].
    pub fn standardized(x: impl Into<Matrix<'a>>) -> Result<Self> {
        Self::standardized_among(x, None)
    }

    /// As [`Covariates::standardized`], by the rows that are there: one of sample weight 0 is not.
    ///
    /// # Errors
    /// Those of [`Covariates::standardized`]; [`Error::Length`].
    pub fn standardized_among(
        x: impl Into<Matrix<'a>>,
        sample_weight: Option<&[f64]>,
    ) -> Result<Self> {
        let x = x.into();
        checks::same_length(
            "sample_weight",
            sample_weight.map_or(x.nrows(), <[f64]>::len),
            x.nrows(),
        )?;
        let absent = sample_weight.filter(|weight| weight.contains(&0.0));
        let moments = column_moments(&x, absent)?;
        let center = moments.iter().map(|m| m.mean).collect();
        let scale = moments
            .iter()
            .map(|m| (m.deviation / m.weight).sqrt())
            .map(|deviation| if deviation > 0.0 { deviation } else { 1.0 })
            .collect();
        Ok(Self::of_all(x, center, scale))
    }

    fn of_all(x: Matrix<'a>, center: Vec<f64>, scale: Vec<f64>) -> Self {
        let columns: Vec<usize> = (0..x.ncols()).collect();
        let (places, dropped, rests) = (columns.clone(), Vec::new(), Vec::new());
        Self { x, columns, center, scale, places, dropped, rests, is_settled: false }
    }

    /// The same centre and scale over other rows.
    #[must_use]
    pub fn with_rows<'b>(&self, x: impl Into<Matrix<'b>>) -> Covariates<'b> {
        let x = x.into();
        let Self { columns, center, scale, places, dropped, rests, is_settled, .. } = self.clone();
        Covariates { x, columns, center, scale, places, dropped, rests, is_settled }
    }

    /// Measured from `center`, left on the caller's scale.
    #[must_use]
    pub fn centered(x: impl Into<Matrix<'a>>, center: Vec<f64>) -> Self {
        let scale = vec![1.0; center.len()];
        Self::of_all(x.into(), center, scale)
    }

    /// Measured from the centre of a model that was fitted on other rows.
    ///
    /// # Errors
    /// A number of columns other than the model's.
    pub fn around(x: impl Into<Matrix<'a>>, center: &[f64]) -> Result<Self> {
        let x = x.into();
        if x.ncols() != center.len() {
            return Err(Error::Argument {
                name: "x",
                found: format!("{} columns", x.ncols()),
                allowed: "as wide as the matrix the model was fitted on",
            });
        }
        Ok(Self::centered(x, center.to_vec()))
    }

    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.x.nrows()
    }

    #[must_use]
    pub fn n_columns(&self) -> usize {
        self.columns.len()
    }

    /// Some of these columns, in the order given, each standardized by itself.
    #[must_use]
    pub fn subset(&self, columns: &[usize]) -> Self {
        Self {
            x: self.x.clone(),
            columns: columns.iter().map(|k| self.columns[*k]).collect(),
            center: columns.iter().map(|k| self.center[*k]).collect(),
            scale: columns.iter().map(|k| self.scale[*k]).collect(),
            places: (0..columns.len()).collect(),
            dropped: Vec::new(),
            rests: Vec::new(),
            is_settled: false,
        }
    }

    /// The first so many columns, as they stand in the design.
    #[must_use]
    pub fn first(&self, n_columns: usize) -> Self {
        let mut first = self.clone();
        first.columns.truncate(n_columns);
        first.center.truncate(n_columns);
        first.scale.truncate(n_columns);
        first.places.truncate(n_columns);
        first.rests.retain(|rest| rest.column < n_columns);
        first
    }

    /// Whether every column that was asked for is there, as it is.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.rests.is_empty() && self.dropped.is_empty()
    }

    /// Whether it was decided which columns are collinear.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.is_settled
    }

    pub fn mark_settled(&mut self) {
        self.is_settled = true;
    }

    /// Leave a column out.
    pub fn leave_out(&mut self, column: usize) {
        debug_assert!(self.rests.iter().all(|rest| rest.column < column), "settled in order");
        self.columns.remove(column);
        self.center.remove(column);
        self.scale.remove(column);
        self.dropped.push(self.places.remove(column));
    }

    /// Let what is left of a column take its place.
    pub fn put(&mut self, rest: Rest) {
        debug_assert!(self.rests.iter().all(|other| other.column < rest.column), "in order");
        self.rests.push(rest);
    }

    /// Where the columns stood among those that were asked for.
    #[must_use]
    pub fn places(&self) -> &[usize] {
        &self.places
    }

    /// Which of those that were asked for were left out, being collinear with earlier ones.
    #[must_use]
    pub fn dropped(&self) -> &[usize] {
        &self.dropped
    }

    /// The matrix that the columns are read from, and which of its columns one is.
    #[must_use]
    pub fn values(&self) -> &Matrix<'a> {
        &self.x
    }

    #[must_use]
    pub fn column(&self, k: usize) -> usize {
        self.columns[k]
    }

    /// The factor by which what is left of a column was stretched; 1 where it stands there itself.
    #[must_use]
    pub fn per_scale(&self, column: usize) -> f64 {
        self.rests.iter().find(|rest| rest.column == column).map_or(1.0, |rest| rest.per_scale)
    }

    /// Slopes on all columns that were asked for, a standard deviation each.
    #[must_use]
    pub fn by_standard_deviation(&self, beta: &[f64]) -> Vec<f64> {
        let mut slopes = self.to_callers(beta).split_off(1);
        for (place, scale) in self.places.iter().zip(&self.scale) {
            slopes[*place] *= scale;
        }
        slopes
    }

    /// Coefficients, intercept first, on all columns that were asked for, in units of their values and measured from
    /// their centers; zero for those left out.
    #[must_use]
    pub fn to_callers(&self, beta: &[f64]) -> Vec<f64> {
        let mut own = beta.to_vec();
        for Rest { column, beta, per_scale } in self.rests.iter().rev() {
            let slope = own[column + 1] * per_scale;
            own[column + 1] = slope;
            add(&mut own[..=*column], -slope, beta);
        }
        let mut all = vec![0.0; self.places.len() + self.dropped.len() + 1];
        all[0] = own[0];
        for (k, place) in self.places.iter().enumerate() {
            all[place + 1] = own[k + 1] / self.scale[k];
        }
        all
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
        self.reduce(
            || vec![0.0; self.n_columns() + 1],
            |sums, columns, rows| add_gradient(columns, &padded_lane(residual, rows), sums),
            |total, one| add(total, 1.0, one),
        )
    }

    /// The sums of x r and of x x' s over all rows, intercept first.
    #[must_use]
    pub fn products(&self, residual: &[f64], spread: &[f64]) -> ScoreEquations {
        self.reduce(
            || ScoreEquations::new(self.n_columns() + 1),
            |equations, columns, rows| {
                let [r, s] = [residual, spread].map(|values| padded_lane(values, rows.clone()));
                equations.add_products(columns, &r, &s);
            },
            ScoreEquations::merge,
        )
    }

    /// One pass over the rows, block by block: an accumulator for each chunk, merged in the order of the chunks.
    pub(super) fn reduce<A: Send>(
        &self,
        start: impl Fn() -> A + Sync,
        add: impl Fn(&mut A, &[Lane], Range<usize>) + Sync,
        merge: impl Fn(&mut A, &A),
    ) -> A {
        let n = self.n_rows();
        let chunk = |index: usize| {
            let (mut sums, mut columns) = (start(), vec![[0.0; BLOCK]; self.n_columns()]);
            let last = n.min((index + 1) * CHUNK);
            for first in (index * CHUNK..last).step_by(BLOCK) {
                self.load(first, &mut columns);
                add(&mut sums, &columns, first..last.min(first + BLOCK));
            }
            sums
        };
        let chunks: Vec<A> = (0..n.div_ceil(CHUNK)).into_par_iter().map(chunk).collect();
        let mut total = start();
        for one in &chunks {
            merge(&mut total, one);
        }
        total
    }

    /// The block that starts at row `start`, column by column, padded with zeros.
    pub fn load(&self, start: usize, columns: &mut [Lane]) {
        let end = self.x.nrows().min(start + BLOCK);
        let mut room = [0.0; BLOCK];
        for (k, lane) in columns.iter_mut().enumerate() {
            let (center, per_scale) = (self.center[k], 1.0 / self.scale[k]);
            let (filled, padding) = lane.split_at_mut(end - start);
            let values = self.x.some(self.columns[k], start..end, &mut room);
            standardize(values, center, per_scale, filled);
            padding.fill(0.0);
        }
        for rest in &self.rests {
            rest.take_place(&mut columns[..=rest.column], end - start);
        }
    }
}

impl Rest {
    /// The last of these columns, of which so many rows are filled, less its regression on the others.
    fn take_place(&self, columns: &mut [Lane], filled: usize) {
        let [earlier @ .., own] = columns else { return };
        let mut explained = [0.0; BLOCK];
        linear_predictor(&self.beta, earlier, &mut explained);
        for (own, explained) in own[..filled].iter_mut().zip(&explained) {
            *own = (*own - explained) * self.per_scale;
        }
    }
}

/// Some values, padded with zeros.
fn padded_lane(values: &[f64], rows: Range<usize>) -> Lane {
    let mut lane = [0.0; BLOCK];
    lane[..rows.len()].copy_from_slice(&values[rows]);
    lane
}
