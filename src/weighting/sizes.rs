//! What a weighting leaves of the sample.

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
    fn effective_sample_size_counts_equal_weights_in_full() {
        assert!((effective_sample_size([2.0; 7]) - 7.0).abs() < 1e-12);
        assert!((effective_sample_size([1.0, 0.0, 0.0]) - 1.0).abs() < 1e-12);
    }
}
