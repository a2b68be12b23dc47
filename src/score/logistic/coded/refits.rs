//! Refits of several resamples at once, over a coded design.
//!
//! The first pass of a resample makes its own information at the full sample's fit, from which its optimum is so little
//! away that the steps made of it leave a few hundredths of the gradient each; those that follow look for gradients alone,
//! and for the least one among the combinations of all before (`anderson`). Where that takes the gradient down by less
//! than a third, as where a level is treated all or none, the information is made anew: that is Newton's method.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::super::warm_start::anderson::Anderson;
use crate::design::arrow::ArrowFactor;
use crate::design::coded::{Coded, Loaded, Passes, Residuals, Ridge, Said, Sums};
use crate::error::{Error, Result};
use crate::kernels::{BLOCK, Lane, logistic_residuals, weighted_residuals};
use crate::linalg::{add, largest};
use crate::monitor::Monitor;
use crate::score::newton::separates;
use crate::units::tally::Count;

/// A gradient, a row, after which scores are kept: the pass may be the last.
const NEARLY_DONE: f64 = 1e-5;

/// A term's share of its square, among the rows drawn, up to which others explain it.
const COLLINEAR: f64 = 1e-9;

/// The share of a gradient that a step may leave before the information is made anew.
const SLOW: f64 = 1.0 / 3.0;

/// Passes after which a resample is left to others: Newton's method takes about 30 where a level is separated.
const MOST_PASSES: usize = 60;

/// Numbers of the sums that resamples which are refitted together have, all told.
const MOST_NUMBERS: usize = 1 << 21;
const MOST_AT_A_TIME: usize = 8;

/// How far a pass may leave the gradient from zero, beside what the full sample's fit may: scores are then right to the
/// last digits that a fit from nothing, whose last step is free, has.
const FINER: f64 = 1e-2;

/// The full sample's fit, and its rows: of each the event that is modelled, which is the treatment of a score, 1 or 0, or
/// an outcome from 0 to 1, and what it weighs.
pub struct Refits<'d, 'x> {
    design: &'d Coded<'x>,
    passes: Arc<Passes<'d, 'x>>,
    events: Vec<Lane>,
    sample_weight: Option<&'d [f64]>,
    start: Vec<f64>,
    penalty: f64,
    tolerance: f64,
}

/// A resample whose optimum is looked for.
struct Search {
    resample: usize,
    theta: Vec<f64>,
    /// None where it is to be made in the next pass.
    information: Option<ArrowFactor>,
    mixing: Anderson,
    norm: f64,
    keeps_scores: bool,
    has_begun: bool,
}

/// What a pass adds up for one.
enum Pass {
    Newton(Box<Sums>),
    Gradient(Residuals),
}

/// How a resample's search ended: with its coefficients, its scores being left; none where others have to look.
pub type Refitted = Result<Option<Vec<f64>>>;

impl<'d, 'x> Refits<'d, 'x> {
    /// From the fit `start` of rows, with a penalty on the caller's scale on all of them together.
    #[must_use]
    pub fn over(
        passes: Arc<Passes<'d, 'x>>,
        events: Vec<Lane>,
        sample_weight: Option<&'d [f64]>,
        start: Vec<f64>,
        penalty: f64,
        tolerance: f64,
    ) -> Self {
        let (design, tolerance) = (passes.design(), tolerance * FINER);
        Self { design, passes, events, sample_weight, start, penalty, tolerance }
    }

    /// How many resamples had best be refitted together.
    #[must_use]
    pub fn at_a_time(&self) -> usize {
        (MOST_NUMBERS / Sums::entries(self.design).max(1)).clamp(1, MOST_AT_A_TIME)
    }

    /// Refit rows that are counted in several ways.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn refit<W: Count>(
        &self,
        counts: &[&[W]],
        scores: &mut [&mut Vec<Lane>],
        monitor: &Monitor,
    ) -> Result<Vec<Refitted>> {
        let mut found: Vec<Refitted> = counts.iter().map(|_| Ok(None)).collect();
        let totals: Vec<[f64; 2]> = counts.iter().map(|counts| self.totals(counts)).collect();
        let mut searches = Vec::new();
        for (resample, totals) in totals.iter().enumerate() {
            match both_there(*totals) {
                Ok(()) => searches.push(self.begin(resample)),
                Err(error) => found[resample] = Err(error),
            }
        }
        for own in scores.iter_mut() {
            own.resize(self.events.len(), [0.0; BLOCK]);
        }
        for _ in 0..MOST_PASSES {
            if searches.is_empty() {
                break;
            }
            monitor.check()?;
            let passed = self.pass(&searches, counts, scores);
            let mut left = Vec::new();
            for (search, pass) in searches.into_iter().zip(passed) {
                let resample = search.resample;
                match self.next(search, pass, totals[resample]) {
                    Ok(ControlFlow::Continue(search)) => left.push(search),
                    Ok(ControlFlow::Break(theta)) => found[resample] = Ok(theta),
                    Err(error) => found[resample] = Err(error),
                }
            }
            searches = left;
        }
        monitor.check()?;
        Ok(found)
    }

    fn begin(&self, resample: usize) -> Search {
        Search {
            resample,
            theta: self.start.clone(),
            information: None,
            mixing: Anderson::default(),
            norm: f64::INFINITY,
            keeps_scores: false,
            has_begun: false,
        }
    }

    /// The weight of all that is no event, and of all events.
    fn totals<W: Count>(&self, counts: &[W]) -> [f64; 2] {
        let mut totals = [0.0; 2];
        for (row, (count, event)) in counts.iter().zip(self.events.as_flattened()).enumerate() {
            let weight = self.sample_weight.map_or(1.0, |weights| weights[row]);
            let own = (*count).into() * weight;
            totals = [totals[0] + own * (1.0 - event), totals[1] + own * event];
        }
        totals
    }

    /// One pass over the rows for all.
    fn pass<W: Count>(
        &self,
        searches: &[Search],
        counts: &[&[W]],
        scores: &mut [&mut Vec<Lane>],
    ) -> Vec<Pass> {
        let said: Vec<Said> = searches.iter().map(|one| self.passes.said(&one.theta)).collect();
        let start = |search: &Search| match search.information {
            None => Pass::Newton(Box::new(Sums::new(self.design))),
            Some(_) => Pass::Gradient(self.passes.no_residuals()),
        };
        let mut sums: Vec<Pass> = searches.iter().map(start).collect();
        let [mut eta, mut weights, mut unwanted] = [[0.0; BLOCK]; 3];
        self.passes.each_block(|block, loaded| {
            for ((search, said), sums) in searches.iter().zip(&said).zip(&mut sums) {
                self.weigh(counts[search.resample], loaded, &mut weights);
                if !search.keeps_scores && weights.iter().all(|weight| *weight == 0.0) {
                    continue; // as blocks of the arm whose outcomes are not modelled are
                }
                self.passes.linear(said, block, loaded.columns, &mut eta);
                let own = &mut scores[search.resample][block];
                let scores = if search.keeps_scores { own } else { &mut unwanted };
                self.add(sums, block, loaded, &eta, &weights, scores);
            }
        });
        sums
    }

    /// The weights of a block's rows, padded with zeros.
    fn weigh<W: Count>(&self, counts: &[W], loaded: &Loaded<'_>, weights: &mut Lane) {
        let (own, padding) = weights.split_at_mut(loaded.rows.len());
        padding.fill(0.0);
        let counts = &counts[loaded.rows.clone()];
        own.iter_mut().zip(counts).for_each(|(weight, count)| *weight = (*count).into());
        if let Some(sample_weight) = self.sample_weight {
            let factors = &sample_weight[loaded.rows.clone()];
            own.iter_mut().zip(factors).for_each(|(weight, factor)| *weight *= factor);
        }
    }

    fn add(
        &self,
        sums: &mut Pass,
        block: usize,
        loaded: &Loaded<'_>,
        eta: &Lane,
        weights: &Lane,
        scores: &mut Lane,
    ) {
        let (events, mut residual) = (&self.events[block], [0.0; BLOCK]);
        match sums {
            Pass::Gradient(sums) => {
                weighted_residuals(eta, weights, events, scores, &mut residual);
                self.passes.add(sums, block, loaded.columns, &residual);
            }
            Pass::Newton(sums) => {
                let (mut successes, mut spread) = ([0.0; BLOCK], [0.0; BLOCK]);
                let own = weights.iter().zip(events).map(|(weight, event)| weight * event);
                successes.iter_mut().zip(own).for_each(|(slot, value)| *slot = value);
                weighted_residuals(eta, weights, events, scores, &mut residual);
                logistic_residuals(eta, weights, &successes, &mut residual, &mut spread);
                sums.add(self.design, loaded, &residual, &spread);
            }
        }
    }

    /// A search after its next step; its coefficients where the gradient vanishes.
    fn next(
        &self,
        mut search: Search,
        pass: Pass,
        [failures, successes]: [f64; 2],
    ) -> Result<ControlFlow<Option<Vec<f64>>, Search>> {
        let (design, total) = (self.design, failures + successes);
        let ridge = Ridge { design, strength: self.penalty };
        // 1. The gradient, and where it was asked for the information.
        let (mut gradient, residual) = match &pass {
            Pass::Gradient(sums) => self.passes.gradient(sums),
            Pass::Newton(sums) => (sums.gradient(design), sums.totals()[0]),
        };
        ridge.take_off(&search.theta, &mut gradient);
        let norm = largest(&design.standardized_gradient(&gradient, residual)) / total;
        if !norm.is_finite() {
            return Ok(ControlFlow::Break(None));
        }
        if let Pass::Newton(sums) = pass {
            let [_, variance] = sums.totals();
            if self.penalty == 0.0 && separates(successes, total, variance) {
                return Ok(ControlFlow::Break(None)); // which others say in full
            }
            let mut arrow = sums.arrow(design);
            ridge.add(&mut arrow);
            arrow.hold_empty();
            let information = arrow.factor()?;
            if !search.has_begun && information.least_pivot <= COLLINEAR {
                return Ok(ControlFlow::Break(None));
            }
            search.has_begun = true;
            search.information = Some(information);
            search.mixing = Anderson::default();
        } else if norm <= self.tolerance && search.keeps_scores {
            // 2. Done, with the scores of this pass.
            return Ok(ControlFlow::Break(Some(search.theta)));
        } else if !(norm < SLOW * search.norm) && norm > self.tolerance {
            search.information = None;
            search.norm = f64::INFINITY;
            return Ok(ControlFlow::Continue(search));
        }
        // 3. The step.
        search.norm = norm;
        search.keeps_scores = norm <= NEARLY_DONE;
        if norm > self.tolerance
            && let Some(information) = &search.information
        {
            let mut newton = gradient.clone();
            information.solve(&mut newton);
            add(&mut search.theta, 1.0, &search.mixing.change(gradient, newton));
        }
        Ok(ControlFlow::Continue(search))
    }
}

fn both_there([control, treated]: [f64; 2]) -> Result<()> {
    for (arm, weight) in [("treated", treated), ("control", control)] {
        if !(weight > 0.0) {
            return Err(Error::WeightlessArm { arm });
        }
    }
    Ok(())
}
