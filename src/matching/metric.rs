//! Covariates turned so that Euclid's distance between rows is the one asked for.
//!
//! The distance is that of (x - y)' S^- (x - y), with S^- the generalized inverse of a covariance. With D its
//! standard deviations and V L V' its correlations, rows are L^-1/2 V' D^-1 x: axes on which nothing varies
//! are left out.

use ndarray::{ArrayView1, ArrayView2};
use rayon::prelude::*;

use super::spec::Metric;
use crate::design::covariates::CHUNK;
use crate::error::Result;
use crate::linalg::{RANK_TOLERANCE, dot, eigen};
use crate::monitor::Monitor;

/// The n rows of `x`, turned, row-major, and how many coordinates each has.
///
/// # Errors
/// [`crate::error::Error::Stopped`].
pub fn turned(
    x: ArrayView2<'_, f64>,
    treatment: &[bool],
    metric: Metric,
    monitor: &Monitor,
) -> Result<(Vec<f64>, usize)> {
    let mut columns: Vec<Vec<f64>> = x.columns().into_iter().map(centered).collect();
    let d = columns.len();
    monitor.check()?;
    let covariance = match metric {
        Metric::RobustMahalanobis => {
            columns = columns.iter().map(|column| ranks(column)).collect();
            of_untied_ranks(covariance(&columns, None), d, x.nrows())
        }
        Metric::Euclidean => diagonal(covariance(&columns, Some(treatment)), d),
        Metric::Mahalanobis | Metric::Line(_) => covariance(&columns, Some(treatment)),
    };
    let axes = axes(covariance, d);
    let mut rows = Vec::with_capacity(x.nrows() * axes.len());
    let mut values = vec![0.0; d];
    for row in 0..x.nrows() {
        if row.is_multiple_of(CHUNK) {
            monitor.check()?;
        }
        for (value, column) in values.iter_mut().zip(&columns) {
            *value = column[row];
        }
        // One zero, not two: rows are told apart by their bits.
        rows.extend(axes.iter().map(|axis| dot(axis, &values) + 0.0));
    }
    Ok((rows, axes.len()))
}

/// The rows of L^-1/2 V' D^-1.
fn axes(mut covariance: Vec<f64>, d: usize) -> Vec<Vec<f64>> {
    let inverse = |k: usize| {
        let variance = covariance[k * d + k];
        if variance > 0.0 { 1.0 / variance.sqrt() } else { 0.0 }
    };
    let scale: Vec<f64> = (0..d).map(inverse).collect();
    for j in 0..d {
        for k in j..d {
            covariance[j * d + k] *= scale[j] * scale[k];
            covariance[k * d + j] = covariance[j * d + k];
        }
    }
    let (values, vectors) = eigen(covariance, d);
    let largest = values.iter().copied().fold(0.0, f64::max);
    let along = |(value, vector): (&f64, &[f64])| {
        let parts = vector.iter().zip(&scale);
        let scaled = parts.map(|(part, scale)| part * scale / value.sqrt()).collect();
        (*value > RANK_TOLERANCE * largest).then_some(scaled)
    };
    let mut axes: Vec<Vec<f64>> =
        values.iter().zip(vectors.chunks_exact(d.max(1))).filter_map(along).collect();
    if axes.is_empty() {
        // Everybody is in the same place.
        axes.push(vec![0.0; d]);
    }
    axes
}

/// Measured from the middle of the range, which no order of the rows changes in the last digit.
fn centered(column: ArrayView1<'_, f64>) -> Vec<f64> {
    let low = column.iter().copied().fold(f64::INFINITY, f64::min);
    let high = column.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    column.iter().map(|value| value - (low / 2.0 + high / 2.0)).collect()
}

/// The covariance of the columns, about the means of the arms (divisor n - 2) or about those of all rows.
fn covariance(columns: &[Vec<f64>], arms: Option<&[bool]>) -> Vec<f64> {
    let (d, n_rows) = (columns.len(), columns.first().map_or(0, Vec::len));
    let arm = |row: usize| arms.is_some_and(|treated| treated[row]);
    let (ones, zeros): (Vec<usize>, Vec<usize>) = (0..n_rows).partition(|row| arm(*row));
    let rest: Vec<Vec<f64>> =
        columns.par_iter().map(|column| deviations(column, &[&zeros, &ones])).collect();
    let divisor = n_rows as f64 - if arms.is_some() { 2.0 } else { 1.0 };
    let pairs: Vec<(usize, usize)> = (0..d).flat_map(|j| (j..d).map(move |k| (j, k))).collect();
    let sum =
        |(j, k): &(usize, usize)| steady_sum(rest[*j].iter().zip(&rest[*k]).map(|(a, b)| a * b));
    let mut matrix = vec![0.0; d * d];
    for ((j, k), sum) in pairs.iter().zip(pairs.par_iter().map(sum).collect::<Vec<f64>>()) {
        matrix[j * d + k] = sum / divisor;
    }
    matrix
}

/// From the mean of the rows each is among.
fn deviations(column: &[f64], parts: &[&[usize]]) -> Vec<f64> {
    let mut rest = vec![0.0; column.len()];
    for rows in parts {
        let mean = steady_sum(rows.iter().map(|row| column[*row])) / rows.len() as f64;
        rows.iter().for_each(|row| rest[*row] = column[*row] - mean);
    }
    rest
}

/// Only the variances of a covariance.
fn diagonal(mut matrix: Vec<f64>, d: usize) -> Vec<f64> {
    for (place, value) in matrix.iter_mut().enumerate() {
        if place / d != place % d {
            *value = 0.0;
        }
    }
    matrix
}

/// A covariance of ranks, each rank's variance set to that of 1 to n: ties would make rare values seem far.
fn of_untied_ranks(mut matrix: Vec<f64>, d: usize, n_rows: usize) -> Vec<f64> {
    let n = n_rows as f64;
    let untied = n * (n + 1.0) / 12.0;
    let ratio: Vec<f64> = (0..d)
        .map(|k| matrix[k * d + k])
        .map(|variance| if variance > 0.0 { (untied / variance).sqrt() } else { 1.0 })
        .collect();
    for (place, value) in matrix.iter_mut().enumerate() {
        *value *= ratio[place / d] * ratio[place % d];
    }
    matrix
}

/// Ranks from 1, ties in the middle of theirs.
fn ranks(column: &[f64]) -> Vec<f64> {
    let compare = |a: &usize, b: &usize| (column[*a] + 0.0).total_cmp(&(column[*b] + 0.0)); // -0.0 is 0.0
    let mut order: Vec<usize> = (0..column.len()).collect();
    order.sort_unstable_by(compare);
    let mut ranks = vec![0.0; column.len()];
    let mut below = 0.0;
    for tied in order.chunk_by(|a, b| compare(a, b).is_eq()) {
        for row in tied {
            ranks[*row] = below + f64::midpoint(1.0, tied.len() as f64);
        }
        below += tied.len() as f64;
    }
    ranks
}

/// A sum with the rounding errors of its steps added at the end (Neumaier 1974): the same to the last bit in
/// whatever order the rows come, so that the order cannot decide who is nearest.
fn steady_sum(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0);
    for value in values {
        let next = sum + value;
        lost += if sum.abs() >= value.abs() { (sum - next) + value } else { (value - next) + sum };
        sum = next;
    }
    sum + lost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_share_the_middle_of_a_tie() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 7.0]), [2.5, 1.0, 2.5, 4.0]);
        assert_eq!(ranks(&[0.0, -1.0, -0.0]), [2.5, 1.0, 2.5]); // the two zeros are one value
    }

    #[test]
    fn steady_sum_forgets_the_order() {
        let values: Vec<f64> = (1..2000).map(|i| (f64::from(i) * 0.37).sin() / 3.0).collect();
        let backwards = steady_sum(values.iter().rev().copied());
        assert!((steady_sum(values.iter().copied()) - backwards).abs() == 0.0);
    }
}
