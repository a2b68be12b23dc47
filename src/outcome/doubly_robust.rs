//! The estimators of [`crate::outcome::adjustment`] on rows, with the influence of each row through the mean, the
//! outcome models and the score model: full stacked equations, right whichever model is.

use crate::checks;
use rayon::prelude::*;

use crate::design::covariates::{CHUNK, Covariates};
use crate::design::rank::presence;
use crate::error::Result;
use crate::kernels::ScoreEquations;
use crate::monitor::Monitor;
use crate::outcome::adjusted_rows::{AdjustedRows, AdjustmentData, ArmMean};
use crate::outcome::adjustment::{AdjustmentSpec, ArmEstimate, Modelled, arm_mean};
use crate::outcome::model::Backing;
use crate::outcome::origin::Measured;
use crate::score::linked;
use crate::score::logistic::Sweep;
use crate::score::spec::PropensitySpec;
use crate::units::frequency::RowWeights;
use crate::units::tally::{Outcomes, Units};
use crate::weighting::coded_influence::FittedScoreModel;
use crate::weighting::influence::{ArmMeans, ScoreFit, ScoreModel, by_row};

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
    /// Of one user of each row in the outcome model of its own arm, and the part of its influence on that arm's mean that
    /// its residual makes; empty where it was not asked for.
    pub leverage: Vec<f64>,
    pub residual_influence: Vec<f64>,
}

/// The means of several outcomes, and what is the same for all.
#[derive(Debug, Clone)]
pub struct AdjustedOutcomes {
    pub first: Adjusted,
    pub others: Vec<OtherOutcome>,
}

/// What a further outcome has of its own.
#[derive(Debug, Clone)]
pub struct OtherOutcome {
    pub means: ArmMeans,
    /// As of [`Adjusted`]; none where it is that of the first outcome.
    pub leverage: Option<Vec<f64>>,
    pub residual_influence: Vec<f64>,
}

impl AdjustedOutcomes {
    /// Put what is the same for all outcomes beside what is of the first.
    pub(super) fn new(
        mut each: Vec<OtherOutcome>,
        leverage: Vec<f64>,
        score: Option<FittedScore>,
        outcome_aliased: Vec<usize>,
    ) -> Self {
        let others = each.split_off(1);
        let first = each.swap_remove(0);
        let has_score = score.is_some();
        let FittedScore { scores, aliased, diverging } = score.unwrap_or_default();
        let first = Adjusted {
            means: first.means,
            scores: has_score.then_some(scores),
            aliased,
            diverging,
            outcome_aliased,
            leverage: first.leverage.unwrap_or(leverage),
            residual_influence: first.residual_influence,
        };
        Self { first, others }
    }
}

/// The means of both arms of a resample, by scores that are known. Its columns are those of the sample that it was drawn
/// from, whose fits, control first, stand behind its own.
///
/// # Errors
/// Lengths that differ, values that are not finite, an empty arm, a model that cannot be fitted.
pub fn resampled_means(
    data: &AdjustmentData<'_>,
    score: &ScoreSpec<'_, '_>,
    covariates: &Covariates<'_>,
    spec: AdjustmentSpec,
    backings: &[Backing; 2],
    monitor: &Monitor,
) -> Result<ArmMeans> {
    check(data, covariates.n_rows(), spec)?;
    let RowWeights { total: sample_weight, frequency, .. } = data.row_weights;
    checks::enough_users_in_each_arm(data.treatment, frequency, covariates.n_columns() + 1)?;
    let measured = Measured::for_model(spec.outcome_model, data.outcome, sample_weight);
    let data = &AdjustmentData { outcome: &measured.values, ..*data };
    let rows = rows_of(data);
    let found = if spec.needs_score() { Some(fit_score(data, score, monitor)?) } else { None };
    let unknown = vec![0.5; if found.is_none() { rows.len() } else { 0 }];
    let scores = found.as_ref().map_or(&unknown[..], |found| &found.scores);
    let score_model = found.as_ref().map(|found| found.model(data, score)).transpose()?;
    let weight: Vec<f64> = sample_weight.map_or_else(|| vec![1.0; rows.len()], <[f64]>::to_vec);
    let modelled = Modelled { covariates, units: &rows, scores };
    let parts = Parts { rows: AdjustedRows { data, weight: &weight, scores, spec }, covariates };
    let arm = |arm: bool| -> Result<(f64, Vec<f64>)> {
        monitor.check()?;
        let backing = &backings[usize::from(arm)];
        let estimate = arm_mean(&modelled, arm, spec, Some(backing), monitor)?;
        monitor.check()?;
        let moved = |slopes: &[f64]| parts.moved(arm, &estimate, backing, slopes);
        let through = score_model.as_ref().map(|model| model as &dyn FittedScoreModel);
        let found = parts.rows.influence(&estimate.of_rows(arm), &moved, through)?;
        Ok((estimate.mean, found.whole))
    };
    let (control, treated) = (arm(false)?, arm(true)?);
    Ok(ArmMeans {
        origin: measured.origin,
        above: [control.0, treated.0],
        influence: [control.1, treated.1],
    })
}

pub(super) fn rows_of<'a>(data: &AdjustmentData<'a>) -> Outcomes<'a> {
    let AdjustmentData { treatment, outcome, row_weights, .. } = *data;
    Outcomes { treatment, outcome, sample_weight: row_weights.total, counts: None }
}

/// Scores, and what there is to say of the columns they are made of.
#[derive(Debug, Default)]
pub(super) struct FittedScore {
    pub scores: Vec<f64>,
    pub aliased: Vec<usize>,
    pub diverging: Vec<usize>,
}

impl FittedScore {
    /// What an influence needs of the model.
    pub fn model<'x>(
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
pub(super) fn fit_score(
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

pub(super) fn check(data: &AdjustmentData<'_>, n: usize, spec: AdjustmentSpec) -> Result<()> {
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

/// What the influence of either arm is made from, over a matrix.
struct Parts<'a, 'x> {
    rows: AdjustedRows<'a>,
    covariates: &'a Covariates<'x>,
}

impl ArmEstimate {
    fn of_rows(&self, arm: bool) -> ArmMean<'_> {
        let Self { fit, fitted, mean, target } = self;
        ArmMean { arm, model: fit.model, fitted, mean: *mean, target: *target }
    }
}

impl Parts<'_, '_> {
    /// How far each row's linear predictor moves with the equations of the outcome model, in the direction of the sum of
    /// `slopes[i]` `x_i`.
    fn moved(
        &self,
        arm: bool,
        estimate: &ArmEstimate,
        backing: &Backing,
        slopes: &[f64],
    ) -> Result<Vec<f64>> {
        let (outcome, fitted) = (self.rows.data.outcome, &estimate.fitted);
        let spread = by_row(fitted.len(), |i| {
            let spread = estimate.fit.model.spread(outcome[i], fitted[i]);
            self.rows.fitting_weight(i, arm) * spread
        });
        let ScoreEquations { gradient, information } = self.covariates.products(slopes, &spread);
        let direction = backing.solve(information, gradient)?;
        Ok(self.covariates.linear(&direction))
    }
}
