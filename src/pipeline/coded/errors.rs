//! Standard errors of weighted means within replicates, over codes.

use super::refitting::{Refitting, Wanted};
use crate::error::{Error, Result};
use crate::pipeline::arm_errors::{covariance, influence_on_ratio};
use crate::resampling::resample::Resample;
use crate::resampling::weighted_bootstrap::std_error;
use crate::units::frequency::RowWeights;
use crate::units::tally::{Count, Outcomes};
use crate::weighting::coded_ipw::{CodedScoreFit, ipw_of_factors};
use crate::weighting::influence::ArmMeans;
use crate::weighting::ipw::IpwData;

/// What a thread needs for them beside the replicate.
pub const BYTES_A_ROW: usize = 128;

impl Refitting<'_, '_> {
    /// How many numbers they are: of effects one each, of the means of both arms their variances and covariance.
    pub(super) fn n_errors(&self) -> usize {
        match self.wanted {
            Wanted::Differences => self.n_estimates(),
            Wanted::Means { .. } => self.n_estimates() / 2 * 3,
        }
    }

    /// Put them behind the estimates of rows counted so, by influence values; NaN where there is no estimate.
    pub(super) fn errors_within<W: Count>(
        &self,
        counts: &[W],
        (scores, weight): (&[f64], &mut Vec<f64>),
        resample: &Resample,
        (estimates, errors): (&[f64], &mut [f64]),
    ) -> Result<()> {
        self.weigh(counts, weight);
        let drawn: Vec<f64> = counts.iter().map(|count| (*count).into()).collect();
        let drawn = self.copies.as_they_came(&drawn);
        for place in 0..self.estimators.len() {
            self.monitor.check()?;
            let means = match self.means_with_influence(place, scores, weight) {
                Ok(means) => means,
                Err(Error::Stopped) => return Err(Error::Stopped),
                // Estimates without errors of their own have no place in a studentized interval.
                Err(_) => continue,
            };
            self.put_errors(place, &means, (&drawn, resample), (estimates, &mut *errors));
        }
        Ok(())
    }

    fn put_errors(
        &self,
        place: usize,
        means: &[ArmMeans],
        (drawn, resample): (&[f64], &Resample),
        (estimates, errors): (&[f64], &mut [f64]),
    ) {
        let as_they_came = |values: Vec<f64>| self.copies.as_they_came(&values);
        match self.wanted {
            Wanted::Differences if !estimates[place].is_nan() => {
                let [control, treated] = influence_on_ratio(&means[0], None).map(as_they_came);
                let influence: Vec<f64> =
                    treated.iter().zip(&control).map(|(t, c)| t - c).collect();
                errors[place] = std_error(&influence, drawn, resample);
            }
            Wanted::Differences => {}
            Wanted::Means { n_outcomes } => {
                for outcome in 0..n_outcomes {
                    let slot = outcome * self.estimators.len() + place;
                    if estimates[2 * slot].is_nan() {
                        continue;
                    }
                    let influence = influence_on_ratio(&means[outcome], means.get(n_outcomes));
                    let found = covariance(&influence.map(as_they_came), drawn, resample);
                    errors[3 * slot..][..3].copy_from_slice(&found);
                }
            }
        }
    }

    /// The means of every outcome by the estimator at a place, and what rows of these weights do to them.
    fn means_with_influence(
        &self,
        place: usize,
        scores: &[f64],
        weight: &[f64],
    ) -> Result<Vec<ArmMeans>> {
        let mut rows = self.copies.parts().iter().map(|part| part.once());
        let Some(Outcomes { treatment, outcome, .. }) = rows.next() else {
            return Ok(Vec::new());
        };
        let others: Vec<&[f64]> = rows.map(|rows| rows.outcome).collect();
        let row_weights = RowWeights::of(Some(weight));
        let data = IpwData { outcome, treatment, scores, row_weights };
        let fit =
            CodedScoreFit { given: *self.given, penalty: self.spec.penalty, link: self.spec.link };
        let spec = self.estimators[place].weighting();
        Ok(ipw_of_factors(&data, &others, spec, fit)?.means)
    }
}
