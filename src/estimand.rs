//! Whom an effect is for, and the tilting function that says so.

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
