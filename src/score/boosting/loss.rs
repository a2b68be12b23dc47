//! What a tree lowers: losses of a linear predictor, and the means that it stands for.

use crate::kernels::{
    BLOCK, Predicted, Scales, Slopes, logistic_slopes, poisson_slopes, squared_slopes,
};

/// A loss, by what it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Loss {
    /// Of 0 and 1: the log-loss, of log odds.
    Logistic,
    /// Of numbers: the squared error, of their mean.
    Squared,
    /// Of counts: Poisson's deviance, of the logarithm of their mean.
    Poisson,
}

/// The longest step that a leaf takes on a scale of logarithms. Newton's step is far too long where what is
/// observed was thought next to impossible: (1 - p) / p of it, while the loss asks for its logarithm.
const LONGEST: f64 = 5.0;

impl Loss {
    /// The predictor that stands for a mean.
    #[must_use]
    pub fn link(self, mean: f64) -> f64 {
        match self {
            Self::Logistic => (mean / (1.0 - mean)).ln(),
            Self::Squared => mean,
            Self::Poisson => mean.ln(),
        }
    }

    /// The mean that a predictor stands for.
    #[must_use]
    pub fn mean(self, predictor: f64) -> f64 {
        match self {
            Self::Logistic => 1.0 / (1.0 + (-predictor).exp()),
            Self::Squared => predictor,
            Self::Poisson => predictor.exp(),
        }
    }

    /// The loss at a predictor: minus the log-likelihood of a Bernoulli draw, the squared error, Poisson's deviance.
    #[must_use]
    pub fn at(self, outcome: f64, predictor: f64) -> f64 {
        match self {
            Self::Logistic => {
                let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
                outcome * softplus(-predictor) + (1.0 - outcome) * softplus(predictor)
            }
            Self::Squared => (outcome - predictor) * (outcome - predictor),
            Self::Poisson => {
                let mean = predictor.exp();
                let own = if outcome > 0.0 { outcome * (outcome.ln() - predictor) } else { 0.0 };
                2.0 * (own - (outcome - mean))
            }
        }
    }

    /// Newton's step down from where gradient and curvature are these.
    #[must_use]
    pub fn step(self, gradient: f64, curvature: f64) -> f64 {
        let step = -gradient / curvature;
        if self == Self::Squared { step } else { step.clamp(-LONGEST, LONGEST) }
    }

    /// Fill in gradients and curvatures; what they sum to.
    pub(super) fn slopes(self, at: &Predicted, scales: Scales, into: &mut Slopes) -> [i64; 2] {
        match self {
            Self::Logistic => logistic_slopes(at, scales, into),
            Self::Squared => squared_slopes(at, scales, into),
            Self::Poisson => poisson_slopes(at, scales, into),
        }
    }

    /// Gradient and curvature of a unit that weighs `w` and whose outcomes sum to `wy`.
    pub(super) fn slopes_of(self, f: f64, w: f64, wy: f64) -> (f64, f64) {
        let mean = self.mean(f);
        match self {
            Self::Logistic => (w * mean - wy, w * mean * (1.0 - mean)),
            Self::Squared => (w * mean - wy, w),
            Self::Poisson => (w * mean - wy, w * mean),
        }
    }
}

/// How large slopes and curvatures are.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sizes {
    pub gradient: f64,
    pub curvature: f64,
    /// The sum of all curvatures.
    pub total: f64,
    /// The sum of w f^2 - 2 f w y: with that of w y^2 the squared error.
    pub error: f64,
}

impl Sizes {
    pub fn add(&mut self, loss: Loss, at: &Predicted) {
        for k in 0..BLOCK {
            let f = f64::from(at.predictor[k]);
            let (gradient, curvature) = loss.slopes_of(f, at.weight[k], at.outcome[k]);
            self.gradient = self.gradient.max(gradient.abs());
            self.curvature = self.curvature.max(curvature);
            self.total += curvature;
            self.error += f * (at.weight[k] * f - 2.0 * at.outcome[k]);
        }
    }

    /// Scales at which each slope has 32 bits, and the sum of all curvatures what the number of rows, of
    /// `count_bits` bits, leaves of 63.
    #[must_use]
    pub fn scales(&self, count_bits: u32) -> Scales {
        let room = 2.0_f64.powi(62 - count_bits.cast_signed()) / self.total;
        let curvature = (f64::from(u32::MAX) / self.curvature).min(room);
        let gradient = f64::from(i32::MAX) / self.gradient;
        let usable = |scale: f64| if scale.is_finite() { scale } else { 1.0 };
        Scales { gradient: usable(gradient), curvature: usable(curvature) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(Loss, f64); 3] =
        [(Loss::Logistic, 0.3), (Loss::Squared, -2.0), (Loss::Poisson, 4.0)];

    #[test]
    fn mean_is_the_inverse_of_link() {
        for (loss, mean) in ALL {
            assert!((loss.mean(loss.link(mean)) - mean).abs() < 1e-14);
        }
    }

    #[test]
    fn slopes_are_the_derivatives_of_the_loss() {
        let h = 1e-4;
        // The squared error and the deviance are twice what their slopes are of.
        for (loss, halved) in [(Loss::Logistic, 1.0), (Loss::Squared, 0.5), (Loss::Poisson, 0.5)] {
            let (f, w, y) = (0.7, 3.0, 1.0);
            let at = |f: f64| halved * w * loss.at(y, f);
            let (gradient, curvature) = loss.slopes_of(f, w, w * y);
            assert!((gradient - (at(f + h) - at(f - h)) / (2.0 * h)).abs() < 1e-6, "{loss:?}");
            let bend = (at(f + h) - 2.0 * at(f) + at(f - h)) / (h * h);
            assert!((curvature - bend).abs() < 1e-5, "{loss:?}");
        }
    }

    #[test]
    fn a_step_is_newtons_unless_it_is_far_too_long() {
        assert!((Loss::Logistic.step(-0.2, 0.1) - 2.0).abs() < 1e-15);
        assert!((Loss::Poisson.step(-900.0, 1.0) - LONGEST).abs() < 1e-15);
        assert!((Loss::Squared.step(-900.0, 1.0) - 900.0).abs() < 1e-15);
    }

    #[test]
    fn a_loss_is_least_at_what_was_observed() {
        assert!(Loss::Poisson.at(3.0, 3.0_f64.ln()).abs() < 1e-14);
        assert!((Loss::Poisson.at(0.0, 0.0) - 2.0).abs() < 1e-15);
        assert!((Loss::Logistic.at(1.0, 0.0) - 2.0_f64.ln()).abs() < 1e-15);
    }
}
