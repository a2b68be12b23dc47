//! Outcomes of each arm, boosted, for every row by models that have not seen it.

use super::bins::{Bins, Table, cut};
use super::codes::Codes;
use super::folds::Growing;
use super::grow::Shape;
use super::loss::Loss;
use super::losses::{mean_loss, out_of_fold};
use super::model::{BoostedTrees, Units};
use super::sample::{Outcome, Patterns, Response, Sample};
use super::{BoostingSpec, Rows, STRIDE};
use crate::checks;
use crate::design::covariates::CHUNK;
use crate::error::{Error, Result};
use crate::moments::Moments;
use crate::monitor::Monitor;
use rayon::prelude::*;

/// The outcome of one arm.
#[derive(Debug, Clone, PartialEq)]
pub struct BoostedOutcome {
    /// Of every row, out of its fold.
    pub means: Vec<f64>,
    pub n_trees: usize,
    pub path: LossPath,
    pub model: BoostedTrees,
}

/// The loss of the arm's own rows, out of their folds, after so many trees.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LossPath {
    pub trees: Vec<usize>,
    pub loss: Vec<f64>,
}

/// Boost an outcome in both arms, control first: fitted to the rows of an arm outside of a fold, predicted for all
/// rows of the fold; with the number of trees of the least loss out of fold, where `stops`, or all of them.
///
/// # Errors
/// Lengths that differ, values that are not finite, outcomes that the loss has no meaning for, a fold outside of which
/// an arm has no row; [`Error::Stopped`].
pub fn boosted_outcomes(
    table: &Table<'_>,
    outcome: &[f64],
    rows: &Rows<'_>,
    loss: Loss,
    spec: &BoostingSpec,
    stops: bool,
    monitor: &Monitor,
) -> Result<[BoostedOutcome; 2]> {
    spec.check()?;
    table.check()?;
    rows.check(table.n_rows())?;
    checks::outcome(outcome, table.n_rows())?;
    require_meaning(loss, outcome, rows)?;
    let bins = cut(table, |row| rows.weight(row) > 0.0, monitor)?;
    let codes = Codes::of(table, &bins, monitor)?;
    let patterns = Patterns::of(&codes, rows.folds.count);
    let ground = Ground { codes: &codes, patterns: patterns.as_ref(), bins: &bins };
    let job = Job { outcome, rows, loss, shape: spec.shape, max_trees: spec.max_trees, stops };
    let n_numbers = table.numbers.ncols();
    Ok([job.arm(false, &ground, n_numbers, monitor)?, job.arm(true, &ground, n_numbers, monitor)?])
}

fn require_meaning(loss: Loss, outcome: &[f64], rows: &Rows<'_>) -> Result<()> {
    let is_there = |row: usize| rows.weight(row) > 0.0;
    let allowed = match loss {
        Loss::Squared => return Ok(()),
        Loss::Logistic => "[0, 1]",
        Loss::Poisson => "the numbers >= 0",
    };
    let is_out = |y: f64| y < 0.0 || (loss == Loss::Logistic && y > 1.0);
    let values = outcome.iter().enumerate().map(|(row, y)| (is_there(row), *y));
    match crate::error::Rows::matching(values, |(there, y)| there && is_out(y)) {
        Some(rows) => Err(Error::OutOfRange { name: "outcome", allowed, rows }),
        None => Ok(()),
    }
}

#[derive(Clone, Copy)]
struct Ground<'a> {
    codes: &'a Codes,
    patterns: Option<&'a Patterns>,
    bins: &'a [Bins],
}

#[derive(Clone, Copy)]
struct Job<'a> {
    outcome: &'a [f64],
    rows: &'a Rows<'a>,
    loss: Loss,
    shape: Shape,
    max_trees: usize,
    stops: bool,
}

impl Job<'_> {
    fn arm(
        &self,
        arm: bool,
        ground: &Ground<'_>,
        n_numbers: usize,
        monitor: &Monitor,
    ) -> Result<BoostedOutcome> {
        let Self { rows, loss, shape, .. } = *self;
        let (response, units) = self.response(arm);
        let sample = Sample::new(ground.codes, ground.patterns, &response, rows.folds, loss)?;
        self.require_both(&sample, arm)?;
        let mut growing = Growing::new(&sample, ground.bins, shape);
        let (path, n_trees, best) = self.grow(&mut growing, &response, units, monitor)?;
        let mean = |f: f32| units.from(loss.mean(f64::from(f)));
        let means = best.into_par_iter().with_min_len(CHUNK).map(mean).collect();
        let folds = growing.finished(n_trees);
        let bins = ground.bins.to_vec();
        let model = BoostedTrees { loss, units, n_numbers, bins, folds };
        Ok(BoostedOutcome { means, n_trees, path, model })
    }

    /// The path, the number of trees chosen, and the rows' predictors with these.
    fn grow(
        &self,
        growing: &mut Growing<'_>,
        response: &Response<'_>,
        units: Units,
        monitor: &Monitor,
    ) -> Result<(LossPath, usize, Vec<f32>)> {
        let folds = self.rows.folds;
        let mut path = LossPath::default();
        let (mut n_trees, mut least, mut best) = (0, f64::INFINITY, Vec::new());
        for trees in (0..self.max_trees).step_by(STRIDE).chain([self.max_trees]) {
            let grown = path.trees.last().copied().unwrap_or(0);
            growing.grow(trees - grown, monitor)?;
            let predictor = out_of_fold(growing, folds);
            let loss = units.loss(self.loss, mean_loss(self.loss, response, &predictor));
            path.trees.push(trees);
            path.loss.push(loss);
            if loss < least || !self.stops {
                (n_trees, least, best) = (trees, loss, predictor);
            }
        }
        Ok((path, n_trees, best))
    }

    fn response(&self, arm: bool) -> (Response<'static>, Units) {
        let rows = self.rows;
        let fitted = |row: usize| if rows.treatment[row] == arm { rows.weight(row) } else { 0.0 };
        let n = rows.treatment.len();
        let mut weight: Vec<f64> = (0..n).map(fitted).collect();
        let mut moments = Moments::EMPTY;
        for (values, weights) in self.outcome.chunks(CHUNK).zip(weight.chunks(CHUNK)) {
            moments.add(values, weights);
        }
        let count = weight.iter().filter(|weight| **weight > 0.0).count() as f64;
        for weight in &mut weight {
            *weight *= count / moments.weight;
        }
        let units = match self.loss {
            Loss::Logistic => Units::AS_THEY_ARE,
            Loss::Squared => {
                Units::measured(moments.mean, (moments.deviation / moments.weight).sqrt())
            }
            Loss::Poisson => Units::measured(0.0, moments.mean),
        };
        // What an outcome is said to be where it weighs nothing is not looked at.
        let of = |(y, w): (&f64, &f64)| if *w > 0.0 { units.to(*y) } else { 0.0 };
        let outcome = self.outcome.iter().zip(&weight).map(of).collect();
        (Response { outcome: Outcome::Numbers(outcome), weight: Some(weight) }, units)
    }

    /// A logistic model needs both values outside of every fold, one of counts any event.
    fn require_both(&self, sample: &Sample, arm: bool) -> Result<()> {
        let name = if arm { "treated" } else { "control" };
        let allowed = match self.loss {
            Loss::Squared => return Ok(()),
            Loss::Logistic => "both 0 and 1 outside of each fold, or of loss=\"squared\"",
            Loss::Poisson => "more than 0 somewhere outside of each fold, or of loss=\"squared\"",
        };
        for (fold, cohort) in sample.cohorts.iter().enumerate() {
            let is_certain = self.loss == Loss::Logistic && cohort.mean >= 1.0;
            if is_certain || cohort.mean <= 0.0 {
                let found =
                    format!("{} in all {name} rows outside of fold {fold}", u8::from(is_certain));
                return Err(Error::Argument { name: "outcome", found, allowed });
            }
        }
        Ok(())
    }
}

impl Units {
    fn measured(center: f64, scale: f64) -> Self {
        Self { center, scale: if scale > 0.0 && scale.is_finite() { scale } else { 1.0 } }
    }

    /// A loss in the units of the outcome.
    fn loss(self, loss: Loss, value: f64) -> f64 {
        match loss {
            Loss::Logistic => value,
            Loss::Squared => value * self.scale * self.scale,
            Loss::Poisson => value * self.scale,
        }
    }
}
