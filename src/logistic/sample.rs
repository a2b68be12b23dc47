//! Where a fit of many rows starts: at the fit of a sample of them. It costs about a pass over all rows
//! and saves three, for Newton's method squares an error that is small already.

use ndarray::{Array2, ArrayView2, ShapeBuilder};

use super::LogisticSpec;
use super::likelihood::{Likelihood, Sweep};
use super::newton::maximize;
use crate::covariates::{Covariates, stretch};
use crate::kernels::BLOCK;
use crate::monitor::Monitor;
use crate::tally::Rows;

/// Fits of fewer rows start from the intercept alone.
const FEWEST: usize = 1 << 18;

/// Rows of a sample, or an eighth of all. Their fit is off by about a hundredth of a standard error of
/// one row; three steps, each of which squares that, leave 1e-16.
const ROWS: usize = 1 << 17;

/// The coefficients of a sample, on the scale of `covariates`; none where there are too few rows, or a
/// level of the sample is separated.
pub fn start(
    x: ArrayView2<'_, f64>,
    covariates: &Covariates<'_>,
    rows: &Rows<'_>,
    spec: &LogisticSpec,
    monitor: &Monitor,
) -> Option<Vec<f64>> {
    let n = x.nrows();
    if n < FEWEST {
        return None;
    }
    // Whole blocks, evenly spread: rows that lie together in memory, from every part of the data.
    let spacing = n.div_ceil(ROWS.min(n / 8)) * BLOCK;
    let blocks = (0..n).step_by(spacing).map(|first| first..n.min(first + BLOCK));
    let taken: Vec<usize> = blocks.clone().flatten().collect();
    let mut values = Vec::with_capacity(taken.len() * x.ncols());
    for column in 0..x.ncols() {
        blocks.clone().for_each(|rows| values.extend(stretch(x, column, rows)));
    }
    let sample = Array2::from_shape_vec((taken.len(), x.ncols()).f(), values).ok()?;
    let treatment: Vec<bool> = taken.iter().map(|row| rows.treatment[*row]).collect();
    let weight =
        rows.sample_weight.map(|all| taken.iter().map(|row| all[*row]).collect::<Vec<_>>());
    let sampled = Rows { treatment: &treatment, sample_weight: weight.as_deref() };
    let covariates = covariates.with_rows(sample.view());
    // As much penalty a row as in the whole.
    let penalty = spec.penalty * taken.len() as f64 / n as f64;
    let likelihood = Likelihood::new(&covariates, &sampled, penalty, Sweep::Parallel).ok()?;
    let found = maximize(&likelihood, None, spec, monitor).ok()?;
    found.diverging.is_empty().then_some(found.beta)
}
