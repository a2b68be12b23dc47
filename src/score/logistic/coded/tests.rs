use ndarray::{Array1, Array2};

use super::*;
use crate::design::chunks::CHUNK;

/// A number in [-1, 1) that has no pattern.
pub(super) fn noise(row: usize, salt: usize) -> f64 {
    let mixed = (row * 2_654_435_761 + salt * 40_503) ^ (row >> 3);
    ((mixed.wrapping_mul(2_246_822_519) >> 7) & 0xffff) as f64 / 32_768.0 - 1.0
}

/// Levels of rows, so many of them, some rarer than others.
pub(super) fn factor(n: usize, n_levels: usize, salt: usize) -> Factor {
    let level = |row: usize| {
        let share = noise(row, salt) / 2.0 + 0.5;
        (0..n_levels).rev().find(|k| share >= (*k as f64 / n_levels as f64).powi(2)).unwrap_or(0)
    };
    let levels = Array1::from_iter((0..n).map(level).map(|k| i64::try_from(k).unwrap()));
    Factor::new(levels.view(), Some(n_levels)).unwrap()
}

pub(super) struct Case {
    pub x: Array2<f64>,
    pub factors: Vec<Factor>,
    pub after: Vec<usize>,
    pub treatment: Vec<bool>,
}

impl Case {
    pub fn new(x: Array2<f64>, factors: Vec<Factor>, after: Vec<usize>) -> Self {
        let eta = |row: usize| {
            let levels = factors.iter().map(|factor| (factor.level(row) as f64 * 1.3).sin() / 2.0);
            levels.sum::<f64>() + x.row(row).iter().map(|x| x / 4.0).sum::<f64>()
        };
        let share = |row: usize| 1.0 / (1.0 + (-eta(row)).exp());
        let treatment = (0..x.nrows()).map(|row| noise(row, 99) / 2.0 + 0.5 < share(row));
        let treatment = treatment.collect();
        Self { x, factors, after, treatment }
    }

    /// The fits to the codes and to the matrix of dummies are one and the same.
    pub fn agrees(&self, penalty: f64, weight: Option<&[f64]>) -> PropensityFit {
        self.agrees_but_for_covariances(penalty, weight, 1e-12)
    }

    /// The same where covariances agree to `tolerance` alone.
    pub fn agrees_but_for_covariances(
        &self,
        penalty: f64,
        weight: Option<&[f64]>,
        tolerance: f64,
    ) -> PropensityFit {
        let given =
            NumbersAndFactors { x: self.x.view(), factors: &self.factors, after: &self.after };
        let spec = PropensitySpec { penalty, ..PropensitySpec::default() };
        let (monitor, weight) = (Monitor::default(), RowWeights::of(weight));
        let matrix = given.matrix();
        let (dense, expected) =
            fit_with_scores(matrix.view(), &self.treatment, weight, &spec, &monitor).unwrap();
        let (coded, scores) =
            fit_coded_with_scores(&given, &self.treatment, weight, &spec, &monitor).unwrap();
        assert_close(&coded.coefficients, &dense.coefficients);
        assert_close(&coded.center, &dense.center);
        assert_close(&scores, &expected);
        assert_close(&[coded.log_likelihood], &[dense.log_likelihood]);
        assert_close(&[coded.intercept_at_center], &[dense.intercept_at_center]);
        assert_eq!((&coded.aliased, coded.iterations), (&dense.aliased, dense.iterations));
        let flat = |found: &Covariance| found.matrix().iter().copied().collect::<Vec<_>>();
        let (found, expected) = (&coded.covariance, &dense.covariance);
        assert_within(tolerance, &flat(found), &flat(expected));
        assert_within(tolerance, &found.variances(), &expected.variances());
        assert_eq!(coded.sandwich.is_some(), dense.sandwich.is_some());
        if let (Some(coded), Some(dense)) = (&coded.sandwich, &dense.sandwich) {
            assert_within(tolerance, &flat(coded), &flat(dense));
        }
        coded
    }
}

fn assert_close(found: &[f64], expected: &[f64]) {
    assert_within(1e-12, found, expected);
}

fn assert_within(tolerance: f64, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() < tolerance * (1.0 + expected.abs()),
            "{found} {expected}"
        );
    }
}

pub(super) fn numbers(n: usize, n_columns: usize) -> Array2<f64> {
    Array2::from_shape_fn((n, n_columns), |(row, k)| k as f64 / 2.0 + noise(row, k + 7))
}

#[test]
fn fits_to_codes_are_those_to_dummies() {
    let n = CHUNK + 1_700;
    let weight: Vec<f64> = (0..n).map(|row| [0.0, 0.5, 2.0, 1.0][row % 4]).collect();
    let wide = || vec![factor(n, 3, 1), factor(n, 40, 2), factor(n, 8, 3)];
    let cases = [
        (numbers(n, 3), wide(), vec![0, 1, 3]),
        (numbers(n, 0), vec![factor(n, 5, 1), factor(n, 5, 4)], vec![0, 0]),
        (numbers(n, 2), vec![factor(n, 17, 5)], vec![1]),
        (numbers(n, 7), vec![factor(n, 2, 5), factor(n, 1, 5)], vec![7, 7]),
    ];
    for (x, factors, after) in cases {
        let case = Case::new(x, factors, after);
        for penalty in [0.0, 2.5] {
            for weight in [None, Some(weight.as_slice())] {
                case.agrees(penalty, weight);
            }
        }
    }
}

#[test]
fn levels_without_rows_or_with_those_of_others_are_left_out() {
    let n = 3_000;
    // The first level of one has no rows, nor has its third; the other's follow from it.
    let first = factor(n, 6, 1).renumbered(&[1, 1, 3, 4, 5, 5]);
    let second = first.renumbered(&[0, 0, 0, 1, 1, 2]);
    let case = Case::new(numbers(n, 2), vec![first.clone(), second.clone()], vec![0, 2]);
    let found = case.agrees(0.0, None);
    assert_eq!(found.aliased, [1, 4, 7, 8]);
    let case = Case::new(numbers(n, 2), vec![second, first], vec![0, 1]);
    case.agrees(0.0, None);
    case.agrees(1.0, None);
}

#[test]
fn a_number_that_levels_tell_is_left_out_or_leaves_the_last_of_them_out() {
    let n = 3_000;
    let levels = factor(n, 6, 1);
    let own = Array2::from_shape_fn((n, 2), |(row, k)| {
        if k == 0 { (levels.level(row) as f64).sqrt() } else { noise(row, 5) }
    });
    let after = |place: usize| Case::new(own.clone(), vec![levels.clone()], vec![place]);
    assert_eq!(after(0).agrees(0.0, None).aliased, [5]);
    assert_eq!(after(2).agrees(0.0, None).aliased, [6]);
}

#[test]
fn a_level_that_is_treated_all_runs_away_as_its_dummy_does() {
    let n = 3_000;
    let mut case = Case::new(numbers(n, 1), vec![factor(n, 6, 1), factor(n, 3, 2)], vec![1, 1]);
    for row in 0..n {
        case.treatment[row] |= case.factors[0].level(row) == 4;
    }
    let given = NumbersAndFactors { x: case.x.view(), factors: &case.factors, after: &case.after };
    let (spec, monitor) = (PropensitySpec::default(), Monitor::default());
    let once = RowWeights::default();
    let matrix = given.matrix();
    let dense = super::super::fit(matrix.view(), &case.treatment, None, &spec, &monitor).unwrap();
    let (coded, _) = fit_coded_with_scores(&given, &case.treatment, once, &spec, &monitor).unwrap();
    assert_eq!((&coded.diverging, &coded.diverging[..]), (&dense.diverging, &[4][..]));
    // Its counts say so, which spares the steps on the way out.
    assert!(coded.iterations + 10 < dense.iterations, "{} {}", coded.iterations, dense.iterations);
    // Everybody by a factor: no fit, whatever its first step may be.
    case.treatment = (0..n).map(|row| case.factors[0].level(row) > 2).collect();
    let dense = super::super::fit(matrix.view(), &case.treatment, None, &spec, &monitor);
    assert!(matches!(dense, Err(Error::Separation { .. })));
    let coded = fit_coded_with_scores(&given, &case.treatment, once, &spec, &monitor);
    assert!(matches!(coded, Err(Error::Separation { columns }) if columns == [1, 2, 3, 4, 5]));
    let penalized = PropensitySpec { penalty: 1.0, ..spec };
    assert!(fit_coded_with_scores(&given, &case.treatment, once, &penalized, &monitor).is_ok());
}

#[test]
fn lone_levels_leave_the_others_the_fit_that_they_have_without_them() {
    let n = 4_000;
    let mut case = Case::new(
        numbers(n, 2),
        vec![factor(n, 30, 1), factor(n, 7, 2), factor(n, 5, 3)],
        vec![2; 3],
    );
    // The first level of one, the last of another, some of the widest; of all of which nobody else has one.
    let arms = |row: usize| {
        let levels: Vec<usize> = case.factors.iter().map(|one| one.level(row)).collect();
        [levels[0] == 29 || levels[1] == 0, matches!(levels[0], 0 | 12) || levels[2] == 4]
    };
    let arms: Vec<[bool; 2]> = (0..n).map(arms).collect();
    let lone = |[control, treated]: &[bool; 2]| (*control || *treated).then_some(*treated);
    let alone: Vec<Option<bool>> = arms.iter().map(lone).collect();
    for (row, treated) in alone.iter().enumerate() {
        case.treatment[row] = treated.unwrap_or(case.treatment[row]);
    }
    // Rows of two lone levels of different arms would make neither lone: weight 0 takes them away.
    let is_torn = |row: usize| arms[row] == [true; 2];
    let weight: Vec<f64> =
        (0..n).map(|row| if is_torn(row) { 0.0 } else { 1.0 + (row % 3) as f64 }).collect();
    let given = NumbersAndFactors { x: case.x.view(), factors: &case.factors, after: &case.after };
    let (spec, monitor) = (PropensitySpec::default(), Monitor::default());
    let fit = |weight: &[f64]| {
        let weight = RowWeights::of(Some(weight));
        fit_coded_with_scores(&given, &case.treatment, weight, &spec, &monitor).unwrap()
    };
    let (found, scores) = fit(&weight);
    assert!(!found.diverging.is_empty() && found.iterations < 15, "{}", found.iterations);
    let others: Vec<f64> =
        (0..n).map(|row| if alone[row].is_some() { 0.0 } else { weight[row] }).collect();
    let (_, expected) = fit(&others);
    for row in (0..n).filter(|row| weight[*row] > 0.0) {
        let expected = alone[row].map_or(expected[row], |treated| f64::from(u8::from(treated)));
        assert!((scores[row] - expected).abs() < 1e-6, "{row}: {} {expected}", scores[row]);
    }
}

#[test]
fn predictions_by_codes_are_those_of_the_fit() {
    let n = 2_000;
    let case = Case::new(numbers(n, 2), vec![factor(n, 9, 1), factor(n, 4, 2)], vec![0, 1]);
    let fit = case.agrees(0.0, None);
    let given = NumbersAndFactors { x: case.x.view(), factors: &case.factors, after: &case.after };
    let found = fit.coded_linear_predictor(case.x.view(), &case.factors).unwrap();
    assert_close(&found, &fit.linear_predictor(given.matrix().view()).unwrap());
    assert!(fit.coded_linear_predictor(case.x.view(), &case.factors[1..]).is_err());
}
