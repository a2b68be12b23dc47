//! What must hold of any data: the core's fit, matching and balance on small random samples with many ties.

#![allow(clippy::unwrap_used)] // a test that has nothing to unwrap has failed

use ndarray::Array2;
use propensity::balance::{Denominator, smd};
use propensity::matching::{Focal, NearestSpec, Quantity, nearest};
use propensity::monitor::Monitor;
use propensity::score::fitted::PropensityFit;
use propensity::score::logistic::fit;
use propensity::score::spec::PropensitySpec;
use propensity::units::frequency::RowWeights;
use proptest::collection::vec;
use proptest::prelude::*;

/// n rows of d whole numbers, and who was treated: two of either arm at least.
fn samples() -> impl Strategy<Value = (Array2<f64>, Vec<bool>)> {
    (1..4_usize, 6..40_usize).prop_flat_map(|(d, n)| {
        (vec(-3..4_i8, n * d), vec(any::<bool>(), n)).prop_map(move |(values, mut treatment)| {
            treatment[..4].copy_from_slice(&[true, false, true, false]);
            let values = values.into_iter().map(f64::from).collect();
            (Array2::from_shape_vec((n, d), values).unwrap(), treatment)
        })
    })
}

/// Scores that are few fractions, so that distances tie.
fn scored() -> impl Strategy<Value = (Vec<f64>, Vec<bool>)> {
    vec((1..16_u8, any::<bool>()), 4..50).prop_map(|rows| {
        let scores = rows.iter().map(|(score, _)| f64::from(*score) / 16.0).collect();
        let mut treatment: Vec<bool> = rows.iter().map(|(_, treated)| *treated).collect();
        treatment[..4].copy_from_slice(&[true, false, true, false]);
        (scores, treatment)
    })
}

fn penalized(x: &Array2<f64>, treatment: &[bool], weight: Option<&[f64]>) -> PropensityFit {
    // A penalty, so that there is an optimum whatever the data.
    penalized_by(0.5, x, treatment, weight)
}

fn penalized_by(
    penalty: f64,
    x: &Array2<f64>,
    treatment: &[bool],
    weight: Option<&[f64]>,
) -> PropensityFit {
    let spec = PropensitySpec { penalty, ..PropensitySpec::default() };
    fit(x.view(), treatment, weight, &spec, &Monitor::default()).unwrap()
}

fn backwards(x: &Array2<f64>, treatment: &[bool]) -> (Array2<f64>, Vec<bool>) {
    let rows: Vec<usize> = (0..treatment.len()).rev().collect();
    (x.select(ndarray::Axis(0), &rows), rows.iter().map(|row| treatment[*row]).collect())
}

fn close(one: &[f64], other: &[f64], tolerance: f64) -> bool {
    one.iter().zip(other).all(|(a, b)| (a - b).abs() <= tolerance)
}

proptest! {
    #[test]
    fn fit_solves_the_score_equations((x, treatment) in samples()) {
        let fitted = penalized(&x, &treatment, None);
        let scores = fitted.predict(x.view()).unwrap();
        let residual: Vec<f64> =
            treatment.iter().zip(&scores).map(|(t, e)| f64::from(u8::from(*t)) - e).collect();
        prop_assert!(residual.iter().sum::<f64>().abs() < 1e-8);
        for (column, slope) in x.columns().into_iter().zip(&fitted.coefficients[1..]) {
            let slack: f64 = column.iter().zip(&residual).map(|(x, r)| x * r).sum();
            prop_assert!((slack - 0.5 * slope).abs() < 1e-7);
        }
    }

    #[test]
    fn fit_does_not_depend_on_the_order_of_rows((x, treatment) in samples()) {
        let (turned, turned_treatment) = backwards(&x, &treatment);
        let (one, other) = (penalized(&x, &treatment, None), penalized(&turned, &turned_treatment, None));
        prop_assert!(close(&one.coefficients, &other.coefficients, 1e-9));
    }

    #[test]
    fn fit_of_swapped_arms_flips_the_coefficients((x, treatment) in samples()) {
        let swapped: Vec<bool> = treatment.iter().map(|treated| !treated).collect();
        let (one, other) = (penalized(&x, &treatment, None), penalized(&x, &swapped, None));
        let flipped: Vec<f64> = other.coefficients.iter().map(|b| -b).collect();
        prop_assert!(close(&one.coefficients, &flipped, 1e-9));
    }

    #[test]
    fn fit_with_a_weight_of_2_is_that_of_the_rows_twice((x, treatment) in samples()) {
        let rows: Vec<usize> = (0..treatment.len()).flat_map(|row| [row, row]).collect();
        let copied: Vec<bool> = rows.iter().map(|row| treatment[*row]).collect();
        // A penalty is per unit of the mean weight: on rows that are there twice it is twice as strong.
        let twice = penalized_by(1.0, &x.select(ndarray::Axis(0), &rows), &copied, None);
        let weighted = penalized_by(0.5, &x, &treatment, Some(&vec![2.0; treatment.len()]));
        prop_assert!(close(&twice.coefficients, &weighted.coefficients, 1e-9));
    }

    #[test]
    fn matches_keep_to_the_caliper_and_weigh_1_a_focal_row(
        (scores, treatment) in scored(), caliper in prop::option::of(0.05..2.0), n_neighbors in 1..3_usize,
    ) {
        let spec =
            NearestSpec { focal: Focal::Treated, n_neighbors, caliper, quantity: Quantity::Score, variance_neighbors: 1 };
        let Ok(matches) = nearest(&scores, &treatment, &spec, &Monitor::default()) else {
            return Ok(()); // nobody within the caliper
        };
        let mut expected = vec![0.0; scores.len()];
        let runs = matches.first.iter().zip(&matches.last).map(|(first, last)| *first..*last);
        for (focal, run) in matches.focal.iter().zip(runs) {
            prop_assert!(treatment[*focal]);
            expected[*focal] += 1.0;
            for donor in &matches.donors[run.clone()] {
                prop_assert!(!treatment[*donor]);
                prop_assert!((scores[*donor] - scores[*focal]).abs() <= matches.caliper_width + 1e-12);
                expected[*donor] += 1.0 / run.len() as f64;
            }
        }
        prop_assert!(close(&matches.weights, &expected, 1e-12));
        prop_assert_eq!(
            matches.focal.len() + matches.n_unmatched,
            treatment.iter().filter(|treated| **treated).count()
        );
    }

    #[test]
    fn smd_of_swapped_arms_flips_the_sign_and_of_other_units_stays(
        (x, treatment) in samples(), shift in -1e6..1e6, scale in 1e-3..1e3,
    ) {
        let swapped: Vec<bool> = treatment.iter().map(|treated| !treated).collect();
        let of = |x: &Array2<f64>, treatment: &[bool]| {
            smd(x.view(), treatment, None, RowWeights::default(), Denominator::All).unwrap()
        };
        // Twice a number is neither 0 nor 1 alone: p(1 - p) and the variance with n - 1 are not compared.
        let x = x.mapv(|value| 2.0 * value);
        let plain = of(&x, &treatment);
        let flipped: Vec<f64> = of(&x, &swapped).iter().map(|d| -d).collect();
        prop_assert!(close(&plain, &flipped, 1e-12));
        let moved = of(&x.mapv(|value| 2.0 + scale * value + shift), &treatment);
        prop_assert!(close(&plain, &moved, 1e-5));
    }
}
