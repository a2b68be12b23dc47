//! Grown models, and what they predict of rows that they have not seen.

use rayon::prelude::*;

use super::bins::{Bins, LEVELS, NUMBERS, Table};
use super::codes::Codes;
use super::folds::FoldModel;
use super::loss::Loss;
use crate::design::covariates::CHUNK;
use crate::error::{Error, Result};
use crate::monitor::Monitor;

/// The units that an outcome was fitted in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Units {
    pub center: f64,
    pub scale: f64,
}

/// The models of all folds over the same columns.
#[derive(Debug, Clone, PartialEq)]
pub struct BoostedTrees {
    pub loss: Loss,
    pub units: Units,
    pub n_numbers: usize,
    pub bins: Vec<Bins>,
    pub folds: Vec<FoldModel>,
}

impl Units {
    pub const AS_THEY_ARE: Self = Self { center: 0.0, scale: 1.0 };

    #[must_use]
    pub fn to(self, value: f64) -> f64 {
        (value - self.center) / self.scale
    }

    #[must_use]
    pub fn from(self, value: f64) -> f64 {
        self.center + self.scale * value
    }
}

impl BoostedTrees {
    /// Predict the mean of each row: the mean of what the folds' models say.
    ///
    /// # Errors
    /// [`Error::Argument`] for other columns than those fitted to, and as [`Table::check`] says;
    /// [`Error::Stopped`].
    pub fn predict(&self, table: &Table<'_>, monitor: &Monitor) -> Result<Vec<f64>> {
        table.check()?;
        self.same_columns(table)?;
        let codes = Codes::of(table, &self.bins, monitor)?;
        let mut means = vec![0.0; codes.n_rows()];
        for fold in &self.folds {
            means.par_chunks_mut(CHUNK).enumerate().try_for_each(|(chunk, means)| {
                monitor.check()?;
                let mut predictor = vec![fold.start; means.len()];
                for tree in &fold.trees {
                    tree.raise(&codes, &self.bins, chunk * CHUNK, &mut predictor);
                }
                let own = predictor.iter().map(|f| self.units.from(self.loss.mean(f64::from(*f))));
                means.iter_mut().zip(own).for_each(|(mean, own)| *mean += own);
                Ok::<(), Error>(())
            })?;
        }
        for mean in &mut means {
            *mean /= self.folds.len() as f64;
        }
        Ok(means)
    }

    /// Whether these are models, with columns to ask.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let is_usable = |bins: &Bins| match bins {
            Bins::Numbers(cuts) => cuts.len() < NUMBERS && cuts.is_sorted_by(|a, b| a < b),
            Bins::Levels(count) => *count <= LEVELS,
        };
        let is_sorted =
            self.bins.iter().skip(self.n_numbers).all(|bins| matches!(bins, Bins::Levels(_)));
        is_sorted
            && !self.bins.is_empty()
            && !self.folds.is_empty()
            && self.bins.iter().all(is_usable)
    }

    fn same_columns(&self, table: &Table<'_>) -> Result<()> {
        let n_factors = self.bins.len() - self.n_numbers;
        let columns = [
            ("covariates", table.numbers.ncols(), self.n_numbers),
            ("factors", table.factors.ncols(), n_factors),
        ];
        for (name, found, expected) in columns {
            if found != expected {
                let found = format!("{found} columns where the model has {expected}");
                return Err(Error::Argument { name, found, allowed: "the columns fitted to" });
            }
        }
        Ok(())
    }
}
