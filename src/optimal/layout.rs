//! Rows in an order that depends on nothing but where they are and what they are called.

use std::cmp::Ordering;

use ndarray::ArrayView2;
use rayon::prelude::*;

use super::{OptimalSpec, Points, check};
use crate::error::{Error, Result, Rows};

/// The rows, stratum by stratum.
pub struct Layout<'a> {
    pub x: ArrayView2<'a, f64>,
    pub strata: Vec<Stratum>,
}

/// The rows of a stratum, each arm in the order of its points (coordinate by coordinate), then of ranks.
#[derive(Debug, Default)]
pub struct Stratum {
    /// Control first.
    pub arms: [Vec<usize>; 2],
}

impl<'a> Layout<'a> {
    /// # Errors
    /// What [`check`] refuses, and coordinates that are not finite.
    pub fn new(points: &Points<'a>, spec: &OptimalSpec) -> Result<Self> {
        check(points, spec)?;
        for (k, column) in points.x.columns().into_iter().enumerate() {
            if let Some(rows) = Rows::matching(column, |x: &f64| !x.is_finite()) {
                return Err(Error::NotFinite { name: "points", column: Some(k), rows });
            }
        }
        let stratum = |row: usize| points.strata.map_or(0, |strata| strata[row]);
        let mut strata: Vec<Stratum> = Vec::new();
        let mut current = None;
        for row in sorted(points) {
            if current.replace(stratum(row)) != Some(stratum(row)) {
                strata.push(Stratum::default());
            }
            if let Some(last) = strata.last_mut() {
                last.arms[usize::from(points.treatment[row])].push(row);
            }
        }
        strata.retain(|stratum| stratum.arms.iter().all(|arm| !arm.is_empty()));
        Ok(Self { x: points.x, strata })
    }

    /// The only coordinate of each row.
    pub fn values(&self, rows: &[usize]) -> Vec<f64> {
        rows.iter().map(|row| self.x[[*row, 0]]).collect()
    }

    pub fn same_point(&self, one: usize, other: usize) -> bool {
        self.compare_points(one, other).is_eq()
    }

    /// In the order of points, coordinate by coordinate.
    pub fn compare_points(&self, one: usize, other: usize) -> Ordering {
        compare_points(self.x, one, other)
    }
}

/// Points one after the other, for distances between many of them.
pub struct Coordinates {
    flat: Vec<f64>,
    dimensions: usize,
}

impl Coordinates {
    pub fn of(x: ArrayView2<'_, f64>, rows: impl Iterator<Item = usize>) -> Self {
        Self { flat: rows.flat_map(|row| x.row(row).to_vec()).collect(), dimensions: x.ncols() }
    }

    pub fn len(&self) -> usize {
        self.flat.len() / self.dimensions
    }

    /// The squared distance of one of these points and one of `other`.
    pub fn square(&self, one: usize, other: &Self, at: usize) -> f64 {
        let d = self.dimensions;
        let (a, b) = (&self.flat[one * d..][..d], &other.flat[at * d..][..d]);
        a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
    }
}

fn sorted(points: &Points<'_>) -> Vec<usize> {
    let stratum = |row: usize| points.strata.map_or(0, |strata| strata[row]);
    let rank = |row: usize| points.rank.map_or(0, |rank| rank[row]);
    if points.x.ncols() == 1 {
        // Sorting the keys themselves is three times faster than looking them up.
        let mut keys: Vec<(i64, f64, i64, usize)> = (0..points.treatment.len())
            .map(|row| (stratum(row), points.x[[row, 0]], rank(row), row))
            .collect();
        keys.par_sort_unstable_by(|a, b| {
            (a.0.cmp(&b.0)).then(compare(a.1, b.1)).then((a.2, a.3).cmp(&(b.2, b.3)))
        });
        return keys.into_iter().map(|key| key.3).collect();
    }
    let mut order: Vec<usize> = (0..points.treatment.len()).collect();
    order.par_sort_unstable_by(|a, b| {
        (stratum(*a).cmp(&stratum(*b)))
            .then(compare_points(points.x, *a, *b))
            .then((rank(*a), *a).cmp(&(rank(*b), *b)))
    });
    order
}

/// Coordinate by coordinate.
fn compare_points(x: ArrayView2<'_, f64>, one: usize, other: usize) -> Ordering {
    let along = x.row(one).into_iter().zip(x.row(other));
    let found = along.map(|(a, b)| compare(*a, *b)).find(|found| found.is_ne());
    found.unwrap_or(Ordering::Equal)
}

/// Finite numbers in their order, 0 and -0 being the same.
fn compare(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

/// The Euclidean distance of two rows.
pub fn distance(x: ArrayView2<'_, f64>, one: usize, other: usize) -> f64 {
    if x.ncols() == 1 {
        return (x[[one, 0]] - x[[other, 0]]).abs();
    }
    let gaps = x.row(one).into_iter().zip(x.row(other)).map(|(a, b)| (a - b) * (a - b));
    gaps.sum::<f64>().sqrt()
}
