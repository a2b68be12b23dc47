//! Propensity scores, boosted, of every row by a model that has not seen it, with the number of trees that
//! balances the arms best or predicts the treatment best, on rows that were not fitted to.
//!
//! What predicts best leaves too much imbalance: the log-loss stops adding trees while the weights still get
//! better. To stop at the best balance is the proposal of McCaffrey, Ridgeway and Morral (2004, Psychological Methods
//! 9:403), who measure it on the rows that the trees are fitted to; there the scores follow the noise of the
//! treatment, and intervals around what they give miss the truth nearly always.

use ndarray::ArrayView2;
use rayon::prelude::*;

use super::bins::{Table, cut};
use super::codes::Codes;
use super::folds::Growing;
use super::imbalance::{Imbalance, Terms};
use super::loss::Loss;
use super::losses::{mean_loss, out_of_fold};
use super::model::{BoostedTrees, Units};
use super::sample::{Outcome, Patterns, Response, Sample};
use super::{BoostingSpec, Rows, STRIDE};
use crate::design::covariates::CHUNK;
use crate::error::{Error, Result};
use crate::monitor::Monitor;
use crate::weighting::estimand::Estimand;

/// When enough trees have grown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Where the mean |SMD| of the terms is least.
    Balance,
    /// Where the log-loss is.
    LogLoss,
    /// When there are as many as may be.
    Never,
}

/// What is balanced, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct Aim<'a> {
    /// By default the columns of the table: numbers, and the share of each level.
    pub terms: Option<ArrayView2<'a, f64>>,
    pub estimand: Estimand,
    pub stop: Stop,
}

#[derive(Debug, Clone, PartialEq)]
pub struct BoostedScores {
    /// Of every row, out of its fold.
    pub log_odds: Vec<f64>,
    pub scores: Vec<f64>,
    pub n_trees: usize,
    pub path: Path,
    pub model: BoostedTrees,
}

/// How scores and balance, out of fold, change with the number of trees.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Path {
    pub trees: Vec<usize>,
    pub log_loss: Vec<f64>,
    pub mean_smd: Vec<f64>,
    pub max_smd: Vec<f64>,
    pub ess: Vec<f64>,
}

/// # Errors
/// Lengths that differ, values that are infinite, an empty arm, a fold outside of which an arm is; [`Error::Stopped`].
pub fn boosted_scores<'a>(
    table: &Table<'a>,
    rows: &Rows<'_>,
    aim: &Aim<'a>,
    spec: &BoostingSpec,
    monitor: &Monitor,
) -> Result<BoostedScores> {
    spec.check()?;
    table.check()?;
    rows.check(table.n_rows())?;
    let terms = Terms::new(aim.terms, table, rows)?;
    let bins = cut(table, |row| rows.weight(row) > 0.0, monitor)?;
    let codes = Codes::of(table, &bins, monitor)?;
    let patterns = Patterns::of(&codes, rows.folds.count);
    let response = response(rows);
    let loss = Loss::Logistic;
    let sample = Sample::new(&codes, patterns.as_ref(), &response, rows.folds, loss)?;
    drop((codes, patterns));
    require_both_arms(&sample)?;
    let mut growing = Growing::new(&sample, &bins, spec.shape);
    let mut found =
        Best { path: Path::default(), n_trees: 0, least: f64::INFINITY, log_odds: Vec::new() };
    for trees in (0..spec.max_trees).step_by(STRIDE).chain([spec.max_trees]) {
        growing.grow(trees - found.path.trees.last().copied().unwrap_or(0), monitor)?;
        let log_odds = out_of_fold(&growing, rows.folds);
        let log_loss = mean_loss(loss, &response, &log_odds);
        let imbalance = terms.imbalance(&log_odds, rows, aim.estimand);
        found.consider(trees, log_odds, log_loss, imbalance, aim.stop);
    }
    let folds = growing.finished(found.n_trees);
    let (units, n_numbers) = (Units::AS_THEY_ARE, table.numbers.ncols());
    let log_odds: Vec<f64> = found.log_odds.into_iter().map(f64::from).collect();
    Ok(BoostedScores {
        scores: log_odds.par_iter().with_min_len(CHUNK).map(|f| loss.mean(*f)).collect(),
        log_odds,
        n_trees: found.n_trees,
        path: found.path,
        model: BoostedTrees { loss, units, n_numbers, bins, folds },
    })
}

/// The treatment, by weights that are one on average.
fn response<'a>(rows: &Rows<'a>) -> Response<'a> {
    let weight = rows.sample_weight.map(|weight| {
        let count = weight.iter().filter(|weight| **weight > 0.0).count() as f64;
        let per_mean = count / weight.iter().sum::<f64>();
        weight.iter().map(|weight| weight * per_mean).collect()
    });
    Response { outcome: Outcome::Treatment(rows.treatment), weight }
}

fn require_both_arms(sample: &Sample) -> Result<()> {
    for (fold, cohort) in sample.cohorts.iter().enumerate() {
        if cohort.mean <= 0.0 || cohort.mean >= 1.0 {
            let arm = if cohort.mean <= 0.0 { "treated" } else { "control" };
            let found = format!("fold {fold}, outside of which there is no {arm} row");
            let allowed = "such that each fold leaves rows of both arms to fit to";
            return Err(Error::Argument { name: "folds", found, allowed });
        }
    }
    Ok(())
}

/// The best scores so far, and the way to them.
struct Best {
    path: Path,
    n_trees: usize,
    least: f64,
    log_odds: Vec<f32>,
}

impl Best {
    fn consider(
        &mut self,
        trees: usize,
        log_odds: Vec<f32>,
        log_loss: f64,
        imbalance: Imbalance,
        stop: Stop,
    ) {
        let Imbalance { mean, max, ess } = imbalance;
        self.path.trees.push(trees);
        self.path.log_loss.push(log_loss);
        self.path.mean_smd.push(mean);
        self.path.max_smd.push(max);
        self.path.ess.push(ess);
        let (value, always) = match stop {
            Stop::Balance => (mean, false),
            Stop::LogLoss => (log_loss, false),
            Stop::Never => (log_loss, true),
        };
        if always || value < self.least || self.log_odds.is_empty() {
            (self.n_trees, self.least, self.log_odds) = (trees, value, log_odds);
        }
    }
}
