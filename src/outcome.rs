//! The outcome model of one arm: linear or logistic in the covariates, weighted.

use crate::covariates::Covariates;
use crate::error::{Error, Result};
use crate::kernels::ScoreEquations;
use crate::linalg::{Cholesky, RANK_TOLERANCE, add, largest};
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

/// One arm's rows, weighed; as units they are the binomial counts of a logistic fit, where "treated" stands for the
/// outcome.
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
        let (rows, outcome) = self.units.arm(unit, self.arm);
        if rows <= 0.0 {
            return Tally::default();
        }
        let weight = (self.weight)(unit);
        let (treated, control) = (weight * outcome, weight * (rows - outcome));
        Tally { treated, control, ..Tally::default() }
    }
}

impl<U: Units, W: Fn(usize) -> f64> ArmRows<'_, U, W> {
    /// The weight of a unit's rows, and the weighted sum of their outcomes.
    fn sums(&self, unit: usize) -> [f64; 2] {
        let (rows, outcome) = self.units.arm(unit, self.arm);
        if rows <= 0.0 {
            return [0.0; 2];
        }
        let weight = (self.weight)(unit);
        [weight * rows, weight * outcome]
    }
}

fn arm_name(treated: bool) -> &'static str {
    if treated { "treated" } else { "control" }
}

/// Corrections of a solution, at most, and the share of it from which one is worth another: with each the share falls
/// by as much as the first.
const MOST_CORRECTIONS: usize = 5;
const WORTH_ANOTHER: f64 = 1e-8;

/// Solve X'WX b = X'W (y - c), c the weighted mean of y, which takes no digits from the slopes then; and again for what
/// rounding left over.
fn least_squares<U: Units>(
    covariates: &Covariates<'_>,
    rows: &ArmRows<'_, U, impl Fn(usize) -> f64 + Sync>,
    monitor: &Monitor,
) -> Result<Vec<f64>> {
    let sums: Vec<[f64; 2]> = (0..rows.units.len()).map(|unit| rows.sums(unit)).collect();
    let weight: Vec<f64> = sums.iter().map(|[weight, _]| *weight).collect();
    let [total, outcome] = sums.iter().fold([0.0; 2], |[w, y], sums| [w + sums[0], y + sums[1]]);
    if total <= 0.0 {
        return Err(Error::WeightlessArm { arm: arm_name(rows.arm) });
    }
    let mean = outcome / total;
    let mut left: Vec<f64> = sums.iter().map(|[weight, y]| y - weight * mean).collect();
    let ScoreEquations { gradient, information } = covariates.products(&left, &weight);
    let factor = Cholesky::factor(&information, gradient.len(), RANK_TOLERANCE, &[]);
    let mut coefficients = vec![0.0; gradient.len()];
    let mut step = gradient;
    for _ in 0..=MOST_CORRECTIONS {
        monitor.check()?;
        factor.solve(&mut step);
        let is_small = largest(&step) <= WORTH_ANOTHER * largest(&coefficients);
        add(&mut coefficients, 1.0, &step);
        if is_small {
            break;
        }
        let fitted = covariates.linear(&step);
        left.iter_mut().zip(&weight).zip(fitted).for_each(|((left, w), m)| *left -= w * m);
        step = covariates.gradient(&left);
    }
    coefficients[0] += mean;
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
