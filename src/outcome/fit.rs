//! An outcome model by itself: fitted to rows, to predict others with.

use ndarray::ArrayView2;

use crate::checks;
use crate::design::covariates::Covariates;
use crate::design::rank::presence;
use crate::error::Result;
use crate::linalg::dot;
use crate::monitor::Monitor;
use crate::outcome::kinds::OutcomeModel;
use crate::outcome::model::{ArmFit, ArmRows};
use crate::units::tally::Outcomes;

/// An outcome model of all rows, to predict others with.
#[derive(Debug, Clone)]
pub struct OutcomeFit {
    model: OutcomeModel,
    /// d + 1, intercept first, on the caller's scale.
    pub coefficients: Vec<f64>,
    center: Vec<f64>,
    intercept_at_center: f64,
}

impl OutcomeFit {
    /// # Errors
    /// Those of [`ArmFit::new`]; lengths that differ, values that are not finite, outcomes that there is no such model
    /// of.
    pub fn new(
        x: ArrayView2<'_, f64>,
        outcome: &[f64],
        sample_weight: Option<&[f64]>,
        model: OutcomeModel,
        monitor: &Monitor,
    ) -> Result<Self> {
        checks::outcome(outcome, x.nrows())?;
        checks::sample_weight(sample_weight, x.nrows())?;
        model.check(outcome, sample_weight)?;
        let treatment = vec![true; outcome.len()];
        let units =
            &Outcomes { treatment: &treatment, outcome, sample_weight, counts: None::<&[u32]> };
        let design = Covariates::standardized_among(x, sample_weight)?;
        let center = design.center.clone();
        let covariates = &design.settled(&presence(x.nrows(), sample_weight))?;
        let rows = ArmRows { covariates, units, arm: true, weight: |_| 1.0 };
        let fit = ArmFit::new(&rows, model, None, monitor)?;
        let mut coefficients = covariates.to_callers(&fit.coefficients);
        let intercept_at_center = coefficients[0];
        coefficients[0] -= dot(&coefficients[1..], &center);
        Ok(Self { model, coefficients, center, intercept_at_center })
    }

    /// The expected outcomes of other rows.
    ///
    /// # Errors
    /// A number of columns other than the model's, values that are not finite.
    pub fn predict(&self, x: ArrayView2<'_, f64>) -> Result<Vec<f64>> {
        checks::finite_columns("x", x)?;
        let covariates = Covariates::around(x, &self.center)?;
        let mut beta = self.coefficients.clone();
        beta[0] = self.intercept_at_center;
        let mut fitted = covariates.linear(&beta);
        self.model.mean_in_place(&mut fitted);
        Ok(fitted)
    }
}
