//! Where passes get their blocks from: standardized columns, in double precision or in single, and tallies.

use super::instructions::dispatched;
use super::{BLOCK, Lane, Tallies};

/// One value in single precision for each row of a block.
pub type SingleLane = [f32; BLOCK];

/// Standardized columns, block by block.
pub trait Source: Sync {
    /// The columns of a block, lent or in `room`.
    fn columns<'a>(&'a self, index: usize, room: &'a mut Room) -> &'a [Lane];

    /// The same in single precision.
    fn single_columns<'a>(&'a self, index: usize, room: &'a mut Room) -> &'a [SingleLane];
}

/// Room for the columns of a block.
#[derive(Debug, Clone)]
pub struct Room {
    pub columns: Vec<Lane>,
    pub single: Vec<SingleLane>,
}

impl Room {
    #[must_use]
    pub fn new(n_columns: usize) -> Self {
        Self { columns: vec![[0.0; BLOCK]; n_columns], single: vec![[0.0; BLOCK]; n_columns] }
    }

    /// Round what `columns` holds.
    pub fn round(&mut self) -> &[SingleLane] {
        self.single.iter_mut().zip(&self.columns).for_each(|(to, from)| *to = round(from));
        &self.single
    }
}

/// Blocks of a resample, one after the other.
pub trait Blocks: Sync {
    /// The standardized columns and the tallies of a block; a source that has them lying ready lends them,
    /// another fills the buffers. Tallies of outcomes only where they are wanted.
    fn block<'a>(
        &'a self,
        index: usize,
        wants_outcome: bool,
        buffers: &'a mut Buffers,
    ) -> (&'a [Lane], &'a Tallies);
}

/// Room for one block.
#[derive(Debug, Clone)]
pub struct Buffers {
    pub room: Room,
    pub tallies: Box<Tallies>,
}

impl Buffers {
    #[must_use]
    pub fn new(n_columns: usize) -> Self {
        Self { room: Room::new(n_columns), tallies: Box::new(Tallies::EMPTY) }
    }
}

dispatched!(
    /// A column in single precision.
    #[must_use]
    pub fn round<'a>(lane: &'a Lane) -> SingleLane,
    |_| {
        let mut rounded = [0.0; BLOCK];
        round_lane(lane, &mut rounded);
        rounded
    }
);

#[inline(always)]
#[allow(clippy::cast_possible_truncation)] // on purpose
pub(super) fn round_lane(from: &Lane, to: &mut SingleLane) {
    for row in 0..BLOCK {
        to[row] = from[row] as f32;
    }
}
