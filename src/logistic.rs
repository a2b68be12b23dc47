//! The score model: logistic regression by Newton's method, weighted, with an optional L2 penalty.
//!
//! Maximise l(b) = sum over rows of w (T eta - log(1 + exp(eta))) - penalty / 2 |slopes|^2, with
//! eta = b0 + x'b. One step is b + I(b)^-1 g(b), g the gradient and I the information (McCullagh and
//! Nelder 1989, section 4.4). The iteration runs on centred and scaled covariates; coefficients and
//! covariance come back on the caller's scale.

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use crate::checks;
use crate::covariates::{CHUNK, Covariates};
use crate::error::{Error, Result};
use crate::kernels::{BLOCK, Lane, ScoreEquations, linear_predictor, sigmoid};
use crate::linalg::Cholesky;
use crate::monitor::Monitor;
use crate::tally::{self, Units};

/// A column is collinear with earlier ones when they explain all but this share of its variance.
const RANK_TOLERANCE: f64 = 1e-11;

/// Scores that leave less than this share of the treatment's variance separate the arms.
const SEPARATED: f64 = 1e-6;

#[derive(Debug, Clone, Copy)]
pub struct LogisticSpec {
    /// L2 strength on every coefficient but the intercept, on the caller's scale; 0 is maximum
    /// likelihood.
    pub penalty: f64,
    /// Converged when the largest entry of the gradient, on standardised covariates, is no more than
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

/// A fitted score model of d covariates.
#[derive(Debug, Clone)]
pub struct LogisticFit {
    /// d + 1, intercept first, on the caller's scale.
    pub coefficients: Vec<f64>,
    /// d + 1 by d + 1: the inverse of the (penalised) information.
    pub covariance: Array2<f64>,
    /// d: the linear predictor is measured from here, which keeps its digits when covariates are
    /// far from zero.
    pub center: Vec<f64>,
    pub intercept_at_center: f64,
    /// Columns that earlier ones explain; their coefficient is zero.
    pub aliased: Vec<usize>,
    pub log_likelihood: f64,
    pub iterations: usize,
    pub gradient_norm: f64,
    pub penalty: f64,
}

/// Fit the score of `treatment` given the rows of `x` (an intercept is always added).
///
/// # Errors
/// Lengths that differ, values that are not finite, an empty arm, separation, no convergence.
pub fn fit(
    x: ArrayView2<'_, f64>,
    treatment: &[bool],
    sample_weight: Option<&[f64]>,
    spec: &LogisticSpec,
    monitor: &Monitor,
) -> Result<LogisticFit> {
    checks::same_length("treatment", treatment.len(), x.nrows())?;
    checks::both_arms(treatment)?;
    checks::penalty(spec.penalty)?;
    if let Some(weights) = sample_weight {
        checks::same_length("sample_weight", weights.len(), x.nrows())?;
        checks::weights("sample_weight", weights)?;
    }
    let covariates = Covariates::standardized(x)?;
    let rows = tally::Rows { treatment, sample_weight };
    let problem = Problem::new(&covariates, &rows, spec.penalty, Sweep::Parallel)?;
    let optimum = problem.maximize(None, spec, monitor)?;
    Ok(problem.on_callers_scale(&optimum, spec))
}

impl LogisticFit {
    /// Scores of the rows of `x`; equal rows get equal bits.
    ///
    /// # Errors
    /// A number of columns other than the model's.
    pub fn predict(&self, x: ArrayView2<'_, f64>) -> Result<Vec<f64>> {
        self.evaluate(x, sigmoid)
    }

    /// Linear predictors (log odds) of the rows of `x`.
    ///
    /// # Errors
    /// A number of columns other than the model's.
    pub fn linear_predictor(&self, x: ArrayView2<'_, f64>) -> Result<Vec<f64>> {
        self.evaluate(x, |_| ())
    }

    fn evaluate(&self, x: ArrayView2<'_, f64>, link: fn(&mut [f64])) -> Result<Vec<f64>> {
        if x.ncols() != self.center.len() {
            return Err(Error::Argument {
                name: "x",
                found: format!("{} columns", x.ncols()),
                allowed: "as wide as the matrix the model was fitted on",
            });
        }
        let covariates = Covariates::centered(x, self.center.clone());
        let mut beta = self.coefficients.clone();
        beta[0] = self.intercept_at_center;
        let mut values = vec![0.0; x.nrows()];
        values.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, values)| {
            evaluate_into(&covariates, &beta, link, chunk * CHUNK, values);
        });
        Ok(values)
    }
}

/// Fill `values` with the linked linear predictors of the units from `start` on.
pub(crate) fn evaluate_into(
    covariates: &Covariates<'_>,
    beta: &[f64],
    link: fn(&mut [f64]),
    start: usize,
    values: &mut [f64],
) {
    let mut columns = vec![[0.0; BLOCK]; covariates.n_columns()];
    let mut eta = [0.0; BLOCK];
    for (block, values) in values.chunks_mut(BLOCK).enumerate() {
        covariates.load(start + block * BLOCK, &mut columns);
        linear_predictor(beta, &columns, &mut eta);
        link(&mut eta);
        values.copy_from_slice(&eta[..values.len()]);
    }
}

/// Whether a pass over the units uses all threads or stays on this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sweep {
    Serial,
    Parallel,
}

/// A likelihood to maximise over standardised covariates.
pub(crate) struct Problem<'a, 'x, U> {
    covariates: &'a Covariates<'x>,
    units: &'a U,
    /// The penalty on each standardised coefficient, zero on the intercept.
    ridge: Vec<f64>,
    sweep: Sweep,
    /// Sums of the weights.
    total: f64,
    treated: f64,
}

/// Where Newton's method ended, on standardised covariates.
pub(crate) struct Optimum {
    pub(crate) beta: Vec<f64>,
    information: Cholesky,
    gradient_norm: f64,
    iterations: usize,
}

impl<'a, 'x, U: Units> Problem<'a, 'x, U> {
    pub(crate) fn new(
        covariates: &'a Covariates<'x>,
        units: &'a U,
        penalty: f64,
        sweep: Sweep,
    ) -> Result<Self> {
        let mut ridge = vec![0.0];
        ridge.extend(covariates.scale.iter().map(|scale| penalty / (scale * scale)));
        let (mut treated, mut control) = (0.0, 0.0);
        for unit in 0..units.len() {
            let tally = units.tally(unit);
            treated += tally.treated;
            control += tally.control;
        }
        if treated <= 0.0 || control <= 0.0 {
            let arm = if treated <= 0.0 { "treated" } else { "control" };
            return Err(Error::WeightlessArm { arm });
        }
        Ok(Self { covariates, units, ridge, sweep, total: treated + control, treated })
    }

    /// Newton's method from `start`, or from the intercept-only fit.
    pub(crate) fn maximize(
        &self,
        start: Option<&[f64]>,
        spec: &LogisticSpec,
        monitor: &Monitor,
    ) -> Result<Optimum> {
        let terms = self.ridge.len();
        let mut beta = start.map_or_else(|| self.intercept_only(), <[f64]>::to_vec);
        let (mut aliased, mut tolerance) = (Vec::new(), RANK_TOLERANCE);
        let mut previous: Option<(Vec<f64>, f64)> = None;
        let mut gradient_norm = f64::INFINITY;
        for iterations in 0..spec.max_iterations {
            monitor.check()?;
            let equations = self.equations(&beta);
            gradient_norm = largest(&equations.gradient) / self.total;

            // 1. A step that made the gradient larger may have overshot: go half the way back.
            if let Some((from, norm)) = &previous
                && !(gradient_norm < *norm)
                && self.fell(from, &beta)
            {
                beta.iter_mut().zip(from).for_each(|(b, a)| *b = f64::midpoint(*b, *a));
                continue;
            }

            // 2. Which columns are collinear is settled at the start, where the information is
            //    that of the covariates; later a vanishing pivot would mean separation.
            let information = Cholesky::factor(&equations.information, terms, tolerance, &aliased);
            (aliased, tolerance) = (information.aliased().to_vec(), f64::EPSILON);

            // 3. The step; aliased coefficients stay where they are.
            let mut step = equations.gradient;
            information.solve(&mut step);
            let from = beta.clone();
            beta.iter_mut().zip(&step).for_each(|(b, s)| *b += s);

            // 4. Done: the step just taken comes on top of a gradient that was small enough.
            if gradient_norm <= spec.tolerance {
                if self.separated(equations.information[0]) {
                    return Err(Error::Separation);
                }
                let iterations = iterations + 1;
                return Ok(Optimum { beta, information, gradient_norm, iterations });
            }
            previous = Some((from, gradient_norm));
        }
        let (iterations, tolerance) = (spec.max_iterations, spec.tolerance);
        Err(Error::NotConverged { iterations, gradient_norm, tolerance })
    }

    fn intercept_only(&self) -> Vec<f64> {
        let mut beta = vec![0.0; self.ridge.len()];
        beta[0] = (self.treated / (self.total - self.treated)).ln();
        beta
    }

    /// Whether the penalised likelihood at `to` is lower than at `from`, beyond rounding.
    fn fell(&self, from: &[f64], to: &[f64]) -> bool {
        let (before, after) = (self.objective(from), self.objective(to));
        !(after >= before - 1e-12 * before.abs())
    }

    /// Whether the fitted scores leave next to nothing of the treatment's variance. A penalised
    /// optimum exists always, and never separates.
    fn separated(&self, remaining_variance: f64) -> bool {
        let control = self.total - self.treated;
        let variance = self.treated * control / self.total;
        let penalized = self.ridge.iter().any(|ridge| *ridge > 0.0);
        !penalized && remaining_variance < SEPARATED * variance
    }

    /// Gradient and information of the penalised likelihood.
    fn equations(&self, beta: &[f64]) -> ScoreEquations {
        let mut equations = self.reduce(
            || ScoreEquations::new(beta.len()),
            |equations, columns, trials, successes| {
                equations.add(beta, columns, trials, successes);
            },
            ScoreEquations::merge,
        );
        for (k, ridge) in self.ridge.iter().enumerate() {
            equations.gradient[k] -= ridge * beta[k];
            equations.information[k * beta.len() + k] += ridge;
        }
        equations
    }

    fn objective(&self, beta: &[f64]) -> f64 {
        let penalty: f64 = self.ridge.iter().zip(beta).map(|(r, b)| r * b * b).sum();
        self.log_likelihood(beta) - penalty / 2.0
    }

    fn log_likelihood(&self, beta: &[f64]) -> f64 {
        self.reduce(
            || 0.0,
            |sum, columns, trials, successes| {
                let mut eta = [0.0; BLOCK];
                linear_predictor(beta, columns, &mut eta);
                for row in 0..BLOCK {
                    let failures = trials[row] - successes[row];
                    *sum -= successes[row] * softplus(-eta[row]) + failures * softplus(eta[row]);
                }
            },
            |sum, other| *sum += other,
        )
    }

    /// One pass over the units: an accumulator for each chunk, merged in the order of the chunks.
    fn reduce<A: Send>(
        &self,
        start: impl Fn() -> A + Sync,
        add: impl Fn(&mut A, &[Lane], &Lane, &Lane) + Sync,
        merge: impl Fn(&mut A, &A),
    ) -> A {
        let n = self.units.len();
        let chunk = |first: usize, last: usize| {
            let mut columns = vec![[0.0; BLOCK]; self.covariates.n_columns()];
            let (mut trials, mut successes) = ([0.0; BLOCK], [0.0; BLOCK]);
            let mut accumulator = start();
            for block in (first..last).step_by(BLOCK) {
                self.covariates.load(block, &mut columns);
                self.units.load_counts(block, &mut trials, &mut successes);
                add(&mut accumulator, &columns, &trials, &successes);
            }
            accumulator
        };
        if self.sweep == Sweep::Serial {
            return chunk(0, n);
        }
        let chunks: Vec<A> = (0..n.div_ceil(CHUNK))
            .into_par_iter()
            .map(|index| chunk(index * CHUNK, n.min((index + 1) * CHUNK)))
            .collect();
        let mut total = start();
        for one in &chunks {
            merge(&mut total, one);
        }
        total
    }

    /// With z = (x - center) / scale: slopes are a / scale, and the intercept at x = 0 is
    /// a0 - sum a center / scale; the covariance follows by the same linear map.
    fn on_callers_scale(&self, optimum: &Optimum, spec: &LogisticSpec) -> LogisticFit {
        let Covariates { center, scale, .. } = self.covariates;
        let terms = self.ridge.len();
        let mut map = Array2::<f64>::zeros((terms, terms));
        map[(0, 0)] = 1.0;
        for k in 1..terms {
            map[(k, k)] = 1.0 / scale[k - 1];
            map[(0, k)] = -center[k - 1] / scale[k - 1];
        }
        let inverse = optimum.information.inverse();
        let standardized = Array2::from_shape_fn((terms, terms), |(j, k)| inverse[j * terms + k]);
        let mut standardized_beta = optimum.beta.clone();
        let aliased: Vec<usize> =
            (1..terms).filter(|k| optimum.information.aliased()[*k]).map(|k| k - 1).collect();
        for k in &aliased {
            standardized_beta[k + 1] = 0.0;
        }
        LogisticFit {
            coefficients: map.dot(&ndarray::aview1(&standardized_beta)).to_vec(),
            covariance: map.dot(&standardized).dot(&map.t()),
            center: center.clone(),
            intercept_at_center: standardized_beta[0],
            aliased,
            log_likelihood: self.log_likelihood(&standardized_beta),
            iterations: optimum.iterations,
            gradient_norm: optimum.gradient_norm,
            penalty: spec.penalty,
        }
    }
}

/// log(1 + exp(x)) without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// The largest absolute entry; NaN where there is one, so that no comparison takes it for small.
fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, value| if value.abs() <= most { most } else { value.abs() })
}
