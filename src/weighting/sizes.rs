//! What a weighting leaves of the sample.

use std::iter::Sum;

/// What an effective size is made of: the sum of what rows weigh, and that of its squares by user.
#[derive(Debug, Default, Clone, Copy)]
pub struct WeightSums {
    sum: f64,
    squares: f64,
}

impl WeightSums {
    /// Of what the users of each row weigh together, and how many they are.
    #[must_use]
    pub fn of(rows: impl Iterator<Item = (f64, f64)>) -> Self {
        rows.fold(Self::default(), |Self { sum, squares }, (w, users)| Self {
            sum: sum + w,
            squares: squares + w * w / users,
        })
    }

    /// Kish's effective sample size, (sum w)^2 / sum w^2: as many equally weighted units would give a mean of the same
    /// precision.
    #[must_use]
    pub fn effective_size(self) -> f64 {
        self.sum * self.sum / self.squares
    }
}

impl Sum for WeightSums {
    fn sum<I: Iterator<Item = Self>>(pieces: I) -> Self {
        pieces.fold(Self::default(), |all, piece| Self {
            sum: all.sum + piece.sum,
            squares: all.squares + piece.squares,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_by_one(weights: &[f64]) -> WeightSums {
        WeightSums::of(weights.iter().map(|weight| (*weight, 1.0)))
    }

    #[test]
    fn effective_size_counts_equal_weights_in_full() {
        assert!((one_by_one(&[2.0; 7]).effective_size() - 7.0).abs() < 1e-12);
        assert!((one_by_one(&[1.0, 0.0, 0.0]).effective_size() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn effective_size_is_that_of_the_users_one_by_one() {
        let users = one_by_one(&[3.0, 3.0, 0.5, 0.5, 0.5, 0.5, 2.0]).effective_size();
        let pieces = [&[(6.0, 2.0), (2.0, 4.0)][..], &[(2.0, 1.0)]];
        let found: WeightSums = pieces.iter().map(|own| WeightSums::of(own.iter().copied())).sum();
        assert!((found.effective_size() - users).abs() < 1e-12);
    }
}
