//! The means of both arms, of one outcome or several, or of what one is per another, on the data and on any resample: what
//! ratios, lifts and ratio metrics are made of.
//!
//! Rows are told apart by all outcomes together, drawn once and scored once a replicate; each outcome is then a pass of
//! its own over the same units.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::arm_errors::ArmMoments;
use super::estimates::{Fit, Scratch};
use super::layout::{Layout, with_units};
use super::ready::check;
use super::refitting::Drawn;
use super::statistic::Statistic;
use super::{Data, Estimator, Pipeline, Terms};
use crate::checks;
use crate::design::covariates::Covariates;
use crate::error::{Error, Result};
use crate::kernels::{BLOCK, FittedScores};
use crate::monitor::Monitor;
use crate::resampling::bootstrap::{BootstrapSpec, Replicates};
use crate::resampling::resample::Resample;
use crate::reserve::room_for;
use crate::score::logistic::Refit;
use crate::score::spec::PropensitySpec;
use crate::units::cells::{Cells, by_size};
use crate::units::sorted_rows::SortedRows;
use crate::units::tally::{Count, Totals};

/// The means of both arms, control first.
pub(super) type Means = [f64; 2];

/// What stands beside the outcome.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside<'a, 'b> {
    /// Further outcomes, whose replicates are on the same draws and by the same scores.
    pub others: &'b [&'a [f64]],
    /// What each outcome is divided by, arm by arm.
    pub per: Option<&'a [f64]>,
}

impl<'a> Beside<'a, '_> {
    /// The columns beside the outcome, and what they are called.
    pub(super) fn columns(&self) -> impl Iterator<Item = (&'static str, &'a [f64])> {
        let others = self.others.iter().map(|other| ("outcome", *other));
        others.chain(self.per.map(|per| ("per", per)))
    }
}

/// Data ready to be resampled, for the means of both arms.
pub struct ArmPipeline<'a, 'm> {
    /// What draws rows and refits the score; its outcomes number what rows hold.
    pub(super) drawing: Pipeline<'a, 'm>,
    /// Of each outcome, and behind them of what they are per, where they are.
    pub(super) parts: Vec<Pipeline<'a, 'm>>,
    pub(super) n_outcomes: usize,
    /// The full sample's, one an estimator, outcome by outcome.
    pub estimates: Vec<Means>,
    pub terms: Terms,
}

/// What a bootstrap of the means of both arms finds.
#[derive(Debug)]
pub struct BootstrappedMeans {
    /// Control first, one an estimator, outcome by outcome.
    pub estimates: Vec<[f64; 2]>,
    pub terms: Terms,
    pub replicates: Replicates,
    /// [`ArmMoments::NONE`] where they were not asked for.
    pub analytic: Vec<ArmMoments>,
}

impl<'a, 'm> ArmPipeline<'a, 'm> {
    /// Check the data, collapse them, and estimate everything on the full sample.
    ///
    /// # Errors
    /// Those of [`Pipeline::new`]; [`Error::Argument`] where the mean of `per` is not above 0 in an arm.
    pub fn new(
        data: Data<'a>,
        beside: Beside<'a, '_>,
        estimators: &'a [Estimator],
        spec: PropensitySpec,
        monitor: &'m Monitor,
    ) -> Result<Self> {
        // 1. The rows, told apart by all that they hold.
        check(&data, estimators, &spec)?;
        for (name, other) in beside.columns() {
            checks::same_length(name, other.len(), data.x.nrows())?;
            checks::finite(name, other)?;
            check(&Data { outcome: other, ..data }, estimators, &spec)?;
        }
        let Data { x, treatment, outcome, sample_weight, .. } = data;
        let others = beside.columns().map(|(_, other)| other);
        let outcomes: Vec<&'a [f64]> = std::iter::once(outcome).chain(others).collect();
        let numbers = numbered(&outcomes);
        let (covariates, cells) = rayon::join(
            || Covariates::standardized_among(x, sample_weight),
            || Cells::collapse(x, treatment, &numbers, sample_weight),
        );
        let covariates = covariates?;
        let numbers = Cow::Owned(numbers);
        let mut drawing =
            Pipeline::unfitted(data, numbers, &covariates, cells, estimators, spec, monitor)?;

        // 2. The score.
        drawing.fit_score(&mut FittedScores::default())?;
        let prepared = drawing.prepared_where_many()?;
        drawing.take(prepared);

        // 3. The outcomes, and then what replicates take from their models: these answer for whatever rows they are
        //    asked, so that the estimates tell first which rows lie outside of what an arm holds.
        let mut parts: Vec<_> = outcomes
            .into_iter()
            .map(|outcome| drawing.with_outcome(outcome, &covariates))
            .collect::<Result<_>>()?;
        let n_outcomes = 1 + beside.others.len();
        let estimates = first_means(&parts, n_outcomes)?;
        parts.iter_mut().try_for_each(Pipeline::prepare_refits)?;
        let mut terms = drawing.terms.clone();
        terms.balanced_aliased.clone_from(&parts[0].terms.balanced_aliased);
        Ok(Self { drawing, parts, n_outcomes, estimates, terms })
    }

    /// Estimate everything on resamples of the rows: for each estimator the means of both arms, control first.
    ///
    /// # Errors
    /// Those of [`Pipeline::bootstrap`].
    pub fn bootstrap(&self, resample: &Resample, spec: &BootstrapSpec) -> Result<Replicates> {
        self.drawing.statistic_on(resample, spec, self)
    }

    /// The means on a replicate whose score was refitted, or is left to Newton's method; and the score's coefficients.
    pub(super) fn means_of_drawn<W: Count>(
        &self,
        drawn: &mut Drawn<W>,
        refit: Result<Option<Refit>>,
        scratch: &mut Vec<PartScratch>,
        found: &mut [f64],
    ) -> Result<(Vec<f64>, Result<()>)> {
        let fit = match self.drawing.fit_drawn(drawn, refit) {
            Err(Error::Stopped) => return Err(Error::Stopped),
            // The sums that a refit leaves are of numbers.
            other => other.map(|fit| Fit { sums: None, ..fit }),
        };
        let n_rows = self.drawing.rows_drawn(&drawn.counts);
        let mut of_parts = Vec::new();
        scratch.resize_with(self.parts.len(), PartScratch::default);
        for (part, scratch) in self.parts.iter().zip(scratch) {
            scratch.estimates.n_rows = n_rows;
            of_parts.push(part.means_of_part(drawn, &fit, scratch)?);
        }
        let mut first_failure = Ok(());
        let n_estimators = self.drawing.estimators.len();
        for (place, slots) in found.chunks_mut(2).enumerate() {
            let of_outcome = &of_parts[place / n_estimators];
            match divided(of_outcome, of_parts.get(self.n_outcomes), place % n_estimators) {
                Ok(means) => slots.copy_from_slice(&means),
                Err(error) => first_failure = first_failure.and(Err(error)),
            }
        }
        Ok((fit.map_or_else(|_| Vec::new(), |fit| fit.beta), first_failure))
    }
}

/// What a thread needs for one outcome.
#[derive(Debug, Default)]
pub(super) struct PartScratch {
    totals: Totals,
    estimates: Scratch,
}

impl Statistic for ArmPipeline<'_, '_> {
    type Scratch = Vec<PartScratch>;

    fn width(&self) -> usize {
        2 * self.drawing.estimators.len() * self.n_outcomes
    }

    fn wants_scores(&self) -> bool {
        true
    }

    fn of_drawn<W: Count>(
        &self,
        drawn: &mut Drawn<W>,
        refit: Result<Option<Refit>>,
        scratch: &mut Self::Scratch,
        found: &mut [f64],
    ) -> Result<()> {
        self.means_of_drawn(drawn, refit, scratch, found)?.1
    }
}

impl<'a, 'm> Pipeline<'a, 'm> {
    /// The same rows, in the same places, with another outcome; replicates are drawn, and scored, by `self`.
    fn with_outcome(
        &self,
        outcome: &'a [f64],
        covariates: &Covariates<'a>,
    ) -> Result<Pipeline<'a, 'm>> {
        let mut part = Pipeline {
            data: Data { outcome, ..self.data },
            outcome: Cow::Borrowed(outcome),
            estimators: self.estimators,
            spec: self.spec,
            monitor: self.monitor,
            score_design: self.score_design.clone(),
            outcome_design: self.outcome_design.clone(),
            layout: Layout::AsTheyCome(None),
            score: self
                .score
                .as_ref()
                .map(|score| super::Score { beta: score.beta.clone(), warm_start: None }),
            outcome_refits: None,
            balanced: Vec::new(),
            estimates: Vec::new(),
            terms: Terms::default(),
        };
        part.layout = self.layout_with_outcomes_of(&part)?;
        part.balanced = part.first_weights(covariates)?;
        let dropped = part.balanced.iter().flatten().map(super::Balanced::dropped);
        part.terms.balanced_aliased = dropped.collect();
        Ok(part)
    }

    /// Its layout with the outcomes of another.
    fn layout_with_outcomes_of(&self, part: &Pipeline<'a, 'm>) -> Result<Layout> {
        let outcome = part.data.outcome;
        Ok(match &self.layout {
            Layout::Cells { cells, .. } => {
                Layout::Cells { cells: cells.with_outcomes(outcome), urn: None }
            }
            Layout::Sorted { rows, x, .. } => {
                room_for(x.nrows(), size_of::<f64>() * (x.ncols() + 4))?;
                let rows = SortedRows::in_order(&order_of(rows.places()), &part.rows(None));
                Layout::Sorted { rows, x: x.clone(), by_content: Vec::new() }
            }
            Layout::AsTheyCome(by_score) => Layout::AsTheyCome(by_score.clone()),
        })
    }

    /// The means by every estimator on a replicate; an estimator that fails does not keep the others from going on.
    fn means_of_part<W: Count>(
        &self,
        drawn: &mut Drawn<W>,
        fit: &Result<Fit>,
        PartScratch { totals, estimates }: &mut PartScratch,
    ) -> Result<Vec<Result<Means>>> {
        if let Layout::Cells { cells, .. } = &self.layout {
            cells.total(&drawn.counts, totals);
        }
        let Drawn { counts, scores, .. } = drawn;
        let mut found = Vec::new();
        for place in 0..self.estimators.len() {
            self.monitor.check()?;
            let means = with_units!(self, counts, totals, |x, units| {
                scores.values.resize(x.nrows().div_ceil(BLOCK), [0.5; BLOCK]);
                self.means(place, x, units, fit, scores, estimates)
            });
            match means {
                Err(Error::Stopped) => return Err(Error::Stopped),
                other => found.push(other),
            }
        }
        Ok(found)
    }

    /// The full sample's means by the estimator at a place.
    pub(super) fn first_means(&self, place: usize, scores: &FittedScores) -> Result<Means> {
        let fit = Fit { beta: self.beta().to_vec(), ..Fit::default() };
        let scratch = &mut Scratch::default();
        scratch.n_rows = self.rows_in_arms();
        let (x, units) = (self.covariates(), self.full_sample());
        let found = self.means(place, x, &units, &Ok(fit), scores, scratch);
        let is_elsewhere = !matches!(self.layout, Layout::AsTheyCome(_));
        if let (Err(Error::Outside { .. }), true) = (&found, is_elsewhere) {
            // Told of rows where they came.
            self.adjusted_by_row(self.beta())?;
        }
        found
    }
}

/// The full sample's means by every estimator: here one that fails keeps the others from going on.
fn first_means(parts: &[Pipeline<'_, '_>], n_outcomes: usize) -> Result<Vec<Means>> {
    let n_estimators = parts[0].estimators.len();
    let of_part = |part: &Pipeline<'_, '_>| {
        let scores = part.scores_of_units();
        (0..n_estimators).map(|place| part.first_means(place, &scores)).collect()
    };
    let of_parts: Vec<Vec<_>> = parts.iter().map(of_part).collect();
    (0..n_outcomes * n_estimators)
        .map(|place| {
            let of_outcome = &of_parts[place / n_estimators];
            divided(of_outcome, of_parts.get(n_outcomes), place % n_estimators)
        })
        .collect()
}

/// The means of an outcome over those of what it is per, where it is, by the estimator at a place.
pub(super) fn divided(
    of_outcome: &[Result<Means>],
    per: Option<&Vec<Result<Means>>>,
    place: usize,
) -> Result<Means> {
    let mut means = of_outcome[place].clone()?;
    if let Some(per) = per {
        let per = per[place].clone()?;
        for (arm, (mean, per)) in ["control", "treated"].into_iter().zip(means.iter_mut().zip(per))
        {
            if !(per > 0.0) {
                let found = format!("a mean of {per} in the {arm} arm");
                return Err(Error::Argument { name: "per", found, allowed: "a mean above 0" });
            }
            *mean /= per;
        }
    }
    if means.iter().all(|mean| mean.is_finite()) { Ok(means) } else { Err(Error::Overflow) }
}

/// A number for each row, in the order of what rows hold: by the first outcome, then by the next.
pub(super) fn numbered(outcomes: &[&[f64]]) -> Vec<f64> {
    let n = outcomes.first().map_or(0, |outcome| outcome.len());
    let compared = |a: usize, b: usize| {
        let each = outcomes.iter().map(|outcome| by_size(outcome[a], outcome[b]));
        each.fold(Ordering::Equal, Ordering::then)
    };
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_unstable_by(|a, b| compared(*a, *b));
    let (mut numbers, mut number) = (vec![0.0; n], 0.0);
    for (place, row) in order.iter().enumerate() {
        if place > 0 && compared(order[place - 1], *row).is_ne() {
            number += 1.0;
        }
        numbers[*row] = number;
    }
    numbers
}

/// The row in each place, from the place of each row.
#[allow(clippy::cast_possible_truncation)] // rows are numbered in 32 bits, as their places are
fn order_of(places: &[u32]) -> Vec<u32> {
    let mut order = vec![0; places.len()];
    places.iter().enumerate().for_each(|(row, place)| order[*place as usize] = row as u32);
    order
}
