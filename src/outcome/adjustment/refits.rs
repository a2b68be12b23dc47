//! Estimators with an outcome model on resamples, by passes over blocks of units, from what the full sample
//! leaves.
//!
//! A linear model needs one pass. With c the full sample's mean outcome of arm a, which keeps the digits of
//! outcomes far from zero, e = Y - c, and f and k the weights of the fit and of the residuals,
//!
//! ```text
//! N = sum f x x',   d = N^-1 sum f x e,   mu_a = c + { d' sum g x + sum k (e - d'x) } / sum g
//! ```
//!
//! and all of these are sums over rows. A logistic model is refitted from the full sample's, as the score
//! is ([`WarmStart`]), successes and failures in the place of the treated and the controls.
//!
//! What these cannot do, or not to the last digits, is left to [`super::arm_mean`].

use super::{AdjustmentSpec, Method, Modelled};
use crate::design::covariates::Covariates;
use crate::design::rank::factor_without_doubt;
use crate::error::{Error, Result};
use crate::kernels::{
    ArmProducts, BLOCK, Buffers, FittedScores, Lane, Weighing, arm_counts, arm_products,
    fitted_sums,
};
use crate::monitor::Monitor;
use crate::outcome::kinds::OutcomeModel;
use crate::outcome::model::Backing;
use crate::score::logistic::{Columns, Resampled, WarmStart};
use crate::score::spec::PropensitySpec;
use crate::units::tally::{Totals, Units};

/// Where refits of logistic models end, see [`PropensitySpec`]. Newton's method takes one more step at its end; they
/// do not, and their means are off by up to ten times as much.
const TOLERANCE: f64 = 1e-12;

/// What outcome models on resamples take from the full sample.
#[derive(Debug)]
pub struct Refits<'a> {
    columns: Columns<'a>,
    /// The mean outcome of each arm, control first.
    centers: [f64; 2],
    /// Logistic models of both arms, by what weighs their rows.
    warm_starts: Vec<(Weighing, [WarmStart<'a>; 2])>,
    /// The full sample's models of both arms, by what they are and what weighs their rows.
    backings: Vec<(OutcomeModel, Weighing, [Backing; 2])>,
}

/// The full sample.
#[derive(Debug)]
pub struct FullSample<'f, 'x, U> {
    pub covariates: &'f Covariates<'x>,
    pub units: &'f U,
    pub scores: &'f [Lane],
}

/// What a thread needs for them.
#[derive(Debug, Default)]
pub struct Scratch {
    counts: Totals,
    fitted_scores: FittedScores,
}

impl<'a> Refits<'a> {
    /// With the standardized columns of the outcome models, for resamples of the full sample's `units`.
    #[must_use]
    pub fn new<U: Units>(columns: Columns<'a>, units: &U) -> Self {
        let mut sums = [[0.0; 2]; 2];
        for unit in 0..units.len() {
            for arm in [0, 1] {
                let (rows, outcome) = units.arm(unit, arm == 1);
                sums[arm][0] += rows;
                sums[arm][1] += outcome;
            }
        }
        let centers = sums.map(|[rows, outcome]| outcome / rows);
        Self { columns, centers, warm_starts: Vec::new(), backings: Vec::new() }
    }

    /// Fit the models of `spec` to the full sample, and make ready for logistic ones of many units.
    ///
    /// # Errors
    /// What keeps a model of the full sample from being fitted.
    pub fn prepare<U: Units>(
        &mut self,
        spec: AdjustmentSpec,
        full: &FullSample<'_, '_, U>,
        wants_warm_starts: bool,
        monitor: &Monitor,
    ) -> Result<()> {
        let FullSample { covariates, units, scores } = *full;
        let (model, weighing) = (spec.outcome_model, weighing_of_rows(spec));
        if self.backings_of(spec).is_some() {
            return Ok(());
        }
        let modelled = Modelled { covariates, units, scores: scores.as_flattened() };
        let backing = |arm| Backing::new(&modelled.rows_of(arm, spec), model, monitor);
        let (control, treated) = rayon::join(|| backing(false), || backing(true));
        let backings = [control?, treated?];
        if wants_warm_starts && model == OutcomeModel::Logistic {
            let warm_start = |arm: usize| self.warm_start(arm, spec, full, &backings[arm], monitor);
            let (control, treated) = rayon::join(|| warm_start(0), || warm_start(1));
            self.warm_starts.push((weighing, [control?, treated?]));
        }
        self.backings.push((model, weighing, backings));
        Ok(())
    }

    /// The full sample's models, control first.
    #[must_use]
    pub fn backings_of(&self, spec: AdjustmentSpec) -> Option<&[Backing; 2]> {
        let wanted = (spec.outcome_model, weighing_of_rows(spec));
        let found = self.backings.iter().find(|(model, rows, _)| (*model, *rows) == wanted);
        found.map(|(_, _, backings)| backings)
    }

    fn warm_start<U: Units>(
        &self,
        arm: usize,
        spec: AdjustmentSpec,
        full: &FullSample<'_, '_, U>,
        backing: &Backing,
        monitor: &Monitor,
    ) -> Result<WarmStart<'a>> {
        let FullSample { units, scores, .. } = *full;
        let beta = backing.fit.coefficients.clone();
        let mut counts = Totals::default();
        count(arm, weighing_of_rows(spec), units, scores, &mut counts);
        let logistic = PropensitySpec { tolerance: TOLERANCE, ..PropensitySpec::default() };
        let (columns, ridge) = (self.columns.clone(), vec![0.0; beta.len()]);
        WarmStart::new(columns, &counts, beta, ridge, logistic, monitor)
    }

    /// The means of both arms, control first, in a resample of the full sample's units whose scores, inside (0, 1), are
    /// given; `None` where that is left to [`super::arm_mean`].
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn means<U: Units>(
        &self,
        spec: AdjustmentSpec,
        units: &U,
        scores: &[Lane],
        scratch: &mut Scratch,
        monitor: &Monitor,
    ) -> Result<Option<[f64; 2]>> {
        monitor.check()?;
        let means = match spec.outcome_model {
            OutcomeModel::Linear => self.linear(spec, units, scores),
            OutcomeModel::Logistic => self.logistic(spec, units, scores, scratch, monitor)?,
            // By Newton's method from the full sample's coefficients.
            OutcomeModel::Poisson | OutcomeModel::Gamma => None,
        };
        Ok(means.filter(|[control, treated]| (treated - control).is_finite()))
    }

    fn linear<U: Units>(
        &self,
        spec: AdjustmentSpec,
        units: &U,
        scores: &[Lane],
    ) -> Option<[f64; 2]> {
        let backings = self.backings_of(spec)?;
        let resampled = Resampled { columns: &self.columns, units };
        let n_columns = self.columns.n_columns();
        let sums = arm_products(&resampled, n_columns, scores, weighing(spec), self.centers);
        let [control, treated] = &sums;
        let over = spec.averages_over().map(|counts| f64::from(u8::from(counts)));
        let target: Vec<f64> = (control.rows.iter().zip(&treated.rows))
            .map(|(control, treated)| over[0] * control + over[1] * treated)
            .collect();
        let mean = |arm: usize| {
            let aliased = backings[arm].fit.aliased();
            Some(self.centers[arm] + above_center(&sums[arm], &target, aliased)?)
        };
        Some([mean(0)?, mean(1)?])
    }

    fn logistic<U: Units>(
        &self,
        spec: AdjustmentSpec,
        units: &U,
        scores: &[Lane],
        Scratch { counts, fitted_scores }: &mut Scratch,
        monitor: &Monitor,
    ) -> Result<Option<[f64; 2]>> {
        let Some(warm_starts) = self.warm_starts_of(weighing_of_rows(spec)) else {
            return Ok(None);
        };
        let mut means = [0.0; 2];
        for (arm, mean) in means.iter_mut().enumerate() {
            count(arm, weighing_of_rows(spec), units, scores, counts);
            match warm_starts[arm].refit(counts, false, fitted_scores, monitor) {
                Ok(Some(_)) => {}
                Err(Error::Stopped) => return Err(Error::Stopped),
                // An arm without successes, say: an error that is the slow path's to word.
                Ok(None) | Err(_) => return Ok(None),
            }
            let mut sums = [0.0; 2];
            let mut buffers = Buffers::new(0);
            for (index, (scores, fitted)) in scores.iter().zip(&fitted_scores.values).enumerate() {
                let tallies = units.block(index * BLOCK, true, &mut buffers.tallies);
                let over = spec.averages_over();
                let [total, target] =
                    fitted_sums(tallies, arm, scores, fitted, weighing(spec), over);
                sums = [sums[0] + total, sums[1] + target];
            }
            *mean = sums[0] / sums[1];
        }
        Ok(Some(means))
    }

    fn warm_starts_of(&self, weighing: Weighing) -> Option<&[WarmStart<'a>; 2]> {
        self.warm_starts
            .iter()
            .find(|(own, _)| *own == weighing)
            .map(|(_, warm_starts)| warm_starts)
    }
}

/// One arm's outcomes as binomial counts.
fn count<U: Units>(
    arm: usize,
    weighing: Weighing,
    units: &U,
    scores: &[Lane],
    counts: &mut Totals,
) {
    let mut buffers = Buffers::new(0);
    counts.fill(units.len(), |index, into| {
        let tallies = units.block(index * BLOCK, true, &mut buffers.tallies);
        arm_counts(tallies, arm, &scores[index], weighing, into);
    });
}

/// How far an arm's mean is above its center, `target` being the sum of g x, where the same columns are collinear as in
/// the full sample: where an arm did not draw a level there is more to say than sums do.
fn above_center(sums: &ArmProducts, target: &[f64], aliased: &[bool]) -> Option<f64> {
    let ArmProducts { equations, weighted, residual, .. } = sums;
    let terms = target.len();
    if !(equations.information[0] > 0.0) {
        return None;
    }
    let factor = factor_without_doubt(&equations.information, terms)?;
    if factor.aliased() != aliased {
        return None;
    }
    let mut slopes = equations.gradient.clone();
    factor.solve(&mut slopes);
    let moved = slopes.iter().zip(target.iter().zip(weighted));
    let moved: f64 = moved.map(|(slope, (target, weighted))| slope * (target - weighted)).sum();
    Some((moved + residual) / target[0])
}

fn weighing(spec: AdjustmentSpec) -> Weighing {
    match spec.method {
        Method::Regression => Weighing::Nothing,
        Method::Aipw => Weighing::Residuals(spec.estimand),
        Method::Ipwra => Weighing::Rows(spec.estimand),
    }
}

/// What weighs the rows that an outcome model is fitted to.
fn weighing_of_rows(spec: AdjustmentSpec) -> Weighing {
    match spec.method {
        Method::Regression | Method::Aipw => Weighing::Nothing,
        Method::Ipwra => Weighing::Rows(spec.estimand),
    }
}

#[cfg(test)]
mod tests;
