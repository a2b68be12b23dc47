//! Means and variances of every column, arm and weighting, in one pass over the rows.

use rayon::prelude::*;

use super::samples::Sample;
use crate::design::covariates::CHUNK;
use crate::design::moments::not_measurable;
use crate::error::Result;
use crate::kernels::{BLOCK, Lane};
use crate::matrix::Matrix;
use crate::moments::Moments;

/// Whose spread, always that of the sample as it is, a mean difference is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Denominator {
    /// The root of the mean of the two arms' variances.
    Pooled,
    Treated,
    Control,
    /// All rows together.
    All,
}

/// A spread whose square is hardly in the range of a float64.
const NARROW: f64 = 1e-150;

/// One column in every sample: an accumulator over blocks of rows. In pairs, 0 is the control arm, 1 the
/// treated.
#[derive(Debug, Clone)]
pub struct Column {
    /// A value of the column, which its moments are measured from: means near 1e9 have lost what arms
    /// differ by. 0 where that is 1, so that proportions are read as they are.
    pub origin: f64,
    /// By sample, the sample as it is first.
    pub moments: Vec<[Moments; 2]>,
    low: [f64; 2],
    high: [f64; 2],
    /// Nothing but zeros and ones.
    pub binary: bool,
}

impl Column {
    #[allow(clippy::float_cmp)] // exact on purpose
    fn empty(n_samples: usize, first: f64) -> Self {
        let origin = if first == 1.0 { 0.0 } else { first };
        Self {
            origin,
            moments: vec![[Moments::EMPTY; 2]; n_samples],
            low: [f64::INFINITY; 2],
            high: [f64::NEG_INFINITY; 2],
            binary: origin == 0.0,
        }
    }

    /// A level's zeros and ones, of which each arm has these at all.
    pub fn of_level(moments: Vec<[Moments; 2]>, has: [[bool; 2]; 2]) -> Self {
        let low = has.map(|[zeros, _]| if zeros { 0.0 } else { 1.0 });
        let high = has.map(|[_, ones]| if ones { 1.0 } else { 0.0 });
        Self { origin: 0.0, moments, low, high, binary: true }
    }

    /// Values measured from the origin.
    fn add(&mut self, values: &[f64], block: &Block) {
        let arms = [&values[block.n_treated..], &values[..block.n_treated]];
        for (arm, values) in arms.iter().enumerate() {
            self.low[arm] = values.iter().copied().fold(self.low[arm], f64::min);
            self.high[arm] = values.iter().copied().fold(self.high[arm], f64::max);
        }
        // Exact on purpose: only a column of zeros and ones is a proportion.
        #[allow(clippy::float_cmp)]
        let zero_or_one = |x: &f64| *x == 0.0 || *x == 1.0;
        self.binary = self.binary && values.iter().all(zero_or_one);
        for (moments, weights) in self.moments.iter_mut().zip(&block.weights) {
            let (treated, control) = weights.values[..values.len()].split_at(block.n_treated);
            for (arm, weights, total) in
                [(0, control, weights.totals[0]), (1, treated, weights.totals[1])]
            {
                moments[arm].add_weighing(arms[arm], weights, total);
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        for (all, one) in self.moments.iter_mut().zip(&other.moments) {
            (0..2).for_each(|arm| all[arm].merge(&one[arm]));
        }
        for arm in 0..2 {
            self.low[arm] = self.low[arm].min(other.low[arm]);
            self.high[arm] = self.high[arm].max(other.high[arm]);
        }
        self.binary &= other.binary;
    }

    /// Whether all rows of both arms have one value.
    pub fn is_constant(&self) -> bool {
        self.low[0].min(self.low[1]) >= self.high[0].max(self.high[1])
    }

    /// Whether the values of an arm differ, by so little that the squares vanish.
    fn is_narrow(&self) -> bool {
        let spreads = self.low.iter().zip(&self.high).map(|(low, high)| high - low);
        spreads.into_iter().any(|spread| spread > 0.0 && spread < NARROW)
    }

    /// The largest value, whatever its sign.
    pub fn magnitude(&self) -> f64 {
        let values = self.low.iter().chain(&self.high).map(|x| x + self.origin);
        values.fold(0.0, |largest, x| x.abs().max(largest))
    }

    /// The standardized mean difference in a sample, over the spread in the sample as it is.
    pub fn smd(&self, sample: usize, samples: &[Sample], denominator: Denominator) -> f64 {
        let [control, treated] = self.moments[sample];
        // A constant column differs by nothing: what is left of its moments is rounding.
        if self.is_constant() {
            return 0.0;
        }
        let gap = treated.mean - control.mean;
        if gap.abs() > 0.0 { gap / self.variance_for(denominator, &samples[0]).sqrt() } else { 0.0 }
    }

    /// The spread that a difference is divided by; 0 where all rows have one value.
    pub fn spread(&self, samples: &[Sample], denominator: Denominator) -> f64 {
        if self.is_constant() {
            return 0.0;
        }
        self.variance_for(denominator, &samples[0]).sqrt()
    }

    fn variance_for(&self, denominator: Denominator, base: &Sample) -> f64 {
        let arm = |arm: usize| {
            // One number all the way down, or on every row that counts.
            let moments = &self.moments[0][arm];
            let constant = self.low[arm] >= self.high[arm] || moments.deviation <= 0.0;
            let variance = self.variance(&self.moments[0][arm], base.squares[arm]);
            if constant { 0.0 } else { variance }
        };
        match denominator {
            Denominator::Pooled => f64::midpoint(arm(1), arm(0)),
            Denominator::Treated => arm(1),
            Denominator::Control => arm(0),
            Denominator::All => {
                let [control, mut all] = self.moments[0];
                all.merge(&control);
                self.variance(&all, base.squares[0] + base.squares[1])
            }
        }
    }

    fn variance(&self, moments: &Moments, squares: f64) -> f64 {
        if self.binary {
            let share = self.origin + moments.mean;
            share * (1.0 - share)
        } else {
            moments.weighted_variance(squares)
        }
    }
}

/// What a block's rows weigh: the treated first, then the controls.
struct Block {
    order: [usize; BLOCK],
    n_treated: usize,
    weights: Vec<BlockWeights>,
}

struct BlockWeights {
    values: Lane,
    totals: [f64; 2],
}

impl Block {
    fn new(n_samples: usize) -> Self {
        let weights =
            (0..n_samples).map(|_| BlockWeights { values: [1.0; BLOCK], totals: [0.0; 2] });
        Self { order: [0; BLOCK], n_treated: 0, weights: weights.collect() }
    }

    /// Take the rows of `treatment` from `start` on.
    fn load(&mut self, treatment: &[bool], start: usize, samples: &[Sample]) {
        self.n_treated = treatment.iter().filter(|treated| **treated).count();
        let mut next = [self.n_treated, 0];
        for (row, treated) in treatment.iter().enumerate() {
            let slot = &mut next[usize::from(*treated)];
            self.order[*slot] = row;
            *slot += 1;
        }
        let order = &self.order[..treatment.len()];
        for (own, sample) in self.weights.iter_mut().zip(samples) {
            if let Some(weights) = sample.weights {
                own.values.iter_mut().zip(order).for_each(|(own, row)| *own = weights[start + row]);
            }
            let (treated, control) = own.values[..order.len()].split_at(self.n_treated);
            own.totals = [control.iter().sum(), treated.iter().sum()];
        }
    }
}

/// Every column of `x`, in one pass over fixed chunks of rows.
///
/// # Errors
/// As [`not_measurable`] says, for the first such column.
pub fn columns(x: &Matrix<'_>, treatment: &[bool], samples: &[Sample]) -> Result<Vec<Column>> {
    let columns = (0..x.nrows().div_ceil(CHUNK))
        .into_par_iter()
        .map(|chunk| chunk_columns(x, treatment, samples, chunk * CHUNK))
        .collect::<Vec<_>>()
        .into_iter()
        .reduce(|mut all, chunk| {
            all.iter_mut().zip(&chunk).for_each(|(all, one)| all.merge(one));
            all
        })
        .unwrap_or_default();
    let overflows = |column: &Column| {
        column.moments.iter().flatten().any(|moments| !moments.deviation.is_finite())
    };
    match columns.iter().position(|column| overflows(column) || column.is_narrow()) {
        Some(k) => Err(not_measurable(x, k)),
        None => Ok(columns),
    }
}

fn chunk_columns(
    x: &Matrix<'_>,
    treatment: &[bool],
    samples: &[Sample],
    start: usize,
) -> Vec<Column> {
    let end = x.nrows().min(start + CHUNK);
    let mut columns: Vec<Column> =
        (0..x.ncols()).map(|k| Column::empty(samples.len(), x.value(0, k))).collect();
    let mut block = Block::new(samples.len());
    let (mut values, mut room) = ([0.0; BLOCK], [0.0; BLOCK]);
    for start in (start..end).step_by(BLOCK) {
        let rows = start..end.min(start + BLOCK);
        let length = rows.len();
        block.load(&treatment[rows.clone()], start, samples);
        for (k, column) in columns.iter_mut().enumerate() {
            let source = x.some(k, rows.clone(), &mut room);
            let (order, origin) = (&block.order[..length], column.origin);
            values.iter_mut().zip(order).for_each(|(slot, row)| *slot = source[*row] - origin);
            column.add(&values[..length], &block);
        }
    }
    columns
}
