//! Rows dropped into cells by their values: what is near in value is then near in memory.

use std::hint::select_unpredictable;
use std::ops::Range;

use rayon::prelude::*;

use crate::design::covariates::CHUNK;

/// Rows a cell should hold: a few to sort, a few to search through.
const ROWS_PER_CELL: usize = 6;

/// A value as a whole number of the same order, and the row that has it.
pub type Keyed = (i64, u32);

/// The sign bit turns the others around: the order that IEEE 754 calls total.
#[allow(clippy::cast_possible_wrap, clippy::cast_sign_loss)] // bits, not numbers
fn key(value: f64) -> i64 {
    let bits = (value + 0.0).to_bits() as i64; // -0.0 becomes 0.0
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// The value of a key.
#[allow(clippy::cast_possible_wrap, clippy::cast_sign_loss)] // bits, not numbers
pub fn value(key: i64) -> f64 {
    f64::from_bits((key ^ (((key >> 63) as u64) >> 1) as i64) as u64)
}

/// Cells of equal width. A greater value never lies in a lower cell, so that sorting each cell sorts
/// them all.
#[derive(Debug, Clone, Copy)]
pub struct Grid {
    low: f64,
    per_width: f64,
    pub cells: usize,
}

impl Grid {
    /// Over the range of all values, for `count` rows that will be dropped.
    pub fn over(values: &[f64], count: usize) -> Self {
        let bounds = values.par_chunks(CHUNK).map(range);
        let (low, high) = bounds.reduce(|| EMPTY, |a, b| (a.0.min(b.0), a.1.max(b.1)));
        let cells = 1 + count / ROWS_PER_CELL;
        let per_width = if high > low { cells as f64 / (high - low) } else { 0.0 };
        Self { low, per_width, cells }
    }

    /// The cell of a value; the nearest for those outside.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // held within the cells
    pub fn cell(&self, value: f64) -> usize {
        (((value - self.low) * self.per_width) as usize).min(self.cells - 1)
    }

    /// Drop rows into their cells, on all threads, each with a part of the rows.
    pub fn drop_rows(&self, values: &[f64], has: impl Fn(usize) -> bool + Sync) -> Vec<Part> {
        let size = values.len().div_ceil(rayon::current_num_threads()).max(1);
        (0..values.len().div_ceil(size))
            .into_par_iter()
            .map(|part| {
                let rows = part * size..values.len().min((part + 1) * size);
                Part::new(self, values, rows, &has)
            })
            .collect()
    }

    /// Neighbouring cells, for a thread to take at a time.
    pub fn stretches(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        const STRETCH: usize = 512;
        let cells = self.cells;
        let stretch = move |index| index * STRETCH..cells.min((index + 1) * STRETCH);
        (0..cells.div_ceil(STRETCH)).map(stretch)
    }
}

/// Nothing: the least is above the greatest.
const EMPTY: (f64, f64) = (f64::INFINITY, f64::NEG_INFINITY);

/// The least and the greatest, in eight strands that need not wait for each other.
fn range(values: &[f64]) -> (f64, f64) {
    const STRANDS: usize = 8;
    let (mut low, mut high) = ([EMPTY.0; STRANDS], [EMPTY.1; STRANDS]);
    let (groups, rest) = values.as_chunks::<STRANDS>();
    for group in groups {
        for k in 0..STRANDS {
            low[k] = if group[k] < low[k] { group[k] } else { low[k] };
            high[k] = if group[k] > high[k] { group[k] } else { high[k] };
        }
    }
    let (low, high) = (low.iter().chain(rest), high.iter().chain(rest));
    (low.copied().fold(EMPTY.0, f64::min), high.copied().fold(EMPTY.1, f64::max))
}

/// Some rows, cell by cell, in each by row number.
#[derive(Debug)]
pub struct Part {
    /// The rows of cell c are `rows[first[c]..first[c + 1]]`; one more is nobody.
    first: Vec<u32>,
    rows: Vec<Keyed>,
}

impl Part {
    /// Rows that are not wanted fall into a slot of nobody: a branch on who is would mostly be guessed wrong.
    #[allow(clippy::cast_possible_truncation)] // rows are numbered in u32
    fn new(grid: &Grid, values: &[f64], rows: Range<usize>, has: impl Fn(usize) -> bool) -> Self {
        // Where each cell begins, then (as it fills) where its next row goes.
        let mut next = vec![0_u32; grid.cells + 1];
        for row in rows.clone() {
            next[grid.cell(values[row]) + 1] += u32::from(has(row));
        }
        for cell in 0..grid.cells {
            next[cell + 1] += next[cell];
        }
        let first = next.clone();
        let nobody = next[grid.cells];
        let mut dropped = vec![(0, 0); nobody as usize + 1];
        for row in rows {
            let (slot, wanted) = (&mut next[grid.cell(values[row])], has(row));
            let place = select_unpredictable(wanted, *slot, nobody);
            dropped[place as usize] = (key(values[row]), row as u32);
            *slot += u32::from(wanted);
        }
        Self { first, rows: dropped }
    }

    /// How many rows some neighbouring cells hold.
    pub fn count(&self, cells: &Range<usize>) -> usize {
        (self.first[cells.end] - self.first[cells.start]) as usize
    }

    pub fn cell(&self, cell: usize) -> &[Keyed] {
        &self.rows[self.first[cell] as usize..self.first[cell + 1] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_keeps_the_order_and_the_value() {
        let values = [-7.5, -1e-300, 0.0, 1e-300, 0.25, 0.250_000_000_000_000_1, 9e9];
        assert!(values.windows(2).all(|pair| key(pair[0]) < key(pair[1])));
        assert!(values.iter().all(|one| value(key(*one)).to_bits() == one.to_bits()));
        assert_eq!(key(-0.0), key(0.0));
    }
}
