use ndarray::{Array1, Array2};

use super::descent::Quadratic;
use super::*;
use crate::resampling::stream::Stream;

/// n rows of d columns that go together, and a response of three of them.
fn sample(n: usize, d: usize, seed: u64) -> (Array2<f64>, Vec<f64>) {
    let mut stream = Stream::new(seed, 0);
    let mut noise = move || stream.exponential() - stream.exponential();
    let mut x = Array2::from_shape_simple_fn((n, d), &mut noise);
    for k in 1..d {
        let earlier = x.column(k - 1).to_owned();
        x.column_mut(k).scaled_add(0.5, &earlier);
    }
    let signal = &x.column(0) - &(0.5 * &x.column(2)) + 0.25 * &x.column(d - 1);
    let y: Array1<f64> = signal + Array1::from_shape_simple_fn(n, &mut noise);
    (x, y.to_vec())
}

fn fit(x: &Array2<f64>, y: &[f64], weight: Option<&[f64]>, loadings: Loadings) -> LassoFit {
    lassos(x.view(), weight, &[y], 0.1, loadings, &Monitor::default()).unwrap().remove(0)
}

#[test]
fn columns_that_have_nothing_to_do_with_each_other_are_shrunk_one_by_one() {
    let gram = [1.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0];
    let quadratic = Quadratic { gram: &gram, target: vec![3.0, -1.0, 0.5] };
    let minimum = quadratic.minimize(&[1.0, 0.4, 0.1], &[0.0; 3], &Monitor::default()).unwrap();
    assert_eq!(minimum, [2.0, -0.3, 0.0]);
    let none = quadratic.minimize(&[3.0, 1.0, 0.1], &minimum, &Monitor::default()).unwrap();
    assert_eq!(none, [0.0, 0.0, 0.0]);
}

#[test]
fn a_minimum_meets_the_conditions_of_an_optimum_from_any_start() {
    let (x, y) = sample(60, 90, 1);
    let design = Design::new(x.view(), None).unwrap();
    let response = design.response(&y).unwrap();
    let penalties: Vec<f64> = (0..90).map(|j| 0.05 + 0.002 * f64::from(j)).collect();
    let from = |start: f64| {
        response.quadratic.minimize(&penalties, &[start; 90], &Monitor::default()).unwrap()
    };
    let (zero, far) = (from(0.0), from(1.0));
    assert!(response.quadratic.off_optimum(&penalties, &zero) < 1e-10);
    assert!(response.quadratic.off_optimum(&penalties, &far) < 1e-10);
    assert!(zero.iter().zip(&far).all(|(a, b)| (a - b).abs() < 1e-8));
    let chosen = zero.iter().filter(|b| **b != 0.0).count();
    assert!((3..60).contains(&chosen), "{chosen} chosen");
}

/// By the definition, for the mean of squares of n rows: no step of a coefficient lowers it.
#[test]
fn no_step_lowers_what_a_lasso_minimises() {
    let (x, y) = sample(80, 12, 2);
    let weight: Vec<f64> = (0..80).map(|row| 0.5 + f64::from(row % 3)).collect();
    let mean = weight.iter().sum::<f64>() / 80.0;
    for loadings in [Loadings::Unit, Loadings::Robust] {
        let found = fit(&x, &y, Some(&weight), loadings);
        let deviations: Vec<f64> = x
            .columns()
            .into_iter()
            .map(|column| {
                let weighed = |f: &dyn Fn(f64) -> f64| {
                    let sum: f64 = column.iter().zip(&weight).map(|(x, w)| w * f(*x)).sum();
                    sum / mean / 80.0
                };
                let center = weighed(&|x| x);
                weighed(&|x| (x - center).powi(2)).sqrt()
            })
            .collect();
        let objective = |intercept: f64, slopes: &[f64]| {
            let fitted = x.dot(&Array1::from(slopes.to_vec())) + intercept;
            let squares =
                fitted.iter().zip(&y).zip(&weight).map(|((f, y), w)| w / mean * (y - f).powi(2));
            let charged = slopes.iter().zip(&deviations).zip(&found.loadings);
            squares.sum::<f64>() / 160.0
                + 0.1 * charged.map(|((b, s), loading)| loading * s * b.abs()).sum::<f64>()
        };
        let least = objective(found.intercept, &found.coefficients);
        for step in [1e-3, -1e-3] {
            assert!(objective(found.intercept + step, &found.coefficients) > least);
            for j in 0..12 {
                let mut other = found.coefficients.clone();
                other[j] += step;
                assert!(objective(found.intercept, &other) > least, "column {j}, step {step}");
            }
        }
    }
}

#[test]
fn rows_of_weight_zero_are_not_there() {
    let (x, y) = sample(90, 20, 3);
    let weight: Vec<f64> = (0..90).map(|row| f64::from(row % 3)).collect();
    let there: Vec<usize> = (0..90).filter(|row| row % 3 > 0).collect();
    let all = fit(&x, &y, Some(&weight), Loadings::Robust);
    let own: Vec<f64> = there.iter().map(|row| y[*row]).collect();
    let weights: Vec<f64> = there.iter().map(|row| 5.0 * weight[*row]).collect();
    let alone = fit(&x.select(ndarray::Axis(0), &there), &own, Some(&weights), Loadings::Robust);
    for (one, other) in all.coefficients.iter().zip(&alone.coefficients) {
        assert!((one - other).abs() < 1e-10);
    }
}

#[test]
fn a_lasso_that_cannot_be_is_refused() {
    let (x, y) = sample(10, 3, 4);
    let refused = |weight: Option<&[f64]>, y: &[f64], penalty| {
        lassos(x.view(), weight, &[y], penalty, Loadings::Robust, &Monitor::default()).unwrap_err()
    };
    assert!(matches!(refused(None, &y[1..], 0.1), Error::Length { .. }));
    assert!(matches!(refused(None, &y, f64::INFINITY), Error::Argument { name: "penalty", .. }));
    let mut lone = [0.0; 10];
    lone[4] = 1.0;
    assert!(matches!(refused(Some(&lone), &y, 0.1), Error::TooFewRows { rows: 1, .. }));
    let monitor = Monitor::default();
    monitor.stop();
    let stopped = lassos(x.view(), None, &[&y], 0.1, Loadings::Unit, &monitor);
    assert_eq!(stopped.unwrap_err(), Error::Stopped);
}
