//! Replicates over codes, drawn, refitted several at a time, and estimated.

use std::sync::OnceLock;

use ndarray::Array2;

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
    copies: &'p Copies,
    given: &'p NumbersAndFactors<'x>,
    score: Option<CodedRefits<'p, 'x>>,
    outcomes: Option<CodedOutcomes<'p, 'x>>,
    estimators: &'p [Estimator],
    spec: &'p PropensitySpec,
    /// The full sample's scores, which may be anything where no score is needed.
    scores: &'p [f64],
    monitor: &'p Monitor,
    /// What the codes stand for, made where a replicate needs it.
    matrix: OnceLock<Array2<f64>>,
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
        (score, outcomes): (Option<CodedRefits<'p, 'x>>, Option<CodedOutcomes<'p, 'x>>),
        (estimators, spec): (&'p [Estimator], &'p PropensitySpec),
        scores: &'p [f64],
        monitor: &'p Monitor,
    ) -> Self {
        let matrix = OnceLock::new();
        Self { copies, given, score, outcomes, estimators, spec, scores, monitor, matrix }
    }

    /// The estimates of all rows once each.
    ///
    /// # Errors
    /// What keeps the first from being had that cannot be.
    pub fn full_sample(&self) -> Result<Vec<f64>> {
        let mut estimates = vec![f64::NAN; self.estimators.len()];
        let everybody = vec![1_u8; self.scores.len()];
        let (mut weight, mut weighed) = (Vec::new(), Vec::new());
        let room = (&mut weight, &mut weighed);
        self.estimate(&everybody, self.scores, room, &mut estimates)?;
        Ok(estimates)
    }

    /// The estimates of resamples.
    ///
    /// # Errors
    /// Those of [`bootstrap::run`].
    pub fn replicates(&self, resample: &Resample, spec: &BootstrapSpec) -> Result<Replicates> {
        let places = self.copies.rows.places();
        if let Some(urn) = self.copies.urn(resample) {
            return self.run(spec, |mut stream, counts: &mut [u8]| urn.draw(&mut stream, counts));
        }
        if resample.scheme() == Scheme::Bayesian {
            return self.run(spec, |stream, counts: &mut [f64]| {
                counts.fill(0.0);
                resample.weigh(stream, |row, weight| counts[places[row] as usize] += weight);
            });
        }
        self.run(spec, |stream, counts: &mut [u32]| {
            counts.fill(0);
            resample.count(stream, |row, count| counts[places[row] as usize] += count);
        })
    }

    fn run<W: Count>(
        &self,
        spec: &BootstrapSpec,
        draw: impl Fn(Stream, &mut [W]) + Sync,
    ) -> Result<Replicates> {
        let n = self.given.x.nrows();
        let most = self.score.as_ref().map_or(AT_A_TIME, CodedRefits::at_a_time);
        let of_one = size_of::<W>() + size_of::<f64>();
        room_for(n, rayon::current_num_threads() * (most * of_one + 4 * size_of::<f64>()))?;
        let fresh = || Room {
            counts: vec![vec![W::default(); n]; most],
            scores: vec![Vec::new(); most],
            weight: Vec::new(),
            weighed: Vec::new(),
        };
        let width = self.estimators.len();
        bootstrap::run_together(spec, width, most, self.monitor, fresh, |replicates, room| {
            for (replicate, counts) in replicates.iter().zip(&mut room.counts) {
                draw(replicate.stream.clone(), counts);
            }
            self.estimate_all(replicates, room);
        })
    }

    fn estimate_all<W: Count>(&self, replicates: &mut [Replicate], room: &mut Room<W>) {
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
            let estimates = &mut replicate.estimates;
            replicate.outcome =
                refitted.and_then(|()| self.estimate(counts, scores, (weight, weighed), estimates));
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
    fn weigh<W: Count>(&self, counts: &[W], weight: &mut Vec<f64>) {
        weight.clear();
        weight.extend(counts.iter().map(|count| (*count).into()));
        if let Some(sample_weight) = self.copies.score_rows().sample_weight {
            weight.iter_mut().zip(sample_weight).for_each(|(own, factor)| *own *= factor);
        }
    }

    /// All effects on rows counted so, whose scores are these. One that fails leaves its NaN.
    fn estimate<W: Count>(
        &self,
        counts: &[W],
        scores: &[f64],
        (weight, weighed): (&mut Vec<f64>, &mut Vec<Weighed>),
        estimates: &mut [f64],
    ) -> Result<()> {
        if self.outcomes.is_some() {
            self.weigh(counts, weight);
        }
        let mut first_failure = Ok(());
        for (estimator, slot) in self.estimators.iter().zip(estimates) {
            self.monitor.check()?;
            let found = if let Estimator::Adjusted(spec) = estimator {
                self.adjusted(*spec, counts, Resampled { weight, scores })
            } else {
                self.weighted(estimator.weighting(), counts, scores, weighed)
            };
            let finite = |effect: f64| effect.is_finite().then_some(effect).ok_or(Error::Overflow);
            match found.and_then(finite) {
                Ok(effect) => *slot = effect,
                Err(Error::Stopped) => return Err(Error::Stopped),
                Err(error) => first_failure = first_failure.and(Err(error)),
            }
        }
        first_failure
    }

    fn weighted<W: Count>(
        &self,
        IpwSpec { estimand, truncate }: IpwSpec,
        counts: &[W],
        scores: &[f64],
        weighed: &mut Vec<Weighed>,
    ) -> Result<f64> {
        let units = self.copies.rows.counted(counts);
        let contrast = if let Some(q) = truncate {
            let n_rows = n_rows_drawn(&self.copies.rows.once(), counts);
            Contrast::truncated(estimand, q, scores, &units, n_rows, weighed)
        } else {
            let mut contrast = Contrast::new(estimand);
            contrast.add(scores, &units);
            contrast
        };
        contrast.means().map(|(treated, control)| treated - control)
    }

    fn adjusted<W: Count>(
        &self,
        spec: AdjustmentSpec,
        counts: &[W],
        rows: Resampled<'_>,
    ) -> Result<f64> {
        let outcomes = self.outcomes.as_ref().ok_or(Error::Overflow)?;
        match outcomes.effect(spec, rows, self.monitor)? {
            Some(effect) => Ok(effect),
            None => self.by_matrix(spec, counts, rows.scores),
        }
    }

    /// What codes do not tell in a replicate: terms that are collinear among the rows of an arm that were drawn.
    fn by_matrix<W: Count>(
        &self,
        spec: AdjustmentSpec,
        counts: &[W],
        scores: &[f64],
    ) -> Result<f64> {
        let n = self.given.x.nrows();
        if self.matrix.get().is_none() {
            room_for(n, size_of::<f64>() * self.given.n_terms())?;
        }
        let matrix = self.matrix.get_or_init(|| self.given.matrix());
        let sample_weight = self.copies.score_rows().sample_weight;
        let design = Covariates::standardized_among(matrix.view(), sample_weight)?;
        let covariates = &design.settled(&presence(n, sample_weight))?;
        let everybody = self.copies.rows.once();
        let full = Modelled { covariates, units: &everybody, scores: self.scores };
        let modelled = Modelled { covariates, units: &self.copies.rows.counted(counts), scores };
        let mean = |arm: bool| {
            let rows = full.rows_of(arm, spec);
            let backing = Backing::new(&rows, spec.outcome_model, self.monitor)?;
            arm_mean(&modelled, arm, spec, Some(&backing), self.monitor).map(|found| found.mean)
        };
        Ok(mean(true)? - mean(false)?)
    }
}
