//! What can be said of an estimate without resampling, and of a replicate by itself.

use super::estimates::{Run, Scratch};
use super::refitting::Drawn;
use super::{Data, Estimator, Pipeline};
use crate::error::{Error, Result};
use crate::matching::{self, MatchedRows, NearestSpec};
use crate::outcome::adjusted_rows::AdjustmentData;
use crate::outcome::doubly_robust::{ScoreSpec, resampled_means};
use crate::outcome::several::adjusted_means_of_outcomes;
use crate::resampling::bootstrap::{self, BootstrapSpec, Replicates};
use crate::resampling::resample::Resample;
use crate::resampling::weighted_bootstrap::{Analytic, std_error};
use crate::score::spec::PropensitySpec;
use crate::units::frequency::RowWeights;
use crate::weighting::influence::{ArmMeans, ScoreFit};
use crate::weighting::ipw::{IpwData, ipw};

/// What each row weighs in a replicate, and how that was drawn.
#[derive(Clone, Copy)]
pub(super) struct Weighed<'r> {
    pub weights: &'r [f64],
    pub resample: &'r Resample,
}

impl<'a> Pipeline<'a, '_> {
    /// What can be said of each estimate without resampling: the standard error (for nearest neighbours
    /// Abadie and Imbens's, of independent rows), and the acceleration for BCa intervals (not for nearest
    /// neighbours, which the bootstrap does not follow).
    ///
    /// # Errors
    /// An arm without weight, [`Error::Stopped`].
    pub fn analytic(&self, resample: &Resample) -> Result<Vec<Analytic>> {
        let scores = self.row_scores(self.beta());
        let each = self.estimators.iter().map(|estimator| {
            self.monitor.check()?;
            if let Estimator::Nearest(spec) = estimator {
                let std_error = if resample.is_clustered() || resample.draws_users() {
                    f64::NAN
                } else {
                    self.matching_variance(spec, &scores, self.data.outcome).sqrt()
                };
                return Ok(Analytic { std_error, acceleration: None });
            }
            let sample_weight = self.data.sample_weight;
            let influence = self.influence(estimator, &scores, sample_weight, false)?;
            Ok(Analytic::new(&influence, resample))
        });
        each.collect()
    }

    fn score_fit(&self) -> ScoreFit<'_, 'a> {
        let PropensitySpec { penalty, link, .. } = self.spec;
        ScoreFit { covariates: &self.score_design, penalty, link }
    }

    /// NaN where there is none: scores that round to 0 or 1, an arm of one row.
    pub(super) fn matching_variance(
        &self,
        spec: &NearestSpec,
        scores: &[f64],
        outcome: &[f64],
    ) -> f64 {
        let rows = MatchedRows { outcome, treatment: self.data.treatment, scores };
        matching::effect(&rows, spec, Some(self.score_fit()), self.monitor)
            .map_or(f64::NAN, |e| e.variance + e.correction.unwrap_or(0.0))
    }

    /// The scores of the rows; none where there is no score.
    pub(super) fn row_scores(&self, beta: &[f64]) -> Vec<f64> {
        if beta.is_empty() { Vec::new() } else { self.scored(&self.score_design, beta) }
    }

    /// Each row's influence on an estimate from rows of these weights.
    pub(super) fn influence(
        &self,
        estimator: &Estimator,
        scores: &[f64],
        sample_weight: Option<&[f64]>,
        is_resample: bool,
    ) -> Result<Vec<f64>> {
        let means = self.means_with_influence(estimator, scores, sample_weight, is_resample)?;
        let [control, treated] = means.influence;
        Ok(treated.iter().zip(&control).map(|(t, c)| t - c).collect())
    }

    /// The means of both arms from rows of these weights, and each row's influence on them; not by nearest neighbours.
    pub(super) fn means_with_influence(
        &self,
        estimator: &Estimator,
        scores: &[f64],
        sample_weight: Option<&[f64]>,
        is_resample: bool,
    ) -> Result<ArmMeans> {
        let Data { treatment, outcome, .. } = self.data;
        if let Estimator::Balanced { spec, terms } = estimator {
            self.balanced_means(spec, *terms, sample_weight)
        } else if let Estimator::Adjusted(spec) = estimator {
            let with_leverage = false;
            let row_weights = RowWeights::of(sample_weight);
            let are_points = self.data.frequency.is_some();
            let data =
                AdjustmentData { treatment, outcome, row_weights, are_points, with_leverage };
            let (covariates, of_score) = (&self.score_design, self.spec);
            let score = ScoreSpec { covariates, spec: of_score, scores: Some(scores) };
            let refits = self.outcome_refits.as_ref().filter(|_| is_resample);
            let backings = refits.and_then(|refits| refits.backings_of(*spec));
            let outcomes = &self.outcome_design;
            let (spec, monitor) = (*spec, self.monitor);
            if let Some(backings) = backings {
                return resampled_means(&data, &score, outcomes, spec, backings, monitor);
            }
            let found = adjusted_means_of_outcomes(&data, &[], &score, outcomes, spec, monitor)?;
            Ok(found.first.means)
        } else {
            let spec = estimator.weighting();
            let row_weights = RowWeights::of(sample_weight);
            let data = IpwData { outcome, treatment, scores, row_weights };
            Ok(ipw(&data, spec, Some(self.score_fit()))?.means)
        }
    }

    /// As [`Pipeline::bootstrap`], and behind the estimates of each replicate their standard errors within
    /// it, by influence values: what studentized intervals need. NaN for nearest neighbours. A pass over
    /// the rows for each, where the estimates make do with cells.
    ///
    /// # Errors
    /// Those of [`Pipeline::bootstrap`].
    pub fn bootstrap_with_errors(
        &self,
        resample: &Resample,
        spec: &BootstrapSpec,
    ) -> Result<Replicates> {
        let k = self.estimators.len();
        self.on_weighed_rows(
            resample,
            spec,
            2 * k,
            |counted, rows, scratch: &mut Scratch, numbers| {
                let (estimates, errors) = numbers.split_at_mut(k);
                scratch.n_rows = self.rows_drawn(&counted.counts);
                let Run { beta, first_failure } = self.replicate(counted, scratch, estimates)?;
                self.errors_within(&beta, rows, estimates, errors)?;
                first_failure
            },
        )
    }

    /// Work something out on replicates of which the weight of every row is known, not only the count of its cell.
    pub(super) fn on_weighed_rows<S: Default>(
        &self,
        resample: &Resample,
        spec: &BootstrapSpec,
        width: usize,
        of_drawn: impl Fn(&mut Drawn<f64>, Weighed<'_>, &mut S, &mut [f64]) -> Result<()> + Sync,
    ) -> Result<Replicates> {
        self.check_scheme(resample)?;
        let resample = &*self.drawing_by_content(resample);
        let n_rows = self.data.x.nrows();
        let sizes = self.layout.sizes();
        let urn = self.layout.urn(resample);
        let (n_counted, n_drawn) = (self.n_counted(), urn.as_ref().map_or(0, |urn| urn.n_cells()));
        bootstrap::run(
            spec,
            width,
            self.monitor,
            || (vec![0.0; n_rows], vec![0_u32; n_drawn], Drawn::new(n_counted), S::default()),
            |mut stream, (weights, drawn, counted, scratch), numbers| {
                if let Some(urn) = &urn {
                    urn.draw(&mut stream, drawn);
                    self.share_out(drawn, &sizes, weights);
                } else {
                    weights.fill(0.0);
                    resample.weigh(stream, |row, weight| weights[row] += weight);
                }
                let counts = &mut counted.counts;
                counts.fill(0.0);
                let units = (0..n_rows).map(|row| self.layout.unit_of(row));
                units.zip(&*weights).for_each(|(unit, weight)| counts[unit] += weight);
                of_drawn(counted, Weighed { weights, resample }, scratch, numbers)
            },
        )
    }

    /// Share the count of a cell out among its rows, which are alike.
    fn share_out(&self, counts: &[u32], sizes: &[u32], weights: &mut [f64]) {
        for (row, weight) in weights.iter_mut().enumerate() {
            let unit = self.layout.unit_of(row);
            let size = sizes.get(unit).map_or(1.0, |size| f64::from(*size));
            *weight = f64::from(counts[unit]) / size;
        }
    }

    /// What rows weigh that a replicate weighs, times their own weights.
    pub(super) fn with_own_weights(&self, weights: &[f64]) -> Vec<f64> {
        match self.data.sample_weight {
            None => weights.to_vec(),
            Some(own) => weights.iter().zip(own).map(|(drawn, own)| drawn * own).collect(),
        }
    }

    fn errors_within(
        &self,
        beta: &[f64],
        Weighed { weights, resample }: Weighed<'_>,
        estimates: &[f64],
        errors: &mut [f64],
    ) -> Result<()> {
        let (scores, weighted) = (self.row_scores(beta), self.with_own_weights(weights));
        for ((estimator, estimate), error) in self.estimators.iter().zip(estimates).zip(errors) {
            self.monitor.check()?;
            if matches!(estimator, Estimator::Nearest(_)) || estimate.is_nan() {
                continue;
            }
            match self.influence(estimator, &scores, Some(&weighted[..]), true) {
                Ok(influence) => *error = std_error(&influence, weights, resample),
                Err(Error::Stopped) => return Err(Error::Stopped),
                // An estimate without an error of its own has no place in a studentized interval.
                Err(_) => {}
            }
        }
        Ok(())
    }
}
