//! Quadratic forms of the rows of a coded design.

use ndarray::Array2;
use rayon::prelude::*;

use super::Coded;
use crate::design::chunks::CHUNK;
use crate::kernels::BLOCK;
use crate::linalg::{add, dot};

impl Coded<'_> {
    /// x' (diag(`own`) + `half` `half`') x of each row: what [`crate::design::arrow::ArrowFactor::inverse`] gives is the
    /// inverse of a Gram matrix, and this is then the variance of the row's linear predictor.
    #[must_use]
    pub fn quadratic(&self, own: &[f64], half: &Array2<f64>) -> Vec<f64> {
        let width = half.ncols();
        let rows: Vec<f64> = half.iter().copied().collect();
        let row_of = |place: usize| &rows[place * width..(place + 1) * width];
        let mut values = vec![0.0; self.n_rows()];
        values.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, values)| {
            let (mut room, mut sum) = (self.room(), vec![0.0; width]);
            for (block, values) in values.chunks_mut(BLOCK).enumerate() {
                let start = chunk * CHUNK + block * BLOCK;
                let loaded = self.load(start..start + values.len(), &mut room);
                for (slot, value) in values.iter_mut().enumerate() {
                    sum.fill(0.0);
                    for (k, column) in loaded.columns.iter().enumerate() {
                        add(&mut sum, column[slot], row_of(k + 1));
                    }
                    for (factor, levels) in loaded.levels.iter().enumerate() {
                        if let Some(place) = self.place_of(factor, levels[slot] as usize) {
                            let times = factor.checked_sub(self.n_plain());
                            let times = times.map_or(1.0, |own| loaded.values[own][slot]);
                            *value += times * times * own[place];
                            add(&mut sum, times, row_of(place));
                        }
                    }
                    *value += dot(&sum, &sum);
                }
            }
        });
        values
    }

    /// The place of a level's coefficient; none of the first level, but of the widest factor.
    pub(super) fn place_of(&self, factor: usize, level: usize) -> Option<usize> {
        match level.checked_sub(1) {
            Some(level) => Some(self.first(factor) + level),
            None => (factor == self.widest).then_some(0),
        }
    }
}
