//! The whole analysis in one go, on the data or on any resample of them: fit the score, weight, match,
//! take the contrasts.

mod analytic;
mod mooring;
mod order;
mod outcomes;
mod ready;
mod together;

use std::borrow::Cow;

use ndarray::ArrayView2;

use crate::checks;
use crate::design::covariates::Covariates;
use crate::error::{Error, Result};
use crate::kernels::{ArmSums, BLOCK, Whereabouts, sigmoid};
use crate::matching::{Line, NearestSpec, Quantity};
use crate::monitor::Monitor;
use crate::outcome::adjustment::{self, AdjustmentSpec, Refits};
use crate::resampling::bootstrap::{self, BootstrapSpec, Replicates};
use crate::resampling::resample::{Resample, Scheme};
use crate::resampling::stream::Stream;
use crate::resampling::urn::Urn;
use crate::score::logistic::{Anchor, Likelihood, LogisticSpec, Refit, Sweep, maximize};
use crate::units::cells::Cells;
use crate::units::sorted_rows::SortedRows;
use crate::units::tally::{Count, Outcomes, Totals, Units, Whole};
use crate::weighting::estimand::Estimand;
use crate::weighting::ipw::Contrast;
use mooring::Moored;
use order::by_content;
use ready::{check, designs, measured};

/// Refits of fewer units are by Newton's method from the full sample's fit: they take no time worth saving,
/// and its last step, which leaves only rounding, keeps scores tied that a symmetric resample makes equal.
const MANY_UNITS: usize = 1000;

/// What to estimate, and its options; nothing fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Estimator {
    Ipw(Estimand),
    Nearest(NearestSpec),
    /// With an outcome model.
    Adjusted(AdjustmentSpec),
}

impl Estimator {
    /// Whether it takes a score.
    #[must_use]
    pub fn needs_score(&self) -> bool {
        match self {
            Self::Ipw(_) | Self::Nearest(_) => true,
            Self::Adjusted(spec) => spec.needs_score(),
        }
    }

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
    /// Measured from a value among them: every estimate is a difference of means.
    outcome: Cow<'a, [f64]>,
    estimators: &'a [Estimator],
    spec: LogisticSpec,
    monitor: &'m Monitor,
    /// Of the score model and of the outcome models, where there are such.
    score_design: Covariates<'a>,
    outcome_design: Covariates<'a>,
    cells: Option<Cells>,
    /// Rows that were not collapsed, where they are few enough.
    sorted: Option<SortedRows>,
    /// The rows that were not collapsed by what they hold, where that was worked out.
    order_of_rows: Option<Vec<u32>>,
    /// What counts cells where rows are drawn freely and with replacement, as mostly they are.
    urn: Option<Urn>,
    /// The full sample's coefficients of the score; none where no estimator needs one.
    start: Vec<f64>,
    /// The full sample's fit, from which every replicate's starts.
    anchor: Option<Anchor<'a>>,
    /// The same for outcome models.
    outcome_refits: Option<Refits<'a>>,
    /// The full sample's estimates, one an estimator.
    pub estimates: Vec<f64>,
    /// What the columns of the full sample's models have to be told of.
    pub terms: Terms,
}

/// Columns of the score that earlier ones explain, those whose coefficients grow without bound, some of their rows
/// being treated all or none, and columns of the outcome models that earlier ones explain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    pub aliased: Vec<usize>,
    pub diverging: Vec<usize>,
    pub outcome_aliased: Vec<usize>,
}

/// What a thread needs to work through replicates, reused from one to the next.
#[derive(Debug, Default)]
struct Scratch {
    totals: Totals,
    there: Whereabouts,
    logits: Vec<f64>,
    line: Line,
    outcomes: adjustment::Scratch,
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
        let Data { x, treatment, sample_weight, .. } = data;
        let outcome = measured(&data, estimators);
        let (covariates, cells) = rayon::join(
            || Covariates::standardized_among(x, sample_weight),
            || Cells::collapse(x, treatment, &outcome, sample_weight),
        );
        Self::of_cells(data, outcome, covariates?, cells, estimators, spec, monitor)
    }

    /// From rows that were checked, and collapsed where that pays.
    fn of_cells(
        data: Data<'a>,
        outcome: Cow<'a, [f64]>,
        covariates: Covariates<'a>,
        cells: Option<Cells>,
        estimators: &'a [Estimator],
        spec: LogisticSpec,
        monitor: &'m Monitor,
    ) -> Result<Self> {
        let [score_design, outcome_design] =
            designs(&data, &covariates, cells.as_ref(), estimators, spec.penalty)?;
        let mut pipeline = Self {
            data,
            outcome,
            estimators,
            spec,
            monitor,
            score_design,
            outcome_design,
            cells,
            sorted: None,
            order_of_rows: None,
            urn: None,
            start: Vec::new(),
            anchor: None,
            outcome_refits: None,
            estimates: Vec::new(),
            terms: Terms::default(),
        };
        pipeline.terms.outcome_aliased = pipeline.outcome_design.dropped().to_vec();
        let sizes = pipeline.cells.as_ref().map(Cells::sizes);
        let mut scratch = Scratch::default();
        let fit = if estimators.iter().any(Estimator::needs_score) {
            let fit = pipeline.first_fit(sizes.as_deref(), &mut scratch.there)?;
            pipeline.start.clone_from(&fit.beta);
            Some(Ok(fit))
        } else {
            None
        };
        if let Some(Ok(Fit { places: (aliased, diverging), .. })) = &fit {
            pipeline.terms.aliased.clone_from(aliased);
            pipeline.terms.diverging.clone_from(diverging);
        }
        let (estimates, moored) = rayon::join(
            || pipeline.first_estimates(sizes.as_deref(), fit, &mut scratch),
            || (pipeline.n_units() >= MANY_UNITS).then(|| pipeline.moored()).transpose(),
        );
        pipeline.estimates = estimates?;
        if let Some(Moored { cells, sorted, order_of_rows, urn, anchor }) = moored? {
            (pipeline.cells, pipeline.sorted, pipeline.anchor) = (cells, sorted, anchor);
            (pipeline.order_of_rows, pipeline.urn) = (order_of_rows, urn);
        }
        pipeline.outcome_refits = pipeline.refits_of_outcomes()?;
        Ok(pipeline)
    }

    /// The full sample's score model, from nothing.
    fn first_fit(&self, sizes: Option<&[u32]>, there: &mut Whereabouts) -> Result<Fit> {
        let fit = if let (Some(cells), Some(sizes)) = (&self.cells, sizes) {
            let mut totals = Totals::default();
            cells.total(sizes, &mut totals);
            let design = self.score_design.with_rows(cells.patterns.view());
            self.fit(&design, &totals, Sweep::Parallel, there)?
        } else {
            self.fit(&self.score_design, &self.rows::<u32>(None), Sweep::Parallel, there)?
        };
        // Rows are named where somebody is certain of an arm, and patterns are not rows.
        let scores = &there.scores.as_flattened()[..self.n_units()];
        if checks::scores(scores).is_err() {
            checks::scores(&self.score_design.probabilities(&fit.beta))?;
        }
        Ok(fit)
    }

    /// The full sample's estimates: here an estimator that fails keeps the others from going on.
    fn first_estimates(
        &self,
        sizes: Option<&[u32]>,
        fit: Option<Result<Fit>>,
        scratch: &mut Scratch,
    ) -> Result<Vec<f64>> {
        let mut estimates = vec![f64::NAN; self.estimators.len()];
        let Run { beta, first_failure } =
            self.run(sizes, fit, Sweep::Parallel, scratch, &mut estimates)?;
        if let (Err(Error::Outside { .. }), Some(_)) = (&first_failure, &self.cells) {
            // Patterns are no rows: those that lie outside are looked for once more, one by one.
            self.adjusted_by_row(&beta)?;
        }
        first_failure.map(|()| estimates)
    }

    /// Estimate everything on resamples of the rows.
    ///
    /// # Errors
    /// [`Error::Argument`] for nearest neighbours with fractions of rows; see [`bootstrap::run`].
    pub fn bootstrap(&self, resample: &Resample, spec: &BootstrapSpec) -> Result<Replicates> {
        let resample = &*self.drawing_by_content(resample);
        if let Some(urn) = self.urn(resample) {
            return if urn.fits_bytes() {
                self.drawn_from::<u8>(&urn, spec)
            } else {
                self.drawn_from::<u32>(&urn, spec)
            };
        }
        if resample.scheme() != Scheme::Bayesian {
            return self.replicates(spec, |stream, counts: &mut [u32]| {
                counts.fill(0);
                resample.count(stream, |row, count| counts[self.unit_of(row)] += count);
            });
        }
        self.check_scheme(resample)?;
        self.replicates(spec, |stream, weights: &mut [f64]| {
            weights.fill(0.0);
            resample.weigh(stream, |row, weight| weights[self.unit_of(row)] += weight);
        })
    }

    /// The rows, as they are or counted.
    fn rows<'b, W>(&'b self, counts: Option<&'b [W]>) -> Outcomes<'b, W> {
        let Data { treatment, sample_weight, .. } = self.data;
        Outcomes { treatment, outcome: &self.outcome, sample_weight, counts }
    }

    fn drawn_from<W: Whole>(&self, urn: &Urn, spec: &BootstrapSpec) -> Result<Replicates> {
        self.replicates(spec, |mut stream, counts: &mut [W]| urn.draw(&mut stream, counts))
    }

    /// Let rows take their random numbers in the order of what they hold, whatever order they come in. Cells
    /// that are drawn as wholes do so in any case, and clusters take theirs by their labels.
    fn drawing_by_content<'b>(&self, resample: &'b Resample) -> Cow<'b, Resample> {
        let order = match &self.cells {
            _ if resample.is_clustered() => return Cow::Borrowed(resample),
            Some(_) if resample.urn().is_some() => return Cow::Borrowed(resample),
            Some(cells) => cells.rows_in_order_of_content(),
            None => self
                .order_of_rows
                .clone()
                .unwrap_or_else(|| by_content(self.data.x, &self.rows::<u8>(None))),
        };
        Cow::Owned(resample.taking_rows_in(order))
    }

    /// What counts the units where rows are drawn freely. Rows take the same random numbers wherever they stand.
    fn urn<'b>(&'b self, resample: &'b Resample) -> Option<Cow<'b, Urn>> {
        if let Some(cells) = &self.cells {
            let own = self.urn.as_ref().filter(|_| resample.scheme() == Scheme::Multinomial);
            let made = || {
                let order = cells.in_order_of_content();
                resample.urn_of_cells(&cells.sizes(), &order).map(Cow::Owned)
            };
            return resample.urn().and_then(|_| own.map(Cow::Borrowed).or_else(made));
        }
        match &self.sorted {
            Some(sorted) => {
                let (once, places) = (vec![1; sorted.places().len()], sorted.places());
                let order: Option<Vec<u32>> = resample
                    .order()
                    .map(|order| order.iter().map(|row| places[*row as usize]).collect());
                resample.urn_of_cells(&once, order.as_deref().unwrap_or(places)).map(Cow::Owned)
            }
            None => resample.urn().map(Cow::Borrowed),
        }
    }

    /// How many fitted units there are: patterns, or rows.
    fn n_units(&self) -> usize {
        self.cells.as_ref().map_or(self.data.x.nrows(), |cells| cells.patterns.nrows())
    }

    /// How many numbers rows are counted under: cells, or rows.
    fn n_counted(&self) -> usize {
        self.cells.as_ref().map_or(self.data.x.nrows(), Cells::n_cells)
    }

    /// The number under which a row is counted: of its cell, or its own.
    fn unit_of(&self, row: usize) -> usize {
        match (&self.cells, &self.sorted) {
            (Some(cells), _) => cells.of(row),
            (None, Some(sorted)) => sorted.places()[row] as usize,
            (None, None) => row,
        }
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
        if self.cells.is_none()
            && let Some(anchor) = self.anchor.as_ref().filter(|anchor| anchor.is_wide())
        {
            return self.replicates_together(anchor, spec, draw);
        }
        bootstrap::run(
            spec,
            self.estimators.len(),
            self.monitor,
            || (vec![W::default(); self.n_counted()], Scratch::default()),
            |stream, (counts, scratch), estimates| {
                draw(stream, counts);
                self.run(Some(counts), None, Sweep::Serial, scratch, estimates)?.first_failure
            },
        )
    }

    /// Estimate everything with cells (or rows) counted as `counts` says, from this fit of the score where it was made
    /// already. Estimators that fail leave their NaN.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    fn run<W: Count>(
        &self,
        counts: Option<&[W]>,
        fit: Option<Result<Fit>>,
        sweep: Sweep,
        scratch: &mut Scratch,
        estimates: &mut [f64],
    ) -> Result<Run> {
        if let (Some(cells), Some(counts)) = (&self.cells, counts) {
            let mut totals = std::mem::take(&mut scratch.totals);
            cells.total(counts, &mut totals);
            let x = cells.patterns.view();
            let done = self.estimate(x, &totals, fit, sweep, scratch, estimates);
            scratch.totals = totals;
            return done;
        }
        if let (Some(sorted), Some(counts)) = (&self.sorted, counts) {
            let (x, rows) = (sorted.x.view(), sorted.counted(counts));
            return self.estimate(x, &rows, fit, sweep, scratch, estimates);
        }
        let rows = self.rows(counts);
        self.estimate(self.data.x, &rows, fit, sweep, scratch, estimates)
    }

    fn wants_overlap(&self) -> bool {
        self.estimators
            .iter()
            .any(|estimator| matches!(estimator, Estimator::Ipw(Estimand::Ato | Estimand::Atm)))
    }

    /// The score model, whose scores are left, from the anchor where that serves. Where a coefficient runs off to
    /// infinity, all or none of some rows being treated, their scores are where the gradient became small enough.
    fn fit<U: Units>(
        &self,
        covariates: &Covariates<'_>,
        units: &U,
        sweep: Sweep,
        there: &mut Whereabouts,
    ) -> Result<Fit> {
        let wants_overlap = self.wants_overlap();
        if let Some(anchor) = &self.anchor
            && let Some(refit) = anchor.refit(units, wants_overlap, there, self.monitor)?
        {
            return Ok(Fit::from(refit));
        }
        let likelihood = Likelihood::new(covariates, units, self.spec.penalty, sweep)?;
        let start = (!self.start.is_empty()).then_some(&self.start[..]);
        let optimum = maximize(&likelihood, start, &self.spec, self.monitor)?;
        let scores = &mut there.scores;
        scores.resize(units.len().div_ceil(BLOCK), [0.0; BLOCK]);
        let values = &mut scores.as_flattened_mut()[..units.len()];
        covariates.linear_into(&optimum.beta, 0, values);
        sigmoid(values);
        there.is_inside = values.iter().all(|score| *score > 0.0 && *score < 1.0);
        let places = (optimum.aliased(covariates), optimum.diverging);
        Ok(Fit { beta: optimum.beta, sums: None, places })
    }

    /// Every estimator on the same score. One that fails leaves its NaN and does not keep the others from going on,
    /// nor does the score those that do without.
    fn estimate<U: Units>(
        &self,
        x: ArrayView2<'_, f64>,
        units: &U,
        fit: Option<Result<Fit>>,
        sweep: Sweep,
        scratch: &mut Scratch,
        estimates: &mut [f64],
    ) -> Result<Run> {
        let score_design = self.score_design.with_rows(x);
        let Scratch { there, logits, line, outcomes, .. } = scratch;
        let fit = match fit {
            None if self.start.is_empty() && !self.needs_score() => Ok(Fit::default()),
            None => self.fit(&score_design, units, sweep, there),
            Some(fit) => fit,
        };
        if let Err(Error::Stopped) = fit {
            return Err(Error::Stopped);
        }
        there.scores.resize(units.len().div_ceil(BLOCK), [0.5; BLOCK]);
        let scores = &there.scores.as_flattened()[..units.len()];
        let mut first_failure = Ok(());
        for (estimator, estimate) in self.estimators.iter().zip(estimates) {
            self.monitor.check()?;
            let found = match (estimator, &fit) {
                (Estimator::Adjusted(spec), _) if !spec.needs_score() => {
                    self.adjusted_effect(*spec, x, there, units, outcomes)
                }
                (_, Err(error)) => Err(error.clone()),
                (Estimator::Nearest(spec), Ok(fit)) if spec.quantity == Quantity::Logit => {
                    logits.resize(units.len(), 0.0);
                    score_design.linear_into(&fit.beta, 0, logits);
                    line.effect(logits, units, spec, self.monitor)
                }
                (Estimator::Nearest(spec), _) => line.effect(scores, units, spec, self.monitor),
                (Estimator::Ipw(estimand), Ok(Fit { sums: Some((totals, sums)), .. })) => {
                    difference(&Contrast::of_sums(*estimand, totals, sums))
                }
                (Estimator::Ipw(estimand), _) => {
                    let mut contrast = Contrast::new(*estimand);
                    contrast.add(scores, units);
                    difference(&contrast)
                }
                (Estimator::Adjusted(spec), _) => {
                    self.adjusted_effect(*spec, x, there, units, outcomes)
                }
            };
            match found.and_then(finite) {
                Ok(effect) => *estimate = effect,
                Err(Error::Stopped) => return Err(Error::Stopped),
                Err(error) => first_failure = first_failure.and(Err(error)),
            }
        }
        Ok(Run { beta: fit.map_or_else(|_| Vec::new(), |fit| fit.beta), first_failure })
    }

    fn needs_score(&self) -> bool {
        self.estimators.iter().any(Estimator::needs_score)
    }
}

/// What estimating everything leaves beside the estimates: the coefficients of the score, none where there is none or
/// it could not be fitted, and why the first estimator that failed did so.
struct Run {
    beta: Vec<f64>,
    first_failure: Result<()>,
}

/// A score model, and what its weights are made of where a refit left that; where it was fitted from nothing, which
/// columns are collinear, and which run off.
#[derive(Debug, Default)]
struct Fit {
    beta: Vec<f64>,
    sums: Option<([[f64; 2]; 2], [ArmSums; 2])>,
    places: (Vec<usize>, Vec<usize>),
}

impl From<Refit> for Fit {
    fn from(Refit { beta, totals, sums }: Refit) -> Self {
        Self { beta, sums: Some((totals, sums)), places: Default::default() }
    }
}

fn finite(effect: f64) -> Result<f64> {
    if effect.is_finite() { Ok(effect) } else { Err(Error::Overflow) }
}

fn has_matching(estimators: &[Estimator]) -> bool {
    estimators.iter().any(|estimator| matches!(estimator, Estimator::Nearest(_)))
}

fn adjustments(estimators: &[Estimator]) -> impl Iterator<Item = &AdjustmentSpec> {
    estimators.iter().filter_map(|estimator| match estimator {
        Estimator::Adjusted(spec) => Some(spec),
        _ => None,
    })
}

fn difference(contrast: &Contrast) -> Result<f64> {
    contrast.means().map(|(treated, control)| treated - control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::Focal;
    use ndarray::Array2;

    /// A world in which rows repeat: three levels beside others.
    fn world(n: usize, levels: usize) -> (Array2<f64>, Vec<bool>, Vec<f64>) {
        let mix = |i: usize, k: usize| ((i * 2_654_435_761 + k * 40_503) >> 7) % 1000;
        let x = Array2::from_shape_fn((n, 2), |(i, k)| (mix(i, k) % [3, levels][k]) as f64);
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

    /// From rows that are not collapsed.
    fn by_row<'a, 'm>(
        data: Data<'a>,
        estimators: &'a [Estimator],
        monitor: &'m Monitor,
    ) -> Pipeline<'a, 'm> {
        let covariates = Covariates::standardized(data.x).unwrap();
        let (spec, outcome) = (LogisticSpec::default(), measured(&data, estimators));
        Pipeline::of_cells(data, outcome, covariates, None, estimators, spec, monitor).unwrap()
    }

    #[test]
    fn cells_and_rows_agree() {
        let (x, treatment, outcome) = world(5000, 600);
        let data = plain(&x, &treatment, &outcome);
        let nearest = NearestSpec {
            focal: Focal::Treated,
            n_neighbors: 2,
            caliper: Some(0.5),
            quantity: Quantity::Logit,
        };
        let estimators = [
            Estimator::Ipw(Estimand::Ate),
            Estimator::Ipw(Estimand::Ato),
            Estimator::Nearest(nearest),
            Estimator::Nearest(NearestSpec {
                n_neighbors: 1,
                quantity: Quantity::Score,
                ..nearest
            }),
        ];
        let (monitor, spec) = (Monitor::default(), LogisticSpec::default());
        let collapsed = Pipeline::new(data, &estimators, spec, &monitor).unwrap();
        let by_row = by_row(data, &estimators, &monitor);
        let cells = collapsed.cells.as_ref().unwrap();
        assert!(collapsed.anchor.is_some() && by_row.anchor.is_some());
        let cluster: Vec<i64> = (0..5000).map(|row| row % 900).collect();
        for (scheme, cluster) in [
            (Scheme::Multinomial, None),
            (Scheme::Multinomial, Some(&cluster[..])),
            (Scheme::Poisson, None),
        ] {
            let resample = Resample::new(scheme, 5000, cluster, None).unwrap();
            for replicate in 0..20 {
                let (mut rows, mut counts) = (vec![0_u32; 5000], vec![0_u32; cells.n_cells()]);
                resample.count(Stream::new(5, replicate), |row, count| {
                    rows[by_row.unit_of(row)] += count;
                    counts[cells.of(row)] += count;
                });
                let [mut a, mut b] = [[f64::NAN; 4]; 2];
                let scratch = &mut Scratch::default();
                collapsed.run(Some(&counts), None, Sweep::Serial, scratch, &mut a).unwrap();
                by_row.run(Some(&rows), None, Sweep::Serial, scratch, &mut b).unwrap();
                for (a, b) in a.iter().zip(&b) {
                    assert!((a - b).abs() < 1e-12, "{a} {b}");
                }
            }
        }
    }

    #[test]
    fn replicates_together_are_the_same_for_any_number_of_threads_or_replicates() {
        let n = 1300;
        let (x, treatment, outcome) = world(n, 600);
        let noise = |i: usize, k: usize| ((i * (2 * k + 3)) as f64 + 0.5 * x[(i, k % 2)]).sin();
        let x = Array2::from_shape_fn((n, 8), |(i, k)| noise(i, k));
        let (columns, sample_weight) = ([0, 1, 2, 3, 4, 5, 6, 7], vec![1.25; n]);
        let data = Data {
            x: x.view(),
            score_columns: &columns,
            sample_weight: Some(&sample_weight),
            ..plain(&x, &treatment, &outcome)
        };
        let estimators = [Estimator::Ipw(Estimand::Ate), Estimator::Ipw(Estimand::Atm)];
        let (monitor, spec) = (Monitor::default(), LogisticSpec::default());
        let pipeline = Pipeline::new(data, &estimators, spec, &monitor).unwrap();
        assert!(pipeline.cells.is_none() && pipeline.anchor.as_ref().unwrap().is_wide());
        for scheme in [Scheme::Multinomial, Scheme::Bayesian] {
            let resample = Resample::new(scheme, n, None, None).unwrap();
            let found = |n_reps, n_threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
                let spec = BootstrapSpec { n_reps, seed: 3 };
                let found = pool.install(|| pipeline.bootstrap(&resample, &spec).unwrap());
                found.estimates.mapv(f64::to_bits)
            };
            let expected = found(70, 1);
            for (n_reps, n_threads) in [(1, 2), (2, 1), (5, 3), (33, 1), (70, 8)] {
                let first = expected.rows().into_iter().take(n_reps);
                assert!(found(n_reps, n_threads).rows().into_iter().eq(first));
            }
        }
    }

    #[test]
    fn every_way_of_drawing_gives_the_estimates_their_spread() {
        let (x, treatment, outcome) = world(400, 7);
        let data = plain(&x, &treatment, &outcome);
        let estimators = [Estimator::Ipw(Estimand::Ate)];
        let (monitor, spec) = (Monitor::default(), LogisticSpec::default());
        let pipeline = Pipeline::new(data, &estimators, spec, &monitor).unwrap();
        let cluster: Vec<i64> = (0..400).collect();
        let spread = |cluster: Option<&[i64]>| {
            let resample = Resample::new(Scheme::Multinomial, 400, cluster, None).unwrap();
            let spec = BootstrapSpec { n_reps: 4000, seed: 5 };
            pipeline.bootstrap(&resample, &spec).unwrap().estimates.std(1.0)
        };
        // Cells drawn together, and each row by itself.
        let ratio = spread(None) / spread(Some(&cluster));
        assert!((ratio - 1.0).abs() < 4.0 / 4000.0_f64.sqrt(), "{ratio}");
    }

    #[test]
    fn influence_is_the_derivative_in_a_rows_weight() {
        let (x, treatment, outcome) = world(120, 7);
        let data = plain(&x, &treatment, &outcome);
        let estimands = [Estimand::Ate, Estimand::Att, Estimand::Atc];
        let estimators = estimands.map(Estimator::Ipw);
        let monitor = Monitor::default();
        let pipeline = by_row(data, &estimators, &monitor);
        let reweighted = |row: usize, weight: f64| {
            let (mut weights, mut estimates) = (vec![1.0; 120], vec![0.0; 3]);
            weights[row] = weight;
            let scratch = &mut Scratch::default();
            pipeline.run(Some(&weights), None, Sweep::Serial, scratch, &mut estimates).unwrap();
            estimates
        };
        for (k, estimand) in estimands.into_iter().enumerate() {
            let scores = pipeline.score_design.probabilities(&pipeline.start);
            let influence = pipeline.influence(&estimators[k], &scores, None, false).unwrap();
            for row in [0, 7, 50, 119] {
                let rise = reweighted(row, 1.0001)[k] - reweighted(row, 0.9999)[k];
                assert!((influence[row] - 120.0 * rise / 0.0002).abs() < 1e-6, "{estimand:?}");
            }
        }
    }
}
