//! Factors with slopes as they stand in a design: a number x of every row times the dummies of levels.
//!
//! As they are given, such columns hardly differ from the dummies of the same levels where x is far from zero, or varies
//! little within a level. Without a penalty the design has others that span the same. With m the mean of x in a row's level
//! of a factor without slopes, which tells the level here too, the columns are those of u = x - m; and where x itself is
//! among the numbers, u of the rows of the first level takes its place: the slope of that level, gamma 0, stands beside
//! those of the others, gamma k, in place of beta = gamma 0 and beta k = gamma k - gamma 0.

use std::collections::HashSet;
use std::sync::Arc;

use ndarray::Array2;

use super::Coded;
use crate::design::factors::Factor;
use crate::design::rank::unit_of;
use crate::error::{Error, Result};
use crate::kernels::{BLOCK, Lane, LevelLane};

/// How many times the rounding of its values a number has to vary, beside its size, for its slope to be beyond doubt, and
/// the share of its size from which the solutions have their digits.
const BEYOND_ROUNDING: f64 = 1e3;
const SHARE: f64 = 1e-9;

/// Row by row, what the dummies of a factor are multiplied by.
#[derive(Debug, Clone)]
pub struct Slopes {
    values: Arc<[f64]>,
    /// The number whose place the slope of the first level takes.
    main: Option<usize>,
    within: Option<Within>,
}

/// The factor that a number is measured within.
#[derive(Debug, Clone)]
struct Within {
    factor: usize,
    /// By its level, the mean, and the level of the factor with slopes that its rows have.
    means: Vec<f64>,
    levels: Vec<usize>,
}

/// What there is to say of a level's rows.
#[derive(Debug, Clone, Copy)]
struct Spread {
    low: f64,
    high: f64,
    sum: f64,
    count: f64,
}

impl Slopes {
    /// Of a factor that has them, as they are.
    pub fn as_given(factor: &Factor) -> Option<Self> {
        Some(Self { values: factor.values()?.clone(), main: None, within: None })
    }

    /// Load the values of the block that starts at a row, whose levels and numbers are loaded.
    pub fn load(&self, start: usize, levels: &LevelLane, numbers: &mut [Lane], values: &mut Lane) {
        let own = &self.values[start..self.values.len().min(start + BLOCK)];
        let (filled, padding) = values.split_at_mut(own.len());
        filled.copy_from_slice(own);
        padding.fill(0.0);
        if let Some(main) = self.main {
            let rows = numbers[main].iter_mut().zip(levels).zip(&*values);
            for ((slot, level), value) in rows {
                *slot = if *level == 0 { *value } else { 0.0 };
            }
        }
    }
}

/// Of the column of each level from the second on its mean, its standard deviation (1 for a constant), and whether it is 0
/// all over, among the rows that are there.
///
/// # Errors
/// [`Error::Extreme`].
pub fn moments(factor: &Factor, sample_weight: Option<&[f64]>) -> Result<Vec<(f64, f64, bool)>> {
    let counts = factor.counts(sample_weight);
    let there: f64 = counts.iter().sum();
    let spread_or_1 = |spread: f64| if spread > 0.0 { spread } else { 1.0 };
    let Some(values) = factor.values() else {
        let of_level = |count: &f64| {
            let share = count / there;
            (share, spread_or_1((share * (1.0 - share)).sqrt()), *count == 0.0)
        };
        return Ok(counts[1..].iter().map(of_level).collect());
    };
    let rows = || {
        let is_there = |row: &usize| sample_weight.is_none_or(|weight| weight[*row] > 0.0);
        (0..values.len()).filter(is_there).map(|row| (factor.level(row), values[row]))
    };
    let (mut means, mut squares) = (vec![0.0; counts.len()], vec![0.0; counts.len()]);
    let mut ends = vec![(f64::INFINITY, -f64::INFINITY); counts.len()];
    for (level, value) in rows() {
        means[level] += value / there;
        ends[level] = (value.min(ends[level].0), value.max(ends[level].1));
    }
    rows().for_each(|(level, value)| squares[level] += (value - means[level]).powi(2));
    let of_level = |level: usize| {
        let (low, high) = if counts[level] < there {
            (ends[level].0.min(0.0), ends[level].1.max(0.0)) // that of rows of other levels
        } else {
            ends[level]
        };
        if low >= high {
            return Ok((low, 1.0, low == 0.0)); // of which sums are off by rounding
        }
        let rest = (there - counts[level]) * means[level].powi(2);
        let deviation = ((squares[level] + rest) / there).sqrt();
        if !deviation.is_finite() {
            return Err(Error::Extreme { name: "factors", column: None });
        }
        Ok((means[level], spread_or_1(deviation), false))
    };
    (1..counts.len()).map(of_level).collect()
}

impl Coded<'_> {
    /// The same span by columns that lie apart, without the slopes that earlier terms explain because their number is the
    /// same all over a level; `None` where its values leave that in doubt.
    #[must_use]
    pub fn apart(mut self, sample_weight: Option<&[f64]>) -> Option<Self> {
        if self.slopes.is_empty() {
            return Some(self);
        }
        let explained = self.measure(sample_weight)?;
        if !explained.contains(&true) {
            return Some(self);
        }
        self = self.without(&explained);
        // What is left varies within each level, or is nothing that those left out do not say.
        let explained = self.measure(sample_weight)?;
        (!explained.contains(&true)).then_some(self)
    }

    /// Measure the numbers from their means; gives which terms are explained by earlier ones.
    fn measure(&mut self, sample_weight: Option<&[f64]>) -> Option<Vec<bool>> {
        let mut explained = vec![false; self.center.len()];
        let mut taken = HashSet::new();
        let n_plain = self.n_plain();
        let mut order: Vec<usize> = (n_plain..self.factors.len()).collect();
        order.sort_by_key(|factor| std::cmp::Reverse(self.levels[*factor].len()));
        for factor in order {
            let given = self.factors[factor].values()?.clone();
            let main = self.number_of(&given).filter(|number| taken.insert(*number));
            let within = self.within(factor, &given, sample_weight);
            let values: Vec<f64> = match &within {
                None => given.to_vec(),
                Some(Within { factor, means, .. }) => {
                    let codes = &self.factors[*factor];
                    given.iter().enumerate().map(|(row, x)| x - means[codes.level(row)]).collect()
                }
            };
            let sums = self.squares(factor, &given, &values, sample_weight);
            self.slopes[factor - n_plain] = Slopes { values: values.into(), main, within };
            self.explained(factor, &sums, unit_of(&given), &mut explained)?;
        }
        Some(explained)
    }

    /// Which of the numbers has these values.
    fn number_of(&self, values: &[f64]) -> Option<usize> {
        let matrix = self.numbers.values();
        (0..self.places.len()).find(|number| {
            let own = matrix.column(self.numbers.column(*number));
            own.iter().zip(values).all(|(a, b)| a.to_bits() == b.to_bits())
        })
    }

    /// The factor of most levels without slopes whose level tells that of a factor with slopes, and means of these values.
    fn within(
        &self,
        factor: usize,
        values: &[f64],
        sample_weight: Option<&[f64]>,
    ) -> Option<Within> {
        let mut order: Vec<usize> = (0..self.n_plain()).collect();
        order.sort_by_key(|one| std::cmp::Reverse(self.levels[*one].len()));
        let told = |one: usize| Some((one, self.levels_told(one, factor, 0)?));
        let (one, levels) = order.into_iter().find_map(told)?;
        let codes = &self.factors[one];
        let nothing = Spread { low: f64::INFINITY, high: -f64::INFINITY, sum: 0.0, count: 0.0 };
        let mut spreads = vec![nothing; levels.len()];
        for (row, value) in values.iter().enumerate() {
            if sample_weight.is_none_or(|weight| weight[row] > 0.0) {
                let own = &mut spreads[codes.level(row)];
                own.low = own.low.min(*value);
                own.high = own.high.max(*value);
                own.sum += value;
                own.count += 1.0;
            }
        }
        let mean = |own: &Spread| match own {
            Spread { count: 0.0, .. } => 0.0,
            Spread { low, high, .. } if low >= high => *low, // of which nothing is left
            Spread { sum, count, .. } => sum / count,
        };
        let means = spreads.iter().map(mean).collect();
        Some(Within { factor: one, means, levels })
    }

    /// By level, the sums of the squares of a number and of what is left of it, among the rows that are there.
    fn squares(
        &self,
        factor: usize,
        given: &[f64],
        left: &[f64],
        sample_weight: Option<&[f64]>,
    ) -> Vec<[f64; 2]> {
        let codes = &self.factors[factor];
        let mut sums = vec![[0.0; 2]; codes.n_levels()];
        for row in 0..given.len() {
            if sample_weight.is_none_or(|weight| weight[row] > 0.0) {
                let own = &mut sums[codes.level(row)];
                *own = [own[0] + given[row].powi(2), own[1] + left[row].powi(2)];
            }
        }
        sums
    }

    /// Mark the terms of a factor with slopes that earlier ones explain; `None` where that is in doubt.
    fn explained(
        &self,
        factor: usize,
        sums: &[[f64; 2]],
        unit: f64,
        explained: &mut [bool],
    ) -> Option<()> {
        let least = (BEYOND_ROUNDING * unit).max(SHARE).powi(2);
        let is_in_doubt = |[given, left]: &[f64; 2]| *left > 0.0 && !(left / given > least);
        if sums.iter().any(is_in_doubt) {
            return None;
        }
        let Slopes { main, within, .. } = &self.slopes[factor - self.n_plain()];
        let terms = &self.levels[factor];
        let mut left_out: Vec<usize> = (terms.iter().zip(&sums[1..]))
            .filter(|(_, [_, left])| *left == 0.0)
            .map(|(term, _)| *term)
            .collect();
        // Without rows that vary, the first level's slope is whatever the last of the others makes it.
        if let Some(number) = main
            && sums[0][1] == 0.0
        {
            let latest = terms.iter().rev().find(|term| !left_out.contains(term))?;
            left_out.push(*latest);
            if self.places[*number] > terms[0] {
                return None;
            }
        }
        let Some(first) = left_out.iter().min() else { return Some(()) };
        let before = within.as_ref().map(|within| &self.levels[within.factor]);
        if !before?.iter().all(|term| term < first) {
            return None; // it may be they that are left out
        }
        for term in &left_out {
            explained[*term] = true;
        }
        Some(())
    }

    /// The places of slopes of levels that no row has which weighs something.
    pub(super) fn slopes_without_rows(&self, weight: &[f64]) -> Vec<usize> {
        let mut places = Vec::new();
        for (factor, codes) in self.factors.iter().enumerate().skip(self.n_plain()) {
            let mut sums = vec![0.0; codes.n_levels()];
            weight.iter().enumerate().for_each(|(row, weight)| sums[codes.level(row)] += weight);
            let empty = (1..sums.len()).filter(|level| sums[*level] == 0.0);
            places.extend(empty.filter_map(|level| self.place_of(factor, level)));
            // The number whose place it takes is that of rows of the first level.
            let main = self.slopes[factor - self.n_plain()].main;
            places.extend(main.filter(|_| sums[0] == 0.0).map(|number| number + 1));
        }
        places
    }

    /// Coefficients of the columns as they are given, but for numbers, which are standardized, and levels, from those here.
    pub(super) fn outer(&self, theta: &[f64]) -> Vec<f64> {
        let mut outer = theta.to_vec();
        for (factor, Slopes { main, within, .. }) in (self.n_plain()..).zip(&self.slopes) {
            let of_first = main.map_or(0.0, |number| theta[number + 1]);
            let first = self.first(factor);
            for slope in &mut outer[first..first + self.levels[factor].len()] {
                *slope -= of_first;
            }
            if let Some(number) = main {
                let term = self.places[*number];
                outer[number + 1] = of_first * self.deviation[term];
                let all = self.of_intercept(of_first * self.center[term]);
                outer.iter_mut().zip(all).for_each(|(value, by)| *value += by);
            }
            let Some(Within { factor: other, means, levels }) = within else { continue };
            for (level, (mean, own)) in means.iter().zip(levels).enumerate() {
                let slope = own.checked_sub(1).map_or(of_first, |level| theta[first + level]);
                self.raise(&mut outer, *other, level, -slope * mean);
            }
        }
        outer
    }

    /// The same of several, column by column.
    pub(super) fn outer_columns(&self, columns: &Array2<f64>) -> Array2<f64> {
        let mut outer = columns.clone();
        if !self.slopes.is_empty() {
            for mut column in outer.columns_mut() {
                let own = self.outer(&column.to_vec());
                column.iter_mut().zip(own).for_each(|(slot, value)| *slot = value);
            }
        }
        outer
    }

    /// The gradient in those coefficients, from that in these; `total` is the intercept's.
    pub(super) fn outer_gradient(&self, gradient: &[f64], total: f64) -> Vec<f64> {
        let mut outer = gradient.to_vec();
        for (factor, Slopes { main, within, .. }) in (self.n_plain()..).zip(&self.slopes) {
            let first = self.first(factor);
            let mut sums = vec![main.map_or(0.0, |number| gradient[number + 1])];
            sums.extend_from_slice(&gradient[first..first + self.levels[factor].len()]);
            if let Some(Within { factor: other, means, levels }) = within {
                for (level, (mean, own)) in means.iter().zip(levels).enumerate() {
                    sums[*own] += mean * self.sum_of_level(gradient, total, *other, level);
                }
            }
            outer[first..first + self.levels[factor].len()].copy_from_slice(&sums[1..]);
            if let Some(number) = main {
                let (term, sum) = (self.places[*number], sums.iter().sum::<f64>());
                outer[number + 1] = (sum - self.center[term] * total) / self.deviation[term];
            }
        }
        outer
    }

    /// The gradient of a level's dummy.
    fn sum_of_level(&self, gradient: &[f64], total: f64, factor: usize, level: usize) -> f64 {
        self.place_of(factor, level).map_or_else(
            || {
                let first = self.first(factor);
                total - gradient[first..first + self.levels[factor].len()].iter().sum::<f64>()
            },
            |place| gradient[place],
        )
    }
}
