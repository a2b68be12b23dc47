//! The dual problem of balancing weights: what each row adds to it, and the two arms in it.

mod problem;

use rayon::prelude::*;

use crate::design::covariates::{CHUNK, Covariates};
use crate::error::{Error, Result};
use crate::kernels::{BLOCK, Lane, exponential};
use crate::units::tally::Rows;

pub use problem::{At, Problem};

/// An arm with no more than this share of the weight vanishes beside the other in sums of 53 bits.
const WEIGHTLESS: f64 = 1e-12;

/// Weights below this share of those of rows that count are taken for zero: their squares are.
const NOTHING: f64 = 1e-50;

/// What an arm's rows are: c, r, g and a of the table in the parent module.
#[derive(Debug, Clone, Copy)]
pub struct Role {
    constant: f64,
    moved: f64,
    sign: f64,
    base: f64,
}

impl Role {
    const NONE: Self = Self { constant: 0.0, moved: 0.0, sign: 1.0, base: 0.0 };
    /// Rows whose mean is to be reached.
    pub const TARGET: Self = Self { constant: 1.0, ..Self::NONE };
    /// Rows that are weighed to reach it.
    pub const MOVED: Self = Self { moved: 1.0, ..Self::NONE };
    /// Both.
    pub const MOVED_TARGET: Self = Self { constant: 1.0, moved: 1.0, ..Self::NONE };
    /// Rows that stand for themselves, and are weighed to stand for the others too.
    pub const MOVED_FROM_1: Self = Self { moved: 1.0, base: 1.0, ..Self::NONE };

    /// exp(g eta), from exp(eta).
    #[inline]
    fn power(&self, odds: f64) -> f64 {
        if self.sign > 0.0 { odds } else { 1.0 / odds }
    }
}

/// One fit: what either arm is to it, controls first, and whose weights it makes.
#[derive(Debug, Clone, Copy)]
pub struct Dual {
    roles: [Role; 2],
    weighs: [bool; 2],
}

impl Dual {
    /// Weights of one arm.
    pub fn of_arm(arm: bool, own: Role, other: Role) -> Self {
        let roles = if arm { [other, own] } else { [own, other] };
        Self { roles, weighs: [!arm, arm] }
    }

    /// Those of the other arm, which they are to be like, as they are.
    pub fn with_target_weighed(mut self) -> Self {
        for role in self.roles.iter_mut().filter(|role| role.moved == 0.0) {
            role.base = 1.0;
        }
        Self { weighs: [true; 2], ..self }
    }

    /// Weights of both by one score.
    pub fn of_both_arms() -> Self {
        let treated = Role { constant: 1.0, moved: 1.0, sign: -1.0, base: 1.0 };
        let control = Role { constant: -1.0, sign: 1.0, ..treated };
        Self { roles: [control, treated], weighs: [true; 2] }
    }

    /// The arm whose weights are found; `None` where those of both are.
    pub fn weighs(&self) -> Option<bool> {
        match self.roles.map(|role| role.moved > 0.0) {
            [true, false] => Some(false),
            [false, true] => Some(true),
            _ => None,
        }
    }

    /// Whether an arm's weights are found by it, and differ with its coefficients.
    pub fn moves(&self, arm: bool) -> bool {
        self.roles[usize::from(arm)].moved > 0.0
    }

    fn role(&self, treated: bool) -> &Role {
        &self.roles[usize::from(treated)]
    }

    /// The residual e of a row, s c - g q, and how fast that falls with its linear predictor, q = s r exp(g eta), from
    /// its weight in this fit, s a + q.
    pub fn read_weight(&self, treated: bool, s: f64, weight: f64) -> [f64; 2] {
        let role = self.role(treated);
        let spread = role.moved * (weight - s * role.base);
        [s * role.constant - role.sign * spread, spread]
    }

    /// What units weigh in an arm, and their weighed outcomes, that have so many rows there, whose outcomes add up to
    /// these, and whose exp(eta) are these; none where its weights are not made by it.
    pub fn weighed(&self, arm: bool, rows: &Lane, outcome: &Lane, odds: &Lane) -> Option<[f64; 2]> {
        let role = self.role(arm);
        if !self.weighs[usize::from(arm)] {
            return None;
        }
        if role.moved == 0.0 {
            return Some([rows, outcome].map(|of_rows| role.base * sum(|unit| of_rows[unit])));
        }
        let mut weight = [0.0; BLOCK];
        weight
            .iter_mut()
            .zip(odds)
            .for_each(|(weight, odds)| *weight = role.base + role.power(*odds));
        Some([rows, outcome].map(|of_rows| sum(|unit| weight[unit] * of_rows[unit])))
    }

    /// What of the target units weigh that have so many rows in either arm, controls first.
    pub fn target(&self, rows: &[Lane; 2]) -> f64 {
        let of_arm = |(role, rows): (&Role, &Lane)| match role.constant.abs() {
            constant if constant > 0.0 => constant * sum(|unit| rows[unit]),
            _ => 0.0,
        };
        self.roles.iter().zip(rows).map(of_arm).sum()
    }

    /// Fill in the residuals and the spreads of units that have so many rows in either arm, controls first, and whose
    /// exp(eta) are these.
    pub fn read(&self, rows: &[Lane; 2], odds: &Lane, residual: &mut Lane, spread: &mut Lane) {
        let [control, treated] = &self.roles;
        if let Some(arm) = self.weighs_one() {
            let (own, other) = (&self.roles[arm], &self.roles[1 - arm]);
            let (rows, others) = (&rows[arm], &rows[1 - arm]);
            for unit in 0..BLOCK {
                spread[unit] = rows[unit] * odds[unit];
                residual[unit] =
                    own.constant * rows[unit] + other.constant * others[unit] - spread[unit];
            }
            return;
        }
        for unit in 0..BLOCK {
            let moved = [
                rows[0][unit] * control.power(odds[unit]),
                rows[1][unit] * treated.power(odds[unit]),
            ];
            spread[unit] = moved[0] + moved[1];
            residual[unit] = control.constant * rows[0][unit] - control.sign * moved[0]
                + (treated.constant * rows[1][unit] - treated.sign * moved[1]);
        }
    }

    /// The arm whose weights alone are found, by exp(eta) itself.
    fn weighs_one(&self) -> Option<usize> {
        self.weighs().map(usize::from).filter(|arm| self.roles[*arm].sign > 0.0)
    }

    /// Put g q (z'step)^2 in the place of z'step, of units as for [`Dual::read`].
    pub fn curve(&self, rows: &[Lane; 2], odds: &Lane, change: &mut Lane) {
        let mut bent = [0.0; BLOCK];
        for (role, rows) in self.roles.iter().zip(rows) {
            if role.moved > 0.0 {
                for row in 0..BLOCK {
                    bent[row] += role.sign * rows[row] * role.power(odds[row]);
                }
            }
        }
        change.iter_mut().zip(bent).for_each(|(change, bent)| *change = change.powi(2) * bent);
    }

    /// How fast a row's weight rises with its linear predictor, from the spread; and what a share of that is with the
    /// same sign.
    pub fn weight_slope(&self, treated: bool, spread: f64) -> f64 {
        self.role(treated).sign * spread
    }

    /// Fill in what the rows weigh whose weights it makes, and give all rows' residuals in place of their predictors.
    pub fn weigh(&self, rows: &Rows<'_>, eta: Vec<f64>, weights: &mut [f64]) -> Vec<f64> {
        let mut residual = eta;
        let pieces = residual.par_chunks_mut(CHUNK).zip(weights.par_chunks_mut(CHUNK));
        pieces.enumerate().for_each(|(chunk, (residual, weights))| {
            let treatment = &rows.treatment[chunk * CHUNK..];
            residual.iter_mut().zip(treatment).for_each(|(eta, t)| *eta *= self.role(*t).sign);
            exponential(residual);
            for raised in residual.iter_mut().filter(|raised| **raised < NOTHING) {
                *raised = 0.0;
            }
            for (slot, (residual, weight)) in residual.iter_mut().zip(weights).enumerate() {
                let row = chunk * CHUNK + slot;
                let (role, s) = (self.role(rows.treatment[row]), weight_of(rows, row));
                let spread = s * role.moved * *residual;
                if self.weighs[usize::from(rows.treatment[row])] {
                    *weight = s * role.base + spread;
                }
                *residual = s * role.constant - role.sign * spread;
            }
        });
        residual
    }

    /// The fit over these rows.
    ///
    /// # Errors
    /// [`Error::WeightlessArm`].
    pub fn over<'a, 'x>(
        &self,
        covariates: &Covariates<'x>,
        rows: &Rows<'a>,
        ridge: f64,
    ) -> Result<Problem<'a, 'x>> {
        let arms = arm_weights(rows);
        for (arm, weight) in ["control", "treated"].into_iter().zip(arms) {
            if !(weight > WEIGHTLESS * (arms[0] + arms[1])) {
                return Err(Error::WeightlessArm { arm });
            }
        }
        let sum = |part: fn(&Role) -> f64| {
            part(&self.roles[0]).abs() * arms[0] + part(&self.roles[1]).abs() * arms[1]
        };
        let one_sided = self.weighs().is_some();
        // exp(intercept) lets the weights add up to the target's: of one score, to both arms' odds.
        let intercept = if one_sided {
            (sum(|role| role.constant) / sum(|role| role.moved)).ln()
        } else {
            (arms[1] / arms[0]).ln()
        };
        let covariates = covariates.clone();
        Ok(Problem {
            dual: *self,
            covariates,
            rows: *rows,
            ridge,
            total: sum(|r| r.constant),
            intercept,
        })
    }
}

/// The sum over the units of a block, in strands that do not wait for each other.
#[inline]
fn sum(value: impl Fn(usize) -> f64) -> f64 {
    let mut strands = [0.0; 8];
    for first in (0..BLOCK).step_by(strands.len()) {
        for (k, strand) in strands.iter_mut().enumerate() {
            *strand += value(first + k);
        }
    }
    strands.iter().sum()
}

/// A row's sample weight.
fn weight_of(rows: &Rows<'_>, row: usize) -> f64 {
    rows.sample_weight.map_or(1.0, |weights| weights[row])
}

/// The sums of the sample weights of both arms, controls first.
fn arm_weights(rows: &Rows<'_>) -> [f64; 2] {
    let n = rows.treatment.len();
    let chunk = |first: usize| {
        let mut sums = [0.0; 2];
        for row in first..n.min(first + CHUNK) {
            sums[usize::from(rows.treatment[row])] += weight_of(rows, row);
        }
        sums
    };
    let chunks: Vec<[f64; 2]> =
        (0..n.div_ceil(CHUNK)).into_par_iter().map(|index| chunk(index * CHUNK)).collect();
    chunks.iter().fold([0.0; 2], |sum, one| [sum[0] + one[0], sum[1] + one[1]])
}
