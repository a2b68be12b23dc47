//! How much outcomes vary among rows of one arm in one place (Abadie and Imbens 2006, section 4): among a row and so
//! many nearest others of its arm, more where they tie. One other is the least that there is a variance with, and what
//! R's Matching takes (`Var.calc = 1`); Stata's nnmatch takes two.

use std::collections::BTreeMap;

use ndarray::ArrayView2;

use super::neighbors::Search;
use super::places::Places;
use super::space::{Space, strata};
use super::with_replacement;
use crate::checks;
use crate::error::{Error, Result};
use crate::moments::Moments;
use crate::monitor::Monitor;

/// Require an arm to have so many others for each row.
///
/// # Errors
/// [`Error::Argument`].
pub fn check_others(n_others: usize, treatment: &[bool]) -> Result<()> {
    let n_treated = treatment.iter().filter(|treated| **treated).count();
    if (1..n_treated.min(treatment.len() - n_treated)).contains(&n_others) {
        return Ok(());
    }
    let allowed = "at least 1, and less than the smaller arm has rows";
    Err(Error::Argument { name: "variance_neighbors", found: n_others.to_string(), allowed })
}

/// On a line: what a value looks for in an arm, one row more than `n_others`, for in its own arm a row is one of them.
#[must_use]
pub fn neighborhood(n_others: usize) -> Search {
    Search { n_neighbors: (n_others + 1) as f64, reach: f64::INFINITY }
}

/// Where n rows are, in any space: who is like whom.
#[derive(Debug, Clone, Copy)]
pub struct Neighborhood<'a> {
    pub treatment: &'a [bool],
    /// n by d; distances are Euclid's.
    pub coordinates: ArrayView2<'a, f64>,
    /// Rows have neighbours with their own label only; but a row that is alone of its arm with it has them
    /// anywhere.
    pub exact: Option<&'a [i64]>,
    /// How many others a row is compared with.
    pub n_others: usize,
}

/// For each row the variance of the outcomes of its arm's nearest, itself among them.
///
/// # Errors
/// Lengths that differ, values that are not finite, [`Error::Stopped`].
pub fn outcome_variance(
    outcome: &[f64],
    near: &Neighborhood<'_>,
    monitor: &Monitor,
) -> Result<Vec<f64>> {
    check(outcome, near)?;
    let n_rows = outcome.len();
    let coords: Vec<f64> = near.coordinates.iter().map(|value| value + 0.0).collect();
    let dims = near.coordinates.ncols();
    let anywhere = Space::within(coords.clone(), dims, (vec![0; n_rows], 1));
    let grouped = Space::within(coords, dims, strata(near.exact, n_rows));
    let mut variance = vec![0.0; n_rows];
    for arm in [false, true] {
        let (together, alone) = split(near.treatment, &grouped.stratum, arm);
        let everybody = [&together[..], &alone[..]].concat();
        for (space, seekers, members) in
            [(&grouped, &together, &together), (&anywhere, &alone, &everybody)]
        {
            let n_neighbors = near.n_others + 1;
            fill(&mut variance, outcome, space, (seekers, members), n_neighbors, monitor)?;
        }
    }
    Ok(variance)
}

fn check(outcome: &[f64], near: &Neighborhood<'_>) -> Result<()> {
    let n_rows = near.treatment.len();
    checks::outcome(outcome, n_rows)?;
    checks::same_length("coordinates", near.coordinates.nrows(), n_rows)?;
    near.exact.map_or(Ok(()), |exact| checks::same_length("exact", exact.len(), n_rows))?;
    checks::two_in_each_arm(near.treatment)?;
    check_others(near.n_others, near.treatment)?;
    if near.coordinates.ncols() == 0 {
        let found = "a matrix without columns".into();
        return Err(Error::Argument { name: "coordinates", found, allowed: "a column at least" });
    }
    checks::squarable_columns("coordinates", near.coordinates)
}

/// The variances of `seekers`, from their neighbours among `members`.
fn fill(
    variance: &mut [f64],
    outcome: &[f64],
    space: &Space,
    (seekers, members): (&[u32], &[u32]),
    n_neighbors: usize,
    monitor: &Monitor,
) -> Result<()> {
    // In any order: all rows of a place are neighbours of each other.
    let draws = vec![0; outcome.len()];
    let seekers = Places::new(space, seekers.iter().copied(), &draws);
    let members = Places::new(space, members.iter().copied(), &draws);
    let near = with_replacement::nearest(space, &seekers, &members, n_neighbors, monitor)?;
    for (place, near) in near.iter().enumerate() {
        let rows = near.iter().flat_map(|(_, other)| members.rows_at(*other as usize));
        let outcomes: Vec<f64> = rows.map(|row| outcome[*row as usize]).collect();
        let own = Moments::of(&outcomes).sample_variance();
        for row in seekers.rows_at(place) {
            variance[*row as usize] = own;
        }
    }
    Ok(())
}

/// The rows of an arm that have company in their stratum, and those that have none.
#[allow(clippy::cast_possible_truncation)] // rows are numbered in u32
fn split(treatment: &[bool], stratum: &[u32], arm: bool) -> (Vec<u32>, Vec<u32>) {
    let rows = || (0..treatment.len()).filter(|row| treatment[*row] == arm);
    let mut counts = BTreeMap::new();
    for row in rows() {
        *counts.entry(stratum[row]).or_insert(0) += 1;
    }
    rows().map(|row| row as u32).partition(|row| counts[&stratum[*row as usize]] > 1)
}
