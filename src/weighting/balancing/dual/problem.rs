//! The passes over the rows that a fit is made of.

use rayon::prelude::*;

use super::{Dual, Role};
use crate::design::covariates::{CHUNK, Covariates};
use crate::error::Result;
use crate::kernels::{BLOCK, Lane, ScoreEquations, exponential, linear_predictor};
use crate::monitor::Monitor;
use crate::score::logistic::Sample;
use crate::units::tally::Rows;

/// A fit over rows.
#[derive(Debug)]
pub struct Problem<'a, 'x> {
    pub(super) dual: Dual,
    pub covariates: Covariates<'x>,
    pub rows: Rows<'a>,
    /// On each standardized slope.
    pub ridge: f64,
    /// What the target weighs.
    pub total: f64,
    /// The best where all slopes are zero.
    pub intercept: f64,
}

/// The dual somewhere, and its first two derivatives.
#[derive(Debug, Clone)]
pub struct At {
    pub value: f64,
    pub equations: ScoreEquations,
}

/// A direction: how fast the linear part of the dual rises along it, and how far it takes the moved row that it takes
/// farthest up, and any row.
#[derive(Debug, Clone, Copy)]
struct Along {
    rise: f64,
    highest: f64,
    farthest: f64,
}

/// A block of rows: s c, s r and g.
struct Lanes {
    constant: Lane,
    moved: Lane,
    sign: Lane,
}

impl Problem<'_, '_> {
    /// The same fit over some of the rows; none where these lack an arm.
    pub fn sampled<'s>(&self, sample: &'s Sample) -> Option<Problem<'s, 's>> {
        let ridge = self.ridge * sample.share();
        self.dual.over(&sample.design(&self.covariates), &sample.rows(), ridge).ok()
    }

    /// The arm whose weights are found; `None` where those of both are.
    pub fn weighs(&self) -> Option<bool> {
        self.dual.weighs()
    }

    /// # Errors
    /// [`Error::Stopped`].
    pub fn at(&self, beta: &[f64], monitor: &Monitor) -> Result<At> {
        let terms = beta.len();
        let start = || At { value: 0.0, equations: ScoreEquations::new(terms) };
        let mut at = self.reduce(
            monitor,
            start,
            |at, columns, lanes| {
                let (mut eta, mut spread) = ([0.0; BLOCK], [0.0; BLOCK]);
                linear_predictor(beta, columns, &mut eta);
                for row in 0..BLOCK {
                    spread[row] = lanes.sign[row] * eta[row];
                }
                exponential(&mut spread);
                for row in 0..BLOCK {
                    spread[row] *= lanes.moved[row];
                    at.value += lanes.constant[row] * eta[row] - spread[row];
                    eta[row] = lanes.constant[row] - lanes.sign[row] * spread[row];
                }
                at.equations.add_products(columns, &eta, &spread);
            },
            |at, other| {
                at.value += other.value;
                at.equations.merge(&other.equations);
            },
        )?;
        for (k, slope) in beta.iter().enumerate().skip(1) {
            at.value -= self.ridge / 2.0 * slope * slope;
            at.equations.gradient[k] -= self.ridge * slope;
            at.equations.information[k * terms + k] += self.ridge;
        }
        Ok(at)
    }

    /// How the information changes along a step, times the step twice: the sum of g q (z'step)^2 z. The gradient after the
    /// step is that before it, less information times step, less half of this, to third order.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn third_derivative(
        &self,
        beta: &[f64],
        step: &[f64],
        monitor: &Monitor,
    ) -> Result<Vec<f64>> {
        let equations = self.reduce(
            monitor,
            || ScoreEquations::new(beta.len()),
            |equations, columns, lanes| {
                let [mut spread, mut change] = [[0.0; BLOCK]; 2];
                linear_predictor(beta, columns, &mut spread);
                linear_predictor(step, columns, &mut change);
                spread.iter_mut().zip(&lanes.sign).for_each(|(eta, sign)| *eta *= sign);
                exponential(&mut spread);
                for row in 0..BLOCK {
                    change[row] *= change[row] * lanes.sign[row] * lanes.moved[row] * spread[row];
                }
                equations.add_products(columns, &change, &[0.0; BLOCK]);
            },
            ScoreEquations::merge,
        )?;
        Ok(equations.gradient)
    }

    /// Whether the dual rises along a direction for ever, so that it has no maximum: it takes no moved row's
    /// exponential up, and the target's mean lies beyond all of these rows.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub fn rises_for_ever(&self, direction: &[f64], monitor: &Monitor) -> Result<bool> {
        // What rounding may be of a rise; and, of a direction that only nears such a one, how level it has to be.
        const ROUNDING: f64 = 1e-9;
        const LEVEL: f64 = 1e-6;
        let along = self.reduce(
            monitor,
            Along::nowhere,
            |along, columns, lanes| {
                let mut eta = [0.0; BLOCK];
                linear_predictor(direction, columns, &mut eta);
                for (row, eta) in eta.iter().enumerate() {
                    along.rise += lanes.constant[row] * eta;
                    if lanes.moved[row] > 0.0 {
                        along.highest = along.highest.max(lanes.sign[row] * eta);
                    }
                    if lanes.moved[row] > 0.0 || lanes.constant[row].abs() > 0.0 {
                        along.farthest = along.farthest.max(eta.abs());
                    }
                }
            },
            Along::merge,
        )?;
        let rise = along.rise / self.total;
        // Of one arm's weights the intercept brings its highest row down to zero, and costs what it takes off.
        let beyond = if self.dual.weighs().is_some() { rise - along.highest } else { rise };
        let is_level = self.dual.weighs().is_some() || along.highest <= LEVEL * rise;
        Ok(is_level && beyond > ROUNDING * along.farthest)
    }

    /// One pass over the rows: an accumulator for each chunk, merged in the order of the chunks.
    fn reduce<A: Send>(
        &self,
        monitor: &Monitor,
        start: impl Fn() -> A + Sync,
        add: impl Fn(&mut A, &[Lane], &Lanes) + Sync,
        merge: impl Fn(&mut A, &A),
    ) -> Result<A> {
        let n = self.rows.treatment.len();
        let chunk = |first: usize| {
            monitor.check()?;
            let mut columns = vec![[0.0; BLOCK]; self.covariates.n_columns()];
            let mut lanes =
                Lanes { constant: [0.0; BLOCK], moved: [0.0; BLOCK], sign: [1.0; BLOCK] };
            let mut accumulator = start();
            for block in (first..n.min(first + CHUNK)).step_by(BLOCK) {
                self.covariates.load(block, &mut columns);
                self.load(block, &mut lanes);
                add(&mut accumulator, &columns, &lanes);
            }
            Ok(accumulator)
        };
        let chunks: Vec<A> = (0..n.div_ceil(CHUNK))
            .into_par_iter()
            .map(|index| chunk(index * CHUNK))
            .collect::<Result<_>>()?;
        let mut total = start();
        for one in &chunks {
            merge(&mut total, one);
        }
        Ok(total)
    }

    /// The block that starts at row `start`; rows past the end count for nothing.
    fn load(&self, start: usize, lanes: &mut Lanes) {
        let length = BLOCK.min(self.rows.treatment.len() - start);
        let treatment = &self.rows.treatment[start..start + length];
        let [control, treated] = &self.dual.roles;
        let of = |t: bool, part: fn(&Role) -> f64| if t { part(treated) } else { part(control) };
        for (slot, t) in treatment.iter().enumerate() {
            lanes.constant[slot] = of(*t, |role| role.constant);
            lanes.moved[slot] = of(*t, |role| role.moved);
            lanes.sign[slot] = of(*t, |role| role.sign);
        }
        lanes.constant[length..].fill(0.0);
        lanes.moved[length..].fill(0.0);
        if let Some(weights) = self.rows.sample_weight {
            for (slot, s) in weights[start..start + length].iter().enumerate() {
                lanes.constant[slot] *= s;
                lanes.moved[slot] *= s;
            }
        }
    }
}

impl Along {
    fn nowhere() -> Self {
        Self { rise: 0.0, highest: f64::NEG_INFINITY, farthest: 0.0 }
    }

    fn merge(&mut self, other: &Self) {
        self.rise += other.rise;
        self.highest = self.highest.max(other.highest);
        self.farthest = self.farthest.max(other.farthest);
    }
}
