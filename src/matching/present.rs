//! Rows of weight 0, which are not there: matching goes on without them, and they are put back afterwards.

use ndarray::{Array2, Axis};

use super::matches::Pairs;
use super::spec::Candidates;
use crate::optimal::Stars;

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
