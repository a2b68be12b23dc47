//! Gradient boosting by histograms, for scores and outcomes of rows that were not fitted to.
//!
//! Trees are added one after the other, each fitted by Newton's step to what the ones before left of a loss (Friedman
//! 2001, Annals of Statistics 29:1189; Chen and Guestrin 2016, equations 6 and 7). Columns are cut into 255 bins at
//! most, and a node looks for its split among these (Ke et al. 2017, algorithm 1). A model is grown for every fold,
//! on the rows outside of it, and whatever is said of a row is said by the model of its fold; so are the scores and
//! the losses by which the number of trees is chosen.

mod bins;
mod codes;
mod folds;
mod grow;
mod histogram;
mod imbalance;
mod loss;
mod losses;
mod model;
mod outcomes;
mod sample;
mod scores;
mod split;
mod state;
mod tree;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod twin;

pub use bins::{Bins, Table};
pub use folds::FoldModel;
pub use grow::{DEEPEST, Shape};
pub use loss::Loss;
pub use model::{BoostedTrees, Units};
pub use outcomes::{BoostedOutcome, LossPath, boosted_outcomes};
pub use sample::Folds;
pub use scores::{Aim, BoostedScores, Path, Stop, boosted_scores};
pub use state::State;
pub use tree::{Node, Question, Rule, Tree};

use crate::checks;
use crate::error::{Error, Result};

/// Trees between two looks at what they give.
pub const STRIDE: usize = 10;

/// How many trees, and of what shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoostingSpec {
    pub shape: Shape,
    pub max_trees: usize,
}

/// Who is treated, what rows stand for, and which fold each is predicted in.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    pub treatment: &'a [bool],
    pub sample_weight: Option<&'a [f64]>,
    pub folds: Folds<'a>,
}

impl Default for BoostingSpec {
    /// Small steps of trees that see three columns at a time, as many as they take: what deeper trees and longer
    /// steps gain in fit they lose in balance.
    fn default() -> Self {
        Self { shape: Shape { depth: 3, learning_rate: 0.05, min_leaf: 10 }, max_trees: 500 }
    }
}

impl BoostingSpec {
    fn check(&self) -> Result<()> {
        let Shape { depth, learning_rate, min_leaf } = self.shape;
        let refused = |name, found, allowed| Err(Error::Argument { name, found, allowed });
        if !(1..=DEEPEST).contains(&depth) {
            return refused("depth", depth.to_string(), "a whole number from 1 to 8");
        }
        if !(learning_rate > 0.0 && learning_rate <= 1.0) {
            return refused(
                "learning_rate",
                format!("{learning_rate:?}"),
                "more than 0, at most 1",
            );
        }
        if min_leaf == 0 {
            return refused("min_leaf", min_leaf.to_string(), "a whole number of at least 1");
        }
        if self.max_trees == 0 {
            return refused("max_trees", "0".into(), "a whole number of at least 1");
        }
        Ok(())
    }
}

impl Rows<'_> {
    /// The sample weight of a row.
    #[must_use]
    pub fn weight(&self, row: usize) -> f64 {
        self.sample_weight.map_or(1.0, |weight| weight[row])
    }

    fn check(&self, n_rows: usize) -> Result<()> {
        checks::same_length("treatment", self.treatment.len(), n_rows)?;
        checks::same_length("folds", self.folds.of_row.len(), n_rows)?;
        checks::sample_weight(self.sample_weight, n_rows)?;
        checks::both_arms(self.treatment)?;
        for (arm, treated) in [("treated", true), ("control", false)] {
            let weighs = |row: usize| self.treatment[row] == treated && self.weight(row) > 0.0;
            if !(0..n_rows).any(weighs) {
                return Err(Error::WeightlessArm { arm });
            }
        }
        if self.folds.count < 2 {
            let found = format!("{} of them", self.folds.count);
            return Err(Error::Argument { name: "folds", found, allowed: "two folds at least" });
        }
        let is_beyond = |fold: &u32| *fold as usize >= self.folds.count.min(n_rows);
        if let Some(fold) = self.folds.of_row.iter().copied().find(is_beyond) {
            let (found, allowed) = (fold.to_string(), "numbers of folds, from 0, fewer than rows");
            return Err(Error::Argument { name: "folds", found, allowed });
        }
        Ok(())
    }
}
