//! The outcome model of an arm over a coded design.

use crate::design::arrow::ArrowFactor;
use crate::design::coded::{Coded, NO_DOUBT, Sums};
use crate::error::Result;
use crate::kernels::sigmoid;
use crate::linalg::{add, largest};
use crate::monitor::Monitor;
use crate::outcome::adjusted_rows::AdjustedRows;
use crate::outcome::kinds::OutcomeModel;
use crate::score::spec::PropensitySpec;
use crate::weighting::influence::by_row;

/// Steps of a logistic model; one that takes more is fitted elsewhere, with words for what is wrong.
const MOST_STEPS: usize = 20;

/// Corrections of a solution of least squares.
const CORRECTIONS: usize = 2;

/// A fitted model, and what it predicts of every row.
#[derive(Debug)]
pub struct CodedArm {
    pub fitted: Vec<f64>,
    pub theta: Vec<f64>,
    information: ArrowFactor,
}

impl CodedArm {
    /// `None` where it is not for codes to fit.
    ///
    /// # Errors
    /// [`crate::error::Error::Stopped`].
    pub fn new(
        design: &Coded<'_>,
        rows: &AdjustedRows<'_>,
        arm: bool,
        monitor: &Monitor,
    ) -> Result<Option<Self>> {
        let weight = by_row(rows.weight.len(), |i| rows.fitting_weight(i, arm));
        if rows.spec.outcome_model == OutcomeModel::Logistic {
            return Self::logistic(design, rows.data.outcome, &weight, monitor);
        }
        Self::linear(design, rows.data.outcome, &weight, monitor)
    }

    /// Solve X'WX b = X'W (y - c), c the weighted mean of y, which takes no digits from the slopes then.
    ///
    /// # Errors
    /// [`crate::error::Error::Stopped`].
    pub fn linear(
        design: &Coded<'_>,
        outcome: &[f64],
        weight: &[f64],
        monitor: &Monitor,
    ) -> Result<Option<Self>> {
        let n = weight.len();
        let [total, sum] = (weight.iter().zip(outcome))
            .fold([0.0; 2], |[w, y], (weight, outcome)| [w + weight, y + weight * outcome]);
        let center = sum / total;
        let mut theta = design.of_intercept(center);
        let left = by_row(n, |i| weight[i] * (outcome[i] - center));
        let sums = Sums::of(design, &left, weight)?;
        let information = sums.arrow(design).factor()?;
        if !(information.least_pivot > NO_DOUBT) {
            return Ok(None);
        }
        let mut step = sums.gradient(design);
        information.solve(&mut step);
        add(&mut theta, 1.0, &step);
        let nothing = vec![0.0; n];
        for _ in 0..CORRECTIONS {
            monitor.check()?;
            let fitted = design.linear(&theta);
            let left = by_row(n, |i| weight[i] * (outcome[i] - fitted[i]));
            let mut step = Sums::of(design, &left, &nothing)?.gradient(design);
            information.solve(&mut step);
            add(&mut theta, 1.0, &step);
        }
        Ok(Some(Self { fitted: design.linear(&theta), theta, information }))
    }

    /// Newton's method from the share of events; the last step is free.
    ///
    /// # Errors
    /// [`crate::error::Error::Stopped`].
    pub fn logistic(
        design: &Coded<'_>,
        outcome: &[f64],
        weight: &[f64],
        monitor: &Monitor,
    ) -> Result<Option<Self>> {
        let n = weight.len();
        let total: f64 = weight.iter().sum();
        let share = (0..n).map(|i| weight[i] * outcome[i]).sum::<f64>() / total;
        let is_outside = |y: f64| !(0.0..=1.0).contains(&y);
        let amiss = (0..n).any(|i| weight[i] > 0.0 && is_outside(outcome[i]));
        if amiss || !(share > 0.0 && share < 1.0) {
            return Ok(None);
        }
        let tolerance = PropensitySpec::default().tolerance;
        let mut theta = design.of_intercept((share / (1.0 - share)).ln());
        let mut last = f64::INFINITY;
        for _ in 0..MOST_STEPS {
            monitor.check()?;
            let mut fitted = design.linear(&theta);
            sigmoid(&mut fitted);
            let left = by_row(n, |i| weight[i] * (outcome[i] - fitted[i]));
            let spread = by_row(n, |i| weight[i] * fitted[i] * (1.0 - fitted[i]));
            let sums = Sums::of(design, &left, &spread)?;
            let information = sums.arrow(design).factor()?;
            let mut step = sums.gradient(design);
            let standardized = design.standardized_gradient(&step, sums.totals()[0]);
            let norm = largest(&standardized) / total;
            if !(information.least_pivot > NO_DOUBT && norm < last) {
                return Ok(None);
            }
            last = norm;
            information.solve(&mut step);
            add(&mut theta, 1.0, &step);
            if norm <= tolerance {
                let mut fitted = design.linear(&theta);
                sigmoid(&mut fitted);
                return Ok(Some(Self { fitted, theta, information }));
            }
        }
        Ok(None)
    }

    /// The linear predictors that a step in the direction of the sum of `slopes[i]` `x_i` leads to.
    ///
    /// # Errors
    /// None.
    pub fn moved(&self, design: &Coded<'_>, slopes: &[f64]) -> Result<Vec<f64>> {
        let mut direction = Sums::of(design, slopes, &vec![0.0; slopes.len()])?.gradient(design);
        self.information.solve(&mut direction);
        Ok(design.linear(&direction))
    }

    /// How much each row holds its own linear predictor, these being its weights in the information.
    #[must_use]
    pub fn leverage(&self, design: &Coded<'_>, spread: &[f64]) -> Vec<f64> {
        let (own, half) = self.information.inverse();
        let mut leverage = design.quadratic(&own, &half);
        leverage.iter_mut().zip(spread).for_each(|(value, q)| *value *= q);
        leverage
    }
}
