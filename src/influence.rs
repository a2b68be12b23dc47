//! Standard errors by stacked estimating equations (Stefanski and Boos 2002): what each row contributes
//! to the error of an estimate, through the estimate itself and through every model fitted on the way.

use crate::covariates::Covariates;
use crate::linalg::{Cholesky, RANK_TOLERANCE};

/// The means of the two arms, control first, and each row's influence on them.
#[derive(Debug, Clone)]
pub struct ArmMeans {
    pub mean: [f64; 2],
    /// n values of mean zero each; the covariance of the means is the sum of their products over n^2.
    pub influence: [Vec<f64>; 2],
}

impl ArmMeans {
    /// `mean_treated - mean_control`.
    #[must_use]
    pub fn difference(&self) -> f64 {
        self.mean[1] - self.mean[0]
    }

    /// The standard error of the difference, with divisor n and no correction for degrees of freedom.
    #[must_use]
    pub fn std_error(&self) -> f64 {
        let [control, treated] = &self.influence;
        let squares: f64 = treated.iter().zip(control).map(|(a, b)| (a - b) * (a - b)).sum();
        squares.sqrt() / treated.len() as f64
    }
}

/// A logistic score model, as far as an influence needs it: with coefficients b solving
/// sum `w_i` (`t_i` - `e_i`) `x_i` = penalty b, row i moves b by V `w_i` (`t_i` - `e_i`) `x_i`, V the inverse of the
/// information.
#[derive(Debug)]
pub struct ScoreModel<'a, 'x> {
    covariates: &'a Covariates<'x>,
    residual: Vec<f64>,
    information: Cholesky,
}

impl<'a, 'x> ScoreModel<'a, 'x> {
    #[must_use]
    pub fn new(
        covariates: &'a Covariates<'x>,
        treatment: &[bool],
        scores: &[f64],
        weight: Option<&[f64]>,
        penalty: f64,
    ) -> Self {
        let weight = |row: usize| weight.map_or(1.0, |weights| weights[row]);
        let rows = 0..scores.len();
        let residual = rows
            .clone()
            .map(|i| weight(i) * (f64::from(u8::from(treatment[i])) - scores[i]))
            .collect();
        let spread: Vec<f64> = rows.map(|i| weight(i) * scores[i] * (1.0 - scores[i])).collect();
        let terms = covariates.n_columns() + 1;
        let mut information = covariates.products(&spread, &spread).information;
        for (k, scale) in covariates.scale.iter().enumerate() {
            information[(k + 1) * terms + k + 1] += penalty / (scale * scale);
        }
        let information = Cholesky::factor(&information, terms, RANK_TOLERANCE, &[]);
        Self { covariates, residual, information }
    }

    /// The variance that the coefficients give a sum whose derivative in the log odds of row i's score is
    /// `slope[i]`: g' V g, with g the sum of `slope[i]` `x_i`.
    #[must_use]
    pub fn variance(&self, slope: &[f64]) -> f64 {
        let gradient = self.covariates.products(slope, slope).gradient;
        let mut direction = gradient.clone();
        self.information.solve(&mut direction);
        gradient.iter().zip(&direction).map(|(g, v)| g * v).sum()
    }

    /// Each row's influence, through the coefficients, on a sum whose derivative in the log odds of
    /// row i's score is `slope[i]`.
    #[must_use]
    pub fn influence(&self, slope: &[f64]) -> Vec<f64> {
        let mut direction = self.covariates.products(slope, slope).gradient;
        self.information.solve(&mut direction);
        let mut influence = self.covariates.linear(&direction);
        influence.iter_mut().zip(&self.residual).for_each(|(x, r)| *x *= r);
        influence
    }
}

/// Take the mean off: it is zero but for rounding, and for a penalty's pull.
pub fn center(values: &mut [f64]) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    for value in values {
        *value -= mean;
    }
}
