//! The contrast of means under weights that are given, whatever they come from.

use crate::checks;
use crate::error::{Error, Result};
use crate::outcome::origin::Measured;
use crate::weighting::influence::{ArmMeans, by_row, center, sum_by_row};
use crate::weighting::ipw::{WeightedEstimate, effective_size_of};

/// The effect on an outcome of rows with these balancing weights, which sample weights are multiplied to. The influence
/// of each row takes the weights as known: w (y - m) over the mean weight of its arm, as in a weighted regression on
/// the treatment with robust errors.
///
/// # Errors
/// Lengths that differ, values that are not finite, negative weights, an arm empty or weightless.
pub fn weighted_effect(
    outcome: &[f64],
    treatment: &[bool],
    weights: &[f64],
    sample_weight: Option<&[f64]>,
) -> Result<WeightedEstimate> {
    let n = outcome.len();
    check(outcome, treatment, weights, sample_weight)?;
    let measured = Measured::from_their_middle(outcome, sample_weight);
    let weights = by_row(n, |i| weights[i] * sample_weight.map_or(1.0, |own| own[i]));
    let mut means =
        ArmMeans { origin: measured.origin, above: [0.0; 2], influence: [vec![], vec![]] };
    for arm in [false, true] {
        let own = |i: usize| if treatment[i] == arm { weights[i] } else { 0.0 };
        let weight = sum_by_row(n, own);
        if !(weight > 0.0) {
            return Err(Error::WeightlessArm { arm: if arm { "treated" } else { "control" } });
        }
        let mean = sum_by_row(n, |i| own(i) * measured.values[i]) / weight;
        let per_mean = n as f64 / weight;
        let mut influence = by_row(n, |i| per_mean * own(i) * (measured.values[i] - mean));
        center(&mut influence, sample_weight);
        means.above[usize::from(arm)] = mean;
        means.influence[usize::from(arm)] = influence;
    }
    if !means.std_error().is_finite() {
        return Err(Error::Overflow);
    }
    let [ess_control, ess_treated] =
        [false, true].map(|arm| effective_size_of(arm, treatment, &weights));
    Ok(WeightedEstimate { means, ess_treated, ess_control, weights, n_truncated: [0; 2] })
}

fn check(
    outcome: &[f64],
    treatment: &[bool],
    weights: &[f64],
    sample_weight: Option<&[f64]>,
) -> Result<()> {
    checks::outcome(outcome, outcome.len())?;
    checks::same_length("treatment", treatment.len(), outcome.len())?;
    checks::same_length("weights", weights.len(), outcome.len())?;
    checks::two_in_each_arm(treatment)?;
    checks::sample_weight(sample_weight, outcome.len())?;
    checks::weights("weights", weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_weighted_and_influence_is_their_derivative_in_a_rows_weight() {
        let outcome = [1.0, 3.0, 2.0, 7.0, 5.0, 4.0];
        let treatment = [true, true, true, false, false, false];
        let (weights, own) = ([1.0, 2.0, 0.5, 3.0, 0.0, 1.0], [1.0, 0.5, 2.0, 1.0, 4.0, 1.0]);
        let at = |row: usize, factor: f64| {
            let mut own = own;
            own[row] *= factor;
            weighted_effect(&outcome, &treatment, &weights, Some(&own)).unwrap().means
        };
        let found = at(0, 1.0);
        assert!((found.mean()[1] - (1.0 + 3.0 + 2.0) / 3.0).abs() < 1e-14);
        assert!((found.mean()[0] - 25.0 / 4.0).abs() < 1e-14);
        for row in 0..6 {
            let rise = (at(row, 1.0 + 1e-6).difference() - at(row, 1.0 - 1e-6).difference()) / 2e-6;
            let influence = found.influence[1][row] - found.influence[0][row];
            assert!((influence / 6.0 - rise).abs() < 1e-9, "{row}");
        }
    }
}
