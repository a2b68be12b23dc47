//! The estimators of [`crate::outcome::adjustment`] on rows, with the influence of each row through the mean, the
//! outcome models and the score model: full stacked equations, right whichever model is.

use crate::checks;
use rayon::prelude::*;

use crate::design::covariates::{CHUNK, Covariates};
use crate::design::rank::presence;
use crate::error::Result;
use crate::kernels::ScoreEquations;
use crate::monitor::Monitor;
use crate::outcome::adjustment::{AdjustmentSpec, ArmEstimate, Method, Modelled, arm_mean};
use crate::outcome::model::Backing;
use crate::outcome::origin::Measured;
use crate::score::linked;
use crate::score::logistic::Sweep;
use crate::score::spec::PropensitySpec;
use crate::units::frequency::{RowWeights, n_users, whole};
use crate::units::tally::{Outcomes, Tally, Units};
use crate::weighting::influence::{ArmMeans, ScoreFit, ScoreModel, by_row, leverage, of_one_user};
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

/// The score model of an analysis.
#[derive(Debug, Clone, Copy)]
pub struct ScoreSpec<'a, 'x> {
    pub covariates: &'a Covariates<'x>,
    pub spec: PropensitySpec,
    /// Its scores, where it was fitted already.
    pub scores: Option<&'a [f64]>,
}

/// Arm means, and the scores on the way to them (none for regression adjustment).
#[derive(Debug, Clone)]
pub struct Adjusted {
    pub means: ArmMeans,
    pub scores: Option<Vec<f64>>,
    /// Columns of the score's covariates that earlier ones explain, and whose coefficients grow without bound; none
    /// where it was fitted already.
    pub aliased: Vec<usize>,
    pub diverging: Vec<usize>,
    /// Columns of the outcome models' covariates that earlier ones explain.
    pub outcome_aliased: Vec<usize>,
    /// Of one user of each row in the outcome model of its own arm; empty where it was not asked for.
    pub leverage: Vec<f64>,
}

/// Estimate the means of both arms, with the outcome models fitted here, and the score model if it was not; with
/// backings, control first, where the rows are a resample.
///
/// # Errors
/// Lengths that differ, values that are not finite, an empty arm, an estimand without such an estimator,
/// a model that cannot be fitted, rows that an outcome model does not reach.
pub fn adjusted_means(
    data: &AdjustmentData<'_>,
    score: &ScoreSpec<'_, '_>,
    outcome_covariates: &Covariates<'_>,
    spec: AdjustmentSpec,
    backings: Option<&[Backing; 2]>,
    monitor: &Monitor,
) -> Result<Adjusted> {
    check(data, outcome_covariates.n_rows(), spec)?;
    if spec.needs_score() && score.scores.is_none() {
        let rows = n_users(data.row_weights.frequency, data.treatment.len());
        let terms = score.covariates.n_columns() + 1;
        checks::enough_rows("score model", whole(rows), terms, score.spec.penalty)?;
    }
    let RowWeights { total: sample_weight, frequency, .. } = data.row_weights;
    let n_terms = outcome_covariates.n_columns() + 1;
    checks::enough_users_in_each_arm(data.treatment, frequency, n_terms)?;
    let outcome = data.outcome;
    let measured = if spec.outcome_model.takes_any_origin() {
        Measured::from_their_middle(outcome, sample_weight)
    } else {
        Measured::from_zero(outcome)
    };
    let data = &AdjustmentData { outcome: &measured.values, ..*data };
    let rows = rows_of(data);
    let present = presence(rows.len(), sample_weight);
    // Of a resample the columns are those of the sample it was drawn from, whose fits stand behind its own.
    let covariates = &match backings {
        Some(_) => outcome_covariates.clone(),
        None => outcome_covariates.clone().settled(&present)?,
    };
    let found = if spec.needs_score() { Some(fit_score(data, score, monitor)?) } else { None };
    monitor.check()?;
    let unknown = vec![0.5; if found.is_none() { rows.len() } else { 0 }];
    let scores = found.as_ref().map_or(&unknown[..], |found| &found.scores);
    let score_model = found.as_ref().map(|found| found.model(data, score)).transpose()?;
    let weight: Vec<f64> = sample_weight.map_or_else(|| vec![1.0; rows.len()], <[f64]>::to_vec);
    let modelled = Modelled { covariates, units: &rows, scores };
    let parts = Parts { data, weight: &weight, scores, covariates, spec };
    let mut leverages = vec![0.0; if data.with_leverage { rows.len() } else { 0 }];
    let mut arm = |arm: bool| -> Result<(f64, Vec<f64>)> {
        monitor.check()?;
        let backing = backings.map(|both| &both[usize::from(arm)]);
        let estimate = arm_mean(&modelled, arm, spec, backing, monitor)?;
        monitor.check()?;
        let influence = parts.influence(arm, &estimate, backing, score_model.as_ref())?;
        if data.with_leverage {
            let own = shared_out(parts.leverage(arm, &estimate), frequency);
            leverages.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
        }
        Ok((estimate.mean, influence))
    };
    let (control, treated) = (arm(false)?, arm(true)?);
    let means = ArmMeans {
        origin: measured.origin,
        above: [control.0, treated.0],
        influence: [control.1, treated.1],
    };
    let outcome_aliased = covariates.dropped().to_vec();
    let FittedScore { scores, aliased, diverging } = found.unwrap_or_default();
    let scores = spec.needs_score().then_some(scores);
    Ok(Adjusted { means, scores, aliased, diverging, outcome_aliased, leverage: leverages })
}

fn rows_of<'a>(data: &AdjustmentData<'a>) -> Outcomes<'a> {
    let AdjustmentData { treatment, outcome, row_weights, .. } = *data;
    Outcomes { treatment, outcome, sample_weight: row_weights.total, counts: None }
}

/// Scores, and what there is to say of the columns they are made of.
#[derive(Debug, Default)]
struct FittedScore {
    scores: Vec<f64>,
    aliased: Vec<usize>,
    diverging: Vec<usize>,
}

impl FittedScore {
    /// What an influence needs of the model.
    fn model<'x>(
        &self,
        data: &AdjustmentData<'_>,
        score: &ScoreSpec<'_, 'x>,
    ) -> Result<ScoreModel<'x>> {
        let AdjustmentData { treatment, row_weights, .. } = *data;
        let PropensitySpec { penalty, link, .. } = score.spec;
        let model = ScoreFit { covariates: score.covariates, penalty, link };
        ScoreModel::new(model, treatment, &self.scores, row_weights.total)
    }
}

/// The scores that are known, or those of a model fitted here.
fn fit_score(
    data: &AdjustmentData<'_>,
    score: &ScoreSpec<'_, '_>,
    monitor: &Monitor,
) -> Result<FittedScore> {
    let ScoreSpec { covariates, spec, scores } = *score;
    let (rows, n) = (rows_of(data), data.treatment.len());
    checks::penalty(spec.penalty)?;
    checks::same_length("treatment", covariates.n_rows(), n)?;
    if let Some(scores) = scores {
        checks::same_length("scores", scores.len(), n)?;
        checks::scores(scores)?;
        return Ok(FittedScore { scores: scores.to_vec(), ..FittedScore::default() });
    }
    let mut design = covariates.clone();
    if spec.penalty == 0.0 {
        design = design.settled(&presence(n, data.row_weights.total))?;
    }
    let optimum = linked::maximum(&design, &rows, None, &spec, Sweep::Parallel, monitor)?;
    let mut scores = design.linear(&optimum.beta);
    scores.par_chunks_mut(CHUNK).for_each(|scores| spec.link.scores_in_place(scores));
    checks::scores(&scores)?;
    let aliased = optimum.aliased(&design);
    Ok(FittedScore { scores, aliased, diverging: optimum.diverging })
}

fn check(data: &AdjustmentData<'_>, n: usize, spec: AdjustmentSpec) -> Result<()> {
    spec.check()?;
    checks::same_length("treatment", data.treatment.len(), n)?;
    checks::outcome(data.outcome, n)?;
    data.row_weights.check(n)?;
    checks::two_users_in_each_arm(data.treatment, data.row_weights.frequency)?;
    if data.are_points {
        Ok(())
    } else {
        spec.outcome_model.check(data.outcome, data.row_weights.total)
    }
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
        backing: Option<&Backing>,
        score_model: Option<&ScoreModel<'_>>,
    ) -> Result<Vec<f64>> {
        let n = self.weight.len();
        let mut influence = by_row(n, |i| self.equation(i, arm, estimate));

        // Through the outcome model: its coefficients move by H^-1 w r x, r being y - m or what the model has for
        // it, and the mean's equation by sum (g - k) m' x for each unit of theirs.
        let (model, fitted) = (estimate.fit.model, &estimate.fitted);
        let slopes = by_row(n, |i| self.coefficient_slope(i, arm) * model.slope(fitted[i]));
        let residual = |i: usize| self.residual(i, arm, |y| model.residual(y, fitted[i]));
        let direction = match backing {
            None => {
                let mut direction = self.covariates.gradient(&slopes);
                estimate.fit.information().solve(&mut direction);
                direction
            }
            Some(backing) => {
                let outcome = self.data.outcome;
                let spread = by_row(n, |i| {
                    self.fitting_weight(i, arm) * model.spread(outcome[i], fitted[i])
                });
                let ScoreEquations { gradient, information } =
                    self.covariates.products(&slopes, &spread);
                backing.solve(information, gradient)?
            }
        };
        let moved = self.covariates.linear(&direction);
        for i in 0..n {
            influence[i] += self.fitting_weight(i, arm) * residual(i) * moved[i];
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
            let through_scores = model.influence(&slopes);
            influence.iter_mut().zip(through_scores).for_each(|(own, other)| *own += other);
        }
        let RowWeights { total, frequency, .. } = self.data.row_weights;
        Ok(of_one_user(influence, estimate.target, total, frequency))
    }

    /// How much each row of an arm holds its own prediction; 0 in the other arm.
    fn leverage(&self, arm: bool, estimate: &ArmEstimate) -> Vec<f64> {
        let ArmEstimate { fit, fitted, .. } = estimate;
        let spread = by_row(fitted.len(), |i| {
            self.fitting_weight(i, arm) * fit.model.expected_spread(fitted[i])
        });
        leverage(self.covariates, fit.information(), &spread)
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
