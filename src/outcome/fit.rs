//! An outcome model by itself: fitted to rows, to predict others with.

use ndarray::{Array2, ArrayView2};

use crate::checks;
use crate::design::coded::NumbersAndFactors;
use crate::design::covariates::Covariates;
use crate::design::factors::{Factor, Shape};
use crate::design::rank::presence;
use crate::error::{Error, Result};
use crate::linalg::dot;
use crate::monitor::Monitor;
use crate::outcome::coded::{CodedArm, settled};
use crate::outcome::kinds::OutcomeModel;
use crate::outcome::model::{ArmFit, ArmRows};
use crate::reserve::room_for;
use crate::units::tally::Outcomes;

/// An outcome model of all rows, to predict others with.
#[derive(Debug, Clone)]
pub struct OutcomeFit {
    model: OutcomeModel,
    /// d + 1, intercept first, on the caller's scale.
    pub coefficients: Vec<f64>,
    center: Vec<f64>,
    intercept_at_center: f64,
    /// Columns that earlier ones explain; their coefficient is zero.
    pub aliased: Vec<usize>,
    /// Of a fit to factors what each is, and how many numbers stand before it.
    pub factors: Vec<Shape>,
    pub after: Vec<usize>,
}

impl OutcomeFit {
    /// The same of numbers and factors: by their codes where the model is linear or logistic, and nothing but levels is
    /// collinear; otherwise by the matrix that they stand for.
    ///
    /// # Errors
    /// Those of [`OutcomeFit::new`]; [`crate::error::Error::Memory`].
    pub fn of_factors(
        given: &NumbersAndFactors<'_>,
        outcome: &[f64],
        sample_weight: Option<&[f64]>,
        model: OutcomeModel,
        monitor: &Monitor,
    ) -> Result<Self> {
        given.check()?;
        let by_codes = Self::of_codes(given, outcome, sample_weight, model, monitor)?;
        let by_matrix = || {
            room_for(given.x.nrows(), size_of::<f64>().saturating_mul(given.n_terms()))?;
            Self::new(given.matrix().view(), outcome, sample_weight, model, monitor)
        };
        let fit = by_codes.map_or_else(by_matrix, Ok)?;
        let factors = given.factors.iter().map(Factor::shape).collect();
        Ok(Self { factors, after: given.after.to_vec(), ..fit })
    }

    fn of_codes(
        given: &NumbersAndFactors<'_>,
        outcome: &[f64],
        sample_weight: Option<&[f64]>,
        model: OutcomeModel,
        monitor: &Monitor,
    ) -> Result<Option<Self>> {
        checks::outcome(outcome, given.x.nrows())?;
        checks::sample_weight(sample_weight, given.x.nrows())?;
        model.check(outcome, sample_weight)?;
        let Some(design) = settled(given, sample_weight)? else { return Ok(None) };
        let weight = sample_weight.map_or_else(|| vec![1.0; outcome.len()], <[f64]>::to_vec);
        let fit = match model {
            OutcomeModel::Linear => CodedArm::linear(&design, outcome, &weight, monitor)?,
            OutcomeModel::Logistic => CodedArm::logistic(&design, outcome, &weight, monitor)?,
            OutcomeModel::Poisson | OutcomeModel::Gamma => None,
        };
        let Some(fit) = fit else { return Ok(None) };
        let theta = Array2::from_shape_fn((fit.theta.len(), 1), |(place, _)| fit.theta[place]);
        let coefficients: Vec<f64> = design.to_callers(&theta).iter().copied().collect();
        let intercept_at_center = coefficients[0] + dot(&coefficients[1..], &design.center);
        let (center, aliased) = (design.center.clone(), design.dropped());
        let (factors, after) = (Vec::new(), Vec::new()); // these are what the caller knows
        let fit =
            Self { model, coefficients, center, intercept_at_center, aliased, factors, after };
        Ok(Some(fit))
    }

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
        let own = fit.aliased()[1..].iter().zip(covariates.places());
        let own = own.filter(|(aliased, _)| **aliased).map(|(_, place)| *place);
        let mut aliased: Vec<usize> = own.chain(covariates.dropped().iter().copied()).collect();
        aliased.sort_unstable();
        let (factors, after) = (Vec::new(), Vec::new());
        Ok(Self { model, coefficients, center, intercept_at_center, aliased, factors, after })
    }

    /// The expected outcomes of other rows whose factors are codes, as at the fit.
    ///
    /// # Errors
    /// A number of columns or factors other than the model's, values that are not finite.
    pub fn predict_codes(&self, x: ArrayView2<'_, f64>, factors: &[Factor]) -> Result<Vec<f64>> {
        checks::finite_columns("x", x)?;
        let given = NumbersAndFactors { x, factors, after: &self.after };
        given.check()?;
        if given.n_terms() != self.center.len() {
            return Err(Error::Argument {
                name: "factors",
                found: format!("{} terms", given.n_terms()),
                allowed: "as many levels and columns as the model was fitted on",
            });
        }
        let slopes = &self.coefficients[1..];
        let mut fitted = given.linear(&self.center, self.intercept_at_center, slopes);
        self.model.mean_in_place(&mut fitted);
        Ok(fitted)
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
