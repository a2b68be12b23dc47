//! What a Newton step over a coded design needs from the rows: sums over each level, and over each pair of levels.

use std::ops::Range;

use ndarray::Array2;

use super::{Coded, Loaded};
use crate::design::arrow::Arrow;
use crate::design::factors::Factor;
use crate::error::Result;
use crate::kernels::{BLOCK, Lane, ScoreEquations, add_levels, add_pairs, side_by_side};
use crate::monitor::Monitor;

/// Sums of r z and of s z z' over the rows, for residuals r and spreads s; a level's z is 1, or with slopes its number.
#[derive(Debug, Clone)]
pub struct Sums {
    /// Of the intercept and the numbers.
    numbers: ScoreEquations,
    /// By factor and level: of s, s z and r, padded; with slopes v of s v v, s v z and r v.
    levels: Vec<Vec<f64>>,
    /// By pair of factors: of s.
    pairs: Vec<Vec<f64>>,
    stride: usize,
    /// A block, row by row.
    rows: Vec<f64>,
}

impl Sums {
    /// How many numbers they are.
    #[must_use]
    pub fn entries(design: &Coded<'_>) -> usize {
        let levels: usize = design.factors.iter().map(Factor::n_levels).sum();
        let of_pair = |(j, k): (usize, usize)| {
            design.factors[j].n_levels().saturating_mul(design.factors[k].n_levels())
        };
        let pairs = pairs(design.factors.len()).map(of_pair).fold(0, usize::saturating_add);
        levels.saturating_mul(stride(design)).saturating_add(pairs)
    }

    #[must_use]
    pub fn new(design: &Coded<'_>) -> Self {
        let stride = stride(design);
        let factors = &design.factors;
        let level = |k: usize| vec![0.0; factors[k].n_levels() * stride];
        let pair =
            |(j, k): (usize, usize)| vec![0.0; factors[j].n_levels() * factors[k].n_levels()];
        Self {
            numbers: ScoreEquations::new(design.places.len() + 1),
            levels: (0..factors.len()).map(level).collect(),
            pairs: pairs(factors.len()).map(pair).collect(),
            stride,
            rows: vec![0.0; BLOCK * stride],
        }
    }

    /// Of rows with these residuals and spreads.
    ///
    /// # Errors
    /// None: nobody asks to stop.
    pub fn of(design: &Coded<'_>, residual: &[f64], spread: &[f64]) -> Result<Self> {
        design.reduce(
            &vec![0.0; design.n_coefficients()],
            Self::entries(design),
            &Monitor::default(),
            || Self::new(design),
            |sums, loaded, _| {
                let [mut r, mut s] = [[0.0; BLOCK]; 2];
                r[..loaded.rows.len()].copy_from_slice(&residual[loaded.rows.clone()]);
                s[..loaded.rows.len()].copy_from_slice(&spread[loaded.rows.clone()]);
                sums.add(design, loaded, &r, &s);
            },
            Self::merge,
        )
    }

    /// Add a block of rows.
    pub fn add(&mut self, design: &Coded<'_>, loaded: &Loaded<'_>, residual: &Lane, spread: &Lane) {
        self.numbers.add_products(loaded.columns, residual, spread);
        side_by_side(loaded.columns, residual, spread, self.stride, &mut self.rows);
        let (plain, of_slopes) = self.levels.split_at_mut(design.n_plain());
        for (sums, levels) in plain.iter_mut().zip(loaded.levels) {
            add_levels(&self.rows, levels, self.stride, sums);
        }
        let own = loaded.values.iter().zip(&loaded.levels[design.n_plain()..]);
        for (sums, (values, levels)) in of_slopes.iter_mut().zip(own) {
            let [r, s] = [residual, spread].map(|lane| product(lane, values));
            side_by_side(loaded.columns, &r, &s, self.stride, &mut self.rows);
            let firsts = self.rows.iter_mut().step_by(self.stride);
            firsts.zip(&product(&s, values)).for_each(|(slot, value)| *slot = *value);
            add_levels(&self.rows, levels, self.stride, sums);
        }
        for (sums, (j, k)) in self.pairs.iter_mut().zip(pairs(loaded.levels.len())) {
            let n_second = design.factors[k].n_levels();
            let mut spread = *spread;
            for own in [j, k].iter().filter_map(|factor| factor.checked_sub(design.n_plain())) {
                spread = product(&spread, &loaded.values[own]);
            }
            add_pairs(&spread, &loaded.levels[j], &loaded.levels[k], n_second, sums);
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.numbers.merge(&other.numbers);
        let all = self.levels.iter_mut().chain(&mut self.pairs);
        for (mine, theirs) in all.zip(other.levels.iter().chain(&other.pairs)) {
            mine.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
        }
    }

    /// The sum of r over all rows, and that of s.
    #[must_use]
    pub fn totals(&self) -> [f64; 2] {
        [self.numbers.gradient[0], self.numbers.information[0]]
    }

    /// The gradient in the coefficients of a design.
    #[must_use]
    pub fn gradient(&self, design: &Coded<'_>) -> Vec<f64> {
        let mut gradient = vec![0.0; design.n_coefficients()];
        let n_numbers = design.places.len();
        gradient[1..=n_numbers].copy_from_slice(&self.numbers.gradient[1..]);
        let residual =
            |factor: usize, level: usize| self.levels[factor][level * self.stride + n_numbers + 1];
        gradient[0] = residual(design.widest, 0);
        for (factor, terms) in design.levels.iter().enumerate() {
            let first = design.first(factor);
            for level in 0..terms.len() {
                gradient[first + level] = residual(factor, level + 1);
            }
        }
        gradient
    }

    /// The Gram matrix of its columns.
    #[must_use]
    pub fn arrow(&self, design: &Coded<'_>) -> Arrow {
        let (n_corner, widest) = (design.n_corner(), design.widest);
        let mut arrow = Arrow::zeros(n_corner, design.levels[widest].len());
        let n_numbers = design.places.len();
        self.put_numbers(&mut arrow.corner, n_numbers);
        // The widest factor's own, and with the numbers.
        let of_level = |factor: usize, level: usize| &self.levels[factor][level * self.stride..];
        arrow.corner[(0, 0)] = of_level(widest, 0)[0];
        put(&mut arrow.corner, (0, 1..n_numbers + 1), |k| of_level(widest, 0)[k + 1]);
        for level in 0..arrow.diagonal.len() {
            let own = of_level(widest, level + 1);
            arrow.diagonal[level] = own[0];
            let mut row = arrow.beside.row_mut(level);
            (1..=n_numbers).for_each(|k| row[k] = own[k]);
        }
        // The others, with the numbers and among each other.
        for factor in (0..design.factors.len()).filter(|factor| *factor != widest) {
            let first = design.first(factor);
            for level in 0..design.levels[factor].len() {
                let (own, place) = (of_level(factor, level + 1), first + level);
                arrow.corner[(place, place)] = own[0];
                put(&mut arrow.corner, (place, 1..n_numbers + 1), |k| own[k + 1]);
            }
            self.put_pairs_with_widest(design, factor, &mut arrow);
            for other in (0..factor).filter(|other| *other != widest) {
                let places = (design.first(other), design.first(factor));
                for j in 0..design.levels[other].len() {
                    let columns = places.1..places.1 + design.levels[factor].len();
                    let pair = |k: usize| self.pair(design, (other, j + 1), (factor, k + 1));
                    put(&mut arrow.corner, (places.0 + j, columns), pair);
                }
            }
        }
        arrow
    }

    fn put_numbers(&self, corner: &mut Array2<f64>, n_numbers: usize) {
        let terms = n_numbers + 1;
        for j in 1..terms {
            for k in j..terms {
                let product = self.numbers.information[j * terms + k];
                (corner[(j, k)], corner[(k, j)]) = (product, product);
            }
        }
    }

    fn put_pairs_with_widest(&self, design: &Coded<'_>, factor: usize, arrow: &mut Arrow) {
        let (first, n_levels) = (design.first(factor), design.levels[factor].len());
        let pair = |own: usize, k: usize| self.pair(design, (design.widest, own), (factor, k + 1));
        put(&mut arrow.corner, (0, first..first + n_levels), |k| pair(0, k));
        for level in 0..arrow.diagonal.len() {
            let mut row = arrow.beside.row_mut(level);
            for k in 0..n_levels {
                row[first + k] = pair(level + 1, k);
            }
        }
    }

    /// The sum of s over the rows of a level.
    #[must_use]
    pub fn spread(&self, factor: usize, level: usize) -> f64 {
        self.levels[factor][level * self.stride]
    }

    /// The sum of s over the rows of two levels of different factors.
    #[must_use]
    pub fn pair(&self, design: &Coded<'_>, a: (usize, usize), b: (usize, usize)) -> f64 {
        let (a, b) = if a.0 < b.0 { (a, b) } else { (b, a) };
        let n_factors = design.factors.len();
        let index = a.0 * (2 * n_factors - a.0 - 1) / 2 + b.0 - a.0 - 1;
        self.pairs[index][a.1 * design.factors[b.0].n_levels() + b.1]
    }
}

/// Fill a part of a row of a symmetric matrix, and of its column.
fn put(
    corner: &mut Array2<f64>,
    (row, columns): (usize, Range<usize>),
    value: impl Fn(usize) -> f64,
) {
    for (k, column) in columns.enumerate() {
        let value = value(k);
        (corner[(row, column)], corner[(column, row)]) = (value, value);
    }
}

/// Numbers a row of the sums of a level: s, s z and r, and room up to a multiple of four.
fn stride(design: &Coded<'_>) -> usize {
    (design.places.len() + 2).next_multiple_of(4)
}

fn product(lane: &Lane, values: &Lane) -> Lane {
    std::array::from_fn(|slot| lane[slot] * values[slot])
}

/// The pairs of so many factors.
fn pairs(n_factors: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n_factors).flat_map(move |j| (j + 1..n_factors).map(move |k| (j, k)))
}
