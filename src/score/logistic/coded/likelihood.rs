//! The penalized log-likelihood of rows over a coded design, and its derivatives, each by one pass over the rows.

use super::super::likelihood::{Sweep, require_weight, weights};
use crate::design::arrow::Arrow;
use crate::design::coded::{Coded, NO_DOUBT, Ridge, Sums};
use crate::design::rank::presence;
use crate::error::Result;
use crate::kernels::{BLOCK, logistic_residuals};
use crate::linalg::largest;
use crate::monitor::Monitor;
use crate::reserve;
use crate::units::tally::{Rows, Units};

#[derive(Debug)]
pub struct CodedLikelihood<'a, 'x> {
    pub design: &'a Coded<'x>,
    pub rows: &'a Rows<'a>,
    ridge: Ridge<'a, 'x>,
    /// Sum of the weights.
    pub total: f64,
    /// Sum of the weights of the treated.
    pub treated: f64,
}

/// What a Newton step is made of.
#[derive(Debug)]
pub struct Equations {
    pub gradient: Vec<f64>,
    /// The largest entry of the gradient in standardized terms.
    pub norm: f64,
    pub information: Arrow,
    /// The sum of w p (1 - p).
    pub remaining_variance: f64,
}

impl<'a, 'x> CodedLikelihood<'a, 'x> {
    /// # Errors
    /// [`crate::error::Error::WeightlessArm`]; [`crate::error::Error::Memory`] where there are too many pairs of levels.
    pub fn new(design: &'a Coded<'x>, rows: &'a Rows<'a>, penalty: f64) -> Result<Self> {
        // Those of two pieces at once, and their total.
        reserve::room_for(Sums::entries(design), 8 * (rayon::current_num_threads() + 1))?;
        let [treated, control] = weights(rows, Sweep::Parallel);
        require_weight(treated, control)?;
        let ridge = Ridge { design, strength: penalty };
        Ok(Self { design, rows, ridge, total: treated + control, treated })
    }

    pub fn is_penalized(&self) -> bool {
        self.ridge.strength > 0.0
    }

    /// The fit of the intercept alone.
    pub fn intercept_only(&self) -> Vec<f64> {
        let log_odds = (self.treated / (self.total - self.treated)).ln();
        self.design.of_intercept(log_odds)
    }

    /// Gradient and information at the fit of the intercept alone; `None` where some term may be collinear with others. A
    /// penalty shares out among those what it cannot tell apart.
    pub fn without_doubt(&self, monitor: &Monitor) -> Result<Option<Equations>> {
        let first = self.equations(&self.intercept_only(), monitor)?;
        let is_clear = self.is_penalized() || first.information.factor()?.least_pivot > NO_DOUBT;
        Ok(is_clear.then_some(first))
    }

    /// Gradient and information of the penalized likelihood.
    pub fn equations(&self, theta: &[f64], monitor: &Monitor) -> Result<Equations> {
        let design = self.design;
        let sums = design.reduce(
            theta,
            Sums::entries(design),
            monitor,
            || Sums::new(design),
            |sums, loaded, eta| {
                let [mut trials, mut successes, mut residual, mut spread] = [[0.0; BLOCK]; 4];
                self.rows.load_counts(loaded.rows.start, &mut trials, &mut successes);
                logistic_residuals(eta, &trials, &successes, &mut residual, &mut spread);
                sums.add(design, loaded, &residual, &spread);
            },
            Sums::merge,
        )?;
        let (mut gradient, mut information) = (sums.gradient(design), sums.arrow(design));
        self.ridge.take_off(theta, &mut gradient);
        self.ridge.add(&mut information);
        let [total, remaining_variance] = sums.totals();
        let norm = largest(&design.standardized_gradient(&gradient, total));
        Ok(Equations { gradient, norm, information, remaining_variance })
    }

    /// The sums that count the rows that are there.
    pub fn counts(&self) -> Result<Sums> {
        let presence = presence(self.rows.len(), self.rows.sample_weight);
        Sums::of(self.design, &presence, &presence)
    }

    fn penalized(&self, theta: &[f64]) -> f64 {
        super::log_likelihood(&self.design.linear(theta), self.rows) - self.ridge.loss(theta)
    }

    /// Whether the likelihood at `to` is lower than at `from`, beyond rounding.
    #[allow(clippy::unnecessary_wraps)] // as that of rows
    pub fn fell(&self, from: &[f64], to: &[f64]) -> Result<bool> {
        let (before, after) = (self.penalized(from), self.penalized(to));
        Ok(!(after >= before - 1e-12 * before.abs()))
    }
}
