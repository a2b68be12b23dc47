//! A fitted score model: coefficients and their covariance on the caller's scale, and how to predict.

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use crate::design::coded::NumbersAndFactors;
use crate::design::covariates::{CHUNK, Covariates};
use crate::design::factors::{Factor, Shape};
use crate::error::{Error, Result};
use crate::linalg::{Cholesky, dot};
use crate::matrix::Matrix;
use crate::score::covariance::Covariance;
use crate::score::links::Link;
use crate::score::newton::Optimum;
use crate::score::spec::PropensitySpec;
use crate::units::frequency::{RowWeights, users_of};
use crate::weighting::influence::by_row;

/// A fitted score model of d covariates.
#[derive(Debug, Clone)]
pub struct PropensityFit {
    pub link: Link,
    /// d + 1, intercept first, on the caller's scale.
    pub coefficients: Vec<f64>,
    /// d + 1 by d + 1: the inverse of the (penalized) information.
    pub covariance: Covariance,
    /// The same of rows that were drawn with unequal chances, where there are sample weights: V M V, with V the
    /// inverse information and M the sum of squared scores (w r)^2 x x' of the likelihood, r being T - e with the logit
    /// link (Binder 1983, without the factor
    /// n / (n - 1)). It does not change with the scale of the weights.
    pub sandwich: Option<Covariance>,
    /// d: the linear predictor is measured from here, which keeps its digits when covariates are
    /// far from zero.
    pub center: Vec<f64>,
    pub intercept_at_center: f64,
    /// Columns that earlier ones explain; their coefficient is zero.
    pub aliased: Vec<usize>,
    /// Columns whose coefficients grow without bound, some of their rows being treated all or none; what
    /// is given is where the gradient became small enough.
    pub diverging: Vec<usize>,
    pub log_likelihood: f64,
    pub iterations: usize,
    pub gradient_norm: f64,
    pub penalty: f64,
    /// Of a fit to factors what each is, and how many numbers stand before it; see
    /// [`crate::design::coded::NumbersAndFactors`].
    pub factors: Vec<Shape>,
    pub after: Vec<usize>,
}

/// V M V on the caller's scale, by what is left of the treatment; see [`PropensityFit::sandwich`].
pub fn sandwich(
    design: &Covariates<'_>,
    map: &Array2<f64>,
    information: &Cholesky,
    row_weights: RowWeights<'_>,
    residual: impl Fn(usize) -> f64 + Send + Sync,
) -> Array2<f64> {
    let weight = row_weights.total.unwrap_or_default();
    // Weights are divided by the largest, whose square may be out of range, and so is the information.
    let largest = weight.iter().fold(0.0_f64, |most, w| most.max(*w));
    let users = |i: usize| users_of(row_weights.frequency, i);
    let square = |i: usize| (weight[i] / largest * residual(i)).powi(2) / users(i);
    let squares = by_row(weight.len(), square);
    let terms = design.n_columns() + 1;
    let upper = design.products(&squares, &squares).information;
    let meat = Array2::from_shape_fn((terms, terms), |(j, k)| upper[j.min(k) * terms + j.max(k)]);
    let inverse = information.inverse();
    let bread = Array2::from_shape_fn((terms, terms), |(j, k)| inverse[j * terms + k] * largest);
    let half = map.dot(&bread);
    half.dot(&meat).dot(&half.t())
}

/// The linear map from a design's coefficients to those of its columns at zero, all of which that were asked for:
/// the intercept there is that at their center less what the slopes make of it.
#[must_use]
pub fn to_callers_scale(center: &[f64], design: &Covariates<'_>) -> Array2<f64> {
    let terms = design.n_columns() + 1;
    let mut map = Array2::<f64>::zeros((center.len() + 1, terms));
    for k in 0..terms {
        let mut unit = vec![0.0; terms];
        unit[k] = 1.0;
        let mut own = design.to_callers(&unit);
        own[0] -= dot(&own[1..], center);
        map.column_mut(k).assign(&ndarray::aview1(&own));
    }
    map
}

impl PropensityFit {
    /// Back on the caller's scale, by the linear map from the design's coefficients; the covariance follows by it too.
    #[must_use]
    pub fn new(
        center: Vec<f64>,
        design: &Covariates<'_>,
        map: &Array2<f64>,
        optimum: Optimum,
        spec: &PropensitySpec,
    ) -> Self {
        let terms = optimum.beta.len();
        let inverse = optimum.information.inverse();
        let standardized = Array2::from_shape_fn((terms, terms), |(j, k)| inverse[j * terms + k]);
        let aliased = optimum.aliased(design);
        Self {
            link: spec.link,
            coefficients: map.dot(&ndarray::aview1(&optimum.beta)).to_vec(),
            covariance: Covariance::Full(map.dot(&standardized).dot(&map.t())),
            sandwich: None, // where there are sample weights, for the caller to fill in
            intercept_at_center: design.to_callers(&optimum.beta)[0],
            center,
            aliased,
            diverging: optimum.diverging,
            log_likelihood: f64::NAN, // for the caller to fill in, who needs this fit for it
            iterations: optimum.iterations,
            gradient_norm: optimum.gradient_norm,
            penalty: spec.penalty,
            factors: Vec::new(),
            after: Vec::new(),
        }
    }

    /// Whether the parts, which may come from a file, are of sizes that fit.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let (terms, columns) = (self.coefficients.len(), self.center.len());
        let is_whole = |found: &Covariance| found.is_square() && found.n_terms() == terms;
        let left_out = self.aliased.iter().chain(&self.diverging);
        terms == columns + 1
            && is_whole(&self.covariance)
            && self.sandwich.as_ref().is_none_or(is_whole)
            && self.factors.len() == self.after.len()
            && self.factors.iter().all(|own| (1..=terms).contains(&own.n_levels))
            && self.n_numbers().is_some_and(|n| self.after.iter().all(|k| *k <= n))
            && left_out.into_iter().all(|column| *column < columns)
    }

    /// How many numbers the terms have beside those of factors; none where there are fewer terms than that.
    fn n_numbers(&self) -> Option<usize> {
        let of_factors: usize = self.factors.iter().map(|own| own.n_levels - 1).sum();
        self.center.len().checked_sub(of_factors)
    }

    /// Linear predictors of rows whose factors are codes, as at the fit.
    ///
    /// # Errors
    /// A number of columns or factors other than the model's, an unknown level.
    pub fn coded_linear_predictor(
        &self,
        x: ArrayView2<'_, f64>,
        factors: &[Factor],
    ) -> Result<Vec<f64>> {
        let is_model = self.n_numbers() == Some(x.ncols()) && self.factors.len() == factors.len();
        if !is_model {
            return Err(Error::Argument {
                name: "factors",
                found: format!("{} beside {} columns of x", factors.len(), x.ncols()),
                allowed: "as many as the model was fitted on, beside as many columns",
            });
        }
        let given = NumbersAndFactors { x, factors, after: &self.after };
        given.check()?;
        Ok(given.linear(&self.center, self.intercept_at_center, &self.coefficients[1..]))
    }

    /// Turn linear predictors into scores.
    pub fn to_scores(&self, linear: &mut [f64]) {
        linear.par_chunks_mut(CHUNK).for_each(|scores| self.link.scores_in_place(scores));
    }

    /// Scores of the rows of `x`; equal rows get equal bits.
    ///
    /// # Errors
    /// A number of columns other than the model's.
    pub fn predict<'x>(&self, x: impl Into<Matrix<'x>>) -> Result<Vec<f64>> {
        let mut scores = self.linear_predictor(x)?;
        self.to_scores(&mut scores);
        Ok(scores)
    }

    /// Linear predictors (log odds with the logit link) of the rows of `x`.
    ///
    /// # Errors
    /// A number of columns other than the model's.
    pub fn linear_predictor<'x>(&self, x: impl Into<Matrix<'x>>) -> Result<Vec<f64>> {
        let (covariates, beta) = self.centered(x)?;
        Ok(covariates.linear(&beta))
    }

    /// Other rows measured from this model's centre, and the coefficients that go with them.
    fn centered<'x>(&self, x: impl Into<Matrix<'x>>) -> Result<(Covariates<'x>, Vec<f64>)> {
        let covariates = Covariates::around(x, &self.center)?;
        let mut beta = self.coefficients.clone();
        beta[0] = self.intercept_at_center;
        Ok((covariates, beta))
    }
}
