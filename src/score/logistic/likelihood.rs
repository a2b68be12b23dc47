//! The penalized log-likelihood of units, and its derivatives, each by one pass over the units.

use rayon::prelude::*;

use super::approach::WIDE;
use crate::design::covariates::{CHUNK, Covariates};
use crate::error::{Error, Result};
use crate::kernels::{
    BLOCK, Lane, ScoreEquations, add_gradient, linear_predictor, log_likelihood,
    logistic_residuals, sigmoid,
};
use crate::linalg::add;
use crate::monitor::Monitor;
use crate::score::newton::Objective;
use crate::units::tally::Units;

/// An arm with no more than this share of the weight vanishes beside the other in sums of 53 bits.
const WEIGHTLESS: f64 = 1e-12;

/// The pieces that rows of many columns are summed up in: fixed, so that sums are the same on any number of threads.
const WIDE_PIECES: usize = 16;

/// Whether a pass over the units uses all threads or stays on this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sweep {
    Serial,
    Parallel,
}

/// A likelihood over standardized covariates.
#[derive(Debug)]
pub struct Likelihood<'a, 'x, U> {
    pub covariates: &'a Covariates<'x>,
    units: &'a U,
    /// The penalty on each standardized coefficient, zero on the intercept.
    ridge: Vec<f64>,
    sweep: Sweep,
    /// Sum of the weights.
    pub total: f64,
    /// Sum of the weights of the treated.
    pub treated: f64,
}

impl<'a, 'x, U: Units> Likelihood<'a, 'x, U> {
    /// # Errors
    /// [`Error::WeightlessArm`] where an arm has no rows, or next to no weight.
    pub fn new(
        covariates: &'a Covariates<'x>,
        units: &'a U,
        penalty: f64,
        sweep: Sweep,
    ) -> Result<Self> {
        let ridge = standardized_penalty(covariates, penalty);
        let [treated, control] = weights(units, sweep);
        require_weight(treated, control)?;
        Ok(Self { covariates, units, ridge, sweep, total: treated + control, treated })
    }

    pub fn is_penalized(&self) -> bool {
        self.ridge.iter().any(|ridge| *ridge > 0.0)
    }

    /// The gradient alone, of the penalized likelihood.
    pub fn gradient(&self, beta: &[f64], monitor: &Monitor) -> Result<Vec<f64>> {
        let mut gradient = self.reduce(
            monitor,
            || vec![0.0; beta.len()],
            |gradient, columns, trials, successes| {
                let mut residual = [0.0; BLOCK];
                linear_predictor(beta, columns, &mut residual);
                sigmoid(&mut residual);
                for row in 0..BLOCK {
                    residual[row] = successes[row] - trials[row] * residual[row];
                }
                add_gradient(columns, &residual, gradient);
            },
            |sum, other| add(sum, 1.0, other),
        )?;
        for (k, ridge) in self.ridge.iter().enumerate() {
            gradient[k] -= ridge * beta[k];
        }
        Ok(gradient)
    }

    /// How the information changes along a step, times the step twice: sum of w x (x'step)^2 p q (q - p),
    /// with q = 1 - p. The gradient after the step is that before it, minus information times step, minus
    /// half of this, to third order.
    pub fn third_derivative(
        &self,
        beta: &[f64],
        step: &[f64],
        monitor: &Monitor,
    ) -> Result<Vec<f64>> {
        let equations = self.reduce(
            monitor,
            || ScoreEquations::new(beta.len()),
            |equations, columns, trials, _| {
                let (mut p, mut change) = ([0.0; BLOCK], [0.0; BLOCK]);
                linear_predictor(beta, columns, &mut p);
                sigmoid(&mut p);
                linear_predictor(step, columns, &mut change);
                for row in 0..BLOCK {
                    let q = 1.0 - p[row];
                    change[row] *= change[row] * trials[row] * p[row] * q * (q - p[row]);
                }
                equations.add_products(columns, &change, &[0.0; BLOCK]);
            },
            ScoreEquations::merge,
        )?;
        Ok(equations.gradient)
    }

    /// Gradient and information, this in single precision, which is half the work where columns are many. Weights of any
    /// scale are within its range, being measured by their mean.
    pub fn rough_equations(&self, beta: &[f64], monitor: &Monitor) -> Result<ScoreEquations> {
        let per_mean = self.units.len() as f64 / self.total;
        let (mut equations, _) = self.reduce(
            monitor,
            || (ScoreEquations::new(beta.len()), Vec::new()),
            |(equations, room), columns, trials, successes| {
                let [mut eta, mut residual, mut spread] = [[0.0; BLOCK]; 3];
                linear_predictor(beta, columns, &mut eta);
                logistic_residuals(&eta, trials, successes, &mut residual, &mut spread);
                for own in &mut spread {
                    *own *= per_mean;
                }
                equations.add_products_in_single(columns, &residual, &spread, room);
            },
            |(sum, _), (other, _)| sum.merge(other),
        )?;
        equations.information.iter_mut().for_each(|sum| *sum /= per_mean);
        self.penalize(beta, &mut equations);
        Ok(equations)
    }

    fn penalize(&self, beta: &[f64], equations: &mut ScoreEquations) {
        for (k, ridge) in self.ridge.iter().enumerate() {
            equations.gradient[k] -= ridge * beta[k];
            equations.information[k * beta.len() + k] += ridge;
        }
    }

    pub fn log_likelihood(&self, beta: &[f64], monitor: &Monitor) -> Result<f64> {
        self.reduce(
            monitor,
            || 0.0,
            |sum, columns, trials, successes| {
                let mut eta = [0.0; BLOCK];
                linear_predictor(beta, columns, &mut eta);
                *sum += log_likelihood(&eta, trials, successes);
            },
            |sum, other| *sum += other,
        )
    }

    /// The rows that are summed up by themselves: many columns make long work of few rows, and large sums, of which there
    /// are not to be many.
    fn rows_apiece(&self) -> usize {
        let of_wide = self.units.len().div_ceil(WIDE_PIECES).next_multiple_of(BLOCK);
        if self.covariates.n_columns() < WIDE { CHUNK } else { of_wide }
    }

    /// One pass over the units: an accumulator for each chunk, merged in the order of the chunks.
    fn reduce<A: Send>(
        &self,
        monitor: &Monitor,
        start: impl Fn() -> A + Sync,
        add: impl Fn(&mut A, &[Lane], &Lane, &Lane) + Sync,
        merge: impl Fn(&mut A, &A),
    ) -> Result<A> {
        let add = |accumulator: &mut A,
                   columns: &[Lane],
                   trials: &Lane,
                   successes: &Lane,
                   _: &mut [f64]| {
            add(accumulator, columns, trials, successes);
        };
        self.reduce_beside(&mut [], monitor, start, add, merge)
    }

    /// The same with a number beside every unit, for `add` to fill, or with none.
    fn reduce_beside<A: Send>(
        &self,
        beside: &mut [f64],
        monitor: &Monitor,
        start: impl Fn() -> A + Sync,
        add: impl Fn(&mut A, &[Lane], &Lane, &Lane, &mut [f64]) + Sync,
        merge: impl Fn(&mut A, &A),
    ) -> Result<A> {
        let n = self.units.len();
        let chunk = |first: usize, last: usize, beside: &mut [f64]| {
            let mut columns = vec![[0.0; BLOCK]; self.covariates.n_columns()];
            let (mut trials, mut successes) = ([0.0; BLOCK], [0.0; BLOCK]);
            let mut accumulator = start();
            let mut beside = beside.chunks_mut(BLOCK);
            for block in (first..last).step_by(BLOCK) {
                if block.is_multiple_of(CHUNK) || columns.len() >= WIDE {
                    monitor.check()?;
                }
                self.covariates.load(block, &mut columns);
                self.units.load_counts(block, &mut trials, &mut successes);
                let beside = beside.next().unwrap_or_default();
                add(&mut accumulator, &columns, &trials, &successes, beside);
            }
            Ok(accumulator)
        };
        if self.sweep == Sweep::Serial {
            return chunk(0, n, beside);
        }
        let length = self.rows_apiece();
        let mut beside = beside.chunks_mut(length);
        let pieces = (0..n).step_by(length).map(|first| (first, beside.next().unwrap_or_default()));
        let chunks: Vec<A> = pieces
            .collect::<Vec<_>>()
            .into_par_iter()
            .map(|(first, beside)| chunk(first, n.min(first + length), beside))
            .collect::<Result<_>>()?;
        let mut total = start();
        for one in &chunks {
            merge(&mut total, one);
        }
        Ok(total)
    }
}

impl<U: Units> Objective for Likelihood<'_, '_, U> {
    fn n_terms(&self) -> usize {
        self.ridge.len()
    }

    fn by_standard_deviation(&self, beta: &[f64]) -> Vec<f64> {
        self.covariates.by_standard_deviation(beta)
    }

    fn total(&self) -> f64 {
        self.total
    }

    fn intercept(&self) -> f64 {
        (self.treated / (self.total - self.treated)).ln()
    }

    /// None with a penalty, whose optimum always exists.
    fn variance(&self) -> Option<f64> {
        let control = self.total - self.treated;
        (!self.is_penalized()).then_some(self.treated * control / self.total)
    }

    fn equations(
        &self,
        beta: &[f64],
        kept: &mut [f64],
        monitor: &Monitor,
    ) -> Result<ScoreEquations> {
        let mut equations = self.reduce_beside(
            kept,
            monitor,
            || ScoreEquations::new(beta.len()),
            |equations, columns, trials, successes, kept| {
                equations.add(beta, columns, trials, successes);
                if !kept.is_empty() {
                    let mut eta = [0.0; BLOCK];
                    linear_predictor(beta, columns, &mut eta);
                    kept.copy_from_slice(&eta[..kept.len()]);
                }
            },
            ScoreEquations::merge,
        )?;
        self.penalize(beta, &mut equations);
        Ok(equations)
    }

    fn penalized(&self, beta: &[f64], monitor: &Monitor) -> Result<f64> {
        let penalty: f64 = self.ridge.iter().zip(beta).map(|(r, b)| r * b * b).sum();
        Ok(self.log_likelihood(beta, monitor)? - penalty / 2.0)
    }

    fn largest_move(&self, _: &[f64], step: &[f64], monitor: &Monitor) -> Result<f64> {
        self.reduce(
            monitor,
            || 0.0_f64,
            |most, columns, trials, _| {
                let mut change = [0.0; BLOCK];
                linear_predictor(step, columns, &mut change);
                for row in 0..BLOCK {
                    if trials[row] > 0.0 {
                        *most = most.max(change[row].abs());
                    }
                }
            },
            |most, other| *most = most.max(*other),
        )
    }
}

/// Require both arms to weigh something.
///
/// # Errors
/// [`Error::WeightlessArm`].
pub(super) fn require_weight(treated: f64, control: f64) -> Result<()> {
    for (arm, weight) in [("treated", treated), ("control", control)] {
        if !(weight > WEIGHTLESS * (treated + control)) {
            return Err(Error::WeightlessArm { arm });
        }
    }
    Ok(())
}

/// The sums of the weights of the treated and of the controls.
pub(super) fn weights<U: Units>(units: &U, sweep: Sweep) -> [f64; 2] {
    let chunk = |first: usize, last: usize| {
        (first..last).map(|unit| units.tally(unit)).fold([0.0, 0.0], |[treated, control], tally| {
            [treated + tally.treated, control + tally.control]
        })
    };
    let n = units.len();
    if sweep == Sweep::Serial {
        return chunk(0, n);
    }
    let chunks = (0..n.div_ceil(CHUNK)).into_par_iter();
    let chunks: Vec<[f64; 2]> =
        chunks.map(|index| chunk(index * CHUNK, n.min((index + 1) * CHUNK))).collect();
    chunks.iter().fold([0.0, 0.0], |sum, one| [sum[0] + one[0], sum[1] + one[1]])
}

/// The penalty on each standardized coefficient, zero on the intercept.
pub fn standardized_penalty(covariates: &Covariates<'_>, penalty: f64) -> Vec<f64> {
    let slopes = covariates.scale.iter().map(|scale| penalty / (scale * scale));
    std::iter::once(0.0).chain(slopes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::tally::Rows;
    use ndarray::Array2;

    #[test]
    fn third_derivative_is_how_the_information_changes_along_the_step() {
        let x = Array2::from_shape_fn((700, 2), |(row, k)| ((row * (k + 3)) as f64 * 0.7).sin());
        let treatment: Vec<bool> = (0..700).map(|row| row % 3 == 0).collect();
        let weight: Vec<f64> = (0..700).map(|row| f64::from(row % 5)).collect();
        let rows = Rows { treatment: &treatment, sample_weight: Some(&weight) };
        let covariates = Covariates::standardized(x.view()).unwrap();
        let likelihood = Likelihood::new(&covariates, &rows, 0.0, Sweep::Parallel).unwrap();
        let (beta, step, h) = ([0.4, -0.9, 0.6], [0.3, 0.5, -0.2], 1e-4);
        let monitor = Monitor::default();
        // I(beta + h step) step, of which only the upper triangle is filled.
        let times_step = |h: f64| {
            let at: Vec<f64> = beta.iter().zip(step).map(|(b, s)| b + h * s).collect();
            let found = likelihood.equations(&at, &mut [], &monitor).unwrap().information;
            let entry = |j: usize, k: usize| found[3 * j.min(k) + j.max(k)];
            [0, 1, 2].map(|j| (0..3).map(|k| entry(j, k) * step[k]).sum::<f64>())
        };
        let (after, before) = (times_step(h), times_step(-h));
        let third = likelihood.third_derivative(&beta, &step, &monitor).unwrap();
        for k in 0..3 {
            let expected = (after[k] - before[k]) / (2.0 * h);
            assert!((third[k] - expected).abs() < 1e-5 * (1.0 + expected.abs()), "{k}");
        }
    }

    #[test]
    fn equations_keep_the_linear_predictors_of_all_units() {
        let x = Array2::from_shape_fn((CHUNK + 700, 1), |(row, _)| (row as f64 * 0.7).sin());
        let treatment: Vec<bool> = (0..x.nrows()).map(|row| row % 3 == 0).collect();
        let rows = Rows { treatment: &treatment, sample_weight: None };
        let covariates = Covariates::standardized(x.view()).unwrap();
        for sweep in [Sweep::Serial, Sweep::Parallel] {
            let likelihood = Likelihood::new(&covariates, &rows, 0.0, sweep).unwrap();
            let mut kept = vec![f64::NAN; x.nrows()];
            likelihood.equations(&[0.4, -0.9], &mut kept, &Monitor::default()).unwrap();
            assert_eq!(kept, covariates.linear(&[0.4, -0.9]));
        }
    }
}
