//! From scores to balancing weights, and what a weighting leaves of the sample.

use crate::estimand::Estimand;

/// w = h(e) / P(own arm), with P = e for the treated and 1 - e for the others (Li, Morgan and
/// Zaslavsky 2018, equation 4).
#[must_use]
pub fn balancing_weight(estimand: Estimand, treated: bool, score: f64) -> f64 {
    let own_arm = if treated { score } else { 1.0 - score };
    estimand.tilt(score) / own_arm
}

/// The derivative of [`balancing_weight`] in the log odds of the score.
#[must_use]
pub fn balancing_weight_slope(estimand: Estimand, treated: bool, score: f64) -> f64 {
    let weight = balancing_weight(estimand, treated, score);
    if treated {
        estimand.tilt_slope(score) / score - weight * (1.0 - score)
    } else {
        estimand.tilt_slope(score) / (1.0 - score) + weight * score
    }
}

/// Kish's effective sample size, (sum w)^2 / sum w^2: as many equally weighted units would give a
/// mean of the same precision.
#[must_use]
pub fn effective_sample_size(weights: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, squares) =
        weights.into_iter().fold((0.0, 0.0), |(sum, squares), w| (sum + w, squares + w * w));
    sum * sum / squares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balancing_weight_is_one_in_the_arm_the_effect_is_for() {
        assert!((balancing_weight(Estimand::Att, true, 0.3) - 1.0).abs() < f64::EPSILON);
        assert!((balancing_weight(Estimand::Atc, false, 0.3) - 1.0).abs() < f64::EPSILON);
        assert!((balancing_weight(Estimand::Ate, true, 0.25) - 4.0).abs() < f64::EPSILON);
    }

    #[test]
    fn balancing_weight_slope_is_the_derivative() {
        let score = |eta: f64| 1.0 / (1.0 + (-eta).exp());
        for estimand in [Estimand::Ate, Estimand::Att, Estimand::Atc] {
            for (treated, eta) in [(true, -1.2), (false, -1.2), (true, 0.7), (false, 0.7)] {
                let weight = |eta: f64| balancing_weight(estimand, treated, score(eta));
                let rise = (weight(eta + 1e-6) - weight(eta - 1e-6)) / 2e-6;
                let found = balancing_weight_slope(estimand, treated, score(eta));
                assert!((found - rise).abs() < 1e-8, "{estimand:?}");
            }
        }
    }

    #[test]
    fn effective_sample_size_counts_equal_weights_in_full() {
        assert!((effective_sample_size([2.0; 7]) - 7.0).abs() < 1e-12);
        assert!((effective_sample_size([1.0, 0.0, 0.0]) - 1.0).abs() < 1e-12);
    }
}
