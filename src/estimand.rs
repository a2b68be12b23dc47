//! Whom an effect is for, and the tilting function that says so.

/// The population an effect averages over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Estimand {
    /// Everybody: the average treatment effect.
    Ate,
    /// Those who were treated.
    Att,
    /// Those who were not.
    Atc,
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
        }
    }

    /// The derivative of h in the log odds of the score, in which de = e (1 - e).
    #[must_use]
    pub fn tilt_slope(self, score: f64) -> f64 {
        let spread = score * (1.0 - score);
        match self {
            Self::Ate => 0.0,
            Self::Att => spread,
            Self::Atc => -spread,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tilt_follows_the_table() {
        for score in [0.1, 0.5, 0.9] {
            assert!((Estimand::Ate.tilt(score) - 1.0).abs() < f64::EPSILON);
            assert!((Estimand::Att.tilt(score) - score).abs() < f64::EPSILON);
            assert!((Estimand::Atc.tilt(score) - (1.0 - score)).abs() < f64::EPSILON);
        }
    }
}
