//! Products of many columns, as many as their square, for one arm: rows of the other arm, and rows that were not drawn,
//! are left out of them.

use pulp::Simd;

use super::NOTHING;
use crate::kernels::arithmetic::add_dots;
use crate::kernels::{BLOCK, Lane, ScoreEquations};

/// From this many columns on the products of a row take longer than to gather it: a fifth of the time of a pass over
/// 40 columns, a third of one over 100, and nothing of one over 20.
const MANY: usize = 32;

/// An arm with more rows of a block than so many is taken as it lies.
const DENSE: usize = BLOCK / 4 * 3;

/// The products of one arm, and its rows that wait until they fill a block.
pub(super) struct Gathered<const WEIGHING: u8> {
    equations: ScoreEquations,
    beside: Vec<f64>,
    columns: Vec<Lane>,
    parts: [Lane; 3],
    waiting: usize,
}

impl<const WEIGHING: u8> Gathered<WEIGHING> {
    pub fn new(n_columns: usize) -> Self {
        Self {
            equations: ScoreEquations::new(n_columns + 1),
            beside: vec![0.0; n_columns + 1],
            columns: vec![[0.0; BLOCK]; if n_columns < MANY { 0 } else { n_columns }],
            parts: [[0.0; BLOCK]; 3],
            waiting: 0,
        }
    }

    /// Add a block: `rows` says which of it are there, `parts` are what its columns are multiplied with.
    #[inline(always)]
    pub fn add<S: Simd>(&mut self, simd: S, rows: &Lane, columns: &[Lane], parts: &[Lane; 3]) {
        if columns.len() < MANY {
            return self.multiply(simd, columns, parts);
        }
        let (mut there, mut n_there) = ([0; BLOCK], 0);
        for (lane, rows) in (0..=u8::MAX).zip(rows) {
            there[n_there.min(BLOCK - 1)] = lane;
            n_there += usize::from(*rows > 0.0);
        }
        if n_there > DENSE {
            return self.multiply(simd, columns, parts);
        }
        let mut there = &there[..n_there];
        while !there.is_empty() {
            let (now, later) = there.split_at(there.len().min(BLOCK - self.waiting));
            let places = self.waiting..self.waiting + now.len();
            let own = self.columns.iter_mut().chain(&mut self.parts);
            for (own, lane) in own.zip(columns.iter().chain(parts)) {
                let slots = own[places.clone()].iter_mut().zip(now);
                slots.for_each(|(slot, place)| *slot = lane[usize::from(*place)]);
            }
            self.waiting = places.end;
            if self.waiting == BLOCK {
                self.multiply_waiting(simd);
            }
            there = later;
        }
    }

    #[inline(always)]
    fn multiply<S: Simd>(&mut self, simd: S, columns: &[Lane], parts: &[Lane; 3]) {
        let [spread, slope, other] = parts;
        self.equations.add_products_block(simd, columns, slope, spread);
        if WEIGHING != NOTHING {
            add_dots(simd, other, columns, &mut self.beside);
        }
    }

    #[inline(always)]
    fn multiply_waiting<S: Simd>(&mut self, simd: S) {
        let (columns, parts) = (std::mem::take(&mut self.columns), self.parts);
        self.multiply(simd, &columns, &parts);
        (self.columns, self.waiting) = (columns, 0);
    }

    /// The equations, and the products of what stood beside them.
    #[inline(always)]
    pub fn finish<S: Simd>(mut self, simd: S) -> (ScoreEquations, Vec<f64>) {
        // What is left of rows that waited before weighs nothing.
        self.parts.iter_mut().for_each(|lane| lane[self.waiting..].fill(0.0));
        if self.waiting > 0 {
            self.multiply_waiting(simd);
        }
        (self.equations, self.beside)
    }
}
