use ndarray::{Array1, Array2};

use super::tests::{Case, factor, noise, numbers};
use super::*;
use crate::design::chunks::CHUNK;

/// A factor's dummies times a number.
fn times(factor: &Factor, values: impl Fn(usize) -> f64) -> Factor {
    factor.clone().times((0..factor.n_rows()).map(values).collect()).unwrap()
}

/// The same with a slope for the first level too, behind a level that no row has.
fn of_all_levels(factor: &Factor) -> Factor {
    let levels = (0..factor.n_rows()).map(|row| i64::try_from(factor.level(row) + 1).unwrap());
    Factor::new(Array1::from_iter(levels).view(), Some(factor.n_levels() + 1)).unwrap()
}

fn agree(case: &Case) -> Vec<usize> {
    let n = case.treatment.len();
    let weight: Vec<f64> = (0..n).map(|row| [0.0, 0.5, 2.0, 1.0][row % 4]).collect();
    let mut aliased = Vec::new();
    for weight in [Some(weight.as_slice()), None] {
        case.agrees(2.5, weight);
        aliased = case.agrees(0.0, weight).aliased;
    }
    aliased
}

#[test]
fn slopes_of_levels_are_those_of_their_products() {
    let n = CHUNK + 1_700;
    let x = numbers(n, 3);
    let (a, b) = (factor(n, 15, 1), factor(n, 3, 2));
    let own = times(&a, |row| x[(row, 1)]);
    // With the number itself before or behind, and of the narrower factor too.
    let factors = vec![a.clone(), b.clone(), own.clone(), times(&b, |row| x[(row, 1)])];
    assert!(agree(&Case::new(x.clone(), factors, vec![0, 1, 3, 3])).is_empty());
    let factors = vec![b.clone(), a.clone(), own.clone()];
    assert!(agree(&Case::new(x.clone(), factors, vec![0, 0, 1])).is_empty());
    // Without it, and without the levels' own dummies.
    let others = times(&of_all_levels(&a), |row| noise(row, 12));
    agree(&Case::new(x.clone(), vec![a.clone(), others.clone()], vec![1, 3]));
    agree(&Case::new(x.clone(), vec![own], vec![3]));
    agree(&Case::new(x, vec![b, others], vec![2, 2]));
}

#[test]
fn numbers_far_from_zero_are_measured_within_levels() {
    let n = 6_000;
    let (a, b) = (factor(n, 12, 1), factor(n, 4, 3));
    let x = Array2::from_shape_fn((n, 1), |(row, _)| 40.0 + noise(row, 4));
    let far = times(&a, |row| 200.0 + 4.0 * noise(row, 8) + a.level(row) as f64);
    let own = times(&b, |row| x[(row, 0)]);
    let mut case = Case::new(x, vec![a, b, own, far], vec![0, 0, 1, 1]);
    case.treatment = (0..n).map(|row| noise(row, 77) + noise(row, 4) > 0.1).collect();
    // Levels and slopes of numbers so far away are nearly collinear: the inverse of the matrix has fewer digits.
    let found = case.agrees_but_for_covariances(0.0, None, 1e-10);
    assert!(found.aliased.is_empty());
}

#[test]
fn levels_in_which_a_number_does_not_vary_have_no_slope() {
    let n = 4_000;
    let a = factor(n, 10, 1).renumbered(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 8]);
    let value = |row: usize| match a.level(row) {
        3 | 6 => 2.5,
        _ => noise(row, 4),
    };
    let x =
        Array2::from_shape_fn((n, 2), |(row, k)| if k == 0 { value(row) } else { noise(row, 9) });
    let own = times(&a, value);
    let case = Case::new(x, vec![a.clone(), own.clone()], vec![0, 2]);
    assert_eq!(agree(&case), [12, 15]);
    // Nor has the last, whose slope the number itself has, where it does not vary in the first level.
    let first = |row: usize| if a.level(row) == 0 { -1.0 } else { value(row) };
    let x =
        Array2::from_shape_fn((n, 2), |(row, k)| if k == 0 { first(row) } else { noise(row, 9) });
    let case = Case::new(x, vec![a.clone(), times(&a, first)], vec![0, 2]);
    assert_eq!(agree(&case), [12, 15, 17]);
    // Levels of one row, and of none.
    let few = a.renumbered(&[0, 1, 2, 5, 4, 3, 7, 7, 7]);
    let lone = few.renumbered(&[0, 1, 2, 3, 4, 5, 6, 7]);
    let own = times(&lone, |row| noise(row, 4));
    let x = Array2::from_shape_fn((n, 1), |(row, _)| noise(row, 4));
    let case = Case::new(x, vec![lone, own], vec![0, 1]);
    assert_eq!(agree(&case), [5, 13]);
}

#[test]
fn predictions_with_slopes_are_those_of_the_fit() {
    let n = 2_000;
    let a = factor(n, 9, 1);
    let x = numbers(n, 2);
    let own = times(&a, |row| x[(row, 0)]);
    let case = Case::new(x, vec![a.clone(), own], vec![0, 2]);
    let fit = case.agrees(0.0, None);
    let given = NumbersAndFactors { x: case.x.view(), factors: &case.factors, after: &case.after };
    let found = fit.coded_linear_predictor(case.x.view(), &case.factors).unwrap();
    let expected = fit.linear_predictor(given.matrix().view()).unwrap();
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }
}
