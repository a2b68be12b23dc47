//! Outcome models on resamples, over codes, from what the full sample leaves. Rows best stand by arm: blocks without a row
//! of an arm then cost its model nothing.
//!
//! With f what weighs the rows of arm a in its model, g whom the effect averages over and k the weights of residuals, the
//! mean is { sum (g - k) m + sum k Y } / sum g, see [`crate::outcome::adjustment`].

use std::sync::Arc;

use super::arm::CodedArm;
use crate::design::arrow::Arrow;
use crate::design::coded::{Coded, NO_DOUBT, Passes, Sums};
use crate::error::{Error, Result};
use crate::kernels::{BLOCK, Lane, padded, sigmoid};
use crate::linalg::{add, dot};
use crate::monitor::Monitor;
use crate::outcome::adjusted_rows::AdjustmentData;
use crate::outcome::adjustment::{AdjustmentSpec, Method};
use crate::outcome::kinds::OutcomeModel;
use crate::score::logistic::CodedRefits;

/// Where refits of logistic models end, as in [`crate::outcome::adjustment`].
const TOLERANCE: f64 = 1e-10;

/// An arm's model in the full sample.
struct FullArm<'d, 'x> {
    /// Of a linear model measured from the arm's center.
    theta: Vec<f64>,
    information: Arrow,
    /// What a logistic model is refitted from.
    refits: Option<CodedRefits<'d, 'x>>,
}

/// What outcome models on resamples take from the full sample.
pub struct CodedOutcomes<'d, 'x> {
    design: &'d Coded<'x>,
    passes: Arc<Passes<'d, 'x>>,
    data: AdjustmentData<'d>,
    /// The mean outcome of each arm, controls first.
    centers: [f64; 2],
    /// The models of both arms, controls first, that a specification has.
    models: Vec<(AdjustmentSpec, [FullArm<'d, 'x>; 2])>,
}

/// How a resample weighs the rows, sample weights among it, and their scores, which may be anything where no score is
/// needed.
#[derive(Debug, Clone, Copy)]
pub struct Resampled<'a> {
    pub weight: &'a [f64],
    pub scores: &'a [f64],
}

/// What the mean of an arm is made of: f; g - k; the sums of k (Y - c) and of g.
struct Parts {
    fitting: Vec<f64>,
    predicted: Vec<f64>,
    residual: f64,
    target: f64,
}

impl<'d, 'x> CodedOutcomes<'d, 'x> {
    /// Over a design whose rows these are.
    #[must_use]
    pub fn new(
        design: &'d Coded<'x>,
        passes: Arc<Passes<'d, 'x>>,
        data: AdjustmentData<'d>,
        weight: &[f64],
    ) -> Self {
        let mut sums = [[0.0; 2]; 2];
        for (row, treated) in data.treatment.iter().enumerate() {
            let own = &mut sums[usize::from(*treated)];
            *own = [own[0] + weight[row], own[1] + weight[row] * data.outcome[row]];
        }
        let centers = sums.map(|[rows, outcome]| outcome / rows);
        Self { design, passes, data, centers, models: Vec::new() }
    }

    /// Keep the full sample's models of these specifications; false where some are left to the matrix.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn prepare<'s>(
        &mut self,
        specs: impl Iterator<Item = &'s AdjustmentSpec>,
        rows: Resampled<'_>,
        monitor: &Monitor,
    ) -> Result<bool> {
        for spec in specs {
            let arm = |arm| self.first(*spec, &self.parts(*spec, rows, arm), arm, monitor);
            let (Some(control), Some(treated)) = (arm(false)?, arm(true)?) else {
                return Ok(false);
            };
            self.models.push((*spec, [control, treated]));
        }
        Ok(true)
    }

    /// The means of both arms in a resample, control first; `None` where they are left to the matrix.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn means(
        &self,
        spec: AdjustmentSpec,
        rows: Resampled<'_>,
        monitor: &Monitor,
    ) -> Result<Option<[f64; 2]>> {
        let Some((_, arms)) = self.models.iter().find(|(own, _)| *own == spec) else {
            return Ok(None);
        };
        let mut means = [0.0; 2];
        for (place, arm) in arms.iter().enumerate() {
            monitor.check()?;
            let parts = self.parts(spec, rows, place == 1);
            let mean = match &arm.refits {
                None => self.linear(&parts, place, Some(arm))?.map(|(mean, ..)| mean),
                Some(refits) => self.logistic(&parts, arm, refits, place, monitor)?,
            };
            let Some(mean) = mean.filter(|mean| mean.is_finite()) else { return Ok(None) };
            means[place] = mean;
        }
        Ok(Some(means))
    }

    fn parts(&self, spec: AdjustmentSpec, rows: Resampled<'_>, arm: bool) -> Parts {
        let Resampled { weight, scores } = rows;
        let (n, center) = (weight.len(), self.centers[usize::from(arm)]);
        let over = spec.averages_over();
        let AdjustmentData { treatment, outcome, .. } = self.data;
        let mut parts =
            Parts { fitting: vec![0.0; n], predicted: vec![0.0; n], residual: 0.0, target: 0.0 };
        for row in (0..n).filter(|row| weight[*row] > 0.0) {
            let target = if over[usize::from(treatment[row])] { weight[row] } else { 0.0 };
            parts.target += target;
            parts.predicted[row] = target;
            if treatment[row] == arm {
                parts.fitting[row] = weight[row] * spec.fitting_weight(arm, scores[row]);
                if spec.method == Method::Aipw {
                    let own = weight[row] * spec.residual_weight(arm, scores[row]);
                    parts.predicted[row] -= own;
                    parts.residual += own * (outcome[row] - center);
                }
            }
        }
        parts
    }

    fn first(
        &self,
        spec: AdjustmentSpec,
        parts: &Parts,
        arm: bool,
        monitor: &Monitor,
    ) -> Result<Option<FullArm<'d, 'x>>> {
        if spec.outcome_model == OutcomeModel::Linear {
            let found = self.linear(parts, usize::from(arm), None)?;
            let kept = |(_, theta, information)| FullArm { theta, information, refits: None };
            return Ok(found.map(kept));
        }
        let outcome = self.data.outcome;
        let found = CodedArm::logistic(self.design, outcome, &parts.fitting, monitor)?;
        let Some(CodedArm { fitted, theta, .. }) = found else { return Ok(None) };
        let spread: Vec<f64> =
            parts.fitting.iter().zip(&fitted).map(|(f, p)| f * p * (1.0 - p)).collect();
        let information = self.sums(&spread, &spread).arrow(self.design);
        let events = padded(outcome.iter().copied());
        let passes = self.passes.clone();
        let refits = CodedRefits::over(passes, events, None, theta.clone(), 0.0, TOLERANCE);
        Ok(Some(FullArm { theta, information, refits: Some(refits) }))
    }

    /// { sum (g - k) m + sum k Y } / sum g.
    fn mean_of(&self, parts: &Parts, place: usize, fitted: &[f64]) -> f64 {
        let center = self.centers[place];
        let gaps = parts.predicted.iter().zip(fitted);
        let sum: f64 = gaps.map(|(share, fitted)| share * (fitted - center)).sum();
        center + (sum + parts.residual) / parts.target
    }

    /// A linear model's mean, its coefficients above the arm's center, and their information; with a backing where the rows
    /// are a resample.
    fn linear(
        &self,
        parts: &Parts,
        place: usize,
        backing: Option<&FullArm<'d, 'x>>,
    ) -> Result<Option<(f64, Vec<f64>, Arrow)>> {
        let center = self.centers[place];
        let left: Vec<f64> = (parts.fitting.iter().zip(self.data.outcome))
            .map(|(f, outcome)| f * (outcome - center))
            .collect();
        let sums = self.sums(&left, &parts.fitting);
        let (mut theta, mut information) = (sums.gradient(self.design), sums.arrow(self.design));
        let empty = information.hold_empty();
        let factor = information.factor()?;
        if !(factor.least_pivot > NO_DOUBT) || (backing.is_none() && !empty.is_empty()) {
            return Ok(None);
        }
        match backing.filter(|_| !empty.is_empty()) {
            None => factor.solve(&mut theta),
            // Measured from the full sample's coefficients, those of levels that were not drawn follow the others.
            Some(full) => {
                add(&mut theta, -1.0, &information.times_vector(&full.theta));
                for place in &empty {
                    theta[*place] = 0.0;
                }
                factor.solve(&mut theta);
                full.information.follow(&mut theta, &empty)?;
                add(&mut theta, 1.0, &full.theta);
            }
        }
        let over = self.gradient(&parts.predicted);
        let above = (dot(&over, &theta) + parts.residual) / parts.target;
        Ok(Some((center + above, theta, information)))
    }

    fn logistic(
        &self,
        parts: &Parts,
        full: &FullArm<'d, 'x>,
        refits: &CodedRefits<'d, 'x>,
        place: usize,
        monitor: &Monitor,
    ) -> Result<Option<f64>> {
        let mut fitted: Vec<Lane> = Vec::new();
        let found = refits.refit(&[&parts.fitting[..]], &mut [&mut fitted], monitor)?.pop();
        let mut theta = match found {
            Some(Ok(Some(theta))) => theta,
            Some(Err(Error::Stopped)) => return Err(Error::Stopped),
            // An arm without events, say: an error that is the matrix's to word.
            _ => return Ok(None),
        };
        let empty = self.design.empty_levels(&self.gradient(&parts.fitting), &parts.fitting);
        let n = parts.fitting.len();
        if empty.is_empty() {
            return Ok(Some(self.mean_of(parts, place, &fitted.as_flattened()[..n])));
        }
        add(&mut theta, -1.0, &full.theta);
        full.information.follow(&mut theta, &empty)?;
        add(&mut theta, 1.0, &full.theta);
        let mut fitted = self.design.linear(&theta);
        sigmoid(&mut fitted);
        Ok(Some(self.mean_of(parts, place, &fitted)))
    }

    /// Sums over the rows of an arm, by this thread alone.
    fn sums(&self, residual: &[f64], spread: &[f64]) -> Sums {
        let mut sums = Sums::new(self.design);
        self.passes.each_block(|_, loaded| {
            let own = &spread[loaded.rows.clone()];
            if own.iter().any(|spread| *spread > 0.0) {
                let lanes = [&residual[loaded.rows.clone()], own].map(lane);
                sums.add(self.design, loaded, &lanes[0], &lanes[1]);
            }
        });
        sums
    }

    /// The sum of these numbers times the columns.
    fn gradient(&self, values: &[f64]) -> Vec<f64> {
        let mut sums = self.passes.no_residuals();
        self.passes.each_block(|block, loaded| {
            self.passes.add(&mut sums, block, loaded.columns, &lane(&values[loaded.rows.clone()]));
        });
        self.passes.gradient(&sums).0
    }
}

/// A block's values, padded with zeros.
fn lane(values: &[f64]) -> Lane {
    let mut lane = [0.0; BLOCK];
    lane[..values.len()].copy_from_slice(values);
    lane
}

/// Whether replicates of an estimator's models may be fitted over codes.
#[must_use]
pub fn is_open_to_codes(spec: &AdjustmentSpec) -> bool {
    matches!(spec.outcome_model, OutcomeModel::Linear | OutcomeModel::Logistic)
}
