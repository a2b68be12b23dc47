//! The core's fits beside those of smartcore, which has other algorithms for them: L-BFGS where ours is Newton's,
//! QR and SVD of the columns where ours is a Cholesky factor of their products.

#![allow(clippy::unwrap_used)] // a test that has nothing to unwrap has failed

use ndarray::{Array2, Axis};
use propensity::design::covariates::Covariates;
use propensity::monitor::Monitor;
use propensity::outcome::kinds::OutcomeModel;
use propensity::outcome::model::{ArmFit, ArmRows};
use propensity::resampling::stream::Stream;
use propensity::score::logistic;
use propensity::score::spec::PropensitySpec;
use propensity::units::tally::Outcomes;
use smartcore::linalg::basic::arrays::Array;
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::linear::linear_regression::{
    LinearRegression, LinearRegressionParameters, LinearRegressionSolverName,
};
use smartcore::linear::logistic_regression::{LogisticRegression, LogisticRegressionParameters};

/// Columns on scales from 0.3 to 3 about means from 0 to 3, a treatment that they tell, and an outcome.
struct World {
    x: Array2<f64>,
    treatment: Vec<bool>,
    outcome: Vec<f64>,
}

fn world(n_rows: usize, seed: u64) -> World {
    let mut stream = Stream::new(seed, 0);
    // The difference of two exponential numbers: symmetric, with heavier tails than the normal distribution.
    let mut noise = move || stream.exponential() - stream.exponential();
    let mut x = Array2::from_shape_simple_fn((n_rows, 4), &mut noise);
    for (k, mut column) in x.columns_mut().into_iter().enumerate() {
        let scale = [0.3, 1.0, 3.0, 0.5][k];
        column.mapv_inplace(|value| scale * value + k as f64);
    }
    let eta = |row: ndarray::ArrayView1<'_, f64>| row[0] - 0.5 * row[1] + 0.2 * row[2];
    // A logistic number has the logarithm of the ratio of two exponential ones.
    let mut stream = Stream::new(seed, 1);
    let mut logistic = move || (stream.exponential() / stream.exponential()).ln();
    let treatment = x.rows().into_iter().map(|row| eta(row) + logistic() > 0.0).collect();
    let outcome = x.rows().into_iter().map(|row| 2.0 * row[0] - row[3] + noise()).collect();
    World { x, treatment, outcome }
}

fn dense(x: &Array2<f64>) -> DenseMatrix<f64> {
    let values = x.rows().into_iter().flat_map(|row| row.to_vec()).collect();
    DenseMatrix::new(x.nrows(), x.ncols(), values, false).unwrap()
}

#[test]
fn newton_s_fit_is_smartcore_s_logistic_regression() {
    for (seed, penalty) in [(1, 0.0), (2, 0.0), (3, 2.0)] {
        let World { x, treatment, .. } = world(800, seed);
        let spec = PropensitySpec { penalty, ..PropensitySpec::default() };
        let ours = logistic::fit(x.view(), &treatment, None, &spec, &Monitor::default()).unwrap();
        let labels: Vec<u32> = treatment.into_iter().map(u32::from).collect();
        let parameters = LogisticRegressionParameters::default().with_alpha(penalty);
        let theirs = LogisticRegression::fit(&dense(&x), &labels, parameters).unwrap();
        let slopes = theirs.coefficients().iterator(0);
        let theirs = [*theirs.intercept().get((0, 0))].into_iter().chain(slopes.copied());
        for (ours, theirs) in ours.coefficients.iter().zip(theirs) {
            // L-BFGS stops where its gradient or its last step is small enough to it.
            assert!((ours - theirs).abs() < 1e-4, "seed {seed}: {ours} against {theirs}");
        }
    }
}

#[test]
fn outcome_models_are_smartcore_s_least_squares_by_qr_and_by_svd() {
    let World { x, treatment, outcome } = world(500, 4);
    let covariates = Covariates::standardized(x.view()).unwrap();
    let covariates = covariates.settled(&[1.0; 500]).unwrap();
    let units: Outcomes<'_> =
        Outcomes { treatment: &treatment, outcome: &outcome, sample_weight: None, counts: None };
    for arm in [false, true] {
        let rows = ArmRows { covariates: &covariates, units: &units, arm, weight: |_| 1.0 };
        let fit = ArmFit::new(&rows, OutcomeModel::Linear, None, &Monitor::default()).unwrap();
        let ours = fit.predict(&covariates);
        let own: Vec<usize> = (0..500).filter(|row| treatment[*row] == arm).collect();
        let y: Vec<f64> = own.iter().map(|row| outcome[*row]).collect();
        for solver in [LinearRegressionSolverName::QR, LinearRegressionSolverName::SVD] {
            let parameters = LinearRegressionParameters { solver };
            let model =
                LinearRegression::fit(&dense(&x.select(Axis(0), &own)), &y, parameters).unwrap();
            let theirs: Vec<f64> = model.predict(&dense(&x)).unwrap();
            for (ours, theirs) in ours.iter().zip(&theirs) {
                assert!((ours - theirs).abs() < 1e-9, "{ours} against {theirs}");
            }
        }
    }
}
