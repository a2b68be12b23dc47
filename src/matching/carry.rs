//! What rows count for, carried from the focal rows to their donors.
//!
//! With p the sample weight of a matched focal row and s that of a donor, row j weighs
//!
//! W_j = p_j + sum over focal i of p_i s_j / sum of s over Omega(i),
//!
//! so that donors together weigh what the row they stand for does, and their own weights only share it out
//! among themselves. Where every row counts one, each has 1 / |Omega(i)|.

use ndarray::{Array2, Axis};

use super::pair::Pairs;
use super::rows::Matches;
use super::spec::Candidates;
use crate::optimal::Stars;

impl Matches {
    /// Weigh all rows by what they count for; donors count more than nothing.
    pub fn carry(&mut self, sample_weight: &[f64]) {
        self.weights.fill(0.0);
        for row in &self.focal {
            self.weights[*row] = sample_weight[*row];
        }
        // Rows that share their donors are many where values tie: their run is looked at once.
        let mut runs: Vec<(usize, usize, usize)> = (self.first.iter().zip(&self.last))
            .zip(&self.focal)
            .map(|((first, last), row)| (*first, *last, *row))
            .collect();
        runs.sort_unstable();
        for equal in runs.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let donors = &self.donors[equal[0].0..equal[0].1];
            let carried: f64 = equal.iter().map(|(_, _, row)| sample_weight[*row]).sum();
            let shared: f64 = donors.iter().map(|donor| sample_weight[*donor]).sum();
            for donor in donors {
                self.weights[*donor] += carried * (sample_weight[*donor] / shared);
            }
        }
    }
}

/// The rows that count for something, where some count for nothing: these are not there.
pub struct Present {
    rows: Vec<usize>,
    n_rows: usize,
    treatment: Vec<bool>,
    sample_weight: Vec<f64>,
    scores: Option<Vec<f64>>,
    covariates: Option<Array2<f64>>,
    exact: Option<Vec<i64>>,
    calipers: Vec<(Vec<f64>, f64)>,
    ids: Option<Vec<i64>>,
}

impl Present {
    /// None where all rows are there. The arrays have been checked.
    pub fn among(candidates: &Candidates<'_>) -> Option<Self> {
        let weight = candidates.sample_weight?;
        if weight.iter().all(|weight| *weight > 0.0) {
            return None;
        }
        let rows: Vec<usize> = (0..weight.len()).filter(|row| weight[*row] > 0.0).collect();
        let calipers = candidates.calipers.iter();
        Some(Self {
            n_rows: weight.len(),
            treatment: of(&rows, candidates.treatment),
            sample_weight: of(&rows, weight),
            scores: candidates.scores.map(|values| of(&rows, values)),
            covariates: candidates.covariates.map(|x| x.select(Axis(0), &rows)),
            exact: candidates.exact.map(|values| of(&rows, values)),
            calipers: calipers.map(|(values, width)| (of(&rows, values), *width)).collect(),
            ids: candidates.ids.map(|values| of(&rows, values)),
            rows,
        })
    }

    pub fn calipers(&self) -> Vec<(&[f64], f64)> {
        self.calipers.iter().map(|(values, width)| (&values[..], *width)).collect()
    }

    pub fn candidates<'a>(&'a self, calipers: &'a [(&'a [f64], f64)]) -> Candidates<'a> {
        Candidates {
            treatment: &self.treatment,
            scores: self.scores.as_deref(),
            covariates: self.covariates.as_ref().map(|x| x.view()),
            exact: self.exact.as_deref(),
            calipers,
            sample_weight: Some(&self.sample_weight),
            ids: self.ids.as_deref(),
        }
    }

    /// Put the rows back where they were, among those that are not there.
    pub fn spread_pairs(&self, mut pairs: Pairs) -> Pairs {
        let matches = &mut pairs.matches;
        matches.weights = self.spread(&matches.weights, 0.0);
        for row in matches.focal.iter_mut().chain(&mut matches.donors) {
            *row = self.rows[*row];
        }
        let dims = pairs.coordinates.len() / self.rows.len();
        let mut coordinates = vec![f64::NAN; self.n_rows * dims];
        if dims > 0 {
            for (row, point) in self.rows.iter().zip(pairs.coordinates.chunks_exact(dims)) {
                coordinates[row * dims..][..dims].copy_from_slice(point);
            }
        }
        pairs.coordinates = coordinates;
        pairs
    }

    pub fn spread_stars(&self, mut stars: Stars) -> Stars {
        stars.subclass = self.spread(&stars.subclass, 0);
        stars
    }

    fn spread<T: Copy>(&self, values: &[T], nothing: T) -> Vec<T> {
        let mut all = vec![nothing; self.n_rows];
        self.rows.iter().zip(values).for_each(|(row, value)| all[*row] = *value);
        all
    }
}

fn of<T: Copy>(rows: &[usize], values: &[T]) -> Vec<T> {
    rows.iter().map(|row| values[*row]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carry_gives_donors_what_the_rows_they_stand_for_count() {
        let mut matches = Matches {
            weights: vec![],
            focal: vec![0, 1, 5],
            donors: vec![2, 3, 4],
            first: vec![0, 1, 0],
            last: vec![2, 3, 2],
            n_unmatched: 0,
            max_distance: 0.0,
            caliper_width: f64::INFINITY,
        };
        matches.weights = vec![0.0; 6];
        matches.carry(&[2.0, 6.0, 1.0, 3.0, 1.0, 4.0]);
        // Row 2 has 1 / 4 of what rows 0 and 5 count, row 3 the rest and 3 / 4 of what row 1 does.
        assert_eq!(matches.weights, [2.0, 6.0, 1.5, 4.5 + 4.5, 1.5, 4.0]);
    }
}
