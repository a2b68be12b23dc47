//! Rows dropped into cells by their values: what is near in value is then near in memory.

use std::ops::Range;

use rayon::prelude::*;

/// Rows a cell should hold: a few to sort, a few to search through.
const ROWS_PER_CELL: usize = 16;

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
    /// Over the range of the values of some rows.
    pub fn over(values: &[f64], has: impl Fn(usize) -> bool + Sync) -> Self {
        let none = (f64::INFINITY, f64::NEG_INFINITY, 0);
        let (low, high, count) = (0..values.len())
            .into_par_iter()
            .filter(|row| has(*row))
            .fold(
                || none,
                |(low, high, count), row| (values[row].min(low), values[row].max(high), count + 1),
            )
            .reduce(|| none, |a, b| (a.0.min(b.0), a.1.max(b.1), a.2 + b.2));
        let cells = 1 + count / ROWS_PER_CELL;
        let per_width = if high > low { cells as f64 / (high - low) } else { 0.0 };
        Self { low, per_width, cells }
    }

    /// The cell of a value; the nearest for those outside.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // held within the cells
    fn cell(&self, value: f64) -> usize {
        (((value - self.low) * self.per_width) as usize).min(self.cells - 1)
    }

    /// Drop rows into their cells, on all threads, each with a part of the rows.
    pub fn drop_rows(&self, values: &[f64], has: impl Fn(usize) -> bool + Sync) -> Vec<Part> {
        let size = values.len().div_ceil(rayon::current_num_threads()).max(1);
        (0..values.len().div_ceil(size))
            .into_par_iter()
            .map(|part| {
                let rows = part * size..values.len().min((part + 1) * size);
                Part::new(self, values, rows.filter(|row| has(*row)))
            })
            .collect()
    }

    /// Neighbouring cells, for a thread to take at a time.
    pub fn stretches(&self) -> impl IndexedParallelIterator<Item = Range<usize>> {
        const STRETCH: usize = 512;
        let cells = self.cells;
        let stretch = move |index| index * STRETCH..cells.min((index + 1) * STRETCH);
        (0..cells.div_ceil(STRETCH)).into_par_iter().map(stretch)
    }
}

/// Some rows, cell by cell, in each by row number.
#[derive(Debug)]
pub struct Part {
    /// The rows of cell c are `rows[first[c]..first[c + 1]]`.
    first: Vec<u32>,
    rows: Vec<Keyed>,
}

impl Part {
    #[allow(clippy::cast_possible_truncation)] // rows are numbered in u32
    fn new(grid: &Grid, values: &[f64], rows: impl Iterator<Item = usize> + Clone) -> Self {
        // Where each cell begins, then (as it fills) where its next row goes.
        let mut next = vec![0_u32; grid.cells + 1];
        for row in rows.clone() {
            next[grid.cell(values[row]) + 1] += 1;
        }
        for cell in 0..grid.cells {
            next[cell + 1] += next[cell];
        }
        let first = next.clone();
        let mut dropped = vec![(0, 0); next[grid.cells] as usize];
        for row in rows {
            let slot = &mut next[grid.cell(values[row])];
            dropped[*slot as usize] = (key(values[row]), row as u32);
            *slot += 1;
        }
        Self { first, rows: dropped }
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
