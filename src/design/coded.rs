//! A design of numbers and factors, whose passes cost a row its columns, not its dummies.
//!
//! Inside, its coefficients are those of another set of columns that span the same: of the widest factor the level of
//! its first level and of each other, alpha 0 and alpha k, in place of the intercept and of beta k = alpha k - alpha 0;
//! the numbers, standardized; the dummies of the other factors. The widest factor's block of a Gram matrix is then
//! diagonal, and a level that few rows have is as well determined as any other, also where it is the first one. Slopes of
//! levels are measured likewise, see [`slopes`].

mod callers;
mod nests;
mod passes;
mod quadratic;
mod rank;
mod ridge;
mod slopes;
mod sums;
mod table;

use std::ops::Range;

use rayon::prelude::*;

use crate::design::chunks::CHUNK;
use crate::design::covariates::Covariates;
use crate::design::factors::Factor;
use crate::error::Result;
use crate::kernels::{BLOCK, Lane, LevelLane, add_effects, add_slopes, linear_predictor};
use crate::monitor::Monitor;
use slopes::Slopes;

pub use nests::Nest;
pub use passes::{Passes, Residuals, Said};
pub use ridge::Ridge;
pub use sums::Sums;
pub use table::{NumbersAndFactors, check_places};

/// A term's share of its square that the others do not explain, above which none is collinear: as in
/// [`crate::design::rank`].
pub const NO_DOUBT: f64 = 1e-4;

/// A design of d terms in the caller's order: numbers, and dummies of all levels of a factor but its first.
#[derive(Debug, Clone)]
pub struct Coded<'a> {
    numbers: Covariates<'a>,
    /// The terms of the numbers.
    places: Vec<usize>,
    /// Their levels are those that have a coefficient, from the second on; the first is that of all others. Those with
    /// slopes come last.
    factors: Vec<Factor>,
    /// By factor, the terms of its levels from the second on.
    levels: Vec<Vec<usize>>,
    /// The last factors, as they stand in the design.
    slopes: Vec<Slopes>,
    /// The factor that is eliminated first, which has no slopes.
    widest: usize,
    /// By term, mean and standard deviation of the rows that are there; 1 for a constant.
    pub center: Vec<f64>,
    deviation: Vec<f64>,
    /// By term, whether it is 0 in all rows that are there.
    is_nothing: Vec<bool>,
}

/// A block of rows, column by column.
pub struct Loaded<'b> {
    pub columns: &'b [Lane],
    pub levels: &'b [LevelLane],
    /// What rows are to the factors that have slopes.
    pub values: &'b [Lane],
    pub rows: Range<usize>,
}

/// Room for a block.
struct Room {
    columns: Vec<Lane>,
    levels: Vec<LevelLane>,
    values: Vec<Lane>,
}

/// What coefficients say of the numbers, after a zero, and of each level of each factor.
struct Effects {
    slopes: Vec<f64>,
    levels: Vec<Vec<f64>>,
}

impl<'a> Coded<'a> {
    /// # Errors
    /// Those of [`Covariates::standardized_among`].
    pub fn new(given: &NumbersAndFactors<'a>, sample_weight: Option<&[f64]>) -> Result<Self> {
        let numbers = Covariates::standardized_among(given.x, sample_weight)?;
        let (places, of_factors) = given.terms();
        let n_terms = given.n_terms();
        let (mut center, mut deviation) = (vec![0.0; n_terms], vec![1.0; n_terms]);
        let mut is_nothing = vec![false; n_terms];
        for (k, place) in places.iter().enumerate() {
            (center[*place], deviation[*place]) = (numbers.center[k], numbers.scale[k]);
        }
        for (factor, terms) in given.factors.iter().zip(&of_factors) {
            for (term, own) in terms.iter().zip(slopes::moments(factor, sample_weight)?) {
                (center[*term], deviation[*term], is_nothing[*term]) = own;
            }
        }
        let all = given.factors.iter().zip(of_factors);
        let (of_slopes, plain): (Vec<_>, Vec<_>) = all.partition(|(one, _)| one.values().is_some());
        let nobody = (plain.is_empty()).then(|| Factor::of_one_level(given.x.nrows()));
        let plain = plain.into_iter().map(|(factor, terms)| (factor.clone(), terms));
        let own = of_slopes.into_iter().map(|(factor, terms)| (factor.clone(), terms));
        let all = nobody.into_iter().map(|one| (one, Vec::new())).chain(plain).chain(own);
        let (factors, levels): (Vec<Factor>, Vec<Vec<usize>>) = all.unzip();
        let slopes = factors.iter().filter_map(Slopes::as_given).collect();
        let design = Self {
            numbers,
            places,
            factors,
            levels,
            slopes,
            widest: 0,
            center,
            deviation,
            is_nothing,
        };
        Ok(design.with_widest())
    }

    fn with_widest(mut self) -> Self {
        let n_levels = |factor: &usize| self.levels[*factor].len();
        self.widest = (0..self.n_plain()).rev().max_by_key(n_levels).unwrap_or(0);
        self
    }

    /// How many factors have no slopes.
    fn n_plain(&self) -> usize {
        self.factors.len() - self.slopes.len()
    }

    /// Without some terms of factors: their levels join the first.
    #[must_use]
    pub fn without(mut self, left_out: &[bool]) -> Self {
        for (factor, terms) in self.factors.iter_mut().zip(&mut self.levels) {
            let mut number = vec![0; factor.n_levels()];
            let mut next = 0;
            for (slot, term) in (1..).zip(terms.iter()) {
                if !left_out[*term] {
                    next += 1;
                    number[slot] = next;
                }
            }
            *factor = factor.renumbered(&number);
            terms.retain(|term| !left_out[*term]);
        }
        self.slopes = self.factors.iter().filter_map(Slopes::as_given).collect();
        self.with_widest()
    }

    /// The terms that have no coefficient.
    #[must_use]
    pub fn dropped(&self) -> Vec<usize> {
        let mut is_there = vec![false; self.center.len()];
        self.places.iter().chain(self.levels.iter().flatten()).for_each(|k| is_there[*k] = true);
        (0..is_there.len()).filter(|term| !is_there[*term]).collect()
    }

    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.numbers.n_rows()
    }

    /// Coefficients, that of the first level among them.
    #[must_use]
    pub fn n_coefficients(&self) -> usize {
        self.n_corner() + self.levels[self.widest].len()
    }

    /// Those that are not eliminated first.
    fn n_corner(&self) -> usize {
        self.first(self.factors.len())
    }

    /// The place of the coefficient of a factor's second level.
    fn first(&self, factor: usize) -> usize {
        if factor == self.widest && factor < self.factors.len() {
            return self.n_corner();
        }
        let earlier = (0..factor).filter(|other| *other != self.widest);
        1 + self.places.len() + earlier.map(|other| self.levels[other].len()).sum::<usize>()
    }

    /// Each coefficient's place and term, but for that of the first level.
    fn coefficients(&self) -> impl Iterator<Item = (usize, usize)> {
        let numbers = self.places.iter().enumerate().map(|(k, term)| (k + 1, *term));
        let factors = self.levels.iter().enumerate().flat_map(|(factor, terms)| {
            let first = self.first(factor);
            terms.iter().enumerate().map(move |(k, term)| (first + k, *term))
        });
        numbers.chain(factors)
    }

    /// The places of levels that no row has which weighs something: what is zero of some sums of weights, and by rows where
    /// there are slopes.
    #[must_use]
    pub fn empty_levels(&self, sums: &[f64], weight: &[f64]) -> Vec<usize> {
        let of_slopes = self.slopes_without_rows(weight);
        let plain = (0..self.n_plain()).flat_map(|factor| {
            let first = self.first(factor);
            first..first + self.levels[factor].len()
        });
        let plain = std::iter::once(0).chain(plain).filter(|place| sums[*place] == 0.0);
        plain.chain(of_slopes).collect()
    }

    /// Without the terms of levels that no row has which is there.
    fn without_empty_levels(self) -> Self {
        let empty = self.is_nothing.clone();
        if empty.contains(&true) { self.without(&empty) } else { self }
    }

    /// What is fitted without a penalty: no empty levels, and slopes by columns that lie [`Coded::apart`]; `None` where
    /// their values leave it in doubt which are explained.
    #[must_use]
    pub fn unpenalized(self, sample_weight: Option<&[f64]>) -> Option<Self> {
        self.without_empty_levels().apart(sample_weight)
    }

    /// Raise the linear predictor of a level's rows.
    pub fn raise(&self, theta: &mut [f64], factor: usize, level: usize, by: f64) {
        if let Some(place) = self.place_of(factor, level) {
            theta[place] += by;
            return;
        }
        // The first level has no coefficient: all rows are raised, and those of the others lowered.
        let all = self.of_intercept(by);
        theta.iter_mut().zip(&all).for_each(|(value, by)| *value += by);
        let first = self.first(factor);
        for value in &mut theta[first..first + self.levels[factor].len()] {
            *value -= by;
        }
    }

    /// The coefficients of a constant.
    #[must_use]
    pub fn of_intercept(&self, value: f64) -> Vec<f64> {
        let n_corner = self.n_corner();
        let is_level = |place: usize| place == 0 || place >= n_corner;
        (0..self.n_coefficients()).map(|k| if is_level(k) { value } else { 0.0 }).collect()
    }

    fn effects(&self, theta: &[f64]) -> Effects {
        let mut slopes = theta[..=self.places.len()].to_vec();
        slopes[0] = 0.0;
        let of_factor = |factor: usize| {
            let first = self.first(factor);
            let base = if factor == self.widest { theta[0] } else { 0.0 };
            let own = &theta[first..first + self.levels[factor].len()];
            std::iter::once(base).chain(own.iter().copied()).collect()
        };
        Effects { slopes, levels: (0..self.factors.len()).map(of_factor).collect() }
    }

    /// The linear predictor of every row; equal rows get equal bits.
    #[must_use]
    pub fn linear(&self, theta: &[f64]) -> Vec<f64> {
        let effects = self.effects(theta);
        let mut values = vec![0.0; self.n_rows()];
        values.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, values)| {
            let mut room = self.room();
            let mut eta = [0.0; BLOCK];
            for (block, values) in values.chunks_mut(BLOCK).enumerate() {
                let start = chunk * CHUNK + block * BLOCK;
                let loaded = self.load(start..start + values.len(), &mut room);
                effects.linear(&loaded, &mut eta);
                values.copy_from_slice(&eta[..values.len()]);
            }
        });
        values
    }

    /// The most that a change of the coefficients moves the linear predictor of any row that is there.
    #[must_use]
    pub fn largest_move(&self, step: &[f64], sample_weight: Option<&[f64]>) -> f64 {
        let is_there = |row: usize| sample_weight.is_none_or(|weight| weight[row] > 0.0);
        let moved = self.linear(step);
        let rows = moved.iter().enumerate().filter(|(row, _)| is_there(*row));
        rows.fold(0.0, |most, (_, change)| change.abs().max(most))
    }

    /// One pass over the rows, whose coefficients are these: an accumulator for each piece, merged in their order.
    /// Pieces grow with the accumulator, which has so many entries, and not with the number of threads.
    ///
    /// # Errors
    /// [`crate::error::Error::Stopped`].
    pub fn reduce<A: Send>(
        &self,
        theta: &[f64],
        entries: usize,
        monitor: &Monitor,
        start: impl Fn() -> A + Sync,
        add: impl Fn(&mut A, &Loaded<'_>, &Lane) + Sync,
        merge: impl Fn(&mut A, &A),
    ) -> Result<A> {
        let effects = self.effects(theta);
        let n = self.n_rows();
        let length = CHUNK * entries.div_ceil(2 * CHUNK).max(1);
        let piece = |index: usize| {
            let (mut sums, mut room, mut eta) = (start(), self.room(), [0.0; BLOCK]);
            let last = n.min((index + 1) * length);
            for first in (index * length..last).step_by(BLOCK) {
                if first.is_multiple_of(CHUNK) {
                    monitor.check()?;
                }
                let loaded = self.load(first..last.min(first + BLOCK), &mut room);
                effects.linear(&loaded, &mut eta);
                add(&mut sums, &loaded, &eta);
            }
            Ok(sums)
        };
        let pieces: Vec<A> =
            (0..n.div_ceil(length)).into_par_iter().map(piece).collect::<Result<_>>()?;
        let mut pieces = pieces.into_iter();
        let mut total = pieces.next().unwrap_or_else(&start);
        for one in pieces {
            merge(&mut total, &one);
        }
        Ok(total)
    }

    fn room(&self) -> Room {
        Room {
            columns: vec![[0.0; BLOCK]; self.numbers.n_columns()],
            levels: vec![[0; BLOCK]; self.factors.len()],
            values: vec![[0.0; BLOCK]; self.slopes.len()],
        }
    }

    fn load<'b>(&self, rows: Range<usize>, room: &'b mut Room) -> Loaded<'b> {
        let Room { columns, levels, values } = room;
        self.numbers.load(rows.start, columns);
        for (factor, lane) in self.factors.iter().zip(&mut *levels) {
            factor.load(rows.start, lane);
        }
        let own = levels[self.n_plain()..].iter().zip(&mut *values);
        for (slopes, (levels, values)) in self.slopes.iter().zip(own) {
            slopes.load(rows.start, levels, columns, values);
        }
        Loaded { columns, levels, values, rows }
    }
}

impl Effects {
    fn linear(&self, loaded: &Loaded<'_>, eta: &mut Lane) {
        linear_predictor(&self.slopes, loaded.columns, eta);
        let n_plain = self.levels.len() - loaded.values.len();
        let (plain, of_slopes) = self.levels.split_at(n_plain);
        let (levels, own) = loaded.levels.split_at(n_plain);
        for (effects, levels) in plain.iter().zip(levels) {
            add_effects(effects, levels, eta);
        }
        for ((slopes, levels), values) in of_slopes.iter().zip(own).zip(loaded.values) {
            add_slopes(slopes, levels, values, eta);
        }
    }
}
