//! The third and fourth derivatives of the likelihood at the full sample's fit.

use super::Resampled;
use crate::error::Result;
use crate::kernels::{BLOCK, Blocks, Buffers, Lane, ScoreEquations};
use crate::monitor::Monitor;
use crate::units::tally::Units;

/// T has as many entries as the cube of the terms, Q as the fourth power: beyond these numbers of terms they
/// would take longer to make, and to use, than the pass they save.
const MOST_TERMS: [usize; 2] = [14, 7];

/// Third and fourth derivatives of minus the log-likelihood, a unit of weight each, every entry of the
/// symmetric arrays filled.
#[derive(Debug)]
pub(super) struct Derivatives {
    terms: usize,
    third: Option<Vec<f64>>,
    fourth: Option<Vec<f64>>,
}

impl Derivatives {
    /// With v = p (1 - p), T is the sum of x x x v (1 - 2 p) and Q that of x x x x v (1 - 6 v).
    pub fn new<U: Units>(
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
    pub fn worthwhile_rounds(&self) -> usize {
        match (&self.third, &self.fourth) {
            (None, _) => 0,
            (_, None) => 2,
            _ => 3,
        }
    }

    /// Take T[s, s] / 2 + Q[s, s, s] / 6 away.
    pub fn subtract_higher_terms(&self, step: &[f64], total: f64, gradient: &mut [f64]) {
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
    pub fn move_information(&self, step: &[f64], total: f64, information: &mut [f64]) {
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
