//! What the models of all folds are fitted to: points that the trees tell apart, and what each stands for.
//!
//! A point is a row, or a pattern: all rows whose codes are the same. Trees cannot tell these apart, and a loss asks
//! only for the sums of their weights and outcomes, so that where rows repeat, models of patterns are those of rows.

use std::ops::Range;
use std::sync::atomic::AtomicBool;

use rayon::prelude::*;

use super::codes::Codes;
use super::histogram::Rows;
use super::loss::{Loss, Sizes};
use crate::error::{Error, Result};
use crate::kernels::{BLOCK, Predicted};
use crate::units::cells::groups::Groups;

/// Rows that a pattern stands for in every fold, at least, for patterns to be worth their sums.
const ROWS_PER_PATTERN: usize = 2;

/// What is to be predicted of all rows, and what they weigh.
#[derive(Debug, Clone)]
pub struct Response<'a> {
    pub outcome: Outcome<'a>,
    /// One on average over the rows that are fitted to, zero for all others; `None` where all are and weigh one.
    pub weight: Option<Vec<f64>>,
}

/// An outcome, in the units that the loss is taken in.
#[derive(Debug, Clone)]
pub enum Outcome<'a> {
    Treatment(&'a [bool]),
    Numbers(Vec<f64>),
}

impl Response<'_> {
    #[inline]
    #[must_use]
    pub fn weight(&self, row: usize) -> f64 {
        self.weight.as_ref().map_or(1.0, |weight| weight[row])
    }

    #[inline]
    #[must_use]
    pub fn outcome(&self, row: usize) -> f64 {
        match &self.outcome {
            Outcome::Treatment(treatment) => f64::from(u8::from(treatment[row])),
            Outcome::Numbers(values) => values[row],
        }
    }
}

/// Which fold a row is predicted in.
#[derive(Debug, Clone, Copy)]
pub struct Folds<'a> {
    pub of_row: &'a [u32],
    pub count: usize,
}

/// Rows whose codes are the same, where they are many.
#[derive(Debug)]
pub struct Patterns {
    pub of_row: Vec<u32>,
    first_row: Vec<u32>,
}

impl Patterns {
    #[must_use]
    pub fn of(codes: &Codes, n_folds: usize) -> Option<Self> {
        let n = codes.n_rows();
        let limit = n / (ROWS_PER_PATTERN * n_folds);
        let mut groups = Groups::of(n, |row| codes.hash(row), limit, &AtomicBool::new(false))?;
        // In an order that does not hang on that of the rows.
        let order = groups.by_hash();
        groups.number_by(&order);
        let Groups { of_row, first_row, .. } = groups;
        let is_alike = |(row, pattern): (usize, &u32)| {
            codes.are_equal(row, first_row[*pattern as usize] as usize)
        };
        let are_alike = of_row.par_iter().with_min_len(BLOCK).enumerate().all(is_alike);
        are_alike.then_some(Self { of_row, first_row })
    }
}

/// The points of all folds' models.
#[derive(Debug)]
pub struct Sample {
    pub codes: Codes,
    /// The point of each row.
    pub point: Vec<u32>,
    pub cohorts: Vec<Cohort>,
    shares: Shares,
    pub loss: Loss,
    pub n_rows: usize,
}

/// What points stand for.
#[derive(Debug)]
enum Shares {
    /// For a row each, by point: weight, outcome.
    Rows { weight: Option<Vec<f32>>, outcome: Vec<f32> },
    /// For what the fold's model is fitted to, by fold.
    Patterns(Vec<Shared>),
}

/// By pattern: the number of rows, the sums of their weights, and of weights times outcomes.
#[derive(Debug, Clone)]
struct Shared {
    rows: Vec<u32>,
    weight: Vec<f64>,
    outcome: Vec<f64>,
}

/// What one fold's model is fitted to.
#[derive(Debug, Clone)]
pub struct Cohort {
    /// Points that it is fitted to.
    pub fitted: [Range<usize>; 2],
    /// Points that it only predicts.
    pub predicted: [Range<usize>; 2],
    /// Rows that it is fitted to.
    pub n_rows: i64,
    pub weight: f64,
    /// The largest weight of a point.
    heaviest: f64,
    pub mean: f64,
    /// The weighted mean of squared outcomes.
    pub square: f64,
}

impl Sample {
    /// # Errors
    /// [`Error::Argument`] where a fold leaves no row to fit to.
    pub fn new(
        codes: &Codes,
        patterns: Option<&Patterns>,
        response: &Response<'_>,
        folds: Folds<'_>,
        loss: Loss,
    ) -> Result<Self> {
        let sums = fold_sums(response, folds);
        if let Some(fold) = sums.iter().position(|sums| sums.rows == 0) {
            let found = format!("fold {fold}, outside of which there is no row to fit to");
            let allowed = "such that each fold leaves rows to fit to";
            return Err(Error::Argument { name: "folds", found, allowed });
        }
        let mut sample = match patterns {
            Some(patterns) => Self::of_patterns(codes, patterns, response, folds, loss),
            None => Self::of_rows(codes, response, folds, loss),
        };
        for (fold, sums) in sums.iter().enumerate() {
            let heaviest = sample.shares.heaviest(fold);
            let cohort = &mut sample.cohorts[fold];
            (cohort.n_rows, cohort.weight, cohort.heaviest) = (sums.rows, sums.weight, heaviest);
            cohort.mean = sums.outcome / sums.weight;
            cohort.square = sums.square / sums.weight;
        }
        Ok(sample)
    }

    fn of_patterns(
        codes: &Codes,
        patterns: &Patterns,
        response: &Response<'_>,
        folds: Folds<'_>,
        loss: Loss,
    ) -> Self {
        let n_patterns = patterns.first_row.len();
        let none = Shared {
            rows: vec![0; n_patterns],
            weight: vec![0.0; n_patterns],
            outcome: vec![0.0; n_patterns],
        };
        let mut own = vec![none; folds.count];
        for (row, pattern) in patterns.of_row.iter().enumerate() {
            let (fold, pattern) = (folds.of_row[row] as usize, *pattern as usize);
            let weight = response.weight(row);
            own[fold].rows[pattern] += u32::from(weight > 0.0);
            own[fold].weight[pattern] += weight;
            own[fold].outcome[pattern] += weight * response.outcome(row);
        }
        let shared = (0..folds.count).map(|fold| Shared::of_others(&own, fold)).collect();
        let all = [0..n_patterns, 0..0];
        Self {
            codes: codes.gathered(&patterns.first_row),
            point: patterns.of_row.clone(),
            cohorts: vec![Cohort::new(all, [0..0, 0..0]); folds.count],
            shares: Shares::Patterns(shared),
            loss,
            n_rows: codes.n_rows(),
        }
    }

    /// Rows fold by fold, those to be fitted to first: what a fold's model is fitted to is what lies around its own.
    #[allow(clippy::cast_possible_truncation)] // there are fewer than 2^32 rows
    fn of_rows(codes: &Codes, response: &Response<'_>, folds: Folds<'_>, loss: Loss) -> Self {
        let n = codes.n_rows();
        let key = |row: usize| {
            folds.of_row[row] as usize + if response.weight(row) > 0.0 { 0 } else { folds.count }
        };
        let mut ends = vec![0; 2 * folds.count + 1];
        (0..n).for_each(|row| ends[key(row) + 1] += 1);
        (0..2 * folds.count).for_each(|k| ends[k + 1] += ends[k]);
        let mut next = ends.clone();
        let (mut order, mut point) = (vec![0_u32; n], vec![0_u32; n]);
        for row in 0..n {
            let place = &mut next[key(row)];
            (order[*place], point[row]) = (row as u32, *place as u32);
            *place += 1;
        }
        let n_fitted = ends[folds.count];
        let cohorts = (0..folds.count).map(|fold| {
            let own = ends[fold]..ends[fold + 1];
            let others = ends[folds.count + fold]..ends[folds.count + fold + 1];
            Cohort::new([0..own.start, own.end..n_fitted], [own, others])
        });
        let fitted = &order[..n_fitted];
        let of = |value: &dyn Fn(usize) -> f64| {
            fitted.iter().map(|row| value(*row as usize) as f32).collect::<Vec<f32>>()
        };
        // Exact on purpose: rows that all weigh one need no weights.
        #[allow(clippy::float_cmp)]
        let is_even = fitted.iter().all(|row| response.weight(*row as usize) == 1.0);
        let weight = (!is_even).then(|| of(&|row| response.weight(row)));
        let shares = Shares::Rows { weight, outcome: of(&|row| response.outcome(row)) };
        let codes = codes.gathered(&order);
        Self { codes, point, cohorts: cohorts.collect(), shares, loss, n_rows: n }
    }

    /// How many rows each point stands for, in what the fold's model is fitted to.
    #[must_use]
    pub fn rows(&self, fold: usize) -> Rows<'_> {
        match &self.shares {
            Shares::Rows { .. } => Rows::One,
            Shares::Patterns(shared) => Rows::Counted(&shared[fold].rows),
        }
    }

    /// Fill a block with the points from `start` on.
    pub fn load(
        &self,
        fold: usize,
        points: Range<usize>,
        predictor: &[f32],
        block: &mut Predicted,
    ) {
        let length = points.len();
        block.predictor[..length].copy_from_slice(&predictor[points.clone()]);
        let (weights, outcomes) = (&mut block.weight[..length], &mut block.outcome[..length]);
        match &self.shares {
            Shares::Rows { weight, outcome } => {
                let outcome = outcome[points.clone()].iter().copied().map(f64::from);
                outcomes.iter_mut().zip(outcome).for_each(|(slot, y)| *slot = y);
                if let Some(weight) = weight {
                    let weight = weight[points].iter().copied().map(f64::from);
                    weights.iter_mut().zip(weight).for_each(|(slot, w)| *slot = w);
                    outcomes.iter_mut().zip(weights).for_each(|(y, w)| *y *= *w);
                } else {
                    weights.fill(1.0);
                }
            }
            Shares::Patterns(shared) => {
                weights.copy_from_slice(&shared[fold].weight[points.clone()]);
                outcomes.copy_from_slice(&shared[fold].outcome[points]);
            }
        }
        block.weight[length..].fill(0.0);
        block.outcome[length..].fill(0.0);
    }

    /// How large the slopes of a log-loss can be, whatever is predicted.
    fn logistic_sizes(&self, fold: usize) -> Sizes {
        let weight = self.cohorts[fold].heaviest;
        let total = self.cohorts[fold].weight / 4.0;
        Sizes { gradient: weight, curvature: weight / 4.0, total, error: 0.0 }
    }

    /// How large slopes are, or can be, where these are the predictors.
    #[must_use]
    pub fn sizes(&self, fold: usize, predictor: &[f32]) -> Sizes {
        if self.loss == Loss::Logistic {
            return self.logistic_sizes(fold);
        }
        let mut sizes = Sizes::default();
        let mut block = Predicted::default();
        for range in &self.cohorts[fold].fitted {
            for start in range.clone().step_by(BLOCK) {
                self.load(fold, start..range.end.min(start + BLOCK), predictor, &mut block);
                sizes.add(self.loss, &block);
            }
        }
        sizes
    }
}

impl Cohort {
    fn new(fitted: [Range<usize>; 2], predicted: [Range<usize>; 2]) -> Self {
        Self { fitted, predicted, n_rows: 0, weight: 0.0, heaviest: 0.0, mean: 0.0, square: 0.0 }
    }

    #[must_use]
    pub fn n_fitted(&self) -> usize {
        self.fitted.iter().map(ExactSizeIterator::len).sum()
    }
}

impl Shares {
    fn heaviest(&self, fold: usize) -> f64 {
        match self {
            Self::Rows { weight: None, .. } => 1.0,
            Self::Rows { weight: Some(weight), .. } => {
                f64::from(weight.iter().copied().fold(0.0, f32::max))
            }
            Self::Patterns(shared) => shared[fold].weight.iter().copied().fold(0.0, f64::max),
        }
    }
}

impl Shared {
    /// The sums over all folds but one, without a difference that would leave a rest.
    fn of_others(own: &[Self], fold: usize) -> Self {
        let mut all = own[fold].clone();
        all.rows.fill(0);
        all.weight.fill(0.0);
        all.outcome.fill(0.0);
        for (_, other) in own.iter().enumerate().filter(|(other, _)| *other != fold) {
            all.rows.iter_mut().zip(&other.rows).for_each(|(all, one)| *all += one);
            all.weight.iter_mut().zip(&other.weight).for_each(|(all, one)| *all += one);
            all.outcome.iter_mut().zip(&other.outcome).for_each(|(all, one)| *all += one);
        }
        all
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct FoldSums {
    rows: i64,
    weight: f64,
    outcome: f64,
    square: f64,
}

/// The sums over the rows outside of each fold.
fn fold_sums(response: &Response<'_>, folds: Folds<'_>) -> Vec<FoldSums> {
    let mut own = vec![FoldSums::default(); folds.count];
    for (row, fold) in folds.of_row.iter().enumerate() {
        let (weight, outcome) = (response.weight(row), response.outcome(row));
        if weight > 0.0 {
            own[*fold as usize].add(FoldSums {
                rows: 1,
                weight,
                outcome: weight * outcome,
                square: weight * outcome * outcome,
            });
        }
    }
    let others = |fold: usize| {
        let mut all = FoldSums::default();
        own.iter().enumerate().filter(|(k, _)| *k != fold).for_each(|(_, one)| all.add(*one));
        all
    };
    (0..folds.count).map(others).collect()
}

impl FoldSums {
    fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.weight += other.weight;
        self.outcome += other.outcome;
        self.square += other.square;
    }
}
