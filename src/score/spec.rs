//! What score model is to be fitted, and how closely.

use crate::score::links::Link;
use crate::score::newton::Limits;
use crate::units::frequency::n_users_there;

/// A model of the score whose linear predictor has a coefficient for each column.
#[derive(Debug, Clone, Copy)]
pub struct PropensitySpec {
    pub link: Link,
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

impl Default for PropensitySpec {
    fn default() -> Self {
        Self { link: Link::Logit, penalty: 0.0, tolerance: 1e-10, max_iterations: 100 }
    }
}

impl PropensitySpec {
    /// When Newton's method ends.
    pub(crate) fn limits(&self) -> Limits {
        Limits { tolerance: self.tolerance, max_iterations: self.max_iterations }
    }
}

/// The strength that a penalty has on weighted rows: per unit of their mean weight, so that the scale of the
/// weights says nothing. Rows of weight 0 are not there.
#[must_use]
pub fn penalty_on(sample_weight: Option<&[f64]>, penalty: f64) -> f64 {
    penalty_on_users(sample_weight, None, penalty)
}

/// The same where rows stand for several users: per unit of the mean weight of a user.
#[must_use]
pub fn penalty_on_users(
    total_weight: Option<&[f64]>,
    frequency: Option<&[f64]>,
    penalty: f64,
) -> f64 {
    let Some(weights) = total_weight else { return penalty };
    let mean = weights.iter().sum::<f64>() / n_users_there(weights, frequency);
    // What is wrong with weights that have no mean is said where they are checked.
    if mean > 0.0 && mean.is_finite() { penalty * mean } else { penalty }
}
