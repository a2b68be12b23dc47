//! Where a fit of many rows starts: at the fit of a sample of them, whose third derivatives correct the
//! first step over all rows. It costs half a pass over all rows and saves three or four: Newton's method squares
//! an error that is small already, and that step leaves next to its cube.

use ndarray::{Array2, ShapeBuilder};
use rayon::prelude::*;

use super::likelihood::{Likelihood, Sweep};
use crate::design::covariates::Covariates;
use crate::error::Result;
use crate::kernels::BLOCK;
use crate::matrix::Matrix;
use crate::monitor::Monitor;
use crate::score::newton::maximize;
use crate::score::spec::PropensitySpec;
use crate::units::tally::Rows;

/// Fits of fewer rows start from the intercept alone.
const FEWEST: usize = 1 << 18;

/// Rows of a sample, or an eighth of all. Their fit is off by about a hundredth of a standard error of
/// one row; a corrected step leaves 1e-6 of that, and a step that squares it 1e-12.
const ROWS: usize = 1 << 17;

/// A sample's fit starts from that of this part of it, which is as good as two steps.
const PART: usize = 8;

/// The largest gradient, over the rows, before the last step of a sample's fit: what is left after it is far
/// less than what the sample is off by.
const TOLERANCE: f64 = 1e-4;

/// Rows that stand for all.
pub struct Sample {
    x: Array2<f64>,
    treatment: Vec<bool>,
    weight: Option<Vec<f64>>,
    /// The part of all rows that these are.
    share: f64,
}

impl Sample {
    /// A sample of many rows; none of few.
    pub fn draw<'a>(x: impl Into<Matrix<'a>>, rows: &Rows<'_>) -> Option<Self> {
        let x = x.into();
        let n = x.nrows();
        if n < FEWEST { None } else { Self::every(n.div_ceil(ROWS.min(n / 8)), &x, rows) }
    }

    /// One of so many blocks of rows.
    fn every(nth: usize, x: &Matrix<'_>, rows: &Rows<'_>) -> Option<Self> {
        let n = x.nrows();
        // Whole blocks, evenly spread: rows that lie together in memory, from every part of the data.
        let blocks = (0..n).step_by(nth * BLOCK).map(|first| first..n.min(first + BLOCK));
        let taken: Vec<usize> = blocks.clone().flatten().collect();
        let mut values = vec![0.0; taken.len() * x.ncols()];
        values.par_chunks_mut(taken.len()).enumerate().for_each(|(column, mut values)| {
            for rows in blocks.clone() {
                let (own, rest) = std::mem::take(&mut values).split_at_mut(rows.len());
                own.copy_from_slice(x.some(column, rows, &mut [0.0; BLOCK]));
                values = rest;
            }
        });
        let weight = |all: &[f64]| taken.iter().map(|row| all[*row]).collect();
        Some(Self {
            x: Array2::from_shape_vec((taken.len(), x.ncols()).f(), values).ok()?,
            treatment: taken.iter().map(|row| rows.treatment[*row]).collect(),
            weight: rows.sample_weight.map(weight),
            share: taken.len() as f64 / n as f64,
        })
    }

    /// A part of it, whose fit is as good as two steps.
    pub fn part(&self) -> Option<Self> {
        let part = Self::every(PART, &self.x.view().into(), &self.rows())?;
        Some(Self { share: part.share * self.share, ..part })
    }

    /// These rows, measured as `covariates` are.
    pub fn design(&self, covariates: &Covariates<'_>) -> Covariates<'_> {
        covariates.with_rows(self.x.view())
    }

    /// Its coefficients, on the scale of `covariates`; none where a level of the sample is separated.
    pub fn fit(
        &self,
        covariates: &Covariates<'_>,
        spec: &PropensitySpec,
        monitor: &Monitor,
    ) -> Option<Vec<f64>> {
        let part = self.part()?;
        let start = part.fit_from(None, self.share / PART as f64, covariates, spec, monitor);
        self.fit_from(start.as_deref(), self.share, covariates, spec, monitor)
    }

    /// The fit of these rows, which are this share of all.
    fn fit_from(
        &self,
        start: Option<&[f64]>,
        share: f64,
        covariates: &Covariates<'_>,
        spec: &PropensitySpec,
        monitor: &Monitor,
    ) -> Option<Vec<f64>> {
        // As much penalty a row as in the whole.
        let penalty = spec.penalty * share;
        let spec = PropensitySpec { penalty, tolerance: TOLERANCE, ..*spec };
        let found = self.ask(covariates, penalty, |likelihood| {
            maximize(likelihood, start, spec.limits(), monitor)
        });
        found.ok().filter(|found| found.diverging.is_empty()).map(|found| found.beta)
    }

    pub fn share(&self) -> f64 {
        self.share
    }

    pub fn rows(&self) -> Rows<'_> {
        Rows { treatment: &self.treatment, sample_weight: self.weight.as_deref() }
    }

    /// What [`Likelihood::third_derivative`] is about for all rows.
    pub fn third_derivative(
        &self,
        covariates: &Covariates<'_>,
        beta: &[f64],
        step: &[f64],
        monitor: &Monitor,
    ) -> Result<Vec<f64>> {
        let mut third = self
            .ask(covariates, 0.0, |likelihood| likelihood.third_derivative(beta, step, monitor))?;
        for sum in &mut third {
            *sum /= self.share;
        }
        Ok(third)
    }

    fn ask<T>(
        &self,
        covariates: &Covariates<'_>,
        penalty: f64,
        question: impl FnOnce(&Likelihood<'_, '_, Rows<'_>>) -> Result<T>,
    ) -> Result<T> {
        let covariates = self.design(covariates);
        question(&Likelihood::new(&covariates, &self.rows(), penalty, Sweep::Parallel)?)
    }
}
