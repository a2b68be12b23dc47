//! Replicates over codes, drawn, refitted several at a time, and estimated.

use std::sync::OnceLock;

use ndarray::Array2;

use super::errors;
use super::rows::{Copies, n_rows_drawn};
use crate::design::coded::NumbersAndFactors;
use crate::design::covariates::Covariates;
use crate::design::rank::presence;
use crate::error::{Error, Result};
use crate::kernels::Lane;
use crate::monitor::Monitor;
use crate::outcome::adjustment::{AdjustmentSpec, Modelled, arm_mean};
use crate::outcome::coded::{CodedOutcomes, Resampled};
use crate::outcome::model::Backing;
use crate::pipeline::Estimator;
use crate::pipeline::arm_means::{Means, divided};
use crate::resampling::bootstrap::{self, BootstrapSpec, Replicate, Replicates};
use crate::resampling::resample::{Resample, Scheme};
use crate::resampling::stream::Stream;
use crate::reserve::room_for;
use crate::score::logistic::{CodedFit, CodedRefits, Refitted, fit_codes, to_scores};
use crate::score::spec::PropensitySpec;
use crate::units::tally::{Count, Rows};
use crate::weighting::ipw::{Contrast, IpwSpec};
use crate::weighting::truncation::Weighed;

/// Replicates without a score that a thread takes at a time.
const AT_A_TIME: usize = 4;

/// What replicates of a full sample take from it.
pub struct Refitting<'p, 'x> {
    pub(super) copies: &'p Copies,
    pub(super) given: &'p NumbersAndFactors<'x>,
    score: Option<CodedRefits<'p, 'x>>,
    /// Of each outcome, where it has models.
    outcomes: Vec<CodedOutcomes<'p, 'x>>,
    pub(super) wanted: Wanted,
    /// Whether replicates have errors of their own; of weighting alone.
    with_errors: bool,
    pub(super) estimators: &'p [Estimator],
    pub(super) spec: &'p PropensitySpec,
    /// The full sample's scores, which may be anything where no score is needed.
    scores: &'p [f64],
    pub(super) monitor: &'p Monitor,
    /// What the codes stand for, made where a replicate needs it.
    matrix: OnceLock<Array2<f64>>,
}

/// What is worked out on each replicate.
#[derive(Debug, Clone, Copy)]
pub enum Wanted {
    /// The effect of each estimator.
    Differences,
    /// The means of both arms by each estimator, of so many outcomes one after the other; over those of the outcome behind
    /// them, where there is one.
    Means { n_outcomes: usize },
}

impl Wanted {
    /// Put what is wanted of the means of each part by each estimator where it belongs.
    fn put(self, of_parts: &[Vec<Result<Means>>], numbers: &mut [f64]) -> Result<()> {
        let mut first_failure = Ok(());
        let width = if let Self::Means { .. } = self { 2 } else { 1 };
        for (place, slots) in numbers.chunks_mut(width).enumerate() {
            match self.of(of_parts, place) {
                Ok(found) => slots.copy_from_slice(&found[..width]),
                Err(error) => first_failure = first_failure.and(Err(error)),
            }
        }
        first_failure
    }

    /// One number or two.
    fn of(self, of_parts: &[Vec<Result<Means>>], place: usize) -> Result<[f64; 2]> {
        let k = of_parts[0].len();
        match self {
            Self::Differences => {
                let [control, treated] = of_parts[0][place].clone()?;
                let effect = treated - control;
                effect.is_finite().then_some([effect; 2]).ok_or(Error::Overflow)
            }
            Self::Means { n_outcomes } => {
                divided(&of_parts[place / k], of_parts.get(n_outcomes), place % k)
            }
        }
    }
}

/// What a thread keeps from one replicate to the next.
struct Room<W> {
    counts: Vec<Vec<W>>,
    scores: Vec<Vec<Lane>>,
    weight: Vec<f64>,
    weighed: Vec<Weighed>,
}

impl<'p, 'x> Refitting<'p, 'x> {
    pub fn new(
        copies: &'p Copies,
        given: &'p NumbersAndFactors<'x>,
        (score, outcomes): (Option<CodedRefits<'p, 'x>>, Vec<CodedOutcomes<'p, 'x>>),
        (wanted, with_errors): (Wanted, bool),
        (estimators, spec): (&'p [Estimator], &'p PropensitySpec),
        scores: &'p [f64],
        monitor: &'p Monitor,
    ) -> Self {
        let matrix = OnceLock::new();
        Self {
            copies,
            given,
            score,
            outcomes,
            wanted,
            with_errors,
            estimators,
            spec,
            scores,
            monitor,
            matrix,
        }
    }

    /// How many numbers the estimates of a replicate are.
    pub(super) fn n_estimates(&self) -> usize {
        match self.wanted {
            Wanted::Differences => self.estimators.len(),
            Wanted::Means { n_outcomes } => 2 * n_outcomes * self.estimators.len(),
        }
    }

    /// What is wanted of all rows once each.
    ///
    /// # Errors
    /// What keeps the first from being had that cannot be.
    pub fn full_sample(&self) -> Result<Vec<f64>> {
        let mut estimates = vec![f64::NAN; self.n_estimates()];
        let everybody = vec![1_u8; self.scores.len()];
        let (mut weight, mut weighed) = (Vec::new(), Vec::new());
        let room = (&mut weight, &mut weighed);
        self.estimate(&everybody, self.scores, room, &mut estimates)?;
        Ok(estimates)
    }

    /// The estimates of resamples, and behind them their errors within each.
    ///
    /// # Errors
    /// Those of [`bootstrap::run`].
    pub fn replicates(&self, resample: &Resample, spec: &BootstrapSpec) -> Result<Replicates> {
        let places = self.copies.places();
        if let Some(urn) = self.copies.urn(resample) {
            return self.run(resample, spec, |mut stream, counts: &mut [u8]| {
                urn.draw(&mut stream, counts);
            });
        }
        if resample.scheme() == Scheme::Bayesian {
            return self.run(resample, spec, |stream, counts: &mut [f64]| {
                counts.fill(0.0);
                resample.weigh(stream, |row, weight| counts[places[row] as usize] += weight);
            });
        }
        self.run(resample, spec, |stream, counts: &mut [u32]| {
            counts.fill(0);
            resample.count(stream, |row, count| counts[places[row] as usize] += count);
        })
    }

    fn run<W: Count>(
        &self,
        resample: &Resample,
        spec: &BootstrapSpec,
        draw: impl Fn(Stream, &mut [W]) + Sync,
    ) -> Result<Replicates> {
        let n = self.given.x.nrows();
        let most = self.score.as_ref().map_or(AT_A_TIME, CodedRefits::at_a_time);
        let of_one = size_of::<W>() + size_of::<f64>();
        let of_errors = if self.with_errors { errors::BYTES_A_ROW } else { 0 };
        let of_thread = most * of_one + 4 * size_of::<f64>() + of_errors;
        room_for(n, rayon::current_num_threads() * of_thread)?;
        let fresh = || Room {
            counts: vec![vec![W::default(); n]; most],
            scores: vec![Vec::new(); most],
            weight: Vec::new(),
            weighed: Vec::new(),
        };
        bootstrap::run_together(
            spec,
            self.n_estimates() + if self.with_errors { self.n_errors() } else { 0 },
            most,
            self.monitor,
            fresh,
            |replicates, room| {
                for (replicate, counts) in replicates.iter().zip(&mut room.counts) {
                    draw(replicate.stream.clone(), counts);
                }
                self.estimate_all(resample, replicates, room);
            },
        )
    }

    fn estimate_all<W: Count>(
        &self,
        resample: &Resample,
        replicates: &mut [Replicate],
        room: &mut Room<W>,
    ) {
        let Room { counts, scores, weight, weighed } = room;
        let drawn: Vec<&[W]> = counts[..replicates.len()].iter().map(|own| &own[..]).collect();
        let found = self.refit(&drawn, scores);
        let own = replicates.iter_mut().zip(drawn).zip(scores).zip(found);
        for (((replicate, counts), scores), found) in own {
            let refitted = match found {
                Ok(Some(_)) => Ok(()),
                Ok(None) => self.anew(counts, scores),
                Err(error) => Err(error),
            };
            let scores = scores.as_flattened().get(..counts.len()).unwrap_or(self.scores);
            let (estimates, errors) = replicate.estimates.split_at_mut(self.n_estimates());
            replicate.outcome = refitted.and_then(|()| {
                let found = self.estimate(counts, scores, (weight, weighed), estimates);
                if self.with_errors {
                    self.errors_within(counts, (scores, weight), resample, (estimates, errors))?;
                }
                found
            });
        }
    }

    /// Refit the score to each, where there is one.
    fn refit<W: Count>(&self, drawn: &[&[W]], scores: &mut [Vec<Lane>]) -> Vec<Refitted> {
        let Some(refits) = &self.score else {
            return drawn.iter().map(|_| Ok(Some(Vec::new()))).collect();
        };
        let mut kept: Vec<&mut Vec<Lane>> = scores.iter_mut().take(drawn.len()).collect();
        let found = refits.refit(drawn, &mut kept, self.monitor);
        found.unwrap_or_else(|error| drawn.iter().map(|_| Err(error.clone())).collect())
    }

    /// The score of a replicate from nothing, where the full sample's fit does not lead there.
    fn anew<W: Count>(&self, counts: &[W], scores: &mut [Lane]) -> Result<()> {
        let Rows { treatment, .. } = self.copies.score_rows();
        let mut weights = Vec::new();
        self.weigh(counts, &mut weights);
        let rows = Rows { treatment, sample_weight: Some(&weights) };
        let fit = fit_codes(self.given, &rows, self.spec, self.monitor)?;
        // Numbers that are collinear among those drawn, and not among all, have no fit over codes.
        let CodedFit { design, theta, .. } = fit.ok_or(Error::Overflow)?;
        let mut found = design.linear(&theta);
        to_scores(&mut found);
        scores.as_flattened_mut()[..found.len()].copy_from_slice(&found);
        Ok(())
    }

    /// What a replicate weighs the rows, sample weights among it.
    pub(super) fn weigh<W: Count>(&self, counts: &[W], weight: &mut Vec<f64>) {
        weight.clear();
        weight.extend(counts.iter().map(|count| (*count).into()));
        if let Some(sample_weight) = self.copies.score_rows().sample_weight {
            weight.iter_mut().zip(sample_weight).for_each(|(own, factor)| *own *= factor);
        }
    }

    /// What is wanted of rows counted so, whose scores are these. An estimator that fails leaves its NaN.
    fn estimate<W: Count>(
        &self,
        counts: &[W],
        scores: &[f64],
        (weight, weighed): (&mut Vec<f64>, &mut Vec<Weighed>),
        numbers: &mut [f64],
    ) -> Result<()> {
        if !self.outcomes.is_empty() {
            self.weigh(counts, weight);
        }
        let mut of_parts = Vec::with_capacity(self.copies.parts().len());
        for part in 0..self.copies.parts().len() {
            let mut of_part = Vec::with_capacity(self.estimators.len());
            for estimator in self.estimators {
                self.monitor.check()?;
                let found = if let Estimator::Adjusted(spec) = estimator {
                    self.adjusted(part, *spec, counts, Resampled { weight, scores })
                } else {
                    self.weighted(part, estimator.weighting(), counts, scores, weighed)
                };
                match found {
                    Err(Error::Stopped) => return Err(Error::Stopped),
                    other => of_part.push(other),
                }
            }
            of_parts.push(of_part);
        }
        self.wanted.put(&of_parts, numbers)
    }

    fn weighted<W: Count>(
        &self,
        part: usize,
        IpwSpec { estimand, truncate }: IpwSpec,
        counts: &[W],
        scores: &[f64],
        weighed: &mut Vec<Weighed>,
    ) -> Result<Means> {
        let rows = &self.copies.parts()[part];
        let units = rows.counted(counts);
        let contrast = if let Some(q) = truncate {
            let n_rows = n_rows_drawn(&rows.once(), counts);
            Contrast::truncated(estimand, q, scores, &units, n_rows, weighed)
        } else {
            let mut contrast = Contrast::new(estimand);
            contrast.add(scores, &units);
            contrast
        };
        contrast.means().map(|(treated, control)| [control, treated])
    }

    fn adjusted<W: Count>(
        &self,
        part: usize,
        spec: AdjustmentSpec,
        counts: &[W],
        rows: Resampled<'_>,
    ) -> Result<Means> {
        match self.outcomes[part].means(spec, rows, self.monitor)? {
            Some(means) => Ok(means),
            None => self.by_matrix(part, spec, counts, rows.scores),
        }
    }

    /// What codes do not tell in a replicate: terms that are collinear among the rows of an arm that were drawn.
    fn by_matrix<W: Count>(
        &self,
        part: usize,
        spec: AdjustmentSpec,
        counts: &[W],
        scores: &[f64],
    ) -> Result<Means> {
        let n = self.given.x.nrows();
        if self.matrix.get().is_none() {
            room_for(n, size_of::<f64>() * self.given.n_terms())?;
        }
        let matrix = self.matrix.get_or_init(|| self.given.matrix());
        let sample_weight = self.copies.score_rows().sample_weight;
        let design = Covariates::standardized_among(matrix.view(), sample_weight)?;
        let covariates = &design.settled(&presence(n, sample_weight))?;
        let rows = &self.copies.parts()[part];
        let everybody = rows.once();
        let full = Modelled { covariates, units: &everybody, scores: self.scores };
        let modelled = Modelled { covariates, units: &rows.counted(counts), scores };
        let mean = |arm: bool| {
            let rows = full.rows_of(arm, spec);
            let backing = Backing::new(&rows, spec.outcome_model, self.monitor)?;
            arm_mean(&modelled, arm, spec, Some(&backing), self.monitor).map(|found| found.mean)
        };
        Ok([mean(false)?, mean(true)?])
    }
}
