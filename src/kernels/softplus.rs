//! What a unit takes off the log-likelihood: log(1 + exp(x)), without overflow, in SIMD.

use super::Lane;
use super::arithmetic::exp;
use super::instructions::dispatched;

dispatched!(
    /// The binomial log-likelihood of a block with linear predictor eta: the sum of
    /// -successes log(1 + exp(-eta)) - failures log(1 + exp(eta)).
    #[must_use]
    pub fn log_likelihood<'a>(
        eta: &'a Lane,
        trials: &'a Lane,
        successes: &'a Lane,
    ) -> f64,
    |_| {
        let mut sum = [0.0; 8];
        for first in (0..eta.len()).step_by(sum.len()) {
            for (slot, sum) in sum.iter_mut().enumerate() {
                let row = first + slot;
                let failures = trials[row] - successes[row];
                *sum -= successes[row] * softplus(-eta[row]) + failures * softplus(eta[row]);
            }
        }
        sum.iter().sum()
    }
);

/// max(x, 0) + log(1 + t) with t = exp(-|x|), the logarithm as 2 artanh(s) with s = t / (2 + t).
#[inline(always)]
fn softplus(x: f64) -> f64 {
    let t = exp(-x.abs());
    let s = t / (2.0 + t);
    x.max(0.0) + 2.0 * s * artanh_series(s * s)
}

/// artanh(s) / s = 1 + s^2 / 3 + s^4 / 5 + ...; with s <= 1/3 what is left off behind s^34 is under
/// (1/9)^18 / 37 = 2e-19.
#[inline(always)]
fn artanh_series(s2: f64) -> f64 {
    let mut sum = 1.0 / 35.0;
    for odd in
        [33.0, 31.0, 29.0, 27.0, 25.0, 23.0, 21.0, 19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0]
    {
        sum = sum * s2 + 1.0 / odd;
    }
    (sum * s2 + 1.0 / 3.0) * s2 + 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softplus_agrees_with_the_library() {
        for step in -40_000..=40_000 {
            let x = f64::from(step) * 0.004_321;
            let expected = x.max(0.0) + (-x.abs()).exp().ln_1p();
            assert!((softplus(x) - expected).abs() <= 4.0 * f64::EPSILON * expected, "{x}");
        }
    }
}
