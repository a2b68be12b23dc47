//! Covariance matrices of coefficients: as they are, or where there are very many by what they are made of.

use ndarray::Array2;

/// A symmetric matrix.
#[derive(Debug, Clone)]
pub enum Covariance {
    Full(Array2<f64>),
    /// diag(own) + left right' + right left'.
    Halves {
        own: Vec<f64>,
        left: Array2<f64>,
        right: Array2<f64>,
    },
}

impl Covariance {
    #[must_use]
    pub fn of_halves(own: Vec<f64>, left: Array2<f64>, right: Array2<f64>) -> Self {
        Self::Halves { own, left, right }
    }

    #[must_use]
    pub fn n_terms(&self) -> usize {
        match self {
            Self::Full(matrix) => matrix.nrows(),
            Self::Halves { own, .. } => own.len(),
        }
    }

    /// Whether its parts are of sizes that fit.
    #[must_use]
    pub fn is_square(&self) -> bool {
        match self {
            Self::Full(matrix) => matrix.is_square(),
            Self::Halves { own, left, right } => {
                left.dim() == right.dim() && left.nrows() == own.len()
            }
        }
    }

    /// Its diagonal.
    #[must_use]
    pub fn variances(&self) -> Vec<f64> {
        match self {
            Self::Full(matrix) => matrix.diag().to_vec(),
            Self::Halves { own, left, right } => {
                let rows = left.rows().into_iter().zip(right.rows());
                own.iter().zip(rows).map(|(own, (a, b))| own + 2.0 * a.dot(&b)).collect()
            }
        }
    }

    /// All of it.
    #[must_use]
    pub fn matrix(&self) -> Array2<f64> {
        match self {
            Self::Full(matrix) => matrix.clone(),
            Self::Halves { own, left, right } => {
                let half = left.dot(&right.t());
                let mut matrix = &half + &half.t();
                matrix.diag_mut().iter_mut().zip(own).for_each(|(entry, own)| *entry += own);
                matrix
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_the_matrix_that_they_make() {
        let own = vec![1.0, 0.0, 3.0];
        let left = Array2::from_shape_fn((3, 2), |(j, k)| (j + 2 * k) as f64 - 1.5);
        let right = Array2::from_shape_fn((3, 2), |(j, k)| (3 * j) as f64 * 0.5 - k as f64);
        let found = Covariance::of_halves(own.clone(), left.clone(), right.clone());
        let matrix = found.matrix();
        for j in 0..3 {
            for k in 0..3 {
                let product: f64 = (0..2)
                    .map(|i| left[(j, i)] * right[(k, i)] + right[(j, i)] * left[(k, i)])
                    .sum();
                let expected = product + if j == k { own[j] } else { 0.0 };
                assert!((matrix[(j, k)] - expected).abs() < 1e-14);
            }
        }
        let variances = found.variances();
        assert!((0..3).all(|k| (variances[k] - matrix[(k, k)]).abs() < 1e-14));
    }
}
