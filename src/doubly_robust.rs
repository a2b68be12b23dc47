//! The estimators of [`crate::adjustment`] on rows, with the influence of each row through the mean, the
//! outcome models and the score model: full stacked equations, right whichever model is.

use crate::adjustment::{AdjustmentSpec, ArmEstimate, Method, arm_mean};
use crate::checks;
use crate::covariates::Covariates;
use crate::error::Result;
use crate::influence::{ArmMeans, ScoreModel, by_row, center};
use crate::linalg::{Cholesky, RANK_TOLERANCE};
use crate::logistic::{Likelihood, LogisticSpec, Optimum, Sweep, maximize};
use crate::monitor::Monitor;
use crate::origin::Measured;
use crate::outcome::OutcomeModel;
use crate::tally::{Outcomes, Tally, Units};
use crate::weights::balancing_weight_slope;

/// The rows of an analysis.
#[derive(Debug, Clone, Copy)]
pub struct AdjustmentData<'a> {
    pub treatment: &'a [bool],
    pub outcome: &'a [f64],
    pub sample_weight: Option<&'a [f64]>,
    /// Those of the score model fitted to these very rows; `None` fits it here.
    pub scores: Option<&'a [f64]>,
}

/// Arm means, and the scores on the way to them (none for regression adjustment).
#[derive(Debug, Clone)]
pub struct Adjusted {
    pub means: ArmMeans,
    pub scores: Option<Vec<f64>>,
    /// Columns of the score's covariates that earlier ones explain.
    pub aliased: Vec<usize>,
    /// Columns of the score's covariates whose coefficients grow without bound.
    pub diverging: Vec<usize>,
}

/// Estimate the means of both arms, with the outcome models fitted here, and the score model unless its
/// scores are there already.
///
/// # Errors
/// Lengths that differ, values that are not finite, an empty arm, an estimand without such an estimator,
/// a model that cannot be fitted.
pub fn adjusted_means(
    data: &AdjustmentData<'_>,
    score_covariates: &Covariates<'_>,
    outcome_covariates: &Covariates<'_>,
    spec: AdjustmentSpec,
    score_spec: &LogisticSpec,
    monitor: &Monitor,
) -> Result<Adjusted> {
    check(data, score_covariates.n_rows(), spec)?;
    checks::penalty(score_spec.penalty)?;
    if spec.method != Method::Regression {
        let terms = score_covariates.n_columns() + 1;
        checks::enough_rows("score model", data.treatment.len(), terms, score_spec.penalty)?;
    }
    checks::enough_rows_in_each_arm(data.treatment, outcome_covariates.n_columns() + 1)?;
    let AdjustmentData { treatment, outcome, sample_weight, scores } = *data;
    let measured = match spec.outcome_model {
        OutcomeModel::Linear => Measured::from_their_middle(outcome, sample_weight),
        OutcomeModel::Logistic => Measured::from_zero(outcome),
    };
    let data = &AdjustmentData { outcome: &measured.values, ..*data };
    let outcome = data.outcome;
    let rows = Outcomes { treatment, outcome, sample_weight, counts: None::<&[u32]> };
    let weight: Vec<f64> = sample_weight.map_or_else(|| vec![1.0; rows.len()], <[f64]>::to_vec);
    let scores = scores.filter(|_| spec.method != Method::Regression);
    let fitted = match spec.method {
        Method::Aipw | Method::Ipwra if scores.is_none() => {
            let likelihood =
                Likelihood::new(score_covariates, &rows, score_spec.penalty, Sweep::Parallel)?;
            Some(maximize(&likelihood, None, score_spec, monitor)?)
        }
        _ => None,
    };
    let fitted_scores = |optimum: &Optimum| score_covariates.probabilities(&optimum.beta);
    let scores = scores.map(<[f64]>::to_vec).or_else(|| fitted.as_ref().map(fitted_scores));
    scores.as_deref().map(checks::scores).transpose()?;
    monitor.check()?;
    let score_model = scores.as_ref().map(|scores| {
        ScoreModel::new(score_covariates, treatment, scores, sample_weight, score_spec.penalty)
    });
    let unknown = vec![0.5; if scores.is_none() { rows.len() } else { 0 }];
    let used = scores.as_deref().unwrap_or(&unknown);
    let parts = Parts { data, weight: &weight, scores: used, covariates: outcome_covariates, spec };
    let arm = |arm: bool| -> Result<(f64, Vec<f64>)> {
        monitor.check()?;
        let estimate = arm_mean(outcome_covariates, &rows, used, arm, spec, monitor)?;
        monitor.check()?;
        let influence = parts.influence(arm, &estimate, score_model.as_ref());
        Ok((estimate.mean, influence))
    };
    let (control, treated) = (arm(false)?, arm(true)?);
    let means = ArmMeans {
        origin: measured.origin,
        above: [control.0, treated.0],
        influence: [control.1, treated.1],
    };
    let (aliased, diverging) =
        fitted.map_or_else(Default::default, |optimum| (optimum.aliased(), optimum.diverging));
    Ok(Adjusted { means, scores, aliased, diverging })
}

fn check(data: &AdjustmentData<'_>, n: usize, spec: AdjustmentSpec) -> Result<()> {
    spec.check()?;
    checks::same_length("treatment", data.treatment.len(), n)?;
    checks::outcome(data.outcome, n)?;
    checks::two_in_each_arm(data.treatment)?;
    data.scores.map(|scores| checks::same_length("scores", scores.len(), n)).transpose()?;
    checks::sample_weight(data.sample_weight, n)
}

/// What the influence of either arm is made from.
struct Parts<'a, 'x> {
    data: &'a AdjustmentData<'a>,
    weight: &'a [f64],
    scores: &'a [f64],
    covariates: &'a Covariates<'x>,
    spec: AdjustmentSpec,
}

impl Parts<'_, '_> {
    /// n / sum g times what each row adds to the equation of the mean, directly and through the models.
    fn influence(
        &self,
        arm: bool,
        estimate: &ArmEstimate,
        score_model: Option<&ScoreModel<'_, '_>>,
    ) -> Vec<f64> {
        let n = self.weight.len();
        let mut influence = by_row(n, |i| self.equation(i, arm, estimate));

        // Through the outcome model: its coefficients move by H^-1 w (y - m) x, and the mean's equation
        // by sum (g - k) m' x for each unit of theirs.
        let slopes =
            by_row(n, |i| self.coefficient_slope(i, arm) * estimate.fit.slope(estimate.fitted[i]));
        let spread =
            by_row(n, |i| self.fitting_weight(i, arm) * estimate.fit.slope(estimate.fitted[i]));
        let products = self.covariates.products(&slopes, &spread);
        let mut direction = products.gradient;
        let terms = direction.len();
        Cholesky::factor(&products.information, terms, RANK_TOLERANCE, &[]).solve(&mut direction);
        let moved = self.covariates.linear(&direction);
        for i in 0..n {
            influence[i] +=
                self.fitting_weight(i, arm) * self.residual(i, arm, estimate) * moved[i];
        }

        // Through the score: AIPW's weights in the mean, IPWRA's in the outcome model, move with it.
        if let Some(model) = score_model {
            let through = |i: usize| if self.spec.method == Method::Aipw { 1.0 } else { moved[i] };
            let slopes = by_row(n, |i| {
                self.weight_slope(i, arm) * self.residual(i, arm, estimate) * through(i)
            });
            let through_scores = model.influence(&slopes);
            influence.iter_mut().zip(through_scores).for_each(|(own, other)| *own += other);
        }
        for value in &mut influence {
            *value *= n as f64 / estimate.target;
        }
        center(&mut influence);
        influence
    }

    /// w { g (m - mu) + k (y - m) }.
    fn equation(&self, i: usize, arm: bool, estimate: &ArmEstimate) -> f64 {
        let weight = if self.data.treatment[i] == arm {
            self.spec.residual_weight(arm, self.scores[i])
        } else {
            0.0
        };
        let deviation = self.is_target(i) * (estimate.fitted[i] - estimate.mean);
        self.weight[i] * (deviation + weight * (self.data.outcome[i] - estimate.fitted[i]))
    }

    fn coefficient_slope(&self, i: usize, arm: bool) -> f64 {
        let weight = if self.data.treatment[i] == arm {
            self.spec.residual_weight(arm, self.scores[i])
        } else {
            0.0
        };
        self.weight[i] * (self.is_target(i) - weight)
    }

    fn fitting_weight(&self, i: usize, arm: bool) -> f64 {
        if self.data.treatment[i] == arm {
            self.weight[i] * self.spec.fitting_weight(arm, self.scores[i])
        } else {
            0.0
        }
    }

    fn weight_slope(&self, i: usize, arm: bool) -> f64 {
        self.weight[i] * balancing_weight_slope(self.spec.estimand, arm, self.scores[i])
    }

    /// y - m, for the rows of the arm.
    fn residual(&self, i: usize, arm: bool, estimate: &ArmEstimate) -> f64 {
        if self.data.treatment[i] == arm { self.data.outcome[i] - estimate.fitted[i] } else { 0.0 }
    }

    /// 1 where the effect averages over the row, else 0.
    fn is_target(&self, i: usize) -> f64 {
        self.spec.target(&Tally::row(self.data.treatment[i], 0.0, 1.0))
    }
}
