//! The score model: logistic regression by Newton's method, weighted, with an optional L2 penalty.
//!
//! Maximise l(b) = sum over rows of w (T eta - log(1 + exp(eta))) - penalty / 2 |slopes|^2, with
//! eta = b0 + x'b. One step is b + I(b)^-1 g(b), g the gradient and I the information (McCullagh and
//! Nelder 1989, section 4.4). The iteration runs on centred and scaled covariates; coefficients and
//! covariance come back on the caller's scale.

mod approach;
mod coded;
mod columns;
mod likelihood;
mod sample;
mod warm_start;

use rayon::prelude::*;

use crate::checks;
use crate::design::covariates::{CHUNK, Covariates};
use crate::design::rank::{in_doubt, presence};
use crate::error::Result;
use crate::kernels::{self, BLOCK, ScoreEquations, sigmoid};
use crate::matrix::Matrix;
use crate::monitor::Monitor;
use crate::score::covariance::Covariance;
use crate::score::fitted::{PropensityFit, sandwich, to_callers_scale};
use crate::score::newton::{Objective, Optimum, Start, maximize_keeping};
use crate::score::spec::{PropensitySpec, penalty_on_users};
use crate::units::frequency::{RowWeights, n_users, whole};
use crate::units::tally::{Rows, Units};

use approach::{WIDE, approach};
pub use coded::fit_coded_with_scores;
pub(crate) use coded::{CodedFit, Refits as CodedRefits, Refitted, fit_codes};

pub(crate) use columns::{Columns, Resampled};
pub(crate) use likelihood::{Likelihood, Sweep, standardized_penalty};
pub(crate) use warm_start::{Batch, Refit, WarmStart};

pub(crate) use sample::Sample;

/// As [`fit_with_scores`], without them.
///
/// # Errors
/// Those of [`fit_with_scores`].
pub fn fit<'a>(
    x: impl Into<Matrix<'a>>,
    treatment: &[bool],
    sample_weight: Option<&[f64]>,
    spec: &PropensitySpec,
    monitor: &Monitor,
) -> Result<PropensityFit> {
    let row_weights = RowWeights::of(sample_weight);
    fit_with_scores(x, treatment, row_weights, spec, monitor).map(|(fit, _)| fit)
}

/// Fit the score of `treatment` given the rows of `x` (an intercept is always added); gives the scores of
/// these rows as well, which a last pass finds on its way to the likelihood.
///
/// # Errors
/// Lengths that differ, values that are not finite, an empty arm, separation, no convergence.
pub fn fit_with_scores<'a>(
    x: impl Into<Matrix<'a>>,
    treatment: &[bool],
    row_weights: RowWeights<'_>,
    spec: &PropensitySpec,
    monitor: &Monitor,
) -> Result<(PropensityFit, Vec<f64>)> {
    let x = x.into();
    check(&x, treatment, row_weights, spec)?;
    let sample_weight = row_weights.total;
    let covariates = Covariates::standardized_among(x.clone(), sample_weight)?;
    let rows = Rows { treatment, sample_weight };
    let sample = if x.ncols() < WIDE { Sample::draw(x.clone(), &rows) } else { None };
    let mut kept = vec![0.0; if sample.is_some() { x.nrows() } else { 0 }];
    let center = covariates.center.clone();
    let penalty = penalty_on_users(sample_weight, row_weights.frequency, spec.penalty);
    let of_rows = PropensitySpec { penalty, ..*spec };
    let sample = sample.as_ref();
    let (design, optimum) = fit_rows(covariates, &rows, sample, &mut kept, &of_rows, monitor)?;
    let is_kept = optimum.is_kept && design.is_plain();
    let (map, information) = (to_callers_scale(&center, &design), optimum.information.clone());
    let mut fit = PropensityFit::new(center, &design, &map, optimum, spec);
    let mut scores = if is_kept { kept } else { fit.linear_predictor(x)? };
    fit.log_likelihood = log_likelihood(&scores, &rows);
    to_scores(&mut scores);
    if row_weights.is_survey {
        monitor.check()?;
        let residual = |i: usize| f64::from(u8::from(treatment[i])) - scores[i];
        fit.sandwich =
            Some(Covariance::Full(sandwich(&design, &map, &information, row_weights, residual)));
    }
    Ok((fit, scores))
}

/// What holds of any score model's rows.
pub(super) fn check(
    x: &Matrix<'_>,
    treatment: &[bool],
    row_weights: RowWeights<'_>,
    spec: &PropensitySpec,
) -> Result<()> {
    checks::same_length("treatment", treatment.len(), x.nrows())?;
    check_users(treatment, row_weights, x.ncols() + 1, spec)
}

/// The same of so many terms, where it is known that there is a treatment for each row.
fn check_users(
    treatment: &[bool],
    row_weights: RowWeights<'_>,
    n_terms: usize,
    spec: &PropensitySpec,
) -> Result<()> {
    row_weights.check(treatment.len())?;
    checks::two_users_in_each_arm(treatment, row_weights.frequency)?;
    checks::penalty(spec.penalty)?;
    let users = n_users(row_weights.frequency, treatment.len());
    checks::enough_rows("score model", whole(users), n_terms, spec.penalty)
}

/// The design, and the optimum on it: the first equations tell whether some of its columns are collinear, in which case
/// all begins anew without them. A penalty shares out among collinear columns what it cannot tell apart.
fn fit_rows<'a>(
    design: Covariates<'a>,
    rows: &Rows<'_>,
    sample: Option<&Sample>,
    kept: &mut [f64],
    spec: &PropensitySpec,
    monitor: &Monitor,
) -> Result<(Covariates<'a>, Optimum)> {
    let likelihood = Likelihood::new(&design, rows, spec.penalty, Sweep::Parallel)?;
    let start = sample.and_then(|sample| Some((sample, sample.fit(&design, spec, monitor)?)));
    let third = |step: &[f64]| match &start {
        Some((sample, beta)) => sample.third_derivative(&design, beta, step, monitor),
        None => Ok(vec![0.0; step.len()]),
    };
    let mut at = Start::intercept_only(&likelihood);
    if let Some((_, beta)) = &start {
        at = Start { beta: beta.clone(), third: Some(&third), ..Start::default() };
    }
    if design.n_columns() >= WIDE {
        // Digits that an information in single precision lacks are only missed where columns may be collinear.
        let rough = likelihood.rough_equations(&at.beta, monitor)?;
        if design.is_settled() || spec.penalty > 0.0 || !in_doubt(&rough.information, at.beta.len())
        {
            let optimum = fit_wide(&likelihood, at.beta, rough, kept, spec, monitor)?;
            return Ok((design, optimum));
        }
    }
    let first = likelihood.equations(&at.beta, &mut [], monitor)?;
    if spec.penalty == 0.0 && !design.is_settled() && in_doubt(&first.information, at.beta.len()) {
        let settled = design.clone().settle(&presence(rows.len(), rows.sample_weight))?;
        return fit_rows(settled, rows, sample, kept, spec, monitor);
    }
    if design.n_columns() >= WIDE {
        let optimum = fit_wide(&likelihood, at.beta, first, kept, spec, monitor)?;
        return Ok((design, optimum));
    }
    at.equations = Some(first);
    let optimum = maximize_keeping(&likelihood, at, kept, spec.limits(), monitor)?;
    Ok((design, optimum))
}

/// The optimum where columns are many, from `beta`, at which the equations are known.
fn fit_wide(
    likelihood: &Likelihood<'_, '_, Rows<'_>>,
    beta: Vec<f64>,
    first: ScoreEquations,
    kept: &mut [f64],
    spec: &PropensitySpec,
    monitor: &Monitor,
) -> Result<Optimum> {
    let (near, steps) = approach(likelihood, beta, first, spec, monitor)?;
    let mut optimum = maximize_keeping(likelihood, near, kept, spec.limits(), monitor)?;
    optimum.iterations += steps;
    Ok(optimum)
}

/// Make scores of linear predictors.
pub fn to_scores(linear: &mut [f64]) {
    linear.par_chunks_mut(CHUNK).for_each(sigmoid);
}

/// The log-likelihood of rows with these linear predictors, summed by chunks, in their order.
fn log_likelihood(eta: &[f64], rows: &Rows<'_>) -> f64 {
    let chunk = |(index, eta): (usize, &[f64])| {
        let [mut lane, mut trials, mut successes] = [[0.0; BLOCK]; 3];
        let mut sum = 0.0;
        for (block, eta) in eta.chunks(BLOCK).enumerate() {
            lane[..eta.len()].copy_from_slice(eta);
            rows.load_counts(index * CHUNK + block * BLOCK, &mut trials, &mut successes);
            sum += kernels::log_likelihood(&lane, &trials, &successes);
        }
        sum
    };
    let chunks: Vec<f64> = eta.par_chunks(CHUNK).enumerate().map(chunk).collect();
    chunks.iter().sum()
}
