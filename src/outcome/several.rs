//! The estimators of [`crate::outcome::adjustment`] for several outcomes of the same rows: the design, the scores and
//! their model, what rows weigh, the least squares of either arm, and each pass over the covariates are shared.

use crate::checks;
use crate::design::covariates::Covariates;
use crate::design::rank::presence;
use crate::design::vectors::filled;
use crate::error::Result;
use crate::linalg::Cholesky;
use crate::monitor::Monitor;
use crate::outcome::adjusted_rows::AdjustmentData;
use crate::outcome::adjustment::{AdjustmentSpec, Method};
use crate::outcome::doubly_robust::{AdjustedOutcomes, OtherOutcome, ScoreSpec, check, fit_score};
use crate::outcome::kinds::OutcomeModel;
use crate::outcome::model::ArmFit;
use crate::outcome::origin::Measured;
use crate::outcome::several_fits::{fits, information};
use crate::units::frequency::{RowWeights, n_users, whole};
use crate::weighting::influence::{
    ArmMeans, ScoreModel, by_row, leverage, of_one_user, sum_by_row,
};
use crate::weighting::ipw::shared_out;

/// Outcomes that go through the passes together: enough that reading the columns costs little beside them, few enough that
/// what is held of them by the way stays below what is given of all.
const TOGETHER: usize = 4;

/// Estimate the means of both arms of several outcomes, with the outcome models fitted here, and the score model if it was
/// not: `data` has the first of them, `others` the rest.
///
/// # Errors
/// Lengths that differ, values that are not finite, an empty arm, an estimand without such an estimator,
/// a model that cannot be fitted, rows that an outcome model does not reach.
pub fn adjusted_means_of_outcomes(
    data: &AdjustmentData<'_>,
    others: &[&[f64]],
    score: &ScoreSpec<'_, '_>,
    outcome_covariates: &Covariates<'_>,
    spec: AdjustmentSpec,
    monitor: &Monitor,
) -> Result<AdjustedOutcomes> {
    let outcomes: Vec<&[f64]> = [data.outcome].into_iter().chain(others.iter().copied()).collect();
    for outcome in &outcomes {
        check(&AdjustmentData { outcome, ..*data }, outcome_covariates.n_rows(), spec)?;
    }
    let RowWeights { total, frequency, .. } = data.row_weights;
    if spec.needs_score() && score.scores.is_none() {
        let users = whole(n_users(frequency, data.treatment.len()));
        let terms = score.covariates.n_columns() + 1;
        checks::enough_rows("score model", users, terms, score.spec.penalty)?;
    }
    let n_terms = outcome_covariates.n_columns() + 1;
    checks::enough_users_in_each_arm(data.treatment, frequency, n_terms)?;
    let covariates = outcome_covariates.clone().settled(&presence(data.treatment.len(), total))?;
    let found = if spec.needs_score() { Some(fit_score(data, score, monitor)?) } else { None };
    monitor.check()?;
    let score_model = found.as_ref().map(|found| found.model(data, score)).transpose()?;
    let unknown = vec![0.5; if found.is_none() { data.treatment.len() } else { 0 }];
    let scores = found.as_ref().map_or(&unknown[..], |found| &found.scores);
    let rows = Rows::new(data, scores, spec);
    let models = Models::new(&rows, &covariates, score_model.as_ref(), data)?;
    let measured =
        outcomes.iter().map(|outcome| Measured::for_model(spec.outcome_model, outcome, total));
    let measured: Vec<Measured<'_>> = measured.collect();
    let mut each = Vec::with_capacity(outcomes.len());
    for together in measured.chunks(TOGETHER) {
        each.extend(models.means(together, monitor)?);
    }
    let leverage = models.shared.map_or_else(Vec::new, |shared| shared.leverage);
    Ok(AdjustedOutcomes::new(each, leverage, found, covariates.dropped().to_vec()))
}

/// What rows weigh in the models and the means of their own arms: worked out of their scores in each pass, which costs less
/// than to read it again.
pub(super) struct Rows<'a> {
    pub treatment: &'a [bool],
    pub sample_weight: Option<&'a [f64]>,
    pub scores: &'a [f64],
    pub spec: AdjustmentSpec,
}

impl<'a> Rows<'a> {
    fn new(data: &AdjustmentData<'a>, scores: &'a [f64], spec: AdjustmentSpec) -> Self {
        let (treatment, sample_weight) = (data.treatment, data.row_weights.total);
        Self { treatment, sample_weight, scores, spec }
    }

    fn weight(&self, i: usize) -> f64 {
        self.sample_weight.map_or(1.0, |weights| weights[i])
    }

    /// In the average that the effect is: w g.
    #[inline]
    pub fn target(&self, i: usize) -> f64 {
        let is_there = self.spec.averages_over()[usize::from(self.treatment[i])];
        if is_there { self.weight(i) } else { 0.0 }
    }

    /// In the outcome model.
    #[inline]
    pub fn fitting(&self, i: usize) -> f64 {
        self.weight(i) * self.spec.fitting_weight(self.treatment[i], self.scores[i])
    }

    /// Of what is left of the outcome, in the mean: w k.
    #[inline]
    fn residual(&self, i: usize) -> f64 {
        self.weight(i) * self.spec.residual_weight(self.treatment[i], self.scores[i])
    }

    /// How fast `residual` grows with the log odds of the score; with IPWRA `fitting`.
    #[inline]
    fn slope(&self, i: usize) -> f64 {
        self.weight(i) * self.spec.estimand.weight_slope(self.treatment[i], self.scores[i])
    }

    /// The mean that predictions of an arm's model lead to: sum { g m + k (y - m) } / sum g.
    fn mean(&self, arm: bool, outcome: &[f64], fitted: &[f64], target: f64) -> f64 {
        let total = sum_by_row(fitted.len(), |i| {
            let left = if self.treatment[i] == arm { outcome[i] - fitted[i] } else { 0.0 };
            self.target(i) * fitted[i] + self.residual(i) * left
        });
        total / target
    }
}

/// What the least squares of all outcomes share: their information, how far each row's linear predictor moves with the
/// equations of an arm's model in the direction of the equation of its mean, and how much rows hold their own.
struct Shared {
    information: [Cholesky; 2],
    moved: Vec<Vec<f64>>,
    leverage: Vec<f64>,
}

/// The models behind all outcomes.
struct Models<'a, 'x, 's> {
    rows: &'a Rows<'a>,
    covariates: &'a Covariates<'x>,
    score_model: Option<&'a ScoreModel<'s>>,
    data: &'a AdjustmentData<'a>,
    /// The sum of w g.
    target: f64,
    /// Of least squares; none where each outcome has an information of its own.
    shared: Option<Shared>,
}

/// An outcome on its way through the passes: its values from their origin, and for each arm, control first, what the
/// model predicts, how far that moves, and the mean.
struct Arms<'a> {
    values: &'a [f64],
    fitted: &'a [Vec<f64>],
    moved: &'a [Vec<f64>],
    means: [f64; 2],
}

impl<'a, 'x, 's> Models<'a, 'x, 's> {
    fn new(
        rows: &'a Rows<'a>,
        covariates: &'a Covariates<'x>,
        score_model: Option<&'a ScoreModel<'s>>,
        data: &'a AdjustmentData<'a>,
    ) -> Result<Self> {
        let target = sum_by_row(rows.treatment.len(), |i| rows.target(i));
        let mut models = Self { rows, covariates, score_model, data, target, shared: None };
        if rows.spec.outcome_model == OutcomeModel::Linear {
            let information = information(rows, covariates)?;
            let own: Vec<&Cholesky> = information.iter().collect();
            let moved = models.moved(&own, &|_, _| 1.0);
            let even = |_: usize, i: usize| rows.fitting(i);
            let leverage = if data.with_leverage { models.leverage(&own, &even) } else { vec![] };
            models.shared = Some(Shared { information, moved, leverage });
        }
        Ok(models)
    }

    /// The means of some outcomes, with the influence of each row.
    fn means(&self, outcomes: &[Measured<'_>], monitor: &Monitor) -> Result<Vec<OtherOutcome>> {
        let values: Vec<&[f64]> = outcomes.iter().map(|own| &*own.values).collect();
        let shared = self.shared.as_ref();
        let model = self.rows.spec.outcome_model;
        let information = shared.map(|shared| &shared.information);
        let fits = fits(self.rows, self.covariates, &values, information, monitor)?;
        let coefficients: Vec<Vec<f64>> = fits.iter().map(|fit| fit.coefficients.clone()).collect();
        let fitted = self.covariates.linears(&coefficients, &|_, _, eta| model.mean_in_place(eta));
        monitor.check()?;
        let own = if shared.is_some() { vec![] } else { self.of_each(&fits, &fitted, monitor)? };
        let arms = values.iter().enumerate().map(|(place, values)| {
            let pair = 2 * place..2 * place + 2;
            let fitted = &fitted[pair.clone()];
            let means = [false, true]
                .map(|arm| self.rows.mean(arm, values, &fitted[usize::from(arm)], self.target));
            let moved = shared.map_or_else(|| &own[pair], |shared| &shared.moved[..]);
            Arms { values, fitted, moved, means }
        });
        let arms: Vec<Arms<'_>> = arms.collect();
        let mut influence = self.influence(&arms).into_iter();
        monitor.check()?;
        let mut found = Vec::with_capacity(outcomes.len());
        for (place, Measured { origin, .. }) in outcomes.iter().enumerate() {
            let mut pair = [vec![], vec![]];
            influence.by_ref().take(2).enumerate().for_each(|(arm, own)| pair[arm] = own);
            let means = ArmMeans { origin: *origin, above: arms[place].means, influence: pair };
            let residual_influence = self.residual_influence(&arms[place]);
            let pair = [&fits[2 * place], &fits[2 * place + 1]];
            let leverage = self.own_leverage(pair, arms[place].fitted);
            found.push(OtherOutcome { means, leverage, residual_influence });
        }
        Ok(found)
    }

    /// How far each row's linear predictor moves with the equations of each model of an outcome of its own.
    fn of_each(
        &self,
        fits: &[ArmFit],
        fitted: &[Vec<f64>],
        monitor: &Monitor,
    ) -> Result<Vec<Vec<f64>>> {
        monitor.check()?;
        let model = self.rows.spec.outcome_model;
        let information: Vec<&Cholesky> = fits.iter().map(ArmFit::information).collect();
        Ok(self.moved(&information, &|which, i| model.slope(fitted[which][i])))
    }

    /// The linear predictors of H^-1 sum (w g - w k) m' x, H the information of each model, controls first, and m' what
    /// `slope` gives of it and of a row.
    fn moved(
        &self,
        information: &[&Cholesky],
        slope: &(dyn Fn(usize, usize) -> f64 + Sync),
    ) -> Vec<Vec<f64>> {
        let rows = self.rows;
        let fill = |which: usize, first: usize, lane: &mut [f64]| {
            for (value, i) in lane.iter_mut().zip(first..) {
                let is_own = usize::from(rows.treatment[i]) == which % 2;
                let held = if is_own { rows.residual(i) } else { 0.0 };
                *value = (rows.target(i) - held) * slope(which, i);
            }
        };
        let mut directions = self.covariates.gradients(information.len(), &fill);
        directions
            .iter_mut()
            .zip(information)
            .for_each(|(own, information)| information.solve(own));
        self.covariates.linears(&directions, &|_, _, _| {})
    }

    /// How much each row (one user of it) holds its own prediction, `spread` being what the rows of an arm weigh in the
    /// last least squares of its model.
    fn leverage(
        &self,
        information: &[&Cholesky],
        spread: &(dyn Fn(usize, usize) -> f64 + Sync),
    ) -> Vec<f64> {
        let treatment = self.rows.treatment;
        let of_own = |which: usize, i: usize| {
            if usize::from(treatment[i]) == which { spread(which, i) } else { 0.0 }
        };
        shared_out(leverage(self.covariates, information, &of_own), self.data.row_weights.frequency)
    }

    /// That of an outcome by itself, where it is asked for; none where it is that of all outcomes.
    fn own_leverage(&self, fits: [&ArmFit; 2], fitted: &[Vec<f64>]) -> Option<Vec<f64>> {
        if self.shared.is_some() || !self.data.with_leverage {
            return None;
        }
        let rows = self.rows;
        let spread = |arm: usize, i: usize| {
            rows.fitting(i) * rows.spec.outcome_model.expected_spread(fitted[arm][i])
        };
        Some(self.leverage(&fits.map(ArmFit::information), &spread))
    }

    /// The influence of each row on the means: w { g (m - mean) + k (y - m) }, and what it does through the outcome model,
    /// whose coefficients move by H^-1 w r x, and through the scores.
    fn influence(&self, arms: &[Arms<'_>]) -> Vec<Vec<f64>> {
        let (rows, n) = (self.rows, self.rows.treatment.len());
        let model = rows.spec.outcome_model;
        let add_own = |which: usize, first: usize, influence: &mut [f64]| {
            let (own, arm) = (&arms[which / 2], which % 2);
            let fitted = &own.fitted[arm];
            for (x, i) in influence.iter_mut().zip(first..) {
                *x += rows.target(i) * (fitted[i] - own.means[arm]);
                if usize::from(rows.treatment[i]) == arm {
                    *x += self.of_residual(own, i);
                }
            }
        };
        // AIPW's weights in the mean, IPWRA's in the outcome model, move with the scores.
        let slopes = |which: usize, first: usize, lane: &mut [f64]| {
            let (Arms { values, fitted, moved, .. }, arm) = (&arms[which / 2], which % 2);
            for (x, i) in lane.iter_mut().zip(first..) {
                let m = fitted[arm][i];
                let left = match rows.spec.method {
                    Method::Aipw => values[i] - m,
                    _ => model.residual(values[i], m) * moved[arm][i],
                };
                *x = if usize::from(rows.treatment[i]) == arm { rows.slope(i) * left } else { 0.0 };
            }
        };
        let count = 2 * arms.len();
        let added: Vec<Vec<f64>> = match self.score_model {
            Some(model) => model.influences(count, &slopes, &add_own),
            None => (0..count).map(|which| filled(n, which, &add_own)).collect(),
        };
        let RowWeights { total, frequency, .. } = self.data.row_weights;
        let of_one = |added| of_one_user(added, self.target, total, frequency);
        added.into_iter().map(of_one).collect()
    }

    /// What a row's residual adds to the equation of the mean of its own arm, directly and through the model.
    fn of_residual(&self, Arms { values, fitted, moved, .. }: &Arms<'_>, i: usize) -> f64 {
        let rows = self.rows;
        let arm = usize::from(rows.treatment[i]);
        let (y, m) = (values[i], fitted[arm][i]);
        rows.residual(i) * (y - m)
            + rows.fitting(i) * rows.spec.outcome_model.residual(y, m) * moved[arm][i]
    }

    /// The part of each row's influence on the mean of its own arm that its residual makes.
    fn residual_influence(&self, own: &Arms<'_>) -> Vec<f64> {
        if !self.data.with_leverage {
            return vec![];
        }
        let (n, frequency) = (self.rows.treatment.len(), self.data.row_weights.frequency);
        let per_mean = n_users(frequency, n) / self.target;
        shared_out(by_row(n, |i| self.of_residual(own, i) * per_mean), frequency)
    }
}
