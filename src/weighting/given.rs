//! The contrast of means under weights that are given, whatever they come from.

use crate::checks;
use crate::error::{Error, Result};
use crate::outcome::origin::Measured;
use crate::units::frequency::RowWeights;
use crate::weighting::influence::{ArmMeans, by_row, of_one_user, sum_by_row};
use crate::weighting::ipw::{WeightedEstimate, effective_size_of, shared_out};

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
    row_weights: RowWeights<'_>,
) -> Result<WeightedEstimate> {
    let n = outcome.len();
    check(outcome, treatment, weights, row_weights)?;
    let RowWeights { total: sample_weight, frequency, .. } = row_weights;
    let measured = Measured::from_their_middle(outcome, sample_weight);
    let weights = by_row(n, |i| weights[i] * row_weights.total(i));
    let mut means =
        ArmMeans { origin: measured.origin, above: [0.0; 2], influence: [vec![], vec![]] };
    for arm in [false, true] {
        let own = |i: usize| if treatment[i] == arm { weights[i] } else { 0.0 };
        let weight = sum_by_row(n, own);
        if !(weight > 0.0) {
            return Err(Error::WeightlessArm { arm: if arm { "treated" } else { "control" } });
        }
        let mean = sum_by_row(n, |i| own(i) * measured.values[i]) / weight;
        let added = by_row(n, |i| own(i) * (measured.values[i] - mean));
        means.above[usize::from(arm)] = mean;
        means.influence[usize::from(arm)] = of_one_user(added, weight, sample_weight, frequency);
    }
    if !means.std_error_of_users(frequency).is_finite() {
        return Err(Error::Overflow);
    }
    let [ess_control, ess_treated] =
        [false, true].map(|arm| effective_size_of(arm, treatment, &weights, frequency));
    let weights = shared_out(weights, frequency);
    Ok(WeightedEstimate { means, ess_treated, ess_control, weights, n_truncated: [0; 2] })
}

fn check(
    outcome: &[f64],
    treatment: &[bool],
    weights: &[f64],
    row_weights: RowWeights<'_>,
) -> Result<()> {
    checks::outcome(outcome, outcome.len())?;
    checks::same_length("treatment", treatment.len(), outcome.len())?;
    checks::same_length("weights", weights.len(), outcome.len())?;
    row_weights.check(outcome.len())?;
    checks::two_users_in_each_arm(treatment, row_weights.frequency)?;
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
            let own = RowWeights::of(Some(&own));
            weighted_effect(&outcome, &treatment, &weights, own).unwrap().means
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
