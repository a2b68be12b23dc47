//! How far apart weights of the scores leave the arms, term by term.

use std::ops::Range;

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::Rows;
use super::bins::Table;
use crate::balance::{Denominator, spreads};
use crate::checks;
use crate::design::covariates::{CHUNK, stretch};
use crate::error::{self, Error, Result};
use crate::kernels::{BLOCK, Lane, add_gradient, sigmoid};
use crate::weighting::estimand::Estimand;

/// The terms that are to be balanced, each measured from its mean and in units of its spread, the root of the mean of
/// both arms' variances in the sample as it is. Means are of the rows where a term is not missing.
#[derive(Debug)]
pub struct Terms<'a> {
    x: ArrayView2<'a, f64>,
    center: Vec<f64>,
    per_spread: Vec<f64>,
    /// Which terms miss some values.
    gappy: Vec<usize>,
    /// Further terms: whether a row has a level of a factor.
    levels: Option<Levels<'a>>,
}

/// The shares of the levels of factors.
#[derive(Debug)]
struct Levels<'a> {
    factors: ArrayView2<'a, i64>,
    /// Where the levels of each factor begin among all.
    first: Vec<usize>,
    per_spread: Vec<f64>,
}

/// What weights leave of the sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Imbalance {
    /// Of the |SMD| of all terms.
    pub mean: f64,
    pub max: f64,
    /// Kish's effective sample sizes of both arms together.
    pub ess: f64,
}

/// Sums over the rows of an arm.
#[derive(Debug, Clone)]
struct ArmSums {
    /// Of squared weights.
    squares: f64,
    /// Of weights, then of weight times term, then of weights of the rows where each gappy term is there.
    products: Vec<f64>,
    /// Of the weights of each level's rows.
    levels: Vec<f64>,
}

impl<'a> Terms<'a> {
    /// Those given, or else the columns of the table: numbers, and the share of each level.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Infinite`], and as [`spreads`] says.
    pub fn new(
        given: Option<ArrayView2<'a, f64>>,
        table: &Table<'a>,
        rows: &Rows<'_>,
    ) -> Result<Self> {
        let levels = given.is_none().then(|| Levels::of(table.factors, rows));
        let x = given.unwrap_or(table.numbers);
        checks::same_length("balance", x.nrows(), rows.treatment.len())?;
        let is_gappy = |column| column_is_gappy(x, column);
        let gappy = (0..x.ncols()).into_par_iter().map(is_gappy).collect::<Result<Vec<bool>>>()?;
        let has_absent = rows.sample_weight.is_some_and(|weight| weight.contains(&0.0));
        let per_spread = |spread: f64| if spread > 0.0 { 1.0 / spread } else { 0.0 };
        let (center, spread): (Vec<f64>, Vec<f64>) = if gappy.contains(&true) || has_absent {
            let measured = (0..x.ncols()).into_par_iter().map(|k| measure(x, k, rows));
            measured.collect::<Result<Vec<_>>>()?.into_iter().unzip()
        } else {
            let mean = |k| x.column(k).iter().sum::<f64>() / x.nrows() as f64;
            let center = (0..x.ncols()).into_par_iter().map(mean).collect();
            let spread = spreads(x, rows.treatment, rows.sample_weight, Denominator::Pooled);
            (center, spread.map_err(named)?)
        };
        let gappy = (0..x.ncols()).filter(|k| gappy[*k]).collect();
        let per_spread = spread.into_iter().map(per_spread).collect();
        Ok(Self { x, center, per_spread, gappy, levels })
    }

    /// What the weights of an estimand leave, where these are the log odds of the scores.
    #[must_use]
    pub fn imbalance(&self, log_odds: &[f32], rows: &Rows<'_>, estimand: Estimand) -> Imbalance {
        let chunks: Vec<[ArmSums; 2]> = (0..log_odds.len().div_ceil(CHUNK))
            .into_par_iter()
            .map(|chunk| self.chunk(chunk * CHUNK, log_odds, rows, estimand))
            .collect();
        let mut arms = [self.no_sums(), self.no_sums()];
        for chunk in &chunks {
            arms.iter_mut().zip(chunk).for_each(|(arm, one)| arm.add(one));
        }
        let differences = self.differences(&arms);
        let sum: f64 = differences.iter().sum();
        let max =
            differences.iter().copied().fold(0.0, |max, smd| if smd <= max { max } else { smd });
        let ess = arms.iter().map(|arm| arm.products[0] * arm.products[0] / arm.squares).sum();
        Imbalance { mean: sum / differences.len() as f64, max, ess }
    }

    /// The |SMD| of all terms.
    fn differences(&self, arms: &[ArmSums; 2]) -> Vec<f64> {
        let [control, treated] = arms;
        let mut found: Vec<f64> = (0..self.center.len())
            .map(|k| (self.mean(treated, k) - self.mean(control, k)).abs())
            .collect();
        // Of a term that an arm never shows there is no difference to tell.
        for k in self.gappy.iter().filter(|k| self.per_spread[**k] == 0.0) {
            found[*k] = 0.0;
        }
        if let Some(levels) = &self.levels {
            let share = |arm: &ArmSums, level: usize| arm.levels[level] / arm.products[0];
            found.extend(levels.per_spread.iter().enumerate().map(|(level, per_spread)| {
                (share(treated, level) - share(control, level)).abs() * per_spread
            }));
        }
        found
    }

    fn no_sums(&self) -> ArmSums {
        let n_levels = self.levels.as_ref().map_or(0, |levels| levels.per_spread.len());
        let products = vec![0.0; 1 + self.center.len() + self.gappy.len()];
        ArmSums { squares: 0.0, products, levels: vec![0.0; n_levels] }
    }

    /// The mean of a standardized term in an arm.
    fn mean(&self, arm: &ArmSums, term: usize) -> f64 {
        let weight = match self.gappy.iter().position(|k| *k == term) {
            Some(place) => arm.products[1 + self.center.len() + place],
            None => arm.products[0],
        };
        arm.products[1 + term] / weight
    }

    fn chunk(
        &self,
        first: usize,
        log_odds: &[f32],
        rows: &Rows<'_>,
        estimand: Estimand,
    ) -> [ArmSums; 2] {
        let mut arms = [self.no_sums(), self.no_sums()];
        let mut columns = vec![[0.0; BLOCK]; self.center.len() + self.gappy.len()];
        let end = log_odds.len().min(first + CHUNK);
        for start in (first..end).step_by(BLOCK) {
            let stop = end.min(start + BLOCK);
            self.load(start..stop, &mut columns);
            let weights = arm_weights(start..stop, log_odds, rows, estimand);
            for (arm, weights) in arms.iter_mut().zip(&weights) {
                arm.squares += weights.iter().map(|w| w * w).sum::<f64>();
                add_gradient(&columns, weights, &mut arm.products);
                if let Some(levels) = &self.levels {
                    levels.add(start..stop, weights, &mut arm.levels);
                }
            }
        }
        arms
    }

    /// The block of these rows, term by term, zero where one is missing; then, for each gappy term, one where it is
    /// there.
    fn load(&self, rows: Range<usize>, columns: &mut [Lane]) {
        let (terms, there) = columns.split_at_mut(self.center.len());
        for (k, lane) in terms.iter_mut().enumerate() {
            let (center, per_spread) = (self.center[k], self.per_spread[k]);
            lane.fill(0.0);
            let values = stretch(self.x, k, rows.clone());
            lane.iter_mut().zip(values).for_each(|(z, x)| *z = (x - center) * per_spread);
        }
        for (k, lane) in self.gappy.iter().zip(there) {
            for (z, there) in terms[*k].iter_mut().zip(lane) {
                *there = f64::from(u8::from(!z.is_nan()));
                *z = if z.is_nan() { 0.0 } else { *z };
            }
        }
    }
}

impl ArmSums {
    fn add(&mut self, other: &Self) {
        self.squares += other.squares;
        self.products.iter_mut().zip(&other.products).for_each(|(all, one)| *all += one);
        self.levels.iter_mut().zip(&other.levels).for_each(|(all, one)| *all += one);
    }
}

impl<'a> Levels<'a> {
    fn of(factors: ArrayView2<'a, i64>, rows: &Rows<'_>) -> Self {
        let mut first = vec![0];
        for column in factors.columns() {
            let most = column.iter().copied().max().unwrap_or(-1);
            first.push(first[first.len() - 1] + usize::try_from(most + 1).unwrap_or(0));
        }
        let n_levels = first[first.len() - 1];
        let mut own = Self { factors, first, per_spread: vec![1.0; n_levels] };
        let mut shares = [vec![0.0; n_levels], vec![0.0; n_levels]];
        for (arm, shares) in shares.iter_mut().enumerate() {
            let weigh = |row: usize| {
                if usize::from(rows.treatment[row]) == arm { rows.weight(row) } else { 0.0 }
            };
            let weights: Vec<f64> = (0..rows.treatment.len()).map(weigh).collect();
            own.add(0..weights.len(), &weights, shares);
            let total: f64 = weights.iter().sum();
            for share in shares.iter_mut() {
                *share /= total;
            }
        }
        for (level, per_spread) in own.per_spread.iter_mut().enumerate() {
            let [control, treated] = [0, 1].map(|arm: usize| shares[arm][level]);
            let variance = f64::midpoint(treated * (1.0 - treated), control * (1.0 - control));
            *per_spread = if variance > 0.0 { 1.0 / variance.sqrt() } else { 0.0 };
        }
        own
    }

    /// Add the weights of some rows to the sums of their levels.
    fn add(&self, rows: Range<usize>, weights: &[f64], sums: &mut [f64]) {
        for (k, first) in self.first[..self.first.len() - 1].iter().enumerate() {
            for (level, weight) in stretch(self.factors, k, rows.clone()).iter().zip(weights) {
                if let Ok(level) = usize::try_from(*level) {
                    sums[first + level] += weight;
                }
            }
        }
    }
}

/// The weights of a block of rows in their own arm, control first; zero in the other, and past the end.
fn arm_weights(
    rows: Range<usize>,
    log_odds: &[f32],
    all: &Rows<'_>,
    estimand: Estimand,
) -> [Lane; 2] {
    let mut weights = [[0.0; BLOCK]; 2];
    let mut scores = [0.0; BLOCK];
    let log_odds = log_odds[rows.clone()].iter().copied().map(f64::from);
    scores.iter_mut().zip(log_odds).for_each(|(score, log_odds)| *score = log_odds);
    sigmoid(&mut scores);
    for (slot, row) in rows.enumerate() {
        let (treated, score) = (all.treatment[row], scores[slot]);
        let sample_weight = all.weight(row);
        if sample_weight > 0.0 {
            weights[usize::from(treated)][slot] = sample_weight * estimand.weight(treated, score);
        }
    }
    weights
}

/// Whether a term misses some values.
fn column_is_gappy(x: ArrayView2<'_, f64>, column: usize) -> Result<bool> {
    let values = x.column(column);
    if values.iter().all(|value| value.is_finite()) {
        return Ok(false);
    }
    match error::Rows::matching(values, |value| value.is_infinite()) {
        Some(rows) => Err(Error::Infinite { name: "balance", column, rows }),
        None => Ok(true),
    }
}

/// The mean and the spread of a term over the rows where it is there; a term that an arm never shows has none.
fn measure(x: ArrayView2<'_, f64>, term: usize, rows: &Rows<'_>) -> Result<(f64, f64)> {
    let column = x.column(term);
    let is_there = |row: &usize| rows.weight(*row) > 0.0 && !column[*row].is_nan();
    let there: Vec<usize> = (0..column.len()).filter(is_there).collect();
    let treatment: Vec<bool> = there.iter().map(|row| rows.treatment[*row]).collect();
    if !treatment.contains(&true) || !treatment.contains(&false) {
        return Ok((0.0, 0.0));
    }
    let values = Array2::from_shape_fn((there.len(), 1), |(row, _)| column[there[row]]);
    let weight: Option<Vec<f64>> =
        rows.sample_weight.map(|weight| there.iter().map(|row| weight[*row]).collect());
    let found = spreads(values.view(), &treatment, weight.as_deref(), Denominator::Pooled);
    let spread = found.map_err(|error| of_term(error, term))?;
    Ok((values.iter().sum::<f64>() / there.len() as f64, spread[0]))
}

/// An error about the columns of x, which are the terms here.
fn named(error: Error) -> Error {
    match error {
        Error::Extreme { column, .. } => Error::Extreme { name: "balance", column },
        other => other,
    }
}

/// An error about a single column, as one about the term that it is.
fn of_term(error: Error, term: usize) -> Error {
    match error {
        Error::Extreme { .. } => Error::Extreme { name: "balance", column: Some(term) },
        other => other,
    }
}
