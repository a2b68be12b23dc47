//! Outcome models whose mean is the exponential of the linear predictor.

use crate::error::{Error, Result};
use crate::outcome::kinds::OutcomeModel;
use crate::score::generalized::{Family, Terms};

/// Poisson or gamma regression of units, by what weighs each and its weighted sum of outcomes.
#[derive(Debug)]
pub struct LogLink {
    model: OutcomeModel,
    sums: Vec<[f64; 2]>,
    pub weight: f64,
    pub outcome: f64,
}

impl LogLink {
    /// # Errors
    /// No weight, [`Error::NoEvents`] where all outcomes are 0.
    pub fn new(model: OutcomeModel, sums: Vec<[f64; 2]>, arm: &'static str) -> Result<Self> {
        let [weight, outcome] =
            sums.iter().fold([0.0; 2], |[w, y], sums| [w + sums[0], y + sums[1]]);
        if !(weight > 0.0) {
            return Err(Error::WeightlessArm { arm });
        }
        if !(outcome > 0.0) {
            return Err(Error::NoEvents { arm, always: 0, model: model.name() });
        }
        Ok(Self { model, sums, weight, outcome })
    }

    /// What the gradient is measured by: Poisson's has the unit of the outcome, gamma's has none.
    pub fn total(&self) -> f64 {
        if self.model == OutcomeModel::Gamma { self.weight } else { self.outcome }
    }
}

impl Family for LogLink {
    fn at(&self, unit: usize, eta: f64) -> Terms {
        let [weight, outcome] = self.sums[unit];
        if self.model == OutcomeModel::Gamma {
            let ratio = outcome * (-eta).exp();
            return Terms { value: -ratio - weight * eta, slope: ratio - weight, fall: ratio };
        }
        let mean = weight * eta.exp();
        Terms { value: outcome * eta - mean, slope: outcome - mean, fall: mean }
    }

    fn counts(&self, unit: usize) -> bool {
        self.sums[unit][0] > 0.0
    }
}
