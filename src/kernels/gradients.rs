//! Slopes and curvatures of losses in the linear predictor, as whole numbers: sums of these are exact in any
//! order, and what is subtracted from a sum is gone without a rest.

use super::instructions::dispatched;
use super::{BLOCK, Lane, arithmetic};

/// A block of predictors, with what its units weigh, and weigh times their outcomes.
#[derive(Debug, Clone)]
pub struct Predicted {
    pub predictor: [f32; BLOCK],
    pub weight: Lane,
    pub outcome: Lane,
}

impl Default for Predicted {
    fn default() -> Self {
        Self { predictor: [0.0; BLOCK], weight: [0.0; BLOCK], outcome: [0.0; BLOCK] }
    }
}

/// Whole numbers of a block, each a slope or a curvature times its scale, rounded. A curvature is at least 1
/// where there is any weight, so that no sum of them is 0.
#[derive(Debug, Clone)]
pub struct Slopes {
    pub gradient: [i32; BLOCK],
    pub curvature: [u32; BLOCK],
}

impl Default for Slopes {
    fn default() -> Self {
        Self { gradient: [0; BLOCK], curvature: [0; BLOCK] }
    }
}

/// What slopes and curvatures are multiplied with: the products are within 32 bits.
#[derive(Debug, Clone, Copy)]
pub struct Scales {
    pub gradient: f64,
    pub curvature: f64,
}

dispatched!(
    /// Of the log-loss: w p - w y and w p (1 - p); what they sum to.
    pub fn logistic_slopes<'a>(at: &'a Predicted, scales: Scales, into: &'a mut Slopes) -> [i64; 2],
    |_| fill(at, scales, into, |f, w, wy| {
        let (p, q) = arithmetic::probability(f);
        (w * p - wy, w * p * q)
    })
);
dispatched!(
    /// Of half the squared error: w f - w y and w; what they sum to.
    pub fn squared_slopes<'a>(at: &'a Predicted, scales: Scales, into: &'a mut Slopes) -> [i64; 2],
    |_| fill(at, scales, into, |f, w, wy| (w * f - wy, w))
);
dispatched!(
    /// Of half Poisson's deviance: w exp(f) - w y and w exp(f); what they sum to.
    pub fn poisson_slopes<'a>(at: &'a Predicted, scales: Scales, into: &'a mut Slopes) -> [i64; 2],
    |_| fill(at, scales, into, |f, w, wy| {
        let mean = w * arithmetic::exp(f);
        (mean - wy, mean)
    })
);

#[inline(always)]
fn fill(
    at: &Predicted,
    scales: Scales,
    into: &mut Slopes,
    slopes: impl Fn(f64, f64, f64) -> (f64, f64),
) -> [i64; 2] {
    for k in 0..BLOCK {
        let (gradient, curvature) = slopes(f64::from(at.predictor[k]), at.weight[k], at.outcome[k]);
        let least = f64::from(u8::from(at.weight[k] > 0.0));
        into.gradient[k] = whole(gradient * scales.gradient).cast_signed();
        into.curvature[k] = whole((curvature * scales.curvature).max(least));
    }
    let gradients = into.gradient.iter().fold(0, |sum: i64, g| sum.wrapping_add(i64::from(*g)));
    let curvatures = into.curvature.iter().fold(0, |sum: i64, h| sum.wrapping_add(i64::from(*h)));
    [gradients, curvatures]
}

/// The nearest whole number, modulo 2^32: adding 1.5 * 2^52 leaves it in the lowest bits.
#[inline(always)]
#[allow(clippy::cast_possible_truncation)] // the lower half, on purpose
fn whole(value: f64) -> u32 {
    const ROUND: f64 = 6_755_399_441_055_744.0;
    (value + ROUND).to_bits() as u32
}

#[cfg(test)]
#[allow(clippy::redundant_closure)] // whose lifetimes are freer than the functions'
mod tests {
    use super::*;

    fn at(f: f64, weight: f64, outcome: f64) -> Predicted {
        #[allow(clippy::cast_possible_truncation)]
        let predictor = [f as f32; BLOCK];
        Predicted { predictor, weight: [weight; BLOCK], outcome: [outcome; BLOCK] }
    }

    const SCALES: Scales = Scales { gradient: 1e6, curvature: 1e6 };

    fn numbers(
        slopes: impl Fn(&Predicted, Scales, &mut Slopes) -> [i64; 2],
        at: &Predicted,
    ) -> (i32, u32) {
        let mut into = Slopes::default();
        let [gradients, curvatures] = slopes(at, SCALES, &mut into);
        assert_eq!(gradients, into.gradient.iter().copied().map(i64::from).sum::<i64>());
        assert_eq!(curvatures, into.curvature.iter().copied().map(i64::from).sum::<i64>());
        assert!(into.gradient.iter().all(|g| *g == into.gradient[0]));
        (into.gradient[BLOCK - 1], into.curvature[0])
    }

    #[test]
    fn slopes_are_the_derivatives_of_their_losses() {
        // p = 1 / (1 + exp(-0.5)) = 0.62245933, exp(0.5) = 1.64872127.
        let block = at(0.5, 2.0, 1.0);
        assert_eq!(
            numbers(|at, scales, into| logistic_slopes(at, scales, into), &block),
            (244_919, 470_007)
        );
        assert_eq!(
            numbers(|at, scales, into| squared_slopes(at, scales, into), &block),
            (0, 2_000_000)
        );
        assert_eq!(
            numbers(|at, scales, into| poisson_slopes(at, scales, into), &block),
            (2_297_443, 3_297_443)
        );
        assert_eq!(
            numbers(|at, scales, into| logistic_slopes(at, scales, into), &at(-0.5, 2.0, 1.0)),
            (-244_919, 470_007)
        );
    }

    #[test]
    fn a_curvature_vanishes_with_the_weight_alone() {
        assert_eq!(
            numbers(|at, scales, into| logistic_slopes(at, scales, into), &at(60.0, 1.0, 1.0)).1,
            1
        );
        assert_eq!(
            numbers(|at, scales, into| logistic_slopes(at, scales, into), &at(60.0, 0.0, 0.0)),
            (0, 0)
        );
    }
}
