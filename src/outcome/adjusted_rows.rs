//! The influence of each row on the mean of an arm with an outcome model, whatever design that was fitted over.

use crate::error::Result;
use crate::outcome::adjustment::{AdjustmentSpec, Method};
use crate::outcome::kinds::OutcomeModel;
use crate::units::frequency::{RowWeights, n_users};
use crate::units::tally::Tally;
use crate::weighting::coded_influence::FittedScoreModel;
use crate::weighting::influence::{by_row, of_one_user};
use crate::weighting::ipw::shared_out;

/// The rows of an analysis.
#[derive(Debug, Clone, Copy)]
pub struct AdjustmentData<'a> {
    pub treatment: &'a [bool],
    pub outcome: &'a [f64],
    pub row_weights: RowWeights<'a>,
    /// Whether outcomes stand for others of the same sum, and may lie beyond what there is such a model of.
    pub are_points: bool,
    /// Whether to say how much each row holds its own prediction.
    pub with_leverage: bool,
}

impl<'a> AdjustmentData<'a> {
    /// Rows that are a user each; without their leverage.
    #[must_use]
    pub const fn of_users(
        treatment: &'a [bool],
        outcome: &'a [f64],
        sample_weight: Option<&'a [f64]>,
    ) -> Self {
        let row_weights = RowWeights::of(sample_weight);
        Self { treatment, outcome, row_weights, are_points: false, with_leverage: false }
    }
}

/// Rows, and the scores that they are weighed by.
#[derive(Debug, Clone, Copy)]
pub struct AdjustedRows<'a> {
    pub data: &'a AdjustmentData<'a>,
    /// The sample weight, or 1.
    pub weight: &'a [f64],
    pub scores: &'a [f64],
    pub spec: AdjustmentSpec,
}

/// An arm's outcome model: its predictions, one a row, and the mean it leads to, `target` being the sum of g.
#[derive(Debug, Clone, Copy)]
pub struct ArmMean<'e> {
    pub arm: bool,
    pub model: OutcomeModel,
    pub fitted: &'e [f64],
    pub mean: f64,
    pub target: f64,
}

/// The influence of one user of each row on the mean of an arm; and the part of it that the user's residual makes, which is
/// too small by its leverage, unlike that of where its prediction lies.
#[derive(Debug, Clone, Default)]
pub struct ArmInfluence {
    pub whole: Vec<f64>,
    pub of_residuals: Vec<f64>,
}

impl AdjustedRows<'_> {
    /// n / sum g times what each row adds to the equation of the mean, directly and through the models, n counting users. `moved` gives each
    /// row's linear predictor after a step of the outcome model's coefficients: that of their information in the
    /// direction of the sum of `slopes[i]` `x_i`.
    ///
    /// # Errors
    /// Those of `moved` and of the score model.
    pub fn influence(
        &self,
        estimate: &ArmMean<'_>,
        moved: &dyn Fn(&[f64]) -> Result<Vec<f64>>,
        score_model: Option<&dyn FittedScoreModel>,
    ) -> Result<ArmInfluence> {
        let n = self.weight.len();
        let ArmMean { arm, model, fitted, target, .. } = *estimate;
        let mut influence = by_row(n, |i| self.equation(i, estimate));

        // Through the outcome model: its coefficients move by H^-1 w r x, r being y - m or what the model has for
        // it, and the mean's equation by sum (g - k) m' x for each unit of theirs.
        let slopes = by_row(n, |i| self.coefficient_slope(i, arm) * model.slope(fitted[i]));
        let residual = |i: usize| self.residual(i, arm, |y| model.residual(y, fitted[i]));
        let moved = moved(&slopes)?;
        let mut of_residuals = by_row(n, |i| self.augmentation(i, estimate));
        for i in 0..n {
            let through_model = self.fitting_weight(i, arm) * residual(i) * moved[i];
            influence[i] += through_model;
            of_residuals[i] += through_model;
        }

        // Through the score: AIPW's weights in the mean, IPWRA's in the outcome model, move with it.
        if let Some(model) = score_model {
            let through = |i: usize| match self.spec.method {
                Method::Aipw => [self.residual(i, arm, |y| y - fitted[i]), 1.0],
                _ => [residual(i), moved[i]],
            };
            let slopes = by_row(n, |i| {
                let [left, moved] = through(i);
                self.weight_slope(i, arm) * left * moved
            });
            let through_scores = model.influence(&slopes)?;
            influence.iter_mut().zip(through_scores).for_each(|(own, other)| *own += other);
        }
        let RowWeights { total, frequency, .. } = self.data.row_weights;
        let per_mean = n_users(frequency, n) / target;
        for value in &mut of_residuals {
            *value *= per_mean;
        }
        Ok(ArmInfluence {
            whole: of_one_user(influence, target, total, frequency),
            of_residuals: shared_out(of_residuals, frequency),
        })
    }

    /// What each row of an arm weighs in the last weighted least squares of its model.
    #[must_use]
    pub fn expected_spread(&self, ArmMean { arm, model, fitted, .. }: &ArmMean<'_>) -> Vec<f64> {
        by_row(fitted.len(), |i| self.fitting_weight(i, *arm) * model.expected_spread(fitted[i]))
    }

    /// What the rows of an arm weigh in its model; 0 in the other arm.
    #[must_use]
    pub fn fitting_weight(&self, i: usize, arm: bool) -> f64 {
        if self.data.treatment[i] == arm {
            self.weight[i] * self.spec.fitting_weight(arm, self.scores[i])
        } else {
            0.0
        }
    }

    /// The mean that predictions lead to, and the sum of g.
    #[must_use]
    pub fn mean(&self, arm: bool, fitted: &[f64]) -> [f64; 2] {
        let (mut total, mut target) = (0.0, 0.0);
        for (i, fitted) in fitted.iter().enumerate() {
            let wanted = self.weight[i] * self.is_target(i);
            let weight = self.weight[i] * self.residual_weight(i, arm);
            target += wanted;
            total += wanted * fitted + weight * (self.data.outcome[i] - fitted);
        }
        [total / target, target]
    }

    /// w { g (m - mu) + k (y - m) }.
    fn equation(&self, i: usize, estimate: &ArmMean<'_>) -> f64 {
        let deviation = self.is_target(i) * (estimate.fitted[i] - estimate.mean);
        self.weight[i] * deviation + self.augmentation(i, estimate)
    }

    /// w k (y - m), of the rows of the arm.
    fn augmentation(&self, i: usize, estimate: &ArmMean<'_>) -> f64 {
        let weight = self.weight[i] * self.residual_weight(i, estimate.arm);
        weight * (self.data.outcome[i] - estimate.fitted[i])
    }

    fn coefficient_slope(&self, i: usize, arm: bool) -> f64 {
        self.weight[i] * (self.is_target(i) - self.residual_weight(i, arm))
    }

    fn residual_weight(&self, i: usize, arm: bool) -> f64 {
        if self.data.treatment[i] == arm {
            self.spec.residual_weight(arm, self.scores[i])
        } else {
            0.0
        }
    }

    fn weight_slope(&self, i: usize, arm: bool) -> f64 {
        self.weight[i] * self.spec.estimand.weight_slope(arm, self.scores[i])
    }

    /// What `left` makes of the outcome, for the rows of the arm.
    fn residual(&self, i: usize, arm: bool, left: impl Fn(f64) -> f64) -> f64 {
        if self.data.treatment[i] == arm { left(self.data.outcome[i]) } else { 0.0 }
    }

    /// 1 where the effect averages over the row, else 0.
    fn is_target(&self, i: usize) -> f64 {
        self.spec.target(&Tally::row(self.data.treatment[i], 0.0, 1.0))
    }
}
