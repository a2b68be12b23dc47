//! Warm starts: refits of resamples from the expansion of the likelihood at the full sample's optimum.
//!
//! With b the full sample's coefficients, G and H the gradient and the information of a resample there (which take no
//! exponentials, the scores at b being known), and T the third derivatives of the full sample, scaled to the resample's
//! size, the gradient a step s away from b is
//!
//! ```text
//! g(b + s) = G - H s - T[s, s] / 2 - ...
//! ```
//!
//! 1. Its root is where the search starts: with n rows s is of the order n^-1/2, and its error of the order n^-3/2,
//!    T being that of another sample.
//! 2. Of few columns, the resample's own remainder, all that g(b + s) has beyond G - H s, is small and needs few digits:
//!    a pass in single precision (`kernels::remainder`) takes a quarter of the time of the next one, and spares it.
//! 3. A pass a step away from b gives the gradient itself, the scores, and what the weights are made of
//!    (`kernels::at_step`).
//! 4. Steps with the information that the expansion gives, mixed by what the gradients so far tell (`anderson`), lead
//!    on. The last one is too small for another pass: the sums respond to it as those of the full sample do.
//!
//! With many terms, rows that do not repeat are refitted several resamples at a time (`batch`), by the full sample's
//! information.

mod anderson;
mod batch;
mod responses;
#[cfg(test)]
mod tests;
mod third_derivatives;

use super::columns::{Columns, Resampled};
use crate::error::{Error, Result};
use crate::kernels::{
    ArmSums, AtFullFit, BLOCK, FEW_COLUMNS, FittedScores, LONGEST_MOVE, Lane, Room, ScoreEquations,
    SingleLane, Source, at_full_fit, at_step, linear_predictor, remainder, round,
};
use crate::linalg::{Cholesky, RANK_TOLERANCE, add, largest, subtract_product};
use crate::monitor::Monitor;
use crate::score::spec::PropensitySpec;
use crate::units::tally::Units;
use responses::Responses;
use third_derivatives::ThirdDerivatives;

pub(super) use anderson::Anderson;
pub use batch::Batch;

/// Beyond this number of terms a resample's own information takes longer than the passes it saves, and the
/// full sample's serves.
const MOST_TERMS_OF_ITS_OWN: usize = 20;

/// Passes for the remainder, at most, and the share of the tolerance at which their step is close enough.
const MOST_REMAINDERS: usize = 2;
const CLOSE_ENOUGH: f64 = 0.03;

/// A gradient per row this small moves sums of weights no more than what Newton's last step leaves of it.
const NOTHING_MORE: f64 = 2e-13;
/// The smallest gradient per row that rounding lets every column reach.
const FINEST: f64 = 1e-12;

/// Passes after which a refit is left to Newton's method; one to three do where a resample's own information is at
/// hand, and otherwise rarely more than ten.
const MOST_PASSES: usize = 20;

/// Log odds beyond which a score rounds to 1. Where a refit might lead there, none is made: what it ends in is to be
/// finite, with a gradient that vanishes in every column that counts, and scores inside (0, 1).
const CERTAIN: f64 = 36.0;

/// Resamples in which the treatment keeps less than this share of its variance are left to Newton's method,
/// which looks for separation.
const NEARLY_SEPARATED: f64 = 1e-4;

/// The full sample's fit, and what the refits of resamples take from it.
#[derive(Debug)]
pub struct WarmStart<'a> {
    columns: Columns<'a>,
    beta: Vec<f64>,
    ridge: Vec<f64>,
    aliased: Vec<bool>,
    /// Of every unit: the odds against treatment and for it, and the score.
    odds: [Vec<Lane>; 2],
    scores: Vec<Lane>,
    single_scores: Vec<SingleLane>,
    /// The largest absolute value of the intercept's column, and of each other.
    largest: Vec<f64>,
    /// Whether no move that refits may make leads to a score that is a certainty.
    is_inside: bool,
    third: ThirdDerivatives,
    /// The information, without the penalty, and the weight of the full sample.
    information: Vec<f64>,
    total: f64,
    /// None where there are many terms, each of which would take a pass.
    responses: Responses,
    spec: PropensitySpec,
}

/// A refit.
#[derive(Debug)]
pub struct Refit {
    pub beta: Vec<f64>,
    /// Rows and sum of outcomes of each arm, control first.
    pub totals: [[f64; 2]; 2],
    pub sums: [ArmSums; 2],
}

/// Where the search for a resample's optimum starts.
struct Start {
    /// The weight of either arm, control first.
    rows: [f64; 2],
    /// Their sum.
    total: f64,
    /// G and H, without the penalty.
    equations: ScoreEquations,
    /// The root of the expansion, measured from the full sample's coefficients.
    step: Vec<f64>,
    /// Of the penalized information there.
    factor: Cholesky,
}

impl<'a> WarmStart<'a> {
    /// The fit `beta` of the full sample `units`.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn new<U: Units>(
        columns: Columns<'a>,
        units: &U,
        beta: Vec<f64>,
        ridge: Vec<f64>,
        spec: PropensitySpec,
        monitor: &Monitor,
    ) -> Result<Self> {
        let n_blocks = units.len().div_ceil(BLOCK);
        let (odds, scores, farthest) = fitted(&columns, &beta, n_blocks);
        let resampled = Resampled { columns: &columns, units };
        let at = at_full_fit(&resampled, columns.n_columns(), &scores, true, &mut Vec::new());
        let information = at.equations.information;
        let factor =
            Cholesky::factor(&penalized(&information, &ridge), beta.len(), RANK_TOLERANCE, &[])?;
        let total = at.rows[0] + at.rows[1];
        let third = ThirdDerivatives::new(&resampled, beta.len(), &scores, total, monitor)?;
        let mut start = Self {
            largest: columns.largest_values(n_blocks),
            columns,
            beta,
            ridge,
            aliased: factor.aliased().to_vec(),
            odds,
            single_scores: scores.iter().map(round).collect(),
            scores,
            is_inside: farthest + LONGEST_MOVE < CERTAIN,
            third,
            information,
            total,
            responses: Responses::default(),
            spec,
        };
        if !start.is_wide() {
            let resampled = Resampled { columns: &start.columns, units };
            let mut scores = Vec::new();
            start.responses = Responses::find(start.beta.len(), |step| {
                monitor.check()?;
                let most = start.longest_move(step);
                Ok(at_step(&resampled, step, most, true, start.odds(), &mut scores).sums)
            })?;
        }
        Ok(start)
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

    /// Whether refits of rows are best made in batches.
    #[must_use]
    pub fn is_wide(&self) -> bool {
        self.beta.len() >= batch::FEWEST_TERMS
    }

    /// Refit the score to a resample of the full sample's units; `None` where it is too far off, or separated,
    /// or its columns are otherwise collinear: Newton's method then takes over. Leaves the scores.
    ///
    /// # Errors
    /// [`Error::WeightlessArm`], [`Error::Stopped`].
    pub fn refit<U: Units>(
        &self,
        units: &U,
        wants_overlap: bool,
        scores: &mut FittedScores,
        monitor: &Monitor,
    ) -> Result<Option<Refit>> {
        let resampled = Resampled { columns: &self.columns, units };
        let FittedScores { values: scores, are_inside, variances } = scores;
        *are_inside = self.is_inside;
        if !self.is_inside {
            return Ok(None);
        }

        // 1. The root of the expansion, from a pass without exponentials.
        let Some(mut start) = self.start(&resampled, variances)? else { return Ok(None) };
        monitor.check()?;

        // 2. Of few columns: what the expansion leaves out, in single precision.
        if self.columns.n_columns() <= FEW_COLUMNS && self.correct(&mut start, variances).is_none()
        {
            return Ok(None);
        }
        let Start { rows, total, mut step, factor, .. } = start;

        // What the responses do not tell of the last change is to be next to nothing.
        let unknown = self.responses.share_unknown(self.scores.len() * BLOCK);
        let enough = (NOTHING_MORE / unknown).max(FINEST).min(self.spec.tolerance);
        let mut wanted = enough * total;
        let mut mixing = Anderson::default();
        for _ in 0..MOST_PASSES {
            monitor.check()?;

            // 3. The gradient there, the scores, and what the weights are made of.
            let most = self.longest_move(&step);
            let at = at_step(&resampled, &step, most, wants_overlap, self.odds(), scores);
            let rest = self.penalized_gradient(at.gradient, &step);
            let norm = largest(&rest);
            if !(at.longest_move <= LONGEST_MOVE && norm.is_finite()) {
                return Ok(None);
            }

            // 4. The next step; done where the gradient was as good as nothing.
            let mut newton = rest.clone();
            factor.solve(&mut newton);
            let change = mixing.change(rest, newton);
            add(&mut step, 1.0, &change);
            if norm <= std::mem::replace(&mut wanted, self.spec.tolerance * total) {
                let beta = self.moved(&step);
                let totals = [0, 1].map(|arm| [rows[arm], at.outcome[arm]]);
                let sums = self.responses.after(at.sums, &change, total / self.total);
                return Ok(Some(Refit { beta, totals, sums }));
            }
        }
        Ok(None)
    }

    /// What a resample finds at the full sample's fit, and the root of the expansion that follows from it.
    fn start<U: Units>(
        &self,
        resampled: &Resampled<'_, 'a, U>,
        variances: &mut Vec<SingleLane>,
    ) -> Result<Option<Start>> {
        let terms = self.beta.len();
        let has_own = terms <= MOST_TERMS_OF_ITS_OWN;
        let AtFullFit { mut equations, variance, rows } =
            at_full_fit(resampled, terms - 1, &self.scores, has_own, variances);
        let Some(total) = total_weight(rows, variance)? else { return Ok(None) };
        if !has_own {
            let ratio = total / self.total;
            equations.information = self.information.iter().map(|full| ratio * full).collect();
        }
        let mut information = penalized(&equations.information, &self.ridge);
        let same_columns = |information: &[f64], tolerance: f64| {
            let factor = Cholesky::factor(information, terms, tolerance, &self.aliased).ok()?;
            (factor.aliased() == self.aliased).then_some(factor)
        };
        let Some(factor) = same_columns(&information, RANK_TOLERANCE) else { return Ok(None) };
        let slope = self.penalized_gradient(equations.gradient.clone(), &vec![0.0; terms]);
        let mut step = slope.clone();
        factor.solve(&mut step);
        for _ in 0..self.third.worthwhile_rounds() {
            let mut rest = slope.clone();
            self.third.subtract_from_gradient(&step, total, &mut rest);
            factor.solve(&mut rest);
            step = rest;
        }
        self.third.move_information(&step, total, &mut information);
        let factor = same_columns(&information, f64::EPSILON);
        Ok(factor.map(|factor| Start { rows, total, equations, step, factor }))
    }

    /// Go on from the start by what is left of the gradient G - H s when the remainder is taken off it; `None` where that
    /// leads too far.
    fn correct(&self, start: &mut Start, variances: &[SingleLane]) -> Option<()> {
        let Start { total, equations: ScoreEquations { gradient, information }, .. } = &*start;
        let wanted = CLOSE_ENOUGH * self.spec.tolerance * total;
        let (mut step, mut longest) = (start.step.clone(), largest(&start.step));
        for _ in 0..MOST_REMAINDERS {
            let most = self.longest_move(&step);
            let beyond = remainder(&self.columns, &step, most, &self.single_scores, variances);
            let mut rest = gradient.clone();
            subtract_product(information, &step, &mut rest);
            add(&mut rest, -1.0, &beyond.gradient);
            let mut change = self.penalized_gradient(rest, &step);
            let norm = largest(&change);
            if !(beyond.longest_move <= LONGEST_MOVE && norm.is_finite()) {
                return None;
            }
            start.factor.solve(&mut change);
            add(&mut step, 1.0, &change);
            // The information is off by a share that shows in how much shorter a step is than the one before.
            let shorter = 2.0 * largest(&change) / longest;
            if !(norm * shorter > wanted) {
                break;
            }
            longest = largest(&change);
        }
        start.step = step;
        Some(())
    }

    fn odds(&self) -> [&[Lane]; 2] {
        self.odds.each_ref().map(|odds| &odds[..])
    }

    /// The coefficients so far from the full sample's.
    fn moved(&self, step: &[f64]) -> Vec<f64> {
        self.beta.iter().zip(step).map(|(b, s)| b + s).collect()
    }

    /// No linear predictor moves by more than this when the coefficients do so by `step`.
    fn longest_move(&self, step: &[f64]) -> f64 {
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

/// The odds against treatment and for it, the scores, and the largest absolute log odds.
fn fitted(
    columns: &Columns<'_>,
    beta: &[f64],
    n_blocks: usize,
) -> ([Vec<Lane>; 2], Vec<Lane>, f64) {
    let mut room = Room::new(columns.n_columns());
    let mut scores = vec![[0.0; BLOCK]; n_blocks];
    let mut odds = [scores.clone(), scores.clone()];
    for (block, scores) in scores.iter_mut().enumerate() {
        let [against, odds] = odds.each_mut().map(|odds| &mut odds[block]);
        linear_predictor(beta, columns.columns(block, &mut room), odds);
        for lane in 0..BLOCK {
            (against[lane], odds[lane]) = ((-odds[lane]).exp(), odds[lane].exp());
            scores[lane] = 1.0 / (1.0 + against[lane]);
        }
    }
    let farthest = odds[1].as_flattened().iter().fold(0.0_f64, |most, o| most.max(o.ln().abs()));
    (odds, scores, farthest)
}

/// The weight of a resample's rows; none where the full sample's scores nearly separate its arms, `variance` being
/// what they leave of the treatment's.
///
/// # Errors
/// [`Error::WeightlessArm`].
fn total_weight([control, treated]: [f64; 2], variance: f64) -> Result<Option<f64>> {
    if treated <= 0.0 || control <= 0.0 {
        let arm = if treated <= 0.0 { "treated" } else { "control" };
        return Err(Error::WeightlessArm { arm });
    }
    let total = control + treated;
    Ok((variance >= NEARLY_SEPARATED * treated * control / total).then_some(total))
}

fn penalized(information: &[f64], ridge: &[f64]) -> Vec<f64> {
    let mut information = information.to_vec();
    for (k, penalty) in ridge.iter().enumerate() {
        information[k * ridge.len() + k] += penalty;
    }
    information
}
