//! Whom an effect is for, the tilting function that says so, and the balancing weights that follow: the one place
//! that knows their formula.

/// Scores this close to 1/2 are 1/2, to rounding.
const CORNER: f64 = 1e-12;

/// The population an effect averages over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Estimand {
    /// Everybody: the average treatment effect.
    Ate,
    /// Those who were treated.
    Att,
    /// Those who were not.
    Atc,
    /// Those who might as well have been in either arm, each as much as the arms overlap there: the
    /// smallest variance of all tilts (Li, Morgan and Zaslavsky 2018).
    Ato,
    /// Those whom pair matching would keep (Li and Greene 2013).
    Atm,
}

impl Estimand {
    /// The tilting function h of Li, Morgan and Zaslavsky (2018, Table 1): an effect for the
    /// population whose density is the sample's times h(e).
    #[must_use]
    #[inline(always)]
    #[allow(clippy::inline_always)] // called once per row inside the SIMD kernels
    pub fn tilt(self, score: f64) -> f64 {
        match self {
            Self::Ate => 1.0,
            Self::Att => score,
            Self::Atc => 1.0 - score,
            Self::Ato => score * (1.0 - score),
            Self::Atm => score.min(1.0 - score),
        }
    }

    /// The balancing weight h / P(own arm) of a row (Li, Morgan and Zaslavsky 2018, equation 4), with what cancels
    /// cancelled: where a row's own arm is certain it weighs what it does where that is nearly so.
    #[must_use]
    #[inline(always)]
    #[allow(clippy::inline_always)] // called once per row inside the SIMD kernels
    pub fn weight(self, treated: bool, score: f64) -> f64 {
        let (own, other) = if treated { (score, 1.0 - score) } else { (1.0 - score, score) };
        match (self, treated) {
            (Self::Ate, _) => 1.0 / own,
            (Self::Att, true) | (Self::Atc, false) => 1.0,
            (Self::Att, false) | (Self::Atc, true) => other / own,
            (Self::Ato, _) => other,
            (Self::Atm, _) => (other / own).min(1.0),
        }
    }

    /// The weights of both arms, control first, by a single division, for scores inside (0, 1). A score of 0 or 1 leaves
    /// the arm that is certain its weight, and the other a number so large that sums of it overflow.
    #[must_use]
    #[inline(always)]
    #[allow(clippy::inline_always)] // called once per row inside the SIMD kernels
    pub fn weights(self, score: f64) -> [f64; 2] {
        let (p, q) = (score.max(f64::MIN_POSITIVE), (1.0 - score).max(f64::MIN_POSITIVE));
        let per_variance = 1.0 / (p * q);
        let (per_control, per_treated) = (p * per_variance, q * per_variance);
        match self {
            Self::Ate => [per_control, per_treated],
            Self::Att => [p * per_control, 1.0],
            Self::Atc => [1.0, q * per_treated],
            Self::Ato => [p, q],
            Self::Atm => [(p * per_control).min(1.0), (q * per_treated).min(1.0)],
        }
    }

    /// The derivative of [`Self::weight`] in the log odds of the score.
    #[must_use]
    pub fn weight_slope(self, treated: bool, score: f64) -> f64 {
        let weight = self.weight(treated, score);
        if treated {
            self.tilt_slope(score) / score - weight * (1.0 - score)
        } else {
            self.tilt_slope(score) / (1.0 - score) + weight * score
        }
    }

    /// The derivative of h in the log odds of the score, in which de = e (1 - e). At e = 1/2, where
    /// the ATM's min has a corner, the mean of both sides: 0, so that swapping the arms changes nothing.
    #[must_use]
    pub fn tilt_slope(self, score: f64) -> f64 {
        let spread = score * (1.0 - score);
        match self {
            Self::Ate => 0.0,
            Self::Att => spread,
            Self::Atc => -spread,
            Self::Ato => spread * (1.0 - 2.0 * score),
            Self::Atm if (score - 0.5).abs() <= CORNER => 0.0,
            Self::Atm => spread.copysign(0.5 - score),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Estimand; 5] =
        [Estimand::Ate, Estimand::Att, Estimand::Atc, Estimand::Ato, Estimand::Atm];

    #[test]
    fn tilt_follows_the_table() {
        let expected = [1.0, 0.2, 0.8, 0.16, 0.2];
        for (estimand, tilt) in ALL.into_iter().zip(expected) {
            assert!((estimand.tilt(0.2) - tilt).abs() < 1e-15);
        }
    }

    #[test]
    fn weight_is_the_tilt_over_the_chance_of_the_own_arm() {
        for estimand in ALL {
            for score in [1e-9, 0.2, 0.5, 0.7, 1.0 - 1e-9] {
                for (treated, own) in [(true, score), (false, 1.0 - score)] {
                    let expected = estimand.tilt(score) / own;
                    let found = estimand.weight(treated, score);
                    assert!((found / expected - 1.0).abs() < 1e-14, "{estimand:?} {score}");
                }
            }
        }
    }

    #[test]
    fn weight_is_a_number_where_the_own_arm_is_certain() {
        for (estimand, expected) in ALL.into_iter().zip([1.0, 1.0, 0.0, 0.0, 0.0]) {
            assert_eq!(estimand.weight(true, 1.0).to_bits(), f64::to_bits(expected));
        }
        for (estimand, expected) in ALL.into_iter().zip([1.0, 0.0, 1.0, 0.0, 0.0]) {
            assert_eq!(estimand.weight(false, 0.0).to_bits(), f64::to_bits(expected));
        }
    }

    #[test]
    fn weights_are_those_of_both_arms() {
        for estimand in ALL {
            for score in [1e-12, 0.2, 0.5, 0.7, 1.0 - 1e-12] {
                for (treated, found) in [false, true].into_iter().zip(estimand.weights(score)) {
                    let expected = estimand.weight(treated, score);
                    assert!((found / expected - 1.0).abs() < 1e-14, "{estimand:?} {score}");
                }
            }
            let [_, treated] = estimand.weights(1.0);
            let [control, _] = estimand.weights(0.0);
            assert!((treated - estimand.weight(true, 1.0)).abs() < 1e-14);
            assert!((control - estimand.weight(false, 0.0)).abs() < 1e-14);
        }
    }

    #[test]
    fn weight_is_one_in_the_arm_the_effect_is_for() {
        assert!((Estimand::Att.weight(true, 0.3) - 1.0).abs() < f64::EPSILON);
        assert!((Estimand::Atc.weight(false, 0.3) - 1.0).abs() < f64::EPSILON);
        assert!((Estimand::Ate.weight(true, 0.25) - 4.0).abs() < f64::EPSILON);
    }

    #[test]
    fn weight_slope_is_the_derivative_of_the_weight() {
        let score = |eta: f64| 1.0 / (1.0 + (-eta).exp());
        for estimand in ALL {
            for (treated, eta) in [(true, -1.2), (false, -1.2), (true, 0.7), (false, 0.7)] {
                let weight = |eta: f64| estimand.weight(treated, score(eta));
                let rise = (weight(eta + 1e-6) - weight(eta - 1e-6)) / 2e-6;
                let found = estimand.weight_slope(treated, score(eta));
                assert!((found - rise).abs() < 1e-8, "{estimand:?}");
            }
        }
    }

    #[test]
    fn tilt_slope_is_the_derivative_of_the_tilt() {
        let score = |eta: f64| 1.0 / (1.0 + (-eta).exp());
        for estimand in ALL {
            for eta in [-2.0, -0.3, 0.4, 1.5] {
                let step = 1e-6;
                let rise = estimand.tilt(score(eta + step)) - estimand.tilt(score(eta - step));
                let found = estimand.tilt_slope(score(eta));
                assert!((found - rise / (2.0 * step)).abs() < 1e-9, "{estimand:?} {eta}");
            }
        }
    }
}
