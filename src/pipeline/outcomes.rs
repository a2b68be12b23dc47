//! Estimates with outcome models on a resample.

use ndarray::ArrayView2;

use super::{Data, Layout, MANY_UNITS, Pipeline, adjustments};
use crate::error::{Error, Result};
use crate::kernels::{BLOCK, FittedScores, Lane, padded};
use crate::outcome::adjustment::{self, AdjustmentSpec, FullSample, Modelled, Refits, arm_mean};
use crate::outcome::kinds::OutcomeModel;
use crate::reserve::room_for;
use crate::score::logistic::Columns;
use crate::units::tally::Units;

/// What a logistic outcome model takes a unit, and what any of them take in each thread.
const BYTES_AN_OUTCOME: usize = 64;

impl<'a> Pipeline<'a, '_> {
    /// What refits of outcome models start from, where there are any.
    pub(super) fn refits_of_outcomes(&self) -> Result<Option<Refits<'a>>> {
        if adjustments(self.estimators).next().is_none() {
            return Ok(None);
        }
        let columns = match &self.layout {
            Layout::AsTheyCome(_) => Columns::Read(self.outcome_design.clone()),
            _ => self.ready(self.covariates())?,
        };
        self.refits(columns, self.covariates(), &self.full_sample()).map(Some)
    }

    /// The columns of outcome models over some rows, kept ready: the score's, where they are made of the same.
    fn ready(&self, x: ArrayView2<'_, f64>) -> Result<Columns<'a>> {
        let Data { score_columns, outcome_columns, .. } = self.data;
        let is_one_design = self.outcome_design.is_plain() || self.score_design.is_settled();
        if let Some(warm_start) = self.warm_start()
            && score_columns == outcome_columns
            && is_one_design
        {
            return Ok(warm_start.columns().clone());
        }
        room_for(x.nrows(), size_of::<f64>() * outcome_columns.len())?;
        Ok(Columns::ready(&self.outcome_design.with_rows(x)))
    }

    /// Logistic models of few units, as their score, are left to Newton's method.
    fn refits<U: Units>(
        &self,
        columns: Columns<'a>,
        x: ArrayView2<'_, f64>,
        units: &U,
    ) -> Result<Refits<'a>> {
        let mut refits = Refits::new(columns, units);
        let is_logistic = |spec: &&AdjustmentSpec| spec.outcome_model == OutcomeModel::Logistic;
        let n_logistic = adjustments(self.estimators).filter(is_logistic).count();
        let wants_warm_starts = self.n_units() >= MANY_UNITS;
        if wants_warm_starts {
            room_for(units.len(), BYTES_AN_OUTCOME * (n_logistic + rayon::current_num_threads()))?;
        }
        let scores = self.scores(x, self.beta());
        let outcomes = self.outcome_design.with_rows(x);
        let full = FullSample { covariates: &outcomes, units, scores: &scores };
        for spec in adjustments(self.estimators) {
            // Whatever else goes wrong, replicates are then fitted from scratch.
            let prepared = refits.prepare(*spec, &full, wants_warm_starts, self.monitor);
            if let Err(Error::Stopped) = prepared {
                return Err(Error::Stopped);
            }
        }
        Ok(refits)
    }

    /// The scores of some rows; any where there is no score.
    fn scores(&self, x: ArrayView2<'_, f64>, beta: &[f64]) -> Vec<Lane> {
        if beta.is_empty() {
            return vec![[0.5; BLOCK]; x.nrows().div_ceil(BLOCK)];
        }
        padded(self.scored(&self.score_design.with_rows(x), beta).into_iter())
    }

    /// An effect with outcome models, from the full sample's where that serves.
    pub(super) fn adjusted_effect<U: Units>(
        &self,
        spec: AdjustmentSpec,
        x: ArrayView2<'_, f64>,
        fitted: &FittedScores,
        units: &U,
        scratch: &mut adjustment::Scratch,
    ) -> Result<f64> {
        let (refits, scores) = (self.outcome_refits.as_ref(), &fitted.values);
        if let Some(refits) = refits.filter(|_| fitted.are_inside || !spec.needs_score())
            && let Some(effect) = refits.effect(spec, units, scores, scratch, self.monitor)?
        {
            return Ok(effect);
        }
        let covariates = &self.outcome_design.with_rows(x);
        let scores = &scores.as_flattened()[..units.len()];
        let modelled = Modelled { covariates, units, scores };
        let backings = refits.and_then(|refits| refits.backings_of(spec));
        let mean = |arm: bool| {
            let backing = backings.map(|both| &both[usize::from(arm)]);
            arm_mean(&modelled, arm, spec, backing, self.monitor).map(|arm| arm.mean)
        };
        Ok(mean(true)? - mean(false)?)
    }

    /// All effects with outcome models from rows as they are, for what is to be said of rows.
    pub(super) fn adjusted_by_row(&self, beta: &[f64]) -> Result<()> {
        let (x, rows) = (self.data.x, self.rows(None::<&[u32]>));
        let fitted = FittedScores { values: self.scores(x, beta), ..FittedScores::default() };
        let scratch = &mut adjustment::Scratch::default();
        for spec in adjustments(self.estimators) {
            self.adjusted_effect(*spec, x, &fitted, &rows, scratch)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::design::covariates::Covariates;
    use crate::monitor::Monitor;
    use crate::outcome::adjustment::Method;
    use crate::pipeline::Estimator;
    use crate::resampling::bootstrap::BootstrapSpec;
    use crate::resampling::resample::{Resample, Scheme};
    use crate::score::spec::PropensitySpec;
    use crate::weighting::estimand::Estimand;
    use ndarray::Array2;

    /// Rows over twelve hundred patterns, each twice or more.
    fn world(n: usize) -> (Array2<f64>, Vec<bool>, Vec<f64>) {
        let noise = |i: usize, k: usize| ((i * (2 * k + 3)) as f64 * 0.7).sin();
        let x = Array2::from_shape_fn((n, 3), |(i, k)| noise(i % 1200, k));
        let treatment: Vec<bool> =
            (0..n).map(|i| noise(i, 4) + 0.3 * x[(i, 0)] > noise(i, 6)).collect();
        let outcome = (0..n).map(|i| f64::from(u8::from(noise(i, 5) + x[(i, 1)] > 0.2))).collect();
        (x, treatment, outcome)
    }

    #[test]
    fn replicates_are_those_of_models_fitted_anew() {
        let n = 2500;
        let (x, treatment, outcome) = world(n);
        let data = Data {
            x: x.view(),
            treatment: &treatment,
            outcome: &outcome,
            sample_weight: None,
            frequency: None,
            score_columns: &[0, 1, 2],
            outcome_columns: &[0, 1, 2],
            balanced_columns: &[],
        };
        let spec = |method, outcome_model| {
            Estimator::Adjusted(AdjustmentSpec { method, estimand: Estimand::Att, outcome_model })
        };
        let models = [OutcomeModel::Linear, OutcomeModel::Logistic];
        let methods = [Method::Regression, Method::Aipw, Method::Ipwra];
        let estimators: Vec<Estimator> = (models.into_iter())
            .flat_map(|model| methods.map(|method| spec(method, model)))
            .collect();
        let (monitor, logistic) = (Monitor::default(), PropensitySpec::default());
        let collapsed = Pipeline::new(data, &estimators, logistic, &monitor).unwrap();
        let of_rows = || {
            let covariates = Covariates::standardized(data.x).unwrap();
            let outcome = crate::pipeline::ready::measured(&data, &estimators);
            Pipeline::of_cells(data, outcome, covariates, None, &estimators, logistic, &monitor)
                .unwrap()
        };
        let (sorted, mut in_place) = (of_rows(), of_rows());
        assert!(matches!(collapsed.layout, Layout::Cells { .. }));
        assert!(matches!(sorted.layout, Layout::Sorted { .. }));
        // As more rows are that would be copied.
        in_place.layout = Layout::AsTheyCome(None);
        in_place.score.as_mut().unwrap().warm_start = None;
        in_place.outcome_refits = in_place.refits_of_outcomes().unwrap();
        for mut pipeline in [collapsed, sorted, in_place] {
            assert!(pipeline.outcome_refits.is_some());
            for scheme in [Scheme::Multinomial, Scheme::Bayesian] {
                let resample = Resample::new(scheme, n, None, None).unwrap();
                let spec = BootstrapSpec { n_reps: 3, seed: 6 };
                let fast = pipeline.bootstrap(&resample, &spec).unwrap().estimates;
                let kept = pipeline.outcome_refits.take();
                let slow = pipeline.bootstrap(&resample, &spec).unwrap().estimates;
                pipeline.outcome_refits = kept;
                for (fast, slow) in fast.iter().zip(&slow) {
                    assert!((fast - slow).abs() < 1e-11, "{fast} {slow}");
                }
                assert_ne!(fast, slow);
            }
        }
    }
}
