//! How the means of both arms vary together, without resampling and within a replicate.

use super::arm_means::{ArmPipeline, PartScratch};
use super::refitting::{OneByOne, Refitter};
use super::{Data, Estimator, Pipeline};
use crate::error::{Error, Result};
use crate::matching::NearestSpec;
use crate::resampling::bootstrap::{BootstrapSpec, Replicates};
use crate::resampling::resample::Resample;
use crate::resampling::weighted_bootstrap::Analytic;
use crate::weighting::influence::ArmMeans;

/// An outcome, and what it is per, if it is.
type Parts<'p, 'a, 'm> = (&'p Pipeline<'a, 'm>, Option<&'p Pipeline<'a, 'm>>);

/// What influence values say of the two means of an estimator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ArmMoments {
    /// The variance of the control's mean, the covariance, the variance of the treated's; NaN where there is none.
    pub covariance: [f64; 3],
    /// Sums over what is drawn of products of the influence c on the control's mean and t on the treated's: c c, c t, t t;
    /// c c c, c c t, c t t, t t t. NaN for nearest neighbours.
    pub products: [f64; 7],
}

impl ArmMoments {
    pub const NONE: Self = Self { covariance: [f64::NAN; 3], products: [f64::NAN; 7] };

    /// From each row's influence on both means.
    #[must_use]
    pub fn of(influence: &[Vec<f64>; 2], resample: &Resample) -> Self {
        let once = vec![1.0; influence[0].len()];
        let covariance = covariance(influence, &once, resample);
        Self { covariance, products: products(influence, resample) }
    }

    /// What they say of the difference of the means, treated minus control.
    #[must_use]
    pub fn of_difference(&self) -> Analytic {
        let [control, both, treated] = self.covariance;
        let variance = control - 2.0 * both + treated;
        let [cc, ct, tt, ccc, cct, ctt, ttt] = self.products;
        let (second, third) = (cc - 2.0 * ct + tt, ttt - 3.0 * ctt + 3.0 * cct - ccc);
        let acceleration = third / (6.0 * second.powf(1.5)); // Efron's
        let acceleration = acceleration.is_finite().then_some(acceleration);
        Analytic { std_error: variance.sqrt(), acceleration }
    }
}

impl<'a, 'm> ArmPipeline<'a, 'm> {
    /// What can be said of each estimator's means without resampling, outcome by outcome; see `Pipeline::analytic`.
    ///
    /// # Errors
    /// An arm without weight, [`Error::Stopped`].
    pub fn analytic(&self, resample: &Resample) -> Result<Vec<ArmMoments>> {
        let scores = self.drawing.row_scores(self.drawing.beta());
        let sample_weight = self.drawing.data.sample_weight;
        let estimators = self.drawing.estimators;
        let each = (0..self.n_outcomes * estimators.len()).map(|slot| {
            let (outcome, place) = (slot / estimators.len(), slot % estimators.len());
            let (parts, estimator) = (self.parts_of(outcome), &estimators[place]);
            self.drawing.monitor.check()?;
            if let Estimator::Nearest(spec) = estimator {
                let is_known = !resample.is_clustered() && !resample.draws_users();
                let known = || self.matching_moments(spec, (slot, place), parts, &scores);
                return if is_known { known() } else { Ok(ArmMoments::NONE) };
            }
            let influence = influence(parts, estimator, &scores, sample_weight, false)?;
            Ok(ArmMoments::of(&influence, resample))
        });
        each.collect()
    }

    /// What an outcome is made of: itself, and what it is per, if there is that.
    fn parts_of(&self, outcome: usize) -> Parts<'_, 'a, 'm> {
        (&self.parts[outcome], self.parts.get(self.n_outcomes))
    }

    /// The variance of a matched mean is a quadratic form in the outcomes: that of one arm's is it for outcomes that are 0 in
    /// the other, and the covariance is what the variances of both and of their difference leave.
    fn matching_moments(
        &self,
        spec: &NearestSpec,
        (slot, place): (usize, usize),
        (own, per): Parts<'_, '_, '_>,
        scores: &[f64],
    ) -> Result<ArmMoments> {
        let Data { treatment, outcome, .. } = own.data;
        let (means, divisor) = (self.estimates[slot], per);
        let per = match divisor {
            Some(part) => part.first_means(place, &part.scores_of_units())?,
            None => [1.0; 2],
        };
        let below = divisor.map(|part| part.data.outcome);
        let linear = |row: usize| {
            let arm = usize::from(treatment[row]);
            let one = below.map_or(1.0, |below| below[row]);
            (outcome[row] - means[arm] * one) / per[arm]
        };
        let variance = |arms: [f64; 2]| {
            let values: Vec<f64> = (0..outcome.len())
                .map(|row| arms[usize::from(treatment[row])] * linear(row))
                .collect();
            self.drawing.matching_variance(spec, scores, &values)
        };
        let [control, treated, both] = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]].map(variance);
        let covariance = [control, (control + treated - both) / 2.0, treated];
        Ok(ArmMoments { covariance, ..ArmMoments::NONE })
    }

    /// As [`ArmPipeline::bootstrap`], and behind the means of each replicate, for each estimator, their variances and
    /// covariance within it, as in [`ArmMoments::covariance`]; NaN for nearest neighbours.
    ///
    /// # Errors
    /// Those of [`ArmPipeline::bootstrap`].
    pub fn bootstrap_with_errors(
        &self,
        resample: &Resample,
        spec: &BootstrapSpec,
    ) -> Result<Replicates> {
        let n_estimators = self.drawing.estimators.len();
        let k = n_estimators * self.n_outcomes;
        let drawing = &self.drawing;
        drawing.on_weighed_rows(resample, spec, 5 * k, |counted, rows, scratch, numbers| {
            let (means, covariances) = numbers.split_at_mut(2 * k);
            drawing.add_up(counted);
            let refit = OneByOne(drawing).refit(std::slice::from_mut(counted)).pop();
            let refit = refit.unwrap_or(Ok(None));
            let scratch: &mut Vec<PartScratch> = scratch;
            let (beta, first_failure) = self.means_of_drawn(counted, refit, scratch, means)?;
            let scores = drawing.row_scores(&beta);
            let weighted = drawing.with_own_weights(rows.weights);
            for (slot, found) in covariances.chunks_mut(3).enumerate() {
                let estimator = &drawing.estimators[slot % n_estimators];
                let parts = self.parts_of(slot / n_estimators);
                drawing.monitor.check()?;
                if matches!(estimator, Estimator::Nearest(_)) || means[2 * slot].is_nan() {
                    continue;
                }
                match influence(parts, estimator, &scores, Some(&weighted), true) {
                    Ok(influence) => {
                        let own = covariance(&influence, rows.weights, rows.resample);
                        found.copy_from_slice(&own);
                    }
                    Err(Error::Stopped) => return Err(Error::Stopped),
                    // Means without errors of their own have no place in a studentized interval.
                    Err(_) => {}
                }
            }
            first_failure
        })
    }
}

/// Each row's influence on both means, from rows of these weights: of a ratio c / v it is that on c, less the ratio times
/// that on v, over v.
fn influence(
    (own, per): Parts<'_, '_, '_>,
    estimator: &Estimator,
    scores: &[f64],
    sample_weight: Option<&[f64]>,
    is_resample: bool,
) -> Result<[Vec<f64>; 2]> {
    let of_part = |part: &Pipeline<'_, '_>| {
        part.means_with_influence(estimator, scores, sample_weight, is_resample)
    };
    let above = of_part(own)?;
    let below = per.map(of_part).transpose()?;
    Ok(influence_on_ratio(&above, below.as_ref()))
}

/// Each row's influence on means over those of another outcome, where there is one.
pub(super) fn influence_on_ratio(above: &ArmMeans, below: Option<&ArmMeans>) -> [Vec<f64>; 2] {
    let mut influence = above.influence.clone();
    let Some(below) = below else { return influence };
    for (arm, values) in influence.iter_mut().enumerate() {
        let per = below.mean()[arm];
        let ratio = above.mean()[arm] / per;
        let pairs = values.iter_mut().zip(&below.influence[arm]);
        pairs.for_each(|(value, own)| *value = (*value - ratio * own) / per);
    }
    influence
}

pub(super) fn covariance(
    influence: &[Vec<f64>; 2],
    weights: &[f64],
    resample: &Resample,
) -> [f64; 3] {
    let n = weights.len() as f64;
    let variance = |values: &[f64]| resample.spread_within(values, weights) / (n * n);
    let [control, treated] = influence;
    let difference: Vec<f64> = treated.iter().zip(control).map(|(t, c)| t - c).collect();
    let [of_control, of_treated, of_both] =
        [control, treated, &difference].map(|own| variance(own));
    [of_control, (of_control + of_treated - of_both) / 2.0, of_treated]
}

fn products(influence: &[Vec<f64>; 2], resample: &Resample) -> [f64; 7] {
    let [control, treated] = influence.each_ref().map(|own| resample.totals(own));
    let mut sums = [0.0; 7];
    for (lot, (c, t)) in control.iter().zip(&treated).enumerate() {
        // Of one of the lots that a row is, which share what is its own.
        let lots = resample.lots_of(lot);
        let (c, t) = (c / lots, t / lots);
        let own = [c * c, c * t, t * t, c * c * c, c * c * t, c * t * t, t * t * t];
        sums.iter_mut().zip(own).for_each(|(sum, own)| *sum += lots * own);
    }
    sums
}
