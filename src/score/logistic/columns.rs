//! The columns that passes over resamples take, standardized: kept ready, or read again in each pass.

use std::sync::Arc;

use crate::design::covariates::Covariates;
use crate::kernels::{
    BLOCK, Blocks, Buffers, Lane, Room, SingleLane, Source, Tallies, extremes, round,
};
use crate::units::tally::Units;

/// Standardized columns, block by block.
#[derive(Debug, Clone)]
pub enum Columns<'a> {
    /// Kept ready for all models that are made of them, the columns of a block one after the other, and in single
    /// precision as well.
    Ready { lanes: Arc<Vec<Lane>>, single: Arc<Vec<SingleLane>>, n_columns: usize },
    /// Read and standardized again in each pass, which takes no memory.
    Read(Covariates<'a>),
}

impl Columns<'_> {
    #[must_use]
    pub fn ready(covariates: &Covariates<'_>) -> Self {
        let n_columns = covariates.n_columns();
        let mut lanes = vec![[0.0; BLOCK]; n_columns * covariates.n_rows().div_ceil(BLOCK)];
        for (block, lanes) in lanes.chunks_mut(n_columns.max(1)).enumerate() {
            covariates.load(block * BLOCK, lanes);
        }
        let single = Arc::new(lanes.iter().map(round).collect());
        Self::Ready { lanes: Arc::new(lanes), single, n_columns }
    }

    #[must_use]
    pub fn n_columns(&self) -> usize {
        match self {
            Self::Ready { n_columns, .. } => *n_columns,
            Self::Read(covariates) => covariates.n_columns(),
        }
    }

    /// The largest absolute value of the intercept's column, and of each other, over so many blocks.
    pub fn largest_values(&self, n_blocks: usize) -> Vec<f64> {
        let mut largest: Vec<f64> = vec![1.0];
        largest.resize(self.n_columns() + 1, 0.0);
        let mut room = Room::new(self.n_columns());
        for block in 0..n_blocks {
            for (largest, lane) in largest[1..].iter_mut().zip(self.columns(block, &mut room)) {
                let [low, high] = extremes(lane);
                *largest = largest.max(-low).max(high);
            }
        }
        largest
    }
}

impl Source for Columns<'_> {
    fn columns<'b>(&'b self, index: usize, room: &'b mut Room) -> &'b [Lane] {
        match self {
            Self::Ready { lanes, n_columns, .. } => {
                &lanes[index * n_columns..(index + 1) * n_columns]
            }
            Self::Read(covariates) => {
                covariates.load(index * BLOCK, &mut room.columns);
                &room.columns
            }
        }
    }

    fn single_columns<'b>(&'b self, index: usize, room: &'b mut Room) -> &'b [SingleLane] {
        match self {
            Self::Ready { single, n_columns, .. } => {
                &single[index * n_columns..(index + 1) * n_columns]
            }
            Self::Read(covariates) => {
                covariates.load(index * BLOCK, &mut room.columns);
                room.round()
            }
        }
    }
}

/// A resample as the passes see it.
pub struct Resampled<'r, 'a, U> {
    pub columns: &'r Columns<'a>,
    pub units: &'r U,
}

impl<U: Units> Blocks for Resampled<'_, '_, U> {
    fn block<'b>(
        &'b self,
        index: usize,
        wants_outcome: bool,
        buffers: &'b mut Buffers,
    ) -> (&'b [Lane], &'b Tallies) {
        let columns = self.columns.columns(index, &mut buffers.room);
        (columns, self.units.block(index * BLOCK, wants_outcome, &mut buffers.tallies))
    }
}
