//! The inverse-probability-weighted contrast: the difference of two weighted means (Hajek 1971), never
//! Horvitz-Thompson's sums over n, which move when a constant is added to the outcome.

use crate::checks;
use crate::error::{Error, Result};
use crate::estimand::Estimand;
use crate::kernels::{BLOCK, Tallies, contrast_sums};
use crate::tally::{Outcomes, Units};
use crate::weights::{balancing_weight, effective_sample_size};

/// A weighted contrast of n rows.
#[derive(Debug, Clone)]
pub struct IpwEstimate {
    /// `mean_treated - mean_control`.
    pub estimate: f64,
    pub mean_treated: f64,
    pub mean_control: f64,
    pub ess_treated: f64,
    pub ess_control: f64,
    /// n balancing weights.
    pub weights: Vec<f64>,
}

/// The effect for `estimand`, with `scores` taken as they are.
///
/// # Errors
/// Lengths that differ, values that are not finite, scores outside (0, 1), an empty arm.
pub fn ipw(
    outcome: &[f64],
    treatment: &[bool],
    scores: &[f64],
    estimand: Estimand,
) -> Result<IpwEstimate> {
    checks::same_length("treatment", treatment.len(), outcome.len())?;
    checks::same_length("scores", scores.len(), outcome.len())?;
    checks::finite("outcome", outcome)?;
    checks::scores(scores)?;
    checks::both_arms(treatment)?;
    let mut contrast = Contrast::new(estimand);
    contrast.add(scores, &Outcomes { treatment, outcome, counts: None::<&[u32]> });
    let weights: Vec<f64> = treatment
        .iter()
        .zip(scores)
        .map(|(t, score)| balancing_weight(estimand, *t, *score))
        .collect();
    let ess = |arm: bool| {
        let own = weights.iter().zip(treatment).filter(|(_, t)| **t == arm);
        effective_sample_size(own.map(|(w, _)| *w))
    };
    let (mean_treated, mean_control) = contrast.means()?;
    Ok(IpwEstimate {
        estimate: mean_treated - mean_control,
        mean_treated,
        mean_control,
        ess_treated: ess(true),
        ess_control: ess(false),
        weights,
    })
}

/// The sums behind the two weighted means, control arm first: an accumulator over blocks of units.
#[derive(Debug, Clone, Copy)]
pub struct Contrast {
    estimand: Estimand,
    weight: [f64; 2],
    total: [f64; 2],
}

impl Contrast {
    #[must_use]
    pub fn new(estimand: Estimand) -> Self {
        Self { estimand, weight: [0.0; 2], total: [0.0; 2] }
    }

    /// Add all units, whose scores are given.
    pub fn add<U: Units>(&mut self, scores: &[f64], units: &U) {
        let (mut lane, mut tallies) = ([0.5; BLOCK], Tallies::EMPTY);
        for (block, scores) in scores.chunks(BLOCK).enumerate() {
            lane[..scores.len()].copy_from_slice(scores);
            units.load_tallies(block * BLOCK, &mut tallies);
            let [weight, total] = contrast_sums(self.estimand, &lane, &tallies);
            self.merge(&Self { estimand: self.estimand, weight, total });
        }
    }

    pub fn merge(&mut self, other: &Self) {
        for arm in 0..2 {
            self.weight[arm] += other.weight[arm];
            self.total[arm] += other.total[arm];
        }
    }

    /// An arm's sum of weights over `n_rows`.
    #[must_use]
    pub fn mean_weight(&self, treated: bool, n_rows: usize) -> f64 {
        self.weight[usize::from(treated)] / n_rows as f64
    }

    /// The weighted means of the treated and of the controls.
    ///
    /// # Errors
    /// [`Error::WeightlessArm`] where an arm has no weight.
    pub fn means(&self) -> Result<(f64, f64)> {
        for (arm, weight) in ["control", "treated"].into_iter().zip(self.weight) {
            if weight <= 0.0 {
                return Err(Error::WeightlessArm { arm });
            }
        }
        Ok((self.total[1] / self.weight[1], self.total[0] / self.weight[0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipw_recovers_a_stratified_effect() {
        // Two strata, scores 1/4 and 3/4 as in the data; the effect is 1 in both, the levels differ.
        let treatment = [true, false, false, false, true, true, true, false];
        let outcome = [1.0, 0.0, 0.0, 0.0, 11.0, 11.0, 11.0, 10.0];
        let scores = [0.25, 0.25, 0.25, 0.25, 0.75, 0.75, 0.75, 0.75];
        for estimand in [Estimand::Ate, Estimand::Att, Estimand::Atc] {
            let found = ipw(&outcome, &treatment, &scores, estimand).unwrap();
            assert!((found.estimate - 1.0).abs() < 1e-14);
        }
    }
}
