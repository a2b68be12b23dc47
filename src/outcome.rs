//! The outcome model of one arm: linear or logistic in the covariates, weighted.

use crate::covariates::Covariates;
use crate::error::{Error, Result};
use crate::kernels::ScoreEquations;
use crate::linalg::{Cholesky, RANK_TOLERANCE};
use crate::logistic::{Likelihood, LogisticSpec, Sweep, maximize};
use crate::monitor::Monitor;
use crate::tally::{Tally, Units};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutcomeModel {
    /// Least squares.
    Linear,
    /// Logistic regression, for outcomes from 0 to 1.
    Logistic,
}

/// A fitted outcome model, on standardized covariates.
#[derive(Debug, Clone)]
pub struct ArmFit {
    pub model: OutcomeModel,
    pub coefficients: Vec<f64>,
}

impl ArmFit {
    /// Fit on the rows of `arm`, each weighing what `weight` says of its unit.
    ///
    /// # Errors
    /// No rows in the arm; for the logistic model an outcome outside [0, 1], separation, no convergence;
    /// [`Error::Stopped`].
    pub fn new<U: Units>(
        covariates: &Covariates<'_>,
        units: &U,
        arm: bool,
        weight: impl Fn(usize) -> f64 + Sync,
        model: OutcomeModel,
        monitor: &Monitor,
    ) -> Result<Self> {
        let rows = ArmRows { units, arm, weight };
        let coefficients = match model {
            OutcomeModel::Linear => least_squares(covariates, &rows, monitor)?,
            OutcomeModel::Logistic => logistic(covariates, &rows, monitor)?,
        };
        Ok(Self { model, coefficients })
    }

    /// The expected outcome of every row of `covariates`.
    #[must_use]
    pub fn predict(&self, covariates: &Covariates<'_>) -> Vec<f64> {
        match self.model {
            OutcomeModel::Linear => covariates.linear(&self.coefficients),
            OutcomeModel::Logistic => covariates.probabilities(&self.coefficients),
        }
    }

    /// The derivative of a prediction in its linear predictor.
    #[must_use]
    pub fn slope(&self, fitted: f64) -> f64 {
        match self.model {
            OutcomeModel::Linear => 1.0,
            OutcomeModel::Logistic => fitted * (1.0 - fitted),
        }
    }
}

/// One arm's rows as the binomial counts of a fit: "treated" stands for the outcome.
#[derive(Debug)]
struct ArmRows<'a, U, W> {
    units: &'a U,
    arm: bool,
    weight: W,
}

impl<U: Units, W: Fn(usize) -> f64 + Sync> Units for ArmRows<'_, U, W> {
    fn len(&self) -> usize {
        self.units.len()
    }

    fn tally(&self, unit: usize) -> Tally {
        let (rows, outcome) = self.units.tally(unit).arm(self.arm);
        if rows <= 0.0 {
            return Tally::default();
        }
        let weight = (self.weight)(unit);
        let (treated, control) = (weight * outcome, weight * (rows - outcome));
        Tally { treated, control, ..Tally::default() }
    }
}

/// Solve X'WX b = X'W y, then once more for what rounding left over.
fn least_squares<U: Units>(
    covariates: &Covariates<'_>,
    rows: &U,
    monitor: &Monitor,
) -> Result<Vec<f64>> {
    let tallies: Vec<Tally> = (0..rows.len()).map(|unit| rows.tally(unit)).collect();
    let weight: Vec<f64> = tallies.iter().map(|tally| tally.treated + tally.control).collect();
    if weight.iter().all(|weight| *weight <= 0.0) {
        return Err(Error::WeightlessArm { arm: "modelled" });
    }
    let outcome: Vec<f64> = tallies.iter().map(|tally| tally.treated).collect();
    let ScoreEquations { mut gradient, information } = covariates.products(&outcome, &weight);
    let factor = Cholesky::factor(&information, gradient.len(), RANK_TOLERANCE, &[]);
    monitor.check()?;
    factor.solve(&mut gradient);
    let mut coefficients = gradient;
    let fitted = covariates.linear(&coefficients);
    let left: Vec<f64> =
        (0..fitted.len()).map(|unit| outcome[unit] - weight[unit] * fitted[unit]).collect();
    monitor.check()?;
    let mut correction = covariates.products(&left, &weight).gradient;
    factor.solve(&mut correction);
    coefficients.iter_mut().zip(correction).for_each(|(b, step)| *b += step);
    Ok(coefficients)
}

fn logistic<U: Units>(
    covariates: &Covariates<'_>,
    rows: &U,
    monitor: &Monitor,
) -> Result<Vec<f64>> {
    if (0..rows.len()).any(|unit| {
        let tally = rows.tally(unit);
        tally.treated < 0.0 || tally.control < 0.0
    }) {
        return Err(Error::Argument {
            name: "outcome_model",
            found: "\"logistic\" with an outcome outside [0, 1]".into(),
            allowed: "\"linear\" for such an outcome",
        });
    }
    let likelihood = Likelihood::new(covariates, rows, 0.0, Sweep::Serial)?;
    let optimum = maximize(&likelihood, None, &LogisticSpec::default(), monitor)?;
    Ok(optimum.beta)
}
