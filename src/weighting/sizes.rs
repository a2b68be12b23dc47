//! What a weighting leaves of the sample.

/// Kish's effective sample size, (sum w)^2 / sum w^2: as many equally weighted units would give a
/// mean of the same precision.
#[must_use]
pub fn effective_sample_size(weights: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, squares) =
        weights.into_iter().fold((0.0, 0.0), |(sum, squares), w| (sum + w, squares + w * w));
    sum * sum / squares
}

/// The same of rows that stand for several users each: of what the users of a row weigh together, and how many they are.
#[must_use]
pub fn effective_number_of_users(rows: impl IntoIterator<Item = (f64, f64)>) -> f64 {
    let (sum, squares) = rows
        .into_iter()
        .fold((0.0, 0.0), |(sum, squares), (w, users)| (sum + w, squares + w * w / users));
    sum * sum / squares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effective_sample_size_counts_equal_weights_in_full() {
        assert!((effective_sample_size([2.0; 7]) - 7.0).abs() < 1e-12);
        assert!((effective_sample_size([1.0, 0.0, 0.0]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn effective_number_of_users_is_that_of_the_users_one_by_one() {
        let users = [3.0, 3.0, 0.5, 0.5, 0.5, 0.5, 2.0];
        let found = effective_number_of_users([(6.0, 2.0), (2.0, 4.0), (2.0, 1.0)]);
        assert!((found - effective_sample_size(users)).abs() < 1e-12);
    }
}
