//! Scores of a random forest (Breiman 2001, Machine Learning 45:5), out of bag: each row's is the mean over trees that
//! have not seen it, for a tree follows the noise of the rows it was grown on.
//!
//! Trees are smartcore's: regression trees of the 0/1 treatment, whose leaves hold shares of treated rows, grown on n
//! rows drawn with replacement, each split the best among floor(sqrt(d)) columns drawn anew. With sample weights rows
//! are drawn in proportion to them. What smartcore leaves to do is done here: it is single-threaded, so forests of a
//! few trees are grown side by side; it panics, or answers, where values are missing; it gives 0 / 0 for a row that
//! all its trees have seen; and it cannot be stopped (see [`stoppable`]).

mod stoppable;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use ndarray::ArrayView2;
use rayon::prelude::*;
use smartcore::ensemble::random_forest_regressor::{
    RandomForestRegressor, RandomForestRegressorParameters,
};
use smartcore::error::Failed;
use smartcore::linalg::basic::matrix::DenseMatrix;

use crate::checks;
use crate::error::{Error, Result};
use crate::monitor::Monitor;
use crate::units::tally::Rows;
use stoppable::{Stoppable, stoppable};

/// Trees of one forest of smartcore's, which sorts every column once and then predicts row by row: of 100 trees over
/// 50,000 rows of 4 columns 1 at a time take 3.1 s of a processor's time, 5 at a time 2.2 s, all at once 4.1 s, for
/// many trees do not stay in the cache while they predict.
const TOGETHER: usize = 5;

/// More trees than this is a slip of the pen, and would overflow [`Means`].
const MOST_TREES: usize = 100_000;

/// What a forest of n rows is to be.
#[derive(Debug, Clone, Copy)]
pub struct ForestSpec {
    pub n_trees: usize,
    /// Rows that a leaf holds at least, each as often as it was drawn. `None`: the larger of 10 and a 500th of the rows,
    /// which decides how far scores stray to 0 and 1: at 50,000 rows of 4 columns, leaves of 5, 20 and 100 rows miss
    /// the true scores by .111, .074 and .046.
    pub min_leaf: Option<usize>,
    pub seed: u64,
}

impl ForestSpec {
    /// # Errors
    /// [`Error::Argument`] where there are no trees, or none could be split.
    fn leaf(&self, n_rows: usize) -> Result<usize> {
        if !(1..=MOST_TREES).contains(&self.n_trees) {
            let found = self.n_trees.to_string();
            let allowed = "a whole number from 1 to 100000";
            return Err(Error::Argument { name: "n_trees", found, allowed });
        }
        let leaf = self.min_leaf.unwrap_or_else(|| (n_rows / 500).max(10));
        if leaf == 0 || leaf > n_rows / 2 {
            let found = format!("{leaf} of {n_rows} rows");
            let allowed = "at least 1 and at most half of the rows, or no tree could be split";
            return Err(Error::Argument { name: "min_leaf", found, allowed });
        }
        Ok(leaf)
    }

    /// How many trees each forest has, in order.
    fn forests(&self) -> impl IndexedParallelIterator<Item = (usize, usize)> {
        let n_trees = self.n_trees;
        (0..n_trees.div_ceil(TOGETHER))
            .into_par_iter()
            .map(move |forest| (forest, TOGETHER.min(n_trees - forest * TOGETHER)))
    }

    /// The seed of a forest: the k-th number of a SplitMix64 generator (Steele, Lea and Flood 2014) begun at `seed`.
    /// smartcore adds the tree's number to a forest's own, so that seeds in a row would draw alike.
    fn seed_of(&self, forest: usize) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let state = self.seed.wrapping_add(STEP.wrapping_mul(forest as u64 + 1));
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The score of each row, by trees that have not seen it; those of weight 0, which are not there, have all trees.
/// What a tree draws hangs on the places of rows: to be the same in any order of them they are brought in one first.
///
/// # Errors
/// Lengths that differ, values that are not finite, an empty arm, [`Error::Argument`] for another `spec`;
/// [`Error::InEveryBag`] for rows that all trees have seen.
pub fn forest_scores(
    x: ArrayView2<'_, f64>,
    rows: &Rows<'_>,
    spec: &ForestSpec,
    monitor: &Monitor,
) -> Result<Vec<f64>> {
    let plan = Plan::new(x, rows, spec, monitor)?;
    let means = Means::new(x.nrows());
    spec.forests().try_for_each(|(forest, n_trees)| -> Result<()> {
        monitor.check()?;
        stoppable(|| plan.grow(n_trees, spec.seed_of(forest), &means))?;
        (0..n_trees).for_each(|_| monitor.advance());
        Ok(())
    })?;
    means.finish().map_err(|rows| plan.in_every_bag(rows, spec.n_trees))
}

type Forest<'a> = RandomForestRegressor<f64, f64, Stoppable<'a>, Vec<f64>>;

/// What all forests are grown on.
struct Plan<'a> {
    /// The rows that weigh something, and those that do not.
    there: Vec<usize>,
    absent: Vec<usize>,
    x: Stoppable<'a>,
    x_absent: Stoppable<'a>,
    /// Of the rows that are there, like what follows.
    treatment: Vec<f64>,
    weights: Option<Vec<f64>>,
    leaf: usize,
}

impl<'a> Plan<'a> {
    fn new(
        x: ArrayView2<'_, f64>,
        rows: &Rows<'_>,
        spec: &ForestSpec,
        monitor: &'a Monitor,
    ) -> Result<Self> {
        let n_rows = x.nrows();
        checks::same_length("treatment", rows.treatment.len(), n_rows)?;
        checks::sample_weight(rows.sample_weight, n_rows)?;
        if x.ncols() == 0 {
            let found = "no columns".into();
            return Err(Error::Argument { name: "x", found, allowed: "at least one column" });
        }
        checks::finite_columns("x", x)?;
        let weighs = |row: &usize| rows.sample_weight.is_none_or(|weight| weight[*row] > 0.0);
        let (there, absent): (Vec<usize>, Vec<usize>) = (0..n_rows).partition(weighs);
        let treated: Vec<bool> = there.iter().map(|row| rows.treatment[*row]).collect();
        checks::both_arms(&treated)?;
        let matrix = |rows: &[usize]| by_column(x, rows).map(|x| Stoppable::new(x, monitor));
        Ok(Self {
            leaf: spec.leaf(there.len())?,
            x: matrix(&there)?,
            x_absent: matrix(&absent)?,
            treatment: treated.into_iter().map(f64::from).collect(),
            weights: rows.sample_weight.map(|w| there.iter().map(|row| w[*row]).collect()),
            there,
            absent,
        })
    }

    /// Grow one forest, and let it say what it can of rows that its trees have not seen.
    fn grow(&self, n_trees: usize, seed: u64, means: &Means) -> Result<()> {
        let parameters = RandomForestRegressorParameters::default()
            .with_n_trees(n_trees)
            .with_min_samples_leaf(self.leaf)
            // Fewer rows than two leaves' cannot be split, which need not be tried.
            .with_min_samples_split(2 * self.leaf)
            .with_keep_samples(true)
            .with_seed(seed);
        let forest = match &self.weights {
            None => Forest::fit(&self.x, &self.treatment, parameters),
            Some(w) => Forest::fit_with_weights(&self.x, &self.treatment, w, parameters),
        };
        let forest = forest.map_err(refused)?;
        means.add(&self.there, &forest.predict_oob(&self.x).map_err(refused)?);
        if !self.absent.is_empty() {
            means.add(&self.absent, &forest.predict(&self.x_absent).map_err(refused)?);
        }
        Ok(())
    }

    fn in_every_bag(&self, rows: Vec<usize>, n_trees: usize) -> Error {
        let share = |row: &usize| {
            let Some(weights) = &self.weights else { return 1.0 / self.there.len() as f64 };
            let place = self.there.binary_search(row).unwrap_or_default();
            weights[place] / weights.iter().sum::<f64>()
        };
        let largest = rows.iter().map(share).fold(0.0, f64::max);
        Error::InEveryBag { rows, n_trees, enough: enough_trees(largest, self.there.len()) }
    }
}

/// Trees with which n rows that are drawn with a chance of at most `share` are all left out of one, in 99 of 100
/// forests; `None` where that takes more than anybody would grow.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a number from 1 to the limit
fn enough_trees(share: f64, n_rows: usize) -> Option<usize> {
    const LIMIT: f64 = 10_000.0;
    let left_out = (n_rows as f64 * (-share).ln_1p()).exp();
    let trees = ((0.01 / n_rows as f64).ln() / (-left_out).ln_1p()).ceil();
    (trees <= LIMIT).then_some(trees.max(1.0) as usize)
}

/// These rows, a column after the other: a tree reads one column at a time.
fn by_column(x: ArrayView2<'_, f64>, rows: &[usize]) -> Result<DenseMatrix<f64>> {
    let columns = x.columns();
    let values = columns.into_iter().flat_map(|column| rows.iter().map(move |row| column[*row]));
    DenseMatrix::new(rows.len(), x.ncols(), values.collect(), true).map_err(refused)
}

/// What was checked before should leave smartcore nothing to refuse.
#[allow(clippy::needless_pass_by_value)] // handed to `map_err`
fn refused(failed: Failed) -> Error {
    let found = failed.to_string();
    Error::Argument { name: "x", found, allowed: "what a forest can be grown on" }
}

/// The mean of what forests say of each row, over those that say anything. Sums of whole numbers are the same in any
/// order, and so on any number of threads: a share is counted in parts of 2^-48, which leaves it 14 digits.
struct Means {
    sums: Vec<AtomicU64>,
    counts: Vec<AtomicU32>,
}

const PARTS: f64 = (1_u64 << 48) as f64;

impl Means {
    fn new(n_rows: usize) -> Self {
        Self {
            sums: (0..n_rows).map(|_| AtomicU64::new(0)).collect(),
            counts: (0..n_rows).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    /// Of a row that all trees of a forest have seen it says 0 / 0.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // shares, from 0 to 1
    fn add(&self, rows: &[usize], shares: &[f64]) {
        for (row, share) in rows.iter().zip(shares).filter(|(_, share)| share.is_finite()) {
            self.sums[*row].fetch_add((share * PARTS).round() as u64, Relaxed);
            self.counts[*row].fetch_add(1, Relaxed);
        }
    }

    /// The means, or the rows that have none.
    fn finish(self) -> Result<Vec<f64>, Vec<usize>> {
        let counts: Vec<u32> = self.counts.into_iter().map(AtomicU32::into_inner).collect();
        let unseen: Vec<usize> = (0..counts.len()).filter(|row| counts[*row] == 0).collect();
        if !unseen.is_empty() {
            return Err(unseen);
        }
        let sums = self.sums.into_iter().map(AtomicU64::into_inner);
        Ok(sums.zip(counts).map(|(sum, n)| sum as f64 / PARTS / f64::from(n)).collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::float_cmp)] // tests
mod tests;
