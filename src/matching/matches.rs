//! Who is matched with whom, and what each row weighs for it.
//!
//! With p what a matched focal row counts for and s what a donor does (their sample weights, or 1), row j weighs
//!
//! W_j = p_j + sum over focal i of p_i s_j / sum of s over Omega(i),
//!
//! so that donors together weigh what the row they stand for does, and their own weights only share it out
//! among themselves. Where every row counts one, each has 1 / |Omega(i)|.

use rayon::prelude::*;

use crate::error::Result;
use crate::monitor::Monitor;

/// The matches of n rows, m of them focal with at least one donor.
#[derive(Debug, Clone)]
pub struct Matches {
    /// n: what a matched focal row counts for, plus the sum of its shares as a donor.
    pub weights: Vec<f64>,
    /// m row numbers, ascending.
    pub focal: Vec<usize>,
    /// Rows that serve, in runs; one may stand here several times.
    pub donors: Vec<usize>,
    /// m each: the donors of `focal[i]` are `donors[first[i]..last[i]]`.
    pub first: Vec<usize>,
    pub last: Vec<usize>,
    pub n_unmatched: usize,
    pub max_distance: f64,
    /// The caliper in units of the quantity; infinite without one.
    pub caliper_width: f64,
}

/// Matches, and what they were made by.
#[derive(Debug, Clone)]
pub struct Pairs {
    pub matches: Matches,
    /// The width of every caliper in the units of its values, that on the quantity (or on the score) first.
    pub caliper_widths: Vec<f64>,
    /// Focal and donor rows that were left out for the range of their scores.
    pub n_discarded: usize,
    /// Whether a draw decided anything.
    pub drawn: bool,
    /// Row-major, n by d, between which distances are Euclid's; empty on a line.
    pub coordinates: Vec<f64>,
}

impl Matches {
    /// Nobody of n rows is matched yet.
    #[must_use]
    pub fn none(n_rows: usize, caliper_width: f64) -> Self {
        let (focal, donors, first, last) = (vec![], vec![], vec![], vec![]);
        let (n_unmatched, max_distance) = (0, 0.0);
        let weights = vec![0.0; n_rows];
        Self { weights, focal, donors, first, last, n_unmatched, max_distance, caliper_width }
    }

    /// Weigh all rows, by what each counts for; donors count more than nothing. No sum depends on the order of
    /// the rows where all count one.
    ///
    /// # Errors
    /// [`crate::error::Error::Stopped`].
    pub fn weigh(&mut self, sample_weight: Option<&[f64]>, monitor: &Monitor) -> Result<()> {
        let count = |row: usize| sample_weight.map_or(1.0, |weights| weights[row]);
        // By place among the donors, what is carried there.
        let mut carried = vec![0.0; self.donors.len()];
        let mut several = Vec::new();
        for ((row, first), last) in self.focal.iter().zip(&self.first).zip(&self.last) {
            self.weights[*row] = count(*row);
            if last - first == 1 {
                carried[*first] += count(*row);
            } else {
                several.push((*first, *last, *row));
            }
        }
        // Rows that share their donors are many where values tie: their run is looked at once.
        several.par_sort_unstable();
        for equal in several.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            monitor.check()?;
            let places = equal[0].0..equal[0].1;
            let focal: f64 = equal.iter().map(|(_, _, row)| count(*row)).sum();
            let shared: f64 = self.donors[places.clone()].iter().map(|donor| count(*donor)).sum();
            for place in places {
                carried[place] += focal * count(self.donors[place]) / shared;
            }
        }
        // Zeros are added too: whether one is there would mostly be guessed wrong.
        for (donor, carried) in self.donors.iter().zip(carried) {
            self.weights[*donor] += carried;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weigh_gives_donors_what_the_rows_they_stand_for_count() {
        let mut matches = Matches {
            focal: vec![0, 1, 5],
            donors: vec![2, 3, 4],
            first: vec![0, 1, 0],
            last: vec![2, 3, 2],
            ..Matches::none(6, f64::INFINITY)
        };
        matches.weigh(Some(&[2.0, 6.0, 1.0, 3.0, 1.0, 4.0]), &Monitor::default()).unwrap();
        // Row 2 has 1 / 4 of what rows 0 and 5 count, row 3 the rest and 3 / 4 of what row 1 does.
        assert_eq!(matches.weights, [2.0, 6.0, 1.5, 4.5 + 4.5, 1.5, 4.0]);
    }
}
