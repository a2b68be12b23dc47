//! Weighted means and variances: the only place that computes them.

/// Count, mean and spread of the values seen so far. Blocks are merged by the pairwise update of
/// Chan, Golub and LeVeque (1983), which keeps its digits where the mean is large and the spread
/// small; the naive sum of squares loses them all near 1e9.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moments {
    /// Sum of the weights.
    pub weight: f64,
    pub mean: f64,
    /// Weighted sum of squared deviations from the mean.
    pub deviation: f64,
}

impl Moments {
    pub const EMPTY: Self = Self { weight: 0.0, mean: 0.0, deviation: 0.0 };

    /// The moments of values that weigh 1 each.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let weight = values.len() as f64;
        let mean = values.iter().sum::<f64>() / weight;
        let deviation = values.iter().map(|x| (x - mean) * (x - mean)).sum();
        if values.is_empty() { Self::EMPTY } else { Self { weight, mean, deviation } }
    }

    /// Add a block of values and their weights (frequency or otherwise, none negative).
    pub fn add(&mut self, values: &[f64], weights: &[f64]) {
        self.add_weighing(values, weights, weights.iter().sum());
    }

    /// [`Moments::add`] where the sum of the weights is known already.
    pub fn add_weighing(&mut self, values: &[f64], weights: &[f64], weight: f64) {
        if weight == 0.0 {
            return;
        }
        let mean = sum(values, weights, |x, w| w * x) / weight;
        let deviation = sum(values, weights, |x, w| w * (x - mean) * (x - mean));
        self.merge(&Self { weight, mean, deviation });
    }

    pub fn merge(&mut self, other: &Self) {
        let weight = self.weight + other.weight;
        if other.weight == 0.0 || weight == 0.0 {
            return;
        }
        let gap = other.mean - self.mean;
        let share = other.weight / weight;
        self.deviation += other.deviation + gap * gap * self.weight * share;
        self.mean += gap * share;
        self.weight = weight;
    }

    /// The variance with divisor n - 1; weights are counts here.
    #[must_use]
    pub fn sample_variance(&self) -> f64 {
        self.deviation / (self.weight - 1.0)
    }

    /// The weighted variance sum w (x - m)^2 / (1 - sum w^2), w summing to 1; `squares` is the sum of the
    /// squared weights as they came. With equal weights the variance with divisor n - 1.
    #[must_use]
    pub fn weighted_variance(&self, squares: f64) -> f64 {
        self.deviation / (self.weight - squares / self.weight)
    }
}

/// Sums that a loop keeps apart: one sum would wait for its own last addition at every step.
const LANES: usize = 8;

/// The sum of a term of each value and its weight, lane by lane: always in the same order.
fn sum(values: &[f64], weights: &[f64], term: impl Fn(f64, f64) -> f64) -> f64 {
    let (x, x_rest) = values.as_chunks::<LANES>();
    let (w, w_rest) = weights.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for (x, w) in x.iter().zip(w) {
        for lane in 0..LANES {
            lanes[lane] += term(x[lane], w[lane]);
        }
    }
    let rest: f64 = x_rest.iter().zip(w_rest).map(|(x, w)| term(*x, *w)).sum();
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn add_keeps_its_digits_far_from_zero() {
        let mut moments = Moments::default();
        for block in [[1e9 + 1.0, 1e9 + 2.0], [1e9 + 3.0, 1e9 + 4.0]] {
            moments.add(&block, &[1.0, 1.0]);
        }
        assert!((moments.mean - (1e9 + 2.5)).abs() < 1e-6);
        assert!((moments.sample_variance() - 5.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn add_counts_a_weight_as_copies() {
        let (mut weighted, mut copied) = (Moments::default(), Moments::default());
        weighted.add(&[1.0, 5.0], &[3.0, 1.0]);
        copied.add(&[1.0, 1.0, 1.0, 5.0], &[1.0; 4]);
        assert_eq!(weighted, copied);
    }
}
