//! Sums for a weighted contrast of the arms.

use pulp::Simd;

use super::arithmetic::dot;
use super::instructions::dispatched;
use super::{BLOCK, Lane, Tallies};
use crate::weighting::estimand::Estimand;

dispatched!(
    /// Sums over a block for a weighted contrast: of the weights and of the weighted outcomes, control arm
    /// first. A unit without rows in an arm has no weight there, even where its score rounds to 0 or 1.
    #[must_use]
    pub fn contrast_sums<'a>(
        estimand: Estimand,
        scores: &'a Lane,
        tallies: &'a Tallies,
    ) -> [[f64; 2]; 2],
    |simd| contrast_sums_block(simd, estimand, scores, tallies)
);

/// One loop for each estimand: with the choice inside it, the loop would not be vectorised.
#[inline(always)]
fn contrast_sums_block<S: Simd>(
    simd: S,
    estimand: Estimand,
    scores: &Lane,
    tallies: &Tallies,
) -> [[f64; 2]; 2] {
    match estimand {
        Estimand::Ate => {
            weighted_sums(simd, |arm, e| Estimand::Ate.weight(arm, e), scores, tallies)
        }
        Estimand::Att => {
            weighted_sums(simd, |arm, e| Estimand::Att.weight(arm, e), scores, tallies)
        }
        Estimand::Atc => {
            weighted_sums(simd, |arm, e| Estimand::Atc.weight(arm, e), scores, tallies)
        }
        Estimand::Ato => {
            weighted_sums(simd, |arm, e| Estimand::Ato.weight(arm, e), scores, tallies)
        }
        Estimand::Atm => {
            weighted_sums(simd, |arm, e| Estimand::Atm.weight(arm, e), scores, tallies)
        }
    }
}

#[inline(always)]
fn weighted_sums<S: Simd>(
    simd: S,
    weight: impl Fn(bool, f64) -> f64,
    scores: &Lane,
    tallies: &Tallies,
) -> [[f64; 2]; 2] {
    let [mut control, mut treated] = [[0.0; BLOCK]; 2];
    for row in 0..BLOCK {
        let of_arm = [weight(false, scores[row]), weight(true, scores[row])];
        control[row] = if tallies.rows[0][row] > 0.0 { of_arm[0] } else { 0.0 };
        treated[row] = if tallies.rows[1][row] > 0.0 { of_arm[1] } else { 0.0 };
    }
    let [rows, outcome] = [&tallies.rows, &tallies.outcome];
    [
        [dot(simd, &control, &rows[0]), dot(simd, &treated, &rows[1])],
        [dot(simd, &control, &outcome[0]), dot(simd, &treated, &outcome[1])],
    ]
}
