//! What a Newton step is made of.

use pulp::Simd;

use super::arithmetic::{
    add_dots, add_products_with, linear_predictor_block, probability, vectors, vectors_mut,
};
use super::gram::{MANY_COLUMNS, add_gram, add_gram_in_single};
use super::instructions::dispatched;
use super::{BLOCK, Lane, SingleLane, add_gradient};

dispatched!(
    fn add_block<'a>(
        equations: &'a mut ScoreEquations,
        beta: &'a [f64],
        columns: &'a [Lane],
        trials: &'a Lane,
        successes: &'a Lane,
    ) -> (),
    |simd| equations.add_block(simd, beta, columns, trials, successes)
);
dispatched!(
    fn add_products_block<'a>(
        equations: &'a mut ScoreEquations,
        columns: &'a [Lane],
        residual: &'a Lane,
        spread: &'a Lane,
    ) -> (),
    |simd| equations.add_products_block(simd, columns, residual, spread)
);

/// What a Newton step needs from the rows: with p the logistic function of the linear predictor,
/// the gradient sum x (successes - trials p) and the information sum x x' trials p (1 - p).
#[derive(Debug, Clone)]
pub struct ScoreEquations {
    pub gradient: Vec<f64>,
    /// Row-major; only the upper triangle is filled.
    pub information: Vec<f64>,
}

impl ScoreEquations {
    #[must_use]
    pub fn new(terms: usize) -> Self {
        Self { gradient: vec![0.0; terms], information: vec![0.0; terms * terms] }
    }

    pub fn clear(&mut self) {
        self.gradient.fill(0.0);
        self.information.fill(0.0);
    }

    /// Add a block of rows at these coefficients.
    pub fn add(&mut self, beta: &[f64], columns: &[Lane], trials: &Lane, successes: &Lane) {
        add_block(self, beta, columns, trials, successes);
    }

    /// Add sum x r to the gradient and sum x x' s to the information, for any r and s.
    pub fn add_products(&mut self, columns: &[Lane], residual: &Lane, spread: &Lane) {
        add_products_block(self, columns, residual, spread);
    }

    /// The same, where there are many columns and the information may be good to six digits: products in single precision
    /// take half the time. `room` is for as many columns, and grows to that.
    pub fn add_products_in_single(
        &mut self,
        columns: &[Lane],
        residual: &Lane,
        spread: &Lane,
        room: &mut Vec<SingleLane>,
    ) {
        room.resize(columns.len(), [0.0; BLOCK]);
        add_gradient(columns, residual, &mut self.gradient);
        add_gradient(columns, spread, &mut self.information[..=columns.len()]);
        add_gram_in_single(columns, spread, room, &mut self.information);
    }

    pub fn merge(&mut self, other: &Self) {
        let pairs =
            [(&mut self.gradient, &other.gradient), (&mut self.information, &other.information)];
        for (mine, theirs) in pairs {
            mine.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
        }
    }

    #[inline(always)]
    fn add_block<S: Simd>(
        &mut self,
        simd: S,
        beta: &[f64],
        columns: &[Lane],
        trials: &Lane,
        successes: &Lane,
    ) {
        let mut eta = [0.0; BLOCK];
        linear_predictor_block(simd, beta, columns, &mut eta);
        let (mut residual, mut spread) = ([0.0; BLOCK], [0.0; BLOCK]);
        for row in 0..BLOCK {
            let (p, q) = probability(eta[row]);
            residual[row] = successes[row] - trials[row] * p;
            spread[row] = trials[row] * (p * q);
        }
        self.add_products_block(simd, columns, &residual, &spread);
    }

    #[inline(always)]
    pub(super) fn add_products_block<S: Simd>(
        &mut self,
        simd: S,
        columns: &[Lane],
        residual: &Lane,
        spread: &Lane,
    ) {
        let terms = columns.len() + 1;
        add_dots(simd, residual, columns, &mut self.gradient);
        add_dots(simd, spread, columns, &mut self.information[..terms]);
        if columns.len() >= MANY_COLUMNS {
            add_gram(columns, spread, &mut self.information);
            return;
        }
        let mut weighted = [0.0; BLOCK];
        for (k, column) in columns.iter().enumerate() {
            let (into, w, x) =
                (vectors_mut::<S>(&mut weighted), vectors::<S>(spread), vectors::<S>(column));
            for row in 0..into.len() {
                into[row] = simd.mul_f64s(w[row], x[row]);
            }
            let first = (k + 1) * terms + k + 1;
            let sums = &mut self.information[first..(k + 2) * terms];
            add_products_with(simd, &weighted, &columns[k..], sums);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn score_equations_agree_with_plain_sums() {
        let column: Lane = std::array::from_fn(|row| (row as f64 * 0.37).sin());
        let other: Lane = std::array::from_fn(|row| (row as f64 * 0.11).cos());
        let trials: Lane = std::array::from_fn(|row| (row % 4) as f64);
        let successes: Lane = std::array::from_fn(|row| (row % 4 / 2) as f64);
        let beta = [0.3, -1.2, 0.8];
        let mut equations = ScoreEquations::new(3);
        equations.add(&beta, &[column, other], &trials, &successes);
        let (mut gradient, mut information) = ([0.0; 3], [0.0; 9]);
        for row in 0..BLOCK {
            let x = [1.0, column[row], other[row]];
            let eta: f64 = beta.iter().zip(x).map(|(b, x)| b * x).sum();
            let p = 1.0 / (1.0 + (-eta).exp());
            for k in 0..3 {
                gradient[k] += x[k] * (successes[row] - trials[row] * p);
                for l in k..3 {
                    information[k * 3 + l] += x[k] * x[l] * trials[row] * p * (1.0 - p);
                }
            }
        }
        for (found, expected) in equations.gradient.iter().zip(gradient) {
            assert!((found - expected).abs() < 1e-12);
        }
        for (found, expected) in equations.information.iter().zip(information) {
            assert!((found - expected).abs() < 1e-12);
        }
    }
}
