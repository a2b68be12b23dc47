//! The order in which units are kept, and that in which rows take their random numbers.

use std::cmp::Ordering;

use ndarray::{ArrayView1, ArrayView2};
use rayon::prelude::*;

use crate::error::Result;
use crate::matching::Sorted;
use crate::monitor::Monitor;
use crate::units::cells::by_size;
use crate::units::tally::Outcomes;

/// The places of values in ascending order, equal ones by their places: in linear time for values that are spread
/// out, as linear predictors are.
///
/// # Errors
/// [`crate::error::Error::Stopped`].
pub fn ascending(values: &[f64], monitor: &Monitor) -> Result<Vec<u32>> {
    let mut everybody = vec![u64::MAX; values.len().div_ceil(64)];
    if let Some(last) = everybody.last_mut() {
        *last >>= (64 - values.len() % 64) % 64;
    }
    let mut sorted = Sorted::default();
    sorted.sort(values, &everybody, monitor)?;
    Ok(sorted.order)
}

/// The rows by what they hold, column by column, so that their order does not depend on that in which they come:
/// rows that are alike in everything may change places, and no number with them. The arm comes last, so that arms
/// that are swapped change the order of nobody but those who are alike in all else.
pub fn by_content<W>(x: ArrayView2<'_, f64>, rows: &Outcomes<'_, W>) -> Vec<u32> {
    let columns: Vec<ArrayView1<'_, f64>> = x.columns().into_iter().collect();
    by_covariates(&columns, rows, |column, a, b| by_size(column[a], column[b]))
}

/// The same, of covariates of any kind, each of which `compare` compares two rows by.
pub fn by_covariates<C: Sync, W>(
    covariates: &[C],
    rows: &Outcomes<'_, W>,
    compare: impl Fn(&C, usize, usize) -> Ordering + Sync,
) -> Vec<u32> {
    let Outcomes { treatment, outcome, sample_weight, .. } = *rows;
    let compared = |a: usize, b: usize| {
        let weight = || sample_weight.map_or(Ordering::Equal, |w| by_size(w[a], w[b]));
        let mut orders = covariates.iter().map(|covariate| compare(covariate, a, b));
        orders
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
            .then_with(|| by_size(outcome[a], outcome[b]))
            .then_with(weight)
            .then_with(|| treatment[a].cmp(&treatment[b]))
    };
    let mut order: Vec<u32> = (0..).take(treatment.len()).collect();
    order.par_sort_unstable_by(|a, b| compared(*a as usize, *b as usize));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_content_does_not_depend_on_the_order_of_the_rows() {
        let n = 200;
        let mix = |i: usize, k: usize| ((i * 2_654_435_761 + k * 40_503) >> 7) % 5;
        let x = ndarray::Array2::from_shape_fn((n, 2), |(i, k)| mix(i, k) as f64);
        let treatment: Vec<bool> = (0..n).map(|i| mix(i, 2) < 2).collect();
        let outcome: Vec<f64> = (0..n).map(|i| mix(i, 3) as f64 - 2.0).collect();
        let held = |order: &[usize]| {
            let x = x.select(ndarray::Axis(0), order);
            let treatment: Vec<bool> = order.iter().map(|row| treatment[*row]).collect();
            let outcome: Vec<f64> = order.iter().map(|row| outcome[*row]).collect();
            let (treatment, outcome) = (&treatment[..], &outcome[..]);
            let rows: Outcomes<'_, u8> =
                Outcomes { treatment, outcome, sample_weight: None, counts: None };
            let sorted = by_content(x.view(), &rows);
            let of = |row: &u32| {
                let row = *row as usize;
                (x[(row, 0)], x[(row, 1)], outcome[row], treatment[row])
            };
            sorted.iter().map(of).collect::<Vec<_>>()
        };
        let as_they_come: Vec<usize> = (0..n).collect();
        let moved: Vec<usize> = (0..n).map(|row| row * 37 % n).collect();
        assert_eq!(held(&as_they_come), held(&moved));
        assert!(held(&moved).is_sorted_by(|a, b| a <= b));
    }

    #[test]
    fn ascending_takes_everybody_once() {
        for n in [0, 1, 63, 64, 65, 1000] {
            let values: Vec<f64> = (0..n).map(|i| f64::from(i * 37 % 50)).collect();
            let mut expected: Vec<u32> = (0..).take(values.len()).collect();
            expected.sort_by(|a, b| values[*a as usize].total_cmp(&values[*b as usize]));
            assert_eq!(ascending(&values, &Monitor::default()).unwrap(), expected);
        }
    }
}
