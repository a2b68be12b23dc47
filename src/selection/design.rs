//! Columns and weights of a lasso: what it needs of the rows is sums of products, made once for all responses.

use ndarray::ArrayView2;
use rayon::prelude::*;

use crate::checks;
use crate::design::covariates::{CHUNK, Covariates};
use crate::error::{Error, Result};
use crate::kernels::{BLOCK, Lane};
use crate::linalg::add;

use super::descent::Quadratic;

/// d columns of n rows, each of mean 0 and variance 1 as the rows weigh.
pub struct Design<'a> {
    covariates: Covariates<'a>,
    /// n: mean 1 over the rows that are there, 0 for others.
    pub weight: Vec<f64>,
    /// How many rows are there.
    pub n_there: f64,
    /// Of the columns as `covariates` has them, which knows no weights.
    center: Vec<f64>,
    scale: Vec<f64>,
    gram: Vec<f64>,
}

/// One response, as the design's columns see it.
pub struct Response<'a> {
    pub values: &'a [f64],
    pub mean: f64,
    /// Of the mean of b'z y, what b'z is multiplied with.
    pub quadratic: Quadratic<'a>,
}

impl<'a> Design<'a> {
    /// # Errors
    /// Lengths that differ, values that are not finite, fewer than two rows that are there, memory.
    pub fn new(x: ArrayView2<'a, f64>, sample_weight: Option<&[f64]>) -> Result<Self> {
        checks::sample_weight(sample_weight, x.nrows())?;
        let covariates = Covariates::standardized_among(x, sample_weight)?;
        let (weight, n_there) = relative(sample_weight, x.nrows());
        if n_there < 2.0 {
            let rows = weight.iter().filter(|weight| **weight > 0.0).count();
            return Err(Error::TooFewRows { model: "lasso", rows, terms: 2 });
        }
        let d = x.ncols();
        let sums = covariates.products(&weight, &weight).information;
        let center: Vec<f64> = sums[1..=d].iter().map(|sum| sum / n_there).collect();
        let moment = |j: usize, k: usize| {
            let (j, k) = (j.min(k), j.max(k));
            sums[(j + 1) * (d + 1) + k + 1] / n_there - center[j] * center[k]
        };
        let scale: Vec<f64> = (0..d).map(|j| moment(j, j).max(0.0).sqrt()).collect();
        let entry = |j: usize, k: usize| {
            let scale = scale[j] * scale[k];
            if scale > 0.0 { moment(j, k) / scale } else { 0.0 }
        };
        let gram = (0..d).flat_map(|j| (0..d).map(move |k| (j, k))).map(|(j, k)| entry(j, k));
        let gram = gram.collect();
        Ok(Self { covariates, weight, n_there, center, scale, gram })
    }

    pub fn n_columns(&self) -> usize {
        self.scale.len()
    }

    /// # Errors
    /// Another length, values that are not finite.
    pub fn response<'s>(&'s self, values: &'s [f64]) -> Result<Response<'s>> {
        checks::outcome(values, self.weight.len())?;
        let there = || self.weight.iter().zip(values).filter(|(w, _)| **w > 0.0);
        let mean = there().map(|(w, y)| w * y).sum::<f64>() / self.n_there;
        let weighed: Vec<f64> =
            self.weight.iter().zip(values).map(|(w, y)| w * (y - mean)).collect();
        let quadratic = Quadratic { gram: &self.gram, target: self.mean_products(&weighed) };
        Ok(Response { values, mean, quadratic })
    }

    /// The mean over the rows of z r, for r that weigh rows already.
    fn mean_products(&self, r: &[f64]) -> Vec<f64> {
        let sums = self.covariates.gradient(r);
        let one = |j: usize| {
            let centered = sums[j + 1] - self.center[j] * sums[0];
            if self.scale[j] > 0.0 { centered / self.scale[j] / self.n_there } else { 0.0 }
        };
        (0..self.n_columns()).map(one).collect()
    }

    /// What slopes on the standardized columns leave of a response.
    pub fn residual(&self, response: &Response<'_>, slopes: &[f64]) -> Vec<f64> {
        let fitted = self.covariates.linear(&self.on_covariates(response.mean, slopes));
        response.values.iter().zip(fitted).map(|(y, fitted)| y - fitted).collect()
    }

    /// Intercept and slopes on the columns as `covariates` has them.
    fn on_covariates(&self, mean: f64, slopes: &[f64]) -> Vec<f64> {
        let slope = |j: usize| if slopes[j] == 0.0 { 0.0 } else { slopes[j] / self.scale[j] };
        let slopes: Vec<f64> = (0..self.n_columns()).map(slope).collect();
        let off: f64 = slopes.iter().zip(&self.center).map(|(b, center)| b * center).sum();
        [mean - off].into_iter().chain(slopes).collect()
    }

    /// Intercept and slopes on the caller's scale.
    pub fn to_callers(&self, mean: f64, slopes: &[f64]) -> (f64, Vec<f64>) {
        let mut own = self.covariates.to_callers(&self.on_covariates(mean, slopes));
        let slopes = own.split_off(1);
        let centers = slopes.iter().zip(&self.covariates.center);
        let off: f64 = centers.map(|(slope, center)| slope * center).sum();
        (own[0] - off, slopes)
    }

    /// The root of the mean of v z^2, by column.
    pub fn root_mean_squares(&self, v: &[f64]) -> Vec<f64> {
        let n = v.len();
        let chunk = |first: usize| {
            let mut sums = vec![0.0; self.n_columns()];
            let mut columns: Vec<Lane> = vec![[0.0; BLOCK]; self.n_columns()];
            for start in (first..n.min(first + CHUNK)).step_by(BLOCK) {
                self.covariates.load(start, &mut columns);
                let v = &v[start..n.min(start + BLOCK)];
                for ((sum, column), center) in sums.iter_mut().zip(&columns).zip(&self.center) {
                    let squares =
                        column.iter().zip(v).map(|(x, v)| v * (x - center) * (x - center));
                    *sum += squares.sum::<f64>();
                }
            }
            sums
        };
        let chunks: Vec<Vec<f64>> =
            (0..n.div_ceil(CHUNK)).into_par_iter().map(|index| chunk(index * CHUNK)).collect();
        let mut total = vec![0.0; self.n_columns()];
        for one in &chunks {
            add(&mut total, 1.0, one);
        }
        let root = |(sum, scale): (f64, &f64)| {
            if *scale > 0.0 { (sum / self.n_there).sqrt() / scale } else { 0.0 }
        };
        total.into_iter().zip(&self.scale).map(root).collect()
    }
}

/// Weights of mean 1 over the rows that are there, and how many these are.
fn relative(sample_weight: Option<&[f64]>, n_rows: usize) -> (Vec<f64>, f64) {
    let Some(weights) = sample_weight else { return (vec![1.0; n_rows], n_rows as f64) };
    let there = weights.iter().filter(|weight| **weight > 0.0).count() as f64;
    let mean = weights.iter().sum::<f64>() / there;
    (weights.iter().map(|weight| weight / mean).collect(), there)
}
