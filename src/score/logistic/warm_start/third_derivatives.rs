//! The third derivatives of the likelihood at the full sample's fit.

use crate::error::Result;
use crate::kernels::{BLOCK, Blocks, Buffers, Lane, ScoreEquations};
use crate::linalg::{add, dot};
use crate::monitor::Monitor;
use crate::score::logistic::columns::Resampled;
use crate::units::tally::Units;

/// There are as many as the cube of the terms: with more terms than this they would take longer to make, and to use,
/// than the pass they save.
const MOST_TERMS: usize = 14;

/// Rounds of the fixed-point iteration for the root of the expansion: each brings another power of the step.
const ROUNDS: usize = 2;

/// Third derivatives T of minus the log-likelihood, a unit of weight each, every entry of the symmetric array filled;
/// none where there are many terms.
#[derive(Debug)]
pub(super) struct ThirdDerivatives {
    terms: usize,
    entries: Vec<f64>,
}

impl ThirdDerivatives {
    /// With p the scores, T is the sum of x x x p (1 - p) (1 - 2 p).
    pub fn new<U: Units>(
        resampled: &Resampled<'_, '_, U>,
        terms: usize,
        scores: &[Lane],
        total: f64,
        monitor: &Monitor,
    ) -> Result<Self> {
        let mut entries = Vec::new();
        for k in 0..if terms <= MOST_TERMS { terms } else { 0 } {
            monitor.check()?;
            let sums = products(resampled, scores, terms, k);
            entries.extend(sums.into_iter().map(|sum| sum / total));
        }
        Ok(Self { terms, entries })
    }

    pub fn worthwhile_rounds(&self) -> usize {
        if self.entries.is_empty() { 0 } else { ROUNDS }
    }

    /// Take T[s, s] / 2 away.
    pub fn subtract_from_gradient(&self, step: &[f64], total: f64, gradient: &mut [f64]) {
        let rows = self.entries.chunks_exact(self.terms);
        let along: Vec<f64> = rows.map(|row| 0.5 * total * dot(row, step)).collect();
        for (slope, row) in gradient.iter_mut().zip(along.chunks_exact(self.terms)) {
            *slope -= dot(row, step);
        }
    }

    /// The information s away: H + T[s].
    pub fn move_information(&self, step: &[f64], total: f64, information: &mut [f64]) {
        for (matrix, s) in self.entries.chunks_exact(self.terms * self.terms).zip(step) {
            add(information, total * s, matrix);
        }
    }
}

/// The matrix of sums of x x' p (1 - p) (1 - 2 p) times column `k`, over all rows.
fn products<U: Units>(
    resampled: &Resampled<'_, '_, U>,
    scores: &[Lane],
    terms: usize,
    k: usize,
) -> Vec<f64> {
    let mut equations = ScoreEquations::new(terms);
    let mut buffers = Buffers::new(terms - 1);
    for (index, scores) in scores.iter().enumerate() {
        let (columns, tallies) = resampled.block(index, false, &mut buffers);
        let mut weights = [0.0; BLOCK];
        for (lane, p) in scores.iter().enumerate() {
            let n = tallies.rows[0][lane] + tallies.rows[1][lane];
            weights[lane] = n * (p * (1.0 - p) * (1.0 - 2.0 * p));
        }
        if k > 0 {
            weights.iter_mut().zip(&columns[k - 1]).for_each(|(weight, x)| *weight *= x);
        }
        equations.add_products(columns, &[0.0; BLOCK], &weights);
    }
    for row in 0..terms {
        for column in 0..row {
            equations.information[row * terms + column] =
                equations.information[column * terms + row];
        }
    }
    equations.information
}
