//! The whole analysis in one go, on the data or on any resample of them: fit the score, weight, match,
//! take the contrasts.

mod analytic;

use ndarray::ArrayView2;

use crate::adjustment::{AdjustmentSpec, arm_mean};
use crate::bootstrap::{self, BootstrapSpec, Replicates};
use crate::cells::Cells;
use crate::checks;
use crate::covariates::Covariates;
use crate::error::{Error, Result};
use crate::estimand::Estimand;
use crate::ipw::Contrast;
use crate::kernels::sigmoid;
use crate::logistic::{Likelihood, LogisticSpec, Sweep, maximize};
use crate::matching::{Matcher, NearestSpec, Quantity};
use crate::monitor::Monitor;
use crate::resample::{Resample, Scheme};
use crate::stream::Stream;
use crate::tally::{Count, Outcomes, Tally, Units};

/// What to estimate, and its options; nothing fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Estimator {
    Ipw(Estimand),
    Nearest(NearestSpec),
    /// With an outcome model.
    Adjusted(AdjustmentSpec),
}

impl Estimator {
    fn estimand(&self) -> Estimand {
        match self {
            Self::Ipw(estimand) => *estimand,
            Self::Nearest(spec) => spec.focal.estimand(),
            Self::Adjusted(spec) => spec.estimand,
        }
    }
}

/// The rows of an analysis: n by d covariates, who was treated, what came of it.
#[derive(Debug, Clone, Copy)]
pub struct Data<'a> {
    pub x: ArrayView2<'a, f64>,
    pub treatment: &'a [bool],
    pub outcome: &'a [f64],
    pub sample_weight: Option<&'a [f64]>,
    /// The columns of x that the score, and the outcome models, are made of.
    pub score_columns: &'a [usize],
    pub outcome_columns: &'a [usize],
}

/// Data ready to be resampled: checked, collapsed where that pays, and fitted once.
pub struct Pipeline<'a, 'm> {
    data: Data<'a>,
    estimators: &'a [Estimator],
    spec: LogisticSpec,
    monitor: &'m Monitor,
    covariates: Covariates<'a>,
    cells: Option<Cells>,
    /// The full sample's coefficients of the score, from which every replicate's fit starts.
    start: Vec<f64>,
    /// The full sample's estimates, one an estimator.
    pub estimates: Vec<f64>,
}

/// What a thread needs to work through replicates, reused from one to the next.
#[derive(Debug, Default)]
struct Scratch {
    totals: Vec<Tally>,
    values: Vec<f64>,
    matcher: Matcher,
}

/// Where a fit starts, and whether it has the threads to itself.
#[derive(Debug, Clone, Copy)]
struct Mode<'a> {
    start: Option<&'a [f64]>,
    sweep: Sweep,
}

impl<'a, 'm> Pipeline<'a, 'm> {
    /// Check the data, collapse them, and estimate everything on the full sample.
    ///
    /// # Errors
    /// Lengths that differ, values that are not finite, an empty arm, whatever keeps the score or an
    /// estimate from being computed.
    pub fn new(
        data: Data<'a>,
        estimators: &'a [Estimator],
        spec: LogisticSpec,
        monitor: &'m Monitor,
    ) -> Result<Self> {
        check(&data, estimators, &spec)?;
        let covariates = Covariates::standardized(data.x)?;
        let cells = Cells::collapse(data.x, data.treatment, data.outcome, data.sample_weight);
        let (start, mut estimates) = (Vec::new(), vec![f64::NAN; estimators.len()]);
        let mut pipeline =
            Self { data, estimators, spec, monitor, covariates, cells, start, estimates: vec![] };
        let sizes = pipeline.cells.as_ref().map(Cells::sizes);
        let cold = Mode { start: None, sweep: Sweep::Parallel };
        let mut scratch = Scratch::default();
        pipeline.start = pipeline.run(sizes.as_deref(), cold, &mut scratch, &mut estimates)?;
        pipeline.estimates = estimates;
        Ok(pipeline)
    }

    /// Estimate everything on resamples of the rows.
    ///
    /// # Errors
    /// [`Error::Argument`] for nearest neighbours with fractions of rows; see [`bootstrap::run`].
    pub fn bootstrap(&self, resample: &Resample, spec: &BootstrapSpec) -> Result<Replicates> {
        if resample.scheme() != Scheme::Bayesian {
            return self.replicates(spec, |stream, counts: &mut [u32]| match &self.cells {
                None => resample.count(stream, |row, count| counts[row] += count),
                Some(cells) => resample.count(stream, |row, count| counts[cells.of(row)] += count),
            });
        }
        self.check_scheme(resample)?;
        self.replicates(spec, |stream, weights: &mut [f64]| match &self.cells {
            None => resample.weigh(stream, |row, weight| weights[row] += weight),
            Some(cells) => resample.weigh(stream, |row, weight| weights[cells.of(row)] += weight),
        })
    }

    fn check_scheme(&self, resample: &Resample) -> Result<()> {
        if resample.scheme() == Scheme::Bayesian && has_matching(self.estimators) {
            let allowed = "multinomial or poisson for nearest neighbours, which are whole rows";
            return Err(Error::Argument { name: "weights", found: "bayesian".into(), allowed });
        }
        Ok(())
    }

    /// Estimate everything on each replicate, its cells (or rows) counted as `draw` says.
    fn replicates<W: Count>(
        &self,
        spec: &BootstrapSpec,
        draw: impl Fn(Stream, &mut [W]) + Sync,
    ) -> Result<Replicates> {
        let n_units = self.cells.as_ref().map_or(self.data.x.nrows(), Cells::n_cells);
        let warm = Mode { start: Some(&self.start), sweep: Sweep::Serial };
        bootstrap::run(
            spec,
            self.estimators.len(),
            self.monitor,
            || (vec![W::default(); n_units], Scratch::default()),
            |stream, (counts, scratch), estimates| {
                counts.fill(W::default());
                draw(stream, counts);
                self.run(Some(counts), warm, scratch, estimates).map(|_| ())
            },
        )
    }

    /// Estimate everything with cells (or rows) counted as `counts` says; gives the fit.
    fn run<W: Count>(
        &self,
        counts: Option<&[W]>,
        mode: Mode<'_>,
        scratch: &mut Scratch,
        estimates: &mut [f64],
    ) -> Result<Vec<f64>> {
        if let (Some(cells), Some(counts)) = (&self.cells, counts) {
            let mut totals = std::mem::take(&mut scratch.totals);
            cells.total(counts, &mut totals);
            let covariates = self.covariates.with_rows(cells.patterns.view());
            let done = self.estimate(&covariates, &totals, mode, scratch, estimates);
            scratch.totals = totals;
            return done;
        }
        let Data { treatment, outcome, sample_weight, .. } = self.data;
        let rows = Outcomes { treatment, outcome, sample_weight, counts };
        self.estimate(&self.covariates, &rows, mode, scratch, estimates)
    }

    /// The score model. Where coefficients run off to infinity some rows have nobody to be compared with,
    /// and nothing is estimated.
    fn fit<U: Units>(
        &self,
        covariates: &Covariates<'_>,
        units: &U,
        mode: Mode<'_>,
    ) -> Result<Vec<f64>> {
        let likelihood = Likelihood::new(covariates, units, self.spec.penalty, mode.sweep)?;
        let optimum = maximize(&likelihood, mode.start, &self.spec, self.monitor)?;
        if !optimum.diverging.is_empty() {
            return Err(Error::Separation { columns: optimum.diverging });
        }
        Ok(optimum.beta)
    }

    /// Every estimator on the same score. One that fails leaves its NaN and does not keep the others
    /// from going on; the first failure is reported.
    fn estimate<U: Units>(
        &self,
        covariates: &Covariates<'_>,
        units: &U,
        mode: Mode<'_>,
        scratch: &mut Scratch,
        estimates: &mut [f64],
    ) -> Result<Vec<f64>> {
        let score_covariates = covariates.subset(self.data.score_columns);
        let beta = self.fit(&score_covariates, units, mode)?;
        let Scratch { values, matcher, .. } = scratch;
        values.resize(units.len(), 0.0);
        score_covariates.linear_into(&beta, 0, values);
        let mut first_failure = Ok(());
        for quantity in [Quantity::Logit, Quantity::Score] {
            if quantity == Quantity::Score {
                sigmoid(values);
            }
            self.monitor.check()?;
            let mut sorted = false;
            for (estimator, estimate) in self.estimators.iter().zip(&mut *estimates) {
                let found = match estimator {
                    Estimator::Nearest(spec) if spec.quantity == quantity => {
                        if !std::mem::replace(&mut sorted, true) {
                            matcher.sort(values, units);
                        }
                        matcher.effect(spec)
                    }
                    Estimator::Ipw(estimand) if quantity == Quantity::Score => {
                        weighted_effect(*estimand, values, units)
                    }
                    Estimator::Adjusted(spec) if quantity == Quantity::Score => {
                        let outcomes = covariates.subset(self.data.outcome_columns);
                        adjusted_effect(*spec, &outcomes, values, units)
                    }
                    _ => continue,
                };
                match found {
                    Ok(effect) => *estimate = effect,
                    Err(error) => first_failure = first_failure.and(Err(error)),
                }
            }
        }
        first_failure.map(|()| beta)
    }
}

fn has_matching(estimators: &[Estimator]) -> bool {
    estimators.iter().any(|estimator| matches!(estimator, Estimator::Nearest(_)))
}

fn adjusted_effect<U: Units>(
    spec: AdjustmentSpec,
    covariates: &Covariates<'_>,
    scores: &[f64],
    units: &U,
) -> Result<f64> {
    let mean = |arm| arm_mean(covariates, units, scores, arm, spec).map(|arm| arm.mean);
    Ok(mean(true)? - mean(false)?)
}

fn weighted_effect<U: Units>(estimand: Estimand, scores: &[f64], units: &U) -> Result<f64> {
    let mut contrast = Contrast::new(estimand);
    contrast.add(scores, units);
    contrast.means().map(|(treated, control)| treated - control)
}

fn check(data: &Data<'_>, estimators: &[Estimator], spec: &LogisticSpec) -> Result<()> {
    checks::same_length("treatment", data.treatment.len(), data.x.nrows())?;
    checks::outcome(data.outcome, data.x.nrows())?;
    checks::two_in_each_arm(data.treatment)?;
    checks::penalty(spec.penalty)?;
    checks::sample_weight(data.sample_weight, data.x.nrows())?;
    let terms = data.score_columns.len() + 1;
    checks::enough_rows("score model", data.x.nrows(), terms, spec.penalty)?;
    if estimators.iter().any(|estimator| matches!(estimator, Estimator::Adjusted(_))) {
        checks::enough_rows_in_each_arm(data.treatment, data.outcome_columns.len() + 1)?;
    }
    if data.sample_weight.is_some() && has_matching(estimators) {
        let found = "given with nearest neighbours".into();
        let allowed = "left out: matching counts whole rows";
        return Err(Error::Argument { name: "sample_weight", found, allowed });
    }
    if estimators.is_empty() {
        let found = "an empty list".into();
        return Err(Error::Argument { name: "estimators", found, allowed: "at least one" });
    }
    estimators.iter().try_for_each(|estimator| match estimator {
        Estimator::Nearest(nearest) => nearest.check(),
        Estimator::Adjusted(adjusted) => adjusted.check(),
        Estimator::Ipw(_) => Ok(()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::Focal;
    use ndarray::Array2;

    /// A small world in which rows repeat.
    fn world(n: usize) -> (Array2<f64>, Vec<bool>, Vec<f64>) {
        let mix = |i: usize, k: usize| ((i * 2_654_435_761 + k * 40_503) >> 7) % 1000;
        let x = Array2::from_shape_fn((n, 2), |(i, k)| (mix(i, k) % (3 + 4 * k)) as f64);
        let treatment: Vec<bool> =
            (0..n).map(|i| mix(i, 2) < 250 + 200 * (mix(i, 0) % 3)).collect();
        let outcome =
            (0..n).map(|i| f64::from(mix(i, 3) < 300 + 100 * usize::from(treatment[i]))).collect();
        (x, treatment, outcome)
    }

    fn plain<'a>(x: &'a Array2<f64>, treatment: &'a [bool], outcome: &'a [f64]) -> Data<'a> {
        Data {
            x: x.view(),
            treatment,
            outcome,
            sample_weight: None,
            score_columns: &[0, 1],
            outcome_columns: &[0, 1],
        }
    }

    #[test]
    fn cells_and_rows_agree() {
        let (x, treatment, outcome) = world(400);
        let data = plain(&x, &treatment, &outcome);
        let nearest = NearestSpec {
            focal: Focal::Treated,
            n_neighbors: 2,
            caliper: Some(0.5),
            quantity: Quantity::Logit,
        };
        let estimators = [Estimator::Ipw(Estimand::Ate), Estimator::Nearest(nearest)];
        let monitor = Monitor::default();
        let spec = LogisticSpec::default();
        let collapsed = Pipeline::new(data, &estimators, spec, &monitor).unwrap();
        assert!(collapsed.cells.is_some());
        let mut by_row = Pipeline::new(data, &estimators, spec, &monitor).unwrap();
        by_row.cells = None;
        let cluster: Vec<i64> = (0..400).map(|row| row % 90).collect();
        for (scheme, cluster) in [
            (Scheme::Multinomial, None),
            (Scheme::Multinomial, Some(&cluster[..])),
            (Scheme::Poisson, None),
        ] {
            let resample = Resample::new(scheme, 400, cluster, None).unwrap();
            let spec = BootstrapSpec { n_reps: 20, seed: 5 };
            let [a, b] = [&collapsed, &by_row].map(|p| p.bootstrap(&resample, &spec).unwrap());
            for (a, b) in a.estimates.iter().zip(&b.estimates) {
                assert!((a - b).abs() < 1e-12, "{a} {b}");
            }
        }
    }

    #[test]
    fn influence_is_the_derivative_in_a_rows_weight() {
        let (x, treatment, outcome) = world(120);
        let data = plain(&x, &treatment, &outcome);
        let estimands = [Estimand::Ate, Estimand::Att, Estimand::Atc];
        let estimators = estimands.map(Estimator::Ipw);
        let (monitor, spec) = (Monitor::default(), LogisticSpec::default());
        let mut pipeline = Pipeline::new(data, &estimators, spec, &monitor).unwrap();
        pipeline.cells = None;
        let reweighted = |row: usize, weight: f64| {
            let (mut weights, mut estimates) = (vec![1.0; 120], vec![0.0; 3]);
            weights[row] = weight;
            let mode = Mode { start: None, sweep: Sweep::Serial };
            let scratch = &mut Scratch::default();
            pipeline.run(Some(&weights), mode, scratch, &mut estimates).unwrap();
            estimates
        };
        for (k, estimand) in estimands.into_iter().enumerate() {
            let scores = pipeline.covariates.probabilities(&pipeline.start);
            let (covariates, estimator) = (&pipeline.covariates, &estimators[k]);
            let influence = pipeline.influence(estimator, covariates, &scores, None).unwrap();
            for row in [0, 7, 50, 119] {
                let rise = reweighted(row, 1.0001)[k] - reweighted(row, 0.9999)[k];
                assert!((influence[row] - 120.0 * rise / 0.0002).abs() < 1e-6, "{estimand:?}");
            }
        }
    }
}
