//! What the outcome models of a resample's arms, and the means that they lead to, are made of: sums over its
//! blocks.

mod gathered;
mod products;

use super::arithmetic::sum;
use super::instructions::dispatched;
use super::{BLOCK, Lane, Tallies};
use crate::weighting::estimand::Estimand;

pub use products::{ArmProducts, arm_products};

/// What the balancing weights of an estimand weigh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weighing {
    Nothing,
    /// The rows that an outcome model is fitted to.
    Rows(Estimand),
    /// What is left of their outcomes.
    Residuals(Estimand),
}

/// The same as numbers that loops are compiled for.
const NOTHING: u8 = 0;
const ROWS: u8 = 1;
const RESIDUALS: u8 = 2;

dispatched!(
    /// One arm's outcomes as binomial counts, successes in the place of the treated: of a block of units, its rows
    /// weighed as `weighing` says.
    pub fn arm_counts<'a>(
        tallies: &'a Tallies,
        arm: usize,
        scores: &'a Lane,
        weighing: Weighing,
        into: &'a mut Tallies,
    ) -> (),
    |_| {
        let (rows, outcome) = (&tallies.rows[arm], &tallies.outcome[arm]);
        let [failures, successes] = &mut into.rows;
        for row in 0..BLOCK {
            failures[row] = rows[row] - outcome[row];
            successes[row] = outcome[row];
        }
        if let Weighing::Rows(_) = weighing {
            let mut weights = [[0.0; BLOCK]; 2];
            balancing_weights(weighing, scores, &mut weights);
            for row in 0..BLOCK {
                failures[row] *= weights[arm][row];
                successes[row] *= weights[arm][row];
            }
        }
    }
);

dispatched!(
    /// The sums of g m + k (y - r m) and of g over the units of a block: y the sum of one arm's outcomes, `fitted`
    /// holding what is expected of each, g those whom the effect averages over.
    #[must_use]
    pub fn fitted_sums<'a>(
        tallies: &'a Tallies,
        arm: usize,
        scores: &'a Lane,
        fitted: &'a Lane,
        weighing: Weighing,
        over: [bool; 2],
    ) -> [f64; 2],
    |simd| {
        let shares = over.map(|counts| f64::from(u8::from(counts)));
        let (mut target, mut total, mut weights) = ([0.0; BLOCK], [0.0; BLOCK], [[0.0; BLOCK]; 2]);
        for row in 0..BLOCK {
            target[row] = shares[0] * tallies.rows[0][row] + shares[1] * tallies.rows[1][row];
            total[row] = target[row] * fitted[row];
        }
        if let Weighing::Residuals(_) = weighing {
            balancing_weights(weighing, scores, &mut weights);
            let (rows, outcome) = (&tallies.rows[arm], &tallies.outcome[arm]);
            for row in 0..BLOCK {
                total[row] += weights[arm][row] * (outcome[row] - rows[row] * fitted[row]);
            }
        }
        [sum(simd, &total), sum(simd, &target)]
    }
);

/// The balancing weights of both arms, control first: finite, so that no rows weigh nothing.
#[inline(always)]
fn balancing_weights(weighing: Weighing, scores: &Lane, into: &mut [Lane; 2]) {
    let (Weighing::Rows(estimand) | Weighing::Residuals(estimand)) = weighing else { return };
    // One loop for each estimand: with the choice inside it, the loop would not be vectorised.
    match estimand {
        Estimand::Ate => by_arm(|e| Estimand::Ate.weights(e), scores, into),
        Estimand::Att => by_arm(|e| Estimand::Att.weights(e), scores, into),
        Estimand::Atc => by_arm(|e| Estimand::Atc.weights(e), scores, into),
        Estimand::Ato => by_arm(|e| Estimand::Ato.weights(e), scores, into),
        Estimand::Atm => by_arm(|e| Estimand::Atm.weights(e), scores, into),
    }
}

#[inline(always)]
fn by_arm(weights: impl Fn(f64) -> [f64; 2], scores: &Lane, into: &mut [Lane; 2]) {
    let [control, treated] = into;
    for row in 0..BLOCK {
        [control[row], treated[row]] = weights(scores[row]);
    }
}
