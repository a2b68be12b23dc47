//! The score model: logistic regression by Newton's method, weighted, with an optional L2 penalty.
//!
//! Maximise l(b) = sum over rows of w (T eta - log(1 + exp(eta))) - penalty / 2 |slopes|^2, with
//! eta = b0 + x'b. One step is b + I(b)^-1 g(b), g the gradient and I the information (McCullagh and
//! Nelder 1989, section 4.4). The iteration runs on centred and scaled covariates; coefficients and
//! covariance come back on the caller's scale.

mod coded;
mod columns;
pub mod covariance;
mod likelihood;
mod newton;
mod sample;
mod warm_start;

use ndarray::{Array2, ArrayView1, ArrayView2};
use rayon::prelude::*;

use crate::checks;
use crate::design::coded::NumbersAndFactors;
use crate::design::covariates::{CHUNK, Covariates};
use crate::design::factors::Factor;
use crate::design::rank::{in_doubt, presence};
use crate::error::{Error, Result};
use crate::kernels::{self, BLOCK, sigmoid};
use crate::linalg::{Cholesky, dot};
use crate::monitor::Monitor;
use crate::units::tally::{Rows, Units};
use crate::weighting::influence::by_row;

pub use coded::fit_coded_with_scores;

pub(crate) use columns::{Columns, Resampled};
use covariance::Covariance;
pub(crate) use likelihood::{Likelihood, Sweep, standardized_penalty};
pub(crate) use newton::{Optimum, Start, maximize, maximize_keeping};
pub(crate) use warm_start::{Batch, Refit, WarmStart};

pub(crate) use sample::Sample;

#[derive(Debug, Clone, Copy)]
pub struct LogisticSpec {
    /// L2 strength on every coefficient but the intercept, on the caller's scale, for rows that weigh one on
    /// average ([`penalty_on`] others); 0 is maximum likelihood.
    pub penalty: f64,
    /// Converged when the largest entry of the gradient, on standardized covariates, is no more than
    /// this times the sum of the weights. Newton's method squares the error at each step, so one more
    /// step, taken free of charge, leaves only rounding.
    pub tolerance: f64,
    /// Newton takes under 10 steps on ordinary data and about 30 where a level is separated.
    pub max_iterations: usize,
}

impl Default for LogisticSpec {
    fn default() -> Self {
        Self { penalty: 0.0, tolerance: 1e-10, max_iterations: 100 }
    }
}

/// The strength that a penalty has on weighted rows: per unit of their mean weight, so that the scale of the
/// weights says nothing. Rows of weight 0 are not there.
#[must_use]
pub fn penalty_on(sample_weight: Option<&[f64]>, penalty: f64) -> f64 {
    let Some(weights) = sample_weight else { return penalty };
    let there = weights.iter().filter(|weight| **weight != 0.0).count();
    let mean = weights.iter().sum::<f64>() / there as f64;
    // What is wrong with weights that have no mean is said where they are checked.
    if mean > 0.0 && mean.is_finite() { penalty * mean } else { penalty }
}

/// A fitted score model of d covariates.
#[derive(Debug, Clone)]
pub struct LogisticFit {
    /// d + 1, intercept first, on the caller's scale.
    pub coefficients: Vec<f64>,
    /// d + 1 by d + 1: the inverse of the (penalized) information.
    pub covariance: Covariance,
    /// The same of rows that were drawn with unequal chances, where there are sample weights: V M V, with V the
    /// inverse information and M the sum of squared scores (w (T - e))^2 x x' (Binder 1983, without the factor
    /// n / (n - 1)). It does not change with the scale of the weights.
    pub sandwich: Option<Covariance>,
    /// d: the linear predictor is measured from here, which keeps its digits when covariates are
    /// far from zero.
    pub center: Vec<f64>,
    pub intercept_at_center: f64,
    /// Columns that earlier ones explain; their coefficient is zero.
    pub aliased: Vec<usize>,
    /// Columns whose coefficients grow without bound, some of their rows being treated all or none; what
    /// is given is where the gradient became small enough.
    pub diverging: Vec<usize>,
    pub log_likelihood: f64,
    pub iterations: usize,
    pub gradient_norm: f64,
    pub penalty: f64,
    /// Of a fit to factors how many levels each has, and how many numbers stand before it; see
    /// [`crate::design::coded::NumbersAndFactors`].
    pub factors: Vec<usize>,
    pub after: Vec<usize>,
}

/// As [`fit_with_scores`], without them.
///
/// # Errors
/// Those of [`fit_with_scores`].
pub fn fit(
    x: ArrayView2<'_, f64>,
    treatment: &[bool],
    sample_weight: Option<&[f64]>,
    spec: &LogisticSpec,
    monitor: &Monitor,
) -> Result<LogisticFit> {
    fit_with_scores(x, treatment, sample_weight, spec, monitor).map(|(fit, _)| fit)
}

/// Fit the score of `treatment` given the rows of `x` (an intercept is always added); gives the scores of
/// these rows as well, which a last pass finds on its way to the likelihood.
///
/// # Errors
/// Lengths that differ, values that are not finite, an empty arm, separation, no convergence.
pub fn fit_with_scores(
    x: ArrayView2<'_, f64>,
    treatment: &[bool],
    sample_weight: Option<&[f64]>,
    spec: &LogisticSpec,
    monitor: &Monitor,
) -> Result<(LogisticFit, Vec<f64>)> {
    checks::same_length("treatment", treatment.len(), x.nrows())?;
    checks::two_in_each_arm(treatment)?;
    checks::penalty(spec.penalty)?;
    checks::sample_weight(sample_weight, x.nrows())?;
    checks::enough_rows("score model", x.nrows(), x.ncols() + 1, spec.penalty)?;
    let covariates = Covariates::standardized_among(x, sample_weight)?;
    let rows = Rows { treatment, sample_weight };
    let sample = Sample::draw(x, &rows);
    let mut kept = vec![0.0; if sample.is_some() { x.nrows() } else { 0 }];
    let center = covariates.center.clone();
    let (design, optimum) = fit_rows(covariates, &rows, sample.as_ref(), &mut kept, spec, monitor)?;
    let is_kept = optimum.is_kept && design.is_plain();
    let (map, information) = (to_callers_scale(&center, &design), optimum.information.clone());
    let mut fit = LogisticFit::new(center, &design, &map, optimum, spec.penalty);
    let mut scores = if is_kept { kept } else { fit.linear_predictor(x)? };
    fit.log_likelihood = log_likelihood(&scores, &rows);
    to_scores(&mut scores);
    if let Some(weight) = sample_weight {
        monitor.check()?;
        let found = sandwich(&design, &map, &information, treatment, weight, &scores);
        fit.sandwich = Some(Covariance::Full(found));
    }
    Ok((fit, scores))
}

/// The design, and the optimum on it: the first equations tell whether some of its columns are collinear, in which case
/// all begins anew without them. A penalty shares out among collinear columns what it cannot tell apart.
fn fit_rows<'a>(
    design: Covariates<'a>,
    rows: &Rows<'_>,
    sample: Option<&Sample>,
    kept: &mut [f64],
    spec: &LogisticSpec,
    monitor: &Monitor,
) -> Result<(Covariates<'a>, Optimum)> {
    let penalty = penalty_on(rows.sample_weight, spec.penalty);
    let likelihood = Likelihood::new(&design, rows, penalty, Sweep::Parallel)?;
    let start = sample.and_then(|sample| Some((sample, sample.fit(&design, spec, monitor)?)));
    let third = |step: &[f64]| match &start {
        Some((sample, beta)) => sample.third_derivative(&design, beta, step, monitor),
        None => Ok(vec![0.0; step.len()]),
    };
    let mut at = Start::intercept_only(&likelihood);
    if let Some((_, beta)) = &start {
        at = Start { beta: beta.clone(), third: Some(&third), ..Start::default() };
    }
    let first = likelihood.equations(&at.beta, &mut [], monitor)?;
    if spec.penalty == 0.0 && !design.is_settled() && in_doubt(&first.information, at.beta.len()) {
        let settled = design.clone().settle(&presence(rows.len(), rows.sample_weight))?;
        return fit_rows(settled, rows, sample, kept, spec, monitor);
    }
    at.equations = Some(first);
    let optimum = maximize_keeping(&likelihood, at, kept, spec, monitor)?;
    Ok((design, optimum))
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

/// V M V on the caller's scale; see [`LogisticFit::sandwich`].
fn sandwich(
    design: &Covariates<'_>,
    map: &Array2<f64>,
    information: &Cholesky,
    treatment: &[bool],
    weight: &[f64],
    scores: &[f64],
) -> Array2<f64> {
    // Weights are divided by the largest, whose square may be out of range, and so is the information.
    let largest = weight.iter().fold(0.0_f64, |most, w| most.max(*w));
    let square = |i: usize| {
        let residual = f64::from(u8::from(treatment[i])) - scores[i];
        (weight[i] / largest * residual).powi(2)
    };
    let squares = by_row(scores.len(), square);
    let terms = design.n_columns() + 1;
    let upper = design.products(&squares, &squares).information;
    let meat = Array2::from_shape_fn((terms, terms), |(j, k)| upper[j.min(k) * terms + j.max(k)]);
    let inverse = information.inverse();
    let bread = Array2::from_shape_fn((terms, terms), |(j, k)| inverse[j * terms + k] * largest);
    let half = map.dot(&bread);
    half.dot(&meat).dot(&half.t())
}

/// The linear map from a design's coefficients to those of its columns at zero, all of which that were asked for:
/// the intercept there is that at their center less what the slopes make of it.
fn to_callers_scale(center: &[f64], design: &Covariates<'_>) -> Array2<f64> {
    let terms = design.n_columns() + 1;
    let mut map = Array2::<f64>::zeros((center.len() + 1, terms));
    for k in 0..terms {
        let mut unit = vec![0.0; terms];
        unit[k] = 1.0;
        let mut own = design.to_callers(&unit);
        own[0] -= dot(&own[1..], center);
        map.column_mut(k).assign(&ndarray::aview1(&own));
    }
    map
}

impl LogisticFit {
    /// Back on the caller's scale, by the linear map from the design's coefficients; the covariance follows by it too.
    fn new(
        center: Vec<f64>,
        design: &Covariates<'_>,
        map: &Array2<f64>,
        optimum: Optimum,
        penalty: f64,
    ) -> Self {
        let terms = optimum.beta.len();
        let inverse = optimum.information.inverse();
        let standardized = Array2::from_shape_fn((terms, terms), |(j, k)| inverse[j * terms + k]);
        let aliased = optimum.aliased(design);
        Self {
            coefficients: map.dot(&ndarray::aview1(&optimum.beta)).to_vec(),
            covariance: Covariance::Full(map.dot(&standardized).dot(&map.t())),
            sandwich: None, // where there are sample weights, for the caller to fill in
            intercept_at_center: design.to_callers(&optimum.beta)[0],
            center,
            aliased,
            diverging: optimum.diverging,
            log_likelihood: f64::NAN, // for the caller to fill in, who needs this fit for it
            iterations: optimum.iterations,
            gradient_norm: optimum.gradient_norm,
            penalty,
            factors: Vec::new(),
            after: Vec::new(),
        }
    }

    /// Whether the parts, which may come from a file, are of sizes that fit.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let (terms, columns) = (self.coefficients.len(), self.center.len());
        let is_whole = |found: &Covariance| found.is_square() && found.n_terms() == terms;
        let left_out = self.aliased.iter().chain(&self.diverging);
        terms == columns + 1
            && is_whole(&self.covariance)
            && self.sandwich.as_ref().is_none_or(is_whole)
            && self.factors.len() == self.after.len()
            && self.factors.iter().all(|n_levels| (1..=terms).contains(n_levels))
            && self.n_numbers().is_some_and(|n| self.after.iter().all(|k| *k <= n))
            && left_out.into_iter().all(|column| *column < columns)
    }

    /// How many numbers the terms have beside those of factors; none where there are fewer terms than that.
    fn n_numbers(&self) -> Option<usize> {
        let of_factors: usize = self.factors.iter().map(|n_levels| n_levels - 1).sum();
        self.center.len().checked_sub(of_factors)
    }

    /// Linear predictors of rows whose factors are codes, as at the fit.
    ///
    /// # Errors
    /// A number of columns or factors other than the model's, an unknown level.
    pub fn coded_linear_predictor(
        &self,
        x: ArrayView2<'_, f64>,
        factors: &[ArrayView1<'_, i64>],
    ) -> Result<Vec<f64>> {
        let is_model = self.n_numbers() == Some(x.ncols()) && self.factors.len() == factors.len();
        if !is_model {
            return Err(Error::Argument {
                name: "factors",
                found: format!("{} beside {} columns of x", factors.len(), x.ncols()),
                allowed: "as many as the model was fitted on, beside as many columns",
            });
        }
        let pairs = factors.iter().zip(&self.factors);
        let factors: Vec<Factor> = pairs
            .map(|(levels, n_levels)| Factor::new(*levels, Some(*n_levels)))
            .collect::<Result<_>>()?;
        let given = NumbersAndFactors { x, factors: &factors, after: &self.after };
        given.check()?;
        Ok(given.linear(&self.center, self.intercept_at_center, &self.coefficients[1..]))
    }

    /// Scores of the rows of `x`; equal rows get equal bits.
    ///
    /// # Errors
    /// A number of columns other than the model's.
    pub fn predict(&self, x: ArrayView2<'_, f64>) -> Result<Vec<f64>> {
        let (covariates, beta) = self.centered(x)?;
        Ok(covariates.probabilities(&beta))
    }

    /// Linear predictors (log odds) of the rows of `x`.
    ///
    /// # Errors
    /// A number of columns other than the model's.
    pub fn linear_predictor(&self, x: ArrayView2<'_, f64>) -> Result<Vec<f64>> {
        let (covariates, beta) = self.centered(x)?;
        Ok(covariates.linear(&beta))
    }

    /// Other rows measured from this model's centre, and the coefficients that go with them.
    fn centered<'x>(&self, x: ArrayView2<'x, f64>) -> Result<(Covariates<'x>, Vec<f64>)> {
        if x.ncols() != self.center.len() {
            return Err(Error::Argument {
                name: "x",
                found: format!("{} columns", x.ncols()),
                allowed: "as wide as the matrix the model was fitted on",
            });
        }
        let mut beta = self.coefficients.clone();
        beta[0] = self.intercept_at_center;
        Ok((Covariates::centered(x, self.center.clone()), beta))
    }
}
