//! Refits of resamples, from the full sample's fit: the anchor.
//!
//! With b the anchor's coefficients, G and H the gradient and the information of a resample there (which
//! take no exponentials, the scores at b being known), and T and Q the third and fourth derivatives of the
//! full sample, scaled to the resample's size, the gradient s away from b is
//!
//! ```text
//! g(b + s) = G - H s - T[s, s] / 2 - Q[s, s, s] / 6 - ...
//! ```
//!
//! Its root is the start: with n rows s is of the order n^-1/2, and the start is off by n^-3/2, T and Q
//! being those of another sample. What it leaves of the gradient is G - H s less the bend, the resample's own
//! higher terms, which are small, so that single precision serves to sum them (`kernels::bend`). A step from
//! there, with the information that the expansion gives, leads to the optimum, where the last pass takes the
//! gradient itself, the scores, and what the weights are made of.

mod together;

use std::sync::Arc;

use super::LogisticSpec;
use crate::design::covariates::Covariates;
use crate::error::{Error, Result};
use crate::kernels::{
    ArmSums, AtAnchor, BLOCK, Blocks, Buffers, Lane, REACH, Room, RoughLane, ScoreEquations,
    Source, Tallies, Whereabouts, at_anchor, bend, extremes, near_anchor, round,
};
use crate::linalg::{Cholesky, RANK_TOLERANCE, add, dot, largest, subtract_product};
use crate::monitor::Monitor;
use crate::units::tally::Units;

pub use together::Together;

/// T has as many entries as the cube of the terms, Q as the fourth power: beyond these numbers of terms they
/// would take longer to make, and to use, than the pass they save.
const MOST_TERMS: [usize; 2] = [14, 7];

/// Beyond this number of terms a resample's own information takes longer than the passes it saves, and the
/// full sample's serves.
const MOST_TERMS_OF_ITS_OWN: usize = 20;

/// Rounds by which a start is bettered at most, and the share of the tolerance at which it is good enough: a round
/// takes a quarter of the time of the pass that would otherwise have to be made again.
const MOST_BENDS: usize = 2;
const CLOSE_ENOUGH: f64 = 0.03;

/// The share of the tolerance that is as good as nothing.
const NOTHING_MORE: f64 = 2e-3;

/// How far coefficients go to find out how the weights' sums respond: the error, of the same order, is a share of a
/// correction that is itself a billionth.
const NUDGE: f64 = 1e-4;

/// Passes after which a refit is left to Newton's method; one does, or two, where a resample's own information is at
/// hand, and otherwise rarely more than ten.
const MOST_PASSES: usize = 20;

/// Log odds beyond which a score rounds to 1. Where a refit might lead there, none is made: what it ends in is to be
/// finite, with a gradient that vanishes in every column that counts, and scores inside (0, 1).
const CERTAIN: f64 = 36.0;

/// Resamples in which the treatment keeps less than this share of its variance are left to Newton's method,
/// which looks for separation.
const NEARLY_SEPARATED: f64 = 1e-4;

/// Standardized columns, block by block.
#[derive(Debug, Clone)]
pub enum Columns<'a> {
    /// Kept ready for all models that are made of them, the columns of a block one after the other, and in single
    /// precision as well.
    Ready { lanes: Arc<Vec<Lane>>, rough: Arc<Vec<RoughLane>>, n_columns: usize },
    /// Read and standardized again in each pass, which takes no memory.
    Read(Covariates<'a>),
}

impl Columns<'_> {
    #[must_use]
    pub fn ready(covariates: &Covariates<'_>) -> Self {
        let n_columns = covariates.n_columns();
        let mut lanes = vec![[0.0; BLOCK]; n_columns * covariates.n_rows().div_ceil(BLOCK)];
        for (block, lanes) in lanes.chunks_mut(n_columns.max(1)).enumerate() {
            covariates.load(block * BLOCK, lanes);
        }
        let rough = Arc::new(lanes.iter().map(round).collect());
        Self::Ready { lanes: Arc::new(lanes), rough, n_columns }
    }

    #[must_use]
    pub fn n_columns(&self) -> usize {
        match self {
            Self::Ready { n_columns, .. } => *n_columns,
            Self::Read(covariates) => covariates.n_columns(),
        }
    }
}

impl Source for Columns<'_> {
    fn columns<'b>(&'b self, index: usize, room: &'b mut Room) -> &'b [Lane] {
        match self {
            Self::Ready { lanes, n_columns, .. } => {
                &lanes[index * n_columns..(index + 1) * n_columns]
            }
            Self::Read(covariates) => {
                covariates.load(index * BLOCK, &mut room.columns);
                &room.columns
            }
        }
    }

    fn rough_columns<'b>(&'b self, index: usize, room: &'b mut Room) -> &'b [RoughLane] {
        match self {
            Self::Ready { rough, n_columns, .. } => {
                &rough[index * n_columns..(index + 1) * n_columns]
            }
            Self::Read(covariates) => {
                covariates.load(index * BLOCK, &mut room.columns);
                room.round()
            }
        }
    }
}

/// The full sample's fit, and what the refits of resamples take from it.
#[derive(Debug)]
pub struct Anchor<'a> {
    columns: Columns<'a>,
    beta: Vec<f64>,
    ridge: Vec<f64>,
    aliased: Vec<bool>,
    /// Of every unit: the odds against treatment and for it, and the score.
    odds: [Vec<Lane>; 2],
    scores: Vec<Lane>,
    rough_scores: Vec<RoughLane>,
    /// The largest absolute value of the intercept's column, and of each other.
    largest: Vec<f64>,
    /// Whether no move within reach makes anybody's score a certainty.
    is_inside: bool,
    derivatives: Derivatives,
    /// The information, without the penalty, and the weight of the full sample.
    information: Vec<f64>,
    total: f64,
    /// See [`Self::respond`]; nothing where there are many terms, each of which would take a pass.
    responses: Vec<[ArmSums; 2]>,
    spec: LogisticSpec,
}

/// A refit.
#[derive(Debug)]
pub struct Refit {
    pub beta: Vec<f64>,
    /// Rows and sum of outcomes of each arm, control first.
    pub totals: [[f64; 2]; 2],
    pub sums: [ArmSums; 2],
}

/// How far a refit is.
struct Course {
    /// Of each arm, control first, and of both.
    rows: [f64; 2],
    total: f64,
    /// G and H, without the penalty.
    gradient: Vec<f64>,
    information: Vec<f64>,
    step: Vec<f64>,
    /// Of the penalized information at the start.
    factor: Cholesky,
}

/// A resample as the passes see it.
pub struct Resampled<'r, 'a, U> {
    pub columns: &'r Columns<'a>,
    pub units: &'r U,
}

impl<U: Units> Blocks for Resampled<'_, '_, U> {
    fn block<'b>(
        &'b self,
        index: usize,
        wants_outcome: bool,
        buffers: &'b mut Buffers,
    ) -> (&'b [Lane], &'b Tallies) {
        let columns = self.columns.columns(index, &mut buffers.room);
        (columns, self.units.block(index * BLOCK, wants_outcome, &mut buffers.tallies))
    }
}

impl<'a> Anchor<'a> {
    /// The fit `beta` of the full sample `units`.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn new<U: Units>(
        columns: Columns<'a>,
        units: &U,
        beta: Vec<f64>,
        ridge: Vec<f64>,
        spec: LogisticSpec,
        monitor: &Monitor,
    ) -> Result<Self> {
        let n_blocks = units.len().div_ceil(BLOCK);
        let mut room = Room::new(columns.n_columns());
        let mut scores = vec![[0.0; BLOCK]; n_blocks];
        let mut odds = [scores.clone(), scores.clone()];
        for (block, scores) in scores.iter_mut().enumerate() {
            let [against, odds] = odds.each_mut().map(|odds| &mut odds[block]);
            crate::kernels::linear_predictor(&beta, columns.columns(block, &mut room), odds);
            for lane in 0..BLOCK {
                (against[lane], odds[lane]) = ((-odds[lane]).exp(), odds[lane].exp());
                scores[lane] = 1.0 / (1.0 + against[lane]);
            }
        }
        let resampled = Resampled { columns: &columns, units };
        let at = at_anchor(&resampled, columns.n_columns(), &scores, true, &mut Vec::new());
        let information = penalized(&at.equations.information, &ridge);
        let aliased = Cholesky::factor(&information, beta.len(), RANK_TOLERANCE, &[])?;
        let aliased = aliased.aliased().to_vec();
        let total = at.rows[0] + at.rows[1];
        let farthest =
            odds[1].as_flattened().iter().fold(0.0_f64, |most, o| most.max(o.ln().abs()));
        let largest = largest_by_column(&columns, n_blocks);
        let derivatives = Derivatives::new(&resampled, beta.len(), &scores, total, monitor)?;
        let information = at.equations.information;
        let mut anchor = Self {
            columns,
            beta,
            ridge,
            aliased,
            odds,
            rough_scores: scores.iter().map(round).collect(),
            scores,
            largest,
            is_inside: farthest + REACH < CERTAIN,
            derivatives,
            information,
            total,
            responses: Vec::new(),
            spec,
        };
        if !anchor.is_wide() {
            anchor.find_responses(units, monitor)?;
        }
        Ok(anchor)
    }

    #[must_use]
    pub fn columns(&self) -> &Columns<'a> {
        &self.columns
    }

    /// Whether all scores of refits are inside (0, 1); there are none otherwise.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        self.is_inside
    }

    /// Whether refits are best made together.
    #[must_use]
    pub fn is_wide(&self) -> bool {
        self.beta.len() >= together::FEWEST_TERMS
    }

    /// Refit the score to a resample of the anchor's units; `None` where it is too far off, or separated,
    /// or its columns are otherwise collinear: Newton's method then takes over. Leaves the scores.
    ///
    /// # Errors
    /// [`Error::WeightlessArm`], [`Error::Stopped`].
    pub fn refit<U: Units>(
        &self,
        units: &U,
        wants_overlap: bool,
        there: &mut Whereabouts,
        monitor: &Monitor,
    ) -> Result<Option<Refit>> {
        let resampled = Resampled { columns: &self.columns, units };
        let Whereabouts { spread, scores, is_inside } = there;
        *is_inside = self.is_inside;
        if !self.is_inside {
            return Ok(None);
        }
        let Some(mut course) = self.set_out(&resampled, spread)? else { return Ok(None) };
        monitor.check()?;
        if self.has_few_terms() && self.straighten(&mut course, spread).is_none() {
            return Ok(None);
        }
        let Course { rows, total, mut step, factor, .. } = course;
        // What the responses leave of it is to be as little as a last step of Newton's method leaves.
        let mut wanted =
            self.spec.tolerance * total * (NOTHING_MORE / self.share_unknown()).min(1.0);
        let mut secants = Secants::default();
        for _ in 0..MOST_PASSES {
            monitor.check()?;
            let most = self.most(&step);
            let near = near_anchor(&resampled, &step, most, wants_overlap, self.odds(), scores);
            let rest = self.penalized_gradient(near.gradient, &step);
            let norm = largest(&rest);
            if !(near.farthest <= REACH && norm.is_finite()) {
                return Ok(None);
            }
            let change = secants.change(rest, &factor);
            add(&mut step, 1.0, &change);
            if norm <= std::mem::replace(&mut wanted, self.spec.tolerance * total) {
                let beta = self.beta.iter().zip(&step).map(|(b, s)| b + s).collect();
                let totals = [0, 1].map(|arm| [rows[arm], near.outcome[arm]]);
                let sums = self.respond(near.sums, &change, total);
                return Ok(Some(Refit { beta, totals, sums }));
            }
        }
        Ok(None)
    }

    fn odds(&self) -> [&[Lane]; 2] {
        self.odds.each_ref().map(|odds| &odds[..])
    }

    /// About the share by which the responses of a resample are not those of the full sample.
    fn share_unknown(&self) -> f64 {
        if self.responses.is_empty() {
            return 1.0;
        }
        let units = self.scores.len() * BLOCK;
        2.0 * (self.beta.len() as f64 / units as f64).sqrt()
    }

    /// Sums after a last change of the coefficients, which is too small for another pass: they respond to it nearly as
    /// the full sample's do.
    fn respond(&self, mut sums: [ArmSums; 2], change: &[f64], total: f64) -> [ArmSums; 2] {
        for (responses, change) in self.responses.iter().zip(change) {
            for (sums, response) in sums.iter_mut().zip(responses) {
                sums.add(change * total / self.total, response);
            }
        }
        sums
    }

    /// How the weights' sums of the full sample respond to each coefficient.
    fn find_responses<U: Units>(&mut self, units: &U, monitor: &Monitor) -> Result<()> {
        let resampled = Resampled { columns: &self.columns, units };
        let mut scores = Vec::new();
        let mut sums = |step: &[f64]| -> Result<[ArmSums; 2]> {
            monitor.check()?;
            let most = self.most(step);
            Ok(near_anchor(&resampled, step, most, true, self.odds(), &mut scores).sums)
        };
        let mut step = vec![0.0; self.beta.len()];
        let here = sums(&step)?;
        let mut responses = Vec::with_capacity(step.len());
        for k in 0..step.len() {
            step[k] = NUDGE;
            let there = sums(&step)?;
            step[k] = 0.0;
            let mut response = [ArmSums::default(); 2];
            for (arm, response) in response.iter_mut().enumerate() {
                response.add(1.0 / NUDGE, &there[arm]);
                response.add(-1.0 / NUDGE, &here[arm]);
            }
            responses.push(response);
        }
        self.responses = responses;
        Ok(())
    }

    fn has_few_terms(&self) -> bool {
        self.beta.len() <= MOST_TERMS_OF_ITS_OWN
    }

    /// What a resample finds at the anchor, and the start that follows from it by the expansion.
    fn set_out<U: Units>(
        &self,
        resampled: &Resampled<'_, 'a, U>,
        spread: &mut Vec<RoughLane>,
    ) -> Result<Option<Course>> {
        let terms = self.beta.len();
        let AtAnchor { equations, rows } =
            at_anchor(resampled, terms - 1, &self.scores, self.has_few_terms(), spread);
        let ScoreEquations { gradient, mut information } = equations;
        let [control, treated] = rows;
        if treated <= 0.0 || control <= 0.0 {
            let arm = if treated <= 0.0 { "treated" } else { "control" };
            return Err(Error::WeightlessArm { arm });
        }
        let total = control + treated;
        if !self.has_few_terms() {
            let ratio = total / self.total;
            information.iter_mut().zip(&self.information).for_each(|(h, own)| *h = ratio * own);
        }
        if information[0] < NEARLY_SEPARATED * treated * control / total {
            return Ok(None);
        }
        let mut there = penalized(&information, &self.ridge);
        let same_columns = |there: &[f64], tolerance: f64| {
            let factor = Cholesky::factor(there, terms, tolerance, &self.aliased).ok()?;
            (factor.aliased() == self.aliased).then_some(factor)
        };
        let Some(factor) = same_columns(&there, RANK_TOLERANCE) else { return Ok(None) };
        let slope = self.penalized_gradient(gradient.clone(), &vec![0.0; terms]);
        let mut step = slope.clone();
        factor.solve(&mut step);
        for _ in 0..self.derivatives.worthwhile_rounds() {
            let mut rest = slope.clone();
            self.derivatives.subtract_higher_terms(&step, total, &mut rest);
            factor.solve(&mut rest);
            step = rest;
        }
        self.derivatives.move_information(&step, total, &mut there);
        let course = |factor| Course { rows, total, gradient, information, step, factor };
        Ok(same_columns(&there, f64::EPSILON).map(course))
    }

    /// Go on from the start by what is left of the gradient G - H s when the bend is taken off it; `None` where that
    /// leads too far.
    fn straighten(&self, course: &mut Course, spread: &[RoughLane]) -> Option<()> {
        let Course { total, gradient, information, step, factor, .. } = course;
        let mut longest = largest(step);
        for _ in 0..MOST_BENDS {
            let bend = bend(&self.columns, step, self.most(step), &self.rough_scores, spread);
            let mut rest = gradient.clone();
            subtract_product(information, step, &mut rest);
            add(&mut rest, -1.0, &bend.gradient);
            let rest = self.penalized_gradient(rest, step);
            let norm = largest(&rest);
            if !(bend.farthest <= REACH && norm.is_finite()) {
                return None;
            }
            let mut change = rest;
            factor.solve(&mut change);
            add(step, 1.0, &change);
            // The information is off by a share that shows in how much shorter a step is than the one before.
            let shorter = 2.0 * largest(&change) / longest;
            if !(norm * shorter > CLOSE_ENOUGH * self.spec.tolerance * *total) {
                return Some(());
            }
            longest = largest(&change);
        }
        Some(())
    }

    /// No linear predictor moves by more than this when the coefficients do so by `step`.
    fn most(&self, step: &[f64]) -> f64 {
        step.iter().zip(&self.largest).map(|(s, x)| s.abs() * x).sum()
    }

    /// The gradient with the penalty's part, zero where a coefficient is held.
    fn penalized_gradient(&self, mut gradient: Vec<f64>, step: &[f64]) -> Vec<f64> {
        for (k, slope) in gradient.iter_mut().enumerate() {
            *slope -= self.ridge[k] * (self.beta[k] + step[k]);
            if self.aliased[k] {
                *slope = 0.0;
            }
        }
        gradient
    }
}

fn largest_by_column(columns: &Columns<'_>, n_blocks: usize) -> Vec<f64> {
    let mut largest: Vec<f64> = vec![1.0];
    largest.resize(columns.n_columns() + 1, 0.0);
    let mut room = Room::new(columns.n_columns());
    for block in 0..n_blocks {
        for (largest, lane) in largest[1..].iter_mut().zip(columns.columns(block, &mut room)) {
            let [low, high] = extremes(lane);
            *largest = largest.max(-low).max(high);
        }
    }
    largest
}

/// What the gradients so far say of the information, on top of an estimate of it: the two loops of L-BFGS
/// (Nocedal and Wright 2006, algorithm 7.4), every pair kept.
#[derive(Debug, Default)]
struct Secants {
    /// Changes of the coefficients, and what these took off the gradient.
    pairs: Vec<(Vec<f64>, Vec<f64>)>,
    last: Option<(Vec<f64>, Vec<f64>)>,
}

impl Secants {
    /// The next change of the coefficients, where the gradient is `gradient`.
    fn change(&mut self, gradient: Vec<f64>, information: &Cholesky) -> Vec<f64> {
        if let Some((change, mut before)) = self.last.take() {
            add(&mut before, -1.0, &gradient);
            if dot(&change, &before) > 0.0 {
                self.pairs.push((change, before));
            }
        }
        let mut next = gradient.clone();
        let mut shares = Vec::new();
        for (change, fall) in self.pairs.iter().rev() {
            let share = dot(change, &next) / dot(change, fall);
            add(&mut next, -share, fall);
            shares.push(share);
        }
        information.solve(&mut next);
        for ((change, fall), share) in self.pairs.iter().zip(shares.iter().rev()) {
            let again = dot(fall, &next) / dot(change, fall);
            add(&mut next, share - again, change);
        }
        self.last = Some((next.clone(), gradient));
        next
    }
}

fn penalized(information: &[f64], ridge: &[f64]) -> Vec<f64> {
    let mut information = information.to_vec();
    for (k, penalty) in ridge.iter().enumerate() {
        information[k * ridge.len() + k] += penalty;
    }
    information
}

/// Third and fourth derivatives of minus the log-likelihood, a unit of weight each, every entry of the
/// symmetric arrays filled.
#[derive(Debug)]
struct Derivatives {
    terms: usize,
    third: Option<Vec<f64>>,
    fourth: Option<Vec<f64>>,
}

impl Derivatives {
    /// With v = p (1 - p), T is the sum of x x x v (1 - 2 p) and Q that of x x x x v (1 - 6 v).
    fn new<U: Units>(
        resampled: &Resampled<'_, '_, U>,
        terms: usize,
        scores: &[Lane],
        total: f64,
        monitor: &Monitor,
    ) -> Result<Self> {
        let [third, fourth] = MOST_TERMS.map(|most| terms <= most);
        let third = third.then(|| {
            let curve = |p: f64| p * (1.0 - p) * (1.0 - 2.0 * p);
            let one = |k| products(resampled, scores, terms, curve, &[k], monitor);
            per_unit((0..terms).map(one), total)
        });
        let fourth = fourth.then(|| {
            let curve = |p: f64| p * (1.0 - p) * (1.0 - 6.0 * p * (1.0 - p));
            let pairs = (0..terms).flat_map(|j| (0..terms).map(move |k| [j, k]));
            let one = |pair: [usize; 2]| products(resampled, scores, terms, curve, &pair, monitor);
            per_unit(pairs.map(one), total)
        });
        Ok(Self { terms, third: third.transpose()?, fourth: fourth.transpose()? })
    }

    /// Rounds of the fixed-point iteration for the start: each brings another power of s.
    fn worthwhile_rounds(&self) -> usize {
        match (&self.third, &self.fourth) {
            (None, _) => 0,
            (_, None) => 2,
            _ => 3,
        }
    }

    /// Take T[s, s] / 2 + Q[s, s, s] / 6 away.
    fn subtract_higher_terms(&self, step: &[f64], total: f64, gradient: &mut [f64]) {
        let contract = |entries: &[f64], factor: f64, rest: &mut [f64]| {
            for (rest, row) in rest.iter_mut().zip(entries.chunks_exact(self.terms)) {
                *rest += factor * row.iter().zip(step).map(|(a, s)| a * s).sum::<f64>();
            }
        };
        let mut matrix = vec![0.0; self.terms * self.terms];
        if let Some(third) = &self.third {
            contract(third, 0.5 * total, &mut matrix);
        }
        if let Some(fourth) = &self.fourth {
            let mut cube = vec![0.0; self.terms * self.terms * self.terms];
            contract(fourth, total / 6.0, &mut cube);
            contract(&cube, 1.0, &mut matrix);
        }
        contract(&matrix, -1.0, gradient);
    }

    /// The information s away: H + T[s] + Q[s, s] / 2.
    fn move_information(&self, step: &[f64], total: f64, information: &mut [f64]) {
        let size = self.terms * self.terms;
        for (third, s) in self.third.iter().flat_map(|third| third.chunks_exact(size)).zip(step) {
            information.iter_mut().zip(third).for_each(|(h, t)| *h += total * s * t);
        }
        let pairs = step.iter().flat_map(|a| step.iter().map(move |b| a * b / 2.0));
        for (fourth, s) in self.fourth.iter().flat_map(|q| q.chunks_exact(size)).zip(pairs) {
            information.iter_mut().zip(fourth).for_each(|(h, q)| *h += total * s * q);
        }
    }
}

/// The matrix of sums of x x' f(p) times the columns `beside`, over all rows.
fn products<U: Units>(
    resampled: &Resampled<'_, '_, U>,
    scores: &[Lane],
    terms: usize,
    f: impl Fn(f64) -> f64,
    beside: &[usize],
    monitor: &Monitor,
) -> Result<Vec<f64>> {
    monitor.check()?;
    let mut equations = ScoreEquations::new(terms);
    let mut buffers = Buffers::new(terms - 1);
    for (index, scores) in scores.iter().enumerate() {
        let (columns, tallies) = resampled.block(index, false, &mut buffers);
        let mut spread = [0.0; BLOCK];
        for lane in 0..BLOCK {
            spread[lane] = (tallies.rows[0][lane] + tallies.rows[1][lane]) * f(scores[lane]);
        }
        for column in beside.iter().filter(|k| **k > 0).map(|k| &columns[k - 1]) {
            spread.iter_mut().zip(column).for_each(|(s, x)| *s *= x);
        }
        equations.add_products(columns, &[0.0; BLOCK], &spread);
    }
    for row in 0..terms {
        for column in 0..row {
            equations.information[row * terms + column] =
                equations.information[column * terms + row];
        }
    }
    Ok(equations.information)
}

/// All entries of some matrices, a unit of weight each.
fn per_unit(matrices: impl Iterator<Item = Result<Vec<f64>>>, total: f64) -> Result<Vec<f64>> {
    let matrices: Vec<Vec<f64>> = matrices.collect::<Result<_>>()?;
    Ok(matrices.into_iter().flatten().map(|sum| sum / total).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resampling::stream::Stream;
    use crate::resampling::urn::Urn;
    use crate::score::logistic::{Likelihood, Sweep, maximize, standardized_penalty};
    use crate::units::tally::Outcomes;
    use ndarray::Array2;

    /// Rows without a pattern, whose treatment follows the first columns.
    pub fn world(n: usize, d: usize) -> (Array2<f64>, Vec<bool>, Vec<f64>) {
        let mut stream = Stream::new(9, 0);
        let mut normal = || (0..4).map(|_| stream.exponential() - 1.0).sum::<f64>() / 2.0;
        let x = Array2::from_shape_fn((n, d), |_| normal());
        let treatment = (0..n).map(|i| 0.5 * x[(i, 0)] - x[(i, d - 1)] + normal() > 0.3).collect();
        (x, treatment, (0..n).map(|i| (i % 5) as f64).collect())
    }

    pub fn rows<'a>(
        treatment: &'a [bool],
        outcome: &'a [f64],
        counts: Option<&'a [u32]>,
    ) -> Outcomes<'a, u32> {
        Outcomes { treatment, outcome, sample_weight: None, counts }
    }

    #[test]
    fn refits_are_those_of_newtons_method() {
        for (d, penalty, n) in [(2, 0.0, 2500), (6, 3.0, 2500), (12, 0.0, 3000), (45, 1.0, 6000)] {
            let (x, treatment, outcome) = world(n, d);
            let covariates = Covariates::standardized(x.view()).unwrap();
            let (monitor, spec) = (Monitor::default(), LogisticSpec::default());
            let newton = |units: &Outcomes<'_, u32>| {
                let likelihood =
                    Likelihood::new(&covariates, units, penalty, Sweep::Serial).unwrap();
                maximize(&likelihood, None, &spec, &monitor).unwrap().beta
            };
            let full = rows(&treatment, &outcome, None);
            let ridge = standardized_penalty(&covariates, penalty);
            let read = Columns::Read(covariates.clone());
            let anchors = [Columns::ready(&covariates), read].map(|columns| {
                Anchor::new(columns, &full, newton(&full), ridge.clone(), spec, &monitor).unwrap()
            });
            let (urn, mut counts) = (Urn::of_rows(n, true), vec![0; n]);
            for replicate in 0..3 {
                urn.draw(&mut Stream::new(3, replicate), &mut counts);
                let units = rows(&treatment, &outcome, Some(&counts));
                let mut there = Whereabouts::default();
                let expected = newton(&units);
                let found = anchors.each_ref().map(|anchor| {
                    anchor.refit(&units, false, &mut there, &monitor).unwrap().unwrap()
                });
                for (a, b) in expected.iter().zip(&found[0].beta) {
                    assert!((a - b).abs() < 1e-8, "{d}: {a} {b}");
                }
                assert_eq!(found[0].beta, found[1].beta);
                let probabilities = covariates.probabilities(&expected);
                for (a, b) in probabilities.iter().zip(there.scores.as_flattened()) {
                    assert!((a - b).abs() < 1e-8);
                }
            }
        }
    }

    #[test]
    fn refit_leaves_a_separated_resample_to_newtons_method() {
        let (x, treatment, outcome) = world(2000, 2);
        let covariates = Covariates::standardized(x.view()).unwrap();
        let counts: Vec<u32> = treatment
            .iter()
            .zip(x.column(0))
            .map(|(treated, x)| u32::from(*treated == (*x > 0.0)))
            .collect();
        let (monitor, spec, full) =
            (Monitor::default(), LogisticSpec::default(), rows(&treatment, &outcome, None));
        let likelihood = Likelihood::new(&covariates, &full, 0.0, Sweep::Serial).unwrap();
        let beta = maximize(&likelihood, None, &spec, &monitor).unwrap().beta;
        let anchor =
            Anchor::new(Columns::ready(&covariates), &full, beta, vec![0.0; 3], spec, &monitor)
                .unwrap();
        let found = anchor
            .refit(
                &rows(&treatment, &outcome, Some(&counts)),
                false,
                &mut Whereabouts::default(),
                &monitor,
            )
            .unwrap();
        assert!(found.is_none());
    }
}
